/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The baton of a deterministic schedule; see mm/schedule.h for what it is.
 *
 * `lock` guards the list of tasks and who runs; it is taken last of all locks
 * and held for moments only.  What else there is belongs to the task that
 * runs: the baton changes hands under the lock, and that orders it.
 */
#ifndef MM_SCHEDULE_INTERNAL_H
#define MM_SCHEDULE_INTERNAL_H

#include "mm/schedule.h"

struct mm_schedule;

/* What a thread is. */
struct mm_place {
  struct mm_schedule *schedule; /* null: no task */
  struct mm_task *task;
};

struct mm_schedule {
  bool is_on;
  pthread_mutex_t lock;
  struct mm_task *tasks;   /* in the order in which they were added */
  struct mm_task *running; /* it has the baton; null: nobody can run */
  uint64_t random;         /* state of the generator */
  uint64_t clock_ns;
  uint64_t digest, switches;
  uint32_t turn;         /* points until it is over */
  uint32_t numbers;      /* of tasks, the last one given */
  uint32_t last;         /* number of the one that ran last */
  struct mm_task cycle;  /* the thread of the cycles */
  struct mm_task maker;  /* who makes the heap, as long as that takes */
  struct mm_place outer; /* what that was before */
};

/* Before anything else of the heap tells the time.  The calling thread, which
   makes the heap, is a task from here to mm_schedule_settle, so that threads of
   the heap's own wait until there is a heap. */
void mm_schedule_init(struct mm_heap *heap);
void mm_schedule_settle(struct mm_heap *heap);
void mm_schedule_destroy(struct mm_heap *heap);

/* So much was done, which takes time. */
void mm_schedule_work(struct mm_heap *heap, uint64_t ns);

#endif
