/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: the table of primitive types, and the check that makes a module
 * from an untrusted maker safe to verify and translate; see module.h.
 */
#include "config.h"

#include "vm/core/module.h"

#include "mm/alloc/arena.h"
#include "vm/asm/asm.h"

#include <string.h>

const struct vm_prim_info vm_prim_table[VM_PRIM_COUNT] = {
    [VM_PRIM_VOID] = {"void", 0, 0, VM_TYPE_NONE},
    [VM_PRIM_U1] = {"u1", 1, 0, VM_TYPE_I32},
    [VM_PRIM_I8] = {"i8", 1, 0, VM_TYPE_I32},
    [VM_PRIM_U8] = {"u8", 1, 0, VM_TYPE_I32},
    [VM_PRIM_I16] = {"i16", 2, 1, VM_TYPE_I32},
    [VM_PRIM_U16] = {"u16", 2, 1, VM_TYPE_I32},
    [VM_PRIM_I32] = {"i32", 4, 2, VM_TYPE_I32},
    [VM_PRIM_U32] = {"u32", 4, 2, VM_TYPE_I32},
    [VM_PRIM_I64] = {"i64", 8, 3, VM_TYPE_I64},
    [VM_PRIM_U64] = {"u64", 8, 3, VM_TYPE_I64},
    [VM_PRIM_F32] = {"f32", 4, 2, VM_TYPE_F32},
    [VM_PRIM_F64] = {"f64", 8, 3, VM_TYPE_F64},
    [VM_PRIM_REF] = {NULL, 4, 2, VM_TYPE_REF},
};

enum vm_prim vm_prim_find(const char *name, size_t len)
{
  unsigned prim = 0;
  while (prim < VM_PRIM_REF && (strlen(vm_prim_table[prim].name) != len ||
                                memcmp(vm_prim_table[prim].name, name, len)))
    prim++;
  return (enum vm_prim)prim;
}

void vm_module_destroy(struct vm_module *module)
{
  if (module != NULL)
    mm_arena_destroy(module->arena); /* the module itself lies in it */
}

/* The check ----------------------------------------------------------------*/

/* Each step returns null or what is wrong. */
#define REQUIRE(condition, message)                                            \
  do {                                                                         \
    if (!(condition))                                                          \
      return message;                                                          \
  } while (0)

static bool is_value(const struct vm_module *module, uint32_t type)
{
  return type < module->type_count && module->types[type].prim != VM_PRIM_VOID;
}

static bool is_reference(const struct vm_module *module, uint32_t type)
{
  return type < module->type_count && module->types[type].prim == VM_PRIM_REF;
}

/* Is an array's name that of its element and "[]"? */
static bool is_array_name(const char *name, const char *element)
{
  size_t length = strlen(element);
  return strncmp(name, element, length) == 0 &&
         strcmp(name + length, "[]") == 0;
}

static const char *check_types(const struct vm_module *module)
{
  for (uint32_t i = 0; i < module->type_count; i++) {
    const struct vm_type_ref *type = &module->types[i];
    REQUIRE(type->name != NULL, "a type has no name");
    size_t length = strlen(type->name);
    if (type->dims == 0) {
      REQUIRE(type->prim == vm_prim_find(type->name, length) &&
                  (length == 0 || type->name[length - 1] != ']'),
              "a type of another kind than its name says");
      continue;
    }
    /* An element stands in front of its array, so there are no cycles. */
    REQUIRE(type->prim == VM_PRIM_REF, "an array that is no reference");
    REQUIRE(type->element < i && is_value(module, type->element) &&
                module->types[type->element].dims == type->dims - 1 &&
                is_array_name(type->name, module->types[type->element].name),
            "an array type with a wrong element type");
  }
  return NULL;
}

static const char *check_array(const struct vm_module *module,
                               const struct vm_array_const *array)
{
  REQUIRE(array->name != NULL, "a literal array has no name");
  REQUIRE(is_value(module, array->type), "a literal array of no type");
  REQUIRE(array->data != NULL, "a literal array without values");
  REQUIRE(array->count > 0 && array->count <= INT32_MAX,
          "a literal array of impossible length");
  if (module->types[array->type].prim != VM_PRIM_REF)
    return NULL;
  REQUIRE(strcmp(module->types[array->type].name, "panda.String") == 0,
          "a literal array of references that are no strings");
  for (uint32_t i = 0; i < array->count; i++)
    REQUIRE(((const uint32_t *)array->data)[i] < module->string_count,
            "a literal array names a string out of range");
  return NULL;
}

static const char *check_constants(const struct vm_module *module)
{
  const char *wrong = NULL;
  for (uint32_t i = 0; i < module->string_count; i++) {
    const struct vm_string_const *string = &module->strings[i];
    REQUIRE(string->bytes != NULL && string->bytes[string->length_bytes] == 0,
            "a string has no text, or another length than its text");
  }
  for (uint32_t i = 0; i < module->array_count && wrong == NULL; i++)
    wrong = check_array(module, &module->arrays[i]);
  return wrong;
}

/* T[]..., then as many sizes as there are dimensions, or fewer. */
static const char *check_array_ctor(const struct vm_module *module,
                                    const struct vm_method_ref *method)
{
  const struct vm_type_ref *owner = &module->types[method->owner];
  REQUIRE(!method->is_static && owner->dims > 0 && method->is_ctor,
          "a wrong constructor of an array");
  REQUIRE(method->param_count >= 2 && method->param_count - 1 <= owner->dims,
          "a constructor of an array with too many or no sizes");
  for (uint32_t i = 1; i < method->param_count; i++)
    REQUIRE(module->types[method->params[i]].prim == VM_PRIM_I32,
            "a size of an array that is no i32");
  return NULL;
}

static const char *check_method(const struct vm_module *module,
                                const struct vm_method_ref *method)
{
  REQUIRE(method->name != NULL, "a method has no name");
  REQUIRE(is_reference(module, method->owner), "a method without an owner");
  REQUIRE(method->return_type < module->type_count,
          "a method returns a type out of range");
  REQUIRE(method->param_count <= VM_REG_COUNT_MAX, "too many parameters");
  REQUIRE(method->param_count == 0 || method->params != NULL,
          "a method has no parameters");
  for (uint32_t i = 0; i < method->param_count; i++)
    REQUIRE(is_value(module, method->params[i]), "a parameter of no type");
  REQUIRE(method->is_static ||
              (method->param_count > 0 && method->params[0] == method->owner),
          "an instance method without its receiver");
  return method->is_array_ctor ? check_array_ctor(module, method) : NULL;
}

static const char *check_members(const struct vm_module *module)
{
  const char *wrong = NULL;
  for (uint32_t i = 0; i < module->field_count; i++) {
    const struct vm_field_ref *field = &module->fields[i];
    REQUIRE(field->name != NULL, "a field has no name");
    REQUIRE(is_reference(module, field->owner), "a field without an owner");
    REQUIRE(is_value(module, field->type), "a field of no type");
  }
  for (uint32_t i = 0; i < module->method_count && wrong == NULL; i++)
    wrong = check_method(module, &module->methods[i]);
  return wrong;
}

static const char *check_record(const struct vm_module *module,
                                const struct vm_record_def *record)
{
  REQUIRE(is_reference(module, record->type), "a record of no type");
  REQUIRE(record->base == UINT32_MAX || is_reference(module, record->base),
          "a record with a wrong base");
  REQUIRE(record->field_count == 0 || record->fields != NULL,
          "a record has no fields");
  for (uint32_t i = 0; i < record->field_count; i++) {
    const struct vm_field_def *field = &record->fields[i];
    REQUIRE(field->name != NULL && is_value(module, field->type),
            "a field of a record has no name or type");
    if ((field->flags & VM_FLAG_HAS_VALUE) && is_reference(module, field->type))
      REQUIRE(field->value < module->string_count &&
                  strcmp(module->types[field->type].name, "panda.String") == 0,
              "a field's value names a string out of range");
  }
  return NULL;
}

/* Calls --------------------------------------------------------------------*/

/* How many registers a form of call has room for. */
static uint32_t call_slots(uint8_t form)
{
  switch (form) {
  case VM_FORM_CALL2:
    return 2;
  case VM_FORM_CALL4:
    return 4;
  case VM_FORM_CALL_ACC4:
    return 3;
  default:
    return 1;
  }
}

static const char *check_call(const struct vm_module *module,
                              const struct vm_insn *insn)
{
  enum vm_op op = (enum vm_op)insn->op;
  uint8_t form = vm_op_table[op].form;
  uint32_t slots = call_slots(form);
  REQUIRE(insn->operand.index < module->method_count,
          "a call of a method out of range");
  const struct vm_method_ref *method = &module->methods[insn->operand.index];
  uint32_t wanted = method->param_count;
  REQUIRE(!vm_op_is_virtual_call(op) || !method->is_static,
          "a virtual call of a static method");
  if (vm_op_is_initobj(op) && wanted > 0)
    wanted--;
  if (form == VM_FORM_CALL_RANGE) {
    REQUIRE(insn->nregs == 1, "a range without its register");
    return NULL;
  }
  bool is_acc = form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4;
  if (is_acc && insn->acc_pos < method->param_count)
    wanted--;
  else if (is_acc && wanted > slots)
    wanted = slots; /* the accumulator goes nowhere: for the verifier */
  REQUIRE(wanted <= slots && insn->nregs == wanted,
          "a call with a wrong number of registers");
  return NULL;
}

/* Instructions -------------------------------------------------------------*/

/* Registers by form; calls are looked at apart. */
static unsigned register_count(uint8_t form)
{
  switch (form) {
  case VM_FORM_V:
  case VM_FORM_V_IMM:
  case VM_FORM_V_F32:
  case VM_FORM_V_F64:
  case VM_FORM_V_LABEL:
  case VM_FORM_V_ARRAY:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_FIELD:
    return 1;
  case VM_FORM_V_V:
  case VM_FORM_V_V_IMM:
  case VM_FORM_V_V_TYPE:
  case VM_FORM_V_V_FIELD:
    return 2;
  default:
    return 0;
  }
}

static const char *check_field_operand(const struct vm_module *module,
                                       uint32_t index, bool is_static)
{
  REQUIRE(index < module->field_count, "a field out of range");
  REQUIRE(module->fields[index].is_static == is_static,
          "a static field where an instance's is wanted, or the reverse");
  return NULL;
}

static const char *check_operand(const struct vm_module *module,
                                 const struct vm_function_def *function,
                                 const struct vm_insn *insn)
{
  uint32_t index = insn->operand.index;
  switch (vm_op_table[insn->op].form) {
  case VM_FORM_LABEL:
  case VM_FORM_V_LABEL:
    REQUIRE(insn->operand.target <= function->insn_count,
            "a jump out of the body");
    return NULL;
  case VM_FORM_STRING:
    REQUIRE(index < module->string_count, "a string out of range");
    return NULL;
  case VM_FORM_V_ARRAY:
    REQUIRE(index < module->array_count, "a literal array out of range");
    return NULL;
  case VM_FORM_TYPE:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    REQUIRE(is_reference(module, index), "a type operand that is none");
    return NULL;
  case VM_FORM_FIELD:
    return check_field_operand(module, index, true);
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    return check_field_operand(module, index, false);
  default:
    return vm_op_is_call((enum vm_op)insn->op) ? check_call(module, insn)
                                               : NULL;
  }
}

static const char *check_insn(const struct vm_module *module,
                              const struct vm_function_def *function,
                              const struct vm_insn *insn)
{
  REQUIRE(insn->op < VM_OP_COUNT, "an unknown instruction");
  if (!vm_op_is_call((enum vm_op)insn->op))
    REQUIRE(insn->nregs == register_count(vm_op_table[insn->op].form),
            "an instruction with a wrong number of registers");
  REQUIRE(insn->nregs <= 4, "an instruction with too many registers");
  for (unsigned i = 0; i < insn->nregs; i++)
    REQUIRE(insn->regs[i] < function->reg_count, "a register out of range");
  return check_operand(module, function, insn);
}

static const char *check_catch(const struct vm_module *module,
                               const struct vm_function_def *function,
                               const struct vm_catch *catch)
{
  uint32_t end = function->insn_count;
  REQUIRE(catch->begin <= end && catch->end <= end && catch->handler <= end,
          "a handler out of the body");
  REQUIRE(catch->handler_end <= end || catch->handler_end == UINT32_MAX,
          "the end of a handler out of the body");
  REQUIRE(catch->type == UINT32_MAX || is_reference(module, catch->type),
          "a handler for a type that cannot be thrown");
  return NULL;
}

static const char *check_function(const struct vm_module *module,
                                  const struct vm_function_def *function)
{
  const char *wrong = NULL;
  REQUIRE(function->text_name != NULL, "a function has no name");
  REQUIRE(function->method < module->method_count,
          "a function of a method out of range");
  const struct vm_method_ref *method = &module->methods[function->method];
  uint32_t params = method->param_count;
  REQUIRE(method->is_static == ((function->flags & VM_FLAG_STATIC) != 0) &&
              method->is_ctor == ((function->flags & VM_FLAG_CTOR) != 0),
          "a function whose flags do not fit its method");
  REQUIRE(!(function->flags & VM_FLAG_CCTOR) ||
              (params == 0 && method->is_static),
          "a class initialiser with arguments");
  bool has_body = (function->flags &
                   (VM_FLAG_EXTERNAL | VM_FLAG_NATIVE | VM_FLAG_NOIMPL)) == 0;
  REQUIRE(function->local_count <= VM_REG_COUNT_MAX &&
              function->reg_count == function->local_count + params &&
              function->reg_count <= VM_REG_COUNT_MAX,
          "a function with a wrong number of registers");
  REQUIRE(has_body == (function->insns != NULL),
          "a function with a body it may not have, or without one");
  if (!has_body)
    return NULL;
  REQUIRE(function->insn_count < INT32_MAX, "a body of impossible length");
  REQUIRE(function->catch_count == 0 || function->catches != NULL,
          "a function has no handlers");
  for (uint32_t i = 0; i < function->insn_count && wrong == NULL; i++)
    wrong = check_insn(module, function, &function->insns[i]);
  for (uint32_t i = 0; i < function->catch_count && wrong == NULL; i++)
    wrong = check_catch(module, function, &function->catches[i]);
  return wrong;
}

const char *vm_module_check(struct vm_module *module)
{
  const char *wrong = check_types(module);
  if (wrong == NULL)
    wrong = check_constants(module);
  if (wrong == NULL)
    wrong = check_members(module);
  for (uint32_t i = 0; i < module->record_count && wrong == NULL; i++)
    wrong = check_record(module, &module->records[i]);
  for (uint32_t i = 0; i < module->function_count && wrong == NULL; i++)
    wrong = check_function(module, &module->functions[i]);
  return wrong;
}
