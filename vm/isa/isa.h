/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instruction set as data: enumerators and one table, both made from
 * opcodes.def.  Nothing here knows how an instruction is executed.
 */
#ifndef VM_ISA_ISA_H
#define VM_ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vm_op {
#define VM_OPCODE(id, ...) VM_OP_##id,
#include "vm/isa/opcodes.def"
  VM_OP_COUNT
};

/* Which operands follow the mnemonic, in source order. */
enum vm_form {
  VM_FORM_NONE,
  VM_FORM_V,          /* register */
  VM_FORM_V_V,        /* register, register */
  VM_FORM_V_IMM,      /* register, integer */
  VM_FORM_V_V_IMM,    /* register, register, integer */
  VM_FORM_IMM,        /* integer */
  VM_FORM_F32,        /* float, kept as its 32-bit pattern */
  VM_FORM_F64,        /* float, kept as its 64-bit pattern */
  VM_FORM_V_F32,      /* register, float */
  VM_FORM_V_F64,      /* register, float */
  VM_FORM_LABEL,      /* label */
  VM_FORM_V_LABEL,    /* register, label */
  VM_FORM_STRING,     /* string literal */
  VM_FORM_V_ARRAY,    /* register, name of a literal array */
  VM_FORM_TYPE,       /* reference type */
  VM_FORM_V_TYPE,     /* register, record */
  VM_FORM_V_V_TYPE,   /* register, register, array type */
  VM_FORM_FIELD,      /* record.field */
  VM_FORM_V_FIELD,    /* register, record.field */
  VM_FORM_V_V_FIELD,  /* register, register, record.field */
  VM_FORM_CALL2,      /* function, up to 2 registers */
  VM_FORM_CALL4,      /* function, up to 4 registers */
  VM_FORM_CALL_RANGE, /* function, first register */
  VM_FORM_CALL_ACC2,  /* function, 1 register, position of the accumulator */
  VM_FORM_CALL_ACC4,  /* function, 3 registers, position */
};

/* What an instruction expects of, or leaves in, a register or accumulator. */
enum vm_type {
  VM_TYPE_NONE, /* not touched */
  VM_TYPE_B32,  /* 32 bits, integer or float */
  VM_TYPE_I32,
  VM_TYPE_F32,
  VM_TYPE_B64, /* 64 bits, integer or float */
  VM_TYPE_I64,
  VM_TYPE_F64,
  VM_TYPE_REF,
  VM_TYPE_ANY,    /* a value whose type the callee tells */
  VM_TYPE_SAME,   /* acc_out only: read and left as it was */
  VM_TYPE_RESULT, /* acc_out only: what the callee returns */
};

/* A register operand: its type in the low bits, how it is used above. */
enum {
  VM_REG_USE = 0x10,
  VM_REG_DEF = 0x20,
  VM_REG_TYPE_MASK = 0x0f,
};

#define VM_REG_NONE 0
#define VM_REG_USE_B32 (VM_REG_USE | VM_TYPE_B32)
#define VM_REG_USE_I32 (VM_REG_USE | VM_TYPE_I32)
#define VM_REG_USE_F32 (VM_REG_USE | VM_TYPE_F32)
#define VM_REG_USE_B64 (VM_REG_USE | VM_TYPE_B64)
#define VM_REG_USE_I64 (VM_REG_USE | VM_TYPE_I64)
#define VM_REG_USE_F64 (VM_REG_USE | VM_TYPE_F64)
#define VM_REG_USE_REF (VM_REG_USE | VM_TYPE_REF)
#define VM_REG_DEF_B32 (VM_REG_DEF | VM_TYPE_B32)
#define VM_REG_DEF_I32 (VM_REG_DEF | VM_TYPE_I32)
#define VM_REG_DEF_F32 (VM_REG_DEF | VM_TYPE_F32)
#define VM_REG_DEF_B64 (VM_REG_DEF | VM_TYPE_B64)
#define VM_REG_DEF_I64 (VM_REG_DEF | VM_TYPE_I64)
#define VM_REG_DEF_F64 (VM_REG_DEF | VM_TYPE_F64)
#define VM_REG_DEF_REF (VM_REG_DEF | VM_TYPE_REF)
#define VM_REG_MOD_I32 (VM_REG_USE | VM_REG_DEF | VM_TYPE_I32)

enum {
  VM_RAISES_NPE = 1 << 0,     /* panda.NullPointerException */
  VM_RAISES_AIOOBE = 1 << 1,  /* panda.ArrayIndexOutOfBoundsException */
  VM_RAISES_ASE = 1 << 2,     /* panda.ArrayStoreException */
  VM_RAISES_NASE = 1 << 3,    /* panda.NegativeArraySizeException */
  VM_RAISES_ARITH = 1 << 4,   /* panda.ArithmeticException */
  VM_RAISES_CCE = 1 << 5,     /* panda.ClassCastException */
  VM_RAISES_AME = 1 << 6,     /* panda.AbstractMethodError */
  VM_RAISES_OOM = 1 << 7,     /* panda.OutOfMemoryError */
  VM_RAISES_NCDFE = 1 << 8,   /* panda.NoClassDefFoundError */
  VM_RAISES_INIT = 1 << 9,    /* what class initialisation raises */
  VM_RAISES_CALLEE = 1 << 10, /* whatever the callee throws */
  VM_RAISES_SOE = 1 << 11,    /* panda.StackOverflowException */
};

struct vm_op_info {
  const char *text;
  const char *effect;
  uint16_t raises; /* VM_RAISES_* */
  uint8_t form;    /* enum vm_form */
  uint8_t reg_bits;
  uint8_t imm_bits;
  uint8_t acc_in;  /* enum vm_type */
  uint8_t acc_out; /* enum vm_type */
  uint8_t reg[2];  /* VM_REG_* */
};

extern const struct vm_op_info vm_op_table[VM_OP_COUNT];

/* The instruction with this mnemonic, or VM_OP_COUNT. O(log n). */
enum vm_op vm_op_find(const char *text, size_t len);

/* A jump of any kind: its operand is a label. */
bool vm_op_is_jump(enum vm_op op);

/* Control never reaches the next instruction. */
bool vm_op_ends_block(enum vm_op op);

/* Any call or initobj form. */
bool vm_op_is_call(enum vm_op op);
bool vm_op_is_virtual_call(enum vm_op op);
bool vm_op_is_initobj(enum vm_op op);

#endif
