/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pinned objects: a table of those that stay where they are, and how often each
 * was pinned.
 *
 * Keys are places, and a pinned object does not move, so the table never has to
 * be made anew by a collection.  Open addressing with linear probing, at most
 * half full; an entry is taken out by moving back those that probed past it
 * (Knuth, "The Art of Computer Programming" 3, 6.4, algorithm R).
 *
 * Note [Pinned objects]
 *
 * A pinned object is a root, and stays:
 *
 *   evacuation   before it begins, each pinned object in from-space is kept, as
 *                one that found no room is (evacuate.c): the others of its
 *                region are copied, and the region becomes an ordinary one
 *                again, old if there are generations, with the dead buried
 *   compaction   a region with pinned objects takes no part: nothing slides out
 *                of it or into it, and its dead are buried
 *   candidates   such a region is none; one that was pinned since it became
 *                one is none any more
 *   the rest     does not move anything
 *
 * region.pins counts the pinned objects of a region.  It costs a region until
 * they are unpinned and the region is collected again.
 *
 * Guarded by handles.lock; with the world stopped, by nobody.
 */
#ifndef MM_REFS_PINS_INTERNAL_H
#define MM_REFS_PINS_INTERNAL_H

#include "mm/binding.h"

struct mm_pin_entry {
  struct mm_ref ref;   /* null: free */
  struct mm_ref place; /* what it was when it was pinned, for the verifier */
  uint32_t count;
  struct mm_origin *origin; /* who pinned it last; null: not known */
};

struct mm_pins {
  struct mm_pin_entry *entries;
  uint32_t capacity; /* a power of 2, or 0 */
  uint32_t count;    /* atomic; objects */
  uint32_t peak;
  uint64_t created; /* times that objects were pinned */
};

void mm_pins_destroy(struct mm_pins *pins);

/* World stopped. */
void mm_pins_visit(struct mm_pins *pins, struct mm_root_visitor *visitor);

/* Null: it is not pinned. */
struct mm_pin_entry *mm_pins_find(const struct mm_pins *pins,
                                  struct mm_ref ref);

#endif
