/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Languages: what a heap has to know of one whose objects are not all plain.
 *
 * Several languages may share a heap, and their objects point at each other:
 * a layout says which language it is of (mm_layout.language), so nobody needs
 * to know of the others.  Index 0 stands for a host without hooks; its objects
 * are plain, arrays and strings.
 *
 *   static const struct mm_language lisp = {
 *     .name = "lisp", .tagging = {0xffffffff00000000, 0xfffc000000000000},
 *   };
 *   unsigned index;
 *   mm_language_register(heap, &lisp, &index, &error);
 *   layout->language = (uint8_t)index;
 *   layout->flags |= MM_LAYOUT_TAGGED;
 *
 * Tagged slots (see mm/object.h) stand in plain objects with
 * MM_LAYOUT_TAGGED, in arrays of kind MM_KIND_TAGGED_ARRAY, and in custom
 * objects.  What stores to them is mm_store_tagged (mm/barrier_inline.h).
 *
 * Custom objects (MM_KIND_CUSTOM) are sized and scanned by the language, in C.
 * They cost a call each, so they are for what is rare or odd.
 *
 * Note [Owners of classes]
 *
 * With MM_LAYOUT_OWNED, an instance refers to the `owner' of its layout, as if
 * each had a field for it: a loader, a module, an image.  The owner stays as
 * long as one instance does, and so does what it refers to itself; it is an
 * object that does not move, and most likely a custom one, whose `scan'
 * visits what its classes hold: statics, mirrors, constants.
 *
 * Slots that an owner has outside of the heap:
 *
 * - Only an object that does not move may have any.
 * - No card stands for them.  A collection that takes all old objects for live
 *   ones (mm_root_visitor.keeps_old) does not scan them either.  The host
 *   visits them as roots then, those of dead owners too; and as no roots, each
 *   just once by the scan of its owner, in all other collections.
 * - A cycle may scan them beside the program: what overwrites one calls
 *   mm_barrier_before first (or mm_barrier_old, where it exchanges).
 *
 * While a cycle marks, whoever gets an owner (or a class of it) from where no
 * reference leads, a table by name, say, calls mm_barrier_keep with the owner.
 *
 * The end of one: the host's sweep_owners (mm/binding.h) is called in each
 * collection of the whole heap, once it is known what lives.  The host asks for
 * each of its owners, and takes dead ones and their classes out of its tables.
 * No instance of theirs is alive, and none will be; but dead ones may still lie
 * around, and sweeping reads their sizes.  So the layouts, and whatever `size'
 * and `scan' read, stay as they are until the next collection of the whole
 * heap has ended.  mm_metadata_arena_destroy sees to that: memory of such an
 * arena is readable that long (Note [Late metadata] in
 * mm/space/metadata_arenas.c).  What
 * neither of them reads may go at once.
 *
 * Note [Deaths]
 *
 * An object may stand for something that is not in the heap: a file, a thread,
 * memory of a library.  The language watches it (mm_language_watch), and is
 * told when it has died, so that it can give that back (GHC calls these C
 * finalizers, CRuby a type's dfree).  The object is gone by then; what comes
 * back is a word that was given for it, a pointer to the host's record, say.
 * Nothing is resurrected, and nothing can be: an object that has to be looked
 * at once more gets a final reference (mm/reference.h) instead, and while that
 * keeps it, it has not died.
 *
 * When: after the collection that found the object dead, which is any kind of
 * it; with generations, a young collection for a young object.  Beside the
 * program, on a thread of the heap's own that no pause waits for, and that
 * waits for none; or on the thread of who calls mm_language_tell_deaths.  One
 * call at a time in a heap, each with up to MM_DEATHS_MOST deaths, in no order:
 * of objects that refer to each other and die together, any may be the first.
 * The end of the heap (mm_heap_destroy) is the death of all that are left, told
 * on the thread that destroys it; between mm_heap_quit and that, there is no
 * other.
 *
 * What is told may lock what it likes, and block: nobody waits for it but
 * mm_language_tell_deaths.  It calls nothing of the heap: it is no mutator.
 */
#ifndef MM_LANGUAGE_H
#define MM_LANGUAGE_H

#include "mm/mm.h"
#include "mm/reference.h"

enum { MM_DEATHS_MOST = 64 };

/* Handed to mm_language.scan, which calls these for each slot of the object;
   a slot may be rewritten.  Null, and what is no reference, is allowed. */
struct mm_slot_visitor {
  void (*slot)(struct mm_slot_visitor *visitor, struct mm_ref *slot);
  void (*tagged)(struct mm_slot_visitor *visitor, uint64_t *slot);
  /* Only slots in [start, end) are wanted; others are passed over.  For a
     large object it pays to look. */
  uintptr_t start, end;
};

/*
 * What a language brings along; stays valid and unchanged until the heap is
 * destroyed.  The functions, but for `died', are called with the world stopped
 * or, with gc=concurrent, beside mutators, by any thread.  They do not
 * allocate, do not lock, do not follow references, and read of the object only
 * what does not change while it lives (slots are read by the visitor); they may
 * be called for objects that are dead.
 */
struct mm_language {
  const char *name; /* for reports: one word */
  /* Writes the name of a class of this language, for reports; always
     zero-terminated.  Null: the host's binding knows it. */
  void (*layout_name)(const struct mm_layout *layout, char *name,
                      size_t name_bytes);
  /* The mask leaves out the low 32 bits.  All 0: no tagged slots. */
  struct mm_tagging tagging;
  /* Bytes of a custom object, a multiple of 8, at least 16.  Of a new one, all
     is zero but the header and the length word, which holds the bytes that were
     asked for.  Null: the length word is the size. */
  uint64_t (*size)(const void *object, const struct mm_layout *layout);
  /* Visits all slots of a custom object.  Null: it has none. */
  void (*scan)(void *object, const struct mm_layout *layout,
               struct mm_slot_visitor *visitor);
  /* Visits the weak tables of the language, its string table among them: what
     mm_binding.visit_weak is to the host, whose `host' it gets as well, and by
     the same rules: world stopped, each entry once, without what died
     afterwards.  Null: it has none. */
  void (*visit_weak)(void *host, struct mm_weak_visitor *visitor);
  /* Which of the references of mm/reference.h it has: 1 << enum mm_strength.
     Those that become pending are for mm_language_take_pending.  A host without
     a language has all kinds. */
  unsigned reference_kinds;
  /* Objects of the language that were watched have died; their words.
     See Note [Deaths].  Null: none can be watched. */
  void (*died)(void *host, const uint64_t *words, size_t count);
};

/*
 * Makes a language known to a heap; *index is what its layouts are to hold.
 * The same struct gets the same index, in all heaps of the process.  Errors:
 * MM_BAD_OPTION (the tagging, the name, the kinds), MM_NO_MEMORY (255 languages
 * are all that layouts can tell apart; or there is none for `died'),
 * MM_OS_FAILED (the thread that calls `died' cannot be started).
 */
enum mm_status mm_language_register(struct mm_heap *heap,
                                    const struct mm_language *language,
                                    unsigned *index, struct mm_error *error);

/* The name of a layout's language; "host" for index 0. */
const char *mm_language_name(const struct mm_layout *layout);

/*
 * What mm_references_take_pending and mm_references_are_pending are to the host
 * (index 0): those whose layouts are of this language.  Each language has a
 * queue, and none gets another's; mm_binding.references_pending tells the host
 * of all.  O(1) each, but that who comes first sorts what the collector found.
 * Whether there are any is a hint: they may be another's.
 */
struct mm_ref mm_language_take_pending(struct mm_mutator *mutator,
                                       unsigned language,
                                       struct mm_ref *referent);
bool mm_language_has_pending(const struct mm_heap *heap, unsigned language);

/*
 * `died' will be called with `word', once, when the object has died.  A second
 * watch of an object is one more.  MM_NO_MEMORY: the object is not watched;
 * MM_UNSUPPORTED: its language has no `died'.  Running mutator; no safepoint.
 * O(1), and each collection that finds out whether the object lives pays for a
 * look at it.
 */
enum mm_status mm_language_watch(struct mm_mutator *mutator,
                                 struct mm_ref object, uint64_t word);

/*
 * Returns when all deaths that collections have found until now are told: the
 * caller helps to tell.  For hosts that run short of what objects stand for,
 * and have collected.  Running mutator, outside of `died'; in native meanwhile,
 * so a safepoint.
 */
void mm_language_tell_deaths(struct mm_mutator *mutator);

#endif
