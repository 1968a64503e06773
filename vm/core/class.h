/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes, fields and methods: what the loader makes of a module's records
 * and functions.  They live in metadata memory (below 4 GiB), so that a
 * class's address fits the class word of its instances.
 *
 *   loaded --> initialising --> initialised
 *                        \----> broken          (its initialiser threw)
 *
 * Only `state`, `array`, `mirror`, the statics and the counters of methods
 * change after a class was loaded.
 */
#ifndef VM_CORE_CLASS_H
#define VM_CORE_CLASS_H

#include "vm/core/module.h"

struct vm;
struct vm_loader;
struct vm_thread;

/* A virtual register, an accumulator, an argument, a static field. */
union vm_slot {
  uint64_t u64;
  int64_t i64;
  uint32_t u32;
  int32_t i32;
  double f64;
  float f32;
  struct mm_ref ref; /* the upper half is 0 */
};

_Static_assert(sizeof(union vm_slot) == 8, "slots are 8 bytes");

struct vm_field {
  struct vm_class *owner;
  const char *name;
  const char *type_name; /* canonical */
  uint32_t offset; /* instance: bytes from the object's start; static: index
                      into owner->statics */
  uint8_t prim;    /* enum vm_prim */
  bool is_static;
  const struct vm_loader *type_loader; /* see vm_type_meaning */
  uint32_t flags;                      /* VM_FLAG_* */
};

struct vm_method;

/*
 * A method of the runtime library; those that programs declare native all are
 * vm_native_call (vm/core/natives.h).  Arguments stand in args[0..], in frame
 * slots that collections update.  Returns true and leaves the result in
 * *result (a reference with its upper half 0), or false with an exception
 * pending on the thread.
 */
typedef bool vm_native_function(struct vm_thread *thread, union vm_slot *args,
                                union vm_slot *result);

struct vm_method {
  /* The interpreter's entry: what a call jumps to.  Before the method was
     translated it points at a stub that translates it. */
  const void *entry;
  uint32_t reg_count; /* registers of a frame: locals, then arguments */
  uint32_t local_count;
  uint32_t param_count; /* the receiver counts */
  uint32_t flags;       /* VM_FLAG_* */
  struct vm_class *owner;
  const char *name;        /* ".ctor", "area" */
  uint32_t vtable_index;   /* UINT32_MAX: not virtual */
  uint8_t return_prim;     /* enum vm_prim */
  const char *return_type; /* canonical names */
  const char *const *param_types;
  const uint8_t *param_prims;
  struct vm_module *module;               /* null for the library */
  const struct vm_function_def *function; /* null for natives */
  vm_native_function *native;             /* null unless native */
  void *translated;          /* atomic; the engine's: struct interp_code */
  int32_t heat;              /* atomic; calls and rounds of loops until the
                                compiler is asked; see vm_tier */
  const void *machine_entry; /* atomic; what compiled code jumps to when it
                                calls this; null without a compiler */
  bool is_queued;            /* the compiler's: waits to be compiled */
  void *compiled;            /* atomic; the compiler's: struct jit_code */
  void *binding;             /* atomic; natives of programs: the C function,
                                struct native_binding; null: not looked for */
  void *bridges;             /* the compiler's: code for bindings */
};

enum vm_class_state {
  VM_CLASS_LOADED,
  VM_CLASS_INITIALISING,
  VM_CLASS_INITIALISED,
  VM_CLASS_BROKEN,
};

struct vm_class {
  struct mm_layout layout;  /* first: the class word points at it */
  struct vm_loader *loader; /* whose class this is */
  const char *name;         /* "panda.Object", "i32[][]", "_GLOBAL" */
  uint32_t state;           /* atomic; enum vm_class_state */
  uint32_t flags;           /* VM_FLAG_* of the record */
  struct vm_class *base;    /* null: panda.Object */
  struct vm_class *element; /* arrays of references: class of the elements */
  uint8_t element_prim;     /* arrays: enum vm_prim; other classes: VOID */
  bool is_array;
  bool has_instances;     /* false: _GLOBAL */
  struct vm_class *array; /* atomic; the class of arrays of this, or null */
  /* Superclass display (Cohen 1991): display[depth] is this class, display[0]
     is panda.Object; D is a subclass of C iff
     D->depth >= C->depth && D->display[C->depth] == C. */
  uint32_t depth;
  struct vm_class *const *display;
  uint32_t vtable_count;
  struct vm_method **vtable;
  uint32_t field_count, method_count, static_count;
  struct vm_field *fields;   /* declared here */
  struct vm_method *methods; /* declared here */
  union vm_slot *statics;
  uint64_t *static_refs;         /* bit i: statics[i] is a reference */
  struct vm_method *initialiser; /* .cctor, or null */
  struct vm_thread *init_thread; /* while initialising; lock SYNC */
  struct mm_ref mirror; /* atomic; class object, a root; null until asked for */
  struct vm_module *module;           /* null for the library */
  const struct vm_record_def *record; /* null for the library and arrays */
  struct vm_class *next;      /* all classes of the loader, in load order */
  struct vm_class *hash_next; /* same bucket of the class table */
};

static inline struct vm_class *vm_class_of(struct mm_ref ref)
{
  return (struct vm_class *)mm_layout_of(ref);
}

static inline bool vm_class_is_subclass(const struct vm_class *sub,
                                        const struct vm_class *super)
{
  return sub->depth >= super->depth && sub->display[super->depth] == super;
}

/* The rule of checkcast, isinstance and starr.obj (4.2).  Arrays have depth 1
   below panda.Object; their elements are compared in turn. */
bool vm_class_is_assignable_slow(const struct vm_class *from,
                                 const struct vm_class *to);

static inline bool vm_class_is_assignable(const struct vm_class *from,
                                          const struct vm_class *to)
{
  return from == to || vm_class_is_subclass(from, to) ||
         (to->is_array && vm_class_is_assignable_slow(from, to));
}

static inline bool vm_class_is_initialised(const struct vm_class *class)
{
  return __atomic_load_n(&class->state, __ATOMIC_ACQUIRE) ==
         VM_CLASS_INITIALISED;
}

#endif
