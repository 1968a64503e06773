/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic schedules: the same seed gives the same order of everything,
 * another seed another one; time is made up; who waits goes on.
 *
 * Threads note in a trace who does what.  They have no lock for it: that only
 * one runs at a time is what is tested (and ThreadSanitizer sees).
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
#include "mm/schedule.h"
#include "tests/unit/mm_fixture.h"

enum {
  THREADS = 3,
  STEPS = 300,
  TRACE_MOST = THREADS * STEPS + THREADS,
  PLANS = 3,
};

#define MS ((uint64_t)1000000)

static struct fixture f;
static struct mm_task main_task;

struct trace {
  size_t length;
  uint8_t who[TRACE_MOST];
  int64_t counter; /* raced for */
  uint64_t digest, switches, collections, now_ns;
  uint64_t objects, bytes; /* what lives at the end */
  uint64_t sum;            /* of the values of it */
};

struct racer {
  struct fixture_thread thread; /* of the heap */
  struct mm_task task;
  pthread_t handle;
  uint8_t number;
  struct trace *trace;
};

static struct mm_options options_of(int plan, uint64_t seed)
{
  struct mm_options options = fixture_options();
  options.deterministic = true;
  options.seed = seed;
  options.heap_min_bytes = FIXTURE_MIB;
  if (plan == 1)
    options.generational = MM_GENERATIONAL_ON;
  if (plan == 2) {
    options.gc = MM_GC_CONCURRENT;
    options.tenured = MM_TENURED_FREELIST;
    options.stress_phase = true;
  }
  return options;
}

static void open_heap(const struct mm_options *options)
{
  fixture_open(&f, options);
  mm_schedule_add(f.heap, &main_task);
  mm_schedule_begin(f.heap, &main_task);
}

static void close_heap(void)
{
  mm_enter_native(&f.main.mutator);
  mm_heap_quit(f.heap);
  mm_leave_native(&f.main.mutator);
  fixture_detach(&f.main);
  mm_schedule_end(f.heap, &main_task);
  mm_heap_destroy(f.heap);
}

/* Racing ------------------------------------------------------------------- */

static void note(struct racer *racer)
{
  struct trace *trace = racer->trace;
  fixture_require(trace->length < TRACE_MOST);
  trace->who[trace->length++] = racer->number;
}

/* A list of which the first grows and the rest is dropped now and then. */
static void step(struct racer *racer, int i)
{
  struct fixture_thread *thread = &racer->thread;
  int64_t counter = racer->trace->counter;
  mm_poll(&thread->mutator);
  racer->trace->counter = counter + 1;
  struct mm_ref pair = fixture_pair(thread);
  fixture_set_value(pair, i);
  if (i % 50 != 0)
    mm_store_ref(&thread->mutator, fixture_data(pair, FIXTURE_LEFT),
                 fixture_at(thread, 0));
  fixture_put(thread, 0, pair);
  if (i % 3 == 0)
    fixture_new(thread, FIXTURE_BYTES, 4000);
  note(racer);
}

static void *race(void *argument)
{
  struct racer *racer = argument;
  mm_schedule_begin(f.heap, &racer->task);
  fixture_attach(&f, &racer->thread);
  fixture_push(&racer->thread, MM_NULL);
  for (int i = 0; i < STEPS; i++)
    step(racer, i);
  f.globals[racer->number] = fixture_at(&racer->thread, 0);
  fixture_detach(&racer->thread);
  mm_schedule_end(f.heap, &racer->task);
  return NULL;
}

static void start(struct racer *racer, int number, struct trace *trace,
                  void *(*run)(void *))
{
  memset(racer, 0, sizeof *racer);
  racer->number = (uint8_t)number;
  racer->trace = trace;
  mm_schedule_add(f.heap, &racer->task);
  ck_assert_int_eq(pthread_create(&racer->handle, NULL, run, racer), 0);
}

/* While the main thread is in native state. */
static void join(struct racer *racers, int count)
{
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < count; i++) {
    mm_schedule_await_end(f.heap, &racers[i].task);
    pthread_join(racers[i].handle, NULL);
  }
  mm_leave_native(&f.main.mutator);
}

static void digest_heap(struct trace *trace)
{
  struct fixture_census census = fixture_census(&f);
  trace->objects = census.objects;
  trace->bytes = census.bytes;
  for (int i = 0; i < THREADS; i++)
    for (struct mm_ref at = f.globals[i]; !mm_is_null(at);
         at = fixture_get(at, FIXTURE_LEFT))
      trace->sum = trace->sum * 31 + (uint64_t)fixture_value(at);
}

/* Runs the race and tells what happened. */
static void run(int plan, uint64_t seed, struct trace *trace)
{
  static struct racer racers[THREADS];
  struct mm_options options = options_of(plan, seed);
  memset(trace, 0, sizeof *trace);
  open_heap(&options);
  for (int i = 0; i < THREADS; i++)
    start(&racers[i], i, trace, race);
  join(racers, THREADS);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  trace->digest = mm_schedule_digest(f.heap);
  trace->switches = mm_schedule_switches(f.heap);
  trace->collections = mm_collections(f.heap);
  trace->now_ns = mm_now_ns();
  digest_heap(trace);
  close_heap();
}

START_TEST(the_same_seed_gives_the_same_order_and_the_same_heap)
{
  static struct trace one, two;
  run(_i, 7, &one);
  run(_i, 7, &two);
  ck_assert_uint_eq(one.length, THREADS * STEPS);
  ck_assert_uint_gt(one.switches, 10);
  ck_assert_uint_gt(one.collections, 1);
  ck_assert_int_eq(memcmp(&one, &two, sizeof one), 0);
}
END_TEST

START_TEST(another_seed_gives_another_order)
{
  static struct trace one, two;
  run(_i, 1, &one);
  run(_i, 2, &two);
  ck_assert_int_ne(memcmp(one.who, two.who, sizeof one.who), 0);
  ck_assert_uint_ne(one.digest, two.digest);
}
END_TEST

/* Of a few seeds, at least one loses counts, and not all lose as many. */
START_TEST(races_are_lost_in_some_orders)
{
  static struct trace trace;
  int64_t least = INT64_MAX, most = 0;
  for (uint64_t seed = 0; seed < 6; seed++) {
    run(0, seed, &trace);
    least = trace.counter < least ? trace.counter : least;
    most = trace.counter > most ? trace.counter : most;
  }
  ck_assert_int_lt(least, THREADS * STEPS);
  ck_assert_int_lt(least, most);
}
END_TEST

static void count_turns(const struct trace *trace, size_t *shorts,
                        size_t *longs)
{
  for (size_t i = 1, length = 1; i < trace->length; i++, length++) {
    if (trace->who[i] == trace->who[i - 1])
      continue;
    *shorts += length <= 2;
    *longs += length >= 20;
    length = 0;
  }
}

START_TEST(turns_are_short_and_long)
{
  static struct trace trace;
  size_t shorts = 0, longs = 0;
  for (uint64_t seed = 0; seed < 6; seed++) {
    run(0, seed, &trace);
    count_turns(&trace, &shorts, &longs);
  }
  ck_assert_uint_gt(shorts, 12);
  ck_assert_uint_gt(longs, 12);
}
END_TEST

/* Time --------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int channel;

static bool wait_until(uint64_t until_ns)
{
  pthread_mutex_lock(&mutex);
  bool in_time = mm_schedule_wait(f.heap, &channel, &mutex, until_ns);
  pthread_mutex_unlock(&mutex);
  return in_time;
}

START_TEST(when_all_wait_it_is_the_time_of_the_first)
{
  struct mm_options options = options_of(0, 1);
  open_heap(&options);
  uint64_t before_ns = mm_now_ns(), until_ns = before_ns + 3600000 * MS;
  ck_assert(!wait_until(until_ns));
  ck_assert_uint_ge(mm_now_ns(), until_ns);
  ck_assert_uint_lt(mm_now_ns(), until_ns + MS);
  close_heap();
}
END_TEST

START_TEST(the_clock_moves_at_each_look_and_each_point)
{
  struct mm_options options = options_of(0, 1);
  open_heap(&options);
  uint64_t before_ns = mm_now_ns();
  ck_assert_uint_gt(mm_now_ns(), before_ns);
  before_ns = mm_now_ns();
  for (int i = 0; i < 1000; i++)
    mm_poll(&f.main.mutator);
  ck_assert_uint_ge(mm_now_ns() - before_ns, MS);
  close_heap();
}
END_TEST

static void *sleep_by_number(void *argument)
{
  struct racer *racer = argument;
  mm_schedule_begin(f.heap, &racer->task);
  wait_until(mm_now_ns() + (THREADS - racer->number) * 60 * MS);
  note(racer);
  mm_schedule_end(f.heap, &racer->task);
  return NULL;
}

START_TEST(sleepers_wake_in_the_order_of_their_times)
{
  static struct racer racers[THREADS];
  static struct trace trace;
  struct mm_options options = options_of(0, (uint64_t)_i);
  trace.length = 0;
  open_heap(&options);
  for (int i = 0; i < THREADS; i++)
    start(&racers[i], i, &trace, sleep_by_number);
  join(racers, THREADS);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(trace.who[i], THREADS - 1 - i);
  close_heap();
}
END_TEST

static void *wait_to_be_notified(void *argument)
{
  struct racer *racer = argument;
  mm_schedule_begin(f.heap, &racer->task);
  pthread_mutex_lock(&mutex);
  while (racer->trace->counter == 0)
    ck_assert(mm_schedule_wait(f.heap, &channel, &mutex, UINT64_MAX));
  pthread_mutex_unlock(&mutex);
  note(racer);
  mm_schedule_end(f.heap, &racer->task);
  return NULL;
}

START_TEST(all_who_wait_for_a_channel_go_on_when_it_is_notified)
{
  static struct racer racers[THREADS];
  static struct trace trace;
  struct mm_options options = options_of(0, (uint64_t)_i);
  memset(&trace, 0, sizeof trace);
  open_heap(&options);
  for (int i = 0; i < THREADS; i++)
    start(&racers[i], i, &trace, wait_to_be_notified);
  for (int i = 0; i < 1000; i++)
    mm_poll(&f.main.mutator);
  ck_assert_uint_eq(trace.length, 0);
  trace.counter = 1;
  mm_schedule_notify(f.heap, &channel);
  join(racers, THREADS);
  ck_assert_uint_eq(trace.length, THREADS);
  close_heap();
}
END_TEST

/* Borders ------------------------------------------------------------------ */

START_TEST(a_task_that_was_not_started_can_be_taken_back)
{
  struct mm_task task;
  struct mm_options options = options_of(0, 1);
  open_heap(&options);
  mm_schedule_add(f.heap, &task);
  mm_schedule_end(f.heap, &task);
  for (int i = 0; i < 1000; i++)
    mm_poll(&f.main.mutator);
  close_heap();
}
END_TEST

START_TEST(without_the_option_nothing_is_scheduled)
{
  struct mm_options options = fixture_options();
  fixture_open(&f, &options);
  ck_assert(!mm_schedule_is_on(f.heap));
  mm_schedule_add(f.heap, &main_task);
  mm_schedule_begin(f.heap, &main_task);
  mm_schedule_yield(f.heap);
  mm_schedule_pass(f.heap);
  mm_schedule_notify(f.heap, &channel);
  mm_schedule_end(f.heap, &main_task);
  ck_assert_uint_eq(mm_schedule_switches(f.heap), 0);
  ck_assert_uint_eq(mm_schedule_digest(f.heap), 0);
  ck_assert(!mm_should_poll(&f.main.mutator));
  fixture_close(&f);
}
END_TEST

START_TEST(several_workers_are_refused)
{
  struct mm_options options = options_of(0, 1);
  struct mm_error error;
  options.workers = 2;
  ck_assert_int_eq(mm_options_complete(&options, &error), MM_BAD_OPTION);
  ck_assert_ptr_nonnull(strstr(error.text, "--gc-workers=1"));
  options.workers = 0;
  ck_assert_int_eq(mm_options_complete(&options, &error), MM_OK);
  ck_assert_uint_eq(options.workers, 1);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("schedule");
  tcase_add_loop_test(
      tests, the_same_seed_gives_the_same_order_and_the_same_heap, 0, PLANS);
  tcase_add_loop_test(tests, another_seed_gives_another_order, 0, PLANS);
  tcase_add_test(tests, races_are_lost_in_some_orders);
  tcase_add_test(tests, turns_are_short_and_long);
  tcase_add_test(tests, when_all_wait_it_is_the_time_of_the_first);
  tcase_add_test(tests, the_clock_moves_at_each_look_and_each_point);
  tcase_add_loop_test(tests, sleepers_wake_in_the_order_of_their_times, 0, 4);
  tcase_add_loop_test(
      tests, all_who_wait_for_a_channel_go_on_when_it_is_notified, 0, 4);
  tcase_add_test(tests, a_task_that_was_not_started_can_be_taken_back);
  tcase_add_test(tests, without_the_option_nothing_is_scheduled);
  tcase_add_test(tests, several_workers_are_refused);
  return fixture_main("mm_schedule", (TCase *[]){tests, NULL});
}
