/* SPDX-License-Identifier: Apache-2.0 */
/* Object: monitors, identity hashes, and objects that never move. */
#include "config.h"

#include "vm/core/monitor.h"
#include "vm/core/object.h"
#include "vm/lib/library_internal.h"

static const uint64_t ns_per_ms = 1000000;

/* Initialises the class before anything is allocated; no constructor runs. */
static bool create_non_movable(struct vm_thread *thread, union vm_slot *args,
                               union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  struct vm_class *class = vm_class_of_mirror(args[0].ref);
  if (!vm_class_check_instantiable(thread, class) ||
      !vm_class_initialise(thread, class))
    return false;
  struct mm_ref object =
      mm_alloc_nonmoving(&thread->mutator, &class->layout, 0);
  if (mm_is_null(object))
    return vm_throw_refused(thread);
  return vm_lib_return_ref(result, object);
}

static bool monitor_enter(struct vm_thread *thread, union vm_slot *args,
                          union vm_slot *result)
{
  return vm_monitor_enter(thread, args[0].ref) && vm_lib_return_void(result);
}

static bool monitor_exit(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  return vm_monitor_exit(thread, args[0].ref) && vm_lib_return_void(result);
}

static bool wait_for_ever(struct vm_thread *thread, union vm_slot *args,
                          union vm_slot *result)
{
  return vm_monitor_wait(thread, args[0].ref, UINT64_MAX) &&
         vm_lib_return_void(result);
}

/* Times beyond 584 years end there. */
static uint64_t add_saturated(uint64_t a, uint64_t b)
{
  return a > UINT64_MAX - 1 - b ? UINT64_MAX - 1 : a + b;
}

static uint64_t ms_to_ns(uint64_t ms)
{
  return ms > (UINT64_MAX - 1) / ns_per_ms ? UINT64_MAX - 1 : ms * ns_per_ms;
}

static bool timed_wait(struct vm_thread *thread, union vm_slot *args,
                       union vm_slot *result)
{
  return vm_monitor_wait(thread, args[0].ref, ms_to_ns(args[1].u64)) &&
         vm_lib_return_void(result);
}

static bool timed_wait_nanos(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  uint64_t ns = args[2].u64 == UINT64_MAX ? UINT64_MAX - 1 : args[2].u64;
  return vm_monitor_wait(thread, args[0].ref,
                         add_saturated(ms_to_ns(args[1].u64), ns)) &&
         vm_lib_return_void(result);
}

static bool notify(struct vm_thread *thread, union vm_slot *args,
                   union vm_slot *result)
{
  return vm_monitor_notify(thread, args[0].ref, false) &&
         vm_lib_return_void(result);
}

static bool notify_all(struct vm_thread *thread, union vm_slot *args,
                       union vm_slot *result)
{
  return vm_monitor_notify(thread, args[0].ref, true) &&
         vm_lib_return_void(result);
}

/* A number for the object that stays the same wherever it moves. */
static bool identity_hash(struct vm_thread *thread, union vm_slot *args,
                          union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  uint32_t hash = vm_object_hash(thread, args[0].ref);
  return hash && vm_lib_return_u32(result, hash);
}

static const struct vm_native_def methods[] = {
    {"panda.Object Object.createNonMovable(panda.Class)", create_non_movable,
     0},
    {"void Object.monitorEnter(panda.Object)", monitor_enter, 0},
    {"void Object.monitorExit(panda.Object)", monitor_exit, 0},
    {"void Object.Wait(panda.Object)", wait_for_ever, 0},
    {"void Object.TimedWait(panda.Object, u64)", timed_wait, 0},
    {"void Object.TimedWaitNanos(panda.Object, u64, u64)", timed_wait_nanos, 0},
    {"void Object.Notify(panda.Object)", notify, 0},
    {"void Object.NotifyAll(panda.Object)", notify_all, 0},
    {"i32 Object.identityHash(panda.Object)", identity_hash, 0},
};

const struct vm_library_class vm_lib_object = VM_LIB_RECORD("Object", methods);
