/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans; see span_internal.h for the picture.
 *
 * Memory stays readable once it was used: to take its access away would cut
 * the mapping in pieces, of which the system grants a limited number.  Giving
 * memory back is madvise alone, and the next touch finds zeros.
 *
 * A kept span is zeroed when it is taken again, after the lock is dropped; for
 * a run of more than 64 spans it is cheaper to have the system do it.
 */
#include "config.h"

#include "mm/alloc/span_internal.h"

#include "mm/alloc/poison_internal.h"
#include "mm/assert_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <string.h>

enum {
  COMMIT_STEP = 64,    /* spans */
  ZEROED_BY_HAND = 64, /* spans; at most the bits of a word */
  KEPT_LEAST = 16,     /* spans that may be kept, however few are used */
  KEPT_FRACTION = 8,
  WORD_BITS = 64,
};

#define NONE UINT32_MAX

/* Bits -------------------------------------------------------------------- */

static bool has_bit(const uint64_t *bits, uint32_t at)
{
  return bits[at / WORD_BITS] >> at % WORD_BITS & 1;
}

static void set_bits(uint64_t *bits, uint32_t at, uint32_t count)
{
  for (uint32_t end = at + count; at < end; at++)
    bits[at / WORD_BITS] |= (uint64_t)1 << at % WORD_BITS;
}

static void clear_bits(uint64_t *bits, uint32_t at, uint32_t count)
{
  for (uint32_t end = at + count; at < end; at++)
    bits[at / WORD_BITS] &= ~((uint64_t)1 << at % WORD_BITS);
}

/* The first bit at or above `at` that is `value`; `end` if none is below it. */
static uint32_t next_bit(const uint64_t *bits, uint32_t at, uint32_t end,
                         bool value)
{
  uint64_t flip = value ? 0 : UINT64_MAX;
  while (at < end) {
    uint64_t word = (bits[at / WORD_BITS] ^ flip) >> at % WORD_BITS;
    if (word) {
      at += (uint32_t)__builtin_ctzll(word);
      return at < end ? at : end;
    }
    at = (at / WORD_BITS + 1) * WORD_BITS;
  }
  return end;
}

/* One more than the last bit set below `end`; 0 if none is. */
static uint32_t end_of_last_bit(const uint64_t *bits, uint32_t end)
{
  while (end > 0) {
    uint32_t word_at = (end - 1) / WORD_BITS;
    uint32_t unused = (word_at + 1) * WORD_BITS - end;
    uint64_t word = bits[word_at] << unused;
    if (word)
      return end - (uint32_t)__builtin_clzll(word);
    end = word_at * WORD_BITS;
  }
  return 0;
}

/* How many bits below `end` are set without a gap. */
static uint32_t run_below(const uint64_t *bits, uint32_t end)
{
  uint32_t at = end;
  while (at > 0 && has_bit(bits, at - 1))
    at--;
  return end - at;
}

/* Addresses --------------------------------------------------------------- */

static uintptr_t address_of(const struct mm_spans *spans, uint32_t at)
{
  return spans->base + ((uintptr_t)at << MM_SPAN_LOG2);
}

static size_t bytes_of(uint32_t count)
{
  return (size_t)count << MM_SPAN_LOG2;
}

/* The span of any address; NONE when it lies elsewhere. */
static uint32_t span_of(const struct mm_spans *spans, uintptr_t address)
{
  uintptr_t offset = address - spans->base;
  return offset < bytes_of(spans->count) ? (uint32_t)(offset >> MM_SPAN_LOG2)
                                         : NONE;
}

/* Kept memory ------------------------------------------------------------- */

static void discard_locked(struct mm_spans *spans, uint32_t at, uint32_t count)
{
  /* Where the system refuses (locked pages), the memory has to be zero all
     the same. */
  if (mm_os_discard(address_of(spans, at), bytes_of(count)) != MM_OK) {
    mm_unpoison(address_of(spans, at), bytes_of(count));
    memset((void *)address_of(spans, at), 0, bytes_of(count));
    mm_poison(address_of(spans, at), bytes_of(count));
  }
  clear_bits(spans->kept_bits, at, count);
  spans->kept -= count;
}

/* Gives kept memory back, the highest first, until `most` spans are left. */
static void trim_locked(struct mm_spans *spans, uint32_t most)
{
  uint32_t end = spans->top;
  while (spans->kept > most) {
    end = end_of_last_bit(spans->kept_bits, end);
    MM_ASSERT(end > 0);
    uint32_t count = run_below(spans->kept_bits, end);
    if (count > spans->kept - most)
      count = spans->kept - most;
    discard_locked(spans, end - count, count);
  }
}

static void trim_after_give_locked(struct mm_spans *spans)
{
  uint32_t most = spans->used / KEPT_FRACTION;
  if (most < KEPT_LEAST)
    most = KEPT_LEAST;
  if (spans->kept > most)
    trim_locked(spans, most / 2);
}

static void respect_limit_locked(struct mm_spans *spans)
{
  uint32_t rest = spans->limit > spans->used ? spans->limit - spans->used : 0;
  if (spans->kept > rest)
    trim_locked(spans, rest);
}

/* Takes the run's spans off the kept ones; a mask of those that have to be
   zeroed by hand. */
static uint64_t unkeep_locked(struct mm_spans *spans, uint32_t at,
                              uint32_t count)
{
  uint64_t dirty = 0;
  uint32_t end = at + count;
  for (uint32_t i = next_bit(spans->kept_bits, at, end, true); i < end;
       i = next_bit(spans->kept_bits, i, end, true)) {
    uint32_t run = next_bit(spans->kept_bits, i, end, false) - i;
    if (count > ZEROED_BY_HAND) {
      discard_locked(spans, i, run);
      continue;
    }
    for (uint32_t j = i; j < i + run; j++)
      dirty |= (uint64_t)1 << (j - at);
    clear_bits(spans->kept_bits, i, run);
    spans->kept -= run;
  }
  return dirty;
}

/* Taking ------------------------------------------------------------------ */

/* The first free spans of at least so many in a row. */
static uint32_t find_locked(const struct mm_spans *spans, uint32_t count)
{
  uint32_t at = spans->lowest_free;
  for (;;) {
    at = next_bit(spans->used_bits, at, spans->top, false);
    uint32_t end = next_bit(spans->used_bits, at, spans->top, true);
    if (end == spans->top)
      return count <= spans->count - at ? at : NONE;
    if (end - at >= count)
      return at;
    at = end;
  }
}

static bool commit_locked(struct mm_spans *spans, uint32_t end)
{
  if (end <= spans->committed)
    return true;
  uint32_t need = end - spans->committed;
  uint32_t step = (need + COMMIT_STEP - 1) / COMMIT_STEP * COMMIT_STEP;
  if (step > spans->count - spans->committed)
    step = spans->count - spans->committed;
  uintptr_t at = address_of(spans, spans->committed);
  if (mm_os_commit(at, bytes_of(step)) != MM_OK) {
    step = need;
    if (mm_os_commit(at, bytes_of(step)) != MM_OK)
      return false;
  }
  spans->committed += step;
  return true;
}

static void set_owner(struct mm_spans *spans, uint32_t at, uint32_t count,
                      unsigned owner)
{
  for (uint32_t i = at; i < at + count; i++)
    __atomic_store_n(&spans->owners[i], (uint8_t)owner, __ATOMIC_RELAXED);
}

static void set_run(struct mm_spans *spans, uint32_t at, uint32_t count)
{
  __atomic_store_n(&spans->runs[at], count, __ATOMIC_RELAXED);
}

static uint32_t take_locked(struct mm_spans *spans, uint32_t count,
                            unsigned owner, uint64_t *dirty)
{
  if (spans->used >= spans->limit || count > spans->limit - spans->used)
    return NONE;
  uint32_t at = find_locked(spans, count);
  if (at == NONE || !commit_locked(spans, at + count))
    return NONE;
  MM_ASSERT(next_bit(spans->used_bits, at, at + count, true) == at + count);
  *dirty = unkeep_locked(spans, at, count);
  set_bits(spans->used_bits, at, count);
  set_owner(spans, at, count, owner);
  set_run(spans, at, count);
  spans->used += count;
  if (at == spans->lowest_free)
    spans->lowest_free = at + count;
  if (at + count > spans->top)
    spans->top = at + count;
  respect_limit_locked(spans);
  return at;
}

uintptr_t mm_spans_take(struct mm_spans *spans, size_t bytes, unsigned owner)
{
  MM_ASSERT(bytes > 0 && bytes % MM_SPAN_BYTES == 0);
  MM_ASSERT(owner > 0 && owner < MM_SPAN_OWNERS);
  if (bytes > bytes_of(spans->count))
    return 0;
  uint32_t count = (uint32_t)(bytes >> MM_SPAN_LOG2);
  uint64_t dirty = 0;
  mm_spans_lock(spans);
  uint32_t at = take_locked(spans, count, owner, &dirty);
  mm_spans_unlock(spans);
  if (at == NONE)
    return 0;
  mm_unpoison(address_of(spans, at), bytes);
  for (; dirty; dirty &= dirty - 1) {
    uint32_t i = at + (uint32_t)__builtin_ctzll(dirty);
    memset((void *)address_of(spans, i), 0, MM_SPAN_BYTES);
  }
  return address_of(spans, at);
}

/* Giving ------------------------------------------------------------------ */

void mm_spans_give(struct mm_spans *spans, uintptr_t at, size_t bytes)
{
  uint32_t first = span_of(spans, at);
  uint32_t count = (uint32_t)(bytes >> MM_SPAN_LOG2);
  MM_ASSERT(first != NONE && at == address_of(spans, first));
  MM_ASSERT(spans->runs[first] == count && bytes == bytes_of(count));
  mm_poison(at, bytes);
  mm_spans_lock(spans);
  clear_bits(spans->used_bits, first, count);
  set_bits(spans->kept_bits, first, count);
  set_owner(spans, first, count, 0);
  set_run(spans, first, 0);
  spans->used -= count;
  spans->kept += count;
  if (first < spans->lowest_free)
    spans->lowest_free = first;
  trim_after_give_locked(spans);
  respect_limit_locked(spans);
  mm_spans_unlock(spans);
}

void mm_spans_trim(struct mm_spans *spans)
{
  mm_spans_lock(spans);
  trim_locked(spans, 0);
  mm_spans_unlock(spans);
}

void mm_spans_limit(struct mm_spans *spans, uint64_t bytes)
{
  mm_spans_lock(spans);
  spans->limit = bytes < bytes_of(spans->count)
                     ? (uint32_t)(bytes >> MM_SPAN_LOG2)
                     : spans->count;
  respect_limit_locked(spans);
  mm_spans_unlock(spans);
}

/* Looking ----------------------------------------------------------------- */

unsigned mm_spans_owner(const struct mm_spans *spans, const void *address)
{
  uint32_t at = span_of(spans, (uintptr_t)address);
  return at == NONE ? 0 : __atomic_load_n(&spans->owners[at], __ATOMIC_RELAXED);
}

size_t mm_spans_run_bytes(const struct mm_spans *spans, const void *address)
{
  uint32_t at = span_of(spans, (uintptr_t)address);
  if (at == NONE || (uintptr_t)address != address_of(spans, at))
    return 0;
  return bytes_of(__atomic_load_n(&spans->runs[at], __ATOMIC_RELAXED));
}

void mm_spans_walk(struct mm_spans *spans, unsigned owner,
                   mm_block_visit *visit, void *context)
{
  mm_spans_lock(spans);
  uint32_t at = next_bit(spans->used_bits, 0, spans->top, true);
  while (at < spans->top) {
    uint32_t count = spans->runs[at];
    MM_ASSERT(count > 0);
    if (spans->owners[at] == owner)
      visit(context, (void *)address_of(spans, at), bytes_of(count));
    at = next_bit(spans->used_bits, at + count, spans->top, true);
  }
  mm_spans_unlock(spans);
}

static uint32_t largest_free_locked(const struct mm_spans *spans)
{
  uint32_t largest = 0;
  uint32_t at = next_bit(spans->used_bits, 0, spans->top, false);
  for (;;) {
    uint32_t end = next_bit(spans->used_bits, at, spans->top, true);
    if (end == spans->top)
      end = spans->count;
    if (end - at > largest)
      largest = end - at;
    if (end == spans->count)
      break;
    at = next_bit(spans->used_bits, end, spans->top, false);
  }
  uint32_t rest = spans->limit > spans->used ? spans->limit - spans->used : 0;
  return largest < rest ? largest : rest;
}

void mm_spans_stats(struct mm_spans *spans, struct mm_span_stats *stats)
{
  mm_spans_lock(spans);
  *stats = (struct mm_span_stats){
      .reserved_bytes = bytes_of(spans->count) + spans->tables_bytes,
      .committed_bytes = bytes_of(spans->used + spans->kept),
      .used_bytes = bytes_of(spans->used),
      .limit_bytes = bytes_of(spans->limit),
      .largest_free_bytes = bytes_of(largest_free_locked(spans)),
  };
  mm_spans_unlock(spans);
}

/* Checking ---------------------------------------------------------------- */

static const char *check_run(const struct mm_spans *spans, uint32_t at)
{
  uint32_t count = spans->runs[at];
  if (count == 0)
    return "a used span belongs to no run";
  if (count > spans->top - at)
    return "a run goes beyond the top";
  for (uint32_t i = at; i < at + count; i++) {
    if (!has_bit(spans->used_bits, i))
      return "a run holds a span that is not used";
    if (spans->owners[i] == 0 || spans->owners[i] != spans->owners[at])
      return "a run has several owners, or none";
    if (i > at && spans->runs[i] != 0)
      return "a run starts within another";
  }
  return NULL;
}

static const char *check_runs(const struct mm_spans *spans)
{
  uint32_t at = 0;
  while (at < spans->top) {
    if (has_bit(spans->used_bits, at)) {
      const char *wrong = check_run(spans, at);
      if (wrong)
        return wrong;
      at += spans->runs[at];
    } else {
      if (spans->runs[at] || spans->owners[at])
        return "a free span has an owner or starts a run";
      at++;
    }
  }
  return NULL;
}

static const char *check_locked(const struct mm_spans *spans)
{
  uint32_t used = 0, kept = 0;
  for (uint32_t i = 0; i < spans->count; i++) {
    used += has_bit(spans->used_bits, i);
    kept += has_bit(spans->kept_bits, i);
    if (has_bit(spans->used_bits, i) && has_bit(spans->kept_bits, i))
      return "a span is used and kept";
    if (!has_bit(spans->used_bits, i) && i < spans->lowest_free)
      return "a span below the lowest free one is free";
  }
  if (used != spans->used || kept != spans->kept)
    return "the counts of spans are not those of their bits";
  if (kept > 0 && used + kept > spans->limit)
    return "memory is kept beyond the limit";
  if (end_of_last_bit(spans->used_bits, spans->count) > spans->top ||
      end_of_last_bit(spans->kept_bits, spans->count) > spans->top ||
      spans->top > spans->committed || spans->committed > spans->count)
    return "a span above the top is used or kept";
  return check_runs(spans);
}

const char *mm_spans_check(struct mm_spans *spans)
{
  mm_spans_lock(spans);
  const char *wrong = check_locked(spans);
  mm_spans_unlock(spans);
  return wrong;
}

/* Life -------------------------------------------------------------------- */

static enum mm_status map_tables(struct mm_spans *spans)
{
  uint64_t count = spans->count;
  uint64_t bits_bytes = (count + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
  uint64_t runs_bytes = count * sizeof(uint32_t);
  uint64_t page = mm_os_page_bytes();
  uint64_t bytes = 2 * bits_bytes + runs_bytes + count;
  bytes = (bytes + page - 1) / page * page;
  enum mm_status status = mm_os_map(bytes, &spans->tables);
  if (status != MM_OK)
    return status;
  mm_native_charge(MM_PURPOSE_ALLOCATORS, (int64_t)bytes);
  char *at = spans->tables;
  spans->tables_bytes = bytes;
  spans->used_bits = (uint64_t *)at;
  spans->kept_bits = (uint64_t *)(at + bits_bytes);
  spans->runs = (uint32_t *)(at + 2 * bits_bytes);
  spans->owners = (uint8_t *)(at + 2 * bits_bytes + runs_bytes);
  return MM_OK;
}

static enum mm_status reserve(struct mm_spans *spans, uint64_t bytes)
{
  enum mm_status status = mm_os_reserve(bytes, MM_SPAN_BYTES, &spans->base);
  if (status != MM_OK)
    return status;
  spans->count = (uint32_t)(bytes >> MM_SPAN_LOG2);
  spans->limit = spans->count;
  status = map_tables(spans);
  if (status == MM_OK)
    return MM_OK;
  mm_os_release((void *)spans->base, bytes);
  return status;
}

enum mm_status mm_spans_init(struct mm_spans *spans, uint64_t most_bytes,
                             uint64_t least_bytes, unsigned fraction)
{
  MM_ASSERT(least_bytes >= MM_SPAN_BYTES && least_bytes <= most_bytes);
  MM_ASSERT(most_bytes >> MM_SPAN_LOG2 < NONE && fraction > 0);
  *spans = (struct mm_spans){0};
  uint64_t bound = mm_os_address_space_bytes() / fraction;
  uint64_t bytes = most_bytes & -(uint64_t)MM_SPAN_BYTES;
  enum mm_status status = MM_NO_MEMORY;
  while (status != MM_OK && bytes >= least_bytes) {
    if (bytes <= bound || bytes / 2 < least_bytes)
      status = reserve(spans, bytes);
    bytes = bytes / 2 & -(uint64_t)MM_SPAN_BYTES;
  }
  if (status == MM_OK)
    pthread_mutex_init(&spans->lock, NULL);
  else
    *spans = (struct mm_spans){0};
  return status;
}

void mm_spans_destroy(struct mm_spans *spans)
{
  if (!spans->base)
    return;
  mm_unpoison(spans->base, bytes_of(spans->committed));
  mm_os_release((void *)spans->base, bytes_of(spans->count));
  mm_native_charge(MM_PURPOSE_ALLOCATORS, -(int64_t)spans->tables_bytes);
  mm_os_release(spans->tables, spans->tables_bytes);
  pthread_mutex_destroy(&spans->lock);
  *spans = (struct mm_spans){0};
}

void mm_spans_lock(struct mm_spans *spans)
{
  pthread_mutex_lock(&spans->lock);
}

void mm_spans_unlock(struct mm_spans *spans)
{
  pthread_mutex_unlock(&spans->lock);
}

/* Sources ----------------------------------------------------------------- */

static uintptr_t take(struct mm_source *source, size_t bytes)
{
  struct mm_span_source *of = (struct mm_span_source *)source;
  return mm_spans_take(of->spans, bytes, of->owner);
}

static void give(struct mm_source *source, uintptr_t at, size_t bytes)
{
  struct mm_span_source *of = (struct mm_span_source *)source;
  MM_ASSERT(mm_spans_owner(of->spans, (void *)at) == of->owner);
  mm_spans_give(of->spans, at, bytes);
}

void mm_span_source_init(struct mm_span_source *source, struct mm_spans *spans,
                         unsigned owner)
{
  source->source = (struct mm_source){
      .base = spans->base,
      .reserved_bytes = bytes_of(spans->count),
      .take = take,
      .give = give,
  };
  source->spans = spans;
  source->owner = owner;
}
