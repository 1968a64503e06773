/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to objects that do not keep them: panda.SoftReference,
 * panda.WeakReference, panda.PhantomReference and their queues,
 * panda.Finalizer and panda.Cleaner.  What is behind them:
 * vm/core/references.h, and of the collector mm/reference.h.
 *
 * The fields have blanks in their names, which hides them from programs.
 * panda.FinalReference, panda.Cleanable and panda.FinalizerThread are made
 * here only.
 */
#include "config.h"

#include "vm/core/object.h"
#include "vm/core/references.h"
#include "vm/lib/library_internal.h"

/* --- References --- */

static bool construct(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_reference_construct(thread, args[0].ref, args[1].ref, MM_NULL) &&
         vm_lib_return_void(result);
}

static bool construct_queued(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_reference_construct(thread, args[0].ref, args[1].ref,
                                args[2].ref) &&
         vm_lib_return_void(result);
}

static bool get(struct vm_thread *thread, union vm_slot *args,
                union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_lib_return_ref(result,
                           mm_reference_get(&thread->mutator, args[0].ref));
}

/* An object that is gone is not to be had again. */
static bool get_phantom(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) && vm_lib_return_ref(result, MM_NULL);
}

static bool refers_to(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_lib_return_i32(result,
                           mm_reference_refers_to(&thread->mutator, args[0].ref,
                                                  args[1].ref));
}

static bool clear(struct vm_thread *thread, union vm_slot *args,
                  union vm_slot *result)
{
  if (vm_lib_no_self(thread, args))
    return false;
  vm_reference_clear(thread, args[0].ref);
  return vm_lib_return_void(result);
}

static bool enqueue(struct vm_thread *thread, union vm_slot *args,
                    union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_lib_return_i32(result, vm_reference_enqueue(thread, args[0].ref));
}

static bool is_enqueued(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_lib_return_i32(result, vm_reference_is_queued(thread, args[0].ref));
}

/* The first three are the collector's: numbers to everybody else. */
static const struct vm_native_field reference_fields[] = {
    {"u32", "reference referent", 0},
    {"u32", "reference value", 0},
    {"u32", "reference link", 0},
    {"panda.Object", "reference queue", 0},
    {"panda.Object", "reference next", 0},
    {"u1", "reference state", 0},
};

static const struct vm_native_def reference_methods[] = {
    {"panda.Object @.get(@)", get, 0},
    {"u1 @.refersTo(@, panda.Object)", refers_to, 0},
    {"void @.clear(@)", clear, 0},
    {"u1 @.enqueue(@)", enqueue, 0},
    {"u1 @.isEnqueued(@)", is_enqueued, 0},
};

const struct vm_library_class vm_lib_reference = {
    .name = "panda.Reference",
    .is_reference = true,
    .strength = MM_STRENGTH_WEAK,
    .fields = reference_fields,
    .field_count = sizeof reference_fields / sizeof reference_fields[0],
    .methods = reference_methods,
    .method_count = sizeof reference_methods / sizeof reference_methods[0],
};

static const struct vm_native_def constructors[] = {
    {"void @.ctor(@, panda.Object)", construct, VM_FLAG_CTOR},
    {"void @.ctor(@, panda.Object, panda.ReferenceQueue)", construct_queued,
     VM_FLAG_CTOR},
};

static const struct vm_native_def phantom_methods[] = {
    {"void @.ctor(@, panda.Object, panda.ReferenceQueue)", construct_queued,
     VM_FLAG_CTOR},
    {"void @.ctor(@, panda.Object)", construct, VM_FLAG_CTOR},
    {"panda.Object @.get(@)", get_phantom, 0},
};

#define REFERENCE(record, strength_, methods_)                                 \
  {                                                                            \
    .name = record, .base = "panda.Reference", .is_reference = true,           \
    .strength = (strength_), .methods = methods_,                              \
    .method_count = sizeof(methods_) / sizeof((methods_)[0]),                  \
  }

const struct vm_library_class vm_lib_soft_reference =
    REFERENCE("panda.SoftReference", MM_STRENGTH_SOFT, constructors);
const struct vm_library_class vm_lib_weak_reference =
    REFERENCE("panda.WeakReference", MM_STRENGTH_WEAK, constructors);
const struct vm_library_class vm_lib_phantom_reference =
    REFERENCE("panda.PhantomReference", MM_STRENGTH_PHANTOM, phantom_methods);

/* --- Queues --- */

static bool construct_queue(struct vm_thread *thread, union vm_slot *args,
                            union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) && vm_lib_return_void(result);
}

static bool poll(struct vm_thread *thread, union vm_slot *args,
                 union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_lib_return_ref(result, vm_queue_poll(thread, args[0].ref));
}

static bool remove_within(struct vm_thread *thread, union vm_slot *args,
                          uint64_t ns, union vm_slot *result)
{
  struct mm_ref reference;
  return !vm_lib_no_self(thread, args) &&
         vm_queue_remove(thread, args[0].ref, ns, &reference) &&
         vm_lib_return_ref(result, reference);
}

static bool remove_next(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  return remove_within(thread, args, UINT64_MAX, result);
}

static bool timed_remove(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  return remove_within(thread, args, vm_lib_ms_to_ns(args[1].i64), result);
}

static const struct vm_native_field queue_fields[] = {
    {"panda.Reference", "queue first", 0},
    {"panda.Reference", "queue last", 0},
};

static const struct vm_native_def queue_methods[] = {
    {"void @.ctor(@)", construct_queue, VM_FLAG_CTOR},
    {"panda.Reference @.poll(@)", poll, 0},
    {"panda.Reference @.remove(@)", remove_next, 0},
    {"panda.Reference @.timedRemove(@, i64)", timed_remove, 0},
};

const struct vm_library_class vm_lib_reference_queue = {
    .name = "panda.ReferenceQueue",
    .fields = queue_fields,
    .field_count = sizeof queue_fields / sizeof queue_fields[0],
    .methods = queue_methods,
    .method_count = sizeof queue_methods / sizeof queue_methods[0],
};

/* --- The finalizer and cleaners --- */

static bool register_finalizer(struct vm_thread *thread, union vm_slot *args,
                               union vm_slot *result)
{
  return vm_finalizer_register(thread, args[0].ref) &&
         vm_lib_return_void(result);
}

static bool register_cleaner(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  struct mm_ref cleanable;
  return vm_cleaner_register(thread, args[0].ref, args[1].ref, &cleanable) &&
         vm_lib_return_ref(result, cleanable);
}

static bool clean(struct vm_thread *thread, union vm_slot *args,
                  union vm_slot *result)
{
  return !vm_lib_no_self(thread, args) &&
         vm_cleanable_clean(thread, args[0].ref) && vm_lib_return_void(result);
}

static bool run(struct vm_thread *thread, union vm_slot *args,
                union vm_slot *result)
{
  (void)args;
  (void)result;
  return vm_finalizer_run(thread);
}

static const struct vm_native_field registered_fields[] = {
    {"panda.Object", "registered previous", 0},
    {"panda.Object", "registered target", 0},
};

static const struct vm_native_def final_methods[] = {
    {"panda.Object @.get(@)", get_phantom, 0},
};

static const struct vm_native_def cleanable_methods[] = {
    {"panda.Object @.get(@)", get_phantom, 0},
    {"void @.clean(@)", clean, 0},
};

const struct vm_library_class vm_lib_final_reference = {
    .name = "panda.FinalReference",
    .base = "panda.Reference",
    .flags = VM_FLAG_FINAL,
    .is_made_here = true,
    .is_reference = true,
    .strength = MM_STRENGTH_FINAL,
    .fields = registered_fields,
    .field_count = sizeof registered_fields / sizeof registered_fields[0],
    .methods = final_methods,
    .method_count = sizeof final_methods / sizeof final_methods[0],
};

const struct vm_library_class vm_lib_cleanable = {
    .name = "panda.Cleanable",
    .base = "panda.Reference",
    .flags = VM_FLAG_FINAL,
    .is_made_here = true,
    .is_reference = true,
    .strength = MM_STRENGTH_PHANTOM,
    .fields = registered_fields,
    .field_count = sizeof registered_fields / sizeof registered_fields[0],
    .methods = cleanable_methods,
    .method_count = sizeof cleanable_methods / sizeof cleanable_methods[0],
};

static const struct vm_native_def thread_methods[] = {
    {"void @.run(@)", run, 0},
};

const struct vm_library_class vm_lib_finalizer_thread = {
    .name = "panda.FinalizerThread",
    .base = "panda.Thread",
    .flags = VM_FLAG_FINAL,
    .is_made_here = true,
    .methods = thread_methods,
    .method_count = sizeof thread_methods / sizeof thread_methods[0],
};

static const struct vm_native_def finalizer_methods[] = {
    {"void panda.Finalizer.register(panda.Object)", register_finalizer, 0},
};

const struct vm_library_class vm_lib_finalizer =
    VM_LIB_RECORD("panda.Finalizer", finalizer_methods);

static const struct vm_native_def cleaner_methods[] = {
    {"panda.Cleanable panda.Cleaner.register(panda.Object, panda.Object)",
     register_cleaner, 0},
};

const struct vm_library_class vm_lib_cleaner =
    VM_LIB_RECORD("panda.Cleaner", cleaner_methods);
