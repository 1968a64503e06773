/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callbacks: C functions, made by libffi, that run a method.
 *
 *   C code, native state
 *     -> code of a closure -> enter: leave native state
 *          -> engine.invoke(method, receiver, arguments)
 *     <- enter native state again, with what was returned, or 0
 *
 * An exception that leaves the method stays pending.  From then on callbacks
 * on this thread return 0 without running anything, until the native function
 * that is underneath has returned, where it is thrown, or has cleared it: C
 * code cannot be unwound.
 *
 * The thread is the one that the C code runs on; it has to be one of the
 * machine's.
 *
 * Objects as callbacks of plain functions are those whose class, or a base of
 * it, declares one method `call' or `compare':
 *
 *   call     takes what C passes: numbers, and panda.String for const char *
 *   compare  of two parameters of one type of numbers, returns an i32; C passes
 *            pointers to such numbers (qsort, bsearch)
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <stdio.h>
#include <string.h>

/* --- Which methods can be called --- */

static bool is_virtual(const struct vm_method *method)
{
  return !(method->flags & VM_FLAG_STATIC);
}

static uint32_t first_param(const struct vm_method *method)
{
  return is_virtual(method) ? 1 : 0;
}

static bool is_string(const char *type)
{
  return strcmp(type, "panda.String") == 0;
}

/* Can C pass what the method takes, and take what it returns? */
static bool fits(const struct vm_method *method, bool by_pointer)
{
  for (uint32_t i = first_param(method); i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF &&
        (by_pointer || !is_string(method->param_types[i])))
      return false;
  return method->return_prim != VM_PRIM_REF;
}

static bool is_comparator(const struct vm_method *method)
{
  return method->param_count == 3 && method->return_prim == VM_PRIM_I32 &&
         method->param_prims[1] == method->param_prims[2] && fits(method, true);
}

static bool is_callback(const struct vm_method *method, bool *by_pointer)
{
  if (!is_virtual(method))
    return false;
  *by_pointer = strcmp(method->name, "compare") == 0;
  return *by_pointer ? is_comparator(method)
                     : strcmp(method->name, "call") == 0 && fits(method, false);
}

struct vm_method *native_callback_method(const struct vm_class *class,
                                         bool *by_pointer)
{
  for (; class; class = class->base) {
    struct vm_method *found = NULL;
    uint32_t count = 0;
    bool pointers = false;
    for (uint32_t i = 0; i < class->method_count; i++)
      if (is_callback(&class->methods[i], &pointers)) {
        found = &class->methods[i];
        *by_pointer = pointers;
        count++;
      }
    if (count > 0)
      return count == 1 ? found : NULL;
  }
  return NULL;
}

/* --- Arguments --- */

/* A value of C as a register has it. */
static union vm_slot load(enum vm_prim prim, const void *at)
{
  union native_cell cell = {0};
  memcpy(&cell, at, vm_prim_table[prim].bytes);
  return native_from_c(prim, cell);
}

static bool load_string(struct vm_thread *thread, const void *at,
                        struct mm_ref *held)
{
  const char *text = *(const char *const *)at;
  if (!text)
    return true;
  *held = vm_string_from_utf8(thread, text, strlen(text));
  return !mm_is_null(*held);
}

/* Strings are made first, in a scope; then nothing is a safepoint any more. */
static bool load_strings(struct vm_thread *thread,
                         const struct vm_method *method, void **values,
                         struct mm_ref *held)
{
  uint32_t first = first_param(method);
  for (uint32_t i = first; i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF &&
        !load_string(thread, values[i - first], &held[i]))
      return false;
  return true;
}

static void load_all(const struct native_callback *callback, void **values,
                     const struct mm_ref *held, union vm_slot *slots)
{
  const struct vm_method *method = callback->method;
  uint32_t first = first_param(method);
  for (uint32_t i = first; i < method->param_count; i++) {
    enum vm_prim prim = (enum vm_prim)method->param_prims[i];
    const void *at = values[i - first];
    if (callback->by_pointer)
      at = *(const void *const *)at;
    if (prim == VM_PRIM_REF)
      slots[i].u64 = held[i].bits;
    else
      slots[i] = load(prim, at);
  }
}

/* Of integers libffi wants a whole word. */
static void give_back(enum vm_prim prim, union vm_slot slot, void *result)
{
  switch (prim) {
  case VM_PRIM_VOID:
    return;
  case VM_PRIM_F32:
    *(float *)result = slot.f32;
    return;
  case VM_PRIM_F64:
    *(double *)result = slot.f64;
    return;
  case VM_PRIM_I64:
  case VM_PRIM_U64:
    *(uint64_t *)result = slot.u64;
    return;
  case VM_PRIM_U1:
    *(ffi_arg *)result = slot.u32 != 0;
    return;
  case VM_PRIM_U8:
    *(ffi_arg *)result = (uint8_t)slot.u32;
    return;
  case VM_PRIM_U16:
    *(ffi_arg *)result = (uint16_t)slot.u32;
    return;
  case VM_PRIM_U32:
    *(ffi_arg *)result = slot.u32;
    return;
  case VM_PRIM_I8:
    *(ffi_sarg *)result = (int8_t)slot.u32;
    return;
  case VM_PRIM_I16:
    *(ffi_sarg *)result = (int16_t)slot.u32;
    return;
  default:
    *(ffi_sarg *)result = slot.i32;
  }
}

/* --- Running --- */

static bool invoke(struct vm_thread *thread,
                   const struct native_callback *callback, void **values,
                   struct mm_ref *held, union vm_slot *slots,
                   union vm_slot *value)
{
  const struct vm_method *method = callback->method;
  if (!vm_class_initialise(thread, method->owner) ||
      !load_strings(thread, method, values, held))
    return false;
  load_all(callback, values, held, slots);
  if (is_virtual(method)) {
    struct mm_ref receiver = MM_NULL;
    mm_handle_get(&thread->mutator, callback->receiver, &receiver);
    slots[0].u64 = receiver.bits;
  }
  return thread->vm->engine.invoke(thread, method, slots, value);
}

static void run(struct vm_thread *thread,
                const struct native_callback *callback, void **values,
                void *result)
{
  struct mm_ref few_held[NATIVE_FEW], *held = few_held;
  union vm_slot few_slots[NATIVE_FEW], *slots = few_slots, value = {0};
  uint32_t count = callback->method->param_count;
  struct mm_scope scope;
  if (count > NATIVE_FEW) {
    held = mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *held);
    slots = mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *slots);
  }
  if (held && slots) {
    mm_scope_open(&thread->mutator, &scope, held, count);
    bool ok = invoke(thread, callback, values, held, slots, &value);
    mm_scope_close(&thread->mutator, &scope);
    if (ok)
      give_back((enum vm_prim)callback->method->return_prim, value, result);
  } else {
    vm_throw_out_of_memory(thread);
  }
  if (held != few_held)
    mm_native_free(VM_PURPOSE_COPIES, held, count * sizeof *held);
  if (slots != few_slots)
    mm_native_free(VM_PURPOSE_COPIES, slots, count * sizeof *slots);
}

static struct vm_thread *thread_here(const struct native_callback *callback)
{
  if (!native_here || native_here->vm != callback->vm)
    native_here = native_find_here(callback->vm);
  return native_here;
}

static void enter(ffi_cif *cif, void *result, void **values, void *context)
{
  const struct native_callback *callback = context;
  struct vm_thread *thread = thread_here(callback);
  const char *name = callback->method->name;
  struct native_thread *native;
  if (cif->rtype != &ffi_type_void)
    memset(result, 0,
           cif->rtype->size > sizeof(ffi_arg) ? cif->rtype->size
                                              : sizeof(ffi_arg));
  if (!thread)
    native_mistake(NULL, name, "attach the thread first (bamboo_vm.attach)",
                   "a callback is called on a thread that is none of the "
                   "machine's");
  native = thread->native;
  if (native && native->criticals > 0)
    native_mistake(thread, name, "call release_critical first",
                   "a callback is called within a critical region");
  mm_leave_native_inline(&thread->mutator);
  if (!native_is_thrown(thread))
    run(thread, callback, values, result);
  mm_enter_native_inline(&thread->mutator);
}

/* --- Making --- */

static const struct native_signature *
signature_of(struct vm *vm, const struct vm_method *method, bool by_pointer)
{
  uint32_t first = first_param(method);
  uint32_t count = method->param_count - first;
  uint8_t *prims = mm_native_alloc(VM_PURPOSE_NATIVES, (size_t)count + 1);
  if (!prims)
    return NULL;
  prims[0] = method->return_prim;
  for (uint32_t i = 0; i < count; i++)
    prims[1 + i] = by_pointer ? VM_PRIM_REF : method->param_prims[first + i];
  const struct native_signature *signature =
      native_signature(vm, prims, count, count);
  mm_native_free(VM_PURPOSE_NATIVES, prims, (size_t)count + 1);
  return signature;
}

static bool make_code(struct native_callback *callback)
{
  void *code = NULL;
  if (mm_native_fails_now())
    return false;
  callback->closure = ffi_closure_alloc(sizeof *callback->closure, &code);
  if (!callback->closure)
    return false;
  mm_native_charge(VM_PURPOSE_NATIVES, sizeof *callback->closure);
  memcpy(&callback->code, &code, sizeof code);
  return ffi_prep_closure_loc(callback->closure,
                              (ffi_cif *)&callback->signature->cif, enter,
                              callback, code) == FFI_OK;
}

static void free_callback(struct native_callback *callback)
{
  if (callback->closure) {
    ffi_closure_free(callback->closure);
    mm_native_charge(VM_PURPOSE_NATIVES, -(int64_t)sizeof *callback->closure);
  }
  mm_native_free(VM_PURPOSE_NATIVES, callback, sizeof *callback);
}

/* --- The table of all, by their code --- */

static struct native_callback **bucket_of(const struct vm_natives *natives,
                                          bamboo_function code)
{
  uint64_t hash = (uint64_t)(uintptr_t)code * UINT64_C(0x9e3779b97f4a7c15);
  return &natives->callbacks[(hash >> 32) & (natives->callback_room - 1)];
}

static void put_locked(struct vm_natives *natives,
                       struct native_callback *callback)
{
  struct native_callback **bucket = bucket_of(natives, callback->code);
  callback->next = *bucket;
  callback->link = bucket;
  if (callback->next)
    callback->next->link = &callback->next;
  *bucket = callback;
}

static void take_locked(struct native_callback *callback)
{
  *callback->link = callback->next;
  if (callback->next)
    callback->next->link = callback->link;
}

static void free_buckets(struct vm_natives *natives)
{
  mm_native_free(VM_PURPOSE_NATIVES, natives->callbacks,
                 natives->callback_room * sizeof *natives->callbacks);
}

static bool grow_locked(struct vm_natives *natives)
{
  struct vm_natives larger = *natives;
  larger.callback_room =
      natives->callback_room ? 2 * natives->callback_room : 16;
  larger.callbacks = mm_native_alloc_array(
      VM_PURPOSE_NATIVES, larger.callback_room, sizeof *larger.callbacks);
  if (!larger.callbacks)
    return false;
  for (uint32_t i = 0; i < natives->callback_room; i++)
    while (natives->callbacks[i]) {
      struct native_callback *callback = natives->callbacks[i];
      take_locked(callback);
      put_locked(&larger, callback);
    }
  free_buckets(natives);
  natives->callbacks = larger.callbacks;
  natives->callback_room = larger.callback_room;
  return true;
}

/* One that cannot grow goes on with longer buckets. */
static bool link_callback(struct native_callback *callback)
{
  struct vm_natives *natives = callback->vm->natives;
  vm_lock(callback->vm, VM_LOCK_NATIVES);
  bool ok = natives->callback_count < natives->callback_room ||
            grow_locked(natives) || natives->callback_room > 0;
  if (ok) {
    put_locked(natives, callback);
    natives->callback_count++;
  }
  vm_unlock(callback->vm, VM_LOCK_NATIVES);
  return ok;
}

static void unlink_callback(struct native_callback *callback)
{
  vm_lock(callback->vm, VM_LOCK_NATIVES);
  take_locked(callback);
  callback->vm->natives->callback_count--;
  vm_unlock(callback->vm, VM_LOCK_NATIVES);
}

struct native_callback *native_callback_find(struct vm *vm,
                                             bamboo_function code)
{
  const struct vm_natives *natives = vm->natives;
  vm_lock(vm, VM_LOCK_NATIVES);
  struct native_callback *callback =
      natives->callback_room ? *bucket_of(natives, code) : NULL;
  while (callback && callback->code != code)
    callback = callback->next;
  vm_unlock(vm, VM_LOCK_NATIVES);
  return callback;
}

/* --- Making one, and its end --- */

static bool fill(struct vm_thread *thread, struct native_callback *callback,
                 struct mm_ref receiver)
{
  callback->signature =
      signature_of(thread->vm, callback->method, callback->by_pointer);
  if (!callback->signature || !make_code(callback))
    return vm_throw_out_of_memory(thread);
  enum mm_handle_status status =
      mm_global_new(&thread->mutator, receiver, &callback->receiver);
  return status == MM_HANDLE_OK || native_throw_handle(thread, status);
}

struct native_callback *native_callback_new(struct vm_thread *thread,
                                            struct mm_ref receiver,
                                            const struct vm_method *method,
                                            bool by_pointer)
{
  if (!fits(method, by_pointer)) {
    vm_throw(thread, VM_ERROR_UNSUPPORTED,
             "%s.%s cannot be called from C: it takes or returns what is "
             "neither a number nor a panda.String",
             method->owner->name, method->name);
    return NULL;
  }
  struct native_callback *callback =
      mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *callback);
  if (!callback) {
    vm_throw_out_of_memory(thread);
    return NULL;
  }
  callback->vm = thread->vm;
  callback->method = method;
  callback->by_pointer = by_pointer;
  if (mm_is_null(receiver)) /* what keeps the method */
    receiver = vm_class_mirror(thread, method->owner);
  if (mm_is_null(receiver) || !fill(thread, callback, receiver)) {
    free_callback(callback);
    return NULL;
  }
  if (link_callback(callback))
    return callback;
  mm_global_delete(&thread->mutator, callback->receiver);
  free_callback(callback);
  vm_throw_out_of_memory(thread);
  return NULL;
}

void native_callback_delete(struct vm_thread *thread,
                            struct native_callback *callback)
{
  unlink_callback(callback);
  mm_global_delete(&thread->mutator, callback->receiver);
  free_callback(callback);
}

/* The handles are the heap's, which goes too. */
void native_callbacks_destroy(struct vm_natives *natives)
{
  for (uint32_t i = 0; i < natives->callback_room; i++)
    while (natives->callbacks[i]) {
      struct native_callback *callback = natives->callbacks[i];
      natives->callbacks[i] = callback->next;
      free_callback(callback);
    }
  free_buckets(natives);
}
