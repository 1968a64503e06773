/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads in a heap that has just room for them.  Whoever runs out of
 * memory collects, and the others take what that freed before it looks again,
 * time after time: nobody may be told that the heap is full, for it is not.
 *
 * Each thread keeps a window of objects and puts new ones in the place of the
 * oldest.  With all windows full and a new object in each thread's hand, LIVE
 * objects live; the heap has room for those and little more.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum {
  THREADS = 16,
  WINDOW = 3,
  LIVE = THREADS * (WINDOW + 1),
  QUARTER = FIXTURE_REGION_BYTES / 4, /* four objects fill a region */
  QUARTER_LENGTH = QUARTER - MM_ARRAY_BASE,
  SLACK_REGIONS = 3,
  ROUNDS = 400,
};

static struct fixture f;
static atomic_int refused, broken; /* assertions only work on the test's
                                      thread */

static void setup_plan(int plan, enum mm_gc gc, uint64_t heap_bytes)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.gc = gc;
  options.heap_max_bytes = heap_bytes;
  options.verify = 0;
  atomic_store(&refused, 0);
  atomic_store(&broken, 0);
  fixture_open(&f, &options);
}

static void teardown(void)
{
  ck_assert_int_eq(atomic_load(&broken), 0);
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

/* The byte at both ends of what `thread' made in this round. */
static char mark_of(const struct fixture_thread *thread, int round)
{
  return (char)(thread->mutator.id * 7 + (unsigned)round);
}

static char *first_byte(struct mm_ref bytes)
{
  return fixture_data(bytes, MM_ARRAY_BASE);
}

static void put_marks(struct mm_ref bytes, uint32_t length, char mark)
{
  first_byte(bytes)[0] = first_byte(bytes)[length - 1] = mark;
}

static bool has_marks(struct mm_ref bytes, uint32_t length, char mark)
{
  return first_byte(bytes)[0] == mark && first_byte(bytes)[length - 1] == mark;
}

static void replace_oldest(struct fixture_thread *thread, int round)
{
  size_t place = (size_t)round % WINDOW;
  struct mm_ref oldest = fixture_at(thread, place);
  if (!mm_is_null(oldest) &&
      !has_marks(oldest, QUARTER_LENGTH, mark_of(thread, round - WINDOW)))
    atomic_fetch_add(&broken, 1);
  struct mm_ref made =
      fixture_new_or_null(thread, FIXTURE_BYTES, QUARTER_LENGTH);
  if (mm_is_null(made))
    atomic_fetch_add(&refused, 1);
  else
    put_marks(made, QUARTER_LENGTH, mark_of(thread, round));
  fixture_put(thread, place, made);
}

static void *keep_a_window(void *argument)
{
  struct fixture_thread thread;
  (void)argument;
  fixture_attach(&f, &thread);
  for (int i = 0; i < WINDOW; i++)
    fixture_push(&thread, MM_NULL);
  for (int round = 0; round < ROUNDS; round++)
    replace_oldest(&thread, round);
  fixture_detach(&thread);
  return NULL;
}

static void run_threads(void *(*run)(void *))
{
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, run, NULL), 0);
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
}

static void keep_windows(int plan, enum mm_gc gc)
{
  setup_plan(plan, gc,
             (uint64_t)(LIVE / 4 + SLACK_REGIONS) * FIXTURE_REGION_BYTES);
  run_threads(keep_a_window);
  ck_assert_int_eq(atomic_load(&refused), 0);
  ck_assert_uint_ge(mm_collections(f.heap), 10);
}

START_TEST(threads_that_fit_are_never_refused_when_the_world_stops)
{
  keep_windows(_i, MM_GC_STW);
}
END_TEST

START_TEST(threads_that_fit_are_never_refused_beside_cycles)
{
  keep_windows(_i, MM_GC_CONCURRENT);
}
END_TEST

/* Other threads' vain requests --------------------------------------------- */

enum {
  PLAN_SLOTS = 1,                    /* nothing moves; not generational */
  OTHER_LENGTH = 48 - MM_ARRAY_BASE, /* slots of another size than a pair's */
  OTHERS = 600, /* more than a run has slots, fewer than two have */
};

/* Fills the heap with pairs, then lets go of nine in ten: there is a live one
   in each run, so that none is of use for another size. */
static void fill_with_holes(void)
{
  size_t list = fixture_push(&f.main, MM_NULL);
  struct mm_ref pair;
  while (!mm_is_null(pair = fixture_new_or_null(&f.main, FIXTURE_PAIR, 0))) {
    fixture_set(pair, FIXTURE_LEFT, fixture_at(&f.main, list));
    fixture_put(&f.main, list, pair);
  }
  for (pair = fixture_at(&f.main, list); !mm_is_null(pair);) {
    struct mm_ref next = pair;
    for (int i = 0; i < 10 && !mm_is_null(next); i++)
      next = fixture_get(next, FIXTURE_LEFT);
    fixture_set(pair, FIXTURE_LEFT, next);
    pair = next;
  }
}

static void make_others(struct fixture_thread *thread)
{
  for (int i = 0; i < OTHERS; i++)
    if (mm_is_null(fixture_new_or_null(thread, FIXTURE_BYTES, OTHER_LENGTH)))
      atomic_fetch_add(&refused, 1);
}

/* Each collection for the vain request frees nothing new; two of them in a row
   once made the next request of any thread a hopeless one. */
START_TEST(vain_requests_are_not_held_against_other_threads)
{
  struct fixture_thread other;
  setup_plan(PLAN_SLOTS, MM_GC_STW, 2 * FIXTURE_MIB);
  mm_enter_native(&f.main.mutator);
  fixture_attach(&f, &other);
  fixture_push(&other, fixture_new(&other, FIXTURE_BYTES, OTHER_LENGTH));
  mm_enter_native(&other.mutator);
  mm_leave_native(&f.main.mutator);
  fill_with_holes();
  for (int i = 0; i < 4; i++)
    ck_assert(mm_is_null(
        fixture_new_or_null(&f.main, FIXTURE_BYTES, FIXTURE_REGION_BYTES)));
  mm_enter_native(&f.main.mutator);
  mm_leave_native(&other.mutator);
  uint64_t before = mm_collections(f.heap);
  make_others(&other);
  ck_assert_int_eq(atomic_load(&refused), 0);
  ck_assert_uint_gt(mm_collections(f.heap), before);
  fixture_detach(&other);
  mm_leave_native(&f.main.mutator);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("full heaps with threads");
  tcase_add_checked_fixture(tests, NULL, teardown);
  tcase_add_loop_test(tests,
                      threads_that_fit_are_never_refused_when_the_world_stops,
                      0, FIXTURE_PLANS);
  tcase_add_loop_test(tests, threads_that_fit_are_never_refused_beside_cycles,
                      0, FIXTURE_PLANS);
  tcase_add_test(tests, vain_requests_are_not_held_against_other_threads);
  return fixture_main("mm_full_threads", (TCase *[]){tests, NULL});
}
