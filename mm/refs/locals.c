/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local handles: the slow halves of mm/handle_inline.h, and frames that native
 * code pushes.
 *
 *   chunks of a mutator   [ 0 .. 255 ] -> [ 256 .. 511 ] -> ...
 *                              | frame | frame   ^ top
 *
 * The position of a slot is its place in this row.  Below the top are handles,
 * and holes where one was deleted: a hole is used again within its frame, and
 * forgotten with it.  All chunks below that of the top are full to their end.
 *
 * locals.end is null where each new handle has to come here: there are holes,
 * or options.handle_origins wants to know of each.
 *
 * All by the mutator itself, running, but for visiting: the world is stopped
 * then.
 */
#include "config.h"

#include "mm/refs/handles_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"

struct mm_pushed_frame {
  struct mm_frame frame; /* first: locals.frame points to it */
  struct mm_pushed_frame *next;
};

static uint32_t index_of(const struct mm_handle_chunk *chunk,
                         const struct mm_handle_slot *slot)
{
  return (chunk->number << MM_HANDLE_SLOT_LOG2) +
         (uint32_t)(slot - chunk->slots);
}

static uint32_t position_of(const struct mm_handle_chunk *chunk,
                            const struct mm_handle_slot *slot)
{
  return chunk ? (chunk->ordinal << MM_HANDLE_SLOT_LOG2) +
                     (uint32_t)(slot - chunk->slots)
               : 0;
}

uint32_t mm_locals_used(const struct mm_mutator *mutator)
{
  return position_of(mutator->locals.chunk, mutator->locals.next);
}

uint32_t mm_locals_peak(const struct mm_mutator *mutator)
{
  const struct mm_locals *locals = &mutator->locals;
  const struct mm_local_table *table = &mutator->local_table;
  uint32_t peak = mm_locals_used(mutator), before = table->most;
  if (locals->chunk && table->peak > locals->next)
    peak = position_of(locals->chunk, table->peak);
  return peak > before ? peak : before;
}

/* How many slots of a chunk the limit allows. */
static uint32_t slots_allowed(const struct mm_mutator *mutator,
                              uint32_t ordinal)
{
  uint64_t before = (uint64_t)ordinal << MM_HANDLE_SLOT_LOG2;
  uint64_t most = mutator->heap->options.local_handles_max;
  if (before >= most)
    return 0;
  return most - before < MM_HANDLE_CHUNK_SLOTS ? (uint32_t)(most - before)
                                               : MM_HANDLE_CHUNK_SLOTS;
}

static struct mm_handle_slot *end_of(const struct mm_mutator *mutator,
                                     struct mm_handle_chunk *chunk)
{
  return chunk->slots + slots_allowed(mutator, chunk->ordinal);
}

/* locals.end follows from the rest. */
static void set_end(struct mm_mutator *mutator)
{
  struct mm_locals *locals = &mutator->locals;
  locals->end = NULL;
  if (locals->chunk && !locals->holes && !mutator->heap->options.handle_origins)
    locals->end = end_of(mutator, locals->chunk);
}

/* Another chunk is going to be the one of the top. */
static void leave_chunk(struct mm_mutator *mutator)
{
  mutator->local_table.most = mm_locals_peak(mutator);
}

/* Chunks -------------------------------------------------------------------
 */

/* One more at the end of the row. */
static enum mm_handle_status add_chunk(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  struct mm_local_table *table = &mutator->local_table;
  if (slots_allowed(mutator, table->chunks) == 0)
    return MM_HANDLE_LIMIT;
  pthread_mutex_lock(&heap->handles.lock);
  struct mm_handle_chunk *chunk =
      mm_chunk_take_locked(heap, (uintptr_t)mutator, MM_HANDLE_LOCAL);
  pthread_mutex_unlock(&heap->handles.lock);
  if (!chunk)
    return MM_HANDLE_NO_MEMORY;
  chunk->ordinal = table->chunks++;
  if (table->last)
    table->last->next = chunk;
  else
    table->first = chunk;
  table->last = chunk;
  return MM_HANDLE_OK;
}

/* The top goes from the end of its chunk to the start of the next. */
static enum mm_handle_status advance(struct mm_mutator *mutator)
{
  struct mm_locals *locals = &mutator->locals;
  struct mm_local_table *table = &mutator->local_table;
  if (locals->chunk == table->last) {
    enum mm_handle_status status = add_chunk(mutator);
    if (status != MM_HANDLE_OK)
      return status;
  }
  leave_chunk(mutator);
  locals->chunk = locals->chunk ? locals->chunk->next : table->first;
  locals->next = table->peak = locals->chunk->slots;
  set_end(mutator);
  return MM_HANDLE_OK;
}

enum mm_handle_status mm_local_ensure(struct mm_mutator *mutator,
                                      uint32_t count)
{
  struct mm_local_table *table = &mutator->local_table;
  uint64_t wanted = (uint64_t)mm_locals_used(mutator) + count;
  if (wanted > mutator->heap->options.local_handles_max)
    return MM_HANDLE_LIMIT;
  while ((uint64_t)table->chunks << MM_HANDLE_SLOT_LOG2 < wanted) {
    enum mm_handle_status status = add_chunk(mutator);
    if (status != MM_HANDLE_OK)
      return status;
  }
  return MM_HANDLE_OK;
}

/* Making and deleting ------------------------------------------------------
 */

static void note_made(struct mm_mutator *mutator, uint32_t index)
{
  struct mm_heap *heap = mutator->heap;
  char text[MM_ORIGIN_BYTES];
  if (!heap->options.handle_origins)
    return;
  mm_origin_text(mutator, text, sizeof text);
  pthread_mutex_lock(&heap->handles.lock);
  mm_origin_made_locked(heap, index, text);
  pthread_mutex_unlock(&heap->handles.lock);
}

static void note_deleted(struct mm_mutator *mutator, uint32_t index)
{
  struct mm_heap *heap = mutator->heap;
  char text[MM_ORIGIN_BYTES];
  if (!heap->options.handle_origins)
    return;
  mm_origin_text(mutator, text, sizeof text);
  pthread_mutex_lock(&heap->handles.lock);
  mm_origin_deleted_locked(heap, index, text);
  pthread_mutex_unlock(&heap->handles.lock);
}

static uint32_t take_hole(struct mm_mutator *mutator,
                          struct mm_handle_slot **slot)
{
  struct mm_locals *locals = &mutator->locals;
  uint32_t index = locals->holes - 1;
  struct mm_handle_chunk *chunk =
      mm_handle_chunk_of(mutator->handle_directory, index);
  *slot = mm_handle_slot_of(chunk, index);
  MM_ASSERT(!((*slot)->serial & 1));
  locals->holes = (*slot)->ref.bits;
  set_end(mutator);
  return index;
}

/* The slot for a new handle. */
static enum mm_handle_status take_slot(struct mm_mutator *mutator,
                                       struct mm_handle_slot **slot,
                                       uint32_t *index)
{
  struct mm_locals *locals = &mutator->locals;
  if (locals->holes) {
    *index = take_hole(mutator, slot);
    return MM_HANDLE_OK;
  }
  if (!locals->chunk || locals->next == end_of(mutator, locals->chunk)) {
    enum mm_handle_status status = advance(mutator);
    if (status != MM_HANDLE_OK)
      return status;
  }
  *index = index_of(locals->chunk, locals->next);
  *slot = locals->next++;
  return MM_HANDLE_OK;
}

enum mm_handle_status mm_local_new_slow(struct mm_mutator *mutator,
                                        struct mm_ref ref,
                                        struct mm_handle *handle)
{
  struct mm_handle_slot *slot;
  uint32_t index;
  *handle = MM_HANDLE_NONE;
  if (mm_is_null(ref))
    return MM_HANDLE_OK;
  enum mm_handle_status status = take_slot(mutator, &slot, &index);
  if (status != MM_HANDLE_OK)
    return status;
  mutator->local_table.created++;
  slot->ref = ref;
  slot->serial = mm_handle_next_serial(slot->serial);
  *handle = mm_handle_make(MM_HANDLE_LOCAL, index, slot->serial);
  note_made(mutator, index);
  return MM_HANDLE_OK;
}

/* What is saved of the frame that a slot below the top belongs to; of the
   innermost frame, what is not saved yet. */
static struct mm_locals *frame_of(struct mm_mutator *mutator,
                                  const struct mm_handle_chunk *chunk,
                                  const struct mm_handle_slot *slot)
{
  struct mm_locals *locals = &mutator->locals;
  while (locals->frame && mm_local_is_open(&locals->frame->outer, chunk, slot))
    locals = &locals->frame->outer;
  return locals;
}

static void delete_slot(struct mm_mutator *mutator,
                        struct mm_handle_chunk *chunk,
                        struct mm_handle_slot *slot)
{
  struct mm_locals *frame = frame_of(mutator, chunk, slot);
  slot->serial++;
  slot->ref = MM_NULL;
  if (frame == &mutator->locals && slot + 1 == frame->next) {
    if (mutator->local_table.peak < frame->next)
      mutator->local_table.peak = frame->next;
    frame->next = slot;
    return;
  }
  slot->ref.bits = frame->holes;
  frame->holes = index_of(chunk, slot) + 1;
  frame->end = NULL;
}

enum mm_handle_status mm_local_delete_slow(struct mm_mutator *mutator,
                                           struct mm_handle handle)
{
  struct mm_ref ref;
  enum mm_handle_kind kind = mm_handle_kind(handle);
  if (kind == MM_HANDLE_GLOBAL || kind == MM_HANDLE_WEAK)
    return MM_HANDLE_WRONG_KIND;
  enum mm_handle_status status = mm_handle_get(mutator, handle, &ref);
  if (status != MM_HANDLE_OK)
    return status;
  uint32_t index = mm_handle_index(handle);
  struct mm_handle_chunk *chunk =
      mm_handle_chunk_of(mutator->handle_directory, index);
  delete_slot(mutator, chunk, mm_handle_slot_of(chunk, index));
  note_deleted(mutator, index);
  return MM_HANDLE_OK;
}

/* Frames -------------------------------------------------------------------
 */

/* The outer frame has holes, which are not for this one. */
void mm_frame_open_slow(struct mm_mutator *mutator)
{
  mutator->locals.holes = 0;
  set_end(mutator);
}

static void restore(struct mm_mutator *mutator, const struct mm_frame *frame)
{
  struct mm_local_table *table = &mutator->local_table;
  leave_chunk(mutator);
  mutator->locals = frame->outer;
  table->peak = mutator->locals.next;
}

static void spare_frame(struct mm_mutator *mutator,
                        struct mm_pushed_frame *pushed)
{
  pushed->next = mutator->local_table.spare;
  mutator->local_table.spare = pushed;
}

static void pop(struct mm_mutator *mutator)
{
  MM_ASSERT(mutator->locals.pushed > 0);
  struct mm_pushed_frame *pushed =
      (struct mm_pushed_frame *)mutator->locals.frame;
  restore(mutator, &pushed->frame);
  spare_frame(mutator, pushed);
}

void mm_frame_close_slow(struct mm_mutator *mutator, struct mm_frame *frame)
{
  while (mutator->locals.pushed > 0)
    pop(mutator);
  MM_ASSERT(mutator->locals.frame == frame);
  restore(mutator, frame);
}

/* `result' as a reference, before its frame is closed. */
static enum mm_handle_status take_result(struct mm_mutator *mutator,
                                         struct mm_handle result,
                                         struct mm_ref *ref)
{
  *ref = MM_NULL;
  return mm_handle_get(mutator, result, ref);
}

static enum mm_handle_status give_result(struct mm_mutator *mutator,
                                         enum mm_handle_status status,
                                         struct mm_ref ref,
                                         struct mm_handle *escaped)
{
  if (status != MM_HANDLE_OK) {
    *escaped = MM_HANDLE_NONE;
    return status;
  }
  return mm_local_new(mutator, ref, escaped);
}

enum mm_handle_status mm_frame_close_with(struct mm_mutator *mutator,
                                          struct mm_frame *frame,
                                          struct mm_handle result,
                                          struct mm_handle *escaped)
{
  struct mm_ref ref;
  enum mm_handle_status status = take_result(mutator, result, &ref);
  mm_frame_close(mutator, frame);
  return give_result(mutator, status, ref, escaped);
}

enum mm_handle_status mm_frame_push(struct mm_mutator *mutator,
                                    uint32_t capacity)
{
  struct mm_local_table *table = &mutator->local_table;
  enum mm_handle_status status = mm_local_ensure(mutator, capacity);
  if (status != MM_HANDLE_OK)
    return status;
  struct mm_pushed_frame *pushed = table->spare;
  if (pushed)
    table->spare = pushed->next;
  else
    pushed = mm_native_alloc(MM_PURPOSE_HANDLES, sizeof(*pushed));
  if (!pushed)
    return MM_HANDLE_NO_MEMORY;
  mm_frame_open(mutator, &pushed->frame);
  mutator->locals.pushed = pushed->frame.outer.pushed + 1;
  return MM_HANDLE_OK;
}

enum mm_handle_status mm_frame_pop(struct mm_mutator *mutator,
                                   struct mm_handle result,
                                   struct mm_handle *escaped)
{
  struct mm_ref ref;
  if (mutator->locals.pushed == 0)
    return MM_HANDLE_UNBALANCED;
  enum mm_handle_status status = take_result(mutator, result, &ref);
  pop(mutator);
  return give_result(mutator, status, ref, escaped);
}

uint32_t mm_frame_pushed(const struct mm_mutator *mutator)
{
  return mutator->locals.pushed;
}

void mm_frames_drop_spare(struct mm_mutator *mutator)
{
  struct mm_pushed_frame *pushed = mutator->local_table.spare;
  mutator->local_table.spare = NULL;
  while (pushed) {
    struct mm_pushed_frame *next = pushed->next;
    mm_native_free(MM_PURPOSE_HANDLES, pushed, sizeof(*pushed));
    pushed = next;
  }
}

/* Visiting -----------------------------------------------------------------
 */

/* The slots of a chunk that lie below the top. */
static uint32_t slots_below(const struct mm_locals *locals,
                            const struct mm_handle_chunk *chunk)
{
  return chunk == locals->chunk ? (uint32_t)(locals->next - chunk->slots)
                                : MM_HANDLE_CHUNK_SLOTS;
}

void mm_locals_visit(struct mm_mutator *mutator,
                     struct mm_root_visitor *visitor)
{
  const struct mm_locals *locals = &mutator->locals;
  struct mm_handle_chunk *chunk =
      locals->chunk ? mutator->local_table.first : NULL;
  while (chunk) {
    uint32_t count = slots_below(locals, chunk);
    for (uint32_t i = 0; i < count; i++)
      if (chunk->slots[i].serial & 1)
        visitor->slot(visitor, &chunk->slots[i].ref, MM_ROOT_HANDLE_LOCAL);
    chunk = chunk == locals->chunk ? NULL : chunk->next;
  }
}

struct counter {
  struct mm_root_visitor visitor;
  uint32_t count;
};

static void count_slot(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  (void)slot;
  (void)kind;
  ((struct counter *)visitor)->count++;
}

uint32_t mm_locals_live(const struct mm_mutator *mutator)
{
  struct counter counter = {{count_slot}, 0};
  mm_locals_visit((struct mm_mutator *)(uintptr_t)mutator, &counter.visitor);
  return counter.count;
}
