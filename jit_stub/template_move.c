/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of moves and constants. */
#include "config.h"

#include "jit_stub/compile_internal.h"

static const struct jit_home *home_of(const struct jit_compile *c,
                                      int32_t operand)
{
  if (operand < 0 || c->home_of[operand] == JIT_NO_HOME)
    return NULL;
  return &c->homes[c->home_of[operand]];
}

static bool is_vector(const struct jit_compile *c, int32_t operand)
{
  if (operand == JIT_ACC)
    return jit_acc_is_vector(c);
  const struct jit_home *home = home_of(c, operand);
  return home && home->is_vector;
}

/* Of 64 bits where one of the two is in a vector register; of 32 bits where
   both are or may be, or where the other need not be extended. */
static bool goes_by_vector(const struct jit_compile *c, const struct jit_op *op)
{
  bool to_vector = op->dest != JIT_ACC && is_vector(c, op->dest);
  bool from_vector = is_vector(c, op->left);
  if (op->type != JIT_I32)
    return to_vector || from_vector;
  return (from_vector && (to_vector || op->dest == JIT_ACC)) ||
         (to_vector && home_of(c, op->dest)->is_narrow);
}

static void move(struct jit_compile *c, const struct jit_op *op)
{
  bool narrow = op->type == JIT_I32;
  if (goes_by_vector(c, op)) {
    unsigned to = jit_dest_vector(c, op->dest, JIT_F1);
    unsigned from = jit_read_vector(c, op->left, !narrow, to);
    jit_write_vector(c, op->dest, !narrow, from);
    return;
  }
  unsigned reg = jit_read(c, op->left, !narrow, jit_dest(c, op->dest, JIT_T0));
  jit_write(c, op->dest, reg, narrow ? JIT_FORM_32 : JIT_FORM_64);
}

static void constant(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_mem slot;
  if (jit_is_in_slot(c, op->dest, &slot) && op->imm == (int32_t)op->imm) {
    jit_emit_store_imm(&c->e, 3, slot, (int32_t)op->imm);
    return;
  }
  if (op->dest != JIT_ACC && is_vector(c, op->dest) && op->imm == 0) {
    unsigned to = jit_dest_vector(c, op->dest, JIT_F1);
    jit_emit_fzero(&c->e, to);
    jit_write_vector(c, op->dest, true, to);
    return;
  }
  unsigned reg = jit_dest(c, op->dest, JIT_T0);
  bool narrow = op->dest >= 0 && c->home_of[op->dest] != JIT_NO_HOME &&
                c->homes[c->home_of[op->dest]].is_narrow;
  if (op->imm == 0)
    jit_emit_zero(&c->e, reg);
  else
    jit_emit_move_imm(&c->e, reg,
                      narrow ? (int64_t)(uint32_t)op->imm : op->imm);
  jit_write(c, op->dest, reg, narrow ? JIT_FORM_32 : JIT_FORM_64);
}

static void string(struct jit_compile *c, const struct jit_op *op)
{
  const struct vm_string_const *constant = op->ptr;
  jit_emit_move_imm(&c->e, JIT_T0, (int64_t)(uintptr_t)&constant->resolved);
  jit_emit_load(&c->e, JIT_LOAD_U32, JIT_ACC_REG, jit_mem_base(JIT_T0, 0));
  c->state.acc = JIT_ACC_WIDE;
}

/* A runtime function with one argument makes the result. */
static void from_runtime(struct jit_compile *c, const struct jit_op *op,
                         jit_runtime_function *function, int64_t argument)
{
  bool keeps_acc = op->dest >= 0 && jit_acc_is_live(c);
  jit_runtime_prepare(c);
  jit_emit_move_imm(&c->e, JIT_RSI, argument);
  jit_runtime_call(c, function);
  if (keeps_acc) {
    jit_emit_move(&c->e, true, JIT_T0, JIT_RAX);
    jit_emit_load(&c->e, JIT_LOAD_64, JIT_ACC_REG,
                  jit_frame_at(offsetof(struct vm_frame, acc)));
  }
  c->state.acc = JIT_ACC_WIDE;
  jit_write(c, op->dest >= 0 ? op->dest : JIT_ACC, keeps_acc ? JIT_T0 : JIT_RAX,
            JIT_FORM_64);
}

void jit_template_move(struct jit_compile *c, const struct jit_op *op)
{
  struct jit_mem acc_slot = jit_frame_at(offsetof(struct vm_frame, acc));
  switch (op->kind) {
  case JIT_OP_MOVE:
    move(c, op);
    break;
  case JIT_OP_CONST:
    constant(c, op);
    break;
  case JIT_OP_SPILL_ACC:
    jit_acc_to_rax(c);
    jit_emit_store(&c->e, 3, acc_slot, JIT_ACC_REG);
    break;
  case JIT_OP_RELOAD_ACC:
    jit_emit_load(&c->e, JIT_LOAD_64, JIT_ACC_REG, acc_slot);
    c->state.acc = JIT_ACC_WIDE;
    break;
  case JIT_OP_STRING:
    string(c, op);
    break;
  case JIT_OP_LITERAL:
    from_runtime(c, op, jit_literal, op->imm);
    break;
  case JIT_OP_TYPE:
    from_runtime(c, op, jit_type, (int64_t)(uintptr_t)op->ptr);
    break;
  default: /* MULTI_ARRAY */
    from_runtime(c, op, jit_multi_array, 0);
    break;
  }
}
