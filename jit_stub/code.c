/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled code as it stays: its tables. */
#include "config.h"

#include "jit_stub/code_internal.h"

const void *jit_code_entry(const struct jit_code *code, uint32_t word)
{
  uint32_t low = 0, high = code->entry_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (code->entries[middle].word < word)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == code->entry_count || code->entries[low].word != word)
    return NULL;
  return (const char *)code->block.run + code->entries[low].offset;
}
