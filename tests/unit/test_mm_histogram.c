/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pause histogram, held against sorted data: what it says may lie at most
 * one bucket, 1/32 of the value, above the truth.
 */
#include "config.h"

#include "mm/stat/histogram.h"

#include <stdlib.h>

#include "tests/unit/mm_fixture.h"

enum { SAMPLES = 20000 };

static struct mm_histogram histogram;
static uint64_t samples[SAMPLES];

static void setup(void)
{
  mm_histogram_init(&histogram);
}

static int by_value(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* The smallest sample that is not below `percent` of all. */
static uint64_t exact_percentile(double percent)
{
  double rank = percent / 100 * SAMPLES;
  size_t index = (size_t)rank;
  if ((double)index < rank)
    index++;
  return samples[index ? index - 1 : 0];
}

static void check_percentile(double percent)
{
  uint64_t truth = exact_percentile(percent);
  uint64_t said = mm_histogram_percentile(&histogram, percent);
  ck_assert_msg(said >= truth && said <= truth + truth / 32,
                "p%g is %llu, the histogram says %llu", percent,
                (unsigned long long)truth, (unsigned long long)said);
}

static void add_all(void)
{
  for (size_t i = 0; i < SAMPLES; i++)
    mm_histogram_add(&histogram, samples[i]);
  qsort(samples, SAMPLES, sizeof *samples, by_value);
}

START_TEST(an_empty_histogram_answers_zero)
{
  ck_assert_uint_eq(mm_histogram_percentile(&histogram, 50), 0);
  ck_assert_uint_eq(mm_histogram_mean(&histogram), 0);
  ck_assert(mm_histogram_check(&histogram));
}
END_TEST

START_TEST(one_value_is_every_percentile)
{
  mm_histogram_add(&histogram, 123456789);
  for (double percent = 0; percent <= 100; percent += 12.5)
    ck_assert_uint_eq(mm_histogram_percentile(&histogram, percent), 123456789);
}
END_TEST

START_TEST(small_values_are_exact)
{
  for (uint64_t ns = 0; ns < 64; ns++) {
    mm_histogram_init(&histogram);
    mm_histogram_add(&histogram, ns);
    mm_histogram_add(&histogram, 1000);
    ck_assert_uint_eq(mm_histogram_percentile(&histogram, 50), ns);
  }
}
END_TEST

START_TEST(borders_of_powers_of_two_fall_into_buckets_in_order)
{
  for (unsigned bit = 1; bit < 64; bit++)
    for (int off = -1; off <= 1; off++) {
      uint64_t ns = ((uint64_t)1 << bit) + (uint64_t)(int64_t)off;
      mm_histogram_init(&histogram);
      mm_histogram_add(&histogram, ns);
      mm_histogram_add(&histogram, UINT64_MAX);
      uint64_t said = mm_histogram_percentile(&histogram, 50);
      ck_assert_uint_ge(said, ns);
      ck_assert_uint_le(said - ns, ns / 32);
    }
}
END_TEST

START_TEST(percentiles_of_log_uniform_samples_match_the_sorted_samples)
{
  uint64_t seed = 42 + (uint64_t)_i;
  for (size_t i = 0; i < SAMPLES; i++) {
    uint64_t bits = fixture_random(&seed);
    samples[i] = fixture_random(&seed) >> (20 + bits % 40);
  }
  add_all();
  static const double percents[] = {0, 1, 10, 50, 90, 95, 99, 99.9, 100};
  for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
    check_percentile(percents[i]);
  ck_assert(mm_histogram_check(&histogram));
}
END_TEST

START_TEST(count_total_least_and_greatest_are_exact)
{
  uint64_t seed = 7, total = 0;
  for (size_t i = 0; i < SAMPLES; i++)
    total += samples[i] = fixture_random(&seed) >> 30;
  add_all();
  ck_assert_uint_eq(histogram.count, SAMPLES);
  ck_assert_uint_eq(histogram.total_ns, total);
  ck_assert_uint_eq(histogram.min_ns, samples[0]);
  ck_assert_uint_eq(histogram.max_ns, samples[SAMPLES - 1]);
  ck_assert_uint_eq(mm_histogram_percentile(&histogram, 100),
                    samples[SAMPLES - 1]);
  ck_assert_uint_eq(mm_histogram_mean(&histogram), total / SAMPLES);
}
END_TEST

START_TEST(merged_histograms_equal_one_that_took_all)
{
  static struct mm_histogram odd, even;
  mm_histogram_init(&odd);
  mm_histogram_init(&even);
  uint64_t seed = 3;
  for (int i = 0; i < 1000; i++) {
    uint64_t ns = fixture_random(&seed) >> 40;
    mm_histogram_add(i % 2 ? &odd : &even, ns);
    mm_histogram_add(&histogram, ns);
  }
  mm_histogram_merge(&odd, &even);
  ck_assert_mem_eq(&odd, &histogram, sizeof odd);
}
END_TEST

START_TEST(merging_an_empty_histogram_changes_nothing)
{
  static struct mm_histogram empty, before;
  mm_histogram_init(&empty);
  mm_histogram_add(&histogram, 17);
  before = histogram;
  mm_histogram_merge(&histogram, &empty);
  ck_assert_mem_eq(&before, &histogram, sizeof before);
}
END_TEST

START_TEST(the_check_finds_a_bucket_that_does_not_add_up)
{
  mm_histogram_add(&histogram, 5);
  histogram.buckets[9]++;
  ck_assert(!mm_histogram_check(&histogram));
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("histogram");
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, an_empty_histogram_answers_zero);
  tcase_add_test(tests, one_value_is_every_percentile);
  tcase_add_test(tests, small_values_are_exact);
  tcase_add_test(tests, borders_of_powers_of_two_fall_into_buckets_in_order);
  tcase_add_loop_test(
      tests, percentiles_of_log_uniform_samples_match_the_sorted_samples, 0, 5);
  tcase_add_test(tests, count_total_least_and_greatest_are_exact);
  tcase_add_test(tests, merged_histograms_equal_one_that_took_all);
  tcase_add_test(tests, merging_an_empty_histogram_changes_nothing);
  tcase_add_test(tests, the_check_finds_a_bucket_that_does_not_add_up);
  return fixture_main("mm_histogram", (TCase *[]){tests, NULL});
}
