/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference processor; see mm/reference.h for what it is to do.
 *
 *   tracing      meets a reference whose referent is not reached: discovers it,
 *                and goes on without the referent
 *   ephemerons   values of keys that are reached, and what they lead to, until
 *                there is nothing new
 *   soft         those to be kept: the referent is reached after all
 *   soft, weak   the rest is cleared
 *   final        the referent is reached after all, the reference pending
 *   ephemerons   once more; and soft and weak ones that tracing finds now
 *   phantom      cleared, and so are ephemerons whose keys are not reached
 *   host         weak tables (MM_PHASE_WEAK)
 *
 * What is discovered is threaded through the links of the references, on lists
 * of the worker that met them, so that no memory is needed:
 *
 *   link   0  on no list      1  the last one      else: the next one
 *
 * A worker has several lists of each strength and puts references on them by
 * turns; whoever is free processes the next list.  References that are cleared
 * leave the lists for that of the pending ones, which goes through the same
 * links from one collection to the next, and is a root: so what is pending is
 * not discovered.
 *
 * The marker of a cycle runs beside young collections, which need the links.
 * It notes what it discovers on logs instead, and most of what follows is done
 * beside the program as well: see noted_internal.h.
 *
 * How objects are reached is the affair of each plan: struct mm_reach.
 *
 * Invariant: a referent is null, or the object lives, or (in a collection) the
 * reference is discovered, or is not reached itself.  Checked by the verifier
 * after each collection.
 */
#ifndef MM_REFERENCES_INTERNAL_H
#define MM_REFERENCES_INTERNAL_H

#include "mm/gc/heap_internal.h"
#include "mm/reference.h"

struct mm_worker;

/* The link of the last one on a list: the address 8 is nobody's. */
#define MM_LINK_END ((struct mm_ref){1})

/* What tracing is to a plan.  All with the world stopped. */
struct mm_reach {
  /* Is the object reached?  `ref' as it was before the collection. */
  bool (*is_reached)(const struct mm_heap *heap, struct mm_ref ref);
  /* Where it goes, or its old place while that is what holds it. */
  struct mm_ref (*place)(const struct mm_heap *heap, struct mm_ref ref);
  /* The object in `slot' is reached now, if it was not; the slot is brought up
     to date, and remembered if need be.  What it leads to waits for `trace'. */
  void (*keep)(struct mm_worker *worker, struct mm_ref *slot);
  /* Until no worker has anything left to do. */
  void (*trace)(struct mm_worker *worker);
  /* Of an entry that was taken off a stack: has the object to be scanned? */
  bool (*enter)(struct mm_heap *heap, struct mm_worker *worker, uint64_t entry);
  /* After a stack overflowed, by a lone worker: nothing is lost.  Null: it is,
     and the processing gives up. */
  void (*rescan)(struct mm_worker *worker);
  bool is_lone;   /* `keep' and `trace' are the marker's, on one thread */
  bool has_moved; /* what is reached is in another place now */
  bool is_full;   /* of all objects: ages soft references */
  bool is_young;  /* of young objects: owners are old, and not traced */
};

extern const struct mm_reach mm_reach_marking, mm_reach_evacuating,
    mm_reach_young, mm_reach_cycle;

static inline struct mm_ref *mm_referent_slot(struct mm_ref reference)
{
  return (struct mm_ref *)((char *)mm_address(reference) +
                           MM_REFERENCE_REFERENT_OFFSET);
}

static inline struct mm_ref *mm_link_slot(struct mm_ref reference)
{
  return (struct mm_ref *)((char *)mm_address(reference) +
                           MM_REFERENCE_LINK_OFFSET);
}

static inline struct mm_ref *mm_value_slot(struct mm_ref reference)
{
  return (struct mm_ref *)((char *)mm_address(reference) +
                           MM_REFERENCE_VALUE_OFFSET);
}

/* The lists of what is pending: what the collector found, in no order; and what
   was put aside for each language, while another took its own. */
enum { MM_PENDING_LISTS = 1 + MM_LANGUAGES };

static inline struct mm_pending_list *mm_pending_list(struct mm_heap *heap,
                                                      unsigned i)
{
  return i == 0 ? &heap->references.pending : &heap->references.queues[i - 1];
}

/* Is there something on any of them? */
bool mm_pending_has_any(struct mm_heap *heap);

/* Starts the clock of soft references. */
void mm_references_init(struct mm_heap *heap);

/*
 * Tracing met a reference, and has visited its strong slots: its referent is
 * kept, if it is reached already, or the reference is discovered.  A second
 * time does nothing.
 */
void mm_reference_meet(struct mm_worker *worker, struct mm_ref reference,
                       const struct mm_reach *reach);

/*
 * The phase References.  In a full collection by marking, ephemerons have to be
 * settled first, as they are strong.  False: a stack overflowed, and the plan
 * cannot do without; what is discovered is forgotten, nothing was cleared that
 * should not have been.
 */
bool mm_references_process(struct mm_heap *heap, const struct mm_reach *reach,
                           unsigned active);

/* Of marking, before its marks are verified.  False: as above. */
bool mm_ephemerons_settle(struct mm_heap *heap, const struct mm_reach *reach,
                          unsigned active);

/* World stopped: what a cycle noted (noted_internal.h) is discovered now. */
void mm_references_take_noted(struct mm_heap *heap);

/* Does the host want to know that the referent died? */
bool mm_reference_is_told(struct mm_ref reference);

/* Is a soft reference to be kept, if they live so long unused? */
bool mm_reference_is_wanted(const struct mm_heap *heap, struct mm_ref reference,
                            uint64_t life_ms);
uint64_t mm_references_soft_life_ms(const struct mm_heap *heap);

/* The clock of soft references goes on. */
void mm_references_set_clock(struct mm_heap *heap);

/* What is pending, and the referents of finals among it.  Slots that are handed
   to the visitor are copies. */
void mm_pending_visit(struct mm_heap *heap, struct mm_root_visitor *visitor);

/* While compacting, before objects move: brings the list up to date. */
void mm_pending_update(struct mm_heap *heap,
                       void (*update)(void *context, struct mm_ref *slot),
                       void *context);

/* The next collection is the last resort: soft references are cleared. */
static inline void mm_references_clear_soft(struct mm_heap *heap, bool clears)
{
  heap->references.clears_soft = clears;
}

#endif
