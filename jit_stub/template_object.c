/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates that make objects and look at their classes.
 *
 * Classes lie below 4 GiB, so that a class word is compared with a constant;
 * one that lies above 2 GiB does not fit an instruction's immediate, which is
 * sign-extended, and goes through a register.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"
#include "mm/mm_inline.h"

static int64_t bits_of(const void *pointer)
{
  return (int64_t)(uintptr_t)pointer;
}

static bool fits(const void *pointer)
{
  return (uintptr_t)pointer <= INT32_MAX;
}

#define TLAB_CURSOR                                                            \
  jit_thread_at(offsetof(struct vm_thread, mutator.tlab_cursor))
#define TLAB_LIMIT jit_thread_at(offsetof(struct vm_thread, mutator.tlab_limit))

/* --- Allocation --- */

/* The header of a new object: its class word, and a mark word of 0.  Uses
   rdi. */
static void write_header(struct jit_compile *c, unsigned at,
                         const struct vm_class *class)
{
  if (fits(class)) {
    jit_emit_store_imm(&c->e, 3, jit_mem_base(at, 0), (int32_t)bits_of(class));
    return;
  }
  jit_emit_move_imm(&c->e, JIT_RDI, bits_of(class));
  jit_emit_store(&c->e, 3, jit_mem_base(at, 0), JIT_RDI);
}

static bool keeps_acc(const struct jit_compile *c)
{
  return jit_acc_is_live_before(c);
}

static void emit_new_object(struct jit_compile *c, struct jit_slow *slow)
{
  jit_slow_runtime_prepare(c, keeps_acc(c));
  jit_emit_move_imm(&c->e, JIT_RSI, bits_of(slow->helper));
  jit_slow_runtime_call(c, slow, jit_new_object, keeps_acc(c), JIT_RCX);
  jit_emit_jump(&c->e, slow->back);
}

/* The reference to a new object in rcx. */
void jit_allocate(struct jit_compile *c, const struct vm_class *class,
                  bool is_slow)
{
  struct jit_emitter *e = &c->e;
  struct jit_slow *slow = jit_slow_new(c, emit_new_object);
  slow->helper = class;
  if (is_slow) {
    jit_emit_jump(e, slow->label);
    jit_slow_bind_back(c, slow);
    return;
  }
  jit_emit_load(e, JIT_LOAD_64, JIT_RCX, TLAB_CURSOR);
  jit_emit_lea(e, true, JIT_RDX,
               jit_mem_base(JIT_RCX, (int32_t) class->layout.base_bytes));
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RDX, TLAB_LIMIT);
  jit_emit_jump_if(e, JIT_IF_ABOVE, slow->label);
  jit_emit_store(e, 3, TLAB_CURSOR, JIT_RDX);
  write_header(c, JIT_RCX, class);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RCX, MM_REF_SHIFT);
  jit_slow_bind_back(c, slow);
}

static void emit_new_array(struct jit_compile *c, struct jit_slow *slow)
{
  const struct jit_op *op = c->op;
  jit_slow_runtime_prepare(c, keeps_acc(c));
  jit_emit_move(&c->e, false, JIT_RDX, JIT_RCX);
  jit_emit_move_imm(&c->e, JIT_RSI, bits_of(op->ptr));
  jit_slow_runtime_call(c, slow, jit_new_array, keeps_acc(c), JIT_RSI);
  jit_emit_jump(&c->e, slow->back);
}

/* rcx the length, rdx the bytes, then the end, rsi the place. */
static void new_array(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  const struct vm_class *class = op->ptr;
  const struct mm_layout *layout = &class->layout;
  struct jit_slow *slow = NULL;
  jit_read_into(c, op->left, false, JIT_RCX);
  slow = jit_slow_new(c, emit_new_array);
  jit_emit_alu_imm(e, JIT_CMP, false, JIT_RCX, MM_TLAB_OBJECT_MAX_BYTES);
  jit_emit_jump_if(e, JIT_IF_ABOVE, slow->label);
  jit_emit_lea(
      e, true, JIT_RDX,
      jit_mem_scaled(JIT_RCX, 1u << layout->elem_log2,
                     (int32_t)layout->base_bytes + MM_OBJECT_ALIGN - 1));
  jit_emit_alu_imm(e, JIT_AND, true, JIT_RDX, -MM_OBJECT_ALIGN);
  jit_emit_alu_imm(e, JIT_CMP, true, JIT_RDX, MM_TLAB_OBJECT_MAX_BYTES);
  jit_emit_jump_if(e, JIT_IF_ABOVE, slow->label);
  jit_emit_load(e, JIT_LOAD_64, JIT_RSI, TLAB_CURSOR);
  jit_emit_alu(e, JIT_ADD, true, JIT_RDX, JIT_RSI);
  jit_emit_alu_load(e, JIT_CMP, true, JIT_RDX, TLAB_LIMIT);
  jit_emit_jump_if(e, JIT_IF_ABOVE, slow->label);
  jit_emit_store(e, 3, TLAB_CURSOR, JIT_RDX);
  write_header(c, JIT_RSI, class);
  jit_emit_store(e, 2, jit_mem_base(JIT_RSI, MM_ARRAY_LENGTH_OFFSET), JIT_RCX);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RSI, MM_REF_SHIFT);
  jit_slow_bind_back(c, slow);
  jit_write(c, op->dest, JIT_RSI, JIT_FORM_64);
}

/* --- Classes --- */

/* Compares memory of 8 bytes with a class; uses rdi. */
static void compare_pointer(struct jit_compile *c, struct jit_mem mem,
                            const void *pointer)
{
  if (fits(pointer)) {
    jit_emit_alu_store_imm(&c->e, JIT_CMP, 3, mem, (int32_t)bits_of(pointer));
    return;
  }
  jit_emit_move_imm(&c->e, JIT_RDI, bits_of(pointer));
  jit_emit_alu_store(&c->e, JIT_CMP, 3, mem, JIT_RDI);
}

/* Is the object in rax, not null, of a class that is no array?  Jumps to `yes`
   or `no`, or falls through with the answer in the flag "equal".  Uses rcx,
   rdx, rdi. */
static void test_class(struct jit_compile *c, const struct vm_class *class,
                       jit_label yes, jit_label no)
{
  struct jit_emitter *e = &c->e;
  jit_emit_load(e, JIT_LOAD_U32, JIT_RCX, jit_mem_scaled(JIT_RAX, 8, 0));
  jit_emit_alu_imm(e, JIT_CMP, false, JIT_RCX,
                   (int32_t)(uint32_t)bits_of(class));
  jit_emit_jump_if(e, JIT_IF_EQUAL, yes);
  jit_emit_alu_store_imm(
      e, JIT_CMP, 2, jit_mem_base(JIT_RCX, offsetof(struct vm_class, depth)),
      (int32_t) class->depth);
  jit_emit_jump_if(e, JIT_IF_BELOW, no);
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX,
                jit_mem_base(JIT_RCX, offsetof(struct vm_class, display)));
  compare_pointer(c, jit_mem_base(JIT_RDX, (int32_t) class->depth * 8), class);
}

static uint64_t is_instance(uint64_t object, uint64_t class)
{
  struct mm_ref ref = {(uint32_t)object};
  return !mm_is_null(ref) &&
         vm_class_is_assignable(vm_class_of(ref),
                                (struct vm_class *)(uintptr_t) class);
}

/* Of a class of arrays: in C.  The object in rax; rax becomes the answer. */
static void call_is_instance(struct jit_compile *c,
                             const struct vm_class *class)
{
  jit_emit_move(&c->e, false, JIT_RDI, JIT_RAX);
  jit_emit_move_imm(&c->e, JIT_RSI, bits_of(class));
  jit_leaf_prepare(c);
  jit_leaf_call(c, (const void *)is_instance);
}

static struct jit_slow *throw_cast(struct jit_compile *c)
{
  struct jit_slow *slow =
      jit_throw_with(c, jit_throw_cast, JIT_RAX, JIT_NO_REG);
  slow->has_pointer = true;
  return slow;
}

static void check_cast(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  const struct vm_class *class = op->ptr;
  jit_label done = jit_label_new(e);
  jit_read(c, JIT_ACC, true, JIT_NO_REG);
  struct jit_slow *throws = throw_cast(c);
  if (class->is_array)
    jit_leaf_prepare(c); /* on both ways */
  jit_emit_test(e, false, JIT_RAX, JIT_RAX);
  jit_emit_jump_if(e, JIT_IF_EQUAL, op->is_nonnull ? throws->label : done);
  if (class->is_array) {
    struct jit_mem acc_slot = jit_frame_at(offsetof(struct vm_frame, acc));
    jit_emit_store(e, 3, acc_slot, JIT_RAX);
    call_is_instance(c, class);
    jit_emit_move(e, false, JIT_RCX, JIT_RAX);
    jit_emit_load(e, JIT_LOAD_64, JIT_RAX, acc_slot);
    jit_emit_test(e, false, JIT_RCX, JIT_RCX);
    /* Homes are no longer what they were above. */
    throws = throw_cast(c);
    jit_emit_jump_if(e, JIT_IF_EQUAL, throws->label);
  } else {
    test_class(c, class, done, throws->label);
    jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, throws->label);
  }
  jit_label_bind(e, done);
}

static void is_instance_of(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  const struct vm_class *class = op->ptr;
  jit_read(c, JIT_ACC, true, JIT_NO_REG);
  if (class->is_array) {
    call_is_instance(c, class);
  } else {
    jit_label yes = jit_label_new(e), no = jit_label_new(e);
    jit_label done = jit_label_new(e);
    jit_emit_test(e, false, JIT_RAX, JIT_RAX);
    jit_emit_jump_if(e, JIT_IF_EQUAL, done);
    test_class(c, class, yes, no);
    jit_emit_jump_if(e, JIT_IF_EQUAL, yes);
    jit_label_bind(e, no);
    jit_emit_move_imm(e, JIT_RAX, 0);
    jit_emit_jump(e, done);
    jit_label_bind(e, yes);
    jit_emit_move_imm(e, JIT_RAX, 1);
    jit_label_bind(e, done);
  }
  c->state.acc = JIT_ACC_WIDE;
}

/* --- Initialising --- */

static void emit_initialise(struct jit_compile *c, struct jit_slow *slow)
{
  bool keeps = jit_acc_is_live(c);
  jit_slow_runtime_prepare(c, keeps);
  jit_emit_move_imm(&c->e, JIT_RSI, bits_of(slow->op->ptr));
  jit_slow_runtime_call(c, slow, jit_initialise, keeps, JIT_NO_REG);
  jit_emit_jump(&c->e, slow->back);
}

static void initialise(struct jit_compile *c, const struct jit_op *op)
{
  struct vm_class *class = op->ptr;
  if (vm_class_is_initialised(class))
    return;
  struct jit_slow *slow = jit_slow_new(c, emit_initialise);
  if (JIT_ORDERS_IN_C) {
    jit_emit_jump(&c->e, slow->label);
  } else {
    jit_emit_move_imm(&c->e, JIT_RCX, bits_of(&class->state));
    jit_emit_alu_store_imm(&c->e, JIT_CMP, 2, jit_mem_base(JIT_RCX, 0),
                           VM_CLASS_INITIALISED);
    jit_emit_jump_if(&c->e, JIT_IF_NOT_EQUAL, slow->label);
  }
  jit_slow_bind_back(c, slow);
}

/* --- What the verifier left to run time --- */

static uint64_t check_holds(uint64_t value, uint64_t pc)
{
  return interp_check_holds((struct mm_ref){(uint32_t)value},
                            (const union interp_word *)(uintptr_t)pc);
}

static void check(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  struct jit_mem acc_slot = jit_frame_at(offsetof(struct vm_frame, acc));
  jit_acc_to_rax(c);
  jit_emit_store(e, 3, acc_slot, JIT_RAX);
  jit_read_into(c, op->left, false, JIT_RDI);
  jit_emit_move_imm(e, JIT_RSI, bits_of(c->decoded->words + op->word));
  jit_leaf_prepare(c);
  jit_leaf_call(c, (const void *)check_holds);
  struct jit_slow *throws =
      jit_throw_with(c, jit_throw_check, JIT_NO_REG, JIT_NO_REG);
  jit_emit_test(e, false, JIT_RAX, JIT_RAX);
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, acc_slot);
  jit_emit_jump_if(e, JIT_IF_EQUAL, throws->label);
}

void jit_template_object(struct jit_compile *c, const struct jit_op *op)
{
  switch (op->kind) {
  case JIT_OP_NEW_OBJECT:
    jit_allocate(c, op->ptr, op->is_slow);
    jit_write(c, op->dest, JIT_RCX, JIT_FORM_64);
    break;
  case JIT_OP_NEW_ARRAY:
    new_array(c, op);
    break;
  case JIT_OP_CHECKCAST:
    check_cast(c, op);
    break;
  case JIT_OP_ISINSTANCE:
    is_instance_of(c, op);
    break;
  case JIT_OP_INITIALISE:
    initialise(c, op);
    break;
  default: /* CHECK */
    check(c, op);
    break;
  }
}
