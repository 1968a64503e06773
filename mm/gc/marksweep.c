/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep: the plan in which nothing moves (McCarthy, "Recursive
 * functions of symbolic expressions", 1960).
 *
 *   prepare   mark bits are cleared
 *   mark      all that the roots reach, in parallel
 *   references  see references_internal.h
 *   weak      the host drops what died
 *   sweep     large objects; runs and regions that are wholly dead
 *
 * The rest is swept when room is needed: see fixed_internal.h.  A pause costs
 * what lives and a look at the mark bits, whatever is dead.
 */
#include "config.h"

#include "mm/gc/marksweep_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/mark_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/space/large_internal.h"
#include "mm/space/metadata_internal.h"

static void prepare(struct mm_heap *heap)
{
  mm_metadata_settle(heap);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    uint8_t kind = heap->regions.table[i].kind;
    MM_ASSERT(kind != MM_REGION_SMALL);
    heap->traces[i] = MM_TRACE_NOTHING;
    if (kind == MM_REGION_FREE || kind == MM_REGION_LARGE_TAIL)
      continue;
    mm_region_clear_marks(heap, i);
    heap->traces[i] = MM_TRACE_MARK;
  }
}

struct weak_visitor {
  struct mm_weak_visitor visitor; /* first */
  struct mm_heap *heap;
};

static bool keep_weak(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  struct mm_heap *heap = ((struct weak_visitor *)visitor)->heap;
  if (mm_is_marked(heap, *slot))
    return true;
  *slot = MM_NULL;
  mm_stat_count(&heap->stat, MM_COUNT_WEAK_CLEARED, 1);
  return false;
}

static void visit_weak(struct mm_heap *heap)
{
  struct weak_visitor visitor = {{keep_weak}, heap};
  mm_weak_visit(heap, &visitor.visitor);
  mm_owners_sweep(heap, false);
}

static void sweep(struct mm_heap *heap)
{
  mm_large_sweep(heap);
  mm_fixed_begin_sweep(heap);
}

void mm_mark_sweep(struct mm_heap *heap, unsigned active)
{
  MM_ASSERT(heap->stopping);
  mm_workers_reset(heap->workers);
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, prepare);
  mm_mark_phase(heap, active);
  mm_references_process(heap, &mm_reach_marking, active);
  mm_stat_phase_run(heap, MM_PHASE_WEAK, visit_weak);
  mm_stat_phase_run(heap, MM_PHASE_SWEEP, sweep);
  mm_metadata_collected(heap);
}

/* What the cycle did not have to mark lives. */
static bool keep_weak_uncovered(struct mm_weak_visitor *visitor,
                                struct mm_ref *slot)
{
  struct mm_heap *heap = ((struct weak_visitor *)visitor)->heap;
  return !mm_cycle_is_white(heap, *slot) || keep_weak(visitor, slot);
}

static void visit_weak_after_cycle(struct mm_heap *heap)
{
  struct weak_visitor visitor = {{keep_weak_uncovered}, heap};
  mm_weak_visit(heap, &visitor.visitor);
  mm_owners_sweep(heap, true);
}

void mm_mark_sweep_weak(struct mm_heap *heap)
{
  mm_mark_verify(heap, false);
  mm_stat_phase_run(heap, MM_PHASE_WEAK, visit_weak_after_cycle);
}

void mm_mark_sweep_release(struct mm_heap *heap)
{
  mm_stat_phase_run(heap, MM_PHASE_SWEEP, sweep);
  mm_metadata_collected(heap);
}
