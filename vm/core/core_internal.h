/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of vm/core share and nobody else needs: the private halves
 * of the machine and of a thread, class building, throwing with a cause.
 *
 *   struct core           = struct vm        + locks, texts
 *   struct thread_private = struct vm_thread + mapping of the stack, last
 *                                              trace
 */
#ifndef VM_CORE_CORE_INTERNAL_H
#define VM_CORE_CORE_INTERNAL_H

#include "mm/alloc/arena.h"
#include "mm/schedule.h"
#include "vm/core/assert.h"
#include "vm/core/class_table_internal.h"
#include "vm/core/lock.h"
#include "vm/core/object.h"
#include "vm/core/trace_internal.h"

/* Flags of classes beside VM_FLAG_*, in vm_class.flags. */
enum {
  VM_CLASS_THROWABLE = 1 << 28,
  VM_CLASS_NOT_INSTANTIABLE = 1 << 29,
};

struct core {
  struct vm vm;
  pthread_mutex_t locks[VM_LOCK_COUNT]; /* see vm/core/lock.h */
  struct {                              /* see thread_run.c; lock SYNC */
    uint32_t alive;                     /* threads of vm->threads */
    uint32_t blocked; /* of those, the ones that wait without a time limit */
    uint32_t counted; /* of those, started ones that are no daemons */
    uint32_t running; /* threads of the system that have not finished */
    uint64_t last_id; /* of a thread's object */
    bool deadlocked;
    struct thread_private *finished; /* to be joined */
    pthread_cond_t finish;           /* `running' has become less */
  } threads;
  uint32_t run_index; /* of panda.Thread.run in tables of virtual methods */
  struct {            /* see references.c; lock SYNC; the objects are roots */
    struct mm_ref registered;          /* finals and cleanables */
    struct mm_ref first_job, last_job; /* of them, for the finalizer */
    struct mm_ref finalizer;           /* its thread's object; null: none yet */
    bool is_busy;
  } references;
  struct vm_loader_counts loaders; /* lock LINK, or the world stopped */
  struct vm_loader *dead_loaders;  /* to be freed; the same */
  struct {                         /* see Note [Room for modules]; atomic */
    uint64_t live_bytes;           /* of loaders that were not found dead */
    uint64_t settled_bytes;  /* the same when dead ones were last looked for */
    uint64_t taken_bytes;    /* of those that were loaded since then */
    uint64_t metadata_bytes; /* taken since then, by those that were refused
                                too */
  } room;
  struct mm_ref refusal_texts[MM_REFUSAL_COUNT],
      stack_overflow_text; /* roots */
};

struct thread_private {
  struct vm_thread thread;
  char *map;
  size_t map_bytes;
  struct vm_trace trace; /* of what was thrown last */
  pthread_t handle;      /* set by the thread itself */
  struct mm_task task;
  struct thread_private *next_finished;
  bool daemon;
};

static inline struct core *vm_core_of(struct vm *vm)
{
  return (struct core *)vm;
}

static inline struct thread_private *vm_thread_private(struct vm_thread *thread)
{
  return (struct thread_private *)thread;
}

/* --- class_make.c, layout.c, vtable.c: false or null means no memory --- */

/* A class with base, flags and display, in no table yet. */
struct vm_class *vm_class_make(struct vm_loader *loader, const char *name,
                               struct vm_class *base, uint32_t flags);

/* Instances are references of this strength (mm/reference.h); so are those of
   records that extend it.  Before it is laid out. */
void vm_class_make_reference(struct vm_class *class, uint8_t strength);

/* Room for fields and methods, zeroed and counted. */
bool vm_class_make_members(struct vm_class *class, uint32_t field_count,
                           uint32_t method_count);

/* Where calls of a new method go, by the engine and from compiled code. */
void vm_method_set_entries(struct vm *vm, struct vm_method *method);

/* Gives the fields their places: the instance's layout, the statics. */
bool vm_class_lay_out(struct vm_class *class);

/* Copies the base's virtual methods, overrides and adds (4.2). */
bool vm_class_link_methods(struct vm_class *class);

/* Puts a finished class into its loader's list and, unless `hidden`, table. */
void vm_class_register(struct vm_class *class, bool hidden);

/* Marks the class as initialised if running its initialiser would do
   nothing. */
void vm_class_skip_initialisation(struct vm_class *class);

/* Bytes of a field of this primitive kind. */
uint32_t vm_prim_field_bytes(uint8_t prim);

/* --- array_class.c --- */

/* The class of arrays of a primitive type; null: void, or no memory. */
struct vm_class *vm_class_array_of_prim(struct vm *vm, enum vm_prim prim);

/* --- base_classes.c --- */

/* panda.Object, panda.String, panda.Class, panda.Array, _GLOBAL. */
bool vm_define_base_classes(struct vm *vm);

/* Fills in vm->known after the library was defined; false: one is missing,
   or no memory. */
bool vm_find_known_classes(struct vm *vm);

/* --- loader.c --- */

/* Verifies, leniently, all functions of what was loaded that were not yet;
   after loading, so that files see each other's records.  Lock CODE, when other
   threads may run.  False: no memory. */
bool vm_verify_loaded(struct vm *vm);

/* Is a record of this name waiting for its base?  Then the name of the base
   that is missing, else null. */
const char *vm_pending_base(struct vm_loader *loader, const char *name);

/* Defines and verifies the module of a loader that nobody else sees yet, with
   polls by the thread.  False: it is not fit, or no memory; told to diags. */
bool vm_load_alone(struct vm_thread *thread, struct vm_loader *loader,
                   struct vm_module *module, struct vm_diags *diags);

/* --- loader_life.c --- */

/* A loader without classes, not published. Null: no memory. */
struct vm_loader *vm_loader_create(struct vm *vm, size_t class_count);

/* The two halves of its end: no method has code any more, then no memory. */
void vm_loader_forget_methods(struct vm_loader *loader);
void vm_loader_free(struct vm_loader *loader);

/* Dead ones were looked for: see Note [Room for modules]. World stopped. */
void vm_loaders_settle(struct vm *vm);

/* --- loader_end.c: see Note [The end of a loader] --- */

void vm_loaders_visit_roots(struct vm *vm, struct mm_root_visitor *visitor);
void vm_loaders_sweep(void *host, struct mm_owner_visitor *visitor);

/* Frees what ended.  Polls by the thread; null: none, and the world is stopped
   or its end has come. */
void vm_loaders_free_dead(struct vm *vm, struct vm_thread *thread);

/* Gives the class of loaders its shape. False: no memory. */
bool vm_loaders_know_class(struct vm *vm);

/* Numbers for a summary. */
void vm_loaders_report(struct vm *vm, struct mm_stat_sink *sink);

/* Memory below 4 GiB for what belongs to a loader, zeroed. Null: no memory. */
void *vm_loader_metadata(struct vm_loader *loader, size_t bytes);

/* --- type_meaning.c --- */

/* A type as a name and the loader whose record it names.  Null: of the boot
   loader, or no record.  See Note [What a name means]. */
struct vm_type_meaning {
  const char *name;
  const struct vm_loader *loader;
};

struct vm_type_meaning vm_type_meaning(const struct vm_module *module,
                                       uint32_t type);
struct vm_type_meaning vm_param_meaning(const struct vm_method *method,
                                        uint32_t param);
struct vm_type_meaning vm_return_meaning(const struct vm_method *method);
struct vm_type_meaning vm_field_meaning(const struct vm_field *field);
bool vm_same_meaning(struct vm_type_meaning a, struct vm_type_meaning b);

/* Marks which of a module's types are its loader's own. */
void vm_mark_own_types(struct vm_module *module);

/* --- throw.c --- */

/* A library exception without trace; null with OutOfMemoryError pending.
   `message` and `cause` may be null; they need not be held. Safepoint. */
struct mm_ref vm_make_error(struct vm_thread *thread, enum vm_error_kind kind,
                            struct mm_ref message, struct mm_ref cause);

/* Makes and throws ExceptionInInitializerError and its like. */
bool vm_throw_with_cause(struct vm_thread *thread, enum vm_error_kind kind,
                         struct mm_ref message, struct mm_ref cause);

/* NoClassDefFoundError with a ClassNotFoundException as its cause. */
bool vm_throw_class_not_found(struct vm_thread *thread, const char *name,
                              size_t length);

/* Makes the objects that are thrown when nothing can be made. */
bool vm_preallocate_errors(struct vm_thread *thread);

/* --- walk.c --- */

/* Where a frame of the thread stands. Never a safepoint. */
void vm_frame_info_of(struct vm_thread *thread, struct vm_frame *frame,
                      struct vm_frame_info *info);

/* The map of live references at the place where an interpreted frame
   stands. */
const uint64_t *vm_frame_map(const struct vm_frame_info *info);

/* --- thread.c --- */

/* A thread with its VM stack, not attached and in no list. */
enum mm_status vm_thread_make(struct vm *vm, size_t stack_bytes,
                              struct vm_thread **thread,
                              struct mm_error *error);
/* The stack first, which may be long before the rest. */
void vm_thread_drop_stack(struct vm_thread *thread);
void vm_thread_free(struct vm_thread *thread);

/* The calling thread is this one: its handle, and how far it may use its C
   stack. */
void vm_thread_settle(struct vm_thread *thread);

/* Puts it on the list of threads, and takes it off. */
void vm_thread_link_locked(struct vm_thread *thread);
void vm_thread_unlink_locked(struct vm_thread *thread);

/* --- thread_run.c --- */

bool vm_threads_init(struct vm *vm);
void vm_threads_destroy(struct vm *vm);

/* The main thread has nothing more to run: waits until all that are no
   daemons have ended, or the machine is exiting, then ends the others. */
void vm_threads_finish(struct vm_thread *main);

/* Ends all threads but the main one, which calls, and waits for that. */
void vm_threads_stop(struct vm_thread *main);

/* --- roots.c --- */

extern const struct mm_binding vm_binding;

#endif
