/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted faults: the set in mm_options.faults says which of them are on.
 * For tests of what is to find them; a heap with a fault is broken for good.
 */
#ifndef MM_GC_FAULTS_H
#define MM_GC_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct mm_heap;

enum mm_fault {
#define MM_FAULT(NAME, key, every, text) MM_FAULT_##NAME,
#include "mm/gc/faults.def"
  MM_FAULT_COUNT
};

_Static_assert(MM_FAULT_COUNT <= 64, "a set of faults is one word");

/* The set of one fault. */
static inline uint64_t mm_fault_bit(enum mm_fault fault)
{
  return (uint64_t)1 << fault;
}

/* Does it break compiled code, and nothing where there is none? */
static inline bool mm_fault_is_compilers(enum mm_fault fault)
{
  return fault >= MM_FAULT_JIT_SPILL;
}

/* Is it on, and does it strike now?  Counts a chance.  For what the host
   breaks. */
bool mm_fault_is_due(struct mm_heap *heap, enum mm_fault fault);

/* As --break names it, and what it leaves out.  Static text. */
const char *mm_fault_name(enum mm_fault fault);
const char *mm_fault_text(enum mm_fault fault);

#endif
