/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries with natives.
 *
 * They are opened when they are named, for the machine or for one loader, and
 * closed when the machine ends, or after the loader has; in between their list
 * only grows at its end, so that it is walked without a lock.  What ended with
 * a loader waits until a thread can run the library's own end: the next one
 * that loads a module, or the main thread at the end of the machine.
 *
 * Code that a method is bound to stays: what was found by name lies in a
 * library of the method's own loader, or of the machine.  A function that was
 * handed to register_natives may lie in any library, one that is refused right
 * after it among them (its beginning threw), or of a loader that ends before
 * the method's does; so its binding opens that library once more.
 *
 * Each is opened with the rules of dlopen: a name with a slash is a path, any
 * other is looked for where the system's libraries are.  Their symbols are not
 * made public to each other (RTLD_LOCAL); what a library itself depends on is
 * searched with it.
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *remedy_for(const char *name)
{
  return !strchr(name, '/') && access(name, R_OK) == 0
             ? "; there is such a file here: write ./ in front of it"
             : "";
}

static enum mm_status tell_missing(const char *name, struct mm_error *error)
{
  const char *why = dlerror();
  snprintf(error->text, sizeof error->text,
           "cannot load library `%.80s' (%s): %s%s", name,
           strchr(name, '/') ? "taken for a path"
                             : "looked for among the system's libraries",
           why ? why : "the system says nothing", remedy_for(name));
  return MM_OS_FAILED;
}

static enum mm_status no_memory(struct mm_error *error)
{
  snprintf(error->text, sizeof error->text, "no memory for a library");
  return MM_NO_MEMORY;
}

static void append(struct vm *vm, struct native_library **last,
                   struct native_library *library)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  while (*last)
    last = &(*last)->next;
  __atomic_store_n(last, library, __ATOMIC_RELEASE);
  vm_unlock(vm, VM_LOCK_NATIVES);
}

/* A symbol as a function: POSIX has them of one size. */
static bamboo_function symbol_of(void *handle, const char *symbol)
{
  void *at = dlsym(handle, symbol);
  bamboo_function function;
  _Static_assert(sizeof at == sizeof function, "a symbol is a function");
  memcpy(&function, &at, sizeof function);
  return function;
}

/* Runs the library's own beginning.  Safepoint. */
static enum mm_status greet(struct vm_thread *thread, struct vm_loader *loader,
                            const struct native_library *library,
                            struct mm_error *error)
{
  bamboo_on_load_function *begin =
      (bamboo_on_load_function *)symbol_of(library->handle, BAMBOO_ON_LOAD);
  if (!begin)
    return MM_OK;
  struct native_thread *native = native_thread_get(thread);
  if (!native) {
    thread->exception = MM_NULL;
    return no_memory(error);
  }
  uint32_t wanted = 0;
  native_call_hook(native, loader, begin, &wanted);
  if (native_is_thrown(thread)) {
    thread->exception = MM_NULL;
    snprintf(error->text, sizeof error->text,
             "library `%.80s': its " BAMBOO_ON_LOAD " threw an exception",
             library->name);
    return MM_OS_FAILED;
  }
  if (wanted <= BAMBOO_NATIVE_VERSION)
    return MM_OK;
  snprintf(error->text, sizeof error->text,
           "library `%.80s' wants version %u of bamboo/native.h; this is "
           "version %u",
           library->name, (unsigned)wanted, (unsigned)BAMBOO_NATIVE_VERSION);
  return MM_UNSUPPORTED;
}

static void close_library(struct native_library *library)
{
  if (library->handle)
    dlclose(library->handle);
  mm_native_free(VM_PURPOSE_NATIVES, library,
                 sizeof *library + strlen(library->name) + 1);
}

enum mm_status vm_natives_open(struct vm_thread *thread,
                               struct vm_loader *loader, const char *name,
                               size_t length, struct mm_error *error)
{
  struct native_library *library =
      mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *library + length + 1);
  if (!library)
    return no_memory(error);
  memcpy(library->name, name, length);
  mm_enter_native(&thread->mutator);
  library->handle = dlopen(library->name, RTLD_NOW | RTLD_LOCAL);
  enum mm_status status =
      library->handle ? MM_OK : tell_missing(library->name, error);
  mm_leave_native(&thread->mutator);
  if (status == MM_OK)
    status = greet(thread, loader ? loader : thread->vm->boot, library, error);
  if (status == MM_OK)
    append(thread->vm,
           loader ? &loader->libraries : &thread->vm->natives->libraries,
           library);
  else
    close_library(library);
  return status;
}

/* The name under which the system has the library of a function; null: the
   program's own file, code that lies in none. */
static const char *file_of(bamboo_function function)
{
  void *at;
  Dl_info info;
  struct link_map *map = NULL;
  memcpy(&at, &function, sizeof at);
  if (!dladdr1(at, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
    return NULL;
  return map->l_name[0] ? map->l_name : NULL;
}

bool native_library_hold(struct vm_thread *thread, bamboo_function function,
                         struct native_library **held)
{
  *held = NULL;
  mm_enter_native(&thread->mutator);
  const char *file = file_of(function);
  void *handle = file ? dlopen(file, RTLD_NOW | RTLD_NOLOAD) : NULL;
  mm_leave_native(&thread->mutator);
  if (!handle)
    return true;
  struct native_library *library =
      mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *library + 1);
  if (!library) {
    dlclose(handle); /* not the last one: who called has it open */
    return vm_throw_out_of_memory(thread);
  }
  library->handle = handle;
  library->has_ended = true;
  *held = library;
  return true;
}

static bamboo_function find_in(struct native_library *const *list,
                               const char *symbol)
{
  const struct native_library *library =
      __atomic_load_n(list, __ATOMIC_ACQUIRE);
  for (; library; library = __atomic_load_n(&library->next, __ATOMIC_ACQUIRE)) {
    bamboo_function function = symbol_of(library->handle, symbol);
    if (function)
      return function;
  }
  return NULL;
}

bamboo_function native_find(const struct vm_loader *loader, const char *symbol)
{
  bamboo_function function = find_in(&loader->libraries, symbol);
  return function ? function : find_in(&loader->vm->natives->libraries, symbol);
}

/* --- The end --- */

/* Runs the library's own end, once.  Safepoint. */
static void tell_end(struct vm_thread *thread, struct vm_loader *loader,
                     struct native_library *library)
{
  if (library->has_ended)
    return;
  bamboo_on_unload_function *end =
      (bamboo_on_unload_function *)symbol_of(library->handle, BAMBOO_ON_UNLOAD);
  struct native_thread *native = end ? native_thread_get(thread) : NULL;
  library->has_ended = true;
  if (native)
    native_call_unload(native, loader, end);
  thread->exception = MM_NULL;
}

static struct native_library *take_ended(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  struct native_library *library = vm->natives->ended;
  if (library)
    vm->natives->ended = library->next;
  vm_unlock(vm, VM_LOCK_NATIVES);
  return library;
}

void vm_natives_close_ended(struct vm_thread *thread)
{
  struct native_library *library;
  while ((library = take_ended(thread->vm))) {
    tell_end(thread, thread->vm->boot, library);
    mm_enter_native(&thread->mutator);
    close_library(library);
    mm_leave_native(&thread->mutator);
  }
}

/* Nobody adds to the list any more. */
void native_libraries_end(struct vm *vm, struct native_library *first)
{
  struct native_library *last = first;
  if (!first)
    return;
  while (last->next)
    last = last->next;
  vm_lock(vm, VM_LOCK_NATIVES);
  last->next = vm->natives->ended;
  vm->natives->ended = first;
  vm_unlock(vm, VM_LOCK_NATIVES);
}

void vm_natives_unload(struct vm_thread *main)
{
  struct vm *vm = main->vm;
  struct native_library *library;
  if (!vm->natives)
    return;
  vm_natives_close_ended(main);
  for (struct vm_loader *l = vm->boot; l; l = l->next)
    for (library = l->libraries; library; library = library->next)
      tell_end(main, l, library);
  for (library = vm->natives->libraries; library; library = library->next)
    tell_end(main, vm->boot, library);
}

static void close_all(struct native_library **list)
{
  while (*list) {
    struct native_library *library = *list;
    *list = library->next;
    close_library(library);
  }
}

void native_libraries_destroy(struct vm_natives *natives)
{
  close_all(&natives->ended);
  close_all(&natives->libraries);
}
