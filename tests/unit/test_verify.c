/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier beside its programs (test_verify_files.c): joining and
 * comparing types, large functions, running out of memory.
 */
#include "config.h"

#include "tests/unit/vm_fixture.h"
#include "mm/alloc/arena.h"
#include "mm/native.h"
#include "vm/asm/asm.h"
#include "vm/verify/types_internal.h"
#include "vm/verify/verify.h"

#include <stdlib.h>
#include <string.h>

static const char records[] = ".record panda.Object <external>\n"
                              ".record A { A next }\n"
                              ".record B <extends=A> {}\n"
                              ".record C <extends=A> {}\n"
                              ".record D {}\n";

static struct vm_module *load(const char *text)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module = vm_assemble("test.pa", text, strlen(text), &diags);
  if (!module)
    vm_diags_print(&diags, stderr, false);
  ck_assert_ptr_nonnull(module);
  ck_assert(vm_load_module(machine.vm, module, &diags));
  vm_diags_destroy(&diags);
  return module;
}

static struct vm_function_def *only_function(struct vm_module *module)
{
  ck_assert_uint_eq(module->function_count, 1);
  return &module->functions[0];
}

static const struct vm_verified *verify(struct vm_module *module)
{
  struct vm_function_def *function = only_function(module);
  ck_assert(vm_verify_function(machine.vm, module, function, false, NULL));
  ck_assert_ptr_nonnull(function->verified);
  return function->verified;
}

/* --- Types --- */

static struct vm_vtypes types;
static struct mm_arena *arena;

static void open_types(void)
{
  load(records);
  arena = mm_arena_create(NULL);
  ck_assert_ptr_nonnull(arena);
  ck_assert(vm_vtypes_init(&types, machine.vm->boot, arena));
}

static const struct {
  const char *a, *b, *joined;
} joins[] = {
    {"A", "A", "A"},
    {"A", "B", "A"},
    {"B", "C", "A"},
    {"B", "D", "panda.Object"},
    {"B", "Nowhere", "panda.Object"},
    {"Nowhere", "Nowhere", "Nowhere"},
    {"panda.String", "panda.Class", "panda.Object"},
    {"A[]", "A", "panda.Object"},
    {"B[]", "C[]", "A[]"},
    {"B[]", "D[]", "panda.Object[]"},
    {"B[][]", "C[][]", "A[][]"},
    {"B[][]", "C[]", "panda.Object[]"},
    {"B[][][]", "C[][]", "panda.Object[][]"},
    {"i32[]", "i32[]", "i32[]"},
    {"i32[]", "i64[]", "panda.Object"},
    {"i32[]", "u32[]", "panda.Object"},
    {"i32[]", "A[]", "panda.Object"},
    {"i32[][]", "A[]", "panda.Object[]"},
    {"i32[][]", "i64[][]", "panda.Object[]"},
    {"i32[][]", "A[][]", "panda.Object[]"},
    {"i32[][]", "i32[]", "panda.Object"},
    {"{UA,B}", "B", "panda.Object"},
    {"{UA,B}[]", "B[]", "panda.Object[]"},
};

START_TEST(references_join_in_what_they_have_in_common)
{
  open_types();
  for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
    uint32_t a = vm_vtypes_named(&types, joins[i].a);
    uint32_t b = vm_vtypes_named(&types, joins[i].b);
    const char *ab = vm_vtype_text(&types, vm_vtypes_join(&types, a, b));
    const char *ba = vm_vtype_text(&types, vm_vtypes_join(&types, b, a));
    ck_assert_msg(strcmp(ab, joins[i].joined) == 0, "%s and %s join in %s",
                  joins[i].a, joins[i].b, ab);
    ck_assert_str_eq(ba, ab);
  }
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(both_sides_are_assignable_to_their_join)
{
  open_types();
  for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
    uint32_t a = vm_vtypes_named(&types, joins[i].a);
    uint32_t b = vm_vtypes_named(&types, joins[i].b);
    uint32_t joined = vm_vtypes_join(&types, a, b);
    ck_assert_msg(vm_vtypes_is_assignable(&types, a, joined), "%s", joins[i].a);
    ck_assert_msg(vm_vtypes_is_assignable(&types, b, joined), "%s", joins[i].b);
  }
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(assignability_is_that_of_the_machine)
{
  static const char *const names[] = {
      "panda.Object", "A",       "B",       "D",         "panda.String",
      "A[]",          "B[]",     "A[][]",   "B[][]",     "panda.Object[]",
      "i32[]",        "i64[]",   "i32[][]", "u32[]",     "panda.Object[][]",
      "panda.Class",  "f32[][]", "D[]",     "i32[][][]", "A[][][]"};
  enum { COUNT = sizeof names / sizeof *names };
  open_types();
  for (size_t i = 0; i < COUNT; i++)
    for (size_t k = 0; k < COUNT; k++) {
      uint32_t from = vm_vtypes_named(&types, names[i]);
      uint32_t to = vm_vtypes_named(&types, names[k]);
      struct vm_class *from_class = vm_vtypes_class(&types, from);
      struct vm_class *to_class = vm_vtypes_class(&types, to);
      ck_assert(from_class && to_class);
      ck_assert_msg(vm_vtypes_is_assignable(&types, from, to) ==
                        vm_class_is_assignable(from_class, to_class),
                    "%s to %s", names[i], names[k]);
    }
  mm_arena_destroy(arena);
}
END_TEST

START_TEST(numbers_join_by_width)
{
  static const uint32_t rows[][3] = {
      {VT_ZERO, VT_I32, VT_I32},          {VT_ZERO, VT_NULL, VT_NULL},
      {VT_I32, VT_F32, VT_B32},           {VT_I64, VT_F64, VT_B64},
      {VT_B32, VT_I32, VT_B32},           {VT_I32, VT_I64, VT_NUMBER},
      {VT_I32, VT_NULL, VT_CONFLICT},     {VT_NOTHING, VT_F32, VT_F32},
      {VT_CONFLICT, VT_I32, VT_CONFLICT}, {VT_UNSET, VT_CONFLICT, VT_UNSET},
      {VT_UNSET, VT_NOTHING, VT_UNSET},
  };
  open_types();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint32_t a = rows[i][0], b = rows[i][1];
    ck_assert_uint_eq(vm_vtypes_join(&types, a, b), rows[i][2]);
    ck_assert_uint_eq(vm_vtypes_join(&types, b, a), rows[i][2]);
  }
  uint32_t object = types.object;
  ck_assert_uint_eq(vm_vtypes_join(&types, VT_ZERO, object), object);
  ck_assert_uint_eq(vm_vtypes_join(&types, VT_NULL, object), object);
  ck_assert_uint_eq(vm_vtypes_join(&types, VT_I32, object), VT_CONFLICT);
  mm_arena_destroy(arena);
}
END_TEST

/* --- Large functions --- */

static struct vm_module *load_stream(FILE *out, char *const *bytes)
{
  ck_assert_int_eq(fclose(out), 0);
  struct vm_module *module = load(*bytes);
  free(*bytes);
  return module;
}

START_TEST(equal_maps_are_shared)
{
  char *bytes;
  size_t length;
  FILE *out = open_memstream(&bytes, &length);
  fputs(records, out);
  fputs(".function A f(A a0, i32 a1) {\n", out);
  for (int i = 0; i < 5000; i++)
    fputs("  lda a1\n  add2 a1\n  sta a1\n", out);
  fputs("  lda.obj a0\n  return.obj\n}\n", out);
  const struct vm_verified *v = verify(load_stream(out, &bytes));
  ck_assert_uint_le(v->map_count, 3);
}
END_TEST

/* 300 registers, 10,000 blocks, back edges over all of them. */
START_TEST(a_large_function_takes_no_long_time)
{
  char *bytes;
  size_t length;
  FILE *out = open_memstream(&bytes, &length);
  fputs(records, out);
  fputs(".function i32 f(A a0, i32 a1) {\n", out);
  for (int i = 0; i < 250; i++)
    fprintf(out, "  %s v%d%s\n", i % 2 ? "mov.null" : "movi", i,
            i % 2 ? "" : ", 1");
  for (int i = 0; i < 10000; i++)
    fprintf(out, "l%d:\n  lda v%d\n  add2 v%d\n  sta v%d\n  jeqz l%d\n", i,
            i * 2 % 250, i * 6 % 250, i * 4 % 250, i * 7919 % 10000);
  fputs("  ldai 0\n  return\n}\n", out);
  const struct vm_verified *v = verify(load_stream(out, &bytes));
  ck_assert(v->flags[40000] & VM_INSN_REACHABLE);
}
END_TEST

START_TEST(many_nested_handlers_take_no_long_time)
{
  enum { COUNT = 1000 };
  char *bytes;
  size_t length;
  FILE *out = open_memstream(&bytes, &length);
  fputs(records, out);
  fputs(".function A f(A a0) {\n  mov.obj v0, a0\n", out);
  for (int i = 0; i < COUNT; i++)
    fprintf(out, "b%d:\n  ldobj.v.obj v0, v0, A.next\n", i);
  fputs("  lda.obj v0\n  return.obj\n", out);
  for (int i = 0; i < COUNT; i++)
    fprintf(out, "e%d:\n", i);
  for (int i = 0; i < COUNT; i++)
    fprintf(out, "h%d:\n  lda.obj v0\n  return.obj\n", i);
  for (int i = 0; i < COUNT; i++)
    fprintf(out, ".catchall b%d, e%d, h%d\n", i, i, i);
  fputs("}\n", out);
  const struct vm_verified *v = verify(load_stream(out, &bytes));
  ck_assert(vm_map_has(vm_map_before(v, COUNT), 0));
}
END_TEST

/* --- Memory --- */

static const char everything[] = ".record panda.Object <external>\n"
                                 ".record A { A next }\n"
                                 ".function A make(A a0, i32 a1) <static> {\n"
                                 "  lda a1\n"
                                 "again:\n"
                                 "  jeqz out\n"
                                 "begin:\n"
                                 "  newarr v0, a1, A[][]\n"
                                 "  newobj v2, A\n"
                                 "  lda.obj v0\n"
                                 "  sta.obj v1\n"
                                 "  ldobj v2, A.next\n"
                                 "end:\n"
                                 "  jmp again\n"
                                 "out:\n"
                                 "  lda.obj a0\n"
                                 "  return.obj\n"
                                 "handler:\n"
                                 "  return.obj\n"
                                 ".catchall begin, end, handler\n"
                                 "}\n";

/* Verifies with the K-th native allocation failing, for all K. */
static uint64_t fail_all(struct vm_module *module, bool strict)
{
  struct vm_function_def *function = only_function(module);
  struct vm_diags diags;
  for (uint64_t count = 1;; count++) {
    vm_diags_init(&diags);
    mm_native_fail_at(count, true);
    bool done =
        vm_verify_function(machine.vm, module, function, strict, &diags);
    mm_native_fail_at(0, true);
    vm_diags_destroy(&diags);
    if (done)
      return count;
    ck_assert_msg(strict || !function->verified,
                  "a result although allocation %llu failed",
                  (unsigned long long)count);
  }
}

START_TEST(no_memory_leaves_no_half_result)
{
  struct vm_module *module = load(everything);
  ck_assert_uint_gt(fail_all(module, false), 1);
  ck_assert_ptr_nonnull(only_function(module)->verified);
  ck_assert_uint_gt(fail_all(module, true), 1);
}
END_TEST

START_TEST(a_function_without_body_is_left_alone)
{
  struct vm_module *module =
      load(".record A {}\n.function void A.f(A a0) <noimpl>\n");
  struct vm_function_def *function = only_function(module);
  ck_assert(vm_verify_function(machine.vm, module, function, false, NULL));
  ck_assert_ptr_null(function->verified);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("verifier");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, references_join_in_what_they_have_in_common);
  tcase_add_test(tests, both_sides_are_assignable_to_their_join);
  tcase_add_test(tests, assignability_is_that_of_the_machine);
  tcase_add_test(tests, numbers_join_by_width);
  tcase_add_test(tests, equal_maps_are_shared);
  tcase_add_test(tests, a_large_function_takes_no_long_time);
  tcase_add_test(tests, many_nested_handlers_take_no_long_time);
  tcase_add_test(tests, no_memory_leaves_no_half_result);
  tcase_add_test(tests, a_function_without_body_is_left_alone);
  return machine_main("verify", tests);
}
