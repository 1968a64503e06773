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
