/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the line (mm_fatal): what a report of the bug needs is said, what
 * was written before is not lost, and the process ends with status 70.  Each
 * in a child, whose output is looked at.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm/assert_internal.h"
#include "tests/unit/mm_fixture.h"

enum { TEXT_BYTES = 4096 };

static struct fixture f;
static char said[TEXT_BYTES];

static void read_all(int end, char *text)
{
  size_t used = 0;
  ssize_t got;
  while (used < TEXT_BYTES - 1 &&
         (got = read(end, text + used, TEXT_BYTES - 1 - used)) > 0)
    used += (size_t)got;
  text[used] = 0;
}

/* Runs it in a child that has to die; what both standard streams got is in
   `said'. */
static void die_apart(void (*die)(void))
{
  int ends[2], status;
  ck_assert_int_eq(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    die();
    _exit(0);
  }
  close(ends[1]);
  read_all(ends[0], said);
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), MM_FATAL_STATUS);
}

static void says(const char *text)
{
  ck_assert_msg(strstr(said, text) != NULL, "no `%s' in:\n%s", text, said);
}

static void die_without_heap(void)
{
  setvbuf(stdout, NULL, _IOFBF, TEXT_BYTES);
  fputs("what was printed before; ", stdout);
  mm_fatal(NULL, "%d things are %s", 3, "broken");
}

START_TEST(without_a_heap_the_message_is_all_and_output_is_flushed_before)
{
  die_apart(die_without_heap);
  ck_assert_str_eq(said, "what was printed before; "
                         "bamboo: internal failure: 3 things are broken\n");
}
END_TEST

static void die_with_heap(void)
{
  mm_fatal(f.heap, "it is broken");
}

START_TEST(the_options_that_replay_it_are_told)
{
  static const char *const tenured[] = {"regions", "freelist"};
  struct mm_options options = fixture_options();
  char line[200];
  fixture_choose_plan(&options, _i);
  options.gc = _i % 2 ? MM_GC_STW : MM_GC_CONCURRENT;
  options.seed = 4711;
  options.stress_alloc = 1000000;
  options.deterministic = true;
  fixture_open(&f, &options);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  die_apart(die_with_heap);
  snprintf(line, sizeof line,
           "  version %s, gc=%s, generational=%s, tenured=%s, heap-max=32768K,",
           PACKAGE_VERSION, _i % 2 ? "stw" : "concurrent",
           options.generational ? "on" : "off", tenured[options.tenured]);
  ck_assert_ptr_eq(strstr(said, "bamboo: internal failure: it is broken\n"),
                   said);
  says(line);
  says(", workers=1\n");
  says("  stress alloc:1000000 poll:0 barrier:0, verify=");
  says(", seed=4711, deterministic\n");
  says("  collection 0 (Explicit, ");
  says("regions used ");
  ck_assert_ptr_null(strstr(said, "broken on purpose"));
  fixture_close(&f);
}
END_TEST

START_TEST(a_heap_that_never_collects_is_told_as_one)
{
  struct mm_options options = fixture_options();
  options.gc = MM_GC_EPSILON;
  options.verify = 0;
  fixture_open(&f, &options);
  die_apart(die_with_heap);
  says("gc=epsilon");
  fixture_close(&f);
}
END_TEST

static void describe(void *host, struct mm_mutator *mutator, FILE *out)
{
  (void)host;
  fprintf(out, "    here is mutator %u\n", mutator->id);
}

START_TEST(each_mutator_is_described_and_faults_are_named)
{
  struct mm_options options = fixture_options();
  struct fixture_thread other;
  options.faults = mm_fault_only(MM_FAULT_LEAK);
  mm_fault_add(&options.faults, MM_FAULT_CHUNK);
  fixture_open(&f, &options);
  f.heap->binding.describe_mutator = describe;
  fixture_attach(&f, &other);
  die_apart(die_with_heap);
  says("  broken on purpose: chunk, leak\n");
  says("    here is mutator 1\n");
  says("    here is mutator 2\n");
  fixture_detach(&other);
  f.heap->options.faults = (struct mm_fault_set){{0}};
  fixture_close(&f);
}
END_TEST

static void log_and_die(void)
{
  fputs("a line of the log\n", f.heap->options.log);
  mm_fatal(f.heap, "it is broken");
}

START_TEST(the_log_is_not_lost)
{
  char path[] = "/tmp/bamboo-fatal-XXXXXX", text[TEXT_BYTES];
  struct mm_options options = fixture_options();
  int log = mkstemp(path);
  ck_assert_int_ge(log, 0);
  unlink(path);
  options.log = fdopen(log, "r+");
  fixture_open(&f, &options);
  die_apart(log_and_die);
  ck_assert_int_eq(lseek(log, 0, SEEK_SET), 0);
  read_all(log, text);
  ck_assert_msg(strstr(text, "a line of the log\n"), "%s", text);
  fixture_close(&f);
  fclose(options.log);
}
END_TEST

#ifdef BAMBOO_DEBUG
static void assert_wrongly(void)
{
  MM_ASSERT(f.heap == (struct mm_heap *)&f);
}

START_TEST(an_assertion_names_its_place_and_what_does_not_hold)
{
  die_apart(assert_wrongly);
  says("tests/unit/test_mm_fatal.c:");
  says("f.heap == (struct mm_heap *)&f does not hold\n");
}
END_TEST
#endif

int main(void)
{
  TCase *tests = tcase_create("fatal");
  tcase_add_test(
      tests, without_a_heap_the_message_is_all_and_output_is_flushed_before);
  tcase_add_loop_test(tests, the_options_that_replay_it_are_told, 0,
                      FIXTURE_PLANS);
  tcase_add_test(tests, a_heap_that_never_collects_is_told_as_one);
  tcase_add_test(tests, each_mutator_is_described_and_faults_are_named);
  tcase_add_test(tests, the_log_is_not_lost);
#ifdef BAMBOO_DEBUG
  tcase_add_test(tests, an_assertion_names_its_place_and_what_does_not_hold);
#endif
  return fixture_main("mm_fatal", (TCase *[]){tests, NULL});
}
