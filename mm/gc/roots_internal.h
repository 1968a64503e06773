/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All strong roots, once each: what the host has, the scopes and local handles
 * of the mutators, global handles, pinned objects, and references that are
 * pending (of which the visitor gets copies: pending.c); and all weak tables:
 * those of the host, weak handles, objects whose deaths are to be told, and the
 * ids of objects.
 * World stopped.  Called by one thread.
 */
#ifndef MM_ROOTS_INTERNAL_H
#define MM_ROOTS_INTERNAL_H

#include "mm/gc/heap_internal.h"

void mm_roots_visit(struct mm_heap *heap, struct mm_root_visitor *visitor);

/* The same but for pending references: to bring slots up to date. */
void mm_roots_update(struct mm_heap *heap, struct mm_root_visitor *visitor);

/* Once everything that the strong roots reach has been found. */
void mm_weak_visit(struct mm_heap *heap, struct mm_weak_visitor *visitor);

/* After the weak tables, in a collection of the whole heap; mark bits of what
   does not move are valid.  `by_cycle': what came to be meanwhile lives. */
void mm_owners_sweep(struct mm_heap *heap, bool by_cycle);

#endif
