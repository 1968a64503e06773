/* SPDX-License-Identifier: Apache-2.0 */
/* `.record`: its fields, their initial values, and its bases. */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

static struct asm_record *record_at(struct vm_asm *a, uint32_t index)
{
  return VM_ITEM(struct asm_record, &a->records, index);
}

/* Fields -------------------------------------------------------------------*/

/* The initial value of `value=X`, by the type of the field. */
static bool field_value(struct vm_asm *a, const struct vm_token *token,
                        struct vm_field_def *field)
{
  const struct vm_type_ref *type = &vm_asm_type_at(a, field->type)->ref;
  int64_t value = 0;
  bool good;
  if (type->prim == VM_PRIM_REF && strcmp(type->name, "panda.String") != 0) {
    vm_asm_error(a, token, "a field of type `%s` cannot have a value",
                 vm_quote(type->name, strlen(type->name)).text);
    return false;
  }
  if (type->prim == VM_PRIM_REF) {
    uint32_t index = 0;
    good = vm_asm_string(a, token, &index);
    value = index;
  } else if (type->prim == VM_PRIM_F32 || type->prim == VM_PRIM_F64) {
    good = vm_asm_float(a, token, type->prim == VM_PRIM_F64, &value);
  } else {
    good = vm_asm_integer(a, token, &value);
    if (type->prim == VM_PRIM_U1)
      value = value != 0;
  }
  field->value = (uint64_t)value;
  return good;
}

static void duplicate(struct vm_asm *a, const struct vm_token *again,
                      const struct vm_token *first, const char *what)
{
  vm_asm_error(a, again, "%s `%s` is defined twice", what,
               vm_quote_token(again).text);
  vm_asm_report(a, VM_DIAG_NOTE, first, "first here");
}

static bool add_field(struct vm_asm *a, uint32_t record,
                      const struct asm_field *field)
{
  struct asm_record *owner = record_at(a, record);
  uint64_t scope =
      (uint64_t)record * 2 + ((field->def.flags & VM_FLAG_STATIC) != 0);
  uint32_t found = vm_names_find(&a->field_names, scope, field->name.start,
                                 field->name.length);
  if (found != VM_NO_NAME) {
    uint32_t index = a->field_names.entries[found].value;
    duplicate(a, &field->name,
              &VM_ITEM(struct asm_field, &owner->fields, index)->name, "field");
    return false;
  }
  /* The name comes last: what is found by it is there. */
  struct asm_field *added = vm_vec_push(a, &owner->fields, sizeof *added);
  if (added == NULL)
    return false;
  *added = *field;
  if (vm_names_add(&a->field_names, scope, field->name.start,
                   field->name.length, owner->fields.count - 1) != VM_NO_NAME)
    return true;
  a->no_memory = true;
  return false;
}

static bool check_field_type(struct vm_asm *a, uint32_t type,
                             const struct vm_token *span)
{
  if (vm_asm_type_at(a, type)->ref.prim != VM_PRIM_VOID)
    return true;
  vm_asm_error(a, span, "a field cannot be `void`");
  return false;
}

/* `TYPE NAME [<metadata>]` */
static bool parse_field(struct vm_asm *a, struct vm_lexer *lexer,
                        uint32_t record)
{
  struct asm_field field = {.ref = VM_NONE};
  struct vm_token span;
  struct vm_meta meta;
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_DECLARED, &field.def.type, &span) ||
      !check_field_type(a, field.def.type, &span))
    return false;
  field.name = vm_lex_next(lexer);
  if (field.name.kind != VM_TOK_NAME)
    return vm_asm_expected(a, &field.name, "the name of the field");
  if (!vm_name_is_valid(field.name.start, field.name.length,
                        VM_NAME_PREFIXED)) {
    vm_asm_error(a, &field.name, "malformed name `%s`",
                 vm_quote_token(&field.name).text);
    return false;
  }
  if (!vm_asm_parse_meta(a, lexer, VM_META_FIELD, &meta))
    return false;
  field.def.flags = meta.flags;
  if (meta.flags & VM_FLAG_MARKED_STATIC)
    field.def.flags |= VM_FLAG_STATIC;
  if ((meta.flags & VM_FLAG_HAS_VALUE) &&
      !field_value(a, &meta.value, &field.def))
    return false;
  if ((record_at(a, record)->def.flags & VM_FLAG_EXTERNAL) &&
      !(meta.flags & VM_FLAG_EXTERNAL)) {
    vm_asm_error(a, &field.name,
                 "a field of an external record is external too: add "
                 "`<external>`");
    return false;
  }
  field.def.line = field.name.line;
  field.def.column = field.name.column;
  field.def.name = vm_asm_text(a, field.name.start, field.name.length);
  return field.def.name != NULL && add_field(a, record, &field);
}

/* After an error: is there a `}` on what is left of the line? */
static bool skip_to_close(struct vm_lexer *lexer)
{
  struct vm_token token;
  do {
    token = vm_lex_next(lexer);
  } while (!vm_token_ends_line(&token) && !vm_token_is(&token, '}'));
  return vm_token_is(&token, '}');
}

/* The fields up to `}`; false when the record was not closed. */
static bool parse_fields(struct vm_asm *a, struct vm_lexer *lexer,
                         uint32_t record)
{
  struct vm_token name = record_at(a, record)->name;
  for (;;) {
    enum vm_body_step step = vm_asm_body_step(a, lexer, "record", &name);
    if (step != VM_BODY_LINE)
      return step == VM_BODY_CLOSED;
    if (!parse_field(a, lexer, record)) {
      if (skip_to_close(lexer))
        return true;
      continue;
    }
    struct vm_token next = vm_lex_peek(lexer);
    if (!vm_token_is(&next, '}') && !vm_asm_expect_eol(a, lexer))
      vm_lex_skip_rest(lexer);
  }
}

/* The record itself --------------------------------------------------------*/

static bool check_name(struct vm_asm *a, uint32_t type,
                       const struct vm_token *span)
{
  const struct asm_type *found = vm_asm_type_at(a, type);
  if (found->ref.prim != VM_PRIM_REF) {
    vm_asm_error(a, span, "`%s` is a primitive type", found->ref.name);
    return false;
  }
  if (strcmp(found->ref.name, "_GLOBAL") == 0) {
    vm_asm_error(a, span,
                 "`_GLOBAL` is the owner of functions without a "
                 "record and cannot be declared");
    return false;
  }
  if (found->record != VM_NONE) {
    duplicate(a, span, &record_at(a, found->record)->name, "record");
    return false;
  }
  return true;
}

static bool parse_name(struct vm_asm *a, struct vm_lexer *lexer, uint32_t *type,
                       struct vm_token *span)
{
  *span = vm_lex_peek(lexer);
  if (span->kind != VM_TOK_NAME) {
    vm_lex_next(lexer);
    return vm_asm_expected(a, span, "the name of the record");
  }
  return vm_asm_parse_type(a, lexer, VM_TYPE_LISTED, type, span) &&
         check_name(a, *type, span);
}

static bool set_base(struct vm_asm *a, const struct vm_token *base,
                     struct vm_record_def *def)
{
  if (!vm_name_is_valid(base->start, base->length, VM_NAME_PREFIXED)) {
    vm_asm_error(a, base, "malformed name `%s`", vm_quote_token(base).text);
    return false;
  }
  def->base = vm_asm_type(a, base->start, base->length);
  if (def->base == VM_NONE)
    return false;
  if (vm_asm_type_at(a, def->base)->ref.prim != VM_PRIM_REF) {
    vm_asm_error(a, base, "a record cannot extend the primitive `%s`",
                 vm_quote_token(base).text);
    return false;
  }
  struct asm_mention *mention = vm_vec_push(a, &a->mentions, sizeof *mention);
  if (mention == NULL)
    return false;
  mention->type = def->base;
  mention->token = *base;
  return true;
}

/* `NAME [<metadata>]`: fills the record as far as it can be read. */
static bool parse_header(struct vm_asm *a, struct vm_lexer *lexer,
                         struct asm_record *record)
{
  struct vm_meta meta;
  record->def.base = VM_NONE;
  if (!parse_name(a, lexer, &record->def.type, &record->name))
    return false;
  record->def.line = record->name.line;
  record->def.column = record->name.column;
  uint32_t index = a->records.count;
  vm_asm_type_at(a, record->def.type)->record = index;
  if (!vm_asm_parse_meta(a, lexer, VM_META_RECORD, &meta))
    return false;
  record->def.flags = meta.flags;
  record->base = meta.base;
  record->has_meta = meta.is_present;
  /* There is nothing of an array that a program could define. */
  if (vm_asm_type_at(a, record->def.type)->ref.dims > 0)
    record->def.flags |= VM_FLAG_EXTERNAL;
  return meta.base.kind == VM_TOK_EOF || set_base(a, &meta.base, &record->def);
}

/* Behind `}`.  `.record R {} <external>` is an idiom of published programs;
   the metadata has no effect there. */
static void finish_line(struct vm_asm *a, struct vm_lexer *lexer,
                        uint32_t record)
{
  struct vm_token token = vm_lex_peek(lexer);
  struct vm_meta meta;
  const struct asm_record *found = record_at(a, record);
  if (vm_token_is(&token, '<') && found->fields.count == 0 &&
      !found->has_meta) {
    if (!vm_asm_parse_meta(a, lexer, VM_META_RECORD, &meta)) {
      vm_lex_skip_rest(lexer);
      return;
    }
    vm_asm_report(a, VM_DIAG_WARNING, &token,
                  "metadata behind `{}` has no effect");
  }
  if (!vm_asm_expect_eol(a, lexer))
    vm_lex_skip_rest(lexer);
}

void vm_asm_record(struct vm_asm *a, struct vm_lexer *lexer)
{
  struct asm_record record = {.name.kind = VM_TOK_EOF};
  bool good = parse_header(a, lexer, &record);
  uint32_t index = a->records.count;
  struct asm_record *added = vm_vec_push(a, &a->records, sizeof *added);
  if (added == NULL)
    return;
  *added = record;
  vm_vec_init(&added->fields, a->scratch);
  struct vm_token token = vm_lex_peek(lexer);
  bool on_line = good && vm_token_is(&token, '{');
  if (on_line)
    vm_lex_next(lexer);
  else if (good && !vm_asm_expect_eol(a, lexer))
    good = false;
  if (on_line || vm_asm_open_body(lexer, !good)) {
    if (parse_fields(a, lexer, index))
      finish_line(a, lexer, index);
  } else {
    vm_lex_skip_rest(lexer);
  }
}

/* The chain of bases of each record must end.  `seen` holds, by record, the
   number of the walk that came by first. */
void vm_asm_finish_records(struct vm_asm *a)
{
  uint32_t count = a->records.count;
  uint32_t *seen = vm_asm_alloc(a, a->scratch, sizeof *seen * (count + 1));
  if (seen == NULL)
    return;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at = i;
    while (at != VM_NONE && seen[at] == 0) {
      seen[at] = i + 1;
      uint32_t base = record_at(a, at)->def.base;
      at = base == VM_NONE ? VM_NONE : vm_asm_type_at(a, base)->record;
    }
    if (at != VM_NONE && seen[at] == i + 1)
      vm_asm_error(a, &record_at(a, at)->base,
                   "record `%s` extends itself, directly or through others",
                   vm_quote_token(&record_at(a, at)->name).text);
  }
}
