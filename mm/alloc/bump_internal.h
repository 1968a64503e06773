/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bump allocator: a pointer and a limit.
 *
 *   start          cursor                    limit
 *   | blocks ...   | free                    |
 *
 * Allocating moves the cursor; freeing is for all at once, in O(1).  Invariant
 * (mm_bump_check): start <= cursor <= limit, all multiples of 8.  What the
 * memory holds is the owner's affair, and so is locking.  All zero: empty,
 * without memory.
 *
 * Users: buffers of the collector's workers, chunks of regions (object.c), the
 * metadata reservation.  A TLAB is the same with its fields in mm_mutator,
 * where compiled code finds them.
 */
#ifndef MM_ALLOC_BUMP_INTERNAL_H
#define MM_ALLOC_BUMP_INTERNAL_H

#include "mm/assert_internal.h"

#include <stddef.h>
#include <stdint.h>

struct mm_bump {
  uintptr_t start, cursor, limit;
};

static inline void mm_bump_check(const struct mm_bump *bump)
{
  MM_ASSERT(bump->start <= bump->cursor && bump->cursor <= bump->limit);
  MM_ASSERT(((bump->start | bump->cursor | bump->limit) & 7) == 0);
  (void)bump;
}

/* Begins to hand out [start, limit). */
static inline void mm_bump_init(struct mm_bump *bump, uintptr_t start,
                                uintptr_t limit)
{
  *bump = (struct mm_bump){start, start, limit};
  mm_bump_check(bump);
}

static inline size_t mm_bump_left(const struct mm_bump *bump)
{
  return bump->limit - bump->cursor;
}

static inline size_t mm_bump_used(const struct mm_bump *bump)
{
  return bump->cursor - bump->start;
}

/* `bytes` (a multiple of 8) from the free part; 0 when it has too few. */
static inline uintptr_t mm_bump_alloc(struct mm_bump *bump, size_t bytes)
{
  if (bytes > mm_bump_left(bump))
    return 0;
  uintptr_t at = bump->cursor;
  bump->cursor += bytes;
  mm_bump_check(bump);
  return at;
}

/* Frees everything. */
static inline void mm_bump_reset(struct mm_bump *bump)
{
  bump->cursor = bump->start;
}

#endif
