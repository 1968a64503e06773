/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When new objects are young; see generations_internal.h.
 */
#include "config.h"

#include "mm/gc/generations_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/workers_internal.h"

enum {
  FIRST_FRACTION = 2, /* of the limit, to judge by at first */
  FIRST_MOST = 32 << 20,
  TRY_FRACTION = 64, /* the same, for a try */
  TRY_LEAST = 1 << 20,
  MANY_STW = 50, /* percent of young objects live: too many */
  MANY_CONCURRENT = 87,
  WAIT_MOST = 16,
  TRY_ROOM = 4, /* windows until the next cycle: survivors, and what is new */
  PUT_OFF_MOST = 2,
};

static void set(struct mm_heap *heap, bool is_on)
{
  MM_ASSERT(heap->young_count == 0 && heap->candidates.count == 0);
  __atomic_store_n(&heap->generations.is_on, is_on, __ATOMIC_RELAXED);
  heap->born_age = is_on ? MM_AGE_EDEN : heap->full_age;
  heap->generations.seen_bytes = heap->generations.lived_bytes = 0;
  if (!is_on || !mm_breaks(heap, MM_FAULT_BARRIER_CALM))
    mm_cards_watch(heap, false);
}

void mm_generations_init(struct mm_heap *heap)
{
  heap->generations.wait = heap->generations.next_wait = 1;
  bool is_on = heap->options.generational != MM_GENERATIONAL_OFF;
  heap->generations.is_on = is_on;
  heap->born_age = is_on ? MM_AGE_EDEN : heap->full_age;
  heap->cards.is_calm = !is_on;
}

static bool is_free(const struct mm_heap *heap)
{
  return heap->options.generational == MM_GENERATIONAL_AUTO;
}

/* Nothing is under way that counts on things as they are. */
static bool may_change(const struct mm_heap *heap)
{
  return is_free(heap) && heap->young_count == 0 &&
         heap->candidates.count == 0 && !mm_cycle_is_active(heap);
}

/* Young objects that lived, wherever they are now. */
static uint64_t lived_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    for (enum mm_age age = MM_AGE_SURVIVOR; age < MM_AGE_COUNT; age++)
      bytes += heap->workers->each[i].aged_bytes[age];
  return bytes;
}

static void look(struct mm_heap *heap)
{
  struct mm_generations *generations = &heap->generations;
  for (enum mm_age age = 0; age < MM_AGE_TENURED; age++)
    generations->seen_bytes += heap->seen_bytes[age];
  generations->lived_bytes += lived_bytes(heap);
}

static uint64_t at_most(uint64_t value, uint64_t bound)
{
  return value < bound ? value : bound;
}

/* A program that sets to work makes what it will keep, so the first look is a
   long one. */
static uint64_t window_bytes(const struct mm_heap *heap)
{
  uint64_t limit_bytes = (uint64_t)heap->sizing.limit_regions << MM_REGION_LOG2;
  if (!heap->generations.has_left)
    return at_most(limit_bytes / FIRST_FRACTION, FIRST_MOST);
  uint64_t bytes = limit_bytes / TRY_FRACTION;
  return bytes > TRY_LEAST ? bytes : TRY_LEAST;
}

/* A cycle costs more for what it frees than a full collection does, and has
   young objects collected sooner, by a goal for pauses. */
static bool too_many_live(const struct mm_heap *heap)
{
  const struct mm_generations *generations = &heap->generations;
  bool is_stw = heap->options.gc == MM_GC_STW;
  uint64_t percent = is_stw ? MANY_STW : MANY_CONCURRENT;
  return generations->lived_bytes * 100 >= generations->seen_bytes * percent;
}

/* What was born old while candidates were watched (walk.c). */
static void reveal_all(struct mm_heap *heap)
{
  MM_ASSERT(heap->target_count == 0);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (heap->regions.table[i].kind == MM_REGION_SMALL)
      mm_cards_reveal_region(heap, i);
}

static void come_back(struct mm_heap *heap)
{
  reveal_all(heap);
  heap->tenure_age = MM_AGE_SURVIVOR + 1;
  mm_stat_count(&heap->stat, MM_COUNT_YOUNG_TRIED, 1);
  mm_log_write(&heap->stat.log, MM_LOG_INFO, "gc",
               "GC(%llu) Objects Born Young",
               (unsigned long long)heap->stat.current.number);
  set(heap, true);
}

static void leave(struct mm_heap *heap)
{
  struct mm_generations *generations = &heap->generations;
  generations->has_left = true;
  mm_stat_count(&heap->stat, MM_COUNT_YOUNG_LEFT, 1);
  mm_log_write(&heap->stat.log, MM_LOG_INFO, "gc",
               "GC(%llu) Objects Born Old, %llu%% of the young ones lived",
               (unsigned long long)heap->stat.current.number,
               (unsigned long long)(100 * generations->lived_bytes /
                                    (generations->seen_bytes + 1)));
  __atomic_store_n(&generations->wait, generations->next_wait,
                   __ATOMIC_RELAXED);
  if (generations->next_wait < WAIT_MOST)
    generations->next_wait *= 2;
  set(heap, false);
}

/* What is seen while candidates are moved is not of young objects alone. */
static void judge(struct mm_heap *heap)
{
  struct mm_generations *generations = &heap->generations;
  if (heap->candidates.taken_bytes == 0)
    look(heap);
  bool is_seen = generations->seen_bytes >= window_bytes(heap);
  bool leaves = mm_is_stressed(heap) || (is_seen && too_many_live(heap));
  if (leaves && may_change(heap))
    leave(heap);
  else if (leaves)
    heap->tenure_age = MM_AGE_SURVIVOR; /* the next one leaves nothing young */
  if (!is_seen || leaves)
    return;
  generations->next_wait = 1;
  generations->seen_bytes = generations->lived_bytes = 0;
}

void mm_generations_after_young(struct mm_heap *heap)
{
  if (heap->generations.returns) {
    heap->generations.returns = false;
    come_back(heap);
  } else if (is_free(heap) && mm_is_generational(heap)) {
    judge(heap);
  }
}

/* One more cycle or full collection has passed. */
static bool has_waited(struct mm_heap *heap)
{
  uint32_t *wait = &heap->generations.wait;
  uint32_t left = __atomic_load_n(wait, __ATOMIC_RELAXED);
  if (left > 0)
    __atomic_store_n(wait, --left, __ATOMIC_RELAXED);
  return left == 0 || mm_is_stressed(heap);
}

void mm_generations_after_full(struct mm_heap *heap)
{
  if (!heap->cycle.has_thread && !mm_is_generational(heap) &&
      may_change(heap) && has_waited(heap))
    come_back(heap);
}

bool mm_generations_should_return(struct mm_heap *heap)
{
  return is_free(heap) && !mm_is_generational(heap) && has_waited(heap);
}

bool mm_generations_may_return(struct mm_heap *heap)
{
  struct mm_generations *generations = &heap->generations;
  if (mm_is_generational(heap) || !may_change(heap))
    return false;
  bool is_put_off =
      !mm_is_stressed(heap) && generations->put_off < PUT_OFF_MOST &&
      !mm_sizing_has_until_cycle(heap, TRY_ROOM * window_bytes(heap));
  generations->put_off = is_put_off ? generations->put_off + 1 : 0;
  return !is_put_off;
}

void mm_generations_return(struct mm_heap *heap)
{
  heap->generations.returns = true;
}
