/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls over types.  A callee may trust its arguments to be what it declares:
 * each call judges them against the types in its operand, and the machine
 * resolves to no method whose types differ by name.  The receiver has to be
 * an instance of the class that is named, which holds for overriding methods
 * too, since dispatch goes by its own class.
 */
#include "config.h"

#include "vm/verify/verify_internal.h"

static const struct vm_type_ref *type_at(const struct vm_verifier *v,
                                         uint32_t index)
{
  return &v->module->types[index];
}

/* Between owner and name, in messages: ".ctor" has its own. */
static const char *dot(const struct vm_method_ref *method)
{
  return method->name[0] == '.' ? "" : ".";
}

/* The accumulator's position must be one of the form's slots. */
static bool position_fits(struct vm_verifier *v, const struct vm_insn *insn,
                          const struct vm_method_ref *method)
{
  unsigned form = vm_op_table[insn->op].form;
  if (form != VM_FORM_CALL_ACC2 && form != VM_FORM_CALL_ACC4)
    return true;
  uint32_t slots = form == VM_FORM_CALL_ACC2 ? 2 : 4;
  if (v->strict && method->param_count < slots)
    slots = method->param_count;
  if (insn->acc_pos < slots)
    return true;
  return vm_verify_reject(v,
                          "position %u of the accumulator is out of range "
                          "for `%s%s%s` with %u parameters",
                          insn->acc_pos, type_at(v, method->owner)->name,
                          dot(method), method->name, method->param_count);
}

/* Does the operand name a method that this instruction can call at all? */
static bool method_is_sound(struct vm_verifier *v, const struct vm_insn *insn,
                            const struct vm_method_ref *method)
{
  const char *owner = type_at(v, method->owner)->name;
  if (type_at(v, method->owner)->prim != VM_PRIM_REF)
    return vm_verify_reject(v, "`%s` has no methods", owner);
  if (!method->is_static &&
      (method->param_count == 0 || method->params[0] != method->owner))
    return vm_verify_reject(v, "`%s%s%s` has no receiver", owner, dot(method),
                            method->name);
  if (method->is_static && vm_op_is_virtual_call(insn->op))
    return vm_verify_reject(v, "`%s%s%s` is static", owner, dot(method),
                            method->name);
  if (method->is_array_ctor && !vm_op_is_initobj(insn->op))
    return vm_verify_reject(v,
                            "`%s%s%s` makes an array: only initobj can "
                            "call it",
                            owner, dot(method), method->name);
  return position_fits(v, insn, method);
}

static bool want_argument(struct vm_verifier *v, const struct vm_insn *insn,
                          const struct vm_method_ref *method, uint32_t param)
{
  uint32_t skipped = vm_op_is_initobj(insn->op) ? 1 : 0;
  uint32_t reg = vm_verify_argument(v, insn, param - skipped);
  const struct vm_type_ref *type = type_at(v, method->params[param]);
  if (reg == NO_SLOT || type->prim == VM_PRIM_VOID)
    return vm_verify_reject(v, "argument %u of `%s%s%s` is missing", param,
                            type_at(v, method->owner)->name, dot(method),
                            method->name);
  uint32_t want = vm_vtypes_of(&v->types, type);
  if (type->prim != VM_PRIM_REF)
    return vm_verify_want_number(v, reg, want);
  if (param == 0 && !method->is_static)
    return vm_verify_want_object(v, reg, want);
  return vm_verify_want_class(v, reg, want);
}

/* --- Ordinary calls --- */

static void step_plain_call(struct vm_verifier *v, const struct vm_insn *insn,
                            const struct vm_method_ref *method)
{
  for (uint32_t i = 0; i < method->param_count; i++)
    if (!want_argument(v, insn, method, i))
      return;
  vm_verify_set_acc(v,
                    vm_vtypes_of(&v->types, type_at(v, method->return_type)));
}

/* --- Object creation --- */

/* An array constructor takes a size for each of some dimensions. */
static bool sizes_fit(struct vm_verifier *v, const struct vm_method_ref *method,
                      uint32_t dims)
{
  const struct vm_type_ref *owner = type_at(v, method->owner);
  uint32_t sizes = method->param_count - 1;
  if (sizes == 0 || sizes > dims)
    return vm_verify_reject(v, "%s cannot be made with %u sizes", owner->name,
                            sizes);
  for (uint32_t i = 1; i <= sizes; i++)
    if (type_at(v, method->params[i])->prim == VM_PRIM_REF)
      return vm_verify_reject(v, "a size of %s is not a number", owner->name);
  return true;
}

/* Constructors are not inherited, other methods are: initobj of one would make
   an instance of whichever class declares it. */
static bool constructor_is_sound(struct vm_verifier *v,
                                 const struct vm_method_ref *method)
{
  const struct vm_type_ref *owner = type_at(v, method->owner);
  uint32_t dims = vm_vtype_dims(&v->types, vm_vtypes_of(&v->types, owner));
  if (method->param_count == 0 && !method->is_static)
    return false; /* method_is_sound has rejected it: it has no receiver */
  if (!method->is_ctor)
    return vm_verify_reject(v, "`%s%s%s` is not a constructor", owner->name,
                            dot(method), method->name);
  if (method->is_static)
    return vm_verify_reject(v, "`%s%s%s` takes no new object", owner->name,
                            dot(method), method->name);
  if (method->is_array_ctor != (dims > 0))
    return vm_verify_reject(v, "`%s%s%s` is not a constructor", owner->name,
                            dot(method), method->name);
  return !method->is_array_ctor || sizes_fit(v, method, dims);
}

static void step_initobj(struct vm_verifier *v, const struct vm_insn *insn,
                         const struct vm_method_ref *method)
{
  if (!constructor_is_sound(v, method)) {
    v->is_bad |= !v->strict;
    return;
  }
  uint32_t type = vm_vtypes_of(&v->types, type_at(v, method->owner));
  struct vm_class *class =
      method->is_array_ctor ? NULL : vm_vtypes_class(&v->types, type);
  if (class && !class->has_instances &&
      !vm_verify_reject(v, "`%s` has no instances", class->name))
    return;
  for (uint32_t i = 1; i < method->param_count; i++)
    if (!want_argument(v, insn, method, i))
      return;
  vm_verify_set_acc(v, type);
}

void vm_verify_step_call(struct vm_verifier *v, const struct vm_insn *insn)
{
  const struct vm_method_ref *method = &v->module->methods[insn->operand.index];
  if (!method_is_sound(v, insn, method))
    return;
  if (v->strict && v->is_final)
    vm_verify_access_method(v, method);
  if (vm_op_is_initobj(insn->op))
    step_initobj(v, insn, method);
  else
    step_plain_call(v, insn, method);
}
