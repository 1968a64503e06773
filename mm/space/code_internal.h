/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code space: a dual mapping (os/dual_internal.h) with the code allocator
 * (alloc/code_internal.h) on it, behind a lock.  The functions for the host
 * are in mm/code.h.
 *
 * It is made when the host asks for it: a program that only interprets needs
 * no executable memory, and runs where none is to be had.
 *
 * Its lock is a leaf but for native memory, which is taken and given under it.
 */
#ifndef MM_SPACE_CODE_INTERNAL_H
#define MM_SPACE_CODE_INTERNAL_H

#include "mm/alloc/code_internal.h"
#include "mm/os/dual_internal.h"

#include <pthread.h>

struct mm_code_space {
  pthread_mutex_t lock;
  bool started; /* atomic; once true for good */
  struct mm_dual dual;
  struct mm_code_source source;
  struct mm_code_allocator *allocator;
  uint64_t committed_bytes, peak_committed_bytes;
};

/* Before and after everything else here. */
void mm_code_space_init(struct mm_code_space *space);
void mm_code_space_destroy(struct mm_code_space *space);

/* Can the space have this limit?  MM_BAD_OPTION with a text if not. */
enum mm_status mm_code_space_check_limit(uint64_t bytes,
                                         struct mm_error *error);

/* For statistics and tests; does nothing and returns false when the space
   has not been started. */
struct mm_code_space_stat {
  struct mm_alloc_stats alloc;
  struct mm_code_allocator_counts counts;
  uint64_t reserved_bytes, committed_bytes, peak_committed_bytes;
};
bool mm_code_space_stat(struct mm_code_space *space,
                        struct mm_code_space_stat *stat);

/* Null, or what is wrong. */
const char *mm_code_space_check(struct mm_code_space *space);

#endif
