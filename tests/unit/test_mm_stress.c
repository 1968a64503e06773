/* SPDX-License-Identifier: Apache-2.0 */
/* Collections forced by stress: how many there are, and what they do. */
#include "config.h"

#include <signal.h>

#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
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

/* Stores of references are counted. */
static void open_barrier_heap(uint64_t every, int plan)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.stress_barrier = every;
  fixture_open(&f, &options);
}

static void store(size_t from, size_t to)
{
  mm_store_ref(&f.main.mutator,
               fixture_data(fixture_at(&f.main, from), FIXTURE_LEFT),
               fixture_at(&f.main, to));
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

/* A barrier is no safepoint: the collection comes at the poll after it. */
START_TEST(every_nth_store_forces_one_collection_at_the_next_poll)
{
  static const uint64_t every[] = {1, 2, 5};
  uint64_t n = every[_i / FIXTURE_PLANS];
  open_barrier_heap(n, _i % FIXTURE_PLANS);
  size_t a = fixture_push(&f.main, fixture_pair(&f.main));
  size_t b = fixture_push(&f.main, fixture_pair(&f.main));
  for (uint64_t i = 1; i <= 60; i++) {
    store(i & 1 ? a : b, i & 1 ? b : a);
    ck_assert_uint_eq(mm_collections_forced(f.heap), (i - 1) / n);
    mm_poll(&f.main.mutator);
    mm_poll(&f.main.mutator);
    ck_assert_uint_eq(mm_collections_forced(f.heap), i / n);
  }
}
END_TEST

START_TEST(every_nth_store_forces_one_collection_at_the_next_allocation)
{
  open_barrier_heap(3, _i);
  size_t a = fixture_push(&f.main, fixture_pair(&f.main));
  size_t b = fixture_push(&f.main, fixture_pair(&f.main));
  for (uint64_t i = 1; i <= 60; i++) {
    store(a, b);
    fixture_pair(&f.main);
    fixture_pair(&f.main);
    ck_assert_uint_eq(mm_collections_forced(f.heap), i / 3);
  }
}
END_TEST

START_TEST(stores_that_fall_due_before_a_safepoint_force_one_collection)
{
  open_barrier_heap(1, 0);
  size_t a = fixture_push(&f.main, fixture_pair(&f.main));
  for (int i = 0; i < 10; i++)
    store(a, a);
  mm_poll(&f.main.mutator);
  ck_assert_uint_eq(mm_collections_forced(f.heap), 1);
}
END_TEST

START_TEST(without_stress_of_barriers_no_store_takes_the_slow_path)
{
  open_heap(1, 1);
  ck_assert_uint_eq(f.main.mutator.marking, 0);
}
END_TEST

/* Without cycles: it is followed by one that is forced. */
START_TEST(at_the_end_of_a_collection_phases_force_another)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, _i);
  options.stress_phase = true;
  fixture_open(&f, &options);
  size_t list = fixture_push_list(&f.main, 100);
  for (uint64_t i = 1; i <= 6; i++) {
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    ck_assert_uint_eq(mm_collections_forced(f.heap), i);
    ck_assert_uint_eq(mm_collections(f.heap), 2 * i);
  }
  fixture_check_list(fixture_at(&f.main, list), 100);
}
END_TEST

/* One at a border of every other cycle, the border being each of the three in
   its turn. */
START_TEST(at_borders_of_cycles_phases_force_collections)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, 1 + _i);
  options.gc = MM_GC_CONCURRENT;
  options.stress_phase = true;
  fixture_open(&f, &options);
  size_t list = fixture_push_list(&f.main, 2000);
  while (mm_cycle_wait(&f.main.mutator))
    ;
  uint64_t cycles = f.heap->stress.cycles;
  uint64_t forced = f.heap->stat.by_cause[MM_CAUSE_STRESS];
  for (int i = 0; i < 12; i++) {
    mm_cycle_step(&f.main.mutator);
    mm_cycle_wait(&f.main.mutator);
    while (mm_cycle_wait(&f.main.mutator))
      ;
  }
  mm_enter_native(&f.main.mutator); /* the thread may want to stop us yet */
  mm_heap_quit(f.heap);
  mm_leave_native(&f.main.mutator);
  ck_assert_uint_eq(f.heap->stress.cycles - cycles, 12);
  ck_assert_uint_eq(f.heap->stat.by_cause[MM_CAUSE_STRESS] - forced, 6);
  ck_assert_uint_eq(mm_collections_forced(f.heap), mm_collections(f.heap));
  fixture_check_list(fixture_at(&f.main, list), 2000);
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
  tcase_add_loop_test(tests,
                      every_nth_store_forces_one_collection_at_the_next_poll, 0,
                      3 * FIXTURE_PLANS);
  tcase_add_loop_test(
      tests, every_nth_store_forces_one_collection_at_the_next_allocation, 0,
      FIXTURE_PLANS);
  tcase_add_test(tests,
                 stores_that_fall_due_before_a_safepoint_force_one_collection);
  tcase_add_test(tests,
                 without_stress_of_barriers_no_store_takes_the_slow_path);
  tcase_add_loop_test(tests, at_the_end_of_a_collection_phases_force_another, 0,
                      FIXTURE_PLANS);
  tcase_add_loop_test(tests, at_borders_of_cycles_phases_force_collections, 0,
                      2);
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
