/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of collections; see stat_internal.h for the order of the calls.
 *
 *              stop_begin   collection_begin            collection_end
 *   ---run---------|----stopping----|--------pause------------|---run---
 *                   stops histogram     pauses histogram
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

uint64_t mm_stat_now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
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
  mm_histogram_init(&stat->stops);
}

void mm_stat_stop_begin(struct mm_stat *stat)
{
  MM_ASSERT(!stat->current.active);
  stat->stop_asked_ns = mm_stat_now_ns();
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
  current->begin_ns = mm_stat_now_ns();
  current->stop_ns = current->begin_ns - stat->stop_asked_ns;
  current->before = *before;
  mm_histogram_add(&stat->stops, current->stop_ns);
  mm_stat_note_used(stat, before->used_bytes, before->committed_bytes);
  stat->stop_asked_ns = 0;
  stat->by_cause[cause]++;
  if (forced)
    __atomic_fetch_add(&stat->forced, 1, __ATOMIC_RELAXED);
  mm_log_write(&stat->log, MM_LOG_DEBUG, "safepoint",
               "GC(%" PRIu64 ") Stopped in %.3fms", current->number,
               (double)current->stop_ns / 1e6);
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
}

void mm_stat_phase_end(struct mm_stat *stat, enum mm_phase phase)
{
  MM_ASSERT(stat->phase == (int)phase);
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
  MM_ASSERT(live_now_bytes <= all);
  mm_stat_count(stat, MM_COUNT_FREED_BYTES, all - live_now_bytes);
  stat->allocated_then_bytes = allocated;
  stat->live_then_bytes = live_now_bytes;
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
               current->number,
               current->kind == MM_COLLECTION_YOUNG ? "Young" : "Full",
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
  current->pause_ns = mm_stat_now_ns() - current->begin_ns;
  mm_histogram_add(&stat->pauses[current->kind], current->pause_ns);
  mm_stat_note_used(stat, after->used_bytes, after->committed_bytes);
  __atomic_fetch_add(&stat->collections, 1, __ATOMIC_RELAXED);
  log_collection(stat);
}
