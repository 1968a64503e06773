/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata: `<key, key=value, ...>`; the keys stand in metadata.def. */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

enum {
  ON_R = 1 << VM_META_RECORD,
  ON_F = 1 << VM_META_FIELD,
  ON_M = 1 << VM_META_FUNCTION,
};

enum meta_value { META_NONE, META_RECORD, META_ACCESS, META_CONST };

static const struct meta_key {
  const char *text;
  unsigned on;
  enum meta_value value;
  uint32_t flags;
} keys[] = {
#define VM_METADATA_KEY(text, on, value, flags) {text, on, META_##value, flags},
#include "vm/asm/metadata.def"
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

/* A parameter takes any key; only `varargs' has an effect there. */
static bool may_stand(const struct meta_key *key, enum vm_meta_on on)
{
  return on == VM_META_PARAMETER || (key->on & 1u << on) != 0;
}

static const struct meta_key *
find_key(struct vm_asm *a, const struct vm_token *token, enum vm_meta_on on)
{
  static const char *const places[] = {"a record", "a field", "a function",
                                       "a parameter"};
  struct vm_suggest suggest;
  vm_suggest_begin(&suggest, token->start, token->length, &a->suggest_budget);
  for (unsigned i = 0; i < KEY_COUNT; i++) {
    if (!may_stand(&keys[i], on))
      continue;
    if (vm_token_equals(token, keys[i].text))
      return &keys[i];
    vm_suggest_offer(&suggest, keys[i].text, (uint32_t)strlen(keys[i].text));
  }
  vm_asm_error(a, token, "`%s` is not a metadata key of %s",
               vm_quote_token(token).text, places[on]);
  vm_asm_suggest_note(a, token, &suggest);
  return NULL;
}

static bool set_access(struct vm_asm *a, const struct vm_token *value,
                       struct vm_meta *meta)
{
  static const char *const names[] = {"public", "protected", "private"};
  for (uint32_t i = 0; i < 3; i++) {
    if (!vm_token_equals(value, names[i]))
      continue;
    meta->flags &= ~(uint32_t)VM_FLAG_ACCESS_MASK;
    meta->flags |= (i + 1) << VM_FLAG_ACCESS_SHIFT;
    return true;
  }
  return vm_asm_expected(a, value, "`public`, `protected` or `private`");
}

static bool set_value(struct vm_asm *a, const struct meta_key *key,
                      const struct vm_token *value, struct vm_meta *meta)
{
  if (key->value == META_ACCESS)
    return set_access(a, value, meta);
  if (key->value == META_RECORD) {
    if (value->kind != VM_TOK_NAME)
      return vm_asm_expected(a, value, "a record");
    meta->base = *value;
  } else {
    if (value->kind != VM_TOK_NAME && value->kind != VM_TOK_STRING)
      return vm_asm_expected(a, value, "a value");
    meta->value = *value;
  }
  return true;
}

/* One `key` or `key=value`. `seen` has a bit for each key so far. */
static bool parse_entry(struct vm_asm *a, struct vm_lexer *lexer,
                        enum vm_meta_on on, unsigned *seen,
                        struct vm_meta *meta)
{
  struct vm_token name = vm_lex_next(lexer), next;
  if (name.kind != VM_TOK_NAME)
    return vm_asm_expected(a, &name, "a metadata key");
  const struct meta_key *key = find_key(a, &name, on);
  if (key == NULL)
    return false;
  if (*seen & 1u << (key - keys)) {
    vm_asm_error(a, &name, "`%s` is given twice", key->text);
    return false;
  }
  *seen |= 1u << (key - keys);
  meta->flags |= key->flags;
  next = vm_lex_peek(lexer);
  if (vm_token_is(&next, '=')) {
    vm_lex_next(lexer);
    if (key->value == META_NONE) {
      vm_asm_error(a, &name, "`%s` takes no value", key->text);
      return false;
    }
    next = vm_lex_next(lexer);
    return set_value(a, key, &next, meta);
  }
  if (key->value == META_NONE)
    return true;
  vm_asm_error(a, &name, "`%s` needs a value: `%s=...`", key->text, key->text);
  return false;
}

bool vm_asm_parse_meta(struct vm_asm *a, struct vm_lexer *lexer,
                       enum vm_meta_on on, struct vm_meta *meta)
{
  unsigned seen = 0;
  memset(meta, 0, sizeof *meta);
  struct vm_token token = vm_lex_peek(lexer);
  if (!vm_token_is(&token, '<'))
    return true;
  meta->is_present = true;
  vm_lex_next(lexer);
  token = vm_lex_peek(lexer);
  if (vm_token_is(&token, '>')) {
    vm_lex_next(lexer);
    return true;
  }
  for (;;) {
    if (!parse_entry(a, lexer, on, &seen, meta))
      return false;
    token = vm_lex_next(lexer);
    if (vm_token_is(&token, '>'))
      return true;
    if (!vm_token_is(&token, ','))
      return vm_asm_expected(a, &token, "`,` or `>` in metadata");
  }
}

_Static_assert(KEY_COUNT <= 32, "one bit for each key");
