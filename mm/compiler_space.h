/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of compilations: each has an arena while it runs, and gives all of it
 * back at once when it ends, however it ends.
 *
 *   struct mm_arena *arena = mm_compilation_begin(heap);
 *   node = mm_arena_alloc(arena, sizeof *node);      null: no memory
 *   mm_compilation_end(heap, arena);
 *
 * All compilations together take at most compiler_max_bytes of the options;
 * beyond that mm_arena_alloc returns null, and the compilation ends.  Memory
 * that ended ones leave is kept for the next, up to a bound.
 *
 * Any number of compilations may run, each on one thread at a time, mutator or
 * not.  No function is a safepoint.  Next: alloc/arena.h.
 */
#ifndef MM_COMPILER_SPACE_H
#define MM_COMPILER_SPACE_H

#include "mm/alloc/arena.h"
#include "mm/mm.h"

/* An empty arena in the compiler space; null when there is no memory.  It is
   the caller's until mm_compilation_end, and does not outlive the heap. */
struct mm_arena *mm_compilation_begin(struct mm_heap *heap);

/* Frees everything that the compilation allocated.  Null is allowed. */
void mm_compilation_end(struct mm_heap *heap, struct mm_arena *arena);

#endif
