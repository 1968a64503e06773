/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with two addresses: each byte can be written at the one and run at
 * the other.
 *
 *   one reservation   [ write view        |        run view ]
 *                        \                           /
 *   shared memory         [ pages, where committed  ]
 *
 *   write view: no access, or read and write
 *   run view:   no access, or read and run
 *
 * No page is ever writable and executable, not even for a moment.  Pages exist
 * from commit to uncommit, so that there is no touch that the machine has no
 * page for.
 *
 * A child after fork has the run view and no write view.  Commit and uncommit
 * are for the process that created it, and fail in others.
 *
 * Each function takes whole pages; offsets count from the start of a view.
 * Locks: the owner's.
 */
#ifndef MM_OS_DUAL_INTERNAL_H
#define MM_OS_DUAL_INTERNAL_H

#include "mm/mm.h"

#include <sys/types.h>

struct mm_dual {
  pid_t process; /* whose it is */
  uintptr_t write_base, run_base;
  uint64_t bytes; /* of each view */
};

/*
 * Reserves two views of `bytes`.  On failure *refused says in words what the
 * system did not do, errno why, and nothing is left behind: MM_NO_MEMORY when
 * it lacks memory or address space, MM_OS_FAILED when it forbids.
 */
enum mm_status mm_dual_create(uint64_t bytes, struct mm_dual *dual,
                              const char **refused);

/* Makes both views usable; content: zero, or what it was if it was usable. */
enum mm_status mm_dual_commit(struct mm_dual *dual, uint64_t offset,
                              uint64_t bytes);

/* Gives the memory back and keeps the addresses. */
enum mm_status mm_dual_uncommit(struct mm_dual *dual, uint64_t offset,
                                uint64_t bytes);

/* Is this a child of the process that created it? */
bool mm_dual_is_inherited(const struct mm_dual *dual);

/* Gives everything back; in a child, what the child has of it. */
void mm_dual_destroy(struct mm_dual *dual);

#endif
