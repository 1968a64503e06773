/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pass 2: the bodies.  A line is `[LABEL:] [INSTRUCTION]` or a `.catch`.
 * Labels are looked up when the whole body has been read.
 *
 * Handlers are searched in an order of their own: the distinct pairs of range
 * labels in the order in which each pair first appears, and within a pair as
 * written.  They are put into that order here, once.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

/* A `.catch`: labels as begin, end, handler, end of the handler. */
struct asm_catch {
  struct vm_catch catch;
  struct vm_token labels[4];
  uint32_t label_count;
  uint32_t group; /* number of its pair of range labels */
};

/* Labels -------------------------------------------------------------------*/

bool vm_asm_find_label(struct vm_asm *a, const struct asm_body *body,
                       const struct vm_token *label, uint32_t *insn)
{
  uint32_t found = vm_names_find(&body->labels, 0, label->start, label->length);
  if (found != VM_NO_NAME) {
    *insn = body->labels.entries[found].value;
    return true;
  }
  vm_asm_error(a, label, "unknown label `%s`", vm_quote_token(label).text);
  vm_asm_suggest_names(a, label, &body->labels, 0);
  return false;
}

static bool define_label(struct vm_asm *a, struct asm_body *body,
                         const struct vm_token *label)
{
  if (!vm_name_is_valid(label->start, label->length, VM_NAME_SIMPLE)) {
    vm_asm_error(a, label, "malformed label `%s`", vm_quote_token(label).text);
    return false;
  }
  if (vm_names_find(&body->labels, 0, label->start, label->length) !=
      VM_NO_NAME) {
    vm_asm_error(a, label, "label `%s` is defined twice",
                 vm_quote_token(label).text);
    return false;
  }
  if (vm_names_add(&body->labels, 0, label->start, label->length,
                   body->insns.count) != VM_NO_NAME)
    return true;
  a->no_memory = true;
  return false;
}

static void resolve_jumps(struct vm_asm *a, struct asm_body *body)
{
  for (uint32_t i = 0; i < body->insns.count; i++) {
    struct asm_insn *insn = VM_ITEM(struct asm_insn, &body->insns, i);
    if (vm_op_is_jump((enum vm_op)insn->insn.op))
      vm_asm_find_label(a, body, &insn->label, &insn->insn.operand.target);
  }
}

/* Catches ------------------------------------------------------------------*/

static bool parse_catch_type(struct vm_asm *a, struct vm_lexer *lexer,
                             uint32_t *type)
{
  struct vm_token span;
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_OPERAND, type, &span))
    return false;
  if (vm_asm_type_at(a, *type)->ref.prim != VM_PRIM_REF) {
    vm_asm_error(a, &span, "`%s` cannot be thrown", vm_quote_token(&span).text);
    return false;
  }
  return vm_asm_expect(a, lexer, ',', "behind the record");
}

bool vm_asm_parse_catch(struct vm_asm *a, struct asm_body *body,
                        struct vm_lexer *lexer,
                        const struct vm_token *directive)
{
  struct asm_catch parsed = {0};
  struct vm_token token;
  parsed.catch.type = VM_NONE;
  parsed.catch.line = directive->line;
  parsed.catch.column = directive->column;
  if (vm_token_equals(directive, ".catch") &&
      !parse_catch_type(a, lexer, &parsed.catch.type))
    return false;
  do {
    if (parsed.label_count == 4) {
      vm_asm_error(a, &token, "`%s` takes at most four labels",
                   vm_quote_token(directive).text);
      return false;
    }
    token = vm_lex_next(lexer);
    if (token.kind != VM_TOK_NAME)
      return vm_asm_expected(a, &token, "a label");
    parsed.labels[parsed.label_count++] = token;
    token = vm_lex_peek(lexer);
    if (vm_token_is(&token, ','))
      vm_lex_next(lexer);
  } while (vm_token_is(&token, ','));
  if (parsed.label_count < 3) {
    vm_asm_error(a, directive,
                 "`%s` needs three labels: begin and end of the range, and "
                 "the handler",
                 vm_quote_token(directive).text);
    return false;
  }
  struct asm_catch *added = vm_vec_push(a, &body->catches, sizeof *added);
  if (added != NULL)
    *added = parsed;
  return added != NULL;
}

/* Numbers the pair of range labels by its first appearance. */
static void set_group(struct vm_asm *a, const struct asm_body *body,
                      struct vm_names *groups, struct asm_catch *item)
{
  const struct vm_token *labels = item->labels;
  uint64_t begin =
      vm_names_find(&body->labels, 0, labels[0].start, labels[0].length);
  uint64_t end =
      vm_names_find(&body->labels, 0, labels[1].start, labels[1].length);
  uint32_t found = vm_names_find(groups, begin << 32 | end, "", 0);
  if (found == VM_NO_NAME)
    found = vm_names_add(groups, begin << 32 | end, "", 0, 0);
  a->no_memory |= found == VM_NO_NAME;
  item->group = found;
}

/* Copies them into the module, by group; within one they keep their order.
   A counting sort. */
static void keep_catches(struct vm_asm *a, struct asm_body *body,
                         uint32_t group_count)
{
  struct vm_function_def *def = &body->function->def;
  const struct asm_catch *items = body->catches.items;
  uint32_t count = body->catches.count;
  uint32_t *next =
      vm_asm_alloc(a, a->local, ((size_t)group_count + 1) * sizeof *next);
  def->catches = vm_asm_alloc(a, a->arena, count * sizeof *def->catches);
  if (next == NULL || def->catches == NULL)
    return;
  def->catch_count = count;
  for (uint32_t i = 0; i < count; i++)
    next[items[i].group + 1]++;
  for (uint32_t i = 0; i < group_count; i++)
    next[i + 1] += next[i];
  for (uint32_t i = 0; i < count; i++)
    def->catches[next[items[i].group]++] = items[i].catch;
}

void vm_asm_finish_catches(struct vm_asm *a, struct asm_body *body)
{
  struct asm_catch *items = body->catches.items;
  uint32_t count = body->catches.count;
  struct vm_names groups;
  vm_names_init(&groups, a->local);
  for (uint32_t i = 0; i < count; i++) {
    struct vm_catch *catch = &items[i].catch;
    uint32_t *places[] = {&catch->begin, &catch->end, &catch->handler,
                          &catch->handler_end};
    catch->handler_end = VM_NONE;
    for (uint32_t j = 0; j < items[i].label_count; j++)
      vm_asm_find_label(a, body, &items[i].labels[j], places[j]);
    set_group(a, body, &groups, &items[i]);
  }
  if (!a->no_memory)
    keep_catches(a, body, groups.count);
}

/* Instructions -------------------------------------------------------------*/

static bool unknown_instruction(struct vm_asm *a, const struct vm_token *token)
{
  struct vm_suggest suggest;
  if (token->kind != VM_TOK_NAME)
    return vm_asm_expected(a, token, "an instruction");
  vm_asm_error(a, token, "unknown instruction `%s`",
               vm_quote_token(token).text);
  vm_suggest_begin(&suggest, token->start, token->length, &a->suggest_budget);
  for (unsigned op = 0; op < VM_OP_COUNT; op++)
    vm_suggest_offer(&suggest, vm_op_table[op].text,
                     (uint32_t)strlen(vm_op_table[op].text));
  vm_asm_suggest_note(a, token, &suggest);
  return false;
}

/* Which return instruction goes with a type. */
static enum vm_op return_of(const struct vm_type_ref *type)
{
  if (type->prim == VM_PRIM_VOID)
    return VM_OP_RETURN_VOID;
  if (type->prim == VM_PRIM_REF)
    return VM_OP_RETURN_OBJ;
  return vm_prim_table[type->prim].bytes == 8 ? VM_OP_RETURN_64 : VM_OP_RETURN;
}

static void check_return(struct vm_asm *a, const struct asm_body *body,
                         const struct asm_insn *insn)
{
  const struct vm_type_ref *type =
      &vm_asm_type_at(a, body->function->ref.return_type)->ref;
  enum vm_op wanted = return_of(type);
  switch (insn->insn.op) {
  case VM_OP_RETURN:
  case VM_OP_RETURN_64:
  case VM_OP_RETURN_OBJ:
  case VM_OP_RETURN_VOID:
    if (insn->insn.op != wanted)
      vm_asm_report(a, VM_DIAG_WARNING, &insn->mnemonic,
                    "the function returns `%s`, which wants `%s`",
                    vm_quote(type->name, strlen(type->name)).text,
                    vm_op_table[wanted].text);
    break;
  default:
    break;
  }
}

static bool parse_instruction(struct vm_asm *a, struct asm_body *body,
                              struct vm_lexer *lexer,
                              const struct vm_token *token)
{
  struct asm_insn insn = {.mnemonic = *token};
  enum vm_op op = token->kind == VM_TOK_NAME
                      ? vm_op_find(token->start, token->length)
                      : VM_OP_COUNT;
  if (op == VM_OP_COUNT)
    return unknown_instruction(a, token);
  insn.insn.op = (uint16_t)op;
  insn.insn.line = token->line;
  insn.insn.column = token->column;
  if (!vm_asm_operands(a, body, lexer, &insn))
    return false;
  check_return(a, body, &insn);
  struct asm_insn *added = vm_vec_push(a, &body->insns, sizeof *added);
  if (added != NULL)
    *added = insn;
  return added != NULL;
}

/* One line; false after an error. */
static bool parse_line(struct vm_asm *a, struct asm_body *body,
                       struct vm_lexer *lexer)
{
  struct vm_token token = vm_lex_next(lexer);
  struct vm_token next = vm_lex_peek(lexer);
  if (token.kind == VM_TOK_NAME && vm_token_is(&next, ':')) {
    if (!define_label(a, body, &token))
      return false;
    vm_lex_next(lexer);
    token = vm_lex_next(lexer);
    next = vm_lex_peek(lexer);
    if (token.kind == VM_TOK_NAME && vm_token_is(&next, ':')) {
      vm_asm_error(a, &token, "a second label on one line");
      return false;
    }
  }
  if (vm_token_ends_line(&token))
    return true;
  if (vm_token_equals(&token, ".catch") || vm_token_equals(&token, ".catchall"))
    return vm_asm_parse_catch(a, body, lexer, &token) &&
           vm_asm_expect_eol(a, lexer);
  return parse_instruction(a, body, lexer, &token) &&
         vm_asm_expect_eol(a, lexer);
}

static void keep_instructions(struct vm_asm *a, struct asm_body *body)
{
  struct vm_function_def *def = &body->function->def;
  uint32_t count = body->insns.count;
  /* One more, so that an empty body is not taken for none. */
  def->insns = vm_asm_alloc(a, a->arena, (count + 1) * sizeof *def->insns);
  if (def->insns == NULL)
    return;
  def->insn_count = count;
  for (uint32_t i = 0; i < count; i++)
    def->insns[i] = VM_ITEM(struct asm_insn, &body->insns, i)->insn;
}

static void parse_body(struct vm_asm *a, struct asm_function *function)
{
  struct asm_body body = {.function = function};
  struct vm_lexer lexer = function->body;
  vm_names_init(&body.labels, a->local);
  vm_vec_init(&body.insns, a->local);
  vm_vec_init(&body.catches, a->local);
  do {
    if (!parse_line(a, &body, &lexer))
      vm_lex_skip_rest(&lexer);
  } while (!a->no_memory && vm_lex_next_line(&lexer));
  if (a->no_memory)
    return;
  resolve_jumps(a, &body);
  vm_asm_map_registers(a, &body);
  keep_instructions(a, &body);
  vm_asm_finish_catches(a, &body);
}

void vm_asm_bodies(struct vm_asm *a)
{
  for (uint32_t i = 0; i < a->functions.count && !a->no_memory; i++) {
    struct asm_function *function =
        VM_ITEM(struct asm_function, &a->functions, i);
    struct mm_arena_mark mark = mm_arena_mark(a->local);
    if (function->has_body)
      parse_body(a, function);
    mm_arena_rewind(a->local, mark);
  }
}
