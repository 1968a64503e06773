/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates against handlers: moves, memory, objects, calls and jumps, each in
 * a method of its own that is called with many arguments, interpreted and
 * compiled.  What is returned, or which exception is thrown, has to be the same
 * both ways.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm_inline.h"
#include "tests/unit/jit_vm_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/core_internal.h"

/* --- The methods --- */

#define RETURN_32 " i32toi64\n"
/* The low half of a1 in v0. */
#define LOW_HALF " lda.64 a1\n i64toi32\n sta v0\n"
#define JUMP(jump)                                                             \
  LOW_HALF " lda a0\n " jump " v0, yes\n ldai.64 10\n jmp end\nyes:\n"         \
           " ldai.64 20\n"
#define JUMP_ZERO(jump)                                                        \
  " lda a0\n " jump " yes\n ldai.64 10\n jmp end\nyes:\n ldai.64 20\n"
/* A loop that goes on while that jumps. */
#define JUMP_BACK(jump)                                                        \
  LOW_HALF " movi v1, 0\nagain:\n inci v1, 1\n lda v1\n subi 20\n"             \
           " jgtz out\n lda a0\n " jump                                        \
           " v0, again\nout:\n lda v1\n" RETURN_32
#define COMPARE(before, compare, jump)                                         \
  before " " compare "\n " jump " yes\n ldai.64 10\n jmp end\nyes:\n"          \
         " ldai.64 20\n"
#define COMPARES(jump)                                                         \
  COMPARE(" movi.64 v1, 3\n lda.64 a1\n", "cmp.64 v1", jump),                  \
      COMPARE(" movi.64 v1, 3\n lda.64 a1\n", "ucmp.64 v1", jump),             \
      COMPARE(LOW_HALF " lda a0\n", "ucmp v0", jump),                          \
      COMPARE(" fmovi.64 v1, 3.0\n lda.64 a2\n", "fcmpl.64 v1", jump),         \
      COMPARE(" fmovi.64 v1, 3.0\n lda.64 a2\n", "fcmpg.64 v1", jump),         \
      COMPARE(" fmovi v1, 3.0\n lda.64 a2\n f64tof32\n", "fcmpl v1", jump),    \
      COMPARE(" fmovi v1, 3.0\n lda.64 a2\n f64tof32\n", "fcmpg v1", jump)
#define JUMPS(jump)                                                            \
  JUMP("j" jump), JUMP_BACK("j" jump), JUMP_ZERO("j" jump "z"),                \
      COMPARES("j" jump "z")

#define FIELD_32(name)                                                         \
  " lda a0\n stobj a3, Cell." name "\n ldobj a3, Cell." name "\n" RETURN_32,   \
      " mov v1, a0\n stobj.v v1, a3, Cell." name                               \
      "\n ldobj.v v2, a3, Cell." name "\n lda v2\n" RETURN_32
#define STATIC_32(name)                                                        \
  " lda a0\n ststatic Cell." name "\n ldstatic Cell." name "\n" RETURN_32
/* Three elements; the index is an argument. */
#define ARRAY(type, store, load, value, moved, result)                         \
  " movi v1, 3\n newarr v2, v1, " type "\n movi v3, 1\n " value "\n " store    \
  " v2, v3\n lda v3\n " load " v2\n " moved " v4\n lda a0\n " load             \
  " v2\n " result

static const char *const bodies[] = {
    /* Moves and constants. */
    " mov v0, a0\n mov v1, v0\n lda v1\n" RETURN_32,
    " mov.64 v0, a1\n lda.64 v0\n sta.64 v1\n lda.64 v1\n",
    " mov.64 v0, a2\n lda.64 v0\n f64toi64\n",
    " mov.obj v0, a4\n mov.null v1\n lda.obj v0\n jeq.obj v1, n\n ldai.64 1\n"
    " jmp end\nn:\n ldai.64 2\n",
    " ldai.64 0x123456789abcdef\n xor2.64 a1\n",
    " movi v0, -5\n lda v0\n add2 a0\n" RETURN_32,
    " fldai.64 2.5\n fmul2.64 a2\n f64toi64\n",
    " lda.null\n jeqz.obj n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    " lda.str \"text\"\n sta.obj v0\n lda.str \"text\"\n jeq.obj v0, n\n"
    " ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    " lda.type Cell\n sta.obj v0\n lda.type Sub\n jne.obj v0, n\n ldai.64 1\n"
    " jmp end\nn:\n ldai.64 2\n",
    " lda.const v0, numbers\n lda a0\n ldarr v0\n" RETURN_32,
    /* Fields. */
    FIELD_32("b"),
    FIELD_32("ub"),
    FIELD_32("s"),
    FIELD_32("us"),
    FIELD_32("i"),
    FIELD_32("u"),
    " lda.64 a1\n stobj.64 a3, Cell.l\n ldobj.64 a3, Cell.l\n",
    " stobj.v.64 a1, a3, Cell.l\n ldobj.v.64 v1, a3, Cell.l\n lda.64 v1\n",
    " lda.64 a2\n stobj.64 a3, Cell.d\n ldobj.64 a3, Cell.d\n f64toi64\n",
    " lda.64 a2\n f64tof32\n stobj a3, Cell.f\n ldobj a3, Cell.f\n f32toi64\n",
    " lda.obj a3\n stobj.obj a3, Cell.next\n ldobj.obj a3, Cell.next\n"
    " jeq.obj a3, n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    " stobj.v.obj a3, a3, Cell.next\n ldobj.v.obj v1, a3, Cell.next\n"
    " lda.obj v1\n jeq.obj a3, n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    STATIC_32("sb"),
    STATIC_32("sus"),
    STATIC_32("si"),
    " lda.64 a1\n ststatic.64 Cell.sl\n ldstatic.64 Cell.sl\n",
    " lda.obj a3\n ststatic.obj Cell.sr\n ldstatic.obj Cell.sr\n"
    " jeq.obj a3, n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    /* Arrays. */
    ARRAY("i8[]", "starr.8", "ldarr.8", "lda a0", "sta",
          RETURN_32 " lda v4\n" RETURN_32),
    ARRAY("u8[]", "starr.8", "ldarru.8", "lda a0", "sta", "lda v4\n" RETURN_32),
    ARRAY("i16[]", "starr.16", "ldarr.16", "lda a0", "sta",
          "lda v4\n" RETURN_32),
    ARRAY("u16[]", "starr.16", "ldarru.16", "lda a0", "sta",
          "lda v4\n" RETURN_32),
    ARRAY("i32[]", "starr", "ldarr", "lda a0", "sta", "lda v4\n" RETURN_32),
    ARRAY("i64[]", "starr.64", "ldarr.64", "lda.64 a1", "sta.64",
          "lda.64 v4\n"),
    ARRAY("f32[]", "fstarr.32", "fldarr.32", "lda.64 a2\n f64tof32", "sta",
          "lda v4\n f32toi64\n"),
    ARRAY("f64[]", "fstarr.64", "fldarr.64", "lda.64 a2", "sta.64",
          "lda.64 v4\n f64toi64\n"),
    ARRAY("Cell[]", "starr.obj", "ldarr.obj", "lda.obj a3", "sta.obj",
          "lda.obj v4\n jeq.obj a3, n\n ldai.64 1\n jmp end\nn:\n"
          " ldai.64 2\n"),
    /* Stores at an index that may be wrong, and of what may not be one. */
    " movi v1, 3\n newarr v2, v1, i32[]\n ldai 5\n starr v2, a0\n ldai 1\n"
    " ldarr v2\n" RETURN_32,
    " movi v1, 2\n newarr v2, v1, Sub[]\n call keep, v2\n sta.obj v3\n"
    " movi v1, 1\n lda.obj a4\n starr.obj v3, v1\n ldai.64 3\n",
    " newarr v1, a0, i8[]\n lenarr v1\n" RETURN_32,
    /* Objects. */
    " newobj v0, Cell\n ldobj.64 v0, Cell.l\n",
    " newobj v0, Sub\n lda.obj v0\n isinstance Cell\n" RETURN_32,
    " lda.obj a4\n isinstance Cell\n" RETURN_32,
    " lda.obj a4\n isinstance Sub\n" RETURN_32,
    " lda.obj a4\n isinstance panda.Object\n" RETURN_32,
    " lda.obj a4\n isinstance i32[]\n" RETURN_32,
    " lda.obj a4\n isinstance Cell[]\n" RETURN_32,
    " lda.obj a4\n isinstance panda.Object[]\n" RETURN_32,
    " lda.obj a4\n checkcast Cell\n ldai.64 1\n",
    " lda.obj a4\n checkcast Sub\n sta.obj v1\n lda.obj v1\n isinstance Sub\n"
    " addi 4\n" RETURN_32,
    " lda.obj a4\n checkcast i32[]\n sta.obj v1\n lenarr v1\n" RETURN_32,
    " lda.obj a4\n checkcast Cell[]\n ldai.64 1\n",
    " lda.obj a4\n checkcast Error\n throw v0\n",
    " newobj v0, panda.ArithmeticException\n throw v0\n",
    " mov.null v0\n throw v0\n",
    /* Calls. */
    " call.short one, a0\n" RETURN_32,
    " lda a0\n call.acc.short one, a0, 0\n" RETURN_32,
    LOW_HALF " call.short two, a0, v0\n" RETURN_32,
    LOW_HALF " lda a0\n call.acc.short two, v0, 0\n" RETURN_32,
    LOW_HALF " lda a0\n call.acc.short two, v0, 1\n" RETURN_32,
    LOW_HALF " movi v1, 7\n call four, a0, v0, v1, a0\n" RETURN_32,
    LOW_HALF " mov v1, a0\n movi v2, 3\n movi v3, 4\n movi v4, 5\n"
             " call.range five, v0\n" RETURN_32,
    " call.range wide, a1\n",
    " call.short Cell.get, a3\n" RETURN_32,
    " call.virt.short Cell.get, a3\n" RETURN_32,
    " call.virt.short Cell.plus, a3, a0\n" RETURN_32,
    " lda.obj a3\n call.virt.acc.short Cell.plus, a0, 0\n" RETURN_32,
    " mov.obj v0, a3\n mov v1, a0\n call.virt.range Cell.plus, v0\n" RETURN_32,
    " initobj.short Cell.ctor, a0\n sta.obj v0\n ldobj v0, Cell.i\n" RETURN_32,
    " movi v0, 1000\n lda a0\n jltz n\n call.short deep, v0\n" RETURN_32
    " jmp end\nn:\n ldai.64 1\n",
    " call.short tears\n ldai.64 1\n",
    /* Classes whose initialiser throws, the first time and then. */
    " ldstatic Bad.value\n" RETURN_32,
    " newobj v0, Bad2\n ldai.64 1\n",
    " call.short Bad3.f\n ldai.64 1\n",
    /* More memory than there is. */
    " movi v0, 0x7ffffff0\n newarr v1, v0, i64[]\n ldai.64 1\n",
    " movi v0, 0x10000000\n newarr v1, v0, Cell[]\n ldai.64 1\n",
    /* Jumps. */
    " lda.obj a4\n jeqz.obj n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    " lda.obj a4\n jnez.obj n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    " lda.obj a4\n jne.obj a3, n\n ldai.64 1\n jmp end\nn:\n ldai.64 2\n",
    JUMPS("eq"),
    JUMPS("ne"),
    JUMPS("lt"),
    JUMPS("gt"),
    JUMPS("le"),
    JUMPS("ge"),
};
enum { BODIES = sizeof bodies / sizeof bodies[0] };

/* --- The program --- */

static const char world[] = CORE_PRELUDE
    ".record panda.NullPointerException <external>\n"
    ".record panda.ArrayIndexOutOfBoundsException <external>\n"
    ".record panda.ClassCastException <external>\n"
    ".record panda.ArrayStoreException <external>\n"
    ".record panda.NegativeArraySizeException <external>\n"
    ".record panda.ArithmeticException <external>\n"
    ".record panda.ExceptionInInitializerError <external>\n"
    ".record panda.NoClassDefFoundError <external>\n"
    ".record panda.VerifyError <external>\n"
    ".record i32[][] <external>\n"
    ".function void i32[][].ctor(i32[][] a0, i32 a1, i32 a2) <ctor, external>\n"
    ".record i8[][][] <external>\n"
    ".function void i8[][][].ctor(i8[][][] a0, i32 a1, i32 a2, i32 a3) <ctor, "
    "external>\n"
    ".function void IO.printI64(i64 a0) <external>\n"
    ".record Error <extends=panda.Object> {}\n"
    ".record Cell {\n i8 b\n u8 ub\n i16 s\n u16 us\n i32 i\n u32 u\n i64 l\n"
    " f32 f\n f64 d\n Cell next\n i8 sb <static>\n u16 sus <static>\n"
    " i32 si <static>\n i64 sl <static>\n Cell sr <static>\n}\n"
    ".record Sub <extends=Cell> {}\n"
    ".record Bad {\n i32 value <static>\n}\n"
    ".record Bad2 {}\n.record Bad3 {}\n"
    ".array numbers i32 3 { 5 -6 7 }\n"
    ".function void Bad.cctor() <cctor> {\n ldai 1\n movi v0, 0\n div2 v0\n"
    " return.void\n}\n"
    ".function void Bad2.cctor() <cctor> {\n ldai 1\n movi v0, 0\n div2 v0\n"
    " return.void\n}\n"
    ".function void Bad3.cctor() <cctor> {\n ldai 1\n movi v0, 0\n div2 v0\n"
    " return.void\n}\n"
    ".function void Bad3.f() <static> {\n return.void\n}\n"
    ".function void Cell.ctor(Cell a0, i32 a1) <ctor> {\n lda a1\n"
    " stobj a0, Cell.i\n return.void\n}\n"
    ".function i32 Cell.get(Cell a0) {\n ldai 5\n return\n}\n"
    ".function i32 Sub.get(Sub a0) {\n ldai 6\n return\n}\n"
    ".function i32 Cell.plus(Cell a0, i32 a1) {\n lda a1\n addi 1\n"
    " return\n}\n"
    ".function i32 Sub.plus(Sub a0, i32 a1) {\n lda a1\n muli 3\n return\n}\n"
    ".function panda.Object[] keep(panda.Object[] a0) {\n lda.obj a0\n"
    " return.obj\n}\n"
    ".function i32 one(i32 a0) {\n lda a0\n muli 7\n return\n}\n"
    ".function i32 two(i32 a0, i32 a1) {\n lda a0\n muli 7\n sub2 a1\n"
    " return\n}\n"
    ".function i32 four(i32 a0, i32 a1, i32 a2, i32 a3) {\n lda a0\n muli 7\n"
    " sub2 a1\n muli 3\n sub2 a2\n muli 5\n sub2 a3\n return\n}\n"
    ".function i32 five(i32 a0, i32 a1, i32 a2, i32 a3, i32 a4) {\n lda a0\n"
    " muli 7\n sub2 a1\n muli 3\n sub2 a2\n muli 5\n sub2 a3\n muli 9\n"
    " sub2 a4\n return\n}\n"
    ".function i64 wide(i64 a0, f64 a1) {\n lda.64 a1\n f64toi64\n"
    " sub2.64 a0\n return.64\n}\n"
    ".function i32 deep(i32 a0) {\n lda a0\n jgtz on\n return\non:\n"
    " subi 1\n sta v0\n call.short deep, v0\n addi 1\n return\n}\n"
    ".function void tears() {\n call.short tears\n return.void\n}\n"
    ".function panda.Object make(i32 a0) {\n movi v1, 2\n lda a0\n jeqz n\n"
    " subi 1\n jeqz c\n subi 1\n jeqz s\n subi 1\n jeqz i\n subi 1\n jeqz a\n"
    " newobj v0, Error\n lda.obj v0\n return.obj\n"
    "n:\n lda.null\n return.obj\nc:\n newobj v0, Cell\n lda.obj v0\n"
    " return.obj\ns:\n newobj v0, Sub\n lda.obj v0\n return.obj\n"
    "i:\n newarr v0, v1, i32[]\n lda.obj v0\n return.obj\n"
    "a:\n newarr v0, v1, Sub[]\n lda.obj v0\n return.obj\n}\n"
    ".function void show(i64 a0) {\n call.short IO.printI64, a0\n"
    " lda.str \" \"\n sta.obj v0\n call.short IO.printString, v0\n"
    " return.void\n}\n";

static const char *const errors[] = {"NullPointerException",
                                     "ArrayIndexOutOfBoundsException",
                                     "ClassCastException",
                                     "ArrayStoreException",
                                     "NegativeArraySizeException",
                                     "ArithmeticException",
                                     "StackOverflowException",
                                     "OutOfMemoryError",
                                     "ExceptionInInitializerError",
                                     "NoClassDefFoundError",
                                     "VerifyError"};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* Answers what the body leaves in the accumulator, or which exception it was.
 */
static void write_body(FILE *out, const char *body)
{
  fprintf(out,
          ".function i64 f(i32 a0, i64 a1, f64 a2, Cell a3, panda.Object a4) "
          "{\nbegin:\n%send:\n return.64\n",
          body);
  for (int i = 0; i < ERRORS; i++)
    fprintf(out, "h%d:\n ldai.64 -%d\n return.64\n", i, 1000 + i);
  for (int i = 0; i < ERRORS; i++)
    fprintf(out, ".catch panda.%s, begin, end, h%d\n", errors[i], i);
  fputs("}\n", out);
}

static void write_main(FILE *out)
{
  static const char *const narrow[] = {
      "0",  "1",     "2",      "-1",         "3",          "-200",
      "77", "40000", "-40000", "2147483647", "-2147483648"};
  static const char *const wide[] = {"0", "1", "3", "-1", "0x1234567880000003"};
  static const char *const floating[] = {"0.0", "3.0", "-7.5", "nan", "1e30"};
  enum { NARROW = 11, WIDE = 5, CELLS = 3, OBJECTS = 6 };
  fputs(".function i32 main() {\n", out);
  for (int i = 0; i < NARROW * WIDE; i++)
    fprintf(out,
            " movi v5, %d\n call.short make, v5\n checkcast Cell\n"
            " sta.obj v3\n movi v5, %d\n call.short make, v5\n sta.obj v4\n"
            " movi v0, %s\n movi.64 v1, %s\n fmovi.64 v2, %s\n"
            " call.range f, v0\n sta.64 v5\n call.short show, v5\n",
            i / 2 % CELLS, i % OBJECTS, narrow[i % NARROW], wide[i / NARROW],
            floating[i % WIDE][0] == 'n' ? "0x7ff8000000000000"
                                         : floating[i % WIDE]);
  fputs(" ldai 0\n return\n}\n", out);
}

static char *write_program(const char *body)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fputs(world, out);
  write_body(out, body);
  write_main(out);
  fclose(out);
  return text;
}

/* --- Both ways --- */

static char *run(const char *text, enum vm_jit_mode mode)
{
  struct vm_options options = machine_options();
  options.stack_bytes = 64 << 10;
  jit_vm_open(mode, options);
  core_load("t.pa", text);
  core_run();
  char *printed = strdup(machine.out_text);
  if (mode == VM_JIT_ALWAYS)
    jit_vm_code("f");
  jit_vm_close();
  return printed;
}

START_TEST(a_method_answers_the_same_interpreted_and_compiled)
{
  char *text = write_program(bodies[_i]);
  char *wanted = run(text, VM_JIT_OFF);
  char *got = run(text, VM_JIT_ALWAYS);
  ck_assert_uint_gt(strlen(wanted), 55);
  ck_assert_msg(strcmp(got, wanted) == 0, "%s\ngot    %s\nwanted %s",
                bodies[_i], got, wanted);
  free(text);
  free(wanted);
  free(got);
}
END_TEST

/* --- What the runtime throws for compiled code --- */

/* Sizes of arrays of arrays: 3 arrays of a0, whichever that is. */
#define LENGTHS                                                                \
  " sta.obj v3\n ldai 2\n ldarr.obj v3\n sta.obj v3\n lenarr v3\n" RETURN_32

static const struct {
  const char *body;
  const char *some[3]; /* answers that have to be among them */
} refusals[] = {
    /* Of what the verifier could not prove. */
    {" ldobj a4, Cell.i\n" RETURN_32, {"-1010 ", "-1000 ", "0 "}},
    {" movi v0, 9\n lda v0\n stobj a4, Cell.i\n ldobj a4, Cell.i\n" RETURN_32,
     {"-1010 ", "-1000 ", "9 "}},
    {" lenarr a4\n add2 a0\n" RETURN_32, {"-1010 ", "-1000 ", "2 "}},
    {" ldai 1\n ldarr a4\n add2 a0\n" RETURN_32, {"-1010 ", "-1000 ", "-200 "}},
    {" ldai 1\n ldarr.obj a4\n jnez.obj n\n ldai.64 1\n jmp end\nn:\n"
     " ldai.64 2\n",
     {"-1010 ", "-1000 ", "1 "}},
    {" lda a0\n sta v0\n call.short Cell.plus, a4, v0\n" RETURN_32,
     {"-1010 ", "-1000 ", "-199 "}},
    /* Of sizes that are not to be had. */
    {" movi v1, 3\n initobj.short i32[][].ctor, v1, a0\n" LENGTHS,
     {"-1004 ", "-1007 ", "40000 "}},
    {" movi v1, 300000\n initobj.short i32[][].ctor, a0, v1\n" LENGTHS,
     {"-1004 ", "-1007 ", "300000 "}},
    {LOW_HALF " mov v1, a0\n movi v2, 3\n"
              " initobj.range i8[][][].ctor, v0\n" LENGTHS,
     {"-1004 ", "-1007 ", "77 "}},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(what_is_refused_is_refused_interpreted_and_compiled)
{
  char *text = write_program(refusals[_i].body);
  char *wanted = run(text, VM_JIT_OFF);
  char *got = run(text, VM_JIT_ALWAYS);
  for (int i = 0; i < 3; i++)
    ck_assert_msg(strstr(wanted, refusals[_i].some[i]), "no %s in %s",
                  refusals[_i].some[i], wanted);
  ck_assert_msg(strcmp(got, wanted) == 0, "%s\ngot    %s\nwanted %s",
                refusals[_i].body, got, wanted);
  free(text);
  free(wanted);
  free(got);
}
END_TEST

/* --- Memory refused --- */

/* Makes something in the accumulator.  1: OutOfMemoryError, 2: it is null. */
#define TRYING(name, body)                                                     \
  ".function i32 " name "() {\nbegin:\n" body                                  \
  "end:\n jeqz.obj null\n ldai 0\n return\nnull:\n ldai 2\n return\n"          \
  "caught:\n ldai 1\n return\n"                                                \
  ".catch panda.OutOfMemoryError, begin, end, caught\n}\n"

static const char wanting[] = CORE_PRELUDE
    ".record Cell {}\n.array numbers i32 3 { 5 -6 7 }\n"
    ".array words panda.String 2 { \"one\" \"two\" }\n"
    ".record i32[][] <external>\n"
    ".function void i32[][].ctor(i32[][] a0, i32 a1, i32 a2) <ctor, "
    "external>\n" TRYING("literal", " lda.const v0, numbers\n lda.obj v0\n")
        TRYING("strings", " lda.const v0, words\n lda.obj v0\n")
            TRYING("type", " lda.type Cell\n")
                TRYING("arrays", " movi v0, 2\n initobj.short i32[][].ctor, "
                                 "v0, v0\n") ".function i32 main() {\n call "
                                             "literal\n sta v0\n call strings\n"
                                             " add2 v0\n sta v0\n call type\n "
                                             "add2 v0\n sta v0\n call arrays\n"
                                             " add2 v0\n sta v0\n call "
                                             "Test.hook\n lda v0\n return\n}\n";

enum { FILLERS = 20000 };

/* So many numbers, or, 0, what a mirror is made of. */
static struct mm_ref make(struct vm_thread *thread, uint32_t length)
{
  struct vm_class *array = vm_class_array_of_prim(thread->vm, VM_PRIM_I64);
  struct mm_layout *mirror = &thread->vm->known.class_->layout;
  return length > 0 ? mm_alloc_array(&thread->mutator, &array->layout, length)
                    : mm_alloc_nonmoving(&thread->mutator, mirror, 0);
}

/* With arrays that get smaller and smaller, which `held` refers to. */
static void fill_heap(struct vm_thread *thread, const struct mm_ref *held)
{
  uint32_t next = 0;
  for (uint32_t length = 4096;; length /= 8) {
    struct mm_ref object;
    while (!mm_is_null(object = make(thread, length))) {
      ck_assert_uint_lt(next, FILLERS);
      vm_array_set_ref(thread, *held, next++, object);
    }
    if (length == 0)
      return;
  }
}

static int answer_of(struct vm_thread *thread, const char *name)
{
  union vm_slot result;
  ck_assert(
      machine.vm->engine.invoke(thread, jit_vm_method(name), NULL, &result));
  jit_vm_code(name);
  return result.i32;
}

/* Mirrors are made once: the class forgets the one that it has, before what
   that took is filled as well. */
static bool ask_with_a_full_heap(struct vm_thread *thread)
{
  static const char *const names[] = {"literal", "strings", "type", "arrays"};
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = vm_new_array(
      thread, vm_class_array_of(thread->vm, thread->vm->known.object), FILLERS);
  core_class("Cell")->mirror = MM_NULL;
  fill_heap(thread, held);
  for (int i = 0; i < 4; i++)
    ck_assert_msg(answer_of(thread, names[i]) == 1, "%s", names[i]);
  mm_scope_close(&thread->mutator, &scope);
  for (int i = 0; i < 4; i++)
    ck_assert_msg(answer_of(thread, names[i]) == 0, "%s", names[i]);
  return true;
}

START_TEST(what_a_full_heap_has_no_room_for_is_an_error_of_compiled_code)
{
  struct vm_options options = machine_options();
  options.mm.heap_max_bytes = 4 << 20;
  options.mm.gc = MM_GC_STW;
  options.mm.generational = MM_GENERATIONAL_OFF;
  options.mm.verify = 0;
  jit_vm_open(VM_JIT_ALWAYS, options);
  core_load("t.pa", wanting);
  ck_assert_int_eq(core_run(), 0); /* all is resolved */
  core_hook(ask_with_a_full_heap);
  ck_assert_int_eq(core_run(), 0);
  jit_vm_close();
}
END_TEST

int main(void)
{
  TCase *same = tcase_create("same");
  tcase_add_loop_test(same, a_method_answers_the_same_interpreted_and_compiled,
                      0, BODIES);
  TCase *refused = tcase_create("refused");
  tcase_add_loop_test(refused,
                      what_is_refused_is_refused_interpreted_and_compiled, 0,
                      REFUSALS);
  tcase_add_test(refused,
                 what_a_full_heap_has_no_room_for_is_an_error_of_compiled_code);
  return suite_main("jit_template_object", (TCase *[]){same, refused, NULL});
}
