/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of regions; see region_internal.h for its invariants.
 *
 * Free regions form one doubly linked list.  It is used from its front, where
 * regions are put whose memory was just used and is still in the caches; the
 * ones given back to the OS stand at its end.  A run is looked for over the
 * table, lowest address first, so that large objects stay together.
 */
#include "config.h"

#include "mm/space/region_internal.h"

#include "mm/assert_internal.h"
#include "mm/os/os_internal.h"

#include <string.h>

static const char *const kind_names[] = {
#define MM_REGION_KIND(NAME, name, walkable) name,
#include "mm/space/region_kinds_internal.def"
};

static const bool kind_walkable[] = {
#define MM_REGION_KIND(NAME, name, walkable) walkable,
#include "mm/space/region_kinds_internal.def"
};

const char *mm_region_kind_name(enum mm_region_kind kind)
{
  return kind_names[kind];
}

bool mm_region_is_walkable(enum mm_region_kind kind)
{
  return kind_walkable[kind];
}

void mm_regions_init(struct mm_regions *regions, uintptr_t base, uint32_t count,
                     struct mm_region *table)
{
  *regions = (struct mm_regions){
      .base = base,
      .count = count,
      .free_first = MM_NO_REGION,
      .free_last = MM_NO_REGION,
      .touched = MM_NO_REGION,
      .table = table,
  };
}

/* The free list ------------------------------------------------------------ */

static void set_next(struct mm_regions *regions, uint32_t index, uint32_t next)
{
  if (index == MM_NO_REGION)
    regions->free_first = next;
  else
    regions->table[index].next = next;
}

static void set_previous(struct mm_regions *regions, uint32_t index,
                         uint32_t previous)
{
  if (index == MM_NO_REGION)
    regions->free_last = previous;
  else
    regions->table[index].previous = previous;
}

static void list_insert(struct mm_regions *regions, uint32_t index,
                        uint32_t previous, uint32_t next)
{
  regions->table[index].next = next;
  regions->table[index].previous = previous;
  set_next(regions, previous, index);
  set_previous(regions, next, index);
}

static void list_put_first(struct mm_regions *regions, uint32_t index)
{
  list_insert(regions, index, MM_NO_REGION, regions->free_first);
}

static void list_put_last(struct mm_regions *regions, uint32_t index)
{
  list_insert(regions, index, regions->free_last, MM_NO_REGION);
}

static void list_remove(struct mm_regions *regions, uint32_t index)
{
  MM_ASSERT(index < regions->fresh_from);
  struct mm_region *region = &regions->table[index];
  set_next(regions, region->previous, region->next);
  set_previous(regions, region->next, region->previous);
  region->next = region->previous = MM_NO_REGION;
}

/* Access to memory --------------------------------------------------------- */

/* Who needs little gets little: no more groups ahead than there are already. */
static uint32_t groups_ahead(const struct mm_regions *regions, uint32_t group)
{
  return group < regions->ahead ? group : regions->ahead;
}

static uint32_t group_end(const struct mm_regions *regions, uint32_t group)
{
  uint64_t end = ((uint64_t)group + 1) * MM_REGION_GROUP;
  return end < regions->count ? (uint32_t)end : regions->count;
}

/* Opens memory up to and including region `index`. */
static enum mm_status open_groups(struct mm_regions *regions, uint32_t index)
{
  uint32_t group = index / MM_REGION_GROUP;
  uint32_t to = group_end(regions, group + groups_ahead(regions, group));
  if (regions->reached_to <= index)
    __atomic_store_n(&regions->reached_to, group_end(regions, group),
                     __ATOMIC_SEQ_CST);
  if (to <= regions->open_to)
    return MM_OK;
  uint64_t bytes = (uint64_t)(to - regions->open_to) << MM_REGION_LOG2;
  enum mm_status status =
      mm_os_commit(mm_region_start(regions, regions->open_to), bytes);
  if (status == MM_OK)
    __atomic_store_n(&regions->open_to, to, __ATOMIC_RELAXED);
  return index < regions->open_to ? MM_OK : status;
}

/* Touching, and taking access away: who comes second sees the other, as both
   write first and then read, in one order for all (Dekker). */

void mm_regions_touch_end(struct mm_regions *regions)
{
  __atomic_store_n(&regions->touched, MM_NO_REGION, __ATOMIC_RELEASE);
}

bool mm_regions_touch_begin(struct mm_regions *regions, uint32_t index)
{
  __atomic_store_n(&regions->touched, index, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&regions->reached_to, __ATOMIC_SEQ_CST) <= index)
    return true;
  mm_regions_touch_end(regions);
  return false;
}

static bool is_touched(const struct mm_regions *regions, uint32_t index)
{
  uint32_t touched = __atomic_load_n(&regions->touched, __ATOMIC_SEQ_CST);
  return touched != MM_NO_REGION &&
         index / MM_REGION_GROUP == touched / MM_REGION_GROUP;
}

/* Makes the memory of a free region below open_to usable. */
static enum mm_status make_usable(struct mm_regions *regions, uint32_t index)
{
  struct mm_region *region = &regions->table[index];
  bool is_fresh = index >= regions->fresh_from;
  bool is_open = (region->flags & MM_REGION_COMMITTED) || is_fresh;
  if (!is_open || (region->flags & MM_REGION_PROTECTED)) {
    enum mm_status status =
        mm_os_commit(mm_region_start(regions, index), MM_REGION_BYTES);
    if (status != MM_OK)
      return status;
  }
  if (!(region->flags & MM_REGION_COMMITTED)) {
    region->zero_from = mm_region_start(regions, index);
    regions->committed++;
  }
  region->flags |= MM_REGION_COMMITTED;
  region->flags &= (uint8_t)~MM_REGION_PROTECTED;
  return MM_OK;
}

/* Moves fresh_from up; what is stepped over joins the free list. */
static void leave_fresh(struct mm_regions *regions, uint32_t index)
{
  while (regions->fresh_from <= index)
    list_put_last(regions, regions->fresh_from++);
}

/* Makes [index, index + span) usable; on failure nothing is taken. */
static enum mm_status acquire(struct mm_regions *regions, uint32_t index,
                              uint32_t span)
{
  enum mm_status status = open_groups(regions, index + span - 1);
  for (uint32_t i = index; status == MM_OK && i < index + span; i++) {
    status = make_usable(regions, i);
    if (status == MM_OK)
      leave_fresh(regions, i);
  }
  return status;
}

static void occupy(struct mm_regions *regions, uint32_t index,
                   enum mm_region_kind kind, uint32_t span)
{
  struct mm_region *region = &regions->table[index];
  MM_ASSERT(region->kind == MM_REGION_FREE && kind != MM_REGION_FREE);
  MM_ASSERT(region->flags == MM_REGION_COMMITTED);
  list_remove(regions, index);
  region->kind = (uint8_t)kind;
  region->flags = MM_REGION_COMMITTED;
  region->span = span;
  region->top = region->scan_top = mm_region_start(regions, index);
  region->age = MM_AGE_EDEN;
  regions->used++;
}

enum mm_status mm_region_take(struct mm_regions *regions,
                              enum mm_region_kind kind, uint32_t *index)
{
  uint32_t found = regions->free_first;
  if (found == MM_NO_REGION)
    found = regions->fresh_from;
  if (found == regions->count)
    return MM_NO_MEMORY;
  enum mm_status status = acquire(regions, found, 1);
  if (status != MM_OK)
    return status;
  occupy(regions, found, kind, 1);
  *index = found;
  return MM_OK;
}

enum mm_status mm_region_take_at(struct mm_regions *regions,
                                 enum mm_region_kind kind, uint32_t index)
{
  MM_ASSERT(index < regions->fresh_from);
  enum mm_status status = acquire(regions, index, 1);
  if (status == MM_OK)
    occupy(regions, index, kind, 1);
  return status;
}

/* Lowest place of `span` free regions in a row, or MM_NO_REGION. */
static uint32_t find_run(const struct mm_regions *regions, uint32_t span)
{
  uint32_t length = 0;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    length = regions->table[i].kind == MM_REGION_FREE ? length + 1 : 0;
    if (length == span)
      return i + 1 - span;
  }
  uint32_t start = regions->fresh_from - length;
  return span <= regions->count - start ? start : MM_NO_REGION;
}

/* Whole groups of a run in [from, to) that was never used: the program is about
   to fill them, and they are left out by who touches memory ahead of it. */
static void prefer_huge(const struct mm_regions *regions, uint32_t from,
                        uint32_t to)
{
  from = (from + MM_REGION_GROUP - 1) / MM_REGION_GROUP * MM_REGION_GROUP;
  to = to / MM_REGION_GROUP * MM_REGION_GROUP;
  if (regions->ahead > 0 && from < to)
    mm_os_prefer_huge(mm_region_start(regions, from), (uint64_t)(to - from)
                                                          << MM_REGION_LOG2);
}

enum mm_status mm_region_take_run(struct mm_regions *regions, uint32_t span,
                                  uint32_t *index)
{
  MM_ASSERT(span > 0);
  if (span > mm_regions_free(regions))
    return MM_NO_MEMORY;
  uint32_t found = find_run(regions, span);
  if (found == MM_NO_REGION)
    return MM_NO_MEMORY;
  uint32_t fresh = regions->fresh_from > found ? regions->fresh_from : found;
  enum mm_status status = acquire(regions, found, span);
  if (status != MM_OK)
    return status;
  prefer_huge(regions, fresh, found + span);
  occupy(regions, found, MM_REGION_LARGE, span);
  for (uint32_t i = 1; i < span; i++)
    occupy(regions, found + i, MM_REGION_LARGE_TAIL, i);
  *index = found;
  return MM_OK;
}

/* Giving back -------------------------------------------------------------- */

/* Bytes of a region that may hold something. */
static size_t filled(const struct mm_regions *regions, uint32_t index)
{
  const struct mm_region *region = &regions->table[index];
  if (region->kind == MM_REGION_LARGE || region->kind == MM_REGION_LARGE_TAIL)
    return MM_REGION_BYTES;
  return region->top - mm_region_start(regions, index);
}

static void release_one(struct mm_regions *regions, uint32_t index,
                        bool poisoned)
{
  struct mm_region *region = &regions->table[index];
  MM_ASSERT(region->kind != MM_REGION_FREE);
  size_t filled_bytes = filled(regions, index);
  region->kind = MM_REGION_FREE;
  region->flags = MM_REGION_COMMITTED;
  region->span = 0;
  region->zero_from = mm_region_end(regions, index);
  regions->used--;
  if (!poisoned) {
    list_put_first(regions, index);
    return;
  }
  uintptr_t start = mm_region_start(regions, index);
  memset((void *)start, MM_POISON_BYTE, filled_bytes);
  if (!is_touched(regions, index) &&
      mm_os_protect(start, MM_REGION_BYTES) == MM_OK)
    region->flags |= MM_REGION_PROTECTED;
  list_put_last(regions, index);
}

static void release_run(struct mm_regions *regions, uint32_t index,
                        bool poisoned)
{
  uint32_t span = regions->table[index].span;
  MM_ASSERT(regions->table[index].kind != MM_REGION_LARGE_TAIL && span > 0);
  while (span-- > 0)
    release_one(regions, index + span, poisoned);
}

void mm_region_free(struct mm_regions *regions, uint32_t index)
{
  release_run(regions, index, false);
}

void mm_region_free_poisoned(struct mm_regions *regions, uint32_t index)
{
  release_run(regions, index, true);
}

/* What was touched ahead of a program that now needs less; it stays open. */
static void forget_ahead(const struct mm_regions *regions)
{
  uint32_t from = regions->reached_to, to = regions->open_to;
  if (regions->ahead > 0 && from < to)
    mm_os_forget(mm_region_start(regions, from), (uint64_t)(to - from)
                                                     << MM_REGION_LOG2);
}

uint32_t mm_regions_trim(struct mm_regions *regions, uint32_t keep)
{
  uint32_t trimmed = 0;
  uint32_t index = regions->free_last;
  while (index != MM_NO_REGION && regions->committed > keep) {
    struct mm_region *region = &regions->table[index];
    uint32_t previous = region->previous;
    uintptr_t start = mm_region_start(regions, index);
    if ((region->flags & MM_REGION_COMMITTED) && !is_touched(regions, index) &&
        mm_os_uncommit(start, MM_REGION_BYTES) == MM_OK) {
      region->flags = 0;
      regions->committed--;
      trimmed++;
      list_remove(regions, index);
      list_put_last(regions, index);
    }
    index = previous;
  }
  if (trimmed > 0)
    forget_ahead(regions);
  return trimmed;
}

/* Checks ------------------------------------------------------------------- */

static void region_check(const struct mm_regions *regions, uint32_t index)
{
  const struct mm_region *region = &regions->table[index];
  uintptr_t start = mm_region_start(regions, index);
  MM_ASSERT(region->kind < MM_REGION_KIND_COUNT);
  if (region->kind == MM_REGION_FREE)
    return;
  MM_ASSERT(region->flags & MM_REGION_COMMITTED);
  if (region->kind == MM_REGION_LARGE)
    MM_ASSERT(region->span <= regions->count - index);
  else if (region->kind == MM_REGION_LARGE_TAIL)
    MM_ASSERT(regions->table[index - region->span].span > region->span);
  else
    MM_ASSERT(region->top >= start && region->top <= start + MM_REGION_BYTES);
}

void mm_regions_check(const struct mm_regions *regions)
{
  uint32_t listed = 0, used = 0, committed = 0;
  for (uint32_t i = regions->free_first; i != MM_NO_REGION;
       i = regions->table[i].next)
    listed++;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    region_check(regions, i);
    used += regions->table[i].kind != MM_REGION_FREE;
    committed += (regions->table[i].flags & MM_REGION_COMMITTED) != 0;
  }
  MM_ASSERT(used == regions->used);
  MM_ASSERT(committed == regions->committed);
  MM_ASSERT(used + listed == regions->fresh_from);
  MM_ASSERT(regions->fresh_from <= regions->open_to);
  MM_ASSERT(regions->open_to <= regions->count);
  (void)listed;
}
