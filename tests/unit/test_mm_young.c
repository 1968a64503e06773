/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collections of young objects: ages, cards and their logs, large objects, what
 * happens when something runs out.  Each with one, two and four workers, and
 * with old objects in regions and in slots: _i is 3 * that + index of workers.
 * What they share with other collections is in test_mm_collect.c.
 */
#include "config.h"

#include <string.h>

#include "mm/gc/cards_internal.h"
#include "mm/gc/heap_verify_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

enum { VARIANTS = 6 };

static struct fixture f;

static void open_with(const struct mm_options *changed, int variant)
{
  struct mm_options options = *changed;
  options.workers = 1u << variant % 3;
  options.generational = MM_GENERATIONAL_ON;
  options.tenured = variant / 3 ? MM_TENURED_FREELIST : MM_TENURED_REGIONS;
  fixture_open(&f, &options);
}

static void open_heap(int variant)
{
  struct mm_options options = fixture_options();
  open_with(&options, variant);
}

static void teardown(void)
{
  fixture_close(&f);
}

static void collect_young(void)
{
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  ck_assert_int_eq(f.heap->stat.current.kind, MM_COLLECTION_YOUNG);
}

static enum mm_age age_of(struct mm_ref ref)
{
  return mm_region_of(&f.heap->regions, (uintptr_t)mm_address(ref))->age;
}

static uint8_t card_of(struct mm_ref ref, size_t offset)
{
  return *mm_card_at(f.heap, (uintptr_t)mm_address(ref) + offset);
}

/* An old object of this kind, pushed; returns its index. */
static size_t push_old(enum fixture_kind kind, uint32_t length)
{
  size_t index = fixture_push(&f.main, fixture_new(&f.main, kind, length));
  for (int i = 0; i < MM_AGE_TENURED; i++)
    collect_young();
  ck_assert_int_eq(age_of(fixture_at(&f.main, index)), MM_AGE_TENURED);
  return index;
}

/* Ages ------------------------------------------------------------------------
 */

START_TEST(an_object_is_old_when_it_has_survived_often_enough)
{
  open_heap(_i);
  size_t pair = fixture_push(&f.main, fixture_pair(&f.main));
  for (unsigned age = MM_AGE_EDEN; age < f.heap->tenure_age; age++) {
    ck_assert_int_eq(age_of(fixture_at(&f.main, pair)), age);
    collect_young();
  }
  struct mm_ref old = fixture_at(&f.main, pair);
  ck_assert_int_eq(age_of(old), MM_AGE_TENURED);
  collect_young();
  ck_assert(mm_same(fixture_at(&f.main, pair), old));
}
END_TEST

START_TEST(old_objects_die_in_full_collections_only)
{
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  fixture_push(&f.main, fixture_pair(&f.main));
  fixture_put(&f.main, old, MM_NULL);
  collect_young();
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert_uint_eq(fixture_census(&f).objects, 1);
}
END_TEST

START_TEST(after_a_full_collection_all_objects_are_old)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 1000);
  fixture_collect(&f, _i % 2 ? MM_COLLECTION_EVACUATE : MM_COLLECTION_COMPACT);
  struct mm_ref at = fixture_at(&f.main, list);
  for (; !mm_is_null(at); at = fixture_get(at, FIXTURE_LEFT))
    fixture_require(age_of(at) == MM_AGE_TENURED);
  ck_assert_uint_eq(f.heap->young_count, 0);
}
END_TEST

START_TEST(non_moving_objects_are_born_old)
{
  static const uint32_t lengths[] = {100, FIXTURE_REGION_BYTES / 5};
  open_heap(_i);
  for (size_t i = 0; i < 2; i++) { /* and large ones too */
    uint32_t last = lengths[i] - 1;
    size_t index = fixture_push(
        &f.main, fixture_nonmoving(&f.main, FIXTURE_REFS, lengths[i]));
    struct mm_ref array = fixture_at(&f.main, index);
    ck_assert_int_eq(age_of(array), MM_AGE_TENURED);
    fixture_set_element(array, last, fixture_pair(&f.main));
    uintptr_t slot = (uintptr_t)mm_address(array) + MM_ARRAY_BASE + 4 * last;
    ck_assert_int_eq(*mm_card_at(f.heap, slot), mm_card_one(slot));
    collect_young();
    ck_assert(!mm_is_null(fixture_element(array, last)));
    ck_assert_uint_eq(fixture_census(&f).objects, 2 * (i + 1));
  }
}
END_TEST

/* Cards -----------------------------------------------------------------------
 */

START_TEST(a_young_object_lives_by_a_field_of_an_old_one)
{
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  struct mm_ref holder = fixture_at(&f.main, old);
  fixture_set(holder, FIXTURE_RIGHT, fixture_pair(&f.main));
  fixture_set_value(fixture_get(holder, FIXTURE_RIGHT), 7);
  for (int i = 0; i < MM_AGE_TENURED + 1; i++) {
    collect_young();
    ck_assert_int_eq(fixture_value(fixture_get(holder, FIXTURE_RIGHT)), 7);
  }
  ck_assert_int_eq(card_of(holder, FIXTURE_RIGHT), MM_CARD_CLEAN);
}
END_TEST

START_TEST(a_store_without_the_barrier_is_found_by_the_verifier)
{
  struct fixture_text text;
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  struct mm_ref young = fixture_pair(&f.main);
  char *slot = fixture_data(fixture_at(&f.main, old), FIXTURE_LEFT);
  memcpy(slot, &young, sizeof young);
  fixture_text_open(&text);
  ck_assert_uint_eq(mm_verify_heap(f.heap, "in", text.out), 1);
  ck_assert_ptr_nonnull(strstr(fixture_text_read(&text), "card is not dirty"));
  fixture_text_close(&text);
  memset(slot, 0, sizeof young);
}
END_TEST

START_TEST(a_dirty_card_that_no_log_has_is_found_by_the_verifier)
{
  struct fixture_text text;
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  fixture_set(fixture_at(&f.main, old), FIXTURE_LEFT, fixture_pair(&f.main));
  f.main.mutator.card_log->count--;
  fixture_text_open(&text);
  ck_assert_uint_eq(mm_verify_heap(f.heap, "in", text.out), 1);
  ck_assert_ptr_nonnull(strstr(fixture_text_read(&text), "is on no log"));
  fixture_text_close(&text);
  f.main.mutator.card_log->count++;
}
END_TEST

/* Elements of old arrays: small, medium and large ones, so that cards begin in
   all places of all kinds of regions. */
START_TEST(young_objects_live_by_elements_of_old_arrays)
{
  static const uint32_t lengths[] = {1, 100, 3000, 20000, 200000};
  enum { COUNT = sizeof lengths / sizeof lengths[0] };
  open_heap(_i);
  for (size_t i = 0; i < COUNT; i++)
    push_old(FIXTURE_REFS, lengths[i]);
  uint64_t expected = COUNT;
  for (size_t i = 0; i < COUNT; i++)
    for (uint32_t at = 0; at < lengths[i]; at += 1 + at / 7, expected++) {
      struct mm_ref pair = fixture_pair(&f.main);
      fixture_set_value(pair, at);
      fixture_set_element(fixture_at(&f.main, i), at, pair);
    }
  for (int round = 0; round < 3; round++) {
    collect_young();
    for (size_t i = 0; i < COUNT; i++)
      for (uint32_t at = 0; at < lengths[i]; at += 1 + at / 7)
        fixture_require(
            fixture_value(fixture_element(fixture_at(&f.main, i), at)) == at);
    ck_assert_uint_eq(fixture_census(&f).objects, expected);
  }
}
END_TEST

START_TEST(all_slots_of_a_card_are_looked_at)
{
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  struct mm_ref holder = fixture_at(&f.main, old);
  fixture_set(holder, FIXTURE_RIGHT, fixture_pair(&f.main));
  fixture_set(holder, FIXTURE_LEFT, fixture_pair(&f.main));
  ck_assert_int_eq(card_of(holder, FIXTURE_LEFT), MM_CARD_DIRTY);
  fixture_set_value(fixture_get(holder, FIXTURE_RIGHT), 7);
  fixture_set_value(fixture_get(holder, FIXTURE_LEFT), 8);
  collect_young();
  ck_assert_int_eq(fixture_value(fixture_get(holder, FIXTURE_RIGHT)), 7);
  ck_assert_int_eq(fixture_value(fixture_get(holder, FIXTURE_LEFT)), 8);
}
END_TEST

START_TEST(a_card_is_logged_once_however_often_it_is_stored_to)
{
  open_heap(_i);
  size_t old = push_old(FIXTURE_REFS, 50);
  struct mm_ref array = fixture_at(&f.main, old);
  for (int i = 0; i < 10000; i++)
    fixture_set_element(array, (size_t)i % 50, fixture_pair(&f.main));
  ck_assert_uint_le(f.main.mutator.card_log->count,
                    50 * sizeof(struct mm_ref) / MM_CARD_BYTES + 2);
  collect_young();
  ck_assert_uint_eq(fixture_census(&f).objects, 51);
}
END_TEST

/* Situation 13: more cards than a log has room for. */
START_TEST(more_dirty_cards_than_fit_a_log_are_all_kept)
{
  enum { LENGTH = 4 * MM_BARRIER_LOG_ENTRIES, STEP = MM_CARD_BYTES / 4 };
  open_heap(_i);
  size_t old = push_old(FIXTURE_REFS, LENGTH * STEP);
  for (uint32_t i = 0; i < LENGTH; i++)
    fixture_set_element(fixture_at(&f.main, old), i * STEP,
                        fixture_pair(&f.main));
  for (int round = 0; round < 3; round++) {
    collect_young();
    ck_assert_uint_eq(fixture_census(&f).objects, LENGTH + 1);
  }
}
END_TEST

/* Stores to cards that are logged already count for nothing. */
START_TEST(a_log_that_is_full_is_counted_once)
{
  enum { LENGTH = MM_BARRIER_LOG_ENTRIES, STEP = MM_CARD_BYTES / 4 };
  open_heap(_i);
  size_t old = push_old(FIXTURE_REFS, (LENGTH + 1) * STEP);
  size_t pair = fixture_push(&f.main, fixture_pair(&f.main));
  uintptr_t start =
      (uintptr_t)mm_address(fixture_at(&f.main, old)) + MM_ARRAY_BASE;
  uint32_t first = -(uint32_t)start % MM_CARD_BYTES / 4;
  for (uint32_t round = 0; round < 3; round++)
    for (uint32_t i = 0; i < LENGTH; i++)
      fixture_set_element(fixture_at(&f.main, old), first + i * STEP + round,
                          fixture_at(&f.main, pair));
  ck_assert_uint_eq(f.main.mutator.card_log->count, LENGTH);
  ck_assert_uint_eq(f.heap->cards.logged, LENGTH);
  uintptr_t tagged = start + 4 * (uintptr_t)first;
  mm_barrier_tagged_slow(&f.main.mutator, (void *)tagged);
  ck_assert_uint_eq(f.heap->cards.logged, LENGTH);
}
END_TEST

START_TEST(without_memory_for_a_log_nothing_is_lost)
{
  enum { LENGTH = 3000, STEP = MM_CARD_BYTES / 4 };
  open_heap(_i);
  size_t old = push_old(FIXTURE_REFS, LENGTH * STEP);
  mm_native_fail_at(1, true);
  for (uint32_t i = 0; i < LENGTH; i++)
    fixture_set_element(fixture_at(&f.main, old), i * STEP,
                        fixture_pair(&f.main));
  ck_assert(f.heap->cards.overflowed);
  f.heap->options.verify = 0; /* it needs memory */
  collect_young();
  ck_assert(f.heap->cards.overflowed);
  mm_native_fail_at(0, false);
  f.heap->options.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER;
  ck_assert_uint_eq(fixture_census(&f).objects, LENGTH + 1);
  for (int round = 0; round < 3; round++) {
    collect_young();
    ck_assert_uint_eq(fixture_census(&f).objects, LENGTH + 1);
  }
  ck_assert(!f.heap->cards.overflowed);
}
END_TEST

/* Situation 23. */
START_TEST(a_thread_that_ends_leaves_its_log_behind)
{
  struct fixture_thread other;
  open_heap(_i);
  size_t old = push_old(FIXTURE_PAIR, 0);
  struct mm_ref pair = fixture_pair(&f.main);
  fixture_attach(&f, &other);
  fixture_set(fixture_at(&f.main, old), FIXTURE_LEFT, pair);
  fixture_detach(&other);
  collect_young();
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
}
END_TEST

/* A dead object that does not move shares a card with a live one, and refers to
   where young objects are by now. */
START_TEST(dead_objects_on_dirty_cards_are_left_alone)
{
  struct mm_options options = fixture_options();
  options.verify = 0; /* the verifier would sweep */
  open_with(&options, _i);
  for (int i = 0; i < 64; i++)
    fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  for (size_t i = 0; i < 64; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set(fixture_at(&f.main, i), FIXTURE_LEFT, pair);
  }
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  for (size_t i = 0; i < 64; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set(fixture_at(&f.main, i), FIXTURE_LEFT, pair);
  }
  for (size_t i = 1; i < 64; i += 2)
    fixture_put(&f.main, i, MM_NULL);
  fixture_collect(&f, _i % 2 ? MM_COLLECTION_EVACUATE : MM_COLLECTION_COMPACT);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 30000; i++)
      fixture_new(&f.main, FIXTURE_BYTES, 50);
    for (size_t i = 0; i < 64; i += 2) {
      struct mm_ref pair = fixture_pair(&f.main);
      fixture_set_value(pair, (int64_t)i);
      fixture_set(fixture_at(&f.main, i), FIXTURE_RIGHT, pair);
    }
    collect_young();
    for (size_t i = 0; i < 64; i += 2)
      ck_assert_int_eq(
          fixture_value(fixture_get(fixture_at(&f.main, i), FIXTURE_RIGHT)),
          (int64_t)i);
  }
}
END_TEST

/* Large objects ---------------------------------------------------------------
 */

START_TEST(a_young_large_object_dies_young)
{
  open_heap(_i);
  uint32_t used = f.heap->regions.used;
  fixture_new(&f.main, FIXTURE_REFS, 200000);
  fixture_new(&f.main, FIXTURE_BYTES, 600000);
  collect_young();
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  ck_assert_uint_eq(f.heap->regions.used, used);
}
END_TEST

START_TEST(a_young_large_object_that_lives_is_old_and_stays)
{
  open_heap(_i);
  size_t index =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 200000));
  struct mm_ref array = fixture_at(&f.main, index);
  for (uint32_t i = 0; i < 200000; i += 1000)
    fixture_set_element(array, i, fixture_pair(&f.main));
  for (int round = 0; round < 3; round++) {
    collect_young();
    ck_assert(mm_same(fixture_at(&f.main, index), array));
    ck_assert_int_eq(age_of(array), MM_AGE_TENURED);
    ck_assert_uint_eq(fixture_census(&f).objects, 201);
  }
}
END_TEST

/* What runs out ---------------------------------------------------------------
 */

START_TEST(without_room_for_copies_objects_stay_and_are_old)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = options.heap_min_bytes = 4 * FIXTURE_MIB;
  options.young_bytes = 4 * FIXTURE_MIB;
  open_with(&options, _i);
  f.heap->sizing.young_regions = UINT32_MAX;
  f.heap->sizing.eden_bytes = UINT64_MAX;
  size_t list = fixture_push_list(&f.main, 150000);
  collect_young();
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_KEPT_OBJECTS), 0);
  fixture_check_list(fixture_at(&f.main, list), 150000);
  fixture_collect(&f, MM_COLLECTION_COMPACT);
  fixture_check_list(fixture_at(&f.main, list), 150000);
}
END_TEST

START_TEST(a_stack_that_overflows_loses_nothing)
{
  enum { LENGTH = 20000 };
  open_heap(_i);
  size_t old = push_old(FIXTURE_REFS, LENGTH);
  for (uint32_t i = 0; i < LENGTH; i++) {
    size_t tree = fixture_push(&f.main, fixture_tree(&f.main, 1));
    fixture_set_element(fixture_at(&f.main, old), i, fixture_at(&f.main, tree));
    fixture_pop(&f.main, 1);
  }
  f.heap->trace_entries_max = 1; /* stacks stay as they are */
  for (int round = 0; round < 3; round++) {
    collect_young();
    ck_assert_uint_eq(fixture_census(&f).objects, LENGTH * 3 + 1);
  }
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_MARK_OVERFLOWS), 0);
}
END_TEST

/* Sizing ----------------------------------------------------------------------
 */

START_TEST(young_collections_come_when_the_young_regions_are_full)
{
  struct mm_options options = fixture_options();
  options.young_bytes = 2 * FIXTURE_MIB;
  open_with(&options, _i);
  for (int i = 0; i < 10 * 2 * FIXTURE_MIB / 24; i++)
    fixture_pair(&f.main);
  ck_assert_uint_ge(mm_collections(f.heap), 8);
  ck_assert_uint_le(mm_collections(f.heap), 12);
  ck_assert_int_eq(f.heap->stat.current.kind, MM_COLLECTION_YOUNG);
  ck_assert_uint_le(f.heap->regions.used, 16);
}
END_TEST

START_TEST(old_garbage_is_collected_before_memory_runs_out)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = options.heap_min_bytes = 8 * FIXTURE_MIB;
  open_with(&options, _i);
  size_t array = fixture_push(&f.main, MM_NULL);
  for (int round = 0; round < 40; round++) {
    fixture_put(&f.main, array, fixture_new(&f.main, FIXTURE_REFS, 20000));
    for (uint32_t i = 0; i < 20000; i++)
      fixture_set_element(fixture_at(&f.main, array), i, fixture_pair(&f.main));
  }
  ck_assert_uint_gt(f.heap->stat.pauses[MM_COLLECTION_YOUNG].count, 0);
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, VARIANTS)

/* An array of 3000 cards; each card is made to refer to something young, and
   the program polls. */
static uint64_t collections_for_cards(uint64_t pause_goal_ns, int variant)
{
  enum { PER_CARD = MM_CARD_BYTES / sizeof(struct mm_ref) };
  struct mm_options options = fixture_options();
  options.heap_min_bytes = options.heap_max_bytes;
  options.pause_goal_ns = pause_goal_ns;
  open_with(&options, variant);
  size_t array = push_old(FIXTURE_REFS, 3000 * PER_CARD);
  for (size_t i = 0; i < 3000; i++) {
    fixture_set_element(fixture_at(&f.main, array), i * PER_CARD,
                        fixture_pair(&f.main));
    mm_poll(&f.main.mutator);
  }
  uint64_t count = f.heap->stat.by_cause[MM_CAUSE_CARDS];
  ck_assert_uint_eq(fixture_census(&f).objects, 3001);
  fixture_close(&f);
  return count;
}

START_TEST(cards_that_would_take_too_long_ask_for_a_collection)
{
  ck_assert_uint_gt(collections_for_cards(1000000, _i), 0);
  ck_assert_uint_eq(collections_for_cards(0, _i), 0);
  open_heap(_i);
}
END_TEST

START_TEST(polls_do_not_ask_for_a_collection_that_has_no_room)
{
  open_heap(_i);
  uint64_t before = mm_collections(f.heap);
  uint32_t limit = f.heap->sizing.limit_regions;
  f.heap->sizing.limit_regions = 0;
  f.heap->sizing.budget_bytes = 0;
  mm_cards_set_most(f.heap, 0);
  ck_assert(mm_cards_are_many(f.heap));
  mm_poll_slow(&f.main.mutator);
  ck_assert(!mm_cards_are_many(f.heap));
  ck_assert_uint_eq(mm_collections(f.heap), before);
  f.heap->sizing.limit_regions = limit;
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("young collections");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(an_object_is_old_when_it_has_survived_often_enough);
  ADD(old_objects_die_in_full_collections_only);
  ADD(after_a_full_collection_all_objects_are_old);
  ADD(non_moving_objects_are_born_old);
  ADD(a_young_object_lives_by_a_field_of_an_old_one);
  ADD(a_store_without_the_barrier_is_found_by_the_verifier);
  ADD(a_dirty_card_that_no_log_has_is_found_by_the_verifier);
  ADD(young_objects_live_by_elements_of_old_arrays);
  ADD(all_slots_of_a_card_are_looked_at);
  ADD(a_card_is_logged_once_however_often_it_is_stored_to);
  ADD(more_dirty_cards_than_fit_a_log_are_all_kept);
  ADD(a_log_that_is_full_is_counted_once);
  ADD(cards_that_would_take_too_long_ask_for_a_collection);
  ADD(polls_do_not_ask_for_a_collection_that_has_no_room);
  ADD(without_memory_for_a_log_nothing_is_lost);
  ADD(a_thread_that_ends_leaves_its_log_behind);
  ADD(dead_objects_on_dirty_cards_are_left_alone);
  ADD(a_young_large_object_dies_young);
  ADD(a_young_large_object_that_lives_is_old_and_stays);
  ADD(without_room_for_copies_objects_stay_and_are_old);
  ADD(a_stack_that_overflows_loses_nothing);
  ADD(young_collections_come_when_the_young_regions_are_full);
  ADD(old_garbage_is_collected_before_memory_runs_out);
  return fixture_main("mm_young", (TCase *[]){tests, NULL});
}
