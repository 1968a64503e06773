/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One assembly from text to module; the plan stands in asm_internal.h.
 *
 * Every step takes time in proportion to the text (look-ups are hashed, what
 * is sorted is sorted in n log n, suggestions have a budget), and nothing
 * recurses on the input, so no file is too deep.
 */
#include "config.h"

#include "vm/asm/asm_internal.h"
#include "vm/asm/diag_internal.h"
#include "vm/core/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  SUGGEST_BUDGET = 20 * 1000 * 1000, /* comparisons: a fraction of a second */
  READ_BYTES = 64 * 1024,
};

/* Positions are 32 bits wide. */
#define SOURCE_MAX_BYTES ((size_t)INT32_MAX)

/* Memory -------------------------------------------------------------------*/

void vm_vec_init(struct vm_vec *vec, struct mm_arena *arena)
{
  memset(vec, 0, sizeof *vec);
  vec->arena = arena;
}

void *vm_asm_alloc(struct vm_asm *a, struct mm_arena *arena, size_t bytes)
{
  void *block = mm_arena_alloc(arena, bytes > 0 ? bytes : 1);
  a->no_memory |= block == NULL;
  return block;
}

void *vm_vec_push(struct vm_asm *a, struct vm_vec *vec, size_t item_bytes)
{
  if (vec->count == vec->capacity) {
    uint32_t capacity = vec->capacity ? vec->capacity * 2 : 8;
    void *items = capacity < UINT32_MAX / 2
                      ? vm_asm_alloc(a, vec->arena, capacity * item_bytes)
                      : NULL;
    if (items == NULL) {
      a->no_memory = true;
      return NULL;
    }
    if (vec->count > 0)
      memcpy(items, vec->items, vec->count * item_bytes);
    vec->items = items;
    vec->capacity = capacity;
  }
  return (char *)vec->items + vec->count++ * item_bytes;
}

const char *vm_asm_text(struct vm_asm *a, const char *text, size_t length)
{
  char *copy = vm_asm_alloc(a, a->arena, length + 1);
  if (copy != NULL)
    memcpy(copy, text, length);
  return copy;
}

/* Begin and end ------------------------------------------------------------*/

static bool begin(struct vm_asm *a, struct vm_diags *diags)
{
  memset(a, 0, sizeof *a);
  a->diags = diags;
  a->suggest_budget = SUGGEST_BUDGET;
  a->arena = vm_arena_create(VM_PURPOSE_MODULES);
  a->scratch = vm_arena_create(VM_PURPOSE_ASSEMBLER);
  a->local = vm_arena_create(VM_PURPOSE_ASSEMBLER);
  if (a->arena == NULL || a->scratch == NULL || a->local == NULL)
    return false;
  /* The first block keeps a chunk in the arena when it is rewound. */
  if (mm_arena_alloc(a->local, 1) == NULL)
    return false;
  struct vm_names *names[] = {
      &a->type_names,   &a->field_names, &a->function_names, &a->signatures,
      &a->constructors, &a->array_names, &a->string_names};
  struct vm_vec *vecs[] = {&a->types,     &a->strings, &a->arrays,
                           &a->fields,    &a->records, &a->functions,
                           &a->overloads, &a->mentions};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    vm_names_init(names[i], a->scratch);
  for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++)
    vm_vec_init(vecs[i], a->scratch);
  return true;
}

static struct vm_module *make_module(struct vm_asm *a, const char *file,
                                     const char *source, size_t source_bytes)
{
  struct vm_module *module = vm_asm_alloc(a, a->arena, sizeof *module);
  char *copy = vm_asm_alloc(a, a->arena, source_bytes);
  const char *name = vm_asm_text(a, file, strlen(file));
  if (module == NULL || copy == NULL || name == NULL)
    return NULL;
  if (source_bytes > 0)
    memcpy(copy, source, source_bytes);
  module->arena = a->arena;
  module->file = a->file = name;
  module->source = a->source = copy;
  module->source_bytes = a->source_bytes = source_bytes;
  return module;
}

/* Copies a vector of the assembly into the module's arena. */
static void *keep(struct vm_asm *a, const struct vm_vec *vec, size_t bytes,
                  uint32_t *count)
{
  void *copy = vm_asm_alloc(a, a->arena, vec->count * bytes);
  if (copy != NULL && vec->count > 0)
    memcpy(copy, vec->items, vec->count * bytes);
  *count = copy != NULL ? vec->count : 0;
  return copy;
}

static void keep_types(struct vm_asm *a, struct vm_module *module)
{
  uint32_t count = a->types.count;
  module->types = vm_asm_alloc(a, a->arena, count * sizeof *module->types);
  if (module->types == NULL)
    return;
  module->type_count = count;
  for (uint32_t i = 0; i < count; i++)
    module->types[i] = vm_asm_type_at(a, i)->ref;
}

static void keep_records(struct vm_asm *a, struct vm_module *module)
{
  uint32_t count = a->records.count;
  module->records = vm_asm_alloc(a, a->arena, count * sizeof *module->records);
  if (module->records == NULL)
    return;
  module->record_count = count;
  for (uint32_t i = 0; i < count; i++) {
    struct asm_record *record = VM_ITEM(struct asm_record, &a->records, i);
    struct vm_record_def *def = &module->records[i];
    uint32_t fields = record->fields.count;
    *def = record->def;
    def->fields = vm_asm_alloc(a, a->arena, fields * sizeof *def->fields);
    def->field_count = def->fields != NULL ? fields : 0;
    for (uint32_t j = 0; j < def->field_count; j++)
      def->fields[j] = VM_ITEM(struct asm_field, &record->fields, j)->def;
  }
}

static void keep_functions(struct vm_asm *a, struct vm_module *module)
{
  uint32_t count = a->functions.count;
  module->functions =
      vm_asm_alloc(a, a->arena, count * sizeof *module->functions);
  module->methods = vm_asm_alloc(a, a->arena, count * sizeof *module->methods);
  if (module->functions == NULL || module->methods == NULL)
    return;
  module->function_count = module->method_count = count;
  for (uint32_t i = 0; i < count; i++) {
    struct asm_function *function =
        VM_ITEM(struct asm_function, &a->functions, i);
    module->functions[i] = function->def;
    module->methods[i] = function->ref;
  }
}

static void assemble(struct vm_asm *a, struct vm_module *module)
{
  vm_asm_declare(a);
  if (!a->no_memory)
    vm_asm_check_mentions(a);
  if (!a->no_memory)
    vm_asm_finish_records(a);
  if (!a->no_memory)
    vm_asm_finish_functions(a);
  if (!a->no_memory)
    vm_asm_bodies(a);
  if (a->no_memory)
    return;
  keep_types(a, module);
  keep_records(a, module);
  keep_functions(a, module);
  module->strings =
      keep(a, &a->strings, sizeof *module->strings, &module->string_count);
  module->arrays =
      keep(a, &a->arrays, sizeof *module->arrays, &module->array_count);
  module->fields =
      keep(a, &a->fields, sizeof *module->fields, &module->field_count);
}

struct vm_module *vm_assemble(const char *file, const char *source,
                              size_t source_bytes, struct vm_diags *diags)
{
  struct vm_asm a;
  struct vm_diag **from = diags->last;
  unsigned errors_before = diags->errors;
  struct vm_module *module = NULL;
  if (source_bytes > SOURCE_MAX_BYTES) {
    vm_diag_add(diags, VM_DIAG_ERROR, file, NULL, 0, 0, 0, 1,
                "the file has more than 2 GiB: split it");
    return NULL;
  }
  vm_name_purposes();
  bool good = begin(&a, diags);
  if (good)
    module = make_module(&a, file, source, source_bytes);
  if (module != NULL)
    assemble(&a, module);
  vm_diags_sort(diags, from);
  if (!good || a.no_memory)
    vm_diag_add_no_memory(diags, file, "memory ran out while it was assembled");
  mm_arena_destroy(a.scratch);
  mm_arena_destroy(a.local);
  if (diags->errors == errors_before)
    return module;
  mm_arena_destroy(a.arena);
  return NULL;
}

/* Files --------------------------------------------------------------------*/

/* Reads to the end; 0 or an error number. */
static int read_all(int in, struct vm_buffer *text)
{
  while (text->count <= SOURCE_MAX_BYTES) { /* vm_assemble says if it is not */
    if (text->count == text->capacity && !vm_buffer_reserve(text, READ_BYTES))
      return ENOMEM;
    ssize_t got =
        read(in, text->bytes + text->count, text->capacity - text->count);
    if (got == 0)
      return 0;
    if (got > 0)
      text->count += (size_t)got;
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

static int read_open(int in, struct vm_buffer *text)
{
  struct stat status;
  if (fstat(in, &status) != 0)
    return errno;
  return S_ISDIR(status.st_mode) ? EISDIR : read_all(in, text);
}

/* By the system's calls: a stream would take memory of its own. */
static int read_file(const char *file, struct vm_buffer *text)
{
  int in = open(file, O_RDONLY | O_CLOEXEC);
  if (in < 0)
    return errno;
  int error = read_open(in, text);
  close(in);
  return error;
}

static void report_unread(struct vm_diags *diags, const char *file, int error)
{
  if (error == ENOMEM)
    vm_diag_add_no_memory(diags, file, "memory ran out while it was read");
  else
    vm_diag_add(diags, VM_DIAG_ERROR, file, NULL, 0, 0, 0, 1,
                "the file cannot be read: %s",
                error == EISDIR ? "it is a directory" : strerror(error));
}

struct vm_module *vm_assemble_file(const char *file, struct vm_diags *diags)
{
  struct vm_buffer text = {.purpose = VM_PURPOSE_SOURCE};
  struct vm_module *module = NULL;
  vm_name_purposes();
  int error = read_file(file, &text);
  if (error == 0)
    module = vm_assemble(file, text.bytes, text.count, diags);
  else
    report_unread(diags, file, error);
  vm_buffer_free(&text);
  return module;
}
