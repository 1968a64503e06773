/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an entry point (9.1 to 9.3): find it, verify what was loaded,
 * initialise its class, make the arguments, call it, and tell how it ended.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <stdio.h>
#include <string.h>

#include "vm/lib/output.h"

static bool takes_arguments(const struct vm_method *method)
{
  return method->param_count == 1;
}

static bool fit_as_entry(const struct vm_method *method)
{
  if (!(method->flags & VM_FLAG_STATIC))
    return false;
  return method->param_count == 0 ||
         (takes_arguments(method) &&
          strcmp(method->param_types[0], "panda.String[]") == 0);
}

/* `named` is set when there is a method of the name, fit or not. */
static struct vm_method *entry_of_class(struct vm_class *class,
                                        const char *name, bool *named)
{
  for (uint32_t i = 0; i < class->method_count; i++) {
    struct vm_method *method = &class->methods[i];
    if (strcmp(method->name, name) != 0)
      continue;
    *named = true;
    if (fit_as_entry(method))
      return method;
  }
  return NULL;
}

/* Functions without a record are looked for in all modules, in load order;
   `class_length` bytes of `entry` name the class. */
static struct vm_method *find_entry_locked(struct vm *vm, const char *entry,
                                           size_t class_length, bool *named)
{
  const char *name = entry + class_length + 2;
  struct vm_class *class =
      vm_class_table_find(vm->boot->class_table, entry, class_length);
  struct vm_method *method = NULL;
  if (class && class->has_instances)
    return entry_of_class(class, name, named);
  if (class == vm->known.global)
    for (class = vm->boot->classes; class && !method; class = class->next)
      if (!class->has_instances)
        method = entry_of_class(class, name, named);
  return method;
}

/* Attached threads may be making classes of arrays. */
static struct vm_method *find_entry(struct vm *vm, const char *entry,
                                    size_t class_length, bool *named)
{
  vm_lock(vm, VM_LOCK_LINK);
  struct vm_method *method = find_entry_locked(vm, entry, class_length, named);
  vm_unlock(vm, VM_LOCK_LINK);
  return method;
}

static const char *last_colons(const char *entry)
{
  const char *found = NULL;
  for (const char *at = strstr(entry, "::"); at; at = strstr(at + 1, "::"))
    found = at;
  return found;
}

/* Of the program: those with a body. */
static bool has_functions(const struct vm *vm)
{
  for (const struct vm_module *m = vm->boot->modules; m; m = m->next)
    for (uint32_t i = 0; i < m->function_count; i++)
      if (m->functions[i].insns)
        return true;
  return false;
}

static unsigned count_lines(const struct vm *vm)
{
  unsigned lines = 0;
  for (const struct vm_module *m = vm->boot->modules; m; m = m->next) {
    for (size_t i = 0; i < m->source_bytes; i++)
      lines += m->source[i] == '\n';
    lines += m->source_bytes > 0 && m->source[m->source_bytes - 1] != '\n';
  }
  return lines;
}

/* As when a file is cut short in its first comment. */
static void tell_of_nothing(const struct vm *vm, const char *entry,
                            struct mm_error *error)
{
  unsigned lines = count_lines(vm);
  const struct vm_module *first = vm->boot->modules;
  snprintf(error->text, sizeof error->text,
           "there is no entry point `%.40s`: %.60s%s no function at all (%u "
           "line%s read); the usual one begins `.function i32 main() {`",
           entry, first ? first->file : "nothing",
           first && first->next ? " and the other files have" : " has", lines,
           lines == 1 ? "" : "s");
}

static struct vm_method *require_entry(struct vm *vm, const char *entry,
                                       struct mm_error *error)
{
  const char *colons = last_colons(entry);
  bool named = false;
  if (!colons) {
    snprintf(error->text, sizeof error->text,
             "`%.80s` is no entry point: write Class::method, for a function "
             "without a record _GLOBAL::method",
             entry);
    return NULL;
  }
  struct vm_method *method =
      find_entry(vm, entry, (size_t)(colons - entry), &named);
  if (!method && named)
    snprintf(error->text, sizeof error->text,
             "entry point `%.80s` has to be static and take nothing or one "
             "panda.String[]",
             entry);
  else if (!method && !has_functions(vm))
    tell_of_nothing(vm, entry, error);
  else if (!method)
    snprintf(error->text, sizeof error->text,
             "there is no entry point `%.80s`; name another one with "
             "--entry=Class::method",
             entry);
  return method;
}

static bool make_arguments(struct vm_thread *thread, int argc,
                           char *const *argv, union vm_slot *slot)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  bool ok;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = vm_new_array(thread, thread->vm->known.string_array, argc);
  ok = !mm_is_null(held[0]);
  for (int i = 0; ok && i < argc; i++) {
    struct mm_ref string =
        vm_string_from_utf8(thread, argv[i], strlen(argv[i]));
    ok = !mm_is_null(string);
    if (ok)
      vm_array_set_ref(thread, held[0], (uint32_t)i, string);
  }
  slot->u64 = held[0].bits;
  mm_scope_close(&thread->mutator, &scope);
  return ok;
}

/* The low 32 bits of what was returned; nothing and references count as 0. */
static int status_of(const struct vm_method *method, union vm_slot result)
{
  if (method->return_prim == VM_PRIM_VOID || method->return_prim == VM_PRIM_REF)
    return 0;
  return result.i32;
}

/* What left the main thread's first method. */
static enum vm_outcome tell_uncaught(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  if (vm_is_exiting(vm))
    return VM_EXITED;
  vm_output_flush(vm);
  vm_trace_report(thread, vm->options.err);
  return VM_UNCAUGHT;
}

static enum vm_outcome run_entry(struct vm_thread *thread,
                                 struct vm_method *method, int argc,
                                 char *const *argv, int *status,
                                 struct mm_error *error)
{
  union vm_slot arguments = {0}, result = {0};
  if (!vm_class_initialise(thread, method->owner))
    return tell_uncaught(thread);
  if (takes_arguments(method) &&
      !make_arguments(thread, argc, argv, &arguments)) {
    snprintf(error->text, sizeof error->text,
             "no memory for the program's arguments");
    return VM_RUN_OUT_OF_MEMORY;
  }
  if (!thread->vm->engine.invoke(thread, method, &arguments, &result))
    return tell_uncaught(thread);
  *status = status_of(method, result);
  return VM_RETURNED;
}

/* Attached threads may be verifying too, or translating. */
static bool verify_loaded(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_CODE);
  bool ok = vm_verify_loaded(vm);
  vm_unlock(vm, VM_LOCK_CODE);
  return ok;
}

enum vm_outcome vm_run(struct vm *vm, const char *entry, int argc,
                       char *const *argv, int *status, struct mm_error *error)
{
  struct vm_thread *thread = vm->main_thread;
  struct vm_method *method = require_entry(vm, entry, error);
  if (!method)
    return VM_NO_ENTRY;
  if (!verify_loaded(vm)) {
    snprintf(error->text, sizeof error->text, "no memory to verify it");
    return VM_RUN_OUT_OF_MEMORY;
  }
  enum vm_outcome outcome =
      run_entry(thread, method, argc, argv, status, error);
  thread->exception = MM_NULL;
  vm_threads_finish(thread);
  if (!vm_is_exiting(vm))
    return outcome;
  *status = vm->exit_status;
  return vm_core_of(vm)->threads.deadlocked ? VM_DEADLOCKED : VM_EXITED;
}
