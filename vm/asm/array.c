/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.array NAME TYPE COUNT { v0 v1 ... }`: values are kept as they will lie in
 * the heap, little end first as on every machine Bamboo runs on.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

struct array {
  struct vm_array_const def;
  struct vm_token name;
  enum vm_prim prim; /* VM_PRIM_REF: strings */
  int64_t count;
  bool has_header; /* else the values are only skipped */
  struct vm_vec bytes;
};

static bool put_bytes(struct vm_asm *a, struct vm_vec *bytes, const void *value,
                      unsigned width)
{
  void *to = vm_vec_push(a, bytes, width);
  if (to != NULL)
    memcpy(to, value, width);
  return to != NULL;
}

static bool parse_value(struct vm_asm *a, const struct vm_token *token,
                        struct array *array)
{
  int64_t value = 0;
  uint32_t string = 0;
  if (array->prim == VM_PRIM_REF)
    return vm_asm_string(a, token, &string) &&
           put_bytes(a, &array->bytes, &string, sizeof string);
  if (array->prim == VM_PRIM_F32 || array->prim == VM_PRIM_F64) {
    if (!vm_asm_float(a, token, array->prim == VM_PRIM_F64, &value))
      return false;
  } else {
    if (!vm_asm_integer(a, token, &value))
      return false;
    if (array->prim == VM_PRIM_U1)
      value = value != 0;
  }
  return put_bytes(a, &array->bytes, &value, vm_prim_table[array->prim].bytes);
}

static bool parse_element_type(struct vm_asm *a, struct vm_lexer *lexer,
                               struct array *array)
{
  struct vm_token span = vm_lex_peek(lexer);
  if (vm_token_is(&span, '{'))
    return vm_asm_expected(a, &span, "the type of the elements");
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_LISTED, &array->def.type, &span))
    return false;
  const struct vm_type_ref *type = &vm_asm_type_at(a, array->def.type)->ref;
  array->prim = (enum vm_prim)type->prim;
  if (type->prim == VM_PRIM_VOID ||
      (type->prim == VM_PRIM_REF && strcmp(type->name, "panda.String") != 0)) {
    vm_asm_error(a, &span,
                 "the elements of a literal array are of a primitive type or "
                 "`panda.String`");
    return false;
  }
  return true;
}

static bool parse_name(struct vm_asm *a, struct vm_lexer *lexer,
                       struct vm_token *name)
{
  *name = vm_lex_next(lexer);
  if (name->kind != VM_TOK_NAME)
    return vm_asm_expected(a, name, "the name of the array");
  if (!vm_name_is_valid(name->start, name->length, VM_NAME_PREFIXED)) {
    vm_asm_error(a, name, "malformed name `%s`", vm_quote_token(name).text);
    return false;
  }
  uint32_t found = vm_names_find(&a->array_names, 0, name->start, name->length);
  if (found == VM_NO_NAME)
    return true;
  vm_asm_error(a, name, "array `%s` is defined twice",
               vm_quote_token(name).text);
  return false;
}

/* NAME TYPE COUNT */
static bool parse_header(struct vm_asm *a, struct vm_lexer *lexer,
                         struct array *array)
{
  if (!parse_name(a, lexer, &array->name))
    return false;
  array->def.line = array->name.line;
  array->def.name = vm_asm_text(a, array->name.start, array->name.length);
  if (array->def.name == NULL || !parse_element_type(a, lexer, array))
    return false;
  struct vm_token count = vm_lex_next(lexer);
  if (!vm_asm_integer(a, &count, &array->count))
    return false;
  if (array->count < 1 || array->count > INT32_MAX) {
    vm_asm_error(a, &count, "an array has from 1 to %d elements", INT32_MAX);
    return false;
  }
  return true;
}

/* The values up to `}`; the first bad one is reported. */
static bool parse_values(struct vm_asm *a, struct vm_lexer *lexer,
                         struct array *array, bool *good)
{
  for (;;) {
    enum vm_body_step step = vm_asm_body_step(a, lexer, "array", &array->name);
    if (step != VM_BODY_LINE)
      return step == VM_BODY_CLOSED;
    struct vm_token token = vm_lex_next(lexer);
    if (array->has_header && *good && !parse_value(a, &token, array))
      *good = false;
  }
}

static void keep(struct vm_asm *a, struct array *array)
{
  if (array->bytes.count != array->count) {
    vm_asm_error(a, &array->name,
                 "array `%s` has %u values where %lld are declared",
                 vm_quote_token(&array->name).text, array->bytes.count,
                 (long long)array->count);
    return;
  }
  unsigned width =
      array->prim == VM_PRIM_REF ? 4 : vm_prim_table[array->prim].bytes;
  void *data = vm_asm_alloc(a, a->arena, (size_t)array->bytes.count * width);
  struct vm_array_const *def =
      data != NULL ? vm_vec_push(a, &a->arrays, sizeof *def) : NULL;
  if (def == NULL)
    return;
  memcpy(data, array->bytes.items, (size_t)array->bytes.count * width);
  *def = array->def;
  def->count = array->bytes.count;
  def->data = data;
}

void vm_asm_array(struct vm_asm *a, struct vm_lexer *lexer)
{
  struct array array = {.has_header = true};
  vm_vec_init(&array.bytes, a->local);
  array.name = vm_lex_peek(lexer);
  bool good = array.has_header = parse_header(a, lexer, &array);
  if (good) {
    struct vm_token token = vm_lex_peek(lexer);
    if (!vm_token_is(&token, '{')) {
      vm_lex_next(lexer);
      vm_asm_expected(a, &token, "`{` and the values of the array");
      good = array.has_header = false;
    }
  }
  if (!vm_asm_open_body(lexer, true)) {
    vm_lex_skip_rest(lexer);
    return;
  }
  bool closed = parse_values(a, lexer, &array, &good);
  if (closed && !vm_asm_expect_eol(a, lexer))
    vm_lex_skip_rest(lexer);
  if (!good || !closed)
    return;
  if (vm_names_add(&a->array_names, 0, array.name.start, array.name.length,
                   a->arrays.count) == VM_NO_NAME)
    a->no_memory = true;
  keep(a, &array);
}
