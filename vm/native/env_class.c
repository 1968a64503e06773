/* SPDX-License-Identifier: Apache-2.0 */
/* The table: classes, and objects without constructors. */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

bamboo_class native_local_class(struct vm_thread *thread,
                                struct vm_class *class)
{
  struct mm_ref mirror = vm_class_mirror(thread, class);
  return mm_is_null(mirror) ? NULL : native_local(thread, mirror);
}

/* What a name means to who asks: to a native, as to the module that declares
   it; to the beginning or end of a library, as to the module that it is of. */
static struct vm_loader *loader_here(const struct vm_thread *thread)
{
  const struct native_thread *native = thread->native;
  const struct vm_frame *frame = thread->top;
  if (native->hook_loader && native->hook_top == frame)
    return native->hook_loader;
  return frame && frame->method ? frame->method->owner->loader
                                : thread->vm->boot;
}

static bamboo_class find_class(struct bamboo_env *env, const char *name)
{
  struct vm_thread *thread = native_enter(env, "find_class", 0);
  struct vm_class *class =
      vm_loader_find_or_throw(thread, loader_here(thread), name);
  bamboo_class found = class ? native_local_class(thread, class) : NULL;
  native_leave(thread);
  return found;
}

static bamboo_class get_superclass(struct bamboo_env *env, bamboo_class class_)
{
  struct vm_thread *thread = native_enter(env, "get_superclass", 0);
  struct vm_class *class = native_class(thread, "get_superclass", class_);
  bamboo_class base =
      class && class->base ? native_local_class(thread, class->base) : NULL;
  native_leave(thread);
  return base;
}

static bool is_assignable(struct bamboo_env *env, bamboo_class from,
                          bamboo_class to)
{
  struct vm_thread *thread = native_enter(env, "is_assignable", 0);
  struct vm_class *sub = native_class(thread, "is_assignable", from);
  struct vm_class *super =
      sub ? native_class(thread, "is_assignable", to) : NULL;
  bool is = super && vm_class_is_assignable(sub, super);
  native_leave(thread);
  return is;
}

static bamboo_class get_object_class(struct bamboo_env *env,
                                     bamboo_object object)
{
  struct vm_thread *thread = native_enter(env, "get_object_class", 0);
  struct mm_ref ref = native_ref_not_null(thread, "get_object_class", object);
  bamboo_class class =
      mm_is_null(ref) ? NULL : native_local_class(thread, vm_class_of(ref));
  native_leave(thread);
  return class;
}

static bool is_instance(struct bamboo_env *env, bamboo_object object,
                        bamboo_class class_)
{
  struct vm_thread *thread = native_enter(env, "is_instance", 0);
  struct vm_class *class = native_class(thread, "is_instance", class_);
  struct mm_ref ref = native_ref(thread, "is_instance", object);
  bool is = class && (mm_is_null(ref) ||
                      vm_class_is_assignable(vm_class_of(ref), class));
  native_leave(thread);
  return is;
}

static const char *get_class_name(struct bamboo_env *env, bamboo_class class_)
{
  struct vm_thread *thread = native_enter(env, "get_class_name", 0);
  struct vm_class *class = native_class(thread, "get_class_name", class_);
  const char *name = class ? class->name : NULL;
  native_leave(thread);
  return name;
}

static bamboo_object alloc_object(struct bamboo_env *env, bamboo_class class_)
{
  struct vm_thread *thread = native_enter(env, "alloc_object", 0);
  struct vm_class *class = native_class(thread, "alloc_object", class_);
  struct mm_ref ref = MM_NULL;
  if (class && native_verify(thread) && vm_class_initialise(thread, class))
    ref = vm_new_object(thread, class);
  bamboo_object object = native_local(thread, ref);
  native_leave(thread);
  return object;
}

void native_fill_classes(struct bamboo_env *env)
{
  env->find_class = find_class;
  env->get_superclass = get_superclass;
  env->is_assignable = is_assignable;
  env->get_object_class = get_object_class;
  env->is_instance = is_instance;
  env->get_class_name = get_class_name;
  env->alloc_object = alloc_object;
}
