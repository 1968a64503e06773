/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and linking: which definition serves, what waits for what, names
   that are resolved at run time. */
#include "config.h"

#include "tests/unit/core_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "vm/asm/asm.h"

START_TEST(the_librarys_record_wins)
{
  struct vm_class *library = core_class("IO");
  core_load("t.pa", ".record IO {\ni32 x\n}\n");
  ck_assert_ptr_eq(core_class("IO"), library);
  ck_assert_uint_eq(library->field_count, 0);
}
END_TEST

START_TEST(functions_of_a_shadowed_record_do_not_exist)
{
  core_load("t.pa", ".record panda.NoSuchMethodError <external>\n"
                    ".record IO {}\n"
                    ".function i32 IO.mine() {\nldai 1\nreturn\n}\n"
                    ".function i32 main() {\nb:\ncall IO.mine\nreturn\ne:\n"
                    "h:\nldai 9\nreturn\n"
                    ".catch panda.NoSuchMethodError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 9);
}
END_TEST

START_TEST(an_empty_record_before_metadata_is_the_librarys)
{
  core_load("t.pa", ".record panda.String <external>\n"
                    ".function i32 Convert.stringToI32(panda.String a0)"
                    " <external>\n"
                    ".function i32 main() {\nlda.str \"41\"\nsta.obj v0\n"
                    "call Convert.stringToI32, v0\naddi 1\nreturn\n}\n"
                    ".record Convert {} <external>\n");
  ck_assert_int_eq(core_run(), 42);
}
END_TEST

START_TEST(the_first_file_that_defines_a_record_serves)
{
  core_load("a.pa", ".record A {}\n"
                    ".function i32 A.f() {\nldai 1\nreturn\n}\n");
  core_load("b.pa", ".record A {\ni32 x\n}\n"
                    ".function i32 A.f() {\nldai 2\nreturn\n}\n"
                    ".function i32 main() {\ncall A.f\nreturn\n}\n");
  ck_assert_uint_eq(core_class("A")->field_count, 0);
  ck_assert_int_eq(core_run(), 1);
}
END_TEST

START_TEST(a_base_may_come_in_a_later_file)
{
  core_load("a.pa", ".record A <external>\n"
                    ".record B <extends=A> {\ni32 y\n}\n"
                    ".record C <extends=B> {\ni32 z\n}\n"
                    ".function i32 C.f(C a0) {\nldobj a0, C.z\nreturn\n}\n");
  ck_assert_ptr_null(vm_class_find(machine.vm, "C"));
  core_load("b.pa", ".record A {\ni32 x\n}\n"
                    ".record C <external>\n"
                    ".function i32 C.f(C a0) <external>\n"
                    ".function i32 main() {\nnewobj v0, C\n"
                    "call C.f, v0\nreturn\n}\n");
  ck_assert_ptr_eq(core_class("C")->base->base, core_class("A"));
  ck_assert_uint_eq(core_field("C", "z")->offset, 16);
  ck_assert_int_eq(core_run(), 0);
}
END_TEST

START_TEST(bases_may_follow_in_the_same_file)
{
  core_load("t.pa", ".record C <extends=B> {}\n.record B <extends=A> {}\n"
                    ".record A {}\n");
  ck_assert_uint_eq(core_class("C")->depth, 3);
}
END_TEST

START_TEST(the_first_of_two_waiting_records_serves)
{
  core_load("a.pa", ".record A <external>\n"
                    ".record B <extends=A> {\ni32 first\n}\n");
  core_load("b.pa", ".record B {\ni32 second\n}\n");
  core_load("c.pa", ".record A {}\n");
  ck_assert_str_eq(core_class("B")->fields[0].name, "first");
}
END_TEST

START_TEST(a_record_without_its_base_does_not_exist)
{
  core_load("t.pa", CORE_PRELUDE
            ".record panda.NoClassDefFoundError <external>\n"
            ".function panda.String panda.NoClassDefFoundError.getMessage("
            "panda.NoClassDefFoundError a0) <external>\n"
            ".record Missing <external>\n"
            ".record A <extends=Missing> {}\n.record B <extends=A> {}\n"
            ".function void main() {\nb:\nnewobj v0, B\nreturn.void\ne:\nh:\n"
            "sta.obj v0\n"
            "call panda.NoClassDefFoundError.getMessage, v0\nsta.obj v0\n"
            "call IO.printString, v0\nreturn.void\n"
            ".catch panda.NoClassDefFoundError, b, e, h\n}\n");
  core_run_prints("Missing");
}
END_TEST

/* The assembler refuses rings; a module from elsewhere may have one.  The
   base of the last record becomes that of the one before. */
static void load_ring(const char *text)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("t.pa", text, strlen(text), &diags);
  ck_assert_ptr_nonnull(module);
  struct vm_record_def *last = &module->records[module->record_count - 1];
  last->base = last[-1].type;
  ck_assert(!vm_load_module(machine.vm, module, &diags));
  ck_assert_ptr_nonnull(strstr(diags.first->text, "extends itself through"));
  vm_diags_destroy(&diags);
}

START_TEST(a_record_cannot_extend_itself)
{
  load_ring(".record A <extends=B> {}\n.record B {}\n");
}
END_TEST

START_TEST(a_record_behind_a_ring_of_bases_is_refused_too)
{
  load_ring(".record C <extends=B> {}\n.record A <extends=B> {}\n"
            ".record B {}\n");
  ck_assert_ptr_null(vm_class_find(machine.vm, "C"));
}
END_TEST

START_TEST(what_has_no_instances_cannot_be_extended)
{
  static const char text[] = ".record A {}\n.function void f(i32[] a0) {\n"
                             "return.void\n}\n";
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("t.pa", text, sizeof text - 1, &diags);
  ck_assert_ptr_nonnull(module);
  module->records[0].base =
      module->methods[module->functions[0].method].params[0];
  ck_assert(!vm_load_module(machine.vm, module, &diags));
  ck_assert_uint_eq(diags.errors, 1);
  ck_assert_ptr_null(vm_class_find(machine.vm, "A"));
  vm_diags_destroy(&diags);
}
END_TEST

/* R<links> extends R<links - 1> and so on down to R0, in this order. */
static void load_chain(int links, const char *last)
{
  char *text = malloc((size_t)links * 40 + 100);
  size_t length = 0;
  ck_assert_ptr_nonnull(text);
  for (int i = links; i > 0; i--)
    length += (size_t)sprintf(text + length, ".record R%d <extends=R%d> {}\n",
                              i, i - 1);
  sprintf(text + length, "%s", last);
  core_load("t.pa", text);
  free(text);
}

START_TEST(a_long_chain_of_bases_needs_no_deep_stack)
{
  enum { LINKS = 1500 };
  load_chain(LINKS, ".record R0 {}\n");
  ck_assert_uint_eq(core_class("R1500")->depth, LINKS + 1);
}
END_TEST

/* Were each record looked for on the way to each that extends it, it would take
   minutes. */
START_TEST(a_long_chain_waits_for_its_base_without_much_ado)
{
  enum { LINKS = 100000 };
  load_chain(LINKS, ".record R0 <extends=Missing> {}\n"
                    ".record Missing <external>\n");
  ck_assert_ptr_null(vm_class_find(machine.vm, "R0"));
  ck_assert_ptr_null(vm_class_find(machine.vm, "R100000"));
}
END_TEST

START_TEST(a_modules_own_function_comes_first)
{
  core_load("a.pa", ".function i32 f() {\nldai 1\nreturn\n}\n"
                    ".function i32 main() {\ncall f\nreturn\n}\n");
  core_load("b.pa", ".function i32 f() {\nldai 2\nreturn\n}\n"
                    ".function i32 main() {\nldai 3\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 1);
}
END_TEST

START_TEST(functions_of_other_files_are_found)
{
  core_load("a.pa", ".function i32 f(i32 a0) <external>\n"
                    ".function i32 main() {\nmovi v0, 20\ncall f, v0\n"
                    "return\n}\n");
  core_load("b.pa", ".function i32 f(i64 a0) {\nldai 1\nreturn\n}\n");
  core_load("c.pa", ".function i32 f(i32 a0) {\nlda a0\naddi 3\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 23);
}
END_TEST

START_TEST(static_values_are_there_before_the_initialiser)
{
  core_load("t.pa", CORE_PRELUDE
            ".record R {\ni32 a <static, value=7>\ni32 b <static>\n}\n"
            ".function void R.cctor() <cctor> {\nldstatic R.a\naddi 1\n"
            "ststatic R.b\nreturn.void\n}\n"
            ".function i32 main() {\nldstatic R.b\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 8);
}
END_TEST

START_TEST(a_field_of_another_type_is_not_found)
{
  core_load("a.pa", ".record R {\ni64 x\n}\n");
  core_load("b.pa", ".record panda.NoSuchFieldError <external>\n"
                    ".record R <external> {\ni32 x <external>\n}\n"
                    ".function i32 main() {\nb:\nnewobj v0, R\n"
                    "ldobj v0, R.x\nreturn\ne:\nh:\nldai 4\nreturn\n"
                    ".catch panda.NoSuchFieldError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 4);
}
END_TEST

START_TEST(inherited_members_are_found_through_external_names)
{
  core_load("a.pa", ".record A {\ni32 x\n}\n.record B <extends=A> {}\n"
                    ".function i32 A.f(A a0) {\nldobj a0, A.x\naddi 1\n"
                    "return\n}\n");
  core_load("b.pa", ".record B <external> {\ni32 x <external>\n}\n"
                    ".function i32 B.f(B a0) <external>\n"
                    ".function i32 main() {\nnewobj v0, B\nmovi v1, 5\n"
                    "stobj.v v1, v0, B.x\ncall B.f, v0\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 6);
}
END_TEST

START_TEST(a_constructor_is_not_inherited)
{
  core_load("a.pa", ".record A {}\n.record B <extends=A> {}\n"
                    ".function void A.c(A a0) <ctor> {\nreturn.void\n}\n");
  core_load("b.pa", ".record panda.NoSuchMethodError <external>\n"
                    ".record B <external>\n"
                    ".function void B.c(B a0) <ctor, external>\n"
                    ".function i32 main() {\nb:\ninitobj B.c\nldai 1\nreturn\n"
                    "e:\nh:\nldai 2\nreturn\n"
                    ".catch panda.NoSuchMethodError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 2);
}
END_TEST

static enum vm_outcome try_entry(const char *entry, const char *part)
{
  struct mm_error error = {{0}};
  int status;
  enum vm_outcome outcome = vm_run(machine.vm, entry, 0, NULL, &status, &error);
  ck_assert_msg(strstr(error.text, part) != NULL, "%s", error.text);
  return outcome;
}

START_TEST(an_entry_point_is_static_and_takes_arguments_or_nothing)
{
  core_load("t.pa", ".record R {}\n"
                    ".function i32 R.m(R a0) {\nldai 1\nreturn\n}\n"
                    ".function i32 two(i32 a0, i32 a1) {\nldai 1\nreturn\n}\n");
  ck_assert_int_eq(try_entry("R::m", "has to be static"), VM_NO_ENTRY);
  ck_assert_int_eq(try_entry("_GLOBAL::two", "has to be static"), VM_NO_ENTRY);
  ck_assert_int_eq(try_entry("_GLOBAL::main", "no entry point"), VM_NO_ENTRY);
  ck_assert_int_eq(try_entry("S::m", "no entry point"), VM_NO_ENTRY);
  ck_assert_int_eq(try_entry("main", "Class::method"), VM_NO_ENTRY);
}
END_TEST

START_TEST(arguments_reach_the_entry_point)
{
  static char one[] = "one", two[] = "z\xc3\xa9";
  char *const arguments[] = {one, two};
  struct mm_error error = {{0}};
  int status = -1;
  core_load("t.pa",
            CORE_PRELUDE ".record R {}\n"
                         ".function i32 R.start(panda.String[] a0) {\nldai 1\n"
                         "ldarr.obj a0\nsta.obj v0\ncall IO.printString, v0\n"
                         "lenarr a0\nreturn\n}\n");
  ck_assert_int_eq(
      vm_run(machine.vm, "R::start", 2, arguments, &status, &error),
      VM_RETURNED);
  machine_flush();
  ck_assert_int_eq(status, 2);
  ck_assert_str_eq(machine.out_text, "z\xc3\xa9");
}
END_TEST

START_TEST(a_status_is_the_low_half_of_what_is_returned)
{
  core_load("t.pa", ".function i64 main() {\nldai.64 0x500000003\n"
                    "return.64\n}\n");
  ck_assert_int_eq(core_run(), 3);
}
END_TEST

START_TEST(nothing_and_references_are_status_0)
{
  core_load("t.pa", ".record R {}\n"
                    ".function R main() {\nnewobj v0, R\nlda.obj v0\n"
                    "return.obj\n}\n");
  ck_assert_int_eq(core_run(), 0);
}
END_TEST

START_TEST(a_native_without_implementation_is_no_method)
{
  core_load("t.pa", ".record panda.NoSuchMethodError <external>\n"
                    ".function i32 f() <native>\n"
                    ".function i32 main() {\nb:\ncall f\nreturn\ne:\nh:\n"
                    "ldai 5\nreturn\n"
                    ".catch panda.NoSuchMethodError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 5);
}
END_TEST

START_TEST(a_malformed_module_is_refused)
{
  static const char text[] = ".function i32 main() {\nldai 1\nreturn\n}\n";
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("t.pa", text, sizeof text - 1, &diags);
  ck_assert_ptr_nonnull(module);
  module->functions[0].insns[0].op = 60000;
  ck_assert(!vm_load_module(machine.vm, module, &diags));
  ck_assert_uint_eq(diags.errors, 1);
  ck_assert_int_eq(try_entry("_GLOBAL::main", "no entry point"), VM_NO_ENTRY);
  vm_diags_destroy(&diags);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("load");
  tcase_add_test(tests, the_librarys_record_wins);
  tcase_add_test(tests, functions_of_a_shadowed_record_do_not_exist);
  tcase_add_test(tests, an_empty_record_before_metadata_is_the_librarys);
  tcase_add_test(tests, the_first_file_that_defines_a_record_serves);
  tcase_add_test(tests, a_base_may_come_in_a_later_file);
  tcase_add_test(tests, bases_may_follow_in_the_same_file);
  tcase_add_test(tests, the_first_of_two_waiting_records_serves);
  tcase_add_test(tests, a_record_without_its_base_does_not_exist);
  tcase_add_test(tests, a_record_cannot_extend_itself);
  tcase_add_test(tests, a_record_behind_a_ring_of_bases_is_refused_too);
  tcase_add_test(tests, what_has_no_instances_cannot_be_extended);
  tcase_add_test(tests, a_long_chain_of_bases_needs_no_deep_stack);
  tcase_add_test(tests, a_long_chain_waits_for_its_base_without_much_ado);
  tcase_add_test(tests, a_modules_own_function_comes_first);
  tcase_add_test(tests, functions_of_other_files_are_found);
  tcase_add_test(tests, static_values_are_there_before_the_initialiser);
  tcase_add_test(tests, a_field_of_another_type_is_not_found);
  tcase_add_test(tests, inherited_members_are_found_through_external_names);
  tcase_add_test(tests, a_constructor_is_not_inherited);
  tcase_add_test(tests,
                 an_entry_point_is_static_and_takes_arguments_or_nothing);
  tcase_add_test(tests, arguments_reach_the_entry_point);
  tcase_add_test(tests, a_status_is_the_low_half_of_what_is_returned);
  tcase_add_test(tests, nothing_and_references_are_status_0);
  tcase_add_test(tests, a_native_without_implementation_is_no_method);
  tcase_add_test(tests, a_malformed_module_is_refused);
  return machine_main("load", tests);
}
