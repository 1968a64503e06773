/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted faults (mm/gc/faults.def): each is caught, by a report of the
 * verifier, by a result that is wrong, or in a crash; and what catches it is
 * silent without it.  A fault without a scenario (fault_scenarios.c)
 * fails.
 *
 * A scenario runs in a process of its own, this program again with the number
 * of the scenario and the faults as its words, since a heap with a fault is
 * beyond use.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/fault_scenarios.h"
#include "tests/unit/mm_fixture.h"
enum { REPORT_BYTES = 1 << 12 };

/* Another process -----------------------------------------------------------
 */

static void become_scenario(enum mm_fault fault, int chosen, bool is_broken)
{
  char self[4096], words[3][24];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0)
    _exit(127);
  self[length] = 0;
  snprintf(words[0], sizeof words[0], "%d", (int)fault);
  snprintf(words[1], sizeof words[1], "%d", chosen);
  snprintf(words[2], sizeof words[2], "%d", is_broken);
  execl(self, self, words[0], words[1], words[2], (char *)NULL);
  _exit(127);
}

static char report[REPORT_BYTES];

/* Runs one; what it wrote to standard error goes to `report'. */
static int run_apart(enum mm_fault fault, int chosen, bool is_broken)
{
  int ends[2], status;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    become_scenario(fault, chosen, is_broken);
  }
  close(ends[1]);
  size_t used = 0;
  char rest[4096];
  ssize_t got;
  while ((got = read(ends[0], rest, sizeof rest)) > 0) {
    size_t fits = REPORT_BYTES - 1 - used;
    if ((size_t)got < fits)
      fits = (size_t)got;
    memcpy(report + used, rest, fits);
    used += fits;
  }
  report[used] = 0;
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

/* Marks are compared before references can be found broken; and a build with
   assertions may notice before either. */
static bool has_sign(int chosen, const char *sign)
{
#if defined BAMBOO_DEBUG || defined BAMBOO_ASAN
  (void)chosen;
  (void)sign;
  return true;
#else
  if (!sign || strstr(report, sign))
    return true;
  if (chosen & (CYCLE | MIXED | WALK) &&
      strstr(report, "the cycle will not mark it"))
    return true;
  return chosen != EVACUATE && strstr(report, "reachable and not marked");
#endif
}

START_TEST(every_fault_is_caught_and_nothing_else)
{
  const struct fault_scenario *scenario = &fault_scenarios[_i];
  const char *name = mm_fault_name((enum mm_fault)_i);
  ck_assert_msg(scenario->run, "no scenario for %s", name);
  for (int chosen = 1; chosen <= LAST_WAY; chosen *= 2) {
    if (!(scenario->ways & chosen))
      continue;
    int status = run_apart((enum mm_fault)_i, chosen, false);
    ck_assert_msg(status == 0,
                  "without %s, way %d: status %x, and it says:\n%s", name,
                  chosen, (unsigned)status, report);
    status = run_apart((enum mm_fault)_i, chosen, true);
    ck_assert_msg(status != 0, "%s is not caught, way %d", name, chosen);
    ck_assert_msg(has_sign(chosen, scenario->sign),
                  "%s, way %d: no \"%s\" in:\n%s", name, chosen, scenario->sign,
                  report);
  }
}
END_TEST

START_TEST(reports_name_the_faults_that_are_on)
{
  run_apart(MM_FAULT_ROOT_GLOBAL, EVACUATE, true);
  ck_assert_ptr_nonnull(strstr(report, "broken on purpose: root-global"));
  run_apart(MM_FAULT_ROOT_GLOBAL, EVACUATE, false);
  ck_assert_str_eq(report, "");
}
END_TEST

START_TEST(every_fault_has_a_name_and_a_text_of_its_own)
{
  for (int i = 0; i < MM_FAULT_COUNT; i++) {
    const char *name = mm_fault_name((enum mm_fault)i);
    ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz-"),
                      strlen(name));
    ck_assert_uint_le(strlen(mm_fault_text((enum mm_fault)i)), 50);
    for (int j = 0; j < i; j++) {
      ck_assert_str_ne(name, mm_fault_name((enum mm_fault)j));
      ck_assert_str_ne(mm_fault_text((enum mm_fault)i),
                       mm_fault_text((enum mm_fault)j));
    }
  }
}
END_TEST

START_TEST(faults_that_there_are_not_or_that_cannot_strike_are_refused)
{
  struct mm_options options = fixture_options();
  struct mm_error error;
  options.faults.words[MM_FAULT_WORDS - 1] = UINT64_C(1) << 63;
  ck_assert_int_eq(mm_options_complete(&options, &error), MM_BAD_OPTION);
  ck_assert_ptr_nonnull(strstr(error.text, "--break"));
  options.faults = mm_fault_only(MM_FAULT_CHUNK);
  options.gc = MM_GC_EPSILON;
  ck_assert_int_eq(mm_options_complete(&options, &error), MM_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(error.text, "--break"));
}
END_TEST

int main(int argc, char **argv)
{
  if (argc == 4)
    return fault_scenario_run((enum mm_fault)atoi(argv[1]), atoi(argv[2]),
                              atoi(argv[3]) != 0);
  TCase *tests = tcase_create("faults");
  /* The rest are the host's and its compiler's, which programs show
     (tests/run/check-faults), and test_jit_entry. */
  tcase_add_loop_test(tests, every_fault_is_caught_and_nothing_else, 0,
                      MM_FAULT_FRAME_LOADER);
  tcase_add_test(tests, reports_name_the_faults_that_are_on);
  tcase_add_test(tests, every_fault_has_a_name_and_a_text_of_its_own);
  tcase_add_test(tests,
                 faults_that_there_are_not_or_that_cannot_strike_are_refused);
  return fixture_main("mm_faults", (TCase *[]){tests, NULL});
}
