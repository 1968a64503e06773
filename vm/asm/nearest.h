/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean", for words that are not of a program: the command line's
 * options, commands and names of instructions.
 */
#ifndef VM_ASM_NEAREST_H
#define VM_ASM_NEAREST_H

#include <stddef.h>

/* The candidate that the word was probably meant to be, or null when none is
   near. */
const char *vm_nearest(const char *word, const char *const *candidates,
                       size_t count);

#endif
