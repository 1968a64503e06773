/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two languages in one heap: the machine's objects and those of another one,
 * with tagged slots, refer to each other in cycles, which live as long as they
 * are reachable from either side, and go then.  _i chooses plan and stress.
 */
#include "config.h"

#include "mm/barrier_inline.h"
#include "mm/language.h"
#include "mm/mm_inline.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/suite.h"
#include "vm/core/object.h"

#include <stdio.h>
#include <string.h>

enum { CAR = 8, CDR = 16, RINGS = 200 };

static void cell_name(const struct mm_layout *layout, char *name,
                      size_t name_bytes)
{
  (void)layout;
  snprintf(name, name_bytes, "cell");
}

static const struct mm_language other = {
    .name = "other",
    .layout_name = cell_name,
    .tagging = {UINT64_C(0xffff000000000000), UINT64_C(0xfff6000000000000)},
};

static struct mm_layout *cell_layout;
static struct vm_class *node_class;
static uint32_t other_offset;

/* Plans ----------------------------------------------------------------------
 */

enum { PLANS = 12, STRESSES = 5, WAYS = PLANS * STRESSES };

static const char *const program =
    CORE_PRELUDE ".record Node {\n"
                 "Node next\n"
                 "panda.Object other\n"
                 "}\n"
                 ".record Held {\n"
                 "Node node <static>\n"
                 "}\n"
                 /* Hooks between which the program makes nodes of its own, and
                    moves what the hook left in Held.node one further. */
                 ".function i32 main() {\n"
                 "movi v0, 40\n"
                 "next:\n"
                 "call Test.hook\n"
                 "newobj v1, Node\n"
                 "ldstatic.obj Held.node\n"
                 "stobj.obj v1, Node.next\n"
                 "lda.obj v1\n"
                 "ststatic.obj Held.node\n"
                 "inci v0, -1\n"
                 "lda v0\n"
                 "jnez next\n"
                 "ldai 0\n"
                 "return\n"
                 "}\n";

static struct vm_options options_for(int way)
{
  struct vm_options options = machine_options();
  int plan = way % PLANS, stress = way / PLANS;
  options.mm.gc = plan % 2 ? MM_GC_CONCURRENT : MM_GC_STW;
  options.mm.generational = (enum mm_generational)(plan / 2 % 3);
  options.mm.tenured = plan / 6 ? MM_TENURED_FREELIST : MM_TENURED_REGIONS;
  options.mm.young_bytes = options.mm.generational ? 1 << 20 : 0;
  options.mm.stress_alloc = stress == 1 ? 20 : 0;
  options.mm.stress_barrier = stress == 2 ? 30 : 0;
  options.mm.stress_poll = stress == 3 ? 10 : 0;
  options.mm.stress_phase = stress == 4;
  return options;
}

static void open_machine(int way)
{
  machine_open_with(options_for(way));
  struct mm_heap *heap = machine.vm->heap;
  struct mm_error error = {""};
  unsigned index = 0;
  ck_assert_int_eq(mm_language_register(heap, &other, &index, &error), MM_OK);
  ck_assert_uint_ne(index, 0);
  cell_layout = mm_metadata_alloc(heap, sizeof *cell_layout);
  ck_assert_ptr_nonnull(cell_layout);
  *cell_layout = (struct mm_layout){.base_bytes = 24,
                                    .ref_map = 1 << CAR / 4 | 1 << CDR / 4,
                                    .language = (uint8_t)index,
                                    .flags = MM_LAYOUT_TAGGED};
  core_load("two.pa", program);
  node_class = core_class("Node");
  other_offset = core_field("Node", "other")->offset;
}

static void teardown(void)
{
  machine_close();
}

/* Objects --------------------------------------------------------------------
 */

static struct mm_mutator *mutator(void)
{
  return &machine.thread->mutator;
}

static struct mm_ref new_cell(void)
{
  struct mm_ref cell = mm_alloc_plain(mutator(), cell_layout);
  ck_assert(!mm_is_null(cell));
  return cell;
}

static struct mm_ref new_node(void)
{
  struct mm_ref node = vm_new_object(machine.thread, node_class);
  ck_assert(!mm_is_null(node));
  return node;
}

static void set_slot(struct mm_ref cell, size_t offset, uint64_t v)
{
  mm_store_tagged(mutator(), other.tagging, vm_object_at(cell, offset), v);
}

static void set_cell(struct mm_ref cell, size_t offset, struct mm_ref ref)
{
  set_slot(cell, offset, mm_tagged_value(other.tagging, ref));
}

static struct mm_ref get_cell(struct mm_ref cell, size_t offset)
{
  return mm_tagged_ref(other.tagging,
                       mm_load_tagged(vm_object_at(cell, offset)));
}

/* node.other -> cell, cell.cdr -> node.other's cell of the ring before; and
   cell.car -> node.  Both are in refs afterwards. */
static void make_ring(struct mm_ref refs[2])
{
  refs[0] = new_node();
  refs[1] = new_cell();
  vm_object_set_ref(machine.thread, refs[0], other_offset, refs[1]);
  set_cell(refs[1], CAR, refs[0]);
  set_slot(refs[1], CDR, 0x3ff8000000000000); /* 1.5 */
}

static bool is_whole(struct mm_ref node)
{
  struct mm_ref cell = vm_object_ref(node, other_offset);
  return mm_layout_of(node) == &node_class->layout &&
         mm_layout_of(cell) == cell_layout &&
         mm_same(get_cell(cell, CAR), node);
}

struct census {
  size_t nodes, cells;
};

static void count(void *context, struct mm_ref ref)
{
  struct census *census = context;
  census->nodes += mm_layout_of(ref) == &node_class->layout;
  census->cells += mm_layout_of(ref) == cell_layout;
}

/* What lives, after collections of all kinds. */
static struct census what_lives(void)
{
  struct census census = {0, 0};
  for (int i = 0; i < 8; i++)
    machine_collect();
  mm_heap_walk(machine.vm->heap, count, &census);
  return census;
}

static void check_lives(size_t nodes, size_t cells)
{
  struct census census = what_lives();
  ck_assert_uint_eq(census.nodes, nodes);
  ck_assert_uint_eq(census.cells, cells);
}

/* Tests ----------------------------------------------------------------------
 */

START_TEST(a_cycle_through_both_languages_lives_while_the_machine_holds_it)
{
  open_machine(_i);
  struct mm_ref refs[2], kept[1];
  struct mm_scope scope, other_scope;
  mm_scope_open(mutator(), &scope, refs, 2);
  mm_scope_open(mutator(), &other_scope, kept, 1);
  for (int i = 0; i < RINGS; i++) {
    make_ring(refs);
    if (i == RINGS / 2)
      kept[0] = refs[0];
  }
  refs[0] = refs[1] = MM_NULL;
  check_lives(1, 1);
  ck_assert(is_whole(kept[0]));
  kept[0] = MM_NULL;
  check_lives(0, 0);
  mm_scope_close(mutator(), &other_scope);
  mm_scope_close(mutator(), &scope);
}
END_TEST

START_TEST(a_cycle_through_both_languages_lives_while_the_other_holds_it)
{
  open_machine(_i);
  struct mm_ref refs[2], list[1];
  struct mm_scope scope, list_scope;
  mm_scope_open(mutator(), &scope, refs, 2);
  mm_scope_open(mutator(), &list_scope, list, 1);
  for (int i = 0; i < RINGS; i++) {
    make_ring(refs);
    if (i % 2 == 0) { /* in front of the list of the other language */
      struct mm_ref cell = new_cell();
      set_cell(cell, CAR, refs[1]);
      set_cell(cell, CDR, list[0]);
      list[0] = cell;
    }
  }
  refs[0] = refs[1] = MM_NULL;
  check_lives(RINGS / 2, RINGS);
  for (struct mm_ref at = list[0]; !mm_is_null(at); at = get_cell(at, CDR))
    ck_assert(is_whole(get_cell(get_cell(at, CAR), CAR)));
  list[0] = MM_NULL;
  check_lives(0, 0);
  mm_scope_close(mutator(), &list_scope);
  mm_scope_close(mutator(), &scope);
}
END_TEST

/* Called by the running program: hangs a ring on the node that it holds. */
static unsigned hooks;

static bool hang_a_ring(struct vm_thread *thread)
{
  struct mm_ref refs[2];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, refs, 2);
  for (int i = 0; i < 20; i++)
    make_ring(refs); /* the last one is hung there */
  struct vm_field *field = core_field("Held", "node");
  struct mm_ref held = field->owner->statics[field->offset].ref;
  if (!mm_is_null(held)) {
    vm_object_set_ref(thread, held, other_offset, refs[1]);
    hooks++;
  }
  mm_scope_close(&thread->mutator, &scope);
  return true;
}

START_TEST(a_program_runs_beside_objects_of_the_other_language)
{
  open_machine(_i);
  hooks = 0;
  core_hook(hang_a_ring);
  ck_assert_int_eq(core_run(), 0);
  core_hook(NULL);
  ck_assert_uint_eq(hooks, 39);
  /* 40 nodes of the program's; 39 of them hold a cell, and that its node. */
  check_lives(40 + 39, 39);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("languages");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, NULL, teardown);
  tcase_add_loop_test(
      tests, a_cycle_through_both_languages_lives_while_the_machine_holds_it, 0,
      WAYS);
  tcase_add_loop_test(
      tests, a_cycle_through_both_languages_lives_while_the_other_holds_it, 0,
      WAYS);
  tcase_add_loop_test(
      tests, a_program_runs_beside_objects_of_the_other_language, 0, WAYS);
  return suite_main("languages_vm", (TCase *[]){tests, NULL});
}
