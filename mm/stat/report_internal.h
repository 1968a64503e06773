/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a summary, as text or as JSON, by the same calls, so that whatever
 * number one has the other has too:
 *
 *   group    a heading            "key": {
 *     line     text     value       "key": value,
 *     text     text     words       "key": "words",
 *     row      text  v  v  v        "key": {"a": v, "b": v, "c": v},
 */
#ifndef MM_REPORT_INTERNAL_H
#define MM_REPORT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "mm/binding.h"

struct mm_heap;

enum {
  MM_TEXT_COLUMNS = 34,
  MM_CELL_COLUMNS = 11,
  MM_NARROW_COLUMNS = 9, /* of cells in a group with many */
};

struct mm_report {
  FILE *out;
  bool json;
  bool first;       /* nothing has been written since the last opening brace */
  int cell_columns; /* MM_CELL_COLUMNS unless a group changes it */
};

void mm_report_begin(struct mm_report *report);
void mm_report_end(struct mm_report *report);

/* `columns`: headings of the group's rows, ended by null; or null. */
void mm_report_group(struct mm_report *report, const char *key,
                     const char *title, const char *const *columns);
void mm_report_group_end(struct mm_report *report);

void mm_report_line(struct mm_report *report, const char *key, const char *text,
                    uint64_t value, enum mm_unit unit);
void mm_report_text(struct mm_report *report, const char *key, const char *text,
                    const char *value);

void mm_report_row(struct mm_report *report, const char *key, const char *text);
void mm_report_row_end(struct mm_report *report);

/* Times in rows are in milliseconds and bytes in KiB, where the group's title
   says so. */
void mm_report_cell(struct mm_report *report, const char *key, uint64_t value,
                    enum mm_unit unit);

/* The groups about time: collections, pauses, phases, what they leave to the
   program (time_report.c). */
void mm_report_times(struct mm_report *report, struct mm_heap *heap);

/* What stands in the heap, by language (language_report.c).  Walks it. */
void mm_report_languages(struct mm_report *report, struct mm_heap *heap);

#endif
