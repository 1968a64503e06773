/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that must not assemble: tests/asm/reject.def says which, where the
 * message must point, and what it must say.  Each has one mistake and must
 * get one error, so that a message does not draw others behind it.
 */
#include "config.h"

#include "tests/unit/suite.h"
#include "vm/asm/asm.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What the bodies in the table may name; it stands behind them, so that the
   lines of the body count from 2. */
#define DECLARATIONS                                                           \
  ".record R {\ni32 x\ni32 s <static>\n}\n"                                    \
  ".record S <extends=R> {}\n"                                                 \
  ".function void R.ctor(R a0, i32 a1) <ctor> {}\n"                            \
  ".function void R.m(R a0) {}\n"                                              \
  ".function void R.o(R a0) {}\n"                                              \
  ".function void R.o(i32 a0) {}\n"                                            \
  ".function void g3(i32 a0, i32 a1, i32 a2) {}\n"                             \
  ".array later u8 1 { 1 }\n"

#define BODY(text)                                                             \
  ".function void f(i32 a0, R a1) {\n" text "\n}\n" DECLARATIONS

static const struct rejected {
  uint32_t line, column;
  const char *message;
  const char *source;
} table[] = {
#define REJECT(line, column, message, source) {line, column, message, source},
#include "tests/asm/reject.def"
};

static const struct vm_diag *first_error(const struct vm_diags *diags)
{
  const struct vm_diag *diag = diags->first;
  while (diag != NULL && diag->severity != VM_DIAG_ERROR)
    diag = diag->next;
  return diag;
}

START_TEST(a_wrong_text_gets_one_error_at_its_place)
{
  const struct rejected *row = &table[_i];
  struct vm_diags diags;
  vm_diags_init(&diags);
  struct vm_module *module =
      vm_assemble("t.pa", row->source, strlen(row->source), &diags);
  ck_assert_msg(module == NULL, "row %d (%s) was accepted:\n%s", _i,
                row->message, row->source);
  const struct vm_diag *diag = first_error(&diags);
  ck_assert_ptr_nonnull(diag);
  ck_assert_msg(diag->line == row->line && diag->column == row->column &&
                    strstr(diag->text, row->message) != NULL,
                "row %d: %u:%u: %s\nwanted %u:%u: %s\n%s", _i, diag->line,
                diag->column, diag->text, row->line, row->column, row->message,
                row->source);
  ck_assert_msg(diags.errors == 1, "row %d (%s): %u errors, the second: %s", _i,
                row->message, diags.errors,
                diag->next != NULL ? diag->next->text : "");
  vm_diags_destroy(&diags);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("reject");
  tcase_add_loop_test(tests, a_wrong_text_gets_one_error_at_its_place, 0,
                      (int)(sizeof table / sizeof table[0]));
  return suite_main("asm_reject", (TCase *[]){tests, NULL});
}
