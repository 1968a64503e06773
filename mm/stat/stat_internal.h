/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memory manager counts and times.  A heap owns one mm_stat; the
 * collector reports to it, stat_report.c prints it for --stats.
 *
 * Order of calls in a collection (checked by MM_ASSERT in stat.c):
 *
 *   mm_stat_stop_begin      the collector asks the mutators to stop
 *   mm_stat_stop_end        all have, and which of them was the last
 *   mm_stat_collection_begin   the pause proper, which counts from there
 *     mm_stat_phase_begin, mm_stat_phase_end     for each phase, unnested
 *     mm_stat_collection_kind    as soon as it is chosen; again if it changes
 *   mm_stat_collection_end     before the mutators run on: writes the log line
 *
 * Counters may be added to by any thread (relaxed atomics); everything else
 * is written by the thread that runs the collection, with the world stopped,
 * and read by it, or after the world has been stopped.
 *
 * Equation (tests/unit/test_mm_stat.c holds it against a heap walk):
 *   allocated_bytes - freed_bytes = bytes of the objects that a walk finds
 *
 * Next: histogram.h, log.h, counters.def, phases.def.
 */
#ifndef MM_STAT_STAT_INTERNAL_H
#define MM_STAT_STAT_INTERNAL_H

#include "mm/mm.h"
#include "mm/stat/histogram.h"
#include "mm/stat/log.h"
#include "mm/stat/utilisation_internal.h"

enum mm_counter {
#define MM_COUNTER(NAME, key, unit, text) MM_COUNT_##NAME,
#include "mm/stat/counters.def"
  MM_COUNTER_COUNT
};

enum mm_phase {
#define MM_PHASE(NAME, key, text) MM_PHASE_##NAME,
#include "mm/stat/phases.def"
  MM_PHASE_COUNT
};

/* How a collection reclaims. */
enum mm_collection_kind {
  MM_COLLECTION_EVACUATE, /* copies what lives, frees the rest at once */
  MM_COLLECTION_COMPACT,  /* slides what lives down, in place */
  MM_COLLECTION_SWEEP,    /* marks what lives, leaves it where it is */
  MM_COLLECTION_YOUNG,    /* of the young objects alone */
  MM_COLLECTION_MIXED,    /* and of some old regions, which a cycle chose */
  MM_COLLECTION_START,    /* of a cycle: takes the roots down, frees nothing */
  MM_COLLECTION_FINISH,   /* of a cycle: marks the rest, sweeps */
  MM_COLLECTION_CLEANUP, /* of a cycle that cleared references: sweeps */
  MM_COLLECTION_KIND_COUNT
};

/* The heap as the collector sees it at the borders of a collection. */
struct mm_stat_heap {
  uint64_t used_bytes;      /* in regions that are not free */
  uint64_t committed_bytes; /* that may be used before the heap has to grow:
                               the size in parentheses in the log */
  uint64_t live_bytes;      /* of objects, exact, at the end of a collection;
                               0 at its begin */
  uint64_t live_objects;    /* the same in objects */
};

/* One collection, the running or the last one. */
struct mm_stat_collection {
  uint64_t number; /* the N of "GC(N)", counted from 0 */
  enum mm_cause cause;
  enum mm_collection_kind kind;
  bool active;
  uint64_t stop_ns; /* from the request until all had stopped */
  uint64_t begin_ns;
  uint64_t pause_ns;
  uint64_t phases_ns[MM_PHASE_COUNT];
  struct mm_stat_heap before, after;
};

struct mm_stat_phase {
  uint64_t count, total_ns, max_ns;
};

/* How long the mutators took to stop, and who kept the others waiting. */
enum { MM_PLACE_BYTES = 96 };
struct mm_stat_stop {
  uint64_t ns;
  uint32_t mutator;           /* the id of the last one; 0: nobody had to be
                                 waited for */
  char place[MM_PLACE_BYTES]; /* where it stopped; "" when it is not known */
};

/* What young collections did with objects of one age: those that survived so
   many of them. */
enum { MM_STAT_AGES = 16 };
struct mm_stat_age {
  uint64_t seen_bytes;     /* that the collections found in its regions */
  uint64_t survived_bytes; /* of them, as young ones one older */
  uint64_t promoted_bytes; /* of them, as old ones */
};

/* Memory over time: between two looks it is taken to change evenly. */
struct mm_footprint {
  uint64_t first_ns, last_ns, last_bytes, peak_bytes;
  double byte_ns; /* the integral */
};

struct mm_stat {
  struct mm_log log;
  uint64_t start_ns;
  uint64_t counters[MM_COUNTER_COUNT]; /* relaxed atomics */
  uint64_t collections;                /* relaxed atomic: ended ones */
  uint64_t forced;                     /* relaxed atomic: by stress */
  uint64_t by_cause[MM_CAUSE_COUNT];
  uint64_t allocated_then_bytes; /* allocated when the last one ended */
  uint64_t live_then_bytes;      /* and alive */
  uint64_t peak_used_bytes;      /* highest at a collection's begin or end */
  uint64_t peak_committed_bytes;
  uint64_t stop_asked_ns, stop_ended_ns;
  uint64_t processor_began_ns; /* when all had stopped */
  uint64_t phase_began_ns;
  int phase; /* running enum mm_phase, or -1 */
  struct mm_stat_collection current;
  struct mm_stat_phase phases[MM_PHASE_COUNT];
  struct mm_histogram pauses[MM_COLLECTION_KIND_COUNT];
  struct mm_histogram processor; /* time that pauses had a processor */
  struct mm_histogram stops;     /* times to safepoint */
  struct mm_histogram stalls;    /* under the heap lock: allocations that waited
                                 for room */
  struct mm_histogram paces;     /* the same: those that were slowed down */
  struct mm_stat_stop last_stop, longest_stop;
  struct mm_utilisation utilisation; /* pauses, and the times to stop */
  struct mm_stat_phase concurrent;   /* relaxed atomics: work of the collector
                                        beside the mutators */
  struct mm_stat_age ages[MM_STAT_AGES];
  struct mm_footprint footprint;
  void (*at_border)(struct mm_stat *stat); /* called where a phase begins and
                                              where it ends; may be null */
};

/* Nanoseconds of the monotonic clock. */
uint64_t mm_stat_now_ns(void);

/* For how long this thread has had a processor. */
uint64_t mm_stat_processor_ns(void);

/* If not null, a clock that the calling thread goes by instead; a look at it
   moves it, so that who waits for a time to come sees it come. */
enum { MM_STAT_LOOK_NS = 100 };
extern _Thread_local uint64_t *mm_stat_clock_ns;

/* Zeroes everything and starts the clock.  `out` may be null. */
void mm_stat_init(struct mm_stat *stat, FILE *out, int log_level);

static inline void mm_stat_count(struct mm_stat *stat, enum mm_counter counter,
                                 uint64_t amount)
{
  __atomic_fetch_add(&stat->counters[counter], amount, __ATOMIC_RELAXED);
}

static inline uint64_t mm_stat_counter(const struct mm_stat *stat,
                                       enum mm_counter counter)
{
  return __atomic_load_n(&stat->counters[counter], __ATOMIC_RELAXED);
}

/* The collector begins to stop the mutators. */
void mm_stat_stop_begin(struct mm_stat *stat);

/* All have stopped, `mutator' (an id) last; 0: none had to. */
void mm_stat_stop_end(struct mm_stat *stat, uint32_t mutator);

/* Is it worth asking where it stopped?  Then say so, after mm_stat_stop_end. */
bool mm_stat_wants_place(const struct mm_stat *stat);
void mm_stat_stop_place(struct mm_stat *stat, const char *place);

/* An allocation found no room and waited.  Under the heap lock. */
static inline void mm_stat_stall(struct mm_stat *stat, uint64_t ns)
{
  mm_histogram_add(&stat->stalls, ns);
}

/* One was slowed down, so that none has to.  Under the heap lock. */
static inline void mm_stat_pace(struct mm_stat *stat, uint64_t ns)
{
  mm_histogram_add(&stat->paces, ns);
}

/* The collector did something beside the mutators.  Any thread. */
void mm_stat_concurrent(struct mm_stat *stat, uint64_t ns);

/* A young collection found `seen' bytes in regions of this age (those above
   the last are counted as it); so many lived and stayed young, or became
   old. */
void mm_stat_survival(struct mm_stat *stat, unsigned age, uint64_t seen_bytes,
                      uint64_t survived_bytes, uint64_t promoted_bytes);

/* So much memory is committed to objects now. */
void mm_stat_footprint(struct mm_stat *stat, uint64_t now_ns, uint64_t bytes);

/* Its mean over time, so far. */
uint64_t mm_stat_footprint_mean(const struct mm_stat *stat);

/*
 * All mutators have stopped.  `forced`: by stress, and counted as such.  The
 * bytes allocated so far have been added to MM_COUNT_ALLOCATED_BYTES.
 */
void mm_stat_collection_begin(struct mm_stat *stat, enum mm_cause cause,
                              bool forced, const struct mm_stat_heap *before);

void mm_stat_collection_kind(struct mm_stat *stat,
                             enum mm_collection_kind kind);

void mm_stat_phase_begin(struct mm_stat *stat, enum mm_phase phase);
void mm_stat_phase_end(struct mm_stat *stat, enum mm_phase phase);

/*
 * Ends the record: adds the pause to its histogram, works out the bytes
 * freed (live at the last end + allocated since - live now) and writes the
 * log line.
 */
void mm_stat_collection_end(struct mm_stat *stat,
                            const struct mm_stat_heap *after);

/* The heap's peak may have grown outside of a collection. */
void mm_stat_note_used(struct mm_stat *stat, uint64_t used_bytes,
                       uint64_t committed_bytes);

const char *mm_cause_name(enum mm_cause cause); /* "Allocation Failure" */
const char *mm_collection_kind_name(enum mm_collection_kind kind);
const char *mm_phase_name(enum mm_phase phase);

#endif
