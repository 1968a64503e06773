/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random program beside a model of it.  Each object of the heap has a node
 * in the model with the same shape; both are changed alike; from time to time
 * the two graphs are walked together from the roots and have to agree in
 * every reference and every byte.
 *
 *   roots[i]  <->  shadow stack slot i
 *   node      <->  object: the same kind, length, references, data
 *
 * After a collection the heap has exactly as many objects as the model has
 * reachable nodes (situation 26, for a heap without generations).  Run for
 * each number of workers, by both kinds of collection, with and without
 * stress, in a heap that is tight.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mm/gc/heap_internal.h"
#include "tests/unit/mm_fixture.h"

enum { ROOTS = 40, NODES = 1 << 16, STEPS = 30000, NONE = -1 };
enum { VARIANTS = FIXTURE_PLANS_ALL * FIXTURE_WORKERS };

struct node {
  int32_t *refs; /* nodes or NONE */
  uint32_t ref_count;
  uint32_t length;
  uint64_t data_seed; /* the data is what this seed makes */
  enum fixture_kind kind;
  bool used, marked;
  struct mm_ref met; /* its object, while graphs are compared */
};

static struct fixture f;
static struct node nodes[NODES];
static int32_t unused[NODES];
static size_t unused_count;
static int32_t roots[ROOTS];
static uint64_t seed;
static int32_t stack[NODES];

static uint32_t pick(uint32_t beyond)
{
  return (uint32_t)(fixture_random(&seed) >> 16) % beyond;
}

/* The model --------------------------------------------------------------- */

static void model_open(uint64_t start)
{
  seed = start * 2654435761u + 1;
  memset(nodes, 0, sizeof nodes);
  unused_count = 0;
  for (int32_t i = 0; i < NODES; i++)
    unused[unused_count++] = i;
  for (int i = 0; i < ROOTS; i++) {
    roots[i] = NONE;
    fixture_push(&f.main, MM_NULL);
  }
}

static void model_push(int32_t *stack_of, size_t *depth, int32_t index)
{
  if (index == NONE || nodes[index].marked)
    return;
  nodes[index].marked = true;
  stack_of[(*depth)++] = index;
}

/* Frees what the roots do not reach; returns how many are left. */
static uint64_t model_collect(void)
{
  size_t depth = 0;
  uint64_t alive = 0;
  for (int i = 0; i < ROOTS; i++)
    model_push(stack, &depth, roots[i]);
  while (depth > 0) {
    struct node *node = &nodes[stack[--depth]];
    alive++;
    for (uint32_t i = 0; i < node->ref_count; i++)
      model_push(stack, &depth, node->refs[i]);
  }
  for (int32_t i = 0; i < NODES; i++) {
    struct node *node = &nodes[i];
    if (node->used && !node->marked) {
      free(node->refs);
      node->used = false;
      unused[unused_count++] = i;
    }
    node->marked = false;
  }
  return alive;
}

static void model_close(void)
{
  for (int i = 0; i < ROOTS; i++)
    roots[i] = NONE;
  ck_assert_uint_eq(model_collect(), 0);
}

static uint32_t refs_of(enum fixture_kind kind, uint32_t length)
{
  switch (kind) {
  case FIXTURE_PAIR:
    return 2;
  case FIXTURE_WIDE:
    return (FIXTURE_WIDE_BYTES / 4 - 2 + 2) / 3;
  case FIXTURE_REFS:
    return length;
  default:
    return 0;
  }
}

static size_t ref_offset(enum fixture_kind kind, uint32_t index)
{
  switch (kind) {
  case FIXTURE_PAIR:
    return FIXTURE_LEFT + 4 * index;
  case FIXTURE_WIDE:
    return 8 + 12 * (size_t)index;
  default:
    return MM_ARRAY_BASE + 4 * (size_t)index;
  }
}

/* Where the data of a kind starts; 0: it has none. */
static size_t data_offset(enum fixture_kind kind)
{
  static const size_t offsets[FIXTURE_KIND_COUNT] = {
      [FIXTURE_PAIR] = FIXTURE_VALUE,
      [FIXTURE_BYTES] = MM_ARRAY_BASE,
      [FIXTURE_LONGS] = MM_ARRAY_BASE_WIDE,
      [FIXTURE_STRING] = MM_STRING_BASE,
  };
  return offsets[kind];
}

/* The two together ------------------------------------------------------- */

static void write_data(struct mm_ref ref, enum fixture_kind kind,
                       uint64_t data_seed)
{
  size_t offset = data_offset(kind), bytes = mm_object_bytes(ref);
  for (; offset && offset < bytes; offset++)
    *fixture_data(ref, offset) = (char)(fixture_random(&data_seed) >> 24);
}

static void check_data(struct mm_ref ref, const struct node *node)
{
  size_t offset = data_offset(node->kind), bytes = mm_object_bytes(ref);
  uint64_t data_seed = node->data_seed;
  for (; offset && offset < bytes; offset++)
    if (*fixture_data(ref, offset) != (char)(fixture_random(&data_seed) >> 24))
      ck_abort_msg("data of an object was changed (seed %d)", (int)seed);
}

static struct mm_ref make_object(enum fixture_kind kind, uint32_t length)
{
  if (pick(50) == 0)
    return fixture_nonmoving(&f.main, kind, length);
  return fixture_new_or_null(&f.main, kind, length);
}

/* A new node and its object, put into root `root`. */
static void step_new(uint32_t root)
{
  if (unused_count == 0)
    return;
  enum fixture_kind kind = (enum fixture_kind)pick(FIXTURE_KIND_COUNT);
  uint32_t length = pick(100) ? pick(20) : pick(60000);
  struct mm_ref ref = make_object(kind, length);
  ck_assert(!mm_is_null(ref));
  int32_t index = unused[--unused_count];
  struct node *node = &nodes[index];
  node->used = true;
  node->kind = kind;
  node->length = length;
  node->ref_count = refs_of(kind, length);
  node->refs = malloc((node->ref_count + 1) * sizeof *node->refs);
  for (uint32_t i = 0; i < node->ref_count; i++)
    node->refs[i] = NONE;
  node->data_seed = fixture_random(&seed);
  write_data(ref, kind, node->data_seed);
  roots[root] = index;
  fixture_put(&f.main, root, ref);
}

/* Stores one root into a field of another. */
static void step_store(uint32_t into, uint32_t from)
{
  if (roots[into] == NONE || nodes[roots[into]].ref_count == 0)
    return;
  struct node *node = &nodes[roots[into]];
  uint32_t index = pick(node->ref_count);
  node->refs[index] = roots[from];
  fixture_set(fixture_at(&f.main, into), ref_offset(node->kind, index),
              fixture_at(&f.main, from));
}

/* Loads a field of one root into another. */
static void step_load(uint32_t into, uint32_t from)
{
  if (roots[from] == NONE || nodes[roots[from]].ref_count == 0)
    return;
  struct node *node = &nodes[roots[from]];
  uint32_t index = pick(node->ref_count);
  roots[into] = node->refs[index];
  fixture_put(
      &f.main, into,
      fixture_get(fixture_at(&f.main, from), ref_offset(node->kind, index)));
}

static void step_drop(uint32_t root)
{
  roots[root] = NONE;
  fixture_put(&f.main, root, MM_NULL);
}

static void step(void)
{
  uint32_t a = pick(ROOTS), b = pick(ROOTS);
  switch (pick(10)) {
  case 0:
  case 1:
  case 2:
    step_new(a);
    break;
  case 3:
  case 4:
  case 5:
  case 6:
    step_store(a, b);
    break;
  case 7:
  case 8:
    step_load(a, b);
    break;
  default:
    if (pick(8) == 0)
      step_drop(a);
    break;
  }
}

static void meet(int32_t index, struct mm_ref ref, size_t *depth)
{
  ck_assert_int_eq(index == NONE, mm_is_null(ref));
  if (index == NONE)
    return;
  struct node *node = &nodes[index];
  if (node->marked) {
    ck_assert_msg(mm_same(node->met, ref), "an object is there twice");
    return;
  }
  node->marked = true;
  node->met = ref;
  stack[(*depth)++] = index;
}

static void compare_node(struct node *node, size_t *depth)
{
  ck_assert_ptr_eq(mm_layout_of(node->met), &f.classes[node->kind]->layout);
  check_data(node->met, node);
  for (uint32_t i = 0; i < node->ref_count; i++)
    meet(node->refs[i], fixture_get(node->met, ref_offset(node->kind, i)),
         depth);
}

static void compare_graphs(void)
{
  size_t depth = 0;
  for (uint32_t i = 0; i < ROOTS; i++)
    meet(roots[i], fixture_at(&f.main, i), &depth);
  while (depth > 0)
    compare_node(&nodes[stack[--depth]], &depth);
  for (int32_t i = 0; i < NODES; i++)
    nodes[i].marked = false;
}

static void collect_and_compare(int round)
{
  fixture_collect(&f, (enum mm_collection_kind)(round % 2));
  compare_graphs();
  ck_assert_uint_eq(fixture_census(&f).objects, model_collect());
}

static void run(const struct mm_options *options, uint64_t start, int steps)
{
  fixture_open(&f, options);
  model_open(start);
  for (int i = 0; i < steps; i++) {
    step();
    if (i % 1000 == 999)
      collect_and_compare(i / 1000);
    if (unused_count == 0)
      model_collect();
  }
  compare_graphs();
  model_close();
  fixture_close(&f);
}

START_TEST(a_random_program_and_its_model_agree)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  fixture_choose_plan(&options, _i / FIXTURE_WORKERS % FIXTURE_PLANS_ALL);
  run(&options, (uint64_t)_i + 1, STEPS);
}
END_TEST

START_TEST(they_agree_in_a_tight_heap)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  fixture_choose_plan(&options, _i / FIXTURE_WORKERS % FIXTURE_PLANS_ALL);
  options.heap_max_bytes = 8 * FIXTURE_MIB;
  run(&options, (uint64_t)_i + 100, STEPS);
}
END_TEST

START_TEST(they_agree_when_each_few_allocations_collect)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  fixture_choose_plan(&options, _i / FIXTURE_WORKERS % FIXTURE_PLANS_ALL);
  options.stress_alloc = (uint64_t)(1 + 2 * (_i % FIXTURE_WORKERS));
  run(&options, (uint64_t)_i + 200, STEPS / 30);
}
END_TEST

START_TEST(they_agree_when_the_tracing_stack_overflows)
{
  struct mm_options options = fixture_options();
  options.workers = fixture_workers(_i);
  fixture_choose_plan(&options, _i / FIXTURE_WORKERS % FIXTURE_PLANS_ALL);
  fixture_open(&f, &options);
  f.heap->trace_entries_max = 16;
  model_open((uint64_t)_i + 300);
  for (int i = 0; i < STEPS / 3; i++) {
    step();
    if (i % 500 == 499)
      collect_and_compare(i / 500);
  }
  model_close();
  fixture_close(&f);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("random programs");
  tcase_add_loop_test(tests, a_random_program_and_its_model_agree, 0, VARIANTS);
  tcase_add_loop_test(tests, they_agree_in_a_tight_heap, 0, VARIANTS);
  tcase_add_loop_test(tests, they_agree_when_each_few_allocations_collect, 0,
                      3 * FIXTURE_WORKERS);
  tcase_add_loop_test(tests, they_agree_when_the_tracing_stack_overflows, 0,
                      VARIANTS);
  return fixture_main("mm_random", (TCase *[]){tests, NULL});
}
