/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the collector asks whether it is to be broken.
 *
 * The test is one load and one branch, and it stands where things are cold or
 * warm: once per root, region, run or buffer.  No fast path has one.  Where a
 * fault needs each copied object, the fast path is set up so that it is never
 * taken (mm_breaks_copies), as stress does with the limit of a TLAB.
 */
#ifndef MM_FAULTS_INTERNAL_H
#define MM_FAULTS_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Is the fault on? */
static inline bool mm_is_broken(const struct mm_heap *heap, enum mm_fault fault)
{
  return __builtin_expect(mm_fault_has(&heap->options.faults, fault), 0);
}

/* Cold half of mm_breaks: counts the chance, and says whether to take it. */
bool mm_fault_strikes(struct mm_heap *heap, enum mm_fault fault);

/* Does the fault strike here and now?  Each call is a chance. */
static inline bool mm_breaks(struct mm_heap *heap, enum mm_fault fault)
{
  return mm_is_broken(heap, fault) && mm_fault_strikes(heap, fault);
}

/* Is any fault on that needs to see each object that is copied? */
static inline bool mm_breaks_copies(const struct mm_heap *heap)
{
  return mm_is_broken(heap, MM_FAULT_FORWARD) ||
         mm_is_broken(heap, MM_FAULT_COPY_CLASS) ||
         mm_is_broken(heap, MM_FAULT_COPY_HASH);
}

/* After an object was copied from `from` to `place`: what the slot gets. */
struct mm_ref mm_fault_copied(struct mm_heap *heap, struct mm_ref from,
                              struct mm_ref place);

/* After marking: clears mark bits. */
void mm_fault_marked(struct mm_heap *heap);

/* Writes the faults that are on, for reports; nothing when there are none. */
void mm_faults_print(const struct mm_heap *heap, FILE *out);

#endif
