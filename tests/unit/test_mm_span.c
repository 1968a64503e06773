/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: runs of 64 KiB out of one reservation. */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "mm/alloc/span_internal.h"
#include "mm/os/os_internal.h"
#include "tests/unit/mm_fixture.h"

enum {
  SPAN = MM_SPAN_BYTES,
  SPANS = 1024,
  KEPT_LEAST = 16,
  OWNER = 3,
};

static struct mm_spans spans;

static void setup(void)
{
  ck_assert_int_eq(mm_spans_init(&spans, (uint64_t)SPANS * SPAN, SPAN, 1),
                   MM_OK);
}

static void teardown(void)
{
  ck_assert_ptr_null(mm_spans_check(&spans));
  mm_spans_destroy(&spans);
}

static uintptr_t take(size_t count)
{
  uintptr_t at = mm_spans_take(&spans, count * SPAN, OWNER);
  ck_assert_uint_ne(at, 0);
  ck_assert_uint_eq(at % SPAN, 0);
  return at;
}

static void give(uintptr_t at, size_t count)
{
  mm_spans_give(&spans, at, count * SPAN);
}

static bool all_are(uintptr_t at, size_t bytes, unsigned char byte)
{
  const unsigned char *memory = (const unsigned char *)at;
  return memory[0] == byte && memcmp(memory, memory + 1, bytes - 1) == 0;
}

static size_t resident_bytes(uintptr_t at, size_t bytes)
{
  size_t page = mm_os_page_bytes(), resident = 0;
  unsigned char *pages = calloc(1, bytes / page);
  ck_assert_int_eq(mincore((void *)at, bytes, pages), 0);
  for (size_t i = 0; i < bytes / page; i++)
    resident += (pages[i] & 1) * page;
  free(pages);
  return resident;
}

static struct mm_span_stats stats(void)
{
  struct mm_span_stats stats;
  mm_spans_stats(&spans, &stats);
  return stats;
}

START_TEST(a_run_is_zero_writable_and_has_its_owner)
{
  uintptr_t at = take(3);
  ck_assert(all_are(at, 3 * SPAN, 0));
  memset((void *)at, 1, 3 * SPAN);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)at), OWNER);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)(at + 3 * SPAN - 1)), OWNER);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)(at + 3 * SPAN)), 0);
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, (void *)at), 3 * SPAN);
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, (void *)(at + 1)), 0);
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, (void *)(at + SPAN)), 0);
  give(at, 3);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)at), 0);
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, (void *)at), 0);
}
END_TEST

START_TEST(addresses_elsewhere_have_no_owner)
{
  uintptr_t at = take(1);
  ck_assert_uint_eq(mm_spans_owner(&spans, &at), 0);
  ck_assert_uint_eq(mm_spans_owner(&spans, NULL), 0);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)UINTPTR_MAX), 0);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)(spans.base - 1)), 0);
  uintptr_t end = spans.base + (uintptr_t)SPANS * SPAN;
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)end), 0);
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, (void *)end), 0);
}
END_TEST

/* Situation 5. */
START_TEST(neighbours_given_back_in_any_order_make_one_run)
{
  static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  uintptr_t runs[3] = {take(2), take(5), take(1)};
  take(1);
  for (int i = 0; i < 3; i++)
    give(runs[orders[_i][i]], (size_t[]){2, 5, 1}[orders[_i][i]]);
  ck_assert_uint_eq(take(8), runs[0]);
}
END_TEST

START_TEST(a_hole_too_small_is_passed_over_and_filled_later)
{
  uintptr_t hole = take(3);
  uintptr_t behind = take(1);
  give(hole, 3);
  ck_assert_uint_eq(take(4), behind + SPAN);
  ck_assert_uint_eq(take(1), hole);
  ck_assert_uint_eq(take(2), hole + SPAN);
}
END_TEST

START_TEST(what_was_written_is_zero_when_it_is_taken_again)
{
  static const size_t counts[] = {1, 15, 16, 63, 64, 65, 700};
  size_t count = counts[_i];
  for (int round = 0; round < 3; round++) {
    uintptr_t at = take(count);
    ck_assert(all_are(at, count * SPAN, 0));
    memset((void *)at, 0xee, count * SPAN);
    give(at, count);
    ck_assert_ptr_null(mm_spans_check(&spans));
  }
}
END_TEST

START_TEST(a_little_memory_is_kept_for_the_next_to_ask)
{
  uintptr_t at = take(8);
  memset((void *)at, 1, 8 * SPAN);
  give(at, 8);
  ck_assert_uint_eq(resident_bytes(at, 8 * SPAN), 8 * SPAN);
  ck_assert_uint_eq(stats().committed_bytes, 8 * SPAN);
  mm_spans_trim(&spans);
  ck_assert_uint_eq(resident_bytes(at, 8 * SPAN), 0);
  ck_assert_uint_eq(stats().committed_bytes, 0);
}
END_TEST

START_TEST(memory_beyond_an_eighth_goes_back_to_the_system)
{
  enum { RUNS = 400 };
  uintptr_t runs[RUNS];
  for (int i = 0; i < RUNS; i++) {
    runs[i] = take(2);
    memset((void *)runs[i], 1, 2 * SPAN);
  }
  uintptr_t base = spans.base;
  size_t whole = (size_t)SPANS * SPAN;
  ck_assert_uint_eq(resident_bytes(base, whole), RUNS * 2 * SPAN);
  for (int i = 0; i < RUNS; i++) {
    int at = i * 7 % RUNS; /* an order of no use to anybody */
    give(runs[at], 2);
    uint64_t used = (uint64_t)(RUNS - i - 1) * 2 * SPAN;
    uint64_t most = used / 8 > KEPT_LEAST * SPAN ? used / 8 : KEPT_LEAST * SPAN;
    ck_assert_uint_eq(stats().used_bytes, used);
    ck_assert_uint_le(stats().committed_bytes, used + most);
    if (i % 50 == 0)
      ck_assert_uint_eq(resident_bytes(base, whole), stats().committed_bytes);
  }
  ck_assert_uint_le(resident_bytes(base, whole), KEPT_LEAST * SPAN);
}
END_TEST

START_TEST(a_limit_refuses_and_can_be_moved_at_any_time)
{
  mm_spans_limit(&spans, 10 * SPAN + 1);
  uintptr_t at = take(10);
  ck_assert_uint_eq(mm_spans_take(&spans, SPAN, OWNER), 0);
  ck_assert_uint_eq(stats().largest_free_bytes, 0);
  mm_spans_limit(&spans, 12 * SPAN);
  ck_assert_uint_eq(stats().largest_free_bytes, 2 * SPAN);
  ck_assert_uint_eq(mm_spans_take(&spans, 3 * SPAN, OWNER), 0);
  uintptr_t more = take(2);
  mm_spans_limit(&spans, 4 * SPAN);
  give(more, 2);
  ck_assert_uint_eq(mm_spans_take(&spans, SPAN, OWNER), 0);
  give(at, 10);
  ck_assert_uint_le(stats().committed_bytes, 4 * SPAN);
  give(take(4), 4);
  mm_spans_limit(&spans, 0);
  ck_assert_uint_eq(stats().committed_bytes, 0);
  ck_assert_uint_eq(mm_spans_take(&spans, SPAN, OWNER), 0);
  mm_spans_limit(&spans, UINT64_MAX);
  take(SPANS);
}
END_TEST

START_TEST(kept_memory_does_not_push_the_use_over_the_limit)
{
  mm_spans_limit(&spans, 20 * SPAN);
  uintptr_t low = take(4);
  take(1);
  memset((void *)low, 1, 4 * SPAN);
  give(low, 4);
  take(15); /* fits behind only; 16 used, 4 kept */
  ck_assert_uint_eq(stats().committed_bytes, 20 * SPAN);
  uintptr_t high = take(1); /* of the kept ones */
  ck_assert_uint_eq(high, low);
  ck_assert_uint_eq(mm_spans_take(&spans, 4 * SPAN, OWNER), 0);
  ck_assert_uint_eq(take(3), low + SPAN);
}
END_TEST

START_TEST(the_reservation_is_used_up_to_its_last_span)
{
  uintptr_t low = take(SPANS - 1);
  uintptr_t last = take(1);
  ck_assert_uint_eq(last, spans.base + (uintptr_t)(SPANS - 1) * SPAN);
  *(char *)(last + SPAN - 1) = 1;
  ck_assert_uint_eq(mm_spans_take(&spans, SPAN, OWNER), 0);
  give(last, 1);
  ck_assert_uint_eq(mm_spans_take(&spans, 2 * SPAN, OWNER), 0);
  give(low, SPANS - 1);
  ck_assert_uint_eq(stats().largest_free_bytes, (uint64_t)SPANS * SPAN);
  ck_assert_uint_eq(mm_spans_take(&spans, ((size_t)SPANS + 1) * SPAN, OWNER),
                    0);
  ck_assert_uint_eq(mm_spans_take(&spans, -(size_t)SPAN, OWNER), 0);
}
END_TEST

/* Random use against a model
 * -------------------------------------------------*/

struct run {
  uintptr_t at;
  size_t count;
  unsigned char owner;
};

struct census {
  uint64_t runs, bytes;
};

static void count_run(void *context, void *run, size_t bytes)
{
  struct census *census = context;
  ck_assert_uint_eq(mm_spans_run_bytes(&spans, run), bytes);
  census->runs++;
  census->bytes += bytes;
}

static void drop(struct run *run)
{
  fixture_require(
      all_are(run->at, run->count * SPAN, (unsigned char)run->owner));
  give(run->at, run->count);
  run->at = 0;
}

static bool fill(struct run *run, uint64_t *seed)
{
  run->count = 1 + fixture_random(seed) % (fixture_random(seed) % 40 + 1);
  run->owner = (unsigned char)(1 + fixture_random(seed) % 255);
  run->at = mm_spans_take(&spans, run->count * SPAN, run->owner);
  if (!run->at)
    return false;
  fixture_require(all_are(run->at, run->count * SPAN, 0));
  memset((void *)run->at, run->owner, run->count * SPAN);
  return true;
}

START_TEST(random_runs_neither_overlap_nor_get_lost)
{
  enum { RUNS = 120, STEPS = 3000 };
  struct run runs[RUNS] = {{0}};
  uint64_t seed = 77 + (uint64_t)_i, used = 0, refused = 0;
  mm_spans_limit(&spans, 700 * SPAN);
  for (int step = 0; step < STEPS; step++) {
    struct run *run = &runs[fixture_random(&seed) % RUNS];
    if (run->at) {
      used -= run->count;
      drop(run);
    } else if (fill(run, &seed)) {
      used += run->count;
    } else {
      refused++;
    }
    fixture_require(stats().used_bytes == used * SPAN);
    if (step % 100 == 0)
      ck_assert_ptr_null(mm_spans_check(&spans));
  }
  ck_assert_uint_gt(refused, 0);
  struct census census = {0};
  for (unsigned owner = 1; owner < MM_SPAN_OWNERS; owner++)
    mm_spans_walk(&spans, owner, count_run, &census);
  ck_assert_uint_eq(census.bytes, used * SPAN);
}
END_TEST

static void *worker(void *context)
{
  uint64_t seed = (uint64_t)(uintptr_t)context;
  struct run runs[8] = {{0}};
  for (int step = 0; step < 1000; step++) {
    struct run *run = &runs[fixture_random(&seed) % 8];
    if (run->at)
      drop(run);
    else
      fill(run, &seed);
    fixture_require(!run->at ||
                    mm_spans_owner(&spans, (void *)run->at) == run->owner);
  }
  for (int i = 0; i < 8; i++)
    if (runs[i].at)
      drop(&runs[i]);
  return NULL;
}

START_TEST(several_threads_take_and_give)
{
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)),
                     0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_uint_eq(stats().used_bytes, 0);
}
END_TEST

START_TEST(a_source_stands_for_one_owner)
{
  struct mm_span_source source;
  mm_span_source_init(&source, &spans, 9);
  ck_assert_uint_eq(source.source.base, spans.base);
  ck_assert_uint_eq(source.source.reserved_bytes, (uint64_t)SPANS * SPAN);
  uintptr_t at = source.source.take(&source.source, 2 * SPAN);
  ck_assert_uint_eq(mm_spans_owner(&spans, (void *)at), 9);
  source.source.give(&source.source, at, 2 * SPAN);
  mm_spans_limit(&spans, SPAN);
  ck_assert_uint_eq(source.source.take(&source.source, 2 * SPAN), 0);
}
END_TEST

/* What the machine refuses
 * ---------------------------------------------------*/

START_TEST(a_reservation_that_is_refused_is_a_status)
{
  struct mm_spans none;
  uint64_t most = (uint64_t)1 << 47;
  ck_assert_int_eq(mm_spans_init(&none, most, most, 1), MM_NO_MEMORY);
  mm_spans_destroy(&none);
}
END_TEST

#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN)

static void set_limit(int resource, uint64_t bytes)
{
  struct rlimit limit = {bytes, RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(resource, &limit), 0);
}

START_TEST(a_limit_on_address_space_makes_a_smaller_reservation)
{
  struct mm_spans small;
  set_limit(RLIMIT_AS, (uint64_t)512 << 20);
  ck_assert_int_eq(mm_spans_init(&small, (uint64_t)1 << 35, 1 << 20, 8), MM_OK);
  struct mm_span_stats stats;
  mm_spans_stats(&small, &stats);
  ck_assert_uint_le(stats.limit_bytes, 64 << 20);
  ck_assert_uint_gt(stats.limit_bytes, 16 << 20);
  ck_assert_uint_ne(mm_spans_take(&small, 8 << 20, OWNER), 0);
  mm_spans_destroy(&small);
}
END_TEST

START_TEST(memory_that_the_system_refuses_is_null_and_does_no_harm)
{
  uintptr_t at = take(1);
  set_limit(RLIMIT_DATA, 1 << 20);
  ck_assert_uint_eq(mm_spans_take(&spans, 512 * SPAN, OWNER), 0);
  ck_assert_ptr_null(mm_spans_check(&spans));
  ck_assert_uint_eq(take(1), at + SPAN);
  set_limit(RLIMIT_DATA, RLIM_INFINITY);
  take(512);
}
END_TEST

#endif

/* Situation 61: each check fires. */
START_TEST(the_check_finds_what_is_broken)
{
  uintptr_t at = take(2);
  uintptr_t kept = take(1);
  give(kept, 1);
  uint32_t i = (uint32_t)((at - spans.base) / SPAN);
  struct mm_spans sound = spans;
  uint64_t used = *spans.used_bits, keeps = *spans.kept_bits;
  switch (_i) {
  case 0:
    spans.used--;
    break;
  case 1:
    spans.kept++;
    break;
  case 2:
    *spans.kept_bits |= (uint64_t)1 << i;
    break;
  case 3:
    spans.lowest_free = i + 3;
    break;
  case 4:
    spans.top = i + 1;
    break;
  case 5:
    spans.runs[i] = 0;
    break;
  case 6:
    spans.runs[i + 1] = 1;
    break;
  case 7:
    spans.owners[i + 1]++;
    break;
  case 8:
    spans.owners[i + 2] = 1;
    break;
  case 9:
    spans.runs[i] = 3;
    break;
  case 10:
    spans.limit = 2;
    break;
  }
  ck_assert_ptr_nonnull(mm_spans_check(&spans));
  spans = sound;
  *spans.used_bits = used;
  *spans.kept_bits = keeps;
  spans.runs[i] = 2;
  spans.runs[i + 1] = 0;
  spans.owners[i] = spans.owners[i + 1] = OWNER;
  spans.owners[i + 2] = 0;
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("spans");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_run_is_zero_writable_and_has_its_owner);
  tcase_add_test(tests, addresses_elsewhere_have_no_owner);
  tcase_add_loop_test(tests, neighbours_given_back_in_any_order_make_one_run, 0,
                      6);
  tcase_add_test(tests, a_hole_too_small_is_passed_over_and_filled_later);
  tcase_add_loop_test(tests, what_was_written_is_zero_when_it_is_taken_again, 0,
                      7);
  tcase_add_test(tests, a_little_memory_is_kept_for_the_next_to_ask);
  tcase_add_test(tests, memory_beyond_an_eighth_goes_back_to_the_system);
  tcase_add_test(tests, a_limit_refuses_and_can_be_moved_at_any_time);
  tcase_add_test(tests, kept_memory_does_not_push_the_use_over_the_limit);
  tcase_add_test(tests, the_reservation_is_used_up_to_its_last_span);
  tcase_add_loop_test(tests, random_runs_neither_overlap_nor_get_lost, 0, 3);
  tcase_add_test(tests, several_threads_take_and_give);
  tcase_add_test(tests, a_source_stands_for_one_owner);
  tcase_add_test(tests, a_reservation_that_is_refused_is_a_status);
#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN)
  tcase_add_test(tests, a_limit_on_address_space_makes_a_smaller_reservation);
  tcase_add_test(tests,
                 memory_that_the_system_refuses_is_null_and_does_no_harm);
#endif
  tcase_add_loop_test(tests, the_check_finds_what_is_broken, 0, 11);
  return fixture_main("mm_span", (TCase *[]){tests, NULL});
}
