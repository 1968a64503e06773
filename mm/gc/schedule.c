/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deterministic schedule; see mm/schedule.h and schedule_internal.h.
 *
 * A turn is a random number of points, most often few: its bound is a random
 * power of two, so that both close interleavings and long runs come up.
 * (Choosing the next thread at random at each point is the "random walk" of
 * Sen, "Effective random testing of concurrent programs", 2007; runs of
 * several points let one thread get far ahead, which it hardly ever does.)
 *
 *   yield    the turn is not over: a count goes down, nothing is locked
 *            it is: choose among all that are ready, this one too
 *   wait     choose among the others
 *   notify   who waits becomes ready; the caller goes on
 *
 * The generator is SplitMix64 (Steele, Lea, Flood, "Fast splittable
 * pseudorandom number generators", 2014).
 */
#include "config.h"

#include "mm/gc/schedule_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/heap_internal.h"

#include <sched.h>

enum {
  POINT_NS = 1000,
  TURN_LOG2_MOST = 6,
};
/* Not 0, which stands for no time at all. */
#define FIRST_NS ((uint64_t)1000000000)

/* What the calling thread is. */
static _Thread_local struct mm_place here;

static void set_place(struct mm_place place)
{
  here = place;
  mm_stat_clock_ns = place.schedule ? &place.schedule->clock_ns : NULL;
}

static struct mm_task *own_task(const struct mm_schedule *schedule)
{
  return here.schedule == schedule ? here.task : NULL;
}

/* Choosing ----------------------------------------------------------------- */

static uint64_t mix(uint64_t value)
{
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

static uint64_t draw(struct mm_schedule *schedule)
{
  schedule->random += 0x9e3779b97f4a7c15u;
  return mix(schedule->random);
}

static uint32_t draw_turn(struct mm_schedule *schedule)
{
  uint64_t random = draw(schedule);
  uint32_t bound = (uint32_t)1 << (random >> 32) % (TURN_LOG2_MOST + 1);
  return 1 + (uint32_t)random % bound;
}

static bool is_ready(const struct mm_task *task)
{
  return !task->channel;
}

static void expire_locked(const struct mm_schedule *schedule)
{
  for (struct mm_task *task = schedule->tasks; task; task = task->next) {
    if (is_ready(task) || task->until_ns > schedule->clock_ns)
      continue;
    task->channel = NULL;
    task->timed_out = true;
  }
}

static uint32_t count_ready_locked(const struct mm_schedule *schedule)
{
  uint32_t count = 0;
  for (const struct mm_task *task = schedule->tasks; task; task = task->next)
    count += is_ready(task);
  return count;
}

/* All wait: it is the time that the first of them waits for. */
static void skip_time_locked(struct mm_schedule *schedule)
{
  uint64_t first_ns = UINT64_MAX;
  for (const struct mm_task *task = schedule->tasks; task; task = task->next)
    if (task->until_ns < first_ns)
      first_ns = task->until_ns;
  if (first_ns == UINT64_MAX)
    return;
  MM_ASSERT(first_ns > schedule->clock_ns);
  schedule->clock_ns = first_ns;
  expire_locked(schedule);
}

/* Null: none is ready. */
static struct mm_task *choose_locked(struct mm_schedule *schedule)
{
  expire_locked(schedule);
  if (count_ready_locked(schedule) == 0)
    skip_time_locked(schedule);
  uint32_t ready = count_ready_locked(schedule);
  uint32_t skipped = ready > 1 ? (uint32_t)(draw(schedule) % ready) : 0;
  struct mm_task *task = schedule->tasks;
  while (task && (!is_ready(task) || skipped-- > 0))
    task = task->next;
  return task;
}

static void note_choice(struct mm_schedule *schedule, uint32_t number)
{
  schedule->switches += number != schedule->last;
  schedule->last = number;
  schedule->digest = mix(schedule->digest + schedule->clock_ns) ^
                     number * UINT64_C(0x9e3779b1);
}

static void hand_on_locked(struct mm_schedule *schedule)
{
  struct mm_task *next = choose_locked(schedule);
  schedule->running = next;
  if (!next)
    return;
  schedule->turn = draw_turn(schedule);
  note_choice(schedule, next->number);
  pthread_cond_signal(&next->turn);
}

static void await_turn_locked(struct mm_schedule *schedule,
                              struct mm_task *task)
{
  while (schedule->running != task)
    pthread_cond_wait(&task->turn, &schedule->lock);
}

/* Points ------------------------------------------------------------------- */

static void end_turn(struct mm_schedule *schedule, struct mm_task *task)
{
  pthread_mutex_lock(&schedule->lock);
  MM_ASSERT(schedule->running == task);
  hand_on_locked(schedule);
  await_turn_locked(schedule, task);
  pthread_mutex_unlock(&schedule->lock);
}

void mm_schedule_yield(struct mm_heap *heap)
{
  struct mm_schedule *schedule = &heap->schedule;
  struct mm_task *task = schedule->is_on ? own_task(schedule) : NULL;
  if (!task)
    return;
  schedule->clock_ns += POINT_NS;
  if (--schedule->turn == 0)
    end_turn(schedule, task);
}

/* It is ready again as soon as somebody else was chosen. */
void mm_schedule_pass(struct mm_heap *heap)
{
  struct mm_schedule *schedule = &heap->schedule;
  struct mm_task *task = schedule->is_on ? own_task(schedule) : NULL;
  if (!task) {
    sched_yield();
    return;
  }
  schedule->clock_ns += POINT_NS;
  pthread_mutex_lock(&schedule->lock);
  if (count_ready_locked(schedule) > 1) {
    task->channel = task;
    task->until_ns = UINT64_MAX;
    hand_on_locked(schedule);
    task->channel = NULL;
  } else {
    hand_on_locked(schedule);
  }
  await_turn_locked(schedule, task);
  pthread_mutex_unlock(&schedule->lock);
}

/* Waiting ------------------------------------------------------------------ */

static void exchange_locked(struct mm_schedule *schedule, struct mm_task *task,
                            const void *channel, uint64_t until_ns)
{
  MM_ASSERT(schedule->running == task);
  task->timed_out = false;
  task->until_ns = until_ns;
  task->channel = channel;
  hand_on_locked(schedule);
  await_turn_locked(schedule, task);
  task->until_ns = UINT64_MAX;
}

bool mm_schedule_wait(struct mm_heap *heap, const void *channel,
                      pthread_mutex_t *mutex, uint64_t until_ns)
{
  struct mm_schedule *schedule = &heap->schedule;
  struct mm_task *task = own_task(schedule);
  MM_ASSERT(schedule->is_on);
  if (!task) { /* looks again and again */
    pthread_mutex_unlock(mutex);
    sched_yield();
    pthread_mutex_lock(mutex);
    return true;
  }
  pthread_mutex_lock(&schedule->lock);
  pthread_mutex_unlock(mutex);
  exchange_locked(schedule, task, channel, until_ns);
  bool in_time = !task->timed_out;
  pthread_mutex_unlock(&schedule->lock);
  pthread_mutex_lock(mutex);
  return in_time;
}

static void wake_locked(struct mm_schedule *schedule, const void *channel)
{
  for (struct mm_task *task = schedule->tasks; task; task = task->next)
    if (task->channel == channel)
      task->channel = NULL;
  if (!schedule->running)
    hand_on_locked(schedule);
}

void mm_schedule_notify(struct mm_heap *heap, const void *channel)
{
  struct mm_schedule *schedule = &heap->schedule;
  if (!schedule->is_on)
    return;
  pthread_mutex_lock(&schedule->lock);
  wake_locked(schedule, channel);
  pthread_mutex_unlock(&schedule->lock);
}

void mm_condition_wait(struct mm_heap *heap, pthread_cond_t *condition,
                       pthread_mutex_t *mutex)
{
  if (heap->schedule.is_on)
    mm_schedule_wait(heap, condition, mutex, UINT64_MAX);
  else
    pthread_cond_wait(condition, mutex);
}

void mm_condition_notify(struct mm_heap *heap, pthread_cond_t *condition)
{
  if (heap->schedule.is_on)
    mm_schedule_notify(heap, condition);
  else
    pthread_cond_broadcast(condition);
}

/* Tasks -------------------------------------------------------------------- */

void mm_schedule_add(struct mm_heap *heap, struct mm_task *task)
{
  struct mm_schedule *schedule = &heap->schedule;
  if (!schedule->is_on)
    return;
  *task = (struct mm_task){.until_ns = UINT64_MAX, .is_listed = true};
  pthread_cond_init(&task->turn, NULL);
  pthread_mutex_lock(&schedule->lock);
  task->number = ++schedule->numbers;
  struct mm_task **last = &schedule->tasks;
  while (*last)
    last = &(*last)->next;
  *last = task;
  if (!schedule->running)
    hand_on_locked(schedule);
  pthread_mutex_unlock(&schedule->lock);
}

void mm_schedule_begin(struct mm_heap *heap, struct mm_task *task)
{
  struct mm_schedule *schedule = &heap->schedule;
  if (!schedule->is_on)
    return;
  MM_ASSERT(!here.schedule && task->is_listed);
  set_place((struct mm_place){schedule, task});
  pthread_mutex_lock(&schedule->lock);
  await_turn_locked(schedule, task);
  pthread_mutex_unlock(&schedule->lock);
}

static void unlink_locked(struct mm_schedule *schedule, struct mm_task *task)
{
  struct mm_task **at = &schedule->tasks;
  while (*at != task)
    at = &(*at)->next;
  *at = task->next;
  task->is_listed = false;
}

void mm_schedule_end(struct mm_heap *heap, struct mm_task *task)
{
  struct mm_schedule *schedule = &heap->schedule;
  if (!schedule->is_on)
    return;
  if (own_task(schedule) == task)
    set_place((struct mm_place){NULL, NULL});
  pthread_mutex_lock(&schedule->lock);
  unlink_locked(schedule, task);
  wake_locked(schedule, &task->is_listed);
  if (schedule->running == task)
    hand_on_locked(schedule);
  pthread_mutex_unlock(&schedule->lock);
  pthread_cond_destroy(&task->turn);
}

void mm_schedule_await_end(struct mm_heap *heap, const struct mm_task *task)
{
  struct mm_schedule *schedule = &heap->schedule;
  struct mm_task *self = schedule->is_on ? own_task(schedule) : NULL;
  if (!self)
    return;
  pthread_mutex_lock(&schedule->lock);
  while (task->is_listed)
    exchange_locked(schedule, self, &task->is_listed, UINT64_MAX);
  pthread_mutex_unlock(&schedule->lock);
}

/* Life --------------------------------------------------------------------- */

void mm_schedule_init(struct mm_heap *heap)
{
  struct mm_schedule *schedule = &heap->schedule;
  schedule->is_on = heap->options.deterministic;
  pthread_mutex_init(&schedule->lock, NULL);
  schedule->random = mix(heap->options.seed + 1);
  schedule->clock_ns = FIRST_NS;
  if (!schedule->is_on)
    return;
  schedule->outer = here;
  here.schedule = NULL;
  mm_schedule_add(heap, &schedule->maker);
  mm_schedule_begin(heap, &schedule->maker);
}

void mm_schedule_settle(struct mm_heap *heap)
{
  struct mm_schedule *schedule = &heap->schedule;
  if (!schedule->maker.is_listed)
    return;
  mm_schedule_end(heap, &schedule->maker);
  set_place(schedule->outer);
}

void mm_schedule_destroy(struct mm_heap *heap)
{
  mm_schedule_settle(heap);
  MM_ASSERT(!heap->schedule.tasks);
  pthread_mutex_destroy(&heap->schedule.lock);
}

void mm_schedule_work(struct mm_heap *heap, uint64_t ns)
{
  if (own_task(&heap->schedule))
    heap->schedule.clock_ns += ns;
}

bool mm_schedule_is_on(const struct mm_heap *heap)
{
  return heap->schedule.is_on;
}

uint64_t mm_now_ns(void)
{
  return mm_stat_now_ns();
}

uint64_t mm_schedule_digest(const struct mm_heap *heap)
{
  return heap->schedule.digest;
}

uint64_t mm_schedule_switches(const struct mm_heap *heap)
{
  return heap->schedule.switches;
}
