/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory manager as a host sees it: create a heap, attach mutators,
 * allocate, poll, collect, look at it.  The fast paths of allocation and of
 * the poll stand in mm/mm_inline.h.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "mm/binding.h"
#include "mm/gc/faults.h"

enum mm_status {
  MM_OK,
  MM_NO_MEMORY,   /* the OS or a limit refused memory */
  MM_UNSUPPORTED, /* an option, or a combination, that this build lacks */
  MM_BAD_OPTION,  /* a value out of range */
  MM_OS_FAILED,   /* a system call failed: see the message */
};

/* Text that goes with a status, ready to be shown to the user. */
struct mm_log;

struct mm_error {
  char text[256];
};

enum mm_gc { MM_GC_EPSILON, MM_GC_STW, MM_GC_CONCURRENT };
enum mm_tenured { MM_TENURED_REGIONS, MM_TENURED_FREELIST };

/* By what the heap grows. */
enum mm_growth_rule {
  MM_GROWTH_PERCENT, /* growth_percent of what lives */
  MM_GROWTH_BALANCE, /* what lives, and as much more as pays: growth_price */
};

/* growth_price where nothing else is said. */
enum { MM_GROWTH_PRICE = 2500 };

/* soft_ms_per_mib where nothing else is said, as in HotSpot. */
enum { MM_SOFT_MS_PER_MIB = 1000 };

/* How a space of objects that do not move finds room for one. */
enum mm_fit {
  MM_FIT_SLOTS,    /* runs of equal slots, and a freelist above 2 KiB */
  MM_FIT_FREELIST, /* a freelist for all sizes */
};

/* Are new objects young, and collected by themselves? */
enum mm_generational {
  MM_GENERATIONAL_OFF,
  MM_GENERATIONAL_ON,
  MM_GENERATIONAL_AUTO, /* as long as it pays; mm/gc/generations_internal.h */
};

enum {
  MM_VERIFY_BEFORE = 1 << 0, /* walk and trace before each collection */
  MM_VERIFY_AFTER = 1 << 1,  /* and after it */
  MM_VERIFY_MARK = 1 << 2,   /* compare the mark bits with a second trace */
};

/* All sizes in bytes; 0 means: choose. mm_options_init sets the defaults. */
struct mm_options {
  enum mm_gc gc;
  enum mm_generational generational;
  enum mm_tenured tenured;
  uint64_t heap_max_bytes;
  uint64_t heap_min_bytes;
  uint64_t young_bytes;   /* generational, on or auto: of young objects, when
                             they are collected */
  uint64_t pause_goal_ns; /* chooses young_bytes, and how many regions a pause
                             evacuates after a cycle */
  enum mm_growth_rule growth;
  unsigned growth_percent; /* MM_GROWTH_PERCENT: to so much of what lives */
  unsigned growth_price;   /* MM_GROWTH_BALANCE: what a MiB is worth, in
                              millionths of the time */
  bool pacing; /* slow allocation down rather than run out of memory before a
                  cycle ends; on by default */
  enum mm_fit object_fit;  /* with MM_TENURED_FREELIST */
  enum mm_fit nonmoving_fit;
  uint64_t soft_ms_per_mib; /* soft references live so long unused, for each MiB
                               of the heap that is free; 0: not at all */
  const uint32_t *slot_bytes; /* sizes that get classes of their own, beside
                                 the usual ones; valid while the heap is */
  size_t slot_count;
  uint64_t nonmoving_max_bytes; /* limit of the non-moving space */
  uint64_t metadata_max_bytes;  /* limit of the metadata space */
  uint64_t internal_max_bytes;  /* limit of the internal space */
  uint64_t compiler_max_bytes;  /* limit of the compiler's space */
  uint64_t code_max_bytes;      /* limit of the code space */
  unsigned local_handles_max;   /* of one mutator; see mm/handle.h */
  unsigned global_handles_max;
  unsigned weak_handles_max;
  bool handle_origins;        /* note who made and who deleted each handle */
  unsigned workers;           /* collector threads, the mutator's included */
  uint64_t stress_alloc;      /* collect at each N-th allocation; 0: off */
  uint64_t stress_poll;       /* collect at each N-th poll; 0: off */
  uint64_t stress_barrier;    /* collect after each N-th store of a reference;
                                 0: off */
  bool stress_phase;          /* give way and collect at borders of phases */
  unsigned verify;            /* MM_VERIFY_* */
  bool object_ids;            /* number objects as they are made */
  struct mm_fault_set faults; /* none: all zero */
  uint64_t seed;              /* of identity hashes, and of the schedule */
  bool deterministic;         /* see mm/schedule.h */
  FILE *log;                  /* where gc log lines go; null: no log */
  int log_level;              /* 0 off, 1 error, 2 warning, 3 info, 4 debug,
                                 5 trace */
};

void mm_options_init(struct mm_options *options);

/*
 * Replaces zeros by what this machine suggests, rounds sizes, and refuses what
 * cannot be had: what mm_heap_create does first.  For hosts that show their
 * options.
 */
enum mm_status mm_options_complete(struct mm_options *options,
                                   struct mm_error *error);

/*
 * Reserves the heap and its side tables, starts the workers.  Errors:
 * MM_UNSUPPORTED, MM_BAD_OPTION, MM_NO_MEMORY, MM_OS_FAILED, each with a text
 * that names the option and the remedy; nothing is left behind.
 */
enum mm_status mm_heap_create(const struct mm_options *options,
                              const struct mm_binding *binding, void *host,
                              struct mm_heap **heap, struct mm_error *error);

/*
 * Ends the heap's own threads that run beside the mutators, and with them a
 * concurrent cycle: nothing calls the binding from outside after it.  For a
 * host that takes apart what its binding reads before it destroys the heap.
 * The caller is no running mutator; a second call does nothing.
 */
void mm_heap_quit(struct mm_heap *heap);

/* Ends the workers, gives everything back.  No mutator may be attached. */
void mm_heap_destroy(struct mm_heap *heap);

/*
 * Makes the calling thread a mutator, running.  `mutator` is zeroed memory
 * inside the host's thread structure and stays in place until it is detached.
 * With options.deterministic the thread has to be a task (mm/schedule.h).
 */
enum mm_status mm_mutator_attach(struct mm_heap *heap,
                                 struct mm_mutator *mutator);
void mm_mutator_detach(struct mm_mutator *mutator);

/* Leaves and enters the heap around code that may block; mm_inline.h has the
   fast paths, of which the other two are the slow halves. */
void mm_enter_native(struct mm_mutator *mutator);
void mm_leave_native(struct mm_mutator *mutator);
void mm_enter_native_slow(struct mm_mutator *mutator);
void mm_leave_native_slow(struct mm_mutator *mutator);

/*
 * Slow halves of the inline fast paths.  Safepoint: may collect.  The result
 * is null when memory ran out even after a full collection; the host throws.
 * `length` is the length word: elements of an array, (units << 1) | wide of a
 * string, bytes of a custom object, 0 for a plain one.
 */
struct mm_ref mm_alloc_slow(struct mm_mutator *mutator,
                            struct mm_layout *layout, uint32_t length);

/* The same for an object that never moves. */
struct mm_ref mm_alloc_nonmoving(struct mm_mutator *mutator,
                                 struct mm_layout *layout, uint32_t length);

/* Why the last allocation of this mutator that was refused was; forgets it. */
enum mm_refusal mm_take_refusal(struct mm_mutator *mutator);

/* What an exception says about it: static text. */
const char *mm_refusal_text(enum mm_refusal refusal);

/* Called when the poll word is set.  Safepoint: may collect. */
void mm_poll_slow(struct mm_mutator *mutator);

/* From now on each poll of every mutator takes the slow path, or no longer.
   For a host whose threads have to look at something.  Any thread; never a
   safepoint. */
void mm_poll_always(struct mm_heap *heap, bool always);

/* Calls `run` with all other mutators stopped.  It neither allocates in the
   heap nor reaches a safepoint; objects stay where they are.  Safepoint. */
void mm_with_world_stopped(struct mm_mutator *mutator,
                           void (*run)(void *context), void *context);

/* The same by a thread that is no mutator; mutators may come and go meanwhile,
   which waits for `run'. */
void mm_with_world_stopped_from_outside(struct mm_heap *heap,
                                        void (*run)(void *context),
                                        void *context);

/* Why a collection runs; the text appears in the log. */
enum mm_cause {
  MM_CAUSE_ALLOCATION, /* Allocation Failure */
  MM_CAUSE_EXPLICIT,   /* Explicit */
  MM_CAUSE_STRESS,     /* Stress */
  MM_CAUSE_EXIT,       /* Exit */
  MM_CAUSE_RATE,       /* Allocation Rate: a cycle has to start early */
  MM_CAUSE_CARDS,      /* Card Limit: much to scan for a young collection */
  MM_CAUSE_METADATA, /* Metadata Threshold: the host has taken much for classes
                      */
  MM_CAUSE_COUNT
};

/* Collects the whole heap. Safepoint. With gc=epsilon nothing happens. */
void mm_collect(struct mm_mutator *mutator, enum mm_cause cause);

/* Collects the whole heap, or has a cycle do it beside the program, with
   gc=concurrent: then returns at once.  For what is not needed yet. Safepoint.
 */
void mm_collect_soon(struct mm_mutator *mutator, enum mm_cause cause);

/* The identity hash of an object, 29 bits, never 0.  The same before and
   after it moves.  Does not allocate.  0 when the mark word holds a lock: the
   host looks into its monitor then. */
uint32_t mm_identity_hash(struct mm_mutator *mutator, struct mm_ref ref);

/* A new hash, for one that the host keeps elsewhere than in the mark word. */
uint32_t mm_draw_hash(struct mm_mutator *mutator);

/*
 * The id of an object, a number from 1 up: given out when it is first asked
 * for (with options.object_ids, when the object is made), the same wherever the
 * object moves, and never given to another.  0 for null, or when there is no
 * memory to remember it.  Running mutator, or world stopped.  Costs a look-up
 * in a table, and each collection a visit to each object that has one.
 */
uint64_t mm_object_id(struct mm_heap *heap, struct mm_ref ref);

/* Size of an object in bytes. */
uint64_t mm_object_bytes(struct mm_ref ref);

/* Calls `visit` once for each object (fillers left out), in address order
   within a region.  World stopped, or a single mutator and no cycle beside it;
   no allocation inside. */
void mm_heap_walk(struct mm_heap *heap,
                  void (*visit)(void *context, struct mm_ref ref),
                  void *context);

/* Is this the address of an object's start?  For tools; slow. */
bool mm_is_object(struct mm_heap *heap, const void *address);

/* Traces and checks the whole heap now; reports all broken edges to stderr.
   Returns how many were found.  World stopped, or a single mutator and no cycle
   beside it. */
uint64_t mm_verify(struct mm_heap *heap);

/* How many collections ran, and how many of them were forced by stress. */
uint64_t mm_collections(const struct mm_heap *heap);
uint64_t mm_collections_forced(const struct mm_heap *heap);

/* Why the running or the last collection runs, as the log tells it; null
   before the first.  Static text; safe in a signal handler. */
const char *mm_last_cause(const struct mm_heap *heap);

/* The heap's log, for lines of the host's own (stat/log.h).  Valid until the
   heap is destroyed. */
const struct mm_log *mm_log_of(const struct mm_heap *heap);

/* Prints the summary of --stats, for which it walks the heap.  World stopped, or
   a single mutator or none and no cycle beside it. */
void mm_stats_print_text(struct mm_heap *heap, FILE *out);
void mm_stats_print_json(struct mm_heap *heap, FILE *out);

/*
 * Metadata memory: below 4 GiB, so that a class fits its class word.  Zeroed,
 * 16-byte aligned.  Null when there is none left.  Freed as a whole with the
 * heap.  Thread safe.
 */
void *mm_metadata_alloc(struct mm_heap *heap, size_t bytes);

/*
 * Metadata that is given back before the heap is: an arena of it, empty at
 * first.  Blocks are as those of mm_metadata_alloc.  Null when there is no
 * memory.
 *
 * Destroying it makes the memory free for others at the end of the next
 * collection of the whole heap but one that is running: until then, what died
 * may refer to it (Note [Late metadata] in mm/space/metadata_arenas.c).  May be
 * called in mm_binding.sweep_owners; null is allowed.  The heap's end destroys
 * those that are left.  Thread safe.
 */
struct mm_metadata_arena;
struct mm_metadata_arena *mm_metadata_arena_create(struct mm_heap *heap);
void *mm_metadata_arena_alloc(struct mm_metadata_arena *arena, size_t bytes);
void mm_metadata_arena_destroy(struct mm_metadata_arena *arena);

#endif
