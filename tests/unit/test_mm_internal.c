/* SPDX-License-Identifier: Apache-2.0 */
/* The internal space, which native memory comes from. */
#include "config.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm/native.h"
#include "mm/space/internal_space_internal.h"
#include "tests/unit/mm_fixture.h"

#define MIB ((uint64_t)1 << 20)

static void setup(void)
{
  ck_assert_int_eq(mm_native_configure(MM_NATIVE_SLOTS, 0), MM_OK);
}

static void check(void)
{
  const char *wrong = mm_internal_check();
  ck_assert_msg(wrong == NULL, "%s", wrong);
}

static void teardown(void)
{
  mm_native_configure(MM_NATIVE_SLOTS, 0);
  check();
}

static struct mm_native_stats stats(void)
{
  struct mm_native_stats stats;
  mm_native_stats(&stats);
  fixture_require(stats.requested_bytes <= stats.used_bytes);
  fixture_require(stats.used_bytes + stats.free_bytes <= stats.held_bytes);
  fixture_require(stats.held_bytes <= stats.committed_bytes);
  fixture_require(stats.committed_bytes <= stats.reserved_bytes);
  fixture_require(stats.largest_free_bytes <= stats.free_bytes);
  return stats;
}

static char *take(size_t bytes)
{
  char *block = mm_native_alloc(MM_PURPOSE_TRACE, bytes);
  fixture_require(block && (uintptr_t)block % (bytes % 16 ? 8 : 16) == 0);
  return block;
}

static void drop(void *block, size_t bytes)
{
  mm_native_free(MM_PURPOSE_TRACE, block, bytes);
}

static bool all_are(const char *block, size_t bytes, char value)
{
  for (size_t i = 0; i < bytes; i++)
    if (block[i] != value)
      return false;
  return true;
}

/* Around each border between allocators. */
static const size_t sizes[] = {0,    1,     16,    2047,   2048,   2049,
                               4096, 65535, 65536, 524288, 524289, 3000000};

enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(blocks_of_every_allocator_are_zero_and_keep_their_content)
{
  char *blocks[3][SIZES];
  for (int choice = MM_NATIVE_SLOTS; choice <= MM_NATIVE_SYSTEM; choice++) {
    ck_assert_int_eq(mm_native_configure((enum mm_native_allocator)choice, 0),
                     MM_OK);
    for (int round = 0; round < 2; round++)
      for (size_t i = 0; i < SIZES; i++) {
        blocks[choice][i] = take(sizes[i]);
        ck_assert(all_are(blocks[choice][i], sizes[i], 0));
        memset(blocks[choice][i], (int)i + 1, sizes[i]);
        if (round == 0)
          drop(blocks[choice][i], sizes[i]);
      }
  }
  check();
  /* Whatever is configured now. */
  for (int choice = MM_NATIVE_SYSTEM; choice >= MM_NATIVE_SLOTS; choice--)
    for (size_t i = 0; i < SIZES; i++) {
      ck_assert(all_are(blocks[choice][i], sizes[i], (char)(i + 1)));
      drop(blocks[choice][i], sizes[i]);
    }
}
END_TEST

START_TEST(a_block_grows_and_shrinks_through_all_allocators)
{
  ck_assert_int_eq(mm_native_configure((enum mm_native_allocator)_i, 0), MM_OK);
  char *block = NULL;
  size_t bytes = 0;
  for (size_t i = 0; i < 2 * SIZES - 1; i++) {
    size_t next = sizes[i < SIZES ? i : 2 * SIZES - 2 - i];
    block = mm_native_resize(MM_PURPOSE_TRACE, block, bytes, next);
    ck_assert_ptr_nonnull(block);
    ck_assert(all_are(block, bytes < next ? bytes : next, 9));
    memset(block, 9, next);
    bytes = next;
  }
  drop(block, bytes);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), 0);
}
END_TEST

/* Situations 2 and 5. */
START_TEST(a_limit_makes_null_until_memory_is_given_back)
{
  enum { BLOCKS = 4096 };
  static char *blocks[BLOCKS];
  size_t bytes = sizes[_i % SIZES] + 100;
  enum mm_native_allocator choice = (enum mm_native_allocator)(_i / SIZES);
  uint64_t limit = 8 * MIB + stats().held_bytes;
  ck_assert_int_eq(mm_native_configure(choice, limit), MM_OK);
  size_t count = 0;
  while (count < BLOCKS &&
         (blocks[count] = mm_native_alloc(MM_PURPOSE_TRACE, bytes)) != NULL)
    count++;
  ck_assert_uint_le(stats().held_bytes, limit);
  ck_assert_uint_eq(stats().limit_bytes, limit);
  ck_assert(count == BLOCKS || bytes * 2 * count > 4 * MIB);
  ck_assert(count < BLOCKS || bytes * BLOCKS < 8 * MIB);
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, limit + 1));
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, SIZE_MAX));
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, SIZE_MAX - 100));
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, (size_t)1 << 50));
  check();
  if (count < BLOCKS) {
    drop(blocks[0], bytes);
    blocks[0] = take(bytes);
  }
  ck_assert_int_eq(mm_native_configure(choice, 0), MM_OK);
  drop(take(limit + 1), limit + 1);
  while (count > 0)
    drop(blocks[--count], bytes);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), 0);
}
END_TEST

START_TEST(what_one_allocator_keeps_another_can_have)
{
  enum { BLOCKS = 3000 };
  static char *blocks[BLOCKS];
  uint64_t limit = 8 * MIB + stats().held_bytes;
  ck_assert_int_eq(mm_native_configure(MM_NATIVE_SLOTS, limit), MM_OK);
  static const size_t rounds[] = {2000, 600000, 50000, 100};
  for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
    size_t bytes = rounds[i];
    size_t count = (size_t)(4 * MIB) / (bytes + 200);
    if (count > BLOCKS)
      count = BLOCKS;
    for (size_t j = 0; j < count; j++)
      blocks[j] = take(bytes);
    for (size_t j = 0; j < count; j++)
      drop(blocks[j], bytes);
  }
}
END_TEST

START_TEST(the_limit_holds_for_blocks_of_both_worlds)
{
  uint64_t limit = 8 * MIB + stats().held_bytes;
  mm_native_configure(MM_NATIVE_SYSTEM, limit);
  char *system = take(5 * MIB);
  mm_native_configure(MM_NATIVE_SLOTS, limit);
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, 5 * MIB));
  drop(system, 5 * MIB);
#ifdef BAMBOO_DEBUG
  /* The guard lets a block go later. */
  mm_native_configure(MM_NATIVE_SLOTS, limit);
#endif
  char *own = take(5 * MIB);
  mm_native_configure(MM_NATIVE_SYSTEM, limit);
  ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, 5 * MIB));
  drop(own, 5 * MIB);
  drop(take(5 * MIB), 5 * MIB);
}
END_TEST

/* Situation 62. */
START_TEST(stats_tell_what_is_handed_out)
{
  struct mm_native_stats before = stats();
  char *blocks[SIZES];
  uint64_t sum = 0;
  mm_native_configure((enum mm_native_allocator)_i, 0);
  for (size_t i = 0; i < SIZES; i++) {
    blocks[i] = take(sizes[i]);
    sum += sizes[i];
  }
  struct mm_native_stats now = stats();
  ck_assert_uint_eq(now.blocks, before.blocks + SIZES);
  ck_assert_uint_eq(now.requested_bytes, before.requested_bytes + sum);
  ck_assert_uint_ge(now.used_bytes, before.used_bytes + sum);
  for (size_t i = 0; i < SIZES; i++)
    drop(blocks[i], sizes[i]);
  now = stats();
  ck_assert_uint_eq(now.blocks, before.blocks);
  ck_assert_uint_eq(now.requested_bytes, before.requested_bytes);
  ck_assert_uint_eq(now.used_bytes, before.used_bytes);
}
END_TEST

static void count_block(void *context, void *block, size_t bytes)
{
  uint64_t *sums = context;
  sums[0]++;
  sums[1] += bytes;
  fixture_require((uintptr_t)block % (bytes % 16 ? 8 : 16) == 0);
}

START_TEST(the_space_is_an_allocator_like_others)
{
  struct mm_allocator *allocator = mm_internal_allocator();
  uint64_t before[2] = {0}, now[2] = {0};
  struct mm_alloc_stats stats_before, stats;
  mm_allocator_walk(allocator, count_block, before);
  mm_allocator_stats(allocator, &stats_before);
  char *blocks[SIZES];
  for (size_t i = 0; i < SIZES; i++) {
    blocks[i] = mm_allocator_alloc(allocator, sizes[i]);
    ck_assert(mm_allocator_is_block(allocator, blocks[i]));
    ck_assert(!mm_allocator_is_block(allocator, blocks[i] + 8));
    ck_assert_uint_ge(mm_allocator_block_bytes(allocator, blocks[i]), sizes[i]);
  }
  char *aligned = mm_allocator_alloc_aligned(allocator, 100, 4096);
  ck_assert_uint_eq((uintptr_t)aligned % 4096, 0);
  mm_allocator_walk(allocator, count_block, now);
  mm_allocator_stats(allocator, &stats);
  ck_assert_uint_eq(now[0], before[0] + SIZES + 1);
  ck_assert_uint_eq(stats.blocks - stats_before.blocks, SIZES + 1);
  ck_assert_uint_eq(stats.used_bytes - stats_before.used_bytes,
                    now[1] - before[1]);
  ck_assert(!mm_allocator_is_block(allocator, NULL));
  ck_assert(!mm_allocator_is_block(allocator, &stats));
  for (size_t i = 0; i < SIZES; i++)
    mm_allocator_free(allocator, blocks[i]);
  mm_allocator_free(allocator, aligned);
}
END_TEST

/* Threads ----------------------------------------------------------------- */

enum { THREADS = 4, OWN = 200, SHARED = 64 };

static struct {
  char *block; /* atomic */
  size_t bytes;
} shared[SHARED];

static size_t random_size(uint64_t *seed)
{
  uint64_t kind = fixture_random(seed) % 64;
  if (kind == 0)
    return fixture_random(seed) % 1000000;
  return fixture_random(seed) % (kind < 8 ? 20000 : 500);
}

/* Puts a block where another thread may take it, and frees what was there. */
static void swap(uint64_t *seed)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  size_t at = fixture_random(seed) % SHARED, bytes = random_size(seed);
  char *block = mm_native_alloc_dirty(MM_PURPOSE_TRACE, bytes);
  fixture_require(block != NULL);
  memset(block, 3, bytes);
  pthread_mutex_lock(&lock);
  char *old = shared[at].block;
  size_t old_bytes = shared[at].bytes;
  shared[at].block = block;
  shared[at].bytes = bytes;
  pthread_mutex_unlock(&lock);
  fixture_require(!old || all_are(old, old_bytes, 3));
  drop(old, old_bytes);
}

static void *worker(void *context)
{
  uint64_t seed = (uint64_t)(uintptr_t)context;
  char *blocks[OWN] = {NULL};
  size_t bytes[OWN];
  for (int step = 0; step < 4000; step++) {
    size_t at = fixture_random(&seed) % OWN;
    if (blocks[at]) {
      fixture_require(all_are(blocks[at], bytes[at], (char)at));
      drop(blocks[at], bytes[at]);
      blocks[at] = NULL;
    } else {
      bytes[at] = random_size(&seed);
      blocks[at] = take(bytes[at]);
      memset(blocks[at], (int)at, bytes[at]);
    }
    if (step % 4 == 0)
      swap(&seed);
    if (step % 512 == 0)
      mm_native_configure((enum mm_native_allocator)(fixture_random(&seed) % 3),
                          0);
  }
  for (size_t at = 0; at < OWN; at++)
    drop(blocks[at], bytes[at]);
  return NULL;
}

START_TEST(threads_share_the_space_and_free_each_others_blocks)
{
  for (uintptr_t round = 0; round < 3; round++) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
      ck_assert_int_eq(pthread_create(&threads[i], NULL, worker,
                                      (void *)(round * THREADS + i + 1)),
                       0);
    for (int i = 0; i < THREADS; i++)
      pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < SHARED; i++) {
    drop(shared[i].block, shared[i].bytes);
    shared[i].block = NULL;
  }
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_TRACE), 0);
  check();
}
END_TEST

static void *allocate_a_little(void *context)
{
  drop(take(100), 100);
  return context;
}

START_TEST(threads_that_end_leave_their_caches_to_others)
{
  uint64_t tables = 0;
  for (int i = 0; i < 100; i++) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_a_little, NULL), 0);
    pthread_join(thread, NULL);
    if (i == 0)
      tables = mm_native_bytes(MM_PURPOSE_ALLOCATORS);
  }
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ALLOCATORS), tables);
}
END_TEST

/* Situation 43
 * ---------------------------------------------------------------*/

#ifndef BAMBOO_TSAN

static bool stop; /* atomic */

static void *busy(void *context)
{
  uint64_t seed = (uint64_t)(uintptr_t)context;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    size_t bytes = random_size(&seed);
    drop(take(bytes), bytes);
  }
  return NULL;
}

/* In the child: blocks of all sizes, and those of the parent. */
static int child(char **inherited)
{
  for (size_t i = 0; i < SIZES; i++)
    mm_native_free(MM_PURPOSE_ARENA, inherited[i], sizes[i]);
  for (int round = 0; round < 20; round++)
    for (size_t i = 0; i < SIZES; i++) {
      char *block = mm_native_alloc(MM_PURPOSE_ARENA, sizes[i]);
      if (!block || !all_are(block, sizes[i], 0))
        return 1;
      memset(block, 1, sizes[i]);
      mm_native_free(MM_PURPOSE_ARENA, block, sizes[i]);
    }
  return 0;
}

START_TEST(a_child_allocates_whatever_other_threads_were_doing)
{
  pthread_t threads[2];
  char *inherited[SIZES];
  for (uintptr_t i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, busy, (void *)(i + 1));
  for (size_t i = 0; i < SIZES; i++)
    inherited[i] = mm_native_alloc(MM_PURPOSE_ARENA, sizes[i]);
  for (int i = 0; i < 30; i++) {
    pid_t pid = fork();
    if (pid == 0)
      _exit(child(inherited));
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  for (size_t i = 0; i < SIZES; i++)
    mm_native_free(MM_PURPOSE_ARENA, inherited[i], sizes[i]);
}
END_TEST

#endif

/* What the machine refuses
 * ---------------------------------------------------*/

#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN)

/* Before the space exists: no fixture. */
START_TEST(without_address_space_there_is_the_c_library)
{
  struct rlimit limit = {64 * MIB, RLIM_INFINITY}, old;
  getrlimit(RLIMIT_AS, &old);
  limit.rlim_cur = _i ? 2 * MIB : 300 * MIB;
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
  if (_i) {
    ck_assert_ptr_null(mm_native_alloc(MM_PURPOSE_TRACE, 10));
    ck_assert_int_eq(mm_native_configure(MM_NATIVE_SLOTS, 0), MM_NO_MEMORY);
    ck_assert_int_eq(mm_native_configure(MM_NATIVE_SYSTEM, 0), MM_OK);
  }
  char *block = mm_native_alloc(MM_PURPOSE_TRACE, 1000);
  ck_assert_ptr_nonnull(block);
  ck_assert_uint_le(stats().reserved_bytes, 64 * MIB);
  mm_native_free(MM_PURPOSE_TRACE, block, 1000);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
}
END_TEST

#endif

/* Misuse, in a build with a guard. */
START_TEST(misuse_of_native_memory_ends_the_process)
{
  char *block = take(100);
  switch (_i) {
  case 0:
    drop(block, 100);
    drop(block, 100);
    break;
  case 1:
    drop(block, 104);
    break;
  case 2:
    mm_native_free(MM_PURPOSE_ARENA, block, 100);
    break;
  case 3:
    drop(block + 16, 100);
    break;
  case 4:
    drop((char *)sizes, 100);
    break;
  }
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("internal space");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests,
                 blocks_of_every_allocator_are_zero_and_keep_their_content);
  tcase_add_loop_test(tests, a_block_grows_and_shrinks_through_all_allocators,
                      0, 3);
  tcase_add_loop_test(tests, a_limit_makes_null_until_memory_is_given_back, 0,
                      3 * SIZES);
  tcase_add_test(tests, what_one_allocator_keeps_another_can_have);
  tcase_add_test(tests, the_limit_holds_for_blocks_of_both_worlds);
  tcase_add_loop_test(tests, stats_tell_what_is_handed_out, 0, 3);
  tcase_add_test(tests, the_space_is_an_allocator_like_others);
  tcase_add_test(tests, threads_share_the_space_and_free_each_others_blocks);
  tcase_add_test(tests, threads_that_end_leave_their_caches_to_others);
#ifndef BAMBOO_TSAN
  tcase_add_test(tests, a_child_allocates_whatever_other_threads_were_doing);
#endif
  TCase *bare = tcase_create("no fixture");
#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN)
  tcase_add_loop_test(bare, without_address_space_there_is_the_c_library, 0, 2);
#endif
#ifdef BAMBOO_DEBUG
  fixture_add_death(bare, misuse_of_native_memory_ends_the_process, 0, 70, 0,
                    5);
#else
  (void)misuse_of_native_memory_ends_the_process;
#endif
  return fixture_main("mm_internal", (TCase *[]){tests, bare, NULL});
}
