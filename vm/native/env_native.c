/* SPDX-License-Identifier: Apache-2.0 */
/* The table: binding natives by hand, callbacks, the machine. */
#include "config.h"

#include "vm/native/native_internal.h"

#include <string.h>

/* --- Natives --- */

static bool is_of_program(const struct vm_method *method)
{
  return method->native == vm_native_call;
}

static struct vm_method *find_native(struct vm_thread *thread,
                                     struct vm_class *class,
                                     const struct bamboo_native *native)
{
  bool many;
  struct vm_method *method =
      native_find_method(class, native->name, native->signature, true, &many);
  if (!method)
    method = native_find_method(class, native->name, native->signature, false,
                                &many);
  if (method && is_of_program(method))
    return method;
  vm_throw(thread, VM_ERROR_NO_SUCH_METHOD, "%s.%s%s%s%s", class->name,
           native->name, native->signature ? ": " : "",
           native->signature ? native->signature : "",
           method ? " is not native" : "");
  return NULL;
}

static bool register_natives(struct bamboo_env *env, bamboo_class class_,
                             const struct bamboo_native *natives, size_t count)
{
  struct vm_thread *thread = native_enter(env, "register_natives", 0);
  struct vm_class *class = native_class(thread, "register_natives", class_);
  bool ok = class != NULL;
  for (size_t i = 0; ok && i < count; i++) {
    struct vm_method *method = find_native(thread, class, &natives[i]);
    ok = method && native_register(thread, method, natives[i].function);
  }
  native_leave(thread);
  return ok;
}

static void unbind(struct vm_class *class)
{
  for (uint32_t i = 0; i < class->method_count; i++)
    if (is_of_program(&class->methods[i]))
      native_unbind(class->loader->vm, &class->methods[i]);
}

/* Functions without a record have a class for each file. */
static void unbind_globals(const struct vm_loader *loader)
{
  struct vm *vm = loader->vm;
  vm_lock(vm, VM_LOCK_LINK);
  for (struct vm_class *class = loader->classes; class; class = class->next)
    if (!class->has_instances)
      unbind(class);
  vm_unlock(vm, VM_LOCK_LINK);
}

static bool unregister_natives(struct bamboo_env *env, bamboo_class class_)
{
  struct vm_thread *thread = native_enter(env, "unregister_natives", 0);
  struct vm_class *class = native_class(thread, "unregister_natives", class_);
  if (class && class->has_instances)
    unbind(class);
  else if (class)
    unbind_globals(class->loader);
  native_leave(thread);
  return class != NULL;
}

/* --- Callbacks --- */

static void check_callback(struct vm_thread *thread, struct mm_ref receiver,
                           const struct vm_method *method)
{
  if (!method)
    native_mistake(thread, "new_callback",
                   "ask whether method_id returned NULL", "the method is NULL");
  bool is_static = (method->flags & VM_FLAG_STATIC) != 0;
  if (is_static != mm_is_null(receiver))
    native_mistake(thread, "new_callback",
                   is_static ? "pass NULL with a static method"
                             : "pass the object whose method is to be called",
                   "method %s.%s is %sstatic", method->owner->name,
                   method->name, is_static ? "" : "not ");
  if (!is_static &&
      !vm_class_is_assignable(vm_class_of(receiver), method->owner))
    native_mistake(thread, "new_callback", "use a method of the object's class",
                   "an object of %s has no method %s.%s",
                   vm_class_of(receiver)->name, method->owner->name,
                   method->name);
}

static bamboo_function new_callback(struct bamboo_env *env,
                                    bamboo_object object, bamboo_method opaque,
                                    bool by_pointer)
{
  struct vm_thread *thread = native_enter(env, "new_callback", 0);
  const struct vm_method *method = (const struct vm_method *)opaque;
  struct mm_ref receiver = native_ref(thread, "new_callback", object);
  check_callback(thread, receiver, method);
  if (!mm_is_null(receiver) && method->vtable_index != UINT32_MAX)
    method = vm_class_of(receiver)->vtable[method->vtable_index];
  struct native_callback *callback =
      native_callback_new(thread, receiver, method, by_pointer);
  native_leave(thread);
  return callback ? callback->code : NULL;
}

static void delete_callback(struct bamboo_env *env, bamboo_function code)
{
  struct vm_thread *thread =
      native_enter(env, "delete_callback", NATIVE_PENDING);
  struct native_callback *callback =
      code ? native_callback_find(thread->vm, code) : NULL;
  if (code && !callback)
    native_mistake(thread, "delete_callback",
                   "delete what new_callback returned, once",
                   "this is no callback");
  if (callback)
    native_callback_delete(thread, callback);
  native_leave(thread);
}

/* --- The machine --- */

static struct bamboo_vm *get_vm(struct bamboo_env *env)
{
  struct vm_thread *thread = native_enter(env, "get_vm", NATIVE_PENDING);
  struct bamboo_vm *vm = vm_natives_face(thread->vm);
  if (!vm && mm_is_null(thread->exception))
    vm_throw_out_of_memory(thread);
  native_leave(thread);
  return vm;
}

void native_fill_natives(struct bamboo_env *env)
{
  env->register_natives = register_natives;
  env->unregister_natives = unregister_natives;
  env->new_callback = new_callback;
  env->delete_callback = delete_callback;
  env->get_vm = get_vm;
}
