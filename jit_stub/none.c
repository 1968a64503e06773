/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds without the compiler: by --disable-jit, or for a machine that has no
 * emitter.  This file then stands for the whole folder; machines only
 * interpret.
 */
#include "config.h"

#include "jit_stub/jit.h"

#include <stdio.h>

enum mm_status jit_start(struct vm *vm, struct mm_error *error)
{
  if (vm->options.jit.mode == VM_JIT_OFF)
    return MM_OK;
  snprintf(error->text, sizeof error->text, "this build has no compiler");
  return MM_BAD_OPTION;
}

void jit_stop(struct vm *vm)
{
  (void)vm;
}
