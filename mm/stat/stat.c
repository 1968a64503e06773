/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of collections; see stat_internal.h for the order of the calls.
 *
 *              stop_begin        stop_end            collection_end
 *   ---run---------|----stopping----|--------pause------------|---run---
 *                   stops histogram     pauses histogram
 *                  |-------------- utilisation ---------------|
 */
#include "config.h"

#include "mm/stat/stat_internal.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mm/assert_internal.h"

const char *mm_cause_name(enum mm_cause cause)
{
  static const char *const names[MM_CAUSE_COUNT] = {
      [MM_CAUSE_ALLOCATION] = "Allocation Failure",
      [MM_CAUSE_EXPLICIT] = "Explicit",
      [MM_CAUSE_STRESS] = "Stress",
      [MM_CAUSE_EXIT] = "Exit",
      [MM_CAUSE_RATE] = "Allocation Rate",
      [MM_CAUSE_CARDS] = "Card Limit",
      [MM_CAUSE_METADATA] = "Metadata Threshold",
  };
  return names[cause];
}

const char *mm_collection_kind_name(enum mm_collection_kind kind)
{
  static const char *const names[MM_COLLECTION_KIND_COUNT] = {
      [MM_COLLECTION_EVACUATE] = "evacuate",
      [MM_COLLECTION_COMPACT] = "compact",
      [MM_COLLECTION_SWEEP] = "sweep",
      [MM_COLLECTION_YOUNG] = "young",
      [MM_COLLECTION_MIXED] = "mixed",
      [MM_COLLECTION_START] = "start",
      [MM_COLLECTION_FINISH] = "finish",
      [MM_COLLECTION_CLEANUP] = "cleanup",
  };
  return names[kind];
}

const char *mm_phase_name(enum mm_phase phase)
{
  static const char *const names[MM_PHASE_COUNT] = {
#define MM_PHASE(NAME, key, text) [MM_PHASE_##NAME] = text,
#include "mm/stat/phases.def"
  };
  return names[phase];
}

_Thread_local uint64_t *mm_stat_clock_ns;

uint64_t mm_stat_now_ns(void)
{
  if (mm_stat_clock_ns)
    return *mm_stat_clock_ns += MM_STAT_LOOK_NS;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t mm_stat_processor_ns(void)
{
  if (mm_stat_clock_ns)
    return *mm_stat_clock_ns;
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void mm_stat_init(struct mm_stat *stat, FILE *out, int log_level)
{
  memset(stat, 0, sizeof *stat);
  mm_log_init(&stat->log, out, log_level);
  stat->start_ns = stat->log.start_ns;
  stat->phase = -1;
  for (int i = 0; i < MM_COLLECTION_KIND_COUNT; i++)
    mm_histogram_init(&stat->pauses[i]);
  mm_histogram_init(&stat->processor);
  mm_histogram_init(&stat->stops);
  mm_histogram_init(&stat->stalls);
  mm_histogram_init(&stat->paces);
  mm_utilisation_init(&stat->utilisation);
}

void mm_stat_stop_begin(struct mm_stat *stat)
{
  MM_ASSERT(!stat->current.active);
  stat->stop_asked_ns = mm_stat_now_ns();
  stat->stop_ended_ns = 0;
  stat->last_stop = (struct mm_stat_stop){0};
}

void mm_stat_stop_end(struct mm_stat *stat, uint32_t mutator)
{
  MM_ASSERT(stat->stop_asked_ns != 0);
  stat->stop_ended_ns = mm_stat_now_ns();
  stat->processor_began_ns = mm_stat_processor_ns();
  stat->last_stop.ns = stat->stop_ended_ns - stat->stop_asked_ns;
  stat->last_stop.mutator = mutator;
}

bool mm_stat_wants_place(const struct mm_stat *stat)
{
  return stat->last_stop.mutator != 0 &&
         (stat->last_stop.ns > stat->longest_stop.ns ||
          mm_log_enabled(&stat->log, MM_LOG_DEBUG));
}

void mm_stat_stop_place(struct mm_stat *stat, const char *place)
{
  snprintf(stat->last_stop.place, sizeof stat->last_stop.place, "%s", place);
}

static void note_stop(struct mm_stat *stat)
{
  if (stat->stop_ended_ns == 0)
    mm_stat_stop_end(stat, 0);
  MM_ASSERT(stat->stop_ended_ns >= stat->stop_asked_ns);
  mm_histogram_add(&stat->stops, stat->last_stop.ns);
  if (stat->last_stop.mutator != 0 &&
      stat->last_stop.ns > stat->longest_stop.ns)
    stat->longest_stop = stat->last_stop;
}

static void log_stop(const struct mm_stat *stat)
{
  const struct mm_stat_stop *stop = &stat->last_stop;
  char who[MM_PLACE_BYTES + 40] = "";
  if (stop->mutator != 0)
    snprintf(who, sizeof who, ", the last was mutator %" PRIu32 "%s%s",
             stop->mutator, stop->place[0] ? " at " : "", stop->place);
  mm_log_write(&stat->log, MM_LOG_DEBUG, "safepoint",
               "GC(%" PRIu64 ") Stopped in %.3fms%s", stat->current.number,
               (double)stop->ns / 1e6, who);
}

void mm_stat_note_used(struct mm_stat *stat, uint64_t used_bytes,
                       uint64_t committed_bytes)
{
  if (used_bytes > stat->peak_used_bytes)
    stat->peak_used_bytes = used_bytes;
  if (committed_bytes > stat->peak_committed_bytes)
    stat->peak_committed_bytes = committed_bytes;
}

void mm_stat_collection_begin(struct mm_stat *stat, enum mm_cause cause,
                              bool forced, const struct mm_stat_heap *before)
{
  struct mm_stat_collection *current = &stat->current;
  MM_ASSERT(!current->active);
  MM_ASSERT(stat->stop_asked_ns != 0);
  MM_ASSERT(cause < MM_CAUSE_COUNT);
  memset(current, 0, sizeof *current);
  current->number = __atomic_load_n(&stat->collections, __ATOMIC_RELAXED);
  current->cause = cause;
  current->active = true;
  note_stop(stat);
  current->begin_ns = stat->stop_ended_ns;
  current->stop_ns = stat->last_stop.ns;
  current->before = *before;
  mm_stat_note_used(stat, before->used_bytes, before->committed_bytes);
  stat->stop_asked_ns = 0;
  stat->by_cause[cause]++;
  if (forced)
    __atomic_fetch_add(&stat->forced, 1, __ATOMIC_RELAXED);
  log_stop(stat);
}

void mm_stat_collection_kind(struct mm_stat *stat, enum mm_collection_kind kind)
{
  MM_ASSERT(stat->current.active);
  MM_ASSERT(kind < MM_COLLECTION_KIND_COUNT);
  stat->current.kind = kind;
}

void mm_stat_phase_begin(struct mm_stat *stat, enum mm_phase phase)
{
  MM_ASSERT(stat->current.active);
  MM_ASSERT(stat->phase == -1);
  stat->phase = (int)phase;
  stat->phase_began_ns = mm_stat_now_ns();
  if (stat->at_border)
    stat->at_border(stat);
}

void mm_stat_phase_end(struct mm_stat *stat, enum mm_phase phase)
{
  MM_ASSERT(stat->phase == (int)phase);
  if (stat->at_border)
    stat->at_border(stat);
  uint64_t ns = mm_stat_now_ns() - stat->phase_began_ns;
  struct mm_stat_phase *sum = &stat->phases[phase];
  stat->phase = -1;
  stat->current.phases_ns[phase] += ns;
  sum->count++;
  sum->total_ns += ns;
  if (ns > sum->max_ns)
    sum->max_ns = ns;
  mm_log_write(&stat->log, MM_LOG_DEBUG, "gc,phases",
               "GC(%" PRIu64 ") %s %.3fms", stat->current.number,
               mm_phase_name(phase), (double)ns / 1e6);
}

/* What was alive at the last end, and all allocated since, has either stayed
   alive or been freed. */
static void count_freed(struct mm_stat *stat, uint64_t live_now_bytes)
{
  uint64_t allocated = mm_stat_counter(stat, MM_COUNT_ALLOCATED_BYTES);
  uint64_t fresh = allocated - stat->allocated_then_bytes;
  uint64_t all = stat->live_then_bytes + fresh;
  /* What a cycle or a young collection left is an estimate. */
  uint64_t freed = all > live_now_bytes ? all - live_now_bytes : 0;
  mm_stat_count(stat, MM_COUNT_FREED_BYTES, freed);
  stat->allocated_then_bytes = allocated;
  stat->live_then_bytes = live_now_bytes;
}

static const char *pause_name(enum mm_collection_kind kind)
{
  switch (kind) {
  case MM_COLLECTION_YOUNG:
    return "Young";
  case MM_COLLECTION_MIXED:
    return "Mixed";
  case MM_COLLECTION_START:
    return "Mark Start";
  case MM_COLLECTION_FINISH:
    return "Remark";
  case MM_COLLECTION_CLEANUP:
    return "Cleanup";
  default:
    return "Full";
  }
}

static void log_collection(const struct mm_stat *stat)
{
  const struct mm_stat_collection *current = &stat->current;
  char before[MM_LOG_SIZE_BYTES], after[MM_LOG_SIZE_BYTES];
  char committed[MM_LOG_SIZE_BYTES];
  mm_log_write(&stat->log, MM_LOG_DEBUG, "gc,phases",
               "GC(%" PRIu64 ") Kind %s, live %" PRIu64 " bytes in %" PRIu64
               " objects",
               current->number, mm_collection_kind_name(current->kind),
               current->after.live_bytes, current->after.live_objects);
  mm_log_write(&stat->log, MM_LOG_INFO, "gc",
               "GC(%" PRIu64 ") Pause %s (%s) %s->%s(%s) %.3fms",
               current->number, pause_name(current->kind),
               mm_cause_name(current->cause),
               mm_log_size(current->before.used_bytes, before),
               mm_log_size(current->after.used_bytes, after),
               mm_log_size(current->after.committed_bytes, committed),
               (double)current->pause_ns / 1e6);
}

void mm_stat_collection_end(struct mm_stat *stat,
                            const struct mm_stat_heap *after)
{
  struct mm_stat_collection *current = &stat->current;
  MM_ASSERT(current->active);
  MM_ASSERT(stat->phase == -1);
  count_freed(stat, after->live_bytes);
  current->after = *after;
  current->active = false;
  uint64_t processor_ns = mm_stat_processor_ns();
  uint64_t now_ns = mm_stat_now_ns();
  current->pause_ns = now_ns - current->begin_ns;
  mm_utilisation_add(&stat->utilisation, current->begin_ns - current->stop_ns,
                     now_ns);
  mm_histogram_add(&stat->pauses[current->kind], current->pause_ns);
  mm_histogram_add(&stat->processor, processor_ns - stat->processor_began_ns);
  mm_stat_note_used(stat, after->used_bytes, after->committed_bytes);
  __atomic_fetch_add(&stat->collections, 1, __ATOMIC_RELAXED);
  log_collection(stat);
}

/* Beside the pauses ---------------------------------------------------------
 */

void mm_stat_concurrent(struct mm_stat *stat, uint64_t ns)
{
  struct mm_stat_phase *sum = &stat->concurrent;
  __atomic_fetch_add(&sum->count, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&sum->total_ns, ns, __ATOMIC_RELAXED);
  uint64_t max_ns = __atomic_load_n(&sum->max_ns, __ATOMIC_RELAXED);
  while (ns > max_ns &&
         !__atomic_compare_exchange_n(&sum->max_ns, &max_ns, ns, true,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

void mm_stat_survival(struct mm_stat *stat, unsigned age, uint64_t seen_bytes,
                      uint64_t survived_bytes, uint64_t promoted_bytes)
{
  struct mm_stat_age *sum =
      &stat->ages[age < MM_STAT_AGES ? age : MM_STAT_AGES - 1];
  MM_ASSERT(survived_bytes + promoted_bytes <= seen_bytes);
  sum->seen_bytes += seen_bytes;
  sum->survived_bytes += survived_bytes;
  sum->promoted_bytes += promoted_bytes;
}

void mm_stat_footprint(struct mm_stat *stat, uint64_t now_ns, uint64_t bytes)
{
  struct mm_footprint *footprint = &stat->footprint;
  if (footprint->first_ns == 0)
    footprint->first_ns = footprint->last_ns = now_ns;
  MM_ASSERT(now_ns >= footprint->last_ns);
  footprint->byte_ns += ((double)footprint->last_bytes + (double)bytes) / 2 *
                        (double)(now_ns - footprint->last_ns);
  footprint->last_ns = now_ns;
  footprint->last_bytes = bytes;
  if (bytes > footprint->peak_bytes)
    footprint->peak_bytes = bytes;
}

uint64_t mm_stat_footprint_mean(const struct mm_stat *stat)
{
  const struct mm_footprint *footprint = &stat->footprint;
  uint64_t time_ns = footprint->last_ns - footprint->first_ns;
  if (time_ns == 0)
    return footprint->last_bytes;
  return (uint64_t)(footprint->byte_ns / (double)time_ns);
}
