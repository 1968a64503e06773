/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each space holds; see space_stat_internal.h.
 *
 * Spaces that are made of regions are walked: slots by their start bits, the
 * others as rows of objects and fillers.
 */
#include "config.h"

#include "mm/stat/space_stat_internal.h"

#include "mm/gc/heap_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/native.h"
#include "mm/space/fixed_parts_internal.h"
#include "mm/space/metadata_internal.h"

#include <string.h>

static const char *const keys[] = {
#define MM_SPACE(NAME, key, text) #key,
#include "mm/stat/spaces.def"
};

static const char *const texts[] = {
#define MM_SPACE(NAME, key, text) text,
#include "mm/stat/spaces.def"
};

const char *mm_space_key(enum mm_space space)
{
  return keys[space];
}

const char *mm_space_text(enum mm_space space)
{
  return texts[space];
}

static void add_free(struct mm_space_stat *stat, uint64_t bytes)
{
  stat->free_bytes += bytes;
  if (stat->largest_free_bytes < bytes)
    stat->largest_free_bytes = bytes;
}

/* Spaces of regions ------------------------------------------------------- */

/* The bytes of an object before they were rounded up. */
static uint64_t requested_bytes(const void *at, const struct mm_layout *layout)
{
  uint32_t length;
  switch ((enum mm_kind)layout->kind) {
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
  case MM_KIND_TAGGED_ARRAY:
    length = mm_length_word(mm_ref_at(at));
    return layout->base_bytes + ((uint64_t)length << layout->elem_log2);
  case MM_KIND_STRING:
    length = mm_length_word(mm_ref_at(at));
    return MM_STRING_BASE + ((uint64_t)(length >> 1) << (length & 1));
  default:
    return mm_size_with(at, layout);
  }
}

static void add_region(struct mm_space_stat *stat, uint64_t regions)
{
  stat->reserved_bytes += regions << MM_REGION_LOG2;
  stat->committed_bytes += regions << MM_REGION_LOG2;
}

/* Fillers in a row are one gap, and so is one with the region's tail. */
static void walk_region(struct mm_heap *heap, uint32_t index,
                        struct mm_space_stat *stat)
{
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t top = heap->regions.table[index].top, gap = at;
  while (at < top) {
    const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
    uint64_t bytes = mm_size_with((void *)at, layout);
    if (!mm_is_filler(layout)) {
      add_free(stat, at - gap);
      gap = at + bytes;
      stat->blocks++;
      stat->used_bytes += bytes;
      stat->requested_bytes += requested_bytes((void *)at, layout);
    }
    at += bytes;
  }
  add_free(stat, mm_region_end(&heap->regions, index) - gap);
}

static void walk_kind(struct mm_heap *heap, enum mm_region_kind kind,
                      struct mm_space_stat *stat)
{
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    if (heap->regions.table[i].kind != kind)
      continue;
    add_region(stat, 1);
    walk_region(heap, i, stat);
  }
}

/* The slots of a run. */
static void count_run(struct mm_heap *heap, uint32_t run,
                      struct mm_space_stat *stat)
{
  if (heap->runs[run].state == MM_RUN_FREE) {
    add_free(stat, MM_RUN_BYTES);
    return;
  }
  uint64_t slot_bytes = heap->classes.bytes[heap->runs[run].class];
  uint64_t free_slots = mm_run_free_slots(heap, run);
  uint64_t used_slots = MM_RUN_BYTES / slot_bytes - free_slots;
  stat->blocks += used_slots;
  stat->used_bytes += used_slots * slot_bytes;
  stat->free_bytes += free_slots * slot_bytes;
  if (free_slots > 0 && stat->largest_free_bytes < slot_bytes)
    stat->largest_free_bytes = slot_bytes;
}

static void count_object(void *context, struct mm_ref ref)
{
  struct mm_space_stat *stat = context;
  stat->requested_bytes += requested_bytes(mm_address(ref), mm_layout_of(ref));
}

static void walk_slots(struct mm_heap *heap, uint32_t index,
                       struct mm_space_stat *stat)
{
  for (uint32_t i = 0; i < MM_REGION_RUNS; i++)
    count_run(heap, index * MM_REGION_RUNS + i, stat);
  mm_fixed_each_slot(heap, index, count_object, stat);
}

static void walk_fixed(struct mm_heap *heap, enum mm_fixed_which which,
                       struct mm_space_stat *stat)
{
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    bool is_slots = region->kind == MM_REGION_SLOTS;
    if ((!is_slots && region->kind != MM_REGION_FREELIST) ||
        region->fixed != which)
      continue;
    add_region(stat, 1);
    if (is_slots)
      walk_slots(heap, i, stat);
    else
      walk_region(heap, i, stat);
  }
}

void mm_space_stat_object(struct mm_heap *heap, struct mm_space_stat *stat)
{
  walk_kind(heap, MM_REGION_SMALL, stat);
  walk_fixed(heap, MM_FIXED_OBJECTS, stat);
}

void mm_space_stat_nonmoving(struct mm_heap *heap, struct mm_space_stat *stat)
{
  walk_fixed(heap, MM_FIXED_NONMOVING, stat);
}

/* A large object has all of its run: what is behind it serves nobody else. */
void mm_space_stat_large(struct mm_heap *heap, struct mm_space_stat *stat)
{
  const struct mm_regions *regions = &heap->regions;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    if (regions->table[i].kind != MM_REGION_LARGE)
      continue;
    void *at = (void *)mm_region_start(regions, i);
    uint64_t span = regions->table[i].span;
    add_region(stat, span);
    stat->blocks++;
    stat->used_bytes += span << MM_REGION_LOG2;
    stat->requested_bytes += requested_bytes(at, mm_layout_of(mm_ref_at(at)));
  }
}

/* Has the system been told that this free region may be touched? */
static bool has_memory(const struct mm_regions *regions, uint32_t index)
{
  if (index >= regions->fresh_from)
    return index < regions->open_to;
  return regions->table[index].kind == MM_REGION_FREE &&
         (regions->table[index].flags & MM_REGION_COMMITTED);
}

void mm_space_stat_regions(struct mm_heap *heap, struct mm_space_stat *stat)
{
  const struct mm_regions *regions = &heap->regions;
  uint64_t run = 0;
  for (uint32_t i = 0; i < regions->open_to; i++) {
    bool counts = has_memory(regions, i);
    run = counts ? run + MM_REGION_BYTES : 0;
    stat->committed_bytes += counts ? MM_REGION_BYTES : 0;
    if (stat->largest_free_bytes < run)
      stat->largest_free_bytes = run;
  }
  stat->reserved_bytes = (uint64_t)mm_regions_free(regions) << MM_REGION_LOG2;
  stat->free_bytes = stat->committed_bytes;
}

/* Other spaces ------------------------------------------------------------ */

void mm_space_stat_tables(struct mm_heap *heap, struct mm_space_stat *stat)
{
  *stat = (struct mm_space_stat){
      .reserved_bytes = heap->tables_bytes,
      .committed_bytes = heap->tables_bytes,
      .used_bytes = heap->tables_bytes,
      .requested_bytes = heap->tables_bytes,
      .blocks = 1,
  };
}

void mm_space_stat_metadata(struct mm_heap *heap, struct mm_space_stat *stat)
{
  struct mm_metadata_stat space;
  mm_metadata_stat(heap, &space);
  *stat = (struct mm_space_stat){
      .reserved_bytes = space.reserved_bytes,
      .committed_bytes = space.committed_bytes,
      .used_bytes = space.alloc.used_bytes,
      .requested_bytes = space.requested_bytes,
      .blocks = space.alloc.blocks,
      .free_bytes = space.alloc.free_bytes,
      .largest_free_bytes = space.alloc.largest_free_bytes,
  };
  add_free(stat, space.committed_bytes - space.alloc.held_bytes);
}

/* Native memory, of the whole process. */
void mm_space_stat_internal(struct mm_heap *heap, struct mm_space_stat *stat)
{
  struct mm_native_stats space;
  (void)heap;
  mm_native_stats(&space);
  *stat = (struct mm_space_stat){
      .reserved_bytes = space.reserved_bytes,
      .committed_bytes = space.committed_bytes,
      .used_bytes = space.used_bytes,
      .requested_bytes = space.requested_bytes,
      .blocks = space.blocks,
      .free_bytes = space.free_bytes,
      .largest_free_bytes = space.largest_free_bytes,
  };
}

void mm_space_stat_compiler(struct mm_heap *heap, struct mm_space_stat *stat)
{
  struct mm_compiler_space_stat space;
  mm_compiler_space_stat(&heap->compiler, &space);
  *stat = (struct mm_space_stat){
      .reserved_bytes = space.used_bytes + space.pooled_bytes,
      .committed_bytes = space.used_bytes + space.pooled_bytes,
      .used_bytes = space.used_bytes,
      .requested_bytes = space.requested_bytes,
      .blocks = space.used_chunks,
      .free_bytes = space.pooled_bytes,
      .largest_free_bytes = space.largest_pooled_bytes,
  };
}

void mm_space_stat_code(struct mm_heap *heap, struct mm_space_stat *stat)
{
  struct mm_code_space_stat space;
  if (!mm_code_space_stat(&heap->code, &space))
    return;
  *stat = (struct mm_space_stat){
      .reserved_bytes = 2 * space.reserved_bytes,
      .committed_bytes = space.committed_bytes,
      .used_bytes = space.alloc.used_bytes,
      .requested_bytes = space.counts.requested_bytes,
      .blocks = space.alloc.blocks,
      .free_bytes = space.alloc.free_bytes,
      .largest_free_bytes = space.alloc.largest_free_bytes,
  };
}

/* Together ---------------------------------------------------------------- */

void mm_space_stats(struct mm_heap *heap,
                    struct mm_space_stat stats[MM_SPACE_COUNT])
{
  memset(stats, 0, MM_SPACE_COUNT * sizeof *stats);
  mm_make_walkable(heap);
#define MM_SPACE(NAME, key, text)                                              \
  mm_space_stat_##key(heap, &stats[MM_SPACE_##NAME]);                          \
  MM_ASSERT(!mm_space_stat_check(&stats[MM_SPACE_##NAME]));
#include "mm/stat/spaces.def"
}

struct mm_space_stat
mm_space_stat_sum(const struct mm_space_stat stats[MM_SPACE_COUNT])
{
  struct mm_space_stat sum = {0};
  for (int i = 0; i < MM_SPACE_COUNT; i++) {
    sum.reserved_bytes += stats[i].reserved_bytes;
    sum.committed_bytes += stats[i].committed_bytes;
    sum.used_bytes += stats[i].used_bytes;
    sum.requested_bytes += stats[i].requested_bytes;
    sum.blocks += stats[i].blocks;
    sum.free_bytes += stats[i].free_bytes;
    if (sum.largest_free_bytes < stats[i].largest_free_bytes)
      sum.largest_free_bytes = stats[i].largest_free_bytes;
  }
  return sum;
}

/* `part` of `all` in thousandths of a percent. */
static uint64_t share(uint64_t part, uint64_t all)
{
  return all ? (uint64_t)((double)part * 100000 / (double)all) : 0;
}

uint64_t mm_space_stat_internal_share(const struct mm_space_stat *stat)
{
  return share(stat->used_bytes - stat->requested_bytes, stat->used_bytes);
}

uint64_t mm_space_stat_external_share(const struct mm_space_stat *stat)
{
  return share(stat->free_bytes - stat->largest_free_bytes, stat->free_bytes);
}

const char *mm_space_stat_check(const struct mm_space_stat *stat)
{
  if (stat->requested_bytes > stat->used_bytes)
    return "a space uses less than was asked for";
  if (stat->used_bytes + stat->free_bytes > stat->committed_bytes)
    return "a space has more than it has memory for";
  if (stat->committed_bytes > stat->reserved_bytes)
    return "a space has more memory than addresses";
  if (stat->largest_free_bytes > stat->free_bytes)
    return "a space has a free block larger than all";
  return NULL;
}
