/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code allocator's common interface: blocks without an owner, known by
 * their executable addresses; its statistics; the check of its invariants.
 */
#include "config.h"

#include "mm/alloc/code_parts_internal.h"

/* Checks ------------------------------------------------------------------ */

static bool is_listed(const struct mm_code_allocator *allocator,
                      const struct mm_code_block *wanted)
{
  const struct mm_code_block *block =
      allocator->lists[mm_code_list_of(wanted->bytes)];
  while (block && block != wanted)
    block = block->next;
  return block != NULL;
}

static const char *check_block(const struct mm_code_allocator *allocator,
                               const struct mm_code_block *block)
{
  const struct mm_code_block *above = block->above;
  if (block->bytes == 0 || (block->offset | block->bytes) % MM_CODE_ALIGN)
    return "a code block is no row of granules";
  if (above &&
      (above->below != block || above->offset != block->offset + block->bytes))
    return "neighbouring code blocks do not touch";
  if (!block->used && above && !above->used)
    return "two free code blocks are neighbours";
  if (!block->used)
    return is_listed(allocator, block) ? NULL
                                       : "a free code block is in no list";
  if (mm_code_find_offset(allocator, block->offset) != block ||
      mm_code_find_offset(allocator, block->offset + block->bytes - 1) != block)
    return "a code block is not found by its address";
  return NULL;
}

static const char *check_units(const struct mm_code_allocator *allocator)
{
  uint64_t used_bytes = 0;
  uint32_t committed = 0, idle = 0;
  for (uint32_t i = 0; i < allocator->unit_count; i++) {
    const struct mm_code_unit *unit = &allocator->units[i];
    used_bytes += unit->used_bytes;
    committed += unit->committed;
    idle += mm_code_is_idle(unit);
    if (unit->used_bytes && !unit->committed)
      return "code stands in memory that was given back";
  }
  if (used_bytes != allocator->used_bytes)
    return "the used bytes of the units of code do not add up";
  if (committed != allocator->committed_units || idle != allocator->idle_units)
    return "the counts of the units of code are wrong";
  return NULL;
}

static const char *check_sums(const struct mm_code_allocator *allocator)
{
  uint64_t end = 0, used = 0, blocks = 0, listed = 0, free_blocks = 0;
  const struct mm_code_block *block = allocator->lowest;
  for (; block; block = block->above) {
    end = block->offset + block->bytes;
    used += block->used ? block->bytes : 0;
    blocks += block->used;
    free_blocks += !block->used;
  }
  for (int i = 0; i < MM_CODE_LISTS; i++)
    for (block = allocator->lists[i]; block; block = block->next)
      listed++;
  if (end != allocator->source->reserved_bytes)
    return "the code blocks do not cover the reservation";
  if (used != allocator->used_bytes || blocks != allocator->used_blocks)
    return "the counts of code blocks are wrong";
  return listed == free_blocks ? NULL : "a list has a code block too many";
}

/* The common face --------------------------------------------------------- */

static struct mm_code_allocator *of_base(struct mm_allocator *base)
{
  return (struct mm_code_allocator *)base;
}

static void *base_alloc_aligned(struct mm_allocator *base, size_t bytes,
                                size_t align)
{
  struct mm_code code;
  if (align > MM_CODE_ALIGN_MOST ||
      mm_code_allocator_alloc(of_base(base), bytes, align, NULL, &code) !=
          MM_OK)
    return NULL;
  return (void *)code.run;
}

static void *base_alloc(struct mm_allocator *base, size_t bytes)
{
  return base_alloc_aligned(base, bytes, MM_CODE_ALIGN);
}

static void base_free(struct mm_allocator *base, void *block)
{
  mm_code_allocator_free(of_base(base), block);
}

static size_t base_block_bytes(struct mm_allocator *base, const void *block)
{
  return mm_code_block_at(of_base(base), block)->bytes;
}

static bool base_is_block(struct mm_allocator *base, const void *address)
{
  struct mm_code code;
  return mm_code_allocator_find(of_base(base), address, &code) &&
         code.run == address;
}

static void base_walk(struct mm_allocator *base, mm_block_visit *visit,
                      void *context)
{
  struct mm_code_allocator *allocator = of_base(base);
  for (struct mm_code_block *block = allocator->lowest; block;
       block = block->above)
    if (block->used)
      visit(context, (void *)(allocator->source->run_base + block->offset),
            block->bytes);
}

/* The longest committed part of a free block. */
static uint64_t committed_part(const struct mm_code_allocator *allocator,
                               const struct mm_code_block *block)
{
  uint64_t end = block->offset + block->bytes, part = 0, most = 0;
  for (uint64_t i = block->offset / MM_SPAN_BYTES; i * MM_SPAN_BYTES < end;
       i++) {
    part = allocator->units[i].committed
               ? part + mm_code_part_in(i, block->offset, end)
               : 0;
    if (part > most)
      most = part;
  }
  return most;
}

static void base_stats(struct mm_allocator *base, struct mm_alloc_stats *stats)
{
  struct mm_code_allocator *allocator = of_base(base);
  stats->held_bytes = (uint64_t)allocator->committed_units * MM_SPAN_BYTES;
  stats->used_bytes = allocator->used_bytes;
  stats->blocks = allocator->used_blocks;
  stats->free_bytes = stats->held_bytes - stats->used_bytes;
  for (struct mm_code_block *block = allocator->lowest; block;
       block = block->above) {
    uint64_t bytes = block->used ? 0 : committed_part(allocator, block);
    if (bytes > stats->largest_free_bytes)
      stats->largest_free_bytes = bytes;
  }
}

void mm_code_allocator_count(struct mm_code_allocator *allocator,
                             struct mm_code_allocator_counts *counts)
{
  *counts = (struct mm_code_allocator_counts){
      .requested_bytes = allocator->requested_bytes,
  };
  for (struct mm_code_block *block = allocator->lowest; block;
       block = block->above)
    counts->free_blocks += !block->used;
}

static const char *base_check(struct mm_allocator *base)
{
  struct mm_code_allocator *allocator = of_base(base);
  const char *wrong = check_sums(allocator);
  for (struct mm_code_block *block = allocator->lowest; !wrong && block;
       block = block->above)
    wrong = check_block(allocator, block);
  return wrong ? wrong : check_units(allocator);
}

static void base_destroy(struct mm_allocator *base)
{
  mm_code_allocator_destroy(of_base(base));
}

const struct mm_allocator_class mm_code_allocator_class = {
    .name = "code",
    .alloc = base_alloc,
    .alloc_aligned = base_alloc_aligned,
    .free = base_free,
    .block_bytes = base_block_bytes,
    .is_block = base_is_block,
    .walk = base_walk,
    .stats = base_stats,
    .check = base_check,
    .destroy = base_destroy,
};

struct mm_allocator *mm_code_allocator_base(struct mm_code_allocator *allocator)
{
  return &allocator->base;
}
