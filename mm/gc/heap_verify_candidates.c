/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What candidates remember, for the verifier: a hash table of pairs of a
 * candidate and a card, open addressing, at most half full.
 */
#include "config.h"

#include "mm/gc/verifier_internal.h"

#include "mm/barrier_log.h"
#include "mm/gc/candidates_internal.h"
#include "mm/native.h"

static uint64_t pair_of(uint32_t number, uint32_t card)
{
  return (uint64_t)number << 32 | card; /* never 0: numbers start with 1 */
}

static size_t first_place(const struct mm_verifier *verifier, uint64_t pair)
{
  return (size_t)(pair * 0x9e3779b97f4a7c15u >> 20) &
         (verifier->pair_places - 1);
}

static void put(struct mm_verifier *verifier, uint64_t pair)
{
  size_t place = first_place(verifier, pair);
  while (verifier->pairs[place] != 0 && verifier->pairs[place] != pair)
    place = (place + 1) & (verifier->pair_places - 1);
  verifier->pairs[place] = pair;
}

static void put_cards(struct mm_verifier *verifier, uint32_t number)
{
  const struct mm_barrier_log *log =
      verifier->heap->candidates.each[number - 1].log;
  for (; log; log = log->next)
    for (uint32_t i = 0; i < log->count; i++)
      put(verifier, pair_of(number, log->entries[i]));
}

bool mm_verify_candidates_open(struct mm_verifier *verifier)
{
  const struct mm_candidates *candidates = &verifier->heap->candidates;
  size_t cards = 0, places = 64;
  for (uint32_t i = candidates->next; i < candidates->count; i++)
    cards += candidates->each[i].cards;
  while (places < 2 * cards)
    places *= 2;
  verifier->pairs =
      mm_native_alloc(MM_PURPOSE_VERIFY, places * sizeof *verifier->pairs);
  if (!verifier->pairs)
    return false;
  verifier->pair_places = places;
  for (uint32_t i = candidates->next; i < candidates->count; i++)
    put_cards(verifier, i + 1);
  return true;
}

void mm_verify_candidates_close(struct mm_verifier *verifier)
{
  mm_native_free(MM_PURPOSE_VERIFY, verifier->pairs,
                 verifier->pair_places * sizeof *verifier->pairs);
}

bool mm_verify_remembers(const struct mm_verifier *verifier, uint32_t number,
                         uint32_t card)
{
  uint64_t pair = pair_of(number, card);
  size_t place = first_place(verifier, pair);
  while (verifier->pairs[place] != 0) {
    if (verifier->pairs[place] == pair)
      return true;
    place = (place + 1) & (verifier->pair_places - 1);
  }
  return false;
}
