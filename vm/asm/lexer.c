/* SPDX-License-Identifier: Apache-2.0 */
/* The lexer of Panda Assembly; see lexer_internal.h. */
#include "config.h"

#include "vm/asm/lexer_internal.h"

#include <string.h>

enum { BLANK = 1, PUNCT = 2, ANGLE = 4, OTHER_END = 8 };

/* What ends a name, by byte. */
static const uint8_t classes[256] = {
    [' '] = BLANK,         ['\t'] = BLANK,     ['\r'] = BLANK,
    ['\v'] = BLANK,        ['\f'] = BLANK,     [','] = PUNCT,
    [':'] = PUNCT,         ['{'] = PUNCT,      ['}'] = PUNCT,
    ['('] = PUNCT,         [')'] = PUNCT,      ['='] = PUNCT,
    ['['] = PUNCT,         [']'] = PUNCT,      ['<'] = PUNCT | ANGLE,
    ['>'] = PUNCT | ANGLE, ['\n'] = OTHER_END, ['#'] = OTHER_END,
    ['"'] = OTHER_END,
};

void vm_lex_init(struct vm_lexer *lexer, const char *text, size_t bytes)
{
  lexer->next = text;
  lexer->end = text + bytes;
  lexer->line_start = text;
  lexer->line = 1;
}

static const char *string_end(const char *p, const char *end, bool *closed)
{
  *closed = false;
  for (p++; p < end && *p != '\n'; p++) {
    if (*p == '"') {
      *closed = true;
      return p + 1;
    }
    if (*p == '\\' && p + 1 < end && p[1] != '\n')
      p++;
  }
  return p;
}

static const char *name_end(const char *p, const char *end, bool angles)
{
  while (p < end) {
    uint8_t class = classes[(uint8_t)*p];
    if (class != 0 && !(angles && (class & ANGLE)))
      break;
    p++;
  }
  return p;
}

static struct vm_token next_token(struct vm_lexer *lexer, bool angles)
{
  const char *p = lexer->next, *end = lexer->end;
  while (p < end && classes[(uint8_t)*p] == BLANK)
    p++;
  struct vm_token token = {VM_TOK_EOF, p, 0, lexer->line,
                           (uint32_t)(p - lexer->line_start) + 1};
  lexer->next = p;
  if (p == end)
    return token;
  uint8_t class = classes[(uint8_t)*p];
  if (*p == '\n' || *p == '#') {
    token.kind = VM_TOK_EOL;
    return token;
  }
  if (*p == '"') {
    bool closed;
    lexer->next = string_end(p, end, &closed);
    token.kind = closed ? VM_TOK_STRING : VM_TOK_OPEN_STRING;
  } else if (class == 0 || (angles && (class & ANGLE))) {
    lexer->next = name_end(p, end, angles);
    token.kind = VM_TOK_NAME;
  } else {
    lexer->next = p + 1;
    token.kind = VM_TOK_PUNCT;
  }
  token.length = (uint32_t)(lexer->next - p);
  return token;
}

struct vm_token vm_lex_next(struct vm_lexer *lexer)
{
  return next_token(lexer, false);
}

struct vm_token vm_lex_next_function(struct vm_lexer *lexer)
{
  return next_token(lexer, true);
}

struct vm_token vm_lex_peek(const struct vm_lexer *lexer)
{
  struct vm_lexer copy = *lexer;
  return next_token(&copy, false);
}

void vm_lex_skip_rest(struct vm_lexer *lexer)
{
  const char *newline =
      memchr(lexer->next, '\n', (size_t)(lexer->end - lexer->next));
  lexer->next = newline != NULL ? newline : lexer->end;
}

bool vm_lex_next_line(struct vm_lexer *lexer)
{
  const char *newline =
      memchr(lexer->next, '\n', (size_t)(lexer->end - lexer->next));
  if (newline == NULL) {
    lexer->next = lexer->end;
    return false;
  }
  lexer->next = lexer->line_start = newline + 1;
  lexer->line++;
  return true;
}

bool vm_token_equals(const struct vm_token *token, const char *text)
{
  return token->kind == VM_TOK_NAME && strlen(text) == token->length &&
         memcmp(token->start, text, token->length) == 0;
}
