/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of allocations, as text.
 *
 *   # comment            to the end of the line
 *   a ID BYTES           a block is allocated; ID is not in use
 *   f ID                 it is freed; ID may be used again
 *
 * Numbers are decimal.  IDs are small: best the lowest that is not in use, for
 * the table of blocks is as long as the largest.  Blocks that are left at the
 * end are freed by the replay.  Whoever records needs nothing from here: a
 * program that allocates can write these lines itself, and a script can make
 * them of any log of addresses.
 */
#include "config.h"

#include "tests/bench/bench_malloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  ID_MOST = 1 << 26,
  LINE_BYTES = 128,
  PAIRS_LEAST = 2000000, /* to time: as many rounds as that takes */
  MADE_LIVE = 200,
};

struct event {
  uint32_t id;
  uint32_t bytes;
  uint32_t line;
  bool is_free;
};

/* No allocator is involved: the table grows by being mapped anew. */
struct trace {
  struct event *events;
  size_t count, capacity;
  size_t ids;   /* one more than the largest */
  size_t pairs; /* allocations: each is freed in the end */
  size_t peak_at;
  uint64_t peak_bytes;
  uint32_t most_bytes;
};

static void give_up_line(const char *file, unsigned line)
{
  char text[LINE_BYTES];
  snprintf(text, sizeof text, "%.100s:%u", file, line);
  bench_give_up("not a trace", text);
}

static void grow(struct trace *trace)
{
  size_t capacity = trace->capacity ? 2 * trace->capacity : 4096;
  struct event *events = bench_map(capacity * sizeof *events);
  if (trace->count > 0)
    memcpy(events, trace->events, trace->count * sizeof *events);
  if (trace->events)
    munmap(trace->events, trace->capacity * sizeof *events);
  trace->events = events;
  trace->capacity = capacity;
}

static void add(struct trace *trace, struct event event)
{
  if (trace->count == trace->capacity)
    grow(trace);
  trace->events[trace->count++] = event;
  if (event.id >= trace->ids)
    trace->ids = (size_t)event.id + 1;
  if (event.bytes > trace->most_bytes)
    trace->most_bytes = event.bytes;
  trace->pairs += !event.is_free;
}

static bool read_number(char **text, uint64_t most, uint32_t *number)
{
  char *end;
  errno = 0;
  if (**text != ' ' || (*text)[1] < '0' || (*text)[1] > '9')
    return false;
  uint64_t value = strtoull(*text, &end, 10);
  if (errno != 0 || value > most)
    return false;
  *number = (uint32_t)value;
  *text = end;
  return true;
}

/* False: the line is neither an event nor a comment. */
static bool read_line(struct trace *trace, char *line, unsigned number)
{
  struct event event = {.line = number, .is_free = line[0] == 'f'};
  char *text = line + 1;
  if (line[0] == '#' || line[0] == '\n')
    return true;
  if ((line[0] != 'a' && line[0] != 'f') ||
      !read_number(&text, ID_MOST, &event.id))
    return false;
  if (!event.is_free && !read_number(&text, UINT32_MAX, &event.bytes))
    return false;
  add(trace, event);
  return *text == '\n';
}

/* Fills in what is known only of the whole; false: an ID is misused. */
static bool weigh(struct trace *trace, unsigned *wrong_line)
{
  uint64_t live = 0;
  uint64_t *held = bench_map(trace->ids * sizeof *held + 1); /* bytes + 1 */
  for (size_t i = 0; i < trace->count; i++) {
    struct event *event = &trace->events[i];
    *wrong_line = event->line;
    if ((held[event->id] != 0) != event->is_free)
      return false;
    if (event->is_free)
      event->bytes = (uint32_t)(held[event->id] - 1);
    held[event->id] = event->is_free ? 0 : (uint64_t)event->bytes + 1;
    live += event->is_free ? -(uint64_t)event->bytes : event->bytes;
    if (live > trace->peak_bytes) {
      trace->peak_bytes = live;
      trace->peak_at = i;
    }
  }
  munmap(held, trace->ids * sizeof *held + 1);
  return true;
}

static void load(struct trace *trace, const char *file)
{
  FILE *in = fopen(file, "r");
  char line[LINE_BYTES];
  unsigned number = 0;
  unsigned wrong = 0;
  if (!in)
    bench_give_up("cannot read", file);
  while (fgets(line, sizeof line, in)) {
    number++;
    if (!read_line(trace, line, number))
      give_up_line(file, number);
  }
  fclose(in);
  if (trace->pairs == 0)
    bench_give_up("a trace without allocations", file);
  if (!weigh(trace, &wrong))
    give_up_line(file, wrong);
}

size_t bench_trace_most_bytes(const char *file)
{
  struct trace trace = {.count = 0};
  load(&trace, file);
  munmap(trace.events, trace.capacity * sizeof *trace.events);
  return trace.most_bytes;
}

/* Replaying
 * --------------------------------------------------------------------- */

struct held {
  void *at;
  size_t bytes;
};

static void free_held(struct bench_cell *cell, struct held *held)
{
  bench_free(cell->allocator, held->at, held->bytes);
  held->at = NULL;
}

static void replay_part(struct bench_cell *cell, const struct trace *trace,
                        struct held *held, size_t from, size_t beyond)
{
  for (size_t i = from; i < beyond; i++) {
    const struct event *event = &trace->events[i];
    struct held *block = &held[event->id];
    if (event->is_free) {
      free_held(cell, block);
      continue;
    }
    block->at = bench_alloc(cell->allocator, event->bytes);
    block->bytes = event->bytes;
  }
}

static void free_rest(struct bench_cell *cell, const struct trace *trace,
                      struct held *held)
{
  for (size_t i = 0; i < trace->ids; i++)
    if (held[i].at)
      free_held(cell, &held[i]);
}

void bench_replay(struct bench_cell *cell)
{
  struct trace trace = {.count = 0};
  load(&trace, cell->trace);
  struct held *held = bench_map(trace.ids * sizeof *held);
  uint64_t rounds = PAIRS_LEAST / cell->scale / trace.pairs + 1;
  bench_open(cell);
  replay_part(cell, &trace, held, 0, trace.peak_at + 1);
  bench_look(cell, trace.peak_bytes);
  replay_part(cell, &trace, held, trace.peak_at + 1, trace.count);
  free_rest(cell, &trace, held);
  bench_start(cell);
  for (uint64_t i = 0; i < rounds; i++) {
    replay_part(cell, &trace, held, 0, trace.count);
    free_rest(cell, &trace, held);
  }
  bench_stop(cell, rounds * trace.pairs);
}

/* Making one up
 * ------------------------------------------------------------------ */

/* Mostly small, as what a compiler or a runtime asks for. */
static unsigned made_bytes(uint64_t *seed)
{
  uint64_t bits = bench_random(seed);
  unsigned most = bits % 32 == 0 ? 2048 : bits % 8 == 0 ? 512 : 96;
  return (unsigned)(bits >> 8) % most + 1;
}

void bench_make_trace(FILE *out, uint64_t seed, unsigned steps)
{
  bool is_held[MADE_LIVE] = {false};
  fprintf(out, "# made up: seed %llu, %u steps\n", (unsigned long long)seed,
          steps);
  for (unsigned i = 0; i < steps; i++) {
    unsigned id = (unsigned)(bench_random(&seed) % MADE_LIVE);
    if (is_held[id])
      fprintf(out, "f %u\n", id);
    else
      fprintf(out, "a %u %u\n", id, made_bytes(&seed));
    is_held[id] = !is_held[id];
  }
}
