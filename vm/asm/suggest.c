/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest of several names; see suggest_internal.h. */
#include "config.h"

#include "vm/asm/suggest_internal.h"

#include <stddef.h>

enum { LONGEST = 64 };

void vm_suggest_begin(struct vm_suggest *suggest, const char *word,
                      uint32_t length, uint64_t *budget)
{
  suggest->word = word;
  suggest->word_length = length;
  suggest->best_distance = length < 6 ? 1 : length < 9 ? 2 : 3;
  suggest->best = NULL;
  suggest->best_length = 0;
  suggest->budget = budget;
}

static uint32_t least(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* One row of the matrix of distances, from the two rows above it. */
static void next_row(const char *a, uint32_t i, const char *b,
                     uint32_t b_length, const uint32_t *above2,
                     const uint32_t *above, uint32_t *row)
{
  row[0] = i;
  for (uint32_t j = 1; j <= b_length; j++) {
    uint32_t cost = above[j - 1] + (a[i - 1] != b[j - 1]);
    cost = least(cost, least(above[j], row[j - 1]) + 1);
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
      cost = least(cost, above2[j - 2] + 1);
    row[j] = cost;
  }
}

static uint32_t distance(const char *a, uint32_t a_length, const char *b,
                         uint32_t b_length)
{
  uint32_t rows[3][LONGEST + 1];
  for (uint32_t j = 0; j <= b_length; j++)
    rows[0][j] = j;
  for (uint32_t i = 1; i <= a_length; i++)
    next_row(a, i, b, b_length, rows[(i + 1) % 3], rows[(i - 1) % 3],
             rows[i % 3]);
  return rows[a_length % 3][b_length];
}

void vm_suggest_offer(struct vm_suggest *suggest, const char *text,
                      uint32_t length)
{
  uint32_t limit = suggest->best_distance;
  *suggest->budget -= *suggest->budget > 0;
  uint64_t work = (uint64_t)length * suggest->word_length;
  if (length > LONGEST || suggest->word_length > LONGEST || length == 0 ||
      length > suggest->word_length + limit ||
      suggest->word_length > length + limit || work > *suggest->budget)
    return;
  *suggest->budget -= work;
  uint32_t found = distance(suggest->word, suggest->word_length, text, length);
  bool better = suggest->best == NULL ? found <= limit : found < limit;
  /* Nothing is left of a word of which every letter changes. */
  if (!better || found >= length || found >= suggest->word_length)
    return;
  suggest->best_distance = found;
  suggest->best = text;
  suggest->best_length = length;
}

void vm_suggest_offer_names(struct vm_suggest *suggest,
                            const struct vm_names *names, uint64_t scope)
{
  for (uint32_t i = 0; i<names->count && * suggest->budget> 0; i++)
    if (names->entries[i].scope == scope)
      vm_suggest_offer(suggest, names->entries[i].text,
                       names->entries[i].length);
}
