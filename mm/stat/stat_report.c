/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The summary of --stats, as text and as JSON.  Both are written by the same
 * calls, so that whatever number one has the other has too:
 *
 *   group    a heading            "key": {
 *     line     text     value       "key": value,
 *     row      text  v  v  v        "key": {"a": v, "b": v, "c": v},
 *
 * What each line means is told in README.md beside this file.  World stopped,
 * single mutator, or no mutator at all; retires TLABs.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "mm/native.h"
#include "mm/gc/heap_internal.h"
#include "mm/stat/space_stat_internal.h"

enum unit {
  UNIT_NUMBER,
  UNIT_BYTES,
  UNIT_NS,
  UNIT_PERCENT, /* value in thousandths of a percent */
};

struct report {
  FILE *out;
  bool json;
  bool first; /* nothing has been written since the last opening brace */
  int cell_columns;
};

enum {
  TEXT_COLUMNS = 34,
  CELL_COLUMNS = 11,
  NARROW_COLUMNS = 9, /* of cells in a group with many */
  VALUE_BYTES = 40,
};

/* Starts the next member of a JSON object. */
static void json_key(struct report *report, const char *key)
{
  fprintf(report->out, "%s\"%s\": ", report->first ? "" : ", ", key);
  report->first = false;
}

static void format_bytes(char *text, uint64_t bytes)
{
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = (double)bytes;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
    value /= 1024;
    unit++;
  }
  snprintf(text, VALUE_BYTES, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void format_text(char *text, uint64_t value, enum unit unit)
{
  switch (unit) {
  case UNIT_NUMBER:
    snprintf(text, VALUE_BYTES, "%" PRIu64, value);
    break;
  case UNIT_BYTES:
    format_bytes(text, value);
    break;
  case UNIT_NS:
    snprintf(text, VALUE_BYTES, "%.3f ms", (double)value / 1e6);
    break;
  case UNIT_PERCENT:
    snprintf(text, VALUE_BYTES, "%.3f %%", (double)value / 1e3);
    break;
  }
}

static void json_value(struct report *report, uint64_t value, enum unit unit)
{
  if (unit == UNIT_PERCENT)
    fprintf(report->out, "%.3f", (double)value / 1e3);
  else
    fprintf(report->out, "%" PRIu64, value);
}

static void begin(struct report *report)
{
  report->first = true;
  if (report->json)
    putc('{', report->out);
}

static void end(struct report *report)
{
  if (report->json)
    fprintf(report->out, "}\n");
  fflush(report->out);
}

/* `columns`: headings of the group's rows, ended by null; or null. */
static void group_begin(struct report *report, const char *key,
                        const char *title, const char *const *columns)
{
  if (report->json) {
    json_key(report, key);
    putc('{', report->out);
    report->first = true;
    return;
  }
  fprintf(report->out, "%-*s", columns ? TEXT_COLUMNS : 0, title);
  for (; columns && *columns; columns++)
    fprintf(report->out, "%*s", report->cell_columns, *columns);
  putc('\n', report->out);
}

static void group_end(struct report *report)
{
  if (!report->json)
    return;
  putc('}', report->out);
  report->first = false;
}

static void line(struct report *report, const char *key, const char *text,
                 uint64_t value, enum unit unit)
{
  char shown[VALUE_BYTES];
  if (report->json) {
    json_key(report, key);
    json_value(report, value, unit);
    return;
  }
  format_text(shown, value, unit);
  fprintf(report->out, "  %-*s%*s\n", TEXT_COLUMNS - 2, text, CELL_COLUMNS + 3,
          shown);
}

static void row_begin(struct report *report, const char *key, const char *text)
{
  if (report->json) {
    json_key(report, key);
    putc('{', report->out);
    report->first = true;
  } else {
    fprintf(report->out, "  %-*s", TEXT_COLUMNS - 2, text);
  }
}

/* Times in rows are in milliseconds and bytes in KiB, where the group's title
   says so. */
static void cell(struct report *report, const char *key, uint64_t value,
                 enum unit unit)
{
  if (report->json) {
    json_key(report, key);
    json_value(report, value, unit);
    return;
  }
  int columns = report->cell_columns;
  switch (unit) {
  case UNIT_NS:
    fprintf(report->out, "%*.3f", columns, (double)value / 1e6);
    break;
  case UNIT_PERCENT:
    fprintf(report->out, "%*.1f", columns, (double)value / 1e3);
    break;
  case UNIT_BYTES:
    fprintf(report->out, "%*" PRIu64, columns, (value + 1023) / 1024);
    break;
  case UNIT_NUMBER:
    fprintf(report->out, "%*" PRIu64, columns, value);
    break;
  }
}

static void row_end(struct report *report)
{
  putc(report->json ? '}' : '\n', report->out);
  report->first = false;
}

static uint64_t paused_ns(const struct mm_stat *stat)
{
  uint64_t sum = 0;
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++)
    sum += stat->pauses[kind].total_ns;
  return sum;
}

static void report_time(struct report *report, const struct mm_stat *stat)
{
  uint64_t elapsed_ns = mm_stat_now_ns() - stat->start_ns;
  uint64_t share = elapsed_ns ? paused_ns(stat) * 100000 / elapsed_ns : 0;
  uint64_t allocated = mm_stat_counter(stat, MM_COUNT_ALLOCATED_BYTES);
  double seconds = (double)elapsed_ns / 1e9;
  group_begin(report, "time", "time", NULL);
  line(report, "elapsed_ns", "since the heap was created", elapsed_ns, UNIT_NS);
  line(report, "paused_ns", "in pauses", paused_ns(stat), UNIT_NS);
  line(report, "gc_percent", "share of pauses", share, UNIT_PERCENT);
  line(report, "throughput_percent", "share of the program", 100000 - share,
       UNIT_PERCENT);
  line(report, "allocated_bytes_per_second", "allocated per second",
       elapsed_ns ? (uint64_t)((double)allocated / seconds) : 0, UNIT_BYTES);
  group_end(report);
}

static void report_collections(struct report *report,
                               const struct mm_stat *stat)
{
  static const char *const cause_keys[MM_CAUSE_COUNT] = {
      [MM_CAUSE_ALLOCATION] = "cause_allocation_failure",
      [MM_CAUSE_EXPLICIT] = "cause_explicit",
      [MM_CAUSE_STRESS] = "cause_stress",
      [MM_CAUSE_EXIT] = "cause_exit",
  };
  group_begin(report, "collections", "collections", NULL);
  line(report, "all", "all", stat->collections, UNIT_NUMBER);
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++)
    line(report, mm_collection_kind_name(kind), mm_collection_kind_name(kind),
         stat->pauses[kind].count, UNIT_NUMBER);
  line(report, "forced", "forced by stress", stat->forced, UNIT_NUMBER);
  for (int cause = 0; cause < MM_CAUSE_COUNT; cause++) {
    char text[64];
    snprintf(text, sizeof text, "cause: %s", mm_cause_name(cause));
    line(report, cause_keys[cause], text, stat->by_cause[cause], UNIT_NUMBER);
  }
  group_end(report);
}

static void pause_row(struct report *report, const char *key, const char *text,
                      const struct mm_histogram *pauses)
{
  row_begin(report, key, text);
  cell(report, "count", pauses->count, UNIT_NUMBER);
  cell(report, "total_ns", pauses->total_ns, UNIT_NS);
  cell(report, "mean_ns", mm_histogram_mean(pauses), UNIT_NS);
  cell(report, "p50_ns", mm_histogram_percentile(pauses, 50), UNIT_NS);
  cell(report, "p95_ns", mm_histogram_percentile(pauses, 95), UNIT_NS);
  cell(report, "p99_ns", mm_histogram_percentile(pauses, 99), UNIT_NS);
  cell(report, "max_ns", pauses->max_ns, UNIT_NS);
  row_end(report);
}

static void report_pauses(struct report *report, const struct mm_stat *stat)
{
  static const char *const columns[] = {"count", "total", "mean", "p50",
                                        "p95",   "p99",   "max",  NULL};
  struct mm_histogram all;
  mm_histogram_init(&all);
  group_begin(report, "pauses", "pauses, in ms", columns);
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++) {
    pause_row(report, mm_collection_kind_name(kind),
              mm_collection_kind_name(kind), &stat->pauses[kind]);
    mm_histogram_merge(&all, &stat->pauses[kind]);
  }
  pause_row(report, "all", "all", &all);
  pause_row(report, "stop", "time to stop", &stat->stops);
  group_end(report);
}

static void report_phases(struct report *report, const struct mm_stat *stat)
{
  static const char *const columns[] = {"count", "total", "max", NULL};
  static const char *const keys[MM_PHASE_COUNT] = {
#define MM_PHASE(NAME, key, text) [MM_PHASE_##NAME] = #key,
#include "mm/stat/phases.def"
  };
  group_begin(report, "phases", "phases, in ms", columns);
  for (int phase = 0; phase < MM_PHASE_COUNT; phase++) {
    row_begin(report, keys[phase], mm_phase_name(phase));
    cell(report, "count", stat->phases[phase].count, UNIT_NUMBER);
    cell(report, "total_ns", stat->phases[phase].total_ns, UNIT_NS);
    cell(report, "max_ns", stat->phases[phase].max_ns, UNIT_NS);
    row_end(report);
  }
  group_end(report);
}

static void report_counters(struct report *report, const struct mm_stat *stat)
{
  static const struct {
    const char *key, *text;
    enum unit unit;
  } counters[MM_COUNTER_COUNT] = {
#define MM_COUNTER(NAME, key, unit, text)                                      \
  [MM_COUNT_##NAME] = {#key, text, UNIT_##unit},
#include "mm/stat/counters.def"
  };
  group_begin(report, "counters", "counters", NULL);
  for (int i = 0; i < MM_COUNTER_COUNT; i++)
    line(report, counters[i].key, counters[i].text, mm_stat_counter(stat, i),
         counters[i].unit);
  group_end(report);
}

static void report_heap(struct report *report, struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  const struct mm_stat_heap *last = &stat->current.after;
  group_begin(report, "heap", "heap", NULL);
  line(report, "used_bytes", "used", mm_heap_used_bytes(heap), UNIT_BYTES);
  line(report, "committed_bytes", "may be used before it grows",
       mm_heap_committed_bytes(heap), UNIT_BYTES);
  line(report, "max_bytes", "at most", heap->options.heap_max_bytes,
       UNIT_BYTES);
  line(report, "peak_used_bytes", "most ever used", stat->peak_used_bytes,
       UNIT_BYTES);
  line(report, "peak_committed_bytes", "largest ever",
       stat->peak_committed_bytes, UNIT_BYTES);
  line(report, "live_bytes", "alive after the last collection",
       last->live_bytes, UNIT_BYTES);
  line(report, "live_objects", "objects alive then", last->live_objects,
       UNIT_NUMBER);
  group_end(report);
}

static void report_regions(struct report *report,
                           const struct mm_regions *regions)
{
  static const char *const keys[MM_REGION_KIND_COUNT] = {
      [MM_REGION_FREE] = "free",
      [MM_REGION_SMALL] = "small",
      [MM_REGION_SLOTS] = "slots",
      [MM_REGION_FREELIST] = "freelist",
      [MM_REGION_LARGE] = "large",
      [MM_REGION_LARGE_TAIL] = "large_tail",
  };
  uint64_t counts[MM_REGION_KIND_COUNT] = {0};
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    counts[regions->table[i].kind]++;
  counts[MM_REGION_FREE] += regions->count - regions->fresh_from;
  group_begin(report, "regions", "regions of 256 KiB", NULL);
  for (int kind = 0; kind < MM_REGION_KIND_COUNT; kind++)
    line(report, keys[kind], mm_region_kind_name(kind), counts[kind],
         UNIT_NUMBER);
  line(report, "committed", "with memory of the OS", regions->committed,
       UNIT_NUMBER);
  group_end(report);
}

static void space_row(struct report *report, const char *key, const char *text,
                      const struct mm_space_stat *stat)
{
  row_begin(report, key, text);
  cell(report, "reserved_bytes", stat->reserved_bytes, UNIT_BYTES);
  cell(report, "committed_bytes", stat->committed_bytes, UNIT_BYTES);
  cell(report, "used_bytes", stat->used_bytes, UNIT_BYTES);
  cell(report, "requested_bytes", stat->requested_bytes, UNIT_BYTES);
  cell(report, "blocks", stat->blocks, UNIT_NUMBER);
  cell(report, "free_bytes", stat->free_bytes, UNIT_BYTES);
  cell(report, "largest_free_bytes", stat->largest_free_bytes, UNIT_BYTES);
  cell(report, "internal_percent", mm_space_stat_internal_share(stat),
       UNIT_PERCENT);
  cell(report, "external_percent", mm_space_stat_external_share(stat),
       UNIT_PERCENT);
  row_end(report);
}

static void report_spaces(struct report *report, struct mm_heap *heap)
{
  static const char *const columns[] = {
      "reserved", "commit",  "used",   "asked",  "blocks",
      "free",     "largest", "int. %", "ext. %", NULL};
  struct mm_space_stat stats[MM_SPACE_COUNT];
  mm_space_stats(heap, stats);
  report->cell_columns = NARROW_COLUMNS;
  group_begin(report, "spaces", "spaces, in KiB", columns);
  for (int space = 0; space < MM_SPACE_COUNT; space++)
    space_row(report, mm_space_key(space), mm_space_text(space), &stats[space]);
  struct mm_space_stat sum = mm_space_stat_sum(stats);
  space_row(report, "all", "all", &sum);
  group_end(report);
  report->cell_columns = CELL_COLUMNS;
}

static void report_compiler(struct report *report, struct mm_heap *heap)
{
  struct mm_compiler_space_stat stat;
  mm_compiler_space_stat(&heap->compiler, &stat);
  group_begin(report, "compiler", "compiler", NULL);
  line(report, "compilations", "compilations", stat.compilations, UNIT_NUMBER);
  line(report, "running", "running now", stat.running, UNIT_NUMBER);
  line(report, "peak_running", "most at once", stat.peak_running, UNIT_NUMBER);
  line(report, "peak_bytes", "most memory", stat.peak_bytes, UNIT_BYTES);
  line(report, "max_bytes", "at most", stat.limit_bytes, UNIT_BYTES);
  line(report, "refused", "chunks refused", stat.refused, UNIT_NUMBER);
  group_end(report);
}

static void report_code(struct report *report, struct mm_heap *heap)
{
  struct mm_code_space_stat stat = {0};
  (void)mm_code_space_stat(&heap->code, &stat); /* all zero: not started */
  group_begin(report, "code", "code", NULL);
  line(report, "blocks", "blocks", stat.alloc.blocks, UNIT_NUMBER);
  line(report, "peak_bytes", "most memory", stat.peak_committed_bytes,
       UNIT_BYTES);
  line(report, "max_bytes", "at most", stat.reserved_bytes, UNIT_BYTES);
  group_end(report);
}

static void report_native(struct report *report)
{
  uint64_t sum = 0;
  group_begin(report, "native", "native memory", NULL);
  for (int purpose = 0; purpose < MM_PURPOSE_COUNT; purpose++) {
    line(report, mm_purpose_key(purpose), mm_purpose_text(purpose),
         mm_native_bytes(purpose), UNIT_BYTES);
    sum += mm_native_bytes(purpose);
  }
  line(report, "all", "all", sum, UNIT_BYTES);
  group_end(report);
}

static void report_all(struct mm_heap *heap, FILE *out, bool json)
{
  struct report report = {
      .out = out, .json = json, .cell_columns = CELL_COLUMNS};
  mm_make_walkable(heap);
  mm_stat_note_used(&heap->stat, mm_heap_used_bytes(heap),
                    mm_heap_committed_bytes(heap));
  begin(&report);
  report_time(&report, &heap->stat);
  report_collections(&report, &heap->stat);
  report_pauses(&report, &heap->stat);
  report_phases(&report, &heap->stat);
  report_counters(&report, &heap->stat);
  report_heap(&report, heap);
  report_regions(&report, &heap->regions);
  report_spaces(&report, heap);
  report_compiler(&report, heap);
  report_code(&report, heap);
  report_native(&report);
  end(&report);
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

const char *mm_last_cause(const struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  if (mm_collections(heap) == 0 && !stat->current.active)
    return NULL;
  return mm_cause_name(stat->current.cause);
}
