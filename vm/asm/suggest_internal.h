/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean": offers candidates to a misspelt word and keeps the nearest.
 *
 * The distance is that of Damerau (1964) and Levenshtein (1966): insertions,
 * deletions, replacements, and swaps of neighbours, none of them inside
 * another (optimal string alignment).  A candidate counts when at most about
 * a third of the word is wrong.  The work is bounded by a budget, so that a
 * file with very many errors is still reported in linear time.
 */
#ifndef VM_ASM_SUGGEST_INTERNAL_H
#define VM_ASM_SUGGEST_INTERNAL_H

#include "vm/asm/names_internal.h"

struct vm_suggest {
  const char *word;
  uint32_t word_length;
  uint32_t best_distance; /* more than this is not wanted */
  const char *best;       /* null: nothing is near */
  uint32_t best_length;
  uint64_t *budget; /* comparisons left */
};

void vm_suggest_begin(struct vm_suggest *suggest, const char *word,
                      uint32_t length, uint64_t *budget);
void vm_suggest_offer(struct vm_suggest *suggest, const char *text,
                      uint32_t length);

/* Offers all names of one scope. */
void vm_suggest_offer_names(struct vm_suggest *suggest,
                            const struct vm_names *names, uint64_t scope);

#endif
