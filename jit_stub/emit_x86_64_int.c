/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings of x86-64: arithmetic on integers; see emit_x86_64.c. */
#include "config.h"

#include "jit_stub/emit_x86_64_internal.h"

#include "vm/core/assert.h"

enum {
  /* Eight operations stand in bits 3 to 5 of these. */
  ALU8 = 0x00 | JIT_X86_BYTE_REG, /* to rm */
  ALU = 0x01,
  ALU_LOAD = 0x03,
  ALU_RAX_IMM = 0x05,
  /* And in ModRM.reg of these. */
  ALU8_IMM = 0x80,
  ALU_IMM = 0x81,
  ALU_IMM8 = 0x83, /* sign-extended */
  TEST = 0x85,
  TEST8_RAX_IMM = 0xa8,
  TEST_RAX_IMM = 0xa9,
  MULTIPLY = JIT_X86_0F | 0xaf,
  MULTIPLY_IMM = 0x69,
  MULTIPLY_IMM8 = 0x6b,
  SHIFT_IMM = 0xc1, /* ModRM.reg: enum jit_shift */
  SHIFT_1 = 0xd1,
  SHIFT_RCX = 0xd3,
  SIGN_TO_RDX = 0x99,
  GROUP3_8 = 0xf6 | JIT_X86_BYTE_RM,
  GROUP3 = 0xf7, /* ModRM.reg: */
  GROUP3_TEST = 0,
  GROUP3_NOT = 2,
  GROUP3_NEG = 3,
  GROUP3_DIV = 6,
  GROUP3_IDIV = 7,
};

/* With the operation in the opcode. */
static uint32_t alu(enum jit_alu op, uint32_t opcode)
{
  return opcode | (uint32_t)op << 3;
}

void jit_emit_zero(struct jit_emitter *e, unsigned to)
{
  jit_emit_alu(e, JIT_XOR, false, to, to);
}

void jit_emit_alu(struct jit_emitter *e, enum jit_alu op, bool wide,
                  unsigned to, unsigned from)
{
  jit_x86_reg(e, alu(op, ALU) | jit_x86_wide(wide), from, to);
}

/* With a positive mask the upper half becomes zero in both widths, and the
   flags are the same. */
static bool is_as_well_narrow(enum jit_alu op, int32_t value)
{
  return op == JIT_AND && value >= 0;
}

void jit_emit_alu_imm(struct jit_emitter *e, enum jit_alu op, bool wide,
                      unsigned to, int32_t value)
{
  struct jit_x86 insn;
  uint32_t width = jit_x86_wide(wide && !is_as_well_narrow(op, value));
  if (jit_x86_fits8(value)) {
    insn = jit_x86_with_reg(ALU_IMM8 | width, op, to);
    jit_x86_imm(&insn, 1, value);
  } else {
    insn = to == JIT_RAX ? jit_x86_plain(alu(op, ALU_RAX_IMM) | width, 0)
                         : jit_x86_with_reg(ALU_IMM | width, op, to);
    jit_x86_imm(&insn, 4, value);
  }
  jit_x86_append(e, &insn);
}

void jit_emit_alu_load(struct jit_emitter *e, enum jit_alu op, bool wide,
                       unsigned to, struct jit_mem from)
{
  jit_x86_mem(e, alu(op, ALU_LOAD) | jit_x86_wide(wide), to, from);
}

void jit_emit_alu_store(struct jit_emitter *e, enum jit_alu op, unsigned log2,
                        struct jit_mem to, unsigned from)
{
  jit_x86_mem(e, jit_x86_sized(log2, alu(op, ALU8), alu(op, ALU)), from, to);
}

void jit_emit_alu_store_imm(struct jit_emitter *e, enum jit_alu op,
                            unsigned log2, struct jit_mem to, int32_t value)
{
  int32_t seen = log2 == 1 ? (int16_t)value : value;
  bool is_short = log2 == 0 || jit_x86_fits8(seen);
  uint32_t opcode =
      jit_x86_sized(log2, ALU8_IMM, is_short ? ALU_IMM8 : ALU_IMM);
  struct jit_x86 insn = jit_x86_with_mem(opcode, op, to);
  unsigned whole_bytes = log2 == 1 ? 2 : 4;
  jit_x86_imm(&insn, is_short ? 1 : whole_bytes, seen);
  jit_x86_append(e, &insn);
}

void jit_emit_test(struct jit_emitter *e, bool wide, unsigned a, unsigned b)
{
  jit_x86_reg(e, TEST | jit_x86_wide(wide), b, a);
}

/* A positive number has no bit above the 31st, so a test of 32 bits sets the
   same flags; and one of 8 bits does when it is below 128. */
void jit_emit_test_imm(struct jit_emitter *e, bool wide, unsigned a,
                       int32_t value)
{
  bool is_short = value >= 0 && value <= INT8_MAX;
  uint32_t width = jit_x86_wide(wide && value < 0);
  struct jit_x86 insn;
  if (a == JIT_RAX)
    insn = jit_x86_plain(is_short ? TEST8_RAX_IMM : TEST_RAX_IMM | width, 0);
  else
    insn =
        jit_x86_with_reg(is_short ? GROUP3_8 : GROUP3 | width, GROUP3_TEST, a);
  jit_x86_imm(&insn, is_short ? 1 : 4, value);
  jit_x86_append(e, &insn);
}

void jit_emit_multiply(struct jit_emitter *e, bool wide, unsigned to,
                       unsigned from)
{
  jit_x86_reg(e, MULTIPLY | jit_x86_wide(wide), to, from);
}

void jit_emit_multiply_load(struct jit_emitter *e, bool wide, unsigned to,
                            struct jit_mem from)
{
  jit_x86_mem(e, MULTIPLY | jit_x86_wide(wide), to, from);
}

void jit_emit_multiply_imm(struct jit_emitter *e, bool wide, unsigned to,
                           unsigned from, int32_t value)
{
  bool is_short = jit_x86_fits8(value);
  uint32_t opcode = is_short ? MULTIPLY_IMM8 : MULTIPLY_IMM;
  struct jit_x86 insn = jit_x86_with_reg(opcode | jit_x86_wide(wide), to, from);
  jit_x86_imm(&insn, is_short ? 1 : 4, value);
  jit_x86_append(e, &insn);
}

/* By nothing: only the upper half may have to be zeroed. */
void jit_emit_shift_imm(struct jit_emitter *e, enum jit_shift op, bool wide,
                        unsigned reg, unsigned count)
{
  count &= wide ? 63 : 31;
  if (count == 0) {
    jit_emit_move(e, wide, reg, reg);
    return;
  }
  struct jit_x86 insn = jit_x86_with_reg(
      (count == 1 ? SHIFT_1 : SHIFT_IMM) | jit_x86_wide(wide), op, reg);
  if (count > 1)
    jit_x86_imm(&insn, 1, count);
  jit_x86_append(e, &insn);
}

void jit_emit_shift(struct jit_emitter *e, enum jit_shift op, bool wide,
                    unsigned reg)
{
  jit_x86_reg(e, SHIFT_RCX | jit_x86_wide(wide), op, reg);
}

void jit_emit_neg(struct jit_emitter *e, bool wide, unsigned reg)
{
  jit_x86_reg(e, GROUP3 | jit_x86_wide(wide), GROUP3_NEG, reg);
}

void jit_emit_not(struct jit_emitter *e, bool wide, unsigned reg)
{
  jit_x86_reg(e, GROUP3 | jit_x86_wide(wide), GROUP3_NOT, reg);
}

void jit_emit_sign_to_rdx(struct jit_emitter *e, bool wide)
{
  struct jit_x86 insn = jit_x86_plain(SIGN_TO_RDX | jit_x86_wide(wide), 0);
  jit_x86_append(e, &insn);
}

void jit_emit_divide(struct jit_emitter *e, bool is_signed, bool wide,
                     unsigned reg)
{
  jit_x86_reg(e, GROUP3 | jit_x86_wide(wide),
              is_signed ? GROUP3_IDIV : GROUP3_DIV, reg);
}
