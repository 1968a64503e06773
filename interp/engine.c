/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter as vm_engine: entering it from C, leaving it, finding
 * handlers, telling where a frame stands.
 *
 * Each entry from C puts a boundary frame, which has no method and no
 * registers, below the method's own.  Its position makes a return go on at
 * `leave`, so that returning needs no test; an exception that reaches it goes
 * back to the C code.
 */
#include "config.h"

#include "interp/code.h"
#include "interp/interp.h"
#include "vm/core/assert.h"

#include <pthread.h>

/* --- Entry stubs: shared by all methods --- */

static union interp_word translate_stub[1], native_stub[1], no_body_stub[1];
/* As if called by an operation INTERP_CALL_WORDS before `leave`. */
static union interp_word leave_stub[INTERP_CALL_WORDS + 1];

static void make_stubs(void)
{
  interp_run_init();
  translate_stub[0].handler = interp_handlers[INTERP_translate];
  native_stub[0].handler = interp_handlers[INTERP_native];
  no_body_stub[0].handler = interp_handlers[INTERP_no_body];
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

/* --- From C --- */

/* Where a frame called from C begins. */
static union vm_slot *stack_top(const struct vm_thread *thread)
{
  struct vm_frame *top = thread->top;
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

/* --- Frames --- */

static void position(const struct vm_frame *frame, uint32_t *insn,
                     uint32_t *fault, bool *in_call)
{
  *in_call = (frame->position & VM_FRAME_IN_CALL) != 0;
  *insn = *fault = UINT32_MAX;
  if (frame->method == NULL || frame->method->translated == NULL)
    return;
  const union interp_word *pc =
      (const union interp_word *)(frame->position &
                                  ~(uintptr_t)VM_FRAME_IN_CALL);
  const struct interp_origin *origin =
      interp_origin_of(frame->method->translated, pc);
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
    if (fault == UINT32_MAX || vm_is_exiting(thread->vm))
      continue;
    uint32_t handler = vm_find_handler(thread, frame, fault);
    if (handler == UINT32_MAX)
      continue;
    struct interp_code *code = frame->method->translated;
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
