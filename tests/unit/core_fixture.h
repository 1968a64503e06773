/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs as texts, for tests of the machine's core: what stands in a test
 * is assembled, loaded into the machine of vm_fixture.h, and run.
 *
 *   core_load("t.pa", CORE_PRELUDE ".function i32 main() { ... }");
 *   ck_assert_int_eq(core_run(), 7);
 */
#ifndef TESTS_UNIT_CORE_FIXTURE_H
#define TESTS_UNIT_CORE_FIXTURE_H

#include "tests/unit/vm_fixture.h"

/* What most programs declare of the library. */
#define CORE_PRELUDE                                                           \
  ".record panda.Object <external>\n"                                          \
  ".record panda.String <external>\n"                                          \
  ".record panda.Class <external>\n"                                           \
  ".record panda.Error <external>\n"                                           \
  ".record panda.RuntimeException <external>\n"                                \
  ".record panda.OutOfMemoryError <external>\n"                                \
  ".record panda.StackOverflowException <external>\n"                          \
  ".record IO <external>\n"                                                    \
  ".record Test <external>\n"                                                  \
  ".function void panda.RuntimeException.ctor(panda.RuntimeException a0, "     \
  "panda.String a1, panda.Object a2) <ctor, external>\n"                       \
  ".function void IO.printI32(i32 a0) <external>\n"                            \
  ".function void IO.printString(panda.String a0) <external>\n"                \
  ".function void Test.hook() <external>\n"

/* snprintf writes a text of arguments of each kind, in registers and on the
   stack; strcmp compares it. */
#define VARIADIC_PROGRAM                                                       \
  CORE_PRELUDE                                                                 \
  ".function i32 snprintf(u8[] a0, u64 a1, panda.String a2, i32 a3 "           \
  "<varargs>, f64 a4, f32 a5, i8 a6, u1 a7, panda.String a8, i64 a9, f64 "     \
  "a10, f64 a11, f64 a12, f64 a13, f64 a14, f64 a15, u16 a16) <native>\n"      \
  ".function i32 strcmp(u8[] a0, panda.String a1) <native>\n"                  \
  ".function i32 test() {\n movi v14, 200\n newarr v0, v14, u8[]\n"            \
  " movi.64 v1, 200\n lda.str \"%d %g %g %d %d %s %lld %g %g %g %g %g %g "     \
  "%d\"\n sta.obj v2\n movi v3, -7\n fmovi.64 v4, 2.5\n fmovi v5, 1.25\n"     \
  " movi v6, 511\n movi v7, 5\n lda.str \"text\"\n sta.obj v8\n"              \
  " movi.64 v9, 12345678901\n fmovi.64 v10, 10.5\n fmovi.64 v11, 11.5\n"      \
  " fmovi.64 v12, 12.5\n fmovi.64 v13, 13.5\n fmovi.64 v14, 14.5\n"           \
  " fmovi.64 v15, 15.5\n movi v16, 65537\n call.range snprintf, v0\n"         \
  " lda.str \"-7 2.5 1.25 -1 1 text 12345678901 10.5 11.5 12.5 13.5 14.5 "     \
  "15.5 1\"\n sta.obj v2\n call strcmp, v0, v2\n return\n}\n"                \
  ".function i32 main() {\n call test\n return\n}\n"

/* Assembles and loads; fails the test when the text is not right. */
void core_load(const char *file, const char *text);

/* Loads what must be refused with a message that has `part` in it. */
void core_load_refused(const char *file, const char *text, const char *part);

/* What Test.hook does from now on; it is called on the machine's thread. */
void core_hook(bool (*hook)(struct vm_thread *thread));

/* Runs `main`, which has to return; its status. */
int core_run(void);

/* Runs `main`, which has to end with an uncaught exception whose report has
   `part` in it. */
void core_run_uncaught(const char *part);

/* Runs `main` and compares what it printed. */
void core_run_prints(const char *expected);

/* A class that has to be there. */
struct vm_class *core_class(const char *name);

/* A field and a method of it by name, the first such. */
struct vm_field *core_field(const char *class, const char *name);
struct vm_method *core_method(const char *class, const char *name);

#endif
