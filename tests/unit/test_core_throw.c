/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions: messages, handlers, traces, and throwing without memory. */
#include "config.h"

#include "tests/unit/core_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm_inline.h"
#include "vm/core/object.h"

START_TEST(messages_are_those_of_panda)
{
  struct vm_thread *thread = machine.thread;
  struct mm_ref string = machine_string("x");
  vm_throw_null(thread);
  machine_expect("panda.NullPointerException", NULL);
  vm_throw_index(thread, -1, 3000000000u);
  machine_expect("panda.ArrayIndexOutOfBoundsException",
                 "idx = -1; length = 3000000000");
  vm_throw_negative_size(thread, INT32_MIN);
  machine_expect("panda.NegativeArraySizeException", "size = -2147483648");
  vm_throw_division(thread);
  machine_expect("panda.ArithmeticException", "/ by zero");
  vm_throw_cast(thread, string, core_class("i32[]"));
  machine_expect("panda.ClassCastException",
                 "panda.String cannot be cast to i32[]");
  vm_throw_cast(thread, MM_NULL, core_class("i32[]"));
  machine_expect("panda.ClassCastException", "null cannot be cast to i32[]");
}
END_TEST

START_TEST(a_store_names_the_value_and_the_array)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&machine.thread->mutator, &scope, held, 1);
  held[0] = vm_new_array(machine.thread, core_class("panda.String[]"), 1);
  struct mm_ref object = machine_object();
  vm_throw_store(machine.thread, object, held[0]);
  machine_expect("panda.ArrayStoreException",
                 "panda.Object cannot be stored in an array of type "
                 "panda.String[]");
  mm_scope_close(&machine.thread->mutator, &scope);
}
END_TEST

START_TEST(a_long_message_is_kept_whole)
{
  char long_text[2000];
  memset(long_text, 'm', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  vm_throw(machine.thread, VM_ERROR_RUNTIME, "<%s>", long_text);
  machine_expect("panda.RuntimeException", "mmm>");
}
END_TEST

START_TEST(a_missing_class_has_a_cause)
{
  ck_assert_ptr_null(vm_class_find(machine.vm, "Nowhere"));
  core_load("t.pa", ".record panda.NoClassDefFoundError <external>\n"
                    ".record panda.ClassNotFoundException <external>\n"
                    ".function panda.Object "
                    "panda.NoClassDefFoundError.getCause("
                    "panda.NoClassDefFoundError a0) <external>\n"
                    ".record panda.Object <external>\n"
                    ".record Nowhere <external>\n"
                    ".function i32 main() {\nb:\nlda.null\n"
                    "isinstance Nowhere[]\nreturn\ne:\nh:\nsta.obj v0\n"
                    "call panda.NoClassDefFoundError.getCause, v0\n"
                    "isinstance panda.ClassNotFoundException\nreturn\n"
                    ".catch panda.NoClassDefFoundError, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 1);
}
END_TEST

START_TEST(an_exception_thrown_again_keeps_its_trace)
{
  core_load("t.pa", CORE_PRELUDE
            ".function void deep() {\nnewobj v0, panda.RuntimeException\n"
            "throw v0\n}\n"
            ".function void again() {\nb:\ncall deep\nreturn.void\ne:\nh:\n"
            "sta.obj v0\nthrow v0\n.catchall b, e, h\n}\n"
            ".function void main() {\ncall again\nreturn.void\n}\n");
  core_run_uncaught("    at deep (t.pa:16)\n    at again (t.pa:20)\n"
                    "    at main (t.pa:29)\n");
}
END_TEST

START_TEST(an_object_of_the_program_has_a_trace_too)
{
  core_load("dir/t.pa", ".record Mine {}\n.record R {}\n"
                        ".function void R.f() {\nnewobj v0, Mine\nthrow v0\n}\n"
                        ".function void main() {\ncall R.f\nreturn.void\n}\n");
  core_run_uncaught("Unhandled exception: Mine\n    at R.f (t.pa:5)\n"
                    "    at main (t.pa:8)\n");
}
END_TEST

START_TEST(a_report_names_the_causes)
{
  core_load("t.pa", CORE_PRELUDE
            ".record A {\ni32 x <static>\n}\n"
            ".function void A.cctor() <cctor> {\nldai 1\ndivi 0\n"
            "return.void\n}\n"
            ".function void main() {\nldstatic A.x\nreturn.void\n}\n");
  core_run_uncaught("Unhandled exception: panda.ExceptionInInitializerError\n"
                    "    at main (t.pa:23)\n"
                    "Caused by: panda.ArithmeticException\n/ by zero\n"
                    "    at A.cctor (t.pa:19)\n    at main (t.pa:23)\n");
}
END_TEST

START_TEST(a_ring_of_causes_is_cut)
{
  core_load("t.pa", CORE_PRELUDE
            ".function void main() {\nnewobj v0, panda.RuntimeException\n"
            "lda.null\nsta.obj v1\n"
            "call panda.RuntimeException.ctor, v0, v1, v0\nthrow v0\n}\n");
  core_run_uncaught("more causes left out");
}
END_TEST

START_TEST(a_long_trace_has_a_gap)
{
  core_load("t.pa", CORE_PRELUDE
            ".function i32 down(i32 a0) {\nlda a0\njeqz end\n"
            "addi -1\nsta v0\ncall down, v0\nreturn\nend:\n"
            "divi 0\nreturn\n}\n"
            ".function i32 main() {\nmovi v0, 999\ncall down, v0\nreturn\n}\n");
  core_run_uncaught("    ... 953 frames left out ...\n");
  const char *outer = strstr(machine.err_text, "left out");
  unsigned frames = 0;
  for (const char *at = outer; (at = strstr(at, "    at ")) != NULL; at++)
    frames++;
  ck_assert_uint_eq(frames, 16);
  ck_assert_ptr_nonnull(strstr(outer, "    at main (t.pa:27)"));
}
END_TEST

/* 300 frames with a null in each, then the innermost says which. */
START_TEST(a_long_trace_has_its_lines_right)
{
  core_load("t.pa", CORE_PRELUDE
            ".function i32 down(i32 a0) {\nlda a0\njeqz end\n"
            "addi -1\nsta v0\ncall down, v0\nreturn\nend:\n"
            "divi 0\nreturn\n}\n"
            ".function i32 main() {\nmovi v0, 300\ncall down, v0\nreturn\n}\n");
  core_run_uncaught("/ by zero\n    at down (t.pa:22)\n"
                    "    at down (t.pa:19)\n    at down (t.pa:19)\n");
}
END_TEST

/* --- Without memory --- */

enum { HELD = 4096 };

/* Fills the heap with arrays of numbers, which cost the collector little: as
   large as there is room for, then smaller and smaller ones. */
static void fill_heap(struct vm_thread *thread, struct mm_ref held[HELD])
{
  size_t count = 0;
  for (int32_t length = 2 << 20; length > 0;) {
    struct mm_ref array =
        vm_new_array(thread, vm_class_find(thread->vm, "i64[]"), length);
    if (!mm_is_null(array)) {
      ck_assert_uint_lt(count, HELD);
      held[count++] = array;
      continue;
    }
    machine_expect("panda.OutOfMemoryError", "");
    length = length > 32 ? length / 2 : length - 1;
  }
}

START_TEST(running_out_of_memory_can_be_survived)
{
  struct vm_thread *thread = machine.thread;
  struct mm_ref held[HELD];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, HELD);
  fill_heap(thread, held);
  vm_throw(thread, VM_ERROR_RUNTIME, "%s", "no room for this message");
  machine_expect("panda.OutOfMemoryError", "");
  held[0] = MM_NULL;
  mm_scope_close(&thread->mutator, &scope);
  vm_throw(thread, VM_ERROR_RUNTIME, "room");
  machine_expect("panda.RuntimeException", "room");
}
END_TEST

START_TEST(a_full_heap_does_not_hide_a_stack_overflow)
{
  struct vm_thread *thread = machine.thread;
  struct mm_ref held[HELD];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, HELD);
  fill_heap(thread, held);
  vm_throw_stack_overflow(thread);
  machine_expect("panda.StackOverflowException", "");
  mm_scope_close(&thread->mutator, &scope);
}
END_TEST

START_TEST(what_a_program_wrote_into_the_preallocated_is_forgotten)
{
  vm_throw_out_of_memory(machine.thread);
  struct mm_ref error = vm_thread_take_exception(machine.thread);
  struct mm_ref text = machine_string("mine");
  error = machine.vm->out_of_memory;
  vm_object_set_ref(machine.thread, error, VM_EXCEPTION_MESSAGE_OFFSET, text);
  vm_object_set_ref(machine.thread, error, VM_EXCEPTION_CAUSE_OFFSET, error);
  vm_throw_object(machine.thread, error); /* takes a trace */
  vm_throw_out_of_memory(machine.thread);
  ck_assert(mm_is_null(
      vm_object_ref(machine.thread->exception, VM_EXCEPTION_TRACE_OFFSET)));
  ck_assert(mm_is_null(
      vm_object_ref(machine.thread->exception, VM_EXCEPTION_CAUSE_OFFSET)));
  machine_expect("panda.OutOfMemoryError", "memory of its own");
}
END_TEST

START_TEST(the_preallocated_move_with_the_heap)
{
  uint32_t old = machine.vm->out_of_memory.bits;
  machine_collect();
  ck_assert_uint_ne(machine.vm->out_of_memory.bits, old);
  vm_throw_out_of_memory(machine.thread);
  ck_assert(mm_same(machine.thread->exception, machine.vm->out_of_memory));
  machine_expect("panda.OutOfMemoryError", "memory of its own");
}
END_TEST

START_TEST(endless_recursion_is_caught_and_leaves_a_usable_stack)
{
  core_load("t.pa", CORE_PRELUDE
            ".function i32 down(i32 a0) {\nlda a0\naddi 1\nsta v0\n"
            "call down, v0\nreturn\n}\n"
            ".function i32 main() {\nmovi v1, 0\nloop:\nb:\nmovi v0, 0\n"
            "call down, v0\nreturn\ne:\nh:\ninci v1, 1\nldai 5\n"
            "jgt v1, loop\nlda v1\nreturn\n"
            ".catch panda.StackOverflowException, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 5);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("throwing");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, messages_are_those_of_panda);
  tcase_add_test(tests, a_store_names_the_value_and_the_array);
  tcase_add_test(tests, a_long_message_is_kept_whole);
  tcase_add_test(tests, a_missing_class_has_a_cause);
  tcase_add_test(tests, an_exception_thrown_again_keeps_its_trace);
  tcase_add_test(tests, an_object_of_the_program_has_a_trace_too);
  tcase_add_test(tests, a_report_names_the_causes);
  tcase_add_test(tests, a_ring_of_causes_is_cut);
  tcase_add_test(tests, a_long_trace_has_a_gap);
  tcase_add_test(tests, a_long_trace_has_its_lines_right);
  tcase_add_test(tests, running_out_of_memory_can_be_survived);
  tcase_add_test(tests, a_full_heap_does_not_hide_a_stack_overflow);
  tcase_add_test(tests,
                 what_a_program_wrote_into_the_preallocated_is_forgotten);
  tcase_add_test(tests, the_preallocated_move_with_the_heap);
  tcase_add_test(tests, endless_recursion_is_caught_and_leaves_a_usable_stack);
  return machine_main("throwing", tests);
}
