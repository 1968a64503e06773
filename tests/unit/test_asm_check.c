/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_module_check: a good module is accepted, and each thing that the verifier
 * or the translator relies on is missed when it does not hold.
 */
#include "config.h"

#include "tests/unit/asm_fixture.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

static const char source[] =
    ".record panda.String <external>\n"
    ".record R {\ni32 x\ni32 s <static>\npanda.String t <value=\"v\">\n}\n"
    ".record i32[] <external>\n"
    ".function void i32[].ctor(i32[] a0, i32 a1) <ctor, external>\n"
    ".function void R.m(R a0, i32 a1) { return.void }\n"
    ".array words panda.String 1 { \"w\" }\n"
    ".function i32 f(i32 a0, R a1) {\n"
    "begin:\nlda v3\njmp begin\nend:\nlda.str \"s\"\nlda.const v0, words\n"
    "lda.type R[]\nldobj a1, R.x\nldstatic R.s\ncall.virt R.m, a1, a0\n"
    "call.acc R.m, a0, v0, v0, 0\ncall.range R.m, v0\n"
    "initobj i32[].ctor, a0\nreturn\n"
    ".catch R, begin, end, end, end\n}\n";

/* The module and its parts, by name. */
static struct vm_module *module;
static struct vm_function_def *function;
static struct vm_insn *insns;

static void setup(void)
{
  module = asm_accept(source, NULL);
  function = &module->functions[2];
  insns = function->insns;
  ck_assert_str_eq(function->text_name, "f");
}

static void teardown(void)
{
  vm_module_destroy(module);
}

static struct vm_insn *insn_of(enum vm_op op)
{
  for (uint32_t i = 0; i < function->insn_count; i++)
    if (insns[i].op == op)
      return &insns[i];
  ck_abort_msg("no %s", vm_op_table[op].text);
  return NULL;
}

static uint32_t type_of(const char *name)
{
  for (uint32_t i = 0; i < module->type_count; i++)
    if (strcmp(module->types[i].name, name) == 0)
      return i;
  ck_abort_msg("no type %s", name);
  return 0;
}

/* With this assignment the check must complain; without it, not. */
#define BREAK(place, value)                                                    \
  do {                                                                         \
    __typeof__(place) kept_ = (place);                                         \
    (place) = (value);                                                         \
    ck_assert_msg(vm_module_check(module) != NULL, "%s = %s is accepted",      \
                  #place, #value);                                             \
    (place) = kept_;                                                           \
    const char *wrong_ = vm_module_check(module);                              \
    ck_assert_msg(wrong_ == NULL, "%s: %s", #place, wrong_);                   \
  } while (0)

START_TEST(types_are_checked)
{
  struct vm_type_ref *array = &module->types[type_of("i32[]")];
  BREAK(array->element, module->type_count);
  BREAK(array->element, type_of("i32[]"));
  BREAK(array->dims, 2);
  BREAK(array->dims, 0);
  BREAK(array->prim, VM_PRIM_I32);
  BREAK(array->name, "u32[]");
  BREAK(array->name, NULL);
  BREAK(module->types[type_of("i32")].prim, VM_PRIM_REF);
  BREAK(module->types[type_of("R")].prim, VM_PRIM_I64);
  BREAK(module->types[type_of("R")].prim, VM_PRIM_COUNT);
}
END_TEST

START_TEST(constants_are_checked)
{
  BREAK(module->strings[0].bytes, NULL);
  BREAK(module->strings[0].length_bytes, 0);
  BREAK(module->arrays[0].type, type_of("void"));
  BREAK(module->arrays[0].type, type_of("R"));
  BREAK(module->arrays[0].count, 0);
  BREAK(module->arrays[0].data, NULL);
  static const uint32_t beyond[] = {1000};
  BREAK(module->arrays[0].data, beyond);
}
END_TEST

START_TEST(members_are_checked)
{
  struct vm_method_ref *ctor = &module->methods[0], *m = &module->methods[1];
  static const uint32_t nothing[] = {1000, 1000};
  BREAK(module->fields[0].owner, type_of("i32"));
  BREAK(module->fields[0].type, type_of("void"));
  BREAK(module->fields[0].name, NULL);
  BREAK(m->owner, type_of("i32"));
  BREAK(m->return_type, module->type_count);
  BREAK(m->params, nothing);
  BREAK(m->params, NULL);
  BREAK(m->owner, type_of("panda.String"));
  BREAK(m->param_count, VM_REG_COUNT_MAX + 1);
  BREAK(ctor->param_count, 1);
  BREAK(ctor->is_ctor, false);
  BREAK(ctor->owner, type_of("R"));
  BREAK(m->is_array_ctor, true);
}
END_TEST

START_TEST(records_are_checked)
{
  struct vm_record_def *record = &module->records[1];
  BREAK(record->type, type_of("i32"));
  BREAK(record->base, type_of("i32"));
  BREAK(record->base, module->type_count);
  BREAK(record->fields, NULL);
  BREAK(record->fields[0].type, type_of("void"));
  BREAK(record->fields[0].name, NULL);
  BREAK(record->fields[2].value, 1000);
  BREAK(record->fields[2].type, type_of("R"));
}
END_TEST

START_TEST(functions_are_checked)
{
  BREAK(function->method, module->method_count);
  BREAK(function->text_name, NULL);
  BREAK(function->local_count, function->local_count + 1);
  BREAK(function->reg_count, function->reg_count + 1);
  BREAK(function->insns, NULL);
  BREAK(function->flags, VM_FLAG_NATIVE);
  BREAK(module->functions[0].insns, insns);
  BREAK(function->catches, NULL);
  BREAK(function->catches[0].begin, function->insn_count + 1);
  BREAK(function->catches[0].end, function->insn_count + 1);
  BREAK(function->catches[0].handler, function->insn_count + 1);
  BREAK(function->catches[0].handler_end, function->insn_count + 1);
  BREAK(function->catches[0].type, type_of("i32"));
}
END_TEST

START_TEST(instructions_are_checked)
{
  BREAK(insns[0].op, VM_OP_COUNT);
  BREAK(insns[0].nregs, 0);
  BREAK(insns[0].nregs, 2);
  BREAK(insns[0].regs[0], function->reg_count);
  BREAK(insn_of(VM_OP_JMP)->operand.target, function->insn_count + 1);
  BREAK(insn_of(VM_OP_LDA_STR)->operand.index, module->string_count);
  BREAK(insn_of(VM_OP_LDA_CONST)->operand.index, module->array_count);
  BREAK(insn_of(VM_OP_LDA_TYPE)->operand.index, module->type_count);
  BREAK(insn_of(VM_OP_LDA_TYPE)->operand.index, type_of("i32"));
  BREAK(insn_of(VM_OP_LDOBJ)->operand.index, module->field_count);
  BREAK(insn_of(VM_OP_LDOBJ)->operand.index,
        insn_of(VM_OP_LDSTATIC)->operand.index);
  BREAK(insn_of(VM_OP_LDSTATIC)->operand.index,
        insn_of(VM_OP_LDOBJ)->operand.index);
}
END_TEST

START_TEST(calls_are_checked)
{
  BREAK(insn_of(VM_OP_CALL_VIRT)->operand.index, module->method_count);
  BREAK(insn_of(VM_OP_CALL_VIRT)->operand.index, function->method);
  BREAK(insn_of(VM_OP_CALL_VIRT)->nregs, 1);
  BREAK(insn_of(VM_OP_CALL_VIRT)->nregs, 3);
  BREAK(insn_of(VM_OP_CALL_VIRT)->regs[1], function->reg_count);
  BREAK(insn_of(VM_OP_CALL_ACC)->nregs, 2);
  BREAK(insn_of(VM_OP_CALL_ACC)->acc_pos, 5);
  BREAK(insn_of(VM_OP_CALL_RANGE)->nregs, 0);
  BREAK(insn_of(VM_OP_CALL_RANGE)->regs[0], function->reg_count);
  BREAK(insn_of(VM_OP_INITOBJ)->nregs, 0);
}
END_TEST

int main(void)
{
  const TTest *const tests[] = {
      types_are_checked,   constants_are_checked, members_are_checked,
      records_are_checked, functions_are_checked, instructions_are_checked,
      calls_are_checked,
  };
  TCase *all = tcase_create("check");
  tcase_add_checked_fixture(all, setup, teardown);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
    tcase_add_test(all, tests[i]);
  return suite_main("asm_check", (TCase *[]){all, NULL});
}
