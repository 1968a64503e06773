/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings of x86-64: the form of instructions, jumps and moves.  Integer
 * arithmetic is in emit_x86_64_int.c, vectors in emit_x86_64_float.c.
 *
 *   [66 F2 F3] [REX] [0F] opcode [ModRM [SIB] [disp 1, 4]] [imm 1, 2, 4, 8]
 *
 *   REX    0100WRXB: 64 bits; the fourth bit of reg, index, base (or rm)
 *   ModRM  mod:2 reg:3 rm:3   mod 0 [base], 1 [base+disp8], 2 [base+disp32],
 *                             3 a register; rm 4: a SIB follows
 *   SIB    scale:2 index:3 base:3   index 4: none
 *
 * What the table cannot say: [rbp] and [r13] do not exist (mod 0 with their
 * number is an address without a base, or relative to the program counter), so
 * they get a displacement of 0; rsp and r12 as a base always need a SIB.
 *
 * Of several encodings the shortest is taken, and of equally short ones that
 * with the destination in rm.  Source: Intel 64 and IA-32 Architectures
 * Software Developer's Manual, volume 2, chapters 2 to 5.
 */
#include "config.h"

#include "jit_stub/emit_x86_64_internal.h"

#include "vm/core/assert.h"

/* --- The form of an instruction --- */

enum {
  MOD_NO_DISP = 0 << 6,
  MOD_DISP8 = 1 << 6,
  MOD_DISP32 = 2 << 6,
  MOD_REG = 3 << 6,
  RM_SIB = 4,
  SIB_NO_INDEX = 4 << 3,
  SIB_NO_BASE = 5,
  NO_BASE_LOW = 5, /* rbp, r13 */
};

static void put(struct jit_x86 *insn, unsigned byte)
{
  VM_ASSERT(insn->count < sizeof insn->bytes);
  insn->bytes[insn->count++] = (uint8_t)byte;
}

void jit_x86_imm(struct jit_x86 *insn, unsigned bytes, int64_t value)
{
  for (unsigned i = 0; i < bytes; i++)
    put(insn, (uint64_t)value >> 8 * i & 0xff);
}

/* Does the register's number mean another one without a REX? */
static bool needs_rex(unsigned byte_reg)
{
  return byte_reg >= JIT_RSP && byte_reg <= JIT_RDI;
}

/* All before ModRM; `rxb` are the low bits of REX. */
static void put_opcode(struct jit_x86 *insn, uint32_t opcode, unsigned rxb,
                       bool with_rex)
{
  if (opcode >> 16)
    put(insn, opcode >> 16);
  if (opcode & JIT_X86_W)
    rxb |= 8;
  if (rxb || with_rex)
    put(insn, 0x40 | rxb);
  if (opcode & JIT_X86_0F)
    put(insn, 0x0f);
  put(insn, opcode & 0xff);
}

struct jit_x86 jit_x86_plain(uint32_t opcode, unsigned low)
{
  struct jit_x86 insn = {.count = 0};
  VM_ASSERT(low < JIT_REG_COUNT);
  put_opcode(&insn, opcode | (low & 7), low >> 3, false);
  return insn;
}

struct jit_x86 jit_x86_with_reg(uint32_t opcode, unsigned reg, unsigned rm)
{
  struct jit_x86 insn = {.count = 0};
  VM_ASSERT(reg < JIT_REG_COUNT && rm < JIT_REG_COUNT);
  put_opcode(&insn, opcode, (reg >> 3) << 2 | rm >> 3,
             (opcode & JIT_X86_BYTE_REG && needs_rex(reg)) ||
                 (opcode & JIT_X86_BYTE_RM && needs_rex(rm)));
  put(&insn, MOD_REG | (reg & 7) << 3 | (rm & 7));
  return insn;
}

/* The same address without a wasted disp32, where there is one: index * 1 is a
   base, and index * 2 is a base and an index. */
static struct jit_mem shorter(struct jit_mem mem)
{
  if (mem.base != JIT_NO_REG || mem.index == JIT_NO_REG || mem.scale > 2)
    return mem;
  if (mem.scale == 1)
    return jit_mem_base(mem.index, mem.disp);
  return jit_mem_index(mem.index, mem.index, 1, mem.disp);
}

static unsigned scale_log2(unsigned scale)
{
  VM_ASSERT(scale == 1 || scale == 2 || scale == 4 || scale == 8);
  return (unsigned)__builtin_ctz(scale);
}

static unsigned sib(struct jit_mem mem)
{
  unsigned base = mem.base == JIT_NO_REG ? SIB_NO_BASE : mem.base & 7;
  if (mem.index == JIT_NO_REG)
    return SIB_NO_INDEX | base;
  return scale_log2(mem.scale) << 6 | (mem.index & 7u) << 3 | base;
}

/* ModRM, SIB and displacement. */
static void put_mem(struct jit_x86 *insn, unsigned reg, struct jit_mem mem)
{
  bool has_base = mem.base != JIT_NO_REG;
  bool has_sib = !has_base || mem.index != JIT_NO_REG || (mem.base & 7) == 4;
  unsigned mod = MOD_DISP32;
  if (!has_base || (mem.disp == 0 && (mem.base & 7) != NO_BASE_LOW))
    mod = MOD_NO_DISP;
  else if (jit_x86_fits8(mem.disp))
    mod = MOD_DISP8;
  put(insn, mod | (reg & 7) << 3 | (has_sib ? RM_SIB : mem.base & 7u));
  if (has_sib)
    put(insn, sib(mem));
  if (!has_base || mod == MOD_DISP32)
    jit_x86_imm(insn, 4, mem.disp);
  else if (mod == MOD_DISP8)
    jit_x86_imm(insn, 1, mem.disp);
}

static unsigned high_bit(unsigned reg)
{
  return reg == JIT_NO_REG ? 0 : reg >> 3;
}

struct jit_x86 jit_x86_with_mem(uint32_t opcode, unsigned reg,
                                struct jit_mem mem)
{
  struct jit_x86 insn = {.count = 0};
  VM_ASSERT(reg < JIT_REG_COUNT);
  VM_ASSERT(mem.base < JIT_REG_COUNT || mem.base == JIT_NO_REG);
  VM_ASSERT(mem.index < JIT_REG_COUNT || mem.index == JIT_NO_REG);
  VM_ASSERT(mem.index != JIT_RSP);
  mem = shorter(mem);
  put_opcode(&insn, opcode,
             (reg >> 3) << 2 | high_bit(mem.index) << 1 | high_bit(mem.base),
             opcode & JIT_X86_BYTE_REG && needs_rex(reg));
  put_mem(&insn, reg, mem);
  return insn;
}

void jit_x86_append(struct jit_emitter *e, const struct jit_x86 *insn)
{
  jit_emit_bytes(e, insn->bytes, insn->count);
}

void jit_x86_reg(struct jit_emitter *e, uint32_t opcode, unsigned reg,
                 unsigned rm)
{
  struct jit_x86 insn = jit_x86_with_reg(opcode, reg, rm);
  jit_x86_append(e, &insn);
}

void jit_x86_mem(struct jit_emitter *e, uint32_t opcode, unsigned reg,
                 struct jit_mem mem)
{
  struct jit_x86 insn = jit_x86_with_mem(opcode, reg, mem);
  jit_x86_append(e, &insn);
}

static void plain(struct jit_emitter *e, uint32_t opcode, unsigned low)
{
  struct jit_x86 insn = jit_x86_plain(opcode, low);
  jit_x86_append(e, &insn);
}

/* The opcode is an instruction with a distance of so many bytes. */
static void distant(struct jit_emitter *e, uint32_t opcode, unsigned bytes,
                    int32_t distance)
{
  struct jit_x86 insn = jit_x86_plain(opcode, 0);
  jit_x86_imm(&insn, bytes, distance);
  jit_x86_append(e, &insn);
}

/* --- Jumps and calls --- */

enum {
  JUMP8 = 0xeb,
  JUMP32 = 0xe9,
  CALL32 = 0xe8,
  JUMP_IF8 = 0x70,
  JUMP_IF32 = JIT_X86_0F | 0x80,
  GROUP5 = 0xff, /* ModRM.reg: 2 call, 4 jump */
  SHORT_JUMP_BYTES = 2,
};

/* To a label behind us that one byte reaches, or to any. */
static void jump(struct jit_emitter *e, uint32_t opcode8, uint32_t opcode32,
                 jit_label label)
{
  int32_t distance;
  if (jit_label_distance(e, label, &distance) &&
      jit_x86_fits8(distance - SHORT_JUMP_BYTES)) {
    distant(e, opcode8, 1, distance - SHORT_JUMP_BYTES);
    return;
  }
  distant(e, opcode32, 4, 0);
  jit_emit_label_use(e, label);
}

void jit_emit_jump(struct jit_emitter *e, jit_label label)
{
  jump(e, JUMP8, JUMP32, label);
}

void jit_emit_jump_if(struct jit_emitter *e, enum jit_condition condition,
                      jit_label label)
{
  jump(e, JUMP_IF8 | condition, JUMP_IF32 | condition, label);
}

void jit_emit_call_label(struct jit_emitter *e, jit_label label)
{
  distant(e, CALL32, 4, 0);
  jit_emit_label_use(e, label);
}

static void far(struct jit_emitter *e, uint32_t opcode, const void *target)
{
  distant(e, opcode, 4, 0);
  jit_emit_fixup(e, target);
}

void jit_emit_jump_far(struct jit_emitter *e, const void *target)
{
  far(e, JUMP32, target);
}

void jit_emit_jump_far_if(struct jit_emitter *e, enum jit_condition condition,
                          const void *target)
{
  far(e, JUMP_IF32 | condition, target);
}

void jit_emit_call_reg(struct jit_emitter *e, unsigned reg)
{
  jit_x86_reg(e, GROUP5, 2, reg);
}

void jit_emit_call_mem(struct jit_emitter *e, struct jit_mem mem)
{
  jit_x86_mem(e, GROUP5, 2, mem);
}

void jit_emit_jump_reg(struct jit_emitter *e, unsigned reg)
{
  jit_x86_reg(e, GROUP5, 4, reg);
}

void jit_emit_jump_mem(struct jit_emitter *e, struct jit_mem mem)
{
  jit_x86_mem(e, GROUP5, 4, mem);
}

void jit_emit_return(struct jit_emitter *e)
{
  plain(e, 0xc3, 0);
}

void jit_emit_trap(struct jit_emitter *e)
{
  plain(e, JIT_X86_0F | 0x0b, 0);
}

/* The instructions that the manual recommends for doing nothing, by length;
   row n - 1 has n bytes. */
enum { NOP_MAX = 9 };
static const uint8_t nops[NOP_MAX][NOP_MAX] = {
    {0x90},
    {0x66, 0x90},
    {0x0f, 0x1f, 0x00},
    {0x0f, 0x1f, 0x40, 0x00},
    {0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

static void pad(struct jit_emitter *e, uint32_t bytes)
{
  for (; bytes > NOP_MAX; bytes -= NOP_MAX)
    jit_emit_bytes(e, nops[NOP_MAX - 1], NOP_MAX);
  if (bytes)
    jit_emit_bytes(e, nops[bytes - 1], bytes);
}

void jit_emit_align(struct jit_emitter *e, uint32_t align)
{
  VM_ASSERT(align && (align & (align - 1)) == 0);
  pad(e, -e->count & (align - 1));
}

void jit_emit_call_far(struct jit_emitter *e, const void *target)
{
  far(e, CALL32, target);
}

/* --- Moves --- */

enum {
  MOVE8 = 0x88 | JIT_X86_BYTE_REG,
  MOVE = 0x89, /* to rm */
  MOVE_LOAD = 0x8b,
  MOVE_IMM8 = 0xc6,
  MOVE_IMM = 0xc7,
  MOVE_IMM_REG = 0xb8, /* of the register's width */
  EXCHANGE8 = 0x86 | JIT_X86_BYTE_REG,
  EXCHANGE = 0x87,
  SET_IF = JIT_X86_0F | 0x90 | JIT_X86_BYTE_RM,
  MOVE_IF = JIT_X86_0F | 0x40,
  LEA = 0x8d,
  PUSH = 0x50,
  POP = 0x58,
};

void jit_emit_move(struct jit_emitter *e, bool wide, unsigned to, unsigned from)
{
  if (wide && to == from)
    return;
  jit_x86_reg(e, MOVE | jit_x86_wide(wide), from, to);
}

void jit_emit_move_imm(struct jit_emitter *e, unsigned to, int64_t value)
{
  struct jit_x86 insn;
  if (value >= 0 && value <= UINT32_MAX) {
    insn = jit_x86_plain(MOVE_IMM_REG, to);
    jit_x86_imm(&insn, 4, value);
  } else if (value >= INT32_MIN && value < 0) {
    insn = jit_x86_with_reg(MOVE_IMM | JIT_X86_W, 0, to);
    jit_x86_imm(&insn, 4, value);
  } else {
    insn = jit_x86_plain(MOVE_IMM_REG | JIT_X86_W, to);
    jit_x86_imm(&insn, 8, value);
  }
  jit_x86_append(e, &insn);
}

/* Loads, and extensions in registers, by enum jit_load. */
static const uint32_t loads[] = {
    [JIT_LOAD_U8] = JIT_X86_0F | 0xb6 | JIT_X86_BYTE_RM,
    [JIT_LOAD_U16] = JIT_X86_0F | 0xb7,
    [JIT_LOAD_U32] = MOVE_LOAD,
    [JIT_LOAD_64] = MOVE_LOAD | JIT_X86_W,
    [JIT_LOAD_I8] = JIT_X86_0F | 0xbe | JIT_X86_W,
    [JIT_LOAD_I16] = JIT_X86_0F | 0xbf | JIT_X86_W,
    [JIT_LOAD_I32] = 0x63 | JIT_X86_W,
};

void jit_emit_load(struct jit_emitter *e, enum jit_load kind, unsigned to,
                   struct jit_mem from)
{
  jit_x86_mem(e, loads[kind], to, from);
}

void jit_emit_extend(struct jit_emitter *e, enum jit_load kind, unsigned to,
                     unsigned from)
{
  if (kind == JIT_LOAD_U32 || kind == JIT_LOAD_64)
    jit_emit_move(e, kind == JIT_LOAD_64, to, from);
  else
    jit_x86_reg(e, loads[kind], to, from);
}

void jit_emit_store(struct jit_emitter *e, unsigned log2, struct jit_mem to,
                    unsigned from)
{
  jit_x86_mem(e, jit_x86_sized(log2, MOVE8, MOVE), from, to);
}

void jit_emit_store_imm(struct jit_emitter *e, unsigned log2, struct jit_mem to,
                        int32_t value)
{
  struct jit_x86 insn =
      jit_x86_with_mem(jit_x86_sized(log2, MOVE_IMM8, MOVE_IMM), 0, to);
  jit_x86_imm(&insn, log2 < 2 ? 1u << log2 : 4, value);
  jit_x86_append(e, &insn);
}

void jit_emit_exchange(struct jit_emitter *e, unsigned log2, struct jit_mem mem,
                       unsigned reg)
{
  jit_x86_mem(e, jit_x86_sized(log2, EXCHANGE8, EXCHANGE), reg, mem);
}

void jit_emit_lea(struct jit_emitter *e, bool wide, unsigned to,
                  struct jit_mem mem)
{
  jit_x86_mem(e, LEA | jit_x86_wide(wide), to, mem);
}

void jit_emit_push(struct jit_emitter *e, unsigned reg)
{
  plain(e, PUSH, reg);
}

void jit_emit_pop(struct jit_emitter *e, unsigned reg)
{
  plain(e, POP, reg);
}

void jit_emit_set_if(struct jit_emitter *e, enum jit_condition condition,
                     unsigned to)
{
  jit_x86_reg(e, SET_IF | condition, 0, to);
  jit_x86_reg(e, loads[JIT_LOAD_U8], to, to);
}

void jit_emit_move_if(struct jit_emitter *e, bool wide,
                      enum jit_condition condition, unsigned to, unsigned from)
{
  jit_x86_reg(e, MOVE_IF | condition | jit_x86_wide(wide), to, from);
}
