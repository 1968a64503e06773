/* SPDX-License-Identifier: Apache-2.0 */
/* Which heaps can be had, and what is said about those that cannot. */
#include "config.h"

#include <string.h>
#include <sys/resource.h>

#include "mm/native.h"
#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

static enum mm_status create(const struct mm_options *options,
                             struct mm_heap **heap, struct mm_error *error)
{
  memset(error, 0, sizeof *error);
  return mm_heap_create(options, &fixture_binding, NULL, heap, error);
}

static void check_refused(const struct mm_options *options,
                          enum mm_status expected, const char *word)
{
  struct mm_heap *heap = NULL;
  struct mm_error error;
  ck_assert_int_eq(create(options, &heap, &error), expected);
  ck_assert_ptr_null(heap);
  ck_assert_msg(strstr(error.text, word), "no \"%s\" in: %s", word, error.text);
}

START_TEST(generations_are_refused_where_they_are_not_to_be_had)
{
  struct mm_options options = fixture_options();
  options.generational = MM_GENERATIONAL_ON;
  options.gc = MM_GC_EPSILON;
  options.tenured = MM_TENURED_REGIONS;
  check_refused(&options, MM_UNSUPPORTED, "--gc=epsilon");
}
END_TEST

START_TEST(values_out_of_range_are_refused_by_name)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = 1;
  check_refused(&options, MM_BAD_OPTION, "heap-max");
  options.heap_max_bytes = (uint64_t)1 << 50;
  check_refused(&options, MM_BAD_OPTION, "heap-max");
  options = fixture_options();
  options.heap_min_bytes = options.heap_max_bytes * 2;
  check_refused(&options, MM_BAD_OPTION, "heap-min");
  options = fixture_options();
  options.workers = 1000000;
  check_refused(&options, MM_BAD_OPTION, "workers");
  options = fixture_options();
  options.growth_percent = 109;
  check_refused(&options, MM_BAD_OPTION, "heap-growth");
  options = fixture_options();
  options.growth_price = 1000001;
  check_refused(&options, MM_BAD_OPTION, "heap-growth=balance");
  options = fixture_options();
  options.nonmoving_max_bytes = 1;
  check_refused(&options, MM_BAD_OPTION, "nonmoving-max");
  uint32_t sizes[MM_CLASSES_MOST];
  for (uint32_t i = 0; i < MM_CLASSES_MOST; i++)
    sizes[i] = 136 + 16 * i;
  options = fixture_options();
  options.slot_bytes = sizes;
  options.slot_count = MM_CLASSES_MOST;
  check_refused(&options, MM_BAD_OPTION, "slot-sizes");
}
END_TEST

START_TEST(the_defaults_make_a_heap)
{
  struct mm_options options;
  struct mm_heap *heap;
  struct mm_error error;
  mm_options_init(&options);
  ck_assert_msg(create(&options, &heap, &error) == MM_OK, "%s", error.text);
  ck_assert_uint_ge(heap->options.heap_max_bytes, 16 * FIXTURE_MIB);
  ck_assert_uint_ge(heap->options.workers, 1);
  mm_heap_destroy(heap);
}
END_TEST

/* Situation 72: side tables and addresses at all sizes, odd ones too. */
START_TEST(heaps_of_many_sizes_work_from_their_first_to_their_last_byte)
{
  static const uint64_t sizes[] = {2 << 20, 3 << 20, (5 << 20) + 12345, 9 << 20,
                                   33 << 20};
  struct mm_options options = fixture_options();
  options.heap_max_bytes = sizes[_i];
  struct fixture f;
  fixture_open(&f, &options);
  uint32_t length = 0;
  size_t list = fixture_push_list(&f.main, 0);
  for (;; length++) {
    struct mm_ref pair = fixture_new_or_null(&f.main, FIXTURE_PAIR, 0);
    if (mm_is_null(pair))
      break;
    fixture_set(pair, FIXTURE_LEFT, fixture_at(&f.main, list));
    fixture_set_value(pair, length);
    fixture_put(&f.main, list, pair);
  }
  ck_assert_uint_le(f.heap->options.heap_max_bytes,
                    sizes[_i] + FIXTURE_REGION_BYTES);
  ck_assert_uint_le((uint64_t)length * 24, f.heap->options.heap_max_bytes);
  ck_assert_uint_ge((uint64_t)length * 24, sizes[_i] / 10 * 6);
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_check_list(fixture_at(&f.main, list), length);
  fixture_close(&f);
}
END_TEST

START_TEST(several_heaps_live_side_by_side)
{
  struct mm_options options = fixture_options();
  struct fixture a, b;
  fixture_open(&a, &options);
  fixture_open(&b, &options);
  size_t in_a = fixture_push_list(&a.main, 100);
  size_t in_b = fixture_push_list(&b.main, 200);
  mm_collect(&a.main.mutator, MM_CAUSE_EXPLICIT);
  fixture_check_list(fixture_at(&a.main, in_a), 100);
  fixture_close(&a);
  fixture_check_list(fixture_at(&b.main, in_b), 200);
  fixture_close(&b);
}
END_TEST

/* But for the tables of allocators: native memory makes its own when it is
   first used, and keeps some for each thread that there ever was at a time. */
static uint64_t native_bytes(void)
{
  uint64_t sum = 0;
  for (unsigned purpose = 0; purpose < MM_PURPOSE_COUNT; purpose++)
    sum += purpose == MM_PURPOSE_ALLOCATORS ? 0 : mm_native_bytes(purpose);
  return sum;
}

/* Situation 7. */
START_TEST(heaps_that_come_and_go_leave_nothing_behind)
{
  uint64_t before = native_bytes();
  struct mm_options options = fixture_options();
  for (int i = 0; i < 50; i++) {
    struct fixture f;
    options.workers = 1 + (unsigned)i % 3;
    fixture_open(&f, &options);
    fixture_push_list(&f.main, 1000);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    fixture_close(&f);
    ck_assert_uint_eq(native_bytes(), before);
  }
}
END_TEST

/* Situation 11: whichever native allocation fails, creation is refused in
   good order and leaves nothing behind. */
START_TEST(a_heap_refused_for_want_of_native_memory_leaves_nothing_behind)
{
  uint64_t before = native_bytes();
  struct mm_options options = fixture_options();
  options.workers = 2;
  enum mm_status status = MM_NO_MEMORY;
  for (uint64_t count = 1; status != MM_OK; count++) {
    struct mm_heap *heap = NULL;
    struct mm_error error;
    ck_assert_uint_lt(count, 1000);
    mm_native_fail_at(count, true);
    status = create(&options, &heap, &error);
    mm_native_fail_at(0, true);
    if (status == MM_OK) {
      mm_heap_destroy(heap);
    } else {
      ck_assert(status == MM_NO_MEMORY || status == MM_OS_FAILED);
      ck_assert_ptr_null(heap);
      ck_assert_uint_gt(strlen(error.text), 0);
    }
    ck_assert_uint_eq(native_bytes(), before);
  }
}
END_TEST

/* Situation 11, for address space.  The limits are such that some
   heaps cannot be had, and the largest can. */
#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN) /* they need the space */
START_TEST(a_heap_refused_for_want_of_address_space_says_so)
{
  struct mm_options options = fixture_options();
  struct rlimit before, limited;
  unsigned refused = 0, made = 0;
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
  options.heap_max_bytes = 256 * FIXTURE_MIB;
  limited = before;
  for (rlim_t mib = 16; mib <= 1024; mib *= 2) {
    struct mm_heap *heap = NULL;
    struct mm_error error;
    limited.rlim_cur = mib << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limited), 0);
    enum mm_status status = create(&options, &heap, &error);
    if (status == MM_OK)
      mm_heap_destroy(heap);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    made += status == MM_OK;
    refused += status == MM_NO_MEMORY && strlen(error.text) > 0;
  }
  ck_assert_uint_eq(made + refused, 7);
  ck_assert_uint_ge(refused, 4);
  ck_assert_uint_ge(made, 1);
}
END_TEST
#endif

START_TEST(a_heap_without_collector_never_collects)
{
  struct mm_options options = fixture_options();
  options.gc = MM_GC_EPSILON;
  struct fixture f;
  fixture_open(&f, &options);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  uint64_t pairs = 0;
  while (!mm_is_null(fixture_new_or_null(&f.main, FIXTURE_PAIR, 0)))
    pairs++;
  ck_assert_uint_eq(mm_collections(f.heap), 0);
  ck_assert_uint_le(pairs * 24, options.heap_max_bytes);
  ck_assert_uint_ge(pairs * 24, options.heap_max_bytes / 100 * 98);
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("options");
  tcase_add_test(tests, generations_are_refused_where_they_are_not_to_be_had);
  tcase_add_test(tests, values_out_of_range_are_refused_by_name);
  tcase_add_test(tests, the_defaults_make_a_heap);
  tcase_add_loop_test(
      tests, heaps_of_many_sizes_work_from_their_first_to_their_last_byte, 0,
      5);
  tcase_add_test(tests, several_heaps_live_side_by_side);
  tcase_add_test(tests, heaps_that_come_and_go_leave_nothing_behind);
  tcase_add_test(
      tests, a_heap_refused_for_want_of_native_memory_leaves_nothing_behind);
#if !defined(BAMBOO_ASAN) && !defined(BAMBOO_TSAN) /* they need the space */
  tcase_add_test(tests, a_heap_refused_for_want_of_address_space_says_so);
#endif
  tcase_add_test(tests, a_heap_without_collector_never_collects);
  return fixture_main("mm_options", (TCase *[]){tests, NULL});
}
