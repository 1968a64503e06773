/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions of the memory manager, and the end of the line.
 *
 * MM_ASSERT states an invariant and is compiled in debug builds only; it is
 * never used for what the outside can cause (no memory, bad options): that is
 * a status.  mm_fatal ends the process when the heap is known to be broken.
 *
 * Include after config.h.
 */
#ifndef MM_ASSERT_INTERNAL_H
#define MM_ASSERT_INTERNAL_H

struct mm_heap;

/* The exit status of an internal failure. */
enum { MM_FATAL_STATUS = 70 };

/*
 * Writes the message, the state of the heap and its options to stderr (what a
 * report of the bug needs), flushes the streams and ends the process with
 * MM_FATAL_STATUS.  `heap` may be null.  Runs no exit handlers: other threads
 * may be stopped in the middle of anything.
 */
void mm_fatal(struct mm_heap *heap, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn, cold));

#ifdef BAMBOO_DEBUG
#define MM_ASSERT(condition)                                                   \
  ((condition) ? (void)0                                                       \
               : mm_fatal(0, "%s:%d: %s does not hold", __FILE__, __LINE__,    \
                          #condition))
#else
#define MM_ASSERT(condition) ((void)(0 && (condition)))
#endif

#endif
