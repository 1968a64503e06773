/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of integer arithmetic.
 *
 * The machine's instructions have two operands, the operations three.  `d` is
 * where the result is computed; what is still to be read must not stand there.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

static bool is_wide(const struct jit_op *op)
{
  return op->type == JIT_I64 || op->type == JIT_U64;
}

static enum jit_form form_of(bool wide)
{
  return wide ? JIT_FORM_64 : JIT_FORM_32;
}

/* --- Addition and its like --- */

static enum jit_alu alu_of(unsigned arith)
{
  switch (arith) {
  case JIT_ARITH_ADD:
    return JIT_ADD;
  case JIT_ARITH_SUB:
    return JIT_SUB;
  case JIT_ARITH_AND:
    return JIT_AND;
  case JIT_ARITH_OR:
    return JIT_OR;
  default:
    return JIT_XOR;
  }
}

static bool is_commutative(unsigned arith)
{
  return arith != JIT_ARITH_SUB;
}

static void two_operands(struct jit_compile *c, unsigned arith, bool wide,
                         unsigned to, unsigned from)
{
  if (arith == JIT_ARITH_MUL)
    jit_emit_multiply(&c->e, wide, to, from);
  else
    jit_emit_alu(&c->e, alu_of(arith), wide, to, from);
}

static void with_memory(struct jit_compile *c, unsigned arith, bool wide,
                        unsigned to, struct jit_mem from)
{
  if (arith == JIT_ARITH_MUL)
    jit_emit_multiply_load(&c->e, wide, to, from);
  else
    jit_emit_alu_load(&c->e, alu_of(arith), wide, to, from);
}

static void copy(struct jit_compile *c, bool wide, unsigned to, unsigned from)
{
  if (to != from)
    jit_emit_move(&c->e, wide, to, from);
}

/* 32 bits only: others have no immediate. */
static void with_immediate(struct jit_compile *c, const struct jit_op *op)
{
  unsigned d = jit_dest(c, op->dest, JIT_T0);
  unsigned l = jit_read(c, op->left, false, d);
  uint32_t imm = (uint32_t)op->imm;
  unsigned arith = op->sub;
  if (arith == JIT_ARITH_SUB) {
    arith = JIT_ARITH_ADD;
    imm = 0 - imm;
  }
  if (arith == JIT_ARITH_MUL) {
    jit_emit_multiply_imm(&c->e, false, d, l, (int32_t)imm);
  } else if (arith == JIT_ARITH_ADD && l != d) {
    jit_emit_lea(&c->e, false, d, jit_mem_base(l, (int32_t)imm));
  } else {
    copy(c, false, d, l);
    jit_emit_alu_imm(&c->e, alu_of(arith), false, d, (int32_t)imm);
  }
  jit_write(c, op->dest, d, JIT_FORM_32);
}

static void with_right_in_dest(struct jit_compile *c, const struct jit_op *op,
                               bool wide, unsigned d)
{
  struct jit_mem slot;
  if (!is_commutative(op->sub)) {
    jit_read_into(c, op->left, wide, JIT_T0);
    two_operands(c, op->sub, wide, JIT_T0, d);
    jit_write(c, op->dest, JIT_T0, form_of(wide));
    return;
  }
  if (jit_is_in_slot(c, op->left, &slot))
    with_memory(c, op->sub, wide, d, slot);
  else
    two_operands(c, op->sub, wide, d, jit_read(c, op->left, wide, JIT_T0));
  jit_write(c, op->dest, d, form_of(wide));
}

static void simple(struct jit_compile *c, const struct jit_op *op)
{
  if (op->right == JIT_IMM) {
    with_immediate(c, op);
    return;
  }
  bool wide = is_wide(op);
  unsigned d = jit_dest(c, op->dest, JIT_T0);
  struct jit_mem slot;
  bool in_slot = jit_is_in_slot(c, op->right, &slot);
  unsigned r = in_slot ? JIT_NO_REG : jit_read(c, op->right, wide, JIT_T1);
  if (r == d && op->left != op->right) {
    with_right_in_dest(c, op, wide, d);
    return;
  }
  unsigned l = jit_read(c, op->left, wide, d);
  if (op->sub == JIT_ARITH_ADD && l != d && !in_slot) {
    jit_emit_lea(&c->e, wide, d, jit_mem_index(l, r, 1, 0));
  } else {
    copy(c, wide, d, l);
    if (in_slot)
      with_memory(c, op->sub, wide, d, slot);
    else
      two_operands(c, op->sub, wide, d, r);
  }
  jit_write(c, op->dest, d, form_of(wide));
}

/* --- Shifts: counts in rcx --- */

static void shift(struct jit_compile *c, const struct jit_op *op)
{
  static const uint8_t shifts[] = {JIT_SHL, JIT_SHR, JIT_SAR};
  enum jit_shift how = (enum jit_shift)shifts[op->sub - JIT_ARITH_SHL];
  bool wide = is_wide(op);
  unsigned d = jit_dest(c, op->dest, JIT_T1);
  if (op->right != JIT_IMM)
    jit_read_into(c, op->right, false, JIT_RCX);
  copy(c, wide, d, jit_read(c, op->left, wide, d));
  if (op->right == JIT_IMM)
    jit_emit_shift_imm(&c->e, how, wide, d,
                       (unsigned)op->imm & (wide ? 63 : 31));
  else
    jit_emit_shift(&c->e, how, wide, d);
  jit_write(c, op->dest, d, form_of(wide));
}

void jit_template_arith(struct jit_compile *c, const struct jit_op *op)
{
  switch ((enum jit_arith)op->sub) {
  case JIT_ARITH_SHL:
  case JIT_ARITH_SHR:
  case JIT_ARITH_ASHR:
    shift(c, op);
    break;
  case JIT_ARITH_DIV:
  case JIT_ARITH_MOD:
    jit_template_divide(c, op);
    break;
  default:
    simple(c, op);
  }
}
