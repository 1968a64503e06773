/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles of a heap: their directory, chunks and lists; what the collector
 * does with them.
 *
 *   directory   root -> leaf -> chunk, by number; grows, never shrinks
 *   unused      chunks that mutators left when they were detached
 *   shared      per kind (global, weak): its chunks, its free slots (threaded
 *               through them, last freed first), and which chunks may hold a
 *               reference to a young object
 *
 * `lock' guards all that but the slots of local handles, which are their
 * mutator's; with the world stopped the collector owns everything.  It is held
 * for a few instructions, or for an allocation of native memory, and never
 * across a safepoint.  It comes after heap.lock.
 *
 * Note [Young handles]
 *
 * A young collection need not visit the global handle of an old object, and
 * there may be a million.  So a chunk is put on a list when a handle of a young
 * object is made in it, and a young collection visits just those on the list,
 * and takes off it what names none any more.  It is exact enough: objects get
 * no younger.  Only with candidates (mm/gc/candidates_internal.h) old objects
 * move in such a pause as well: then, and in any other collection, all chunks
 * are visited.
 */
#ifndef MM_REFS_HANDLES_INTERNAL_H
#define MM_REFS_HANDLES_INTERNAL_H

#include "mm/handle_inline.h"

#include <pthread.h>

struct mm_origin;
struct mm_origins;

/* Who made, and who deleted, the handles of a chunk; null: not known. */
struct mm_handle_notes {
  struct mm_origin *made[MM_HANDLE_CHUNK_SLOTS];
  struct mm_origin *deleted[MM_HANDLE_CHUNK_SLOTS];
};

/* Global or weak handles. */
struct mm_shared_handles {
  struct mm_handle_chunk *first;
  struct mm_handle_chunk *first_young; /* See Note [Young handles]. */
  uint32_t free; /* index of a free slot, and 1 more; 0: none */
  uint64_t live, peak, created;
};

struct mm_handles {
  pthread_mutex_t lock;
  struct mm_handle_chunk ***directory;
  uint32_t chunk_count; /* atomic */
  struct mm_handle_chunk *unused;
  struct mm_shared_handles shared[MM_HANDLE_KIND_COUNT];
  bool visits_young_only; /* this collection: see Note [Young handles] */
  uint64_t local_created; /* by mutators that were detached */
  uint64_t local_peak;
  struct mm_origins *origins; /* options.handle_origins */
};

/* False: no memory.  mm_handles_destroy undoes it, also when it failed. */
bool mm_handles_init(struct mm_heap *heap);
void mm_handles_destroy(struct mm_heap *heap);

/* heap.lock is held. */
void mm_handles_attach(struct mm_heap *heap, struct mm_mutator *mutator);
void mm_handles_detach(struct mm_heap *heap, struct mm_mutator *mutator);

/* World stopped: the local handles of one mutator; the global ones; the weak
   ones. */
void mm_locals_visit(struct mm_mutator *mutator,
                     struct mm_root_visitor *visitor);
void mm_globals_visit(struct mm_heap *heap, struct mm_root_visitor *visitor);
void mm_weaks_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor);

/* A young collection begins: does it leave old objects where they are? */
void mm_handles_begin_young(struct mm_heap *heap, bool young_only);
void mm_handles_end_young(struct mm_heap *heap);

/* Do lists, counts and slots agree?  World stopped. */
bool mm_handles_check(const struct mm_heap *heap);

/* Is it in a region of young objects?  False for null. */
bool mm_handle_is_young(const struct mm_heap *heap, struct mm_ref ref);

/* Below the top of a mutator. */
uint32_t mm_locals_used(const struct mm_mutator *mutator);
uint32_t mm_locals_live(const struct mm_mutator *mutator);
uint32_t mm_locals_peak(const struct mm_mutator *mutator);

/* Gives back what is kept for frames to push. */
void mm_frames_drop_spare(struct mm_mutator *mutator);

/* Chunks -------------------------------------------------------------------
 */

/* A chunk for `owner', from the pool or new; null: no memory, or no number is
   left.  The lock is held. */
struct mm_handle_chunk *mm_chunk_take_locked(struct mm_heap *heap,
                                             uintptr_t owner,
                                             enum mm_handle_kind kind);

/* Origins ------------------------------------------------------------------
 */

/* Who runs now, as one text; the lock is not held, and it is a running
   mutator. */
enum { MM_ORIGIN_BYTES = 256 };
void mm_origin_text(struct mm_mutator *mutator, char *text, size_t text_bytes);

/* Notes that the handle with this index was made, or deleted, by `text'. What
   there is no memory for is not known then. */
void mm_origin_made_locked(struct mm_heap *heap, uint32_t index,
                           const char *text);
void mm_origin_deleted_locked(struct mm_heap *heap, uint32_t index,
                              const char *text);

/* The origin of that text.  Null: no memory. */
struct mm_origin *mm_origin_find_locked(struct mm_heap *heap, const char *text);

/* The text; null: not known.  The lock is held, or the world stopped. */
const char *mm_origin_of_made(const struct mm_handle_chunk *chunk,
                              uint32_t index);
const char *mm_origin_of_deleted(const struct mm_handle_chunk *chunk,
                                 uint32_t index);

void mm_origins_destroy(struct mm_heap *heap);

#endif
