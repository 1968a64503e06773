/* SPDX-License-Identifier: Apache-2.0 */
/* The freelist allocator. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/alloc/freelist_internal.h"
#include "mm/alloc/span_internal.h"
#include "tests/unit/mm_fixture.h"

#define MIB ((uint64_t)1 << 20)
#define RESERVED (256 * MIB)

static struct mm_spans spans;
static struct mm_span_source source;
static struct mm_freelist freelist;
static struct mm_allocator *const allocator = &freelist.allocator;

static void setup(void)
{
  ck_assert_int_eq(mm_spans_init(&spans, RESERVED, RESERVED, 1), MM_OK);
  mm_span_source_init(&source, &spans, 1);
  ck_assert_int_eq(mm_freelist_init(&freelist, &source.source), MM_OK);
}

static void teardown(void)
{
  struct mm_span_stats stats;
  ck_assert_ptr_null(mm_allocator_check(allocator));
  mm_allocator_destroy(allocator);
  mm_spans_stats(&spans, &stats);
  ck_assert_uint_eq(stats.used_bytes, 0);
  ck_assert_ptr_null(mm_spans_check(&spans));
  mm_spans_destroy(&spans);
}

static struct mm_alloc_stats stats(void)
{
  struct mm_alloc_stats stats;
  mm_allocator_stats(allocator, &stats);
  return stats;
}

static char *take(size_t bytes)
{
  char *block = mm_allocator_alloc(allocator, bytes);
  fixture_require(block != NULL);
  fixture_require((uintptr_t)block % MM_BLOCK_ALIGN == 0);
  fixture_require(mm_allocator_block_bytes(allocator, block) >= bytes);
  return block;
}

static void drop(void *block)
{
  mm_allocator_free(allocator, block);
}

static void check(void)
{
  const char *wrong = mm_allocator_check(allocator);
  ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* Situation 1. */
START_TEST(blocks_of_all_sizes_fit_and_are_apart)
{
  enum { SIZES = 3000 };
  static char *blocks[SIZES];
  for (size_t bytes = 0; bytes < SIZES; bytes++) {
    blocks[bytes] = take(bytes);
    memset(blocks[bytes], (int)bytes & 0xff,
           mm_allocator_block_bytes(allocator, blocks[bytes]));
  }
  check();
  for (size_t bytes = 0; bytes < SIZES; bytes++) {
    size_t whole = mm_allocator_block_bytes(allocator, blocks[bytes]);
    for (size_t i = 0; i < whole; i++)
      fixture_require(blocks[bytes][i] == (char)bytes);
    ck_assert_uint_le(whole, bytes + 16);
  }
  for (size_t bytes = 0; bytes < SIZES; bytes++)
    drop(blocks[bytes]);
  ck_assert_uint_eq(stats().blocks, 0);
  ck_assert_uint_eq(stats().used_bytes, 0);
}
END_TEST

START_TEST(blocks_are_aligned_as_asked)
{
  for (size_t align = 1; align <= 1 << 20; align *= 2)
    for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
      char *block = mm_allocator_alloc_aligned(allocator, bytes, align);
      fixture_require(block && (uintptr_t)block % align == 0);
      fixture_require(mm_allocator_block_bytes(allocator, block) >= bytes);
      memset(block, 1, bytes);
      char *other = take(40);
      check();
      drop(block);
      drop(other);
      check();
    }
  ck_assert_uint_eq(stats().blocks, 0);
}
END_TEST

/* Situation 2. */
START_TEST(requests_beyond_all_bounds_are_null)
{
  static const size_t sizes[] = {
      SIZE_MAX,        SIZE_MAX - 15,   SIZE_MAX - 65536, SIZE_MAX / 2,
      (size_t)1 << 36, (size_t)1 << 34, RESERVED,         RESERVED - 47};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ck_assert_ptr_null(mm_allocator_alloc(allocator, sizes[i]));
    ck_assert_ptr_null(mm_allocator_alloc_aligned(allocator, sizes[i], 4096));
    ck_assert_ptr_null(
        mm_allocator_alloc_aligned(allocator, 16, (size_t)1 << 63));
  }
  check();
  drop(take(RESERVED - 48));
}
END_TEST

START_TEST(a_source_that_refuses_makes_null_and_no_harm)
{
  mm_spans_limit(&spans, 2 * MIB);
  static char *blocks[1024];
  size_t count = 0;
  while ((blocks[count] = mm_allocator_alloc(allocator, 4096)) != NULL)
    memset(blocks[count++], 1, 4096);
  ck_assert_uint_gt(count, 490);
  check();
  ck_assert_ptr_null(mm_allocator_alloc(allocator, MIB));
  ck_assert_ptr_null(mm_allocator_alloc_aligned(allocator, 16, 65536 * 64));
  drop(blocks[--count]);
  ck_assert_ptr_nonnull(blocks[count++] = mm_allocator_alloc(allocator, 4000));
  mm_spans_limit(&spans, RESERVED);
  drop(take(MIB));
  while (count > 0)
    drop(blocks[--count]);
}
END_TEST

START_TEST(a_refused_chunk_is_asked_for_again_as_small_as_can_be)
{
  mm_spans_limit(&spans, MM_SPAN_BYTES);
  char *block = take(60000);
  ck_assert_uint_eq(stats().held_bytes, MM_SPAN_BYTES);
  drop(block);
}
END_TEST

START_TEST(empty_chunks_make_room_for_a_large_block)
{
  mm_spans_limit(&spans, 512 * 1024);
  drop(take(1000));
  ck_assert_uint_eq(stats().held_bytes, 256 * 1024);
  drop(take(400000));
}
END_TEST

/* Situation 4. */
START_TEST(neighbours_freed_in_any_order_make_one_block)
{
  static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  /* Below and above the quick sizes, and over several words of bits. */
  static const size_t sizes[] = {16, 512, 528, 1008, 1024, 1040, 5008};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t bytes = sizes[i];
    char *fence = take(16);
    char *blocks[3] = {take(bytes), take(bytes), take(bytes)};
    char *behind = take(16);
    ck_assert_ptr_eq(blocks[1], blocks[0] + bytes);
    ck_assert_ptr_eq(blocks[2], blocks[1] + bytes);
    for (int j = 0; j < 3; j++) {
      drop(blocks[orders[_i][j]]);
      check();
    }
    mm_freelist_trim(&freelist);
    ck_assert_ptr_eq(take(3 * bytes), blocks[0]);
    check();
    drop(fence);
    drop(blocks[0]);
    drop(behind);
    mm_freelist_trim(&freelist);
    ck_assert_uint_eq(stats().held_bytes, 0);
  }
}
END_TEST

START_TEST(first_and_last_block_of_a_chunk_coalesce)
{
  size_t half = 128 * 1024;
  char *first = take(half), *last = take(half - 48);
  ck_assert_uint_eq(stats().held_bytes, 2 * half);
  ck_assert_uint_eq(stats().free_bytes, 0);
  ck_assert_uint_eq(stats().largest_free_bytes, 0);
  ck_assert_ptr_eq(last, first + half);
  drop(_i ? first : last);
  check();
  drop(_i ? last : first);
  check();
  ck_assert_uint_eq(stats().largest_free_bytes, 2 * half - 48);
  ck_assert_ptr_eq(take(2 * half - 48), first);
  drop(first);
}
END_TEST

START_TEST(chunks_side_by_side_stay_apart)
{
  size_t whole = 256 * 1024 - 48;
  char *low = take(whole), *high = take(whole);
  ck_assert_ptr_eq(high, low + 256 * 1024);
  drop(low);
  check();
  drop(high);
  check();
  ck_assert_uint_le(stats().largest_free_bytes, whole);
}
END_TEST

START_TEST(a_block_is_split_and_the_rest_is_used)
{
  char *block = take(10000);
  char *fence = take(16);
  drop(block);
  char *part = take(4000);
  ck_assert_ptr_eq(part, block);
  ck_assert_ptr_eq(take(5000), block + 4000);
  drop(part);
  drop(block + 4000);
  drop(fence);
}
END_TEST

/* Situation 66. */
START_TEST(only_the_start_of_a_block_handed_out_is_a_block)
{
  static const size_t sizes[] = {1, 16, 100, 512, 600, 5000, 100000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char *block = take(sizes[i]), *behind = take(16);
    memset(block, 0xff, sizes[i]);
    size_t whole = mm_allocator_block_bytes(allocator, block);
    ck_assert(mm_allocator_is_block(allocator, block));
    for (size_t at = 1; at < whole; at++)
      fixture_require(!mm_allocator_is_block(allocator, block + at));
    drop(block);
    ck_assert(!mm_allocator_is_block(allocator, block));
    drop(behind);
  }
  ck_assert(!mm_allocator_is_block(allocator, NULL));
  ck_assert(!mm_allocator_is_block(allocator, sizes));
  ck_assert(!mm_allocator_is_block(allocator, (void *)UINTPTR_MAX));
  ck_assert(!mm_allocator_is_block(allocator, (void *)(spans.base - 16)));
  for (uintptr_t at = spans.base; at < spans.base + MIB; at += 8)
    fixture_require(!mm_allocator_is_block(allocator, (void *)at));
}
END_TEST

START_TEST(empty_chunks_go_back_but_for_a_few)
{
  enum { BLOCKS = 4000 };
  static char *blocks[BLOCKS];
  for (int i = 0; i < BLOCKS; i++)
    blocks[i] = take(4000);
  uint64_t peak = stats().held_bytes;
  ck_assert_uint_gt(peak, 15 * MIB);
  for (int i = 0; i < BLOCKS; i++)
    drop(blocks[i * 7 % BLOCKS]);
  ck_assert_uint_le(stats().held_bytes, 256 * 1024);
  drop(take(100));
  mm_freelist_trim(&freelist);
  ck_assert_uint_eq(stats().held_bytes, 0);
}
END_TEST

START_TEST(quick_blocks_do_not_keep_chunks)
{
  enum { BLOCKS = 200000 };
  static char *blocks[BLOCKS];
  uint64_t seed = 3;
  for (int i = 0; i < BLOCKS; i++)
    blocks[i] = take(16 + fixture_random(&seed) % 497);
  for (int i = 0; i < BLOCKS; i++) /* all over the place */
    drop(blocks[(uint64_t)i * 7919 % BLOCKS]);
  ck_assert_uint_eq(stats().blocks, 0);
  ck_assert_uint_le(stats().held_bytes, 256 * 1024);
  check();
}
END_TEST

/* Random use against a model ---------------------------------------------- */

struct model {
  char *at;
  size_t bytes;
  unsigned char fill;
};

enum { MODEL = 2000 };

static struct model model[MODEL];

static int by_address(const void *left, const void *right)
{
  const struct model *a = left, *b = right;
  return (a->at > b->at) - (a->at < b->at);
}

struct walk {
  uint64_t blocks, bytes;
};

static void visit(void *context, void *block, size_t bytes)
{
  struct walk *walk = context;
  walk->blocks++;
  walk->bytes += bytes;
  struct model *found = bsearch(&(struct model){.at = block}, model, MODEL,
                                sizeof *model, by_address);
  fixture_require(found && found->bytes <= bytes);
}

/* Situation 3; and 62: what is handed out is what a walk finds. */
static void check_model(void)
{
  static struct model sorted[MODEL];
  memcpy(sorted, model, sizeof model);
  qsort(model, MODEL, sizeof *model, by_address);
  struct walk walk = {0};
  mm_allocator_walk(allocator, visit, &walk);
  uint64_t blocks = 0;
  for (int i = 0; i < MODEL; i++) {
    blocks += model[i].at != NULL;
    fixture_require(i == 0 || !model[i].at || !model[i - 1].at ||
                    model[i - 1].at + model[i - 1].bytes <= model[i].at);
  }
  memcpy(model, sorted, sizeof model);
  ck_assert_uint_eq(walk.blocks, blocks);
  ck_assert_uint_eq(stats().blocks, blocks);
  ck_assert_uint_eq(stats().used_bytes, walk.bytes);
  struct mm_span_stats held;
  mm_spans_stats(&spans, &held);
  ck_assert_uint_eq(stats().held_bytes, held.used_bytes);
  ck_assert_uint_le(stats().used_bytes + stats().free_bytes,
                    stats().held_bytes);
  check();
}

static void drop_model(struct model *entry)
{
  for (size_t i = 0; i < entry->bytes; i++)
    fixture_require((unsigned char)entry->at[i] == entry->fill);
  drop(entry->at);
  entry->at = NULL;
}

static size_t random_size(uint64_t *seed)
{
  uint64_t kind = fixture_random(seed) % 100;
  if (kind < 70)
    return fixture_random(seed) % 600;
  if (kind < 98)
    return fixture_random(seed) % 20000;
  return fixture_random(seed) % 900000;
}

static void fill_model(struct model *entry, uint64_t *seed)
{
  entry->bytes = random_size(seed);
  entry->fill = (unsigned char)fixture_random(seed);
  if (fixture_random(seed) % 8 == 0) {
    size_t align = (size_t)1 << fixture_random(seed) % 14;
    entry->at = mm_allocator_alloc_aligned(allocator, entry->bytes, align);
    fixture_require((uintptr_t)entry->at % align == 0);
  } else {
    entry->at = mm_allocator_alloc(allocator, entry->bytes);
  }
  if (entry->at)
    memset(entry->at, entry->fill, entry->bytes);
}

START_TEST(random_use_agrees_with_a_model)
{
  uint64_t seed = 11 + (uint64_t)_i;
  memset(model, 0, sizeof model);
  mm_spans_limit(&spans, 12 * MIB); /* refuses now and then */
  for (int step = 0; step < 30000; step++) {
    struct model *entry = &model[fixture_random(&seed) % MODEL];
    if (entry->at)
      drop_model(entry);
    else
      fill_model(entry, &seed);
    if (step % 2000 == 0)
      check_model();
  }
  check_model();
  for (int i = 0; i < MODEL; i++)
    if (model[i].at)
      drop_model(&model[i]);
  check_model();
}
END_TEST

/* Fragmentation ----------------------------------------------------------- */

/*
 * An opponent after Robson: fills memory with small blocks, frees all but one
 * in each stretch that a block of twice the size would need, asks for blocks of
 * twice the size, and so on.  As much is live each time as at first.
 */
struct opponent {
  char **blocks;
  size_t count;
  uint64_t live, peak;
};

static void opponent_fill(struct opponent *o, size_t bytes, uint64_t most)
{
  while (o->live + bytes <= most) {
    o->blocks[o->count++] = take(bytes);
    o->live += bytes;
  }
  if (o->live > o->peak)
    o->peak = o->live;
}

/* Keeps the first block of each stretch. */
static void opponent_thin(struct opponent *o, size_t stretch)
{
  uintptr_t last = 0;
  size_t kept = 0;
  for (size_t i = 0; i < o->count; i++) {
    uintptr_t at = (uintptr_t)o->blocks[i] / stretch;
    if (at == last) {
      o->live -= mm_allocator_block_bytes(allocator, o->blocks[i]);
      drop(o->blocks[i]);
    } else {
      o->blocks[kept++] = o->blocks[i];
    }
    last = at;
  }
  o->count = kept;
}

static double bound(size_t least, size_t most, uint64_t peak)
{
  double n = 33.0 / 32 * (double)most / (double)least;
  return 1.25 * (1 + n) * (double)peak + (double)MIB;
}

START_TEST(an_opponent_does_not_get_beyond_the_bound)
{
  static const size_t most[] = {32, 64, 512, 4096, 16384};
  uint64_t budget = 4 * MIB;
  struct opponent o = {.blocks = malloc(sizeof(char *) * (budget / 16 + 1))};
  for (size_t bytes = 16; bytes <= most[_i]; bytes *= 2) {
    opponent_fill(&o, bytes, budget);
    ck_assert_msg((double)stats().held_bytes <= bound(16, most[_i], o.peak),
                  "%llu bytes held", (unsigned long long)stats().held_bytes);
    opponent_thin(&o, bytes * 2);
  }
  check();
  /* What such an opponent really gets. */
  ck_assert_uint_le(stats().held_bytes, 7 * o.peak);
  for (size_t i = 0; i < o.count; i++)
    drop(o.blocks[i]);
  free(o.blocks);
}
END_TEST

START_TEST(a_comb_of_small_blocks_does_not_get_beyond_the_bound)
{
  /* Keeps one small block after each large one, frees the large ones, and asks
     for some that are a little larger. */
  enum { BLOCKS = 1000 };
  static char *combs[BLOCKS * 10];
  size_t teeth = 0;
  uint64_t peak = 0;
  for (size_t large = 1024; large <= 4096; large += large / 4) {
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
      blocks[i] = take(large);
      combs[teeth++] = take(16);
    }
    if (stats().used_bytes > peak)
      peak = stats().used_bytes;
    ck_assert((double)stats().held_bytes <= bound(16, large, peak));
    for (int i = 0; i < BLOCKS; i++)
      drop(blocks[i]);
  }
  check();
  while (teeth > 0)
    drop(combs[--teeth]);
}
END_TEST

START_TEST(steady_random_replacement_wastes_little)
{
  enum { BLOCKS = 20000 };
  static char *blocks[BLOCKS];
  uint64_t seed = 9;
  for (int i = 0; i < BLOCKS; i++)
    blocks[i] = take(16 + fixture_random(&seed) % 496);
  for (int step = 0; step < 20 * BLOCKS; step++) {
    int i = (int)(fixture_random(&seed) % BLOCKS);
    drop(blocks[i]);
    blocks[i] = take(16 + fixture_random(&seed) % 496);
  }
  ck_assert_uint_le(stats().held_bytes, stats().used_bytes * 5 / 4);
  for (int i = 0; i < BLOCKS; i++)
    drop(blocks[i]);
}
END_TEST

/* Situation 61. */
START_TEST(the_check_finds_what_is_broken)
{
  enum { FAULTS = 14 };
  char *low = take(4096), *middle = take(4096), *high = take(32);
  char *quick = take(64), *fence = take(64);
  drop(middle);
  drop(quick);
  uint64_t granule = (uint64_t)(low - (char *)spans.base) / 16;
  struct mm_freelist_bits *bits = &freelist.bits[granule / 64];
  uint64_t *free_bits = &freelist.free_bits[granule / 64];
  struct mm_freelist sound = freelist;
  struct mm_freelist_chunk tail = *freelist.chunks;
  struct mm_freelist_bits sound_bits[16];
  uint64_t sound_free[16];
  memcpy(sound_bits, bits, sizeof sound_bits);
  memcpy(sound_free, free_bits, sizeof sound_free);
  switch (_i) {
  case 0:
    freelist.blocks++;
    break;
  case 1:
    freelist.used_granules++;
    break;
  case 2:
    freelist.chunk_count++;
    break;
  case 3:
    freelist.held_bytes++;
    break;
  case 4:
    freelist.empty_bytes++;
    break;
  case 5:
    freelist.quick_counts[4] = 0;
    break;
  case 6:
    freelist.quick[4][0] += 4;
    break;
  case 7:
    freelist.quick_counts[4] = MM_FREELIST_QUICK_BLOCKS + 1;
    break;
  case 8:
    freelist.fit.firsts = 0;
    break;
  case 9: /* the first block is free now */
    bits[0].handed = 0;
    free_bits[0] |= 1;
    break;
  case 10:
    bits[1].handed |= 2;
    break;
  case 11:
    free_bits[1]--;
    break;
  case 12:
    free_bits[2] |= 1;
    break;
  case 13:
    freelist.chunks->before = freelist.chunks;
    break;
  }
  ck_assert_int_lt(_i, FAULTS);
  ck_assert_ptr_nonnull(mm_allocator_check(allocator));
  freelist = sound;
  *freelist.chunks = tail;
  memcpy(bits, sound_bits, sizeof sound_bits);
  memcpy(free_bits, sound_free, sizeof sound_free);
  drop(low);
  drop(high);
  drop(fence);
}
END_TEST

#ifdef BAMBOO_ASAN
#include <sanitizer/asan_interface.h>

START_TEST(free_memory_is_poisoned_and_handed_out_memory_is_not)
{
  static const size_t sizes[] = {16, 512, 100000};
  char *block = take(sizes[_i]);
  ck_assert_ptr_null(__asan_region_is_poisoned(block, sizes[_i]));
  drop(block);
  for (size_t i = 0; i < sizes[_i]; i++)
    fixture_require(__asan_address_is_poisoned(block + i));
  ck_assert_ptr_eq(take(sizes[_i]), block);
  ck_assert_ptr_null(__asan_region_is_poisoned(block, sizes[_i]));
  drop(block);
}
END_TEST
#endif

#ifdef BAMBOO_DEBUG
START_TEST(a_free_of_what_is_no_block_is_noticed)
{
  char *block = take(100);
  switch (_i) {
  case 0:
    drop(block);
    break;
  case 1:
    block += 16;
    break;
  case 2:
    block = (char *)&block;
    break;
  }
  drop(block);
}
END_TEST
#endif

int main(void)
{
  TCase *tests = tcase_create("freelist");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, blocks_of_all_sizes_fit_and_are_apart);
  tcase_add_test(tests, blocks_are_aligned_as_asked);
  tcase_add_test(tests, requests_beyond_all_bounds_are_null);
  tcase_add_test(tests, a_source_that_refuses_makes_null_and_no_harm);
  tcase_add_test(tests, a_refused_chunk_is_asked_for_again_as_small_as_can_be);
  tcase_add_test(tests, empty_chunks_make_room_for_a_large_block);
  tcase_add_loop_test(tests, neighbours_freed_in_any_order_make_one_block, 0,
                      6);
  tcase_add_loop_test(tests, first_and_last_block_of_a_chunk_coalesce, 0, 2);
  tcase_add_test(tests, chunks_side_by_side_stay_apart);
  tcase_add_test(tests, a_block_is_split_and_the_rest_is_used);
  tcase_add_test(tests, only_the_start_of_a_block_handed_out_is_a_block);
  tcase_add_test(tests, empty_chunks_go_back_but_for_a_few);
  tcase_add_test(tests, quick_blocks_do_not_keep_chunks);
  tcase_add_loop_test(tests, random_use_agrees_with_a_model, 0, 3);
  tcase_add_loop_test(tests, an_opponent_does_not_get_beyond_the_bound, 0, 5);
  tcase_add_test(tests, a_comb_of_small_blocks_does_not_get_beyond_the_bound);
  tcase_add_test(tests, steady_random_replacement_wastes_little);
  tcase_add_loop_test(tests, the_check_finds_what_is_broken, 0, 14);
#ifdef BAMBOO_ASAN
  tcase_add_loop_test(
      tests, free_memory_is_poisoned_and_handed_out_memory_is_not, 0, 3);
#endif
#ifdef BAMBOO_DEBUG
  fixture_add_death(tests, a_free_of_what_is_no_block_is_noticed, 0, 70, 0, 3);
#endif
  return fixture_main("mm_freelist", (TCase *[]){tests, NULL});
}
