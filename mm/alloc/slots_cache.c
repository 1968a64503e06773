/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caches of the slots: where a run comes from when one is used up, where
 * it goes when it is empty, and what becomes of a cache when its thread ends.
 * See slots_internal.h.
 *
 * The next run of a class is, in this order: one that has free slots; an empty
 * one that was kept; an orphan's with free slots; a new one; a new one after
 * the empty ones of the other classes went back to the source.
 */
#include "config.h"

#include "mm/alloc/slots_run_internal.h"

#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <string.h>

enum { EMPTY_KEPT = 1 }; /* of each class, by a cache that is in use */

/* Rows of runs --------------------------------------------------------------
 */

static struct mm_slots_bin *bin_of(struct mm_slots_cache *cache,
                                   const struct mm_slots_run *run)
{
  return &cache->bins[run->tag->class];
}

/* Sets the state, and when a free has to do more than set a bit: always in a
   full run, in a partial one when it may be empty.  In the current run it does
   hardly ever, and for nothing. */
static void set_state(struct mm_slots_run *run, enum mm_slots_state state)
{
  run->left = 0;
  if (state == MM_SLOTS_CURRENT)
    run->left = INT32_MAX;
  else if (state == MM_SLOTS_PARTIAL)
    run->left = mm_slots_used(run);
  run->state = (uint8_t)state;
}

static void append(struct mm_slots_bin *bin, struct mm_slots_run *run)
{
  run->next = NULL;
  run->previous = bin->last;
  if (bin->last)
    bin->last->next = run;
  else
    bin->first = run;
  bin->last = run;
  set_state(run, MM_SLOTS_PARTIAL);
}

static void take_out(struct mm_slots_bin *bin, struct mm_slots_run *run)
{
  MM_ASSERT(run->state == MM_SLOTS_PARTIAL);
  if (run->previous)
    run->previous->next = run->next;
  else
    bin->first = run->next;
  if (run->next)
    run->next->previous = run->previous;
  else
    bin->last = run->previous;
}

static void use_none(struct mm_slots_cache *cache, struct mm_slots_bin *bin)
{
  bin->from = NULL;
  bin->word = &cache->none;
}

static void push_empty(struct mm_slots_cache *cache, struct mm_slots_bin *bin,
                       struct mm_slots_run *run)
{
  MM_ASSERT(mm_slots_used(run) == 0);
  if (bin->from == run)
    use_none(cache, bin);
  run->next = bin->empty;
  bin->empty = run;
  bin->empty_count++;
  set_state(run, MM_SLOTS_EMPTY);
}

static struct mm_slots_run *pop_empty(struct mm_slots_bin *bin)
{
  struct mm_slots_run *run = bin->empty;
  if (!run)
    return NULL;
  bin->empty = run->next;
  bin->empty_count--;
  return run;
}

/* Descriptions of runs --------------------------------------------------------
 */

/* How many lines they have: for the words of 2 KiB slots, of smaller ones, and
   so on to those of 16 bytes.  Each is used again for its like, so there is
   memory for each size in each span. */
static const uint8_t size_lines[MM_SLOTS_RUN_SIZES] = {1, 2, 3, 5, 9};

size_t mm_slots_run_lines(size_t spans)
{
  size_t lines = 0;
  for (size_t i = 0; i < MM_SLOTS_RUN_SIZES; i++)
    lines += size_lines[i] * spans;
  return lines;
}

static size_t size_bytes(uint8_t size)
{
  return size_lines[size] * (size_t)MM_SLOTS_LINE_BYTES;
}

static uint8_t size_for(unsigned words)
{
  uint8_t size = 0;
  while (size_bytes(size) <
         sizeof(struct mm_slots_run) + words * sizeof(uint64_t))
    size++;
  MM_ASSERT(size < MM_SLOTS_RUN_SIZES);
  return size;
}

static struct mm_slots_run *new_run_locked(struct mm_slots *slots, uint8_t size)
{
  struct mm_slots_run *run = slots->unused_runs[size];
  if (run) {
    slots->unused_runs[size] = run->next;
    return run;
  }
  run = (struct mm_slots_run *)slots->unused_run;
  slots->unused_run += size_bytes(size);
  MM_ASSERT(slots->unused_run <= slots->runs_end);
  run->size = size;
  return run;
}

static void put_away_locked(struct mm_slots *slots, struct mm_slots_run *run)
{
  run->next = slots->unused_runs[run->size];
  slots->unused_runs[run->size] = run;
}

/* Runs from and to the source ------------------------------------------------
 */

static void divide(struct mm_slots_tag *tag, uint64_t bytes)
{
  uint64_t one = (uint64_t)1 << 32;
  uint64_t reciprocal = (one + bytes - 1) / bytes;
  uint64_t excess = reciprocal * bytes - one;
  tag->slot_bytes = (uint16_t)bytes;
  tag->reciprocal = (uint32_t)reciprocal;
  tag->fraction_limit =
      excess == 0 ? 1 : (uint16_t)(MM_SPAN_BYTES / bytes * excess);
}

/* All slots are free. */
static void fill(struct mm_slots_run *run, struct mm_slots_tag *tag,
                 uintptr_t start)
{
  unsigned words = mm_slots_word_count(tag);
  MM_ASSERT(run->state == MM_SLOTS_NONE && run->left == 0 && run->debt == 0);
  run->tag = tag;
  run->start = start;
  run->summary = UINT64_MAX >> (MM_SLOTS_WORD_BITS - words);
  for (unsigned i = 0; i < words; i++)
    mm_slots_store(&run->free[i], mm_slots_word_mask(tag, i));
}

static struct mm_slots_run *take_run_locked(struct mm_slots_cache *cache,
                                            uint32_t class)
{
  struct mm_slots *slots = cache->slots;
  uintptr_t at = slots->source->take(slots->source, MM_SPAN_BYTES);
  if (!at)
    return NULL;
  size_t span = (at - slots->source->base) >> MM_SPAN_LOG2;
  struct mm_slots_tag *tag = &slots->tags[span];
  MM_ASSERT(mm_slots_start(slots, tag) == at && !tag->owner);
  tag->class = (uint8_t) class;
  divide(tag, slots->classes.bytes[class]);
  tag->run = new_run_locked(slots, size_for(mm_slots_word_count(tag)));
  fill(tag->run, tag, at);
  __atomic_store_n(&tag->owner, cache, __ATOMIC_RELEASE);
  slots->run_count++;
  if (span >= slots->spans)
    slots->spans = span + 1;
  return tag->run;
}

static void give_run_locked(struct mm_slots *slots, struct mm_slots_run *run)
{
  struct mm_slots_tag *tag = run->tag;
  MM_ASSERT(mm_slots_used(run) == 0 && mm_slots_mirror(slots, run)->count == 0);
  set_state(run, MM_SLOTS_NONE);
  __atomic_store_n(&tag->owner, NULL, __ATOMIC_RELEASE);
  slots->run_count--;
  put_away_locked(slots, run);
  slots->source->give(slots->source, run->start, MM_SPAN_BYTES);
}

void mm_slots_shed_locked(struct mm_slots_cache *cache, uint32_t keep)
{
  for (uint32_t i = 0; i < cache->slots->classes.count; i++)
    while (cache->bins[i].empty_count > keep)
      give_run_locked(cache->slots, pop_empty(&cache->bins[i]));
}

static void shed(struct mm_slots_cache *cache, uint32_t keep)
{
  pthread_mutex_lock(&cache->slots->lock);
  mm_slots_shed_locked(cache, keep);
  pthread_mutex_unlock(&cache->slots->lock);
}

static void gather_and_shed(struct mm_slots_cache *cache, uint32_t keep)
{
  if (mm_slots_is_queue_empty(cache))
    return;
  mm_slots_gather(cache);
  shed(cache, keep);
}

/* The current run ------------------------------------------------------------
 */

/* Has the run a free slot?  Then the first word that has one is the lowest in
   the summary. */
static bool has_free(struct mm_slots_run *run)
{
  while (run->summary) {
    if (mm_slots_load(&run->free[__builtin_ctzll(run->summary)]) != 0)
      return true;
    run->summary &= run->summary - 1;
  }
  return false;
}

/* Turns to a word of the current run that has a free slot; false: the run is
   used up. */
static bool next_word(struct mm_slots_bin *bin)
{
  mm_slots_leave_word(bin);
  if (!bin->current || !has_free(bin->current))
    return false;
  mm_slots_use_word(bin, bin->current,
                    (size_t)__builtin_ctzll(bin->current->summary));
  return true;
}

/* Puts the current run where it belongs. */
static void leave_current(struct mm_slots_cache *cache,
                          struct mm_slots_bin *bin)
{
  struct mm_slots_run *run = bin->current;
  if (!run)
    return;
  bin->current = NULL;
  if (!has_free(run))
    set_state(run, MM_SLOTS_FULL);
  else if (mm_slots_used(run) == 0)
    push_empty(cache, bin, run);
  else
    append(bin, run);
}

static void put_hot_back(struct mm_slots_cache *cache, uint32_t class)
{
  void *hot = mm_slots_hot(cache, class);
  uintptr_t offset = (uintptr_t)hot - cache->base;
  if (!hot)
    return;
  struct mm_slots_tag *tag = &cache->tags[offset >> MM_SPAN_LOG2];
  uint32_t slot = 0;
  mm_slots_index(tag, offset & (MM_SPAN_BYTES - 1), &slot);
  mm_slots_set_hot(cache, class, NULL);
  mm_slots_put(cache, tag->run, slot);
}

static void leave_all(struct mm_slots_cache *cache)
{
  for (uint32_t i = 0; i < cache->slots->classes.count; i++) {
    put_hot_back(cache, i);
    leave_current(cache, &cache->bins[i]);
    use_none(cache, &cache->bins[i]);
  }
}

/* Runs of the row that are used up, by way of their words, leave it. */
static struct mm_slots_run *take_first(struct mm_slots_bin *bin)
{
  struct mm_slots_run *run;
  while ((run = bin->first)) {
    take_out(bin, run);
    if (has_free(run))
      return run;
    set_state(run, MM_SLOTS_FULL);
  }
  return NULL;
}

static struct mm_slots_run *orphan_run_locked(struct mm_slots_cache *cache,
                                              uint32_t class)
{
  struct mm_slots_cache *orphan = cache->slots->orphans;
  for (; orphan; orphan = orphan->next_orphan) {
    struct mm_slots_run *run = take_first(&orphan->bins[class]);
    if (!run)
      continue;
    __atomic_store_n(&run->tag->owner, cache, __ATOMIC_RELEASE);
    return run;
  }
  return NULL;
}

static struct mm_slots_run *strange_run(struct mm_slots_cache *cache,
                                        uint32_t class)
{
  pthread_mutex_lock(&cache->slots->lock);
  struct mm_slots_run *run = orphan_run_locked(cache, class);
  if (!run)
    run = take_run_locked(cache, class);
  pthread_mutex_unlock(&cache->slots->lock);
  return run;
}

static struct mm_slots_run *find_run(struct mm_slots_cache *cache,
                                     uint32_t class)
{
  struct mm_slots_run *run = take_first(&cache->bins[class]);
  if (!run)
    run = pop_empty(&cache->bins[class]);
  if (!run)
    run = strange_run(cache, class);
  return run;
}

static bool next_run(struct mm_slots_cache *cache, struct mm_slots_bin *bin)
{
  uint32_t class = (uint32_t)(bin - cache->bins);
  leave_current(cache, bin);
  gather_and_shed(cache, EMPTY_KEPT);
  struct mm_slots_run *run = find_run(cache, class);
  if (!run) {
    mm_slots_cache_trim(cache);
    run = find_run(cache, class);
  }
  if (!run)
    return false;
  set_state(run, MM_SLOTS_CURRENT);
  bin->current = run;
  return next_word(bin);
}

void *mm_slots_alloc_slow(struct mm_slots_cache *cache,
                          struct mm_slots_bin *bin)
{
  if (!next_word(bin) && !next_run(cache, bin))
    return NULL;
  MM_ASSERT(*bin->word != 0);
  return mm_slots_alloc(cache, bin->slot_bytes);
}

/* A full run may have frees on their way and yet no free slot. */
void mm_slots_settle(struct mm_slots_cache *cache, struct mm_slots_run *run)
{
  struct mm_slots_bin *bin = bin_of(cache, run);
  if (run->state == MM_SLOTS_FULL && run->summary != 0)
    append(bin, run);
  if (run->state != MM_SLOTS_PARTIAL || run->left > 0)
    return;
  run->left = mm_slots_used(run);
  if (run->left > 0)
    return;
  take_out(bin, run);
  push_empty(cache, bin, run);
}

void mm_slots_freed_slow(struct mm_slots_cache *cache, struct mm_slots_run *run)
{
  if (run->state == MM_SLOTS_CURRENT)
    set_state(run, MM_SLOTS_CURRENT); /* counts down anew */
  mm_slots_settle(cache, run);
  if (bin_of(cache, run)->empty_count > EMPTY_KEPT)
    shed(cache, EMPTY_KEPT);
}

/* Life of a cache ------------------------------------------------------------
 */

uint64_t mm_slots_cache_bytes(void)
{
  uint64_t page = mm_os_page_bytes();
  return (sizeof(struct mm_slots_cache) + page - 1) & ~(page - 1);
}

static void set_up(struct mm_slots *slots, struct mm_slots_cache *cache)
{
  cache->base = slots->source->base;
  cache->reserved_bytes = slots->source->reserved_bytes;
  cache->tags = slots->tags;
  memcpy(cache->of_granules, slots->classes.of_granules,
         sizeof cache->of_granules);
  cache->slots = slots;
  for (uint32_t i = 0; i < slots->classes.count; i++) {
    cache->bins[i].word = &cache->none;
    cache->bins[i].slot_bytes = slots->classes.bytes[i];
  }
}

/* Not native memory, which may come from slots itself. */
struct mm_slots_cache *mm_slots_cache_create_locked(struct mm_slots *slots)
{
  void *at;
  if (mm_os_map(mm_slots_cache_bytes(), &at) != MM_OK)
    return NULL;
  mm_native_charge(MM_PURPOSE_ALLOCATORS, (int64_t)mm_slots_cache_bytes());
  struct mm_slots_cache *cache = at;
  set_up(slots, cache);
  cache->next = slots->caches;
  slots->caches = cache;
  return cache;
}

static struct mm_slots_cache *adopt_locked(struct mm_slots *slots)
{
  struct mm_slots_cache *cache = slots->orphans;
  if (!cache)
    return NULL;
  slots->orphans = cache->next_orphan;
  cache->next_orphan = NULL;
  __atomic_store_n(&cache->is_orphan, false, __ATOMIC_SEQ_CST);
  return cache;
}

struct mm_slots_cache *mm_slots_cache_acquire(struct mm_slots *slots)
{
  pthread_mutex_lock(&slots->lock);
  struct mm_slots_cache *cache = adopt_locked(slots);
  if (!cache)
    cache = mm_slots_cache_create_locked(slots);
  pthread_mutex_unlock(&slots->lock);
  return cache;
}

void mm_slots_cache_release(struct mm_slots_cache *cache)
{
  if (!cache)
    return;
  struct mm_slots *slots = cache->slots;
  leave_all(cache);
  pthread_mutex_lock(&slots->lock);
  MM_ASSERT(!cache->is_orphan);
  cache->next_orphan = slots->orphans;
  slots->orphans = cache;
  /* Before the queue is looked at: see mm_slots_free_other. */
  __atomic_store_n(&cache->is_orphan, true, __ATOMIC_SEQ_CST);
  mm_slots_gather(cache);
  mm_slots_shed_locked(cache, 0);
  pthread_mutex_unlock(&slots->lock);
}

void mm_slots_cache_trim(struct mm_slots_cache *cache)
{
  leave_all(cache);
  mm_slots_gather(cache);
  shed(cache, 0);
}
