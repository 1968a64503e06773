/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literals: integers, floats, strings.
 *
 * Decimal floats go through strtod, which rounds correctly; nothing in this
 * process sets LC_NUMERIC, so the point is a point.  A 32-bit float is rounded
 * from the double, as Panda's assembler does it.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
  if (is_digit(c))
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return 99;
}

enum number { NUMBER_OK, NUMBER_MALFORMED, NUMBER_TOO_BIG };

static enum number read_digits(const char *p, const char *end, unsigned base,
                               uint64_t *magnitude)
{
  enum number result = p < end ? NUMBER_OK : NUMBER_MALFORMED;
  uint64_t value = 0;
  for (; p < end; p++) {
    unsigned digit = (unsigned)digit_value(*p);
    if (digit >= base)
      return NUMBER_MALFORMED;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, digit, &value))
      result = NUMBER_TOO_BIG;
  }
  *magnitude = value;
  return result;
}

/* Splits off the sign and the prefix. */
static const char *read_prefix(const char *p, const char *end, bool *negative,
                               unsigned *base)
{
  *negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+'))
    p++;
  *base = 10;
  if (end - p >= 2 && p[0] == '0') {
    *base = p[1] == 'x' ? 16 : p[1] == 'b' ? 2 : 8;
    p += *base == 8 ? 1 : 2;
  }
  return p;
}

static enum number read_integer(const struct vm_token *token, int64_t *value)
{
  const char *end = token->start + token->length;
  uint64_t magnitude = 0;
  unsigned base;
  bool negative;
  if (token->kind != VM_TOK_NAME)
    return NUMBER_MALFORMED;
  const char *p = read_prefix(token->start, end, &negative, &base);
  enum number result = read_digits(p, end, base, &magnitude);
  *value = (int64_t)(negative ? 0 - magnitude : magnitude);
  return result;
}

/* Sign, digits with a point, exponent: the grammar of decimal floats. */
static bool is_decimal_float(const struct vm_token *token)
{
  const char *p = token->start, *end = p + token->length;
  unsigned digits = 0;
  if (token->kind != VM_TOK_NAME)
    return false;
  p += p < end && (*p == '-' || *p == '+');
  for (; p < end && is_digit(*p); p++)
    digits = 1;
  p += p < end && *p == '.';
  for (; p < end && is_digit(*p); p++)
    digits = 1;
  if (digits == 0 || p == end || *p != 'e')
    return digits != 0 && p == end;
  p++;
  p += p < end && (*p == '-' || *p == '+');
  if (p == end)
    return false;
  while (p < end && is_digit(*p))
    p++;
  return p == end;
}

bool vm_asm_integer(struct vm_asm *a, const struct vm_token *token,
                    int64_t *value)
{
  enum number result = read_integer(token, value);
  if (result == NUMBER_OK)
    return true;
  if (result == NUMBER_TOO_BIG)
    vm_asm_error(a, token, "`%s` does not fit 64 bits",
                 vm_quote_token(token).text);
  else if (is_decimal_float(token) &&
           (memchr(token->start, '.', token->length) ||
            memchr(token->start, 'e', token->length)))
    vm_asm_error(a, token, "`%s` is not an integer",
                 vm_quote_token(token).text);
  else if (token->kind == VM_TOK_NAME && token->length > 0 &&
           (is_digit(token->start[0]) || token->start[0] == '-' ||
            token->start[0] == '+'))
    vm_asm_error(a, token, "malformed integer `%s`",
                 vm_quote_token(token).text);
  else
    vm_asm_expected(a, token, "an integer");
  return false;
}

static bool parse_decimal(struct vm_asm *a, const struct vm_token *token,
                          double *value)
{
  struct mm_arena_mark mark = mm_arena_mark(a->local);
  char *text = vm_asm_alloc(a, a->local, (size_t)token->length + 1);
  if (text == NULL)
    return false;
  memcpy(text, token->start, token->length);
  *value = strtod(text, NULL);
  mm_arena_rewind(a->local, mark);
  return true;
}

static bool is_bit_pattern(const struct vm_token *token)
{
  const char *p = token->start, *end = p + token->length;
  p += p < end && (*p == '-' || *p == '+');
  return end - p >= 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'b');
}

static int64_t bits_of(double value, bool wide)
{
  int64_t bits = 0;
  float narrow = (float)value;
  if (wide)
    memcpy(&bits, &value, sizeof value);
  else
    memcpy(&bits, &narrow, sizeof narrow);
  return bits;
}

bool vm_asm_float(struct vm_asm *a, const struct vm_token *token, bool wide,
                  int64_t *bits)
{
  double value;
  if (token->kind == VM_TOK_NAME && is_bit_pattern(token)) {
    int64_t pattern;
    if (!vm_asm_integer(a, token, &pattern))
      return false;
    bool is_hex = memchr(token->start, 'x', token->length) != NULL;
    if (!is_hex)
      *bits = bits_of((double)pattern, wide);
    else
      *bits = wide ? pattern : (int64_t)(uint32_t)pattern;
    return true;
  }
  if (token->kind != VM_TOK_NAME)
    return vm_asm_expected(a, token, "a number");
  if (!is_decimal_float(token)) {
    vm_asm_error(a, token, "malformed number `%s`", vm_quote_token(token).text);
    return false;
  }
  if (!parse_decimal(a, token, &value))
    return false;
  *bits = bits_of(value, wide);
  return true;
}

/* Strings ------------------------------------------------------------------*/

/* Reads what follows a backslash; null when it is not an escape. */
static const char *read_escape(const char *p, const char *end, char *byte)
{
  static const char plain[] = "'\"\\abfnrtv";
  static const char meaning[] = "'\"\\\a\b\f\n\r\t\v";
  const char *found = p < end && *p != '\0' ? strchr(plain, *p) : NULL;
  if (found != NULL) {
    *byte = meaning[found - plain];
    return p + 1;
  }
  unsigned value = 0, count = 0;
  if (p < end && *p == 'x') {
    for (p++; count < 2 && p < end && digit_value(*p) < 16; p++, count++)
      value = value * 16 + (unsigned)digit_value(*p);
    *byte = (char)value;
    return count == 2 ? p : NULL;
  }
  for (; count < 3 && p < end && digit_value(*p) < 8; p++, count++)
    value = value * 8 + (unsigned)digit_value(*p);
  *byte = (char)value;
  return count > 0 ? p : NULL;
}

static void report_escape(struct vm_asm *a, const struct vm_token *string,
                          const char *backslash)
{
  struct vm_token at = *string;
  at.column += (uint32_t)(backslash - string->start);
  at.start = backslash;
  at.length = backslash[1] == 'x' ? 4 : 2;
  if (backslash[1] == 'x')
    vm_asm_error(a, &at, "`\\x` wants two hexadecimal digits");
  else
    vm_asm_error(a, &at, "unknown escape `%s`", vm_quote(backslash, 2).text);
}

/* Decodes the text between the quotes in place of `out`. */
static bool unescape(struct vm_asm *a, const struct vm_token *token, char *out,
                     uint32_t *length)
{
  const char *p = token->start + 1, *end = token->start + token->length - 1;
  char *to = out;
  bool good = true;
  while (p < end) {
    if (*p != '\\') {
      *to++ = *p++;
      continue;
    }
    const char *next = read_escape(p + 1, end, to);
    if (next == NULL) {
      report_escape(a, token, p);
      good = false;
      next = p + 2;
    }
    to++;
    p = next;
  }
  *length = (uint32_t)(to - out);
  return good;
}

bool vm_asm_string(struct vm_asm *a, const struct vm_token *token,
                   uint32_t *index)
{
  uint32_t length;
  if (token->kind != VM_TOK_STRING)
    return vm_asm_expected(a, token, "a string");
  struct mm_arena_mark mark = mm_arena_mark(a->arena);
  char *text = vm_asm_alloc(a, a->arena, token->length);
  if (text == NULL || !unescape(a, token, text, &length))
    return false;
  uint32_t found = vm_names_find(&a->string_names, 0, text, length);
  if (found != VM_NO_NAME) {
    mm_arena_rewind(a->arena, mark);
    *index = found;
    return true;
  }
  struct vm_string_const *string = vm_vec_push(a, &a->strings, sizeof *string);
  if (string == NULL)
    return false;
  string->bytes = text;
  string->length_bytes = length;
  *index = vm_names_add(&a->string_names, 0, text, length, 0);
  a->no_memory |= *index == VM_NO_NAME;
  return *index != VM_NO_NAME;
}
