/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where compiled methods are entered: the limit that they compare their frame
 * with, which stands for the end of the stack and for polls.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/gc/safepoint_internal.h"
#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/threads.h"

static void start(struct vm_options options, const char *text)
{
  jit_vm_open(VM_JIT_ALWAYS, options);
  core_load("t.pa", text);
}

static uintptr_t limit_of(const struct vm_thread *thread)
{
  return (uintptr_t)(thread->code_limit - JIT_SLACK_SLOTS);
}

static uintptr_t entry_limit(struct vm_thread *thread)
{
  return __atomic_load_n(&thread->mutator.entry_limit, __ATOMIC_SEQ_CST);
}

/* --- Polls --- */

/* The hook, a method that does nothing, and the hook again. */
static const char calling[] = CORE_PRELUDE
    ".function i32 leaf() {\n ldai 0\n return\n}\n"
    ".function i32 main() {\n call Test.hook\n call leaf\n call Test.hook\n"
    " ldai 0\n return\n}\n";

static unsigned calls;                    /* of the hook */
static const struct vm_method *polled_in; /* when the world was last stopped */

static void note_stop(struct vm *vm)
{
  const struct vm_frame *top = machine.thread->top;
  polled_in = top ? top->method : NULL;
  jit_tier.world_stopped(vm);
}

/* A collection is due at the next poll. */
static void raise_poll(struct vm_thread *thread)
{
  thread->mutator.stress_due = true;
  mm_poll_soon(&thread->mutator);
}

static bool raise_then_look(struct vm_thread *thread)
{
  if (calls++ == 0) {
    ck_assert(jit_vm_is_compiled(thread->top->caller));
    ck_assert_uint_eq(thread->mutator.poll, 0);
    ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
    raise_poll(thread);
    ck_assert_uint_eq(entry_limit(thread), 0);
  } else {
    ck_assert_uint_eq(thread->mutator.poll, 0);
    ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
  }
  return true;
}

static bool only_raise(struct vm_thread *thread)
{
  if (calls++ == 0)
    raise_poll(thread);
  return true;
}

/* In which method the poll was seen that the hook raised. */
static const char *place_of_poll(bool (*hook)(struct vm_thread *),
                                 struct mm_fault_set faults)
{
  struct vm_options options = machine_options();
  options.mm.faults = faults;
  start(options, calling);
  core_run(); /* all is compiled */
  struct vm_tier tier = jit_tier;
  tier.world_stopped = note_stop;
  machine.vm->tier = &tier;
  calls = 0;
  polled_in = NULL;
  core_hook(hook);
  core_run();
  ck_assert_uint_eq(calls, 2);
  ck_assert_ptr_nonnull(polled_in);
  const char *place = polled_in == jit_vm_method("leaf")     ? "leaf"
                      : strcmp(polled_in->name, "hook") == 0 ? "hook"
                                                             : "elsewhere";
  machine.vm->tier = &jit_tier;
  jit_vm_close();
  return place;
}

START_TEST(a_raised_poll_lowers_the_limit_and_an_ended_one_puts_it_back)
{
  ck_assert_str_eq(place_of_poll(raise_then_look, (struct mm_fault_set){{0}}),
                   "leaf");
}
END_TEST

/* Only the next native polls, which looks at the poll word. */
START_TEST(a_method_passes_a_poll_that_did_not_lower_the_limit)
{
  ck_assert_str_eq(place_of_poll(only_raise, mm_fault_only(MM_FAULT_JIT_LIMIT)),
                   "hook");
}
END_TEST

/* Never ends by itself in our time, and has no loop. */
static const char recursing[] = CORE_PRELUDE
    ".record Flags {\n i32 begun <static>\n i32 done <static>\n}\n"
    ".function void tree(i32 a0) {\n"
    " ldai 1\n ststatic Flags.begun\n"
    " ldstatic Flags.done\n jnez end\n lda a0\n jeqz end\n"
    " lda a0\n subi 1\n sta v0\n call tree, v0\n call tree, v0\n"
    "end:\n return.void\n}\n"
    ".function void begin() {\n movi v0, 60\n call tree, v0\n return.void\n}\n"
    ".function i32 main() {\n ldai 1\n ststatic Flags.done\n movi v0, 1\n"
    " call tree, v0\n ldai 0\n ststatic Flags.done\n ststatic Flags.begun\n"
    " ldai 0\n return\n}\n";

static uint64_t *flag(const char *name)
{
  const struct vm_field *field = core_field("Flags", name);
  return &field->owner->statics[field->offset].u64;
}

static void *recurse(void *argument)
{
  struct mm_error error = {{0}};
  struct vm_thread *thread;
  union vm_slot result;
  (void)argument;
  ck_assert_msg(vm_thread_create(machine.vm, 1 << 20, &thread, &error) == MM_OK,
                "%s", error.text);
  ck_assert(
      machine.vm->engine.invoke(thread, jit_vm_method("begin"), NULL, &result));
  ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
  vm_thread_destroy(thread);
  return NULL;
}

START_TEST(a_thread_that_only_calls_compiled_methods_stops_when_it_is_to)
{
  enum { TIMES = 50 };
  pthread_t thread;
  start(machine_options(), recursing);
  core_run();
  jit_vm_code("tree");
  ck_assert_int_eq(pthread_create(&thread, NULL, recurse, NULL), 0);
  mm_enter_native(&machine.thread->mutator);
  while (!__atomic_load_n(flag("begun"), __ATOMIC_RELAXED))
    sched_yield();
  mm_leave_native(&machine.thread->mutator);
  for (int i = 0; i < TIMES; i++)
    machine_collect();
  __atomic_store_n(flag("done"), 1, __ATOMIC_RELAXED);
  mm_enter_native(&machine.thread->mutator);
  pthread_join(thread, NULL);
  mm_leave_native(&machine.thread->mutator);
  jit_vm_close();
}
END_TEST

/* --- The machine exits while a thread polls --- */

/* Where the machine exits: in a loop or in a method that is called. */
#define EXITING(body)                                                          \
  CORE_PRELUDE                                                                 \
  ".record Seen {\n i32 rounds <static>\n i32 handlers <static>\n}\n"          \
  ".function i32 leaf() {\n ldstatic Seen.rounds\n addi 1\n"                   \
  " ststatic Seen.rounds\n ldai 0\n return\n}\n"                               \
  ".function i32 polls(i32 a0) {\nbegin:\n lda a0\n jeqz end\n"                \
  " call Test.hook\n" body                                                     \
  "end:\n ldai 0\n return\ncaught:\n ldai 1\n ststatic Seen.handlers\n"        \
  " ldai 1\n return\n.catchall begin, end, caught\n}\n"                        \
  ".function i32 middle(i32 a0) {\nbegin:\n call polls, a0\nend:\n return\n"   \
  "caught:\n ldai 1\n ststatic Seen.handlers\n return\n"                       \
  ".catchall begin, end, caught\n}\n"                                          \
  ".function i32 main() {\n movi v0, 0\n call middle, v0\n call leaf\n"        \
  " ldai 0\n ststatic Seen.rounds\n movi v0, 1\n call middle, v0\n"            \
  " return\n}\n"

static const char *const exiting[] = {
    EXITING(" movi v0, 100\nagain:\n ldstatic Seen.rounds\n addi 1\n"
            " ststatic Seen.rounds\n inci v0, -1\n lda v0\n jnez again\n"),
    EXITING(" call leaf\n call leaf\n"),
};

static uint64_t *seen(const char *name)
{
  const struct vm_field *field = core_field("Seen", name);
  return &field->owner->statics[field->offset].u64;
}

/* Another thread might. */
static void exit_when_stopped(struct vm *vm)
{
  jit_tier.world_stopped(vm);
  if (calls > 0)
    vm_exit(vm, 42);
}

static const char *const between[] = {NULL, "polls", "middle"};
enum { EXITS = 2 * 3 };

/* With all frames compiled, or one of them interpreted. */
START_TEST(a_machine_that_exits_while_a_thread_polls_runs_no_more_of_it)
{
  struct mm_error error = {{0}};
  int status = -1;
  const char *interpreted = between[_i % 3];
  start(machine_options(), exiting[_i / 3]);
  if (interpreted)
    jit_vm_interpret(interpreted);
  struct vm_tier tier = jit_tier;
  tier.world_stopped = exit_when_stopped;
  machine.vm->tier = &tier;
  calls = 0;
  core_hook(only_raise);
  enum vm_outcome outcome =
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, &status, &error);
  ck_assert_int_eq(outcome, VM_EXITED);
  ck_assert_int_eq(status, 42);
  ck_assert_uint_eq(calls, 1);
  ck_assert_uint_le(*seen("rounds"), 1);
  ck_assert_uint_eq(*seen("handlers"), 0);
  machine.vm->tier = &jit_tier;
  jit_vm_close();
}
END_TEST

/* --- The end of the stack --- */

/* How deep a method with so many registers gets until the stack is full. */
static char *write_descent(int registers)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(CORE_PRELUDE ".record Depth {\n i32 value <static>\n}\n"
                     ".function void down() {\n ldstatic Depth.value\n"
                     " addi 1\n ststatic Depth.value\n",
        out);
  for (int i = 0; i < registers; i++)
    fprintf(out, " movi v%d, %d\n", i, i);
  fputs(" call down\n return.void\n}\n"
        ".function i32 try() {\nbegin:\n ldai 0\n ststatic Depth.value\n"
        " call down\nend:\n ldai 0\n return\n"
        "caught:\n ldstatic Depth.value\n return\n"
        ".catch panda.StackOverflowException, begin, end, caught\n}\n"
        ".function i32 main() {\n call try\n sta v0\n call try\n sta v1\n"
        " call Test.hook\n lda v0\n jne v1, differs\n return\n"
        "differs:\n ldai -1\n return\n}\n",
        out);
  fclose(out);
  return text;
}

enum { STACK_BYTES = 256 << 10 };

static bool look_at_limit(struct vm_thread *thread)
{
  ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
  return true;
}

static int depth_of(const char *text, enum vm_jit_mode mode)
{
  struct vm_options options = machine_options();
  options.stack_bytes = STACK_BYTES;
  jit_vm_open(mode, options);
  core_load("t.pa", text);
  core_hook(mode == VM_JIT_OFF ? NULL : look_at_limit);
  int depth = core_run();
  if (mode == VM_JIT_ALWAYS)
    jit_vm_code("down");
  jit_vm_close();
  return depth;
}

/* Frames of many sizes, so that some end at the very limit; from 61 registers
   on their end is what is compared. */
START_TEST(a_full_stack_is_noticed_where_the_interpreter_notices_it)
{
  for (int registers = 1; registers < 80; registers += registers < 32 ? 1 : 7) {
    char *text = write_descent(registers);
    int wanted = depth_of(text, VM_JIT_OFF);
    int got = depth_of(text, VM_JIT_ALWAYS);
    free(text);
    ck_assert_int_gt(wanted, 50);
    ck_assert_msg(got == wanted, "%d registers: %d deep, not %d", registers,
                  got, wanted);
  }
}
END_TEST

/* --- Activations on top of each other --- */

static bool invoke_leaf(struct vm_thread *thread)
{
  union vm_slot result;
  union vm_slot *before = thread->code_limit;
  ck_assert(
      machine.vm->engine.invoke(thread, jit_vm_method("leaf"), NULL, &result));
  ck_assert_ptr_eq(thread->code_limit, before);
  ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
  return true;
}

START_TEST(a_stay_in_compiled_code_leaves_the_outer_ones_limit_as_it_was)
{
  start(machine_options(), calling);
  core_run();
  core_hook(invoke_leaf);
  core_run();
  jit_vm_close();
}
END_TEST

/* The machine stack has room for some frames only: what is called beyond that
   is interpreted, and what is above gets its own limit back. */
static bool invoke_with_little_room(struct vm_thread *thread)
{
  uintptr_t real = thread->c_stack_limit;
  union vm_slot result, *before = thread->code_limit;
  enum { ROOM = 20 * 1024 };
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  thread->c_stack_limit = here - ROOM;
  bool returned =
      machine.vm->engine.invoke(thread, jit_vm_method("leaf"), NULL, &result);
  thread->c_stack_limit = real;
  ck_assert(returned);
  ck_assert_ptr_eq(thread->code_limit, before);
  ck_assert_uint_eq(entry_limit(thread), limit_of(thread));
  return true;
}

START_TEST(little_machine_stack_lowers_the_limit_for_that_stay_alone)
{
  start(machine_options(), calling);
  core_run();
  core_hook(invoke_with_little_room);
  core_run();
  jit_vm_close();
}
END_TEST

/* --- Leaving and coming back --- */

/* The loop is compiled before its string is resolved, and runs for the most
   part after. */
static const char resolving[] =
    CORE_PRELUDE ".function void turn(i32 a0) {\n movi v0, 0\n"
                 "again:\n lda v0\n jge a0, end\n inci v0, 1\n"
                 " ldai 100\n jgt v0, again\n lda.str \"x\"\n sta.obj v1\n"
                 " call Test.hook\n jmp again\nend:\n return.void\n}\n"
                 ".function i32 main() {\n movi v0, 90\n call turn, v0\n"
                 " movi v0, 20000\n call turn, v0\n ldai 0\n return\n}\n";

static uintptr_t lowest, highest; /* where the hook's frames were */
static bool was_compiled;         /* what called it last, by good code */

static bool note_place(struct vm_thread *thread)
{
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  lowest = here < lowest ? here : lowest;
  highest = here > highest ? here : highest;
  was_compiled = jit_vm_is_compiled(thread->top->caller) &&
                 !jit_code_of(thread->top->caller)->has_unresolved;
  return true;
}

/* Called by compiled code, by the interpreter. */
START_TEST(a_loop_that_leaves_often_does_not_pile_up_on_the_machine_stack)
{
  enum { ROOM = 64 * 1024 }; /* an interpreter and an activation */
  lowest = UINTPTR_MAX;
  highest = 0;
  was_compiled = false;
  start(machine_options(), resolving);
  if (_i)
    jit_vm_interpret("main");
  core_hook(note_place);
  ck_assert_int_eq(core_run(), 0);
  ck_assert_uint_gt(highest, lowest);
  ck_assert_uint_lt(highest - lowest, ROOM);
  ck_assert(was_compiled);
  jit_vm_close();
}
END_TEST

/* Code is told of before it is published; as if another thread resolved the
   string then. */
static ssize_t resolve_once(void *context, const char *text, size_t bytes)
{
  bool *is_done = context;
  (void)text;
  struct vm_method *turn = jit_vm_method("turn");
  if (turn->translated && !*is_done) {
    ((struct interp_code *)turn->translated)->resolved_count++;
    *is_done = true;
  }
  return (ssize_t)bytes;
}

/* The first code goes at once, the second, which is outdated by the string
   itself, when the first is freed. */
START_TEST(code_that_is_outdated_when_it_is_published_is_not_kept)
{
  bool is_done = false;
  start(machine_options(), resolving);
  jit_vm_interpret("main");
  jit_vm_compiler()->perf_map = fopencookie(
      &is_done, "w", (cookie_io_functions_t){.write = resolve_once});
  ck_assert_ptr_nonnull(jit_vm_compiler()->perf_map);
  core_hook(note_place);
  ck_assert_int_eq(core_run(), 0);
  ck_assert(is_done);
  const struct jit_code *second = jit_vm_code("turn");
  ck_assert(second->is_outdated);
  ck_assert_ptr_nonnull(second->older);
  ck_assert(second->older->is_stale);
  jit_world_stopped(machine.vm);
  ck_assert_ptr_null(second->older);
  ck_assert(second->is_stale);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *polls = tcase_create("polls");
  tcase_add_test(polls,
                 a_raised_poll_lowers_the_limit_and_an_ended_one_puts_it_back);
  tcase_add_test(polls, a_method_passes_a_poll_that_did_not_lower_the_limit);
  tcase_add_test(polls,
                 a_thread_that_only_calls_compiled_methods_stops_when_it_is_to);
  tcase_add_loop_test(
      polls, a_machine_that_exits_while_a_thread_polls_runs_no_more_of_it, 0,
      EXITS);
  TCase *stack = tcase_create("stack");
  tcase_add_test(stack,
                 a_full_stack_is_noticed_where_the_interpreter_notices_it);
  tcase_add_test(stack,
                 a_stay_in_compiled_code_leaves_the_outer_ones_limit_as_it_was);
  tcase_add_test(stack,
                 little_machine_stack_lowers_the_limit_for_that_stay_alone);
  TCase *leaving = tcase_create("leaving");
  tcase_add_loop_test(
      leaving, a_loop_that_leaves_often_does_not_pile_up_on_the_machine_stack,
      0, 2);
  tcase_add_test(leaving,
                 code_that_is_outdated_when_it_is_published_is_not_kept);
  return suite_main("jit_entry", (TCase *[]){polls, stack, leaving, NULL});
}
