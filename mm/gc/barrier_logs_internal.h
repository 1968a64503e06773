/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of barriers: a pool of them, and lists of full ones.
 *
 *   pool --take--> filled by its thread --push--> list --pop--> read --release
 *    ^                                                                   |
 *    +-------------------------------------------------------------------+
 *
 * A log belongs to one thread at a time.  Pool and lists are shared, under one
 * lock.
 */
#ifndef MM_BARRIER_LOGS_INTERNAL_H
#define MM_BARRIER_LOGS_INTERNAL_H

#include "mm/barrier_log.h"
#include "mm/gc/heap_internal.h"

void mm_logs_init(struct mm_heap *heap);
void mm_logs_destroy(struct mm_heap *heap);

/* An empty log; null when there is no memory. */
struct mm_barrier_log *mm_log_take(struct mm_heap *heap);

/* Beside the program: sees to it that `count' logs can be taken without waiting
   for memory, if there is any; until `relax', so many more are kept. */
void mm_logs_prepare(struct mm_heap *heap, uint32_t count);
void mm_logs_relax(struct mm_heap *heap);

/* Gives a log back that has been read. */
void mm_log_release(struct mm_heap *heap, struct mm_barrier_log *log);

/* Puts *log on the list; *log is null then.  Null is allowed. */
void mm_log_push(struct mm_heap *heap, struct mm_barrier_log **list,
                 struct mm_barrier_log **log);

/* The first log of a list; null: there is none. */
struct mm_barrier_log *mm_log_pop(struct mm_heap *heap,
                                  struct mm_barrier_log **list);

/* Releases all logs of a list. */
void mm_logs_drop(struct mm_heap *heap, struct mm_barrier_log **list);

/* Notes an entry, on a new log if need be, after the full one went on the
   list.  False: there was no memory for a new one, the entry is lost. */
bool mm_log_put(struct mm_heap *heap, struct mm_barrier_log **list,
                struct mm_barrier_log **log, uint32_t entry);

/* What a mutator has overwritten is on a log of its own, and the barrier itself
   writes there (mm_barrier_before): how much is known by mm_mutator.old_at. */
void mm_old_log_settle(struct mm_mutator *mutator); /* counts it */

/* The log is read by others now.  By its mutator, or with the world stopped. */
void mm_old_log_push(struct mm_heap *heap, struct mm_mutator *mutator);

/* Its entries from the count on are free. */
void mm_old_log_open(struct mm_mutator *mutator, struct mm_barrier_log *log);

#endif
