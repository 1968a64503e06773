/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the compiler works on: decoded operations (interp/ops.def) in few
 * regular kinds.  The many variants of an operation differ only in where
 * operands come from, and here that is data:
 *
 *   add32_rri      ARITH  I32 ADD  dest=v3 left=v1 right=imm
 *   j_inc_lt_back  POLL;  ARITH I32 ADD v1=v1+imm;  BRANCH I32 LT v1, v2
 *   ret_r32        MOVE   I32 acc=v0;  RETURN
 *   starr_8_i      CONST  acc=imm;  STORE_ELEMENT ...
 *
 * A fused operation becomes the simple ones it stands for.  `word` is the
 * decoded operation that each came from: that is where the frame stands while
 * it runs, for walkers and exceptions, and where the interpreter goes on.
 * Each decoded operation becomes one at least, so that what starts at a word
 * (a block, an entry) is found by that word.
 * All parts of one operation that may throw or stop at a safepoint come before
 * those that change a register, as in the interpreter.
 *
 * The accumulator is written as the interpreter writes it; whether anybody
 * reads it is for flow.h to find.
 */
#ifndef JIT_STUB_OP_H
#define JIT_STUB_OP_H

#include "interp/code.h"

struct mm_arena;

enum jit_kind {
  /* Leaves compiled code: the interpreter goes on at `word`, this operation
     first.  For what has to be resolved first, what only throws VerifyError
     (INTERP_bad), and what cannot occur. */
  JIT_OP_EXIT,
  JIT_OP_POLL,
  /* VerifyError unless the reference `left` passes: imm is pc[1].u64 as the
     operation `check` has it, ptr the class. */
  JIT_OP_CHECK,

  JIT_OP_MOVE,      /* dest = left; I32: the low half sign-extended, else all 64
                       bits */
  JIT_OP_CONST,     /* dest = imm */
  JIT_OP_SPILL_ACC, /* the frame's accumulator slot = acc */
  JIT_OP_RELOAD_ACC,
  JIT_OP_STRING,  /* acc = the string of the constant ptr, made already */
  JIT_OP_LITERAL, /* dest = a new array of literal imm; safepoint */
  JIT_OP_TYPE,    /* acc = class object of ptr; safepoint */

  JIT_OP_ARITH,   /* dest = left sub right: enum jit_arith; right may be IMM.
                     Division throws. Types I32 (result sign-extended), I64,
                     U32 and U64 (division, remainder only), F32, F64 */
  JIT_OP_MULADD,  /* F64: dest = left * right, then + or - (sub: JIT_ARITH_ADD,
                     _SUB) register `third`, rounded twice */
  JIT_OP_SQRT,    /* F64: dest = sqrt(left) */
  JIT_OP_UNARY,   /* acc = sub(acc): sub is enum interp_op of ops.def's UNARY */
  JIT_OP_COMPARE, /* acc = -1, 0, 1: acc against right; type and is_g */

  JIT_OP_JUMP,   /* to target */
  JIT_OP_BRANCH, /* to target if left sub right: enum interp_condition; right
                    may be IMM.  Types I32, I64, U32, U64, F32, F64; the
                    floating ones by fcmpl, or by fcmpg with is_g */

  JIT_OP_LENGTH,            /* dest = length of array left; throws */
  JIT_OP_LOAD_ELEMENT,      /* dest = left[right], as load says; throws */
  JIT_OP_STORE_ELEMENT,     /* left[right] = third, 1 << log2 bytes; throws */
  JIT_OP_STORE_REF_ELEMENT, /* the same for references, with barrier */
  JIT_OP_LOAD_FIELD,  /* dest = left.imm, as load says; is_volatile; throws */
  JIT_OP_STORE_FIELD, /* left.imm = third, log2; is_volatile; throws */
  JIT_OP_STORE_REF_FIELD,
  JIT_OP_LOAD_STATIC,  /* acc = slot ptr; all 64 bits */
  JIT_OP_STORE_STATIC, /* slot ptr = acc, extended as load says, 64 bits */
  JIT_OP_INITIALISE,   /* makes sure that class ptr is initialised, before
                          anything else of `word`; safepoint, throws */

  JIT_OP_NEW_OBJECT,  /* dest = new instance of class ptr; is_slow: through
                         vm_new_object alone; safepoint, throws */
  JIT_OP_NEW_ARRAY,   /* dest = new array of class ptr, length left; safepoint,
                         throws */
  JIT_OP_MULTI_ARRAY, /* acc = nested arrays of class ptr: operands are read
                         from the operation at `word`, and are in args too, for
                         liveness; safepoint, throws */
  JIT_OP_CHECKCAST,   /* acc against class ptr; is_nonnull; throws */
  JIT_OP_ISINSTANCE,  /* acc = is acc of class ptr */

  JIT_OP_CALL,   /* enum jit_call in sub; arguments in args; safepoint, throws;
                    defines acc.  ptr: the method; imm: virtual ones, address
                    of the class that receivers are expected to be of, or 0 */
  JIT_OP_RETURN, /* of acc */
  JIT_OP_THROW,  /* object left */

  JIT_OP_NOP,   /* nothing; a handler or a jump may lead to its word */
  JIT_OP_ENTER, /* counts a call; nothing in compiled code */
  JIT_OP_LOOP,  /* head of a loop: compiled code may be entered here */
};

enum jit_type { JIT_I32, JIT_I64, JIT_U32, JIT_U64, JIT_F32, JIT_F64, JIT_REF };

enum jit_arith {
  JIT_ARITH_ADD,
  JIT_ARITH_SUB,
  JIT_ARITH_MUL,
  JIT_ARITH_AND,
  JIT_ARITH_OR,
  JIT_ARITH_XOR,
  JIT_ARITH_SHL,
  JIT_ARITH_SHR,
  JIT_ARITH_ASHR,
  JIT_ARITH_DIV,
  JIT_ARITH_MOD
};

enum jit_call {
  JIT_CALL_STATIC,
  JIT_CALL_DIRECT,
  JIT_CALL_VIRTUAL,
  JIT_CALL_NEW
};

/* Operands: a register of the frame (0 and up), or one of these. */
enum {
  JIT_ACC = -1,
  JIT_IMM = -2, /* the operation's imm */
  JIT_NONE = -3,
};

enum {
  JIT_ARGS_MAX = 4,
  JIT_ARGS_RANGE = 0xff, /* in arg_count: args[0] is the first register,
                            args[1] their number */
};

struct jit_op {
  uint8_t kind; /* enum jit_kind */
  uint8_t type; /* enum jit_type */
  uint16_t sub;
  uint8_t load; /* enum jit_load (emit.h), elements and fields */
  uint8_t log2; /* of the bytes stored */
  bool is_g, is_volatile, is_nonnull, is_slow;
  bool is_logged; /* STORE_STATIC: Note [Statics that are logged] */
  uint8_t arg_count;
  int32_t dest, left, right, third;
  int32_t args[JIT_ARGS_MAX]; /* JIT_ACC: the accumulator itself (the form
                                 _acc); the frame's accumulator slot is
                                 JIT_ACC_SLOT */
  uint32_t word;              /* offset of the decoded operation */
  uint32_t target;            /* jumps: index of the operation they go to */
  uint32_t advance;           /* calls: slots from the caller's registers to the
                                 callee's */
  int64_t imm;
  void *ptr;
};

enum { JIT_ACC_SLOT = -4 };

/* The operations of one method. */
struct jit_ops {
  struct jit_op *ops;
  uint32_t count;
  /* By offset of a decoded word: the first operation that came from it, or
     UINT32_MAX where none starts. */
  uint32_t *by_word;
};

/*
 * Reads a method's decoded code.  `words` is a copy that nobody rewrites
 * meanwhile, of word_count words; `code` tells where operations start.
 * Everything in *ops is of the arena.  False: no memory.
 */
bool jit_ops_read(struct jit_ops *ops, struct mm_arena *arena,
                  const struct interp_code *code,
                  const union interp_word *words);

/* What an operation reads and writes, for flow analysis: calls `visit` for
   each operand that is a register or the accumulator (JIT_ACC). */
void jit_op_uses(const struct jit_op *op,
                 void (*visit)(void *context, int32_t operand), void *context);
/* The operand it defines, JIT_NONE if none. */
int32_t jit_op_dest(const struct jit_op *op);

/* May it throw, and so continue at a handler? */
bool jit_op_may_throw(const struct jit_op *op);

/* One line for people, without line end. */
void jit_op_print(const struct jit_op *op, void *file);

#endif
