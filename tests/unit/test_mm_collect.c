/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collections, each test once by evacuation, by compaction, by both with
 * generations, by sweeping with generations, and of young objects alone with
 * old ones in regions and in slots; with one, two and four workers.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>

#include "mm/native.h"
#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

/* _i is WORKERS * mode and how many times the workers are doubled. */
enum {
  WORKERS = FIXTURE_WORKERS,
  MODES = 7,
  VARIANTS = WORKERS * MODES,
  FULL_VARIANTS = VARIANTS - 2 * WORKERS,
};

static struct fixture f;

static enum mm_collection_kind kind_of(int variant)
{
  static const enum mm_collection_kind kinds[MODES] = {
      MM_COLLECTION_EVACUATE, MM_COLLECTION_COMPACT, MM_COLLECTION_EVACUATE,
      MM_COLLECTION_COMPACT,  MM_COLLECTION_SWEEP,   MM_COLLECTION_YOUNG,
      MM_COLLECTION_YOUNG};
  return kinds[variant / WORKERS];
}

static bool is_generational(int variant)
{
  return variant / WORKERS >= 2;
}

static enum mm_tenured tenured_of(int variant)
{
  bool is_fixed = variant / WORKERS == 4 || variant / WORKERS == 6;
  return is_fixed ? MM_TENURED_FREELIST : MM_TENURED_REGIONS;
}

static void open_heap(int variant)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(variant);
  options.tenured = tenured_of(variant);
  options.generational = is_generational(variant);
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

/* Collects, and makes sure that it was done in the way that was asked for. */
static void collect(int variant)
{
  uint64_t count = mm_collections(f.heap);
  fixture_collect(&f, kind_of(variant));
  ck_assert_uint_eq(mm_collections(f.heap), count + 1);
  ck_assert_int_eq(f.heap->stat.current.kind, kind_of(variant));
}

START_TEST(what_is_reachable_stays_and_the_rest_goes)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 10000);
  size_t dead = fixture_push_list(&f.main, 5000);
  fixture_put(&f.main, dead, MM_NULL);
  ck_assert_uint_eq(fixture_census(&f).objects, 15000);
  collect(_i);
  fixture_check_list(fixture_at(&f.main, list), 10000);
  ck_assert_uint_eq(fixture_census(&f).objects, 10000);
}
END_TEST

START_TEST(everything_goes_when_there_is_no_root)
{
  open_heap(_i);
  fixture_push_list(&f.main, 10000);
  fixture_pop(&f.main, 1);
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

START_TEST(an_empty_heap_can_be_collected)
{
  open_heap(_i);
  for (int i = 0; i < 3; i++)
    collect(_i);
  ck_assert_uint_eq(mm_heap_used_bytes(f.heap), 0);
  fixture_pair(&f.main);
}
END_TEST

START_TEST(a_tree_survives_many_collections_while_the_program_goes_on)
{
  open_heap(_i);
  size_t tree = fixture_push(&f.main, fixture_tree(&f.main, 14));
  for (int i = 0; i < 10; i++) {
    fixture_tree(&f.main, 12);
    collect(_i);
    ck_assert_uint_eq(fixture_tree_nodes(fixture_at(&f.main, tree)),
                      (1 << 15) - 1);
    ck_assert_uint_eq(fixture_census(&f).objects, (1 << 15) - 1);
  }
}
END_TEST

START_TEST(garbage_in_cycles_goes)
{
  open_heap(_i);
  for (int i = 0; i < 1000; i++) {
    size_t a = fixture_push(&f.main, fixture_pair(&f.main));
    struct mm_ref b = fixture_pair(&f.main);
    fixture_set(fixture_at(&f.main, a), FIXTURE_LEFT, b);
    fixture_set(b, FIXTURE_LEFT, fixture_at(&f.main, a));
    fixture_set(b, FIXTURE_RIGHT, b);
    fixture_pop(&f.main, 1);
  }
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

START_TEST(an_object_that_is_shared_stays_one)
{
  open_heap(_i);
  size_t shared = fixture_push(&f.main, fixture_pair(&f.main));
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 9000));
  for (size_t i = 0; i < 9000; i++)
    fixture_set_element(fixture_at(&f.main, array), i,
                        fixture_at(&f.main, shared));
  f.globals[3] = fixture_at(&f.main, shared);
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
  ck_assert(mm_same(f.globals[3], fixture_at(&f.main, shared)));
  for (size_t i = 0; i < 9000; i++)
    fixture_require(mm_same(fixture_element(fixture_at(&f.main, array), i),
                            fixture_at(&f.main, shared)));
}
END_TEST

/* ThreadSanitizer sees in the first nodes of a list what it sees in all. */
#ifdef BAMBOO_TSAN
enum { LIST_NODES = 50000 };
#else
enum { LIST_NODES = 500000 };
#endif

/* A list is what a stack of work stays shortest on and a recursion dies of;
   an array of arrays is the opposite. */
START_TEST(a_long_list_survives)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  options.tenured = tenured_of(_i);
  options.generational = is_generational(_i);
  options.heap_max_bytes = 48 * FIXTURE_MIB;
  fixture_open(&f, &options);
  size_t list = fixture_push_list(&f.main, LIST_NODES);
  collect(_i);
  fixture_check_list(fixture_at(&f.main, list), LIST_NODES);
}
END_TEST

START_TEST(wide_arrays_of_small_objects_survive)
{
  open_heap(_i);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 200000));
  for (size_t i = 0; i < 200000; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_value(pair, (int64_t)i);
    fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 200001);
  for (size_t i = 0; i < 200000; i++)
    fixture_require(fixture_value(fixture_element(fixture_at(&f.main, array),
                                                  i)) == (int64_t)i);
}
END_TEST

START_TEST(every_reference_of_a_wide_object_is_found)
{
  open_heap(_i);
  size_t wide = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_WIDE, 0));
  int64_t fields = 0;
  for (size_t slot = 2; slot < FIXTURE_WIDE_BYTES / 4; slot += 3) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_value(pair, (int64_t)slot);
    fixture_set(fixture_at(&f.main, wide), slot * 4, pair);
    fields++;
  }
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, (uint64_t)fields + 1);
  for (size_t slot = 2; slot < FIXTURE_WIDE_BYTES / 4; slot += 3)
    ck_assert_int_eq(
        fixture_value(fixture_get(fixture_at(&f.main, wide), slot * 4)),
        (int64_t)slot);
}
END_TEST

START_TEST(numbers_that_look_like_references_keep_nothing_alive)
{
  open_heap(_i);
  struct mm_ref dead = fixture_pair(&f.main);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_LONGS, 100));
  size_t pair = fixture_push(&f.main, fixture_pair(&f.main));
  for (size_t i = 0; i < 200; i++)
    fixture_set(fixture_at(&f.main, array), MM_ARRAY_BASE_WIDE + 4 * i, dead);
  fixture_set_value(fixture_at(&f.main, pair), dead.bits);
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
  ck_assert_int_eq(fixture_value(fixture_at(&f.main, pair)), dead.bits);
}
END_TEST

static void fill(struct mm_ref ref, size_t base, uint64_t seed)
{
  size_t bytes = mm_object_bytes(ref);
  for (size_t i = base; i < bytes; i++)
    *fixture_data(ref, i) = (char)(fixture_random(&seed) >> 8);
}

static void check_filled(struct mm_ref ref, size_t base, uint64_t seed)
{
  size_t bytes = mm_object_bytes(ref);
  for (size_t i = base; i < bytes; i++)
    fixture_require(*fixture_data(ref, i) ==
                    (char)(fixture_random(&seed) >> 8));
}

START_TEST(data_is_copied_to_the_last_byte)
{
  open_heap(_i);
  for (uint32_t i = 0; i < 300; i++) {
    fixture_new(&f.main, FIXTURE_BYTES, i * 3); /* garbage between */
    struct mm_ref bytes = fixture_new(&f.main, FIXTURE_BYTES, i * 31);
    fill(bytes, MM_ARRAY_BASE, i + 1);
    fixture_push(&f.main, bytes);
    struct mm_ref string = fixture_wide_string(&f.main, i * 17);
    fill(string, MM_STRING_BASE, i + 2);
    fixture_push(&f.main, string);
  }
  for (int round = 0; round < 3; round++) {
    collect(_i);
    for (uint32_t i = 0; i < 300; i++) {
      ck_assert_uint_eq(mm_length_word(fixture_at(&f.main, 2 * i)), i * 31);
      check_filled(fixture_at(&f.main, 2 * i), MM_ARRAY_BASE, i + 1);
      ck_assert_uint_eq(mm_length_word(fixture_at(&f.main, 2 * i + 1)),
                        (i * 17) << 1 | 1);
      check_filled(fixture_at(&f.main, 2 * i + 1), MM_STRING_BASE, i + 2);
    }
  }
}
END_TEST

/* Situation 52, as far as the memory manager has kinds of roots. */
START_TEST(every_kind_of_root_is_updated)
{
  open_heap(_i);
  struct mm_ref held[2];
  struct mm_scope scope;
  fixture_push_list(&f.main, 100); /* garbage in front: all will move */
  fixture_pop(&f.main, 1);
  mm_scope_open(&f.main.mutator, &scope, held, 2);
  held[1] = fixture_pair(&f.main);
  fixture_set_value(held[1], 1);
  f.globals[7] = fixture_pair(&f.main);
  fixture_set_value(f.globals[7], 2);
  size_t vreg = fixture_push(&f.main, fixture_pair(&f.main));
  fixture_set_value(fixture_at(&f.main, vreg), 3);
  f.weak[5] = f.globals[7];
  struct mm_ref before[] = {held[1], f.globals[7], fixture_at(&f.main, vreg)};
  collect(_i);
  struct mm_ref after[] = {held[1], f.globals[7], fixture_at(&f.main, vreg)};
  for (int i = 0; i < 3; i++) {
    ck_assert(!mm_same(before[i], after[i]));
    ck_assert_int_eq(fixture_value(after[i]), i + 1);
  }
  ck_assert(mm_is_null(held[0]));
  ck_assert(mm_same(f.weak[5], f.globals[7]));
  mm_scope_close(&f.main.mutator, &scope);
}
END_TEST

/* Situations 46 and 49. */
START_TEST(weak_slots_follow_what_lives_and_drop_what_died)
{
  open_heap(_i);
  for (size_t i = 0; i < FIXTURE_WEAK; i++) {
    struct mm_ref ref = i % 8 == 7 ? fixture_new(&f.main, FIXTURE_BYTES, 200000)
                        : i % 8 == 6
                            ? fixture_nonmoving(&f.main, FIXTURE_PAIR, 0)
                            : fixture_pair(&f.main);
    f.weak[i] = ref;
    fixture_push(&f.main, i / 8 % 2 ? ref : MM_NULL);
  }
  collect(_i);
  ck_assert_uint_eq(f.weak_died, FIXTURE_WEAK / 2);
  for (size_t i = 0; i < FIXTURE_WEAK; i++)
    ck_assert(mm_same(f.weak[i], fixture_at(&f.main, i)));
  fixture_pop(&f.main, FIXTURE_WEAK);
  collect(_i);
  ck_assert_uint_eq(f.weak_died, FIXTURE_WEAK);
}
END_TEST

START_TEST(identity_hashes_and_mark_words_move_with_their_objects)
{
  enum { OBJECTS = 500 };
  uint32_t hashes[OBJECTS];
  open_heap(_i);
  for (size_t i = 0; i < OBJECTS; i++) {
    fixture_pair(&f.main);
    fixture_push(&f.main, fixture_pair(&f.main));
    struct mm_ref ref = fixture_at(&f.main, i);
    if (i % 3 == 0)
      hashes[i] = mm_identity_hash(&f.main.mutator, ref);
    else if (i % 3 == 1)
      *mm_mark_word(ref) = MM_MARK_LIGHT | 3 << MM_MARK_PAYLOAD_SHIFT |
                           1u << MM_MARK_LIGHT_OWNER_SHIFT;
    else
      *mm_mark_word(ref) = MM_MARK_INFLATED | (uint32_t)i << 3;
  }
  for (int round = 0; round < 3; round++) {
    collect(_i);
    for (size_t i = 0; i < OBJECTS; i++) {
      struct mm_ref ref = fixture_at(&f.main, i);
      if (i % 3 == 0)
        ck_assert_uint_eq(mm_identity_hash(&f.main.mutator, ref), hashes[i]);
      else if (i % 3 == 1)
        ck_assert_uint_eq(*mm_mark_word(ref), MM_MARK_LIGHT | 3 << 3 | 1 << 16);
      else
        ck_assert_uint_eq(*mm_mark_word(ref), MM_MARK_INFLATED | i << 3);
    }
  }
}
END_TEST

START_TEST(identity_hashes_are_29_bits_not_zero_and_seldom_the_same)
{
  open_heap(_i);
  uint32_t first = 0, same = 0;
  for (int i = 0; i < 1000; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    uint32_t hash = mm_identity_hash(&f.main.mutator, pair);
    ck_assert_uint_ne(hash, 0);
    ck_assert_uint_lt(hash, 1u << 29);
    ck_assert_uint_eq(hash, mm_identity_hash(&f.main.mutator, pair));
    if (i == 0)
      first = hash;
    else
      same += hash == first;
  }
  ck_assert_uint_le(same, 1);
}
END_TEST

/* Situation 36, for objects that are born so. */
START_TEST(large_and_non_moving_objects_stay_where_they_are)
{
  open_heap(_i);
  size_t large =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 90000));
  size_t fixed =
      fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  struct mm_ref at[] = {fixture_at(&f.main, large), fixture_at(&f.main, fixed)};
  for (int round = 0; round < 4; round++) {
    fixture_push_list(&f.main, 500);
    fixture_pop(&f.main, 1);
    struct mm_ref child = fixture_pair(&f.main);
    fixture_set_value(child, round);
    fixture_set_element(fixture_at(&f.main, large), 77777, child);
    fixture_set(fixture_at(&f.main, fixed), FIXTURE_RIGHT, child);
    collect(_i);
    ck_assert(mm_same(fixture_at(&f.main, large), at[0]));
    ck_assert(mm_same(fixture_at(&f.main, fixed), at[1]));
    child = fixture_element(at[0], 77777);
    ck_assert_int_eq(fixture_value(child), round);
    ck_assert(mm_same(child, fixture_get(at[1], FIXTURE_RIGHT)));
    ck_assert_uint_eq(fixture_census(&f).objects, 3);
  }
}
END_TEST

START_TEST(dead_large_and_non_moving_objects_are_freed_whole)
{
  open_heap(_i);
  for (int i = 0; i < 20; i++) {
    fixture_new(&f.main, FIXTURE_BYTES, 500000);
    fixture_nonmoving(&f.main, FIXTURE_BYTES, 100000);
  }
  collect(_i);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  ck_assert_uint_eq(mm_heap_used_bytes(f.heap), 0);
}
END_TEST

START_TEST(objects_of_all_sizes_mixed_with_garbage_survive)
{
  open_heap(_i);
  uint64_t seed = 9;
  uint32_t lengths[600];
  size_t count = 0;
  for (int i = 0; i < 1200; i++) {
    uint32_t length =
        (uint32_t)(fixture_random(&seed) % (i % 10 ? 2000 : 60000));
    struct mm_ref bytes = fixture_new(&f.main, FIXTURE_BYTES, length);
    if (i % 2)
      continue;
    fill(bytes, MM_ARRAY_BASE, length + 1);
    lengths[count++] = length;
    fixture_push(&f.main, bytes);
  }
  for (int round = 0; round < 3; round++) {
    collect(_i);
    for (size_t i = 0; i < count; i++) {
      ck_assert_uint_eq(mm_length_word(fixture_at(&f.main, i)), lengths[i]);
      check_filled(fixture_at(&f.main, i), MM_ARRAY_BASE, lengths[i] + 1);
    }
    ck_assert_uint_eq(fixture_census(&f).objects, count);
  }
}
END_TEST

enum { LEVELS = 400, TEETH = 40 };

/* Arrays that hang on each other, each with its own pairs as well: whichever
   element is followed first, the others have to be remembered. */
static void push_comb(enum fixture_kind teeth, bool last)
{
  size_t comb = fixture_push(&f.main, MM_NULL);
  for (int level = 0; level < LEVELS; level++) {
    struct mm_ref array = level % 50 == 7
                              ? fixture_nonmoving(&f.main, FIXTURE_REFS, TEETH)
                              : fixture_new(&f.main, FIXTURE_REFS, TEETH);
    size_t fresh = fixture_push(&f.main, array);
    for (size_t i = 0; i < TEETH; i++) {
      struct mm_ref tooth = fixture_new(&f.main, teeth, 0);
      fixture_set_element(fixture_at(&f.main, fresh), i, tooth);
    }
    fixture_set_element(fixture_at(&f.main, fresh), last ? TEETH - 1 : 0,
                        fixture_at(&f.main, comb));
    fixture_put(&f.main, comb, fixture_at(&f.main, fresh));
    fixture_pop(&f.main, 1);
  }
}

/* An array and TEETH - 1 teeth per level: one makes way for the level below. */
static const uint64_t comb_objects = (uint64_t)LEVELS * TEETH;

START_TEST(nothing_is_lost_when_a_stack_of_work_overflows)
{
  open_heap(_i);
  f.heap->trace_entries_max = 1; /* stacks stay as they are */
  for (int last = 0; last < 2; last++) {
    push_comb(FIXTURE_PAIR, last);
    push_comb(FIXTURE_LEAF, last);
  }
  for (int round = 0; round < 3; round++) {
    push_comb(FIXTURE_PAIR, round % 2);
    fixture_pop(&f.main, 1);
    collect(_i);
    ck_assert_uint_eq(fixture_census(&f).objects, 4 * comb_objects);
    ck_assert_uint_eq(f.heap->stat.current.after.live_objects,
                      4 * comb_objects);
  }
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_MARK_OVERFLOWS), 0);
}
END_TEST

START_TEST(stacks_of_work_grow_and_shrink)
{
  open_heap(_i);
  for (int i = 0; i < 6; i++)
    push_comb(FIXTURE_LEAF, i % 2);
  for (int round = 0; round < 3; round++) {
    collect(_i);
    ck_assert_uint_eq(fixture_census(&f).objects, 6 * comb_objects);
  }
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_MARK_OVERFLOWS), 0);
}
END_TEST

/* The same for want of native memory, which also fails now and then for all
   the other things that a collection takes it for. */
START_TEST(nothing_is_lost_when_a_stack_of_work_cannot_grow)
{
  open_heap(_i);
  f.heap->options.verify = 0; /* the verifier needs memory as well */
  push_comb(FIXTURE_PAIR, false);
  push_comb(FIXTURE_PAIR, true);
  for (uint64_t count = 1; count < 12; count++) {
    push_comb(FIXTURE_LEAF, count % 2);
    fixture_pop(&f.main, 1);
    mm_native_fail_at(count, true);
    collect(_i);
    mm_native_fail_at(0, true);
    ck_assert_uint_eq(fixture_verify(&f), 0);
    ck_assert_uint_eq(fixture_census(&f).objects, 2 * comb_objects);
  }
}
END_TEST

/* Out of room and out of stack at the same time. */
START_TEST(nothing_is_lost_when_room_and_stacks_run_out_together)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  options.tenured = tenured_of(_i);
  options.generational = is_generational(_i);
  options.heap_max_bytes = 4 * FIXTURE_MIB;
  fixture_open(&f, &options);
  f.heap->trace_entries_max = 1;
  for (int i = 0; i < 5; i++)
    push_comb(FIXTURE_PAIR, i % 2);
  for (int round = 0; round < 6; round++) {
    fixture_put(&f.main, 0, MM_NULL);
    fixture_put(&f.main, 0, fixture_at(&f.main, 1));
    f.heap->sizing.reserve_regions = 0;
    fixture_collect(&f, MM_COLLECTION_EVACUATE);
    ck_assert_uint_eq(fixture_census(&f).objects, 4 * comb_objects);
  }
  ck_assert_uint_gt(mm_stat_counter(&f.heap->stat, MM_COUNT_MARK_OVERFLOWS), 0);
}
END_TEST

START_TEST(a_collection_is_logged_counted_and_timed)
{
  struct fixture_text text;
  fixture_text_open(&text);
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  options.tenured = tenured_of(_i);
  options.generational = is_generational(_i);
  options.log = text.out;
  options.log_level = MM_LOG_DEBUG;
  fixture_open(&f, &options);
  fixture_push_list(&f.main, 1000);
  collect(_i);
  const char *log = fixture_text_read(&text);
  ck_assert_ptr_nonnull(strstr(log, "[info][gc] GC(0) Pause Full (Explicit) "));
  ck_assert_ptr_nonnull(strstr(log, kind_of(_i) == MM_COLLECTION_EVACUATE
                                        ? "GC(0) Evacuate "
                                        : "GC(0) Mark "));
  ck_assert_uint_eq(f.heap->stat.pauses[kind_of(_i)].count, 1);
  ck_assert_uint_eq(f.heap->stat.current.after.live_bytes, 24000);
  ck_assert_uint_eq(f.heap->stat.current.after.live_objects, 1000);
  ck_assert_uint_eq(mm_collections_forced(f.heap), 0);
  mm_collect(&f.main.mutator, MM_CAUSE_EXIT);
  ck_assert_str_eq(mm_last_cause(f.heap), "Exit");
  fflush(text.out);
  f.heap->stat.log.out = NULL;
  fixture_text_close(&text);
}
END_TEST

/* Those that one heap can have. */
/* The last byte that a reference can lead to ---------------------------------
 */

#if !defined BAMBOO_ASAN && !defined BAMBOO_TSAN
enum { HIGH_BYTES = 256 * FIXTURE_MIB };
static const uintptr_t reach_end = (uintptr_t)32 << 30;

/* The addresses from 4 GiB on, except for the last ones that are in reach. */
static void take_addresses(bool takes)
{
  enum { PLACES = 28 * 4 - 1 };
  static void *taken[PLACES];
  for (uintptr_t i = 0; i < PLACES; i++) {
    void *at = (void *)(((uintptr_t)4 << 30) + i * HIGH_BYTES);
    if (takes)
      taken[i] = mmap(at, HIGH_BYTES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                          MAP_FIXED_NOREPLACE,
                      -1, 0);
    else if (taken[i] == at)
      munmap(at, HIGH_BYTES);
  }
}

/* A large object takes all regions but the last one, and two as large as can be
   fill that: one past it, there is no reference. */
START_TEST(a_heap_that_ends_where_references_do_can_be_compacted)
{
  enum { HALF = FIXTURE_REGION_BYTES / 2 };
  struct mm_options options = fixture_options();
  options.heap_max_bytes = options.heap_min_bytes = HIGH_BYTES;
  take_addresses(true);
  fixture_open(&f, &options);
  take_addresses(false);
  struct mm_regions *regions = &f.heap->regions;
  uint32_t last = regions->count - 1;
  if (regions->base + HIGH_BYTES != reach_end) /* something stood in the way */
    return;
  f.heap->sizing.reserve_regions = 0;
  fixture_push(&f.main,
               fixture_new(&f.main, FIXTURE_BYTES,
                           HIGH_BYTES - FIXTURE_REGION_BYTES - MM_ARRAY_BASE));
  for (int i = 0; i < 2; i++)
    fixture_push(&f.main,
                 fixture_new(&f.main, FIXTURE_BYTES, HALF - MM_ARRAY_BASE));
  ck_assert_uint_eq(regions->table[last].top, reach_end);
  fixture_collect(&f, MM_COLLECTION_COMPACT);
  ck_assert_int_eq(f.heap->stat.current.kind, MM_COLLECTION_COMPACT);
  ck_assert_uint_eq(regions->table[last].top, reach_end);
  ck_assert_uint_eq(fixture_census(&f).objects, 3);
  ck_assert(mm_is_null(fixture_new_or_null(&f.main, FIXTURE_BYTES, HALF)));
  ck_assert_uint_eq(fixture_verify(&f), 0);
}
END_TEST
#endif

START_TEST(all_kinds_in_turn_lose_nothing)
{
  open_heap(_i);
  size_t tree = fixture_push(&f.main, fixture_tree(&f.main, 12));
  static const int next_mode[MODES] = {1, 0, 3, 5, 6, 2, 4};
  int mode = _i / WORKERS;
  for (int round = 0; round < 12; round++) {
    fixture_tree(&f.main, 10);
    collect(WORKERS * mode + _i % WORKERS);
    mode = next_mode[mode];
    ck_assert_uint_eq(fixture_tree_nodes(fixture_at(&f.main, tree)), 8191);
  }
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, VARIANTS)
/* Old objects die, too. */
#define ADD_FULL(test) tcase_add_loop_test(tests, test, 0, FULL_VARIANTS)

int main(void)
{
  TCase *tests = tcase_create("collections");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(what_is_reachable_stays_and_the_rest_goes);
  ADD(everything_goes_when_there_is_no_root);
  ADD(an_empty_heap_can_be_collected);
  ADD(a_tree_survives_many_collections_while_the_program_goes_on);
  ADD(garbage_in_cycles_goes);
  ADD(an_object_that_is_shared_stays_one);
  ADD(a_long_list_survives);
  ADD(wide_arrays_of_small_objects_survive);
  ADD(every_reference_of_a_wide_object_is_found);
  ADD(numbers_that_look_like_references_keep_nothing_alive);
  ADD(data_is_copied_to_the_last_byte);
  ADD(every_kind_of_root_is_updated);
  ADD_FULL(weak_slots_follow_what_lives_and_drop_what_died);
  ADD(identity_hashes_and_mark_words_move_with_their_objects);
  ADD(identity_hashes_are_29_bits_not_zero_and_seldom_the_same);
  ADD(large_and_non_moving_objects_stay_where_they_are);
  ADD_FULL(dead_large_and_non_moving_objects_are_freed_whole);
  ADD(objects_of_all_sizes_mixed_with_garbage_survive);
  ADD_FULL(nothing_is_lost_when_a_stack_of_work_overflows);
  ADD(stacks_of_work_grow_and_shrink);
  ADD_FULL(nothing_is_lost_when_a_stack_of_work_cannot_grow);
  ADD_FULL(nothing_is_lost_when_room_and_stacks_run_out_together);
  ADD_FULL(a_collection_is_logged_counted_and_timed);
  ADD(all_kinds_in_turn_lose_nothing);
#if !defined BAMBOO_ASAN && !defined BAMBOO_TSAN
  tcase_add_test(tests, a_heap_that_ends_where_references_do_can_be_compacted);
#endif
  return fixture_main("mm_collect", (TCase *[]){tests, NULL});
}
