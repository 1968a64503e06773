/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visiting roots and weak tables; see roots_internal.h.  With a fault planted,
 * a filter stands between the host and the visitor.
 */
#include "config.h"

#include "mm/gc/roots_internal.h"

#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/refs/scope_internal.h"

/* Strong roots ------------------------------------------------------------- */

static void visit_all(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  heap->binding.visit_global_roots(heap->host, visitor);
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next) {
    heap->binding.visit_mutator_roots(heap->host, mutator, visitor);
    mm_scopes_visit(mutator, visitor);
    mm_locals_visit(mutator, visitor);
  }
  mm_globals_visit(heap, visitor);
  mm_pins_visit(&heap->pins, visitor);
}

struct root_filter {
  struct mm_root_visitor visitor; /* first */
  struct mm_heap *heap;
  struct mm_root_visitor *inner;
};

_Static_assert((int)MM_FAULT_ROOT_VREG == (int)MM_ROOT_VREG &&
                   (int)MM_FAULT_ROOT_PIN == (int)MM_ROOT_PIN &&
                   (int)MM_ROOT_PIN + 1 == (int)MM_ROOT_KIND_COUNT,
               "a fault for each kind of root, in the same order");

static void visit_unless_broken(struct mm_root_visitor *visitor,
                                struct mm_ref *slot, enum mm_root_kind kind)
{
  struct root_filter *filter = (struct root_filter *)visitor;
  if (!mm_breaks(filter->heap, (enum mm_fault)kind))
    filter->inner->slot(filter->inner, slot, kind);
}

void mm_roots_update(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  struct root_filter filter = {
      {visit_unless_broken, visitor->keeps_old}, heap, visitor};
  visit_all(heap,
            mm_fault_any(&heap->options.faults) ? &filter.visitor : visitor);
}

void mm_roots_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  mm_roots_update(heap, visitor);
  mm_pending_visit(heap, visitor);
}

/* Owners of classes -------------------------------------------------------- */

struct owner_visitor {
  struct mm_owner_visitor visitor; /* first: the host gets its address */
  struct mm_heap *heap;
};

static bool is_marked(struct mm_owner_visitor *visitor, struct mm_ref owner)
{
  return mm_is_marked(((struct owner_visitor *)visitor)->heap, owner);
}

/* What the cycle did not have to mark lives. */
static bool is_marked_or_new(struct mm_owner_visitor *visitor,
                             struct mm_ref owner)
{
  struct mm_heap *heap = ((struct owner_visitor *)visitor)->heap;
  return !mm_cycle_covers(heap, owner) || mm_is_marked(heap, owner);
}

void mm_owners_sweep(struct mm_heap *heap, bool by_cycle)
{
  struct owner_visitor visitor = {{by_cycle ? is_marked_or_new : is_marked},
                                  heap};
  if (heap->binding.sweep_owners)
    heap->binding.sweep_owners(heap->host, &visitor.visitor);
}

/* Weak tables -------------------------------------------------------------- */

struct weak_filter {
  struct mm_weak_visitor visitor; /* first */
  struct mm_heap *heap;
  struct mm_weak_visitor *inner;
};

static bool keep_broken(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  struct weak_filter *filter = (struct weak_filter *)visitor;
  struct mm_ref before = *slot;
  bool lives = filter->inner->keep(filter->inner, slot);
  enum mm_fault fault = lives ? MM_FAULT_WEAK_STALE : MM_FAULT_WEAK_KEPT;
  if (!mm_breaks(filter->heap, fault))
    return lives;
  *slot = before;
  return true;
}

void mm_weak_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor)
{
  struct weak_filter filter = {{keep_broken}, heap, visitor};
  struct mm_weak_visitor *filtered =
      mm_fault_any(&heap->options.faults) ? &filter.visitor : visitor;
  if (heap->binding.visit_weak)
    heap->binding.visit_weak(heap->host, filtered);
  mm_languages_visit_weak(heap, filtered);
  mm_weaks_visit(heap, filtered);
  mm_deaths_visit(heap, filtered);
  mm_ids_follow(&heap->ids, visitor);
}
