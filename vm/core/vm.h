/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine: one heap, its classes and modules, its threads.  Several may
 * live in one process; nothing is global.  Which lock guards what stands in
 * vm/core/README.md.
 */
#ifndef VM_CORE_VM_H
#define VM_CORE_VM_H

#include "vm/asm/diag.h"
#include "vm/core/engine.h"
#include "vm/core/loader.h"
#include "vm/core/thread.h"

#include <stdatomic.h>

/* Classes that the machine itself refers to; the table of the library fills
   them in.  Legend: VM_KNOWN_CLASS(field, "name"). */
#define VM_KNOWN_CLASSES(X)                                                    \
  X(object, "panda.Object")                                                    \
  X(string, "panda.String")                                                    \
  X(class_, "panda.Class")                                                     \
  X(string_array, "panda.String[]")                                            \
  X(trace, "i64[]") /* what stack traces are kept in */                        \
  X(object_array, "panda.Object[]") /* the same with loaders */                \
  X(thread, "panda.Thread")                                                    \
  X(reference, "panda.Reference")                                              \
  X(final, "panda.FinalReference")                                             \
  X(cleanable, "panda.Cleanable")                                              \
  X(ephemeron, "panda.Ephemeron")                                              \
  X(finalizer, "panda.FinalizerThread")                                        \
  X(loader, "panda.Loader")                                                    \
  X(global, "_GLOBAL")

/* Exceptions that instructions and the machine throw. */
enum vm_error_kind {
#define VM_ERROR(id, name) VM_ERROR_##id,
#include "vm/core/errors.def"
  VM_ERROR_COUNT
};

/* What is compiled to machine code: nothing, what runs often, all before it
   first runs, or so those methods that the seed chooses. */
enum vm_jit_mode { VM_JIT_OFF, VM_JIT_ON, VM_JIT_ALWAYS, VM_JIT_RANDOM };

struct vm_jit_options {
  int mode;           /* enum vm_jit_mode */
  uint64_t threshold; /* calls and rounds of loops until a method is compiled */
  bool sync;          /* by the thread that asks, which waits */
  bool collect;       /* drop code when there is no room for more */
  /* Lists what was compiled; null: not.  Of which methods: the first bytes of
     `dump_methods' say, Class.method or method, a `*' at the end for more. */
  FILE *dump;
  const char *dump_methods;
  size_t dump_methods_bytes;
  bool perf_map; /* names code for Linux perf, in /tmp/perf-PID.map */
  bool gdb;      /* tells a debugger of code, by gdb's interface */
};

struct vm_options {
  struct mm_options mm;
  size_t stack_bytes; /* VM stack of a thread */
  struct vm_jit_options jit;
  bool fuse;       /* fuse instruction sequences (on; off for tests) */
  bool class_unloading; /* take down loaders that nothing reaches */
  FILE *out, *err; /* of the program; stdout, stderr */
};

void vm_options_init(struct vm_options *options);

struct vm_intern_table;  /* vm/core/intern.h */
struct vm_monitor_table; /* vm/core/monitor.h */
struct vm_natives;       /* vm/core/natives.h */

struct vm {
  struct mm_heap *heap;
  struct vm_options options;
  struct vm_engine engine;
  const struct vm_tier *tier; /* null: nothing is compiled */
  void *compiler;             /* the tier's own */
  struct vm_thread *main_thread;
  struct vm_thread *threads; /* all that have not ended; lock SYNC */
  struct vm_loader *boot;    /* first of all loaders */
  struct vm_intern_table *intern;
  struct vm_monitor_table *monitors;
  struct vm_natives *natives; /* vm/core/natives.h */
  struct {
#define FIELD(field, name) struct vm_class *field;
    VM_KNOWN_CLASSES(FIELD)
#undef FIELD
    struct vm_class *error[VM_ERROR_COUNT];
  } known;
  /* Thrown when there is no memory to make one. Preallocated, a root. */
  struct mm_ref out_of_memory;
  struct mm_ref stack_overflow;
  bool exiting; /* atomic; all threads unwind and end: System.exit was called,
                   or nothing else is left to be waited for */
  int exit_status; /* set before `exiting' */
};

/* Once true it stays so until all threads but the main one have ended. */
static inline bool vm_is_exiting(const struct vm *vm)
{
  return __atomic_load_n(&vm->exiting, __ATOMIC_ACQUIRE);
}

/*
 * Creates a machine with its heap, the runtime library and the calling
 * thread as main thread.  `engine` is copied.
 */
enum mm_status vm_create(const struct vm_options *options,
                         const struct vm_engine *engine, struct vm **vm,
                         struct mm_error *error);
void vm_destroy(struct vm *vm);

/*
 * Takes a module over, by the main thread while it is the only one: checks it
 * (vm_module_check), defines its records as classes and its functions as
 * methods, verifies its bodies.  What makes it unfit to run is told to `diags`,
 * and false returned, and so are other threads; the module is the machine's in
 * either case.
 */
bool vm_load_module(struct vm *vm, struct vm_module *module,
                    struct vm_diags *diags);

/* How a run of an entry point ended. */
enum vm_outcome {
  VM_RETURNED,         /* status is what it returned */
  VM_EXITED,           /* System.exit(status) */
  VM_UNCAUGHT,         /* an exception: report printed to options.err */
  VM_DEADLOCKED,       /* no thread could ever go on: report printed */
  VM_NO_ENTRY,         /* not found or of the wrong form: text in error */
  VM_RUN_OUT_OF_MEMORY /* could not even make the arguments */
};

/*
 * Runs "Class::method" (the conventional one is "_GLOBAL::main") with the
 * program's arguments, on the main thread.  When it has returned, so do the
 * threads that it started: those that are no daemons are waited for, daemons
 * are ended.  An exception that leaves a thread other than the main one is
 * reported and changes nothing of the outcome.
 */
enum vm_outcome vm_run(struct vm *vm, const char *entry, int argc,
                       char *const *argv, int *status, struct mm_error *error);

#endif
