/* SPDX-License-Identifier: Apache-2.0 */
/* The table of instructions, made from opcodes.def; see isa.h. */
#include "config.h"

#include "vm/isa/isa.h"

#include <stdlib.h>
#include <string.h>

const struct vm_op_info vm_op_table[VM_OP_COUNT] = {
#define VM_OPCODE(id, text, form, reg_bits, imm_bits, acc_in, acc_out, r0, r1, \
                  raises, effect)                                              \
  [VM_OP_##id] = {text,                                                        \
                  effect,                                                      \
                  raises,                                                      \
                  VM_FORM_##form,                                              \
                  reg_bits,                                                    \
                  imm_bits,                                                    \
                  VM_TYPE_##acc_in,                                            \
                  VM_TYPE_##acc_out,                                           \
                  {VM_REG_##r0, VM_REG_##r1}},
#include "vm/isa/opcodes.def"
};

/*
 * Mnemonics hashed into an open-addressed table that is built on the first
 * look-up; building it twice at once writes the same values.
 */
enum { HASH_SIZE = 1024 };
_Static_assert(HASH_SIZE > 2 * VM_OP_COUNT, "the table stays half empty");

static uint16_t hash_slots[HASH_SIZE]; /* opcode + 1, 0 when free */
static _Bool hash_built;

static uint32_t hash_text(const char *text, size_t len)
{
  uint32_t hash = 2166136261u; /* FNV-1a (Fowler, Noll, Vo) */
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (uint8_t)text[i]) * 16777619u;
  return hash % HASH_SIZE;
}

static void hash_build(void)
{
  for (unsigned op = 0; op < VM_OP_COUNT; op++) {
    const char *text = vm_op_table[op].text;
    uint32_t slot = hash_text(text, strlen(text));
    unsigned there;
    while ((there = __atomic_load_n(&hash_slots[slot], __ATOMIC_RELAXED)) !=
               0 &&
           there != op + 1) /* or another thread's that builds it too */
      slot = (slot + 1) % HASH_SIZE;
    __atomic_store_n(&hash_slots[slot], (uint16_t)(op + 1), __ATOMIC_RELAXED);
  }
  __atomic_store_n(&hash_built, 1, __ATOMIC_RELEASE);
}

enum vm_op vm_op_find(const char *text, size_t len)
{
  if (!__atomic_load_n(&hash_built, __ATOMIC_ACQUIRE))
    hash_build();
  for (uint32_t slot = hash_text(text, len);; slot = (slot + 1) % HASH_SIZE) {
    unsigned op = __atomic_load_n(&hash_slots[slot], __ATOMIC_RELAXED);
    if (op == 0)
      return VM_OP_COUNT;
    const char *found = vm_op_table[op - 1].text;
    if (strlen(found) == len && memcmp(found, text, len) == 0)
      return (enum vm_op)(op - 1);
  }
}

bool vm_op_is_jump(enum vm_op op)
{
  return vm_op_table[op].form == VM_FORM_LABEL ||
         vm_op_table[op].form == VM_FORM_V_LABEL;
}

bool vm_op_ends_block(enum vm_op op)
{
  switch (op) {
  case VM_OP_JMP:
  case VM_OP_RETURN:
  case VM_OP_RETURN_64:
  case VM_OP_RETURN_OBJ:
  case VM_OP_RETURN_VOID:
  case VM_OP_THROW:
    return true;
  default:
    return false;
  }
}

bool vm_op_is_call(enum vm_op op)
{
  return vm_op_table[op].form >= VM_FORM_CALL2;
}

bool vm_op_is_virtual_call(enum vm_op op)
{
  return op >= VM_OP_CALL_VIRT_SHORT && op <= VM_OP_CALL_VIRT_ACC;
}

bool vm_op_is_initobj(enum vm_op op)
{
  return op == VM_OP_INITOBJ || op == VM_OP_INITOBJ_SHORT ||
         op == VM_OP_INITOBJ_RANGE;
}
