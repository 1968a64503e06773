/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and types.  Types of one name are one entry of the module's table;
 * an array type is reached from its element type, so that "R [ ] []" and
 * "R[][]" meet without their names being put together first.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_name_rest(char c, bool angles)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         c == '_' || c == '$' || c == '-' || c == '%' ||
         (angles && (c == '<' || c == '>'));
}

static bool is_name_start(char c)
{
  return !is_digit(c) && c != '.' && (unsigned char)c > ' ' && c != 0x7f;
}

bool vm_name_is_valid(const char *text, uint32_t length, enum vm_name_kind kind)
{
  bool at_start = true;
  for (uint32_t i = 0; i < length; i++) {
    if (at_start ? !is_name_start(text[i])
                 : !is_name_rest(text[i], kind == VM_NAME_FUNCTION) &&
                       !(text[i] == '.' && kind != VM_NAME_SIMPLE))
      return false;
    at_start = text[i] == '.';
  }
  return length > 0 && !at_start;
}

/* The table of types -------------------------------------------------------*/

static struct asm_type *add_type(struct vm_asm *a, const char *name,
                                 uint32_t *index)
{
  struct asm_type *type =
      name != NULL ? vm_vec_push(a, &a->types, sizeof *type) : NULL;
  if (type == NULL)
    return NULL;
  type->ref.name = name;
  type->ref.prim = VM_PRIM_REF;
  type->ref.element = VM_NONE;
  type->record = type->array_of = VM_NONE;
  *index = a->types.count - 1;
  return type;
}

uint32_t vm_asm_type(struct vm_asm *a, const char *text, uint32_t length)
{
  uint32_t index = vm_names_find(&a->type_names, 0, text, length);
  if (index != VM_NO_NAME)
    return a->type_names.entries[index].value;
  const char *name = vm_asm_text(a, text, length);
  struct asm_type *type = add_type(a, name, &index);
  if (type == NULL)
    return VM_NONE;
  type->ref.prim = (uint8_t)vm_prim_find(text, length);
  if (vm_names_add(&a->type_names, 0, name, length, index) == VM_NO_NAME) {
    a->no_memory = true;
    return VM_NONE;
  }
  return index;
}

uint32_t vm_asm_array_type(struct vm_asm *a, uint32_t element)
{
  uint32_t index = vm_asm_type_at(a, element)->array_of;
  if (index != VM_NONE)
    return index;
  const char *base = vm_asm_type_at(a, element)->ref.name;
  size_t length = strlen(base);
  char *name = vm_asm_alloc(a, a->arena, length + 3);
  if (name != NULL) {
    memcpy(name, base, length);
    memcpy(name + length, "[]", 3);
  }
  struct asm_type *type = add_type(a, name, &index);
  if (type == NULL)
    return VM_NONE;
  type->ref.element = element;
  type->ref.dims = vm_asm_type_at(a, element)->ref.dims + 1;
  vm_asm_type_at(a, element)->array_of = index;
  return index;
}

/* Parsing ------------------------------------------------------------------*/

static void unknown_record(struct vm_asm *a, const struct vm_token *token,
                           const char *name)
{
  struct vm_token word = *token;
  vm_asm_error(a, token, "unknown record `%s`",
               vm_quote(name, strlen(name)).text);
  word.start = name;
  word.length = (uint32_t)strlen(name);
  struct vm_suggest suggest;
  vm_suggest_begin(&suggest, name, word.length, &a->suggest_budget);
  for (uint32_t i = 0; i < a->records.count && a->suggest_budget > 0; i++) {
    uint32_t type = VM_ITEM(struct asm_record, &a->records, i)->def.type;
    const char *known = vm_asm_type_at(a, type)->ref.name;
    vm_suggest_offer(&suggest, known, (uint32_t)strlen(known));
  }
  if (suggest.best != NULL)
    vm_asm_suggest_note(a, token, &suggest);
  else if (strncmp(name, "panda.", 6) == 0)
    vm_asm_report(a, VM_DIAG_NOTE, token,
                  "declare it with `.record %s <external>`",
                  vm_quote(name, strlen(name)).text);
}

/* Is the record of this type declared?  Arrays by their elements. */
static bool is_declared(struct vm_asm *a, uint32_t type)
{
  const struct asm_type *found = vm_asm_type_at(a, type);
  while (found->ref.dims > 0)
    found = vm_asm_type_at(a, found->ref.element);
  return found->ref.prim != VM_PRIM_REF || found->record != VM_NONE ||
         found->ref.name[0] == '{';
}

static bool mention(struct vm_asm *a, uint32_t type,
                    const struct vm_token *token)
{
  const struct asm_type *found = vm_asm_type_at(a, type);
  if (found->ref.dims > 0 || found->ref.prim != VM_PRIM_REF ||
      found->ref.name[0] == '{')
    return true;
  struct asm_mention *item = vm_vec_push(a, &a->mentions, sizeof *item);
  if (item == NULL)
    return false;
  item->type = type;
  item->token = *token;
  return true;
}

static bool check_use(struct vm_asm *a, enum vm_type_use use, uint32_t type,
                      const struct vm_token *span)
{
  if (use == VM_TYPE_DECLARED)
    return mention(a, type, span);
  if (use != VM_TYPE_OPERAND || is_declared(a, type))
    return true;
  const struct asm_type *found = vm_asm_type_at(a, type);
  while (found->ref.dims > 0)
    found = vm_asm_type_at(a, found->ref.element);
  unknown_record(a, span, found->ref.name);
  return false;
}

void vm_asm_check_mentions(struct vm_asm *a)
{
  for (uint32_t i = 0; i < a->mentions.count; i++) {
    const struct asm_mention *item =
        VM_ITEM(struct asm_mention, &a->mentions, i);
    const struct asm_type *type = vm_asm_type_at(a, item->type);
    if (type->record == VM_NONE)
      unknown_record(a, &item->token, type->ref.name);
  }
}

bool vm_asm_parse_dims(struct vm_asm *a, struct vm_lexer *lexer, uint32_t *type)
{
  struct vm_token token = vm_lex_peek(lexer);
  while (vm_token_is(&token, '[')) {
    vm_lex_next(lexer);
    if (!vm_asm_expect(a, lexer, ']', "behind `[`"))
      return false;
    if (vm_asm_type_at(a, *type)->ref.dims == VM_DIMS_MAX) {
      vm_asm_error(a, &token, "more than %d dimensions", VM_DIMS_MAX);
      return false;
    }
    *type = vm_asm_array_type(a, *type);
    if (*type == VM_NONE)
      return false;
    token = vm_lex_peek(lexer);
  }
  return true;
}

static void stretch(struct vm_token *span, const struct vm_lexer *lexer)
{
  span->length = (uint32_t)(lexer->next - span->start);
}

/* A named type with its dimensions; the name's token is taken already. */
static bool finish_named(struct vm_asm *a, struct vm_lexer *lexer,
                         enum vm_type_use use, const char *name,
                         uint32_t length, uint32_t *type, struct vm_token *span)
{
  if (!vm_name_is_valid(name, length, VM_NAME_PREFIXED)) {
    vm_asm_error(a, span, "malformed name `%s`", vm_quote(name, length).text);
    return false;
  }
  uint32_t named = *type = vm_asm_type(a, name, length);
  if (named == VM_NONE || !vm_asm_parse_dims(a, lexer, type))
    return false;
  stretch(span, lexer);
  if (*type != named && vm_asm_type_at(a, named)->ref.prim == VM_PRIM_VOID) {
    vm_asm_error(a, span, "there are no arrays of `void`");
    return false;
  }
  return check_use(a, use, *type, span);
}

/* Text of a union while it is put together. */
struct text {
  struct vm_vec bytes;
};

static bool put_text(struct vm_asm *a, struct text *text, const char *add)
{
  for (; *add != '\0'; add++) {
    char *byte = vm_vec_push(a, &text->bytes, 1);
    if (byte == NULL)
      return false;
    *byte = *add;
  }
  return true;
}

/* One component of a union; the first has the letter U before its name. */
static bool union_part(struct vm_asm *a, struct vm_lexer *lexer,
                       enum vm_type_use use, bool is_first, struct text *text)
{
  struct vm_token token = vm_lex_next(lexer);
  uint32_t type;
  if (token.kind != VM_TOK_NAME || (is_first && token.start[0] != 'U'))
    return vm_asm_expected(a, &token,
                           is_first ? "`U` and a type" : "a type of the union");
  if (is_first && token.length == 1) {
    vm_asm_error(a, &token, "a union has at least one type");
    return false;
  }
  return finish_named(a, lexer, use, token.start + is_first,
                      token.length - is_first, &type, &token) &&
         put_text(a, text, is_first ? "" : ",") &&
         put_text(a, text, vm_asm_type_at(a, type)->ref.name);
}

/* `{UA,B}`: unions inside unions do not exist. */
static bool parse_union(struct vm_asm *a, struct vm_lexer *lexer,
                        enum vm_type_use use, uint32_t *type,
                        struct vm_token *span)
{
  struct text text;
  vm_vec_init(&text.bytes, a->scratch);
  if (!put_text(a, &text, "{U"))
    return false;
  for (bool is_first = true;; is_first = false) {
    if (!union_part(a, lexer, use, is_first, &text))
      return false;
    struct vm_token token = vm_lex_next(lexer);
    if (vm_token_is(&token, '}'))
      break;
    if (!vm_token_is(&token, ','))
      return vm_asm_expected(a, &token, "`,` or `}` in a union");
  }
  if (!put_text(a, &text, "}"))
    return false;
  *type = vm_asm_type(a, text.bytes.items, text.bytes.count);
  if (*type == VM_NONE || !vm_asm_parse_dims(a, lexer, type))
    return false;
  stretch(span, lexer);
  return true;
}

bool vm_asm_parse_type(struct vm_asm *a, struct vm_lexer *lexer,
                       enum vm_type_use use, uint32_t *type,
                       struct vm_token *span)
{
  *span = vm_lex_next(lexer);
  if (vm_token_is(span, '{'))
    return parse_union(a, lexer, use, type, span);
  if (span->kind != VM_TOK_NAME)
    return vm_asm_expected(a, span, "a type");
  return finish_named(a, lexer, use, span->start, span->length, type, span);
}
