/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a function: which registers it mentions, where its blocks
 * begin, what each instruction reads and writes.  The rules here are the only
 * ones that know the operand forms of calls.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

#include <string.h>

static bool is_accumulator_call(unsigned form)
{
  return form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4;
}

uint32_t vm_verify_argument(const struct vm_verifier *v,
                            const struct vm_insn *insn, uint32_t i)
{
  unsigned form = vm_op_table[insn->op].form;
  if (form == VM_FORM_CALL_RANGE) {
    if (insn->nregs == 0 || i >= v->function->reg_count - insn->regs[0])
      return NO_SLOT;
    return insn->regs[0] + i;
  }
  if (is_accumulator_call(form)) {
    if (i >= (form == VM_FORM_CALL_ACC2 ? 2u : 4u))
      return NO_SLOT;
    if (i == insn->acc_pos)
      return v->function->reg_count;
    i -= i > insn->acc_pos;
  }
  return i < insn->nregs ? insn->regs[i] : NO_SLOT;
}

uint32_t vm_verify_argument_count(const struct vm_verifier *v,
                                  const struct vm_insn *insn)
{
  uint32_t count = v->module->methods[insn->operand.index].param_count;
  if (vm_op_is_initobj(insn->op) && count > 0)
    count--; /* the new object is the first */
  return count;
}

static void visit_arguments(const struct vm_verifier *v,
                            const struct vm_insn *insn,
                            void (*visit)(void *context, uint32_t slot),
                            void *context)
{
  uint32_t count = vm_verify_argument_count(v, insn);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t reg = vm_verify_argument(v, insn, i);
    if (reg == NO_SLOT)
      return; /* further ones are missing too */
    visit(context, vm_verify_slot(v, reg));
  }
}

/* A bare .acc call whose callee takes fewer arguments than the position of
   the accumulator does not read it. */
static bool reads_acc(const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  return info->acc_in != VM_TYPE_NONE && !vm_op_is_call(insn->op);
}

void vm_verify_each_use(const struct vm_verifier *v, const struct vm_insn *insn,
                        void (*visit)(void *context, uint32_t slot),
                        void *context)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  if (vm_op_is_call(insn->op)) {
    visit_arguments(v, insn, visit, context);
    return;
  }
  for (unsigned i = 0; i < 2; i++)
    if (info->reg[i] & VM_REG_USE)
      visit(context, v->slot_of[insn->regs[i]]);
  if (reads_acc(insn))
    visit(context, v->acc_slot);
}

uint32_t vm_verify_def(const struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  for (unsigned i = 0; i < 2; i++)
    if (info->reg[i] & VM_REG_DEF)
      return v->slot_of[insn->regs[i]];
  return NO_SLOT;
}

/* --- Slots --- */

static void mention(struct vm_verifier *v, uint32_t reg)
{
  v->slot_of[reg] = 0;
}

static void mention_operands(struct vm_verifier *v, const struct vm_insn *insn)
{
  for (unsigned i = 0; i < insn->nregs; i++)
    mention(v, insn->regs[i]);
  if (vm_op_table[insn->op].form != VM_FORM_CALL_RANGE)
    return;
  uint32_t count = vm_verify_argument_count(v, insn);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t reg = vm_verify_argument(v, insn, i);
    if (reg == NO_SLOT)
      return;
    mention(v, reg);
  }
}

static bool find_slots(struct vm_verifier *v)
{
  const struct vm_function_def *f = v->function;
  v->slot_of = vm_verify_alloc(v, f->reg_count + 1, sizeof *v->slot_of);
  v->reg_of = vm_verify_alloc(v, f->reg_count + 1, sizeof *v->reg_of);
  if (!v->slot_of || !v->reg_of)
    return false;
  memset(v->slot_of, 0xff, f->reg_count * sizeof *v->slot_of);
  for (uint32_t i = 0; i < f->insn_count; i++)
    mention_operands(v, &f->insns[i]);
  for (uint32_t reg = 0; reg < f->reg_count; reg++)
    if (v->slot_of[reg] != NO_SLOT) {
      v->reg_of[v->slot_count] = reg;
      v->slot_of[reg] = v->slot_count++;
    }
  v->acc_slot = v->slot_count;
  v->reg_of[v->slot_count++] = f->reg_count;
  v->slot_words = (v->slot_count + 63) / 64;
  return true;
}

/* --- Blocks --- */

static void mark_leaders(struct vm_verifier *v)
{
  const struct vm_function_def *f = v->function;
  for (uint32_t i = 0; i < f->insn_count; i++)
    if (vm_op_is_jump(f->insns[i].op))
      v->flags[f->insns[i].operand.target] |= VM_INSN_LEADER;
  for (uint32_t i = 0; i < f->catch_count; i++) {
    const struct vm_catch *c = &f->catches[i];
    v->flags[c->begin] |= VM_INSN_LEADER;
    v->flags[c->end] |= VM_INSN_LEADER;
    v->flags[c->handler] |= VM_INSN_LEADER;
  }
}

static bool begins_block(const struct vm_verifier *v, uint32_t insn)
{
  if (insn == 0 || (v->flags[insn] & VM_INSN_LEADER))
    return true;
  enum vm_op before = v->function->insns[insn - 1].op;
  return vm_op_is_jump(before) || vm_op_ends_block(before);
}

static void cut_blocks(struct vm_verifier *v)
{
  uint32_t block = UINT32_MAX;
  for (uint32_t i = 0; i < v->function->insn_count; i++) {
    if (begins_block(v, i))
      v->blocks[++block].begin = i;
    v->block_at[i] = block;
    v->blocks[block].end = i + 1;
  }
  v->block_at[v->function->insn_count] = v->block_count;
}

static void link_block(struct vm_verifier *v, struct vm_vblock *block)
{
  const struct vm_insn *last = &v->function->insns[block->end - 1];
  if (!vm_op_ends_block(last->op))
    block->succ[block->succ_count++] = v->block_at[block->end];
  if (vm_op_is_jump(last->op))
    block->succ[block->succ_count++] = v->block_at[last->operand.target];
  block->live_end = block->end;
  for (uint32_t i = 0; i < v->function->catch_count; i++)
    block->in_try |= vm_verify_covers(&v->function->catches[i], block);
}

bool vm_verify_flow(struct vm_verifier *v)
{
  uint32_t count = v->function->insn_count;
  v->flags = vm_verify_alloc(v, count + 1, sizeof *v->flags);
  v->steps = vm_verify_alloc(v, count + 1, sizeof *v->steps);
  v->block_at = vm_verify_alloc(v, count + 1, sizeof *v->block_at);
  if (!v->flags || !v->steps || !v->block_at || !find_slots(v))
    return false;
  mark_leaders(v);
  for (uint32_t i = 0; i < count; i++)
    v->block_count += begins_block(v, i);
  v->blocks = vm_verify_alloc(v, v->block_count, sizeof *v->blocks);
  v->pending = vm_verify_alloc(v, v->block_count / 64 + 1, sizeof *v->pending);
  v->entry = vm_verify_alloc(v, (size_t)v->block_count * v->slot_count,
                             sizeof *v->entry);
  v->state = vm_verify_alloc(v, v->slot_count, sizeof *v->state);
  if (!v->blocks || !v->pending || !v->entry || !v->state)
    return false;
  cut_blocks(v);
  for (uint32_t i = 0; i < v->block_count; i++)
    link_block(v, &v->blocks[i]);
  return true;
}
