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

#define CONVERSION(name, E)                                                    \
  static uint64_t name(uint64_t acc)                                           \
  {                                                                            \
    return (E);                                                                \
  }

CONVERSION(c_u64tof32, f32_bits((float)acc))
CONVERSION(c_u64tof64, f64_bits((double)acc))
CONVERSION(c_f32toi32, sext32((uint32_t)to_i32(f32_of(acc))))
CONVERSION(c_f32toi64, (uint64_t)to_i64(f32_of(acc)))
CONVERSION(c_f32tou32, sext32(to_u32(f32_of(acc))))
CONVERSION(c_f32tou64, to_u64(f32_of(acc)))
CONVERSION(c_f64toi32, sext32((uint32_t)to_i32(f64_of(acc))))
CONVERSION(c_f64toi64, (uint64_t)to_i64(f64_of(acc)))
CONVERSION(c_f64tou32, sext32(to_u32(f64_of(acc))))
CONVERSION(c_f64tou64, to_u64(f64_of(acc)))

/* --- In C, in line --- */

static void through_c(struct jit_compile *c, uint64_t (*function)(uint64_t))
{
  jit_acc_to_rax(c);
  jit_emit_move(&c->e, true, JIT_RDI, JIT_RAX);
  jit_leaf_prepare(c);
  jit_leaf_call(c, (const void *)function);
  c->state.acc = JIT_ACC_WIDE;
}

/* --- Integers --- */

static void integer(struct jit_compile *c, unsigned sub)
{
  struct jit_emitter *e = &c->e;
  bool wide = sub == INTERP_neg64 || sub == INTERP_not64;
  jit_read(c, JIT_ACC, wide, JIT_NO_REG);
  if (sub == INTERP_neg32 || sub == INTERP_neg64)
    jit_emit_neg(e, wide, JIT_RAX);
  else
    jit_emit_not(e, wide, JIT_RAX);
  c->state.acc = wide ? JIT_ACC_WIDE : JIT_ACC_NARROW;
}

static void extend(struct jit_compile *c, enum jit_load how, enum jit_acc then)
{
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_extend(&c->e, how, JIT_RAX, JIT_RAX);
  c->state.acc = (uint8_t)then;
}

static void to_boolean(struct jit_compile *c, bool wide)
{
  jit_read(c, JIT_ACC, wide, JIT_NO_REG);
  jit_emit_test(&c->e, wide, JIT_RAX, JIT_RAX);
  jit_emit_set_if(&c->e, JIT_IF_NOT_EQUAL, JIT_RAX);
  c->state.acc = JIT_ACC_WIDE;
}

/* --- Floating point --- */

static void negate_float(struct jit_compile *c, bool wide)
{
  if (wide) {
    unsigned from = jit_read_vector(c, JIT_ACC, true, JIT_F1);
    jit_emit_move_imm(&c->e, JIT_T0, INT64_MIN);
    jit_emit_move_to_f(&c->e, true, JIT_F2, JIT_T0);
    if (from != JIT_ACC_VECTOR_REG)
      jit_emit_fmove(&c->e, JIT_ACC_VECTOR_REG, from);
    jit_emit_fxor(&c->e, JIT_ACC_VECTOR_REG, JIT_F2);
    c->state.acc = JIT_ACC_VECTOR;
    return;
  }
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_alu_imm(&c->e, JIT_XOR, false, JIT_RAX, INT32_MIN);
  c->state.acc = JIT_ACC_WIDE; /* zero-extended, as f32 are */
}

static void from_int(struct jit_compile *c, bool wide_from, bool wide_to)
{
  jit_read(c, JIT_ACC, wide_from, JIT_NO_REG);
  jit_emit_int_to_f(&c->e, wide_from, wide_to, JIT_ACC_VECTOR_REG, JIT_RAX);
  c->state.acc = JIT_ACC_VECTOR;
}

static void from_u32(struct jit_compile *c, bool wide_to)
{
  jit_read(c, JIT_ACC, false, JIT_NO_REG);
  jit_emit_move(&c->e, false, JIT_T0, JIT_RAX);
  jit_emit_int_to_f(&c->e, true, wide_to, JIT_ACC_VECTOR_REG, JIT_T0);
  c->state.acc = JIT_ACC_VECTOR;
}

static void between_floats(struct jit_compile *c, bool wide_to)
{
  unsigned from = jit_read_vector(c, JIT_ACC, !wide_to, JIT_F1);
  jit_emit_fzero(&c->e, JIT_F2);
  jit_emit_f_to_f(&c->e, wide_to, JIT_F2, from);
  jit_emit_fmove(&c->e, JIT_ACC_VECTOR_REG, JIT_F2);
  c->state.acc = JIT_ACC_VECTOR;
}

/* The machine's answer said that the value does not fit: xmm1 has it. */
static void emit_convert_in_c(struct jit_compile *c, struct jit_slow *slow)
{
  jit_emit_move_from_f(&c->e, true, JIT_RDI, JIT_F1);
  jit_slow_leaf_call(c, slow, slow->helper);
  jit_emit_jump(&c->e, slow->back);
}

static void to_int(struct jit_compile *c, bool wide_from, bool wide_to,
                   uint64_t (*function)(uint64_t))
{
  struct jit_emitter *e = &c->e;
  jit_read_vector_into(c, JIT_ACC, wide_from, JIT_F1);
  jit_emit_f_to_int(e, wide_from, wide_to, JIT_RAX, JIT_F1);
  if (wide_to) {
    jit_emit_move_imm(e, JIT_T0, INT64_MIN);
    jit_emit_alu(e, JIT_CMP, true, JIT_RAX, JIT_T0);
  } else
    jit_emit_alu_imm(e, JIT_CMP, false, JIT_RAX, INT32_MIN);
  struct jit_slow *slow = jit_slow_new(c, emit_convert_in_c);
  slow->helper = (const void *)function;
  jit_emit_jump_if(e, JIT_IF_EQUAL, slow->label);
  jit_slow_bind_back(c, slow);
  c->state.acc = wide_to ? JIT_ACC_WIDE : JIT_ACC_NARROW;
}

static void unary(struct jit_compile *c, unsigned sub)
{
  switch (sub) {
  case INTERP_neg32:
  case INTERP_not32:
  case INTERP_neg64:
  case INTERP_not64:
    integer(c, sub);
    break;
  case INTERP_fneg32:
    negate_float(c, false);
    break;
  case INTERP_fneg64:
    negate_float(c, true);
    break;
  case INTERP_i32tof32:
    from_int(c, false, false);
    break;
  case INTERP_i32tof64:
    from_int(c, false, true);
    break;
  case INTERP_u32tof32:
    from_u32(c, false);
    break;
  case INTERP_u32tof64:
    from_u32(c, true);
    break;
  case INTERP_i64tof32:
    from_int(c, true, false);
    break;
  case INTERP_i64tof64:
    from_int(c, true, true);
    break;
  case INTERP_u64tof32:
    through_c(c, c_u64tof32);
    break;
  case INTERP_u64tof64:
    through_c(c, c_u64tof64);
    break;
  case INTERP_f32toi32:
    to_int(c, false, false, c_f32toi32);
    break;
  case INTERP_f32toi64:
    to_int(c, false, true, c_f32toi64);
    break;
  case INTERP_f32tou32:
    through_c(c, c_f32tou32);
    break;
  case INTERP_f32tou64:
    through_c(c, c_f32tou64);
    break;
  case INTERP_f64toi32:
    to_int(c, true, false, c_f64toi32);
    break;
  case INTERP_f64toi64:
    to_int(c, true, true, c_f64toi64);
    break;
  case INTERP_f64tou32:
    through_c(c, c_f64tou32);
    break;
  case INTERP_f64tou64:
    through_c(c, c_f64tou64);
    break;
  case INTERP_f32tof64:
    between_floats(c, true);
    break;
  case INTERP_f64tof32:
    between_floats(c, false);
    break;
  case INTERP_tou1_32:
    to_boolean(c, false);
    break;
  case INTERP_tou1_64:
    to_boolean(c, true);
    break;
  case INTERP_zext32:
    extend(c, JIT_LOAD_U32, JIT_ACC_WIDE);
    break;
  case INTERP_toi32:
    extend(c, JIT_LOAD_U32, JIT_ACC_NARROW);
    break;
  case INTERP_toi8:
    extend(c, JIT_LOAD_I8, JIT_ACC_WIDE);
    break;
  case INTERP_toi16:
    extend(c, JIT_LOAD_I16, JIT_ACC_WIDE);
    break;
  case INTERP_tou8:
    extend(c, JIT_LOAD_U8, JIT_ACC_WIDE);
    break;
  default: /* INTERP_tou16 */
    extend(c, JIT_LOAD_U16, JIT_ACC_WIDE);
    break;
  }
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
