/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects whose languages want to know when they die (mm/language.h: died,
 * mm_language_watch).
 *
 *   each   | dead, to be told | old objects | young ones |          |
 *          0                 dead          old         count    capacity
 *
 * A watch is an object, its language, and a word that is the language's own.
 * It is one more entry of the weak tables (mm_weak_visit): a collection that
 * finds the object dead moves its watch to the dead ones, within the array, so
 * that a pause needs no memory.  A young collection visits the young ones only,
 * unless old objects move in it as well, as with handles; see
 * Note [Young handles] in handles_internal.h.
 *
 * A thread of the heap's own tells the languages, a batch at a time, once the
 * world goes on: not the one that allocates, which may hold any lock of its
 * host's (Boehm, "Destructors, finalizers, and synchronization", 2003).  It is
 * started for the first language that wants to know.
 *
 * `lock' guards all of it, in pauses too, since that thread does not stop for
 * them.  It is held for an allocation of native memory at most, and not while a
 * language is told.  It comes after handles.lock.
 */
#ifndef MM_REFS_DEATHS_INTERNAL_H
#define MM_REFS_DEATHS_INTERNAL_H

#include "mm/schedule.h"

#include <pthread.h>

struct mm_weak_visitor;

struct mm_watch {
  uint64_t word;
  struct mm_ref object;
  uint32_t language; /* 0: nobody is told (a planted fault) */
};

struct mm_deaths {
  pthread_mutex_t lock;
  pthread_cond_t wake; /* the thread: there is something to tell, or the end */
  pthread_cond_t told; /* who waits for a batch: it was told */
  pthread_t thread;
  struct mm_task task; /* the thread's */
  bool has_thread, quit;
  bool is_telling; /* a batch was taken, and is not told yet */
  struct mm_watch *each;
  size_t dead, old, count, capacity;
  uint64_t *told_of; /* per language, so many; null: no thread yet */
};

void mm_deaths_init(struct mm_heap *heap);

/* The thread runs, or there was one already.  MM_NO_MEMORY, MM_OS_FAILED. One
   thread at a time. */
enum mm_status mm_deaths_start(struct mm_heap *heap);

/* Ends the thread.  What it has not told, mm_deaths_destroy does. */
void mm_deaths_quit(struct mm_heap *heap);

/* The end of the heap is the end of all objects: tells all that are watched. */
void mm_deaths_destroy(struct mm_heap *heap);

/* World stopped, one of the weak tables. */
void mm_deaths_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor);

/* The world goes on. */
void mm_deaths_wake(struct mm_heap *heap);

/* Of a language: objects that are watched, deaths that were told. */
void mm_deaths_count(struct mm_heap *heap, unsigned language, uint64_t *watched,
                     uint64_t *told);

/* Are the watches where they belong?  World stopped. */
bool mm_deaths_check(struct mm_heap *heap);

#endif
