/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas; see arena.h for the picture.
 *
 *   chunk  [ head | starts of blocks, a bit per granule | blocks ... | free ]
 *                                                       first        used
 *
 * Invariants (check): the row of chunks ends; `used` of each is between its
 * first block's place and its size, all multiples of 16; bits are set for
 * starts of blocks before `used` and nowhere else; `bytes` is the sum of the
 * chunks' sizes, the spare one's among them, and of the arena itself.
 *
 * A rewind keeps one chunk: code that marks, allocates and rewinds in a loop
 * would otherwise take a large chunk each time round.
 */
#include "config.h"

#include "mm/alloc/arena_internal.h"

#include "mm/alloc/starts_internal.h"
#include "mm/native.h"
#include "mm/assert_internal.h"

#include <string.h>

enum {
  ALIGN = MM_BLOCK_ALIGN,
  FIRST_CHUNK_BYTES = 4 * 1024,
  LAST_CHUNK_BYTES = 1024 * 1024,
};

struct mm_arena_chunk {
  struct mm_arena_chunk *older;
  size_t bytes; /* with this head */
  size_t used;  /* with this head */
};

struct mm_arena {
  struct mm_allocator base;
  struct mm_arena_source *source; /* null: native memory */
  struct mm_arena_chunk *newest;
  struct mm_arena_chunk *spare; /* the largest that a rewind left over */
  size_t next_chunk_bytes;
  size_t bytes;
};

enum {
  CHUNK_HEAD_BYTES = (sizeof(struct mm_arena_chunk) + ALIGN - 1) & -ALIGN
};

static uint64_t *starts_of(const struct mm_arena_chunk *chunk)
{
  return (uint64_t *)((uintptr_t)chunk + CHUNK_HEAD_BYTES);
}

static size_t round_up(size_t bytes)
{
  return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Where blocks begin in a chunk of this size. */
static size_t first_in(size_t chunk_bytes)
{
  return CHUNK_HEAD_BYTES +
         round_up(mm_starts_words(chunk_bytes) * sizeof(uint64_t));
}

/* Bytes for blocks in a chunk of this size. */
static size_t room_in(size_t chunk_bytes)
{
  return chunk_bytes - first_in(chunk_bytes);
}

/* The size of a chunk with room for so many bytes: 1/128 more for the bits. */
static size_t chunk_for(size_t bytes)
{
  bytes += CHUNK_HEAD_BYTES;
  return round_up(bytes + bytes / 127 + 64);
}

static void *take_bytes(struct mm_arena_source *source, size_t bytes)
{
  if (source)
    return source->take(source, bytes);
  return mm_native_alloc_dirty(MM_PURPOSE_ARENA, bytes);
}

static void give_bytes(struct mm_arena_source *source, void *at, size_t bytes)
{
  if (source)
    source->give(source, at, bytes);
  else
    mm_native_free(MM_PURPOSE_ARENA, at, bytes);
}

/* The size that is best for a block: sources keep chunks of a few sizes. */
static size_t best_chunk(const struct mm_arena *arena, size_t bytes)
{
  size_t best = arena->next_chunk_bytes;
  while (bytes > room_in(best) && best < LAST_CHUNK_BYTES)
    best *= 2;
  return bytes > room_in(best) ? chunk_for(bytes) : best;
}

/* The size to try after this one was refused; 0: there is none. */
static size_t next_best_chunk(size_t chunk_bytes, size_t bytes)
{
  size_t half = chunk_bytes / 2, least = chunk_for(bytes);
  if (half >= FIRST_CHUNK_BYTES && half > least)
    return round_up(half);
  return least < chunk_bytes ? least : 0;
}

static struct mm_arena_chunk *take_chunk(struct mm_arena *arena, size_t bytes)
{
  size_t chunk_bytes = best_chunk(arena, bytes);
  struct mm_arena_chunk *chunk = take_bytes(arena->source, chunk_bytes);
  while (!chunk && (chunk_bytes = next_best_chunk(chunk_bytes, bytes)) != 0)
    chunk = take_bytes(arena->source, chunk_bytes);
  if (!chunk)
    return NULL;
  MM_ASSERT(((uintptr_t)chunk & (ALIGN - 1)) == 0);
  MM_ASSERT(bytes <= room_in(chunk_bytes));
  chunk->bytes = chunk_bytes;
  arena->bytes += chunk_bytes;
  if (arena->next_chunk_bytes < LAST_CHUNK_BYTES)
    arena->next_chunk_bytes *= 2;
  return chunk;
}

/* A chunk that is not in the arena's row, with room for `bytes`. */
static struct mm_arena_chunk *find_chunk(struct mm_arena *arena, size_t bytes)
{
  struct mm_arena_chunk *chunk = arena->spare;
  if (!chunk || bytes > room_in(chunk->bytes))
    return take_chunk(arena, bytes);
  arena->spare = NULL;
  return chunk;
}

static struct mm_arena_chunk *add_chunk(struct mm_arena *arena, size_t bytes)
{
  struct mm_arena_chunk *chunk = find_chunk(arena, bytes);
  if (!chunk)
    return NULL;
  MM_ASSERT(bytes <= room_in(chunk->bytes));
  chunk->older = arena->newest;
  chunk->used = first_in(chunk->bytes);
  memset(starts_of(chunk), 0, chunk->used - CHUNK_HEAD_BYTES);
  arena->newest = chunk;
  return chunk;
}

/* What has to be left out before a block at a multiple of `align`. */
static size_t gap_in(const struct mm_arena_chunk *chunk, size_t align)
{
  return -((uintptr_t)chunk + chunk->used) & (align - 1);
}

static void *cut(struct mm_arena_chunk *chunk, size_t gap, size_t bytes)
{
  MM_ASSERT(chunk->used >= first_in(chunk->bytes));
  MM_ASSERT(gap + bytes <= chunk->bytes - chunk->used);
  chunk->used += gap;
  mm_starts_set(starts_of(chunk), chunk->used >> MM_STARTS_LOG2);
  void *block = (char *)chunk + chunk->used;
  chunk->used += bytes;
  return memset(block, 0, bytes);
}

/* A chunk for large blocks may take so much more than they. */
static bool is_possible(size_t bytes, size_t align)
{
  size_t most = SIZE_MAX - SIZE_MAX / 64;
  return bytes <= most && align <= most - bytes;
}

void *mm_arena_alloc_aligned(struct mm_arena *arena, size_t bytes, size_t align)
{
  MM_ASSERT(align != 0 && (align & (align - 1)) == 0);
  if (align < ALIGN)
    align = ALIGN;
  if (mm_native_fails_now() || !is_possible(bytes, align))
    return NULL;
  bytes = bytes ? round_up(bytes) : ALIGN;
  struct mm_arena_chunk *chunk = arena->newest;
  if (!chunk || gap_in(chunk, align) + bytes > chunk->bytes - chunk->used)
    chunk = add_chunk(arena, bytes + align - ALIGN);
  return chunk ? cut(chunk, gap_in(chunk, align), bytes) : NULL;
}

void *mm_arena_alloc(struct mm_arena *arena, size_t bytes)
{
  return mm_arena_alloc_aligned(arena, bytes, ALIGN);
}

struct mm_arena_mark mm_arena_mark(const struct mm_arena *arena)
{
  struct mm_arena_mark mark = {arena->newest, 0};
  if (arena->newest)
    mark.used_bytes = arena->newest->used;
  return mark;
}

static void give_chunk(struct mm_arena *arena, struct mm_arena_chunk *chunk)
{
  if (!chunk)
    return;
  arena->bytes -= chunk->bytes;
  give_bytes(arena->source, chunk, chunk->bytes);
}

/* Takes the newest chunk off; the larger of it and the spare one is kept. */
static void drop_newest(struct mm_arena *arena)
{
  struct mm_arena_chunk *chunk = arena->newest;
  arena->newest = chunk->older;
  if (arena->spare && arena->spare->bytes >= chunk->bytes) {
    give_chunk(arena, chunk);
    return;
  }
  give_chunk(arena, arena->spare);
  arena->spare = chunk;
}

void mm_arena_rewind(struct mm_arena *arena, struct mm_arena_mark mark)
{
  while (arena->newest != mark.chunk)
    drop_newest(arena);
  if (mark.chunk) {
    MM_ASSERT(mark.used_bytes <= mark.chunk->used);
    mm_starts_clear(starts_of(mark.chunk), mark.used_bytes >> MM_STARTS_LOG2,
                    mark.chunk->used >> MM_STARTS_LOG2);
    mark.chunk->used = mark.used_bytes;
  }
}

size_t mm_arena_bytes(const struct mm_arena *arena)
{
  return arena->bytes;
}

void mm_arena_destroy(struct mm_arena *arena)
{
  if (!arena)
    return;
  while (arena->newest)
    drop_newest(arena);
  give_chunk(arena, arena->spare);
  mm_native_free(MM_PURPOSE_ARENA, arena, sizeof(*arena));
}

/* The common face --------------------------------------------------------- */

static struct mm_arena *of_base(struct mm_allocator *base)
{
  return (struct mm_arena *)base;
}

static void *base_alloc(struct mm_allocator *base, size_t bytes)
{
  return mm_arena_alloc(of_base(base), bytes);
}

static void *base_alloc_aligned(struct mm_allocator *base, size_t bytes,
                                size_t align)
{
  return mm_arena_alloc_aligned(of_base(base), bytes, align);
}

static size_t used_granules(const struct mm_arena_chunk *chunk)
{
  return chunk->used >> MM_STARTS_LOG2;
}

/* The block's chunk, when it starts a block. */
static const struct mm_arena_chunk *chunk_of(const struct mm_arena *arena,
                                             uintptr_t at)
{
  const struct mm_arena_chunk *chunk = arena->newest;
  while (chunk && at - (uintptr_t)chunk >= chunk->used)
    chunk = chunk->older;
  if (!chunk || at % ALIGN != 0 ||
      !mm_starts_has(starts_of(chunk),
                     (at - (uintptr_t)chunk) >> MM_STARTS_LOG2))
    return NULL;
  return chunk;
}

static bool base_is_block(struct mm_allocator *base, const void *address)
{
  return chunk_of(of_base(base), (uintptr_t)address) != NULL;
}

/* The start that follows the one at this granule, or the end. */
static size_t next_start(const struct mm_arena_chunk *chunk, size_t granule)
{
  return mm_starts_next(starts_of(chunk), granule + 1, used_granules(chunk));
}

static size_t base_block_bytes(struct mm_allocator *base, const void *block)
{
  const struct mm_arena_chunk *chunk =
      chunk_of(of_base(base), (uintptr_t)block);
  MM_ASSERT(chunk);
  size_t granule = ((uintptr_t)block - (uintptr_t)chunk) >> MM_STARTS_LOG2;
  return (next_start(chunk, granule) - granule) << MM_STARTS_LOG2;
}

static void base_walk(struct mm_allocator *base, mm_block_visit *visit,
                      void *context)
{
  for (struct mm_arena_chunk *chunk = of_base(base)->newest; chunk;
       chunk = chunk->older) {
    size_t end = used_granules(chunk);
    size_t at = mm_starts_next(starts_of(chunk), 0, end);
    while (at < end) {
      size_t next = next_start(chunk, at);
      visit(context, (char *)chunk + (at << MM_STARTS_LOG2),
            (next - at) << MM_STARTS_LOG2);
      at = next;
    }
  }
}

static void count_block(void *context, void *block, size_t bytes)
{
  struct mm_alloc_stats *stats = context;
  (void)block;
  stats->used_bytes += bytes;
  stats->blocks++;
}

static void base_stats(struct mm_allocator *base, struct mm_alloc_stats *stats)
{
  struct mm_arena *arena = of_base(base);
  base_walk(base, count_block, stats);
  stats->held_bytes = arena->bytes - sizeof *arena;
  for (struct mm_arena_chunk *chunk = arena->newest; chunk;
       chunk = chunk->older)
    stats->free_bytes += chunk->bytes - chunk->used;
  if (arena->newest)
    stats->largest_free_bytes = arena->newest->bytes - arena->newest->used;
  size_t spare = arena->spare ? room_in(arena->spare->bytes) : 0;
  stats->free_bytes += spare;
  if (stats->largest_free_bytes < spare)
    stats->largest_free_bytes = spare;
}

static const char *check_chunk(const struct mm_arena_chunk *chunk)
{
  const uint64_t *starts = starts_of(chunk);
  size_t first = first_in(chunk->bytes), all = chunk->bytes >> MM_STARTS_LOG2;
  if (chunk->used < first || chunk->used > chunk->bytes ||
      chunk->used % ALIGN != 0)
    return "the cursor of an arena's chunk is out of the chunk";
  if (mm_starts_next(starts, 0, all) < first >> MM_STARTS_LOG2)
    return "a block starts in the head of an arena's chunk";
  if (mm_starts_next(starts, used_granules(chunk), all) != all)
    return "a block starts beyond the cursor of an arena's chunk";
  return NULL;
}

static const char *base_check(struct mm_allocator *base)
{
  const struct mm_arena *arena = of_base(base);
  size_t bytes = sizeof *arena + (arena->spare ? arena->spare->bytes : 0);
  const char *wrong = NULL;
  for (const struct mm_arena_chunk *chunk = arena->newest; chunk && !wrong;
       chunk = chunk->older) {
    bytes += chunk->bytes;
    wrong = check_chunk(chunk);
  }
  if (!wrong && bytes != arena->bytes)
    wrong = "the chunks of an arena do not add up";
  return wrong;
}

static void base_destroy(struct mm_allocator *base)
{
  mm_arena_destroy(of_base(base));
}

static const struct mm_allocator_class arena_class = {
    .name = "arena",
    .alloc = base_alloc,
    .alloc_aligned = base_alloc_aligned,
    .block_bytes = base_block_bytes,
    .is_block = base_is_block,
    .walk = base_walk,
    .stats = base_stats,
    .check = base_check,
    .destroy = base_destroy,
};

struct mm_allocator *mm_arena_base(struct mm_arena *arena)
{
  return &arena->base;
}

struct mm_arena *mm_arena_create(struct mm_arena_source *source)
{
  struct mm_arena *arena = mm_native_alloc(MM_PURPOSE_ARENA, sizeof(*arena));
  if (!arena)
    return NULL;
  arena->base.class = &arena_class;
  arena->source = source;
  arena->next_chunk_bytes = FIRST_CHUNK_BYTES;
  arena->bytes = sizeof(*arena);
  return arena;
}
