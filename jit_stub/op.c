/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is true of an operation whatever code it stands in: the operands that
 * it reads, the one that it defines, whether it may throw.
 *
 * Kinds whose operands are fixed to the accumulator are known by their kind;
 * what their operands say is for people.
 */
#include "config.h"

#include "jit_stub/op.h"

/* Where a kind finds what it reads and puts what it defines. */
enum {
  READS_LEFT = 1,
  READS_RIGHT = 2,
  READS_THIRD = 4,
  READS_ACC = 8,
  READS_ARGS = 16,
  THROWS = 32,
  DEFINES_DEST = 64,
  DEFINES_ACC = 128,
};

/* By enum jit_kind. */
static const uint8_t traits[] = {
    [JIT_OP_EXIT] = 0,
    [JIT_OP_POLL] = THROWS,
    [JIT_OP_CHECK] = READS_LEFT | THROWS,
    [JIT_OP_MOVE] = READS_LEFT | DEFINES_DEST,
    [JIT_OP_CONST] = DEFINES_DEST,
    [JIT_OP_SPILL_ACC] = READS_ACC,
    [JIT_OP_RELOAD_ACC] = DEFINES_ACC,
    [JIT_OP_STRING] = DEFINES_ACC,
    [JIT_OP_LITERAL] = THROWS | DEFINES_DEST,
    [JIT_OP_TYPE] = THROWS | DEFINES_ACC,
    [JIT_OP_ARITH] = READS_LEFT | READS_RIGHT | DEFINES_DEST,
    [JIT_OP_MULADD] = READS_LEFT | READS_RIGHT | READS_THIRD | DEFINES_DEST,
    [JIT_OP_SQRT] = READS_LEFT | DEFINES_DEST,
    [JIT_OP_UNARY] = READS_ACC | DEFINES_ACC,
    [JIT_OP_COMPARE] = READS_ACC | READS_RIGHT | DEFINES_ACC,
    [JIT_OP_JUMP] = 0,
    [JIT_OP_BRANCH] = READS_LEFT | READS_RIGHT,
    [JIT_OP_LENGTH] = READS_LEFT | THROWS | DEFINES_DEST,
    [JIT_OP_LOAD_ELEMENT] = READS_LEFT | READS_RIGHT | THROWS | DEFINES_DEST,
    [JIT_OP_STORE_ELEMENT] = READS_LEFT | READS_RIGHT | READS_THIRD | THROWS,
    [JIT_OP_STORE_REF_ELEMENT] =
        READS_LEFT | READS_RIGHT | READS_THIRD | THROWS,
    [JIT_OP_LOAD_FIELD] = READS_LEFT | THROWS | DEFINES_DEST,
    [JIT_OP_STORE_FIELD] = READS_LEFT | READS_THIRD | THROWS,
    [JIT_OP_STORE_REF_FIELD] = READS_LEFT | READS_THIRD | THROWS,
    [JIT_OP_LOAD_STATIC] = DEFINES_ACC,
    [JIT_OP_STORE_STATIC] = READS_ACC,
    [JIT_OP_INITIALISE] = THROWS,
    [JIT_OP_NEW_OBJECT] = THROWS | DEFINES_DEST,
    [JIT_OP_NEW_ARRAY] = READS_LEFT | THROWS | DEFINES_DEST,
    [JIT_OP_MULTI_ARRAY] = READS_ARGS | THROWS | DEFINES_ACC,
    [JIT_OP_CHECKCAST] = READS_ACC | THROWS,
    [JIT_OP_ISINSTANCE] = READS_ACC | DEFINES_ACC,
    [JIT_OP_CALL] = READS_ARGS | THROWS | DEFINES_ACC,
    [JIT_OP_RETURN] = READS_ACC,
    [JIT_OP_THROW] = READS_LEFT | THROWS,
    [JIT_OP_NOP] = 0,
    [JIT_OP_ENTER] = 0,
    [JIT_OP_LOOP] = 0,
};

_Static_assert(sizeof traits == JIT_OP_LOOP + 1, "each kind has its traits");

static void visit_operand(int32_t operand,
                          void (*visit)(void *context, int32_t operand),
                          void *context)
{
  if (operand >= 0 || operand == JIT_ACC)
    visit(context, operand);
}

static void visit_arguments(const struct jit_op *op,
                            void (*visit)(void *context, int32_t operand),
                            void *context)
{
  if (op->arg_count == JIT_ARGS_RANGE)
    for (int32_t i = 0; i < op->args[1]; i++)
      visit(context, op->args[0] + i);
  else
    for (unsigned i = 0; i < op->arg_count; i++)
      visit_operand(op->args[i], visit, context);
}

void jit_op_uses(const struct jit_op *op,
                 void (*visit)(void *context, int32_t operand), void *context)
{
  unsigned has = traits[op->kind];
  if (has & READS_ACC)
    visit(context, JIT_ACC);
  if (has & READS_LEFT)
    visit_operand(op->left, visit, context);
  if (has & READS_RIGHT)
    visit_operand(op->right, visit, context);
  if (has & READS_THIRD)
    visit_operand(op->third, visit, context);
  if (has & READS_ARGS)
    visit_arguments(op, visit, context);
}

int32_t jit_op_dest(const struct jit_op *op)
{
  unsigned has = traits[op->kind];
  return has & DEFINES_ACC ? JIT_ACC : has & DEFINES_DEST ? op->dest : JIT_NONE;
}

static bool is_division(const struct jit_op *op)
{
  return op->kind == JIT_OP_ARITH && op->type != JIT_F32 &&
         op->type != JIT_F64 &&
         (op->sub == JIT_ARITH_DIV || op->sub == JIT_ARITH_MOD);
}

bool jit_op_may_throw(const struct jit_op *op)
{
  return (traits[op->kind] & THROWS) != 0 || is_division(op);
}
