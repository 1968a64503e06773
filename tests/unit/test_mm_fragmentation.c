/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room that is there but not in one piece: large objects need regions in a
 * row, and small ones must not deny them that for ever.
 */
#include "config.h"

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum {
  REGIONS = 64,
  /* Two of them fill a region so far that no third one fits. */
  MEDIUM_BYTES = 50 * 1024,
  /* One of them fills a region. */
  LARGE_BYTES = 100 * 1024,
};

static struct fixture f;

static void open_heap(unsigned workers)
{
  struct mm_options options = fixture_options();
  options.heap_max_bytes = (uint64_t)REGIONS * FIXTURE_REGION_BYTES;
  options.heap_min_bytes = options.heap_max_bytes;
  options.workers = workers;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

/* Medium and large objects in turn, a region each, until nothing fits; then
   only the medium ones are kept, and every other region is free. */
static size_t scatter(void)
{
  size_t kept =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 2 * REGIONS));
  size_t dropped =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, REGIONS));
  f.heap->sizing.reserve_regions = 0;
  size_t count = 0;
  for (uint32_t i = 0; f.heap->regions.used + 2 <= REGIONS - 1; i++) {
    for (int half = 0; half < 2; half++) {
      struct mm_ref medium = fixture_new(&f.main, FIXTURE_BYTES, MEDIUM_BYTES);
      *fixture_data(medium, MM_ARRAY_BASE) = (char)count;
      fixture_set_element(fixture_at(&f.main, kept), count++, medium);
    }
    struct mm_ref large = fixture_new(&f.main, FIXTURE_BYTES, LARGE_BYTES);
    fixture_set_element(fixture_at(&f.main, dropped), i, large);
  }
  fixture_put(&f.main, dropped, MM_NULL);
  return count;
}

static uint32_t longest_free_run(void)
{
  uint32_t longest = 0, length = 0;
  for (uint32_t i = 0; i < f.heap->regions.count; i++) {
    bool is_free = f.heap->regions.table[i].kind == MM_REGION_FREE;
    length = is_free ? length + 1 : 0;
    if (length > longest)
      longest = length;
  }
  return longest;
}

START_TEST(a_large_object_finds_a_run_that_small_ones_had_cut_up)
{
  open_heap(1u << _i);
  size_t count = scatter();
  uint64_t before = mm_collections(f.heap);
  f.heap->sizing.next_kind = MM_COLLECTION_COMPACT;
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_eq(mm_collections(f.heap), before + 1);
  /* Every small region is full: an ordinary compaction moves nothing. */
  ck_assert_uint_lt(longest_free_run(), REGIONS / 4);
  struct mm_ref large = fixture_new_or_null(&f.main, FIXTURE_BYTES,
                                            REGIONS / 4 * FIXTURE_REGION_BYTES);
  ck_assert(!mm_is_null(large));
  for (size_t i = 0; i < count; i++) {
    struct mm_ref medium = fixture_element(fixture_at(&f.main, 0), i);
    fixture_require(*fixture_data(medium, MM_ARRAY_BASE) == (char)i);
  }
}
END_TEST

START_TEST(what_compacting_all_left_free_lies_together)
{
  open_heap(1);
  size_t count = scatter();
  /* More than there is: everything is tried, and refused. */
  struct mm_ref large = fixture_new_or_null(
      &f.main, FIXTURE_BYTES, (REGIONS - 1) * FIXTURE_REGION_BYTES);
  ck_assert(mm_is_null(large));
  ck_assert_uint_gt(count, REGIONS / 2);
  ck_assert_uint_eq(longest_free_run(),
                    f.heap->regions.count - f.heap->regions.used);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("fragmentation");
  tcase_add_checked_fixture(tests, NULL, teardown);
  tcase_add_loop_test(
      tests, a_large_object_finds_a_run_that_small_ones_had_cut_up, 0, 2);
  tcase_add_test(tests, what_compacting_all_left_free_lies_together);
  return fixture_main("mm_fragmentation", (TCase *[]){tests, NULL});
}
