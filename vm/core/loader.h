/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaders: each is a name space, and owns what was loaded into it.
 *
 *   boot        the library, and the files of the command line; lives as long
 *               as the machine
 *   one each    for a module that a program loads while it runs
 *
 * A name in a module means, in this order (Note [What a name means]):
 *
 *   the library's record of that name
 *   the record of the module's own loader
 *   a record of the boot loader
 *
 * so that several loaders may have records of the same name, also of one that
 * the program has, and a module can be loaded again while the one before it is
 * still in use.  Loaders never see each other's records by name; objects, and
 * virtual calls through a base that both know, are how they meet.
 *
 * Loading by delegation, and a class as a name with its loader: Liang and
 * Bracha, "Dynamic class loading in the Java virtual machine", 1998.  There
 * the parent is asked first; here the module's own, for the sake of loading
 * again.
 *
 * What belongs to a loader: modules, classes (those of arrays of its classes
 * too), their fields, methods, statics and names.  All of that ends with it,
 * when nothing reaches its object any more: see Note [The end of a loader].
 */
#ifndef VM_CORE_LOADER_H
#define VM_CORE_LOADER_H

#include "mm/binding.h"
#include "mm/mm.h"
#include "vm/asm/diag.h"
#include "vm/core/class.h"

struct vm_class_table; /* name -> class; class_table_internal.h */
struct vm_pending;
struct native_binding;
struct native_library;

struct vm_loader {
  struct vm *vm;
  bool is_unloadable;     /* may end before the machine does */
  struct vm_loader *next; /* of those that were published; lock LINK */
  struct vm_module *modules, **last_module; /* in load order */
  struct vm_class *classes, **last_class;   /* in load order */
  struct vm_class_table *class_table;       /* lock LINK */
  struct native_binding *bindings;  /* of its native methods; vm/native */
  struct native_library *libraries; /* atomic; for it alone; vm/native */
  struct mm_arena *arena; /* names, parameter lists; lock LINK once it is
                             published */
  struct mm_metadata_arena *metadata; /* classes; null: the heap's own */
  uint64_t metadata_bytes,
      bytes;                  /* taken of it; in all when it was published */
  struct vm_pending *pending; /* records whose base is not loaded yet */
  struct mm_ref object; /* of panda.Loader, never moves; the boot loader has
                           none; a root unless the loader is unloadable */
};

/*
 * Loads a module in a loader of its own, by any thread, beside others that
 * run: defines and verifies it.  What makes it unfit is told to `diags` and
 * null returned, with nothing left behind.  The module is the loader's in
 * either case.  Nobody else sees the loader before it is published.  Polls
 * between records and functions.  Safepoint.
 */
struct vm_loader *vm_loader_load(struct vm_thread *thread,
                                 struct vm_module *module,
                                 struct vm_diags *diags);

/* Gives the loader its object, of panda.Loader; from now on the machine knows
   of it, and its statics are roots.  Null, with OutOfMemoryError pending, when
   there was no memory.  Safepoint. */
struct mm_ref vm_loader_publish(struct vm_thread *thread,
                                struct vm_loader *loader);

/* Loaders and classes that came and went since the machine was created; the
   boot loader's do not count. */
struct vm_loader_counts {
  uint64_t loaded, unloaded, classes_loaded, classes_unloaded;
};

/* The loader that an object of panda.Loader stands for. Never a safepoint. */
struct vm_loader *vm_loader_of(struct mm_ref object);

/* Destroys one that was not published, or whose classes nothing uses. */
void vm_loader_destroy(struct vm_loader *loader);

/* When memory ran out: collects until that of dead loaders can be had again.
   Safepoint. */
void vm_loaders_make_room(struct vm_thread *thread);

/* A method that runs, or is about to be compiled, keeps its loader: visits that
   as a root. */
void vm_loader_visit_of(const struct vm_method *method,
                        struct mm_root_visitor *visitor);

/* The class that a name means there, classes of arrays made as needed: false
   when there was no memory, else the class, or null when there is none.
   Never a safepoint. */
bool vm_loader_look_up(struct vm_loader *loader, const char *name,
                       struct vm_class **class);

/* The same in one; throws NoClassDefFoundError.  Safepoint only then. */
struct vm_class *vm_loader_find_or_throw(struct vm_thread *thread,
                                         struct vm_loader *loader,
                                         const char *name);

/* May the object, or null, be in the field, a parameter of the method, or what
   it returns?  For C code, which no verifier checked.  Never a safepoint. */
bool vm_field_takes(const struct vm_field *field, struct mm_ref ref);
bool vm_param_takes(const struct vm_method *method, uint32_t param,
                    struct mm_ref ref);
bool vm_return_takes(const struct vm_method *method, struct mm_ref ref);

#endif
