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
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { FIFO_ENTRIES = 16 };

struct fifo {
  uint64_t entries[FIFO_ENTRIES]; /* 0: nothing */
  unsigned next, held;
};

static ALWAYS_INLINE void push_slot(void *context, struct mm_ref *slot)
{
  struct mm_worker *worker = context;
  if (!mm_is_null(*slot))
    mm_trace_push(worker, mm_trace_entry(*slot, 0));
}

static ALWAYS_INLINE void prefetch(const struct mm_heap *heap, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  __builtin_prefetch(mm_address(ref));
  __builtin_prefetch(&heap->marks[mm_granule_of(heap, ref) >> 6], 1);
}

/* Puts `entry` (or 0) in; returns what has waited longest (or 0). */
static ALWAYS_INLINE uint64_t fifo_pass(struct fifo *fifo, uint64_t entry)
{
  uint64_t *place = &fifo->entries[fifo->next++ % FIFO_ENTRIES];
  uint64_t oldest = *place;
  *place = entry;
  fifo->held += (entry != 0) - (oldest != 0);
  return oldest;
}

static ALWAYS_INLINE void scan_chunk(struct mm_worker *worker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  uint32_t from = mm_trace_chunk(entry) * MM_SCAN_CHUNK;
  uint32_t to = mm_length_word(ref);
  if (to - from > MM_SCAN_CHUNK) {
    to = from + MM_SCAN_CHUNK;
    mm_trace_push(worker, mm_trace_entry(ref, mm_trace_chunk(entry) + 1));
  }
  mm_scan_elements(mm_address(ref), from, to, push_slot, worker);
}

static ALWAYS_INLINE void scan(struct mm_worker *worker, uint64_t entry)
{
  struct mm_ref ref = mm_trace_ref(entry);
  const struct mm_layout *layout = mm_layout_of(ref);
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, push_slot, worker);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    scan_chunk(worker, entry);
}

/* Marks and scans what an entry stands for.  The later chunks of an array
   were marked with its first. */
static ALWAYS_INLINE void process(struct mm_worker *worker, uint64_t entry,
                                  bool parallel)
{
  struct mm_ref ref = mm_trace_ref(entry);
  if (mm_trace_chunk(entry) == 0) {
    if (!mm_mark(worker->heap, ref, parallel))
      return;
    worker->live_objects++;
    worker->live_bytes += mm_size_with(mm_address(ref), mm_layout_of(ref));
  }
  scan(worker, entry);
}

static ALWAYS_INLINE void drain(struct mm_worker *worker, bool parallel)
{
  struct fifo fifo = {0};
  for (;;) {
    uint64_t entry = 0;
    if (mm_trace_pop_own(worker, parallel, &entry))
      prefetch(worker->heap, entry);
    else if (fifo.held == 0 && !(parallel && mm_trace_find(worker, &entry)))
      return;
    entry = fifo_pass(&fifo, entry);
    if (entry != 0)
      process(worker, entry, parallel);
  }
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct mm_worker *worker;
};

static void visit_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  (void)kind;
  push_slot(((struct root_visitor *)visitor)->worker, slot);
}

static void mark_goal(struct mm_worker *worker)
{
  if (worker->index == 0) {
    struct root_visitor visitor = {{visit_root}, worker};
    mm_roots_visit(worker->heap, &visitor.visitor);
  }
  if (worker->workers->active > 1)
    drain(worker, true);
  else
    drain(worker, false);
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
  mm_scan_object(mm_address(ref), mm_layout_of(ref), push_unmarked, context);
  drain(context, false);
}

/* Also the roots: their own entries may have been dropped. */
static void rescan_goal(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct root_visitor visitor = {{visit_root}, worker};
  mm_roots_visit(heap, &visitor.visitor);
  drain(worker, false);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    uint8_t kind = heap->regions.table[i].kind;
    if (kind != MM_REGION_FREE && kind != MM_REGION_LARGE_TAIL)
      mm_region_each_marked(heap, i, rescan_object, worker);
  }
}

void mm_mark_heap(struct mm_heap *heap, unsigned active)
{
  mm_workers_run(heap->workers, active, mark_goal);
  while (mm_trace_take_overflow(heap->workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(heap->workers, 1, rescan_goal);
  }
}
