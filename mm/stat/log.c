/* SPDX-License-Identifier: Apache-2.0 */
/* The log's lines; see log.h for their shape. */
#include "config.h"

#include "mm/stat/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "mm/stat/stat_internal.h"

static const char *const level_names[MM_LOG_LEVEL_COUNT] = {
    "off", "error", "warning", "info", "debug", "trace",
};

const char *mm_log_level_name(int level)
{
  bool known = level >= 0 && level < MM_LOG_LEVEL_COUNT;
  return known ? level_names[level] : NULL;
}

bool mm_log_level_parse(const char *name, int *level)
{
  for (int i = 0; i < MM_LOG_LEVEL_COUNT; i++)
    if (strcmp(name, level_names[i]) == 0) {
      *level = i;
      return true;
    }
  return false;
}

void mm_log_init(struct mm_log *log, FILE *out, int level)
{
  log->out = out;
  log->level = level;
  log->start_ns = mm_stat_now_ns();
}

void mm_log_write(const struct mm_log *log, int level, const char *tags,
                  const char *format, ...)
{
  if (!mm_log_enabled(log, level))
    return;
  uint64_t ms = (mm_stat_now_ns() - log->start_ns) / 1000000;
  va_list arguments;
  va_start(arguments, format);
  flockfile(log->out);
  fprintf(log->out, "[%" PRIu64 ".%03" PRIu64 "s][%s][%s] ", ms / 1000,
          ms % 1000, mm_log_level_name(level), tags);
  vfprintf(log->out, format, arguments);
  putc('\n', log->out);
  fflush(log->out);
  funlockfile(log->out);
  va_end(arguments);
}

const char *mm_log_size(uint64_t bytes, char text[MM_LOG_SIZE_BYTES])
{
  if (bytes >= 1u << 20)
    snprintf(text, MM_LOG_SIZE_BYTES, "%" PRIu64 "M", bytes >> 20);
  else
    snprintf(text, MM_LOG_SIZE_BYTES, "%" PRIu64 "K", bytes >> 10);
  return text;
}
