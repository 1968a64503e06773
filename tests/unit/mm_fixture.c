/* SPDX-License-Identifier: Apache-2.0 */
/* The host of the memory manager's tests; see mm_fixture.h. */
#include "config.h"

#include "tests/unit/mm_fixture.h"
#include "tests/unit/suite.h"

#include "mm/barrier_inline.h"
#include "mm/gc/cycle_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct fixture_thread *thread_of(struct mm_mutator *mutator)
{
  return (struct fixture_thread *)mutator;
}

static void visit_global_roots(void *host, struct mm_root_visitor *visitor)
{
  struct fixture *f = host;
  for (int i = 0; i < FIXTURE_GLOBALS; i++)
    visitor->slot(visitor, &f->globals[i],
                  i < FIXTURE_OF_KIND ? MM_ROOT_GLOBAL : i - FIXTURE_OF_KIND);
}

static void visit_mutator_roots(void *host, struct mm_mutator *mutator,
                                struct mm_root_visitor *visitor)
{
  struct fixture *f = host;
  struct fixture_thread *thread = thread_of(mutator);
  if (thread == &f->main && f->hide_main_stack)
    return;
  for (size_t i = 0; i < thread->top; i++)
    visitor->slot(visitor, &thread->stack[i], MM_ROOT_VREG);
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  struct fixture *f = host;
  for (size_t i = 0; i < FIXTURE_WEAK; i++) {
    if (mm_is_null(f->weak[i]) || visitor->keep(visitor, &f->weak[i]))
      continue;
    f->weak[i] = MM_NULL;
    f->weak_died++;
  }
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  (void)host;
  const struct fixture_class *class = (const struct fixture_class *)layout;
  snprintf(name, name_bytes, "%s", class->name);
}

static void where(void *host, struct mm_mutator *mutator, char *text,
                  size_t text_bytes)
{
  (void)host;
  snprintf(text, text_bytes, "root %zu", thread_of(mutator)->top);
}

const struct mm_binding fixture_binding = {
    .visit_global_roots = visit_global_roots,
    .visit_mutator_roots = visit_mutator_roots,
    .visit_weak = visit_weak,
    .layout_name = layout_name,
    .where = where,
};

struct mm_options fixture_options(void)
{
  struct mm_options options;
  mm_options_init(&options);
  options.gc = MM_GC_STW;
  options.generational = MM_GENERATIONAL_OFF;
  options.tenured = MM_TENURED_REGIONS;
  options.heap_max_bytes = 32 * FIXTURE_MIB;
  options.workers = 1;
  options.verify = FIXTURE_VERIFY;
  return options;
}

#define REFERENCE_LAYOUT(STRENGTH)                                             \
  {                                                                            \
    .base_bytes = MM_REFERENCE_LEAST_BYTES, .kind = MM_KIND_REFERENCE,         \
    .elem_log2 = (STRENGTH), .ref_map = 1 << FIXTURE_EXTRA / 4                 \
  }

static void fill_class(struct fixture_class *class, enum fixture_kind kind)
{
  static const struct {
    const char *name;
    struct mm_layout layout;
  } shapes[FIXTURE_CLASS_COUNT] = {
      [FIXTURE_PAIR] = {"Pair", {.base_bytes = 24, .ref_map = 1 << 2 | 1 << 3}},
      [FIXTURE_LEAF] = {"Leaf", {.base_bytes = 8}},
      [FIXTURE_WIDE] = {"Wide",
                        {.base_bytes = FIXTURE_WIDE_BYTES,
                         .flags = MM_LAYOUT_WIDE_MAP}},
      [FIXTURE_REFS] = {"Pair[]",
                        {.base_bytes = MM_ARRAY_BASE,
                         .kind = MM_KIND_REF_ARRAY,
                         .elem_log2 = 2}},
      [FIXTURE_BYTES] = {"i8[]",
                         {.base_bytes = MM_ARRAY_BASE,
                          .kind = MM_KIND_DATA_ARRAY}},
      [FIXTURE_LONGS] = {"i64[]",
                         {.base_bytes = MM_ARRAY_BASE_WIDE,
                          .kind = MM_KIND_DATA_ARRAY,
                          .elem_log2 = 3}},
      [FIXTURE_STRING] = {"String",
                          {.base_bytes = MM_STRING_BASE,
                           .kind = MM_KIND_STRING}},
      [FIXTURE_SOFT] = {"Soft", REFERENCE_LAYOUT(MM_STRENGTH_SOFT)},
      [FIXTURE_WEAK_REFERENCE] = {"Weak", REFERENCE_LAYOUT(MM_STRENGTH_WEAK)},
      [FIXTURE_FINAL] = {"Final", REFERENCE_LAYOUT(MM_STRENGTH_FINAL)},
      [FIXTURE_EPHEMERON] = {"Ephemeron",
                             REFERENCE_LAYOUT(MM_STRENGTH_EPHEMERON)},
      [FIXTURE_PHANTOM] = {"Phantom", REFERENCE_LAYOUT(MM_STRENGTH_PHANTOM)},
  };
  class->name = shapes[kind].name;
  class->layout = shapes[kind].layout;
  if (kind != FIXTURE_WIDE)
    return;
  for (size_t i = 2; i < FIXTURE_WIDE_BYTES / 4; i += 3)
    class->wide_ref_map[i / 64] |= (uint64_t)1 << i % 64;
  class->layout.wide_ref_map = class->wide_ref_map;
}

/* What the calling thread is attached as, for stores: one for each heap. */
enum { HEAPS_MOST = 8 };
static __thread struct mm_mutator *attached[HEAPS_MOST];

static void set_attached(const struct mm_mutator *old, struct mm_mutator *new)
{
  size_t i = 0;
  while (i < HEAPS_MOST && attached[i] != old)
    i++;
  fixture_require(i < HEAPS_MOST);
  attached[i] = new;
}

static struct mm_mutator *mutator_for(const void *slot)
{
  size_t i = 0;
  while (i < HEAPS_MOST &&
         (!attached[i] ||
          !mm_regions_contain(&attached[i]->heap->regions, (uintptr_t)slot)))
    i++;
  fixture_require(i < HEAPS_MOST);
  return attached[i];
}

void fixture_attach(struct fixture *f, struct fixture_thread *thread)
{
  memset(thread, 0, sizeof *thread);
  thread->fixture = f;
  thread->stack = calloc(FIXTURE_STACK, sizeof *thread->stack);
  ck_assert_ptr_nonnull(thread->stack);
  ck_assert_int_eq(mm_mutator_attach(f->heap, &thread->mutator), MM_OK);
  set_attached(NULL, &thread->mutator);
}

void fixture_detach(struct fixture_thread *thread)
{
  set_attached(&thread->mutator, NULL);
  mm_mutator_detach(&thread->mutator);
  free(thread->stack);
}

void fixture_open(struct fixture *f, const struct mm_options *options)
{
  struct mm_error error = {""};
  memset(f, 0, sizeof *f);
  enum mm_status status =
      mm_heap_create(options, &fixture_binding, f, &f->heap, &error);
  ck_assert_msg(status == MM_OK, "status %d: %s", status, error.text);
  for (int kind = 0; kind < FIXTURE_CLASS_COUNT; kind++) {
    f->classes[kind] = mm_metadata_alloc(f->heap, sizeof *f->classes[kind]);
    ck_assert_ptr_nonnull(f->classes[kind]);
    fill_class(f->classes[kind], kind);
  }
  fixture_attach(f, &f->main);
}

void fixture_close(struct fixture *f)
{
  fixture_detach(&f->main);
  mm_heap_destroy(f->heap);
}

static uint32_t length_word(enum fixture_kind kind, uint32_t length)
{
  return kind == FIXTURE_STRING ? length << 1 : length;
}

struct mm_ref fixture_new_or_null(struct fixture_thread *thread,
                                  enum fixture_kind kind, uint32_t length)
{
  struct mm_layout *layout = &thread->fixture->classes[kind]->layout;
  switch (layout->kind) {
  case MM_KIND_REF_ARRAY:
  case MM_KIND_DATA_ARRAY:
    return mm_alloc_array(&thread->mutator, layout, length);
  case MM_KIND_STRING:
    return mm_alloc_slow(&thread->mutator, layout, length_word(kind, length));
  default:
    return mm_alloc_plain(&thread->mutator, layout);
  }
}

static struct mm_ref not_null(struct mm_ref ref)
{
  fixture_require(!mm_is_null(ref));
  return ref;
}

struct mm_ref fixture_new(struct fixture_thread *thread, enum fixture_kind kind,
                          uint32_t length)
{
  return not_null(fixture_new_or_null(thread, kind, length));
}

struct mm_ref fixture_wide_string(struct fixture_thread *thread, uint32_t units)
{
  struct mm_layout *layout = &thread->fixture->classes[FIXTURE_STRING]->layout;
  return not_null(mm_alloc_slow(&thread->mutator, layout, units << 1 | 1));
}

struct mm_ref fixture_nonmoving(struct fixture_thread *thread,
                                enum fixture_kind kind, uint32_t length)
{
  struct mm_layout *layout = &thread->fixture->classes[kind]->layout;
  return not_null(
      mm_alloc_nonmoving(&thread->mutator, layout, length_word(kind, length)));
}

struct mm_ref fixture_pair(struct fixture_thread *thread)
{
  return fixture_new(thread, FIXTURE_PAIR, 0);
}

size_t fixture_push(struct fixture_thread *thread, struct mm_ref ref)
{
  fixture_require(thread->top < FIXTURE_STACK);
  thread->stack[thread->top] = ref;
  return thread->top++;
}

void fixture_pop(struct fixture_thread *thread, size_t count)
{
  fixture_require(count <= thread->top);
  thread->top -= count;
}

struct mm_ref fixture_at(struct fixture_thread *thread, size_t index)
{
  fixture_require(index < thread->top);
  return thread->stack[index];
}

void fixture_put(struct fixture_thread *thread, size_t index, struct mm_ref ref)
{
  fixture_require(index < thread->top);
  thread->stack[index] = ref;
}

char *fixture_data(struct mm_ref ref, size_t offset)
{
  return (char *)mm_address(ref) + offset;
}

struct mm_ref fixture_get(struct mm_ref ref, size_t offset)
{
  const uint32_t *slot = (const uint32_t *)fixture_data(ref, offset);
  return (struct mm_ref){__atomic_load_n(slot, __ATOMIC_RELAXED)};
}

void fixture_set(struct mm_ref ref, size_t offset, struct mm_ref value)
{
  char *slot = fixture_data(ref, offset);
  mm_store_ref(mutator_for(slot), slot, value);
}

struct mm_ref fixture_element(struct mm_ref array, size_t index)
{
  return fixture_get(array, MM_ARRAY_BASE + 4 * index);
}

void fixture_set_element(struct mm_ref array, size_t index, struct mm_ref value)
{
  fixture_set(array, MM_ARRAY_BASE + 4 * index, value);
}

int64_t fixture_value(struct mm_ref pair)
{
  int64_t value;
  memcpy(&value, fixture_data(pair, FIXTURE_VALUE), sizeof value);
  return value;
}

void fixture_set_value(struct mm_ref pair, int64_t value)
{
  memcpy(fixture_data(pair, FIXTURE_VALUE), &value, sizeof value);
}

size_t fixture_push_list(struct fixture_thread *thread, uint32_t length)
{
  size_t head = fixture_push(thread, MM_NULL);
  for (uint32_t i = 0; i < length; i++) {
    struct mm_ref pair = fixture_pair(thread);
    fixture_set(pair, FIXTURE_LEFT, fixture_at(thread, head));
    fixture_set_value(pair, i);
    fixture_put(thread, head, pair);
  }
  return head;
}

void fixture_check_list(struct mm_ref head, uint32_t length)
{
  for (uint32_t i = length; i-- > 0; head = fixture_get(head, FIXTURE_LEFT)) {
    fixture_require(!mm_is_null(head));
    fixture_require(fixture_value(head) == i);
  }
  fixture_require(mm_is_null(head));
}

struct mm_ref fixture_tree(struct fixture_thread *thread, unsigned depth)
{
  size_t root = fixture_push(thread, fixture_pair(thread));
  if (depth > 0) {
    struct mm_ref left = fixture_tree(thread, depth - 1);
    fixture_set(fixture_at(thread, root), FIXTURE_LEFT, left);
    struct mm_ref right = fixture_tree(thread, depth - 1);
    fixture_set(fixture_at(thread, root), FIXTURE_RIGHT, right);
  }
  struct mm_ref tree = fixture_at(thread, root);
  fixture_pop(thread, 1);
  return tree;
}

uint64_t fixture_tree_nodes(struct mm_ref tree)
{
  if (mm_is_null(tree))
    return 0;
  return 1 + fixture_tree_nodes(fixture_get(tree, FIXTURE_LEFT)) +
         fixture_tree_nodes(fixture_get(tree, FIXTURE_RIGHT));
}

void fixture_choose_plan(struct mm_options *options, int plan)
{
  options->generational = plan >= FIXTURE_PLAN_AUTO    ? MM_GENERATIONAL_AUTO
                          : plan >= FIXTURE_PLAN_YOUNG ? MM_GENERATIONAL_ON
                                                       : MM_GENERATIONAL_OFF;
  options->tenured = plan % 3 == 0 ? MM_TENURED_REGIONS : MM_TENURED_FREELIST;
  options->object_fit = plan % 3 == 1 ? MM_FIT_SLOTS : MM_FIT_FREELIST;
  options->nonmoving_fit = options->object_fit;
}

void fixture_collect(struct fixture *f, enum mm_collection_kind kind)
{
  f->heap->sizing.next_kind = kind;
  f->heap->sizing.survivor_regions = UINT32_MAX / 2;
  enum mm_cause cause =
      kind == MM_COLLECTION_YOUNG ? MM_CAUSE_ALLOCATION : MM_CAUSE_EXPLICIT;
  mm_collect(&f->main.mutator, cause);
}

void fixture_hold(struct fixture *f, enum mm_cycle_state state)
{
  __atomic_store_n(&f->heap->cycle.held, state, __ATOMIC_RELAXED);
}

void fixture_await(struct fixture *f, enum mm_cycle_state state)
{
  while (mm_cycle_state(f->heap) != state) {
    fixture_require(mm_cycle_is_active(f->heap));
    mm_poll(&f->main.mutator);
  }
  pthread_mutex_lock(&f->heap->lock);
  pthread_mutex_unlock(&f->heap->lock);
}

void fixture_start_cycle(struct fixture *f)
{
  fixture_hold(f, MM_CYCLE_MARKING);
  mm_cycle_step(&f->main.mutator);
  ck_assert(mm_cycle_marks(f->heap));
}

/* Once it is let go it may have ended before the wait begins. */
void fixture_end_cycle(struct fixture *f)
{
  ck_assert(mm_cycle_is_active(f->heap));
  fixture_hold(f, MM_CYCLE_IDLE);
  mm_cycle_wait(&f->main.mutator);
  ck_assert(!mm_cycle_marks(f->heap));
}

void fixture_run_cycle(struct fixture *f)
{
  fixture_start_cycle(f);
  fixture_end_cycle(f);
}

void fixture_collect_all_ways(struct fixture *f)
{
  mm_collect(&f->main.mutator, MM_CAUSE_ALLOCATION);
  if (f->heap->cycle.has_thread) {
    mm_cycle_wait(&f->main.mutator);
    fixture_run_cycle(f);
  }
  mm_collect(&f->main.mutator, MM_CAUSE_EXPLICIT);
  if (f->heap->options.tenured == MM_TENURED_REGIONS) {
    fixture_collect(f, MM_COLLECTION_EVACUATE);
    fixture_collect(f, MM_COLLECTION_COMPACT);
  }
}

uint64_t fixture_pauses(const struct fixture *f, enum mm_collection_kind kind)
{
  return f->heap->stat.pauses[kind].count;
}

uint64_t fixture_verify(struct fixture *f)
{
  mm_cycle_wait(&f->main.mutator);
  return mm_verify(f->heap);
}

uint64_t fixture_resident_bytes(const struct fixture *f)
{
  static unsigned char pages[(32 * FIXTURE_MIB) / 4096];
  uint64_t bytes = (uint64_t)f->heap->regions.open_to * FIXTURE_REGION_BYTES;
  uint64_t count = 0;
  ck_assert_int_eq(mincore((void *)f->heap->regions.base, bytes, pages), 0);
  for (uint64_t i = 0; i < bytes / 4096; i++)
    count += pages[i] & 1;
  return count * 4096;
}

static void count_object(void *context, struct mm_ref ref)
{
  struct fixture_census *census = context;
  census->objects++;
  census->bytes += mm_object_bytes(ref);
}

struct fixture_census fixture_census(struct fixture *f)
{
  struct fixture_census census = {0, 0};
  mm_heap_walk(f->heap, count_object, &census);
  return census;
}

void fixture_text_open(struct fixture_text *text)
{
  memset(text, 0, sizeof *text);
  text->out = open_memstream(&text->text, &text->bytes);
  ck_assert_ptr_nonnull(text->out);
}

const char *fixture_text_read(struct fixture_text *text)
{
  fflush(text->out);
  return text->text;
}

void fixture_text_close(struct fixture_text *text)
{
  fclose(text->out);
  free(text->text);
}

uint64_t fixture_random(uint64_t *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

void fixture_add_death(TCase *tests, const TTest *test, int signal, int status,
                       int first, int beyond)
{
#ifdef BAMBOO_TSAN
  (void)tests, (void)test, (void)signal, (void)status, (void)first;
  (void)beyond;
#else
  if (signal)
    tcase_add_loop_test_raise_signal(tests, test, signal, first, beyond);
  else
    tcase_add_loop_exit_test(tests, test, status, first, beyond);
#endif
}

int fixture_main(const char *name, TCase *cases[])
{
  for (size_t i = 0; cases[i]; i++)
    tcase_set_timeout(cases[i], 120);
#ifdef BAMBOO_TSAN
  return suite_main_forked(name, cases, CK_NOFORK);
#else
  return suite_main(name, cases);
#endif
}
