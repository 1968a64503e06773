/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of calls, returns, polls, and of leaving compiled code.
 *
 * A call puts its arguments where they are registers of the callee's frame,
 * which begins right behind the caller's registers, links the frames, and calls
 * the callee's machine code through its method: that is compiled code, or a
 * stub that has the interpreter or the native do it.
 *
 *   [rbp + ...] = arguments
 *   [rbp].position = where the call stands
 *   callee.caller = rbp, callee.method = method
 *   rbp += advance; call [method.machine_entry]; rbp -= advance
 */
#include "config.h"

#include "jit_stub/compile_internal.h"
#include "vm/core/assert.h"

static int64_t bits_of(const void *pointer)
{
  return (int64_t)(uintptr_t)pointer;
}

static bool fits(const void *pointer)
{
  return (uintptr_t)pointer <= INT32_MAX - sizeof(struct vm_method);
}

/* --- Arguments --- */

static int32_t argument(const struct jit_op *op, uint32_t i)
{
  return op->arg_count == JIT_ARGS_RANGE ? op->args[0] + (int32_t)i
                                         : op->args[i];
}

static uint32_t argument_count(const struct jit_op *op)
{
  return op->arg_count == JIT_ARGS_RANGE ? (uint32_t)op->args[1]
                                         : op->arg_count;
}

static struct jit_mem behind(struct jit_mem base, uint32_t slots)
{
  base.disp += (int32_t)(8 * slots);
  return base;
}

static void pass(struct jit_compile *c, int32_t operand, struct jit_mem to)
{
  unsigned h = operand >= 0 ? c->home_of[operand] : JIT_NO_HOME;
  if (operand == JIT_ACC_SLOT) {
    jit_emit_load(&c->e, JIT_LOAD_64, JIT_RDI,
                  jit_frame_at(offsetof(struct vm_frame, acc)));
    jit_emit_store(&c->e, 3, to, JIT_RDI);
  } else if (h != JIT_NO_HOME && c->homes[h].is_vector &&
             !c->homes[h].is_narrow)
    jit_emit_fstore(&c->e, true, to, jit_read_vector(c, operand, true, JIT_F1));
  else
    jit_emit_store(&c->e, 3, to, jit_read(c, operand, true, JIT_RDI));
}

/* From the first argument's place on; uses rdi. */
static void pass_all(struct jit_compile *c, const struct jit_op *op,
                     struct jit_mem to)
{
  for (uint32_t i = 0; i < argument_count(op); i++)
    pass(c, argument(op, i), behind(to, i));
}

/* The slots from the caller's registers on, as an operand. */
static struct jit_mem callee_slot(uint32_t slots)
{
  return behind(jit_frame_at(offsetof(struct vm_frame, vregs)), slots);
}

/* Fields of the callee's frame. */
static struct jit_mem callee_at(const struct jit_op *op, size_t offset)
{
  return behind(jit_frame_at(offset), op->advance);
}

/* --- Calls --- */

/* What is in homes and used later, or has to be seen by the collector. */
static void save_for_call(struct jit_compile *c, const struct jit_op *op)
{
  if (!mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_SPILL))
    jit_emit_spill(c, c->live[c->op_index] | jit_map_homes(c, op, true));
}

static void link_frames(struct jit_compile *c, const struct jit_op *op)
{
  jit_emit_store_position(c, op->word, true);
  jit_emit_store(&c->e, 3, callee_at(op, offsetof(struct vm_frame, caller)),
                 JIT_FRAME);
}

static void called(struct jit_compile *c)
{
  c->state = (struct jit_state){.acc = JIT_ACC_WIDE};
}

static void move_frame(struct jit_compile *c, const struct jit_op *op,
                       enum jit_alu how)
{
  jit_emit_alu_imm(&c->e, how, true, JIT_FRAME, (int32_t)(8 * op->advance));
}

/* A method that is known, its arguments in their places. */
static void call_known(struct jit_compile *c, const struct jit_op *op,
                       const struct vm_method *method)
{
  struct jit_emitter *e = &c->e;
  struct jit_mem place = callee_at(op, offsetof(struct vm_frame, method));
  struct jit_mem entry =
      jit_mem_absolute((int32_t)bits_of(&method->machine_entry));
  link_frames(c, op);
  if (fits(method)) {
    jit_emit_store_imm(e, 3, place, (int32_t)bits_of(method));
  } else {
    jit_emit_move_imm(e, JIT_RDX, bits_of(method));
    jit_emit_store(e, 3, place, JIT_RDX);
    entry = jit_mem_base(JIT_RDX, offsetof(struct vm_method, machine_entry));
  }
  move_frame(c, op, JIT_ADD);
  jit_emit_call_mem(e, entry);
  move_frame(c, op, JIT_SUB);
  called(c);
}

/* The receiver, all of its register, in rdi: its home would do, but was never
   faster and sometimes 4 % slower (richards). */
static unsigned read_receiver(struct jit_compile *c, const struct jit_op *op)
{
  int32_t receiver = argument(op, 0);
  if (receiver == JIT_ACC_SLOT)
    jit_emit_load(&c->e, JIT_LOAD_64, JIT_RDI,
                  jit_frame_at(offsetof(struct vm_frame, acc)));
  else
    jit_read_into(c, receiver, true, JIT_RDI);
  return JIT_RDI;
}

/* The receiver in a register already. */
static void pass_all_to(struct jit_compile *c, const struct jit_op *op,
                        struct jit_mem to, unsigned receiver)
{
  jit_emit_store(&c->e, 3, to, receiver);
  for (uint32_t i = 1; i < argument_count(op); i++)
    pass(c, argument(op, i), behind(to, i));
}

/* To a method that is known, of a receiver that is not null. */
static void call_method_of(struct jit_compile *c, const struct jit_op *op,
                           const struct vm_method *method, unsigned receiver)
{
  pass_all_to(c, op, callee_slot(op->advance + method->local_count), receiver);
  save_for_call(c, op);
  call_known(c, op, method);
}

static void call_static(struct jit_compile *c, const struct jit_op *op)
{
  const struct vm_method *method = op->ptr;
  pass_all(c, op, callee_slot(op->advance + method->local_count));
  save_for_call(c, op);
  call_known(c, op, method);
}

static void call_direct(struct jit_compile *c, const struct jit_op *op)
{
  unsigned receiver = read_receiver(c, op);
  jit_emit_test(&c->e, false, receiver, receiver);
  jit_throw_null_if(c, JIT_IF_EQUAL);
  call_method_of(c, op, op->ptr, receiver);
}

/* --- Virtual calls --- */

/* rdx the class, then the method; rcx the place of the first argument. */
static void call_by_table(struct jit_compile *c, const struct jit_op *op,
                          unsigned receiver)
{
  struct jit_emitter *e = &c->e;
  const struct vm_method *method = op->ptr;
  jit_emit_load(e, JIT_LOAD_U32, JIT_RDX, jit_mem_scaled(receiver, 8, 0));
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX,
                jit_mem_base(JIT_RDX, offsetof(struct vm_class, vtable)));
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX,
                jit_mem_base(JIT_RDX, (int32_t)(8 * method->vtable_index)));
  jit_emit_load(e, JIT_LOAD_U32, JIT_RCX,
                jit_mem_base(JIT_RDX, offsetof(struct vm_method, local_count)));
  struct jit_mem first = callee_slot(op->advance);
  first.index = JIT_RCX;
  first.scale = 8;
  jit_emit_lea(e, true, JIT_RCX, first);
  pass_all_to(c, op, jit_mem_base(JIT_RCX, 0), receiver);
  save_for_call(c, op);
  link_frames(c, op);
  jit_emit_store(e, 3, callee_at(op, offsetof(struct vm_frame, method)),
                 JIT_RDX);
  move_frame(c, op, JIT_ADD);
  jit_emit_call_mem(
      e, jit_mem_base(JIT_RDX, offsetof(struct vm_method, machine_entry)));
  move_frame(c, op, JIT_SUB);
  called(c);
}

static void emit_unexpected(struct jit_compile *c, struct jit_slow *slow)
{
  call_by_table(c, slow->op, slow->a);
  jit_emit_jump(&c->e, slow->back);
}

/* Compares with the class, and goes out of line for others. */
static struct jit_slow *expect_class(struct jit_compile *c,
                                     const struct vm_class *class,
                                     unsigned receiver)
{
  jit_throw_null_on_fault(c);
  struct jit_slow *slow = jit_slow_new(c, emit_unexpected);
  slow->a = (uint8_t)receiver;
  jit_emit_alu_store_imm(&c->e, JIT_CMP, 2, jit_mem_scaled(receiver, 8, 0),
                         (int32_t)bits_of(class));
  if (!mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_CLASS))
    jit_emit_jump_if(&c->e, JIT_IF_NOT_EQUAL, slow->label);
  return slow;
}

/* See Note [Receivers of virtual calls]. */
static void call_virtual(struct jit_compile *c, const struct jit_op *op)
{
  const struct vm_method *method = op->ptr;
  const struct vm_class *class = (const void *)(uintptr_t)op->imm;
  unsigned receiver = read_receiver(c, op);
  if (!class) {
    jit_throw_null_on_fault(c);
    call_by_table(c, op, receiver);
    return;
  }
  VM_ASSERT(vm_class_is_subclass(class, method->owner));
  struct jit_slow *slow = expect_class(c, class, receiver);
  call_method_of(c, op, class->vtable[method->vtable_index], receiver);
  jit_slow_bind_back(c, slow);
}

/* A new object waits in the frame's accumulator slot while its constructor
   runs. */
static void call_new(struct jit_compile *c, const struct jit_op *op)
{
  const struct vm_method *method = op->ptr;
  struct jit_mem to = callee_slot(op->advance + method->local_count);
  jit_allocate(c, method->owner, false);
  jit_emit_store(&c->e, 3, jit_frame_at(offsetof(struct vm_frame, acc)),
                 JIT_RCX);
  jit_emit_store(&c->e, 3, to, JIT_RCX);
  pass_all(c, op, behind(to, 1));
  save_for_call(c, op);
  call_known(c, op, method);
}

static void call(struct jit_compile *c, const struct jit_op *op)
{
  switch ((enum jit_call)op->sub) {
  case JIT_CALL_NEW:
    call_new(c, op);
    break;
  case JIT_CALL_VIRTUAL:
    call_virtual(c, op);
    break;
  case JIT_CALL_DIRECT:
    call_direct(c, op);
    break;
  case JIT_CALL_STATIC:
    call_static(c, op);
  }
}

/* --- Polls --- */

static void emit_poll(struct jit_compile *c, struct jit_slow *slow)
{
  bool keeps = jit_acc_is_live(c);
  jit_slow_runtime_prepare(c, keeps);
  jit_slow_runtime_call(c, slow, jit_poll, keeps, JIT_NO_REG);
  jit_emit_jump(&c->e, slow->back);
}

static void poll(struct jit_compile *c)
{
  if (mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_POLL))
    return;
  struct jit_slow *slow = jit_slow_new(c, emit_poll);
  jit_emit_alu_store_imm(
      &c->e, JIT_CMP, 2,
      jit_thread_at(offsetof(struct vm_thread, mutator.poll)), 0);
  jit_emit_jump_if(&c->e, JIT_IF_NOT_EQUAL, slow->label);
  jit_slow_bind_back(c, slow);
}

/* --- Ends --- */

static void leave(struct jit_compile *c, const struct jit_op *op)
{
  jit_emit_spill(c, UINT32_MAX);
  jit_acc_to_rax(c);
  if (c->words[op->word].handler == interp_handlers[INTERP_resolve])
    c->has_unresolved = true;
  jit_emit_move_imm(&c->e, JIT_RCX, op->word);
  jit_emit_jump_far(&c->e, c->compiler->stubs.leave);
}

static void throw_object(struct jit_compile *c, const struct jit_op *op)
{
  unsigned object = jit_read(c, op->left, false, JIT_T0);
  struct jit_slow *throws =
      jit_throw_with(c, jit_throw_object, object, JIT_NO_REG);
  jit_emit_jump(&c->e, throws->label);
}

void jit_template_call(struct jit_compile *c, const struct jit_op *op)
{
  switch (op->kind) {
  case JIT_OP_CALL:
    call(c, op);
    break;
  case JIT_OP_POLL:
    poll(c);
    break;
  case JIT_OP_RETURN:
    jit_acc_to_rax(c);
    jit_emit_return(&c->e);
    break;
  case JIT_OP_THROW:
    throw_object(c, op);
    break;
  default: /* EXIT */
    leave(c, op);
  }
}
