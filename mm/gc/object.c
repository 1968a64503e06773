/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about one object: its size, its identity hash.
 *
 * The hash is drawn from the mutator's generator when it is first asked for
 * and then stands in the mark word, so it moves with the object.  Two threads
 * that ask at once agree by compare and exchange.  While the mark word holds a
 * lock the host keeps the hash, and draws one here if it has none.
 */
#include "config.h"

#include "mm/assert_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/mm.h"

uint64_t mm_size_unknown(const struct mm_layout *layout)
{
  mm_fatal(NULL, "an object has a layout of kind %u, which cannot be sized",
           layout->kind);
}

uint64_t mm_object_bytes(struct mm_ref ref)
{
  return mm_size_with(mm_address(ref), mm_layout_of(ref));
}

/* The next hash, never 0 (Marsaglia, "Xorshift RNGs", 2003). */
uint32_t mm_draw_hash(struct mm_mutator *mutator)
{
  uint64_t state = mutator->hash_seed;
  uint32_t hash;
  do {
    if (state == 0)
      state = mutator->id;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    hash = (uint32_t)(state >> 35);
  } while (hash == 0);
  mutator->hash_seed = state;
  return hash;
}

uint32_t mm_identity_hash(struct mm_mutator *mutator, struct mm_ref ref)
{
  uint32_t *word = mm_mark_word(ref);
  uint32_t mark = __atomic_load_n(word, __ATOMIC_RELAXED);
  while (mark == MM_MARK_UNLOCKED) {
    uint32_t hashed =
        mm_draw_hash(mutator) << MM_MARK_PAYLOAD_SHIFT | MM_MARK_HASHED;
    if (__atomic_compare_exchange_n(word, &mark, hashed, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      mark = hashed;
  }
  if ((mark & MM_MARK_STATE_MASK) != MM_MARK_HASHED)
    return 0;
  return mark >> MM_MARK_PAYLOAD_SHIFT;
}
