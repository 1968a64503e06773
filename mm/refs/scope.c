/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visiting scopes; see scope_internal.h.
 */
#include "config.h"

#include "mm/refs/scope_internal.h"

void mm_scopes_visit(struct mm_mutator *mutator,
                     struct mm_root_visitor *visitor)
{
  struct mm_scope *scope = mutator->scopes;
  for (; scope; scope = scope->outer)
    for (size_t i = 0; i < scope->count; i++)
      visitor->slot(visitor, &scope->refs[i], MM_ROOT_SCOPE);
}
