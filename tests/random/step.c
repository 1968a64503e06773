/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction that vm/isa/opcodes.def describes wholly: its operands are
 * found, the accumulator is loaded unless what is in it will do.
 */
#include "random.h"

#include <stdio.h>

#include "vm/isa/isa.h"

#include <string.h>

struct op {
  const char *text;
  enum vm_form form;
  int reg_bits, imm_bits;
  enum vm_type acc_in, acc_out;
  unsigned regs[2];
  unsigned raises;
};

#define VM_OPCODE(id, text, form, reg_bits, imm_bits, acc_in, acc_out, r0, r1, \
                  raises, effect)                                              \
  {text,                                                                       \
   VM_FORM_##form,                                                             \
   reg_bits,                                                                   \
   imm_bits,                                                                   \
   VM_TYPE_##acc_in,                                                           \
   VM_TYPE_##acc_out,                                                          \
   {VM_REG_##r0, VM_REG_##r1},                                                 \
   raises},
static const struct op ops[] = {
#include "vm/isa/opcodes.def"
};

static bool is_ref_reg(unsigned use)
{
  return (use & VM_REG_TYPE_MASK) == VM_TYPE_REF;
}

/* Those that end a function or touch references are written elsewhere. */
static bool is_plain(const struct op *op)
{
  if (op->acc_in == VM_TYPE_REF || op->acc_out == VM_TYPE_REF ||
      is_ref_reg(op->regs[0]) || is_ref_reg(op->regs[1]))
    return false;
  return op->form <= VM_FORM_V_F64 && strncmp(op->text, "return", 6) != 0;
}

static bool is_jump(const struct op *op)
{
  return op->form == VM_FORM_LABEL || op->form == VM_FORM_V_LABEL;
}

static const struct op *any_op(bool (*accepts)(const struct op *))
{
  for (;;) {
    const struct op *op = &ops[below(COUNT(ops))];
    if (accepts(op))
      return op;
  }
}

static bool is_comparison(const struct op *op)
{
  return op->form == VM_FORM_V && op->acc_out == VM_TYPE_I32 &&
         strstr(op->text, "cmp");
}

static bool is_division(const struct op *op)
{
  return (op->raises & VM_RAISES_ARITH) != 0;
}

/* By an immediate. */
static bool is_constant_division(const struct op *op)
{
  return is_division(op) && op->imm_bits > 0;
}

/* Against zero, of the accumulator. */
static bool is_test(const struct op *op)
{
  return op->form == VM_FORM_LABEL && op->acc_in == VM_TYPE_I32;
}

/* Where 32 or 64 bits of any kind will do, `is_float` says which. */
static int type_of(enum vm_type type, bool is_float)
{
  switch (type) {
  case VM_TYPE_B32:
    return is_float ? T_F32 : T_I32;
  case VM_TYPE_B64:
    return is_float ? T_F64 : T_I64;
  case VM_TYPE_I32:
    return T_I32;
  case VM_TYPE_I64:
    return T_I64;
  case VM_TYPE_F32:
    return T_F32;
  case VM_TYPE_F64:
    return T_F64;
  case VM_TYPE_REF:
    return T_OBJECT;
  default:
    return T_NONE;
  }
}

static int limit_of(const struct op *op)
{
  return op->reg_bits == 4 ? 16 : MAX_REGS;
}

/* --- Divisors --- */

/* A divisor in v3 that is not zero, mostly. */
static int divisor(int type)
{
  body.acc = T_NONE;
  if (type == T_I32) {
    load_acc(T_I32);
    emit("ori %d", between(1, 255));
    emit("sta v3");
  } else {
    int number = need_reg(T_I64, MAX_REGS, 3);
    emit("ldai.64 1");
    emit("or2.64 %s", reg(number));
    emit("sta.64 v3");
  }
  body.acc = T_NONE;
  return 3;
}

/* --- Immediates --- */

static void put_integer(char *text, size_t size, const struct op *op)
{
  int64_t value = (int64_t)random_bits();
  if (op->imm_bits <= 32)
    value = (int32_t)(uint32_t)(uint64_t)value;
  if (chance(50))
    value = random_factor();
  if (op->raises && chance(95) && (value & 255) == 0)
    value |= 1;
  snprintf(text, size, "%lld", (long long)value);
}

static void put_immediate(char *text, size_t size, const struct op *op)
{
  switch (op->form) {
  case VM_FORM_IMM:
  case VM_FORM_V_IMM:
  case VM_FORM_V_V_IMM:
    put_integer(text, size, op);
    break;
  case VM_FORM_F32:
  case VM_FORM_V_F32:
    random_float(text, size, false);
    break;
  case VM_FORM_F64:
  case VM_FORM_V_F64:
    random_float(text, size, true);
    break;
  default:
    text[0] = 0;
  }
}

/* --- The instruction --- */

static bool is_divisor(const struct op *op, int i)
{
  bool is_last = i == 1 || op->regs[1] == VM_REG_NONE;
  return (op->raises & VM_RAISES_ARITH) && is_last &&
         op->form != VM_FORM_V_V_IMM && chance(85);
}

/* A constant, which the machine may put into the instruction: one by which
   there are short ways to multiply, divide and shift. */
static int constant_operand(int type, const struct op *op, int i)
{
  int64_t value = random_factor();
  if (is_division(op) && value == 0 && chance(95))
    value = -1;
  if (type == T_I32)
    emit("movi %s, %d", reg(i), (int32_t)(uint32_t)(uint64_t)value);
  else
    emit("movi.64 %s, %lld", reg(i), (long long)value);
  return i;
}

/* T_NONE when there is no such register. */
static int operand(const struct op *op, int i, bool is_float)
{
  int type = type_of(op->regs[i] & VM_REG_TYPE_MASK, is_float);
  if (op->regs[i] & VM_REG_DEF)
    return find_target(type, limit_of(op));
  if ((type == T_I32 || type == T_I64) && chance(25))
    return constant_operand(type, op, i);
  return is_divisor(op, i) ? divisor(type) : need_reg(type, limit_of(op), i);
}

static void need_acc(enum vm_type type, bool is_float)
{
  if (type == VM_TYPE_NONE)
    return;
  int wanted = type_of(type, is_float);
  if (body.acc != wanted || chance(25))
    load_acc(wanted);
}

static void write_op(const struct op *op, const int numbers[2], int label)
{
  char text[128];
  int length = snprintf(text, sizeof text, "%s", op->text);
  const char *comma = " ";
  for (int i = 0; i < 2; i++)
    if (op->regs[i] != VM_REG_NONE) {
      length += snprintf(text + length, sizeof text - (size_t)length, "%s%s",
                         comma, reg(numbers[i]));
      comma = ", ";
    }
  char immediate[40];
  put_immediate(immediate, sizeof immediate, op);
  if (label != T_NONE)
    snprintf(immediate, sizeof immediate, "L%d", label);
  emit("%s%s%s", text, immediate[0] ? comma : "", immediate);
}

static bool write_with_operands(const struct op *op, int label)
{
  bool is_float = chance(50);
  int numbers[2] = {T_NONE, T_NONE};
  for (int i = 1; i >= 0; i--)
    if (op->regs[i] != VM_REG_NONE &&
        (numbers[i] = operand(op, i, is_float)) == T_NONE)
      return false;
  need_acc(op->acc_in, is_float);
  write_op(op, numbers, label);
  if (op->acc_out != VM_TYPE_NONE && op->acc_out != VM_TYPE_SAME)
    body.acc = type_of(op->acc_out, is_float);
  return true;
}

/* --- Edges --- */

static bool is_conversion(const struct op *op)
{
  return op->form == VM_FORM_NONE && strstr(op->text, "to") &&
         op->acc_out != VM_TYPE_REF;
}

/* What comes of it is noted at once. */
void write_conversion(void)
{
  const struct op *op = any_op(is_conversion);
  int from = type_of(op->acc_in, false), to = type_of(op->acc_out, false);
  load_constant(from);
  if (chance(60)) {
    emit("sta%s v3", width(from));
    emit("lda%s v3", width(from));
  }
  emit("%s", op->text);
  emit("sta%s v3", width(to));
  static const char *const notes[] = {"note", "note64", "notef", "noted"};
  int which = to == T_I32 ? 0 : to == T_I64 ? 1 : to == T_F32 ? 2 : 3;
  emit("call.short %s, v3", notes[which]);
  body.acc = T_NONE;
}

/* The least number by -1, in any form. */
static void edge_division(void)
{
  const struct op *op = any_op(is_division);
  bool wide = op->acc_in == VM_TYPE_I64;
  const char *least = wide ? "-9223372036854775808" : "-2147483648";
  int target = find_target(wide ? T_I64 : T_I32, 16);
  if (target == T_NONE)
    return;
  emit("movi%s v3, -1", wide ? ".64" : "");
  emit("movi%s %s, %s", wide ? ".64" : "", reg(target), least);
  emit("ldai%s %s", wide ? ".64" : "", least);
  bool has_immediate = op->imm_bits > 0;
  body.acc = wide ? T_I64 : T_I32;
  if (op->form == VM_FORM_IMM)
    emit("%s -1", op->text);
  else if (op->form == VM_FORM_V)
    emit("%s v3", op->text);
  else
    emit("%s %s, %s%s", op->text, reg(target),
         has_immediate ? reg(target) : "v3", has_immediate ? ", -1" : "");
  store_acc();
}

void plain_step(void)
{
  if (chance(2)) {
    edge_division();
    return;
  }
  const struct op *op = any_op(chance(5) ? is_constant_division : is_plain);
  if (!write_with_operands(op, T_NONE))
    emit("nop");
  else if (body.acc != T_NONE && chance(45))
    store_acc();
}

/* --- Jumps --- */

/* A comparison and a jump, which the machine may do in one; mostly with a
   constant. */
static void write_comparison(int label)
{
  const struct op *op = any_op(is_comparison);
  int type = type_of(op->acc_in, false);
  int number = 3;
  if (chance(60)) {
    load_constant(type);
    emit("sta%s v3", width(type));
  } else
    number = need_reg(type, MAX_REGS, 3);
  load_acc(type);
  emit("%s %s", op->text, reg(number));
  emit("%s L%d", any_op(is_test)->text, label);
  body.acc = T_I32;
}

void write_jump(int label)
{
  if (chance(50)) {
    write_comparison(label);
    return;
  }
  const struct op *op = any_op(is_jump);
  if (strcmp(op->text, "jmp") == 0 && !chance(10))
    op = any_op(is_jump);
  if (op->acc_in != VM_TYPE_REF) {
    write_with_operands(op, label);
    return;
  }
  int type = any_ref();
  int number = need_reg(type, MAX_REGS, 0);
  load_acc(chance(70) ? type : any_ref());
  if (op->form == VM_FORM_V_LABEL)
    emit("%s %s, L%d", op->text, reg(number), label);
  else
    emit("%s L%d", op->text, label);
}
