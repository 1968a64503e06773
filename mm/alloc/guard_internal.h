/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: an allocator around another one that notices misuse.
 *
 *   block of the other allocator
 *   | (gap) | head              | what is handed out | canary          |
 *             sign size purpose   `bytes` of it        16 bytes or more
 *
 *   alloc --> live --free--> quarantined --64 frees later--> the other's free
 *                            (filled with poison)
 *
 *   misuse                       noticed
 *   free of what is no block     at once
 *   free for the second time     at once, or as "no block" once the block has
 *                                left the quarantine
 *   write before the block       when it is freed, or at a check
 *   write behind the block       when it is freed, or at a check
 *   write after the free         when it leaves the quarantine, or at a check
 *   wrong size or purpose        when it is freed
 *
 * Each is told with the block's address, size and purpose.  If the report
 * returns, a block whose head cannot be trusted is left alone, and any other
 * is freed as if nothing had been wrong.
 *
 * Where AddressSanitizer watches, canaries and quarantined blocks are poisoned,
 * and reads are noticed too.
 *
 * A lock of its own; the other allocator is not called under it, and needs a
 * lock of its own to be shared.
 */
#ifndef MM_ALLOC_GUARD_INTERNAL_H
#define MM_ALLOC_GUARD_INTERNAL_H

#include "mm/alloc/allocator_internal.h"

#include <pthread.h>

enum mm_guard_fault {
  MM_GUARD_NO_BLOCK,
  MM_GUARD_FREED_TWICE,
  MM_GUARD_UNDERRUN,
  MM_GUARD_OVERRUN,
  MM_GUARD_USED_AFTER_FREE,
  MM_GUARD_WRONG_SIZE,
  MM_GUARD_WRONG_PURPOSE,
};

enum {
  MM_GUARD_QUARANTINE = 64,            /* blocks */
  MM_GUARD_QUARANTINE_BYTES = 1 << 18, /* of them together, at most */
};

/* Size and purpose that are not known at a free, and so not compared. */
#define MM_GUARD_ANY_BYTES SIZE_MAX
#define MM_GUARD_ANY_PURPOSE UINT32_MAX

/* Hears of a fault.  `text` names the block, its size and its purpose. */
typedef void mm_guard_report(void *context, enum mm_guard_fault fault,
                             const char *text);

struct mm_guard_head;

struct mm_guard {
  struct mm_allocator allocator; /* first: class "guard" */
  struct mm_allocator *inner;
  mm_guard_report *report;
  void *report_context;
  pthread_mutex_t lock;
  struct mm_guard_head *live; /* all blocks handed out */
  uint64_t live_blocks;
  struct mm_guard_head *quarantine[MM_GUARD_QUARANTINE]; /* a ring */
  uint32_t oldest, quarantined;
  uint64_t quarantined_bytes;
};

/* Guards `inner`, whose blocks are at least 16-byte aligned and which goes
   with the guard.  `report` null: a fault ends the process. */
void mm_guard_init(struct mm_guard *guard, struct mm_allocator *inner,
                   mm_guard_report *report, void *context);

void *mm_guard_alloc(struct mm_guard *guard, uint32_t purpose, size_t bytes);

void *mm_guard_alloc_aligned(struct mm_guard *guard, uint32_t purpose,
                             size_t bytes, size_t align);

/* `purpose` and `bytes` as they were asked for, or MM_GUARD_ANY_*. */
void mm_guard_free(struct mm_guard *guard, uint32_t purpose, void *block,
                   size_t bytes);

/* Ends the quarantine of all blocks. */
void mm_guard_flush(struct mm_guard *guard);

/* Around a fork. */
void mm_guard_lock(struct mm_guard *guard);
void mm_guard_unlock(struct mm_guard *guard);

#endif
