/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The marker of a cycle; see cycle_internal.h.
 *
 *   roots, logs -> stack -> pop, prefetch -> FIFO -> mark bit, scan -> stack
 *
 * As in mark.c, but alone, with every mark bit set by an atomic operation
 * (mutators set the bits of what they allocate), every slot read as one
 * (mutators store to them), and a look at whether the world is to stop after
 * each few objects.
 *
 * It reads of an object only what does not change while it is marked: its class
 * word, its length.  An object that is allocated during the cycle is marked
 * before a reference to it can be found, so its header is never read here.
 */
#include "config.h"

#include "mm/gc/cycle_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/noted_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/trace_inline_internal.h"
#include "mm/gc/warm_internal.h"

enum {
  FIFO_ENTRIES = 16,
  LOG_AHEAD = 8,  /* entries of a log that are prefetched */
  LOOK_EACH = 64, /* entries between two looks at `stopping' */
};

struct fifo {
  uint64_t entries[FIFO_ENTRIES]; /* 0: nothing */
  unsigned next, held;
};

static void push_value(void *context, struct mm_ref *slot, struct mm_ref value)
{
  struct mm_worker *marker = context;
  (void)slot;
  if (!mm_is_null(value) && mm_cycle_covers(marker->heap, value))
    mm_trace_push(marker, mm_trace_entry(value, 0));
}

static void push_slot(void *context, struct mm_ref *slot)
{
  struct mm_ref ref = {__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
  push_value(context, slot, ref);
}

static void scan_chunk(struct mm_worker *marker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  uint32_t chunk = mm_trace_chunk(entry);
  uint32_t from = chunk * MM_SCAN_CHUNK, to = mm_length_word(ref);
  if (to - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    if (!mm_breaks(marker->heap, MM_FAULT_CHUNK))
      mm_trace_push(marker, mm_trace_entry(ref, chunk + 1));
  }
  mm_scan_elements(mm_address(ref), from, to, push_slot, marker);
}

static void scan_special(struct mm_worker *marker, uint64_t entry)
{
  void *at = mm_address(mm_trace_ref(entry));
  const struct mm_layout *layout = mm_layout_of(mm_trace_ref(entry));
  uint32_t chunk = mm_trace_chunk(entry), from = chunk * MM_SCAN_CHUNK;
  bool goes_on;
  uint32_t to = mm_chunk_end(layout, at, from, &goes_on);
  if (goes_on && !mm_breaks(marker->heap, MM_FAULT_CHUNK))
    mm_trace_push(marker, mm_trace_entry(mm_trace_ref(entry), chunk + 1));
  struct mm_special how = {.visit = push_slot,
                           .value = push_value,
                           .context = marker,
                           .heap = marker->heap};
  mm_scan_special(at, layout, from, to, &how);
}

static void count(struct mm_worker *marker, struct mm_ref ref, uint64_t bytes)
{
  struct mm_regions *regions = &marker->heap->regions;
  marker->live_objects++;
  marker->live_bytes += bytes;
  mm_region_of(regions, (uintptr_t)mm_address(ref))->live_bytes +=
      (uint32_t)bytes;
}

/* What is young, or was made since, is reached: a mutator had it. */
static bool is_reached(const struct mm_heap *heap, struct mm_ref ref)
{
  return !mm_cycle_is_white(heap, ref);
}

/* What is pending is followed by the next one, and holds its referent. */
static bool push_pending(struct mm_worker *marker, struct mm_ref ref,
                         struct mm_ref referent)
{
  const struct mm_ref *slot = mm_link_slot(ref);
  struct mm_ref link = {__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
  if (mm_is_null(link))
    return false;
  if (!mm_same(link, MM_LINK_END))
    push_value(marker, NULL, link);
  push_value(marker, NULL, referent);
  return true;
}

static void scan_reference(struct mm_worker *marker, struct mm_ref ref,
                           const struct mm_layout *layout)
{
  struct mm_heap *heap = marker->heap;
  const struct mm_ref *slot = mm_referent_slot(ref);
  struct mm_ref referent = {__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
  mm_scan_object(mm_address(ref), layout, push_slot, marker);
  if (push_pending(marker, ref, referent) || mm_is_null(referent))
    return;
  enum mm_strength strength = mm_reference_strength(layout);
  if (is_reached(heap, referent)) {
    if (strength == MM_STRENGTH_EPHEMERON)
      push_slot(marker, mm_value_slot(ref));
  } else if (strength == MM_STRENGTH_SOFT && mm_noted_keeps_soft(heap, ref))
    push_value(marker, NULL, referent);
  else if (!mm_noted_put(heap, ref, strength))
    __atomic_store_n(&heap->cycle.is_lost, true, __ATOMIC_RELAXED);
}

static void process(struct mm_worker *marker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout;
  if (mm_trace_chunk(entry) == 0) {
    if (!mm_mark(marker->heap, ref, true))
      return;
    layout = mm_layout_of(ref);
    count(marker, ref, mm_size_with(mm_address(ref), layout));
    if (__builtin_expect(mm_is_simple(layout), 1)) {
      mm_scan_word(mm_address(ref), layout->ref_map, push_slot, marker);
      return;
    }
    if (layout->kind == MM_KIND_REFERENCE)
      scan_reference(marker, ref, layout);
    if (layout->kind == MM_KIND_REFERENCE || !mm_has_slots(layout))
      return;
  } else {
    layout = mm_layout_of(ref);
  }
  if (mm_is_special(layout))
    scan_special(marker, entry);
  else if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, push_slot, marker);
  else
    scan_chunk(marker, entry);
}

static bool pop(struct mm_trace_stack *stack, uint64_t *entry)
{
  if (stack->next == stack->oldest)
    return false;
  *entry = stack->entries[--stack->next & (stack->capacity - 1)];
  return true;
}

static uint64_t fifo_pass(struct fifo *fifo, uint64_t entry)
{
  uint64_t *place = &fifo->entries[fifo->next++ % FIFO_ENTRIES];
  uint64_t oldest = *place;
  *place = entry;
  fifo->held += (entry != 0) - (oldest != 0);
  return oldest;
}

static void prefetch(const struct mm_heap *heap, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  __builtin_prefetch(mm_address(ref));
  __builtin_prefetch(&heap->marks[mm_granule_of(heap, ref) >> 6], 1);
}

/* Up to LOOK_EACH entries; what waits in the FIFO in between is worked off, so
   that all there is stands on the stack.  False: there is nothing. */
static bool work_a_while(struct mm_worker *marker)
{
  struct fifo fifo = {0};
  uint64_t entry;
  unsigned done = 0, most = mm_stress_piece_entries(marker->heap, LOOK_EACH);
  while (done < most && pop(&marker->stack, &entry)) {
    prefetch(marker->heap, entry);
    entry = fifo_pass(&fifo, entry);
    done++;
    if (entry != 0)
      process(marker, entry);
  }
  while (fifo.held > 0) {
    entry = fifo_pass(&fifo, 0);
    if (entry != 0)
      process(marker, entry);
  }
  return done > 0;
}

/* One log of references goes on the stack; false: there is none. */
static bool take_log(struct mm_worker *marker)
{
  struct mm_heap *heap = marker->heap;
  struct mm_barrier_log *log = mm_log_pop(heap, &heap->cycle.full);
  if (!log)
    return false;
  uint32_t count = mm_breaks(heap, MM_FAULT_OLD_LOG) ? 0 : log->count;
  for (uint32_t i = 0; i < count; i++) {
    struct mm_ref ref = {log->entries[i]};
    if (i + LOG_AHEAD < count)
      mm_mark_prefetch(heap, (struct mm_ref){log->entries[i + LOG_AHEAD]});
    if (!mm_is_null(ref) && mm_cycle_is_white(heap, ref))
      mm_trace_push(marker, mm_trace_entry(ref, 0));
  }
  mm_log_release(heap, log);
  return true;
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *marker;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  (void)kind;
  push_slot(((struct root_visitor *)visitor)->marker, slot);
}

/* What is free or young now is not covered, whatever it becomes; large objects
   and what is fixed may be found by a reference to any place in them. */
static void cover(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  MM_ASSERT(region->walk_top == 0 && region->candidate == 0);
  region->mark_top = 0;
  region->live_bytes = 0;
  if (!mm_region_is_walkable(region->kind))
    return;
  MM_ASSERT(!mm_is_generational(heap) || region->age == MM_AGE_TENURED);
  region->mark_top = region->top;
  mm_region_clear_marks(heap, index);
}

void mm_cycle_take_snapshot(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    cover(heap, i);
}

void mm_marker_take_roots(struct mm_heap *heap)
{
  struct mm_worker *marker = heap->cycle.marker;
  marker->stack.oldest = marker->stack.next = 0; /* of a cycle given up */
  marker->stack_overflowed = false;
  marker->live_objects = marker->live_bytes = 0;
  mm_noted_begin(heap);
  struct root_visitor visitor = {{.slot = visit_root}, marker};
  mm_roots_update(heap, &visitor.visitor);
  for (unsigned i = 0; i < MM_PENDING_LISTS; i++) /* links lead to the others */
    if (!mm_breaks(heap, i == 0 ? MM_FAULT_PENDING : MM_FAULT_PENDING_QUEUE))
      push_slot(marker, &mm_pending_list(heap, i)->first);
}

static bool is_held(const struct mm_heap *heap)
{
  enum mm_cycle_state held =
      (enum mm_cycle_state)__atomic_load_n(&heap->cycle.held, __ATOMIC_RELAXED);
  return held != MM_CYCLE_IDLE && held == mm_cycle_state(heap);
}

/* In half of the time at most.  A program may allocate as fast as memory can be
   touched, and may go on while the cycle lasts: the marker would never mark. */
static void warm(struct mm_heap *heap)
{
  uint64_t began_ns = mm_stat_now_ns();
  if (began_ns < heap->cycle.warm_after_ns)
    return;
  mm_marker_end(heap);
  mm_warm(heap);
  uint64_t ended_ns = mm_stat_now_ns();
  heap->cycle.warm_after_ns = ended_ns + (ended_ns - began_ns);
  mm_marker_begin(heap);
}

bool mm_marker_check(struct mm_heap *heap, uint64_t cycle)
{
  mm_stress_piece(heap);
  if (mm_is_cold(heap))
    warm(heap);
  do {
    if (mm_is_stopping(heap))
      mm_marker_stop(heap);
    else if (is_held(heap))
      mm_schedule_pass(heap);
  } while (is_held(heap) && mm_cycle_is(heap, cycle));
  return mm_cycle_is(heap, cycle);
}

void mm_marker_push(struct mm_heap *heap, struct mm_ref ref)
{
  mm_trace_push(heap->cycle.marker, mm_trace_entry(ref, 0));
}

bool mm_marker_run(struct mm_heap *heap, uint64_t cycle)
{
  struct mm_worker *marker = heap->cycle.marker;
  do {
    if (!mm_marker_check(heap, cycle))
      return false;
  } while (work_a_while(marker) || take_log(marker));
  return true;
}

void mm_marker_finish(struct mm_heap *heap)
{
  struct mm_worker *marker = heap->cycle.marker;
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next)
    mm_old_log_push(heap, mutator);
  while (work_a_while(marker) || take_log(marker))
    ;
}

/* For the reference processor ---------------------------------------------- */

static void keep(struct mm_worker *worker, struct mm_ref *slot)
{
  struct mm_heap *heap = worker->heap;
  if (!mm_is_null(*slot) && !is_reached(heap, *slot))
    mm_trace_push(heap->cycle.marker, mm_trace_entry(*slot, 0));
}

static void trace(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  while (work_a_while(heap->cycle.marker))
    ;
  mm_references_take_noted(heap);
}

static bool enter(struct mm_heap *heap, struct mm_worker *marker,
                  uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  if (mm_trace_chunk(entry) > 0)
    return true;
  if (!mm_mark(heap, ref, true))
    return false;
  count(marker, ref, mm_size_with(mm_address(ref), mm_layout_of(ref)));
  return true;
}

const struct mm_reach mm_reach_cycle = {
    .is_reached = is_reached,
    .keep = keep,
    .trace = trace,
    .enter = enter,
    .is_lone = true,
    .is_full = true,
};
