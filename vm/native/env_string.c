/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: strings.  UTF-8 is the world's, without surrogates (a lone one
 * comes out as U+FFFD) and with U+0000 as one zero byte.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/core/string_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

static struct mm_ref string_of(struct vm_thread *thread, const char *function,
                               bamboo_string string)
{
  struct mm_ref ref = native_ref_not_null(thread, function, string);
  if (!mm_is_null(ref) && vm_class_of(ref) != thread->vm->known.string)
    native_mistake(thread, function, "pass a panda.String",
                   "it wants a string and got an object of %s",
                   vm_class_of(ref)->name);
  return ref;
}

/* --- Making --- */

static bamboo_string make(struct bamboo_env *env, const char *function,
                          const char *utf8, size_t bytes)
{
  struct vm_thread *thread = native_enter(env, function, 0);
  bamboo_string string =
      native_local(thread, vm_string_from_utf8(thread, utf8, bytes));
  native_leave(thread);
  return string;
}

static bamboo_string new_string(struct bamboo_env *env, const char *utf8)
{
  return utf8 ? make(env, "new_string", utf8, strlen(utf8)) : NULL;
}

static bamboo_string new_string_bytes(struct bamboo_env *env, const char *utf8,
                                      size_t bytes)
{
  return make(env, "new_string_bytes", utf8, bytes);
}

static bamboo_string new_string_utf16(struct bamboo_env *env,
                                      const uint16_t *units, int32_t count)
{
  struct vm_thread *thread = native_enter(env, "new_string_utf16", 0);
  struct mm_ref ref = MM_NULL;
  if (count < 0)
    vm_throw_negative_size(thread, count);
  else
    ref = vm_string_from_utf16(thread, units, (uint32_t)count);
  bamboo_string string = native_local(thread, ref);
  native_leave(thread);
  return string;
}

/* --- Looking --- */

static int32_t string_length(struct bamboo_env *env, bamboo_string string)
{
  struct vm_thread *thread = native_enter(env, "string_length", 0);
  struct mm_ref ref = string_of(thread, "string_length", string);
  int32_t length = mm_is_null(ref) ? 0 : (int32_t)vm_string_length(ref);
  native_leave(thread);
  return length;
}

static size_t string_utf8_bytes(struct bamboo_env *env, bamboo_string string)
{
  struct vm_thread *thread = native_enter(env, "string_utf8_bytes", 0);
  struct mm_ref ref = string_of(thread, "string_utf8_bytes", string);
  size_t bytes = mm_is_null(ref) ? 0 : vm_string_utf8_bytes(ref);
  native_leave(thread);
  return bytes;
}

/* --- Copies that are held --- */

/* All of it, and a zero. */
static void encode(struct mm_ref ref, char *text, size_t bytes)
{
  uint32_t index = 0;
  size_t used = vm_string_encode(ref, &index, text, bytes + 4);
  VM_ASSERT(used == bytes);
  text[used] = 0;
}

static const char *get_utf8(struct bamboo_env *env, bamboo_string string,
                            size_t *bytes)
{
  struct vm_thread *thread = native_enter(env, "get_utf8", 0);
  struct mm_ref ref = string_of(thread, "get_utf8", string);
  char *text = NULL;
  if (!mm_is_null(ref)) {
    size_t used = vm_string_utf8_bytes(ref);
    size_t room = used + 5; /* vm_string_encode wants 4 more than it uses */
    struct native_held *held = native_hold_text(thread, room);
    text = held ? (char *)held->text : NULL;
    if (text)
      encode(ref, text, used);
    if (text && bytes)
      *bytes = used;
  }
  native_leave(thread);
  return text;
}

static const uint16_t *get_utf16(struct bamboo_env *env, bamboo_string string)
{
  struct vm_thread *thread = native_enter(env, "get_utf16", 0);
  struct mm_ref ref = string_of(thread, "get_utf16", string);
  uint16_t *units = NULL;
  if (!mm_is_null(ref)) {
    uint32_t length = vm_string_length(ref);
    size_t room = ((size_t)length + 1) * sizeof *units;
    struct native_held *held = native_hold_text(thread, room);
    units = held ? (uint16_t *)held->text : NULL;
    for (uint32_t i = 0; units && i < length; i++)
      units[i] = vm_string_unit(ref, i);
    if (units)
      units[length] = 0;
  }
  native_leave(thread);
  return units;
}

static void release(struct bamboo_env *env, const char *function,
                    const void *data)
{
  struct vm_thread *thread = native_enter(env, function, NATIVE_PENDING);
  struct native_held *held =
      native_unhold(native_thread_of(env), data, NATIVE_HELD_TEXT);
  if (!held)
    native_mistake(thread, function,
                   "release what get_utf8 or get_utf16 returned, once, on the "
                   "same thread",
                   "%p is no text that this thread got", data);
  native_held_free(native_thread_of(env), held);
  native_leave(thread);
}

static void release_utf8(struct bamboo_env *env, bamboo_string string,
                         const char *utf8)
{
  (void)string;
  release(env, "release_utf8", utf8);
}

static void release_utf16(struct bamboo_env *env, bamboo_string string,
                          const uint16_t *units)
{
  (void)string;
  release(env, "release_utf16", units);
}

/* --- Regions --- */

/* Null: an exception is pending. */
static struct mm_ref region_of(struct vm_thread *thread, const char *function,
                               bamboo_string string, int32_t start,
                               int32_t count)
{
  struct mm_ref ref = string_of(thread, function, string);
  if (mm_is_null(ref))
    return ref;
  uint32_t length = vm_string_length(ref);
  if (start >= 0 && count >= 0 && (uint32_t)start <= length &&
      (uint32_t)count <= length - (uint32_t)start)
    return ref;
  vm_throw(thread, VM_ERROR_STRING_INDEX, "start = %d; count = %d; length = %u",
           (int)start, (int)count, (unsigned)length);
  return MM_NULL;
}

static void get_utf16_region(struct bamboo_env *env, bamboo_string string,
                             int32_t start, int32_t count, uint16_t *units)
{
  struct vm_thread *thread = native_enter(env, "get_utf16_region", 0);
  struct mm_ref ref =
      region_of(thread, "get_utf16_region", string, start, count);
  if (!mm_is_null(ref))
    for (int32_t i = 0; i < count; i++)
      units[i] = vm_string_unit(ref, (uint32_t)(start + i));
  native_leave(thread);
}

static size_t get_utf8_region(struct bamboo_env *env, bamboo_string string,
                              int32_t start, int32_t count, char *utf8,
                              size_t utf8_bytes)
{
  struct vm_thread *thread = native_enter(env, "get_utf8_region", 0);
  struct mm_ref ref =
      region_of(thread, "get_utf8_region", string, start, count);
  size_t bytes = 0;
  if (!mm_is_null(ref))
    bytes = vm_string_encode_region(ref, (uint32_t)start, (uint32_t)count, utf8,
                                    utf8_bytes);
  native_leave(thread);
  return bytes;
}

void native_fill_strings(struct bamboo_env *env)
{
  env->new_string = new_string;
  env->new_string_bytes = new_string_bytes;
  env->new_string_utf16 = new_string_utf16;
  env->string_length = string_length;
  env->string_utf8_bytes = string_utf8_bytes;
  env->get_utf8 = get_utf8;
  env->release_utf8 = release_utf8;
  env->get_utf16 = get_utf16;
  env->release_utf16 = release_utf16;
  env->get_utf16_region = get_utf16_region;
  env->get_utf8_region = get_utf8_region;
}
