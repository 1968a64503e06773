/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strict verification says: the instruction, what it wants, what it
 * found, and where that was set.  Findings in code that only a handler
 * reaches are warnings, as in the reference's usual configuration.
 *
 * Where a value was set is looked for backwards from the finding.  That may
 * visit the whole function, so all messages of a function share a budget of
 * steps; when it is spent, messages say less.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LINES = 3 };

/* The lines on which a slot may have been set. */
struct origins {
  struct vm_verifier *v;
  uint32_t slot;
  uint64_t *seen;  /* blocks */
  uint32_t *stack; /* blocks whose end has to be searched */
  uint32_t depth;
  uint32_t lines[MAX_LINES];
  unsigned count;
  bool more;
};

static bool is_in_handler(const struct vm_verifier *v)
{
  const struct vm_function_def *f = v->function;
  uint32_t insn = v->insn;
  if (v->in_structure)
    return false;
  if (insn < f->insn_count && !vm_bit_has(v->outside, v->block_at[insn]))
    return true;
  for (uint32_t i = 0; i < f->catch_count; i++) {
    const struct vm_catch *c = &f->catches[i];
    if (c->handler_end != UINT32_MAX && insn >= c->handler &&
        insn < c->handler_end)
      return true;
  }
  return false;
}

static void add_diag(struct vm_verifier *v, const char *text)
{
  const struct vm_function_def *f = v->function;
  uint32_t line = f->line, column = f->column, width = 1;
  if (v->insn < f->insn_count) {
    line = f->insns[v->insn].line;
    column = f->insns[v->insn].column;
    width = (uint32_t)strlen(vm_op_table[f->insns[v->insn].op].text);
  }
  vm_diag_add(v->diags, is_in_handler(v) ? VM_DIAG_WARNING : VM_DIAG_ERROR,
              v->module->file, v->module->source, v->module->source_bytes, line,
              column, width, "%s", text);
}

void vm_verify_report(struct vm_verifier *v, const char *format, ...)
{
  char detail[512], text[640];
  const struct vm_function_def *f = v->function;
  va_list args;
  va_start(args, format);
  vsnprintf(detail, sizeof detail, format, args);
  va_end(args);
  if (v->insn < f->insn_count)
    snprintf(text, sizeof text, "`%s`: %s",
             vm_op_table[f->insns[v->insn].op].text, detail);
  else
    snprintf(text, sizeof text, "`%s`: %s", f->text_name, detail);
  add_diag(v, text);
}

/* --- Where a value came from --- */

static void add_line(struct origins *o, uint32_t line)
{
  for (unsigned i = 0; i < o->count; i++)
    if (o->lines[i] == line)
      return;
  if (o->count < MAX_LINES)
    o->lines[o->count++] = line;
  else
    o->more = true;
}

static bool sets_slot(const struct vm_verifier *v, uint32_t insn, uint32_t slot)
{
  const struct vm_insn *i = &v->function->insns[insn];
  unsigned acc_out = vm_op_table[i->op].acc_out;
  if (slot == v->acc_slot)
    return acc_out != VM_TYPE_NONE && acc_out != VM_TYPE_SAME;
  return vm_verify_def(v, i) == slot;
}

/* Searches instructions before `end` in a block; true when one was found. */
static bool search_block(struct origins *o, uint32_t block, uint32_t end)
{
  const struct vm_verifier *v = o->v;
  while (end-- > v->blocks[block].begin) {
    if (!sets_slot(v, end, o->slot))
      continue;
    add_line(o, v->function->insns[end].line);
    return true;
  }
  return false;
}

static bool leads_to(const struct vm_verifier *v, const struct vm_vblock *from,
                     uint32_t to)
{
  for (unsigned i = 0; i < from->succ_count; i++)
    if (from->succ[i] == to)
      return true;
  for (uint32_t i = 0; from->in_try && i < v->function->catch_count; i++) {
    const struct vm_catch *c = &v->function->catches[i];
    if (v->block_at[c->handler] == to && vm_verify_covers(c, from))
      return true;
  }
  return false;
}

static void push_preds(struct origins *o, uint32_t block)
{
  struct vm_verifier *v = o->v;
  for (uint32_t b = 0; b < v->block_count && v->report_budget > 0; b++) {
    v->report_budget--;
    if (!v->blocks[b].reached || vm_bit_has(o->seen, b) ||
        !leads_to(v, &v->blocks[b], block))
      continue;
    vm_bit_set(o->seen, b);
    o->stack[o->depth++] = b;
  }
}

static void find_origins(struct origins *o)
{
  struct vm_verifier *v = o->v;
  uint32_t block = v->block_at[v->insn];
  size_t words = v->block_count / 64 + 1;
  if (!v->search_seen) {
    v->search_seen = vm_verify_alloc(v, words, sizeof *o->seen);
    v->search_stack = vm_verify_alloc(v, v->block_count, sizeof *o->stack);
  }
  o->seen = v->search_seen;
  o->stack = v->search_stack;
  if (!o->seen || !o->stack || search_block(o, block, v->insn))
    return;
  memset(o->seen, 0, words * sizeof *o->seen);
  push_preds(o, block);
  while (o->depth > 0 && v->report_budget > 0) {
    uint32_t next = o->stack[--o->depth];
    if (!search_block(o, next, v->blocks[next].end))
      push_preds(o, next);
  }
}

/* " (set at line 12)", " (set at lines 12, 15 and others)", or "". */
static void origin_text(struct vm_verifier *v, uint32_t slot, char *text,
                        size_t bytes)
{
  struct origins o = {.v = v, .slot = slot};
  size_t used = 0;
  find_origins(&o);
  text[0] = '\0';
  for (unsigned i = 0; i < o.count; i++)
    used += (size_t)snprintf(text + used, bytes - used, "%s%u",
                             i > 0         ? ", "
                             : o.count > 1 ? " (set at lines "
                                           : " (set at line ",
                             o.lines[i]);
  if (o.count > 0)
    snprintf(text + used, bytes - used, "%s)", o.more ? " and others" : "");
}

static void register_text(const struct vm_verifier *v, uint32_t reg, char *text,
                          size_t bytes)
{
  const struct vm_function_def *f = v->function;
  if (reg == f->reg_count)
    snprintf(text, bytes, "the accumulator");
  else if (reg < f->local_count)
    snprintf(text, bytes, "v%u", reg);
  else
    snprintf(text, bytes, "a%u", reg - f->local_count);
}

void vm_verify_report_value(struct vm_verifier *v, uint32_t reg,
                            const char *wanted)
{
  char name[32], origin[96], text[640];
  const char *op = vm_op_table[v->function->insns[v->insn].op].text;
  uint32_t type = vm_verify_type_of(v, reg);
  register_text(v, reg, name, sizeof name);
  origin_text(v, vm_verify_slot(v, reg), origin, sizeof origin);
  if (type == VT_UNSET)
    snprintf(text, sizeof text,
             "`%s` wants %s in %s, which is not set on every path here%s", op,
             wanted, name, origin);
  else
    snprintf(text, sizeof text, "`%s` wants %s in %s, found %s%s%s", op, wanted,
             name, vm_vtype_is_ref(type) ? "ref " : "",
             vm_vtype_text(&v->types, type), origin);
  add_diag(v, text);
}
