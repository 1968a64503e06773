/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log-linear histogram; see histogram.h for its shape.
 *
 * Bucket of a value v >= MM_HISTOGRAM_SUB with highest bit h:
 *
 *   shift = h - SUB_LOG2          how many low bits are dropped
 *   index = shift * SUB + (v >> shift)
 *
 * v >> shift is in SUB .. 2 * SUB - 1, so that the index goes on without a
 * gap from one power of two to the next.
 */
#include "config.h"

#include "mm/stat/histogram.h"

#include <string.h>

static unsigned shift_of(uint64_t ns)
{
  unsigned high = 63 - (unsigned)__builtin_clzll(ns | 1);
  return high > MM_HISTOGRAM_SUB_LOG2 ? high - MM_HISTOGRAM_SUB_LOG2 : 0;
}

static unsigned bucket_of(uint64_t ns)
{
  unsigned shift = shift_of(ns);
  return shift * MM_HISTOGRAM_SUB + (unsigned)(ns >> shift);
}

/* The greatest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
  if (bucket < 2 * MM_HISTOGRAM_SUB)
    return bucket;
  unsigned shift = bucket / MM_HISTOGRAM_SUB - 1;
  uint64_t first = bucket - (uint64_t)shift * MM_HISTOGRAM_SUB;
  return (first << shift) + (((uint64_t)1 << shift) - 1);
}

void mm_histogram_init(struct mm_histogram *histogram)
{
  memset(histogram, 0, sizeof *histogram);
}

void mm_histogram_add(struct mm_histogram *histogram, uint64_t ns)
{
  if (histogram->count == 0 || ns < histogram->min_ns)
    histogram->min_ns = ns;
  if (ns > histogram->max_ns)
    histogram->max_ns = ns;
  histogram->count++;
  histogram->total_ns += ns;
  histogram->buckets[bucket_of(ns)]++;
}

void mm_histogram_merge(struct mm_histogram *histogram,
                        const struct mm_histogram *from)
{
  if (from->count == 0)
    return;
  if (histogram->count == 0 || from->min_ns < histogram->min_ns)
    histogram->min_ns = from->min_ns;
  if (from->max_ns > histogram->max_ns)
    histogram->max_ns = from->max_ns;
  histogram->count += from->count;
  histogram->total_ns += from->total_ns;
  for (unsigned i = 0; i < MM_HISTOGRAM_BUCKETS; i++)
    histogram->buckets[i] += from->buckets[i];
}

/* The rank, counted from 1, that a percentile asks for. */
static uint64_t rank_of(uint64_t count, double percent)
{
  double exact = (double)count * percent / 100.0;
  uint64_t rank = (uint64_t)exact;
  if ((double)rank < exact)
    rank++;
  if (rank == 0)
    return 1;
  return rank < count ? rank : count;
}

uint64_t mm_histogram_percentile(const struct mm_histogram *histogram,
                                 double percent)
{
  if (histogram->count == 0)
    return 0;
  uint64_t rank = rank_of(histogram->count, percent);
  uint64_t seen = 0;
  unsigned i = 0;
  while ((seen += histogram->buckets[i]) < rank)
    i++;
  uint64_t end = bucket_end(i);
  return end < histogram->max_ns ? end : histogram->max_ns;
}

uint64_t mm_histogram_mean(const struct mm_histogram *histogram)
{
  return histogram->count ? histogram->total_ns / histogram->count : 0;
}

bool mm_histogram_check(const struct mm_histogram *histogram)
{
  uint64_t sum = 0;
  for (unsigned i = 0; i < MM_HISTOGRAM_BUCKETS; i++)
    sum += histogram->buckets[i];
  return sum == histogram->count &&
         (sum == 0 || histogram->min_ns <= histogram->max_ns);
}

_Static_assert(MM_HISTOGRAM_BUCKETS ==
                   (63 - MM_HISTOGRAM_SUB_LOG2) * MM_HISTOGRAM_SUB +
                       2 * MM_HISTOGRAM_SUB,
               "the last bucket ends at the greatest 64-bit value");
