/* SPDX-License-Identifier: Apache-2.0 */
/* The code space: code that runs, and what must not.  Situations 6, 7, 11. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm/code.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;

static void open_space(uint64_t code_max_bytes)
{
  struct mm_options options = fixture_options();
  struct mm_error error = {""};
  options.code_max_bytes = code_max_bytes;
  fixture_open(&f, &options);
  enum mm_status status = mm_code_start(f.heap, &error);
  ck_assert_msg(status == MM_OK, "%s", error.text);
}

static void setup(void)
{
  open_space(0);
}

static void teardown(void)
{
  const char *wrong = mm_code_space_check(&f.heap->code);
  ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
  fixture_close(&f);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_CODE), 0);
}

struct walked {
  uintptr_t end;
  size_t blocks;
  uint64_t bytes;
};

static void walk_code(void *context, const struct mm_code *code)
{
  struct walked *walked = context;
  fixture_require((uintptr_t)code->run >= walked->end);
  walked->end = (uintptr_t)code->run + code->bytes;
  walked->blocks++;
  walked->bytes += code->bytes;
}

static struct mm_code space_take(size_t bytes)
{
  struct mm_code code;
  fixture_require(mm_code_alloc(f.heap, bytes, 0, NULL, &code) == MM_OK);
  return code;
}

typedef int function(void);

static function *function_of(const struct mm_code *code)
{
  function *run;
  memcpy(&run, &code->run, sizeof run);
  return run;
}

/* A function that returns a number; false: not on this machine. */
static bool write_function(void *at, int number)
{
#if defined __x86_64__
  unsigned char code[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, imm; ret */
  memcpy(code + 1, &number, 4);
#elif defined __aarch64__
  uint32_t code[] = {0x52800000u | (uint32_t)(number & 0xffff) << 5,
                     0xd65f03c0u}; /* mov w0, imm; ret */
#else
  unsigned char code[] = {0};
  (void)number;
#endif
  memcpy(at, code, sizeof code);
  return sizeof code > 1;
}

/* A sealed function that returns the number. */
static struct mm_code make_function(int number)
{
  struct mm_code code = space_take(256);
  fixture_require(write_function(code.write, number));
  mm_code_seal(f.heap, &code, 8);
  return code;
}

START_TEST(code_that_was_written_through_one_view_runs_in_the_other)
{
  struct mm_code codes[300];
  for (int i = 0; i < 300; i++)
    codes[i] = make_function(i);
  for (int i = 0; i < 300; i++) {
    ck_assert_int_eq(function_of(&codes[i])(), i);
    ck_assert_uint_eq(codes[i].bytes, 16);
  }
  write_function(codes[7].write, 4711);
  mm_code_flush(codes[7].run, codes[7].bytes);
  ck_assert_int_eq(function_of(&codes[7])(), 4711);
}
END_TEST

START_TEST(direct_calls_reach_from_the_first_block_to_the_last)
{
#ifdef __x86_64__
  struct mm_code first = space_take(16), last = first;
  struct mm_code code;
  while (mm_code_alloc(f.heap, 1 << 20, 0, NULL, &code) == MM_OK)
    last = code;
  write_function(last.write, 99);
  int64_t distance = (intptr_t)last.run - (intptr_t)first.run - 5;
  ck_assert_int_gt(distance, 32 << 20);
  ck_assert_int_eq(distance, (int32_t)distance);
  unsigned char jump[5] = {0xe9}; /* jmp */
  memcpy(jump + 1, &(int32_t){(int32_t)distance}, 4);
  memcpy(first.write, jump, sizeof jump);
  mm_code_seal(f.heap, &first, sizeof jump);
  ck_assert_int_eq(function_of(&first)(), 99);
#endif
}
END_TEST

/* Situation 6.  0: written where it runs; 1: run where it is written; 2: freed
   and written; 3: run where there is no memory. */
START_TEST(each_view_faults_when_it_is_used_as_the_other)
{
  signal(SIGSEGV, SIG_DFL); /* a sanitizer would answer in its own way */
  struct mm_code code = make_function(1);
  struct mm_code wrong = code;
  switch (_i) {
  case 0:
    *(volatile char *)(uintptr_t)code.run = 1;
    break;
  case 1:
    wrong.run = code.write;
    function_of (&wrong)();
    break;
  case 2:
    mm_code_free(f.heap, code.run);
    *(volatile char *)(uintptr_t)code.run = 1;
    break;
  case 3:
    wrong.run = (const char *)code.run + (32 << 20);
    function_of (&wrong)();
    break;
  }
}
END_TEST

START_TEST(freed_code_traps)
{
  signal(SIGTRAP, SIG_DFL);
  struct mm_code code = make_function(1), other = make_function(2);
  mm_code_free(f.heap, code.run);
  ck_assert_int_eq(function_of(&other)(), 2);
  function_of (&code)();
}
END_TEST

/* Mappings of the views; those that are writable and executable. */
static int mappings_both(int *views)
{
  const struct mm_dual *dual = &f.heap->code.dual;
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[512], access[5];
  unsigned long low, high;
  int both = 0;
  ck_assert_ptr_nonnull(maps);
  *views = 0;
  while (fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%lx-%lx %4s", &low, &high, access) != 3)
      continue;
    both += access[1] == 'w' && access[2] == 'x';
    if (low >= dual->write_base && high <= dual->write_base + 2 * dual->bytes) {
      ++*views;
      ck_assert(access[2] == '-' || low >= dual->run_base);
      ck_assert(access[1] == '-' || high <= dual->run_base);
    }
  }
  fclose(maps);
  return both;
}

START_TEST(no_mapping_is_both_writable_and_executable)
{
  int views;
  struct mm_code kept[100];
  for (int i = 0; i < 100; i++)
    kept[i] = space_take(100000);
  for (int i = 0; i < 100; i += 2)
    mm_code_free(f.heap, kept[i].run);
  ck_assert_int_eq(mappings_both(&views), 0);
  ck_assert_int_ge(views, 4); /* used and unused parts of both */
}
END_TEST

START_TEST(the_limit_is_a_status_and_room_comes_back)
{
  teardown();
  open_space(1 << 20);
  struct mm_code code = {0};
  uint64_t bytes = 0;
  for (int round = 0; round < 2; round++) {
    while (mm_code_alloc(f.heap, 10000, 0, NULL, &code) == MM_OK)
      bytes += code.bytes;
    ck_assert_uint_gt(bytes, (1 << 20) - 20000);
    ck_assert_uint_le(bytes, 1 << 20);
    ck_assert_uint_le(mm_native_bytes(MM_PURPOSE_CODE), 1 << 20);
    mm_code_free(f.heap, code.run);
    bytes -= code.bytes;
  }
}
END_TEST

START_TEST(a_limit_out_of_range_is_refused_with_a_text)
{
  static const uint64_t sizes[] = {1, 4096, ((uint64_t)1 << 30) + 1,
                                   UINT64_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct mm_options options = fixture_options();
    struct mm_error error = {""};
    options.code_max_bytes = sizes[i];
    ck_assert_int_eq(
        mm_heap_create(&options, &fixture_binding, &f, &f.heap, &error),
        MM_BAD_OPTION);
    ck_assert_ptr_nonnull(strstr(error.text, "--code-cache"));
  }
}
END_TEST

/* Bytes of address space that this process has taken. */
static rlim_t address_bytes(void)
{
  unsigned long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "re");
  ck_assert_ptr_nonnull(statm);
  ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
  fclose(statm);
  return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Situation 11. */
START_TEST(a_system_without_address_space_is_a_status_with_a_text)
{
  struct mm_options options = fixture_options();
  struct mm_error error = {""};
  options.code_max_bytes = 256 << 20;
  fixture_open(&f, &options);
  uint64_t before = mm_native_bytes(MM_PURPOSE_CODE_TABLES);
  struct rlimit old, limit;
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
  limit = old;
  limit.rlim_cur = address_bytes() + (64 << 20);
  setrlimit(RLIMIT_AS, &limit);
  enum mm_status status = mm_code_start(f.heap, &error);
  setrlimit(RLIMIT_AS, &old);
  ck_assert_int_eq(status, MM_NO_MEMORY);
  ck_assert_msg(strstr(error.text, "ulimit -v"), "%s", error.text);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_CODE_TABLES), before);
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_OK);
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_OK);
  teardown();
}
END_TEST

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#endif

/* In a process of its own: it cannot be taken back. */
static int start_where_it_is_forbidden(void)
{
  struct mm_error error = {""};
  if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) != 0)
    return 0;
  if (mm_code_start(f.heap, &error) != MM_OS_FAILED)
    return 1;
  return strstr(error.text, "executable memory") ? 0 : 2;
}

/* As systemd's MemoryDenyWriteExecute does.  Linux 6.3; nothing to see in older
   ones. */
START_TEST(a_system_that_forbids_new_code_is_a_status_with_a_text)
{
  struct mm_options options = fixture_options();
  int status = 0;
  fixture_open(&f, &options);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0)
    _exit(start_where_it_is_forbidden());
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  fixture_close(&f);
}
END_TEST

START_TEST(a_space_without_memory_for_its_tables_can_be_started_later)
{
  struct mm_options options = fixture_options();
  struct mm_error error = {""};
  fixture_open(&f, &options);
  mm_native_fail_at(1, true);
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_NO_MEMORY);
  mm_native_fail_at(0, false);
  ck_assert_ptr_nonnull(strstr(error.text, "tables"));
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_OK);
  make_function(1);
  teardown();
}
END_TEST

START_TEST(what_the_space_contains_is_told_while_its_lock_is_held)
{
  setup();
  struct mm_code code = space_take(100);
  const char *first = (const char *)f.heap->code.dual.run_base;
  const char *end = first + mm_code_max_bytes(f.heap);
  pthread_mutex_lock(&f.heap->code.lock);
  ck_assert(mm_code_contains(f.heap, code.run));
  ck_assert(mm_code_contains(f.heap, first));
  ck_assert(mm_code_contains(f.heap, end - 1));
  ck_assert(!mm_code_contains(f.heap, first - 1));
  ck_assert(!mm_code_contains(f.heap, end));
  ck_assert(!mm_code_contains(f.heap, code.write));
  ck_assert(!mm_code_contains(f.heap, NULL));
  pthread_mutex_unlock(&f.heap->code.lock);
  mm_code_free(f.heap, code.run);
  teardown();
}
END_TEST

START_TEST(a_space_that_was_not_started_finds_and_walks_nothing)
{
  struct mm_options options = fixture_options();
  struct mm_code code;
  struct walked walked = {0};
  fixture_open(&f, &options);
  ck_assert(!mm_code_is_started(f.heap));
  ck_assert(!mm_code_find(f.heap, &code, &code));
  ck_assert(!mm_code_contains(f.heap, &code));
  ck_assert(!mm_code_contains(f.heap, NULL));
  mm_code_walk(f.heap, walk_code, &walked);
  ck_assert_uint_eq(walked.blocks, 0);
  fixture_close(&f);
}
END_TEST

/* KiB of shared memory that this process has pages of. */
static long shared_kib(void)
{
  FILE *status = fopen("/proc/self/status", "re");
  char line[256];
  long kib = -1;
  ck_assert_ptr_nonnull(status);
  while (fgets(line, sizeof line, status))
    if (sscanf(line, "RssShmem: %ld kB", &kib) == 1)
      break;
  fclose(status);
  return kib;
}

START_TEST(the_system_has_the_memory_back_after_much_was_freed)
{
  enum { BLOCKS = 6000 };
  const void **runs = calloc(BLOCKS, sizeof *runs);
  long before = shared_kib();
  for (int i = 0; i < BLOCKS; i++)
    runs[i] = space_take(5000).run;
  long full = shared_kib();
  ck_assert_int_ge(full - before, BLOCKS * 5000L / 1024);
  for (int i = 0; i < BLOCKS; i++)
    if (i % 500 != 0)
      mm_code_free(f.heap, runs[i]);
  ck_assert_int_lt(shared_kib() - before, (full - before) / 8);
  ck_assert_uint_le(mm_native_bytes(MM_PURPOSE_CODE), 8 << 20);
  free(runs);
}
END_TEST

#ifndef BAMBOO_TSAN /* which follows no child of many threads */
static int status_of_child(void (*act)(struct mm_code *code),
                           struct mm_code *code)
{
  int status = 0;
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    act(code);
    _exit(0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

static void run_in_child(struct mm_code *code)
{
  _exit(function_of(code)());
}

static void write_in_child(struct mm_code *code)
{
  *(volatile char *)code->write = 1;
}

static void change_in_child(struct mm_code *code)
{
  struct mm_code fresh;
  bool refused = mm_code_alloc(f.heap, 16, 0, NULL, &fresh) == MM_NO_MEMORY;
  mm_code_seal(f.heap, code, 1);
  mm_code_free(f.heap, code->run);
  mm_code_space_destroy(&f.heap->code);
  _exit(refused ? 0 : 1);
}

START_TEST(a_child_runs_the_code_and_cannot_change_it)
{
  struct mm_code code = make_function(23);
  int status = status_of_child(run_in_child, &code);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 23);
  status = status_of_child(write_in_child, &code);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  status = status_of_child(change_in_child, &code);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ck_assert_int_eq(function_of(&code)(), 23);
  mm_code_free(f.heap, code.run);
}
END_TEST
#endif

enum { THREADS = 4, THREAD_BLOCKS = 64, THREAD_ROUNDS = 4000 };

static void *use_space(void *argument)
{
  uint64_t random = (uintptr_t)argument + 1;
  struct mm_code own[THREAD_BLOCKS] = {{0}}, found;
  for (int round = 0; round < THREAD_ROUNDS; round++) {
    struct mm_code *code = &own[fixture_random(&random) % THREAD_BLOCKS];
    mm_code_free(f.heap, code->run);
    fixture_require(mm_code_alloc(f.heap, fixture_random(&random) % 2000 + 16,
                                  0, own, code) == MM_OK);
    fixture_require(write_function(code->write, round));
    mm_code_seal(f.heap, code, 8);
    fixture_require(function_of(code)() == round);
    fixture_require(mm_code_find(f.heap, (const char *)code->run + 15, &found));
    fixture_require(found.run == code->run && found.owner == own);
  }
  for (int i = 0; i < THREAD_BLOCKS; i++)
    mm_code_free(f.heap, own[i].run);
  return NULL;
}

START_TEST(threads_make_find_run_and_free_code_at_once)
{
  pthread_t threads[THREADS];
  make_function(1);
  for (uintptr_t i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, use_space, (void *)i),
                     0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  struct walked walked = {0};
  mm_code_walk(f.heap, walk_code, &walked);
  ck_assert_uint_eq(walked.blocks, 1);
}
END_TEST

int main(void)
{
  unsigned char any[16];
  if (!write_function(any, 0))
    return 77; /* a machine whose code this test does not know */
  TCase *space = tcase_create("code space");
  tcase_add_checked_fixture(space, setup, teardown);
  tcase_add_test(space,
                 code_that_was_written_through_one_view_runs_in_the_other);
  tcase_add_test(space, direct_calls_reach_from_the_first_block_to_the_last);
  fixture_add_death(space, each_view_faults_when_it_is_used_as_the_other,
                    SIGSEGV, 0, 0, 4);
  fixture_add_death(space, freed_code_traps, SIGTRAP, 0, 0, 1);
  tcase_add_test(space, no_mapping_is_both_writable_and_executable);
  tcase_add_test(space, the_limit_is_a_status_and_room_comes_back);
  tcase_add_test(space, the_system_has_the_memory_back_after_much_was_freed);
#ifndef BAMBOO_TSAN
  tcase_add_test(space, a_child_runs_the_code_and_cannot_change_it);
#endif
  tcase_add_test(space, threads_make_find_run_and_free_code_at_once);
  TCase *starts = tcase_create("starting");
  tcase_add_test(starts, a_limit_out_of_range_is_refused_with_a_text);
  tcase_add_test(starts,
                 a_system_without_address_space_is_a_status_with_a_text);
  tcase_add_test(starts,
                 a_system_that_forbids_new_code_is_a_status_with_a_text);
  tcase_add_test(starts,
                 a_space_without_memory_for_its_tables_can_be_started_later);
  tcase_add_test(starts, a_space_that_was_not_started_finds_and_walks_nothing);
  tcase_add_test(starts,
                 what_the_space_contains_is_told_while_its_lock_is_held);
  return fixture_main("mm_code", (TCase *[]){space, starts, NULL});
}
