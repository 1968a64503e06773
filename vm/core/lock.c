/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's locks and their order.  Debug builds count per thread of the
 * system which ranks it holds: bit i of `held` is rank i.
 *
 * Order as an enum that each acquisition asserts: jemalloc (Evans).
 */
#include "config.h"

#include "vm/core/lock.h"

#include <time.h>

#include "mm/schedule.h"
#include "vm/core/core_internal.h"

#define NS_PER_S 1000000000u

#ifdef BAMBOO_DEBUG
static _Thread_local uint32_t held;

static void note_taken(enum vm_lock_rank rank)
{
  VM_ASSERT(held >> rank == 0); /* only outer ones are held */
  held |= 1u << rank;
}

static void note_released(enum vm_lock_rank rank)
{
  VM_ASSERT(held & 1u << rank);
  held &= ~(1u << rank);
}

bool vm_holds_no_lock(void)
{
  return held == 0;
}
#else
static void note_taken(enum vm_lock_rank rank)
{
  (void)rank;
}

static void note_released(enum vm_lock_rank rank)
{
  (void)rank;
}

bool vm_holds_no_lock(void)
{
  return true;
}
#endif

bool vm_locks_init(struct vm *vm)
{
  pthread_mutex_t *locks = vm_core_of(vm)->locks;
  for (int i = 0; i < VM_LOCK_COUNT; i++) {
    if (pthread_mutex_init(&locks[i], NULL) == 0)
      continue;
    while (i-- > 0)
      pthread_mutex_destroy(&locks[i]);
    return false;
  }
  return true;
}

void vm_locks_destroy(struct vm *vm)
{
  for (int i = 0; i < VM_LOCK_COUNT; i++)
    pthread_mutex_destroy(&vm_core_of(vm)->locks[i]);
}

void vm_lock(struct vm *vm, enum vm_lock_rank rank)
{
  pthread_mutex_lock(&vm_core_of(vm)->locks[rank]);
  note_taken(rank);
}

void vm_unlock(struct vm *vm, enum vm_lock_rank rank)
{
  note_released(rank);
  pthread_mutex_unlock(&vm_core_of(vm)->locks[rank]);
}

bool vm_condition_init(pthread_cond_t *condition)
{
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0)
    return false;
  bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(condition, &attributes) == 0;
  pthread_condattr_destroy(&attributes);
  return made;
}

bool vm_lock_wait(struct vm *vm, enum vm_lock_rank rank,
                  pthread_cond_t *condition, uint64_t deadline_ns)
{
  pthread_mutex_t *mutex = &vm_core_of(vm)->locks[rank];
  if (mm_schedule_is_on(vm->heap))
    return mm_schedule_wait(vm->heap, condition, mutex, deadline_ns);
  if (deadline_ns == UINT64_MAX) {
    pthread_cond_wait(condition, mutex);
    return true;
  }
  struct timespec deadline = {
      .tv_sec = (time_t)(deadline_ns / NS_PER_S),
      .tv_nsec = (long)(deadline_ns % NS_PER_S),
  };
  return pthread_cond_timedwait(condition, mutex, &deadline) == 0;
}

void vm_condition_notify(struct vm *vm, pthread_cond_t *condition)
{
  mm_condition_notify(vm->heap, condition);
}

uint64_t vm_now_ns(void)
{
  return mm_now_ns();
}
