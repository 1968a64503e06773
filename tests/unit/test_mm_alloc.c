/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation: TLABs, objects of all sizes and kinds, the walk over them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/alloc/tlab_internal.h"
#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;

static void setup(void)
{
  struct mm_options options = fixture_options();
  fixture_open(&f, &options);
}

static void teardown(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

static bool is_zero(struct mm_ref ref, size_t offset)
{
  size_t bytes = mm_object_bytes(ref);
  for (; offset < bytes; offset++)
    if (*fixture_data(ref, offset) != 0)
      return false;
  return true;
}

static void dirty(struct mm_ref ref, size_t offset)
{
  memset(fixture_data(ref, offset), 0xee, mm_object_bytes(ref) - offset);
}

/* Situation 1. */
START_TEST(arrays_of_all_small_lengths_are_aligned_zero_and_apart)
{
  enum { LENGTHS = 2000 };
  size_t array = fixture_push(&f.main, MM_NULL);
  uintptr_t last = 0;
  for (uint32_t length = 0; length < LENGTHS; length++) {
    struct mm_ref bytes = fixture_new(&f.main, FIXTURE_BYTES, length);
    uintptr_t at = (uintptr_t)mm_address(bytes);
    ck_assert_uint_eq(at % 8, 0);
    ck_assert(is_zero(bytes, MM_ARRAY_BASE));
    ck_assert_uint_eq(mm_length_word(bytes), length);
    ck_assert_uint_eq(mm_object_bytes(bytes),
                      (MM_ARRAY_BASE + length + 7) & ~7u);
    ck_assert_uint_ne(at, last);
    dirty(bytes, MM_ARRAY_BASE);
    last = at;
  }
  (void)array;
}
END_TEST

START_TEST(objects_of_every_kind_have_their_class_size_and_zero_content)
{
  static const uint32_t lengths[] = {0, 1, 2, 3, 7, 100, 3000, 40000, 200000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    for (int kind = 0; kind < FIXTURE_KIND_COUNT; kind++) {
      struct mm_ref ref = fixture_new(&f.main, kind, lengths[i]);
      ck_assert_ptr_eq(mm_layout_of(ref), &f.classes[kind]->layout);
      ck_assert_uint_eq(*mm_mark_word(ref), 0);
      size_t base = f.classes[kind]->layout.kind == MM_KIND_PLAIN ? 8 : 12;
      ck_assert(is_zero(ref, base));
    }
}
END_TEST

START_TEST(strings_take_one_or_two_bytes_a_unit)
{
  struct mm_ref narrow = fixture_new(&f.main, FIXTURE_STRING, 9);
  ck_assert_uint_eq(mm_length_word(narrow), 9 << 1);
  ck_assert_uint_eq(mm_object_bytes(narrow), 32);
  struct mm_ref wide = fixture_wide_string(&f.main, 9);
  ck_assert_uint_eq(mm_length_word(wide), 9 << 1 | 1);
  ck_assert_uint_eq(mm_object_bytes(wide), 40);
}
END_TEST

/* Situation 2. */
START_TEST(requests_beyond_the_heap_are_null_and_do_no_harm)
{
  size_t list = fixture_push_list(&f.main, 1000);
  static const struct {
    enum fixture_kind kind;
    uint32_t length;
  } requests[] = {
      {FIXTURE_BYTES, INT32_MAX},        {FIXTURE_REFS, INT32_MAX},
      {FIXTURE_LONGS, INT32_MAX},        {FIXTURE_STRING, INT32_MAX / 2},
      {FIXTURE_BYTES, 33 * 1024 * 1024}, {FIXTURE_LONGS, 1u << 29},
  };
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
    ck_assert(mm_is_null(
        fixture_new_or_null(&f.main, requests[i].kind, requests[i].length)));
  ck_assert(mm_is_null(mm_alloc_nonmoving(
      &f.main.mutator, &f.classes[FIXTURE_LONGS]->layout, INT32_MAX)));
  fixture_check_list(fixture_at(&f.main, list), 1000);
  fixture_new(&f.main, FIXTURE_BYTES, 1 << 20);
}
END_TEST

START_TEST(a_large_object_starts_a_region_of_its_own)
{
  struct mm_ref large = fixture_new(&f.main, FIXTURE_BYTES, 300 * 1024);
  struct mm_region *region =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(large));
  ck_assert_int_eq(region->kind, MM_REGION_LARGE);
  ck_assert_uint_eq(region->span, 1 + 300 * 1024 / FIXTURE_REGION_BYTES);
  ck_assert_uint_eq((uintptr_t)mm_address(large) % MM_REGION_BYTES, 0);
  ck_assert(is_zero(large, MM_ARRAY_BASE));
}
END_TEST

START_TEST(sizes_around_half_a_region_fall_on_the_right_side)
{
  for (uint32_t bytes = MM_REGION_BYTES / 2 - 16;
       bytes <= MM_REGION_BYTES / 2 + 16; bytes += 8) {
    struct mm_ref ref =
        fixture_new(&f.main, FIXTURE_BYTES, bytes - MM_ARRAY_BASE);
    ck_assert_uint_eq(mm_object_bytes(ref), bytes);
    uint8_t kind =
        mm_region_of(&f.heap->regions, (uintptr_t)mm_address(ref))->kind;
    ck_assert_int_eq(kind, bytes > MM_REGION_BYTES / 2 ? MM_REGION_LARGE
                                                       : MM_REGION_SMALL);
  }
}
END_TEST

/* Situation 8. */
START_TEST(a_tlab_is_filled_to_its_last_byte)
{
  fixture_new(&f.main, FIXTURE_LEAF, 0);
  struct mm_mutator *mutator = &f.main.mutator;
  uint64_t refills = mutator->refills;
  uint64_t left = (mutator->tlab_end - mutator->tlab_cursor) / 8;
  ck_assert_uint_gt(left, 0);
  for (uint64_t i = 0; i < left; i++)
    fixture_new(&f.main, FIXTURE_LEAF, 0);
  ck_assert_uint_eq(mutator->tlab_cursor, mutator->tlab_end);
  ck_assert_uint_eq(mutator->refills, refills);
  fixture_new(&f.main, FIXTURE_LEAF, 0);
  ck_assert_uint_eq(mutator->refills, refills + 1);
}
END_TEST

/* Situation 8. */
START_TEST(objects_too_large_for_a_tlab_leave_it_alone)
{
  fixture_pair(&f.main);
  struct mm_mutator *mutator = &f.main.mutator;
  uintptr_t cursor = mutator->tlab_cursor;
  ck_assert_uint_ne(cursor, 0);
  for (int i = 0; i < 20; i++)
    fixture_new(&f.main, FIXTURE_BYTES, MM_TLAB_OBJECT_MAX_BYTES);
  ck_assert_uint_eq(mutator->tlab_cursor, cursor);
}
END_TEST

/* Situation 8. */
START_TEST(the_size_of_tlabs_follows_the_rate_up_and_down_to_its_bounds)
{
  struct mm_mutator *mutator = &f.main.mutator;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 500000; i++)
      fixture_pair(&f.main);
    mm_collect(mutator, MM_CAUSE_EXPLICIT);
  }
  ck_assert_uint_gt(mutator->tlab_bytes, MM_TLAB_MIN_BYTES);
  ck_assert_uint_le(mutator->tlab_bytes, MM_TLAB_MAX_BYTES);
  mm_collect(mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_eq(mutator->tlab_bytes, MM_TLAB_MIN_BYTES);
}
END_TEST

struct seen {
  struct mm_ref *refs;
  size_t count, capacity;
};

static void see(void *context, struct mm_ref ref)
{
  struct seen *seen = context;
  ck_assert_uint_lt(seen->count, seen->capacity);
  seen->refs[seen->count++] = ref;
}

static int by_bits(const void *a, const void *b)
{
  uint32_t x = ((const struct mm_ref *)a)->bits;
  uint32_t y = ((const struct mm_ref *)b)->bits;
  return x < y ? -1 : x > y;
}

static struct mm_ref random_object(uint64_t *seed)
{
  uint64_t kind = fixture_random(seed) % (FIXTURE_KIND_COUNT + 1);
  uint32_t length = (uint32_t)(fixture_random(seed) % 400);
  if (fixture_random(seed) % 100 == 0)
    length = (uint32_t)(fixture_random(seed) % 50000);
  if (kind == FIXTURE_KIND_COUNT)
    return fixture_nonmoving(&f.main, FIXTURE_BYTES, length);
  return fixture_new(&f.main, (enum fixture_kind)kind, length);
}

/* Situations 3, 64 and 65.  A walk between allocations ends the TLAB, which
   leaves gaps for the next walk to step over. */
START_TEST(a_walk_sees_each_object_once_and_nothing_else)
{
  enum { OBJECTS = 4000 };
  struct mm_ref *made = calloc(OBJECTS, sizeof *made);
  struct seen seen = {calloc(OBJECTS, sizeof *made), 0, OBJECTS};
  uint64_t seed = 77 + (uint64_t)_i;
  for (size_t i = 0; i < OBJECTS; i++) {
    made[i] = random_object(&seed);
    if (fixture_random(&seed) % 200 == 0)
      fixture_census(&f);
  }
  ck_assert_uint_eq(mm_collections(f.heap), 0);
  mm_heap_walk(f.heap, see, &seen);
  ck_assert_uint_eq(seen.count, OBJECTS);
  qsort(made, OBJECTS, sizeof *made, by_bits);
  qsort(seen.refs, OBJECTS, sizeof *made, by_bits);
  ck_assert_mem_eq(made, seen.refs, OBJECTS * sizeof *made);
  free(made);
  free(seen.refs);
}
END_TEST

/* Situation 66. */
START_TEST(only_starts_of_objects_are_objects)
{
  struct mm_ref pair = fixture_pair(&f.main);
  struct mm_ref large = fixture_new(&f.main, FIXTURE_BYTES, 600 * 1024);
  struct mm_ref fixed = fixture_nonmoving(&f.main, FIXTURE_PAIR, 0);
  const struct mm_ref objects[] = {pair, large, fixed};
  for (size_t i = 0; i < 3; i++) {
    char *at = mm_address(objects[i]);
    ck_assert(mm_is_object(f.heap, at));
    for (int offset = 1; offset < 24; offset++)
      ck_assert(!mm_is_object(f.heap, at + offset));
  }
  ck_assert(!mm_is_object(f.heap, NULL));
  ck_assert(!mm_is_object(f.heap, &pair));
  ck_assert(
      !mm_is_object(f.heap, (char *)mm_address(large) + FIXTURE_REGION_BYTES));
  uintptr_t end = f.heap->regions.base +
                  (uintptr_t)f.heap->regions.count * FIXTURE_REGION_BYTES;
  ck_assert(!mm_is_object(f.heap, (void *)end));
  ck_assert(!mm_is_object(f.heap, (void *)(end - 8)));
  ck_assert(!mm_is_object(f.heap, (void *)(f.heap->regions.base - 8)));
}
END_TEST

START_TEST(a_gap_is_no_object)
{
  fixture_pair(&f.main);
  struct fixture_thread other; /* its TLAB stands behind the first one's */
  fixture_attach(&f, &other);
  fixture_pair(&other);
  struct mm_ref last = fixture_pair(&f.main);
  ck_assert(!mm_is_object(f.heap, (char *)mm_address(last) + 24));
  fixture_detach(&other);
}
END_TEST

/* Situation 62. */
START_TEST(allocated_minus_freed_is_what_a_walk_finds)
{
  uint64_t seed = 5;
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 3000; i++) {
      struct mm_ref ref = random_object(&seed);
      if (i % 7 == 0)
        fixture_push(&f.main, ref);
    }
    uint64_t walked = fixture_census(&f).bytes;
    ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES) -
                          mm_stat_counter(&f.heap->stat, MM_COUNT_FREED_BYTES),
                      walked);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    walked = fixture_census(&f).bytes;
    ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES) -
                          mm_stat_counter(&f.heap->stat, MM_COUNT_FREED_BYTES),
                      walked);
    ck_assert_uint_eq(f.heap->stat.current.after.live_bytes, walked);
  }
}
END_TEST

START_TEST(scopes_start_null_and_nest)
{
  struct mm_ref outer_refs[3], inner_refs[2];
  struct mm_scope outer, inner;
  mm_scope_open(&f.main.mutator, &outer, outer_refs, 3);
  for (int i = 0; i < 3; i++)
    ck_assert(mm_is_null(outer_refs[i]));
  mm_scope_open(&f.main.mutator, &inner, inner_refs, 2);
  ck_assert_ptr_eq(f.main.mutator.scopes, &inner);
  mm_scope_close(&f.main.mutator, &inner);
  ck_assert_ptr_eq(f.main.mutator.scopes, &outer);
  mm_scope_close(&f.main.mutator, &outer);
  ck_assert_ptr_null(f.main.mutator.scopes);
}
END_TEST

START_TEST(metadata_is_zero_aligned_and_fits_a_class_word)
{
  for (size_t bytes = 1; bytes < 100000; bytes = bytes * 2 + 1) {
    char *at = mm_metadata_alloc(f.heap, bytes);
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq((uintptr_t)at % 16, 0);
    ck_assert_uint_le((uintptr_t)at + bytes, UINT32_MAX);
    for (size_t i = 0; i < bytes; i++)
      ck_assert_int_eq(at[i], 0);
    memset(at, 0xff, bytes);
  }
  ck_assert_ptr_null(mm_metadata_alloc(f.heap, (size_t)1 << 40));
  ck_assert_ptr_nonnull(mm_metadata_alloc(f.heap, 16));
}
END_TEST

START_TEST(gaps_of_the_non_moving_space_are_used_again)
{
  enum { OBJECTS = 4000 };
  for (int i = 0; i < OBJECTS; i++) {
    struct mm_ref ref = fixture_nonmoving(&f.main, FIXTURE_BYTES, 100);
    if (i % 2)
      fixture_push(&f.main, ref);
  }
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  uint64_t used = mm_heap_used_bytes(f.heap);
  for (int i = 0; i < OBJECTS / 2; i++)
    ck_assert(
        is_zero(fixture_nonmoving(&f.main, FIXTURE_BYTES, 100), MM_ARRAY_BASE));
  ck_assert_uint_le(mm_heap_used_bytes(f.heap), used + FIXTURE_REGION_BYTES);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("allocation");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, arrays_of_all_small_lengths_are_aligned_zero_and_apart);
  tcase_add_test(tests,
                 objects_of_every_kind_have_their_class_size_and_zero_content);
  tcase_add_test(tests, strings_take_one_or_two_bytes_a_unit);
  tcase_add_test(tests, requests_beyond_the_heap_are_null_and_do_no_harm);
  tcase_add_test(tests, a_large_object_starts_a_region_of_its_own);
  tcase_add_test(tests, sizes_around_half_a_region_fall_on_the_right_side);
  tcase_add_test(tests, a_tlab_is_filled_to_its_last_byte);
  tcase_add_test(tests, objects_too_large_for_a_tlab_leave_it_alone);
  tcase_add_test(tests,
                 the_size_of_tlabs_follows_the_rate_up_and_down_to_its_bounds);
  tcase_add_loop_test(tests, a_walk_sees_each_object_once_and_nothing_else, 0,
                      3);
  tcase_add_test(tests, only_starts_of_objects_are_objects);
  tcase_add_test(tests, a_gap_is_no_object);
  tcase_add_test(tests, allocated_minus_freed_is_what_a_walk_finds);
  tcase_add_test(tests, scopes_start_null_and_nest);
  tcase_add_test(tests, metadata_is_zero_aligned_and_fits_a_class_word);
  tcase_add_test(tests, gaps_of_the_non_moving_space_are_used_again);
  return fixture_main("mm_alloc", (TCase *[]){tests, NULL});
}
