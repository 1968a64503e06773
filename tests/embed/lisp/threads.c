/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: (spawn procedure) calls it on a thread of its own, (join thread)
 * waits for what comes of it.
 *
 * Until it has begun, a thread has no stack that the collector would visit:
 * what it is to call, and the object that stands for it, get to it in global
 * handles. The record of a thread goes when its object has died, which the
 * thread itself holds until it ends.
 */
#include "lisp.h"

#include <stdlib.h>

struct thread {
  enum type type; /* THREAD */
  bool is_started, has_ended, has_failed;
  pthread_t id;
  struct mm_handle object, thunk;
  struct lisp lisp;
};

static struct thread *record_of(value thread)
{
  return *(struct thread **)(void *)(address(thread) + THREAD_RECORD);
}

/* The thread ----------------------------------------------------------------
 */

static value take(struct lisp *lisp, struct mm_handle handle)
{
  struct mm_ref ref = MM_NULL;
  mm_handle_get(&lisp->mutator, handle, &ref);
  mm_global_delete(&lisp->mutator, handle);
  return of_ref(ref);
}

/* (thunk) */
static value call(struct lisp *lisp, value thunk)
{
  size_t env = push(lisp, NIL);
  push(lisp, thunk);
  push(lisp, NIL);
  value expression = cons_top(lisp);
  if (expression == ERROR)
    return ERROR;
  size_t mine = push(lisp, expression);
  return eval(lisp, mine, env);
}

static void run(struct thread *record)
{
  struct lisp *lisp = &record->lisp;
  size_t object = push(lisp, take(lisp, record->object));
  value result = call(lisp, take(lisp, record->thunk));
  record->has_failed = result == ERROR;
  store(lisp, lisp->stack[object], THREAD_RESULT, result);
}

/* Without memory for a mutator the handles stay, and so does the object. */
static void *thread_main(void *argument)
{
  struct thread *record = argument;
  struct world *world = record->lisp.world;
  if (lisp_attach(&record->lisp, world)) {
    run(record);
    lisp_detach(&record->lisp);
  } else
    record->has_failed = true;
  pthread_mutex_lock(&world->lock);
  record->has_ended = true;
  world->running--;
  pthread_cond_broadcast(&world->ended);
  pthread_mutex_unlock(&world->lock);
  return NULL;
}

/* Spawning ------------------------------------------------------------------
 */

/* What is held in handles is the new thread's. */
static bool create(struct lisp *lisp, struct thread *record)
{
  struct world *world = lisp->world;
  pthread_mutex_lock(&world->lock);
  world->running++;
  pthread_mutex_unlock(&world->lock);
  record->is_started =
      pthread_create(&record->id, NULL, thread_main, record) == 0;
  if (record->is_started)
    return true;
  pthread_mutex_lock(&world->lock);
  world->running--;
  pthread_mutex_unlock(&world->lock);
  return false;
}

static bool start(struct lisp *lisp, struct thread *record, value object,
                  value thunk)
{
  struct mm_mutator *mutator = &lisp->mutator;
  if (mm_global_new(mutator, mm_tagged_ref(TAGGING, object), &record->object) ==
          MM_HANDLE_OK &&
      mm_global_new(mutator, mm_tagged_ref(TAGGING, thunk), &record->thunk) ==
          MM_HANDLE_OK &&
      create(lisp, record))
    return true;
  mm_global_delete(mutator, record->object);
  mm_global_delete(mutator, record->thunk);
  return false;
}

value spawn(struct lisp *lisp, size_t thunk)
{
  value object = new_plain(lisp, THREAD);
  if (object == ERROR)
    return ERROR;
  struct thread *record = calloc(1, sizeof *record);
  if (!record ||
      mm_language_watch(&lisp->mutator, mm_tagged_ref(TAGGING, object),
                        (uintptr_t)record) != MM_OK) {
    free(record);
    return lisp_fail(lisp, "no memory for a thread");
  }
  record->type = THREAD;
  record->lisp.world = lisp->world;
  store(lisp, object, THREAD_RESULT, NIL);
  *(struct thread **)(void *)(address(object) + THREAD_RECORD) = record;
  if (!start(lisp, record, object, lisp->stack[thunk]))
    return lisp_fail(lisp, "no thread can be started");
  return object;
}

/* Waiting -------------------------------------------------------------------
 */

/* In native: whoever collects does not wait for who waits.  `record' null: for
   all. */
static void await(struct lisp *lisp, const struct thread *record)
{
  struct world *world = lisp->world;
  mm_enter_native(&lisp->mutator);
  pthread_mutex_lock(&world->lock);
  while (record ? !record->has_ended : world->running > 0)
    pthread_cond_wait(&world->ended, &world->lock);
  pthread_mutex_unlock(&world->lock);
  mm_leave_native(&lisp->mutator);
}

value join(struct lisp *lisp, size_t thread)
{
  struct thread *record = record_of(lisp->stack[thread]);
  await(lisp, record);
  if (record->has_failed)
    return lisp_fail(lisp, "%s", record->lisp.error);
  return load(lisp->stack[thread], THREAD_RESULT);
}

void threads_await(struct lisp *lisp)
{
  await(lisp, NULL);
}

/* Nobody holds its object, so it is at its end, if it has begun. */
void thread_died(void *record)
{
  struct thread *thread = record;
  if (thread->is_started)
    pthread_join(thread->id, NULL);
  free(thread);
}
