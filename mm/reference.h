/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that the collector looks at: soft, weak, final, phantom ones, and
 * ephemerons (Hayes, "Ephemerons: a new finalization mechanism", 1997).
 *
 *   object     +0   header
 *              +8   referent; of an ephemeron: its key
 *              +12  an ephemeron's value; when a soft one was last used; of a
 *                   weak one, the collector's
 *              +16  link: the collector's, between collections 0 unless the
 *                   reference is pending
 *              +20  the host's own fields, references as in ref_map; with
 *                   MM_LAYOUT_ASKS_WHOM the first one is a reference, and if
 *                   it is null, nobody wants to know that the referent died
 *
 * The layout is of kind MM_KIND_REFERENCE; what stands for the width of
 * elements in others (elem_log2) says how strong it is.  Referent, value and
 * link are not in ref_map.
 *
 *                      cleared when its object is reached from nothing but
 *   soft               soft and weaker references, and memory is short, or it
 *                      was not used for long; before memory is refused: all
 *   weak               weak and weaker ones
 *   final              is not: its object is finalizable then, kept alive by
 *                      the reference, and all that it refers to with it
 *   ephemeron          weak and weaker ones, and not from a finalizable object;
 *                      the value is reached as long as key and ephemeron are
 *   phantom            phantom ones, and not from a finalizable object
 *
 * What was cleared, and finals that fired, are then pending until the host
 * takes them, once each; those of a language have a queue of their own
 * (mm_language_take_pending in mm/language.h).  A reference that is not reached
 * itself is none: it dies, and with it what it was to tell.
 *
 * All functions are a running mutator's, and none is a safepoint.
 */
#ifndef MM_REFERENCE_H
#define MM_REFERENCE_H

#include "mm/mutator.h"

enum {
  MM_REFERENCE_REFERENT_OFFSET = 8,
  MM_REFERENCE_VALUE_OFFSET = 12, /* on the same card */
  MM_REFERENCE_LINK_OFFSET = 16,
  MM_REFERENCE_FIELDS_OFFSET = 20, /* the host's begin here */
  MM_REFERENCE_LEAST_BYTES = 24,
};

/* In the order in which they are processed. */
enum mm_strength {
  MM_STRENGTH_SOFT,
  MM_STRENGTH_WEAK,
  MM_STRENGTH_FINAL,
  MM_STRENGTH_EPHEMERON,
  MM_STRENGTH_PHANTOM,
  MM_STRENGTH_COUNT
};

static inline enum mm_strength
mm_reference_strength(const struct mm_layout *layout)
{
  return (enum mm_strength)layout->elem_log2;
}

/* Gives a new reference its referent, once.  Null is allowed.  Ends the process
   when the layout's language has no references of the kind. */
void mm_reference_init(struct mm_mutator *mutator, struct mm_ref reference,
                       struct mm_ref referent);

/* The referent, or null once it was cleared.  What is returned is reached as
   of now. */
struct mm_ref mm_reference_get(struct mm_mutator *mutator,
                               struct mm_ref reference);

/* Is this (or null) the referent?  Does not make it reached, nor used. */
bool mm_reference_refers_to(struct mm_mutator *mutator, struct mm_ref reference,
                            struct mm_ref object);

/* Forgets the referent, and an ephemeron's value; the reference will not become
   pending on its own. */
void mm_reference_clear(struct mm_mutator *mutator, struct mm_ref reference);

/* The value of an ephemeron.  Whoever asks has the key. */
struct mm_ref mm_ephemeron_value(struct mm_mutator *mutator,
                                 struct mm_ref ephemeron);
void mm_ephemeron_set_value(struct mm_mutator *mutator, struct mm_ref ephemeron,
                            struct mm_ref value);

/* Are there any to be taken?  Any thread, at any time; a hint. */
bool mm_references_are_pending(const struct mm_heap *heap);

/*
 * Takes the next pending reference of no language; null: there is none.
 * `referent' is that of a final reference, which has it no more, and null for
 * all others.
 */
struct mm_ref mm_references_take_pending(struct mm_mutator *mutator,
                                         struct mm_ref *referent);

/* How many the collector discovered, and cleared (of finals: fired), since the
   heap was made. */
struct mm_reference_counts {
  uint64_t found[MM_STRENGTH_COUNT], cleared[MM_STRENGTH_COUNT];
};
void mm_reference_count(const struct mm_heap *heap,
                        struct mm_reference_counts *counts);

#endif
