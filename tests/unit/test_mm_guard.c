/* SPDX-License-Identifier: Apache-2.0 */
/* The guard around an allocator: each misuse is noticed. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/alloc/freelist_internal.h"
#include "mm/alloc/guard_internal.h"
#include "mm/alloc/poison_internal.h"
#include "mm/alloc/span_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

static struct mm_spans spans;
static struct mm_span_source source;
static struct mm_freelist freelist;
static struct mm_guard guard;
static struct mm_allocator *const allocator = &guard.allocator;

/* What was reported. */
static struct {
  int count;
  enum mm_guard_fault fault;
  char text[300];
} heard;

static void hear(void *context, enum mm_guard_fault fault, const char *text)
{
  ck_assert_ptr_eq(context, &heard);
  heard.count++;
  heard.fault = fault;
  snprintf(heard.text, sizeof heard.text, "%s", text);
}

static void open_guard(mm_guard_report *report)
{
  uint64_t bytes = (uint64_t)64 << 20;
  ck_assert_int_eq(mm_spans_init(&spans, bytes, bytes, 1), MM_OK);
  mm_span_source_init(&source, &spans, 1);
  ck_assert_int_eq(mm_freelist_init(&freelist, &source.source), MM_OK);
  mm_guard_init(&guard, &freelist.allocator, report, &heard);
  memset(&heard, 0, sizeof heard);
}

static void setup(void)
{
  open_guard(hear);
}

static void setup_fatal(void)
{
  open_guard(NULL);
}

static void teardown(void)
{
  struct mm_span_stats stats;
  mm_allocator_destroy(allocator);
  mm_spans_stats(&spans, &stats);
  ck_assert_uint_eq(stats.used_bytes, 0);
  mm_spans_destroy(&spans);
}

static char *take(size_t bytes)
{
  char *block = mm_guard_alloc(&guard, MM_PURPOSE_TRACE, bytes);
  fixture_require(block && (uintptr_t)block % 16 == 0);
  return block;
}

static void drop(void *block, size_t bytes)
{
  mm_guard_free(&guard, MM_PURPOSE_TRACE, block, bytes);
}

/* What a wild pointer does; AddressSanitizer would be first to notice. */
static MM_UNWATCHED void write_to(volatile char *at)
{
  *at = (char)(*at + 1);
}

static void expect(enum mm_guard_fault fault, const void *block,
                   const char *size)
{
  char address[32];
  snprintf(address, sizeof address, "%p", block);
  ck_assert_int_eq(heard.count, 1);
  ck_assert_int_eq(heard.fault, fault);
  ck_assert_msg(strstr(heard.text, address) != NULL, "%s", heard.text);
  ck_assert_msg(strstr(heard.text, size) != NULL, "%s", heard.text);
  ck_assert_msg(strstr(heard.text, mm_purpose_text(MM_PURPOSE_TRACE)) != NULL,
                "%s", heard.text);
  heard.count = 0;
}

START_TEST(proper_use_is_not_reported)
{
  static const size_t sizes[] = {0, 1, 15, 16, 17, 500, 5000, 300000};
  for (int round = 0; round < 100; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      char *block = take(sizes[i]);
      memset(block, 0x5a, sizes[i]);
      ck_assert(mm_allocator_is_block(allocator, block));
      ck_assert_uint_eq(mm_allocator_block_bytes(allocator, block), sizes[i]);
      ck_assert_ptr_null(mm_allocator_check(allocator));
      drop(block, sizes[i]);
      ck_assert(!mm_allocator_is_block(allocator, block));
    }
  ck_assert_int_eq(heard.count, 0);
}
END_TEST

START_TEST(aligned_blocks_are_guarded_too)
{
  for (size_t align = 1; align <= 1 << 16; align *= 2) {
    char *block = mm_guard_alloc_aligned(&guard, MM_PURPOSE_TRACE, 100, align);
    ck_assert_uint_eq((uintptr_t)block % align, 0);
    ck_assert(mm_allocator_is_block(allocator, block));
    write_to(block + 100);
    drop(block, 100);
    expect(MM_GUARD_OVERRUN, block, "100 bytes");
    drop(block, 100);
    expect(MM_GUARD_FREED_TWICE, block, "100 bytes");
  }
}
END_TEST

START_TEST(a_double_free_is_noticed)
{
  char *block = take(24);
  drop(block, 24);
  drop(block, 24);
  expect(MM_GUARD_FREED_TWICE, block, "24 bytes");
}
END_TEST

START_TEST(a_double_free_after_the_quarantine_is_noticed)
{
  char *block = take(24);
  drop(block, 24);
  mm_guard_flush(&guard);
  drop(block, 24);
  expect(MM_GUARD_NO_BLOCK, block, "24 bytes");
}
END_TEST

START_TEST(foreign_pointers_are_noticed)
{
  char *block = take(1000);
  memset(block, 0, 1000);
  char *foreign[] = {(char *)&block,      block + 16,
                     block + 1,           block + 512,
                     block - 48,          (char *)4711,
                     (char *)UINTPTR_MAX, (char *)16,
                     (char *)65536,       (char *)source.source.base};
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    drop(foreign[i], 8);
    expect(MM_GUARD_NO_BLOCK, foreign[i], "8 bytes");
  }
  drop(block, 1000);
  ck_assert_int_eq(heard.count, 0);
}
END_TEST

START_TEST(an_overrun_is_noticed_at_the_free)
{
  static const size_t offsets[] = {100, 101, 107, 115};
  char *block = take(100);
  write_to(block + offsets[_i]);
  drop(block, 100);
  expect(MM_GUARD_OVERRUN, block, "100 bytes");
  ck_assert_ptr_null(mm_allocator_check(allocator));
}
END_TEST

START_TEST(an_underrun_is_noticed_at_the_free)
{
  static const size_t offsets[] = {1, 8, 9, 16, 25, 32};
  char *block = take(100);
  write_to(block - offsets[_i]);
  drop(block, 100);
  expect(MM_GUARD_UNDERRUN, block, "100 bytes");
}
END_TEST

START_TEST(damage_of_live_blocks_is_noticed_by_a_check)
{
  char *block = take(100);
  write_to(block + 100);
  ck_assert_ptr_nonnull(mm_allocator_check(allocator));
  expect(MM_GUARD_OVERRUN, block, "100 bytes");
  write_to(block - 1);
  ck_assert_ptr_nonnull(mm_allocator_check(allocator));
  ck_assert_int_eq(heard.fault, MM_GUARD_UNDERRUN);
}
END_TEST

START_TEST(a_write_after_the_free_is_noticed_by_a_check)
{
  char *block = take(100);
  drop(block, 100);
  write_to(block + 50);
  ck_assert_ptr_nonnull(mm_allocator_check(allocator));
  expect(MM_GUARD_USED_AFTER_FREE, block, "100 bytes");
}
END_TEST

START_TEST(a_write_after_the_free_is_noticed_at_the_end_of_the_quarantine)
{
  char *block = take(100);
  drop(block, 100);
  write_to(block + _i);
  for (int i = 0; i < MM_GUARD_QUARANTINE; i++) {
    ck_assert_int_eq(heard.count, 0);
    drop(take(10), 10);
  }
  expect(MM_GUARD_USED_AFTER_FREE, block, "100 bytes");
}
END_TEST

START_TEST(a_wrong_size_is_noticed_and_the_block_freed)
{
  char *block = take(100);
  drop(block, 99);
  expect(MM_GUARD_WRONG_SIZE, block, "100 bytes");
  ck_assert_ptr_nonnull(strstr(heard.text, "99 bytes"));
  ck_assert(!mm_allocator_is_block(allocator, block));
}
END_TEST

START_TEST(a_wrong_purpose_is_noticed_and_named)
{
  char *block = take(100);
  mm_guard_free(&guard, MM_PURPOSE_ARENA, block, 100);
  expect(MM_GUARD_WRONG_PURPOSE, block, "100 bytes");
  ck_assert_ptr_nonnull(strstr(heard.text, mm_purpose_text(MM_PURPOSE_ARENA)));
}
END_TEST

START_TEST(the_quarantine_has_bounds_and_ends_when_memory_runs_out)
{
  drop(take(200000), 200000);
  ck_assert_uint_eq(guard.quarantined, 1);
  drop(take(200000), 200000);
  ck_assert_uint_eq(guard.quarantined, 1);
  mm_spans_limit(&spans, 512 * 1024);
  char *block = take(400000);
  ck_assert_uint_eq(guard.quarantined, 0);
  ck_assert_ptr_null(mm_guard_alloc(&guard, MM_PURPOSE_TRACE, 200000));
  drop(block, 400000);
}
END_TEST

START_TEST(requests_beyond_all_bounds_are_null)
{
  static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX - 64,
                                 SIZE_MAX / 2};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ck_assert_ptr_null(mm_guard_alloc(&guard, MM_PURPOSE_TRACE, sizes[i]));
    ck_assert_ptr_null(
        mm_guard_alloc_aligned(&guard, MM_PURPOSE_TRACE, sizes[i], 64));
  }
  ck_assert_ptr_null(
      mm_guard_alloc_aligned(&guard, MM_PURPOSE_TRACE, 1, (size_t)1 << 63));
}
END_TEST

static void count_bytes(void *context, void *block, size_t bytes)
{
  ck_assert(mm_allocator_block_bytes(&freelist.allocator, (char *)block - 48) >=
            bytes);
  *(size_t *)context += bytes;
}

/* Situation 62. */
START_TEST(walk_and_stats_are_of_live_blocks)
{
  size_t bytes = 0;
  char *blocks[10];
  for (size_t i = 0; i < 10; i++)
    blocks[i] = mm_allocator_alloc(allocator, i * 10);
  mm_allocator_free(allocator, blocks[9]);
  mm_allocator_walk(allocator, count_bytes, &bytes);
  ck_assert_uint_eq(bytes, 360);
  struct mm_alloc_stats stats;
  mm_allocator_stats(allocator, &stats);
  ck_assert_uint_eq(stats.blocks, 9);
  ck_assert_uint_ge(stats.used_bytes, 360);
  for (size_t i = 0; i < 9; i++)
    mm_allocator_free(allocator, blocks[i]);
  mm_allocator_stats(allocator, &stats);
  ck_assert_uint_eq(stats.blocks, 0);
  ck_assert_uint_eq(stats.used_bytes, 0);
  ck_assert_int_eq(heard.count, 0);
}
END_TEST

/* Without a report of their own, all of them end the process. */
START_TEST(misuse_ends_the_process)
{
  char *block = take(100);
  switch (_i) {
  case 0:
    drop(block, 100);
    drop(block, 100);
    break;
  case 1:
    drop(block + 32, 100);
    break;
  case 2:
    write_to(block + 100);
    drop(block, 100);
    break;
  case 3:
    write_to(block - 1);
    drop(block, 100);
    break;
  case 4:
    drop(block, 100);
    write_to(block + 1);
    mm_guard_flush(&guard);
    break;
  case 5:
    drop(block, 101);
    break;
  case 6:
    mm_guard_free(&guard, MM_PURPOSE_ARENA, block, 100);
    break;
  }
}
END_TEST

#ifdef BAMBOO_ASAN
#include <sanitizer/asan_interface.h>

START_TEST(what_is_not_handed_out_is_poisoned)
{
  char *block = take(100);
  ck_assert_ptr_null(__asan_region_is_poisoned(block, 100));
  ck_assert(__asan_address_is_poisoned(block + 100));
  drop(block, 100);
  for (int i = 0; i < 100; i++)
    ck_assert(__asan_address_is_poisoned(block + i));
}
END_TEST
#endif

int main(void)
{
  TCase *tests = tcase_create("guard");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, proper_use_is_not_reported);
  tcase_add_test(tests, aligned_blocks_are_guarded_too);
  tcase_add_test(tests, a_double_free_is_noticed);
  tcase_add_test(tests, a_double_free_after_the_quarantine_is_noticed);
  tcase_add_test(tests, foreign_pointers_are_noticed);
  tcase_add_loop_test(tests, an_overrun_is_noticed_at_the_free, 0, 4);
  tcase_add_loop_test(tests, an_underrun_is_noticed_at_the_free, 0, 6);
  tcase_add_test(tests, damage_of_live_blocks_is_noticed_by_a_check);
  tcase_add_test(tests, a_write_after_the_free_is_noticed_by_a_check);
  tcase_add_loop_test(
      tests, a_write_after_the_free_is_noticed_at_the_end_of_the_quarantine, 0,
      2);
  tcase_add_test(tests, a_wrong_size_is_noticed_and_the_block_freed);
  tcase_add_test(tests, a_wrong_purpose_is_noticed_and_named);
  tcase_add_test(tests,
                 the_quarantine_has_bounds_and_ends_when_memory_runs_out);
  tcase_add_test(tests, requests_beyond_all_bounds_are_null);
  tcase_add_test(tests, walk_and_stats_are_of_live_blocks);
#ifdef BAMBOO_ASAN
  tcase_add_test(tests, what_is_not_handed_out_is_poisoned);
#endif
  TCase *deaths = tcase_create("without a report");
  tcase_add_checked_fixture(deaths, setup_fatal, teardown);
  fixture_add_death(deaths, misuse_ends_the_process, 0, 70, 0, 7);
  return fixture_main("mm_guard", (TCase *[]){tests, deaths, NULL});
}
