/* SPDX-License-Identifier: Apache-2.0 */
/* The machine behind the tests of vm/core's strings and monitors and of
   vm/lib. */
#include "config.h"

#include "tests/unit/vm_fixture.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "vm/core/object.h"

struct machine machine;

struct vm_options machine_options(void)
{
  struct vm_options options;
  vm_options_init(&options);
  options.mm.heap_max_bytes = 32u << 20;
  options.mm.workers = 1;
  options.mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
  return options;
}

void machine_open(void)
{
  machine_open_with(machine_options());
}

void machine_open_with(struct vm_options options)
{
  struct mm_error error = {{0}};
  memset(&machine, 0, sizeof machine);
  options.out = open_memstream(&machine.out_text, &machine.out_bytes);
  options.err = open_memstream(&machine.err_text, &machine.err_bytes);
  ck_assert_ptr_nonnull(options.out);
  ck_assert_ptr_nonnull(options.err);
  ck_assert_msg(vm_create(&options, interp_engine(), &machine.vm, &error) ==
                    MM_OK,
                "vm_create: %s", error.text);
  machine.thread = machine.vm->main_thread;
}

void machine_close(void)
{
  FILE *out = machine.vm->options.out, *err = machine.vm->options.err;
  vm_destroy(machine.vm);
  fclose(out);
  fclose(err);
  free(machine.out_text);
  free(machine.err_text);
}

void machine_flush(void)
{
  fflush(machine.vm->options.out);
  fflush(machine.vm->options.err);
}

void machine_collect(void)
{
  mm_collect(&machine.thread->mutator, MM_CAUSE_EXPLICIT);
}

struct mm_ref machine_string(const char *text)
{
  struct mm_ref string =
      vm_string_from_utf8(machine.thread, text, strlen(text));
  ck_assert(!mm_is_null(string));
  return string;
}

struct mm_ref machine_object(void)
{
  struct mm_ref object =
      vm_new_object(machine.thread, machine.vm->known.object);
  ck_assert(!mm_is_null(object));
  return object;
}

void machine_expect(const char *class, const char *part)
{
  struct mm_ref exception = vm_thread_take_exception(machine.thread);
  ck_assert_msg(!mm_is_null(exception), "nothing was thrown");
  ck_assert_str_eq(vm_class_of(exception)->name, class);
  struct mm_ref message = vm_object_ref(exception, VM_EXCEPTION_MESSAGE_OFFSET);
  ck_assert_int_eq(mm_is_null(message), part == NULL);
  if (!part)
    return;
  size_t bytes;
  char *text = vm_string_to_utf8(message, &bytes);
  ck_assert_ptr_nonnull(text);
  ck_assert_msg(strstr(text, part) != NULL, "`%s' is not in `%s'", part, text);
  vm_text_free(text, bytes);
}

static vm_native_function *find_native(const char *record, const char *name)
{
  const struct vm_class *class = vm_class_find(machine.vm, record);
  ck_assert_msg(class != NULL, "no record %s", record);
  for (uint32_t i = 0; i < class->method_count; i++)
    if (strcmp(class->methods[i].name, name) == 0)
      return class->methods[i].native;
  ck_abort_msg("no %s.%s", record, name);
  return NULL;
}

bool machine_call(const char *record, const char *name,
                  const union vm_slot *args, union vm_slot *result)
{
  union vm_slot copy[4];
  memcpy(copy, args, sizeof copy);
  return find_native(record, name)(machine.thread, copy, result);
}

int machine_main(const char *name, TCase *tests)
{
  tcase_add_checked_fixture(tests, machine_open, machine_close);
  return suite_main(name, (TCase *[]){tests, NULL});
}
