/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pinned objects: they stay where they are in every plan, the rest goes on
 * around them, and all is as before when they are unpinned.
 *
 * Looped tests: each plan with the world stopped, then each with gc=concurrent.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "mm/gc/cycle_internal.h"
#include "mm/handle_inline.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

enum { ALL_PLANS = 2 * FIXTURE_PLANS_ALL, PINS = 40 };

static struct fixture f;
static struct mm_handle handles[PINS];
static struct mm_ref pinned[PINS];

static struct mm_options options_of(int i)
{
  struct mm_options options = fixture_options();
  if (i >= FIXTURE_PLANS_ALL)
    options.gc = MM_GC_CONCURRENT;
  fixture_choose_plan(&options, i % FIXTURE_PLANS_ALL);
  return options;
}

static struct mm_mutator *self(void)
{
  return &f.main.mutator;
}

static struct mm_ref numbered(int64_t number)
{
  struct mm_ref pair = fixture_pair(&f.main);
  fixture_set_value(pair, number);
  return pair;
}

static struct mm_ref get(struct mm_handle handle)
{
  struct mm_ref ref;
  ck_assert_int_eq(mm_handle_get(self(), handle, &ref), MM_HANDLE_OK);
  return ref;
}

static void make_garbage(int count)
{
  for (int i = 0; i < count; i++)
    fixture_pair(&f.main);
}

/* A pinned pair whose LEFT is held by nothing else. */
static void pin_one(int i)
{
  handles[i] = MM_HANDLE_NONE;
  ck_assert_int_eq(mm_global_new(self(), numbered(i), &handles[i]),
                   MM_HANDLE_OK);
  struct mm_ref child = numbered(1000 + i);
  fixture_set(get(handles[i]), FIXTURE_LEFT, child);
  ck_assert_int_eq(mm_pin(self(), handles[i], &pinned[i]), MM_HANDLE_OK);
  ck_assert(mm_same(get(handles[i]), pinned[i]));
}

static void pin_many(void)
{
  for (int i = 0; i < PINS; i++) {
    make_garbage(2000);
    fixture_push(&f.main, numbered(-i)); /* lives beside it */
    pin_one(i);
  }
}

static void check_pins(void)
{
  for (int i = 0; i < PINS; i++) {
    ck_assert(mm_same(get(handles[i]), pinned[i]));
    ck_assert_int_eq(fixture_value(pinned[i]), i);
    ck_assert_int_eq(fixture_value(fixture_get(pinned[i], FIXTURE_LEFT)),
                     1000 + i);
    ck_assert_int_eq(fixture_value(fixture_at(&f.main, (size_t)i)), -i);
  }
}

static void collect(void)
{
  mm_collect(self(), MM_CAUSE_STRESS);
  if (f.heap->options.gc == MM_GC_CONCURRENT)
    fixture_run_cycle(&f);
  mm_collect(self(), MM_CAUSE_EXPLICIT);
}

static void unpin_all(void)
{
  for (int i = 0; i < PINS; i++)
    ck_assert_int_eq(mm_unpin(self(), handles[i]), MM_HANDLE_OK);
  ck_assert_uint_eq(mm_pin_count(f.heap), 0);
}

START_TEST(pinned_objects_stay_in_every_plan)
{
  struct mm_options options = options_of(_i);
  options.workers = fixture_workers(_i);
  fixture_open(&f, &options);
  pin_many();
  ck_assert_uint_eq(mm_pin_count(f.heap), PINS);
  for (int round = 0; round < 4; round++) {
    make_garbage(5000);
    collect();
    check_pins();
    /* What is old gets a young child. */
    for (int i = 0; i < PINS; i++) {
      struct mm_ref child = numbered(1000 + i);
      fixture_set(pinned[i], FIXTURE_LEFT, child);
    }
  }
  unpin_all();
  make_garbage(5000);
  collect();
  for (int i = 0; i < PINS; i++) {
    ck_assert_int_eq(fixture_value(get(handles[i])), i);
    ck_assert_int_eq(fixture_value(fixture_get(get(handles[i]), FIXTURE_LEFT)),
                     1000 + i);
  }
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}
END_TEST

/* By kind of collection, with all workers and with tracing stacks that
   overflow. */
static const struct {
  enum mm_collection_kind kind;
  int plan;
} kinds[] = {
    {MM_COLLECTION_EVACUATE, 0},
    {MM_COLLECTION_COMPACT, 0},
    {MM_COLLECTION_YOUNG, FIXTURE_PLAN_YOUNG},
    {MM_COLLECTION_EVACUATE, FIXTURE_PLAN_YOUNG},
    {MM_COLLECTION_COMPACT, FIXTURE_PLAN_YOUNG},
    {MM_COLLECTION_YOUNG, FIXTURE_PLAN_YOUNG + 1},
    {MM_COLLECTION_YOUNG, FIXTURE_PLAN_YOUNG + 2},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(pinned_objects_stay_in_every_collection)
{
  struct mm_options options = options_of(kinds[_i % KINDS].plan);
  options.workers = fixture_workers(_i / KINDS);
  fixture_open(&f, &options);
  if (_i >= KINDS * FIXTURE_WORKERS)
    f.heap->trace_entries_max = 1;
  pin_many();
  for (int round = 0; round < 4; round++) {
    fixture_collect(&f, kinds[_i % KINDS].kind);
    check_pins();
    make_garbage(3000);
    for (int i = 0; i < PINS; i++) {
      struct mm_ref child = numbered(1000 + i);
      fixture_set(pinned[i], FIXTURE_LEFT, child);
    }
  }
  unpin_all();
  fixture_collect(&f, kinds[_i % KINDS].kind);
  fixture_close(&f);
}
END_TEST

START_TEST(an_unpinned_object_moves_again)
{
  struct mm_options options = options_of(0);
  fixture_open(&f, &options);
  pin_many();
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  check_pins();
  unpin_all();
  fixture_collect(&f, _i ? MM_COLLECTION_COMPACT : MM_COLLECTION_EVACUATE);
  int moved = 0;
  for (int i = 0; i < PINS; i++)
    moved += !mm_same(get(handles[i]), pinned[i]);
  ck_assert_int_gt(moved, PINS / 2);
  fixture_close(&f);
}
END_TEST

START_TEST(the_dead_around_a_pinned_object_are_freed)
{
  struct mm_options options = options_of(0);
  fixture_open(&f, &options);
  pin_many();
  fixture_collect(&f, _i ? MM_COLLECTION_COMPACT : MM_COLLECTION_EVACUATE);
  ck_assert_uint_eq(fixture_census(&f).objects, 3 * PINS);
  ck_assert_uint_le(f.heap->regions.used, PINS + 4);
  fixture_close(&f);
}
END_TEST

START_TEST(a_pin_alone_keeps_an_object_alive)
{
  struct mm_options options = options_of(_i);
  fixture_open(&f, &options);
  for (int i = 0; i < PINS; i++) {
    make_garbage(100);
    pin_one(i);
    ck_assert_int_eq(mm_global_delete(self(), handles[i]), MM_HANDLE_OK);
  }
  collect();
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 2 * PINS);
  for (int i = 0; i < PINS; i++) {
    struct mm_handle handle;
    ck_assert_int_eq(fixture_value(pinned[i]), i);
    ck_assert_int_eq(mm_local_new(self(), pinned[i], &handle), MM_HANDLE_OK);
    ck_assert_int_eq(mm_unpin(self(), handle), MM_HANDLE_OK);
    ck_assert_int_eq(mm_local_delete(self(), handle), MM_HANDLE_OK);
  }
  collect();
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  fixture_close(&f);
}
END_TEST

START_TEST(pins_nest_and_are_counted)
{
  struct mm_options options = options_of(0);
  struct mm_handle other, dead;
  struct mm_ref ref = {7};
  fixture_open(&f, &options);
  make_garbage(100);
  pin_one(0);
  ck_assert_int_eq(mm_local_new(self(), pinned[0], &other), MM_HANDLE_OK);
  ck_assert_int_eq(mm_pin(self(), other, &ref), MM_HANDLE_OK);
  ck_assert(mm_same(ref, pinned[0]));
  ck_assert_uint_eq(mm_pin_count(f.heap), 1);
  ck_assert_int_eq(mm_unpin(self(), handles[0]), MM_HANDLE_OK);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert(mm_same(get(other), pinned[0]));
  ck_assert_int_eq(mm_unpin(self(), other), MM_HANDLE_OK);
  ck_assert_int_eq(mm_unpin(self(), other), MM_HANDLE_UNBALANCED);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert(!mm_same(get(other), pinned[0]));
  ck_assert_int_eq(mm_unpin(self(), handles[0]), MM_HANDLE_UNBALANCED);
  ck_assert_int_eq(mm_pin(self(), MM_HANDLE_NONE, &ref), MM_HANDLE_NULL);
  ck_assert(mm_is_null(ref));
  ck_assert_int_eq(mm_weak_new(self(), numbered(1), &dead), MM_HANDLE_OK);
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  ck_assert_int_eq(mm_pin(self(), dead, &ref), MM_HANDLE_CLEARED);
  ck_assert_int_eq(mm_unpin(self(), dead), MM_HANDLE_CLEARED);
  ck_assert_int_eq(mm_weak_delete(self(), dead), MM_HANDLE_OK);
  ck_assert_int_eq(mm_pin(self(), dead, &ref), MM_HANDLE_STALE);
  ck_assert_int_eq(mm_unpin(self(), dead), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

START_TEST(objects_of_all_shapes_can_be_pinned)
{
  struct mm_options options = options_of(_i);
  struct mm_ref at[6];
  struct mm_handle held[6];
  fixture_open(&f, &options);
  for (int i = 0; i < 6; i++) {
    make_garbage(1000);
    struct mm_ref ref = i == 0   ? fixture_new(&f.main, FIXTURE_LEAF, 0)
                        : i == 1 ? fixture_new(&f.main, FIXTURE_WIDE, 0)
                        : i == 2 ? fixture_new(&f.main, FIXTURE_BYTES, 40000)
                        : i == 3 ? fixture_new(&f.main, FIXTURE_LONGS, 100000)
                        : i == 4
                            ? fixture_new(&f.main, FIXTURE_STRING, 77)
                            : fixture_nonmoving(&f.main, FIXTURE_REFS, 100);
    ck_assert_int_eq(mm_global_new(self(), ref, &held[i]), MM_HANDLE_OK);
    ck_assert_int_eq(mm_pin(self(), held[i], &at[i]), MM_HANDLE_OK);
    if (i >= 2 && i <= 4)
      memset(fixture_data(at[i], 16), 'a' + i, 70);
    if (i == 0) /* a hash of its own stays too */
      ck_assert_uint_ne(mm_identity_hash(self(), at[i]), 0);
  }
  uint32_t hash = mm_identity_hash(self(), at[0]);
  for (int round = 0; round < 3; round++) {
    collect();
    make_garbage(1000);
    for (int i = 0; i < 6; i++)
      ck_assert(mm_same(get(held[i]), at[i]));
    for (int i = 2; i <= 4; i++)
      for (int j = 0; j < 70; j++)
        ck_assert_int_eq(fixture_data(at[i], 16)[j], 'a' + i);
    ck_assert_uint_eq(mm_identity_hash(self(), at[0]), hash);
  }
  for (int i = 0; i < 6; i++)
    ck_assert_int_eq(mm_unpin(self(), held[i]), MM_HANDLE_OK);
  collect();
  fixture_close(&f);
}
END_TEST

/* A candidate whose object is pinned before it is evacuated. */
START_TEST(candidates_with_pinned_objects_are_left_out)
{
  enum { COUNT = 40000, EACH = 1000 };
  struct mm_options options = options_of(FIXTURE_PLANS_ALL + _i);
  fixture_open(&f, &options);
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, COUNT / EACH));
  for (int i = 0; i < COUNT; i++) {
    struct mm_ref pair = numbered(i);
    if (i % EACH == 0)
      fixture_set_element(fixture_at(&f.main, 0), (size_t)i / EACH, pair);
  }
  for (int i = 0; i < 6; i++)
    mm_collect(self(), MM_CAUSE_STRESS);
  fixture_hold(&f, MM_CYCLE_EVACUATING);
  mm_cycle_step(self());
  for (int i = 0; i < PINS && i < COUNT / EACH; i++) {
    ck_assert_int_eq(
        mm_global_new(self(),
                      fixture_element(fixture_at(&f.main, 0), (size_t)i),
                      &handles[i]),
        MM_HANDLE_OK);
    ck_assert_int_eq(mm_pin(self(), handles[i], &pinned[i]), MM_HANDLE_OK);
  }
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(self());
  for (int i = 0; i < 3; i++)
    collect();
  for (int i = 0; i < PINS; i++) {
    ck_assert(mm_same(get(handles[i]), pinned[i]));
    ck_assert_int_eq(fixture_value(pinned[i]), i * EACH);
  }
  unpin_all();
  collect();
  fixture_close(&f);
}
END_TEST

START_TEST(the_utmost_compaction_goes_around_pinned_objects)
{
  struct mm_options options = options_of(_i);
  options.heap_max_bytes = 4 * FIXTURE_MIB;
  fixture_open(&f, &options);
  pin_many();
  /* Until there is no room, several times. */
  for (int round = 0; round < 3; round++) {
    size_t list = fixture_push(&f.main, MM_NULL);
    for (;;) {
      struct mm_ref pair = fixture_new_or_null(&f.main, FIXTURE_PAIR, 0);
      if (mm_is_null(pair))
        break;
      fixture_set(pair, FIXTURE_LEFT, fixture_at(&f.main, list));
      fixture_put(&f.main, list, pair);
    }
    check_pins();
    fixture_pop(&f.main, 1);
  }
  unpin_all();
  mm_collect(self(), MM_CAUSE_EXPLICIT);
  fixture_close(&f);
}
END_TEST

START_TEST(thousands_of_pins_come_and_go)
{
  enum { COUNT = 5000 };
  static struct mm_handle held[COUNT];
  static struct mm_ref at[COUNT];
  static bool is_pinned[COUNT];
  uint64_t state = 1;
  struct mm_options options = options_of(_i);
  memset(is_pinned, 0, sizeof is_pinned); /* tests may share a process */
  options.verify = 0;
  fixture_open(&f, &options);
  for (int i = 0; i < COUNT; i++)
    ck_assert_int_eq(mm_global_new(self(), numbered(i), &held[i]),
                     MM_HANDLE_OK);
  for (int turn = 0; turn < 60000; turn++) {
    size_t i = fixture_random(&state) % COUNT;
    if (turn % 7000 == 0)
      mm_collect(self(), turn % 14000 ? MM_CAUSE_STRESS : MM_CAUSE_EXPLICIT);
    ck_assert_int_eq(is_pinned[i] ? mm_unpin(self(), held[i])
                                  : mm_pin(self(), held[i], &at[i]),
                     MM_HANDLE_OK);
    is_pinned[i] = !is_pinned[i];
  }
  ck_assert_uint_eq(fixture_verify(&f), 0);
  for (size_t i = 0; i < COUNT; i++) {
    ck_assert_int_eq(fixture_value(get(held[i])), (int64_t)i);
    if (is_pinned[i])
      ck_assert(mm_same(get(held[i]), at[i]));
    ck_assert_int_eq(mm_unpin(self(), held[i]),
                     is_pinned[i] ? MM_HANDLE_OK : MM_HANDLE_UNBALANCED);
  }
  for (uint32_t i = 0; i < f.heap->regions.fresh_from; i++)
    ck_assert_uint_eq(f.heap->regions.table[i].pins, 0);
  fixture_close(&f);
}
END_TEST

START_TEST(a_pin_that_there_is_no_memory_for_is_told)
{
  struct mm_options options = options_of(0);
  struct mm_ref ref = {7};
  fixture_open(&f, &options);
  ck_assert_int_eq(mm_global_new(self(), numbered(0), &handles[0]),
                   MM_HANDLE_OK);
  mm_native_fail_at(1, false);
  ck_assert_int_eq(mm_pin(self(), handles[0], &ref), MM_HANDLE_NO_MEMORY);
  mm_native_fail_at(0, false);
  ck_assert_uint_eq(ref.bits, 7);
  ck_assert_uint_eq(mm_pin_count(f.heap), 0);
  ck_assert_int_eq(mm_pin(self(), handles[0], &ref), MM_HANDLE_OK);
  ck_assert_int_eq(mm_unpin(self(), handles[0]), MM_HANDLE_OK);
  fixture_close(&f);
}
END_TEST

/* Threads write into pinned arrays while in native, as natives do. */
enum { THREADS = 3, TURNS = 60, LENGTH = 3000 };

struct writer {
  struct fixture_thread thread;
  bool failed;
};

static void *write_in_native(void *context)
{
  struct writer *w = context;
  fixture_attach(&f, &w->thread);
  struct mm_mutator *mutator = &w->thread.mutator;
  for (int turn = 0; turn < TURNS; turn++) {
    struct mm_frame frame;
    struct mm_handle handle;
    struct mm_ref ref;
    mm_frame_open(mutator, &frame);
    mm_local_new(mutator, fixture_new(&w->thread, FIXTURE_BYTES, LENGTH),
                 &handle);
    w->failed |= mm_pin(mutator, handle, &ref) != MM_HANDLE_OK;
    char *bytes = fixture_data(ref, MM_ARRAY_BASE);
    mm_enter_native(mutator);
    for (int i = 0; i < LENGTH; i++)
      bytes[i] = (char)(turn + i);
    mm_leave_native(mutator);
    for (int i = 0; i < 200; i++)
      fixture_pair(&w->thread);
    w->failed |= mm_handle_get(mutator, handle, &ref) != MM_HANDLE_OK;
    w->failed |= fixture_data(ref, MM_ARRAY_BASE) != bytes;
    for (int i = 0; i < LENGTH; i++)
      w->failed |= bytes[i] != (char)(turn + i);
    w->failed |= mm_unpin(mutator, handle) != MM_HANDLE_OK;
    mm_frame_close(mutator, &frame);
  }
  fixture_detach(&w->thread);
  return NULL;
}

START_TEST(natives_write_into_pinned_arrays_while_others_collect)
{
  static struct writer writers[THREADS];
  pthread_t threads[THREADS];
  struct mm_options options = options_of(_i);
  options.heap_max_bytes = 8 * FIXTURE_MIB;
  options.young_bytes = FIXTURE_MIB;
  options.stress_alloc = 150;
  options.workers = fixture_workers(_i);
  fixture_open(&f, &options);
  memset(writers, 0, sizeof writers);
  mm_enter_native(self());
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(
        pthread_create(&threads[i], NULL, write_in_native, &writers[i]), 0);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  mm_leave_native(self());
  for (int i = 0; i < THREADS; i++)
    ck_assert(!writers[i].failed);
  ck_assert_uint_eq(mm_pin_count(f.heap), 0);
  fixture_close(&f);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("pins");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, pinned_objects_stay_in_every_plan, 0, ALL_PLANS);
  tcase_add_loop_test(tests, pinned_objects_stay_in_every_collection, 0,
                      2 * KINDS * FIXTURE_WORKERS);
  tcase_add_loop_test(tests, an_unpinned_object_moves_again, 0, 2);
  tcase_add_loop_test(tests, the_dead_around_a_pinned_object_are_freed, 0, 2);
  tcase_add_loop_test(tests, a_pin_alone_keeps_an_object_alive, 0, ALL_PLANS);
  tcase_add_test(tests, pins_nest_and_are_counted);
  tcase_add_loop_test(tests, objects_of_all_shapes_can_be_pinned, 0, ALL_PLANS);
  tcase_add_loop_test(tests, candidates_with_pinned_objects_are_left_out, 0,
                      FIXTURE_PLANS_ALL);
  tcase_add_loop_test(tests, the_utmost_compaction_goes_around_pinned_objects,
                      0, ALL_PLANS);
  tcase_add_loop_test(tests, thousands_of_pins_come_and_go, 0, ALL_PLANS);
  tcase_add_test(tests, a_pin_that_there_is_no_memory_for_is_told);
  tcase_add_loop_test(tests,
                      natives_write_into_pinned_arrays_while_others_collect, 0,
                      ALL_PLANS);
  return fixture_main("mm_pins", (TCase *[]){tests, NULL});
}
