/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the fixed spaces know of one another: slots
 * (fixed_slots.c), gaps (fixed_gaps.c), sweeping (fixed_sweep.c).
 */
#ifndef MM_SPACE_FIXED_PARTS_INTERNAL_H
#define MM_SPACE_FIXED_PARTS_INTERNAL_H

#include "mm/gc/heap_internal.h"

static inline struct mm_fixed_space *
mm_fixed_space_of(struct mm_heap *heap, const struct mm_region *region)
{
  return &heap->fixed[region->fixed];
}

static inline uintptr_t mm_run_start(const struct mm_heap *heap, uint32_t run)
{
  return heap->regions.base + ((uintptr_t)run << MM_RUN_LOG2);
}

static inline uint64_t *mm_run_starts(const struct mm_heap *heap, uint32_t run)
{
  return heap->starts + (size_t)run * MM_RUN_WORDS;
}

static inline uint64_t *mm_run_marks(const struct mm_heap *heap, uint32_t run)
{
  return heap->marks + (size_t)run * MM_RUN_WORDS;
}

static inline void mm_run_push(struct mm_heap *heap, uint32_t *list,
                               uint32_t run)
{
  heap->runs[run].next = *list;
  *list = run;
}

static inline uint32_t mm_run_pop(struct mm_heap *heap, uint32_t *list)
{
  uint32_t run = *list;
  if (run == MM_NO_RUN)
    return run;
  *list = heap->runs[run].next;
  heap->runs[run].next = MM_NO_RUN;
  return run;
}

/* A region for the space; MM_NO_MEMORY at a limit. */
enum mm_status mm_fixed_take_region(struct mm_heap *heap,
                                    struct mm_fixed_space *space,
                                    enum mm_region_kind kind, uint32_t limit,
                                    uint32_t *index);

/* Bits of a run's word at which slots of `bytes` start. */
uint64_t mm_slot_pattern(uint32_t bytes, uint32_t word);

/* Slots of a run that hold nothing, and that no cursor has claimed. */
uint32_t mm_run_free_slots(const struct mm_heap *heap, uint32_t run);

/* Takes marks over as starts; poison under stress. */
void mm_run_sweep(struct mm_heap *heap, uint32_t run);

/* The run, or the one an object of freelist begins in, has something fresh.
   Under the space lock. */
static inline void mm_run_note_fresh(struct mm_heap *heap, uint32_t run)
{
  heap->fresh_runs[heap->fresh_count++] = run;
}

/* Room out of a gap for an object that becomes old: a filler, fresh.  Gives it
   back. */
enum mm_status mm_gap_promote(struct mm_heap *heap,
                              struct mm_fixed_space *space, size_t bytes,
                              uint32_t limit, uintptr_t *at);
void mm_gap_unpromote(struct mm_heap *heap, struct mm_fixed_space *space,
                      size_t bytes, uintptr_t at);

/* An empty list of gaps; room out of a gap; the free parts of a region whose
   marks are valid. */
void mm_gaps_reset(struct mm_heap *heap, struct mm_fixed_space *space);
enum mm_status mm_gap_alloc(struct mm_heap *heap, struct mm_fixed_space *space,
                            size_t bytes, uint32_t limit, uintptr_t *at);
void mm_gaps_sweep(struct mm_heap *heap, uint32_t region);
void mm_gaps_check(const struct mm_heap *heap,
                   const struct mm_fixed_space *space);

#endif
