/* SPDX-License-Identifier: Apache-2.0 */
/* Machines: their options, their failures, several of them at once. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "interp/interp.h"
#include "tests/unit/suite.h"
#include "vm/asm/asm.h"
#include "vm/core/runtime.h"

static struct vm_options options;
static struct mm_error error;

static void defaults(void)
{
  vm_options_init(&options);
  options.mm.heap_max_bytes = 16u << 20;
  options.mm.workers = 1;
  memset(&error, 0, sizeof error);
}

static struct vm *create(void)
{
  struct vm *vm = NULL;
  ck_assert_msg(vm_create(&options, interp_engine(), &vm, &error) == MM_OK,
                "%s", error.text);
  return vm;
}

static void load(struct vm *vm, const char *text)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("t.pa", text, strlen(text), &diags);
  ck_assert_ptr_nonnull(module);
  ck_assert(vm_load_module(vm, module, &diags));
  vm_diags_destroy(&diags);
}

static int run(struct vm *vm)
{
  int status = -1;
  ck_assert_int_eq(vm_run(vm, "_GLOBAL::main", 0, NULL, &status, &error),
                   VM_RETURNED);
  return status;
}

START_TEST(two_machines_know_nothing_of_each_other)
{
  struct vm *one = create(), *two = create();
  load(one, ".record R {}\n.function i32 main() {\nldai 1\nreturn\n}\n");
  load(two, ".function i32 main() {\nldai 2\nreturn\n}\n");
  ck_assert_ptr_nonnull(vm_class_find(one, "R"));
  ck_assert_ptr_null(vm_class_find(two, "R"));
  ck_assert_int_eq(run(one), 1);
  ck_assert_int_eq(run(two), 2);
  vm_destroy(one);
  ck_assert_int_eq(run(two), 2);
  vm_destroy(two);
}
END_TEST

START_TEST(a_machine_may_be_made_again_and_again)
{
  for (int i = 0; i < 20; i++)
    vm_destroy(create());
}
END_TEST

START_TEST(what_the_heap_refuses_is_told)
{
  struct vm *vm = NULL;
  options.mm.gc = MM_GC_EPSILON;
  options.mm.generational = MM_GENERATIONAL_ON;
  ck_assert_int_eq(vm_create(&options, interp_engine(), &vm, &error),
                   MM_UNSUPPORTED);
  ck_assert_ptr_null(vm);
  ck_assert_uint_gt(strlen(error.text), 10);
}
END_TEST

START_TEST(a_stack_that_cannot_be_had_is_told)
{
  struct vm *vm = NULL;
  options.stack_bytes = SIZE_MAX / 4;
  ck_assert_int_eq(vm_create(&options, interp_engine(), &vm, &error),
                   MM_NO_MEMORY);
  ck_assert_ptr_null(vm);
  ck_assert_ptr_nonnull(strstr(error.text, "--stack"));
  options.stack_bytes = SIZE_MAX;
  ck_assert_int_eq(vm_create(&options, interp_engine(), &vm, &error),
                   MM_NO_MEMORY);
}
END_TEST

#define RECURSION                                                              \
  ".function i32 down(i32 a0) {\nlda a0\njeqz end\naddi -1\nsta v0\n"          \
  "call down, v0\naddi 1\nend:\nreturn\n}\n"

START_TEST(ten_thousand_frames_fit_the_usual_stack)
{
  struct vm *vm = create();
  load(vm, RECURSION ".function i32 main() {\nmovi v0, 100000\n"
                     "call down, v0\nreturn\n}\n");
  ck_assert_int_eq(run(vm), 100000);
  vm_destroy(vm);
}
END_TEST

START_TEST(a_small_stack_overflows_early_and_cleanly)
{
  options.stack_bytes = 1;
  struct vm *vm = create();
  load(vm, RECURSION ".record panda.StackOverflowException <external>\n"
                     ".function i32 main() {\nb:\nmovi v0, 10000\n"
                     "call down, v0\nreturn\ne:\nh:\nldai 7\nreturn\n"
                     ".catch panda.StackOverflowException, b, e, h\n}\n");
  ck_assert_int_eq(run(vm), 7);
  vm_destroy(vm);
}
END_TEST

START_TEST(a_frame_larger_than_the_stack_is_an_overflow)
{
  options.stack_bytes = 64 * 1024;
  struct vm *vm = create();
  load(vm, ".record panda.StackOverflowException <external>\n"
           ".function i32 wide() {\nmov v60000, v60001\nldai 1\nreturn\n}\n"
           ".function i32 main() {\nb:\ncall wide\nreturn\ne:\nh:\nldai 9\n"
           "return\n.catch panda.StackOverflowException, b, e, h\n}\n");
  ck_assert_int_eq(run(vm), 9);
  vm_destroy(vm);
}
END_TEST

/* Each frame keeps a box; the exception at the bottom is allocated, and so
   collects, when the stack is full. */
START_TEST(a_collection_in_a_stack_overflow_sees_all_frames)
{
  options.stack_bytes = 64 * 1024;
  options.mm.stress_alloc = 1;
  options.mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER;
  struct vm *vm = create();
  load(vm, ".record panda.StackOverflowException <external>\n"
           ".record Box {\ni32 n\n}\n"
           ".function i32 down(i32 a0) {\nnewobj v0, Box\n"
           "stobj.v a0, v0, Box.n\nlda a0\naddi 1\nsta v1\nb:\n"
           "call down, v1\ne:\njmp out\nh:\nout:\nldobj v0, Box.n\n"
           "jne a0, bad\nreturn\nbad:\nldai -1\nreturn\n"
           ".catch panda.StackOverflowException, b, e, h\n}\n"
           ".function i32 main() {\nmovi v0, 5\ncall down, v0\nreturn\n}\n");
  ck_assert_int_eq(run(vm), 5);
  ck_assert_uint_gt(mm_collections_forced(vm->heap), 100);
  vm_destroy(vm);
}
END_TEST

START_TEST(exit_leaves_a_machine_that_can_be_destroyed)
{
  int status = -1;
  struct vm *vm = create();
  load(vm, ".record System <external>\n"
           ".function void System.exit(i32 a0) <external>\n"
           ".function i32 main() {\nmovi v0, 300\ncall System.exit, v0\n"
           "ldai 1\nreturn\n}\n");
  ck_assert_int_eq(vm_run(vm, "_GLOBAL::main", 0, NULL, &status, &error),
                   VM_EXITED);
  ck_assert_int_eq(status, 300);
  vm_destroy(vm);
}
END_TEST

/* A program in which each class needs the next one to be initialised. */
static char *nested_initialisers(int classes)
{
  char *text = malloc((size_t)classes * 120 + 500);
  ck_assert_ptr_nonnull(text);
  size_t length = (size_t)sprintf(
      text, ".record panda.ExceptionInInitializerError <external>\n"
            ".function i32 main() {\nb:\nldstatic R0.x\nldai 1\nreturn\n"
            "e:\nh:\nldai 2\nreturn\n"
            ".catch panda.ExceptionInInitializerError, b, e, h\n}\n");
  for (int i = 0; i < classes; i++)
    length += (size_t)sprintf(text + length,
                              ".record R%d {\ni32 x <static>\n}\n"
                              ".function void R%d.c() <cctor> {\n"
                              "ldstatic R%d.x\nreturn.void\n}\n",
                              i, i, (i + 1) % classes);
  return text;
}

/* Initialisers nest through C: each level enters the engine again.  The
   overflow itself is wrapped once per level on the way out. */
START_TEST(nested_initialisers_stop_at_the_end_of_the_c_stack)
{
  struct rlimit limit;
  ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
  limit.rlim_cur = 2u << 20;
  ck_assert_int_eq(setrlimit(RLIMIT_STACK, &limit), 0);
  char *text = nested_initialisers(8000);
  struct vm *vm = create();
  load(vm, text);
  free(text);
  ck_assert_int_eq(run(vm), 2);
  vm_destroy(vm);
}
END_TEST

/* The process may take only a little more address space than it has. */
START_TEST(a_limit_on_memory_is_a_status)
{
  struct rlimit limit = {64u << 20, RLIM_INFINITY};
  struct vm *vm = NULL;
#if defined BAMBOO_ASAN || defined BAMBOO_TSAN
  return; /* their shadow is larger than any limit */
#endif
  options.mm.heap_max_bytes = 4096ull << 20;
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
  enum mm_status status = vm_create(&options, interp_engine(), &vm, &error);
  limit.rlim_cur = RLIM_INFINITY;
  setrlimit(RLIMIT_AS, &limit);
  ck_assert_int_ne(status, MM_OK);
  ck_assert_uint_gt(strlen(error.text), 10);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("machine");
  tcase_add_checked_fixture(tests, defaults, NULL);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, two_machines_know_nothing_of_each_other);
  tcase_add_test(tests, a_machine_may_be_made_again_and_again);
  tcase_add_test(tests, what_the_heap_refuses_is_told);
  tcase_add_test(tests, a_stack_that_cannot_be_had_is_told);
  tcase_add_test(tests, ten_thousand_frames_fit_the_usual_stack);
  tcase_add_test(tests, a_small_stack_overflows_early_and_cleanly);
  tcase_add_test(tests, a_frame_larger_than_the_stack_is_an_overflow);
  tcase_add_test(tests, a_collection_in_a_stack_overflow_sees_all_frames);
  tcase_add_test(tests, exit_leaves_a_machine_that_can_be_destroyed);
  tcase_add_test(tests, nested_initialisers_stop_at_the_end_of_the_c_stack);
  tcase_add_test(tests, a_limit_on_memory_is_a_status);
  return suite_main("machine", (TCase *[]){tests, NULL});
}
