/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operands of an instruction, by its form.
 *
 * Registers are kept as written until the body's end is known, because the
 * number of locals decides which register an argument is.  A number has to
 * fit the width that the mnemonic can encode, as written and as mapped.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"

#include <string.h>

/* The operands of each form, a letter each:
   v register   i integer   f, d float of 32, 64 bits   l label   s string
   a literal array   t type   r record to instantiate   n array type
   F field   c function and then 0 to 2 or 4 registers   C function
   p position of the accumulator */
static const char *const form_letters[] = {
    [VM_FORM_NONE] = "",           [VM_FORM_V] = "v",
    [VM_FORM_V_V] = "vv",          [VM_FORM_V_IMM] = "vi",
    [VM_FORM_V_V_IMM] = "vvi",     [VM_FORM_IMM] = "i",
    [VM_FORM_F32] = "f",           [VM_FORM_F64] = "d",
    [VM_FORM_V_F32] = "vf",        [VM_FORM_V_F64] = "vd",
    [VM_FORM_LABEL] = "l",         [VM_FORM_V_LABEL] = "vl",
    [VM_FORM_STRING] = "s",        [VM_FORM_V_ARRAY] = "va",
    [VM_FORM_TYPE] = "t",          [VM_FORM_V_TYPE] = "vr",
    [VM_FORM_V_V_TYPE] = "vvn",    [VM_FORM_FIELD] = "F",
    [VM_FORM_V_FIELD] = "vF",      [VM_FORM_V_V_FIELD] = "vvF",
    [VM_FORM_CALL2] = "c",         [VM_FORM_CALL4] = "c",
    [VM_FORM_CALL_RANGE] = "Cv",   [VM_FORM_CALL_ACC2] = "Cvp",
    [VM_FORM_CALL_ACC4] = "Cvvvp",
};

/* Registers ----------------------------------------------------------------*/

/* Reads `v12` or `a3`; a number too large for 32 bits becomes the largest. */
static bool read_register(const struct vm_token *token, uint32_t *number,
                          bool *is_argument)
{
  const char *p = token->start, *end = p + token->length;
  if (token->kind != VM_TOK_NAME || token->length < 2 ||
      (*p != 'v' && *p != 'a') || (p[1] == '0' && token->length > 2))
    return false;
  *is_argument = *p == 'a';
  uint64_t value = 0;
  for (p++; p < end; p++) {
    if (*p < '0' || *p > '9')
      return false;
    value = value * 10 + (unsigned)(*p - '0');
    if (value > UINT32_MAX)
      value = UINT32_MAX;
  }
  *number = (uint32_t)value;
  return true;
}

static uint32_t register_limit(const struct asm_insn *insn)
{
  return 1u << vm_op_table[insn->insn.op].reg_bits;
}

/* Is the written number good for the function and the mnemonic? */
static bool check_register(struct vm_asm *a, const struct asm_body *body,
                           const struct asm_insn *insn,
                           const struct vm_token *token, uint32_t number,
                           bool is_argument)
{
  uint32_t params = body->function->ref.param_count;
  const char *mnemonic = vm_op_table[insn->insn.op].text;
  if (is_argument && number >= params) {
    vm_asm_error(a, token, "there is no `%s`: the function has %u parameter%s",
                 vm_quote_token(token).text, params, params == 1 ? "" : "s");
    return false;
  }
  if (number >= register_limit(insn)) {
    vm_asm_error(a, token, "`%s` takes registers up to %c%u", mnemonic,
                 token->start[0], register_limit(insn) - 1);
    return false;
  }
  return true;
}

static bool parse_register(struct vm_asm *a, struct asm_body *body,
                           struct vm_lexer *lexer, struct asm_insn *insn)
{
  struct vm_token token = vm_lex_next(lexer);
  uint32_t number, slot = insn->written;
  bool is_argument;
  if (!read_register(&token, &number, &is_argument))
    return vm_asm_expected(a, &token, "a register (`v0`, `a0`, ...)");
  if (!check_register(a, body, insn, &token, number, is_argument))
    return false;
  if (!is_argument && number >= body->local_count)
    body->local_count = number + 1;
  insn->insn.regs[slot] = (uint16_t)number;
  insn->columns[slot] = token.column;
  insn->widths[slot] = (uint8_t)(token.length < 255 ? token.length : 255);
  insn->argument_mask |= (uint8_t)(is_argument << slot);
  insn->written++;
  return true;
}

static void map_register(struct vm_asm *a, const struct asm_body *body,
                         struct asm_insn *insn, unsigned slot)
{
  uint32_t number = insn->insn.regs[slot] + body->local_count;
  if (number < register_limit(insn)) {
    insn->insn.regs[slot] = (uint16_t)number;
    return;
  }
  struct vm_token at = insn->mnemonic;
  at.start += insn->columns[slot] - at.column;
  at.column = insn->columns[slot];
  at.length = insn->widths[slot];
  vm_asm_error(a, &at,
               "`%s` takes register numbers up to %u, and behind %u local%s "
               "`%s` is number %u",
               vm_op_table[insn->insn.op].text, register_limit(insn) - 1,
               body->local_count, body->local_count == 1 ? "" : "s",
               vm_quote_token(&at).text, number);
}

void vm_asm_map_registers(struct vm_asm *a, struct asm_body *body)
{
  for (uint32_t i = 0; i < body->insns.count; i++) {
    struct asm_insn *insn = VM_ITEM(struct asm_insn, &body->insns, i);
    for (unsigned slot = 0; slot < insn->written; slot++)
      if (insn->argument_mask & 1u << slot)
        map_register(a, body, insn, slot);
  }
  struct vm_function_def *def = &body->function->def;
  uint32_t params = body->function->ref.param_count;
  if ((uint64_t)body->local_count + params > VM_REG_COUNT_MAX)
    vm_asm_error(a, &body->function->name,
                 "%u locals and %u parameters are more than the %d registers "
                 "of a frame",
                 body->local_count, params, VM_REG_COUNT_MAX);
  def->local_count = body->local_count;
  def->reg_count = body->local_count + params;
}

/* Other operands -----------------------------------------------------------*/

/* Keeps the low `bits` bits and extends their sign. */
static int64_t truncate_immediate(int64_t value, unsigned bits)
{
  unsigned unused = 64 - bits;
  return (int64_t)((uint64_t)value << unused) >> unused;
}

static bool parse_immediate(struct vm_asm *a, struct vm_lexer *lexer,
                            struct asm_insn *insn)
{
  struct vm_token token = vm_lex_next(lexer);
  unsigned bits = vm_op_table[insn->insn.op].imm_bits;
  int64_t value;
  if (!vm_asm_integer(a, &token, &value))
    return false;
  insn->insn.operand.imm = truncate_immediate(value, bits);
  return true;
}

static bool parse_position(struct vm_asm *a, struct vm_lexer *lexer,
                           struct asm_insn *insn)
{
  struct vm_token token = vm_lex_next(lexer);
  int64_t value;
  if (!vm_asm_integer(a, &token, &value))
    return false;
  insn->insn.acc_pos = (uint8_t)(value & 15);
  return true;
}

static bool parse_label(struct vm_asm *a, struct vm_lexer *lexer,
                        struct asm_insn *insn)
{
  insn->label = vm_lex_next(lexer);
  return insn->label.kind == VM_TOK_NAME ||
         vm_asm_expected(a, &insn->label, "a label");
}

static bool parse_array(struct vm_asm *a, struct vm_lexer *lexer,
                        struct asm_insn *insn)
{
  struct vm_token name = vm_lex_next(lexer);
  if (name.kind != VM_TOK_NAME)
    return vm_asm_expected(a, &name, "the name of a literal array");
  uint32_t found = vm_names_find(&a->array_names, 0, name.start, name.length);
  if (found == VM_NO_NAME) {
    vm_asm_error(a, &name, "unknown array `%s`", vm_quote_token(&name).text);
    vm_asm_suggest_names(a, &name, &a->array_names, 0);
    return false;
  }
  uint32_t index = a->array_names.entries[found].value;
  insn->insn.operand.index = index;
  if (index >= a->arrays.count)
    return false; /* its definition was wrong, which is reported */
  if (VM_ITEM(struct vm_array_const, &a->arrays, index)->line < name.line)
    return true;
  vm_asm_error(a, &name, "array `%s` is used before it is defined",
               vm_quote_token(&name).text);
  return false;
}

static bool parse_type(struct vm_asm *a, struct vm_lexer *lexer,
                       struct asm_insn *insn, char letter)
{
  struct vm_token span;
  uint32_t type;
  if (!vm_asm_parse_type(a, lexer, VM_TYPE_OPERAND, &type, &span))
    return false;
  insn->insn.operand.index = type;
  const struct vm_type_ref *ref = &vm_asm_type_at(a, type)->ref;
  if (ref->prim != VM_PRIM_REF) {
    vm_asm_error(a, &span, "expected a record or an array type, found `%s`",
                 ref->name);
    return false;
  }
  if (letter == 'r' && ref->dims > 0)
    vm_asm_report(a, VM_DIAG_WARNING, &span,
                  "`newobj` cannot make an array: use `newarr`");
  if (letter == 'n' && ref->dims == 0)
    vm_asm_report(a, VM_DIAG_WARNING, &span,
                  "`newarr` wants the type of the array, not of its elements");
  return true;
}

/* Fields -------------------------------------------------------------------*/

static bool is_static_op(enum vm_op op)
{
  return vm_op_table[op].form == VM_FORM_FIELD;
}

/* Splits `R.f`; the record must be declared. */
static bool find_field_record(struct vm_asm *a, const struct vm_token *name,
                              struct vm_token *field, uint32_t *record)
{
  const char *dot = name->kind == VM_TOK_NAME
                        ? memrchr(name->start, '.', name->length)
                        : NULL;
  if (dot == NULL || dot == name->start)
    return vm_asm_expected(a, name, "a field, as in `Record.field`");
  struct vm_token owner = *name;
  owner.length = (uint32_t)(dot - name->start);
  *field = *name;
  field->start = dot + 1;
  field->column += owner.length + 1;
  field->length -= owner.length + 1;
  uint32_t found = vm_names_find(&a->type_names, 0, owner.start, owner.length);
  uint32_t type =
      found != VM_NO_NAME ? a->type_names.entries[found].value : VM_NONE;
  *record = type != VM_NONE ? vm_asm_type_at(a, type)->record : VM_NONE;
  if (*record != VM_NONE)
    return true;
  vm_asm_error(a, &owner, "unknown record `%s`", vm_quote_token(&owner).text);
  vm_asm_suggest_names(a, &owner, &a->type_names, 0);
  return false;
}

static void unknown_field(struct vm_asm *a, const struct vm_token *field,
                          uint32_t record, enum vm_op op)
{
  bool is_static = is_static_op(op);
  uint64_t other = (uint64_t)record * 2 + !is_static;
  struct vm_token owner = VM_ITEM(struct asm_record, &a->records, record)->name;
  if (vm_names_find(&a->field_names, other, field->start, field->length) !=
      VM_NO_NAME) {
    vm_asm_error(a, field,
                 "field `%s` of `%s` is %s, and `%s` wants one "
                 "that is %s",
                 vm_quote_token(field).text, vm_quote_token(&owner).text,
                 is_static ? "not static" : "static", vm_op_table[op].text,
                 is_static ? "static" : "not");
    return;
  }
  vm_asm_error(a, field, "record `%s` has no field `%s`",
               vm_quote_token(&owner).text, vm_quote_token(field).text);
  vm_asm_suggest_names(a, field, &a->field_names,
                       (uint64_t)record * 2 + is_static);
}

/* The entry in the table of fields that instructions name. */
static bool field_ref(struct vm_asm *a, uint32_t record, uint32_t index,
                      uint32_t *ref)
{
  struct asm_record *owner = VM_ITEM(struct asm_record, &a->records, record);
  struct asm_field *field = VM_ITEM(struct asm_field, &owner->fields, index);
  if (field->ref == VM_NONE) {
    struct vm_field_ref *made = vm_vec_push(a, &a->fields, sizeof *made);
    if (made == NULL)
      return false;
    made->owner = owner->def.type;
    made->name = field->def.name;
    made->type = field->def.type;
    made->is_static = (field->def.flags & VM_FLAG_STATIC) != 0;
    field->ref = a->fields.count - 1;
  }
  *ref = field->ref;
  return true;
}

static bool parse_field(struct vm_asm *a, struct vm_lexer *lexer,
                        struct asm_insn *insn)
{
  struct vm_token name = vm_lex_next(lexer), field;
  enum vm_op op = (enum vm_op)insn->insn.op;
  uint32_t record = VM_NONE;
  if (!find_field_record(a, &name, &field, &record))
    return false;
  uint64_t scope = (uint64_t)record * 2 + is_static_op(op);
  uint32_t found =
      vm_names_find(&a->field_names, scope, field.start, field.length);
  if (found == VM_NO_NAME) {
    unknown_field(a, &field, record, op);
    return false;
  }
  return field_ref(a, record, a->field_names.entries[found].value,
                   &insn->insn.operand.index);
}

/* Calls --------------------------------------------------------------------*/

/* The registers of a call without a fixed number of them. */
static bool parse_arguments(struct vm_asm *a, struct asm_body *body,
                            struct vm_lexer *lexer, struct asm_insn *insn,
                            unsigned most)
{
  struct vm_token token = vm_lex_peek(lexer);
  while (vm_token_is(&token, ',')) {
    vm_lex_next(lexer);
    token = vm_lex_peek(lexer);
    if (insn->written == most) {
      vm_asm_error(a, &token, "`%s` takes at most %u registers",
                   vm_op_table[insn->insn.op].text, most);
      return false;
    }
    if (!parse_register(a, body, lexer, insn))
      return false;
    token = vm_lex_peek(lexer);
  }
  return true;
}

/*
 * How many of the registers the callee takes; the rest are ignored.  Too few
 * are an error.  A position behind the last parameter passes the accumulator
 * nowhere; that is left to the verifier.
 */
static bool count_arguments(struct vm_asm *a, struct asm_insn *insn)
{
  enum vm_op op = (enum vm_op)insn->insn.op;
  uint8_t form = vm_op_table[op].form;
  uint32_t params =
      VM_ITEM(struct asm_function, &a->functions, insn->insn.operand.index)
          ->ref.param_count;
  uint32_t wanted = params, given = insn->written;
  if (vm_op_is_initobj(op) && wanted > 0)
    wanted--;
  if (form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4)
    given++;
  if (form == VM_FORM_CALL_RANGE) {
    insn->insn.nregs = 1;
    return true;
  }
  if (given < wanted) {
    vm_asm_error(a, &insn->mnemonic,
                 "the function takes %u argument%s, and `%s` passes %u here",
                 wanted, wanted == 1 ? "" : "s", vm_op_table[op].text, given);
    return false;
  }
  if (given > insn->written && insn->insn.acc_pos < params)
    wanted--;
  insn->insn.nregs = (uint8_t)(wanted < insn->written ? wanted : insn->written);
  return true;
}

/* By letter ----------------------------------------------------------------*/

static bool parse_operand(struct vm_asm *a, struct asm_body *body,
                          struct vm_lexer *lexer, struct asm_insn *insn,
                          char letter)
{
  enum vm_op op = (enum vm_op)insn->insn.op;
  struct vm_token token;
  switch (letter) {
  case 'v':
    return parse_register(a, body, lexer, insn);
  case 'i':
    return parse_immediate(a, lexer, insn);
  case 'f':
  case 'd':
    token = vm_lex_next(lexer);
    return vm_asm_float(a, &token, letter == 'd', &insn->insn.operand.imm);
  case 'l':
    return parse_label(a, lexer, insn);
  case 's':
    token = vm_lex_next(lexer);
    return vm_asm_string(a, &token, &insn->insn.operand.index);
  case 'a':
    return parse_array(a, lexer, insn);
  case 'F':
    return parse_field(a, lexer, insn);
  case 'p':
    return parse_position(a, lexer, insn);
  case 'C':
    return vm_asm_callee(a, lexer, op, &insn->insn.operand.index);
  case 'c':
    return vm_asm_callee(a, lexer, op, &insn->insn.operand.index) &&
           parse_arguments(a, body, lexer, insn,
                           vm_op_table[op].form == VM_FORM_CALL2 ? 2 : 4);
  default:
    return parse_type(a, lexer, insn, letter);
  }
}

/* Register slots that were not written hold VM_REG_UNUSED in calls. */
static void mark_unused(struct asm_insn *insn)
{
  for (unsigned i = insn->written; i < 4; i++)
    insn->insn.regs[i] = VM_REG_UNUSED;
}

bool vm_asm_operands(struct vm_asm *a, struct asm_body *body,
                     struct vm_lexer *lexer, struct asm_insn *insn)
{
  enum vm_op op = (enum vm_op)insn->insn.op;
  const char *letters = form_letters[vm_op_table[op].form];
  for (unsigned i = 0; letters[i] != '\0'; i++) {
    struct vm_token token = vm_lex_peek(lexer);
    char where[64];
    if (vm_token_ends_line(&token)) {
      vm_asm_error(a, &insn->mnemonic, "`%s` lacks %s", vm_op_table[op].text,
                   i == 0 ? "its operands" : "an operand");
      return false;
    }
    snprintf(where, sizeof where, "between the operands of `%s`",
             vm_op_table[op].text);
    if (i > 0 && !vm_asm_expect(a, lexer, ',', where))
      return false;
    if (!parse_operand(a, body, lexer, insn, letters[i]))
      return false;
  }
  insn->insn.nregs = (uint8_t)insn->written;
  if (!vm_op_is_call(op))
    return true;
  mark_unused(insn);
  return count_arguments(a, insn);
}
