/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strict verification asks of a function's structure: control enters a
 * handler by an exception only, stays within it where its end is given, and
 * never runs off the end of the body.  Unreached code is not judged.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

bool vm_verify_mark_handlers(struct vm_verifier *v)
{
  v->outside = vm_verify_alloc(v, v->block_count / 64 + 1, sizeof *v->outside);
  uint32_t *stack = vm_verify_alloc(v, v->block_count + 1, sizeof *stack);
  if (!v->outside || !stack)
    return false;
  uint32_t depth = 0;
  if (v->block_count > 0) {
    vm_bit_set(v->outside, 0);
    stack[depth++] = 0;
  }
  while (depth > 0) {
    const struct vm_vblock *block = &v->blocks[stack[--depth]];
    for (unsigned i = 0; i < block->succ_count; i++) {
      uint32_t next = block->succ[i];
      if (next == v->block_count || vm_bit_has(v->outside, next))
        continue;
      vm_bit_set(v->outside, next);
      stack[depth++] = next;
    }
  }
  return true;
}

/* --- Handlers --- */

static bool has_body(const struct vm_catch *c)
{
  return c->handler_end != UINT32_MAX && c->handler_end > c->handler;
}

static bool is_inside(const struct vm_catch *c, uint32_t insn)
{
  return insn >= c->handler && insn < c->handler_end;
}

/* Control passes from v->insn to `to`, by a jump or by going on. */
static void check_transfer(struct vm_verifier *v, const struct vm_catch *c,
                           uint32_t to, const char *how)
{
  bool enters = to == c->handler;
  if (has_body(c) && is_inside(c, v->insn) != is_inside(c, to))
    vm_verify_report(v, "control %s %s a handler (line %u)", how,
                     is_inside(c, to) ? "into" : "out of", c->line);
  else if (enters && !has_body(c) &&
           vm_bit_has(v->outside, v->block_at[v->insn]))
    vm_verify_report(v, "control %s into a handler (line %u)", how, c->line);
}

static void check_transfers(struct vm_verifier *v, uint32_t to, const char *how)
{
  for (uint32_t i = 0; i < v->function->catch_count; i++)
    check_transfer(v, &v->function->catches[i], to, how);
}

static void check_block_end(struct vm_verifier *v,
                            const struct vm_vblock *block)
{
  const struct vm_insn *last = &v->function->insns[block->end - 1];
  v->insn = block->end - 1;
  if (vm_op_is_jump(last->op))
    check_transfers(v, last->operand.target, "jumps");
  if (!vm_op_ends_block(last->op))
    check_transfers(v, block->end, "runs");
  for (unsigned i = 0; i < block->succ_count; i++)
    if (block->succ[i] == v->block_count)
      vm_verify_report(v, "control runs off the end of `%s`",
                       v->function->text_name);
}

void vm_verify_structure(struct vm_verifier *v)
{
  v->in_structure = true;
  if (v->block_count == 0) {
    v->insn = v->function->insn_count;
    vm_verify_report(v, "the body is empty: control runs off its end");
  }
  for (uint32_t i = 0; i < v->block_count; i++)
    if (v->blocks[i].reached)
      check_block_end(v, &v->blocks[i]);
}
