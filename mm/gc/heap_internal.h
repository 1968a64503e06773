/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap: everything that belongs to one instance of the memory manager.
 *
 *   regions      the reservation, 128 KiB at a time, and its descriptors
 *   marks        a bit per 8 bytes: a live object starts here (valid from the
 *                mark phase of a collection to its end; an evacuation keeps
 *                them for large and non-moving objects only)
 *                For the fixed spaces they stay until a run or region is
 *                swept.
 *   starts       a bit per 8 bytes: an object starts in a slot here
 *   runs         descriptors of runs of slots, 16 per region
 *   blocks       per 512 bytes, while compacting: see compact_internal.h
 *   traces       per region one byte: what a reference into it means to the
 *                collector, and to barriers (enum mm_trace)
 *
 * Locks, in the order in which they are taken
 *   lock              mutators, states, stopping, requests, regions,
 *                     allocation spaces
 *   metadata.lock     the metadata arena
 *   code.lock         the code space
 *   compiler.lock     the chunks of compilations
 *   workers.lock      goals of the worker threads
 *   ids.lock          ids of objects
 *   handles.lock      chunks of handles, global handles, pins
 *   deaths.lock       objects whose languages want to know when they die
 *   logs.lock         spare and full logs of barriers; a leaf, which is also
 *                     taken under space_lock
 *   schedule.lock     whose turn it is (options.deterministic)
 * With the world stopped, the collecting thread owns everything that `lock`
 * guards without holding it; workers that need regions then take space_lock.
 *
 * Read next: collect.c (a collection from begin to end), safepoint.c.
 */
#ifndef MM_HEAP_INTERNAL_H
#define MM_HEAP_INTERNAL_H

#include "mm/alloc/arena.h"
#include "mm/alloc/bump_internal.h"
#include "mm/gc/growth_internal.h"
#include "mm/gc/ids_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/gc/schedule_internal.h"
#include "mm/mm.h"
#include "mm/reference.h"
#include "mm/refs/deaths_internal.h"
#include "mm/refs/handles_internal.h"
#include "mm/refs/pins_internal.h"
#include "mm/space/code_internal.h"
#include "mm/space/compiler_internal.h"
#include "mm/space/fixed_internal.h"
#include "mm/space/region_internal.h"
#include "mm/stat/stat_internal.h"

#include <pthread.h>

/* So much of the heap, from its start, does without huge pages; and so many
   groups are opened ahead of the program where they can be touched. */
enum { MM_SMALL_PAGES_BYTES = 4 << 20, MM_GROUPS_AHEAD = 5 };

/* What tracing does with a reference into a region; and between collections
   barriers are to note one that is stored if it is not NOTHING. */
enum mm_trace {
  MM_TRACE_NOTHING,   /* to-space while evacuating; old, if only young objects
                         are collected */
  MM_TRACE_YOUNG,     /* the same, to-space of young objects; young */
  MM_TRACE_CANDIDATE, /* the same: old, but to be evacuated later */
  MM_TRACE_MOVE,      /* evacuate, or forward by the block table */
  MM_TRACE_MARK,      /* stays where it is: mark bit */
};

struct mm_block {
  uint64_t live;         /* a bit per live granule of the 512 bytes */
  uint32_t target;       /* granule where the first live one goes to */
  uint32_t own_granules; /* of the objects that start in the block */
};

/* Where objects of up to half a region of one age go; see object_internal.h. */
struct mm_object_space {
  uint32_t tlab_region;   /* TLABs are cut from it; or MM_NO_REGION */
  uint32_t medium_region; /* objects too large for TLABs; or MM_NO_REGION */
  uint32_t partial_first; /* regions with room at their end */
};

struct mm_metadata_space {
  pthread_mutex_t lock;
  struct mm_arena_source source;
  struct mm_arena *arena;
  struct mm_bump memory; /* the whole reservation */
  uintptr_t committed;   /* usable up to here */
  uint64_t requested_bytes;
  struct mm_metadata_span *spans;   /* free ones below the cursor, by address */
  struct mm_metadata_arena *arenas; /* that are in use */
  struct mm_metadata_arena *late;   /* destroyed since the last collection of
                                       the whole heap */
  struct mm_metadata_arena *later;  /* and before: free at the end of the next
                                       one */
};

/* See cards_internal.h. */
struct mm_cards {
  uint8_t *bytes;  /* enum mm_card */
  uint8_t *firsts; /* where the first object of a card starts */
  uint8_t *calm;   /* as many, all 0: what barriers look at while no store
                      needs one */
  bool is_calm;
  bool watches_old; /* there are candidates */
  struct mm_barrier_log *full;
  bool overflowed; /* atomic; a dirty card may be on no log */
  uint64_t logged; /* atomic; on whole logs, since the last collection */
  uint64_t most;   /* so many ask for one */
};

/* See barrier_logs_internal.h. */
struct mm_barrier_logs {
  pthread_mutex_t lock;
  struct mm_barrier_log *spare;
  uint32_t spare_count;
  uint32_t keep; /* so many at most are kept as spare ones */
};

/* See candidates_internal.h. */
struct mm_candidates {
  struct mm_candidate *each; /* those with the least to copy first */
  uint32_t count;
  uint32_t next;         /* those before were evacuated */
  bool is_complete;      /* all references to them are known */
  uint64_t unseen_bytes; /* allocated since the last part of the walk */
  uint64_t taken_bytes;  /* lived in those that the last pause took */
  uint64_t taken_ns;     /* what they were expected to take */
  uint64_t caught_ns;    /* that pause had used up before */
  uint32_t behind;       /* pauses in a row that did not catch up */
  bool put_off;          /* the last pause had no time for any */
};

enum mm_cycle_state {
  MM_CYCLE_IDLE,
  MM_CYCLE_MARKING,
  MM_CYCLE_FINALS,   /* all but what the finalizable lead to is marked */
  MM_CYCLE_CLEARING, /* all is marked; references to the dead are cleared */
  MM_CYCLE_SWEEPING, /* also: looks for references to the candidates */
  MM_CYCLE_EVACUATING,
};

/* See cycle_internal.h. */
struct mm_cycle {
  pthread_t thread;
  bool has_thread, quit;
  bool requested; /* atomic */
  enum mm_cycle_state state;
  uint64_t number;        /* atomic; of the cycle, or beyond a given-up one */
  uint64_t ended;         /* cycles that are over, one way or the other */
  uint64_t given;         /* pauses that gave something back */
  uint64_t awaited;       /* the last of them that a mutator waits for */
  uint32_t marker_runs;   /* atomic; a stop waits for it */
  pthread_cond_t wake;    /* the thread: there is something to do */
  pthread_cond_t changed; /* mutators: the state has changed */
  struct mm_worker *marker;
  struct mm_barrier_log *full; /* references that were overwritten */
  bool is_lost;                /* atomic; one of them is on no log */
  enum mm_cycle_state held; /* atomic; tests: the thread waits in this state */
  uint32_t walk_regions;    /* those below are walked */
  uint32_t warm_to;         /* atomic; see warm_internal.h */
  uint64_t warm_after_ns;   /* not before, while there is something to mark */
  uint64_t began_ns, marked_ns;
  uint64_t mark_ns;       /* how long marking takes, learned */
  uint64_t walk_ns;       /* the same of what comes next; regions */
  uint64_t claimed_bytes; /* tenured=freelist: at the start */
};

/* Beside one for each strength: finals that fire, and those that have. */
enum {
  MM_NOTED_FIRING = MM_STRENGTH_COUNT,
  MM_NOTED_FIRED,
  MM_NOTED_ROWS,
};

/* What a cycle's marker discovered of one strength; see noted_internal.h. */
struct mm_noted {
  struct mm_barrier_log *log, *full; /* to be looked at */
  struct mm_barrier_log *at;         /* is being looked at */
  struct mm_barrier_log *kept;       /* was looked at */
  uint64_t count;                    /* on all of them */
};

/* See pending.c. */
struct mm_pending_list {
  struct mm_ref first;   /* atomic; null, or linked */
  struct mm_ref settled; /* one of them: all from here on is old; or null */
};

/* See references_internal.h. */
struct mm_references {
  struct mm_pending_list pending;              /* what the collector found */
  struct mm_pending_list queues[MM_LANGUAGES]; /* what was put aside for each */
  uint64_t taken[MM_LANGUAGES];                /* by each, until now */
  uint32_t clock_ms;     /* atomic; at the last collection of all objects */
  bool clears_soft;      /* all of them: memory is about to be refused */
  struct mm_noted noted[MM_NOTED_ROWS];
  struct mm_ref ready_first, ready_last; /* cleared beside the program, about to
                                            be pending */
  uint64_t cleared[MM_STRENGTH_COUNT];   /* of them */
  uint64_t settled_at;   /* ephemerons looked at, when so much was marked */
  unsigned retries;      /* pauses of the cycle that did not finish it */
  uint64_t soft_life_ms; /* of the cycle: soft ones live so long unused */
  uint64_t few;          /* so many are processed in a pause; tests lower it */
  struct mm_reference_job *job; /* of the running goal */
};

/* Counts of --gc-stress; see stress_internal.h. */
struct mm_stress {
  uint64_t barriers; /* atomic */
  uint64_t cycles;   /* the thread of the cycles */
  uint64_t pieces;   /* and of the running one */
};

struct mm_request;
struct mm_workers;

/* When to collect next, and how; see sizing_internal.h, and of what pauses cost
   pauses_internal.h. */
struct mm_sizing {
  uint32_t min_regions, max_regions;
  uint32_t limit_regions;    /* soft limit of the heap's size */
  uint32_t reserve_regions;  /* of it kept free for evacuation */
  uint32_t survivor_regions; /* small ones after the last collection */
  uint32_t keep_regions;     /* so many stay committed */
  uint64_t budget_bytes;     /* tenured=freelist: to be handed out before the
                                next collection */
  uint64_t start_bytes;      /* concurrent: handed out when a cycle starts */
  uint32_t start_regions;    /* the same with regions: old ones in use */
  uint32_t old_regions;      /* in use when the last cycle ended */
  uint64_t ceiling_bytes;    /* what may be in use while candidates wait */
  uint64_t updated_ns;       /* the last time that this was computed */
  uint64_t allocated_bytes;  /* until then; with regions */
  uint32_t young_regions;    /* generational: so many may be in use when a
                                young collection has to run */
  uint64_t eden_bytes;       /* and so much may have been cut for new objects */
  uint64_t eden_used_bytes;
  uint64_t roots_ns;      /* of the last young collection, for the roots */
  uint64_t roots_cost_ns; /* the same, smoothed */
  uint64_t young_cost_ns; /* of a young collection, per region */
  uint64_t began_ns;      /* this pause, without verification */
  uint64_t card_cost_ns;  /* of a young collection, per card */
  uint64_t mixed_ratio;   /* what candidates take, to what their bytes and cards
                             tell; in 1/256 */
  struct mm_growth growth;
  enum mm_collection_kind next_kind;
  bool was_short;    /* the last evacuation ran out of room */
  unsigned futile;   /* collections in a row that left hardly room */
  bool cleared_soft; /* one of those cleared all soft references */
};

/* Whether new objects are young (generations_internal.h). */
struct mm_generations {
  bool is_on;    /* atomic */
  bool has_left; /* it was off before */
  bool returns;  /* the running collection ends with is_on */
  uint32_t wait; /* atomic; cycles or full collections until they are tried */
  uint32_t next_wait;   /* and after that */
  uint32_t put_off;     /* tries in a row, as a cycle was near */
  uint64_t seen_bytes;  /* of young objects, in this window */
  uint64_t lived_bytes; /* of them */
};

struct mm_heap {
  struct mm_options options; /* as completed by mm_heap_create */
  struct mm_binding binding;
  void *host;
  struct mm_stat stat;

  struct mm_regions regions;
  uint64_t *marks;
  struct mm_block *blocks;
  uint8_t *traces;
  void *tables; /* the mapping that all tables with an entry per region, card,
                   block or granule stand in */
  size_t tables_bytes;

  struct mm_object_space objects[MM_AGE_COUNT];
  struct mm_barrier_logs logs;
  struct mm_cards cards;
  uint32_t *young; /* regions that are young; large ones by their heads */
  uint32_t young_count;
  uint32_t from_count; /* of them, the first: from-space of the collection */
  uint32_t *targets;   /* tenured regions copied to by a young collection */
  uint32_t target_count;
  uint64_t seen_bytes[MM_AGE_TENURED]; /* young, when the collection began */
  uint64_t young_live_bytes;    /* of what the last collection left young */
  uint64_t old_allocated_bytes; /* objects born old since then */
  bool searches_cards;    /* the running collection goes by the card table */
  bool has_cards;         /* old regions have cards */
  enum mm_age born_age;   /* of what mutators allocate in regions */
  enum mm_age full_age;   /* of what a full collection copies */
  enum mm_age tenure_age; /* what would become so old becomes tenured */
  struct mm_fixed_space fixed[MM_FIXED_COUNT];
  struct mm_classes classes; /* of the slots of both */
  uint64_t *starts;          /* a bit per granule: an object in a slot */
  uint64_t *fresh;           /* the same: what became old in this collection */
  uint32_t *fresh_runs;      /* runs with such bits, perhaps more than once */
  uint32_t fresh_count;
  struct mm_run *runs;
  struct mm_metadata_space metadata;
  uint64_t languages[4]; /* a bit per index: it was registered here */
  struct mm_code_space code;
  struct mm_compiler_space compiler;
  struct mm_layout *filler_granule; /* 8 bytes */
  struct mm_layout *filler;         /* 16 and more; length word in bytes */

  struct mm_sizing sizing;
  struct mm_cycle cycle;
  struct mm_candidates candidates;
  struct mm_references references;
  struct mm_generations generations;
  uint64_t pacing_due_ns; /* atomic; see pacing_internal.h */
  struct mm_schedule schedule;
  struct mm_stress stress;
  uint64_t stress_allocations; /* atomic */
  uint64_t stress_polls;       /* atomic */
  struct mm_workers *workers;
  struct mm_object_ids ids;
  struct mm_handles handles;
  struct mm_pins pins;
  struct mm_deaths deaths;
  uint64_t fault_chances[MM_FAULT_COUNT]; /* atomic; see faults_internal.h */
  size_t trace_entries_max; /* a worker's stack never grows beyond; tests
                               lower it */

  pthread_mutex_t lock;
  pthread_cond_t stopped; /* a mutator stopped: the collecting one waits */
  pthread_cond_t resumed; /* the world runs on: the others wait */
  uint32_t stopping;      /* atomic; 1 from the request to the resumption */
  bool has_fences;        /* see Note [Fences around native code] */
  bool polls_always;      /* see mm_poll_always */
  struct mm_mutator *mutators;
  uint64_t *mutator_ids;       /* a bit per id in use */
  struct mm_request *requests; /* those who wait for room; alloc_internal.h */
  pthread_mutex_t space_lock;
};

/* Is what mutators allocate young, now? */
static inline bool mm_is_generational(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->generations.is_on, __ATOMIC_RELAXED);
}

/* Is the mark bit of the object at `ref` set? */
static inline bool mm_is_marked(const struct mm_heap *heap, struct mm_ref ref)
{
  uint64_t granule = ref.bits - (heap->regions.base >> MM_REF_SHIFT);
  return __atomic_load_n(&heap->marks[granule >> 6], __ATOMIC_ACQUIRE) >>
             (granule & 63) &
         1;
}

/* Are collections forced?  Then old copies are poisoned and protected. */
static inline bool mm_is_stressed(const struct mm_heap *heap)
{
  const struct mm_options *options = &heap->options;
  return options->stress_alloc || options->stress_poll ||
         options->stress_barrier || options->stress_phase;
}

/* Runs one phase of a collection on the collecting thread. */
static inline void mm_stat_phase_run(struct mm_heap *heap, enum mm_phase phase,
                                     void (*run)(struct mm_heap *heap))
{
  mm_stat_phase_begin(&heap->stat, phase);
  run(heap);
  mm_stat_phase_end(&heap->stat, phase);
}

/* Gives a region (or the run that it heads) back, poisoned under stress. */
void mm_heap_free_region(struct mm_heap *heap, uint32_t index);

/*
 * Ends all TLABs and gives back the slots that cursors hold, so that every
 * region can be walked and all that was allocated is counted; the next
 * allocation of each mutator takes the slow path.  World stopped or single
 * mutator.
 */
void mm_retire_buffers(struct mm_heap *heap);

/* The same, and sweeps what is unswept: a walk then finds just the objects
   that are not known to be dead. */
void mm_make_walkable(struct mm_heap *heap);

/* Bytes of regions that are not free; that may be used before the heap has
   to grow (the soft limit, or what is committed if that is more). */
uint64_t mm_heap_used_bytes(const struct mm_heap *heap);
uint64_t mm_heap_committed_bytes(const struct mm_heap *heap);

#endif
