/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier while a cycle marks: what is reachable now has been marked, or
 * will be.
 *
 * Objects are black (marked and scanned), grey (known to the marker, not yet
 * scanned) or white (Dijkstra et al., "On-the-fly garbage collection: an
 * exercise in cooperation", 1978).  The marker will come to what grey ones lead
 * to through white ones.  So of the objects that a cycle covers, each that is
 * reachable has to be marked, or white and found that way: a black object may
 * refer to a white one only if something grey leads there as well (the weak
 * tricolour invariant: Pirinen, "Barrier techniques for incremental tracing",
 * 1998).
 *
 * Grey is what stands on the marker's stack, and what barriers logged.
 */
#include "config.h"

#include "mm/gc/verifier_internal.h"

#include "mm/barrier_log.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/workers_internal.h"

static void find_white(void *context, struct mm_ref *slot)
{
  struct mm_verifier *verifier = context;
  struct mm_ref ref = *slot;
  if (mm_is_null(ref) || !mm_cycle_is_white(verifier->heap, ref))
    return;
  uint64_t granule = mm_verify_granule(verifier, (uintptr_t)mm_address(ref));
  if (mm_verify_has(verifier->found, granule))
    return;
  mm_verify_put(verifier->found, granule);
  mm_verify_push(verifier, ref);
}

static void scan_pending(struct mm_verifier *verifier, struct mm_ref ref)
{
  struct mm_ref *link = mm_link_slot(ref);
  if (mm_is_null(*link))
    return;
  find_white(verifier, mm_referent_slot(ref));
  if (!mm_same(*link, MM_LINK_END))
    find_white(verifier, link);
}

/* Whether the key of an ephemeron will be reached is not asked. */
static void scan(struct mm_verifier *verifier, struct mm_ref ref)
{
  const struct mm_layout *layout = mm_layout_of(ref);
  mm_scan_object(mm_address(ref), layout, find_white, verifier);
  if (layout->kind != MM_KIND_REFERENCE)
    return;
  if (mm_reference_strength(layout) == MM_STRENGTH_EPHEMERON)
    find_white(verifier, mm_value_slot(ref));
  scan_pending(verifier, ref);
}

static void follow(struct mm_verifier *verifier)
{
  while (verifier->depth > 0)
    scan(verifier, verifier->stack[--verifier->depth]);
}

/* Of an array that is marked, the marker may still have to scan a rest. */
static void take_stack(struct mm_verifier *verifier,
                       const struct mm_trace_stack *stack)
{
  for (size_t i = stack->oldest; i < stack->next; i++) {
    uint64_t entry = stack->entries[i & (stack->capacity - 1)];
    struct mm_ref ref = mm_trace_ref(entry);
    if (mm_trace_chunk(entry) > 0)
      scan(verifier, ref);
    else
      find_white(verifier, &ref);
    follow(verifier);
  }
}

static void take_logs(struct mm_verifier *verifier,
                      const struct mm_barrier_log *log)
{
  for (; log; log = log->next)
    for (uint32_t i = 0; i < log->count; i++) {
      struct mm_ref ref = {log->entries[i]};
      find_white(verifier, &ref);
      follow(verifier);
    }
}

/* Ephemerons that are marked, and whose values may have to be. */
static void take_noted(struct mm_verifier *verifier,
                       const struct mm_barrier_log *log)
{
  for (; log; log = log->next)
    for (uint32_t i = 0; i < log->count; i++) {
      scan(verifier, (struct mm_ref){log->entries[i]});
      follow(verifier);
    }
}

static void compare_word(struct mm_verifier *verifier, size_t word)
{
  const struct mm_heap *heap = verifier->heap;
  uint64_t lost = verifier->reached[word] & ~heap->marks[word] &
                  ~verifier->found[word] & mm_verify_covered(heap, word);
  for (; lost; lost &= lost - 1) {
    uint64_t granule = word * 64 + (unsigned)__builtin_ctzll(lost);
    mm_verify_object_fault(verifier,
                           heap->regions.base + granule * MM_OBJECT_ALIGN,
                           "it is reachable, and the cycle will not mark it");
  }
}

void mm_verify_cycle(struct mm_verifier *verifier)
{
  struct mm_heap *heap = verifier->heap;
  const struct mm_worker *marker = heap->cycle.marker;
  if (!mm_cycle_marks(heap) || heap->cycle.is_lost || marker->stack_overflowed)
    return;
  take_stack(verifier, &marker->stack);
  take_logs(verifier, heap->cycle.full);
  for (struct mm_mutator *m = heap->mutators; m; m = m->next) {
    mm_old_log_settle(m);
    take_logs(verifier, m->old_log);
  }
  const struct mm_noted *noted = &heap->references.noted[MM_STRENGTH_EPHEMERON];
  take_noted(verifier, noted->full);
  take_noted(verifier, noted->log);
  take_noted(verifier, noted->at);
  take_noted(verifier, noted->kept);
  if (!verifier->gave_up)
    mm_verify_each_word(verifier, compare_word);
}
