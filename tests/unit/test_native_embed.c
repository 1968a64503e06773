/* SPDX-License-Identifier: Apache-2.0 */
/* C programs with a machine of their own, and threads that they attach. */
#include "config.h"

#include "tests/unit/suite.h"
#include "mm/native.h"
#include "vm/core/purposes.h"
#include "vm/native/native.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char program[] =
    ".record panda.String <external>\n"
    ".record panda.Object <external>\n"
    ".record panda.Thread <external>\n"
    ".record Work <extends=panda.Thread> {\n}\n"
    ".record Pair {\ni32 a\nPair next\n}\n"
    ".record Sum {\ni64 total <static>\npanda.Object lock <static>\n}\n"
    ".record panda.RuntimeException <external>\n"
    ".function i32 add(i32 a0, i32 a1) {\nlda a0\nadd2 a1\nreturn\n}\n"
    /* Makes garbage, and returns how long the list is in the end. */
    ".function i32 churn(i32 a0) {\nmov.null v0\nmovi v1, 0\nloop:\n"
    "newobj v2, Pair\nlda.obj v0\nstobj.obj v2, Pair.next\nmov.obj v0, v2\n"
    "inci v1, 1\nldai 7\nand2 v1\njnez keep\nmov.null v0\nkeep:\nlda v1\n"
    "jlt a0, loop\nlda v1\nreturn\n}\n"
    ".function i32 main(panda.String[] a0) {\nlenarr a0\nreturn\n}\n"
    ".function void fail() {\nnewobj v0, panda.RuntimeException\nthrow v0\n}\n";

struct host {
  struct bamboo_vm *vm;
  struct bamboo_env *env;
};

static struct host open_with(const char *const *options, size_t count)
{
  struct bamboo_error error = {{0}};
  struct host host = {NULL, NULL};
  host.vm = bamboo_create(options, count, &host.env, &error);
  ck_assert_msg(host.vm != NULL, "%s", error.text);
  ck_assert_ptr_nonnull(host.env);
  ck_assert_msg(
      host.vm->load_text(host.vm, "t.pa", program, sizeof program - 1, &error),
      "%s", error.text);
  return host;
}

static bamboo_method global_method(struct bamboo_env *env, bamboo_class *global,
                                   const char *name)
{
  *global = env->find_class(env, "_GLOBAL");
  bamboo_method method = env->static_method_id(env, *global, name, NULL);
  ck_assert_ptr_nonnull(method);
  return method;
}

static const char *const all_options[][4] = {
    {"--gc=stw", "--gc-verify", "--gc-stress=alloc:7"},
    {"--gc=concurrent", "--generational=on", "--gc-verify"},
    {"--profile=small", "--heap-max=16M"},
    {"--gc=epsilon", "--jit=off"},
    {"--gc=stw", "--tenured=freelist", "--generational=on"},
};

START_TEST(a_machine_is_made_called_and_ended)
{
  size_t count = 0;
  while (count < 4 && all_options[_i][count])
    count++;
  struct host host = open_with(all_options[_i], count);
  struct bamboo_env *env = host.env;
  bamboo_class global;
  bamboo_method add = global_method(env, &global, "add");
  ck_assert_int_eq(env->call_static_i32(env, global, add, 40, 2), 42);
  bamboo_method churn = global_method(env, &global, "churn");
  ck_assert_int_eq(env->call_static_i32(env, global, churn, 1000), 1000);
  bamboo_method fail = global_method(env, &global, "fail");
  env->call_static_void(env, global, fail);
  ck_assert(env->exception_check(env));
  env->exception_clear(env);
  ck_assert_ptr_eq(env->get_vm(env), host.vm);
  ck_assert_ptr_eq(host.vm->get_env(host.vm), env);
  ck_assert(!host.vm->detach(host.vm)); /* it is the machine's own */
  host.vm->destroy(host.vm);
}
END_TEST

START_TEST(main_is_run_with_arguments)
{
  struct host host = open_with(NULL, 0);
  struct bamboo_error error = {{0}};
  char *words[] = {(char *)"one", (char *)"two", (char *)"three"};
  int status = -1;
  ck_assert_int_eq(host.vm->run_main(host.vm, NULL, 3, words, &status, &error),
                   BAMBOO_RETURNED);
  ck_assert_int_eq(status, 3);
  ck_assert_int_eq(
      host.vm->run_main(host.vm, "_GLOBAL::no", 0, NULL, &status, &error),
      BAMBOO_NOT_FOUND);
  ck_assert_ptr_nonnull(strstr(error.text, "_GLOBAL::no"));
  ck_assert_int_eq(
      host.vm->run_main(host.vm, "_GLOBAL::fail", 0, NULL, &status, &error),
      BAMBOO_UNCAUGHT);
  host.vm->destroy(host.vm);
}
END_TEST

static void refuses(const char *option, const char *part)
{
  struct bamboo_error error = {{0}};
  struct bamboo_env *env;
  ck_assert_ptr_null(bamboo_create(&option, 1, &env, &error));
  ck_assert_msg(strstr(error.text, part) != NULL, "`%s' is not in `%s'", part,
                error.text);
}

START_TEST(what_a_machine_cannot_do_is_refused)
{
  refuses("--gc=often", "--gc: there is no `often'");
  refuses("--heap-maximum=1M", "unknown option `--heap-maximum'");
  refuses("file.pa", "unknown option `file.pa'");
  refuses("--help", "--help is an option of the command line");
  refuses("--entry=A::b", "--entry is an option of the command line");
  refuses("--print-options", "--print-options is an option of the command");
  refuses("--native-lib=libnowhere.so", "libnowhere.so");
  refuses("--gc-log=info:/nowhere/log", "cannot write `/nowhere/log'");
  refuses("--heap-min=64M,--x", "is no size");
  refuses("--profile=no-such", "no-such");
}
END_TEST

START_TEST(two_outputs_do_not_share_a_file)
{
  char name[] = "embed-output-XXXXXX", log[64], stats[64];
  int fd = mkstemp(name);
  ck_assert_int_ge(fd, 0);
  close(fd);
  snprintf(log, sizeof log, "--gc-log=info:%s", name);
  snprintf(stats, sizeof stats, "--stats=text:%s", name);
  const char *options[] = {log, stats};
  struct bamboo_error error = {{0}};
  struct bamboo_env *env;
  ck_assert_ptr_null(bamboo_create(options, 2, &env, &error));
  unlink(name);
  ck_assert_ptr_nonnull(strstr(error.text, "is the file of --gc-log already"));
}
END_TEST

START_TEST(programs_that_are_wrong_are_told_with_their_place)
{
  struct host host = open_with(NULL, 0);
  struct bamboo_error error = {{0}};
  static const char bad[] = ".function i32 f() {\nldaa v0\nreturn\n}\n";
  ck_assert(
      !host.vm->load_text(host.vm, "bad.pa", bad, sizeof bad - 1, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "bad.pa:2:1: "));
  ck_assert(!host.vm->load_file(host.vm, "/nowhere/x.pa", &error));
  ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/x.pa"));
  ck_assert(!host.vm->load_library(host.vm, "libnowhere.so", &error));
  ck_assert(host.vm->load_library(host.vm, "libm.so.6", &error));
  static const char more[] =
      ".function f64 sqrt(f64 a0) <native>\n"
      ".function i32 add(i32 a0, i32 a1) <external>\n"
      ".function i32 both(i32 a0) {\nfmovi.64 v0, 16.0\ncall sqrt, v0\n"
      "f64toi32\nsta v1\ncall add, v1, a0\nreturn\n}\n";
  ck_assert_msg(
      host.vm->load_text(host.vm, "more.pa", more, sizeof more - 1, &error),
      "%s", error.text);
  bamboo_class global;
  bamboo_method both = global_method(host.env, &global, "both");
  ck_assert_int_eq(host.env->call_static_i32(host.env, global, both, 3), 7);
  host.vm->destroy(host.vm);
}
END_TEST

START_TEST(two_machines_live_in_one_thread)
{
  const char *const small[] = {"--heap-max=64M", "--metadata-max=32M"};
  struct host one = open_with(small, 2), other = open_with(small, 2);
  for (int i = 0; i < 3; i++) {
    bamboo_class a, b;
    bamboo_method x = global_method(one.env, &a, "add");
    bamboo_method y = global_method(other.env, &b, "add");
    ck_assert_int_eq(one.env->call_static_i32(one.env, a, x, i, 1), i + 1);
    ck_assert_int_eq(other.env->call_static_i32(other.env, b, y, i, 2), i + 2);
  }
  one.vm->destroy(one.vm);
  other.vm->destroy(other.vm);
}
END_TEST

START_TEST(a_summary_goes_where_the_option_says)
{
  char name[] = "/tmp/bamboo-embed.XXXXXX", option[64], text[4096];
  int file = mkstemp(name);
  ck_assert_int_ge(file, 0);
  snprintf(option, sizeof option, "--stats=json:%s", name);
  struct host host = open_with((const char *const[]){option}, 1);
  host.vm->destroy(host.vm);
  ssize_t bytes = read(file, text, sizeof text - 1);
  ck_assert_int_gt(bytes, 0);
  text[bytes] = 0;
  ck_assert_ptr_nonnull(strchr(text, '{'));
  close(file);
  unlink(name);
}
END_TEST

/* --- Memory that is refused --- */

/* Makes a machine, loads, calls, ends it; did all of it work? */
static bool live(void)
{
  const char *const options[] = {"--gc=stw", "--heap-max=16M", "--jit=off",
                                 "--gc-workers=1"};
  struct bamboo_error error = {{0}};
  struct bamboo_env *env;
  struct bamboo_vm *vm = bamboo_create(options, 4, &env, &error);
  if (!vm) {
    ck_assert(error.text[0] != 0);
    return false;
  }
  bool ok = vm->load_text(vm, "t.pa", program, sizeof program - 1, &error);
  ck_assert(ok || error.text[0] != 0);
  bamboo_class global = ok ? env->find_class(env, "_GLOBAL") : NULL;
  bamboo_method churn =
      global ? env->static_method_id(env, global, "churn", NULL) : NULL;
  ok = churn && env->call_static_i32(env, global, churn, 5) == 5;
  ck_assert(ok || !churn || env->exception_check(env));
  vm->destroy(vm);
  return ok;
}

START_TEST(memory_that_is_refused_is_told)
{
  const char *steps = getenv("BAMBOO_TEST_STEP");
  uint64_t step = steps && atoi(steps) > 1 ? 7 : 1, k = 1;
  ck_assert(live());
  for (bool has_failed = true; has_failed; k += step) {
    uint64_t before = mm_native_bytes(VM_PURPOSE_NATIVES);
    mm_native_fail_at(k, false);
    bool ok = live();
    has_failed = mm_native_has_failed();
    mm_native_fail_at(0, false);
    ck_assert(ok || has_failed);
    ck_assert_uint_eq(mm_native_bytes(VM_PURPOSE_NATIVES), before);
  }
  ck_assert_uint_gt(k, 50);
}
END_TEST

/* --- Threads --- */

enum { THREADS = 4, ROUNDS = 50 };

static void *work(void *context)
{
  struct bamboo_vm *vm = context;
  struct bamboo_error error = {{0}};
  ck_assert_ptr_null(vm->get_env(vm));
  struct bamboo_env *env = vm->attach(vm, &error);
  ck_assert_msg(env != NULL, "%s", error.text);
  ck_assert_ptr_eq(vm->attach(vm, &error), env);
  for (int i = 0; i < ROUNDS; i++) {
    bamboo_class global;
    ck_assert(env->push_frame(env, 8));
    bamboo_method churn = global_method(env, &global, "churn");
    ck_assert_int_eq(env->call_static_i32(env, global, churn, 100 + i),
                     100 + i);
    env->pop_frame(env, NULL);
  }
  ck_assert(vm->detach(vm));
  ck_assert(!vm->detach(vm));
  return NULL;
}

START_TEST(threads_come_and_go)
{
  size_t count = 0;
  while (count < 4 && all_options[_i][count])
    count++;
  struct host host = open_with(all_options[_i], count);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, host.vm), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  host.vm->destroy(host.vm);
}
END_TEST

static int ready[2];

/* Attached, and gone soon after it is told to. */
static void *stay(void *context)
{
  struct bamboo_vm *vm = context;
  struct bamboo_env *env = vm->attach_daemon(vm, NULL);
  ck_assert_ptr_nonnull(env);
  ck_assert_int_eq(write(ready[1], "x", 1), 1);
  while (!env->exception_check(env))
    usleep(1000);
  ck_assert(vm->detach(vm));
  return NULL;
}

START_TEST(daemons_are_asked_to_leave_at_the_end)
{
  struct host host = open_with(NULL, 0);
  pthread_t thread;
  char byte;
  ck_assert_int_eq(pipe(ready), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, stay, host.vm), 0);
  ck_assert_int_eq(read(ready[0], &byte, 1), 1);
  host.vm->destroy(host.vm);
  pthread_join(thread, NULL);
}
END_TEST

static void *refused_thread(void *context)
{
  struct bamboo_vm *vm = context;
  struct bamboo_error error = {{0}};
  ck_assert_ptr_null(vm->attach(vm, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "--deterministic"));
  return NULL;
}

START_TEST(a_schedule_takes_no_threads_from_outside)
{
  struct host host = open_with((const char *const[]){"--deterministic"}, 1);
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, refused_thread, host.vm), 0);
  pthread_join(thread, NULL);
  host.vm->destroy(host.vm);
}
END_TEST

int main(void)
{
  int plans = (int)(sizeof all_options / sizeof all_options[0]);
  TCase *tests = tcase_create("embed");
  tcase_add_loop_test(tests, a_machine_is_made_called_and_ended, 0, plans);
  tcase_add_test(tests, main_is_run_with_arguments);
  tcase_add_test(tests, what_a_machine_cannot_do_is_refused);
  tcase_add_test(tests, two_outputs_do_not_share_a_file);
  tcase_add_test(tests, programs_that_are_wrong_are_told_with_their_place);
  tcase_add_test(tests, two_machines_live_in_one_thread);
  tcase_add_test(tests, a_summary_goes_where_the_option_says);
  tcase_add_test(tests, memory_that_is_refused_is_told);
  tcase_add_loop_test(tests, threads_come_and_go, 0, plans);
  tcase_add_test(tests, daemons_are_asked_to_leave_at_the_end);
  tcase_add_test(tests, a_schedule_takes_no_threads_from_outside);
  return suite_main("native embed", (TCase *[]){tests, NULL});
}
