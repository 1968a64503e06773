/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pass 1: the directives of a file, and what they have in common.
 *
 * Lines before the first directive are text for people and skipped.  After a
 * line that makes no sense the lines up to the next directive are not told
 * one by one: they are most likely one mistake.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

static const char *const directives[] = {".language", ".record", ".function",
                                         ".array",    ".catch",  ".catchall"};

enum { DIRECTIVE_COUNT = sizeof directives / sizeof directives[0] };

bool vm_asm_is_directive(const struct vm_token *token)
{
  for (unsigned i = 0; i < 4; i++)
    if (vm_token_equals(token, directives[i]))
      return true;
  return false;
}

bool vm_asm_open_body(struct vm_lexer *lexer, bool recover)
{
  struct vm_token token = vm_lex_peek(lexer);
  while (recover && !vm_token_ends_line(&token)) {
    vm_lex_next(lexer);
    struct vm_token next = vm_lex_peek(lexer);
    bool is_union = next.kind == VM_TOK_NAME && next.start[0] == 'U';
    if (vm_token_is(&token, '{') && !is_union)
      return true;
    token = next;
  }
  struct vm_lexer ahead = *lexer;
  while (vm_token_ends_line(&token)) {
    if (!vm_lex_next_line(&ahead))
      return false;
    token = vm_lex_peek(&ahead);
  }
  if (!vm_token_is(&token, '{'))
    return false;
  vm_lex_next(&ahead);
  *lexer = ahead;
  return true;
}

enum vm_body_step vm_asm_body_step(struct vm_asm *a, struct vm_lexer *lexer,
                                   const char *what,
                                   const struct vm_token *name)
{
  struct vm_token token = vm_lex_peek(lexer);
  while (token.kind == VM_TOK_EOL && vm_lex_next_line(lexer))
    token = vm_lex_peek(lexer);
  if (vm_token_is(&token, '}')) {
    vm_lex_next(lexer);
    return VM_BODY_CLOSED;
  }
  if (token.kind == VM_TOK_EOF) {
    vm_asm_error(a, name, "the %s `%s` is not closed: a `}` is missing", what,
                 vm_quote_token(name).text);
    return VM_BODY_BROKEN;
  }
  if (!vm_asm_is_directive(&token))
    return VM_BODY_LINE;
  vm_asm_error(a, &token, "`%s` inside the %s `%s`",
               vm_quote_token(&token).text, what, vm_quote_token(name).text);
  vm_asm_report(a, VM_DIAG_NOTE, name, "a `}` is missing");
  return VM_BODY_BROKEN;
}

static void language(struct vm_asm *a, struct vm_lexer *lexer,
                     const struct vm_token *directive)
{
  if (a->seen_directive)
    vm_asm_error(a, directive,
                 a->seen_language
                     ? "`.language` stands here a second time"
                     : "`.language` stands before all other directives");
  a->seen_language = true;
  struct vm_token name = vm_lex_next(lexer);
  if (name.kind != VM_TOK_NAME)
    vm_asm_expected(a, &name, "the name of a language");
  else if (!vm_token_equals(&name, "PandaAssembly"))
    vm_asm_error(a, &name, "unknown language `%s`: only `PandaAssembly` is",
                 vm_quote_token(&name).text);
  else
    vm_asm_expect_eol(a, lexer);
}

static void directive(struct vm_asm *a, struct vm_lexer *lexer)
{
  struct mm_arena_mark mark = mm_arena_mark(a->local);
  struct vm_token token = vm_lex_next(lexer);
  if (vm_token_equals(&token, ".language"))
    language(a, lexer, &token);
  else if (vm_token_equals(&token, ".record"))
    vm_asm_record(a, lexer);
  else if (vm_token_equals(&token, ".function"))
    vm_asm_function(a, lexer, &token);
  else
    vm_asm_array(a, lexer);
  a->seen_directive = true;
  mm_arena_rewind(a->local, mark);
}

/* A line between directives that is none. */
static void stray_line(struct vm_asm *a, const struct vm_token *token)
{
  struct vm_suggest suggest;
  vm_suggest_begin(&suggest, token->start, token->length, &a->suggest_budget);
  for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
    vm_suggest_offer(&suggest, directives[i], (uint32_t)strlen(directives[i]));
  if (vm_token_is(token, '}'))
    vm_asm_error(a, token, "`}` without `{`");
  else if (vm_token_equals(token, ".catch") ||
           vm_token_equals(token, ".catchall"))
    vm_asm_error(a, token, "`%s` stands inside the body of a function",
                 vm_quote_token(token).text);
  else if (token->kind == VM_TOK_NAME && token->start[0] == '.')
    vm_asm_error(a, token, "unknown directive `%s`",
                 vm_quote_token(token).text);
  else
    vm_asm_expected(a, token, "a directive");
  if (token->kind == VM_TOK_NAME)
    vm_asm_suggest_note(a, token, &suggest);
}

/* Text before the first directive means nothing, unless it looks like a
   directive that was misspelt. */
static bool is_leading_text(struct vm_asm *a, const struct vm_token *token)
{
  struct vm_suggest suggest;
  if (a->seen_directive)
    return false;
  if (token->kind != VM_TOK_NAME || token->start[0] != '.')
    return true;
  vm_suggest_begin(&suggest, token->start, token->length, &a->suggest_budget);
  for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
    vm_suggest_offer(&suggest, directives[i], (uint32_t)strlen(directives[i]));
  return suggest.best == NULL;
}

void vm_asm_declare(struct vm_asm *a)
{
  struct vm_lexer lexer;
  struct vm_token first_text = {.kind = VM_TOK_EOF};
  bool in_junk = false;
  vm_lex_init(&lexer, a->source, a->source_bytes);
  if (a->source_bytes >= 3 && memcmp(a->source, "\xef\xbb\xbf", 3) == 0)
    lexer.next += 3; /* a byte order mark */
  while (!a->no_memory) {
    struct vm_token token = vm_lex_peek(&lexer);
    if (vm_token_ends_line(&token)) {
      if (!vm_lex_next_line(&lexer))
        break;
    } else if (vm_asm_is_directive(&token)) {
      directive(a, &lexer);
      in_junk = false;
    } else if (is_leading_text(a, &token)) {
      if (first_text.kind == VM_TOK_EOF)
        first_text = token;
      vm_lex_skip_rest(&lexer);
    } else {
      if (!in_junk)
        stray_line(a, &token);
      in_junk = a->seen_directive = true;
      vm_lex_skip_rest(&lexer);
    }
  }
  if (!a->seen_directive && first_text.kind != VM_TOK_EOF)
    vm_asm_error(a, &first_text,
                 "there is no directive in this file: is it Panda Assembly?");
}
