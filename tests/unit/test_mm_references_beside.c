/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that a cycle processes beside the program
 * (mm/gc/noted_internal.h): what the program sees, and may do, between the
 * pauses.  The cycle is held there.  What comes of it in the end,
 * test_mm_references.c looks at as well.
 */
#include "config.h"

#include <pthread.h>

#include "mm/gc/cycle_internal.h"
#include "mm/gc/references_internal.h"
#include "tests/unit/mm_fixture.h"

enum { MANY = 600, PLANS = 4, YOUNG = 2 };

static struct fixture f;

static bool is_young(int plan)
{
  return plan % PLANS >= YOUNG;
}

static void open_plan(int plan)
{
  static const int plans[PLANS] = {0, 1, FIXTURE_PLAN_YOUNG,
                                   FIXTURE_PLAN_YOUNG + 1};
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, plans[plan % PLANS]);
  options.gc = MM_GC_CONCURRENT;
  options.workers = 2;
  options.soft_ms_per_mib = 0;
  fixture_open(&f, &options);
  f.heap->references.few = 0;
}

static void close_all(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

static struct mm_mutator *mutator(void)
{
  return &f.main.mutator;
}

static size_t push_pair(int64_t value)
{
  size_t at = fixture_push(&f.main, fixture_pair(&f.main));
  fixture_set_value(fixture_at(&f.main, at), value);
  return at;
}

static size_t push_reference(enum fixture_kind kind, size_t referent)
{
  size_t at = fixture_push(&f.main, fixture_new(&f.main, kind, 0));
  mm_reference_init(mutator(), fixture_at(&f.main, at),
                    fixture_at(&f.main, referent));
  return at;
}

static void drop(size_t index)
{
  fixture_put(&f.main, index, MM_NULL);
}

static struct mm_ref get(size_t reference)
{
  return mm_reference_get(mutator(), fixture_at(&f.main, reference));
}

static unsigned take_all(void)
{
  struct mm_ref referent;
  unsigned count = 0;
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent)))
    count++;
  return count;
}

/* Goes on until the cycle is held in the state. */
static void hold(enum mm_cycle_state state)
{
  fixture_hold(&f, state);
  fixture_await(&f, state);
}

static void collect_young(void)
{
  f.heap->sizing.next_kind = MM_COLLECTION_YOUNG;
  mm_collect(mutator(), MM_CAUSE_ALLOCATION);
}

static void verify(void *faults)
{
  *(uint64_t *)faults = mm_verify(f.heap);
}

/* What programs do: allocate; and young collections come in between. */
static void go_on(int plan)
{
  enum mm_cycle_state state = mm_cycle_state(f.heap);
  size_t list = fixture_push_list(&f.main, 1000);
  if (is_young(plan))
    collect_young();
  ck_assert_int_eq(mm_cycle_state(f.heap), state);
  fixture_check_list(fixture_at(&f.main, list), 1000);
  uint64_t faults;
  mm_with_world_stopped(mutator(), verify, &faults);
  ck_assert_uint_eq(faults, 0);
}

/* A cycle processes what is old when it starts. */
static void make_old(void)
{
  mm_collect(mutator(), MM_CAUSE_EXPLICIT);
}

/* References in an array, every other referent in another one. */
static void make_young(enum fixture_kind kind, size_t *references, size_t *kept)
{
  *references = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, MANY));
  *kept = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, MANY));
  for (size_t i = 0; i < MANY; i++) {
    size_t pair = push_pair((int64_t)i);
    size_t at = push_reference(kind, pair);
    if (kind == FIXTURE_EPHEMERON)
      mm_ephemeron_set_value(mutator(), fixture_at(&f.main, at),
                             fixture_at(&f.main, pair));
    fixture_set_element(fixture_at(&f.main, *references), i,
                        fixture_at(&f.main, at));
    fixture_set_element(fixture_at(&f.main, *kept), i,
                        fixture_at(&f.main, pair));
    fixture_pop(&f.main, 2);
  }
}

static void drop_half(size_t kept)
{
  for (size_t i = 0; i < MANY; i += 2)
    fixture_set_element(fixture_at(&f.main, kept), i, MM_NULL);
}

/* The same, all of it old. */
static void make_many(enum fixture_kind kind, size_t *references, size_t *kept)
{
  make_young(kind, references, kept);
  make_old();
  drop_half(*kept);
}

static struct mm_ref reference_at(size_t references, size_t i)
{
  return fixture_element(fixture_at(&f.main, references), i);
}

static void check_many(size_t references, size_t kept)
{
  for (size_t i = 0; i < MANY; i++) {
    struct mm_ref at = reference_at(references, i);
    struct mm_ref pair = fixture_element(fixture_at(&f.main, kept), i);
    fixture_require(mm_same(mm_reference_get(mutator(), at), pair));
    fixture_require(mm_reference_refers_to(mutator(), at, pair));
    if (i % 2)
      fixture_require(fixture_value(pair) == (int64_t)i);
  }
}

enum { KINDS = 4 };
static const enum fixture_kind kinds[KINDS] = {
    FIXTURE_WEAK_REFERENCE, FIXTURE_SOFT, FIXTURE_EPHEMERON, FIXTURE_PHANTOM};

START_TEST(to_the_program_all_are_cleared_at_once)
{
  int plan = _i / KINDS;
  enum fixture_kind kind = kinds[_i % KINDS];
  open_plan(plan);
  size_t references, kept;
  make_many(kind, &references, &kept);
  fixture_start_cycle(&f);
  hold(MM_CYCLE_CLEARING);
  ck_assert(!mm_references_are_pending(f.heap));
  check_many(references, kept);
  if (kind == FIXTURE_EPHEMERON)
    ck_assert(
        mm_is_null(mm_ephemeron_value(mutator(), reference_at(references, 0))));
  go_on(plan);
  check_many(references, kept);
  fixture_end_cycle(&f);
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), MANY / 2);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_CLEANUP), 1);
  fixture_run_cycle(&f);
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), 0);
  close_all();
}
END_TEST

START_TEST(what_the_program_clears_before_the_cycle_does_is_not_pending)
{
  open_plan(_i / KINDS);
  size_t references, kept;
  make_many(kinds[_i % KINDS], &references, &kept);
  fixture_start_cycle(&f);
  hold(MM_CYCLE_CLEARING);
  for (size_t i = 0; i < MANY / 2; i++) /* the dead and the living */
    mm_reference_clear(mutator(), reference_at(references, i));
  fixture_end_cycle(&f);
  for (size_t i = 0; i < MANY; i++)
    fixture_require(
        mm_is_null(mm_reference_get(mutator(), reference_at(references, i))) ==
        (i < MANY / 2 || i % 2 == 0));
  ck_assert_uint_eq(take_all(), MANY / 4);
  close_all();
}
END_TEST

START_TEST(a_full_collection_takes_the_place_of_a_cycle_that_clears)
{
  static const enum mm_cycle_state states[] = {
      MM_CYCLE_MARKING, MM_CYCLE_CLEARING, MM_CYCLE_FINALS};
  enum mm_cycle_state state = states[_i / KINDS % 3];
  open_plan(_i / KINDS / 3);
  size_t references, kept;
  make_many(kinds[_i % KINDS], &references, &kept);
  if (state == MM_CYCLE_FINALS) {
    push_reference(FIXTURE_FINAL, push_pair(1));
    make_old();
    drop(f.main.top - 2);
  }
  fixture_start_cycle(&f);
  hold(state);
  mm_collect(mutator(), MM_CAUSE_EXPLICIT);
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(mutator());
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), MANY / 2 + (state == MM_CYCLE_FINALS));
  close_all();
}
END_TEST

START_TEST(references_made_while_a_cycle_marks_are_not_cleared)
{
  open_plan(_i);
  size_t pair = push_pair(1);
  fixture_start_cycle(&f);
  size_t old = push_reference(FIXTURE_WEAK_REFERENCE, pair);
  size_t new = push_reference(FIXTURE_WEAK_REFERENCE, push_pair(2));
  fixture_end_cycle(&f);
  ck_assert(mm_same(get(old), fixture_at(&f.main, pair)));
  ck_assert_int_eq(fixture_value(get(new)), 2);
  drop(pair), drop(new - 1);
  fixture_run_cycle(&f);
  ck_assert(mm_is_null(get(old)));
  ck_assert(mm_is_null(get(new)));
  ck_assert_uint_eq(take_all(), 2);
  close_all();
}
END_TEST

START_TEST(few_are_processed_in_the_pause)
{
  open_plan(_i);
  size_t references, kept;
  make_many(FIXTURE_WEAK_REFERENCE, &references, &kept);
  f.heap->references.few = MANY / 2;
  fixture_run_cycle(&f);
  ck_assert_uint_eq(fixture_pauses(&f, MM_COLLECTION_CLEANUP), 0);
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), MANY / 2);
  close_all();
}
END_TEST

/* Finals ------------------------------------------------------------------- */

/*
 *   final -> pair 1 -> pair 2 <- weak, phantom, ephemeron, weak table
 *             |
 *             +-> weak -> pair 3
 */
struct finals {
  size_t weak, phantom, ephemeron, other;
  size_t soft; /* unless such live long */
};

static struct finals make_finals(void)
{
  struct finals made = {0};
  size_t pair = push_pair(1), child = push_pair(2), lone = push_pair(3);
  size_t inner = push_reference(FIXTURE_WEAK_REFERENCE, lone);
  fixture_set(fixture_at(&f.main, pair), FIXTURE_LEFT,
              fixture_at(&f.main, child));
  fixture_set(fixture_at(&f.main, pair), FIXTURE_RIGHT,
              fixture_at(&f.main, inner));
  f.weak[0] = fixture_at(&f.main, child);
  made.weak = push_reference(FIXTURE_WEAK_REFERENCE, child);
  made.phantom = push_reference(FIXTURE_PHANTOM, child);
  made.ephemeron = push_reference(FIXTURE_EPHEMERON, child);
  made.other = push_reference(FIXTURE_PHANTOM, lone);
  if (f.heap->options.soft_ms_per_mib == 0)
    made.soft = push_reference(FIXTURE_SOFT, child);
  push_reference(FIXTURE_FINAL, pair);
  make_old();
  drop(pair), drop(child), drop(lone), drop(inner);
  return made;
}

static struct mm_ref take_final(unsigned *others)
{
  struct mm_ref referent, final = MM_NULL;
  *others = 0;
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent)))
    if (mm_is_null(referent))
      ++*others;
    else
      final = referent;
  return final;
}

START_TEST(the_finalizable_lose_weak_references_before_they_are_marked)
{
  open_plan(_i);
  struct finals made = make_finals();
  fixture_start_cycle(&f);
  hold(MM_CYCLE_FINALS);
  ck_assert(mm_is_null(get(made.weak)));
  ck_assert(mm_reference_refers_to(mutator(), fixture_at(&f.main, made.weak),
                                   MM_NULL));
  ck_assert(!mm_reference_refers_to(
      mutator(), fixture_at(&f.main, made.phantom), MM_NULL));
  go_on(_i);
  hold(MM_CYCLE_CLEARING);
  ck_assert(mm_is_null(get(made.weak)));
  ck_assert_int_eq(fixture_value(get(made.phantom)), 2);
  ck_assert_int_eq(fixture_value(get(made.ephemeron)), 2);
  ck_assert(mm_is_null(get(made.other)));
  ck_assert_int_eq(fixture_value(f.weak[0]), 2);
  go_on(_i);
  fixture_end_cycle(&f);
  unsigned others;
  struct mm_ref pair = take_final(&others);
  ck_assert_uint_eq(others, 4); /* two weak ones, a soft one, a phantom */
  ck_assert_int_eq(fixture_value(pair), 1);
  ck_assert_int_eq(fixture_value(fixture_get(pair, FIXTURE_LEFT)), 2);
  struct mm_ref inner = fixture_get(pair, FIXTURE_RIGHT);
  ck_assert(mm_is_null(mm_reference_get(mutator(), inner)));
  ck_assert_int_eq(fixture_value(get(made.phantom)), 2);
  fixture_run_cycle(&f);
  ck_assert(mm_is_null(get(made.phantom)));
  ck_assert(mm_is_null(get(made.ephemeron)));
  ck_assert(mm_is_null(f.weak[0]));
  ck_assert_uint_eq(take_all(), 2);
  close_all();
}
END_TEST

/* A phantom reference hands its referent out as long as it may. */
START_TEST(what_is_handed_out_while_finals_are_marked_lives)
{
  open_plan(_i);
  struct finals made = make_finals();
  fixture_start_cycle(&f);
  hold(MM_CYCLE_FINALS);
  size_t lone = fixture_push(&f.main, get(made.other));
  ck_assert_int_eq(fixture_value(fixture_at(&f.main, lone)), 3);
  go_on(_i);
  fixture_end_cycle(&f);
  ck_assert_int_eq(fixture_value(fixture_at(&f.main, lone)), 3);
  ck_assert(mm_same(get(made.other), fixture_at(&f.main, lone)));
  close_all();
}
END_TEST

/* What was made since the cycle began is not cleared by it, and says so,
   however long soft references live. */
START_TEST(references_made_while_finals_are_marked_hand_out_what_is_held)
{
  static const enum fixture_kind stronger[] = {FIXTURE_WEAK_REFERENCE,
                                               FIXTURE_SOFT};
  size_t at[2];
  open_plan(_i / 2);
  f.heap->options.soft_ms_per_mib = _i % 2 * 1000;
  struct finals made = make_finals();
  fixture_start_cycle(&f);
  hold(MM_CYCLE_FINALS);
  size_t lone = fixture_push(&f.main, get(made.other));
  ck_assert(mm_cycle_is_white(f.heap, fixture_at(&f.main, lone)));
  for (int i = 0; i < 2; i++) {
    at[i] = push_reference(stronger[i], lone);
    ck_assert(mm_same(get(at[i]), fixture_at(&f.main, lone)));
    ck_assert(!mm_reference_refers_to(mutator(), fixture_at(&f.main, at[i]),
                                      MM_NULL));
  }
  for (int i = 0; i < 2; i++) /* this one the cycle clears */
    ck_assert(mm_is_null(get(made.weak)));
  go_on(_i / 2);
  for (int i = 0; i < 2; i++)
    ck_assert(mm_same(get(at[i]), fixture_at(&f.main, lone)));
  hold(MM_CYCLE_CLEARING);
  for (int i = 0; i < 2; i++)
    ck_assert(mm_same(get(at[i]), fixture_at(&f.main, lone)));
  fixture_end_cycle(&f);
  for (int i = 0; i < 2; i++)
    ck_assert(mm_same(get(at[i]), fixture_at(&f.main, lone)));
  ck_assert_int_eq(fixture_value(fixture_at(&f.main, lone)), 3);
  drop(lone), drop(at[1]);
  fixture_run_cycle(&f);
  ck_assert(mm_is_null(get(at[0])));
  close_all();
}
END_TEST

/* Though no time has passed since. */
START_TEST(a_soft_reference_used_just_before_a_cycle_is_old)
{
  open_plan(_i);
  f.heap->options.soft_ms_per_mib = 0;
  struct finals made = make_finals();
  ck_assert_int_eq(fixture_value(get(made.soft)), 2);
  fixture_start_cycle(&f);
  hold(MM_CYCLE_FINALS);
  ck_assert(mm_is_null(get(made.soft)));
  fixture_end_cycle(&f);
  ck_assert(mm_is_null(get(made.soft)));
  close_all();
}
END_TEST

START_TEST(finals_that_refer_to_finals_fire_one_after_the_other)
{
  enum { DEPTH = 20 };
  open_plan(_i);
  size_t root = fixture_push(&f.main, MM_NULL);
  size_t head = fixture_push(&f.main, MM_NULL);
  for (int i = 0; i < DEPTH; i++) { /* each keeps the final of the next */
    size_t pair = push_pair(i);
    fixture_set(fixture_at(&f.main, pair), FIXTURE_LEFT,
                fixture_at(&f.main, head));
    size_t final = push_reference(FIXTURE_FINAL, pair);
    fixture_put(&f.main, head, fixture_at(&f.main, final));
    fixture_put(&f.main, root, fixture_at(&f.main, pair));
    fixture_pop(&f.main, 2);
  }
  make_old();
  drop(root); /* the first final is reached, and what it refers to is not */
  fixture_run_cycle(&f);
  ck_assert_uint_eq(take_all(), DEPTH);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(take_all(), 0);
  close_all();
}
END_TEST

/* What is pending ---------------------------------------------------------- */

static size_t walked(void)
{
  size_t count = 0;
  struct mm_ref at = f.heap->references.pending.first;
  for (; at.bits > MM_LINK_END.bits &&
         !mm_same(at, f.heap->references.pending.settled);
       at = *mm_link_slot(at))
    count++;
  return count;
}

START_TEST(young_collections_leave_alone_what_is_pending_and_old)
{
  open_plan(YOUNG + _i);
  size_t references, kept;
  make_young(FIXTURE_WEAK_REFERENCE, &references, &kept);
  drop_half(kept);
  collect_young();
  drop(references);
  ck_assert_uint_eq(walked(), MANY / 2);
  for (int i = 0; i < 5; i++)
    collect_young();
  ck_assert_uint_eq(walked(), 0);
  make_young(FIXTURE_FINAL, &references, &kept);
  drop_half(kept);
  collect_young();
  drop(references);
  ck_assert_uint_eq(walked(), MANY / 2);
  for (int i = 0; i < 5; i++)
    collect_young();
  ck_assert_uint_eq(walked(), 0);
  make_many(FIXTURE_WEAK_REFERENCE, &references, &kept);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(walked(), 0);
  fixture_collect(&f, MM_COLLECTION_COMPACT);
  collect_young();
  ck_assert_uint_eq(walked(), 0);
  ck_assert_uint_eq(take_all(), 3 * MANY / 2);
  ck_assert(mm_is_null(f.heap->references.pending.settled));
  close_all();
}
END_TEST

START_TEST(a_cycle_follows_what_is_pending_while_it_is_taken)
{
  open_plan(_i);
  size_t references, kept;
  make_many(FIXTURE_FINAL, &references, &kept);
  fixture_run_cycle(&f);
  drop(references), drop(kept);
  fixture_start_cycle(&f);
  struct mm_ref referent;
  for (int i = 0; i < 3; i++)
    ck_assert(!mm_is_null(mm_references_take_pending(mutator(), &referent)));
  go_on(_i);
  fixture_end_cycle(&f);
  unsigned count = 0;
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent))) {
    fixture_require(fixture_value(referent) % 2 == 0);
    count++;
  }
  ck_assert_uint_eq(count, MANY / 2 - 3);
  close_all();
}
END_TEST

/* Threads ------------------------------------------------------------------ */

enum { EACH = 200, TURNS = 30 };

static void use_references(struct fixture_thread *thread, int turn)
{
  size_t top = thread->top;
  for (int i = 0; i < EACH; i++) {
    size_t pair = fixture_push(thread, fixture_pair(thread));
    enum fixture_kind kind = kinds[(i + turn) % KINDS];
    size_t at = fixture_push(thread, fixture_new(thread, kind, 0));
    fixture_set_value(fixture_at(thread, pair), i);
    mm_reference_init(&thread->mutator, fixture_at(thread, at),
                      fixture_at(thread, pair));
    fixture_put(thread, pair, MM_NULL);
  }
  for (int i = 0; i < 10 * EACH; i++) {
    size_t at = top + 2 * (size_t)(i % EACH) + 1;
    struct mm_ref got =
        mm_reference_get(&thread->mutator, fixture_at(thread, at));
    if (!mm_is_null(got))
      fixture_require(fixture_value(got) == i % EACH);
    if (i % 7 == 0)
      mm_reference_clear(&thread->mutator, fixture_at(thread, at));
    fixture_pair(thread);
    mm_poll(&thread->mutator);
  }
  fixture_pop(thread, thread->top - top);
}

static void *user(void *argument)
{
  struct fixture_thread thread;
  struct mm_ref referent;
  (void)argument;
  fixture_attach(&f, &thread);
  for (int turn = 0; turn < TURNS; turn++) {
    use_references(&thread, turn);
    while (!mm_is_null(mm_references_take_pending(&thread.mutator, &referent)))
      ;
  }
  fixture_detach(&thread);
  return NULL;
}

static bool runs(pthread_t thread)
{
  mm_enter_native(mutator());
  bool is_over = pthread_tryjoin_np(thread, NULL) == 0;
  mm_leave_native(mutator());
  return !is_over;
}

START_TEST(threads_use_references_while_cycles_clear_them)
{
  open_plan(_i);
  f.heap->options.verify = 0;
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, user, NULL), 0);
  int turn = 0;
  do {
    mm_cycle_step(mutator());
    use_references(&f.main, turn++);
  } while (runs(thread));
  mm_cycle_wait(mutator());
  close_all();
}
END_TEST

int main(void)
{
  TCase *clearing = tcase_create("clearing");
  tcase_add_loop_test(clearing, to_the_program_all_are_cleared_at_once, 0,
                      PLANS * KINDS);
  tcase_add_loop_test(
      clearing, what_the_program_clears_before_the_cycle_does_is_not_pending, 0,
      PLANS * KINDS);
  tcase_add_loop_test(clearing,
                      a_full_collection_takes_the_place_of_a_cycle_that_clears,
                      0, 3 * PLANS * KINDS);
  tcase_add_loop_test(
      clearing, references_made_while_a_cycle_marks_are_not_cleared, 0, PLANS);
  tcase_add_loop_test(clearing, few_are_processed_in_the_pause, 0, PLANS);
  TCase *finals = tcase_create("finals");
  tcase_add_loop_test(
      finals, the_finalizable_lose_weak_references_before_they_are_marked, 0,
      PLANS);
  tcase_add_loop_test(finals, what_is_handed_out_while_finals_are_marked_lives,
                      0, PLANS);
  tcase_add_loop_test(
      finals, references_made_while_finals_are_marked_hand_out_what_is_held, 0,
      2 * PLANS);
  tcase_add_loop_test(finals, a_soft_reference_used_just_before_a_cycle_is_old,
                      0, PLANS);
  tcase_add_loop_test(
      finals, finals_that_refer_to_finals_fire_one_after_the_other, 0, PLANS);
  TCase *pending = tcase_create("pending");
  tcase_add_loop_test(pending,
                      young_collections_leave_alone_what_is_pending_and_old, 0,
                      PLANS - YOUNG);
  tcase_add_loop_test(
      pending, a_cycle_follows_what_is_pending_while_it_is_taken, 0, PLANS);
  TCase *threads = tcase_create("threads");
  tcase_add_loop_test(threads, threads_use_references_while_cycles_clear_them,
                      0, PLANS);
  return fixture_main("mm_references_beside",
                      (TCase *[]){clearing, finals, pending, threads, NULL});
}
