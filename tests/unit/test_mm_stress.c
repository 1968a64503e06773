/* SPDX-License-Identifier: Apache-2.0 */
/* Collections forced by stress: how many there are, and what they do. */
#include "config.h"

#include <signal.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;

static void open_heap(uint64_t every_alloc, uint64_t every_poll)
{
  struct mm_options options = fixture_options();
  options.stress_alloc = every_alloc;
  options.stress_poll = every_poll;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

/* Situations 40 and 68: each N-th one, and no other. */
START_TEST(every_nth_allocation_forces_one_collection)
{
  static const uint64_t every[] = {1, 2, 3, 7, 100};
  uint64_t n = every[_i];
  open_heap(n, 0);
  for (uint64_t i = 1; i <= 400; i++) {
    fixture_pair(&f.main);
    ck_assert_uint_eq(mm_collections_forced(f.heap), i / n);
  }
  ck_assert_uint_eq(mm_collections(f.heap), 400 / n);
  ck_assert_uint_eq(f.heap->stat.by_cause[MM_CAUSE_STRESS], 400 / n);
}
END_TEST

START_TEST(allocations_of_every_kind_count)
{
  open_heap(1, 0);
  uint64_t count = 0;
  for (int kind = 0; kind < FIXTURE_KIND_COUNT; kind++)
    for (uint32_t length = 1; length < 500000; length *= 20) {
      fixture_new(&f.main, kind, length);
      ck_assert_uint_eq(mm_collections_forced(f.heap), ++count);
    }
  fixture_nonmoving(&f.main, FIXTURE_PAIR, 0);
  ck_assert_uint_eq(mm_collections_forced(f.heap), ++count);
}
END_TEST

START_TEST(every_nth_poll_forces_one_collection)
{
  static const uint64_t every[] = {1, 2, 5};
  uint64_t n = every[_i];
  open_heap(0, n);
  for (uint64_t i = 1; i <= 100; i++) {
    mm_poll(&f.main.mutator);
    ck_assert_uint_eq(mm_collections_forced(f.heap), i / n);
  }
  fixture_pair(&f.main);
  ck_assert_uint_eq(mm_collections_forced(f.heap), 100 / n);
}
END_TEST

START_TEST(without_stress_nothing_is_forced)
{
  open_heap(0, 0);
  for (int i = 0; i < 100000; i++) {
    fixture_pair(&f.main);
    mm_poll(&f.main.mutator);
  }
  ck_assert_uint_eq(mm_collections(f.heap), 0);
}
END_TEST

START_TEST(a_collection_asked_for_is_not_counted_as_forced)
{
  open_heap(1000, 0);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_eq(mm_collections(f.heap), 1);
  ck_assert_uint_eq(mm_collections_forced(f.heap), 0);
}
END_TEST

START_TEST(both_kinds_of_collection_get_their_turn)
{
  open_heap(1, 0);
  size_t list = fixture_push_list(&f.main, 200);
  fixture_check_list(fixture_at(&f.main, list), 200);
  const struct mm_histogram *pauses = f.heap->stat.pauses;
  ck_assert_uint_ge(pauses[MM_COLLECTION_EVACUATE].count, 80);
  ck_assert_uint_ge(pauses[MM_COLLECTION_COMPACT].count, 80);
}
END_TEST

START_TEST(all_that_can_move_moves_when_it_is_evacuated)
{
  open_heap(1000000, 0);
  size_t list = fixture_push_list(&f.main, 300);
  uint32_t before[300];
  struct mm_ref at = fixture_at(&f.main, list);
  for (int i = 0; i < 300; i++, at = fixture_get(at, FIXTURE_LEFT))
    before[i] = at.bits;
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  at = fixture_at(&f.main, list);
  for (int i = 0; i < 300; i++, at = fixture_get(at, FIXTURE_LEFT))
    ck_assert_uint_ne(before[i], at.bits);
}
END_TEST

/* A reference that was kept where the collector could not see it: reading
   through it faults instead of finding the old copy. */
START_TEST(a_missed_reference_faults)
{
  open_heap(1000000, 0);
  size_t list = fixture_push_list(&f.main, 10);
  struct mm_ref missed = fixture_at(&f.main, list);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  signal(SIGSEGV, SIG_DFL); /* a sanitizer would answer in its own way */
  (void)*(volatile int64_t *)fixture_data(missed, FIXTURE_VALUE);
}
END_TEST

START_TEST(old_copies_are_poisoned_until_their_region_is_used_again)
{
  open_heap(1000000, 0);
  size_t list = fixture_push_list(&f.main, 10);
  struct mm_ref old = fixture_at(&f.main, list);
  struct mm_region *region =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(old));
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert_int_eq(region->kind, MM_REGION_FREE);
  ck_assert(region->flags & MM_REGION_PROTECTED);
  while (region->kind == MM_REGION_FREE)
    fixture_new(&f.main, FIXTURE_BYTES, 100000);
  ck_assert(!(region->flags & MM_REGION_PROTECTED));
}
END_TEST

START_TEST(a_tree_grows_under_stress_with_several_workers)
{
  struct mm_options options = fixture_options();
  options.stress_alloc = 1;
  options.workers = 1u << _i;
  fixture_open(&f, &options);
  struct mm_ref tree = fixture_tree(&f.main, 8);
  ck_assert_uint_eq(fixture_tree_nodes(tree), 511);
  ck_assert_uint_eq(mm_collections_forced(f.heap), 511);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("stress");
  tcase_add_checked_fixture(tests, NULL, teardown);
  tcase_add_loop_test(tests, every_nth_allocation_forces_one_collection, 0, 5);
  tcase_add_test(tests, allocations_of_every_kind_count);
  tcase_add_loop_test(tests, every_nth_poll_forces_one_collection, 0, 3);
  tcase_add_test(tests, without_stress_nothing_is_forced);
  tcase_add_test(tests, a_collection_asked_for_is_not_counted_as_forced);
  tcase_add_test(tests, both_kinds_of_collection_get_their_turn);
  tcase_add_test(tests, all_that_can_move_moves_when_it_is_evacuated);
  fixture_add_death(tests, a_missed_reference_faults, SIGSEGV, 0, 0, 1);
  tcase_add_test(tests,
                 old_copies_are_poisoned_until_their_region_is_used_again);
  tcase_add_loop_test(tests, a_tree_grows_under_stress_with_several_workers, 0,
                      3);
  return fixture_main("mm_stress", (TCase *[]){tests, NULL});
}
