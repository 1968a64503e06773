/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's workers: the thread that runs the collection is worker 0,
 * the others are threads of the heap's own that park between goals.
 *
 *   parked --goal posted, index < active--> running --done--> parked
 *
 * A goal is a function that all active workers run.  Posting one raises
 * `epoch` under the lock; a thread that wakes late compares it with the epoch
 * it last saw, so no wake-up is lost.  mm_workers_run returns when the last
 * one is done.
 */
#ifndef MM_WORKERS_INTERNAL_H
#define MM_WORKERS_INTERNAL_H

#include "mm/gc/deque_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/trace_internal.h"
#include "mm/reference.h"

/* What a worker discovered, by strength (references_internal.h); and where
   ephemerons wait between rounds. */
enum {
  MM_ROW_WAITING = MM_STRENGTH_COUNT,
  MM_ROW_WAITING_TOO,
  MM_ROWS,
  MM_ROW_LISTS = 8,
};

struct mm_worker_references {
  struct mm_ref lists[MM_ROWS][MM_ROW_LISTS];
  unsigned turn;                             /* of the lists of a row */
  struct mm_ref first_pending, last_pending; /* by this collection */
  uint64_t found[MM_STRENGTH_COUNT], cleared[MM_STRENGTH_COUNT];
  uint64_t listed; /* in this collection */
  uint64_t kept; /* values in this round */
};

struct mm_worker {
  struct mm_heap *heap;
  struct mm_workers *workers;
  unsigned index;
  bool is_thread; /* has a thread of its own, to be joined */
  pthread_t thread;
  struct mm_bump buffers[MM_AGE_COUNT]; /* to-space that it copies into, by
                                           the age of the copies */
  struct mm_slot_cursor *slots;    /* for what becomes old and stays where it
                                      is; null: it goes to regions */
  struct mm_barrier_log *card_log; /* cards for the next collection */
  struct mm_trace_stack stack;
  struct mm_deque deque;
  uint64_t moved_objects, moved_bytes; /* by copying or sliding */
  uint64_t aged_bytes[MM_AGE_COUNT];   /* of them copied, by the new age */
  uint64_t live_objects, live_bytes;   /* marked or kept where they are */
  uint64_t kept_objects;
  uint64_t cards;       /* dirty ones that it looked at */
  size_t refused_bytes; /* so many found no room in this evacuation */
  bool stack_overflowed;
  struct mm_worker_references references;
};

typedef void mm_goal(struct mm_worker *worker);

struct mm_workers {
  struct mm_heap *heap;
  unsigned count;
  unsigned active; /* of the running goal */
  pthread_mutex_t lock;
  pthread_cond_t posted, done;
  uint64_t epoch;   /* atomic; of goals, written under the lock */
  uint32_t running; /* atomic; threads still at it */
  bool quit;
  mm_goal *goal;
  uint32_t idle;    /* atomic; workers that found nothing to trace */
  uint32_t claimed; /* atomic; work handed out by number */
  struct mm_worker each[];
};

/* Starts `count` - 1 threads. */
enum mm_status mm_workers_create(struct mm_heap *heap, unsigned count,
                                 struct mm_workers **workers);

/* Ends and joins the threads.  Null is allowed. */
void mm_workers_destroy(struct mm_workers *workers);

/* Runs the goal on the first `active` workers; 1: by the caller alone. */
void mm_workers_run(struct mm_workers *workers, unsigned active, mm_goal *goal);

/* Zeroes the counts of all workers. */
void mm_workers_reset(struct mm_workers *workers);

/* The next number to work on, for goals that are handed out in pieces. */
static inline uint32_t mm_worker_claim(struct mm_worker *worker)
{
  return __atomic_fetch_add(&worker->workers->claimed, 1, __ATOMIC_RELAXED);
}

#endif
