/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that name classes, fields, methods or constants: their decoded
 * form once the names are resolved.  Used when a method is translated and
 * again, in place, when an operation that could not be resolved then runs.
 * Its length depends on the instruction alone.
 */
#include "config.h"

#include "interp/translator_internal.h"

#include <string.h>

#include "vm/core/lock.h"
#include "vm/core/object.h"

static bool is_static_access(unsigned op)
{
  return op >= VM_OP_LDSTATIC && op <= VM_OP_STSTATIC_OBJ;
}

uint32_t interp_encoded_words(const struct vm_insn *insn)
{
  switch ((enum vm_form)vm_op_table[insn->op].form) {
  case VM_FORM_STRING:
  case VM_FORM_TYPE:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    return 2;
  case VM_FORM_FIELD:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    return 3;
  case VM_FORM_CALL2:
  case VM_FORM_CALL4:
  case VM_FORM_CALL_RANGE:
  case VM_FORM_CALL_ACC2:
  case VM_FORM_CALL_ACC4:
    return INTERP_CALL_WORDS;
  default:
    return 0;
  }
}

static void set_op(union interp_word *out, unsigned op)
{
  out[0].handler = interp_handlers[op];
}

/* --- Constants and types --- */

static bool encode_string(struct vm_module *module, const struct vm_insn *insn,
                          union interp_word *out)
{
  struct vm_string_const *string = &module->strings[insn->operand.index];
  if (mm_is_null(vm_string_const_ref(string)))
    return false;
  set_op(out, INTERP_lda_str);
  out[1].ptr = string;
  return true;
}

static bool is_plain(const struct vm *vm, const struct vm_class *class)
{
  return (class->layout.kind == MM_KIND_PLAIN ||
          (class->layout.kind == MM_KIND_REFERENCE &&
           vm_class_is_instantiable(class))) &&
         class->has_instances && class != vm->known.class_;
}

static bool encode_newobj(struct vm *vm, struct vm_class *class,
                          const struct vm_insn *insn, union interp_word *out)
{
  if (!is_plain(vm, class))
    set_op(out, INTERP_newobj_slow);
  else
    set_op(out,
           vm_class_is_initialised(class) ? INTERP_newobj : INTERP_newobj_init);
  out[1].i.a = insn->regs[0];
  out[2].ptr = class;
  return true;
}

static bool encode_type(struct vm *vm, struct vm_module *module,
                        const struct vm_insn *insn, union interp_word *out)
{
  struct vm_class *class = vm_lookup_class(vm, module, insn->operand.index);
  if (class == NULL)
    return false;
  switch (insn->op) {
  case VM_OP_NEWOBJ:
    return encode_newobj(vm, class, insn, out);
  case VM_OP_NEWARR:
    set_op(out, INTERP_newarr);
    out[1].r.a = insn->regs[0];
    out[1].r.b = insn->regs[1];
    out[2].ptr = class;
    return true;
  case VM_OP_LDA_TYPE:
    set_op(out, INTERP_lda_type);
    break;
  case VM_OP_CHECKCAST:
    set_op(out, INTERP_checkcast);
    break;
  case VM_OP_CHECKCAST_NONNULL:
    set_op(out, INTERP_checkcast_nonnull);
    break;
  default:
    set_op(out, INTERP_isinstance);
    break;
  }
  out[1].ptr = class;
  return true;
}

/* --- Fields --- */

/* By enum vm_prim: how a field of that type is loaded and stored. */
static const struct {
  uint16_t load, store, static_store;
} field_ops[VM_PRIM_COUNT] = {
    [VM_PRIM_U1] = {INTERP_ldobj_u8_a, INTERP_stobj_8_a, INTERP_ststatic_u8},
    [VM_PRIM_I8] = {INTERP_ldobj_i8_a, INTERP_stobj_8_a, INTERP_ststatic_i8},
    [VM_PRIM_U8] = {INTERP_ldobj_u8_a, INTERP_stobj_8_a, INTERP_ststatic_u8},
    [VM_PRIM_I16] = {INTERP_ldobj_i16_a, INTERP_stobj_16_a,
                     INTERP_ststatic_i16},
    [VM_PRIM_U16] = {INTERP_ldobj_u16_a, INTERP_stobj_16_a,
                     INTERP_ststatic_u16},
    [VM_PRIM_I32] = {INTERP_ldobj_i32_a, INTERP_stobj_32_a,
                     INTERP_ststatic_i32},
    [VM_PRIM_U32] = {INTERP_ldobj_i32_a, INTERP_stobj_32_a,
                     INTERP_ststatic_i32},
    [VM_PRIM_F32] = {INTERP_ldobj_i32_a, INTERP_stobj_32_a,
                     INTERP_ststatic_i32},
    [VM_PRIM_I64] = {INTERP_ldobj_64_a, INTERP_stobj_64_a, INTERP_ststatic_64},
    [VM_PRIM_U64] = {INTERP_ldobj_64_a, INTERP_stobj_64_a, INTERP_ststatic_64},
    [VM_PRIM_F64] = {INTERP_ldobj_64_a, INTERP_stobj_64_a, INTERP_ststatic_64},
    [VM_PRIM_REF] = {INTERP_ldobj_ref_a, INTERP_stobj_ref_a,
                     INTERP_ststatic_ref},
};

static unsigned volatile_step(const struct vm_field *field)
{
  return field->flags & VM_FLAG_VOLATILE ? INTERP_VOLATILE : 0;
}

static bool is_logged(const struct vm_loader *loader)
{
  return loader->is_unloadable &&
         !mm_fault_is_due(loader->vm->heap, MM_FAULT_STATIC_OLD);
}

static void encode_static(const struct vm_field *field, unsigned op,
                          union interp_word *out)
{
  bool load = op <= VM_OP_LDSTATIC_OBJ;
  unsigned quick =
      load ? (unsigned)INTERP_ldstatic : field_ops[field->prim].static_store;
  /* See Note [Statics that are logged]. */
  if (quick == INTERP_ststatic_ref && is_logged(field->owner->loader))
    quick = INTERP_ststatic_logged;
  if (!vm_class_is_initialised(field->owner))
    quick += INTERP_NEEDS_INIT;
  set_op(out, quick + volatile_step(field));
  out[1].ptr = &field->owner->statics[field->offset];
  out[2].ptr = field->owner;
}

static bool encode_field(struct vm *vm, struct vm_module *module,
                         const struct vm_insn *insn, union interp_word *out)
{
  struct vm_field *field = vm_lookup_field(vm, module, insn->operand.index);
  if (field == NULL)
    return false;
  if (is_static_access(insn->op)) {
    encode_static(field, insn->op, out);
    return true;
  }
  bool in_registers = vm_op_table[insn->op].form == VM_FORM_V_V_FIELD;
  bool load = (insn->op >= VM_OP_LDOBJ && insn->op <= VM_OP_LDOBJ_OBJ) ||
              (insn->op >= VM_OP_LDOBJ_V && insn->op <= VM_OP_LDOBJ_V_OBJ);
  unsigned op =
      load ? field_ops[field->prim].load : field_ops[field->prim].store;
  set_op(out, op + in_registers + volatile_step(field));
  out[1].i.a = insn->regs[0];
  out[1].i.b = insn->regs[in_registers];
  out[1].i.x = (int32_t)field->offset;
  return true;
}

/* --- Calls --- */

/* The registers that hold a call's arguments, the accumulator's slot among
   them.  Returns how many the form can name. */
static uint32_t argument_registers(const struct vm_insn *insn, uint16_t regs[4])
{
  enum vm_form form = (enum vm_form)vm_op_table[insn->op].form;
  bool with_acc = form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4;
  uint32_t capacity = form == VM_FORM_CALL_ACC2   ? 2
                      : form == VM_FORM_CALL_ACC4 ? 4
                                                  : insn->nregs;
  for (uint32_t i = 0, from = 0; i < capacity; i++)
    regs[i] = with_acc && i == insn->acc_pos ? (uint16_t)INTERP_ACC_SLOT
                                             : insn->regs[from++];
  return capacity;
}

/* Word 1 of a call with `count` arguments; the step within its family. */
static bool encode_arguments(const struct vm_insn *insn, uint32_t count,
                             union interp_word *out, unsigned *step)
{
  if (vm_op_table[insn->op].form == VM_FORM_CALL_RANGE) {
    out[1].r.a = insn->regs[0];
    out[1].r.b = (uint16_t)count;
    *step = INTERP_CALL_RANGE;
    return true;
  }
  uint16_t regs[4] = {0};
  if (count > argument_registers(insn, regs))
    return false;
  if (count == 1 && regs[0] == INTERP_ACC_SLOT) {
    *step = INTERP_CALL_ACC;
    return true;
  }
  out[1].r.a = regs[0];
  out[1].r.b = regs[1];
  out[1].r.c = regs[2];
  out[1].r.d = regs[3];
  *step = count * INTERP_CALL_STEP;
  return true;
}

static void encode_bad(uint32_t insn, union interp_word *out)
{
  set_op(out, INTERP_bad);
  out[1].u64 = insn;
}

static bool encode_array_ctor(struct vm *vm, struct vm_module *module,
                              const struct vm_insn *insn, uint32_t index,
                              union interp_word *out)
{
  const struct vm_method_ref *ref = &module->methods[insn->operand.index];
  struct vm_class *class = vm_lookup_class(vm, module, ref->owner);
  unsigned step;
  if (class == NULL)
    return false;
  uint32_t dims = ref->param_count - 1;
  if (dims == 0 || !class->is_array ||
      !encode_arguments(insn, dims, out, &step)) {
    encode_bad(index, out);
    return true;
  }
  set_op(out, INTERP_initarr);
  out[2].ptr = class;
  out[3].u64 = dims | (uint64_t)(step == INTERP_CALL_RANGE) << 32;
  return true;
}

static unsigned call_family(const struct vm_insn *insn,
                            const struct vm_method *callee)
{
  if (vm_op_is_initobj((enum vm_op)insn->op))
    return INTERP_initobj_0;
  if (callee->flags & VM_FLAG_STATIC)
    return INTERP_call_static_0;
  if (vm_op_is_virtual_call((enum vm_op)insn->op) &&
      callee->vtable_index != UINT32_MAX)
    return INTERP_call_virtual_0;
  return INTERP_call_direct_0;
}

static bool encode_call(struct vm *vm, const struct vm_method *method,
                        uint32_t index, union interp_word *out)
{
  struct vm_module *module = method->module;
  const struct vm_insn *insn = &method->function->insns[index];
  if (module->methods[insn->operand.index].is_array_ctor)
    return encode_array_ctor(vm, module, insn, index, out);
  struct vm_method *callee = vm_lookup_method(vm, module, insn->operand.index);
  if (callee == NULL)
    return false;
  unsigned family = call_family(insn, callee), step;
  bool initobj = family == INTERP_initobj_0;
  if ((initobj && (!is_plain(vm, callee->owner) || callee->param_count == 0)) ||
      !encode_arguments(insn, callee->param_count - initobj, out, &step)) {
    encode_bad(index, out);
    return true;
  }
  set_op(out, family + step + !vm_class_is_initialised(callee->owner));
  out[2].ptr = callee;
  out[3].call.advance = method->reg_count + VM_FRAME_SLOTS;
  out[3].call.args = family == INTERP_call_virtual_0
                         ? INTERP_NO_CLASS
                         : out[3].call.advance + callee->local_count;
  return true;
}

bool interp_encode(struct vm *vm, const struct vm_method *method,
                   uint32_t index, union interp_word *out)
{
  const struct vm_insn *insn = &method->function->insns[index];
  memset(out, 0, INTERP_CALL_WORDS * sizeof *out);
  switch ((enum vm_form)vm_op_table[insn->op].form) {
  case VM_FORM_STRING:
    return encode_string(method->module, insn, out);
  case VM_FORM_TYPE:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    return encode_type(vm, method->module, insn, out);
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    return encode_field(vm, method->module, insn, out);
  default:
    return encode_call(vm, method, index, out);
  }
}

/* --- In place, at run time --- */

/* Resolves with the exceptions that the instruction throws. */
static bool resolve_names(struct vm_thread *thread, struct vm_module *module,
                          const struct vm_insn *insn)
{
  uint32_t index = insn->operand.index;
  switch ((enum vm_form)vm_op_table[insn->op].form) {
  case VM_FORM_STRING:
    return !mm_is_null(vm_resolve_string(thread, module, index));
  case VM_FORM_TYPE:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    return vm_resolve_class(thread, module, index) != NULL;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    return vm_resolve_field(thread, module, index) != NULL;
  default:
    if (module->methods[index].is_array_ctor)
      return vm_resolve_array_ctor(thread, module, index) != NULL;
    return vm_resolve_method(thread, module, index) != NULL;
  }
}

/* newarr looks at the size before it looks the class up. */
static bool newarr_size_is_bad(struct vm_thread *thread,
                               const struct vm_frame *frame,
                               const struct vm_insn *insn)
{
  if (insn->op != VM_OP_NEWARR)
    return false;
  int32_t size = frame->vregs[insn->regs[1]].i32;
  if (size < 0)
    vm_throw_negative_size(thread, size);
  return size < 0;
}

/* See Note [Rewriting operations that others run].  False: another thread was
   first. */
static bool become(struct vm *vm, struct interp_code *code,
                   union interp_word *pc, const union interp_word *encoded,
                   uint32_t words)
{
  vm_lock(vm, VM_LOCK_CODE);
  bool is_first = interp_handler_of(pc) == interp_handlers[INTERP_resolve];
  if (is_first) {
    memcpy(pc + 1, encoded + 1, (words - 1) * sizeof *pc);
    interp_set_handler(pc, encoded[0].handler);
    code->resolved_count++;
  }
  vm_unlock(vm, VM_LOCK_CODE);
  return is_first;
}

bool interp_resolve(struct vm_thread *thread, struct vm_frame *frame,
                    union interp_word *pc)
{
  struct vm_method *method = (struct vm_method *)frame->method;
  const struct vm_tier *tier = thread->vm->tier;
  uint32_t index = interp_origin_of(interp_code_of(method), pc)->insn;
  const struct vm_insn *insn = &method->function->insns[index];
  if (newarr_size_is_bad(thread, frame, insn) ||
      !resolve_names(thread, method->module, insn))
    return false;
  union interp_word encoded[INTERP_CALL_WORDS];
  if (!interp_encode(thread->vm, method, index, encoded))
    return vm_throw_verify(thread, method, index);
  if (become(thread->vm, interp_code_of(method), pc, encoded,
             interp_encoded_words(insn)) &&
      tier)
    tier->resolved(thread->vm, method);
  return true;
}
