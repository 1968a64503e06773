/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Library classes from tables (define.h).
 *
 *   "void IO.printI32(i32)"
 *    ^    ^           ^
 *    |    |           parameters, separated by ", " or ","
 *    |    owner, then the method's name behind the last dot
 *    return type
 *
 * The tables are the library's own, so their form is asserted, not reported.
 * Names are copied into the boot loader's arena; names of primitives are
 * shared.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/core/define.h"

#include <string.h>

/* The fields of exceptions, where vm/core/object.h says they are. */
static const struct vm_native_field throwable_fields[] = {
    {"panda.String", "message", 0},
    {"panda.Object", "cause", 0},
    {"i64[]", "stack trace", 0}, /* the blank hides it from programs */
};

enum {
  THROWABLE_FIELDS = sizeof throwable_fields / sizeof throwable_fields[0],
};

static const char *copy_name(struct vm *vm, const char *name, size_t length)
{
  char *copy = mm_arena_alloc(vm->boot->arena, length + 1);
  if (copy)
    memcpy(copy, name, length);
  return copy;
}

/* A type's name that lasts, and its kind; "@" is the class. */
static const char *type_name(struct vm *vm, const struct vm_class *class,
                             const char *text, size_t length, uint8_t *prim)
{
  enum vm_prim kind = vm_prim_find(text, length);
  *prim = (uint8_t)kind;
  if (kind != VM_PRIM_REF)
    return vm_prim_table[kind].name;
  if (length == 1 && *text == '@')
    return class->name;
  if (strlen(class->name) == length && memcmp(text, class->name, length) == 0)
    return class->name;
  return copy_name(vm, text, length);
}

/* --- Fields --- */

static bool define_field(struct vm *vm, struct vm_class *class,
                         struct vm_field *field,
                         const struct vm_native_field *def)
{
  field->owner = class;
  field->name = def->name;
  field->flags = def->flags;
  field->is_static = (def->flags & VM_FLAG_STATIC) != 0;
  field->type_name =
      type_name(vm, class, def->type, strlen(def->type), &field->prim);
  return field->type_name != NULL;
}

static bool define_fields(struct vm *vm, struct vm_class *class,
                          const struct vm_library_class *def)
{
  struct vm_field *field = class->fields;
  size_t hidden = def->is_throwable ? THROWABLE_FIELDS : 0;
  for (size_t i = 0; i < hidden; i++)
    if (!define_field(vm, class, field++, &throwable_fields[i]))
      return false;
  for (size_t i = 0; i < def->field_count; i++)
    if (!define_field(vm, class, field++, &def->fields[i]))
      return false;
  return true;
}

/* --- Methods --- */

struct span {
  const char *text;
  size_t length;
};

/* The next parameter from *at on; empty at the closing parenthesis. */
static struct span next_param(const char **at)
{
  const char *begin = *at;
  while (*begin == ' ' || *begin == ',')
    begin++;
  size_t length = strcspn(begin, ",)");
  *at = begin + length;
  return (struct span){begin, length};
}

static uint32_t count_params(const char *at)
{
  uint32_t count = 0;
  while (next_param(&at).length > 0)
    count++;
  return count;
}

static bool define_params(struct vm *vm, struct vm_method *method,
                          const char *at)
{
  uint32_t count = count_params(at);
  struct mm_arena *arena = vm->boot->arena;
  const char **types = mm_arena_alloc(arena, (count + 1) * sizeof *types);
  uint8_t *prims = mm_arena_alloc(arena, count + 1);
  if (!types || !prims)
    return false;
  for (uint32_t i = 0; i < count; i++) {
    struct span param = next_param(&at);
    types[i] =
        type_name(vm, method->owner, param.text, param.length, &prims[i]);
    if (!types[i])
      return false;
  }
  method->param_count = method->reg_count = count;
  method->param_types = types;
  method->param_prims = prims;
  return true;
}

/* From the last dot before the parenthesis to the parenthesis. */
static struct span method_name(const char *signature, const char *open)
{
  const char *dot = open;
  while (*dot != '.') {
    VM_ASSERT(dot > signature);
    dot--;
  }
  return (struct span){dot + 1, (size_t)(open - dot - 1)};
}

static bool is_instance(const struct vm_method *method)
{
  return !(method->flags & VM_FLAG_STATIC) && method->param_count > 0 &&
         strcmp(method->param_types[0], method->owner->name) == 0;
}

static bool define_method(struct vm *vm, struct vm_class *class,
                          struct vm_method *method,
                          const struct vm_native_def *def)
{
  const char *blank = strchr(def->signature, ' ');
  const char *open = strchr(def->signature, '(');
  VM_ASSERT(blank && open && blank < open);
  struct span name = method_name(def->signature, open);
  method->owner = class;
  method->native = def->function;
  method->flags = def->flags | VM_FLAG_NATIVE;
  method->name = def->flags & VM_FLAG_CTOR
                     ? ".ctor"
                     : copy_name(vm, name.text, name.length);
  method->return_type =
      type_name(vm, class, def->signature, (size_t)(blank - def->signature),
                &method->return_prim);
  if (!method->name || !method->return_type ||
      !define_params(vm, method, open + 1))
    return false;
  if (!is_instance(method))
    method->flags |= VM_FLAG_STATIC;
  vm_method_set_entries(vm, method);
  return true;
}

static bool define_methods(struct vm *vm, struct vm_class *class,
                           const struct vm_library_class *def)
{
  for (size_t i = 0; i < def->method_count; i++)
    if (!define_method(vm, class, &class->methods[i], &def->methods[i]))
      return false;
  return true;
}

/* --- Classes --- */

static void check_throwable(const struct vm_class *class)
{
  VM_ASSERT(class->fields[0].offset == VM_EXCEPTION_MESSAGE_OFFSET);
  VM_ASSERT(class->fields[1].offset == VM_EXCEPTION_CAUSE_OFFSET);
  VM_ASSERT(class->fields[2].offset == VM_EXCEPTION_TRACE_OFFSET);
  (void)class;
}

bool vm_define_class(struct vm *vm, const struct vm_library_class *def)
{
  struct vm_class *base =
      def->base ? vm_class_find(vm, def->base) : vm->known.object;
  uint32_t flags = def->flags | (def->is_throwable ? VM_CLASS_THROWABLE : 0) |
                   (def->is_made_here ? VM_CLASS_NOT_INSTANTIABLE : 0);
  size_t fields = def->field_count + (def->is_throwable ? THROWABLE_FIELDS : 0);
  VM_ASSERT(base || !def->base);
  struct vm_class *class = vm_class_make(vm->boot, def->name, base, flags);
  if (class && def->is_reference)
    vm_class_make_reference(class, def->strength);
  if (!class ||
      !vm_class_make_members(class, (uint32_t)fields,
                             (uint32_t)def->method_count) ||
      !define_fields(vm, class, def) || !define_methods(vm, class, def) ||
      !vm_class_lay_out(class) || !vm_class_link_methods(class))
    return false;
  if (def->is_throwable)
    check_throwable(class);
  class->state = VM_CLASS_INITIALISED;
  vm_class_register(class, false);
  return true;
}
