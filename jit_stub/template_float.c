/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of floating-point arithmetic.
 *
 * In a vector register anything may stand above an f32: the machine keeps there
 * what the left operand had.  Where that may be seen, in slots and in homes
 * that hold wide values too, it is sign-extended (jit_write_vector).
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

#include <math.h>

static enum jit_falu falu_of(unsigned arith)
{
  switch (arith) {
  case JIT_ARITH_ADD:
    return JIT_FADD;
  case JIT_ARITH_SUB:
    return JIT_FSUB;
  case JIT_ARITH_MUL:
    return JIT_FMUL;
  default:
    return JIT_FDIV;
  }
}

static void copy(struct jit_compile *c, unsigned to, unsigned from)
{
  if (to != from)
    jit_emit_fmove(&c->e, to, from);
}

static bool is_wide(const struct jit_op *op)
{
  return op->type == JIT_F64;
}

/* Sums and products are computed in either order.  That shows in the bits of
   a NaN only, where both operands are one: which of them goes on is open (IEEE
   754-2008, 6.2.3), and in the interpreter the C compiler's choice. */
static void simple(struct jit_compile *c, const struct jit_op *op)
{
  bool wide = is_wide(op);
  enum jit_falu how = falu_of(op->sub);
  unsigned d = jit_dest_vector(c, op->dest, JIT_F1);
  struct jit_mem slot;
  bool in_slot = jit_is_in_slot(c, op->right, &slot);
  unsigned r =
      in_slot ? JIT_NO_REG : jit_read_vector(c, op->right, wide, JIT_F2);
  bool is_commutative = how == JIT_FADD || how == JIT_FMUL;
  if (r == d && op->left != op->right && is_commutative) {
    jit_emit_falu(&c->e, how, wide, d,
                  jit_read_vector(c, op->left, wide, JIT_F1));
    jit_write_vector(c, op->dest, wide, d);
    return;
  }
  if (r == d && op->left != op->right) {
    /* The left operand may be where the result goes too. */
    jit_read_vector_into(c, op->left, wide, JIT_F1);
    jit_emit_falu(&c->e, how, wide, JIT_F1, r);
    jit_write_vector(c, op->dest, wide, JIT_F1);
    return;
  }
  copy(c, d, jit_read_vector(c, op->left, wide, d));
  if (in_slot)
    jit_emit_falu_load(&c->e, how, wide, d, slot);
  else
    jit_emit_falu(&c->e, how, wide, d, r);
  jit_write_vector(c, op->dest, wide, d);
}

/* The accumulator, which a C function would destroy, waits in the frame's
   slot for it, which nobody reads meanwhile. */
static void remainder_of(struct jit_compile *c, const struct jit_op *op)
{
  bool wide = is_wide(op);
  bool keeps_acc = op->dest != JIT_ACC && jit_acc_is_live(c);
  struct jit_mem acc_slot = jit_frame_at(offsetof(struct vm_frame, acc));
  if (keeps_acc || op->left == JIT_ACC || op->right == JIT_ACC) {
    jit_acc_to_rax(c);
    jit_emit_store(&c->e, 3, acc_slot, JIT_ACC_REG);
  }
  jit_read_vector_into(c, op->right, wide, JIT_F1);
  jit_read_vector_into(c, op->left, wide, 0);
  jit_leaf_prepare(c);
  jit_leaf_call(c, wide ? (const void *)(double (*)(double, double))fmod
                        : (const void *)(float (*)(float, float))fmodf);
  if (keeps_acc) {
    jit_emit_load(&c->e, JIT_LOAD_64, JIT_ACC_REG, acc_slot);
    c->state.acc = JIT_ACC_WIDE;
  }
  jit_write_vector(c, op->dest, wide, 0);
}

static void multiply_add(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_mem slot;
  jit_read_vector_into(c, op->left, true, JIT_F1);
  if (jit_is_in_slot(c, op->right, &slot))
    jit_emit_falu_load(&c->e, JIT_FMUL, true, JIT_F1, slot);
  else
    jit_emit_falu(&c->e, JIT_FMUL, true, JIT_F1,
                  jit_read_vector(c, op->right, true, JIT_F2));
  if (jit_is_in_slot(c, op->third, &slot))
    jit_emit_falu_load(&c->e, falu_of(op->sub), true, JIT_F1, slot);
  else
    jit_emit_falu(&c->e, falu_of(op->sub), true, JIT_F1,
                  jit_read_vector(c, op->third, true, JIT_F2));
  jit_write_vector(c, op->dest, true, JIT_F1);
}

static void square_root(struct jit_compile *c, const struct jit_op *op)
{
  unsigned d = jit_dest_vector(c, op->dest, JIT_F1);
  unsigned from = jit_read_vector(c, op->left, true, JIT_F2);
  /* Copied first, lest it wait for what the register held before. */
  copy(c, d, from);
  jit_emit_falu(&c->e, JIT_FSQRT, true, d, d);
  jit_write_vector(c, op->dest, true, d);
}

void jit_template_float(struct jit_compile *c, const struct jit_op *op)
{
  if (op->kind == JIT_OP_MULADD)
    multiply_add(c, op);
  else if (op->kind == JIT_OP_SQRT)
    square_root(c, op);
  else if (op->sub == JIT_ARITH_MOD)
    remainder_of(c, op);
  else
    simple(c, op);
}
