/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freelist allocator; see freelist_internal.h for the picture.
 *
 * Where AddressSanitizer watches, what is not handed out is poisoned, but for
 * the tails of chunks.
 */
#include "config.h"

#include "mm/alloc/freelist_internal.h"

#include "mm/alloc/freelist_bits_internal.h"
#include "mm/alloc/poison_internal.h"
#include "mm/assert_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

enum {
  CHUNK_LEAST_BYTES = 256 * 1024,
  CHUNK_MOST_BYTES = 4 * 1024 * 1024,
  CHUNK_FRACTION = 8,    /* of what is held, a new chunk may be */
  EMPTY_FRACTION = 8,    /* of what is used, empty chunks may be */
  FLUSH_GRANULES = 2048, /* of less use no flush is planned */
};

/* Sizes in granules, and what alignment adds, fit 31 bits. */
#define MOST_BYTES ((size_t)1 << 34)

_Static_assert(sizeof(struct mm_fit_node) <= GRANULE,
               "a free block of one granule holds a node");

static struct mm_freelist *of(struct mm_allocator *allocator)
{
  return (struct mm_freelist *)allocator;
}

static uint32_t granules_for(size_t bytes)
{
  MM_ASSERT(bytes <= MOST_BYTES);
  return bytes ? (uint32_t)((bytes + GRANULE - 1) >> GRANULE_LOG2) : 1;
}

/* Chunks ------------------------------------------------------------------ */

static void link_chunk(struct mm_freelist *freelist,
                       struct mm_freelist_chunk *chunk)
{
  chunk->before = NULL;
  chunk->next = freelist->chunks;
  if (chunk->next)
    chunk->next->before = chunk;
  freelist->chunks = chunk;
  freelist->chunk_count++;
  freelist->held_bytes += chunk->bytes;
}

static void unlink_chunk(struct mm_freelist *freelist,
                         struct mm_freelist_chunk *chunk)
{
  if (chunk->next)
    chunk->next->before = chunk->before;
  if (chunk->before)
    chunk->before->next = chunk->next;
  else
    freelist->chunks = chunk->next;
  freelist->chunk_count--;
  freelist->held_bytes -= chunk->bytes;
}

static void link_empty(struct mm_freelist *freelist,
                       struct mm_freelist_chunk *chunk)
{
  chunk->before_empty = NULL;
  chunk->next_empty = freelist->empty;
  if (chunk->next_empty)
    chunk->next_empty->before_empty = chunk;
  freelist->empty = chunk;
  freelist->empty_bytes += chunk->bytes;
}

static void unlink_empty(struct mm_freelist *freelist,
                         struct mm_freelist_chunk *chunk)
{
  if (chunk->next_empty)
    chunk->next_empty->before_empty = chunk->before_empty;
  if (chunk->before_empty)
    chunk->before_empty->next_empty = chunk->next_empty;
  else
    freelist->empty = chunk->next_empty;
  freelist->empty_bytes -= chunk->bytes;
}

static void give(struct mm_freelist *freelist, struct mm_freelist_chunk *chunk)
{
  uint64_t bytes = chunk->bytes;
  uintptr_t at = (uintptr_t)chunk + TAIL_BYTES - bytes;
  unlink_chunk(freelist, chunk);
  mm_unpoison(at, bytes);
  freelist->source->give(freelist->source, at, bytes);
}

static void give_empty(struct mm_freelist *freelist,
                       struct mm_freelist_chunk *chunk)
{
  uint64_t block = first_of_chunk(freelist, chunk);
  uint64_t granules = granules_of_chunk(chunk);
  MM_ASSERT(fills_chunk(freelist, block, granules));
  mm_fit_remove(&freelist->fit, address_of(freelist, block),
                (uint32_t)granules);
  unmark(freelist, block, granules);
  unmark(freelist, block + granules, TAIL_GRANULES);
  unlink_empty(freelist, chunk);
  give(freelist, chunk);
}

static void give_empty_above(struct mm_freelist *freelist, uint64_t bytes)
{
  while (freelist->empty_bytes > bytes)
    give_empty(freelist, freelist->empty);
}

static void chunk_is_empty(struct mm_freelist *freelist,
                           struct mm_freelist_chunk *chunk)
{
  uint64_t most = bytes_of(freelist->used_granules) / EMPTY_FRACTION;
  link_empty(freelist, chunk);
  give_empty_above(freelist,
                   most > CHUNK_LEAST_BYTES ? most : CHUNK_LEAST_BYTES);
}

static uint64_t round_to_spans(uint64_t bytes)
{
  return (bytes + MM_SPAN_BYTES - 1) & -(uint64_t)MM_SPAN_BYTES;
}

/* Takes a chunk that is as large as is good, or as large as it has to be. */
static uintptr_t take(struct mm_freelist *freelist, uint32_t granules,
                      uint64_t *bytes)
{
  struct mm_source *source = freelist->source;
  uint64_t least = round_to_spans(bytes_of(granules) + TAIL_BYTES);
  uint64_t good = round_to_spans(freelist->held_bytes / CHUNK_FRACTION);
  if (good < CHUNK_LEAST_BYTES)
    good = CHUNK_LEAST_BYTES;
  if (good > CHUNK_MOST_BYTES)
    good = CHUNK_MOST_BYTES;
  *bytes = good > least ? good : least;
  uintptr_t at = source->take(source, *bytes);
  if (!at && *bytes > least) {
    *bytes = least;
    at = source->take(source, least);
  }
  MM_ASSERT(!at || (at % MM_SPAN_BYTES == 0 && at >= source->base &&
                    at - source->base <= source->reserved_bytes - *bytes));
  return at;
}

/* A free block of at least so many granules in a new chunk. */
static uint64_t grow(struct mm_freelist *freelist, uint32_t granules)
{
  uint64_t bytes;
  uintptr_t at = take(freelist, granules, &bytes);
  if (!at)
    return NO_BLOCK;
  struct mm_freelist_chunk *chunk =
      (struct mm_freelist_chunk *)(at + bytes - TAIL_BYTES);
  chunk->bytes = bytes;
  link_chunk(freelist, chunk);
  link_empty(freelist, chunk);
  uint64_t block = granule_of(freelist, at);
  uint64_t all = granules_of_chunk(chunk);
  MM_ASSERT(all >= granules);
  mark(freelist, block + all, TAIL_GRANULES, TAIL);
  mark(freelist, block, all, FREE);
  mm_poison(at, bytes - TAIL_BYTES);
  mm_fit_insert(&freelist->fit, at, (uint32_t)all);
  return block;
}

/* Coalescing -------------------------------------------------------------- */

static void insert(struct mm_freelist *freelist, uint64_t block,
                   uint64_t granules)
{
  mark(freelist, block, granules, FREE);
  mm_fit_insert(&freelist->fit, address_of(freelist, block),
                (uint32_t)granules);
}

/* Takes a free block out of the index, and its bits away. */
static uint64_t extract(struct mm_freelist *freelist, uint64_t block)
{
  uint64_t granules = size_of(freelist, block);
  MM_ASSERT(state_of(freelist, block) == FREE);
  mm_fit_remove(&freelist->fit, address_of(freelist, block),
                (uint32_t)granules);
  unmark(freelist, block, granules);
  return granules;
}

/* Makes a free block of a quick one and of what is free around it. */
static void coalesce(struct mm_freelist *freelist, uint64_t block,
                     uint64_t granules)
{
  MM_ASSERT(state_of(freelist, block) == QUICK);
  uint64_t before = block_before(freelist, block), front = 0;
  if (before != NO_BLOCK && state_of(freelist, before) == FREE)
    front = extract(freelist, before);
  unmark(freelist, block, granules);
  if (state_of(freelist, block + granules) == FREE)
    granules += extract(freelist, block + granules);
  block -= front;
  granules += front;
  insert(freelist, block, granules);
  if (fills_chunk(freelist, block, granules))
    chunk_is_empty(freelist, chunk_at(freelist, block + granules));
}

static void flush_size(struct mm_freelist *freelist, uint32_t granules)
{
  while (freelist->quick_counts[granules] > 0) {
    uint32_t at = --freelist->quick_counts[granules];
    coalesce(freelist, freelist->quick[granules][at], granules);
  }
}

static void flush(struct mm_freelist *freelist)
{
  for (uint32_t granules = 1; granules <= MM_FREELIST_QUICK; granules++)
    flush_size(freelist, granules);
  freelist->flush_granules = freelist->used_granules / 2;
}

/* Use grows: the next flush is due when half of it is freed. */
static void plan_flush(struct mm_freelist *freelist)
{
  if (freelist->used_granules >= FLUSH_GRANULES &&
      freelist->flush_granules < freelist->used_granules / 4)
    freelist->flush_granules = freelist->used_granules / 2;
}

/* Allocation -------------------------------------------------------------- */

/* What just fits is better than what is sure to fit. */
static uint64_t find(struct mm_freelist *freelist, uint32_t granules)
{
  uintptr_t node =
      mm_fit_find_near(&freelist->fit, granules, size_of_node, freelist);
  if (!node)
    node = mm_fit_find(&freelist->fit, granules);
  return node ? granule_of(freelist, node) : NO_BLOCK;
}

static uint64_t find_or_grow(struct mm_freelist *freelist, uint32_t granules)
{
  uint64_t block = find(freelist, granules);
  if (block != NO_BLOCK)
    return block;
  flush(freelist);
  block = find(freelist, granules);
  if (block == NO_BLOCK)
    block = grow(freelist, granules);
  if (block != NO_BLOCK || freelist->empty_bytes == 0)
    return block;
  /* What is kept here may be what the source lacks. */
  give_empty_above(freelist, 0);
  return grow(freelist, granules);
}

static void *hand_out(struct mm_freelist *freelist, uint64_t block,
                      uint32_t granules)
{
  uintptr_t at = address_of(freelist, block);
  freelist->blocks++;
  freelist->used_granules += granules;
  mm_unpoison(at, bytes_of(granules));
  return (void *)at;
}

/* Cuts a block out of a free one, `front` granules after its beginning; what is
   left on both sides is free. */
static void *cut(struct mm_freelist *freelist, uint64_t from, uint32_t front,
                 uint32_t granules)
{
  uint64_t all = size_of(freelist, from);
  uint64_t block = from + front;
  MM_ASSERT(all >= (uint64_t)front + granules);
  if (fills_chunk(freelist, from, all))
    unlink_empty(freelist, chunk_at(freelist, from + all));
  extract(freelist, from);
  if (front)
    insert(freelist, from, front);
  if (all > front + granules)
    insert(freelist, block + granules, all - front - granules);
  mark(freelist, block, granules, HANDED);
  plan_flush(freelist);
  return hand_out(freelist, block, granules);
}

static void *alloc_slow(struct mm_freelist *freelist, uint32_t granules)
{
  uint64_t block = find_or_grow(freelist, granules);
  return block == NO_BLOCK ? NULL : cut(freelist, block, 0, granules);
}

static void *alloc(struct mm_allocator *allocator, size_t bytes)
{
  struct mm_freelist *freelist = of(allocator);
  if (bytes > MOST_BYTES)
    return NULL;
  uint32_t granules = granules_for(bytes);
  if (granules > MM_FREELIST_QUICK || freelist->quick_counts[granules] == 0)
    return alloc_slow(freelist, granules);
  uint32_t block =
      freelist->quick[granules][--freelist->quick_counts[granules]];
  MM_ASSERT(state_of(freelist, block) == QUICK);
  flip_handed(freelist, block);
  return hand_out(freelist, block, granules);
}

static void *alloc_aligned(struct mm_allocator *allocator, size_t bytes,
                           size_t align)
{
  struct mm_freelist *freelist = of(allocator);
  MM_ASSERT(align > 0 && (align & (align - 1)) == 0);
  if (align <= MM_BLOCK_ALIGN)
    return alloc(allocator, bytes);
  if (bytes > MOST_BYTES || align > MOST_BYTES - bytes)
    return NULL;
  uint32_t granules = granules_for(bytes);
  uint32_t more = (uint32_t)(align >> GRANULE_LOG2) - 1;
  uint64_t block = find_or_grow(freelist, granules + more);
  if (block == NO_BLOCK)
    return NULL;
  uintptr_t gap = -address_of(freelist, block) & (align - 1);
  return cut(freelist, block, (uint32_t)(gap >> GRANULE_LOG2), granules);
}

/* Any address: one that lies elsewhere, or within a block, is none. */
static bool is_block(struct mm_allocator *allocator, const void *address)
{
  struct mm_freelist *freelist = of(allocator);
  uintptr_t offset = (uintptr_t)address - freelist->source->base;
  if (offset >= freelist->source->reserved_bytes || offset % GRANULE != 0)
    return false;
  uint64_t granule = offset >> GRANULE_LOG2;
  return is_start(freelist, granule) && state_of(freelist, granule) == HANDED;
}

static void free_block(struct mm_allocator *allocator, void *at)
{
  struct mm_freelist *freelist = of(allocator);
  MM_ASSERT(is_block(allocator, at));
  uint64_t block = granule_of(freelist, (uintptr_t)at);
  uint64_t granules = size_of(freelist, block);
  flip_handed(freelist, block);
  freelist->blocks--;
  freelist->used_granules -= granules;
  mm_poison((uintptr_t)at, bytes_of(granules));
  if (granules <= MM_FREELIST_QUICK &&
      freelist->quick_counts[granules] < MM_FREELIST_QUICK_BLOCKS)
    freelist->quick[granules][freelist->quick_counts[granules]++] =
        (uint32_t)block;
  else
    coalesce(freelist, block, granules);
  if (freelist->used_granules < freelist->flush_granules)
    flush(freelist);
}

void mm_freelist_trim(struct mm_freelist *freelist)
{
  flush(freelist);
  give_empty_above(freelist, 0);
}

/* Looking ----------------------------------------------------------------- */

static size_t block_bytes(struct mm_allocator *allocator, const void *block)
{
  struct mm_freelist *freelist = of(allocator);
  MM_ASSERT(is_block(allocator, block));
  return bytes_of(size_of(freelist, granule_of(freelist, (uintptr_t)block)));
}

static void walk_chunk(struct mm_freelist *freelist,
                       const struct mm_freelist_chunk *chunk,
                       mm_block_visit *visit, void *context)
{
  uint64_t block = first_of_chunk(freelist, chunk);
  for (enum state state; (state = state_of(freelist, block)) != TAIL;) {
    uint64_t granules = size_of(freelist, block);
    if (state == HANDED)
      visit(context, (void *)address_of(freelist, block), bytes_of(granules));
    block += granules;
  }
}

static void walk(struct mm_allocator *allocator, mm_block_visit *visit,
                 void *context)
{
  struct mm_freelist *freelist = of(allocator);
  struct mm_freelist_chunk *chunk = freelist->chunks;
  for (; chunk; chunk = chunk->next)
    walk_chunk(freelist, chunk, visit, context);
}

static void stats(struct mm_allocator *allocator, struct mm_alloc_stats *stats)
{
  struct mm_freelist *freelist = of(allocator);
  stats->held_bytes = freelist->held_bytes;
  stats->used_bytes = bytes_of(freelist->used_granules);
  stats->blocks = freelist->blocks;
  stats->free_bytes = freelist->held_bytes - stats->used_bytes -
                      freelist->chunk_count * TAIL_BYTES;
  stats->largest_free_bytes =
      bytes_of(mm_fit_largest(&freelist->fit, size_of_node, freelist));
}

/* Life -------------------------------------------------------------------- */

static void destroy(struct mm_allocator *allocator)
{
  struct mm_freelist *freelist = of(allocator);
  while (freelist->chunks)
    give(freelist, freelist->chunks);
  mm_native_charge(MM_PURPOSE_ALLOCATORS, -(int64_t)freelist->tables_bytes);
  mm_os_release(freelist->tables, freelist->tables_bytes);
  freelist->tables = NULL;
  freelist->allocator.class = NULL;
}

static const struct mm_allocator_class class = {
    .name = "freelist",
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .free = free_block,
    .block_bytes = block_bytes,
    .is_block = is_block,
    .walk = walk,
    .stats = stats,
    .check = mm_freelist_check,
    .destroy = destroy,
};

enum mm_status mm_freelist_init(struct mm_freelist *freelist,
                                struct mm_source *source)
{
  uint64_t page = mm_os_page_bytes();
  uint64_t words = source->reserved_bytes / GRANULE / WORD_GRANULES + 1;
  uint64_t bits_bytes = words * sizeof(struct mm_freelist_bits);
  uint64_t bytes = bits_bytes + words * sizeof(uint64_t);
  void *tables;
  MM_ASSERT(source->reserved_bytes / GRANULE < UINT32_MAX);
  bytes = (bytes + page - 1) / page * page;
  enum mm_status status = mm_os_map(bytes, &tables);
  if (status != MM_OK)
    return status;
  mm_native_charge(MM_PURPOSE_ALLOCATORS, (int64_t)bytes);
  *freelist = (struct mm_freelist){
      .allocator = {&class},
      .source = source,
      .bits = (struct mm_freelist_bits *)tables + 1,
      .free_bits = (uint64_t *)((char *)tables + bits_bytes) + 1,
      .tables = tables,
      .tables_bytes = bytes,
  };
  mm_fit_init(&freelist->fit, source->base, GRANULE_LOG2);
  return MM_OK;
}
