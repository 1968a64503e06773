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

enum { MM_FAULT_WORDS = (MM_FAULT_COUNT + 63) / 64 };

/* Fault i is bit i % 64 of word i / 64. */
struct mm_fault_set {
  uint64_t words[MM_FAULT_WORDS];
};

static inline void mm_fault_add(struct mm_fault_set *set, enum mm_fault fault)
{
  set->words[fault / 64] |= (uint64_t)1 << fault % 64;
}

static inline struct mm_fault_set mm_fault_only(enum mm_fault fault)
{
  struct mm_fault_set set = {{0}};
  mm_fault_add(&set, fault);
  return set;
}

static inline bool mm_fault_has(const struct mm_fault_set *set,
                                enum mm_fault fault)
{
  return set->words[fault / 64] >> fault % 64 & 1;
}

/* Is there any in the set? */
static inline bool mm_fault_any(const struct mm_fault_set *set)
{
  uint64_t all = 0;
  for (int i = 0; i < MM_FAULT_WORDS; i++)
    all |= set->words[i];
  return all != 0;
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
