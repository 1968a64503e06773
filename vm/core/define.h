/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the runtime library's classes come about: from tables of fields and
 * native methods.  The machine defines what it cannot do without
 * (panda.Object, panda.String, panda.Class, panda.Array, _GLOBAL) by itself;
 * vm/lib defines the rest when a machine is created.
 *
 *   static const struct vm_native_def io_methods[] = {
 *     {"void IO.printI32(i32)", io_print_i32, 0},
 *   };
 *   static const struct vm_library_class io = {
 *     .name = "IO", .methods = io_methods, .method_count = 1,
 *   };
 *   ... vm_define_class(vm, &io)
 *
 * The tables are read once and copied; only the names of classes and fields
 * must stay in place, which string literals do.
 */
#ifndef VM_CORE_DEFINE_H
#define VM_CORE_DEFINE_H

#include "vm/core/vm.h"

/*
 * A method: "RETURN OWNER.name(TYPE, TYPE)" with canonical type names.  An
 * "@" stands for the name of the class, so that classes of one shape share a
 * table: "void @.ctor(@, panda.String)".  It is an instance method when the
 * first parameter is the class, unless VM_FLAG_STATIC is given.  With
 * VM_FLAG_CTOR its run-time name is ".ctor" whatever is written.
 */
struct vm_native_def {
  const char *signature;
  vm_native_function *function;
  uint32_t flags; /* VM_FLAG_CTOR, VM_FLAG_STATIC */
};

struct vm_native_field {
  const char *type; /* canonical name */
  const char *name;
  uint32_t flags; /* VM_FLAG_STATIC, VM_FLAG_FINAL */
};

struct vm_library_class {
  const char *name;
  const char *base;  /* null: panda.Object; else defined before */
  uint32_t flags;    /* VM_FLAG_FINAL */
  bool is_throwable; /* gets the fields of exceptions (vm/core/object.h) */
  bool is_made_here; /* not by newobj */
  bool is_reference; /* of the strength below (mm/reference.h) */
  uint8_t strength;
  const struct vm_native_field *fields;
  size_t field_count;
  const struct vm_native_def *methods;
  size_t method_count;
};

/* Defines a class; it needs no initialisation.  False: no memory. */
bool vm_define_class(struct vm *vm, const struct vm_library_class *class);

/* Defines all classes of the runtime library; in vm/lib.  The known classes
   of vm/core/vm.h that are not of the core's own making are looked up by
   name afterwards.  False: no memory. */
bool vm_library_define(struct vm *vm);

#endif
