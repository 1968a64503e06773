/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler space: arenas of compilations.  Situations 2, 12 and 63. */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "mm/compiler_space.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;

static void open_limited(uint64_t compiler_max_bytes)
{
  struct mm_options options = fixture_options();
  options.compiler_max_bytes = compiler_max_bytes;
  fixture_open(&f, &options);
}

static void setup(void)
{
  open_limited(0);
}

static struct mm_compiler_space_stat stat_now(void)
{
  struct mm_compiler_space_stat stat;
  const char *wrong = mm_compiler_space_check(&f.heap->compiler);
  ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
  mm_compiler_space_stat(&f.heap->compiler, &stat);
  ck_assert_uint_eq(stat.used_bytes + stat.pooled_bytes,
                    mm_native_bytes(MM_PURPOSE_COMPILER));
  return stat;
}

static void teardown(void)
{
  ck_assert_uint_eq(stat_now().running, 0);
  ck_assert_uint_eq(stat_now().used_bytes, 0);
  ck_assert_uint_eq(stat_now().used_chunks, 0);
  fixture_close(&f);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_COMPILER), 0);
}

/* Blocks of 100 bytes until so many bytes, or memory, are used up; the bytes
   that were granted. */
static size_t fill(struct mm_arena *arena, size_t bytes)
{
  size_t got = 0;
  for (; got < bytes; got += 100) {
    char *block = mm_arena_alloc(arena, 100);
    if (!block)
      break;
    fixture_require(block[0] == 0 && block[99] == 0);
    memset(block, 0xee, 100);
  }
  return got;
}

START_TEST(a_compilation_gives_all_its_memory_back_when_it_ends)
{
  struct mm_arena *arena = mm_compilation_begin(f.heap);
  ck_assert_ptr_nonnull(arena);
  ck_assert_uint_eq(stat_now().running, 1);
  fill(arena, 10000000);
  ck_assert_uint_ge(stat_now().used_bytes, 10000000);
  mm_compilation_end(f.heap, arena);
  ck_assert_uint_eq(stat_now().used_bytes, 0);
  ck_assert_uint_eq(stat_now().requested_bytes, 0);
  ck_assert_uint_le(stat_now().pooled_bytes, 1 << 20);
  ck_assert_uint_ge(stat_now().peak_bytes, 10000000);
  mm_compilation_end(f.heap, NULL);
}
END_TEST

START_TEST(the_next_compilation_takes_the_memory_of_the_last)
{
  uint64_t peak = 0;
  for (int round = 0; round < 100; round++) {
    struct mm_arena *arena = mm_compilation_begin(f.heap);
    fill(arena, 100000);
    mm_compilation_end(f.heap, arena);
    if (round == 0)
      peak = stat_now().peak_bytes;
  }
  ck_assert_uint_eq(stat_now().peak_bytes, peak);
  ck_assert_uint_eq(stat_now().compilations, 100);
  ck_assert_uint_eq(stat_now().peak_running, 1);
}
END_TEST

/* Situation 2. */
START_TEST(a_compilation_beyond_the_limit_gets_null_and_harms_no_other)
{
  teardown();
  open_limited(1 << 20);
  struct mm_arena *greedy = mm_compilation_begin(f.heap);
  struct mm_arena *modest = mm_compilation_begin(f.heap);
  char *kept = mm_arena_alloc(modest, 1000);
  memset(kept, 7, 1000);
  size_t got = fill(greedy, SIZE_MAX);
  ck_assert_uint_gt(got, 256 * 1024);
  ck_assert_uint_lt(got, 1 << 20);
  ck_assert_uint_le(stat_now().used_bytes, 1 << 20);
  ck_assert_ptr_null(mm_arena_alloc(greedy, 1 << 20));
  ck_assert_ptr_null(mm_arena_alloc(greedy, SIZE_MAX));
  ck_assert_ptr_null(mm_arena_alloc(greedy, SIZE_MAX - 100));
  ck_assert_uint_gt(stat_now().refused, 0);
  mm_compilation_end(f.heap, greedy);
  for (int i = 0; i < 1000; i++)
    ck_assert_int_eq(kept[i], 7);
  ck_assert_uint_eq(fill(modest, 200000), 200000);
  mm_compilation_end(f.heap, modest);
}
END_TEST

/* Chunks of other sizes in the pool do not count against one that is wanted. */
START_TEST(the_pool_makes_room_when_the_limit_is_near)
{
  teardown();
  open_limited(1 << 20);
  struct mm_arena *arena = mm_compilation_begin(f.heap);
  fill(arena, 300000);
  mm_compilation_end(f.heap, arena);
  ck_assert_uint_gt(stat_now().pooled_bytes, 200000);
  arena = mm_compilation_begin(f.heap);
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 1000000));
  ck_assert_uint_eq(stat_now().pooled_bytes, 0);
  mm_compilation_end(f.heap, arena);
  ck_assert_uint_eq(stat_now().refused, 0);
}
END_TEST

START_TEST(a_trimmed_pool_is_empty)
{
  struct mm_arena *arena = mm_compilation_begin(f.heap);
  fill(arena, 100000);
  mm_compilation_end(f.heap, arena);
  ck_assert_uint_gt(stat_now().pooled_bytes, 0);
  ck_assert_uint_gt(stat_now().largest_pooled_bytes, 0);
  mm_compiler_space_trim(&f.heap->compiler);
  ck_assert_uint_eq(stat_now().pooled_bytes, 0);
  ck_assert_uint_eq(stat_now().largest_pooled_bytes, 0);
}
END_TEST

START_TEST(a_compilation_that_cannot_begin_is_null_and_not_counted)
{
  mm_native_fail_at(1, true);
  ck_assert_ptr_null(mm_compilation_begin(f.heap));
  mm_native_fail_at(0, false);
  ck_assert_uint_eq(stat_now().compilations, 0);
}
END_TEST

START_TEST(too_small_a_limit_is_refused_with_a_text)
{
  struct mm_options options = fixture_options();
  struct mm_error error = {""};
  struct mm_heap *heap;
  options.compiler_max_bytes = 1000;
  ck_assert_int_eq(
      mm_heap_create(&options, &fixture_binding, &f, &heap, &error),
      MM_BAD_OPTION);
  ck_assert_str_eq(error.text, "--compiler-max must be at least 64K");
}
END_TEST

START_TEST(the_check_sees_planted_faults)
{
  struct mm_compiler_space *space = &f.heap->compiler;
  struct mm_arena *arena = mm_compilation_begin(f.heap);
  fill(arena, 100000);
  mm_compilation_end(f.heap, arena);
  uint64_t *const faults[] = {
      &space->stat.pooled_bytes, &space->stat.pooled_chunks,
      &space->stat.used_bytes, /* then above the limit */
      &space->stat.requested_bytes};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    stat_now();
    *faults[i] += (uint64_t)1 << 40;
    ck_assert_ptr_nonnull(mm_compiler_space_check(space));
    *faults[i] -= (uint64_t)1 << 40;
  }
}
END_TEST

enum { THREADS = 4, ROUNDS = 300 };

static void *compile(void *argument)
{
  uint64_t seed = (uintptr_t)argument + 1;
  for (int round = 0; round < ROUNDS; round++) {
    size_t bytes = fixture_random(&seed) % 400000;
    struct mm_arena *arena = mm_compilation_begin(f.heap);
    fixture_require(arena);
    fixture_require(fill(arena, bytes) >= bytes);
    mm_compilation_end(f.heap, arena);
  }
  return NULL;
}

START_TEST(many_threads_compile_at_once)
{
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, compile, (void *)i), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_uint_eq(stat_now().compilations, THREADS * ROUNDS);
  ck_assert_uint_le(stat_now().peak_running, THREADS);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("compiler space");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_compilation_gives_all_its_memory_back_when_it_ends);
  tcase_add_test(tests, the_next_compilation_takes_the_memory_of_the_last);
  tcase_add_test(tests,
                 a_compilation_beyond_the_limit_gets_null_and_harms_no_other);
  tcase_add_test(tests, the_pool_makes_room_when_the_limit_is_near);
  tcase_add_test(tests, a_trimmed_pool_is_empty);
  tcase_add_test(tests,
                 a_compilation_that_cannot_begin_is_null_and_not_counted);
  tcase_add_test(tests, too_small_a_limit_is_refused_with_a_text);
  tcase_add_test(tests, the_check_sees_planted_faults);
  tcase_add_test(tests, many_threads_compile_at_once);
  return fixture_main("mm_compiler", (TCase *[]){tests, NULL});
}
