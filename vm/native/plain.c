/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain C functions with references among their arguments:
 *
 *   panda.String         const char *, UTF-8 with a zero behind it, a copy
 *   array of numbers     pointer to its elements, which stay where they are
 *   object with `call'   pointer to a C function that calls it (callback.c)
 *   null                 NULL
 *
 * All are good until the function returns.  Parameters from the first one on
 * that is marked <varargs> are what C code passes to `...'.
 *
 * What is returned as a panda.String is a char * that goes on belonging to the
 * C code: its text is copied into a new string, NULL is null.
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <string.h>

enum kind { NOTHING, TEXT, ELEMENTS, CALLBACK };

/* What an argument needs until the function returns. */
struct passed {
  enum kind kind;
  void *data;
  size_t bytes;            /* TEXT */
  struct mm_handle pinned; /* ELEMENTS */
};

bool native_plain_takes(struct vm_loader *loader, const char *type)
{
  struct vm_class *class;
  bool by_pointer;
  if (!vm_loader_look_up(loader, type, &class) || !class)
    return false;
  if (class == loader->vm->known.string)
    return true;
  if (class->is_array)
    return class->element_prim != VM_PRIM_REF;
  return native_callback_method(class, &by_pointer) != NULL;
}

static void *elements_at(struct mm_ref array)
{
  return vm_object_at(array, vm_class_of(array)->layout.base_bytes);
}

/* --- Passing --- */

static bool pass_text(struct vm_thread *thread, struct mm_ref string,
                      struct passed *passed)
{
  passed->data = vm_string_to_utf8(string, &passed->bytes);
  if (!passed->data)
    return vm_throw_out_of_memory(thread);
  passed->kind = TEXT;
  return true;
}

/* A handle of it is in the frame of the call. */
static bool pass_elements(struct vm_thread *thread, struct mm_ref array,
                          struct passed *passed)
{
  struct mm_ref ref;
  enum mm_handle_status status =
      mm_local_new(&thread->mutator, array, &passed->pinned);
  if (status == MM_HANDLE_OK)
    status = mm_pin(&thread->mutator, passed->pinned, &ref);
  if (status != MM_HANDLE_OK)
    return native_throw_handle(thread, status);
  passed->data = elements_at(ref);
  passed->kind = ELEMENTS;
  return true;
}

static bool pass_callback(struct vm_thread *thread, struct mm_ref object,
                          struct passed *passed)
{
  bool by_pointer = false;
  const struct vm_method *method =
      native_callback_method(vm_class_of(object), &by_pointer);
  if (!method)
    return vm_throw(thread, VM_ERROR_UNSUPPORTED,
                    "%s has no one method `call' or `compare' that C code "
                    "could call",
                    vm_class_of(object)->name);
  passed->data = native_callback_new(thread, object, method, by_pointer);
  passed->kind = passed->data ? CALLBACK : NOTHING;
  return passed->data != NULL;
}

static bool pass(struct vm_thread *thread, struct mm_ref ref,
                 struct passed *passed)
{
  if (mm_is_null(ref))
    return true;
  if (vm_class_of(ref) == thread->vm->known.string)
    return pass_text(thread, ref, passed);
  return vm_class_of(ref)->is_array ? pass_elements(thread, ref, passed)
                                    : pass_callback(thread, ref, passed);
}

static void *pointer_of(const struct passed *passed)
{
  if (passed->kind != CALLBACK)
    return passed->data;
  void *pointer;
  memcpy(&pointer, &((struct native_callback *)passed->data)->code,
         sizeof pointer);
  return pointer;
}

static bool fill(struct vm_thread *thread, const struct native_binding *binding,
                 const struct vm_method *method, const union vm_slot *args,
                 struct native_room *room, struct passed *all)
{
  for (uint32_t i = 0; i < method->param_count; i++) {
    if (method->param_prims[i] != VM_PRIM_REF) {
      native_pass(binding, (enum vm_prim)method->param_prims[i], i, args[i],
                  &room->cells[i]);
      continue;
    }
    if (!pass(thread, args[i].ref, &all[i]))
      return false;
    room->cells[i].pointer = pointer_of(&all[i]);
  }
  return true;
}

/* --- After the call --- */

static void take_back(struct vm_thread *thread, struct passed *passed)
{
  switch (passed->kind) {
  case TEXT:
    vm_text_free(passed->data, passed->bytes);
    break;
  case ELEMENTS:
    mm_unpin(&thread->mutator, passed->pinned);
    break;
  case CALLBACK:
    native_callback_delete(thread, passed->data);
    break;
  default:
    break;
  }
}

static bool take_result(struct vm_thread *thread,
                        const struct vm_method *method, union native_cell cell,
                        union vm_slot *result)
{
  if (method->return_prim == VM_PRIM_VOID)
    return true;
  if (method->return_prim != VM_PRIM_REF) {
    *result = native_from_c((enum vm_prim)method->return_prim, cell);
    return true;
  }
  result->u64 = 0;
  if (!cell.pointer)
    return true;
  struct mm_ref string =
      vm_string_from_utf8(thread, cell.pointer, strlen(cell.pointer));
  result->u64 = string.bits;
  return !mm_is_null(string);
}

static bool call(struct vm_thread *thread, const struct native_binding *binding,
                 const struct vm_method *method, const union vm_slot *args,
                 struct native_room *room, struct passed *all,
                 union vm_slot *result)
{
  union native_cell cell = {0};
  struct mm_frame frame;
  mm_frame_open(&thread->mutator, &frame);
  bool ok = fill(thread, binding, method, args, room, all);
  if (ok) {
    native_call_out(thread, binding, &cell, room);
    ok = !native_is_thrown(thread);
  }
  /* The text that is returned may lie in what goes now. */
  if (ok)
    ok = take_result(thread, method, cell, result);
  for (uint32_t i = 0; i < method->param_count; i++)
    take_back(thread, &all[i]);
  mm_frame_close(&thread->mutator, &frame);
  return ok;
}

bool native_call_plain(struct vm_thread *thread,
                       const struct native_binding *binding,
                       union vm_slot *args, union vm_slot *result)
{
  const struct vm_method *method = thread->top->method;
  struct native_room room;
  struct passed few[NATIVE_FEW], *all = few;
  uint32_t count = method->param_count;
  if (!native_room_make(thread, &room, count))
    return false;
  if (count > NATIVE_FEW)
    all = mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *all);
  else
    memset(few, 0, sizeof few);
  bool ok = all ? call(thread, binding, method, args, &room, all, result)
                : vm_throw_out_of_memory(thread);
  if (all != few)
    mm_native_free(VM_PURPOSE_COPIES, all, count * sizeof *all);
  native_room_free(&room);
  return ok;
}
