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

#include "vm/asm/asm.h"

#include <stdlib.h>
#include <string.h>

/* Looked up once for a whole module.  Null when memory is short; then it is
   found by walking through the functions. */
struct index {
  uint32_t *function_of; /* by method */
  bool *needs_list;      /* by function: others have its name */
};

/* Names --------------------------------------------------------------------*/

static uint32_t function_of(const struct vm_module *module,
                            const struct index *index, uint32_t method)
{
  if (index != NULL && index->function_of != NULL)
    return index->function_of[method];
  uint32_t i = 0;
  while (i < module->function_count && module->functions[i].method != method)
    i++;
  return i;
}

static bool same_parameters(const struct vm_method_ref *a,
                            const struct vm_method_ref *b)
{
  return a->param_count == b->param_count &&
         (a->param_count == 0 ||
          memcmp(a->params, b->params, a->param_count * sizeof *a->params) ==
              0);
}

static bool needs_list(const struct vm_module *module,
                       const struct index *index, uint32_t function)
{
  if (index != NULL && index->needs_list != NULL)
    return index->needs_list[function];
  const struct vm_function_def *def = &module->functions[function];
  for (uint32_t i = 0; i < module->function_count; i++) {
    const struct vm_function_def *other = &module->functions[i];
    if (strcmp(other->text_name, def->text_name) == 0 &&
        !same_parameters(&module->methods[other->method],
                         &module->methods[def->method]))
      return true;
  }
  return false;
}

struct named {
  const char *name;
  uint32_t function;
};

static int compare_named(const void *a, const void *b)
{
  return strcmp(((const struct named *)a)->name,
                ((const struct named *)b)->name);
}

/* Marks the functions of each name that has several parameter lists. */
static void mark_overloads(const struct vm_module *module,
                           const struct named *names, bool *marks)
{
  uint32_t count = module->function_count;
  for (uint32_t begin = 0, end; begin < count; begin = end) {
    const struct vm_method_ref *first =
        &module->methods[module->functions[names[begin].function].method];
    bool differ = false;
    for (end = begin;
         end < count && strcmp(names[end].name, names[begin].name) == 0; end++)
      differ |= !same_parameters(
          first,
          &module->methods[module->functions[names[end].function].method]);
    for (uint32_t i = begin; i < end; i++)
      marks[names[i].function] = differ;
  }
}

static void make_index(const struct vm_module *module, struct index *index)
{
  uint32_t count = module->function_count;
  struct named *names = calloc(count + 1, sizeof *names);
  index->function_of =
      calloc(module->method_count + 1, sizeof *index->function_of);
  index->needs_list = calloc(count + 1, sizeof *index->needs_list);
  for (uint32_t i = 0; i < count; i++) {
    if (index->function_of != NULL)
      index->function_of[module->functions[i].method] = i;
    if (names != NULL)
      names[i] = (struct named){module->functions[i].text_name, i};
  }
  if (names == NULL || index->needs_list == NULL) {
    free(index->needs_list);
    index->needs_list = NULL;
  } else {
    qsort(names, count, sizeof *names, compare_named);
    mark_overloads(module, names, index->needs_list);
  }
  free(names);
}

/* Pieces -------------------------------------------------------------------*/

static const char *type_name(const struct vm_module *module, uint32_t type)
{
  return module->types[type].name;
}

/* Length of a well-formed UTF-8 character of two bytes or more, or 0. */
static unsigned utf8_length(const unsigned char *p, size_t left)
{
  unsigned length = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
                    : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                                                  : 0;
  /* Surrogates and characters beyond the basic plane are not valid UTF-8
     here; they are written as escapes. */
  if (length == 0 || left < length || (p[0] == 0xe0 && p[1] < 0xa0) ||
      (p[0] == 0xed && p[1] >= 0xa0))
    return 0;
  for (unsigned i = 1; i < length; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  return length;
}

static void print_string(const struct vm_string_const *string, FILE *out)
{
  const unsigned char *p = (const unsigned char *)string->bytes;
  const unsigned char *end = p + string->length_bytes;
  static const char plain[] = "\"\\\a\b\f\n\r\t\v";
  static const char letters[] = "\"\\abfnrtv";
  fputc('"', out);
  while (p < end) {
    const char *escape = *p != 0 ? strchr(plain, *p) : NULL;
    unsigned length = utf8_length(p, (size_t)(end - p));
    if (escape != NULL)
      fprintf(out, "\\%c", letters[escape - plain]);
    else if (*p >= 0x20 && *p < 0x7f)
      fputc(*p, out);
    else if (length > 0)
      fwrite(p, 1, length, out);
    else
      fprintf(out, "\\x%02x", *p);
    p += length > 0 ? length : 1;
  }
  fputc('"', out);
}

/* The shortest decimal that reads back as the same bits, else the bits. */
static void print_f64(uint64_t bits, FILE *out)
{
  char text[40];
  double value, back;
  memcpy(&value, &bits, sizeof value);
  for (int digits = 6; digits <= 17 && value - value == 0; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    back = strtod(text, NULL);
    if (memcmp(&back, &bits, sizeof back) == 0) {
      fputs(text, out);
      return;
    }
  }
  fprintf(out, "0x%llx", (unsigned long long)bits);
}

static void print_f32(uint32_t bits, FILE *out)
{
  char text[40];
  float value, back;
  memcpy(&value, &bits, sizeof value);
  for (int digits = 6; digits <= 12 && value - value == 0; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    back = (float)strtod(text, NULL);
    if (memcmp(&back, &bits, sizeof back) == 0) {
      fputs(text, out);
      return;
    }
  }
  fprintf(out, "0x%x", bits);
}

/* A number of a primitive type, from its bits. */
static void print_value(enum vm_prim prim, uint64_t bits, FILE *out)
{
  if (prim == VM_PRIM_F64)
    print_f64(bits, out);
  else if (prim == VM_PRIM_F32)
    print_f32((uint32_t)bits, out);
  else
    fprintf(out, "%lld", (long long)bits);
}

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
    fprintf(out, "=%s", type_name(module, values->base));
  } else if (key->value == META_CONST) {
    const struct vm_type_ref *type = &module->types[values->field->type];
    fputc('=', out);
    if (type->prim == VM_PRIM_REF)
      print_string(&module->strings[values->field->value], out);
    else
      print_value((enum vm_prim)type->prim, values->field->value, out);
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

/* Instructions -------------------------------------------------------------*/

static void print_register(const struct vm_function_def *function, uint16_t reg,
                           FILE *out)
{
  if (reg < function->local_count)
    fprintf(out, "v%u", reg);
  else
    fprintf(out, "a%u", reg - function->local_count);
}

static void print_parameters(const struct vm_module *module,
                             const struct vm_method_ref *method, bool names,
                             FILE *out)
{
  for (uint32_t i = 0; i < method->param_count; i++) {
    fprintf(out, "%s%s", i > 0 ? ", " : "",
            type_name(module, method->params[i]));
    if (names)
      fprintf(out, " a%u", i);
  }
}

static void print_callee(const struct vm_module *module,
                         const struct index *index, uint32_t method, FILE *out)
{
  uint32_t function = function_of(module, index, method);
  if (function == module->function_count) {
    /* Only in a module that no assembler made. */
    fprintf(out, "%s.%s", type_name(module, module->methods[method].owner),
            module->methods[method].name);
    return;
  }
  fputs(module->functions[function].text_name, out);
  if (!needs_list(module, index, function))
    return;
  fputs(":(", out);
  print_parameters(module, &module->methods[method], false, out);
  fputc(')', out);
}

static void print_call(const struct vm_module *module,
                       const struct index *index,
                       const struct vm_function_def *function,
                       const struct vm_insn *insn, FILE *out)
{
  uint8_t form = vm_op_table[insn->op].form;
  fputc(' ', out);
  print_callee(module, index, insn->operand.index, out);
  for (unsigned i = 0; i < 4; i++)
    if (i < insn->nregs || insn->regs[i] != VM_REG_UNUSED) {
      fputs(", ", out);
      print_register(function, insn->regs[i], out);
    }
  if (form == VM_FORM_CALL_ACC2 || form == VM_FORM_CALL_ACC4)
    fprintf(out, ", %u", insn->acc_pos);
}

/* The operand that is no register. */
static void print_operand(const struct vm_module *module,
                          const struct vm_insn *insn, FILE *out)
{
  uint32_t index = insn->operand.index;
  switch (vm_op_table[insn->op].form) {
  case VM_FORM_V_IMM:
  case VM_FORM_V_V_IMM:
  case VM_FORM_IMM:
    fprintf(out, "%lld", (long long)insn->operand.imm);
    break;
  case VM_FORM_F32:
  case VM_FORM_V_F32:
    print_f32((uint32_t)insn->operand.imm, out);
    break;
  case VM_FORM_F64:
  case VM_FORM_V_F64:
    print_f64((uint64_t)insn->operand.imm, out);
    break;
  case VM_FORM_LABEL:
  case VM_FORM_V_LABEL:
    fprintf(out, "L%u", insn->operand.target);
    break;
  case VM_FORM_STRING:
    print_string(&module->strings[index], out);
    break;
  case VM_FORM_V_ARRAY:
    fputs(module->arrays[index].name, out);
    break;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    fprintf(out, "%s.%s", type_name(module, module->fields[index].owner),
            module->fields[index].name);
    break;
  default:
    fputs(type_name(module, index), out);
    break;
  }
}

static void print_insn(const struct vm_module *module,
                       const struct index *index,
                       const struct vm_function_def *function,
                       const struct vm_insn *insn, FILE *out)
{
  uint8_t form = vm_op_table[insn->op].form;
  const char *before = " ";
  fputs(vm_op_table[insn->op].text, out);
  if (vm_op_is_call((enum vm_op)insn->op)) {
    print_call(module, index, function, insn, out);
    return;
  }
  for (unsigned i = 0; i < insn->nregs; i++) {
    fputs(before, out);
    print_register(function, insn->regs[i], out);
    before = ", ";
  }
  if (form == VM_FORM_NONE || form == VM_FORM_V || form == VM_FORM_V_V)
    return;
  fputs(before, out);
  print_operand(module, insn, out);
}

void vm_disassemble_insn(const struct vm_module *module,
                         const struct vm_function_def *function, uint32_t insn,
                         FILE *out)
{
  print_insn(module, NULL, function, &function->insns[insn], out);
}

/* Bodies -------------------------------------------------------------------*/

/* Which instructions are the target of a jump or a handler; for each place
   the first and last run of handlers whose range begins or ends there. */
struct labels {
  bool *targets;    /* insn_count + 1 */
  uint32_t *begins; /* insn_count + 2: where in `runs_by_begin` they start */
  uint32_t *ends;
  uint32_t *by_begin, *by_end; /* runs, sorted by place */
  uint32_t run_count;
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

static void free_labels(struct labels *labels)
{
  free(labels->targets);
  free(labels->begins);
  free(labels->ends);
  free(labels->by_begin);
  free(labels->by_end);
}

static bool find_labels(const struct vm_function_def *function,
                        struct labels *labels)
{
  uint32_t count = function->insn_count, catches = function->catch_count;
  labels->targets = calloc((size_t)count + 1, sizeof *labels->targets);
  labels->begins = calloc((size_t)count + 2, sizeof *labels->begins);
  labels->ends = calloc((size_t)count + 2, sizeof *labels->ends);
  labels->by_begin = calloc((size_t)catches + 1, sizeof *labels->by_begin);
  labels->by_end = calloc((size_t)catches + 1, sizeof *labels->by_end);
  if (labels->targets == NULL || labels->begins == NULL ||
      labels->ends == NULL || labels->by_begin == NULL ||
      labels->by_end == NULL)
    return false;
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
  return true;
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
      fprintf(out, ".catch %s, ", type_name(module, catch->type));
    fprintf(out, "B%u, E%u, L%u", run, run, catch->handler);
    if (catch->handler_end != UINT32_MAX)
      fprintf(out, ", L%u", catch->handler_end);
    fputc('\n', out);
  }
}

typedef void annotate_function(void *context,
                               const struct vm_function_def *function,
                               uint32_t insn, FILE *out);

static void print_body(const struct vm_module *module,
                       const struct index *index,
                       const struct vm_function_def *function, FILE *out,
                       annotate_function *annotate, void *context)
{
  struct labels labels = {NULL, NULL, NULL, NULL, NULL, 0};
  fputs(" {\n", out);
  if (!find_labels(function, &labels)) {
    fputs("# memory ran out here\n}\n", out);
    free_labels(&labels);
    return;
  }
  for (uint32_t i = 0; i < function->insn_count; i++) {
    print_labels(&labels, i, out);
    if (annotate != NULL)
      annotate(context, function, i, out);
    fputs("    ", out);
    print_insn(module, index, function, &function->insns[i], out);
    fputc('\n', out);
  }
  print_labels(&labels, function->insn_count, out);
  print_catches(module, function, out);
  fputs("}\n", out);
  free_labels(&labels);
}

/* Directives ---------------------------------------------------------------*/

static void print_record(const struct vm_module *module,
                         const struct vm_record_def *record, FILE *out)
{
  struct meta_values values = {module, record->base, NULL};
  fprintf(out, ".record %s", type_name(module, record->type));
  print_meta(ON_R, record->flags, &values, out);
  if (record->field_count == 0) {
    fputs((record->flags & VM_FLAG_EXTERNAL) ? "\n" : " {}\n", out);
    return;
  }
  fputs(" {\n", out);
  for (uint32_t i = 0; i < record->field_count; i++) {
    values.base = UINT32_MAX;
    values.field = &record->fields[i];
    fprintf(out, "    %s %s", type_name(module, record->fields[i].type),
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
  fprintf(out, ".array %s %s %u {", array->name, type_name(module, array->type),
          array->count);
  for (uint32_t i = 0; i < array->count; i++) {
    uint64_t bits = element_bits(prim, array->data, i);
    fputc(' ', out);
    if (prim == VM_PRIM_REF)
      print_string(&module->strings[bits], out);
    else
      print_value(prim, bits, out);
  }
  fputs(" }\n", out);
}

static void print_function(const struct vm_module *module,
                           const struct index *index,
                           const struct vm_function_def *function, FILE *out,
                           annotate_function *annotate, void *context)
{
  const struct vm_method_ref *method = &module->methods[function->method];
  struct meta_values values = {module, UINT32_MAX, NULL};
  fprintf(out, "\n.function %s %s(", type_name(module, method->return_type),
          function->text_name);
  print_parameters(module, method, true, out);
  fputc(')', out);
  print_meta(ON_M, function->flags, &values, out);
  if (function->insns != NULL)
    print_body(module, index, function, out, annotate, context);
  else
    fputc('\n', out);
}

void vm_disassemble(const struct vm_module *module, FILE *out,
                    void (*annotate)(void *context,
                                     const struct vm_function_def *function,
                                     uint32_t insn, FILE *out),
                    void *context)
{
  struct index index = {NULL, NULL};
  make_index(module, &index);
  fputs(".language PandaAssembly\n\n", out);
  for (uint32_t i = 0; i < module->record_count; i++)
    print_record(module, &module->records[i], out);
  for (uint32_t i = 0; i < module->array_count; i++)
    print_array(module, &module->arrays[i], out);
  for (uint32_t i = 0; i < module->function_count; i++)
    print_function(module, &index, &module->functions[i], out, annotate,
                   context);
  free(index.function_of);
  free(index.needs_list);
}
