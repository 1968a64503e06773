/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the runtime library, one file each, and what their natives
 * have in common.
 *
 * A native gets its arguments in slots that collections update, so it reads a
 * reference from its slot again after anything that may collect.  32-bit
 * results are left sign-extended, whatever the declared type, the bit pattern
 * of an f32 too: that is how registers hold them.
 */
#ifndef VM_LIB_LIBRARY_INTERNAL_H
#define VM_LIB_LIBRARY_INTERNAL_H

#include "vm/core/define.h"
#include "vm/core/runtime.h"

/* A record of natives without fields. */
#define VM_LIB_RECORD(record, methods_)                                        \
  {                                                                            \
    .name = record, .methods = methods_,                                       \
    .method_count = sizeof(methods_) / sizeof((methods_)[0]),                  \
  }

extern const struct vm_library_class vm_lib_io;
extern const struct vm_library_class vm_lib_math;
extern const struct vm_library_class vm_lib_double;
extern const struct vm_library_class vm_lib_float;
extern const struct vm_library_class vm_lib_system;
extern const struct vm_library_class vm_lib_convert;
extern const struct vm_library_class vm_lib_debug_utils;
extern const struct vm_library_class vm_lib_object;
extern const struct vm_library_class vm_lib_thread;
extern const struct vm_library_class vm_lib_atomic;
extern const struct vm_library_class vm_lib_reference;
extern const struct vm_library_class vm_lib_soft_reference;
extern const struct vm_library_class vm_lib_weak_reference;
extern const struct vm_library_class vm_lib_phantom_reference;
extern const struct vm_library_class vm_lib_reference_queue;
extern const struct vm_library_class vm_lib_final_reference;
extern const struct vm_library_class vm_lib_cleanable;
extern const struct vm_library_class vm_lib_finalizer_thread;
extern const struct vm_library_class vm_lib_finalizer;
extern const struct vm_library_class vm_lib_cleaner;
extern const struct vm_library_class vm_lib_ephemeron;
extern const struct vm_library_class vm_lib_ephemeron_table;
extern const struct vm_library_class vm_lib_loader;

/* Opens a shared library for the natives of a loader, or (null) of all; throws
   LoadException.  Safepoint. */
bool vm_lib_load_library(struct vm_thread *thread, struct vm_loader *loader,
                         struct mm_ref name);

/* Defines the records of errors.def. False: no memory. */
bool vm_lib_define_exceptions(struct vm *vm);

/* Throws when a method is called without a receiver. */
static inline bool vm_lib_no_self(struct vm_thread *thread,
                                  const union vm_slot *args)
{
  return mm_is_null(args[0].ref) && !vm_throw_null(thread);
}

/* A negative time counts as none, and none is for ever. */
static inline uint64_t vm_lib_ms_to_ns(int64_t ms)
{
  enum { NS_PER_MS = 1000000 };
  if (ms < 0)
    return 0;
  return (uint64_t)ms > (UINT64_MAX - 1) / NS_PER_MS ? UINT64_MAX - 1
                                                     : (uint64_t)ms * NS_PER_MS;
}

static inline bool vm_lib_return_i32(union vm_slot *result, int32_t value)
{
  result->i64 = value;
  return true;
}

static inline bool vm_lib_return_u32(union vm_slot *result, uint32_t value)
{
  return vm_lib_return_i32(result, (int32_t)value);
}

static inline bool vm_lib_return_i64(union vm_slot *result, int64_t value)
{
  result->i64 = value;
  return true;
}

static inline bool vm_lib_return_f32(union vm_slot *result, float value)
{
  result->f32 = value;
  result->i64 = result->i32;
  return true;
}

static inline bool vm_lib_return_f64(union vm_slot *result, double value)
{
  result->f64 = value;
  return true;
}

static inline bool vm_lib_return_ref(union vm_slot *result, struct mm_ref value)
{
  result->u64 = 0;
  result->ref = value;
  return true;
}

static inline bool vm_lib_return_void(union vm_slot *result)
{
  result->u64 = 0;
  return true;
}

#endif
