/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings of x86-64: floating point, in the scalar instructions of SSE and
 * SSE2, which each processor of 64 bits has; see emit_x86_64.c.
 *
 * Most opcodes stand for four instructions, told apart by a prefix: none and
 * 66 for all of the vector's f32 or f64, F3 and F2 for the lowest of them.
 */
#include "config.h"

#include "jit_stub/emit_x86_64_internal.h"

enum {
  LOAD = JIT_X86_0F | 0x10,
  STORE = JIT_X86_0F | 0x11,
  MOVE = JIT_X86_0F | 0x28, /* movaps */
  OF_INT = JIT_X86_0F | 0x2a,
  TO_INT = JIT_X86_0F | 0x2c, /* truncates */
  COMPARE = JIT_X86_0F | 0x2e,
  XOR = JIT_X86_0F | 0x57, /* xorps */
  OTHER_WIDTH = JIT_X86_0F | 0x5a,
  UNPACK = JIT_X86_66 | JIT_X86_0F | 0x62,  /* punpckldq */
  GREATER = JIT_X86_66 | JIT_X86_0F | 0x66, /* pcmpgtd */
  BITS_IN = JIT_X86_66 | JIT_X86_0F | 0x6e,
  BITS_OUT = JIT_X86_66 | JIT_X86_0F | 0x7e,
};

static uint32_t scalar(bool wide, uint32_t opcode)
{
  return opcode | (wide ? JIT_X86_F2 : JIT_X86_F3);
}

void jit_emit_fmove(struct jit_emitter *e, unsigned to, unsigned from)
{
  if (to != from)
    jit_x86_reg(e, MOVE, to, from);
}

void jit_emit_fextend(struct jit_emitter *e, unsigned reg, unsigned scratch)
{
  jit_emit_fzero(e, scratch);
  jit_x86_reg(e, GREATER, scratch, reg); /* 0 > reg: all ones */
  jit_x86_reg(e, UNPACK, reg, scratch);
}

void jit_emit_fload(struct jit_emitter *e, bool wide, unsigned to,
                    struct jit_mem from)
{
  jit_x86_mem(e, scalar(wide, LOAD), to, from);
}

void jit_emit_fstore(struct jit_emitter *e, bool wide, struct jit_mem to,
                     unsigned from)
{
  jit_x86_mem(e, scalar(wide, STORE), from, to);
}

void jit_emit_move_to_f(struct jit_emitter *e, bool wide, unsigned to,
                        unsigned from)
{
  jit_x86_reg(e, BITS_IN | jit_x86_wide(wide), to, from);
}

void jit_emit_move_from_f(struct jit_emitter *e, bool wide, unsigned to,
                          unsigned from)
{
  jit_x86_reg(e, BITS_OUT | jit_x86_wide(wide), from, to);
}

static const uint32_t operations[] = {
    [JIT_FADD] = JIT_X86_0F | 0x58,  [JIT_FSUB] = JIT_X86_0F | 0x5c,
    [JIT_FMUL] = JIT_X86_0F | 0x59,  [JIT_FDIV] = JIT_X86_0F | 0x5e,
    [JIT_FSQRT] = JIT_X86_0F | 0x51,
};

void jit_emit_falu(struct jit_emitter *e, enum jit_falu op, bool wide,
                   unsigned to, unsigned from)
{
  jit_x86_reg(e, scalar(wide, operations[op]), to, from);
}

void jit_emit_falu_load(struct jit_emitter *e, enum jit_falu op, bool wide,
                        unsigned to, struct jit_mem from)
{
  jit_x86_mem(e, scalar(wide, operations[op]), to, from);
}

/* ucomiss, ucomisd: no exception for a quiet NaN. */
static uint32_t compare(bool wide)
{
  return COMPARE | (wide ? JIT_X86_66 : 0);
}

void jit_emit_fcompare(struct jit_emitter *e, bool wide, unsigned a, unsigned b)
{
  jit_x86_reg(e, compare(wide), a, b);
}

void jit_emit_fcompare_load(struct jit_emitter *e, bool wide, unsigned a,
                            struct jit_mem b)
{
  jit_x86_mem(e, compare(wide), a, b);
}

void jit_emit_fzero(struct jit_emitter *e, unsigned to)
{
  jit_x86_reg(e, XOR, to, to);
}

void jit_emit_fxor(struct jit_emitter *e, unsigned to, unsigned from)
{
  jit_x86_reg(e, XOR, to, from);
}

void jit_emit_int_to_f(struct jit_emitter *e, bool wide_from, bool wide_to,
                       unsigned to, unsigned from)
{
  jit_emit_fzero(e, to);
  jit_x86_reg(e, scalar(wide_to, OF_INT) | jit_x86_wide(wide_from), to, from);
}

void jit_emit_f_to_int(struct jit_emitter *e, bool wide_from, bool wide_to,
                       unsigned to, unsigned from)
{
  jit_x86_reg(e, scalar(wide_from, TO_INT) | jit_x86_wide(wide_to), to, from);
}

void jit_emit_f_to_f(struct jit_emitter *e, bool wide_to, unsigned to,
                     unsigned from)
{
  jit_x86_reg(e, scalar(!wide_to, OTHER_WIDTH), to, from);
}
