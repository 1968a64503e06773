/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The internal space; see internal_space_internal.h for the picture.
 */
#include "config.h"

#include "mm/space/internal_space_internal.h"

#include "mm/alloc/freelist_internal.h"
#include "mm/alloc/guard_internal.h"
#include "mm/alloc/slots_internal.h"
#include "mm/alloc/span_internal.h"
#include "mm/assert_internal.h"
#include "mm/os/os_internal.h"

#include <pthread.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define MOST_BYTES ((uint64_t)1 << 35)
#define LEAST_BYTES (4 * MIB)

enum { LIMIT_FRACTION = 8 }; /* of a limit on address space */

/* Who owns a span. */
enum { SYSTEM = 0, SLOTS, FREELIST, LARGE };

enum opened { NOT_YET, OPEN, REFUSED };

static struct {
  pthread_once_t once;
  int opened; /* enum opened, atomic */
  struct mm_allocator allocator;
  int choice;             /* enum mm_native_allocator, atomic */
  bool is_system_used;    /* was it ever? atomic */
  uint64_t system_bytes;  /* atomic */
  uint64_t system_blocks; /* atomic */
  uint64_t limit_bytes;   /* atomic */
  struct mm_spans spans;
  struct mm_span_source slots_source, freelist_source;
  struct mm_slots *slots;
  pthread_mutex_t freelist_lock;
  struct mm_freelist freelist;
  struct mm_guard guard;
  pthread_key_t key; /* its destructor gives the thread's cache up */
} space = {.once = PTHREAD_ONCE_INIT, .limit_bytes = UINT64_MAX};

static _Thread_local struct mm_slots_cache *thread_cache
    __attribute__((tls_model("initial-exec")));

static const struct mm_allocator_class class;

/* Forks ------------------------------------------------------------------- */

static void before_fork(void)
{
  mm_guard_lock(&space.guard);
  pthread_mutex_lock(&space.slots->shared_lock);
  pthread_mutex_lock(&space.slots->lock);
  pthread_mutex_lock(&space.freelist_lock);
  mm_spans_lock(&space.spans);
}

static void after_fork(void)
{
  mm_spans_unlock(&space.spans);
  pthread_mutex_unlock(&space.freelist_lock);
  pthread_mutex_unlock(&space.slots->lock);
  pthread_mutex_unlock(&space.slots->shared_lock);
  mm_guard_unlock(&space.guard);
}

/* Opening ----------------------------------------------------------------- */

static void drop_cache(void *cache)
{
  thread_cache = NULL;
  mm_slots_cache_release(cache);
}

static enum mm_status open_allocators(void)
{
  mm_span_source_init(&space.slots_source, &space.spans, SLOTS);
  mm_span_source_init(&space.freelist_source, &space.spans, FREELIST);
  enum mm_status status =
      mm_freelist_init(&space.freelist, &space.freelist_source.source);
  if (status != MM_OK)
    return status;
  status = mm_slots_create(&space.slots_source.source, NULL, 0, NULL, NULL,
                           &space.slots);
  if (status != MM_OK)
    goto fail_slots;
  if (pthread_key_create(&space.key, drop_cache) != 0)
    goto fail_key;
  if (pthread_atfork(before_fork, after_fork, after_fork) != 0)
    goto fail_atfork;
  return MM_OK;
fail_atfork:
  pthread_key_delete(space.key);
fail_key:
  mm_allocator_destroy(&space.slots->allocator);
  status = MM_NO_MEMORY;
fail_slots:
  mm_allocator_destroy(&space.freelist.allocator);
  return status;
}

/* Not more than the machine has; what allocators keep beside the memory grows
   with the reservation. */
static uint64_t most_bytes(void)
{
  uint64_t most = mm_os_physical_bytes();
  if (most < LEAST_BYTES)
    most = LEAST_BYTES;
  return most < MOST_BYTES ? most : MOST_BYTES;
}

static void open_once(void)
{
  pthread_mutex_init(&space.freelist_lock, NULL);
  space.allocator.class = &class;
  mm_guard_init(&space.guard, &space.allocator, NULL, NULL);
  enum mm_status status =
      mm_spans_init(&space.spans, most_bytes(), LEAST_BYTES, LIMIT_FRACTION);
  if (status == MM_OK) {
    status = open_allocators();
    if (status != MM_OK)
      mm_spans_destroy(&space.spans);
  }
  __atomic_store_n(&space.opened, status == MM_OK ? OPEN : REFUSED,
                   __ATOMIC_RELEASE);
}

/* False: the machine refuses the reservation; then there is the C library. */
static bool is_open(void)
{
  int opened = __atomic_load_n(&space.opened, __ATOMIC_ACQUIRE);
  if (__builtin_expect(opened == OPEN, 1))
    return true;
  pthread_once(&space.once, open_once);
  return __atomic_load_n(&space.opened, __ATOMIC_ACQUIRE) == OPEN;
}

/* The C library ----------------------------------------------------------- */

/* The spans may have what the C library does not. */
static void share_limit(void)
{
  uint64_t limit = __atomic_load_n(&space.limit_bytes, __ATOMIC_RELAXED);
  uint64_t system = __atomic_load_n(&space.system_bytes, __ATOMIC_RELAXED);
  mm_spans_limit(&space.spans, limit > system ? limit - system : 0);
}

static uint64_t span_bytes(void)
{
  struct mm_span_stats stats = {0};
  if (is_open())
    mm_spans_stats(&space.spans, &stats);
  return stats.used_bytes;
}

static void *alloc_system(size_t bytes, bool zeroed)
{
  size_t whole = mm_internal_system_whole(bytes);
  uint64_t limit = __atomic_load_n(&space.limit_bytes, __ATOMIC_RELAXED);
  if (limit != UINT64_MAX) {
    uint64_t spans = span_bytes();
    limit = limit > spans ? limit - spans : 0;
  }
  uint64_t now =
      __atomic_add_fetch(&space.system_bytes, whole, __ATOMIC_RELAXED);
  void *block = NULL;
  if (now <= limit && now >= whole)
    block = mm_internal_system_alloc(bytes, zeroed);
  if (block)
    __atomic_add_fetch(&space.system_blocks, 1, __ATOMIC_RELAXED);
  else
    __atomic_sub_fetch(&space.system_bytes, whole, __ATOMIC_RELAXED);
  return block;
}

static void free_system(void *block)
{
  size_t whole = mm_internal_system_free(block);
  __atomic_sub_fetch(&space.system_bytes, whole, __ATOMIC_RELAXED);
  __atomic_sub_fetch(&space.system_blocks, 1, __ATOMIC_RELAXED);
  if (__atomic_load_n(&space.choice, __ATOMIC_RELAXED) != MM_NATIVE_SYSTEM &&
      is_open())
    share_limit();
}

/* Slots ------------------------------------------------------------------- */

static struct mm_slots_cache *acquire_cache(void)
{
  struct mm_slots_cache *cache = mm_slots_cache_acquire(space.slots);
  if (!cache)
    return NULL;
  if (pthread_setspecific(space.key, cache) != 0) {
    mm_slots_cache_release(cache);
    return NULL;
  }
  thread_cache = cache;
  return cache;
}

/* Null: there is no memory for it; then the cache of all has to do. */
static inline struct mm_slots_cache *cache_of_thread(void)
{
  struct mm_slots_cache *cache = thread_cache;
  return __builtin_expect(cache != NULL, 1) ? cache : acquire_cache();
}

static void *alloc_slots(size_t bytes)
{
  struct mm_slots_cache *cache = cache_of_thread();
  return cache ? mm_slots_alloc(cache, bytes)
               : mm_allocator_alloc(&space.slots->allocator, bytes);
}

static void free_slots(void *block)
{
  struct mm_slots_cache *cache = cache_of_thread();
  if (cache)
    mm_slots_free(cache, block);
  else
    mm_allocator_free(&space.slots->allocator, block);
}

/* The freelist, and spans ------------------------------------------------- */

static void *alloc_freelist(size_t bytes, size_t align)
{
  pthread_mutex_lock(&space.freelist_lock);
  void *block =
      mm_allocator_alloc_aligned(&space.freelist.allocator, bytes, align);
  pthread_mutex_unlock(&space.freelist_lock);
  return block;
}

static void free_freelist(void *block)
{
  pthread_mutex_lock(&space.freelist_lock);
  mm_allocator_free(&space.freelist.allocator, block);
  pthread_mutex_unlock(&space.freelist_lock);
}

static size_t freelist_bytes(const void *block)
{
  pthread_mutex_lock(&space.freelist_lock);
  size_t bytes = mm_allocator_block_bytes(&space.freelist.allocator, block);
  pthread_mutex_unlock(&space.freelist_lock);
  return bytes;
}

static bool is_freelist_block(const void *address)
{
  pthread_mutex_lock(&space.freelist_lock);
  bool is = mm_allocator_is_block(&space.freelist.allocator, address);
  pthread_mutex_unlock(&space.freelist_lock);
  return is;
}

/* Zero. */
static void *alloc_large(size_t bytes)
{
  if (bytes > MOST_BYTES)
    return NULL;
  bytes = (bytes + MM_SPAN_BYTES - 1) & -(size_t)MM_SPAN_BYTES;
  return (void *)mm_spans_take(&space.spans, bytes, LARGE);
}

/* What allocators keep for later becomes spans again. */
static void reclaim(void)
{
  pthread_mutex_lock(&space.freelist_lock);
  mm_freelist_trim(&space.freelist);
  pthread_mutex_unlock(&space.freelist_lock);
  if (thread_cache)
    mm_slots_cache_trim(thread_cache);
}

/* All of them ------------------------------------------------------------- */

static void *alloc_once(size_t bytes, int choice)
{
  if (bytes > MM_INTERNAL_LARGE_BYTES)
    return alloc_large(bytes);
  void *block = NULL;
  if (choice == MM_NATIVE_SLOTS && bytes <= MM_SLOTS_MOST_BYTES)
    block = alloc_slots(bytes);
  return block ? block : alloc_freelist(bytes, MM_BLOCK_ALIGN);
}

static void *alloc_block(size_t bytes, bool zeroed)
{
  int choice = __atomic_load_n(&space.choice, __ATOMIC_RELAXED);
  if (choice == MM_NATIVE_SYSTEM)
    return alloc_system(bytes, zeroed);
  if (!is_open())
    return NULL;
  void *block = alloc_once(bytes, choice);
  if (__builtin_expect(!block, 0)) {
    reclaim();
    block = alloc_once(bytes, choice);
  }
  if (block && zeroed && bytes <= MM_INTERNAL_LARGE_BYTES)
    memset(block, 0, bytes);
  return block;
}

/* Before the space is open no span has an owner. */
static void free_block(struct mm_allocator *allocator, void *block)
{
  (void)allocator;
  switch (mm_spans_owner(&space.spans, block)) {
  case SLOTS:
    free_slots(block);
    return;
  case FREELIST:
    free_freelist(block);
    return;
  case LARGE:
    mm_spans_give(&space.spans, (uintptr_t)block,
                  mm_spans_run_bytes(&space.spans, block));
    return;
  default:
    free_system(block);
    return;
  }
}

#ifdef BAMBOO_DEBUG

void *mm_internal_alloc(unsigned purpose, size_t bytes, bool zeroed)
{
  (void)is_open(); /* for the guard's lock */
  void *block = mm_guard_alloc(&space.guard, purpose, bytes);
  return block && zeroed ? memset(block, 0, bytes) : block;
}

void mm_internal_free(unsigned purpose, void *block, size_t bytes)
{
  mm_guard_free(&space.guard, purpose, block, bytes);
}

#else

void *mm_internal_alloc(unsigned purpose, size_t bytes, bool zeroed)
{
  (void)purpose;
  return alloc_block(bytes, zeroed);
}

void mm_internal_free(unsigned purpose, void *block, size_t bytes)
{
  (void)purpose, (void)bytes;
  free_block(&space.allocator, block);
}

#endif

enum mm_status mm_internal_configure(enum mm_native_allocator allocator,
                                     uint64_t max_bytes)
{
  bool has_spans = is_open();
  if (!has_spans && allocator != MM_NATIVE_SYSTEM)
    return MM_NO_MEMORY;
  if (allocator == MM_NATIVE_SYSTEM)
    __atomic_store_n(&space.is_system_used, true, __ATOMIC_RELAXED);
  __atomic_store_n(&space.limit_bytes, max_bytes ? max_bytes : UINT64_MAX,
                   __ATOMIC_RELAXED);
  __atomic_store_n(&space.choice, (int)allocator, __ATOMIC_RELAXED);
  if (has_spans)
    share_limit();
  return MM_OK;
}

/* The class --------------------------------------------------------------- */

static void *alloc(struct mm_allocator *allocator, size_t bytes)
{
  (void)allocator;
  return alloc_block(bytes, false);
}

/* More alignment than usual is the freelist's, whatever is configured. */
static void *alloc_aligned(struct mm_allocator *allocator, size_t bytes,
                           size_t align)
{
  if (align <= MM_BLOCK_ALIGN)
    return alloc(allocator, (bytes + align - 1) & ~(align - 1));
  return is_open() ? alloc_freelist(bytes, align) : NULL;
}

static size_t block_bytes(struct mm_allocator *allocator, const void *block)
{
  (void)allocator;
  switch (mm_spans_owner(&space.spans, block)) {
  case SLOTS:
    return mm_allocator_block_bytes(&space.slots->allocator, block);
  case FREELIST:
    return freelist_bytes(block);
  case LARGE:
    return mm_spans_run_bytes(&space.spans, block);
  default:
    return mm_internal_system_bytes(block);
  }
}

/* What is nobody's could be the C library's, if that was ever asked. */
static bool is_block(struct mm_allocator *allocator, const void *address)
{
  (void)allocator;
  switch (mm_spans_owner(&space.spans, address)) {
  case SLOTS:
    return mm_allocator_is_block(&space.slots->allocator, address);
  case FREELIST:
    return is_freelist_block(address);
  case LARGE:
    return mm_spans_run_bytes(&space.spans, address) != 0;
  default:
    return __atomic_load_n(&space.is_system_used, __ATOMIC_RELAXED) &&
           (uintptr_t)address >= MM_SPAN_BYTES &&
           (uintptr_t)address % MM_BLOCK_ALIGN == 0 &&
           mm_internal_system_is_block(address);
  }
}

/* Blocks of the C library cannot be walked. */
static void walk(struct mm_allocator *allocator, mm_block_visit *visit,
                 void *context)
{
  (void)allocator;
  if (!is_open())
    return;
  mm_allocator_walk(&space.slots->allocator, visit, context);
  pthread_mutex_lock(&space.freelist_lock);
  mm_allocator_walk(&space.freelist.allocator, visit, context);
  pthread_mutex_unlock(&space.freelist_lock);
  mm_spans_walk(&space.spans, LARGE, visit, context);
}

static void add_system(struct mm_alloc_stats *stats)
{
  uint64_t bytes = __atomic_load_n(&space.system_bytes, __ATOMIC_RELAXED);
  uint64_t blocks = __atomic_load_n(&space.system_blocks, __ATOMIC_RELAXED);
  stats->held_bytes += bytes;
  stats->used_bytes += bytes - blocks * mm_internal_system_whole(0);
  stats->blocks += blocks;
}

static void add(struct mm_alloc_stats *sum, const struct mm_alloc_stats *more)
{
  sum->held_bytes += more->held_bytes;
  sum->used_bytes += more->used_bytes;
  sum->blocks += more->blocks;
  sum->free_bytes += more->free_bytes;
  if (sum->largest_free_bytes < more->largest_free_bytes)
    sum->largest_free_bytes = more->largest_free_bytes;
}

static void add_large(void *context, void *block, size_t bytes)
{
  struct mm_alloc_stats *stats = context;
  (void)block;
  stats->held_bytes += bytes;
  stats->used_bytes += bytes;
  stats->blocks++;
}

static void stats(struct mm_allocator *allocator, struct mm_alloc_stats *stats)
{
  struct mm_alloc_stats part;
  (void)allocator;
  add_system(stats);
  if (!is_open())
    return;
  mm_allocator_stats(&space.slots->allocator, &part);
  add(stats, &part);
  pthread_mutex_lock(&space.freelist_lock);
  mm_allocator_stats(&space.freelist.allocator, &part);
  pthread_mutex_unlock(&space.freelist_lock);
  add(stats, &part);
  mm_spans_walk(&space.spans, LARGE, add_large, stats);
}

static const char *check(struct mm_allocator *allocator)
{
  (void)allocator;
  if (!is_open())
    return NULL;
  const char *wrong = mm_spans_check(&space.spans);
  if (!wrong)
    wrong = mm_allocator_check(&space.slots->allocator);
  if (wrong)
    return wrong;
  pthread_mutex_lock(&space.freelist_lock);
  wrong = mm_allocator_check(&space.freelist.allocator);
  pthread_mutex_unlock(&space.freelist_lock);
  return wrong;
}

static const struct mm_allocator_class class = {
    .name = "internal",
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .free = free_block,
    .block_bytes = block_bytes,
    .is_block = is_block,
    .walk = walk,
    .stats = stats,
    .check = check,
};

struct mm_allocator *mm_internal_allocator(void)
{
  (void)is_open();
  return &space.allocator;
}

static struct mm_allocator *outermost(void)
{
  (void)is_open();
#ifdef BAMBOO_DEBUG
  return &space.guard.allocator;
#else
  return &space.allocator;
#endif
}

void mm_internal_stats(struct mm_native_stats *stats)
{
  struct mm_alloc_stats blocks;
  struct mm_span_stats spans = {0};
  mm_allocator_stats(outermost(), &blocks);
  if (is_open())
    mm_spans_stats(&space.spans, &spans);
  uint64_t system = __atomic_load_n(&space.system_bytes, __ATOMIC_RELAXED);
  *stats = (struct mm_native_stats){
      .reserved_bytes = spans.reserved_bytes + system,
      .committed_bytes = spans.committed_bytes + system,
      .held_bytes = blocks.held_bytes,
      .used_bytes = blocks.used_bytes,
      .blocks = blocks.blocks,
      .free_bytes = blocks.free_bytes,
      .largest_free_bytes = blocks.largest_free_bytes,
      .limit_bytes = __atomic_load_n(&space.limit_bytes, __ATOMIC_RELAXED),
  };
}

const char *mm_internal_check(void)
{
  return mm_allocator_check(outermost());
}
