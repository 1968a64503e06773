/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap verifier as the collector and the tests call it; mm_verify in
 * mm/mm.h is the host's way in.  All of these: world stopped or single
 * mutator, no allocation in the heap, no safepoint.
 */
#ifndef MM_HEAP_VERIFY_INTERNAL_H
#define MM_HEAP_VERIFY_INTERNAL_H

#include "mm/gc/heap_internal.h"

/*
 * Walks every region and traces from all roots, writes each fault found to
 * `out`; returns how many.  `when` is part of the report's head ("before",
 * "after").  Retires TLABs.
 */
uint64_t mm_verify_heap(struct mm_heap *heap, const char *when, FILE *out);

/*
 * Holds the mark bitmap of a marking that has just ended against a trace of
 * its own: what is reachable and not marked, marked and not reachable, or
 * marked where no object starts.  Not `exact': marked and not reachable is no
 * fault.  Headers must not have been touched yet.
 */
uint64_t mm_verify_marks(struct mm_heap *heap, bool exact, FILE *out);

#endif
