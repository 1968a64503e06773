/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where blocks start, as a bit per 16 bytes: what lets allocators that only
 * move a cursor tell the blocks they handed out, without a head in each.
 *
 *   memory  [block A        ][block B][block C    ] cursor
 *   bits     1  0  0  0  0  0 1  0  0  1  0  0  0    0 ...
 *
 * A block reaches to the next one's start or to the cursor.  Granules count
 * from the start of what the owner covers.
 *
 * Users: arena.c, bump.c.
 */
#ifndef MM_ALLOC_STARTS_INTERNAL_H
#define MM_ALLOC_STARTS_INTERNAL_H

#include "mm/alloc/allocator_internal.h"

enum { MM_STARTS_LOG2 = 4 };

_Static_assert(MM_BLOCK_ALIGN == 1 << MM_STARTS_LOG2, "a bit per granule");

/* Words of bits that cover so many bytes. */
static inline size_t mm_starts_words(size_t bytes)
{
  return ((bytes >> MM_STARTS_LOG2) + 63) / 64;
}

static inline void mm_starts_set(uint64_t *starts, size_t granule)
{
  starts[granule / 64] |= (uint64_t)1 << granule % 64;
}

static inline bool mm_starts_has(const uint64_t *starts, size_t granule)
{
  return starts[granule / 64] >> granule % 64 & 1;
}

/* The first start in [from, limit), or limit. */
static inline size_t mm_starts_next(const uint64_t *starts, size_t from,
                                    size_t limit)
{
  for (size_t at = from; at < limit; at = (at / 64 + 1) * 64) {
    uint64_t word = starts[at / 64] >> at % 64;
    if (word == 0)
      continue;
    at += (size_t)__builtin_ctzll(word);
    return at < limit ? at : limit;
  }
  return limit;
}

/* There are no starts in [from, limit) any more; there are none behind. */
static inline void mm_starts_clear(uint64_t *starts, size_t from, size_t limit)
{
  if (from >= limit)
    return;
  starts[from / 64] &= ((uint64_t)1 << from % 64) - 1;
  for (size_t word = from / 64 + 1; word * 64 < limit; word++)
    starts[word] = 0;
}

#endif
