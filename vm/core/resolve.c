/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolution (4.4): from names in a module's tables to classes, fields and
 * methods, when an instruction first runs.  A result is kept in the table; a
 * failure is an exception and is tried again the next time.  Two threads that
 * resolve the same name find the same, so either may store it; the store is a
 * release, and whoever sees the result sees what it points at.
 *
 * A member has to agree in all that the verifier relied on: a field in name,
 * type and staticness, a method in name, return type and parameter types, the
 * receiver's left out; types agree when they mean the same.  Search goes from
 * the named class up its bases.
 *
 * Functions without a record: first the module's own, then those of the other
 * modules of its loader, then of the boot loader's, in load order.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

#include "vm/core/buffer.h"

/* --- Classes --- */

/* The record that is missing when a class cannot be found: the element of an
   array, the base that a record waits for. */
static size_t missing_name(struct vm_loader *loader, const char **name)
{
  size_t length = strlen(*name);
  while (length >= 2 && memcmp(*name + length - 2, "[]", 2) == 0)
    length -= 2;
  const char *base =
      (*name)[length] == '\0' ? vm_pending_base(loader, *name) : 0;
  for (; base; base = vm_pending_base(loader, base)) {
    *name = base;
    length = strlen(base);
    struct vm_class *class;
    if (!vm_loader_look_up(loader, base, &class) || class)
      break;
  }
  return length;
}

struct vm_class *vm_loader_find_or_throw(struct vm_thread *thread,
                                         struct vm_loader *loader,
                                         const char *name)
{
  struct vm_class *class;
  if (!vm_loader_look_up(loader, name, &class)) {
    vm_throw_out_of_memory(thread);
    return NULL;
  }
  if (class)
    return class;
  size_t length = missing_name(loader, &name);
  vm_throw_class_not_found(thread, name, length);
  return NULL;
}

/* Only the boot loader's modules are looked at before they are loaded. */
static struct vm_loader *loader_of(struct vm *vm,
                                   const struct vm_module *module)
{
  return module->loader ? module->loader : vm->boot;
}

struct vm_class *vm_lookup_class(struct vm *vm, struct vm_module *module,
                                 uint32_t type)
{
  struct vm_type_ref *ref = &module->types[type];
  struct vm_class *class = __atomic_load_n(&ref->resolved, __ATOMIC_ACQUIRE);
  if (class)
    return class;
  if (!vm_loader_look_up(loader_of(vm, module), ref->name, &class))
    return NULL;
  if (class)
    __atomic_store_n(&ref->resolved, class, __ATOMIC_RELEASE);
  return class;
}

struct vm_class *vm_resolve_class(struct vm_thread *thread,
                                  struct vm_module *module, uint32_t type)
{
  struct vm_class *class = vm_lookup_class(thread->vm, module, type);
  return class ? class
               : vm_loader_find_or_throw(thread, loader_of(thread->vm, module),
                                         module->types[type].name);
}

/* --- Fields --- */

static struct vm_field *find_field(struct vm_class *class,
                                   const struct vm_field_ref *ref,
                                   struct vm_type_meaning type)
{
  for (; class; class = class->base)
    for (uint32_t i = 0; i < class->field_count; i++) {
      struct vm_field *field = &class->fields[i];
      if (field->is_static == ref->is_static &&
          strcmp(field->name, ref->name) == 0 &&
          vm_same_meaning(vm_field_meaning(field), type))
        return field;
    }
  return NULL;
}

struct vm_field *vm_lookup_field(struct vm *vm, struct vm_module *module,
                                 uint32_t index)
{
  struct vm_field_ref *ref = &module->fields[index];
  struct vm_field *field = __atomic_load_n(&ref->resolved, __ATOMIC_ACQUIRE);
  if (field)
    return field;
  struct vm_class *class = vm_lookup_class(vm, module, ref->owner);
  field = find_field(class, ref, vm_type_meaning(module, ref->type));
  if (field)
    __atomic_store_n(&ref->resolved, field, __ATOMIC_RELEASE);
  return field;
}

struct vm_field *vm_resolve_field(struct vm_thread *thread,
                                  struct vm_module *module, uint32_t index)
{
  struct vm_field_ref *ref = &module->fields[index];
  if (!vm_resolve_class(thread, module, ref->owner))
    return NULL;
  struct vm_field *field = vm_lookup_field(thread->vm, module, index);
  if (!field)
    vm_throw(thread, VM_ERROR_NO_SUCH_FIELD, "%s%s %s.%s",
             ref->is_static ? "static " : "", module->types[ref->type].name,
             module->types[ref->owner].name, ref->name);
  return field;
}

/* --- Methods --- */

/* Do the types agree, from parameter `first` on? */
static bool same_types(const struct vm_module *module,
                       const struct vm_method_ref *ref,
                       const struct vm_method *method, uint32_t first)
{
  if (ref->param_count != method->param_count ||
      !vm_same_meaning(vm_type_meaning(module, ref->return_type),
                       vm_return_meaning(method)))
    return false;
  for (uint32_t i = first; i < ref->param_count; i++)
    if (!vm_same_meaning(vm_type_meaning(module, ref->params[i]),
                         vm_param_meaning(method, i)))
      return false;
  return true;
}

/* An instance method's receiver may be declared as any class between the one
   that is named and the owner; when one is static and the other not, the
   first parameter has to agree like any other. */
static bool matches(const struct vm_module *module,
                    const struct vm_method_ref *ref,
                    const struct vm_method *method, bool is_static)
{
  bool method_static = (method->flags & VM_FLAG_STATIC) != 0;
  if (method_static != is_static || strcmp(method->name, ref->name) != 0)
    return false;
  bool receiver = !ref->is_static && !is_static;
  return same_types(module, ref, method, receiver ? 1 : 0);
}

static struct vm_method *find_own(const struct vm_module *module,
                                  struct vm_class *class,
                                  const struct vm_method_ref *ref,
                                  bool is_static)
{
  for (uint32_t i = 0; i < class->method_count; i++)
    if (matches(module, ref, &class->methods[i], is_static))
      return &class->methods[i];
  return NULL;
}

/* Constructors are not inherited: the object that `initobj` makes is one of
   the class that is named, and its owner's is what it allocates. */
static struct vm_method *find_upwards(const struct vm_module *module,
                                      struct vm_class *class,
                                      const struct vm_method_ref *ref,
                                      bool is_static)
{
  struct vm_method *method = find_own(module, class, ref, is_static);
  if (ref->is_ctor)
    return method;
  for (class = class->base; class && !method; class = class->base)
    method = find_own(module, class, ref, is_static);
  return method;
}

/* The list of classes may grow otherwise. */
static struct vm_method *find_global_locked(const struct vm_loader *loader,
                                            const struct vm_module *module,
                                            const struct vm_method_ref *ref)
{
  for (struct vm_class *class = loader->classes; class; class = class->next)
    if (!class->has_instances && class->module) {
      struct vm_method *method = find_own(module, class, ref, true);
      if (method)
        return method;
    }
  return NULL;
}

static struct vm_method *find_method_locked(struct vm *vm,
                                            const struct vm_module *module,
                                            struct vm_class *class,
                                            const struct vm_method_ref *ref)
{
  struct vm_method *method = find_upwards(module, class, ref, ref->is_static);
  if (!method)
    method = find_upwards(module, class, ref, !ref->is_static);
  if (!method && !class->has_instances)
    method = find_global_locked(loader_of(vm, module), module, ref);
  if (!method && !class->has_instances)
    method = find_global_locked(vm->boot, module, ref);
  return method;
}

/* "void R.foo:(R, i32)", as a call would name it; false: no memory. */
static bool print_method(const struct vm_module *module,
                         const struct vm_method_ref *ref,
                         struct vm_buffer *text)
{
  bool ok =
      vm_buffer_print(text, "%s %s.%s:(", module->types[ref->return_type].name,
                      module->types[ref->owner].name, ref->name);
  for (uint32_t i = 0; ok && i < ref->param_count; i++)
    ok = vm_buffer_print(text, "%s%s", i ? ", " : "",
                         module->types[ref->params[i]].name);
  return ok && vm_buffer_print(text, ")");
}

static bool throw_no_method(struct vm_thread *thread,
                            const struct vm_module *module,
                            const struct vm_method_ref *ref)
{
  struct vm_buffer text = {.purpose = VM_PURPOSE_TEXT};
  if (print_method(module, ref, &text))
    vm_throw(thread, VM_ERROR_NO_SUCH_METHOD, "%s", text.bytes);
  else
    vm_throw_out_of_memory(thread);
  vm_buffer_free(&text);
  return false;
}

struct vm_method *vm_lookup_method(struct vm *vm, struct vm_module *module,
                                   uint32_t index)
{
  struct vm_method_ref *ref = &module->methods[index];
  struct vm_method *method = __atomic_load_n(&ref->resolved, __ATOMIC_ACQUIRE);
  if (method)
    return method;
  struct vm_class *class = vm_lookup_class(vm, module, ref->owner);
  if (class) {
    vm_lock(vm, VM_LOCK_LINK);
    method = find_method_locked(vm, module, class, ref);
    vm_unlock(vm, VM_LOCK_LINK);
  }
  if (method)
    __atomic_store_n(&ref->resolved, method, __ATOMIC_RELEASE);
  return method;
}

struct vm_method *vm_resolve_method(struct vm_thread *thread,
                                    struct vm_module *module, uint32_t index)
{
  struct vm_method_ref *ref = &module->methods[index];
  if (!vm_resolve_class(thread, module, ref->owner))
    return NULL;
  struct vm_method *method = vm_lookup_method(thread->vm, module, index);
  if (!method)
    throw_no_method(thread, module, ref);
  return method;
}

struct vm_class *vm_resolve_array_ctor(struct vm_thread *thread,
                                       struct vm_module *module, uint32_t index)
{
  struct vm_method_ref *ref = &module->methods[index];
  VM_ASSERT(ref->is_array_ctor && ref->param_count >= 1);
  if (ref->param_count - 1 > module->types[ref->owner].dims) {
    throw_no_method(thread, module, ref);
    return NULL;
  }
  return vm_resolve_class(thread, module, ref->owner);
}

/* --- Strings --- */

struct mm_ref vm_resolve_string(struct vm_thread *thread,
                                struct vm_module *module, uint32_t index)
{
  struct vm_string_const *string = &module->strings[index];
  struct mm_ref ref = vm_string_const_ref(string);
  if (!mm_is_null(ref))
    return ref;
  ref = vm_string_intern_utf8(thread, string->bytes, string->length_bytes);
  if (!mm_is_null(ref))
    __atomic_store_n(&string->resolved.bits, ref.bits, __ATOMIC_RELEASE);
  return ref;
}
