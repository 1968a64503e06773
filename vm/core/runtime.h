/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What instructions ask of the machine: resolving names, initialising
 * classes, making objects and strings, throwing.  The engines' slow paths
 * call these.
 *
 * All are safepoints unless they say otherwise.  The caller has stored its
 * frame as thread->top, with its position and, where live, its accumulator.
 * A result of null or false means: an exception is pending on the thread.
 */
#ifndef VM_CORE_RUNTIME_H
#define VM_CORE_RUNTIME_H

#include "vm/core/vm.h"

/* --- Resolution (4.4): by name, once; the result is kept in the table. --- */

/* Throws NoClassDefFoundError (cause ClassNotFoundException). Does not
   initialise. */
struct vm_class *vm_resolve_class(struct vm_thread *thread,
                                  struct vm_module *module, uint32_t type);

/* Throws NoSuchFieldError, or as vm_resolve_class. */
struct vm_field *vm_resolve_field(struct vm_thread *thread,
                                  struct vm_module *module, uint32_t field);

/* Throws NoSuchMethodError, or as vm_resolve_class.  Array constructors
   resolve to null without exception only through vm_resolve_array_ctor. */
struct vm_method *vm_resolve_method(struct vm_thread *thread,
                                    struct vm_module *module, uint32_t method);

/* The interned string of a constant. */
struct mm_ref vm_resolve_string(struct vm_thread *thread,
                                struct vm_module *module, uint32_t string);

/*
 * The same without throwing and never a safepoint: what the names mean, kept
 * in the table as above, or null when it cannot be found.  A translator uses
 * these, and leaves what is null to run time.
 */
struct vm_class *vm_lookup_class(struct vm *vm, struct vm_module *module,
                                 uint32_t type);
struct vm_field *vm_lookup_field(struct vm *vm, struct vm_module *module,
                                 uint32_t field);
struct vm_method *vm_lookup_method(struct vm *vm, struct vm_module *module,
                                   uint32_t method);

/* --- Classes --- */

/* Finds a class of the boot loader by name, making array classes as needed;
   for others there is vm/core/loader.h.  Null without an
   exception when there is none (or no memory).  Never a safepoint. */
struct vm_class *vm_class_find(struct vm *vm, const char *name);

/* The same for who has to tell one from the other: false when there was no
   memory, else the class, or null when there is none. */
bool vm_class_look_up(struct vm *vm, const char *name, struct vm_class **class);

/* The class of arrays of this class / primitive; null: no memory. */
struct vm_class *vm_class_array_of(struct vm *vm, struct vm_class *element);

/* Initialises the class, its bases first (4.3). */
bool vm_class_initialise(struct vm_thread *thread, struct vm_class *class);

/* The class object of a class, one per class. */
struct mm_ref vm_class_mirror(struct vm_thread *thread, struct vm_class *class);

/* The class that a mirror stands for. Never a safepoint. */
struct vm_class *vm_class_of_mirror(struct mm_ref mirror);

/* --- Objects; each throws OutOfMemoryError --- */

struct mm_ref vm_new_object(struct vm_thread *thread, struct vm_class *class);

/* Throws NegativeArraySizeException too. */
struct mm_ref vm_new_array(struct vm_thread *thread, struct vm_class *class,
                           int32_t length);

/* A fresh array with the values of a literal array. */
struct mm_ref vm_new_literal_array(struct vm_thread *thread,
                                   struct vm_module *module, uint32_t array);

/* Nested arrays (3.6), sizes from the outermost in; all sizes are checked
   before anything is allocated. */
struct mm_ref vm_new_multi_array(struct vm_thread *thread,
                                 struct vm_class *class, uint32_t dims,
                                 const int32_t *sizes);

/* --- Strings --- */

/* A new string of modified UTF-8; not interned. */
struct mm_ref vm_string_from_utf8(struct vm_thread *thread, const char *bytes,
                                  size_t length_bytes);
/* The interned string with these contents. */
struct mm_ref vm_string_intern_utf8(struct vm_thread *thread, const char *bytes,
                                    size_t length_bytes);
/* Length in UTF-16 units, the unit at an index, hash, equality; never a
   safepoint. */
uint32_t vm_string_length(struct mm_ref string);
uint16_t vm_string_unit(struct mm_ref string, uint32_t index);
uint32_t vm_string_hash(struct mm_ref string);
bool vm_string_equals(struct mm_ref a, struct mm_ref b);
/* Standard UTF-8 (surrogate pairs joined, a lone one as U+FFFD), zero-
   terminated; null when there is no memory.  vm_text_free gives it back.
   Never a safepoint. */
char *vm_string_to_utf8(struct mm_ref string, size_t *length_bytes);
/* Null is allowed; the text may have been changed, its length not. */
void vm_text_free(char *text, size_t length_bytes);

/* --- Throwing: each leaves an exception pending and returns false --- */

/* With a message made by printf rules (modified UTF-8); null: none. */
bool vm_throw(struct vm_thread *thread, enum vm_error_kind kind,
              const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Any object; null throws NullPointerException. */
bool vm_throw_object(struct vm_thread *thread, struct mm_ref object);

/* The exceptions of instructions, with Panda's messages (7.3). */
bool vm_throw_null(struct vm_thread *thread);
bool vm_throw_index(struct vm_thread *thread, int32_t index, uint32_t length);
bool vm_throw_negative_size(struct vm_thread *thread, int32_t size);
bool vm_throw_division(struct vm_thread *thread);
bool vm_throw_store(struct vm_thread *thread, struct mm_ref value,
                    struct mm_ref array);
bool vm_throw_cast(struct vm_thread *thread, struct mm_ref value,
                   const struct vm_class *to);
bool vm_throw_abstract(struct vm_thread *thread,
                       const struct vm_method *method);
bool vm_throw_verify(struct vm_thread *thread, const struct vm_method *method,
                     uint32_t insn);
bool vm_throw_stack_overflow(struct vm_thread *thread);
bool vm_throw_out_of_memory(struct vm_thread *thread);

/* The same after mm_alloc_* returned null: the message names the space. */
bool vm_throw_refused(struct vm_thread *thread);

/*
 * The handler for the pending exception in one frame, at instruction `fault`
 * (7.2); UINT32_MAX when there is none.  A handler's class that cannot be
 * found does not match; when there is no memory to find it, OutOfMemoryError
 * is pending from then on.  Never a safepoint, takes nothing off the thread.
 */
uint32_t vm_find_handler(struct vm_thread *thread, const struct vm_frame *frame,
                         uint32_t fault);

/* --- Walking frames; never a safepoint --- */

struct vm_frame_info {
  struct vm_frame *frame;
  uint32_t insn; /* UINT32_MAX: native */
  uint32_t fault;
  bool in_call;
  uint32_t line; /* 0: native */
};

/* Innermost first; stops when `visit` returns false. */
void vm_stack_walk(struct vm_thread *thread,
                   bool (*visit)(void *context,
                                 const struct vm_frame_info *info),
                   void *context);

/* Is register `vreg` of this frame a live reference where it stands?
   vreg == reg_count asks for the accumulator. */
bool vm_frame_is_live_ref(const struct vm_frame_info *info, uint32_t vreg);

/* Reads and changes a register of any frame; the running code sees the
   change.  Setting a live reference to an object whose class would break
   what the verifier proved of it is refused (false). */
union vm_slot vm_frame_get(const struct vm_frame_info *info, uint32_t vreg);
bool vm_frame_set(struct vm_thread *thread, const struct vm_frame_info *info,
                  uint32_t vreg, union vm_slot value);

/* --- Array constructors (3.6) --- */

/* Does `method` name the constructor of an array type?  Then the class is
   resolved and returned, else null with an exception pending. */
struct vm_class *vm_resolve_array_ctor(struct vm_thread *thread,
                                       struct vm_module *module,
                                       uint32_t method);

#endif
