/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas and bump allocators behind the face that all allocators have; the
   metadata space, which is an arena with a limit.  Situations 1, 2, 4, 66. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/alloc/arena_internal.h"
#include "mm/alloc/bump_allocator_internal.h"
#include "mm/alloc/starts_internal.h"
#include "mm/native.h"
#include "mm/space/metadata_internal.h"
#include "tests/unit/mm_fixture.h"

enum { SPANS = 32, BLOCKS = 2000 };

/* A source over one piece of memory; one `take` at a time. */
static struct {
  struct mm_source source;
  size_t taken_bytes;
} spans;

static uintptr_t spans_take(struct mm_source *source, size_t bytes)
{
  ck_assert_uint_eq(bytes % MM_SPAN_BYTES, 0);
  ck_assert_uint_eq(spans.taken_bytes, 0);
  if (bytes > source->reserved_bytes)
    return 0;
  spans.taken_bytes = bytes;
  return source->base;
}

static void spans_give(struct mm_source *source, uintptr_t at, size_t bytes)
{
  ck_assert_uint_eq(at, source->base);
  ck_assert_uint_eq(bytes, spans.taken_bytes);
  spans.taken_bytes = 0;
}

static struct mm_allocator *allocator;
static uint64_t native_before;

static void open_spans(void)
{
  spans.taken_bytes = 0;
  spans.source = (struct mm_source){
      .base = (uintptr_t)aligned_alloc(MM_SPAN_BYTES, SPANS * MM_SPAN_BYTES),
      .reserved_bytes = SPANS * MM_SPAN_BYTES,
      .take = spans_take,
      .give = spans_give,
  };
  native_before = mm_native_bytes(MM_PURPOSE_ARENA);
}

static void setup_arena(void)
{
  open_spans();
  allocator = mm_arena_base(mm_arena_create(NULL));
}

static void setup_bump(void)
{
  open_spans();
  allocator = mm_bump_allocator_create(&spans.source, SPANS * MM_SPAN_BYTES);
  ck_assert_ptr_nonnull(allocator);
}

static void check_sound(void)
{
  const char *wrong = mm_allocator_check(allocator);
  ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
}

static void teardown(void)
{
  check_sound();
  mm_allocator_destroy(allocator);
  ck_assert_uint_eq(spans.taken_bytes, 0);
  free((void *)spans.source.base);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_ARENA), native_before);
}

static struct mm_alloc_stats stats_now(void)
{
  struct mm_alloc_stats stats;
  mm_allocator_stats(allocator, &stats);
  return stats;
}

struct made {
  char *at;
  size_t bytes;
};

static struct made made[BLOCKS];
static size_t seen;

static void make_blocks(void)
{
  uint64_t seed = 3;
  for (size_t i = 0; i < BLOCKS; i++) {
    size_t bytes = fixture_random(&seed) % (i % 100 == 0 ? 20000 : 200);
    size_t align = (size_t)1 << fixture_random(&seed) % 9;
    char *at = mm_allocator_alloc_aligned(allocator, bytes, align);
    fixture_require(at && (uintptr_t)at % align == 0);
    fixture_require((uintptr_t)at % MM_BLOCK_ALIGN == 0);
    memset(at, (int)i, bytes);
    made[i] = (struct made){at, bytes};
  }
}

static bool is_kept(const struct made *block, unsigned char byte)
{
  for (size_t i = 0; i < block->bytes; i++)
    if ((unsigned char)block->at[i] != byte)
      return false;
  return true;
}

/* Situation 1. */
START_TEST(blocks_of_all_sizes_and_alignments_are_apart_and_kept)
{
  make_blocks();
  for (size_t i = 0; i < BLOCKS; i++) {
    fixture_require(is_kept(&made[i], (unsigned char)i));
    fixture_require(mm_allocator_block_bytes(allocator, made[i].at) >=
                    made[i].bytes);
  }
}
END_TEST

static int by_address(const void *a, const void *b)
{
  const struct made *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void see_block(void *context, void *block, size_t bytes)
{
  struct made key = {block, 0};
  const struct made *found =
      bsearch(&key, made, BLOCKS, sizeof *made, by_address);
  fixture_require(found && bytes >= found->bytes);
  fixture_require(mm_allocator_block_bytes(allocator, block) == bytes);
  *(uint64_t *)context += bytes;
  seen++;
}

START_TEST(a_walk_sees_each_block_once_and_the_statistics_agree)
{
  uint64_t walked = 0;
  make_blocks();
  seen = 0;
  qsort(made, BLOCKS, sizeof *made, by_address);
  mm_allocator_walk(allocator, see_block, &walked);
  struct mm_alloc_stats stats = stats_now();
  ck_assert_uint_eq(seen, BLOCKS);
  ck_assert_uint_eq(stats.blocks, BLOCKS);
  ck_assert_uint_eq(stats.used_bytes, walked);
  ck_assert_uint_le(stats.used_bytes + stats.free_bytes, stats.held_bytes);
  ck_assert_uint_gt(stats.used_bytes + stats.free_bytes,
                    stats.held_bytes - stats.held_bytes / 20);
}
END_TEST

/* Situation 66. */
START_TEST(only_starts_of_blocks_are_blocks)
{
  make_blocks();
  qsort(made, BLOCKS, sizeof *made, by_address);
  for (size_t i = 0; i + 1 < BLOCKS; i++)
    for (char *at = made[i].at; at < made[i].at + made[i].bytes && i < 50; at++)
      fixture_require(mm_allocator_is_block(allocator, at) ==
                      (at == made[i].at));
  ck_assert(!mm_allocator_is_block(allocator, NULL));
  ck_assert(!mm_allocator_is_block(allocator, &seen));
  ck_assert(!mm_allocator_is_block(allocator, made[BLOCKS - 1].at +
                                                  made[BLOCKS - 1].bytes + 64));
}
END_TEST

START_TEST(blocks_of_no_bytes_are_apart_too)
{
  char *a = mm_allocator_alloc(allocator, 0);
  char *b = mm_allocator_alloc(allocator, 0);
  ck_assert_ptr_ne(a, b);
  ck_assert(mm_allocator_is_block(allocator, a));
  ck_assert(mm_allocator_is_block(allocator, b));
}
END_TEST

START_TEST(the_largest_free_block_is_to_be_had_and_no_larger_one)
{
  mm_allocator_alloc(allocator, 1000);
  struct mm_alloc_stats before = stats_now();
  ck_assert_ptr_nonnull(
      mm_allocator_alloc(allocator, before.largest_free_bytes));
  ck_assert_uint_eq(stats_now().held_bytes, before.held_bytes);
  ck_assert_uint_eq(stats_now().largest_free_bytes, 0);
  void *more = mm_allocator_alloc(allocator, 16);
  ck_assert(!more || stats_now().held_bytes > before.held_bytes);
}
END_TEST

/* Situation 2. */
START_TEST(impossible_requests_are_null)
{
  static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096,
                                 SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ck_assert_ptr_null(mm_allocator_alloc(allocator, sizes[i]));
    ck_assert_ptr_null(mm_allocator_alloc_aligned(allocator, sizes[i], 4096));
    ck_assert_ptr_null(
        mm_allocator_alloc_aligned(allocator, 16, SIZE_MAX / 2 + 1));
  }
  ck_assert_ptr_nonnull(mm_allocator_alloc(allocator, 16));
}
END_TEST

START_TEST(no_block_is_freed_alone)
{
  ck_assert(!mm_allocator_can_free(allocator));
}
END_TEST

static void add_common(TCase *tests)
{
  tcase_add_test(tests, blocks_of_all_sizes_and_alignments_are_apart_and_kept);
  tcase_add_test(tests, a_walk_sees_each_block_once_and_the_statistics_agree);
  tcase_add_test(tests, only_starts_of_blocks_are_blocks);
  tcase_add_test(tests, blocks_of_no_bytes_are_apart_too);
  tcase_add_test(tests, the_largest_free_block_is_to_be_had_and_no_larger_one);
  tcase_add_test(tests, impossible_requests_are_null);
  tcase_add_test(tests, no_block_is_freed_alone);
}

/* Bits of starts ---------------------------------------------------------- */

START_TEST(the_next_start_is_the_one_a_naive_search_finds)
{
  enum { GRANULES = 300 };
  uint64_t seed = 8, bits[(GRANULES + 63) / 64];
  for (int round = 0; round < 200; round++) {
    memset(bits, 0, sizeof bits);
    bool model[GRANULES] = {false};
    for (int i = 0; i < round % 9; i++) {
      size_t at = fixture_random(&seed) % GRANULES;
      mm_starts_set(bits, at);
      model[at] = true;
    }
    if (round % 3 == 0) {
      size_t from = fixture_random(&seed) % GRANULES;
      mm_starts_clear(bits, from, GRANULES);
      memset(model + from, 0, GRANULES - from);
    }
    for (size_t from = 0; from < GRANULES; from++)
      for (size_t limit = from; limit <= GRANULES; limit += 37) {
        size_t naive = from;
        while (naive < limit && !model[naive])
          naive++;
        fixture_require(mm_starts_next(bits, from, limit) == naive);
      }
  }
}
END_TEST

/* Arenas alone ------------------------------------------------------------ */

START_TEST(a_rewind_forgets_the_blocks_after_the_mark)
{
  struct mm_arena *arena = (struct mm_arena *)allocator;
  char *kept = mm_arena_alloc(arena, 100);
  struct mm_arena_mark mark = mm_arena_mark(arena);
  char *here = mm_arena_alloc(arena, 100);
  for (int i = 0; i < 1000; i++)
    mm_arena_alloc(arena, 1000);
  mm_arena_rewind(arena, mark);
  check_sound();
  ck_assert(mm_allocator_is_block(allocator, kept));
  ck_assert(!mm_allocator_is_block(allocator, here));
  ck_assert_uint_eq(stats_now().blocks, 1);
  ck_assert_uint_eq(mm_allocator_block_bytes(allocator, kept), 112);
  ck_assert_ptr_eq(mm_arena_alloc(arena, 100), here);
}
END_TEST

static size_t source_left;

static void *source_take(struct mm_arena_source *source, size_t bytes)
{
  (void)source;
  if (bytes > source_left)
    return NULL;
  source_left -= bytes;
  return malloc(bytes);
}

static void source_give(struct mm_arena_source *source, void *chunk,
                        size_t bytes)
{
  (void)source;
  source_left += bytes;
  free(chunk);
}

START_TEST(an_arena_uses_its_source_to_the_end_in_smaller_chunks)
{
  struct mm_arena_source source = {source_take, source_give};
  source_left = 1000000;
  struct mm_arena *arena = mm_arena_create(&source);
  size_t got = 0;
  while (mm_arena_alloc(arena, 100))
    got += 112;
  ck_assert_uint_lt(source_left, 256);
  ck_assert_uint_gt(got, 970000);
  const char *wrong = mm_allocator_check(mm_arena_base(arena));
  ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
  mm_arena_destroy(arena);
  ck_assert_uint_eq(source_left, 1000000);
}
END_TEST

static size_t sizes_asked[8], sizes_count;

static void *refusing_take(struct mm_arena_source *source, size_t bytes)
{
  (void)source;
  sizes_asked[sizes_count++ % 8] = bytes;
  return NULL;
}

/* From the best size over its halves to the least that would do. */
START_TEST(an_arena_asks_for_less_and_less_and_gives_up)
{
  struct mm_arena_source source = {refusing_take, source_give};
  struct mm_arena *arena = mm_arena_create(&source);
  sizes_count = 0;
  ck_assert_ptr_null(mm_arena_alloc(arena, 10000));
  ck_assert_uint_eq(sizes_count, 2);
  ck_assert_uint_eq(sizes_asked[0], 16384);
  ck_assert_uint_gt(sizes_asked[1], 10000);
  ck_assert_uint_lt(sizes_asked[1], 10400);
  ck_assert_ptr_null(mm_arena_alloc(arena, 100));
  ck_assert_uint_eq(sizes_count, 4);
  ck_assert_uint_eq(sizes_asked[2], 4096);
  ck_assert_uint_lt(sizes_asked[3], 256);
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(the_check_of_an_arena_sees_planted_faults)
{
  struct mm_arena *arena = (struct mm_arena *)allocator;
  mm_arena_alloc(arena, 100);
  struct mm_arena_mark mark = mm_arena_mark(arena);
  size_t *head = (size_t *)mark.chunk; /* older, bytes, used */
  size_t faults[][2] = {{1, 16}, {2, 8}, {2, (size_t)-100000}, {2, -112ul}};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    check_sound();
    head[faults[i][0]] += faults[i][1];
    ck_assert_msg(mm_allocator_check(allocator), "fault %zu", i);
    head[faults[i][0]] -= faults[i][1];
  }
}
END_TEST

/* Bump allocators alone --------------------------------------------------- */

START_TEST(a_reset_frees_everything_at_once)
{
  make_blocks();
  char *first = (char *)spans.source.base;
  ck_assert(mm_allocator_is_block(allocator, first));
  mm_bump_allocator_reset(allocator);
  check_sound();
  ck_assert(!mm_allocator_is_block(allocator, first));
  ck_assert_uint_eq(stats_now().blocks, 0);
  ck_assert_uint_eq(stats_now().largest_free_bytes, SPANS * MM_SPAN_BYTES);
  ck_assert_ptr_eq(mm_allocator_alloc(allocator, (size_t)SPANS * MM_SPAN_BYTES),
                   first);
}
END_TEST

START_TEST(a_bump_allocator_without_memory_is_null)
{
  mm_allocator_destroy(allocator);
  for (uint64_t count = 1; count <= 2; count++) {
    mm_native_fail_at(count, true);
    ck_assert_ptr_null(mm_bump_allocator_create(&spans.source, MM_SPAN_BYTES));
    mm_native_fail_at(0, false);
    ck_assert_uint_eq(spans.taken_bytes, 0);
  }
  ck_assert_ptr_null(mm_bump_allocator_create(&spans.source, SIZE_MAX));
  ck_assert_ptr_null(mm_bump_allocator_create(&spans.source, 0));
  allocator = mm_bump_allocator_create(&spans.source, 1);
  ck_assert_uint_eq(spans.taken_bytes, MM_SPAN_BYTES);
}
END_TEST

/* The metadata space ------------------------------------------------------ */

static struct fixture f;

static enum mm_status create_heap(uint64_t metadata_max_bytes,
                                  struct mm_error *error)
{
  struct mm_options options = fixture_options();
  options.metadata_max_bytes = metadata_max_bytes;
  return mm_heap_create(&options, &fixture_binding, &f, &f.heap, error);
}

START_TEST(metadata_ends_at_its_limit_and_not_before)
{
  enum { LIMIT = 1 << 20 };
  struct mm_error error = {""};
  struct mm_metadata_stat stat;
  ck_assert_int_eq(create_heap(LIMIT - 1000, &error), MM_OK);
  uint64_t granted = 0;
  for (void *at; (at = mm_metadata_alloc(f.heap, 1000)) != NULL;) {
    memset(at, 0xee, 1000);
    granted += 1000;
  }
  mm_metadata_stat(f.heap, &stat);
  ck_assert_uint_eq(stat.reserved_bytes, LIMIT);
  ck_assert_uint_le(stat.committed_bytes, LIMIT);
  ck_assert_uint_gt(granted, LIMIT - LIMIT / 20);
  ck_assert_uint_ge(stat.requested_bytes, granted);
  ck_assert_uint_ge(stat.alloc.used_bytes, stat.requested_bytes);
  ck_assert_uint_le(stat.alloc.held_bytes, stat.committed_bytes);
  ck_assert_ptr_null(mm_metadata_check(f.heap));
  ck_assert_ptr_null(mm_metadata_alloc(f.heap, SIZE_MAX));
  mm_heap_destroy(f.heap);
}
END_TEST

START_TEST(a_limit_of_metadata_out_of_range_is_refused_with_a_text)
{
  static const uint64_t sizes[] = {1, 262143, (uint64_t)3 << 30, UINT64_MAX};
  struct mm_error error = {""};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ck_assert_int_eq(create_heap(sizes[i], &error), MM_BAD_OPTION);
    ck_assert_ptr_nonnull(strstr(error.text, "--metadata-max must be between"));
  }
}
END_TEST

START_TEST(metadata_without_native_memory_is_a_status_with_a_text)
{
  for (uint64_t count = 1; count <= 3; count++) {
    struct mm_error error = {""};
    uint64_t before = mm_native_bytes(MM_PURPOSE_METADATA);
    mm_native_fail_at(count, true);
    ck_assert_int_eq(create_heap(0, &error), MM_NO_MEMORY);
    mm_native_fail_at(0, false);
    ck_assert_str_ne(error.text, "");
    ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_METADATA), before);
  }
}
END_TEST

int main(void)
{
  TCase *starts = tcase_create("starts");
  tcase_add_test(starts, the_next_start_is_the_one_a_naive_search_finds);
  TCase *arena = tcase_create("arena");
  tcase_add_checked_fixture(arena, setup_arena, teardown);
  add_common(arena);
  tcase_add_test(arena, a_rewind_forgets_the_blocks_after_the_mark);
  tcase_add_test(arena, an_arena_uses_its_source_to_the_end_in_smaller_chunks);
  tcase_add_test(arena, an_arena_asks_for_less_and_less_and_gives_up);
  tcase_add_test(arena, the_check_of_an_arena_sees_planted_faults);
  TCase *bump = tcase_create("bump");
  tcase_add_checked_fixture(bump, setup_bump, teardown);
  add_common(bump);
  tcase_add_test(bump, a_reset_frees_everything_at_once);
  tcase_add_test(bump, a_bump_allocator_without_memory_is_null);
  TCase *metadata = tcase_create("metadata");
  tcase_add_test(metadata, metadata_ends_at_its_limit_and_not_before);
  tcase_add_test(metadata,
                 a_limit_of_metadata_out_of_range_is_refused_with_a_text);
  tcase_add_test(metadata,
                 metadata_without_native_memory_is_a_status_with_a_text);
  return fixture_main("mm_arena",
                      (TCase *[]){starts, arena, bump, metadata, NULL});
}
