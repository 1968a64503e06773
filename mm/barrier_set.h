/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which barriers stores and loads of references need in a heap, for compilers
 * that emit them.  They do what mm/barrier_inline.h says, from the same
 * operands; where a barrier is off, the plan of the heap never needs it.
 */
#ifndef MM_BARRIER_SET_H
#define MM_BARRIER_SET_H

#include <stdbool.h>
#include <stdint.h>

struct mm_heap;

struct mm_barrier_set {
  /* Before a store: if the word at marking_offset in the mutator is not 0, call
     mm_barrier_before; or, if it is `notes' and the pointers at at_offset and
     end_offset differ, store the reference that is in the slot, null as well,
     where the first one points, and let that point to the next word. */
  struct {
    bool is_on;
    uint32_t marking_offset;
    uint32_t notes;
    uint32_t at_offset, end_offset;
  } before;
  /* After a store in `slot`: call mm_barrier_after, if
       the word at heeding_offset in the mutator is not 0 (always, unless
         `rests': then it is 0 for long), and
       the signed byte at [mutator + cards_offset] + (slot >> card_log2) is
         above 0, and
       the value is not null, and
       the byte at [mutator + traces_offset] + (value >> trace_log2) is not 0.
     The card had better come first where the word is heeds_cards, and last
     where it is anything else. */
  struct {
    bool is_on, rests;
    uint32_t heeding_offset;
    uint32_t heeds_cards;
    uint32_t cards_offset;
    uint32_t card_log2;
    uint32_t traces_offset;
    uint32_t trace_log2;
  } after;
  /* After a load: no plan of today has one. */
  struct {
    bool is_on;
  } load;
};

/* Valid as long as the heap.  Never a safepoint. */
struct mm_barrier_set mm_barrier_set_of(const struct mm_heap *heap);

#endif
