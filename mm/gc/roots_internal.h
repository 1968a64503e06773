/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All strong roots, once each: what the host has, and the scopes of the
 * mutators.  World stopped.
 */
#ifndef MM_ROOTS_INTERNAL_H
#define MM_ROOTS_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Called by one thread. */
void mm_roots_visit(struct mm_heap *heap, struct mm_root_visitor *visitor);

#endif
