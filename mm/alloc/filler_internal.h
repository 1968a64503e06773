/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fillers: objects that stand for a gap, so that a region can be walked.
 *
 *   8 bytes     header
 *   16 and more header | bytes | what the owner of the gap writes
 */
#ifndef MM_FILLER_INTERNAL_H
#define MM_FILLER_INTERNAL_H

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"

enum { MM_FILLER_BYTES_OFFSET = MM_ARRAY_LENGTH_OFFSET };

/* Fills [at, end) with one filler; nothing when it is empty. */
static inline void mm_fill(const struct mm_heap *heap, uintptr_t at,
                           uintptr_t end)
{
  MM_ASSERT(at <= end && ((at | end) & (MM_OBJECT_ALIGN - 1)) == 0);
  if (at == end)
    return;
  struct mm_layout *layout = heap->filler;
  if (end - at == MM_OBJECT_ALIGN)
    layout = heap->filler_granule;
  *(uint64_t *)at = (uintptr_t)layout;
  if (layout == heap->filler)
    *(uint32_t *)(at + MM_FILLER_BYTES_OFFSET) = (uint32_t)(end - at);
}

#endif
