/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of vm_fixture.h with a compiler that compiles at once, by the
 * thread that asks.
 *
 *   jit_vm_open(VM_JIT_ALWAYS, machine_options());
 *   core_load("t.pa", CORE_PRELUDE ...);
 *   jit_vm_interpret("g");
 *   ck_assert_int_eq(core_run(), 7);
 *   jit_vm_code("f");
 *   jit_vm_close();
 */
#ifndef TESTS_UNIT_JIT_VM_FIXTURE_H
#define TESTS_UNIT_JIT_VM_FIXTURE_H

#include "jit_stub/code_internal.h"
#include "tests/unit/core_fixture.h"

void jit_vm_open(enum vm_jit_mode mode, struct vm_options options);
void jit_vm_close(void);

struct jit_compiler *jit_vm_compiler(void);

/* A method of a program by its name alone. */
struct vm_method *jit_vm_method(const char *name);

/* From now on the method stays with the interpreter. */
void jit_vm_interpret(const char *name);

/* Its code, which it has to have. */
struct jit_code *jit_vm_code(const char *name);

/* Does the frame run as compiled code? */
bool jit_vm_is_compiled(const struct vm_frame *frame);

#endif
