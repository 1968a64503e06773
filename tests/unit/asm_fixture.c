/* SPDX-License-Identifier: Apache-2.0 */
/* Assembling in tests; see asm_fixture.h. */
#include "config.h"

#include "tests/unit/asm_fixture.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

struct vm_module *asm_accept(const char *source, unsigned *warnings)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module =
      vm_assemble("t.pa", source, strlen(source), &diags);
  if (module == NULL)
    vm_diags_print(&diags, stderr, false);
  ck_assert_msg(module != NULL, "not accepted:\n%s", source);
  ck_assert_uint_eq(diags.errors, 0);
  if (warnings != NULL)
    *warnings = diags.warnings;
  vm_diags_destroy(&diags);
  const char *wrong = vm_module_check(module);
  ck_assert_msg(wrong == NULL, "the check says: %s\n%s", wrong, source);
  return module;
}

const struct vm_function_def *asm_function_of(const struct vm_module *module,
                                              const char *name)
{
  for (uint32_t i = 0; i < module->function_count; i++)
    if (strcmp(module->functions[i].text_name, name) == 0)
      return &module->functions[i];
  ck_abort_msg("no function %s", name);
  return NULL;
}

struct vm_module *asm_body_of(const char *body,
                              const struct vm_function_def **f)
{
  char *source = NULL;
  ck_assert_int_ge(asprintf(&source,
                            ".record R {\ni32 x\n}\n"
                            ".function void f(i32 a0, R a1) {\n%s\n}\n",
                            body),
                   0);
  struct vm_module *module = asm_accept(source, NULL);
  free(source);
  *f = asm_function_of(module, "f");
  return module;
}

char *asm_text_of(const struct vm_module *module)
{
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  ck_assert_ptr_nonnull(out);
  ck_assert(vm_disassemble(module, out, NULL, NULL));
  ck_assert_int_eq(fclose(out), 0);
  return text;
}

/* Comparison: tables may be in another order, so everything is compared by
   name; records and functions stand in the same order. */
struct pair {
  const char *name;
  const struct vm_module *a, *b;
};

#define SAME(pair, left, right)                                                \
  ck_assert_msg((left) == (right), "%s: %s differs", (pair)->name, #left)
#define SAME_TEXT(pair, left, right)                                           \
  ck_assert_msg(strcmp(left, right) == 0, "%s: %s: %s, %s", (pair)->name,      \
                #left, left, right)

static void same_type(const struct pair *pair, uint32_t a, uint32_t b)
{
  SAME_TEXT(pair, pair->a->types[a].name, pair->b->types[b].name);
}

static void same_string(const struct pair *pair, uint64_t a, uint64_t b)
{
  const struct vm_string_const *left = &pair->a->strings[a];
  const struct vm_string_const *right = &pair->b->strings[b];
  SAME(pair, left->length_bytes, right->length_bytes);
  SAME(pair, memcmp(left->bytes, right->bytes, left->length_bytes), 0);
}

static void same_record(const struct pair *pair, const struct vm_record_def *a,
                        const struct vm_record_def *b)
{
  same_type(pair, a->type, b->type);
  SAME(pair, a->base == UINT32_MAX, b->base == UINT32_MAX);
  if (a->base != UINT32_MAX)
    same_type(pair, a->base, b->base);
  SAME(pair, a->flags, b->flags);
  SAME(pair, a->field_count, b->field_count);
  for (uint32_t i = 0; i < a->field_count; i++) {
    const struct vm_field_def *left = &a->fields[i], *right = &b->fields[i];
    SAME_TEXT(pair, left->name, right->name);
    same_type(pair, left->type, right->type);
    SAME(pair, left->flags, right->flags);
    if ((left->flags & VM_FLAG_HAS_VALUE) == 0)
      continue;
    if (pair->a->types[left->type].prim == VM_PRIM_REF)
      same_string(pair, left->value, right->value);
    else
      SAME(pair, left->value, right->value);
  }
}

static void same_method(const struct pair *pair, const struct vm_method_ref *a,
                        const struct vm_method_ref *b)
{
  same_type(pair, a->owner, b->owner);
  SAME_TEXT(pair, a->name, b->name);
  same_type(pair, a->return_type, b->return_type);
  SAME(pair, a->param_count, b->param_count);
  for (uint32_t i = 0; i < a->param_count; i++)
    same_type(pair, a->params[i], b->params[i]);
  SAME(pair, a->is_static, b->is_static);
  SAME(pair, a->is_ctor, b->is_ctor);
  SAME(pair, a->is_array_ctor, b->is_array_ctor);
}

static void same_array(const struct pair *pair, const struct vm_array_const *a,
                       const struct vm_array_const *b)
{
  SAME_TEXT(pair, a->name, b->name);
  same_type(pair, a->type, b->type);
  SAME(pair, a->count, b->count);
  enum vm_prim prim = (enum vm_prim)pair->a->types[a->type].prim;
  if (prim != VM_PRIM_REF)
    SAME(pair,
         memcmp(a->data, b->data, (size_t)a->count * vm_prim_table[prim].bytes),
         0);
  for (uint32_t i = 0; prim == VM_PRIM_REF && i < a->count; i++)
    same_string(pair, ((const uint32_t *)a->data)[i],
                ((const uint32_t *)b->data)[i]);
}

static void same_operand(const struct pair *pair, const struct vm_insn *a,
                         const struct vm_insn *b)
{
  uint32_t i = a->operand.index, j = b->operand.index;
  switch (vm_op_table[a->op].form) {
  case VM_FORM_STRING:
    same_string(pair, i, j);
    break;
  case VM_FORM_V_ARRAY:
    same_array(pair, &pair->a->arrays[i], &pair->b->arrays[j]);
    break;
  case VM_FORM_TYPE:
  case VM_FORM_V_TYPE:
  case VM_FORM_V_V_TYPE:
    same_type(pair, i, j);
    break;
  case VM_FORM_FIELD:
  case VM_FORM_V_FIELD:
  case VM_FORM_V_V_FIELD:
    SAME_TEXT(pair, pair->a->fields[i].name, pair->b->fields[j].name);
    same_type(pair, pair->a->fields[i].owner, pair->b->fields[j].owner);
    SAME(pair, pair->a->fields[i].is_static, pair->b->fields[j].is_static);
    break;
  default:
    if (vm_op_is_call((enum vm_op)a->op))
      same_method(pair, &pair->a->methods[i], &pair->b->methods[j]);
    else
      SAME(pair, a->operand.imm, b->operand.imm);
    break;
  }
}

static void same_insn(const struct pair *pair, const struct vm_insn *a,
                      const struct vm_insn *b)
{
  SAME(pair, a->op, b->op);
  SAME(pair, a->nregs, b->nregs);
  SAME(pair, a->acc_pos, b->acc_pos);
  SAME(pair, memcmp(a->regs, b->regs, sizeof a->regs), 0);
  same_operand(pair, a, b);
}

static void same_function(const struct pair *pair,
                          const struct vm_function_def *a,
                          const struct vm_function_def *b)
{
  same_method(pair, &pair->a->methods[a->method], &pair->b->methods[b->method]);
  SAME_TEXT(pair, a->text_name, b->text_name);
  SAME(pair, a->flags, b->flags);
  SAME(pair, a->local_count, b->local_count);
  SAME(pair, a->reg_count, b->reg_count);
  SAME(pair, a->insns == NULL, b->insns == NULL);
  SAME(pair, a->insn_count, b->insn_count);
  for (uint32_t i = 0; i < a->insn_count; i++)
    same_insn(pair, &a->insns[i], &b->insns[i]);
  SAME(pair, a->catch_count, b->catch_count);
  for (uint32_t i = 0; i < a->catch_count; i++) {
    const struct vm_catch *left = &a->catches[i], *right = &b->catches[i];
    SAME(pair, left->begin, right->begin);
    SAME(pair, left->end, right->end);
    SAME(pair, left->handler, right->handler);
    SAME(pair, left->handler_end, right->handler_end);
    SAME(pair, left->type == UINT32_MAX, right->type == UINT32_MAX);
    if (left->type != UINT32_MAX)
      same_type(pair, left->type, right->type);
  }
}

void asm_check_same(const char *name, const struct vm_module *a,
                    const struct vm_module *b)
{
  struct pair pair = {name, a, b};
  SAME(&pair, a->record_count, b->record_count);
  SAME(&pair, a->array_count, b->array_count);
  SAME(&pair, a->function_count, b->function_count);
  for (uint32_t i = 0; i < a->record_count; i++)
    same_record(&pair, &a->records[i], &b->records[i]);
  for (uint32_t i = 0; i < a->array_count; i++)
    same_array(&pair, &a->arrays[i], &b->arrays[i]);
  for (uint32_t i = 0; i < a->function_count; i++)
    same_function(&pair, &a->functions[i], &b->functions[i]);
}

void asm_check_round_trip(const char *name, const struct vm_module *module)
{
  char *first = asm_text_of(module);
  struct vm_module *again = asm_accept(first, NULL);
  char *second = asm_text_of(again);
  asm_check_same(name, module, again);
  ck_assert_msg(strcmp(first, second) == 0, "%s: the text changes:\n%s\n%s",
                name, first, second);
  free(first);
  free(second);
  vm_module_destroy(again);
}

int asm_main(const char *name, const TTest *const *tests, size_t count)
{
  TCase *all = tcase_create(name);
  tcase_set_timeout(all, 60);
  for (size_t i = 0; i < count; i++)
    tcase_add_test(all, tests[i]);
  return suite_main(name, (TCase *[]){all, NULL});
}
