/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading decoded operations: the parts of one reading.
 *
 *   op_read.c         the driver: finds the family of each operation
 *   op_families.c     the table of families
 *   op_read_scalar.c  readers: moves, arithmetic, jumps
 *   op_read_object.c  readers: arrays, objects, calls, returns
 *
 * A family is a run of neighbours in interp/ops.def that one reader
 * understands; which of them an operation is, its variant, says where the
 * operands come from (the notes in interp/code.h).
 */
#ifndef JIT_STUB_OP_INTERNAL_H
#define JIT_STUB_OP_INTERNAL_H

#include "jit_stub/emit.h"
#include "jit_stub/op.h"

struct jit_reader {
  struct jit_ops *ops;
  struct mm_arena *arena;
  uint32_t capacity;
  uint32_t word;               /* offset of the operation that is read */
  const union interp_word *pc; /* the operation */
  unsigned op;                 /* enum interp_op */
  struct jit_op spare;         /* written to after failure */
  bool out_of_memory;
};

struct jit_family {
  uint16_t first, last; /* enum interp_op */
  void (*read)(struct jit_reader *r, const struct jit_family *family,
               unsigned variant);
  uint8_t kind; /* enum jit_kind, where the reader makes several */
  uint8_t type; /* enum jit_type */
  uint8_t sub;  /* enum jit_arith, jit_call */
  uint8_t load; /* enum jit_load */
  uint8_t log2; /* of the bytes stored */
  bool is_g, is_volatile;
};

extern const struct jit_family jit_families[];
extern const uint32_t jit_family_count;

/* Appends an operation; its operands are JIT_NONE.  The result is valid until
   the next one is appended. */
struct jit_op *jit_read_add(struct jit_reader *r, unsigned kind);

/* Registers in word 1. */
static inline int32_t jit_read_a(const struct jit_reader *r)
{
  return r->pc[1].r.a;
}
static inline int32_t jit_read_b(const struct jit_reader *r)
{
  return r->pc[1].r.b;
}
static inline int32_t jit_read_c(const struct jit_reader *r)
{
  return r->pc[1].r.c;
}

/* dest = left, as `type` says. */
void jit_read_add_move(struct jit_reader *r, unsigned type, int32_t dest,
                       int32_t left);
void jit_read_add_const(struct jit_reader *r, int32_t dest, int64_t value);

#define JIT_READER(name)                                                       \
  void jit_read_##name(struct jit_reader *r, const struct jit_family *family,  \
                       unsigned variant);

JIT_READER(plain)
JIT_READER(check)
JIT_READER(zero)
JIT_READER(move)
JIT_READER(constant)
JIT_READER(wide_constant)
JIT_READER(heap_constant)
JIT_READER(spill)
JIT_READER(binary)
JIT_READER(muladd)
JIT_READER(sqrt)
JIT_READER(unary)
JIT_READER(compare)
JIT_READER(jump)
JIT_READER(jump_if_acc)
JIT_READER(jump_if_register)
JIT_READER(jump_if_immediate)
JIT_READER(jump_if_sum)
JIT_READER(increment_and_jump)
JIT_READER(jump_if_wide)
JIT_READER(jump_if_element)

JIT_READER(new_array)
JIT_READER(length)
JIT_READER(element_load)
JIT_READER(element_store)
JIT_READER(element_store_constant)
JIT_READER(multi_array)
JIT_READER(new_object)
JIT_READER(field_load)
JIT_READER(field_store)
JIT_READER(static_load)
JIT_READER(static_store)
JIT_READER(logged_static_store)
JIT_READER(cast)
JIT_READER(call)
JIT_READER(return_)
JIT_READER(throw_)
#undef JIT_READER

#endif
