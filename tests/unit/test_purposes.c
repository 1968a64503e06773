/* SPDX-License-Identifier: Apache-2.0 */
/* The purposes of the machine's native memory, and what is built on them:
   arenas and buffers that are charged to one. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm/alloc/arena.h"
#include "tests/unit/suite.h"
#include "vm/core/buffer.h"
#include "vm/core/purposes.h"

START_TEST(purposes_have_names_and_no_two_the_same)
{
  vm_name_purposes();
  vm_name_purposes();
  for (unsigned p = 0; p < VM_PURPOSE_END; p++) {
    ck_assert_str_ne(mm_purpose_text(p), "");
    for (unsigned q = 0; q < p; q++) {
      ck_assert_str_ne(mm_purpose_key(p), mm_purpose_key(q));
      ck_assert_str_ne(mm_purpose_text(p), mm_purpose_text(q));
    }
  }
  ck_assert_str_eq(mm_purpose_key(VM_PURPOSE_STACKS), "stacks");
}
END_TEST

START_TEST(an_arena_is_charged_to_its_purpose)
{
  struct mm_arena *first = vm_arena_create(VM_PURPOSE_MACHINE);
  struct mm_arena *last = vm_arena_create(VM_PURPOSE_COMMAND);
  ck_assert(mm_arena_alloc(first, 100000) && mm_arena_alloc(last, 300000));
  ck_assert_uint_ge(mm_native_bytes(VM_PURPOSE_MACHINE), 100000);
  ck_assert_uint_lt(mm_native_bytes(VM_PURPOSE_MACHINE), 200000);
  ck_assert_uint_ge(mm_native_bytes(VM_PURPOSE_COMMAND), 300000);
  mm_arena_destroy(first);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_MACHINE), 0);
  ck_assert_uint_ge(mm_native_bytes(VM_PURPOSE_COMMAND), 300000);
  mm_arena_destroy(last);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_COMMAND), 0);
}
END_TEST

START_TEST(each_block_of_an_arena_can_be_made_to_fail)
{
  struct mm_arena *arena = vm_arena_create(VM_PURPOSE_TEXT);
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 16));
  mm_native_fail_at(2, false);
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 16));
  ck_assert_ptr_null(mm_arena_alloc(arena, 16));
  ck_assert(mm_native_has_failed());
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 16));
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(a_buffer_grows_by_doubling_and_keeps_what_it_has)
{
  struct vm_buffer buffer = {.purpose = VM_PURPOSE_TEXT};
  size_t growths = 0, capacity = 0;
  for (int i = 0; i < 10000; i++) {
    ck_assert(vm_buffer_print(&buffer, "%05d,", i));
    growths += buffer.capacity != capacity;
    capacity = buffer.capacity;
  }
  ck_assert_uint_eq(buffer.count, 60000);
  ck_assert_uint_eq(strlen(buffer.bytes), 60000);
  ck_assert_uint_le(growths, 12);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_TEXT), buffer.capacity);
  for (int i = 0; i < 10000; i++)
    ck_assert_int_eq(atoi(buffer.bytes + 6 * i), i);
  vm_buffer_free(&buffer);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_TEXT), 0);
}
END_TEST

START_TEST(a_buffer_that_cannot_grow_is_as_it_was)
{
  struct vm_buffer buffer = {.purpose = VM_PURPOSE_TEXT};
  ck_assert(vm_buffer_print(&buffer, "%s", "kept"));
  mm_native_fail_at(1, true);
  ck_assert(!vm_buffer_print(&buffer, "%1000d", 1));
  mm_native_fail_at(0, false);
  ck_assert(!vm_buffer_reserve(&buffer, SIZE_MAX));
  ck_assert(!vm_buffer_reserve(&buffer, SIZE_MAX / 2));
  ck_assert_uint_eq(buffer.count, 4);
  ck_assert_str_eq(buffer.bytes, "kept");
  vm_buffer_free(&buffer);
  vm_buffer_free(&buffer);
  ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_TEXT), 0);
}
END_TEST

START_TEST(what_was_not_given_back_is_listed_with_its_purpose)
{
  char text[1000] = "";
  vm_name_purposes();
  FILE *out = fmemopen(text, sizeof text, "w");
  ck_assert_uint_eq(mm_native_print_leaks(out), 0);
  void *first = mm_native_alloc(VM_PURPOSE_CLASSES, 100);
  void *second = mm_native_alloc(VM_PURPOSE_CLASSES, 20);
  ck_assert_uint_eq(mm_native_blocks(VM_PURPOSE_CLASSES), 2);
  void *third = mm_native_alloc(VM_PURPOSE_TEXT, 1);
  mm_native_charge(VM_PURPOSE_STACKS, 4096);
  ck_assert_uint_eq(mm_native_print_leaks(out), 3);
  fclose(out);
  ck_assert_str_eq(
      text,
      "bamboo: internal failure: leaked: class table and names: 2 blocks, "
      "120 bytes\n"
      "bamboo: internal failure: leaked: thread stacks (reserved): 0 blocks, "
      "4096 bytes\n"
      "bamboo: internal failure: leaked: texts under way: 1 block, 1 byte\n");
  mm_native_free(VM_PURPOSE_CLASSES, first, 100);
  mm_native_free(VM_PURPOSE_CLASSES, second, 20);
  mm_native_free(VM_PURPOSE_TEXT, third, 1);
  mm_native_charge(VM_PURPOSE_STACKS, -4096);
  ck_assert_uint_eq(mm_native_blocks(VM_PURPOSE_CLASSES), 0);
}
END_TEST

START_TEST(a_purpose_is_used_from_its_first_block_on)
{
  ck_assert(!mm_purpose_is_used(VM_PURPOSE_MONITORS));
  mm_native_free(VM_PURPOSE_MONITORS, mm_native_alloc(VM_PURPOSE_MONITORS, 8),
                 8);
  ck_assert(mm_purpose_is_used(VM_PURPOSE_MONITORS));
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("purposes");
  tcase_add_test(tests, purposes_have_names_and_no_two_the_same);
  tcase_add_test(tests, an_arena_is_charged_to_its_purpose);
  tcase_add_test(tests, each_block_of_an_arena_can_be_made_to_fail);
  tcase_add_test(tests, a_buffer_grows_by_doubling_and_keeps_what_it_has);
  tcase_add_test(tests, a_buffer_that_cannot_grow_is_as_it_was);
  tcase_add_test(tests, what_was_not_given_back_is_listed_with_its_purpose);
  tcase_add_test(tests, a_purpose_is_used_from_its_first_block_on);
  return suite_main("purposes", (TCase *[]){tests, NULL});
}
