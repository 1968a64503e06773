/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the runtime itself, counted by purpose; see native.h.
 */
#include "config.h"

#include "mm/native.h"

#include "mm/assert_internal.h"
#include "mm/space/internal_space_internal.h"

#include <inttypes.h>
#include <string.h>

/* Relaxed atomics, all.  Blocks are ours; what is charged besides is mapped by
   others. */
static struct account {
  uint64_t blocks, block_bytes;
  uint64_t charged_bytes;
  bool is_used; /* ever */
} accounts[MM_PURPOSE_COUNT];

/* Failures on request ----------------------------------------------------- */

static uint64_t until_failure; /* atomic; 0: no failure is planned */
static bool fails_after;       /* atomic: and all that follow */
static bool has_failed;        /* atomic */

static bool fails_slow(void)
{
  uint64_t left = __atomic_load_n(&until_failure, __ATOMIC_RELAXED);
  uint64_t next;
  do {
    if (left == 0)
      return false;
    next = left - 1;
    if (next == 0 && __atomic_load_n(&fails_after, __ATOMIC_RELAXED))
      next = 1;
  } while (!__atomic_compare_exchange_n(&until_failure, &left, next, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  if (left == 1)
    __atomic_store_n(&has_failed, true, __ATOMIC_RELAXED);
  return left == 1;
}

bool mm_native_fails_now(void)
{
  return __builtin_expect(
             __atomic_load_n(&until_failure, __ATOMIC_RELAXED) != 0, 0) &&
         fails_slow();
}

void mm_native_fail_at(uint64_t count, bool and_after)
{
  __atomic_store_n(&has_failed, false, __ATOMIC_RELAXED);
  __atomic_store_n(&fails_after, and_after, __ATOMIC_RELAXED);
  __atomic_store_n(&until_failure, count, __ATOMIC_RELAXED);
}

bool mm_native_has_failed(void)
{
  return __atomic_load_n(&has_failed, __ATOMIC_RELAXED);
}

/* Names ------------------------------------------------------------------- */

static const struct mm_purpose_name own_names[] = {
#define MM_PURPOSE(NAME, key, text) {#key, text},
#include "mm/purposes.def"
};

static const struct mm_purpose_name *host_names;
static unsigned host_name_count;

void mm_native_name_purposes(const struct mm_purpose_name *names,
                             unsigned count)
{
  MM_ASSERT(MM_PURPOSE_HOST + count <= MM_PURPOSE_COUNT);
  host_names = names;
  host_name_count = count;
}

static const struct mm_purpose_name *name_of(unsigned purpose)
{
  static const struct mm_purpose_name unnamed = {"host", "the host's own"};
  if (purpose < MM_PURPOSE_HOST)
    return &own_names[purpose];
  purpose -= MM_PURPOSE_HOST;
  return purpose < host_name_count ? &host_names[purpose] : &unnamed;
}

const char *mm_purpose_key(unsigned purpose)
{
  return name_of(purpose)->key;
}

const char *mm_purpose_text(unsigned purpose)
{
  return name_of(purpose)->text;
}

/* Counts ------------------------------------------------------------------ */

static uint64_t read_count(const uint64_t *count)
{
  return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static void count(uint64_t *sum, int64_t more)
{
  uint64_t now = __atomic_add_fetch(sum, (uint64_t)more, __ATOMIC_RELAXED);
  MM_ASSERT((int64_t)now >= 0);
  (void)now;
}

/* Written once, so that threads do not take the line from each other. */
static void note_use(struct account *account)
{
  if (!__atomic_load_n(&account->is_used, __ATOMIC_RELAXED))
    __atomic_store_n(&account->is_used, true, __ATOMIC_RELAXED);
}

static void count_block(unsigned purpose, int64_t bytes, int blocks)
{
  struct account *account = &accounts[purpose];
  note_use(account);
  count(&account->block_bytes, bytes);
  count(&account->blocks, blocks);
}

void mm_native_charge(unsigned purpose, int64_t bytes)
{
  MM_ASSERT(purpose < MM_PURPOSE_COUNT);
  note_use(&accounts[purpose]);
  count(&accounts[purpose].charged_bytes, bytes);
}

uint64_t mm_native_bytes(unsigned purpose)
{
  return read_count(&accounts[purpose].block_bytes) +
         read_count(&accounts[purpose].charged_bytes);
}

uint64_t mm_native_blocks(unsigned purpose)
{
  return read_count(&accounts[purpose].blocks);
}

bool mm_purpose_is_used(unsigned purpose)
{
  return __atomic_load_n(&accounts[purpose].is_used, __ATOMIC_RELAXED);
}

unsigned mm_native_print_leaks(FILE *out)
{
  unsigned leaks = 0;
  for (unsigned purpose = 0; purpose < MM_PURPOSE_COUNT; purpose++) {
    uint64_t blocks = mm_native_blocks(purpose);
    uint64_t bytes = mm_native_bytes(purpose);
    if (purpose == MM_PURPOSE_ALLOCATORS || (bytes == 0 && blocks == 0))
      continue;
    fprintf(out,
            "bamboo: internal failure: leaked: %s: %" PRIu64
            " block%s, %" PRIu64 " byte%s\n",
            mm_purpose_text(purpose), blocks, blocks == 1 ? "" : "s", bytes,
            bytes == 1 ? "" : "s");
    leaks++;
  }
  return leaks;
}

void mm_native_stats(struct mm_native_stats *stats)
{
  mm_internal_stats(stats);
  for (unsigned purpose = 0; purpose < MM_PURPOSE_COUNT; purpose++)
    stats->requested_bytes += read_count(&accounts[purpose].block_bytes);
}

enum mm_status mm_native_configure(enum mm_native_allocator allocator,
                                   uint64_t max_bytes)
{
  return mm_internal_configure(allocator, max_bytes);
}

/* Blocks ------------------------------------------------------------------ */

static void *alloc(unsigned purpose, size_t bytes, bool zeroed)
{
  MM_ASSERT(purpose < MM_PURPOSE_COUNT);
  if (mm_native_fails_now())
    return NULL;
  void *at = mm_internal_alloc(purpose, bytes, zeroed);
  if (at)
    count_block(purpose, (int64_t)bytes, 1);
  return at;
}

void *mm_native_alloc(unsigned purpose, size_t bytes)
{
  return alloc(purpose, bytes, true);
}

void *mm_native_alloc_dirty(unsigned purpose, size_t bytes)
{
  return alloc(purpose, bytes, false);
}

void *mm_native_alloc_array(unsigned purpose, size_t count, size_t item_bytes)
{
  size_t bytes;
  if (__builtin_mul_overflow(count, item_bytes, &bytes))
    return NULL;
  return mm_native_alloc(purpose, bytes);
}

void *mm_native_resize(unsigned purpose, void *at, size_t old_bytes,
                       size_t new_bytes)
{
  void *grown = mm_native_alloc_dirty(purpose, new_bytes);
  if (!grown)
    return NULL;
  if (at)
    memcpy(grown, at, old_bytes < new_bytes ? old_bytes : new_bytes);
  mm_native_free(purpose, at, old_bytes);
  return grown;
}

void mm_native_free(unsigned purpose, void *at, size_t bytes)
{
  if (!at)
    return;
  mm_internal_free(purpose, at, bytes);
  count_block(purpose, -(int64_t)bytes, -1);
}

/* Text -------------------------------------------------------------------- */

char *mm_native_copy_bytes(unsigned purpose, const char *text, size_t length)
{
  char *copy = mm_native_alloc_dirty(purpose, length + 1);
  if (!copy)
    return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

char *mm_native_copy_text(unsigned purpose, const char *text)
{
  return mm_native_copy_bytes(purpose, text, strlen(text));
}

void mm_native_free_text(unsigned purpose, char *text)
{
  if (text)
    mm_native_free(purpose, text, strlen(text) + 1);
}
