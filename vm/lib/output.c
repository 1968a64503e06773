/* SPDX-License-Identifier: Apache-2.0 */
/* The program's output and what becomes of it when it cannot be written. */
#include "config.h"

#include "vm/lib/output.h"

#include <errno.h>
#include <string.h>

#include "mm/schedule.h"
#include "vm/core/threads.h"

/* The stream's own error flag tells whether it was said before. */
static bool fail(struct vm *vm, bool said, int error)
{
  if (!said)
    fprintf(vm->options.err, "Cannot write the program's output: %s\n",
            strerror(error));
  vm_exit(vm, 1);
  return false;
}

/* False with the reason. */
static bool write_now(FILE *out, const char *bytes, size_t count, bool *failed,
                      int *error)
{
  *failed = ferror(out) != 0;
  if (!*failed && fwrite(bytes, 1, count, out) == count)
    return true;
  *error = errno;
  return false;
}

/* With a deterministic schedule who has the stream may be made to wait, so
   others must not wait for it with the baton in their hands. */
static void lock_stream(struct vm *vm)
{
  if (!mm_schedule_is_on(vm->heap)) {
    flockfile(vm->options.out);
    return;
  }
  while (ftrylockfile(vm->options.out) != 0)
    mm_schedule_pass(vm->heap);
}

bool vm_output_write(struct vm_thread *thread, const char *bytes, size_t count)
{
  struct vm *vm = thread->vm;
  bool alone = vm_threads_alone(vm), failed;
  int error;
  if (!alone)
    mm_enter_native(&thread->mutator);
  lock_stream(vm);
  bool written = write_now(vm->options.out, bytes, count, &failed, &error);
  funlockfile(vm->options.out);
  if (!alone)
    mm_leave_native(&thread->mutator);
  return written || fail(vm, failed, error);
}

void vm_output_begin(struct vm_thread *thread)
{
  if (vm_threads_alone(thread->vm)) {
    flockfile(thread->vm->options.out);
    return;
  }
  mm_enter_native(&thread->mutator);
  lock_stream(thread->vm);
  mm_leave_native(&thread->mutator);
}

void vm_output_end(struct vm_thread *thread)
{
  funlockfile(thread->vm->options.out);
}

bool vm_output_flush(struct vm *vm)
{
  lock_stream(vm);
  bool failed = ferror(vm->options.out) != 0;
  bool flushed = !failed && fflush(vm->options.out) == 0;
  int error = errno;
  funlockfile(vm->options.out);
  return flushed || fail(vm, failed, error);
}
