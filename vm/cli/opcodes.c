/* SPDX-License-Identifier: Apache-2.0 */
/* `bamboo opcodes': the instructions, as opcodes.def describes them. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "vm/asm/nearest.h"
#include "vm/cli/options.h"
#include "vm/isa/isa.h"

/* Operands by form, in the order in which they are written; A and B are
   replaced by the letters that the effect of the instruction uses. */
static const char *const operand_texts[] = {
    [VM_FORM_NONE] = "",
    [VM_FORM_V] = "vA",
    [VM_FORM_V_V] = "vA, vB",
    [VM_FORM_V_IMM] = "vA, imm",
    [VM_FORM_V_V_IMM] = "vA, vB, imm",
    [VM_FORM_IMM] = "imm",
    [VM_FORM_F32] = "fimm",
    [VM_FORM_F64] = "fimm",
    [VM_FORM_V_F32] = "vA, fimm",
    [VM_FORM_V_F64] = "vA, fimm",
    [VM_FORM_LABEL] = "label",
    [VM_FORM_V_LABEL] = "vA, label",
    [VM_FORM_STRING] = "\"string\"",
    [VM_FORM_V_ARRAY] = "vA, array",
    [VM_FORM_TYPE] = "type",
    [VM_FORM_V_TYPE] = "vA, record",
    [VM_FORM_V_V_TYPE] = "vA, vB, type[]",
    [VM_FORM_FIELD] = "record.field",
    [VM_FORM_V_FIELD] = "vA, record.field",
    [VM_FORM_V_V_FIELD] = "vA, vB, record.field",
    [VM_FORM_CALL2] = "function[, vA[, vB]]",
    [VM_FORM_CALL4] = "function[, vA[, vB[, vC[, vD]]]]",
    [VM_FORM_CALL_RANGE] = "function, vA",
    [VM_FORM_CALL_ACC2] = "function, vA, position",
    [VM_FORM_CALL_ACC4] = "function, vA, vB, vC, position",
};

static const char *const type_texts[] = {
    [VM_TYPE_NONE] = "-",
    [VM_TYPE_B32] = "b32",
    [VM_TYPE_I32] = "i32",
    [VM_TYPE_F32] = "f32",
    [VM_TYPE_B64] = "b64",
    [VM_TYPE_I64] = "i64",
    [VM_TYPE_F64] = "f64",
    [VM_TYPE_REF] = "reference",
    [VM_TYPE_ANY] = "an argument",
    [VM_TYPE_SAME] = "unchanged",
    [VM_TYPE_RESULT] = "the result",
};

/* In the order of the bits VM_RAISES_*. */
static const struct {
  unsigned bit;
  const char *text;
} raise_texts[] = {
    {VM_RAISES_NPE, "panda.NullPointerException"},
    {VM_RAISES_AIOOBE, "panda.ArrayIndexOutOfBoundsException"},
    {VM_RAISES_ASE, "panda.ArrayStoreException"},
    {VM_RAISES_NASE, "panda.NegativeArraySizeException"},
    {VM_RAISES_ARITH, "panda.ArithmeticException"},
    {VM_RAISES_CCE, "panda.ClassCastException"},
    {VM_RAISES_AME, "panda.AbstractMethodError"},
    {VM_RAISES_OOM, "panda.OutOfMemoryError"},
    {VM_RAISES_NCDFE, "panda.NoClassDefFoundError"},
    {VM_RAISES_INIT, "what the initialiser of the class throws"},
    {VM_RAISES_CALLEE, "what the function throws"},
    {VM_RAISES_SOE, "panda.StackOverflowException"},
};

enum { OPERANDS_BYTES = 48 };

/* The letters of the first and second register: as the effect has them, but
   the object of a store is written last. */
static void find_letters(const char *effect, char letters[2])
{
  size_t found = 0;
  letters[0] = 'A';
  letters[1] = 'B';
  for (const char *at = effect; *at && found < 2; at++)
    if (at[0] == 'v' && at[1] >= 'A' && at[1] <= 'Z' &&
        (found == 0 || at[1] != letters[0]))
      letters[found++] = at[1];
  if (found == 2 && letters[0] == 'O') {
    letters[0] = letters[1];
    letters[1] = 'O';
  }
}

static const char *write_operands(const struct vm_op_info *op,
                                  char text[OPERANDS_BYTES])
{
  char letters[2];
  find_letters(op->effect, letters);
  snprintf(text, OPERANDS_BYTES, "%s", operand_texts[op->form]);
  for (char *at = text; *at; at++)
    if (*at == 'v' && (at[1] == 'A' || at[1] == 'B'))
      at[1] = letters[at[1] - 'A'];
  return text;
}

static void print_list(void)
{
  char operands[OPERANDS_BYTES];
  for (size_t i = 0; i < VM_OP_COUNT; i++) {
    const struct vm_op_info *op = &vm_op_table[i];
    printf("%-20s %-34s %s\n", op->text, write_operands(op, operands),
           op->effect);
  }
}

static void print_register(char name, uint8_t use)
{
  static const char *const verbs[] = {"", "read", "written",
                                      "read and written"};
  unsigned how = (use & VM_REG_USE ? 1u : 0) | (use & VM_REG_DEF ? 2u : 0);
  if (how)
    printf("              v%c is %s: %s\n", name, verbs[how],
           type_texts[use & VM_REG_TYPE_MASK]);
}

static void print_raises(unsigned raises)
{
  const char *title = "  throws      ";
  if (!raises)
    printf("%snothing\n", title);
  for (size_t i = 0; i < sizeof raise_texts / sizeof raise_texts[0]; i++)
    if (raises & raise_texts[i].bit) {
      printf("%s%s\n", title, raise_texts[i].text);
      title = "              ";
    }
}

static void print_one(const struct vm_op_info *op)
{
  char operands[OPERANDS_BYTES], letters[2];
  find_letters(op->effect, letters);
  printf("%s %s\n  %s\n", op->text, write_operands(op, operands), op->effect);
  if (op->reg_bits) {
    printf("  registers   numbers below %u\n", 1u << op->reg_bits);
    print_register(letters[0], op->reg[0]);
    print_register(letters[1], op->reg[1]);
  }
  if (op->imm_bits)
    printf("  immediate   %u bits, sign-extended\n", op->imm_bits);
  if (op->acc_in != VM_TYPE_NONE)
    printf("  acc before  %s\n", type_texts[op->acc_in]);
  printf("  acc after   %s\n",
         type_texts[op->acc_out == VM_TYPE_NONE ? VM_TYPE_SAME : op->acc_out]);
  print_raises(op->raises);
}

static const char *nearest(const char *name)
{
  const char *mnemonics[VM_OP_COUNT];
  for (size_t i = 0; i < VM_OP_COUNT; i++)
    mnemonics[i] = vm_op_table[i].text;
  return vm_nearest(name, mnemonics, VM_OP_COUNT);
}

static int explain(const char *name)
{
  enum vm_op op = vm_op_find(name, strlen(name));
  if (op != VM_OP_COUNT) {
    print_one(&vm_op_table[op]);
    return CLI_OK;
  }
  const char *near = nearest(name);
  return near ? cli_usage_error(CLI_OPCODES,
                                "there is no instruction `%s'; did you mean "
                                "`%s'?",
                                name, near)
              : cli_usage_error(CLI_OPCODES, "there is no instruction `%s'",
                                name);
}

static int show(const struct cli_settings *settings)
{
  if (settings->file_count > 1)
    return cli_usage_error(CLI_OPCODES, "one name at a time");
  if (settings->file_count == 1)
    return explain(settings->files[0]);
  print_list();
  return CLI_OK;
}

int cli_command_opcodes(int argc, char **argv)
{
  return cli_perform(CLI_OPCODES, argc, argv, show);
}
