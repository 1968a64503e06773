/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges: machine code that calls the C function of one native method, made
 * when the method is bound.  x86-64, System V calls ("System V Application
 * Binary Interface, AMD64 Architecture Processor Supplement", section 3.2.3).
 *
 *   compiled code -> entry   -.
 *                              > frame of handles, arguments, native state
 *   interpreter   -> from_c  -'      -> the function
 *                                result, running again, frame closed <-'
 *
 *   entry    what vm_method.machine_entry points at: polls first; [rsp] is
 *            where to return to, or to unwind from
 *   from_c   the same as a C function (vm_native_function)
 *   spread   loads C values from an array and calls; all else is done in C: for
 *            plain functions with references, whose arguments want much work
 *
 * Entry and from_c are two copies of one sequence.  What is rare in it stands
 * behind it: the stack is short, there is no room for handles, the world is
 * being stopped, an exception is pending, the function left a frame or a
 * region open.  Before anything was done, the C code does all of it instead.
 *
 *   rbx  the thread        rbp  the frame of the method      r12  rsp at entry
 *   r13  what the function gets as its table                 r10  handles
 *   r11  the next handle's bits, but for its serial; then the function
 *
 * Compiled code holds nothing in registers across a call, so r12 to r15 are
 * free.  On the machine stack, from rsp on:
 *
 *   arguments | struct mm_frame, handle_tag | arguments in registers, saved
 *
 * States change in C where that is to be seen (JIT_ORDERS_IN_C).
 */
#include "config.h"

#include "jit_stub/native_internal.h"

#include <string.h>

#include "mm/handle_inline.h"
#include "vm/core/natives.h"

static struct jit_mem at(unsigned base, size_t offset)
{
  return jit_mem_base(base, (int32_t)offset);
}

#define FRAME(field) at(JIT_FRAME, offsetof(struct vm_frame, field))
#define THREAD(field) at(JIT_THREAD, offsetof(struct vm_thread, field))
#define MUTATOR(field) THREAD(mutator.field)
#define LOCALS(field) MUTATOR(locals.field)
#define OPEN(b, field)                                                         \
  at(JIT_RSP, (b)->frame_at + offsetof(struct mm_frame, outer.field))

static void load(struct jit_bridge *b, unsigned to, struct jit_mem from)
{
  jit_emit_load(&b->e, JIT_LOAD_64, to, from);
}

static void store(struct jit_bridge *b, struct jit_mem to, unsigned from)
{
  jit_emit_store(&b->e, 3, to, from);
}

static void move(struct jit_bridge *b, unsigned to, unsigned from)
{
  jit_emit_move(&b->e, true, to, from);
}

static void move_address(struct jit_bridge *b, unsigned to, const void *address)
{
  jit_emit_move_imm(&b->e, to, (int64_t)(uintptr_t)address);
}

/* With rsp aligned. */
static void call_c(struct jit_bridge *b, const void *function)
{
  move_address(b, JIT_RAX, function);
  jit_emit_call_reg(&b->e, JIT_RAX);
}

static void compare(struct jit_bridge *b, struct jit_mem mem, int32_t value)
{
  jit_emit_alu_store_imm(&b->e, JIT_CMP, 2, mem, value);
}

static void jump_if(struct jit_bridge *b, enum jit_condition condition,
                    jit_label label)
{
  jit_emit_jump_if(&b->e, condition, label);
}

/* --- The frame of handles: mm_frame_open, mm_local_new, mm_frame_close --- */

_Static_assert(offsetof(struct mm_locals, pushed) ==
                   offsetof(struct mm_locals, holes) + 4,
               "the two are copied at once");
_Static_assert(sizeof(struct mm_handle_slot) == 8 &&
                   (int)MM_HANDLE_INDEX_SHIFT == 2,
               "half of a distance in bytes is a distance of indices, shifted");

/* Goes to `slow' if there may be too little room: then nothing was done.  A
   frame with holes has no end. */
static void find_room(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  load(b, JIT_R13, THREAD(native));
  jit_emit_test(e, true, JIT_R13, JIT_R13);
  jump_if(b, JIT_IF_EQUAL, b->slow);
  load(b, JIT_R10, LOCALS(next));
  jit_emit_lea(e, true, JIT_RAX, at(JIT_R10, 8 * (size_t)b->handles));
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RAX, LOCALS(end));
  jump_if(b, JIT_IF_ABOVE, b->slow);
}

static void open_frame(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  store(b, OPEN(b, next), JIT_R10);
  load(b, JIT_RAX, LOCALS(end));
  store(b, OPEN(b, end), JIT_RAX);
  load(b, JIT_RCX, LOCALS(chunk));
  store(b, OPEN(b, chunk), JIT_RCX);
  load(b, JIT_RAX, LOCALS(frame));
  store(b, OPEN(b, frame), JIT_RAX);
  load(b, JIT_RAX, LOCALS(holes));
  store(b, OPEN(b, holes), JIT_RAX);
  jit_emit_lea(e, true, JIT_RAX, at(JIT_RSP, (size_t)b->frame_at));
  store(b, LOCALS(frame), JIT_RAX);
  jit_emit_store_imm(e, 2, LOCALS(pushed), 0);
  load(b, JIT_RAX, MUTATOR(handle_tag));
  store(b, at(JIT_RSP, (size_t)b->tag_at), JIT_RAX);
  move_address(b, JIT_RAX, b->wanted->name);
  store(b, MUTATOR(handle_tag), JIT_RAX);
}

/* rcx is the chunk. */
static void begin_handles(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_emit_load(e, JIT_LOAD_U32, JIT_R11,
                at(JIT_RCX, offsetof(struct mm_handle_chunk, number)));
  jit_emit_shift_imm(e, JIT_SHL, false, JIT_R11,
                     (int)MM_HANDLE_SLOT_LOG2 + (int)MM_HANDLE_INDEX_SHIFT);
  jit_emit_lea(e, true, JIT_RCX,
               at(JIT_RCX, offsetof(struct mm_handle_chunk, slots)));
  move(b, JIT_RAX, JIT_R10);
  jit_emit_alu(e, JIT_SUB, true, JIT_RAX, JIT_RCX);
  jit_emit_shift_imm(e, JIT_SHR, false, JIT_RAX, 1);
  jit_emit_lea(e, true, JIT_R11,
               jit_mem_index(JIT_R11, JIT_RAX, 1, MM_HANDLE_LOCAL));
}

/* A handle of the reference in eax, or null, in the same register. */
static void make_handle(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_label is_null = jit_label_new(e);
  struct jit_mem serial = at(JIT_R10, offsetof(struct mm_handle_slot, serial));
  jit_emit_test(e, false, JIT_RAX, JIT_RAX);
  jump_if(b, JIT_IF_EQUAL, is_null);
  jit_emit_store(e, 2, at(JIT_R10, offsetof(struct mm_handle_slot, ref)),
                 JIT_RAX);
  jit_emit_load(e, JIT_LOAD_U32, JIT_RAX, serial);
  jit_emit_alu_imm(e, JIT_ADD, false, JIT_RAX, 1);
  jit_emit_alu_imm(e, JIT_OR, false, JIT_RAX, 1);
  jit_emit_store(e, 2, serial, JIT_RAX);
  jit_emit_shift_imm(e, JIT_SHL, true, JIT_RAX, MM_HANDLE_SERIAL_SHIFT);
  jit_emit_alu(e, JIT_OR, true, JIT_RAX, JIT_R11);
  jit_emit_alu_imm(e, JIT_ADD, true, JIT_R10, sizeof(struct mm_handle_slot));
  jit_emit_alu_imm(e, JIT_ADD, true, JIT_R11, 1 << MM_HANDLE_INDEX_SHIFT);
  jit_label_bind(e, is_null);
}

static void end_handles(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  store(b, LOCALS(next), JIT_R10);
  jit_emit_alu_load(e, JIT_SUB, true, JIT_R10, OPEN(b, next));
  jit_emit_shift_imm(e, JIT_SHR, false, JIT_R10, 3);
  jit_emit_alu_store(e, JIT_ADD, 3, MUTATOR(local_table.created), JIT_R10);
}

/* Keeps rax. */
static void close_frame(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_label no_peak = jit_label_new(e);
  jit_emit_lea(e, true, JIT_RCX, at(JIT_RSP, (size_t)b->frame_at));
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RCX, LOCALS(frame));
  jump_if(b, JIT_IF_NOT_EQUAL, b->close_slow);
  load(b, JIT_RCX, OPEN(b, chunk));
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RCX, LOCALS(chunk));
  jump_if(b, JIT_IF_NOT_EQUAL, b->close_slow);
  load(b, JIT_RCX, LOCALS(next));
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RCX, MUTATOR(local_table.peak));
  jump_if(b, JIT_IF_BELOW_EQUAL, no_peak);
  store(b, MUTATOR(local_table.peak), JIT_RCX);
  jit_label_bind(e, no_peak);
  load(b, JIT_RCX, OPEN(b, next));
  store(b, LOCALS(next), JIT_RCX);
  load(b, JIT_RCX, OPEN(b, end));
  store(b, LOCALS(end), JIT_RCX);
  load(b, JIT_RCX, OPEN(b, frame));
  store(b, LOCALS(frame), JIT_RCX);
  load(b, JIT_RCX, OPEN(b, holes));
  store(b, LOCALS(holes), JIT_RCX);
  jit_label_bind(e, b->closed);
  load(b, JIT_RCX, at(JIT_RSP, (size_t)b->tag_at));
  store(b, MUTATOR(handle_tag), JIT_RCX);
}

static void close_in_c(struct mm_mutator *mutator, struct mm_frame *frame)
{
  mm_frame_close(mutator, frame);
}

static void call_close(struct jit_bridge *b)
{
  move(b, JIT_RDI, JIT_THREAD);
  jit_emit_lea(&b->e, true, JIT_RSI, at(JIT_RSP, (size_t)b->frame_at));
  call_c(b, (const void *)close_in_c);
}

/* --- Arguments --- */

static const uint8_t int_regs[] = {JIT_RDI, JIT_RSI, JIT_RDX,
                                   JIT_RCX, JIT_R8,  JIT_R9};
enum { INT_REGS = sizeof int_regs, FLOAT_REGS = 8 };

static bool is_float(enum vm_prim prim)
{
  return prim == VM_PRIM_F32 || prim == VM_PRIM_F64;
}

/* Where the next argument goes: a register, or (JIT_NO_REG) the stack. */
static unsigned next_place(struct jit_places *places, bool is_vector,
                           struct jit_mem *stack)
{
  if (is_vector && places->floats < FLOAT_REGS)
    return places->floats++;
  if (!is_vector && places->ints < INT_REGS)
    return int_regs[places->ints++];
  *stack = at(JIT_RSP, 8 * (size_t)places->stack++);
  return JIT_NO_REG;
}

/* As C has it: a narrow one is extended to 32 bits at least, on which some
   compilers rely. */
static void load_number(struct jit_bridge *b, enum vm_prim prim, unsigned to,
                        struct jit_mem from)
{
  static const uint8_t kinds[VM_PRIM_COUNT] = {
      [VM_PRIM_U1] = JIT_LOAD_U32,  [VM_PRIM_I8] = JIT_LOAD_I8,
      [VM_PRIM_U8] = JIT_LOAD_U8,   [VM_PRIM_I16] = JIT_LOAD_I16,
      [VM_PRIM_U16] = JIT_LOAD_U16, [VM_PRIM_I32] = JIT_LOAD_U32,
      [VM_PRIM_U32] = JIT_LOAD_U32, [VM_PRIM_F32] = JIT_LOAD_U32,
      [VM_PRIM_I64] = JIT_LOAD_64,  [VM_PRIM_U64] = JIT_LOAD_64,
      [VM_PRIM_F64] = JIT_LOAD_64,  [VM_PRIM_REF] = JIT_LOAD_64,
  };
  jit_emit_load(&b->e, (enum jit_load)kinds[prim], to, from);
  if (prim != VM_PRIM_U1)
    return;
  jit_emit_test(&b->e, false, to, to);
  jit_emit_set_if(&b->e, JIT_IF_NOT_EQUAL, to);
}

static void pass_number(struct jit_bridge *b, struct jit_places *places,
                        enum vm_prim prim, struct jit_mem from)
{
  struct jit_mem stack = {0};
  unsigned to = next_place(places, is_float(prim), &stack);
  if (to == JIT_NO_REG) {
    load_number(b, prim, JIT_RAX, from);
    store(b, stack, JIT_RAX);
  } else if (is_float(prim)) {
    jit_emit_fload(&b->e, prim == VM_PRIM_F64, to, from);
  } else {
    load_number(b, prim, to, from);
  }
}

/* What is in rax. */
static void pass_rax(struct jit_bridge *b, struct jit_places *places)
{
  struct jit_mem stack = {0};
  unsigned to = next_place(places, false, &stack);
  if (to == JIT_NO_REG)
    store(b, stack, JIT_RAX);
  else
    move(b, to, JIT_RAX);
}

static void pass_handle(struct jit_bridge *b, struct jit_places *places,
                        struct jit_mem from)
{
  jit_emit_load(&b->e, JIT_LOAD_U32, JIT_RAX, from);
  make_handle(b);
  pass_rax(b, places);
}

static struct jit_mem argument(uint32_t i)
{
  return at(JIT_FRAME, offsetof(struct vm_frame, vregs) + 8 * (size_t)i);
}

/* The table, and the class or the receiver. */
static void pass_first(struct jit_bridge *b, struct jit_places *places)
{
  const struct vm_method *method = b->method;
  move(b, JIT_RAX, JIT_R13);
  pass_rax(b, places);
  if (method->flags & VM_FLAG_STATIC) {
    move_address(b, JIT_RAX, &method->owner->mirror);
    pass_handle(b, places, jit_mem_base(JIT_RAX, 0));
  } else {
    pass_handle(b, places, argument(0));
  }
}

static uint32_t first_param(const struct jit_bridge *b)
{
  bool is_passed = b->wanted->has_table && !(b->method->flags & VM_FLAG_STATIC);
  return is_passed ? 1 : 0;
}

static void pass_all(struct jit_bridge *b)
{
  struct jit_places places = {0};
  const struct vm_method *method = b->method;
  if (b->wanted->has_table)
    pass_first(b, &places);
  for (uint32_t i = first_param(b); i < method->param_count; i++)
    if (method->param_prims[i] == VM_PRIM_REF)
      pass_handle(b, &places, argument(i));
    else
      pass_number(b, &places, (enum vm_prim)method->param_prims[i],
                  argument(i));
}

/* How many of each there are. */
static struct jit_places count_places(const struct jit_bridge *b)
{
  struct jit_places places = {0};
  struct jit_mem stack;
  const struct vm_method *method = b->method;
  for (int i = 0; b->wanted->has_table && i < 2; i++)
    next_place(&places, false, &stack);
  for (uint32_t i = first_param(b); i < method->param_count; i++)
    next_place(&places, is_float((enum vm_prim)method->param_prims[i]), &stack);
  return places;
}

static uint32_t count_handles(const struct jit_bridge *b)
{
  const struct vm_method *method = b->method;
  uint32_t count = b->wanted->has_table ? 1 : 0;
  for (uint32_t i = first_param(b); i < method->param_count; i++)
    count += method->param_prims[i] == VM_PRIM_REF;
  return count;
}

/* --- The result --- */

/* As registers of frames have it, in rax; references stay handles. */
static void take_result(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  switch ((enum vm_prim)b->method->return_prim) {
  case VM_PRIM_VOID:
    jit_emit_zero(e, JIT_RAX);
    break;
  case VM_PRIM_U1:
    jit_emit_extend(e, JIT_LOAD_U8, JIT_RAX, JIT_RAX);
    jit_emit_test(e, false, JIT_RAX, JIT_RAX);
    jit_emit_set_if(e, JIT_IF_NOT_EQUAL, JIT_RAX);
    break;
  case VM_PRIM_I8:
    jit_emit_extend(e, JIT_LOAD_I8, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_U8:
    jit_emit_extend(e, JIT_LOAD_U8, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_I16:
    jit_emit_extend(e, JIT_LOAD_I16, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_U16:
    jit_emit_extend(e, JIT_LOAD_U16, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_I32:
  case VM_PRIM_U32:
    jit_emit_extend(e, JIT_LOAD_I32, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_F32:
    jit_emit_move_from_f(e, false, JIT_RAX, 0);
    jit_emit_extend(e, JIT_LOAD_I32, JIT_RAX, JIT_RAX);
    break;
  case VM_PRIM_F64:
    jit_emit_move_from_f(e, true, JIT_RAX, 0);
    break;
  default:
    break;
  }
}

/* --- States: mm_enter_native_inline, mm_leave_native_inline --- */

/* By way of a register that holds nothing. */
static void store_state(struct jit_bridge *b, enum mm_mutator_state state,
                        unsigned scratch)
{
  if (b->must_fence) {
    jit_emit_move_imm(&b->e, scratch, state);
    jit_emit_exchange(&b->e, 2, MUTATOR(state), scratch);
  } else {
    jit_emit_store_imm(&b->e, 2, MUTATOR(state), (int32_t)state);
  }
}

static void enter_native(struct jit_bridge *b)
{
  if (JIT_ORDERS_IN_C) {
    jit_emit_jump(&b->e, b->enter_slow);
  } else {
    store_state(b, MM_MUTATOR_IN_NATIVE, JIT_RAX);
    compare(b, MUTATOR(poll), 0);
    jump_if(b, JIT_IF_NOT_EQUAL, b->enter_slow);
  }
  jit_label_bind(&b->e, b->entered);
}

/* With a critical region open it would not be in native state. */
static void leave_native(struct jit_bridge *b)
{
  if (JIT_ORDERS_IN_C) {
    jit_emit_jump(&b->e, b->unbalanced);
  } else {
    compare(b, MUTATOR(state), MM_MUTATOR_IN_NATIVE);
    jump_if(b, JIT_IF_NOT_EQUAL, b->unbalanced);
    store_state(b, MM_MUTATOR_RUNNING, JIT_RCX);
    compare(b, MUTATOR(poll), 0);
    jump_if(b, JIT_IF_NOT_EQUAL, b->leave_slow);
  }
  jit_label_bind(&b->e, b->left);
}

/* All arguments in registers. */
static void save_arguments(struct jit_bridge *b, bool restore)
{
  struct jit_places places = b->places;
  uint32_t i = 0;
  for (; i < places.ints; i++) {
    struct jit_mem mem = at(JIT_RSP, (size_t)b->save_at + 8 * i);
    if (restore)
      load(b, int_regs[i], mem);
    else
      store(b, mem, int_regs[i]);
  }
  for (uint32_t f = 0; f < places.floats; f++) {
    struct jit_mem mem = at(JIT_RSP, (size_t)b->save_at + 8 * (i + f));
    if (restore)
      jit_emit_fload(&b->e, true, f, mem);
    else
      jit_emit_fstore(&b->e, true, mem, f);
  }
}

static void enter_slow(struct jit_bridge *b)
{
  jit_label_bind(&b->e, b->enter_slow);
  save_arguments(b, false);
  move(b, JIT_RDI, JIT_THREAD);
  call_c(b, JIT_ORDERS_IN_C ? (const void *)mm_enter_native
                            : (const void *)mm_enter_native_slow);
  save_arguments(b, true);
  jit_emit_jump(&b->e, b->entered);
}

static void leave_slow(struct jit_bridge *b, jit_label label,
                       const void *function)
{
  struct jit_mem result = at(JIT_RSP, (size_t)b->save_at);
  jit_label_bind(&b->e, label);
  store(b, result, JIT_RAX);
  move(b, JIT_RDI, JIT_THREAD);
  move_address(b, JIT_RSI, b->method);
  call_c(b, function);
  load(b, JIT_RAX, result);
  jit_emit_jump(&b->e, b->left);
}

/* --- The whole --- */

static void plan(struct jit_bridge *b, bool is_from_c)
{
  struct jit_emitter *e = &b->e;
  b->is_from_c = is_from_c;
  b->places = count_places(b);
  b->handles = count_handles(b);
  b->frame_at = (int32_t)(8 * b->places.stack);
  b->tag_at = b->frame_at + (int32_t)sizeof(struct mm_frame);
  b->save_at = b->tag_at + 8;
  b->room = b->save_at + 8 * (INT_REGS + FLOAT_REGS);
  jit_label *labels[] = {&b->slow,    &b->threw,      &b->enter_slow,
                         &b->entered, &b->leave_slow, &b->unbalanced,
                         &b->left,    &b->close_slow, &b->closed};
  for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
    *labels[i] = jit_label_new(e);
}

static void begin(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RSP, THREAD(c_stack_limit));
  jump_if(b, JIT_IF_BELOW, b->slow);
  if (b->wanted->has_table)
    find_room(b);
  if (!b->is_from_c &&
      !mm_fault_is_due(b->compiler->vm->heap, MM_FAULT_JIT_NATIVE))
    store(b, THREAD(top), JIT_FRAME);
  move(b, JIT_R12, JIT_RSP);
  jit_emit_alu_imm(e, JIT_SUB, true, JIT_RSP, b->room);
  jit_emit_alu_imm(e, JIT_AND, true, JIT_RSP, -16);
}

static void call_function(struct jit_bridge *b)
{
  if (b->wanted->has_table) {
    open_frame(b);
    begin_handles(b);
  }
  pass_all(b);
  if (b->wanted->has_table)
    end_handles(b);
  enter_native(b);
  void *function;
  memcpy(&function, &b->wanted->function, sizeof function);
  move_address(b, JIT_R11, function);
  jit_emit_call_reg(&b->e, JIT_R11);
  take_result(b);
  leave_native(b);
}

static void look_for_exception(struct jit_bridge *b)
{
  compare(b, THREAD(exception), 0);
  jump_if(b, JIT_IF_NOT_EQUAL, b->threw);
  load(b, JIT_RCX, THREAD(vm));
  jit_emit_alu_store_imm(&b->e, JIT_CMP, 0,
                         at(JIT_RCX, offsetof(struct vm, exiting)), 0);
  jump_if(b, JIT_IF_NOT_EQUAL, b->threw);
}

static void take_reference(struct jit_bridge *b)
{
  move(b, JIT_RDI, JIT_THREAD);
  move(b, JIT_RSI, JIT_RAX);
  move_address(b, JIT_RDX, b->method);
  call_c(b, (const void *)vm_native_returned);
  jit_emit_move(&b->e, false, JIT_RAX, JIT_RAX);
}

static const uint8_t saved[] = {JIT_RBX, JIT_RBP, JIT_R12, JIT_R13};
enum { SAVED = sizeof saved };

static void restore_saved(struct jit_bridge *b)
{
  for (int i = SAVED; i-- > 0;)
    jit_emit_pop(&b->e, saved[i]);
}

static void end(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  move(b, JIT_RSP, JIT_R12);
  if (b->is_from_c) {
    jit_emit_pop(e, JIT_RDX);
    store(b, jit_mem_base(JIT_RDX, 0), JIT_RAX);
    jit_emit_move_imm(e, JIT_RAX, 1);
    restore_saved(b);
  }
  jit_emit_return(e);
}

/* The exception goes on; the frame of handles is closed for it. */
static void threw(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_label_bind(e, b->threw);
  if (b->wanted->has_table) {
    call_close(b);
    load(b, JIT_RCX, at(JIT_RSP, (size_t)b->tag_at));
    store(b, MUTATOR(handle_tag), JIT_RCX);
  }
  move(b, JIT_RSP, JIT_R12);
  if (b->is_from_c) {
    jit_emit_pop(e, JIT_RDX);
    jit_emit_zero(e, JIT_RAX);
    restore_saved(b);
    jit_emit_return(e);
    return;
  }
  load(b, JIT_RCX, FRAME(caller));
  store(b, THREAD(top), JIT_RCX);
  jit_emit_jump_far(e, b->compiler->stubs.unwind_to_caller);
}

/* Nothing was done yet. */
static void slow(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  jit_label_bind(e, b->slow);
  if (!b->is_from_c) {
    jit_emit_jump_far(e, b->compiler->stubs.native_now);
    return;
  }
  move(b, JIT_RDI, JIT_THREAD);
  jit_emit_lea(e, true, JIT_RSI, FRAME(vregs));
  jit_emit_pop(e, JIT_RDX);
  restore_saved(b);
  move_address(b, JIT_RAX, (const void *)vm_native_call_slow);
  jit_emit_jump_reg(e, JIT_RAX);
}

static void close_slow(struct jit_bridge *b)
{
  jit_label_bind(&b->e, b->close_slow);
  if (!b->wanted->has_table) {
    jit_label_bind(&b->e, b->closed);
    return;
  }
  move(b, JIT_R13, JIT_RAX);
  call_close(b);
  move(b, JIT_RAX, JIT_R13);
  jit_emit_jump(&b->e, b->closed);
}

static void body(struct jit_bridge *b)
{
  begin(b);
  call_function(b);
  look_for_exception(b);
  if (b->method->return_prim == VM_PRIM_REF)
    take_reference(b);
  if (b->wanted->has_table)
    close_frame(b);
  end(b);
  threw(b);
  slow(b);
  close_slow(b);
  enter_slow(b);
  leave_slow(b, b->leave_slow, (const void *)mm_leave_native_slow);
  leave_slow(b, b->unbalanced, (const void *)vm_native_leave_slow);
}

static void make_entry(struct jit_bridge *b)
{
  plan(b, false);
  compare(b, MUTATOR(poll), 0);
  jit_emit_jump_far_if(&b->e, JIT_IF_NOT_EQUAL, b->compiler->stubs.enter_slow);
  body(b);
}

/* bool from_c(thread, arguments, result) */
static void make_from_c(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  plan(b, true);
  for (int i = 0; i < SAVED; i++)
    jit_emit_push(e, saved[i]);
  jit_emit_push(e, JIT_RDX);
  move(b, JIT_THREAD, JIT_RDI);
  jit_emit_lea(
      e, true, JIT_FRAME,
      jit_mem_base(JIT_RSI, -(int32_t)offsetof(struct vm_frame, vregs)));
  body(b);
}

/* --- Values that are C's already --- */

/* void spread(function, values, result) */
static void make_spread(struct jit_bridge *b)
{
  struct jit_emitter *e = &b->e;
  const struct vm_native_wanted *wanted = b->wanted;
  struct jit_places places = {0};
  struct jit_mem stack;
  for (uint32_t i = 0; i < wanted->count; i++)
    next_place(&places, is_float((enum vm_prim)wanted->prims[1 + i]), &stack);
  jit_emit_push(e, JIT_RBX);
  jit_emit_push(e, JIT_R12);
  move(b, JIT_R12, JIT_RSP);
  move(b, JIT_RBX, JIT_RDX);
  jit_emit_alu_imm(e, JIT_SUB, true, JIT_RSP, (int32_t)(8 * places.stack));
  jit_emit_alu_imm(e, JIT_AND, true, JIT_RSP, -16);
  move(b, JIT_R11, JIT_RDI);
  move(b, JIT_R10, JIT_RSI);
  struct jit_places at_now = {0};
  for (uint32_t i = 0; i < wanted->count; i++) {
    enum vm_prim prim = (enum vm_prim)wanted->prims[1 + i];
    pass_number(b, &at_now, prim == VM_PRIM_U1 ? VM_PRIM_U8 : prim,
                at(JIT_R10, 8 * (size_t)i)); /* a bool is 0 or 1 already */
  }
  jit_emit_move_imm(e, JIT_RAX, places.floats);
  jit_emit_call_reg(e, JIT_R11);
  if (is_float((enum vm_prim)wanted->prims[0]))
    jit_emit_move_from_f(e, true, JIT_RAX, 0);
  store(b, jit_mem_base(JIT_RBX, 0), JIT_RAX);
  move(b, JIT_RSP, JIT_R12);
  jit_emit_pop(e, JIT_R12);
  jit_emit_pop(e, JIT_RBX);
  jit_emit_return(e);
}

/* --- All of it --- */

bool jit_bridge_emit(struct jit_bridge *b, uint32_t *second)
{
  *second = 0;
  if (b->wanted->is_direct) {
    make_entry(b);
    jit_emit_align(&b->e, MM_CODE_ALIGN);
    *second = b->e.count;
    make_from_c(b);
  } else {
    make_spread(b);
  }
  return jit_emit_finish(&b->e);
}
