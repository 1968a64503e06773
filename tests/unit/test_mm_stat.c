/* SPDX-License-Identifier: Apache-2.0 */
/* The summary of --stats: what it says, as text and as JSON. */
#include "config.h"

#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum {
  LABEL_COLUMNS = 34,
  LATE_US = 200000, /* longer than a thread alone takes, on a busy machine */
};

static struct fixture f;
static struct fixture_text text, json;
static uint64_t rounds; /* atomic; of the other thread */
static uint64_t leaves; /* numbers that the JSON reader saw */

static void setup(void)
{
  struct mm_options options = fixture_options();
  fixture_open(&f, &options);
  fixture_text_open(&text);
  fixture_text_open(&json);
  leaves = 0;
  rounds = 0;
}

static void teardown(void)
{
  fixture_text_close(&text);
  fixture_text_close(&json);
  fixture_close(&f);
}

static void work(void)
{
  fixture_push_list(&f.main, 50000);
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 500000));
  for (int kind = 0; kind < 4; kind++) {
    fixture_collect(&f, (enum mm_collection_kind)(kind % 2));
  }
}

static void print(void)
{
  mm_stats_print_text(f.heap, text.out);
  mm_stats_print_json(f.heap, json.out);
  fixture_text_read(&text);
  fixture_text_read(&json);
}

/* A JSON reader that knows objects of numbers, texts and objects.
 * ----------------- */

static const char *skip(const char *at, char wanted)
{
  while (isspace((unsigned char)*at))
    at++;
  ck_assert_msg(*at == wanted, "'%c' wanted at: %.40s", wanted, at);
  return at + 1;
}

static const char *read_object(const char *at);

static const char *read_value(const char *at)
{
  while (isspace((unsigned char)*at))
    at++;
  if (*at == '{')
    return read_object(at);
  if (*at == '"')
    return skip(strchr(at + 1, '"'), '"');
  char *end;
  strtod(at, &end);
  ck_assert_msg(end != at, "a number wanted at: %.40s", at);
  leaves++;
  return end;
}

static const char *read_object(const char *at)
{
  at = skip(at, '{');
  for (;;) {
    at = skip(at, '"');
    const char *key = at;
    while (islower((unsigned char)*at) || isdigit((unsigned char)*at) ||
           *at == '_')
      at++;
    ck_assert_msg(at != key, "a key wanted at: %.40s", at);
    at = read_value(skip(skip(at, '"'), ':'));
    if (*at != ',')
      return skip(at, '}');
    at++;
  }
}

/* The number under "group", "key"; and "row" between them when not null. */
static double number(const char *group, const char *row, const char *key)
{
  char name[80];
  snprintf(name, sizeof name, "\"%s\": {", group);
  const char *at = strstr(json.text, name);
  ck_assert_msg(at, "no group %s", group);
  if (row) {
    snprintf(name, sizeof name, "\"%s\": {", row);
    at = strstr(at, name);
    ck_assert_msg(at, "no row %s", row);
  }
  snprintf(name, sizeof name, "\"%s\": ", key);
  at = strstr(at, name);
  ck_assert_msg(at, "no key %s", key);
  return strtod(at + strlen(name), NULL);
}

static uint64_t numbers_of_line(const char *line, size_t length)
{
  uint64_t count = 0;
  for (size_t i = LABEL_COLUMNS; i < length; i++)
    count += isdigit((unsigned char)line[i]) && line[i - 1] == ' ';
  return count;
}

START_TEST(the_json_summary_is_json)
{
  work();
  print();
  const char *rest = read_object(json.text);
  ck_assert_str_eq(rest, "\n");
}
END_TEST

START_TEST(text_and_json_have_the_same_numbers)
{
  work();
  print();
  read_object(json.text);
  uint64_t numbers = 0;
  for (const char *line = text.text; *line;) {
    const char *end = strchr(line, '\n');
    if (line[0] == ' ')
      numbers += numbers_of_line(line, (size_t)(end - line));
    line = end + 1;
  }
  ck_assert_uint_gt(numbers, 80);
  ck_assert_uint_eq(numbers, leaves);
}
END_TEST

START_TEST(the_summary_tells_what_happened)
{
  work();
  print();
  ck_assert(number("collections", NULL, "all") == 4);
  ck_assert(number("collections", NULL, "evacuate") == 2);
  ck_assert(number("collections", NULL, "compact") == 2);
  ck_assert(number("collections", NULL, "cause_explicit") == 4);
  ck_assert(number("collections", NULL, "forced") == 0);
  ck_assert(number("pauses", "evacuate", "count") == 2);
  ck_assert(number("pauses", "all", "count") == 4);
  ck_assert(number("pauses", "all", "max_ns") > 0);
  ck_assert(number("pauses", "stop", "count") == 4);
  ck_assert(number("phases", "mark", "count") == 2);
  ck_assert(number("phases", "evacuate", "count") == 2);
  ck_assert(number("counters", NULL, "large_allocated") == 1);
  ck_assert(number("counters", NULL, "tlab_refills") > 0);
  ck_assert(number("regions", NULL, "large") == 1);
  ck_assert(number("heap", NULL, "max_bytes") == 32 * FIXTURE_MIB);
  ck_assert(number("heap", NULL, "live_objects") == 50001);
}
END_TEST

START_TEST(the_numbers_of_the_summary_agree_with_each_other)
{
  work();
  print();
  struct fixture_census census = fixture_census(&f);
  double alive = number("counters", NULL, "allocated_bytes") -
                 number("counters", NULL, "freed_bytes");
  ck_assert(alive == (double)census.bytes);
  ck_assert(number("heap", NULL, "live_bytes") == (double)census.bytes);
  ck_assert(number("pauses", "all", "total_ns") ==
            number("time", NULL, "paused_ns"));
  ck_assert(number("pauses", "processor", "count") ==
            number("pauses", "all", "count"));
  ck_assert(number("pauses", "processor", "total_ns") > 0);
  ck_assert(number("heap", NULL, "used_bytes") <=
            number("heap", NULL, "peak_used_bytes"));
  ck_assert(number("heap", NULL, "peak_used_bytes") <=
            number("heap", NULL, "max_bytes"));
  double regions = 0, native = 0;
  static const char *const kinds[] = {"free",     "small", "slots",
                                      "freelist", "large", "large_tail"};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    regions += number("regions", NULL, kinds[i]);
  ck_assert(regions * FIXTURE_REGION_BYTES == 32 * FIXTURE_MIB);
  native = number("native", NULL, "all");
  ck_assert(native > number("native", NULL, "tables"));
  double shares = number("time", NULL, "gc_percent") +
                  number("time", NULL, "throughput_percent");
  ck_assert(shares > 99.99 && shares < 100.01);
}
END_TEST

/* What is copied is counted once per copy: a list of which all lives. */
START_TEST(copied_and_moved_objects_are_counted)
{
  fixture_push_list(&f.main, 1000);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_COPIED_OBJECTS),
                    1000);
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_COPIED_BYTES),
                    24000);
  f.heap->sizing.next_kind = MM_COLLECTION_COMPACT;
  fixture_put(&f.main, 0, fixture_get(fixture_at(&f.main, 0), FIXTURE_LEFT));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_eq(f.heap->stat.current.after.live_objects, 999);
  ck_assert_uint_le(mm_stat_counter(&f.heap->stat, MM_COUNT_SLID_OBJECTS), 999);
}
END_TEST

/* Another thread that goes round and round, and stops a while after it was
   asked to. */
static void *go_round(void *argument)
{
  struct fixture_thread thread;
  fixture_attach(&f, &thread);
  fixture_push(&thread, fixture_pair(&thread));
  fixture_push(&thread, fixture_pair(&thread));
  while (!__atomic_load_n((bool *)argument, __ATOMIC_ACQUIRE)) {
    if (mm_should_poll(&thread.mutator)) {
      usleep(LATE_US);
      mm_poll(&thread.mutator);
    }
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
  }
  fixture_pop(&thread, 2);
  fixture_detach(&thread);
  return NULL;
}

START_TEST(the_thread_that_stopped_last_is_told_with_its_place)
{
  bool done = false;
  pthread_t other;
  ck_assert_int_eq(pthread_create(&other, NULL, go_round, &done), 0);
  while (__atomic_load_n(&rounds, __ATOMIC_RELAXED) == 0)
    sched_yield();
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  const struct mm_stat_stop *stop = &f.heap->stat.longest_stop;
  ck_assert_uint_eq(stop->mutator, 2);
  ck_assert_str_eq(stop->place, "root 2");
  ck_assert_uint_ge(stop->ns, (uint64_t)LATE_US * 1000);
  ck_assert_uint_eq(f.heap->stat.stops.max_ns, stop->ns);
  __atomic_store_n(&done, true, __ATOMIC_RELEASE);
  mm_enter_native(&f.main.mutator);
  pthread_join(other, NULL);
  mm_leave_native(&f.main.mutator);
  uint64_t before = stop->ns;
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT); /* alone */
  ck_assert_uint_eq(f.heap->stat.last_stop.mutator, 0);
  ck_assert_uint_eq(stop->ns, before);
  print();
  ck_assert(number("longest_stop", NULL, "mutator") == 2);
  ck_assert(number("longest_stop", NULL, "ns") == (double)before);
  ck_assert_ptr_nonnull(strstr(json.text, "\"place\": \"root 2\""));
  ck_assert_ptr_nonnull(strstr(text.text, "  root 2\n"));
}
END_TEST

START_TEST(pauses_leave_the_program_less_of_short_windows_than_of_long_ones)
{
  work();
  print();
  double one = number("utilisation", NULL, "mmu_1ms_percent");
  double ten = number("utilisation", NULL, "mmu_10ms_percent");
  double hundred = number("utilisation", NULL, "mmu_100ms_percent");
  ck_assert(one < 100 && one <= ten && ten <= hundred && hundred < 100);
  double left = 100 - number("pauses", "all", "max_ns") / 1e6;
  ck_assert(hundred <= (left > 0 ? left : 0) + 0.001);
}
END_TEST

START_TEST(an_allocation_that_waits_for_room_is_a_stall)
{
  for (int i = 0; i < 100; i++)
    fixture_new(&f.main, FIXTURE_BYTES, 1000000);
  print();
  double stalls = number("pauses", "stall", "count");
  ck_assert(stalls > 0);
  ck_assert(stalls == number("pauses", "all", "count"));
  ck_assert(number("pauses", "stall", "total_ns") >=
            number("pauses", "all", "total_ns"));
}
END_TEST

START_TEST(survival_is_told_by_age)
{
  mm_stat_survival(&f.heap->stat, 0, 1000, 200, 50);
  mm_stat_survival(&f.heap->stat, 0, 1000, 100, 50);
  mm_stat_survival(&f.heap->stat, 3, 600, 0, 300);
  mm_stat_survival(&f.heap->stat, 4000, 10, 0, 10); /* the last one */
  print();
  ck_assert(number("survival", "age_0", "seen_bytes") == 2000);
  ck_assert(number("survival", "age_0", "survived_bytes") == 300);
  ck_assert(number("survival", "age_0", "promoted_bytes") == 100);
  ck_assert(number("survival", "age_0", "lived_percent") == 20);
  ck_assert(number("survival", "age_3", "lived_percent") == 50);
  ck_assert(number("survival", "age_15", "promoted_bytes") == 10);
  ck_assert(number("survival", "all", "seen_bytes") == 2610);
  ck_assert_ptr_null(strstr(json.text, "age_1\""));
  ck_assert_str_eq(read_object(json.text), "\n");
}
END_TEST

START_TEST(work_beside_the_program_is_added_up)
{
  mm_stat_concurrent(&f.heap->stat, 500);
  mm_stat_concurrent(&f.heap->stat, 700);
  mm_stat_concurrent(&f.heap->stat, 100);
  print();
  ck_assert(number("time", NULL, "concurrent_ns") == 1300);
  ck_assert_uint_eq(f.heap->stat.concurrent.count, 3);
  ck_assert_uint_eq(f.heap->stat.concurrent.max_ns, 700);
}
END_TEST

START_TEST(footprint_is_a_mean_over_time)
{
  static struct mm_stat stat;
  mm_stat_init(&stat, NULL, MM_LOG_OFF);
  ck_assert_uint_eq(mm_stat_footprint_mean(&stat), 0);
  mm_stat_footprint(&stat, 1000, 100);
  ck_assert_uint_eq(mm_stat_footprint_mean(&stat), 100);
  mm_stat_footprint(&stat, 2000, 300); /* grew evenly: 200 on average */
  ck_assert_uint_eq(mm_stat_footprint_mean(&stat), 200);
  mm_stat_footprint(&stat, 2000, 100); /* and fell at once */
  ck_assert_uint_eq(mm_stat_footprint_mean(&stat), 200);
  mm_stat_footprint(&stat, 5000, 100);
  ck_assert_uint_eq(mm_stat_footprint_mean(&stat), 125);
  ck_assert_uint_eq(stat.footprint.peak_bytes, 300);
}
END_TEST

START_TEST(footprint_follows_the_heap)
{
  for (int i = 0; i < 20; i++)
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 1000000));
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  print();
  double peak = number("footprint", NULL, "peak_bytes");
  double mean = number("footprint", NULL, "mean_bytes");
  ck_assert(peak >= 20000000 && peak <= 32 * FIXTURE_MIB);
  ck_assert(mean > 0 && mean <= peak);
  ck_assert(number("footprint", NULL, "process_peak_bytes") > 0);
}
END_TEST

/* Whatever bytes a place has, the summary is JSON. */
START_TEST(a_place_of_any_name_is_a_text_of_json)
{
  f.heap->stat.longest_stop.mutator = 1;
  strcpy(f.heap->stat.longest_stop.place, "a\x01\\b\"c");
  print();
  ck_assert_ptr_nonnull(strstr(json.text, "\"a\\u0001\\\\b\\\"c\""));
}
END_TEST

START_TEST(a_summary_of_an_unused_heap_has_no_nonsense)
{
  print();
  read_object(json.text);
  ck_assert_ptr_null(strstr(text.text, "nan"));
  ck_assert_ptr_null(strstr(text.text, "inf"));
  ck_assert_ptr_null(strstr(json.text, "nan"));
  ck_assert(number("collections", NULL, "all") == 0);
  ck_assert(number("counters", NULL, "allocated_bytes") == 0);
  ck_assert_ptr_null(mm_last_cause(f.heap));
}
END_TEST

START_TEST(the_summary_is_aligned)
{
  work();
  print();
  for (const char *line = text.text; *line;) {
    const char *end = strchr(line, '\n');
    ck_assert_int_ne(end[-1], ' ');
    ck_assert_int_lt(end - line, 120);
    if (line[0] == ' ')
      ck_assert_msg(line[LABEL_COLUMNS - 1] == ' ', "%.*s", (int)(end - line),
                    line);
    line = end + 1;
  }
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("summary");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, the_json_summary_is_json);
  tcase_add_test(tests, text_and_json_have_the_same_numbers);
  tcase_add_test(tests, the_summary_tells_what_happened);
  tcase_add_test(tests, the_numbers_of_the_summary_agree_with_each_other);
  tcase_add_test(tests, copied_and_moved_objects_are_counted);
  tcase_add_test(tests, the_thread_that_stopped_last_is_told_with_its_place);
  tcase_add_test(
      tests, pauses_leave_the_program_less_of_short_windows_than_of_long_ones);
  tcase_add_test(tests, an_allocation_that_waits_for_room_is_a_stall);
  tcase_add_test(tests, survival_is_told_by_age);
  tcase_add_test(tests, work_beside_the_program_is_added_up);
  tcase_add_test(tests, footprint_is_a_mean_over_time);
  tcase_add_test(tests, footprint_follows_the_heap);
  tcase_add_test(tests, a_place_of_any_name_is_a_text_of_json);
  tcase_add_test(tests, a_summary_of_an_unused_heap_has_no_nonsense);
  tcase_add_test(tests, the_summary_is_aligned);
  return fixture_main("mm_stat", (TCase *[]){tests, NULL});
}
