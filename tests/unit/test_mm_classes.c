/* SPDX-License-Identifier: Apache-2.0 */
/* Size classes: which slot size serves a request. */
#include "config.h"

#include "mm/alloc/classes_internal.h"
#include "tests/unit/mm_fixture.h"

enum { GRANULES = MM_CLASS_GRANULES_MOST };

static struct mm_classes classes;

/* Granules of 8, 16 and 32 bytes. */
static uint32_t granule_log2(int i)
{
  return (uint32_t)i + 3;
}

static void init_plain(int i)
{
  uint32_t granule = 1u << granule_log2(i);
  ck_assert(mm_classes_init(&classes, granule_log2(i), granule,
                            GRANULES * granule, NULL, 0));
}

static bool has_class(uint32_t bytes)
{
  for (uint32_t i = 0; i < classes.count; i++)
    if (classes.bytes[i] == bytes)
      return true;
  return false;
}

START_TEST(each_request_gets_the_smallest_class_that_holds_it)
{
  init_plain(_i);
  for (uint32_t bytes = 1; bytes <= classes.most_bytes; bytes++) {
    uint32_t i = mm_class_of(&classes, bytes);
    fixture_require(i < classes.count);
    fixture_require(classes.bytes[i] >= bytes);
    fixture_require(i == 0 || classes.bytes[i - 1] < bytes);
  }
}
END_TEST

/* Beyond what rounding to a granule takes, which no table can save. */
START_TEST(a_slot_wastes_at_most_an_eighth)
{
  init_plain(_i);
  uint32_t granule = 1u << granule_log2(_i);
  for (uint32_t bytes = granule; bytes <= classes.most_bytes;
       bytes += granule) {
    uint32_t slot = classes.bytes[mm_class_of(&classes, bytes)];
    fixture_require((slot - bytes) * 8 <= slot);
  }
}
END_TEST

START_TEST(classes_ascend_in_whole_granules_up_to_the_most)
{
  init_plain(_i);
  uint32_t granule = 1u << granule_log2(_i);
  ck_assert_uint_eq(classes.bytes[0], granule);
  for (uint32_t i = 0; i < classes.count; i++) {
    ck_assert_uint_eq(classes.bytes[i] % granule, 0);
    if (i > 0)
      ck_assert_uint_gt(classes.bytes[i], classes.bytes[i - 1]);
  }
  ck_assert_uint_eq(classes.most_bytes, GRANULES * granule);
  ck_assert_uint_eq(classes.bytes[classes.count - 1], classes.most_bytes);
}
END_TEST

START_TEST(a_most_that_is_no_power_of_two_is_a_class)
{
  ck_assert(mm_classes_init(&classes, 4, 16, 1008, NULL, 0));
  ck_assert_uint_eq(classes.most_bytes, 1008);
  ck_assert_uint_eq(classes.bytes[mm_class_of(&classes, 1008)], 1008);
  ck_assert_uint_eq(classes.bytes[classes.count - 1], 1008);
}
END_TEST

START_TEST(a_request_of_nothing_gets_the_smallest_class)
{
  init_plain(1);
  ck_assert_uint_eq(mm_class_of(&classes, 0), 0);
}
END_TEST

START_TEST(an_extra_size_is_rounded_to_granules_and_fits_exactly)
{
  static const uint32_t extra[] = {1250, 600, 601};
  ck_assert(mm_classes_init(&classes, 4, 16, 2048, extra, 3));
  ck_assert_uint_eq(classes.bytes[mm_class_of(&classes, 1250)], 1264);
  ck_assert_uint_eq(classes.bytes[mm_class_of(&classes, 600)], 608);
  ck_assert_uint_eq(classes.bytes[mm_class_of(&classes, 1265)], 1280);
  for (uint32_t i = 1; i < classes.count; i++)
    ck_assert_uint_gt(classes.bytes[i], classes.bytes[i - 1]);
}
END_TEST

START_TEST(extra_sizes_that_are_there_or_too_large_or_nothing_are_passed_over)
{
  static const uint32_t extra[] = {16, 2048, 2049, 0, UINT32_MAX, 1000000};
  ck_assert(mm_classes_init(&classes, 4, 16, 2048, NULL, 0));
  uint32_t count = classes.count;
  ck_assert(mm_classes_init(&classes, 4, 16, 2048, extra, 6));
  ck_assert_uint_eq(classes.count, count);
  ck_assert(!has_class(0));
}
END_TEST

START_TEST(more_classes_than_the_table_holds_are_refused)
{
  uint32_t extra[GRANULES];
  for (uint32_t i = 0; i < GRANULES; i++)
    extra[i] = (i + 1) * 16;
  ck_assert(!mm_classes_init(&classes, 4, 16, GRANULES * 16, extra, GRANULES));
  ck_assert(
      mm_classes_init(&classes, 4, 16, MM_CLASSES_MOST * 16, extra, GRANULES));
  ck_assert_uint_eq(classes.count, MM_CLASSES_MOST);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("size classes");
  tcase_add_loop_test(tests, each_request_gets_the_smallest_class_that_holds_it,
                      0, 3);
  tcase_add_loop_test(tests, a_slot_wastes_at_most_an_eighth, 0, 3);
  tcase_add_loop_test(tests, classes_ascend_in_whole_granules_up_to_the_most, 0,
                      3);
  tcase_add_test(tests, a_most_that_is_no_power_of_two_is_a_class);
  tcase_add_test(tests, a_request_of_nothing_gets_the_smallest_class);
  tcase_add_test(tests, an_extra_size_is_rounded_to_granules_and_fits_exactly);
  tcase_add_test(
      tests,
      extra_sizes_that_are_there_or_too_large_or_nothing_are_passed_over);
  tcase_add_test(tests, more_classes_than_the_table_holds_are_refused);
  return fixture_main("mm_classes", (TCase *[]){tests, NULL});
}
