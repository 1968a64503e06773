/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading INI text, line by line.  A line is first looked at as a whole (its
 * length, bytes that no text has), then cut at the comment, trimmed, and taken
 * apart.  Names and values are ended by zeros written into the text.
 */
#include "config.h"

#include "vm/cli/ini.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
  struct cli_ini_item *items;
  size_t most, count;
  unsigned line_number;
  char *line; /* the line that is being read, for columns */
  struct cli_ini_error *error;
};

static bool wrong(struct reader *reader, const char *at, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

static bool wrong(struct reader *reader, const char *at, const char *format,
                  ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reader->error->text, sizeof reader->error->text, format, arguments);
  va_end(arguments);
  reader->error->line = reader->line_number;
  reader->error->column = (unsigned)(at - reader->line) + 1;
  return false;
}

static bool is_blank(char c)
{
  return c == ' ' || c == '\t';
}

static bool is_comment(char c)
{
  return c == '#' || c == ';';
}

/* Of names of sections and settings; the same in every locale. */
static bool is_name(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static char *skip_blanks(char *at, const char *end)
{
  while (at < end && is_blank(*at))
    at++;
  return at;
}

static char *skip_name(char *at, const char *end)
{
  while (at < end && is_name(*at))
    at++;
  return at;
}

static char *trim_end(const char *begin, char *end)
{
  while (end > begin && is_blank(end[-1]))
    end--;
  return end;
}

/* Where the comment begins: at the line's start, or behind a blank. */
static char *find_comment(char *at, char *end)
{
  for (char *c = at; c < end; c++)
    if (is_comment(*c) && (c == at || is_blank(c[-1])))
      return c;
  return end;
}

static bool check_bytes(struct reader *reader, const char *end)
{
  const char *most = reader->line + CLI_INI_LINE_BYTES;
  if (end - reader->line <= CLI_INI_LINE_BYTES)
    most = end;
  for (const char *at = reader->line; at < most; at++) {
    unsigned char c = (unsigned char)*at;
    if ((c < ' ' && c != '\t') || c == 0x7f)
      return wrong(reader, at, "a byte 0x%02x does not belong into text", c);
  }
  return most == end || wrong(reader, most, "the line is longer than %d bytes",
                              CLI_INI_LINE_BYTES);
}

static bool add(struct reader *reader, char *name, char *name_end, char *value,
                char *value_end)
{
  if (reader->count == reader->most)
    return wrong(reader, name, "more than %zu sections and settings",
                 reader->most);
  *name_end = 0;
  if (value)
    *value_end = 0;
  reader->items[reader->count++] = (struct cli_ini_item){
      .name = name,
      .value = value,
      .line = reader->line_number,
      .column = (unsigned)(name - reader->line) + 1,
      .value_column = value ? (unsigned)(value - reader->line) + 1 : 0,
  };
  return true;
}

static bool read_section(struct reader *reader, char *open, char *end)
{
  char *name = skip_blanks(open + 1, end);
  char *name_end = skip_name(name, end);
  char *close = skip_blanks(name_end, end);
  if (close == end)
    return wrong(reader, close, "`]' is missing behind the name");
  if (*close != ']')
    return wrong(reader, close,
                 "a name is made of letters, digits, `-', `_' and `.'");
  if (name == name_end)
    return wrong(reader, name, "a name is missing between `[' and `]'");
  if (close + 1 != end)
    return wrong(reader, skip_blanks(close + 1, end),
                 "nothing may follow `]' on its line");
  return add(reader, name, name_end, NULL, NULL);
}

static bool read_setting(struct reader *reader, char *name, char *end)
{
  char *name_end = skip_name(name, end);
  char *equals = skip_blanks(name_end, end);
  if (name == name_end)
    return wrong(reader, name, "neither `[name]' nor `option = value'");
  if (equals == end || *equals != '=')
    return wrong(reader, equals,
                 "`=' is missing behind `%.*s', as in `option = value'",
                 name_end - name > 40 ? 40 : (int)(name_end - name), name);
  char *value = skip_blanks(equals + 1, end);
  char *value_end = trim_end(value, find_comment(value, end));
  return value < value_end
             ? add(reader, name, name_end, value, value_end)
             : wrong(reader, value, "a value is missing behind `='");
}

static bool read_line(struct reader *reader, char *end)
{
  if (!check_bytes(reader, end))
    return false;
  char *begin = skip_blanks(reader->line, end);
  if (begin == end || is_comment(*begin))
    return true;
  if (*begin == '[')
    return read_section(reader, begin,
                        trim_end(begin, find_comment(begin, end)));
  return read_setting(reader, begin, trim_end(begin, end));
}

/* Some editors put a byte order mark in front of UTF-8. */
static char *skip_mark(char *text, size_t length)
{
  return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

bool cli_ini_read(char *text, size_t length, struct cli_ini_item *items,
                  size_t most, size_t *count, struct cli_ini_error *error)
{
  struct reader reader = {.items = items, .most = most, .error = error};
  char *end = text + length;
  for (char *at = skip_mark(text, length); at < end;) {
    char *newline = memchr(at, '\n', (size_t)(end - at));
    char *line_end = newline ? newline : end;
    reader.line = at;
    reader.line_number++;
    at = newline ? newline + 1 : end;
    if (line_end > reader.line && line_end[-1] == '\r')
      line_end--;
    if (!read_line(&reader, line_end))
      return false;
  }
  *count = reader.count;
  return true;
}
