/* SPDX-License-Identifier: Apache-2.0 */
/* Cards as a write barrier needs to know them; see mm/barrier_inline.h. */
#ifndef MM_CARD_H
#define MM_CARD_H

#include <stdint.h>

enum {
  MM_CARD_LOG2 = 6,
  MM_CARD_BYTES = 1 << MM_CARD_LOG2,
  MM_CARD_LOG_ENTRIES = 1022, /* a log takes 4 KiB */
};

enum mm_card {
  MM_CARD_YOUNG = 0, /* and whatever needs no barrier */
  MM_CARD_CLEAN = 1,
  MM_CARD_DIRTY = 3,
  MM_CARD_AGAIN = 4, /* a bit: see mm_card_remember */
};

/* Dirty cards, by their numbers from the heap's base. */
struct mm_card_log {
  struct mm_card_log *next;
  uint32_t count;
  uint32_t cards[MM_CARD_LOG_ENTRIES];
};

#endif
