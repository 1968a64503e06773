/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas of metadata that are freed before the heap is: one per owner of
 * classes, say.
 *
 *   create --> in use -- destroy --> late --> later --> spans, used again
 *                                       collections of
 *                                       the whole heap
 *
 * Note [Late metadata]
 *
 * A class may go when its owner is found dead, in a collection of the whole
 * heap.  Then no instance lives, but dead ones still lie in the heap, and
 * whoever comes along them reads their layouts for their sizes: sweeping, which
 * is lazy, and the walk of a cycle.
 *
 * Until when?  Let the owner be found dead in collection N.  An instance was
 * not allocated after N began: for that, somebody would have had to get at the
 * class, and the owner would have been reached.  So all instances are dead by
 * what N found.  Those in regions that are evacuated or compacted are gone at
 * its end.  A cycle buries the others (walk.c) or, if another collection of the
 * whole heap comes in between, that does.  What does not move is swept before
 * the mark bits of the next one are cleared (mm_metadata_settle).  So when
 * collection N + 1 ends, no instance is left; and a destroyed arena stays
 * readable until then.
 *
 * Free spans are kept by address, with their neighbours joined, and the first
 * that fits is taken (Knuth, "The Art of Computer Programming" 1, 2.5, 1968):
 * there are few, as chunks are 4 KiB at least.
 */
#include "config.h"

#include "mm/space/metadata_internal.h"

#include "mm/alloc/arena_internal.h"
#include "mm/assert_internal.h"
#include "mm/native.h"

#include <string.h>

struct mm_metadata_span {
  struct mm_metadata_span *next;
  size_t bytes;
};

struct mm_metadata_arena {
  struct mm_metadata_space *space;
  struct mm_arena *arena;
  struct mm_metadata_arena *next, **link; /* link: in use only */
  uint64_t requested_bytes;
};

/* Spans -------------------------------------------------------------------- */

_Static_assert(sizeof(struct mm_metadata_span) <= MM_BLOCK_ALIGN,
               "chunks are multiples of the alignment of blocks");

void *mm_metadata_take_span(struct mm_metadata_space *space, size_t bytes)
{
  struct mm_metadata_span **link = &space->spans;
  while (*link && (*link)->bytes < bytes)
    link = &(*link)->next;
  struct mm_metadata_span *span = *link;
  if (!span)
    return NULL;
  if (span->bytes == bytes) {
    *link = span->next;
    return span;
  }
  span->bytes -= bytes;
  return (char *)span + span->bytes;
}

static bool touches(const struct mm_metadata_span *low,
                    const struct mm_metadata_span *high)
{
  return (const char *)low + low->bytes == (const char *)high;
}

static void join_next(struct mm_metadata_span *span)
{
  struct mm_metadata_span *next = span->next;
  if (!next || !touches(span, next))
    return;
  span->bytes += next->bytes;
  span->next = next->next;
}

void mm_metadata_give_span(struct mm_metadata_space *space, void *at,
                           size_t bytes)
{
  struct mm_metadata_span *span = at, *before = NULL;
  struct mm_metadata_span **link = &space->spans;
  MM_ASSERT(bytes >= sizeof *span && bytes % MM_BLOCK_ALIGN == 0);
  while (*link && *link < span) {
    before = *link;
    link = &before->next;
  }
#ifdef BAMBOO_DEBUG
  memset(at, MM_POISON_BYTE, bytes); /* nobody reads it any more */
#endif
  *span = (struct mm_metadata_span){*link, bytes};
  *link = span;
  join_next(span);
  if (before)
    join_next(before);
}

/* Arenas ------------------------------------------------------------------- */

struct mm_metadata_arena *mm_metadata_arena_create(struct mm_heap *heap)
{
  struct mm_metadata_space *space = &heap->metadata;
  struct mm_metadata_arena *arena =
      mm_native_alloc(MM_PURPOSE_ARENA, sizeof *arena);
  if (!arena)
    return NULL;
  arena->space = space;
  arena->arena = mm_arena_create(&space->source);
  if (!arena->arena) {
    mm_native_free(MM_PURPOSE_ARENA, arena, sizeof *arena);
    return NULL;
  }
  pthread_mutex_lock(&space->lock);
  arena->next = space->arenas;
  arena->link = &space->arenas;
  if (arena->next)
    arena->next->link = &arena->next;
  space->arenas = arena;
  pthread_mutex_unlock(&space->lock);
  return arena;
}

void *mm_metadata_arena_alloc(struct mm_metadata_arena *arena, size_t bytes)
{
  pthread_mutex_lock(&arena->space->lock);
  void *block = mm_arena_alloc(arena->arena, bytes);
  if (block)
    arena->requested_bytes += bytes;
  pthread_mutex_unlock(&arena->space->lock);
  return block;
}

void mm_metadata_arena_destroy(struct mm_metadata_arena *arena)
{
  if (!arena)
    return;
  struct mm_metadata_space *space = arena->space;
  pthread_mutex_lock(&space->lock);
  *arena->link = arena->next;
  if (arena->next)
    arena->next->link = arena->link;
  arena->next = space->late;
  space->late = arena;
  pthread_mutex_unlock(&space->lock);
}

static void free_all(struct mm_metadata_arena *arena)
{
  while (arena) {
    struct mm_metadata_arena *next = arena->next;
    mm_arena_destroy(arena->arena);
    mm_native_free(MM_PURPOSE_ARENA, arena, sizeof *arena);
    arena = next;
  }
}

void mm_metadata_settle(struct mm_heap *heap)
{
  struct mm_metadata_space *space = &heap->metadata;
  pthread_mutex_lock(
      &space->lock); /* threads in native code may destroy some */
  bool has_late = space->late || space->later;
  pthread_mutex_unlock(&space->lock);
  if (has_late)
    mm_fixed_finish_sweep(heap);
}

void mm_metadata_collected(struct mm_heap *heap)
{
  struct mm_metadata_space *space = &heap->metadata;
  pthread_mutex_lock(&space->lock);
  free_all(space->later);
  space->later = space->late;
  space->late = NULL;
  pthread_mutex_unlock(&space->lock);
}

void mm_metadata_destroy_arenas(struct mm_metadata_space *space)
{
  free_all(space->arenas);
  free_all(space->late);
  free_all(space->later);
  space->arenas = space->late = space->later = NULL;
}

/* Looking ------------------------------------------------------------------ */

static void add(const struct mm_metadata_arena *arena,
                struct mm_metadata_stat *stat)
{
  struct mm_alloc_stats one;
  for (; arena; arena = arena->next) {
    mm_allocator_stats(mm_arena_base(arena->arena), &one);
    stat->alloc.held_bytes += one.held_bytes;
    stat->alloc.used_bytes += one.used_bytes;
    stat->alloc.blocks += one.blocks;
    stat->alloc.free_bytes += one.free_bytes;
    if (stat->alloc.largest_free_bytes < one.largest_free_bytes)
      stat->alloc.largest_free_bytes = one.largest_free_bytes;
    stat->requested_bytes += arena->requested_bytes;
  }
}

void mm_metadata_add_arenas(struct mm_metadata_space *space,
                            struct mm_metadata_stat *stat)
{
  add(space->arenas, stat);
  add(space->late, stat);
  add(space->later, stat);
}

static const char *check_spans(const struct mm_metadata_space *space)
{
  const struct mm_metadata_span *span = space->spans;
  for (; span; span = span->next) {
    if ((uintptr_t)span < space->memory.start ||
        (uintptr_t)span + span->bytes > space->memory.cursor)
      return "a free span of metadata is not in the space";
    if (span->next && (span >= span->next || touches(span, span->next)))
      return "free spans of metadata are out of order, or touch";
  }
  return NULL;
}

static const char *check_each(const struct mm_metadata_arena *arena)
{
  const char *wrong = NULL;
  for (; arena && !wrong; arena = arena->next)
    wrong = mm_allocator_check(mm_arena_base(arena->arena));
  return wrong;
}

const char *mm_metadata_check_arenas(struct mm_metadata_space *space)
{
  const char *wrong = check_spans(space);
  if (!wrong)
    wrong = check_each(space->arenas);
  if (!wrong)
    wrong = check_each(space->late);
  return wrong ? wrong : check_each(space->later);
}
