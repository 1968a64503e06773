/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter: which sequences are fused, that fused code does what the
 * instructions do, where exceptions in it come from, frames and entries.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "tests/unit/suite.h"
#include "vm/asm/asm.h"
#include "vm/core/runtime.h"
#include "vm/core/vm.h"

/* --- A machine that runs a text --- */

struct run {
  struct vm *vm;
  char *out, *err;
  size_t out_bytes, err_bytes;
  enum vm_outcome outcome;
  int status;
};

static struct vm_method *method_named(struct vm *vm, const char *name)
{
  for (struct vm_class *class = vm->boot->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      if (class->module && strcmp(class->methods[i].name, name) == 0)
        return &class->methods[i];
  ck_abort_msg("no method %s", name);
  return NULL;
}

/* With a limit of the compiler space; 0: the usual one. */
static void run_open_limited(struct run *run, const char *text, bool fuse,
                             uint64_t compiler_max_bytes)
{
  struct vm_options options;
  struct mm_error error = {{0}};
  struct vm_diags diags;
  memset(run, 0, sizeof *run);
  vm_options_init(&options);
  options.fuse = fuse;
  options.mm.heap_max_bytes = 8u << 20;
  options.mm.workers = 1;
  options.mm.compiler_max_bytes = compiler_max_bytes;
  options.out = open_memstream(&run->out, &run->out_bytes);
  options.err = open_memstream(&run->err, &run->err_bytes);
  ck_assert_int_eq(vm_create(&options, interp_engine(), &run->vm, &error),
                   MM_OK);
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("test.pa", text, strlen(text), &diags);
  if (!module)
    vm_diags_print(&diags, stderr, false);
  ck_assert_ptr_nonnull(module);
  ck_assert(vm_load_module(run->vm, module, &diags));
  vm_diags_destroy(&diags);
}

static void run_open(struct run *run, const char *text, bool fuse)
{
  run_open_limited(run, text, fuse, 0);
}

static void run_main(struct run *run)
{
  struct mm_error error = {{0}};
  run->outcome =
      vm_run(run->vm, "_GLOBAL::main", 0, NULL, &run->status, &error);
  fflush(run->vm->options.out);
  fflush(run->vm->options.err);
}

static void run_close(struct run *run)
{
  FILE *out = run->vm->options.out, *err = run->vm->options.err;
  vm_destroy(run->vm);
  fclose(out);
  fclose(err);
  free(run->out);
  free(run->err);
}

/* What main returns; it must return. */
static int result_of(const char *text, bool fuse)
{
  struct run run;
  run_open(&run, text, fuse);
  run_main(&run);
  ck_assert_msg(run.outcome == VM_RETURNED, "outcome %d: %s", run.outcome,
                run.err);
  int status = run.status;
  run_close(&run);
  return status;
}

/* --- Which sequences are fused --- */

/* The operations of `f`, by name, one blank between them. */
static void operations_of(const char *body, bool fuse, char *names)
{
  char text[2000], line[200], name[100];
  snprintf(text, sizeof text,
           ".record R {\n i32 i\n i64 l\n R r\n i32 w <volatile>\n"
           " R u <volatile>\n i32 s <static, volatile>\n}\n"
           ".function i32 f(i32 a0, f64 a1, u1[] a2, R a3) {\n%s\n}\n"
           ".function i32 main() {\n ldai 0\n return\n}\n",
           body);
  struct run run;
  run_open(&run, text, fuse);
  run_main(&run);
  char *dump;
  size_t dump_bytes;
  FILE *out = open_memstream(&dump, &dump_bytes);
  ck_assert(interp_dump(run.vm->main_thread, method_named(run.vm, "f"), out));
  fclose(out);
  names[0] = '\0';
  FILE *in = fmemopen(dump, dump_bytes, "r");
  while (fgets(line, sizeof line, in)) {
    ck_assert_int_eq(sscanf(line, "%*u %99s", name), 1);
    strcat(strcat(names, names[0] ? " " : ""), name);
  }
  fclose(in);
  free(dump);
  run_close(&run);
}

static const struct {
  const char *body, *operations; /* `bad` at the end of the body left out */
} sequences[] = {
    {"lda a0\n add2 a0\n sta v0\n lda v0\n return", "add32_rrr ret_r32"},
    {"lda a0\n add2 a0\n sta v0\n return", "add32_arr sta32 ret"},
    {"lda a0\n subi 1\n return", "sub32_ari ret"},
    {"lda a0\n subi 1\n sta v0\n ldai 7\n return", "sub32_rri ret_i"},
    {"lda a0\n mul2v v0, a0\n lda v0\n return", "mul32_rrr ret_r32"},
    {"lda a0\n mul2v v0, a0\n return", "lda32 mul32_rar ret"},
    {"lda.64 a1\n fmul2.64 a1\n fadd2.64 a1\n sta.64 v0\n ldai 0\n return",
     "fmuladd64_r ret_i"},
    {"lda.64 a1\n fmul2.64 a1\n fsub2v.64 v0, a1\n ldai 0\n return",
     "fmulsub64_r ret_i"},
    {"lda a0\n fmovi.64 v0, 1.5\n return", "lda32 movi64 ret"},
    {"lda a0\n jgtz l\n ldai 1\n return\nl:\n ldai 2\n return",
     "j_rz_gt ret_i ret_i"},
    {"ldai 3\n jle a0, l\n ldai 1\n return\nl:\n ldai 2\n return",
     "j_ir_le ret_i ret_i"},
    {"lda.64 a1\n fcmpg.64 a1\n jltz l\n ldai 1\n return\nl:\n ldai 2\n return",
     "j_fcmpg64_rr_lt ret_i ret_i"},
    {"lda.64 a1\n fcmpg.64 a1\n jltz l\n return\nl:\n ldai 2\n return",
     "lda64 fcmpg64 j_az_lt ret ret_i"},
    {"movi v0, 0\nl:\n inci v0, 1\n lda v0\n jlt a0, l\n ldai 0\n return",
     "movi j_inc_back_lt ret_i"},
    {"movi v0, 0\nl:\n addv v0, a0\n lda a0\n jgt v0, l\n ldai 0\n return",
     "movi j_add_back_lt ret_i"},
    {"movi v0, 0\n jmp t\nl:\n inci v0, 1\nt:\n lda v0\n jlt a0, l\n ldai 0\n"
     " return",
     "movi jmp j_inc_back_lt jmp j_rr_back_lt ret_i"},
    {"movi v0, 0\nl:\n lda v0\n jge a0, e\n inci v0, 1\n jmp l\ne:\n ldai 0\n"
     " return",
     "movi j_rr_ge j_inc_back_lt ret_i"},
    {"lda a0\n ldarru.8 a2\n sta v0\n ldai 0\n return", "ldarr_u8_rr ret_i"},
    {"lda a0\n ldarru.8 a2\n jeqz l\n ldai 1\n return\nl:\n ldai 2\n return",
     "j_ldarr_u8_eqz ret_i ret_i"},
    {"ldai 1\n starr.8 a2, a0\n ldai 0\n return", "starr_8_i ret_i"},
    {"lda a0\n starr.8 a2, a0\n return", "starr_8_r ret"},
    {"lenarr a2\n sta v0\n ldai 0\n return", "lenarr_r ret_i"},
    {"ldobj a3, R.i\n sta v0\n ldai 0\n return", "ldobj_i32_r ret_i"},
    {"lda a0\n stobj a3, R.i\n ldai 0\n return", "stobj_32_r ret_i"},
    {"lda a0\n stobj a3, R.i\n return", "lda32 stobj_32_a ret"},
    {"ldobj.64 a3, R.l\n sta.64 v0\n ldai 0\n return", "ldobj_64_r ret_i"},
    {"ldobj.obj a3, R.r\n sta.obj v0\n ldai 0\n return", "ldobj_ref_r ret_i"},
    /* Volatile fields: their own operations, never fused. */
    {"ldobj a3, R.w\n sta v0\n ldai 0\n return", "vldobj_i32_a sta32 ret_i"},
    {"lda a0\n stobj a3, R.w\n ldai 0\n return", "lda32 vstobj_32_a ret_i"},
    {"ldobj.v.obj v0, a3, R.u\n ldai 0\n return", "vldobj_ref_r ret_i"},
    {"lda.obj a3\n stobj.obj a3, R.u\n ldai 0\n return",
     "lda64 vstobj_ref_a ret_i"},
    {"ldstatic R.s\n ststatic R.s\n return", "vldstatic vststatic_i32 ret"},
    {"lda a0\n sta v0\n ldai 0\n return", "mov32 ret_i"},
    {"ldai 5\n sta v0\n ldai 0\n return", "movi ret_i"},
    /* A jump target in between: nothing may be fused across it. */
    {"lda a0\nl:\n add2 a0\n sta v0\n lda v0\n jgtz l\n ldai 0\n return",
     "lda32 add32_rar j_rz_back_gt ret_i"},
    /* The border of a try range in between. */
    {"lda a0\nb:\n div2 a0\n sta v0\n ldai 0\ne:\n return\nh:\n ldai 1\n"
     " return\n .catchall b, e, h",
     "lda32 div32_rar ldai ret ret_i"},
};

START_TEST(fuses_these_sequences)
{
  char names[1000], wanted[1000];
  operations_of(sequences[_i].body, true, names);
  snprintf(wanted, sizeof wanted, "%s bad", sequences[_i].operations);
  ck_assert_str_eq(names, wanted);
}
END_TEST

START_TEST(fuses_nothing_when_told_so)
{
  char names[1000];
  operations_of("lda a0\n add2 a0\n sta v0\n lda v0\n return", false, names);
  ck_assert_str_eq(names, "lda32 add32_aar sta32 lda32 ret bad");
}
END_TEST

/* --- Fused code and single instructions agree --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
  random_state ^= random_state << 13; /* Marsaglia, Xorshift RNGs, 2003 */
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 11) % limit;
}

/* Instructions over v0-v3 (i32), v4-v6 (i64), v7-v9 (f64); the first letter
   tells what the accumulator holds before, the second after: i, l, d, or - as
   it was.  R, L, D and N stand for a register of each kind and a number. */
static const struct {
  const char *form;
  char before, after;
} forms[] = {
    {"lda R", '-', 'i'},
    {"lda.64 L", '-', 'l'},
    {"lda.64 D", '-', 'd'},
    {"ldai N", '-', 'i'},
    {"sta R", 'i', 'i'},
    {"sta.64 L", 'l', 'l'},
    {"sta.64 D", 'd', 'd'},
    {"add2 R", 'i', 'i'},
    {"sub2 R", 'i', 'i'},
    {"mul2 R", 'i', 'i'},
    {"xor2v R, R", 'i', 'i'},
    {"shl2 R", 'i', 'i'},
    {"ashr2v R, R", 'i', 'i'},
    {"addi N", 'i', 'i'},
    {"shri N", 'i', 'i'},
    {"subiv R, R, N", '-', '-'},
    {"inci R, N", '-', '-'},
    {"addv R, R", '-', '-'},
    {"and R, R", '-', 'i'},
    {"add2.64 L", 'l', 'l'},
    {"mul2v.64 L, L", 'l', 'l'},
    {"shr2.64 L", 'l', 'l'},
    {"fadd2.64 D", 'd', 'd'},
    {"fmul2.64 D", 'd', 'd'},
    {"fsub2v.64 D, D", 'd', 'd'},
    {"fmul2v.64 D, D", 'd', 'd'},
    {"cmp.64 L", 'l', 'i'},
    {"fcmpl.64 D", 'd', 'i'},
    {"fcmpg.64 D", 'd', 'i'},
    {"ucmp R", 'i', 'i'},
    {"mov R, R", '-', '-'},
    {"mov.64 D, D", '-', '-'},
    {"neg", 'i', 'i'},
    {"i32toi64", 'i', 'l'},
    {"i32tof64", 'i', 'd'},
    {"f64toi32", 'd', 'i'},
    {"i64toi32", 'l', 'i'},
};

static const char *const jumps[] = {"jeqz", "jnez", "jltz",
                                    "jgtz", "jlez", "jgez"};
static const char *const register_jumps[] = {"jeq", "jne", "jlt",
                                             "jgt", "jle", "jge"};

static void print_form(FILE *out, const char *form)
{
  for (; *form; form++)
    switch (*form) {
    case 'R':
      fprintf(out, "v%u", random_below(4));
      break;
    case 'L':
      fprintf(out, "v%u", 4 + random_below(3));
      break;
    case 'D':
      fprintf(out, "v%u", 7 + random_below(3));
      break;
    case 'N':
      fprintf(out, "%d", (int)random_below(16) - 8);
      break;
    default:
      fputc(*form, out);
    }
  fputc('\n', out);
}

/* A loop of random instructions with forward jumps, which ends after a fixed
   number of rounds and returns a digest of its registers. */
static char *random_text(unsigned seed)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  random_state = 0x9e3779b97f4a7c15u * (seed + 1);
  fprintf(out, ".function i32 main() {\n");
  for (unsigned v = 0; v < 4; v++)
    fprintf(out, "movi v%u, %d\n", v, (int)random_below(2000) - 1000);
  for (unsigned v = 4; v < 7; v++)
    fprintf(out, "movi.64 v%u, %d\n", v, (int)random_below(2000) - 1000);
  for (unsigned v = 7; v < 10; v++)
    fprintf(out, "fmovi.64 v%u, %d.25\n", v, (int)random_below(20) - 10);
  fprintf(out, "movi v10, 0\nmovi v11, 20\nloop:\nldai 1\n");
  char acc = 'i';
  unsigned label = 0, pending = 0;
  for (unsigned n = 0; n < 60; n++) {
    unsigned f = random_below(sizeof forms / sizeof forms[0]);
    if (forms[f].before != '-' && forms[f].before != acc)
      continue;
    print_form(out, forms[f].form);
    acc = forms[f].after == '-' ? acc : forms[f].after;
    if (acc == 'i' && random_below(4) == 0) {
      if (random_below(2))
        fprintf(out, "%s l%u\n", jumps[random_below(6)], label);
      else
        fprintf(out, "%s v%u, l%u\n", register_jumps[random_below(6)],
                random_below(4), label);
      pending = 1;
    }
    if (pending && acc == 'i' && random_below(3) == 0) {
      fprintf(out, "l%u:\n", label++);
      pending = 0;
    }
  }
  fprintf(out, "ldai 0\nl%u:\ninci v10, 1\nlda v10\njlt v11, loop\n", label);
  fprintf(out, "lda v0\nadd2 v1\nxor2 v2\nmul2 v3\nsta v0\n"
               "lda.64 v4\nxor2.64 v5\nadd2.64 v6\ni64toi32\nxor2v v0, v0\n");
  for (unsigned v = 7; v < 10; v++)
    fprintf(out, "lda.64 v%u\nf64toi32\nadd2v v0, v0\n", v);
  fprintf(out, "lda v0\nreturn\n}\n");
  fclose(out);
  return text;
}

START_TEST(fused_code_computes_what_single_instructions_do)
{
  for (unsigned seed = 0; seed < 40; seed++) {
    char *text = random_text(seed + 40u * (unsigned)_i);
    int fused = result_of(text, true), single = result_of(text, false);
    ck_assert_msg(fused == single, "seed %u: %d fused, %d single:\n%s",
                  seed + 40u * (unsigned)_i, fused, single, text);
    free(text);
  }
}
END_TEST

/* --- Exceptions within sequences --- */

START_TEST(an_exception_names_the_line_of_the_part_that_threw)
{
  struct run run;
  run_open(&run,
           ".function i32 main() {\n"
           " movi v0, 0\n"
           " ldai 5\n"
           " sta v1\n"
           " lda v1\n"  /* line 5 */
           " div2 v0\n" /* line 6: throws, between two fused parts */
           " sta v2\n"
           " lda v2\n"
           " return\n"
           "}\n",
           true);
  run_main(&run);
  ck_assert_int_eq(run.outcome, VM_UNCAUGHT);
  ck_assert_ptr_nonnull(strstr(run.err, "test.pa:6"));
  run_close(&run);
}
END_TEST

START_TEST(an_exception_leaves_the_destination_as_it_was)
{
  ck_assert_int_eq(result_of(".record panda.ArithmeticException <external>\n"
                             ".function i32 main() {\n"
                             " movi v0, 0\n movi v2, 42\n ldai 5\n sta v1\n"
                             "b:\n lda v1\n div2 v0\n sta v2\ne:\n"
                             "h:\n lda v2\n return\n"
                             ".catchall b, e, h\n}\n",
                             true),
                   42);
}
END_TEST

START_TEST(unbounded_recursion_is_an_exception_that_can_be_caught_again)
{
  ck_assert_int_eq(
      result_of(".record panda.StackOverflowException <external>\n"
                ".function i32 f(i32 a0) {\n lda a0\n addi 1\n sta a0\n"
                " call.short f, a0\n return\n}\n"
                ".function i32 main() {\n movi v0, 0\n movi v1, 0\n"
                "b:\n call.short f, v0\ne:\n"
                "h:\n inci v1, 1\n lda v1\n movi v2, 3\n jlt v2, b\n"
                " lda v1\n return\n"
                ".catch panda.StackOverflowException, b, e, h\n}\n",
                true),
      3);
}
END_TEST

START_TEST(a_bad_instruction_throws_only_when_it_is_reached)
{
  static const char text[] =
      ".record panda.VerifyError <external>\n"
      ".function i32 main() {\n movi v0, %d\n lda v0\n jeqz skip\n"
      "b:\n lda.obj v0\ne:\n ldai 9\n return\nskip:\n ldai 1\n return\n"
      "h:\n ldai 2\n return\n.catch panda.VerifyError, b, e, h\n}\n";
  char reached[500], skipped[500];
  snprintf(reached, sizeof reached, text, 1);
  snprintf(skipped, sizeof skipped, text, 0);
  ck_assert_int_eq(result_of(reached, true), 2);
  ck_assert_int_eq(result_of(skipped, true), 1);
}
END_TEST

START_TEST(a_local_read_before_it_is_written_is_zero)
{
  ck_assert_int_eq(result_of(".function i32 f() {\n movi v0, 77\n"
                             " movi v1, 78\n lda v0\n return\n}\n"
                             ".function i32 g() {\n lda v0\n add2 v1\n"
                             " return\n}\n"
                             ".function i32 main() {\n call.short f\n"
                             " call.short g\n return\n}\n",
                             true),
                   0);
}
END_TEST

START_TEST(the_accumulator_can_be_any_argument)
{
  ck_assert_int_eq(
      result_of(".function i32 f(i32 a0, i32 a1, i32 a2, i32 a3) {\n"
                " lda a0\n muli 10\n add2 a1\n muli 10\n add2 a2\n"
                " muli 10\n add2 a3\n return\n}\n"
                ".function i32 main() {\n movi v0, 1\n movi v1, 2\n"
                " movi v2, 3\n ldai 4\n call.acc f, v0, v1, v2, 2\n"
                " subi 100\n subi 100\n modi 100\n return\n}\n",
                true),
      43);
}
END_TEST

/* A method of 10,000 instructions, and a main that calls it. */
static char *long_program(void)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, ".function i32 f() {\n");
  for (int i = 0; i < 10000; i++)
    fprintf(out, " movi v%d, 77\n", i % 4);
  fprintf(out, " lda v3\n return\n}\n"
               ".function i32 main() {\n call.short f\n return\n}\n");
  fclose(out);
  return text;
}

START_TEST(a_method_too_long_for_the_compiler_space_throws_out_of_memory)
{
  struct run run;
  char *text = long_program();
  run_open_limited(&run, text, true, 64 * 1024);
  run_main(&run);
  ck_assert_int_eq(run.outcome, VM_UNCAUGHT);
  ck_assert_ptr_nonnull(strstr(run.err, "OutOfMemoryError"));
  run_close(&run);
  ck_assert_int_eq(result_of(text, true), 77);
  free(text);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("interp");
  tcase_add_loop_test(tests, fuses_these_sequences, 0,
                      sizeof sequences / sizeof sequences[0]);
  tcase_add_test(tests, fuses_nothing_when_told_so);
  tcase_add_loop_test(tests, fused_code_computes_what_single_instructions_do, 0,
                      10);
  tcase_add_test(tests, an_exception_names_the_line_of_the_part_that_threw);
  tcase_add_test(tests, an_exception_leaves_the_destination_as_it_was);
  tcase_add_test(tests,
                 unbounded_recursion_is_an_exception_that_can_be_caught_again);
  tcase_add_test(tests, a_bad_instruction_throws_only_when_it_is_reached);
  tcase_add_test(tests, a_local_read_before_it_is_written_is_zero);
  tcase_add_test(tests, the_accumulator_can_be_any_argument);
  tcase_add_test(tests,
                 a_method_too_long_for_the_compiler_space_throws_out_of_memory);
  return suite_main("interp", (TCase *[]){tests, NULL});
}
