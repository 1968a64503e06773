/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of operations from the accumulator to the accumulator: signs,
 * widths, conversions; and of three-way comparisons.
 *
 * The machine converts to integers of its own range with one instruction, and
 * answers the least integer where the value does not fit; then, and where it
 * has no instruction, C functions do what the interpreter does.
 */
#include "config.h"

#include "interp/arith_inline.h"
#include "jit_stub/compile_internal.h"

/* --- C functions: bits of the accumulator to bits --- */

/* Numbers of 32 bits are zero-extended for to_int, whose accumulator is
   JIT_ACC_NARROW then, and sign-extended for through_c, whose is not. */
#define CONVERSION(name, E)                                                    \
  static uint64_t name(uint64_t acc)                                           \
  {                                                                            \
    return (E);                                                                \
  }

CONVERSION(c_u64tof32, f32_bits((float)acc))
CONVERSION(c_u64tof64, f64_bits((double)acc))
CONVERSION(c_f32toi32, (uint32_t)to_i32(f32_of(acc)))
CONVERSION(c_f32toi64, (uint64_t)to_i64(f32_of(acc)))
CONVERSION(c_f32tou32, sext32(to_u32(f32_of(acc))))
CONVERSION(c_f32tou64, to_u64(f32_of(acc)))
CONVERSION(c_f64toi32, (uint32_t)to_i32(f64_of(acc)))
CONVERSION(c_f64toi64, (uint64_t)to_i64(f64_of(acc)))
CONVERSION(c_f64tou32, sext32(to_u32(f64_of(acc))))
CONVERSION(c_f64tou64, to_u64(f64_of(acc)))

/* --- What each is made of --- */

struct unary {
  void (*emit)(struct jit_compile *c, const struct unary *unary);
  bool wide_from, wide_to;        /* 64 bits are read, are made */
  uint8_t how;                    /* extensions: enum jit_load */
  uint64_t (*function)(uint64_t); /* that does the same, or what is seldom */
};

static enum jit_acc acc_of(bool wide)
{
  return wide ? JIT_ACC_WIDE : JIT_ACC_NARROW;
}

static enum jit_acc vector_acc_of(bool wide)
{
  return wide ? JIT_ACC_VECTOR : JIT_ACC_F32;
}

static void through_c(struct jit_compile *c, const struct unary *unary)
{
  jit_acc_to_rax(c);
  jit_emit_move(&c->e, true, JIT_RDI, JIT_RAX);
  jit_leaf_prepare(c);
  jit_leaf_call(c, (const void *)unary->function);
  c->state.acc = JIT_ACC_WIDE;
}

/* --- Integers --- */

static void negate(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, unary->wide_from, JIT_NO_REG);
  jit_emit_neg(&c->e, unary->wide_from, JIT_RAX);
  c->state.acc = acc_of(unary->wide_from);
}

static void invert(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, unary->wide_from, JIT_NO_REG);
  jit_emit_not(&c->e, unary->wide_from, JIT_RAX);
  c->state.acc = acc_of(unary->wide_from);
}

static void extend(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_extend(&c->e, (enum jit_load)unary->how, JIT_RAX, JIT_RAX);
  c->state.acc = acc_of(unary->wide_to);
}

static void to_boolean(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, unary->wide_from, JIT_NO_REG);
  jit_emit_test(&c->e, unary->wide_from, JIT_RAX, JIT_RAX);
  jit_emit_set_if(&c->e, JIT_IF_NOT_EQUAL, JIT_RAX);
  c->state.acc = JIT_ACC_WIDE;
}

/* --- Floating point --- */

static void negate_f32(struct jit_compile *c, const struct unary *unary)
{
  (void)unary;
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_alu_imm(&c->e, JIT_XOR, false, JIT_RAX, INT32_MIN);
  c->state.acc = JIT_ACC_NARROW;
}

static void negate_f64(struct jit_compile *c, const struct unary *unary)
{
  (void)unary;
  unsigned from = jit_read_vector(c, JIT_ACC, true, JIT_F1);
  jit_emit_move_imm(&c->e, JIT_T0, INT64_MIN);
  jit_emit_move_to_f(&c->e, true, JIT_F2, JIT_T0);
  if (from != JIT_ACC_VECTOR_REG)
    jit_emit_fmove(&c->e, JIT_ACC_VECTOR_REG, from);
  jit_emit_fxor(&c->e, JIT_ACC_VECTOR_REG, JIT_F2);
  c->state.acc = JIT_ACC_VECTOR;
}

static void from_int(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, unary->wide_from, JIT_NO_REG);
  jit_emit_int_to_f(&c->e, unary->wide_from, unary->wide_to, JIT_ACC_VECTOR_REG,
                    JIT_RAX);
  c->state.acc = vector_acc_of(unary->wide_to);
}

static void from_u32(struct jit_compile *c, const struct unary *unary)
{
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_move(&c->e, false, JIT_T0, JIT_RAX);
  jit_emit_int_to_f(&c->e, true, unary->wide_to, JIT_ACC_VECTOR_REG, JIT_T0);
  c->state.acc = vector_acc_of(unary->wide_to);
}

static void between_floats(struct jit_compile *c, const struct unary *unary)
{
  unsigned from = jit_read_vector(c, JIT_ACC, unary->wide_from, JIT_F1);
  jit_emit_fzero(&c->e, JIT_F2);
  jit_emit_f_to_f(&c->e, unary->wide_to, JIT_F2, from);
  jit_emit_fmove(&c->e, JIT_ACC_VECTOR_REG, JIT_F2);
  c->state.acc = vector_acc_of(unary->wide_to);
}

/* The machine's answer said that the value does not fit: xmm1 has it. */
static void emit_convert_in_c(struct jit_compile *c, struct jit_slow *slow)
{
  jit_emit_move_from_f(&c->e, true, JIT_RDI, JIT_F1);
  jit_slow_leaf_call(c, slow, slow->helper);
  jit_emit_jump(&c->e, slow->back);
}

static void to_int(struct jit_compile *c, const struct unary *unary)
{
  struct jit_emitter *e = &c->e;
  jit_read_vector_into(c, JIT_ACC, unary->wide_from, JIT_F1);
  jit_emit_f_to_int(e, unary->wide_from, unary->wide_to, JIT_RAX, JIT_F1);
  if (unary->wide_to) {
    jit_emit_move_imm(e, JIT_T0, INT64_MIN);
    jit_emit_alu(e, JIT_CMP, true, JIT_RAX, JIT_T0);
  } else
    jit_emit_alu_imm(e, JIT_CMP, false, JIT_RAX, INT32_MIN);
  struct jit_slow *slow = jit_slow_new(c, emit_convert_in_c);
  slow->helper = (const void *)unary->function;
  jit_emit_jump_if(e, JIT_IF_EQUAL, slow->label);
  jit_slow_bind_back(c, slow);
  c->state.acc = acc_of(unary->wide_to);
}

/* --- All of them --- */

enum { NARROW = false, WIDE = true };

/* By enum interp_op, from the first one on. */
#define ROW(name) [INTERP_##name - INTERP_neg32]

static const struct unary unaries[] = {
    ROW(neg32) = {negate, NARROW, NARROW, 0, NULL},
    ROW(not32) = {invert, NARROW, NARROW, 0, NULL},
    ROW(neg64) = {negate, WIDE, WIDE, 0, NULL},
    ROW(not64) = {invert, WIDE, WIDE, 0, NULL},
    ROW(fneg32) = {negate_f32, NARROW, NARROW, 0, NULL},
    ROW(fneg64) = {negate_f64, WIDE, WIDE, 0, NULL},
    ROW(i32tof32) = {from_int, NARROW, NARROW, 0, NULL},
    ROW(i32tof64) = {from_int, NARROW, WIDE, 0, NULL},
    ROW(u32tof32) = {from_u32, NARROW, NARROW, 0, NULL},
    ROW(u32tof64) = {from_u32, NARROW, WIDE, 0, NULL},
    ROW(i64tof32) = {from_int, WIDE, NARROW, 0, NULL},
    ROW(i64tof64) = {from_int, WIDE, WIDE, 0, NULL},
    ROW(u64tof32) = {through_c, WIDE, NARROW, 0, c_u64tof32},
    ROW(u64tof64) = {through_c, WIDE, WIDE, 0, c_u64tof64},
    ROW(f32toi32) = {to_int, NARROW, NARROW, 0, c_f32toi32},
    ROW(f32toi64) = {to_int, NARROW, WIDE, 0, c_f32toi64},
    ROW(f32tou32) = {through_c, NARROW, NARROW, 0, c_f32tou32},
    ROW(f32tou64) = {through_c, NARROW, WIDE, 0, c_f32tou64},
    ROW(f64toi32) = {to_int, WIDE, NARROW, 0, c_f64toi32},
    ROW(f64toi64) = {to_int, WIDE, WIDE, 0, c_f64toi64},
    ROW(f64tou32) = {through_c, WIDE, NARROW, 0, c_f64tou32},
    ROW(f64tou64) = {through_c, WIDE, WIDE, 0, c_f64tou64},
    ROW(f32tof64) = {between_floats, NARROW, WIDE, 0, NULL},
    ROW(f64tof32) = {between_floats, WIDE, NARROW, 0, NULL},
    ROW(tou1_32) = {to_boolean, NARROW, WIDE, 0, NULL},
    ROW(tou1_64) = {to_boolean, WIDE, WIDE, 0, NULL},
    ROW(zext32) = {extend, NARROW, WIDE, JIT_LOAD_U32, NULL},
    ROW(toi32) = {extend, NARROW, NARROW, JIT_LOAD_U32, NULL},
    ROW(toi8) = {extend, NARROW, WIDE, JIT_LOAD_I8, NULL},
    ROW(toi16) = {extend, NARROW, WIDE, JIT_LOAD_I16, NULL},
    ROW(tou8) = {extend, NARROW, WIDE, JIT_LOAD_U8, NULL},
    ROW(tou16) = {extend, NARROW, WIDE, JIT_LOAD_U16, NULL},
};
#undef ROW

enum { UNARY_COUNT = INTERP_tou16 - INTERP_neg32 + 1 };
_Static_assert(sizeof unaries / sizeof unaries[0] == UNARY_COUNT,
               "each has its row");

static void unary(struct jit_compile *c, unsigned sub)
{
  const struct unary *unary = &unaries[sub - INTERP_neg32];
  unary->emit(c, unary);
}

/* --- Three-way comparisons: (a > b) - (a < b) --- */

static void three_way(struct jit_compile *c, enum jit_condition greater,
                      enum jit_condition less)
{
  jit_emit_set_if(&c->e, greater, JIT_RAX);
  jit_emit_set_if(&c->e, less, JIT_T0);
  jit_emit_alu(&c->e, JIT_SUB, false, JIT_RAX, JIT_T0);
  c->state.acc = JIT_ACC_NARROW;
}

static void compare(struct jit_compile *c, const struct jit_op *op)
{
  if (op->type == JIT_F32 || op->type == JIT_F64) {
    bool wide = op->type == JIT_F64;
    unsigned r = jit_read_vector(c, op->right, wide, JIT_F2);
    unsigned l = jit_read_vector(c, JIT_ACC, wide, JIT_F1);
    /* NaN counts as below. */
    if (op->is_g) {
      jit_emit_fcompare(&c->e, wide, r, l);
      three_way(c, JIT_IF_BELOW, JIT_IF_ABOVE);
    } else {
      jit_emit_fcompare(&c->e, wide, l, r);
      three_way(c, JIT_IF_ABOVE, JIT_IF_BELOW);
    }
    return;
  }
  bool wide = op->type == JIT_I64 || op->type == JIT_U64;
  unsigned r = jit_read(c, op->right, wide, JIT_T0);
  unsigned l = jit_read(c, JIT_ACC, wide, JIT_NO_REG);
  jit_emit_alu(&c->e, JIT_CMP, wide, l, r);
  if (op->type == JIT_U32 || op->type == JIT_U64)
    three_way(c, JIT_IF_ABOVE, JIT_IF_BELOW);
  else
    three_way(c, JIT_IF_GREATER, JIT_IF_LESS);
}

void jit_template_unary(struct jit_compile *c, const struct jit_op *op)
{
  if (op->kind == JIT_OP_COMPARE)
    compare(c, op);
  else
    unary(c, op->sub);
}
