/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots as an allocator: creation, and the functions of the class, which work
 * through one cache under a lock.  See slots_internal.h.
 *
 * The side tables are mapped for the whole reservation of the source, and take
 * room only where there are runs:
 *
 *   struct mm_slots | tags | runs | their mirrors
 */
#include "config.h"

#include "mm/alloc/slots_run_internal.h"

#include "mm/native.h"
#include "mm/os/os_internal.h"

/* Creation ------------------------------------------------------------------
 */

static struct mm_slots *slots_of(struct mm_allocator *allocator)
{
  return (struct mm_slots *)allocator;
}

static size_t span_count(const struct mm_source *source)
{
  return (size_t)(source->reserved_bytes >> MM_SPAN_LOG2);
}

static uint64_t whole_pages(uint64_t bytes)
{
  uint64_t page = mm_os_page_bytes();
  return (bytes + page - 1) & ~(page - 1);
}

/* The slots themselves and the tags. */
static uint64_t head_bytes(const struct mm_source *source)
{
  return whole_pages(sizeof(struct mm_slots) +
                     span_count(source) * sizeof(struct mm_slots_tag));
}

static uint64_t runs_bytes(const struct mm_source *source)
{
  return whole_pages(mm_slots_run_lines(span_count(source)) *
                     MM_SLOTS_LINE_BYTES);
}

static uint64_t tables_bytes(const struct mm_source *source)
{
  return head_bytes(source) + 2 * runs_bytes(source);
}

static void lay_out(struct mm_slots *slots, struct mm_source *source)
{
  slots->source = source;
  slots->tags = (struct mm_slots_tag *)(slots + 1);
  slots->unused_run = (char *)slots + head_bytes(source);
  slots->mirror_bytes = runs_bytes(source);
  slots->runs_end = slots->unused_run + slots->mirror_bytes;
}

static struct mm_slots *map_tables(struct mm_source *source)
{
  void *at;
  if (mm_os_map(tables_bytes(source), &at) != MM_OK)
    return NULL;
  mm_native_charge(MM_PURPOSE_ALLOCATORS, (int64_t)tables_bytes(source));
  lay_out(at, source);
  return at;
}

static void unmap_tables(struct mm_slots *slots)
{
  uint64_t bytes = tables_bytes(slots->source);
  mm_native_charge(MM_PURPOSE_ALLOCATORS, -(int64_t)bytes);
  mm_os_release(slots, bytes);
}

static const struct mm_allocator_class slots_class;

enum mm_status mm_slots_create(struct mm_source *source, const uint32_t *extra,
                               size_t extra_count, mm_slots_report *report,
                               void *report_context, struct mm_slots **made)
{
  MM_ASSERT((source->base & (MM_SPAN_BYTES - 1)) == 0);
  struct mm_slots *slots = map_tables(source);
  if (!slots)
    return MM_NO_MEMORY;
  if (!mm_classes_init(&slots->classes, MM_SLOTS_GRANULE_LOG2,
                       MM_SLOTS_LEAST_BYTES, MM_SLOTS_MOST_BYTES, extra,
                       extra_count)) {
    unmap_tables(slots);
    return MM_BAD_OPTION;
  }
  slots->allocator.class = &slots_class;
  slots->report = report;
  slots->report_context = report_context;
  pthread_mutex_init(&slots->shared_lock, NULL);
  pthread_mutex_init(&slots->lock, NULL);
  *made = slots;
  return MM_OK;
}

/* Giving everything back ----------------------------------------------------
 */

static void give_runs(struct mm_slots *slots)
{
  for (size_t span = 0; span < slots->spans; span++)
    if (slots->tags[span].owner)
      slots->source->give(slots->source,
                          mm_slots_start(slots, &slots->tags[span]),
                          MM_SPAN_BYTES);
}

static void unmap_caches(struct mm_slots *slots)
{
  uint64_t bytes = mm_slots_cache_bytes();
  while (slots->caches) {
    struct mm_slots_cache *cache = slots->caches;
    slots->caches = cache->next;
    mm_native_charge(MM_PURPOSE_ALLOCATORS, -(int64_t)bytes);
    mm_os_release(cache, bytes);
  }
}

static void destroy(struct mm_allocator *allocator)
{
  struct mm_slots *slots = slots_of(allocator);
  give_runs(slots);
  unmap_caches(slots);
  pthread_mutex_destroy(&slots->shared_lock);
  pthread_mutex_destroy(&slots->lock);
  unmap_tables(slots);
}

/* Blocks --------------------------------------------------------------------
 */

/* With the lock of the shared cache. */
static void *alloc_locked(struct mm_slots *slots, size_t bytes)
{
  if (!slots->shared)
    slots->shared = mm_slots_cache_acquire(slots);
  return slots->shared ? mm_slots_alloc(slots->shared, bytes) : NULL;
}

static void *alloc(struct mm_allocator *allocator, size_t bytes)
{
  struct mm_slots *slots = slots_of(allocator);
  pthread_mutex_lock(&slots->shared_lock);
  void *block = alloc_locked(slots, bytes);
  pthread_mutex_unlock(&slots->shared_lock);
  return block;
}

/* Spans are aligned to their size, so a class of a multiple of `align` has all
   its slots at multiples of it. */
static void *alloc_aligned(struct mm_allocator *allocator, size_t bytes,
                           size_t align)
{
  const struct mm_classes *classes = &slots_of(allocator)->classes;
  MM_ASSERT(align > 0 && (align & (align - 1)) == 0);
  if (bytes > classes->most_bytes)
    return NULL;
  for (uint32_t i = mm_class_of(classes, bytes); i < classes->count; i++)
    if ((classes->bytes[i] & (align - 1)) == 0)
      return alloc(allocator, classes->bytes[i]);
  return NULL;
}

static void free_block(struct mm_allocator *allocator, void *block)
{
  struct mm_slots *slots = slots_of(allocator);
  pthread_mutex_lock(&slots->shared_lock);
  if (slots->shared)
    mm_slots_free(slots->shared, block);
  else
    mm_slots_free_other(slots, block);
  pthread_mutex_unlock(&slots->shared_lock);
}

static size_t block_bytes(struct mm_allocator *allocator, const void *block)
{
  struct mm_slots *slots = slots_of(allocator);
  size_t offset = (uintptr_t)block - slots->source->base;
  MM_ASSERT(offset < slots->source->reserved_bytes);
  return slots->tags[offset >> MM_SPAN_LOG2].slot_bytes;
}

/* Is the slot in neither bitmap, and not hot? */
static bool is_handed_out(const struct mm_slots *slots,
                          const struct mm_slots_tag *tag, uint32_t slot)
{
  uint32_t index = slot / MM_SLOTS_WORD_BITS;
  uint64_t remote =
      mm_slots_load(&mm_slots_mirror(slots, tag->run)->words[index]);
  return !mm_slots_is_free(tag->run, slot) &&
         (remote >> slot % MM_SLOTS_WORD_BITS & 1) == 0 &&
         mm_slots_hot_of(tag) != mm_slots_block(slots, tag, slot);
}

static bool is_block_locked(const struct mm_slots *slots, uintptr_t offset)
{
  size_t span = offset >> MM_SPAN_LOG2;
  uint32_t slot;
  return span < slots->spans && slots->tags[span].owner &&
         mm_slots_index(&slots->tags[span], offset & (MM_SPAN_BYTES - 1),
                        &slot) &&
         is_handed_out(slots, &slots->tags[span], slot);
}

static bool is_block(struct mm_allocator *allocator, const void *address)
{
  struct mm_slots *slots = slots_of(allocator);
  uintptr_t offset = (uintptr_t)address - slots->source->base;
  pthread_mutex_lock(&slots->lock);
  bool is = is_block_locked(slots, offset);
  pthread_mutex_unlock(&slots->lock);
  return is;
}

/* All of it -----------------------------------------------------------------
 */

static void walk_run(struct mm_slots *slots, size_t span, mm_block_visit *visit,
                     void *context)
{
  const struct mm_slots_tag *tag = &slots->tags[span];
  for (uint32_t slot = 0; slot < mm_slots_slots(tag); slot++)
    if (is_handed_out(slots, tag, slot))
      visit(context, mm_slots_block(slots, tag, slot), tag->slot_bytes);
}

static void walk(struct mm_allocator *allocator, mm_block_visit *visit,
                 void *context)
{
  struct mm_slots *slots = slots_of(allocator);
  for (size_t span = 0; span < slots->spans; span++)
    if (slots->tags[span].owner)
      walk_run(slots, span, visit, context);
}

/* Slots handed out, by what others may read at any time. */
static uint32_t used_slots(const struct mm_slots *slots,
                           const struct mm_slots_tag *tag)
{
  uint32_t used = mm_slots_slots(tag);
  unsigned words = mm_slots_word_count(tag);
  uintptr_t hot = (uintptr_t)mm_slots_hot_of(tag);
  if (hot - mm_slots_start(slots, tag) < MM_SPAN_BYTES)
    used--;
  const struct mm_slots_remote *remote = mm_slots_mirror(slots, tag->run);
  for (unsigned i = 0; i < words; i++)
    used -= (uint32_t)__builtin_popcountll(mm_slots_load(&tag->run->free[i]) |
                                           mm_slots_load(&remote->words[i]));
  return used;
}

static void add_run(const struct mm_slots *slots,
                    const struct mm_slots_tag *tag,
                    struct mm_alloc_stats *stats)
{
  uint32_t bytes = tag->slot_bytes, used = used_slots(slots, tag);
  uint32_t free = mm_slots_slots(tag) - used;
  stats->held_bytes += MM_SPAN_BYTES;
  stats->blocks += used;
  stats->used_bytes += (uint64_t)used * bytes;
  stats->free_bytes += (uint64_t)free * bytes;
  if (free > 0 && bytes > stats->largest_free_bytes)
    stats->largest_free_bytes = bytes;
}

static void stats(struct mm_allocator *allocator, struct mm_alloc_stats *stats)
{
  struct mm_slots *slots = slots_of(allocator);
  pthread_mutex_lock(&slots->lock);
  for (size_t span = 0; span < slots->spans; span++)
    if (slots->tags[span].owner)
      add_run(slots, &slots->tags[span], stats);
  pthread_mutex_unlock(&slots->lock);
}

static const struct mm_allocator_class slots_class = {
    .name = "slots",
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .free = free_block,
    .block_bytes = block_bytes,
    .is_block = is_block,
    .walk = walk,
    .stats = stats,
    .check = mm_slots_check,
    .destroy = destroy,
};
