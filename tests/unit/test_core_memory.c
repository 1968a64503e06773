/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running out of native memory: a machine is made, a program assembled,
 * loaded and run, with the K-th call of malloc and its like failing, for
 * every K until none fails any more.  Each time it has to end with a status
 * or an exception, and leave no block behind.
 *
 * Those calls are few: what the runtime takes before there is a heap, and
 * what the C library takes by itself.  test_fail_alloc has all the others.
 *
 * The allocator is replaced by one that counts, over glibc's own, so this
 * needs glibc and no sanitizer.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "tests/unit/suite.h"
#include "vm/asm/asm.h"
#include "vm/core/runtime.h"

#if defined __GLIBC__ && !defined BAMBOO_ASAN && !defined BAMBOO_TSAN

/* How many more calls succeed; negative: all.  Once it is 0, `once` tells
   whether only one call fails or all from then on. */
static long countdown = -1;
static bool once, failed;

/* Blocks that were given out and not taken back. */
static long live;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *at, size_t bytes);
extern void __libc_free(void *at);

static bool refuse(void)
{
  if (countdown < 0)
    return false;
  if (countdown > 0) {
    countdown--;
    return false;
  }
  if (once)
    countdown = -1;
  failed = true;
  errno = ENOMEM;
  return true;
}

static void *given(void *at)
{
  live += at != NULL;
  return at;
}

void *malloc(size_t bytes)
{
  return refuse() ? NULL : given(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
  return refuse() ? NULL : given(__libc_calloc(count, bytes));
}

void *realloc(void *at, size_t bytes)
{
  if (refuse())
    return NULL;
  void *moved = __libc_realloc(at, bytes);
  return at ? moved : given(moved);
}

void free(void *at)
{
  live -= at != NULL;
  __libc_free(at);
}

static const char program[] =
    ".record panda.Object <external>\n.record panda.String <external>\n"
    ".record panda.ArithmeticException <external>\n"
    ".function panda.String panda.ArithmeticException.getMessage("
    "panda.ArithmeticException a0) <external>\n"
    ".record IO <external>\n.record Object <external>\n"
    ".function void IO.printString(panda.String a0) <external>\n"
    ".function void Object.monitorEnter(panda.Object a0) <external>\n"
    ".function void Object.monitorExit(panda.Object a0) <external>\n"
    ".record A {\npanda.String s <static, value=\"set\">\ni32 n\n}\n"
    ".record B <extends=A> {\nB next\n}\n"
    ".record i32[][] <external>\n"
    ".function void i32[][].ctor(i32[][] a0, i32 a1, i32 a2)"
    " <ctor, external>\n"
    ".function void A.cctor() <cctor> {\nldstatic.obj A.s\nsta.obj v0\n"
    "call IO.printString, v0\nreturn.void\n}\n"
    ".function void B.make(B a0, i32 a1) <ctor> {\nstobj.v a1, a0, A.n\n"
    "return.void\n}\n"
    ".function i32 A.f(A a0) {\nldobj a0, A.n\nreturn\n}\n"
    ".function i32 B.f(B a0) {\nldobj a0, A.n\naddi 1\nreturn\n}\n"
    ".array words panda.String 2 { \"one\" \"two\" }\n"
    ".function i32 main(panda.String[] a0) {\nmovi v0, 6\n"
    "initobj B.make, v0\nsta.obj v1\ncall Object.monitorEnter, v1\n"
    "call Object.monitorExit, v1\nlda.type B[]\nlda.const v2, words\n"
    "movi v3, 3\ninitobj i32[][].ctor, v3, v3\n"
    "b:\nldai 1\ndivi 0\nreturn\ne:\nh:\nsta.obj v4\n"
    "call panda.ArithmeticException.getMessage, v4\nsta.obj v4\n"
    "call IO.printString, v4\n"
    "call.virt A.f, v1\nreturn\n"
    ".catch panda.ArithmeticException, b, e, h\n}\n";

static FILE *sink;

static enum vm_outcome load_and_run(struct vm *vm, int *status)
{
  static char word[] = "word";
  char *const arguments[] = {word};
  enum vm_outcome outcome = VM_RUN_OUT_OF_MEMORY;
  struct mm_error error = {{0}};
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module =
      vm_assemble("t.pa", program, sizeof program - 1, &diags);
  if (module && vm_load_module(vm, module, &diags))
    outcome = vm_run(vm, "_GLOBAL::main", 1, arguments, status, &error);
  vm_diags_destroy(&diags);
  return outcome;
}

/* All of it, once; true when it ran to its end as it should.  `told`: a
   machine that could not be made said why.  Asserts nothing: that would take
   memory. */
static bool whole_life(bool *told)
{
  struct vm_options options;
  struct mm_error error = {{0}};
  struct vm *vm = NULL;
  int status = -1;
  vm_options_init(&options);
  options.mm.heap_max_bytes = 8u << 20;
  options.mm.workers = 1;
  options.out = options.err = sink;
  enum mm_status created = vm_create(&options, interp_engine(), &vm, &error);
  *told = (created == MM_OK) == (vm != NULL) &&
          (vm != NULL || error.text[0] != '\0');
  if (!vm)
    return false;
  enum vm_outcome outcome = load_and_run(vm, &status);
  vm_destroy(vm);
  return outcome == VM_RETURNED && status == 7;
}

static void fail_each(bool only_one)
{
  long k = 0;
  sink = fopen("/dev/null", "w");
  ck_assert_ptr_nonnull(sink);
  setvbuf(sink, NULL, _IONBF, 0);
  bool told;
  ck_assert(whole_life(&told));
  for (failed = true; failed; k++) {
    failed = false;
    once = only_one;
    countdown = k;
    long before = live;
    bool ok = whole_life(&told);
    countdown = -1;
    ck_assert_msg(live == before, "%ld blocks left at %ld", live - before, k);
    ck_assert_msg(told, "no reason given at %ld", k);
    ck_assert_msg(ok || failed, "nothing failed, and yet it did, at %ld", k);
  }
  ck_assert_int_gt(k, 3); /* the counting allocator was in use */
  fclose(sink);
}

START_TEST(a_single_failure_is_survived_wherever_it_is)
{
  fail_each(true);
}
END_TEST

START_TEST(lasting_failure_is_survived_wherever_it_begins)
{
  fail_each(false);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("memory");
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, a_single_failure_is_survived_wherever_it_is);
  tcase_add_test(tests, lasting_failure_is_survived_wherever_it_begins);
  return suite_main("memory", (TCase *[]){tests, NULL});
}

#else

int main(void)
{
  return 77;
}

#endif
