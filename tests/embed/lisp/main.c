/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lisp's command line: lisp [OPTIONS] FILE
 *
 *   --gc=epsilon|stw|concurrent  --generational=on|off|auto
 *   --tenured=regions|freelist   --workers=N   --heap-max=MIB
 *   --stress=alloc|barrier|poll|phase   --verify   --stats
 */
#include "lisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which of the words, each with its comma, is it? -1: none. */
static int choose(const char *text, const char *words)
{
  size_t length = strlen(text);
  for (int i = 0; *words; i++, words += strcspn(words, ",") + 1)
    if (strcspn(words, ",") == length && memcmp(words, text, length) == 0)
      return i;
  return -1;
}

static bool set_stress(struct mm_options *options, const char *text)
{
  switch (choose(text, "alloc,barrier,poll,phase,")) {
  case 0:
    options->stress_alloc = 97;
    return true;
  case 1:
    options->stress_barrier = 193;
    return true;
  case 2:
    options->stress_poll = 53;
    return true;
  case 3:
    options->stress_phase = true;
    return true;
  default:
    return false;
  }
}

static bool set_number(const char *text, uint64_t unit, uint64_t *number)
{
  char *end;
  unsigned long long n = strtoull(text, &end, 10);
  if (end == text || *end || n == 0 || n > UINT32_MAX)
    return false;
  *number = n * unit;
  return true;
}

static bool set_choice(const char *text, const char *words, int *choice)
{
  int which = choose(text, words);
  if (which < 0)
    return false;
  *choice = which;
  return true;
}

static bool set_option(struct mm_options *options, const char *name,
                       const char *text)
{
  int choice = 0;
  uint64_t number = 0;
  bool is_known = true;
  if (strcmp(name, "--gc") == 0) {
    is_known = set_choice(text, "epsilon,stw,concurrent,", &choice);
    options->gc = (enum mm_gc)choice;
  } else if (strcmp(name, "--generational") == 0) {
    is_known = set_choice(text, "off,on,auto,", &choice);
    options->generational = (enum mm_generational)choice;
  } else if (strcmp(name, "--tenured") == 0) {
    is_known = set_choice(text, "regions,freelist,", &choice);
    options->tenured = (enum mm_tenured)choice;
  } else if (strcmp(name, "--stress") == 0) {
    is_known = set_stress(options, text);
  } else if (strcmp(name, "--heap-max") == 0) {
    is_known = set_number(text, 1 << 20, &options->heap_max_bytes);
  } else if (strcmp(name, "--workers") == 0) {
    is_known = set_number(text, 1, &number);
    options->workers = (unsigned)number;
  } else {
    is_known = false;
  }
  return is_known;
}

/* The whole file, zero-terminated; null: it cannot be read. */
static char *read_file(const char *name)
{
  FILE *file = fopen(name, "r");
  char *text = NULL;
  size_t length = 0, size = 0, got = 1;
  while (file && got > 0) {
    if (size - length < 2) {
      size = size ? 2 * size : 4096;
      char *longer = realloc(text, size);
      if (!longer)
        break;
      text = longer;
    }
    got = fread(text + length, 1, size - length - 1, file);
    length += got;
    text[length] = 0;
  }
  bool is_read = file && got == 0 && !ferror(file);
  if (file)
    fclose(file);
  if (is_read)
    return text;
  free(text);
  return NULL;
}

static int run(struct lisp *lisp, const char *text)
{
  size_t env = push(lisp, NIL);
  value expression;
  while ((expression = read_expression(lisp, &text)) != UNBOUND) {
    value result = expression;
    if (expression != ERROR) {
      size_t mine = push(lisp, expression);
      result = eval(lisp, mine, env);
    }
    if (result == ERROR) {
      fflush(stdout);
      fprintf(stderr, "lisp: %s\n", lisp->error);
      return 1;
    }
    lisp->top = env + 1;
  }
  return 0;
}

int main(int argc, char **argv)
{
  static struct world world;
  static struct lisp lisp;
  struct mm_options options;
  const char *file = NULL;
  bool shows_stats = false;
  mm_options_init(&options);
  for (int i = 1; i < argc; i++) {
    char *word = argv[i], *text = strchr(word, '=');
    if (text)
      *text++ = 0;
    if (word[0] != '-' && !file && !text)
      file = word;
    else if (strcmp(word, "--verify") == 0 && !text)
      options.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
    else if (strcmp(word, "--stats") == 0 && !text)
      shows_stats = true;
    else if (!text || !set_option(&options, word, text))
      return fprintf(stderr, "lisp: %s is no option\n", word), 2;
  }
  char *text = file ? read_file(file) : NULL;
  if (!text)
    return fprintf(stderr, "lisp: no file that can be read\n"), 2;
  if (!world_open(&world, &lisp, &options)) {
    free(text);
    return 2;
  }
  int status = run(&lisp, text);
  threads_await(&lisp);
  if (shows_stats)
    mm_stats_print_text(world.heap, stderr);
  world_close(&world, &lisp);
  free(text);
  return status;
}
