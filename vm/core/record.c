/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making one class out of a record and its functions.
 *
 * Values of static fields (`value=`): numbers are set here; strings have to
 * be made in the heap and are set when the class is initialised.
 */
#include "config.h"

#include "vm/core/loader_internal.h"

#include <string.h>

#include "vm/core/natives.h"

static void load_field(struct vm_class *class, struct vm_field *field,
                       const struct vm_field_def *def)
{
  const struct vm_type_ref *type = &class->module->types[def->type];
  field->owner = class;
  field->name = def->name;
  field->type_name = type->name;
  field->prim = type->prim;
  field->flags = def->flags;
  field->is_static = (def->flags & VM_FLAG_STATIC) != 0;
  field->type_loader = vm_type_meaning(class->module, def->type).loader;
}

static void load_fields(struct vm_class *class)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < class->record->field_count; i++)
    if (!(class->record->fields[i].flags & VM_FLAG_EXTERNAL))
      load_field(class, &class->fields[count++], &class->record->fields[i]);
}

/* Fields of a base that a record lists as external are not its own. */
static uint32_t own_field_count(const struct vm_record_def *record)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < record->field_count; i++)
    count += !(record->fields[i].flags & VM_FLAG_EXTERNAL);
  return count;
}

static void set_number_values(struct vm_class *class)
{
  uint32_t own = 0;
  for (uint32_t i = 0; i < class->record->field_count; i++) {
    const struct vm_field_def *def = &class->record->fields[i];
    if (def->flags & VM_FLAG_EXTERNAL)
      continue;
    const struct vm_field *field = &class->fields[own++];
    if (field->is_static && (def->flags & VM_FLAG_HAS_VALUE) &&
        field->prim != VM_PRIM_REF)
      class->statics[field->offset].u64 = def->value;
  }
}

/* --- Methods --- */

static bool load_params(struct vm_method *method,
                        const struct vm_method_ref *ref)
{
  struct mm_arena *arena = method->owner->loader->arena;
  const struct vm_type_ref *types = method->module->types;
  const char **names =
      mm_arena_alloc(arena, ((size_t)ref->param_count + 1) * sizeof *names);
  uint8_t *prims = mm_arena_alloc(arena, (size_t)ref->param_count + 1);
  if (!names || !prims)
    return false;
  for (uint32_t i = 0; i < ref->param_count; i++) {
    names[i] = types[ref->params[i]].name;
    prims[i] = types[ref->params[i]].prim;
  }
  method->param_count = ref->param_count;
  method->param_types = names;
  method->param_prims = prims;
  return true;
}

static bool load_method(struct vm_class *class, struct vm_method *method,
                        const struct vm_function_def *function)
{
  struct vm_module *module = class->module;
  const struct vm_method_ref *ref = &module->methods[function->method];
  method->owner = class;
  method->module = module;
  method->function = function;
  method->name = ref->name;
  method->flags = function->flags;
  method->reg_count = function->reg_count;
  method->local_count = function->local_count;
  method->return_type = module->types[ref->return_type].name;
  method->return_prim = module->types[ref->return_type].prim;
  if (!load_params(method, ref))
    return false;
  if (function->flags & VM_FLAG_NATIVE)
    method->native = vm_native_call;
  if ((function->flags & VM_FLAG_CCTOR) && method->param_count == 0)
    class->initialiser = method;
  vm_method_set_entries(class->loader->vm, method);
  return true;
}

static bool load_methods(struct vm_class *class,
                         const struct vm_owned_functions *functions)
{
  for (uint32_t i = 0; i < functions->count; i++)
    if (!load_method(class, &class->methods[i],
                     &class->module->functions[functions->indices[i]]))
      return false;
  return true;
}

/* The module's own names of these methods need no search: with thousands of
   functions in a file, searching for each would take quadratic time. */
static void resolve_own_names(struct vm_class *class)
{
  for (uint32_t i = 0; i < class->method_count; i++) {
    struct vm_method *method = &class->methods[i];
    struct vm_method_ref *ref =
        &class->module->methods[method->function->method];
    if (!ref->resolved)
      __atomic_store_n(&ref->resolved, method, __ATOMIC_RELEASE);
  }
}

/* --- Classes --- */

bool vm_load_record(struct vm_module *module,
                    const struct vm_record_def *record, struct vm_class *base,
                    const struct vm_owned_functions *functions)
{
  struct vm_class *class = vm_class_make(
      module->loader, module->types[record->type].name, base, record->flags);
  if (!class ||
      !vm_class_make_members(class, own_field_count(record), functions->count))
    return false;
  class->module = module;
  class->record = record;
  load_fields(class);
  if (!load_methods(class, functions) || !vm_class_lay_out(class) ||
      !vm_class_link_methods(class))
    return false;
  set_number_values(class);
  vm_class_skip_initialisation(class);
  vm_class_register(class, false);
  resolve_own_names(class);
  return true;
}

struct vm_class *vm_load_global(struct vm_module *module,
                                const struct vm_owned_functions *functions)
{
  struct vm_loader *loader = module->loader;
  struct vm_class *class = vm_class_make(
      loader, "_GLOBAL", loader->vm->known.object, VM_CLASS_NOT_INSTANTIABLE);
  if (!class || !vm_class_make_members(class, 0, functions->count))
    return NULL;
  class->module = module;
  class->has_instances = false;
  if (!load_methods(class, functions) || !vm_class_link_methods(class))
    return NULL;
  vm_class_skip_initialisation(class);
  vm_class_register(class, true);
  resolve_own_names(class);
  return class;
}
