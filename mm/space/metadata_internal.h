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

#include "mm/gc/heap_internal.h"

/* Reserves; MM_NO_MEMORY when no place can be had. */
enum mm_status mm_metadata_init(struct mm_heap *heap);

/* Gives everything back; harmless when mm_metadata_init failed. */
void mm_metadata_destroy(struct mm_heap *heap);

#endif
