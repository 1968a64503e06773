/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata space; see metadata_internal.h.
 *
 * Without a limit of its own the reservation is made as large as the address
 * space below grants, from 512 MiB down to 4 MiB: a process with a limit on its
 * address space still gets room for ten thousand classes.
 */
#include "config.h"

#include "mm/space/metadata_internal.h"

#include "mm/alloc/arena_internal.h"
#include "mm/gc/options_internal.h"
#include "mm/native.h"
#include "mm/assert_internal.h"
#include "mm/os/os_internal.h"

#define MIB ((uint64_t)1 << 20)

enum { COMMIT_STEP_BYTES = 256 * 1024, LIMIT_FRACTION = 16 };

/* AddressSanitizer's shadow begins below 2 GiB. */
#ifdef BAMBOO_ASAN
#define HIGHEST ((uintptr_t)0x7fff0000)
#define LOWEST ((uintptr_t)(16 * MIB))
#define MOST_BYTES (64 * MIB)
#else
#define HIGHEST ((uintptr_t)0xffff0000)
#define LOWEST ((uintptr_t)(256 * MIB)) /* above a program's own brk */
#define MOST_BYTES (512 * MIB)
#endif
#define LEAST_BYTES (4 * MIB)
#define LEAST_LIMIT_BYTES ((uint64_t)COMMIT_STEP_BYTES)

static struct mm_metadata_space *space_of(struct mm_arena_source *source)
{
  return (
      struct mm_metadata_space *)((char *)source -
                                  offsetof(struct mm_metadata_space, source));
}

static enum mm_status commit_to(struct mm_metadata_space *space, uintptr_t need)
{
  if (need <= space->committed)
    return MM_OK;
  uint64_t bytes = need - space->committed + COMMIT_STEP_BYTES - 1;
  bytes -= bytes % COMMIT_STEP_BYTES;
  if (bytes > space->memory.limit - space->committed)
    bytes = space->memory.limit - space->committed;
  enum mm_status status = mm_os_commit(space->committed, bytes);
  if (status != MM_OK)
    return status;
  space->committed += bytes;
  mm_native_charge(MM_PURPOSE_METADATA, (int64_t)bytes);
  return MM_OK;
}

static void *take(struct mm_arena_source *source, size_t bytes)
{
  struct mm_metadata_space *space = space_of(source);
  void *reused = mm_metadata_take_span(space, bytes);
  if (reused)
    return reused;
  if (bytes > mm_bump_left(&space->memory) ||
      commit_to(space, space->memory.cursor + bytes) != MM_OK)
    return NULL;
  return (void *)mm_bump_alloc(&space->memory, bytes);
}

static void give(struct mm_arena_source *source, void *chunk, size_t bytes)
{
  MM_ASSERT((uintptr_t)chunk + bytes <= space_of(source)->memory.cursor);
  mm_metadata_give_span(space_of(source), chunk, bytes);
}

/* A limit on address space is for the heap, mainly. */
static uint64_t first_try_bytes(void)
{
  uint64_t bytes = MOST_BYTES;
  uint64_t bound = mm_os_address_space_bytes() / LIMIT_FRACTION;
  while (bytes > bound && bytes > LEAST_BYTES)
    bytes /= 2;
  return bytes;
}

static enum mm_status reserve(uint64_t bytes, uintptr_t *base)
{
  return mm_os_reserve_between(bytes, 2 * MIB, 16 * MIB, LOWEST, HIGHEST, base);
}

/* What was asked for or nothing. */
static enum mm_status reserve_limit(uint64_t *bytes, uintptr_t *base,
                                    struct mm_error *error)
{
  if (*bytes < LEAST_LIMIT_BYTES || *bytes > MOST_BYTES) {
    mm_error_set(error, "--metadata-max must be between %uK and %uM",
                 (unsigned)(LEAST_LIMIT_BYTES / 1024),
                 (unsigned)(MOST_BYTES / MIB));
    return MM_BAD_OPTION;
  }
  *bytes = (*bytes + COMMIT_STEP_BYTES - 1) & -(uint64_t)COMMIT_STEP_BYTES;
  enum mm_status status = reserve(*bytes, base);
  if (status != MM_OK)
    mm_error_set(error,
                 "cannot reserve %lluK of address space below 4 GiB for "
                 "metadata; choose a smaller --metadata-max or raise the "
                 "limit (ulimit -v)",
                 (unsigned long long)(*bytes / 1024));
  return status;
}

/* As much as there is. */
static enum mm_status reserve_any(uint64_t *bytes, uintptr_t *base,
                                  struct mm_error *error)
{
  enum mm_status status = MM_NO_MEMORY;
  for (uint64_t try = first_try_bytes(); try >= LEAST_BYTES; try /= 2) {
    status = reserve(try, base);
    *bytes = try;
    if (status == MM_OK)
      return status;
  }
  mm_error_set(error, "cannot reserve address space below 4 GiB for "
                      "metadata; raise the limit (ulimit -v)");
  return status;
}

enum mm_status mm_metadata_init(struct mm_heap *heap, struct mm_error *error)
{
  struct mm_metadata_space *space = &heap->metadata;
  uint64_t bytes = heap->options.metadata_max_bytes;
  uintptr_t base;
  enum mm_status status = bytes ? reserve_limit(&bytes, &base, error)
                                : reserve_any(&bytes, &base, error);
  if (status != MM_OK)
    return status;
  mm_bump_init(&space->memory, base, base + bytes);
  space->committed = base;
  space->source = (struct mm_arena_source){take, give};
  space->arena = mm_arena_create(&space->source);
  pthread_mutex_init(&space->lock, NULL);
  if (space->arena)
    return MM_OK;
  mm_error_set(error, "no memory for the arena of metadata");
  mm_metadata_destroy(heap);
  return MM_NO_MEMORY;
}

void mm_metadata_destroy(struct mm_heap *heap)
{
  struct mm_metadata_space *space = &heap->metadata;
  uintptr_t base = space->memory.start;
  if (base == 0)
    return;
  mm_metadata_destroy_arenas(space);
  mm_arena_destroy(space->arena);
  mm_native_charge(MM_PURPOSE_METADATA, -(int64_t)(space->committed - base));
  mm_os_release((void *)base, space->memory.limit - base);
  pthread_mutex_destroy(&space->lock);
  mm_bump_init(&space->memory, 0, 0);
}

void *mm_metadata_alloc(struct mm_heap *heap, size_t bytes)
{
  struct mm_metadata_space *space = &heap->metadata;
  pthread_mutex_lock(&space->lock);
  void *block = mm_arena_alloc(space->arena, bytes);
  if (block)
    space->requested_bytes += bytes;
  pthread_mutex_unlock(&space->lock);
  return block;
}

void mm_metadata_stat(struct mm_heap *heap, struct mm_metadata_stat *stat)
{
  struct mm_metadata_space *space = &heap->metadata;
  pthread_mutex_lock(&space->lock);
  mm_allocator_stats(mm_arena_base(space->arena), &stat->alloc);
  stat->reserved_bytes = space->memory.limit - space->memory.start;
  stat->committed_bytes = space->committed - space->memory.start;
  stat->requested_bytes = space->requested_bytes;
  mm_metadata_add_arenas(space, stat);
  pthread_mutex_unlock(&space->lock);
}

const char *mm_metadata_check(struct mm_heap *heap)
{
  struct mm_metadata_space *space = &heap->metadata;
  pthread_mutex_lock(&space->lock);
  const char *wrong = mm_allocator_check(mm_arena_base(space->arena));
  if (!wrong)
    wrong = mm_metadata_check_arenas(space);
  pthread_mutex_unlock(&space->lock);
  return wrong;
}
