/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum mutator utilisation; see utilisation_internal.h.
 */
#include "config.h"

#include "mm/stat/utilisation_internal.h"

#include "mm/assert_internal.h"

#include <string.h>

#define MS_NS UINT64_C(1000000)

static const uint64_t windows_ns[MM_WINDOW_COUNT] = {
    [MM_WINDOW_1_MS] = 1 * MS_NS,
    [MM_WINDOW_10_MS] = 10 * MS_NS,
    [MM_WINDOW_100_MS] = 100 * MS_NS,
};

uint64_t mm_window_ns(enum mm_window window)
{
  return windows_ns[window];
}

void mm_utilisation_init(struct mm_utilisation *utilisation)
{
  memset(utilisation, 0, sizeof *utilisation);
}

static uint64_t later(uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

/* Takes `from' spans out, the oldest ones. */
static void take_out(struct mm_utilisation *utilisation, uint32_t from)
{
  utilisation->count -= from;
  memmove(utilisation->spans, utilisation->spans + from,
          utilisation->count * sizeof *utilisation->spans);
}

/* Forgets what no window can reach any more that ends at `end_ns' or later. */
static void forget(struct mm_utilisation *utilisation, uint64_t end_ns)
{
  uint64_t most_ns = windows_ns[MM_WINDOW_COUNT - 1];
  uint32_t gone = 0;
  while (gone < utilisation->count &&
         utilisation->spans[gone].end_ns + most_ns <= end_ns)
    gone++;
  take_out(utilisation, gone);
}

/* Joins the older half by twos. */
static void join_older(struct mm_utilisation *utilisation)
{
  struct mm_span_ns *spans = utilisation->spans;
  uint32_t half = utilisation->count / 2, quarter = half / 2;
  for (uint32_t i = quarter; i-- > 0;) {
    const struct mm_span_ns *first = &spans[2 * i], *second = first + 1;
    spans[quarter + i] = (struct mm_span_ns){
        first->begin_ns, second->end_ns, first->paused_ns + second->paused_ns};
  }
  take_out(utilisation, quarter);
}

/* Makes room for one more. */
static void make_room(struct mm_utilisation *utilisation, uint64_t end_ns)
{
  if (utilisation->count < MM_SPANS_MOST)
    return;
  forget(utilisation, end_ns);
  if (utilisation->count == MM_SPANS_MOST)
    join_older(utilisation);
}

/* How much of the window that ends with the last pause was paused. */
static uint64_t paused_ns(const struct mm_utilisation *utilisation,
                          uint64_t window_ns)
{
  const struct mm_span_ns *spans = utilisation->spans;
  uint64_t end_ns = spans[utilisation->count - 1].end_ns, sum_ns = 0;
  uint64_t start_ns = end_ns > window_ns ? end_ns - window_ns : 0;
  for (uint32_t i = utilisation->count; i-- > 0;) {
    if (spans[i].end_ns <= start_ns)
      break;
    uint64_t inside_ns = spans[i].end_ns - later(spans[i].begin_ns, start_ns);
    sum_ns += inside_ns < spans[i].paused_ns ? inside_ns : spans[i].paused_ns;
  }
  MM_ASSERT(sum_ns <= window_ns);
  return sum_ns;
}

void mm_utilisation_add(struct mm_utilisation *utilisation, uint64_t begin_ns,
                        uint64_t end_ns)
{
  struct mm_span_ns *spans = utilisation->spans;
  if (utilisation->count > 0)
    begin_ns = later(begin_ns, spans[utilisation->count - 1].end_ns);
  if (begin_ns >= end_ns)
    return;
  make_room(utilisation, end_ns);
  spans[utilisation->count++] =
      (struct mm_span_ns){begin_ns, end_ns, end_ns - begin_ns};
  for (int i = 0; i < MM_WINDOW_COUNT; i++)
    utilisation->worst_ns[i] =
        later(utilisation->worst_ns[i], paused_ns(utilisation, windows_ns[i]));
}

uint64_t mm_utilisation_share(const struct mm_utilisation *utilisation,
                              enum mm_window window)
{
  uint64_t window_ns = windows_ns[window];
  return (window_ns - utilisation->worst_ns[window]) * 100000 / window_ns;
}

bool mm_utilisation_check(const struct mm_utilisation *utilisation)
{
  uint64_t before_ns = 0;
  if (utilisation->count > MM_SPANS_MOST)
    return false;
  for (uint32_t i = 0; i < utilisation->count; i++) {
    const struct mm_span_ns *span = &utilisation->spans[i];
    if (span->begin_ns < before_ns || span->end_ns <= span->begin_ns ||
        span->paused_ns == 0 || span->paused_ns > span->end_ns - span->begin_ns)
      return false;
    before_ns = span->end_ns;
  }
  for (int i = 0; i < MM_WINDOW_COUNT; i++)
    if (utilisation->worst_ns[i] > windows_ns[i])
      return false;
  return true;
}
