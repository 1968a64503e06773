/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods that programs declare native, as the rest of the machine knows them:
 * each is vm_native_call, which finds the C function when it first runs.  All
 * of it is in vm/native.
 */
#ifndef VM_CORE_NATIVES_H
#define VM_CORE_NATIVES_H

#include "vm/core/vm.h"

struct bamboo_env;
struct bamboo_vm;
struct vm_natives;

/* Null: no memory. */
struct vm_natives *vm_natives_create(void);

/* Tells the libraries that the machine ends, once.  By the main thread,
   running, when it is the only one. */
void vm_natives_unload(struct vm_thread *main);

/* Frees what binds the native methods of a loader, which nobody calls any
   more; its libraries are to be closed. */
void vm_natives_forget_loader(struct vm_loader *loader);

/* Closes the libraries of loaders that have ended.  By a running thread that
   holds no references.  Safepoint. */
void vm_natives_close_ended(struct vm_thread *thread);

/* Closes the libraries; nothing of them may run any more. */
void vm_natives_destroy(struct vm_natives *natives);

/*
 * Opens a shared library, of which natives are sought from now on after those
 * opened before: those of a loader's methods, which go to the loader's
 * libraries first, or (null) of all.  `name' is a path if it has a slash in it,
 * else what the system's loader looks for (dlopen).  MM_OS_FAILED: it is not to
 * be had, MM_UNSUPPORTED: it wants a later version; MM_NO_MEMORY.  By a thread
 * of the machine, running.  Safepoint.
 */
enum mm_status vm_natives_open(struct vm_thread *thread,
                               struct vm_loader *loader, const char *name,
                               size_t length, struct mm_error *error);

/* The method at the top of the thread's stack.  Throws NoSuchMethodError when
   there is no function for it. */
bool vm_native_call(struct vm_thread *thread, union vm_slot *args,
                    union vm_slot *result);

/* The same without machine code that was made for it. */
bool vm_native_call_slow(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result);

/* For such code: what a handle that the function returned names, as bits. */
uint32_t vm_native_returned(struct vm_thread *thread, void *object,
                            const struct vm_method *method);

/* For such code: back from native state, which the thread may not be in, since
   the function left a region open: that is a mistake.  Safepoint. */
void vm_native_leave_slow(struct vm_thread *thread,
                          const struct vm_method *method);

/* The machine as C code sees it (vm/native/native.h); null: no memory. */
struct bamboo_vm *vm_natives_face(struct vm *vm);

/* Makes the main thread, which calls, one of C code that has the machine, from
   here on in native state; `owner' is whose it is, `destroy' ends it.  Null: no
   memory, and it is running still. */
struct bamboo_env *vm_natives_enter(struct bamboo_vm *face, void *owner,
                                    void (*destroy)(struct bamboo_vm *face));

/* The reverse: it is running again.  The owner. */
void *vm_natives_leave(struct bamboo_vm *face, const char *function);

/* The thread ends: what its C code got and did not release is released. */
void vm_native_end_thread(struct vm_thread *thread);

/* Frees what there is for a thread. */
void vm_native_forget_thread(struct vm_thread *thread);

#endif
