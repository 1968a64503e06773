/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the assembler makes of a text: lines, literals, records, arrays, and
 * how errors are told.  Functions: test_asm_code.c.  What it refuses:
 * test_asm_reject.c.
 */
#include "config.h"

#include "tests/unit/asm_fixture.h"

#include "mm/native.h"

#include <stdlib.h>
#include <string.h>

/* Lines and text -----------------------------------------------------------*/

START_TEST(an_empty_file_is_an_empty_module)
{
  struct vm_module *module = asm_accept("", NULL);
  ck_assert_uint_eq(module->function_count, 0);
  vm_module_destroy(module);
  vm_module_destroy(asm_accept("# only a comment", NULL));
}
END_TEST

START_TEST(text_before_the_first_directive_is_skipped)
{
  struct vm_module *module =
      asm_accept("// a \"C comment\nint x; }\n... \n.record R {}\n", NULL);
  ck_assert_uint_eq(module->record_count, 1);
  vm_module_destroy(module);
}
END_TEST

START_TEST(a_byte_order_mark_and_carriage_returns_are_blanks)
{
  struct vm_module *module =
      asm_accept("\xef\xbb\xbf.record R {\r\ni32 x\r\n}\r\n", NULL);
  ck_assert_str_eq(module->records[0].fields[0].name, "x");
  vm_module_destroy(module);
}
END_TEST

START_TEST(comments_end_lines_but_not_strings)
{
  const struct vm_function_def *f;
  struct vm_module *module = asm_body_of("nop#x\nlda.str \"a#b\" # c", &f);
  ck_assert_uint_eq(f->insn_count, 2);
  ck_assert_str_eq(module->strings[0].bytes, "a#b");
  vm_module_destroy(module);
}
END_TEST

START_TEST(braces_may_share_lines)
{
  static const char *const texts[] = {
      ".function void f() { return.void }",
      ".function void f()\n{ return.void }\n",
      ".function void f()\n\n# x\n{\nreturn.void\n}\n",
      ".function void f() { return.void\n}",
      ".function void f()<>{\nreturn.void }",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct vm_module *module = asm_accept(texts[i], NULL);
    ck_assert_uint_eq(asm_function_of(module, "f")->insn_count, 1);
    vm_module_destroy(module);
  }
}
END_TEST

START_TEST(records_take_their_fields_in_every_layout)
{
  static const char *const texts[] = {
      ".record R { i32 x\ni32 y }\n",
      ".record R\n{\ni32 x\n\ni32 y # c\n}\n",
      ".record R <>{ i32 x\ni32 y\n}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct vm_module *module = asm_accept(texts[i], NULL);
    ck_assert_uint_eq(module->record_count, 1);
    ck_assert_uint_eq(module->records[0].field_count, 2);
    vm_module_destroy(module);
  }
}
END_TEST

START_TEST(metadata_behind_an_empty_record_is_dropped)
{
  unsigned warnings;
  struct vm_module *module =
      asm_accept(".record Convert {} <external>\n", &warnings);
  ck_assert_uint_eq(module->records[0].flags, 0);
  ck_assert_uint_eq(warnings, 1);
  vm_module_destroy(module);
}
END_TEST

START_TEST(a_record_without_a_body_is_empty)
{
  struct vm_module *module = asm_accept(".record R\n.record S <final>\n", NULL);
  ck_assert_uint_eq(module->record_count, 2);
  ck_assert_uint_eq(module->records[1].flags, VM_FLAG_FINAL);
  vm_module_destroy(module);
}
END_TEST

START_TEST(mnemonics_and_registers_are_no_reserved_words)
{
  vm_module_destroy(
      asm_accept(".record add { i32 mov }\n.array v1 u8 1 { 1 }\n"
                 ".function void f1() { return.void }\n"
                 ".function void lda(add a0) {\ncatch:\nadd: add v0, v0\n"
                 "v0: lda.const v1, v1\nldobj a0, add.mov\njmp catch\n"
                 "call f1\nlda.type add\nreturn.void\n}\n",
                 NULL));
}
END_TEST

START_TEST(names_may_hold_dashes_dollars_and_percents)
{
  vm_module_destroy(asm_accept(".record a-b.$c%d {}\n.record ?x {}\n"
                               ".function void a-b.$c%d.%f() {}\n"
                               ".function void g() {\n-l:\njmp -l\n}\n",
                               NULL));
}
END_TEST

/* Literals -----------------------------------------------------------------*/

/* The immediate of one instruction. */
static int64_t immediate(const char *text)
{
  const struct vm_function_def *f;
  struct vm_module *module = asm_body_of(text, &f);
  int64_t value = f->insns[0].operand.imm;
  vm_module_destroy(module);
  return value;
}

START_TEST(integers_have_four_bases_and_a_sign)
{
  ck_assert_int_eq(immediate("ldai.64 42"), 42);
  ck_assert_int_eq(immediate("ldai.64 +42"), 42);
  ck_assert_int_eq(immediate("ldai.64 -42"), -42);
  ck_assert_int_eq(immediate("ldai.64 0xaBc"), 0xabc);
  ck_assert_int_eq(immediate("ldai.64 +0x10"), 16);
  ck_assert_int_eq(immediate("ldai.64 -0x10"), -16);
  ck_assert_int_eq(immediate("ldai.64 0b101"), 5);
  ck_assert_int_eq(immediate("ldai.64 010"), 8);
  ck_assert_int_eq(immediate("ldai.64 0"), 0);
  ck_assert_int_eq(immediate("ldai.64 00"), 0);
  ck_assert_int_eq(immediate("ldai.64 18446744073709551615"), -1);
  ck_assert_int_eq(immediate("ldai.64 -18446744073709551615"), 1);
  ck_assert_int_eq(immediate("ldai.64 0x8000000000000000"), INT64_MIN);
}
END_TEST

START_TEST(immediates_wrap_to_the_width_of_their_field)
{
  ck_assert_int_eq(immediate("inci v0, 7"), 7);
  ck_assert_int_eq(immediate("inci v0, 8"), -8);
  ck_assert_int_eq(immediate("inci v0, 16"), 0);
  ck_assert_int_eq(immediate("inci v0, -9"), 7);
  ck_assert_int_eq(immediate("addi 0xE1"), -31);
  ck_assert_int_eq(immediate("addi 127"), 127);
  ck_assert_int_eq(immediate("shliv v0, v1, 256"), 0);
  ck_assert_int_eq(immediate("ldai 0xFFFFFFFF"), -1);
  ck_assert_int_eq(immediate("andi 0x80000000"), INT32_MIN);
  ck_assert_int_eq(immediate("movi v0, 0x100000001"), 1);
}
END_TEST

static uint64_t bits_of(double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint32_t bits_of_f32(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

START_TEST(a_hexadecimal_float_is_a_bit_pattern)
{
  ck_assert_uint_eq((uint64_t)immediate("fldai 0x3f800000"), 0x3f800000);
  ck_assert_uint_eq((uint64_t)immediate("fldai 0x13f800000"), 0x3f800000);
  ck_assert_uint_eq((uint64_t)immediate("fldai 0xffc00000"), 0xffc00000);
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 0x7ff8000000000000"),
                    0x7ff8000000000000);
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 0x1"), 1);
}
END_TEST

START_TEST(decimal_floats_are_numbers)
{
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 10"), bits_of(10));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 010"), bits_of(10));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 -0"), bits_of(-0.0));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 .5"), bits_of(.5));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 5."), bits_of(5));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 +1.5e+3"), bits_of(1500));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 1e-3"), bits_of(1e-3));
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 99999999999999999999999"),
                    bits_of(1e23));
  ck_assert_uint_eq((uint64_t)immediate("fldai 0.1"), bits_of_f32(0.1f));
}
END_TEST

START_TEST(floats_out_of_range_become_infinite_or_vanish)
{
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 1e999"), 0x7ff0000000000000);
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 -1e999"), 0xfff0000000000000);
  ck_assert_uint_eq((uint64_t)immediate("fldai 1e39"), 0x7f800000);
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 1e-999"), 0);
  ck_assert_uint_eq((uint64_t)immediate("fldai.64 5e-324"), 1);
  ck_assert_uint_eq((uint64_t)immediate("fldai 1e-45"), 1);
}
END_TEST

static void check_string(const char *text, const char *bytes, size_t length)
{
  const struct vm_function_def *f;
  char line[100];
  snprintf(line, sizeof line, "lda.str \"%s\"", text);
  struct vm_module *module = asm_body_of(line, &f);
  ck_assert_uint_eq(module->strings[0].length_bytes, length);
  ck_assert_mem_eq(module->strings[0].bytes, bytes, length + 1);
  vm_module_destroy(module);
}

START_TEST(strings_have_the_escapes_of_c)
{
  check_string("", "", 0);
  check_string("\\'\\\"\\\\", "'\"\\", 3);
  check_string("\\a\\b\\f\\n\\r\\t\\v", "\a\b\f\n\r\t\v", 7);
  check_string("\\1\\12\\123\\1234", "\1\12\123\1234", 5);
  check_string("\\x41\\xfF\\x001", "A\xff\0001", 4);
  check_string("\xc3\xa4", "\xc3\xa4", 2);
  check_string("a } { , : # b", "a } { , : # b", 13);
}
END_TEST

START_TEST(equal_strings_are_one_constant)
{
  const struct vm_function_def *f;
  struct vm_module *module =
      asm_body_of("lda.str \"a\"\nlda.str \"\\x61\"\nlda.str \"b\"", &f);
  ck_assert_uint_eq(module->string_count, 2);
  ck_assert_uint_eq(f->insns[1].operand.index, 0);
  vm_module_destroy(module);
}
END_TEST

/* Arrays -------------------------------------------------------------------*/

START_TEST(array_values_are_truncated_to_their_width)
{
  struct vm_module *module =
      asm_accept(".array a i8 3 { 255 -129 0x1ff }\n.array u u1 3 { 0 1 -7 }\n"
                 ".array h u16 2 {\n65536\n-1 }\n"
                 ".array f f32 2 { 1 0x40000000 }\n",
                 NULL);
  ck_assert_mem_eq(module->arrays[0].data, "\xff\x7f\xff", 3);
  ck_assert_mem_eq(module->arrays[1].data, "\0\1\1", 3);
  ck_assert_mem_eq(module->arrays[2].data, "\0\0\xff\xff", 4);
  ck_assert_mem_eq(module->arrays[3].data, "\0\0\x80\x3f\0\0\0\x40", 8);
  vm_module_destroy(module);
}
END_TEST

START_TEST(fields_have_values_of_their_types)
{
  struct vm_module *module =
      asm_accept(".record panda.String <external>\n.record R {\n"
                 "i64 a <value=-1>\nf32 b <value=0.5>\n"
                 "u1 c <static, value=4>\n"
                 "panda.String d <value=\"x\">\ni32 a <static>\n}\n",
                 NULL);
  const struct vm_field_def *fields = module->records[1].fields;
  ck_assert_uint_eq(fields[0].value, UINT64_MAX);
  ck_assert_uint_eq(fields[1].value, bits_of_f32(0.5f));
  ck_assert_uint_eq(fields[2].value, 1);
  ck_assert_str_eq(module->strings[fields[3].value].bytes, "x");
  ck_assert_uint_eq(fields[4].flags & VM_FLAG_HAS_VALUE, 0);
  ck_assert_uint_ne(fields[4].flags & VM_FLAG_STATIC, 0);
  vm_module_destroy(module);
}
END_TEST

/* Errors -------------------------------------------------------------------*/

START_TEST(all_errors_are_reported_in_the_order_of_their_lines)
{
  static const char source[] = ".record R <extends=Q> {\nX x\n}\n"
                               ".function void f() {\njmp L\nldaa v0\n}\n"
                               ".function void g(Y a0) {\nlda v300\n";
  static const uint32_t lines[] = {1, 2, 5, 6, 8, 8, 9};
  struct vm_diags diags;
  vm_diags_init(&diags);
  ck_assert_ptr_null(vm_assemble("t.pa", source, strlen(source), &diags));
  unsigned i = 0;
  for (const struct vm_diag *diag = diags.first; diag; diag = diag->next) {
    if (diag->severity != VM_DIAG_ERROR)
      continue;
    ck_assert_uint_lt(i, 7);
    ck_assert_uint_eq(diag->line, lines[i++]);
  }
  ck_assert_uint_eq(i, 7);
  vm_diags_destroy(&diags);
}
END_TEST

START_TEST(a_wrong_declaration_does_not_make_its_uses_wrong)
{
  static const char source[] =
      ".function void f(X a0) {}\n.function void g(i32 x) { return.void }\n"
      ".function void h() <external> {}\n"
      ".function void main() {\ncall f, v0\ncall g, v0\ncall h\n}\n";
  struct vm_diags diags;
  vm_diags_init(&diags);
  ck_assert_ptr_null(vm_assemble("t.pa", source, strlen(source), &diags));
  ck_assert_uint_eq(diags.errors, 3);
  vm_diags_destroy(&diags);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_diagnostic)
{
  static const char *const files[] = {"/nonexistent/x.pa", "/"};
  for (size_t i = 0; i < 2; i++) {
    struct vm_diags diags;
    vm_diags_init(&diags);
    ck_assert_ptr_null(vm_assemble_file(files[i], &diags));
    ck_assert_uint_eq(diags.errors, 1);
    ck_assert_str_eq(diags.first->file, files[i]);
    ck_assert_uint_eq(diags.first->line, 0);
    vm_diags_destroy(&diags);
  }
}
END_TEST

START_TEST(memory_that_runs_out_is_a_diagnostic)
{
  char source[20000], *to = source;
  to += sprintf(to, ".record panda.String <external>\n.record R { R x }\n"
                    ".array a panda.String 2 { \"a\" \"b\" }\n");
  for (int i = 0; i < 100; i++)
    to += sprintf(to,
                  ".function void f%d(R[] a0) {\nL: lda.str \"s%d\"\n"
                  "call f%d, a0\nldobj a0, R.x\njmp L\n"
                  ".catch R, L, L, L\n}\n",
                  i, i, i);
  unsigned failures = 0;
  for (uint64_t count = 1;; count++) {
    struct vm_diags diags;
    vm_diags_init(&diags);
    mm_native_fail_at(count, true);
    struct vm_module *module =
        vm_assemble("t.pa", source, strlen(source), &diags);
    mm_native_fail_at(0, true);
    if (module == NULL) {
      ck_assert_uint_eq(diags.errors, 1);
      ck_assert(diags.out_of_memory);
      ck_assert(!diags.first || strstr(diags.first->text, "memory ran out"));
      failures++;
    }
    bool done = module != NULL;
    vm_module_destroy(module);
    vm_diags_destroy(&diags);
    if (done)
      break;
  }
  ck_assert_uint_ge(failures, 10);
}
END_TEST

int main(void)
{
  const TTest *const tests[] = {
      an_empty_file_is_an_empty_module,
      text_before_the_first_directive_is_skipped,
      a_byte_order_mark_and_carriage_returns_are_blanks,
      comments_end_lines_but_not_strings,
      braces_may_share_lines,
      records_take_their_fields_in_every_layout,
      metadata_behind_an_empty_record_is_dropped,
      a_record_without_a_body_is_empty,
      mnemonics_and_registers_are_no_reserved_words,
      names_may_hold_dashes_dollars_and_percents,
      integers_have_four_bases_and_a_sign,
      immediates_wrap_to_the_width_of_their_field,
      a_hexadecimal_float_is_a_bit_pattern,
      decimal_floats_are_numbers,
      floats_out_of_range_become_infinite_or_vanish,
      strings_have_the_escapes_of_c,
      equal_strings_are_one_constant,
      array_values_are_truncated_to_their_width,
      fields_have_values_of_their_types,
      all_errors_are_reported_in_the_order_of_their_lines,
      a_wrong_declaration_does_not_make_its_uses_wrong,
      a_file_that_cannot_be_read_is_a_diagnostic,
      memory_that_runs_out_is_a_diagnostic,
  };
  return asm_main("asm", tests, sizeof tests / sizeof tests[0]);
}
