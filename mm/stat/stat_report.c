/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The summary of --stats, as text and as JSON: counters and memory.  What is
 * about time stands in time_report.c, how it is written in report.c.
 *
 * What each line means is told in README.md beside this file.  World stopped,
 * single mutator, or no mutator at all; retires TLABs.
 */
#include "config.h"

#include <string.h>

#include "mm/native.h"
#include "mm/gc/heap_internal.h"
#include "mm/os/os_internal.h"
#include "mm/stat/report_internal.h"
#include "mm/stat/space_stat_internal.h"

/* JSON's numbers are exact below 2^53. */
enum { DIGEST_SHIFT = 16 };

static void report_counters(struct mm_report *report,
                            const struct mm_stat *stat)
{
  static const struct {
    const char *key, *text;
    enum mm_unit unit;
  } counters[MM_COUNTER_COUNT] = {
#define MM_COUNTER(NAME, key, unit, text)                                      \
  [MM_COUNT_##NAME] = {#key, text, MM_UNIT_##unit},
#include "mm/stat/counters.def"
  };
  mm_report_group(report, "counters", "counters", NULL);
  for (int i = 0; i < MM_COUNTER_COUNT; i++)
    mm_report_line(report, counters[i].key, counters[i].text,
                   mm_stat_counter(stat, i), counters[i].unit);
  mm_report_group_end(report);
}

static void report_heap(struct mm_report *report, struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  const struct mm_stat_heap *last = &stat->current.after;
  mm_report_group(report, "heap", "heap", NULL);
  mm_report_line(report, "used_bytes", "used", mm_heap_used_bytes(heap),
                 MM_UNIT_BYTES);
  mm_report_line(report, "committed_bytes", "may be used before it grows",
                 mm_heap_committed_bytes(heap), MM_UNIT_BYTES);
  mm_report_line(report, "max_bytes", "at most", heap->options.heap_max_bytes,
                 MM_UNIT_BYTES);
  mm_report_line(report, "peak_used_bytes", "most ever used",
                 stat->peak_used_bytes, MM_UNIT_BYTES);
  mm_report_line(report, "peak_committed_bytes", "largest ever",
                 stat->peak_committed_bytes, MM_UNIT_BYTES);
  mm_report_line(report, "live_bytes", "alive after the last collection",
                 last->live_bytes, MM_UNIT_BYTES);
  mm_report_line(report, "live_objects", "objects alive then",
                 last->live_objects, MM_UNIT_NUMBER);
  mm_report_group_end(report);
}

/* Memory over time: what is committed to objects, and what the process has. */
static void report_footprint(struct mm_report *report, struct mm_heap *heap)
{
  struct mm_stat *stat = &heap->stat;
  mm_stat_footprint(stat, mm_stat_now_ns(),
                    (uint64_t)heap->regions.committed << MM_REGION_LOG2);
  mm_report_group(report, "footprint", "footprint", NULL);
  mm_report_line(report, "peak_bytes", "of objects, at most",
                 stat->footprint.peak_bytes, MM_UNIT_BYTES);
  mm_report_line(report, "mean_bytes", "mean over time",
                 mm_stat_footprint_mean(stat), MM_UNIT_BYTES);
  mm_report_line(report, "process_peak_bytes", "of the process, at most",
                 mm_os_peak_resident_bytes(), MM_UNIT_BYTES);
  mm_report_group_end(report);
}

static void report_regions(struct mm_report *report,
                           const struct mm_regions *regions)
{
  static const char *const keys[MM_REGION_KIND_COUNT] = {
      [MM_REGION_FREE] = "free",   [MM_REGION_SMALL] = "small",
      [MM_REGION_SLOTS] = "slots", [MM_REGION_FREELIST] = "freelist",
      [MM_REGION_LARGE] = "large", [MM_REGION_LARGE_TAIL] = "large_tail",
  };
  uint64_t counts[MM_REGION_KIND_COUNT] = {0};
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    counts[regions->table[i].kind]++;
  counts[MM_REGION_FREE] += regions->count - regions->fresh_from;
  mm_report_group(report, "regions", "regions of 128 KiB", NULL);
  for (int kind = 0; kind < MM_REGION_KIND_COUNT; kind++)
    mm_report_line(report, keys[kind], mm_region_kind_name(kind), counts[kind],
                   MM_UNIT_NUMBER);
  mm_report_line(report, "committed", "with memory of the OS",
                 regions->committed, MM_UNIT_NUMBER);
  mm_report_group_end(report);
}

static void space_row(struct mm_report *report, const char *key,
                      const char *text, const struct mm_space_stat *stat)
{
  mm_report_row(report, key, text);
  mm_report_cell(report, "reserved_bytes", stat->reserved_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "committed_bytes", stat->committed_bytes,
                 MM_UNIT_BYTES);
  mm_report_cell(report, "used_bytes", stat->used_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "requested_bytes", stat->requested_bytes,
                 MM_UNIT_BYTES);
  mm_report_cell(report, "blocks", stat->blocks, MM_UNIT_NUMBER);
  mm_report_cell(report, "free_bytes", stat->free_bytes, MM_UNIT_BYTES);
  mm_report_cell(report, "largest_free_bytes", stat->largest_free_bytes,
                 MM_UNIT_BYTES);
  mm_report_cell(report, "internal_percent", mm_space_stat_internal_share(stat),
                 MM_UNIT_PERCENT);
  mm_report_cell(report, "external_percent", mm_space_stat_external_share(stat),
                 MM_UNIT_PERCENT);
  mm_report_row_end(report);
}

static void report_spaces(struct mm_report *report, struct mm_heap *heap)
{
  static const char *const columns[] = {
      "reserved", "commit",  "used",   "asked",  "blocks",
      "free",     "largest", "int. %", "ext. %", NULL};
  struct mm_space_stat stats[MM_SPACE_COUNT];
  mm_space_stats(heap, stats);
  report->cell_columns = MM_NARROW_COLUMNS;
  mm_report_group(report, "spaces", "spaces, in KiB", columns);
  for (int space = 0; space < MM_SPACE_COUNT; space++)
    space_row(report, mm_space_key(space), mm_space_text(space), &stats[space]);
  struct mm_space_stat sum = mm_space_stat_sum(stats);
  space_row(report, "all", "all", &sum);
  mm_report_group_end(report);
  report->cell_columns = MM_CELL_COLUMNS;
}

struct host_sink {
  struct mm_stat_sink sink;
  struct mm_report *report;
  const char *title;
  bool has_begun;
};

static void host_line(struct mm_stat_sink *sink, const char *key,
                      const char *text, uint64_t value, enum mm_unit unit)
{
  struct host_sink *host = (struct host_sink *)sink;
  if (!host->has_begun)
    mm_report_group(host->report, "host", host->title, NULL);
  host->has_begun = true;
  mm_report_line(host->report, key, text, value, unit);
}

static void report_host(struct mm_report *report, struct mm_heap *heap)
{
  if (!heap->binding.report)
    return;
  struct host_sink sink = {
      {host_line}, report, heap->binding.host_title, false};
  heap->binding.report(heap->host, &sink.sink);
  if (sink.has_begun)
    mm_report_group_end(report);
}

static void report_compiler(struct mm_report *report, struct mm_heap *heap)
{
  struct mm_compiler_space_stat stat;
  mm_compiler_space_stat(&heap->compiler, &stat);
  mm_report_group(report, "compiler", "compiler", NULL);
  mm_report_line(report, "compilations", "compilations", stat.compilations,
                 MM_UNIT_NUMBER);
  mm_report_line(report, "running", "running now", stat.running,
                 MM_UNIT_NUMBER);
  mm_report_line(report, "peak_running", "most at once", stat.peak_running,
                 MM_UNIT_NUMBER);
  mm_report_line(report, "peak_bytes", "most memory", stat.peak_bytes,
                 MM_UNIT_BYTES);
  mm_report_line(report, "max_bytes", "at most", stat.limit_bytes,
                 MM_UNIT_BYTES);
  mm_report_line(report, "refused", "chunks refused", stat.refused,
                 MM_UNIT_NUMBER);
  mm_report_group_end(report);
}

static void handles_row(struct mm_report *report, struct mm_heap *heap,
                        enum mm_handle_kind kind, const char *key)
{
  struct mm_handle_counts counts;
  mm_handle_counts(heap, kind, &counts);
  mm_report_row(report, key, mm_handle_kind_text(kind));
  mm_report_cell(report, "live", counts.live, MM_UNIT_NUMBER);
  mm_report_cell(report, "peak", counts.peak, MM_UNIT_NUMBER);
  mm_report_cell(report, "created", counts.created, MM_UNIT_NUMBER);
  mm_report_cell(report, "cleared", counts.cleared, MM_UNIT_NUMBER);
  mm_report_row_end(report);
}

static void report_handles(struct mm_report *report, struct mm_heap *heap)
{
  static const char *const columns[] = {"live", "peak", "created", "cleared",
                                        NULL};
  mm_report_group(report, "handles", "handles", columns);
  handles_row(report, heap, MM_HANDLE_LOCAL, "local");
  handles_row(report, heap, MM_HANDLE_GLOBAL, "global");
  handles_row(report, heap, MM_HANDLE_WEAK, "weak");
  mm_report_row(report, "pins", "pinned objects");
  mm_report_cell(report, "live", heap->pins.count, MM_UNIT_NUMBER);
  mm_report_cell(report, "peak", heap->pins.peak, MM_UNIT_NUMBER);
  mm_report_cell(report, "created", heap->pins.created, MM_UNIT_NUMBER);
  mm_report_cell(report, "cleared", 0, MM_UNIT_NUMBER);
  mm_report_row_end(report);
  mm_report_group_end(report);
}

static void report_code(struct mm_report *report, struct mm_heap *heap)
{
  struct mm_code_space_stat stat = {0};
  (void)mm_code_space_stat(&heap->code, &stat); /* all zero: not started */
  mm_report_group(report, "code", "code", NULL);
  mm_report_line(report, "blocks", "blocks", stat.alloc.blocks, MM_UNIT_NUMBER);
  mm_report_line(report, "peak_bytes", "most memory", stat.peak_committed_bytes,
                 MM_UNIT_BYTES);
  mm_report_line(report, "max_bytes", "at most", stat.reserved_bytes,
                 MM_UNIT_BYTES);
  mm_report_group_end(report);
}

/* Two runs with equal digests took the same turns. */
static void report_schedule(struct mm_report *report,
                            const struct mm_heap *heap)
{
  if (!mm_schedule_is_on(heap))
    return;
  mm_report_group(report, "schedule", "schedule", NULL);
  mm_report_line(report, "seed", "seed", heap->options.seed, MM_UNIT_NUMBER);
  mm_report_line(report, "switches", "turns of another thread",
                 mm_schedule_switches(heap), MM_UNIT_NUMBER);
  mm_report_line(report, "digest", "digest of all turns",
                 mm_schedule_digest(heap) >> DIGEST_SHIFT, MM_UNIT_NUMBER);
  mm_report_group_end(report);
}

static void report_native(struct mm_report *report)
{
  uint64_t sum = 0;
  mm_report_group(report, "native", "native memory", NULL);
  for (unsigned purpose = 0; purpose < MM_PURPOSE_COUNT; purpose++) {
    if (mm_purpose_is_used(purpose))
      mm_report_line(report, mm_purpose_key(purpose), mm_purpose_text(purpose),
                     mm_native_bytes(purpose), MM_UNIT_BYTES);
    sum += mm_native_bytes(purpose);
  }
  mm_report_line(report, "all", "all", sum, MM_UNIT_BYTES);
  mm_report_group_end(report);
}

static void report_all(struct mm_heap *heap, FILE *out, bool json)
{
  struct mm_report report = {.out = out, .json = json};
  mm_make_walkable(heap);
  mm_stat_note_used(&heap->stat, mm_heap_used_bytes(heap),
                    mm_heap_committed_bytes(heap));
  mm_report_begin(&report);
  mm_report_times(&report, heap);
  report_counters(&report, &heap->stat);
  report_heap(&report, heap);
  report_footprint(&report, heap);
  report_regions(&report, &heap->regions);
  report_spaces(&report, heap);
  mm_report_languages(&report, heap);
  report_compiler(&report, heap);
  report_handles(&report, heap);
  report_host(&report, heap);
  report_code(&report, heap);
  report_schedule(&report, heap);
  report_native(&report);
  mm_report_end(&report);
}

void mm_stats_print_text(struct mm_heap *heap, FILE *out)
{
  report_all(heap, out, false);
}

void mm_stats_print_json(struct mm_heap *heap, FILE *out)
{
  report_all(heap, out, true);
}

uint64_t mm_collections(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->stat.collections, __ATOMIC_RELAXED);
}

uint64_t mm_collections_forced(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->stat.forced, __ATOMIC_RELAXED);
}

const struct mm_log *mm_log_of(const struct mm_heap *heap)
{
  return &heap->stat.log;
}

const char *mm_last_cause(const struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  if (mm_collections(heap) == 0 && !stat->current.active)
    return NULL;
  return mm_cause_name(stat->current.cause);
}
