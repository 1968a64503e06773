/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VM_ASSERT states an invariant of the machine.  Debug builds check it and
 * stop with the place and status 70 (an internal failure); other builds
 * compile it away.  It never guards against what a program, a user or the
 * operating system can bring about: that is an exception or a status.
 *
 * Include after config.h.
 */
#ifndef VM_CORE_ASSERT_H
#define VM_CORE_ASSERT_H

/* Prints the place to stderr and ends the process with status 70. */
void vm_assert_failed(const char *file, int line, const char *condition)
    __attribute__((noreturn, cold));

#ifdef BAMBOO_DEBUG
#define VM_ASSERT(condition)                                                   \
  ((condition) ? (void)0 : vm_assert_failed(__FILE__, __LINE__, #condition))
#else
#define VM_ASSERT(condition) ((void)(0 && (condition)))
#endif

#endif
