/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of fields, virtual methods, arrays, assignability. */
#include "config.h"

#include "tests/unit/core_fixture.h"

#include <stdio.h>
#include <string.h>

static uint32_t offset_of(const char *class, const char *field)
{
  return core_field(class, field)->offset;
}

START_TEST(fields_lie_by_width_behind_the_header)
{
  core_load("t.pa", ".record R {\nu1 a\ni64 b\ni16 c\nR d\ni32 e\n}\n");
  ck_assert_uint_eq(offset_of("R", "b"), 8);
  ck_assert_uint_eq(offset_of("R", "d"), 16);
  ck_assert_uint_eq(offset_of("R", "e"), 20);
  ck_assert_uint_eq(offset_of("R", "c"), 24);
  ck_assert_uint_eq(offset_of("R", "a"), 26);
  ck_assert_uint_eq(core_class("R")->layout.base_bytes, 32);
  ck_assert_uint_eq(core_class("R")->layout.ref_map, 1u << (16 / 4));
}
END_TEST

START_TEST(an_empty_record_is_a_header)
{
  core_load("t.pa", ".record R {}\n");
  ck_assert_uint_eq(core_class("R")->layout.base_bytes, 8);
  ck_assert_uint_eq(core_class("R")->layout.ref_map, 0);
}
END_TEST

START_TEST(a_subclass_fills_the_gap_behind_its_base)
{
  core_load("t.pa", ".record A {\ni32 x\n}\n"
                    ".record B <extends=A> {\ni64 y\nB z\n}\n");
  ck_assert_uint_eq(offset_of("A", "x"), 8);
  ck_assert_uint_eq(offset_of("B", "z"), 12);
  ck_assert_uint_eq(offset_of("B", "y"), 16);
  ck_assert_uint_eq(core_class("B")->layout.base_bytes, 24);
}
END_TEST

START_TEST(narrow_fields_fill_an_odd_gap)
{
  core_load("t.pa", ".record A {\nu1 x\n}\n"
                    ".record B <extends=A> {\ni64 w\ni8 b\ni16 c\ni32 d\n}\n"
                    ".record C <extends=A> {\ni32 d\ni16 c\ni8 b\n}\n");
  ck_assert_uint_eq(offset_of("B", "b"), 9);
  ck_assert_uint_eq(offset_of("B", "c"), 10);
  ck_assert_uint_eq(offset_of("B", "d"), 12);
  ck_assert_uint_eq(offset_of("B", "w"), 16);
  ck_assert_uint_eq(offset_of("C", "b"), 9);
  ck_assert_uint_eq(offset_of("C", "c"), 10);
  ck_assert_uint_eq(offset_of("C", "d"), 12);
  ck_assert_uint_eq(core_class("C")->layout.base_bytes, 16);
}
END_TEST

START_TEST(a_map_covers_the_base_too)
{
  core_load("t.pa", ".record A {\nA x\n}\n"
                    ".record B <extends=A> {\nA y\ni32[] z\n}\n");
  ck_assert_uint_eq(core_class("A")->layout.ref_map, 1u << 2);
  ck_assert_uint_eq(core_class("B")->layout.ref_map, 7u << 2);
}
END_TEST

/* 70 references: 8 + 280 bytes. */
START_TEST(a_large_instance_has_a_map_of_its_own)
{
  char text[4096] = ".record R {\n";
  size_t length = strlen(text);
  for (int i = 0; i < 70; i++)
    length +=
        (size_t)snprintf(text + length, sizeof text - length, "R f%d\n", i);
  snprintf(text + length, sizeof text - length,
           "}\n.record S <extends=R> {\nS own\n}\n");
  core_load("t.pa", text);
  const struct mm_layout *layout = &core_class("R")->layout;
  ck_assert_uint_eq(layout->base_bytes, 288);
  ck_assert(layout->flags & MM_LAYOUT_WIDE_MAP);
  ck_assert_uint_eq(layout->wide_ref_map[0], ~(uint64_t)3);
  ck_assert_uint_eq(layout->wide_ref_map[1], 0xff);
  ck_assert_uint_eq(core_class("S")->layout.wide_ref_map[0], ~(uint64_t)3);
  ck_assert_uint_eq(core_class("S")->layout.wide_ref_map[1], 0x1ff);
}
END_TEST

START_TEST(statics_have_a_slot_and_a_bit_each)
{
  core_load("t.pa", ".record R {\nR a <static>\ni64 b <static>\nR b\n"
                    "R c <static>\n}\n");
  const struct vm_class *class = core_class("R");
  ck_assert_uint_eq(class->static_count, 3);
  ck_assert_uint_eq(offset_of("R", "a"), 0);
  ck_assert_uint_eq(offset_of("R", "c"), 2);
  ck_assert_uint_eq(class->static_refs[0], 5);
}
END_TEST

START_TEST(an_override_takes_its_bases_slot)
{
  core_load("t.pa", ".record A {}\n.record B <extends=A> {}\n"
                    ".function i32 A.f(A a0, i32 a1) {\nldai 1\nreturn\n}\n"
                    ".function i32 B.f(B a0, i32 a1) {\nldai 2\nreturn\n}\n");
  const struct vm_method *base = core_method("A", "f");
  const struct vm_method *own = core_method("B", "f");
  ck_assert_uint_eq(base->vtable_index, own->vtable_index);
  ck_assert_ptr_eq(core_class("A")->vtable[base->vtable_index], base);
  ck_assert_ptr_eq(core_class("B")->vtable[base->vtable_index], own);
  ck_assert_uint_eq(core_class("B")->vtable_count,
                    core_class("A")->vtable_count);
}
END_TEST

START_TEST(other_types_make_another_method)
{
  core_load("t.pa", ".record A {}\n.record B <extends=A> {}\n"
                    ".function i32 A.f(A a0, i32 a1) {\nldai 1\nreturn\n}\n"
                    ".function i32 A.g(A a0) {\nldai 1\nreturn\n}\n"
                    ".function i32 B.f(B a0, i64 a1) {\nldai 2\nreturn\n}\n"
                    ".function i64 B.g(B a0) {\nldai.64 2\nreturn.64\n}\n");
  const struct vm_class *b = core_class("B");
  ck_assert_uint_eq(b->vtable_count, 4);
  ck_assert_ptr_eq(b->vtable[core_method("A", "f")->vtable_index],
                   core_method("A", "f"));
  ck_assert_ptr_eq(b->vtable[core_method("A", "g")->vtable_index],
                   core_method("A", "g"));
}
END_TEST

START_TEST(constructors_and_static_functions_are_not_virtual)
{
  core_load("t.pa", ".record A {}\n"
                    ".function void A.c(A a0) <ctor> {\nreturn.void\n}\n"
                    ".function void A.s(i32 a0) {\nreturn.void\n}\n"
                    ".function void A.m(A a0) <static> {\nreturn.void\n}\n");
  ck_assert_uint_eq(core_class("A")->vtable_count, 0);
  ck_assert_uint_eq(core_method("A", ".ctor")->vtable_index, UINT32_MAX);
}
END_TEST

START_TEST(array_classes_are_made_once)
{
  struct vm *vm = machine.vm;
  struct vm_class *ints = core_class("i32[][]");
  ck_assert_ptr_eq(ints, core_class("i32[][]"));
  ck_assert_ptr_eq(ints->element, core_class("i32[]"));
  ck_assert_ptr_eq(vm_class_array_of(vm, core_class("i32[]")), ints);
  ck_assert_ptr_eq(core_class("panda.Object[]")->element, vm->known.object);
  ck_assert_ptr_eq(vm->known.object->array, core_class("panda.Object[]"));
}
END_TEST

START_TEST(elements_have_their_width)
{
  static const struct {
    const char *name;
    unsigned log2, base;
  } widths[] = {{"u1[]", 0, 12},  {"i8[]", 0, 12},  {"u16[]", 1, 12},
                {"i32[]", 2, 12}, {"f32[]", 2, 12}, {"i64[]", 3, 16},
                {"f64[]", 3, 16}};
  for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
    const struct mm_layout *layout = &core_class(widths[i].name)->layout;
    ck_assert_int_eq(layout->kind, MM_KIND_DATA_ARRAY);
    ck_assert_uint_eq(layout->elem_log2, widths[i].log2);
    ck_assert_uint_eq(layout->base_bytes, widths[i].base);
  }
  ck_assert_int_eq(core_class("i64[][]")->layout.kind, MM_KIND_REF_ARRAY);
}
END_TEST

START_TEST(what_cannot_be_an_array_is_not_found)
{
  char deep[600] = "i32";
  for (int i = 0; i < 256; i++)
    strcat(deep, "[]");
  ck_assert_ptr_null(vm_class_find(machine.vm, deep));
  deep[3 + 2 * 255] = '\0';
  ck_assert_ptr_nonnull(vm_class_find(machine.vm, deep));
  ck_assert_ptr_null(vm_class_find(machine.vm, "void[]"));
  ck_assert_ptr_null(vm_class_find(machine.vm, "Nothing[]"));
  ck_assert_ptr_null(vm_class_find(machine.vm, "_GLOBAL[]"));
  ck_assert_ptr_null(vm_class_find(machine.vm, "[]"));
  ck_assert_ptr_null(vm_class_find(machine.vm, "i32"));
}
END_TEST

START_TEST(assignability_follows_the_rule)
{
  static const struct {
    const char *from, *to;
    bool yes;
  } cases[] = {
      {"A", "A", true},
      {"A", "panda.Object", true},
      {"B", "A", true},
      {"A", "B", false},
      {"C", "A", true},
      {"D", "A", false},
      {"i32[]", "panda.Object", true},
      {"B[]", "A[]", true},
      {"A[]", "B[]", false},
      {"B[]", "panda.Object[]", true},
      {"B[][]", "panda.Object[]", true},
      {"B[][]", "A[][]", true},
      {"B[][]", "A[]", false},
      {"A[]", "A[][]", false},
      {"i32[][]", "panda.Object[]", true},
      {"i32[]", "panda.Object[]", false},
      {"i32[]", "i64[]", false},
      {"i32[]", "u32[]", false},
      {"i32[][]", "i64[][]", false},
      {"panda.Object", "A", false},
      {"panda.Object", "i32[]", false},
      {"A", "A[]", false},
      {"A[]", "A", false},
      {"panda.String[]", "panda.Object[]", true},
  };
  core_load("t.pa", ".record A {}\n.record B <extends=A> {}\n"
                    ".record C <extends=B> {}\n.record D {}\n");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    ck_assert_msg(vm_class_is_assignable(core_class(cases[i].from),
                                         core_class(cases[i].to)) ==
                      cases[i].yes,
                  "%s to %s", cases[i].from, cases[i].to);
}
END_TEST

START_TEST(a_class_object_stands_for_its_class)
{
  struct vm_class *class = core_class("i32[]");
  struct mm_ref mirror = vm_class_mirror(machine.thread, class);
  ck_assert(mm_same(mirror, vm_class_mirror(machine.thread, class)));
  machine_collect();
  ck_assert_ptr_eq(vm_class_of_mirror(class->mirror), class);
  ck_assert_ptr_eq(vm_class_of(class->mirror), machine.vm->known.class_);
}
END_TEST

START_TEST(what_has_no_instances_is_not_instantiated)
{
  struct vm_class * not [] = {machine.vm->known.class_,
                              machine.vm->known.global, core_class("i32[]")};
  for (size_t i = 0; i < sizeof not / sizeof not [0]; i++) {
    ck_assert(mm_is_null(vm_new_object(machine.thread, not [i])));
    machine_expect("panda.InstantiationError", not [i] -> name);
  }
}
END_TEST

START_TEST(a_new_string_is_empty)
{
  struct mm_ref string =
      vm_new_object(machine.thread, machine.vm->known.string);
  ck_assert(!mm_is_null(string));
  ck_assert_uint_eq(vm_string_length(string), 0);
}
END_TEST

START_TEST(nested_arrays_are_as_deep_as_their_sizes)
{
  const int32_t sizes[] = {2, 3};
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] =
      vm_new_multi_array(machine.thread, core_class("i64[][][]"), 2, sizes);
  ck_assert(!mm_is_null(held[0]));
  ck_assert_uint_eq(mm_length_word(held[0]), 2);
  const uint32_t *inner =
      (const uint32_t *)((char *)mm_address(held[0]) + MM_ARRAY_BASE);
  struct mm_ref row = {inner[1]};
  ck_assert_str_eq(vm_class_of(row)->name, "i64[][]");
  ck_assert_uint_eq(mm_length_word(row), 3);
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

START_TEST(all_sizes_are_checked_before_anything_is_made)
{
  const int32_t sizes[] = {INT32_MAX, INT32_MAX, -5};
  ck_assert(mm_is_null(
      vm_new_multi_array(machine.thread, core_class("i32[][][]"), 3, sizes)));
  machine_expect("panda.NegativeArraySizeException", "size = -5");
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("classes");
  tcase_add_test(tests, fields_lie_by_width_behind_the_header);
  tcase_add_test(tests, an_empty_record_is_a_header);
  tcase_add_test(tests, a_subclass_fills_the_gap_behind_its_base);
  tcase_add_test(tests, narrow_fields_fill_an_odd_gap);
  tcase_add_test(tests, a_map_covers_the_base_too);
  tcase_add_test(tests, a_large_instance_has_a_map_of_its_own);
  tcase_add_test(tests, statics_have_a_slot_and_a_bit_each);
  tcase_add_test(tests, an_override_takes_its_bases_slot);
  tcase_add_test(tests, other_types_make_another_method);
  tcase_add_test(tests, constructors_and_static_functions_are_not_virtual);
  tcase_add_test(tests, array_classes_are_made_once);
  tcase_add_test(tests, elements_have_their_width);
  tcase_add_test(tests, what_cannot_be_an_array_is_not_found);
  tcase_add_test(tests, assignability_follows_the_rule);
  tcase_add_test(tests, a_class_object_stands_for_its_class);
  tcase_add_test(tests, what_has_no_instances_is_not_instantiated);
  tcase_add_test(tests, a_new_string_is_empty);
  tcase_add_test(tests, nested_arrays_are_as_deep_as_their_sizes);
  tcase_add_test(tests, all_sizes_are_checked_before_anything_is_made);
  return machine_main("classes", tests);
}
