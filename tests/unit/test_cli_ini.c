/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of profile files: what it makes of text, where it says what is
 * wrong, and that no text at all does harm.  BAMBOO_FUZZ_SEED chooses another
 * sequence of random texts.
 */
#include "config.h"

#include "vm/cli/ini.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/mm_fixture.h"

enum { MOST = 16, TEXT_BYTES = 4096, CASES = 20000 };

static struct cli_ini_item items[MOST];
static struct cli_ini_error error;
static size_t count;

/* Reads a copy that ends where its memory does, for AddressSanitizer. */
static bool read_bytes(const char *text, size_t length)
{
  static char *copy;
  free(copy);
  copy = malloc(length + 1);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, text, length);
  copy[length] = 'x';
  count = 0;
  return cli_ini_read(copy, length, items, MOST, &count, &error);
}

static void accept(const char *text)
{
  ck_assert_msg(read_bytes(text, strlen(text)), "%u:%u: %s", error.line,
                error.column, error.text);
}

static void check_item(size_t index, const char *name, const char *value)
{
  ck_assert_uint_lt(index, count);
  ck_assert_str_eq(items[index].name, name);
  ck_assert_pstr_eq(items[index].value, value);
}

/* Refused at that place, by a message that has this text. */
static void refuse(const char *text, unsigned line, unsigned column,
                   const char *message)
{
  ck_assert_msg(!read_bytes(text, strlen(text)), "accepted: %s", text);
  ck_assert_msg(strstr(error.text, message) != NULL, "says: %s", error.text);
  ck_assert_msg(error.line == line && error.column == column,
                "at %u:%u, not %u:%u", error.line, error.column, line, column);
}

START_TEST(sections_and_settings_come_in_their_order)
{
  accept("[one]\na = 1\n\n[two]\nb-c=2");
  ck_assert_uint_eq(count, 4);
  check_item(0, "one", NULL);
  check_item(1, "a", "1");
  check_item(2, "two", NULL);
  check_item(3, "b-c", "2");
}
END_TEST

START_TEST(blanks_around_words_do_not_count)
{
  accept(" [ one ] \n\t a \t=\t b  c \t\n");
  check_item(0, "one", NULL);
  check_item(1, "a", "b  c");
}
END_TEST

START_TEST(comments_begin_a_line_or_follow_a_blank)
{
  accept("# a = b\n  ; [x]\n[one] # two\na = b # c\na = b#c;d ;e\n");
  ck_assert_uint_eq(count, 3);
  check_item(0, "one", NULL);
  check_item(1, "a", "b");
  check_item(2, "a", "b#c;d");
}
END_TEST

START_TEST(lines_may_end_as_on_other_systems)
{
  accept("\xef\xbb\xbf[one]\r\na = b\r\n\r\n");
  ck_assert_uint_eq(count, 2);
  check_item(1, "a", "b");
}
END_TEST

START_TEST(places_count_from_one)
{
  accept("\n[a]\n  b =  c\n");
  ck_assert_uint_eq(items[0].line, 2);
  ck_assert_uint_eq(items[0].column, 2);
  ck_assert_uint_eq(items[1].line, 3);
  ck_assert_uint_eq(items[1].column, 3);
  ck_assert_uint_eq(items[1].value_column, 8);
}
END_TEST

START_TEST(text_without_content_is_an_empty_list)
{
  accept("");
  ck_assert_uint_eq(count, 0);
  accept("\n \n# nothing");
  ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place)
{
  refuse("[a]\n  gc stw\n", 2, 6, "`=' is missing behind `gc'");
  refuse("[a]\ngc\n", 2, 3, "`=' is missing");
  refuse("[a]\ngc =\n", 2, 5, "a value is missing");
  refuse("[a]\ngc = # stw\n", 2, 6, "a value is missing");
  refuse("[a]\n= stw\n", 2, 1, "neither");
  refuse("[a]\n--gc = \"stw\"\n\n(", 4, 1, "neither");
  refuse("[a", 1, 3, "`]' is missing");
  refuse("[a # b]", 1, 3, "`]' is missing");
  refuse("[]", 1, 2, "a name is missing");
  refuse("[a/b]", 1, 3, "a name is made of");
  refuse("[a b]", 1, 4, "a name is made of");
  refuse("[a] b = c", 1, 5, "nothing may follow");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
  static const char zero[] = "[a]\nb = c\0d\n";
  ck_assert(!read_bytes(zero, sizeof zero - 1));
  ck_assert_uint_eq(error.line, 2);
  ck_assert_uint_eq(error.column, 6);
  ck_assert_ptr_nonnull(strstr(error.text, "0x00"));
  refuse("# \033[31m\n", 1, 3, "0x1b");
  refuse("[a]\rb = c\n", 1, 4, "0x0d");
}
END_TEST

START_TEST(a_line_of_the_greatest_length_is_read_and_a_longer_one_is_not)
{
  char text[CLI_INI_LINE_BYTES + 2] = "a = ";
  memset(text + 4, 'b', CLI_INI_LINE_BYTES - 4);
  accept(text);
  text[CLI_INI_LINE_BYTES] = 'b';
  refuse(text, 1, CLI_INI_LINE_BYTES + 1, "longer than");
}
END_TEST

START_TEST(more_items_than_there_is_room_for_are_refused)
{
  char text[TEXT_BYTES] = "";
  for (int i = 0; i < MOST; i++)
    strcat(text, "a = b\n");
  accept(text);
  ck_assert_uint_eq(count, MOST);
  strcat(text, "[a]\n");
  refuse(text, MOST + 1, 2, "more than 16");
}
END_TEST

static uint64_t state;

static uint64_t next_random(void)
{
  uint64_t z = state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Pieces of what is right, with any byte now and then. */
static size_t make_text(char *text)
{
  static const char *const pieces[] = {
      "[", "]",   "a",  "heap-max", "=",  " ", "\t",      "#",
      ";", "64M", "\n", "\r\n",     "\n", ".", "[one]\n", "gc = stw\n"};
  size_t length = 0;
  for (uint64_t n = next_random() % 80; n > 0; n--) {
    if (next_random() % 50 == 0) {
      text[length++] = (char)next_random();
      continue;
    }
    const char *piece =
        pieces[next_random() % (sizeof pieces / sizeof *pieces)];
    memcpy(text + length, piece, strlen(piece));
    length += strlen(piece);
  }
  return length;
}

static void check_places(size_t length)
{
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_ge(items[i].line, i ? items[i - 1].line + 1 : 1);
    ck_assert_uint_le(items[i].column, length);
    ck_assert_int_ne(items[i].name[0], 0);
    ck_assert(!items[i].value || items[i].value[0]);
  }
}

START_TEST(random_texts_are_read_or_refused)
{
  const char *seed = getenv("BAMBOO_FUZZ_SEED");
  char text[TEXT_BYTES];
  unsigned accepted = 0;
  state = seed ? strtoull(seed, NULL, 10) : 1;
  for (int i = 0; i < CASES; i++) {
    size_t length = make_text(text);
    if (read_bytes(text, length)) {
      accepted++;
      check_places(length);
    } else {
      ck_assert_uint_ge(error.line, 1);
      ck_assert_uint_ge(error.column, 1);
      ck_assert_uint_le(error.column, length + 1);
      ck_assert_int_ne(error.text[0], 0);
    }
  }
  ck_assert_uint_gt(accepted, CASES / 100);
  ck_assert_uint_lt(accepted, CASES - CASES / 100);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("ini");
  tcase_add_test(tests, sections_and_settings_come_in_their_order);
  tcase_add_test(tests, blanks_around_words_do_not_count);
  tcase_add_test(tests, comments_begin_a_line_or_follow_a_blank);
  tcase_add_test(tests, lines_may_end_as_on_other_systems);
  tcase_add_test(tests, places_count_from_one);
  tcase_add_test(tests, text_without_content_is_an_empty_list);
  tcase_add_test(tests, what_is_wrong_is_said_with_its_place);
  tcase_add_test(tests, bytes_that_are_no_text_are_refused);
  tcase_add_test(tests,
                 a_line_of_the_greatest_length_is_read_and_a_longer_one_is_not);
  tcase_add_test(tests, more_items_than_there_is_room_for_are_refused);
  tcase_add_test(tests, random_texts_are_read_or_refused);
  return fixture_main("cli_ini", (TCase *[]){tests, NULL});
}
