/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marking: sets the mark bit of every object that the roots reach.
 */
#ifndef MM_MARK_INTERNAL_H
#define MM_MARK_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* The phases Mark and, if it is on, Verify Mark, on `active` workers, which
   count what they mark.  World stopped, mark bits of all regions in use
   clear. */
void mm_mark_phase(struct mm_heap *heap, unsigned active);

/* With MM_VERIFY_MARK: holds the marks against a trace from the roots. `exact':
   what is not reachable must not be marked either. */
void mm_mark_verify(struct mm_heap *heap, bool exact);

#endif
