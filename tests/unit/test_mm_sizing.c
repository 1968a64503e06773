/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When cycles start, and what an allocation does for room while one is under
 * way or has left candidates.  Tests set what the heap has learned, or how many
 * regions it may have, so that nothing depends on times.  _i chooses whether
 * there are generations, or as test_mm_cycle.c does.
 */
#include "config.h"

#include "mm/gc/sizing_internal.h"

#include "mm/gc/candidates_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/pauses_internal.h"
#include "tests/unit/mm_fixture.h"

enum {
  PAIRS = 60000,
  FEW = 16, /* one of so many lives on */
  HALF = 2,
  LISTS = 8 * FIXTURE_MIB / 24,
};

static const uint64_t LONG_NS = (uint64_t)1 << 62; /* longer than any cycle */

static struct fixture f;

static void open_heap(int plan, uint64_t young_bytes)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.gc = MM_GC_CONCURRENT;
  if (options.generational)
    options.young_bytes = young_bytes;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

static uint64_t full_pauses(void)
{
  return fixture_pauses(&f, MM_COLLECTION_EVACUATE) +
         fixture_pauses(&f, MM_COLLECTION_COMPACT) +
         fixture_pauses(&f, MM_COLLECTION_SWEEP);
}

/* When cycles start ---------------------------------------------------------
 */

/* The next cycle's start, after a collection of everything when this much was
   known about cycles. */
static uint32_t planned_start(uint64_t mark_ns, uint64_t walk_ns)
{
  f.heap->cycle.mark_ns = mark_ns;
  f.heap->cycle.walk_ns = walk_ns;
  f.heap->sizing.old_regions = 0; /* all was filled since */
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  return f.heap->sizing.start_regions;
}

static uint32_t middle(void)
{
  return (f.heap->regions.used + f.heap->sizing.limit_regions) / 2;
}

/* What was allocated during the walk was not reckoned: the cycle ended when the
   heap was full. */
START_TEST(a_cycle_starts_early_enough_for_its_walk)
{
  open_heap(_i * FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  fixture_push_list(&f.main, LISTS);
  ck_assert_uint_gt(planned_start(1, 1), middle());
  ck_assert_uint_lt(planned_start(1, LONG_NS), middle());
  ck_assert_uint_lt(planned_start(LONG_NS, 1), middle());
}
END_TEST

/* Nothing is known of a walk: as long as marking, which is too long. */
START_TEST(a_walk_that_was_never_seen_takes_as_long_as_marking)
{
  open_heap(_i * FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  f.heap->cycle.mark_ns = 1000;
  ck_assert_uint_eq(mm_cycle_expected_ns(f.heap), 2000);
  f.heap->cycle.walk_ns = 1;
  ck_assert_uint_eq(mm_cycle_expected_ns(f.heap), 1001);
}
END_TEST

START_TEST(with_fixed_objects_room_is_given_back_without_a_walk)
{
  open_heap(1 + _i * FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  ck_assert_int_eq(f.heap->options.tenured, MM_TENURED_FREELIST);
  f.heap->cycle.mark_ns = 1000;
  ck_assert_uint_eq(mm_cycle_expected_ns(f.heap), 1000);
}
END_TEST

START_TEST(a_walk_is_timed)
{
  open_heap(_i * FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  fixture_push_list(&f.main, 1000);
  fixture_run_cycle(&f);
  ck_assert_uint_gt(f.heap->cycle.walk_ns, 0);
}
END_TEST

/* Programs make a table or two before they begin, and a cycle that marked
   nothing else took no time; so the first one that mattered came too late. */
START_TEST(a_cycle_over_an_empty_heap_teaches_nothing)
{
  open_heap(_i, FIXTURE_MIB);
  fixture_run_cycle(&f);
  fixture_run_cycle(&f);
  const struct mm_sizing *sizing = &f.heap->sizing;
  if (f.heap->options.tenured == MM_TENURED_REGIONS)
    ck_assert_uint_le(sizing->start_regions, middle() + 1);
  else
    ck_assert_uint_le(sizing->start_bytes, sizing->budget_bytes / 2 + 1);
}
END_TEST

/* Between mixed pauses ------------------------------------------------------
 */

/* Candidates that wait, so many in each pause, with so much that has been
   allocated since they were chosen. */
static void hold_candidates(void)
{
  enum { SLOTS = 30000 };
  open_heap(0, 0);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, SLOTS));
  for (size_t i = 0; i < SLOTS; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    if (i % FEW == 0)
      fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  fixture_hold(&f, MM_CYCLE_EVACUATING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_EVACUATING);
  ck_assert_uint_gt(f.heap->candidates.count, 0);
  f.heap->candidates.taken_ns = mm_candidates_cost_ns(f.heap);
  f.heap->sizing.allocated_bytes = 0;
}

/* Pauses followed each other as if there were no time. */
START_TEST(mixed_pauses_are_spread_over_the_time_that_there_is)
{
  enum { PAUSE_NS = 1000000 };
  hold_candidates();
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->start_regions = UINT32_MAX / 2; /* there is room for long */
  uint64_t rest_ns = mm_pauses_rest_ns(f.heap, PAUSE_NS);
  ck_assert_uint_ge(rest_ns, 2 * PAUSE_NS);
  sizing->start_regions = 0;
  ck_assert_uint_eq(mm_pauses_rest_ns(f.heap, PAUSE_NS), PAUSE_NS);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* The program went on until memory was full; then the next cycle started, and
   held it up until its end.  So it gets a part of what candidates give back,
   and what is kept of it is room for that cycle. */
START_TEST(some_of_what_candidates_give_back_is_kept_for_the_next_cycle)
{
  enum { FREED = 8, KEPT = 2, ROOM = 40 };
  hold_candidates();
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->growth.filling = (struct mm_rate){.amount = 2, .ns = 1};
  f.heap->cycle.mark_ns = LONG_NS;
  uint32_t used = f.heap->regions.used;
  sizing->max_regions = used + ROOM + sizing->reserve_regions;
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), UINT32_MAX);
  mm_sizing_after_portion(f.heap, used + ROOM);
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), used + ROOM - ROOM / 4);
  sizing->max_regions = used; /* so that there is more than is to be kept */
  sizing->ceiling_bytes = UINT64_MAX;
  mm_sizing_after_portion(f.heap, used + FREED);
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), used + FREED - KEPT);
  mm_sizing_after_portion(f.heap, used + FREED - KEPT);
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), used + FREED - KEPT - 2);
  mm_sizing_after_portion(f.heap, used - 1); /* it gave nothing */
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), used - 1);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* Half of the room is the program's, and all but what a cycle takes. */
START_TEST(no_more_is_kept_for_the_next_cycle_than_it_takes)
{
  enum { ROOM = 1000 };
  hold_candidates();
  struct mm_sizing *sizing = &f.heap->sizing;
  uint32_t used = f.heap->regions.used, reserve = sizing->reserve_regions;
  uint32_t left = used - mm_sizing_garbage_regions(f.heap);
  sizing->max_regions = left + ROOM + reserve;
  sizing->growth.filling = (struct mm_rate){.amount = 2, .ns = 1};
  f.heap->cycle.mark_ns = f.heap->cycle.walk_ns = LONG_NS;
  mm_sizing_after_portion(f.heap, used);
  ck_assert_uint_eq(mm_sizing_ceiling(f.heap), left + ROOM / 2);
  f.heap->cycle.mark_ns = 3 * FIXTURE_REGION_BYTES;
  f.heap->cycle.walk_ns = 2 * FIXTURE_REGION_BYTES;
  mm_sizing_after_portion(f.heap, used);
  ck_assert_uint_ge(mm_sizing_ceiling(f.heap), left + ROOM - 5);
  ck_assert_uint_le(mm_sizing_ceiling(f.heap), left + ROOM - 4);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* What is large would wait for dozens of pauses. */
START_TEST(only_what_is_small_waits_for_candidates)
{
  hold_candidates();
  f.heap->sizing.ceiling_bytes = FIXTURE_REGION_BYTES;
  uint64_t mixed = fixture_pauses(&f, MM_COLLECTION_MIXED);
  fixture_new(&f.main, FIXTURE_BYTES, 2 * FIXTURE_REGION_BYTES);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_MIXED), mixed);
  fixture_hold(&f, MM_CYCLE_IDLE);
  for (int i = 0; i < PAIRS; i++)
    fixture_pair(&f.main);
  ck_assert_uint_gt(fixture_pauses(&f, MM_COLLECTION_MIXED), mixed);
}
END_TEST

/* The usual pause is to be a part of the longest. */
START_TEST(candidates_get_a_part_of_the_goal)
{
  open_heap(_i * FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  f.heap->options.pause_goal_ns = 1000;
  uint64_t share_ns = 125;
  ck_assert_uint_eq(mm_pauses_candidates_ns(f.heap), share_ns);
  f.heap->candidates.caught_ns = 100;
  ck_assert_uint_eq(mm_pauses_candidates_ns(f.heap), share_ns - 100);
  f.heap->candidates.caught_ns = 1000;
  ck_assert_uint_eq(mm_pauses_candidates_ns(f.heap), 0);
}
END_TEST

START_TEST(candidates_for_which_there_is_no_time_are_put_off_once)
{
  hold_candidates();
  uint64_t all_ns = mm_candidates_cost_ns(f.heap);
  f.heap->options.pause_goal_ns = 16 * all_ns;
  ck_assert(mm_candidates_are_due(f.heap));
  f.heap->options.pause_goal_ns = 1;
  ck_assert(!mm_candidates_are_due(f.heap));
  ck_assert(mm_candidates_are_due(f.heap));
  ck_assert(!mm_candidates_are_due(f.heap));
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* A program that dirties cards faster than pauses scan them has to wait. */
START_TEST(pauses_that_cannot_catch_up_leave_the_program_ever_less_time)
{
  enum { PAUSE_NS = 1000000 };
  hold_candidates();
  f.heap->candidates.behind = 1;
  ck_assert_uint_eq(mm_pauses_rest_ns(f.heap, PAUSE_NS), PAUSE_NS);
  f.heap->candidates.behind = 30;
  uint64_t rest_ns = mm_pauses_rest_ns(f.heap, PAUSE_NS);
  ck_assert_uint_lt(rest_ns, PAUSE_NS / 2);
  f.heap->candidates.behind = 300;
  ck_assert_uint_lt(mm_pauses_rest_ns(f.heap, PAUSE_NS), rest_ns / 2);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* Room ----------------------------------------------------------------------
 */

/* An array of old pairs of which one of so many lives on, and a cycle that has
   chosen their regions as candidates. */
static void make_candidates(size_t each)
{
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, PAIRS));
  for (size_t i = 0; i < PAIRS; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  fixture_run_cycle(&f); /* they are old */
  for (size_t i = 0; i < PAIRS; i++)
    if (i % each != 0)
      fixture_set_element(fixture_at(&f.main, array), i, MM_NULL);
  fixture_run_cycle(&f);
  ck_assert_uint_gt(mm_candidates_left(f.heap), 8);
}

/* So many regions are to be had beside those in use; or so many less.  There
   are more, for copies. */
static void leave_regions(int count)
{
  struct mm_sizing *sizing = &f.heap->sizing;
  uint32_t most = (uint32_t)((int)f.heap->regions.used + count);
  sizing->limit_regions = sizing->max_regions = most;
}

/* A mixed collection was refused, although it makes room. */
START_TEST(candidates_are_evacuated_when_there_is_no_other_room)
{
  open_heap(FIXTURE_PLAN_YOUNG, 2 * FIXTURE_REGION_BYTES);
  leave_regions(0);
  ck_assert(!mm_sizing_has_young_room(f.heap));
  leave_regions(100);
  make_candidates(FEW);
  leave_regions(0);
  ck_assert(mm_sizing_has_young_room(f.heap));
  uint64_t young = fixture_pauses(&f, MM_COLLECTION_YOUNG);
  uint32_t used = f.heap->regions.used;
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_YOUNG), young);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_MIXED), 1);
  ck_assert_uint_lt(f.heap->regions.used, used);
}
END_TEST

/* Candidates wait, and an allocation finds no room: the next cycle was started,
   which forgot them. */
START_TEST(candidates_are_not_forgotten_for_the_next_cycle)
{
  open_heap(FIXTURE_PLAN_YOUNG, 2 * FIXTURE_REGION_BYTES);
  make_candidates(FEW);
  uint64_t starts = fixture_pauses(&f, MM_COLLECTION_START);
  uint32_t left = mm_candidates_left(f.heap);
  f.heap->options.pause_goal_ns = 1; /* one in each pause */
  leave_regions(0);
  fixture_collect(&f, MM_COLLECTION_YOUNG); /* of the last room, too */
  leave_regions(-2);                        /* several have to go */
  while (mm_candidates_left(f.heap) == left - 1)
    fixture_pair(&f.main);
  ck_assert_uint_ge(fixture_pauses(&f, MM_COLLECTION_MIXED), 5);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_START), starts);
  ck_assert_uint_eq(full_pauses(), 0);
}
END_TEST

/* Half of each lives, so that a region is enough for the copies of two. */
START_TEST(no_more_candidates_are_taken_than_there_is_room_for)
{
  open_heap(FIXTURE_PLAN_YOUNG, 2 * FIXTURE_REGION_BYTES);
  make_candidates(HALF);
  uint32_t left = mm_candidates_left(f.heap);
  while (mm_sizing_candidates_bytes(f.heap) > FIXTURE_REGION_BYTES) {
    f.heap->sizing.young_regions = f.heap->sizing.max_regions;
    fixture_nonmoving(&f.main, FIXTURE_BYTES, FIXTURE_REGION_BYTES / 3);
  }
  ck_assert_uint_eq(mm_sizing_candidates_bytes(f.heap), FIXTURE_REGION_BYTES);
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_MIXED), 1);
  ck_assert_uint_ge(mm_candidates_left(f.heap), left - 2);
  ck_assert_uint_lt(mm_candidates_left(f.heap), left);
}
END_TEST

/* Young objects leave some regions, or nothing could be evacuated any more. */
START_TEST(young_objects_leave_room_for_candidates)
{
  open_heap(FIXTURE_PLAN_YOUNG, 32 * FIXTURE_MIB);
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  uint32_t used = f.heap->regions.used;
  uint32_t young = f.heap->sizing.young_regions - used;
  ck_assert_uint_le(used + 2 * young + 4, f.heap->sizing.max_regions);
  ck_assert_uint_ge(used + 2 * young + 6, f.heap->sizing.max_regions);
}
END_TEST

/* A young collection, however small, is sooner done than a cycle. */
START_TEST(a_program_goes_on_beyond_the_limit_while_a_cycle_runs)
{
  open_heap(_i + FIXTURE_PLAN_YOUNG, FIXTURE_REGION_BYTES);
  fixture_push_list(&f.main, 1000);
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->limit_regions = f.heap->regions.used;
  sizing->budget_bytes = 0;
  ck_assert(!mm_sizing_has_young_room(f.heap));
  fixture_start_cycle(&f); /* which does not end */
  sizing->max_regions = f.heap->regions.used + 8;
  ck_assert(mm_sizing_has_young_room(f.heap));
  for (int i = 0; i < LISTS; i++)
    fixture_pair(&f.main);
  ck_assert(mm_cycle_marks(f.heap));
  ck_assert_uint_eq(full_pauses(), 0);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* With tenured=freelist: by an eighth, even if young objects may have it all.
 */
START_TEST(a_heap_exceeds_its_limit_by_little)
{
  open_heap(_i + FIXTURE_PLAN_YOUNG + 1, 32 * FIXTURE_MIB);
  struct mm_sizing *sizing = &f.heap->sizing;
  sizing->limit_regions = 16;
  sizing->budget_bytes = 0;
  fixture_start_cycle(&f);
  ck_assert_uint_eq(sizing->young_regions, f.heap->regions.used + 2 + 1);
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

/* Room for one region, where useful are three. */
START_TEST(the_smallest_room_is_enough_while_a_cycle_runs)
{
  open_heap(FIXTURE_PLAN_YOUNG, FIXTURE_MIB);
  fixture_start_cycle(&f);
  while (f.heap->regions.used < 150) {
    f.heap->sizing.young_regions = f.heap->sizing.max_regions;
    fixture_nonmoving(&f.main, FIXTURE_BYTES, FIXTURE_REGION_BYTES / 3);
  }
  leave_regions(4 + 2);
  ck_assert(mm_sizing_has_young_room(f.heap));
  leave_regions(4 + 1);
  ck_assert(!mm_sizing_has_young_room(f.heap));
  fixture_hold(&f, MM_CYCLE_IDLE);
}
END_TEST

#define ADD(tests, test, count) tcase_add_loop_test(tests, test, 0, count)

int main(void)
{
  enum { GENERATIONS = 2, YOUNG_PLANS = FIXTURE_PLANS - FIXTURE_PLAN_YOUNG };
  TCase *starts = tcase_create("starts"), *room = tcase_create("room"),
        *rests = tcase_create("rests");
  tcase_add_checked_fixture(starts, NULL, teardown);
  ADD(starts, a_cycle_starts_early_enough_for_its_walk, GENERATIONS);
  ADD(starts, a_walk_that_was_never_seen_takes_as_long_as_marking, GENERATIONS);
  ADD(starts, with_fixed_objects_room_is_given_back_without_a_walk,
      GENERATIONS);
  ADD(starts, a_walk_is_timed, GENERATIONS);
  ADD(starts, a_cycle_over_an_empty_heap_teaches_nothing, FIXTURE_PLANS);
  tcase_add_checked_fixture(rests, NULL, teardown);
  tcase_add_test(rests, mixed_pauses_are_spread_over_the_time_that_there_is);
  tcase_add_test(rests,
                 some_of_what_candidates_give_back_is_kept_for_the_next_cycle);
  tcase_add_test(rests, no_more_is_kept_for_the_next_cycle_than_it_takes);
  tcase_add_test(rests, only_what_is_small_waits_for_candidates);
  tcase_add_test(rests,
                 pauses_that_cannot_catch_up_leave_the_program_ever_less_time);
  ADD(rests, candidates_get_a_part_of_the_goal, GENERATIONS);
  tcase_add_test(rests, candidates_for_which_there_is_no_time_are_put_off_once);
  tcase_add_checked_fixture(room, NULL, teardown);
  tcase_add_test(room, candidates_are_evacuated_when_there_is_no_other_room);
  tcase_add_test(room, candidates_are_not_forgotten_for_the_next_cycle);
  tcase_add_test(room, no_more_candidates_are_taken_than_there_is_room_for);
  tcase_add_test(room, young_objects_leave_room_for_candidates);
  ADD(room, a_heap_exceeds_its_limit_by_little, YOUNG_PLANS - 1);
  tcase_add_test(room, the_smallest_room_is_enough_while_a_cycle_runs);
  ADD(room, a_program_goes_on_beyond_the_limit_while_a_cycle_runs, YOUNG_PLANS);
  return fixture_main("mm_sizing", (TCase *[]){starts, room, rests, NULL});
}
