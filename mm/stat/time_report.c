/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the summary that is about time: collections, pauses, phases, what
 * they leave to the program; and what became of young objects with time.
 */
#include "config.h"

#include "mm/gc/heap_internal.h"
#include "mm/stat/report_internal.h"

static uint64_t paused_ns(const struct mm_stat *stat)
{
  uint64_t sum = 0;
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++)
    sum += stat->pauses[kind].total_ns;
  return sum;
}

static void report_time(struct mm_report *report, const struct mm_stat *stat)
{
  uint64_t elapsed_ns = mm_stat_now_ns() - stat->start_ns;
  uint64_t share = elapsed_ns ? paused_ns(stat) * 100000 / elapsed_ns : 0;
  uint64_t allocated = mm_stat_counter(stat, MM_COUNT_ALLOCATED_BYTES);
  double seconds = (double)elapsed_ns / 1e9;
  mm_report_group(report, "time", "time", NULL);
  mm_report_line(report, "elapsed_ns", "since the heap was created", elapsed_ns,
                 MM_UNIT_NS);
  mm_report_line(report, "paused_ns", "in pauses", paused_ns(stat), MM_UNIT_NS);
  mm_report_line(report, "gc_percent", "share of pauses", share,
                 MM_UNIT_PERCENT);
  mm_report_line(report, "throughput_percent", "share of the program",
                 100000 - share, MM_UNIT_PERCENT);
  mm_report_line(report, "concurrent_ns", "collector beside the program",
                 __atomic_load_n(&stat->concurrent.total_ns, __ATOMIC_RELAXED),
                 MM_UNIT_NS);
  mm_report_line(report, "allocated_bytes_per_second", "allocated per second",
                 elapsed_ns ? (uint64_t)((double)allocated / seconds) : 0,
                 MM_UNIT_BYTES);
  mm_report_group_end(report);
}

static void report_collections(struct mm_report *report,
                               const struct mm_stat *stat)
{
  static const char *const cause_keys[MM_CAUSE_COUNT] = {
      [MM_CAUSE_ALLOCATION] = "cause_allocation_failure",
      [MM_CAUSE_EXPLICIT] = "cause_explicit",
      [MM_CAUSE_STRESS] = "cause_stress",
      [MM_CAUSE_EXIT] = "cause_exit",
      [MM_CAUSE_RATE] = "cause_rate",
      [MM_CAUSE_CARDS] = "cause_card_limit",
      [MM_CAUSE_METADATA] = "cause_metadata",
  };
  mm_report_group(report, "collections", "collections", NULL);
  mm_report_line(report, "all", "all", stat->collections, MM_UNIT_NUMBER);
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++)
    mm_report_line(report, mm_collection_kind_name(kind),
                   mm_collection_kind_name(kind), stat->pauses[kind].count,
                   MM_UNIT_NUMBER);
  mm_report_line(report, "forced", "forced by stress", stat->forced,
                 MM_UNIT_NUMBER);
  for (int cause = 0; cause < MM_CAUSE_COUNT; cause++) {
    char text[64];
    snprintf(text, sizeof text, "cause: %s", mm_cause_name(cause));
    mm_report_line(report, cause_keys[cause], text, stat->by_cause[cause],
                   MM_UNIT_NUMBER);
  }
  mm_report_group_end(report);
}

static void pause_row(struct mm_report *report, const char *key,
                      const char *text, const struct mm_histogram *pauses)
{
  mm_report_row(report, key, text);
  mm_report_cell(report, "count", pauses->count, MM_UNIT_NUMBER);
  mm_report_cell(report, "total_ns", pauses->total_ns, MM_UNIT_NS);
  mm_report_cell(report, "mean_ns", mm_histogram_mean(pauses), MM_UNIT_NS);
  mm_report_cell(report, "p50_ns", mm_histogram_percentile(pauses, 50),
                 MM_UNIT_NS);
  mm_report_cell(report, "p95_ns", mm_histogram_percentile(pauses, 95),
                 MM_UNIT_NS);
  mm_report_cell(report, "p99_ns", mm_histogram_percentile(pauses, 99),
                 MM_UNIT_NS);
  mm_report_cell(report, "max_ns", pauses->max_ns, MM_UNIT_NS);
  mm_report_row_end(report);
}

static void report_pauses(struct mm_report *report, const struct mm_stat *stat)
{
  static const char *const columns[] = {"count", "total", "mean", "p50",
                                        "p95",   "p99",   "max",  NULL};
  struct mm_histogram all;
  mm_histogram_init(&all);
  mm_report_group(report, "pauses", "pauses, in ms", columns);
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++) {
    pause_row(report, mm_collection_kind_name(kind),
              mm_collection_kind_name(kind), &stat->pauses[kind]);
    mm_histogram_merge(&all, &stat->pauses[kind]);
  }
  pause_row(report, "all", "all", &all);
  pause_row(report, "processor", "all, processor time", &stat->processor);
  pause_row(report, "stop", "time to stop", &stat->stops);
  pause_row(report, "stall", "allocation stalls", &stat->stalls);
  pause_row(report, "pace", "allocation slowed", &stat->paces);
  mm_report_group_end(report);
}

static void report_phases(struct mm_report *report, const struct mm_stat *stat)
{
  static const char *const columns[] = {"count", "total", "max", NULL};
  static const char *const keys[MM_PHASE_COUNT] = {
#define MM_PHASE(NAME, key, text) [MM_PHASE_##NAME] = #key,
#include "mm/stat/phases.def"
  };
  mm_report_group(report, "phases", "phases, in ms", columns);
  for (int phase = 0; phase < MM_PHASE_COUNT; phase++) {
    mm_report_row(report, keys[phase], mm_phase_name(phase));
    mm_report_cell(report, "count", stat->phases[phase].count, MM_UNIT_NUMBER);
    mm_report_cell(report, "total_ns", stat->phases[phase].total_ns,
                   MM_UNIT_NS);
    mm_report_cell(report, "max_ns", stat->phases[phase].max_ns, MM_UNIT_NS);
    mm_report_row_end(report);
  }
  mm_report_group_end(report);
}

static void report_utilisation(struct mm_report *report,
                               const struct mm_stat *stat)
{
  static const struct {
    const char *key, *text;
  } windows[MM_WINDOW_COUNT] = {
      [MM_WINDOW_1_MS] = {"mmu_1ms_percent", "in any 1 ms"},
      [MM_WINDOW_10_MS] = {"mmu_10ms_percent", "in any 10 ms"},
      [MM_WINDOW_100_MS] = {"mmu_100ms_percent", "in any 100 ms"},
  };
  mm_report_group(report, "utilisation", "least share of the program", NULL);
  for (int i = 0; i < MM_WINDOW_COUNT; i++)
    mm_report_line(report, windows[i].key, windows[i].text,
                   mm_utilisation_share(&stat->utilisation, (enum mm_window)i),
                   MM_UNIT_PERCENT);
  mm_report_group_end(report);
}

static void report_longest_stop(struct mm_report *report,
                                const struct mm_stat *stat)
{
  const struct mm_stat_stop *stop = &stat->longest_stop;
  mm_report_group(report, "longest_stop", "longest wait for a thread", NULL);
  mm_report_line(report, "ns", "time to stop", stop->ns, MM_UNIT_NS);
  mm_report_line(report, "mutator", "because of mutator", stop->mutator,
                 MM_UNIT_NUMBER);
  mm_report_text(report, "place", "which stopped at",
                 stop->place[0] ? stop->place : "-");
  mm_report_group_end(report);
}

static void age_row(struct mm_report *report, const char *key, const char *text,
                    const struct mm_stat_age *age)
{
  uint64_t lived = age->survived_bytes + age->promoted_bytes;
  double share = age->seen_bytes ? (double)lived / (double)age->seen_bytes : 0;
  mm_report_row(report, key, text);
  mm_report_cell(report, "seen_bytes", age->seen_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "survived_bytes", age->survived_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "promoted_bytes", age->promoted_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "lived_percent", (uint64_t)(share * 100000),
                 MM_UNIT_PERCENT);
  mm_report_row_end(report);
}

/* Ages that no object has reached are left out. */
static void report_survival(struct mm_report *report,
                            const struct mm_stat *stat)
{
  static const char *const columns[] = {"seen", "survived", "promoted",
                                        "lived %", NULL};
  struct mm_stat_age all = {0};
  mm_report_group(report, "survival", "young objects by age, in KiB", columns);
  for (int i = 0; i < MM_STAT_AGES; i++) {
    const struct mm_stat_age *age = &stat->ages[i];
    char key[16], text[16];
    all.seen_bytes += age->seen_bytes;
    all.survived_bytes += age->survived_bytes;
    all.promoted_bytes += age->promoted_bytes;
    snprintf(key, sizeof key, "age_%d", i);
    snprintf(text, sizeof text, "age %d", i);
    if (age->seen_bytes)
      age_row(report, key, text, age);
  }
  age_row(report, "all", "all", &all);
  mm_report_group_end(report);
}

void mm_report_times(struct mm_report *report, struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  report_time(report, stat);
  report_utilisation(report, stat);
  report_collections(report, stat);
  report_pauses(report, stat);
  report_longest_stop(report, stat);
  report_phases(report, stat);
  report_survival(report, stat);
}
