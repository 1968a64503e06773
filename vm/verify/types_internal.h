/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types that the verifier gives to registers and to the accumulator.
 *
 *                          UNSET            may not be read
 *                            |
 *                         CONFLICT          number here, reference there
 *                        /        \
 *                   NUMBER        panda.Object
 *                  /      \           |
 *                B32      B64      ... classes and arrays ...
 *               /  \      /  \        |
 *             I32 F32   I64 F64      NULL
 *                \    \  |   /      /
 *                       ZERO              all 64 bits are 0
 *                         |
 *                      NOTHING              no path has come here
 *
 * References are known by name, since a class may not be loaded (yet): two
 * types are one exactly when their names are.  What is known of loaded
 * classes (who extends whom) is asked of the machine when it is needed.
 * A union type counts as panda.Object, which is all that holds of it.
 *
 * Joining never fails but for want of memory; it then answers CONFLICT and
 * sets no_memory.
 */
#ifndef VM_VERIFY_TYPES_INTERNAL_H
#define VM_VERIFY_TYPES_INTERNAL_H

#include "vm/core/vm.h"

struct mm_arena;

enum {
  VT_NOTHING,
  VT_ZERO,
  VT_NULL,
  VT_I32,
  VT_F32,
  VT_B32,
  VT_I64,
  VT_F64,
  VT_B64,
  VT_NUMBER,
  VT_CONFLICT,
  VT_UNSET,
  VT_FIRST_REF = 16
};

/* A type of references. */
struct vm_vtype {
  const char *name;       /* canonical */
  const char *base_name;  /* without "[]" */
  uint32_t base_length;   /* bytes of base_name that count */
  uint32_t dims;          /* number of "[]" */
  uint8_t prim;           /* of the base: VM_PRIM_REF for records */
  bool is_looked_up;      /* `class` is valid */
  struct vm_class *class; /* null: not loaded */
  uint32_t next;          /* same hash bucket; 0: none */
};

struct vm_vtypes {
  struct vm_loader *loader; /* in which names mean something */
  struct mm_arena *arena;
  struct vm_vtype *table; /* type VT_FIRST_REF + i stands at i */
  uint32_t count, capacity;
  uint32_t *buckets; /* hash of the name -> type, 0: none */
  uint32_t bucket_mask;
  uint32_t object, string, class_; /* types of the known classes */
  bool no_memory;
};

/* False when there is no memory. */
bool vm_vtypes_init(struct vm_vtypes *types, struct vm_loader *loader,
                    struct mm_arena *arena);

/* The reference type with this canonical name, which outlives `types`. */
uint32_t vm_vtypes_named(struct vm_vtypes *types, const char *name);

/* The array type with `dims` more dimensions than `element`. */
uint32_t vm_vtypes_array_of(struct vm_vtypes *types, const char *element,
                            uint32_t dims);

/* The type of the elements of an array of references. */
uint32_t vm_vtypes_element(struct vm_vtypes *types, uint32_t array);

/* What a module's type is in a register; void: VT_UNSET. */
uint32_t vm_vtypes_of(struct vm_vtypes *types, const struct vm_type_ref *type);

/* The type that holds whatever either holds. */
uint32_t vm_vtypes_join(struct vm_vtypes *types, uint32_t a, uint32_t b);

/* Is each object of reference type `from` surely one of `to`? */
bool vm_vtypes_is_assignable(struct vm_vtypes *types, uint32_t from,
                             uint32_t to);

/* The loaded class of a reference type, or null. */
struct vm_class *vm_vtypes_class(struct vm_vtypes *types, uint32_t type);

static inline bool vm_vtype_is_ref(uint32_t type)
{
  return type >= VT_FIRST_REF;
}

/* Usable as a reference: also what is surely null. */
static inline bool vm_vtype_fits_ref(uint32_t type)
{
  return type >= VT_FIRST_REF || type == VT_NULL || type == VT_ZERO;
}

static inline bool vm_vtype_is_number(uint32_t type)
{
  return type >= VT_I32 && type <= VT_NUMBER;
}

static inline const struct vm_vtype *vm_vtype_get(const struct vm_vtypes *types,
                                                  uint32_t type)
{
  return &types->table[type - VT_FIRST_REF];
}

/* Dimensions by name; 0 for what is no reference. */
static inline uint32_t vm_vtype_dims(const struct vm_vtypes *types,
                                     uint32_t type)
{
  return vm_vtype_is_ref(type) ? vm_vtype_get(types, type)->dims : 0;
}

/* What a type is called in messages; references: their name. */
const char *vm_vtype_text(const struct vm_vtypes *types, uint32_t type);

/* The type that an instruction's table entry names (enum vm_type). */
uint32_t vm_vtype_of_operand(unsigned operand_type);

#endif
