/* SPDX-License-Identifier: Apache-2.0 */
/* How the assembler words what it finds; see asm_internal.h. */
#include "config.h"

#include "vm/asm/asm_internal.h"
#include "vm/asm/diag_internal.h"

#include <string.h>

struct vm_quoted vm_quote(const char *text, size_t length)
{
  struct vm_quoted quoted;
  size_t room = sizeof quoted.text - 4, count = length < room ? length : room;
  while (count < length && count > 0 &&
         ((unsigned char)text[count] & 0xc0) == 0x80)
    count--;
  memcpy(quoted.text, text, count);
  strcpy(quoted.text + count, count < length ? "..." : "");
  for (size_t i = 0; i < count;) {
    char *c = &quoted.text[i];
    unsigned bytes = vm_utf8_length(c);
    if (bytes == 0 || (unsigned char)*c < 0x20 || *c == 0x7f)
      *c = '?';
    i += bytes > 0 ? bytes : 1;
  }
  return quoted;
}

struct vm_quoted vm_quote_token(const struct vm_token *token)
{
  return vm_quote(token->start, token->length);
}

void vm_asm_report(struct vm_asm *a, enum vm_severity severity,
                   const struct vm_token *at, const char *format, ...)
{
  struct vm_diag_place place = {a->file,
                                at->start - (at->column - 1),
                                a->source + a->source_bytes,
                                at->line,
                                at->column,
                                at->length};
  va_list arguments;
  /* What follows from a lack of memory is not the text's fault. */
  if (a->no_memory)
    return;
  va_start(arguments, format);
  vm_diag_add_at(a->diags, severity, &place, format, arguments);
  va_end(arguments);
}

bool vm_asm_expected(struct vm_asm *a, const struct vm_token *found,
                     const char *wanted)
{
  if (found->kind == VM_TOK_OPEN_STRING)
    vm_asm_error(a, found, "this string has no closing quote");
  else if (found->kind == VM_TOK_EOF)
    vm_asm_error(a, found, "expected %s, found the end of the text", wanted);
  else if (found->kind == VM_TOK_EOL)
    vm_asm_error(a, found, "expected %s, found the end of the line", wanted);
  else
    vm_asm_error(a, found, "expected %s, found `%s`", wanted,
                 vm_quote_token(found).text);
  return false;
}

bool vm_asm_expect(struct vm_asm *a, struct vm_lexer *lexer, char c,
                   const char *where)
{
  struct vm_token token = vm_lex_next(lexer);
  char wanted[80];
  if (vm_token_is(&token, c))
    return true;
  snprintf(wanted, sizeof wanted, "`%c` %s", c, where);
  return vm_asm_expected(a, &token, wanted);
}

bool vm_asm_expect_eol(struct vm_asm *a, struct vm_lexer *lexer)
{
  struct vm_token token = vm_lex_next(lexer);
  if (vm_token_ends_line(&token))
    return true;
  if (token.kind == VM_TOK_OPEN_STRING)
    vm_asm_error(a, &token, "this string has no closing quote");
  else
    vm_asm_error(a, &token, "`%s` is left over at the end of the line",
                 vm_quote_token(&token).text);
  return false;
}

void vm_asm_suggest_note(struct vm_asm *a, const struct vm_token *word,
                         const struct vm_suggest *suggest)
{
  if (suggest->best != NULL)
    vm_asm_report(a, VM_DIAG_NOTE, word, "did you mean `%s`?",
                  vm_quote(suggest->best, suggest->best_length).text);
}

void vm_asm_suggest_names(struct vm_asm *a, const struct vm_token *word,
                          const struct vm_names *names, uint64_t scope)
{
  struct vm_suggest suggest;
  vm_suggest_begin(&suggest, word->start, word->length, &a->suggest_budget);
  vm_suggest_offer_names(&suggest, names, scope);
  vm_asm_suggest_note(a, word, &suggest);
}
