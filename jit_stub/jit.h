/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler of hot methods; see README.md.
 */
#ifndef JIT_STUB_JIT_H
#define JIT_STUB_JIT_H

#include "vm/core/vm.h"

/*
 * Gives a machine its compiler, as vm->options.jit says; nothing when that is
 * off.  Before any module is loaded.  Errors, with a text: no memory for code,
 * the system forbids it, or this build has no compiler; the machine can then
 * run without.
 */
enum mm_status jit_start(struct vm *vm, struct mm_error *error);

/* Compiles nothing more.  Before vm_destroy, which frees what was compiled. */
void jit_stop(struct vm *vm);

#endif
