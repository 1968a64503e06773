/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of handles and its chunks; see handles_internal.h.
 */
#include "config.h"

#include "mm/refs/handles_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"

static const uint32_t chunks_most =
    (uint32_t)1 << (MM_HANDLE_INDEX_BITS - MM_HANDLE_SLOT_LOG2);

bool mm_handles_init(struct mm_heap *heap)
{
  struct mm_handles *handles = &heap->handles;
  handles->directory = mm_native_alloc_array(
      MM_PURPOSE_HANDLES, MM_HANDLE_ROOT_LEAVES, sizeof(*handles->directory));
  return handles->directory != NULL;
}

static void destroy_chunk(struct mm_handle_chunk *chunk)
{
  if (!chunk)
    return;
  mm_native_free(MM_PURPOSE_HANDLES, chunk->notes, sizeof(*chunk->notes));
  mm_native_free(MM_PURPOSE_HANDLES, chunk, sizeof(*chunk));
}

static void destroy_leaf(struct mm_handle_chunk **leaf)
{
  if (!leaf)
    return;
  for (uint32_t i = 0; i < MM_HANDLE_LEAF_CHUNKS; i++)
    destroy_chunk(leaf[i]);
  mm_native_free(MM_PURPOSE_HANDLES, leaf,
                 MM_HANDLE_LEAF_CHUNKS * sizeof(*leaf));
}

void mm_handles_destroy(struct mm_heap *heap)
{
  struct mm_handles *handles = &heap->handles;
  mm_origins_destroy(heap);
  for (uint32_t i = 0; handles->directory && i < MM_HANDLE_ROOT_LEAVES; i++)
    destroy_leaf(handles->directory[i]);
  mm_native_free(MM_PURPOSE_HANDLES, handles->directory,
                 MM_HANDLE_ROOT_LEAVES * sizeof(*handles->directory));
  pthread_mutex_destroy(&handles->lock);
}

/* Chunks -------------------------------------------------------------------
 */

/* The leaf that the chunk of this number belongs in. */
static struct mm_handle_chunk **leaf_locked(struct mm_handles *handles,
                                            uint32_t number)
{
  struct mm_handle_chunk ***at =
      &handles->directory[number >> MM_HANDLE_LEAF_LOG2];
  if (*at)
    return *at;
  struct mm_handle_chunk **leaf = mm_native_alloc_array(
      MM_PURPOSE_HANDLES, MM_HANDLE_LEAF_CHUNKS, sizeof(*leaf));
  if (leaf)
    __atomic_store_n(at, leaf, __ATOMIC_RELEASE);
  return leaf;
}

/* Without notes, if there is no memory for them: nothing is known then. */
static struct mm_handle_chunk *make_locked(struct mm_heap *heap)
{
  struct mm_handles *handles = &heap->handles;
  uint32_t number = handles->chunk_count;
  if (number == chunks_most)
    return NULL;
  struct mm_handle_chunk **leaf = leaf_locked(handles, number);
  if (!leaf)
    return NULL;
  struct mm_handle_chunk *chunk =
      mm_native_alloc(MM_PURPOSE_HANDLES, sizeof(*chunk));
  if (!chunk)
    return NULL;
  chunk->number = number;
  if (heap->options.handle_origins)
    chunk->notes = mm_native_alloc(MM_PURPOSE_HANDLES, sizeof(*chunk->notes));
  __atomic_store_n(&leaf[number & (MM_HANDLE_LEAF_CHUNKS - 1)], chunk,
                   __ATOMIC_RELEASE);
  __atomic_store_n(&handles->chunk_count, number + 1, __ATOMIC_RELAXED);
  return chunk;
}

struct mm_handle_chunk *mm_chunk_take_locked(struct mm_heap *heap,
                                             uintptr_t owner,
                                             enum mm_handle_kind kind)
{
  struct mm_handles *handles = &heap->handles;
  struct mm_handle_chunk *chunk = handles->unused;
  if (chunk)
    handles->unused = chunk->next;
  else
    chunk = make_locked(heap);
  if (!chunk)
    return NULL;
  chunk->next = chunk->next_young = NULL;
  chunk->has_young = false;
  chunk->live = 0;
  __atomic_store_n(&chunk->kinds, (uint8_t)(chunk->kinds | 1u << kind),
                   __ATOMIC_RELAXED);
  __atomic_store_n(&chunk->owner, owner, __ATOMIC_RELEASE);
  return chunk;
}

/* Mutators -----------------------------------------------------------------
 */

void mm_handles_attach(struct mm_heap *heap, struct mm_mutator *mutator)
{
  mutator->locals = (struct mm_locals){0};
  mutator->local_table = (struct mm_local_table){0};
  mutator->handle_directory = heap->handles.directory;
  mutator->handle_tag = NULL;
}

static void pool_chunks_locked(struct mm_handles *handles,
                               struct mm_handle_chunk *first)
{
  while (first) {
    struct mm_handle_chunk *next = first->next;
    __atomic_store_n(&first->owner, MM_HANDLES_UNUSED, __ATOMIC_RELAXED);
    first->next = handles->unused;
    handles->unused = first;
    first = next;
  }
}

void mm_handles_detach(struct mm_heap *heap, struct mm_mutator *mutator)
{
  struct mm_handles *handles = &heap->handles;
  struct mm_local_table *table = &mutator->local_table;
  MM_ASSERT(!mutator->locals.frame);
  uint32_t peak = mm_locals_peak(mutator);
  pthread_mutex_lock(&handles->lock);
  handles->local_created += table->created;
  if (handles->local_peak < peak)
    handles->local_peak = peak;
  pool_chunks_locked(handles, table->first);
  pthread_mutex_unlock(&handles->lock);
  mm_frames_drop_spare(mutator);
  mm_handles_attach(heap, mutator);
}

/* Checking -----------------------------------------------------------------
 */

static bool check_chunk(const struct mm_handle_chunk *chunk, uint64_t *live)
{
  uint32_t used = 0;
  for (uint32_t i = 0; i < MM_HANDLE_CHUNK_SLOTS; i++)
    used += chunk->slots[i].serial & 1;
  *live += used;
  return used == chunk->live;
}

/* Each slot of the kind's chunks is in use or on the list. */
static bool check_shared(const struct mm_heap *heap, enum mm_handle_kind kind)
{
  const struct mm_handles *handles = &heap->handles;
  const struct mm_shared_handles *shared = &handles->shared[kind];
  uint64_t slots = 0, live = 0, free = 0;
  const struct mm_handle_chunk *chunk = shared->first;
  for (; chunk; chunk = chunk->next) {
    slots += MM_HANDLE_CHUNK_SLOTS;
    if (!check_chunk(chunk, &live))
      return false;
  }
  for (uint32_t at = shared->free; at != 0 && free <= slots; free++) {
    const struct mm_handle_slot *slot = mm_handle_slot_of(
        mm_handle_chunk_of(handles->directory, at - 1), at - 1);
    if (slot->serial & 1)
      return false;
    at = slot->ref.bits;
  }
  return live == shared->live && live + free == slots;
}

bool mm_handles_check(const struct mm_heap *heap)
{
  return check_shared(heap, MM_HANDLE_GLOBAL) &&
         check_shared(heap, MM_HANDLE_WEAK);
}

/* Counting -----------------------------------------------------------------
 */

static void count_locals(const struct mm_heap *heap,
                         struct mm_handle_counts *counts)
{
  counts->peak = heap->handles.local_peak;
  counts->created = heap->handles.local_created;
  const struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next) {
    uint32_t peak = mm_locals_peak(mutator);
    counts->live += mm_locals_live(mutator);
    counts->created += mutator->local_table.created;
    if (counts->peak < peak)
      counts->peak = peak;
  }
}

static uint64_t count_cleared(const struct mm_handle_chunk *chunk)
{
  uint64_t cleared = 0;
  for (; chunk; chunk = chunk->next)
    for (uint32_t i = 0; i < MM_HANDLE_CHUNK_SLOTS; i++)
      cleared += chunk->slots[i].serial & 1 && mm_is_null(chunk->slots[i].ref);
  return cleared;
}

void mm_handle_counts(struct mm_heap *heap, enum mm_handle_kind kind,
                      struct mm_handle_counts *counts)
{
  const struct mm_shared_handles *shared = &heap->handles.shared[kind];
  *counts = (struct mm_handle_counts){0};
  if (kind == MM_HANDLE_LOCAL)
    count_locals(heap, counts);
  else
    *counts = (struct mm_handle_counts){
        .live = shared->live,
        .peak = shared->peak,
        .created = shared->created,
        .cleared = count_cleared(shared->first),
    };
}
