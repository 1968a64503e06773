/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: how code that must not see an address names an object.
 *
 *   63            32 31           2 1    0
 *   |    serial     |    index     | kind |      the whole word 0: null
 *
 * An index finds its slot by itself, in a directory of the heap that never
 * moves anything (mm/refs/README.md).  The serial tells whether the slot is
 * still what the handle was made for: whoever uses one that was deleted, whose
 * frame was closed, that belongs to another thread or is of another kind, or a
 * number that never was a handle, is told so.  Nothing is followed then.
 *
 *   local   of one mutator, until its frame is closed: frames are opened and
 *           closed by calls into native code, and by the native code itself
 *   global  of the heap, until it is deleted
 *   weak    the same, and keeps nothing alive: cleared when its object dies
 *
 * Who may call: unless it says otherwise, a function is called by the mutator
 * that it is given, on its own thread, *running* (not in native: the collector
 * may be at work on the slots then).  A native that is *in native* leaves it
 * around the call (mm_leave_native, mm_enter_native), or is called running.
 *
 * Safepoints: none of these functions is one.  So a reference that
 * mm_handle_get wrote is good until the next safepoint, and one that a handle
 * is made of need not be in a scope.
 *
 * The fast paths stand in mm/handle_inline.h: mm_handle_get, mm_local_new,
 * mm_local_delete, mm_frame_open, mm_frame_close.
 *
 * Sources: frames of local handles are the JNI's; kind, index and serial those
 * of ART's IndirectReferenceTable; a stack of slots that a call opens and
 * closes is a shadow stack (Henderson, Accurate Garbage Collection in an
 * Uncooperative Environment, ISMM 2002).
 */
#ifndef MM_HANDLE_H
#define MM_HANDLE_H

#include "mm/mm.h"

/* Fits a pointer: a host may hand it out as an opaque one. */
struct mm_handle {
  uint64_t bits;
};

#define MM_HANDLE_NONE ((struct mm_handle){0})

enum mm_handle_kind {
  MM_HANDLE_BAD, /* no handle, unless the whole word is 0 */
  MM_HANDLE_LOCAL,
  MM_HANDLE_GLOBAL,
  MM_HANDLE_WEAK,
  MM_HANDLE_KIND_COUNT
};

enum {
  MM_HANDLE_INDEX_SHIFT = 2,
  MM_HANDLE_INDEX_BITS = 30,
  MM_HANDLE_SERIAL_SHIFT = 32,
};

/* What came of using one. */
enum mm_handle_status {
  MM_HANDLE_OK,
  MM_HANDLE_NULL,       /* it is null */
  MM_HANDLE_CLEARED,    /* weak, and its object died */
  MM_HANDLE_MALFORMED,  /* nothing that was ever handed out */
  MM_HANDLE_STALE,      /* deleted, or its frame was closed */
  MM_HANDLE_FOREIGN,    /* a local one of another thread */
  MM_HANDLE_WRONG_KIND, /* not of the kind that the function is for */
  MM_HANDLE_UNBALANCED, /* a frame closed, or an object unpinned, that was not
                           opened or pinned */
  MM_HANDLE_LIMIT,      /* --local-handles-max and the like */
  MM_HANDLE_NO_MEMORY,
  MM_HANDLE_STATUS_COUNT
};

/* Says it in a few words: static text, for an exception or a report. */
const char *mm_handle_status_text(enum mm_handle_status status);

/* "local", "global", "weak global", or "malformed": static text. */
const char *mm_handle_kind_text(enum mm_handle_kind kind);

static inline bool mm_handle_is_null(struct mm_handle handle)
{
  return handle.bits == 0;
}

/* The kind that it says it is.  Any thread, any state. */
static inline enum mm_handle_kind mm_handle_kind(struct mm_handle handle)
{
  return (enum mm_handle_kind)(handle.bits & 3);
}

/* Natives see handles as pointers to something that is never defined. */
static inline void *mm_handle_to_pointer(struct mm_handle handle)
{
  return (void *)(uintptr_t)handle.bits;
}

static inline struct mm_handle mm_handle_of_pointer(const void *pointer)
{
  return (struct mm_handle){(uintptr_t)pointer};
}

_Static_assert(sizeof(void *) == sizeof(struct mm_handle),
               "a handle fits a pointer");

/*
 * Looking up (inline):
 *
 *   enum mm_handle_status mm_handle_get(struct mm_mutator *mutator,
 *                                       struct mm_handle handle,
 *                                       struct mm_ref *ref);
 *
 * OK: *ref is the object, until the next safepoint.  NULL and CLEARED: *ref is
 * null; a host that takes both for the value null need not tell them apart.
 * Otherwise *ref is left as it was.  Any kind; what comes out of a weak one is
 * kept alive by a cycle that marks.
 */

/* Is it good?  The same statuses.  For reports and for natives that ask. */
enum mm_handle_status mm_handle_check(struct mm_mutator *mutator,
                                      struct mm_handle handle);

/*
 * Do both name the same object, or are both null (or cleared)?  OK: *same is
 * written.  Otherwise what is wrong with the first that is wrong.
 */
enum mm_handle_status mm_handle_same(struct mm_mutator *mutator,
                                     struct mm_handle one,
                                     struct mm_handle other, bool *same);

/*
 * Local handles (inline):
 *
 *   enum mm_handle_status mm_local_new(struct mm_mutator *mutator,
 *                                      struct mm_ref ref,
 *                                      struct mm_handle *handle);
 *
 * A new one in the innermost frame.  A null reference gets the null handle,
 * status OK.  LIMIT, NO_MEMORY: *handle is null.  With no frame open it lives
 * until the mutator is detached.
 *
 *   enum mm_handle_status mm_local_delete(struct mm_mutator *mutator,
 *                                         struct mm_handle handle);
 *
 * Deletes one before its frame is closed; its slot is used again, at once if it
 * belongs to the innermost frame.  NULL: nothing happens.  WRONG_KIND: it is
 * global or weak.  MALFORMED, STALE, FOREIGN: nothing happens.
 *
 * A frame of a call, on the C stack like a scope (inline):
 *
 *   struct mm_frame frame;
 *   mm_frame_open(mutator, &frame);       cannot fail
 *   ...
 *   mm_frame_close(mutator, &frame);      all its handles are stale
 *
 * Frames close in reverse order; closing one also closes what was pushed
 * within it (mm_frame_push) and not popped.
 */

/* The state of the innermost frame, saved while an inner one is open. */
struct mm_frame {
  struct mm_locals outer;
};

/*
 * Closes a frame that mm_frame_open opened, and names one object of it in the
 * outer frame: `result', of any kind, becomes a new local handle there,
 * *escaped. The frame is closed in any case.  NULL, CLEARED: *escaped is null.
 * Other statuses of mm_handle_get and of mm_local_new: *escaped is null.  LIMIT
 * and NO_MEMORY cannot come of a local handle of the frame itself.
 */
enum mm_handle_status mm_frame_close_with(struct mm_mutator *mutator,
                                          struct mm_frame *frame,
                                          struct mm_handle result,
                                          struct mm_handle *escaped);

/*
 * Opens a frame on behalf of native code, with room for `capacity' handles (as
 * by mm_local_ensure).  LIMIT, NO_MEMORY: no frame was opened.
 */
enum mm_handle_status mm_frame_push(struct mm_mutator *mutator,
                                    uint32_t capacity);

/*
 * Closes the innermost frame, which mm_frame_push opened; `result' and
 * *escaped as with mm_frame_close_with.  UNBALANCED: the innermost one was
 * opened by a call; nothing happens.
 */
enum mm_handle_status mm_frame_pop(struct mm_mutator *mutator,
                                   struct mm_handle result,
                                   struct mm_handle *escaped);

/* Frames that were pushed within the innermost call's frame and not popped: a
   host that is strict asks before it closes that one. */
uint32_t mm_frame_pushed(const struct mm_mutator *mutator);

/* Makes room, so that the next `count' calls of mm_local_new in this frame
   succeed.  LIMIT, NO_MEMORY. */
enum mm_handle_status mm_local_ensure(struct mm_mutator *mutator,
                                      uint32_t count);

/*
 * Global handles.  Any mutator makes and deletes them, in any order.  A null
 * reference gets the null handle, status OK.  LIMIT, NO_MEMORY: *handle is
 * null.  O(1), under a short lock.
 */
enum mm_handle_status mm_global_new(struct mm_mutator *mutator,
                                    struct mm_ref ref,
                                    struct mm_handle *handle);
enum mm_handle_status mm_weak_new(struct mm_mutator *mutator, struct mm_ref ref,
                                  struct mm_handle *handle);

/*
 * NULL: nothing happens.  MALFORMED, STALE (among them: deleted twice),
 * WRONG_KIND: nothing happens.  A cleared weak handle is deleted like another:
 * OK.
 */
enum mm_handle_status mm_global_delete(struct mm_mutator *mutator,
                                       struct mm_handle handle);
enum mm_handle_status mm_weak_delete(struct mm_mutator *mutator,
                                     struct mm_handle handle);

/*
 * Names the native whose handles are made from now on, for options.
 * handle_origins; returns the name before.  The text stays where it is while it
 * is set (it is copied where it is noted).  Null: none.  No cost without the
 * option but that of storing it.  The
 * binding's `where' is then called by the mutator itself, running, where the
 * handle is made and where it is deleted.
 */
static inline const char *mm_handle_tag(struct mm_mutator *mutator,
                                        const char *tag)
{
  const char *before = mutator->handle_tag;
  mutator->handle_tag = tag;
  return before;
}

/*
 * Writes what a handle is, and what is wrong with it, always zero-terminated:
 *
 *   local handle 17 (serial 3) of thread 2
 *   global handle 5 (serial 1), deleted
 *   local handle 17 (serial 3) of thread 2, its frame was closed
 *   0x7ffc01020304: no handle
 *
 * With options.handle_origins also who made it and who deleted it.  Used by the
 * mutator, running; or mutator null, with the world stopped.
 */
void mm_handle_describe(struct mm_heap *heap, const struct mm_mutator *mutator,
                        struct mm_handle handle, char *text, size_t text_bytes);

/* How many there are. */
struct mm_handle_counts {
  uint64_t live;    /* not deleted; cleared weak ones are */
  uint64_t peak;    /* the most that were at once */
  uint64_t created; /* since the heap was made */
  uint64_t cleared; /* of the live ones, whose object died */
};

/* Of local handles `peak' is that of the mutator that had most.  World stopped,
   or single mutator, or none. */
void mm_handle_counts(struct mm_heap *heap, enum mm_handle_kind kind,
                      struct mm_handle_counts *counts);

/*
 * Writes how many global and weak handles were not deleted, how many objects
 * not unpinned, and with options.handle_origins who made those and who pinned
 * these (the last time), those with most first:
 *
 *   handles not deleted: 3 global, 1 weak global
 *     2 global: cache_put at Main.main:12
 *     ...
 *   objects not unpinned: 1
 *     1 pinned: cache_open at Main.main:20
 *
 * Writes nothing of what there is none of.  Returns how many there are.  For
 * the end of a program; no mutator runs beside it, the heap need not be
 * stopped.
 */
uint64_t mm_handles_report_leaks(struct mm_heap *heap, FILE *out);

/* Writes how many handles of each kind name objects of which class.  World
   stopped, or a single mutator and no cycle beside it. */
void mm_handles_dump(struct mm_heap *heap, FILE *out);

/*
 * Pinning: the object that a handle names stays where it is, in every plan,
 * until it is unpinned as often as it was pinned; it stays alive too.  *ref is
 * the object: its address may be used, also in native, until then.  Any
 * mutator; who pins and who unpins need not be the same, nor the handle.
 * Statuses of mm_handle_get (*ref is null for NULL and CLEARED, and nothing is
 * pinned); NO_MEMORY; LIMIT, after 2^32 - 1 times without unpinning.
 */
enum mm_handle_status mm_pin(struct mm_mutator *mutator,
                             struct mm_handle handle, struct mm_ref *ref);

/* Statuses of mm_handle_get; UNBALANCED: the object is not pinned. */
enum mm_handle_status mm_unpin(struct mm_mutator *mutator,
                               struct mm_handle handle);

/* The same for who keeps the object that mm_pin found.  Any thread that runs: a
   pause reads which objects are pinned, without a lock. */
enum mm_handle_status mm_unpin_object(struct mm_heap *heap,
                                      struct mm_ref object);

/* Objects that are pinned now.  Any thread. */
uint64_t mm_pin_count(struct mm_heap *heap);

#endif
