/* SPDX-License-Identifier: Apache-2.0 */
/* The index of free memory by size. */
#include "config.h"

#include <string.h>

#include "mm/alloc/fit_internal.h"
#include "tests/unit/mm_fixture.h"

/*
 * Blocks are made up: block i has its node at the i-th granule of the memory,
 * and its size stands in a table.
 */
enum { BLOCKS = 4096, GRANULE_LOG2 = 3, GRANULE = 1 << GRANULE_LOG2 };

static _Alignas(16) char memory[BLOCKS * GRANULE];
static uint32_t sizes[BLOCKS];
static struct mm_fit_index fit;

static void setup(void)
{
  memset(sizes, 0, sizeof sizes);
  mm_fit_init(&fit, (uintptr_t)memory, GRANULE_LOG2);
}

static uintptr_t node(uint32_t i)
{
  return (uintptr_t)memory + (uintptr_t)i * GRANULE;
}

static uint32_t index_of(uintptr_t node)
{
  return (uint32_t)((node - (uintptr_t)memory) / GRANULE);
}

static uint32_t size_of(void *context, uintptr_t node)
{
  fixture_require(context == sizes);
  return sizes[index_of(node)];
}

static void insert(uint32_t i, uint32_t granules)
{
  sizes[i] = granules;
  mm_fit_insert(&fit, node(i), granules);
}

static void take_out(uint32_t i)
{
  mm_fit_remove(&fit, node(i), sizes[i]);
  sizes[i] = 0;
}

static const char *check(uint64_t *nodes, uint64_t *granules)
{
  return mm_fit_check(&fit, size_of, sizes, nodes, granules);
}

static void check_has(uint64_t expected_nodes, uint64_t expected_granules)
{
  uint64_t nodes, granules;
  ck_assert_ptr_null(check(&nodes, &granules));
  ck_assert_uint_eq(nodes, expected_nodes);
  ck_assert_uint_eq(granules, expected_granules);
}

START_TEST(an_empty_index_finds_nothing)
{
  ck_assert_uint_eq(mm_fit_find(&fit, 1), 0);
  ck_assert_uint_eq(mm_fit_find(&fit, UINT32_MAX), 0);
  ck_assert_uint_eq(mm_fit_find_near(&fit, 1, size_of, sizes), 0);
  ck_assert_uint_eq(mm_fit_largest(&fit, size_of, sizes), 0);
  check_has(0, 0);
}
END_TEST

START_TEST(a_block_is_found_for_what_it_is_large_enough_for)
{
  static const uint32_t all[] = {1,
                                 2,
                                 31,
                                 32,
                                 33,
                                 63,
                                 64,
                                 65,
                                 1000,
                                 1 << 20,
                                 (1 << 20) + 1,
                                 INT32_MAX,
                                 UINT32_MAX};
  uint32_t size = all[_i];
  insert(5, size);
  ck_assert_uint_eq(mm_fit_find_near(&fit, size, size_of, sizes), node(5));
  ck_assert_uint_eq(mm_fit_largest(&fit, size_of, sizes), size);
  /* Sizes within 1/32 may be passed over, others may not. */
  ck_assert_uint_eq(mm_fit_find(&fit, size - size / 32), node(5));
  ck_assert_uint_eq(mm_fit_find(&fit, 1), node(5));
  if (size < UINT32_MAX) {
    ck_assert_uint_eq(mm_fit_find(&fit, size + 1), 0);
    ck_assert_uint_eq(mm_fit_find_near(&fit, size + 1, size_of, sizes), 0);
  }
  take_out(5);
  check_has(0, 0);
}
END_TEST

START_TEST(small_sizes_are_found_exactly)
{
  for (uint32_t size = 1; size < MM_FIT_SECONDS; size++)
    insert(size, size);
  for (uint32_t size = 1; size < MM_FIT_SECONDS; size++)
    ck_assert_uint_eq(mm_fit_find(&fit, size), node(size));
}
END_TEST

START_TEST(the_next_larger_list_is_used_when_the_right_one_is_empty)
{
  insert(1, 100);
  insert(2, 5000);
  ck_assert_uint_eq(mm_fit_find(&fit, 10), node(1));
  ck_assert_uint_eq(mm_fit_find(&fit, 200), node(2));
  take_out(1);
  ck_assert_uint_eq(mm_fit_find(&fit, 10), node(2));
}
END_TEST

START_TEST(first_middle_and_last_of_a_list_can_be_removed)
{
  for (uint32_t i = 0; i < 3; i++)
    insert(i, 7);
  take_out((uint32_t)_i);
  check_has(2, 14);
  take_out((uint32_t)(_i + 1) % 3);
  ck_assert_uint_eq(mm_fit_find(&fit, 7), node((uint32_t)(_i + 2) % 3));
  check_has(1, 7);
}
END_TEST

START_TEST(the_last_granule_of_32_bits_has_a_link)
{
  struct mm_fit_index far;
  uint64_t offset = ((uint64_t)UINT32_MAX - 1) << GRANULE_LOG2;
  mm_fit_init(&far, (uintptr_t)memory - offset, GRANULE_LOG2);
  mm_fit_insert(&far, (uintptr_t)memory, 9);
  ck_assert_uint_eq(mm_fit_find(&far, 9), (uintptr_t)memory);
  mm_fit_remove(&far, (uintptr_t)memory, 9);
  ck_assert_uint_eq(mm_fit_find(&far, 1), 0);
}
END_TEST

/* The smallest size that is larger by 1/32 or more, and so not passed over. */
static bool is_sure(uint32_t size, uint32_t request)
{
  return size >= request && size - request >= request / 32;
}

static void check_find(uint32_t request)
{
  uintptr_t found = mm_fit_find(&fit, request);
  bool is_there = false;
  for (uint32_t i = 0; i < BLOCKS; i++)
    is_there |= is_sure(sizes[i], request);
  fixture_require(found || !is_there);
  fixture_require(!found || sizes[index_of(found)] >= request);
}

START_TEST(random_use_agrees_with_a_table)
{
  uint64_t seed = 31 + (uint64_t)_i, nodes = 0, granules = 0;
  for (int step = 0; step < 20000; step++) {
    uint32_t i = (uint32_t)(fixture_random(&seed) % BLOCKS);
    uint32_t size = 1 + (uint32_t)(fixture_random(&seed) >>
                                   (32 + fixture_random(&seed) % 31));
    if (sizes[i]) {
      nodes--;
      granules -= sizes[i];
      take_out(i);
    } else {
      nodes++;
      granules += size;
      insert(i, size);
    }
    if (step % 16 == 0)
      check_find(size);
    if (step % 1000 == 0)
      check_has(nodes, granules);
  }
}
END_TEST

/* Situation 61. */
START_TEST(the_check_finds_what_is_broken)
{
  insert(1, 40);
  insert(2, 40);
  insert(3, 3);
  uint64_t nodes, granules;
  switch (_i) {
  case 0:
    fit.firsts = 0;
    break;
  case 1:
    fit.seconds[0] |= 1;
    break;
  case 2:
    ((struct mm_fit_node *)node(1))->before = 0;
    break;
  case 3:
    sizes[3] = 4;
    break;
  case 4:
    fit.heads[0][3] = 0;
    break;
  }
  ck_assert_ptr_nonnull(check(&nodes, &granules));
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("fit");
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, an_empty_index_finds_nothing);
  tcase_add_loop_test(tests, a_block_is_found_for_what_it_is_large_enough_for,
                      0, 13);
  tcase_add_test(tests, small_sizes_are_found_exactly);
  tcase_add_test(tests,
                 the_next_larger_list_is_used_when_the_right_one_is_empty);
  tcase_add_loop_test(tests, first_middle_and_last_of_a_list_can_be_removed, 0,
                      3);
  tcase_add_test(tests, the_last_granule_of_32_bits_has_a_link);
  tcase_add_loop_test(tests, random_use_agrees_with_a_table, 0, 3);
  tcase_add_loop_test(tests, the_check_finds_what_is_broken, 0, 5);
  return fixture_main("mm_fit", (TCase *[]){tests, NULL});
}
