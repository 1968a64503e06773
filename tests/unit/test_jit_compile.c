/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilations and what becomes of their code: memory that is given back,
 * tables, running loops that are entered, versions, sweeps, refusals.
 *
 * Programs call Test.hook, a native, where a test looks at the machine; in
 * compiled code too.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/suite.h"

/* --- Machines with a compiler --- */

static void start(struct vm_options options)
{
  jit_vm_open(VM_JIT_ON, options);
}

static struct vm_options with_threshold(uint64_t threshold)
{
  struct vm_options options = machine_options();
  options.jit.threshold = threshold;
  return options;
}

/* --- Programs --- */

/* f adds up the elements of an array; main calls it 21 times, with a sum of 3
   each time. */
#define ADDING                                                                 \
  ".function i32 f(i32[] a0, i32 a1) {\n"                                      \
  " movi v0, 0\n movi v1, 0\n jmp test\n"                                      \
  "next:\n lda v1\n ldarr a0\n add2 v0\n sta v0\n inci v1, 1\n"                \
  "test:\n lda v1\n jlt a1, next\n lda v0\n return\n}\n"

static const char adding[] = CORE_PRELUDE ADDING
    ".function i32 main() {\n"
    " movi v0, 10\n newarr v1, v0, i32[]\n ldai 3\n movi v2, 5\n"
    " starr v1, v2\n movi v3, 0\n movi v4, 0\n movi v5, 21\n"
    "again:\n call f, v1, v0\n add2 v4\n sta v4\n inci v3, 1\n"
    " lda v3\n jlt v5, again\n lda v4\n return\n}\n";

/* --- What a compilation leaves behind --- */

START_TEST(each_compilation_gives_its_memory_back)
{
  start(with_threshold(1));
  core_load("t.pa", adding);
  ck_assert_int_eq(core_run(), 63);
  struct mm_compiler_space_stat stat;
  mm_compiler_space_stat(&machine.vm->heap->compiler, &stat);
  ck_assert_uint_eq(jit_vm_compiler()->counts.compiled, 2);
  ck_assert_uint_gt(stat.compilations, 2); /* the verifier's among them */
  ck_assert_uint_gt(stat.peak_bytes, 0);
  ck_assert_uint_eq(stat.used_bytes, 0);
  ck_assert_uint_eq(stat.running, 0);
  jit_vm_close();
}
END_TEST

START_TEST(tables_of_code_ascend_and_stay_within_it)
{
  start(with_threshold(1));
  core_load("t.pa", adding);
  core_run();
  const struct jit_code *code = jit_vm_code("f");
  ck_assert_uint_gt(code->entry_count, 0);
  ck_assert_uint_gt(code->fault_count, 0);
  ck_assert_uint_gt(code->safepoints, 0);
  ck_assert_uint_lt(code->slow_start, code->code_bytes);
  for (uint32_t i = 0; i < code->entry_count; i++) {
    ck_assert_uint_lt(code->entries[i].offset, code->code_bytes);
    ck_assert(i == 0 || code->entries[i - 1].word < code->entries[i].word);
  }
  for (uint32_t i = 0; i < code->fault_count; i++) {
    ck_assert_uint_lt(code->faults[i].offset, code->slow_start);
    ck_assert_uint_ge(code->faults[i].target, code->slow_start);
    ck_assert(i == 0 || code->faults[i - 1].offset < code->faults[i].offset);
  }
  jit_vm_close();
}
END_TEST

/* --- What is chosen by chance --- */

static bool compiles_f(uint64_t seed)
{
  struct vm_options options = machine_options();
  options.mm.seed = seed;
  jit_vm_open(VM_JIT_RANDOM, options);
  core_load("t.pa", adding);
  ck_assert_int_eq(core_run(), 63);
  bool is_compiled = jit_vm_method("f")->compiled != NULL;
  jit_vm_close();
  return is_compiled;
}

START_TEST(a_seed_chooses_half_of_the_methods)
{
  enum { SEEDS = 32 };
  unsigned count = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    bool is_compiled = compiles_f(seed);
    ck_assert_int_eq(compiles_f(seed), is_compiled);
    count += is_compiled;
  }
  ck_assert_uint_gt(count, SEEDS / 4);
  ck_assert_uint_lt(count, SEEDS * 3 / 4);
}
END_TEST

/* --- Loops that run already --- */

static bool saw_compiled_frame;

static bool look_at_caller(struct vm_thread *thread)
{
  const struct vm_frame *frame = thread->top;
  while (frame && frame->method->native)
    frame = frame->caller;
  ck_assert_ptr_nonnull(frame);
  saw_compiled_frame |= (frame->position & VM_FRAME_COMPILED) != 0;
  return true;
}

START_TEST(a_loop_is_entered_while_it_runs)
{
  saw_compiled_frame = false;
  start(with_threshold(50));
  core_load("t.pa",
            CORE_PRELUDE ".function i32 main() {\n movi v0, 0\n movi v1, 200\n"
                         "next:\n inci v0, 1\n lda v0\n jlt v1, next\n"
                         " call Test.hook\n lda v0\n return\n}\n");
  core_hook(look_at_caller);
  ck_assert_int_eq(core_run(), 200);
  ck_assert(saw_compiled_frame);
  jit_vm_close();
}
END_TEST

/* --- Dropping code --- */

static void drop(void)
{
  ck_assert(jit_make_room(jit_vm_compiler(), machine.thread));
}

/* A first sweep finds all of it touched, and a quarter of the space free. */
static void drop_all(void)
{
  drop();
  drop();
}

static bool drop_all_in_hook(struct vm_thread *thread)
{
  (void)thread;
  drop_all();
  return true;
}

START_TEST(what_was_dropped_is_compiled_again_when_it_is_hot_again)
{
  start(with_threshold(1));
  core_load("t.pa", adding);
  ck_assert_int_eq(core_run(), 63);
  uint64_t compiled = jit_vm_compiler()->counts.compiled;
  drop_all();
  ck_assert_ptr_null(jit_vm_method("f")->compiled);
  ck_assert_uint_eq(jit_vm_compiler()->counts.live, 0);
  ck_assert_uint_eq(jit_vm_compiler()->counts.evicted, compiled);
  ck_assert_int_eq(core_run(), 63);
  ck_assert_uint_eq(jit_vm_compiler()->counts.compiled, 2 * compiled);
  jit_vm_code("f");
  jit_vm_close();
}
END_TEST

static const char hooked_loop[] =
    CORE_PRELUDE ".function i32 main() {\n movi v0, 0\n movi v1, 100\n"
                 "next:\n call Test.hook\n inci v0, 1\n lda v0\n jlt v1, next\n"
                 " lda v0\n return\n}\n";

START_TEST(code_in_use_is_not_dropped)
{
  start(with_threshold(3));
  core_load("t.pa", hooked_loop);
  core_hook(drop_all_in_hook);
  ck_assert_int_eq(core_run(), 100);
  ck_assert_uint_gt(jit_vm_compiler()->counts.sweeps, 1);
  ck_assert_uint_eq(jit_vm_compiler()->counts.evicted, 0);
  jit_vm_code("main");
  drop_all();
  ck_assert_ptr_null(jit_vm_method("main")->compiled);
  jit_vm_close();
}
END_TEST

static bool retire_caller(struct vm_thread *thread)
{
  (void)thread;
  struct vm_method *main = jit_vm_method("main");
  unsigned versions = 0;
  vm_lock(machine.vm, VM_LOCK_CODE);
  for (const struct jit_code *code = main->compiled; code; code = code->older)
    versions++;
  ck_assert_uint_le(versions, 2);
  if (main->compiled && !((struct jit_code *)main->compiled)->is_stale)
    jit_retire_locked(jit_vm_compiler(), main->compiled);
  vm_unlock(machine.vm, VM_LOCK_CODE);
  return true;
}

/* Each poll stops, so the frame leaves again and again, for the interpreter,
   which has it compiled again as soon as the older code is gone. */
START_TEST(a_frame_leaves_code_that_was_retired)
{
  struct vm_options options = with_threshold(2);
  options.mm.stress_poll = 1;
  start(options);
  core_load("t.pa", hooked_loop);
  core_hook(retire_caller);
  ck_assert_int_eq(core_run(), 100);
  ck_assert_uint_gt(jit_vm_compiler()->counts.compiled, 10);
  ck_assert_uint_le(jit_vm_compiler()->stale_count, 1);
  jit_vm_close();
}
END_TEST

START_TEST(a_sweep_spares_what_was_called_since_the_last_one)
{
  start(with_threshold(1));
  core_load("t.pa", adding);
  core_run();
  drop(); /* arms, and finds the rest of the space free */
  ck_assert_int_eq(core_run(), 63);
  jit_vm_code("f");
  ck_assert(jit_vm_code("f")->is_touched);
  jit_vm_close();
}
END_TEST

START_TEST(nothing_is_dropped_when_that_is_switched_off)
{
  struct vm_options options = with_threshold(1);
  options.jit.collect = false;
  start(options);
  core_load("t.pa", adding);
  core_run();
  ck_assert(!jit_make_room(jit_vm_compiler(), machine.thread));
  jit_vm_code("f");
  ck_assert_uint_eq(jit_vm_compiler()->counts.sweeps, 0);
  jit_vm_close();
}
END_TEST

/* --- Refusals --- */

/* Long enough that 1 MiB does not suffice to compile it. */
static char *long_program(void)
{
  enum { ADDITIONS = 20000 };
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(CORE_PRELUDE ".function i32 main() {\n movi v0, 0\n movi v1, 20\n"
                     "next:\n inci v0, 1\n lda v0\n",
        out);
  for (int i = 0; i < ADDITIONS; i++)
    fputs(" addi 1\n", out);
  fputs(" subi 100\n sta v2\n lda v0\n jlt v1, next\n"
        " lda v2\n return\n}\n",
        out);
  fclose(out);
  return text;
}

START_TEST(without_memory_for_compilations_the_interpreter_goes_on)
{
  struct vm_options options = with_threshold(1);
  options.mm.compiler_max_bytes = 1 << 20;
  start(options);
  char *text = long_program();
  core_load("t.pa", text);
  free(text);
  ck_assert_int_eq(core_run(), 20 + 20000 - 100);
  ck_assert_uint_eq(jit_vm_compiler()->counts.compiled, 0);
  ck_assert_uint_gt(jit_vm_compiler()->counts.refused, 0);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *after = tcase_create("after");
  tcase_add_test(after, each_compilation_gives_its_memory_back);
  tcase_add_test(after, tables_of_code_ascend_and_stay_within_it);
  tcase_add_test(after, a_loop_is_entered_while_it_runs);
  tcase_add_test(after, a_seed_chooses_half_of_the_methods);
  TCase *dropping = tcase_create("dropping");
  tcase_add_test(dropping,
                 what_was_dropped_is_compiled_again_when_it_is_hot_again);
  tcase_add_test(dropping, code_in_use_is_not_dropped);
  tcase_add_test(dropping, a_frame_leaves_code_that_was_retired);
  tcase_add_test(dropping, a_sweep_spares_what_was_called_since_the_last_one);
  tcase_add_test(dropping, nothing_is_dropped_when_that_is_switched_off);
  TCase *refusals = tcase_create("refusals");
  tcase_add_test(refusals,
                 without_memory_for_compilations_the_interpreter_goes_on);
  return suite_main("jit_compile",
                    (TCase *[]){after, dropping, refusals, NULL});
}
