/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the assembler makes of functions: who owns them, which registers and
 * callees their instructions mean, where jumps go, how handlers are ordered.
 */
#include "config.h"

#include "tests/unit/asm_fixture.h"

#include <stdlib.h>
#include <string.h>

/* Functions ----------------------------------------------------------------*/

static bool is_static(const struct vm_module *module, const char *name)
{
  const struct vm_function_def *f = asm_function_of(module, name);
  const struct vm_method_ref *method = &module->methods[f->method];
  ck_assert_int_eq(method->is_static, (f->flags & VM_FLAG_STATIC) != 0);
  return method->is_static;
}

START_TEST(the_first_parameter_tells_static_from_instance)
{
  struct vm_module *module = asm_accept(
      ".record R {}\n.record S <extends=R> {}\n"
      ".function void R.none() {}\n.function void R.other(i32 a0) {}\n"
      ".function void S.base(R a0) {}\n.function void R.array(R[] a0) {}\n"
      ".function void R.marked(R a0) <static> {}\n"
      ".function void R.init() <cctor> {}\n.function void g(R a0) {}\n"
      ".function void R.own(R a0) {}\n.function void R.new(R a0) <ctor> {}\n",
      NULL);
  static const char *const statics[] = {
      "R.none", "R.other", "S.base", "R.array", "R.marked", "R.init", "g"};
  for (size_t i = 0; i < sizeof statics / sizeof statics[0]; i++)
    ck_assert_msg(is_static(module, statics[i]), "%s", statics[i]);
  ck_assert(!is_static(module, "R.own"));
  ck_assert(!is_static(module, "R.new"));
  vm_module_destroy(module);
}
END_TEST

static const struct vm_method_ref *method_of(const struct vm_module *module,
                                             const char *name)
{
  return &module->methods[asm_function_of(module, name)->method];
}

START_TEST(the_last_dot_parts_the_owner_from_the_name)
{
  struct vm_module *module =
      asm_accept(".record A.B {}\n.function void A.B.foo() {}\n"
                 ".function void bar() {}\n"
                 ".function void A.B.Make(A.B a0) <ctor> {}\n"
                 ".function void A.B.Init() <cctor> {}\n",
                 NULL);
  const struct vm_method_ref *foo = method_of(module, "A.B.foo");
  ck_assert_str_eq(module->types[foo->owner].name, "A.B");
  ck_assert_str_eq(foo->name, "foo");
  ck_assert_str_eq(module->types[method_of(module, "bar")->owner].name,
                   "_GLOBAL");
  ck_assert_str_eq(method_of(module, "A.B.Make")->name, ".ctor");
  ck_assert(method_of(module, "A.B.Make")->is_ctor);
  ck_assert_str_eq(method_of(module, "A.B.Init")->name, ".cctor");
  vm_module_destroy(module);
}
END_TEST

START_TEST(array_types_are_declared_for_their_constructors)
{
  struct vm_module *module = asm_accept(
      ".record i32 [] [] <external>\n"
      ".function void i32[][].ctor(i32[][] a0, i32 a1, i32 a2) "
      "<ctor, external>\n"
      ".function void f() {\ninitobj i32[][].ctor, v1, v2\nreturn.void\n}\n",
      NULL);
  const struct vm_method_ref *ctor = method_of(module, "i32[][].ctor");
  ck_assert_str_eq(module->types[ctor->owner].name, "i32[][]");
  ck_assert(ctor->is_array_ctor);
  ck_assert(!ctor->is_static);
  ck_assert_uint_eq(asm_function_of(module, "f")->insns[0].nregs, 2);
  vm_module_destroy(module);
}
END_TEST

START_TEST(types_may_have_blanks_and_unions)
{
  struct vm_module *module =
      asm_accept(".record A {\nA [ ] [] x\n{UA, i32[]} u\n}\n"
                 ".function {UA,A} f({UA} a0, A[] a1) {\n"
                 "lda.type {UA , A[]}[]\nreturn.obj\n}\n"
                 ".function void g(Unknown[] a0) {}\n",
                 NULL);
  const struct vm_record_def *record = &module->records[0];
  ck_assert_str_eq(module->types[record->fields[0].type].name, "A[][]");
  ck_assert_uint_eq(module->types[record->fields[0].type].dims, 2);
  ck_assert_str_eq(module->types[record->fields[1].type].name, "{UA,i32[]}");
  const struct vm_insn *insn = &asm_function_of(module, "f")->insns[0];
  ck_assert_str_eq(module->types[insn->operand.index].name, "{UA,A[]}[]");
  vm_module_destroy(module);
}
END_TEST

START_TEST(metadata_may_touch_and_follow_parameters)
{
  struct vm_module *module =
      asm_accept(".record M <external>\n"
                 ".function i32 M.abs (i32 a0<>, i32 a1 <external>)<external>\n"
                 ".function void M.c(i32 a0) <external, static>\n"
                 ".function void n() <static, noimpl>\n",
                 NULL);
  ck_assert_uint_eq(asm_function_of(module, "M.abs")->flags,
                    VM_FLAG_EXTERNAL | VM_FLAG_STATIC);
  vm_module_destroy(module);
}
END_TEST

/* Registers ----------------------------------------------------------------*/

START_TEST(arguments_lie_behind_the_locals)
{
  const struct vm_function_def *f;
  struct vm_module *module = asm_body_of("mov v0, a0\nmov.obj v6, a1", &f);
  ck_assert_uint_eq(f->local_count, 7);
  ck_assert_uint_eq(f->reg_count, 9);
  ck_assert_uint_eq(f->insns[0].regs[1], 7);
  ck_assert_uint_eq(f->insns[1].regs[1], 8);
  vm_module_destroy(module);
  module = asm_body_of("lda a1", &f);
  ck_assert_uint_eq(f->local_count, 0);
  ck_assert_uint_eq(f->insns[0].regs[0], 1);
  vm_module_destroy(module);
}
END_TEST

START_TEST(register_numbers_reach_the_width_of_the_mnemonic)
{
  const struct vm_function_def *f;
  struct vm_module *module =
      asm_body_of("mov v65533, a1\nlda v255\nadd v15, v0", &f);
  ck_assert_uint_eq(f->local_count, 65534);
  ck_assert_uint_eq(f->insns[0].regs[1], 65535);
  vm_module_destroy(module);
}
END_TEST

START_TEST(a_function_may_have_252_parameters)
{
  char source[8192], *to = source;
  to += sprintf(to, ".function void f(");
  for (int i = 0; i < 252; i++)
    to += sprintf(to, "%si64 a%d", i > 0 ? ", " : "", i);
  sprintf(to, ") {\nlda.64 a251\nreturn.void\n}\n");
  struct vm_module *module = asm_accept(source, NULL);
  ck_assert_uint_eq(asm_function_of(module, "f")->insns[0].regs[0], 251);
  vm_module_destroy(module);
}
END_TEST

/* Calls --------------------------------------------------------------------*/

#define OVERLOADS                                                              \
  ".record R {}\n.function void R.f(R a0) {}\n"                                \
  ".function void R.f(R a0) <static> {}\n"                                     \
  ".function void R.g(R a0, i32 a1) {}\n.function void R.g(R a0) {}\n"         \
  ".function void R.c(R a0) <ctor> {}\n"                                       \
  ".function void three(i32 a0, i32 a1, i32 a2) {}\n"                          \
  ".function void one(i32 a0) {}\n.function void main() {\n"

/* The function that instruction 0 of main calls. */
static const struct vm_method_ref *callee(const struct vm_module *module)
{
  const struct vm_function_def *f = asm_function_of(module, "main");
  return &module->methods[f->insns[0].operand.index];
}

START_TEST(the_instruction_chooses_between_static_and_instance)
{
  static const struct {
    const char *line;
    bool is_static;
  } rows[] = {
      {"call R.f, v0", true},
      {"call.short R.f:(R), v0", true},
      {"call.range R.f, v0", true},
      {"call.virt R.f, v0", false},
      {"call.virt.range R.f:(R), v0", false},
      {"call.virt.acc.short R.f, v0, 0", false},
      {"initobj R.f", false},
      {"call R.c, v0", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char source[1024];
    snprintf(source, sizeof source, OVERLOADS "%s\n}\n", rows[i].line);
    struct vm_module *module = asm_accept(source, NULL);
    ck_assert_msg(callee(module)->is_static == rows[i].is_static, "%s",
                  rows[i].line);
    vm_module_destroy(module);
  }
}
END_TEST

START_TEST(a_parameter_list_chooses_among_overloads)
{
  struct vm_module *module =
      asm_accept(OVERLOADS "call.virt R.g : ( R , i32 ) , v0, v1\n}\n", NULL);
  ck_assert_uint_eq(callee(module)->param_count, 2);
  vm_module_destroy(module);
}
END_TEST

START_TEST(calls_count_the_registers_they_pass)
{
  static const struct {
    const char *line;
    unsigned nregs, pos;
  } rows[] = {
      {"call one, v0, v1, v2, v3", 1, 0},
      {"call three, v0, v1, v2", 3, 0},
      {"call.range three, v0", 1, 0},
      {"call.acc three, v0, v1, v2, 2", 2, 2},
      {"call.acc three, v0, v1, v2, 3", 3, 3},
      {"call.acc.short one, v0, 0", 0, 0},
      {"call.acc.short one, v0, 1", 1, 1},
      {"call.acc.short one, v0, 31", 1, 15},
      {"initobj R.c", 0, 0},
      {"initobj.short R.g:(R, i32), v1, v2", 1, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char source[1024];
    snprintf(source, sizeof source, OVERLOADS "%s\n}\n", rows[i].line);
    struct vm_module *module = asm_accept(source, NULL);
    const struct vm_insn *insn = asm_function_of(module, "main")->insns;
    ck_assert_msg(insn->nregs == rows[i].nregs, "%s: %u", rows[i].line,
                  insn->nregs);
    ck_assert_msg(insn->acc_pos == rows[i].pos, "%s", rows[i].line);
    vm_module_destroy(module);
  }
}
END_TEST

START_TEST(inherited_members_are_named_when_listed_as_external)
{
  vm_module_destroy(
      asm_accept(".record A {\ni32 x\n}\n.function void A.foo(A a0) {}\n"
                 ".record B <extends=A> {\ni32 x <external>\n}\n"
                 ".function void B.foo(B a0) <external>\n"
                 ".function void f(B a0) {\nldobj a0, B.x\nldobj a0, A.x\n"
                 "call B.foo, a0\n}\n",
                 NULL));
}
END_TEST

/* Labels, handlers, warnings -----------------------------------------------*/

START_TEST(labels_name_the_next_instruction_or_the_end)
{
  const struct vm_function_def *f;
  struct vm_module *module =
      asm_body_of("jmp end\na:\n\nb: # x\nc: nop\njmp a\njmp c\nend:", &f);
  ck_assert_uint_eq(f->insns[0].operand.target, 4);
  ck_assert_uint_eq(f->insns[2].operand.target, 1);
  ck_assert_uint_eq(f->insns[3].operand.target, 1);
  vm_module_destroy(module);
}
END_TEST

START_TEST(handlers_are_ordered_by_the_first_appearance_of_their_range)
{
  const struct vm_function_def *f;
  struct vm_module *module =
      asm_body_of(".catch R, b, e, h\na:\nnop\nb:\nnop\ne:\nh: return.void\n"
                  ".catchall a, e, h\n.catchall b, e, h, end\n"
                  ".catch R, a, e, h\nend:",
                  &f);
  ck_assert_uint_eq(f->catch_count, 4);
  static const uint32_t begins[] = {1, 1, 0, 0};
  static const bool all[] = {false, true, true, false};
  for (unsigned i = 0; i < 4; i++) {
    ck_assert_uint_eq(f->catches[i].begin, begins[i]);
    ck_assert_int_eq(f->catches[i].type == UINT32_MAX, all[i]);
    ck_assert_uint_eq(f->catches[i].handler, 2);
  }
  ck_assert_uint_eq(f->catches[1].handler_end, 3);
  ck_assert_uint_eq(f->catches[0].handler_end, UINT32_MAX);
  vm_module_destroy(module);
}
END_TEST

START_TEST(doubtful_things_are_only_warned_about)
{
  static const char *const texts[] = {
      ".function i32 f() { return.64 }",
      ".function i64 f() { return }",
      ".function void f() { return.obj }",
      ".record R {}\n.function R f() { return.void }",
      ".function void f() { newobj v0, i32[] }",
      ".record R {}\n.function void f() { newarr v0, v0, R }",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    unsigned warnings;
    vm_module_destroy(asm_accept(texts[i], &warnings));
    ck_assert_msg(warnings == 1, "%s", texts[i]);
  }
}
END_TEST

START_TEST(returns_that_fit_draw_no_warning)
{
  unsigned warnings;
  vm_module_destroy(asm_accept(
      ".record R {}\n.function u1 a() { return }\n.function f32 b() { return "
      "}\n.function f64 c() { return.64 }\n.function u64 d() { return.64 }\n"
      ".function R e() { return.obj }\n.function i8[] g() { return.obj }\n"
      ".function void h() { return.void }\n",
      &warnings));
  ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(an_empty_body_is_a_body)
{
  struct vm_module *module = asm_accept(".function void f() {}\n", NULL);
  ck_assert_ptr_nonnull(asm_function_of(module, "f")->insns);
  ck_assert_uint_eq(asm_function_of(module, "f")->insn_count, 0);
  vm_module_destroy(module);
}
END_TEST

int main(void)
{
  const TTest *const tests[] = {
      the_first_parameter_tells_static_from_instance,
      the_last_dot_parts_the_owner_from_the_name,
      array_types_are_declared_for_their_constructors,
      types_may_have_blanks_and_unions,
      metadata_may_touch_and_follow_parameters,
      arguments_lie_behind_the_locals,
      register_numbers_reach_the_width_of_the_mnemonic,
      a_function_may_have_252_parameters,
      the_instruction_chooses_between_static_and_instance,
      a_parameter_list_chooses_among_overloads,
      calls_count_the_registers_they_pass,
      inherited_members_are_named_when_listed_as_external,
      labels_name_the_next_instruction_or_the_end,
      handlers_are_ordered_by_the_first_appearance_of_their_range,
      doubtful_things_are_only_warned_about,
      returns_that_fit_draw_no_warning,
      an_empty_body_is_a_body,
  };
  return asm_main("asm_code", tests, sizeof tests / sizeof tests[0]);
}
