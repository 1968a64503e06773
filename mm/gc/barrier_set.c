/* SPDX-License-Identifier: Apache-2.0 */
/* Which barriers a plan needs; see mm/barrier_set.h. */
#include "config.h"

#include "mm/barrier_set.h"

#include "mm/card.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/stress_internal.h"

struct mm_barrier_set mm_barrier_set_of(const struct mm_heap *heap)
{
  return (struct mm_barrier_set){
      .before = {.is_on = heap->options.gc == MM_GC_CONCURRENT ||
                          mm_stress_marking(heap, false) != 0,
                 .marking_offset = offsetof(struct mm_mutator, marking),
                 .notes = MM_MARKING_CYCLE,
                 .at_offset = offsetof(struct mm_mutator, old_at),
                 .end_offset = offsetof(struct mm_mutator, old_end)},
      .after = {.is_on = heap->has_cards,
                .rests = heap->options.generational != MM_GENERATIONAL_ON,
                .heeding_offset = offsetof(struct mm_mutator, heeding),
                .heeds_cards = MM_HEEDING_YOUNG,
                .cards_offset = offsetof(struct mm_mutator, cards),
                .card_log2 = MM_CARD_LOG2,
                .traces_offset = offsetof(struct mm_mutator, traces),
                .trace_log2 = MM_TRACE_LOG2},
  };
}
