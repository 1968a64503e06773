/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of numbers below a bound that answers "which is the greatest at or
 * below n?" in a few steps.
 *
 *   level 2                    [ word ]           a bit per word of level 1
 *   level 1           [ word ][ word ][ word ]    a bit per word of level 0
 *   level 0  [ word ][ word ][ word ][ word ] ..  a bit per number
 *
 * A bit of an upper level is set exactly when the word it stands for is not
 * zero.  A search climbs until it sees a set bit to its left and descends
 * along the highest bits: two words per level, with levels of 64 branches.
 * (A van Emde Boas tree cut off at the size of a word.)
 *
 * The owner provides the words, zeroed, and a lock.
 */
#ifndef MM_ALLOC_NUMBERS_INTERNAL_H
#define MM_ALLOC_NUMBERS_INTERNAL_H

#include "mm/assert_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MM_NUMBERS_LEVELS = 4 }; /* so the bound is at most 64^4 */

#define MM_NO_NUMBER UINT32_MAX

struct mm_numbers {
  uint32_t bound;
  uint32_t levels;
  uint64_t *level[MM_NUMBERS_LEVELS];
};

static inline size_t mm_numbers_level_words(size_t bits)
{
  return (bits + 63) / 64;
}

/* How many words a set of numbers below `bound` needs. */
static inline size_t mm_numbers_words(uint32_t bound)
{
  size_t words = 0, bits = bound;
  do {
    bits = mm_numbers_level_words(bits);
    words += bits;
  } while (bits > 1);
  return words;
}

/* The empty set; `words` are zero. */
static inline void mm_numbers_init(struct mm_numbers *numbers, uint32_t bound,
                                   uint64_t *words)
{
  MM_ASSERT(bound > 0 && bound <= 1u << (6 * MM_NUMBERS_LEVELS));
  *numbers = (struct mm_numbers){.bound = bound};
  size_t bits = bound;
  do {
    bits = mm_numbers_level_words(bits);
    numbers->level[numbers->levels++] = words;
    words += bits;
  } while (bits > 1);
}

static inline bool mm_numbers_has(const struct mm_numbers *numbers, uint32_t n)
{
  MM_ASSERT(n < numbers->bound);
  return numbers->level[0][n >> 6] >> (n & 63) & 1;
}

static inline void mm_numbers_insert(struct mm_numbers *numbers, uint32_t n)
{
  MM_ASSERT(n < numbers->bound);
  for (uint32_t i = 0; i < numbers->levels; i++, n >>= 6)
    numbers->level[i][n >> 6] |= (uint64_t)1 << (n & 63);
}

static inline void mm_numbers_remove(struct mm_numbers *numbers, uint32_t n)
{
  MM_ASSERT(n < numbers->bound);
  for (uint32_t i = 0; i < numbers->levels; i++, n >>= 6) {
    numbers->level[i][n >> 6] &= ~((uint64_t)1 << (n & 63));
    if (numbers->level[i][n >> 6] != 0)
      return;
  }
}

static inline uint32_t mm_numbers_highest_bit(uint64_t word)
{
  MM_ASSERT(word != 0);
  return 63 - (uint32_t)__builtin_clzll(word);
}

/* The greatest member that is at most n, or MM_NO_NUMBER. */
static inline uint32_t mm_numbers_at_or_below(const struct mm_numbers *numbers,
                                              uint32_t n)
{
  MM_ASSERT(n < numbers->bound);
  for (uint32_t i = 0; i < numbers->levels; i++) {
    uint64_t word = numbers->level[i][n >> 6] & UINT64_MAX >> (63 - (n & 63));
    if (word == 0) {
      if (n >> 6 == 0)
        return MM_NO_NUMBER;
      n = (n >> 6) - 1;
      continue;
    }
    n = (n & ~63u) | mm_numbers_highest_bit(word);
    while (i-- > 0)
      n = n << 6 | mm_numbers_highest_bit(numbers->level[i][n]);
    return n;
  }
  return MM_NO_NUMBER;
}

#endif
