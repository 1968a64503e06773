/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler space; see compiler_internal.h.
 */
#include "config.h"

#include "mm/space/compiler_internal.h"

#include "mm/gc/heap_internal.h"
#include "mm/gc/options_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <stddef.h>

enum {
  LEAST_LOG2 = 12, /* of the pool's chunks */
  LEAST_BYTES = 1 << LEAST_LOG2,
  LEAST_LIMIT_BYTES = 64 * 1024,
  POOL_BYTES = 1024 * 1024, /* kept for the next compilations */
};

#define DEFAULT_LIMIT_BYTES ((uint64_t)256 << 20)

/* A chunk in the pool; the rest of it is of no matter. */
struct mm_compiler_chunk {
  struct mm_compiler_chunk *next;
};

static struct mm_compiler_space *space_of(struct mm_arena_source *source)
{
  return (
      struct mm_compiler_space *)((char *)source -
                                  offsetof(struct mm_compiler_space, source));
}

/* Which list of the pool holds chunks of this size; -1: none does. */
static int list_of(uint64_t bytes)
{
  if ((bytes & (bytes - 1)) != 0 || bytes < LEAST_BYTES)
    return -1;
  int list = __builtin_ctzll(bytes) - LEAST_LOG2;
  return list < MM_COMPILER_POOL_LISTS ? list : -1;
}

static uint64_t to_pages(size_t bytes)
{
  uint64_t page = mm_os_page_bytes();
  return ((uint64_t)bytes + page - 1) & ~(page - 1);
}

/* The pool ---------------------------------------------------------------- */

static uint64_t committed_bytes(const struct mm_compiler_space *space)
{
  return space->stat.used_bytes + space->stat.pooled_bytes;
}

static void unmap(void *chunk, uint64_t bytes)
{
  mm_os_release(chunk, bytes);
  mm_native_charge(MM_PURPOSE_COMPILER, -(int64_t)bytes);
}

static void pool_put(struct mm_compiler_space *space, void *at, int list)
{
  struct mm_compiler_chunk *chunk = at;
  chunk->next = space->pool[list];
  space->pool[list] = chunk;
  space->stat.pooled_chunks++;
  space->stat.pooled_bytes += (uint64_t)LEAST_BYTES << list;
}

static void *pool_take(struct mm_compiler_space *space, int list)
{
  struct mm_compiler_chunk *chunk = space->pool[list];
  if (!chunk)
    return NULL;
  MM_ASSERT(space->stat.pooled_chunks > 0);
  space->pool[list] = chunk->next;
  space->stat.pooled_chunks--;
  space->stat.pooled_bytes -= (uint64_t)LEAST_BYTES << list;
  return chunk;
}

static void pool_empty_locked(struct mm_compiler_space *space)
{
  for (int list = 0; list < MM_COMPILER_POOL_LISTS; list++)
    for (void *chunk; (chunk = pool_take(space, list)) != NULL;)
      unmap(chunk, (uint64_t)LEAST_BYTES << list);
  MM_ASSERT(space->stat.pooled_bytes == 0);
}

/* Chunks ------------------------------------------------------------------ */

static void *map_locked(struct mm_compiler_space *space, uint64_t bytes)
{
  void *chunk;
  if (bytes > space->stat.limit_bytes - space->stat.used_bytes)
    return NULL;
  if (bytes > space->stat.limit_bytes - committed_bytes(space))
    pool_empty_locked(space);
  if (mm_os_map(bytes, &chunk) != MM_OK)
    return NULL;
  mm_native_charge(MM_PURPOSE_COMPILER, (int64_t)bytes);
  return chunk;
}

static void count_used(struct mm_compiler_space *space, uint64_t bytes,
                       size_t requested_bytes)
{
  struct mm_compiler_space_stat *stat = &space->stat;
  stat->used_bytes += bytes;
  stat->requested_bytes += requested_bytes;
  stat->used_chunks++;
  if (stat->peak_bytes < committed_bytes(space))
    stat->peak_bytes = committed_bytes(space);
}

static void *take(struct mm_arena_source *source, size_t bytes)
{
  struct mm_compiler_space *space = space_of(source);
  uint64_t whole = to_pages(bytes);
  int list = list_of(whole);
  if (whole < bytes)
    return NULL;
  pthread_mutex_lock(&space->lock);
  void *chunk = list >= 0 ? pool_take(space, list) : NULL;
  if (!chunk)
    chunk = map_locked(space, whole);
  if (chunk)
    count_used(space, whole, bytes);
  else
    space->stat.refused++;
  pthread_mutex_unlock(&space->lock);
  return chunk;
}

static void give(struct mm_arena_source *source, void *chunk, size_t bytes)
{
  struct mm_compiler_space *space = space_of(source);
  uint64_t whole = to_pages(bytes);
  int list = list_of(whole);
  pthread_mutex_lock(&space->lock);
  MM_ASSERT(whole <= space->stat.used_bytes);
  space->stat.used_bytes -= whole;
  space->stat.requested_bytes -= bytes;
  space->stat.used_chunks--;
  if (list >= 0 && space->stat.pooled_bytes + whole <= POOL_BYTES)
    pool_put(space, chunk, list);
  else
    unmap(chunk, whole);
  pthread_mutex_unlock(&space->lock);
}

/* Compilations ------------------------------------------------------------ */

static void count_running(struct mm_compiler_space *space, int change)
{
  struct mm_compiler_space_stat *stat = &space->stat;
  pthread_mutex_lock(&space->lock);
  MM_ASSERT(change > 0 || stat->running > 0);
  stat->running += (uint64_t)change;
  stat->compilations += change > 0;
  if (stat->peak_running < stat->running)
    stat->peak_running = stat->running;
  pthread_mutex_unlock(&space->lock);
}

struct mm_arena *mm_compilation_begin(struct mm_heap *heap)
{
  struct mm_arena *arena = mm_arena_create(&heap->compiler.source);
  if (arena)
    count_running(&heap->compiler, 1);
  return arena;
}

void mm_compilation_end(struct mm_heap *heap, struct mm_arena *arena)
{
  if (!arena)
    return;
  mm_arena_destroy(arena);
  count_running(&heap->compiler, -1);
}

/* The space --------------------------------------------------------------- */

void mm_compiler_space_init(struct mm_compiler_space *space)
{
  *space = (struct mm_compiler_space){
      .source = {take, give},
      .stat.limit_bytes = DEFAULT_LIMIT_BYTES,
  };
  pthread_mutex_init(&space->lock, NULL);
}

enum mm_status mm_compiler_space_limit(struct mm_compiler_space *space,
                                       uint64_t bytes, struct mm_error *error)
{
  MM_ASSERT(space->stat.compilations == 0);
  if (bytes != 0 && bytes < LEAST_LIMIT_BYTES) {
    mm_error_set(error, "--compiler-max must be at least %dK",
                 LEAST_LIMIT_BYTES / 1024);
    return MM_BAD_OPTION;
  }
  space->stat.limit_bytes = bytes ? bytes : DEFAULT_LIMIT_BYTES;
  return MM_OK;
}

static const char *check_locked(const struct mm_compiler_space *space)
{
  const struct mm_compiler_space_stat *stat = &space->stat;
  uint64_t bytes = 0, chunks = 0;
  for (int list = 0; list < MM_COMPILER_POOL_LISTS; list++)
    for (struct mm_compiler_chunk *chunk = space->pool[list]; chunk;
         chunk = chunk->next) {
      bytes += (uint64_t)LEAST_BYTES << list;
      chunks++;
    }
  if (bytes != stat->pooled_bytes || chunks != stat->pooled_chunks)
    return "the counts of the compiler's pool are wrong";
  if (bytes > POOL_BYTES)
    return "the compiler's pool is too large";
  if (committed_bytes(space) > stat->limit_bytes)
    return "the compiler space is larger than its limit";
  if (stat->requested_bytes > stat->used_bytes)
    return "the compiler space uses less than it handed out";
  return NULL;
}

void mm_compiler_space_destroy(struct mm_compiler_space *space)
{
  MM_ASSERT(space->stat.running == 0 && space->stat.used_bytes == 0);
  MM_ASSERT(!check_locked(space));
  pool_empty_locked(space);
  pthread_mutex_destroy(&space->lock);
}

void mm_compiler_space_trim(struct mm_compiler_space *space)
{
  pthread_mutex_lock(&space->lock);
  pool_empty_locked(space);
  pthread_mutex_unlock(&space->lock);
}

void mm_compiler_space_stat(struct mm_compiler_space *space,
                            struct mm_compiler_space_stat *stat)
{
  pthread_mutex_lock(&space->lock);
  *stat = space->stat;
  for (int list = 0; list < MM_COMPILER_POOL_LISTS; list++)
    if (space->pool[list])
      stat->largest_pooled_bytes = (uint64_t)LEAST_BYTES << list;
  pthread_mutex_unlock(&space->lock);
}

const char *mm_compiler_space_check(struct mm_compiler_space *space)
{
  pthread_mutex_lock(&space->lock);
  const char *wrong = check_locked(space);
  pthread_mutex_unlock(&space->lock);
  return wrong;
}
