/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a native method to a C function, when the method is first called:
 *
 *   1. what register_natives gave it (it is bound then, nothing is sought)
 *   2. Bamboo_RECORD_METHOD__TYPES, Bamboo_RECORD_METHOD
 *                          called with (env, class or this, arguments)
 *   3. METHOD              static methods: a plain C function, called with the
 *                          arguments alone
 *
 * The libraries are searched in the order in which they were named, for one
 * name after the other.  What was found stays with the method; a failure is an
 * exception, and the next call tries again.
 *
 *   letters, digits   themselves          _    _1
 *   .                 _                   []   _3
 *   between types     _2                  any other byte   _0 and four digits,
 *                                                          hexadecimal
 *
 * A function without a record is Bamboo_METHOD.  (The names of the JNI, whose
 * types are descriptors instead.)  Where several natives of a class have one
 * name, only the long form tells them apart, and only that is sought.
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <string.h>

/* --- Names --- */

static bool put_escaped(struct vm_buffer *buffer, const char *text)
{
  bool ok = true;
  for (; *text && ok; text++) {
    unsigned char c = (unsigned char)*text;
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9');
    if (is_plain)
      ok = vm_buffer_print(buffer, "%c", c);
    else if (c == '.')
      ok = vm_buffer_print(buffer, "_");
    else if (c == '_')
      ok = vm_buffer_print(buffer, "_1");
    else if (c == '[' && text[1] == ']') {
      ok = vm_buffer_print(buffer, "_3");
      text++;
    } else {
      ok = vm_buffer_print(buffer, "_0%04x", c);
    }
  }
  return ok;
}

static bool put_name(struct vm_buffer *buffer, const struct vm_method *method)
{
  if (!vm_buffer_print(buffer, "Bamboo_"))
    return false;
  if (method->owner->has_instances &&
      !(put_escaped(buffer, method->owner->name) &&
        vm_buffer_print(buffer, "_")))
    return false;
  return put_escaped(buffer, method->name);
}

/* The receiver counts for nothing. */
static uint32_t first_param(const struct vm_method *method)
{
  return method->flags & VM_FLAG_STATIC ? 0 : 1;
}

static bool put_types(struct vm_buffer *buffer, const struct vm_method *method)
{
  uint32_t first = first_param(method);
  bool ok = vm_buffer_print(buffer, "__");
  for (uint32_t i = first; ok && i < method->param_count; i++)
    ok = (i == first || vm_buffer_print(buffer, "_2")) &&
         put_escaped(buffer, method->param_types[i]);
  return ok;
}

static bool is_overloaded(const struct vm_method *method)
{
  const struct vm_class *class = method->owner;
  for (uint32_t i = 0; i < class->method_count; i++) {
    const struct vm_method *other = &class->methods[i];
    if (other != method && (other->flags & VM_FLAG_NATIVE) &&
        strcmp(other->name, method->name) == 0)
      return true;
  }
  return false;
}

bool native_names_make(struct native_names *names,
                       const struct vm_method *method)
{
  *names = (struct native_names){{.purpose = VM_PURPOSE_TEXT},
                                 {.purpose = VM_PURPOSE_TEXT}};
  if (put_name(&names->with_types, method) &&
      put_types(&names->with_types, method) &&
      (is_overloaded(method) || put_name(&names->without, method)))
    return true;
  native_names_free(names);
  return false;
}

void native_names_free(struct native_names *names)
{
  vm_buffer_free(&names->with_types);
  vm_buffer_free(&names->without);
}

const char *native_name_of(const struct vm_method *method)
{
  return method->function ? method->function->text_name : method->name;
}

static const char *plain_name(const struct vm_method *method)
{
  return method->flags & VM_FLAG_STATIC ? method->name : NULL;
}

/* --- What cannot be found --- */

static bool put_names(struct vm_buffer *text,
                      struct native_library *const *list, const char **before)
{
  bool ok = true;
  const struct native_library *library;
  for (; ok && (library = __atomic_load_n(list, __ATOMIC_ACQUIRE)) != NULL;
       list = &library->next, *before = ", ")
    ok = vm_buffer_print(text, "%s%s", *before, library->name);
  return ok;
}

static bool put_libraries(struct vm_buffer *text,
                          const struct vm_loader *loader)
{
  const char *none = " in ", *before = none;
  if (!put_names(text, &loader->libraries, &before) ||
      !put_names(text, &loader->vm->natives->libraries, &before))
    return false;
  return before != none ||
         vm_buffer_print(text, "; no library was named: --native-lib=FILE");
}

static bool put_missing(struct vm_buffer *text, const struct vm_method *method,
                        const struct native_names *names)
{
  const char *plain = plain_name(method);
  return vm_buffer_print(text,
                         "native method \"%s\" is not bound: there is "
                         "no %s",
                         native_name_of(method), names->with_types.bytes) &&
         (names->without.count == 0 ||
          vm_buffer_print(text, ", no %s", names->without.bytes)) &&
         (!plain || vm_buffer_print(text, " and no %s", plain)) &&
         put_libraries(text, method->owner->loader);
}

static bool throw_missing(struct vm_thread *thread,
                          const struct vm_method *method,
                          const struct native_names *names)
{
  struct vm_buffer text = {.purpose = VM_PURPOSE_TEXT};
  if (put_missing(&text, method, names))
    vm_throw(thread, VM_ERROR_NO_SUCH_METHOD, "%s", text.bytes);
  else
    vm_throw_out_of_memory(thread);
  vm_buffer_free(&text);
  return false;
}

/* --- What a plain function cannot have --- */

/* Parameters before the first variadic one, of those that the method has. */
static uint32_t fixed_count(const struct vm_method *method)
{
  return method->function ? method->function->fixed_count : method->param_count;
}

static bool is_variadic(const struct vm_method *method)
{
  return fixed_count(method) < method->param_count;
}

static bool check_variadic(struct vm_thread *thread,
                           const struct vm_method *method, bool is_plain)
{
  if (!is_variadic(method) || (is_plain && fixed_count(method) > 0))
    return true;
  return vm_throw(thread, VM_ERROR_UNSUPPORTED,
                  is_plain ? "the variadic parameters of \"%s\" have none "
                             "before them"
                           : "\"%s\" has variadic parameters, and a function "
                             "with the machine's table",
                  native_name_of(method));
}

static bool check_plain(struct vm_thread *thread,
                        const struct vm_method *method)
{
  for (uint32_t i = 0; i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF &&
        !native_plain_takes(method->owner->loader, method->param_types[i]))
      return vm_throw(
          thread, VM_ERROR_UNSUPPORTED,
          "the plain C function %s of \"%s\" cannot take a %s (a%u)"
          ": it takes numbers, panda.String, arrays of numbers and "
          "callbacks; for others write a function with the machine's "
          "table",
          method->name, native_name_of(method), method->param_types[i],
          (unsigned)i);
  if (method->return_prim == VM_PRIM_REF &&
      strcmp(method->return_type, "panda.String") != 0)
    return vm_throw(thread, VM_ERROR_UNSUPPORTED,
                    "the plain C function %s of \"%s\" cannot return a %s: it "
                    "returns numbers and panda.String; for others write a "
                    "function with the machine's table",
                    method->name, native_name_of(method), method->return_type);
  return true;
}

static bool has_references(const struct vm_method *method)
{
  bool has = method->return_prim == VM_PRIM_REF;
  for (uint32_t i = 0; i < method->param_count; i++)
    has |= method->param_prims[i] == VM_PRIM_REF;
  return has;
}

/* --- Binding --- */

/* Types as C has them: with the table, two pointers come first, of which the
   second is the receiver or the class. */
static const struct native_signature *
signature_of(struct vm *vm, const struct vm_method *method, bool is_plain)
{
  uint32_t first = first_param(method);
  uint32_t extra = is_plain ? 0 : 2;
  uint32_t count = method->param_count - first + extra;
  uint8_t *prims = mm_native_alloc(VM_PURPOSE_NATIVES, (size_t)count + 1);
  if (!prims)
    return NULL;
  prims[0] = method->return_prim;
  memset(prims + 1, VM_PRIM_REF, extra);
  for (uint32_t i = first; i < method->param_count; i++) {
    enum vm_prim prim = (enum vm_prim)method->param_prims[i];
    prims[1 + extra + i - first] =
        (uint8_t)(i < fixed_count(method) ? prim : native_promoted(prim));
  }
  const struct native_signature *signature = native_signature(
      vm, prims, count, count - (method->param_count - fixed_count(method)));
  mm_native_free(VM_PURPOSE_NATIVES, prims, (size_t)count + 1);
  return signature;
}

/* If there is a compiler, and memory; else libffi does it.  Code that calls
   with the table reads the class's object, which has to be there. */
static void make_code(struct vm_thread *thread, struct vm_method *method,
                      struct native_binding *binding)
{
  const struct vm_tier *tier = thread->vm->tier;
  const struct native_signature *signature = binding->signature;
  const struct vm_native_wanted wanted = {
      .function = binding->function,
      .name = binding->name,
      .has_table = !binding->is_plain,
      .is_direct =
          !binding->has_references && signature->fixed == signature->count,
      .prims = signature->prims,
      .count = signature->count,
  };
  if (!tier)
    return;
  if (!binding->is_plain && mm_is_null(vm_class_mirror(thread, method->owner)))
    thread->exception = MM_NULL;
  else
    tier->bridge(thread, method, &wanted, &binding->code);
}

static struct native_binding *bind(struct vm_thread *thread,
                                   struct vm_method *method,
                                   bamboo_function function, bool is_plain)
{
  struct vm *vm = thread->vm;
  if (!check_variadic(thread, method, is_plain))
    return NULL;
  struct native_binding *binding =
      mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *binding);
  const struct native_signature *signature =
      binding ? signature_of(vm, method, is_plain) : NULL;
  if (!signature) {
    mm_native_free(VM_PURPOSE_NATIVES, binding, sizeof *binding);
    vm_throw_out_of_memory(thread);
    return NULL;
  }
  binding->function = function;
  binding->signature = signature;
  binding->name = native_name_of(method);
  binding->is_plain = is_plain;
  binding->has_references = is_plain && has_references(method);
  make_code(thread, method, binding);
  struct vm_loader *loader = method->owner->loader;
  vm_lock(vm, VM_LOCK_NATIVES);
  binding->next = loader->bindings;
  loader->bindings = binding;
  vm_unlock(vm, VM_LOCK_NATIVES);
  return binding;
}

static const struct native_binding *find(struct vm_thread *thread,
                                         struct vm_method *method,
                                         const struct native_names *names)
{
  const char *plain = plain_name(method);
  bamboo_function function =
      native_find(method->owner->loader, names->with_types.bytes);
  if (!function && names->without.count > 0)
    function = native_find(method->owner->loader, names->without.bytes);
  if (function)
    return bind(thread, method, function, false);
  function = plain ? native_find(method->owner->loader, plain) : NULL;
  if (!function) {
    throw_missing(thread, method, names);
    return NULL;
  }
  return check_plain(thread, method) ? bind(thread, method, function, true)
                                     : NULL;
}

/* What calls the method calls that from now on; null: it is sought again. */
static void publish_locked(struct vm *vm, struct vm_method *method,
                           const struct native_binding *binding)
{
  __atomic_store_n(&method->binding, (void *)binding, __ATOMIC_RELEASE);
  if (!vm->tier)
    return;
  const void *entry = binding && binding->code.entry
                          ? binding->code.entry
                          : vm->tier->initial_entry(vm, method);
  __atomic_store_n(&method->machine_entry, entry, __ATOMIC_RELEASE);
}

/* Another thread may have been first, or register_natives: theirs holds. */
static const struct native_binding *
publish_first(struct vm *vm, struct vm_method *method,
              const struct native_binding *binding)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  if (method->binding)
    binding = method->binding;
  else
    publish_locked(vm, method, binding);
  vm_unlock(vm, VM_LOCK_NATIVES);
  return binding;
}

const struct native_binding *native_bind(struct vm_thread *thread,
                                         struct vm_method *method)
{
  struct native_names names;
  if (!native_names_make(&names, method)) {
    vm_throw_out_of_memory(thread);
    return NULL;
  }
  const struct native_binding *binding = find(thread, method, &names);
  native_names_free(&names);
  return binding ? publish_first(thread->vm, method, binding) : NULL;
}

bool native_register(struct vm_thread *thread, struct vm_method *method,
                     bamboo_function function)
{
  struct native_library *held;
  if (!native_library_hold(thread, function, &held))
    return false;
  struct native_binding *binding = bind(thread, method, function, false);
  if (!binding) {
    native_libraries_end(thread->vm, held);
    return false;
  }
  vm_lock(thread->vm, VM_LOCK_NATIVES);
  binding->held = held;
  publish_locked(thread->vm, method, binding);
  vm_unlock(thread->vm, VM_LOCK_NATIVES);
  return true;
}

void native_unbind(struct vm *vm, struct vm_method *method)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  publish_locked(vm, method, NULL);
  vm_unlock(vm, VM_LOCK_NATIVES);
}

/* --- The machine's part --- */

struct vm_natives *vm_natives_create(void)
{
  return mm_native_alloc(VM_PURPOSE_NATIVES, sizeof(struct vm_natives));
}

void vm_natives_forget_loader(struct vm_loader *loader)
{
  native_libraries_end(loader->vm, loader->libraries);
  loader->libraries = NULL;
  while (loader->bindings) {
    struct native_binding *binding = loader->bindings;
    loader->bindings = binding->next;
    native_libraries_end(loader->vm, binding->held);
    mm_native_free(VM_PURPOSE_NATIVES, binding, sizeof *binding);
  }
}

void vm_natives_destroy(struct vm_natives *natives)
{
  native_callbacks_destroy(natives);
  native_signatures_destroy(natives);
  native_libraries_destroy(natives);
  native_face_destroy(natives->face);
  mm_native_free(VM_PURPOSE_NATIVES, natives, sizeof *natives);
}
