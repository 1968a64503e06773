/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object space: regions of objects of up to half a region, which the
 * collector may move.
 *
 *   small region   [objects .. | chunk | chunk | ...           ]
 *                  start                       top           end
 *
 * A region is filled from its start; what an allocator wants is cut off at
 * top.  TLABs and the collector's buffers are chunks of one region that all
 * threads share; objects too large for a TLAB share another one, whose rest
 * goes on offer to TLABs once an object does not fit.  The rests of regions
 * after a compaction are on offer in the same way (the partial regions).
 *
 * Invariants: a region on the list of partial ones has the flag and at least
 * PARTIAL_MIN_BYTES left; [start, top) can be walked once every chunk that was
 * cut has been filled or ended by mm_object_chunk_end.
 *
 * Locks: as region_internal.h.
 */
#ifndef MM_SPACE_OBJECT_INTERNAL_H
#define MM_SPACE_OBJECT_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Objects larger than this are large objects. */
enum { MM_SMALL_OBJECT_MAX_BYTES = MM_REGION_BYTES / 2 };

/* Regions of this age are left alone from now on. */
void mm_object_space_reset(struct mm_heap *heap, enum mm_age age);
void mm_object_spaces_reset(struct mm_heap *heap);

/*
 * Cuts a chunk for objects of this age, of `want` bytes, or of what a region
 * has left if that is at least `min`; both at most half a region.  Takes a
 * region when no more than `limit` are used then.  `zeroed`: the chunk has to
 * be zero.
 */
enum mm_status mm_object_chunk_cut(struct mm_heap *heap, enum mm_age age,
                                   size_t min_bytes, size_t want_bytes,
                                   uint32_t limit, bool zeroed,
                                   struct mm_bump *chunk);

/* Ends a chunk: what was not used goes back to the region or is filled.
   Returns the bytes that a filler took. */
size_t mm_object_chunk_end(struct mm_heap *heap, struct mm_bump *chunk);

/* Zeroed memory for one object that is too large for a TLAB. */
enum mm_status mm_object_cut_medium(struct mm_heap *heap, enum mm_age age,
                                    size_t bytes, uint32_t limit, bool zeroed,
                                    uintptr_t *at);

/* A region is or becomes young, or old: cards, lists. */
void mm_object_add_young(struct mm_heap *heap, uint32_t index, enum mm_age age);
void mm_object_make_tenured(struct mm_heap *heap, uint32_t index);

/* After a collection of all objects, all that are left are old.  What is fixed
   has to be swept: cards are scanned with all the objects in them, and a dead
   one may refer to what is gone. */
void mm_objects_make_all_old(struct mm_heap *heap);

/* Takes a region off the list of those on offer. */
void mm_object_withdraw(struct mm_heap *heap, uint32_t index);

/* Nothing of it has to be copied to any more: the list of targets is empty. */
void mm_objects_forget_targets(struct mm_heap *heap);

/* Puts what a region has left on offer, if that is worth it. */
void mm_object_offer_rest(struct mm_heap *heap, uint32_t index);

#endif
