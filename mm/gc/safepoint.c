/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching mutators, and stopping them; see safepoint_internal.h.
 */
#include "config.h"

#include "mm/gc/safepoint_internal.h"

#include "mm/alloc/tlab_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/spin_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/mm_inline.h"
#include "mm/os/os_internal.h"
#include "mm/space/fixed_internal.h"

enum {
  MUTATOR_ID_MAX = 65535, /* what a light lock has room for */
};

static enum mm_mutator_state state_of(const struct mm_mutator *mutator)
{
  return (enum mm_mutator_state)__atomic_load_n(&mutator->state,
                                                __ATOMIC_SEQ_CST);
}

static void set_state(struct mm_mutator *mutator, enum mm_mutator_state state)
{
  __atomic_store_n(&mutator->state, state, __ATOMIC_SEQ_CST);
}

/* See Note [The entry limit]. */
static void set_poll(struct mm_mutator *mutator, uint32_t value)
{
  __atomic_store_n(&mutator->poll, value, __ATOMIC_SEQ_CST);
  if (value && !mm_breaks(mutator->heap, MM_FAULT_JIT_LIMIT))
    __atomic_store_n(&mutator->entry_limit, 0, __ATOMIC_SEQ_CST);
}

/* The poll word of a mutator that need not stop. */
static uint32_t calm_poll(const struct mm_heap *heap)
{
  return mm_stress_polls(heap) || heap->polls_always || mm_cards_are_many(heap);
}

void mm_poll_soon(struct mm_mutator *mutator)
{
  set_poll(mutator, 1);
}

/* Spinning is for threads that run at the same time. */
static bool spin_once(const struct mm_heap *heap, struct mm_spin *spin)
{
  return !heap->schedule.is_on && mm_spin_once(spin);
}

/* Attaching ---------------------------------------------------------------- */

static void take_id_locked(struct mm_heap *heap, uint32_t *id)
{
  for (uint32_t i = 1; i <= MUTATOR_ID_MAX; i++) {
    uint64_t bit = (uint64_t)1 << (i & 63);
    if (heap->mutator_ids[i >> 6] & bit)
      continue;
    heap->mutator_ids[i >> 6] |= bit;
    *id = i;
    return;
  }
}

static void give_id_locked(struct mm_heap *heap, uint32_t id)
{
  heap->mutator_ids[id >> 6] &= ~((uint64_t)1 << (id & 63));
}

static void link_locked(struct mm_heap *heap, struct mm_mutator *mutator)
{
  mutator->previous = NULL;
  mutator->next = heap->mutators;
  if (heap->mutators)
    heap->mutators->previous = mutator;
  heap->mutators = mutator;
}

static void unlink_locked(struct mm_heap *heap, struct mm_mutator *mutator)
{
  if (mutator->previous)
    mutator->previous->next = mutator->next;
  else
    heap->mutators = mutator->next;
  if (mutator->next)
    mutator->next->previous = mutator->previous;
}

/* Spreads seed and id over 64 bits (Steele et al., SplitMix, 2014). */
static uint64_t mix(uint64_t value)
{
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

enum mm_status mm_mutator_attach(struct mm_heap *heap,
                                 struct mm_mutator *mutator)
{
  pthread_mutex_lock(&heap->lock);
  while (mm_is_stopping(heap))
    mm_condition_wait(heap, &heap->resumed, &heap->lock);
  uint32_t id = 0;
  take_id_locked(heap, &id);
  mutator->slots = NULL;
  if (id != 0 && mm_fixed_attach(heap, mutator) != MM_OK) {
    give_id_locked(heap, id);
    id = 0;
  }
  if (id != 0) {
    mutator->heap = heap;
    mutator->id = id;
    mutator->hash_seed = mix(heap->options.seed + id);
    mutator->scopes = NULL;
    mm_handles_attach(heap, mutator);
    mutator->cards = mm_cards_bias(heap);
    mutator->heeding = mm_cards_heeding(heap);
    mutator->traces = mm_traces_bias(heap);
    mutator->card_log = NULL;
    mm_old_log_open(mutator, NULL);
    mutator->marking =
        mm_stress_marking(heap, mm_cycle_logs(heap->cycle.state));
    mutator->stress_due = false;
    mutator->must_fence = !heap->has_fences;
    mutator->starved_bytes = 0;
    mutator->slots_bytes = 0;
    mutator->refusal = MM_REFUSED_HEAP;
    mm_tlab_init(mutator);
    set_poll(mutator, calm_poll(heap));
    set_state(mutator, MM_MUTATOR_RUNNING);
    link_locked(heap, mutator);
  }
  pthread_mutex_unlock(&heap->lock);
  return id != 0 ? MM_OK : MM_NO_MEMORY;
}

void mm_mutator_detach(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  MM_ASSERT(state_of(mutator) == MM_MUTATOR_RUNNING);
  MM_ASSERT(!mutator->scopes);
  pthread_mutex_lock(&heap->lock);
  mm_tlab_retire(mutator);
  mm_fixed_retire_mutator(mutator);
  mm_fixed_detach(mutator);
  mm_handles_detach(heap, mutator);
  mm_log_push(heap, &heap->cards.full, &mutator->card_log);
  mm_old_log_push(heap, mutator);
  unlink_locked(heap, mutator);
  give_id_locked(heap, mutator->id);
  mutator->heap = NULL;
  mm_condition_notify(heap, &heap->stopped);
  pthread_mutex_unlock(&heap->lock);
}

/* Stopping ----------------------------------------------------------------- */

/* The id of another mutator that runs; 0: there is none. */
static uint32_t find_running_locked(const struct mm_heap *heap,
                                    const struct mm_mutator *self)
{
  const struct mm_mutator *other = heap->mutators;
  for (; other; other = other->next)
    if (other != self && state_of(other) == MM_MUTATOR_RUNNING)
      return other->id;
  return 0;
}

/* The id of the mutator that stopped last: one of those that were seen running
   at the last look but one.  0: none had to be waited for. */
static uint32_t wait_for_others_locked(struct mm_heap *heap,
                                       const struct mm_mutator *self)
{
  struct mm_spin spin = {0};
  uint32_t running, last = 0;
  while ((running = find_running_locked(heap, self)) != 0 ||
         __atomic_load_n(&heap->cycle.marker_runs, __ATOMIC_SEQ_CST)) {
    last = running ? running : last;
    if (!spin_once(heap, &spin))
      mm_condition_wait(heap, &heap->stopped, &heap->lock);
  }
  return last;
}

/* Where the last one stopped.  It may have ended instead, or gone into native
   code, where its frames are not to be looked at. */
static void ask_place_locked(struct mm_heap *heap, uint32_t id)
{
  const char *place = "its end";
  char text[MM_PLACE_BYTES];
  for (struct mm_mutator *each = heap->mutators; each; each = each->next) {
    if (each->id != id)
      continue;
    place = "native code";
    if (state_of(each) != MM_MUTATOR_STOPPED)
      break;
    place = "";
    if (heap->binding.where) {
      heap->binding.where(heap->host, each, text, sizeof text);
      place = text;
    }
    break;
  }
  mm_stat_stop_place(&heap->stat, place);
}

/* See Note [Fences around native code]. */
static void fence_others_locked(const struct mm_heap *heap,
                                const struct mm_mutator *self)
{
  const struct mm_mutator *first = heap->mutators;
  bool is_alone = !first || (first == self && !first->next);
  if (heap->has_fences && !is_alone)
    mm_os_fence_all();
}

/* `self' null: the caller is no mutator. */
static void stop_locked(struct mm_heap *heap, struct mm_mutator *self)
{
  mm_stat_stop_begin(&heap->stat);
  __atomic_store_n(&heap->stopping, 1, __ATOMIC_SEQ_CST);
  for (struct mm_mutator *each = heap->mutators; each; each = each->next)
    set_poll(each, 1);
  if (self)
    set_state(self, MM_MUTATOR_STOPPED);
  fence_others_locked(heap, self);
  mm_stat_stop_end(&heap->stat, wait_for_others_locked(heap, self));
  if (mm_stat_wants_place(&heap->stat))
    ask_place_locked(heap, heap->stat.last_stop.mutator);
}

static void tell_host(struct mm_heap *heap)
{
  if (heap->binding.world_stopped)
    heap->binding.world_stopped(heap->host);
}

bool mm_stop_world(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  MM_ASSERT(state_of(mutator) == MM_MUTATOR_RUNNING);
  pthread_mutex_lock(&heap->lock);
  if (mm_is_stopping(heap)) {
    pthread_mutex_unlock(&heap->lock);
    mm_safepoint_wait(mutator);
    return false;
  }
  stop_locked(heap, mutator);
  pthread_mutex_unlock(&heap->lock);
  tell_host(heap);
  return true;
}

bool mm_stop_world_from_outside(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  bool is_mine = !mm_is_stopping(heap);
  if (is_mine)
    stop_locked(heap, NULL);
  while (!is_mine && mm_is_stopping(heap))
    mm_condition_wait(heap, &heap->resumed, &heap->lock);
  pthread_mutex_unlock(&heap->lock);
  if (is_mine)
    tell_host(heap);
  return is_mine;
}

static void resume(struct mm_heap *heap, struct mm_mutator *self)
{
  MM_ASSERT(mm_is_stopping(heap));
  pthread_mutex_lock(&heap->lock);
  for (struct mm_mutator *each = heap->mutators; each; each = each->next)
    set_poll(each, calm_poll(heap));
  if (self)
    set_state(self, MM_MUTATOR_RUNNING);
  __atomic_store_n(&heap->stopping, 0, __ATOMIC_SEQ_CST);
  mm_condition_notify(heap, &heap->resumed);
  pthread_mutex_unlock(&heap->lock);
  mm_deaths_wake(heap);
}

void mm_resume_world(struct mm_mutator *mutator)
{
  MM_ASSERT(state_of(mutator) == MM_MUTATOR_STOPPED);
  resume(mutator->heap, mutator);
}

void mm_resume_world_from_outside(struct mm_heap *heap)
{
  resume(heap, NULL);
}

static void announce_stopped(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  mm_condition_notify(heap, &heap->stopped);
  pthread_mutex_unlock(&heap->lock);
}

void mm_safepoint_wait(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  set_state(mutator, MM_MUTATOR_STOPPED);
  announce_stopped(heap);
  struct mm_spin spin = {0};
  while (mm_is_stopping(heap) && spin_once(heap, &spin))
    ;
  pthread_mutex_lock(&heap->lock);
  while (mm_is_stopping(heap))
    mm_condition_wait(heap, &heap->resumed, &heap->lock);
  set_state(mutator, MM_MUTATOR_RUNNING);
  pthread_mutex_unlock(&heap->lock);
}

void mm_enter_native_slow(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  if (mm_is_stopping(heap))
    announce_stopped(heap);
  mm_schedule_yield(heap);
}

/* Others have their turn while this one is in native code still. */
void mm_leave_native_slow(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  if (heap->schedule.is_on) {
    set_state(mutator, MM_MUTATOR_IN_NATIVE);
    mm_schedule_yield(heap);
    set_state(mutator, MM_MUTATOR_RUNNING);
  }
  if (mm_is_stopping(heap))
    mm_safepoint_wait(mutator);
}

void mm_enter_native(struct mm_mutator *mutator)
{
  MM_ASSERT(state_of(mutator) == MM_MUTATOR_RUNNING);
  mm_enter_native_inline(mutator);
}

void mm_leave_native(struct mm_mutator *mutator)
{
  MM_ASSERT(state_of(mutator) == MM_MUTATOR_IN_NATIVE);
  mm_leave_native_inline(mutator);
}

/* The marker --------------------------------------------------------------- */

void mm_marker_begin(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  while (mm_is_stopping(heap))
    mm_condition_wait(heap, &heap->resumed, &heap->lock);
  __atomic_store_n(&heap->cycle.marker_runs, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&heap->lock);
}

void mm_marker_end(struct mm_heap *heap)
{
  __atomic_store_n(&heap->cycle.marker_runs, 0, __ATOMIC_SEQ_CST);
  if (mm_is_stopping(heap))
    announce_stopped(heap);
}

void mm_marker_stop(struct mm_heap *heap)
{
  mm_marker_end(heap);
  mm_marker_begin(heap);
}

/* For the host ------------------------------------------------------------- */

void mm_poll_always(struct mm_heap *heap, bool always)
{
  pthread_mutex_lock(&heap->lock);
  heap->polls_always = always;
  if (!mm_is_stopping(heap)) /* mm_resume_world does it otherwise */
    for (struct mm_mutator *each = heap->mutators; each; each = each->next)
      set_poll(each, calm_poll(heap));
  pthread_mutex_unlock(&heap->lock);
}

void mm_with_world_stopped(struct mm_mutator *mutator,
                           void (*run)(void *context), void *context)
{
  while (!mm_stop_world(mutator))
    ;
  run(context);
  mm_resume_world(mutator);
}

void mm_with_world_stopped_from_outside(struct mm_heap *heap,
                                        void (*run)(void *context),
                                        void *context)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  run(context);
  mm_resume_world_from_outside(heap);
}
