/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs have to do for a planted fault to show; see fault_scenarios.h.
 */
#include "config.h"

#include "tests/unit/fault_scenarios.h"

#include <unistd.h>

#include "mm/barrier_inline.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/handle_inline.h"
#include "mm/native.h"
#include "mm/reference.h"
#include "tests/unit/language_fixture.h"

enum { WRONG_RESULT = 1, RIGHT_RESULT = 0 };

static struct fixture f;
static int way; /* one of the above */

static void require(bool holds)
{
  if (!holds)
    _exit(WRONG_RESULT);
}

static void start_cycle(void)
{
  fixture_hold(&f, MM_CYCLE_MARKING);
  mm_cycle_step(&f.main.mutator);
}

static void finish_cycle(void)
{
  fixture_hold(&f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f.main.mutator);
}

static void collect(void)
{
  if (way & (CYCLE | MIXED | WALK)) {
    start_cycle();
    finish_cycle();
    return;
  }
  fixture_collect(&f, way == COMPACT ? MM_COLLECTION_COMPACT
                      : way == YOUNG ? MM_COLLECTION_YOUNG
                                     : MM_COLLECTION_EVACUATE);
}

static void make_garbage(unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    fixture_pair(&f.main);
}

static struct mm_ref numbered(int64_t number)
{
  struct mm_ref pair = fixture_pair(&f.main);
  fixture_set_value(pair, number);
  return pair;
}

/* Scenarios ---------------------------------------------------------------- */

static void roots_of_all_kinds(void)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&f.main.mutator, &scope, held, 1);
  make_garbage(100);
  for (int kind = 0; kind < MM_ROOT_HOST_KIND_COUNT; kind++)
    if (kind != MM_ROOT_VREG && kind != MM_ROOT_SCOPE)
      f.globals[FIXTURE_OF_KIND + kind] = numbered(kind);
  held[0] = numbered(MM_ROOT_SCOPE);
  size_t vreg = fixture_push(&f.main, numbered(MM_ROOT_VREG));
  collect();
  collect();
  for (int kind = 0; kind < MM_ROOT_HOST_KIND_COUNT; kind++)
    if (kind != MM_ROOT_VREG && kind != MM_ROOT_SCOPE)
      require(fixture_value(f.globals[FIXTURE_OF_KIND + kind]) == kind);
  require(fixture_value(held[0]) == MM_ROOT_SCOPE);
  require(fixture_value(fixture_at(&f.main, vreg)) == MM_ROOT_VREG);
  mm_scope_close(&f.main.mutator, &scope);
}

static void handles(void)
{
  struct mm_mutator *mutator = &f.main.mutator;
  struct mm_handle local, global, weak;
  struct mm_ref ref;
  make_garbage(100);
  require(mm_local_new(mutator, numbered(1), &local) == MM_HANDLE_OK);
  require(mm_global_new(mutator, numbered(2), &global) == MM_HANDLE_OK);
  require(mm_handle_get(mutator, global, &ref) == MM_HANDLE_OK);
  require(mm_weak_new(mutator, ref, &weak) == MM_HANDLE_OK);
  collect();
  collect();
  require(mm_handle_get(mutator, local, &ref) == MM_HANDLE_OK &&
          fixture_value(ref) == 1);
  require(mm_handle_get(mutator, global, &ref) == MM_HANDLE_OK &&
          fixture_value(ref) == 2);
  require(mm_handle_get(mutator, weak, &ref) == MM_HANDLE_OK &&
          fixture_value(ref) == 2);
}

/* Each holds the only reference to another. */
static void pinned_objects(void)
{
  enum { COUNT = 10 };
  struct mm_mutator *mutator = &f.main.mutator;
  struct mm_ref pinned[COUNT];
  for (int i = 0; i < COUNT; i++) {
    struct mm_handle handle;
    make_garbage(1000);
    size_t held = fixture_push(&f.main, numbered(i));
    struct mm_ref child = numbered(100 + i);
    fixture_set(fixture_at(&f.main, held), FIXTURE_LEFT, child);
    mm_local_new(mutator, fixture_at(&f.main, held), &handle);
    require(mm_pin(mutator, handle, &pinned[i]) == MM_HANDLE_OK);
    mm_local_delete(mutator, handle);
    fixture_pop(&f.main, 1);
  }
  collect();
  make_garbage(1000);
  collect();
  for (int i = 0; i < COUNT; i++) {
    require(fixture_value(pinned[i]) == i);
    require(fixture_value(fixture_get(pinned[i], FIXTURE_LEFT)) == 100 + i);
  }
}

static void watched_objects(void)
{
  struct fixture_class *mortals = language_mortals(&f);
  make_garbage(100);
  for (uint32_t i = 0; i < 100; i++) {
    struct mm_ref mortal = language_mortal(&f.main, mortals, i);
    if (i % 2)
      fixture_push(&f.main, mortal);
  }
  collect();
  mm_language_tell_deaths(&f.main.mutator);
  for (uint32_t i = 0; i < 100; i++)
    require(language_told(i) == (i + 1) % 2);
  collect();
}

static void weak_entries(void)
{
  make_garbage(100);
  for (int i = 0; i < 10; i++) {
    f.weak[i] = numbered(i);
    if (i % 2)
      fixture_push(&f.main, f.weak[i]);
  }
  collect();
  require(f.weak_died == 5);
  for (int i = 1; i < 10; i += 2)
    require(mm_same(f.weak[i], fixture_at(&f.main, (size_t)i / 2)));
}

/* What is pushed last is met first. */
static size_t push_reference(enum fixture_kind kind, size_t referent)
{
  size_t at = fixture_push(&f.main, fixture_new(&f.main, kind, 0));
  mm_reference_init(&f.main.mutator, fixture_at(&f.main, at),
                    fixture_at(&f.main, referent));
  return at;
}

static struct mm_ref referent_of(size_t reference)
{
  return mm_reference_get(&f.main.mutator, fixture_at(&f.main, reference));
}

static void references_to_the_dead(void)
{
  make_garbage(100);
  size_t pair = fixture_push(&f.main, numbered(1));
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, pair);
  fixture_put(&f.main, pair, MM_NULL);
  collect();
  require(mm_is_null(referent_of(weak)));
  require(mm_references_are_pending(f.heap));
}

static void references_to_the_living(void)
{
  make_garbage(100);
  size_t pair = fixture_push(&f.main, numbered(1));
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, pair);
  collect();
  collect();
  require(mm_same(referent_of(weak), fixture_at(&f.main, pair)));
}

static void soft_references(void)
{
  make_garbage(100);
  size_t pair = fixture_push(&f.main, numbered(7));
  size_t soft = push_reference(FIXTURE_SOFT, pair);
  fixture_put(&f.main, pair, MM_NULL);
  collect();
  require(!mm_is_null(referent_of(soft)) &&
          fixture_value(referent_of(soft)) == 7);
}

static void finalizable_objects(void)
{
  struct mm_ref referent;
  make_garbage(100);
  size_t pair = fixture_push(&f.main, numbered(7));
  push_reference(FIXTURE_FINAL, pair);
  fixture_put(&f.main, pair, MM_NULL);
  collect();
  require(!mm_is_null(mm_references_take_pending(&f.main.mutator, &referent)));
  require(fixture_value(referent) == 7);
}

/* The key is far from the roots, so the ephemeron is met first. */
static void ephemerons(void)
{
  size_t head = fixture_push_list(&f.main, 500);
  struct mm_ref tail = fixture_at(&f.main, head);
  while (!mm_is_null(fixture_get(tail, FIXTURE_LEFT)))
    tail = fixture_get(tail, FIXTURE_LEFT);
  size_t key = fixture_push(&f.main, tail);
  size_t ephemeron = push_reference(FIXTURE_EPHEMERON, key);
  struct mm_ref value = numbered(7);
  mm_ephemeron_set_value(&f.main.mutator, fixture_at(&f.main, ephemeron),
                         value);
  fixture_put(&f.main, key, MM_NULL);
  collect();
  value = mm_ephemeron_value(&f.main.mutator, fixture_at(&f.main, ephemeron));
  require(!mm_is_null(value) && fixture_value(value) == 7);
}

static void pending_references(void)
{
  struct mm_ref referent;
  references_to_the_dead();
  fixture_pop(&f.main, f.main.top);
  make_garbage(100);
  collect();
  make_garbage(1000);
  struct mm_ref reference =
      mm_references_take_pending(&f.main.mutator, &referent);
  require(mm_layout_of(reference) ==
          &f.classes[FIXTURE_WEAK_REFERENCE]->layout);
}

/* The host takes its own first, so that the other's are on a queue. */
static void pending_references_of_a_language(void)
{
  struct fixture_class *weak, *final;
  struct mm_ref referent;
  unsigned index = language_references(&f, 1, &weak, &final);
  size_t pair = fixture_push(&f.main, numbered(7));
  struct mm_ref ref = mm_alloc_plain(&f.main.mutator, &final->layout);
  mm_reference_init(&f.main.mutator, ref, fixture_at(&f.main, pair));
  fixture_put(&f.main, pair, ref);
  collect();
  require(mm_is_null(mm_references_take_pending(&f.main.mutator, &referent)));
  fixture_pop(&f.main, f.main.top);
  make_garbage(100);
  collect();
  make_garbage(1000);
  ref = mm_language_take_pending(&f.main.mutator, index, &referent);
  require(mm_layout_of(ref) == &final->layout && fixture_value(referent) == 7);
}

static void large_arrays(void)
{
  enum { LENGTH = 5000 };
  make_garbage(100);
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, LENGTH));
  for (int i = 0; i < LENGTH; i++) {
    struct mm_ref pair = numbered(i);
    fixture_set_element(fixture_at(&f.main, array), (size_t)i, pair);
  }
  collect();
  for (int i = 0; i < LENGTH; i++)
    require(fixture_value(
                fixture_element(fixture_at(&f.main, array), (size_t)i)) == i);
}

/* Arrays in arrays, the next one always the last element: tracing goes down
   before it comes to the others, which wait. */
static void full_stacks(void)
{
  enum { DEPTH = 8, LENGTH = 1000 };
  f.heap->trace_entries_max = 1; /* stacks stay as they are */
  size_t outer = fixture_push(&f.main, MM_NULL);
  for (int i = 0; i < DEPTH; i++) {
    struct mm_ref array = fixture_new(&f.main, FIXTURE_REFS, LENGTH);
    fixture_set_element(array, LENGTH - 1, fixture_at(&f.main, outer));
    fixture_put(&f.main, outer, array);
    for (size_t j = 0; j + 1 < LENGTH; j++) {
      struct mm_ref pair = fixture_pair(&f.main);
      fixture_set_element(fixture_at(&f.main, outer), j, pair);
    }
  }
  collect();
  require(fixture_census(&f).objects == DEPTH * LENGTH);
}

static void lists(void)
{
  make_garbage(1000);
  fixture_push_list(&f.main, 50000);
  make_garbage(1000);
  fixture_push_list(&f.main, 50000);
  for (int i = 0; i < 2; i++) {
    collect();
    struct mm_ref head = fixture_at(&f.main, (size_t)i);
    for (int64_t n = 50000; n-- > 0; head = fixture_get(head, FIXTURE_LEFT))
      require(!mm_is_null(head) && fixture_value(head) == n);
  }
}

static void objects_without_references(void)
{
  for (int i = 0; i < 1000; i++)
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 100));
  collect();
  collect();
  require(fixture_census(&f).objects == 1000);
}

static void identity_hashes(void)
{
  make_garbage(100);
  size_t root = fixture_push(&f.main, fixture_pair(&f.main));
  uint32_t hash = mm_identity_hash(&f.main.mutator, fixture_at(&f.main, root));
  collect();
  require(mm_identity_hash(&f.main.mutator, fixture_at(&f.main, root)) == hash);
}

static void too_little_room(void)
{
  size_t list = fixture_push_list(&f.main, 900000);
  collect();
  require(mm_stat_counter(&f.heap->stat, MM_COUNT_KEPT_OBJECTS) > 0);
  require(fixture_value(fixture_at(&f.main, list)) == 899999);
}

static void holes(void)
{
  for (int i = 0; i < 20000; i++) {
    fixture_push(&f.main, numbered(i));
    make_garbage((unsigned)i % 3);
  }
  collect();
  for (int i = 0; i < 20000; i++)
    require(fixture_value(fixture_at(&f.main, (size_t)i)) == i);
}

static void objects_that_stay(void)
{
  for (int i = 0; i < 200; i++) {
    struct mm_ref small = fixture_nonmoving(&f.main, FIXTURE_PAIR, 0);
    fixture_set_value(small, i);
    fixture_push(&f.main, small);
    fixture_nonmoving(&f.main, FIXTURE_PAIR, 0);
    fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_LONGS, 500));
  }
  collect();
  collect();
  for (int i = 0; i < 200; i++)
    require(fixture_value(fixture_at(&f.main, 2 * (size_t)i)) == i);
}

static void large_objects(void)
{
  for (int i = 0; i < 5; i++)
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 500000));
  collect();
  require(fixture_census(&f).objects == 5);
}

/* Two TLABs beside each other: the first one's end is a gap. */
static void gaps_between_buffers(void)
{
  struct fixture_thread other;
  make_garbage(10);
  fixture_attach(&f, &other);
  fixture_push(&other, fixture_pair(&other));
  mm_enter_native(&other.mutator);
  collect();
  require(fixture_census(&f).objects == 1);
  fixture_pop(&other, 1);
  mm_leave_native(&other.mutator);
  fixture_detach(&other);
}

static void memory_that_was_used_before(void)
{
  enum { LENGTH = 120 };
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 5000; i++) {
      struct mm_ref array = fixture_new(&f.main, FIXTURE_BYTES, LENGTH);
      char *data = fixture_data(array, MM_ARRAY_BASE);
      for (int j = 0; j < LENGTH; j++)
        require(data[j] == 0);
      memset(data, 0x5a, LENGTH);
    }
    collect();
  }
}

/* Old arrays of several sizes get young elements, again and again, between the
   words of old objects of all sizes. */
static void old_arrays_with_young_elements(void)
{
  enum { ARRAYS = 40, ROUNDS = 6 };
  for (uint32_t i = 0; i < ARRAYS; i++) {
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 1 + i * i));
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, i * 7));
  }
  for (int i = 0; i < MM_AGE_TENURED; i++)
    collect();
  for (int round = 0; round < ROUNDS; round++) {
    for (uint32_t i = 0; i < ARRAYS; i++)
      fixture_set_element(fixture_at(&f.main, 2 * i), i * i, numbered(i));
    make_garbage(1000);
    collect();
    for (uint32_t i = 0; i < ARRAYS; i++)
      require(fixture_value(
                  fixture_element(fixture_at(&f.main, 2 * i), i * i)) == i);
  }
}

/* Nearly all objects live, so they are born old; after a full collection they
   are born young, and old ones may refer to them. */
static void objects_that_are_young_again(void)
{
  for (int i = 0; i < 40 && mm_is_generational(f.heap); i++) {
    fixture_push_list(&f.main, 20000);
    fixture_collect(&f, MM_COLLECTION_YOUNG);
    f.heap->sizing.next_kind = MM_COLLECTION_EVACUATE;
  }
  require(!mm_is_generational(f.heap));
  size_t array = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 10));
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  require(mm_is_generational(f.heap));
  fixture_set_element(fixture_at(&f.main, array), 9, numbered(9));
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  require(fixture_value(fixture_element(fixture_at(&f.main, array), 9)) == 9);
}

/* What hung on an object hangs on a root when the cycle ends. */
static void a_reference_that_is_overwritten(void)
{
  size_t list = fixture_push_list(&f.main, 100);
  start_cycle();
  struct mm_ref head = fixture_at(&f.main, list);
  fixture_push(&f.main, fixture_get(head, FIXTURE_LEFT));
  fixture_set(head, FIXTURE_LEFT, MM_NULL);
  finish_cycle();
  fixture_check_list(fixture_at(&f.main, list + 1), 99);
}

static void what_a_weak_table_hands_out(void)
{
  f.weak[0] = numbered(3);
  start_cycle();
  mm_barrier_keep(&f.main.mutator, f.weak[0]);
  fixture_push(&f.main, f.weak[0]);
  finish_cycle();
  require(fixture_value(fixture_at(&f.main, 0)) == 3);
}

static void objects_made_while_a_cycle_marks(void)
{
  start_cycle();
  fixture_push_list(&f.main, 100);
  fixture_push(&f.main, fixture_new(&f.main, FIXTURE_BYTES, 9000));
  finish_cycle();
  fixture_check_list(fixture_at(&f.main, 0), 100);
}

/* Of old pairs only a few live on, known from an old array; their regions are
   evacuated by young collections. */
static void sparse_regions(void)
{
  enum { PAIRS = 30000, EACH = 16 };
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, PAIRS));
  for (int i = 0; i < PAIRS; i++) {
    struct mm_ref pair = numbered(i);
    fixture_set_element(fixture_at(&f.main, array), (size_t)i, pair);
  }
  collect();
  for (int i = 0; i < PAIRS; i++)
    if (i % EACH != 0)
      fixture_set_element(fixture_at(&f.main, array), (size_t)i, MM_NULL);
  collect();
  while (mm_candidates_wait(f.heap))
    fixture_collect(&f, MM_COLLECTION_YOUNG);
  for (int i = 0; i < PAIRS; i += EACH)
    require(fixture_value(
                fixture_element(fixture_at(&f.main, array), (size_t)i)) == i);
}

static void hold(enum mm_cycle_state state)
{
  fixture_hold(&f, state);
  fixture_await(&f, state);
}

static void references_while_a_cycle_clears(void)
{
  f.heap->references.few = 0;
  size_t pair = fixture_push(&f.main, numbered(1));
  size_t weak = push_reference(FIXTURE_WEAK_REFERENCE, pair);
  fixture_put(&f.main, pair, MM_NULL);
  start_cycle();
  hold(MM_CYCLE_CLEARING);
  require(!mm_references_are_pending(f.heap));
  require(mm_is_null(referent_of(weak)));
  finish_cycle();
  require(mm_references_are_pending(f.heap));
}

static void pending_references_that_are_taken_while_a_cycle_marks(void)
{
  struct mm_ref referent;
  for (int i = 0; i < 2; i++) {
    size_t pair = fixture_push(&f.main, numbered(i));
    push_reference(FIXTURE_WEAK_REFERENCE, pair);
    fixture_put(&f.main, pair, MM_NULL);
  }
  collect();
  fixture_pop(&f.main, f.main.top);
  start_cycle();
  mm_references_take_pending(&f.main.mutator, &referent);
  finish_cycle();
  make_garbage(1000);
  struct mm_ref second = mm_references_take_pending(&f.main.mutator, &referent);
  require(mm_layout_of(second) == &f.classes[FIXTURE_WEAK_REFERENCE]->layout);
}

/* Pairs are made while a cycle walks, and get to refer to candidates when it
   has seen them. */
static void new_objects_that_refer_to_candidates(void)
{
  enum { PAIRS = 30000, EACH = 16, FRESH = 12000 }; /* some regions full */
  size_t array =
      fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, PAIRS));
  for (int i = 0; i < PAIRS; i++) {
    struct mm_ref pair = numbered(i);
    if (i % EACH == 0)
      fixture_set_element(fixture_at(&f.main, array), (size_t)i, pair);
  }
  start_cycle();
  hold(MM_CYCLE_SWEEPING);
  size_t list = fixture_push_list(&f.main, FRESH);
  hold(MM_CYCLE_EVACUATING);
  struct mm_ref node = fixture_at(&f.main, list);
  for (int i = 0; i < FRESH; i++) {
    fixture_set(
        node, FIXTURE_RIGHT,
        fixture_element(fixture_at(&f.main, array), (size_t)i * EACH % PAIRS));
    node = fixture_get(node, FIXTURE_LEFT);
  }
  finish_cycle();
  node = fixture_at(&f.main, list);
  for (int i = 0; i < FRESH; i++) {
    require(fixture_value(fixture_get(node, FIXTURE_RIGHT)) ==
            i * EACH % PAIRS);
    node = fixture_get(node, FIXTURE_LEFT);
  }
}

/* Old pairs, every other one of them dead, whose LEFT was in regions that went
   free.  A store into a live one makes the card dirty in which both stand. */
static void dead_objects_beside_live_ones(void)
{
  enum { PAIRS = 30000 };
  for (int i = 0; i < 2; i++) {
    fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, PAIRS));
    for (size_t k = 0; k < PAIRS; k++) {
      struct mm_ref pair = fixture_pair(&f.main);
      if (i == 1 && k % 2 == 0)
        fixture_set(pair, FIXTURE_LEFT,
                    fixture_element(fixture_at(&f.main, 0), k));
      fixture_set_element(fixture_at(&f.main, (size_t)i), k, pair);
    }
    collect();
  }
  fixture_put(&f.main, 0, MM_NULL);
  for (size_t k = 0; k < PAIRS; k += 2)
    fixture_set_element(fixture_at(&f.main, 1), k, MM_NULL);
  fixture_hold(&f, MM_CYCLE_SWEEPING);
  mm_cycle_step(&f.main.mutator);
  fixture_await(&f, MM_CYCLE_SWEEPING);
  for (size_t k = 1; k < PAIRS; k += 2) {
    struct mm_ref young = numbered((int64_t)k);
    fixture_set(fixture_element(fixture_at(&f.main, 1), k), FIXTURE_LEFT,
                young);
  }
  for (int i = 0; i < 4000; i++) {
    struct mm_ref bytes = fixture_new(&f.main, FIXTURE_BYTES, 1000);
    memset(fixture_data(bytes, MM_ARRAY_BASE), 0x54, 1000);
  }
  fixture_collect(&f, MM_COLLECTION_YOUNG);
  finish_cycle();
  for (size_t k = 1; k < PAIRS; k += 2)
    require(
        fixture_value(fixture_get(fixture_element(fixture_at(&f.main, 1), k),
                                  FIXTURE_LEFT)) == (int64_t)k);
}

/* Languages. */

static struct language l;

static void tagged_references(void)
{
  enum { LENGTH = 2000 };
  language_open(&l, &f);
  make_garbage(100);
  size_t vector = fixture_push(&f.main, language_vector(&l, LENGTH));
  for (uint32_t i = 0; i < LENGTH; i++) {
    uint64_t value = language_ref(numbered(i));
    language_set_element(&l, fixture_at(&f.main, vector), i, value);
  }
  collect();
  collect();
  for (uint32_t i = 0; i < LENGTH; i++)
    require(fixture_value(language_to_ref(
                language_element(fixture_at(&f.main, vector), i))) == i);
}

static void custom_objects(void)
{
  language_open(&l, &f);
  make_garbage(100);
  size_t box = fixture_push(&f.main, language_box(&l, 10, 0));
  for (uint32_t i = 0; i < 10; i++) {
    uint64_t value = language_ref(numbered(i));
    language_set(&l, fixture_at(&f.main, box), LANGUAGE_BOX_SLOTS + 8 * i,
                 value);
  }
  collect();
  collect();
  for (uint32_t i = 0; i < 10; i++)
    require(fixture_value(language_to_ref(language_get(
                fixture_at(&f.main, box), LANGUAGE_BOX_SLOTS + 8 * i))) == i);
}

static void an_owner_that_only_an_instance_keeps(void)
{
  language_open(&l, &f);
  unsigned loader = language_load(&l);
  fixture_push(&f.main, language_pair_of(&l, loader));
  fixture_put(&f.main, 0, MM_NULL);
  collect();
  require(l.loaders_died == 0);
}

static void a_tagged_reference_that_is_overwritten(void)
{
  language_open(&l, &f);
  for (int i = 0; i < 10; i++) {
    uint64_t car = language_ref(numbered(i));
    fixture_push(&f.main, language_cons(&l, car, car));
  }
  start_cycle();
  for (size_t i = 0; i < 10; i++) {
    struct mm_ref cons = fixture_at(&f.main, i);
    fixture_push(&f.main, language_to_ref(language_get(cons, LANGUAGE_CAR)));
    language_set(&l, cons, LANGUAGE_CAR, language_number(1));
    language_set(&l, cons, LANGUAGE_CDR, language_number(2));
  }
  finish_cycle();
  for (size_t i = 0; i < 10; i++)
    require(fixture_value(fixture_at(&f.main, 10 + i)) == (int64_t)i);
}

/* The table -----------------------------------------------------------------
 */

const struct fault_scenario fault_scenarios[MM_FAULT_COUNT] = {
    [MM_FAULT_ROOT_VREG] = {roots_of_all_kinds, WAYS, "VReg root"},
    [MM_FAULT_ROOT_SCOPE] = {roots_of_all_kinds, WAYS, "scope root"},
    [MM_FAULT_ROOT_STATIC] = {roots_of_all_kinds, WAYS, "static root"},
    [MM_FAULT_ROOT_MIRROR] = {roots_of_all_kinds, WAYS, "mirror root"},
    [MM_FAULT_ROOT_CONSTANT] = {roots_of_all_kinds, WAYS, "constant root"},
    [MM_FAULT_ROOT_THREAD] = {roots_of_all_kinds, WAYS, "thread root"},
    [MM_FAULT_ROOT_GLOBAL] = {roots_of_all_kinds, WAYS, "global root"},
    [MM_FAULT_ROOT_HANDLE_LOCAL] = {handles, WAYS, "local handle root"},
    [MM_FAULT_ROOT_HANDLE_GLOBAL] = {handles, WAYS, "global handle root"},
    [MM_FAULT_ROOT_PIN] = {pinned_objects, WAYS, "broken"},
    [MM_FAULT_PIN_MOVED] = {pinned_objects, EVACUATE | YOUNG,
                            "has moved, though it is pinned"},
    [MM_FAULT_PIN_SLID] = {pinned_objects, COMPACT,
                           "has moved, though it is pinned"},
    [MM_FAULT_HANDLE_YOUNG] = {handles, YOUNG, "young collections do not know"},
    [MM_FAULT_DEATH_LOST] = {watched_objects, WAYS, NULL},
    [MM_FAULT_DEATH_YOUNG] = {watched_objects, YOUNG,
                              "young collections do not know"},
    [MM_FAULT_WEAK_KEPT] = {weak_entries, WAYS, "weak root"},
    [MM_FAULT_WEAK_STALE] = {weak_entries, MOVING | YOUNG, "weak root"},
    [MM_FAULT_CHUNK] = {large_arrays, WAYS, "Pair"},
    [MM_FAULT_OVERFLOW] = {full_stacks, WAYS, "Pair"},
    [MM_FAULT_TAGGED] = {tagged_references, WAYS, NULL},
    [MM_FAULT_CUSTOM] = {custom_objects, WAYS & ~YOUNG, NULL},
    [MM_FAULT_OWNER] = {an_owner_that_only_an_instance_keeps, ALL | CYCLE,
                        NULL},
    [MM_FAULT_TAGGED_OLD] = {a_tagged_reference_that_is_overwritten, CYCLE,
                             "reachable and not marked"},
    [MM_FAULT_MARK_BIT] = {lists, COMPACT | FIXED, "reachable and not marked"},
    [MM_FAULT_FORWARD] = {lists, EVACUATE, "it points into a free region"},
    [MM_FAULT_COPY_CLASS] = {objects_without_references, EVACUATE,
                             "its class is not in the metadata"},
    [MM_FAULT_COPY_HASH] = {identity_hashes, EVACUATE, NULL},
    [MM_FAULT_REGION_FLAG] = {lists, EVACUATE, "it points into a free region"},
    [MM_FAULT_KEPT_FREED] = {too_little_room, EVACUATE,
                             "it points into a free region"},
    [MM_FAULT_UPDATE] = {lists, COMPACT, "broken edge"},
    [MM_FAULT_SLIDE] = {holes, COMPACT, "broken"},
    [MM_FAULT_SLOT_FREED] = {objects_that_stay, MOVING | SLOTS,
                             "does not point at the start of an object"},
    [MM_FAULT_GAP_FREED] = {objects_that_stay, ALL,
                            "does not point at the start of an object"},
    [MM_FAULT_LARGE_FREED] = {large_objects, ALL,
                              "it points into a free region"},
    [MM_FAULT_SWEEP_BLIND] = {objects_that_stay, MOVING | SLOTS,
                              "does not point at the start of an object"},
    [MM_FAULT_FILLER] = {gaps_between_buffers, MOVING, "it has no class"},
    [MM_FAULT_DIRTY] = {memory_that_was_used_before, EVACUATE | FIXED, NULL},
    [MM_FAULT_BARRIER_BEFORE] = {a_reference_that_is_overwritten, CYCLE,
                                 "reachable and not marked"},
    [MM_FAULT_BARRIER_KEEP] = {what_a_weak_table_hands_out, CYCLE,
                               "reachable and not marked"},
    [MM_FAULT_BORN_WHITE] = {objects_made_while_a_cycle_marks, CYCLE,
                             "reachable and not marked"},
    [MM_FAULT_OLD_LOG] = {a_reference_that_is_overwritten, CYCLE,
                          "reachable and not marked"},
    [MM_FAULT_REMEMBER] = {sparse_regions, MIXED, "does not remember the card"},
    [MM_FAULT_WATCH_NEW] = {new_objects_that_refer_to_candidates, WALK, NULL},
    [MM_FAULT_UNBURIED] = {dead_objects_beside_live_ones, MIXED, NULL},
    [MM_FAULT_REFERENCE_KEPT] = {references_to_the_dead, WAYS, NULL},
    [MM_FAULT_REFERENCE_EARLY] = {references_to_the_living, MOVING | YOUNG,
                                  NULL},
    [MM_FAULT_SOFT_EARLY] = {soft_references, WAYS, NULL},
    [MM_FAULT_FINAL] = {finalizable_objects, WAYS, NULL},
    [MM_FAULT_EPHEMERON] = {ephemerons, WAYS, NULL},
    [MM_FAULT_PENDING] = {pending_references, WAYS, NULL},
    [MM_FAULT_PENDING_QUEUE] = {pending_references_of_a_language, WAYS, NULL},
    [MM_FAULT_PENDING_YOUNG] = {pending_references, YOUNG, NULL},
    [MM_FAULT_PENDING_CUT] =
        {pending_references_that_are_taken_while_a_cycle_marks, CYCLE,
         "reachable and not marked"},
    [MM_FAULT_NOTED] = {references_to_the_dead, CYCLE, NULL},
    [MM_FAULT_WINDOW_GET] = {references_while_a_cycle_clears, CYCLE, NULL},
    [MM_FAULT_REFERENCE_LOG] = {references_to_the_dead, CYCLE, NULL},
    [MM_FAULT_BARRIER_AFTER] = {old_arrays_with_young_elements, YOUNG,
                                "card is not dirty"},
    [MM_FAULT_BARRIER_CALM] = {objects_that_are_young_again, AUTO,
                               "card is not dirty"},
    [MM_FAULT_CARD_LOG] = {old_arrays_with_young_elements, YOUNG,
                           "card is on no log"},
    [MM_FAULT_CARD_SECOND] = {old_arrays_with_young_elements, YOUNG,
                              "card is not dirty"},
    [MM_FAULT_CARD_AGAIN] = {old_arrays_with_young_elements, YOUNG,
                             "card is not dirty"},
    [MM_FAULT_CARD_FIRST] = {old_arrays_with_young_elements, YOUNG, NULL},
    [MM_FAULT_LEAK] = {lists, EVACUATE, "leaked: heap structure: 1 block, "},
    [MM_FAULT_CARD_SKIPPED] = {old_arrays_with_young_elements, YOUNG,
                               "points into a free region"},
};

static enum mm_fault which;
static struct mm_fault_set faults;

START_TEST(one_scenario)
{
  struct mm_options options = fixture_options();
  options.verify = FIXTURE_VERIFY_ALL;
  options.faults = faults;
  if (way & (CYCLE | MIXED | WALK))
    options.gc = MM_GC_CONCURRENT;
  fixture_choose_plan(&options, way == SLOTS            ? 1
                                : way == CYCLE          ? 1
                                : way == GAPS           ? 2
                                : way == AUTO           ? FIXTURE_PLAN_AUTO
                                : way & (YOUNG | MIXED) ? FIXTURE_PLAN_YOUNG
                                                        : 0);
  if (way == AUTO)
    options.heap_min_bytes = 2 * FIXTURE_MIB;
  if (way & (MOVING | YOUNG | MIXED | AUTO |
             WALK)) /* what does not move has slots and gaps */
    options.nonmoving_fit = MM_FIT_SLOTS;
  fixture_open(&f, &options);
  fault_scenarios[which].run();
  fixture_pop(&f.main, f.main.top);
  fixture_close(&f);
  require(mm_native_print_leaks(stderr) == 0);
}
END_TEST

/* As a test of Check, since the fixture's functions are for tests. */
int fault_scenario_run(enum mm_fault fault, int chosen, bool is_broken)
{
  which = fault;
  way = chosen;
  if (is_broken)
    faults = mm_fault_only(fault);
  Suite *suite = suite_create("scenario");
  TCase *tests = tcase_create("scenario");
  tcase_add_test(tests, one_scenario);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_SILENT);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? RIGHT_RESULT : WRONG_RESULT;
}
