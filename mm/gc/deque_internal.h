/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded deque of tracing work: its owner pushes and takes at the bottom,
 * others steal at the top.
 *
 *        top                bottom
 *   ...  [ e ][ e ][ e ][ e ]  ...      entries top .. bottom - 1
 *   steal ->              <- take, push ->
 *
 * Chase and Lev, "Dynamic circular work-stealing deque", 2005, in the form of
 * Lê et al., 2013, with two differences: the size is fixed, because a worker
 * only puts here what it has to spare (see trace_internal.h), and the fences
 * are sequentially consistent accesses, which race checkers understand.
 */
#ifndef MM_DEQUE_INTERNAL_H
#define MM_DEQUE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

enum { MM_DEQUE_ENTRIES = 1024 };

struct mm_deque {
  int64_t top; /* atomic; only grows */
  char other_cache_line[64 - sizeof(int64_t)];
  int64_t bottom;                     /* atomic; written by the owner */
  uint64_t entries[MM_DEQUE_ENTRIES]; /* relaxed atomics */
};

static inline uint64_t *mm_deque_entry(struct mm_deque *deque, int64_t index)
{
  return &deque->entries[(uint64_t)index % MM_DEQUE_ENTRIES];
}

/* How many there are; a guess when another thread asks. */
static inline int64_t mm_deque_count(const struct mm_deque *deque)
{
  int64_t top = __atomic_load_n(&deque->top, __ATOMIC_RELAXED);
  int64_t bottom = __atomic_load_n(&deque->bottom, __ATOMIC_RELAXED);
  return bottom - top;
}

/* Owner only. False when it is full. */
static inline bool mm_deque_push(struct mm_deque *deque, uint64_t entry)
{
  int64_t bottom = __atomic_load_n(&deque->bottom, __ATOMIC_RELAXED);
  int64_t top = __atomic_load_n(&deque->top, __ATOMIC_ACQUIRE);
  if (bottom - top >= MM_DEQUE_ENTRIES)
    return false;
  __atomic_store_n(mm_deque_entry(deque, bottom), entry, __ATOMIC_RELAXED);
  __atomic_store_n(&deque->bottom, bottom + 1, __ATOMIC_RELEASE);
  return true;
}

/* The one who moves top gets the entry. */
static inline bool mm_deque_win(struct mm_deque *deque, int64_t top)
{
  return __atomic_compare_exchange_n(&deque->top, &top, top + 1, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Owner only: the youngest entry. False when it is empty. */
static inline bool mm_deque_take(struct mm_deque *deque, uint64_t *entry)
{
  int64_t bottom = __atomic_load_n(&deque->bottom, __ATOMIC_RELAXED) - 1;
  __atomic_store_n(&deque->bottom, bottom, __ATOMIC_SEQ_CST);
  int64_t top = __atomic_load_n(&deque->top, __ATOMIC_SEQ_CST);
  bool won = top < bottom;
  if (top <= bottom)
    *entry = __atomic_load_n(mm_deque_entry(deque, bottom), __ATOMIC_RELAXED);
  if (top == bottom)
    won = mm_deque_win(deque, top);
  if (top >= bottom)
    __atomic_store_n(&deque->bottom, bottom + 1, __ATOMIC_RELAXED);
  return won;
}

/* Any thread: the oldest entry. False when empty, or another was faster. */
static inline bool mm_deque_steal(struct mm_deque *deque, uint64_t *entry)
{
  int64_t top = __atomic_load_n(&deque->top, __ATOMIC_SEQ_CST);
  int64_t bottom = __atomic_load_n(&deque->bottom, __ATOMIC_SEQ_CST);
  if (top >= bottom)
    return false;
  uint64_t got = __atomic_load_n(mm_deque_entry(deque, top), __ATOMIC_RELAXED);
  if (!mm_deque_win(deque, top))
    return false;
  *entry = got;
  return true;
}

#endif
