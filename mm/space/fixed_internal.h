/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed spaces: objects of up to half a region that never move.  A heap has
 * two of them: the non-moving space (class mirrors, what asks for it), and,
 * with tenured=freelist, the object space.
 *
 *   region of slots     | run | run | run | ...  16 runs of 16 KiB
 *                       a run: equal slots, or free
 *   region of freelist  [obj][gap......][obj][obj][gap]
 *
 * Objects of up to 2 KiB stand in slots, larger ones (or all, with fit
 * `freelist') in gaps cut to size.  Gaps are fillers, found through a
 * segregated-fit index.
 *
 * A bit per granule (heap->starts) tells where an object starts in a run.
 * Allocation takes whole words of free slots: a holder (a mutator's cursor, or
 * the space's own) owns a run and claims the free slots of its next word
 * without a lock, then hands them out one by one.
 *
 * Sweeping is lazy.  Marking leaves its bits; begin_sweep frees what is wholly
 * dead, at once, and lists the other runs and regions as unswept.  The first
 * allocation that comes to an unswept run takes over its marks as its starts:
 * 32 words, no object is touched (Hughes, "A semi-incremental garbage
 * collection algorithm", 1982; the reuse of mark bits as allocation bits is
 * Go's, 2014).  What is never asked for is never swept.
 *
 *   run   FREE -> HELD -> FULL -> (collection) -> UNSWEPT -> HELD
 *                   \--> OPEN --------^      \-> FREE
 *
 * Invariants (mm_fixed_check)
 *   starts bits stand at multiples of the slot size from the run's start;
 *   a run is on exactly the list that its state tells: FREE on free_runs, OPEN
 *   and UNSWEPT on that of its class, HELD and FULL on none;
 *   a region of freelist is a row of objects and fillers from start to end;
 *   a gap on the index is a filler; once all is swept, each large enough is.
 *
 * Locks: the heap lock, or the world stopped; claiming words needs neither.
 */
#ifndef MM_SPACE_FIXED_INTERNAL_H
#define MM_SPACE_FIXED_INTERNAL_H

#include "mm/alloc/classes_internal.h"
#include "mm/alloc/fit_internal.h"
#include "mm/mutator.h"
#include "mm/space/region_internal.h"

enum {
  MM_RUN_LOG2 = 14,
  MM_RUN_BYTES = 1 << MM_RUN_LOG2,
  MM_RUN_GRANULES = MM_RUN_BYTES / MM_OBJECT_ALIGN,
  MM_RUN_WORDS = MM_RUN_GRANULES / 64,
  MM_REGION_RUNS = MM_REGION_BYTES / MM_RUN_BYTES,
  MM_SLOT_MAX_BYTES = 2048,
};

#define MM_NO_RUN UINT32_MAX

enum mm_run_state {
  MM_RUN_NONE, /* its region holds no runs */
  MM_RUN_FREE,
  MM_RUN_UNSWEPT, /* as the last marking left it */
  MM_RUN_OPEN,    /* may have free slots from `word' on */
  MM_RUN_HELD,    /* by a cursor */
  MM_RUN_FULL,
};

struct mm_run {
  uint32_t next; /* on its list */
  uint8_t class;
  uint8_t state; /* enum mm_run_state */
  uint16_t word; /* OPEN: the first word with a free slot */
};

/* Free slots of one word of a run, for one holder. */
struct mm_slot_cursor {
  uint64_t free;  /* bits of free slots, zeroed, already among the starts */
  uintptr_t base; /* address of bit 0 */
  uint32_t run;   /* or MM_NO_RUN */
  uint32_t next_word;
};

enum mm_fixed_which { MM_FIXED_OBJECTS, MM_FIXED_NONMOVING, MM_FIXED_COUNT };

struct mm_fixed_space {
  uint8_t which;  /* enum mm_fixed_which, as in its regions */
  bool has_slots; /* fit `slots' */
  uint32_t regions, max_regions;
  uint32_t free_runs; /* first of the list */
  uint32_t open[MM_CLASSES_MOST];
  uint32_t unswept[MM_CLASSES_MOST];
  struct mm_slot_cursor cursors[MM_CLASSES_MOST]; /* the space's own */
  struct mm_fit_index gaps;                       /* on offer */
  uint32_t unswept_regions; /* of freelist: first of the list */
  uint64_t claimed_bytes;   /* room handed out since the last collection */
};

struct mm_heap;

/* An empty space; `which` of the heap's. */
void mm_fixed_init(struct mm_heap *heap, enum mm_fixed_which which);

/* Zeroed memory for an object of at most half a region, when no more than
   `limit` regions of the heap are used then. */
enum mm_status mm_fixed_alloc(struct mm_heap *heap,
                              struct mm_fixed_space *space, size_t bytes,
                              uint32_t limit, uintptr_t *at);

/* The same from the mutator's cursors, in the object space. */
enum mm_status mm_fixed_alloc_mutator(struct mm_mutator *mutator, size_t bytes,
                                      uint32_t limit, uintptr_t *at);

/* The same without the lock: 0 when a new run has to be taken. */
uintptr_t mm_fixed_alloc_fast(struct mm_mutator *mutator, size_t bytes);

/* Does the object space have slots for objects of this size? */
bool mm_fixed_fits_slot(const struct mm_heap *heap, size_t bytes);

/*
 * Room for an object that becomes old in a young collection; not zeroed.  While
 * the collection runs it is fresh: cards are scanned without it (see
 * mm_fixed_is_settled).  Slots come from the cursors of a worker, and the space
 * lock is taken where a new run is needed.  What gets no slot comes out of a
 * gap: then the caller has the space lock, and keeps it until the object is
 * there.
 */
enum mm_status mm_fixed_promote(struct mm_heap *heap,
                                struct mm_slot_cursor *cursors, size_t bytes,
                                uintptr_t *at);

/* Gives back what mm_fixed_promote gave last: another worker was faster. */
void mm_fixed_unpromote(struct mm_heap *heap, struct mm_slot_cursor *cursors,
                        size_t bytes, uintptr_t at);

/* Cursors for a worker; null: no memory.  Gives them back, empty. */
struct mm_slot_cursor *mm_fixed_new_cursors(struct mm_heap *heap);
void mm_fixed_free_cursors(struct mm_heap *heap,
                           struct mm_slot_cursor *cursors);
void mm_fixed_retire_cursors(struct mm_heap *heap,
                             struct mm_slot_cursor *cursors);

/* Calls `visit' for each fresh object that was copied to a run.  By the worker
   that has these cursors, the only one that is at work. */
void mm_fixed_each_fresh(struct mm_heap *heap,
                         const struct mm_slot_cursor *cursors, uint32_t run,
                         void (*visit)(void *context, struct mm_ref ref),
                         void *context);

/* The collection is over: nothing is fresh any more. */
void mm_fixed_settle(struct mm_heap *heap);

/* Is there an object in this slot that is not fresh?  Any worker. */
static inline bool mm_fixed_is_settled(const uint64_t *starts,
                                       const uint64_t *fresh, uint64_t granule)
{
  uint64_t start = __atomic_load_n(&starts[granule >> 6], __ATOMIC_ACQUIRE);
  uint64_t is_fresh = __atomic_load_n(&fresh[granule >> 6], __ATOMIC_RELAXED);
  return (start & ~is_fresh) >> (granule & 63) & 1;
}

/* A region of small objects, with fillers between them, becomes one of the
   object space's. */
void mm_fixed_adopt_region(struct mm_heap *heap, uint32_t index);

/* Gives a mutator its cursors; MM_NO_MEMORY.  Takes them away, empty. */
enum mm_status mm_fixed_attach(struct mm_heap *heap,
                               struct mm_mutator *mutator);
void mm_fixed_detach(struct mm_mutator *mutator);

/* Gives back the slots that cursors hold: of a mutator, of a space itself. */
void mm_fixed_retire_mutator(struct mm_mutator *mutator);
void mm_fixed_retire(struct mm_heap *heap);

/* After marking: frees what is wholly dead, lists the rest as unswept. */
void mm_fixed_begin_sweep(struct mm_heap *heap);

/* Sweeps some of what is still unswept; false: there is nothing left.  Under
   the heap lock, with the world running. */
bool mm_fixed_sweep_some(struct mm_heap *heap);

/* Sweeps what is still unswept.  World stopped or single mutator. */
void mm_fixed_finish_sweep(struct mm_heap *heap);

/* Calls `visit` for each slot in use in a region of slots. */
void mm_fixed_each_slot(struct mm_heap *heap, uint32_t region,
                        void (*visit)(void *context, struct mm_ref ref),
                        void *context);

/* Does an object start at an address in a region of slots? */
bool mm_fixed_is_object(const struct mm_heap *heap, uintptr_t address);

/* Size of the slots of the run that an address lies in. */
uint32_t mm_fixed_slot_bytes(const struct mm_heap *heap, uintptr_t address);

/* Debug builds: asserts the invariants above. */
void mm_fixed_check(const struct mm_heap *heap);

#endif
