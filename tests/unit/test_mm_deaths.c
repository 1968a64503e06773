/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Languages are told that objects of theirs died: Note [Deaths] in
 * mm/language.h.  _i chooses the plan (see fixture_choose_plan) and, above,
 * whether cycles run.
 */
#include "config.h"

#include "mm/native.h"
#include "mm/reference.h"
#include "tests/unit/language_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static struct fixture f;
static struct fixture_class *mortals;

enum { CONCURRENT = FIXTURE_PLANS_ALL, WAYS = 2 * FIXTURE_PLANS_ALL };

static struct mm_options options_for(int way)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, way % CONCURRENT);
  if (way >= CONCURRENT)
    options.gc = MM_GC_CONCURRENT;
  if (options.generational)
    options.young_bytes = FIXTURE_MIB;
  options.workers = fixture_workers(way);
  return options;
}

static void open_heap(int way)
{
  struct mm_options options = options_for(way);
  fixture_open(&f, &options);
  mortals = language_mortals(&f);
}

static void teardown(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

static void tell(void)
{
  mm_language_tell_deaths(&f.main.mutator);
}

/* Mortals from..beyond; those whose number this divides are roots. */
static void make(uint32_t from, uint32_t beyond, uint32_t kept)
{
  for (uint32_t i = from; i < beyond; i++) {
    struct mm_ref mortal = language_mortal(&f.main, mortals, i);
    if (i % kept == 0)
      fixture_push(&f.main, mortal);
  }
}

static void require_told(uint32_t beyond, uint32_t kept)
{
  for (uint32_t i = 0; i < beyond; i++)
    fixture_require(language_told(i) == (i % kept != 0));
}

START_TEST(each_death_is_told_once_and_no_other)
{
  enum { COUNT = 3000 };
  open_heap(_i);
  make(0, COUNT, 3);
  fixture_collect_all_ways(&f);
  tell();
  require_told(COUNT, 3);
  fixture_collect_all_ways(&f); /* they are old now */
  fixture_pop(&f.main, f.main.top);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  for (uint32_t i = 0; i < COUNT; i++)
    fixture_require(language_told(i) == 1);
}
END_TEST

START_TEST(what_dies_while_a_cycle_runs_is_told_by_a_later_collection)
{
  open_heap(CONCURRENT + _i);
  make(0, 300, 3);
  fixture_start_cycle(&f);
  make(300, 600, 3);
  fixture_end_cycle(&f);
  tell();
  for (uint32_t i = 0; i < 600; i += 3)
    fixture_require(language_told(i) == 0);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  require_told(600, 3);
}
END_TEST

/* The old ones are not looked at, and stay. */
START_TEST(young_collections_tell_of_young_objects)
{
  open_heap(FIXTURE_PLAN_YOUNG);
  make(0, 100, 1);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT); /* are old now */
  fixture_pop(&f.main, f.main.top);
  make(100, 200, 2);
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  tell();
  for (uint32_t i = 0; i < 100; i++)
    fixture_require(language_told(i) == 0);
  for (uint32_t i = 100; i < 200; i++)
    fixture_require(language_told(i) == i % 2);
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  fixture_collect(&f, MM_COLLECTION_YOUNG); /* the rest is old as well */
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  tell();
  for (uint32_t i = 0; i < 100; i++)
    fixture_require(language_told(i) == 1);
}
END_TEST

START_TEST(what_a_final_reference_keeps_has_not_died)
{
  struct mm_ref referent;
  open_heap(_i);
  size_t mortal = fixture_push(&f.main, language_mortal(&f.main, mortals, 1));
  struct mm_ref final = fixture_new(&f.main, FIXTURE_FINAL, 0);
  mm_reference_init(&f.main.mutator, final, fixture_at(&f.main, mortal));
  fixture_put(&f.main, mortal, final);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  ck_assert_uint_eq(language_told(1), 0);
  ck_assert(
      !mm_is_null(mm_references_take_pending(&f.main.mutator, &referent)));
  ck_assert_ptr_eq(mm_layout_of(referent), &mortals->layout);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  ck_assert_uint_eq(language_told(1), 1);
}
END_TEST

START_TEST(an_object_may_be_watched_twice)
{
  open_heap(_i);
  struct mm_ref mortal = language_mortal(&f.main, mortals, 1);
  ck_assert_int_eq(mm_language_watch(&f.main.mutator, mortal, 2), MM_OK);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  ck_assert_uint_eq(language_told(1), 1);
  ck_assert_uint_eq(language_told(2), 1);
}
END_TEST

START_TEST(deaths_are_told_without_being_asked_for)
{
  open_heap(_i);
  make(0, 1000, 2000);
  fixture_pop(&f.main, f.main.top);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  while (language_told_all() < 1000)
    sched_yield();
  require_told(0, 1);
}
END_TEST

/* Collections go on while a language takes its time. */
START_TEST(no_pause_waits_for_what_is_told)
{
  open_heap(_i);
  make(0, 200, 2);
  language_hold_died(true);
  for (int i = 0; i < 3; i++)
    fixture_collect_all_ways(&f);
  make(200, 400, 2);
  fixture_collect_all_ways(&f);
  ck_assert_uint_eq(fixture_verify(&f), 0);
  language_hold_died(false);
  tell();
  require_told(400, 2);
}
END_TEST

START_TEST(the_end_of_a_heap_is_the_death_of_all)
{
  static struct fixture own;
  struct mm_options options = options_for(_i);
  fixture_open(&own, &options);
  mortals = language_mortals(&own);
  for (uint32_t i = 0; i < 200; i++)
    fixture_push(&own.main, language_mortal(&own.main, mortals, i));
  fixture_close(&own);
  for (uint32_t i = 0; i < 200; i++)
    fixture_require(language_told(i) == 1);
  open_heap(_i); /* for teardown */
}
END_TEST

START_TEST(what_is_no_longer_watched_takes_no_memory)
{
  open_heap(0);
  uint64_t before = mm_native_bytes(MM_PURPOSE_HANDLES);
  make(0, 20000, 20000);
  ck_assert_uint_gt(mm_native_bytes(MM_PURPOSE_HANDLES), before + 200000);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  ck_assert_uint_lt(mm_native_bytes(MM_PURPOSE_HANDLES), before + 10000);
}
END_TEST

START_TEST(objects_of_others_cannot_be_watched)
{
  open_heap(_i);
  ck_assert_int_eq(mm_language_watch(&f.main.mutator, fixture_pair(&f.main), 1),
                   MM_UNSUPPORTED);
}
END_TEST

START_TEST(without_memory_nothing_is_watched)
{
  open_heap(_i);
  make(0, 64, 1); /* as many as there is room for */
  struct mm_ref object = mm_alloc_plain(&f.main.mutator, &mortals->layout);
  mm_native_fail_at(1, false);
  ck_assert_int_eq(mm_language_watch(&f.main.mutator, object, 64),
                   MM_NO_MEMORY);
  mm_native_fail_at(0, false);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  ck_assert_uint_eq(language_told_all(), 0);
  make(64, 65, 2);
}
END_TEST

static void died_elsewhere(void *host, const uint64_t *words, size_t count)
{
  (void)host, (void)words, (void)count;
}

START_TEST(a_language_that_cannot_be_told_is_refused)
{
  static const struct mm_language language = {.name = "other",
                                              .died = died_elsewhere};
  struct mm_options options = options_for(_i);
  struct mm_error error = {""};
  unsigned index = 7;
  fixture_open(&f, &options);
  mm_native_fail_at(1, false);
  ck_assert_int_eq(mm_language_register(f.heap, &language, &index, &error),
                   MM_NO_MEMORY);
  mm_native_fail_at(2, false);
  ck_assert_int_eq(mm_language_register(f.heap, &language, &index, &error),
                   MM_OS_FAILED);
  mm_native_fail_at(0, false);
  ck_assert_ptr_nonnull(strstr(error.text, "the thread that tells"));
  ck_assert_uint_eq(index, 7);
  ck_assert_int_eq(mm_language_register(f.heap, &language, &index, &error),
                   MM_OK);
}
END_TEST

START_TEST(the_summary_counts_deaths_by_language)
{
  struct fixture_text text, json;
  open_heap(_i);
  make(0, 30, 3);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  fixture_text_open(&text);
  fixture_text_open(&json);
  mm_stats_print_text(f.heap, text.out);
  mm_stats_print_json(f.heap, json.out);
  ck_assert_ptr_nonnull(
      strstr(fixture_text_read(&text), "deaths told to languages"));
  const char *row = strstr(fixture_text_read(&json), "\"mortal\"");
  ck_assert_ptr_nonnull(row);
  ck_assert_ptr_nonnull(strstr(row, "\"watched\": 10, \"deaths_told\": 20"));
  fixture_text_close(&text);
  fixture_text_close(&json);
}
END_TEST

/* Threads ------------------------------------------------------------------ */

enum { THREADS = 3, EACH = 4000 };

static void *make_and_drop(void *argument)
{
  uint32_t first = (uint32_t)(uintptr_t)argument * EACH;
  struct fixture_thread thread;
  fixture_attach(&f, &thread);
  for (uint32_t i = first; i < first + EACH; i++) {
    fixture_push(&thread, language_mortal(&thread, mortals, i));
    fixture_pair(&thread);
    if (i % 500 == 0)
      mm_language_tell_deaths(&thread.mutator);
    if (thread.top == 100)
      fixture_pop(&thread, 100);
  }
  fixture_detach(&thread);
  return NULL;
}

START_TEST(threads_watch_and_tell_at_the_same_time)
{
  pthread_t threads[THREADS];
  struct mm_options options = options_for(_i);
  options.heap_min_bytes = FIXTURE_MIB;
  options.stress_alloc = 500;
  fixture_open(&f, &options);
  mortals = language_mortals(&f);
  mm_enter_native(&f.main.mutator);
  for (uintptr_t i = 0; i < THREADS; i++)
    fixture_require(
        pthread_create(&threads[i], NULL, make_and_drop, (void *)i) == 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  tell();
  for (uint32_t i = 0; i < THREADS * EACH; i++)
    fixture_require(language_told(i) == 1);
}
END_TEST

/* With a seed it is the same each time, when languages are told too. */
static uint64_t digest_of(uint64_t seed, int way)
{
  static struct fixture own;
  static struct mm_task task;
  struct mm_options options = options_for(way);
  options.workers = 1;
  options.deterministic = true;
  options.seed = seed;
  fixture_open(&own, &options);
  mm_schedule_add(own.heap, &task);
  mm_schedule_begin(own.heap, &task);
  mortals = language_mortals(&own);
  for (uint32_t i = 0; i < 2000; i++) {
    language_mortal(&own.main, mortals, i);
    if (i % 500 == 0)
      mm_collect(&own.main.mutator, MM_CAUSE_EXPLICIT);
    mm_schedule_yield(own.heap);
  }
  mm_collect(&own.main.mutator, MM_CAUSE_EXPLICIT);
  mm_language_tell_deaths(&own.main.mutator);
  ck_assert_uint_eq(language_told_all(), 2000);
  uint64_t digest = mm_schedule_digest(own.heap);
  mm_enter_native(&own.main.mutator);
  mm_heap_quit(own.heap);
  mm_leave_native(&own.main.mutator);
  fixture_detach(&own.main);
  mm_schedule_end(own.heap, &task);
  mm_heap_destroy(own.heap);
  return digest;
}

START_TEST(a_seed_chooses_when_deaths_are_told)
{
  uint64_t digest = digest_of(1, _i);
  ck_assert_uint_eq(digest_of(1, _i), digest);
  ck_assert_uint_ne(digest_of(2, _i), digest);
  open_heap(_i); /* for teardown */
}
END_TEST

int main(void)
{
  TCase *deaths = tcase_create("deaths"), *memory = tcase_create("memory");
  TCase *threads = tcase_create("threads");
  TCase *cases[] = {deaths, memory, threads, NULL};
  for (size_t i = 0; cases[i]; i++)
    tcase_add_checked_fixture(cases[i], NULL, teardown);
  tcase_add_loop_test(deaths, each_death_is_told_once_and_no_other, 0, WAYS);
  tcase_add_loop_test(
      deaths, what_dies_while_a_cycle_runs_is_told_by_a_later_collection, 0,
      FIXTURE_PLANS_ALL);
  tcase_add_test(deaths, young_collections_tell_of_young_objects);
  tcase_add_loop_test(deaths, what_a_final_reference_keeps_has_not_died, 0,
                      WAYS);
  tcase_add_loop_test(deaths, an_object_may_be_watched_twice, 0, 2);
  tcase_add_loop_test(deaths, deaths_are_told_without_being_asked_for, 0, 2);
  tcase_add_loop_test(deaths, no_pause_waits_for_what_is_told, 0, WAYS);
  tcase_add_loop_test(deaths, the_end_of_a_heap_is_the_death_of_all, 0, 2);
  tcase_add_test(memory, what_is_no_longer_watched_takes_no_memory);
  tcase_add_test(memory, objects_of_others_cannot_be_watched);
  tcase_add_test(memory, without_memory_nothing_is_watched);
  tcase_add_test(memory, a_language_that_cannot_be_told_is_refused);
  tcase_add_test(memory, the_summary_counts_deaths_by_language);
  tcase_add_loop_test(threads, threads_watch_and_tell_at_the_same_time, 0,
                      WAYS);
  tcase_add_loop_test(threads, a_seed_chooses_when_deaths_are_told, 0, 1);
  tcase_add_loop_test(threads, a_seed_chooses_when_deaths_are_told, CONCURRENT,
                      CONCURRENT + 1);
  return fixture_main("mm_deaths", cases);
}
