/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed spaces: slots, gaps, lazy sweeping.  Run for slots and for gaps only
 * where both have to behave alike (looped tests: plan 1 and 2).
 */
#include "config.h"

#include "tests/unit/mm_fixture.h"

#include <pthread.h>

enum { SLOTS = 1, GAPS = 2, MANY = 20000 };

static struct fixture f;

static struct mm_options options_of(int plan)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  return options;
}

static void open_plan(int plan)
{
  struct mm_options options = options_of(plan);
  fixture_open(&f, &options);
}

static void collect(void)
{
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
}

static uint32_t used_regions(void)
{
  return f.heap->regions.used;
}

/* `count` arrays of bytes that take `bytes` each, pushed. */
static void push_arrays(uint32_t count, uint32_t bytes)
{
  for (uint32_t i = 0; i < count; i++)
    fixture_push(&f.main,
                 fixture_new(&f.main, FIXTURE_BYTES, bytes - MM_ARRAY_BASE));
}

START_TEST(nothing_moves)
{
  open_plan(_i);
  for (uint32_t bytes = 16; bytes < 100000; bytes += bytes / 3)
    push_arrays(1, bytes);
  struct mm_ref before[64];
  size_t count = f.main.top;
  for (size_t i = 0; i < count; i++)
    before[i] = fixture_at(&f.main, i);
  for (int i = 0; i < 3; i++) {
    collect();
    push_arrays(3, 512);
  }
  for (size_t i = 0; i < count; i++)
    ck_assert(mm_same(before[i], fixture_at(&f.main, i)));
  fixture_close(&f);
}
END_TEST

START_TEST(every_size_up_to_half_a_region_keeps_its_bytes)
{
  open_plan(_i);
  for (uint32_t bytes = 16; bytes <= MM_REGION_BYTES / 2;
       bytes += 8 + bytes / 16 / 8 * 8) {
    size_t at = fixture_push(
        &f.main, fixture_new(&f.main, FIXTURE_BYTES, bytes - MM_ARRAY_BASE));
    memset(fixture_data(fixture_at(&f.main, at), MM_ARRAY_BASE), (int)at,
           bytes - MM_ARRAY_BASE);
  }
  collect();
  for (size_t at = 0; at < f.main.top; at++) {
    struct mm_ref ref = fixture_at(&f.main, at);
    for (uint64_t i = MM_ARRAY_BASE; i < mm_object_bytes(ref); i += 64)
      fixture_require(*fixture_data(ref, i) == (char)at ||
                      i >= MM_ARRAY_BASE + mm_length_word(ref));
  }
  fixture_close(&f);
}
END_TEST

START_TEST(dead_room_is_used_again)
{
  open_plan(_i);
  push_arrays(MANY, 64);
  uint32_t used = used_regions();
  for (int round = 0; round < 10; round++) {
    fixture_pop(&f.main, MANY);
    collect();
    push_arrays(MANY, 64);
    ck_assert_uint_le(used_regions(), used + 1);
  }
  fixture_close(&f);
}
END_TEST

START_TEST(a_dead_run_serves_another_size)
{
  open_plan(SLOTS);
  push_arrays(1, 32);
  push_arrays(MM_RUN_BYTES / 64 * 4, 64); /* four runs */
  uint32_t used = used_regions();
  fixture_pop(&f.main, MM_RUN_BYTES / 64 * 4);
  collect();
  push_arrays(MM_RUN_BYTES / 256 * 4, 256);
  ck_assert_uint_eq(used_regions(), used);
  fixture_close(&f);
}
END_TEST

START_TEST(wholly_dead_regions_go_free_in_the_pause)
{
  open_plan(_i);
  push_arrays(MANY, 256);
  uint32_t used = used_regions();
  fixture_pop(&f.main, MANY);
  collect();
  ck_assert_uint_lt(used_regions(), used / 4);
  fixture_close(&f);
}
END_TEST

START_TEST(the_dead_stay_dead_when_nobody_sweeps)
{
  open_plan(_i);
  for (int i = 0; i < 1000; i++) {
    fixture_push(&f.main, fixture_pair(&f.main));
    fixture_pair(&f.main);
  }
  collect();
  collect();
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 1000);
  fixture_close(&f);
}
END_TEST

START_TEST(what_was_allocated_less_what_was_freed_is_what_a_walk_finds)
{
  open_plan(_i);
  uint64_t seed = 7;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 500; i++) {
      uint32_t length = (uint32_t)(fixture_random(&seed) >> 40) % 4000;
      struct mm_ref ref = fixture_new(&f.main, FIXTURE_BYTES, length);
      if (i % 3 == 0)
        fixture_push(&f.main, ref);
    }
    fixture_pop(&f.main, f.main.top / 2);
    collect();
    uint64_t alive = mm_stat_counter(&f.heap->stat, MM_COUNT_ALLOCATED_BYTES) -
                     mm_stat_counter(&f.heap->stat, MM_COUNT_FREED_BYTES);
    ck_assert_uint_eq(alive, fixture_census(&f).bytes);
  }
  fixture_close(&f);
}
END_TEST

START_TEST(dead_neighbours_make_one_gap)
{
  open_plan(_i);
  push_arrays(1, 3000); /* keeps the region */
  push_arrays(4, 30000);
  uint32_t used = used_regions();
  fixture_pop(&f.main, 4);
  collect();
  push_arrays(2, 60000);
  ck_assert_uint_eq(used_regions(), used);
  fixture_close(&f);
}
END_TEST

START_TEST(addresses_within_and_between_objects_are_no_objects)
{
  open_plan(_i);
  struct mm_ref ref = fixture_new(&f.main, FIXTURE_BYTES, 100);
  fixture_push(&f.main, ref);
  const char *at = mm_address(ref);
  ck_assert(mm_is_object(f.heap, at));
  for (int i = 1; i < 112; i++)
    ck_assert(!mm_is_object(f.heap, at + i));
  /* the slot or gap behind it is free */
  ck_assert(!mm_is_object(f.heap, at + mm_object_bytes(ref)));
  fixture_close(&f);
}
END_TEST

START_TEST(a_size_of_its_own_wastes_nothing)
{
  static const uint32_t sizes[] = {1032};
  uint32_t used[2];
  for (size_t own = 0; own < 2; own++) {
    struct mm_options options = options_of(SLOTS);
    options.slot_bytes = sizes;
    options.slot_count = own;
    fixture_open(&f, &options);
    push_arrays(15 * MM_REGION_RUNS * 8, 1032); /* 15 slots of 1032 in a run, 14 of 1152 */
    used[own] = used_regions();
    fixture_close(&f);
  }
  ck_assert_uint_eq(used[1], 8);
  ck_assert_uint_gt(used[0], 8);
}
END_TEST

START_TEST(the_non_moving_space_has_a_limit_of_its_own)
{
  struct mm_options options = options_of(_i);
  options.nonmoving_max_bytes = 2 * FIXTURE_REGION_BYTES;
  fixture_open(&f, &options);
  struct mm_layout *layout = &f.classes[FIXTURE_BYTES]->layout;
  uint32_t count = 0;
  for (; count < 1000; count++) {
    struct mm_ref ref = mm_alloc_nonmoving(&f.main.mutator, layout, 1000);
    if (mm_is_null(ref))
      break;
    fixture_push(&f.main, ref);
  }
  ck_assert_uint_ge(count, 230);
  ck_assert_uint_lt(count, 530);
  ck_assert(!mm_is_null(fixture_new(&f.main, FIXTURE_BYTES, 1000)));
  fixture_pop(&f.main, count);
  ck_assert(!mm_is_null(mm_alloc_nonmoving(&f.main.mutator, layout, 1000)));
  fixture_close(&f);
}
END_TEST

START_TEST(memory_that_ran_out_is_there_again_once_it_is_free)
{
  struct mm_options options = options_of(_i);
  options.heap_max_bytes = 4 * FIXTURE_MIB;
  fixture_open(&f, &options);
  for (int round = 0; round < 3; round++) {
    uint32_t count = 0;
    struct mm_ref ref;
    while (
        !mm_is_null(ref = fixture_new_or_null(&f.main, FIXTURE_BYTES, 400))) {
      fixture_push(&f.main, ref);
      count++;
    }
    ck_assert_uint_gt(count, 4 * FIXTURE_MIB / 416 * 7 / 10);
    fixture_pop(&f.main, count);
  }
  fixture_close(&f);
}
END_TEST

/* Seven of eight die, so that no run is wholly dead: objects of another size
   need memory of their own, and must not collect again and again for it. */
START_TEST(holes_of_the_wrong_size_make_the_heap_grow)
{
  struct mm_options options = options_of(SLOTS);
  options.heap_max_bytes = 64 * FIXTURE_MIB;
  options.heap_min_bytes = FIXTURE_MIB;
  options.growth_percent = 150;
  fixture_open(&f, &options);
  for (int i = 0; i < 8 * MANY; i++) {
    struct mm_ref ref = fixture_new(&f.main, FIXTURE_BYTES, 64 - 12);
    if (i % 8 == 0)
      fixture_push(&f.main, ref);
  }
  collect();
  uint64_t before = mm_collections(f.heap);
  push_arrays(4 * MANY, 128);
  ck_assert_uint_le(mm_collections(f.heap) - before, 20);
  fixture_close(&f);
}
END_TEST

START_TEST(memory_goes_back_to_the_machine_when_a_heap_shrinks)
{
  struct mm_options options = options_of(_i);
  options.heap_min_bytes = FIXTURE_MIB;
  options.verify = 0;
  fixture_open(&f, &options);
  push_arrays(MANY, 800);
  uint64_t full = fixture_resident_bytes(&f);
  ck_assert_uint_ge(full, (uint64_t)800 * MANY);
  fixture_pop(&f.main, MANY);
  for (int i = 0; i < 30; i++)
    collect();
  ck_assert_uint_lt(fixture_resident_bytes(&f), full / 4);
  fixture_close(&f);
}
END_TEST

enum { THREADS = 8, CLASSES = 16, KEPT = 256, ROUNDS = 4000 };

static void *allocate_all_sizes(void *unused)
{
  struct fixture_thread thread;
  uint64_t seed = (uintptr_t)pthread_self();
  fixture_attach(&f, &thread);
  (void)unused;
  for (int i = 0; i < KEPT; i++)
    fixture_push(&thread, MM_NULL);
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t class = (uint32_t)(fixture_random(&seed) >> 20) % CLASSES;
    uint32_t length = 16 + class * 100;
    struct mm_ref ref = fixture_new(&thread, FIXTURE_BYTES, length);
    memset(fixture_data(ref, MM_ARRAY_BASE), (int)class, length);
    fixture_put(&thread, (uint32_t)(fixture_random(&seed) >> 20) % KEPT, ref);
    mm_poll(&thread.mutator);
  }
  for (int i = 0; i < KEPT; i++) {
    struct mm_ref ref = fixture_at(&thread, (size_t)i);
    if (mm_is_null(ref))
      continue;
    uint32_t length = mm_length_word(ref);
    for (uint32_t j = 0; j < length; j++)
      fixture_require(*fixture_data(ref, MM_ARRAY_BASE + j) ==
                      (char)((length - 16) / 100));
  }
  fixture_detach(&thread);
  return NULL;
}

START_TEST(threads_allocate_sizes_of_many_classes_side_by_side)
{
  struct mm_options options = options_of(_i);
  options.heap_max_bytes = 8 * FIXTURE_MIB;
  options.workers = 2;
  fixture_open(&f, &options);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(
        pthread_create(&threads[i], NULL, allocate_all_sizes, NULL), 0);
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  ck_assert_uint_gt(mm_collections(f.heap), 1);
  fixture_close(&f);
}
END_TEST

START_TEST(a_thread_that_ends_gives_its_slots_back)
{
  open_plan(SLOTS);
  push_arrays(1, 64);
  uint32_t used = used_regions();
  for (int i = 0; i < 200; i++) {
    struct fixture_thread thread;
    fixture_attach(&f, &thread);
    fixture_new(&thread, FIXTURE_BYTES, 64 - MM_ARRAY_BASE);
    fixture_detach(&thread);
  }
  ck_assert_uint_eq(used_regions(), used);
  fixture_close(&f);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("fixed");
  tcase_add_loop_test(tests, nothing_moves, SLOTS, GAPS + 1);
  tcase_add_loop_test(tests, every_size_up_to_half_a_region_keeps_its_bytes,
                      SLOTS, GAPS + 1);
  tcase_add_loop_test(tests, dead_room_is_used_again, SLOTS, GAPS + 1);
  tcase_add_test(tests, a_dead_run_serves_another_size);
  tcase_add_loop_test(tests, wholly_dead_regions_go_free_in_the_pause, SLOTS,
                      GAPS + 1);
  tcase_add_loop_test(tests, the_dead_stay_dead_when_nobody_sweeps, SLOTS,
                      GAPS + 1);
  tcase_add_loop_test(
      tests, what_was_allocated_less_what_was_freed_is_what_a_walk_finds, SLOTS,
      GAPS + 1);
  tcase_add_loop_test(tests, dead_neighbours_make_one_gap, SLOTS, GAPS + 1);
  tcase_add_loop_test(tests,
                      addresses_within_and_between_objects_are_no_objects,
                      SLOTS, GAPS + 1);
  tcase_add_test(tests, a_size_of_its_own_wastes_nothing);
  tcase_add_loop_test(tests, the_non_moving_space_has_a_limit_of_its_own, 0,
                      FIXTURE_PLANS);
  tcase_add_loop_test(tests, memory_that_ran_out_is_there_again_once_it_is_free,
                      SLOTS, GAPS + 1);
  tcase_add_test(tests, holes_of_the_wrong_size_make_the_heap_grow);
  tcase_add_loop_test(tests,
                      memory_goes_back_to_the_machine_when_a_heap_shrinks, 0,
                      FIXTURE_PLANS);
  tcase_add_loop_test(tests,
                      threads_allocate_sizes_of_many_classes_side_by_side,
                      SLOTS, GAPS + 1);
  tcase_add_test(tests, a_thread_that_ends_gives_its_slots_back);
  return fixture_main("mm_fixed", (TCase *[]){tests, NULL});
}
