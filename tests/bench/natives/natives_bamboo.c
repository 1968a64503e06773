/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark's program calls, for Bamboo. */
#include "vm/native/native.h"

#include <stdlib.h>
#include <time.h>

static int64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

int64_t now(void)
{
  return now_ns();
}

int32_t plain(int32_t x)
{
  return x + 1;
}

int32_t Bamboo_call(struct bamboo_env *env, bamboo_class self, int32_t x)
{
  (void)env, (void)self;
  return x + 1;
}

int32_t Bamboo_object(struct bamboo_env *env, bamboo_class self,
                      bamboo_object object, int32_t x)
{
  (void)env, (void)self, (void)object;
  return x + 1;
}

void Bamboo_Counter_field(struct bamboo_env *env, bamboo_object self)
{
  static bamboo_field field;
  if (!field)
    field = env->field_id(env, env->get_object_class(env, self), "x", "i32");
  env->set_i32(env, self, field, env->get_i32(env, self, field) + 1);
}

int32_t Bamboo_text(struct bamboo_env *env, bamboo_class self,
                    bamboo_string text)
{
  const char *utf8 = env->get_utf8(env, text, NULL);
  (void)self;
  int32_t first = utf8[0];
  env->release_utf8(env, text, utf8);
  return first;
}

int32_t Bamboo_critical(struct bamboo_env *env, bamboo_class self,
                        bamboo_array array)
{
  (void)self;
  int32_t *elements = env->get_critical(env, array);
  int32_t first = elements[0];
  env->release_critical(env, array, elements);
  return first;
}

int32_t Bamboo_elements(struct bamboo_env *env, bamboo_class self,
                        bamboo_array array)
{
  (void)self;
  int32_t *elements = env->get_i32_elements(env, array, NULL);
  int32_t first = elements[0];
  env->release_i32_elements(env, array, elements, BAMBOO_KEEP);
  return first;
}

/* Nanoseconds that n calls back take. */
int64_t Bamboo_back(struct bamboo_env *env, bamboo_class self, int32_t n)
{
  bamboo_method next = env->static_method_id(env, self, "next", "i32(i32)");
  int64_t begin = now_ns();
  int32_t x = 0;
  for (int32_t i = 0; i < n; i++)
    x = env->call_static_i32(env, self, next, x);
  return x == n ? now_ns() - begin : 0;
}

int64_t Bamboo_closure(struct bamboo_env *env, bamboo_class self, int32_t n)
{
  bamboo_method next = env->static_method_id(env, self, "next", "i32(i32)");
  int32_t (*call)(int32_t) =
      (int32_t(*)(int32_t))env->new_callback(env, NULL, next, false);
  int64_t begin = now_ns();
  int32_t x = 0;
  for (int32_t i = 0; i < n; i++)
    x = call(x);
  int64_t end = now_ns();
  env->delete_callback(env, (bamboo_function)call);
  return x == n ? end - begin : 0;
}
