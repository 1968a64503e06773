/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.function`: the signature, where its body lies, and, when all records are
 * known, its owner, whether it is static, and what else has its name.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

static struct asm_function *function_at(struct vm_asm *a, uint32_t index)
{
  return VM_ITEM(struct asm_function, &a->functions, index);
}

/* Names --------------------------------------------------------------------*/

/* "T[][].ctor": glues the type's name and the rest together. */
static bool array_function_name(struct vm_asm *a, struct vm_lexer *lexer,
                                struct vm_token *name, uint32_t *owner)
{
  uint32_t type = vm_asm_type(a, name->start, name->length);
  if (type == VM_NONE || !vm_asm_parse_dims(a, lexer, &type))
    return false;
  struct vm_token rest = vm_lex_next_function(lexer);
  if (rest.kind != VM_TOK_NAME || rest.start[0] != '.' ||
      !vm_name_is_valid(rest.start + 1, rest.length - 1, VM_NAME_FUNCTION))
    return vm_asm_expected(a, &rest, "`.` and a name behind the array type");
  const char *array = vm_asm_type_at(a, type)->ref.name;
  size_t length = strlen(array);
  char *text = vm_asm_alloc(a, a->local, length + rest.length);
  if (text == NULL)
    return false;
  memcpy(text, array, length);
  memcpy(text + length, rest.start, rest.length);
  name->start = text;
  name->length = (uint32_t)length + rest.length;
  *owner = type;
  return true;
}

bool vm_asm_parse_function_name(struct vm_asm *a, struct vm_lexer *lexer,
                                struct vm_token *name, uint32_t *owner)
{
  *owner = VM_NONE;
  *name = vm_lex_next_function(lexer);
  if (name->kind != VM_TOK_NAME)
    return vm_asm_expected(a, name, "the name of a function");
  struct vm_token next = vm_lex_peek(lexer);
  bool is_array = vm_token_is(&next, '[');
  if (!vm_name_is_valid(name->start, name->length,
                        is_array ? VM_NAME_PREFIXED : VM_NAME_FUNCTION)) {
    vm_asm_error(a, name, "malformed name `%s`", vm_quote_token(name).text);
    return false;
  }
  return !is_array || array_function_name(a, lexer, name, owner);
}

/* The declaration ----------------------------------------------------------*/

/* `TYPE aK [<metadata>]` */
static bool parse_parameter(struct vm_asm *a, struct vm_lexer *lexer,
                            struct vm_vec *types, uint32_t *fixed_count)
{
  char wanted[16];
  struct vm_token span;
  struct vm_meta meta;
  uint32_t type;
  snprintf(wanted, sizeof wanted, "a%u", types->count);
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_DECLARED, &type, &span))
    return false;
  if (vm_asm_type_at(a, type)->ref.prim == VM_PRIM_VOID) {
    vm_asm_error(a, &span, "a parameter cannot be `void`");
    return false;
  }
  struct vm_token name = vm_lex_next(lexer);
  if (!vm_token_equals(&name, wanted)) {
    char text[48];
    snprintf(text, sizeof text, "the parameter's name `%s`", wanted);
    return vm_asm_expected(a, &name, text);
  }
  uint32_t *added = vm_vec_push(a, types, sizeof *added);
  if (added == NULL)
    return false;
  *added = type;
  if (!vm_asm_parse_meta(a, lexer, VM_META_PARAMETER, &meta))
    return false;
  bool is_fixed =
      *fixed_count == types->count - 1 && (meta.flags & VM_FLAG_VARARGS) == 0;
  *fixed_count += is_fixed;
  return true;
}

static bool parse_parameters(struct vm_asm *a, struct vm_lexer *lexer,
                             struct vm_vec *types, uint32_t *fixed_count)
{
  if (!vm_asm_expect(a, lexer, '(', "behind the function's name"))
    return false;
  struct vm_token token = vm_lex_peek(lexer);
  if (vm_token_is(&token, ')')) {
    vm_lex_next(lexer);
    return true;
  }
  for (;;) {
    if (!parse_parameter(a, lexer, types, fixed_count))
      return false;
    token = vm_lex_next(lexer);
    if (vm_token_is(&token, ')'))
      return true;
    if (!vm_token_is(&token, ','))
      return vm_asm_expected(a, &token, "`,` or `)` between parameters");
  }
}

static bool keep_parameters(struct vm_asm *a, const struct vm_vec *types,
                            struct asm_function *function)
{
  uint32_t *copy = vm_asm_alloc(a, a->arena, sizeof *copy * types->count);
  if (copy == NULL)
    return false;
  if (types->count > 0)
    memcpy(copy, types->items, sizeof *copy * types->count);
  function->ref.params = copy;
  function->ref.param_count = types->count;
  return true;
}

/* Everything up to the body. */
static bool parse_header(struct vm_asm *a, struct vm_lexer *lexer,
                         struct asm_function *function)
{
  struct vm_token span;
  struct vm_vec types;
  struct vm_meta meta;
  uint32_t owner;
  vm_vec_init(&types, a->local);
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_DECLARED, &function->ref.return_type,
                         &span) ||
      !vm_asm_parse_function_name(a, lexer, &function->name, &owner))
    return false;
  function->def.line = function->name.line;
  function->def.column = function->name.column;
  function->ref.owner = owner;
  function->ref.is_array_ctor = owner != VM_NONE;
  function->def.text_name =
      vm_asm_text(a, function->name.start, function->name.length);
  if (function->def.text_name == NULL)
    return false;
  /* An array constructor's name was put together in the local arena. */
  if (owner != VM_NONE) {
    function->name.start = span.start;
    function->name.column = span.column;
    function->def.column = span.column;
    function->name.length = (uint32_t)(lexer->next - span.start);
  }
  if (!parse_parameters(a, lexer, &types, &function->def.fixed_count) ||
      !vm_asm_parse_meta(a, lexer, VM_META_FUNCTION, &meta))
    return false;
  function->def.flags = meta.flags;
  return keep_parameters(a, &types, function);
}

/* Finds the `}` of a body whose `{` is taken. */
static bool delimit_body(struct vm_asm *a, struct vm_lexer *lexer,
                         const struct vm_token *name, struct vm_lexer *body)
{
  *body = *lexer;
  for (;;) {
    enum vm_body_step step = vm_asm_body_step(a, lexer, "function", name);
    body->end = lexer->next - (step == VM_BODY_CLOSED);
    if (step != VM_BODY_LINE)
      return step == VM_BODY_CLOSED;
    unsigned unions = 0;
    struct vm_token token = vm_lex_peek(lexer);
    while (!vm_token_ends_line(&token) &&
           (!vm_token_is(&token, '}') || unions > 0)) {
      unions += vm_token_is(&token, '{');
      unions -= vm_token_is(&token, '}');
      vm_lex_next(lexer);
      token = vm_lex_peek(lexer);
    }
  }
}

/* A body has to be there or not, by the metadata. */
static bool check_body(struct vm_asm *a, const struct asm_function *function)
{
  uint32_t bodiless = function->def.flags &
                      (VM_FLAG_EXTERNAL | VM_FLAG_NATIVE | VM_FLAG_NOIMPL);
  if (function->has_body && bodiless != 0)
    vm_asm_error(a, &function->name,
                 "a function marked `%s` cannot have a body",
                 bodiless & VM_FLAG_EXTERNAL ? "external"
                 : bodiless & VM_FLAG_NATIVE ? "native"
                                             : "noimpl");
  else if (!function->has_body && bodiless == 0)
    vm_asm_error(a, &function->name,
                 "function `%s` has no body; without one it is marked "
                 "`external`, `native` or `noimpl`",
                 vm_quote_token(&function->name).text);
  else
    return true;
  return false;
}

static struct asm_overloads *overloads_of(struct vm_asm *a, const char *name)
{
  uint32_t length = (uint32_t)strlen(name);
  uint32_t found = vm_names_find(&a->function_names, 0, name, length);
  if (found != VM_NO_NAME)
    return VM_ITEM(struct asm_overloads, &a->overloads,
                   a->function_names.entries[found].value);
  struct asm_overloads *added = vm_vec_push(a, &a->overloads, sizeof *added);
  if (added == NULL)
    return NULL;
  added->static_function = added->instance_function = VM_NONE;
  if (vm_names_add(&a->function_names, 0, name, length,
                   a->overloads.count - 1) != VM_NO_NAME)
    return added;
  a->no_memory = true;
  return NULL;
}

static void mark_broken(struct vm_asm *a, const struct asm_function *function)
{
  struct asm_overloads *overloads =
      function->def.text_name != NULL ? overloads_of(a, function->def.text_name)
                                      : NULL;
  if (overloads != NULL)
    overloads->is_broken = true;
}

/* The line of the brace that closed the body. */
static void close_body(struct vm_asm *a, struct vm_lexer *lexer,
                       struct asm_function *function)
{
  function->def.end_line = lexer->line;
  if (!vm_asm_expect_eol(a, lexer))
    vm_lex_skip_rest(lexer);
}

void vm_asm_function(struct vm_asm *a, struct vm_lexer *lexer,
                     const struct vm_token *directive)
{
  struct asm_function function = {.name = *directive};
  bool good = parse_header(a, lexer, &function);
  struct vm_token token = vm_lex_peek(lexer);
  bool on_line = good && vm_token_is(&token, '{');
  if (on_line)
    vm_lex_next(lexer);
  else if (good && !vm_asm_expect_eol(a, lexer))
    good = false;
  function.has_body = on_line || vm_asm_open_body(lexer, !good);
  function.def.end_line = function.def.line;
  if (!function.has_body)
    vm_lex_skip_rest(lexer);
  else if (delimit_body(a, lexer, &function.name, &function.body))
    close_body(a, lexer, &function);
  good = good && check_body(a, &function);
  struct asm_function *added =
      good ? vm_vec_push(a, &a->functions, sizeof *added) : NULL;
  if (added != NULL)
    *added = function;
  else
    mark_broken(a, &function);
}

/* Between the passes -------------------------------------------------------*/

/* Splits the name at its last dot. */
static bool find_owner(struct vm_asm *a, struct asm_function *function)
{
  const char *text = function->def.text_name, *dot = strrchr(text, '.');
  struct vm_method_ref *ref = &function->ref;
  ref->name = dot != NULL ? dot + 1 : text;
  if (ref->is_array_ctor) {
    if (vm_asm_type_at(a, ref->owner)->record != VM_NONE)
      return true;
  } else if (dot == NULL) {
    ref->owner = vm_asm_type(a, "_GLOBAL", 7);
    return ref->owner != VM_NONE;
  } else {
    ref->owner = vm_asm_type(a, text, (uint32_t)(dot - text));
    if (ref->owner == VM_NONE)
      return false;
    if (vm_asm_type_at(a, ref->owner)->record != VM_NONE)
      return true;
  }
  const char *owner = vm_asm_type_at(a, ref->owner)->ref.name;
  vm_asm_error(a, &function->name,
               "the record `%s` of this function is not declared",
               vm_quote(owner, strlen(owner)).text);
  return false;
}

/* The one shape that a function of an array type can have. */
static bool is_array_ctor(struct vm_asm *a, const struct asm_function *function)
{
  const struct vm_method_ref *ref = &function->ref;
  uint32_t wanted = VM_FLAG_CTOR | VM_FLAG_EXTERNAL;
  if ((function->def.flags & (wanted | VM_FLAG_MARKED_STATIC)) != wanted ||
      ref->param_count < 2 || ref->params[0] != ref->owner ||
      ref->param_count - 1 > vm_asm_type_at(a, ref->owner)->ref.dims)
    return false;
  for (uint32_t i = 1; i < ref->param_count; i++)
    if (vm_asm_type_at(a, ref->params[i])->ref.prim != VM_PRIM_I32)
      return false;
  return true;
}

static bool check_flags(struct vm_asm *a, struct asm_function *function)
{
  const struct vm_method_ref *ref = &function->ref;
  uint32_t flags = function->def.flags;
  uint32_t record = vm_asm_type_at(a, ref->owner)->record;
  if (record != VM_NONE && !(flags & VM_FLAG_EXTERNAL) &&
      (VM_ITEM(struct asm_record, &a->records, record)->def.flags &
       VM_FLAG_EXTERNAL))
    vm_asm_error(a, &function->name,
                 "a function of an external record is external too");
  else if (ref->is_array_ctor && !is_array_ctor(a, function))
    vm_asm_error(a, &function->name,
                 "a function of an array type is its constructor: "
                 "`void T[].ctor(T[] a0, i32 a1, ...) <ctor, external>` with "
                 "a size for each dimension, or fewer");
  else if ((flags & VM_FLAG_CTOR) && (flags & VM_FLAG_CCTOR))
    vm_asm_error(a, &function->name,
                 "a function is either a `ctor` or a `cctor`");
  else if ((flags & VM_FLAG_CCTOR) && ref->param_count > 0)
    vm_asm_error(a, &function->name, "a `cctor` takes no arguments");
  else if (ref->param_count > VM_REG_COUNT_MAX)
    vm_asm_error(a, &function->name, "more than %d parameters",
                 VM_REG_COUNT_MAX);
  else
    return true;
  return false;
}

static void set_kind(struct asm_function *function)
{
  struct vm_method_ref *ref = &function->ref;
  uint32_t *flags = &function->def.flags;
  if (ref->param_count == 0 || ref->params[0] != ref->owner ||
      (*flags & (VM_FLAG_MARKED_STATIC | VM_FLAG_CCTOR)))
    *flags |= VM_FLAG_STATIC;
  ref->is_static = (*flags & VM_FLAG_STATIC) != 0;
  ref->is_ctor = (*flags & VM_FLAG_CTOR) != 0;
  if (*flags & (VM_FLAG_CTOR | VM_FLAG_CCTOR))
    ref->name = ref->is_ctor ? ".ctor" : ".cctor";
}

/* "NAME:(T,T)", so that equal texts are equal signatures. */
static bool make_signature(struct vm_asm *a, struct asm_function *function)
{
  const struct vm_method_ref *ref = &function->ref;
  size_t length = strlen(function->def.text_name) + 4;
  for (uint32_t i = 0; i < ref->param_count; i++)
    length += strlen(vm_asm_type_at(a, ref->params[i])->ref.name) + 1;
  char *text = vm_asm_alloc(a, a->scratch, length);
  if (text == NULL)
    return false;
  char *to = stpcpy(stpcpy(text, function->def.text_name), ":(");
  for (uint32_t i = 0; i < ref->param_count; i++) {
    to = i > 0 ? stpcpy(to, ",") : to;
    to = stpcpy(to, vm_asm_type_at(a, ref->params[i])->ref.name);
  }
  to = stpcpy(to, ")");
  function->signature = text;
  function->signature_length = (uint32_t)(to - text);
  return true;
}

/* Adds the name to a table, or reports who has it already. */
static bool claim(struct vm_asm *a, struct vm_names *names, uint64_t scope,
                  const char *text, uint32_t length, uint32_t index,
                  const char *what)
{
  const struct asm_function *function = function_at(a, index);
  uint32_t found = vm_names_find(names, scope, text, length);
  if (found == VM_NO_NAME) {
    found = vm_names_add(names, scope, text, length, index);
    a->no_memory |= found == VM_NO_NAME;
    return found != VM_NO_NAME;
  }
  vm_asm_error(a, &function->name, what,
               vm_quote(function->signature, function->signature_length).text);
  vm_asm_report(a, VM_DIAG_NOTE,
                &function_at(a, names->entries[found].value)->name,
                "first here");
  return false;
}

static bool check_duplicates(struct vm_asm *a, uint32_t index)
{
  const struct asm_function *function = function_at(a, index);
  const struct vm_method_ref *ref = &function->ref;
  if (!claim(a, &a->signatures, ref->is_static, function->signature,
             function->signature_length, index,
             "function `%s` is defined twice"))
    return false;
  if (!(function->def.flags & (VM_FLAG_CTOR | VM_FLAG_CCTOR)))
    return true;
  /* Their names are all the same when the program runs. */
  const char *types = strstr(function->signature, ":(");
  uint64_t scope =
      (uint64_t)ref->owner * 4 + ref->is_ctor * 2u + ref->is_static;
  return claim(a, &a->constructors, scope, types, (uint32_t)strlen(types),
               index, "`%s` is a second constructor with these parameters");
}

static void add_overload(struct vm_asm *a, uint32_t index)
{
  const struct asm_function *function = function_at(a, index);
  struct asm_overloads *all = overloads_of(a, function->def.text_name);
  if (all == NULL)
    return;
  if (all->signature == NULL) {
    all->signature = function->signature;
    all->signature_length = function->signature_length;
  } else if (all->signature_length != function->signature_length ||
             memcmp(all->signature, function->signature,
                    all->signature_length) != 0) {
    all->is_ambiguous = true;
  }
  if (function->ref.is_static)
    all->static_function = index;
  else
    all->instance_function = index;
}

void vm_asm_finish_functions(struct vm_asm *a)
{
  for (uint32_t i = 0; i < a->functions.count && !a->no_memory; i++) {
    struct asm_function *function = function_at(a, i);
    function->def.method = i;
    function->def.reg_count = function->ref.param_count;
    bool good = find_owner(a, function) && check_flags(a, function);
    set_kind(function);
    if (good && make_signature(a, function) && check_duplicates(a, i))
      add_overload(a, i);
    else
      mark_broken(a, function);
  }
}
