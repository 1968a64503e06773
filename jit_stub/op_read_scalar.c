/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of moves, constants, arithmetic and jumps (op_internal.h).  What
 * each operation means is said by its handler in the interpreter:
 * handlers_arith_internal.h, handlers_jump_internal.h.
 */
#include "config.h"

#include "jit_stub/op_internal.h"

#define READER(name)                                                           \
  void jit_read_##name(struct jit_reader *r, const struct jit_family *family,  \
                       unsigned variant)

enum { CONDITIONS = INTERP_JUMP_BACK };

/* --- Without operands, and checks --- */

READER(plain)
{
  (void)variant;
  jit_read_add(r, family->kind);
}

READER(check)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_CHECK);
  op->type = JIT_REF;
  op->left = r->pc[1].r.d ? JIT_ACC : jit_read_a(r);
  op->imm = r->pc[1].i64;
  op->ptr = r->pc[2].ptr;
}

/* --- Moves and constants --- */

/* zero, zero_acc */
READER(zero)
{
  (void)family;
  if (variant != 0)
    jit_read_add_const(r, JIT_ACC, 0);
  else
    for (int32_t i = 0; i < r->pc[1].i.x; i++)
      jit_read_add_const(r, r->pc[1].i.a + i, 0);
}

/* mov and mov32; lda32 and lda64; sta32 and sta64: one operation a family. */
READER(move)
{
  (void)variant;
  switch (r->op) {
  case INTERP_lda32:
  case INTERP_lda64:
    jit_read_add_move(r, family->type, JIT_ACC, jit_read_a(r));
    break;
  case INTERP_sta32:
  case INTERP_sta64:
    jit_read_add_move(r, family->type, jit_read_a(r), JIT_ACC);
    break;
  default:
    jit_read_add_move(r, family->type, jit_read_a(r), jit_read_b(r));
    break;
  }
}

/* movi, ldai */
READER(constant)
{
  (void)family, (void)variant;
  jit_read_add_const(r, r->op == INTERP_ldai ? JIT_ACC : r->pc[1].i.a,
                     r->pc[1].i.x);
}

/* movi64, ldai64 */
READER(wide_constant)
{
  (void)family, (void)variant;
  jit_read_add_const(r, r->op == INTERP_ldai64 ? JIT_ACC : r->pc[1].i.a,
                     r->pc[2].i64);
}

/* spill_acc, reload_acc */
READER(spill)
{
  (void)variant;
  struct jit_op *op = jit_read_add(r, family->kind);
  op->type = JIT_I64;
  if (family->kind == JIT_OP_SPILL_ACC)
    op->left = JIT_ACC;
  else
    op->dest = JIT_ACC;
}

/* lda_str, lda_const, lda_type */
READER(heap_constant)
{
  (void)variant;
  struct jit_op *op = jit_read_add(r, family->kind);
  op->type = JIT_REF;
  op->dest = JIT_ACC;
  if (family->kind == JIT_OP_LITERAL) {
    op->dest = r->pc[1].i.a;
    op->imm = r->pc[2].i64;
  } else
    op->ptr = r->pc[1].ptr;
}

/* --- Arithmetic --- */

READER(binary)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_ARITH);
  op->type = family->type;
  op->sub = family->sub;
  op->dest = variant & INTERP_DEST_REG ? jit_read_a(r) : JIT_ACC;
  op->left = variant & INTERP_LEFT_REG ? jit_read_b(r) : JIT_ACC;
  if (variant & INTERP_RIGHT_IMM) {
    op->right = JIT_IMM;
    op->imm = r->pc[1].i.x;
  } else
    op->right = jit_read_c(r);
}

/* fmuladd64_r, _a; fmulsub64_r, _a */
READER(muladd)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_MULADD);
  op->type = JIT_F64;
  op->sub = family->sub;
  op->dest = jit_read_a(r);
  op->left = variant == 0 ? jit_read_b(r) : JIT_ACC;
  op->right = jit_read_c(r);
  op->third = r->pc[1].r.d;
}

/* sqrt64_a, _r, _acc */
READER(sqrt)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_SQRT);
  op->type = JIT_F64;
  op->dest = r->op == INTERP_sqrt64_r ? jit_read_a(r) : JIT_ACC;
  op->left = r->op == INTERP_sqrt64_acc ? JIT_ACC : jit_read_b(r);
}

READER(unary)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_UNARY);
  op->sub = (uint16_t)r->op;
  op->dest = op->left = JIT_ACC;
}

READER(compare)
{
  (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_COMPARE);
  op->type = family->type;
  op->is_g = family->is_g;
  op->dest = op->left = JIT_ACC;
  op->right = jit_read_c(r);
}

/* --- Jumps --- */

/* The word that the operation jumps to; the driver makes an index of it. */
static uint32_t target_word(const struct jit_reader *r)
{
  return r->word +
         (uint32_t)(r->pc[1].i.x / (int32_t)sizeof(union interp_word));
}

static void add_jump(struct jit_reader *r)
{
  jit_read_add(r, JIT_OP_JUMP)->target = target_word(r);
}

static struct jit_op *add_branch(struct jit_reader *r, unsigned type,
                                 unsigned condition, int32_t left,
                                 int32_t right)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_BRANCH);
  op->type = (uint8_t)type;
  op->sub = (uint16_t)condition;
  op->left = left;
  op->right = right;
  op->target = target_word(r);
  return op;
}

/* The outcome that a member of JUMPS tests; polls if it is of the family that
   jumps back. */
static unsigned begin_jumps(struct jit_reader *r, unsigned variant)
{
  if (variant >= INTERP_JUMP_BACK)
    jit_read_add(r, JIT_OP_POLL);
  return variant % CONDITIONS;
}

/* jmp, jmp_back */
READER(jump)
{
  (void)family;
  if (variant != 0)
    jit_read_add(r, JIT_OP_POLL);
  add_jump(r);
}

/* j_az, j_ar */
READER(jump_if_acc)
{
  (void)family;
  bool zero = r->op < INTERP_j_ar_eq;
  add_branch(r, JIT_I32, begin_jumps(r, variant), JIT_ACC,
             zero ? JIT_IMM : r->pc[1].i.b);
}

/* j_rz, j_rr: the register is in the accumulator as well, from then on. */
READER(jump_if_register)
{
  (void)family;
  bool zero = r->op < INTERP_j_rr_eq;
  unsigned condition = begin_jumps(r, variant);
  jit_read_add_move(r, JIT_I32, JIT_ACC, r->pc[1].i.a);
  add_branch(r, JIT_I32, condition, r->pc[1].i.a,
             zero ? JIT_IMM : r->pc[1].i.b);
}

/* j_ir: an immediate can only be on the right, so both change places. */
READER(jump_if_immediate)
{
  static const uint8_t swapped[CONDITIONS] = {INTERP_EQ, INTERP_NE, INTERP_GT,
                                              INTERP_LT, INTERP_GE, INTERP_LE};
  (void)family;
  unsigned condition = begin_jumps(r, variant);
  jit_read_add_const(r, JIT_ACC, r->pc[2].i64);
  add_branch(r, JIT_I32, swapped[condition], r->pc[1].i.b, JIT_IMM)->imm =
      (int32_t)r->pc[2].i64;
}

/* Register a += the immediate or register in word 2. */
static void add_sum(struct jit_reader *r, bool immediate)
{
  struct jit_op *op = jit_read_add(r, JIT_OP_ARITH);
  op->type = JIT_I32;
  op->sub = JIT_ARITH_ADD;
  op->dest = op->left = r->pc[1].i.a;
  op->right = immediate ? JIT_IMM : r->pc[2].r.a;
  if (immediate)
    op->imm = r->pc[2].i.x;
}

/* j_inc, j_add */
READER(jump_if_sum)
{
  (void)family;
  unsigned condition = begin_jumps(r, variant);
  add_sum(r, r->op < INTERP_j_add_eq);
  jit_read_add_move(r, JIT_I32, JIT_ACC, r->pc[1].i.a);
  add_branch(r, JIT_I32, condition, r->pc[1].i.a, r->pc[1].i.b);
}

READER(increment_and_jump)
{
  (void)family, (void)variant;
  jit_read_add(r, JIT_OP_POLL);
  add_sum(r, true);
  add_jump(r);
}

/* j_cmp64_ar and the like, then the same with _rr. */
READER(jump_if_wide)
{
  bool in_register = variant >= CONDITIONS;
  add_branch(r, family->type, variant % CONDITIONS,
             in_register ? r->pc[1].i.a : JIT_ACC, r->pc[1].i.b)
      ->is_g = family->is_g;
}

/* j_ldarr_u8_eqz, _nez */
READER(jump_if_element)
{
  (void)family;
  struct jit_op *op = jit_read_add(r, JIT_OP_LOAD_ELEMENT);
  op->type = JIT_I32;
  op->load = JIT_LOAD_U8;
  op->dest = JIT_ACC;
  op->left = r->pc[1].i.a;
  op->right = r->pc[1].i.b;
  add_branch(r, JIT_I32, variant == 0 ? INTERP_EQ : INTERP_NE, JIT_ACC,
             JIT_IMM);
}
