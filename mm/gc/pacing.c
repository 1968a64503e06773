/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A speed limit for allocation; it is derived in pacing_internal.h.
 */
#include "config.h"

#include "mm/gc/pacing_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/schedule.h"

#include <errno.h>
#include <time.h>

enum {
  NS_PER_S = 1000000000,
  MARGIN_FRACTION = 8, /* of what is expected, for what is not */
};

uint64_t mm_pacing_ns(const struct mm_pacing_need *need)
{
  double room = (double)need->room_bytes + 1;
  double ns = (double)need->bytes / room * (double)need->left_ns;
  return ns < MM_PACING_MOST_NS ? (uint64_t)ns : MM_PACING_MOST_NS;
}

uint64_t mm_pacing_left_ns(uint64_t expected_ns, uint64_t elapsed_ns)
{
  uint64_t margin_ns = expected_ns / MARGIN_FRACTION;
  return margin_ns + (elapsed_ns < expected_ns ? expected_ns - elapsed_ns
                                               : elapsed_ns - expected_ns);
}

uint64_t mm_pacing_due_ns(uint64_t due_ns, uint64_t now_ns, uint64_t cost_ns)
{
  uint64_t least_ns =
      now_ns > MM_PACING_SLACK_NS ? now_ns - MM_PACING_SLACK_NS : 0;
  uint64_t from_ns = due_ns > least_ns ? due_ns : least_ns;
  uint64_t most_ns = now_ns + MM_PACING_MOST_NS;
  return from_ns + cost_ns < most_ns ? from_ns + cost_ns : most_ns;
}

static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
  return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Until the cycle gives something back; 0: nothing has to be waited for. */
static uint64_t cycle_left_ns(const struct mm_heap *heap, uint64_t now_ns)
{
  const struct mm_cycle *cycle = &heap->cycle;
  uint64_t mark_ns = cycle->mark_ns,
           rest_ns = mm_cycle_expected_ns(heap) - mark_ns;
  switch (mm_cycle_state(heap)) {
  case MM_CYCLE_MARKING:
  case MM_CYCLE_FINALS:
  case MM_CYCLE_CLEARING:
    return rest_ns + mm_pacing_left_ns(mark_ns, since(cycle->began_ns, now_ns));
  case MM_CYCLE_SWEEPING:
    return mm_pacing_left_ns(rest_ns, since(cycle->marked_ns, now_ns));
  case MM_CYCLE_EVACUATING:
  case MM_CYCLE_IDLE:
    break;
  }
  return 0;
}

void mm_pacing_charge_locked(struct mm_heap *heap, uint64_t bytes)
{
  if (!heap->options.pacing || mm_is_stressed(heap) ||
      mm_cycle_state(heap) == MM_CYCLE_IDLE)
    return;
  uint64_t now_ns = mm_stat_now_ns();
  double filling = 1;
  if (mm_is_generational(heap))
    filling = mm_growth_filling(&heap->sizing.growth);
  struct mm_pacing_need need = {
      .bytes = (uint64_t)((double)bytes * filling),
      .room_bytes = mm_sizing_cycle_room_bytes(heap),
      .left_ns = cycle_left_ns(heap, now_ns),
  };
  uint64_t due_ns = __atomic_load_n(&heap->pacing_due_ns, __ATOMIC_RELAXED);
  due_ns = mm_pacing_due_ns(due_ns, now_ns, mm_pacing_ns(&need));
  __atomic_store_n(&heap->pacing_due_ns, due_ns, __ATOMIC_RELAXED);
}

static void sleep_until(struct mm_heap *heap, uint64_t until_ns)
{
  struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                           .tv_nsec = (long)(until_ns % NS_PER_S)};
  if (!heap->schedule.is_on) {
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
      ;
    return;
  }
  pthread_mutex_lock(&heap->lock);
  while (mm_stat_now_ns() < until_ns)
    mm_schedule_wait(heap, &heap->pacing_due_ns, &heap->lock, until_ns);
  pthread_mutex_unlock(&heap->lock);
}

void mm_pacing_pay(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  uint64_t due_ns = __atomic_load_n(&heap->pacing_due_ns, __ATOMIC_RELAXED);
  if (due_ns == 0 || mm_cycle_state(heap) == MM_CYCLE_IDLE)
    return;
  uint64_t now_ns = mm_stat_now_ns();
  if (due_ns < now_ns + MM_PACING_LEAST_NS)
    return;
  MM_ASSERT(due_ns - now_ns <= MM_PACING_MOST_NS || heap->schedule.is_on);
  mm_enter_native(mutator);
  sleep_until(heap, due_ns);
  uint64_t slept_ns = mm_stat_now_ns() - now_ns;
  mm_leave_native(mutator); /* a pause reads what is counted */
  pthread_mutex_lock(&heap->lock);
  mm_stat_pace(&heap->stat, slept_ns);
  pthread_mutex_unlock(&heap->lock);
}
