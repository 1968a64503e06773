/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction as text, and the names and literals in it.  Numbers come
 * out as the shortest decimal that reads back as the same bits.
 */
#include "config.h"

#include "vm/asm/disasm_internal.h"

#include "mm/alloc/arena.h"
#include "vm/asm/names_internal.h"

#include <stdlib.h>
#include <string.h>

/* Names --------------------------------------------------------------------*/

static uint32_t function_of(const struct vm_module *module,
                            const struct vm_dis_index *index, uint32_t method)
{
  if (index != NULL)
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
                       const struct vm_dis_index *index, uint32_t function)
{
  if (index != NULL)
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

/* Which functions share a name, but not the parameters; by the first of each
   name. */
static bool mark_overloads(const struct vm_module *module,
                           struct vm_names *names, bool *marks)
{
  for (uint32_t i = 0; i < module->function_count; i++) {
    const struct vm_function_def *function = &module->functions[i];
    uint32_t length = (uint32_t)strlen(function->text_name);
    uint32_t name = vm_names_find(names, 0, function->text_name, length);
    if (name == VM_NO_NAME)
      name = vm_names_add(names, 0, function->text_name, length, i);
    if (name == VM_NO_NAME)
      return false;
    uint32_t first = names->entries[name].value;
    marks[first] |=
        !same_parameters(&module->methods[module->functions[first].method],
                         &module->methods[function->method]);
  }
  return true;
}

static void spread_marks(const struct vm_module *module,
                         const struct vm_names *names, bool *marks)
{
  for (uint32_t i = 0; i < module->function_count; i++) {
    const char *text = module->functions[i].text_name;
    uint32_t name = vm_names_find(names, 0, text, (uint32_t)strlen(text));
    marks[i] = marks[names->entries[name].value];
  }
}

bool vm_dis_make_index(const struct vm_module *module, struct mm_arena *arena,
                       struct vm_dis_index *index)
{
  struct vm_names names;
  vm_names_init(&names, arena);
  index->function_of = mm_arena_alloc(
      arena, ((size_t)module->method_count + 1) * sizeof *index->function_of);
  index->needs_list = mm_arena_alloc(
      arena, ((size_t)module->function_count + 1) * sizeof *index->needs_list);
  if (index->function_of == NULL || index->needs_list == NULL ||
      !mark_overloads(module, &names, index->needs_list))
    return false;
  spread_marks(module, &names, index->needs_list);
  for (uint32_t i = 0; i < module->function_count; i++)
    index->function_of[module->functions[i].method] = i;
  return true;
}

/* Pieces -------------------------------------------------------------------*/

const char *vm_dis_type_name(const struct vm_module *module, uint32_t type)
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

void vm_dis_print_string(const struct vm_string_const *string, FILE *out)
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

void vm_dis_print_value(enum vm_prim prim, uint64_t bits, FILE *out)
{
  if (prim == VM_PRIM_F64)
    print_f64(bits, out);
  else if (prim == VM_PRIM_F32)
    print_f32((uint32_t)bits, out);
  else
    fprintf(out, "%lld", (long long)bits);
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

void vm_dis_print_parameters(const struct vm_module *module,
                             const struct vm_method_ref *method,
                             const struct vm_function_def *names, FILE *out)
{
  for (uint32_t i = 0; i < method->param_count; i++) {
    fprintf(out, "%s%s", i > 0 ? ", " : "",
            vm_dis_type_name(module, method->params[i]));
    if (names)
      fprintf(out, " a%u%s", i, i == names->fixed_count ? " <varargs>" : "");
  }
}

static void print_callee(const struct vm_module *module,
                         const struct vm_dis_index *index, uint32_t method,
                         FILE *out)
{
  uint32_t function = function_of(module, index, method);
  if (function == module->function_count) {
    /* Only in a module that no assembler made. */
    fprintf(out, "%s.%s",
            vm_dis_type_name(module, module->methods[method].owner),
            module->methods[method].name);
    return;
  }
  fputs(module->functions[function].text_name, out);
  if (!needs_list(module, index, function))
    return;
  fputs(":(", out);
  vm_dis_print_parameters(module, &module->methods[method], NULL, out);
  fputc(')', out);
}

static void print_call(const struct vm_module *module,
                       const struct vm_dis_index *index,
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
    vm_dis_print_string(&module->strings[index], out);
    break;
  case VM_FORM_V_ARRAY:
    fputs(module->arrays[index].name, out);
    break;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    fprintf(out, "%s.%s", vm_dis_type_name(module, module->fields[index].owner),
            module->fields[index].name);
    break;
  default:
    fputs(vm_dis_type_name(module, index), out);
    break;
  }
}

void vm_dis_print_insn(const struct vm_module *module,
                       const struct vm_dis_index *index,
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
  vm_dis_print_insn(module, NULL, function, &function->insns[insn], out);
}
