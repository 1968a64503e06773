/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes: references that C code of the runtime holds across a possible
 * collection.  They are opened and closed inline (mm/mutator.h); here the
 * collector visits them.
 */
#ifndef MM_REFS_SCOPE_INTERNAL_H
#define MM_REFS_SCOPE_INTERNAL_H

#include "mm/binding.h"

/* Visits all references in the open scopes of a stopped mutator. */
void mm_scopes_visit(struct mm_mutator *mutator,
                     struct mm_root_visitor *visitor);

#endif
