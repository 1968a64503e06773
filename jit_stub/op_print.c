/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations as text, for people and tests: the kind, what it defines, what
 * it reads, and what else it knows.
 *
 *   arith.i32.add v3 = v1, #7
 *   branch.f64.lt.g v1, v2 -> 12
 *   call.virtual acc = R.f(v1, slot) +9
 */
#include "config.h"

#include "jit_stub/emit.h"
#include "jit_stub/op.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kind_names[] = {
    [JIT_OP_EXIT] = "exit",
    [JIT_OP_POLL] = "poll",
    [JIT_OP_CHECK] = "check",
    [JIT_OP_MOVE] = "move",
    [JIT_OP_CONST] = "const",
    [JIT_OP_SPILL_ACC] = "spill_acc",
    [JIT_OP_RELOAD_ACC] = "reload_acc",
    [JIT_OP_STRING] = "string",
    [JIT_OP_LITERAL] = "literal",
    [JIT_OP_TYPE] = "type",
    [JIT_OP_ARITH] = "arith",
    [JIT_OP_MULADD] = "muladd",
    [JIT_OP_SQRT] = "sqrt",
    [JIT_OP_UNARY] = "unary",
    [JIT_OP_COMPARE] = "compare",
    [JIT_OP_JUMP] = "jump",
    [JIT_OP_BRANCH] = "branch",
    [JIT_OP_LENGTH] = "length",
    [JIT_OP_LOAD_ELEMENT] = "load_element",
    [JIT_OP_STORE_ELEMENT] = "store_element",
    [JIT_OP_STORE_REF_ELEMENT] = "store_ref_element",
    [JIT_OP_LOAD_FIELD] = "load_field",
    [JIT_OP_STORE_FIELD] = "store_field",
    [JIT_OP_STORE_REF_FIELD] = "store_ref_field",
    [JIT_OP_LOAD_STATIC] = "load_static",
    [JIT_OP_STORE_STATIC] = "store_static",
    [JIT_OP_INITIALISE] = "initialise",
    [JIT_OP_NEW_OBJECT] = "new_object",
    [JIT_OP_NEW_ARRAY] = "new_array",
    [JIT_OP_MULTI_ARRAY] = "multi_array",
    [JIT_OP_CHECKCAST] = "checkcast",
    [JIT_OP_ISINSTANCE] = "isinstance",
    [JIT_OP_CALL] = "call",
    [JIT_OP_RETURN] = "return",
    [JIT_OP_THROW] = "throw",
    [JIT_OP_NOP] = "nop",
    [JIT_OP_ENTER] = "enter",
    [JIT_OP_LOOP] = "loop",
};

static const char *const type_names[] = {
    [JIT_I32] = "i32", [JIT_I64] = "i64", [JIT_U32] = "u32", [JIT_U64] = "u64",
    [JIT_F32] = "f32", [JIT_F64] = "f64", [JIT_REF] = "ref"};

static const char *const arith_names[] = {
    [JIT_ARITH_ADD] = "add", [JIT_ARITH_SUB] = "sub", [JIT_ARITH_MUL] = "mul",
    [JIT_ARITH_AND] = "and", [JIT_ARITH_OR] = "or",   [JIT_ARITH_XOR] = "xor",
    [JIT_ARITH_SHL] = "shl", [JIT_ARITH_SHR] = "shr", [JIT_ARITH_ASHR] = "ashr",
    [JIT_ARITH_DIV] = "div", [JIT_ARITH_MOD] = "mod"};

static const char *const condition_names[] = {
    [INTERP_EQ] = "eq", [INTERP_NE] = "ne", [INTERP_LT] = "lt",
    [INTERP_GT] = "gt", [INTERP_LE] = "le", [INTERP_GE] = "ge"};

static const char *const call_names[] = {[JIT_CALL_STATIC] = "static",
                                         [JIT_CALL_DIRECT] = "direct",
                                         [JIT_CALL_VIRTUAL] = "virtual",
                                         [JIT_CALL_NEW] = "new"};

static const char *const load_names[] = {
    [JIT_LOAD_U8] = "u8",   [JIT_LOAD_U16] = "u16", [JIT_LOAD_U32] = "u32",
    [JIT_LOAD_64] = "64",   [JIT_LOAD_I8] = "i8",   [JIT_LOAD_I16] = "i16",
    [JIT_LOAD_I32] = "i32",
};

static const char *const interp_names[INTERP_OP_COUNT] = {
#define INTERP_OP(name, words, shape) [INTERP_##name] = #name,
#include "interp/ops.def"
};

/* What stands behind the kind's name. */
static void print_qualifiers(const struct jit_op *op, FILE *out)
{
  switch ((enum jit_kind)op->kind) {
  case JIT_OP_ARITH:
  case JIT_OP_MULADD:
    fprintf(out, ".%s.%s", type_names[op->type], arith_names[op->sub]);
    break;
  case JIT_OP_BRANCH:
    fprintf(out, ".%s.%s", type_names[op->type], condition_names[op->sub]);
    break;
  case JIT_OP_MOVE:
  case JIT_OP_COMPARE:
    fprintf(out, ".%s", type_names[op->type]);
    break;
  case JIT_OP_UNARY:
    fprintf(out, ".%s", interp_names[op->sub]);
    break;
  case JIT_OP_CALL:
    fprintf(out, ".%s", call_names[op->sub]);
    break;
  case JIT_OP_LOAD_ELEMENT:
  case JIT_OP_LOAD_FIELD:
  case JIT_OP_STORE_STATIC:
    fprintf(out, ".%s%s", load_names[op->load], op->is_logged ? ".logged" : "");
    break;
  case JIT_OP_STORE_ELEMENT:
  case JIT_OP_STORE_FIELD:
    fprintf(out, ".%u", 8u << op->log2);
    break;
  default:
    break;
  }
  fprintf(out, "%s%s%s%s", op->is_g ? ".g" : "",
          op->is_volatile ? ".volatile" : "", op->is_nonnull ? ".nonnull" : "",
          op->is_slow ? ".slow" : "");
}

static void print_operand(const struct jit_op *op, int32_t operand, FILE *out)
{
  if (operand == JIT_ACC)
    fputs("acc", out);
  else if (operand == JIT_ACC_SLOT)
    fputs("slot", out);
  else if (operand == JIT_IMM)
    fprintf(out, "#%" PRId64, op->imm);
  else
    fprintf(out, "v%" PRId32, operand);
}

static void print_operands(const struct jit_op *op, FILE *out)
{
  const int32_t operands[] = {op->left, op->right, op->third};
  const char *separator = op->dest == JIT_NONE ? " " : " = ";
  if (op->dest != JIT_NONE) {
    fputc(' ', out);
    print_operand(op, op->dest, out);
  }
  for (unsigned i = 0; i < 3; i++)
    if (operands[i] != JIT_NONE) {
      fputs(separator, out);
      print_operand(op, operands[i], out);
      separator = ", ";
    }
}

static void print_arguments(const struct jit_op *op, FILE *out)
{
  fputc('(', out);
  if (op->arg_count == JIT_ARGS_RANGE)
    fprintf(out, "v%" PRId32 ".., %" PRId32, op->args[0], op->args[1]);
  else
    for (unsigned i = 0; i < op->arg_count; i++) {
      fputs(i == 0 ? "" : ", ", out);
      print_operand(op, op->args[i], out);
    }
  fputc(')', out);
}

static void print_class(const struct jit_op *op, FILE *out)
{
  const struct vm_class *class = op->ptr;
  bool first = op->dest != JIT_NONE && op->left == JIT_NONE;
  fprintf(out, "%s %s", first ? " =" : "", class ? class->name : "-");
}

/* What else a kind knows. */
static void print_rest(const struct jit_op *op, FILE *out)
{
  const struct vm_method *method = op->ptr;
  switch ((enum jit_kind)op->kind) {
  case JIT_OP_JUMP:
  case JIT_OP_BRANCH:
    fprintf(out, " -> %" PRIu32, op->target);
    break;
  case JIT_OP_CONST:
  case JIT_OP_LITERAL:
    fprintf(out, " = %" PRId64, op->imm);
    break;
  case JIT_OP_LOAD_FIELD:
  case JIT_OP_STORE_FIELD:
  case JIT_OP_STORE_REF_FIELD:
    fprintf(out, " at %" PRId64, op->imm);
    break;
  case JIT_OP_MULTI_ARRAY:
    print_class(op, out);
    print_arguments(op, out);
    break;
  case JIT_OP_CHECK:
  case JIT_OP_TYPE:
  case JIT_OP_INITIALISE:
  case JIT_OP_NEW_OBJECT:
  case JIT_OP_NEW_ARRAY:
  case JIT_OP_CHECKCAST:
  case JIT_OP_ISINSTANCE:
    print_class(op, out);
    break;
  case JIT_OP_CALL:
    fprintf(out, " = %s.%s", method->owner->name, method->name);
    print_arguments(op, out);
    fprintf(out, " +%" PRIu32, op->advance);
    if (op->imm)
      fprintf(out, " on %s",
              ((const struct vm_class *)(uintptr_t)op->imm)->name);
    break;
  default:
    break;
  }
}

void jit_op_print(const struct jit_op *op, void *file)
{
  fputs(kind_names[op->kind], file);
  print_qualifiers(op, file);
  print_operands(op, file);
  print_rest(op, file);
}
