/* SPDX-License-Identifier: Apache-2.0 */
/* The table of instructions: complete, found by name, and free of
   contradictions that the verifier or the interpreter would stumble over. */
#include "config.h"

#include "tests/unit/asm_fixture.h"

#include "vm/isa/isa.h"

#include <stdlib.h>
#include <string.h>

/* How many registers a form has before its other operands; calls apart. */
static unsigned registers_of(uint8_t form)
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

START_TEST(the_core_has_263_instructions)
{
  ck_assert_int_eq(VM_OP_COUNT, 263);
}
END_TEST

START_TEST(each_mnemonic_is_found_and_no_other_text)
{
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    const char *text = vm_op_table[op].text;
    ck_assert_msg(vm_op_find(text, strlen(text)) == op, "%s", text);
    ck_assert_str_ne(vm_op_table[op].effect, "");
  }
  static const char *const others[] = {"",    "ad",       "lda.",
                                       "LDA", "call.dyn", "movi.64x"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    ck_assert_msg(vm_op_find(others[i], strlen(others[i])) == VM_OP_COUNT, "%s",
                  others[i]);
  ck_assert_msg(vm_op_find("ldaxyz", 3) == VM_OP_LDA, "the length counts");
}
END_TEST

START_TEST(registers_are_described_for_each_that_a_form_has)
{
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    const struct vm_op_info *info = &vm_op_table[op];
    if (vm_op_is_call((enum vm_op)op)) {
      ck_assert_msg(info->reg[0] == VM_REG_NONE && info->reg_bits > 0, "%s",
                    info->text);
      continue;
    }
    for (unsigned i = 0; i < 2; i++)
      ck_assert_msg((info->reg[i] != VM_REG_NONE) ==
                        (i < registers_of(info->form)),
                    "%s: register %u", info->text, i);
    ck_assert_msg((info->reg_bits != 0) == (registers_of(info->form) != 0),
                  "%s", info->text);
  }
}
END_TEST

START_TEST(immediates_are_as_wide_as_the_language_says)
{
  static const struct {
    const char *text;
    unsigned bits;
  } rows[] = {
      {"inci", 4},   {"addi", 8},     {"subi", 8},     {"muli", 8},
      {"shli", 8},   {"shri", 8},     {"ashri", 8},    {"divi", 8},
      {"modi", 8},   {"addiv", 8},    {"subiv", 8},    {"muliv", 8},
      {"shliv", 8},  {"shriv", 8},    {"ashriv", 8},   {"diviv", 8},
      {"modiv", 8},  {"movi", 32},    {"ldai", 32},    {"andi", 32},
      {"ori", 32},   {"xori", 32},    {"andiv", 32},   {"oriv", 32},
      {"xoriv", 32}, {"movi.64", 64}, {"ldai.64", 64},
  };
  unsigned with_immediate = 0;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    enum vm_op op = vm_op_find(rows[i].text, strlen(rows[i].text));
    ck_assert_msg(op < VM_OP_COUNT && vm_op_table[op].imm_bits == rows[i].bits,
                  "%s", rows[i].text);
  }
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    uint8_t form = vm_op_table[op].form;
    with_immediate +=
        form == VM_FORM_IMM || form == VM_FORM_V_IMM || form == VM_FORM_V_V_IMM;
  }
  ck_assert_uint_eq(with_immediate, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(register_widths_are_as_the_language_says)
{
  static const struct {
    const char *text;
    unsigned bits;
  } rows[] = {
      {"mov", 16},       {"mov.64", 16},       {"mov.obj", 16},
      {"lda", 8},        {"sta.obj", 8},       {"movi", 8},
      {"jlt", 8},        {"add2", 8},          {"add2v.64", 8},
      {"add", 4},        {"addv", 4},          {"addiv", 4},
      {"inci", 4},       {"newarr", 4},        {"starr.obj", 4},
      {"ldarr", 8},      {"newobj", 8},        {"ldobj", 8},
      {"ldobj.v", 4},    {"stobj.v.obj", 4},   {"call", 4},
      {"call.short", 4}, {"call.range", 8},    {"call.acc", 4},
      {"initobj", 4},    {"initobj.range", 8}, {"call.virt.range", 8},
      {"throw", 8},      {"lda.const", 8},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    enum vm_op op = vm_op_find(rows[i].text, strlen(rows[i].text));
    ck_assert_msg(op < VM_OP_COUNT && vm_op_table[op].reg_bits == rows[i].bits,
                  "%s", rows[i].text);
  }
}
END_TEST

START_TEST(jumps_leave_the_accumulator_as_it_was)
{
  unsigned jumps = 0;
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    if (!vm_op_is_jump((enum vm_op)op))
      continue;
    jumps++;
    ck_assert_msg(vm_op_table[op].acc_out ==
                      (op == VM_OP_JMP ? VM_TYPE_NONE : VM_TYPE_SAME),
                  "%s", vm_op_table[op].text);
    ck_assert_uint_eq(vm_op_table[op].raises, 0);
  }
  ck_assert_uint_eq(jumps, 17);
}
END_TEST

START_TEST(blocks_end_where_control_does_not_go_on)
{
  unsigned ends = 0;
  for (unsigned op = 0; op < VM_OP_COUNT; op++)
    ends += vm_op_ends_block((enum vm_op)op);
  ck_assert_uint_eq(ends, 6);
  ck_assert(vm_op_ends_block(VM_OP_THROW));
  ck_assert(!vm_op_ends_block(VM_OP_JEQZ));
}
END_TEST

START_TEST(calls_are_told_apart)
{
  unsigned calls = 0, virtual_calls = 0, creations = 0;
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    calls += vm_op_is_call((enum vm_op)op);
    virtual_calls += vm_op_is_virtual_call((enum vm_op)op);
    creations += vm_op_is_initobj((enum vm_op)op);
  }
  ck_assert_uint_eq(calls, 13);
  ck_assert_uint_eq(virtual_calls, 5);
  ck_assert_uint_eq(creations, 3);
  ck_assert(vm_op_is_virtual_call(VM_OP_CALL_VIRT_ACC_SHORT));
  ck_assert(!vm_op_is_virtual_call(VM_OP_CALL_ACC));
}
END_TEST

START_TEST(primitive_types_are_found_by_name)
{
  for (unsigned prim = 0; prim < VM_PRIM_REF; prim++) {
    const struct vm_prim_info *info = &vm_prim_table[prim];
    ck_assert_uint_eq(vm_prim_find(info->name, strlen(info->name)), prim);
    if (prim != VM_PRIM_VOID)
      ck_assert_uint_eq(info->bytes, 1u << info->log2);
  }
  ck_assert_uint_eq(vm_prim_find("i3", 2), VM_PRIM_REF);
  ck_assert_uint_eq(vm_prim_find("", 0), VM_PRIM_REF);
}
END_TEST

int main(void)
{
  const TTest *const tests[] = {
      the_core_has_263_instructions,
      each_mnemonic_is_found_and_no_other_text,
      registers_are_described_for_each_that_a_form_has,
      immediates_are_as_wide_as_the_language_says,
      register_widths_are_as_the_language_says,
      jumps_leave_the_accumulator_as_it_was,
      blocks_end_where_control_does_not_go_on,
      calls_are_told_apart,
      primitive_types_are_found_by_name,
  };
  return asm_main("isa", tests, sizeof tests / sizeof tests[0]);
}
