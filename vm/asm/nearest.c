/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler's suggestions, over a plain list of words. */
#include "config.h"

#include "vm/asm/nearest.h"

#include <string.h>

#include "vm/asm/suggest_internal.h"

enum { LONGEST_WORD = 256 };

const char *vm_nearest(const char *word, const char *const *candidates,
                       size_t count)
{
  size_t length = strlen(word);
  if (length > LONGEST_WORD)
    return NULL;
  struct vm_suggest suggest;
  uint64_t budget = UINT64_MAX;
  vm_suggest_begin(&suggest, word, (uint32_t)length, &budget);
  for (size_t i = 0; i < count; i++)
    vm_suggest_offer(&suggest, candidates[i], (uint32_t)strlen(candidates[i]));
  return suggest.best;
}
