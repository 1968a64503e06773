/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: every class, random use beside a model, runs that come and go,
 * wrong frees.  What several threads do is in test_mm_slots_threads.c.
 */
#include "config.h"

#include <string.h>

#include "mm/alloc/slots_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"
#include "tests/unit/slots_fixture.h"

static struct slots_fixture f;
static struct mm_slots_cache *cache;

static void setup(void)
{
  slots_fixture_open(&f, NULL, 0);
  cache = mm_slots_cache_acquire(f.slots);
  ck_assert_ptr_nonnull(cache);
}

static void teardown(void)
{
  mm_slots_cache_release(cache);
  slots_fixture_close(&f);
}

static const struct mm_classes *classes(void)
{
  return &f.slots->classes;
}

static size_t slots_of_class(size_t i)
{
  return MM_SPAN_BYTES / classes()->bytes[i];
}

static void *alloc(size_t bytes)
{
  void *block = mm_slots_alloc(cache, bytes);
  fixture_require(block);
  return block;
}

/* Blocks of one size ----------------------------------------------------------
 */

static void *blocks[1 << 16];

static void alloc_many(size_t bytes, size_t count)
{
  for (size_t i = 0; i < count; i++)
    blocks[i] = alloc(bytes);
}

static void free_many(size_t count)
{
  for (size_t i = 0; i < count; i++)
    mm_slots_free(cache, blocks[i]);
}

/* Situations 1 and 4: the first slot and the last one, too. */
START_TEST(a_run_of_each_class_is_used_from_its_first_slot_to_its_last)
{
  size_t bytes = classes()->bytes[_i], count = slots_of_class((size_t)_i);
  alloc_many(bytes, count);
  uintptr_t start = (uintptr_t)blocks[0];
  ck_assert_uint_eq(start % MM_SPAN_BYTES, 0);
  for (size_t i = 0; i < count; i++) {
    fixture_require((uintptr_t)blocks[i] == start + i * bytes);
    fixture_require((uintptr_t)blocks[i] % slots_fixture_align(bytes) == 0);
    memset(blocks[i], (int)i, bytes);
  }
  ck_assert_uint_eq(f.source.held, 1);
  for (size_t i = 0; i < count; i++)
    fixture_require(slots_fixture_all_are(blocks[i], bytes, (uint8_t)i));
  slots_fixture_check(&f);
  alloc(bytes);
  ck_assert_uint_eq(f.source.held, 2);
  free_many(count);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(each_size_gets_a_block_that_holds_it)
{
  for (size_t bytes = 0; bytes <= MM_SLOTS_MOST_BYTES; bytes++) {
    char *block = alloc(bytes);
    size_t granted = mm_allocator_block_bytes(f.allocator, block);
    fixture_require(granted >= bytes);
    fixture_require(granted <= 16 || granted - bytes <= granted / 8 + 15);
    memset(block, 1, granted);
    blocks[bytes] = block;
  }
  slots_fixture_check(&f);
  free_many(MM_SLOTS_MOST_BYTES + 1);
}
END_TEST

/* Situation 2. */
START_TEST(a_size_beyond_the_largest_class_is_refused)
{
  static const size_t sizes[] = {MM_SLOTS_MOST_BYTES + 1, 4096,
                                 MM_SPAN_BYTES,           SIZE_MAX / 2,
                                 SIZE_MAX - 15,           SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ck_assert_ptr_null(mm_slots_alloc(cache, sizes[i]));
    ck_assert_ptr_null(mm_allocator_alloc(f.allocator, sizes[i]));
    ck_assert_ptr_null(mm_allocator_alloc_aligned(f.allocator, sizes[i], 16));
  }
  ck_assert_uint_eq(f.source.takes, 0);
}
END_TEST

/* Situation 1. */
START_TEST(blocks_are_aligned_as_asked_for)
{
  for (size_t align = 1; align <= MM_SLOTS_MOST_BYTES; align *= 2)
    for (size_t bytes = 1; bytes <= MM_SLOTS_MOST_BYTES; bytes += 37) {
      char *block = mm_allocator_alloc_aligned(f.allocator, bytes, align);
      fixture_require(block && (uintptr_t)block % align == 0);
      fixture_require(mm_allocator_block_bytes(f.allocator, block) >= bytes);
      memset(block, 1, bytes);
    }
  ck_assert_ptr_null(
      mm_allocator_alloc_aligned(f.allocator, 16, 2 * MM_SLOTS_MOST_BYTES));
  slots_fixture_check(&f);
}
END_TEST

START_TEST(a_slot_just_freed_is_used_again)
{
  void *block = alloc(24);
  alloc_many(24, 10);
  mm_slots_free(cache, block);
  ck_assert_ptr_eq(alloc(24), block);
}
END_TEST

START_TEST(null_may_be_freed)
{
  mm_slots_free(cache, NULL);
  mm_allocator_free(f.allocator, NULL);
  ck_assert_uint_eq(f.faults, 0);
}
END_TEST

/* Random use
 * ------------------------------------------------------------------- */

/* Situation 3. */
START_TEST(random_use_agrees_with_a_model)
{
  enum { STEPS = 60000, CHECK_EACH = 6000 };
  struct slots_model model = {.slots = &f};
  uint64_t seed = 11 + (uint64_t)_i;
  for (int step = 0; step < STEPS; step++) {
    slots_model_step(&model, cache, &seed);
    if (step % CHECK_EACH == 0)
      slots_model_compare(&model);
  }
  slots_model_compare(&model);
  slots_model_free_all(&model, cache);
  slots_model_compare(&model);
  mm_slots_cache_trim(cache);
  ck_assert_uint_eq(f.source.held, 0);
}
END_TEST

/* The same through the functions of the class. */
START_TEST(random_use_of_the_class_agrees_with_a_model)
{
  enum { STEPS = 20000 };
  struct slots_model model = {.slots = &f};
  uint64_t seed = 3;
  for (int step = 0; step < STEPS; step++)
    slots_model_step(&model, NULL, &seed);
  slots_model_compare(&model);
  slots_model_free_all(&model, NULL);
  slots_model_compare(&model);
}
END_TEST

START_TEST(stats_tell_what_is_held_used_and_free)
{
  struct mm_alloc_stats stats;
  mm_allocator_stats(f.allocator, &stats);
  ck_assert_uint_eq(stats.held_bytes + stats.blocks + stats.largest_free_bytes,
                    0);
  alloc_many(100, 10); /* of 104 bytes */
  alloc_many(48, MM_SPAN_BYTES / 48);
  mm_allocator_stats(f.allocator, &stats);
  ck_assert_uint_eq(stats.held_bytes, 2 * MM_SPAN_BYTES);
  ck_assert_uint_eq(stats.blocks, 10 + MM_SPAN_BYTES / 48);
  ck_assert_uint_eq(stats.used_bytes, 10 * 104 + MM_SPAN_BYTES / 48 * 48);
  ck_assert_uint_eq(stats.free_bytes, (MM_SPAN_BYTES / 104 - 10) * 104);
  ck_assert_uint_eq(stats.largest_free_bytes, 104);
}
END_TEST

/* Runs that come and go
 * --------------------------------------------------------- */

START_TEST(slots_return_an_empty_run)
{
  size_t count = 5 * slots_of_class(3);
  alloc_many(classes()->bytes[3], count);
  ck_assert_uint_eq(f.source.held, 5);
  free_many(count);
  ck_assert_uint_le(f.source.held, 3); /* current, kept, of the hot block */
  slots_fixture_check(&f);
  mm_slots_cache_trim(cache);
  ck_assert_uint_eq(f.source.held, 0);
  slots_fixture_check(&f);
}
END_TEST

START_TEST(a_run_at_the_edge_does_not_come_and_go)
{
  size_t count = slots_of_class(3);
  alloc_many(classes()->bytes[3], count);
  for (int i = 0; i < 100; i++) {
    void *block = alloc(classes()->bytes[3]);
    mm_slots_free(cache, block);
  }
  ck_assert_uint_eq(f.source.takes, 2);
  ck_assert_uint_eq(f.source.gives, 0);
  free_many(count);
}
END_TEST

START_TEST(free_slots_are_used_before_new_memory)
{
  size_t bytes = classes()->bytes[_i], count = 4 * slots_of_class((size_t)_i);
  alloc_many(bytes, count);
  for (size_t i = 0; i < count; i += 3)
    mm_slots_free(cache, blocks[i]);
  for (size_t i = 0; i < count; i += 3)
    blocks[i] = alloc(bytes);
  ck_assert_uint_eq(f.source.takes, 4);
  slots_fixture_check(&f);
  free_many(count);
}
END_TEST

START_TEST(a_returned_span_serves_another_class)
{
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < classes()->count; i++) {
      size_t count = slots_of_class(i);
      alloc_many(classes()->bytes[i], count);
      slots_fixture_check(&f);
      free_many(count);
      mm_slots_cache_trim(cache);
    }
  ck_assert_uint_eq(f.source.held, 0);
  ck_assert_uint_eq(f.slots->spans, 1);
}
END_TEST

/* A source that refuses
 * ---------------------------------------------------------- */

START_TEST(a_refusing_source_is_a_null_and_does_no_harm)
{
  f.source.limit = 1;
  size_t count = slots_of_class(5);
  alloc_many(classes()->bytes[5], count);
  ck_assert_ptr_null(mm_slots_alloc(cache, classes()->bytes[5]));
  ck_assert_ptr_null(mm_slots_alloc(cache, 16));
  ck_assert_ptr_null(mm_allocator_alloc(f.allocator, 16));
  slots_fixture_check(&f);
  mm_slots_free(cache, blocks[7]);
  ck_assert_ptr_eq(alloc(classes()->bytes[5]), blocks[7]);
  f.source.limit = 2;
  alloc(16);
  slots_fixture_check(&f);
  free_many(count);
}
END_TEST

START_TEST(kept_empty_runs_are_given_up_when_the_source_refuses)
{
  f.source.limit = 3;
  size_t count = 2 * slots_of_class(0);
  alloc_many(classes()->bytes[0], count);
  free_many(count);
  ck_assert_uint_eq(f.source.held, 2);
  count = 3 * slots_of_class(9);
  alloc_many(classes()->bytes[9], count);
  ck_assert_uint_eq(f.source.held, 3);
  ck_assert_ptr_null(mm_slots_alloc(cache, 16));
  slots_fixture_check(&f);
  free_many(count);
}
END_TEST

START_TEST(side_tables_that_the_machine_refuses_are_a_status)
{
  struct mm_source vast = {.base = f.source.source.base,
                           .reserved_bytes = (uint64_t)1 << 56};
  struct mm_slots *slots = NULL;
  uint64_t charged = mm_native_bytes(MM_PURPOSE_ALLOCATORS);
  ck_assert_int_eq(mm_slots_create(&vast, NULL, 0, NULL, NULL, &slots),
                   MM_NO_MEMORY);
  ck_assert_ptr_null(slots);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ALLOCATORS), charged);
}
END_TEST

/* Extra sizes
 * -------------------------------------------------------------------- */

START_TEST(an_extra_size_fits_exactly)
{
  static const uint32_t extra[] = {600, 1490};
  struct slots_fixture other;
  slots_fixture_open(&other, extra, 2);
  for (size_t i = 0; i < 2; i++) {
    void *block = mm_allocator_alloc(other.allocator, extra[i]);
    ck_assert_uint_eq(mm_allocator_block_bytes(other.allocator, block),
                      (extra[i] + 7) / 8 * 8);
  }
  slots_fixture_check(&other);
  slots_fixture_close(&other);
}
END_TEST

START_TEST(too_many_extra_sizes_are_refused)
{
  uint32_t extra[MM_CLASSES_MOST + 1];
  struct mm_slots *slots = NULL;
  for (uint32_t i = 0; i <= MM_CLASSES_MOST; i++)
    extra[i] = (i + 1) * 16;
  uint64_t charged = mm_native_bytes(MM_PURPOSE_ALLOCATORS);
  ck_assert_int_eq(mm_slots_create(&f.source.source, extra, MM_CLASSES_MOST + 1,
                                   NULL, NULL, &slots),
                   MM_BAD_OPTION);
  ck_assert_ptr_null(slots);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ALLOCATORS), charged);
}
END_TEST

/* What is a block, and what is not
 * ------------------------------------------------ */

START_TEST(only_starts_of_blocks_are_blocks)
{
  char *block = alloc(48);
  ck_assert(mm_allocator_is_block(f.allocator, block));
  for (int offset = 1; offset < 48; offset++)
    ck_assert(!mm_allocator_is_block(f.allocator, block + offset));
  ck_assert(!mm_allocator_is_block(f.allocator, block + 48));
  ck_assert(!mm_allocator_is_block(f.allocator, block + MM_SPAN_BYTES));
  ck_assert(!mm_allocator_is_block(f.allocator, NULL));
  ck_assert(!mm_allocator_is_block(f.allocator, &block));
  ck_assert(!mm_allocator_is_block(f.allocator, (char *)UINTPTR_MAX));
  char *rest = block + MM_SPAN_BYTES / 48 * 48;
  ck_assert(!mm_allocator_is_block(f.allocator, rest));
  mm_slots_free(cache, block);
  ck_assert(!mm_allocator_is_block(f.allocator, block));
}
END_TEST

static void expect_fault(enum mm_slots_fault fault, const void *address)
{
  ck_assert_uint_eq(f.faults, 1);
  ck_assert_int_eq(f.fault, fault);
  ck_assert_ptr_eq(f.fault_at, address);
  f.faults = 0;
  slots_fixture_check(&f);
}

START_TEST(a_block_freed_twice_is_reported)
{
  alloc_many(40, 100);
  mm_slots_free(cache, blocks[50]);
  mm_slots_free(cache, blocks[50]);
  expect_fault(MM_SLOTS_FREED_TWICE, blocks[50]);
  mm_allocator_free(f.allocator, blocks[50]);
  expect_fault(MM_SLOTS_FREED_TWICE, blocks[50]);
  blocks[50] = alloc(40);
  free_many(100);
  ck_assert_uint_eq(f.faults, 0);
}
END_TEST

/* Through the shared cache, which does not own the run. */
START_TEST(a_block_freed_twice_by_others_is_reported)
{
  alloc_many(40, 100);
  mm_allocator_free(f.allocator, blocks[50]);
  mm_allocator_free(f.allocator, blocks[50]);
  expect_fault(MM_SLOTS_FREED_TWICE, blocks[50]);
}
END_TEST

/* The owner does not look at the remote bitmap until it gathers. */
START_TEST(a_block_freed_by_another_and_by_its_owner_is_reported)
{
  alloc_many(40, 100);
  mm_allocator_free(f.allocator, blocks[50]);
  mm_slots_free(cache, blocks[50]);
  ck_assert_uint_eq(f.faults, 0);
  mm_slots_cache_trim(cache);
  expect_fault(MM_SLOTS_FREED_TWICE, blocks[50]);
  blocks[50] = alloc(40);
  free_many(100);
  ck_assert_uint_eq(f.faults, 0);
}
END_TEST

START_TEST(addresses_that_are_no_block_are_reported_not_freed)
{
  char *block = alloc(48);
  char *wrong[] = {
      block + 1,
      block + 16,
      block + 47,
      block + MM_SPAN_BYTES / 48 * 48, /* the rest of the run */
      block + MM_SPAN_BYTES,           /* no run */
      (char *)f.source.source.base + f.source.source.reserved_bytes,
      (char *)&block,
      (char *)8,
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    mm_slots_free(cache, wrong[i]);
    expect_fault(MM_SLOTS_NO_BLOCK, wrong[i]);
    mm_allocator_free(f.allocator, wrong[i]);
    expect_fault(MM_SLOTS_NO_BLOCK, wrong[i]);
  }
  mm_slots_free(cache, block);
  ck_assert_uint_eq(f.faults, 0);
}
END_TEST

START_TEST(a_wrong_free_ends_the_process_unless_it_is_heard_of)
{
  f.slots->report = NULL;
  void *block = alloc(48);
  if (_i == 1)
    mm_slots_free(cache, (char *)block + 16);
  mm_slots_free(cache, block);
  mm_slots_free(cache, block);
}
END_TEST

/* Checks that find something
 * ------------------------------------------------------ */

static struct mm_slots_run *run_of(const void *block)
{
  uintptr_t offset = (uintptr_t)block - f.source.source.base;
  return f.slots->tags[offset >> MM_SPAN_LOG2].run;
}

/* Breaks what `field` holds, wants a complaint, mends it. */
#define expect_complaint(field, value, text)                                   \
  do {                                                                         \
    __typeof__(field) before = (field);                                        \
    (field) = (value);                                                         \
    const char *wrong = mm_allocator_check(f.allocator);                       \
    ck_assert_msg(wrong &&strstr(wrong, (text)), "%s", wrong ? wrong : "-");   \
    (field) = before;                                                          \
    slots_fixture_check(&f);                                                   \
  } while (0)

START_TEST(the_check_finds_what_is_broken)
{
  size_t class = mm_class_of(classes(), 48);
  size_t count = 3 * slots_of_class(class);
  alloc_many(48, count);
  mm_slots_free(cache, blocks[count / 2]); /* hot */
  mm_slots_free(cache, blocks[0]);
  alloc(100);
  struct mm_slots_run *partial = run_of(blocks[0]);
  struct mm_slots_run *full = run_of(blocks[count / 2]);
  struct mm_slots_bin *bin = &cache->bins[class];
  struct mm_slots_remote *remote =
      (struct mm_slots_remote *)((uintptr_t)partial + f.slots->mirror_bytes);
  expect_complaint(partial->left, 0, "count of used");
  expect_complaint(partial->left, partial->left + 1, "count of used");
  expect_complaint(partial->free[0], 3, "count of used");
  expect_complaint(remote->words[1], 1, "freed by other");
  expect_complaint(partial->debt, 1, "freed by other");
  expect_complaint(partial->free[21], (uint64_t)1 << 22, "beyond the last");
  expect_complaint(partial->tag, full->tag, "another span");
  expect_complaint(partial->summary, UINT64_MAX, "beyond the last word");
  expect_complaint(partial->summary, 0, "summary");
  expect_complaint(partial->tag->class, 3, "divided");
  expect_complaint(partial->state, MM_SLOTS_NONE, "is in use");
  expect_complaint(partial->state, MM_SLOTS_FULL, "full run");
  expect_complaint(partial->state, MM_SLOTS_EMPTY, "empty run");
  expect_complaint(partial->previous, full, "not linked");
  expect_complaint(full->state, MM_SLOTS_CURRENT, "lost");
  expect_complaint(remote->count, 1, "freed by other");
  expect_complaint(remote->words[0], 1, "free twice");
  expect_complaint(bin->first, NULL, "end of a row");
  expect_complaint(bin->current, partial, "current run is not");
  expect_complaint(bin->current, NULL, "lost");
  expect_complaint(bin->from, NULL, "without a run");
  expect_complaint(bin->from, cache->bins[mm_class_of(classes(), 100)].from,
                   "strange run");
  expect_complaint(bin->word_start, 0, "not of its run");
  expect_complaint(bin->empty_count, 1, "count of empty");
  expect_complaint(bin->empty, partial, "among the empty");
  expect_complaint(f.slots->run_count, 1, "count of runs");
  void **hot = &cache->hot[class];
  expect_complaint(*hot, (char *)*hot + 8, "hot block is of a strange run");
  expect_complaint(*hot, blocks[0], "hot block is free");
  expect_complaint(*hot, (char *)*hot + f.source.source.reserved_bytes,
                   "hot block is none");
  struct mm_slots_cache *other = mm_slots_cache_acquire(f.slots);
  expect_complaint(partial->tag->owner, other, "strange run");
  mm_slots_cache_release(other);
  free_many(count);
  f.faults = 0; /* two of them were free */
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("slots");
  int count = 40; /* classes of 16 bytes to 2 KiB */
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(
      tests, a_run_of_each_class_is_used_from_its_first_slot_to_its_last, 0,
      count);
  tcase_add_test(tests, each_size_gets_a_block_that_holds_it);
  tcase_add_test(tests, a_size_beyond_the_largest_class_is_refused);
  tcase_add_test(tests, blocks_are_aligned_as_asked_for);
  tcase_add_test(tests, a_slot_just_freed_is_used_again);
  tcase_add_test(tests, null_may_be_freed);
  tcase_add_loop_test(tests, random_use_agrees_with_a_model, 0, 3);
  tcase_add_test(tests, random_use_of_the_class_agrees_with_a_model);
  tcase_add_test(tests, stats_tell_what_is_held_used_and_free);
  tcase_add_test(tests, slots_return_an_empty_run);
  tcase_add_test(tests, a_run_at_the_edge_does_not_come_and_go);
  tcase_add_loop_test(tests, free_slots_are_used_before_new_memory, 0, count);
  tcase_add_test(tests, a_returned_span_serves_another_class);
  tcase_add_test(tests, a_refusing_source_is_a_null_and_does_no_harm);
  tcase_add_test(tests, kept_empty_runs_are_given_up_when_the_source_refuses);
  tcase_add_test(tests, side_tables_that_the_machine_refuses_are_a_status);
  tcase_add_test(tests, an_extra_size_fits_exactly);
  tcase_add_test(tests, too_many_extra_sizes_are_refused);
  tcase_add_test(tests, only_starts_of_blocks_are_blocks);
  tcase_add_test(tests, a_block_freed_twice_is_reported);
  tcase_add_test(tests, a_block_freed_twice_by_others_is_reported);
  tcase_add_test(tests, a_block_freed_by_another_and_by_its_owner_is_reported);
  tcase_add_test(tests, addresses_that_are_no_block_are_reported_not_freed);
  tcase_add_test(tests, the_check_finds_what_is_broken);
  fixture_add_death(tests, a_wrong_free_ends_the_process_unless_it_is_heard_of,
                    0, MM_FATAL_STATUS, 0, 2);
  return fixture_main("mm_slots", (TCase *[]){tests, NULL});
}
