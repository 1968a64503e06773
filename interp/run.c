/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter's loop: decoded code, directly threaded.
 *
 * Four values stay in machine registers from handler to handler: pc (the
 * operation), fp (the frame's registers), acc (the accumulator), thread.
 * Everything a collection or a stack walk has to see is stored by SAVE before
 * the call that may cause one; the accumulator, which may hold a reference,
 * is loaded again by RELOAD after it.
 *
 * Handlers stand in fragments by subject: handlers_arith_internal.h,
 * handlers_jump_internal.h, handlers_object_internal.h,
 * handlers_call_internal.h.  A handler that throws does so before it changes
 * anything, so that an operation can always be started again.
 *
 * Runs on a mutator's thread.
 */
#include "config.h"

#include "interp/arith_inline.h"
#include "interp/code.h"
#include "mm/gc/faults.h"
#include "mm/barrier_inline.h"
#include "mm/mm_inline.h"
#include "vm/core/assert.h"
#include "vm/core/object.h"
#include "vm/core/purposes.h"
#include "vm/core/vm.h"

const void *const *interp_handlers;

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define OP(name) L_##name:
#define DISPATCH() goto *interp_handler_of(pc)
#define NEXT(words)                                                            \
  do {                                                                         \
    pc += (words);                                                             \
    DISPATCH();                                                                \
  } while (0)
#define JUMP()                                                                 \
  do {                                                                         \
    pc = (union interp_word *)((char *)pc + IMM);                              \
    DISPATCH();                                                                \
  } while (0)
/* The caller is interpreted, or a boundary: see interp_continue. */
#define RETURN()                                                               \
  do {                                                                         \
    struct vm_frame *caller = frame_of(fp)->caller;                            \
    VM_ASSERT((caller->position & VM_FRAME_COMPILED) == 0);                    \
    pc = (union interp_word *)(caller->position - VM_FRAME_IN_CALL) +          \
         INTERP_CALL_WORDS;                                                    \
    fp = caller->vregs;                                                        \
    DISPATCH();                                                                \
  } while (0)

/* A register named in word 1, in either of its forms; its immediate. */
#define R(field) fp[pc[1].r.field]
#define RI(field) fp[pc[1].i.field]
#define IMM (pc[1].i.x)

#define SAVE()                                                                 \
  do {                                                                         \
    frame_of(fp)->position = (uintptr_t)pc;                                    \
    frame_of(fp)->acc.u64 = acc;                                               \
    thread->top = frame_of(fp);                                                \
  } while (0)
#define RELOAD() (acc = frame_of(fp)->acc.u64)
#define POLL()                                                                 \
  do {                                                                         \
    if (mm_should_poll(&thread->mutator)) {                                    \
      SAVE();                                                                  \
      mm_poll_slow(&thread->mutator);                                          \
      if (vm_is_exiting(thread->vm))                                           \
        goto unwind;                                                           \
      RELOAD();                                                                \
    }                                                                          \
  } while (0)

/* Initialises a class; from then on the operation is `op_`. */
#define INITIALISE(class_, op_)                                                \
  do {                                                                         \
    struct vm_class *to_initialise = (class_);                                 \
    SAVE();                                                                    \
    if (!vm_class_initialise(thread, to_initialise))                           \
      goto unwind;                                                             \
    RELOAD();                                                                  \
    if (vm_class_is_initialised(to_initialise))                                \
      interp_set_handler(pc, handlers[op_]);                                   \
    goto *handlers[op_];                                                       \
  } while (0)

/* Stores a reference into an object. */
#define STORE_REF(object, offset, value)                                       \
  mm_store_ref(&thread->mutator, (char *)mm_address(object) + (offset), value)

static inline struct vm_frame *frame_of(union vm_slot *vregs)
{
  return vm_frame_of(vregs);
}

/* initarr: sizes from registers; form is their number, with bit 32 set when
   they lie side by side. */
static struct mm_ref new_multi_array(struct vm_thread *thread,
                                     struct vm_class *class,
                                     const union vm_slot *fp,
                                     const union interp_word *regs,
                                     uint64_t form)
{
  uint32_t dims = (uint32_t)form;
  int32_t few[4];
  if (!(form >> 32)) {
    uint16_t named[4] = {regs->r.a, regs->r.b, regs->r.c, regs->r.d};
    for (uint32_t i = 0; i < dims; i++)
      few[i] = fp[named[i]].i32;
    return vm_new_multi_array(thread, class, dims, few);
  }
  int32_t *sizes = mm_native_alloc_array(VM_PURPOSE_TEXT, dims, sizeof *sizes);
  if (sizes == NULL) {
    vm_throw_out_of_memory(thread);
    return MM_NULL;
  }
  for (uint32_t i = 0; i < dims; i++)
    sizes[i] = fp[regs->r.a + i].i32;
  struct mm_ref array = vm_new_multi_array(thread, class, dims, sizes);
  mm_native_free(VM_PURPOSE_TEXT, sizes, dims * sizeof *sizes);
  return array;
}

struct mm_ref interp_new_multi_array(struct vm_thread *thread,
                                     const struct vm_frame *frame,
                                     const union interp_word *pc)
{
  return new_multi_array(thread, pc[2].ptr, frame->vregs, &pc[1], pc[3].u64);
}

/* See Note [Receivers of virtual calls].  Of threads that do so at once one is
   lost, which does not matter: a class is only a guess. */
static void note_new_receiver(union interp_word *pc,
                              const struct vm_class *class,
                              const struct vm_method *caller)
{
  bool is_first =
      __atomic_load_n(&pc[3].call.args, __ATOMIC_RELAXED) == INTERP_NO_CLASS;
  struct vm_loader *loader = class->loader;
  bool is_near = loader == caller->owner->loader || !loader->is_unloadable ||
                 mm_fault_is_due(loader->vm->heap, MM_FAULT_JIT_FAR);
  __atomic_store_n(
      &pc[3].call.args,
      is_first && is_near ? (uint32_t)(uintptr_t) class : INTERP_MANY_CLASSES,
      __ATOMIC_RELAXED);
}

static inline void note_receiver(union interp_word *pc,
                                 const struct vm_class *class,
                                 const struct vm_method *caller)
{
  uint32_t noted = __atomic_load_n(&pc[3].call.args, __ATOMIC_RELAXED);
  if (UNLIKELY(noted != (uint32_t)(uintptr_t) class &&
               noted != INTERP_MANY_CLASSES))
    note_new_receiver(pc, class, caller);
}

/* Does the value satisfy what the verifier could not prove? */
static bool check_holds(struct mm_ref value, uint64_t kind, uint64_t log2,
                        const struct vm_class *wanted)
{
  if (mm_is_null(value))
    return true;
  const struct vm_class *class = vm_class_of(value);
  switch ((enum vm_check_kind)kind) {
  case VM_CHECK_CLASS:
    return vm_class_is_assignable(class, wanted);
  case VM_CHECK_ANY_ARRAY:
    return class->is_array;
  case VM_CHECK_REF_ARRAY:
    return class->is_array && class->element_prim == VM_PRIM_REF;
  case VM_CHECK_ARRAY_WIDTH:
    return class->is_array && class->element_prim != VM_PRIM_REF &&
           class->layout.elem_log2 == log2;
  }
  return false;
}

bool interp_check_holds(struct mm_ref value, const union interp_word *pc)
{
  return check_holds(value, pc[1].r.b, pc[1].r.c, pc[2].ptr);
}

/* The frame's method has used up its calls and rounds: has it compiled, and
   goes on in what there is of it at that word. */
static enum vm_tier_outcome heat_up(struct vm_thread *thread,
                                    struct vm_frame *frame, uint32_t word,
                                    union vm_slot *value)
{
  const struct vm_tier *tier = thread->vm->tier;
  tier->hot(thread, (struct vm_method *)frame->method);
  return tier->enter(thread, frame, word, value);
}

/*
 * The loop itself.  `thread` null: only tells where the handlers are.
 */
bool interp_run_from(struct vm_thread *thread, struct vm_frame *frame,
                     union interp_word *pc, uint64_t acc, union vm_slot *result)
{
  static const void *const handlers[INTERP_OP_COUNT] = {
#define INTERP_OP(name, words, shape) [INTERP_##name] = &&L_##name,
#include "interp/ops.def"
  };
  if (thread == NULL) {
    interp_handlers = handlers;
    return true;
  }

  union vm_slot *fp = frame->vregs;
  DISPATCH();

#include "interp/handlers_arith_internal.h"
#include "interp/handlers_call_internal.h"
#include "interp/handlers_jump_internal.h"
#include "interp/handlers_object_internal.h"

  OP(resolve)
  {
    SAVE();
    if (!interp_resolve(thread, frame_of(fp), pc))
      goto unwind;
    RELOAD();
    DISPATCH();
  }
  OP(bad)
  {
    SAVE();
    vm_throw_verify(thread, frame_of(fp)->method, (uint32_t)pc[1].u64);
    goto unwind;
  }
  /* Register (the accumulator: no register), kind and width; the class. */
  OP(check)
  {
    struct mm_ref value = pc[1].r.d ? (struct mm_ref){(uint32_t)acc} : R(a).ref;
    if (check_holds(value, pc[1].r.b, pc[1].r.c, pc[2].ptr))
      NEXT(3);
    SAVE();
    vm_throw_verify(
        thread, frame_of(fp)->method,
        interp_origin_of(interp_code_of(frame_of(fp)->method), pc)->fault);
    goto unwind;
  }

throw_null:
  SAVE();
  vm_throw_null(thread);
  goto unwind;
throw_division:
  SAVE();
  vm_throw_division(thread);
  goto unwind;
throw_cast:
  SAVE();
  vm_throw_cast(thread, (struct mm_ref){(uint32_t)acc}, pc[1].ptr);
  goto unwind;
throw_stack_overflow:
  SAVE();
  vm_throw_stack_overflow(thread);
  goto unwind;

  /* An exception is pending; thread->top is the frame it was thrown in. */
unwind : {
  struct mm_ref exception;
  union interp_word *handler;
  if (!interp_unwind(thread, thread->top, &handler, &exception))
    return false;
  pc = handler;
  fp = thread->top->vregs;
  acc = exception.bits;
  DISPATCH();
}
}

bool interp_run(struct vm_thread *thread, struct vm_frame *frame,
                union vm_slot *result)
{
  return interp_run_from(thread, frame, interp_entry_of(frame->method), 0,
                         result);
}

void interp_run_init(void)
{
  interp_run_from(NULL, NULL, NULL, 0, NULL);
}
