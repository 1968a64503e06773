/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark bits: one per 8 bytes, set where a live object starts.  `parallel` is a
 * constant where these are inlined.
 */
#ifndef MM_BITMAP_INTERNAL_H
#define MM_BITMAP_INTERNAL_H

#include "mm/gc/heap_internal.h"

#include <string.h>

enum { MM_REGION_MARK_WORDS = MM_REGION_GRANULES / 64 };

static inline uint64_t mm_granule_of(const struct mm_heap *heap,
                                     struct mm_ref ref)
{
  return ref.bits - (heap->regions.base >> MM_REF_SHIFT);
}

/* Sets a bit.  True: it was not set before, and no other worker was faster. */
static inline __attribute__((always_inline)) bool
mm_mark_bit(uint64_t *word, uint64_t bit, bool parallel)
{
  if (!parallel) {
    bool is_new = !(*word & bit);
    *word |= bit;
    return is_new;
  }
  if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
    return false;
  /* Who sees the bit sees what was cleared before: see mm_reference_get. */
  return !(__atomic_fetch_or(word, bit, __ATOMIC_RELEASE) & bit);
}

static inline void mm_mark_prefetch(const struct mm_heap *heap,
                                    struct mm_ref ref)
{
  __builtin_prefetch(&heap->marks[mm_granule_of(heap, ref) >> 6]);
}

/* Marks an object.  True: by this call. */
static inline bool mm_mark(struct mm_heap *heap, struct mm_ref ref,
                           bool parallel)
{
  uint64_t granule = mm_granule_of(heap, ref);
  return mm_mark_bit(&heap->marks[granule >> 6], (uint64_t)1 << (granule & 63),
                     parallel);
}

/* First mark word of a region. */
static inline uint64_t *mm_region_marks(const struct mm_heap *heap,
                                        uint32_t index)
{
  return heap->marks + (size_t)index * MM_REGION_MARK_WORDS;
}

static inline void mm_region_clear_marks(struct mm_heap *heap, uint32_t index)
{
  memset(mm_region_marks(heap, index), 0,
         MM_REGION_MARK_WORDS * sizeof(uint64_t));
}

/*
 * Calls `visit` for each marked object of a region, in address order.  The
 * header of an object may be overwritten once it has been visited.
 */
static inline __attribute__((always_inline)) void
mm_region_each_marked(struct mm_heap *heap, uint32_t index,
                      void (*visit)(void *context, struct mm_ref ref),
                      void *context)
{
  const uint64_t *words = mm_region_marks(heap, index);
  uint32_t first =
      (uint32_t)(mm_region_start(&heap->regions, index) >> MM_REF_SHIFT);
  for (uint32_t i = 0; i < MM_REGION_MARK_WORDS; i++) {
    for (uint64_t word = words[i]; word; word &= word - 1)
      visit(context,
            (struct mm_ref){first + 64 * i + (uint32_t)__builtin_ctzll(word)});
  }
}

#endif
