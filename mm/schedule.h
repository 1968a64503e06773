/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic scheduling (options.deterministic): of all threads that touch
 * a heap one runs at a time, and a generator seeded with options.seed chooses
 * which.  The same seed gives the same order of events, so what went wrong
 * once goes wrong again.
 *
 *                    chosen
 *   add --> READY ----------> RUNNING --end-->
 *             ^  ^--its turn--'    |
 *             |      is over       | mm_schedule_wait
 *             '---- WAITING <------'
 *              notified, or time is up
 *
 * The one that runs has the baton.  It goes on until its turn, so many points
 * of passing, is over: a point is a poll, an allocation out of line, the
 * barrier before a store of a reference, each entry to and return from native
 * code, the border of a phase of a collection, a piece of concurrent work, and
 * what the host adds by mm_schedule_yield.  It keeps the baton in native code,
 * so that all wait while it really blocks there.
 *
 * A host tells of its threads; a thread that is none of these is not held
 * back, and must not touch the heap.
 *
 *   task in the host's thread structure
 *   mm_schedule_add      by who starts the thread, before it does
 *   mm_schedule_begin    by the thread, before it does anything else
 *   mm_schedule_end      by the thread, at its end
 *
 * No lock may be held at a point, unless those who want it ask for it by
 * trying (pthread_mutex_trylock) and mm_schedule_pass between.
 *
 * Time is made up as well: each point takes a microsecond, and when all wait,
 * it is at once what the first of them waits for.  All times that the memory
 * manager and its statistics tell are such times.
 *
 * With options.deterministic off, adding, beginning, ending, yielding and
 * notifying do nothing.
 */
#ifndef MM_SCHEDULE_H
#define MM_SCHEDULE_H

#include "mm/mutator.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A thread, for the schedule.  Contents are its own. */
struct mm_task {
  struct mm_task *next;
  const void *channel; /* it waits for it; null: it could run */
  uint64_t until_ns;   /* but no longer than that */
  bool is_listed, timed_out;
  uint32_t number; /* in the order of mm_schedule_add */
  pthread_cond_t turn;
};

/* Is the schedule of the heap deterministic? */
bool mm_schedule_is_on(const struct mm_heap *heap);

/* The task is ready to run, as soon as its thread begins.  The memory stays
   where it is until mm_schedule_end. */
void mm_schedule_add(struct mm_heap *heap, struct mm_task *task);

/* The calling thread is the task; waits for its turn. */
void mm_schedule_begin(struct mm_heap *heap, struct mm_task *task);

/* Takes the task off: the calling thread's own, or one whose thread was not
   started after all. */
void mm_schedule_end(struct mm_heap *heap, struct mm_task *task);

/* Before its thread is joined: a task waits until that one has ended; who is
   none does not wait. */
void mm_schedule_await_end(struct mm_heap *heap, const struct mm_task *task);

/* A point: another one may run now.  No lock is held.  Not a safepoint by
   itself: a mutator that runs does not count as stopped meanwhile. */
void mm_schedule_yield(struct mm_heap *heap);

/* The same where things are fast: off, it costs a test. */
static inline void mm_schedule_point(struct mm_mutator *mutator)
{
  if (__builtin_expect(mutator->marking & MM_MARKING_STRESS, 0))
    mm_schedule_yield(mutator->heap);
}

/* Another one runs now, if there is one that can; with the schedule off, the
   system's sched_yield. */
void mm_schedule_pass(struct mm_heap *heap);

/*
 * Gives up `mutex`, waits until `channel` is notified or `until_ns` has come
 * (UINT64_MAX: never), has the mutex again.  False: time was up.  Returns for
 * no reason now and then.  Only when the schedule is on.
 */
bool mm_schedule_wait(struct mm_heap *heap, const void *channel,
                      pthread_mutex_t *mutex, uint64_t until_ns);

/* All that wait for the channel are ready to run. */
void mm_schedule_notify(struct mm_heap *heap, const void *channel);

/* The same for a condition variable, whether the schedule is on or not. */
void mm_condition_wait(struct mm_heap *heap, pthread_cond_t *condition,
                       pthread_mutex_t *mutex);
void mm_condition_notify(struct mm_heap *heap, pthread_cond_t *condition);

/* The monotonic clock; in a task, the schedule's own. */
uint64_t mm_now_ns(void);

/* A number that stands for all choices so far, and how often one ran after
   another.  In a task, or when none is left. */
uint64_t mm_schedule_digest(const struct mm_heap *heap);
uint64_t mm_schedule_switches(const struct mm_heap *heap);

#endif
