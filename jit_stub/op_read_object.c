/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of arrays, objects, fields, calls and returns (op_internal.h).  What
 * each operation means is said by its handler in the interpreter:
 * handlers_object_internal.h, handlers_call_internal.h.
 */
#include "config.h"

#include "jit_stub/op_internal.h"

#define READER(name)                                                           \
  void jit_read_##name(struct jit_reader *r, const struct jit_family *family,  \
                       unsigned variant)

/* An access of memory as its family says it; without operands. */
static struct jit_op *add_access(struct jit_reader *r, unsigned kind,
                                 const struct jit_family *family)
{
  struct jit_op *op = jit_read_add(r, kind);
  op->type = family->type;
  op->load = family->load;
  op->log2 = family->log2;
  op->is_volatile = family->is_volatile;
  return op;
}

/* --- Arrays --- */

READER(new_array)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_NEW_ARRAY);
  op->type = JIT_REF;
  op->dest = jit_read_a(r);
  op->left = jit_read_b(r);
  op->ptr = r->pc[2].ptr;
}

/* lenarr_a, lenarr_r */
READER(length)
{
  (void)family;
  struct jit_op *op = jit_read_add(r, JIT_OP_LENGTH);
  op->type = JIT_I32;
  op->dest = variant != 0 ? jit_read_a(r) : JIT_ACC;
  op->left = jit_read_b(r);
}

READER(element_load)
{
  struct jit_op *op = add_access(r, JIT_OP_LOAD_ELEMENT, family);
  op->dest = variant & INTERP_LOAD_DEST_REG ? jit_read_a(r) : JIT_ACC;
  op->left = jit_read_b(r);
  op->right = variant & INTERP_LOAD_INDEX_REG ? jit_read_c(r) : JIT_ACC;
}

static struct jit_op *add_element_store(struct jit_reader *r,
                                        const struct jit_family *family,
                                        int32_t array, int32_t index,
                                        int32_t value)
{
  struct jit_op *op = add_access(r, family->kind, family);
  op->left = array;
  op->right = index;
  op->third = value;
  return op;
}

/* _a, _r: the latter leaves the value in the accumulator. */
READER(element_store)
{
  int32_t value = JIT_ACC;
  if (variant != 0) {
    value = jit_read_a(r);
    jit_read_add_move(r, family->type == JIT_I32 ? JIT_I32 : JIT_I64, JIT_ACC,
                      value);
  }
  add_element_store(r, family, jit_read_b(r), jit_read_c(r), value);
}

READER(element_store_constant)
{
  (void)variant;
  jit_read_add_const(r, JIT_ACC, r->pc[2].i64);
  add_element_store(r, family, jit_read_a(r), jit_read_b(r), JIT_ACC);
}

/* initarr: `form` is the number of sizes, with bit 32 set when they lie side
   by side. */
READER(multi_array)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_MULTI_ARRAY);
  uint64_t form = r->pc[3].u64;
  op->type = JIT_REF;
  op->dest = JIT_ACC;
  op->ptr = r->pc[2].ptr;
  if (form >> 32) {
    op->arg_count = JIT_ARGS_RANGE;
    op->args[0] = jit_read_a(r);
    op->args[1] = (int32_t)(uint32_t)form;
    return;
  }
  op->arg_count = (uint8_t)form;
  op->args[0] = r->pc[1].r.a;
  op->args[1] = r->pc[1].r.b;
  op->args[2] = r->pc[1].r.c;
  op->args[3] = r->pc[1].r.d;
}

/* --- Objects and fields --- */

static void add_initialise(struct jit_reader *r, void *class)
{
  jit_read_add(r, JIT_OP_INITIALISE)->ptr = class;
}

/* newobj, newobj_init, newobj_slow */
READER(new_object)
{
  (void)family, (void)variant;
  if (r->op == INTERP_newobj_init)
    add_initialise(r, r->pc[2].ptr);
  struct jit_op *op = jit_read_add(r, JIT_OP_NEW_OBJECT);
  op->type = JIT_REF;
  op->dest = r->pc[1].i.a;
  op->ptr = r->pc[2].ptr;
  op->is_slow = r->op == INTERP_newobj_slow;
}

static struct jit_op *add_field_access(struct jit_reader *r, unsigned kind,
                                       const struct jit_family *family)
{
  struct jit_op *op = add_access(r, kind, family);
  op->left = r->pc[1].i.b;
  op->imm = r->pc[1].i.x;
  return op;
}

READER(field_load)
{
  struct jit_op *op = add_field_access(r, JIT_OP_LOAD_FIELD, family);
  op->dest = variant != 0 ? r->pc[1].i.a : JIT_ACC;
}

READER(field_store)
{
  struct jit_op *op = add_field_access(r, family->kind, family);
  op->third = variant != 0 ? r->pc[1].i.a : JIT_ACC;
}

static struct jit_op *add_static(struct jit_reader *r,
                                 const struct jit_family *family,
                                 unsigned variant)
{
  if (variant == INTERP_NEEDS_INIT)
    add_initialise(r, r->pc[2].ptr);
  struct jit_op *op = add_access(r, family->kind, family);
  op->ptr = r->pc[1].ptr;
  return op;
}

READER(static_load)
{
  add_static(r, family, variant)->dest = JIT_ACC;
}

READER(static_store)
{
  add_static(r, family, variant)->left = JIT_ACC;
}

READER(logged_static_store)
{
  struct jit_op *op = add_static(r, family, variant);
  op->left = JIT_ACC;
  op->is_logged = true;
}

/* checkcast, checkcast_nonnull, isinstance */
READER(cast)
{
  (void)variant;
  struct jit_op *op = jit_read_add(r, family->kind);
  op->type = JIT_REF;
  op->left = JIT_ACC;
  op->ptr = r->pc[1].ptr;
  op->is_nonnull = r->op == INTERP_checkcast_nonnull;
  if (family->kind == JIT_OP_ISINSTANCE)
    op->dest = JIT_ACC;
}

/* --- Calls --- */

/* An argument register as calls name it. */
static int32_t argument(uint16_t reg)
{
  return reg == INTERP_ACC_SLOT ? JIT_ACC_SLOT : reg;
}

static void set_arguments(struct jit_op *op, const union interp_word *pc,
                          unsigned form)
{
  if (form == INTERP_CALL_RANGE) {
    op->arg_count = JIT_ARGS_RANGE;
    op->args[0] = pc[1].r.a;
    op->args[1] = pc[1].r.b;
  } else if (form == INTERP_CALL_ACC) {
    op->arg_count = 1;
    op->args[0] = JIT_ACC;
  } else {
    const uint16_t regs[] = {pc[1].r.a, pc[1].r.b, pc[1].r.c, pc[1].r.d};
    op->arg_count = (uint8_t)(form / INTERP_CALL_STEP);
    for (unsigned i = 0; i < op->arg_count; i++)
      op->args[i] = argument(regs[i]);
  }
}

/* A call without its receiver, and a constructor called on the accumulator. */
static bool cannot_occur(const struct jit_family *family, unsigned form)
{
  if (family->sub == JIT_CALL_NEW)
    return form == INTERP_CALL_ACC;
  return family->sub != JIT_CALL_STATIC && form == 0;
}

/* See Note [Receivers of virtual calls]. */
static uint32_t expected_class(const union interp_word *pc)
{
  uint32_t noted = pc[3].call.args;
  return noted == INTERP_MANY_CLASSES ? INTERP_NO_CLASS : noted;
}

READER(call)
{
  unsigned form = variant & ~(unsigned)INTERP_NEEDS_INIT;
  if (cannot_occur(family, form)) {
    jit_read_add(r, JIT_OP_EXIT);
    return;
  }
  const struct vm_method *callee = r->pc[2].ptr;
  if (variant & INTERP_NEEDS_INIT)
    add_initialise(r, callee->owner);
  struct jit_op *op = jit_read_add(r, JIT_OP_CALL);
  op->sub = family->sub;
  op->dest = JIT_ACC;
  op->advance = r->pc[3].call.advance;
  op->ptr = r->pc[2].ptr;
  op->imm = family->sub == JIT_CALL_VIRTUAL ? expected_class(r->pc) : 0;
  set_arguments(op, r->pc, form);
}

/* --- Returns and throw --- */

READER(return_)
{
  (void)family, (void)variant;
  switch (r->op) {
  case INTERP_ret_r32:
    jit_read_add_move(r, JIT_I32, JIT_ACC, jit_read_a(r));
    break;
  case INTERP_ret_r64:
    jit_read_add_move(r, JIT_I64, JIT_ACC, jit_read_a(r));
    break;
  case INTERP_ret_i:
    jit_read_add_const(r, JIT_ACC, r->pc[1].i.x);
    break;
  case INTERP_ret_void:
    jit_read_add_const(r, JIT_ACC, 0);
    break;
  default:
    break;
  }
  jit_read_add(r, JIT_OP_RETURN)->left = JIT_ACC;
}

READER(throw_)
{
  (void)family, (void)variant;
  struct jit_op *op = jit_read_add(r, JIT_OP_THROW);
  op->type = JIT_REF;
  op->left = jit_read_a(r);
}
