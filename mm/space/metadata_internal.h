/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata space: an arena over a reservation below 4 GiB, so that the
 * address of a class fits the class word of its instances.
 *
 *   memory.start      cursor   committed                      limit
 *   | chunk | chunk | chunk |.......|      reserved             |
 *
 * Its own lock: any thread, at any time.  Freed as a whole with the heap.
 */
#ifndef MM_SPACE_METADATA_INTERNAL_H
#define MM_SPACE_METADATA_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/gc/heap_internal.h"

/*
 * Reserves metadata_max_bytes of the options, or, when that is 0, as much as
 * the address space grants.  Errors, with a text: MM_BAD_OPTION,
 * MM_NO_MEMORY.
 */
enum mm_status mm_metadata_init(struct mm_heap *heap, struct mm_error *error);

/* What the space holds: in all, and as it was asked for. */
struct mm_metadata_stat {
  struct mm_alloc_stats alloc;
  uint64_t reserved_bytes, committed_bytes, requested_bytes;
};
void mm_metadata_stat(struct mm_heap *heap, struct mm_metadata_stat *stat);

/* Null, or what is wrong. */
const char *mm_metadata_check(struct mm_heap *heap);

/* Gives everything back; harmless when mm_metadata_init failed. */
void mm_metadata_destroy(struct mm_heap *heap);

#endif
