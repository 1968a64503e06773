/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator with the face that all allocators have (class "bump"): one
 * piece of memory of a fixed size, handed out from its start, freed at once.
 *
 *   | block | block | block |   free        |      bits: starts_internal.h
 *   start                   cursor          limit
 *
 * No locks of its own.  For the bare cursor see bump_internal.h.
 */
#ifndef MM_ALLOC_BUMP_ALLOCATOR_INTERNAL_H
#define MM_ALLOC_BUMP_ALLOCATOR_INTERNAL_H

#include "mm/alloc/allocator_internal.h"

/* Takes `bytes`, rounded up to spans, from the source.  Null: no memory. */
struct mm_allocator *mm_bump_allocator_create(struct mm_source *source,
                                              size_t bytes);

/* Frees all blocks; the memory stays. */
void mm_bump_allocator_reset(struct mm_allocator *allocator);

#endif
