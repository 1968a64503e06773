/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast paths of handles; what they promise stands in mm/handle.h.
 *
 *   index   | chunk: 22 bits     | slot: 8 bits |
 *             11 bits | 11 bits
 *                |         `- in a leaf of the directory: the chunk
 *                `- in the directory's root: the leaf
 *
 * A slot is one 64-bit word: the reference in its low half, its serial in the
 * high one, so that one load gets a pair that belongs together while another
 * thread deletes the handle.  A serial is odd while the slot is in use and
 * even while it is free; both ways it grows, so no serial of a slot comes again
 * before 2^31 uses.  (A handle that is kept for so long is taken for a good
 * one.)
 *
 * Closing a frame changes no slot: those at and above the top are stale because
 * they are there, and get a new serial when they are used again.
 *
 * Chunks are never freed while the heap is, so that a look-up takes no lock;
 * whose a chunk is may change, with `owner'.
 */
#ifndef MM_HANDLE_INLINE_H
#define MM_HANDLE_INLINE_H

#include "mm/barrier_inline.h"
#include "mm/handle.h"

enum {
  MM_HANDLE_SLOT_LOG2 = 8,
  MM_HANDLE_CHUNK_SLOTS = 1 << MM_HANDLE_SLOT_LOG2,
  MM_HANDLE_LEAF_LOG2 = 11,
  MM_HANDLE_LEAF_CHUNKS = 1 << MM_HANDLE_LEAF_LOG2,
  MM_HANDLE_ROOT_LOG2 =
      MM_HANDLE_INDEX_BITS - MM_HANDLE_SLOT_LOG2 - MM_HANDLE_LEAF_LOG2,
  MM_HANDLE_ROOT_LEAVES = 1 << MM_HANDLE_ROOT_LOG2,
};

struct mm_handle_slot {
  struct mm_ref ref; /* in use: null if cleared.  Free: index of the next free
                        one, and 1 more; 0: none */
  uint32_t serial;
};

_Static_assert(sizeof(struct mm_handle_slot) == 8, "one load gets a slot");

/* Whose a chunk is, when it is no mutator's (whose address it is then). */
enum {
  MM_HANDLES_UNUSED, /* in the pool */
  MM_HANDLES_GLOBAL, /* in the order of enum mm_handle_kind */
  MM_HANDLES_WEAK,
};

struct mm_handle_notes;

struct mm_handle_chunk {
  uintptr_t owner;  /* atomic */
  uint32_t number;  /* of all chunks of the heap */
  uint32_t ordinal; /* local: of those of the mutator */
  uint32_t live;    /* global, weak: slots in use */
  uint8_t kinds;    /* atomic; a bit per kind that it ever served */
  bool has_young;   /* global, weak: on the list of those that may hold a young
                       object */
  struct mm_handle_chunk *next, *next_young; /* of the owner */
  struct mm_handle_notes *notes;             /* with options.handle_origins */
  struct mm_handle_slot slots[MM_HANDLE_CHUNK_SLOTS]
      __attribute__((aligned(8)));
};

/* The slow halves. */
enum mm_handle_status mm_handle_explain(struct mm_mutator *mutator,
                                        struct mm_handle handle,
                                        struct mm_ref *ref);
enum mm_handle_status mm_local_new_slow(struct mm_mutator *mutator,
                                        struct mm_ref ref,
                                        struct mm_handle *handle);
enum mm_handle_status mm_local_delete_slow(struct mm_mutator *mutator,
                                           struct mm_handle handle);
void mm_frame_open_slow(struct mm_mutator *mutator);
void mm_frame_close_slow(struct mm_mutator *mutator, struct mm_frame *frame);

static inline uint32_t mm_handle_index(struct mm_handle handle)
{
  return (uint32_t)handle.bits >> MM_HANDLE_INDEX_SHIFT;
}

static inline uint32_t mm_handle_serial(struct mm_handle handle)
{
  return (uint32_t)(handle.bits >> MM_HANDLE_SERIAL_SHIFT);
}

static inline struct mm_handle mm_handle_make(enum mm_handle_kind kind,
                                              uint32_t index, uint32_t serial)
{
  uint64_t bits = (uint64_t)serial << MM_HANDLE_SERIAL_SHIFT;
  return (struct mm_handle){bits | index << MM_HANDLE_INDEX_SHIFT |
                            (uint32_t)kind};
}

/* The chunk that a slot of this index lies in; null: there is none. */
static inline struct mm_handle_chunk *
mm_handle_chunk_of(struct mm_handle_chunk ***directory, uint32_t index)
{
  uint32_t number = index >> MM_HANDLE_SLOT_LOG2;
  struct mm_handle_chunk **leaf = __atomic_load_n(
      &directory[number >> MM_HANDLE_LEAF_LOG2], __ATOMIC_ACQUIRE);
  if (__builtin_expect(!leaf, 0))
    return NULL;
  return __atomic_load_n(&leaf[number & (MM_HANDLE_LEAF_CHUNKS - 1)],
                         __ATOMIC_ACQUIRE);
}

static inline struct mm_handle_slot *
mm_handle_slot_of(struct mm_handle_chunk *chunk, uint32_t index)
{
  return &chunk->slots[index & (MM_HANDLE_CHUNK_SLOTS - 1)];
}

/* Both halves of a slot. */
static inline struct mm_handle_slot
mm_handle_slot_load(const struct mm_handle_slot *slot)
{
  union {
    uint64_t word;
    struct mm_handle_slot slot;
  } both = {__atomic_load_n((const uint64_t __attribute__((may_alias)) *)slot,
                            __ATOMIC_RELAXED)};
  return both.slot;
}

static inline void mm_handle_slot_store(struct mm_handle_slot *slot,
                                        struct mm_ref ref, uint32_t serial)
{
  union {
    struct mm_handle_slot slot;
    uint64_t word;
  } both = {{ref, serial}};
  __atomic_store_n((uint64_t __attribute__((may_alias)) *)slot, both.word,
                   __ATOMIC_RELAXED);
}

/* The next serial of a slot that gets into use. */
static inline uint32_t mm_handle_next_serial(uint32_t serial)
{
  return (serial + 1) | 1;
}

/* Is a slot of the mutator's own below the top? */
static inline bool mm_local_is_open(const struct mm_locals *locals,
                                    const struct mm_handle_chunk *chunk,
                                    const struct mm_handle_slot *slot)
{
  return chunk == locals->chunk
             ? slot < locals->next
             : locals->chunk && chunk->ordinal < locals->chunk->ordinal;
}

/* See mm/handle.h. */
static inline enum mm_handle_status mm_handle_get(struct mm_mutator *mutator,
                                                  struct mm_handle handle,
                                                  struct mm_ref *ref)
{
  uint32_t index = mm_handle_index(handle);
  enum mm_handle_kind kind = mm_handle_kind(handle);
  struct mm_handle_chunk *chunk = mutator->locals.chunk;
  /* Most are local and new: then the way through the directory, where each load
     waits for the one before, is spared. */
  if (__builtin_expect(kind == MM_HANDLE_LOCAL && chunk &&
                           chunk->number == index >> MM_HANDLE_SLOT_LOG2,
                       1)) {
    const struct mm_handle_slot *mine = mm_handle_slot_of(chunk, index);
    if (__builtin_expect(mine >= mutator->locals.next ||
                             mine->serial != mm_handle_serial(handle),
                         0))
      return mm_handle_explain(mutator, handle, ref);
    *ref = mine->ref;
    return MM_HANDLE_OK;
  }
  chunk = mm_handle_chunk_of(mutator->handle_directory, index);
  if (__builtin_expect(!chunk, 0))
    return mm_handle_explain(mutator, handle, ref);
  struct mm_handle_slot *slot = mm_handle_slot_of(chunk, index);
  uintptr_t owner = __atomic_load_n(&chunk->owner, __ATOMIC_RELAXED);
  if (kind == MM_HANDLE_LOCAL) {
    if (__builtin_expect(owner != (uintptr_t)mutator ||
                             !mm_local_is_open(&mutator->locals, chunk, slot) ||
                             slot->serial != mm_handle_serial(handle),
                         0))
      return mm_handle_explain(mutator, handle, ref);
    *ref = slot->ref;
    return MM_HANDLE_OK;
  }
  /* The slots of a local chunk are only for its mutator to look at. */
  if (__builtin_expect(kind != MM_HANDLE_GLOBAL || owner != MM_HANDLES_GLOBAL,
                       0))
    return mm_handle_explain(mutator, handle, ref);
  struct mm_handle_slot now = mm_handle_slot_load(slot);
  if (__builtin_expect(now.serial != mm_handle_serial(handle), 0))
    return mm_handle_explain(mutator, handle, ref);
  *ref = now.ref;
  return MM_HANDLE_OK;
}

static inline enum mm_handle_status mm_local_new(struct mm_mutator *mutator,
                                                 struct mm_ref ref,
                                                 struct mm_handle *handle)
{
  struct mm_locals *locals = &mutator->locals;
  struct mm_handle_slot *slot = locals->next;
  if (__builtin_expect(slot >= locals->end || mm_is_null(ref), 0))
    return mm_local_new_slow(mutator, ref, handle);
  struct mm_handle_chunk *chunk = locals->chunk;
  locals->next = slot + 1;
  mutator->local_table.created++;
  slot->ref = ref;
  slot->serial = mm_handle_next_serial(slot->serial);
  uint32_t index =
      (chunk->number << MM_HANDLE_SLOT_LOG2) + (uint32_t)(slot - chunk->slots);
  *handle = mm_handle_make(MM_HANDLE_LOCAL, index, slot->serial);
  return MM_HANDLE_OK;
}

/* The last one that was made is deleted by lowering the top. */
static inline enum mm_handle_status mm_local_delete(struct mm_mutator *mutator,
                                                    struct mm_handle handle)
{
  struct mm_locals *locals = &mutator->locals;
  if (__builtin_expect(!locals->end || !locals->frame ||
                           locals->next == locals->chunk->slots ||
                           locals->next == locals->frame->outer.next,
                       0))
    return mm_local_delete_slow(mutator, handle);
  struct mm_handle_slot *slot = locals->next - 1;
  uint32_t index = (locals->chunk->number << MM_HANDLE_SLOT_LOG2) +
                   (uint32_t)(slot - locals->chunk->slots);
  if (mm_handle_make(MM_HANDLE_LOCAL, index, slot->serial).bits != handle.bits)
    return mm_local_delete_slow(mutator, handle);
  if (mutator->local_table.peak < locals->next)
    mutator->local_table.peak = locals->next;
  slot->serial++;
  locals->next = slot;
  return MM_HANDLE_OK;
}

static inline void mm_frame_open(struct mm_mutator *mutator,
                                 struct mm_frame *frame)
{
  struct mm_locals *locals = &mutator->locals;
  frame->outer = *locals;
  locals->frame = frame;
  locals->pushed = 0;
  if (__builtin_expect(locals->holes, 0))
    mm_frame_open_slow(mutator);
}

static inline void mm_frame_close(struct mm_mutator *mutator,
                                  struct mm_frame *frame)
{
  struct mm_locals *locals = &mutator->locals;
  if (__builtin_expect(
          locals->frame != frame || locals->chunk != frame->outer.chunk, 0))
    mm_frame_close_slow(mutator, frame);
  else {
    if (mutator->local_table.peak < locals->next)
      mutator->local_table.peak = locals->next;
    *locals = frame->outer;
  }
}

#endif
