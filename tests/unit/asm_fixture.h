/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assembling in tests: a text that must be accepted, its parts by name, and
 * two modules compared by what they mean.
 */
#ifndef TESTS_UNIT_ASM_FIXTURE_H
#define TESTS_UNIT_ASM_FIXTURE_H

#include "vm/asm/asm.h"

#include <check.h>

/* Assembles a text that is right; fails with its errors if it is not.  The
   number of warnings goes to `warnings` (may be null). */
struct vm_module *asm_accept(const char *source, unsigned *warnings);

/* The same for a function `f(i32 a0, R a1)` with this body. */
struct vm_module *asm_body_of(const char *body,
                              const struct vm_function_def **f);

/* The first function with this name as written; fails if there is none. */
const struct vm_function_def *asm_function_of(const struct vm_module *module,
                                              const char *name);

/* The text that the disassembler makes; freed by the caller. */
char *asm_text_of(const struct vm_module *module);

/* Fails unless both modules say the same; `name` is for the message. */
void asm_check_same(const char *name, const struct vm_module *a,
                    const struct vm_module *b);

/* Disassembles, assembles, compares, and does it again: the text must not
   change any more. */
void asm_check_round_trip(const char *name, const struct vm_module *module);

/* Runs the tests; the exit status of the program. */
int asm_main(const char *name, const TTest *const *tests, size_t count);

#endif
