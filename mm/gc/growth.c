/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule by which the heap grows; it is derived in growth_internal.h.
 *
 *   counters of mm/stat --read--> reading --minus the last--> sample
 *   sample --learn--> rates --extra--> E --> limit
 *
 * The clock is read in one place, read_counters(), and the other times come
 * from mm/stat, which has it from mm_stat_now_ns() too.
 */
#include "config.h"

#include "mm/gc/growth_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/sizing_internal.h"

enum {
  LEAST_FRACTION = 8, /* of what lives: E is at least that, or collections
                         would follow each other at once */
  LEAST_REGIONS = 1,
  CYCLE_MARGIN = 3, /* times what is allocated until a cycle gives something
                       back: it starts when there is twice as much left, and has
                       to have been idle before */
  COPIES = 2,       /* bytes of E that a young one takes */
};

static const double SMOOTHING = 0.5; /* what a sample counts after the next */
static const double MIB = 1 << 20, MILLION = 1e6;
static const double MOST_BYTES = 1e15; /* more than any heap may have */

/* Rates ---------------------------------------------------------------------
 */

static void rate_add(struct mm_rate *rate, uint64_t amount, uint64_t ns)
{
  rate->amount = rate->amount * SMOOTHING + (double)amount;
  rate->ns = rate->ns * SMOOTHING + (double)ns;
}

/* Per nanosecond. */
static double rate_of(const struct mm_rate *rate)
{
  return rate->amount / (rate->ns + 1);
}

/* How long one unit takes. */
static double time_of(const struct mm_rate *rate)
{
  return rate->amount > 0 ? rate->ns / rate->amount : 0;
}

void mm_growth_learn(struct mm_growth *growth,
                     const struct mm_growth_sample *sample)
{
  rate_add(&growth->allocation, sample->allocated_bytes, sample->program_ns);
  rate_add(&growth->filling, sample->filled_bytes, sample->program_ns);
  rate_add(&growth->collection, sample->live_bytes, sample->collection_ns);
  rate_add(&growth->young, sample->young_count, sample->young_ns);
}

/* By Heron of Alexandria's method; the memory manager does without libm. */
static double root(double square)
{
  if (square < 1)
    return 0;
  double guess = square, next = (square + 1) / 2;
  while (next < guess) {
    guess = next;
    next = (guess + square / guess) / 2;
  }
  return guess;
}

uint64_t mm_growth_extra(const struct mm_growth *growth, uint64_t live_bytes,
                         unsigned price, bool shared)
{
  MM_ASSERT(price > 0);
  double full_ns = (double)live_bytes * time_of(&growth->collection);
  double sum = full_ns * rate_of(&growth->filling);
  if (shared)
    sum += time_of(&growth->young) * rate_of(&growth->allocation) * COPIES;
  double share_per_byte = price / MILLION / MIB;
  double extra = root(sum / share_per_byte);
  if (extra < sum) /* a share of 1 */
    extra = sum;
  return extra < MOST_BYTES ? (uint64_t)extra : (uint64_t)MOST_BYTES;
}

double mm_growth_filling(const struct mm_growth *growth)
{
  double allocated = growth->allocation.amount, filled = growth->filling.amount;
  return filled < allocated ? filled / allocated : 1;
}

double mm_growth_filling_rate(const struct mm_growth *growth)
{
  return rate_of(&growth->filling);
}

/* Samples -------------------------------------------------------------------
 */

/* In pauses of all kinds but young ones, the running one up to now included. */
static uint64_t paused_ns(const struct mm_stat *stat, uint64_t now_ns)
{
  uint64_t sum = stat->current.active ? now_ns - stat->current.begin_ns : 0;
  for (int kind = 0; kind < MM_COLLECTION_KIND_COUNT; kind++)
    if (kind != MM_COLLECTION_YOUNG)
      sum += stat->pauses[kind].total_ns;
  return sum;
}

static struct mm_growth_reading read_counters(const struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  const struct mm_histogram *young = &stat->pauses[MM_COLLECTION_YOUNG];
  uint64_t now_ns = mm_stat_now_ns(), paused = paused_ns(stat, now_ns);
  return (struct mm_growth_reading){
      .now_ns = now_ns,
      .program_ns = now_ns - stat->start_ns - paused - young->total_ns,
      .collection_ns = paused + __atomic_load_n(&stat->concurrent.total_ns,
                                                __ATOMIC_RELAXED),
      .young_ns = young->total_ns,
      .young_count = young->count,
      .allocated_bytes = mm_stat_counter(stat, MM_COUNT_ALLOCATED_BYTES),
  };
}

/* What became old: all that the last young collection left was taken to live,
   and more cannot have been filled than was allocated. */
static uint64_t became_old_bytes(const struct mm_heap *heap,
                                 uint64_t allocated_bytes)
{
  uint64_t then = heap->sizing.growth.left_bytes;
  uint64_t now = heap->stat.live_then_bytes;
  uint64_t more = now > then ? now - then : 0;
  return more < allocated_bytes ? more : allocated_bytes;
}

static struct mm_growth_sample
sample_between(const struct mm_growth_reading *then,
               const struct mm_growth_reading *now)
{
  return (struct mm_growth_sample){
      .program_ns = now->program_ns - then->program_ns,
      .allocated_bytes = now->allocated_bytes - then->allocated_bytes,
      .collection_ns = now->collection_ns - then->collection_ns,
      .young_count = now->young_count - then->young_count,
      .young_ns = now->young_ns - then->young_ns,
  };
}

static void take_sample(struct mm_heap *heap, uint64_t live_bytes)
{
  struct mm_growth *growth = &heap->sizing.growth;
  struct mm_growth_reading now = read_counters(heap);
  struct mm_growth_sample sample = sample_between(&growth->last, &now);
  sample.live_bytes = live_bytes;
  sample.filled_bytes = sample.allocated_bytes;
  if (mm_is_generational(heap))
    sample.filled_bytes = became_old_bytes(heap, sample.allocated_bytes);
  if (heap->stat.current.kind == MM_COLLECTION_COMPACT)
    sample.collection_ns /= MM_COMPACTION_COST;
  mm_growth_learn(growth, &sample);
  growth->last = now;
  growth->left_bytes = live_bytes;
}

/* Limits --------------------------------------------------------------------
 */

/* Of a cycle: what has to be free for it. */
static uint64_t least_extra(const struct mm_heap *heap, uint64_t live_bytes)
{
  double rate = rate_of(&heap->sizing.growth.filling);
  uint64_t least = live_bytes / LEAST_FRACTION;
  double cycle = CYCLE_MARGIN * rate * (double)mm_cycle_expected_ns(heap);
  if (cycle > MOST_BYTES)
    cycle = MOST_BYTES;
  return (double)least > cycle ? least : (uint64_t)cycle;
}

static uint64_t by_balance(struct mm_heap *heap,
                           const struct mm_growth_need *need)
{
  bool shared = need->young == UINT32_MAX;
  uint64_t extra = mm_growth_extra(&heap->sizing.growth, need->live_bytes,
                                   heap->options.growth_price, shared);
  uint64_t least = least_extra(heap, need->live_bytes);
  if (extra < least)
    extra = least;
  uint64_t young = shared ? 0 : (uint64_t)need->young * COPIES;
  return need->live + need->reserve + young + (extra >> MM_REGION_LOG2) +
         LEAST_REGIONS;
}

static uint64_t by_percent(const struct mm_heap *heap,
                           const struct mm_growth_need *need)
{
  return (uint64_t)heap->options.growth_percent * need->live / 100 + 1;
}

static void log_limit(const struct mm_heap *heap, uint64_t limit)
{
  const struct mm_growth *growth = &heap->sizing.growth;
  char text[MM_LOG_SIZE_BYTES];
  mm_log_write(&heap->stat.log, MM_LOG_DEBUG, "gc,heap",
               "GC(%llu) Limit %s, filled by %.1fM/s, collected by %.1fM/s",
               (unsigned long long)heap->stat.current.number,
               mm_log_size(limit << MM_REGION_LOG2, text),
               rate_of(&growth->filling) * 1e9 / MIB,
               rate_of(&growth->collection) * 1e9 / MIB);
}

uint32_t mm_growth_limit(struct mm_heap *heap,
                         const struct mm_growth_need *need)
{
  const struct mm_sizing *sizing = &heap->sizing;
  take_sample(heap, need->live_bytes);
  uint64_t limit = heap->options.growth == MM_GROWTH_BALANCE
                       ? by_balance(heap, need)
                       : by_percent(heap, need);
  if (limit < sizing->min_regions)
    limit = sizing->min_regions;
  if (limit > sizing->max_regions)
    limit = sizing->max_regions;
  log_limit(heap, limit);
  return (uint32_t)limit;
}
