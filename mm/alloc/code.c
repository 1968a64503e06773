/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code allocator: blocks and how they are found; see code_internal.h.
 */
#include "config.h"

#include "mm/alloc/code_parts_internal.h"

#include "mm/native.h"
#include "mm/os/os_internal.h"

enum { CHUNK_LOG2 = 9 };

/* Looking up -------------------------------------------------------------- */

static uint32_t chunk_of(uint64_t offset)
{
  return (uint32_t)(offset >> CHUNK_LOG2);
}

static void starts_add(struct mm_code_allocator *allocator,
                       struct mm_code_block *block)
{
  uint32_t chunk = chunk_of(block->offset);
  struct mm_code_block **last = &allocator->last_start[chunk];
  if (!*last)
    mm_numbers_insert(&allocator->starts, chunk);
  if (!*last || (*last)->offset < block->offset)
    *last = block;
}

/* The used block before this one. */
static struct mm_code_block *used_below(const struct mm_code_block *block)
{
  struct mm_code_block *below = block->below;
  if (below && !below->used)
    below = below->below;
  MM_ASSERT(!below || below->used);
  return below;
}

static void starts_remove(struct mm_code_allocator *allocator,
                          struct mm_code_block *block)
{
  uint32_t chunk = chunk_of(block->offset);
  struct mm_code_block **last = &allocator->last_start[chunk];
  MM_ASSERT(*last);
  if (*last != block)
    return;
  *last = used_below(block);
  if (*last && chunk_of((*last)->offset) == chunk)
    return;
  *last = NULL;
  mm_numbers_remove(&allocator->starts, chunk);
}

/* The used block with the byte at `offset`, or null. */
struct mm_code_block *
mm_code_find_offset(const struct mm_code_allocator *allocator, uint64_t offset)
{
  uint32_t chunk = mm_numbers_at_or_below(&allocator->starts, chunk_of(offset));
  if (chunk == MM_NO_NUMBER)
    return NULL;
  struct mm_code_block *block = allocator->last_start[chunk];
  while (block && block->offset > offset)
    block = used_below(block);
  if (!block || offset - block->offset >= block->bytes)
    return NULL;
  return block;
}

static struct mm_code_block *
find_address(const struct mm_code_allocator *allocator, const void *address)
{
  uint64_t offset = (uintptr_t)address - allocator->source->run_base;
  if (offset >= allocator->source->reserved_bytes)
    return NULL;
  return mm_code_find_offset(allocator, offset);
}

/* The used block that starts here; any other address is the caller's fault. */
struct mm_code_block *
mm_code_block_at(const struct mm_code_allocator *allocator, const void *run)
{
  struct mm_code_block *block = find_address(allocator, run);
  MM_ASSERT(block &&
            allocator->source->run_base + block->offset == (uintptr_t)run);
  return block;
}

static void describe(const struct mm_code_allocator *allocator,
                     const struct mm_code_block *block, struct mm_code *code)
{
  const struct mm_code_source *source = allocator->source;
  *code = (struct mm_code){
      .write = (void *)(source->write_base + block->offset),
      .run = (const void *)(source->run_base + block->offset),
      .bytes = block->bytes,
      .owner = block->owner,
  };
}

/* Blocks ------------------------------------------------------------------ */

/* Cuts a block in two; the upper one is in no list. */
static struct mm_code_block *split(struct mm_code_allocator *allocator,
                                   struct mm_code_block *block, uint64_t bytes)
{
  MM_ASSERT(bytes > 0 && bytes < block->bytes);
  struct mm_code_block *upper = mm_code_store_take(allocator);
  upper->offset = block->offset + bytes;
  upper->bytes = block->bytes - bytes;
  upper->below = block;
  upper->above = block->above;
  if (upper->above)
    upper->above->below = upper;
  block->above = upper;
  block->bytes = bytes;
  return upper;
}

/* Makes one of a block and the free one above it; none is in a list. */
static void merge(struct mm_code_allocator *allocator,
                  struct mm_code_block *block)
{
  struct mm_code_block *upper = block->above;
  MM_ASSERT(!block->used && !upper->used);
  MM_ASSERT(block->offset + block->bytes == upper->offset);
  block->bytes += upper->bytes;
  block->above = upper->above;
  if (block->above)
    block->above->below = block;
  mm_code_store_put(allocator, upper);
}

/* Puts a free block into its list, together with its free neighbours. */
static void coalesce(struct mm_code_allocator *allocator,
                     struct mm_code_block *block)
{
  struct mm_code_block *below = block->below, *above = block->above;
  if (above && !above->used) {
    mm_code_list_remove(allocator, above);
    merge(allocator, block);
  }
  if (below && !below->used) {
    mm_code_list_remove(allocator, below);
    merge(allocator, below);
    block = below;
  }
  mm_code_list_put(allocator, block);
}

/* What was used and is in no index any more becomes free. */
static void retire(struct mm_code_allocator *allocator,
                   struct mm_code_block *block)
{
  block->used = false;
  mm_code_fill_with_traps(allocator, block->offset, block->bytes);
  mm_code_account(allocator, block->offset, block->bytes, false);
  coalesce(allocator, block);
  mm_code_return_memory(allocator);
}

/* Cuts [gap, gap + bytes) out of a free block that is in no list. */
static struct mm_code_block *cut(struct mm_code_allocator *allocator,
                                 struct mm_code_block *block, uint64_t gap,
                                 uint64_t bytes)
{
  if (gap > 0) {
    struct mm_code_block *upper = split(allocator, block, gap);
    mm_code_list_put(allocator, block);
    block = upper;
  }
  if (bytes < block->bytes)
    mm_code_list_put(allocator, split(allocator, block, bytes));
  return block;
}

static uint64_t round_up(size_t bytes)
{
  uint64_t rounded =
      ((uint64_t)bytes + MM_CODE_ALIGN - 1) & ~(uint64_t)(MM_CODE_ALIGN - 1);
  return bytes ? rounded : MM_CODE_ALIGN;
}

enum mm_status mm_code_allocator_alloc(struct mm_code_allocator *allocator,
                                       size_t bytes, size_t align, void *owner,
                                       struct mm_code *code)
{
  MM_ASSERT((align & (align - 1)) == 0 && align <= MM_CODE_ALIGN_MOST);
  if (align < MM_CODE_ALIGN)
    align = MM_CODE_ALIGN;
  if (bytes > allocator->source->reserved_bytes ||
      !mm_code_store_fill(allocator, MM_CODE_STORE_NEEDED))
    return MM_NO_MEMORY;
  uint64_t rounded = round_up(bytes);
  struct mm_code_block *block = mm_code_find_free(allocator, rounded, align);
  if (!block)
    return MM_NO_MEMORY;
  uint64_t gap = mm_code_gap_before(allocator, block, align);
  enum mm_status status =
      mm_code_commit(allocator, block->offset + gap, rounded);
  if (status != MM_OK)
    return status;
  mm_code_list_remove(allocator, block);
  block = cut(allocator, block, gap, rounded);
  block->used = true;
  block->owner = owner;
  block->requested_bytes = bytes;
  mm_code_account(allocator, block->offset, block->bytes, true);
  starts_add(allocator, block);
  allocator->used_blocks++;
  allocator->requested_bytes += bytes;
  describe(allocator, block, code);
  return MM_OK;
}

void mm_code_allocator_free(struct mm_code_allocator *allocator,
                            const void *run)
{
  struct mm_code_block *block = mm_code_block_at(allocator, run);
  MM_ASSERT(allocator->used_blocks > 0);
  allocator->used_blocks--;
  allocator->requested_bytes -= block->requested_bytes;
  starts_remove(allocator, block);
  retire(allocator, block);
}

size_t mm_code_allocator_trim(struct mm_code_allocator *allocator,
                              const void *run, size_t bytes)
{
  struct mm_code_block *block = mm_code_block_at(allocator, run);
  uint64_t rounded = round_up(bytes);
  MM_ASSERT(bytes <= block->bytes);
  allocator->requested_bytes += bytes - block->requested_bytes;
  block->requested_bytes = bytes;
  if (rounded < block->bytes && mm_code_store_fill(allocator, 1))
    retire(allocator, split(allocator, block, rounded));
  return block->bytes;
}

bool mm_code_allocator_find(struct mm_code_allocator *allocator,
                            const void *address, struct mm_code *code)
{
  struct mm_code_block *block = find_address(allocator, address);
  if (block)
    describe(allocator, block, code);
  return block != NULL;
}

void mm_code_allocator_walk(struct mm_code_allocator *allocator,
                            void (*visit)(void *context,
                                          const struct mm_code *code),
                            void *context)
{
  for (struct mm_code_block *block = allocator->lowest; block;
       block = block->above) {
    struct mm_code code;
    if (!block->used)
      continue;
    describe(allocator, block, &code);
    visit(context, &code);
  }
}

/* From creation to destruction -------------------------------------------- */

static bool map_tables(struct mm_code_allocator *allocator)
{
  uint64_t bytes = allocator->source->reserved_bytes;
  uint32_t chunks = chunk_of(bytes);
  uint64_t words = mm_numbers_words(chunks);
  uint64_t page = mm_os_page_bytes();
  allocator->unit_count = (uint32_t)(bytes / MM_SPAN_BYTES);
  uint64_t tables_bytes = words * sizeof(uint64_t) +
                          chunks * sizeof *allocator->last_start +
                          allocator->unit_count * sizeof(struct mm_code_unit);
  tables_bytes = (tables_bytes + page - 1) & ~(page - 1);
  if (mm_os_map(tables_bytes, &allocator->tables) != MM_OK)
    return false;
  allocator->tables_bytes = tables_bytes;
  mm_native_charge(MM_PURPOSE_CODE_TABLES, (int64_t)tables_bytes);
  uint64_t *at = allocator->tables;
  mm_numbers_init(&allocator->starts, chunks, at);
  allocator->last_start = (struct mm_code_block **)(at + words);
  allocator->units = (struct mm_code_unit *)(allocator->last_start + chunks);
  return true;
}

struct mm_code_allocator *
mm_code_allocator_create(struct mm_code_source *source)
{
  MM_ASSERT(source->reserved_bytes % MM_SPAN_BYTES == 0);
  MM_ASSERT(source->reserved_bytes > 0 &&
            source->reserved_bytes <= MM_CODE_MOST_BYTES);
  struct mm_code_allocator *allocator =
      mm_native_alloc(MM_PURPOSE_CODE_TABLES, sizeof *allocator);
  if (!allocator)
    return NULL;
  allocator->base.class = &mm_code_allocator_class;
  allocator->source = source;
  if (!mm_code_store_fill(allocator, MM_CODE_STORE_NEEDED) ||
      !map_tables(allocator)) {
    mm_code_allocator_destroy(allocator);
    return NULL;
  }
  struct mm_code_block *all = mm_code_store_take(allocator);
  all->bytes = source->reserved_bytes;
  allocator->lowest = all;
  mm_code_list_put(allocator, all);
  return allocator;
}

static void free_descriptors(struct mm_code_block *block, bool by_address)
{
  while (block) {
    struct mm_code_block *next = by_address ? block->above : block->next;
    mm_native_free(MM_PURPOSE_CODE_TABLES, block, sizeof *block);
    block = next;
  }
}

void mm_code_allocator_destroy(struct mm_code_allocator *allocator)
{
  if (!allocator)
    return;
  free_descriptors(allocator->lowest, true);
  free_descriptors(allocator->store, false);
  if (allocator->tables) {
    mm_code_uncommit_all(allocator);
    mm_os_release(allocator->tables, allocator->tables_bytes);
    mm_native_charge(MM_PURPOSE_CODE_TABLES, -(int64_t)allocator->tables_bytes);
  }
  mm_native_free(MM_PURPOSE_CODE_TABLES, allocator, sizeof *allocator);
}
