/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function a call names: `NAME`, or `NAME:(TYPE, ...)` where several
 * functions share the name.  A static and an instance function of one
 * parameter list are told apart by the instruction.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

/* What is called: how it was written, and the candidates. */
struct callee {
  struct vm_token name; /* its text may lie in the local arena */
  struct vm_token at;   /* the same, in the source */
  uint32_t static_function, instance_function;
};

static void unknown_function(struct vm_asm *a, const struct callee *callee)
{
  struct vm_suggest suggest;
  vm_asm_error(a, &callee->at, "unknown function `%s`",
               vm_quote_token(&callee->name).text);
  vm_suggest_begin(&suggest, callee->name.start, callee->name.length,
                   &a->suggest_budget);
  vm_suggest_offer_names(&suggest, &a->function_names, 0);
  vm_asm_suggest_note(a, &callee->at, &suggest);
}

static struct asm_overloads *find_name(struct vm_asm *a,
                                       const struct callee *callee)
{
  uint32_t found = vm_names_find(&a->function_names, 0, callee->name.start,
                                 callee->name.length);
  if (found == VM_NO_NAME)
    return NULL;
  return VM_ITEM(struct asm_overloads, &a->overloads,
                 a->function_names.entries[found].value);
}

/* Without a list the name has to be enough. */
static bool find_unlisted(struct vm_asm *a, struct callee *callee)
{
  const struct asm_overloads *all = find_name(a, callee);
  if (all == NULL) {
    unknown_function(a, callee);
    return false;
  }
  if (all->is_broken)
    return false;
  if (all->is_ambiguous) {
    vm_asm_error(a, &callee->at,
                 "there are several functions `%s`: add the parameters",
                 vm_quote_token(&callee->name).text);
    vm_asm_report(a, VM_DIAG_NOTE, &callee->at, "one is `%s`",
                  vm_quote(all->signature, all->signature_length).text);
    return false;
  }
  callee->static_function = all->static_function;
  callee->instance_function = all->instance_function;
  return true;
}

static bool put(struct vm_asm *a, struct vm_vec *text, const char *part,
                size_t length)
{
  for (size_t i = 0; i < length; i++) {
    char *to = vm_vec_push(a, text, 1);
    if (to == NULL)
      return false;
    *to = part[i];
  }
  return true;
}

static bool put_type(struct vm_asm *a, struct vm_lexer *lexer,
                     struct vm_vec *text)
{
  struct vm_token span;
  uint32_t type;
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_LISTED, &type, &span))
    return false;
  const char *name = vm_asm_type_at(a, type)->ref.name;
  return put(a, text, name, strlen(name));
}

/* The list behind `NAME:(`, put into the form of a signature. */
static bool parse_list(struct vm_asm *a, struct vm_lexer *lexer,
                       const struct vm_token *name, struct vm_vec *text)
{
  if (!put(a, text, name->start, name->length) || !put(a, text, ":(", 2))
    return false;
  struct vm_token token = vm_lex_peek(lexer);
  if (vm_token_is(&token, ')')) {
    vm_lex_next(lexer);
    return put(a, text, ")", 1);
  }
  for (;;) {
    if (!put_type(a, lexer, text))
      return false;
    token = vm_lex_next(lexer);
    if (vm_token_is(&token, ')'))
      return put(a, text, ")", 1);
    if (!vm_token_is(&token, ','))
      return vm_asm_expected(a, &token, "`,` or `)` between types");
    if (!put(a, text, ",", 1))
      return false;
  }
}

static bool find_listed(struct vm_asm *a, struct callee *callee,
                        const struct vm_vec *text)
{
  uint32_t *results[] = {&callee->instance_function, &callee->static_function};
  for (uint32_t is_static = 0; is_static < 2; is_static++) {
    uint32_t found =
        vm_names_find(&a->signatures, is_static, text->items, text->count);
    if (found != VM_NO_NAME)
      *results[is_static] = a->signatures.entries[found].value;
  }
  if (callee->static_function != VM_NONE ||
      callee->instance_function != VM_NONE)
    return true;
  const struct asm_overloads *all = find_name(a, callee);
  if (all == NULL) {
    unknown_function(a, callee);
  } else if (!all->is_broken) {
    vm_asm_error(a, &callee->at, "no function `%s` has these parameters",
                 vm_quote_token(&callee->name).text);
    vm_asm_report(a, VM_DIAG_NOTE, &callee->at, "one is `%s`",
                  vm_quote(all->signature, all->signature_length).text);
  }
  return false;
}

/* Virtual calls and initobj want an instance function, calls a static one. */
static bool choose(struct vm_asm *a, enum vm_op op, const struct callee *callee,
                   uint32_t *function)
{
  bool wants_instance = vm_op_is_virtual_call(op) || vm_op_is_initobj(op);
  uint32_t first =
      wants_instance ? callee->instance_function : callee->static_function;
  uint32_t second =
      wants_instance ? callee->static_function : callee->instance_function;
  if (first == VM_NONE && vm_op_is_virtual_call(op)) {
    vm_asm_error(a, &callee->at, "`%s` is static and cannot be called by `%s`",
                 vm_quote_token(&callee->name).text, vm_op_table[op].text);
    return false;
  }
  *function = first != VM_NONE ? first : second;
  return true;
}

bool vm_asm_callee(struct vm_asm *a, struct vm_lexer *lexer, enum vm_op op,
                   uint32_t *function)
{
  struct callee callee = {.static_function = VM_NONE,
                          .instance_function = VM_NONE};
  struct vm_vec text;
  uint32_t owner;
  callee.at = vm_lex_peek(lexer);
  if (!vm_asm_parse_function_name(a, lexer, &callee.name, &owner))
    return false;
  callee.at.length = (uint32_t)(lexer->next - callee.at.start);
  struct vm_token next = vm_lex_peek(lexer);
  if (!vm_token_is(&next, ':'))
    return find_unlisted(a, &callee) && choose(a, op, &callee, function);
  vm_lex_next(lexer);
  vm_vec_init(&text, a->local);
  return vm_asm_expect(a, lexer, '(', "and the types of the parameters") &&
         parse_list(a, lexer, &callee.name, &text) &&
         find_listed(a, &callee, &text) && choose(a, op, &callee, function);
}
