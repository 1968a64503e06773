/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The speed limit for allocation (mm/gc/pacing_internal.h): first by numbers
 * alone, with a clock of the test's, then in a heap whose cycle is held.
 */
#include "config.h"

#include "mm/gc/pacing_internal.h"

#include "mm/gc/cycle_internal.h"
#include "mm/gc/sizing_internal.h"
#include "tests/unit/mm_fixture.h"

#include <pthread.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)

enum { BUFFER = 32 * 1024 };

static struct fixture f;

/* By numbers --------------------------------------------------------------- */

/* A program that takes a buffer as soon as it has used up the last one. */
struct program {
  uint64_t room_bytes, buffer_ns; /* what it needs for a buffer */
  uint64_t now_ns, due_ns;
  uint64_t waits, waited_ns, longest_ns;
};

static void wait_until_due(struct program *p)
{
  if (p->due_ns < p->now_ns + MM_PACING_LEAST_NS)
    return;
  uint64_t ns = p->due_ns - p->now_ns;
  p->waits++;
  p->waited_ns += ns;
  if (p->longest_ns < ns)
    p->longest_ns = ns;
  p->now_ns = p->due_ns;
}

static void take_buffer(struct program *p, uint64_t left_ns)
{
  wait_until_due(p);
  struct mm_pacing_need need = {BUFFER, p->room_bytes, left_ns};
  p->due_ns = mm_pacing_due_ns(p->due_ns, p->now_ns, mm_pacing_ns(&need));
  p->room_bytes -= p->room_bytes < BUFFER ? p->room_bytes : BUFFER;
  p->now_ns += p->buffer_ns;
}

/* While a cycle runs that was expected to take `expected_ns', and does take
   `real_ns'. */
static void run_program(struct program *p, uint64_t expected_ns,
                        uint64_t real_ns)
{
  uint64_t began_ns = p->now_ns = 1000 * MS;
  while (p->now_ns < began_ns + real_ns)
    take_buffer(p, mm_pacing_left_ns(expected_ns, p->now_ns - began_ns));
}

/* It takes 60 MB of 100. */
START_TEST(with_room_enough_nothing_is_paid)
{
  struct program p = {.room_bytes = 100 * FIXTURE_MIB, .buffer_ns = MS / 6};
  run_program(&p, 300 * MS, 300 * MS);
  ck_assert_uint_eq(p.waits, 0);
}
END_TEST

/* It would take 60 MB, and there are 40. */
START_TEST(a_program_that_is_too_fast_pays_by_small_waits)
{
  struct program p = {.room_bytes = 40 * FIXTURE_MIB, .buffer_ns = MS / 6};
  run_program(&p, 300 * MS, 300 * MS);
  ck_assert_uint_gt(p.waits, 100);
  ck_assert_uint_gt(p.room_bytes, 0);
  ck_assert_uint_gt(p.waited_ns, 50 * MS);
  ck_assert_uint_lt(p.waited_ns, 200 * MS);
  ck_assert_uint_le(p.longest_ns, MM_PACING_MOST_NS);
}
END_TEST

START_TEST(a_cycle_that_is_late_lowers_the_limit_as_room_gets_less)
{
  struct program p = {.room_bytes = 40 * FIXTURE_MIB, .buffer_ns = MS / 6};
  run_program(&p, 300 * MS, 360 * MS);
  ck_assert_uint_gt(p.room_bytes, 0);
  ck_assert_uint_le(p.longest_ns, MM_PACING_MOST_NS);
}
END_TEST

/* What the cycle is late is not known when it begins. */
START_TEST(what_is_left_of_a_cycle_never_comes_to_nothing)
{
  ck_assert_uint_eq(mm_pacing_left_ns(800, 0), 900);
  ck_assert_uint_eq(mm_pacing_left_ns(800, 300), 600);
  ck_assert_uint_eq(mm_pacing_left_ns(800, 750), 150);
  ck_assert_uint_eq(mm_pacing_left_ns(800, 850), 150);
  ck_assert_uint_eq(mm_pacing_left_ns(800, 1300), 600);
  ck_assert_uint_eq(mm_pacing_left_ns(0, 0), 0);
}
END_TEST

START_TEST(without_any_room_a_wait_is_as_long_as_any_and_no_longer)
{
  struct mm_pacing_need need = {BUFFER, 0, 1000000 * MS};
  ck_assert_uint_eq(mm_pacing_ns(&need), MM_PACING_MOST_NS);
  uint64_t now_ns = 1000 * MS, due_ns = now_ns;
  for (int i = 0; i < 100; i++)
    due_ns = mm_pacing_due_ns(due_ns, now_ns, mm_pacing_ns(&need));
  ck_assert_uint_eq(due_ns, now_ns + MM_PACING_MOST_NS);
}
END_TEST

/* Who did nothing for a second may not take a second's worth at once. */
START_TEST(only_a_little_is_saved_by_being_slow)
{
  uint64_t now_ns = 1000 * MS;
  uint64_t due_ns = mm_pacing_due_ns(1, now_ns, 0);
  ck_assert_uint_eq(due_ns, now_ns - MM_PACING_SLACK_NS);
}
END_TEST

/* In a heap ---------------------------------------------------------------- */

static void open_heap(int plan, bool pacing)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.gc = MM_GC_CONCURRENT;
  options.pacing = pacing;
  options.verify = 0;
  if (options.generational)
    options.young_bytes = FIXTURE_MIB;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

static uint64_t paces(void)
{
  return f.heap->stat.paces.count;
}

/* What lives, and a cycle over it that marks until it is let go; such cycles
   are said to take so long. */
static void hold_marking(uint64_t mark_ns)
{
  fixture_push_list(&f.main, 1000);
  fixture_start_cycle(&f);
  ck_assert(mm_cycle_marks(f.heap));
  pthread_mutex_lock(&f.heap->lock);
  f.heap->cycle.mark_ns = mark_ns;
  pthread_mutex_unlock(&f.heap->lock);
}

static void allocate(uint64_t bytes)
{
  for (uint64_t done = 0; done < bytes; done += 24)
    fixture_pair(&f.main);
}

/* Who is slow enough by itself has to wait for nothing: that may be so for a
   while on a busy machine, but not always. */
static void allocate_until_slowed(void)
{
  enum { FEW_BYTES = 4096 };
  for (uint64_t done = 0; paces() == 0 && done < 8 * FIXTURE_MIB;
       done += FEW_BYTES)
    allocate(FEW_BYTES);
  ck_assert_uint_gt(paces(), 0);
}

START_TEST(allocation_is_slowed_while_marking_takes_too_long)
{
  open_heap(_i, true);
  hold_marking(60000 * MS);
  allocate_until_slowed();
  ck_assert(mm_cycle_marks(f.heap));
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

START_TEST(allocation_is_not_slowed_while_marking_is_short)
{
  open_heap(_i, true);
  hold_marking(1);
  f.heap->cycle.began_ns = mm_stat_now_ns() + 1000000 * MS; /* it is not late */
  allocate(FIXTURE_MIB);
  ck_assert_uint_eq(paces(), 0);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

START_TEST(allocation_is_not_slowed_when_that_is_switched_off)
{
  open_heap(_i, false);
  hold_marking(60000 * MS);
  allocate(FIXTURE_MIB);
  ck_assert_uint_eq(paces(), 0);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* What was due is forgotten with the cycle. */
START_TEST(allocation_is_not_slowed_between_cycles)
{
  open_heap(_i, true);
  f.heap->cycle.mark_ns = 60000 * MS;
  f.heap->pacing_due_ns = mm_stat_now_ns() + MM_PACING_MOST_NS;
  allocate(FIXTURE_MIB / 4);
  ck_assert_uint_eq(paces(), 0);
}
END_TEST

/* Where few objects become old, they are all that takes room for long. */
START_TEST(young_objects_that_die_cost_nothing)
{
  open_heap(FIXTURE_PLAN_YOUNG, true);
  hold_marking(1000 * MS);
  struct mm_growth *growth = &f.heap->sizing.growth;
  growth->allocation.amount = 1e9;
  growth->filling.amount = 1;
  ck_assert(mm_growth_filling(growth) < 0.001);
  allocate(FIXTURE_MIB);
  ck_assert_uint_eq(paces(), 0);
  growth->filling.amount = 1e9;
  ck_assert(mm_growth_filling(growth) == 1);
  allocate_until_slowed();
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* The cycle is let go when the main thread waits: what it gave before would not
   end the wait. */
static void *sweep_when_awaited(void *argument)
{
  struct fixture *fixture = argument;
  bool is_awaited = false;
  while (!is_awaited) {
    usleep(1000);
    pthread_mutex_lock(&fixture->heap->lock);
    is_awaited = fixture->heap->cycle.awaited > fixture->heap->cycle.given;
    pthread_mutex_unlock(&fixture->heap->lock);
  }
  fixture_hold(fixture, MM_CYCLE_SWEEPING);
  return NULL;
}

/* Whoever waited for room slept until the last candidate was evacuated. */
START_TEST(a_cycle_gives_room_before_it_ends)
{
  pthread_t other;
  open_heap(0, true);
  hold_marking(1);
  ck_assert_int_eq(pthread_create(&other, NULL, sweep_when_awaited, &f), 0);
  ck_assert(mm_cycle_wait_for_room(&f.main.mutator));
  ck_assert_int_eq(mm_cycle_state(f.heap), MM_CYCLE_SWEEPING);
  pthread_join(other, NULL);
  fixture_hold(&f, MM_CYCLE_IDLE);
  while (mm_cycle_wait_for_room(&f.main.mutator))
    ;
  ck_assert(!mm_cycle_is_active(f.heap));
}
END_TEST

/* What is kept for copies of candidates, but for what they need in any case. */
START_TEST(a_cycle_lets_the_program_have_what_is_kept_for_copies)
{
  open_heap(0, true);
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->limit_regions = sizing->max_regions;
  sizing->reserve_regions = 100;
  uint32_t least = sizing->max_regions - sizing->reserve_regions;
  ck_assert_uint_eq(mm_sizing_allocation_limit(f.heap), least);
  fixture_start_cycle(&f);
  uint32_t most = mm_sizing_allocation_limit(f.heap);
  ck_assert_uint_gt(most, least + 50);
  ck_assert_uint_lt(most, sizing->max_regions - 4);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

#define ADD(tests, test, count) tcase_add_loop_test(tests, test, 0, count)

int main(void)
{
  TCase *numbers = tcase_create("numbers"), *heaps = tcase_create("heaps");
  tcase_add_test(numbers, with_room_enough_nothing_is_paid);
  tcase_add_test(numbers, a_program_that_is_too_fast_pays_by_small_waits);
  tcase_add_test(numbers,
                 a_cycle_that_is_late_lowers_the_limit_as_room_gets_less);
  tcase_add_test(numbers, what_is_left_of_a_cycle_never_comes_to_nothing);
  tcase_add_test(numbers,
                 without_any_room_a_wait_is_as_long_as_any_and_no_longer);
  tcase_add_test(numbers, only_a_little_is_saved_by_being_slow);
  tcase_add_checked_fixture(heaps, NULL, teardown);
  ADD(heaps, allocation_is_slowed_while_marking_takes_too_long, FIXTURE_PLANS);
  ADD(heaps, allocation_is_not_slowed_while_marking_is_short, FIXTURE_PLANS);
  ADD(heaps, allocation_is_not_slowed_when_that_is_switched_off, FIXTURE_PLANS);
  ADD(heaps, allocation_is_not_slowed_between_cycles, FIXTURE_PLANS);
  tcase_add_test(heaps, young_objects_that_die_cost_nothing);
  tcase_add_test(heaps, a_cycle_gives_room_before_it_ends);
  tcase_add_test(heaps, a_cycle_lets_the_program_have_what_is_kept_for_copies);
  return fixture_main("mm_pacing", (TCase *[]){numbers, heaps, NULL});
}
