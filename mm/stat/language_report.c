/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the summary that tells languages apart: what stands in the heap
 * of each, by a walk; how much of it is watched, and how many deaths it was
 * told of; how many pending references it took.  A host that is alone has no
 * such part.
 */
#include "config.h"

#include "mm/gc/heap_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/stat/report_internal.h"

struct census {
  struct {
    uint64_t objects, bytes;
  } of[MM_LANGUAGES];
};

static void count(void *context, struct mm_ref ref)
{
  struct census *census = context;
  unsigned language = mm_layout_of(ref)->language;
  census->of[language].objects++;
  census->of[language].bytes += mm_object_bytes(ref);
}

static bool has_several(const struct mm_heap *heap)
{
  for (unsigned i = 1; i < MM_LANGUAGES; i++)
    if (mm_heap_has_language(heap, i))
      return true;
  return false;
}

void mm_report_languages(struct mm_report *report, struct mm_heap *heap)
{
  static const char *const columns[] = {"objects", "KiB",   "watched",
                                        "died",    "taken", NULL};
  struct census census = {0};
  if (!has_several(heap))
    return;
  mm_heap_walk(heap, count, &census);
  mm_report_group(report, "languages", "languages", columns);
  for (unsigned i = 0; i < MM_LANGUAGES; i++) {
    if (!mm_heap_has_language(heap, i))
      continue;
    const char *name = mm_language_name_of(i);
    mm_report_row(report, name, name);
    mm_report_cell(report, "objects", census.of[i].objects, MM_UNIT_NUMBER);
    mm_report_cell(report, "bytes", census.of[i].bytes, MM_UNIT_BYTES);
    uint64_t watched, told;
    mm_deaths_count(heap, i, &watched, &told);
    mm_report_cell(report, "watched", watched, MM_UNIT_NUMBER);
    mm_report_cell(report, "deaths_told", told, MM_UNIT_NUMBER);
    mm_report_cell(report, "references_taken", heap->references.taken[i],
                   MM_UNIT_NUMBER);
    mm_report_row_end(report);
  }
  mm_report_group_end(report);
}
