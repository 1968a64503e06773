/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marking.
 *
 *   stack -> pop, prefetch -> FIFO of 16 -> mark bit, scan -> stack
 *
 * Slots push what they refer to without looking at it.  A popped reference
 * waits in a short FIFO while its header and its mark word come from memory,
 * and is only then tested and scanned: several times faster than marking on
 * push when the heap does not fit the caches (Cher, Hosking and Vitek,
 * "Software prefetching for mark-sweep garbage collection", 2004).
 *
 * Invariant: an object whose bit is set has been scanned, or stands in some
 * stack or FIFO, or a stack overflowed.  After an overflow all marked objects
 * are scanned again until no stack overflows; each round marks at least one
 * more object, so that ends.
 *
 * Runs on all workers; stealing as in trace_internal.h.  Next: compact.c.
 */
#include "config.h"

#include "mm/gc/mark_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/header_internal.h"
#include "mm/gc/heap_verify_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"

enum { FIFO_ENTRIES = 16 };

struct fifo {
  uint64_t entries[FIFO_ENTRIES]; /* 0: nothing */
  unsigned next, held;
};

/* The state of the inner loop. */
struct marker {
  struct mm_tracer stack;
  uint64_t *marks;
  uint32_t base; /* of the heap, as a reference */
  uint64_t objects, bytes;
};

static MM_ALWAYS_INLINE void push_slot(void *context, struct mm_ref *slot)
{
  struct marker *marker = context;
  if (!mm_is_null(*slot))
    mm_tracer_push(&marker->stack, mm_trace_entry(*slot, 0));
}

static MM_ALWAYS_INLINE void prefetch(const struct marker *marker,
                                      uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  __builtin_prefetch(mm_address(ref));
  __builtin_prefetch(&marker->marks[(ref.bits - marker->base) >> 6], 1);
}

/* Puts `entry` (or 0) in; returns what has waited longest (or 0). */
static MM_ALWAYS_INLINE uint64_t fifo_pass(struct fifo *fifo, uint64_t entry)
{
  uint64_t *place = &fifo->entries[fifo->next++ % FIFO_ENTRIES];
  uint64_t oldest = *place;
  *place = entry;
  fifo->held += (entry != 0) - (oldest != 0);
  return oldest;
}

static MM_ALWAYS_INLINE void scan_chunk(struct marker *marker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  uint32_t chunk = mm_trace_chunk(entry);
  uint32_t from = chunk * MM_SCAN_CHUNK, to = mm_length_word(ref);
  if (to - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    if (!mm_breaks(marker->stack.worker->heap, MM_FAULT_CHUNK))
      mm_tracer_push(&marker->stack, mm_trace_entry(ref, chunk + 1));
  }
  mm_scan_elements(mm_address(ref), from, to, push_slot, marker);
}

static void push_strong(void *context, struct mm_ref *slot)
{
  if (!mm_is_null(*slot))
    mm_trace_push(context, mm_trace_entry(*slot, 0));
}

static __attribute__((noinline)) void meet(struct mm_worker *worker,
                                           struct mm_ref ref)
{
  mm_scan_object(mm_address(ref), mm_layout_of(ref), push_strong, worker);
  mm_reference_meet(worker, ref, &mm_reach_marking);
}

static MM_ALWAYS_INLINE void scan_reference(struct marker *marker,
                                            struct mm_ref ref)
{
  mm_tracer_save(&marker->stack);
  meet(marker->stack.worker, ref);
  mm_tracer_load(&marker->stack);
}

static MM_ALWAYS_INLINE bool mark(struct marker *marker, struct mm_ref ref)
{
  uint64_t granule = ref.bits - marker->base;
  MM_ASSERT(mm_regions_contain(&marker->stack.worker->heap->regions,
                               (uintptr_t)mm_address(ref)));
  return mm_mark_bit(&marker->marks[granule >> 6],
                     (uint64_t)1 << (granule & 63), marker->stack.parallel);
}

/* What is special is scanned out of line, with the worker's own stack, so that
   the address of the marker does not escape. */
static void push_special(void *context, struct mm_ref *slot)
{
  if (!mm_is_null(*slot))
    mm_trace_push(context, mm_trace_entry(*slot, 0));
}

static __attribute__((noinline)) void scan_special(struct mm_worker *worker,
                                                   uint64_t entry)
{
  void *at = mm_address(mm_trace_ref(entry));
  const struct mm_layout *layout = mm_layout_of(mm_trace_ref(entry));
  uint32_t chunk = mm_trace_chunk(entry), from = chunk * MM_SCAN_CHUNK;
  bool goes_on;
  uint32_t to = mm_chunk_end(layout, at, from, &goes_on);
  if (goes_on && !mm_breaks(worker->heap, MM_FAULT_CHUNK))
    mm_trace_push(worker, mm_trace_entry(mm_trace_ref(entry), chunk + 1));
  struct mm_special how = {
      .visit = push_special, .context = worker, .heap = worker->heap};
  mm_scan_special(at, layout, from, to, &how);
}

static MM_ALWAYS_INLINE void process_special(struct marker *marker,
                                             uint64_t entry)
{
  mm_tracer_save(&marker->stack);
  scan_special(marker->stack.worker, entry);
  mm_tracer_load(&marker->stack);
}

/* Marks and scans what an entry stands for.  The later chunks of an array
   were marked with its first. */
static MM_ALWAYS_INLINE void process(struct marker *marker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout;
  if (mm_trace_chunk(entry) == 0) {
    if (!mark(marker, ref))
      return;
    layout = mm_layout_of(ref);
    MM_ASSERT(!mm_is_filler(layout));
    MM_ASSERT(!mm_header_is_visited(mm_header_load(ref)));
    marker->objects++;
    if (__builtin_expect(mm_is_simple(layout), 1)) {
      marker->bytes += layout->base_bytes;
      mm_scan_word(mm_address(ref), layout->ref_map, push_slot, marker);
      return;
    }
    marker->bytes += mm_size_with(mm_address(ref), layout);
    if (layout->kind == MM_KIND_REFERENCE)
      scan_reference(marker, ref);
    if (layout->kind == MM_KIND_REFERENCE || !mm_has_slots(layout))
      return;
  } else {
    layout = mm_layout_of(ref);
  }
  if (mm_is_special(layout))
    process_special(marker, entry);
  else if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, push_slot, marker);
  else
    scan_chunk(marker, entry);
}

static MM_ALWAYS_INLINE void drain(struct mm_worker *worker, bool parallel)
{
  struct fifo fifo = {0};
  struct marker marker = {
      .marks = worker->heap->marks,
      .base = (uint32_t)(worker->heap->regions.base >> MM_REF_SHIFT),
  };
  mm_tracer_begin(&marker.stack, worker, parallel);
  for (;;) {
    uint64_t entry = 0;
    if (mm_tracer_pop_own(&marker.stack, &entry))
      prefetch(&marker, entry);
    else if (fifo.held == 0 && !mm_tracer_find(&marker.stack, &entry))
      break;
    entry = fifo_pass(&fifo, entry);
    if (entry != 0)
      process(&marker, entry);
  }
  MM_ASSERT(fifo.held == 0);
  mm_tracer_save(&marker.stack);
  worker->live_objects += marker.objects;
  worker->live_bytes += marker.bytes;
}

static void drain_alone(struct mm_worker *worker)
{
  drain(worker, false);
}

static void drain_parallel(struct mm_worker *worker)
{
  drain(worker, true);
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *worker;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  (void)kind;
  if (!mm_is_null(*slot))
    mm_trace_push(((struct root_visitor *)visitor)->worker,
                  mm_trace_entry(*slot, 0));
}

static void mark_goal(struct mm_worker *worker)
{
  mm_trace_stack_reset(&worker->stack);
  if (worker->index == 0) {
    struct root_visitor visitor = {{.slot = visit_root}, worker};
    mm_roots_visit(worker->heap, &visitor.visitor);
  }
  if (worker->workers->active > 1)
    drain_parallel(worker);
  else
    drain_alone(worker);
}

/* A stack overflowed ------------------------------------------------------- */

static void push_unmarked(void *context, struct mm_ref *slot)
{
  struct mm_worker *worker = context;
  if (!mm_is_null(*slot) && !mm_is_marked(worker->heap, *slot))
    mm_trace_push(worker, mm_trace_entry(*slot, 0));
}

static void rescan_object(void *context, struct mm_ref ref)
{
  const struct mm_layout *layout = mm_layout_of(ref);
  mm_scan_object(mm_address(ref), layout, push_unmarked, context);
  if (layout->kind == MM_KIND_REFERENCE)
    mm_reference_meet(context, ref, &mm_reach_marking);
  drain_alone(context);
}

/* Also the roots: their own entries may have been dropped. */
static void rescan_goal(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  mm_trace_stack_reset(&worker->stack);
  struct root_visitor visitor = {{.slot = visit_root}, worker};
  mm_roots_visit(heap, &visitor.visitor);
  drain_alone(worker);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    uint8_t kind = heap->regions.table[i].kind;
    if (kind != MM_REGION_FREE && kind != MM_REGION_LARGE_TAIL)
      mm_region_each_marked(heap, i, rescan_object, worker);
  }
}

/* For the reference processor ---------------------------------------------- */

static bool is_reached(const struct mm_heap *heap, struct mm_ref ref)
{
  return mm_is_marked(heap, ref);
}

static void keep(struct mm_worker *worker, struct mm_ref *slot)
{
  push_unmarked(worker, slot);
}

static void trace(struct mm_worker *worker)
{
  if (worker->workers->active > 1)
    drain_parallel(worker);
  else
    drain_alone(worker);
}

static bool enter(struct mm_heap *heap, struct mm_worker *worker,
                  uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  if (mm_trace_chunk(entry) > 0)
    return true;
  if (!mm_mark(heap, ref, false))
    return false;
  worker->live_objects++;
  worker->live_bytes += mm_size_with(mm_address(ref), mm_layout_of(ref));
  return true;
}

const struct mm_reach mm_reach_marking = {
    .is_reached = is_reached,
    .keep = keep,
    .trace = trace,
    .enter = enter,
    .rescan = rescan_goal,
    .is_full = true,
};

static void mark_heap(struct mm_heap *heap, unsigned active)
{
  mm_workers_run(heap->workers, active, mark_goal);
  while (mm_trace_take_overflow(heap->workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(heap->workers, 1, rescan_goal);
  }
}

void mm_mark_verify(struct mm_heap *heap, bool exact)
{
  if (!(heap->options.verify & MM_VERIFY_MARK))
    return;
  mm_stat_phase_begin(&heap->stat, MM_PHASE_VERIFY_MARK);
  uint64_t missing = mm_verify_marks(heap, exact, stderr);
  mm_stat_phase_end(&heap->stat, MM_PHASE_VERIFY_MARK);
  if (missing)
    mm_fatal(heap, "marking missed %llu objects", (unsigned long long)missing);
}

void mm_mark_phase(struct mm_heap *heap, unsigned active)
{
  mm_stat_phase_begin(&heap->stat, MM_PHASE_MARK);
  mark_heap(heap, active);
  mm_ephemerons_settle(heap, &mm_reach_marking, active);
  mm_fault_marked(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_MARK);
  mm_mark_verify(heap, true);
}
