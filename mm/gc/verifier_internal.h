/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the heap verifier, which share this state: the walk
 * (heap_verify_walk.c), the trace (heap_verify.c) and the report
 * (heap_verify_report.c).
 */
#ifndef MM_VERIFIER_INTERNAL_H
#define MM_VERIFIER_INTERNAL_H

#include "mm/gc/heap_internal.h"

struct mm_verifier {
  struct mm_heap *heap;
  FILE *out;
  const char *when;
  uint64_t faults;
  uint64_t *starts;  /* a bit per granule: the walk found an object here */
  uint64_t *reached; /* the trace came here */
  uint64_t *found;   /* the cycle will; null: none marks */
  size_t words;      /* of each of the two */
  uint64_t *logged;  /* a bit per card: it is on a log; null: no generations */
  uint64_t *pairs; /* what candidates remember; see heap_verify_candidates.c */
  size_t pair_places;
  struct mm_ref *stack;
  size_t depth, capacity;
  struct mm_ref *ephemerons; /* that were met and not followed yet */
  size_t ephemeron_count, ephemeron_capacity;
  uint64_t linked, pending; /* references */
  bool is_exact; /* of marks: all that are set have to be reachable */
  bool gave_up;  /* no memory for the sets or the stack: no verdict */
};

/* Where a reference was found: a field of an object, or a root. */
struct mm_verify_edge {
  struct mm_ref holder; /* null: a root */
  uint64_t offset;
  const char *root; /* kind of root */
  const void *slot; /* its address */
  uint32_t mutator; /* its thread's id; 0: none */
  struct mm_ref value;
};

/* Report. Each call is one fault. */
void mm_verify_edge_fault(struct mm_verifier *verifier,
                          const struct mm_verify_edge *edge, const char *fault);
void mm_verify_object_fault(struct mm_verifier *verifier, uintptr_t address,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mm_verify_region_fault(struct mm_verifier *verifier, uint32_t region,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Walk: checks regions, TLABs and headers, fills `starts`. */
void mm_verify_tlabs(struct mm_verifier *verifier);
void mm_verify_walk(struct mm_verifier *verifier);

/* What is wrong with a class word as a layout, or null; never follows a
   wrong one. */
const char *mm_verify_layout_fault(const struct mm_heap *heap, uint32_t word);

/* Bytes of an object whose layout is sound; computed from scratch. */
uint64_t mm_verify_bytes(uintptr_t address);

/* While a cycle marks: will it mark all that the trace reached? */
void mm_verify_cycle(struct mm_verifier *verifier);

/* Granules of a word that a cycle has to have marked in the end, if they are
   reachable: all that stand below mark_top, and whatever is used again. */
uint64_t mm_verify_covered(const struct mm_heap *heap, size_t word);

/* Calls `compare' for each word of the mark bitmap that covers objects. */
void mm_verify_each_word(struct mm_verifier *verifier,
                         void (*compare)(struct mm_verifier *verifier,
                                         size_t word));

/* Puts an object on the verifier's stack. */
void mm_verify_push(struct mm_verifier *verifier, struct mm_ref ref);

/* The cards that candidates remember: gathers them (false: no memory), gives
   them back; does candidate number - 1 remember a card? */
bool mm_verify_candidates_open(struct mm_verifier *verifier);
void mm_verify_candidates_close(struct mm_verifier *verifier);
bool mm_verify_remembers(const struct mm_verifier *verifier, uint32_t number,
                         uint32_t card);

static inline uint64_t mm_verify_granule(const struct mm_verifier *verifier,
                                         uintptr_t address)
{
  return (address - verifier->heap->regions.base) / MM_OBJECT_ALIGN;
}

static inline bool mm_verify_has(const uint64_t *set, uint64_t granule)
{
  return set[granule / 64] >> granule % 64 & 1;
}

static inline void mm_verify_put(uint64_t *set, uint64_t granule)
{
  set[granule / 64] |= (uint64_t)1 << granule % 64;
}

#endif
