/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bits of a freelist allocator: where blocks start, how long they are, what
 * they are; see freelist_internal.h.
 *
 *                 handed 0       handed 1
 *   free 0        quick          handed out
 *   free 1        free           tail of a chunk
 *
 * A block is named by its first granule, counted from the base of the source.
 */
#ifndef MM_ALLOC_FREELIST_BITS_INTERNAL_H
#define MM_ALLOC_FREELIST_BITS_INTERNAL_H

#include "mm/alloc/freelist_internal.h"
#include "mm/assert_internal.h"

enum {
  GRANULE_LOG2 = 4,
  GRANULE = 1 << GRANULE_LOG2,
  WORD_GRANULES = 64,
  SPAN_GRANULES = MM_SPAN_BYTES / GRANULE,
  TAIL_GRANULES = (sizeof(struct mm_freelist_chunk) + GRANULE - 1) / GRANULE,
  TAIL_BYTES = TAIL_GRANULES * GRANULE,
};

enum state { QUICK = 0, HANDED = 1, FREE = 2, TAIL = 3 };

#define NO_BLOCK UINT64_MAX

static inline uint64_t granule_of(const struct mm_freelist *freelist,
                                  uintptr_t address)
{
  return (address - freelist->source->base) >> GRANULE_LOG2;
}

static inline uintptr_t address_of(const struct mm_freelist *freelist,
                                   uint64_t granule)
{
  return freelist->source->base + (granule << GRANULE_LOG2);
}

static inline size_t bytes_of(uint64_t granules)
{
  return (size_t)granules << GRANULE_LOG2;
}

static inline uint64_t bit_of(uint64_t granule)
{
  return (uint64_t)1 << granule % WORD_GRANULES;
}

static inline bool is_start(const struct mm_freelist *freelist,
                            uint64_t granule)
{
  return freelist->bits[granule / WORD_GRANULES].starts & bit_of(granule);
}

static inline enum state state_of(const struct mm_freelist *freelist,
                                  uint64_t block)
{
  uint64_t handed = freelist->bits[block / WORD_GRANULES].handed;
  uint64_t free = freelist->free_bits[block / WORD_GRANULES];
  MM_ASSERT(is_start(freelist, block));
  return (enum state)((handed & bit_of(block) ? HANDED : 0) |
                      (free & bit_of(block) ? FREE : 0));
}

static inline void flip_handed(struct mm_freelist *freelist, uint64_t block)
{
  freelist->bits[block / WORD_GRANULES].handed ^= bit_of(block);
}

/* The length of a block, in granules. */
static inline uint64_t size_of(const struct mm_freelist *freelist,
                               uint64_t block)
{
  const struct mm_freelist_bits *bits = &freelist->bits[block / WORD_GRANULES];
  uint64_t above = bits[0].starts >> block % WORD_GRANULES >> 1;
  if (above)
    return (uint64_t)__builtin_ctzll(above) + 1;
  if (bits[1].starts)
    return WORD_GRANULES - block % WORD_GRANULES +
           (uint64_t)__builtin_ctzll(bits[1].starts);
  return freelist->free_bits[block / WORD_GRANULES + 1];
}

/* The block that ends where this one starts; NO_BLOCK when memory of somebody
   else lies there. */
static inline uint64_t block_before(const struct mm_freelist *freelist,
                                    uint64_t block)
{
  const struct mm_freelist_bits *bits = &freelist->bits[block / WORD_GRANULES];
  uint64_t word = block - block % WORD_GRANULES;
  uint64_t below = bits[0].starts & (bit_of(block) - 1);
  if (below)
    return word + 63 - (uint64_t)__builtin_clzll(below);
  /* bits[-1] is there for the first word too. */
  const struct mm_freelist_bits *before = bits - 1;
  if (before->starts)
    return word - 1 - (uint64_t)__builtin_clzll(before->starts);
  uint64_t size = *(freelist->free_bits + block / WORD_GRANULES - 1);
  return size ? block - size : NO_BLOCK;
}

/* Writes a size, or 0, where a block covers whole words. */
static inline void set_size(struct mm_freelist *freelist, uint64_t block,
                            uint64_t granules, uint64_t size)
{
  uint64_t first = block / WORD_GRANULES + 1;
  uint64_t end = (block + granules) / WORD_GRANULES;
  if (first < end) {
    freelist->free_bits[first] = size;
    freelist->free_bits[end - 1] = size;
  }
}

static inline void mark(struct mm_freelist *freelist, uint64_t block,
                        uint64_t granules, enum state state)
{
  struct mm_freelist_bits *bits = &freelist->bits[block / WORD_GRANULES];
  MM_ASSERT(granules > 0 && !(bits->starts & bit_of(block)));
  bits->starts |= bit_of(block);
  if (state & HANDED)
    bits->handed |= bit_of(block);
  if (state & FREE)
    freelist->free_bits[block / WORD_GRANULES] |= bit_of(block);
  set_size(freelist, block, granules, granules);
}

static inline void unmark(struct mm_freelist *freelist, uint64_t block,
                          uint64_t granules)
{
  struct mm_freelist_bits *bits = &freelist->bits[block / WORD_GRANULES];
  MM_ASSERT(state_of(freelist, block) == TAIL ||
            size_of(freelist, block) == granules);
  set_size(freelist, block, granules, 0);
  bits->starts &= ~bit_of(block);
  bits->handed &= ~bit_of(block);
  freelist->free_bits[block / WORD_GRANULES] &= ~bit_of(block);
}

/* Chunks ------------------------------------------------------------------ */

static inline uint64_t first_of_chunk(const struct mm_freelist *freelist,
                                      const struct mm_freelist_chunk *chunk)
{
  return granule_of(freelist, (uintptr_t)chunk + TAIL_BYTES - chunk->bytes);
}

static inline uint64_t granules_of_chunk(const struct mm_freelist_chunk *chunk)
{
  return (chunk->bytes - TAIL_BYTES) >> GRANULE_LOG2;
}

static inline struct mm_freelist_chunk *
chunk_at(const struct mm_freelist *freelist, uint64_t tail)
{
  return (struct mm_freelist_chunk *)address_of(freelist, tail);
}

/* Is the block all there is in its chunk? */
static inline bool fills_chunk(const struct mm_freelist *freelist,
                               uint64_t block, uint64_t granules)
{
  if (block % SPAN_GRANULES != 0 || granules < SPAN_GRANULES - TAIL_GRANULES ||
      state_of(freelist, block + granules) != TAIL)
    return false;
  uint64_t before = block_before(freelist, block);
  return before == NO_BLOCK || state_of(freelist, before) == TAIL;
}

/* For the index, whose nodes lie at the beginning of free blocks. */
static inline uint32_t size_of_node(void *context, uintptr_t node)
{
  const struct mm_freelist *freelist = context;
  return (uint32_t)size_of(freelist, granule_of(freelist, node));
}

#endif
