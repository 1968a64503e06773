/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the slots (slots_internal.h) share: from a run to its tag,
 * its memory and its remote half, and what they call of each other.
 */
#ifndef MM_ALLOC_SLOTS_RUN_INTERNAL_H
#define MM_ALLOC_SLOTS_RUN_INTERNAL_H

#include "mm/alloc/slots_internal.h"

static inline size_t mm_slots_span(const struct mm_slots *slots,
                                   const struct mm_slots_tag *tag)
{
  return (size_t)(tag - slots->tags);
}

/* The first slot of the tag's run. */
static inline uintptr_t mm_slots_start(const struct mm_slots *slots,
                                       const struct mm_slots_tag *tag)
{
  return slots->source->base + (mm_slots_span(slots, tag) << MM_SPAN_LOG2);
}

static inline void *mm_slots_block(const struct mm_slots *slots,
                                   const struct mm_slots_tag *tag,
                                   uint32_t slot)
{
  return (void *)(mm_slots_start(slots, tag) + (size_t)slot * tag->slot_bytes);
}

/* The hot block of the tag's class, with the owner of its run. */
static inline void *mm_slots_hot_of(const struct mm_slots_tag *tag)
{
  const struct mm_slots_cache *owner =
      __atomic_load_n(&tag->owner, __ATOMIC_ACQUIRE);
  return mm_slots_hot(owner, tag->class);
}

static inline struct mm_slots_remote *
mm_slots_mirror(const struct mm_slots *slots, const struct mm_slots_run *run)
{
  return (struct mm_slots_remote *)((uintptr_t)run + slots->mirror_bytes);
}

static inline struct mm_slots_run *
mm_slots_unmirror(const struct mm_slots *slots,
                  const struct mm_slots_remote *remote)
{
  return (struct mm_slots_run *)((uintptr_t)remote - slots->mirror_bytes);
}

static inline uint32_t mm_slots_slots(const struct mm_slots_tag *tag)
{
  return MM_SPAN_BYTES / (uint32_t)tag->slot_bytes;
}

static inline unsigned mm_slots_word_count(const struct mm_slots_tag *tag)
{
  return (mm_slots_slots(tag) + MM_SLOTS_WORD_BITS - 1u) / MM_SLOTS_WORD_BITS;
}

/* Slots that are not known to be free. */
static inline int32_t mm_slots_used(const struct mm_slots_run *run)
{
  int32_t used = (int32_t)mm_slots_slots(run->tag) + run->debt;
  for (unsigned i = 0; i < mm_slots_word_count(run->tag); i++)
    used -= __builtin_popcountll(mm_slots_load(&run->free[i]));
  return used;
}

/* Those bits of a word of the bitmap that stand for slots. */
static inline uint64_t mm_slots_word_mask(const struct mm_slots_tag *tag,
                                          unsigned index)
{
  unsigned before = index * MM_SLOTS_WORD_BITS, slots = mm_slots_slots(tag);
  if (before >= slots)
    return 0;
  unsigned left = slots - before;
  return left >= MM_SLOTS_WORD_BITS ? UINT64_MAX : ((uint64_t)1 << left) - 1;
}

/* slots_cache.c -------------------------------------------------------------
 */

/* A cache that is nobody's yet, in the list of all. */
struct mm_slots_cache *mm_slots_cache_create_locked(struct mm_slots *slots);

/* Lines that the descriptions of all runs can take, with `spans` spans. */
size_t mm_slots_run_lines(size_t spans);

/* What a cache takes of the machine. */
uint64_t mm_slots_cache_bytes(void);

/* Moves a run that is not current to where its count of used slots wants it;
   gives nothing back. */
void mm_slots_settle(struct mm_slots_cache *cache, struct mm_slots_run *run);

/* Gives the cache's empty runs back, but for `keep` of each class. */
void mm_slots_shed_locked(struct mm_slots_cache *cache, uint32_t keep);

/* slots_remote.c ------------------------------------------------------------
 */

/* Makes slots that others have freed free indeed.  By the cache's thread; for
   an orphan by whoever has the lock. */
void mm_slots_gather(struct mm_slots_cache *cache);

static inline bool mm_slots_is_queue_empty(const struct mm_slots_cache *cache)
{
  return !__atomic_load_n(&cache->queue, __ATOMIC_RELAXED);
}

/* slots_check.c -------------------------------------------------------------
 */

const char *mm_slots_check(struct mm_allocator *allocator);

#endif
