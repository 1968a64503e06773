/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations on monitors; see monitor.h for the states, monitor_internal.h
 * for the table.
 *
 * An owner's enter and exit take no lock, light or inflated.  Who finds the
 * monitor taken inflates it, stands in its queue and parks; who gives it up
 * wakes the first of the queue, which tries again and may be overtaken by a
 * thread that runs (waking costs far more than a section takes, so handing
 * over would leave the monitor idle meanwhile).
 *
 * No wake-up is lost (Dekker): one thread joins the queue and then tries to
 * become owner, the other gives the monitor up and then looks at the queue's
 * count; all four are sequentially consistent, so at least one sees the other.
 *
 * Light locks in the header: Bacon, Konuru, Murthy, Serrano, "Thin Locks:
 * Featherweight Synchronization for Java", 1998.  Theirs never deflate; here
 * the collector does it, when the world is stopped anyway.
 */
#include "config.h"

#include "vm/core/monitor_internal.h"

#include <inttypes.h>

/* How often a taken monitor is looked at again before the thread parks; about
   a microsecond, so that it need not poll meanwhile. */
enum { SPINS = 40 };

static struct vm_monitor *monitor_of(const struct vm_thread *thread,
                                     uint32_t mark)
{
  return vm_monitor_at(thread->vm->monitors, vm_mark_payload(mark));
}

/* --- Inflating --- */

/* What the mark word says of the lock moves into the monitor. */
static void describe(struct vm_monitor *monitor, struct mm_ref object,
                     uint32_t mark)
{
  monitor->object = object;
  monitor->hash = 0;
  monitor->owner = 0;
  monitor->depth = 0;
  if (vm_mark_state(mark) == MM_MARK_HASHED)
    monitor->hash = vm_mark_payload(mark);
  if (vm_mark_state(mark) != MM_MARK_LIGHT)
    return;
  monitor->owner = vm_light_owner(mark);
  monitor->depth = vm_light_count(mark);
}

/* Tries to inflate from `mark`; somebody may have changed it: look again.
   False: no memory, OutOfMemoryError is pending. */
static bool inflate(struct vm_thread *thread, struct mm_ref object,
                    uint32_t mark)
{
  struct vm_monitor_table *table = thread->vm->monitors;
  uint32_t index;
  vm_lock(thread->vm, VM_LOCK_SYNC);
  struct vm_monitor *monitor = vm_monitor_take_locked(table, &index);
  if (monitor) {
    describe(monitor, object, mark);
    if (!vm_mark_change(object, &mark,
                        vm_mark_of_payload(MM_MARK_INFLATED, index)))
      vm_monitor_give_locked(table, index);
  }
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return monitor || vm_throw_out_of_memory(thread);
}

/* The object's monitor, made if need be; null: OutOfMemoryError is pending.
   Valid until the next safepoint. */
static struct vm_monitor *inflated(struct vm_thread *thread,
                                   struct mm_ref object)
{
  uint32_t mark;
  while (vm_mark_state(mark = vm_mark_load(object)) != MM_MARK_INFLATED)
    if (!inflate(thread, object, mark))
      return NULL;
  return monitor_of(thread, mark);
}

/* --- Entering --- */

enum attempt { ENTERED, TAKEN, FAILED };

static bool become_owner(struct vm_thread *thread, struct vm_monitor *monitor)
{
  uint32_t nobody = 0;
  if (!__atomic_compare_exchange_n(&monitor->owner, &nobody, thread->mutator.id,
                                   false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
    return false;
  monitor->depth = 1;
  thread->monitors_held++;
  return true;
}

static bool enter_inflated(struct vm_thread *thread, struct vm_monitor *monitor)
{
  if (vm_monitor_owner(monitor) != thread->mutator.id)
    return become_owner(thread, monitor);
  monitor->depth++;
  return true;
}

/* A light lock of this thread, once more; false: look at the word again. */
static bool enter_again(struct vm_thread *thread, struct mm_ref object,
                        uint32_t mark, enum attempt *result)
{
  uint32_t count = vm_light_count(mark);
  if (count == VM_LIGHT_COUNT_MAX) {
    *result = FAILED;
    return !inflate(thread, object, mark);
  }
  *result = ENTERED;
  return vm_mark_change(object, &mark, vm_light_mark(thread, count + 1));
}

static enum attempt try_enter(struct vm_thread *thread, struct mm_ref object)
{
  for (;;) {
    uint32_t mark = vm_mark_load(object);
    enum attempt result;
    switch (vm_mark_state(mark)) {
    case MM_MARK_UNLOCKED:
      if (!vm_mark_change(object, &mark, vm_light_mark(thread, 1)))
        continue;
      thread->monitors_held++;
      return ENTERED;
    case MM_MARK_LIGHT:
      if (vm_light_owner(mark) != thread->mutator.id)
        return TAKEN;
      if (enter_again(thread, object, mark, &result))
        return result;
      continue;
    case MM_MARK_INFLATED:
      return enter_inflated(thread, monitor_of(thread, mark)) ? ENTERED : TAKEN;
    default:
      if (!inflate(thread, object, mark))
        return FAILED;
    }
  }
}

static void pause_briefly(void)
{
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

static enum attempt try_for_a_while(struct vm_thread *thread,
                                    struct mm_ref object)
{
  enum attempt result = TAKEN;
  for (int i = 0; i < SPINS && result == TAKEN; i++) {
    pause_briefly();
    result = try_enter(thread, object);
  }
  return result;
}

/* Stands in the queue unless the monitor has become free: then it is taken.
   ENTERED, TAKEN (and parked), FAILED: the machine is exiting. */
static enum attempt queue_up(struct vm_thread *thread,
                             struct vm_monitor *monitor,
                             const struct mm_ref *object)
{
  struct vm_wait wait = {
      .kind = VM_WAIT_ENTER, .for_ever = true, .object = object};
  enum attempt result = TAKEN;
  vm_lock(thread->vm, VM_LOCK_SYNC);
  vm_queue_add_locked(&monitor->entry, thread);
  if (become_owner(thread, monitor))
    result = ENTERED;
  else if (!vm_park_locked(thread, &wait))
    result = FAILED;
  if (result != TAKEN)
    vm_queue_leave_locked(thread);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return result;
}

/* The object may move while the thread is parked. */
static bool enter_parking(struct vm_thread *thread, struct mm_ref object)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  enum attempt result;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = object;
  while ((result = try_for_a_while(thread, held[0])) == TAKEN) {
    struct vm_monitor *monitor = inflated(thread, held[0]);
    result = monitor ? queue_up(thread, monitor, &held[0]) : FAILED;
    if (result != TAKEN ||
        (!vm_park(thread, UINT64_MAX) && vm_is_exiting(thread->vm)))
      break;
  }
  mm_scope_close(&thread->mutator, &scope);
  return result == ENTERED;
}

bool vm_monitor_enter(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  mm_schedule_point(&thread->mutator);
  enum attempt result = try_enter(thread, object);
  return result == ENTERED ||
         (result == TAKEN && enter_parking(thread, object));
}

/* --- Leaving --- */

uint64_t vm_monitor_depth(struct vm_thread *thread, struct mm_ref object)
{
  uint32_t mark = vm_mark_load(object);
  if (vm_mark_state(mark) == MM_MARK_LIGHT)
    return vm_light_owner(mark) == thread->mutator.id ? vm_light_count(mark)
                                                      : 0;
  if (vm_mark_state(mark) != MM_MARK_INFLATED)
    return 0;
  const struct vm_monitor *monitor = monitor_of(thread, mark);
  return vm_monitor_owner(monitor) == thread->mutator.id ? monitor->depth : 0;
}

static bool throw_not_owner(struct vm_thread *thread, struct mm_ref object)
{
  const char *name = vm_class_of(object)->name;
  uint32_t hash = vm_object_hash(thread, object);
  return hash &&
         vm_throw(thread, VM_ERROR_MONITOR_STATE,
                  "the monitor of %s@%" PRIx32 " is not held by this thread",
                  name, hash);
}

/* Null and foreign monitors are refused. */
static bool check_owner(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  return vm_monitor_depth(thread, object) > 0 ||
         throw_not_owner(thread, object);
}

static void wake_next_locked(struct vm_monitor *monitor)
{
  struct vm_thread *next = vm_queue_take_locked(&monitor->entry);
  if (next)
    vm_unpark_locked(next);
}

static void give_up(struct vm_thread *thread, struct vm_monitor *monitor)
{
  thread->monitors_held--;
  monitor->depth = 0;
  __atomic_store_n(&monitor->owner, 0, __ATOMIC_SEQ_CST);
}

static void exit_inflated(struct vm_thread *thread, struct vm_monitor *monitor)
{
  if (monitor->depth > 1) {
    monitor->depth--;
    return;
  }
  give_up(thread, monitor);
  if (__atomic_load_n(&monitor->entry.count, __ATOMIC_SEQ_CST) == 0)
    return;
  vm_lock(thread->vm, VM_LOCK_SYNC);
  if (vm_monitor_owner(monitor) == 0) /* a new owner will wake it as well */
    wake_next_locked(monitor);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
}

/* False: it has been inflated meanwhile. */
static bool exit_light(struct vm_thread *thread, struct mm_ref object,
                       uint32_t mark)
{
  uint32_t count = vm_light_count(mark) - 1;
  if (!vm_mark_change(object, &mark,
                      count ? vm_light_mark(thread, count) : MM_MARK_UNLOCKED))
    return false;
  thread->monitors_held -= count == 0;
  return true;
}

bool vm_monitor_exit(struct vm_thread *thread, struct mm_ref object)
{
  if (!check_owner(thread, object))
    return false;
  uint32_t mark = vm_mark_load(object);
  if (vm_mark_state(mark) != MM_MARK_LIGHT || !exit_light(thread, object, mark))
    exit_inflated(thread, monitor_of(thread, vm_mark_load(object)));
  mm_schedule_point(&thread->mutator);
  return true;
}

/* --- Waiting and notifying --- */

bool vm_monitor_notify(struct vm_thread *thread, struct mm_ref object, bool all)
{
  if (!check_owner(thread, object))
    return false;
  uint32_t mark = vm_mark_load(object);
  if (vm_mark_state(mark) != MM_MARK_INFLATED)
    return true; /* who waits has inflated it */
  struct vm_monitor *monitor = monitor_of(thread, mark);
  struct vm_thread *waiter;
  vm_lock(thread->vm, VM_LOCK_SYNC);
  do {
    waiter = vm_queue_take_locked(&monitor->waiting);
    if (waiter)
      vm_unpark_locked(waiter);
  } while (all && waiter);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  mm_schedule_point(&thread->mutator);
  return true;
}

/* Gives the monitor up and parks, in one step for others.  False: the machine
   is exiting. */
static bool begin_wait(struct vm_thread *thread, struct vm_monitor *monitor,
                       const struct mm_ref *object, bool for_ever)
{
  struct vm_wait wait = {
      .kind = VM_WAIT_NOTIFY, .for_ever = for_ever, .object = object};
  vm_lock(thread->vm, VM_LOCK_SYNC);
  monitor->users++;
  give_up(thread, monitor);
  wake_next_locked(monitor);
  vm_queue_add_locked(&monitor->waiting, thread);
  bool parked = vm_park_locked(thread, &wait);
  if (!parked)
    vm_queue_leave_locked(thread);
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  return parked;
}

/* `users` has kept it from being deflated. */
static void end_wait(struct vm_thread *thread, struct mm_ref object,
                     bool entered, uint64_t depth)
{
  struct vm_monitor *monitor = monitor_of(thread, vm_mark_load(object));
  vm_lock(thread->vm, VM_LOCK_SYNC);
  monitor->users--;
  vm_unlock(thread->vm, VM_LOCK_SYNC);
  if (entered)
    monitor->depth = depth;
}

static uint64_t deadline_of(uint64_t ns)
{
  uint64_t now_ns = vm_now_ns();
  return ns >= UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
}

bool vm_monitor_wait(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns)
{
  if (!check_owner(thread, object))
    return false;
  struct vm_monitor *monitor = inflated(thread, object);
  if (!monitor)
    return false;
  uint64_t depth = monitor->depth;
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = object;
  bool entered = false;
  if (begin_wait(thread, monitor, &held[0], ns == UINT64_MAX)) {
    vm_park(thread, deadline_of(ns));
    entered = !vm_is_exiting(thread->vm) && vm_monitor_enter(thread, held[0]);
  }
  end_wait(thread, held[0], entered, depth);
  mm_scope_close(&thread->mutator, &scope);
  return entered;
}

/* --- Reports --- */

struct vm_thread *vm_monitor_owner_locked(struct vm *vm, struct mm_ref object)
{
  uint32_t mark = vm_mark_load(object), id = 0;
  if (vm_mark_state(mark) == MM_MARK_LIGHT)
    id = vm_light_owner(mark);
  else if (vm_mark_state(mark) == MM_MARK_INFLATED)
    id = vm_monitor_owner(vm_monitor_at(vm->monitors, vm_mark_payload(mark)));
  struct vm_thread *thread = vm->threads;
  while (thread && thread->mutator.id != id)
    thread = thread->next;
  return thread;
}

/* --- Hashes --- */

/* Two threads may draw one at once; the first that stores it wins. */
static uint32_t hash_of_monitor(struct vm_thread *thread,
                                struct vm_monitor *monitor)
{
  uint32_t hash = __atomic_load_n(&monitor->hash, __ATOMIC_RELAXED);
  if (hash)
    return hash;
  uint32_t drawn = mm_draw_hash(&thread->mutator);
  return __atomic_compare_exchange_n(&monitor->hash, &hash, drawn, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED)
             ? drawn
             : hash;
}

/* 0 from mm_identity_hash: it has been locked meanwhile. */
uint32_t vm_object_hash(struct vm_thread *thread, struct mm_ref object)
{
  uint32_t state = vm_mark_state(vm_mark_load(object));
  if (state == MM_MARK_UNLOCKED || state == MM_MARK_HASHED) {
    uint32_t hash = mm_identity_hash(&thread->mutator, object);
    if (hash)
      return hash;
  }
  struct vm_monitor *monitor = inflated(thread, object);
  return monitor ? hash_of_monitor(thread, monitor) : 0;
}
