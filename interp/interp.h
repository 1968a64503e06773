/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter, as the machine's engine.
 */
#ifndef INTERP_INTERP_H
#define INTERP_INTERP_H

#include "vm/core/engine.h"

/* The functions of the interpreter; valid for ever. */
const struct vm_engine *interp_engine(void);

/* Prints the decoded form of a method, translating it if need be; for tools
   and tests.  False: out of memory. */
bool interp_dump(struct vm_thread *thread, struct vm_method *method, FILE *out);

#endif
