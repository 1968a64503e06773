/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single instructions: each becomes one operation (calls with the accumulator
 * as argument and initobj become two).
 */
#include "config.h"

#include "interp/translator_internal.h"

#include <string.h>

/* --- Binary operations --- */

#define INTEGER(OP2, op, wide_)                                                \
  [VM_OP_##OP2##2] = {INTERP_##op##32_aar, INTERP_BIN_ACC, 0},                 \
  [VM_OP_##OP2##2_64] = {INTERP_##op##64_aar, INTERP_BIN_ACC, 1},              \
  [VM_OP_##OP2##2V] = {INTERP_##op##32_aar, INTERP_BIN_ACC_TO_V, 0},           \
  [VM_OP_##OP2##2V_64] = {INTERP_##op##64_aar, INTERP_BIN_ACC_TO_V, 1}
#define UNSIGNED(OP2, op)                                                      \
  [VM_OP_##OP2##U2] = {INTERP_##op##u32_aar, INTERP_BIN_ACC, 0},               \
  [VM_OP_##OP2##U2_64] = {INTERP_##op##u64_aar, INTERP_BIN_ACC, 1},            \
  [VM_OP_##OP2##U2V] = {INTERP_##op##u32_aar, INTERP_BIN_ACC_TO_V, 0},         \
  [VM_OP_##OP2##U2V_64] = {INTERP_##op##u64_aar, INTERP_BIN_ACC_TO_V, 1}
#define SIGNED(OP2, op)                                                        \
  INTEGER(OP2, op, 0),                                                         \
      [VM_OP_##OP2] = {INTERP_##op##32_aar, INTERP_BIN_V_V, 0},                \
      [VM_OP_##OP2##V] = {INTERP_##op##32_aar, INTERP_BIN_V_V_TO_V, 0},        \
      [VM_OP_##OP2##I] = {INTERP_##op##32_aar, INTERP_BIN_ACC_IMM, 0},         \
      [VM_OP_##OP2##IV] = {INTERP_##op##32_aar, INTERP_BIN_V_IMM, 0}
#define FLOATING(OP2, op)                                                      \
  [VM_OP_F##OP2##2] = {INTERP_f##op##32_aar, INTERP_BIN_ACC, 0},               \
  [VM_OP_F##OP2##2_64] = {INTERP_f##op##64_aar, INTERP_BIN_ACC, 1},            \
  [VM_OP_F##OP2##2V] = {INTERP_f##op##32_aar, INTERP_BIN_ACC_TO_V, 0},         \
  [VM_OP_F##OP2##2V_64] = {INTERP_f##op##64_aar, INTERP_BIN_ACC_TO_V, 1}

const struct interp_bin_info interp_bin_table[VM_OP_COUNT] = {
    SIGNED(ADD, add),
    SIGNED(SUB, sub),
    SIGNED(MUL, mul),
    SIGNED(AND, and),
    SIGNED(OR, or),
    SIGNED(XOR, xor),
    SIGNED(SHL, shl),
    SIGNED(SHR, shr),
    SIGNED(ASHR, ashr),
    SIGNED(DIV, div),
    SIGNED(MOD, mod),
    UNSIGNED(DIV, div),
    UNSIGNED(MOD, mod),
    FLOATING(ADD, add),
    FLOATING(SUB, sub),
    FLOATING(MUL, mul),
    FLOATING(DIV, div),
    FLOATING(MOD, mod),
    [VM_OP_INCI] = {INTERP_add32_aar, INTERP_BIN_INC, 0},
};

bool interp_bin_of(const struct vm_insn *insn, struct interp_bin *bin)
{
  const struct interp_bin_info *info = &interp_bin_table[insn->op];
  if (info->shape == INTERP_BIN_NONE)
    return false;
  int32_t v0 = insn->regs[0], v1 = insn->regs[1];
  *bin = (struct interp_bin){.family = info->family,
                             .dest = -1,
                             .left = -1,
                             .right = -1,
                             .imm = (int32_t)insn->operand.imm};
  switch ((enum interp_bin_shape)info->shape) {
  case INTERP_BIN_NONE:
  case INTERP_BIN_ACC:
    bin->right = v0;
    break;
  case INTERP_BIN_ACC_TO_V:
    bin->dest = v0;
    bin->right = v1;
    break;
  case INTERP_BIN_V_V:
    bin->left = v0;
    bin->right = v1;
    break;
  case INTERP_BIN_V_V_TO_V:
    bin->dest = bin->left = v0;
    bin->right = v1;
    break;
  case INTERP_BIN_ACC_IMM:
    bin->right_is_imm = true;
    break;
  case INTERP_BIN_V_IMM:
    bin->dest = v0;
    bin->left = v1;
    bin->right_is_imm = true;
    break;
  case INTERP_BIN_INC:
    bin->dest = bin->left = v0;
    bin->right_is_imm = true;
    break;
  }
  return true;
}

void interp_emit_bin(struct interp_translator *t, const struct interp_bin *bin,
                     uint32_t insn, uint32_t fault)
{
  unsigned op = bin->family;
  if (bin->dest >= 0)
    op += INTERP_DEST_REG;
  if (bin->left >= 0)
    op += INTERP_LEFT_REG;
  if (bin->right_is_imm)
    op += INTERP_RIGHT_IMM;
  union interp_word *out = interp_emit(t, op, insn, fault);
  out[1].r.a = (uint16_t)(bin->dest >= 0 ? bin->dest : 0);
  out[1].r.b = (uint16_t)(bin->left >= 0 ? bin->left : 0);
  if (bin->right_is_imm)
    out[1].i.x = bin->imm;
  else
    out[1].r.c = (uint16_t)bin->right;
}

/* --- Jumps --- */

bool interp_condition_of(unsigned op, unsigned *condition, bool *against_zero)
{
  static const uint8_t conditions[6] = {INTERP_EQ, INTERP_NE, INTERP_LT,
                                        INTERP_GT, INTERP_LE, INTERP_GE};
  if (op >= VM_OP_JEQZ && op <= VM_OP_JGEZ) {
    *condition = conditions[op - VM_OP_JEQZ];
    *against_zero = true;
  } else if (op >= VM_OP_JEQ && op <= VM_OP_JGE) {
    *condition = conditions[op - VM_OP_JEQ];
    *against_zero = false;
  } else if (op == VM_OP_JEQZ_OBJ || op == VM_OP_JNEZ_OBJ) {
    *condition = op == VM_OP_JEQZ_OBJ ? INTERP_EQ : INTERP_NE;
    *against_zero = true;
  } else if (op == VM_OP_JEQ_OBJ || op == VM_OP_JNE_OBJ) {
    *condition = op == VM_OP_JEQ_OBJ ? INTERP_EQ : INTERP_NE;
    *against_zero = false;
  } else
    return false;
  return true;
}

unsigned interp_condition_inverse(unsigned condition)
{
  static const uint8_t inverse[6] = {INTERP_NE, INTERP_EQ, INTERP_GE,
                                     INTERP_LE, INTERP_GT, INTERP_LT};
  return inverse[condition];
}

unsigned interp_condition_swapped(unsigned condition)
{
  static const uint8_t swapped[6] = {INTERP_EQ, INTERP_NE, INTERP_GT,
                                     INTERP_LT, INTERP_GE, INTERP_LE};
  return swapped[condition];
}

static void lower_jump(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  bool back = insn->operand.target <= i;
  unsigned condition;
  bool against_zero;
  if (!interp_condition_of(insn->op, &condition, &against_zero)) {
    interp_emit(t, back ? INTERP_jmp_back : INTERP_jmp, i, i);
  } else {
    unsigned family = against_zero ? INTERP_j_az_eq : INTERP_j_ar_eq;
    union interp_word *out = interp_emit(
        t, family + condition + (back ? INTERP_JUMP_BACK : 0), i, i);
    if (!against_zero)
      out[1].i.b = insn->regs[0];
  }
  interp_emit_target(t, insn->operand.target);
}

/* --- Elements --- */

unsigned interp_element_load(unsigned op)
{
  switch (op) {
  case VM_OP_LDARR_8:
    return INTERP_ldarr_i8_aa;
  case VM_OP_LDARRU_8:
    return INTERP_ldarr_u8_aa;
  case VM_OP_LDARR_16:
    return INTERP_ldarr_i16_aa;
  case VM_OP_LDARRU_16:
    return INTERP_ldarr_u16_aa;
  case VM_OP_LDARR:
  case VM_OP_FLDARR_32:
    return INTERP_ldarr_i32_aa;
  case VM_OP_LDARR_64:
  case VM_OP_FLDARR_64:
    return INTERP_ldarr_64_aa;
  case VM_OP_LDARR_OBJ:
    return INTERP_ldarr_ref_aa;
  default:
    return 0;
  }
}

unsigned interp_element_store(unsigned op)
{
  switch (op) {
  case VM_OP_STARR_8:
    return INTERP_starr_8_a;
  case VM_OP_STARR_16:
    return INTERP_starr_16_a;
  case VM_OP_STARR:
  case VM_OP_FSTARR_32:
    return INTERP_starr_32_a;
  case VM_OP_STARR_64:
  case VM_OP_FSTARR_64:
    return INTERP_starr_64_a;
  case VM_OP_STARR_OBJ:
    return INTERP_starr_ref_a;
  default:
    return 0;
  }
}

/* --- The plain ones: by instruction, the operation and where its registers
   stand --- */

enum { PLACE_NONE, PLACE_A, PLACE_C, PLACE_AB, PLACE_B };

static const struct {
  uint16_t op;
  uint8_t place;
} plain_table[VM_OP_COUNT] = {
    [VM_OP_NOP] = {INTERP_nop, PLACE_NONE},
    [VM_OP_MOV] = {INTERP_mov, PLACE_AB},
    [VM_OP_MOV_64] = {INTERP_mov, PLACE_AB},
    [VM_OP_MOV_OBJ] = {INTERP_mov, PLACE_AB},
    [VM_OP_LDA] = {INTERP_lda32, PLACE_A},
    [VM_OP_LDA_64] = {INTERP_lda64, PLACE_A},
    [VM_OP_LDA_OBJ] = {INTERP_lda64, PLACE_A},
    [VM_OP_STA] = {INTERP_sta32, PLACE_A},
    [VM_OP_STA_64] = {INTERP_sta64, PLACE_A},
    [VM_OP_STA_OBJ] = {INTERP_sta64, PLACE_A},
    [VM_OP_CMP_64] = {INTERP_cmp64, PLACE_C},
    [VM_OP_UCMP] = {INTERP_ucmp32, PLACE_C},
    [VM_OP_UCMP_64] = {INTERP_ucmp64, PLACE_C},
    [VM_OP_FCMPL] = {INTERP_fcmpl32, PLACE_C},
    [VM_OP_FCMPG] = {INTERP_fcmpg32, PLACE_C},
    [VM_OP_FCMPL_64] = {INTERP_fcmpl64, PLACE_C},
    [VM_OP_FCMPG_64] = {INTERP_fcmpg64, PLACE_C},
    [VM_OP_NEG] = {INTERP_neg32, PLACE_NONE},
    [VM_OP_NOT] = {INTERP_not32, PLACE_NONE},
    [VM_OP_NEG_64] = {INTERP_neg64, PLACE_NONE},
    [VM_OP_NOT_64] = {INTERP_not64, PLACE_NONE},
    [VM_OP_FNEG] = {INTERP_fneg32, PLACE_NONE},
    [VM_OP_FNEG_64] = {INTERP_fneg64, PLACE_NONE},
    [VM_OP_I32TOF32] = {INTERP_i32tof32, PLACE_NONE},
    [VM_OP_I32TOF64] = {INTERP_i32tof64, PLACE_NONE},
    [VM_OP_U32TOF32] = {INTERP_u32tof32, PLACE_NONE},
    [VM_OP_U32TOF64] = {INTERP_u32tof64, PLACE_NONE},
    [VM_OP_I64TOF32] = {INTERP_i64tof32, PLACE_NONE},
    [VM_OP_I64TOF64] = {INTERP_i64tof64, PLACE_NONE},
    [VM_OP_U64TOF32] = {INTERP_u64tof32, PLACE_NONE},
    [VM_OP_U64TOF64] = {INTERP_u64tof64, PLACE_NONE},
    [VM_OP_F32TOI32] = {INTERP_f32toi32, PLACE_NONE},
    [VM_OP_F32TOI64] = {INTERP_f32toi64, PLACE_NONE},
    [VM_OP_F32TOU32] = {INTERP_f32tou32, PLACE_NONE},
    [VM_OP_F32TOU64] = {INTERP_f32tou64, PLACE_NONE},
    [VM_OP_F64TOI32] = {INTERP_f64toi32, PLACE_NONE},
    [VM_OP_F64TOI64] = {INTERP_f64toi64, PLACE_NONE},
    [VM_OP_F64TOU32] = {INTERP_f64tou32, PLACE_NONE},
    [VM_OP_F64TOU64] = {INTERP_f64tou64, PLACE_NONE},
    [VM_OP_F32TOF64] = {INTERP_f32tof64, PLACE_NONE},
    [VM_OP_F64TOF32] = {INTERP_f64tof32, PLACE_NONE},
    [VM_OP_I32TOU1] = {INTERP_tou1_32, PLACE_NONE},
    [VM_OP_U32TOU1] = {INTERP_tou1_32, PLACE_NONE},
    [VM_OP_I64TOU1] = {INTERP_tou1_64, PLACE_NONE},
    [VM_OP_U64TOU1] = {INTERP_tou1_64, PLACE_NONE},
    [VM_OP_I32TOI64] = {INTERP_toi32, PLACE_NONE},
    [VM_OP_U32TOI64] = {INTERP_zext32, PLACE_NONE},
    [VM_OP_I64TOI32] = {INTERP_toi32, PLACE_NONE},
    [VM_OP_U64TOI32] = {INTERP_toi32, PLACE_NONE},
    [VM_OP_U64TOU32] = {INTERP_toi32, PLACE_NONE},
    [VM_OP_I32TOI8] = {INTERP_toi8, PLACE_NONE},
    [VM_OP_U32TOI8] = {INTERP_toi8, PLACE_NONE},
    [VM_OP_I32TOI16] = {INTERP_toi16, PLACE_NONE},
    [VM_OP_U32TOI16] = {INTERP_toi16, PLACE_NONE},
    [VM_OP_I32TOU8] = {INTERP_tou8, PLACE_NONE},
    [VM_OP_U32TOU8] = {INTERP_tou8, PLACE_NONE},
    [VM_OP_I32TOU16] = {INTERP_tou16, PLACE_NONE},
    [VM_OP_U32TOU16] = {INTERP_tou16, PLACE_NONE},
    [VM_OP_LENARR] = {INTERP_lenarr_a, PLACE_B},
    [VM_OP_RETURN] = {INTERP_ret, PLACE_NONE},
    [VM_OP_RETURN_64] = {INTERP_ret, PLACE_NONE},
    [VM_OP_RETURN_OBJ] = {INTERP_ret, PLACE_NONE},
    [VM_OP_RETURN_VOID] = {INTERP_ret_void, PLACE_NONE},
    [VM_OP_THROW] = {INTERP_throw_, PLACE_A},
};

static bool lower_plain(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  if (plain_table[insn->op].op == 0)
    return false;
  union interp_word *out = interp_emit(t, plain_table[insn->op].op, i, i);
  switch (plain_table[insn->op].place) {
  case PLACE_A:
    out[1].r.a = insn->regs[0];
    break;
  case PLACE_B:
    out[1].r.b = insn->regs[0];
    break;
  case PLACE_C:
    out[1].r.c = insn->regs[0];
    break;
  case PLACE_AB:
    out[1].r.a = insn->regs[0];
    out[1].r.b = insn->regs[1];
    break;
  default:
    break;
  }
  return true;
}

/* --- Constants --- */

static bool lower_constant(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  bool to_acc = insn->nregs == 0;
  int64_t imm = insn->operand.imm;
  switch (insn->op) {
  case VM_OP_MOV_NULL:
  case VM_OP_LDA_NULL:
    imm = 0;
    break;
  case VM_OP_MOVI:
  case VM_OP_LDAI:
  case VM_OP_MOVI_64:
  case VM_OP_LDAI_64:
  case VM_OP_FMOVI_64:
  case VM_OP_FLDAI_64:
    break;
  case VM_OP_FMOVI:
  case VM_OP_FLDAI:
    imm = (int32_t)imm;
    break;
  default:
    return false;
  }
  bool narrow = imm == (int32_t)imm;
  unsigned op = to_acc ? (narrow ? INTERP_ldai : INTERP_ldai64)
                       : (narrow ? INTERP_movi : INTERP_movi64);
  union interp_word *out = interp_emit(t, op, i, i);
  if (!to_acc)
    out[1].i.a = insn->regs[0];
  if (narrow)
    out[1].i.x = (int32_t)imm;
  else
    out[2].i64 = imm;
  return true;
}

/* --- Names --- */

/* The library's square root, which is one machine instruction. */
static bool is_square_root(const struct vm_method *method)
{
  return method != NULL && method->native != NULL && method->module == NULL &&
         strcmp(method->owner->name, "Math") == 0 &&
         strcmp(method->name, "sqrt") == 0;
}

/* Library functions that are one operation. */
static bool lower_intrinsic(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  const struct vm_module *module = t->method->module;
  if (!vm_op_is_call((enum vm_op)insn->op) ||
      vm_op_is_initobj((enum vm_op)insn->op) ||
      module->methods[insn->operand.index].is_array_ctor)
    return false;
  const struct vm_method *callee =
      vm_lookup_method(t->vm, t->method->module, insn->operand.index);
  if (!is_square_root(callee))
    return false;
  enum vm_form form = (enum vm_form)vm_op_table[insn->op].form;
  bool from_acc = (form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4) &&
                  insn->acc_pos == 0;
  if (from_acc)
    interp_emit(t, INTERP_sqrt64_acc, i, i);
  else
    interp_emit(t, INTERP_sqrt64_a, i, i)[1].r.b = insn->regs[0];
  return true;
}

/* An accumulator among several arguments is passed by its slot in the frame;
   a single one by itself (INTERP_CALL_ACC). */
static bool needs_spill(const struct interp_translator *t,
                        const struct vm_insn *insn)
{
  enum vm_form form = (enum vm_form)vm_op_table[insn->op].form;
  return (form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4) &&
         t->method->module->methods[insn->operand.index].param_count > 1;
}

static void lower_named(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  if (needs_spill(t, insn))
    interp_emit(t, INTERP_spill_acc, i, i);
  union interp_word encoded[INTERP_CALL_WORDS] = {0};
  uint32_t words = interp_encoded_words(insn);
  bool known = interp_encode(t->vm, t->method, i, encoded);
  /* Room first: `resolve` is shorter than what it may become. */
  union interp_word *out = interp_emit(t,
                                       words == 2   ? INTERP_resolve
                                       : words == 3 ? INTERP_newarr
                                                    : INTERP_call_static_0,
                                       i, i);
  if (known) {
    for (uint32_t w = 0; w < words; w++)
      out[w] = encoded[w];
  } else {
    out[0].handler = interp_handlers[INTERP_resolve];
    out[1].u64 = i;
  }
  if (vm_op_is_initobj((enum vm_op)insn->op) &&
      !t->method->module->methods[insn->operand.index].is_array_ctor)
    interp_emit(t, INTERP_reload_acc, i, i);
}

void interp_lower(struct interp_translator *t, uint32_t i)
{
  const struct vm_insn *insn = &t->insns[i];
  struct interp_bin bin;
  unsigned family;
  union interp_word *out;
  if (vm_op_is_jump((enum vm_op)insn->op))
    lower_jump(t, i);
  else if (interp_bin_of(insn, &bin))
    interp_emit_bin(t, &bin, i, i);
  else if ((family = interp_element_load(insn->op)) != 0)
    interp_emit(t, family, i, i)[1].r.b = insn->regs[0];
  else if ((family = interp_element_store(insn->op)) != 0) {
    out = interp_emit(t, family, i, i);
    out[1].r.b = insn->regs[0];
    out[1].r.c = insn->regs[1];
  } else if (insn->op == VM_OP_LDA_CONST) {
    out = interp_emit(t, INTERP_lda_const, i, i);
    out[1].i.a = insn->regs[0];
    out[2].u64 = insn->operand.index;
  } else if (!lower_plain(t, i) && !lower_constant(t, i) &&
             !lower_intrinsic(t, i))
    lower_named(t, i);
}
