/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What compiled code calls.  The frame that calls is thread->top with its
 * position stored, its references in their slots; see struct jit_result for
 * what is answered.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include "mm/mm_inline.h"
#include "vm/core/assert.h"
#include "vm/core/purposes.h"
#include "vm/verify/verify.h"

/* --- Answers --- */

static struct jit_result go_on(uint64_t value)
{
  return (struct jit_result){value, JIT_GO_ON};
}

static struct jit_result unwind(void)
{
  return (struct jit_result){0, JIT_UNWIND};
}

static struct jit_result object_or_unwind(struct mm_ref object)
{
  return mm_is_null(object) ? unwind() : go_on(object.bits);
}

/* --- Where a frame stands --- */

static uint32_t word_of(const struct vm_frame *frame)
{
  VM_ASSERT(frame->position & VM_FRAME_COMPILED);
  return (uint32_t)(frame->position / VM_FRAME_WORD);
}

static const union interp_word *operation_of(const struct vm_frame *frame)
{
  const struct interp_code *decoded = interp_code_of(frame->method);
  return decoded->words + word_of(frame);
}

/* --- Safepoints --- */

struct jit_result jit_poll(struct vm_thread *thread, uint64_t a, uint64_t b)
{
  (void)a, (void)b;
  mm_poll_slow(&thread->mutator);
  if (vm_is_exiting(thread->vm))
    return unwind();
  if (__atomic_load_n(&jit_code_of(thread->top)->is_stale, __ATOMIC_ACQUIRE))
    return (struct jit_result){0, JIT_LEAVE};
  return go_on(0);
}

struct jit_result jit_initialise(struct vm_thread *thread, uint64_t class,
                                 uint64_t b)
{
  (void)b;
  return vm_class_initialise(thread, (struct vm_class *)(uintptr_t) class)
             ? go_on(0)
             : unwind();
}

struct jit_result jit_new_object(struct vm_thread *thread, uint64_t class,
                                 uint64_t b)
{
  (void)b;
  return object_or_unwind(
      vm_new_object(thread, (struct vm_class *)(uintptr_t) class));
}

struct jit_result jit_new_array(struct vm_thread *thread, uint64_t class,
                                uint64_t length)
{
  return object_or_unwind(vm_new_array(
      thread, (struct vm_class *)(uintptr_t) class, (int32_t)length));
}

struct jit_result jit_literal(struct vm_thread *thread, uint64_t array,
                              uint64_t b)
{
  (void)b;
  return object_or_unwind(vm_new_literal_array(
      thread, thread->top->method->module, (uint32_t)array));
}

struct jit_result jit_type(struct vm_thread *thread, uint64_t class, uint64_t b)
{
  (void)b;
  return object_or_unwind(
      vm_class_mirror(thread, (struct vm_class *)(uintptr_t) class));
}

struct jit_result jit_multi_array(struct vm_thread *thread, uint64_t a,
                                  uint64_t b)
{
  (void)a, (void)b;
  return object_or_unwind(
      interp_new_multi_array(thread, thread->top, operation_of(thread->top)));
}

/* --- Throwing --- */

struct jit_result jit_throw_null(struct vm_thread *thread, uint64_t a,
                                 uint64_t b)
{
  (void)a, (void)b;
  vm_throw_null(thread);
  return unwind();
}

struct jit_result jit_throw_division(struct vm_thread *thread, uint64_t a,
                                     uint64_t b)
{
  (void)a, (void)b;
  vm_throw_division(thread);
  return unwind();
}

static struct mm_ref ref_of(uint64_t value)
{
  return (struct mm_ref){(uint32_t)value};
}

struct jit_result jit_throw_index(struct vm_thread *thread, uint64_t index,
                                  uint64_t array)
{
  vm_throw_index(thread, (int32_t)index, mm_length_word(ref_of(array)));
  return unwind();
}

struct jit_result jit_throw_cast(struct vm_thread *thread, uint64_t object,
                                 uint64_t class)
{
  vm_throw_cast(thread, ref_of(object), (struct vm_class *)(uintptr_t) class);
  return unwind();
}

struct jit_result jit_throw_store(struct vm_thread *thread, uint64_t value,
                                  uint64_t array)
{
  vm_throw_store(thread, ref_of(value), ref_of(array));
  return unwind();
}

struct jit_result jit_throw_object(struct vm_thread *thread, uint64_t object,
                                   uint64_t b)
{
  (void)b;
  vm_throw_object(thread, ref_of(object));
  return unwind();
}

struct jit_result jit_throw_check(struct vm_thread *thread, uint64_t a,
                                  uint64_t b)
{
  (void)a, (void)b;
  const struct vm_frame *frame = thread->top;
  vm_throw_verify(
      thread, frame->method,
      interp_origin_of(interp_code_of(frame->method), operation_of(frame))
          ->fault);
  return unwind();
}

/* --- Between compiled code and the interpreter --- */

static bool is_beyond_limit(const struct vm_thread *thread,
                            const struct vm_frame *frame)
{
  return frame->vregs + frame->method->reg_count > thread->stack_limit;
}

/* Of a frame that has not begun. */
static struct jit_result throw_stack_overflow(struct vm_thread *thread,
                                              const struct vm_frame *frame)
{
  thread->top = frame->caller;
  vm_throw_stack_overflow(thread);
  return unwind();
}

struct jit_result jit_interpret(struct vm_thread *thread,
                                struct vm_frame *frame)
{
  union vm_slot result;
  if (is_beyond_limit(thread, frame))
    return throw_stack_overflow(thread, frame);
  return interp_continue(thread, frame, NULL, 0, &result) ? go_on(result.u64)
                                                          : unwind();
}

/* See Note [Leaving compiled code]. */
struct jit_result jit_go_on(struct vm_thread *thread, struct vm_frame *frame,
                            uint64_t word, uint64_t acc)
{
  struct jit_activation *activation = thread->activation;
  union vm_slot result;
  if (frame == activation->base) {
    activation->is_left = true;
    frame->position = VM_FRAME_COMPILED | word * VM_FRAME_WORD;
    return go_on(acc);
  }
  return interp_continue(thread, frame, interp_words_of(frame->method) + word,
                         acc, &result)
             ? go_on(result.u64)
             : unwind();
}

/* The frame has not begun; false: the machine is exiting. */
static bool poll_at_entry(struct vm_thread *thread, struct vm_frame *frame)
{
  frame->position = 0;
  thread->top = frame;
  mm_poll_slow(&thread->mutator);
  thread->top = frame->caller;
  return !vm_is_exiting(thread->vm);
}

/* What runs the frame, for who has polled. */
static const void *runner_of(const struct vm_thread *thread,
                             const struct vm_frame *frame)
{
  const struct jit_stubs *stubs = &jit_compiler_of(thread->vm)->stubs;
  const struct vm_method *method = frame->method;
  if (method->native)
    return stubs->native_now;
  struct jit_code *code = __atomic_load_n(&method->compiled, __ATOMIC_ACQUIRE);
  if (!code || __atomic_load_n(&code->is_stale, __ATOMIC_ACQUIRE) ||
      frame->vregs + method->reg_count > thread->code_limit)
    return stubs->interpret_now;
  __atomic_store_n(&code->is_touched, true, __ATOMIC_RELAXED);
  return jit_code_start(code);
}

struct jit_result jit_enter_slow(struct vm_thread *thread,
                                 struct vm_frame *frame)
{
  if (mm_should_poll(&thread->mutator) && !poll_at_entry(thread, frame))
    return unwind();
  jit_set_code_limit(thread, thread->code_limit);
  if (!frame->method->native && is_beyond_limit(thread, frame))
    return throw_stack_overflow(thread, frame);
  return go_on((uint64_t)(uintptr_t)runner_of(thread, frame));
}

/* --- Unwinding --- */

/* Where the frame handles the pending exception; null: it does not. */
static const void *handler_in(struct vm_thread *thread, struct vm_frame *frame)
{
  const struct interp_code *decoded = interp_code_of(frame->method);
  uint32_t fault = interp_origin_of(decoded, operation_of(frame))->fault;
  uint32_t handler = vm_find_handler(thread, frame, fault);
  if (handler == UINT32_MAX)
    return NULL;
  const void *code =
      jit_code_entry(jit_code_of(frame), decoded->insn_words[handler]);
  VM_ASSERT(code);
  return code;
}

/* `rsp` is where the address that thread->top returns to stands. */
void jit_unwind(struct vm_thread *thread, uintptr_t rsp,
                struct jit_landing *landing)
{
  const struct jit_activation *activation = thread->activation;
  struct vm_frame *end = activation->base->caller;
  for (struct vm_frame *frame = thread->top; frame != end;
       frame = frame->caller, rsp += sizeof(void *)) {
    const void *code =
        vm_is_exiting(thread->vm) ? NULL : handler_in(thread, frame);
    if (!code)
      continue;
    thread->top = frame;
    *landing = (struct jit_landing){
        .rsp = rsp,
        .code = code,
        .frame = frame,
        .acc = vm_thread_take_exception(thread).bits,
    };
    return;
  }
  thread->top = end;
  *landing = (struct jit_landing){
      .rsp = activation->rsp,
      .code = jit_compiler_of(thread->vm)->stubs.threw,
  };
}
