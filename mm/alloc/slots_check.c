/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the slots' structures sound?  Checks the invariants that stand in
 * slots_internal.h, while all threads keep still.
 */
#include "config.h"

#include "mm/alloc/slots_run_internal.h"

struct census {
  struct mm_slots *slots;
  size_t runs;                    /* with an owner */
  size_t current, partial, empty; /* of them, by what they say of themselves */
};

/* One run by itself ----------------------------------------------------------
 */

static const char *check_word(const struct mm_slots *slots,
                              const struct mm_slots_run *run, unsigned index)
{
  uint64_t mask = mm_slots_word_mask(run->tag, index);
  uint64_t free = run->free[index];
  uint64_t remote = mm_slots_load(&mm_slots_mirror(slots, run)->words[index]);
  if ((free | remote) & ~mask)
    return "slots: a bit beyond the last slot of a run is set";
  if (free & remote)
    return "slots: a slot is free twice";
  if (free && !(run->summary >> index & 1))
    return "slots: a summary misses a free slot";
  return NULL;
}

static unsigned count_bits(const uint64_t *words, unsigned count)
{
  unsigned bits = 0;
  for (unsigned i = 0; i < count; i++)
    bits += (unsigned)__builtin_popcountll(words[i]);
  return bits;
}

static unsigned count_words(const uint64_t *words, unsigned count)
{
  unsigned set = 0;
  for (unsigned i = 0; i < count; i++)
    set += mm_slots_load(&words[i]) != 0;
  return set;
}

static const char *check_counts(const struct mm_slots *slots,
                                const struct mm_slots_run *run)
{
  const struct mm_slots_remote *mirror = mm_slots_mirror(slots, run);
  unsigned words = mm_slots_word_count(run->tag);
  int64_t free = count_bits(run->free, words), used = mm_slots_used(run);
  int64_t remote = count_words(mirror->words, words);
  if (run->state == MM_SLOTS_FULL && free > 0)
    return "slots: a full run has a free slot";
  if (run->state == MM_SLOTS_EMPTY && used > 0)
    return "slots: an empty run has a block";
  if (run->state == MM_SLOTS_PARTIAL && (run->left <= 0 || run->left > used))
    return "slots: the count of used slots is wrong";
  if (run->debt < 0 || mirror->count != remote + run->debt)
    return "slots: the count of slots freed by other threads is wrong";
  return NULL;
}

static const char *check_division(const struct mm_slots *slots,
                                  const struct mm_slots_run *run)
{
  if (run->tag->class >= slots->classes.count ||
      slots->classes.bytes[run->tag->class] != run->tag->slot_bytes)
    return "slots: a run is not divided as its class says";
  if (run->summary >> 1 >> (mm_slots_word_count(run->tag) - 1))
    return "slots: a summary goes beyond the last word";
  return NULL;
}

static const char *check_run(const struct mm_slots *slots,
                             const struct mm_slots_tag *tag)
{
  if (tag->run->tag != tag || tag->run->start != mm_slots_start(slots, tag))
    return "slots: a run has another span's tag";
  const char *wrong = check_division(slots, tag->run);
  for (unsigned i = 0; !wrong && i < mm_slots_word_count(tag); i++)
    wrong = check_word(slots, tag->run, i);
  return wrong ? wrong : check_counts(slots, tag->run);
}

static const char *count_run(struct census *census,
                             const struct mm_slots_run *run)
{
  census->runs++;
  switch ((enum mm_slots_state)run->state) {
  case MM_SLOTS_CURRENT:
    census->current++;
    return NULL;
  case MM_SLOTS_PARTIAL:
    census->partial++;
    return NULL;
  case MM_SLOTS_EMPTY:
    census->empty++;
    return NULL;
  case MM_SLOTS_FULL:
    return NULL;
  case MM_SLOTS_NONE:
    break;
  }
  return "slots: a run that is in use says it is not";
}

static const char *check_runs(struct census *census)
{
  const char *wrong = NULL;
  for (size_t span = 0; !wrong && span < census->slots->spans; span++) {
    const struct mm_slots_tag *tag = &census->slots->tags[span];
    if (!tag->owner)
      continue;
    wrong = check_run(census->slots, tag);
    if (!wrong)
      wrong = count_run(census, tag->run);
  }
  if (!wrong && census->runs != census->slots->run_count)
    wrong = "slots: the count of runs is wrong";
  return wrong;
}

/* What caches have; each run found is taken off the census --------------------
 */

static bool fits(const struct mm_slots_cache *cache, uint32_t class,
                 const struct mm_slots_run *run, enum mm_slots_state state)
{
  return run->tag->owner == cache && run->tag->class == class &&
         run->state == (uint8_t)state;
}

static const char *check_row(struct census *census,
                             const struct mm_slots_cache *cache, uint32_t class)
{
  const struct mm_slots_bin *bin = &cache->bins[class];
  const struct mm_slots_run *previous = NULL, *run = bin->first;
  for (; run; previous = run, run = run->next) {
    if (!fits(cache, class, run, MM_SLOTS_PARTIAL))
      return "slots: a strange run is in the row of a bin";
    if (run->previous != previous || census->partial-- == 0)
      return "slots: the row of a bin is not linked well";
  }
  return bin->last == previous ? NULL : "slots: the end of a row is wrong";
}

static const char *check_empty(struct census *census,
                               const struct mm_slots_cache *cache,
                               uint32_t class)
{
  const struct mm_slots_bin *bin = &cache->bins[class];
  uint32_t count = 0;
  for (struct mm_slots_run *run = bin->empty; run; run = run->next) {
    if (!fits(cache, class, run, MM_SLOTS_EMPTY))
      return "slots: a strange run is among the empty ones of a bin";
    if (census->empty-- == 0)
      return "slots: an empty run is there twice";
    count++;
  }
  return count == bin->empty_count ? NULL
                                   : "slots: the count of empty runs is wrong";
}

static const char *check_current(struct census *census,
                                 const struct mm_slots_cache *cache,
                                 uint32_t class)
{
  const struct mm_slots_bin *bin = &cache->bins[class];
  if (!bin->current)
    return NULL;
  if (!fits(cache, class, bin->current, MM_SLOTS_CURRENT))
    return "slots: a bin's current run is not";
  if (census->current-- == 0)
    return "slots: a run is current twice";
  return NULL;
}

static const char *check_from(const struct mm_slots_cache *cache,
                              uint32_t class)
{
  const struct mm_slots_bin *bin = &cache->bins[class];
  const struct mm_slots_run *run = bin->from;
  if (!run)
    return bin->word == &cache->none && *bin->word == 0
               ? NULL
               : "slots: a bin without a run has a word";
  if (run->tag->owner != cache || run->tag->class != class ||
      run->state == MM_SLOTS_EMPTY)
    return "slots: a bin takes from a strange run";
  size_t index = (size_t)(bin->word - run->free);
  if (index >= MM_SLOTS_WORDS ||
      bin->word_start !=
          run->start + index * MM_SLOTS_WORD_BITS * bin->slot_bytes)
    return "slots: a bin's word is not of its run";
  return NULL;
}

static const char *check_hot(struct census *census,
                             const struct mm_slots_cache *cache, uint32_t class)
{
  void *hot = mm_slots_hot(cache, class);
  uintptr_t offset = (uintptr_t)hot - cache->base;
  size_t span = offset >> MM_SPAN_LOG2;
  if (!hot)
    return NULL;
  if (span >= census->slots->spans)
    return "slots: a hot block is none";
  const struct mm_slots_tag *tag = &census->slots->tags[span];
  uint32_t slot;
  if (tag->owner != cache || tag->class != class ||
      !mm_slots_index(tag, offset & (MM_SPAN_BYTES - 1), &slot))
    return "slots: a hot block is of a strange run";
  return mm_slots_is_free(tag->run, slot) ? "slots: a hot block is free" : NULL;
}

static const char *check_cache(struct census *census,
                               const struct mm_slots_cache *cache)
{
  const char *wrong = NULL;
  for (uint32_t i = 0; !wrong && i < census->slots->classes.count; i++) {
    wrong = check_row(census, cache, i);
    if (!wrong)
      wrong = check_empty(census, cache, i);
    if (!wrong)
      wrong = check_current(census, cache, i);
    if (!wrong)
      wrong = check_from(cache, i);
    if (!wrong)
      wrong = check_hot(census, cache, i);
  }
  return wrong;
}

static const char *check_caches(struct census *census)
{
  const char *wrong = NULL;
  const struct mm_slots_cache *cache = census->slots->caches;
  for (; !wrong && cache; cache = cache->next)
    wrong = check_cache(census, cache);
  if (!wrong && census->current + census->partial + census->empty > 0)
    wrong = "slots: a run is lost to its cache";
  return wrong;
}

const char *mm_slots_check(struct mm_allocator *allocator)
{
  struct census census = {.slots = (struct mm_slots *)allocator};
  const char *wrong = check_runs(&census);
  return wrong ? wrong : check_caches(&census);
}
