/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All strong roots, once each: what the host has, the scopes and local handles
 * of the mutators, global handles, pinned objects; and all weak tables: those
 * of the host, weak handles, and the ids of objects. World stopped.  Called by
 * one thread.
 */
#ifndef MM_ROOTS_INTERNAL_H
#define MM_ROOTS_INTERNAL_H

#include "mm/gc/heap_internal.h"

void mm_roots_visit(struct mm_heap *heap, struct mm_root_visitor *visitor);

/* Once everything that the strong roots reach has been found. */
void mm_weak_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor);

#endif
