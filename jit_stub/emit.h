/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emitter: machine instructions into a growing buffer.
 *
 *   templates --calls--> emitter --bytes, fixups--> buffer --placed--> code
 *
 * A function here appends one machine instruction, or the few that one needs
 * on this machine.  Operands are machine registers by number, memory operands
 * (struct jit_mem), immediates and labels.  Nothing here knows of methods or
 * of registers of frames.
 *
 * Failing for want of memory sets out_of_memory; whatever is emitted from then
 * on is lost, so a template need not look after each call.
 *
 * Widths: `wide` true is 64 bits, false 32 bits, whose result has its upper
 * half zeroed in a general register.  Flags are set by jit_emit_zero, _alu*,
 * _test*, _multiply*, _shift* (but for a count of 0), _neg, _divide and
 * _fcompare*; they are kept by all moves, loads, stores, lea, not and other
 * floating point.  A move of 64 bits to the same register is no instruction.
 *
 * One file per machine: emit_x86_64.c (Intel 64 and IA-32 Architectures
 * Software Developer's Manual, volume 2).
 */
#ifndef JIT_STUB_EMIT_H
#define JIT_STUB_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mm_arena;

/* General registers, as the machine numbers them. */
enum jit_reg {
  JIT_RAX,
  JIT_RCX,
  JIT_RDX,
  JIT_RBX,
  JIT_RSP,
  JIT_RBP,
  JIT_RSI,
  JIT_RDI,
  JIT_R8,
  JIT_R9,
  JIT_R10,
  JIT_R11,
  JIT_R12,
  JIT_R13,
  JIT_R14,
  JIT_R15,
  JIT_NO_REG = 0xff
};

/* Vector registers are numbers 0 to 15. */
enum { JIT_REG_COUNT = 16, JIT_FREG_COUNT = 16 };

/*
 * A memory operand: base + index * scale + disp.  Base and index may both be
 * JIT_NO_REG: an absolute address below 2 GiB.  With an index alone the
 * address is index * scale + disp.
 */
struct jit_mem {
  uint8_t base, index; /* enum jit_reg; the index is not rsp */
  uint8_t scale;       /* 1, 2, 4, 8 */
  int32_t disp;
};

static inline struct jit_mem jit_mem_base(unsigned base, int32_t disp)
{
  return (struct jit_mem){(uint8_t)base, JIT_NO_REG, 1, disp};
}

static inline struct jit_mem jit_mem_index(unsigned base, unsigned index,
                                           unsigned scale, int32_t disp)
{
  return (struct jit_mem){(uint8_t)base, (uint8_t)index, (uint8_t)scale, disp};
}

static inline struct jit_mem jit_mem_scaled(unsigned index, unsigned scale,
                                            int32_t disp)
{
  return (struct jit_mem){JIT_NO_REG, (uint8_t)index, (uint8_t)scale, disp};
}

static inline struct jit_mem jit_mem_absolute(int32_t address)
{
  return (struct jit_mem){JIT_NO_REG, JIT_NO_REG, 1, address};
}

/* Two-operand arithmetic; the order is the machine's. */
enum jit_alu { JIT_ADD, JIT_OR, JIT_AND = 4, JIT_SUB, JIT_XOR, JIT_CMP };

enum jit_shift { JIT_SHL = 4, JIT_SHR, JIT_SAR = 7 };

/* Conditions, as the machine numbers them. */
enum jit_condition {
  JIT_IF_OVERFLOW,
  JIT_IF_NO_OVERFLOW,
  JIT_IF_BELOW, /* unsigned */
  JIT_IF_ABOVE_EQUAL,
  JIT_IF_EQUAL,
  JIT_IF_NOT_EQUAL,
  JIT_IF_BELOW_EQUAL,
  JIT_IF_ABOVE,
  JIT_IF_NEGATIVE,
  JIT_IF_NOT_NEGATIVE,
  JIT_IF_PARITY, /* after _fcompare: one of them is NaN */
  JIT_IF_NO_PARITY,
  JIT_IF_LESS, /* signed */
  JIT_IF_GREATER_EQUAL,
  JIT_IF_LESS_EQUAL,
  JIT_IF_GREATER
};

static inline enum jit_condition
jit_condition_inverse(enum jit_condition condition)
{
  return (enum jit_condition)(condition ^ 1);
}

/* How a value is loaded into a general register: widths and extensions.  The
   first four are the log2 of as many bytes as they load. */
enum jit_load {
  JIT_LOAD_U8, /* zero-extended to 64 bits */
  JIT_LOAD_U16,
  JIT_LOAD_U32,
  JIT_LOAD_64,
  JIT_LOAD_I8, /* sign-extended to 64 bits */
  JIT_LOAD_I16,
  JIT_LOAD_I32
};

/* Arithmetic on vector registers. */
enum jit_falu { JIT_FADD, JIT_FSUB, JIT_FMUL, JIT_FDIV, JIT_FSQRT };

/* Where an instruction refers to something outside the buffer. */
struct jit_fixup {
  uint32_t offset; /* in the buffer: of the four bytes, which are to become
                      target - (place of the first of them + 4) */
  const void *target;
};

typedef uint32_t jit_label; /* number of a label */

struct jit_label_use {
  uint32_t offset; /* of the four bytes of the distance */
  jit_label label;
};

struct jit_emitter {
  struct mm_arena *arena; /* of everything below */
  uint8_t *bytes;
  uint32_t count, capacity;
  uint32_t *labels; /* offsets; UINT32_MAX: not bound yet */
  uint32_t label_count, label_capacity;
  struct jit_label_use *uses;
  uint32_t use_count, use_capacity;
  struct jit_fixup *fixups;
  uint32_t fixup_count, fixup_capacity;
  bool out_of_memory;
};

void jit_emit_init(struct jit_emitter *e, struct mm_arena *arena);

/* Fills in the distances to all labels, which are all bound.  Called once, at
   the end; false: out of memory on the way. */
bool jit_emit_finish(struct jit_emitter *e);

/* --- Labels --- */

jit_label jit_label_new(struct jit_emitter *e);
void jit_label_bind(struct jit_emitter *e, jit_label label); /* here */

/* --- Jumps and calls --- */

void jit_emit_jump(struct jit_emitter *e, jit_label label);
void jit_emit_jump_if(struct jit_emitter *e, enum jit_condition condition,
                      jit_label label);
void jit_emit_call_far(struct jit_emitter *e, const void *target);
void jit_emit_jump_far(struct jit_emitter *e, const void *target);
void jit_emit_jump_far_if(struct jit_emitter *e, enum jit_condition condition,
                          const void *target);
void jit_emit_call_label(struct jit_emitter *e, jit_label label);
void jit_emit_call_reg(struct jit_emitter *e, unsigned reg);
void jit_emit_call_mem(struct jit_emitter *e, struct jit_mem mem);
void jit_emit_jump_reg(struct jit_emitter *e, unsigned reg);
void jit_emit_jump_mem(struct jit_emitter *e, struct jit_mem mem);
void jit_emit_return(struct jit_emitter *e);
void jit_emit_trap(struct jit_emitter *e); /* ud2 */
/* Instructions that do nothing, up to a multiple of `align`, a power of two. */
void jit_emit_align(struct jit_emitter *e, uint32_t align);

/* --- Moves --- */

void jit_emit_move(struct jit_emitter *e, bool wide, unsigned to,
                   unsigned from);
/* The shortest form; keeps the flags (never xor). */
void jit_emit_move_imm(struct jit_emitter *e, unsigned to, int64_t value);
void jit_emit_zero(struct jit_emitter *e, unsigned to); /* xor: sets flags */
void jit_emit_load(struct jit_emitter *e, enum jit_load kind, unsigned to,
                   struct jit_mem from);
/* The low 1 << log2 bytes. */
void jit_emit_store(struct jit_emitter *e, unsigned log2, struct jit_mem to,
                    unsigned from);
/* Widths of 8 bytes take the value sign-extended. */
void jit_emit_store_imm(struct jit_emitter *e, unsigned log2, struct jit_mem to,
                        int32_t value);
void jit_emit_lea(struct jit_emitter *e, bool wide, unsigned to,
                  struct jit_mem mem);
/* From the low bits of a register, extended to 64 bits; _U32 is a move of 32
   bits, _64 one of 64. */
void jit_emit_extend(struct jit_emitter *e, enum jit_load kind, unsigned to,
                     unsigned from);
void jit_emit_push(struct jit_emitter *e, unsigned reg);
void jit_emit_pop(struct jit_emitter *e, unsigned reg);
/* to = condition ? 1 : 0, 64 bits; keeps the flags. */
void jit_emit_set_if(struct jit_emitter *e, enum jit_condition condition,
                     unsigned to);
void jit_emit_move_if(struct jit_emitter *e, bool wide,
                      enum jit_condition condition, unsigned to, unsigned from);
/* Exchanges memory and register at once for all threads (implied lock). */
void jit_emit_exchange(struct jit_emitter *e, unsigned log2, struct jit_mem mem,
                       unsigned reg);

/* --- Integers --- */

void jit_emit_alu(struct jit_emitter *e, enum jit_alu op, bool wide,
                  unsigned to, unsigned from);
void jit_emit_alu_imm(struct jit_emitter *e, enum jit_alu op, bool wide,
                      unsigned to, int32_t value);
/* to op= memory; JIT_CMP compares the register with memory. */
void jit_emit_alu_load(struct jit_emitter *e, enum jit_alu op, bool wide,
                       unsigned to, struct jit_mem from);
/* memory op= register or value; log2 0, 2 or 3 (and 1 for values) bytes. */
void jit_emit_alu_store(struct jit_emitter *e, enum jit_alu op, unsigned log2,
                        struct jit_mem to, unsigned from);
void jit_emit_alu_store_imm(struct jit_emitter *e, enum jit_alu op,
                            unsigned log2, struct jit_mem to, int32_t value);
void jit_emit_test(struct jit_emitter *e, bool wide, unsigned a, unsigned b);
void jit_emit_test_imm(struct jit_emitter *e, bool wide, unsigned a,
                       int32_t value);
void jit_emit_multiply(struct jit_emitter *e, bool wide, unsigned to,
                       unsigned from);
void jit_emit_multiply_load(struct jit_emitter *e, bool wide, unsigned to,
                            struct jit_mem from);
void jit_emit_multiply_imm(struct jit_emitter *e, bool wide, unsigned to,
                           unsigned from, int32_t value);
/* By a constant (taken modulo the width), and by rcx. */
void jit_emit_shift_imm(struct jit_emitter *e, enum jit_shift op, bool wide,
                        unsigned reg, unsigned count);
void jit_emit_shift(struct jit_emitter *e, enum jit_shift op, bool wide,
                    unsigned reg);
void jit_emit_neg(struct jit_emitter *e, bool wide, unsigned reg);
void jit_emit_not(struct jit_emitter *e, bool wide, unsigned reg);
/* rdx = the sign of rax; then rax = rdx:rax / reg, rdx = the remainder. */
void jit_emit_sign_to_rdx(struct jit_emitter *e, bool wide);
void jit_emit_divide(struct jit_emitter *e, bool is_signed, bool wide,
                     unsigned reg);

/* --- Floating point; `wide` is f64, else f32 --- */

void jit_emit_fmove(struct jit_emitter *e, unsigned to, unsigned from);
void jit_emit_fload(struct jit_emitter *e, bool wide, unsigned to,
                    struct jit_mem from);
void jit_emit_fstore(struct jit_emitter *e, bool wide, struct jit_mem to,
                     unsigned from);
/* Bits between a vector and a general register (upper half zeroed). */
void jit_emit_move_to_f(struct jit_emitter *e, bool wide, unsigned to,
                        unsigned from);
void jit_emit_move_from_f(struct jit_emitter *e, bool wide, unsigned to,
                          unsigned from);
/* to = to op from; JIT_FSQRT: to = sqrt(from). */
void jit_emit_falu(struct jit_emitter *e, enum jit_falu op, bool wide,
                   unsigned to, unsigned from);
void jit_emit_falu_load(struct jit_emitter *e, enum jit_falu op, bool wide,
                        unsigned to, struct jit_mem from);
/* Flags as of unsigned numbers: below, above, equal; NaN: all of below, equal
   and parity. */
void jit_emit_fcompare(struct jit_emitter *e, bool wide, unsigned a,
                       unsigned b);
void jit_emit_fcompare_load(struct jit_emitter *e, bool wide, unsigned a,
                            struct jit_mem b);
void jit_emit_fzero(struct jit_emitter *e, unsigned to); /* xorps */
/* Sign-extends the lowest 32 bits to 64; needs another register for it. */
void jit_emit_fextend(struct jit_emitter *e, unsigned reg, unsigned scratch);
void jit_emit_fxor(struct jit_emitter *e, unsigned to, unsigned from);
/* Integers of 32 (wide_from false) or 64 bits, signed, to floating point.
   Zeroes `to` first, so that it waits for nothing. */
void jit_emit_int_to_f(struct jit_emitter *e, bool wide_from, bool wide_to,
                       unsigned to, unsigned from);
/* Truncates; what does not fit, and NaN, gives the least integer. */
void jit_emit_f_to_int(struct jit_emitter *e, bool wide_from, bool wide_to,
                       unsigned to, unsigned from);
/* f32 to f64 (`wide_to`) or back. */
void jit_emit_f_to_f(struct jit_emitter *e, bool wide_to, unsigned to,
                     unsigned from);

#endif
