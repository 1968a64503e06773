/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: arrays.
 *
 *   regions     copied at once
 *   elements    the array itself, pinned until they are released
 *   critical    the array itself; the thread counts as running meanwhile, so
 *               that no collection moves anything until it is released
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

/* --- Checking --- */

static struct mm_ref array_of(struct vm_thread *thread, const char *function,
                              bamboo_array array)
{
  struct mm_ref ref = native_ref_not_null(thread, function, array);
  if (!mm_is_null(ref) && !vm_class_of(ref)->is_array)
    native_mistake(thread, function, "pass an array",
                   "it wants an array and got an object of %s",
                   vm_class_of(ref)->name);
  return ref;
}

/* Null: pending NullPointerException. */
static struct mm_ref array_of_prim(struct vm_thread *thread,
                                   const char *function, bamboo_array array,
                                   enum vm_prim prim)
{
  struct mm_ref ref = array_of(thread, function, array);
  if (!mm_is_null(ref) && (enum vm_prim)vm_class_of(ref)->element_prim != prim)
    native_mistake(
        thread, function, "use the function of the type of the elements",
        "it is for arrays of another type than %s", vm_class_of(ref)->name);
  return ref;
}

static char *elements_at(struct mm_ref array)
{
  return vm_object_at(array, vm_class_of(array)->layout.base_bytes);
}

static size_t bytes_of(struct mm_ref array, size_t count)
{
  return count << vm_class_of(array)->layout.elem_log2;
}

/* --- All arrays --- */

static int32_t array_length(struct bamboo_env *env, bamboo_array array)
{
  struct vm_thread *thread = native_enter(env, "array_length", 0);
  struct mm_ref ref = array_of(thread, "array_length", array);
  int32_t length = mm_is_null(ref) ? 0 : (int32_t)mm_length_word(ref);
  native_leave(thread);
  return length;
}

/* --- References --- */

static bool fill_array(struct vm_thread *thread, struct mm_ref array,
                       bamboo_object initial)
{
  struct mm_ref value = native_ref(thread, "new_object_array", initial);
  if (mm_is_null(value))
    return true;
  if (!vm_class_is_assignable(vm_class_of(value), vm_class_of(array)->element))
    return vm_throw_store(thread, value, array);
  for (uint32_t i = 0; i < mm_length_word(array); i++)
    vm_array_set_ref(thread, array, i, value);
  return true;
}

static bamboo_array new_object_array(struct bamboo_env *env, int32_t length,
                                     bamboo_class element,
                                     bamboo_object initial)
{
  struct vm_thread *thread = native_enter(env, "new_object_array", 0);
  struct vm_class *class = native_class(thread, "new_object_array", element);
  struct vm_class *array = NULL;
  struct mm_ref ref = MM_NULL;
  if (class) {
    array = vm_class_array_of(thread->vm, class);
    if (array)
      ref = vm_new_array(thread, array, length);
    else
      vm_throw_out_of_memory(thread);
  }
  if (!mm_is_null(ref) && !fill_array(thread, ref, initial))
    ref = MM_NULL;
  bamboo_array result = native_local(thread, ref);
  native_leave(thread);
  return result;
}

static struct mm_ref object_array(struct vm_thread *thread,
                                  const char *function, bamboo_array array,
                                  int32_t index)
{
  struct mm_ref ref = array_of_prim(thread, function, array, VM_PRIM_REF);
  if (mm_is_null(ref) || (index >= 0 && (uint32_t)index < mm_length_word(ref)))
    return ref;
  vm_throw_index(thread, index, mm_length_word(ref));
  return MM_NULL;
}

static bamboo_object get_element(struct bamboo_env *env, bamboo_array array,
                                 int32_t index)
{
  struct vm_thread *thread = native_enter(env, "get_element", 0);
  struct mm_ref ref = object_array(thread, "get_element", array, index);
  bamboo_object element = NULL;
  if (!mm_is_null(ref))
    element = native_local(thread, vm_array_ref(ref, (uint32_t)index));
  native_leave(thread);
  return element;
}

static void set_element(struct bamboo_env *env, bamboo_array array,
                        int32_t index, bamboo_object object)
{
  struct vm_thread *thread = native_enter(env, "set_element", 0);
  struct mm_ref ref = object_array(thread, "set_element", array, index);
  struct mm_ref value = native_ref(thread, "set_element", object);
  if (!mm_is_null(ref)) {
    if (mm_is_null(value) ||
        vm_class_is_assignable(vm_class_of(value), vm_class_of(ref)->element))
      vm_array_set_ref(thread, ref, (uint32_t)index, value);
    else
      vm_throw_store(thread, value, ref);
  }
  native_leave(thread);
}

/* --- Numbers --- */

static bamboo_array new_array(struct bamboo_env *env, const char *function,
                              int32_t length, enum vm_prim prim)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  struct vm_class *class = vm_class_array_of_prim(thread->vm, prim);
  struct mm_ref ref = MM_NULL;
  if (class)
    ref = vm_new_array(thread, class, length);
  else
    vm_throw_out_of_memory(thread);
  bamboo_array array = native_local(thread, ref);
  native_leave(thread);
  return array;
}

static void *pin_elements(struct vm_thread *thread, bamboo_array array)
{
  const struct native_held *held = native_hold_elements(thread, array);
  return held ? (void *)(uintptr_t)held->data : NULL;
}

static void *get_elements(struct bamboo_env *env, const char *function,
                          bamboo_array array, bool *is_copy, enum vm_prim prim)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  struct mm_ref ref = array_of_prim(thread, function, array, prim);
  void *data = mm_is_null(ref) ? NULL : pin_elements(thread, array);
  if (is_copy && data)
    *is_copy = false;
  native_leave(thread);
  return data;
}

/* They are the array's own: however they are released, what was changed is
   there. */
static void release_elements(struct bamboo_env *env, const char *function,
                             bamboo_array array, void *elements,
                             enum bamboo_release mode)
{
  struct vm_thread *thread = native_enter(env, function, NATIVE_PENDING);
  struct native_thread *native = native_thread_of(env);
  struct native_held *held =
      native_unhold(native, elements, NATIVE_HELD_ELEMENTS);
  if (!held)
    native_mistake(thread, function,
                   "release what get_TYPE_elements returned, once, on the same "
                   "thread",
                   "%p are no elements that this thread got", elements);
  struct mm_ref ref = native_ref(thread, function, array);
  if (mm_is_null(ref) || !vm_class_of(ref)->is_array ||
      elements_at(ref) != elements)
    native_mistake(thread, function, "release elements with their own array",
                   "the elements are those of another array");
  if (mode == BAMBOO_COMMIT) {
    held->next = native->held;
    native->held = held;
  } else {
    native_held_free(native, held);
  }
  native_leave(thread);
}

/* Null: an exception is pending. */
static char *region_of(struct vm_thread *thread, const char *function,
                       bamboo_array array, int32_t start, int32_t count,
                       enum vm_prim prim, size_t *bytes)
{
  struct mm_ref ref = array_of_prim(thread, function, array, prim);
  if (mm_is_null(ref))
    return NULL;
  uint32_t length = mm_length_word(ref);
  if (start < 0 || count < 0 || (uint32_t)start > length ||
      (uint32_t)count > length - (uint32_t)start) {
    vm_throw(thread, VM_ERROR_ARRAY_INDEX,
             "start = %d; count = %d; length = %u", (int)start, (int)count,
             (unsigned)length);
    return NULL;
  }
  *bytes = bytes_of(ref, (size_t)count);
  return elements_at(ref) + bytes_of(ref, (size_t)start);
}

static void get_region(struct bamboo_env *env, const char *function,
                       bamboo_array array, int32_t start, int32_t count,
                       void *elements, enum vm_prim prim)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  size_t bytes = 0;
  const char *at =
      region_of(thread, function, array, start, count, prim, &bytes);
  if (at && bytes > 0)
    memcpy(elements, at, bytes);
  native_leave(thread);
}

static void set_region(struct bamboo_env *env, const char *function,
                       bamboo_array array, int32_t start, int32_t count,
                       const void *elements, enum vm_prim prim)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  size_t bytes = 0;
  char *at = region_of(thread, function, array, start, count, prim, &bytes);
  if (at && bytes > 0)
    memcpy(at, elements, bytes);
  native_leave(thread);
}

#define FUNCTIONS(name, type, prim)                                            \
  static bamboo_array new_##name##_array(struct bamboo_env *env,               \
                                         int32_t length)                       \
  {                                                                            \
    return new_array(env, "new_" #name "_array", length, prim);                \
  }                                                                            \
  static type *get_##name##_elements(struct bamboo_env *env,                   \
                                     bamboo_array array, bool *is_copy)        \
  {                                                                            \
    return get_elements(env, "get_" #name "_elements", array, is_copy, prim);  \
  }                                                                            \
  static void release_##name##_elements(struct bamboo_env *env,                \
                                        bamboo_array array, type *elements,    \
                                        enum bamboo_release mode)              \
  {                                                                            \
    release_elements(env, "release_" #name "_elements", array, elements,       \
                     mode);                                                    \
  }                                                                            \
  static void get_##name##_region(struct bamboo_env *env, bamboo_array array,  \
                                  int32_t start, int32_t count,                \
                                  type *elements)                              \
  {                                                                            \
    get_region(env, "get_" #name "_region", array, start, count, elements,     \
               prim);                                                          \
  }                                                                            \
  static void set_##name##_region(struct bamboo_env *env, bamboo_array array,  \
                                  int32_t start, int32_t count,                \
                                  const type *elements)                        \
  {                                                                            \
    set_region(env, "set_" #name "_region", array, start, count, elements,     \
               prim);                                                          \
  }

NATIVE_PRIMITIVES(FUNCTIONS)
#undef FUNCTIONS

/* --- Critical regions --- */

static void *get_critical(struct bamboo_env *env, bamboo_array array)
{
  struct vm_thread *thread = native_enter(env, "get_critical", NATIVE_CRITICAL);
  struct mm_ref ref = array_of(thread, "get_critical", array);
  if (!mm_is_null(ref) && vm_class_of(ref)->element_prim == VM_PRIM_REF)
    native_mistake(thread, "get_critical", "use get_element, set_element",
                   "the elements of %s are references", vm_class_of(ref)->name);
  if (!mm_is_null(ref))
    native_thread_of(env)->criticals++;
  native_leave(thread);
  return mm_is_null(ref) ? NULL : elements_at(ref);
}

static void release_critical(struct bamboo_env *env, bamboo_array array,
                             void *elements)
{
  struct native_thread *native = native_thread_of(env);
  bool is_open = native->criticals > 0;
  struct vm_thread *thread =
      native_enter(env, "release_critical", NATIVE_CRITICAL | NATIVE_PENDING);
  if (!is_open)
    native_mistake(thread, "release_critical",
                   "call it once for each get_critical",
                   "no critical region is open");
  struct mm_ref ref = native_ref(thread, "release_critical", array);
  if (mm_is_null(ref) || !vm_class_of(ref)->is_array ||
      elements != elements_at(ref))
    native_mistake(thread, "release_critical",
                   "release elements with their own array",
                   "%p are not the elements of this array", elements);
  native->criticals--;
  native_leave(thread);
}

#define FILL(name, type, prim)                                                 \
  env->new_##name##_array = new_##name##_array;                                \
  env->get_##name##_elements = get_##name##_elements;                          \
  env->release_##name##_elements = release_##name##_elements;                  \
  env->get_##name##_region = get_##name##_region;                              \
  env->set_##name##_region = set_##name##_region;

void native_fill_arrays(struct bamboo_env *env)
{
  env->array_length = array_length;
  env->new_object_array = new_object_array;
  env->get_element = get_element;
  env->set_element = set_element;
  NATIVE_PRIMITIVES(FILL)
  env->get_critical = get_critical;
  env->release_critical = release_critical;
}
