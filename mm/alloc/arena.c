/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas; see arena.h for the picture.
 *
 * Invariants: `newest` is null or a chunk whose `used` is between the size of
 * its head and its size, both multiples of 16; `bytes` is the sum of the
 * chunks' sizes, the spare one's among them, and of the arena itself.
 *
 * A rewind keeps one chunk: code that marks, allocates and rewinds in a loop
 * would otherwise take a large chunk each time round.
 */
#include "config.h"

#include "mm/alloc/arena.h"

#include "mm/native.h"
#include "mm/assert_internal.h"

#include <string.h>

enum {
  ALIGN = 16,
  FIRST_CHUNK_BYTES = 4 * 1024,
  LAST_CHUNK_BYTES = 1024 * 1024,
};

struct mm_arena_chunk {
  struct mm_arena_chunk *older;
  size_t bytes; /* with this head */
  size_t used;  /* with this head */
};

struct mm_arena {
  struct mm_arena_source *source; /* null: native memory */
  struct mm_arena_chunk *newest;
  struct mm_arena_chunk *spare; /* the largest that a rewind left over */
  size_t next_chunk_bytes;
  size_t bytes;
};

enum {
  CHUNK_HEAD_BYTES = (sizeof(struct mm_arena_chunk) + ALIGN - 1) & -ALIGN
};

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

struct mm_arena *mm_arena_create(struct mm_arena_source *source)
{
  struct mm_arena *arena = mm_native_alloc(MM_PURPOSE_ARENA, sizeof(*arena));
  if (!arena)
    return NULL;
  arena->source = source;
  arena->next_chunk_bytes = FIRST_CHUNK_BYTES;
  arena->bytes = sizeof(*arena);
  return arena;
}

/* A chunk that is not in the arena's row, with room for `bytes`. */
static struct mm_arena_chunk *find_chunk(struct mm_arena *arena, size_t bytes)
{
  struct mm_arena_chunk *chunk = arena->spare;
  if (chunk && bytes <= chunk->bytes - CHUNK_HEAD_BYTES) {
    arena->spare = NULL;
    return chunk;
  }
  size_t chunk_bytes = arena->next_chunk_bytes;
  if (bytes > chunk_bytes - CHUNK_HEAD_BYTES)
    chunk_bytes = bytes + CHUNK_HEAD_BYTES;
  chunk = take_bytes(arena->source, chunk_bytes);
  if (!chunk)
    return NULL;
  MM_ASSERT(((uintptr_t)chunk & (ALIGN - 1)) == 0);
  chunk->bytes = chunk_bytes;
  arena->bytes += chunk_bytes;
  if (arena->next_chunk_bytes < LAST_CHUNK_BYTES)
    arena->next_chunk_bytes *= 2;
  return chunk;
}

static struct mm_arena_chunk *add_chunk(struct mm_arena *arena, size_t bytes)
{
  struct mm_arena_chunk *chunk = find_chunk(arena, bytes);
  if (!chunk)
    return NULL;
  chunk->older = arena->newest;
  chunk->used = CHUNK_HEAD_BYTES;
  arena->newest = chunk;
  return chunk;
}

void *mm_arena_alloc(struct mm_arena *arena, size_t bytes)
{
  if (mm_native_fails_now() || bytes > SIZE_MAX - CHUNK_HEAD_BYTES - ALIGN)
    return NULL;
  bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
  struct mm_arena_chunk *chunk = arena->newest;
  if (!chunk || bytes > chunk->bytes - chunk->used)
    chunk = add_chunk(arena, bytes);
  if (!chunk)
    return NULL;
  MM_ASSERT(chunk->used >= CHUNK_HEAD_BYTES && chunk->used <= chunk->bytes);
  void *block = (char *)chunk + chunk->used;
  chunk->used += bytes;
  return memset(block, 0, bytes);
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
