/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lexer: one line at a time, since in Panda Assembly lines matter.
 *
 *   text --vm_lex_next--> tokens of a line, then VM_TOK_EOL for ever
 *        --vm_lex_next_line--> the line below
 *
 * A token points into the text and is never changed, so a lexer may be copied
 * to come back to a place.  No memory is taken and nothing is reported here:
 * what a token means depends on where it stands.
 */
#ifndef VM_ASM_LEXER_INTERNAL_H
#define VM_ASM_LEXER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vm_token_kind {
  VM_TOK_EOF, /* end of the text */
  VM_TOK_EOL, /* end of the line, or a comment */
  VM_TOK_NAME,
  VM_TOK_STRING,      /* with its quotes */
  VM_TOK_OPEN_STRING, /* a string without its closing quote */
  VM_TOK_PUNCT,       /* one of , : { } ( ) < > = [ ] */
};

struct vm_token {
  enum vm_token_kind kind;
  const char *start;
  uint32_t length;
  uint32_t line, column; /* 1-based */
};

struct vm_lexer {
  const char *next, *end;
  const char *line_start;
  uint32_t line;
};

void vm_lex_init(struct vm_lexer *lexer, const char *text, size_t bytes);

/* Takes the next token of the line. */
struct vm_token vm_lex_next(struct vm_lexer *lexer);

/* The same, but `<` and `>` belong to a name: names of functions. */
struct vm_token vm_lex_next_function(struct vm_lexer *lexer);

/* The next token, not taken. */
struct vm_token vm_lex_peek(const struct vm_lexer *lexer);

/* Goes to the line below; false at the end of the text. */
bool vm_lex_next_line(struct vm_lexer *lexer);

/* Skips what is left of the line. */
void vm_lex_skip_rest(struct vm_lexer *lexer);

/* Is it this character of punctuation? */
static inline bool vm_token_is(const struct vm_token *token, char c)
{
  return token->kind == VM_TOK_PUNCT && token->start[0] == c;
}

static inline bool vm_token_ends_line(const struct vm_token *token)
{
  return token->kind == VM_TOK_EOL || token->kind == VM_TOK_EOF;
}

/* Is it a name with this text? */
bool vm_token_equals(const struct vm_token *token, const char *text);

#endif
