/* SPDX-License-Identifier: Apache-2.0 */
/* The summary of --stats: what it says, as text and as JSON. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum { LABEL_COLUMNS = 34 };

static struct fixture f;
static struct fixture_text text, json;
static uint64_t leaves; /* numbers that the JSON reader saw */

static void setup(void)
{
  struct mm_options options = fixture_options();
  fixture_open(&f, &options);
  fixture_text_open(&text);
  fixture_text_open(&json);
  leaves = 0;
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

/* A JSON reader that knows objects of numbers and objects. ----------------- */

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
  tcase_add_test(tests, a_summary_of_an_unused_heap_has_no_nonsense);
  tcase_add_test(tests, the_summary_is_aligned);
  return fixture_main("mm_stat", (TCase *[]){tests, NULL});
}
