/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References of all strengths, under every way to collect, with one worker and
 * several.  A `way' names the plan and the kind of collection; tests loop over
 * ways and numbers of workers.
 *
 * Rows 21, 24, 44 and 46 of the checklist of bugs that memory managers of this
 * kind have had.
 */
#include "config.h"

#include <stdlib.h>

#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/native.h"
#include "tests/unit/mm_fixture.h"

enum way {
  EVACUATE,
  COMPACT,
  SLOTS,
  GAPS,
  YOUNG,
  YOUNG_SLOTS,
  YOUNG_FULL,
  CYCLE_REGIONS,
  CYCLE_SLOTS,
  CYCLE_YOUNG,
  BESIDE_REGIONS, /* cycles that process references beside the program */
  BESIDE_SLOTS,
  BESIDE_YOUNG,
  WAYS
};

/* A test's number: the way, and how many workers. */
enum {
  BESIDE_FIRST = BESIDE_REGIONS * FIXTURE_WORKERS, /* one each from here on */
  VARIANTS = BESIDE_FIRST + WAYS - BESIDE_REGIONS,
};

static struct fixture f;
static enum way way;

static bool is_cycle(void)
{
  return way >= CYCLE_REGIONS;
}

static bool is_beside(void)
{
  return way >= BESIDE_REGIONS;
}

static bool is_young(void)
{
  return way == YOUNG || way == YOUNG_SLOTS;
}

static struct mm_options options_for(int variant)
{
  static const int plans[WAYS] = {
      [SLOTS] = 1,
      [GAPS] = 2,
      [YOUNG] = FIXTURE_PLAN_YOUNG,
      [YOUNG_SLOTS] = FIXTURE_PLAN_YOUNG + 1,
      [YOUNG_FULL] = FIXTURE_PLAN_YOUNG,
      [CYCLE_SLOTS] = 1,
      [CYCLE_YOUNG] = FIXTURE_PLAN_YOUNG,
      [BESIDE_SLOTS] = 1,
      [BESIDE_YOUNG] = FIXTURE_PLAN_YOUNG + 1,
  };
  struct mm_options options = fixture_options();
  way = variant < BESIDE_FIRST
            ? (enum way)(variant / FIXTURE_WORKERS)
            : (enum way)(BESIDE_REGIONS + variant - BESIDE_FIRST);
  fixture_choose_plan(&options, plans[way]);
  options.gc = is_cycle() ? MM_GC_CONCURRENT : MM_GC_STW;
  options.workers = fixture_workers(variant);
  options.soft_ms_per_mib = 0;
  return options;
}

static void open_with(const struct mm_options *options)
{
  fixture_open(&f, options);
  if (is_beside())
    f.heap->references.few = 0;
}

static void open_variant(int variant)
{
  struct mm_options options = options_for(variant);
  open_with(&options);
}

static void collect(void)
{
  if (is_cycle()) {
    fixture_run_cycle(&f);
    return;
  }
  fixture_collect(&f, way == COMPACT ? MM_COLLECTION_COMPACT
                      : is_young()   ? MM_COLLECTION_YOUNG
                                     : MM_COLLECTION_EVACUATE);
}

/* What is old dies as well: young collections do not find that. */
static void collect_all(void)
{
  if (is_young())
    fixture_collect(&f, way == YOUNG_SLOTS ? MM_COLLECTION_SWEEP
                                           : MM_COLLECTION_COMPACT);
  else
    collect();
}

static struct mm_mutator *mutator(void)
{
  return &f.main.mutator;
}

/* A reference to what stands at `referent' of the stack; pushed. */
static size_t push_reference(enum fixture_kind kind, size_t referent)
{
  size_t at = fixture_push(&f.main, fixture_new(&f.main, kind, 0));
  mm_reference_init(mutator(), fixture_at(&f.main, at),
                    fixture_at(&f.main, referent));
  return at;
}

static size_t push_pair(int64_t value)
{
  size_t at = fixture_push(&f.main, fixture_pair(&f.main));
  fixture_set_value(fixture_at(&f.main, at), value);
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
  ck_assert(!mm_references_are_pending(f.heap));
  return count;
}

static void close_all(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  fixture_close(&f);
}

static const enum fixture_kind kinds[MM_STRENGTH_COUNT] = {
    FIXTURE_SOFT, FIXTURE_WEAK_REFERENCE, FIXTURE_FINAL, FIXTURE_EPHEMERON,
    FIXTURE_PHANTOM};

/* Each kind alone ---------------------------------------------------------- */

enum { MANY = 600 };

/* References in an array, every other referent in another one. */
static void make_many(enum fixture_kind kind, size_t *references, size_t *kept)
{
  *references = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, MANY));
  *kept = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, MANY));
  for (size_t i = 0; i < MANY; i++) {
    size_t pair = push_pair((int64_t)i);
    size_t at = push_reference(kind, pair);
    fixture_set_element(fixture_at(&f.main, *references), i,
                        fixture_at(&f.main, at));
    if (i % 2)
      fixture_set_element(fixture_at(&f.main, *kept), i,
                          fixture_at(&f.main, pair));
    fixture_pop(&f.main, 2);
  }
}

static void check_many(size_t references, size_t kept)
{
  for (size_t i = 0; i < MANY; i++) {
    struct mm_ref at = fixture_element(fixture_at(&f.main, references), i);
    struct mm_ref pair = fixture_element(fixture_at(&f.main, kept), i);
    fixture_require(mm_reference_refers_to(mutator(), at, pair));
    if (i % 2)
      fixture_require(fixture_value(pair) == (int64_t)i);
  }
}

static void kind_of_variant(int number, enum mm_strength *strength)
{
  *strength = (enum mm_strength)(number % MM_STRENGTH_COUNT);
  open_variant(number / MM_STRENGTH_COUNT);
}

START_TEST(what_refers_to_the_dead_is_cleared_and_pending_the_rest_follows)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t references, kept;
  make_many(kinds[strength], &references, &kept);
  collect();
  if (strength != MM_STRENGTH_FINAL)
    check_many(references, kept);
  bool seen[MANY] = {false};
  struct mm_ref at, referent;
  unsigned count = 0;
  while (!mm_is_null(at = mm_references_take_pending(mutator(), &referent))) {
    fixture_require(mm_is_null(mm_reference_get(mutator(), at)));
    count++;
    if (strength == MM_STRENGTH_FINAL) {
      int64_t value = fixture_value(referent);
      fixture_require(value % 2 == 0 && !seen[value]);
      seen[value] = true;
    }
  }
  ck_assert_uint_eq(count, MANY / 2);
  check_many(references, kept);
  collect();
  collect();
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), 0);
  struct mm_reference_counts counts;
  mm_reference_count(f.heap, &counts);
  ck_assert_uint_eq(counts.cleared[strength], MANY / 2);
  ck_assert_uint_ge(counts.found[strength], MANY / 2);
  close_all();
}
END_TEST

START_TEST(what_is_pending_waits_through_collections)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t references, kept;
  make_many(kinds[strength], &references, &kept);
  collect();
  drop(references); /* only the list has them now */
  collect();
  collect_all();
  fixture_push_list(&f.main, 1000);
  struct mm_ref at, referent;
  unsigned count = 0;
  while (!mm_is_null(at = mm_references_take_pending(mutator(), &referent))) {
    fixture_require(mm_layout_of(at) == &f.classes[kinds[strength]]->layout);
    if (strength == MM_STRENGTH_FINAL)
      fixture_require(fixture_value(referent) % 2 == 0);
    count++;
  }
  ck_assert_uint_eq(count, MANY / 2);
  close_all();
}
END_TEST

START_TEST(a_reference_that_dies_with_its_referent_tells_nothing)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  for (int i = 0; i < 100; i++) {
    push_reference(kinds[strength], push_pair(i));
    fixture_pop(&f.main, 2);
  }
  collect();
  collect_all();
  ck_assert_uint_eq(take_all(), 0);
  close_all();
}
END_TEST

START_TEST(references_refer_to_references)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t last = push_pair(1);
  size_t inner = push_reference(kinds[strength], last);
  size_t outer = push_reference(FIXTURE_WEAK_REFERENCE, inner);
  size_t outermost = push_reference(FIXTURE_WEAK_REFERENCE, outer);
  collect();
  ck_assert(mm_same(get(outermost), fixture_at(&f.main, outer)));
  ck_assert(mm_same(get(outer), fixture_at(&f.main, inner)));
  ck_assert(mm_same(get(inner), fixture_at(&f.main, last)));
  drop(inner);
  drop(last);
  collect_all();
  ck_assert(mm_is_null(get(outer)));
  ck_assert_uint_eq(take_all(), 1); /* the inner one is no more */
  ck_assert(mm_same(get(outermost), fixture_at(&f.main, outer)));
  close_all();
}
END_TEST

START_TEST(a_field_of_a_reference_is_strong)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t pair = push_pair(1);
  size_t reference = push_reference(kinds[strength], pair);
  size_t other = push_pair(2);
  fixture_set(fixture_at(&f.main, reference), FIXTURE_EXTRA,
              fixture_at(&f.main, other));
  drop(other);
  drop(pair);
  collect();
  collect_all();
  ck_assert_int_eq(
      fixture_value(fixture_get(fixture_at(&f.main, reference), FIXTURE_EXTRA)),
      2);
  close_all();
}
END_TEST

/* The reference is old, the referent is made later. */
START_TEST(old_references_to_young_objects_are_treated_like_others)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t dead = fixture_push(&f.main, fixture_new(&f.main, kinds[strength], 0));
  size_t live = fixture_push(&f.main, fixture_new(&f.main, kinds[strength], 0));
  for (int i = 0; i < 3; i++)
    collect();
  size_t pair = push_pair(7), doomed = push_pair(8);
  mm_reference_init(mutator(), fixture_at(&f.main, live),
                    fixture_at(&f.main, pair));
  mm_reference_init(mutator(), fixture_at(&f.main, dead),
                    fixture_at(&f.main, doomed));
  drop(doomed);
  collect();
  ck_assert_uint_eq(take_all(), 1);
  ck_assert(mm_same(get(live), fixture_at(&f.main, pair)));
  ck_assert(mm_is_null(get(dead)));
  for (int i = 0; i < 3; i++) {
    collect();
    ck_assert(mm_same(get(live), fixture_at(&f.main, pair)));
  }
  drop(pair);
  collect_all();
  ck_assert(mm_is_null(get(live)) || strength == MM_STRENGTH_FINAL);
  close_all();
}
END_TEST

/* Order -------------------------------------------------------------------- */

START_TEST(a_finalizable_object_loses_weak_and_keeps_phantom_references)
{
  open_variant(_i);
  size_t pair = push_pair(1);
  size_t child = push_pair(2);
  fixture_set(fixture_at(&f.main, pair), FIXTURE_LEFT,
              fixture_at(&f.main, child));
  f.weak[0] = fixture_at(&f.main, child);
  size_t soft = push_reference(FIXTURE_SOFT, pair);
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, child);
  size_t phantom = push_reference(FIXTURE_PHANTOM, child);
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, child);
  push_reference(FIXTURE_FINAL, pair);
  drop(pair);
  drop(child);
  collect();
  ck_assert(mm_is_null(get(soft)));
  ck_assert(mm_is_null(get(weak)));
  ck_assert(!mm_reference_refers_to(mutator(), fixture_at(&f.main, phantom),
                                    MM_NULL));
  ck_assert(!mm_reference_refers_to(mutator(), fixture_at(&f.main, ephemeron),
                                    MM_NULL));
  ck_assert(!mm_is_null(f.weak[0]));
  struct mm_ref referent, finalizable = MM_NULL;
  unsigned count = 0;
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent))) {
    count++;
    if (!mm_is_null(referent))
      finalizable = referent;
  }
  ck_assert_uint_eq(count, 3);
  ck_assert_int_eq(fixture_value(finalizable), 1);
  ck_assert_int_eq(fixture_value(fixture_get(finalizable, FIXTURE_LEFT)), 2);
  collect_all();
  ck_assert(mm_is_null(get(phantom)));
  ck_assert(mm_is_null(get(ephemeron)));
  ck_assert(mm_is_null(f.weak[0]));
  ck_assert_uint_eq(take_all(), 2);
  close_all();
}
END_TEST

START_TEST(objects_in_a_ring_are_all_finalizable_and_once)
{
  enum { RING = 50 };
  open_variant(_i);
  size_t first = push_pair(0), last = push_pair(0);
  fixture_put(&f.main, last, fixture_at(&f.main, first));
  push_reference(FIXTURE_FINAL, first);
  for (int i = 1; i < RING; i++) {
    size_t next = push_pair(i);
    fixture_set(fixture_at(&f.main, last), FIXTURE_LEFT,
                fixture_at(&f.main, next));
    fixture_put(&f.main, last, fixture_at(&f.main, next));
    push_reference(FIXTURE_FINAL, next);
    drop(next);
  }
  fixture_set(fixture_at(&f.main, last), FIXTURE_LEFT,
              fixture_at(&f.main, first));
  drop(last);
  collect();
  ck_assert_uint_eq(take_all(), 0);
  drop(first);
  collect_all();
  struct mm_ref referent;
  int64_t sum = 0;
  size_t resurrected = fixture_push(&f.main, MM_NULL);
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent))) {
    sum += fixture_value(referent);
    fixture_put(&f.main, resurrected, referent);
  }
  ck_assert_int_eq(sum, RING * (RING - 1) / 2);
  collect();
  struct mm_ref at = fixture_at(&f.main, resurrected);
  for (int i = 0; i < RING; i++)
    at = fixture_get(at, FIXTURE_LEFT);
  ck_assert(mm_same(at, fixture_at(&f.main, resurrected)));
  drop(resurrected);
  collect_all();
  ck_assert_uint_eq(take_all(), 0);
  close_all();
}
END_TEST

START_TEST(a_weak_reference_that_only_the_finalizable_have_is_cleared)
{
  open_variant(_i);
  size_t pair = push_pair(1), target = push_pair(2), kept = push_pair(3);
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, target);
  size_t other = push_reference(FIXTURE_WEAK_REFERENCE, kept);
  fixture_set(fixture_at(&f.main, pair), FIXTURE_LEFT,
              fixture_at(&f.main, weak));
  fixture_set(fixture_at(&f.main, pair), FIXTURE_RIGHT,
              fixture_at(&f.main, other));
  push_reference(FIXTURE_FINAL, pair);
  drop(pair), drop(target), drop(weak), drop(other);
  collect();
  struct mm_ref referent, found = MM_NULL;
  unsigned count = 0;
  for (; !mm_is_null(mm_references_take_pending(mutator(), &referent)); count++)
    if (!mm_is_null(referent))
      found = referent;
  ck_assert_uint_eq(count, 2);
  weak = fixture_push(&f.main, fixture_get(found, FIXTURE_LEFT));
  other = fixture_push(&f.main, fixture_get(found, FIXTURE_RIGHT));
  ck_assert(mm_is_null(get(weak)));
  ck_assert_int_eq(fixture_value(get(other)), 3);
  close_all();
}
END_TEST

/* Soft --------------------------------------------------------------------- */

START_TEST(soft_references_live_while_there_is_room)
{
  struct mm_options options = options_for(_i);
  options.soft_ms_per_mib = MM_SOFT_MS_PER_MIB;
  open_with(&options);
  size_t pair = push_pair(5);
  size_t child = push_pair(6);
  fixture_set(fixture_at(&f.main, pair), FIXTURE_LEFT,
              fixture_at(&f.main, child));
  size_t soft = push_reference(FIXTURE_SOFT, pair);
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, child);
  drop(pair), drop(child);
  for (int i = 0; i < 3; i++) {
    collect();
    ck_assert_int_eq(fixture_value(get(soft)), 5);
    ck_assert(mm_same(fixture_get(get(soft), FIXTURE_LEFT), get(weak)));
  }
  close_all();
}
END_TEST

START_TEST(soft_references_that_are_not_used_for_long_are_cleared)
{
  struct mm_options options = options_for(_i);
  options.soft_ms_per_mib = 1;
  open_with(&options);
  size_t soft = push_reference(FIXTURE_SOFT, push_pair(5));
  size_t used = push_reference(FIXTURE_SOFT, push_pair(6));
  drop(soft - 1), drop(used - 1);
  /* As if they had been used an hour ago, and one again. */
  mm_value_slot(fixture_at(&f.main, soft))->bits -= 3600 * 1000;
  mm_value_slot(fixture_at(&f.main, used))->bits -= 3600 * 1000;
  get(used);
  f.heap->references.clock_ms = mm_value_slot(fixture_at(&f.main, used))->bits;
  if (is_young()) { /* the clock is that of full collections */
    collect();
    ck_assert(!mm_is_null(get(used)));
  }
  collect_all();
  ck_assert(
      mm_reference_refers_to(mutator(), fixture_at(&f.main, soft), MM_NULL));
  close_all();
}
END_TEST

START_TEST(all_soft_references_are_cleared_before_memory_is_refused)
{
  enum { LENGTH = 16 * 1024, ARRAYS = 1200 }; /* more than twice the heap */
  struct mm_options options = options_for(_i);
  options.soft_ms_per_mib = 1000 * 1000;
  options.verify = 0;
  open_with(&options);
  size_t head = fixture_push(&f.main, MM_NULL);
  for (int i = 0; i < ARRAYS; i++) {
    size_t array =
        fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 4 * LENGTH));
    size_t soft = push_reference(FIXTURE_SOFT, array);
    fixture_set(fixture_at(&f.main, soft), FIXTURE_EXTRA,
                fixture_at(&f.main, head));
    fixture_put(&f.main, head, fixture_at(&f.main, soft));
    fixture_pop(&f.main, 2);
  }
  ck_assert_uint_gt(take_all(), 0);
  ck_assert_uint_eq(mm_stat_counter(&f.heap->stat, MM_COUNT_OUT_OF_MEMORY), 0);
  close_all();
}
END_TEST

/* Ephemerons --------------------------------------------------------------- */

static void set_value(size_t ephemeron, size_t value)
{
  mm_ephemeron_set_value(mutator(), fixture_at(&f.main, ephemeron),
                         fixture_at(&f.main, value));
}

static struct mm_ref value_of(size_t ephemeron)
{
  return mm_ephemeron_value(mutator(), fixture_at(&f.main, ephemeron));
}

START_TEST(the_value_lives_as_long_as_the_key)
{
  open_variant(_i);
  size_t key = push_pair(1), value = push_pair(2);
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, key);
  set_value(ephemeron, value);
  drop(value);
  for (int i = 0; i < 4; i++) {
    collect();
    ck_assert(mm_same(get(ephemeron), fixture_at(&f.main, key)));
    ck_assert_int_eq(fixture_value(value_of(ephemeron)), 2);
  }
  drop(key);
  collect_all();
  ck_assert(mm_is_null(get(ephemeron)));
  ck_assert(mm_is_null(value_of(ephemeron)));
  ck_assert_uint_eq(take_all(), 1);
  close_all();
}
END_TEST

START_TEST(a_value_that_refers_to_its_key_does_not_keep_it)
{
  open_variant(_i);
  size_t key = push_pair(1), value = push_pair(2);
  fixture_set(fixture_at(&f.main, value), FIXTURE_LEFT,
              fixture_at(&f.main, key));
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, key);
  set_value(ephemeron, value);
  drop(key), drop(value);
  collect();
  ck_assert(mm_is_null(get(ephemeron)));
  ck_assert_uint_eq(take_all(), 1);
  close_all();
}
END_TEST

START_TEST(an_old_ephemeron_gets_a_young_value)
{
  open_variant(_i);
  size_t key = push_pair(1);
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, key);
  for (int i = 0; i < 3; i++)
    collect();
  size_t value = push_pair(2);
  set_value(ephemeron, value);
  drop(value);
  for (int i = 0; i < 3; i++) {
    collect();
    ck_assert_int_eq(fixture_value(value_of(ephemeron)), 2);
  }
  close_all();
}
END_TEST

/*
 * A chain: the value of the i-th key is a pair that refers to the next key. The
 * ephemerons stand in an array, in the order 0, 1, 2.., backwards, or shuffled.
 */
static void make_chain(size_t length, int order, size_t *first_key,
                       size_t *array)
{
  uint64_t seed = 42;
  uint32_t *places = malloc(length * sizeof *places);
  for (size_t i = 0; i < length; i++)
    places[i] = (uint32_t)(order == 1 ? length - 1 - i : i);
  for (size_t i = length; order == 2 && i > 1; i--) {
    size_t j = fixture_random(&seed) % i;
    uint32_t place = places[j];
    places[j] = places[i - 1];
    places[i - 1] = place;
  }
  *array = fixture_push(&f.main,
                        fixture_new(&f.main, FIXTURE_REFS, (uint32_t)length));
  *first_key = push_pair(0);
  size_t key = fixture_push(&f.main, fixture_at(&f.main, *first_key));
  for (size_t i = 0; i < length; i++) {
    size_t next = push_pair((int64_t)i + 1), value = push_pair(-(int64_t)i);
    fixture_set(fixture_at(&f.main, value), FIXTURE_RIGHT,
                fixture_at(&f.main, next));
    size_t ephemeron = push_reference(FIXTURE_EPHEMERON, key);
    set_value(ephemeron, value);
    fixture_set_element(fixture_at(&f.main, *array), places[i],
                        fixture_at(&f.main, ephemeron));
    fixture_put(&f.main, key, fixture_at(&f.main, next));
    fixture_pop(&f.main, 3);
  }
  fixture_pop(&f.main, 1);
  free(places);
}

static size_t live_ephemerons(size_t array, size_t length)
{
  size_t live = 0;
  for (size_t i = 0; i < length; i++) {
    struct mm_ref at = fixture_element(fixture_at(&f.main, array), i);
    live += !mm_reference_refers_to(mutator(), at, MM_NULL);
    fixture_require(mm_reference_refers_to(mutator(), at, MM_NULL) ==
                    mm_is_null(mm_ephemeron_value(mutator(), at)));
  }
  return live;
}

static void try_chain(size_t length, int order)
{
  size_t key, array;
  make_chain(length, order, &key, &array);
  collect();
  ck_assert_uint_eq(live_ephemerons(array, length), length);
  collect();
  ck_assert_uint_eq(live_ephemerons(array, length), length);
  drop(key);
  collect_all();
  ck_assert_uint_eq(live_ephemerons(array, length), 0);
  ck_assert_uint_eq(take_all(), length);
}

START_TEST(chains_of_ephemerons_live_and_die_as_a_whole)
{
  open_variant(_i / 3);
  try_chain(300, _i % 3);
  close_all();
}
END_TEST

START_TEST(long_chains_of_ephemerons_take_no_square_of_time)
{
  struct mm_options options = options_for(_i / 3 * FIXTURE_WORKERS);
  options.verify = 0;
  open_with(&options);
  try_chain(100 * 1000, _i % 3);
  fixture_close(&f);
}
END_TEST

START_TEST(without_memory_for_a_table_there_are_more_rounds)
{
  struct mm_options options = options_for(_i);
  options.verify = 0;
  open_with(&options);
  size_t key, array;
  make_chain(1000, 1, &key, &array);
  if (!is_cycle()) { /* it would take others' memory */
    mm_native_fail_at(1, true);
    collect();
    mm_native_fail_at(0, false);
    ck_assert_uint_eq(live_ephemerons(array, 1000), 1000);
  }
  fixture_close(&f);
}
END_TEST

/* While a cycle marks ------------------------------------------------------ */

static void open_cycle(int variant)
{
  open_variant(CYCLE_REGIONS * FIXTURE_WORKERS + variant);
}

/* Row 21: what a weak reference hands out in the window between the marker's
   look at it and the end is kept. */
START_TEST(what_is_handed_out_while_a_cycle_marks_lives)
{
  open_cycle(_i);
  size_t holder = push_pair(0);
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, push_pair(9));
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, weak - 1);
  size_t value = push_pair(10);
  set_value(ephemeron, value);
  drop(value), drop(weak - 1);
  if (mm_is_generational(f.heap)) /* the start makes all old */
    collect_all();
  fixture_put(&f.main, weak - 1, get(weak));
  drop(weak - 1);
  fixture_start_cycle(&f);
  fixture_set(fixture_at(&f.main, holder), FIXTURE_LEFT, get(weak));
  fixture_end_cycle(&f);
  struct mm_ref kept = fixture_get(fixture_at(&f.main, holder), FIXTURE_LEFT);
  if (!mm_is_null(kept)) {
    ck_assert_int_eq(fixture_value(kept), 9);
    ck_assert(mm_same(get(weak), kept));
    ck_assert_int_eq(fixture_value(value_of(ephemeron)), 10);
  } else
    ck_assert(mm_is_null(get(weak)));
  close_all();
}
END_TEST

START_TEST(young_collections_run_while_a_cycle_knows_of_references)
{
  open_variant(CYCLE_YOUNG * FIXTURE_WORKERS + _i);
  size_t references, kept;
  make_many(FIXTURE_WEAK_REFERENCE, &references, &kept);
  size_t late =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_WEAK_REFERENCE, 0));
  fixture_start_cycle(&f);
  mm_reference_init(mutator(), fixture_at(&f.main, late),
                    fixture_pair(&f.main));
  f.heap->sizing.next_kind = MM_COLLECTION_YOUNG;
  mm_collect(mutator(), MM_CAUSE_ALLOCATION);
  ck_assert(mm_cycle_marks(f.heap));
  ck_assert(mm_is_null(get(late)));
  fixture_end_cycle(&f);
  check_many(references, kept);
  ck_assert_uint_eq(take_all(), MANY / 2 + 1);
  close_all();
}
END_TEST

/* Little room -------------------------------------------------------------- */

START_TEST(stacks_may_overflow)
{
  struct mm_options options = options_for(_i / MM_STRENGTH_COUNT);
  enum mm_strength strength = (enum mm_strength)(_i % MM_STRENGTH_COUNT);
  open_with(&options);
  f.heap->trace_entries_max = 0; /* no stack grows */
  size_t references, kept;
  make_many(kinds[strength], &references, &kept);
  size_t tree = fixture_push(&f.main, fixture_tree(&f.main, 12));
  size_t final = push_reference(FIXTURE_FINAL, tree);
  (void) final;
  drop(tree);
  collect();
  struct mm_ref referent;
  unsigned trees = 0;
  while (!mm_is_null(mm_references_take_pending(mutator(), &referent)))
    if (!mm_is_null(referent) &&
        !mm_is_null(fixture_get(referent, FIXTURE_LEFT)))
      trees += fixture_tree_nodes(referent) == (1 << 13) - 1;
  ck_assert_uint_eq(trees, 1);
  check_many(references, kept);
  close_all();
}
END_TEST

static void clear_by_hand(size_t at)
{
  mm_reference_clear(mutator(), fixture_at(&f.main, at));
}

START_TEST(what_is_cleared_by_the_host_never_becomes_pending)
{
  enum mm_strength strength;
  kind_of_variant(_i, &strength);
  size_t reference = push_reference(kinds[strength], push_pair(1));
  drop(reference - 1);
  clear_by_hand(reference);
  ck_assert(mm_is_null(get(reference)));
  collect();
  ck_assert_uint_eq(take_all(), 0);
  close_all();
}
END_TEST

START_TEST(the_verifier_reports_a_link_that_is_on_no_list)
{
  open_variant(0);
  size_t reference = push_reference(FIXTURE_WEAK_REFERENCE, push_pair(1));
  ck_assert_uint_eq(mm_verify(f.heap), 0);
  *mm_link_slot(fixture_at(&f.main, reference)) = MM_LINK_END;
  ck_assert_uint_eq(mm_verify(f.heap), 1);
  *mm_link_slot(fixture_at(&f.main, reference)) = MM_NULL;
  close_all();
}
END_TEST

START_TEST(the_verifier_reports_a_referent_that_is_no_object)
{
  open_variant(0);
  size_t pair = push_pair(1);
  size_t reference = push_reference(FIXTURE_WEAK_REFERENCE, pair);
  struct mm_ref *slot = mm_referent_slot(fixture_at(&f.main, reference));
  slot->bits++;
  ck_assert_uint_eq(mm_verify(f.heap), 1);
  slot->bits--;
  close_all();
}
END_TEST

static void add_by_strength(TCase *tests, const TTest *test)
{
  tcase_add_loop_test(tests, test, 0, VARIANTS * MM_STRENGTH_COUNT);
}

static void add_by_way(TCase *tests, const TTest *test)
{
  tcase_add_loop_test(tests, test, 0, VARIANTS);
}

int main(void)
{
  TCase *each = tcase_create("each");
  add_by_strength(
      each, what_refers_to_the_dead_is_cleared_and_pending_the_rest_follows);
  add_by_strength(each, what_is_pending_waits_through_collections);
  add_by_strength(each, a_reference_that_dies_with_its_referent_tells_nothing);
  add_by_strength(each, references_refer_to_references);
  add_by_strength(each, a_field_of_a_reference_is_strong);
  add_by_strength(each,
                  old_references_to_young_objects_are_treated_like_others);
  add_by_strength(each, stacks_may_overflow);
  add_by_strength(each, what_is_cleared_by_the_host_never_becomes_pending);
  tcase_add_test(each, the_verifier_reports_a_link_that_is_on_no_list);
  tcase_add_test(each, the_verifier_reports_a_referent_that_is_no_object);
  TCase *order = tcase_create("order");
  add_by_way(order,
             a_finalizable_object_loses_weak_and_keeps_phantom_references);
  add_by_way(order, objects_in_a_ring_are_all_finalizable_and_once);
  add_by_way(order, a_weak_reference_that_only_the_finalizable_have_is_cleared);
  add_by_way(order, soft_references_live_while_there_is_room);
  add_by_way(order, soft_references_that_are_not_used_for_long_are_cleared);
  add_by_way(order, all_soft_references_are_cleared_before_memory_is_refused);
  TCase *ephemerons = tcase_create("ephemerons");
  add_by_way(ephemerons, the_value_lives_as_long_as_the_key);
  add_by_way(ephemerons, a_value_that_refers_to_its_key_does_not_keep_it);
  add_by_way(ephemerons, an_old_ephemeron_gets_a_young_value);
  tcase_add_loop_test(ephemerons, chains_of_ephemerons_live_and_die_as_a_whole,
                      0, 3 * VARIANTS);
  tcase_add_loop_test(ephemerons,
                      long_chains_of_ephemerons_take_no_square_of_time, 0,
                      3 * BESIDE_REGIONS);
  add_by_way(ephemerons, without_memory_for_a_table_there_are_more_rounds);
  TCase *cycles = tcase_create("cycles");
  int beyond = VARIANTS - CYCLE_REGIONS * FIXTURE_WORKERS;
  tcase_add_loop_test(cycles, what_is_handed_out_while_a_cycle_marks_lives, 0,
                      beyond);
  tcase_add_loop_test(cycles,
                      young_collections_run_while_a_cycle_knows_of_references,
                      0, FIXTURE_WORKERS);
  return fixture_main("mm_references",
                      (TCase *[]){each, order, ephemerons, cycles, NULL});
}
