/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of executable memory: blocks aligned to 16 bytes, of any
 * size, coalesced as they are freed, and the block of any address inside it.
 *
 *   offset 0                                                 reserved_bytes
 *   | block | free | block | block |             free              |
 *      |       |      |                 every byte belongs to one descriptor
 *      v       v      v
 *     [d] <-> [d] <-> [d] <-> ...       below, above: neighbours by address
 *
 * Nothing is kept inside the memory itself: what runs is not data, and who
 * finds a way to write to it does not find the allocator's lists there.
 *
 * Free blocks stand in lists by size: exact below 8 granules, then eight per
 * doubling; a bit per list says which have any (two-level segregated fit,
 * Masmano, Ripoll, Crespo and Real 2004, in one level of bits).  Allocating
 * and freeing take O(1) steps beside filling and committing.  Only a request
 * that no larger list can serve looks through the list of its own size.
 *
 * An address is looked up by chunks of 512 bytes: which chunks have a block
 * that starts there is a set of numbers (numbers_internal.h), the last one of
 * each is in `last_start`; blocks of the same chunk are passed one by one.
 *
 * Memory is committed and given back in units of 64 KiB.  A unit without a
 * used byte is idle; when there are many, the highest ones go back.  Free
 * bytes of committed units hold trapping instructions.
 *
 * Invariants (the class's `check`)
 *   the descriptors cover [0, reserved_bytes) without gap or overlap;
 *   no two neighbours are free; every free one is in the list of its size;
 *   units that a used block touches are committed;
 *   each used block is found by its first and by its last address.
 *
 * Locks: the owner's.  Next: space/code.c.
 */
#ifndef MM_ALLOC_CODE_INTERNAL_H
#define MM_ALLOC_CODE_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/code.h"

/* The most that one allocator manages. */
#define MM_CODE_MOST_BYTES ((uint64_t)1 << 30)

/* Where the memory is, and how it is made usable.  Sizes and offsets are
   multiples of MM_SPAN_BYTES; what was committed has any content. */
struct mm_code_source {
  uintptr_t write_base; /* of the view that is written */
  uintptr_t run_base;   /* of the view that is run; 4096-byte aligned */
  uint64_t reserved_bytes;
  enum mm_status (*commit)(struct mm_code_source *source, uint64_t offset,
                           uint64_t bytes);
  enum mm_status (*uncommit)(struct mm_code_source *source, uint64_t offset,
                             uint64_t bytes);
  /* The processor is to see the instructions that were written here; not in
     units, and committed. */
  void (*flush)(struct mm_code_source *source, uint64_t offset, uint64_t bytes);
};

/* Beside what all allocators tell. */
struct mm_code_allocator_counts {
  uint64_t requested_bytes; /* of the used blocks, as they were asked for */
  uint64_t free_blocks;
};

struct mm_code_allocator;

/* Nothing is committed yet.  Null: no memory for the tables. */
struct mm_code_allocator *
mm_code_allocator_create(struct mm_code_source *source);

/* Null is allowed. */
void mm_code_allocator_destroy(struct mm_code_allocator *allocator);

/* The face that all allocators have (class "code"): blocks without an owner,
   by their executable addresses. */
struct mm_allocator *
mm_code_allocator_base(struct mm_code_allocator *allocator);

/* As mm_code_alloc, mm_code_free, mm_code_find and mm_code_walk; free only
   takes the start of a block. */
enum mm_status mm_code_allocator_alloc(struct mm_code_allocator *allocator,
                                       size_t bytes, size_t align, void *owner,
                                       struct mm_code *code);
void mm_code_allocator_free(struct mm_code_allocator *allocator,
                            const void *run);
bool mm_code_allocator_find(struct mm_code_allocator *allocator,
                            const void *address, struct mm_code *code);
void mm_code_allocator_walk(struct mm_code_allocator *allocator,
                            void (*visit)(void *context,
                                          const struct mm_code *code),
                            void *context);

/*
 * Gives back what is beyond the first `bytes` of a block; returns the block's
 * new size.  Without memory for a descriptor the block keeps its tail.
 */
size_t mm_code_allocator_trim(struct mm_code_allocator *allocator,
                              const void *run, size_t bytes);

void mm_code_allocator_count(struct mm_code_allocator *allocator,
                             struct mm_code_allocator_counts *counts);

#endif
