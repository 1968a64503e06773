/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of the log's lines, and the records of collections behind them.
   No heap is needed: the collector's calls are made by hand. */
#include "config.h"

#include <regex.h>
#include <string.h>

#include "mm/stat/stat_internal.h"
#include "tests/unit/mm_fixture.h"

#define STAMP "^\\[[0-9]+\\.[0-9]{3}s\\]"

static struct mm_stat stat;
static struct fixture_text text;

static void setup(void)
{
  fixture_text_open(&text);
  mm_stat_init(&stat, text.out, MM_LOG_INFO);
}

static void teardown(void)
{
  fixture_text_close(&text);
}

static bool matches(const char *line, const char *pattern)
{
  regex_t regex;
  ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE), 0);
  bool found = regexec(&regex, line, 0, NULL, 0) == 0;
  regfree(&regex);
  return found;
}

static void check_log(const char *pattern)
{
  const char *log = fixture_text_read(&text);
  ck_assert_msg(matches(log, pattern), "no /%s/ in:\n%s", pattern, log);
}

static void one_collection(enum mm_cause cause, bool forced,
                           uint64_t used_before, uint64_t used_after)
{
  struct mm_stat_heap before = {.used_bytes = used_before,
                                .committed_bytes = 128u << 20};
  struct mm_stat_heap after = {.used_bytes = used_after,
                               .committed_bytes = 128u << 20,
                               .live_bytes = used_after,
                               .live_objects = 10};
  mm_stat_stop_begin(&stat);
  mm_stat_collection_begin(&stat, cause, forced, &before);
  mm_stat_collection_kind(&stat, MM_COLLECTION_EVACUATE);
  mm_stat_phase_begin(&stat, MM_PHASE_EVACUATE);
  mm_stat_phase_end(&stat, MM_PHASE_EVACUATE);
  mm_stat_collection_end(&stat, &after);
}

static void allocate(uint64_t bytes)
{
  mm_stat_count(&stat, MM_COUNT_ALLOCATED_BYTES, bytes);
}

START_TEST(a_collection_writes_one_line_in_the_unified_shape)
{
  allocate(74u << 20);
  one_collection(MM_CAUSE_ALLOCATION, false, 74u << 20, 40u << 20);
  check_log(STAMP "\\[info\\]\\[gc\\] GC\\(0\\) Pause Full "
                  "\\(Allocation Failure\\) 74M->40M\\(128M\\) "
                  "[0-9]+\\.[0-9]{3}ms$");
  const char *log = fixture_text_read(&text);
  ck_assert_ptr_eq(strchr(log, '\n'), log + strlen(log) - 1);
}
END_TEST

START_TEST(collections_are_numbered_from_zero)
{
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  check_log("GC\\(0\\) ");
  check_log("GC\\(1\\) ");
}
END_TEST

START_TEST(each_cause_has_its_text)
{
  static const char *const texts[MM_CAUSE_COUNT] = {"\\(Allocation Failure\\)",
                                                    "\\(Explicit\\)",
                                                    "\\(Stress\\)",
                                                    "\\(Exit\\)",
                                                    "\\(Allocation Rate\\)",
                                                    "\\(Card Limit\\)",
                                                    "\\(Metadata Threshold\\)"};
  one_collection((enum mm_cause)_i, false, 0, 0);
  check_log(texts[_i]);
}
END_TEST

START_TEST(sizes_below_a_mebibyte_are_shown_in_kibibytes)
{
  char small[MM_LOG_SIZE_BYTES];
  ck_assert_str_eq(mm_log_size(0, small), "0K");
  ck_assert_str_eq(mm_log_size((1 << 20) - 1, small), "1023K");
  ck_assert_str_eq(mm_log_size(1 << 20, small), "1M");
  ck_assert_str_eq(mm_log_size(UINT64_MAX, small), "17592186044415M");
}
END_TEST

START_TEST(phases_are_logged_at_debug_and_not_at_info)
{
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  ck_assert(!matches(fixture_text_read(&text), "phases"));
  stat.log.level = MM_LOG_DEBUG;
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  check_log(STAMP "\\[debug\\]\\[gc,phases\\] GC\\(1\\) Evacuate "
                  "[0-9]+\\.[0-9]{3}ms$");
}
END_TEST

START_TEST(a_level_lets_through_itself_and_what_is_graver)
{
  stat.log.level = _i;
  for (int level = MM_LOG_ERROR; level < MM_LOG_LEVEL_COUNT; level++)
    mm_log_write(&stat.log, level, "gc", "line of %s",
                 mm_log_level_name(level));
  fixture_text_read(&text);
  for (int level = MM_LOG_ERROR; level < MM_LOG_LEVEL_COUNT; level++) {
    char line[64];
    snprintf(line, sizeof line, "\\[%s\\]\\[gc\\] line of %s$",
             mm_log_level_name(level), mm_log_level_name(level));
    ck_assert_int_eq(text.bytes > 0 && matches(text.text, line), level <= _i);
  }
}
END_TEST

START_TEST(no_stream_means_no_log)
{
  stat.log.out = NULL;
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  ck_assert_uint_eq(stat.collections, 1);
}
END_TEST

START_TEST(levels_are_found_by_name)
{
  for (int level = 0; level < MM_LOG_LEVEL_COUNT; level++) {
    int found = -1;
    ck_assert(mm_log_level_parse(mm_log_level_name(level), &found));
    ck_assert_int_eq(found, level);
  }
  int untouched = 77;
  ck_assert(!mm_log_level_parse("loud", &untouched));
  ck_assert_int_eq(untouched, 77);
  ck_assert_ptr_null(mm_log_level_name(MM_LOG_LEVEL_COUNT));
  ck_assert_ptr_null(mm_log_level_name(-1));
}
END_TEST

START_TEST(allocated_minus_freed_is_what_lives)
{
  uint64_t seed = 11 + (uint64_t)_i, live = 0;
  for (int i = 0; i < 100; i++) {
    uint64_t fresh = fixture_random(&seed) >> 40;
    allocate(fresh);
    live = (live + fresh) / 3;
    one_collection(MM_CAUSE_ALLOCATION, false, live, live);
    ck_assert_uint_eq(mm_stat_counter(&stat, MM_COUNT_ALLOCATED_BYTES) -
                          mm_stat_counter(&stat, MM_COUNT_FREED_BYTES),
                      live);
  }
}
END_TEST

START_TEST(forced_collections_are_counted_apart)
{
  one_collection(MM_CAUSE_STRESS, true, 0, 0);
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  one_collection(MM_CAUSE_STRESS, true, 0, 0);
  ck_assert_uint_eq(stat.collections, 3);
  ck_assert_uint_eq(stat.forced, 2);
  ck_assert_uint_eq(stat.by_cause[MM_CAUSE_STRESS], 2);
  ck_assert_uint_eq(stat.by_cause[MM_CAUSE_EXPLICIT], 1);
}
END_TEST

START_TEST(a_pause_and_its_stop_go_into_their_histograms)
{
  one_collection(MM_CAUSE_EXPLICIT, false, 0, 0);
  ck_assert_uint_eq(stat.pauses[MM_COLLECTION_EVACUATE].count, 1);
  ck_assert_uint_eq(stat.pauses[MM_COLLECTION_COMPACT].count, 0);
  ck_assert_uint_eq(stat.stops.count, 1);
  ck_assert_uint_eq(stat.pauses[MM_COLLECTION_EVACUATE].total_ns,
                    stat.current.pause_ns);
  ck_assert_uint_eq(stat.phases[MM_PHASE_EVACUATE].count, 1);
  ck_assert_uint_le(stat.phases[MM_PHASE_EVACUATE].total_ns,
                    stat.current.pause_ns);
}
END_TEST

START_TEST(the_peak_is_the_highest_use_ever_noted)
{
  one_collection(MM_CAUSE_EXPLICIT, false, 9000, 0);
  one_collection(MM_CAUSE_EXPLICIT, false, 7000, 0);
  ck_assert_uint_eq(stat.peak_used_bytes, 9000);
  mm_stat_note_used(&stat, 12000, 1);
  ck_assert_uint_eq(stat.peak_used_bytes, 12000);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("log");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_collection_writes_one_line_in_the_unified_shape);
  tcase_add_test(tests, collections_are_numbered_from_zero);
  tcase_add_loop_test(tests, each_cause_has_its_text, 0, MM_CAUSE_COUNT);
  tcase_add_test(tests, sizes_below_a_mebibyte_are_shown_in_kibibytes);
  tcase_add_test(tests, phases_are_logged_at_debug_and_not_at_info);
  tcase_add_loop_test(tests, a_level_lets_through_itself_and_what_is_graver,
                      MM_LOG_OFF, MM_LOG_LEVEL_COUNT);
  tcase_add_test(tests, no_stream_means_no_log);
  tcase_add_test(tests, levels_are_found_by_name);
  tcase_add_loop_test(tests, allocated_minus_freed_is_what_lives, 0, 4);
  tcase_add_test(tests, forced_collections_are_counted_apart);
  tcase_add_test(tests, a_pause_and_its_stop_go_into_their_histograms);
  tcase_add_test(tests, the_peak_is_the_highest_use_ever_noted);
  return fixture_main("mm_log", (TCase *[]){tests, NULL});
}
