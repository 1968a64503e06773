/* SPDX-License-Identifier: Apache-2.0 */
/* The code allocator, on memory that only looks executable.  Situations 2, 3,
   4, 7 and 66. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/alloc/code_parts_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

enum { RESERVED = 4 * 1024 * 1024, UNITS = RESERVED / MM_SPAN_BYTES };

/* A source whose executable addresses are numbers and no more. ------------- */

static const uintptr_t RUN_BASE = (uintptr_t)0x7000 << 32;

static struct {
  struct mm_code_source source;
  unsigned char *memory;
  bool committed[UNITS];
  unsigned commits, uncommits;
  bool refuses;
} fake;

static struct mm_code_allocator *allocator;

static enum mm_status fake_set(uint64_t offset, uint64_t bytes, bool committed)
{
  if (fake.refuses)
    return MM_NO_MEMORY;
  fixture_require((offset | bytes) % MM_SPAN_BYTES == 0 && bytes > 0);
  fixture_require(offset + bytes <= RESERVED);
  for (uint64_t i = offset / MM_SPAN_BYTES;
       i < (offset + bytes) / MM_SPAN_BYTES; i++) {
    fixture_require(fake.committed[i] != committed);
    fake.committed[i] = committed;
  }
  memset(fake.memory + offset, 0x5a, bytes);
  return MM_OK;
}

static enum mm_status fake_commit(struct mm_code_source *source,
                                  uint64_t offset, uint64_t bytes)
{
  ck_assert_ptr_eq(source, &fake.source);
  fake.commits++;
  return fake_set(offset, bytes, true);
}

static enum mm_status fake_uncommit(struct mm_code_source *source,
                                    uint64_t offset, uint64_t bytes)
{
  ck_assert_ptr_eq(source, &fake.source);
  fake.uncommits++;
  return fake_set(offset, bytes, false);
}

/* Whatever is flushed is committed, and is right. */
static void fake_flush(struct mm_code_source *source, uint64_t offset,
                       uint64_t bytes)
{
  ck_assert_ptr_eq(source, &fake.source);
  for (uint64_t i = offset; i < offset + bytes; i += MM_CODE_ALIGN)
    fixture_require(fake.committed[i / MM_SPAN_BYTES]);
}

static uint64_t native_before;

static void setup_fake(void)
{
  memset(&fake, 0, sizeof fake);
  native_before = mm_native_bytes(MM_PURPOSE_CODE_TABLES);
  fake.memory = malloc(RESERVED);
  fake.source = (struct mm_code_source){
      .write_base = (uintptr_t)fake.memory,
      .run_base = RUN_BASE,
      .reserved_bytes = RESERVED,
      .commit = fake_commit,
      .uncommit = fake_uncommit,
      .flush = fake_flush,
  };
  allocator = mm_code_allocator_create(&fake.source);
  ck_assert_ptr_nonnull(allocator);
}

static void check_sound(void)
{
  const char *wrong = mm_allocator_check(mm_code_allocator_base(allocator));
  ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
}

static void teardown_fake(void)
{
  check_sound();
  mm_code_allocator_destroy(allocator);
  for (int i = 0; i < UNITS; i++)
    ck_assert(!fake.committed[i]);
  free(fake.memory);
  ck_assert_uint_eq(mm_native_bytes(MM_PURPOSE_CODE_TABLES), native_before);
}

static struct mm_code take(size_t bytes, size_t align, void *owner)
{
  struct mm_code code;
  fixture_require(
      mm_code_allocator_alloc(allocator, bytes, align, owner, &code) == MM_OK);
  return code;
}

static enum mm_status try_take(size_t bytes)
{
  struct mm_code code;
  return mm_code_allocator_alloc(allocator, bytes, 0, NULL, &code);
}

static struct mm_alloc_stats stats_now(void)
{
  struct mm_alloc_stats stats;
  mm_allocator_stats(mm_code_allocator_base(allocator), &stats);
  return stats;
}

static struct mm_code_allocator_counts counts_now(void)
{
  struct mm_code_allocator_counts counts;
  mm_code_allocator_count(allocator, &counts);
  return counts;
}

/* What a machine that runs into free memory finds; by its first byte. */
static bool holds_traps(const unsigned char *at, size_t bytes)
{
#if defined __x86_64__
  for (size_t i = 0; i < bytes; i++)
    if (at[i] != 0xcc)
      return false;
#elif defined __aarch64__
  for (size_t i = 0; i < bytes; i++)
    if (at[i] != (unsigned char)(0xd4200000u >> (i % 4 * 8)))
      return false;
#else
  (void)at, (void)bytes;
#endif
  return true;
}

static bool all_free_memory_traps(void)
{
  for (struct mm_code_block *block = allocator->lowest; block;
       block = block->above)
    for (uint64_t at = block->offset;
         !block->used && at < block->offset + block->bytes; at += MM_CODE_ALIGN)
      if (fake.committed[at / MM_SPAN_BYTES] &&
          !holds_traps(fake.memory + at, MM_CODE_ALIGN))
        return false;
  return true;
}

START_TEST(a_set_of_numbers_finds_the_greatest_at_or_below)
{
  static const uint32_t bounds[] = {1, 64, 65, 4096, 4097, 300000};
  uint32_t bound = bounds[_i];
  uint64_t *words = calloc(mm_numbers_words(bound), sizeof *words);
  bool *model = calloc(bound, sizeof *model);
  struct mm_numbers numbers;
  mm_numbers_init(&numbers, bound, words);
  uint64_t seed = 11 + bound;
  for (int round = 0; round < 3000; round++) {
    uint32_t n = (uint32_t)(fixture_random(&seed) % bound);
    if (fixture_random(&seed) % 2)
      mm_numbers_insert(&numbers, n);
    else
      mm_numbers_remove(&numbers, n);
    model[n] = mm_numbers_has(&numbers, n);
    uint32_t from = (uint32_t)(fixture_random(&seed) % bound), below = from;
    while (below > 0 && !model[below])
      below--;
    fixture_require(mm_numbers_at_or_below(&numbers, from) ==
                    (model[below] ? below : MM_NO_NUMBER));
  }
  free(words);
  free(model);
}
END_TEST

START_TEST(blocks_are_aligned_apart_and_hold_traps)
{
  uintptr_t end = RUN_BASE;
  for (size_t bytes = 0; bytes < 700; bytes++) {
    struct mm_code code = take(bytes, 0, NULL);
    fixture_require((uintptr_t)code.run % MM_CODE_ALIGN == 0);
    fixture_require((uintptr_t)code.run >= end);
    fixture_require(code.bytes >= bytes && code.bytes > 0);
    fixture_require(code.bytes < bytes + 2 * MM_CODE_ALIGN);
    fixture_require((uintptr_t)code.run - RUN_BASE ==
                    (uintptr_t)code.write - fake.source.write_base);
    fixture_require(holds_traps(code.write, code.bytes));
    memset(code.write, 1, code.bytes);
    end = (uintptr_t)code.run + code.bytes;
  }
  ck_assert(all_free_memory_traps());
}
END_TEST

START_TEST(blocks_begin_at_the_multiple_that_was_asked_for)
{
  for (size_t align = 1; align <= 4096; align *= 2)
    for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
      struct mm_code code = take(bytes, align, NULL);
      ck_assert_uint_eq((uintptr_t)code.run % align, 0);
      check_sound();
    }
}
END_TEST

/* A model: blocks in no order, and who owns them. -------------------------- */

enum { MODEL_MOST = 3000 };

static struct mm_code model[MODEL_MOST];
static size_t model_count;
static uint64_t seed;

static uint64_t random_below(uint64_t bound)
{
  return fixture_random(&seed) % bound;
}

static void model_alloc(void)
{
  size_t bytes = random_below(random_below(20) == 0 ? 60000 : 600);
  size_t align = random_below(4) == 0 ? (size_t)16 << random_below(9) : 0;
  void *owner = (void *)(uintptr_t)random_below(1000);
  struct mm_code code;
  if (model_count == MODEL_MOST ||
      mm_code_allocator_alloc(allocator, bytes, align, owner, &code) != MM_OK)
    return;
  fixture_require(code.bytes >= bytes && code.owner == owner);
  fixture_require(holds_traps(code.write, code.bytes));
  memset(code.write, (int)((uintptr_t)code.run >> 4 & 0xff), code.bytes);
  model[model_count++] = code;
}

static bool is_untouched(const struct mm_code *code)
{
  const unsigned char *at = code->write;
  unsigned char wanted = (unsigned char)((uintptr_t)code->run >> 4 & 0xff);
  for (size_t i = 0; i < code->bytes; i++)
    if (at[i] != wanted)
      return false;
  return true;
}

static void model_free(size_t index)
{
  fixture_require(is_untouched(&model[index]));
  mm_code_allocator_free(allocator, model[index].run);
  model[index] = model[--model_count];
}

static void model_trim(size_t index)
{
  struct mm_code *code = &model[index];
  size_t bytes = random_below(code->bytes + 1);
  size_t now = mm_code_allocator_trim(allocator, code->run, bytes);
  fixture_require(now >= bytes && now <= code->bytes);
  fixture_require(now < bytes + 2 * MM_CODE_ALIGN);
  code->bytes = now;
}

static const struct mm_code *model_find(uintptr_t address)
{
  for (size_t i = 0; i < model_count; i++)
    if (address - (uintptr_t)model[i].run < model[i].bytes)
      return &model[i];
  return NULL;
}

static void compare_look_up(void)
{
  uintptr_t address = RUN_BASE + random_below(RESERVED);
  const struct mm_code *expected = model_find(address);
  struct mm_code found;
  bool has = mm_code_allocator_find(allocator, (void *)address, &found);
  fixture_require(has == (expected != NULL));
  if (has)
    fixture_require(
        found.run == expected->run && found.write == expected->write &&
        found.bytes == expected->bytes && found.owner == expected->owner);
}

static void model_step(void)
{
  uint64_t what = random_below(10);
  if (what < 5 || model_count == 0)
    model_alloc();
  else if (what < 6)
    model_trim(random_below(model_count));
  else
    model_free(random_below(model_count));
  compare_look_up();
}

START_TEST(random_use_agrees_with_a_model_and_ends_in_one_free_block)
{
  seed = 1000 + (uint64_t)_i;
  model_count = 0;
  for (int step = 0; step < 20000; step++) {
    model_step();
    if (step % 1000 == 0)
      check_sound();
    if (step % 6000 == 5999)
      while (model_count > 20)
        model_free(random_below(model_count));
  }
  ck_assert(all_free_memory_traps());
  ck_assert_uint_eq(stats_now().blocks, model_count);
  while (model_count > 0)
    model_free(random_below(model_count));
  check_sound();
  ck_assert_uint_eq(counts_now().free_blocks, 1);
  ck_assert_uint_eq(counts_now().requested_bytes, 0);
  ck_assert_uint_eq(stats_now().used_bytes, 0);
  ck_assert_uint_eq(take(RESERVED, 0, NULL).bytes, RESERVED);
}
END_TEST

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

START_TEST(a_walk_sees_each_block_once_in_the_order_of_addresses)
{
  seed = 4;
  model_count = 0;
  for (int step = 0; step < 3000; step++)
    model_step();
  struct walked walked = {0};
  mm_code_allocator_walk(allocator, walk_code, &walked);
  ck_assert_uint_eq(walked.blocks, model_count);
  ck_assert_uint_eq(walked.bytes, stats_now().used_bytes);
}
END_TEST

START_TEST(memory_can_be_used_to_its_last_granule_and_no_further)
{
  for (int round = 0; round < 3; round++) {
    size_t count = 0;
    while (try_take(1024) == MM_OK)
      count++;
    ck_assert_uint_eq(count, RESERVED / 1024);
    ck_assert_int_eq(try_take(1), MM_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
      mm_code_allocator_free(allocator, (void *)(RUN_BASE + i * 1024));
    ck_assert_uint_eq(counts_now().free_blocks, 1);
  }
}
END_TEST

/* Situation 2. */
START_TEST(requests_beyond_the_reservation_are_refused)
{
  static const size_t sizes[] = {RESERVED + 1, RESERVED * 2L, SIZE_MAX - 4096,
                                 SIZE_MAX - 15, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    ck_assert_int_eq(try_take(sizes[i]), MM_NO_MEMORY);
  ck_assert_uint_eq(stats_now().held_bytes, 0);
}
END_TEST

/* The list for 1040 bytes holds blocks of up to 1136: the search for one that
   surely fits passes over it. */
START_TEST(the_last_block_that_fits_is_found_in_the_list_of_its_own_size)
{
  struct mm_code hole = take(1040, 0, NULL);
  take(RESERVED - 1040, 0, NULL);
  mm_code_allocator_free(allocator, hole.run);
  ck_assert_int_eq(try_take(1056), MM_NO_MEMORY);
  ck_assert_ptr_eq(take(1030, 0, NULL).run, hole.run);
}
END_TEST

static void *owner_of(uintptr_t address)
{
  struct mm_code code;
  bool found = mm_code_allocator_find(allocator, (void *)address, &code);
  return found ? code.owner : NULL;
}

/* Situation 66. */
START_TEST(addresses_at_the_borders_of_blocks_have_the_right_owner)
{
  int a, b, c;
  uintptr_t first = (uintptr_t)take(100, 0, &a).run;
  struct mm_code gap = take(5000, 0, &b);
  uintptr_t last = (uintptr_t)take(48, 0, &c).run;
  mm_code_allocator_free(allocator, gap.run);
  uintptr_t gap_at = (uintptr_t)gap.run;
  ck_assert_uint_eq(first, RUN_BASE);
  ck_assert_ptr_eq(owner_of(first), &a);
  ck_assert_ptr_eq(owner_of(first + 111), &a);
  ck_assert_ptr_null(owner_of(first + 112));
  ck_assert_ptr_null(owner_of(gap_at + 2500));
  ck_assert_ptr_null(owner_of(last - 1));
  ck_assert_ptr_eq(owner_of(last), &c);
  ck_assert_ptr_eq(owner_of(last + 47), &c);
  ck_assert_ptr_null(owner_of(last + 48));
  ck_assert_ptr_null(owner_of(RUN_BASE - 1));
  ck_assert_ptr_null(owner_of(RUN_BASE + RESERVED - 1));
  ck_assert_ptr_null(owner_of(RUN_BASE + RESERVED));
  ck_assert_ptr_null(owner_of(0));
  ck_assert_ptr_null(owner_of(UINTPTR_MAX));
  ck_assert_ptr_null(owner_of((uintptr_t)gap.write));
}
END_TEST

START_TEST(a_trimmed_block_gives_its_tail_to_the_next)
{
  struct mm_code first = take(4096, 0, NULL);
  memset(first.write, 1, 4096);
  ck_assert_uint_eq(mm_code_allocator_trim(allocator, first.run, 100), 112);
  ck_assert(all_free_memory_traps());
  ck_assert_uint_eq(counts_now().requested_bytes, 100);
  ck_assert_uint_eq((uintptr_t)take(3000, 0, NULL).run,
                    (uintptr_t)first.run + 112);
  ck_assert_uint_eq(mm_code_allocator_trim(allocator, first.run, 0), 16);
  check_sound();
}
END_TEST

START_TEST(a_source_that_refuses_costs_nothing_but_the_request)
{
  fake.refuses = true;
  ck_assert_int_eq(try_take(100), MM_NO_MEMORY);
  check_sound();
  ck_assert_uint_eq(stats_now().held_bytes, 0);
  fake.refuses = false;
  struct mm_code code = take(RESERVED / 2, 0, NULL);
  fake.refuses = true; /* the idle units cannot be given back */
  mm_code_allocator_free(allocator, code.run);
  check_sound();
  ck_assert_uint_eq(stats_now().held_bytes, RESERVED / 2);
  ck_assert_uint_eq(stats_now().largest_free_bytes, RESERVED / 2);
  take(RESERVED / 2, 0, NULL);
  fake.refuses = false;
}
END_TEST

/* Whichever of the descriptors is refused. */
START_TEST(without_native_memory_blocks_are_refused_and_tails_kept)
{
  struct mm_code blocks[40];
  for (int i = 0; i < 40; i++)
    blocks[i] = take(256, 0, NULL);
  mm_native_fail_at(1, true);
  int trimmed = 0;
  while (mm_code_allocator_trim(allocator, blocks[trimmed * 2].run, 16) == 16)
    trimmed++;
  ck_assert_int_lt(trimmed, 19);
  ck_assert_uint_eq(
      mm_code_allocator_trim(allocator, blocks[trimmed * 2].run, 16), 256);
  ck_assert_int_eq(try_take(64), MM_NO_MEMORY);
  ck_assert(mm_native_has_failed());
  check_sound();
  mm_native_fail_at(0, false);
  ck_assert_int_eq(try_take(64), MM_OK);
}
END_TEST

START_TEST(an_allocator_without_memory_for_its_tables_is_null)
{
  for (uint64_t count = 1; count <= 4; count++) {
    mm_native_fail_at(count, true);
    ck_assert_ptr_null(mm_code_allocator_create(&fake.source));
    mm_native_fail_at(0, false);
  }
  mm_code_allocator_destroy(NULL);
}
END_TEST

/* Situation 7. */
START_TEST(idle_memory_goes_back_but_not_that_of_a_block_that_comes_and_goes)
{
  take(100, 0, NULL);
  unsigned commits = 0;
  for (int round = 0; round < 50; round++) {
    struct mm_code code = take(3 * MM_SPAN_BYTES, 0, NULL);
    mm_code_allocator_free(allocator, code.run);
    if (round == 0)
      commits = fake.commits;
  }
  ck_assert_uint_eq(fake.commits, commits);
  ck_assert_uint_eq(fake.uncommits, 0);
  mm_code_allocator_free(allocator, take(RESERVED / 2, 0, NULL).run);
  ck_assert_uint_gt(fake.uncommits, 0);
  ck_assert_uint_le(stats_now().held_bytes, 4 * MM_SPAN_BYTES);
  check_sound();
}
END_TEST

START_TEST(the_common_face_allocates_sizes_walks_and_frees)
{
  struct mm_allocator *base = mm_code_allocator_base(allocator);
  ck_assert_str_eq(base->class->name, "code");
  ck_assert(mm_allocator_can_free(base));
  char *a = mm_allocator_alloc(base, 100);
  char *b = mm_allocator_alloc_aligned(base, 100, 1024);
  ck_assert_uint_eq((uintptr_t)b % 1024, 0);
  ck_assert_ptr_null(mm_allocator_alloc_aligned(base, 100, 8192));
  ck_assert_ptr_null(mm_allocator_alloc(base, SIZE_MAX));
  ck_assert_uint_eq(mm_allocator_block_bytes(base, a), 112);
  ck_assert(mm_allocator_is_block(base, a));
  ck_assert(!mm_allocator_is_block(base, a + 16));
  ck_assert(!mm_allocator_is_block(base, NULL));
  ck_assert_uint_eq(stats_now().blocks, 2);
  ck_assert_uint_eq(stats_now().used_bytes, 224);
  ck_assert_uint_eq(stats_now().held_bytes, MM_SPAN_BYTES);
  ck_assert_uint_eq(stats_now().free_bytes, MM_SPAN_BYTES - 224);
  ck_assert_uint_eq(stats_now().largest_free_bytes,
                    (uintptr_t)MM_SPAN_BYTES - (uintptr_t)(b + 112 - a));
  mm_allocator_free(base, a);
  mm_allocator_free(base, b);
  mm_allocator_free(base, NULL);
  ck_assert_uint_eq(stats_now().blocks, 0);
}
END_TEST

static void count_block(void *context, void *block, size_t bytes)
{
  (void)block;
  *(uint64_t *)context += bytes;
}

START_TEST(the_common_face_walks_what_the_statistics_count)
{
  struct mm_allocator *base = mm_code_allocator_base(allocator);
  uint64_t walked = 0;
  for (size_t i = 1; i < 200; i++) {
    void *block = mm_allocator_alloc(base, i * 7);
    if (i % 3 == 0)
      mm_allocator_free(base, block);
  }
  mm_allocator_walk(base, count_block, &walked);
  ck_assert_uint_eq(walked, stats_now().used_bytes);
}
END_TEST

/* A check that says nothing is none. */
START_TEST(the_check_sees_planted_faults)
{
  struct mm_allocator *base = mm_code_allocator_base(allocator);
  take(100, 0, NULL);
  take(100, 0, NULL);
  struct mm_code_block *block = allocator->lowest;
  struct fault {
    void *at;
    uint64_t wrong;
    size_t bytes;
  } faults[] = {
      {&block->bytes, 96, 8},
      {&block->used, 0, 1},
      {&block->above->below, 0, 8},
      {&allocator->units[0].used_bytes, 7, 4},
      {&allocator->units[0].committed, 0, 1},
      {&allocator->idle_units, 3, 4},
      {&allocator->last_start[0], (uintptr_t)block, 8},
      {&allocator->lists[mm_code_list_of(block->above->above->bytes)], 0, 8},
      {&allocator->used_bytes, 1, 8},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    uint64_t kept = 0;
    check_sound();
    memcpy(&kept, faults[i].at, faults[i].bytes);
    memcpy(faults[i].at, &faults[i].wrong, faults[i].bytes);
    ck_assert_msg(mm_allocator_check(base), "fault %zu", i);
    memcpy(faults[i].at, &kept, faults[i].bytes);
  }
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("allocator");
  tcase_add_checked_fixture(tests, setup_fake, teardown_fake);
  tcase_add_loop_test(tests, a_set_of_numbers_finds_the_greatest_at_or_below, 0,
                      6);
  tcase_add_test(tests, blocks_are_aligned_apart_and_hold_traps);
  tcase_add_test(tests, blocks_begin_at_the_multiple_that_was_asked_for);
  tcase_add_loop_test(
      tests, random_use_agrees_with_a_model_and_ends_in_one_free_block, 0, 4);
  tcase_add_test(tests, a_walk_sees_each_block_once_in_the_order_of_addresses);
  tcase_add_test(tests, memory_can_be_used_to_its_last_granule_and_no_further);
  tcase_add_test(tests, requests_beyond_the_reservation_are_refused);
  tcase_add_test(tests,
                 the_last_block_that_fits_is_found_in_the_list_of_its_own_size);
  tcase_add_test(tests,
                 addresses_at_the_borders_of_blocks_have_the_right_owner);
  tcase_add_test(tests, a_trimmed_block_gives_its_tail_to_the_next);
  tcase_add_test(tests, a_source_that_refuses_costs_nothing_but_the_request);
  tcase_add_test(tests,
                 without_native_memory_blocks_are_refused_and_tails_kept);
  tcase_add_test(tests, an_allocator_without_memory_for_its_tables_is_null);
  tcase_add_test(
      tests, idle_memory_goes_back_but_not_that_of_a_block_that_comes_and_goes);
  tcase_add_test(tests, the_common_face_allocates_sizes_walks_and_frees);
  tcase_add_test(tests, the_common_face_walks_what_the_statistics_count);
  tcase_add_test(tests, the_check_sees_planted_faults);
  return fixture_main("mm_code_alloc", (TCase *[]){tests, NULL});
}
