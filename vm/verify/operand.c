/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demands that instructions make on values.
 *
 * To run (lenient), only what could harm counts: a reference read as a number
 * or the reverse, a value that was never set.  All numbers are alike, zero
 * and null are numbers and references both, and a reference whose class is
 * not proved is checked when the instruction runs.  Such a check lets null
 * pass, so it is right even where the two classes have nothing in common.
 *
 * Strictly, each value must be of the very type that is wanted, null must not
 * be used as an object, and nothing is left to a check.
 */
#include "config.h"

#include "vm/core/assert.h"
#include "vm/verify/verify_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool vm_verify_reject(struct vm_verifier *v, const char *format, ...)
{
  if (!v->strict) {
    v->is_bad = true;
    return false;
  }
  if (v->is_final) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vm_verify_report(v, "%s", text);
  }
  return true;
}

/* After the instruction the slot surely holds `type`. */
static void refine(struct vm_verifier *v, uint32_t reg, uint32_t type)
{
  struct vm_vwrites *w = &v->writes;
  if (w->refined_count == MAX_REFINED)
    return;
  w->refined[w->refined_count].slot = vm_verify_slot(v, reg);
  w->refined[w->refined_count++].type = type;
}

/* The value is of no use.  Strictly, nothing is asked of it any more, so that
   one mistake gives one message. */
static bool misfit(struct vm_verifier *v, uint32_t reg, const char *wanted)
{
  if (!v->strict) {
    v->is_bad = true;
    return false;
  }
  refine(v, reg, VT_NOTHING);
  if (v->is_final)
    vm_verify_report_value(v, reg, wanted);
  return true;
}

static bool number_fits(uint32_t type, uint32_t want)
{
  return type == want || type == VT_NOTHING ||
         (want == VT_B32 && (type == VT_I32 || type == VT_F32)) ||
         (want == VT_B64 && (type == VT_I64 || type == VT_F64));
}

bool vm_verify_want_number(struct vm_verifier *v, uint32_t reg, uint32_t want)
{
  uint32_t type = vm_verify_type_of(v, reg);
  bool fits = v->strict ? number_fits(type, want)
                        : vm_vtype_is_number(type) || type == VT_ZERO ||
                              type == VT_NULL;
  if (fits)
    return true;
  return misfit(v, reg, vm_vtype_text(&v->types, want));
}

bool vm_verify_want_ref(struct vm_verifier *v, uint32_t reg)
{
  uint32_t type = vm_verify_type_of(v, reg);
  if (vm_vtype_fits_ref(type) || type == VT_NOTHING)
    return true;
  return misfit(v, reg, "a reference");
}

static struct vm_ref_check *new_check(struct vm_verifier *v)
{
  if (v->no_memory)
    return NULL;
  if (v->check_count == v->check_capacity) {
    uint32_t capacity = v->check_capacity ? 2 * v->check_capacity : 16;
    struct vm_ref_check *checks = vm_verify_alloc(v, capacity, sizeof *checks);
    if (!checks)
      return NULL;
    if (v->check_count > 0)
      memcpy(checks, v->checks, v->check_count * sizeof *checks);
    v->checks = checks;
    v->check_capacity = capacity;
  }
  return &v->checks[v->check_count++];
}

/* The class that an instance must have.  A type that is not loaded has no
   instances but those the verifier knows by name, so only null is right:
   _GLOBAL is the class that nothing is an instance of. */
static struct vm_class *class_to_check(struct vm_verifier *v, uint32_t type)
{
  struct vm_class *class = vm_vtypes_class(&v->types, type);
  return class ? class : v->vm->known.global;
}

void vm_verify_add_check(struct vm_verifier *v, uint32_t reg,
                         enum vm_check_kind kind, uint32_t type,
                         uint8_t prim_log2)
{
  v->checks_here++;
  if (type != VT_NOTHING)
    refine(v, reg, type);
  struct vm_ref_check *check = v->is_final ? new_check(v) : NULL;
  if (check)
    *check = (struct vm_ref_check){
        .insn = v->insn,
        .vreg = reg,
        .class = kind == VM_CHECK_CLASS ? class_to_check(v, type) : NULL,
        .kind = (uint8_t)kind,
        .prim_log2 = prim_log2,
    };
}

bool vm_verify_want_class(struct vm_verifier *v, uint32_t reg, uint32_t want)
{
  uint32_t type = vm_verify_type_of(v, reg);
  if (type == VT_NULL || type == VT_ZERO || type == VT_NOTHING ||
      (vm_vtype_is_ref(type) && vm_vtypes_is_assignable(&v->types, type, want)))
    return true;
  if (vm_vtype_is_ref(type) && !v->strict) {
    vm_verify_add_check(v, reg, VM_CHECK_CLASS, want, 0);
    return true;
  }
  return misfit(v, reg, vm_vtype_text(&v->types, want));
}

bool vm_verify_want_object(struct vm_verifier *v, uint32_t reg, uint32_t want)
{
  if (v->strict && vm_verify_type_of(v, reg) == VT_NULL) {
    vm_verify_reject(v, "certain to throw panda.NullPointerException: the "
                        "object is null");
    return true;
  }
  return vm_verify_want_class(v, reg, want);
}

void vm_verify_set_reg(struct vm_verifier *v, uint32_t reg, uint32_t type)
{
  v->writes.reg_slot = vm_verify_slot(v, reg);
  v->writes.reg_type = type;
}

void vm_verify_set_acc(struct vm_verifier *v, uint32_t type)
{
  v->writes.writes_acc = true;
  v->writes.acc_type = type;
}
