/* SPDX-License-Identifier: Apache-2.0 */
/* Cards as a write barrier needs to know them; see mm/barrier_inline.h. */
#ifndef MM_CARD_H
#define MM_CARD_H

enum {
  MM_CARD_LOG2 = 6,
  MM_CARD_BYTES = 1 << MM_CARD_LOG2,
};

enum mm_card {
  MM_CARD_YOUNG = 0, /* and whatever needs no barrier */
  MM_CARD_CLEAN = 1,
  MM_CARD_DIRTY = 3,
  MM_CARD_AGAIN = 4, /* a bit: see mm_card_remember */
};

#endif
