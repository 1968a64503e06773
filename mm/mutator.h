/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mutator: a thread that allocates and holds references.  The host embeds
 * it first in its own thread structure, so that the interpreter and compiled
 * code reach its TLAB and poll word from the thread register.
 *
 *   tlab_start <= tlab_cursor <= tlab_limit     memory from the cursor to the
 *                                               limit is zero
 *
 * Stress, stopping and profiling lower tlab_limit or set the poll word, so
 * that the fast paths carry no test of their own.
 *
 * Note [The entry limit]
 *
 * Who enters a method has to see whether there is room on the stack, and to
 * poll.  entry_limit makes one compare of it: who sets the poll word then
 * stores 0 there, below which no stack is (HotSpot and V8 do the like).
 *
 *   who stops it       poll = 1;                     entry_limit = 0
 *   the mutator        entry_limit = the host's;     if (poll) entry_limit = 0
 *
 * Others only ever store 0, so no limit but the mutator's own is put there, and
 * all of these are sequentially consistent: if the mutator's store is the last
 * of the limit, then its look at the poll word comes after that was set.  A 0
 * that stays behind costs one look out of line.
 */
#ifndef MM_MUTATOR_H
#define MM_MUTATOR_H

#include "mm/object.h"

#include <stddef.h>

struct mm_barrier_log;
struct mm_frame;
struct mm_handle_chunk;
struct mm_handle_slot;
struct mm_heap;

/* References that C code holds across a possible collection; see mm_scope. */
struct mm_scope {
  struct mm_scope *outer;
  struct mm_ref *refs;
  size_t count;
};

/*
 * Where the next local handle goes: mm/handle.h.  Opening a frame saves it,
 * closing brings it back.
 */
struct mm_locals {
  struct mm_handle_slot *next;   /* the next handle's */
  struct mm_handle_slot *end;    /* at and beyond it: the slow path */
  struct mm_handle_chunk *chunk; /* next points into it, or to its end; null:
                                    none yet */
  struct mm_frame *frame;        /* innermost; null: none */
  uint32_t holes;  /* deleted in this frame: index of the last one, and 1 more;
                      0: none.  Not 0: end is null */
  uint32_t pushed; /* frames pushed since the innermost call's */
};

struct mm_pushed_frame;

/* What local handles a mutator has, and had. */
struct mm_local_table {
  struct mm_handle_slot *peak;   /* of locals.chunk: all below it were used
                                    since it became that */
  struct mm_handle_chunk *first; /* in the order of their handles */
  struct mm_handle_chunk *last;
  uint32_t chunks;
  uint32_t most; /* handles at once, while other chunks were the last */
  uint64_t created;
  struct mm_pushed_frame *spare; /* for frames to push */
};

enum mm_mutator_state {
  MM_MUTATOR_RUNNING,   /* may touch the heap */
  MM_MUTATOR_IN_NATIVE, /* may not; the collector does not wait for it */
  MM_MUTATOR_STOPPED,   /* waits at a safepoint */
};

/* Why an allocation was refused. */
enum mm_refusal {
  MM_REFUSED_HEAP,      /* --heap-max, or the machine */
  MM_REFUSED_NONMOVING, /* --nonmoving-max */
  MM_REFUSED_NATIVE,    /* the host's own: mm/native.h gave null */
  MM_REFUSAL_COUNT
};

/* Bits of mm_mutator.marking. */
enum {
  MM_MARKING_CYCLE = 1 << 0,  /* a cycle marks */
  MM_MARKING_STRESS = 1 << 1, /* stress counts the stores, or a schedule takes
                                 them for points */
};

/* Which stores of references may have to be noted in cards. */
enum {
  MM_HEEDING_NONE,
  MM_HEEDING_YOUNG, /* those in old objects, of what is young: few cards are
                       watched that are stored to */
  MM_HEEDING_OLD    /* those of candidates, anywhere: few values are of interest
                       for which a card is watched */
};

struct mm_mutator {
  uintptr_t tlab_cursor;
  uintptr_t tlab_limit;  /* lowered to the start when each allocation has to
                            take the slow path */
  uint32_t poll;         /* atomic; not 0: take the slow path at a poll */
  uint32_t state;        /* atomic; enum mm_mutator_state */
  uintptr_t entry_limit; /* atomic; what compiled code compares its stack with
                            where a method is entered: the host's limit, or 0
                            from when the poll word was set until the mutator
                            sets it again (mm_set_entry_limit) */
  uintptr_t cards;       /* the card table: the card of a slot is at cards +
                            (slot >> MM_CARD_LOG2); see mm/barrier_inline.h */
  struct mm_barrier_log *card_log; /* null: none yet */
  uint32_t marking; /* MM_MARKING_*; not 0: who overwrites a reference notes it
                       (mm_barrier_before); changes with the world stopped */
  uint32_t heeding; /* MM_HEEDING_*; changes with the world stopped */
  uintptr_t traces; /* of a reference: the byte at traces + (its bits >>
                       MM_TRACE_LOG2) is 0 if no card need note it */
  struct mm_barrier_log *old_log; /* what was overwritten; null: none yet */
  uint32_t *old_at, *old_end; /* where the next of them is noted, and where its
                                 log ends; both null: there is no log */
  uintptr_t tlab_start;
  uintptr_t tlab_end;      /* the real end of the TLAB */
  struct mm_scope *scopes; /* innermost first */
  struct mm_locals locals; /* local handles; mm/handle_inline.h */
  struct mm_local_table local_table;
  struct mm_handle_chunk ***handle_directory;
  const char *handle_tag; /* see mm_handle_tag */
  struct mm_heap *heap;
  struct mm_mutator *next, *previous; /* all mutators of the heap */
  uint64_t allocated_bytes; /* in TLABs retired so far, and beyond TLABs */
  uint64_t allocated_objects_slow; /* counted on the slow path only */
  uint64_t refills;
  uint64_t hash_seed;            /* state of the identity-hash generator */
  uint32_t id;                   /* 1 .. 65535, the owner in light locks */
  uint32_t tlab_bytes;           /* size of the next TLAB, follows the rate */
  uint64_t allocated_then_bytes; /* allocated_bytes at the last collection */
  struct mm_slot_cursor *slots;  /* with tenured=freelist, one per size class;
                                    null otherwise */
  uint64_t slots_bytes;          /* allocated from them and not yet counted */
  enum mm_refusal refusal;       /* the last one; see mm_take_refusal */
  bool stress_due;               /* collect at the next safepoint */
  bool must_fence;               /* see Note [Fences around native code] */
  uint64_t starved_bytes; /* allocated by all when this one last had to collect
                             at any price, and 1 more; 0: never */
};

/*
 * Opens a scope over `count` references, all made null.  A scope lives on the
 * C stack, so opening one cannot fail; it is closed in reverse order.
 *
 *   struct mm_ref held[2];
 *   struct mm_scope scope;
 *   mm_scope_open(mutator, &scope, held, 2);
 *   ...                          collections update held[0] and held[1]
 *   mm_scope_close(mutator, &scope);
 */
static inline void mm_scope_open(struct mm_mutator *mutator,
                                 struct mm_scope *scope, struct mm_ref *refs,
                                 size_t count)
{
  for (size_t i = 0; i < count; i++)
    refs[i] = MM_NULL;
  scope->outer = mutator->scopes;
  scope->refs = refs;
  scope->count = count;
  mutator->scopes = scope;
}

static inline void mm_scope_close(struct mm_mutator *mutator,
                                  struct mm_scope *scope)
{
  mutator->scopes = scope->outer;
}

#endif
