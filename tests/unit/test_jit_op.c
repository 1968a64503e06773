/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler's operations: what each decoded operation becomes, as text.
 *
 * Each operation of ops.def is made by hand, with different registers in all
 * its places, and read; methods are assembled, translated and read, for what
 * only whole methods have: targets, fused sequences, calls.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/jit_ops_fixture.h"
#include "tests/unit/suite.h"

/* --- Operations by hand --- */

enum shape {
  SHAPE_NONE,
  SHAPE_R1I,
  SHAPE_R1W,
  SHAPE_R2I,
  SHAPE_R2W,
  SHAPE_R3,
  SHAPE_R4,
  SHAPE_PTR,
  SHAPE_INSN,
  SHAPE_CHECK,
  SHAPE_JUMP,
  SHAPE_JUMP_I,
  SHAPE_STATIC,
  SHAPE_CALL,
  SHAPE_CALL_RANGE,
};

static const struct {
  const char *name;
  uint8_t words, shape;
} decoded[INTERP_OP_COUNT] = {
#define INTERP_OP(name_, words_, shape_)                                       \
  [INTERP_##name_] = {#name_, words_, SHAPE_##shape_},
#include "interp/ops.def"
};

static union vm_slot a_slot;
static struct vm_class a_class = {.name = "C"};
static struct vm_method a_method = {.name = "m", .owner = &a_class};

/* Registers 1 to 4, the immediate 7, the wide immediate 9; jumps go to the
   operation behind. */
static void fill(union interp_word *pc, unsigned op)
{
  static const uint16_t wide_constants[] = {INTERP_movi64,     INTERP_ldai64,
                                            INTERP_lda_const,  INTERP_starr_8_i,
                                            INTERP_starr_32_i, INTERP_zero};
  pc[0].handler = interp_handlers[op];
  pc[1].r.a = 1;
  pc[1].r.b = 2;
  pc[1].r.c = 3;
  pc[1].r.d = 4;
  pc[2].ptr = &a_class;
  switch ((enum shape)decoded[op].shape) {
  case SHAPE_R1I:
  case SHAPE_R2I:
    pc[1].i.x = 7;
    break;
  case SHAPE_JUMP:
  case SHAPE_JUMP_I:
    pc[1].i.x = decoded[op].words * (int32_t)sizeof *pc;
    pc[2].i.a = 5;
    pc[2].i.x = 8;
    if (op >= INTERP_j_ir_eq && op <= INTERP_j_ir_back_ge)
      pc[2].i64 = -5;
    break;
  case SHAPE_CHECK:
    pc[1].r.d = 0;
    break;
  case SHAPE_PTR:
    pc[1].ptr = &a_class;
    break;
  case SHAPE_STATIC:
    pc[1].ptr = &a_slot;
    break;
  case SHAPE_CALL:
  case SHAPE_CALL_RANGE:
    if (op == INTERP_initarr) {
      pc[3].u64 = 3;
      break;
    }
    pc[1].r.c = INTERP_ACC_SLOT;
    pc[2].ptr = &a_method;
    pc[3].u64 = 12;
    break;
  default:
    break;
  }
  for (size_t i = 0; i < sizeof wide_constants / sizeof *wide_constants; i++)
    if (op == wide_constants[i])
      pc[2].u64 = 9;
}

/* What an operation at hand, and `bad` behind it, become. */
struct read_words {
  union interp_word words[INTERP_CALL_WORDS + 2];
  struct mm_arena *arena;
  struct jit_ops ops;
};

static void read_one(struct read_words *read, uint32_t length)
{
  struct interp_origin origins[] = {{0, 0, 0}, {length, 1, 1}};
  struct interp_code code = {.words = read->words,
                             .word_count = length + 2,
                             .origin_count = 2,
                             .origins = origins};
  read->words[length].handler = interp_handlers[INTERP_bad];
  read->arena = mm_arena_create(NULL);
  ck_assert(jit_ops_read(&read->ops, read->arena, &code, read->words));
}

static char *text_of_operation(unsigned op)
{
  struct read_words read = {0};
  uint32_t length = decoded[op].words;
  fill(read.words, op);
  read_one(&read, length);
  const struct jit_op *last = &read.ops.ops[read.ops.count - 1];
  ck_assert_uint_eq(read.ops.by_word[0], 0);
  ck_assert_uint_eq(read.ops.by_word[length], read.ops.count - 1);
  ck_assert_uint_eq(last->kind, JIT_OP_EXIT);
  ck_assert_uint_eq(last->word, length);
  read.ops.count--;
  char *text = jit_text_of(&read.ops);
  mm_arena_destroy(read.arena);
  return text;
}

static const struct {
  unsigned op;
  const char *text;
} expected[] = {
    {INTERP_translate, "exit"},
    {INTERP_native, "exit"},
    {INTERP_no_body, "exit"},
    {INTERP_enter, "enter"},
    {INTERP_loop, "loop"},
    {INTERP_compiled, "exit"},
    {INTERP_leave, "exit"},
    {INTERP_resolve, "exit"},
    {INTERP_bad, "exit"},
    {INTERP_check, "check v1 C"},
    {INTERP_zero, "const v1 = 0; const v2 = 0; const v3 = 0; const v4 = 0; "
                  "const v5 = 0; const v6 = 0; const v7 = 0"},
    {INTERP_zero_acc, "const acc = 0"},
    {INTERP_nop, "nop"},
    {INTERP_mov, "move.i64 v1 = v2"},
    {INTERP_mov32, "move.i32 v1 = v2"},
    {INTERP_movi, "const v1 = 7"},
    {INTERP_movi64, "const v1 = 9"},
    {INTERP_lda32, "move.i32 acc = v1"},
    {INTERP_lda64, "move.i64 acc = v1"},
    {INTERP_ldai, "const acc = 7"},
    {INTERP_ldai64, "const acc = 9"},
    {INTERP_sta32, "move.i32 v1 = acc"},
    {INTERP_sta64, "move.i64 v1 = acc"},
    {INTERP_spill_acc, "spill_acc acc"},
    {INTERP_reload_acc, "reload_acc acc"},
    {INTERP_lda_str, "string acc"},
    {INTERP_lda_const, "literal v1 = 9"},
    {INTERP_lda_type, "type acc = C"},
    {INTERP_add32_aar, "arith.i32.add acc = acc, v3"},
    {INTERP_add32_arr, "arith.i32.add acc = v2, v3"},
    {INTERP_add32_rar, "arith.i32.add v1 = acc, v3"},
    {INTERP_add32_rrr, "arith.i32.add v1 = v2, v3"},
    {INTERP_add32_aai, "arith.i32.add acc = acc, #7"},
    {INTERP_add32_ari, "arith.i32.add acc = v2, #7"},
    {INTERP_add32_rai, "arith.i32.add v1 = acc, #7"},
    {INTERP_add32_rri, "arith.i32.add v1 = v2, #7"},
    {INTERP_sub32_rri, "arith.i32.sub v1 = v2, #7"},
    {INTERP_mul32_rri, "arith.i32.mul v1 = v2, #7"},
    {INTERP_and32_rri, "arith.i32.and v1 = v2, #7"},
    {INTERP_or32_rri, "arith.i32.or v1 = v2, #7"},
    {INTERP_xor32_rri, "arith.i32.xor v1 = v2, #7"},
    {INTERP_shl32_rri, "arith.i32.shl v1 = v2, #7"},
    {INTERP_shr32_rri, "arith.i32.shr v1 = v2, #7"},
    {INTERP_ashr32_rri, "arith.i32.ashr v1 = v2, #7"},
    {INTERP_div32_rri, "arith.i32.div v1 = v2, #7"},
    {INTERP_mod32_rri, "arith.i32.mod v1 = v2, #7"},
    {INTERP_divu32_rar, "arith.u32.div v1 = acc, v3"},
    {INTERP_modu32_rar, "arith.u32.mod v1 = acc, v3"},
    {INTERP_add64_rar, "arith.i64.add v1 = acc, v3"},
    {INTERP_sub64_rar, "arith.i64.sub v1 = acc, v3"},
    {INTERP_mul64_rar, "arith.i64.mul v1 = acc, v3"},
    {INTERP_and64_rar, "arith.i64.and v1 = acc, v3"},
    {INTERP_or64_rar, "arith.i64.or v1 = acc, v3"},
    {INTERP_xor64_rar, "arith.i64.xor v1 = acc, v3"},
    {INTERP_shl64_rar, "arith.i64.shl v1 = acc, v3"},
    {INTERP_shr64_rar, "arith.i64.shr v1 = acc, v3"},
    {INTERP_ashr64_rar, "arith.i64.ashr v1 = acc, v3"},
    {INTERP_div64_rar, "arith.i64.div v1 = acc, v3"},
    {INTERP_mod64_rar, "arith.i64.mod v1 = acc, v3"},
    {INTERP_divu64_rar, "arith.u64.div v1 = acc, v3"},
    {INTERP_modu64_rar, "arith.u64.mod v1 = acc, v3"},
    {INTERP_fadd32_rar, "arith.f32.add v1 = acc, v3"},
    {INTERP_fsub32_rar, "arith.f32.sub v1 = acc, v3"},
    {INTERP_fmul32_rar, "arith.f32.mul v1 = acc, v3"},
    {INTERP_fdiv32_rar, "arith.f32.div v1 = acc, v3"},
    {INTERP_fmod32_rar, "arith.f32.mod v1 = acc, v3"},
    {INTERP_fadd64_rar, "arith.f64.add v1 = acc, v3"},
    {INTERP_fsub64_aar, "arith.f64.sub acc = acc, v3"},
    {INTERP_fsub64_arr, "arith.f64.sub acc = v2, v3"},
    {INTERP_fsub64_rar, "arith.f64.sub v1 = acc, v3"},
    {INTERP_fsub64_rrr, "arith.f64.sub v1 = v2, v3"},
    {INTERP_fmul64_rar, "arith.f64.mul v1 = acc, v3"},
    {INTERP_fdiv64_rar, "arith.f64.div v1 = acc, v3"},
    {INTERP_fmod64_rar, "arith.f64.mod v1 = acc, v3"},
    {INTERP_fmuladd64_r, "muladd.f64.add v1 = v2, v3, v4"},
    {INTERP_fmuladd64_a, "muladd.f64.add v1 = acc, v3, v4"},
    {INTERP_fmulsub64_r, "muladd.f64.sub v1 = v2, v3, v4"},
    {INTERP_fmulsub64_a, "muladd.f64.sub v1 = acc, v3, v4"},
    {INTERP_neg32, "unary.neg32 acc = acc"},
    {INTERP_not32, "unary.not32 acc = acc"},
    {INTERP_neg64, "unary.neg64 acc = acc"},
    {INTERP_fneg64, "unary.fneg64 acc = acc"},
    {INTERP_i32tof32, "unary.i32tof32 acc = acc"},
    {INTERP_f64tou64, "unary.f64tou64 acc = acc"},
    {INTERP_toi32, "unary.toi32 acc = acc"},
    {INTERP_tou16, "unary.tou16 acc = acc"},
    {INTERP_cmp64, "compare.i64 acc = acc, v3"},
    {INTERP_ucmp32, "compare.u32 acc = acc, v3"},
    {INTERP_ucmp64, "compare.u64 acc = acc, v3"},
    {INTERP_fcmpl32, "compare.f32 acc = acc, v3"},
    {INTERP_fcmpg32, "compare.f32.g acc = acc, v3"},
    {INTERP_fcmpl64, "compare.f64 acc = acc, v3"},
    {INTERP_fcmpg64, "compare.f64.g acc = acc, v3"},
    {INTERP_jmp, "jump -> 1"},
    {INTERP_jmp_back, "poll; jump -> 2"},
    {INTERP_j_az_lt, "branch.i32.lt acc, #0 -> 1"},
    {INTERP_j_az_back_ge, "poll; branch.i32.ge acc, #0 -> 2"},
    {INTERP_j_ar_lt, "branch.i32.lt acc, v2 -> 1"},
    {INTERP_j_ar_back_ge, "poll; branch.i32.ge acc, v2 -> 2"},
    {INTERP_j_rz_lt, "move.i32 acc = v1; branch.i32.lt v1, #0 -> 2"},
    {INTERP_j_rz_back_ge, "poll; move.i32 acc = v1; branch.i32.ge v1, #0 -> 3"},
    {INTERP_j_rr_eq, "move.i32 acc = v1; branch.i32.eq v1, v2 -> 2"},
    {INTERP_j_rr_ne, "move.i32 acc = v1; branch.i32.ne v1, v2 -> 2"},
    {INTERP_j_rr_lt, "move.i32 acc = v1; branch.i32.lt v1, v2 -> 2"},
    {INTERP_j_rr_gt, "move.i32 acc = v1; branch.i32.gt v1, v2 -> 2"},
    {INTERP_j_rr_le, "move.i32 acc = v1; branch.i32.le v1, v2 -> 2"},
    {INTERP_j_rr_ge, "move.i32 acc = v1; branch.i32.ge v1, v2 -> 2"},
    {INTERP_j_rr_back_ge, "poll; move.i32 acc = v1; branch.i32.ge v1, v2 -> 3"},
    {INTERP_j_ir_eq, "const acc = -5; branch.i32.eq v2, #-5 -> 2"},
    {INTERP_j_ir_ne, "const acc = -5; branch.i32.ne v2, #-5 -> 2"},
    {INTERP_j_ir_lt, "const acc = -5; branch.i32.gt v2, #-5 -> 2"},
    {INTERP_j_ir_gt, "const acc = -5; branch.i32.lt v2, #-5 -> 2"},
    {INTERP_j_ir_le, "const acc = -5; branch.i32.ge v2, #-5 -> 2"},
    {INTERP_j_ir_ge, "const acc = -5; branch.i32.le v2, #-5 -> 2"},
    {INTERP_j_ir_back_lt, "poll; const acc = -5; branch.i32.gt v2, #-5 -> 3"},
    {INTERP_j_inc_lt,
     "arith.i32.add v1 = v1, #8; move.i32 acc = v1; branch.i32.lt v1, v2 -> 3"},
    {INTERP_j_inc_back_ge, "poll; arith.i32.add v1 = v1, #8; move.i32 acc = "
                           "v1; branch.i32.ge v1, v2 -> 4"},
    {INTERP_j_add_lt,
     "arith.i32.add v1 = v1, v5; move.i32 acc = v1; branch.i32.lt v1, v2 -> 3"},
    {INTERP_j_add_back_ge, "poll; arith.i32.add v1 = v1, v5; move.i32 acc = "
                           "v1; branch.i32.ge v1, v2 -> 4"},
    {INTERP_inc_jmp_back, "poll; arith.i32.add v1 = v1, #8; jump -> 3"},
    {INTERP_j_cmp64_ar_gt, "branch.i64.gt acc, v2 -> 1"},
    {INTERP_j_cmp64_rr_le, "branch.i64.le v1, v2 -> 1"},
    {INTERP_j_ucmp32_ar_gt, "branch.u32.gt acc, v2 -> 1"},
    {INTERP_j_ucmp32_rr_le, "branch.u32.le v1, v2 -> 1"},
    {INTERP_j_ucmp64_ar_gt, "branch.u64.gt acc, v2 -> 1"},
    {INTERP_j_ucmp64_rr_le, "branch.u64.le v1, v2 -> 1"},
    {INTERP_j_fcmpl32_ar_gt, "branch.f32.gt acc, v2 -> 1"},
    {INTERP_j_fcmpl32_rr_le, "branch.f32.le v1, v2 -> 1"},
    {INTERP_j_fcmpg32_ar_gt, "branch.f32.gt.g acc, v2 -> 1"},
    {INTERP_j_fcmpg32_rr_le, "branch.f32.le.g v1, v2 -> 1"},
    {INTERP_j_fcmpl64_ar_gt, "branch.f64.gt acc, v2 -> 1"},
    {INTERP_j_fcmpl64_rr_le, "branch.f64.le v1, v2 -> 1"},
    {INTERP_j_fcmpg64_ar_gt, "branch.f64.gt.g acc, v2 -> 1"},
    {INTERP_j_fcmpg64_rr_le, "branch.f64.le.g v1, v2 -> 1"},
    {INTERP_newarr, "new_array v1 = v2 C"},
    {INTERP_lenarr_a, "length acc = v2"},
    {INTERP_lenarr_r, "length v1 = v2"},
    {INTERP_ldarr_i8_rr, "load_element.i8 v1 = v2, v3"},
    {INTERP_ldarr_u8_aa, "load_element.u8 acc = v2, acc"},
    {INTERP_ldarr_u8_ar, "load_element.u8 acc = v2, v3"},
    {INTERP_ldarr_u8_ra, "load_element.u8 v1 = v2, acc"},
    {INTERP_ldarr_u8_rr, "load_element.u8 v1 = v2, v3"},
    {INTERP_ldarr_i16_rr, "load_element.i16 v1 = v2, v3"},
    {INTERP_ldarr_u16_rr, "load_element.u16 v1 = v2, v3"},
    {INTERP_ldarr_i32_rr, "load_element.i32 v1 = v2, v3"},
    {INTERP_ldarr_64_rr, "load_element.64 v1 = v2, v3"},
    {INTERP_ldarr_ref_rr, "load_element.u32 v1 = v2, v3"},
    {INTERP_j_ldarr_u8_eqz,
     "load_element.u8 acc = v1, v2; branch.i32.eq acc, #0 -> 2"},
    {INTERP_j_ldarr_u8_nez,
     "load_element.u8 acc = v1, v2; branch.i32.ne acc, #0 -> 2"},
    {INTERP_starr_8_a, "store_element.8 v2, v3, acc"},
    {INTERP_starr_8_r, "move.i32 acc = v1; store_element.8 v2, v3, v1"},
    {INTERP_starr_16_a, "store_element.16 v2, v3, acc"},
    {INTERP_starr_16_r, "move.i32 acc = v1; store_element.16 v2, v3, v1"},
    {INTERP_starr_32_a, "store_element.32 v2, v3, acc"},
    {INTERP_starr_32_r, "move.i32 acc = v1; store_element.32 v2, v3, v1"},
    {INTERP_starr_64_a, "store_element.64 v2, v3, acc"},
    {INTERP_starr_64_r, "move.i64 acc = v1; store_element.64 v2, v3, v1"},
    {INTERP_starr_ref_a, "store_ref_element v2, v3, acc"},
    {INTERP_starr_ref_r, "move.i64 acc = v1; store_ref_element v2, v3, v1"},
    {INTERP_starr_8_i, "const acc = 9; store_element.8 v1, v2, acc"},
    {INTERP_starr_32_i, "const acc = 9; store_element.32 v1, v2, acc"},
    {INTERP_initarr, "multi_array acc = C(v1, v2, v3)"},
    {INTERP_newobj, "new_object v1 = C"},
    {INTERP_newobj_init, "initialise C; new_object v1 = C"},
    {INTERP_newobj_slow, "new_object.slow v1 = C"},
    {INTERP_ldobj_i8_a, "load_field.i8 acc = v2 at 7"},
    {INTERP_ldobj_i8_r, "load_field.i8 v1 = v2 at 7"},
    {INTERP_ldobj_u8_a, "load_field.u8 acc = v2 at 7"},
    {INTERP_ldobj_i16_a, "load_field.i16 acc = v2 at 7"},
    {INTERP_ldobj_u16_a, "load_field.u16 acc = v2 at 7"},
    {INTERP_ldobj_i32_a, "load_field.i32 acc = v2 at 7"},
    {INTERP_ldobj_64_a, "load_field.64 acc = v2 at 7"},
    {INTERP_ldobj_ref_a, "load_field.u32 acc = v2 at 7"},
    {INTERP_ldobj_ref_r, "load_field.u32 v1 = v2 at 7"},
    {INTERP_stobj_8_a, "store_field.8 v2, acc at 7"},
    {INTERP_stobj_8_r, "store_field.8 v2, v1 at 7"},
    {INTERP_stobj_16_a, "store_field.16 v2, acc at 7"},
    {INTERP_stobj_32_a, "store_field.32 v2, acc at 7"},
    {INTERP_stobj_64_a, "store_field.64 v2, acc at 7"},
    {INTERP_stobj_ref_a, "store_ref_field v2, acc at 7"},
    {INTERP_stobj_ref_r, "store_ref_field v2, v1 at 7"},
    {INTERP_ldstatic, "load_static acc"},
    {INTERP_ldstatic_init, "initialise C; load_static acc"},
    {INTERP_ststatic_i8, "store_static.i8 acc"},
    {INTERP_ststatic_u8, "store_static.u8 acc"},
    {INTERP_ststatic_i16, "store_static.i16 acc"},
    {INTERP_ststatic_u16, "store_static.u16 acc"},
    {INTERP_ststatic_u16_init, "initialise C; store_static.u16 acc"},
    {INTERP_ststatic_i32, "store_static.i32 acc"},
    {INTERP_ststatic_64, "store_static.64 acc"},
    {INTERP_ststatic_ref, "store_static.u32 acc"},
    {INTERP_ststatic_logged, "store_static.u32.logged acc"},
    {INTERP_ststatic_logged_init, "initialise C; store_static.u32.logged acc"},
    {INTERP_vldobj_u16_r, "load_field.u16.volatile v1 = v2 at 7"},
    {INTERP_vldobj_64_r, "load_field.64.volatile v1 = v2 at 7"},
    {INTERP_vldobj_ref_a, "load_field.u32.volatile acc = v2 at 7"},
    {INTERP_vstobj_16_a, "store_field.16.volatile v2, acc at 7"},
    {INTERP_vstobj_16_r, "store_field.16.volatile v2, v1 at 7"},
    {INTERP_vstobj_ref_a, "store_ref_field.volatile v2, acc at 7"},
    {INTERP_vstobj_ref_r, "store_ref_field.volatile v2, v1 at 7"},
    {INTERP_vldstatic, "load_static.volatile acc"},
    {INTERP_vldstatic_init, "initialise C; load_static.volatile acc"},
    {INTERP_vststatic_i8, "store_static.i8.volatile acc"},
    {INTERP_vststatic_ref_init, "initialise C; store_static.u32.volatile acc"},
    {INTERP_vststatic_logged, "store_static.u32.logged.volatile acc"},
    {INTERP_checkcast, "checkcast acc C"},
    {INTERP_checkcast_nonnull, "checkcast.nonnull acc C"},
    {INTERP_isinstance, "isinstance acc = acc C"},
    {INTERP_call_static_0, "call.static acc = C.m() +12"},
    {INTERP_call_static_1, "call.static acc = C.m(v1) +12"},
    {INTERP_call_static_2, "call.static acc = C.m(v1, v2) +12"},
    {INTERP_call_static_3, "call.static acc = C.m(v1, v2, slot) +12"},
    {INTERP_call_static_4, "call.static acc = C.m(v1, v2, slot, v4) +12"},
    {INTERP_call_static_4_init,
     "initialise C; call.static acc = C.m(v1, v2, slot, v4) +12"},
    {INTERP_call_static_range, "call.static acc = C.m(v1.., 2) +12"},
    {INTERP_call_static_acc, "call.static acc = C.m(acc) +12"},
    {INTERP_call_direct_0, "exit"},
    {INTERP_call_direct_1, "call.direct acc = C.m(v1) +12"},
    {INTERP_call_direct_range, "call.direct acc = C.m(v1.., 2) +12"},
    {INTERP_call_direct_acc_init,
     "initialise C; call.direct acc = C.m(acc) +12"},
    {INTERP_call_virtual_0_init, "exit"},
    {INTERP_call_virtual_3_init,
     "initialise C; call.virtual acc = C.m(v1, v2, slot) +12"},
    {INTERP_call_virtual_range, "call.virtual acc = C.m(v1.., 2) +12"},
    {INTERP_call_virtual_acc, "call.virtual acc = C.m(acc) +12"},
    {INTERP_initobj_0, "call.new acc = C.m() +12"},
    {INTERP_initobj_2_init, "initialise C; call.new acc = C.m(v1, v2) +12"},
    {INTERP_initobj_range, "call.new acc = C.m(v1.., 2) +12"},
    {INTERP_initobj_acc, "exit"},
    {INTERP_sqrt64_a, "sqrt acc = v2"},
    {INTERP_sqrt64_r, "sqrt v1 = v2"},
    {INTERP_sqrt64_acc, "sqrt acc = acc"},
    {INTERP_ret, "return acc"},
    {INTERP_ret_r32, "move.i32 acc = v1; return acc"},
    {INTERP_ret_r64, "move.i64 acc = v1; return acc"},
    {INTERP_ret_i, "const acc = 7; return acc"},
    {INTERP_ret_void, "const acc = 0; return acc"},
    {INTERP_throw_, "throw v1"},
};

START_TEST(an_operation_becomes)
{
  char *text = text_of_operation(expected[_i].op);
  ck_assert_msg(strcmp(text, expected[_i].text) == 0, "%s: %s, not %s",
                decoded[expected[_i].op].name, text, expected[_i].text);
  free(text);
}
END_TEST

/* --- All of them --- */

static bool is_left_to_the_interpreter(unsigned op)
{
  static const uint16_t left[] = {
      INTERP_translate,
      INTERP_native,
      INTERP_no_body,
      INTERP_leave,
      INTERP_compiled,
      INTERP_resolve,
      INTERP_bad,
      INTERP_call_direct_0,
      INTERP_call_direct_0_init,
      INTERP_call_virtual_0,
      INTERP_call_virtual_0_init,
      INTERP_initobj_acc,
      INTERP_initobj_acc_init,
  };
  for (size_t i = 0; i < sizeof left / sizeof *left; i++)
    if (left[i] == op)
      return true;
  return false;
}

START_TEST(every_operation_is_known)
{
  for (unsigned op = 0; op < INTERP_OP_COUNT; op++) {
    char *text = text_of_operation(op);
    bool exits = strstr(text, "exit") != NULL;
    ck_assert_msg(exits == is_left_to_the_interpreter(op), "%s: %s",
                  decoded[op].name, text);
    ck_assert_msg(text[0] != '\0', "%s: nothing", decoded[op].name);
    free(text);
  }
}
END_TEST

/* Operations are known by their handlers' addresses. */
START_TEST(no_two_operations_that_occur_share_a_handler)
{
  for (unsigned a = 0; a < INTERP_OP_COUNT; a++)
    for (unsigned b = 0; b < a; b++)
      ck_assert_msg(interp_handlers[a] != interp_handlers[b] ||
                        is_left_to_the_interpreter(a),
                    "%s and %s", decoded[a].name, decoded[b].name);
}
END_TEST

START_TEST(members_of_families_have_texts_of_their_own)
{
  for (unsigned op = INTERP_mov; op < INTERP_OP_COUNT; op++) {
    if (is_left_to_the_interpreter(op))
      continue;
    char *text = text_of_operation(op);
    for (unsigned other = op + 1; other < op + 16; other++) {
      if (other >= INTERP_OP_COUNT || is_left_to_the_interpreter(other))
        continue;
      /* movi and movi64, for one, differ in their immediates alone. */
      char *more = text_of_operation(other);
      ck_assert_msg(strcmp(text, more) != 0, "%s and %s: %s", decoded[op].name,
                    decoded[other].name, text);
      free(more);
    }
    free(text);
  }
}
END_TEST

/* --- What texts do not show --- */

START_TEST(a_check_of_the_accumulator_keeps_its_word_and_class)
{
  struct read_words read = {0};
  fill(read.words, INTERP_check);
  read.words[1].r.d = 1;
  read_one(&read, 3);
  ck_assert_int_eq(read.ops.ops[0].kind, JIT_OP_CHECK);
  ck_assert_int_eq(read.ops.ops[0].left, JIT_ACC);
  ck_assert_int_eq(read.ops.ops[0].imm, read.words[1].i64);
  ck_assert_ptr_eq(read.ops.ops[0].ptr, &a_class);
  mm_arena_destroy(read.arena);
}
END_TEST

START_TEST(accesses_of_static_fields_keep_the_slot)
{
  static const uint16_t accesses[] = {INTERP_ldstatic_init,
                                      INTERP_vststatic_ref_init};
  for (size_t i = 0; i < 2; i++) {
    struct read_words read = {0};
    fill(read.words, accesses[i]);
    read_one(&read, 3);
    ck_assert_ptr_eq(read.ops.ops[0].ptr, &a_class);
    ck_assert_ptr_eq(read.ops.ops[1].ptr, &a_slot);
    mm_arena_destroy(read.arena);
  }
}
END_TEST

START_TEST(sizes_that_lie_side_by_side_are_a_range)
{
  struct read_words read = {0};
  fill(read.words, INTERP_initarr);
  read.words[3].u64 = (uint64_t)1 << 32 | 9;
  read_one(&read, 4);
  ck_assert_int_eq(read.ops.ops[0].arg_count, JIT_ARGS_RANGE);
  ck_assert_int_eq(read.ops.ops[0].args[0], 1);
  ck_assert_int_eq(read.ops.ops[0].args[1], 9);
  mm_arena_destroy(read.arena);
}
END_TEST

/* --- Whole methods --- */

static const struct {
  const char *text, *operations;
  bool fuse;
} methods[] = {
    /* A loop, its test copied to its end. */
    {".function i32 f(i32 a0) {\n movi v0, 0\nl:\n lda v0\n jge a0, e\n"
     " inci v0, 1\n jmp l\ne:\n lda v0\n return\n}\n",
     "const v0 = 0; move.i32 acc = v0; branch.i32.ge v0, v1 -> 7; poll; "
     "arith.i32.add v0 = v0, #1; move.i32 acc = v0; branch.i32.lt v0, v1 -> 3; "
     "move.i32 acc = v0; return acc; exit",
     true},
    {".function i32 f(i32 a0) {\n movi v0, 0\nl:\n lda v0\n jge a0, e\n"
     " inci v0, 1\n jmp l\ne:\n lda v0\n return\n}\n",
     "const v0 = 0; move.i32 acc = v0; branch.i32.ge acc, v1 -> 6; "
     "arith.i32.add v0 = v0, #1; poll; jump -> 1; move.i32 acc = v0; "
     "return acc; exit",
     false},
    /* A jump to what does nothing. */
    {".function i32 f(i32 a0) {\n lda a0\n jeqz l\n return\nl:\n nop\n"
     " ldai 1\n return\n}\n",
     "move.i32 acc = v0; branch.i32.eq v0, #0 -> 3; return acc; nop; "
     "const acc = 1; return acc; exit",
     true},
    /* Locals that are read first. */
    {".function i32 f() {\n lda v0\n add2 v1\n return\n}\n",
     "const v0 = 0; const v1 = 0; arith.i32.add acc = v0, v1; return acc; exit",
     true},
    /* Calls: of itself, by the accumulator, one among several arguments. */
    {".function i32 f(i32 a0) {\n call.short f, a0\n call.acc.short f, a0, 0\n"
     " return\n}\n",
     "call.static acc = _GLOBAL.f(v0) +5; "
     "call.static acc = _GLOBAL.f(acc) +5; return acc; exit",
     true},
    {".function i32 f(i32 a0, i32 a1) {\n ldai 3\n call.acc.short f, a1, 0\n"
     " return\n}\n",
     "const acc = 3; spill_acc acc; "
     "call.static acc = _GLOBAL.f(slot, v1) +6; return acc; exit",
     true},
    /* A constructor and a virtual method. */
    {".record R {\n i32 i\n}\n"
     ".function void R.ctor(R a0, i32 a1) <ctor> {\n return.void\n}\n"
     ".function i32 R.g(R a0, i32 a1) {\n lda a1\n return\n}\n"
     ".function i32 f(i32 a0) {\n initobj.short R.ctor, a0\n sta.obj v0\n"
     " call.virt.short R.g, v0, a0\n return\n}\n",
     "call.new acc = R..ctor(v1) +6; reload_acc acc; move.i64 v0 = acc; "
     "call.virtual acc = R.g(v0, v1) +6; return acc; exit",
     true},
    /* What has to be resolved first. */
    {".function i32 f() {\n lda.str \"x\"\n sta.obj v0\n ldai 0\n return\n"
     "}\n",
     "exit; move.i64 v0 = acc; const acc = 0; return acc; exit", true},
};

START_TEST(a_method_becomes)
{
  struct jit_reading reading;
  jit_reading_open(&reading, methods[_i].text, methods[_i].fuse);
  char *text = jit_text_of(&reading.ops);
  ck_assert_str_eq(text, methods[_i].operations);
  free(text);
  jit_reading_close(&reading);
}
END_TEST

START_TEST(operations_and_words_lead_to_each_other)
{
  struct jit_reading reading;
  jit_reading_open(&reading, methods[0].text, true);
  const struct jit_ops *ops = &reading.ops;
  uint32_t next = 0;
  for (uint32_t word = 0; word < reading.code->word_count; word++) {
    uint32_t first = ops->by_word[word];
    bool starts = next < reading.code->origin_count &&
                  reading.code->origins[next].word == word;
    ck_assert_int_eq(first != UINT32_MAX, starts);
    if (!starts)
      continue;
    next++;
    ck_assert_uint_eq(ops->ops[first].word, word);
    ck_assert(first == 0 || ops->ops[first - 1].word < word);
  }
  ck_assert_uint_eq(next, reading.code->origin_count);
  jit_reading_close(&reading);
}
END_TEST

/* --- What operations read and define --- */

struct seen {
  char text[100];
};

static void see(void *context, int32_t operand)
{
  struct seen *seen = context;
  char one[20];
  if (operand == JIT_ACC)
    snprintf(one, sizeof one, "acc ");
  else
    snprintf(one, sizeof one, "v%d ", (int)operand);
  strcat(seen->text, one);
}

/* Of the last of the operations that it becomes: what it defines, "<", what
   it reads, "!" if it may throw. */
static const struct {
  unsigned op;
  const char *flow;
} flows[] = {
    {INTERP_check, "< v1 !"},
    {INTERP_mov, "v1 < v2 "},
    {INTERP_movi, "v1 < "},
    {INTERP_sta32, "v1 < acc "},
    {INTERP_spill_acc, "< acc "},
    {INTERP_reload_acc, "acc < "},
    {INTERP_lda_str, "acc < "},
    {INTERP_lda_const, "v1 < !"},
    {INTERP_lda_type, "acc < !"},
    {INTERP_add32_aar, "acc < acc v3 "},
    {INTERP_add32_rri, "v1 < v2 "},
    {INTERP_div32_rrr, "v1 < v2 v3 !"},
    {INTERP_modu64_rrr, "v1 < v2 v3 !"},
    {INTERP_fdiv64_rrr, "v1 < v2 v3 "},
    {INTERP_fmod32_rrr, "v1 < v2 v3 "},
    {INTERP_fmuladd64_a, "v1 < acc v3 v4 "},
    {INTERP_sqrt64_r, "v1 < v2 "},
    {INTERP_neg32, "acc < acc "},
    {INTERP_cmp64, "acc < acc v3 "},
    {INTERP_jmp, "< "},
    {INTERP_j_az_eq, "< acc "},
    {INTERP_j_rr_eq, "< v1 v2 "},
    {INTERP_newarr, "v1 < v2 !"},
    {INTERP_lenarr_r, "v1 < v2 !"},
    {INTERP_ldarr_ref_ra, "v1 < v2 acc !"},
    {INTERP_starr_64_r, "< v2 v3 v1 !"},
    {INTERP_starr_ref_a, "< v2 v3 acc !"},
    {INTERP_initarr, "acc < v1 v2 v3 !"},
    {INTERP_newobj, "v1 < !"},
    {INTERP_ldobj_i8_r, "v1 < v2 !"},
    {INTERP_stobj_ref_r, "< v2 v1 !"},
    {INTERP_stobj_8_a, "< v2 acc !"},
    {INTERP_ldstatic, "acc < "},
    {INTERP_ststatic_i8, "< acc "},
    {INTERP_checkcast, "< acc !"},
    {INTERP_isinstance, "acc < acc "},
    {INTERP_call_static_4, "acc < v1 v2 v4 !"}, /* the third is in its slot */
    {INTERP_call_direct_range, "acc < v1 v2 !"},
    {INTERP_call_virtual_acc, "acc < acc !"},
    {INTERP_initobj_1, "acc < v1 !"},
    {INTERP_ret, "< acc "},
    {INTERP_throw_, "< v1 !"},
    {INTERP_enter, "< "},
    {INTERP_loop, "< "},
    {INTERP_bad, "< "},
};

START_TEST(an_operation_reads_and_defines)
{
  struct read_words read = {0};
  struct seen seen = {""};
  fill(read.words, flows[_i].op);
  read_one(&read, decoded[flows[_i].op].words);
  const struct jit_op *op = &read.ops.ops[read.ops.count - 2];
  if (jit_op_dest(op) != JIT_NONE)
    see(&seen, jit_op_dest(op));
  strcat(seen.text, "< ");
  jit_op_uses(op, see, &seen);
  strcat(seen.text, jit_op_may_throw(op) ? "!" : "");
  ck_assert_msg(strcmp(seen.text, flows[_i].flow) == 0, "%s: %s, not %s",
                decoded[flows[_i].op].name, seen.text, flows[_i].flow);
  mm_arena_destroy(read.arena);
}
END_TEST

START_TEST(initialisations_and_calls_may_throw)
{
  struct read_words read = {0};
  fill(read.words, INTERP_call_static_0_init);
  read_one(&read, 4);
  ck_assert_int_eq(read.ops.ops[0].kind, JIT_OP_INITIALISE);
  ck_assert(jit_op_may_throw(&read.ops.ops[0]));
  ck_assert_int_eq(read.ops.ops[1].kind, JIT_OP_CALL);
  ck_assert(jit_op_may_throw(&read.ops.ops[1]));
  mm_arena_destroy(read.arena);
}
END_TEST

START_TEST(a_virtual_call_expects_the_class_that_was_noted)
{
  struct read_words read = {0};
  static const struct {
    uint32_t noted, expected;
  } notes[] = {{INTERP_NO_CLASS, 0}, {INTERP_MANY_CLASSES, 0}, {4096, 4096}};
  for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
    fill(read.words, INTERP_call_virtual_1);
    read.words[3].call.args = notes[i].noted;
    read_one(&read, 4);
    ck_assert_int_eq(read.ops.ops[0].imm, notes[i].expected);
    mm_arena_destroy(read.arena);
  }
}
END_TEST

/* --- Without memory --- */

/* A method whose locals are all read first. */
static char *many_locals(void)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, ".function i32 f() {\n ldai 0\n");
  for (int v = 0; v < 200; v++)
    fprintf(out, " add2 v%d\n", v);
  fprintf(out, " nop\n return\n}\n");
  fclose(out);
  return text;
}

START_TEST(many_operations_can_come_from_one)
{
  static union interp_word words[4];
  struct interp_origin origins[] = {{0, 0, 0}, {2, 1, 1}};
  words[0].handler = interp_handlers[INTERP_zero];
  words[1].i.x = 1000;
  struct interp_code code = {
      .words = words, .word_count = 4, .origin_count = 2, .origins = origins};
  struct jit_ops ops;
  words[2].handler = interp_handlers[INTERP_bad];
  for (size_t bytes = 0;; bytes += 4000) {
    struct mm_arena *arena = jit_arena_of(bytes);
    bool read = jit_ops_read(&ops, arena, &code, words);
    if (read) {
      ck_assert_uint_gt(bytes, 1000 * sizeof(struct jit_op));
      ck_assert_uint_eq(ops.count, 1001);
      for (int32_t v = 0; v < 1000; v++)
        ck_assert_int_eq(ops.ops[v].dest, v);
    }
    mm_arena_destroy(arena);
    if (read)
      break;
  }
}
END_TEST

START_TEST(a_reading_without_memory_fails)
{
  struct jit_reading reading;
  char *text = many_locals();
  unsigned failures = 0;
  jit_reading_open(&reading, text, false);
  char *wanted = jit_text_of(&reading.ops);
  for (size_t bytes = 0;; bytes += 512) {
    struct mm_arena *arena = jit_arena_of(bytes);
    struct jit_ops ops;
    bool read = jit_ops_read(&ops, arena, reading.code, reading.code->words);
    if (read) {
      char *got = jit_text_of(&ops);
      ck_assert_str_eq(got, wanted);
      free(got);
    } else
      failures++;
    mm_arena_destroy(arena);
    if (read)
      break;
  }
  ck_assert_uint_gt(failures, 10);
  free(wanted);
  jit_reading_close(&reading);
  free(text);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

int main(void)
{
  TCase *tests = tcase_create("jit_op");
  interp_run_init();
  tcase_add_loop_test(tests, an_operation_becomes, 0, COUNT(expected));
  tcase_add_test(tests, every_operation_is_known);
  tcase_add_test(tests, no_two_operations_that_occur_share_a_handler);
  tcase_add_test(tests, members_of_families_have_texts_of_their_own);
  tcase_add_test(tests, a_check_of_the_accumulator_keeps_its_word_and_class);
  tcase_add_test(tests, accesses_of_static_fields_keep_the_slot);
  tcase_add_test(tests, sizes_that_lie_side_by_side_are_a_range);
  tcase_add_loop_test(tests, a_method_becomes, 0, COUNT(methods));
  tcase_add_test(tests, operations_and_words_lead_to_each_other);
  tcase_add_loop_test(tests, an_operation_reads_and_defines, 0, COUNT(flows));
  tcase_add_test(tests, initialisations_and_calls_may_throw);
  tcase_add_test(tests, a_virtual_call_expects_the_class_that_was_noted);
  tcase_add_test(tests, many_operations_can_come_from_one);
  tcase_add_test(tests, a_reading_without_memory_fails);
  return suite_main("jit_op", (TCase *[]){tests, NULL});
}
