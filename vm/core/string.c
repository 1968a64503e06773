/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: immutable sequences of UTF-16 units, kept as Latin-1 bytes where
 * every unit fits one.
 *
 *   +0   header
 *   +8   length word   (units << 1) | wide
 *   +12  cached hash   0: not computed yet
 *   +16  units         a byte each, or two when wide
 *
 * A string made here is wide only if it has to be, but nothing relies on it:
 * equality and hash go by units.  The hash is that of Java's strings (31 * h
 * + unit), with 1 in the place of 0.  Two threads may compute a hash at once;
 * both store the same value, hence the relaxed atomics.
 *
 * Read next: vm/core/intern.c.
 */
#include "config.h"

#include "vm/core/string_internal.h"

#include <string.h>

#include "mm/mm_inline.h"
#include "vm/core/object.h"
#include "vm/core/purposes.h"

enum {
  REPLACEMENT = 0xfffd,
  LATIN1_LAST = 0xff,
  SURROGATE_FIRST = 0xd800, /* high ones */
  SURROGATE_LOW = 0xdc00,
  SURROGATE_LAST = 0xdfff,
  SUPPLEMENTARY = 0x10000,
  CODE_POINT_LAST = 0x10ffff,
};

/* --- Modified UTF-8 to units --- */

static bool is_trail(const unsigned char *at, size_t i)
{
  return (at[i] & 0xc0) == 0x80;
}

/* Two bytes; the only overlong form that is right is U+0000. */
static size_t decode_2(const unsigned char *at, size_t left, uint32_t *unit)
{
  if (left < 2 || !is_trail(at, 1))
    return 0;
  *unit = (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
  return *unit >= 0x80 || *unit == 0 ? 2 : 0;
}

/* Three bytes; surrogates pass, they are what pairs are made of. */
static size_t decode_3(const unsigned char *at, size_t left, uint32_t *unit)
{
  if (left < 3 || !is_trail(at, 1) || !is_trail(at, 2))
    return 0;
  *unit = (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
  return *unit >= 0x800 ? 3 : 0;
}

static size_t decode_4(const unsigned char *at, size_t left, uint32_t *unit)
{
  if (left < 4 || !is_trail(at, 1) || !is_trail(at, 2) || !is_trail(at, 3))
    return 0;
  *unit = (at[0] & 7u) << 18 | (at[1] & 0x3fu) << 12 | (at[2] & 0x3fu) << 6 |
          (at[3] & 0x3fu);
  return *unit >= SUPPLEMENTARY && *unit <= CODE_POINT_LAST ? 4 : 0;
}

/* The code point at *at, which is moved behind it. */
static uint32_t decode(const unsigned char **at, const unsigned char *end)
{
  const unsigned char *from = *at;
  size_t left = (size_t)(end - from);
  uint32_t unit = 0;
  size_t taken = 0;
  if (from[0] < 0x80) {
    *at = from + 1;
    return from[0];
  }
  if ((from[0] & 0xe0) == 0xc0)
    taken = decode_2(from, left, &unit);
  else if ((from[0] & 0xf0) == 0xe0)
    taken = decode_3(from, left, &unit);
  else if ((from[0] & 0xf8) == 0xf0)
    taken = decode_4(from, left, &unit);
  *at = from + (taken ? taken : 1);
  return taken ? unit : REPLACEMENT;
}

/* Units of a text one after the other. */
struct units {
  const unsigned char *at, *end;
  uint32_t low; /* the second half of a pair, still to be handed out; or 0 */
};

static struct units units_of(const char *bytes, size_t length_bytes)
{
  const unsigned char *at = (const unsigned char *)bytes;
  return (struct units){at, at + length_bytes, 0};
}

static bool units_next(struct units *units, uint16_t *unit)
{
  if (units->low) {
    *unit = (uint16_t)units->low;
    units->low = 0;
    return true;
  }
  if (units->at == units->end)
    return false;
  uint32_t code = decode(&units->at, units->end);
  if (code >= SUPPLEMENTARY) {
    code -= SUPPLEMENTARY;
    units->low = SURROGATE_LOW + (code & 0x3ff);
    code = SURROGATE_FIRST + (code >> 10);
  }
  *unit = (uint16_t)code;
  return true;
}

static uint32_t hash_finish(uint32_t hash)
{
  return hash ? hash : 1;
}

struct vm_text vm_text_of_utf8(const char *bytes, size_t length_bytes)
{
  struct vm_text text = {.bytes = bytes, .length_bytes = length_bytes};
  struct units units = units_of(bytes, length_bytes);
  uint32_t hash = 0;
  uint16_t all = 0, unit;
  while (units_next(&units, &unit)) {
    hash = hash * 31 + unit;
    all |= unit;
    text.units++;
  }
  text.hash = hash_finish(hash);
  text.wide = all > LATIN1_LAST;
  return text;
}

/* --- Looking at strings --- */

static bool is_wide(struct mm_ref string)
{
  return mm_length_word(string) & 1;
}

static char *units_at(struct mm_ref string)
{
  return (char *)mm_address(string) + MM_STRING_BASE;
}

static uint32_t *hash_word(struct mm_ref string)
{
  return (uint32_t *)((char *)mm_address(string) + MM_STRING_HASH_OFFSET);
}

uint32_t vm_string_length(struct mm_ref string)
{
  return mm_length_word(string) >> 1;
}

uint16_t vm_string_unit(struct mm_ref string, uint32_t index)
{
  const char *units = units_at(string);
  return is_wide(string) ? ((const uint16_t *)units)[index]
                         : ((const uint8_t *)units)[index];
}

uint32_t vm_string_hash(struct mm_ref string)
{
  uint32_t hash = __atomic_load_n(hash_word(string), __ATOMIC_RELAXED);
  if (hash)
    return hash;
  uint32_t length = vm_string_length(string);
  for (uint32_t i = 0; i < length; i++)
    hash = hash * 31 + vm_string_unit(string, i);
  hash = hash_finish(hash);
  __atomic_store_n(hash_word(string), hash, __ATOMIC_RELAXED);
  return hash;
}

bool vm_string_equals(struct mm_ref a, struct mm_ref b)
{
  uint32_t length = vm_string_length(a);
  if (mm_same(a, b))
    return true;
  if (length != vm_string_length(b))
    return false;
  if (is_wide(a) == is_wide(b))
    return memcmp(units_at(a), units_at(b), (size_t)length << is_wide(a)) == 0;
  for (uint32_t i = 0; i < length; i++)
    if (vm_string_unit(a, i) != vm_string_unit(b, i))
      return false;
  return true;
}

bool vm_string_equals_text(struct mm_ref string, const struct vm_text *text)
{
  if (vm_string_length(string) != text->units)
    return false;
  struct units units = units_of(text->bytes, text->length_bytes);
  uint16_t unit;
  for (uint32_t i = 0; units_next(&units, &unit); i++)
    if (vm_string_unit(string, i) != unit)
      return false;
  return true;
}

/* --- Making strings --- */

/* A zeroed string with this length word, or null. */
static struct mm_ref allocate(struct vm_thread *thread, uint32_t length_word)
{
  struct mm_mutator *mutator = &thread->mutator;
  struct mm_layout *layout = &thread->vm->known.string->layout;
  uintptr_t at = mutator->tlab_cursor;
  uint64_t bytes = mm_string_bytes(length_word);
  if (bytes > MM_TLAB_OBJECT_MAX_BYTES || at + bytes > mutator->tlab_limit)
    return mm_alloc_slow(mutator, layout, length_word);
  mutator->tlab_cursor = at + bytes;
  mm_write_header(at, layout);
  *(uint32_t *)(at + MM_ARRAY_LENGTH_OFFSET) = length_word;
  return mm_ref_at((void *)at);
}

static void fill(struct mm_ref string, const struct vm_text *text)
{
  struct units units = units_of(text->bytes, text->length_bytes);
  uint8_t *narrow = (uint8_t *)units_at(string);
  uint16_t *wide = (uint16_t *)units_at(string);
  uint16_t unit;
  if (text->wide)
    while (units_next(&units, &unit))
      *wide++ = unit;
  else
    while (units_next(&units, &unit))
      *narrow++ = (uint8_t)unit;
}

struct mm_ref vm_string_from_text(struct vm_thread *thread,
                                  const struct vm_text *text)
{
  struct mm_ref string = MM_NULL;
  if (text->units <= MM_STRING_LENGTH_MAX)
    string = allocate(thread, (uint32_t)text->units << 1 | text->wide);
  if (mm_is_null(string)) {
    vm_throw_refused(thread);
    return MM_NULL;
  }
  fill(string, text);
  __atomic_store_n(hash_word(string), text->hash, __ATOMIC_RELAXED);
  vm_object_made();
  return string;
}

struct mm_ref vm_string_from_utf8(struct vm_thread *thread, const char *bytes,
                                  size_t length_bytes)
{
  struct vm_text text = vm_text_of_utf8(bytes, length_bytes);
  return vm_string_from_text(thread, &text);
}

struct mm_ref vm_string_from_utf16(struct vm_thread *thread,
                                   const uint16_t *units, uint32_t count)
{
  struct mm_ref string = MM_NULL;
  uint16_t all = 0;
  for (uint32_t i = 0; i < count; i++)
    all |= units[i];
  bool wide = all > LATIN1_LAST;
  if (count <= MM_STRING_LENGTH_MAX)
    string = allocate(thread, count << 1 | wide);
  if (mm_is_null(string)) {
    vm_throw_refused(thread);
    return MM_NULL;
  }
  if (wide)
    memcpy(units_at(string), units, count * sizeof *units);
  else
    for (uint32_t i = 0; i < count; i++)
      units_at(string)[i] = (char)units[i];
  vm_object_made();
  return string;
}

/* --- Units to standard UTF-8 --- */

/* The code point at *index, pairs joined, which is moved behind it. */
static uint32_t code_point(struct mm_ref string, uint32_t length,
                           uint32_t *index)
{
  uint32_t high = vm_string_unit(string, (*index)++);
  if (high < SURROGATE_FIRST || high > SURROGATE_LAST)
    return high;
  if (high >= SURROGATE_LOW || *index == length)
    return REPLACEMENT;
  uint32_t low = vm_string_unit(string, *index);
  if (low < SURROGATE_LOW || low > SURROGATE_LAST)
    return REPLACEMENT;
  ++*index;
  return SUPPLEMENTARY + ((high - SURROGATE_FIRST) << 10) +
         (low - SURROGATE_LOW);
}

static size_t encode(uint32_t code, char *out)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t bytes = code < 0x800 ? 2 : code < SUPPLEMENTARY ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = bytes - 1; i > 0; i--, code >>= 6)
    out[i] = (char)(0x80 | (code & 0x3f));
  out[0] = (char)(lead[bytes] | code);
  return bytes;
}

/* Of Latin-1 each unit is one code point, of one byte or two. */
static size_t encode_narrow(struct mm_ref string, uint32_t *index, char *out,
                            size_t out_bytes)
{
  uint32_t length = vm_string_length(string), i = *index;
  const unsigned char *units = (const unsigned char *)units_at(string);
  size_t used = 0;
  for (; i < length && out_bytes - used >= 4; i++) {
    if (units[i] < 0x80)
      out[used++] = (char)units[i];
    else
      used += encode(units[i], out + used);
  }
  *index = i;
  return used;
}

size_t vm_string_encode(struct mm_ref string, uint32_t *index, char *out,
                        size_t out_bytes)
{
  if (!is_wide(string))
    return encode_narrow(string, index, out, out_bytes);
  uint32_t length = vm_string_length(string);
  size_t used = 0;
  while (*index < length && out_bytes - used >= 4)
    used += encode(code_point(string, length, index), out + used);
  return used;
}

size_t vm_string_utf8_bytes(struct mm_ref string)
{
  uint32_t length = vm_string_length(string);
  size_t bytes = 0;
  char scratch[4];
  if (!is_wide(string)) {
    const unsigned char *units = (const unsigned char *)units_at(string);
    for (uint32_t i = 0; i < length; i++)
      bytes += 1u + (units[i] >> 7);
    return bytes;
  }
  for (uint32_t i = 0; i < length;)
    bytes += encode(code_point(string, length, &i), scratch);
  return bytes;
}

size_t vm_string_encode_region(struct mm_ref string, uint32_t start,
                               uint32_t count, char *out, size_t out_bytes)
{
  uint32_t end = start + count;
  size_t bytes = 0, written = 0;
  char code[4];
  while (start < end) {
    size_t more = encode(code_point(string, end, &start), code);
    if (written == bytes && bytes + more < out_bytes) {
      memcpy(out + bytes, code, more);
      written += more;
    }
    bytes += more;
  }
  if (out_bytes > 0)
    out[written] = 0;
  return bytes;
}

char *vm_string_to_utf8(struct mm_ref string, size_t *length_bytes)
{
  size_t bytes = vm_string_utf8_bytes(string);
  char *text = mm_native_alloc_dirty(VM_PURPOSE_TEXT, bytes + 1);
  if (!text)
    return NULL;
  uint32_t length = vm_string_length(string);
  size_t used = 0;
  for (uint32_t i = 0; i < length;)
    used += encode(code_point(string, length, &i), text + used);
  text[used] = 0;
  *length_bytes = bytes;
  return text;
}

void vm_text_free(char *text, size_t length_bytes)
{
  mm_native_free(VM_PURPOSE_TEXT, text, length_bytes + 1);
}

bool vm_string_print(struct mm_ref string, FILE *out)
{
  char chunk[1024];
  uint32_t index = 0;
  size_t bytes;
  while ((bytes = vm_string_encode(string, &index, chunk, sizeof chunk)))
    if (fwrite(chunk, 1, bytes, out) != bytes)
      return false;
  return true;
}
