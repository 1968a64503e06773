/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates against handlers: each instruction that computes, compiled and
 * interpreted, with each pair of values at the edges of its type.  A program is
 * made of the table; what it prints has to be the same both ways.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "jit_stub/code_internal.h"
#include "tests/unit/suite.h"
#include "vm/asm/asm.h"

/* --- The table --- */

/* What an instruction reads and leaves: I and F are 32 bits wide, L and D 64.
 */
struct kind {
  const char *suffix; /* of lda, sta, movi, return */
  const char *type, *print;
  const char *move; /* a constant into a register */
  const char *values[12];
};

static const struct kind i32 = {"",
                                "i32",
                                "printI32",
                                "movi",
                                {"0", "1", "-1", "2", "7", "31", "32", "33",
                                 "255", "-129", "2147483647", "-2147483648"}};
static const struct kind i64 = {
    ".64",
    "i64",
    "printI64",
    "movi.64",
    {"0", "1", "-1", "3", "63", "64", "65", "4294967295", "-2147483649",
     "9223372036854775807", "-9223372036854775808", "1311768467463790320"}};
static const struct kind f32 = {
    "",
    "f32",
    "printF32",
    "fmovi",
    {"0.0", "-0.0", "1.0", "-1.5", "0.1", "2147483648.0", "-2147483648.0",
     "4294967296.0", "1e30", "-1e30", "1e-45", "3.4e38"}};
static const struct kind f64 = {".64",
                                "f64",
                                "printF64",
                                "fmovi.64",
                                {"0.0", "-0.0", "1.0", "-1.5", "0.1",
                                 "2147483648.0", "-9.3e18", "1.9e19", "1e300",
                                 "-1e300", "5e-324", "1.7e308"}};

struct row {
  const struct kind *in, *out;
  const char *names[16];
  bool is_unary;
};

static const struct row rows[] = {
    {&i32,
     &i32,
     {"add2", "sub2", "mul2", "and2", "or2", "xor2", "shl2", "shr2", "ashr2",
      "div2", "mod2", "divu2", "modu2", "ucmp"},
     false},
    {&i64,
     &i64,
     {"add2.64", "sub2.64", "mul2.64", "and2.64", "or2.64", "xor2.64",
      "shl2.64", "shr2.64", "ashr2.64", "div2.64", "mod2.64", "divu2.64",
      "modu2.64"},
     false},
    {&i64, &i32, {"cmp.64", "ucmp.64"}, false},
    {&f32, &f32, {"fadd2", "fsub2", "fmul2", "fdiv2", "fmod2"}, false},
    {&f64,
     &f64,
     {"fadd2.64", "fsub2.64", "fmul2.64", "fdiv2.64", "fmod2.64"},
     false},
    {&f32, &i32, {"fcmpl", "fcmpg"}, false},
    {&f64, &i32, {"fcmpl.64", "fcmpg.64"}, false},
    {&i32,
     &i32,
     {"neg", "not", "i32tou1", "i32toi8", "i32toi16", "i32tou8", "i32tou16"},
     true},
    {&i64, &i64, {"neg.64", "not.64"}, true},
    {&i64, &i32, {"i64tou1", "i64toi32", "u64tou32"}, true},
    {&i32, &i64, {"i32toi64", "u32toi64"}, true},
    {&i32, &f32, {"i32tof32", "u32tof32"}, true},
    {&i32, &f64, {"i32tof64", "u32tof64"}, true},
    {&i64, &f32, {"i64tof32", "u64tof32"}, true},
    {&i64, &f64, {"i64tof64", "u64tof64"}, true},
    {&f32, &i32, {"f32toi32", "f32tou32"}, true},
    {&f32, &i64, {"f32toi64", "f32tou64"}, true},
    {&f64, &i32, {"f64toi32", "f64tou32"}, true},
    {&f64, &i64, {"f64toi64", "f64tou64"}, true},
    {&f32, &f32, {"fneg"}, true},
    {&f64, &f64, {"fneg.64"}, true},
    {&f32, &f64, {"f32tof64"}, true},
    {&f64, &f32, {"f64tof32"}, true},
};

enum { ROWS = sizeof rows / sizeof rows[0], VALUES = 12, NAMES = 16 };

/* --- The program --- */

static const char prelude[] =
    ".record panda.String <external>\n"
    ".record panda.ArithmeticException <external>\n"
    ".record IO <external>\n"
    ".function void IO.printString(panda.String a0) <external>\n"
    ".function void IO.printI32(i32 a0) <external>\n"
    ".function void IO.printI64(i64 a0) <external>\n"
    ".function void IO.printF32(f32 a0) <external>\n"
    ".function void IO.printF64(f64 a0) <external>\n";

/* Prints what comes of one instruction, or that it threw. */
static void write_function(FILE *out, const struct row *row, int n)
{
  const struct kind *in = row->in, *made = row->out;
  fprintf(out, ".function void f%d(%s a0, %s a1) {\nbegin:\nlda%s a0\n", n,
          in->type, in->type, in->suffix);
  fprintf(out, row->is_unary ? "%s\n" : "%s a1\n", row->names[n]);
  fprintf(out,
          "end:\nsta%s v0\ncall.short IO.%s, v0\nlda.str \"\\n\"\nsta.obj v1\n"
          "call.short IO.printString, v1\nreturn.void\n"
          "caught:\nlda.str \"threw\\n\"\nsta.obj v1\n"
          "call.short IO.printString, v1\nreturn.void\n"
          ".catch panda.ArithmeticException, begin, end, caught\n}\n",
          made->suffix, made->print);
}

static void write_main(FILE *out, const struct row *row)
{
  fputs(".function i32 main() {\n", out);
  for (int n = 0; n < NAMES && row->names[n]; n++)
    for (int i = 0; i < VALUES * VALUES; i++) {
      const struct kind *in = row->in;
      if (row->is_unary && i >= VALUES)
        break;
      fprintf(out, "%s v0, %s\n%s v1, %s\ncall.short f%d, v0, v1\n", in->move,
              in->values[i % VALUES], in->move, in->values[i / VALUES], n);
    }
  fputs("ldai 0\nreturn\n}\n", out);
}

static char *write_program(const struct row *row)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  ck_assert_ptr_nonnull(out);
  fputs(prelude, out);
  for (int n = 0; n < NAMES && row->names[n]; n++)
    write_function(out, row, n);
  write_main(out, row);
  fclose(out);
  return text;
}

/* --- Both ways --- */

static struct vm *create(enum vm_jit_mode mode, FILE *out)
{
  struct vm_options options;
  struct mm_error error = {{0}};
  struct vm *vm;
  vm_options_init(&options);
  options.jit.mode = mode;
  options.mm.heap_max_bytes = 16u << 20;
  options.out = options.err = out;
  ck_assert_msg(vm_create(&options, interp_engine(), &vm, &error) == MM_OK,
                "vm_create: %s", error.text);
  ck_assert_msg(jit_start(vm, &error) == MM_OK, "jit_start: %s", error.text);
  return vm;
}

static void load(struct vm *vm, const char *text)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("test.pa", text, strlen(text), &diags);
  if (!module || !vm_load_module(vm, module, &diags)) {
    vm_diags_print(&diags, stderr, false);
    ck_abort_msg("not accepted");
  }
  vm_diags_destroy(&diags);
}

/* What the program prints, to be freed. */
static char *run(const char *text, enum vm_jit_mode mode, uint64_t *compiled)
{
  char *printed;
  size_t bytes;
  FILE *out = open_memstream(&printed, &bytes);
  struct mm_error error = {{0}};
  int status = -1;
  struct vm *vm = create(mode, out);
  load(vm, text);
  ck_assert_int_eq(vm_run(vm, "_GLOBAL::main", 0, NULL, &status, &error),
                   VM_RETURNED);
  ck_assert_int_eq(status, 0);
  *compiled = mode == VM_JIT_OFF ? 0 : jit_compiler_of(vm)->counts.compiled;
  jit_stop(vm);
  vm_destroy(vm);
  fclose(out);
  return printed;
}

START_TEST(what_is_computed_is_the_same_interpreted_and_compiled)
{
  const struct row *row = &rows[_i];
  char *text = write_program(row);
  uint64_t none, some, functions = 0;
  while (functions < NAMES && row->names[functions])
    functions++;
  char *wanted = run(text, VM_JIT_OFF, &none);
  char *got = run(text, VM_JIT_ALWAYS, &some);
  ck_assert_uint_ge(some, functions);
  ck_assert_uint_gt(strlen(wanted), functions * VALUES);
  ck_assert_str_eq(got, wanted);
  free(text);
  free(wanted);
  free(got);
}
END_TEST

int main(void)
{
  TCase *same = tcase_create("same");
  tcase_add_loop_test(
      same, what_is_computed_is_the_same_interpreted_and_compiled, 0, ROWS);
  return suite_main("jit_template", (TCase *[]){same, NULL});
}
