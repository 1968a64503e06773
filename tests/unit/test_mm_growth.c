/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules by which a heap grows: the formula on made-up samples, and heaps of
 * all plans that keep to what the rule says.  _i is 2 * plan + rule.
 */
#include "config.h"

#include "mm/gc/sizing_internal.h"
#include "tests/unit/mm_fixture.h"

#define PER_SECOND ((uint64_t)1000000000)

enum {
  PRICE = 1000,
  PLANS = 2 * FIXTURE_PLANS, /* and the same with gc=concurrent */
  VARIANTS = 2 * PLANS,
  LARGE_BYTES = 300000, /* an object that takes two regions */
  LARGE_REGIONS = 2,
};

/* ThreadSanitizer has nothing to see where one thread is alone, as without
   cycles it is here. */
#ifdef BAMBOO_TSAN
enum { FIRST_PLAN = FIXTURE_PLANS };
#else
enum { FIRST_PLAN = 0 };
#endif
enum { FIRST_VARIANT = 2 * FIRST_PLAN };

static struct fixture f;

/* The formula --------------------------------------------------------------
 */

/* A program with 16 MiB alive that allocates 100 MiB in a second, and a
   collector that takes 80 ms for them. */
static struct mm_growth_sample usual_sample(void)
{
  return (struct mm_growth_sample){
      .program_ns = PER_SECOND,
      .allocated_bytes = 100 * FIXTURE_MIB,
      .filled_bytes = 100 * FIXTURE_MIB,
      .live_bytes = 16 * FIXTURE_MIB,
      .collection_ns = 80 * PER_SECOND / 1000,
      .young_count = 20,
      .young_ns = 20 * PER_SECOND / 1000,
  };
}

static struct mm_growth_sample busy_sample(void)
{
  struct mm_growth_sample sample = usual_sample();
  sample.allocated_bytes *= 2;
  sample.filled_bytes *= 2;
  return sample;
}

/* What is learnt when everything is always like that. */
static struct mm_growth learnt(const struct mm_growth_sample *sample)
{
  struct mm_growth growth = {0};
  for (int i = 0; i < 10; i++)
    mm_growth_learn(&growth, sample);
  return growth;
}

static double extra_of(const struct mm_growth_sample *sample)
{
  struct mm_growth growth = learnt(sample);
  return (double)mm_growth_extra(&growth, sample->live_bytes, PRICE, false);
}

static void check_ratio(double found, double wanted)
{
  ck_assert_double_ge(found, wanted * 0.999);
  ck_assert_double_le(found, wanted * 1.001);
}

START_TEST(the_room_is_where_time_and_memory_cost_least_together)
{
  struct mm_growth_sample sample = usual_sample();
  double extra_mib = extra_of(&sample) / FIXTURE_MIB;
  /* share(E) + c E, E in MiB, for E itself and its neighbours. */
  double costs[3];
  for (int i = 0; i < 3; i++) {
    double mib = extra_mib * (0.95 + 0.05 * i);
    costs[i] = 0.080 * 100 / mib + mib * PRICE / 1e6;
  }
  ck_assert_double_lt(costs[1], costs[0]);
  ck_assert_double_lt(costs[1], costs[2]);
}
END_TEST

START_TEST(a_program_that_allocates_twice_as_fast_gets_root_two_of_the_room)
{
  struct mm_growth_sample usual = usual_sample(), busy = busy_sample();
  check_ratio(extra_of(&busy) / extra_of(&usual), 1.41421356);
}
END_TEST

START_TEST(four_times_as_much_alive_gets_twice_the_room)
{
  struct mm_growth_sample usual = usual_sample(), large = usual;
  large.live_bytes *= 4;
  large.collection_ns *= 4;
  check_ratio(extra_of(&large) / extra_of(&usual), 2);
}
END_TEST

START_TEST(a_collector_that_is_four_times_as_fast_needs_half_the_room)
{
  struct mm_growth_sample usual = usual_sample(), fast = usual;
  fast.collection_ns /= 4;
  check_ratio(extra_of(&fast) / extra_of(&usual), 0.5);
}
END_TEST

START_TEST(memory_at_four_times_the_price_is_half_as_much)
{
  struct mm_growth_sample usual = usual_sample();
  struct mm_growth growth = learnt(&usual);
  uint64_t cheap = mm_growth_extra(&growth, usual.live_bytes, PRICE, false);
  uint64_t dear = mm_growth_extra(&growth, usual.live_bytes, 4 * PRICE, false);
  check_ratio((double)dear / (double)cheap, 0.5);
}
END_TEST

/* Young collections of 1 ms at 200 MiB of E per second add 0.2 to the 8 of the
   full ones. */
START_TEST(young_collections_take_their_share_of_the_room)
{
  struct mm_growth_sample usual = usual_sample();
  struct mm_growth growth = learnt(&usual);
  double alone =
      (double)mm_growth_extra(&growth, usual.live_bytes, PRICE, false);
  double shared =
      (double)mm_growth_extra(&growth, usual.live_bytes, PRICE, true);
  check_ratio(shared * shared / (alone * alone), 8.2 / 8);
}
END_TEST

/* The root of the sum would be 16 GiB; the sum is 256. */
START_TEST(a_collector_never_takes_longer_than_the_program)
{
  struct mm_growth_sample large = usual_sample();
  large.live_bytes *= 1 << 15;
  large.collection_ns *= 1 << 15;
  check_ratio(extra_of(&large), (double)(8 * FIXTURE_MIB) * (1 << 15));
}
END_TEST

START_TEST(nothing_learnt_asks_for_no_room)
{
  static const struct mm_growth_sample nothing = {0};
  struct mm_growth growth = {0};
  ck_assert_uint_eq(mm_growth_extra(&growth, FIXTURE_MIB, PRICE, true), 0);
  mm_growth_learn(&growth, &nothing);
  ck_assert_uint_eq(mm_growth_extra(&growth, FIXTURE_MIB, PRICE, true), 0);
}
END_TEST

START_TEST(the_greatest_values_are_calculated_with)
{
  struct mm_growth_sample sample = {
      .program_ns = 1,
      .allocated_bytes = UINT64_MAX / 2,
      .filled_bytes = UINT64_MAX / 2,
      .live_bytes = 1,
      .collection_ns = 3600 * PER_SECOND,
  };
  struct mm_growth growth = learnt(&sample);
  ck_assert_uint_gt(mm_growth_extra(&growth, (uint64_t)1 << 35, 1, true),
                    (uint64_t)1 << 40);
  ck_assert_uint_lt(mm_growth_extra(&growth, UINT64_MAX, 1, true),
                    (uint64_t)1 << 60);
}
END_TEST

START_TEST(one_odd_sample_moves_the_room_less_than_it_says)
{
  struct mm_growth_sample usual = usual_sample(), busy = busy_sample();
  struct mm_growth growth = learnt(&usual);
  mm_growth_learn(&growth, &busy);
  double moved =
      (double)mm_growth_extra(&growth, usual.live_bytes, PRICE, false);
  double ratio = moved / extra_of(&usual);
  ck_assert_double_gt(ratio, 1.1);
  ck_assert_double_lt(ratio, 1.3);
}
END_TEST

START_TEST(a_lasting_change_is_followed_in_a_few_collections)
{
  struct mm_growth_sample usual = usual_sample(), busy = busy_sample();
  struct mm_growth growth = learnt(&usual);
  for (int i = 0; i < 4; i++)
    mm_growth_learn(&growth, &busy);
  double moved =
      (double)mm_growth_extra(&growth, usual.live_bytes, PRICE, false);
  ck_assert_double_gt(moved / extra_of(&busy), 0.97);
}
END_TEST

/* Heaps --------------------------------------------------------------------
 */

static void open_heap(int variant)
{
  struct mm_options options = fixture_options();
  int plan = variant / 2;
  options.growth = variant % 2 ? MM_GROWTH_BALANCE : MM_GROWTH_PERCENT;
  options.growth_percent = 200;
  options.heap_max_bytes = 32 * FIXTURE_MIB;
  options.heap_min_bytes = 2 * FIXTURE_MIB;
  options.verify = 0; /* its time would count */
  if (plan >= FIXTURE_PLANS) {
    options.gc = MM_GC_CONCURRENT;
    plan -= FIXTURE_PLANS;
  }
  fixture_choose_plan(&options, plan);
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

static void check_limit(void)
{
  const struct mm_sizing *sizing = &f.heap->sizing;
  fixture_require(sizing->limit_regions >= sizing->min_regions);
  fixture_require(sizing->limit_regions <= sizing->max_regions);
}

static void make_garbage(uint32_t count)
{
  for (uint32_t i = 0; i < count; i++)
    fixture_pair(&f.main);
}

static void collect(void)
{
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
}

START_TEST(the_limit_stays_between_the_least_and_the_most)
{
  open_heap(_i);
  const struct mm_sizing *sizing = &f.heap->sizing;
  collect();
  check_limit();
  ck_assert_uint_le(sizing->limit_regions, sizing->max_regions / 2);
  fixture_push_list(&f.main, 700000); /* 16 MiB, of 32 */
  collect();
  check_limit();
  make_garbage(500000);
  check_limit();
  fixture_check_list(fixture_at(&f.main, 0), 700000);
}
END_TEST

START_TEST(there_is_room_above_what_lives_and_what_is_kept_free)
{
  open_heap(_i);
  fixture_push_list(&f.main, 200000); /* 4.6 MiB */
  for (int i = 0; i < 5; i++) {
    make_garbage(100000);
    collect();
    const struct mm_sizing *sizing = &f.heap->sizing;
    uint64_t live_bytes = f.heap->stat.live_then_bytes;
    uint64_t live = live_bytes / FIXTURE_REGION_BYTES;
    ck_assert_uint_gt(sizing->limit_regions, live + sizing->reserve_regions);
    ck_assert_uint_gt(mm_sizing_allocation_limit(f.heap), live);
  }
}
END_TEST

START_TEST(a_percentage_is_kept_to_whatever_the_times_are)
{
  open_heap(2 * _i);
  fixture_push_list(&f.main, 200000);
  collect();
  uint64_t live = f.heap->regions.used;
  if (f.heap->options.tenured == MM_TENURED_FREELIST ||
      f.heap->options.gc == MM_GC_CONCURRENT)
    live = (f.heap->stat.live_then_bytes - 1) / FIXTURE_REGION_BYTES + 1;
  ck_assert_uint_eq(f.heap->sizing.limit_regions, 2 * live + 1);
}
END_TEST

START_TEST(a_heap_shrinks_with_what_lives_and_gives_memory_back)
{
  open_heap(_i);
  fixture_push_list(&f.main, 700000);
  collect();
  uint32_t limit = f.heap->sizing.limit_regions;
  uint64_t full = fixture_resident_bytes(&f);
  ck_assert_uint_ge(full, 16 * FIXTURE_MIB);
  fixture_pop(&f.main, 1);
  for (int i = 0; i < 30; i++)
    collect();
  ck_assert_uint_lt(f.heap->sizing.limit_regions, limit / 2);
  ck_assert_uint_lt(fixture_resident_bytes(&f), full / 2);
  ck_assert_uint_le(f.heap->regions.committed, limit / 2);
}
END_TEST

/* While a cycle is under way, regions may be taken beyond the limit. */
static uint32_t soft_limit(void)
{
  return f.heap->options.gc == MM_GC_CONCURRENT ? f.heap->sizing.max_regions
                                                : f.heap->sizing.limit_regions;
}

/* Large objects alone: each counts for all the regions that it takes, and the
   program is collected as one with small objects of that size would be. */
START_TEST(large_objects_alone_keep_to_the_limit)
{
  enum { COUNT = 1000, KEPT = 4 };
  open_heap(_i);
  for (int i = 0; i < KEPT; i++)
    fixture_push(&f.main, MM_NULL);
  for (int i = 0; i < COUNT; i++) {
    struct mm_ref ref = fixture_new(&f.main, FIXTURE_BYTES, LARGE_BYTES);
    fixture_put(&f.main, (size_t)(i % KEPT), ref);
    uint32_t used = f.heap->regions.used;
    fixture_require(used <= soft_limit() + LARGE_REGIONS);
  }
  uint64_t most = COUNT * LARGE_REGIONS; /* regions, were none collected */
  ck_assert_uint_ge(mm_collections(f.heap),
                    most / (f.heap->sizing.max_regions + 1));
}
END_TEST

/* The clock is one, so what is learnt adds up: time of the program and of
   collections is no more than all there was. */
START_TEST(times_that_are_learnt_are_times_that_passed)
{
  open_heap(2 * _i + 1);
  fixture_push_list(&f.main, 100000);
  make_garbage(500000);
  collect();
  const struct mm_growth *growth = &f.heap->sizing.growth;
  uint64_t passed = mm_stat_now_ns() - f.heap->stat.start_ns;
  ck_assert_uint_gt(growth->last.program_ns, 0);
  ck_assert_uint_gt(growth->last.collection_ns, 0);
  ck_assert_uint_lt(growth->last.program_ns, passed);
  ck_assert_uint_gt(growth->collection.amount, 0);
  ck_assert_uint_eq(growth->last.allocated_bytes,
                    mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES));
}
END_TEST

static void add_formula(TCase *tests)
{
  tcase_add_test(tests, the_room_is_where_time_and_memory_cost_least_together);
  tcase_add_test(
      tests, a_program_that_allocates_twice_as_fast_gets_root_two_of_the_room);
  tcase_add_test(tests, four_times_as_much_alive_gets_twice_the_room);
  tcase_add_test(tests,
                 a_collector_that_is_four_times_as_fast_needs_half_the_room);
  tcase_add_test(tests, memory_at_four_times_the_price_is_half_as_much);
  tcase_add_test(tests, young_collections_take_their_share_of_the_room);
  tcase_add_test(tests, a_collector_never_takes_longer_than_the_program);
  tcase_add_test(tests, nothing_learnt_asks_for_no_room);
  tcase_add_test(tests, the_greatest_values_are_calculated_with);
  tcase_add_test(tests, one_odd_sample_moves_the_room_less_than_it_says);
  tcase_add_test(tests, a_lasting_change_is_followed_in_a_few_collections);
}

int main(void)
{
  TCase *formula = tcase_create("formula"), *heaps = tcase_create("heaps");
  add_formula(formula);
  tcase_add_checked_fixture(heaps, NULL, teardown);
  tcase_add_loop_test(heaps, the_limit_stays_between_the_least_and_the_most,
                      FIRST_VARIANT, VARIANTS);
  tcase_add_loop_test(heaps,
                      there_is_room_above_what_lives_and_what_is_kept_free,
                      FIRST_VARIANT, VARIANTS);
  tcase_add_loop_test(heaps, a_percentage_is_kept_to_whatever_the_times_are,
                      FIRST_PLAN, PLANS);
  tcase_add_loop_test(heaps,
                      a_heap_shrinks_with_what_lives_and_gives_memory_back,
                      FIRST_VARIANT, VARIANTS);
  tcase_add_loop_test(heaps, large_objects_alone_keep_to_the_limit,
                      FIRST_VARIANT, VARIANTS);
  tcase_add_loop_test(heaps, times_that_are_learnt_are_times_that_passed,
                      FIRST_PLAN, PLANS);
  return fixture_main("mm_growth", (TCase *[]){formula, heaps, NULL});
}
