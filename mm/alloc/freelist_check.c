/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a freelist allocator: blocks tile their chunks; no bit stands
 * where it should not; no two free blocks touch; the index holds the free
 * blocks, the quick lists the quick ones, and neither anything else; the counts
 * agree.
 */
#include "config.h"

#include "mm/alloc/freelist_internal.h"

#include "mm/alloc/freelist_bits_internal.h"

/* What a walk over all blocks finds. */
struct census {
  uint64_t chunks, held_bytes, empty_bytes;
  uint64_t blocks[4], granules[4]; /* by state */
};

/* Bits within a block: none, but its size in words that it covers. */
static bool has_stray_bit(const struct mm_freelist *freelist, uint64_t block,
                          uint64_t granules)
{
  uint64_t end = block + granules;
  uint64_t first_full = block / WORD_GRANULES + 1;
  uint64_t end_full = end / WORD_GRANULES;
  for (uint64_t at = block + 1; at < end; at++) {
    uint64_t word = at / WORD_GRANULES;
    uint64_t free = freelist->free_bits[word];
    bool is_size = word + 1 == end_full || word == first_full;
    if (is_start(freelist, at) || freelist->bits[word].handed & bit_of(at))
      return true;
    if (word >= first_full && word < end_full && is_size) {
      if (free != granules)
        return true;
    } else if (free & bit_of(at)) {
      return true;
    }
  }
  return false;
}

static const char *check_block(const struct mm_freelist *freelist,
                               uint64_t block, uint64_t end,
                               struct census *census)
{
  uint64_t granules = size_of(freelist, block);
  enum state state = state_of(freelist, block);
  if (granules == 0 || granules > end - block || state == TAIL)
    return "a block goes beyond its chunk";
  if (has_stray_bit(freelist, block, granules))
    return "a bit stands within a block";
  if (!is_start(freelist, block + granules))
    return "no block starts where one ends";
  if (block_before(freelist, block + granules) != block)
    return "a block is not found from the one behind it";
  if (state == FREE && state_of(freelist, block + granules) == FREE)
    return "two free blocks touch";
  census->blocks[state]++;
  census->granules[state] += granules;
  return NULL;
}

static const char *check_chunk(const struct mm_freelist *freelist,
                               const struct mm_freelist_chunk *chunk,
                               struct census *census)
{
  uint64_t first = first_of_chunk(freelist, chunk);
  uint64_t end = granule_of(freelist, (uintptr_t)chunk);
  for (uint64_t block = first; block < end; block += size_of(freelist, block)) {
    if (!is_start(freelist, block))
      return "a chunk does not start with a block";
    const char *wrong = check_block(freelist, block, end, census);
    if (wrong)
      return wrong;
  }
  if (state_of(freelist, end) != TAIL)
    return "a chunk does not end with its tail";
  census->chunks++;
  census->held_bytes += chunk->bytes;
  if (state_of(freelist, first) == FREE &&
      size_of(freelist, first) == granules_of_chunk(chunk))
    census->empty_bytes += chunk->bytes;
  return NULL;
}

static const char *check_chunks(const struct mm_freelist *freelist,
                                struct census *census)
{
  const struct mm_freelist_chunk *chunk = freelist->chunks, *before = NULL;
  for (; chunk; before = chunk, chunk = chunk->next) {
    if (chunk->before != before)
      return "the list of chunks is not linked both ways";
    const char *wrong = check_chunk(freelist, chunk, census);
    if (wrong)
      return wrong;
  }
  if (census->chunks != freelist->chunk_count ||
      census->held_bytes != freelist->held_bytes)
    return "the counts of chunks are not those of their list";
  return NULL;
}

static const char *check_empty(const struct mm_freelist *freelist,
                               const struct census *census)
{
  const struct mm_freelist_chunk *chunk = freelist->empty, *before = NULL;
  uint64_t bytes = 0;
  for (; chunk; before = chunk, chunk = chunk->next_empty) {
    if (chunk->before_empty != before)
      return "the list of empty chunks is not linked both ways";
    bytes += chunk->bytes;
  }
  if (bytes != freelist->empty_bytes || bytes != census->empty_bytes)
    return "the empty chunks are not those of their list";
  return NULL;
}

static const char *check_quick(const struct mm_freelist *freelist,
                               const struct census *census)
{
  uint64_t blocks = 0;
  for (uint32_t granules = 1; granules <= MM_FREELIST_QUICK; granules++) {
    if (freelist->quick_counts[granules] > MM_FREELIST_QUICK_BLOCKS)
      return "a quick list is too long";
    for (uint32_t i = 0; i < freelist->quick_counts[granules]; i++) {
      uint64_t block = freelist->quick[granules][i];
      if (!is_start(freelist, block) || state_of(freelist, block) != QUICK ||
          size_of(freelist, block) != granules)
        return "a quick list has a block that does not belong there";
    }
    blocks += freelist->quick_counts[granules];
  }
  return blocks == census->blocks[QUICK] ? NULL : "a block is lost";
}

static const char *check_index(struct mm_freelist *freelist,
                               const struct census *census)
{
  uint64_t nodes = 0, granules = 0;
  const char *wrong =
      mm_fit_check(&freelist->fit, size_of_node, freelist, &nodes, &granules);
  if (wrong)
    return wrong;
  if (nodes != census->blocks[FREE] || granules != census->granules[FREE])
    return "the index does not have the free blocks";
  return NULL;
}

const char *mm_freelist_check(struct mm_allocator *allocator)
{
  struct mm_freelist *freelist = (struct mm_freelist *)allocator;
  struct census census = {0};
  const char *wrong = check_chunks(freelist, &census);
  if (!wrong)
    wrong = check_empty(freelist, &census);
  if (!wrong)
    wrong = check_quick(freelist, &census);
  if (!wrong)
    wrong = check_index(freelist, &census);
  if (!wrong && (census.blocks[HANDED] != freelist->blocks ||
                 census.granules[HANDED] != freelist->used_granules))
    wrong = "the counts of blocks are not those of a walk";
  return wrong;
}
