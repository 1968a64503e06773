/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native code and the machine: what a C function that a program calls may do,
 * and how a C program has a machine of its own.  Installed as
 * <bamboo/native.h>; needs nothing else of Bamboo.
 *
 *   .record Greeter {}
 *   .function i32 Greeter.greet(panda.String a0) <native>
 *
 *   int32_t Bamboo_Greeter_greet(struct bamboo_env *env, bamboo_class self,
 *                                bamboo_string whom)
 *   {
 *     const char *text = env->get_utf8(env, whom, NULL);
 *     if (text == NULL)
 *       return 0;                  an exception is pending: return at once
 *     int32_t length = printf("Hello, %s\n", text);
 *     env->release_utf8(env, whom, text);
 *     return length;
 *   }
 *
 * The names, the types and the plain C functions that need none of this are in
 * vm/native/README.md.
 *
 * Native code never sees an object's address.  It gets handles, which are
 * pointers to something that is never defined:
 *
 *   local   of the thread, until the native function returns
 *   global  until it is deleted, on any thread
 *   weak    the same, but keeps nothing alive
 *
 * Note [Pending exceptions]
 *
 * A function that may fail says so by what it returns (false, NULL, 0), and
 * leaves an exception pending, which is thrown when the native function
 * returns.  While one is pending only those functions may be called that say
 * "pending: allowed"; the rest are mistakes.
 *
 * Note [Mistakes of native code]
 *
 * A handle that is stale, of another thread or of no kind that fits, a call
 * with an exception pending or within a critical region, a field or a method
 * that is not what the function is for: such a mistake ends the process, with a
 * message that names the function, the handle and the remedy.
 *
 * The struct is a table of the thread; `version' says how much of it there is:
 * later versions add members at the end and change none.
 */
#ifndef BAMBOO_NATIVE_H
#define BAMBOO_NATIVE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BAMBOO_NATIVE_VERSION 1

/* Handles.  All are objects; the names say what is expected. */
typedef struct bamboo_opaque *bamboo_object;
typedef bamboo_object bamboo_class;  /* of panda.Class */
typedef bamboo_object bamboo_string; /* of panda.String */
typedef bamboo_object bamboo_array;
typedef bamboo_object bamboo_throwable;

/* A field and a method.  No handles: they are good as long as their class is
   loaded. */
typedef struct bamboo_opaque_field *bamboo_field;
typedef struct bamboo_opaque_method *bamboo_method;

/* The primitive types: X(name, C type). */
#define BAMBOO_PRIMITIVES(X)                                                   \
  X(u1, bool)                                                                  \
  X(i8, int8_t)                                                                \
  X(u8, uint8_t)                                                               \
  X(i16, int16_t)                                                              \
  X(u16, uint16_t)                                                             \
  X(i32, int32_t)                                                              \
  X(u32, uint32_t)                                                             \
  X(i64, int64_t)                                                              \
  X(u64, uint64_t)                                                             \
  X(f32, float)                                                                \
  X(f64, double)

/* Those, and references: what a field can hold. */
#define BAMBOO_VALUES(X) X(object, bamboo_object) BAMBOO_PRIMITIVES(X)

union bamboo_value {
#define BAMBOO_MEMBER(name, type) type name;
  BAMBOO_VALUES(BAMBOO_MEMBER)
#undef BAMBOO_MEMBER
};

/* What becomes of elements that are released. */
enum bamboo_release {
  BAMBOO_KEEP,    /* what was changed is in the array; the pointer is gone */
  BAMBOO_COMMIT,  /* the same, and the pointer stays good */
  BAMBOO_DISCARD, /* of a copy, what was changed is lost; the pointer is gone */
};

enum bamboo_reference_kind {
  BAMBOO_REFERENCE_NONE, /* null, or no handle */
  BAMBOO_REFERENCE_LOCAL,
  BAMBOO_REFERENCE_GLOBAL,
  BAMBOO_REFERENCE_WEAK,
};

/* A C function of any type. */
typedef void (*bamboo_function)(void);

/* A native method and the function that it is to call, as by the name
   Bamboo_RECORD_METHOD. */
struct bamboo_native {
  const char *name;
  const char *signature; /* as for method_id; null: there is one of the name */
  bamboo_function function;
};

struct bamboo_vm;

struct bamboo_env {
  uint32_t version; /* BAMBOO_NATIVE_VERSION of the machine */
  uint32_t bytes;   /* of this struct */

  /* --- Classes --- */

  /* By a name such as "R", "panda.String", "i32[]", as the module means it
     whose native runs.  NULL: pending NoClassDefFoundError. */
  bamboo_class (*find_class)(struct bamboo_env *env, const char *name);
  /* NULL for panda.Object. */
  bamboo_class (*get_superclass)(struct bamboo_env *env, bamboo_class class_);
  bool (*is_assignable)(struct bamboo_env *env, bamboo_class from,
                        bamboo_class to);
  /* Of an object that is not null. */
  bamboo_class (*get_object_class)(struct bamboo_env *env,
                                   bamboo_object object);
  /* Null is an instance of every class. */
  bool (*is_instance)(struct bamboo_env *env, bamboo_object object,
                      bamboo_class class_);
  /* Good as long as the class is loaded. */
  const char *(*get_class_name)(struct bamboo_env *env, bamboo_class class_);

  /* --- Fields --- */

  /* By name and, where two have it, type ("i32", "R"; may be null), searched
     from the class up.  NULL: pending NoSuchFieldError.  That of a static one
     initialises the class first. */
  bamboo_field (*field_id)(struct bamboo_env *env, bamboo_class class_,
                           const char *name, const char *type);
  bamboo_field (*static_field_id)(struct bamboo_env *env, bamboo_class class_,
                                  const char *name, const char *type);

#define BAMBOO_MEMBER(name, type)                                              \
  type (*get_##name)(struct bamboo_env * env, bamboo_object object,            \
                     bamboo_field field);                                      \
  void (*set_##name)(struct bamboo_env * env, bamboo_object object,            \
                     bamboo_field field, type value);                          \
  type (*get_static_##name)(struct bamboo_env * env, bamboo_class class_,      \
                            bamboo_field field);                               \
  void (*set_static_##name)(struct bamboo_env * env, bamboo_class class_,      \
                            bamboo_field field, type value);
  BAMBOO_VALUES(BAMBOO_MEMBER)
#undef BAMBOO_MEMBER

  /* --- Methods --- */

  /*
   * By name and signature: the type that it returns, then those of the
   * parameters without the receiver, as in "i32(i64, panda.String)"; null when
   * there is only one of that name.  A constructor's name is ".ctor".  The
   * class "_GLOBAL" has the functions without a record.  NULL: pending
   * NoSuchMethodError.  That of a static one initialises the class first.
   */
  bamboo_method (*method_id)(struct bamboo_env *env, bamboo_class class_,
                             const char *name, const char *signature);
  bamboo_method (*static_method_id)(struct bamboo_env *env, bamboo_class class_,
                                    const char *name, const char *signature);

  /*
   * Calls.  Virtual: the method of the object's class that overrides it.
   * Nonvirtual: the method itself.  Arguments as the parameters say, promoted
   * as C does (f32 is passed as a double); of the _a forms one value each.
   * What is returned is 0 when an exception is pending.
   */
#define BAMBOO_MEMBER(name, type)                                              \
  type (*call_##name)(struct bamboo_env * env, bamboo_object object,           \
                      bamboo_method method, ...);                              \
  type (*call_##name##_v)(struct bamboo_env * env, bamboo_object object,       \
                          bamboo_method method, va_list arguments);            \
  type (*call_##name##_a)(struct bamboo_env * env, bamboo_object object,       \
                          bamboo_method method,                                \
                          const union bamboo_value *arguments);                \
  type (*call_nonvirtual_##name)(struct bamboo_env * env,                      \
                                 bamboo_object object, bamboo_class class_,    \
                                 bamboo_method method, ...);                   \
  type (*call_nonvirtual_##name##_v)(                                          \
      struct bamboo_env * env, bamboo_object object, bamboo_class class_,      \
      bamboo_method method, va_list arguments);                                \
  type (*call_nonvirtual_##name##_a)(                                          \
      struct bamboo_env * env, bamboo_object object, bamboo_class class_,      \
      bamboo_method method, const union bamboo_value *arguments);              \
  type (*call_static_##name)(struct bamboo_env * env, bamboo_class class_,     \
                             bamboo_method method, ...);                       \
  type (*call_static_##name##_v)(struct bamboo_env * env, bamboo_class class_, \
                                 bamboo_method method, va_list arguments);     \
  type (*call_static_##name##_a)(struct bamboo_env * env, bamboo_class class_, \
                                 bamboo_method method,                         \
                                 const union bamboo_value *arguments);
  BAMBOO_VALUES(BAMBOO_MEMBER)
  BAMBOO_MEMBER(void, void)
#undef BAMBOO_MEMBER

  /* --- Objects --- */

  /* Without running a constructor. */
  bamboo_object (*alloc_object)(struct bamboo_env *env, bamboo_class class_);
  /* And with one; NULL: pending. */
  bamboo_object (*new_object)(struct bamboo_env *env, bamboo_class class_,
                              bamboo_method constructor, ...);
  bamboo_object (*new_object_v)(struct bamboo_env *env, bamboo_class class_,
                                bamboo_method constructor, va_list arguments);
  bamboo_object (*new_object_a)(struct bamboo_env *env, bamboo_class class_,
                                bamboo_method constructor,
                                const union bamboo_value *arguments);

  /* --- Arrays --- */

  int32_t (*array_length)(struct bamboo_env *env, bamboo_array array);
  /* Of references, each the same at first. */
  bamboo_array (*new_object_array)(struct bamboo_env *env, int32_t length,
                                   bamboo_class element, bamboo_object initial);
  /* Pending ArrayIndexOutOfBoundsException, ArrayStoreException. */
  bamboo_object (*get_element)(struct bamboo_env *env, bamboo_array array,
                               int32_t index);
  void (*set_element)(struct bamboo_env *env, bamboo_array array, int32_t index,
                      bamboo_object value);

  /*
   * Of primitives.  Elements that were got stay in place until they are
   * released, by the same thread (*is_copy, which may be null, tells whether
   * they are a copy instead); the collector works meanwhile, and so may any
   * other function here.  NULL: pending OutOfMemoryError.  Regions are copied
   * at once.
   */
#define BAMBOO_MEMBER(name, type)                                              \
  bamboo_array (*new_##name##_array)(struct bamboo_env * env, int32_t length); \
  type *(*get_##name##_elements)(struct bamboo_env * env, bamboo_array array,  \
                                 bool *is_copy);                               \
  void (*release_##name##_elements)(                                           \
      struct bamboo_env * env, bamboo_array array, type * elements,            \
      enum bamboo_release mode); /* pending: allowed */                        \
  void (*get_##name##_region)(struct bamboo_env * env, bamboo_array array,     \
                              int32_t start, int32_t count, type * elements);  \
  void (*set_##name##_region)(struct bamboo_env * env, bamboo_array array,     \
                              int32_t start, int32_t count,                    \
                              const type *elements);
  BAMBOO_PRIMITIVES(BAMBOO_MEMBER)
#undef BAMBOO_MEMBER

  /* The elements themselves, at no cost.  Until they are released the program
     cannot be stopped, so that others wait who have to collect: be brief, do
     not block, call nothing here but these two. */
  void *(*get_critical)(struct bamboo_env *env, bamboo_array array);
  void (*release_critical)(struct bamboo_env *env, bamboo_array array,
                           void *elements); /* pending: allowed */

  /* --- Strings: UTF-8 as the rest of the world has it, and UTF-16 --- */

  bamboo_string (*new_string)(struct bamboo_env *env, const char *utf8);
  bamboo_string (*new_string_bytes)(struct bamboo_env *env, const char *utf8,
                                    size_t bytes);
  bamboo_string (*new_string_utf16)(struct bamboo_env *env,
                                    const uint16_t *units, int32_t count);
  /* In UTF-16 units; in bytes of UTF-8. */
  int32_t (*string_length)(struct bamboo_env *env, bamboo_string string);
  size_t (*string_utf8_bytes)(struct bamboo_env *env, bamboo_string string);
  /* A copy with a zero behind it, until it is released.  NULL: pending. */
  const char *(*get_utf8)(struct bamboo_env *env, bamboo_string string,
                          size_t *bytes);
  void (*release_utf8)(struct bamboo_env *env, bamboo_string string,
                       const char *utf8); /* pending: allowed */
  const uint16_t *(*get_utf16)(struct bamboo_env *env, bamboo_string string);
  void (*release_utf16)(struct bamboo_env *env, bamboo_string string,
                        const uint16_t *units); /* pending: allowed */
  /* Some units of it; pending StringIndexOutOfBoundsException.  UTF-8: as many
     whole characters as fit with a zero behind them; returns how many bytes all
     of them take, without the zero. */
  void (*get_utf16_region)(struct bamboo_env *env, bamboo_string string,
                           int32_t start, int32_t count, uint16_t *units);
  size_t (*get_utf8_region)(struct bamboo_env *env, bamboo_string string,
                            int32_t start, int32_t count, char *utf8,
                            size_t utf8_bytes);

  /* --- Exceptions; pending: allowed, but for throwing --- */

  /* From now on it is pending. */
  void (*throw_object)(struct bamboo_env *env, bamboo_throwable exception);
  /* One of a class of exceptions with this message, which may be null.  No
     constructor is run. */
  void (*throw_new)(struct bamboo_env *env, bamboo_class class_,
                    const char *message);
  /* NULL: none is pending, or the program is exiting. */
  bamboo_throwable (*exception_occurred)(struct bamboo_env *env);
  /* Is one pending, or is the program exiting?  Then return soon. */
  bool (*exception_check)(struct bamboo_env *env);
  /* Prints it and its trace where uncaught ones are printed.  It stays. */
  void (*exception_describe)(struct bamboo_env *env);
  void (*exception_clear)(struct bamboo_env *env);
  /* Ends the process. */
  void (*fatal_error)(struct bamboo_env *env, const char *message);

  /* --- References --- */

  bamboo_object (*new_global)(struct bamboo_env *env, bamboo_object object);
  void (*delete_global)(struct bamboo_env *env,
                        bamboo_object object); /* pending: allowed */
  bamboo_object (*new_weak)(struct bamboo_env *env, bamboo_object object);
  void (*delete_weak)(struct bamboo_env *env,
                      bamboo_object object); /* pending: allowed */
  /* Of a weak one whose object died: NULL. */
  bamboo_object (*new_local)(struct bamboo_env *env, bamboo_object object);
  void (*delete_local)(struct bamboo_env *env,
                       bamboo_object object); /* pending: allowed */
  /* Local ones made from now on are gone at pop_frame, which hands one out into
     the frame before.  False: pending OutOfMemoryError. */
  bool (*push_frame)(struct bamboo_env *env, int32_t capacity);
  bamboo_object (*pop_frame)(struct bamboo_env *env,
                             bamboo_object result); /* pending: allowed */
  bool (*ensure_capacity)(struct bamboo_env *env, int32_t count);
  bool (*is_same)(struct bamboo_env *env, bamboo_object one,
                  bamboo_object other);
  /* Asks, and is no mistake with anything. */
  enum bamboo_reference_kind (*reference_kind)(struct bamboo_env *env,
                                               bamboo_object object);

  /* --- Monitors --- */

  bool (*monitor_enter)(struct bamboo_env *env, bamboo_object object);
  bool (*monitor_exit)(struct bamboo_env *env,
                       bamboo_object object); /* pending: allowed */

  /* --- Natives and callbacks --- */

  /* Which functions native methods of a class call, whatever libraries have.
     False: pending NoSuchMethodError for the first that is not there or not
     native; those before it are registered. */
  bool (*register_natives)(struct bamboo_env *env, bamboo_class class_,
                           const struct bamboo_native *natives, size_t count);
  /* They are looked for in libraries again. */
  bool (*unregister_natives)(struct bamboo_env *env, bamboo_class class_);

  /*
   * A C function that calls a method: of the object, or a static one if the
   * object is null.  Its parameters are those of the method in the C types
   * above (panda.String: const char *; i64 for other pointers).  With
   * `by_pointer' each parameter is a pointer to such a value instead, as
   * qsort and bsearch have it.  It may be called on attached threads, until it
   * is deleted.  An exception of the method stays pending, and from then on
   * calls return 0 without running it, until the native function returns or
   * clears it.  NULL: pending.
   */
  bamboo_function (*new_callback)(struct bamboo_env *env, bamboo_object object,
                                  bamboo_method method, bool by_pointer);
  void (*delete_callback)(struct bamboo_env *env,
                          bamboo_function callback); /* pending: allowed */

  struct bamboo_vm *(*get_vm)(struct bamboo_env *env); /* pending: allowed */
};

/* --- The machine --- */

struct bamboo_error {
  char text[512];
};

/* How a run of a program's entry point ended. */
enum bamboo_outcome {
  BAMBOO_RETURNED,  /* or exited: the status is the program's */
  BAMBOO_UNCAUGHT,  /* an exception, which was printed; a deadlock likewise */
  BAMBOO_NOT_FOUND, /* no such entry point */
  BAMBOO_NO_MEMORY, /* it did not begin */
};

struct bamboo_vm {
  uint32_t version; /* BAMBOO_NATIVE_VERSION of the machine */
  uint32_t bytes;   /* of this struct */

  /* The table of the calling thread; NULL: it is not attached. */
  struct bamboo_env *(*get_env)(struct bamboo_vm *vm);
  /* Makes the calling thread one of the machine, until it detaches.  The end of
     the machine waits for those that are no daemons.  Daemons are asked to
     leave (exception_check) and then waited for.  NULL: error. */
  struct bamboo_env *(*attach)(struct bamboo_vm *vm,
                               struct bamboo_error *error);
  struct bamboo_env *(*attach_daemon)(struct bamboo_vm *vm,
                                      struct bamboo_error *error);
  /* False: it is not attached, or the machine's own, or runs methods now. */
  bool (*detach)(struct bamboo_vm *vm);

  /* Takes in programs: Panda Assembly from a file, or from memory.  By the
     thread that made the machine, while it is the only one.  False: error,
     among others the first message of the assembler. */
  bool (*load_file)(struct bamboo_vm *vm, const char *file,
                    struct bamboo_error *error);
  bool (*load_text)(struct bamboo_vm *vm, const char *name, const char *text,
                    size_t bytes, struct bamboo_error *error);
  /* Another shared library with natives, as by --native-lib. */
  bool (*load_library)(struct bamboo_vm *vm, const char *name,
                       struct bamboo_error *error);

  /* Runs "Class::method" (NULL: "_GLOBAL::main") with these arguments, waits
     for the program's threads, as `bamboo run' does. */
  enum bamboo_outcome (*run_main)(struct bamboo_vm *vm, const char *entry,
                                  int argc, char *const *argv, int *status,
                                  struct bamboo_error *error);

  /* Ends the machine.  By the thread that made it. */
  void (*destroy)(struct bamboo_vm *vm);
};

/*
 * Makes a machine whose main thread is the calling one.  `options' are words
 * as `bamboo run' takes them, such as "--gc=stw" or "--heap-max=64M".  NULL:
 * error; nothing is left behind.
 */
struct bamboo_vm *bamboo_create(const char *const *options, size_t count,
                                struct bamboo_env **env,
                                struct bamboo_error *error);

/*
 * A library may have these two.  The first is called when it was loaded, with
 * the version that the machine has, and returns the one that it needs; the
 * second before the machine ends.  find_class finds in them what it does in a
 * native of the module that the library is for.  Functions that the first
 * registers stay bound, and the library open for them, also when it is refused
 * then: its version is not to be had, an exception is pending.
 */
typedef uint32_t bamboo_on_load_function(struct bamboo_env *env,
                                         uint32_t version);
typedef void bamboo_on_unload_function(struct bamboo_env *env);
#define BAMBOO_ON_LOAD "Bamboo_OnLoad"
#define BAMBOO_ON_UNLOAD "Bamboo_OnUnload"

#ifdef __cplusplus
}
#endif

#endif
