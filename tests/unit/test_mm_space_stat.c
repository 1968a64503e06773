/* SPDX-License-Identifier: Apache-2.0 */
/* What each space holds, against a walk of the heap and against what the
   system says of its mappings.  Situation 62. */
#include "config.h"

#include <string.h>

#include "mm/code.h"
#include "mm/compiler_space.h"
#include "mm/gc/heap_internal.h"
#include "mm/native.h"
#include "mm/space/metadata_internal.h"
#include "mm/stat/space_stat_internal.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;
static struct mm_space_stat stats[MM_SPACE_COUNT];

static void setup(void)
{
  struct mm_options options = fixture_options();
  fixture_open(&f, &options);
}

/* Another heap, with this plan. */
static void reopen(int plan)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  fixture_close(&f);
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

static void look(void)
{
  mm_space_stats(f.heap, stats);
  for (int i = 0; i < MM_SPACE_COUNT; i++) {
    const char *wrong = mm_space_stat_check(&stats[i]);
    ck_assert_msg(!wrong, "%s: %s", mm_space_key(i), wrong ? wrong : "");
  }
}

/* Objects of all sizes in all spaces, every third one kept. */
static void make_objects(uint64_t seed)
{
  for (int i = 0; i < 3000; i++) {
    uint32_t length = (uint32_t)(fixture_random(&seed) % 300);
    struct mm_ref ref;
    if (i % 300 == 6)
      length = 150000 + (uint32_t)(fixture_random(&seed) % 300000);
    if (i % 4 == 0)
      ref = fixture_nonmoving(&f.main, FIXTURE_BYTES, length % 1000);
    else if (i % 4 == 1)
      ref = fixture_pair(&f.main);
    else
      ref = fixture_new(&f.main, i % 8 < 4 ? FIXTURE_STRING : FIXTURE_BYTES,
                        length);
    if (i % 3 == 0)
      fixture_push(&f.main, ref);
  }
}

struct sums {
  uint64_t bytes, requested_bytes, objects;
};

static enum mm_space space_of(const struct mm_region *region)
{
  if (region->kind == MM_REGION_LARGE)
    return MM_SPACE_LARGE;
  if (region->kind == MM_REGION_SMALL || region->fixed == MM_FIXED_OBJECTS)
    return MM_SPACE_OBJECT;
  return MM_SPACE_NONMOVING;
}

static void add_object(void *context, struct mm_ref ref)
{
  uintptr_t at = (uintptr_t)mm_address(ref);
  const struct mm_region *region = mm_region_of(&f.heap->regions, at);
  struct sums *sums = (struct sums *)context + space_of(region);
  const struct mm_layout *layout = mm_layout_of(ref);
  sums->objects++;
  sums->bytes += region->kind == MM_REGION_SLOTS
                     ? mm_fixed_slot_bytes(f.heap, at)
                     : mm_object_bytes(ref);
  if (layout == &f.classes[FIXTURE_BYTES]->layout)
    sums->requested_bytes += MM_ARRAY_BASE + mm_length_word(ref);
  else if (layout == &f.classes[FIXTURE_STRING]->layout)
    sums->requested_bytes += MM_STRING_BASE + mm_length_word(ref) / 2;
  else
    sums->requested_bytes += mm_object_bytes(ref);
}

static void compare_with_walk(void)
{
  struct sums sums[MM_SPACE_COUNT] = {{0}};
  look();
  mm_heap_walk(f.heap, add_object, sums);
  for (int i = 0; i < MM_SPACE_COUNT; i++) {
    if (i != MM_SPACE_OBJECT && i != MM_SPACE_NONMOVING && i != MM_SPACE_LARGE)
      continue;
    ck_assert_uint_eq(stats[i].blocks, sums[i].objects);
    ck_assert_uint_eq(stats[i].requested_bytes, sums[i].requested_bytes);
    if (i != MM_SPACE_LARGE)
      ck_assert_uint_eq(stats[i].used_bytes, sums[i].bytes);
    ck_assert_uint_gt(stats[i].blocks, 0);
  }
}

START_TEST(objects_are_what_a_walk_finds)
{
  reopen(_i);
  make_objects(1);
  compare_with_walk();
  ck_assert_uint_gt(stats[MM_SPACE_OBJECT].used_bytes,
                    stats[MM_SPACE_OBJECT].requested_bytes);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  compare_with_walk();
  make_objects(2);
  fixture_collect(&f, MM_COLLECTION_COMPACT);
  compare_with_walk();
}
END_TEST

START_TEST(the_regions_of_the_heap_add_up_to_its_reservation)
{
  reopen(_i);
  make_objects(3);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  look();
  uint64_t reserved = 0, used = 0;
  for (int i = MM_SPACE_OBJECT; i <= MM_SPACE_REGIONS; i++)
    reserved += stats[i].reserved_bytes;
  for (int i = MM_SPACE_OBJECT; i < MM_SPACE_REGIONS; i++) {
    used += stats[i].committed_bytes;
    /* the ends of runs of slots are nobody's */
    if (i != MM_SPACE_LARGE)
      ck_assert_uint_ge(stats[i].used_bytes + stats[i].free_bytes,
                        stats[i].committed_bytes / 16 * 15);
  }
  ck_assert_uint_eq(reserved, f.heap->options.heap_max_bytes);
  ck_assert_uint_eq(used, mm_heap_used_bytes(f.heap));
}
END_TEST

/* Regions are opened eight at a time: the system may have given memory to all
   of them, huge pages for instance. */
START_TEST(regions_that_were_opened_are_committed_before_they_are_used)
{
  fixture_pair(&f.main);
  look();
  ck_assert_uint_eq(stats[MM_SPACE_OBJECT].committed_bytes,
                    FIXTURE_REGION_BYTES);
  ck_assert_uint_eq(stats[MM_SPACE_REGIONS].committed_bytes,
                    (MM_REGION_GROUP - 1) * FIXTURE_REGION_BYTES);
  ck_assert_uint_eq(stats[MM_SPACE_REGIONS].largest_free_bytes,
                    (MM_REGION_GROUP - 1) * FIXTURE_REGION_BYTES);
}
END_TEST

START_TEST(dead_neighbours_between_non_moving_objects_are_one_gap)
{
  reopen(2);
  for (int i = 0; i < 100; i++) {
    struct mm_ref ref = fixture_nonmoving(&f.main, FIXTURE_BYTES, 1000 - 12);
    if (i % 10 == 0)
      fixture_push(&f.main, ref);
  }
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  look();
  const struct mm_space_stat *stat = &stats[MM_SPACE_NONMOVING];
  ck_assert_uint_eq(stat->blocks, 10);
  ck_assert_uint_eq(stat->used_bytes, 10000);
  ck_assert_uint_eq(stat->free_bytes, stat->committed_bytes - 10000);
  ck_assert_uint_ge(stat->free_bytes - stat->largest_free_bytes, 9 * 9000);
  ck_assert_uint_gt(mm_space_stat_external_share(stat), 0);
}
END_TEST

START_TEST(the_rest_behind_a_large_object_is_internal_fragmentation)
{
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES,
                                    FIXTURE_REGION_BYTES * 3 / 2 - 12));
  look();
  const struct mm_space_stat *stat = &stats[MM_SPACE_LARGE];
  ck_assert_uint_eq(stat->blocks, 1);
  ck_assert_uint_eq(stat->used_bytes, 2 * FIXTURE_REGION_BYTES);
  ck_assert_uint_eq(stat->requested_bytes, FIXTURE_REGION_BYTES * 3 / 2);
  ck_assert_uint_eq(mm_space_stat_internal_share(stat), 25000);
  ck_assert_uint_eq(mm_space_stat_external_share(stat), 0);
}
END_TEST

START_TEST(metadata_is_counted_as_it_was_asked_for)
{
  look();
  struct mm_space_stat before = stats[MM_SPACE_METADATA];
  for (int i = 0; i < 1000; i++)
    ck_assert_ptr_nonnull(mm_metadata_alloc(f.heap, 100));
  look();
  const struct mm_space_stat *stat = &stats[MM_SPACE_METADATA];
  ck_assert_uint_eq(stat->requested_bytes - before.requested_bytes, 100000);
  ck_assert_uint_eq(stat->used_bytes - before.used_bytes, 112000);
  ck_assert_uint_eq(stat->blocks - before.blocks, 1000);
}
END_TEST

START_TEST(compilations_are_counted_while_they_run)
{
  struct mm_arena *arena = mm_compilation_begin(f.heap);
  ck_assert_ptr_nonnull(mm_arena_alloc(arena, 100000));
  look();
  const struct mm_space_stat *stat = &stats[MM_SPACE_COMPILER];
  ck_assert_uint_ge(stat->requested_bytes, 100000);
  ck_assert_uint_ge(stat->used_bytes, stat->requested_bytes);
  ck_assert_uint_eq(stat->blocks, 1);
  mm_compilation_end(f.heap, arena);
  look();
  ck_assert_uint_eq(stat->used_bytes, 0);
}
END_TEST

START_TEST(the_summary_tells_of_compilations_and_code)
{
  struct fixture_text json;
  struct mm_arena *first = mm_compilation_begin(f.heap);
  struct mm_arena *second = mm_compilation_begin(f.heap);
  mm_compilation_end(f.heap, first);
  fixture_text_open(&json);
  mm_stats_print_json(f.heap, json.out);
  ck_assert_ptr_nonnull(
      strstr(fixture_text_read(&json),
             "\"compiler\": {\"compilations\": 2, \"running\": 1, "
             "\"peak_running\": 2, \"peak_bytes\": 0, "));
  ck_assert_ptr_nonnull(strstr(json.text, "\"code\": {\"blocks\": 0, "
                                          "\"peak_bytes\": 0, "
                                          "\"max_bytes\": 0}"));
  fixture_text_close(&json);
  mm_compilation_end(f.heap, second);
}
END_TEST

START_TEST(code_is_counted_once_the_space_is_there)
{
  struct mm_error error;
  struct mm_code code;
  look();
  ck_assert_uint_eq(stats[MM_SPACE_CODE].reserved_bytes, 0);
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_OK);
  ck_assert_int_eq(mm_code_alloc(f.heap, 100, 0, NULL, &code), MM_OK);
  look();
  const struct mm_space_stat *stat = &stats[MM_SPACE_CODE];
  ck_assert_uint_eq(stat->reserved_bytes, 2 * (64 << 20));
  ck_assert_uint_eq(stat->committed_bytes, 64 << 10);
  ck_assert_uint_eq(stat->used_bytes, 112);
  ck_assert_uint_eq(stat->requested_bytes, 100);
  ck_assert_uint_eq(stat->free_bytes, (64 << 10) - 112);
  ck_assert_uint_eq(stat->blocks, 1);
}
END_TEST

START_TEST(native_memory_is_internal_but_for_mappings)
{
  look();
  uint64_t before = stats[MM_SPACE_INTERNAL].requested_bytes;
  void *at = mm_native_alloc(MM_PURPOSE_TRACE, 100000);
  mm_metadata_alloc(f.heap, 1 << 20);
  look();
  ck_assert_uint_ge(stats[MM_SPACE_INTERNAL].requested_bytes, before + 100000);
  ck_assert_uint_lt(stats[MM_SPACE_INTERNAL].requested_bytes, before + 110000);
  mm_native_free(MM_PURPOSE_TRACE, at, 100000);
}
END_TEST

/* What the system says --------------------------------------------------- */

struct mapped {
  uint64_t bytes;    /* of mappings inside the range */
  uint64_t resident; /* of the whole mappings that lie inside; a page that is
                        mapped twice counts half each time */
};

/* The part of [*low, *high) that lies in the range. */
static uint64_t part_in(uintptr_t base, uint64_t bytes, uint64_t low,
                        uint64_t high)
{
  if (low < base)
    low = base;
  if (high > base + bytes)
    high = base + bytes;
  return low < high ? high - low : 0;
}

static struct mapped mapped_in(uintptr_t base, uint64_t bytes)
{
  struct mapped mapped = {0, 0};
  FILE *smaps = fopen("/proc/self/smaps", "re");
  char line[512];
  unsigned long low, high, kib;
  bool inside = false;
  ck_assert_ptr_nonnull(smaps);
  while (fgets(line, sizeof line, smaps)) {
    if (sscanf(line, "%lx-%lx ", &low, &high) == 2) {
      mapped.bytes += part_in(base, bytes, low, high);
      inside = low >= base && high <= base + bytes;
    } else if (inside && sscanf(line, "Pss: %lu kB", &kib) == 1) {
      mapped.resident += (uint64_t)kib * 1024;
    }
  }
  fclose(smaps);
  return mapped;
}

static void compare_with_system(uintptr_t base, uint64_t reserved,
                                uint64_t committed, uint64_t used)
{
  struct mapped mapped = mapped_in(base, reserved);
  ck_assert_uint_eq(mapped.bytes, reserved);
  ck_assert_uint_le(mapped.resident, committed);
  ck_assert_uint_ge(mapped.resident, used / 2);
}

static uint64_t heap_sum(size_t offset)
{
  uint64_t sum = 0;
  for (int i = MM_SPACE_OBJECT; i <= MM_SPACE_REGIONS; i++)
    sum += *(uint64_t *)((char *)&stats[i] + offset);
  return sum;
}

static void fill_code(void)
{
  struct mm_error error;
  struct mm_code code;
  ck_assert_int_eq(mm_code_start(f.heap, &error), MM_OK);
  for (int i = 0; i < 300; i++)
    ck_assert_int_eq(mm_code_alloc(f.heap, 10000, 0, NULL, &code), MM_OK);
}

START_TEST(mappings_add_up_and_what_is_resident_is_committed)
{
  make_objects(4);
  fill_code();
  mm_metadata_alloc(f.heap, 1 << 20);
  for (int kind = 0; kind <= MM_COLLECTION_COMPACT; kind++) {
    fixture_collect(&f, (enum mm_collection_kind)kind);
    look();
    compare_with_system(
        f.heap->regions.base,
        heap_sum(offsetof(struct mm_space_stat, reserved_bytes)),
        heap_sum(offsetof(struct mm_space_stat, committed_bytes)),
        heap_sum(offsetof(struct mm_space_stat, requested_bytes)));
  }
  const struct mm_space_stat *stat = &stats[MM_SPACE_METADATA];
  compare_with_system(f.heap->metadata.memory.start, stat->reserved_bytes,
                      stat->committed_bytes, stat->used_bytes);
  stat = &stats[MM_SPACE_CODE];
  compare_with_system(f.heap->code.dual.write_base, stat->reserved_bytes,
                      stat->committed_bytes, stat->used_bytes);
  stat = &stats[MM_SPACE_TABLES];
  ck_assert_uint_eq(
      mapped_in((uintptr_t)f.heap->tables, stat->reserved_bytes).bytes,
      stat->reserved_bytes);
}
END_TEST

START_TEST(the_sum_is_the_sum)
{
  make_objects(5);
  look();
  struct mm_space_stat sum = mm_space_stat_sum(stats);
  uint64_t used = 0, blocks = 0;
  for (int i = 0; i < MM_SPACE_COUNT; i++) {
    used += stats[i].used_bytes;
    blocks += stats[i].blocks;
    ck_assert_uint_le(stats[i].largest_free_bytes, sum.largest_free_bytes);
  }
  ck_assert_uint_eq(sum.used_bytes, used);
  ck_assert_uint_eq(sum.blocks, blocks);
  ck_assert_ptr_null(mm_space_stat_check(&sum));
}
END_TEST

START_TEST(the_check_of_a_space_sees_planted_faults)
{
  const struct mm_space_stat sound = {.reserved_bytes = 1000,
                                      .committed_bytes = 800,
                                      .used_bytes = 500,
                                      .requested_bytes = 400,
                                      .free_bytes = 250,
                                      .largest_free_bytes = 100};
  struct mm_space_stat stat = sound;
  uint64_t *const fields[] = {&stat.committed_bytes, &stat.used_bytes,
                              &stat.requested_bytes, &stat.free_bytes,
                              &stat.largest_free_bytes};
  ck_assert_ptr_null(mm_space_stat_check(&stat));
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    *fields[i] += 600;
    ck_assert_ptr_nonnull(mm_space_stat_check(&stat));
    stat = sound;
  }
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("spaces");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, objects_are_what_a_walk_finds, 0, FIXTURE_PLANS);
  tcase_add_loop_test(tests, the_regions_of_the_heap_add_up_to_its_reservation,
                      0, FIXTURE_PLANS);
  tcase_add_test(tests,
                 regions_that_were_opened_are_committed_before_they_are_used);
  tcase_add_test(tests, dead_neighbours_between_non_moving_objects_are_one_gap);
  tcase_add_test(tests,
                 the_rest_behind_a_large_object_is_internal_fragmentation);
  tcase_add_test(tests, metadata_is_counted_as_it_was_asked_for);
  tcase_add_test(tests, compilations_are_counted_while_they_run);
  tcase_add_test(tests, the_summary_tells_of_compilations_and_code);
  tcase_add_test(tests, code_is_counted_once_the_space_is_there);
  tcase_add_test(tests, native_memory_is_internal_but_for_mappings);
  tcase_add_test(tests, mappings_add_up_and_what_is_resident_is_committed);
  tcase_add_test(tests, the_sum_is_the_sum);
  tcase_add_test(tests, the_check_of_a_space_sees_planted_faults);
  return fixture_main("mm_space_stat", (TCase *[]){tests, NULL});
}
