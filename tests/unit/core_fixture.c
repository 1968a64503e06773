/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as texts.  See core_fixture.h. */
#include "config.h"

#include "tests/unit/core_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "vm/asm/asm.h"
#include "vm/core/define.h"

static bool (*current_hook)(struct vm_thread *thread);

static bool call_hook(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  (void)args, (void)result;
  return current_hook ? current_hook(thread) : true;
}

static const struct vm_native_def test_methods[] = {
    {"void Test.hook()", call_hook, 0},
};

static const struct vm_library_class test_class = {
    .name = "Test", .methods = test_methods, .method_count = 1};

void core_hook(bool (*hook)(struct vm_thread *thread))
{
  current_hook = hook;
}

static struct vm_module *assemble(const char *file, const char *text,
                                  struct vm_diags *diags)
{
  if (!vm_class_find(machine.vm, "Test"))
    ck_assert(vm_define_class(machine.vm, &test_class));
  struct vm_module *module = vm_assemble(file, text, strlen(text), diags);
  if (!module)
    vm_diags_print(diags, stderr, false);
  ck_assert_ptr_nonnull(module);
  return module;
}

void core_load(const char *file, const char *text)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = assemble(file, text, &diags);
  bool loaded = vm_load_module(machine.vm, module, &diags);
  if (!loaded)
    vm_diags_print(&diags, stderr, false);
  ck_assert(loaded);
  vm_diags_destroy(&diags);
}

void core_load_refused(const char *file, const char *text, const char *part)
{
  struct vm_diags diags;
  bool told = false;
  vm_diags_init(&diags);
  struct vm_module *module = assemble(file, text, &diags);
  ck_assert(!vm_load_module(machine.vm, module, &diags));
  for (struct vm_diag *d = diags.first; d; d = d->next)
    told |= d->severity == VM_DIAG_ERROR && strstr(d->text, part) != NULL;
  if (!told)
    vm_diags_print(&diags, stderr, false);
  ck_assert_msg(told, "no message with `%s'", part);
  vm_diags_destroy(&diags);
}

static enum vm_outcome run(int *status)
{
  struct mm_error error = {{0}};
  enum vm_outcome outcome =
      vm_run(machine.vm, "_GLOBAL::main", 0, NULL, status, &error);
  machine_flush();
  ck_assert_msg(outcome != VM_NO_ENTRY, "%s", error.text);
  return outcome;
}

int core_run(void)
{
  int status = -1;
  enum vm_outcome outcome = run(&status);
  ck_assert_msg(outcome == VM_RETURNED, "%s", machine.err_text);
  return status;
}

void core_run_uncaught(const char *part)
{
  int status;
  ck_assert_int_eq(run(&status), VM_UNCAUGHT);
  ck_assert_msg(strstr(machine.err_text, part) != NULL, "`%s' is not in\n%s",
                part, machine.err_text);
}

void core_run_prints(const char *expected)
{
  core_run();
  ck_assert_str_eq(machine.out_text, expected);
}

struct vm_class *core_class(const char *name)
{
  struct vm_class *class = vm_class_find(machine.vm, name);
  ck_assert_msg(class != NULL, "no class %s", name);
  return class;
}

struct vm_field *core_field(const char *class_name, const char *name)
{
  struct vm_class *class = core_class(class_name);
  for (uint32_t i = 0; i < class->field_count; i++)
    if (strcmp(class->fields[i].name, name) == 0)
      return &class->fields[i];
  ck_abort_msg("no field %s.%s", class_name, name);
  return NULL;
}

struct vm_method *core_method(const char *class_name, const char *name)
{
  struct vm_class *class = core_class(class_name);
  for (uint32_t i = 0; i < class->method_count; i++)
    if (strcmp(class->methods[i].name, name) == 0)
      return &class->methods[i];
  ck_abort_msg("no method %s.%s", class_name, name);
  return NULL;
}
