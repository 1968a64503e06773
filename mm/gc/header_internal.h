/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object headers as the collector reads and writes them: 8 bytes at once,
 * class word in the low half, mark word in the high half.
 *
 * While objects are being evacuated, a mark word has two more states, told by
 * its bit 2, which no mutator ever sees:
 *
 *   forwarded   exactly MM_MARK_FORWARDED; the class word is the copy
 *   kept        the object found no room and stays: the old word with bit 2
 *               set; an unlocked one (0) becomes MARK_KEPT_UNLOCKED, which no
 *               other word can give.  The class word is untouched, and the
 *               old word can be had back without a list of saved ones.
 */
#ifndef MM_HEADER_INTERNAL_H
#define MM_HEADER_INTERNAL_H

#include "mm/object.h"

enum {
  MM_MARK_KEPT = 4, /* bit 2 */
  MM_MARK_KEPT_UNLOCKED = 1 << MM_MARK_PAYLOAD_SHIFT | MM_MARK_KEPT,
};

_Static_assert((int)MM_MARK_FORWARDED == (int)MM_MARK_KEPT,
               "one bit tells both");
_Static_assert(MM_MARK_UNLOCKED == 0, "an unlocked word has no payload");

static inline uint64_t *mm_header_at(struct mm_ref ref)
{
  return (uint64_t *)mm_address(ref);
}

static inline uint64_t mm_header_load(struct mm_ref ref)
{
  return __atomic_load_n(mm_header_at(ref), __ATOMIC_RELAXED);
}

static inline uint32_t mm_header_mark(uint64_t header)
{
  return (uint32_t)(header >> 32);
}

static inline struct mm_layout *mm_header_layout(uint64_t header)
{
  return (struct mm_layout *)(uintptr_t)(uint32_t)header;
}

/* Forwarded or kept. */
static inline bool mm_header_is_visited(uint64_t header)
{
  return mm_header_mark(header) & MM_MARK_KEPT;
}

static inline bool mm_header_is_forwarded(uint64_t header)
{
  return mm_header_mark(header) == MM_MARK_FORWARDED;
}

static inline struct mm_ref mm_header_target(uint64_t header)
{
  return (struct mm_ref){(uint32_t)header};
}

/* Where a visited object is. */
static inline struct mm_ref mm_header_place(struct mm_ref ref, uint64_t header)
{
  return mm_header_is_forwarded(header) ? mm_header_target(header) : ref;
}

static inline uint64_t mm_header_forwarding(struct mm_ref target)
{
  return (uint64_t)MM_MARK_FORWARDED << 32 | target.bits;
}

static inline uint64_t mm_header_keeping(uint64_t header)
{
  uint32_t mark = mm_header_mark(header);
  mark = mark == MM_MARK_UNLOCKED ? MM_MARK_KEPT_UNLOCKED : mark | MM_MARK_KEPT;
  return (uint64_t)mark << 32 | (uint32_t)header;
}

/* The header as it was before mm_header_keeping. */
static inline uint64_t mm_header_unkept(uint64_t header)
{
  uint32_t mark = mm_header_mark(header);
  mark = mark == MM_MARK_KEPT_UNLOCKED ? MM_MARK_UNLOCKED
                                       : mark & ~(uint32_t)MM_MARK_KEPT;
  return (uint64_t)mark << 32 | (uint32_t)header;
}

#endif
