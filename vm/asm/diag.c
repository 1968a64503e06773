/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics: kept, sorted, printed.  See diag.h.
 *
 * Each is one block of memory that holds its three texts too.  Memory that
 * runs out is remembered in the list (`out_of_memory`), and counting goes on.
 */
#include "config.h"

#include "vm/asm/diag_internal.h"

#include "vm/core/purposes.h"

#include <string.h>

enum {
  KEPT_BEFORE = 60, /* bytes of a line kept in front of the place */
  KEPT_BYTES = 160, /* and in all */
};

void vm_diags_init(struct vm_diags *diags)
{
  memset(diags, 0, sizeof *diags);
  diags->last = &diags->first;
}

void vm_diags_destroy(struct vm_diags *diags)
{
  struct vm_diag *next;
  for (struct vm_diag *diag = diags->first; diag != NULL; diag = next) {
    next = diag->next;
    mm_native_free(VM_PURPOSE_DIAGNOSTICS, diag, diag->bytes);
  }
  vm_diags_init(diags);
}

static bool is_continuation(char c)
{
  return ((unsigned char)c & 0xc0) == 0x80;
}

/* The part of a line that is kept. */
struct excerpt {
  const char *start;
  size_t bytes;
  bool cut_left, cut_right;
};

static struct excerpt excerpt_of(const struct vm_diag_place *place)
{
  struct excerpt kept = {place->start, 0, false, false};
  if (kept.start == NULL || place->line == 0)
    return kept;
  size_t before = place->column > 0 ? place->column - 1 : 0;
  size_t left = (size_t)(place->end - place->start);
  if (before > left)
    before = left;
  if (before > KEPT_BEFORE) {
    size_t skip = before - KEPT_BEFORE;
    while (skip < before && is_continuation(kept.start[skip]))
      skip++;
    kept.start += skip;
    left -= skip;
    kept.cut_left = true;
  }
  size_t limit = left < KEPT_BYTES ? left : KEPT_BYTES;
  const char *newline = memchr(kept.start, '\n', limit);
  kept.bytes = newline ? (size_t)(newline - kept.start) : limit;
  kept.cut_right = newline == NULL && limit < left;
  while (kept.cut_right && is_continuation(kept.start[kept.bytes]))
    kept.bytes--;
  return kept;
}

static bool is_wanted(struct vm_diags *diags, enum vm_severity severity)
{
  bool full = diags->error_limit != 0 && diags->errors > diags->error_limit;
  if (severity == VM_DIAG_ERROR) {
    diags->errors++;
    full = diags->error_limit != 0 && diags->errors > diags->error_limit;
  } else if (severity == VM_DIAG_WARNING) {
    diags->warnings++;
  }
  return !full;
}

static struct vm_diag *make(const struct vm_diag_place *place,
                            const char *format, va_list arguments)
{
  char buffer[512];
  struct excerpt kept = excerpt_of(place);
  if (vsnprintf(buffer, sizeof buffer, format, arguments) < 0)
    return NULL;
  size_t file_bytes = strlen(place->file) + 1;
  size_t text_bytes = strlen(buffer) + 1;
  size_t bytes =
      sizeof(struct vm_diag) + file_bytes + text_bytes + kept.bytes + 1;
  struct vm_diag *diag = mm_native_alloc(VM_PURPOSE_DIAGNOSTICS, bytes);
  if (diag == NULL)
    return NULL;
  diag->bytes = bytes;
  diag->file = memcpy(diag + 1, place->file, file_bytes);
  diag->text = memcpy(diag->file + file_bytes, buffer, text_bytes);
  diag->line = place->line;
  diag->column = place->column;
  diag->width = place->width > 0 ? place->width : 1;
  if (kept.start != NULL && place->line != 0) {
    diag->source_line = diag->text + text_bytes;
    memcpy(diag->source_line, kept.start, kept.bytes);
    diag->source_line[kept.bytes] = '\0';
    for (size_t i = 0; i < kept.bytes; i++)
      if (diag->source_line[i] == '\0')
        diag->source_line[i] = '\1'; /* printed as a question mark */
    diag->source_column = (uint32_t)(kept.start - place->start) + 1;
    diag->cut_left = kept.cut_left;
    diag->cut_right = kept.cut_right;
  }
  return diag;
}

void vm_diag_add_at(struct vm_diags *diags, enum vm_severity severity,
                    const struct vm_diag_place *place, const char *format,
                    va_list arguments)
{
  if (!is_wanted(diags, severity))
    return;
  struct vm_diag *diag = make(place, format, arguments);
  if (diag == NULL) {
    diags->out_of_memory = true;
    return;
  }
  diag->severity = severity;
  *diags->last = diag;
  diags->last = &diag->next;
}

/* The first byte of a line of the text, or null when there is no such line. */
static const char *find_line(struct vm_diags *diags, const char *source,
                             size_t source_bytes, uint32_t line)
{
  if (diags->seen_source != source || diags->seen_line > line ||
      diags->seen_offset > source_bytes) {
    diags->seen_source = source;
    diags->seen_offset = 0;
    diags->seen_line = 1;
  }
  while (diags->seen_line < line) {
    const char *from = source + diags->seen_offset;
    const char *newline = memchr(from, '\n', source_bytes - diags->seen_offset);
    if (newline == NULL)
      return NULL;
    diags->seen_offset = (size_t)(newline - source) + 1;
    diags->seen_line++;
  }
  return source + diags->seen_offset;
}

void vm_diag_add(struct vm_diags *diags, enum vm_severity severity,
                 const char *file, const char *source, size_t source_bytes,
                 uint32_t line, uint32_t column, uint32_t width,
                 const char *format, ...)
{
  struct vm_diag_place place = {file, NULL, NULL, line, column, width};
  va_list arguments;
  if (source != NULL && line != 0) {
    place.start = find_line(diags, source, source_bytes, line);
    place.end = source + source_bytes;
  }
  va_start(arguments, format);
  vm_diag_add_at(diags, severity, &place, format, arguments);
  va_end(arguments);
}

void vm_diag_add_no_memory(struct vm_diags *diags, const char *file,
                           const char *what)
{
  vm_diag_add(diags, VM_DIAG_ERROR, file, NULL, 0, 0, 0, 1, "%s", what);
  diags->out_of_memory = true;
}

/* Sorting ------------------------------------------------------------------*/

/* The first diagnostic behind `diag` that is not one of its notes. */
static struct vm_diag *group_end(struct vm_diag *diag, struct vm_diag **tail)
{
  while (diag->next != NULL && diag->next->severity == VM_DIAG_NOTE)
    diag = diag->next;
  *tail = diag;
  return diag->next;
}

static bool is_before(const struct vm_diag *a, const struct vm_diag *b)
{
  if (a->line != b->line)
    return a->line < b->line;
  return a->column < b->column;
}

/* Merges two sorted lists of groups, `a` first among equals. */
static struct vm_diag *merge(struct vm_diag *a, struct vm_diag *b)
{
  struct vm_diag *result = NULL, **last = &result, *tail;
  while (a != NULL && b != NULL) {
    struct vm_diag **from = is_before(b, a) ? &b : &a;
    *last = *from;
    *from = group_end(*from, &tail);
    last = &tail->next;
  }
  *last = a != NULL ? a : b;
  return result;
}

/*
 * A bottom-up merge sort: slot i holds a sorted list of 2^i groups or none,
 * as the digits of a binary counter.
 */
void vm_diags_sort(struct vm_diags *diags, struct vm_diag **from)
{
  struct vm_diag *slots[32] = {NULL}, *list = *from, *tail;
  while (list != NULL) {
    struct vm_diag *group = list;
    list = group_end(group, &tail);
    tail->next = NULL;
    unsigned i = 0;
    for (; i < 31 && slots[i] != NULL; i++) {
      group = merge(slots[i], group);
      slots[i] = NULL;
    }
    slots[i] = merge(slots[i], group);
  }
  struct vm_diag *sorted = NULL;
  for (unsigned i = 0; i < 32; i++)
    sorted = merge(slots[i], sorted);
  *from = sorted;
  diags->last = from;
  while (*diags->last != NULL)
    diags->last = &(*diags->last)->next;
}

/* Printing -----------------------------------------------------------------*/

unsigned vm_utf8_length(const char *text)
{
  unsigned char lead = (unsigned char)text[0];
  unsigned length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? 4
                                  : 0;
  for (unsigned i = 1; i < length; i++)
    if (!is_continuation(text[i]))
      return 0;
  return length;
}

/* Writes one character so that it takes one column: junk is a question mark,
   a tab one blank.  Returns how many bytes it was. */
static unsigned put_character(const char *text, FILE *out)
{
  unsigned length = vm_utf8_length(text);
  unsigned char c = (unsigned char)text[0];
  if (length == 0 || (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
    fputc('?', out);
  else if (c < 0x20)
    fputc(' ', out);
  else
    fwrite(text, 1, length, out);
  return length > 0 ? length : 1;
}

static unsigned characters_of(const char *text, size_t bytes)
{
  unsigned count = 0;
  for (size_t i = 0; i < bytes && text[i] != '\0'; count++) {
    unsigned length = vm_utf8_length(text + i);
    i += length > 0 ? length : 1;
  }
  return count;
}

static void put_repeated(char c, unsigned count, FILE *out)
{
  while (count-- > 0)
    fputc(c, out);
}

static void print_source(const struct vm_diag *diag, FILE *out, bool color)
{
  const char *line = diag->source_line;
  uint32_t first = diag->source_column;
  while (!diag->cut_left && (*line == ' ' || *line == '\t') &&
         first < diag->column) {
    line++;
    first++;
  }
  fprintf(out, "    %s", diag->cut_left ? "..." : "");
  for (const char *p = line; *p != '\0';)
    p += put_character(p, out);
  fputs(diag->cut_right ? "...\n" : "\n", out);
  if (diag->column < first)
    return;
  unsigned before = characters_of(line, diag->column - first);
  size_t rest = strlen(line);
  const char *at =
      line + (diag->column - first < rest ? diag->column - first : rest);
  unsigned wide = characters_of(at, diag->width);
  put_repeated(' ', before + 4 + (diag->cut_left ? 3 : 0), out);
  fputs(color ? "\033[1;32m^" : "^", out);
  put_repeated('~', wide > 1 ? wide - 1 : 0, out);
  fputs(color ? "\033[0m\n" : "\n", out);
}

static void print_one(const struct vm_diag *diag, FILE *out, bool color)
{
  static const char *const names[] = {"note", "warning", "error"};
  static const char *const colors[] = {"\033[1;36m", "\033[1;35m",
                                       "\033[1;31m"};
  fprintf(out, "%s%s:", color ? "\033[1m" : "", diag->file);
  if (diag->line != 0)
    fprintf(out, "%u:", diag->line);
  if (diag->line != 0 && diag->column != 0)
    fprintf(out, "%u:", diag->column);
  fprintf(out, " %s%s:%s %s\n", color ? colors[diag->severity] : "",
          names[diag->severity], color ? "\033[0m" : "", diag->text);
  if (diag->source_line != NULL && diag->column != 0)
    print_source(diag, out, color);
}

void vm_diags_print(const struct vm_diags *diags, FILE *out, bool color)
{
  const struct vm_diag *above = NULL;
  for (const struct vm_diag *diag = diags->first; diag != NULL;
       diag = diag->next) {
    struct vm_diag bare = *diag;
    /* A note on the place just shown does not show it again. */
    if (above != NULL && diag->severity == VM_DIAG_NOTE &&
        diag->line == above->line && diag->column == above->column)
      bare.source_line = NULL;
    print_one(&bare, out, color);
    above = diag;
  }
  if (diags->error_limit != 0 && diags->errors > diags->error_limit)
    fprintf(out, "%u more errors are not shown\n",
            diags->errors - diags->error_limit);
  if (diags->out_of_memory)
    fputs("memory ran out: there may be more than is shown\n", out);
}
