/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter beside compiled code: what is counted, how compiled code is
 * entered and left again, and that walks, collections and exceptions pass
 * through frames of both kinds.  The compiled code is imitated:
 * tests/unit/tier_fixture.h.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "tests/unit/tier_fixture.h"
#include "vm/core/object.h"

#define WITH_MAIN(body) ".function i32 main() {\n" body "}\n"

static struct tier_script no_scripts[] = {{NULL, NULL, 0, 0}};

/* --- Counting --- */

static const char add_up[] =
    ".function i32 f(i32 a0) {\n lda a0\n addi 1\n"
    " return\n}\n" WITH_MAIN(" movi v0, 0\n movi v1, 20\n"
                             "l:\n call.short f, v0\n sta v0\n lda v0\n"
                             " jlt v1, l\n return\n");

START_TEST(the_tier_is_asked_each_time_a_counter_is_used_up)
{
  struct tier_script scripts[] = {
      {"f", NULL, 0, 0}, {"main", NULL, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 5, .no_fuse = _i};
  ck_assert_int_eq(tier_result(add_up, scripts, &setting), 20);
  ck_assert_uint_eq(scripts[0].hot, 4);
  ck_assert_uint_eq(scripts[0].entered, 4);
  ck_assert_uint_eq(scripts[1].hot, 4); /* one call, 20 rounds */
}
END_TEST

START_TEST(a_counter_that_is_not_used_up_asks_nobody)
{
  struct tier_script scripts[] = {{"f", NULL, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 21};
  tier_open(add_up, scripts, &setting);
  ck_assert_ptr_eq(tier_method("f")->machine_entry, tier_machine_entry());
  tier_run();
  ck_assert_int_eq(tier.status, 20);
  ck_assert_uint_eq(scripts[0].hot, 0);
  ck_assert_int_eq(tier_method("f")->heat, 1);
  tier_close();
}
END_TEST

/* Loops of five rounds: `f` is called with 5. */
static const struct {
  const char *body, *operations;
  unsigned counted; /* the call included */
  bool no_fuse;
} loops[] = {
    {"movi v0, 0\nl:\n inci v0, 1\n lda v0\n jlt a0, l\n return",
     "enter movi loop j_inc_back_lt ret bad", 6, false},
    {"movi v0, 0\nl:\n inci v0, 1\n lda v0\n jlt a0, l\n return",
     "enter movi loop add32_rri lda32 j_ar_back_lt ret bad", 6, true},
    /* The test at the top is copied to the end, which goes behind it. */
    {"movi v0, 0\nl:\n lda v0\n jge a0, e\n inci v0, 1\n jmp l\ne:\n lda v0\n"
     " return",
     "enter movi j_rr_ge loop j_inc_back_lt ret_r32 bad", 6, false},
    {"movi v0, 0\nl:\n lda v0\n jge a0, e\n inci v0, 1\n jmp l\ne:\n lda v0\n"
     " return",
     "enter movi loop lda32 j_ar_ge add32_rri jmp_back lda32 ret bad", 7, true},
    /* The test in the middle. */
    {"movi v0, 0\n jmp t\nl:\n inci v0, 1\nt:\n lda v0\n jlt a0, l\n return",
     "enter movi jmp loop j_inc_back_lt jmp j_rr_back_lt ret bad", 6, false},
    /* Two in each other: 1 + 5 + 5 * 3. */
    {"movi v0, 0\nl:\n movi v1, 3\nm:\n inci v1, -1\n lda v1\n jnez m\n"
     " inci v0, 1\n lda v0\n jlt a0, l\n return",
     "enter movi loop movi loop add32_rri j_rz_back_ne j_inc_back_lt ret bad",
     21, false},
    /* The first instruction is a head, behind the entry's zeroing. */
    {"l:\n inci v0, 1\n lda v0\n jlt a0, l\n return",
     "zero enter loop j_inc_back_lt ret bad", 6, false},
    /* Nothing to go round. */
    {"movi v0, 5\n lda v0\n jgtz e\n ldai 1\n return\ne:\n ldai 5\n return",
     "enter movi j_rz_gt ret_i ret_i bad", 1, false},
};

static void print_name(FILE *out, const char *line, bool is_first)
{
  char name[100];
  ck_assert_int_eq(sscanf(line, "%*u %99s", name), 1);
  fprintf(out, "%s%s", is_first ? "" : " ", name);
}

/* The operations of `f`, by name, one blank between them. */
static char *operations_of_f(void)
{
  char *dump, *names, *place;
  size_t dump_bytes, names_bytes;
  FILE *out = open_memstream(&dump, &dump_bytes);
  ck_assert(interp_dump(tier.thread, tier_method("f"), out));
  fclose(out);
  out = open_memstream(&names, &names_bytes);
  for (char *line = strtok_r(dump, "\n", &place); line;
       line = strtok_r(NULL, "\n", &place))
    print_name(out, line, line == dump);
  fclose(out);
  free(dump);
  return names;
}

/* Each word that a loop was entered with is that of a `loop', and the
   instruction that it came from starts there. */
static enum vm_tier_outcome check_word(struct vm_thread *thread,
                                       struct vm_frame *frame, uint32_t word,
                                       union vm_slot *result)
{
  const struct interp_code *code = frame->method->translated;
  const union interp_word *pc = code->words + word;
  (void)thread;
  (void)result;
  if (word == 0)
    return VM_TIER_NO_CODE;
  ck_assert_ptr_eq(pc->handler, interp_handlers[INTERP_loop]);
  ck_assert_ptr_eq((void *)frame->position, pc);
  const struct interp_origin *origin = interp_origin_of(code, pc);
  ck_assert_uint_eq(origin->word, word);
  ck_assert_uint_eq(code->insn_words[origin->insn], word);
  return VM_TIER_NO_CODE;
}

START_TEST(calls_and_rounds_of_loops_are_counted)
{
  char text[1000];
  struct tier_script scripts[] = {{"f", check_word, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 1,
                                       .no_fuse = loops[_i].no_fuse};
  snprintf(text, sizeof text, ".function i32 f(i32 a0) {\n%s\n}\n%s",
           loops[_i].body,
           WITH_MAIN(" movi v0, 5\n call.short f, v0\n return\n"));
  tier_open(text, scripts, &setting);
  tier_run();
  ck_assert_int_eq(tier.status, 5);
  ck_assert_uint_eq(scripts[0].hot, loops[_i].counted);
  char *names = operations_of_f();
  ck_assert_str_eq(names, loops[_i].operations);
  free(names);
  tier_close();
}
END_TEST

/* Many loops, so that the code has to grow for what counts them. */
static char *many_loops(void)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, ".function i32 f(i32 a0) {\n movi v1, 0\n");
  for (int i = 0; i < 3000; i++)
    fprintf(out, "l%d:\n inci v1, 1\n lda v1\n jltz l%d\n", i, i);
  fprintf(out, " lda v1\n modi 100\n return\n}\n%s",
          WITH_MAIN(" movi v0, 5\n call.short f, v0\n return\n"));
  fclose(out);
  return text;
}

START_TEST(a_translation_without_memory_throws_wherever_it_ends)
{
  char *text = many_loops();
  int ran_out = 0;
  for (unsigned kib = 64; kib <= 2048; kib += 64) {
    const struct tier_setting setting = {.threshold = 1,
                                         .compiler_max_bytes = kib * 1024};
    tier_open(text, no_scripts, &setting);
    tier_run();
    if (tier.outcome == VM_UNCAUGHT)
      ck_assert_ptr_nonnull(strstr(tier.err, "OutOfMemoryError"));
    else
      ck_assert_int_eq(tier.status, 0);
    ran_out += tier.outcome == VM_UNCAUGHT;
    tier_close();
  }
  ck_assert_int_gt(ran_out, 0);
  ck_assert_int_lt(ran_out, 32);
  free(text);
}
END_TEST

/* The accumulator goes round the loop with a reference. */
START_TEST(a_collection_while_the_tier_is_asked_finds_the_accumulator)
{
  struct tier_script scripts[] = {{"f", NULL, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {
      .threshold = 1, .no_fuse = _i, .collects_when_hot = true};
  ck_assert_int_eq(
      tier_result(".record R {\n i32 i\n R r\n}\n"
                  ".function i32 f(R a0) {\n movi v1, 0\n lda.obj a0\nl:\n"
                  " sta.obj v0\n inci v1, 1\n ldobj.obj v0, R.r\n"
                  " jnez.obj l\n lda v1\n return\n}\n" WITH_MAIN(
                      " newobj v0, R\n newobj v1, R\n lda.obj v0\n"
                      " stobj.obj v1, R.r\n newobj v0, R\n lda.obj v1\n"
                      " stobj.obj v0, R.r\n call.short f, v0\n return\n"),
                  scripts, &setting),
      3);
  ck_assert_uint_eq(scripts[0].hot, 1 + 3);
}
END_TEST

/* --- How compiled code ends --- */

static enum vm_tier_outcome returns_42(struct vm_thread *thread,
                                       struct vm_frame *frame, uint32_t word,
                                       union vm_slot *result)
{
  (void)thread;
  (void)frame;
  (void)word;
  result->i64 = 42;
  return VM_TIER_RETURNED;
}

/* As compiled code would: the exception is thrown where its frame stands. */
static enum vm_tier_outcome divides(struct vm_thread *thread,
                                    struct vm_frame *frame, uint32_t word,
                                    union vm_slot *result)
{
  (void)word;
  (void)result;
  tier_stand(thread, frame, 1, false);
  vm_throw_division(thread);
  return tier_threw(thread, frame);
}

/* At the return, with an accumulator of its own. */
static enum vm_tier_outcome leaves(struct vm_thread *thread,
                                   struct vm_frame *frame, uint32_t word,
                                   union vm_slot *result)
{
  (void)word;
  tier_stand(thread, frame, 4, false);
  result->i64 = 43;
  return VM_TIER_LEFT;
}

static enum vm_tier_outcome only_loops(struct vm_thread *thread,
                                       struct vm_frame *frame, uint32_t word,
                                       union vm_slot *result)
{
  return word == 0 ? VM_TIER_NO_CODE : divides(thread, frame, word, result);
}

static enum vm_tier_outcome only_loops_42(struct vm_thread *thread,
                                          struct vm_frame *frame, uint32_t word,
                                          union vm_slot *result)
{
  return word == 0 ? VM_TIER_NO_CODE : returns_42(thread, frame, word, result);
}

/* f gives 5; what it throws is 60. */
static const char caught[] =
    ".function i32 f(i32 a0) {\n movi v0, 0\nl:\n inci v0, 1\n lda v0\n"
    " jlt a0, l\n return\n}\n" WITH_MAIN(
        " movi v0, 5\nb:\n call.short f, v0\ne:\n return\nh:\n ldai 60\n"
        " return\n.catch panda.ArithmeticException, b, e, h\n");

static const struct {
  enum vm_tier_outcome (*enter)(struct vm_thread *, struct vm_frame *, uint32_t,
                                union vm_slot *);
  int status;
} endings[] = {
    {returns_42, 42},    {divides, 60},   {only_loops, 60},
    {only_loops_42, 42}, {check_word, 5}, {leaves, 43},
};

START_TEST(compiled_code_that_is_entered_while_counting_may_end_in_any_way)
{
  struct tier_script scripts[] = {{"f", endings[_i].enter, 0, 0},
                                  {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 1};
  ck_assert_int_eq(tier_result(caught, scripts, &setting), endings[_i].status);
  ck_assert_uint_gt(scripts[0].hot, 0);
}
END_TEST

START_TEST(compiled_code_that_is_called_may_end_in_any_way)
{
  struct tier_script scripts[] = {{"f", endings[_i].enter, 0, 0},
                                  {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 3};
  tier_open(caught, scripts, &setting);
  tier_publish("f");
  tier_run();
  ck_assert_int_eq(tier.status, endings[_i].status);
  ck_assert_uint_gt(scripts[0].entered, scripts[0].hot);
  tier_close();
}
END_TEST

START_TEST(an_exception_of_compiled_code_that_nobody_wants_ends_the_run)
{
  struct tier_script scripts[] = {{"main", divides, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 3};
  tier_open(WITH_MAIN(" ldai 0\n movi v0, 1\n return\n"), scripts, &setting);
  tier_publish("main");
  tier_run();
  ck_assert_int_eq(tier.outcome, VM_UNCAUGHT);
  ck_assert_ptr_nonnull(strstr(tier.err, "at main (test.pa:6)"));
  tier_close();
}
END_TEST

/* --- Going on in the interpreter --- */

static unsigned stays;

/* Goes back at once, every second time behind the operation that counts. */
static enum vm_tier_outcome goes_back(struct vm_thread *thread,
                                      struct vm_frame *frame, uint32_t word,
                                      union vm_slot *result)
{
  struct vm_frame *caller = frame->caller;
  union interp_word *pc = interp_words_of(frame->method) + word;
  if (word == 0)
    return VM_TIER_NO_CODE;
  frame->position = VM_FRAME_COMPILED | (uintptr_t)word * VM_FRAME_WORD;
  pc += ++stays % 2;
  bool returned = interp_continue(thread, frame, pc, frame->acc.u64, result);
  ck_assert_ptr_eq(frame->caller, caller);
  ck_assert_ptr_eq(thread->top, caller);
  return returned ? VM_TIER_RETURNED : VM_TIER_THREW;
}

START_TEST(a_frame_may_change_between_both_in_each_second_round)
{
  struct tier_script scripts[] = {{"f", goes_back, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 2, .no_fuse = _i};
  stays = 0;
  ck_assert_int_eq(
      tier_result(".function i32 f(i32 a0) {\n movi v0, 0\nl:\n inci v0, 1\n"
                  " lda v0\n jlt a0, l\n return\n}\n" WITH_MAIN(
                      " movi v0, 50\n call.short f, v0\n return\n"),
                  scripts, &setting),
      50);
  ck_assert_uint_gt(stays, 20);
}
END_TEST

/*
 * main calls f (compiled) with an object, f calls g (interpreted) with 3 and
 * adds the object's field, 30.
 */
#define MIXED(g_body, f_around)                                                \
  ".record R {\n i32 i\n R r\n}\n.record K {\n i32 s <static>\n}\n"            \
  ".function void System.exit(i32 a0) <external>\n"                            \
  ".function void K.init() <cctor> {\n newobj v0, R\n ldai 5\n"                \
  " ststatic K.s\n return.void\n}\n"                                           \
  ".function i32 g(i32 a0) {\n" g_body "}\n"                                   \
  ".function i32 f(R a0) {\n movi v0, 3\nb:\n call.short g, v0\ne:\n"          \
  " sta v1\n ldobj a0, R.i\n add2 v1\n return\n" f_around "}\n" WITH_MAIN(     \
      " newobj v0, R\n ldai 30\n stobj v0, R.i\n movi v1, 77\n"                \
      "b:\n call.short f, v0\ne:\n return\nh:\n ldai 99\n return\n"            \
      ".catch panda.ArithmeticException, b, e, h\n")

enum { F_CALL = 1, F_V0 = 0, F_A0 = 2 }; /* instruction, registers */

/* Goes on at the handler, as the code of a method that has one would. */
static enum vm_tier_outcome
handle(struct vm_thread *thread, struct vm_frame *frame, union vm_slot *result)
{
  uint32_t handler = vm_is_exiting(thread->vm)
                         ? UINT32_MAX
                         : vm_find_handler(thread, frame, F_CALL);
  if (handler == UINT32_MAX)
    return tier_threw(thread, frame);
  uint64_t exception = vm_thread_take_exception(thread).bits;
  union interp_word *pc =
      interp_words_of(frame->method) + tier_word(frame->method, handler);
  return interp_continue(thread, frame, pc, exception, result)
             ? VM_TIER_RETURNED
             : VM_TIER_THREW;
}

static enum vm_tier_outcome f_compiled(struct vm_thread *thread,
                                       struct vm_frame *frame, uint32_t word,
                                       union vm_slot *result)
{
  union vm_slot value;
  ck_assert_uint_eq(word, 0);
  frame->vregs[F_V0].i64 = 3;
  if (!tier_call(thread, frame, F_CALL, "g", F_V0, &value))
    return handle(thread, frame, result);
  struct mm_ref object = frame->vregs[F_A0].ref;
  const int32_t *field =
      vm_object_at(object, vm_class_of(object)->fields[0].offset);
  result->i64 = value.i32 + *field;
  return VM_TIER_RETURNED;
}

/* The same without the object. */
static enum vm_tier_outcome f_throws(struct vm_thread *thread,
                                     struct vm_frame *frame, uint32_t word,
                                     union vm_slot *result)
{
  (void)word;
  frame->vregs[F_V0].i64 = 3;
  ck_assert(!tier_call(thread, frame, F_CALL, "g", F_V0, result));
  return tier_threw(thread, frame);
}

static struct tier_script mixed[] = {{"f", f_compiled, 0, 0},
                                     {NULL, NULL, 0, 0}};
static const struct tier_setting at_once = {.threshold = 1};

START_TEST(compiled_code_may_call_what_is_interpreted)
{
  ck_assert_int_eq(
      tier_result(MIXED(" lda a0\n addi 1\n return\n", ""), mixed, &at_once),
      34);
}
END_TEST

/* g makes an object and initialises K, which runs a method from C. */
START_TEST(collections_pass_through_compiled_frames_and_their_boundaries)
{
  const struct tier_setting setting = {.threshold = 1, .stress_alloc = 1};
  ck_assert_int_eq(tier_result(MIXED(" newobj v0, R\n stobj.obj v0, R.r\n"
                                     " ldstatic K.s\n add2 a0\n return\n",
                                     ""),
                               mixed, &setting),
                   38);
}
END_TEST

static bool count_frame(void *context, const struct vm_frame_info *info)
{
  static const char *const names[] = {"g", "f", "main"};
  unsigned *count = context;
  if (!info->frame->method->function)
    return true; /* what began the thread */
  ck_assert_uint_lt(*count, 3);
  ck_assert_str_eq(info->frame->method->name, names[(*count)++]);
  if (*count != 2)
    return true;
  ck_assert_uint_eq(info->insn, F_CALL);
  ck_assert_uint_eq(info->fault, F_CALL);
  ck_assert(info->in_call);
  ck_assert(vm_frame_is_live_ref(info, F_A0));
  ck_assert(!vm_frame_is_live_ref(info, F_V0));
  ck_assert_str_eq(vm_class_of(vm_frame_get(info, F_A0).ref)->name, "R");
  return true;
}

static enum vm_tier_outcome walks(struct vm_thread *thread,
                                  struct vm_frame *frame, uint32_t word,
                                  union vm_slot *result)
{
  unsigned count = 0;
  (void)frame;
  (void)word;
  (void)result;
  vm_stack_walk(thread, count_frame, &count);
  ck_assert_uint_eq(count, 3);
  return VM_TIER_NO_CODE;
}

START_TEST(walks_find_where_a_compiled_frame_stands)
{
  struct tier_script scripts[] = {
      {"f", f_compiled, 0, 0}, {"g", walks, 0, 0}, {NULL, NULL, 0, 0}};
  ck_assert_int_eq(
      tier_result(MIXED(" lda a0\n return\n", ""), scripts, &at_once), 33);
  ck_assert_uint_eq(scripts[1].entered, 1);
}
END_TEST

/* Compiled code that has not begun: its arguments live, and nothing else of
   what the registers hold. */
static enum vm_tier_outcome collects(struct vm_thread *thread,
                                     struct vm_frame *frame, uint32_t word,
                                     union vm_slot *result)
{
  (void)word;
  (void)result;
  uint32_t before = frame->vregs[1].ref.bits;
  frame->vregs[0].u64 = before + 4; /* within the object: no reference */
  thread->top = frame;
  mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_ne(frame->vregs[1].ref.bits, before);
  return VM_TIER_NO_CODE;
}

START_TEST(a_compiled_method_that_has_not_begun_has_its_arguments_alone)
{
  struct tier_script scripts[] = {{"f", collects, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 100};
  tier_open(".record R {\n i32 i\n}\n"
            ".function i32 f(R a0) {\n lda.obj v0\n jnez.obj e\n"
            " ldobj a0, R.i\n return\ne:\n ldai 1\n return\n}\n" WITH_MAIN(
                " newobj v0, R\n ldai 30\n stobj v0, R.i\n"
                " call.short f, v0\n return\n"),
            scripts, &setting);
  tier_publish("f");
  tier_run();
  ck_assert_int_eq(tier.status, 30);
  ck_assert_uint_eq(scripts[0].entered, 1);
  tier_close();
}
END_TEST

/* --- Exceptions --- */

#define DIVIDES " movi v0, 0\n lda a0\n div2 v0\n return\n"

START_TEST(an_exception_crosses_a_compiled_frame)
{
  ck_assert_int_eq(tier_result(MIXED(DIVIDES, ""), mixed, &at_once), 99);
}
END_TEST

START_TEST(an_exception_is_handled_in_a_compiled_frame)
{
  ck_assert_int_eq(
      tier_result(MIXED(DIVIDES, "h:\n ldobj a0, R.i\n addi 20\n return\n"
                                 ".catch panda.ArithmeticException, b, e, h\n"),
                  mixed, &at_once),
      50);
}
END_TEST

START_TEST(a_trace_names_the_lines_of_compiled_frames)
{
  struct tier_script scripts[] = {{"f", f_throws, 0, 0}, {NULL, NULL, 0, 0}};
  tier_open(".function i32 g(i32 a0) {\n" DIVIDES "}\n"
            ".function i32 f() {\n movi v0, 3\n call.short g, v0\n sta v1\n"
            " return\n}\n" WITH_MAIN(" call.short f\n return\n"),
            scripts, &at_once);
  tier_run();
  ck_assert_int_eq(tier.outcome, VM_UNCAUGHT);
  ck_assert_ptr_nonnull(strstr(tier.err, "    at g (test.pa:7)\n"
                                         "    at f (test.pa:12)\n"
                                         "    at main (test.pa:17)\n"));
  tier_close();
}
END_TEST

START_TEST(a_compiled_frame_does_not_outlive_the_exit_of_the_program)
{
  tier_open(MIXED(" movi v0, 7\n call.short System.exit, v0\n ldai 0\n"
                  " return\n",
                  "h:\n ldai 1\n return\n.catchall b, e, h\n"),
            mixed, &at_once);
  tier_run();
  ck_assert_int_eq(tier.outcome, VM_EXITED);
  ck_assert_int_eq(tier.status, 7);
  tier_close();
}
END_TEST

/* --- Stacks that do not suffice --- */

static unsigned deepest, depth;

static enum vm_tier_outcome recurses(struct vm_thread *thread,
                                     struct vm_frame *frame, uint32_t word,
                                     union vm_slot *result)
{
  (void)word;
  if (++depth > deepest)
    deepest = depth;
  bool returned = tier_call(thread, frame, 0, "g", 0, result);
  depth--;
  return returned ? VM_TIER_RETURNED : tier_threw(thread, frame);
}

/* f, compiled, calls g, interpreted, calls f ...; caught three times. */
static const char deep[] =
    ".function i32 g(i32 a0) {\n call.short f, a0\n return\n}\n"
    ".function i32 f(i32 a0) {\n call.short g, a0\n return\n}\n" WITH_MAIN(
        " movi v0, 0\n movi v1, 0\nb:\n call.short f, v0\ne:\n"
        "h:\n inci v1, 1\n lda v1\n movi v2, 3\n jlt v2, b\n lda v1\n"
        " return\n.catch panda.StackOverflowException, b, e, h\n");

/* Returns how many of both there may be by the size of the VM stack. */
static unsigned overflow(size_t stack_bytes)
{
  struct tier_script scripts[] = {{"f", recurses, 0, 0}, {NULL, NULL, 0, 0}};
  const struct tier_setting setting = {.threshold = 1,
                                       .stack_bytes = stack_bytes};
  deepest = depth = 0;
  tier_open(deep, scripts, &setting);
  ptrdiff_t slots = tier.thread->stack_limit - tier.thread->stack_base;
  tier_run();
  ck_assert_int_eq(tier.outcome, VM_RETURNED);
  ck_assert_int_eq(tier.status, 3);
  ck_assert_uint_eq(depth, 0);
  tier_close();
  return (unsigned)(slots / (2 * (VM_FRAME_SLOTS + 1)));
}

START_TEST(the_c_stack_does_not_overflow)
{
  unsigned possible = overflow((size_t)1 << 30);
  ck_assert_uint_gt(deepest, 100);
  ck_assert_uint_lt(deepest, possible / 2);
}
END_TEST

START_TEST(the_vm_stack_does_not_overflow)
{
  unsigned possible = overflow(16 * 1024);
  ck_assert_uint_le(deepest, possible);
  ck_assert_uint_gt(deepest, possible - 4);
}
END_TEST

static void add_counting(TCase *tests)
{
  tcase_add_loop_test(tests, the_tier_is_asked_each_time_a_counter_is_used_up,
                      0, 2);
  tcase_add_test(tests, a_counter_that_is_not_used_up_asks_nobody);
  tcase_add_loop_test(tests, calls_and_rounds_of_loops_are_counted, 0,
                      sizeof loops / sizeof loops[0]);
  tcase_add_loop_test(
      tests, a_collection_while_the_tier_is_asked_finds_the_accumulator, 0, 2);
  tcase_add_test(tests, a_translation_without_memory_throws_wherever_it_ends);
}

static void add_endings(TCase *tests)
{
  enum { COUNT = sizeof endings / sizeof endings[0] };
  tcase_add_loop_test(
      tests, compiled_code_that_is_entered_while_counting_may_end_in_any_way, 0,
      COUNT);
  tcase_add_loop_test(tests, compiled_code_that_is_called_may_end_in_any_way, 0,
                      COUNT);
  tcase_add_test(tests,
                 an_exception_of_compiled_code_that_nobody_wants_ends_the_run);
}

static void add_frames(TCase *tests)
{
  tcase_add_loop_test(
      tests, a_frame_may_change_between_both_in_each_second_round, 0, 2);
  tcase_add_test(tests, compiled_code_may_call_what_is_interpreted);
  tcase_add_test(tests,
                 collections_pass_through_compiled_frames_and_their_boundaries);
  tcase_add_test(tests, walks_find_where_a_compiled_frame_stands);
  tcase_add_test(tests,
                 a_compiled_method_that_has_not_begun_has_its_arguments_alone);
  tcase_add_test(tests, an_exception_crosses_a_compiled_frame);
  tcase_add_test(tests, an_exception_is_handled_in_a_compiled_frame);
  tcase_add_test(tests, a_trace_names_the_lines_of_compiled_frames);
  tcase_add_test(tests,
                 a_compiled_frame_does_not_outlive_the_exit_of_the_program);
  tcase_add_test(tests, the_c_stack_does_not_overflow);
  tcase_add_test(tests, the_vm_stack_does_not_overflow);
}

int main(void)
{
  TCase *tests = tcase_create("interp tier");
  tcase_set_timeout(tests, 60);
  add_counting(tests);
  add_endings(tests);
  add_frames(tests);
  return suite_main("interp_tier", (TCase *[]){tests, NULL});
}
