/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families of decoded operations, in the order of interp/ops.def and
 * without a gap (op_read.c checks): who reads them, and what is the same for
 * all members.
 */
#include "config.h"

#include "jit_stub/op_internal.h"

/* clang-format off */
#define FAMILY(first_, last_, reader, ...)                                     \
  {.first = INTERP_##first_, .last = INTERP_##last_,                           \
   .read = jit_read_##reader, __VA_ARGS__}
#define RUN(first_, last_, reader)                                             \
  {.first = INTERP_##first_, .last = INTERP_##last_, .read = jit_read_##reader}
#define ONE(op, reader, ...) FAMILY(op, op, reader, __VA_ARGS__)
#define BARE(op, reader) RUN(op, op, reader)
#define PLAIN(op, kind_) ONE(op, plain, .kind = JIT_OP_##kind_)

#define ARITH(op, last_, type_, sub_)                                          \
  FAMILY(op##_aar, op##_##last_, binary, .type = JIT_##type_,                  \
         .sub = JIT_ARITH_##sub_)
#define I32(op, sub) ARITH(op##32, rri, I32, sub)
#define U32(op, sub) ARITH(op##u32, rrr, U32, sub)
#define I64(op, sub) ARITH(op##64, rrr, I64, sub)
#define U64(op, sub) ARITH(op##u64, rrr, U64, sub)
#define F32(op, sub) ARITH(f##op##32, rrr, F32, sub)
#define F64(op, sub) ARITH(f##op##64, rrr, F64, sub)

#define COMPARE(op, type_, g)                                                  \
  ONE(op, compare, .type = JIT_##type_, .is_g = g)
#define JUMPS(op, reader) RUN(op##_eq, op##_back_ge, reader)
#define WIDE_JUMPS(op, type_, g)                                               \
  FAMILY(op##_ar_eq, op##_rr_ge, jump_if_wide, .type = JIT_##type_, .is_g = g)

#define ELEMENT_LOAD(op, type_, load_)                                         \
  FAMILY(op##_aa, op##_rr, element_load, .type = JIT_##type_,                  \
         .load = JIT_LOAD_##load_)
#define ELEMENT_STORE(op, kind_, type_, log2_)                                 \
  FAMILY(op##_a, op##_r, element_store, .kind = JIT_OP_##kind_,                \
         .type = JIT_##type_, .log2 = log2_)

#define FIELD_LOAD(op, type_, load_, v)                                        \
  FAMILY(op##_a, op##_r, field_load, .type = JIT_##type_,                      \
         .load = JIT_LOAD_##load_, .is_volatile = v)
#define FIELD_STORE(op, kind_, type_, log2_, v)                                \
  FAMILY(op##_a, op##_r, field_store, .kind = JIT_OP_##kind_,                  \
         .type = JIT_##type_, .log2 = log2_, .is_volatile = v)
#define STATIC(op, reader, kind_, type_, load_, v)                             \
  FAMILY(op, op##_init, reader, .kind = JIT_OP_##kind_, .type = JIT_##type_,   \
         .load = JIT_LOAD_##load_, .is_volatile = v)
#define STATIC_STORE(op, type, load, v)                                        \
  STATIC(op, static_store, STORE_STATIC, type, load, v)
/* All accesses of fields; p is nothing or v. */
#define FIELDS(p, v)                                                           \
  FIELD_LOAD(p##ldobj_i8, I32, I8, v), FIELD_LOAD(p##ldobj_u8, I32, U8, v),    \
  FIELD_LOAD(p##ldobj_i16, I32, I16, v),                                       \
  FIELD_LOAD(p##ldobj_u16, I32, U16, v),                                       \
  FIELD_LOAD(p##ldobj_i32, I32, I32, v), FIELD_LOAD(p##ldobj_64, I64, 64, v),  \
  FIELD_LOAD(p##ldobj_ref, REF, U32, v),                                       \
  FIELD_STORE(p##stobj_8, STORE_FIELD, I32, 0, v),                             \
  FIELD_STORE(p##stobj_16, STORE_FIELD, I32, 1, v),                            \
  FIELD_STORE(p##stobj_32, STORE_FIELD, I32, 2, v),                            \
  FIELD_STORE(p##stobj_64, STORE_FIELD, I64, 3, v),                            \
  FIELD_STORE(p##stobj_ref, STORE_REF_FIELD, REF, 2, v),                       \
  STATIC(p##ldstatic, static_load, LOAD_STATIC, I64, 64, v),                   \
  STATIC_STORE(p##ststatic_i8, I32, I8, v),                                    \
  STATIC_STORE(p##ststatic_u8, I32, U8, v),                                    \
  STATIC_STORE(p##ststatic_i16, I32, I16, v),                                  \
  STATIC_STORE(p##ststatic_u16, I32, U16, v),                                  \
  STATIC_STORE(p##ststatic_i32, I32, I32, v),                                  \
  STATIC_STORE(p##ststatic_64, I64, 64, v),                                    \
  STATIC_STORE(p##ststatic_ref, REF, U32, v),                                  \
  STATIC(p##ststatic_logged, logged_static_store, STORE_STATIC, REF, U32, v)

#define CALLS(op, sub_)                                                        \
  FAMILY(op##_0, op##_acc_init, call, .sub = JIT_CALL_##sub_)

const struct jit_family jit_families[] = {
  PLAIN(translate, EXIT),
  PLAIN(native, EXIT),
  PLAIN(no_body, EXIT),
  PLAIN(enter, ENTER),
  PLAIN(loop, LOOP),
  PLAIN(compiled, EXIT),
  PLAIN(leave, EXIT),
  PLAIN(resolve, EXIT),
  PLAIN(bad, EXIT),
  BARE(check, check),
  RUN(zero, zero_acc, zero),
  PLAIN(nop, NOP),

  ONE(mov, move, .type = JIT_I64),
  ONE(mov32, move, .type = JIT_I32),
  BARE(movi, constant),
  BARE(movi64, wide_constant),
  ONE(lda32, move, .type = JIT_I32),
  ONE(lda64, move, .type = JIT_I64),
  BARE(ldai, constant),
  BARE(ldai64, wide_constant),
  ONE(sta32, move, .type = JIT_I32),
  ONE(sta64, move, .type = JIT_I64),
  ONE(spill_acc, spill, .kind = JIT_OP_SPILL_ACC),
  ONE(reload_acc, spill, .kind = JIT_OP_RELOAD_ACC),
  ONE(lda_str, heap_constant, .kind = JIT_OP_STRING),
  ONE(lda_const, heap_constant, .kind = JIT_OP_LITERAL),
  ONE(lda_type, heap_constant, .kind = JIT_OP_TYPE),

  I32(add, ADD), I32(sub, SUB), I32(mul, MUL), I32(and, AND), I32(or, OR),
  I32(xor, XOR), I32(shl, SHL), I32(shr, SHR), I32(ashr, ASHR), I32(div, DIV),
  I32(mod, MOD), U32(div, DIV), U32(mod, MOD),
  I64(add, ADD), I64(sub, SUB), I64(mul, MUL), I64(and, AND), I64(or, OR),
  I64(xor, XOR), I64(shl, SHL), I64(shr, SHR), I64(ashr, ASHR), I64(div, DIV),
  I64(mod, MOD), U64(div, DIV), U64(mod, MOD),
  F32(add, ADD), F32(sub, SUB), F32(mul, MUL), F32(div, DIV), F32(mod, MOD),
  F64(add, ADD), F64(sub, SUB), F64(mul, MUL), F64(div, DIV), F64(mod, MOD),
  FAMILY(fmuladd64_r, fmuladd64_a, muladd, .sub = JIT_ARITH_ADD),
  FAMILY(fmulsub64_r, fmulsub64_a, muladd, .sub = JIT_ARITH_SUB),
  RUN(neg32, tou16, unary),
  COMPARE(cmp64, I64, false),
  COMPARE(ucmp32, U32, false),
  COMPARE(ucmp64, U64, false),
  COMPARE(fcmpl32, F32, false),
  COMPARE(fcmpg32, F32, true),
  COMPARE(fcmpl64, F64, false),
  COMPARE(fcmpg64, F64, true),

  RUN(jmp, jmp_back, jump),
  JUMPS(j_az, jump_if_acc),
  JUMPS(j_ar, jump_if_acc),
  JUMPS(j_rz, jump_if_register),
  JUMPS(j_rr, jump_if_register),
  JUMPS(j_ir, jump_if_immediate),
  JUMPS(j_inc, jump_if_sum),
  JUMPS(j_add, jump_if_sum),
  BARE(inc_jmp_back, increment_and_jump),
  WIDE_JUMPS(j_cmp64, I64, false),
  WIDE_JUMPS(j_ucmp32, U32, false),
  WIDE_JUMPS(j_ucmp64, U64, false),
  WIDE_JUMPS(j_fcmpl32, F32, false),
  WIDE_JUMPS(j_fcmpg32, F32, true),
  WIDE_JUMPS(j_fcmpl64, F64, false),
  WIDE_JUMPS(j_fcmpg64, F64, true),

  BARE(newarr, new_array),
  RUN(lenarr_a, lenarr_r, length),
  ELEMENT_LOAD(ldarr_i8, I32, I8), ELEMENT_LOAD(ldarr_u8, I32, U8),
  ELEMENT_LOAD(ldarr_i16, I32, I16), ELEMENT_LOAD(ldarr_u16, I32, U16),
  ELEMENT_LOAD(ldarr_i32, I32, I32), ELEMENT_LOAD(ldarr_64, I64, 64),
  ELEMENT_LOAD(ldarr_ref, REF, U32),
  RUN(j_ldarr_u8_eqz, j_ldarr_u8_nez, jump_if_element),
  ELEMENT_STORE(starr_8, STORE_ELEMENT, I32, 0),
  ELEMENT_STORE(starr_16, STORE_ELEMENT, I32, 1),
  ELEMENT_STORE(starr_32, STORE_ELEMENT, I32, 2),
  ELEMENT_STORE(starr_64, STORE_ELEMENT, I64, 3),
  ELEMENT_STORE(starr_ref, STORE_REF_ELEMENT, REF, 2),
  ONE(starr_8_i, element_store_constant, .kind = JIT_OP_STORE_ELEMENT,
      .type = JIT_I32, .log2 = 0),
  ONE(starr_32_i, element_store_constant, .kind = JIT_OP_STORE_ELEMENT,
      .type = JIT_I32, .log2 = 2),
  BARE(initarr, multi_array),

  RUN(newobj, newobj_slow, new_object),
  FIELDS(, false),
  FIELDS(v, true),
  ONE(checkcast, cast, .kind = JIT_OP_CHECKCAST),
  ONE(checkcast_nonnull, cast, .kind = JIT_OP_CHECKCAST),
  ONE(isinstance, cast, .kind = JIT_OP_ISINSTANCE),
  CALLS(call_static, STATIC),
  CALLS(call_direct, DIRECT),
  CALLS(call_virtual, VIRTUAL),
  CALLS(initobj, NEW),
  RUN(sqrt64_a, sqrt64_acc, sqrt),
  RUN(ret, ret_void, return_),
  BARE(throw_, throw_),
};
/* clang-format on */

const uint32_t jit_family_count = sizeof jit_families / sizeof jit_families[0];
