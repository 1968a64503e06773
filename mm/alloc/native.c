/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the memory manager itself: calloc, counted; see
 * native_internal.h.
 */
#include "config.h"

#include "mm/alloc/native_internal.h"

#include "mm/assert_internal.h"

#include <stdlib.h>

static uint64_t bytes_in_use[MM_PURPOSE_COUNT]; /* relaxed atomics */
static uint64_t until_failure; /* atomic; 0: no failure is planned */

static const char *const keys[] = {
#define MM_PURPOSE(NAME, key, text) #key,
#include "mm/alloc/purposes_internal.def"
};

static const char *const texts[] = {
#define MM_PURPOSE(NAME, key, text) text,
#include "mm/alloc/purposes_internal.def"
};

/* Counts down to 1 and stays there: from then on everything fails. */
static bool fails_now(void)
{
  uint64_t left = __atomic_load_n(&until_failure, __ATOMIC_RELAXED);
  while (left > 1)
    if (__atomic_compare_exchange_n(&until_failure, &left, left - 1, true,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return false;
  return left == 1;
}

static void *charged(enum mm_purpose purpose, void *at, size_t bytes)
{
  if (at)
    mm_native_charge(purpose, (int64_t)bytes);
  return at;
}

void *mm_native_alloc(enum mm_purpose purpose, size_t bytes)
{
  return fails_now() ? NULL : charged(purpose, calloc(1, bytes), bytes);
}

void *mm_native_alloc_dirty(enum mm_purpose purpose, size_t bytes)
{
  return fails_now() ? NULL : charged(purpose, malloc(bytes), bytes);
}

void mm_native_free(enum mm_purpose purpose, void *at, size_t bytes)
{
  if (!at)
    return;
  mm_native_charge(purpose, -(int64_t)bytes);
  free(at);
}

void mm_native_charge(enum mm_purpose purpose, int64_t bytes)
{
  uint64_t now = __atomic_add_fetch(&bytes_in_use[purpose], (uint64_t)bytes,
                                    __ATOMIC_RELAXED);
  MM_ASSERT((int64_t)now >= 0);
  (void)now;
}

uint64_t mm_native_bytes(enum mm_purpose purpose)
{
  return __atomic_load_n(&bytes_in_use[purpose], __ATOMIC_RELAXED);
}

const char *mm_purpose_key(enum mm_purpose purpose)
{
  return keys[purpose];
}

const char *mm_purpose_text(enum mm_purpose purpose)
{
  return texts[purpose];
}

void mm_native_fail_at(uint64_t count)
{
  __atomic_store_n(&until_failure, count, __ATOMIC_RELAXED);
}
