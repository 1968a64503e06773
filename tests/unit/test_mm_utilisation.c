/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum mutator utilisation of pauses that are made up: the least share that
 * any window left to the mutators, held against a slow search over all windows.
 */
#include "config.h"

#include <string.h>

#include "mm/stat/utilisation_internal.h"
#include "tests/unit/mm_fixture.h"

#define US UINT64_C(1000)
#define MS (1000 * US)

enum { PAUSES_MOST = 400 };

static struct mm_utilisation utilisation;

static void setup(void)
{
  mm_utilisation_init(&utilisation);
}

static void add(uint64_t begin_ns, uint64_t end_ns)
{
  mm_utilisation_add(&utilisation, begin_ns, end_ns);
  fixture_require(mm_utilisation_check(&utilisation));
}

static void check_shares(uint64_t one, uint64_t ten, uint64_t hundred)
{
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_1_MS), one);
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_10_MS), ten);
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_100_MS),
                    hundred);
}

START_TEST(without_a_pause_all_time_is_the_mutators)
{
  check_shares(100000, 100000, 100000);
}
END_TEST

START_TEST(one_pause_takes_its_share_of_each_window)
{
  add(500 * MS, 500 * MS + 200 * US);
  check_shares(80000, 98000, 99800);
}
END_TEST

START_TEST(a_pause_longer_than_a_window_leaves_nothing_of_it)
{
  add(500 * MS, 525 * MS);
  check_shares(0, 0, 75000);
  add(800 * MS, 1200 * MS);
  check_shares(0, 0, 0);
}
END_TEST

START_TEST(a_pause_as_long_as_a_window_leaves_nothing_of_it)
{
  add(7 * MS, 8 * MS);
  check_shares(0, 90000, 99000);
}
END_TEST

START_TEST(pauses_back_to_back_count_as_one)
{
  add(100 * MS, 100 * MS + 300 * US);
  add(100 * MS + 300 * US, 100 * MS + 600 * US);
  check_shares(40000, 94000, 99400);
}
END_TEST

START_TEST(pauses_far_apart_do_not_add_up)
{
  for (uint64_t i = 1; i <= 20; i++)
    add(i * 200 * MS, i * 200 * MS + 500 * US);
  check_shares(50000, 95000, 99500);
}
END_TEST

START_TEST(a_cluster_of_pauses_counts_where_it_fits_a_window)
{
  /* Three of 1 ms, 3 ms from start to start: all in 10 ms. */
  for (uint64_t i = 0; i < 3; i++)
    add(50 * MS + i * 3 * MS, 51 * MS + i * 3 * MS);
  check_shares(0, 70000, 97000);
  /* A good time later, one; the worst window is the one before. */
  add(300 * MS, 301 * MS);
  check_shares(0, 70000, 97000);
}
END_TEST

START_TEST(a_window_may_begin_inside_a_pause)
{
  add(100 * MS, 108 * MS);
  add(113 * MS, 114 * MS); /* [104, 114] has 4 + 1 */
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_10_MS), 20000);
  add(114 * MS + 500 * US, 120 * MS); /* [110, 120] has 1 + 5.5 */
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_10_MS), 20000);
  add(121 * MS, 123 * MS); /* [113, 123] has 1 + 5.5 + 2 */
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_10_MS), 15000);
}
END_TEST

START_TEST(time_before_the_first_pause_is_the_mutators)
{
  add(10 * US, 110 * US);
  check_shares(90000, 99000, 99900);
}
END_TEST

START_TEST(what_overlaps_or_is_empty_counts_once)
{
  add(10 * MS, 10 * MS + 400 * US);
  add(10 * MS + 200 * US, 10 * MS + 600 * US);
  add(10 * MS + 600 * US, 10 * MS + 600 * US);
  add(10 * MS + 100 * US, 10 * MS + 300 * US);
  check_shares(40000, 94000, 99400);
}
END_TEST

/* The slow search: windows that begin or end where pauses do. */
static uint64_t paused_in(const struct mm_span_ns *spans, size_t count,
                          uint64_t from, uint64_t to)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t begin = spans[i].begin_ns > from ? spans[i].begin_ns : from;
    uint64_t end = spans[i].end_ns < to ? spans[i].end_ns : to;
    sum += end > begin ? end - begin : 0;
  }
  return sum;
}

static uint64_t worst_of(const struct mm_span_ns *spans, size_t count,
                         uint64_t window)
{
  uint64_t worst = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t starts[] = {spans[i].begin_ns, spans[i].end_ns,
                               spans[i].begin_ns - window,
                               spans[i].end_ns - window};
    for (size_t j = 0; j < 4; j++) {
      uint64_t paused = paused_in(spans, count, starts[j], starts[j] + window);
      worst = paused > worst ? paused : worst;
    }
  }
  return worst;
}

START_TEST(random_pauses_have_the_share_that_a_slow_search_finds)
{
  struct mm_span_ns spans[PAUSES_MOST];
  uint64_t state = 88172645463325252u + (uint64_t)_i, at = 1000 * MS;
  for (size_t i = 0; i < PAUSES_MOST; i++) {
    uint64_t scale = _i % 2 ? 5 * MS : 300 * US;
    at += 1 + fixture_random(&state) % scale;
    spans[i].begin_ns = at;
    at += 1 + fixture_random(&state) % (scale / 4);
    spans[i].end_ns = at;
    add(spans[i].begin_ns, spans[i].end_ns);
  }
  for (int window = 0; window < MM_WINDOW_COUNT; window++)
    ck_assert_uint_eq(
        utilisation.worst_ns[window],
        worst_of(spans, PAUSES_MOST, mm_window_ns((enum mm_window)window)));
}
END_TEST

/* 10 us of each 50: 2000 in 100 ms, more than are remembered. */
START_TEST(too_many_pauses_to_remember_never_make_it_better)
{
  for (uint64_t i = 0; i < 5 * MM_SPANS_MOST; i++)
    add(100 * MS + i * 50 * US, 100 * MS + i * 50 * US + 10 * US);
  ck_assert_uint_le(utilisation.count, MM_SPANS_MOST);
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_1_MS), 80000);
  ck_assert_uint_eq(mm_utilisation_share(&utilisation, MM_WINDOW_10_MS), 80000);
  uint64_t longest = mm_utilisation_share(&utilisation, MM_WINDOW_100_MS);
  ck_assert_uint_le(longest, 80000);
  ck_assert_uint_gt(longest, 79000);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("utilisation");
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, without_a_pause_all_time_is_the_mutators);
  tcase_add_test(tests, one_pause_takes_its_share_of_each_window);
  tcase_add_test(tests, a_pause_longer_than_a_window_leaves_nothing_of_it);
  tcase_add_test(tests, a_pause_as_long_as_a_window_leaves_nothing_of_it);
  tcase_add_test(tests, pauses_back_to_back_count_as_one);
  tcase_add_test(tests, pauses_far_apart_do_not_add_up);
  tcase_add_test(tests, a_cluster_of_pauses_counts_where_it_fits_a_window);
  tcase_add_test(tests, a_window_may_begin_inside_a_pause);
  tcase_add_test(tests, time_before_the_first_pause_is_the_mutators);
  tcase_add_test(tests, what_overlaps_or_is_empty_counts_once);
  tcase_add_loop_test(
      tests, random_pauses_have_the_share_that_a_slow_search_finds, 0, 6);
  tcase_add_test(tests, too_many_pauses_to_remember_never_make_it_better);
  return fixture_main("mm_utilisation", (TCase *[]){tests, NULL});
}
