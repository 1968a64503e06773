/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction over types: what opcodes.def says of most, and the rules of
 * those that name a type or end the function.  Nothing here changes a state:
 * writes are collected and applied by infer.c, because a handler sees the
 * state before the instruction.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

bool vm_verify_may_throw(const struct vm_verifier *v)
{
  return v->is_bad || v->checks_here > 0 ||
         vm_op_table[v->function->insns[v->insn].op].raises != 0;
}

static bool want(struct vm_verifier *v, uint32_t reg, unsigned operand_type)
{
  if (operand_type == VM_TYPE_REF)
    return vm_verify_want_ref(v, reg);
  return vm_verify_want_number(v, reg, vm_vtype_of_operand(operand_type));
}

/* --- Moves: the value keeps its type --- */

/* The type of a copy: what can only be null becomes null. */
static uint32_t copy_type(struct vm_verifier *v, uint32_t reg,
                          unsigned operand_type)
{
  uint32_t type = vm_verify_type_of(v, reg);
  bool is_ref = operand_type == VM_TYPE_REF;
  if (is_ref ? vm_vtype_is_ref(type) : vm_vtype_is_number(type))
    return type;
  return is_ref && type != VT_NOTHING ? VT_NULL : type;
}

static void step_move(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  unsigned operand_type = info->reg[0] & VM_REG_TYPE_MASK;
  uint32_t acc = v->function->reg_count;
  uint32_t from = info->acc_in != VM_TYPE_NONE    ? acc
                  : info->acc_out != VM_TYPE_NONE ? insn->regs[0]
                                                  : insn->regs[1];
  if (!want(v, from, operand_type))
    return;
  uint32_t type = v->strict && v->writes.refined_count > 0
                      ? VT_NOTHING /* was told */
                      : copy_type(v, from, operand_type);
  if (info->acc_out != VM_TYPE_NONE)
    vm_verify_set_acc(v, type);
  else
    vm_verify_set_reg(v, insn->regs[0], type);
}

/* --- Instructions that opcodes.def describes wholly --- */

static void step_plain(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_op_info *info = &vm_op_table[insn->op];
  if (info->acc_in != VM_TYPE_NONE &&
      !want(v, v->function->reg_count, info->acc_in))
    return;
  for (unsigned i = 0; i < 2; i++)
    if ((info->reg[i] & VM_REG_USE) &&
        !want(v, insn->regs[i], info->reg[i] & VM_REG_TYPE_MASK))
      return;
  if (info->reg[0] & VM_REG_DEF)
    vm_verify_set_reg(v, insn->regs[0],
                      vm_vtype_of_operand(info->reg[0] & VM_REG_TYPE_MASK));
  if (info->acc_out != VM_TYPE_NONE && info->acc_out != VM_TYPE_SAME)
    vm_verify_set_acc(v, vm_vtype_of_operand(info->acc_out));
}

/* --- Instructions that name a type --- */

static void step_cast(struct vm_verifier *v, uint32_t type)
{
  uint32_t acc = v->function->reg_count;
  if (!vm_verify_want_ref(v, acc))
    return;
  uint32_t found = vm_verify_type_of(v, acc);
  if (vm_vtype_is_ref(found) &&
      !vm_vtypes_is_assignable(&v->types, found, type))
    vm_verify_set_acc(v, type);
}

static void step_type(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_type_ref *ref = &v->module->types[insn->operand.index];
  if (ref->prim != VM_PRIM_REF) {
    vm_verify_reject(v, "`%s` is not a type of references", ref->name);
    return;
  }
  if (insn->op == VM_OP_LDA_TYPE)
    vm_verify_set_acc(v, v->types.class_);
  else if (insn->op != VM_OP_ISINSTANCE)
    step_cast(v, vm_vtypes_of(&v->types, ref));
  else if (vm_verify_want_ref(v, v->function->reg_count))
    vm_verify_set_acc(v, VT_I32);
}

static void step_newobj(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_type_ref *ref = &v->module->types[insn->operand.index];
  uint32_t type = vm_vtypes_of(&v->types, ref);
  if (!vm_vtype_is_ref(type) || vm_vtype_dims(&v->types, type) > 0) {
    if (vm_verify_reject(v, "`%s` is not a record", ref->name))
      vm_verify_set_reg(v, insn->regs[0], VT_NOTHING);
    return;
  }
  struct vm_class *class = vm_vtypes_class(&v->types, type);
  if (class && !class->has_instances &&
      !vm_verify_reject(v, "`%s` has no instances", ref->name))
    return;
  vm_verify_set_reg(v, insn->regs[0], type);
}

static void step_newarr(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_type_ref *ref = &v->module->types[insn->operand.index];
  uint32_t type = vm_vtypes_of(&v->types, ref);
  if (vm_vtype_dims(&v->types, type) == 0) {
    if (vm_verify_reject(v, "`%s` is not an array type", ref->name))
      vm_verify_set_reg(v, insn->regs[0], VT_NOTHING);
    return;
  }
  if (vm_verify_want_number(v, insn->regs[1], VT_I32))
    vm_verify_set_reg(v, insn->regs[0], type);
}

static void step_literal(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_array_const *array = &v->module->arrays[insn->operand.index];
  const char *element = v->module->types[array->type].name;
  vm_verify_set_reg(v, insn->regs[0],
                    vm_vtypes_array_of(&v->types, element, 1));
}

/* --- Returns and throw --- */

static const char *return_name(const struct vm_type_ref *type)
{
  if (type->prim == VM_PRIM_REF)
    return "return.obj";
  if (type->prim == VM_PRIM_VOID)
    return "return.void";
  return vm_prim_table[type->prim].bytes == 8 ? "return.64" : "return";
}

/* Does the flavour fit well enough to run?  A value may be returned from a
   void function: nobody reads it. */
static bool return_is_safe(enum vm_op op, enum vm_prim prim)
{
  if (prim == VM_PRIM_VOID)
    return true;
  if (prim == VM_PRIM_REF)
    return op == VM_OP_RETURN_OBJ;
  return op == VM_OP_RETURN || op == VM_OP_RETURN_64;
}

static void step_return(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_type_ref *type = &v->module->types[v->method->return_type];
  const char *wanted = return_name(type);
  enum vm_op op = insn->op;
  uint32_t acc = v->function->reg_count;
  if (op != vm_op_find(wanted, __builtin_strlen(wanted))) {
    if (v->strict || !return_is_safe(op, type->prim)) {
      vm_verify_reject(v, "the function returns %s: `%s` is needed", type->name,
                       wanted);
      return;
    }
  }
  if (op == VM_OP_RETURN_OBJ && type->prim == VM_PRIM_REF)
    vm_verify_want_class(v, acc, vm_vtypes_of(&v->types, type));
  else if (op != VM_OP_RETURN_VOID && type->prim == VM_PRIM_VOID)
    want(v, acc, vm_op_table[op].acc_in);
  else if (op != VM_OP_RETURN_VOID)
    vm_verify_want_number(v, acc, vm_vtypes_of(&v->types, type));
}

static void step_throw(struct vm_verifier *v, const struct vm_insn *insn)
{
  vm_verify_want_object(v, insn->regs[0], v->types.object);
}

/* --- The table --- */

static bool is_move(enum vm_op op)
{
  switch (op) {
  case VM_OP_MOV:
  case VM_OP_MOV_64:
  case VM_OP_MOV_OBJ:
  case VM_OP_LDA:
  case VM_OP_LDA_64:
  case VM_OP_LDA_OBJ:
  case VM_OP_STA:
  case VM_OP_STA_64:
  case VM_OP_STA_OBJ:
    return true;
  default:
    return false;
  }
}

static bool is_array_access(enum vm_op op)
{
  return op >= VM_OP_LENARR && op <= VM_OP_STARR_OBJ;
}

static void step_formless(struct vm_verifier *v, const struct vm_insn *insn)
{
  enum vm_op op = insn->op;
  if (is_move(op))
    step_move(v, insn);
  else if (is_array_access(op))
    vm_verify_step_array(v, insn);
  else if (op == VM_OP_MOV_NULL)
    vm_verify_set_reg(v, insn->regs[0], VT_NULL);
  else if (op == VM_OP_LDA_NULL)
    vm_verify_set_acc(v, VT_NULL);
  else if (op == VM_OP_THROW)
    step_throw(v, insn);
  else if (op >= VM_OP_RETURN && op <= VM_OP_RETURN_VOID)
    step_return(v, insn);
  else
    step_plain(v, insn);
}

void vm_verify_step(struct vm_verifier *v)
{
  const struct vm_insn *insn = &v->function->insns[v->insn];
  v->writes = (struct vm_vwrites){.reg_slot = NO_SLOT};
  v->is_bad = false;
  v->checks_here = 0;
  switch (vm_op_table[insn->op].form) {
  case VM_FORM_STRING:
    vm_verify_set_acc(v, v->types.string);
    return;
  case VM_FORM_V_ARRAY:
    step_literal(v, insn);
    return;
  case VM_FORM_TYPE:
    step_type(v, insn);
    return;
  case VM_FORM_V_TYPE:
    step_newobj(v, insn);
    return;
  case VM_FORM_V_V_TYPE:
    step_newarr(v, insn);
    return;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    vm_verify_step_field(v, insn);
    return;
  default:
    if (vm_op_is_call(insn->op))
      vm_verify_step_call(v, insn);
    else
      step_formless(v, insn);
  }
}
