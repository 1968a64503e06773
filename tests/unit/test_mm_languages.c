/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Languages: tagged slots, custom objects, owners of classes.  _i chooses the
 * plan (see fixture_choose_plan) and, above, whether cycles run.
 */
#include "config.h"

#include "mm/gc/cycle_internal.h"
#include "mm/space/metadata_internal.h"
#include "tests/unit/language_fixture.h"

#include <string.h>

static struct fixture f;
static struct language l;

enum { CONCURRENT = FIXTURE_PLANS_ALL, WAYS = 2 * FIXTURE_PLANS_ALL };

static struct mm_options options_for(int way)
{
  struct mm_options options = fixture_options();
  fixture_choose_plan(&options, way % CONCURRENT);
  if (way >= CONCURRENT)
    options.gc = MM_GC_CONCURRENT;
  if (options.generational)
    options.young_bytes = FIXTURE_MIB;
  options.workers = fixture_workers(way);
  return options;
}

static void open_heap(int way)
{
  struct mm_options options = options_for(way);
  fixture_open(&f, &options);
  language_open(&l, &f);
}

static void teardown(void)
{
  ck_assert_uint_eq(fixture_verify(&f), 0);
  ck_assert_ptr_null(mm_metadata_check(f.heap));
  fixture_close(&f);
}

/* Not before one that is not held, and under way, has ended. */
static void run_cycle(void)
{
  mm_cycle_wait(&f.main.mutator);
  fixture_run_cycle(&f);
}

/* Whatever there is: young ones, a cycle, all by each kind. */
static void collect_all_ways(void)
{
  mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  if (f.heap->cycle.has_thread)
    run_cycle();
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  if (f.heap->options.tenured == MM_TENURED_REGIONS) {
    fixture_collect(&f, MM_COLLECTION_EVACUATE);
    fixture_collect(&f, MM_COLLECTION_COMPACT);
  }
}

static struct mm_ref numbered(int64_t number)
{
  struct mm_ref pair = fixture_pair(&f.main);
  fixture_set_value(pair, number);
  return pair;
}

/* Tagged slots --------------------------------------------------------------
 */

/* (0 1 2 ...), its numbers boxed every other time. */
static size_t push_tagged_list(uint32_t length)
{
  size_t head = fixture_push(&f.main, MM_NULL);
  for (uint32_t i = length; i-- > 0;) {
    uint64_t car = i % 2 ? language_ref(numbered(i)) : language_number(i);
    struct mm_ref rest = fixture_at(&f.main, head);
    fixture_put(&f.main, head, language_cons(&l, car, language_ref(rest)));
  }
  return head;
}

static void check_tagged_list(struct mm_ref head, uint32_t length)
{
  for (uint32_t i = 0; i < length; i++) {
    uint64_t car = language_get(head, LANGUAGE_CAR);
    if (i % 2)
      fixture_require(fixture_value(language_to_ref(car)) == i);
    else
      fixture_require(language_to_number(car) == i);
    head = language_to_ref(language_get(head, LANGUAGE_CDR));
  }
  fixture_require(mm_is_null(head));
}

START_TEST(tagged_slots_keep_and_follow_what_they_refer_to)
{
  open_heap(_i);
  size_t dead = push_tagged_list(2000), list = push_tagged_list(5000);
  fixture_put(&f.main, dead, MM_NULL);
  collect_all_ways();
  check_tagged_list(fixture_at(&f.main, list), 5000);
  ck_assert_uint_eq(fixture_census(&f).objects, 5000 + 2500);
}
END_TEST

START_TEST(what_only_looks_like_a_reference_keeps_nothing)
{
  open_heap(_i);
  struct mm_ref pair = numbered(1);
  uint64_t look_alike = UINT64_C(0x7ff8000000000000) | pair.bits;
  fixture_push(&f.main, language_cons(&l, look_alike, pair.bits));
  collect_all_ways();
  struct mm_ref cons = fixture_at(&f.main, 0);
  ck_assert_uint_eq(language_get(cons, LANGUAGE_CAR), look_alike);
  ck_assert_uint_eq(language_get(cons, LANGUAGE_CDR), pair.bits);
  ck_assert_uint_eq(fixture_census(&f).objects, 1);
}
END_TEST

START_TEST(long_and_wide_objects_are_scanned_as_a_whole)
{
  enum { LENGTH = 50000 };
  open_heap(_i);
  size_t vector = fixture_push(&f.main, language_vector(&l, LENGTH));
  size_t wide =
      fixture_push(&f.main, mm_alloc_plain(&f.main.mutator, &l.wide->layout));
  for (uint32_t i = 0; i < LENGTH; i += 7) {
    uint64_t value = language_ref(numbered(i));
    language_set_element(&l, fixture_at(&f.main, vector), i, value);
  }
  for (size_t at = 8; at + 8 <= FIXTURE_WIDE_BYTES; at += 16) {
    uint64_t value = language_ref(numbered((int64_t)at));
    language_set(&l, fixture_at(&f.main, wide), at, value);
  }
  collect_all_ways();
  for (uint32_t i = 0; i < LENGTH; i += 7)
    fixture_require(fixture_value(language_to_ref(language_element(
                        fixture_at(&f.main, vector), i))) == i);
  for (size_t at = 8; at + 8 <= FIXTURE_WIDE_BYTES; at += 16)
    fixture_require(fixture_value(language_to_ref(language_get(
                        fixture_at(&f.main, wide), at))) == (int64_t)at);
}
END_TEST

/* A store of a reference, then of a number: the card must not be taken for one
   in whose slot a reference stands. */
START_TEST(a_number_may_take_the_place_of_a_young_reference)
{
  enum { LENGTH = 3000 };
  open_heap(_i);
  size_t vector = fixture_push(&f.main, language_vector(&l, LENGTH));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  for (int round = 0; round < 5; round++) {
    for (uint32_t i = (uint32_t)round; i < LENGTH; i += 11) {
      uint64_t value = language_ref(numbered(i));
      struct mm_ref to = fixture_at(&f.main, vector);
      language_set_element(&l, to, i, value);
      if (i % 2)
        language_set_element(&l, to, i, language_number(i + 0.3));
    }
    mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  }
  for (uint32_t i = 4; i < LENGTH; i += 11) {
    uint64_t value = language_element(fixture_at(&f.main, vector), i);
    if (i % 2)
      fixture_require(language_to_number(value) == i + 0.3);
    else
      fixture_require(fixture_value(language_to_ref(value)) == i);
  }
}
END_TEST

START_TEST(bulk_stores_pass_the_barrier)
{
  open_heap(_i);
  size_t vector = fixture_push(&f.main, language_vector(&l, 2000));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  uint64_t value = language_ref(numbered(9));
  uint64_t *slots =
      language_slot(fixture_at(&f.main, vector), MM_ARRAY_BASE_WIDE);
  mm_fill_tagged(&f.main.mutator, LANGUAGE_TAGGING, slots, 100, value);
  slots[50] = language_number(50);
  mm_copy_tagged(&f.main.mutator, LANGUAGE_TAGGING, slots + 70, slots, 100);
  mm_copy_tagged(&f.main.mutator, LANGUAGE_TAGGING, slots + 1900, slots + 70,
                 100);
  mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  struct mm_ref to = fixture_at(&f.main, vector);
  ck_assert_double_eq(language_to_number(language_element(to, 50)), 50);
  ck_assert_double_eq(language_to_number(language_element(to, 120)), 50);
  ck_assert_double_eq(language_to_number(language_element(to, 1950)), 50);
  ck_assert_int_eq(fixture_value(language_to_ref(language_element(to, 0))), 9);
  ck_assert_int_eq(fixture_value(language_to_ref(language_element(to, 1999))),
                   9);
}
END_TEST

/* _i: a plan; gc=concurrent. */
START_TEST(a_tagged_reference_that_is_overwritten_during_a_cycle_is_marked)
{
  open_heap(CONCURRENT + _i);
  size_t list = push_tagged_list(100);
  fixture_start_cycle(&f);
  struct mm_ref head = fixture_at(&f.main, list);
  struct mm_ref rest = language_to_ref(language_get(head, LANGUAGE_CDR));
  language_set(&l, head, LANGUAGE_CDR, language_number(1));
  fixture_put(&f.main, list, rest);
  fixture_end_cycle(&f);
  struct mm_ref now = fixture_at(&f.main, list);
  ck_assert_double_eq(
      language_to_number(language_get(
          language_to_ref(language_get(now, LANGUAGE_CDR)), LANGUAGE_CAR)),
      2);
}
END_TEST

/* Custom objects ------------------------------------------------------------
 */

START_TEST(custom_objects_are_sized_and_scanned_by_their_language)
{
  static const uint32_t slots[] = {0, 1, 7, 300, 5000}, bytes[] = {0, 5, 900};
  open_heap(_i);
  for (int i = 0; i < 15; i++) {
    size_t box =
        fixture_push(&f.main, language_box(&l, slots[i % 5], bytes[i / 5]));
    struct mm_ref pair = numbered(i);
    fixture_set(fixture_at(&f.main, box), LANGUAGE_BOX_REF, pair);
    for (uint32_t j = 0; j < slots[i % 5]; j++) {
      uint64_t value =
          j % 3 ? language_number(j) : language_ref(numbered((int64_t)j));
      language_set(&l, fixture_at(&f.main, box), LANGUAGE_BOX_SLOTS + 8 * j,
                   value);
    }
  }
  collect_all_ways();
  for (int i = 0; i < 15; i++) {
    struct mm_ref box = fixture_at(&f.main, (size_t)i);
    fixture_require(fixture_value(fixture_get(box, LANGUAGE_BOX_REF)) == i);
    for (uint32_t j = 0; j < slots[i % 5]; j++) {
      uint64_t value = language_get(box, LANGUAGE_BOX_SLOTS + 8 * j);
      if (j % 3)
        fixture_require(language_to_number(value) == j);
      else
        fixture_require(fixture_value(language_to_ref(value)) == j);
    }
  }
}
END_TEST

START_TEST(old_custom_objects_may_refer_to_young_ones)
{
  open_heap(_i);
  size_t box = fixture_push(&f.main, language_box(&l, 1000, 0));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  for (uint32_t j = 0; j < 1000; j += 3) {
    uint64_t value = language_ref(numbered(j));
    language_set(&l, fixture_at(&f.main, box), LANGUAGE_BOX_SLOTS + 8 * j,
                 value);
  }
  struct mm_ref pair = numbered(-1);
  fixture_set(fixture_at(&f.main, box), LANGUAGE_BOX_REF, pair);
  mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
  struct mm_ref now = fixture_at(&f.main, box);
  ck_assert_int_eq(fixture_value(fixture_get(now, LANGUAGE_BOX_REF)), -1);
  for (uint32_t j = 0; j < 1000; j += 3)
    fixture_require(fixture_value(language_to_ref(
                        language_get(now, LANGUAGE_BOX_SLOTS + 8 * j))) == j);
}
END_TEST

START_TEST(a_size_that_no_custom_object_has_is_refused)
{
  open_heap(_i);
  struct mm_mutator *mutator = &f.main.mutator;
  ck_assert(mm_is_null(mm_alloc_slow(mutator, &l.box->layout, 8)));
  ck_assert(mm_is_null(mm_alloc_slow(mutator, &l.box->layout, 20)));
  ck_assert(mm_is_null(mm_alloc_slow(mutator, &l.box->layout, UINT32_MAX - 7)));
}
END_TEST

/* Owners --------------------------------------------------------------------
 */

/* It has kept the loader, whose static is 77, until now. */
static void drop_last_instance(unsigned loader, size_t instance)
{
  ck_assert_uint_eq(l.loaders_died, 0);
  ck_assert_int_eq(fixture_value(language_static(&l, loader, 1)), 77);
  fixture_put(&f.main, instance, MM_NULL);
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 1);
}

START_TEST(an_instance_keeps_the_owner_of_its_class_and_its_statics)
{
  open_heap(_i);
  unsigned loader = language_load(&l); /* at root 0 */
  size_t instance = fixture_push(&f.main, language_pair_of(&l, loader));
  language_set_static(&l, loader, 1, numbered(77));
  fixture_put(&f.main, 0, MM_NULL);
  for (int i = 0; i < 3; i++)
    collect_all_ways();
  drop_last_instance(loader, instance);
  ck_assert_uint_eq(fixture_census(&f).objects, 0);
}
END_TEST

START_TEST(an_instance_without_slots_keeps_the_owner_of_its_class)
{
  open_heap(_i);
  unsigned loader = language_load(&l);
  size_t instance = fixture_push(&f.main, language_bytes_of(&l, loader, 5000));
  size_t large = fixture_push(&f.main, language_bytes_of(&l, loader, 500000));
  fixture_put(&f.main, 0, MM_NULL);
  collect_all_ways();
  fixture_put(&f.main, large, MM_NULL);
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 0);
  fixture_put(&f.main, instance, MM_NULL);
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 1);
}
END_TEST

START_TEST(loaders_whose_instances_refer_to_each_other_die_together)
{
  open_heap(_i);
  unsigned a = language_load(&l), b = language_load(&l);
  struct mm_ref pair = language_pair_of(&l, a);
  language_set_static(&l, b, 0, pair);
  pair = language_pair_of(&l, b);
  language_set_static(&l, a, 0, pair);
  fixture_put(&f.main, 0, MM_NULL);
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 0);
  fixture_put(&f.main, 1, MM_NULL);
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 2);
}
END_TEST

/* A young collection has no cards for them. */
START_TEST(statics_of_owners_may_refer_to_young_objects)
{
  open_heap(_i);
  unsigned loader = language_load(&l);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  for (unsigned i = 0; i < 20; i++) {
    language_set_static(&l, loader, i % LANGUAGE_STATICS, numbered(i));
    mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
    ck_assert_int_eq(
        fixture_value(language_static(&l, loader, i % LANGUAGE_STATICS)), i);
  }
}
END_TEST

/* Owners are old, however large they are: a young collection does not scan
   this one, and an instance does not keep it then. */
START_TEST(a_large_owner_and_its_statics_live_through_young_collections)
{
  open_heap(_i);
  unsigned loader = language_load_wide(&l, 100 * 1024);
  size_t instance = fixture_push(&f.main, language_pair_of(&l, loader));
  if (_i % 2) /* nothing else keeps it */
    fixture_put(&f.main, 0, MM_NULL);
  language_set_static(&l, loader, 1, numbered(77));
  for (int i = 0; i < 4; i++) {
    mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
    ck_assert_int_eq(fixture_value(language_static(&l, loader, 1)), 77);
  }
  fixture_put(&f.main, 0, MM_NULL);
  collect_all_ways();
  drop_last_instance(loader, instance);
}
END_TEST

/* A key that an ephemeron waits for is the value of the next one made, or of
   the last.  All are on the list at root 1, and the first key is at root 2. */
static void chain_ephemerons(unsigned loader, unsigned count, bool is_turned)
{
  struct fixture_thread *thread = &f.main;
  size_t list = fixture_push(thread, fixture_new(thread, FIXTURE_REFS, count));
  size_t first = fixture_push(thread, MM_NULL);
  size_t key = fixture_push(thread, language_pair_of(&l, loader));
  fixture_set_value(fixture_at(thread, key), 0);
  fixture_put(thread, first, fixture_at(thread, key));
  for (unsigned i = 0; i < count; i++) {
    size_t value = fixture_push(thread, language_pair_of(&l, loader));
    struct mm_ref ephemeron = fixture_new(thread, FIXTURE_EPHEMERON, 0);
    fixture_set_value(fixture_at(thread, value), i + 1);
    mm_reference_init(&thread->mutator, ephemeron, fixture_at(thread, key));
    mm_ephemeron_set_value(&thread->mutator, ephemeron,
                           fixture_at(thread, value));
    fixture_set_element(fixture_at(thread, list), is_turned ? count - 1 - i : i,
                        ephemeron);
    fixture_put(thread, key, fixture_at(thread, value));
    fixture_pop(thread, 1);
  }
  fixture_put(thread, key, MM_NULL);
}

static void check_chain(unsigned count, bool is_turned)
{
  struct mm_ref list = fixture_at(&f.main, 1);
  for (unsigned i = 0; i < count; i++) {
    struct mm_ref ephemeron =
        fixture_element(list, is_turned ? count - 1 - i : i);
    struct mm_ref key = mm_reference_get(&f.main.mutator, ephemeron);
    fixture_require(!mm_is_null(key) && fixture_value(key) == i);
    struct mm_ref value = mm_ephemeron_value(&f.main.mutator, ephemeron);
    fixture_require(!mm_is_null(value) && fixture_value(value) == i + 1);
  }
}

/* In one of both orders there are as many rounds as ephemerons, unless a table
   helps; then each instance is scanned by it. */
START_TEST(instances_are_reached_through_a_chain_of_young_ephemerons)
{
  enum { COUNT = 8 };
  for (int is_turned = 0; is_turned < 2; is_turned++) {
    open_heap(_i);
    unsigned loader = language_load(&l);
    mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    chain_ephemerons(loader, COUNT, is_turned);
    if (mm_is_generational(f.heap))
      f.heap->sizing.next_kind = MM_COLLECTION_YOUNG;
    mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
    check_chain(COUNT, is_turned);
    collect_all_ways();
    check_chain(COUNT, is_turned);
    ck_assert_uint_eq(l.loaders_died, 0);
    if (!is_turned)
      teardown();
  }
}
END_TEST

/* _i: a plan; gc=concurrent. */
START_TEST(a_static_that_is_overwritten_during_a_cycle_is_marked)
{
  open_heap(CONCURRENT + _i);
  unsigned loader = language_load(&l);
  size_t instance = fixture_push(&f.main, language_pair_of(&l, loader));
  fixture_put(&f.main, 0, MM_NULL);
  language_set_static(&l, loader, 2, numbered(5));
  fixture_start_cycle(&f);
  struct mm_ref taken = language_static(&l, loader, 2);
  size_t root = fixture_push(&f.main, taken);
  language_set_static(&l, loader, 2, MM_NULL);
  fixture_end_cycle(&f);
  ck_assert_int_eq(fixture_value(fixture_at(&f.main, root)), 5);
  ck_assert_uint_eq(l.loaders_died, 0);
  fixture_put(&f.main, instance, MM_NULL);
  fixture_run_cycle(&f);
  ck_assert_uint_eq(l.loaders_died, 1);
}
END_TEST

static uint64_t metadata_held(void)
{
  struct mm_metadata_stat stat;
  mm_metadata_stat(f.heap, &stat);
  return stat.alloc.held_bytes;
}

/* One after the other dies, among objects that live: their memory is used
   again, and nobody reads a class that is gone. */
START_TEST(metadata_of_dead_owners_is_used_again)
{
  open_heap(_i);
  size_t keep = fixture_push_list(&f.main, 0);
  uint64_t most = 0;
  for (int round = 0; round < 60; round++) {
    size_t top = f.main.top;
    unsigned loader = language_load(&l);
    struct language_loader *mine = &l.loaders[loader];
    for (int i = 0; i < 20; i++)
      fixture_require(mm_metadata_arena_alloc(mine->arena, 1000));
    for (int i = 0; i < 200; i++) {
      fixture_push(&f.main, language_pair_of(&l, loader));
      fixture_push(&f.main, language_bytes_of(&l, loader, (uint32_t)i * 37));
      struct mm_ref pair = numbered(i);
      fixture_set(pair, FIXTURE_LEFT, fixture_at(&f.main, keep));
      fixture_put(&f.main, keep, pair);
      if (i % 50 == 0)
        mm_collect(&f.main.mutator, MM_CAUSE_ALLOCATION);
    }
    fixture_pop(&f.main, f.main.top - top);
    if (f.heap->cycle.has_thread && round % 2)
      run_cycle();
    else if (round % 4 == 0)
      mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
    if (round == 20)
      most = metadata_held();
  }
  collect_all_ways();
  ck_assert_uint_eq(l.loaders_died, 60);
  ck_assert_uint_lt(metadata_held(), most + 200 * 1024);
}
END_TEST

START_TEST(metadata_stays_readable_until_the_next_whole_collection_has_ended)
{
  open_heap(_i);
  struct mm_metadata_arena *arena = mm_metadata_arena_create(f.heap);
  char *at = mm_metadata_arena_alloc(arena, 100);
  ck_assert_ptr_nonnull(at);
  uint64_t before = metadata_held();
  memset(at, 0x5a, 100);
  mm_metadata_arena_destroy(arena);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_int_eq(at[99], 0x5a);
  ck_assert_uint_eq(metadata_held(), before);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  ck_assert_uint_lt(metadata_held(), before);
  arena = mm_metadata_arena_create(f.heap);
  ck_assert_ptr_eq(mm_metadata_arena_alloc(arena, 100), at);
  ck_assert_int_eq(at[99], 0);
  mm_metadata_arena_destroy(arena);
}
END_TEST

/* All together ---------------------------------------------------------------
 */

/* A graph of objects of all kinds, that changes at random; each has a number in
   the table of what it should refer to. */
enum { NODES = 400, EDGES = 4 };

static struct model {
  uint8_t kind;
  int32_t edges[EDGES]; /* a node, or -1 and below: a number */
} model[NODES];

static size_t slot_of(unsigned kind, unsigned edge)
{
  switch (kind) {
  case 0:
    return edge % 2 ? LANGUAGE_CDR : LANGUAGE_CAR;
  case 1:
    return MM_ARRAY_BASE_WIDE + 8 * (size_t)edge;
  default:
    return LANGUAGE_BOX_SLOTS + 8 * (size_t)edge;
  }
}

static unsigned edges_of(unsigned kind)
{
  return kind == 0 ? 2 : EDGES;
}

static struct mm_ref new_node(unsigned kind)
{
  switch (kind) {
  case 0:
    return language_cons(&l, language_number(-1), language_number(-1));
  case 1:
    return language_vector(&l, EDGES);
  default:
    return language_box(&l, EDGES, kind * 100);
  }
}

static void make_node(unsigned node, uint64_t *seed)
{
  unsigned kind = (unsigned)(fixture_random(seed) >> 40) % 4;
  fixture_put(&f.main, node, new_node(kind));
  model[node].kind = (uint8_t)kind;
  for (unsigned i = 0; i < edges_of(kind); i++) {
    model[node].edges[i] = -1;
    language_set(&l, fixture_at(&f.main, node), slot_of(kind, i),
                 language_number(-1));
  }
}

static void change_edge(unsigned node, uint64_t *seed)
{
  unsigned kind = model[node].kind;
  unsigned edge = (unsigned)(fixture_random(seed) >> 40) % edges_of(kind);
  int32_t to = (int32_t)(fixture_random(seed) >> 40) % NODES;
  bool is_number = fixture_random(seed) >> 40 & 1;
  uint64_t value = is_number ? language_number(-1 - to)
                             : language_ref(fixture_at(&f.main, (size_t)to));
  model[node].edges[edge] = is_number ? -1 - to : to;
  language_set(&l, fixture_at(&f.main, node), slot_of(kind, edge), value);
}

static void check_edge(const struct model *from, struct mm_ref ref, unsigned i)
{
  uint64_t value = language_get(ref, slot_of(from->kind, i));
  if (from->edges[i] < 0)
    fixture_require(language_to_number(value) == from->edges[i]);
  else
    fixture_require(mm_same(language_to_ref(value),
                            fixture_at(&f.main, (size_t)from->edges[i])));
}

static void check_nodes(void)
{
  for (unsigned node = 0; node < NODES; node++)
    for (unsigned i = 0; i < edges_of(model[node].kind); i++)
      check_edge(&model[node], fixture_at(&f.main, node), i);
}

/* A node that is made anew is one less for those that referred to it: they keep
   the old one, which the model does not know; so they are told. */
static void renew(unsigned node, uint64_t *seed)
{
  for (unsigned i = 0; i < NODES; i++)
    for (unsigned j = 0; j < edges_of(model[i].kind); j++)
      if (model[i].edges[j] == (int32_t)node) {
        model[i].edges[j] = -7;
        language_set(&l, fixture_at(&f.main, i), slot_of(model[i].kind, j),
                     language_number(-7));
      }
  make_node(node, seed);
}

static void mutate(unsigned rounds, uint64_t seed)
{
  for (unsigned node = 0; node < NODES; node++)
    fixture_push(&f.main, MM_NULL);
  for (unsigned node = 0; node < NODES; node++)
    make_node(node, &seed);
  for (unsigned i = 0; i < rounds; i++) {
    unsigned node = (unsigned)(fixture_random(&seed) >> 40) % NODES;
    if (i % 8 == 0)
      renew(node, &seed);
    else
      change_edge(node, &seed);
    mm_poll(&f.main.mutator);
    if (i % 1000 == 0)
      check_nodes();
  }
  check_nodes();
}

START_TEST(random_graphs_of_a_language_stay_what_they_are)
{
  open_heap(_i);
  mutate(20000, 0x1234567 + (uint64_t)_i);
  collect_all_ways();
  check_nodes();
}
END_TEST

START_TEST(random_graphs_stay_under_stress)
{
  struct mm_options options = options_for(_i % WAYS);
  int kind = _i / WAYS;
  options.verify = MM_VERIFY_AFTER;
  if (kind == 0)
    options.stress_alloc = 30;
  else if (kind == 1)
    options.stress_barrier = 60;
  else
    options.stress_phase = true;
  fixture_open(&f, &options);
  language_open(&l, &f);
  mutate(4000, 0x7654321 + (uint64_t)_i);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  check_nodes();
}
END_TEST

/* Registering ---------------------------------------------------------------
 */

START_TEST(languages_that_cannot_be_are_refused_with_a_text)
{
  static const struct mm_language nameless = {.name = ""};
  static const struct mm_language low = {.name = "low", .tagging = {0xf, 0xf}};
  static const struct mm_language off = {
      .name = "off",
      .tagging = {UINT64_C(0xff00000000000000), UINT64_C(0x00f0000000000000)}};
  const struct mm_language *wrong[] = {&nameless, &low, &off};
  struct mm_error error;
  unsigned index = 7;
  open_heap(_i);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    error.text[0] = 0;
    ck_assert_int_eq(mm_language_register(f.heap, wrong[i], &index, &error),
                     MM_BAD_OPTION);
    ck_assert_str_ne(error.text, "");
    ck_assert_uint_eq(index, 7);
  }
  ck_assert_str_eq(mm_language_name(&l.cons->layout), "test");
  ck_assert_str_eq(mm_language_name(&f.classes[0]->layout), "host");
}
END_TEST

START_TEST(a_language_has_one_index)
{
  struct mm_error error;
  unsigned index;
  open_heap(_i);
  ck_assert_int_eq(mm_language_register(f.heap, &language_test, &index, &error),
                   MM_OK);
  ck_assert_uint_eq(index, l.cons->layout.language);
}
END_TEST

START_TEST(the_summary_tells_languages_apart)
{
  struct fixture_text text, json;
  open_heap(_i);
  push_tagged_list(10);
  fixture_text_open(&text);
  fixture_text_open(&json);
  mm_stats_print_text(f.heap, text.out);
  mm_stats_print_json(f.heap, json.out);
  const char *rows = strstr(fixture_text_read(&text), "languages ");
  ck_assert_ptr_nonnull(rows);
  ck_assert_ptr_nonnull(strstr(rows, "host"));
  ck_assert_ptr_nonnull(strstr(rows, "test"));
  rows = strstr(fixture_text_read(&json), "\"languages\"");
  ck_assert_ptr_nonnull(rows);
  ck_assert_ptr_nonnull(strstr(rows, "\"test\": {\"objects\": 10"));
  ck_assert_ptr_nonnull(strstr(rows, "\"host\": {\"objects\": 5"));
  fixture_text_close(&text);
  fixture_text_close(&json);
}
END_TEST

int main(void)
{
  TCase *tags = tcase_create("tags"), *custom = tcase_create("custom");
  TCase *owners = tcase_create("owners"), *graphs = tcase_create("graphs");
  TCase *registering = tcase_create("registering");
  TCase *cases[] = {tags, custom, owners, graphs, registering, NULL};
  for (size_t i = 0; cases[i]; i++)
    tcase_add_checked_fixture(cases[i], NULL, teardown);
  tcase_add_loop_test(tags, tagged_slots_keep_and_follow_what_they_refer_to, 0,
                      WAYS);
  tcase_add_loop_test(tags, what_only_looks_like_a_reference_keeps_nothing, 0,
                      WAYS);
  tcase_add_loop_test(tags, long_and_wide_objects_are_scanned_as_a_whole, 0,
                      WAYS);
  tcase_add_loop_test(tags, a_number_may_take_the_place_of_a_young_reference, 0,
                      WAYS);
  tcase_add_loop_test(tags, bulk_stores_pass_the_barrier, 0, WAYS);
  tcase_add_loop_test(
      tags, a_tagged_reference_that_is_overwritten_during_a_cycle_is_marked, 0,
      FIXTURE_PLANS_ALL);
  tcase_add_loop_test(
      custom, custom_objects_are_sized_and_scanned_by_their_language, 0, WAYS);
  tcase_add_loop_test(custom, old_custom_objects_may_refer_to_young_ones, 0,
                      WAYS);
  tcase_add_test(custom, a_size_that_no_custom_object_has_is_refused);
  tcase_add_loop_test(owners,
                      an_instance_keeps_the_owner_of_its_class_and_its_statics,
                      0, WAYS);
  tcase_add_loop_test(
      owners, an_instance_without_slots_keeps_the_owner_of_its_class, 0, WAYS);
  tcase_add_loop_test(owners,
                      loaders_whose_instances_refer_to_each_other_die_together,
                      0, WAYS);
  tcase_add_loop_test(owners, statics_of_owners_may_refer_to_young_objects, 0,
                      WAYS);
  tcase_add_loop_test(owners,
                      instances_are_reached_through_a_chain_of_young_ephemerons,
                      0, WAYS);
  tcase_add_loop_test(
      owners, a_large_owner_and_its_statics_live_through_young_collections, 0,
      WAYS);
  tcase_add_loop_test(owners,
                      a_static_that_is_overwritten_during_a_cycle_is_marked, 0,
                      FIXTURE_PLANS_ALL);
  tcase_add_loop_test(owners, metadata_of_dead_owners_is_used_again, 0, WAYS);
  tcase_add_loop_test(
      owners, metadata_stays_readable_until_the_next_whole_collection_has_ended,
      0, WAYS);
  tcase_add_loop_test(graphs, random_graphs_of_a_language_stay_what_they_are, 0,
                      WAYS);
  tcase_add_loop_test(graphs, random_graphs_stay_under_stress, 0, 3 * WAYS);
  tcase_add_test(registering, languages_that_cannot_be_are_refused_with_a_text);
  tcase_add_test(registering, a_language_has_one_index);
  tcase_add_loop_test(registering, the_summary_tells_languages_apart, 0, WAYS);
  return fixture_main("mm_languages", cases);
}
