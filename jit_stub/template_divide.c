/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of integer division and remainder.
 *
 * The machine's division takes ten times as long as its multiplication, so by a
 * known number n is divided by multiplying it with a scaled reciprocal
 * (Granlund and Montgomery, "Division by invariant integers using
 * multiplication", 1994).  For 2^(l-1) < d <= 2^l and
 *
 *     m = floor(2^(31+l) / d) + 1
 *
 * the quotient of each n of 32 bits, rounded towards zero, is
 * floor(m * n / 2^(31+l)), and one more when n is negative.  m has 32 bits, and
 * the product fits into 64.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

/* --- By what is not known: rdx:rax by rcx --- */

/* By -1 the machine traps for the least number, and the result is known. */
static void divide_signed(struct jit_compile *c, const struct jit_op *op,
                          bool wide)
{
  struct jit_emitter *e = &c->e;
  bool may_be_minus_one = op->right != JIT_IMM || (int32_t)op->imm == -1;
  jit_label end = jit_label_new(e);
  if (may_be_minus_one) {
    jit_label divides = jit_label_new(e);
    jit_emit_alu_imm(e, JIT_CMP, wide, JIT_RCX, -1);
    jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, divides);
    jit_emit_neg(e, wide, JIT_RAX);
    jit_emit_zero(e, JIT_RDX);
    jit_emit_jump(e, end);
    jit_label_bind(e, divides);
  }
  jit_emit_sign_to_rdx(e, wide);
  jit_emit_divide(e, true, wide, JIT_RCX);
  jit_label_bind(e, end);
}

static void by_unknown(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_emitter *e = &c->e;
  bool wide = op->type == JIT_I64 || op->type == JIT_U64;
  bool keeps_acc = op->dest != JIT_ACC && jit_acc_is_live(c);
  jit_read_into(c, op->right, wide, JIT_RCX);
  if (op->right != JIT_IMM || op->imm == 0) {
    jit_emit_test(e, wide, JIT_RCX, JIT_RCX);
    jit_throw_division_if(c, JIT_IF_EQUAL);
  }
  if (keeps_acc) {
    jit_acc_to_rax(c);
    jit_emit_move_to_f(e, true, JIT_F1, JIT_ACC_REG);
  }
  jit_read_into(c, op->left, wide, JIT_RAX);
  if (op->type == JIT_U32 || op->type == JIT_U64) {
    jit_emit_zero(e, JIT_RDX);
    jit_emit_divide(e, false, wide, JIT_RCX);
  } else
    divide_signed(c, op, wide);
  unsigned result = op->sub == JIT_ARITH_DIV ? JIT_RAX : JIT_RDX;
  if (keeps_acc) {
    jit_emit_move(e, wide, JIT_RCX, result);
    result = JIT_RCX;
    jit_emit_move_from_f(e, true, JIT_ACC_REG, JIT_F1);
    c->state.acc = JIT_ACC_WIDE;
  }
  jit_write(c, op->dest, result, wide ? JIT_FORM_64 : JIT_FORM_32);
}

/* --- By a known number of 32 bits --- */

struct reciprocal {
  uint32_t factor; /* m */
  unsigned shift;  /* 31 + l */
};

/* Of 2 to 2^31. */
static struct reciprocal reciprocal_of(uint32_t divisor)
{
  unsigned l = 32 - (unsigned)__builtin_clz(divisor - 1);
  unsigned shift = 31 + l;
  return (struct reciprocal){(uint32_t)((UINT64_C(1) << shift) / divisor + 1),
                             shift};
}

static bool is_by_known(const struct jit_op *op)
{
  int64_t divisor = (int32_t)op->imm;
  return op->right == JIT_IMM && op->type == JIT_I32 &&
         (divisor < -1 || divisor > 1);
}

/* rdx = the quotient; rcx is lost. */
static void quotient(struct jit_compile *c, const struct jit_op *op,
                     int32_t divisor)
{
  struct jit_emitter *e = &c->e;
  struct reciprocal by =
      reciprocal_of(divisor < 0 ? 0 - (uint32_t)divisor : (uint32_t)divisor);
  unsigned n = jit_read(c, op->left, false, JIT_RCX);
  jit_emit_extend(e, JIT_LOAD_I32, JIT_RCX, n);
  jit_emit_move_imm(e, JIT_RDX, by.factor);
  jit_emit_multiply(e, true, JIT_RDX, JIT_RCX);
  jit_emit_shift_imm(e, JIT_SAR, true, JIT_RDX, by.shift);
  jit_emit_shift_imm(e, JIT_SHR, true, JIT_RCX, 63);
  jit_emit_alu(e, JIT_ADD, false, JIT_RDX, JIT_RCX);
  if (divisor < 0)
    jit_emit_neg(e, false, JIT_RDX);
}

static void by_known(struct jit_compile *c, const struct jit_op *op)
{
  int32_t divisor = (int32_t)op->imm;
  quotient(c, op, divisor);
  unsigned result = JIT_RDX;
  if (op->sub == JIT_ARITH_MOD) {
    jit_emit_multiply_imm(&c->e, false, JIT_RDX, JIT_RDX, divisor);
    jit_read_into(c, op->left, false, JIT_T0);
    jit_emit_alu(&c->e, JIT_SUB, false, JIT_T0, JIT_RDX);
    result = JIT_T0;
  }
  jit_write(c, op->dest, result, JIT_FORM_32);
}

void jit_template_divide(struct jit_compile *c, const struct jit_op *op)
{
  if (is_by_known(op))
    by_known(c, op);
  else
    by_unknown(c, op);
}
