/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram of durations in nanoseconds, of fixed size.
 *
 *   value      0 .. 31 | 32 .. 63 | 64 .. 127 | 128 .. 255 | ...
 *   bucket of      1   |     1    |     2     |      4     |     ns wide
 *
 * Each power of two is cut into MM_HISTOGRAM_SUB equal buckets, so that any
 * value is known to within 1/32 of itself from the first nanosecond to the
 * last of 64 bits.  Adding is O(1) and allocates nothing.
 *
 * Invariants: the buckets' counts sum up to `count`; min <= max when count is
 * not 0 (mm_histogram_check).  Not thread safe: a heap's histograms are
 * written by the thread that runs the collection, with the world stopped.
 *
 * After HdrHistogram (Gil Tene, 2012).  Next: mm/stat/stat_internal.h.
 */
#ifndef MM_STAT_HISTOGRAM_H
#define MM_STAT_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
  MM_HISTOGRAM_SUB_LOG2 = 5,
  MM_HISTOGRAM_SUB = 1 << MM_HISTOGRAM_SUB_LOG2,
  MM_HISTOGRAM_BUCKETS = (64 - MM_HISTOGRAM_SUB_LOG2 + 1) * MM_HISTOGRAM_SUB,
};

struct mm_histogram {
  uint64_t count;
  uint64_t total_ns;
  uint64_t min_ns; /* of no meaning while count is 0 */
  uint64_t max_ns;
  uint64_t buckets[MM_HISTOGRAM_BUCKETS];
};

void mm_histogram_init(struct mm_histogram *histogram);

void mm_histogram_add(struct mm_histogram *histogram, uint64_t ns);

/* Adds all values of `from`. */
void mm_histogram_merge(struct mm_histogram *histogram,
                        const struct mm_histogram *from);

/*
 * The least value that is not below `percent` of all values, rounded up to
 * the end of its bucket but never above the maximum.  0 when it is empty.
 */
uint64_t mm_histogram_percentile(const struct mm_histogram *histogram,
                                 double percent);

/* The arithmetic mean, rounded down; 0 when it is empty. */
uint64_t mm_histogram_mean(const struct mm_histogram *histogram);

/* Does the structure hold its invariants? */
bool mm_histogram_check(const struct mm_histogram *histogram);

#endif
