/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and arrays over types.
 *
 * A field holds what its declared type admits, because every store is judged
 * here; the machine refuses to resolve a field whose declared type differs
 * from that in the instruction.  The elements of an array of references are
 * checked by starr.obj itself, so only that the operand is such an array has
 * to be known.  An array's element width must be the instruction's.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

/* --- Fields --- */

struct field_access {
  const struct vm_field_ref *field;
  const struct vm_type_ref *type;
  unsigned operand_type; /* of the instruction: B32, B64 or REF */
  uint32_t object;       /* register, or NO_SLOT for static fields */
  uint32_t value;        /* register (reg_count: accumulator) */
  bool is_store;
};

static struct field_access read_access(const struct vm_verifier *v,
                                       const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  const struct vm_field_ref *field = &v->module->fields[insn->operand.index];
  struct field_access a = {.field = field,
                           .type = &v->module->types[field->type],
                           .object = NO_SLOT,
                           .value = v->function->reg_count};
  if (info->form == VM_FORM_V_V_FIELD) {
    a.value = insn->regs[0];
    a.object = insn->regs[1];
    a.operand_type = info->reg[0] & VM_REG_TYPE_MASK;
    a.is_store = info->reg[0] & VM_REG_USE;
    return a;
  }
  if (info->form == VM_FORM_V_FIELD)
    a.object = insn->regs[0];
  a.is_store = info->acc_in != VM_TYPE_NONE;
  a.operand_type = a.is_store ? info->acc_in : info->acc_out;
  return a;
}

/* References with .obj, numbers without; strictly, also their width. */
static bool flavour_fits(const struct vm_verifier *v,
                         const struct field_access *a)
{
  unsigned prim = a->type->prim;
  if (prim == VM_PRIM_VOID)
    return false;
  if ((prim == VM_PRIM_REF) != (a->operand_type == VM_TYPE_REF))
    return false;
  return !v->strict || prim == VM_PRIM_REF ||
         (vm_prim_table[prim].bytes == 8) == (a->operand_type == VM_TYPE_B64);
}

static bool field_is_sound(struct vm_verifier *v, const struct field_access *a)
{
  const struct vm_type_ref *owner = &v->module->types[a->field->owner];
  uint32_t owner_type = vm_vtypes_of(&v->types, owner);
  if (a->field->is_static != (a->object == NO_SLOT))
    return vm_verify_reject(v, "field `%s.%s` is %sstatic", owner->name,
                            a->field->name, a->field->is_static ? "" : "not ");
  if (!vm_vtype_is_ref(owner_type) || vm_vtype_dims(&v->types, owner_type) > 0)
    return vm_verify_reject(v, "`%s` has no fields", owner->name);
  if (!flavour_fits(v, a))
    return vm_verify_reject(v, "field `%s.%s` is of type %s", owner->name,
                            a->field->name, a->type->name);
  return true;
}

void vm_verify_step_field(struct vm_verifier *v, const struct vm_insn *insn)
{
  struct field_access a = read_access(v, insn);
  if (!field_is_sound(v, &a))
    return;
  uint32_t type = vm_vtypes_of(&v->types, a.type);
  if (v->strict &&
      (a.type->prim == VM_PRIM_REF) != (a.operand_type == VM_TYPE_REF))
    type = VT_NOTHING; /* was told */
  if (a.object != NO_SLOT &&
      !vm_verify_want_object(
          v, a.object,
          vm_vtypes_of(&v->types, &v->module->types[a.field->owner])))
    return;
  if (v->strict && v->is_final)
    vm_verify_access_field(v, a.field, a.is_store);
  if (a.is_store && type == VT_NOTHING)
    return;
  if (a.is_store && a.type->prim == VM_PRIM_REF)
    vm_verify_want_class(v, a.value, type);
  else if (a.is_store)
    vm_verify_want_number(v, a.value, type);
  else if (a.value == v->function->reg_count)
    vm_verify_set_acc(v, type);
  else
    vm_verify_set_reg(v, a.value, type);
}

/* --- Arrays --- */

enum array_need { NEED_ANY, NEED_REFS, NEED_PRIMS };

struct array_access {
  enum array_need need;
  uint8_t log2;    /* width of the elements in bytes */
  uint32_t strict; /* bit set of the primitives that fit strictly */
};

#define PRIM(name) (1u << VM_PRIM_##name)

static struct array_access array_access_of(enum vm_op op)
{
  switch (op) {
  case VM_OP_LENARR:
    return (struct array_access){NEED_ANY, 0, 0};
  case VM_OP_LDARR_OBJ:
  case VM_OP_STARR_OBJ:
    return (struct array_access){NEED_REFS, 2, 0};
  case VM_OP_LDARR_8:
  case VM_OP_LDARRU_8:
  case VM_OP_STARR_8:
    return (struct array_access){NEED_PRIMS, 0, PRIM(U1) | PRIM(I8) | PRIM(U8)};
  case VM_OP_LDARR_16:
  case VM_OP_LDARRU_16:
  case VM_OP_STARR_16:
    return (struct array_access){NEED_PRIMS, 1, PRIM(I16) | PRIM(U16)};
  case VM_OP_LDARR:
  case VM_OP_STARR:
    return (struct array_access){NEED_PRIMS, 2, PRIM(I32) | PRIM(U32)};
  case VM_OP_LDARR_64:
  case VM_OP_STARR_64:
    return (struct array_access){NEED_PRIMS, 3, PRIM(I64) | PRIM(U64)};
  case VM_OP_FLDARR_32:
  case VM_OP_FSTARR_32:
    return (struct array_access){NEED_PRIMS, 2, PRIM(F32)};
  default: /* fldarr.64, fstarr.64 */
    return (struct array_access){NEED_PRIMS, 3, PRIM(F64)};
  }
}

#undef PRIM

static bool elements_fit(const struct vm_verifier *v,
                         const struct vm_vtype *array, struct array_access a)
{
  bool holds_refs = array->dims > 1 || array->prim == VM_PRIM_REF;
  if (a.need == NEED_ANY)
    return true;
  if (a.need == NEED_REFS || holds_refs)
    return a.need == NEED_REFS && holds_refs;
  if (v->strict)
    return (a.strict >> array->prim) & 1;
  return vm_prim_table[array->prim].log2 == a.log2;
}

/* What an array must be, for messages. */
static const char *wanted_array(const struct vm_verifier *v,
                                struct array_access a)
{
  if (a.need == NEED_ANY)
    return "an array";
  if (a.need == NEED_REFS)
    return "an array of references";
  if (v->strict && a.strict == 1u << VM_PRIM_F32)
    return "an f32[]";
  if (v->strict && a.strict == 1u << VM_PRIM_F64)
    return "an f64[]";
  static const char *const by_width[] = {
      "an array of 8-bit integers", "an array of 16-bit integers",
      "an array of 32-bit integers", "an array of 64-bit integers"};
  return by_width[a.log2];
}

/* Any object may turn out to be an array of the right kind. */
static void check_array(struct vm_verifier *v, uint32_t reg,
                        struct array_access a)
{
  if (a.need == NEED_ANY)
    vm_verify_add_check(v, reg, VM_CHECK_ANY_ARRAY, VT_NOTHING, 0);
  else if (a.need == NEED_REFS)
    vm_verify_add_check(v, reg, VM_CHECK_REF_ARRAY,
                        vm_vtypes_array_of(&v->types, "panda.Object", 1), 0);
  else
    vm_verify_add_check(v, reg, VM_CHECK_ARRAY_WIDTH, VT_NOTHING, a.log2);
}

static bool want_array(struct vm_verifier *v, uint32_t reg,
                       struct array_access a)
{
  if (!vm_verify_want_object(v, reg, v->types.object))
    return false;
  uint32_t type = vm_verify_type_of(v, reg);
  if (!vm_vtype_is_ref(type))
    return true; /* null */
  const struct vm_vtype *array = vm_vtype_get(&v->types, type);
  if (array->dims > 0 && elements_fit(v, array, a))
    return true;
  if (type != v->types.object || v->strict)
    return vm_verify_reject(v, "wants %s, found %s", wanted_array(v, a),
                            array->name);
  check_array(v, reg, a);
  return true;
}

/* The type that ldarr.obj leaves. */
static uint32_t element_type(struct vm_verifier *v, uint32_t reg)
{
  uint32_t type = vm_verify_type_of(v, reg);
  if (type == VT_NULL || type == VT_ZERO)
    return VT_NULL; /* never gets so far */
  if (vm_vtype_is_ref(type)) {
    const struct vm_vtype *array = vm_vtype_get(&v->types, type);
    if (array->dims > 1 || (array->dims == 1 && array->prim == VM_PRIM_REF))
      return vm_vtypes_element(&v->types, type);
  }
  return v->strict ? VT_NOTHING /* was told */ : v->types.object;
}

/* Strictly the stored reference must fit what is known of the elements. */
static void step_store_ref(struct vm_verifier *v, uint32_t array)
{
  uint32_t acc = v->function->reg_count;
  uint32_t type = v->strict ? element_type(v, array) : VT_NULL;
  if (vm_vtype_is_ref(type))
    vm_verify_want_class(v, acc, type);
  else
    vm_verify_want_ref(v, acc);
}

void vm_verify_step_array(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  uint32_t acc = v->function->reg_count;
  uint32_t array = insn->regs[0];
  bool is_store = info->reg[1] != VM_REG_NONE;
  if (!want_array(v, array, array_access_of(insn->op)))
    return;
  uint32_t index = is_store ? insn->regs[1] : acc;
  if (insn->op != VM_OP_LENARR && !vm_verify_want_number(v, index, VT_I32))
    return;
  if (insn->op == VM_OP_STARR_OBJ)
    step_store_ref(v, array);
  else if (is_store)
    vm_verify_want_number(v, acc, vm_vtype_of_operand(info->acc_in));
  else if (insn->op == VM_OP_LDARR_OBJ)
    vm_verify_set_acc(v, element_type(v, array));
  else
    vm_verify_set_acc(v, vm_vtype_of_operand(info->acc_out));
}
