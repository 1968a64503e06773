/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a summary; see report_internal.h.
 */
#include "config.h"

#include "mm/stat/report_internal.h"

#include <inttypes.h>

enum { VALUE_BYTES = 40 };

/* Starts the next member of a JSON object. */
static void json_key(struct mm_report *report, const char *key)
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

static void format_text(char *text, uint64_t value, enum mm_unit unit)
{
  switch (unit) {
  case MM_UNIT_NUMBER:
    snprintf(text, VALUE_BYTES, "%" PRIu64, value);
    break;
  case MM_UNIT_BYTES:
    format_bytes(text, value);
    break;
  case MM_UNIT_NS:
    snprintf(text, VALUE_BYTES, "%.3f ms", (double)value / 1e6);
    break;
  case MM_UNIT_PERCENT:
    snprintf(text, VALUE_BYTES, "%.3f %%", (double)value / 1e3);
    break;
  }
}

static void json_value(struct mm_report *report, uint64_t value,
                       enum mm_unit unit)
{
  if (unit == MM_UNIT_PERCENT)
    fprintf(report->out, "%.3f", (double)value / 1e3);
  else
    fprintf(report->out, "%" PRIu64, value);
}

void mm_report_begin(struct mm_report *report)
{
  report->first = true;
  report->cell_columns = MM_CELL_COLUMNS;
  if (report->json)
    putc('{', report->out);
}

void mm_report_end(struct mm_report *report)
{
  if (report->json)
    fprintf(report->out, "}\n");
  fflush(report->out);
}

void mm_report_group(struct mm_report *report, const char *key,
                     const char *title, const char *const *columns)
{
  if (report->json) {
    json_key(report, key);
    putc('{', report->out);
    report->first = true;
    return;
  }
  fprintf(report->out, "%-*s", columns ? MM_TEXT_COLUMNS : 0, title);
  for (; columns && *columns; columns++)
    fprintf(report->out, "%*s", report->cell_columns, *columns);
  putc('\n', report->out);
}

void mm_report_group_end(struct mm_report *report)
{
  if (!report->json)
    return;
  putc('}', report->out);
  report->first = false;
}

void mm_report_line(struct mm_report *report, const char *key, const char *text,
                    uint64_t value, enum mm_unit unit)
{
  char shown[VALUE_BYTES];
  if (report->json) {
    json_key(report, key);
    json_value(report, value, unit);
    return;
  }
  format_text(shown, value, unit);
  fprintf(report->out, "  %-*s%*s\n", MM_TEXT_COLUMNS - 2, text,
          MM_CELL_COLUMNS + 3, shown);
}

void mm_report_row(struct mm_report *report, const char *key, const char *text)
{
  if (report->json) {
    json_key(report, key);
    putc('{', report->out);
    report->first = true;
  } else {
    fprintf(report->out, "  %-*s", MM_TEXT_COLUMNS - 2, text);
  }
}

void mm_report_cell(struct mm_report *report, const char *key, uint64_t value,
                    enum mm_unit unit)
{
  if (report->json) {
    json_key(report, key);
    json_value(report, value, unit);
    return;
  }
  int columns = report->cell_columns;
  switch (unit) {
  case MM_UNIT_NS:
    fprintf(report->out, "%*.3f", columns, (double)value / 1e6);
    break;
  case MM_UNIT_PERCENT:
    fprintf(report->out, "%*.1f", columns, (double)value / 1e3);
    break;
  case MM_UNIT_BYTES:
    fprintf(report->out, "%*" PRIu64, columns, (value + 1023) / 1024);
    break;
  case MM_UNIT_NUMBER:
    fprintf(report->out, "%*" PRIu64, columns, value);
    break;
  }
}

void mm_report_row_end(struct mm_report *report)
{
  putc(report->json ? '}' : '\n', report->out);
  report->first = false;
}

/* Names of methods may have any byte in them. */
static void json_text(FILE *out, const char *text)
{
  putc('"', out);
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20)
      fprintf(out, "\\u%04x", c);
    else if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else
      putc(c, out);
  }
  putc('"', out);
}

void mm_report_text(struct mm_report *report, const char *key, const char *text,
                    const char *value)
{
  if (report->json) {
    json_key(report, key);
    json_text(report->out, value);
  } else {
    fprintf(report->out, "  %-*s  %s\n", MM_TEXT_COLUMNS - 2, text, value);
  }
}
