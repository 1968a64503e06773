/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of compare-and-jump.
 *
 * fcmpl takes NaN for less, fcmpg for greater.  The machine's comparison says
 * "below" for NaN, so with fcmpg the operands are exchanged.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

static enum jit_condition signed_condition(unsigned condition)
{
  static const uint8_t conditions[] = {
      [INTERP_EQ] = JIT_IF_EQUAL,      [INTERP_NE] = JIT_IF_NOT_EQUAL,
      [INTERP_LT] = JIT_IF_LESS,       [INTERP_GT] = JIT_IF_GREATER,
      [INTERP_LE] = JIT_IF_LESS_EQUAL, [INTERP_GE] = JIT_IF_GREATER_EQUAL};
  return (enum jit_condition)conditions[condition];
}

static enum jit_condition unsigned_condition(unsigned condition)
{
  static const uint8_t conditions[] = {
      [INTERP_EQ] = JIT_IF_EQUAL,       [INTERP_NE] = JIT_IF_NOT_EQUAL,
      [INTERP_LT] = JIT_IF_BELOW,       [INTERP_GT] = JIT_IF_ABOVE,
      [INTERP_LE] = JIT_IF_BELOW_EQUAL, [INTERP_GE] = JIT_IF_ABOVE_EQUAL};
  return (enum jit_condition)conditions[condition];
}

static unsigned swapped(unsigned condition)
{
  static const uint8_t conditions[] = {
      [INTERP_EQ] = INTERP_EQ, [INTERP_NE] = INTERP_NE,
      [INTERP_LT] = INTERP_GT, [INTERP_GT] = INTERP_LT,
      [INTERP_LE] = INTERP_GE, [INTERP_GE] = INTERP_LE};
  return conditions[condition];
}

/* --- Integers --- */

static void compare_with_immediate(struct jit_compile *c, int32_t left,
                                   int32_t imm, unsigned condition)
{
  struct jit_mem slot;
  if (jit_is_in_slot(c, left, &slot)) {
    jit_emit_alu_store_imm(&c->e, JIT_CMP, 2, slot, imm);
    return;
  }
  unsigned l = jit_read(c, left, false, JIT_T0);
  if (imm == 0 && condition != INTERP_LE && condition != INTERP_GT)
    jit_emit_test(&c->e, false, l, l);
  else
    jit_emit_alu_imm(&c->e, JIT_CMP, false, l, imm);
}

static void compare_integers(struct jit_compile *c, const struct jit_op *op,
                             bool wide)
{
  struct jit_mem slot;
  unsigned l = jit_read(c, op->left, wide, JIT_T0);
  if (jit_is_in_slot(c, op->right, &slot))
    jit_emit_alu_load(&c->e, JIT_CMP, wide, l, slot);
  else
    jit_emit_alu(&c->e, JIT_CMP, wide, l, jit_read(c, op->right, wide, JIT_T1));
}

static void integer_branch(struct jit_compile *c, const struct jit_op *op,
                           jit_label target)
{
  bool is_unsigned = op->type == JIT_U32 || op->type == JIT_U64;
  bool wide = op->type == JIT_I64 || op->type == JIT_U64;
  unsigned condition = op->sub;
  if (op->right == JIT_IMM && !wide)
    compare_with_immediate(c, op->left, (int32_t)op->imm, condition);
  else if (op->left == JIT_IMM && !wide) {
    condition = swapped(condition);
    compare_with_immediate(c, op->right, (int32_t)op->imm, condition);
  } else
    compare_integers(c, op, wide);
  jit_emit_jump_if(&c->e,
                   is_unsigned ? unsigned_condition(condition)
                               : signed_condition(condition),
                   target);
}

/* --- Floating point --- */

static void compare_floats(struct jit_compile *c, bool wide, int32_t left,
                           int32_t right)
{
  struct jit_mem slot;
  unsigned l = jit_read_vector(c, left, wide, JIT_F1);
  if (jit_is_in_slot(c, right, &slot))
    jit_emit_fcompare_load(&c->e, wide, l, slot);
  else
    jit_emit_fcompare(&c->e, wide, l, jit_read_vector(c, right, wide, JIT_F2));
}

static void float_branch(struct jit_compile *c, const struct jit_op *op,
                         jit_label target)
{
  bool wide = op->type == JIT_F64;
  struct jit_emitter *e = &c->e;
  unsigned condition = op->sub;
  if (op->is_g && condition != INTERP_EQ && condition != INTERP_NE) {
    condition = swapped(condition);
    compare_floats(c, wide, op->right, op->left);
  } else
    compare_floats(c, wide, op->left, op->right);
  if (condition == INTERP_NE) {
    jit_emit_jump_if(e, JIT_IF_PARITY, target);
  } else if (condition == INTERP_EQ) {
    jit_label no = jit_label_new(e);
    jit_emit_jump_if(e, JIT_IF_PARITY, no);
    jit_emit_jump_if(e, JIT_IF_EQUAL, target);
    jit_label_bind(e, no);
    return;
  }
  jit_emit_jump_if(e, unsigned_condition(condition), target);
}

void jit_template_branch(struct jit_compile *c, const struct jit_op *op,
                         jit_label target)
{
  if (op->type == JIT_F32 || op->type == JIT_F64)
    float_branch(c, op, target);
  else
    integer_branch(c, op, target);
}
