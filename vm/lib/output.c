/* SPDX-License-Identifier: Apache-2.0 */
/* The program's output and what becomes of it when it cannot be written. */
#include "config.h"

#include "vm/lib/output.h"

#include <errno.h>
#include <string.h>

/* The stream's own error flag tells whether it was said before. */
static bool fail(struct vm *vm, bool said, int error)
{
  if (!said)
    fprintf(vm->options.err, "Cannot write the program's output: %s\n",
            strerror(error));
  vm->exiting = true;
  vm->exit_status = 1;
  return false;
}

bool vm_output_write(struct vm *vm, const char *bytes, size_t count)
{
  bool failed = ferror(vm->options.out) != 0;
  if (!failed && fwrite(bytes, 1, count, vm->options.out) == count)
    return true;
  return fail(vm, failed, errno);
}

bool vm_output_flush(struct vm *vm)
{
  bool failed = ferror(vm->options.out) != 0;
  if (!failed && fflush(vm->options.out) == 0)
    return true;
  return fail(vm, failed, errno);
}
