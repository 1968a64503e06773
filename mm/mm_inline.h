/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast paths of allocation and of the poll.  Compiled code emits the same
 * sequences.  All are safepoints: they may collect, so every reference that
 * the caller goes on using has to be in a frame or in a scope.
 */
#ifndef MM_MM_INLINE_H
#define MM_MM_INLINE_H

#include "mm/mm.h"

#include <string.h>

/* Objects at least this large never come from a TLAB. */
enum { MM_TLAB_OBJECT_MAX_BYTES = 8 * 1024 };

static inline void mm_write_header(uintptr_t at, const struct mm_layout *layout)
{
  uint64_t header = (uint64_t)(uintptr_t)layout;
  memcpy((void *)at, &header, sizeof header); /* whatever type is read next */
}

/* A new zeroed instance of a plain layout, or null. */
static inline struct mm_ref mm_alloc_plain(struct mm_mutator *mutator,
                                           struct mm_layout *layout)
{
  uintptr_t at = mutator->tlab_cursor;
  uintptr_t end = at + layout->base_bytes;
  if (__builtin_expect(end > mutator->tlab_limit, 0))
    return mm_alloc_slow(mutator, layout, 0);
  mutator->tlab_cursor = end;
  mm_write_header(at, layout);
  return mm_ref_at((void *)at);
}

/* A new zeroed array, or null. `length` is at most MM_ARRAY_LENGTH_MAX. */
static inline struct mm_ref mm_alloc_array(struct mm_mutator *mutator,
                                           struct mm_layout *layout,
                                           uint32_t length)
{
  uintptr_t at = mutator->tlab_cursor;
  uint64_t bytes = mm_array_bytes(layout, length);
  if (__builtin_expect(bytes > MM_TLAB_OBJECT_MAX_BYTES ||
                           at + bytes > mutator->tlab_limit,
                       0))
    return mm_alloc_slow(mutator, layout, length);
  mutator->tlab_cursor = at + bytes;
  mm_write_header(at, layout);
  *(uint32_t *)(at + MM_ARRAY_LENGTH_OFFSET) = length;
  return mm_ref_at((void *)at);
}

/* A new custom object, zeroed but for the header and the length word, which
   holds `bytes': a multiple of 8, at least MM_CUSTOM_LEAST_BYTES; or null. */
static inline struct mm_ref mm_alloc_custom(struct mm_mutator *mutator,
                                            struct mm_layout *layout,
                                            uint32_t bytes)
{
  uintptr_t at = mutator->tlab_cursor;
  if (__builtin_expect(bytes > MM_TLAB_OBJECT_MAX_BYTES ||
                           at + bytes > mutator->tlab_limit,
                       0))
    return mm_alloc_slow(mutator, layout, bytes);
  mutator->tlab_cursor = at + bytes;
  mm_write_header(at, layout);
  *(uint32_t *)(at + MM_ARRAY_LENGTH_OFFSET) = bytes;
  return mm_ref_at((void *)at);
}

static inline bool mm_should_poll(const struct mm_mutator *mutator)
{
  return __builtin_expect(
      __atomic_load_n(&mutator->poll, __ATOMIC_RELAXED) != 0, 0);
}

/* By the mutator itself; see Note [The entry limit]. */
static inline void mm_set_entry_limit(struct mm_mutator *mutator,
                                      uintptr_t limit)
{
  __atomic_store_n(&mutator->entry_limit, limit, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&mutator->poll, __ATOMIC_SEQ_CST) != 0)
    __atomic_store_n(&mutator->entry_limit, 0, __ATOMIC_SEQ_CST);
}

static inline void mm_poll(struct mm_mutator *mutator)
{
  if (mm_should_poll(mutator))
    mm_poll_slow(mutator);
}

/*
 * Note [Fences around native code]
 *
 * A mutator stores its state, then looks whether the world is to stop; who
 * stops it stores that, then looks at the states.  At least one has to see the
 * other (Dekker), so between store and look each needs a fence.  Mutators come
 * by here all the time, and stops are rare: so who stops the world has the
 * system put a fence into each running thread (membarrier of Linux; asymmetric
 * fences: Dice, Huang and Yang 2001), and a mutator needs but keep the compiler
 * from moving the two.  Where the system cannot, `must_fence' is set.
 *
 * What a mutator looks at is its poll word: who stops the world sets that
 * behind heap->stopping, and lowers it before, when all is done.
 */
static inline void mm_store_state(struct mm_mutator *mutator,
                                  enum mm_mutator_state state)
{
  if (__builtin_expect(mutator->must_fence, 0))
    __atomic_store_n(&mutator->state, state, __ATOMIC_SEQ_CST);
  else
    __atomic_store_n(&mutator->state, state, __ATOMIC_RELEASE);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline bool mm_has_to_look(const struct mm_mutator *mutator)
{
  return __builtin_expect(
      __atomic_load_n(&mutator->poll, __ATOMIC_SEQ_CST) != 0, 0);
}

static inline void mm_enter_native_inline(struct mm_mutator *mutator)
{
  mm_store_state(mutator, MM_MUTATOR_IN_NATIVE);
  if (mm_has_to_look(mutator))
    mm_enter_native_slow(mutator);
}

static inline void mm_leave_native_inline(struct mm_mutator *mutator)
{
  mm_store_state(mutator, MM_MUTATOR_RUNNING);
  if (mm_has_to_look(mutator))
    mm_leave_native_slow(mutator);
}

#endif
