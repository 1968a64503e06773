/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strict verification asks of records and of the use of their members:
 * nothing extends a final record or overrides a final method, private members
 * are used by their own record only and protected ones by what extends it.
 * Names that lead nowhere are warnings: they are exceptions only where an
 * instruction uses them.
 */
#include "config.h"

#include "vm/core/runtime.h"
#include "vm/verify/verify_internal.h"

#include <string.h>

/* --- Members of loaded classes --- */

/* Same name, parameters (but for the receiver) and return type? */
static bool same_method(const struct vm_module *module,
                        const struct vm_method_ref *ref,
                        const struct vm_method *method)
{
  bool is_static = method->flags & VM_FLAG_STATIC;
  if (strcmp(method->name, ref->name) != 0 || is_static != ref->is_static ||
      method->param_count != ref->param_count ||
      strcmp(method->return_type, module->types[ref->return_type].name) != 0)
    return false;
  for (uint32_t i = is_static ? 0 : 1; i < ref->param_count; i++)
    if (strcmp(method->param_types[i], module->types[ref->params[i]].name) != 0)
      return false;
  return true;
}

static const struct vm_method *find_method(const struct vm_class *class,
                                           const struct vm_module *module,
                                           const struct vm_method_ref *ref)
{
  for (; class; class = class->base)
    for (uint32_t i = 0; i < class->method_count; i++)
      if (same_method(module, ref, &class->methods[i]))
        return &class->methods[i];
  return NULL;
}

/* --- Access --- */

static void warn(struct vm_verifier *v, const char *owner, const char *member,
                 const char *what)
{
  const struct vm_insn *insn = &v->function->insns[v->insn];
  vm_diag_add(v->diags, VM_DIAG_WARNING, v->module->file, v->module->source,
              v->module->source_bytes, insn->line, insn->column,
              (uint32_t)strlen(vm_op_table[insn->op].text), "`%s%s%s` %s",
              owner, member[0] && member[0] != '.' ? "." : "", member, what);
}

static void check_access(struct vm_verifier *v, uint32_t flags,
                         const struct vm_class *owner, const char *name)
{
  uint32_t access = flags & VM_FLAG_ACCESS_MASK;
  const struct vm_class *self =
      vm_lookup_class(v->vm, v->module, v->method->owner);
  if (!self || self == owner)
    return;
  if (access == VM_FLAG_PRIVATE)
    vm_verify_report(v, "`%s%s%s` is private to `%s`", owner->name,
                     name[0] == '.' ? "" : ".", name, owner->name);
  if (access == VM_FLAG_PROTECTED && !vm_class_is_subclass(self, owner))
    vm_verify_report(v, "`%s%s%s` is protected: `%s` does not extend `%s`",
                     owner->name, name[0] == '.' ? "" : ".", name, self->name,
                     owner->name);
}

static struct vm_class *find_owner(struct vm_verifier *v, uint32_t type)
{
  const char *name = v->module->types[type].name;
  struct vm_class *class = vm_lookup_class(v->vm, v->module, type);
  if (class)
    return class;
  if (!vm_class_look_up(v->vm, name, &class))
    v->no_memory = true;
  else if (!class)
    warn(v, name, "", "is in none of the files given");
  return class;
}

void vm_verify_access_field(struct vm_verifier *v,
                            const struct vm_field_ref *ref, bool is_store)
{
  const struct vm_class *class = find_owner(v, ref->owner);
  if (!class)
    return;
  const struct vm_field *field =
      vm_lookup_field(v->vm, v->module, (uint32_t)(ref - v->module->fields));
  if (!field) {
    warn(v, class->name, ref->name, "is a field of none of the files given");
    return;
  }
  check_access(v, field->flags, field->owner, field->name);
  bool is_making =
      (v->function->flags & (VM_FLAG_CTOR | VM_FLAG_CCTOR)) &&
      strcmp(v->module->types[v->method->owner].name, field->owner->name) == 0;
  if (is_store && (field->flags & VM_FLAG_FINAL) && !is_making)
    warn(v, class->name, ref->name, "is final and was set already");
}

void vm_verify_access_method(struct vm_verifier *v,
                             const struct vm_method_ref *ref)
{
  const struct vm_class *class = find_owner(v, ref->owner);
  if (!class || ref->is_array_ctor)
    return;
  const struct vm_method *method =
      vm_lookup_method(v->vm, v->module, (uint32_t)(ref - v->module->methods));
  if (method)
    check_access(v, method->flags, method->owner, method->name);
  else
    warn(v, class->name, ref->name, "is a function of none of the files given");
}

/* --- Records --- */

static void record_error(struct vm_module *module, struct vm_diags *diags,
                         uint32_t line, uint32_t column, const char *name,
                         const char *what, const char *other)
{
  vm_diag_add(diags, VM_DIAG_ERROR, module->file, module->source,
              module->source_bytes, line, column, 1, "`%s` %s `%s`", name, what,
              other);
}

/* These two return false when memory ran out. */
static bool check_record(struct vm *vm, struct vm_module *module,
                         const struct vm_record_def *record,
                         struct vm_diags *diags)
{
  if ((record->flags & VM_FLAG_EXTERNAL) || record->base == UINT32_MAX)
    return true;
  const char *base_name = module->types[record->base].name;
  struct vm_class *base;
  if (!vm_class_look_up(vm, base_name, &base))
    return false;
  if (base && (base->flags & VM_FLAG_FINAL))
    record_error(module, diags, record->line, record->column,
                 module->types[record->type].name, "extends the final record",
                 base_name);
  return true;
}

/* An instance method must not stand in for a final one of a base. */
static bool check_override(struct vm *vm, struct vm_module *module,
                           const struct vm_function_def *function,
                           struct vm_diags *diags)
{
  const struct vm_method_ref *ref = &module->methods[function->method];
  uint32_t apart =
      VM_FLAG_EXTERNAL | VM_FLAG_STATIC | VM_FLAG_CTOR | VM_FLAG_CCTOR;
  if (function->flags & apart)
    return true;
  struct vm_class *class;
  if (!vm_class_look_up(vm, module->types[ref->owner].name, &class))
    return false;
  const struct vm_method *base =
      class && class->base ? find_method(class->base, module, ref) : NULL;
  if (base && (base->flags & VM_FLAG_FINAL))
    record_error(module, diags, function->line, function->column,
                 function->text_name, "overrides the final method of",
                 base->owner->name);
  return true;
}

static bool verify_all(struct vm *vm, struct vm_module *module,
                       struct vm_diags *diags)
{
  bool ok = true;
  for (uint32_t i = 0; ok && i < module->record_count; i++)
    ok = check_record(vm, module, &module->records[i], diags);
  for (uint32_t i = 0; ok && i < module->function_count; i++)
    ok = check_override(vm, module, &module->functions[i], diags) &&
         vm_verify_function(vm, module, &module->functions[i], true, diags);
  return ok;
}

unsigned vm_verify_module_strict(struct vm *vm, struct vm_module *module,
                                 struct vm_diags *diags)
{
  unsigned before = diags->errors;
  if (!verify_all(vm, module, diags))
    vm_diag_add_no_memory(diags, module->file,
                          "memory ran out while it was verified");
  return diags->errors - before;
}
