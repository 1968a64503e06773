/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing, remembering and taking candidates; see candidates_internal.h.
 * Next: walk.c (who refers to them), young.c (what evacuates them).
 */
#include "config.h"

#include "mm/gc/candidates_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/pauses_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/space/object_internal.h"

enum {
  SPARSE_BYTES = MM_REGION_BYTES / 4 * 3, /* live at most in a candidate */
  WASTE_FRACTION = 20, /* of what is in use may stay garbage */
  CLASS_LOG2 = 12,     /* candidates are sorted by 4 KiB that live */
  CLASSES = SPARSE_BYTES >> CLASS_LOG2,
  PUT_OFF_FRACTION = 16, /* of the goal: exceeded by less, none is put off */
  POPULAR_CARDS = 4 * MM_REGION_CARDS, /* remembered for none */
};

/* Choosing ------------------------------------------------------------------
 */

/* What a cycle left alive of a region: marked, or there since its start. */
static uint32_t live_bytes(const struct mm_heap *heap, uint32_t index)
{
  const struct mm_region *region = &heap->regions.table[index];
  uintptr_t seen = region->mark_top;
  if (seen == 0)
    seen = mm_region_start(&heap->regions, index);
  return region->live_bytes + (uint32_t)(region->top - seen);
}

static bool is_old(const struct mm_heap *heap, uint32_t index)
{
  const struct mm_region *region = &heap->regions.table[index];
  return region->kind == MM_REGION_SMALL && region->age == MM_AGE_TENURED;
}

/* Then a young collection during the walk may free it, or make it old; the
   walk is not to find it as something else. */
static bool is_young(const struct mm_heap *heap, uint32_t index)
{
  const struct mm_region *region = &heap->regions.table[index];
  if (region->kind == MM_REGION_LARGE)
    return mm_is_generational(heap) && region->age < MM_AGE_TENURED;
  return region->kind == MM_REGION_SMALL && !is_old(heap, index);
}

/* Is it being allocated in? */
static bool is_open(const struct mm_heap *heap, uint32_t index)
{
  const struct mm_object_space *space = &heap->objects[MM_AGE_TENURED];
  return index == space->tlab_region || index == space->medium_region;
}

static bool is_sparse(const struct mm_heap *heap, uint32_t index)
{
  return is_old(heap, index) && !is_open(heap, index) &&
         heap->regions.table[index].pins == 0 &&
         live_bytes(heap, index) < SPARSE_BYTES;
}

static void free_empty(struct mm_heap *heap)
{
  for (uint32_t i = heap->regions.fresh_from; i-- > 0;) {
    struct mm_region *region = &heap->regions.table[i];
    region->walk_top = 0;
    if (!mm_region_is_walkable(region->kind))
      continue;
    if (is_old(heap, i))
      mm_cards_reveal_region(heap, i);
    if (!is_old(heap, i) || is_open(heap, i) || live_bytes(heap, i) > 0) {
      region->walk_top = is_young(heap, i) ? 0 : region->top;
      continue;
    }
    if (region->flags & MM_REGION_PARTIAL)
      mm_object_withdraw(heap, i);
    mm_heap_free_region(heap, i);
  }
}

/* A counting sort: what costs least and gives most comes first. */
static void sort_sparse(struct mm_heap *heap)
{
  struct mm_candidates *candidates = &heap->candidates;
  uint32_t starts[CLASSES + 1] = {0};
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (is_sparse(heap, i))
      starts[(live_bytes(heap, i) >> CLASS_LOG2) + 1]++;
  for (uint32_t i = 0; i < CLASSES; i++)
    starts[i + 1] += starts[i];
  candidates->count = starts[CLASSES];
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    if (!is_sparse(heap, i))
      continue;
    uint32_t live = live_bytes(heap, i);
    uint32_t place = starts[live >> CLASS_LOG2]++;
    candidates->each[place] =
        (struct mm_candidate){.region = i, .live_bytes = live};
  }
}

/* The fullest ones stay, as long as little garbage stays with them. */
static void leave_fullest(struct mm_heap *heap)
{
  struct mm_candidates *candidates = &heap->candidates;
  uint64_t waste =
      ((uint64_t)heap->regions.used << MM_REGION_LOG2) / WASTE_FRACTION;
  while (candidates->count > 0) {
    uint32_t live = candidates->each[candidates->count - 1].live_bytes;
    if (MM_REGION_BYTES - live > waste)
      return;
    waste -= MM_REGION_BYTES - live;
    candidates->count--;
  }
}

static void set_trace(struct mm_heap *heap, uint32_t index, enum mm_trace trace)
{
  __atomic_store_n(&heap->traces[index], (uint8_t)trace, __ATOMIC_RELAXED);
}

void mm_candidates_choose(struct mm_heap *heap)
{
  struct mm_candidates *candidates = &heap->candidates;
  MM_ASSERT(candidates->count == 0 && candidates->next == 0);
  free_empty(heap);
  sort_sparse(heap);
  if (!mm_is_stressed(heap))
    leave_fullest(heap);
  for (uint32_t i = 0; i < candidates->count; i++) {
    uint32_t index = candidates->each[i].region;
    struct mm_region *region = &heap->regions.table[index];
    if (region->flags & MM_REGION_PARTIAL)
      mm_object_withdraw(heap, index);
    region->candidate = i + 1;
    set_trace(heap, index, MM_TRACE_CANDIDATE);
  }
  mm_cards_watch(heap, candidates->count > 0);
}

/* Remembering ---------------------------------------------------------------
 */

static void drop_cards(struct mm_heap *heap, struct mm_candidate *candidate)
{
  mm_logs_drop(heap, &candidate->log);
  candidate->cards = 0;
}

static void lose(struct mm_heap *heap, struct mm_candidate *candidate)
{
  candidate->is_lost = true;
  drop_cards(heap, candidate);
}

static void note_card(struct mm_heap *heap, struct mm_candidate *candidate,
                      uint32_t card)
{
  struct mm_barrier_log *log = candidate->log;
  if (candidate->is_lost ||
      (log && log->count > 0 && log->entries[log->count - 1] == card))
    return;
  if (candidate->cards == POPULAR_CARDS) {
    lose(heap, candidate);
    return;
  }
  if (!log || log->count == MM_BARRIER_LOG_ENTRIES) {
    log = mm_log_take(heap);
    if (!log) {
      lose(heap, candidate);
      return;
    }
    log->next = candidate->log;
    candidate->log = log;
  }
  log->entries[log->count++] = card;
  candidate->cards++;
}

void mm_candidate_remember(struct mm_heap *heap, uint32_t region, uint32_t card,
                           bool parallel)
{
  uint32_t number = heap->regions.table[region].candidate;
  MM_ASSERT(number > 0 && number <= heap->candidates.count);
  if (mm_breaks(heap, MM_FAULT_REMEMBER))
    return;
  if (parallel)
    pthread_mutex_lock(&heap->space_lock);
  note_card(heap, &heap->candidates.each[number - 1], card);
  if (parallel)
    pthread_mutex_unlock(&heap->space_lock);
}

/* Taking --------------------------------------------------------------------
 */

/* Cards that are clean become dirty and stay on the log; those that are dirty
   are on one already, and what is young now is looked at anyway. */
static void spread_log(struct mm_heap *heap, struct mm_barrier_log *log)
{
  uint32_t kept = 0;
  for (uint32_t i = 0; i < log->count; i++) {
    uint32_t card = log->entries[i];
    uint8_t was = heap->cards.bytes[card];
    if (was == MM_CARD_YOUNG)
      continue;
    heap->cards.bytes[card] = MM_CARD_DIRTY;
    if (was == MM_CARD_CLEAN)
      log->entries[kept++] = card;
  }
  log->count = kept;
}

static void spread_cards(struct mm_heap *heap, struct mm_candidate *candidate)
{
  while (candidate->log) {
    struct mm_barrier_log *log = candidate->log;
    candidate->log = log->next;
    spread_log(heap, log);
    mm_log_push(heap, &heap->cards.full, &log);
  }
}

static void make_ordinary(struct mm_heap *heap, struct mm_candidate *candidate)
{
  drop_cards(heap, candidate);
  heap->regions.table[candidate->region].candidate = 0;
  set_trace(heap, candidate->region, MM_TRACE_NOTHING);
}

static uint64_t cost_ns(const struct mm_heap *heap,
                        const struct mm_candidate *candidate)
{
  if (candidate->is_lost)
    return 0;
  return mm_pauses_copy_ns(heap, candidate->live_bytes, candidate->cards);
}

static void take(struct mm_heap *heap, struct mm_candidate *candidate)
{
  uint32_t index = candidate->region;
  struct mm_region *region = &heap->regions.table[index];
  MM_ASSERT(is_old(heap, index) && region->walk_top == 0);
  MM_ASSERT(!(region->flags & (MM_REGION_PARTIAL | MM_REGION_TARGET)));
  region->candidate = 0;
  heap->young[heap->young_count++] = index;
  heap->candidates.taken_bytes += candidate->live_bytes;
  spread_cards(heap, candidate);
}

/* What evacuating all takes that are left, as far as can be told. */
uint64_t mm_candidates_cost_ns(const struct mm_heap *heap)
{
  const struct mm_candidates *candidates = &heap->candidates;
  uint64_t ns = 0;
  for (uint32_t i = candidates->next; i < candidates->count; i++)
    ns += cost_ns(heap, &candidates->each[i]);
  return ns;
}

bool mm_candidates_are_due(struct mm_heap *heap)
{
  struct mm_candidates *candidates = &heap->candidates;
  const struct mm_candidate *next = &candidates->each[candidates->next];
  uint64_t most_ns = mm_pauses_candidates_ns(heap);
  bool fits = cost_ns(heap, next) <=
              most_ns + heap->options.pause_goal_ns / PUT_OFF_FRACTION;
  candidates->put_off = !fits && !candidates->put_off;
  return !candidates->put_off;
}

/* Since it became a candidate. */
static bool is_pinned(const struct mm_heap *heap,
                      const struct mm_candidate *candidate)
{
  return heap->regions.table[candidate->region].pins > 0;
}

void mm_candidates_take(struct mm_heap *heap, uint64_t most_ns)
{
  struct mm_candidates *candidates = &heap->candidates;
  MM_ASSERT(candidates->is_complete);
  uint64_t taken_ns = 0, most_bytes = mm_sizing_candidates_bytes(heap);
  for (; candidates->next < candidates->count; candidates->next++) {
    struct mm_candidate *next = &candidates->each[candidates->next];
    if (next->is_lost || is_pinned(heap, next)) {
      make_ordinary(heap, next);
      continue;
    }
    uint64_t ns = cost_ns(heap, next);
    if (taken_ns > 0 &&
        (taken_ns + ns > most_ns ||
         candidates->taken_bytes + next->live_bytes > most_bytes))
      return;
    take(heap, next);
    heap->candidates.taken_ns = taken_ns += ns;
  }
}

void mm_candidates_drop(struct mm_heap *heap)
{
  struct mm_candidates *candidates = &heap->candidates;
  for (uint32_t i = candidates->next; i < candidates->count; i++)
    make_ordinary(heap, &candidates->each[i]);
  candidates->count = candidates->next = 0;
  candidates->is_complete = candidates->put_off = false;
  candidates->behind = 0;
  candidates->caught_ns = 0;
  mm_cards_watch(heap, false);
}
