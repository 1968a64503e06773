/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of vm/native share.
 *
 *   struct vm_natives       of a machine: libraries, signatures, bindings,
 *                           callbacks; lock NATIVES
 *     struct native_binding       a native method and its C function
 *       struct native_signature   how such a function is called: libffi's
 *   struct native_thread    of a thread: the table that its C code gets, what
 *                           that code holds
 *
 * A thread is in native state while C code runs.  Each function of the table
 * takes it back to running for its duration (native_enter, native_leave), so
 * that a reference in a C variable of these files is good until the next
 * safepoint, as everywhere in the machine.
 */
#ifndef VM_NATIVE_NATIVE_INTERNAL_H
#define VM_NATIVE_NATIVE_INTERNAL_H

#include <ffi.h>

#include "mm/handle_inline.h"
#include "mm/mm_inline.h"
#include "mm/native.h"
#include "vm/core/assert.h"
#include "vm/core/buffer.h"
#include "vm/core/lock.h"
#include "vm/core/natives.h"
#include "vm/core/object.h"
#include "vm/core/purposes.h"
#include "vm/native/native.h"

/* --- signature.c: how functions are called --- */

/* For each list of types one; lives as long as the machine. */
struct native_signature {
  struct native_signature *next; /* in its bucket */
  uint32_t hash, count;          /* of parameters */
  uint32_t fixed;                /* before the variadic ones; all: none is */
  ffi_cif cif;
  ffi_type **types; /* of the parameters */
  uint8_t prims[];  /* enum vm_prim: what is returned, then the parameters; all
                       references are pointers */
};

/* Variadic ones have their promoted types.  NULL: no memory, or libffi does not
   want it. */
const struct native_signature *native_signature(struct vm *vm,
                                                const uint8_t *prims,
                                                uint32_t count, uint32_t fixed);

/* The type that C passes to `...' in place of another. */
enum vm_prim native_promoted(enum vm_prim prim);

/* Frees all of them. */
void native_signatures_destroy(struct vm_natives *natives);

/* A value as C has it in memory: what libffi is given pointers to, and room for
   what is returned (integers are widened to ffi_arg). */
union native_cell {
  ffi_arg word;
  uint64_t u64;
  int64_t i64;
  float f32;
  double f64;
  void *pointer;
};

/* From a register to C and back.  No references. */
void native_to_c(enum vm_prim prim, union vm_slot slot,
                 union native_cell *cell);
union vm_slot native_from_c(enum vm_prim prim, union native_cell cell);

/* The same to a variadic parameter. */
void native_to_variadic(enum vm_prim prim, union vm_slot slot,
                        union native_cell *cell);

/* --- library.c --- */

struct native_library {
  struct native_library *next; /* atomic; in the order in which they came */
  void *handle;                /* of dlopen */
  bool has_ended;              /* it was told */
  char name[]; /* empty: held by a binding, has no end to tell */
};

/* The function of this name in the first library that has it, of the loader's
   and then of the machine's; or null. */
bamboo_function native_find(const struct vm_loader *loader, const char *symbol);

/* The library of a function that was handed in, opened once more: `*held', or
   null when there is nothing that could be closed under it.  False: pending
   OutOfMemoryError.  Safepoint. */
bool native_library_hold(struct vm_thread *thread, bamboo_function function,
                         struct native_library **held);

/* A list of them is to be closed, by a thread that can; null is none. */
void native_libraries_end(struct vm *vm, struct native_library *first);
void native_libraries_destroy(struct vm_natives *natives);

/* --- bind.c: from a method to a function --- */

struct native_binding {
  struct native_binding *next; /* of the loader; lock NATIVES */
  bamboo_function function;
  const struct native_signature *signature;
  const char *name;    /* native_name_of the method */
  bool is_plain;       /* a C function that knows nothing of the machine */
  bool has_references; /* plain: some parameter is one, or what is returned */
  struct native_library *held; /* registered: where the function lies, kept open
                                  as long as this; or null */
  struct vm_native_code code;  /* of the compiler; null: libffi calls it */
};

/* For messages: the method as its program names it. */
const char *native_name_of(const struct vm_method *method);

/* Of a method that is to be called; null: pending NoSuchMethodError. */
const struct native_binding *native_bind(struct vm_thread *thread,
                                         struct vm_method *method);

/* Binds it to a function that takes the table. */
bool native_register(struct vm_thread *thread, struct vm_method *method,
                     bamboo_function function);

/* Its function is sought anew when it is next called. */
void native_unbind(struct vm *vm, struct vm_method *method);

/* The names under which a method's function is sought, in this order; long ones
   first.  False: no memory. */
struct native_names {
  struct vm_buffer with_types, without; /* without: empty if there are several
                                           natives of that name */
};
bool native_names_make(struct native_names *names,
                       const struct vm_method *method);
void native_names_free(struct native_names *names);

/* --- plain.c: arguments of plain C functions --- */

/* Calls with references among the arguments, or returned. */
bool native_call_plain(struct vm_thread *thread,
                       const struct native_binding *binding,
                       union vm_slot *args, union vm_slot *result);

/* May a plain function have a parameter of the type that the name means in the
   loader's modules? */
bool native_plain_takes(struct vm_loader *loader, const char *type);

/* --- callback.c --- */

struct native_callback {
  struct native_callback *next, **link; /* in its bucket; lock NATIVES */
  struct vm *vm;
  const struct vm_method *method;
  ffi_closure *closure;
  bamboo_function code;
  const struct native_signature *signature;
  struct mm_handle receiver; /* global; of a static method: its class object,
                                which keeps the class loaded */
  bool by_pointer;
};

/* The method that a callback object has: the only one that its class, or a base
   of it, declares under the name `call' or `compare'; null: it is no class of
   callbacks. */
struct vm_method *native_callback_method(const struct vm_class *class,
                                         bool *by_pointer);

/* Null: an exception is pending.  `receiver' may be null. */
struct native_callback *native_callback_new(struct vm_thread *thread,
                                            struct mm_ref receiver,
                                            const struct vm_method *method,
                                            bool by_pointer);
void native_callback_delete(struct vm_thread *thread,
                            struct native_callback *callback);

/* The one of that code; null: there is none. */
struct native_callback *native_callback_find(struct vm *vm,
                                             bamboo_function code);

void native_callbacks_destroy(struct vm_natives *natives);

/* --- call.c --- */

/* Who C code last ran for on this thread of the system: a thread of a machine
   that has not ended; or null. */
extern _Thread_local struct vm_thread *native_here
    __attribute__((tls_model("initial-exec")));

/* Room for the arguments of a call: few are on the C stack. */
enum { NATIVE_FEW = 12 };

struct native_room {
  uint32_t count;
  union native_cell *cells;
  void **values; /* pointers to them, for libffi */
  union native_cell few_cells[NATIVE_FEW];
  void *few_values[NATIVE_FEW];
};

/* Calls the function in native state, with what is in the cells. */
void native_call_out(struct vm_thread *thread,
                     const struct native_binding *binding,
                     union native_cell *result, struct native_room *room);

struct native_thread;

/* Calls what a library has for its beginning and its end.  Names mean there
   what they mean in the modules of the loader. */
void native_call_hook(struct native_thread *native, struct vm_loader *loader,
                      bamboo_on_load_function *begin, uint32_t *wanted);
void native_call_unload(struct native_thread *native, struct vm_loader *loader,
                        bamboo_on_unload_function *end);

/* A number that a plain function gets as its i-th argument. */
static inline void native_pass(const struct native_binding *binding,
                               enum vm_prim prim, uint32_t i,
                               union vm_slot slot, union native_cell *cell)
{
  if (i < binding->signature->fixed)
    native_to_c(prim, slot, cell);
  else
    native_to_variadic(prim, slot, cell);
}

/* False: pending OutOfMemoryError. */
bool native_room_make(struct vm_thread *thread, struct native_room *room,
                      uint32_t count);
void native_room_free(struct native_room *room);

/* Is it time to leave: an exception is pending, or the machine is exiting? */
static inline bool native_is_thrown(const struct vm_thread *thread)
{
  return !mm_is_null(thread->exception) || vm_is_exiting(thread->vm);
}

/* --- env.c: the table of a thread --- */

/* BAMBOO_PRIMITIVES with the machine's name of each: X(name, C type, prim). */
#define NATIVE_PRIMITIVES(X)                                                   \
  X(u1, bool, VM_PRIM_U1)                                                      \
  X(i8, int8_t, VM_PRIM_I8)                                                    \
  X(u8, uint8_t, VM_PRIM_U8)                                                   \
  X(i16, int16_t, VM_PRIM_I16)                                                 \
  X(u16, uint16_t, VM_PRIM_U16)                                                \
  X(i32, int32_t, VM_PRIM_I32)                                                 \
  X(u32, uint32_t, VM_PRIM_U32)                                                \
  X(i64, int64_t, VM_PRIM_I64)                                                 \
  X(u64, uint64_t, VM_PRIM_U64)                                                \
  X(f32, float, VM_PRIM_F32)                                                   \
  X(f64, double, VM_PRIM_F64)

enum native_held_kind { NATIVE_HELD_ELEMENTS, NATIVE_HELD_TEXT };

enum { NATIVE_HELD_KINDS = NATIVE_HELD_TEXT + 1 };

/* What C code got and has to release. */
struct native_held {
  struct native_held *next;
  const void *data;
  size_t bytes; /* of all this */
  enum native_held_kind kind;
  struct mm_ref array; /* ELEMENTS: pinned, so this is where it stays */
  uint64_t text[];     /* TEXT: the data */
};

struct native_thread {
  struct bamboo_env env; /* first */
  struct vm_thread *thread;
  struct native_held *held;
  struct native_held *spare[NATIVE_HELD_KINDS]; /* for the next one; or null */
  struct vm_loader *hook_loader; /* of a library's beginning or end that runs
                                    right above this frame; or null */
  const struct vm_frame *hook_top;
  uint32_t criticals; /* regions that are open; the thread is running then */
  bool is_attached;   /* by bamboo_vm.attach */
};

static inline struct native_thread *native_thread_of(struct bamboo_env *env)
{
  return (struct native_thread *)env;
}

/* Null: pending OutOfMemoryError. */
struct native_thread *native_thread_get(struct vm_thread *thread);

/* What a function of the table allows. */
enum {
  NATIVE_PENDING = 1,  /* an exception may be pending */
  NATIVE_CRITICAL = 2, /* a critical region may be open */
};

/* What is seldom of native_enter: another thread than the last time, an open
   region, a pending exception. */
void native_enter_slow(struct native_thread *native, const char *function,
                       unsigned allows);

/* Checks that the caller may call it now, and goes from native to running. */
static inline struct vm_thread *
native_enter(struct bamboo_env *env, const char *function, unsigned allows)
{
  struct native_thread *native = native_thread_of(env);
  struct vm_thread *thread = native->thread;
  if (__builtin_expect(native_here != thread || native->criticals > 0 ||
                           !mm_is_null(thread->exception),
                       0))
    native_enter_slow(native, function, allows);
  else
    mm_leave_native_inline(&thread->mutator);
  return thread;
}

static inline void native_leave(struct vm_thread *thread)
{
  const struct native_thread *native = thread->native;
  if (native->criticals == 0)
    mm_enter_native_inline(&thread->mutator);
}

/* The calling thread, if it is one of the machine's; else null. */
struct vm_thread *native_find_here(struct vm *vm);

/* env_class.c: a new local handle of a class; null: an exception is pending. */
bamboo_class native_local_class(struct vm_thread *thread,
                                struct vm_class *class);

/* Fill in their part of the table. */
void native_fill_classes(struct bamboo_env *env);
void native_fill_fields(struct bamboo_env *env);
void native_fill_calls(struct bamboo_env *env);
void native_fill_arrays(struct bamboo_env *env);
void native_fill_strings(struct bamboo_env *env);
void native_fill_exceptions(struct bamboo_env *env);
void native_fill_references(struct bamboo_env *env);
void native_fill_natives(struct bamboo_env *env);

/* Notes what C code gets, which goes onto its list: room for so many bytes of
   text, or the elements of an array, which is pinned by it.  Null: an exception
   is pending. */
struct native_held *native_hold_text(struct vm_thread *thread, size_t bytes);
struct native_held *native_hold_elements(struct vm_thread *thread,
                                         bamboo_array array);

/* Takes it off the list; null: it was not got by this thread. */
struct native_held *native_unhold(struct native_thread *native,
                                  const void *data, enum native_held_kind kind);

/* Releases what is on no list any more. */
void native_held_free(struct native_thread *native, struct native_held *held);

/* --- check.c: handles, and mistakes --- */

/* Ends the process; see Note [Mistakes of native code] in native.h. */
_Noreturn void native_mistake(struct vm_thread *thread, const char *function,
                              const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Goes on if the status is good, or that of null. */
void native_check_handle(struct vm_thread *thread, const char *function,
                         bamboo_object object, enum mm_handle_status status);

/* What a handle names; null for null. */
struct mm_ref native_ref(struct vm_thread *thread, const char *function,
                         bamboo_object object);

/* The same, but of null: pending NullPointerException. */
struct mm_ref native_ref_not_null(struct vm_thread *thread,
                                  const char *function, bamboo_object object);

/* What stands for a class; null: pending NullPointerException. */
struct vm_class *native_class(struct vm_thread *thread, const char *function,
                              bamboo_class class_);

/* A new local handle; null for null, or with OutOfMemoryError pending. */
bamboo_object native_local(struct vm_thread *thread, struct mm_ref ref);

/* Throws what came of making a handle; false. */
bool native_throw_handle(struct vm_thread *thread,
                         enum mm_handle_status status);

/* --- env_call.c --- */

/* The method of a class, or of its bases, with this name and signature (null:
   the only one of the name); null: none, or *many. */
struct vm_method *native_find_method(struct vm_class *class, const char *name,
                                     const char *signature, bool is_static,
                                     bool *many);

/* --- attach.c --- */

void native_face_destroy(struct bamboo_vm *face);

/* See native_verify. */
bool native_verify_slow(struct vm_thread *thread);

/* --- The state of a machine --- */

struct vm_natives {
  struct native_library *libraries; /* atomic; for all loaders */
  struct native_library *ended;     /* of loaders that are gone; lock NATIVES */
  struct native_signature **buckets;
  uint32_t bucket_count, signature_count;
  struct native_callback **callbacks; /* buckets, by code */
  uint32_t callback_room, callback_count;
  struct bamboo_vm *face; /* see vm_natives_face; null: not asked for */
  bool is_unverified;     /* atomic; something was loaded through it */
};

/* Before a method is run from C: has what was loaded been verified?  False:
   pending OutOfMemoryError. */
static inline bool native_verify(struct vm_thread *thread)
{
  return !__atomic_load_n(&thread->vm->natives->is_unverified,
                          __ATOMIC_ACQUIRE) ||
         native_verify_slow(thread);
}

#endif
