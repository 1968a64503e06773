/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine as C code sees it: threads that come and go, programs that are
 * taken in, running them.
 *
 * Between two calls of a C program that has a machine its thread is in native
 * state, like one that runs a native function.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <stdio.h>
#include <string.h>

#include "vm/asm/asm.h"
#include "vm/core/threads.h"

struct face {
  struct bamboo_vm vm; /* first */
  struct vm *machine;
  void *owner; /* who made it; null: not bamboo_create */
};

static struct vm *machine_of(struct bamboo_vm *vm)
{
  return ((struct face *)vm)->machine;
}

static void put_error(struct bamboo_error *to, const char *format,
                      const char *text)
{
  if (to)
    snprintf(to->text, sizeof to->text, format, text);
}

/* --- Threads --- */

static struct vm_thread *here(struct vm *vm)
{
  if (native_here && native_here->vm == vm)
    return native_here;
  return native_find_here(vm);
}

static struct bamboo_env *get_env(struct bamboo_vm *vm)
{
  struct vm_thread *thread = here(machine_of(vm));
  struct native_thread *native = thread ? thread->native : NULL;
  return native ? &native->env : NULL;
}

static struct bamboo_env *settle(struct vm_thread *thread,
                                 struct bamboo_error *error)
{
  struct native_thread *native = native_thread_get(thread);
  if (!native) {
    vm_threads_detach(thread);
    put_error(error, "%s", "no memory for a thread");
    return NULL;
  }
  native->is_attached = true;
  native_here = thread;
  mm_enter_native(&thread->mutator);
  return &native->env;
}

static struct bamboo_env *attach_as(struct bamboo_vm *vm, bool is_daemon,
                                    struct bamboo_error *error)
{
  struct vm *machine = machine_of(vm);
  struct vm_thread *thread = here(machine);
  struct mm_error why = {{0}};
  if (thread)
    return get_env(vm); /* again: nothing happens */
  if (vm_threads_attach(machine, is_daemon, &thread, &why) != MM_OK) {
    put_error(error, "%s", why.text);
    return NULL;
  }
  return settle(thread, error);
}

static struct bamboo_env *attach(struct bamboo_vm *vm,
                                 struct bamboo_error *error)
{
  return attach_as(vm, false, error);
}

static struct bamboo_env *attach_daemon(struct bamboo_vm *vm,
                                        struct bamboo_error *error)
{
  return attach_as(vm, true, error);
}

static bool detach(struct bamboo_vm *vm)
{
  struct vm_thread *thread = here(machine_of(vm));
  struct native_thread *native = thread ? thread->native : NULL;
  if (!native || !native->is_attached || thread->top)
    return false;
  if (native->criticals > 0)
    native_mistake(thread, "detach", "call release_critical first",
                   "a critical region is open");
  native_here = NULL;
  mm_leave_native(&thread->mutator);
  vm_threads_detach(thread);
  return true;
}

/* --- Programs --- */

static struct vm_thread *enter_main(struct bamboo_vm *vm, const char *function)
{
  struct bamboo_env *env = get_env(vm);
  struct vm *machine = machine_of(vm);
  if (!env || native_thread_of(env)->thread != machine->main_thread)
    native_mistake(NULL, function,
                   "call it on the thread that made the machine",
                   "it is called on another thread than the machine's first");
  return native_enter(env, function, 0);
}

static void tell_diag(const struct vm_diags *diags, struct bamboo_error *error)
{
  const struct vm_diag *diag = diags->first;
  while (diag && diag->severity != VM_DIAG_ERROR)
    diag = diag->next;
  if (!error)
    return;
  if (!diag)
    put_error(error, "%s", "no memory to load it");
  else if (diag->line == 0)
    snprintf(error->text, sizeof error->text, "%s: %s", diag->file, diag->text);
  else
    snprintf(error->text, sizeof error->text, "%s:%u:%u: %s", diag->file,
             (unsigned)diag->line, (unsigned)diag->column, diag->text);
}

static bool load(struct vm *vm, struct vm_module *module,
                 struct vm_diags *diags, struct bamboo_error *error)
{
  bool ok = module && vm_load_module(vm, module, diags);
  if (ok)
    __atomic_store_n(&vm->natives->is_unverified, true, __ATOMIC_RELAXED);
  else
    tell_diag(diags, error);
  vm_diags_destroy(diags);
  return ok;
}

static bool load_file(struct bamboo_vm *vm, const char *file,
                      struct bamboo_error *error)
{
  struct vm_thread *thread = enter_main(vm, "load_file");
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble_file(file, &diags);
  bool ok = load(thread->vm, module, &diags, error);
  native_leave(thread);
  return ok;
}

static bool load_text(struct bamboo_vm *vm, const char *name, const char *text,
                      size_t bytes, struct bamboo_error *error)
{
  struct vm_thread *thread = enter_main(vm, "load_text");
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble(name, text, bytes, &diags);
  bool ok = load(thread->vm, module, &diags, error);
  native_leave(thread);
  return ok;
}

static bool load_library(struct bamboo_vm *vm, const char *name,
                         struct bamboo_error *error)
{
  struct vm_thread *thread = enter_main(vm, "load_library");
  struct mm_error why = {{0}};
  bool ok = vm_natives_open(thread, NULL, name, strlen(name), &why) == MM_OK;
  if (!ok)
    put_error(error, "%s", why.text);
  native_leave(thread);
  return ok;
}

/* All of what was loaded is checked before any of it runs: what one file does
   with another's records depends on both. */
bool native_verify_slow(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  vm_lock(vm, VM_LOCK_CODE);
  bool ok = !__atomic_load_n(&vm->natives->is_unverified, __ATOMIC_RELAXED) ||
            vm_verify_loaded(vm);
  if (ok)
    __atomic_store_n(&vm->natives->is_unverified, false, __ATOMIC_RELEASE);
  vm_unlock(vm, VM_LOCK_CODE);
  return ok || vm_throw_out_of_memory(thread);
}

static enum bamboo_outcome outcome_of(enum vm_outcome outcome)
{
  switch (outcome) {
  case VM_RETURNED:
  case VM_EXITED:
    return BAMBOO_RETURNED;
  case VM_UNCAUGHT:
  case VM_DEADLOCKED:
    return BAMBOO_UNCAUGHT;
  case VM_NO_ENTRY:
    return BAMBOO_NOT_FOUND;
  case VM_RUN_OUT_OF_MEMORY:
    break;
  }
  return BAMBOO_NO_MEMORY;
}

static enum bamboo_outcome run_main(struct bamboo_vm *vm, const char *entry,
                                    int argc, char *const *argv, int *status,
                                    struct bamboo_error *error)
{
  struct vm_thread *thread = enter_main(vm, "run_main");
  struct mm_error why = {{0}};
  int returned = 0;
  enum vm_outcome outcome = vm_run(thread->vm, entry ? entry : "_GLOBAL::main",
                                   argc, argv, &returned, &why);
  put_error(error, "%s", why.text);
  if (status)
    *status = returned;
  native_leave(thread);
  return outcome_of(outcome);
}

static void not_yours(struct bamboo_vm *vm)
{
  (void)vm;
  native_mistake(NULL, "destroy", "let who made the machine end it",
                 "this machine was not made by bamboo_create");
}

/* --- The table --- */

static struct face *make(struct vm *vm)
{
  struct face *face = mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *face);
  if (!face)
    return NULL;
  *face = (struct face){.machine = vm,
                        .vm = {.version = BAMBOO_NATIVE_VERSION,
                               .bytes = sizeof face->vm,
                               .get_env = get_env,
                               .attach = attach,
                               .attach_daemon = attach_daemon,
                               .detach = detach,
                               .load_file = load_file,
                               .load_text = load_text,
                               .load_library = load_library,
                               .run_main = run_main,
                               .destroy = not_yours}};
  return face;
}

struct bamboo_vm *vm_natives_face(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  if (!vm->natives->face)
    vm->natives->face = (struct bamboo_vm *)make(vm);
  struct bamboo_vm *face = vm->natives->face;
  vm_unlock(vm, VM_LOCK_NATIVES);
  return face;
}

struct bamboo_env *vm_natives_enter(struct bamboo_vm *vm, void *owner,
                                    void (*destroy)(struct bamboo_vm *face))
{
  struct face *face = (struct face *)vm;
  struct vm_thread *thread = face->machine->main_thread;
  struct native_thread *native = native_thread_get(thread);
  if (!native)
    return NULL;
  face->owner = owner;
  face->vm.destroy = destroy;
  native_here = thread;
  mm_enter_native(&thread->mutator);
  return &native->env;
}

void *vm_natives_leave(struct bamboo_vm *vm, const char *function)
{
  struct face *face = (struct face *)vm;
  struct vm_thread *thread = face->machine->main_thread;
  struct native_thread *native = thread->native;
  if (here(face->machine) != thread)
    native_mistake(NULL, function,
                   "call it on the thread that made the machine",
                   "it is called on another thread than the machine's first");
  if (native->criticals > 0 || thread->top)
    native_mistake(thread, function, "let it return first",
                   "native code of the machine still runs");
  native_here = NULL;
  mm_leave_native(&thread->mutator);
  thread->exception = MM_NULL;
  return face->owner;
}

void native_face_destroy(struct bamboo_vm *face)
{
  mm_native_free(VM_PURPOSE_NATIVES, face, sizeof(struct face));
}
