/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which free block serves a request, and descriptors to cut it with; see
 * code_internal.h.
 *
 * Descriptors come from native memory.  Some are kept in store, so that
 * cutting a block cannot fail half way; merging puts them there.
 */
#include "config.h"

#include "mm/alloc/code_parts_internal.h"

#include "mm/native.h"

enum {
  GRANULE_LOG2 = 4,
  STEPS_LOG2 = 3,
  STEPS = 1 << STEPS_LOG2, /* lists per doubling, and exact ones below */
  STORE_MOST = 16,
};

_Static_assert(MM_CODE_ALIGN == 1 << GRANULE_LOG2, "blocks are granules");

/* Descriptors ------------------------------------------------------------- */

void mm_code_store_put(struct mm_code_allocator *allocator,
                       struct mm_code_block *block)
{
  if (allocator->store_count >= STORE_MOST) {
    mm_native_free(MM_PURPOSE_CODE_TABLES, block, sizeof *block);
    return;
  }
  block->next = allocator->store;
  allocator->store = block;
  allocator->store_count++;
}

struct mm_code_block *mm_code_store_take(struct mm_code_allocator *allocator)
{
  struct mm_code_block *block = allocator->store;
  MM_ASSERT(block != NULL && allocator->store_count > 0);
  allocator->store = block->next;
  allocator->store_count--;
  *block = (struct mm_code_block){0};
  return block;
}

bool mm_code_store_fill(struct mm_code_allocator *allocator, uint32_t count)
{
  while (allocator->store_count < count) {
    struct mm_code_block *block =
        mm_native_alloc(MM_PURPOSE_CODE_TABLES, sizeof *block);
    if (!block)
      return false;
    mm_code_store_put(allocator, block);
  }
  return true;
}

/* Lists of free blocks ---------------------------------------------------- */

uint32_t mm_code_list_of(uint64_t bytes)
{
  uint64_t granules = bytes >> GRANULE_LOG2;
  MM_ASSERT(granules > 0);
  if (granules < STEPS)
    return (uint32_t)granules;
  uint32_t log2 = mm_numbers_highest_bit(granules);
  uint32_t step = (granules >> (log2 - STEPS_LOG2)) & (STEPS - 1);
  return (log2 - STEPS_LOG2 + 1) * STEPS + step;
}

/* The first list each of whose blocks has at least so many bytes. */
static uint32_t list_above(uint64_t bytes)
{
  uint64_t granules = bytes >> GRANULE_LOG2;
  if (granules < STEPS)
    return (uint32_t)granules;
  uint32_t log2 = mm_numbers_highest_bit(granules);
  uint64_t step = (uint64_t)1 << (log2 - STEPS_LOG2);
  return mm_code_list_of((granules + step - 1) << GRANULE_LOG2);
}

void mm_code_list_put(struct mm_code_allocator *allocator,
                      struct mm_code_block *block)
{
  uint32_t list = mm_code_list_of(block->bytes);
  MM_ASSERT(list < MM_CODE_LISTS && !block->used);
  block->previous = NULL;
  block->next = allocator->lists[list];
  if (block->next)
    block->next->previous = block;
  allocator->lists[list] = block;
  allocator->lists_filled[list / 64] |= (uint64_t)1 << list % 64;
}

void mm_code_list_remove(struct mm_code_allocator *allocator,
                         struct mm_code_block *block)
{
  uint32_t list = mm_code_list_of(block->bytes);
  MM_ASSERT(!block->used);
  if (block->next)
    block->next->previous = block->previous;
  if (block->previous)
    block->previous->next = block->next;
  else
    allocator->lists[list] = block->next;
  if (!allocator->lists[list])
    allocator->lists_filled[list / 64] &= ~((uint64_t)1 << list % 64);
  block->next = block->previous = NULL;
}

/* The first list from `list` on that is not empty; MM_CODE_LISTS: there is
 * none. */
static uint32_t next_filled(const struct mm_code_allocator *allocator,
                            uint32_t list)
{
  for (uint32_t word = list / 64; word < (MM_CODE_LISTS + 63) / 64; word++) {
    uint64_t bits = allocator->lists_filled[word];
    if (word == list / 64)
      bits &= UINT64_MAX << list % 64;
    if (bits)
      return word * 64 + (uint32_t)__builtin_ctzll(bits);
  }
  return MM_CODE_LISTS;
}

/* How much of the block comes before the next multiple of `align`. */
uint64_t mm_code_gap_before(const struct mm_code_allocator *allocator,
                            const struct mm_code_block *block, size_t align)
{
  return -(allocator->source->run_base + block->offset) & (align - 1);
}

/* A free block with `bytes` at a multiple of `align`, or null. */
struct mm_code_block *mm_code_find_free(struct mm_code_allocator *allocator,
                                        uint64_t bytes, size_t align)
{
  uint32_t above = list_above(bytes + align - MM_CODE_ALIGN);
  uint32_t list =
      above < MM_CODE_LISTS ? next_filled(allocator, above) : MM_CODE_LISTS;
  if (list < MM_CODE_LISTS)
    return allocator->lists[list];
  for (list = mm_code_list_of(bytes); list < above && list < MM_CODE_LISTS;
       list++)
    for (struct mm_code_block *block = allocator->lists[list]; block;
         block = block->next)
      if (mm_code_gap_before(allocator, block, align) + bytes <= block->bytes)
        return block;
  return NULL;
}
