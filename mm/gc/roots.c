/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visiting roots; see roots_internal.h.
 */
#include "config.h"

#include "mm/gc/roots_internal.h"

#include "mm/refs/scope_internal.h"

void mm_roots_visit(struct mm_heap *heap, struct mm_root_visitor *visitor)
{
  heap->binding.visit_global_roots(heap->host, visitor);
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next) {
    heap->binding.visit_mutator_roots(heap->host, mutator, visitor);
    mm_scopes_visit(mutator, visitor);
  }
}
