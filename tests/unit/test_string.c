/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and the intern table. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/mm_inline.h"
#include "tests/unit/vm_fixture.h"
#include "vm/core/intern.h"
#include "vm/core/string_internal.h"

static bool is_wide(struct mm_ref string)
{
  return mm_length_word(string) & 1;
}

/* A text becomes these units. */
static void check_units(const char *bytes, size_t length, const uint16_t *units,
                        uint32_t count, bool wide)
{
  struct mm_ref string = vm_string_from_utf8(machine.thread, bytes, length);
  ck_assert(!mm_is_null(string));
  ck_assert_uint_eq(vm_string_length(string), count);
  for (uint32_t i = 0; i < count; i++)
    ck_assert_msg(vm_string_unit(string, i) == units[i],
                  "unit %u is %04x, not %04x", i, vm_string_unit(string, i),
                  units[i]);
  ck_assert_int_eq(is_wide(string), wide);
}

#define CHECK_UNITS(text, wide, ...)                                           \
  do {                                                                         \
    const uint16_t units_[] = {__VA_ARGS__};                                   \
    check_units(text, sizeof(text) - 1, units_,                                \
                sizeof units_ / sizeof units_[0], wide);                       \
  } while (0)

static void check_utf8(struct mm_ref string, const char *bytes, size_t length)
{
  size_t got_length = 0;
  char *got = vm_string_to_utf8(string, &got_length);
  ck_assert_ptr_nonnull(got);
  ck_assert_uint_eq(got_length, length);
  ck_assert_mem_eq(got, bytes, length);
  ck_assert_int_eq(got[length], 0);
  vm_text_free(got, got_length);
}

/* A string of two-byte units, whatever they are. */
static struct mm_ref wide_string(const uint16_t *units, uint32_t count)
{
  struct mm_ref string =
      mm_alloc_slow(&machine.thread->mutator, &machine.vm->known.string->layout,
                    count << 1 | 1);
  ck_assert(!mm_is_null(string));
  memcpy((char *)mm_address(string) + MM_STRING_BASE, units, count * 2);
  return string;
}

START_TEST(latin_text_takes_a_byte_a_unit)
{
  CHECK_UNITS("hello", false, 'h', 'e', 'l', 'l', 'o');
  CHECK_UNITS("\xc3\xa9\xc3\xbf", false, 0xe9, 0xff);
  CHECK_UNITS("\xc4\x80", true, 0x100);
  CHECK_UNITS("a\xe2\x82\xac", true, 'a', 0x20ac);
}
END_TEST

START_TEST(modified_utf8_is_understood)
{
  CHECK_UNITS("\xc0\x80", false, 0);
  CHECK_UNITS("a\xc0\x80z", false, 'a', 0, 'z');
  CHECK_UNITS("\xed\xa1\xbe\xed\xb7\xa1", true, 0xd87e, 0xdde1);
}
END_TEST

START_TEST(standard_utf8_is_understood)
{
  CHECK_UNITS("\xf0\x9f\x8e\x8b", true, 0xd83c, 0xdf8b);
  CHECK_UNITS("\xf0\x90\x80\x80", true, 0xd800, 0xdc00);
  CHECK_UNITS("\xf4\x8f\xbf\xbf", true, 0xdbff, 0xdfff);
  check_units("\0", 1, (const uint16_t[]){0}, 1, false);
}
END_TEST

START_TEST(each_bad_byte_is_one_replacement_character)
{
  CHECK_UNITS("\x80", true, 0xfffd);
  CHECK_UNITS("\xff\xfe", true, 0xfffd, 0xfffd);
  CHECK_UNITS("a\xc3", true, 'a', 0xfffd);
  CHECK_UNITS("\xc3(", true, 0xfffd, '(');
  CHECK_UNITS("\xe2\x82", true, 0xfffd, 0xfffd);
  CHECK_UNITS("\xe2\x82x", true, 0xfffd, 0xfffd, 'x');
  CHECK_UNITS("\xf0\x9f\x8e", true, 0xfffd, 0xfffd, 0xfffd);
  /* longer than needed, or beyond the last code point */
  CHECK_UNITS("\xc1\x81", true, 0xfffd, 0xfffd);
  CHECK_UNITS("\xe0\x80\x80", true, 0xfffd, 0xfffd, 0xfffd);
  CHECK_UNITS("\xf0\x80\x80\x80", true, 0xfffd, 0xfffd, 0xfffd, 0xfffd);
  CHECK_UNITS("\xf4\x90\x80\x80", true, 0xfffd, 0xfffd, 0xfffd, 0xfffd);
}
END_TEST

START_TEST(strings_come_out_as_standard_utf8)
{
  check_utf8(machine_string("h\xc3\xa9 \xe2\x82\xac"), "h\xc3\xa9 \xe2\x82\xac",
             7);
  check_utf8(machine_string("\xed\xa1\xbe\xed\xb7\xa1"), "\xf0\xaf\xa7\xa1", 4);
  check_utf8(machine_string("a\xc0\x80z"), "a\0z", 3);
  check_utf8(machine_string(""), "", 0);
}
END_TEST

START_TEST(lone_surrogates_come_out_as_replacement_characters)
{
  static const char replaced[] = "\xef\xbf\xbd";
  check_utf8(machine_string("\xed\xa0\x80"), replaced, 3);
  check_utf8(machine_string("\xed\xb0\x80"), replaced, 3);
  check_utf8(machine_string("\xed\xa0\x80x"), "\xef\xbf\xbdx", 4);
  /* two high halves and a low one: only the last two are a pair */
  check_utf8(machine_string("\xed\xa0\x80\xed\xa0\x80\xed\xb0\x80"),
             "\xef\xbf\xbd\xf0\x90\x80\x80", 7);
}
END_TEST

START_TEST(encoding_in_pieces_gives_the_same_bytes)
{
  const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x8bz";
  struct mm_ref string = machine_string(text);
  char out[32], piece[5];
  size_t used = 0, bytes;
  uint32_t index = 0;
  while ((bytes = vm_string_encode(string, &index, piece, sizeof piece))) {
    ck_assert_uint_le(used + bytes, sizeof out);
    memcpy(out + used, piece, bytes);
    used += bytes;
  }
  ck_assert_uint_eq(used, strlen(text));
  ck_assert_mem_eq(out, text, used);
}
END_TEST

START_TEST(the_hash_is_that_of_the_units)
{
  ck_assert_uint_eq(vm_string_hash(machine_string("hello")), 99162322u);
  ck_assert_uint_eq(vm_string_hash(machine_string("")), 1);
  const uint16_t units[] = {'h', 'e', 'l', 'l', 'o'};
  struct mm_ref wide = wide_string(units, 5);
  ck_assert_uint_eq(vm_string_hash(wide), 99162322u);
  ck_assert_uint_eq(vm_string_hash(wide), 99162322u);
  struct vm_text text = vm_text_of_utf8("hello", 5);
  ck_assert_uint_eq(text.hash, 99162322u);
}
END_TEST

START_TEST(equality_goes_by_units_not_by_width)
{
  const uint16_t units[] = {'h', 'i'};
  struct mm_ref narrow = machine_string("hi"), wide = wide_string(units, 2);
  ck_assert(vm_string_equals(narrow, wide));
  ck_assert(vm_string_equals(wide, narrow));
  ck_assert(vm_string_equals(narrow, machine_string("hi")));
  ck_assert(!vm_string_equals(narrow, machine_string("ho")));
  ck_assert(!vm_string_equals(narrow, machine_string("h")));
  ck_assert(!vm_string_equals(wide, machine_string("hI")));
  ck_assert(vm_string_equals(machine_string("\xe2\x82\xac"),
                             machine_string("\xe2\x82\xac")));
}
END_TEST

START_TEST(a_text_too_long_for_a_string_throws_and_does_not_wrap)
{
  struct vm_text text = {.bytes = "", .units = (uint64_t)1 << 32};
  ck_assert(mm_is_null(vm_string_from_text(machine.thread, &text)));
  machine_expect("panda.OutOfMemoryError", "");
  text.units = (uint64_t)MM_STRING_LENGTH_MAX;
  ck_assert(mm_is_null(vm_string_from_text(machine.thread, &text)));
  machine_expect("panda.OutOfMemoryError", "");
}
END_TEST

static struct mm_ref intern(const char *text)
{
  struct mm_ref string =
      vm_string_intern_utf8(machine.thread, text, strlen(text));
  ck_assert(!mm_is_null(string));
  return string;
}

START_TEST(equal_contents_intern_to_the_same_string)
{
  struct mm_ref first = intern("same");
  ck_assert(mm_same(first, intern("same")));
  ck_assert(!mm_same(first, intern("other")));
  ck_assert(!mm_same(first, machine_string("same")));
  /* the same units by another spelling */
  ck_assert(
      mm_same(intern("\xf0\x90\x80\x80"), intern("\xed\xa0\x80\xed\xb0\x80")));
}
END_TEST

START_TEST(interning_again_allocates_nothing)
{
  struct mm_mutator *mutator = &machine.thread->mutator;
  intern("literal");
  uintptr_t before = mutator->tlab_cursor;
  intern("literal");
  ck_assert_uint_eq(mutator->tlab_cursor, before);
}
END_TEST

enum { MANY = 5000 };

START_TEST(the_table_grows_and_follows_its_strings)
{
  static struct mm_ref held[MANY];
  struct mm_scope scope;
  char text[24];
  mm_scope_open(&machine.thread->mutator, &scope, held, MANY);
  size_t before = vm_intern_count(machine.vm->intern);
  for (int i = 0; i < MANY; i++) {
    snprintf(text, sizeof text, "string %d", i);
    held[i] = intern(text);
  }
  ck_assert_uint_eq(vm_intern_count(machine.vm->intern), before + MANY);
  machine_collect();
  machine_collect();
  for (int i = 0; i < MANY; i++) {
    snprintf(text, sizeof text, "string %d", i);
    ck_assert_msg(mm_same(held[i], intern(text)), "%s lost its identity", text);
  }
  ck_assert_uint_eq(vm_intern_count(machine.vm->intern), before + MANY);
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

/* Whoever interns a string that died gets a new one, and the dead one does
   not stay in the table. */
START_TEST(interned_strings_that_nothing_refers_to_die)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  char text[24];
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  machine_collect();
  size_t before = vm_intern_count(machine.vm->intern);
  for (int i = 0; i < MANY; i++) {
    snprintf(text, sizeof text, "dead %d", i);
    intern(text);
  }
  held[0] = intern("dead 77");
  machine_collect();
  ck_assert_uint_eq(vm_intern_count(machine.vm->intern), before + 1);
  ck_assert(mm_same(held[0], intern("dead 77")));
  intern("dead 78");
  ck_assert_uint_eq(vm_intern_count(machine.vm->intern), before + 2);
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("strings");
  tcase_add_test(tests, latin_text_takes_a_byte_a_unit);
  tcase_add_test(tests, modified_utf8_is_understood);
  tcase_add_test(tests, standard_utf8_is_understood);
  tcase_add_test(tests, each_bad_byte_is_one_replacement_character);
  tcase_add_test(tests, strings_come_out_as_standard_utf8);
  tcase_add_test(tests, lone_surrogates_come_out_as_replacement_characters);
  tcase_add_test(tests, encoding_in_pieces_gives_the_same_bytes);
  tcase_add_test(tests, the_hash_is_that_of_the_units);
  tcase_add_test(tests, equality_goes_by_units_not_by_width);
  tcase_add_test(tests, a_text_too_long_for_a_string_throws_and_does_not_wrap);
  tcase_add_test(tests, equal_contents_intern_to_the_same_string);
  tcase_add_test(tests, interning_again_allocates_nothing);
  tcase_add_test(tests, the_table_grows_and_follows_its_strings);
  tcase_add_test(tests, interned_strings_that_nothing_refers_to_die);
  return machine_main("string", tests);
}
