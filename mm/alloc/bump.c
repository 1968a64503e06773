/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bump allocator as a member of the family; see
 * bump_allocator_internal.h.  Invariant: bits are set for starts of blocks in
 * [start, cursor) and nowhere else; the first block starts where the memory
 * does, or after a gap for its alignment.
 */
#include "config.h"

#include "mm/alloc/bump_allocator_internal.h"

#include "mm/alloc/bump_internal.h"
#include "mm/alloc/starts_internal.h"
#include "mm/native.h"

struct bump_allocator {
  struct mm_allocator base;
  struct mm_source *source;
  struct mm_bump memory;
  uint64_t *starts;
};

static struct bump_allocator *of_base(struct mm_allocator *base)
{
  return (struct bump_allocator *)base;
}

static size_t all_bytes(const struct bump_allocator *bump)
{
  return bump->memory.limit - bump->memory.start;
}

static size_t starts_bytes(const struct bump_allocator *bump)
{
  return mm_starts_words(all_bytes(bump)) * sizeof *bump->starts;
}

static size_t granule_of(const struct bump_allocator *bump, uintptr_t at)
{
  return (at - bump->memory.start) >> MM_STARTS_LOG2;
}

static void *address_of(const struct bump_allocator *bump, size_t granule)
{
  return (void *)(bump->memory.start + (granule << MM_STARTS_LOG2));
}

static size_t end_granule(const struct bump_allocator *bump)
{
  return granule_of(bump, bump->memory.cursor);
}

static void *alloc_aligned(struct mm_allocator *base, size_t bytes,
                           size_t align)
{
  struct bump_allocator *bump = of_base(base);
  MM_ASSERT((align & (align - 1)) == 0 && align != 0);
  size_t left = mm_bump_left(&bump->memory);
  size_t gap = align > MM_BLOCK_ALIGN ? -bump->memory.cursor & (align - 1) : 0;
  if (bytes > left)
    return NULL;
  bytes = bytes ? (bytes + MM_BLOCK_ALIGN - 1) & -(size_t)MM_BLOCK_ALIGN
                : MM_BLOCK_ALIGN;
  if (gap > left || bytes > left - gap)
    return NULL;
  uintptr_t at = mm_bump_alloc(&bump->memory, gap + bytes) + gap;
  mm_starts_set(bump->starts, granule_of(bump, at));
  return (void *)at;
}

static void *alloc(struct mm_allocator *base, size_t bytes)
{
  return alloc_aligned(base, bytes, MM_BLOCK_ALIGN);
}

static bool is_block(struct mm_allocator *base, const void *address)
{
  const struct bump_allocator *bump = of_base(base);
  uintptr_t at = (uintptr_t)address;
  return at - bump->memory.start < mm_bump_used(&bump->memory) &&
         at % MM_BLOCK_ALIGN == 0 &&
         mm_starts_has(bump->starts, granule_of(bump, at));
}

static size_t bytes_at(const struct bump_allocator *bump, size_t granule)
{
  size_t next = mm_starts_next(bump->starts, granule + 1, end_granule(bump));
  return (next - granule) << MM_STARTS_LOG2;
}

static size_t block_bytes(struct mm_allocator *base, const void *block)
{
  MM_ASSERT(is_block(base, block));
  return bytes_at(of_base(base), granule_of(of_base(base), (uintptr_t)block));
}

static void walk(struct mm_allocator *base, mm_block_visit *visit,
                 void *context)
{
  const struct bump_allocator *bump = of_base(base);
  size_t end = end_granule(bump);
  for (size_t at = mm_starts_next(bump->starts, 0, end); at < end;
       at = mm_starts_next(bump->starts, at + 1, end))
    visit(context, address_of(bump, at), bytes_at(bump, at));
}

static void stats(struct mm_allocator *base, struct mm_alloc_stats *stats)
{
  const struct bump_allocator *bump = of_base(base);
  size_t end = end_granule(bump);
  size_t first = mm_starts_next(bump->starts, 0, end);
  stats->held_bytes = all_bytes(bump);
  stats->used_bytes = (end - first) << MM_STARTS_LOG2;
  stats->free_bytes = mm_bump_left(&bump->memory);
  stats->largest_free_bytes = stats->free_bytes;
  for (size_t at = first; at < end;
       at = mm_starts_next(bump->starts, at + 1, end))
    stats->blocks++;
}

static const char *check(struct mm_allocator *base)
{
  const struct bump_allocator *bump = of_base(base);
  const struct mm_bump *memory = &bump->memory;
  size_t most = all_bytes(bump) >> MM_STARTS_LOG2;
  if (memory->cursor < memory->start || memory->cursor > memory->limit ||
      memory->cursor % MM_BLOCK_ALIGN != 0)
    return "the cursor of a bump allocator is out of its memory";
  if (mm_starts_next(bump->starts, end_granule(bump), most) != most)
    return "a block of a bump allocator starts beyond its cursor";
  return NULL;
}

static void destroy(struct mm_allocator *base)
{
  struct bump_allocator *bump = of_base(base);
  mm_native_free(MM_PURPOSE_ARENA, bump->starts, starts_bytes(bump));
  if (bump->memory.start)
    bump->source->give(bump->source, bump->memory.start, all_bytes(bump));
  mm_native_free(MM_PURPOSE_ARENA, bump, sizeof *bump);
}

static const struct mm_allocator_class bump_class = {
    .name = "bump",
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .block_bytes = block_bytes,
    .is_block = is_block,
    .walk = walk,
    .stats = stats,
    .check = check,
    .destroy = destroy,
};

struct mm_allocator *mm_bump_allocator_create(struct mm_source *source,
                                              size_t bytes)
{
  if (bytes == 0 || bytes > source->reserved_bytes)
    return NULL;
  bytes = (bytes + MM_SPAN_BYTES - 1) & -(size_t)MM_SPAN_BYTES;
  struct bump_allocator *bump = mm_native_alloc(MM_PURPOSE_ARENA, sizeof *bump);
  if (!bump)
    return NULL;
  bump->base.class = &bump_class;
  bump->source = source;
  uintptr_t start = source->take(source, bytes);
  if (start)
    mm_bump_init(&bump->memory, start, start + bytes);
  bump->starts = mm_native_alloc(MM_PURPOSE_ARENA, starts_bytes(bump));
  if (start && bump->starts)
    return &bump->base;
  destroy(&bump->base);
  return NULL;
}

void mm_bump_allocator_reset(struct mm_allocator *allocator)
{
  struct bump_allocator *bump = of_base(allocator);
  MM_ASSERT(allocator->class == &bump_class);
  mm_starts_clear(bump->starts, 0, end_granule(bump));
  mm_bump_reset(&bump->memory);
}
