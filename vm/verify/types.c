/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interning, joining and comparing the verifier's types; see
 * types_internal.h.  Array types are compared by their base and the number of
 * their dimensions, without recursion, since a program may write a type with
 * a million dimensions.
 */
#include "config.h"

#include "vm/verify/types_internal.h"

#include "mm/alloc/arena.h"
#include "vm/core/runtime.h"

#include <string.h>

enum { FIRST_BUCKETS = 64, FIRST_TYPES = 32 };

bool vm_vtypes_init(struct vm_vtypes *types, struct vm_loader *loader,
                    struct mm_arena *arena)
{
  *types = (struct vm_vtypes){.loader = loader, .arena = arena};
  types->bucket_mask = FIRST_BUCKETS - 1;
  types->buckets = mm_arena_alloc(arena, FIRST_BUCKETS * sizeof(uint32_t));
  types->capacity = FIRST_TYPES;
  types->table = mm_arena_alloc(arena, FIRST_TYPES * sizeof *types->table);
  if (!types->buckets || !types->table)
    return false;
  types->object = vm_vtypes_named(types, "panda.Object");
  types->string = vm_vtypes_named(types, "panda.String");
  types->class_ = vm_vtypes_named(types, "panda.Class");
  return !types->no_memory;
}

/* The parts of a name: its base, and the number of "[]" behind it. */
static struct vm_vtype parse(const char *name)
{
  size_t length = strlen(name);
  struct vm_vtype type = {.name = name, .base_name = name};
  while (length > 2 && name[length - 1] == ']' && name[length - 2] == '[') {
    length -= 2;
    type.dims++;
  }
  type.base_length = (uint32_t)length;
  type.prim = vm_prim_find(name, length);
  return type;
}

static uint32_t hash_parts(const struct vm_vtype *parts)
{
  uint32_t hash = 2166136261u + parts->dims; /* FNV-1a (Fowler, Noll, Vo) */
  for (uint32_t i = 0; i < parts->base_length; i++)
    hash = (hash ^ (uint8_t)parts->base_name[i]) * 16777619u;
  return hash;
}

static bool same_parts(const struct vm_vtype *a, const struct vm_vtype *b)
{
  return a->dims == b->dims && a->base_length == b->base_length &&
         memcmp(a->base_name, b->base_name, a->base_length) == 0;
}

static uint32_t find(const struct vm_vtypes *types,
                     const struct vm_vtype *parts)
{
  uint32_t type = types->buckets[hash_parts(parts) & types->bucket_mask];
  while (type && !same_parts(vm_vtype_get(types, type), parts))
    type = vm_vtype_get(types, type)->next;
  return type;
}

static bool grow_table(struct vm_vtypes *types)
{
  size_t old_bytes = types->capacity * sizeof *types->table;
  struct vm_vtype *table = mm_arena_alloc(types->arena, 2 * old_bytes);
  if (!table)
    return false;
  memcpy(table, types->table, old_bytes);
  types->table = table;
  types->capacity *= 2;
  return true;
}

static void link_bucket(struct vm_vtypes *types, uint32_t type)
{
  struct vm_vtype *entry = &types->table[type - VT_FIRST_REF];
  uint32_t bucket = hash_parts(entry) & types->bucket_mask;
  entry->next = types->buckets[bucket];
  types->buckets[bucket] = type;
}

static bool grow_buckets(struct vm_vtypes *types)
{
  uint32_t count = 4 * (types->bucket_mask + 1);
  uint32_t *buckets = mm_arena_alloc(types->arena, count * sizeof *buckets);
  if (!buckets)
    return false;
  types->buckets = buckets;
  types->bucket_mask = count - 1;
  for (uint32_t i = 0; i < types->count; i++)
    link_bucket(types, VT_FIRST_REF + i);
  return true;
}

static uint32_t fail(struct vm_vtypes *types)
{
  types->no_memory = true;
  return VT_CONFLICT;
}

static uint32_t add(struct vm_vtypes *types, const struct vm_vtype *entry)
{
  if (types->count == types->capacity && !grow_table(types))
    return fail(types);
  if (types->count > types->bucket_mask && !grow_buckets(types))
    return fail(types);
  uint32_t type = VT_FIRST_REF + types->count;
  types->table[types->count++] = *entry;
  link_bucket(types, type);
  return type;
}

uint32_t vm_vtypes_named(struct vm_vtypes *types, const char *name)
{
  struct vm_vtype entry = parse(name);
  if (name[0] == '{')
    return vm_vtypes_array_of(types, "panda.Object", entry.dims);
  if (entry.dims == 0)
    entry.prim = VM_PRIM_REF;
  uint32_t type = find(types, &entry);
  return type ? type : add(types, &entry);
}

/* The type with these parts, whose name is made when it is new. */
static uint32_t of_parts(struct vm_vtypes *types, struct vm_vtype parts)
{
  uint32_t type = find(types, &parts);
  if (type)
    return type;
  size_t length = parts.base_length;
  char *name =
      mm_arena_alloc(types->arena, length + 2 * (size_t)parts.dims + 1);
  if (!name)
    return fail(types);
  memcpy(name, parts.base_name, length);
  for (uint32_t i = 0; i < parts.dims; i++)
    memcpy(name + length + 2 * (size_t)i, "[]", 2);
  parts.name = parts.base_name = name;
  parts.is_looked_up = false;
  parts.class = NULL;
  return add(types, &parts);
}

uint32_t vm_vtypes_array_of(struct vm_vtypes *types, const char *element,
                            uint32_t dims)
{
  struct vm_vtype parts = parse(element);
  parts.dims += dims;
  return of_parts(types, parts);
}

uint32_t vm_vtypes_element(struct vm_vtypes *types, uint32_t array)
{
  struct vm_vtype parts = *vm_vtype_get(types, array);
  parts.dims--;
  return of_parts(types, parts);
}

uint32_t vm_vtype_of_operand(unsigned operand_type)
{
  switch (operand_type) {
  case VM_TYPE_B32:
    return VT_B32;
  case VM_TYPE_I32:
    return VT_I32;
  case VM_TYPE_F32:
    return VT_F32;
  case VM_TYPE_B64:
    return VT_B64;
  case VM_TYPE_I64:
    return VT_I64;
  case VM_TYPE_F64:
    return VT_F64;
  default:
    return VT_UNSET;
  }
}

uint32_t vm_vtypes_of(struct vm_vtypes *types, const struct vm_type_ref *type)
{
  if (type->prim == VM_PRIM_REF)
    return vm_vtypes_named(types, type->name);
  return vm_vtype_of_operand(vm_prim_table[type->prim].type);
}

struct vm_class *vm_vtypes_class(struct vm_vtypes *types, uint32_t type)
{
  if (!vm_vtype_is_ref(type))
    return NULL; /* no memory */
  struct vm_vtype *entry = &types->table[type - VT_FIRST_REF];
  if (!entry->is_looked_up) {
    if (!vm_loader_look_up(types->loader, entry->name, &entry->class))
      types->no_memory = true;
    entry->is_looked_up = true;
  }
  return entry->class;
}

/* The record that is at the base of a type of references. */
static uint32_t base_type(struct vm_vtypes *types, uint32_t type)
{
  struct vm_vtype parts = *vm_vtype_get(types, type);
  parts.dims = 0;
  return of_parts(types, parts);
}

static bool is_subclass(struct vm_vtypes *types, uint32_t from, uint32_t to)
{
  if (from == to || to == types->object)
    return true;
  struct vm_class *sub = vm_vtypes_class(types, from);
  struct vm_class *super = vm_vtypes_class(types, to);
  return sub && super && vm_class_is_subclass(sub, super);
}

bool vm_vtypes_is_assignable(struct vm_vtypes *types, uint32_t from,
                             uint32_t to)
{
  if (from == to || to == types->object)
    return true;
  if (!vm_vtype_is_ref(from) || !vm_vtype_is_ref(to))
    return false; /* no memory */
  struct vm_vtype f = *vm_vtype_get(types, from);
  struct vm_vtype t = *vm_vtype_get(types, to);
  if (f.dims < t.dims || t.prim != VM_PRIM_REF)
    return false;
  if (f.dims > t.dims)
    return t.dims > 0 && base_type(types, to) == types->object;
  return f.prim == VM_PRIM_REF &&
         is_subclass(types, base_type(types, from), base_type(types, to));
}

/* Is this the class that its name means here?  A base may be of another loader
   and have the name of a record of this one: Note [What a name means]. */
static bool is_nameable(struct vm_vtypes *types, const struct vm_class *class)
{
  uint32_t type = vm_vtypes_named(types, class->name);
  return vm_vtypes_class(types, type) == class;
}

/* The nearest class that two records both extend and that has a name here. */
static uint32_t join_records(struct vm_vtypes *types, uint32_t a, uint32_t b)
{
  if (a == b)
    return a;
  struct vm_class *first = vm_vtypes_class(types, a);
  struct vm_class *second = vm_vtypes_class(types, b);
  if (!first || !second)
    return types->object;
  uint32_t depth = first->depth < second->depth ? first->depth : second->depth;
  while (depth > 0 && (first->display[depth] != second->display[depth] ||
                       !is_nameable(types, first->display[depth])))
    depth--;
  return vm_vtypes_named(types, first->display[depth]->name);
}

/*
 * Arrays join element by element.  Peeling as many dimensions off both as
 * the lesser has leaves two bases, or a base and an array; those meet in a
 * common record, or in panda.Object, unless one of them is a primitive: then
 * the arrays around it meet only as objects.
 */
static uint32_t join_refs(struct vm_vtypes *types, uint32_t a, uint32_t b)
{
  struct vm_vtype first = *vm_vtype_get(types, a);
  struct vm_vtype second = *vm_vtype_get(types, b);
  uint32_t dims = first.dims < second.dims ? first.dims : second.dims;
  bool meets_prim = (first.dims == dims && first.prim != VM_PRIM_REF) ||
                    (second.dims == dims && second.prim != VM_PRIM_REF);
  if (meets_prim)
    return vm_vtypes_array_of(types, "panda.Object", dims - 1);
  if (first.dims != second.dims)
    return vm_vtypes_array_of(types, "panda.Object", dims);
  uint32_t base = join_records(types, base_type(types, a), base_type(types, b));
  if (dims == 0 || base == VT_CONFLICT)
    return base;
  return vm_vtypes_array_of(types, vm_vtype_get(types, base)->name, dims);
}

static bool is_narrow(uint32_t type)
{
  return type >= VT_I32 && type <= VT_B32;
}

static bool is_wide(uint32_t type)
{
  return type >= VT_I64 && type <= VT_B64;
}

static uint32_t join_numbers(uint32_t a, uint32_t b)
{
  if (is_narrow(a) && is_narrow(b))
    return VT_B32;
  if (is_wide(a) && is_wide(b))
    return VT_B64;
  return VT_NUMBER;
}

uint32_t vm_vtypes_join(struct vm_vtypes *types, uint32_t a, uint32_t b)
{
  if (a > b) {
    uint32_t swap = a;
    a = b;
    b = swap;
  }
  if (a == b || a == VT_NOTHING)
    return b;
  if (a == VT_UNSET || b == VT_UNSET)
    return VT_UNSET;
  if (a == VT_CONFLICT || b == VT_CONFLICT)
    return VT_CONFLICT;
  if (a == VT_ZERO)
    return b;
  if (vm_vtype_is_ref(b))
    return a == VT_NULL         ? b
           : vm_vtype_is_ref(a) ? join_refs(types, a, b)
                                : VT_CONFLICT;
  return a == VT_NULL ? VT_CONFLICT : join_numbers(a, b);
}

const char *vm_vtype_text(const struct vm_vtypes *types, uint32_t type)
{
  static const char *const texts[VT_FIRST_REF] = {
      [VT_NOTHING] = "nothing",
      [VT_ZERO] = "zero",
      [VT_NULL] = "null",
      [VT_I32] = "i32",
      [VT_F32] = "f32",
      [VT_B32] = "i32 or f32",
      [VT_I64] = "i64",
      [VT_F64] = "f64",
      [VT_B64] = "i64 or f64",
      [VT_NUMBER] = "a number of either width",
      [VT_CONFLICT] = "a number or a reference",
      [VT_UNSET] = "nothing that was set on every path",
  };
  return vm_vtype_is_ref(type) ? vm_vtype_get(types, type)->name : texts[type];
}
