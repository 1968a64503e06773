/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocators that bench_malloc compares.  To add one, write its functions
 * and an entry of the table at the end; one that is a struct mm_allocator and
 * has a lock needs only a function that makes it.
 */
#include "config.h"

#include "tests/bench/bench_malloc.h"

#include "mm/alloc/freelist_internal.h"
#include "mm/alloc/slots_internal.h"
#include "mm/alloc/span_internal.h"
#include "mm/native.h"

#include <stdlib.h>

enum { OWNER = 1, PURPOSE = MM_PURPOSE_HOST };

static struct mm_spans spans;
static struct mm_span_source source;

static void open_source(void)
{
  if (mm_spans_init(&spans, (uint64_t)8 << 30, 1 << 30, 1) != MM_OK)
    bench_give_up("no memory", "spans");
  mm_span_source_init(&source, &spans, OWNER);
}

/* Slots, each thread with its cache
 * -------------------------------------------- */

static struct mm_slots *slots;
static __thread struct mm_slots_cache *cache;

static void slots_open(void)
{
  open_source();
  if (mm_slots_create(&source.source, NULL, 0, NULL, NULL, &slots) != MM_OK)
    bench_give_up("no memory", "slots");
}

static void slots_begin(void)
{
  cache = mm_slots_cache_acquire(slots);
  if (!cache)
    bench_give_up("no memory", "cache of slots");
}

static void slots_end(void)
{
  mm_slots_cache_release(cache);
}

static void *slots_alloc(size_t bytes)
{
  return mm_slots_alloc(cache, bytes);
}

static void slots_free(void *block, size_t bytes)
{
  (void)bytes;
  mm_slots_free(cache, block);
}

/* Whatever is a struct mm_allocator
 * ---------------------------------------------- */

static struct mm_allocator *allocator;

static void shared_slots_open(void)
{
  slots_open();
  allocator = &slots->allocator;
}

static struct mm_freelist freelist;

static void freelist_open(void)
{
  open_source();
  if (mm_freelist_init(&freelist, &source.source) != MM_OK)
    bench_give_up("no memory", "freelist");
  allocator = &freelist.allocator;
}

static void *class_alloc(size_t bytes)
{
  return mm_allocator_alloc(allocator, bytes);
}

static void class_free(void *block, size_t bytes)
{
  (void)bytes;
  mm_allocator_free(allocator, block);
}

/* The runtime's own memory, and the C library's
 * ------------------------------------ */

static void *native_alloc(size_t bytes)
{
  return mm_native_alloc_dirty(PURPOSE, bytes);
}

static void native_free(void *block, size_t bytes)
{
  mm_native_free(PURPOSE, block, bytes);
}

static void libc_free(void *block, size_t bytes)
{
  (void)bytes;
  free(block);
}

/* None: what the test itself costs
 * ---------------------------------------------- */

enum { NONE_BYTES = 24 };

static void *none_alloc(size_t bytes)
{
  static _Alignas(16) char block[NONE_BYTES];
  (void)bytes;
  return block;
}

static void none_free(void *block, size_t bytes)
{
  (void)block, (void)bytes;
}

#define LIBC_FUNCTIONS                                                         \
  .most_bytes = SIZE_MAX, .is_for_threads = true, .alloc = malloc,             \
  .free = libc_free

const struct bench_allocator bench_allocators[] = {
    {.name = "slots",
     .most_bytes = MM_SLOTS_MOST_BYTES,
     .is_for_threads = true,
     .open = slots_open,
     .begin_thread = slots_begin,
     .end_thread = slots_end,
     .alloc = slots_alloc,
     .free = slots_free},
    {.name = "slots-shared", /* by the functions of the class: with a lock */
     .most_bytes = MM_SLOTS_MOST_BYTES,
     .is_for_threads = true,
     .open = shared_slots_open,
     .alloc = class_alloc,
     .free = class_free},
    {.name = "freelist", /* has no lock */
     .most_bytes = SIZE_MAX,
     .open = freelist_open,
     .alloc = class_alloc,
     .free = class_free},
    {.name = "internal",
     .most_bytes = SIZE_MAX,
     .is_for_threads = true,
     .alloc = native_alloc,
     .free = native_free},
    {.name = "libc", LIBC_FUNCTIONS},
    {.name = "mimalloc",
     .preload = "libmimalloc.so.2 libmimalloc.so.2.0 libmimalloc.so",
     LIBC_FUNCTIONS},
    {.name = "jemalloc",
     .preload = "libjemalloc.so.2 libjemalloc.so",
     LIBC_FUNCTIONS},
    {.name = "none",
     .most_bytes = NONE_BYTES,
     .alloc = none_alloc,
     .free = none_free},
    {.name = NULL},
};
