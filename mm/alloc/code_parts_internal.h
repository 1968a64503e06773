/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the code allocator; see code_internal.h for the whole.
 *
 *   code.c         blocks: look up, cut, merge; creation
 *   code_fit.c     the store of descriptors, the lists of free blocks
 *   code_memory.c  units: commit, give back, fill with traps
 *   code_face.c    the common interface, statistics, the check
 */
#ifndef MM_ALLOC_CODE_PARTS_INTERNAL_H
#define MM_ALLOC_CODE_PARTS_INTERNAL_H

#include "mm/alloc/code_internal.h"
#include "mm/alloc/numbers_internal.h"

enum {
  MM_CODE_ALIGN_MOST = 4096,
  MM_CODE_LISTS = 200,      /* up to MM_CODE_MOST_BYTES */
  MM_CODE_STORE_NEEDED = 3, /* two cuts to allocate, one to trim */
};

/* A block, used or free. */
struct mm_code_block {
  struct mm_code_block *below, *above;   /* by address */
  struct mm_code_block *next, *previous; /* free: of its list; next: of the
                                            store */
  uint64_t offset, bytes;
  uint64_t requested_bytes;
  void *owner;
  bool used;
};

/* 64 KiB of memory. */
struct mm_code_unit {
  uint32_t used_bytes;
  bool committed;
};

struct mm_code_allocator {
  struct mm_allocator base;
  struct mm_code_source *source;
  struct mm_code_block *lowest;
  struct mm_code_block *store; /* descriptors of no block */
  uint32_t store_count;
  uint32_t unit_count, committed_units, idle_units;
  struct mm_code_unit *units;
  struct mm_numbers starts;          /* chunks where a used block starts */
  struct mm_code_block **last_start; /* of each of them the last one */
  void *tables;                      /* the mapping of the three */
  uint64_t tables_bytes;
  uint64_t used_bytes, used_blocks, requested_bytes;
  uint64_t lists_filled[(MM_CODE_LISTS + 63) / 64];
  struct mm_code_block *lists[MM_CODE_LISTS];
};

/* Descriptors.  Filled up to MM_CODE_STORE_NEEDED, taking cannot fail. */
bool mm_code_store_fill(struct mm_code_allocator *allocator, uint32_t count);
struct mm_code_block *mm_code_store_take(struct mm_code_allocator *allocator);
void mm_code_store_put(struct mm_code_allocator *allocator,
                       struct mm_code_block *block);

/* Free blocks by size. */
uint32_t mm_code_list_of(uint64_t bytes);
void mm_code_list_put(struct mm_code_allocator *allocator,
                      struct mm_code_block *block);
void mm_code_list_remove(struct mm_code_allocator *allocator,
                         struct mm_code_block *block);

/* A free block with `bytes` at a multiple of `align`, or null. */
struct mm_code_block *mm_code_find_free(struct mm_code_allocator *allocator,
                                        uint64_t bytes, size_t align);

/* How much of the block comes before the next multiple of `align`. */
uint64_t mm_code_gap_before(const struct mm_code_allocator *allocator,
                            const struct mm_code_block *block, size_t align);

/* Commits what is not in the units that [offset, offset + bytes) touches. */
enum mm_status mm_code_commit(struct mm_code_allocator *allocator,
                              uint64_t offset, uint64_t bytes);

/* These bytes become used, or unused. */
void mm_code_account(struct mm_code_allocator *allocator, uint64_t offset,
                     uint64_t bytes, bool used);

/* Gives back idle units when there are many. */
void mm_code_return_memory(struct mm_code_allocator *allocator);

/* Gives back all units, used or not. */
void mm_code_uncommit_all(struct mm_code_allocator *allocator);

/* Writes trapping instructions. */
void mm_code_fill_with_traps(struct mm_code_allocator *allocator,
                             uint64_t offset, uint64_t bytes);

static inline bool mm_code_is_idle(const struct mm_code_unit *unit)
{
  return unit->committed && unit->used_bytes == 0;
}

/* Bytes of [offset, end) in this unit. */
static inline uint32_t mm_code_part_in(uint64_t unit, uint64_t offset,
                                       uint64_t end)
{
  uint64_t from = unit * MM_SPAN_BYTES, to = from + MM_SPAN_BYTES;
  if (from < offset)
    from = offset;
  if (to > end)
    to = end;
  return (uint32_t)(to - from);
}

/* The used block with the byte at `offset`, or null. */
struct mm_code_block *
mm_code_find_offset(const struct mm_code_allocator *allocator, uint64_t offset);

/* The used block that starts here; any other address is the caller's fault. */
struct mm_code_block *
mm_code_block_at(const struct mm_code_allocator *allocator, const void *run);

/* The class of all code allocators. */
extern const struct mm_allocator_class mm_code_allocator_class;

#endif
