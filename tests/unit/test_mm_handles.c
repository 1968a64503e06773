/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: local frames, global and weak ones, and what collections do with
 * them.  See test_mm_handle_misuse.c for those that are misused.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mm/native.h"
#include "tests/unit/handle_fixture.h"

/* Of one plan; others, and builds that check each of them, take fewer. */
#if defined BAMBOO_TSAN || defined BAMBOO_ASAN || defined BAMBOO_DEBUG
enum { MILLION = 20000, MANY = 20000 };
#else
enum { MILLION = 1000000, MANY = 50000 };
#endif

/* Local handles -------------------------------------------------------------
 */

START_TEST(handles_of_all_kinds_follow_their_objects)
{
  enum { COUNT = 1000 };
  struct mm_handle kept[3 * COUNT];
  struct mm_frame frame;
  open_plan(_i);
  mm_frame_open(self(), &frame);
  for (int i = 0; i < COUNT; i++) {
    kept[3 * i] = local(numbered(3 * i));
    kept[3 * i + 1] = global(numbered(3 * i + 1));
    kept[3 * i + 2] = weak(get(kept[3 * i]));
    fixture_pair(&f.main); /* dies */
  }
  for (int round = 0; round < 3; round++) {
    collect();
    for (int i = 0; i < COUNT; i++) {
      check_number(kept[3 * i], 3 * i);
      check_number(kept[3 * i + 1], 3 * i + 1);
      ck_assert(mm_same(get(kept[3 * i + 2]), get(kept[3 * i])));
    }
  }
  check_counts(MM_HANDLE_LOCAL, COUNT, COUNT, COUNT);
  check_counts(MM_HANDLE_GLOBAL, COUNT, COUNT, COUNT);
  check_counts(MM_HANDLE_WEAK, COUNT, COUNT, COUNT);
  mm_frame_close(self(), &frame);
  fixture_close(&f);
}
END_TEST

START_TEST(a_closed_frame_keeps_nothing_alive)
{
  struct mm_frame frame;
  open_plan(_i);
  mm_frame_open(self(), &frame);
  for (int i = 0; i < 1000; i++)
    local(numbered(i));
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 1000);
  mm_frame_close(self(), &frame);
  collect();
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  fixture_close(&f);
}
END_TEST

START_TEST(a_deleted_handle_keeps_nothing_alive)
{
  struct mm_frame frame;
  open_plan(_i);
  mm_frame_open(self(), &frame);
  struct mm_handle first = local(numbered(1)), second = local(numbered(2));
  struct mm_handle third = global(numbered(3)), fourth = global(numbered(4));
  ck_assert_int_eq(mm_local_delete(self(), first), MM_HANDLE_OK);
  ck_assert_int_eq(mm_global_delete(self(), third), MM_HANDLE_OK);
  collect();
  collect();
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
  check_number(second, 2);
  check_number(fourth, 4);
  mm_frame_close(self(), &frame);
  fixture_close(&f);
}
END_TEST

START_TEST(frames_close_over_their_handles_and_no_others)
{
  struct mm_frame outer, inner;
  open_plan(0);
  mm_frame_open(self(), &outer);
  struct mm_handle first = local(numbered(1));
  mm_frame_open(self(), &inner);
  struct mm_handle second = local(numbered(2));
  check_number(first, 1);
  mm_frame_close(self(), &inner);
  ck_assert_int_eq(status_of(second), MM_HANDLE_STALE);
  check_number(first, 1);
  struct mm_handle third = local(numbered(3)); /* where the second was */
  ck_assert_uint_eq(mm_handle_index(third), mm_handle_index(second));
  ck_assert_int_eq(status_of(second), MM_HANDLE_STALE);
  check_number(third, 3);
  mm_frame_close(self(), &outer);
  ck_assert_int_eq(status_of(first), MM_HANDLE_STALE);
  ck_assert_int_eq(status_of(third), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

START_TEST(frames_go_over_many_chunks_and_back)
{
  enum { DEPTH = 40, EACH = 77 };
  struct mm_frame frames[DEPTH];
  struct mm_handle first[DEPTH];
  open_plan(0);
  for (int round = 0; round < 2; round++) {
    for (int depth = 0; depth < DEPTH; depth++) {
      mm_frame_open(self(), &frames[depth]);
      first[depth] = local(numbered(depth));
      for (int i = 1; i < EACH; i++)
        local(numbered(-i));
    }
    collect();
    check_counts(MM_HANDLE_LOCAL, DEPTH * EACH, DEPTH * EACH,
                 (uint64_t)(round + 1) * DEPTH * EACH);
    for (int depth = DEPTH; depth-- > 0;) {
      check_number(first[depth], depth);
      mm_frame_close(self(), &frames[depth]);
      ck_assert_int_eq(status_of(first[depth]), MM_HANDLE_STALE);
    }
  }
  check_counts(MM_HANDLE_LOCAL, 0, DEPTH * EACH, 2 * DEPTH * EACH);
  fixture_close(&f);
}
END_TEST

START_TEST(a_hole_is_used_again_within_its_frame)
{
  struct mm_frame outer, inner;
  struct mm_handle held[10];
  open_plan(0);
  mm_frame_open(self(), &outer);
  for (int i = 0; i < 10; i++)
    held[i] = local(numbered(i));
  ck_assert_int_eq(mm_local_delete(self(), held[3]), MM_HANDLE_OK);
  ck_assert_int_eq(mm_local_delete(self(), held[5]), MM_HANDLE_OK);
  ck_assert_int_eq(status_of(held[3]), MM_HANDLE_STALE);
  ck_assert_int_eq(mm_local_delete(self(), held[3]), MM_HANDLE_STALE);
  check_counts(MM_HANDLE_LOCAL, 8, 10, 10);
  mm_frame_open(self(), &inner);
  struct mm_handle within = local(numbered(50)); /* not in a hole */
  ck_assert_uint_gt(mm_handle_index(within), mm_handle_index(held[9]));
  ck_assert_int_eq(mm_local_delete(self(), held[7]), MM_HANDLE_OK);
  mm_frame_close(self(), &inner);
  uint32_t used[4] = {0};
  for (int i = 0; i < 4; i++)
    used[i] = mm_handle_index(local(numbered(100 + i)));
  ck_assert_uint_eq(used[0], mm_handle_index(held[7]));
  ck_assert_uint_eq(used[1], mm_handle_index(held[5]));
  ck_assert_uint_eq(used[2], mm_handle_index(held[3]));
  ck_assert_uint_eq(used[3], mm_handle_index(held[9]) + 1);
  ck_assert_int_eq(status_of(held[3]), MM_HANDLE_STALE);
  collect();
  check_number(held[9], 9);
  mm_frame_close(self(), &outer);
  fixture_close(&f);
}
END_TEST

START_TEST(making_and_deleting_by_turns_takes_one_slot)
{
  struct mm_frame frame;
  open_plan(0);
  mm_frame_open(self(), &frame);
  struct mm_ref ref = numbered(1);
  local(ref);
  for (int i = 0; i < 10000; i++)
    ck_assert_int_eq(mm_local_delete(self(), local(ref)), MM_HANDLE_OK);
  check_counts(MM_HANDLE_LOCAL, 1, 2, 10001);
  mm_frame_close(self(), &frame);
  fixture_close(&f);
}
END_TEST

START_TEST(a_result_escapes_to_the_outer_frame)
{
  struct mm_frame outer, inner;
  struct mm_handle escaped;
  open_plan(_i);
  mm_frame_open(self(), &outer);
  struct mm_handle below = local(numbered(1));
  struct mm_handle shared = global(numbered(2));
  struct mm_handle cleared = weak(numbered(3));
  mm_frame_open(self(), &inner);
  for (int i = 0; i < 1000; i++)
    local(numbered(i));
  struct mm_handle result = local(numbered(77));
  ck_assert_int_eq(mm_frame_close_with(self(), &inner, result, &escaped),
                   MM_HANDLE_OK);
  collect();
  check_number(escaped, 77);
  ck_assert_int_eq(status_of(result), MM_HANDLE_STALE);
  mm_frame_open(self(), &inner);
  ck_assert_int_eq(mm_frame_close_with(self(), &inner, below, &escaped),
                   MM_HANDLE_OK);
  check_number(escaped, 1);
  mm_frame_open(self(), &inner);
  ck_assert_int_eq(mm_frame_close_with(self(), &inner, shared, &escaped),
                   MM_HANDLE_OK);
  check_number(escaped, 2);
  ck_assert_int_eq(mm_handle_kind(escaped), MM_HANDLE_LOCAL);
  mm_frame_open(self(), &inner);
  ck_assert_int_eq(mm_frame_close_with(self(), &inner, cleared, &escaped),
                   MM_HANDLE_CLEARED);
  ck_assert(mm_handle_is_null(escaped));
  mm_frame_open(self(), &inner);
  ck_assert_int_eq(mm_frame_close_with(self(), &inner, result, &escaped),
                   MM_HANDLE_STALE);
  ck_assert(mm_handle_is_null(escaped));
  mm_frame_close(self(), &outer);
  fixture_close(&f);
}
END_TEST

START_TEST(natives_push_and_pop_frames_of_their_own)
{
  struct mm_frame call;
  struct mm_handle escaped;
  open_plan(0);
  ck_assert_int_eq(mm_frame_pop(self(), MM_HANDLE_NONE, &escaped),
                   MM_HANDLE_UNBALANCED);
  mm_frame_open(self(), &call);
  struct mm_handle below = local(numbered(1));
  ck_assert_int_eq(mm_frame_pop(self(), MM_HANDLE_NONE, &escaped),
                   MM_HANDLE_UNBALANCED);
  ck_assert_int_eq(mm_frame_push(self(), 300), MM_HANDLE_OK);
  struct mm_handle result = local(numbered(2));
  ck_assert_int_eq(mm_frame_push(self(), 0), MM_HANDLE_OK);
  struct mm_handle within = local(numbered(3));
  ck_assert_uint_eq(mm_frame_pushed(self()), 2);
  ck_assert_int_eq(mm_frame_pop(self(), MM_HANDLE_NONE, &escaped),
                   MM_HANDLE_NULL);
  ck_assert_int_eq(status_of(within), MM_HANDLE_STALE);
  ck_assert_int_eq(mm_frame_pop(self(), result, &escaped), MM_HANDLE_OK);
  check_number(escaped, 2);
  ck_assert_int_eq(mm_frame_push(self(), 1), MM_HANDLE_OK);
  within = local(numbered(4));
  struct mm_frame inner; /* a call within a pushed frame has none pushed */
  mm_frame_open(self(), &inner);
  ck_assert_uint_eq(mm_frame_pushed(self()), 0);
  ck_assert_int_eq(mm_frame_pop(self(), MM_HANDLE_NONE, &escaped),
                   MM_HANDLE_UNBALANCED);
  for (int i = 0; i < 1000; i++)
    ck_assert_int_eq(mm_frame_push(self(), 1), MM_HANDLE_OK);
  mm_frame_close(self(), &inner); /* and with it all that was pushed */
  ck_assert_uint_eq(mm_frame_pushed(self()), 1);
  check_number(within, 4);
  mm_frame_close(self(), &call);
  ck_assert_int_eq(status_of(below), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

START_TEST(room_that_was_ensured_is_there)
{
  struct mm_frame frame;
  struct mm_options options = options_of(0);
  options.local_handles_max = 1000;
  fixture_open(&f, &options);
  mm_frame_open(self(), &frame);
  struct mm_ref ref = numbered(1);
  local(ref);
  ck_assert_int_eq(mm_local_ensure(self(), 1000), MM_HANDLE_LIMIT);
  ck_assert_int_eq(mm_local_ensure(self(), UINT32_MAX), MM_HANDLE_LIMIT);
  ck_assert_int_eq(mm_local_ensure(self(), 999), MM_HANDLE_OK);
  mm_native_fail_at(1, true);
  for (int i = 0; i < 999; i++)
    local(ref);
  struct mm_handle handle = {1};
  ck_assert_int_eq(mm_local_new(self(), ref, &handle), MM_HANDLE_LIMIT);
  ck_assert(mm_handle_is_null(handle));
  mm_native_fail_at(0, false);
  ck_assert_int_eq(mm_frame_push(self(), 1), MM_HANDLE_LIMIT);
  ck_assert_uint_eq(mm_frame_pushed(self()), 0);
  mm_frame_close(self(), &frame);
  local(ref);
  fixture_close(&f);
}
END_TEST

/* Global and weak ------------------------------------------------------------
 */

START_TEST(a_weak_handle_is_cleared_when_its_object_dies)
{
  enum { COUNT = 600 };
  struct mm_handle weaks[COUNT];
  struct mm_handle_counts counts;
  open_plan(_i);
  for (int i = 0; i < COUNT; i++) {
    struct mm_ref ref = numbered(i);
    weaks[i] = weak(ref);
    if (i % 3 == 0)
      fixture_push(&f.main, ref);
  }
  collect();
  collect();
  for (int i = 0; i < COUNT; i++) {
    struct mm_ref ref = {1};
    if (i % 3 == 0) {
      check_number(weaks[i], i);
      continue;
    }
    ck_assert_int_eq(mm_handle_get(self(), weaks[i], &ref), MM_HANDLE_CLEARED);
    ck_assert(mm_is_null(ref));
  }
  mm_handle_counts(f.heap, MM_HANDLE_WEAK, &counts);
  ck_assert_uint_eq(counts.live, COUNT);
  ck_assert_uint_eq(counts.cleared, COUNT - COUNT / 3);
  for (int i = 0; i < COUNT; i++)
    ck_assert_int_eq(mm_weak_delete(self(), weaks[i]), MM_HANDLE_OK);
  check_counts(MM_HANDLE_WEAK, 0, COUNT, COUNT);
  collect();
  fixture_close(&f);
}
END_TEST

/* ES: what a weak handle hands out while a cycle marks lives on. */
START_TEST(what_a_weak_handle_gives_while_a_cycle_marks_is_kept)
{
  struct mm_options options = options_of(FIXTURE_PLANS_ALL + _i);
  fixture_open(&f, &options);
  size_t holder = fixture_push(&f.main, fixture_pair(&f.main));
  struct mm_handle handle = weak(numbered(5));
  fixture_push(&f.main, get(handle));
  mm_collect(self(), MM_CAUSE_EXPLICIT);
  fixture_pop(&f.main, 1);
  fixture_start_cycle(&f);
  fixture_set(fixture_at(&f.main, holder), FIXTURE_LEFT, get(handle));
  fixture_end_cycle(&f);
  ck_assert_int_eq(
      fixture_value(fixture_get(fixture_at(&f.main, holder), FIXTURE_LEFT)), 5);
  check_number(handle, 5);
  fixture_close(&f);
}
END_TEST

START_TEST(young_collections_find_handles_of_young_objects)
{
  enum { OLD = 5000, ROUNDS = 20 };
  static struct mm_handle olds[OLD];
  struct mm_handle young[ROUNDS], weaks[ROUNDS];
  struct mm_options options = options_of(FIXTURE_PLAN_YOUNG + _i);
  fixture_open(&f, &options);
  for (int i = 0; i < OLD; i++)
    olds[i] = global(numbered(i));
  mm_collect(self(), MM_CAUSE_EXPLICIT);
  for (int i = 0; i < ROUNDS; i++) {
    /* In a chunk of old ones. */
    int at = i * (OLD / ROUNDS);
    ck_assert_int_eq(mm_global_delete(self(), olds[at]), MM_HANDLE_OK);
    young[i] = olds[at] = global(numbered(at));
    weaks[i] = weak(get(young[i]));
    fixture_collect(&f, MM_COLLECTION_YOUNG);
    for (int j = 0; j <= i; j++) {
      check_number(young[j], j * (OLD / ROUNDS));
      ck_assert(mm_same(get(young[j]), get(weaks[j])));
    }
  }
  for (int i = 0; i < 5; i++)
    fixture_collect(&f, MM_COLLECTION_YOUNG);
  for (int i = 0; i < OLD; i++)
    check_number(olds[i], i);
  fixture_close(&f);
}
END_TEST

START_TEST(limits_hold_and_freed_slots_are_used_again)
{
  enum { MOST = 1000 };
  static struct mm_handle held[MOST];
  struct mm_options options = options_of(0);
  options.global_handles_max = options.weak_handles_max = MOST;
  options.local_handles_max = MOST;
  fixture_open(&f, &options);
  struct mm_ref ref = numbered(1);
  struct mm_handle more = {1};
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < MOST; i++)
      held[i] = round == 1 ? weak(ref) : global(ref);
    if (round == 1)
      ck_assert_int_eq(mm_weak_new(self(), ref, &more), MM_HANDLE_LIMIT);
    else
      ck_assert_int_eq(mm_global_new(self(), ref, &more), MM_HANDLE_LIMIT);
    ck_assert(mm_handle_is_null(more));
    struct mm_handle last = held[MOST - 1];
    for (int i = 0; i < MOST; i++)
      ck_assert_int_eq(round == 1 ? mm_weak_delete(self(), held[i])
                                  : mm_global_delete(self(), held[i]),
                       MM_HANDLE_OK);
    struct mm_handle again = round == 1 ? weak(ref) : global(ref);
    ck_assert_uint_eq(mm_handle_index(again), mm_handle_index(last));
    ck_assert_uint_ne(again.bits, last.bits);
    ck_assert_int_eq(status_of(last), MM_HANDLE_STALE);
    ck_assert_int_eq(round == 1 ? mm_weak_delete(self(), again)
                                : mm_global_delete(self(), again),
                     MM_HANDLE_OK);
  }
  for (int i = 0; i < MOST; i++)
    local(ref);
  ck_assert_int_eq(mm_local_new(self(), ref, &more), MM_HANDLE_LIMIT);
  fixture_close(&f);
}
END_TEST

/* Of each plan, and of the one that never collects. */
START_TEST(a_million_global_handles)
{
  const int total = _i == FIXTURE_PLAN_YOUNG ? MILLION : MANY;
  struct mm_handle *all = calloc((size_t)total, sizeof *all);
  struct mm_options options = options_of(_i % ALL_PLANS);
  if (_i == ALL_PLANS)
    options.gc = MM_GC_EPSILON;
  options.heap_max_bytes = 128 * FIXTURE_MIB;
  options.verify = 0;
  fixture_open(&f, &options);
  for (int i = 0; i < total; i++)
    all[i] = global(numbered(i));
  for (int i = 0; i < total; i += 2)
    ck_assert_int_eq(mm_global_delete(self(), all[i]), MM_HANDLE_OK);
  if (_i < ALL_PLANS)
    collect();
  for (int i = 0; i < total; i++)
    if (i % 2)
      check_number(all[i], i);
    else
      ck_assert_int_eq(status_of(all[i]), MM_HANDLE_STALE);
  for (int i = 1; i < total; i += 2)
    ck_assert_int_eq(mm_global_delete(self(), all[i]), MM_HANDLE_OK);
  check_counts(MM_HANDLE_GLOBAL, 0, (uint64_t)total, (uint64_t)total);
  fixture_close(&f);
  free(all);
}
END_TEST

START_TEST(handles_live_where_nothing_is_collected)
{
  struct mm_options options = options_of(0);
  struct mm_frame frame;
  struct mm_handle held[1000], weaks[1000];
  struct mm_ref ref, pinned[1000];
  options.gc = MM_GC_EPSILON;
  fixture_open(&f, &options);
  for (int i = 0; i < 1000; i++) {
    mm_frame_open(self(), &frame);
    struct mm_handle named = local(numbered(i));
    ck_assert_int_eq(mm_handle_get(self(), named, &ref), MM_HANDLE_OK);
    weaks[i] = weak(ref);
    held[i] = global(ref);
    ck_assert_int_eq(mm_pin(self(), named, &pinned[i]), MM_HANDLE_OK);
    mm_frame_close(self(), &frame);
    ck_assert_int_eq(status_of(named), MM_HANDLE_STALE);
  }
  for (int i = 0; i < 1000; i++) {
    check_number(weaks[i], i);
    ck_assert_int_eq(fixture_value(pinned[i]), i);
    ck_assert_int_eq(mm_unpin(self(), weaks[i]), MM_HANDLE_OK);
    ck_assert_int_eq(mm_unpin(self(), weaks[i]), MM_HANDLE_UNBALANCED);
    ck_assert_int_eq(mm_global_delete(self(), held[i]), MM_HANDLE_OK);
    check_number(weaks[i], i);
    ck_assert_int_eq(mm_weak_delete(self(), weaks[i]), MM_HANDLE_OK);
  }
  check_counts(MM_HANDLE_GLOBAL, 0, 1000, 1000);
  check_counts(MM_HANDLE_WEAK, 0, 1000, 1000);
  ck_assert_uint_eq(mm_pin_count(f.heap), 0);
  ck_assert_int_eq(mm_global_delete(self(), held[0]), MM_HANDLE_STALE);
  fixture_close(&f);
}
END_TEST

/* Threads -------------------------------------------------------------------
 */

enum { THREADS = 4, TURNS = 1000, HELD = 64 };

struct worker {
  struct fixture_thread thread;
  uint64_t state;
  bool failed;
};

/* Global handles that all threads may look up and only their makers delete. */
static uint64_t published[THREADS]; /* atomic */

static void look_up_published(struct worker *w)
{
  struct mm_ref ref;
  uint64_t bits = __atomic_load_n(
      &published[fixture_random(&w->state) % THREADS], __ATOMIC_ACQUIRE);
  int status =
      (int)mm_handle_get(&w->thread.mutator, (struct mm_handle){bits}, &ref);
  w->failed |= status != MM_HANDLE_OK && status != MM_HANDLE_STALE &&
               status != MM_HANDLE_NULL;
}

static void *work(void *context)
{
  struct worker *w = context;
  fixture_attach(&f, &w->thread);
  struct mm_mutator *mutator = &w->thread.mutator;
  size_t mine = w->state - 1;
  struct mm_handle held[HELD] = {{0}}, weaks[HELD] = {{0}};
  int64_t values[HELD] = {0};
  for (int turn = 0; turn < TURNS; turn++) {
    size_t i = fixture_random(&w->state) % HELD;
    struct mm_frame frame;
    struct mm_handle handle;
    struct mm_ref ref;
    mm_frame_open(mutator, &frame);
    w->failed |= mm_local_new(mutator, fixture_pair(&w->thread), &handle) != 0;
    if (mm_handle_get(mutator, held[i], &ref) == MM_HANDLE_OK)
      w->failed |= fixture_value(ref) != values[i];
    w->failed |= mm_global_delete(mutator, held[i]) > MM_HANDLE_NULL;
    w->failed |= mm_weak_delete(mutator, weaks[i]) > MM_HANDLE_NULL;
    w->failed |= mm_handle_get(mutator, handle, &ref) != MM_HANDLE_OK;
    fixture_set_value(ref, values[i] = turn);
    w->failed |= mm_global_new(mutator, ref, &held[i]) != 0;
    w->failed |= mm_weak_new(mutator, ref, &weaks[i]) != 0;
    __atomic_store_n(&published[mine], held[i].bits, __ATOMIC_RELEASE);
    mm_frame_close(mutator, &frame);
    look_up_published(w);
  }
  for (size_t i = 0; i < HELD; i++) {
    w->failed |= mm_global_delete(mutator, held[i]) > MM_HANDLE_NULL;
    w->failed |= mm_weak_delete(mutator, weaks[i]) > MM_HANDLE_NULL;
  }
  fixture_detach(&w->thread);
  return NULL;
}

START_TEST(threads_make_look_up_and_delete_side_by_side)
{
  static struct worker workers[THREADS];
  pthread_t threads[THREADS];
  struct mm_options options = options_of(_i);
  options.heap_max_bytes = 8 * FIXTURE_MIB;
  options.young_bytes = FIXTURE_MIB;
  options.stress_alloc = 200;
  options.workers = fixture_workers(_i);
  options.handle_origins = _i % 4 == 3;
  fixture_open(&f, &options);
  memset(workers, 0, sizeof workers);
  memset(published, 0, sizeof published);
  mm_enter_native(self());
  for (int i = 0; i < THREADS; i++) {
    workers[i].state = (uint64_t)i + 1;
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  mm_leave_native(self());
  for (int i = 0; i < THREADS; i++)
    ck_assert(!workers[i].failed);
  struct mm_handle_counts counts;
  mm_handle_counts(f.heap, MM_HANDLE_GLOBAL, &counts);
  ck_assert_uint_eq(counts.live, 0);
  ck_assert_uint_eq(counts.created, THREADS * TURNS);
  mm_handle_counts(f.heap, MM_HANDLE_LOCAL, &counts);
  ck_assert_uint_eq(counts.created, THREADS * TURNS);
  fixture_close(&f);
}
END_TEST

static TCase *local_tests(void)
{
  TCase *tests = tcase_create("local");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, handles_of_all_kinds_follow_their_objects, 0,
                      ALL_PLANS);
  tcase_add_loop_test(tests, a_closed_frame_keeps_nothing_alive, 0, ALL_PLANS);
  tcase_add_loop_test(tests, a_deleted_handle_keeps_nothing_alive, 0,
                      ALL_PLANS);
  tcase_add_test(tests, frames_close_over_their_handles_and_no_others);
  tcase_add_test(tests, frames_go_over_many_chunks_and_back);
  tcase_add_test(tests, a_hole_is_used_again_within_its_frame);
  tcase_add_test(tests, making_and_deleting_by_turns_takes_one_slot);
  tcase_add_loop_test(tests, a_result_escapes_to_the_outer_frame, 0, ALL_PLANS);
  tcase_add_test(tests, natives_push_and_pop_frames_of_their_own);
  tcase_add_test(tests, room_that_was_ensured_is_there);
  return tests;
}

static TCase *shared_tests(void)
{
  TCase *tests = tcase_create("shared");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, a_weak_handle_is_cleared_when_its_object_dies, 0,
                      ALL_PLANS);
  tcase_add_loop_test(tests,
                      what_a_weak_handle_gives_while_a_cycle_marks_is_kept, 0,
                      FIXTURE_PLANS_ALL);
  tcase_add_loop_test(tests, young_collections_find_handles_of_young_objects, 0,
                      FIXTURE_PLANS - FIXTURE_PLAN_YOUNG);
  tcase_add_test(tests, limits_hold_and_freed_slots_are_used_again);
  tcase_add_loop_test(tests, a_million_global_handles, 0, ALL_PLANS + 1);
  tcase_add_test(tests, handles_live_where_nothing_is_collected);
  tcase_add_loop_test(tests, threads_make_look_up_and_delete_side_by_side, 0,
                      ALL_PLANS);
  return tests;
}

int main(void)
{
  return fixture_main("mm_handles",
                      (TCase *[]){local_tests(), shared_tests(), NULL});
}
