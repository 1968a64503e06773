/* SPDX-License-Identifier: Apache-2.0 */
/* The table: references, and monitors. */
#include "config.h"

#include "vm/native/native_internal.h"

#include "vm/core/monitor.h"

typedef enum mm_handle_status make_handle(struct mm_mutator *mutator,
                                          struct mm_ref ref,
                                          struct mm_handle *handle);
typedef enum mm_handle_status delete_handle(struct mm_mutator *mutator,
                                            struct mm_handle handle);

static bamboo_object make(struct bamboo_env *env, const char *function,
                          bamboo_object object, make_handle *make_one)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  struct mm_handle handle = MM_HANDLE_NONE;
  struct mm_ref ref = native_ref(thread, function, object);
  enum mm_handle_status status = make_one(&thread->mutator, ref, &handle);
  if (status != MM_HANDLE_OK)
    native_throw_handle(thread, status);
  native_leave(thread);
  return mm_handle_to_pointer(handle);
}

static void drop(struct bamboo_env *env, const char *function,
                 bamboo_object object, delete_handle *delete_one)
{
  struct vm_thread *thread = native_enter(env, function, NATIVE_PENDING);
  enum mm_handle_status status =
      delete_one(&thread->mutator, mm_handle_of_pointer(object));
  native_check_handle(thread, function, object, status);
  native_leave(thread);
}

static bamboo_object new_global(struct bamboo_env *env, bamboo_object object)
{
  return make(env, "new_global", object, mm_global_new);
}

static void delete_global(struct bamboo_env *env, bamboo_object object)
{
  drop(env, "delete_global", object, mm_global_delete);
}

static bamboo_object new_weak(struct bamboo_env *env, bamboo_object object)
{
  return make(env, "new_weak", object, mm_weak_new);
}

static void delete_weak(struct bamboo_env *env, bamboo_object object)
{
  drop(env, "delete_weak", object, mm_weak_delete);
}

static bamboo_object new_local(struct bamboo_env *env, bamboo_object object)
{
  return make(env, "new_local", object, mm_local_new);
}

static void delete_local(struct bamboo_env *env, bamboo_object object)
{
  drop(env, "delete_local", object, mm_local_delete);
}

/* --- Frames --- */

static bool room(struct bamboo_env *env, const char *function, int32_t count,
                 enum mm_handle_status (*make_room)(struct mm_mutator *mutator,
                                                    uint32_t count))
{
  struct vm_thread *thread = native_enter(env, function, 0);
  bool ok;
  if (count < 0) {
    ok = vm_throw_negative_size(thread, count);
  } else {
    enum mm_handle_status status = make_room(&thread->mutator, (uint32_t)count);
    ok = status == MM_HANDLE_OK || native_throw_handle(thread, status);
  }
  native_leave(thread);
  return ok;
}

static bool push_frame(struct bamboo_env *env, int32_t capacity)
{
  return room(env, "push_frame", capacity, mm_frame_push);
}

static bool ensure_capacity(struct bamboo_env *env, int32_t count)
{
  return room(env, "ensure_capacity", count, mm_local_ensure);
}

static bamboo_object pop_frame(struct bamboo_env *env, bamboo_object result)
{
  struct vm_thread *thread = native_enter(env, "pop_frame", NATIVE_PENDING);
  struct mm_handle escaped = MM_HANDLE_NONE;
  enum mm_handle_status status =
      mm_frame_pop(&thread->mutator, mm_handle_of_pointer(result), &escaped);
  if (status == MM_HANDLE_UNBALANCED)
    native_mistake(thread, "pop_frame", "call it once for each push_frame",
                   "no frame was pushed");
  if (status == MM_HANDLE_LIMIT || status == MM_HANDLE_NO_MEMORY)
    native_throw_handle(thread, status);
  else
    native_check_handle(thread, "pop_frame", result, status);
  native_leave(thread);
  return mm_handle_to_pointer(escaped);
}

/* --- Asking --- */

static bool is_same(struct bamboo_env *env, bamboo_object one,
                    bamboo_object other)
{
  struct vm_thread *thread = native_enter(env, "is_same", 0);
  struct mm_ref a = native_ref(thread, "is_same", one);
  struct mm_ref b = native_ref(thread, "is_same", other);
  bool same = mm_same(a, b);
  native_leave(thread);
  return same;
}

static enum bamboo_reference_kind reference_kind(struct bamboo_env *env,
                                                 bamboo_object object)
{
  static const enum bamboo_reference_kind kinds[] = {
      [MM_HANDLE_BAD] = BAMBOO_REFERENCE_NONE,
      [MM_HANDLE_LOCAL] = BAMBOO_REFERENCE_LOCAL,
      [MM_HANDLE_GLOBAL] = BAMBOO_REFERENCE_GLOBAL,
      [MM_HANDLE_WEAK] = BAMBOO_REFERENCE_WEAK,
  };
  struct vm_thread *thread =
      native_enter(env, "reference_kind", NATIVE_PENDING);
  struct mm_handle handle = mm_handle_of_pointer(object);
  enum mm_handle_status status = mm_handle_check(&thread->mutator, handle);
  bool is_good = status == MM_HANDLE_OK || status == MM_HANDLE_CLEARED;
  native_leave(thread);
  return is_good ? kinds[mm_handle_kind(handle)] : BAMBOO_REFERENCE_NONE;
}

/* --- Monitors --- */

static bool monitor_enter(struct bamboo_env *env, bamboo_object object)
{
  struct vm_thread *thread = native_enter(env, "monitor_enter", 0);
  bool ok =
      vm_monitor_enter(thread, native_ref(thread, "monitor_enter", object));
  native_leave(thread);
  return ok;
}

static bool monitor_exit(struct bamboo_env *env, bamboo_object object)
{
  struct vm_thread *thread = native_enter(env, "monitor_exit", NATIVE_PENDING);
  bool ok = vm_monitor_exit(thread, native_ref(thread, "monitor_exit", object));
  native_leave(thread);
  return ok;
}

void native_fill_references(struct bamboo_env *env)
{
  env->new_global = new_global;
  env->delete_global = delete_global;
  env->new_weak = new_weak;
  env->delete_weak = delete_weak;
  env->new_local = new_local;
  env->delete_local = delete_local;
  env->push_frame = push_frame;
  env->pop_frame = pop_frame;
  env->ensure_capacity = ensure_capacity;
  env->is_same = is_same;
  env->reference_kind = reference_kind;
  env->monitor_enter = monitor_enter;
  env->monitor_exit = monitor_exit;
}
