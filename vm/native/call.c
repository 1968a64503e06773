/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling C functions.
 *
 *   the method's frame      arguments, in slots that collections update
 *        |  numbers as C has them, references as local handles
 *        v
 *   enter native -> the function -> leave native
 *        |
 *        v  what is returned, or the exception that the C code left pending
 *
 * The frame is the innermost one while C code runs; what that calls back into
 * the machine comes behind it on the VM stack (vm_engine.invoke).
 *
 * Mostly machine code does this that was made for the method (jit_stub/
 * native.c); what stands here is the same without it, by libffi.
 *
 * With the table (struct bamboo_env) a frame of local handles is open during
 * the call.  Plain functions with references among their arguments are the
 * business of plain.c.
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <string.h>

_Thread_local struct vm_thread *native_here;

/* A thread that went on here with a region open would be running twice. */
static void check_balance(struct vm_thread *thread, const char *name)
{
  const struct native_thread *native = thread->native;
  if (native && native->criticals > 0)
    native_mistake(thread, name, "call release_critical for each get_critical",
                   "it returned with %u critical region%s open",
                   (unsigned)native->criticals,
                   native->criticals == 1 ? "" : "s");
}

/* libffi is given pointers to the values. */
static void call_by_ffi(const struct native_binding *binding,
                        union native_cell *result, struct native_room *room)
{
  for (uint32_t i = 0; i < room->count; i++)
    room->values[i] = &room->cells[i];
  ffi_call((ffi_cif *)&binding->signature->cif, binding->function, result,
           room->values);
}

void native_call_out(struct vm_thread *thread,
                     const struct native_binding *binding,
                     union native_cell *result, struct native_room *room)
{
  native_here = thread;
  mm_enter_native_inline(&thread->mutator);
  if (binding->code.spread)
    binding->code.spread(binding->function, room->cells, result);
  else
    call_by_ffi(binding, result, room);
  check_balance(thread, binding->name);
  mm_leave_native_inline(&thread->mutator);
}

void vm_native_leave_slow(struct vm_thread *thread,
                          const struct vm_method *method)
{
  check_balance(thread, native_name_of(method));
  mm_leave_native(&thread->mutator);
}

/* --- Room for arguments --- */

bool native_room_make(struct vm_thread *thread, struct native_room *room,
                      uint32_t count)
{
  room->count = count;
  room->cells = room->few_cells;
  room->values = room->few_values;
  if (count <= NATIVE_FEW)
    return true;
  room->cells =
      mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *room->cells);
  room->values =
      mm_native_alloc_array(VM_PURPOSE_COPIES, count, sizeof *room->values);
  if (room->cells && room->values)
    return true;
  native_room_free(room);
  return vm_throw_out_of_memory(thread);
}

void native_room_free(struct native_room *room)
{
  if (room->cells != room->few_cells)
    mm_native_free(VM_PURPOSE_COPIES, room->cells,
                   room->count * sizeof *room->cells);
  if (room->values != room->few_values)
    mm_native_free(VM_PURPOSE_COPIES, room->values,
                   room->count * sizeof *room->values);
}

/* --- With the table --- */

/* What the function gets as its second argument, and which argument of the
   method comes next. */
static bool self_handle(struct vm_thread *thread,
                        const struct vm_method *method,
                        const union vm_slot *args, bamboo_object *self,
                        uint32_t *first)
{
  *first = method->flags & VM_FLAG_STATIC ? 0 : 1;
  struct mm_ref ref =
      *first ? args[0].ref : vm_class_mirror(thread, method->owner);
  if (mm_is_null(ref) && *first == 0)
    return false;
  *self = native_local(thread, ref);
  return mm_is_null(thread->exception);
}

static bool fill_with_handles(struct vm_thread *thread,
                              const struct vm_method *method,
                              const union vm_slot *args,
                              struct native_thread *native,
                              struct native_room *room)
{
  uint32_t first, at = 2;
  bamboo_object self;
  if (!self_handle(thread, method, args, &self, &first))
    return false;
  room->cells[0].pointer = &native->env;
  room->cells[1].pointer = self;
  for (uint32_t i = first; i < method->param_count; i++, at++)
    if (method->param_prims[i] != VM_PRIM_REF) {
      native_to_c((enum vm_prim)method->param_prims[i], args[i],
                  &room->cells[at]);
    } else {
      bamboo_object handle = native_local(thread, args[i].ref);
      if (!mm_is_null(thread->exception))
        return false;
      room->cells[at].pointer = handle;
    }
  return true;
}

/* What an object that C code returns has to be.  The method may be bound to
   other code by now, or to none. */
static struct mm_ref returned_ref(struct vm_thread *thread,
                                  const struct vm_method *method,
                                  bamboo_object object)
{
  const char *name = native_name_of(method);
  struct mm_ref ref = native_ref(thread, name, object);
  if (!vm_return_takes(method, ref))
    native_mistake(thread, name, "return what the method declares",
                   "it returned a %s, and is declared to return a %s",
                   vm_class_of(ref)->name, method->return_type);
  return ref;
}

uint32_t vm_native_returned(struct vm_thread *thread, void *object,
                            const struct vm_method *method)
{
  return returned_ref(thread, method, object).bits;
}

static bool call_and_return(struct vm_thread *thread,
                            const struct vm_method *method,
                            const struct native_binding *binding,
                            struct native_room *room, union vm_slot *result)
{
  union native_cell cell = {0};
  native_call_out(thread, binding, &cell, room);
  if (native_is_thrown(thread))
    return false;
  if (method->return_prim == VM_PRIM_REF) {
    struct mm_ref ref = returned_ref(thread, method, cell.pointer);
    result->u64 = ref.bits;
  } else if (method->return_prim != VM_PRIM_VOID) {
    *result = native_from_c((enum vm_prim)method->return_prim, cell);
  }
  return true;
}

static bool call_with_table(struct vm_thread *thread,
                            const struct vm_method *method,
                            const struct native_binding *binding,
                            const union vm_slot *args, union vm_slot *result)
{
  struct native_thread *native = native_thread_get(thread);
  struct native_room room;
  struct mm_frame frame;
  if (!native || !native_room_make(thread, &room, binding->signature->count))
    return false;
  const char *tag = mm_handle_tag(&thread->mutator, binding->name);
  mm_frame_open(&thread->mutator, &frame);
  bool ok = fill_with_handles(thread, method, args, native, &room) &&
            call_and_return(thread, method, binding, &room, result);
  mm_frame_close(&thread->mutator, &frame);
  mm_handle_tag(&thread->mutator, tag);
  native_room_free(&room);
  return ok;
}

/* --- Plain functions of numbers --- */

static bool call_numbers(struct vm_thread *thread,
                         const struct vm_method *method,
                         const struct native_binding *binding,
                         const union vm_slot *args, union vm_slot *result)
{
  struct native_room room;
  union native_cell cell = {0};
  if (!native_room_make(thread, &room, method->param_count))
    return false;
  for (uint32_t i = 0; i < method->param_count; i++)
    native_pass(binding, (enum vm_prim)method->param_prims[i], i, args[i],
                &room.cells[i]);
  native_call_out(thread, binding, &cell, &room);
  native_room_free(&room);
  if (method->return_prim != VM_PRIM_VOID)
    *result = native_from_c((enum vm_prim)method->return_prim, cell);
  return !native_is_thrown(thread);
}

/* Null: an exception is pending. */
static const struct native_binding *binding_of(struct vm_thread *thread)
{
  struct vm_method *method = (struct vm_method *)thread->top->method;
  const struct native_binding *binding =
      __atomic_load_n(&method->binding, __ATOMIC_ACQUIRE);
  VM_ASSERT(method->local_count == 0);
  return binding ? binding : native_bind(thread, method);
}

bool vm_native_call_slow(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  if ((uintptr_t)__builtin_frame_address(0) < thread->c_stack_limit)
    return vm_throw_stack_overflow(thread);
  const struct vm_method *method = thread->top->method;
  const struct native_binding *binding = binding_of(thread);
  if (!binding)
    return false;
  if (!binding->is_plain)
    return call_with_table(thread, method, binding, args, result);
  return binding->has_references
             ? native_call_plain(thread, binding, args, result)
             : call_numbers(thread, method, binding, args, result);
}

bool vm_native_call(struct vm_thread *thread, union vm_slot *args,
                    union vm_slot *result)
{
  const struct native_binding *binding =
      __atomic_load_n(&thread->top->method->binding, __ATOMIC_ACQUIRE);
  if (binding && binding->code.from_c)
    return binding->code.from_c(thread, args, result);
  return vm_native_call_slow(thread, args, result);
}

/* --- What libraries have for their beginning and end --- */

/* They come one inside the other when one of them loads a library. */
struct hook {
  struct mm_frame frame;
  struct vm_loader *outer_loader;
  const struct vm_frame *outer_top;
};

static void begin_hook(struct native_thread *native, struct vm_loader *loader,
                       struct hook *hook)
{
  struct vm_thread *thread = native->thread;
  hook->outer_loader = native->hook_loader;
  hook->outer_top = native->hook_top;
  native->hook_loader = loader;
  native->hook_top = thread->top;
  mm_frame_open(&thread->mutator, &hook->frame);
  mm_enter_native(&thread->mutator);
  native_here = thread;
}

static void end_hook(struct native_thread *native, struct hook *hook)
{
  struct vm_thread *thread = native->thread;
  mm_leave_native(&thread->mutator);
  mm_frame_close(&thread->mutator, &hook->frame);
  native->hook_loader = hook->outer_loader;
  native->hook_top = hook->outer_top;
}

void native_call_hook(struct native_thread *native, struct vm_loader *loader,
                      bamboo_on_load_function *begin, uint32_t *wanted)
{
  struct hook hook;
  begin_hook(native, loader, &hook);
  *wanted = begin(&native->env, BAMBOO_NATIVE_VERSION);
  end_hook(native, &hook);
}

void native_call_unload(struct native_thread *native, struct vm_loader *loader,
                        bamboo_on_unload_function *end)
{
  struct hook hook;
  begin_hook(native, loader, &hook);
  end(&native->env);
  end_hook(native, &hook);
}
