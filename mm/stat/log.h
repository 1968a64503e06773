/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of the memory manager, in the shape of the JVM's unified log, so
 * that viewers of such logs read it:
 *
 *   [0.731s][info][gc] GC(0) Pause Full (Allocation Failure) 74M->40M(128M) ...
 *    |       |     |   the message
 *    |       |     tags, comma separated
 *    |       level
 *    seconds since the heap was created
 *
 * Any thread may log; a line is written whole under the stream's own lock and
 * flushed, so that the last line is there when the process dies.
 */
#ifndef MM_STAT_LOG_H
#define MM_STAT_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum mm_log_level {
  MM_LOG_OFF,
  MM_LOG_ERROR,
  MM_LOG_WARNING,
  MM_LOG_INFO,
  MM_LOG_DEBUG,
  MM_LOG_TRACE,
  MM_LOG_LEVEL_COUNT
};

struct mm_log {
  FILE *out; /* null: no log.  Belongs to the host. */
  int level; /* enum mm_log_level: this and all below it are written */
  uint64_t start_ns;
};

/* "off", "error", ... or null when there is no such level. */
const char *mm_log_level_name(int level);

/* Finds a level by its name.  False when there is none of that name. */
bool mm_log_level_parse(const char *name, int *level);

/* Times in the log count from this call. */
void mm_log_init(struct mm_log *log, FILE *out, int level);

static inline bool mm_log_enabled(const struct mm_log *log, int level)
{
  return log->out && level <= log->level;
}

/* Writes one line when the level is on; `format` has no newline. */
void mm_log_write(const struct mm_log *log, int level, const char *tags,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As the JVM prints a heap's size: "74M", and "812K" below one MiB. */
enum { MM_LOG_SIZE_BYTES = 24 };
const char *mm_log_size(uint64_t bytes, char text[MM_LOG_SIZE_BYTES]);

#endif
