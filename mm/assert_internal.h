/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MM_ASSERT states an invariant.  It is checked in a debug build and costs
 * nothing, but still has to compile, in any other.  What can go wrong outside
 * of the memory manager is a status, never an assertion.
 */
#ifndef MM_ASSERT_INTERNAL_H
#define MM_ASSERT_INTERNAL_H

#ifdef BAMBOO_DEBUG
#include <stdio.h>
#include <stdlib.h>

#define MM_ASSERT(condition)                                             \
  ((condition) ? (void)0 : mm_assert_failed(#condition, __FILE__, __LINE__))

static inline _Noreturn void mm_assert_failed(const char *condition,
                                              const char *file, int line) {
  fprintf(stderr, "%s:%d: MM_ASSERT(%s) does not hold\n", file, line,
          condition);
  abort();
}
#else
#define MM_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#endif
