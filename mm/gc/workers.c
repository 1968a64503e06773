/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's threads; see workers_internal.h.
 */
#include "config.h"

#include "mm/gc/workers_internal.h"

#include "mm/native.h"
#include "mm/assert_internal.h"
#include "mm/gc/spin_internal.h"

#include <errno.h>
#include <signal.h>

static size_t workers_bytes(unsigned count)
{
  return sizeof(struct mm_workers) + count * sizeof(struct mm_worker);
}

static uint64_t epoch_of(const struct mm_workers *workers)
{
  return __atomic_load_n(&workers->epoch, __ATOMIC_ACQUIRE);
}

/*
 * Waits for a goal after `seen` and reads it under the lock: a thread that
 * was left out of one goal may come here as late as in the next.  False when
 * the thread is to end.
 */
static bool wait_for_goal(struct mm_workers *workers, uint64_t *seen,
                          unsigned *active, mm_goal **goal)
{
  struct mm_spin spin = {0};
  while (epoch_of(workers) == *seen && mm_spin_once(&spin))
    ;
  pthread_mutex_lock(&workers->lock);
  while (workers->epoch == *seen)
    pthread_cond_wait(&workers->posted, &workers->lock);
  *seen = workers->epoch;
  *active = workers->active;
  *goal = workers->goal;
  bool quit = workers->quit;
  pthread_mutex_unlock(&workers->lock);
  return !quit;
}

static void announce_done(struct mm_workers *workers)
{
  MM_ASSERT(__atomic_load_n(&workers->running, __ATOMIC_RELAXED) > 0);
  if (__atomic_sub_fetch(&workers->running, 1, __ATOMIC_ACQ_REL) != 0)
    return;
  pthread_mutex_lock(&workers->lock);
  pthread_cond_signal(&workers->done);
  pthread_mutex_unlock(&workers->lock);
}

static void *thread_main(void *argument)
{
  struct mm_worker *worker = argument;
  struct mm_workers *workers = worker->workers;
  uint64_t seen = 0;
  unsigned active;
  mm_goal *goal;
  while (wait_for_goal(workers, &seen, &active, &goal)) {
    if (worker->index >= active)
      continue;
    goal(worker);
    announce_done(workers);
  }
  return NULL;
}

static void post(struct mm_workers *workers, unsigned active, mm_goal *goal)
{
  pthread_mutex_lock(&workers->lock);
  MM_ASSERT(__atomic_load_n(&workers->running, __ATOMIC_RELAXED) == 0);
  workers->active = active;
  workers->goal = goal;
  __atomic_store_n(&workers->running, active - 1, __ATOMIC_RELAXED);
  __atomic_store_n(&workers->epoch, workers->epoch + 1, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&workers->posted);
  pthread_mutex_unlock(&workers->lock);
}

/* No thread takes part, but one may still be reading about the last goal. */
static void set_active_alone(struct mm_workers *workers)
{
  pthread_mutex_lock(&workers->lock);
  workers->active = 1;
  pthread_mutex_unlock(&workers->lock);
}

static void wait_until_done(struct mm_workers *workers)
{
  struct mm_spin spin = {0};
  while (__atomic_load_n(&workers->running, __ATOMIC_ACQUIRE) != 0 &&
         mm_spin_once(&spin))
    ;
  pthread_mutex_lock(&workers->lock);
  while (__atomic_load_n(&workers->running, __ATOMIC_ACQUIRE) != 0)
    pthread_cond_wait(&workers->done, &workers->lock);
  pthread_mutex_unlock(&workers->lock);
}

void mm_workers_run(struct mm_workers *workers, unsigned active, mm_goal *goal)
{
  MM_ASSERT(active >= 1 && active <= workers->count);
  __atomic_store_n(&workers->idle, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&workers->claimed, 0, __ATOMIC_RELAXED);
  if (active > 1)
    post(workers, active, goal);
  else
    set_active_alone(workers);
  goal(&workers->each[0]);
  if (active > 1)
    wait_until_done(workers);
}

void mm_workers_reset(struct mm_workers *workers)
{
  for (unsigned i = 0; i < workers->count; i++) {
    struct mm_worker *worker = &workers->each[i];
    worker->moved_objects = worker->moved_bytes = 0;
    for (enum mm_age age = 0; age < MM_AGE_COUNT; age++)
      worker->aged_bytes[age] = 0;
    worker->live_objects = worker->live_bytes = 0;
    worker->kept_objects = worker->cards = 0;
    worker->refused_bytes = SIZE_MAX;
    worker->stack_overflowed = false;
  }
}

/* Signals are for the host's threads. */
static enum mm_status start(struct mm_worker *worker)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = mm_native_fails_now()
                  ? EAGAIN
                  : pthread_create(&worker->thread, NULL, thread_main, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0)
    return MM_OS_FAILED;
  worker->is_thread = true;
  return MM_OK;
}

static enum mm_status init_each(struct mm_workers *workers, unsigned index)
{
  struct mm_worker *worker = &workers->each[index];
  worker->heap = workers->heap;
  worker->workers = workers;
  worker->index = index;
  if (!mm_trace_stack_init(&worker->stack))
    return MM_NO_MEMORY;
  const struct mm_options *options = &workers->heap->options;
  if (options->generational && options->tenured == MM_TENURED_FREELIST) {
    worker->slots = mm_fixed_new_cursors(workers->heap);
    if (!worker->slots)
      return MM_NO_MEMORY;
  }
  return index > 0 ? start(worker) : MM_OK;
}

enum mm_status mm_workers_create(struct mm_heap *heap, unsigned count,
                                 struct mm_workers **workers)
{
  struct mm_workers *new =
      mm_native_alloc(MM_PURPOSE_WORKERS, workers_bytes(count));
  if (!new)
    return MM_NO_MEMORY;
  new->heap = heap;
  new->count = count;
  pthread_mutex_init(&new->lock, NULL);
  pthread_cond_init(&new->posted, NULL);
  pthread_cond_init(&new->done, NULL);
  enum mm_status status = MM_OK;
  for (unsigned i = 0; i < count && status == MM_OK; i++)
    status = init_each(new, i);
  if (status == MM_OK)
    *workers = new;
  else
    mm_workers_destroy(new);
  return status;
}

static void quit(struct mm_workers *workers)
{
  pthread_mutex_lock(&workers->lock);
  workers->quit = true;
  __atomic_store_n(&workers->epoch, workers->epoch + 1, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&workers->posted);
  pthread_mutex_unlock(&workers->lock);
}

void mm_workers_destroy(struct mm_workers *workers)
{
  if (!workers)
    return;
  quit(workers);
  for (unsigned i = 0; i < workers->count; i++) {
    if (workers->each[i].is_thread)
      pthread_join(workers->each[i].thread, NULL);
    mm_trace_stack_destroy(&workers->each[i].stack);
    mm_fixed_free_cursors(workers->heap, workers->each[i].slots);
  }
  pthread_cond_destroy(&workers->done);
  pthread_cond_destroy(&workers->posted);
  pthread_mutex_destroy(&workers->lock);
  mm_native_free(MM_PURPOSE_WORKERS, workers, workers_bytes(workers->count));
}
