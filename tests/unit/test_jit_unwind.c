/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions through frames of both kinds: a chain of methods, any of which is
 * compiled or interpreted, any of which, or none, catches what the last one's
 * call throws, after a collection that moved what their registers hold.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/object.h"

enum { DEPTH = 6, NOBODY = DEPTH, ALL = (1 << DEPTH) - 1 };

/* Bit i: method i is interpreted. */
static const unsigned mixes[] = {0,    ALL,  0x15, 0x2a, 0x0c,
                                 0x33, 0x38, 0x07, 0x01, 0x20};
enum { MIXES = sizeof mixes / sizeof mixes[0] };

/* --- The chain --- */

/* What method i answers when it catches: made of an argument, two registers, an
   object it made, and the accumulator, which is the exception. */
static int answer_of(int i)
{
  return 1000 + i + 10 * i + 10 * (i - 1) + 2 * i + 100;
}

/* What comes of it in main: who called it adds a register of its own. */
static int result_of(int catcher)
{
  int result = answer_of(catcher);
  for (int i = 0; i < catcher; i++)
    result += 1000 + i;
  return result;
}

static void write_method(FILE *out, int i, int catcher)
{
  fprintf(out,
          ".function i32 f%d(Cell a0) {\n newobj v0, Cell\n ldai %d\n"
          " stobj v0, Cell.value\n movi v1, %d\n fmovi.64 v2, %d.0\n"
          " ldai 1\nbegin:\n",
          i, 10 * i, 1000 + i, 2 * i);
  if (i + 1 < DEPTH)
    fprintf(out, " call f%d, v0\n add2 v1\n", i + 1);
  else
    fputs(" call Test.hook\n ldai 0\n", out);
  fputs("end:\n return\ncaught:\n isinstance panda.RuntimeException\n"
        " muli 100\n add2 v1\n sta v3\n ldobj v0, Cell.value\n add2 v3\n"
        " sta v3\n ldobj a0, Cell.value\n add2 v3\n sta v3\n lda.64 v2\n"
        " f64toi32\n add2 v3\n return\n",
        out);
  if (i == catcher)
    fputs(".catch panda.RuntimeException, begin, end, caught\n", out);
  fputs("}\n", out);
}

static char *write_chain(int catcher)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(CORE_PRELUDE ".record Cell {\n i32 value\n}\n", out);
  for (int i = 0; i < DEPTH; i++)
    write_method(out, i, catcher);
  fputs(".function i32 main() {\n newobj v0, Cell\n ldai -10\n"
        " stobj v0, Cell.value\n call f0, v0\n return\n}\n",
        out);
  fclose(out);
  return text;
}

static void start(int catcher, unsigned interpreted)
{
  char *text = write_chain(catcher);
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", text);
  free(text);
  for (int i = 0; i < DEPTH; i++) {
    char name[] = {'f', (char)('0' + i), 0};
    if (interpreted >> i & 1)
      jit_vm_interpret(name);
  }
}

/* --- The deepest frame --- */

static unsigned mix;

static void check_frames(const struct vm_thread *thread)
{
  int i = DEPTH;
  for (const struct vm_frame *f = thread->top; f && i > 0; f = f->caller) {
    if (!f->method || f->method->native)
      continue;
    i--;
    ck_assert_int_eq(f->method->name[1], '0' + i);
    ck_assert_int_eq(jit_vm_is_compiled(f), !(mix >> i & 1));
  }
  ck_assert_int_eq(i, 0);
}

static bool collect_and_throw(struct vm_thread *thread)
{
  check_frames(thread);
  machine_collect();
  vm_throw(thread, VM_ERROR_RUNTIME, "deep down");
  return false;
}

START_TEST(an_exception_is_caught_by_any_frame_with_its_registers_as_they_were)
{
  mix = mixes[_i];
  for (int catcher = 0; catcher < DEPTH; catcher++) {
    start(catcher, mix);
    core_hook(collect_and_throw);
    ck_assert_int_eq(core_run(), result_of(catcher));
    ck_assert_int_eq(core_run(), result_of(catcher));
    jit_vm_close();
  }
}
END_TEST

/* --- Nobody catches it --- */

static char *report_of(unsigned interpreted)
{
  mix = interpreted;
  start(NOBODY, interpreted);
  core_hook(collect_and_throw);
  core_run_uncaught("panda.RuntimeException");
  char *report = strdup(machine.err_text);
  jit_vm_close();
  return report;
}

START_TEST(an_uncaught_exception_has_the_same_trace_whoever_ran_its_frames)
{
  char *wanted = report_of(ALL);
  char *got = report_of(mixes[_i]);
  ck_assert_ptr_nonnull(strstr(wanted, "at f5 (t.pa:"));
  ck_assert_ptr_nonnull(strstr(wanted, "at f0 (t.pa:"));
  ck_assert_str_eq(got, wanted);
  free(wanted);
  free(got);
}
END_TEST

/* --- Nothing is thrown --- */

static unsigned moved;

/* The last method's argument. */
static uint32_t held_by_caller(const struct vm_thread *thread)
{
  const struct vm_frame *deepest = thread->top->caller;
  return deepest->vregs[deepest->method->local_count].ref.bits;
}

static bool only_collect(struct vm_thread *thread)
{
  check_frames(thread);
  uint32_t before = held_by_caller(thread);
  machine_collect();
  moved += held_by_caller(thread) != before;
  return true;
}

/* Objects of all frames are used after the call, in compiled code from machine
   registers that were loaded anew. */
static const char using[] = CORE_PRELUDE
    ".record Cell {\n i32 value\n}\n"
    ".function i32 f5(Cell a0) {\n newobj v0, Cell\n ldai 50\n"
    " stobj v0, Cell.value\n call Test.hook\n ldobj a0, Cell.value\n sta v1\n"
    " ldobj v0, Cell.value\n add2 v1\n return\n}\n"
#define USING(i, next, ten)                                                    \
  ".function i32 f" #i "(Cell a0) {\n newobj v0, Cell\n ldai " #ten            \
  "\n stobj v0, Cell.value\n call f" #next ", v0\n sta v1\n"                   \
  " ldobj a0, Cell.value\n add2 v1\n sta v1\n ldobj v0, Cell.value\n"          \
  " add2 v1\n return\n}\n"
    USING(4, 5, 40) USING(3, 4, 30) USING(2, 3, 20) USING(1, 2, 10)
        USING(0, 1, 0)
#undef USING
            ".function i32 main() {\n newobj v0, Cell\n ldai 7\n"
            " stobj v0, Cell.value\n call f0, v0\n return\n}\n";

START_TEST(a_collection_moves_what_the_registers_of_all_frames_hold)
{
  mix = mixes[_i];
  moved = 0;
  jit_vm_open(VM_JIT_ALWAYS, machine_options());
  core_load("t.pa", using);
  for (int i = 0; i < DEPTH; i++)
    if (mix >> i & 1)
      jit_vm_interpret((char[]){'f', (char)('0' + i), 0});
  core_hook(only_collect);
  /* Each object is used by its own method and the one that it calls. */
  ck_assert_int_eq(core_run(), 7 + 2 * (0 + 10 + 20 + 30 + 40) + 50);
  ck_assert_uint_eq(moved, 1);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("unwind");
  tcase_add_loop_test(
      tests,
      an_exception_is_caught_by_any_frame_with_its_registers_as_they_were, 0,
      MIXES);
  tcase_add_loop_test(
      tests, an_uncaught_exception_has_the_same_trace_whoever_ran_its_frames, 0,
      MIXES);
  tcase_add_loop_test(tests,
                      a_collection_moves_what_the_registers_of_all_frames_hold,
                      0, MIXES);
  return suite_main("jit_unwind", (TCase *[]){tests, NULL});
}
