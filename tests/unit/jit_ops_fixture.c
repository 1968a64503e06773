/* SPDX-License-Identifier: Apache-2.0 */
/* See jit_ops_fixture.h. */
#include "config.h"

#include "tests/unit/jit_ops_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "vm/asm/asm.h"
#include "vm/core/vm.h"

static struct vm_method *method_named(struct vm *vm, const char *name)
{
  for (struct vm_class *class = vm->boot->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      if (class->module && strcmp(class->methods[i].name, name) == 0)
        return &class->methods[i];
  ck_abort_msg("no method %s", name);
  return NULL;
}

static void load(struct vm *vm, const char *text)
{
  struct vm_diags diags;
  char *whole;
  size_t bytes;
  FILE *out = open_memstream(&whole, &bytes);
  fprintf(out, "%s\n.function i32 main() {\n ldai 0\n return\n}\n", text);
  fclose(out);
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("test.pa", whole, bytes, &diags);
  if (!module || !vm_load_module(vm, module, &diags)) {
    vm_diags_print(&diags, stderr, false);
    ck_abort_msg("not accepted");
  }
  vm_diags_destroy(&diags);
  free(whole);
}

static void open_machine(struct jit_reading *reading, bool fuse)
{
  struct vm_options options;
  struct mm_error error = {{0}};
  vm_options_init(&options);
  options.fuse = fuse;
  options.mm.heap_max_bytes = 8u << 20;
  options.mm.workers = 1;
  options.out = open_memstream(&reading->out, &reading->out_bytes);
  options.err = open_memstream(&reading->err, &reading->err_bytes);
  ck_assert_int_eq(vm_create(&options, interp_engine(), &reading->vm, &error),
                   MM_OK);
}

void jit_reading_open(struct jit_reading *reading, const char *text, bool fuse)
{
  struct mm_error error = {{0}};
  int status;
  memset(reading, 0, sizeof *reading);
  open_machine(reading, fuse);
  load(reading->vm, text);
  vm_run(reading->vm, "_GLOBAL::main", 0, NULL, &status, &error);
  reading->method = method_named(reading->vm, "f");
  FILE *none = fopen("/dev/null", "w");
  ck_assert(interp_dump(reading->vm->main_thread, reading->method, none));
  fclose(none);
  reading->code = reading->method->translated;
  reading->arena = mm_arena_create(NULL);
  ck_assert(jit_ops_read(&reading->ops, reading->arena, reading->code,
                         reading->code->words));
}

void jit_reading_close(struct jit_reading *reading)
{
  mm_arena_destroy(reading->arena);
  FILE *out = reading->vm->options.out, *err = reading->vm->options.err;
  vm_destroy(reading->vm);
  fclose(out);
  fclose(err);
  free(reading->out);
  free(reading->err);
}

char *jit_text_of(const struct jit_ops *ops)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  for (uint32_t i = 0; i < ops->count; i++) {
    fputs(i == 0 ? "" : "; ", out);
    jit_op_print(&ops->ops[i], out);
  }
  fclose(out);
  return text;
}

/* --- Arenas with an end --- */

static size_t bytes_left;

static void *take(struct mm_arena_source *source, size_t bytes)
{
  (void)source;
  if (bytes > bytes_left)
    return NULL;
  bytes_left -= bytes;
  return malloc(bytes);
}

static void give(struct mm_arena_source *source, void *chunk, size_t bytes)
{
  (void)source;
  bytes_left += bytes;
  free(chunk);
}

struct mm_arena *jit_arena_of(size_t bytes)
{
  static struct mm_arena_source source = {take, give};
  bytes_left = bytes;
  struct mm_arena *arena = mm_arena_create(&source);
  ck_assert_ptr_nonnull(arena);
  return arena;
}
