/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disassembler: a module as text that assembles to the same module.
 *
 * Records come first, then literal arrays, then functions, which is an order
 * the assembler accepts.  Jump targets are called L<index of instruction>.
 * Each run of handlers with one range gets range labels of its own
 * (B<n>, E<n>), since the order in which handlers are searched goes by the
 * names of the labels and not by where they stand.
 */
#include "config.h"

#include "vm/asm/disasm_internal.h"

#include <string.h>

#include "mm/alloc/arena.h"
#include "vm/core/purposes.h"

/* Metadata -----------------------------------------------------------------*/

enum meta_value { META_NONE, META_RECORD, META_ACCESS, META_CONST };
enum { ON_R = 1, ON_F = 2, ON_M = 4 };

static const struct meta_key {
  const char *text;
  unsigned on;
  enum meta_value value;
  uint32_t flags;
} meta_keys[] = {
#define VM_METADATA_KEY(text, on, value, flags) {text, on, META_##value, flags},
#include "vm/asm/metadata.def"
};

/* What stands behind `=`. */
struct meta_values {
  const struct vm_module *module;
  uint32_t base;                    /* records; UINT32_MAX: none */
  const struct vm_field_def *field; /* fields */
};

static bool has_key(const struct meta_key *key, uint32_t flags,
                    const struct meta_values *values)
{
  switch (key->value) {
  case META_RECORD:
    return values->base != UINT32_MAX;
  case META_ACCESS:
    return (flags & VM_FLAG_ACCESS_MASK) != 0;
  default:
    return (flags & key->flags) != 0;
  }
}

static void print_meta_value(const struct meta_key *key, uint32_t flags,
                             const struct meta_values *values, FILE *out)
{
  static const char *const access[] = {"", "public", "protected", "private"};
  const struct vm_module *module = values->module;
  if (key->value == META_ACCESS) {
    fprintf(out, "=%s",
            access[(flags & VM_FLAG_ACCESS_MASK) >> VM_FLAG_ACCESS_SHIFT]);
  } else if (key->value == META_RECORD) {
    fprintf(out, "=%s", vm_dis_type_name(module, values->base));
  } else if (key->value == META_CONST) {
    const struct vm_type_ref *type = &module->types[values->field->type];
    fputc('=', out);
    if (type->prim == VM_PRIM_REF)
      vm_dis_print_string(&module->strings[values->field->value], out);
    else
      vm_dis_print_value((enum vm_prim)type->prim, values->field->value, out);
  }
}

static void print_meta(unsigned on, uint32_t flags,
                       const struct meta_values *values, FILE *out)
{
  const char *before = " <";
  for (size_t i = 0; i < sizeof meta_keys / sizeof meta_keys[0]; i++) {
    const struct meta_key *key = &meta_keys[i];
    if ((key->on & on) == 0 || !has_key(key, flags, values))
      continue;
    fprintf(out, "%s%s", before, key->text);
    print_meta_value(key, flags, values, out);
    before = ", ";
  }
  if (before[0] == ',')
    fputc('>', out);
}

/* Bodies -------------------------------------------------------------------*/

/* Which instructions are the target of a jump or a handler; for each place
   the first and last run of handlers whose range begins or ends there. */
struct labels {
  bool *targets;    /* insn_count + 1, at least */
  uint32_t *begins; /* insn_count + 2: where in `runs_by_begin` they start */
  uint32_t *ends;
  uint32_t *by_begin, *by_end; /* runs, sorted by place */
};

static bool starts_run(const struct vm_function_def *function, uint32_t i)
{
  const struct vm_catch *catches = function->catches;
  return i == 0 || catches[i].begin != catches[i - 1].begin ||
         catches[i].end != catches[i - 1].end;
}

/* Counting sort of runs by the place of one of their borders. */
static void sort_runs(const struct vm_function_def *function, bool by_end,
                      uint32_t *starts, uint32_t *sorted)
{
  uint32_t places = function->insn_count + 1, run = 0;
  for (uint32_t i = 0; i < function->catch_count; i++)
    if (starts_run(function, i))
      starts[(by_end ? function->catches[i].end : function->catches[i].begin) +
             1]++;
  for (uint32_t i = 0; i < places; i++)
    starts[i + 1] += starts[i];
  /* Each start moves up to its end; one slot further down it is a start. */
  for (uint32_t i = 0; i < function->catch_count; i++)
    if (starts_run(function, i))
      sorted[starts[by_end ? function->catches[i].end
                           : function->catches[i].begin]++] = run++;
  memmove(starts + 1, starts, places * sizeof *starts);
  starts[0] = 0;
}

static bool make_labels(const struct vm_function_def *function,
                        struct mm_arena *arena, struct labels *labels)
{
  size_t places = (size_t)function->insn_count + 2;
  size_t runs = (size_t)function->catch_count + 1;
  labels->targets = mm_arena_alloc(arena, places * sizeof *labels->targets);
  labels->begins = mm_arena_alloc(arena, places * sizeof *labels->begins);
  labels->ends = mm_arena_alloc(arena, places * sizeof *labels->ends);
  labels->by_begin = mm_arena_alloc(arena, runs * sizeof *labels->by_begin);
  labels->by_end = mm_arena_alloc(arena, runs * sizeof *labels->by_end);
  return labels->targets != NULL && labels->begins != NULL &&
         labels->ends != NULL && labels->by_begin != NULL &&
         labels->by_end != NULL;
}

static void find_labels(const struct vm_function_def *function,
                        struct labels *labels)
{
  uint32_t count = function->insn_count, catches = function->catch_count;
  for (uint32_t i = 0; i < count; i++)
    if (vm_op_is_jump((enum vm_op)function->insns[i].op))
      labels->targets[function->insns[i].operand.target] = true;
  for (uint32_t i = 0; i < catches; i++) {
    labels->targets[function->catches[i].handler] = true;
    if (function->catches[i].handler_end != UINT32_MAX)
      labels->targets[function->catches[i].handler_end] = true;
  }
  sort_runs(function, false, labels->begins, labels->by_begin);
  sort_runs(function, true, labels->ends, labels->by_end);
}

static void print_labels(const struct labels *labels, uint32_t insn, FILE *out)
{
  for (uint32_t i = labels->ends[insn]; i < labels->ends[insn + 1]; i++)
    fprintf(out, "E%u:\n", labels->by_end[i]);
  for (uint32_t i = labels->begins[insn]; i < labels->begins[insn + 1]; i++)
    fprintf(out, "B%u:\n", labels->by_begin[i]);
  if (labels->targets[insn])
    fprintf(out, "L%u:\n", insn);
}

static void print_catches(const struct vm_module *module,
                          const struct vm_function_def *function, FILE *out)
{
  uint32_t run = UINT32_MAX;
  for (uint32_t i = 0; i < function->catch_count; i++) {
    const struct vm_catch *catch = &function->catches[i];
    run += starts_run(function, i);
    if (catch->type == UINT32_MAX)
      fputs(".catchall ", out);
    else
      fprintf(out, ".catch %s, ", vm_dis_type_name(module, catch->type));
    fprintf(out, "B%u, E%u, L%u", run, run, catch->handler);
    if (catch->handler_end != UINT32_MAX)
      fprintf(out, ", L%u", catch->handler_end);
    fputc('\n', out);
  }
}

/* One module being printed, and where. */
struct printer {
  const struct vm_module *module;
  struct vm_dis_index index;
  struct mm_arena *arena; /* the index; labels of the body that is printed */
  FILE *out;
  void (*annotate)(void *context, const struct vm_function_def *function,
                   uint32_t insn, FILE *out);
  void *context;
};

static void print_lines(const struct printer *p,
                        const struct vm_function_def *function,
                        const struct labels *labels)
{
  for (uint32_t i = 0; i < function->insn_count; i++) {
    print_labels(labels, i, p->out);
    if (p->annotate != NULL)
      p->annotate(p->context, function, i, p->out);
    fputs("    ", p->out);
    vm_dis_print_insn(p->module, &p->index, function, &function->insns[i],
                      p->out);
    fputc('\n', p->out);
  }
  print_labels(labels, function->insn_count, p->out);
  print_catches(p->module, function, p->out);
}

/* False: no memory. */
static bool print_body(const struct printer *p,
                       const struct vm_function_def *function)
{
  struct labels labels;
  struct mm_arena_mark mark = mm_arena_mark(p->arena);
  bool made = make_labels(function, p->arena, &labels);
  fputs(" {\n", p->out);
  if (made) {
    find_labels(function, &labels);
    print_lines(p, function, &labels);
  } else {
    /* No instruction, so that nobody takes this for the whole function. */
    fputs("memory ran out here\n", p->out);
  }
  fputs("}\n", p->out);
  mm_arena_rewind(p->arena, mark);
  return made;
}

/* Directives ---------------------------------------------------------------*/

static void print_record(const struct vm_module *module,
                         const struct vm_record_def *record, FILE *out)
{
  struct meta_values values = {module, record->base, NULL};
  fprintf(out, ".record %s", vm_dis_type_name(module, record->type));
  print_meta(ON_R, record->flags, &values, out);
  if (record->field_count == 0) {
    fputs((record->flags & VM_FLAG_EXTERNAL) ? "\n" : " {}\n", out);
    return;
  }
  fputs(" {\n", out);
  for (uint32_t i = 0; i < record->field_count; i++) {
    values.base = UINT32_MAX;
    values.field = &record->fields[i];
    fprintf(out, "    %s %s", vm_dis_type_name(module, record->fields[i].type),
            record->fields[i].name);
    print_meta(ON_F, record->fields[i].flags, &values, out);
    fputc('\n', out);
  }
  fputs("}\n", out);
}

/* The bits of an element, with the sign of its type. */
static uint64_t element_bits(enum vm_prim prim, const void *data, uint32_t i)
{
  switch (prim) {
  case VM_PRIM_U1:
  case VM_PRIM_U8:
    return ((const uint8_t *)data)[i];
  case VM_PRIM_I8:
    return (uint64_t)((const int8_t *)data)[i];
  case VM_PRIM_U16:
    return ((const uint16_t *)data)[i];
  case VM_PRIM_I16:
    return (uint64_t)((const int16_t *)data)[i];
  case VM_PRIM_I32:
    return (uint64_t)((const int32_t *)data)[i];
  case VM_PRIM_I64:
  case VM_PRIM_U64:
  case VM_PRIM_F64:
    return ((const uint64_t *)data)[i];
  default:
    return ((const uint32_t *)data)[i];
  }
}

static void print_array(const struct vm_module *module,
                        const struct vm_array_const *array, FILE *out)
{
  enum vm_prim prim = (enum vm_prim)module->types[array->type].prim;
  fprintf(out, ".array %s %s %u {", array->name,
          vm_dis_type_name(module, array->type), array->count);
  for (uint32_t i = 0; i < array->count; i++) {
    uint64_t bits = element_bits(prim, array->data, i);
    fputc(' ', out);
    if (prim == VM_PRIM_REF)
      vm_dis_print_string(&module->strings[bits], out);
    else
      vm_dis_print_value(prim, bits, out);
  }
  fputs(" }\n", out);
}

static bool print_function(const struct printer *p,
                           const struct vm_function_def *function)
{
  const struct vm_method_ref *method = &p->module->methods[function->method];
  struct meta_values values = {p->module, UINT32_MAX, NULL};
  fprintf(p->out, "\n.function %s %s(",
          vm_dis_type_name(p->module, method->return_type),
          function->text_name);
  vm_dis_print_parameters(p->module, method, function, p->out);
  fputc(')', p->out);
  print_meta(ON_M, function->flags, &values, p->out);
  if (function->insns != NULL)
    return print_body(p, function);
  fputc('\n', p->out);
  return true;
}

static bool print_module(const struct printer *p)
{
  const struct vm_module *module = p->module;
  bool complete = true;
  fputs(".language PandaAssembly\n\n", p->out);
  for (uint32_t i = 0; i < module->record_count; i++)
    print_record(module, &module->records[i], p->out);
  for (uint32_t i = 0; i < module->array_count; i++)
    print_array(module, &module->arrays[i], p->out);
  for (uint32_t i = 0; i < module->function_count; i++)
    complete &= print_function(p, &module->functions[i]);
  return complete;
}

bool vm_disassemble(const struct vm_module *module, FILE *out,
                    void (*annotate)(void *context,
                                     const struct vm_function_def *function,
                                     uint32_t insn, FILE *out),
                    void *context)
{
  struct printer printer = {
      .module = module, .out = out, .annotate = annotate, .context = context};
  vm_name_purposes();
  printer.arena = vm_arena_create(VM_PURPOSE_DISASSEMBLER);
  bool complete = printer.arena != NULL &&
                  vm_dis_make_index(module, printer.arena, &printer.index) &&
                  print_module(&printer);
  mm_arena_destroy(printer.arena);
  return complete;
}
