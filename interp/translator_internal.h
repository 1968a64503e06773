/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one translation, and its three parts:
 *
 *   translate.c  the driver: one pass over the instructions, then the jumps
 *   fuse.c       sequences that become one operation
 *   lower.c      single instructions
 *   encode.c     those whose operands have to be resolved
 */
#ifndef INTERP_TRANSLATOR_INTERNAL_H
#define INTERP_TRANSLATOR_INTERNAL_H

#include "interp/code.h"
#include "mm/alloc/arena.h"

struct interp_fixup {
  uint32_t word;   /* of the jumping operation */
  uint32_t target; /* instruction */
};

struct interp_translator {
  struct vm *vm;
  const struct vm_method *method;
  const struct vm_function_def *function;
  const struct vm_verified *verified;
  const struct vm_insn *insns;
  struct mm_arena *arena;   /* of this translation: everything below */
  struct interp_code *code; /* in the making */
  uint32_t word_capacity, origin_capacity;
  struct interp_fixup *fixups;
  uint32_t fixup_count, fixup_capacity;
  union interp_word spare[INTERP_CALL_WORDS]; /* emitted into after failure */
  bool out_of_memory;
};

/* Appends an operation; word 0 is set.  The result is valid until the next
   one is appended. */
union interp_word *interp_emit(struct interp_translator *t, unsigned op,
                               uint32_t insn, uint32_t fault);

/* The operation emitted last jumps to this instruction. */
void interp_emit_target(struct interp_translator *t, uint32_t target);

/* Emits a sequence that starts here as one operation and returns how many
   instructions it has; 0: there is none. */
uint32_t interp_fuse(struct interp_translator *t, uint32_t insn);

/* Emits a single instruction. */
void interp_lower(struct interp_translator *t, uint32_t insn);

/* May this instruction be a later part of a sequence? */
static inline bool interp_can_follow(const struct interp_translator *t,
                                     uint32_t insn)
{
  return insn < t->function->insn_count &&
         (t->verified->flags[insn] &
          (VM_INSN_LEADER | VM_INSN_BAD | VM_INSN_CHECKED)) == 0;
}

/* Is the accumulator's value used after this instruction? */
static inline bool interp_acc_live(const struct interp_translator *t,
                                   uint32_t insn)
{
  return (t->verified->flags[insn] & VM_INSN_ACC_LIVE) != 0;
}

/* --- Binary operations --- */

enum interp_bin_shape {
  INTERP_BIN_NONE,
  INTERP_BIN_ACC,      /* acc = acc op v0 */
  INTERP_BIN_ACC_TO_V, /* v0 = acc op v1 */
  INTERP_BIN_V_V,      /* acc = v0 op v1 */
  INTERP_BIN_V_V_TO_V, /* v0 = v0 op v1 */
  INTERP_BIN_ACC_IMM,  /* acc = acc op imm */
  INTERP_BIN_V_IMM,    /* v0 = v1 op imm */
  INTERP_BIN_INC,      /* v0 = v0 op imm */
};

struct interp_bin_info {
  uint16_t family; /* first member in ops.def */
  uint8_t shape;   /* enum interp_bin_shape */
  uint8_t wide;    /* operands are 64 bits */
};

extern const struct interp_bin_info interp_bin_table[VM_OP_COUNT];

/* A binary operation with its operands named; -1: the accumulator. */
struct interp_bin {
  unsigned family;
  int32_t dest, left, right;
  bool right_is_imm;
  int32_t imm;
};

/* False when the instruction is not one. */
bool interp_bin_of(const struct vm_insn *insn, struct interp_bin *bin);
void interp_emit_bin(struct interp_translator *t, const struct interp_bin *bin,
                     uint32_t insn, uint32_t fault);

/* --- Jumps --- */

/* The condition of a conditional jump; false for others. */
bool interp_condition_of(unsigned op, unsigned *condition, bool *against_zero);
unsigned interp_condition_inverse(unsigned condition);
unsigned interp_condition_swapped(unsigned condition);

/* --- Element loads and stores: family, or 0 when it is none --- */
unsigned interp_element_load(unsigned op);
unsigned interp_element_store(unsigned op);

/* --- Instructions with names to resolve (encode.c) --- */

/* How many words the operation takes; 0: no names in it. */
uint32_t interp_encoded_words(const struct vm_insn *insn);

/* Writes the operation for an instruction whose names are known.  False when
   one is not, or (constants) has not been made yet.  Never a safepoint. */
bool interp_encode(struct vm *vm, const struct vm_method *method, uint32_t insn,
                   union interp_word *out);

#endif
