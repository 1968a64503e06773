/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The assembler and the disassembler of Panda Assembly.
 */
#ifndef VM_ASM_ASM_H
#define VM_ASM_ASM_H

#include "vm/asm/diag.h"
#include "vm/core/module.h"

/*
 * Assembles a text.  Errors, all of the file's, go to `diags`; the result is
 * null if there were any (or memory ran out, which is a diagnostic too).  The
 * module copies what it needs; `file` and `source` may go.  Destroyed by
 * vm_module_destroy.
 */
struct vm_module *vm_assemble(const char *file, const char *source,
                              size_t source_bytes, struct vm_diags *diags);

/* Reads the file and assembles it; what cannot be read is a diagnostic. */
struct vm_module *vm_assemble_file(const char *file, struct vm_diags *diags);

void vm_module_destroy(struct vm_module *module);

/*
 * Prints a module as text that assembles to the same module.  `annotate`
 * (may be null) is called before each instruction and may print comment
 * lines.  False: memory ran out, and what was printed is not all of it and
 * does not assemble.
 */
bool vm_disassemble(const struct vm_module *module, FILE *out,
                    void (*annotate)(void *context,
                                     const struct vm_function_def *function,
                                     uint32_t insn, FILE *out),
                    void *context);

/* Prints one instruction, without its line end. */
void vm_disassemble_insn(const struct vm_module *module,
                         const struct vm_function_def *function, uint32_t insn,
                         FILE *out);

#endif
