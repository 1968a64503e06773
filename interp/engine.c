/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter as vm_engine: entering it from C, leaving it, finding
 * handlers, telling where a frame stands.
 *
 * Each entry from C puts a boundary frame, which has no method and no
 * registers, below the method's own.  Its position makes a return go on at
 * `leave`, so that returning needs no test; an exception that reaches it goes
 * back to the C code.
 *
 *   from C              invoke: a new frame, its boundary on the VM stack too
 *   from compiled code  interp_continue: the frame is there already, with the
 *                       compiled one right below it, so the boundary between
 *                       them stands on the C stack
 *
 * So walks meet boundaries in both places, and frames of the interpreter never
 * return to a compiled one by themselves.  The other way round there is none:
 * compiled code that the interpreter called ends in the operation that called
 * it, from which the frame may go on elsewhere (VM_TIER_LEFT).
 */
#include "config.h"

#include "interp/code.h"
#include "interp/interp.h"
#include "vm/core/assert.h"

#include <pthread.h>

/* --- Entry stubs: shared by all methods --- */

static union interp_word translate_stub[1], native_stub[1], no_body_stub[1];
static union interp_word compiled_stub[1];
/* As if called by an operation INTERP_CALL_WORDS before `leave`. */
static union interp_word leave_stub[INTERP_CALL_WORDS + 1];

static void make_stubs(void)
{
  interp_run_init();
  translate_stub[0].handler = interp_handlers[INTERP_translate];
  native_stub[0].handler = interp_handlers[INTERP_native];
  no_body_stub[0].handler = interp_handlers[INTERP_no_body];
  compiled_stub[0].handler = interp_handlers[INTERP_compiled];
  leave_stub[INTERP_CALL_WORDS].handler = interp_handlers[INTERP_leave];
}

static const void *initial_entry(const struct vm_method *method)
{
  if (method->native != NULL)
    return native_stub;
  if (method->function == NULL || method->function->insns == NULL)
    return no_body_stub;
  return translate_stub;
}

const void *interp_compiled_stub(void)
{
  return compiled_stub;
}

/* --- From C --- */

static bool is_on_vm_stack(const struct vm_thread *thread,
                           const struct vm_frame *frame)
{
  uintptr_t at = (uintptr_t)frame;
  return at >= (uintptr_t)thread->stack_base &&
         at < (uintptr_t)thread->stack_end;
}

/* Where a frame called from C begins: behind the innermost one that is on the
   VM stack. */
static union vm_slot *stack_top(const struct vm_thread *thread)
{
  struct vm_frame *top = thread->top;
  while (top != NULL && !is_on_vm_stack(thread, top))
    top = top->caller;
  if (top == NULL)
    return thread->stack_base;
  return top->vregs + (top->method != NULL ? top->method->reg_count : 0);
}

static bool invoke(struct vm_thread *thread, const struct vm_method *method,
                   const union vm_slot *args, union vm_slot *result)
{
  char here;
  struct vm_frame *below = thread->top;
  struct vm_frame *boundary = (struct vm_frame *)stack_top(thread);
  struct vm_frame *frame = (struct vm_frame *)boundary->vregs;
  if ((uintptr_t)&here < thread->c_stack_limit ||
      frame->vregs + method->reg_count > thread->stack_limit)
    return vm_throw_stack_overflow(thread);
  *boundary = (struct vm_frame){
      .caller = below,
      .position = (uintptr_t)leave_stub | VM_FRAME_IN_CALL,
  };
  *frame = (struct vm_frame){.caller = boundary, .method = method};
  for (uint32_t i = 0; i < method->param_count; i++)
    frame->vregs[method->local_count + i] = args[i];
  bool returned = interp_run(thread, frame, result);
  thread->top = below;
  return returned;
}

/* --- From compiled code --- */

/* Where the interpreter begins a method that may have compiled code. */
static union interp_word *interpreted_entry(const struct vm_method *method)
{
  union interp_word *entry = interp_entry_of(method);
  return entry == compiled_stub ? interp_words_of(method) : entry;
}

bool interp_continue(struct vm_thread *thread, struct vm_frame *frame,
                     union interp_word *pc, uint64_t acc, union vm_slot *result)
{
  struct vm_frame *caller = frame->caller;
  if ((uintptr_t)__builtin_frame_address(0) < thread->c_stack_limit) {
    thread->top = caller;
    return vm_throw_stack_overflow(thread);
  }
  struct vm_frame boundary = {
      .caller = caller,
      .position = (uintptr_t)leave_stub | VM_FRAME_IN_CALL,
  };
  frame->caller = &boundary;
  if (pc == NULL)
    pc = interpreted_entry(frame->method);
  bool returned = interp_run_from(thread, frame, pc, acc, result);
  frame->caller = caller;
  thread->top = caller;
  return returned;
}

/* --- Frames --- */

static bool is_compiled(const struct vm_frame *frame)
{
  return (frame->position & VM_FRAME_COMPILED) != 0;
}

/* The operation at which a frame of a translated method stands; null: it has
   not begun. */
static const union interp_word *frame_pc(const struct vm_frame *frame)
{
  if (is_compiled(frame))
    return interp_words_of(frame->method) + frame->position / VM_FRAME_WORD;
  return (const union interp_word *)(frame->position &
                                     ~(uintptr_t)VM_FRAME_IN_CALL);
}

static void position(const struct vm_frame *frame, uint32_t *insn,
                     uint32_t *fault, bool *in_call)
{
  *in_call = (frame->position & VM_FRAME_IN_CALL) != 0;
  *insn = *fault = UINT32_MAX;
  if (frame->method == NULL || interp_code_of(frame->method) == NULL)
    return;
  const union interp_word *pc = frame_pc(frame);
  if (pc == NULL) {
    *fault = 0;
    return;
  }
  const struct interp_origin *origin =
      interp_origin_of(interp_code_of(frame->method), pc);
  *insn = origin->insn;
  *fault = origin->fault;
}

bool interp_unwind(struct vm_thread *thread, struct vm_frame *frame,
                   union interp_word **pc, struct mm_ref *exception)
{
  for (; frame->method != NULL; frame = frame->caller) {
    uint32_t insn, fault;
    bool in_call;
    position(frame, &insn, &fault, &in_call);
    VM_ASSERT(insn == UINT32_MAX || !is_compiled(frame));
    if (fault == UINT32_MAX || vm_is_exiting(thread->vm))
      continue;
    uint32_t handler = vm_find_handler(thread, frame, fault);
    if (handler == UINT32_MAX)
      continue;
    struct interp_code *code = interp_code_of(frame->method);
    VM_ASSERT(code->insn_words[handler] != UINT32_MAX);
    thread->top = frame;
    *pc = code->words + code->insn_words[handler];
    *exception = vm_thread_take_exception(thread);
    return true;
  }
  thread->top = frame->caller;
  return false;
}

const struct vm_engine *interp_engine(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  static const struct vm_engine engine = {
      .invoke = invoke,
      .position = position,
      .initial_entry = initial_entry,
      .forget_method = interp_forget_method,
  };
  pthread_once(&once, make_stubs);
  return &engine;
}
