/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disassembler prints assembles to the same module: for a function
 * with every instruction, made from the table of instructions, for what is
 * easily lost, and for every program of the tree.
 */
#include "config.h"

#include "tests/unit/asm_fixture.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static const char declarations[] =
    ".record panda.String <external>\n"
    ".record R {\ni32 x\ni32 s <static>\n}\n"
    ".function void R.ctor(R a0, i32 a1) <ctor> {\nreturn.void\n}\n"
    ".function i32 R.m(R a0, i32 a1) {\nreturn\n}\n"
    ".array values i64 2 { -1 0x7fffffffffffffff }\n";

/* Operands that fit each form. */
static const char *const operands[] = {
    [VM_FORM_NONE] = "",
    [VM_FORM_V] = "v1",
    [VM_FORM_V_V] = "v1, a0",
    [VM_FORM_V_IMM] = "v1, -3",
    [VM_FORM_V_V_IMM] = "v1, v0, 5",
    [VM_FORM_IMM] = "-7",
    [VM_FORM_F32] = "-1.5e-3",
    [VM_FORM_F64] = "0x7ff8000000000001",
    [VM_FORM_V_F32] = "v1, 0x7f800000",
    [VM_FORM_V_F64] = "v1, 0.1",
    [VM_FORM_LABEL] = "L",
    [VM_FORM_V_LABEL] = "v1, L",
    [VM_FORM_STRING] = "\"a\\n\\\"\\\\\\x00\\xff \xc3\xa4\\303\"",
    [VM_FORM_V_ARRAY] = "v1, values",
    [VM_FORM_TYPE] = "R[][]",
    [VM_FORM_V_TYPE] = "v1, R",
    [VM_FORM_V_V_TYPE] = "v1, v0, i32[]",
    [VM_FORM_FIELD] = "R.s",
    [VM_FORM_V_FIELD] = "v1, R.x",
    [VM_FORM_V_V_FIELD] = "v1, v0, R.x",
    [VM_FORM_CALL2] = "R.m, v0, v1",
    [VM_FORM_CALL4] = "R.m:(R, i32), v0, v1, v1",
    [VM_FORM_CALL_RANGE] = "R.m, v0",
    [VM_FORM_CALL_ACC2] = "R.m, v1, 1",
    [VM_FORM_CALL_ACC4] = "R.m, v1, v0, a0, 0",
};

static const char *operands_of(enum vm_op op)
{
  uint8_t form = vm_op_table[op].form;
  if (vm_op_is_initobj(op))
    return form == VM_FORM_CALL4 ? "R.ctor, v1, a0, v0" : "R.ctor, v1";
  return operands[form];
}

START_TEST(each_instruction_assembles_and_comes_back)
{
  char source[1024];
  snprintf(source, sizeof source,
           "%s.function void f(i32 a0) {\nlda v1\nL:\n%s %s\njmp L\n}\n",
           declarations, vm_op_table[_i].text, operands_of((enum vm_op)_i));
  struct vm_module *module = asm_accept(source, NULL);
  const struct vm_function_def *function = asm_function_of(module, "f");
  ck_assert_uint_eq(function->insn_count, 3);
  ck_assert_uint_eq(function->insns[1].op, (unsigned)_i);
  ck_assert_uint_eq(function->insns[1].line, 12 + 4);
  ck_assert_uint_eq(function->insns[1].column, 1);
  asm_check_round_trip(vm_op_table[_i].text, module);
  vm_module_destroy(module);
}
END_TEST

static void round_trip(const char *source)
{
  struct vm_module *module = asm_accept(source, NULL);
  asm_check_round_trip("text", module);
  vm_module_destroy(module);
}

START_TEST(metadata_comes_back)
{
  round_trip(".record panda.String <external>\n"
             ".record A <final, access.record=private> {\n"
             "i32 x <static, volatile, value=-5>\n"
             "i32 x <readonly, access.field=protected>\n"
             "panda.String s <value=\"t\\\"xt\">\n"
             "f32 f <value=0x7fc00001>\nf64 d <value=1e300>\n"
             "u1 b <value=7>\n}\n"
             ".record B <extends=A> {}\n.record C <external> {\n"
             "{UA,B}[] u <external>\n}\n"
             ".function void A.a(A a0) <static> {}\n"
             ".function void A.a(A a0) {}\n"
             ".function void A.make(A a0) <ctor, access.function=public> {}\n"
             ".function void A.init() <cctor> {}\n"
             ".function void C.<x>(C a0) <external, varargs>\n"
             ".function void A.n() <native>\n"
             ".function void A.v(A a0) <noimpl, final>\n"
             ".record i32[][] <external>\n"
             ".function void i32[][].ctor(i32[][] a0, i32 a1) "
             "<ctor, external>\n"
             ".function void f() {\ninitobj i32[][].ctor, v0\n"
             "call C.<x>, v0\ncall A.a, v0\ncall.virt A.a, v0\n}\n");
}
END_TEST

START_TEST(surplus_registers_still_count_as_locals)
{
  struct vm_module *module =
      asm_accept(".function void g(i32 a0) {}\n"
                 ".function void f(i32 a0) {\ncall g, v0, v9\n"
                 "call.acc g, v1, v11, a0, 9\nlda a0\n}\n",
                 NULL);
  const struct vm_function_def *f = asm_function_of(module, "f");
  ck_assert_uint_eq(f->local_count, 12);
  ck_assert_uint_eq(f->insns[0].nregs, 1);
  ck_assert_uint_eq(f->insns[2].regs[0], 12);
  asm_check_round_trip("surplus", module);
  vm_module_destroy(module);
}
END_TEST

START_TEST(the_order_of_handlers_comes_back)
{
  /* The pair (a, b) appears first, then (c, d) at the same places but with
     other names, so that it cannot join the first pair's group. */
  round_trip(".record R {}\n.record S {}\n.function void f() {\n"
             "a:\nc:\nnop\nm:\nnop\nb:\nd:\n"
             ".catch R, a, b, h, z\n.catch S, m, b, h\n.catchall c, d, h\n"
             ".catch S, a, b, z\n.catchall z, a, h\n"
             "h:\nreturn.void\nz:\n}\n");
}
END_TEST

START_TEST(overloads_and_arrays_come_back)
{
  round_trip(".record panda.String <external>\n.record A {}\n"
             ".array s panda.String 3 { \"a\" \"\" \"a\" }\n"
             ".array d f64 3 { 0x7ff0000000000000 -0x1 1e-320 }\n"
             ".array f f32 3 { 1e39 0.1 -0.0 }\n"
             ".array b i8 3 { 255 -128 0x7f }\n.array z u1 2 { 0 9 }\n"
             ".array h u16 2 { -1 1 }\n.array q u64 1 { -1 }\n"
             ".function void A.f(A a0) {}\n.function void A.f(i32 a0) {}\n"
             ".function void A.f() {}\n.function void g(A[] a0) {\n"
             "call A.f:(A), v0\ncall A.f:(), v0\ncall A.f : ( i32 ), v0\n"
             "call g, v1\nlda.const v0, s\nlda.const v0, d\n}\n");
}
END_TEST

/* Programs -----------------------------------------------------------------*/

static void round_trip_file(const char *path)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble_file(path, &diags);
  if (module == NULL)
    vm_diags_print(&diags, stderr, false);
  ck_assert_msg(module != NULL, "%s does not assemble", path);
  ck_assert_msg(vm_module_check(module) == NULL, "%s: %s", path,
                vm_module_check(module));
  asm_check_round_trip(path, module);
  vm_module_destroy(module);
  vm_diags_destroy(&diags);
}

/* How many programs of a directory came back. */
static unsigned round_trip_directory(const char *name)
{
  char path[4096];
  const char *top = getenv("top_srcdir");
  unsigned count = 0;
  snprintf(path, sizeof path, "%s/%s", top != NULL ? top : ".", name);
  DIR *directory = opendir(path);
  ck_assert_msg(directory != NULL, "no directory %s", path);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    size_t length = strlen(entry->d_name);
    if (length < 4 || strcmp(entry->d_name + length - 3, ".pa") != 0)
      continue;
    snprintf(path, sizeof path, "%s/%s/%s", top != NULL ? top : ".", name,
             entry->d_name);
    round_trip_file(path);
    count++;
  }
  closedir(directory);
  return count;
}

START_TEST(the_programs_of_the_tree_come_back)
{
  ck_assert_uint_ge(round_trip_directory("programs"), 10);
  ck_assert_uint_ge(round_trip_directory("tests/conformance"), 1);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("roundtrip");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, each_instruction_assembles_and_comes_back, 0,
                      VM_OP_COUNT);
  tcase_add_test(tests, metadata_comes_back);
  tcase_add_test(tests, surplus_registers_still_count_as_locals);
  tcase_add_test(tests, the_order_of_handlers_comes_back);
  tcase_add_test(tests, overloads_and_arrays_come_back);
  tcase_add_test(tests, the_programs_of_the_tree_come_back);
  return suite_main("asm_roundtrip", (TCase *[]){tests, NULL});
}
