/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of objects: given out on demand or as objects are made, the same after
 * any kind of collection, never given to another object, and shown in reports.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mm/gc/heap_verify_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

/* Evacuation and compaction by one worker and by four; slots; gaps. */
enum { WAYS = 6, OBJECTS = 2000 };

static struct fixture f;

static void open_heap(int way, bool number_all)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, way < 4 ? 0 : way - 3);
  options.workers = way == 2 || way == 3 ? 4 : 1;
  options.object_ids = number_all;
  fixture_open(&f, &options);
}

static void collect(int way)
{
  fixture_collect(&f, way % 2 ? MM_COLLECTION_COMPACT : MM_COLLECTION_EVACUATE);
  fixture_require(mm_ids_check(&f.heap->ids));
}

static void teardown(void)
{
  fixture_pop(&f.main, f.main.top);
  fixture_close(&f);
}

static uint64_t id_at(size_t index)
{
  return mm_object_id(f.heap, fixture_at(&f.main, index));
}

/* Kept objects of all sizes, with dead ones between them. */
static void push_objects(void)
{
  for (int i = 0; i < OBJECTS; i++) {
    enum fixture_kind kind = (enum fixture_kind)(i % FIXTURE_KIND_COUNT);
    fixture_new(&f.main, kind, (uint32_t)i % 100);
    fixture_push(&f.main, fixture_new(&f.main, kind, (uint32_t)i % 100));
  }
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 500000));
  fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
}

START_TEST(ids_stay_through_every_kind_of_collection)
{
  open_heap(_i, false);
  push_objects();
  for (size_t i = 0; i < OBJECTS + 2; i++)
    ck_assert_uint_eq(id_at(i), i + 1);
  for (int round = 0; round < 3; round++) {
    collect(_i);
    for (size_t i = 0; i < OBJECTS + 2; i++)
      fixture_require(id_at(i) == i + 1);
    for (int i = 0; i < 500; i++)
      fixture_pair(&f.main);
  }
}
END_TEST

START_TEST(ids_of_the_dead_are_never_given_again)
{
  open_heap(_i, false);
  uint64_t last = 0;
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 100; i++) {
      uint64_t id = mm_object_id(f.heap, fixture_pair(&f.main));
      fixture_require(id == last + 1);
      last = id;
    }
    size_t kept = fixture_push(&f.main, fixture_pair(&f.main));
    ck_assert_uint_eq(id_at(kept), ++last);
    collect(_i);
    ck_assert_uint_eq(f.heap->ids.count, (unsigned)round + 1);
  }
}
END_TEST

START_TEST(ids_follow_objects_that_found_no_room)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = 4 * FIXTURE_MIB;
  options.verify = 0;
  fixture_open(&f, &options);
  size_t list = fixture_push_list(&f.main, 130000);
  struct mm_ref at = fixture_at(&f.main, list);
  for (uint64_t i = 1; i <= 130000; i++, at = fixture_get(at, FIXTURE_LEFT))
    fixture_require(mm_object_id(f.heap, at) == i);
  for (int round = 0; round < 3; round++) {
    fixture_collect(&f, MM_COLLECTION_EVACUATE);
    at = fixture_at(&f.main, list);
    for (uint64_t i = 1; i <= 130000; i++, at = fixture_get(at, FIXTURE_LEFT))
      fixture_require(mm_object_id(f.heap, at) == i);
  }
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_KEPT_OBJECTS), 0);
}
END_TEST

START_TEST(nothing_is_charged_until_somebody_asks)
{
  open_heap(0, false);
  push_objects();
  collect(0);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_IDS), 0);
  ck_assert_uint_eq(mm_object_id(f.heap, MM_NULL), 0);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_IDS), 0);
  ck_assert_uint_eq(id_at(7), 1);
  ck_assert_uint_gt(mm_native_bytes(MM_PURPOSE_IDS), 0);
  teardown();
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_IDS), 0);
  open_heap(0, false);
}
END_TEST

/* Fast paths too, and those of slots and gaps. */
START_TEST(all_objects_are_numbered_as_they_are_made_on_request)
{
  open_heap(_i, true);
  uint64_t made = 0;
  for (int i = 0; i < OBJECTS; i++) {
    size_t at = fixture_push(&f.main, fixture_pair(&f.main));
    fixture_new(&f.main, FIXTURE_REFS, (uint32_t)i % 50);
    made += 2;
    fixture_require(mm_ids_find(&f.heap->ids, fixture_at(&f.main, at)) ==
                    made - 1);
  }
  size_t large =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 500000));
  size_t fixed =
      fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  collect(_i);
  ck_assert_uint_eq(mm_ids_find(&f.heap->ids, fixture_at(&f.main, large)),
                    made + 1);
  ck_assert_uint_eq(mm_ids_find(&f.heap->ids, fixture_at(&f.main, fixed)),
                    made + 2);
  ck_assert_uint_eq(f.heap->ids.count, OBJECTS + 2);
}
END_TEST

START_TEST(without_memory_there_is_no_id_and_no_harm)
{
  open_heap(0, false);
  size_t first = fixture_push(&f.main, fixture_pair(&f.main));
  for (uint64_t k = 1; k <= 2; k++) {
    mm_native_fail_at(k, true);
    ck_assert_uint_eq(id_at(first), 0);
    mm_native_fail_at(0, false);
  }
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_IDS), 0);
  ck_assert_uint_eq(id_at(first), 1);
  push_objects();
  size_t refused = 0;
  mm_native_fail_at(1, true);
  while (id_at(refused) != 0)
    refused++;
  mm_native_fail_at(0, false);
  ck_assert_uint_gt(refused, 1);
  collect(0);
  for (size_t i = 0; i < OBJECTS; i++)
    ck_assert_uint_eq(id_at(i), i + 1);
}
END_TEST

START_TEST(reports_name_objects_by_their_ids)
{
  struct fixture_text text;
  open_heap(0, false);
  f.heap->options.verify = 0;
  size_t holder =
      fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  size_t moves = fixture_push(&f.main, fixture_pair(&f.main));
  struct mm_ref dies = fixture_pair(&f.main);
  struct mm_ref old = fixture_at(&f.main, moves);
  ck_assert_uint_eq(id_at(holder), 1);
  ck_assert_uint_eq(id_at(moves), 2);
  ck_assert_uint_eq(mm_object_id(f.heap, dies), 3);
  collect(0);
  fixture_set(fixture_at(&f.main, holder), FIXTURE_LEFT, old);
  fixture_set(fixture_at(&f.main, moves), FIXTURE_LEFT, dies);
  fixture_text_open(&text);
  ck_assert_uint_eq(mm_verify_heap(f.heap, "in a test of", text.out), 2);
  const char *report = fixture_text_read(&text);
  ck_assert_msg(strstr(report, " #1 (freelist region"), "%s", report);
  ck_assert_msg(strstr(report, " (once #2) (free region"), "%s", report);
  ck_assert_msg(strstr(report, " #2 (small region"), "%s", report);
  ck_assert_msg(strstr(report, " (once #3) (free region"), "%s", report);
  fixture_text_close(&text);
  fixture_set(fixture_at(&f.main, holder), FIXTURE_LEFT, MM_NULL);
  fixture_set(fixture_at(&f.main, moves), FIXTURE_LEFT, MM_NULL);
}
END_TEST

static void *number_own(void *argument)
{
  struct fixture_thread thread;
  uint64_t *ids = argument;
  fixture_attach(&f, &thread);
  for (size_t i = 0; i < OBJECTS; i++) {
    size_t at = fixture_push(&thread, fixture_pair(&thread));
    ids[i] = mm_object_id(f.heap, fixture_at(&thread, at));
    if (i % 500 == 0)
      mm_collect(&thread.mutator, MM_CAUSE_EXPLICIT);
    mm_poll(&thread.mutator);
  }
  for (size_t i = 0; i < OBJECTS; i++)
    fixture_require(mm_object_id(f.heap, fixture_at(&thread, i)) == ids[i]);
  fixture_pop(&thread, OBJECTS);
  fixture_detach(&thread);
  return NULL;
}

START_TEST(threads_that_ask_at_once_get_different_ids)
{
  enum { THREADS = 3 };
  static uint64_t ids[THREADS][OBJECTS];
  static bool seen[THREADS * OBJECTS + 1];
  pthread_t threads[THREADS];
  open_heap(2, false);
  memset(seen, 0, sizeof seen);
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, number_own, ids[i]), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
  for (int i = 0; i < THREADS; i++)
    for (int j = 0; j < OBJECTS; j++) {
      fixture_require(ids[i][j] >= 1 && ids[i][j] <= THREADS * OBJECTS);
      fixture_require(!seen[ids[i][j]]);
      seen[ids[i][j]] = true;
    }
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, WAYS)

int main(void)
{
  TCase *tests = tcase_create("ids");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(ids_stay_through_every_kind_of_collection);
  ADD(ids_of_the_dead_are_never_given_again);
  ADD(all_objects_are_numbered_as_they_are_made_on_request);
  tcase_add_test(tests, ids_follow_objects_that_found_no_room);
  tcase_add_test(tests, nothing_is_charged_until_somebody_asks);
  tcase_add_test(tests, without_memory_there_is_no_id_and_no_harm);
  tcase_add_test(tests, reports_name_objects_by_their_ids);
  tcase_add_test(tests, threads_that_ask_at_once_get_different_ids);
  return fixture_main("mm_ids", (TCase *[]){tests, NULL});
}
