/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the fixed spaces; see fixed_internal.h.
 */
#include "config.h"

#include "mm/space/fixed_internal.h"

#include "mm/gc/faults_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/native.h"
#include "mm/space/fixed_parts_internal.h"
#include "mm/space/object_internal.h"

#include <string.h>

/* Patterns ------------------------------------------------------------------
 */

/* Bits 0, step, 2 * step ... below 64. */
static uint64_t every(uint32_t step)
{
  uint64_t bits = 0;
  for (uint32_t i = 0; i < 64; i += step)
    bits |= (uint64_t)1 << i;
  return bits;
}

uint64_t mm_slot_pattern(uint32_t bytes, uint32_t word)
{
  uint32_t step = bytes >> MM_REF_SHIFT;
  uint32_t before = 64 * word;
  uint32_t first = (step - before % step) % step;
  if (first >= 64)
    return 0;
  uint64_t bits = every(step) << first;
  uint32_t last = MM_RUN_GRANULES / step * step - step; /* the last slot */
  if (last < before)
    return 0;
  if (last - before < 63)
    bits &= ((uint64_t)2 << (last - before)) - 1;
  return bits;
}

/* Cursors -------------------------------------------------------------------
 */

static const struct mm_slot_cursor no_slots = {.run = MM_NO_RUN};

static uintptr_t cursor_take(struct mm_slot_cursor *cursor)
{
  if (cursor->free == 0)
    return 0;
  unsigned bit = (unsigned)__builtin_ctzll(cursor->free);
  cursor->free &= cursor->free - 1;
  return cursor->base + ((uintptr_t)bit << MM_REF_SHIFT);
}

/* Zeroes the slots of `free', neighbours together: a word of free slots is
   one call, and its memory comes into the cache ahead of its objects. */
static void zero_slots(uintptr_t base, uint64_t free, uint32_t bytes)
{
  uint32_t step = bytes >> MM_REF_SHIFT;
  while (free) {
    unsigned first = (unsigned)__builtin_ctzll(free), beyond = first;
    do {
      free &= ~((uint64_t)1 << beyond);
      beyond += step;
    } while (beyond < 64 && (free >> beyond & 1));
    memset((void *)(base + ((uintptr_t)first << MM_REF_SHIFT)), 0,
           (size_t)(beyond - first) << MM_REF_SHIFT);
  }
}

/* While a cycle marks, objects are born marked; those of slots that were never
   handed out are unmarked again. */
static void bear_marked(struct mm_heap *heap, uint32_t run, uint32_t word,
                        uint64_t bits)
{
  if (mm_cycle_marks(heap) && !mm_is_broken(heap, MM_FAULT_BORN_WHITE))
    __atomic_fetch_or(&mm_run_marks(heap, run)[word], bits, __ATOMIC_RELAXED);
}

static void unmark(struct mm_heap *heap, uint32_t run, uint32_t word,
                   uint64_t bits)
{
  if (mm_cycle_marks(heap))
    __atomic_fetch_and(&mm_run_marks(heap, run)[word], ~bits, __ATOMIC_RELAXED);
}

/* Whoever sees the start bits sees that they are fresh. */
static void make_fresh(struct mm_heap *heap, uint32_t run, uint32_t word,
                       uint64_t bits)
{
  size_t index = (size_t)run * MM_RUN_WORDS + word;
  __atomic_fetch_or(&heap->fresh[index], bits, __ATOMIC_RELAXED);
  __atomic_fetch_or(&heap->starts[index], bits, __ATOMIC_RELEASE);
}

/* Claims the free slots of the next word that has any, and zeroes them but for
   objects that become old; false: the run has no more.  The holder's own
   affair: no lock. */
static bool cursor_advance(struct mm_heap *heap, struct mm_slot_cursor *cursor,
                           bool promotes)
{
  if (cursor->run == MM_NO_RUN)
    return false;
  uint64_t *starts = mm_run_starts(heap, cursor->run);
  uint32_t bytes = heap->classes.bytes[heap->runs[cursor->run].class];
  MM_ASSERT(heap->runs[cursor->run].state == MM_RUN_HELD);
  for (uint32_t word = cursor->next_word; word < MM_RUN_WORDS; word++) {
    uint64_t free = mm_slot_pattern(bytes, word) & ~starts[word];
    if (free == 0)
      continue;
    if (promotes)
      make_fresh(heap, cursor->run, word, free);
    else
      starts[word] |= free;
    bear_marked(heap, cursor->run, word, free);
    cursor->free = free;
    cursor->next_word = word + 1;
    cursor->base = mm_run_start(heap, cursor->run) +
                   ((uintptr_t)word * 64 << MM_REF_SHIFT);
    if (!mm_breaks(heap, MM_FAULT_DIRTY))
      if (!promotes)
        zero_slots(cursor->base, free, bytes);
    return true;
  }
  cursor->next_word = MM_RUN_WORDS;
  return false;
}

/* Gives back what a cursor has not handed out. */
static void cursor_retire(struct mm_heap *heap, struct mm_fixed_space *space,
                          struct mm_slot_cursor *cursor)
{
  if (cursor->run == MM_NO_RUN)
    return;
  struct mm_run *run = &heap->runs[cursor->run];
  MM_ASSERT(run->state == MM_RUN_HELD);
  uint32_t word = cursor->next_word;
  if (cursor->free != 0) {
    word--;
    uint64_t *starts = &mm_run_starts(heap, cursor->run)[word];
    MM_ASSERT((*starts & cursor->free) == cursor->free);
    __atomic_fetch_and(starts, ~cursor->free, __ATOMIC_RELAXED);
    unmark(heap, cursor->run, word, cursor->free);
  }
  run->state = word < MM_RUN_WORDS ? MM_RUN_OPEN : MM_RUN_FULL;
  run->word = (uint16_t)word;
  if (run->state == MM_RUN_OPEN)
    mm_run_push(heap, &space->open[run->class], cursor->run);
  *cursor = no_slots;
}

/* Runs ----------------------------------------------------------------------
 */

uint32_t mm_run_free_slots(const struct mm_heap *heap, uint32_t run)
{
  const uint64_t *starts = mm_run_starts(heap, run);
  uint32_t slots = MM_RUN_BYTES / heap->classes.bytes[heap->runs[run].class];
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++)
    slots -= (uint32_t)__builtin_popcountll(starts[i]);
  return slots;
}

/* A run that was swept already or is swept now; MM_NO_RUN: there is none with
   room. */
static uint32_t find_used_run(struct mm_heap *heap,
                              struct mm_fixed_space *space, uint32_t class)
{
  uint32_t run = mm_run_pop(heap, &space->open[class]);
  if (run != MM_NO_RUN)
    return run;
  while ((run = mm_run_pop(heap, &space->unswept[class])) != MM_NO_RUN) {
    mm_run_sweep(heap, run);
    if (mm_run_free_slots(heap, run) > 0)
      return run;
    heap->runs[run].state = MM_RUN_FULL;
  }
  return MM_NO_RUN;
}

static enum mm_status add_region(struct mm_heap *heap,
                                 struct mm_fixed_space *space, uint32_t limit)
{
  uint32_t index;
  enum mm_status status =
      mm_fixed_take_region(heap, space, MM_REGION_SLOTS, limit, &index);
  if (status != MM_OK)
    return status;
  uint32_t first = index * MM_REGION_RUNS;
  for (uint32_t i = MM_REGION_RUNS; i-- > 0;) {
    heap->runs[first + i] = (struct mm_run){.state = MM_RUN_FREE};
    mm_run_push(heap, &space->free_runs, first + i);
  }
  memset(mm_run_starts(heap, first), 0,
         MM_REGION_RUNS * MM_RUN_WORDS * sizeof(uint64_t));
  return MM_OK;
}

static enum mm_status find_run(struct mm_heap *heap,
                               struct mm_fixed_space *space, uint32_t class,
                               uint32_t limit, uint32_t *run)
{
  *run = find_used_run(heap, space, class);
  if (*run != MM_NO_RUN)
    return MM_OK;
  if (space->free_runs == MM_NO_RUN) {
    enum mm_status status = add_region(heap, space, limit);
    if (status != MM_OK)
      return status;
  }
  *run = mm_run_pop(heap, &space->free_runs);
  MM_ASSERT(heap->runs[*run].state == MM_RUN_FREE);
  heap->runs[*run].class = (uint8_t) class;
  heap->runs[*run].word = 0;
  return MM_OK;
}

static enum mm_status refill(struct mm_heap *heap, struct mm_fixed_space *space,
                             uint32_t class, uint32_t limit,
                             struct mm_slot_cursor *cursor, bool promotes)
{
  cursor_retire(heap, space, cursor);
  do {
    uint32_t run;
    enum mm_status status = find_run(heap, space, class, limit, &run);
    if (status != MM_OK)
      return status;
    heap->runs[run].state = MM_RUN_HELD;
    space->claimed_bytes +=
        (uint64_t)mm_run_free_slots(heap, run) * heap->classes.bytes[class];
    cursor->run = run;
    cursor->next_word = heap->runs[run].word;
    if (promotes)
      mm_run_note_fresh(heap, run);
    if (cursor_advance(heap, cursor, promotes))
      return MM_OK;
    cursor_retire(heap, space, cursor);
  } while (true);
}

static enum mm_status slot_alloc(struct mm_heap *heap,
                                 struct mm_fixed_space *space,
                                 struct mm_slot_cursor *cursors, size_t bytes,
                                 uint32_t limit, uintptr_t *at)
{
  uint32_t class = mm_class_of(&heap->classes, bytes);
  struct mm_slot_cursor *cursor = &cursors[class];
  if (cursor->free == 0 && !cursor_advance(heap, cursor, false)) {
    enum mm_status status = refill(heap, space, class, limit, cursor, false);
    if (status != MM_OK)
      return status;
  }
  *at = cursor_take(cursor);
  return MM_OK;
}

/* Slots or gaps --------------------------------------------------------------
 */

static bool fits_slot(const struct mm_fixed_space *space, size_t bytes)
{
  return space->has_slots && bytes <= MM_SLOT_MAX_BYTES;
}

static enum mm_status alloc_with(struct mm_heap *heap,
                                 struct mm_fixed_space *space,
                                 struct mm_slot_cursor *cursors, size_t bytes,
                                 uint32_t limit, uintptr_t *at)
{
  uintptr_t got = 0;
  enum mm_status status =
      fits_slot(space, bytes)
          ? slot_alloc(heap, space, cursors, bytes, limit, &got)
          : mm_gap_alloc(heap, space, bytes, limit, &got);
  if (status == MM_OK)
    *at = got;
  return status;
}

enum mm_status mm_fixed_alloc(struct mm_heap *heap,
                              struct mm_fixed_space *space, size_t bytes,
                              uint32_t limit, uintptr_t *at)
{
  return alloc_with(heap, space, space->cursors, bytes, limit, at);
}

enum mm_status mm_fixed_alloc_mutator(struct mm_mutator *mutator, size_t bytes,
                                      uint32_t limit, uintptr_t *at)
{
  struct mm_heap *heap = mutator->heap;
  enum mm_status status = alloc_with(heap, &heap->fixed[MM_FIXED_OBJECTS],
                                     mutator->slots, bytes, limit, at);
  if (status == MM_OK)
    mutator->slots_bytes += bytes;
  return status;
}

uintptr_t mm_fixed_alloc_fast(struct mm_mutator *mutator, size_t bytes)
{
  struct mm_heap *heap = mutator->heap;
  if (!fits_slot(&heap->fixed[MM_FIXED_OBJECTS], bytes))
    return 0;
  struct mm_slot_cursor *cursor =
      &mutator->slots[mm_class_of(&heap->classes, bytes)];
  if (cursor->free == 0 && !cursor_advance(heap, cursor, false))
    return 0;
  uintptr_t at = cursor_take(cursor);
  mutator->slots_bytes += bytes;
  return at;
}

/* Objects that become old ----------------------------------------------------
 */

static struct mm_fixed_space *old_space(struct mm_heap *heap)
{
  return &heap->fixed[MM_FIXED_OBJECTS];
}

bool mm_fixed_fits_slot(const struct mm_heap *heap, size_t bytes)
{
  return fits_slot(&heap->fixed[MM_FIXED_OBJECTS], bytes);
}

static enum mm_status promote_to_slot(struct mm_heap *heap,
                                      struct mm_slot_cursor *cursors,
                                      size_t bytes, uintptr_t *at)
{
  uint32_t class = mm_class_of(&heap->classes, bytes);
  struct mm_slot_cursor *cursor = &cursors[class];
  enum mm_status status = MM_OK;
  if (cursor->free == 0 && !cursor_advance(heap, cursor, true)) {
    pthread_mutex_lock(&heap->space_lock);
    status =
        refill(heap, old_space(heap), class, heap->regions.count, cursor, true);
    pthread_mutex_unlock(&heap->space_lock);
  }
  if (status == MM_OK)
    *at = cursor_take(cursor);
  return status;
}

enum mm_status mm_fixed_promote(struct mm_heap *heap,
                                struct mm_slot_cursor *cursors, size_t bytes,
                                uintptr_t *at)
{
  if (fits_slot(old_space(heap), bytes))
    return promote_to_slot(heap, cursors, bytes, at);
  return mm_gap_promote(heap, old_space(heap), bytes, heap->regions.count, at);
}

void mm_fixed_unpromote(struct mm_heap *heap, struct mm_slot_cursor *cursors,
                        size_t bytes, uintptr_t at)
{
  if (!fits_slot(old_space(heap), bytes)) {
    mm_gap_unpromote(heap, old_space(heap), bytes, at);
    return;
  }
  struct mm_slot_cursor *cursor = &cursors[mm_class_of(&heap->classes, bytes)];
  cursor->free |= (uint64_t)1 << ((at - cursor->base) >> MM_REF_SHIFT);
}

/* Slots that were claimed and hold nothing yet, in a word of the run. */
static uint64_t unused_slots(const struct mm_heap *heap,
                             const struct mm_slot_cursor *cursors, uint32_t run,
                             uint32_t word)
{
  const struct mm_slot_cursor *cursor = &cursors[heap->runs[run].class];
  return cursor->run == run && cursor->next_word == word + 1 ? cursor->free : 0;
}

/* Those that have been retired unused are no objects either. */
void mm_fixed_each_fresh(struct mm_heap *heap,
                         const struct mm_slot_cursor *cursors, uint32_t run,
                         void (*visit)(void *context, struct mm_ref ref),
                         void *context)
{
  bool is_slots = heap->runs[run].state != MM_RUN_NONE;
  for (uint32_t i = 0; i < MM_RUN_WORDS; i++) {
    size_t index = (size_t)run * MM_RUN_WORDS + i;
    uint64_t bits = heap->fresh[index];
    if (is_slots)
      bits &= heap->starts[index] & ~unused_slots(heap, cursors, run, i);
    for (; bits; bits &= bits - 1) {
      uintptr_t granule = 64 * i + (unsigned)__builtin_ctzll(bits);
      visit(context, mm_ref_at((void *)(mm_run_start(heap, run) +
                                        granule * MM_OBJECT_ALIGN)));
    }
  }
}

void mm_fixed_settle(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->fresh_count; i++)
    memset(heap->fresh + (size_t)heap->fresh_runs[i] * MM_RUN_WORDS, 0,
           MM_RUN_WORDS * sizeof *heap->fresh);
  heap->fresh_count = 0;
}

struct mm_slot_cursor *mm_fixed_new_cursors(struct mm_heap *heap)
{
  struct mm_slot_cursor *cursors = mm_native_alloc_array(
      MM_PURPOSE_HEAP, heap->classes.count, sizeof *cursors);
  for (uint32_t i = 0; cursors && i < heap->classes.count; i++)
    cursors[i] = no_slots;
  return cursors;
}

void mm_fixed_free_cursors(struct mm_heap *heap, struct mm_slot_cursor *cursors)
{
  if (cursors)
    mm_native_free(MM_PURPOSE_HEAP, cursors,
                   heap->classes.count * sizeof *cursors);
}

void mm_fixed_retire_cursors(struct mm_heap *heap,
                             struct mm_slot_cursor *cursors)
{
  for (uint32_t i = 0; i < heap->classes.count; i++)
    cursor_retire(heap, old_space(heap), &cursors[i]);
}

/* Begin and end --------------------------------------------------------------
 */

static void reset_lists(struct mm_fixed_space *space)
{
  space->free_runs = MM_NO_RUN;
  for (uint32_t i = 0; i < MM_CLASSES_MOST; i++)
    space->open[i] = space->unswept[i] = MM_NO_RUN;
}

void mm_fixed_init(struct mm_heap *heap, enum mm_fixed_which which)
{
  const struct mm_options *options = &heap->options;
  struct mm_fixed_space *space = &heap->fixed[which];
  enum mm_fit fit =
      which == MM_FIXED_OBJECTS ? options->object_fit : options->nonmoving_fit;
  *space = (struct mm_fixed_space){
      .which = (uint8_t)which,
      .has_slots = fit == MM_FIT_SLOTS,
      .max_regions = UINT32_MAX,
  };
  if (which == MM_FIXED_NONMOVING && options->nonmoving_max_bytes != 0)
    space->max_regions =
        (uint32_t)(options->nonmoving_max_bytes >> MM_REGION_LOG2);
  reset_lists(space);
  mm_gaps_reset(heap, space);
  for (uint32_t i = 0; i < MM_CLASSES_MOST; i++)
    space->cursors[i] = no_slots;
}

enum mm_status mm_fixed_take_region(struct mm_heap *heap,
                                    struct mm_fixed_space *space,
                                    enum mm_region_kind kind, uint32_t limit,
                                    uint32_t *index)
{
  if (heap->regions.used >= limit || space->regions >= space->max_regions)
    return MM_NO_MEMORY;
  enum mm_status status = mm_region_take(&heap->regions, kind, index);
  if (status != MM_OK)
    return status;
  struct mm_region *region = &heap->regions.table[*index];
  region->fixed = space->which;
  region->top = mm_region_end(&heap->regions, *index);
  region->zero_from = region->top;
  if (heap->has_cards)
    mm_object_make_tenured(heap, *index);
  if (mm_cycle_marks(heap))
    mm_region_clear_marks(heap, *index);
  space->regions++;
  return MM_OK;
}

enum mm_status mm_fixed_attach(struct mm_heap *heap, struct mm_mutator *mutator)
{
  if (heap->options.tenured != MM_TENURED_FREELIST ||
      heap->options.generational == MM_GENERATIONAL_ON)
    return MM_OK;
  mutator->slots = mm_fixed_new_cursors(heap);
  return mutator->slots ? MM_OK : MM_NO_MEMORY;
}

void mm_fixed_detach(struct mm_mutator *mutator)
{
  mm_fixed_free_cursors(mutator->heap, mutator->slots);
  mutator->slots = NULL;
}

void mm_fixed_retire_mutator(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  if (!mutator->slots)
    return;
  mm_fixed_retire_cursors(heap, mutator->slots);
  mutator->allocated_bytes += mutator->slots_bytes;
  mm_stat_count(&heap->stat, MM_COUNT_ALLOCATED_BYTES, mutator->slots_bytes);
  mutator->slots_bytes = 0;
}

void mm_fixed_retire(struct mm_heap *heap)
{
  for (unsigned which = 0; which < MM_FIXED_COUNT; which++)
    for (uint32_t i = 0; i < heap->classes.count; i++)
      cursor_retire(heap, &heap->fixed[which], &heap->fixed[which].cursors[i]);
}

/* Looking at ------------------------------------------------------------------
 */

void mm_fixed_each_slot(struct mm_heap *heap, uint32_t region,
                        void (*visit)(void *context, struct mm_ref ref),
                        void *context)
{
  uintptr_t start = mm_region_start(&heap->regions, region);
  const uint64_t *words = mm_run_starts(heap, region * MM_REGION_RUNS);
  MM_ASSERT(heap->regions.table[region].kind == MM_REGION_SLOTS);
  for (uint32_t i = 0; i < MM_REGION_RUNS * MM_RUN_WORDS; i++)
    for (uint64_t word = words[i]; word; word &= word - 1) {
      uintptr_t granule = 64 * i + (unsigned)__builtin_ctzll(word);
      visit(context, mm_ref_at((void *)(start + granule * MM_OBJECT_ALIGN)));
    }
}

bool mm_fixed_is_object(const struct mm_heap *heap, uintptr_t address)
{
  uint64_t granule = (address - heap->regions.base) >> MM_REF_SHIFT;
  return address % MM_OBJECT_ALIGN == 0 &&
         (heap->starts[granule >> 6] >> (granule & 63) & 1);
}

uint32_t mm_fixed_slot_bytes(const struct mm_heap *heap, uintptr_t address)
{
  uint32_t run = (uint32_t)((address - heap->regions.base) >> MM_RUN_LOG2);
  return heap->classes.bytes[heap->runs[run].class];
}
