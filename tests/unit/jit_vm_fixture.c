/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with a compiler.  See jit_vm_fixture.h. */
#include "config.h"

#include "tests/unit/jit_vm_fixture.h"

#include <string.h>

void jit_vm_open(enum vm_jit_mode mode, struct vm_options options)
{
  struct mm_error error = {{0}};
  options.jit.mode = mode;
  options.jit.sync = true;
  machine_open_with(options);
  ck_assert_msg(jit_start(machine.vm, &error) == MM_OK, "%s", error.text);
}

void jit_vm_close(void)
{
  core_hook(NULL);
  jit_stop(machine.vm);
  machine_close();
}

struct jit_compiler *jit_vm_compiler(void)
{
  return jit_compiler_of(machine.vm);
}

struct vm_method *jit_vm_method(const char *name)
{
  for (struct vm_class *class = machine.vm->boot->classes; class;
       class = class->next)
    for (uint32_t i = 0; class->module && i < class->method_count; i++)
      if (strcmp(class->methods[i].name, name) == 0)
        return &class->methods[i];
  ck_abort_msg("no method %s", name);
  return NULL;
}

void jit_vm_interpret(const char *name)
{
  jit_vm_method(name)->heat = INT32_MAX;
}

struct jit_code *jit_vm_code(const char *name)
{
  struct jit_code *code = jit_vm_method(name)->compiled;
  ck_assert_msg(code && !code->is_stale, "%s is not compiled", name);
  return code;
}

bool jit_vm_is_compiled(const struct vm_frame *frame)
{
  return frame->method && !frame->method->native &&
         frame->position & VM_FRAME_COMPILED;
}
