/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's allocators beside the C library's, mimalloc and jemalloc.
 *
 *   usage: bench_malloc [OPTION...] [TRACE...]
 *     --rounds=N           of which the median is taken (5)
 *     --scale=N            divides the number of steps (1)
 *     --allocators=A,B     only these
 *     --sequences=A,B      only these
 *     --make-trace=SEED,N  writes a made-up trace of N steps and ends
 *
 * Each cell is a process of its own, which is this program once more, with
 * the other libraries' malloc preloaded where that is the point.  Rounds go
 * over all allocators by turns, so that a busy moment of the machine hits all.
 *
 *   ns         per allocation and its free, the test's own work with it:
 *              processor time of the thread; time that passes for `threads'
 *   peak       anonymous memory in use but for the test's tables, over what a
 *              process has that preloads nothing and allocates nothing
 *   peak/live  the same divided by what the sequence holds then
 *
 * Status: 0, or 1 when a cell failed.
 */
#include "config.h"

#include "tests/bench/bench_malloc.h"

#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MOST = 99, ALLOCATORS_MOST = 16, ABSENT_STATUS = 77 };

static const char *own_path = "/proc/self/exe";

struct setup {
  unsigned rounds;
  unsigned scale;
  const char *allocators, *sequences; /* null: all */
  char **traces;
  int trace_count;
  bool has_failed;
  unsigned long long bare_bytes;     /* memory that a process has anyway */
  char preload[ALLOCATORS_MOST][64]; /* what was found; "": absent */
};

/* In a cell
 * ---------------------------------------------------------------------- */

void bench_give_up(const char *what, const char *detail)
{
  fprintf(stderr, "bench_malloc: %s: %s\n", what, detail);
  exit(1);
}

void *bench_map(size_t bytes)
{
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED)
    bench_give_up("no memory", "tables");
  return at;
}

/* Read without stdio, which allocates. */
static uint64_t anonymous_bytes(void)
{
  char text[2048];
  int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (length < 0)
    bench_give_up("cannot read", "/proc/self/smaps_rollup");
  close(file);
  text[length] = 0;
  const char *at = strstr(text, "\nAnonymous:");
  return at ? strtoull(at + sizeof "\nAnonymous:" - 1, NULL, 10) * 1024 : 0;
}

static double now_ns(const struct bench_cell *cell)
{
  struct timespec time;
  clock_gettime(cell->is_wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID,
                &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

void bench_open(struct bench_cell *cell)
{
  cell->test_bytes = anonymous_bytes() - cell->first_bytes;
  if (cell->allocator->open)
    cell->allocator->open();
  if (cell->allocator->begin_thread)
    cell->allocator->begin_thread();
}

void bench_start(struct bench_cell *cell)
{
  cell->started_ns = now_ns(cell);
}

void bench_stop(struct bench_cell *cell, uint64_t pairs)
{
  cell->ns += now_ns(cell) - cell->started_ns;
  cell->pairs += pairs;
}

void bench_look(struct bench_cell *cell, uint64_t live_bytes)
{
  uint64_t bytes = anonymous_bytes() - cell->test_bytes;
  if (bytes > cell->peak_bytes)
    cell->peak_bytes = bytes;
  if (live_bytes > cell->live_bytes)
    cell->live_bytes = live_bytes;
}

uint64_t bench_random(uint64_t *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

static const struct bench_allocator *find_allocator(const char *name)
{
  const struct bench_allocator *allocator = bench_allocators;
  while (allocator->name && strcmp(allocator->name, name) != 0)
    allocator++;
  if (!allocator->name)
    bench_give_up("no such allocator", name);
  return allocator;
}

static const struct bench_sequence *find_sequence(const char *name)
{
  const struct bench_sequence *sequence = bench_sequences;
  while (sequence->name && strcmp(sequence->name, name) != 0)
    sequence++;
  if (!sequence->name)
    bench_give_up("no such sequence", name);
  return sequence;
}

static int is_library(struct dl_phdr_info *info, size_t bytes, void *name)
{
  (void)bytes;
  return strstr(info->dlpi_name, name) != NULL;
}

static int print_cell(const struct bench_cell *cell)
{
  double ns = cell->pairs ? cell->ns / (double)cell->pairs : 0;
  printf("%.3f %llu %llu\n", ns, (unsigned long long)cell->peak_bytes,
         (unsigned long long)cell->live_bytes);
  return 0;
}

/* --cell ALLOCATOR SEQUENCE SCALE [TRACE]; SEQUENCE "-": is the library that
   LD_PRELOAD names there, and what memory has the process at its beginning? */
static int run_cell(char **arguments)
{
  char *preload = getenv("LD_PRELOAD");
  if (preload && *preload && !dl_iterate_phdr(is_library, preload))
    return ABSENT_STATUS;
  struct bench_cell cell = {
      .allocator = find_allocator(arguments[0]),
      .scale = strtoul(arguments[2], NULL, 10),
      .trace = arguments[3],
      .first_bytes = anonymous_bytes(),
  };
  if (strcmp(arguments[1], "-") == 0)
    bench_look(&cell, 0);
  else
    find_sequence(arguments[1])->run(&cell);
  return print_cell(&cell);
}

/* Starting cells
 * ------------------------------------------------------------------ */

struct result {
  double ns;
  unsigned long long peak_bytes, live_bytes;
};

static char **environment_with(const char *preload, char *entry, size_t bytes)
{
  static char *environment[1024];
  size_t count = 0;
  snprintf(entry, bytes, "LD_PRELOAD=%s", preload);
  if (*preload)
    environment[count++] = entry;
  for (char **at = environ; *at && count < 1023; at++)
    if (strncmp(*at, "LD_PRELOAD=", 11) != 0)
      environment[count++] = *at;
  environment[count] = NULL;
  return environment;
}

/* Runs a cell; its output goes to `output`, what it complains of nowhere if
   it is quiet. */
static int spawn_cell(const char **arguments, const char *preload,
                      bool is_quiet, char *output, size_t bytes)
{
  posix_spawn_file_actions_t actions;
  char entry[128];
  int ends[2], status = -1;
  pid_t child;
  if (pipe(ends) != 0)
    bench_give_up("no pipe", arguments[2]);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  if (is_quiet)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                     O_WRONLY, 0);
  if (posix_spawn(&child, own_path, &actions, NULL,
                  (char **)(uintptr_t)arguments,
                  environment_with(preload, entry, sizeof entry)) != 0)
    bench_give_up("cannot start", own_path);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  ssize_t length = read(ends[0], output, bytes - 1);
  output[length > 0 ? length : 0] = 0;
  close(ends[0]);
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool read_cell(const char *output, struct result *result)
{
  return sscanf(output, "%lf %llu %llu", &result->ns, &result->peak_bytes,
                &result->live_bytes) == 3;
}

static bool measure(struct setup *setup,
                    const struct bench_allocator *allocator,
                    const struct bench_sequence *sequence, const char *trace,
                    struct result *result)
{
  char scale[16], output[128];
  snprintf(scale, sizeof scale, "%u", setup->scale);
  const char *arguments[] = {
      "bench_malloc", "--cell", allocator->name, sequence->name, scale,
      trace,          NULL};
  int status =
      spawn_cell(arguments, setup->preload[allocator - bench_allocators], false,
                 output, sizeof output);
  if (status == 0 && read_cell(output, result)) {
    unsigned long long peak = result->peak_bytes, bare = setup->bare_bytes;
    result->peak_bytes = peak > bare ? peak - bare : 0;
    return true;
  }
  fprintf(stderr, "bench_malloc: %s, %s: failed (%d)\n", allocator->name,
          sequence->name, status);
  setup->has_failed = true;
  return false;
}

/* Tables
 * ----------------------------------------------------------------------------
 */

/* Is `name` in a list with commas?  No list: everything is. */
static bool is_wanted(const char *list, const char *name)
{
  size_t length = strlen(name);
  if (!list)
    return true;
  for (const char *at = list; (at = strstr(at, name)); at++)
    if ((at == list || at[-1] == ',') && (at[length] == 0 || at[length] == ','))
      return true;
  return false;
}

static int by_ns(const void *a, const void *b)
{
  double x = ((const struct result *)a)->ns, y = ((const struct result *)b)->ns;
  return x < y ? -1 : x > y;
}

static int by_peak(const void *a, const void *b)
{
  unsigned long long x = ((const struct result *)a)->peak_bytes;
  unsigned long long y = ((const struct result *)b)->peak_bytes;
  return x < y ? -1 : x > y;
}

static struct result median(struct result *results, unsigned count)
{
  struct result middle = {0};
  if (count == 0)
    return middle;
  qsort(results, count, sizeof *results, by_peak);
  middle = results[count / 2];
  qsort(results, count, sizeof *results, by_ns);
  middle.ns = results[count / 2].ns;
  return middle;
}

static void print_row(const char *name, struct result result, double base_ns)
{
  if (result.ns == 0) {
    printf("  %-14s %8s\n", name, "-");
    return;
  }
  printf("  %-14s %8.2f %7.2fx %9llu", name, result.ns, result.ns / base_ns,
         result.peak_bytes / 1024);
  if (result.live_bytes >= 1 << 20)
    printf(" %9.3f", (double)result.peak_bytes / (double)result.live_bytes);
  putchar('\n');
}

static bool can_run(const struct setup *setup, size_t index,
                    const struct bench_sequence *sequence, size_t most_bytes)
{
  const struct bench_allocator *allocator = &bench_allocators[index];
  return is_wanted(setup->allocators, allocator->name) &&
         (!allocator->preload || *setup->preload[index]) &&
         (!sequence->has_threads || allocator->is_for_threads) &&
         most_bytes <= allocator->most_bytes;
}

static void run_sequence(struct setup *setup,
                         const struct bench_sequence *sequence,
                         const char *trace)
{
  static struct result results[ALLOCATORS_MOST][ROUNDS_MOST];
  unsigned counts[ALLOCATORS_MOST] = {0};
  size_t most_bytes =
      trace ? bench_trace_most_bytes(trace) : sequence->most_bytes;
  for (unsigned round = 0; round < setup->rounds; round++)
    for (size_t i = 0; bench_allocators[i].name; i++)
      if (can_run(setup, i, sequence, most_bytes) &&
          measure(setup, &bench_allocators[i], sequence, trace,
                  &results[i][counts[i]]))
        counts[i]++;
  printf("%s: %s%s%s\n  %-14s %8s %8s %9s %9s\n", sequence->name,
         sequence->what, trace ? " " : "", trace ? trace : "", "", "ns", "",
         "peak KiB", "peak/live");
  double base_ns = 0;
  for (size_t i = 0; bench_allocators[i].name; i++) {
    struct result result = median(results[i], counts[i]);
    if (base_ns == 0)
      base_ns = result.ns;
    if (is_wanted(setup->allocators, bench_allocators[i].name))
      print_row(bench_allocators[i].name, result, base_ns);
  }
  fflush(stdout);
}

/* Finds the library of an allocator that is preloaded. */
static void find_library(const struct bench_allocator *allocator, char *found,
                         size_t bytes)
{
  const char *arguments[] = {
      "bench_malloc", "--cell", allocator->name, "-", "1", NULL};
  char output[128];
  const char *at = allocator->preload;
  while (*at) {
    size_t length = strcspn(at, " ");
    snprintf(found, bytes, "%.*s", (int)length, at);
    if (spawn_cell(arguments, found, true, output, sizeof output) == 0)
      return;
    at += length + (at[length] == ' ');
  }
  *found = 0;
  fprintf(stderr, "bench_malloc: %s is not on this machine\n", allocator->name);
}

static void find_libraries(struct setup *setup)
{
  for (size_t i = 0; bench_allocators[i].name; i++)
    if (bench_allocators[i].preload &&
        is_wanted(setup->allocators, bench_allocators[i].name))
      find_library(&bench_allocators[i], setup->preload[i],
                   sizeof setup->preload[i]);
}

static void find_bare_bytes(struct setup *setup)
{
  const char *arguments[] = {"bench_malloc", "--cell", "none", "-", "1", NULL};
  char output[128];
  struct result result;
  if (spawn_cell(arguments, "", false, output, sizeof output) != 0 ||
      !read_cell(output, &result))
    bench_give_up("cannot run", own_path);
  setup->bare_bytes = result.peak_bytes;
}

/* Command line
 * ---------------------------------------------------------------------- */

static unsigned number_in(const char *text, unsigned most)
{
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (end == text || *end != 0 || number == 0 || number > most)
    bench_give_up("not a number that will do", text);
  return (unsigned)number;
}

static void make_trace(const char *text)
{
  char *end;
  uint64_t seed = strtoull(text, &end, 10);
  if (*end != ',' || seed == 0)
    bench_give_up("--make-trace=SEED,STEPS", text);
  bench_make_trace(stdout, seed, number_in(end + 1, UINT32_MAX));
  exit(0);
}

/* The value of an option that the argument is; null: it is not. */
static const char *value_of(const char *argument, const char *option)
{
  size_t length = strlen(option);
  return strncmp(argument, option, length) == 0 ? argument + length : NULL;
}

static void take_option(struct setup *setup, const char *argument)
{
  const char *value;
  if ((value = value_of(argument, "--rounds=")))
    setup->rounds = number_in(value, ROUNDS_MOST);
  else if ((value = value_of(argument, "--scale=")))
    setup->scale = number_in(value, 1000);
  else if ((value = value_of(argument, "--allocators=")))
    setup->allocators = value;
  else if ((value = value_of(argument, "--sequences=")))
    setup->sequences = value;
  else if ((value = value_of(argument, "--make-trace=")))
    make_trace(value);
  else
    bench_give_up("no such option", argument);
}

int main(int argc, char **argv)
{
  struct setup setup = {.rounds = 5, .scale = 1};
  int at = 1;
  if (argc >= 5 && strcmp(argv[1], "--cell") == 0)
    return run_cell(argv + 2);
  for (; at < argc && argv[at][0] == '-'; at++)
    take_option(&setup, argv[at]);
  find_libraries(&setup);
  find_bare_bytes(&setup);
  const struct bench_sequence *sequence = bench_sequences;
  for (; sequence->name; sequence++) {
    if (!is_wanted(setup.sequences, sequence->name))
      continue;
    if (sequence->run != bench_replay)
      run_sequence(&setup, sequence, NULL);
    for (int i = at; sequence->run == bench_replay && i < argc; i++)
      run_sequence(&setup, sequence, argv[i]);
  }
  return setup.has_failed;
}
