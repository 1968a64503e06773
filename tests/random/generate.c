/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate [--seed=N] [--size=small|medium|large]: prints a random program, the
 * same for the same seed and size.  The strict verifier accepts it; it ends; it
 * prints checksums as it goes, the exceptions that are caught, and a digest of
 * what is reachable at the end.
 */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct size {
  const char *name;
  int records[2], functions[2], rounds[2], statements;
};

static const struct size sizes[] = {
    {"small", {2, 4}, {2, 5}, {2, 5}, 6},
    {"medium", {3, 6}, {5, 12}, {10, 24}, 12},
    {"large", {4, 8}, {10, 20}, {24, 48}, 24},
};

static void usage(void)
{
  fputs("usage: generate [--seed=N] [--size=small|medium|large]\n", stderr);
  exit(2);
}

static const struct size *find_size(const char *name)
{
  for (int i = 0; i < COUNT(sizes); i++)
    if (strcmp(sizes[i].name, name) == 0)
      return &sizes[i];
  usage();
  return NULL;
}

static void write_program(struct text *text, const struct size *size)
{
  make_world(between(size->records[0], size->records[1]),
             between(size->functions[0], size->functions[1]));
  statements = size->statements;
  declare_world(text);
  write_prelude(text);
  write_digest(text);
  write_overflow(text);
  write_foreign(text);
  for (int i = 0; i < function_count; i++)
    if (!functions[i].is_external)
      write_function(text, &functions[i]);
  write_main(text, between(size->rounds[0], size->rounds[1]));
}

int main(int argc, char **argv)
{
  uint64_t seed = 1;
  const struct size *size = &sizes[0];
  for (int i = 1; i < argc; i++)
    if (strncmp(argv[i], "--seed=", 7) == 0)
      seed = strtoull(argv[i] + 7, NULL, 10);
    else if (strncmp(argv[i], "--size=", 7) == 0)
      size = find_size(argv[i] + 7);
    else
      usage();
  seed_with(seed);
  struct text text = {0};
  put(&text, "# generate --seed=%llu --size=%s\n", (unsigned long long)seed,
      size->name);
  write_program(&text, size);
  bool is_out = fputs(text.bytes, stdout) >= 0 && fflush(stdout) == 0;
  free(text.bytes);
  return is_out ? 0 : 2;
}
