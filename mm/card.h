/* SPDX-License-Identifier: Apache-2.0 */
/* Cards as a write barrier needs to know them; see mm/barrier_inline.h. */
#ifndef MM_CARD_H
#define MM_CARD_H

/* Regions of 128 KiB, references to 8 bytes. */
enum { MM_TRACE_LOG2 = 14 };

enum {
  MM_CARD_LOG2 = 6,
  MM_CARD_BYTES = 1 << MM_CARD_LOG2,
};

/* Bytes of the card table; only CLEAN and ONE, as signed bytes, are above 0. */
enum mm_card {
  MM_CARD_YOUNG = 0, /* and whatever needs no barrier */
  MM_CARD_CLEAN = 0x20,
  MM_CARD_ONE = 0x30, /* and which of the card's slots, 0 .. 15 */
  MM_CARD_DIRTY = 0xa0,
  MM_CARD_AGAIN = 0x40, /* a bit: see mm_card_remember */
};

/* Does the barrier have to look closer? */
static inline int mm_card_is_watched(unsigned char card)
{
  return (signed char)card > 0;
}

#endif
