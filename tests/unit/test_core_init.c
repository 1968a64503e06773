/* SPDX-License-Identifier: Apache-2.0 */
/* Class initialisation: order, failure, what counts as use. */
#include "config.h"

#include "tests/unit/core_fixture.h"

/* Prints a word: the body of an initialiser. */
#define SAYS(word)                                                             \
  "lda.str \"" word " \"\nsta.obj v0\ncall IO.printString, v0\n"

#define EXCEPTIONS                                                             \
  ".record panda.NoClassDefFoundError <external>\n"                            \
  ".record panda.ExceptionInInitializerError <external>\n"                     \
  ".record panda.VerifyError <external>\n"

START_TEST(a_base_is_initialised_before_its_subclass)
{
  core_load(
      "t.pa", CORE_PRELUDE
      ".record B <extends=A> {\ni32 x <static>\n}\n.record A {}\n"
      ".function void A.cctor() <cctor> {\n" SAYS(
          "A") "return.void\n}\n"
               ".function void B.cctor() <cctor> {\n" SAYS(
                   "B") "return.void\n}\n"
                        ".function void main() {\nldstatic B.x\nldstatic B.x\n"
                        "newobj v0, A\nreturn.void\n}\n");
  core_run_prints("A B ");
}
END_TEST

START_TEST(an_error_leaves_an_initialiser_as_it_is)
{
  core_load("t.pa", CORE_PRELUDE EXCEPTIONS
            ".record MyError <extends=panda.Error> {}\n"
            ".record A {\ni32 x <static>\n}\n"
            ".function void A.cctor() <cctor> {\nnewobj v0, MyError\n"
            "throw v0\n}\n"
            ".function i32 main() {\nb:\nldstatic A.x\nreturn\ne:\nh:\n"
            "ldai 3\nreturn\n.catch MyError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 3);
}
END_TEST

START_TEST(anything_else_becomes_the_cause_of_an_error)
{
  core_load("t.pa", CORE_PRELUDE EXCEPTIONS
            ".function panda.Object panda.ExceptionInInitializerError.getCause("
            "panda.ExceptionInInitializerError a0) <external>\n"
            ".function panda.String "
            "panda.ExceptionInInitializerError.getMessage("
            "panda.ExceptionInInitializerError a0) <external>\n"
            ".record Mine {}\n.record A {\ni32 x <static>\n}\n"
            ".function void A.cctor() <cctor> {\nnewobj v0, Mine\nthrow v0\n}\n"
            ".function i32 main() {\nb:\nldstatic A.x\nreturn\ne:\nh:\n"
            "sta.obj v0\n"
            "call panda.ExceptionInInitializerError.getMessage, v0\n"
            "jnez.obj bad\n"
            "call panda.ExceptionInInitializerError.getCause, v0\n"
            "isinstance Mine\nreturn\nbad:\nldai 7\nreturn\n"
            ".catch panda.ExceptionInInitializerError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 1);
}
END_TEST

START_TEST(a_broken_class_stays_broken)
{
  core_load(
      "t.pa", CORE_PRELUDE EXCEPTIONS
      ".record A {\ni32 x <static>\n}\n"
      ".function void A.cctor() <cctor> {\n" SAYS(
          "run") "movi v1, 0\nldai 1\ndiv2 v1\nreturn.void\n}\n"
                 ".function void use() {\nb:\nldstatic A.x\nreturn.void\ne:\n"
                 "wrapped:\n" SAYS(
                     "wrapped") "return.void\n"
                                "missing:\n" SAYS(
                                    "missing") "return.void\n"
                                               ".catch "
                                               "panda."
                                               "ExceptionInInitializerError, "
                                               "b, e, wrapped\n"
                                               ".catch "
                                               "panda.NoClassDefFoundError, b, "
                                               "e, missing\n}\n"
                                               ".function void main() {\ncall "
                                               "use\ncall use\ncall use\n"
                                               "return.void\n}\n");
  core_run_prints("run wrapped missing missing ");
}
END_TEST

START_TEST(a_subclass_of_a_broken_class_is_broken_too)
{
  core_load("t.pa", CORE_PRELUDE EXCEPTIONS
            ".record A {\ni32 x <static>\n}\n"
            ".record B <extends=A> {\ni32 y <static>\n}\n"
            ".function void A.cctor() <cctor> {\n"
            "movi v1, 0\nldai 1\ndiv2 v1\nreturn.void\n}\n"
            ".function i32 main() {\nb:\nldstatic B.y\nreturn\ne:\n"
            "h:\nldstatic A.x\nreturn\ne2:\nh2:\nldstatic B.y\nreturn\n"
            "e3:\nh3:\nldai 6\nreturn\n"
            ".catch panda.ExceptionInInitializerError, b, e, h\n"
            ".catch panda.NoClassDefFoundError, h, e2, h2\n"
            ".catch panda.NoClassDefFoundError, h2, e3, h3\n}\n");
  ck_assert_int_eq(core_run(), 6);
}
END_TEST

START_TEST(extending_a_final_record_is_found_at_initialisation)
{
  core_load(
      "t.pa", CORE_PRELUDE EXCEPTIONS
      ".function panda.String panda.VerifyError.getMessage("
      "panda.VerifyError a0) <external>\n"
      ".record F <final> {}\n.record G <extends=F> {}\n"
      ".function void F.cctor() <cctor> {\n" SAYS(
          "F") "return.void\n}\n"
               ".function void main() {\nb:\nnewobj v0, "
               "G\nreturn.void\ne:\nh:\n"
               "sta.obj v0\ncall panda.VerifyError.getMessage, v0\nsta.obj v0\n"
               "call IO.printString, v0\nagain:\nnewobj v0, G\nreturn.void\n"
               "again_end:\nh2:\n" SAYS(
                   " then missing") "return.void\n"
                                    ".catch panda.VerifyError, b, e, h\n"
                                    ".catch panda.NoClassDefFoundError, again, "
                                    "again_end, h2\n}\n");
  core_run_prints("G then missing ");
}
END_TEST

START_TEST(strings_cannot_be_extended)
{
  core_load("t.pa", CORE_PRELUDE EXCEPTIONS
            ".record S <extends=panda.String> {}\n"
            ".function i32 main() {\nb:\nnewobj v0, S\nlda.obj v0\n"
            "sta.obj v1\ncall IO.printString, v1\nldai 0\nreturn\ne:\nh:\n"
            "ldai 8\nreturn\n.catch panda.VerifyError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 8);
}
END_TEST

START_TEST(classes_may_need_each_other)
{
  core_load("t.pa", CORE_PRELUDE
            ".record A {\ni32 x <static>\n}\n.record B {\ni32 y <static>\n}\n"
            ".function void A.cctor() <cctor> {\nldstatic B.y\naddi 1\n"
            "ststatic A.x\nreturn.void\n}\n"
            ".function void B.cctor() <cctor> {\nldstatic A.x\naddi 10\n"
            "ststatic B.y\nreturn.void\n}\n"
            ".function i32 main() {\nldstatic A.x\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 11);
}
END_TEST

START_TEST(a_class_without_initialiser_is_ready_when_loaded)
{
  core_load("t.pa", ".record A {}\n.record B <extends=A> {}\n"
                    ".record C <extends=B> {\ni32 x <static>\n}\n"
                    ".function void C.cctor() <cctor> {\nreturn.void\n}\n"
                    ".record D <extends=C> {}\n");
  ck_assert(vm_class_is_initialised(core_class("B")));
  ck_assert(!vm_class_is_initialised(core_class("C")));
  ck_assert(!vm_class_is_initialised(core_class("D")));
}
END_TEST

START_TEST(the_entry_points_class_is_initialised_first)
{
  core_load("t.pa", CORE_PRELUDE ".function void init() <cctor> {\n" SAYS(
                        "first") "return.void\n}\n"
                                 ".function void main() {\n" SAYS(
                                     "main") "return.void\n}\n");
  core_run_prints("first main ");
}
END_TEST

START_TEST(exit_in_an_initialiser_ends_the_program)
{
  struct mm_error error = {{0}};
  int status = -1;
  core_load("t.pa", CORE_PRELUDE
            ".record System <external>\n"
            ".function void System.exit(i32 a0) <external>\n"
            ".record A {\ni32 x <static>\n}\n"
            ".function void A.cctor() <cctor> {\nmovi v0, 17\n"
            "call System.exit, v0\nreturn.void\n}\n"
            ".function i32 main() {\nb:\nldstatic A.x\nreturn\ne:\nh:\n"
            "ldai 1\nreturn\n.catchall b, e, h\n}\n");
  ck_assert_int_eq(
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, &status, &error), VM_EXITED);
  ck_assert_int_eq(status, 17);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("initialisation");
  tcase_add_test(tests, a_base_is_initialised_before_its_subclass);
  tcase_add_test(tests, an_error_leaves_an_initialiser_as_it_is);
  tcase_add_test(tests, anything_else_becomes_the_cause_of_an_error);
  tcase_add_test(tests, a_broken_class_stays_broken);
  tcase_add_test(tests, a_subclass_of_a_broken_class_is_broken_too);
  tcase_add_test(tests, extending_a_final_record_is_found_at_initialisation);
  tcase_add_test(tests, strings_cannot_be_extended);
  tcase_add_test(tests, classes_may_need_each_other);
  tcase_add_test(tests, a_class_without_initialiser_is_ready_when_loaded);
  tcase_add_test(tests, the_entry_points_class_is_initialised_first);
  tcase_add_test(tests, exit_in_an_initialiser_ends_the_program);
  return machine_main("initialisation", tests);
}
