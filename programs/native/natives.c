/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C side of natives.pa: functions that get the machine's table.  Nothing of
 * Bamboo is linked in; the header is all it takes:
 *
 *   cc -shared -fPIC -I INCLUDE natives.c -o natives.so
 *   bamboo run --native-lib=./natives.so natives.pa
 */
#include "vm/native/native.h" /* installed: <bamboo/native.h> */

#include <stdlib.h>
#include <string.h>

/* .function i64 Counter.add(Counter a0, i32 a1) <native>
   An instance method: reads and writes a field of the object. */
int64_t Bamboo_Counter_add(struct bamboo_env *env, bamboo_object self,
                           int32_t by)
{
  bamboo_class class = env->get_object_class(env, self);
  bamboo_field total = env->field_id(env, class, "total", "i64");
  if (total == NULL)
    return 0;
  int64_t sum = env->get_i64(env, self, total) + by;
  env->set_i64(env, self, total, sum);
  return sum;
}

/* .function panda.String repeat(panda.String a0, i32 a1) <native>
   Strings in and out. */
bamboo_string Bamboo_repeat(struct bamboo_env *env, bamboo_class self,
                            bamboo_string text, int32_t times)
{
  size_t bytes;
  const char *utf8 = env->get_utf8(env, text, &bytes);
  (void)self;
  if (utf8 == NULL)
    return NULL;
  char *all = malloc(bytes * (size_t)times + 1);
  bamboo_string result = NULL;
  if (all != NULL) {
    for (int32_t i = 0; i < times; i++)
      memcpy(all + bytes * (size_t)i, utf8, bytes);
    result = env->new_string_bytes(env, all, bytes * (size_t)times);
  }
  free(all);
  env->release_utf8(env, text, utf8);
  return result;
}

/* .function i64 sum(i32[] a0) <native>
   The elements themselves, for a moment. */
int64_t Bamboo_sum(struct bamboo_env *env, bamboo_class self,
                   bamboo_array array)
{
  int32_t count = env->array_length(env, array);
  int64_t sum = 0;
  (void)self;
  int32_t *elements = env->get_critical(env, array);
  if (elements == NULL)
    return 0;
  for (int32_t i = 0; i < count; i++)
    sum += elements[i];
  env->release_critical(env, array, elements);
  return sum;
}

/* .function panda.String[] split(panda.String a0) <native>
   An array of new strings, one for each word. */
bamboo_array Bamboo_split(struct bamboo_env *env, bamboo_class self,
                          bamboo_string text)
{
  const char *utf8 = env->get_utf8(env, text, NULL);
  (void)self;
  if (utf8 == NULL)
    return NULL;
  int32_t count = 0;
  for (const char *at = utf8; *at; at++)
    count += *at != ' ' && (at == utf8 || at[-1] == ' ');
  bamboo_class string = env->find_class(env, "panda.String");
  bamboo_array words = env->new_object_array(env, count, string, NULL);
  const char *at = utf8;
  for (int32_t i = 0; i < count && words != NULL; i++) {
    at += strspn(at, " ");
    size_t bytes = strcspn(at, " ");
    bamboo_string word = env->new_string_bytes(env, at, bytes);
    if (word == NULL)
      break;
    env->set_element(env, words, i, word);
    env->delete_local(env, word);
    at += bytes;
  }
  env->release_utf8(env, text, utf8);
  return words;
}

/* .function i32 twice(Visitor a0, i32 a1) <native>
   Calls back, and lets an exception of what it calls pass. */
int32_t Bamboo_twice(struct bamboo_env *env, bamboo_class self,
                     bamboo_object visitor, int32_t x)
{
  bamboo_class class = env->get_object_class(env, visitor);
  (void)self;
  if (class == NULL)
    return 0;
  bamboo_method visit = env->method_id(env, class, "visit", "i32(i32)");
  if (visit == NULL)
    return 0;
  int32_t y = env->call_i32(env, visitor, visit, x);
  if (env->exception_check(env))
    return 0;
  return env->call_i32(env, visitor, visit, y);
}

/* .function i32 checked(i32 a0) <native>
   Throws. */
int32_t Bamboo_checked(struct bamboo_env *env, bamboo_class self, int32_t x)
{
  (void)self;
  if (x >= 0)
    return x;
  env->throw_new(env, env->find_class(env, "panda.RuntimeException"),
                 "negative");
  return 0;
}

/* .function void Cache.keep(panda.Object a0), panda.Object Cache.kept()
   An object that C code keeps between calls. */
static bamboo_object kept;

void Bamboo_Cache_keep(struct bamboo_env *env, bamboo_class self,
                       bamboo_object object)
{
  (void)self;
  env->delete_global(env, kept);
  kept = env->new_global(env, object);
}

bamboo_object Bamboo_Cache_kept(struct bamboo_env *env, bamboo_class self)
{
  (void)self;
  return env->new_local(env, kept);
}

/* .function void Window.open(i64[] a0), i64 Window.add(i32 a0, i32 a1),
             i64[] Window.close()
   Elements that C code has a pointer to between calls.  As long as they are not
   released the array stays where it is, and stays at all: a weak handle of it
   is enough. */
static bamboo_array window;
static int64_t *elements;

void Bamboo_Window_open(struct bamboo_env *env, bamboo_class self,
                        bamboo_array array)
{
  (void)self;
  elements = env->get_i64_elements(env, array, NULL);
  if (elements != NULL)
    window = env->new_weak(env, array);
}

int64_t Bamboo_Window_add(struct bamboo_env *env, bamboo_class self,
                          int32_t index, int32_t by)
{
  (void)env, (void)self;
  return elements == NULL ? 0 : (elements[index] += by);
}

bamboo_array Bamboo_Window_close(struct bamboo_env *env, bamboo_class self)
{
  bamboo_array array = env->new_local(env, window);
  (void)self;
  if (elements == NULL || array == NULL)
    return NULL;
  env->release_i64_elements(env, array, elements, BAMBOO_KEEP);
  elements = NULL;
  env->delete_weak(env, window);
  return array;
}

/* Two functions of one name: their types tell them apart. */
int32_t Bamboo_size__i32_3(struct bamboo_env *env, bamboo_class self,
                           bamboo_array array)
{
  (void)self;
  return env->array_length(env, array);
}

int32_t Bamboo_size__panda_String(struct bamboo_env *env, bamboo_class self,
                                  bamboo_string text)
{
  (void)self;
  return env->string_length(env, text);
}

/* A plain C function: it knows nothing of the machine. */
double hypotenuse(double a, double b)
{
  double square = a * a + b * b, root = square;
  for (int i = 0; i < 60; i++)
    root = 0.5 * (root + square / root);
  return root;
}

/* When the library was loaded: what it needs of the machine. */
uint32_t Bamboo_OnLoad(struct bamboo_env *env, uint32_t version)
{
  (void)env, (void)version;
  return 1;
}

void Bamboo_OnUnload(struct bamboo_env *env)
{
  env->delete_global(env, kept);
  kept = NULL;
}
