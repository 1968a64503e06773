/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of instructions of x86-64; see emit_x86_64.c.  An instruction is
 * built in a struct jit_x86 and appended whole.
 */
#ifndef JIT_STUB_EMIT_X86_64_INTERNAL_H
#define JIT_STUB_EMIT_X86_64_INTERNAL_H

#include "jit_stub/emit_internal.h"

/* An opcode is its byte with what goes before it. */
enum {
  JIT_X86_0F = 0x100, /* of the second map */
  JIT_X86_W = 0x200,  /* REX.W: 64 bits */
  /* The register in ModRM.reg, or in ModRM.rm, is one of 8 bits: numbers 4 to
     7 are spl, bpl, sil, dil with a REX, and ah, ch, dh, bh without. */
  JIT_X86_BYTE_REG = 0x400,
  JIT_X86_BYTE_RM = 0x800,
  JIT_X86_66 = 0x660000,
  JIT_X86_F2 = 0xf20000,
  JIT_X86_F3 = 0xf30000,
};

/* The longest instruction the machine takes. */
enum { JIT_X86_BYTES = 15 };

struct jit_x86 {
  uint8_t bytes[JIT_X86_BYTES];
  uint8_t count;
};

/* Without ModRM; `low` is the register in the opcode's low bits, else 0. */
struct jit_x86 jit_x86_plain(uint32_t opcode, unsigned low);

/* With ModRM: a register (or three more bits of opcode), and a register or
   memory. */
struct jit_x86 jit_x86_with_reg(uint32_t opcode, unsigned reg, unsigned rm);
struct jit_x86 jit_x86_with_mem(uint32_t opcode, unsigned reg,
                                struct jit_mem mem);

/* Adds the low bytes of a number. */
void jit_x86_imm(struct jit_x86 *insn, unsigned bytes, int64_t value);

void jit_x86_append(struct jit_emitter *e, const struct jit_x86 *insn);

/* All of an instruction that has no immediate. */
void jit_x86_reg(struct jit_emitter *e, uint32_t opcode, unsigned reg,
                 unsigned rm);
void jit_x86_mem(struct jit_emitter *e, uint32_t opcode, unsigned reg,
                 struct jit_mem mem);

static inline bool jit_x86_fits8(int32_t value)
{
  return value == (int8_t)value;
}

static inline uint32_t jit_x86_wide(bool wide)
{
  return wide ? JIT_X86_W : 0;
}

/* One opcode for bytes, one for all other widths. */
static inline uint32_t jit_x86_sized(unsigned log2, uint32_t of_byte,
                                     uint32_t of_others)
{
  if (log2 == 0)
    return of_byte;
  if (log2 == 1)
    return of_others | JIT_X86_66;
  return of_others | jit_x86_wide(log2 == 3);
}

#endif
