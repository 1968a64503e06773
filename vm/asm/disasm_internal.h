/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of the disassembler: names, literals and instructions
 * (disasm_insn.c), and what stands around them (disasm.c).
 */
#ifndef VM_ASM_DISASM_INTERNAL_H
#define VM_ASM_DISASM_INTERNAL_H

#include "vm/asm/asm.h"

/* Looked up once for a whole module, in an arena. */
struct vm_dis_index {
  uint32_t *function_of; /* by method */
  bool *needs_list;      /* by function: others have its name */
};

/* False: no memory. */
bool vm_dis_make_index(const struct vm_module *module, struct mm_arena *arena,
                       struct vm_dis_index *index);

const char *vm_dis_type_name(const struct vm_module *module, uint32_t type);

/* A string in quotes, with what is not text as escapes. */
void vm_dis_print_string(const struct vm_string_const *string, FILE *out);

/* A number of a primitive type, from its bits. */
void vm_dis_print_value(enum vm_prim prim, uint64_t bits, FILE *out);

/* "T, T", or as `names' declares them "T a0, T a1 <varargs>". */
void vm_dis_print_parameters(const struct vm_module *module,
                             const struct vm_method_ref *method,
                             const struct vm_function_def *names, FILE *out);

/* `index` null: what it would tell is found by walking through all
   functions. */
void vm_dis_print_insn(const struct vm_module *module,
                       const struct vm_dis_index *index,
                       const struct vm_function_def *function,
                       const struct vm_insn *insn, FILE *out);

#endif
