/* SPDX-License-Identifier: Apache-2.0 */
/* The table of regions, against a model that only knows which are taken. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/os/os_internal.h"
#include "mm/space/region_internal.h"
#include "tests/unit/mm_fixture.h"

enum { COUNT = 61 }; /* no multiple of the group that is opened at once */

static struct mm_regions regions;
static struct mm_region table[COUNT];

static void setup(void)
{
  uintptr_t base;
  ck_assert_int_eq(mm_os_reserve_between((uint64_t)COUNT * MM_REGION_BYTES,
                                         MM_REGION_BYTES, MM_REGION_BYTES,
                                         1u << 28, (uintptr_t)2 << 30, &base),
                   MM_OK);
  memset(table, 0, sizeof table);
  mm_regions_init(&regions, base, COUNT, table);
}

static void teardown(void)
{
  mm_regions_check(&regions);
  mm_os_release((void *)regions.base, (uint64_t)COUNT * MM_REGION_BYTES);
}

static uint32_t take(void)
{
  uint32_t index = MM_NO_REGION;
  ck_assert_int_eq(mm_region_take(&regions, MM_REGION_SMALL, &index), MM_OK);
  return index;
}

static uint64_t *memory_of(uint32_t index)
{
  return (uint64_t *)mm_region_start(&regions, index);
}

/* As an allocator would: says that all of the region may be dirty. */
static void dirty(uint32_t index)
{
  memset(memory_of(index), 0x5a, MM_REGION_BYTES);
  table[index].top = table[index].zero_from = mm_region_end(&regions, index);
}

START_TEST(all_regions_can_be_taken_and_not_one_more)
{
  bool taken[COUNT] = {false};
  for (int i = 0; i < COUNT; i++) {
    uint32_t index = take();
    ck_assert(!taken[index]);
    taken[index] = true;
    *memory_of(index) = 1;
  }
  uint32_t untouched = 4711;
  ck_assert_int_eq(mm_region_take(&regions, MM_REGION_SMALL, &untouched),
                   MM_NO_MEMORY);
  ck_assert_uint_eq(untouched, 4711);
  ck_assert_uint_eq(mm_regions_free(&regions), 0);
}
END_TEST

START_TEST(a_region_taken_is_empty_and_of_its_kind)
{
  uint32_t index;
  ck_assert_int_eq(mm_region_take(&regions, MM_REGION_FREELIST, &index), MM_OK);
  ck_assert_int_eq(table[index].kind, MM_REGION_FREELIST);
  ck_assert_uint_eq(table[index].top, mm_region_start(&regions, index));
  ck_assert_uint_eq(table[index].zero_from, table[index].top);
}
END_TEST

START_TEST(a_warm_region_is_taken_before_an_untouched_one)
{
  uint32_t first = take();
  uint32_t second = take();
  mm_region_free(&regions, first);
  ck_assert_uint_eq(take(), first);
  mm_region_free(&regions, second);
  mm_region_free(&regions, first);
  ck_assert_uint_eq(take(), first);
}
END_TEST

START_TEST(a_freed_region_says_that_its_memory_is_not_zero)
{
  uint32_t index = take();
  dirty(index);
  mm_region_free(&regions, index);
  ck_assert_uint_eq(take(), index);
  ck_assert_uint_eq(table[index].zero_from, mm_region_end(&regions, index));
}
END_TEST

START_TEST(a_run_is_one_head_and_its_tails)
{
  uint32_t index;
  ck_assert_int_eq(mm_region_take_run(&regions, 5, &index), MM_OK);
  ck_assert_int_eq(table[index].kind, MM_REGION_LARGE);
  ck_assert_uint_eq(table[index].span, 5);
  for (uint32_t i = 1; i < 5; i++) {
    ck_assert_int_eq(table[index + i].kind, MM_REGION_LARGE_TAIL);
    ck_assert_uint_eq(table[index + i].span, i);
  }
  ck_assert_uint_eq(regions.used, 5);
  mm_region_free(&regions, index);
  ck_assert_uint_eq(regions.used, 0);
}
END_TEST

START_TEST(a_run_fits_into_a_hole_of_its_size_and_not_into_a_smaller_one)
{
  uint32_t at[COUNT];
  for (int i = 0; i < COUNT; i++)
    at[i] = take();
  for (uint32_t i = 0; i < COUNT; i++)
    if ((i >= 10 && i < 13) || (i >= 20 && i < 24))
      mm_region_free(&regions, at[i]);
  uint32_t index;
  ck_assert_int_eq(mm_region_take_run(&regions, 5, &index), MM_NO_MEMORY);
  ck_assert_int_eq(mm_region_take_run(&regions, 4, &index), MM_OK);
  ck_assert_uint_eq(index, at[20]);
}
END_TEST

/* Situation 7. */
START_TEST(runs_taken_and_freed_in_turn_lose_no_region)
{
  for (uint32_t span = 1; span <= COUNT; span++)
    for (int round = 0; round < 3; round++) {
      uint32_t index;
      ck_assert_int_eq(mm_region_take_run(&regions, span, &index), MM_OK);
      mm_region_free(&regions, index);
    }
  ck_assert_uint_eq(regions.used, 0);
  uint32_t index;
  ck_assert_int_eq(mm_region_take_run(&regions, COUNT + 1, &index),
                   MM_NO_MEMORY);
}
END_TEST

START_TEST(trimming_returns_memory_and_it_comes_back_zero)
{
  uint32_t index[8];
  for (int i = 0; i < 8; i++)
    dirty(index[i] = take());
  for (int i = 0; i < 8; i++)
    mm_region_free(&regions, index[i]);
  ck_assert_uint_eq(mm_regions_trim(&regions, 3), 5);
  ck_assert_uint_eq(regions.committed, 3);
  ck_assert_uint_eq(mm_regions_trim(&regions, 0), 3);
  for (int i = 0; i < 8; i++) {
    uint32_t again = take();
    ck_assert_uint_eq(table[again].zero_from, mm_region_start(&regions, again));
    for (size_t word = 0; word < MM_REGION_BYTES / 8; word++)
      ck_assert_uint_eq(memory_of(again)[word], 0);
  }
}
END_TEST

START_TEST(trimming_leaves_what_is_in_use)
{
  for (int i = 0; i < 4; i++)
    *memory_of(take()) = 42;
  ck_assert_uint_eq(mm_regions_trim(&regions, 0), 0);
  for (uint32_t i = 0; i < 4; i++)
    ck_assert_uint_eq(*memory_of(i), 42);
}
END_TEST

START_TEST(a_poisoned_region_is_taken_last_and_is_usable_then)
{
  uint32_t poisoned = take();
  uint32_t plain = take();
  dirty(poisoned);
  mm_region_free_poisoned(&regions, poisoned);
  mm_region_free(&regions, plain);
  ck_assert(table[poisoned].flags & MM_REGION_PROTECTED);
  ck_assert_uint_eq(take(), plain);
  ck_assert_uint_eq(take(), poisoned);
  ck_assert(!(table[poisoned].flags & MM_REGION_PROTECTED));
  ck_assert_uint_eq(*(unsigned char *)memory_of(poisoned), MM_POISON_BYTE);
}
END_TEST

START_TEST(random_use_matches_a_model)
{
  uint32_t taken[COUNT];
  size_t count = 0;
  uint32_t used = 0;
  uint64_t seed = 1000 + (uint64_t)_i;
  for (int step = 0; step < 4000; step++) {
    uint64_t choice = fixture_random(&seed) % 16;
    uint32_t span = (uint32_t)(fixture_random(&seed) % 5 + 1), index;
    if (choice < 6 && mm_region_take_run(&regions, span, &index) == MM_OK) {
      taken[count++] = index;
      used += span;
    } else if (choice < 14 && count > 0) {
      size_t victim = fixture_random(&seed) % count;
      used -= table[taken[victim]].span;
      if (choice % 2)
        mm_region_free(&regions, taken[victim]);
      else
        mm_region_free_poisoned(&regions, taken[victim]);
      taken[victim] = taken[--count];
    } else {
      mm_regions_trim(&regions, (uint32_t)(fixture_random(&seed) % COUNT));
    }
    mm_regions_check(&regions);
    ck_assert_uint_eq(regions.used, used);
  }
}
END_TEST

/* Situation 66, for addresses. */
START_TEST(addresses_at_the_borders_belong_to_the_right_region)
{
  ck_assert(!mm_regions_contain(&regions, regions.base - 1));
  ck_assert(mm_regions_contain(&regions, regions.base));
  uintptr_t end = mm_region_end(&regions, COUNT - 1);
  ck_assert(mm_regions_contain(&regions, end - 1));
  ck_assert(!mm_regions_contain(&regions, end));
  ck_assert_uint_eq(mm_region_index(&regions, end - 1), COUNT - 1);
  ck_assert_uint_eq(mm_region_index(&regions, regions.base + MM_REGION_BYTES),
                    1);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("regions");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, all_regions_can_be_taken_and_not_one_more);
  tcase_add_test(tests, a_region_taken_is_empty_and_of_its_kind);
  tcase_add_test(tests, a_warm_region_is_taken_before_an_untouched_one);
  tcase_add_test(tests, a_freed_region_says_that_its_memory_is_not_zero);
  tcase_add_test(tests, a_run_is_one_head_and_its_tails);
  tcase_add_test(tests,
                 a_run_fits_into_a_hole_of_its_size_and_not_into_a_smaller_one);
  tcase_add_test(tests, runs_taken_and_freed_in_turn_lose_no_region);
  tcase_add_test(tests, trimming_returns_memory_and_it_comes_back_zero);
  tcase_add_test(tests, trimming_leaves_what_is_in_use);
  tcase_add_test(tests, a_poisoned_region_is_taken_last_and_is_usable_then);
  tcase_add_loop_test(tests, random_use_matches_a_model, 0, 3);
  tcase_add_test(tests, addresses_at_the_borders_belong_to_the_right_region);
  return fixture_main("mm_regions", (TCase *[]){tests, NULL});
}
