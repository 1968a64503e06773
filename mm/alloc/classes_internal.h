/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Size classes: which slot size serves a request.
 *
 *   granule 8:  8 16 24 .. 64 | 72 80 .. 128 | 144 160 .. 256 | 288 .. 512 ..
 *
 * Up to 8 granules each multiple is a class; from there on each doubling is
 * cut in eight, so that a request wastes less than 1/8 of its slot (the
 * spacing of jemalloc, Evans 2006, with eight steps instead of four).  A
 * profile may add sizes: what a program asks for most then fits exactly.
 */
#ifndef MM_ALLOC_CLASSES_INTERNAL_H
#define MM_ALLOC_CLASSES_INTERNAL_H

#include "mm/mm.h"

#include <stddef.h>

enum {
  MM_CLASSES_MOST = 96,         /* 8 + 8 per doubling, and what was added */
  MM_CLASS_GRANULES_MOST = 256, /* the largest class, in granules */
};

struct mm_classes {
  uint32_t granule_log2;
  uint32_t count;
  uint32_t most_bytes;             /* the largest class */
  uint32_t bytes[MM_CLASSES_MOST]; /* ascending, multiples of the granule */
  uint8_t of_granules[MM_CLASS_GRANULES_MOST + 1]; /* class of a request */
};

/*
 * Fills the table with the classes from `least_bytes` up to `most_bytes` (at
 * most 256 granules)
 * and with `extra` sizes, rounded up to granules; those beyond these bounds
 * and those that are there already are passed over.  False: more than
 * MM_CLASSES_MOST.
 */
bool mm_classes_init(struct mm_classes *classes, uint32_t granule_log2,
                     uint32_t least_bytes, uint32_t most_bytes, const uint32_t *extra,
                     size_t extra_count);

/* The class of a request of 1 to most_bytes bytes. */
static inline uint32_t mm_class_of(const struct mm_classes *classes,
                                   size_t bytes)
{
  size_t granule = (size_t)1 << classes->granule_log2;
  return classes->of_granules[(bytes + granule - 1) >> classes->granule_log2];
}

#endif
