/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index of free memory by size: segregated fit on two levels, O(1) for all.
 *
 *   firsts     1 1 0 1 ...           a bit per size range: has a list any node
 *   seconds  [ 0 1 1 .. ] [ .. ]     a bit per list of the range
 *   heads      - o o      o          the lists: nodes in the free memory itself
 *
 * Sizes are in granules.  Below 32 each has a list of its own; from there on
 * each doubling is cut in 32, so that a list holds sizes that differ by less
 * than 1/32.  To find a block of n granules is to round n up to the beginning
 * of a list, and to take the first node of the first list from there on that
 * has one: any node of it is large enough.  The price is that a block just
 * large enough, in the list that n itself belongs to, is passed over;
 * mm_fit_find_near looks at the first few nodes there.
 *
 * The index knows nothing of heads and tags: who inserts and removes tells the
 * size, and a node is 8 bytes somewhere in the free block, at a multiple of
 * the granule.  Links are granules from a base, 32 bits wide: enough for 32
 * GiB with granules of 8 bytes.
 *
 * After Masmano, Ripoll, Crespo and Real, "TLSF: a new dynamic memory allocator
 * for real-time systems", 2004.  There links are pointers and the index knows
 * the format of blocks.
 *
 * One thread at a time.
 */
#ifndef MM_ALLOC_FIT_INTERNAL_H
#define MM_ALLOC_FIT_INTERNAL_H

#include "mm/mm.h"

#include <stddef.h>

enum {
  MM_FIT_SECONDS_LOG2 = 5,
  MM_FIT_SECONDS = 1 << MM_FIT_SECONDS_LOG2,
  MM_FIT_FIRSTS = 32 - MM_FIT_SECONDS_LOG2 + 1,
  MM_FIT_NEAR = 8, /* nodes that mm_fit_find_near looks at */
};

/* What the index writes into free memory.  0 ends a list; other links are
   granules from the base, and 1. */
struct mm_fit_node {
  uint32_t next, before;
};

struct mm_fit_index {
  uintptr_t base;
  uint32_t granule_log2;
  uint32_t firsts;
  uint32_t seconds[MM_FIT_FIRSTS];
  uint32_t heads[MM_FIT_FIRSTS][MM_FIT_SECONDS];
};

/* The size of the free block that has this node, in granules. */
typedef uint32_t mm_fit_size(void *context, uintptr_t node);

/* An empty index for nodes from `base` (a multiple of the granule) on. */
void mm_fit_init(struct mm_fit_index *fit, uintptr_t base,
                 uint32_t granule_log2);

/* `node` lies in a free block of at least 1 granule. */
void mm_fit_insert(struct mm_fit_index *fit, uintptr_t node, uint32_t granules);

/* `granules` as when it was inserted. */
void mm_fit_remove(struct mm_fit_index *fit, uintptr_t node, uint32_t granules);

/* A node of a block of at least so many granules, which stays in the index;
   0 when no list is sure to have one. */
uintptr_t mm_fit_find(const struct mm_fit_index *fit, uint32_t granules);

/* The same among the first MM_FIT_NEAR nodes of the list that such a block
   itself would be in. */
uintptr_t mm_fit_find_near(const struct mm_fit_index *fit, uint32_t granules,
                           mm_fit_size *size, void *context);

/* The largest block that one of the two can find, in granules. */
uint32_t mm_fit_largest(const struct mm_fit_index *fit, mm_fit_size *size,
                        void *context);

/* Null, or what is wrong; counts the nodes and their granules. */
const char *mm_fit_check(const struct mm_fit_index *fit, mm_fit_size *size,
                         void *context, uint64_t *nodes, uint64_t *granules);

#endif
