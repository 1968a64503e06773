/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzing without a fuzzer: every program of the source tree, as it is and
 * mutated from a fixed seed, as text and in verified form.  What crashes is
 * named by the number of its case:
 *
 *   BAMBOO_FUZZ_CASES=N  so many cases (default 500)
 *   BAMBOO_FUZZ_SEED=N   another sequence
 *   BAMBOO_FUZZ_ONLY=N   this case alone, in this process, for a debugger
 */
#include "config.h"

#include "tests/fuzz/fuzz_inline.h"

#include <glob.h>
#include <stdio.h>

static glob_t files;

static uint64_t number(const char *name, uint64_t otherwise)
{
  const char *text = getenv(name);
  return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static void find_files(void)
{
  static const char *const patterns[] = {
      "programs/*.pa", "tests/verify/*.pa", "tests/conformance/*.pa",
      "tests/asm/*.pa", "tests/fuzz/corpus/*.pa"};
  const char *top = getenv("top_srcdir");
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/%s", top ? top : ".", patterns[i]);
    glob(pattern, i > 0 ? GLOB_APPEND : 0, NULL, &files);
  }
}

static bool read_file(const char *path, struct fuzz_text *text)
{
  char *bytes = NULL;
  size_t length = 0;
  FILE *in = fopen(path, "r");
  FILE *copy = open_memstream(&bytes, &length);
  for (int c; in && copy && (c = getc(in)) != EOF;)
    putc(c, copy);
  if (in)
    fclose(in);
  if (copy)
    fclose(copy);
  bool done = in && fuzz_text_init(text, bytes, length);
  free(bytes);
  return done;
}

static void save(const struct fuzz_text *text, uint64_t which)
{
  char name[64];
  snprintf(name, sizeof name, "fuzz-case-%llu.pa", (unsigned long long)which);
  FILE *out = fopen(name, "w");
  if (!out)
    return;
  fwrite(text->bytes, 1, text->length, out);
  fclose(out);
}

static uint64_t refused;

/* Runs one case; true when all was well. */
static bool run_case(uint64_t seed, uint64_t which, bool alone)
{
  struct fuzz f = {.state = seed * 1000003 + which};
  struct fuzz_text text;
  const char *path = files.gl_pathv[which % files.gl_pathc];
  bool as_it_is = which < files.gl_pathc;
  bool mutate_module = !as_it_is && !fuzz_one_in(&f, 3);
  if (!read_file(path, &text))
    return false;
  if (!as_it_is && !mutate_module)
    fuzz_mutate_text(&f, &text);
  int status = 0;
  if (alone)
    (void)fuzz_case(&f, text.bytes, text.length, mutate_module);
  else
    status =
        fuzz_case_in_child(&f, text.bytes, text.length, mutate_module, 200000);
  refused += status == FUZZ_REFUSED;
  if (status != 0 && status != FUZZ_REFUSED) {
    printf("case %llu of seed %llu (%s, %s): wait status 0x%x\n",
           (unsigned long long)which, (unsigned long long)seed, path,
           mutate_module ? "verified form" : "text", (unsigned)status);
    save(&text, which);
  }
  free(text.bytes);
  return status == 0 || status == FUZZ_REFUSED;
}

int main(void)
{
  uint64_t seed = number("BAMBOO_FUZZ_SEED", 1);
  uint64_t cases = number("BAMBOO_FUZZ_CASES", 500);
  uint64_t only = number("BAMBOO_FUZZ_ONLY", UINT64_MAX);
  uint64_t failed = 0;
  find_files();
  if (files.gl_pathc == 0) {
    puts("no programs found: set top_srcdir");
    return EXIT_FAILURE;
  }
  if (only != UINT64_MAX)
    return run_case(seed, only, true) ? EXIT_SUCCESS : EXIT_FAILURE;
  for (uint64_t i = 0; i < cases; i++)
    failed += !run_case(seed, i, false);
  printf("%llu cases, %llu refused, %llu crashed\n", (unsigned long long)cases,
         (unsigned long long)refused, (unsigned long long)failed);
  globfree(&files);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
