/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thread-local allocation buffers; see tlab_internal.h.
 */
#include "config.h"

#include "mm/alloc/tlab_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/mm_inline.h"
#include "mm/space/object_internal.h"

enum {
  TLAB_REFILLS = 64, /* wanted between two collections */
  LOSS_FRACTION = 8, /* a tail above 1/8 of a TLAB is not given up */
};

_Static_assert(MM_TLAB_MIN_BYTES * 2 >= MM_TLAB_OBJECT_MAX_BYTES,
               "an object that does not fit a TLAB is cut beside it");

void mm_tlab_init(struct mm_mutator *mutator)
{
  mutator->tlab_start = mutator->tlab_cursor = 0;
  mutator->tlab_limit = mutator->tlab_end = 0;
  mutator->tlab_bytes = MM_TLAB_FIRST_BYTES;
}

static void count_allocated(struct mm_mutator *mutator, size_t bytes)
{
  mutator->allocated_bytes += bytes;
  mm_stat_count(&mutator->heap->stat, MM_COUNT_ALLOCATED_BYTES, bytes);
}

static void tlab_check(const struct mm_mutator *mutator)
{
  MM_ASSERT(mutator->tlab_start <= mutator->tlab_cursor);
  MM_ASSERT(mutator->tlab_cursor <= mutator->tlab_end);
  MM_ASSERT(mutator->tlab_limit == mutator->tlab_end ||
            mutator->tlab_limit == mutator->tlab_start);
  (void)mutator;
}

void mm_tlab_retire(struct mm_mutator *mutator)
{
  tlab_check(mutator);
  if (mutator->tlab_start == mutator->tlab_end)
    return;
  struct mm_heap *heap = mutator->heap;
  struct mm_bump chunk = {mutator->tlab_start, mutator->tlab_cursor,
                          mutator->tlab_end};
  count_allocated(mutator, chunk.cursor - chunk.start);
  size_t lost = mm_object_chunk_end(heap, &chunk);
  mm_stat_count(&heap->stat, MM_COUNT_TLAB_WASTE_BYTES, lost);
  mutator->tlab_start = mutator->tlab_cursor = 0;
  mutator->tlab_limit = mutator->tlab_end = 0;
}

/* Where each allocation has to be seen, the fast path never succeeds. */
static void set_limit(struct mm_mutator *mutator)
{
  const struct mm_options *options = &mutator->heap->options;
  bool is_slow = options->stress_alloc != 0 || options->stress_barrier != 0 ||
                 options->object_ids;
  mutator->tlab_limit = is_slow ? mutator->tlab_start : mutator->tlab_end;
}

static enum mm_status refill(struct mm_mutator *mutator, size_t bytes,
                             uint32_t limit)
{
  struct mm_heap *heap = mutator->heap;
  mm_tlab_retire(mutator);
  size_t want = mutator->tlab_bytes;
  if (mm_is_generational(heap) && want > mm_sizing_eden_left(heap))
    want = mm_align_object(mm_sizing_eden_left(heap));
  if (want < bytes)
    want = bytes;
  struct mm_bump chunk;
  enum mm_status status = mm_object_chunk_cut(heap, heap->born_age, bytes, want,
                                              limit, true, &chunk);
  if (status != MM_OK)
    return status;
  mutator->tlab_start = mutator->tlab_cursor = chunk.start;
  mutator->tlab_end = chunk.limit;
  set_limit(mutator);
  mutator->refills++;
  mm_stat_count(&heap->stat, MM_COUNT_TLAB_REFILLS, 1);
  return MM_OK;
}

/* One object in a chunk of its own, so that the TLAB can go on. */
static enum mm_status alloc_beside(struct mm_mutator *mutator, size_t bytes,
                                   uint32_t limit, uintptr_t *at)
{
  struct mm_bump chunk;
  enum mm_status status =
      mm_object_chunk_cut(mutator->heap, mutator->heap->born_age, bytes, bytes,
                          limit, true, &chunk);
  if (status != MM_OK)
    return status;
  count_allocated(mutator, bytes);
  *at = chunk.start;
  return MM_OK;
}

enum mm_status mm_tlab_alloc(struct mm_mutator *mutator, size_t bytes,
                             uint32_t limit, uintptr_t *at)
{
  MM_ASSERT(bytes > 0 && bytes <= MM_TLAB_OBJECT_MAX_BYTES);
  size_t left = mutator->tlab_end - mutator->tlab_cursor;
  if (bytes > left) {
    if (left > mutator->tlab_bytes / LOSS_FRACTION)
      return alloc_beside(mutator, bytes, limit, at);
    enum mm_status status = refill(mutator, bytes, limit);
    if (status != MM_OK)
      return status;
  }
  *at = mutator->tlab_cursor;
  mutator->tlab_cursor += bytes;
  tlab_check(mutator);
  return MM_OK;
}

void mm_tlab_adapt(struct mm_mutator *mutator)
{
  uint64_t rate = mutator->allocated_bytes - mutator->allocated_then_bytes;
  mutator->allocated_then_bytes = mutator->allocated_bytes;
  uint64_t bytes = mm_align_object(rate / TLAB_REFILLS);
  if (bytes < MM_TLAB_MIN_BYTES)
    bytes = MM_TLAB_MIN_BYTES;
  if (bytes > MM_TLAB_MAX_BYTES)
    bytes = MM_TLAB_MAX_BYTES;
  mutator->tlab_bytes = (uint32_t)bytes;
}
