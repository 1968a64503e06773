/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several mutators: they allocate at once, stop for each other's collections,
 * come and go, and stay in native code while others collect.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum { THREADS = 4, LIST = 200 };

static struct fixture f;
static atomic_int failures; /* assertions only work on the test's thread */
static atomic_bool done;

static void setup(void)
{
  struct mm_options options = fixture_options();
  options.workers = 2;
  options.verify = MM_VERIFY_AFTER;
  atomic_store(&failures, 0);
  atomic_store(&done, false);
  fixture_open(&f, &options);
}

static void teardown(void)
{
  ck_assert_int_eq(atomic_load(&failures), 0);
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

static bool list_is_sound(struct mm_ref head, uint32_t length)
{
  for (uint32_t i = length; i-- > 0; head = fixture_get(head, FIXTURE_LEFT))
    if (mm_is_null(head) || fixture_value(head) != i)
      return false;
  return mm_is_null(head);
}

/* Makes lists, and checks each after having polled a while. */
static void churn(struct fixture_thread *thread, int rounds)
{
  for (int round = 0; round < rounds; round++) {
    size_t list = fixture_push_list(thread, LIST);
    for (int i = 0; i < LIST; i++) {
      fixture_pair(thread);
      mm_poll(&thread->mutator);
    }
    if (!list_is_sound(fixture_at(thread, list), LIST))
      atomic_fetch_add(&failures, 1);
    fixture_pop(thread, 1);
  }
}

static void *allocate_and_collect(void *argument)
{
  struct fixture_thread thread;
  int rounds = *(int *)argument;
  fixture_attach(&f, &thread);
  size_t kept = fixture_push_list(&thread, LIST);
  for (int i = 0; i < rounds; i++) {
    churn(&thread, 10);
    if (i % 8 == 7)
      mm_collect(&thread.mutator, MM_CAUSE_EXPLICIT);
  }
  if (!list_is_sound(fixture_at(&thread, kept), LIST))
    atomic_fetch_add(&failures, 1);
  fixture_detach(&thread);
  return NULL;
}

static void start(pthread_t *threads, int count, void *(*run)(void *),
                  void *argument)
{
  for (int i = 0; i < count; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, run, argument), 0);
}

/* The main thread waits in native code, as a host's thread would. */
static void join(pthread_t *threads, int count)
{
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < count; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
}

START_TEST(threads_allocate_and_collect_at_once)
{
  pthread_t threads[THREADS];
  int rounds = 60;
  start(threads, THREADS, allocate_and_collect, &rounds);
  join(threads, THREADS);
  ck_assert_uint_ge(mm_collections(f.heap), 7);
}
END_TEST

START_TEST(a_running_thread_stops_for_the_collections_of_another)
{
  pthread_t thread;
  int rounds = 40;
  size_t list = fixture_push_list(&f.main, LIST);
  start(&thread, 1, allocate_and_collect, &rounds);
  while (mm_collections(f.heap) < 4)
    mm_poll(&f.main.mutator);
  ck_assert(list_is_sound(fixture_at(&f.main, list), LIST));
  join(&thread, 1);
}
END_TEST

START_TEST(a_thread_in_native_code_is_not_waited_for_and_its_roots_are_moved)
{
  pthread_t thread;
  int rounds = 40;
  size_t list = fixture_push_list(&f.main, LIST);
  struct mm_ref before = fixture_at(&f.main, list);
  start(&thread, 1, allocate_and_collect, &rounds);
  join(&thread, 1);
  ck_assert_uint_ge(mm_collections(f.heap), 5);
  ck_assert(list_is_sound(fixture_at(&f.main, list), LIST));
  (void)before;
}
END_TEST

static void *go_in_and_out(void *argument)
{
  struct fixture_thread thread;
  (void)argument;
  fixture_attach(&f, &thread);
  size_t list = fixture_push_list(&thread, LIST);
  while (!atomic_load(&done)) {
    mm_enter_native(&thread.mutator);
    mm_leave_native(&thread.mutator);
    if (!list_is_sound(fixture_at(&thread, list), LIST))
      atomic_fetch_add(&failures, 1);
    mm_poll(&thread.mutator);
  }
  fixture_detach(&thread);
  return NULL;
}

START_TEST(threads_leave_native_code_only_between_collections)
{
  pthread_t threads[THREADS];
  start(threads, THREADS, go_in_and_out, NULL);
  for (int i = 0; i < 200; i++) {
    churn(&f.main, 1);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  }
  atomic_store(&done, true);
  join(threads, THREADS);
}
END_TEST

static void *come_and_go(void *argument)
{
  (void)argument;
  while (!atomic_load(&done)) {
    struct fixture_thread thread;
    fixture_attach(&f, &thread);
    size_t list = fixture_push_list(&thread, 20);
    mm_poll(&thread.mutator);
    if (!list_is_sound(fixture_at(&thread, list), 20))
      atomic_fetch_add(&failures, 1);
    fixture_detach(&thread);
  }
  return NULL;
}

START_TEST(threads_attach_and_detach_while_others_collect)
{
  pthread_t threads[THREADS];
  start(threads, THREADS, come_and_go, NULL);
  for (int i = 0; i < 100; i++) {
    churn(&f.main, 1);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  }
  atomic_store(&done, true);
  join(threads, THREADS);
}
END_TEST

/* Situation 62, with threads. */
START_TEST(what_threads_allocated_is_counted_when_they_are_gone)
{
  pthread_t threads[THREADS];
  int rounds = 10;
  start(threads, THREADS, allocate_and_collect, &rounds);
  join(threads, THREADS);
  uint64_t walked = fixture_census(&f).bytes;
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES) -
                        mm_stat_counter(&f.heap->stat, MM_COUNT_FREED_BYTES),
                    walked);
  ck_assert_uint_ge(mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES),
                    (uint64_t)THREADS * 10 * 10 * 2 * LIST * 24);
}
END_TEST

static void *allocate_until_null(void *argument)
{
  struct fixture_thread thread;
  (void)argument;
  fixture_attach(&f, &thread);
  size_t list = fixture_push(&thread, MM_NULL);
  uint32_t length = 0;
  for (;; length++) {
    struct mm_ref pair = fixture_new_or_null(&thread, FIXTURE_PAIR, 0);
    if (mm_is_null(pair))
      break;
    fixture_set(pair, FIXTURE_LEFT, fixture_at(&thread, list));
    fixture_set_value(pair, length);
    fixture_put(&thread, list, pair);
  }
  if (!list_is_sound(fixture_at(&thread, list), length))
    atomic_fetch_add(&failures, 1);
  fixture_detach(&thread);
  return NULL;
}

START_TEST(threads_run_out_of_memory_together)
{
  pthread_t threads[THREADS];
  start(threads, THREADS, allocate_until_null, NULL);
  join(threads, THREADS);
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_OUT_OF_MEMORY), 0);
}
END_TEST

START_TEST(each_mutator_has_an_id_of_its_own_and_ids_are_used_again)
{
  struct fixture_thread others[3];
  for (int i = 0; i < 3; i++) {
    fixture_attach(&f, &others[i]);
    ck_assert_uint_ne(others[i].mutator.id, 0);
    ck_assert_uint_ne(others[i].mutator.id, f.main.mutator.id);
    for (int j = 0; j < i; j++)
      ck_assert_uint_ne(others[i].mutator.id, others[j].mutator.id);
  }
  uint32_t id = others[1].mutator.id;
  fixture_detach(&others[1]);
  fixture_attach(&f, &others[1]);
  ck_assert_uint_eq(others[1].mutator.id, id);
  for (int i = 0; i < 3; i++)
    fixture_detach(&others[i]);
}
END_TEST

/* --- What a host with threads asks for --- */

static uint64_t steps[THREADS]; /* each written by one thread, without a lock */
static atomic_int next_number;

static void *step(void *argument)
{
  struct fixture_thread thread;
  int number = atomic_fetch_add(&next_number, 1);
  (void)argument;
  fixture_attach(&f, &thread);
  while (!atomic_load(&done)) {
    steps[number]++;
    mm_poll(&thread.mutator);
  }
  fixture_detach(&thread);
  return NULL;
}

static uint64_t sum_of_steps(void)
{
  uint64_t sum = 0;
  for (int i = 0; i < THREADS; i++)
    sum += steps[i];
  return sum;
}

static void look_twice(void *context)
{
  static const struct timespec moment = {.tv_nsec = 1000000};
  uint64_t before = sum_of_steps();
  nanosleep(&moment, NULL);
  *(uint64_t *)context = sum_of_steps() - before;
}

START_TEST(a_function_of_the_host_runs_while_no_other_thread_does)
{
  pthread_t threads[THREADS];
  start(threads, THREADS, step, NULL);
  for (int i = 0; i < 20; i++) {
    uint64_t steps_meanwhile = 1;
    mm_with_world_stopped(&f.main.mutator, look_twice, &steps_meanwhile);
    ck_assert_uint_eq(steps_meanwhile, 0);
  }
  atomic_store(&done, true);
  join(threads, THREADS);
  ck_assert_uint_eq(mm_collections(f.heap), 0);
}
END_TEST

START_TEST(polls_are_slow_as_long_as_the_host_wants_it)
{
  struct fixture_thread late;
  ck_assert(!mm_should_poll(&f.main.mutator));
  mm_poll_always(f.heap, true);
  ck_assert(mm_should_poll(&f.main.mutator));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert(mm_should_poll(&f.main.mutator));
  mm_enter_native(&f.main.mutator);
  fixture_attach(&f, &late);
  ck_assert(mm_should_poll(&late.mutator));
  fixture_detach(&late);
  mm_leave_native(&f.main.mutator);
  mm_poll_always(f.heap, false);
  ck_assert(!mm_should_poll(&f.main.mutator));
}
END_TEST

START_TEST(the_hash_of_a_locked_object_is_the_hosts_to_keep)
{
  struct mm_ref pair = fixture_pair(&f.main);
  uint32_t light = 1u << MM_MARK_LIGHT_OWNER_SHIFT |
                   1u << MM_MARK_PAYLOAD_SHIFT | MM_MARK_LIGHT;
  *mm_mark_word(pair) = light;
  ck_assert_uint_eq(mm_identity_hash(&f.main.mutator, pair), 0);
  ck_assert_uint_eq(*mm_mark_word(pair), light);
  uint32_t hash = mm_draw_hash(&f.main.mutator);
  ck_assert_uint_ne(hash, 0);
  ck_assert_uint_lt(hash, 1u << 29);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("threads");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, threads_allocate_and_collect_at_once);
  tcase_add_test(tests, a_running_thread_stops_for_the_collections_of_another);
  tcase_add_test(
      tests, a_thread_in_native_code_is_not_waited_for_and_its_roots_are_moved);
  tcase_add_test(tests, threads_leave_native_code_only_between_collections);
  tcase_add_test(tests, threads_attach_and_detach_while_others_collect);
  tcase_add_test(tests, what_threads_allocated_is_counted_when_they_are_gone);
  tcase_add_test(tests, threads_run_out_of_memory_together);
  tcase_add_test(tests,
                 each_mutator_has_an_id_of_its_own_and_ids_are_used_again);
  tcase_add_test(tests, a_function_of_the_host_runs_while_no_other_thread_does);
  tcase_add_test(tests, polls_are_slow_as_long_as_the_host_wants_it);
  tcase_add_test(tests, the_hash_of_a_locked_object_is_the_hosts_to_keep);
  return fixture_main("mm_threads", (TCase *[]){tests, NULL});
}
