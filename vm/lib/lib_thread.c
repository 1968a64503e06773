/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panda.Thread: a thread is an instance of a record that extends this one and
 * overrides `void run`.  What is behind it: vm/core/threads.h.
 *
 * The fields have blanks in their names, which hides them from programs.
 */
#include "config.h"

#include "mm/schedule.h"
#include "vm/core/object.h"
#include "vm/core/threads.h"
#include "vm/lib/library_internal.h"

static bool construct(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) && vm_lib_return_void(result);
}

static bool set_name(struct vm_thread *thread, union vm_slot *args,
                     union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  vm_object_set_volatile_ref(thread, args[0].ref, VM_THREAD_NAME_OFFSET,
                             args[1].ref);
  return vm_lib_return_void(result);
}

static bool get_name(struct vm_thread *thread, union vm_slot *args,
                     union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  struct mm_ref name = vm_threads_name(thread, args[0].ref);
  return !mm_is_null(name) && vm_lib_return_ref(result, name);
}

static bool get_id(struct vm_thread *thread, union vm_slot *args,
                   union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  return vm_lib_return_i64(result,
                           (int64_t)vm_threads_id(thread->vm, args[0].ref));
}

static uint8_t *daemon_flag(const union vm_slot *args)
{
  return vm_object_at(args[0].ref, VM_THREAD_DAEMON_OFFSET);
}

static bool set_daemon(struct vm_thread *thread, union vm_slot *args,
                       union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  if (vm_threads_state(args[0].ref) != VM_THREAD_NEW)
    return vm_throw(thread, VM_ERROR_ILLEGAL_STATE,
                    "the thread was started before");
  __atomic_store_n(daemon_flag(args), args[1].i32 != 0, __ATOMIC_RELAXED);
  return vm_lib_return_void(result);
}

static bool is_daemon(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  return vm_lib_return_i32(
      result, __atomic_load_n(daemon_flag(args), __ATOMIC_RELAXED));
}

static bool start(struct vm_thread *thread, union vm_slot *args,
                  union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_threads_start(thread, args[0].ref) && vm_lib_return_void(result);
}

static bool run(struct vm_thread *thread, union vm_slot *args,
                union vm_slot *result)
{
  (void)thread;
  (void)args;
  return vm_lib_return_void(result);
}

static bool join(struct vm_thread *thread, union vm_slot *args,
                 union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_threads_join(thread, args[0].ref, UINT64_MAX) &&
         vm_lib_return_void(result);
}

static bool timed_join(struct vm_thread *thread, union vm_slot *args,
                       union vm_slot *result)
{
  if (vm_lib_no_self(thread, args) ||
      !vm_threads_join(thread, args[0].ref, vm_lib_ms_to_ns(args[1].i64)))
    return false;
  return vm_lib_return_i32(result,
                           vm_threads_state(args[0].ref) != VM_THREAD_STARTED);
}

static bool is_alive(struct vm_thread *thread, union vm_slot *args,
                     union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  return vm_lib_return_i32(result,
                           vm_threads_state(args[0].ref) == VM_THREAD_STARTED);
}

static bool current(struct vm_thread *thread, union vm_slot *args,
                    union vm_slot *result)
{
  (void)args;
  struct mm_ref object = vm_threads_current(thread);
  return !mm_is_null(object) && vm_lib_return_ref(result, object);
}

static bool yield(struct vm_thread *thread, union vm_slot *args,
                  union vm_slot *result)
{
  (void)args;
  mm_enter_native(&thread->mutator);
  mm_schedule_pass(thread->vm->heap);
  mm_leave_native(&thread->mutator);
  return vm_lib_return_void(result);
}

static bool sleep_ms(struct vm_thread *thread, union vm_slot *args,
                     union vm_slot *result)
{
  return vm_threads_sleep(thread, vm_lib_ms_to_ns(args[0].i64)) &&
         vm_lib_return_void(result);
}

static const struct vm_native_field fields[] = {
    {"i64", "thread id", 0},
    {"panda.String", "thread name", 0},
    {"u32", "thread state", 0},
    {"u1", "thread daemon", 0},
};

static const struct vm_native_def methods[] = {
    {"void @.ctor(@)", construct, VM_FLAG_CTOR},
    {"void @.ctor(@, panda.String)", set_name, VM_FLAG_CTOR},
    {"void @.start(@)", start, 0},
    {"void @.run(@)", run, 0},
    {"void @.join(@)", join, 0},
    {"u1 @.timedJoin(@, i64)", timed_join, 0},
    {"u1 @.isAlive(@)", is_alive, 0},
    {"panda.Thread @.current()", current, 0},
    {"void @.yield()", yield, 0},
    {"void @.sleep(i64)", sleep_ms, 0},
    {"i64 @.getId(@)", get_id, 0},
    {"panda.String @.getName(@)", get_name, 0},
    {"void @.setName(@, panda.String)", set_name, 0},
    {"u1 @.isDaemon(@)", is_daemon, 0},
    {"void @.setDaemon(@, u1)", set_daemon, 0},
};

const struct vm_library_class vm_lib_thread = {
    .name = "panda.Thread",
    .fields = fields,
    .field_count = sizeof fields / sizeof fields[0],
    .methods = methods,
    .method_count = sizeof methods / sizeof methods[0],
};
