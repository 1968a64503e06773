/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options as text.  Nothing here prints. */
#include "config.h"

#include "vm/cli/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Digits at the beginning of `text`; returns what follows, null when there
   are none or the number exceeds 64 bits. */
static const char *read_digits(const char *text, uint64_t *number)
{
  uint64_t value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++)
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
      return NULL;
  if (at == text)
    return NULL;
  *number = value;
  return at;
}

bool cli_read_number(const char *text, uint64_t *number)
{
  uint64_t value;
  const char *rest = read_digits(text, &value);
  if (!rest || *rest)
    return false;
  *number = value;
  return true;
}

bool cli_read_size(const char *text, uint64_t *bytes)
{
  static const char units[] = "kKmMgGtT";
  uint64_t value;
  const char *rest = read_digits(text, &value);
  if (!rest || value == 0)
    return false;
  if (*rest) {
    const char *unit = strchr(units, *rest);
    if (!unit || rest[1])
      return false;
    uint64_t factor = 1024ull << (unit - units) / 2 * 10;
    if (__builtin_mul_overflow(value, factor, &value))
      return false;
  }
  *bytes = value;
  return true;
}

static const struct {
  const char *name;
  uint64_t ns;
} time_units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

enum { TIME_UNITS = sizeof time_units / sizeof time_units[0] };

bool cli_read_time(const char *text, uint64_t *ns)
{
  uint64_t value;
  const char *rest = read_digits(text, &value);
  for (size_t i = 0; rest && value > 0 && i < TIME_UNITS; i++)
    if (strcmp(rest, time_units[i].name) == 0)
      return !__builtin_mul_overflow(value, time_units[i].ns, ns);
  return false;
}

void cli_write_time(uint64_t ns, char text[CLI_TIME_BYTES])
{
  size_t unit = 0;
  while (ns % time_units[unit].ns != 0)
    unit++;
  snprintf(text, CLI_TIME_BYTES, "%" PRIu64 "%s", ns / time_units[unit].ns,
           time_units[unit].name);
}

const char *cli_next_item(const char **list, size_t *length)
{
  const char *item = *list;
  if (!item)
    return NULL;
  const char *comma = strchr(item, ',');
  *length = comma ? (size_t)(comma - item) : strlen(item);
  *list = comma ? comma + 1 : NULL;
  return item;
}

bool cli_is_item(const char *item, size_t length, const char *name)
{
  return strlen(name) == length && memcmp(item, name, length) == 0;
}

bool cli_read_item_number(const char *item, size_t length, uint64_t *number)
{
  char text[24];
  if (length >= sizeof text)
    return false;
  memcpy(text, item, length);
  text[length] = 0;
  return cli_read_number(text, number);
}

void cli_write_size(uint64_t bytes, char text[CLI_SIZE_BYTES])
{
  static const char units[] = "KMGT";
  size_t unit = 0;
  while (bytes && bytes % 1024 == 0 && unit < sizeof units - 1) {
    bytes /= 1024;
    unit++;
  }
  snprintf(text, CLI_SIZE_BYTES, "%" PRIu64 "%.1s", bytes,
           unit ? &units[unit - 1] : "");
}
