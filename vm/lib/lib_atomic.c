/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomic: operations on elements of arrays that no other thread sees half
 * done, in one order that all threads agree on (sequentially consistent, as
 * Java's java.util.concurrent.atomic has it).  An array of one element serves
 * as a box.
 *
 * Null, then the index, then the class of a reference that is to be stored are
 * checked as instructions do.
 */
#include "config.h"

#include "vm/core/object.h"
#include "vm/lib/library_internal.h"

/* The element, or null with an exception pending. */
static void *element(struct vm_thread *thread, const union vm_slot *args)
{
  struct mm_ref array = args[0].ref;
  uint32_t index = args[1].u32;
  if (mm_is_null(array)) {
    vm_throw_null(thread);
    return NULL;
  }
  if (index >= mm_length_word(array)) {
    vm_throw_index(thread, args[1].i32, mm_length_word(array));
    return NULL;
  }
  const struct mm_layout *layout = mm_layout_of(array);
  return vm_object_at(array, layout->base_bytes +
                                 ((size_t)index << layout->elem_log2));
}

#define NATIVE(name)                                                           \
  static bool name(struct vm_thread *thread, union vm_slot *args,              \
                   union vm_slot *result)

/* For both widths: `type` in memory, `slot` its member of a register. */
#define NUMBERS(name, type, slot)                                              \
  NATIVE(get_##name)                                                           \
  {                                                                            \
    type *at = element(thread, args);                                          \
    return at && vm_lib_return_##name(result,                                  \
                                      __atomic_load_n(at, __ATOMIC_SEQ_CST));  \
  }                                                                            \
  NATIVE(set_##name)                                                           \
  {                                                                            \
    type *at = element(thread, args);                                          \
    if (!at)                                                                   \
      return false;                                                            \
    __atomic_store_n(at, args[2].slot, __ATOMIC_SEQ_CST);                      \
    return vm_lib_return_void(result);                                         \
  }                                                                            \
  NATIVE(get_and_set_##name)                                                   \
  {                                                                            \
    type *at = element(thread, args);                                          \
    return at && vm_lib_return_##name(                                         \
                     result,                                                   \
                     __atomic_exchange_n(at, args[2].slot, __ATOMIC_SEQ_CST)); \
  }                                                                            \
  NATIVE(get_and_add_##name)                                                   \
  {                                                                            \
    type *at = element(thread, args);                                          \
    return at &&                                                               \
           vm_lib_return_##name(result, __atomic_fetch_add(at, args[2].slot,   \
                                                           __ATOMIC_SEQ_CST)); \
  }                                                                            \
  NATIVE(compare_and_set_##name)                                               \
  {                                                                            \
    type *at = element(thread, args), expected = args[2].slot;                 \
    return at &&                                                               \
           vm_lib_return_i32(result, __atomic_compare_exchange_n(              \
                                         at, &expected, args[3].slot, false,   \
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
  }

NUMBERS(i32, int32_t, i32)
NUMBERS(i64, int64_t, i64)

/* --- References --- */

NATIVE(get_ref)
{
  const uint32_t *at = element(thread, args);
  if (!at)
    return false;
  return vm_lib_return_ref(
      result, (struct mm_ref){__atomic_load_n(at, __ATOMIC_SEQ_CST)});
}

static bool check_store(struct vm_thread *thread, struct mm_ref array,
                        struct mm_ref value)
{
  return mm_is_null(value) ||
         vm_class_is_assignable(vm_class_of(value),
                                vm_class_of(array)->element) ||
         vm_throw_store(thread, value, array);
}

static bool exchange_ref(struct vm_thread *thread, union vm_slot *args,
                         struct mm_ref *old)
{
  uint32_t *at = element(thread, args);
  if (!at || !check_store(thread, args[0].ref, args[2].ref))
    return false;
  *old = vm_object_exchange_ref(thread, args[0].ref, at, args[2].ref);
  return true;
}

NATIVE(set_ref)
{
  struct mm_ref old;
  return exchange_ref(thread, args, &old) && vm_lib_return_void(result);
}

NATIVE(get_and_set_ref)
{
  struct mm_ref old;
  return exchange_ref(thread, args, &old) && vm_lib_return_ref(result, old);
}

NATIVE(compare_and_set_ref)
{
  uint32_t *at = element(thread, args);
  if (!at || !check_store(thread, args[0].ref, args[3].ref))
    return false;
  return vm_lib_return_i32(
      result,
      vm_object_change_ref(thread, args[0].ref, at, args[2].ref, args[3].ref));
}

static const struct vm_native_def methods[] = {
    {"i32 Atomic.getI32(i32[], i32)", get_i32, 0},
    {"void Atomic.setI32(i32[], i32, i32)", set_i32, 0},
    {"i32 Atomic.getAndSetI32(i32[], i32, i32)", get_and_set_i32, 0},
    {"i32 Atomic.getAndAddI32(i32[], i32, i32)", get_and_add_i32, 0},
    {"u1 Atomic.compareAndSetI32(i32[], i32, i32, i32)", compare_and_set_i32,
     0},
    {"i64 Atomic.getI64(i64[], i32)", get_i64, 0},
    {"void Atomic.setI64(i64[], i32, i64)", set_i64, 0},
    {"i64 Atomic.getAndSetI64(i64[], i32, i64)", get_and_set_i64, 0},
    {"i64 Atomic.getAndAddI64(i64[], i32, i64)", get_and_add_i64, 0},
    {"u1 Atomic.compareAndSetI64(i64[], i32, i64, i64)", compare_and_set_i64,
     0},
    {"panda.Object Atomic.getRef(panda.Object[], i32)", get_ref, 0},
    {"void Atomic.setRef(panda.Object[], i32, panda.Object)", set_ref, 0},
    {"panda.Object Atomic.getAndSetRef(panda.Object[], i32, panda.Object)",
     get_and_set_ref, 0},
    {"u1 Atomic.compareAndSetRef(panda.Object[], i32, panda.Object, "
     "panda.Object)",
     compare_and_set_ref, 0},
};

const struct vm_library_class vm_lib_atomic = VM_LIB_RECORD("Atomic", methods);
