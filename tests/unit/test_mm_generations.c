/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generational=auto: objects are born old where nearly all of them live, and
 * young again when that has changed.  _i: 3 * (0 stop-the-world, 1 concurrent)
 * + how old objects are kept.
 */
#include "config.h"

#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/generations_internal.h"
#include "tests/unit/mm_fixture.h"

#include <time.h>

enum { KINDS = 3, VARIANTS = 2 * KINDS, LENGTH = 20000, TRIES = 40 };

static struct fixture f;

static bool is_concurrent(void)
{
  return f.heap->options.gc == MM_GC_CONCURRENT;
}

/* A limit of 2 MiB: what is seen of 1 MiB decides. */
static void open_heap(int variant)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, FIXTURE_PLAN_AUTO + variant % KINDS);
  options.gc = variant / KINDS ? MM_GC_CONCURRENT : MM_GC_STW;
  options.heap_min_bytes = 2 * FIXTURE_MIB;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

static enum mm_age age_of(struct mm_ref ref)
{
  return mm_region_of(&f.heap->regions, (uintptr_t)mm_address(ref))->age;
}

/* Where a cycle runs, until its thread has done with it. */
static void let_cycles_end(void)
{
  const struct timespec a_while = {.tv_nsec = 1000000};
  for (int i = 0; is_concurrent() && i < 5; i++) {
    mm_cycle_wait(&f.main.mutator);
    mm_enter_native(&f.main.mutator);
    nanosleep(&a_while, NULL);
    mm_leave_native(&f.main.mutator);
  }
}

/* The next one is of all objects again, should none be young. */
static void collect_young(void)
{
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  f.heap->sizing.next_kind = MM_COLLECTION_EVACUATE;
}

/* Half a MiB at a time, all of it garbage in the end. */
static void let_all_live(void)
{
  size_t lists = 0;
  for (; lists < TRIES && mm_is_generational(f.heap); lists++) {
    fixture_push_list(&f.main, LENGTH);
    let_cycles_end();
    collect_young();
  }
  ck_assert(!mm_is_generational(f.heap));
  fixture_pop(&f.main, lists);
}

static void collect_all(void)
{
  if (is_concurrent()) {
    mm_cycle_step(&f.main.mutator);
    let_cycles_end();
    return;
  }
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
}

START_TEST(where_nearly_all_objects_live_they_are_born_old)
{
  open_heap(_i);
  f.heap->generations.next_wait = UINT32_MAX; /* no return */
  ck_assert(mm_is_generational(f.heap));
  let_all_live();
  ck_assert_uint_ge(mm_stat_counter(&f.heap->stat, MM_COUNT_YOUNG_LEFT), 1);
  struct mm_ref pair = fixture_pair(&f.main);
  ck_assert_int_eq(age_of(pair), MM_AGE_TENURED);
  ck_assert_uint_eq(f.heap->young_count, 0);
}
END_TEST

/* Half of it was to be seen. */
START_TEST(a_large_heap_is_judged_by_a_part_of_it)
{
  enum { LONG = 400000, LISTS = 8 };
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, FIXTURE_PLAN_AUTO + _i % KINDS);
  options.gc = _i / KINDS ? MM_GC_CONCURRENT : MM_GC_STW;
  options.heap_min_bytes = 256 * FIXTURE_MIB;
  options.heap_max_bytes = 512 * FIXTURE_MIB;
  options.verify = 0;
  fixture_open(&f, &options);
  f.heap->generations.next_wait = UINT32_MAX; /* no return */
  for (int i = 0; i < LISTS && mm_is_generational(f.heap); i++) {
    fixture_push_list(&f.main, LONG);
    let_cycles_end();
    collect_young();
  }
  ck_assert(!mm_is_generational(f.heap));
}
END_TEST

START_TEST(where_they_die_they_stay_young)
{
  open_heap(_i);
  for (int i = 0; i < 40; i++) {
    fixture_push_list(&f.main, LENGTH);
    fixture_pop(&f.main, 1);
    collect_young();
  }
  ck_assert(mm_is_generational(f.heap));
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_YOUNG_LEFT), 0);
}
END_TEST

START_TEST(a_full_collection_or_a_cycle_later_they_are_tried_again)
{
  open_heap(_i);
  let_all_live();
  for (int i = 0; i < TRIES && !mm_is_generational(f.heap); i++)
    collect_all();
  ck_assert(mm_is_generational(f.heap));
  ck_assert_int_eq(age_of(fixture_pair(&f.main)), MM_AGE_EDEN);
}
END_TEST

/* A try that it interrupted went on until the cycle's candidates were gone. */
START_TEST(where_a_cycle_is_near_a_try_is_put_off_twice)
{
  open_heap(_i);
  f.heap->generations.next_wait = UINT32_MAX; /* no other return */
  let_all_live();
  let_cycles_end();
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->start_bytes = sizing->start_regions = UINT32_MAX;
  ck_assert(mm_generations_may_return(f.heap));
  sizing->start_bytes = sizing->start_regions = 0;
  for (int i = 0; i < 4; i++) {
    bool is_due = !is_concurrent() || i == 2;
    ck_assert(mm_generations_may_return(f.heap) == is_due);
  }
}
END_TEST

START_TEST(each_try_that_finds_the_same_makes_the_next_wait_longer)
{
  open_heap(_i);
  uint32_t before = 0;
  for (int i = 0; i < 3; i++) {
    let_all_live();
    ck_assert_uint_gt(f.heap->generations.next_wait, before);
    before = f.heap->generations.next_wait;
    for (int j = 0; j < TRIES && !mm_is_generational(f.heap); j++)
      collect_all();
  }
}
END_TEST

START_TEST(nothing_is_lost_on_the_way)
{
  open_heap(_i);
  enum { ROUNDS = 3 };
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, ROUNDS));
  for (uint32_t i = 0; i < ROUNDS; i++) {
    let_all_live();
    size_t old = fixture_push_list(&f.main, LENGTH);
    fixture_set_element(fixture_at(&f.main, array), i,
                        fixture_at(&f.main, old));
    fixture_pop(&f.main, 1);
    for (int j = 0; j < TRIES && !mm_is_generational(f.heap); j++)
      collect_all();
    size_t young = fixture_push_list(&f.main, LENGTH);
    fixture_set_element(fixture_at(&f.main, array), i,
                        fixture_at(&f.main, young));
    fixture_pop(&f.main, 1);
    collect_young();
    for (uint32_t j = 0; j <= i; j++)
      fixture_check_list(fixture_element(fixture_at(&f.main, array), j),
                         LENGTH);
  }
}
END_TEST

/* Nothing young, no candidates: stores are not looked at. */
START_TEST(objects_that_are_born_old_cost_no_cards)
{
  open_heap(_i);
  f.heap->generations.next_wait = UINT32_MAX; /* no return */
  let_all_live();
  size_t array = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 1));
  fixture_set_element(fixture_at(&f.main, array), 0, fixture_pair(&f.main));
  struct mm_ref at = fixture_at(&f.main, array);
  uintptr_t slot = (uintptr_t)mm_address(at) + MM_ARRAY_BASE;
  ck_assert_int_eq(*mm_card_at(f.heap, slot), MM_CARD_CLEAN);
  ck_assert(f.heap->cards.is_calm);
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, VARIANTS)

int main(void)
{
  TCase *tests = tcase_create("generations");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(where_nearly_all_objects_live_they_are_born_old);
  ADD(a_large_heap_is_judged_by_a_part_of_it);
  ADD(where_they_die_they_stay_young);
  ADD(a_full_collection_or_a_cycle_later_they_are_tried_again);
  ADD(where_a_cycle_is_near_a_try_is_put_off_twice);
  ADD(each_try_that_finds_the_same_makes_the_next_wait_longer);
  ADD(nothing_is_lost_on_the_way);
  ADD(objects_that_are_born_old_cost_no_cards);
  return fixture_main("mm_generations", (TCase *[]){tests, NULL});
}
