/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all allocators of memory blocks have in common, so that a space or the
 * runtime can be given another one by configuration.
 *
 *   user -- alloc, free --> allocator -- take, give --> source (a reservation)
 *
 * An allocator is a struct that begins with a struct mm_allocator; its class
 * is a table of functions.  What it lacks (an arena cannot free one block) is
 * null in the table, and mm_allocator_can_free says so.
 *
 * A source hands out whole spans of memory inside one range of addresses, so
 * that an allocator can keep a side table indexed by address.
 *
 * Locks: each allocator tells whether it has its own.
 */
#ifndef MM_ALLOC_ALLOCATOR_INTERNAL_H
#define MM_ALLOC_ALLOCATOR_INTERNAL_H

#include "mm/mm.h"

#include <stddef.h>

enum {
  MM_SPAN_LOG2 = 16,
  MM_SPAN_BYTES = 1 << MM_SPAN_LOG2, /* what sources count in */
  MM_BLOCK_ALIGN = 16, /* of a block, unless more is asked for; slots align
                          one whose size is no multiple of it to 8 */
};

/* Where an allocator gets its memory. */
struct mm_source {
  uintptr_t base; /* all of it lies in [base, base + reserved_bytes) */
  uint64_t reserved_bytes;
  /* Zeroed readable and writable memory of a multiple of MM_SPAN_BYTES,
     aligned to MM_SPAN_BYTES.  0 when a limit or the machine refuses. */
  uintptr_t (*take)(struct mm_source *source, size_t bytes);
  /* Gives back what one `take` returned, whole. */
  void (*give)(struct mm_source *source, uintptr_t at, size_t bytes);
};

/* What an allocator holds.  All in bytes but `blocks`. */
struct mm_alloc_stats {
  uint64_t held_bytes;         /* taken from the source */
  uint64_t used_bytes;         /* of blocks handed out, as large as they are */
  uint64_t blocks;             /* handed out */
  uint64_t free_bytes;         /* that blocks could be made of; the rest of
                                  held_bytes is the allocator's own: heads */
  uint64_t largest_free_bytes; /* the largest block to be had without `take` */
};

struct mm_allocator;

typedef void mm_block_visit(void *context, void *block, size_t bytes);

struct mm_allocator_class {
  const char *name; /* "freelist", ... */
  /* A block of at least `bytes`, of any content; null when there is none. */
  void *(*alloc)(struct mm_allocator *allocator, size_t bytes);
  /* The same at a multiple of `align`, a power of two. */
  void *(*alloc_aligned)(struct mm_allocator *allocator, size_t bytes,
                         size_t align);
  void (*free)(struct mm_allocator *allocator, void *block);
  /* Bytes that the holder of the block may use. */
  size_t (*block_bytes)(struct mm_allocator *allocator, const void *block);
  /* Is this the start of a block that is handed out?  Any address at all. */
  bool (*is_block)(struct mm_allocator *allocator, const void *address);
  /* Each block that is handed out, once. */
  void (*walk)(struct mm_allocator *allocator, mm_block_visit *visit,
               void *context);
  void (*stats)(struct mm_allocator *allocator, struct mm_alloc_stats *stats);
  /* Are all structures sound?  Null, or the text of what is wrong. O(all). */
  const char *(*check)(struct mm_allocator *allocator);
  /* Gives everything back to the source, blocks and all. */
  void (*destroy)(struct mm_allocator *allocator);
};

struct mm_allocator {
  const struct mm_allocator_class *class;
};

static inline void *mm_allocator_alloc(struct mm_allocator *allocator,
                                       size_t bytes)
{
  return allocator->class->alloc(allocator, bytes);
}

static inline void *mm_allocator_alloc_aligned(struct mm_allocator *allocator,
                                               size_t bytes, size_t align)
{
  return allocator->class->alloc_aligned(allocator, bytes, align);
}

static inline bool mm_allocator_can_free(const struct mm_allocator *allocator)
{
  return allocator->class->free != NULL;
}

static inline void mm_allocator_free(struct mm_allocator *allocator,
                                     void *block)
{
  if (block)
    allocator->class->free(allocator, block);
}

static inline size_t mm_allocator_block_bytes(struct mm_allocator *allocator,
                                              const void *block)
{
  return allocator->class->block_bytes(allocator, block);
}

static inline bool mm_allocator_is_block(struct mm_allocator *allocator,
                                         const void *address)
{
  return allocator->class->is_block(allocator, address);
}

static inline void mm_allocator_walk(struct mm_allocator *allocator,
                                     mm_block_visit *visit, void *context)
{
  allocator->class->walk(allocator, visit, context);
}

static inline void mm_allocator_stats(struct mm_allocator *allocator,
                                      struct mm_alloc_stats *stats)
{
  *stats = (struct mm_alloc_stats){0};
  allocator->class->stats(allocator, stats);
}

static inline const char *mm_allocator_check(struct mm_allocator *allocator)
{
  return allocator->class->check(allocator);
}

static inline void mm_allocator_destroy(struct mm_allocator *allocator)
{
  if (allocator)
    allocator->class->destroy(allocator);
}

#endif
