/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: memory that is given back all at once, or back to a mark.
 *
 *   chunk  <-  chunk  <-  chunk          newest last; blocks are cut from the
 *   [blocks...][blocks  ][blocks |free]  newest by moving a cursor
 *
 * Chunks come from a source: the machine's memory, or a reservation such as
 * that of the metadata.  Chunks grow with the arena; a block larger than a
 * megabyte gets a chunk of its own, and when the source has no large chunk
 * left, smaller ones do.  Freeing all costs O(chunks).
 *
 * One thread at a time.  After Hanson, "Fast allocation and deallocation of
 * memory based on object lifetimes", 1990.
 */
#ifndef MM_ARENA_H
#define MM_ARENA_H

#include <stddef.h>

/* Where chunks come from.  `take` returns 16-byte aligned memory or null;
   its content is of no matter. */
struct mm_arena_source {
  void *(*take)(struct mm_arena_source *source, size_t bytes);
  void (*give)(struct mm_arena_source *source, void *chunk, size_t bytes);
};

struct mm_arena;
struct mm_arena_chunk;

/* A point to go back to. */
struct mm_arena_mark {
  struct mm_arena_chunk *chunk;
  size_t used_bytes;
};

/* An empty arena, or null when there is no memory.  `source` null: the
   machine's memory. */
struct mm_arena *mm_arena_create(struct mm_arena_source *source);

/* `bytes` of zeroed memory, 16-byte aligned, valid until the arena is
   destroyed or rewound; null when there is no memory. */
void *mm_arena_alloc(struct mm_arena *arena, size_t bytes);

/* The same at a multiple of `align`, a power of two. */
void *mm_arena_alloc_aligned(struct mm_arena *arena, size_t bytes,
                             size_t align);

/* Everything allocated after the mark was taken is given back. */
struct mm_arena_mark mm_arena_mark(const struct mm_arena *arena);
void mm_arena_rewind(struct mm_arena *arena, struct mm_arena_mark mark);

/* Bytes taken from the source. */
size_t mm_arena_bytes(const struct mm_arena *arena);

/* Null is allowed. */
void mm_arena_destroy(struct mm_arena *arena);

#endif
