/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of fields, elements, static fields, and the write barrier.
 *
 * A reference is an address divided by 8, so [ref * 8 + offset] is a field.  Of
 * an array the address is computed once, into rsi.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"
#include "mm/barrier_inline.h"

/* --- Objects --- */

static unsigned object_in(struct jit_compile *c, int32_t operand)
{
  return jit_read(c, operand, false, JIT_T1);
}

static void check_null(struct jit_compile *c, unsigned object)
{
  jit_emit_test(&c->e, false, object, object);
  jit_throw_null_if(c, JIT_IF_EQUAL);
}

/* Does an access to this offset of null fault? */
static bool is_near(int64_t offset)
{
  return offset + (int64_t)sizeof(uint64_t) <= JIT_NULL_PAGE_BYTES;
}

static const struct jit_home *home_of(const struct jit_compile *c,
                                      int32_t operand)
{
  if (operand < 0 || c->home_of[operand] == JIT_NO_HOME)
    return NULL;
  return &c->homes[c->home_of[operand]];
}

/* --- Loads --- */

static void load_general(struct jit_compile *c, const struct jit_op *op,
                         struct jit_mem from)
{
  const struct jit_home *home = home_of(c, op->dest);
  unsigned to = jit_dest(c, op->dest, JIT_T0);
  enum jit_load how = (enum jit_load)op->load;
  enum jit_form form = JIT_FORM_SEXT;
  if (how == JIT_LOAD_I32 && (op->dest == JIT_ACC || (home && home->is_narrow)))
    how = JIT_LOAD_U32, form = JIT_FORM_32;
  else if (how <= JIT_LOAD_U16 && home && home->is_narrow)
    form = JIT_FORM_32;
  jit_emit_load(&c->e, how, to, from);
  jit_write(c, op->dest, to, form);
}

static void note_acc(void *is_used, int32_t operand)
{
  if (operand == JIT_ACC)
    *(bool *)is_used = true;
}

/* Is what is loaded into the accumulator used as an f64 next?  A guess: code
   finds the accumulator wherever it is. */
static bool is_float_next(const struct jit_compile *c)
{
  if (c->op_index + 1 >= c->ops.count)
    return false;
  const struct jit_op *next = &c->ops.ops[c->op_index + 1];
  bool uses_acc = false;
  jit_op_uses(next, note_acc, &uses_acc);
  if (!uses_acc)
    return false;
  switch (next->kind) {
  case JIT_OP_MULADD:
  case JIT_OP_SQRT:
    return true;
  case JIT_OP_ARITH:
  case JIT_OP_BRANCH:
    return next->type == JIT_F64;
  case JIT_OP_MOVE: {
    const struct jit_home *home = home_of(c, next->dest);
    return home && home->is_vector;
  }
  default:
    return false;
  }
}

static void load(struct jit_compile *c, const struct jit_op *op,
                 struct jit_mem from)
{
  const struct jit_home *home = home_of(c, op->dest);
  bool wide = op->load == JIT_LOAD_64;
  if (op->dest == JIT_ACC && wide && is_float_next(c)) {
    jit_emit_fload(&c->e, true, JIT_ACC_VECTOR_REG, from);
    jit_write_vector(c, JIT_ACC, true, JIT_ACC_VECTOR_REG);
  } else if (home && home->is_vector && (wide || op->load == JIT_LOAD_I32)) {
    jit_emit_fload(&c->e, wide, home->reg, from);
    jit_write_vector(c, op->dest, wide, home->reg);
  } else
    load_general(c, op, from);
}

/* --- Stores --- */

/* `may_fault`: the object may be null. */
static void store(struct jit_compile *c, const struct jit_op *op,
                  struct jit_mem to, bool may_fault)
{
  const struct jit_home *home = home_of(c, op->third);
  bool wide = op->log2 == 3;
  bool in_vector =
      op->third == JIT_ACC
          ? jit_acc_is_vector(c) && !(wide && c->state.acc == JIT_ACC_F32)
          : home && home->is_vector && !(wide && home->is_narrow);
  if (in_vector && op->log2 >= 2 && !op->is_volatile) {
    unsigned from = jit_read_vector(c, op->third, wide, JIT_F1);
    if (may_fault)
      jit_throw_null_on_fault(c);
    jit_emit_fstore(&c->e, wide, to, from);
    return;
  }
  unsigned value = jit_read(c, op->third, wide, JIT_RDI);
  if (op->is_volatile && value != JIT_RDI)
    jit_emit_move(&c->e, true, JIT_RDI, value);
  if (may_fault)
    jit_throw_null_on_fault(c);
  if (op->is_volatile)
    jit_emit_exchange(&c->e, op->log2, to, JIT_RDI);
  else
    jit_emit_store(&c->e, op->log2, to, value);
}

/* --- The write barrier; see mm/barrier_inline.h --- */

static uint64_t barrier_before(uint64_t thread, uint64_t slot)
{
  struct vm_thread *self = (struct vm_thread *)(uintptr_t)thread;
  mm_barrier_before(&self->mutator, (const void *)(uintptr_t)slot);
  return 0;
}

static uint64_t barrier_after(uint64_t thread, uint64_t slot, uint64_t value)
{
  struct vm_thread *self = (struct vm_thread *)(uintptr_t)thread;
  mm_barrier_after(&self->mutator, (void *)(uintptr_t)slot,
                   (struct mm_ref){(uint32_t)value});
  return 0;
}

static const uint8_t scratch[] = {JIT_RAX, JIT_RCX, JIT_RDX, JIT_RSI, JIT_RDI};
enum { SCRATCH_COUNT = sizeof scratch };

/* A register that the operand does not use, nor `taken`. */
static unsigned scratch_beside(struct jit_mem mem, unsigned taken)
{
  unsigned i = 0;
  while (scratch[i] == mem.base || scratch[i] == mem.index ||
         scratch[i] == taken)
    i++;
  return scratch[i];
}

/* Notes what is in the slot, null as well: to branch on it would be to wait for
   memory, mostly, and to guess wrong.  Goes on below if the log is full, or
   where there is more to do. */
static void emit_note(struct jit_compile *c, const struct jit_slow *slow)
{
  struct jit_emitter *e = &c->e;
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  size_t mutator = offsetof(struct vm_thread, mutator);
  struct jit_mem at = jit_thread_at(mutator + barriers->before.at_offset);
  unsigned place = scratch_beside(slow->mem, JIT_NO_REG);
  unsigned old = scratch_beside(slow->mem, place);
  jit_label calls = jit_label_new(e), is_full = jit_label_new(e);
  jit_emit_alu_store_imm(
      e, JIT_CMP, 2, jit_thread_at(mutator + barriers->before.marking_offset),
      (int32_t)barriers->before.notes);
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, calls);
  jit_emit_push(e, place);
  jit_emit_push(e, old);
  jit_emit_load(e, JIT_LOAD_64, place, at);
  jit_emit_alu_load(e, JIT_CMP, true, place,
                    jit_thread_at(mutator + barriers->before.end_offset));
  jit_emit_jump_if(e, JIT_IF_EQUAL, is_full);
  jit_emit_load(e, JIT_LOAD_U32, old, slow->mem);
  jit_emit_store(e, 2, jit_mem_base(place, 0), old);
  jit_emit_alu_store_imm(e, JIT_ADD, 3, at, sizeof(uint32_t));
  jit_emit_pop(e, old);
  jit_emit_pop(e, place);
  jit_emit_jump(e, slow->back);
  jit_label_bind(e, is_full);
  jit_emit_pop(e, old);
  jit_emit_pop(e, place);
  jit_label_bind(e, calls);
}

/* The accumulator, wherever it is, on the machine stack while a C function
   runs.  Uses rax. */
static void push_acc(struct jit_compile *c)
{
  if (jit_acc_is_vector(c))
    jit_emit_move_from_f(&c->e, true, JIT_RAX, JIT_ACC_VECTOR_REG);
  jit_emit_push(&c->e, JIT_RAX);
}

static void pop_acc(struct jit_compile *c)
{
  jit_emit_pop(&c->e, JIT_RAX);
  if (jit_acc_is_vector(c))
    jit_emit_move_to_f(&c->e, true, JIT_ACC_VECTOR_REG, JIT_RAX);
}

/* The slot is at the memory operand in slow->mem.  Scratch registers and the
   accumulator are kept here, homes by jit_slow_leaf_call. */
static void emit_before(struct jit_compile *c, struct jit_slow *slow)
{
  struct jit_emitter *e = &c->e;
  emit_note(c, slow);
  for (int i = 0; i < SCRATCH_COUNT; i++)
    jit_emit_push(e, scratch[i]);
  jit_emit_lea(e, true, JIT_RSI, slow->mem);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  push_acc(c);
  jit_slow_leaf_call(c, slow, (const void *)barrier_before);
  pop_acc(c);
  for (int i = SCRATCH_COUNT; i-- > 0;)
    jit_emit_pop(e, scratch[i]);
  jit_emit_jump(e, slow->back);
}

/* Compares the card of the slot at rsi with 0: above, it is watched.  Uses
   rdx. */
static void compare_card(struct jit_compile *c)
{
  struct jit_emitter *e = &c->e;
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  size_t mutator = offsetof(struct vm_thread, mutator);
  jit_emit_move(e, true, JIT_RDX, JIT_RSI);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RDX, barriers->after.card_log2);
  jit_emit_alu_load(e, JIT_ADD, true, JIT_RDX,
                    jit_thread_at(mutator + barriers->after.cards_offset));
  jit_emit_alu_store_imm(e, JIT_CMP, 0, jit_mem_base(JIT_RDX, 0), 0);
}

/* rsi: the slot; slow->a: the value.  Null needs no call, and most values need
   none.  Uses rdx. */
static void emit_after(struct jit_compile *c, struct jit_slow *slow)
{
  struct jit_emitter *e = &c->e;
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  size_t mutator = offsetof(struct vm_thread, mutator);
  jit_emit_test(e, false, slow->a, slow->a);
  jit_emit_jump_if(e, JIT_IF_EQUAL, slow->back);
  jit_emit_move(e, false, JIT_RDX, slow->a);
  jit_emit_shift_imm(e, JIT_SHR, false, JIT_RDX, barriers->after.trace_log2);
  jit_emit_alu_load(e, JIT_ADD, true, JIT_RDX,
                    jit_thread_at(mutator + barriers->after.traces_offset));
  jit_emit_alu_store_imm(e, JIT_CMP, 0, jit_mem_base(JIT_RDX, 0), 0);
  jit_emit_jump_if(e, JIT_IF_EQUAL, slow->back);
  if (barriers->after.rests) {
    compare_card(c);
    jit_emit_jump_if(e, JIT_IF_LESS_EQUAL, slow->back);
  }
  jit_emit_move(e, false, JIT_RDX, slow->a);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  push_acc(c);
  jit_slow_leaf_call(c, slow, (const void *)barrier_after);
  pop_acc(c);
  jit_emit_jump(e, slow->back);
}

/* Before a reference at `to` is overwritten. */
static void log_old(struct jit_compile *c, struct jit_mem to)
{
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  size_t mutator = offsetof(struct vm_thread, mutator);
  struct jit_slow *slow = jit_slow_new(c, emit_before);
  slow->mem = to;
  jit_emit_alu_store_imm(
      &c->e, JIT_CMP, 2,
      jit_thread_at(mutator + barriers->before.marking_offset), 0);
  jit_emit_jump_if(&c->e, JIT_IF_NOT_EQUAL, slow->label);
  jit_slow_bind_back(c, slow);
}

/* After `value` was stored where rsi points.  Uses rdx. */
static void note_stored(struct jit_compile *c, unsigned value)
{
  struct jit_emitter *e = &c->e;
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  size_t mutator = offsetof(struct vm_thread, mutator);
  struct jit_slow *slow = jit_slow_new(c, emit_after);
  slow->a = (uint8_t)value;
  if (barriers->after.rests) {
    jit_emit_alu_store_imm(
        e, JIT_CMP, 2, jit_thread_at(mutator + barriers->after.heeding_offset),
        (int32_t)barriers->after.heeds_cards);
    jit_emit_jump_if(e, JIT_IF_BELOW, slow->back);
    jit_emit_jump_if(e, JIT_IF_ABOVE, slow->label);
  }
  compare_card(c);
  jit_emit_jump_if(e, JIT_IF_GREATER, slow->label);
  jit_slow_bind_back(c, slow);
}

/* Uses rsi and rdx.  `to` may be in terms of rdx, so that a volatile store,
   which exchanges with a copy of the value, goes by its address in rsi. */
static void store_ref(struct jit_compile *c, struct jit_mem to, unsigned value,
                      bool is_volatile)
{
  struct jit_emitter *e = &c->e;
  const struct mm_barrier_set *barriers = &c->compiler->barriers;
  if (mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_BARRIER)) {
    jit_emit_store(e, 2, to, value);
    return;
  }
  if (barriers->before.is_on)
    log_old(c, to);
  if (barriers->after.is_on || is_volatile) {
    jit_emit_lea(e, true, JIT_RSI, to);
    to = jit_mem_base(JIT_RSI, 0);
  }
  if (is_volatile) {
    jit_emit_move(e, false, JIT_RDX, value);
    jit_emit_exchange(e, 2, to, JIT_RDX);
  } else
    jit_emit_store(e, 2, to, value);
  if (!barriers->after.is_on)
    return;
  note_stored(c, value);
}

/* --- Elements --- */

struct element {
  struct jit_mem mem;
  unsigned index; /* machine register */
};

/* Array and index are checked; rsi is the array's address. */
static struct element element_of(struct jit_compile *c, const struct jit_op *op,
                                 unsigned log2)
{
  unsigned array = object_in(c, op->left);
  unsigned index = jit_read_index(c, op->right, JIT_T0);
  int32_t base = log2 == 3 ? MM_ARRAY_BASE_WIDE : MM_ARRAY_BASE;
  jit_emit_lea(&c->e, true, JIT_RSI, jit_mem_scaled(array, 8, 0));
  jit_throw_null_on_fault(c);
  jit_emit_alu_load(&c->e, JIT_CMP, false, index,
                    jit_mem_base(JIT_RSI, MM_ARRAY_LENGTH_OFFSET));
  jit_throw_index_if(c, JIT_IF_ABOVE_EQUAL, index, array);
  return (struct element){jit_mem_index(JIT_RSI, index, 1u << log2, base),
                          index};
}

static unsigned log2_of_load(unsigned load)
{
  static const uint8_t log2[] = {
      [JIT_LOAD_U8] = 0,  [JIT_LOAD_I8] = 0,  [JIT_LOAD_U16] = 1,
      [JIT_LOAD_I16] = 1, [JIT_LOAD_U32] = 2, [JIT_LOAD_I32] = 2,
      [JIT_LOAD_64] = 3};
  return log2[load];
}

/* May an array of this class hold the object? */
static uint64_t is_storable(uint64_t value, uint64_t array)
{
  const struct vm_class *element =
      vm_class_of((struct mm_ref){(uint32_t)array})->element;
  return vm_class_is_assignable(vm_class_of((struct mm_ref){(uint32_t)value}),
                                element);
}

/* The classes are not the same.  slow->a: the value; rsi: the array. */
static void emit_storable(struct jit_compile *c, struct jit_slow *slow)
{
  struct jit_emitter *e = &c->e;
  for (int i = 0; i < SCRATCH_COUNT; i++)
    jit_emit_push(e, scratch[i]);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RSI, MM_REF_SHIFT);
  if (slow->a != JIT_RDI)
    jit_emit_move(e, false, JIT_RDI, slow->a);
  push_acc(c);
  jit_slow_leaf_call(c, slow, (const void *)is_storable);
  jit_emit_test(e, false, JIT_RAX, JIT_RAX);
  pop_acc(c);
  for (int i = SCRATCH_COUNT; i-- > 0;)
    jit_emit_pop(e, scratch[i]);
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, slow->back);
  jit_emit_move(e, true, JIT_RDX, JIT_RSI);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RDX, MM_REF_SHIFT);
  struct jit_slow *throws =
      jit_throw_with(c, jit_throw_store, slow->a, JIT_RDX);
  jit_emit_jump(e, throws->label);
}

static void store_ref_element(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  struct element element = element_of(c, op, 2);
  unsigned value = jit_read(c, op->third, false, JIT_RDI);
  struct jit_slow *slow = jit_slow_new(c, emit_storable);
  slow->a = (uint8_t)value;
  jit_label is_null = jit_label_new(e);
  jit_emit_test(e, false, value, value);
  jit_emit_jump_if(e, JIT_IF_EQUAL, is_null);
  jit_emit_load(e, JIT_LOAD_U32, JIT_RDX, jit_mem_base(JIT_RSI, 0));
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX,
                jit_mem_base(JIT_RDX, offsetof(struct vm_class, element)));
  jit_emit_alu_load(e, JIT_CMP, false, JIT_RDX, jit_mem_scaled(value, 8, 0));
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, slow->label);
  jit_slow_bind_back(c, slow);
  jit_label_bind(e, is_null);
  store_ref(c, element.mem, value, false);
}

/* --- Static fields --- */

static void load_static(struct jit_compile *c, const struct jit_op *op)
{
  jit_emit_move_imm(&c->e, JIT_T0, (int64_t)(uintptr_t)op->ptr);
  jit_emit_load(&c->e, JIT_LOAD_64, JIT_ACC_REG, jit_mem_base(JIT_T0, 0));
  c->state.acc = JIT_ACC_WIDE;
}

static void store_static(struct jit_compile *c, const struct jit_op *op)
{
  jit_emit_move_imm(&c->e, JIT_T0, (int64_t)(uintptr_t)op->ptr);
  unsigned value = jit_read(c, JIT_ACC, op->load == JIT_LOAD_64, JIT_T1);
  jit_emit_extend(&c->e, (enum jit_load)op->load, JIT_T1, value);
  if (op->is_logged && c->compiler->barriers.before.is_on &&
      !mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_BARRIER))
    log_old(c, jit_mem_base(JIT_T0, 0));
  if (op->is_volatile)
    jit_emit_exchange(&c->e, 3, jit_mem_base(JIT_T0, 0), JIT_T1);
  else
    jit_emit_store(&c->e, 3, jit_mem_base(JIT_T0, 0), JIT_T1);
}

/* --- All --- */

static void field(struct jit_compile *c, const struct jit_op *op)
{
  unsigned object = object_in(c, op->left);
  struct jit_mem mem = jit_mem_scaled(object, 8, (int32_t)op->imm);
  bool may_fault = is_near(op->imm) && op->kind != JIT_OP_STORE_REF_FIELD;
  if (!may_fault)
    check_null(c, object);
  if (op->kind == JIT_OP_LOAD_FIELD) {
    if (may_fault)
      jit_throw_null_on_fault(c);
    load(c, op, mem);
  } else if (op->kind == JIT_OP_STORE_FIELD)
    store(c, op, mem, may_fault);
  else
    store_ref(c, mem, jit_read(c, op->third, false, JIT_RDI), op->is_volatile);
}

static void length(struct jit_compile *c, const struct jit_op *op)
{
  const struct jit_home *home = home_of(c, op->dest);
  unsigned array = object_in(c, op->left);
  unsigned to = jit_dest(c, op->dest, JIT_T0);
  jit_throw_null_on_fault(c);
  jit_emit_load(&c->e, JIT_LOAD_U32, to,
                jit_mem_scaled(array, 8, MM_ARRAY_LENGTH_OFFSET));
  jit_write(c, op->dest, to,
            home && home->is_narrow ? JIT_FORM_32 : JIT_FORM_SEXT);
}

void jit_template_memory(struct jit_compile *c, const struct jit_op *op)
{
  switch (op->kind) {
  case JIT_OP_LENGTH:
    length(c, op);
    break;
  case JIT_OP_LOAD_ELEMENT:
    load(c, op, element_of(c, op, log2_of_load(op->load)).mem);
    break;
  case JIT_OP_STORE_ELEMENT:
    store(c, op, element_of(c, op, op->log2).mem, false);
    break;
  case JIT_OP_STORE_REF_ELEMENT:
    store_ref_element(c, op);
    break;
  case JIT_OP_LOAD_STATIC:
    load_static(c, op);
    break;
  case JIT_OP_STORE_STATIC:
    store_static(c, op);
    break;
  default:
    field(c, op);
  }
}
