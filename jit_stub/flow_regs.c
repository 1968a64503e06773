/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How registers are used (struct jit_reg_use): one pass over all operations,
 * with a table of what each kind makes of its operands.
 */
#include "config.h"

#include "jit_stub/emit.h"
#include "jit_stub/flow_internal.h"

#include "mm/alloc/arena.h"

enum { DEPTH_MAX = 4, DEPTH_LOG2 = 3 };

/* What an operand is, as kinds say it. */
enum role {
  NOTHING,
  OBJECT,   /* a reference */
  INDEX,    /* a 32-bit integer */
  BY_TYPE,  /* what the operation's type says */
  MOVED,    /* bits, as many as its type has */
  CONSTANT, /* bits, as many as its immediate has */
  LOADED,   /* what its load leaves */
  STORED,   /* as many bytes as it stores */
  PASSED,   /* an argument */
};

/* By enum jit_kind; kinds left out name no register. */
static const struct {
  uint8_t dest, left, right, third, args; /* enum role */
} roles[] = {
    [JIT_OP_CHECK] = {.left = OBJECT},
    [JIT_OP_MOVE] = {.dest = MOVED, .left = MOVED},
    [JIT_OP_CONST] = {.dest = CONSTANT},
    [JIT_OP_LITERAL] = {.dest = OBJECT},
    [JIT_OP_ARITH] = {.dest = BY_TYPE, .left = BY_TYPE, .right = BY_TYPE},
    [JIT_OP_MULADD] = {.dest = BY_TYPE,
                       .left = BY_TYPE,
                       .right = BY_TYPE,
                       .third = BY_TYPE},
    [JIT_OP_SQRT] = {.dest = BY_TYPE, .left = BY_TYPE},
    [JIT_OP_COMPARE] = {.right = BY_TYPE},
    [JIT_OP_BRANCH] = {.left = BY_TYPE, .right = BY_TYPE},
    [JIT_OP_LENGTH] = {.dest = INDEX, .left = OBJECT},
    [JIT_OP_LOAD_ELEMENT] = {.dest = LOADED, .left = OBJECT, .right = INDEX},
    [JIT_OP_STORE_ELEMENT] = {.left = OBJECT, .right = INDEX, .third = STORED},
    [JIT_OP_STORE_REF_ELEMENT] = {.left = OBJECT,
                                  .right = INDEX,
                                  .third = OBJECT},
    [JIT_OP_LOAD_FIELD] = {.dest = LOADED, .left = OBJECT},
    [JIT_OP_STORE_FIELD] = {.left = OBJECT, .third = STORED},
    [JIT_OP_STORE_REF_FIELD] = {.left = OBJECT, .third = OBJECT},
    [JIT_OP_NEW_OBJECT] = {.dest = OBJECT},
    [JIT_OP_NEW_ARRAY] = {.dest = OBJECT, .left = INDEX},
    [JIT_OP_MULTI_ARRAY] = {.args = INDEX},
    [JIT_OP_CALL] = {.args = PASSED},
    [JIT_OP_THROW] = {.left = OBJECT},
    [JIT_OP_LOOP] = {0},
};

/* What comes of it. */
enum sort { NARROW, WHOLE, FLOAT32, FLOAT64, BITS32, BITS64 };

/* By enum jit_type, and by enum jit_load. */
static const uint8_t type_sorts[] = {
    [JIT_I32] = NARROW, [JIT_U32] = NARROW,  [JIT_I64] = WHOLE,
    [JIT_U64] = WHOLE,  [JIT_F32] = FLOAT32, [JIT_F64] = FLOAT64,
    [JIT_REF] = WHOLE,
};
static const uint8_t load_sorts[] = {
    [JIT_LOAD_U8] = NARROW,  [JIT_LOAD_U16] = NARROW, [JIT_LOAD_U32] = WHOLE,
    [JIT_LOAD_64] = BITS64,  [JIT_LOAD_I8] = NARROW,  [JIT_LOAD_I16] = NARROW,
    [JIT_LOAD_I32] = BITS32,
};

static enum sort sort_of(const struct jit_op *op, enum role role)
{
  switch (role) {
  case INDEX:
    return NARROW;
  case BY_TYPE:
    return (enum sort)type_sorts[op->type];
  case MOVED:
    return op->type == JIT_I32 ? BITS32 : BITS64;
  case CONSTANT:
    return op->imm == (int32_t)op->imm ? BITS32 : BITS64;
  case LOADED:
    return (enum sort)load_sorts[op->load];
  case STORED:
    return op->log2 == 3 ? BITS64 : op->log2 == 2 ? BITS32 : NARROW;
  case PASSED:
    return BITS64;
  case NOTHING:
  case OBJECT:
    break;
  }
  return WHOLE;
}

static void add_weight(struct jit_reg_use *use, enum sort sort, uint64_t weight)
{
  switch (sort) {
  case NARROW:
    use->narrow += weight;
    break;
  case WHOLE:
    use->whole += weight;
    break;
  case FLOAT32:
  case FLOAT64:
    use->floating += weight;
    break;
  case BITS32:
  case BITS64:
    use->neutral += weight;
    break;
  }
}

static void add_read(struct jit_flow *flow, const struct jit_op *op,
                     int32_t operand, unsigned role, uint64_t weight)
{
  if (operand < 0 || role == NOTHING)
    return;
  struct jit_reg_use *use = &flow->regs[operand];
  enum sort sort = sort_of(op, (enum role)role);
  add_weight(use, sort, weight);
  if (sort == WHOLE || sort == FLOAT64 || sort == BITS64)
    use->is_read_wide = true;
}

static void add_write(struct jit_flow *flow, const struct jit_op *op,
                      int32_t operand, unsigned role, uint64_t weight)
{
  if (operand < 0 || role == NOTHING)
    return;
  struct jit_reg_use *use = &flow->regs[operand];
  enum sort sort = sort_of(op, (enum role)role);
  add_weight(use, sort, weight);
  if (sort == WHOLE || sort == FLOAT64 || sort == BITS64)
    use->is_written_wide = true;
}

static void add_arguments(struct jit_flow *flow, const struct jit_op *op,
                          uint64_t weight)
{
  unsigned role = roles[op->kind].args;
  if (op->arg_count == JIT_ARGS_RANGE)
    for (int32_t i = 0; i < op->args[1]; i++)
      add_read(flow, op, op->args[0] + i, role, weight);
  else
    for (unsigned i = 0; i < op->arg_count; i++)
      add_read(flow, op, op->args[i], role, weight);
}

static void add_uses(struct jit_flow *flow, const struct jit_block *block)
{
  uint32_t depth = block->depth < DEPTH_MAX ? block->depth : DEPTH_MAX;
  uint64_t weight = (uint64_t)1 << (DEPTH_LOG2 * depth);
  for (uint32_t i = 0; i < block->count; i++) {
    const struct jit_op *op = &flow->ops->ops[block->first + i];
    add_read(flow, op, op->left, roles[op->kind].left, weight);
    add_read(flow, op, op->right, roles[op->kind].right, weight);
    add_read(flow, op, op->third, roles[op->kind].third, weight);
    add_arguments(flow, op, weight);
    add_write(flow, op, op->dest, roles[op->kind].dest, weight);
  }
}

/*
 * Note [What the interpreter writes]
 *
 * What stands behind an operation that is left to the interpreter is not
 * reached here, but the interpreter goes on there, and may come back at the
 * head of a loop or at a handler.  Its registers are written by then, and by
 * the instruction that was left to it, which is not an operation yet.
 */
static void add_hidden_write(struct jit_flow *flow,
                             const struct vm_method *method,
                             const struct jit_op *op)
{
  const struct interp_origin *origin =
      interp_origin_of(flow->code, flow->code->words + op->word);
  const struct vm_insn *insn = &method->function->insns[origin->insn];
  const struct vm_op_info *info = &vm_op_table[insn->op];
  for (unsigned i = 0; i < 2; i++)
    if (info->reg[i] & VM_REG_DEF)
      flow->regs[insn->regs[i]].is_written_wide = true;
}

static void add_hidden_writes(struct jit_flow *flow,
                              const struct vm_method *method,
                              const struct jit_block *block)
{
  for (uint32_t i = 0; i < block->count; i++) {
    const struct jit_op *op = &flow->ops->ops[block->first + i];
    if (op->kind == JIT_OP_EXIT)
      add_hidden_write(flow, method, op);
    else if (!block->is_reachable)
      add_write(flow, op, op->dest, roles[op->kind].dest, 0);
  }
}

/* What has at most 32 bits is passed with its sign extended. */
static bool is_narrow(uint8_t prim)
{
  return prim != VM_PRIM_I64 && prim != VM_PRIM_U64 && prim != VM_PRIM_F64 &&
         prim != VM_PRIM_REF;
}

bool jit_flow_find_uses(struct jit_flow *flow, struct mm_arena *arena,
                        const struct vm_method *method)
{
  flow->regs =
      mm_arena_alloc(arena, (flow->reg_count + 1) * sizeof *flow->regs);
  if (flow->regs == NULL)
    return false;
  for (uint32_t i = 0; i < method->param_count; i++)
    flow->regs[method->local_count + i].is_written_wide =
        !is_narrow(method->param_prims[i]);
  for (uint32_t b = 0; b < flow->block_count; b++) {
    if (flow->blocks[b].is_reachable)
      add_uses(flow, &flow->blocks[b]);
    add_hidden_writes(flow, method, &flow->blocks[b]);
  }
  return true;
}
