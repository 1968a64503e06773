/* SPDX-License-Identifier: Apache-2.0 */
/* The table of native code: arrays and strings. */
#include "config.h"

#include "tests/unit/native_fixture.h"
#include "tests/unit/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/native/native_internal.h"

#define SAMPLES(X)                                                             \
  X(u1, bool, true)                                                            \
  X(i8, int8_t, -5)                                                            \
  X(u8, uint8_t, 250)                                                          \
  X(i16, int16_t, -300)                                                        \
  X(u16, uint16_t, 65000)                                                      \
  X(i32, int32_t, -70000)                                                      \
  X(u32, uint32_t, 4000000000u)                                                \
  X(i64, int64_t, -5000000000000)                                              \
  X(u64, uint64_t, 18000000000000000000u)                                      \
  X(f32, float, 1.5f)                                                          \
  X(f64, double, -2.25)

/* --- Arrays --- */

#define CHECK(name, type, value)                                               \
  {                                                                            \
    type in[3] = {0, value, value}, out[3] = {0, 0, 0};                        \
    bool is_copy = false;                                                      \
    bamboo_array array = env->new_##name##_array(env, 5);                      \
    bamboo_class of = env->get_object_class(env, array);                       \
    ck_assert_str_eq(env->get_class_name(env, of), #name "[]");                \
    ck_assert_int_eq(env->array_length(env, array), 5);                        \
    env->set_##name##_region(env, array, 2, 3, in);                            \
    native_collect(env);                                                       \
    env->get_##name##_region(env, array, 1, 3, out);                           \
    ck_assert(out[0] == 0 && out[1] == 0 && out[2] == value);                  \
    type *elements = env->get_##name##_elements(env, array, &is_copy);         \
    ck_assert(elements[3] == value && elements[4] == value);                   \
    elements[0] = value;                                                       \
    native_collect(env);                                                       \
    env->release_##name##_elements(env, array, elements, BAMBOO_COMMIT);       \
    env->get_##name##_region(env, array, 0, 1, out);                           \
    ck_assert(out[0] == value);                                                \
    elements[1] = value;                                                       \
    env->release_##name##_elements(env, array, elements, BAMBOO_KEEP);         \
    env->get_##name##_region(env, array, 1, 1, out);                           \
    ck_assert(out[0] == value);                                                \
    elements = env->get_##name##_elements(env, array, NULL);                   \
    env->release_##name##_elements(env, array, elements, BAMBOO_DISCARD);      \
    type *inside = env->get_critical(env, array);                              \
    ck_assert(inside[0] == value);                                             \
    inside[2] = value;                                                         \
    ck_assert_ptr_eq(env->get_critical(env, array), inside);                   \
    env->release_critical(env, array, inside);                                 \
    env->release_critical(env, array, inside);                                 \
    env->get_##name##_region(env, array, 2, 1, out);                           \
    ck_assert(out[0] == value);                                                \
    env->get_##name##_region(env, array, 5, 0, out);                           \
    env->get_##name##_region(env, array, 4, 2, out);                           \
    native_expect(env, "panda.ArrayIndexOutOfBoundsException");                \
    env->set_##name##_region(env, array, -1, 1, in);                           \
    native_expect(env, "panda.ArrayIndexOutOfBoundsException");                \
    ck_assert_ptr_null(env->new_##name##_array(env, -1));                      \
    native_expect(env, "panda.NegativeArraySizeException");                    \
    ck_assert_ptr_null(env->get_##name##_elements(env, NULL, NULL));           \
    native_expect(env, "panda.NullPointerException");                          \
  }

static void numbers_body(struct bamboo_env *env){SAMPLES(CHECK)}

START_TEST(arrays_of_each_type_are_read_and_written)
{
  native_run(numbers_body);
}
END_TEST

static void objects_body(struct bamboo_env *env)
{
  bamboo_class string = env->find_class(env, "panda.String");
  bamboo_string text = env->new_string(env, "x");
  bamboo_array array = env->new_object_array(env, 3, string, text);
  native_collect(env);
  ck_assert(env->is_same(env, env->get_element(env, array, 2), text));
  env->set_element(env, array, 1, NULL);
  ck_assert_ptr_null(env->get_element(env, array, 1));
  ck_assert(!env->exception_check(env));
  env->set_element(env, array, 1, array);
  native_expect(env, "panda.ArrayStoreException");
  env->set_element(env, array, 3, text);
  native_expect(env, "panda.ArrayIndexOutOfBoundsException");
  ck_assert_ptr_null(env->get_element(env, array, -1));
  native_expect(env, "panda.ArrayIndexOutOfBoundsException");
  ck_assert_ptr_null(env->new_object_array(env, -1, string, NULL));
  native_expect(env, "panda.NegativeArraySizeException");
  ck_assert_ptr_null(env->new_object_array(env, 1, string, array));
  native_expect(env, "panda.ArrayStoreException");
  ck_assert_int_eq(env->array_length(env, NULL), 0);
  native_expect(env, "panda.NullPointerException");
}

START_TEST(arrays_of_objects_are_read_and_written)
{
  native_run(objects_body);
}
END_TEST

/* What is stored into an old array has to be found by a young collection, and
   what is overwritten by a cycle that marks. */
static void barrier_body(struct bamboo_env *env)
{
  bamboo_class string = env->find_class(env, "panda.String");
  bamboo_array array = env->new_object_array(env, 1000, string, NULL);
  native_collect(env);
  native_collect(env);
  for (int32_t i = 0; i < 1000; i++) {
    char name[16];
    ck_assert(env->push_frame(env, 4));
    int bytes = snprintf(name, sizeof name, "%d", (int)i);
    env->set_element(env, array, i,
                     env->new_string_bytes(env, name, (size_t)bytes));
    env->pop_frame(env, NULL);
    if (i % 100 == 0)
      native_collect(env);
  }
  native_collect(env);
  for (int32_t i = 0; i < 1000; i++) {
    bamboo_string text = env->get_element(env, array, i);
    const char *name = env->get_utf8(env, text, NULL);
    ck_assert_int_eq(atoi(name), i);
    env->release_utf8(env, text, name);
    env->delete_local(env, text);
  }
}

START_TEST(what_native_code_stores_is_kept)
{
  native_run(barrier_body);
}
END_TEST

/* --- Strings --- */

static void strings_body(struct bamboo_env *env)
{
  static const char utf8[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
  static const uint16_t utf16[] = {'a', 0xe4, 0x20ac, 0xd83d, 0xde00};
  bamboo_string made[] = {
      env->new_string(env, utf8),
      env->new_string_bytes(env, utf8, sizeof utf8 - 1),
      env->new_string_utf16(env, utf16, 5),
  };
  for (int i = 0; i < 3; i++) {
    size_t bytes = 0;
    uint16_t units[3];
    char text[16];
    native_collect(env);
    ck_assert_int_eq(env->string_length(env, made[i]), 5);
    ck_assert_uint_eq(env->string_utf8_bytes(env, made[i]), sizeof utf8 - 1);
    const char *got = env->get_utf8(env, made[i], &bytes);
    ck_assert_str_eq(got, utf8);
    ck_assert_uint_eq(bytes, sizeof utf8 - 1);
    env->release_utf8(env, made[i], got);
    const uint16_t *wide = env->get_utf16(env, made[i]);
    ck_assert_int_eq(memcmp(wide, utf16, sizeof utf16), 0);
    ck_assert_uint_eq(wide[5], 0);
    env->release_utf16(env, made[i], wide);
    env->get_utf16_region(env, made[i], 1, 3, units);
    ck_assert_int_eq(memcmp(units, utf16 + 1, sizeof units), 0);
    ck_assert_uint_eq(env->get_utf8_region(env, made[i], 0, 5, text, 16), 10);
    ck_assert_str_eq(text, utf8);
    /* Half of a pair is no character; what does not fit is left out whole. */
    ck_assert_uint_eq(env->get_utf8_region(env, made[i], 2, 2, text, 5), 6);
    ck_assert_str_eq(text, "\xe2\x82\xac");
    ck_assert_uint_eq(env->get_utf8_region(env, made[i], 0, 5, NULL, 0), 10);
    env->get_utf16_region(env, made[i], 3, 3, units);
    native_expect(env, "panda.StringIndexOutOfBoundsException");
    env->get_utf8_region(env, made[i], -1, 1, text, 16);
    native_expect(env, "panda.StringIndexOutOfBoundsException");
  }
  ck_assert_int_eq(env->string_length(env, env->new_string(env, "")), 0);
  bamboo_string zero = env->new_string_bytes(env, "a\0b", 3);
  ck_assert_int_eq(env->string_length(env, zero), 3);
  ck_assert_ptr_null(env->new_string(env, NULL));
  ck_assert_ptr_null(env->new_string_utf16(env, utf16, -1));
  native_expect(env, "panda.NegativeArraySizeException");
  ck_assert_ptr_null(env->get_utf8(env, NULL, NULL));
  native_expect(env, "panda.NullPointerException");
  ck_assert_ptr_null(env->get_utf16(env, NULL));
  native_expect(env, "panda.NullPointerException");
  const uint16_t latin[] = {'l', 0xe9};
  ck_assert_uint_eq(
      env->string_utf8_bytes(env, env->new_string_utf16(env, latin, 2)), 3);
}

START_TEST(strings_come_and_go_in_both_encodings)
{
  native_run(strings_body);
}
END_TEST

/* What is not released goes with the thread. */
static void held_body(struct bamboo_env *env)
{
  ck_assert_ptr_nonnull(env->get_utf8(env, env->new_string(env, "x"), NULL));
  ck_assert_ptr_nonnull(
      env->get_i32_elements(env, env->new_i32_array(env, 3), NULL));
}

START_TEST(what_is_not_released_goes_with_the_thread)
{
  native_run(held_body);
  ck_assert_uint_eq(mm_pin_count(machine.vm->heap), 1);
  vm_native_end_thread(machine.thread);
  ck_assert_uint_eq(mm_pin_count(machine.vm->heap), 0);
}
END_TEST

/* --- Memory that is refused --- */

/* A long text, since room for a short one is kept. */
static void lives(struct bamboo_env *env)
{
  char long_text[400];
  memset(long_text, 'x', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = 0;
  bamboo_string text = env->new_string(env, long_text);
  const char *utf8 = text ? env->get_utf8(env, text, NULL) : NULL;
  if (utf8)
    env->release_utf8(env, text, utf8);
  if (env->exception_check(env))
    return;
  const uint16_t *units = env->get_utf16(env, text);
  if (units)
    env->release_utf16(env, text, units);
  if (env->exception_check(env))
    return;
  bamboo_array array = env->new_i32_array(env, 10);
  int32_t *elements = array ? env->get_i32_elements(env, array, NULL) : NULL;
  if (elements)
    env->release_i32_elements(env, array, elements, BAMBOO_KEEP);
  if (env->exception_check(env))
    return;
  bamboo_object global = env->new_global(env, text);
  env->delete_global(env, global);
}

static void refused_body(struct bamboo_env *env)
{
  for (uint64_t k = 1;; k++) {
    ck_assert(env->push_frame(env, 16));
    mm_native_fail_at(k, false);
    lives(env);
    bool has_failed = mm_native_has_failed();
    mm_native_fail_at(0, false);
    if (env->exception_check(env))
      native_expect(env, "panda.OutOfMemoryError");
    env->pop_frame(env, NULL);
    if (!has_failed) {
      ck_assert_uint_gt(k, 2);
      return;
    }
  }
}

START_TEST(memory_that_is_refused_is_an_exception)
{
  native_run(lives); /* some is kept for the next time */
  uint64_t before = mm_native_bytes(VM_PURPOSE_COPIES);
  native_run(refused_body);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_COPIES), before);
}
END_TEST

static void open_young(void)
{
  struct vm_options options = machine_options();
  options.mm.generational = MM_GENERATIONAL_ON;
  options.mm.stress_alloc = 3;
  machine_open_with(options);
}

static void open_cycles(void)
{
  struct vm_options options = machine_options();
  options.mm.gc = MM_GC_CONCURRENT;
  options.mm.generational = MM_GENERATIONAL_ON;
  options.mm.tenured = MM_TENURED_FREELIST;
  options.mm.stress_alloc = 3;
  machine_open_with(options);
}

int main(void)
{
  TCase *cases[] = {tcase_create("array"), tcase_create("young"),
                    tcase_create("cycles"), NULL};
  void (*const opens[])(void) = {machine_open, open_young, open_cycles};
  for (int i = 0; i < 3; i++) {
    tcase_add_checked_fixture(cases[i], opens[i], machine_close);
    tcase_add_test(cases[i], arrays_of_each_type_are_read_and_written);
    tcase_add_test(cases[i], arrays_of_objects_are_read_and_written);
    tcase_add_test(cases[i], what_native_code_stores_is_kept);
    tcase_add_test(cases[i], strings_come_and_go_in_both_encodings);
    tcase_add_test(cases[i], what_is_not_released_goes_with_the_thread);
    tcase_add_test(cases[i], memory_that_is_refused_is_an_exception);
  }
  return suite_main("native array", cases);
}
