/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata space: an arena over a reservation below 4 GiB, so that the
 * address of a class fits the class word of its instances.
 *
 *   memory.start      cursor   committed                      limit
 *   | chunk | chunk | chunk |.......|      reserved             |
 *
 * The arena is freed as a whole with the heap; arenas of owners, from the same
 * reservation, when they are destroyed (metadata_arenas.c).
 *
 * Its own lock: any thread, at any time.
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

/* World stopped, before mark bits are cleared: what died before and was not
   swept yet may be of classes whose metadata is to be freed. */
void mm_metadata_settle(struct mm_heap *heap);

/* World stopped: a collection of the whole heap has ended. */
void mm_metadata_collected(struct mm_heap *heap);

/* Between the two files.  A chunk for an arena, from what is free below the
   cursor, or null; and back.  Under the lock. */
void *mm_metadata_take_span(struct mm_metadata_space *space, size_t bytes);
void mm_metadata_give_span(struct mm_metadata_space *space, void *at,
                           size_t bytes);
void mm_metadata_add_arenas(struct mm_metadata_space *space,
                            struct mm_metadata_stat *stat);
const char *mm_metadata_check_arenas(struct mm_metadata_space *space);
void mm_metadata_destroy_arenas(struct mm_metadata_space *space);

/* Gives everything back; harmless when mm_metadata_init failed. */
void mm_metadata_destroy(struct mm_heap *heap);

#endif
