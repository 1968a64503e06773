/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global and weak handles; see handles_internal.h.
 *
 * Slots are handed out under the lock, those that were freed last first.
 * Looking one up takes no lock (mm/handle_inline.h): making and deleting store
 * a slot as one word.
 */
#include "config.h"

#include "mm/refs/handles_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/heap_internal.h"

static uintptr_t owner_of(enum mm_handle_kind kind)
{
  return kind == MM_HANDLE_GLOBAL ? MM_HANDLES_GLOBAL : MM_HANDLES_WEAK;
}

static uint64_t most_of(const struct mm_heap *heap, enum mm_handle_kind kind)
{
  const struct mm_options *options = &heap->options;
  return kind == MM_HANDLE_GLOBAL ? options->global_handles_max
                                  : options->weak_handles_max;
}

/* Young ones ---------------------------------------------------------------
 */

bool mm_handle_is_young(const struct mm_heap *heap, struct mm_ref ref)
{
  if (mm_is_null(ref))
    return false;
  const struct mm_region *region =
      mm_region_of(&heap->regions, (uintptr_t)mm_address(ref));
  return (region->kind == MM_REGION_SMALL || region->kind == MM_REGION_LARGE) &&
         __atomic_load_n(&region->age, __ATOMIC_RELAXED) < MM_AGE_TENURED;
}

static void list_young(struct mm_shared_handles *shared,
                       struct mm_handle_chunk *chunk)
{
  chunk->has_young = true;
  chunk->next_young = shared->first_young;
  shared->first_young = chunk;
}

/* A handle of `ref' is made in the chunk.  Regions change their age with the
   world stopped only. */
static void note_young_locked(struct mm_heap *heap,
                              struct mm_shared_handles *shared,
                              struct mm_handle_chunk *chunk, struct mm_ref ref)
{
  if (!chunk->has_young && mm_handle_is_young(heap, ref) &&
      !mm_breaks(heap, MM_FAULT_HANDLE_YOUNG))
    list_young(shared, chunk);
}

/* Making -------------------------------------------------------------------
 */

/* All slots of a new chunk go on the list, the first at its head. */
static bool add_chunk_locked(struct mm_heap *heap, enum mm_handle_kind kind)
{
  struct mm_shared_handles *shared = &heap->handles.shared[kind];
  struct mm_handle_chunk *chunk =
      mm_chunk_take_locked(heap, owner_of(kind), kind);
  if (!chunk)
    return false;
  for (uint32_t i = MM_HANDLE_CHUNK_SLOTS; i-- > 0;) {
    struct mm_handle_slot *slot = &chunk->slots[i];
    uint32_t serial = slot->serial + (slot->serial & 1);
    mm_handle_slot_store(slot, (struct mm_ref){shared->free}, serial);
    shared->free = (chunk->number << MM_HANDLE_SLOT_LOG2) + i + 1;
  }
  chunk->next = shared->first;
  shared->first = chunk;
  return true;
}

static enum mm_handle_status make_locked(struct mm_heap *heap,
                                         enum mm_handle_kind kind,
                                         struct mm_ref ref,
                                         struct mm_handle *handle)
{
  struct mm_shared_handles *shared = &heap->handles.shared[kind];
  if (shared->live == most_of(heap, kind))
    return MM_HANDLE_LIMIT;
  if (shared->free == 0 && !add_chunk_locked(heap, kind))
    return MM_HANDLE_NO_MEMORY;
  uint32_t index = shared->free - 1;
  struct mm_handle_chunk *chunk =
      mm_handle_chunk_of(heap->handles.directory, index);
  struct mm_handle_slot *slot = mm_handle_slot_of(chunk, index);
  uint32_t serial = mm_handle_next_serial(slot->serial);
  shared->free = slot->ref.bits;
  mm_handle_slot_store(slot, ref, serial);
  chunk->live++;
  shared->created++;
  if (++shared->live > shared->peak)
    shared->peak = shared->live;
  note_young_locked(heap, shared, chunk, ref);
  *handle = mm_handle_make(kind, index, serial);
  return MM_HANDLE_OK;
}

static enum mm_handle_status make(struct mm_mutator *mutator,
                                  enum mm_handle_kind kind, struct mm_ref ref,
                                  struct mm_handle *handle)
{
  struct mm_heap *heap = mutator->heap;
  bool is_noted = heap->options.handle_origins;
  char text[MM_ORIGIN_BYTES];
  *handle = MM_HANDLE_NONE;
  if (mm_is_null(ref))
    return MM_HANDLE_OK;
  if (is_noted)
    mm_origin_text(mutator, text, sizeof text);
  pthread_mutex_lock(&heap->handles.lock);
  enum mm_handle_status status = make_locked(heap, kind, ref, handle);
  if (is_noted && status == MM_HANDLE_OK)
    mm_origin_made_locked(heap, mm_handle_index(*handle), text);
  pthread_mutex_unlock(&heap->handles.lock);
  return status;
}

enum mm_handle_status mm_global_new(struct mm_mutator *mutator,
                                    struct mm_ref ref, struct mm_handle *handle)
{
  return make(mutator, MM_HANDLE_GLOBAL, ref, handle);
}

enum mm_handle_status mm_weak_new(struct mm_mutator *mutator, struct mm_ref ref,
                                  struct mm_handle *handle)
{
  return make(mutator, MM_HANDLE_WEAK, ref, handle);
}

/* Deleting -----------------------------------------------------------------
 */

/* Whether it is one to delete is asked under the lock: of two that delete the
   same, one is told so. */
static enum mm_handle_status unmake_locked(struct mm_mutator *mutator,
                                           enum mm_handle_kind kind,
                                           struct mm_handle handle)
{
  struct mm_handles *handles = &mutator->heap->handles;
  struct mm_shared_handles *shared = &handles->shared[kind];
  struct mm_ref ref;
  enum mm_handle_status status = mm_handle_get(mutator, handle, &ref);
  if (status != MM_HANDLE_OK && status != MM_HANDLE_CLEARED)
    return status;
  uint32_t index = mm_handle_index(handle);
  struct mm_handle_chunk *chunk = mm_handle_chunk_of(handles->directory, index);
  mm_handle_slot_store(mm_handle_slot_of(chunk, index),
                       (struct mm_ref){shared->free},
                       mm_handle_serial(handle) + 1);
  shared->free = index + 1;
  shared->live--;
  chunk->live--;
  return MM_HANDLE_OK;
}

static enum mm_handle_status unmake(struct mm_mutator *mutator,
                                    enum mm_handle_kind kind,
                                    struct mm_handle handle)
{
  struct mm_heap *heap = mutator->heap;
  bool is_noted = heap->options.handle_origins;
  char text[MM_ORIGIN_BYTES];
  if (mm_handle_is_null(handle))
    return MM_HANDLE_NULL;
  if (mm_handle_kind(handle) == MM_HANDLE_BAD)
    return MM_HANDLE_MALFORMED;
  if (mm_handle_kind(handle) != kind)
    return MM_HANDLE_WRONG_KIND;
  if (is_noted)
    mm_origin_text(mutator, text, sizeof text);
  pthread_mutex_lock(&heap->handles.lock);
  enum mm_handle_status status = unmake_locked(mutator, kind, handle);
  if (is_noted && status == MM_HANDLE_OK)
    mm_origin_deleted_locked(heap, mm_handle_index(handle), text);
  pthread_mutex_unlock(&heap->handles.lock);
  return status;
}

enum mm_handle_status mm_global_delete(struct mm_mutator *mutator,
                                       struct mm_handle handle)
{
  return unmake(mutator, MM_HANDLE_GLOBAL, handle);
}

enum mm_handle_status mm_weak_delete(struct mm_mutator *mutator,
                                     struct mm_handle handle)
{
  return unmake(mutator, MM_HANDLE_WEAK, handle);
}

/* Visiting -----------------------------------------------------------------
 */

void mm_handles_begin_young(struct mm_heap *heap, bool young_only)
{
  heap->handles.visits_young_only = young_only;
}

void mm_handles_end_young(struct mm_heap *heap)
{
  heap->handles.visits_young_only = false;
}

/* Calls `visit' with each slot of a chunk that is in use and not cleared. */
static void each_slot(struct mm_handle_chunk *chunk,
                      void (*visit)(void *visitor, struct mm_ref *slot),
                      void *visitor)
{
  uint32_t left = chunk->live;
  for (uint32_t i = 0; left > 0; i++) {
    struct mm_handle_slot *slot = &chunk->slots[i];
    if (!(slot->serial & 1))
      continue;
    left--;
    if (!mm_is_null(slot->ref))
      visit(visitor, &slot->ref);
  }
}

static void look_for_young(void *context, struct mm_ref *slot)
{
  struct mm_heap **heap = context;
  if (*heap && mm_handle_is_young(*heap, *slot))
    *heap = NULL;
}

static bool holds_young(struct mm_heap *heap, struct mm_handle_chunk *chunk)
{
  struct mm_heap *found = heap;
  each_slot(chunk, look_for_young, &found);
  return !found;
}

/* See Note [Young handles]. */
static void visit_young(struct mm_heap *heap, struct mm_shared_handles *shared,
                        void (*visit)(void *visitor, struct mm_ref *slot),
                        void *visitor)
{
  struct mm_handle_chunk *chunk = shared->first_young;
  shared->first_young = NULL;
  while (chunk) {
    struct mm_handle_chunk *next = chunk->next_young;
    chunk->has_young = false;
    each_slot(chunk, visit, visitor);
    if (holds_young(heap, chunk))
      list_young(shared, chunk);
    chunk = next;
  }
}

static void visit_kind(struct mm_heap *heap, enum mm_handle_kind kind,
                       void (*visit)(void *visitor, struct mm_ref *slot),
                       void *visitor)
{
  struct mm_shared_handles *shared = &heap->handles.shared[kind];
  struct mm_handle_chunk *chunk = shared->first;
  if (heap->handles.visits_young_only)
    visit_young(heap, shared, visit, visitor);
  else
    for (; chunk; chunk = chunk->next)
      each_slot(chunk, visit, visitor);
}

static void visit_global(void *visitor, struct mm_ref *slot)
{
  struct mm_root_visitor *roots = visitor;
  roots->slot(roots, slot, MM_ROOT_HANDLE_GLOBAL);
}

void mm_globals_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  visit_kind(heap, MM_HANDLE_GLOBAL, visit_global, visitor);
}

/* A dead one stays in use, cleared, until it is deleted. */
static void visit_weak(void *visitor, struct mm_ref *slot)
{
  struct mm_weak_visitor *weak = visitor;
  if (!weak->keep(weak, slot))
    *slot = MM_NULL;
}

void mm_weaks_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor)
{
  visit_kind(heap, MM_HANDLE_WEAK, visit_weak, visitor);
}
