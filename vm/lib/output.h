/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program prints: to options.out, through its buffer.  Output that
 * cannot be written (the disk is full, nobody reads the pipe) ends the
 * program with status 1 and one line on options.err.
 *
 * The stream's lock keeps what threads print apart: one call's bytes stand
 * together, and so does all between vm_output_begin and vm_output_end.  A
 * write may block for long, so it happens in native state when there is
 * another thread that could want to collect.
 */
#ifndef VM_LIB_OUTPUT_H
#define VM_LIB_OUTPUT_H

#include "vm/core/vm.h"

/* Writes bytes.  False: the output failed, now or before; the machine is
   exiting.  Safepoint. */
bool vm_output_write(struct vm_thread *thread, const char *bytes, size_t count);

/* Around several writes that belong together.  Safepoints may lie between. */
void vm_output_begin(struct vm_thread *thread);
void vm_output_end(struct vm_thread *thread);

/* Hands what is buffered to the system; false as above. */
bool vm_output_flush(struct vm *vm);

#endif
