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

/* --- Lines --- */

/* Seven bits a byte, the low ones first; the last byte is below 128. */
static size_t put_number(uint32_t number, uint8_t *to)
{
  size_t bytes = 0;
  for (; number >= 128; number >>= 7, bytes++)
    if (to)
      to[bytes] = (uint8_t)(number | 128);
  if (to)
    to[bytes] = (uint8_t)number;
  return bytes + 1;
}

static uint32_t take_number(const uint8_t **at)
{
  uint32_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    uint8_t byte = *(*at)++;
    number |= (uint32_t)(byte & 127) << shift;
    if (byte < 128)
      return number;
  }
}

/* Small distances are small numbers, whichever way they go. */
static uint32_t zigzag(uint32_t distance)
{
  return distance << 1 ^ (distance >> 31 ? UINT32_MAX : 0);
}

static uint32_t unzigzag(uint32_t number)
{
  return number >> 1 ^ (number & 1 ? UINT32_MAX : 0);
}

size_t jit_lines_pack(const struct jit_line *lines, uint32_t count, uint8_t *to)
{
  struct jit_line last = {0, 0};
  size_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    bytes += put_number(lines[i].offset - last.offset, to ? to + bytes : NULL);
    bytes +=
        put_number(zigzag(lines[i].word - last.word), to ? to + bytes : NULL);
    last = lines[i];
  }
  return bytes;
}

struct jit_line_reader jit_lines_of(const struct jit_code *code)
{
  return (struct jit_line_reader){.at = code->lines,
                                  .end = code->lines + code->line_bytes};
}

bool jit_line_next(struct jit_line_reader *reader)
{
  if (reader->at == reader->end)
    return false;
  reader->line.offset += take_number(&reader->at);
  reader->line.word += unzigzag(take_number(&reader->at));
  return true;
}
