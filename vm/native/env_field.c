/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: fields.
 *
 * A field has to be what the function is for: of its type, static or not, and
 * of a class that the object is one of.  A reference that is stored has to suit
 * the type that was declared: compiled code relies on it.  Static fields hold
 * their values as registers do; they are roots and need no barrier.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

/* --- Finding --- */

static struct vm_field *find(struct vm_class *class, const char *name,
                             const char *type, bool is_static)
{
  for (; class; class = class->base)
    for (uint32_t i = 0; i < class->field_count; i++) {
      struct vm_field *field = &class->fields[i];
      if (field->is_static == is_static && strcmp(field->name, name) == 0 &&
          (!type || strcmp(field->type_name, type) == 0))
        return field;
    }
  return NULL;
}

static bamboo_field id_of(struct bamboo_env *env, const char *function,
                          bamboo_class class_, const char *name,
                          const char *type, bool is_static)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  struct vm_class *class = native_class(thread, function, class_);
  struct vm_field *field = class ? find(class, name, type, is_static) : NULL;
  if (class && !field)
    vm_throw(thread, VM_ERROR_NO_SUCH_FIELD, "%s%s%s%s.%s",
             is_static ? "static " : "", type ? type : "", type ? " " : "",
             class->name, name);
  if (field && is_static &&
      !(native_verify(thread) && vm_class_initialise(thread, field->owner)))
    field = NULL;
  native_leave(thread);
  return (bamboo_field)field;
}

static bamboo_field field_id(struct bamboo_env *env, bamboo_class class_,
                             const char *name, const char *type)
{
  return id_of(env, "field_id", class_, name, type, false);
}

static bamboo_field static_field_id(struct bamboo_env *env, bamboo_class class_,
                                    const char *name, const char *type)
{
  return id_of(env, "static_field_id", class_, name, type, true);
}

/* --- Checking --- */

static const struct vm_field *check_field(struct vm_thread *thread,
                                          const char *function,
                                          bamboo_field opaque,
                                          enum vm_prim prim, bool is_static)
{
  const struct vm_field *field = (const struct vm_field *)opaque;
  if (!field)
    native_mistake(thread, function, "ask whether field_id returned NULL",
                   "the field is NULL");
  if (field->is_static != is_static)
    native_mistake(thread, function,
                   is_static ? "use field_id and get_TYPE, set_TYPE for it"
                             : "use static_field_id and get_static_TYPE, "
                               "set_static_TYPE for it",
                   "field %s.%s is %sstatic", field->owner->name, field->name,
                   field->is_static ? "" : "not ");
  if (field->prim != prim)
    native_mistake(thread, function, "use the function of the field's type",
                   "field %s.%s is of type %s", field->owner->name, field->name,
                   field->type_name);
  return field;
}

static void *place_in(struct vm_thread *thread, const char *function,
                      struct mm_ref ref, const struct vm_field *field)
{
  if (!vm_class_is_assignable(vm_class_of(ref), field->owner))
    native_mistake(thread, function, "use a field of the object's class",
                   "an object of %s has no field %s.%s", vm_class_of(ref)->name,
                   field->owner->name, field->name);
  return vm_object_at(ref, field->offset);
}

static void check_value(struct vm_thread *thread, const char *function,
                        const struct vm_field *field, struct mm_ref value)
{
  if (!vm_field_takes(field, value))
    native_mistake(thread, function,
                   "ask is_instance before storing what may be something else",
                   "a %s cannot be stored in field %s.%s, which is a %s",
                   vm_class_of(value)->name, field->owner->name, field->name,
                   field->type_name);
}

static bool is_volatile(const struct vm_field *field)
{
  return (field->flags & VM_FLAG_VOLATILE) != 0;
}

/* --- Numbers --- */

/* Of their width in objects, of a register's in statics.  A u1 is a whole byte
   there, of which C must not make a bool before it is compared with 0. */
#define STORED(type)                                                           \
  __typeof__(_Generic((type)0, bool : (uint8_t)0, default : (type)0))
#define FUNCTIONS(name, type, prim)                                            \
  static type get_##name(struct bamboo_env *env, bamboo_object object,         \
                         bamboo_field opaque)                                  \
  {                                                                            \
    struct vm_thread *thread = native_enter(env, "get_" #name, 0);             \
    const struct vm_field *field =                                             \
        check_field(thread, "get_" #name, opaque, prim, false);                \
    struct mm_ref ref = native_ref_not_null(thread, "get_" #name, object);     \
    type value = 0;                                                            \
    if (!mm_is_null(ref)) {                                                    \
      const STORED(type) *at = place_in(thread, "get_" #name, ref, field);     \
      STORED(type) stored;                                                     \
      if (is_volatile(field))                                                  \
        __atomic_load(at, &stored, __ATOMIC_SEQ_CST);                          \
      else                                                                     \
        stored = *at;                                                          \
      value = (type)stored;                                                    \
    }                                                                          \
    native_leave(thread);                                                      \
    return value;                                                              \
  }                                                                            \
  static void set_##name(struct bamboo_env *env, bamboo_object object,         \
                         bamboo_field opaque, type value)                      \
  {                                                                            \
    struct vm_thread *thread = native_enter(env, "set_" #name, 0);             \
    const struct vm_field *field =                                             \
        check_field(thread, "set_" #name, opaque, prim, false);                \
    struct mm_ref ref = native_ref_not_null(thread, "set_" #name, object);     \
    if (!mm_is_null(ref)) {                                                    \
      STORED(type) *at = place_in(thread, "set_" #name, ref, field);           \
      STORED(type) stored = (STORED(type))value;                               \
      if (is_volatile(field))                                                  \
        __atomic_store(at, &stored, __ATOMIC_SEQ_CST);                         \
      else                                                                     \
        *at = stored;                                                          \
    }                                                                          \
    native_leave(thread);                                                      \
  }                                                                            \
  static type get_static_##name(struct bamboo_env *env, bamboo_class class_,   \
                                bamboo_field opaque)                           \
  {                                                                            \
    union vm_slot slot =                                                       \
        get_static(env, "get_static_" #name, class_, opaque, prim);            \
    STORED(type) stored;                                                       \
    memcpy(&stored, &slot, sizeof stored);                                     \
    return (type)stored;                                                       \
  }                                                                            \
  static void set_static_##name(struct bamboo_env *env, bamboo_class class_,   \
                                bamboo_field opaque, type value)               \
  {                                                                            \
    union native_cell cell = {0};                                              \
    memcpy(&cell, &value, sizeof value);                                       \
    set_static(env, "set_static_" #name, class_, opaque, prim, cell);          \
  }

/* The class only says where one looks; null is a mistake that changes nothing
   here. */
static union vm_slot get_static(struct bamboo_env *env, const char *function,
                                bamboo_class class_, bamboo_field opaque,
                                enum vm_prim prim)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  const struct vm_field *field =
      check_field(thread, function, opaque, prim, true);
  union vm_slot slot = {0};
  if (native_class(thread, function, class_))
    slot.u64 = __atomic_load_n(&field->owner->statics[field->offset].u64,
                               __ATOMIC_SEQ_CST);
  native_leave(thread);
  return slot;
}

static void store_static(const struct vm_field *field, uint64_t value)
{
  __atomic_store_n(&field->owner->statics[field->offset].u64, value,
                   __ATOMIC_SEQ_CST);
}

static void set_static(struct bamboo_env *env, const char *function,
                       bamboo_class class_, bamboo_field opaque,
                       enum vm_prim prim, union native_cell cell)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  const struct vm_field *field =
      check_field(thread, function, opaque, prim, true);
  if (native_class(thread, function, class_))
    store_static(field, native_from_c(prim, cell).u64);
  native_leave(thread);
}

NATIVE_PRIMITIVES(FUNCTIONS)
#undef FUNCTIONS

/* --- References --- */

static bamboo_object get_object(struct bamboo_env *env, bamboo_object object,
                                bamboo_field opaque)
{
  struct vm_thread *thread = native_enter(env, "get_object", 0);
  const struct vm_field *field =
      check_field(thread, "get_object", opaque, VM_PRIM_REF, false);
  struct mm_ref ref = native_ref_not_null(thread, "get_object", object);
  struct mm_ref value = MM_NULL;
  if (!mm_is_null(ref)) {
    const uint32_t *at = place_in(thread, "get_object", ref, field);
    value.bits = __atomic_load_n(at, __ATOMIC_SEQ_CST);
  }
  bamboo_object result = native_local(thread, value);
  native_leave(thread);
  return result;
}

static void set_object(struct bamboo_env *env, bamboo_object object,
                       bamboo_field opaque, bamboo_object value)
{
  struct vm_thread *thread = native_enter(env, "set_object", 0);
  const struct vm_field *field =
      check_field(thread, "set_object", opaque, VM_PRIM_REF, false);
  struct mm_ref ref = native_ref_not_null(thread, "set_object", object);
  struct mm_ref stored = native_ref(thread, "set_object", value);
  if (!mm_is_null(ref)) {
    place_in(thread, "set_object", ref, field);
    check_value(thread, "set_object", field, stored);
    if (is_volatile(field))
      vm_object_set_volatile_ref(thread, ref, field->offset, stored);
    else
      vm_object_set_ref(thread, ref, field->offset, stored);
  }
  native_leave(thread);
}

static bamboo_object get_static_object(struct bamboo_env *env,
                                       bamboo_class class_, bamboo_field opaque)
{
  struct vm_thread *thread = native_enter(env, "get_static_object", 0);
  const struct vm_field *field =
      check_field(thread, "get_static_object", opaque, VM_PRIM_REF, true);
  struct mm_ref value = MM_NULL;
  if (native_class(thread, "get_static_object", class_))
    value.bits = (uint32_t)__atomic_load_n(
        &field->owner->statics[field->offset].u64, __ATOMIC_SEQ_CST);
  bamboo_object result = native_local(thread, value);
  native_leave(thread);
  return result;
}

static void set_static_object(struct bamboo_env *env, bamboo_class class_,
                              bamboo_field opaque, bamboo_object value)
{
  struct vm_thread *thread = native_enter(env, "set_static_object", 0);
  const struct vm_field *field =
      check_field(thread, "set_static_object", opaque, VM_PRIM_REF, true);
  struct mm_ref stored = native_ref(thread, "set_static_object", value);
  if (native_class(thread, "set_static_object", class_)) {
    check_value(thread, "set_static_object", field, stored);
    /* A cycle may be reading it; see Note [Statics that are logged]. */
    mm_barrier_before(&thread->mutator,
                      &field->owner->statics[field->offset].ref);
    store_static(field, stored.bits);
  }
  native_leave(thread);
}

#define FILL(name, type, prim)                                                 \
  env->get_##name = get_##name;                                                \
  env->set_##name = set_##name;                                                \
  env->get_static_##name = get_static_##name;                                  \
  env->set_static_##name = set_static_##name;

void native_fill_fields(struct bamboo_env *env)
{
  env->field_id = field_id;
  env->static_field_id = static_field_id;
  NATIVE_PRIMITIVES(FILL)
  FILL(object, bamboo_object, VM_PRIM_REF)
}
