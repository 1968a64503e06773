/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References of several languages in one heap: each takes what is its own; and
 * their weak tables.  _i
 * chooses the plan (see fixture_choose_plan) and, above, whether cycles run.
 */
#include "config.h"

#include "tests/unit/language_fixture.h"

#include <pthread.h>
#include <string.h>

static struct fixture f;

enum { CONCURRENT = FIXTURE_PLANS_ALL, WAYS = 2 * FIXTURE_PLANS_ALL };

/* The host and two languages. */
enum { HOST, ONE, TWO, OWNERS };

enum { COUNT = 700 };

static unsigned index_of[OWNERS];
static struct fixture_class *weak[OWNERS], *final[OWNERS];

static void open_heap(int way)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, way % CONCURRENT);
  if (way >= CONCURRENT)
    options.gc = MM_GC_CONCURRENT;
  if (options.generational)
    options.young_bytes = FIXTURE_MIB;
  options.workers = fixture_workers(way);
  fixture_open(&f, &options);
  for (unsigned owner = 0; owner < OWNERS; owner++) {
    index_of[owner] =
        language_references(&f, owner, &weak[owner], &final[owner]);
    fixture_require(owner == HOST || index_of[owner] != 0);
  }
}

static void teardown(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

/* A reference to a number that nothing else refers to, held by a root. */
static void make_reference(struct fixture_class *class, int64_t number)
{
  size_t pair = fixture_push(&f.main, fixture_pair(&f.main));
  fixture_set_value(fixture_at(&f.main, pair), number);
  struct mm_ref ref = mm_alloc_plain(&f.main.mutator, &class->layout);
  fixture_require(!mm_is_null(ref));
  mm_reference_init(&f.main.mutator, ref, fixture_at(&f.main, pair));
  fixture_put(&f.main, pair, ref);
}

static void make_references(void)
{
  for (int i = 0; i < COUNT; i++)
    for (unsigned owner = 0; owner < OWNERS; owner++) {
      make_reference(weak[owner], i);
      make_reference(final[owner], i);
    }
}

static struct mm_ref take(struct mm_mutator *mutator, unsigned owner,
                          struct mm_ref *referent)
{
  return owner == HOST
             ? mm_references_take_pending(mutator, referent)
             : mm_language_take_pending(mutator, index_of[owner], referent);
}

/* Takes so many, which are the owner's: how many finals are among them? */
static int take_some(struct mm_mutator *mutator, unsigned owner, int count)
{
  int finals = 0;
  for (int i = 0; i < count; i++) {
    struct mm_ref referent;
    struct mm_ref reference = take(mutator, owner, &referent);
    fixture_require(!mm_is_null(reference));
    struct mm_layout *layout = mm_layout_of(reference);
    fixture_require(layout == &weak[owner]->layout ||
                    layout == &final[owner]->layout);
    fixture_require((layout == &final[owner]->layout) != mm_is_null(referent));
    if (!mm_is_null(referent)) {
      fixture_require(fixture_value(referent) < COUNT);
      finals++;
    }
  }
  return finals;
}

static void require_none(unsigned owner)
{
  struct mm_ref referent;
  fixture_require(mm_is_null(take(&f.main.mutator, owner, &referent)));
  fixture_require(mm_is_null(referent));
}

START_TEST(each_language_takes_its_own)
{
  open_heap(_i);
  make_references();
  fixture_collect_all_ways(&f);
  for (unsigned owner = 0; owner < OWNERS; owner++) {
    ck_assert(mm_language_has_pending(f.heap, index_of[owner]));
    ck_assert_int_eq(take_some(&f.main.mutator, owner, 2 * COUNT), COUNT);
    require_none(owner);
    ck_assert(!mm_language_has_pending(f.heap, index_of[owner]));
  }
  ck_assert(!mm_references_are_pending(f.heap));
}
END_TEST

/* What one left waits, finals with what they refer to; dead references, which
   only a queue holds, move with it. */
START_TEST(queues_of_others_live_through_collections)
{
  int finals[OWNERS] = {0};
  open_heap(_i);
  make_references();
  fixture_collect_all_ways(&f);
  fixture_pop(&f.main, f.main.top);
  for (int turn = 0; turn < 4; turn++) {
    for (unsigned owner = OWNERS; owner-- > 0;)
      finals[owner] += take_some(&f.main.mutator, owner, COUNT / 2);
    for (int i = 0; i < 2000; i++)
      fixture_pair(&f.main);
    fixture_collect_all_ways(&f);
    if (turn == 1) /* more come while there are some */
      make_reference(weak[ONE], 0);
  }
  finals[ONE] += take_some(&f.main.mutator, ONE, 1);
  for (unsigned owner = 0; owner < OWNERS; owner++) {
    ck_assert_int_eq(finals[owner], COUNT);
    require_none(owner);
  }
}
END_TEST

START_TEST(the_summary_counts_what_each_took)
{
  struct fixture_text json;
  open_heap(_i);
  make_references();
  fixture_collect_all_ways(&f);
  take_some(&f.main.mutator, ONE, 5);
  take_some(&f.main.mutator, TWO, 6);
  take_some(&f.main.mutator, HOST, 7);
  fixture_text_open(&json);
  mm_stats_print_json(f.heap, json.out);
  const char *rows = strstr(fixture_text_read(&json), "\"languages\"");
  ck_assert_ptr_nonnull(rows);
  ck_assert_ptr_nonnull(strstr(rows, "\"references_taken\": 5"));
  ck_assert_ptr_nonnull(strstr(rows, "\"references_taken\": 6"));
  ck_assert_ptr_nonnull(strstr(rows, "\"references_taken\": 7"));
  fixture_text_close(&json);
}
END_TEST

static void *take_its_own(void *argument)
{
  unsigned owner = (unsigned)(uintptr_t)argument;
  struct fixture_thread thread;
  struct mm_ref referent;
  int finals = 0, count = 0;
  fixture_attach(&f, &thread);
  while (count < 2 * COUNT) {
    struct mm_ref reference = take(&thread.mutator, owner, &referent);
    count += !mm_is_null(reference);
    finals += !mm_is_null(referent);
    fixture_pair(&thread); /* collects now and then */
  }
  fixture_detach(&thread);
  fixture_require(finals == COUNT);
  return NULL;
}

START_TEST(languages_take_theirs_at_the_same_time)
{
  pthread_t threads[OWNERS];
  open_heap(_i);
  make_references();
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  mm_enter_native(&f.main.mutator);
  for (uintptr_t i = 0; i < OWNERS; i++)
    fixture_require(
        pthread_create(&threads[i], NULL, take_its_own, (void *)i) == 0);
  for (int i = 0; i < OWNERS; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
  for (unsigned owner = 0; owner < OWNERS; owner++)
    require_none(owner);
}
END_TEST

/* Half of each table is held by roots as well. */
static void fill_tables(int turn)
{
  for (int64_t i = 0; i < LANGUAGE_STRINGS; i++)
    for (int64_t number = 0; number < 2; number++) {
      size_t pair = fixture_push(&f.main, fixture_pair(&f.main));
      fixture_set_value(fixture_at(&f.main, pair), 2 * i + number);
      language_strings[number][i] = fixture_at(&f.main, pair);
      if ((i + number + turn) % 2)
        fixture_pop(&f.main, 1);
    }
}

static void check_tables(int turn)
{
  for (int64_t i = 0; i < LANGUAGE_STRINGS; i++)
    for (int64_t number = 0; number < 2; number++) {
      struct mm_ref ref = language_strings[number][i];
      ck_assert_int_eq(mm_is_null(ref), (i + number + turn) % 2);
      ck_assert(mm_is_null(ref) || fixture_value(ref) == 2 * i + number);
    }
}

START_TEST(each_language_has_a_weak_table_of_its_own)
{
  open_heap(_i);
  for (int turn = 0; turn < 2; turn++) {
    fill_tables(turn);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    check_tables(turn);
    fixture_collect_all_ways(&f);
    check_tables(turn);
  }
  memset(language_strings, 0, sizeof language_strings);
}
END_TEST

START_TEST(kinds_that_there_are_not_are_refused)
{
  static const struct mm_language wrong = {.name = "wrong",
                                           .reference_kinds = 1 << 7};
  struct mm_error error = {""};
  unsigned index = 7;
  open_heap(0);
  ck_assert_int_eq(mm_language_register(f.heap, &wrong, &index, &error),
                   MM_BAD_OPTION);
  ck_assert_ptr_nonnull(strstr(error.text, "kind"));
}
END_TEST

START_TEST(a_reference_of_a_kind_that_its_language_lacks_ends_the_process)
{
  open_heap(0);
  weak[ONE]->layout.elem_log2 = MM_STRENGTH_PHANTOM;
  make_reference(weak[ONE], 1);
}
END_TEST

int main(void)
{
  TCase *queues = tcase_create("queues"), *kinds = tcase_create("kinds");
  TCase *deaths = tcase_create("deaths");
  TCase *cases[] = {queues, kinds, deaths, NULL};
  tcase_add_checked_fixture(queues, NULL, teardown);
  tcase_add_checked_fixture(kinds, NULL, teardown);
  tcase_add_loop_test(queues, each_language_takes_its_own, 0, WAYS);
  tcase_add_loop_test(queues, queues_of_others_live_through_collections, 0,
                      WAYS);
  tcase_add_test(queues, the_summary_counts_what_each_took);
  tcase_add_loop_test(queues, languages_take_theirs_at_the_same_time, 0, WAYS);
  tcase_add_loop_test(queues, each_language_has_a_weak_table_of_its_own, 0,
                      WAYS);
  tcase_add_test(kinds, kinds_that_there_are_not_are_refused);
  fixture_add_death(
      deaths, a_reference_of_a_kind_that_its_language_lacks_ends_the_process, 0,
      70, 0, 1);
  return fixture_main("mm_language_references", cases);
}
