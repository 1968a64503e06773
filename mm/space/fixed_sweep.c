/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweeping the fixed spaces; see fixed_internal.h.
 *
 * What the pause pays for is a look at each run's 32 mark words; what is
 * wholly dead goes free there and then, so that memory comes back at once.
 */
#include "config.h"

#include "mm/space/fixed_internal.h"

#include "mm/gc/faults_internal.h"
#include "mm/space/fixed_parts_internal.h"

#include <string.h>

enum { SOME_RUNS = 16 }; /* swept at once while the program runs */

static void poison_dead_slots(struct mm_heap *heap, uint32_t run)
{
  const uint64_t *starts = mm_run_starts(heap, run);
  const uint64_t *marks = mm_run_marks(heap, run);
  uint32_t bytes = heap->classes.bytes[heap->runs[run].class];
  uintptr_t start = mm_run_start(heap, run);
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++)
    for (uint64_t dead = starts[i] & ~marks[i]; dead; dead &= dead - 1) {
      uintptr_t granule = 64 * i + (unsigned)__builtin_ctzll(dead);
      memset((void *)(start + granule * MM_OBJECT_ALIGN), MM_POISON_BYTE,
             bytes);
    }
}

/* Planted faults. */
static void forget_starts(struct mm_heap *heap, uint64_t *starts)
{
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++) {
    if (starts[i] && mm_breaks(heap, MM_FAULT_SLOT_FREED))
      starts[i] &= starts[i] - 1;
    if (mm_is_broken(heap, MM_FAULT_SWEEP_BLIND))
      starts[i] = 0;
  }
}

void mm_run_sweep(struct mm_heap *heap, uint32_t run)
{
  uint64_t *starts = mm_run_starts(heap, run);
  const uint64_t *marks = mm_run_marks(heap, run);
  MM_ASSERT(heap->runs[run].state == MM_RUN_UNSWEPT);
  if (mm_is_stressed(heap))
    poison_dead_slots(heap, run);
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++) {
    MM_ASSERT((marks[i] & ~starts[i]) == 0);
    starts[i] = marks[i];
  }
  if (mm_fault_any(&heap->options.faults))
    forget_starts(heap, starts);
  heap->runs[run].state = MM_RUN_OPEN;
  heap->runs[run].word = 0;
}

static bool is_dead(const uint64_t *marks, size_t words)
{
  uint64_t any = 0;
  for (size_t i = 0; i < words; i++)
    any |= marks[i];
  return any == 0;
}

static void free_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  mm_fixed_space_of(heap, region)->regions--;
  if (region->kind == MM_REGION_SLOTS)
    memset(&heap->runs[index * MM_REGION_RUNS], 0,
           MM_REGION_RUNS * sizeof *heap->runs);
  mm_heap_free_region(heap, index);
}

static void list_run(struct mm_heap *heap, struct mm_fixed_space *space,
                     uint32_t index)
{
  struct mm_run *run = &heap->runs[index];
  MM_ASSERT(run->state != MM_RUN_NONE && run->state != MM_RUN_HELD);
  if (run->state != MM_RUN_FREE &&
      !is_dead(mm_run_marks(heap, index), MM_RUN_WORDS)) {
    run->state = MM_RUN_UNSWEPT;
    mm_run_push(heap, &space->unswept[run->class], index);
    return;
  }
  if (run->state != MM_RUN_FREE) {
    run->state = MM_RUN_UNSWEPT;
    mm_run_sweep(heap, index);
  }
  run->state = MM_RUN_FREE;
  mm_run_push(heap, &space->free_runs, index);
}

static void list_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  struct mm_fixed_space *space = mm_fixed_space_of(heap, region);
  uint32_t first = index * MM_REGION_RUNS;
  if (is_dead(mm_run_marks(heap, first), MM_REGION_RUNS * MM_RUN_WORDS)) {
    free_region(heap, index);
  } else if (region->kind == MM_REGION_FREELIST) {
    region->next = space->unswept_regions;
    space->unswept_regions = index;
  } else {
    for (uint32_t i = MM_REGION_RUNS; i-- > 0;)
      list_run(heap, space, first + i);
  }
}

static void reset(struct mm_heap *heap, struct mm_fixed_space *space)
{
  space->free_runs = MM_NO_RUN;
  for (uint32_t i = 0; i < MM_CLASSES_MOST; i++)
    space->open[i] = space->unswept[i] = MM_NO_RUN;
  mm_gaps_reset(heap, space);
}

/* Highest first, so that the lowest stand first on their lists. */
void mm_fixed_begin_sweep(struct mm_heap *heap)
{
  for (unsigned which = 0; which < MM_FIXED_COUNT; which++)
    reset(heap, &heap->fixed[which]);
  for (uint32_t i = heap->regions.fresh_from; i-- > 0;) {
    uint8_t kind = heap->regions.table[i].kind;
    if (kind == MM_REGION_SLOTS || kind == MM_REGION_FREELIST)
      list_region(heap, i);
  }
}

/* Up to `*most' runs. */
static void sweep_class(struct mm_heap *heap, struct mm_fixed_space *space,
                        uint32_t class, uint32_t *most)
{
  while (*most > 0) {
    uint32_t run = mm_run_pop(heap, &space->unswept[class]);
    if (run == MM_NO_RUN)
      return;
    mm_run_sweep(heap, run);
    mm_run_push(heap, &space->open[class], run);
    --*most;
  }
}

/* A region of freelist counts as all the runs it might hold. */
static void sweep_regions(struct mm_heap *heap, struct mm_fixed_space *space,
                          uint32_t *most)
{
  while (*most > 0 && space->unswept_regions != MM_NO_REGION) {
    uint32_t index = space->unswept_regions;
    space->unswept_regions = heap->regions.table[index].next;
    mm_gaps_sweep(heap, index);
    *most -= *most < MM_REGION_RUNS ? *most : MM_REGION_RUNS;
  }
}

/* False: nothing is left. */
static bool sweep(struct mm_heap *heap, uint32_t most)
{
  for (unsigned which = 0; which < MM_FIXED_COUNT; which++) {
    struct mm_fixed_space *space = &heap->fixed[which];
    for (uint32_t i = 0; i < heap->classes.count; i++)
      sweep_class(heap, space, i, &most);
    sweep_regions(heap, space, &most);
  }
  return most == 0;
}

bool mm_fixed_sweep_some(struct mm_heap *heap)
{
  return sweep(heap, SOME_RUNS);
}

void mm_fixed_finish_sweep(struct mm_heap *heap)
{
  while (sweep(heap, UINT32_MAX))
    ;
}

/* Checks ----------------------------------------------------------------------
 */

static void check_starts(const struct mm_heap *heap, uint32_t index)
{
  const struct mm_run *run = &heap->runs[index];
  const uint64_t *starts = mm_run_starts(heap, index);
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++) {
    uint64_t slots = 0;
    if (run->state != MM_RUN_FREE)
      slots = mm_slot_pattern(heap->classes.bytes[run->class], i);
    MM_ASSERT((starts[i] & ~slots) == 0);
    (void)slots;
  }
  (void)starts;
}

/* Length of a list all of whose runs are in `state`. */
static uint32_t check_list(const struct mm_heap *heap, uint32_t run,
                           enum mm_run_state state)
{
  uint32_t length = 0;
  for (; run != MM_NO_RUN; run = heap->runs[run].next) {
    MM_ASSERT(heap->runs[run].state == state);
    length++;
  }
  (void)state;
  return length;
}

static void check_space(const struct mm_heap *heap,
                        const struct mm_fixed_space *space)
{
  uint32_t listed = check_list(heap, space->free_runs, MM_RUN_FREE);
  for (uint32_t i = 0; i < MM_CLASSES_MOST; i++) {
    listed += check_list(heap, space->open[i], MM_RUN_OPEN);
    listed += check_list(heap, space->unswept[i], MM_RUN_UNSWEPT);
  }
  uint32_t regions = 0, listable = 0;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    bool is_slots = region->kind == MM_REGION_SLOTS;
    if ((!is_slots && region->kind != MM_REGION_FREELIST) ||
        region->fixed != space->which)
      continue;
    regions++;
    for (uint32_t j = 0; is_slots && j < MM_REGION_RUNS; j++) {
      uint8_t state = heap->runs[i * MM_REGION_RUNS + j].state;
      listable += state != MM_RUN_HELD && state != MM_RUN_FULL;
      check_starts(heap, i * MM_REGION_RUNS + j);
    }
  }
  MM_ASSERT(regions == space->regions);
  MM_ASSERT(listed == listable);
  (void)regions;
  (void)listed;
  (void)listable;
}

void mm_fixed_check(const struct mm_heap *heap)
{
  for (unsigned which = 0; which < MM_FIXED_COUNT; which++) {
    check_space(heap, &heap->fixed[which]);
    mm_gaps_check(heap, &heap->fixed[which]);
  }
}
