/* SPDX-License-Identifier: Apache-2.0 */
/* `bamboo --version [--verbose]': what was built, how, and what it can do. */
#include "config.h"

#include "vm/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vm/cli/plan.h"
#include "vm/cli/values.h"

static const struct {
  const char *name;
  bool is_on;
} build_options[] = {
#ifdef BAMBOO_DEBUG
    {"debug", true},
#else
    {"debug", false},
#endif
#ifdef BAMBOO_ASAN
    {"asan", true},
#else
    {"asan", false},
#endif
#ifdef BAMBOO_UBSAN
    {"ubsan", true},
#else
    {"ubsan", false},
#endif
#ifdef BAMBOO_TSAN
    {"tsan", true},
#else
    {"tsan", false},
#endif
#ifdef BAMBOO_COVERAGE
    {"coverage", true},
#else
    {"coverage", false},
#endif
};

static void print_build(void)
{
  printf("build\n  %-11s", "options");
  for (size_t i = 0; i < sizeof build_options / sizeof build_options[0]; i++)
    printf(" %s=%s", build_options[i].name,
           build_options[i].is_on ? "yes" : "no");
#ifdef __clang__
  printf("\n  %-11s %s\n", "compiler", __VERSION__);
#else
  printf("\n  %-11s gcc %s\n", "compiler", __VERSION__);
#endif
}

static void print_size(const char *name, uint64_t bytes)
{
  char text[CLI_SIZE_BYTES];
  cli_write_size(bytes, text);
  printf("  %-11s %s\n", name, text);
}

static void print_host(void)
{
  struct utsname name;
  struct rlimit space;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  puts("host");
  if (uname(&name) == 0)
    printf("  %-11s %s %s %s\n", "system", name.sysname, name.release,
           name.machine);
  printf("  %-11s %ld\n", "processors", sysconf(_SC_NPROCESSORS_ONLN));
  print_size("memory", (uint64_t)sysconf(_SC_PHYS_PAGES) * page);
  print_size("page", page);
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    print_size("ulimit -v", (uint64_t)space.rlim_cur);
}

int cli_version(int argc, char **argv)
{
  bool is_verbose = argc > 0 && strcmp(argv[0], "--verbose") == 0;
  if (argc > is_verbose) {
    fprintf(stderr,
            "bamboo: `%.64s' means nothing behind --version\n"
            "Try `bamboo --help'.\n",
            argv[is_verbose]);
    return CLI_USAGE;
  }
  puts("bamboo " PACKAGE_VERSION);
  if (is_verbose) {
    print_build();
    print_host();
    cli_plan_print_all(stdout);
  }
  return CLI_OK;
}
