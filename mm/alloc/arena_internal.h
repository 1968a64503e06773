/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face that all allocators have, of an arena (class "arena"; its blocks
 * cannot be freed one by one).  Destroying it destroys the arena.
 */
#ifndef MM_ALLOC_ARENA_INTERNAL_H
#define MM_ALLOC_ARENA_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/alloc/arena.h"

struct mm_allocator *mm_arena_base(struct mm_arena *arena);

#endif
