/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles: marking while the program runs.  Tests hold the marker back where the
 * order of things matters.  _i chooses the plan: see fixture_choose_plan.
 */
#include "config.h"

#include "mm/barrier_inline.h"
#include "mm/barrier_log.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/warm_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

static struct fixture f;

static void open_heap(int plan)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plan);
  options.gc = MM_GC_CONCURRENT;
  if (options.generational)
    options.young_bytes = FIXTURE_MIB;
  fixture_open(&f, &options);
}

static void teardown(void)
{
  fixture_close(&f);
}

START_TEST(what_is_reachable_stays_and_the_rest_goes)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 10000);
  size_t dead = fixture_push_list(&f.main, 5000);
  fixture_put(&f.main, dead, MM_NULL);
  fixture_run_cycle(&f);
  fixture_check_list(fixture_at(&f.main, list), 10000);
  ck_assert_uint_eq(fixture_census(&f).objects, 10000);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_START), 1);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_FINISH), 1);
}
END_TEST

START_TEST(a_reference_that_is_overwritten_during_a_cycle_is_marked)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 100);
  fixture_start_cycle(&f);
  struct mm_ref head = fixture_at(&f.main, list);
  fixture_push(&f.main, fixture_get(head, FIXTURE_LEFT));
  fixture_set(head, FIXTURE_LEFT, MM_NULL);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 100);
}
END_TEST

START_TEST(what_dies_during_a_cycle_goes_in_the_next)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 100);
  fixture_start_cycle(&f);
  fixture_put(&f.main, list, MM_NULL);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 100);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

/* Situation 20: in each space. */
START_TEST(objects_made_during_a_cycle_live)
{
  open_heap(_i);
  fixture_start_cycle(&f);
  for (int i = 0; i < 1000; i++)
    fixture_push(&f.main, fixture_pair(&f.main));
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 5000));
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 200000));
  fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_BYTES, 9000));
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 1004);
  fixture_pop(&f.main, 1004);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

START_TEST(slots_that_a_cursor_gave_back_are_no_objects)
{
  open_heap(_i);
  fixture_push(&f.main, fixture_pair(&f.main));
  fixture_start_cycle(&f);
  fixture_push(&f.main, fixture_pair(&f.main));
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
}
END_TEST

/* Situation 21. */
START_TEST(what_a_weak_table_hands_out_during_a_cycle_lives)
{
  open_heap(_i);
  for (size_t i = 0; i < 2; i++) {
    f.weak[i] = fixture_pair(&f.main);
    fixture_push(&f.main, f.weak[i]);
  }
  fixture_run_cycle(&f); /* they are old */
  fixture_pop(&f.main, 2);
  fixture_start_cycle(&f);
  mm_barrier_keep(&f.main.mutator, f.weak[0]);
  fixture_push(&f.main, f.weak[0]);
  fixture_end_cycle(&f);
  ck_assert(mm_same(f.weak[0], fixture_at(&f.main, 0)));
  ck_assert(mm_is_null(f.weak[1]));
  ck_assert_uint_eq(fixture_census(&f).objects, 1);
}
END_TEST

/* Situation 23. */
START_TEST(a_thread_that_ends_during_a_cycle_leaves_its_log)
{
  struct fixture_thread other;
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 2);
  fixture_start_cycle(&f);
  fixture_attach(&f, &other);
  ck_assert_uint_eq(other.mutator.marking, 1);
  struct mm_ref head = fixture_at(&f.main, list);
  struct mm_ref tail = fixture_get(head, FIXTURE_LEFT);
  mm_store_ref(&other.mutator, fixture_data(head, FIXTURE_LEFT), MM_NULL);
  fixture_detach(&other);
  fixture_push(&f.main, tail);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 2);
}
END_TEST

/* Situation 33: a collection comes in between. */
START_TEST(a_cycle_that_is_interrupted_leaves_nothing_behind)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 1000);
  fixture_start_cycle(&f);
  struct mm_ref head = fixture_at(&f.main, list);
  fixture_set(head, FIXTURE_RIGHT, fixture_get(head, FIXTURE_LEFT));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert(!mm_cycle_marks(f.heap));
  ck_assert_uint_eq(f.main.mutator.marking, 0);
  ck_assert_ptr_null(f.heap->cycle.full);
  fixture_hold(&f, MM_CYCLE_IDLE);
  fixture_put(&f.main, list, MM_NULL);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_SWEEP) +
                        fixture_pauses(&f, MM_COLLECTION_EVACUATE) +
                        fixture_pauses(&f, MM_COLLECTION_COMPACT),
                    1);
}
END_TEST

START_TEST(a_heap_can_be_destroyed_during_a_cycle)
{
  open_heap(_i);
  fixture_push_list(&f.main, 1000);
  fixture_start_cycle(&f);
}
END_TEST

/* Situation 13, for this barrier. */
static void *quit(void *heap)
{
  mm_heap_quit(heap);
  return NULL;
}

static bool quits(void)
{
  pthread_mutex_lock(&f.heap->lock);
  bool quits = f.heap->cycle.quit;
  pthread_mutex_unlock(&f.heap->lock);
  return quits;
}

/* The thread has looked, and waits for this one to stop. */
START_TEST(a_heap_that_quits_while_a_cycle_is_about_to_start_does_not_start_it)
{
  pthread_t quitter;
  open_heap(_i);
  fixture_push_list(&f.main, 100);
  pthread_mutex_lock(&f.heap->lock);
  mm_cycle_request_locked(f.heap);
  pthread_mutex_unlock(&f.heap->lock);
  while (!mm_is_stopping(f.heap))
    usleep(100);
  ck_assert_int_eq(pthread_create(&quitter, NULL, quit, f.heap), 0);
  while (!quits())
    usleep(100);
  mm_enter_native(&f.main.mutator);
  pthread_join(quitter, NULL);
  mm_leave_native(&f.main.mutator);
  ck_assert_int_eq(mm_cycle_state(f.heap), MM_CYCLE_IDLE);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_START), 0);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_FINISH), 0);
}
END_TEST

START_TEST(more_references_than_fit_a_log_are_all_marked)
{
  enum { LENGTH = 4 * MM_BARRIER_LOG_ENTRIES };
  open_heap(_i);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, LENGTH));
  for (size_t i = 0; i < LENGTH; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  fixture_start_cycle(&f);
  for (size_t i = 0; i < LENGTH; i++) {
    fixture_push(&f.main, fixture_element(fixture_at(&f.main, array), i));
    fixture_set_element(fixture_at(&f.main, array), i, MM_NULL);
  }
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, LENGTH + 1);
}
END_TEST

/* The pause that ends marking leaves young objects where they are. */
START_TEST(barriers_note_what_is_overwritten_in_line_and_null_as_well)
{
  open_heap(_i);
  struct mm_mutator *mutator = &f.main.mutator;
  size_t list = fixture_push_list(&f.main, 100);
  size_t other = fixture_push(&f.main, fixture_pair(&f.main));
  fixture_start_cycle(&f);
  ck_assert_ptr_null(mutator->old_at);
  struct mm_ref head = fixture_at(&f.main, list);
  fixture_push(&f.main, fixture_get(head, FIXTURE_LEFT));
  fixture_set(head, FIXTURE_LEFT, MM_NULL);
  struct mm_barrier_log *log = mutator->old_log;
  ck_assert_ptr_nonnull(log);
  ck_assert_ptr_eq(mutator->old_at, log->entries + 1);
  for (int i = 1; i < MM_BARRIER_LOG_ENTRIES; i++)
    fixture_set(fixture_at(&f.main, other), FIXTURE_RIGHT, MM_NULL);
  ck_assert_ptr_eq(mutator->old_at, mutator->old_end);
  fixture_set(fixture_at(&f.main, other), FIXTURE_LEFT, head);
  fixture_set(fixture_at(&f.main, other), FIXTURE_LEFT, MM_NULL);
  ck_assert_ptr_eq(mutator->old_log, log); /* nulls went, and made room */
  ck_assert_ptr_eq(mutator->old_at, log->entries + 2);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 101);
}
END_TEST

START_TEST(the_end_of_marking_gives_no_more_room_for_new_objects)
{
  open_heap(_i);
  fixture_start_cycle(&f);
  fixture_push_list(&f.main, 1000);
  uint64_t used = f.heap->sizing.eden_used_bytes;
  uint64_t young = fixture_pauses(&f, MM_COLLECTION_YOUNG);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_YOUNG), young);
  ck_assert_uint_eq(f.heap->sizing.eden_used_bytes, used);
  ck_assert(used > 0 || !f.heap->options.generational);
}
END_TEST

START_TEST(without_memory_for_a_log_the_pause_marks_again)
{
  open_heap(_i);
  size_t list = fixture_push_list(&f.main, 100);
  fixture_push_list(&f.main, 50);
  fixture_pop(&f.main, 1);
  fixture_start_cycle(&f);
  mm_native_fail_at(1, true);
  struct mm_ref head = fixture_at(&f.main, list);
  fixture_push(&f.main, fixture_get(head, FIXTURE_LEFT));
  fixture_set(head, FIXTURE_LEFT, MM_NULL);
  mm_native_fail_at(0, false);
  ck_assert(f.heap->cycle.is_lost);
  fixture_end_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 100);
}
END_TEST

START_TEST(without_memory_for_the_stack_the_pause_marks_again)
{
  enum { LENGTH = 20000 };
  open_heap(_i);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, LENGTH));
  for (size_t i = 0; i < LENGTH; i++) {
    struct mm_ref tree = fixture_tree(&f.main, 1);
    fixture_set_element(fixture_at(&f.main, array), i, tree);
  }
  f.heap->trace_entries_max = 1;
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_census(&f).objects, 3 * LENGTH + 1);
}
END_TEST

/* What is held for a while becomes old, with generations. */
START_TEST(cycles_start_by_themselves_and_free_memory)
{
  enum { LENGTH = 1 << 16 };
  open_heap(_i);
  f.heap->options.verify = 0;
  size_t list = fixture_push_list(&f.main, 1000);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, LENGTH));
  uint64_t seed = 3;
  for (int i = 0; i < 6 * 32 * FIXTURE_MIB / 24 &&
                  fixture_pauses(&f, MM_COLLECTION_FINISH) < 2;
       i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_element(fixture_at(&f.main, array),
                        fixture_random(&seed) % LENGTH, pair);
  }
  fixture_check_list(fixture_at(&f.main, list), 1000);
  ck_assert_uint_gt(fixture_pauses(&f, MM_COLLECTION_FINISH), 0);
}
END_TEST

START_TEST(memory_ahead_is_touched_beside_the_program)
{
  unsigned char is_resident;
  open_heap(_i);
  fixture_push_list(&f.main, 12 * FIXTURE_MIB / 24);
  for (int i = 0; i < 10000 && mm_is_cold(f.heap); i++) {
    mm_poll(&f.main.mutator);
    usleep(1000);
  }
  ck_assert(!mm_is_cold(f.heap));
  uint32_t last = f.heap->regions.open_to - 1;
  ck_assert_uint_gt(last, f.heap->regions.fresh_from);
  void *start = (void *)mm_region_start(&f.heap->regions, last);
  ck_assert_int_eq(mincore(start, 4096, &is_resident), 0);
  ck_assert(is_resident & 1);
}
END_TEST

static bool check_leaves_cold(uint64_t warm_after_ns)
{
  struct mm_cycle *cycle = &f.heap->cycle;
  uint32_t to = __atomic_load_n(&cycle->warm_to, __ATOMIC_RELAXED);
  mm_marker_begin(f.heap);
  cycle->warm_after_ns = warm_after_ns;
  __atomic_store_n(&cycle->warm_to, to - MM_REGION_GROUP, __ATOMIC_RELAXED);
  ck_assert(mm_is_cold(f.heap));
  mm_marker_check(f.heap, cycle->number);
  bool is_cold = mm_is_cold(f.heap);
  __atomic_store_n(&cycle->warm_to, to, __ATOMIC_RELAXED);
  mm_marker_end(f.heap);
  return is_cold;
}

/* The main thread plays the marker, so that there must be no other. */
static void end_cycle_thread(void)
{
  mm_cycle_wait(&f.main.mutator);
  mm_enter_native(&f.main.mutator); /* it may want to stop us yet */
  mm_heap_quit(f.heap);
  mm_leave_native(&f.main.mutator);
  while (mm_is_cold(f.heap))
    mm_warm(f.heap);
}

/* Else a program that allocates fast enough is never marked. */
START_TEST(to_touch_memory_ahead_leaves_half_of_the_time_for_marking)
{
  open_heap(_i);
  fixture_push_list(&f.main, 12 * FIXTURE_MIB / 24);
  end_cycle_thread();
  ck_assert(check_leaves_cold(UINT64_MAX));
  uint64_t began_ns = mm_stat_now_ns();
  ck_assert(!check_leaves_cold(0));
  ck_assert_uint_gt(f.heap->cycle.warm_after_ns, began_ns);
}
END_TEST

/* Candidates ----------------------------------------------------------------
 */

enum {
  REGIONS_PLANS = 2,
  PAIRS = 30000,
  EACH = 16,
  NEW_PAIRS = 12000,
  PIECES = NEW_PAIRS * 24 / (16 * 1024), /* see PIECE_BYTES of walk.c */
};

/* Only regions have candidates: with and without generations. */
static void open_regions(int variant)
{
  open_heap(variant * FIXTURE_PLAN_YOUNG);
}

/* An array of old pairs, numbered; only each EACH-th lives on. */
static size_t push_sparse(void)
{
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, PAIRS));
  for (size_t i = 0; i < PAIRS; i++) {
    struct mm_ref pair = fixture_pair(&f.main);
    fixture_set_value(pair, (int64_t)i);
    fixture_set_element(fixture_at(&f.main, array), i, pair);
  }
  fixture_run_cycle(&f); /* they are old */
  for (size_t i = 0; i < PAIRS; i++)
    if (i % EACH != 0)
      fixture_set_element(fixture_at(&f.main, array), i, MM_NULL);
  return array;
}

static void check_sparse(size_t array)
{
  for (size_t i = 0; i < PAIRS; i++) {
    struct mm_ref pair = fixture_element(fixture_at(&f.main, array), i);
    if (i % EACH == 0)
      ck_assert_int_eq(fixture_value(pair), (int64_t)i);
    else
      ck_assert(mm_is_null(pair));
  }
}

/* With generations, candidates go with young collections. */
static void evacuate(void)
{
  for (int i = 0;
       i < 100 && f.heap->options.generational && mm_candidates_wait(f.heap);
       i++)
    fixture_collect(&f, MM_COLLECTION_YOUNG);
}

START_TEST(sparse_regions_are_evacuated)
{
  open_regions(_i);
  size_t array = push_sparse();
  uint32_t used = f.heap->regions.used;
  fixture_run_cycle(&f);
  evacuate();
  ck_assert_uint_gt(fixture_pauses(&f, MM_COLLECTION_MIXED), 0);
  ck_assert_uint_lt(f.heap->regions.used, used - 1);
  check_sparse(array);
  ck_assert_uint_eq(fixture_census(&f).objects, PAIRS / EACH + 1);
}
END_TEST

/* Each pair is known from the array, and from another old or young one. */
START_TEST(references_that_are_stored_after_the_choice_are_found)
{
  open_regions(_i);
  size_t array = push_sparse();
  size_t list = fixture_push_list(&f.main, 1000);
  fixture_run_cycle(&f); /* the list is old as well */
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_SWEEPING);
  size_t fresh = fixture_push_list(&f.main, 1000);
  for (size_t k = list; k <= fresh; k += fresh - list) {
    struct mm_ref node = fixture_at(&f.main, k);
    for (size_t i = 0; i < 1000; i++, node = fixture_get(node, FIXTURE_LEFT))
      fixture_set(node, FIXTURE_RIGHT,
                  fixture_element(fixture_at(&f.main, array), i * EACH));
  }
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f.main.mutator);
  evacuate();
  for (size_t k = list; k <= fresh; k += fresh - list) {
    struct mm_ref node = fixture_at(&f.main, k);
    for (size_t i = 0; i < 1000; i++, node = fixture_get(node, FIXTURE_LEFT))
      ck_assert(mm_same(fixture_get(node, FIXTURE_RIGHT),
                        fixture_element(fixture_at(&f.main, array), i * EACH)));
  }
  check_sparse(array);
}
END_TEST

static bool is_watched(struct mm_ref ref)
{
  return mm_card_is_watched(mm_barrier_card(&f.main.mutator, mm_address(ref)));
}

/* Without generations nothing is watched at any other time. */
START_TEST(stores_of_old_references_are_watched_while_there_are_candidates)
{
  struct mm_mutator other;
  open_regions(_i);
  size_t array = push_sparse();
  ck_assert_int_eq(f.main.mutator.heeding, f.heap->options.generational);
  ck_assert(is_watched(fixture_at(&f.main, array)) ==
            f.heap->options.generational);
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_SWEEPING);
  ck_assert(f.main.mutator.heeding);
  ck_assert(is_watched(fixture_at(&f.main, array)));
  ck_assert_int_eq(mm_mutator_attach(f.heap, &other), MM_OK);
  ck_assert(other.heeding);
  mm_mutator_detach(&other);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_int_eq(f.main.mutator.heeding, f.heap->options.generational);
  fixture_hold(&f, MM_CYCLE_IDLE);
  check_sparse(array);
}
END_TEST

/* The thread has chosen candidates, and does not walk yet. */
static void hold_walk(void)
{
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_SWEEPING);
}

/* It was: nearly all cards of new objects were logged. */
START_TEST(without_generations_new_objects_are_not_watched)
{
  open_regions(0);
  size_t array = push_sparse();
  hold_walk();
  size_t list = fixture_push_list(&f.main, NEW_PAIRS);
  ck_assert(is_watched(fixture_at(&f.main, array)));
  ck_assert(!is_watched(fixture_pair(&f.main)));
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f.main.mutator);
  hold_walk(); /* of the next cycle: they are old */
  ck_assert(is_watched(fixture_at(&f.main, list)));
  fixture_hold(&f, MM_CYCLE_IDLE);
  check_sparse(array);
}
END_TEST

/* All pairs of a list, to candidates. */
static void refer(size_t array, size_t list)
{
  struct mm_ref node = fixture_at(&f.main, list);
  for (size_t i = 0; i < NEW_PAIRS; i++) {
    fixture_set(node, FIXTURE_RIGHT,
                fixture_element(fixture_at(&f.main, array), i * EACH % PAIRS));
    node = fixture_get(node, FIXTURE_LEFT);
  }
}

/* New objects that refer to candidates, and a log of old ones that do. */
static size_t refer_to_candidates(size_t array, size_t old)
{
  size_t fresh = fixture_push_list(&f.main, NEW_PAIRS);
  refer(array, old);
  refer(array, fresh);
  return fresh;
}

static void check_referring(size_t array, size_t list)
{
  struct mm_ref node = fixture_at(&f.main, list);
  for (size_t i = 0; i < NEW_PAIRS; i++) {
    ck_assert(
        mm_same(fixture_get(node, FIXTURE_RIGHT),
                fixture_element(fixture_at(&f.main, array), i * EACH % PAIRS)));
    node = fixture_get(node, FIXTURE_LEFT);
  }
}

/* The thread has walked, and waits before the first pause that evacuates. */
static void hold_evacuation(void)
{
  fixture_hold(&f, MM_CYCLE_EVACUATING);
  fixture_await(&f, MM_CYCLE_EVACUATING);
}

/* Pauses did it all. */
START_TEST(what_is_allocated_during_the_walk_is_walked_too)
{
  open_regions(0);
  size_t array = push_sparse();
  size_t old = fixture_push_list(&f.main, NEW_PAIRS);
  hold_walk();
  f.heap->options.pause_goal_ns = 1; /* as much as a pause has to do */
  uint64_t pauses = fixture_pauses(&f, MM_COLLECTION_MIXED);
  uint32_t candidates = f.heap->candidates.count;
  size_t fresh = fixture_push_list(&f.main, NEW_PAIRS);
  hold_evacuation();
  ck_assert(is_watched(fixture_at(&f.main, fresh)));
  refer(array, old);
  refer(array, fresh);
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f.main.mutator);
  pauses = fixture_pauses(&f, MM_COLLECTION_MIXED) - pauses;
  ck_assert_uint_lt(pauses, PIECES + candidates);
  check_referring(array, old);
  check_referring(array, fresh);
  check_sparse(array);
}
END_TEST

/* All of it was done by the first of them. */
START_TEST(pauses_catch_up_in_small_pieces_before_they_evacuate)
{
  open_regions(0);
  size_t array = push_sparse();
  size_t old = fixture_push_list(&f.main, NEW_PAIRS);
  hold_walk();
  hold_evacuation();
  f.heap->options.pause_goal_ns = 1; /* a piece, or a log, in each */
  uint64_t pauses = fixture_pauses(&f, MM_COLLECTION_MIXED);
  uint32_t candidates = f.heap->candidates.count;
  ck_assert_uint_gt(candidates, 0);
  size_t fresh = refer_to_candidates(array, old);
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f.main.mutator);
  pauses = fixture_pauses(&f, MM_COLLECTION_MIXED) - pauses;
  ck_assert_uint_gt(pauses, PIECES + candidates);
  ck_assert_uint_eq(f.heap->candidates.count, 0);
  check_referring(array, old);
  check_referring(array, fresh);
  check_sparse(array);
}
END_TEST

START_TEST(nothing_is_watched_before_the_first_collection)
{
  open_regions(_i);
  ck_assert(!is_watched(fixture_pair(&f.main)));
}
END_TEST

START_TEST(a_region_in_which_nothing_lives_goes_free_at_once)
{
  open_regions(_i);
  size_t array = push_sparse();
  fixture_put(&f.main, array, MM_NULL);
  uint32_t used = f.heap->regions.used;
  fixture_run_cycle(&f);
  ck_assert_uint_lt(f.heap->regions.used, used);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_MIXED), 0);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

START_TEST(a_full_collection_forgets_the_candidates)
{
  open_regions(_i);
  size_t array = push_sparse();
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_SWEEPING);
  ck_assert_uint_gt(f.heap->candidates.count, 0);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_eq(f.heap->candidates.count, 0);
  fixture_hold(&f, MM_CYCLE_IDLE);
  check_sparse(array);
  fixture_run_cycle(&f);
  evacuate();
  check_sparse(array);
}
END_TEST

/* The walk took the region of a large young object, which had died meanwhile,
   for what it had become: small objects that did not fill it, for instance. */
START_TEST(a_large_young_object_may_die_before_it_is_walked)
{
  open_regions(1);
  fixture_start_cycle(&f);
  size_t large =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 100000));
  uint32_t index = mm_region_index(
      &f.heap->regions, (uintptr_t)mm_address(fixture_at(&f.main, large)));
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  fixture_await(&f, MM_CYCLE_SWEEPING);
  fixture_put(&f.main, large, MM_NULL);
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  ck_assert_int_eq(f.heap->regions.table[index].kind, MM_REGION_FREE);
  ck_assert(!mm_region_is_unwalked(&f.heap->regions.table[index]));
  size_t list = fixture_push_list(&f.main, 1000);
  fixture_end_cycle(&f);
  fixture_check_list(fixture_at(&f.main, list), 1000);
}
END_TEST

/* Young collections come and go while a cycle marks. */
START_TEST(what_becomes_old_while_a_cycle_marks_lives)
{
  open_heap(_i + FIXTURE_PLAN_YOUNG);
  size_t old = fixture_push_list(&f.main, 1000);
  fixture_start_cycle(&f);
  for (int i = 0; i < MM_AGE_TENURED + 1; i++) {
    size_t list = fixture_push_list(&f.main, 1000);
    fixture_set(fixture_at(&f.main, list), FIXTURE_RIGHT,
                fixture_at(&f.main, old));
    fixture_collect(&f, MM_COLLECTION_YOUNG);
    ck_assert(mm_cycle_marks(f.heap));
  }
  fixture_put(&f.main, old, MM_NULL);
  fixture_end_cycle(&f);
  fixture_run_cycle(&f);
  for (size_t list = old + 1; list <= old + MM_AGE_TENURED + 1; list++) {
    fixture_check_list(fixture_at(&f.main, list), 1000);
    fixture_check_list(fixture_get(fixture_at(&f.main, list), FIXTURE_RIGHT),
                       1000);
  }
}
END_TEST

/* A list of which each node is unlinked and linked again elsewhere all the
   time, by two threads, while cycles come and go. */
static void *shuffle(void *argument)
{
  struct fixture_thread *main_thread = argument, self;
  uint64_t seed = 7;
  fixture_attach(main_thread->fixture, &self);
  for (int i = 0; i < 20000; i++) {
    size_t from = fixture_random(&seed) % 64, to = fixture_random(&seed) % 64;
    struct mm_ref array = self.fixture->globals[0];
    fixture_push(&self, fixture_element(array, from));
    struct mm_ref pair = fixture_pair(&self);
    fixture_set(pair, FIXTURE_LEFT, fixture_at(&self, 0));
    if (i % 8 == 0)
      fixture_set(pair, FIXTURE_LEFT, MM_NULL);
    array = self.fixture->globals[0];
    fixture_set_element(array, to, pair);
    fixture_pop(&self, 1);
    if (i % 500 == 0)
      mm_cycle_step(&self.mutator);
    mm_poll(&self.mutator);
  }
  fixture_detach(&self);
  return NULL;
}

START_TEST(two_threads_change_a_graph_while_cycles_mark)
{
  pthread_t threads[2];
  open_heap(_i);
  f.globals[0] = fixture_new(&f.main, FIXTURE_REFS, 64);
  mm_enter_native(&f.main.mutator);
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, shuffle, &f.main), 0);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  mm_leave_native(&f.main.mutator);
  ck_assert_uint_gt(fixture_pauses(&f, MM_COLLECTION_FINISH), 10);
}
END_TEST

#define ADD_REGIONS(test) tcase_add_loop_test(tests, test, 0, REGIONS_PLANS)
#define ADD(test) tcase_add_loop_test(tests, test, 0, FIXTURE_PLANS)

int main(void)
{
  TCase *tests = tcase_create("cycles");
  tcase_add_checked_fixture(tests, NULL, teardown);
  ADD(what_is_reachable_stays_and_the_rest_goes);
  ADD(a_reference_that_is_overwritten_during_a_cycle_is_marked);
  ADD(what_dies_during_a_cycle_goes_in_the_next);
  ADD(objects_made_during_a_cycle_live);
  ADD(slots_that_a_cursor_gave_back_are_no_objects);
  ADD(what_a_weak_table_hands_out_during_a_cycle_lives);
  ADD(a_thread_that_ends_during_a_cycle_leaves_its_log);
  ADD(a_cycle_that_is_interrupted_leaves_nothing_behind);
  ADD(a_heap_can_be_destroyed_during_a_cycle);
  ADD(a_heap_that_quits_while_a_cycle_is_about_to_start_does_not_start_it);
  ADD(more_references_than_fit_a_log_are_all_marked);
  ADD(barriers_note_what_is_overwritten_in_line_and_null_as_well);
  ADD(the_end_of_marking_gives_no_more_room_for_new_objects);
  ADD(without_memory_for_a_log_the_pause_marks_again);
  ADD(without_memory_for_the_stack_the_pause_marks_again);
  ADD(cycles_start_by_themselves_and_free_memory);
  ADD(two_threads_change_a_graph_while_cycles_mark);
  ADD(memory_ahead_is_touched_beside_the_program);
  ADD(to_touch_memory_ahead_leaves_half_of_the_time_for_marking);
  ADD_REGIONS(sparse_regions_are_evacuated);
  ADD_REGIONS(references_that_are_stored_after_the_choice_are_found);
  ADD_REGIONS(stores_of_old_references_are_watched_while_there_are_candidates);
  ADD_REGIONS(nothing_is_watched_before_the_first_collection);
  ADD_REGIONS(a_region_in_which_nothing_lives_goes_free_at_once);
  tcase_add_test(tests, without_generations_new_objects_are_not_watched);
  tcase_add_test(tests, what_is_allocated_during_the_walk_is_walked_too);
  tcase_add_test(tests, pauses_catch_up_in_small_pieces_before_they_evacuate);
  ADD_REGIONS(a_full_collection_forgets_the_candidates);
  tcase_add_test(tests, a_large_young_object_may_die_before_it_is_walked);
  tcase_add_loop_test(tests, what_becomes_old_while_a_cycle_marks_lives, 0,
                      FIXTURE_PLANS - FIXTURE_PLAN_YOUNG);
  return fixture_main("mm_cycle", (TCase *[]){tests, NULL});
}
