/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps that are full: no memory, hardly any, and what comes after. */
#include "config.h"

#include "mm/native.h"
#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;

static void open_heap(uint64_t max_bytes, unsigned workers)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = max_bytes;
  options.workers = workers;
  options.verify = MM_VERIFY_AFTER;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

/* Hangs pairs into a list until there is no room; how many there were. */
static uint32_t fill_list(size_t list)
{
  for (uint32_t length = 0;; length++) {
    struct mm_ref pair = fixture_new_or_null(&f.main, FIXTURE_PAIR, 0);
    if (mm_is_null(pair))
      return length;
    fixture_set(pair, FIXTURE_LEFT, fixture_at(&f.main, list));
    fixture_set_value(pair, length);
    fixture_put(&f.main, list, pair);
  }
}

START_TEST(a_full_heap_answers_null_and_loses_nothing)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push(&f.main, MM_NULL);
  uint32_t length = fill_list(list);
  fixture_check_list(fixture_at(&f.main, list), length);
  ck_assert_uint_ge((uint64_t)length * 24, 4 * FIXTURE_MIB / 10 * 8);
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_OUT_OF_MEMORY), 0);
}
END_TEST

/* Situation 38: with everything but one region in use, garbage can still be
   made and collected. */
START_TEST(a_program_goes_on_after_it_dropped_what_filled_the_heap)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push(&f.main, MM_NULL);
  for (int round = 0; round < 4; round++) {
    uint32_t length = fill_list(list);
    fixture_check_list(fixture_at(&f.main, list), length);
    fixture_put(&f.main, list, MM_NULL);
    ck_assert_uint_ge(length, 100000);
  }
}
END_TEST

START_TEST(garbage_can_be_made_forever_beside_a_large_live_set)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push_list(&f.main, 120000); /* 2.7 of 4 MiB */
  for (int i = 0; i < 500000; i++)
    fixture_pair(&f.main);
  fixture_check_list(fixture_at(&f.main, list), 120000);
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_OUT_OF_MEMORY), 0);
}
END_TEST

/* Situation 39: an allocation that cannot succeed ends soon, time and again. */
START_TEST(refusals_do_not_take_forever)
{
  open_heap(6 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push(&f.main, MM_NULL);
  fill_list(list);
  uint64_t before = mm_collections(f.heap);
  for (int i = 0; i < 10; i++) {
    fixture_new_or_null(&f.main, FIXTURE_BYTES, 3000000);
    fixture_new_or_null(&f.main, FIXTURE_PAIR, 0);
  }
  ck_assert_uint_le(mm_collections(f.heap) - before, 60);
}
END_TEST

START_TEST(the_heap_never_exceeds_its_limit)
{
  open_heap(6 * FIXTURE_MIB, fixture_workers(_i));
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 1000));
  uint64_t seed = 3;
  for (int i = 0; i < 8000; i++) {
    uint32_t length =
        (uint32_t)(fixture_random(&seed) % (i % 40 ? 2000 : 400000));
    struct mm_ref bytes = fixture_new_or_null(&f.main, FIXTURE_BYTES, length);
    ck_assert_uint_le(mm_heap_used_bytes(f.heap), 6 * FIXTURE_MIB);
    fixture_set_element(fixture_at(&f.main, array),
                        fixture_random(&seed) % 1000, bytes);
  }
  ck_assert_uint_le(f.heap->stat.peak_used_bytes, 6 * FIXTURE_MIB);
}
END_TEST

/* Situation 7: large objects come and go in a heap with room for few. */
START_TEST(large_objects_can_come_and_go_forever)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t kept = fixture_push(&f.main, MM_NULL);
  for (uint32_t i = 0; i < 1000; i++) {
    struct mm_ref bytes =
        fixture_new(&f.main, FIXTURE_BYTES, 600000 + i * 1000 % 500000);
    if (i % 3 == 0)
      fixture_put(&f.main, kept, bytes);
  }
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_LARGE_ALLOCATED),
                    1000);
}
END_TEST

START_TEST(small_and_large_garbage_share_a_small_heap)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push_list(&f.main, 20000);
  uint64_t seed = 1;
  for (int i = 0; i < 8000; i++)
    fixture_new(&f.main, FIXTURE_BYTES,
                (uint32_t)(fixture_random(&seed) % (i % 20 ? 5000 : 1000000)));
  fixture_check_list(fixture_at(&f.main, list), 20000);
}
END_TEST

/* A live set above half of the heap cannot be copied; whoever tries runs out
   of room in the middle, keeps what is left in place, and loses nothing. */
START_TEST(an_evacuation_that_runs_out_of_room_loses_nothing)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push_list(&f.main, 130000);
  struct mm_ref hashed = fixture_pair(&f.main);
  size_t root = fixture_push(&f.main, hashed);
  uint32_t hash = mm_identity_hash(&f.main.mutator, hashed);
  for (int round = 0; round < 3; round++) {
    fixture_collect(&f, MM_COLLECTION_EVACUATE);
    fixture_check_list(fixture_at(&f.main, list), 130000);
    ck_assert_uint_eq(
        mm_identity_hash(&f.main.mutator, fixture_at(&f.main, root)), hash);
    ck_assert_uint_eq(fixture_census(&f).objects, 130001);
  }
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_EVACUATIONS_FAILED),
                    0);
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_KEPT_OBJECTS), 0);
}
END_TEST

START_TEST(after_an_evacuation_short_of_room_a_compaction_mends_the_heap)
{
  open_heap(4 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push_list(&f.main, 130000);
  for (int i = 0; i < 50000; i++)
    fixture_pair(&f.main);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  fixture_collect(&f, MM_COLLECTION_COMPACT);
  fixture_check_list(fixture_at(&f.main, list), 130000);
  ck_assert_uint_le(mm_heap_used_bytes(f.heap),
                    130000 * 24 + 2 * FIXTURE_REGION_BYTES);
}
END_TEST

START_TEST(memory_of_a_heap_that_shrank_goes_back_to_the_system)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = 64 * FIXTURE_MIB;
  options.heap_min_bytes = 4 * FIXTURE_MIB;
  options.verify = 0;
  options.workers = fixture_workers(_i);
  fixture_open(&f, &options);
  fixture_push_list(&f.main, 1000000); /* 23 MiB */
  uint32_t committed = f.heap->regions.committed;
  ck_assert_uint_ge(committed, 22 * (FIXTURE_MIB / FIXTURE_REGION_BYTES));
  fixture_pop(&f.main, 1);
  for (int i = 0; i < 8; i++) /* not all at once: see sizing_internal.h */
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_le(f.heap->regions.committed,
                    6 * (FIXTURE_MIB / FIXTURE_REGION_BYTES));
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_UNCOMMITTED_BYTES),
                    0);
  fixture_push_list(&f.main, 100000);
}
END_TEST

/* Old objects that stay where they are ---------------------------------------
 */

enum {
  QUARTER_LENGTH = FIXTURE_REGION_BYTES / 4 - MM_ARRAY_BASE,
  QUARTERS = 4 * FIXTURE_MIB / (FIXTURE_REGION_BYTES / 4),
  KEPT = 4, /* one in so many */
};

static struct mm_ref quarter(void)
{
  return fixture_new_or_null(&f.main, FIXTURE_BYTES, QUARTER_LENGTH);
}

/* Has old objects in every region, and room for as many again between them;
   returns where the array of all is rooted. */
static size_t fill_with_gaps(int plan)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.heap_max_bytes = 4 * FIXTURE_MIB;
  options.verify = MM_VERIFY_AFTER;
  fixture_open(&f, &options);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, QUARTERS));
  struct mm_ref made;
  for (size_t i = 0; !mm_is_null(made = quarter()); i++)
    fixture_set_element(fixture_at(&f.main, array), i, made);
  for (size_t i = 0; i < QUARTERS; i++)
    if (i % KEPT != 0)
      fixture_set_element(fixture_at(&f.main, array), i, MM_NULL);
  return array;
}

START_TEST(gaps_between_old_objects_serve_when_no_region_is_free)
{
  size_t array = fill_with_gaps(_i);
  uint64_t before = mm_collections(f.heap);
  for (size_t i = 0; i < QUARTERS / 2; i++) {
    if (i % KEPT == 0)
      continue;
    struct mm_ref made = quarter();
    ck_assert(!mm_is_null(made));
    fixture_set_element(fixture_at(&f.main, array), i, made);
  }
  ck_assert_uint_le(mm_collections(f.heap) - before, 8);
}
END_TEST

START_TEST(what_is_born_old_may_refer_to_what_is_young)
{
  fill_with_gaps(_i);
  size_t list = fixture_push(&f.main, MM_NULL);
  for (int i = 0; i < 8; i++)
    quarter();
  fixture_put(&f.main, list, fixture_new(&f.main, FIXTURE_REFS, 10000));
  for (size_t i = 0; i < 10000; i++) {
    struct mm_ref pair = fixture_new_or_null(&f.main, FIXTURE_PAIR, 0);
    ck_assert(!mm_is_null(pair));
    fixture_set_value(pair, (int64_t)i);
    fixture_set_element(fixture_at(&f.main, list), i, pair);
  }
  mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  for (size_t i = 0; i < 10000; i++)
    ck_assert_int_eq(
        fixture_value(fixture_element(fixture_at(&f.main, list), i)),
        (int64_t)i);
}
END_TEST

/* Collections take native memory for their stacks and lists; whichever of
   these requests fails, and all after it, nothing is lost. */
START_TEST(collections_without_native_memory_lose_nothing)
{
  open_heap(8 * FIXTURE_MIB, fixture_workers(_i));
  size_t list = fixture_push_list(&f.main, 20000);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 20000));
  for (size_t i = 0; i < 20000; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  f.heap->options.verify = 0; /* it takes native memory as well */
  for (uint64_t count = 1; count < 30; count++) {
    fixture_tree(&f.main, 8);
    mm_native_fail_at(count / 2 + 1, true);
    fixture_collect(&f, (enum mm_collection_kind)(count / 2 % 2));
    mm_native_fail_at(0, true);
    ck_assert_uint_eq(fixture_verify(&f), 0);
    ck_assert_uint_eq(fixture_census(&f).objects, 40001);
    fixture_check_list(fixture_at(&f.main, list), 20000);
  }
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, FIXTURE_WORKERS)

int main(void)
{
  TCase *tests = tcase_create("full heaps");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(a_full_heap_answers_null_and_loses_nothing);
  ADD(a_program_goes_on_after_it_dropped_what_filled_the_heap);
  ADD(garbage_can_be_made_forever_beside_a_large_live_set);
  ADD(refusals_do_not_take_forever);
  ADD(the_heap_never_exceeds_its_limit);
  ADD(large_objects_can_come_and_go_forever);
  ADD(small_and_large_garbage_share_a_small_heap);
  ADD(an_evacuation_that_runs_out_of_room_loses_nothing);
  ADD(after_an_evacuation_short_of_room_a_compaction_mends_the_heap);
  ADD(memory_of_a_heap_that_shrank_goes_back_to_the_system);
  ADD(collections_without_native_memory_lose_nothing);
  tcase_add_loop_test(tests,
                      gaps_between_old_objects_serve_when_no_region_is_free,
                      FIXTURE_PLAN_YOUNG + 1, FIXTURE_PLANS);
  tcase_add_loop_test(tests, what_is_born_old_may_refer_to_what_is_young,
                      FIXTURE_PLAN_YOUNG + 1, FIXTURE_PLANS);
  return fixture_main("mm_full", (TCase *[]){tests, NULL});
}
