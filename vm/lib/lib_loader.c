/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panda.Loader: modules that are loaded while the program runs, each with a
 * name space of its own (vm/core/loader.h).
 *
 *   Loader load(String file)                 loads a module from a file
 *   Loader loadText(String text, String name)    from a text; the name is for
 *                                            messages and traces
 *   Object create(Loader, String record)     a new instance, made by the
 *                                            constructor without parameters
 *                                            where there is one
 *   i32 invoke(Loader, String function)      calls "Record::function" or
 *   Object invokeObject(Loader, String)      "_GLOBAL::function": static,
 *                                            without parameters
 *   Class findClass(Loader, String name)     null: there is none
 *   void loadLibrary(Loader, String file)    opens a shared library for the
 *                                            native methods of its module
 *
 * A module that is not fit throws panda.LoadException, its message the
 * diagnostics, one a line, as the command line writes them.
 *
 * The text is assembled in native state: it touches nothing of the machine.
 */
#include "config.h"

#include "vm/lib/library_internal.h"

#include <string.h>

#include "vm/asm/asm.h"
#include "vm/core/buffer.h"
#include "vm/core/class_table_internal.h"
#include "vm/core/loader.h"
#include "vm/core/lock.h"
#include "vm/core/natives.h"
#include "vm/core/object.h"

/* --- Texts of programs as C sees them --- */

struct text {
  char *bytes;
  size_t count;
};

/* Throws when the string is null or there is no memory. */
static bool take_text(struct vm_thread *thread, struct mm_ref string,
                      struct text *text)
{
  if (mm_is_null(string))
    return vm_throw_null(thread);
  text->bytes = vm_string_to_utf8(string, &text->count);
  return text->bytes || vm_throw_out_of_memory(thread);
}

/* The same of what is a name, which a zero character would end. */
static bool take_name(struct vm_thread *thread, struct mm_ref string,
                      struct text *text)
{
  if (!take_text(thread, string, text))
    return false;
  if (strlen(text->bytes) == text->count)
    return true;
  vm_text_free(text->bytes, text->count);
  return vm_throw(thread, VM_ERROR_LOAD, "a name has a zero character in it");
}

static void drop_text(struct text *text)
{
  vm_text_free(text->bytes, text->count);
}

/* --- Loading --- */

/* False: no memory. */
static bool print_diag(struct vm_buffer *message, const struct vm_diag *diag)
{
  static const char *const severities[] = {"note", "warning", "error"};
  if (message->count > 0 && !vm_buffer_print(message, "\n"))
    return false;
  if (diag->line > 0)
    return vm_buffer_print(message, "%s:%u:%u: %s: %s", diag->file, diag->line,
                           diag->column, severities[diag->severity],
                           diag->text);
  return vm_buffer_print(message, "%s: %s: %s", diag->file,
                         severities[diag->severity], diag->text);
}

/* Warnings, and the notes to them, are left out. */
static bool print_errors(struct vm_buffer *message,
                         const struct vm_diags *diags)
{
  bool is_told = false, ok = true;
  for (const struct vm_diag *d = diags->first; d && ok; d = d->next) {
    if (d->severity != VM_DIAG_NOTE)
      is_told = d->severity == VM_DIAG_ERROR;
    if (is_told)
      ok = print_diag(message, d);
  }
  return ok;
}

static bool throw_diags(struct vm_thread *thread, const struct vm_diags *diags)
{
  struct vm_buffer message = {.purpose = VM_PURPOSE_TEXT};
  if (!diags->out_of_memory && print_errors(&message, diags))
    vm_throw(thread, VM_ERROR_LOAD, "%s", message.bytes);
  else
    vm_throw_out_of_memory(thread);
  vm_buffer_free(&message);
  return false;
}

/* A file's path, or a name and a text. */
struct source {
  struct text name;
  const struct text *text; /* null: from the file */
};

static struct vm_module *assemble(struct vm_thread *thread,
                                  const struct source *source,
                                  struct vm_diags *diags)
{
  const struct text *text = source->text;
  mm_enter_native(&thread->mutator);
  struct vm_module *module =
      text ? vm_assemble(source->name.bytes, text->bytes, text->count, diags)
           : vm_assemble_file(source->name.bytes, diags);
  mm_leave_native(&thread->mutator);
  return module;
}

static struct vm_loader *try_source(struct vm_thread *thread,
                                    const struct source *source,
                                    struct vm_diags *diags)
{
  vm_diags_init(diags);
  struct vm_module *module = assemble(thread, source, diags);
  return module ? vm_loader_load(thread, module, diags) : NULL;
}

static bool load_source(struct vm_thread *thread, const struct source *source,
                        union vm_slot *result)
{
  struct vm_diags diags;
  struct vm_loader *loader = try_source(thread, source, &diags);
  if (!loader && diags.out_of_memory) { /* dead modules may have it */
    vm_diags_destroy(&diags);
    vm_loaders_make_room(thread);
    loader = try_source(thread, source, &diags);
  }
  bool ok = loader || throw_diags(thread, &diags);
  vm_diags_destroy(&diags);
  if (!ok)
    return false;
  struct mm_ref object = vm_loader_publish(thread, loader);
  if (!mm_is_null(object))
    return vm_lib_return_ref(result, object);
  vm_loader_destroy(loader);
  return false;
}

static bool load(struct vm_thread *thread, union vm_slot *args,
                 union vm_slot *result)
{
  struct source source = {.text = NULL};
  if (!take_name(thread, args[0].ref, &source.name))
    return false;
  bool ok = load_source(thread, &source, result);
  drop_text(&source.name);
  return ok;
}

static bool load_text(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  struct text text;
  struct source source = {.text = &text};
  if (!take_text(thread, args[0].ref, &text))
    return false;
  bool ok = take_name(thread, args[1].ref, &source.name);
  if (ok) {
    ok = load_source(thread, &source, result);
    drop_text(&source.name);
  }
  drop_text(&text);
  return ok;
}

/* --- What is in it --- */

/* The class that the string names there; throws when there is none. */
static struct vm_class *require_class(struct vm_thread *thread,
                                      const union vm_slot *args)
{
  struct text name;
  if (mm_is_null(args[0].ref)) {
    vm_throw_null(thread);
    return NULL;
  }
  if (!take_name(thread, args[1].ref, &name))
    return NULL;
  struct vm_class *class =
      vm_loader_find_or_throw(thread, vm_loader_of(args[0].ref), name.bytes);
  drop_text(&name);
  return class;
}

static bool find_class(struct vm_thread *thread, union vm_slot *args,
                       union vm_slot *result)
{
  struct text name;
  struct vm_class *class;
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  if (!take_name(thread, args[1].ref, &name))
    return false;
  bool found = vm_loader_look_up(vm_loader_of(args[0].ref), name.bytes, &class);
  drop_text(&name);
  if (!found)
    return vm_throw_out_of_memory(thread);
  if (!class)
    return vm_lib_return_ref(result, MM_NULL);
  struct mm_ref mirror = vm_class_mirror(thread, class);
  return !mm_is_null(mirror) && vm_lib_return_ref(result, mirror);
}

static struct vm_method *default_constructor(struct vm_class *class)
{
  for (uint32_t i = 0; i < class->method_count; i++)
    if ((class->methods[i].flags & VM_FLAG_CTOR) &&
        class->methods[i].param_count == 1)
      return &class->methods[i];
  return NULL;
}

static bool has_constructor(const struct vm_class *class)
{
  for (uint32_t i = 0; i < class->method_count; i++)
    if (class->methods[i].flags & VM_FLAG_CTOR)
      return true;
  return false;
}

/* `held` is in a scope; the constructor's argument is copied first. */
static bool construct(struct vm_thread *thread, struct vm_class *class,
                      struct mm_ref *held)
{
  struct vm_method *constructor = default_constructor(class);
  union vm_slot self = {0}, nothing;
  if (!constructor && has_constructor(class))
    return vm_throw(thread, VM_ERROR_NO_SUCH_METHOD, "void %s.ctor:(%s)",
                    class->name, class->name);
  *held = vm_new_object(thread, class);
  if (mm_is_null(*held))
    return false;
  self.ref = *held;
  return !constructor ||
         thread->vm->engine.invoke(thread, constructor, &self, &nothing);
}

static bool create(struct vm_thread *thread, union vm_slot *args,
                   union vm_slot *result)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  struct vm_class *class = require_class(thread, args);
  if (!class || !vm_class_check_instantiable(thread, class) ||
      !vm_class_initialise(thread, class))
    return false;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  bool ok = construct(thread, class, &held[0]);
  mm_scope_close(&thread->mutator, &scope);
  return ok && vm_lib_return_ref(result, held[0]);
}

/* --- Calling --- */

static bool is_callable(const struct vm_method *method, const char *name,
                        bool wants_object)
{
  return strcmp(method->name, name) == 0 && method->param_count == 0 &&
         (method->flags & VM_FLAG_STATIC) &&
         (method->return_prim == VM_PRIM_REF) == wants_object;
}

static struct vm_method *find_callable(struct vm_class *class, const char *name,
                                       bool wants_object)
{
  for (uint32_t i = 0; i < class->method_count; i++)
    if (is_callable(&class->methods[i], name, wants_object))
      return &class->methods[i];
  return NULL;
}

/* Functions without a record: those of the loader's module. */
static struct vm_method *find_function(struct vm_loader *loader,
                                       const char *name, bool wants_object)
{
  struct vm_method *method = NULL;
  vm_lock(loader->vm, VM_LOCK_LINK);
  for (struct vm_class *class = loader->classes; class && !method;
       class = class->next)
    if (!class->has_instances)
      method = find_callable(class, name, wants_object);
  vm_unlock(loader->vm, VM_LOCK_LINK);
  return method;
}

/* `entry` is "Record::function" and is taken apart in place. */
static struct vm_method *require_function(struct vm_thread *thread,
                                          struct vm_loader *loader, char *entry,
                                          bool wants_object)
{
  struct vm_method *method = NULL;
  char *colons = strstr(entry, "::");
  if (!colons) {
    vm_throw(thread, VM_ERROR_NO_SUCH_METHOD,
             "`%s' is not of the form Record::function", entry);
    return NULL;
  }
  *colons = 0;
  struct vm_class *class = vm_loader_find_or_throw(thread, loader, entry);
  if (!class)
    return NULL;
  if (class == thread->vm->known.global)
    method = find_function(loader, colons + 2, wants_object);
  else
    method = find_callable(class, colons + 2, wants_object);
  if (!method)
    vm_throw(thread, VM_ERROR_NO_SUCH_METHOD,
             "%s::%s: no static function without parameters that returns %s",
             entry, colons + 2, wants_object ? "an object" : "a number");
  return method;
}

static bool call(struct vm_thread *thread, const union vm_slot *args,
                 bool wants_object, union vm_slot *result)
{
  struct text entry;
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  if (!take_name(thread, args[1].ref, &entry))
    return false;
  struct vm_method *method = require_function(thread, vm_loader_of(args[0].ref),
                                              entry.bytes, wants_object);
  drop_text(&entry);
  return method && vm_class_initialise(thread, method->owner) &&
         thread->vm->engine.invoke(thread, method, NULL, result);
}

static bool invoke(struct vm_thread *thread, union vm_slot *args,
                   union vm_slot *result)
{
  union vm_slot value = {0};
  return call(thread, args, false, &value) &&
         vm_lib_return_i32(result, value.i32);
}

static bool invoke_object(struct vm_thread *thread, union vm_slot *args,
                          union vm_slot *result)
{
  union vm_slot value = {0};
  return call(thread, args, true, &value) &&
         vm_lib_return_ref(result, value.ref);
}

/* --- Libraries --- */

/* System.loadLibrary is the same for all loaders. */
bool vm_lib_load_library(struct vm_thread *thread, struct vm_loader *loader,
                         struct mm_ref name)
{
  struct text file;
  struct mm_error error;
  if (!take_name(thread, name, &file))
    return false;
  enum mm_status status =
      vm_natives_open(thread, loader, file.bytes, file.count, &error);
  drop_text(&file);
  if (status == MM_NO_MEMORY)
    return vm_throw_out_of_memory(thread);
  return status == MM_OK || vm_throw(thread, VM_ERROR_LOAD, "%s", error.text);
}

static bool load_library(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  return vm_lib_load_library(thread, vm_loader_of(args[0].ref), args[1].ref) &&
         vm_lib_return_void(result);
}

/* A name with blanks cannot be written in a program. */
static const struct vm_native_field fields[] = {
    {"u64", "size", 0},
    {"u64", "loader address", 0},
};

static const struct vm_native_def methods[] = {
    {"panda.Loader panda.Loader.load(panda.String)", load, 0},
    {"panda.Loader panda.Loader.loadText(panda.String, panda.String)",
     load_text, 0},
    {"panda.Object panda.Loader.create(panda.Loader, panda.String)", create, 0},
    {"i32 panda.Loader.invoke(panda.Loader, panda.String)", invoke, 0},
    {"panda.Object panda.Loader.invokeObject(panda.Loader, panda.String)",
     invoke_object, 0},
    {"panda.Class panda.Loader.findClass(panda.Loader, panda.String)",
     find_class, 0},
    {"void panda.Loader.loadLibrary(panda.Loader, panda.String)", load_library,
     0},
};

const struct vm_library_class vm_lib_loader = {
    .name = "panda.Loader",
    .flags = VM_FLAG_FINAL,
    .fields = fields,
    .field_count = sizeof fields / sizeof fields[0],
    .methods = methods,
    .method_count = sizeof methods / sizeof methods[0],
};
