/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large the heap may be until the next collection of all objects: what
 * stands behind --heap-growth.  sizing.c asks once per such collection.
 *
 *   PERCENT     limit = PERCENT of what lives
 *   balance:N   limit = what lives + reserve + E, and E is what pays
 *
 * Let L bytes live, the program allocate g bytes per second of its own time,
 * and the collector deal with s bytes of live objects per second.  With E bytes
 * beyond L there is a collection per E/g seconds, and it takes L/s.  Of the
 * program's time that is
 *
 *   share(E) = (L/s) / (E/g) = L g / (s E)
 *
 * Let one byte of memory be worth the share c of the time.  The sum of what
 * both cost, share(E) + c E, is least where its derivative is 0:
 *
 *   E = sqrt(L g / (c s))
 *
 * So a program that allocates twice as fast gets the square root of 2 times as
 * much room, and one with four times as much alive twice as much: large heaps
 * grow by a smaller part of themselves than small ones.  Heaps that share a
 * machine and a c are in balance: no byte of one would save more time in
 * another.  That is MemBalancer (Kirisame, Shenoy, Panchekha, "Optimal heap
 * limits for reducing browser memory use", 2022), with these differences:
 *
 *   rates are taken at collections, not once a second: nothing runs here while
 *   the program sleeps, so a heap does not shrink in its sleep either;
 *
 *   with generations, what fills E is not what is allocated but what becomes
 *   old.  Young collections share E: while they take all the room there is, an
 *   allocated byte takes two of E, one for itself and one for its copy.  In
 *   general, with costs of t[i] for each time that r[i] bytes per second have
 *   filled E, share(E) = sum(t[i] r[i]) / E, so
 *
 *   E = sqrt(sum(t[i] r[i]) / c)
 *
 *   and the formula above is the case of one i.  Where --young or --pause-goal
 *   settles how large the young generation is, its room is added to E instead;
 *
 *   the collector may take as long as the program, but not longer: E is at
 * least sum(t[i] r[i]), where the share is 1.  The paper weighs heaps against
 * each other; a heap that is large and alone would be starved by c;
 *
 *   a cycle needs room for what is allocated until it gives something back: E
 *   is never less;
 *
 *   a compaction counts as the evacuation of the same objects would have, or
 *   heaps would take turns between small with compaction, large with
 *   evacuation.
 *
 * Rates are ratios of two sums, of amounts and of times, in which each
 * collection counts half as much as the one after it: a single sample that is
 * off by a tenth moves E by some two hundredths, and a change of the program's
 * ways is nearly all seen after three collections.
 *
 * World stopped, by the thread that collects.  Next: growth.c, sizing.c.
 */
#ifndef MM_GROWTH_INTERNAL_H
#define MM_GROWTH_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

struct mm_heap;

/* How many bytes, or how often, in how long; smoothed. */
struct mm_rate {
  double amount, ns;
};

/* What happened from one collection of all objects to the end of the next. */
struct mm_growth_sample {
  uint64_t program_ns;      /* of the program's own time */
  uint64_t allocated_bytes; /* in it */
  uint64_t filled_bytes;    /* of the room beyond L: what was allocated, or
                               with generations what became old */
  uint64_t live_bytes;      /* L, what the collection left */
  uint64_t collection_ns;   /* what it took, beside the program or not */
  uint64_t young_count;     /* young collections before it ... */
  uint64_t young_ns;        /* ... and what they took */
};

/* The counters of the heap, when the last sample was taken. */
struct mm_growth_reading {
  uint64_t now_ns, program_ns, collection_ns, young_ns, young_count;
  uint64_t allocated_bytes;
};

struct mm_growth {
  struct mm_rate allocation; /* bytes allocated: a */
  struct mm_rate filling;    /* bytes that filled E: g */
  struct mm_rate collection; /* bytes dealt with: s */
  struct mm_rate young;      /* young collections */
  struct mm_growth_reading last;
  uint64_t left_bytes; /* alive then */
};

void mm_growth_learn(struct mm_growth *growth,
                     const struct mm_growth_sample *sample);

/*
 * E for so many live bytes, with a MiB worth `price` millionths of the time.
 * `shared`: young collections take all the room there is.  0 until something
 * was learnt.
 */
uint64_t mm_growth_extra(const struct mm_growth *growth, uint64_t live_bytes,
                         unsigned price, bool shared);

/* Of the bytes that are allocated, the part that fills E; 1 until something was
   learnt. */
double mm_growth_filling(const struct mm_growth *growth);

/* What fills E, in bytes per nanosecond of the program's own time. */
double mm_growth_filling_rate(const struct mm_growth *growth);

/* What a collection of all objects left. */
struct mm_growth_need {
  uint64_t live_bytes; /* of objects */
  uint32_t live;       /* regions that they take */
  uint32_t reserve;    /* regions to be kept free for copies */
  uint32_t young; /* wanted by --young or --pause-goal; UINT32_MAX: as many as
                     there is room for; 0: there are no generations */
};

/*
 * The limit in regions by the options of the heap, from heap_min to heap_max.
 * To be asked once per collection: takes a sample.
 */
uint32_t mm_growth_limit(struct mm_heap *heap,
                         const struct mm_growth_need *need);

#endif
