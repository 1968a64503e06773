/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that a cycle processes beside the program; see noted_internal.h.
 *
 *   log, full -> at -> kept
 *
 * A log is gone through by slices, with a look at whether the world is to stop
 * after each.  Meanwhile it stands in `at', where the verifier and who gives
 * the cycle up find it.  What stays is written to the front of the log, so that
 * nothing here needs memory but noting itself.
 */
#include "config.h"

#include "mm/gc/noted_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/workers_internal.h"

enum {
  SLICE = 256,
  REFERENCE_AHEAD = 16, /* entries whose references are prefetched */
  MARK_AHEAD = 6,       /* and whose referents' marks are */
  ROUNDS = 8,           /* over ephemerons beside the program */
  PAUSE_ROUNDS = 2,     /* and in the pause */
  RETRIES = 3,          /* pauses that are given up for ephemerons */
};

/* Noting ------------------------------------------------------------------- */

void mm_noted_begin(struct mm_heap *heap)
{
  mm_references_set_clock(heap);
  heap->references.soft_life_ms = mm_references_soft_life_ms(heap);
  heap->references.settled_at = UINT64_MAX;
  heap->references.retries = 0;
}

bool mm_noted_put(struct mm_heap *heap, struct mm_ref reference,
                  enum mm_strength strength)
{
  struct mm_noted *noted = &heap->references.noted[strength];
  if (mm_breaks(heap, MM_FAULT_REFERENCE_LOG))
    return true;
  noted->count++;
  return mm_log_put(heap, &noted->full, &noted->log, reference.bits);
}

bool mm_noted_keeps_soft(const struct mm_heap *heap, struct mm_ref reference)
{
  return mm_reference_is_wanted(heap, reference, heap->references.soft_life_ms);
}

/* Going through logs ------------------------------------------------------- */

/* Does a reference stay on its log? */
typedef bool stay(struct mm_heap *heap, struct mm_ref reference);

static struct mm_ref load(const struct mm_ref *slot)
{
  return (struct mm_ref){__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
}

static void prefetch(const struct mm_heap *heap,
                     const struct mm_barrier_log *log, uint32_t i)
{
  if (i + REFERENCE_AHEAD < log->count)
    __builtin_prefetch(
        mm_address((struct mm_ref){log->entries[i + REFERENCE_AHEAD]}));
  if (i + MARK_AHEAD >= log->count)
    return;
  struct mm_ref reference = {log->entries[i + MARK_AHEAD]};
  struct mm_ref referent = load(mm_referent_slot(reference));
  if (!mm_is_null(referent))
    mm_mark_prefetch(heap, referent);
}

static void look_at(struct mm_heap *heap, struct mm_barrier_log *log,
                    uint32_t from, uint32_t to, uint32_t *kept, stay *stays)
{
  for (uint32_t i = from; i < to; i++) {
    struct mm_ref reference = {log->entries[i]};
    prefetch(heap, log, i);
    if (stays(heap, reference))
      log->entries[(*kept)++] = reference.bits;
  }
}

static enum mm_strength strength_of(const struct mm_heap *heap,
                                    const struct mm_noted *noted)
{
  size_t row = (size_t)(noted - heap->references.noted);
  return row < MM_STRENGTH_COUNT ? (enum mm_strength)row : MM_STRENGTH_FINAL;
}

static void put_away(struct mm_heap *heap, struct mm_noted *noted,
                     uint32_t kept)
{
  uint32_t gone = noted->at->count - kept;
  unsigned strength = strength_of(heap, noted);
  mm_stat_count(&heap->stat, (enum mm_counter)(MM_COUNT_SOFT_FOUND + strength),
                gone);
  noted->count -= gone;
  noted->at->count = kept;
  if (kept > 0) {
    mm_log_push(heap, &noted->kept, &noted->at);
    return;
  }
  mm_log_release(heap, noted->at);
  noted->at = NULL;
}

static bool take_log(struct mm_heap *heap, struct mm_noted *noted)
{
  mm_log_push(heap, &noted->full, &noted->log);
  noted->at = mm_log_pop(heap, &noted->full);
  return noted->at;
}

static void begin_again(struct mm_noted *noted)
{
  MM_ASSERT(!noted->full && !noted->log && !noted->at);
  noted->full = noted->kept;
  noted->kept = NULL;
}

/* World stopped. */
static void pass_now(struct mm_heap *heap, unsigned row, stay *stays)
{
  struct mm_noted *noted = &heap->references.noted[row];
  while (take_log(heap, noted)) {
    uint32_t kept = 0;
    look_at(heap, noted->at, 0, noted->at->count, &kept, stays);
    put_away(heap, noted, kept);
  }
  begin_again(noted);
}

static void publish(struct mm_heap *heap);
static stay announce;

/* False: the cycle was abandoned, and the logs are not ours any more. */
static bool slice_log(struct mm_heap *heap, uint64_t cycle,
                      struct mm_noted *noted, stay *stays)
{
  uint32_t kept = 0, to;
  for (uint32_t from = 0; from < noted->at->count; from = to) {
    to = from + mm_stress_piece_entries(heap, SLICE);
    to = to < noted->at->count ? to : noted->at->count;
    look_at(heap, noted->at, from, to, &kept, stays);
    publish(heap);
    if (!mm_marker_check(heap, cycle))
      return false;
  }
  put_away(heap, noted, kept);
  return true;
}

static bool pass(struct mm_heap *heap, uint64_t cycle, unsigned row,
                 stay *stays)
{
  struct mm_noted *noted = &heap->references.noted[row];
  while (take_log(heap, noted))
    if (!slice_log(heap, cycle, noted, stays))
      return false;
  begin_again(noted);
  return true;
}

/* Sifting ------------------------------------------------------------------ */

static bool stays_white(struct mm_heap *heap, struct mm_ref reference)
{
  struct mm_ref referent = load(mm_referent_slot(reference));
  return !mm_is_null(referent) && mm_cycle_is_white(heap, referent) &&
         !mm_breaks(heap, MM_FAULT_NOTED);
}

static bool stays_ephemeron(struct mm_heap *heap, struct mm_ref ephemeron)
{
  if (stays_white(heap, ephemeron))
    return true;
  struct mm_ref value = load(mm_value_slot(ephemeron));
  if (!mm_is_null(value) && mm_cycle_is_white(heap, value) &&
      !mm_breaks(heap, MM_FAULT_EPHEMERON))
    mm_marker_push(heap, value);
  return false;
}

/* A round that nothing leaves has to be the last one: nothing is marked by it,
   and what was marked before it began was seen. */
static bool settle(struct mm_heap *heap, uint64_t cycle)
{
  struct mm_references *references = &heap->references;
  const struct mm_noted *noted = &references->noted[MM_STRENGTH_EPHEMERON];
  for (int i = 0; i < ROUNDS; i++) {
    uint64_t count = noted->count;
    uint64_t marked = heap->cycle.marker->live_objects;
    if (!pass(heap, cycle, MM_STRENGTH_EPHEMERON, stays_ephemeron))
      return false;
    if (noted->count == count) {
      references->settled_at = marked;
      return true;
    }
    if (!mm_marker_run(heap, cycle))
      return false;
  }
  return true;
}

bool mm_noted_sift(struct mm_heap *heap, uint64_t cycle)
{
  return settle(heap, cycle) &&
         pass(heap, cycle, MM_STRENGTH_SOFT, stays_white) &&
         pass(heap, cycle, MM_STRENGTH_WEAK, stays_white) &&
         pass(heap, cycle, MM_STRENGTH_FINAL, stays_white) &&
         pass(heap, cycle, MM_STRENGTH_PHANTOM, stays_white);
}

/* The pause ---------------------------------------------------------------- */

static uint64_t count_of(const struct mm_heap *heap, unsigned row)
{
  return heap->references.noted[row].count;
}

static uint64_t count_all(const struct mm_heap *heap)
{
  uint64_t count = 0;
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++)
    count += count_of(heap, i);
  return count;
}

/* Which have to be done with before phantoms and ephemerons are. */
static bool has_stronger(const struct mm_heap *heap)
{
  return count_of(heap, MM_STRENGTH_SOFT) > 0 ||
         count_of(heap, MM_STRENGTH_WEAK) > 0 ||
         count_of(heap, MM_STRENGTH_FINAL) > 0;
}

static bool is_settled(const struct mm_heap *heap)
{
  return count_of(heap, MM_STRENGTH_EPHEMERON) == 0 ||
         heap->references.settled_at == heap->cycle.marker->live_objects;
}

/* False: it would take too many rounds. */
static bool settle_now(struct mm_heap *heap)
{
  struct mm_references *references = &heap->references;
  for (int i = 0; i < PAUSE_ROUNDS && !is_settled(heap); i++) {
    uint64_t count = count_of(heap, MM_STRENGTH_EPHEMERON);
    references->settled_at = heap->cycle.marker->live_objects;
    pass_now(heap, MM_STRENGTH_EPHEMERON, stays_ephemeron);
    if (count_of(heap, MM_STRENGTH_EPHEMERON) != count)
      mm_marker_finish(heap);
  }
  return is_settled(heap);
}

/* Does something on the full logs stay? */
static bool has_one(struct mm_heap *heap, unsigned row, stay *stays)
{
  struct mm_noted *noted = &heap->references.noted[row];
  mm_log_push(heap, &noted->full, &noted->log);
  for (const struct mm_barrier_log *log = noted->full; log; log = log->next)
    for (uint32_t i = 0; i < log->count; i++)
      if (stays(heap, (struct mm_ref){log->entries[i]}))
        return true;
  return false;
}

/* What was marked in the pause may be keys.  Where there are many ephemerons,
   it is looked for beside the program once more, so that no pause does; a
   program that always has something left to mark is not waited for. */
enum mm_cycle_state mm_noted_next(struct mm_heap *heap)
{
  struct mm_references *references = &heap->references;
  enum mm_cycle_state state = mm_cycle_state(heap);
  if (state == MM_CYCLE_MARKING && count_all(heap) <= references->few)
    return MM_CYCLE_SWEEPING;
  if (!is_settled(heap) && references->retries < RETRIES &&
      count_of(heap, MM_STRENGTH_EPHEMERON) > references->few) {
    references->retries++;
    return state;
  }
  if (!settle_now(heap))
    return MM_CYCLE_SWEEPING;
  if (state == MM_CYCLE_FINALS)
    return has_stronger(heap) ? MM_CYCLE_SWEEPING : MM_CYCLE_CLEARING;
  return has_one(heap, MM_STRENGTH_FINAL, stays_white) ? MM_CYCLE_FINALS
                                                       : MM_CYCLE_CLEARING;
}

void mm_noted_take(struct mm_heap *heap,
                   void (*take)(struct mm_heap *heap, struct mm_ref reference,
                                enum mm_strength strength))
{
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++) {
    struct mm_noted *noted = &heap->references.noted[i];
    while (take_log(heap, noted)) {
      for (uint32_t j = 0; j < noted->at->count; j++)
        take(heap, (struct mm_ref){noted->at->entries[j]}, (enum mm_strength)i);
      put_away(heap, noted, 0);
    }
  }
  pass_now(heap, MM_NOTED_FIRED, announce);
  publish(heap);
}

/* Clearing ----------------------------------------------------------------- */

static void make_ready(struct mm_heap *heap, struct mm_ref reference)
{
  struct mm_references *references = &heap->references;
  if (mm_is_null(references->ready_first))
    references->ready_last = reference;
  *mm_link_slot(reference) = references->ready_first;
  references->ready_first = reference;
}

/* Links of what is pending are written under the lock. */
static bool put_first(struct mm_heap *heap)
{
  struct mm_references *references = &heap->references;
  pthread_mutex_lock(&heap->lock);
  struct mm_ref next = references->pending.first;
  if (mm_same(next, references->pending.settled)) /* all that is noted is old */
    references->pending.settled = references->ready_first;
  *mm_link_slot(references->ready_last) = mm_is_null(next) ? MM_LINK_END : next;
  __atomic_store_n(&references->pending.first.bits,
                   references->ready_first.bits, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&heap->lock);
  references->ready_first = references->ready_last = MM_NULL;
  return mm_is_null(next);
}

/* Before a pause comes in between: links lead nowhere else then.  The host is
   told when it may have taken all that there was. */
static void publish(struct mm_heap *heap)
{
  struct mm_references *references = &heap->references;
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++) {
    if (references->cleared[i] == 0)
      continue;
    mm_stat_count(&heap->stat, (enum mm_counter)(MM_COUNT_SOFT_CLEARED + i),
                  references->cleared[i]);
    references->cleared[i] = 0;
  }
  if (!mm_is_null(references->ready_first) && put_first(heap) &&
      heap->binding.references_pending)
    heap->binding.references_pending(heap->host);
}

/* None stays. */
static bool clear(struct mm_heap *heap, struct mm_ref reference)
{
  struct mm_ref *slot = mm_referent_slot(reference);
  struct mm_ref referent = load(slot);
  enum mm_strength strength = mm_reference_strength(mm_layout_of(reference));
  if (mm_is_null(referent) || !mm_cycle_is_white(heap, referent) ||
      mm_breaks(heap, MM_FAULT_REFERENCE_KEPT))
    return false;
  if (!__atomic_compare_exchange_n(&slot->bits, &referent.bits, 0, false,
                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    return false; /* the program was faster */
  if (strength == MM_STRENGTH_EPHEMERON)
    __atomic_store_n(&mm_value_slot(reference)->bits, 0, __ATOMIC_RELAXED);
  heap->references.cleared[strength]++;
  if (mm_reference_is_told(reference))
    make_ready(heap, reference);
  return false;
}

/* A final that has fired; unless the program cleared it. */
static bool announce(struct mm_heap *heap, struct mm_ref final)
{
  if (mm_is_null(load(mm_referent_slot(final))))
    return false;
  heap->references.cleared[MM_STRENGTH_FINAL]++;
  make_ready(heap, final);
  return false;
}

bool mm_noted_clear(struct mm_heap *heap, uint64_t cycle)
{
  MM_ASSERT(mm_cycle_state(heap) == MM_CYCLE_CLEARING);
  if (!mm_marker_check(heap, cycle)) /* tests hold it here */
    return false;
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++)
    if (!pass(heap, cycle, i, clear))
      return false;
  return pass(heap, cycle, MM_NOTED_FIRED, announce);
}

/* Finals ------------------------------------------------------------------- */

/* To an empty row. */
static void move_all(struct mm_heap *heap, unsigned from_row, unsigned to_row)
{
  struct mm_noted *from = &heap->references.noted[from_row];
  struct mm_noted *to = &heap->references.noted[to_row];
  MM_ASSERT(!to->full && !from->log && !from->at && !from->kept);
  to->full = from->full;
  to->count = from->count;
  from->full = NULL;
  from->count = 0;
}

/* The next log of those that fire. */
static void keep_log(struct mm_heap *heap, struct mm_noted *firing)
{
  struct mm_noted *fired = &heap->references.noted[MM_NOTED_FIRED];
  uint32_t count = firing->at->count;
  for (uint32_t i = 0; i < count; i++) {
    struct mm_ref final = {firing->at->entries[i]};
    struct mm_ref referent = load(mm_referent_slot(final));
    if (!mm_is_null(referent) && !mm_breaks(heap, MM_FAULT_FINAL))
      mm_marker_push(heap, referent);
  }
  firing->count -= count;
  fired->count += count;
  mm_log_push(heap, &fired->full, &firing->at);
}

/* All that are finalizable are, in whatever order they come: nothing is marked
   before all have been looked at. */
static bool fire(struct mm_heap *heap, uint64_t cycle)
{
  struct mm_noted *firing = &heap->references.noted[MM_NOTED_FIRING];
  if (!pass(heap, cycle, MM_STRENGTH_FINAL, stays_white))
    return false;
  move_all(heap, MM_STRENGTH_FINAL, MM_NOTED_FIRING);
  while (take_log(heap, firing)) {
    keep_log(heap, firing);
    if (!mm_marker_run(heap, cycle))
      return false;
  }
  return true;
}

bool mm_noted_finalize(struct mm_heap *heap, uint64_t cycle)
{
  MM_ASSERT(mm_cycle_state(heap) == MM_CYCLE_FINALS);
  if (!mm_marker_check(heap, cycle)) /* tests hold it here */
    return false;
  do {
    if (!pass(heap, cycle, MM_STRENGTH_SOFT, clear) ||
        !pass(heap, cycle, MM_STRENGTH_WEAK, clear) || !fire(heap, cycle) ||
        !settle(heap, cycle))
      return false;
  } while (has_stronger(heap));
  return true;
}

/* Giving up ---------------------------------------------------------------- */

void mm_noted_drop(struct mm_heap *heap)
{
  MM_ASSERT(mm_is_null(heap->references.ready_first));
  for (unsigned i = 0; i < MM_NOTED_ROWS; i++) {
    struct mm_noted *noted = &heap->references.noted[i];
    mm_log_push(heap, &noted->full, &noted->log);
    mm_log_push(heap, &noted->full, &noted->at);
    mm_logs_drop(heap, &noted->full);
    mm_logs_drop(heap, &noted->kept);
    noted->count = 0;
  }
}
