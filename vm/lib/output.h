/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program prints: to options.out, through its buffer.  Output that
 * cannot be written (the disk is full, nobody reads the pipe) ends the
 * program with status 1 and one line on options.err.
 */
#ifndef VM_LIB_OUTPUT_H
#define VM_LIB_OUTPUT_H

#include "vm/core/vm.h"

/* Writes bytes.  False: the output failed, now or before; the machine is
   exiting. */
bool vm_output_write(struct vm *vm, const char *bytes, size_t count);

/* Hands what is buffered to the system; false as above. */
bool vm_output_flush(struct vm *vm);

#endif
