/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics: what is printed, suggestions, very long lines, many errors. */
#include "config.h"

#include "tests/unit/asm_fixture.h"

#include "vm/asm/diag_internal.h"
#include "vm/asm/suggest_internal.h"

#include <stdlib.h>
#include <string.h>

static char *printed(const struct vm_diags *diags)
{
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  ck_assert_ptr_nonnull(out);
  vm_diags_print(diags, out, false);
  ck_assert_int_eq(fclose(out), 0);
  return text;
}

/* What is printed for a text that is wrong. */
static char *complaint(const char *source, size_t bytes, unsigned limit)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  diags.error_limit = limit;
  ck_assert_ptr_null(vm_assemble("t.pa", source, bytes, &diags));
  char *text = printed(&diags);
  vm_diags_destroy(&diags);
  return text;
}

static void check_complaint(const char *source, const char *wanted)
{
  char *text = complaint(source, strlen(source), 0);
  ck_assert_str_eq(text, wanted);
  free(text);
}

START_TEST(an_error_shows_its_line_a_caret_and_a_remedy)
{
  check_complaint(".function void f() {\n        ldaa v0\n}\n",
                  "t.pa:2:9: error: unknown instruction `ldaa`\n"
                  "    ldaa v0\n"
                  "    ^~~~\n"
                  "t.pa:2:9: note: did you mean `lda`?\n");
}
END_TEST

START_TEST(a_note_shows_the_other_place)
{
  check_complaint(".record R {}\n\t.record R {}\n",
                  "t.pa:2:10: error: record `R` is defined twice\n"
                  "    .record R {}\n"
                  "            ^\n"
                  "t.pa:1:9: note: first here\n"
                  "    .record R {}\n"
                  "            ^\n");
}
END_TEST

START_TEST(the_caret_counts_characters_not_bytes)
{
  check_complaint(".function void f() {\nlda.str \"\xc3\xa4\xe2\x82\xac\" x\n}",
                  "t.pa:2:17: error: `x` is left over at the end of the line\n"
                  "    lda.str \"\xc3\xa4\xe2\x82\xac\" x\n"
                  "                 ^\n");
}
END_TEST

START_TEST(junk_bytes_are_shown_as_question_marks)
{
  static const char source[] = ".record \x01\xff\0z\x1b[31m {}\n";
  char *text = complaint(source, sizeof source - 1, 0);
  ck_assert_str_eq(text, "t.pa:1:9: error: malformed name `???z?`\n"
                         "    .record ???z?[31m {}\n"
                         "            ^~~~~\n");
  free(text);
}
END_TEST

START_TEST(of_a_long_line_only_the_part_around_the_place_is_kept)
{
  size_t bytes = 1 << 20;
  char *source = malloc(bytes);
  ck_assert_ptr_nonnull(source);
  memset(source, 'x', bytes);
  memcpy(source, ".function void f() {\nldai ", 26);
  char *text = complaint(source, bytes, 0);
  ck_assert_ptr_nonnull(strstr(text, "expected an integer, found `xxxxx"));
  ck_assert_ptr_nonnull(strstr(text, "x...\n"));
  ck_assert_uint_lt(strlen(text), 1000);
  free(text);
  memset(source + 26, ' ', bytes - 26);
  source[bytes / 2] = '!';
  text = complaint(source, bytes, 0);
  ck_assert_ptr_nonnull(strstr(text, "    ...    "));
  ck_assert_uint_lt(strlen(text), 1000);
  free(text);
  free(source);
}
END_TEST

START_TEST(errors_beyond_the_limit_are_counted)
{
  char source[4096], *to = source;
  to += sprintf(to, ".function void f() {\n");
  for (int i = 0; i < 50; i++)
    to += sprintf(to, "bad%d\n", i);
  sprintf(to, "}\n");
  char *text = complaint(source, strlen(source), 3);
  ck_assert_ptr_nonnull(strstr(text, "bad2"));
  ck_assert_ptr_null(strstr(text, "bad3"));
  ck_assert_ptr_nonnull(strstr(text, "47 more errors"));
  free(text);
}
END_TEST

START_TEST(a_diagnostic_finds_its_line_in_any_order)
{
  static const char source[] = "one\ntwo\nthree";
  static const uint32_t lines[] = {3, 1, 2, 3};
  static const char *const texts[] = {"three", "one", "two", "three"};
  struct vm_diags diags;
  vm_diags_init(&diags);
  for (unsigned i = 0; i < 4; i++)
    vm_diag_add(&diags, VM_DIAG_ERROR, "t", source, sizeof source - 1, lines[i],
                1, 1, "%u", i);
  const struct vm_diag *diag = diags.first;
  for (unsigned i = 0; i < 4; i++, diag = diag->next)
    ck_assert_str_eq(diag->source_line, texts[i]);
  vm_diag_add(&diags, VM_DIAG_WARNING, "t", source, sizeof source - 1, 9, 1, 1,
              "no such line");
  vm_diag_add(&diags, VM_DIAG_ERROR, "t", NULL, 0, 0, 0, 0, "no text");
  ck_assert_uint_eq(diags.errors, 5);
  ck_assert_uint_eq(diags.warnings, 1);
  char *text = printed(&diags);
  ck_assert_ptr_nonnull(strstr(text, "t:9:1: warning: no such line\n"));
  ck_assert_ptr_nonnull(strstr(text, "t: error: no text\n"));
  free(text);
  vm_diags_destroy(&diags);
}
END_TEST

START_TEST(sorting_keeps_notes_with_their_errors)
{
  struct vm_diags diags;
  vm_diags_init(&diags);
  for (uint32_t i = 0; i < 100; i++) {
    uint32_t line = i * 37 % 100 + 1;
    vm_diag_add(&diags, VM_DIAG_ERROR, "t", NULL, 0, line, 1, 1, "%u", line);
    vm_diag_add(&diags, VM_DIAG_NOTE, "t", NULL, 0, 7, 1, 1, "%u", line);
  }
  vm_diags_sort(&diags, &diags.first);
  const struct vm_diag *diag = diags.first;
  for (uint32_t line = 1; line <= 100; line++, diag = diag->next->next) {
    ck_assert_uint_eq(diag->line, line);
    ck_assert_str_eq(diag->text, diag->next->text);
  }
  ck_assert_ptr_null(diag);
  vm_diag_add(&diags, VM_DIAG_ERROR, "t", NULL, 0, 1, 1, 1, "last");
  char *text = printed(&diags);
  ck_assert_ptr_nonnull(strstr(text, "error: last\n"));
  free(text);
  vm_diags_destroy(&diags);
}
END_TEST

START_TEST(many_errors_take_time_in_proportion)
{
  /* A quadratic search would take minutes here. */
  size_t lines = 50000, room = lines * 32 + 100;
  char *source = malloc(room), *to = source;
  ck_assert_ptr_nonnull(source);
  to += sprintf(to, ".function void f() {\n");
  for (size_t i = 0; i < lines; i++)
    to += sprintf(to, "lab%zu: jmp nolab%zu\n", i, i);
  sprintf(to, "}\n");
  struct vm_diags diags;
  vm_diags_init(&diags);
  ck_assert_ptr_null(vm_assemble("t.pa", source, strlen(source), &diags));
  ck_assert_uint_eq(diags.errors, lines);
  vm_diags_destroy(&diags);
  free(source);
}
END_TEST

static const char *nearest(const char *word, const char *const *candidates,
                           size_t count)
{
  struct vm_suggest suggest;
  uint64_t budget = 1000000;
  vm_suggest_begin(&suggest, word, (uint32_t)strlen(word), &budget);
  for (size_t i = 0; i < count; i++)
    vm_suggest_offer(&suggest, candidates[i], (uint32_t)strlen(candidates[i]));
  return suggest.best;
}

START_TEST(suggestions_are_near_or_none)
{
  static const char *const words[] = {"return", "return.obj", "lda", "starr",
                                      "isinstance"};
  ck_assert_str_eq(nearest("retrun", words, 5), "return");
  ck_assert_str_eq(nearest("return.onj", words, 5), "return.obj");
  ck_assert_str_eq(nearest("isintsance", words, 5), "isinstance");
  ck_assert_str_eq(nearest("isinstanc", words, 5), "isinstance");
  ck_assert_str_eq(nearest("ldaa", words, 5), "lda");
  ck_assert_ptr_null(nearest("xyz", words, 5));
  ck_assert_ptr_null(nearest("r", words, 5));
  ck_assert_ptr_null(nearest("", words, 5));
}
END_TEST

START_TEST(suggestions_stop_when_their_budget_is_spent)
{
  struct vm_suggest suggest;
  uint64_t budget = 10;
  vm_suggest_begin(&suggest, "abcdef", 6, &budget);
  vm_suggest_offer(&suggest, "abcdef", 6);
  ck_assert_ptr_null(suggest.best);
  ck_assert_uint_lt(budget, 10);
}
END_TEST

int main(void)
{
  const TTest *const tests[] = {
      an_error_shows_its_line_a_caret_and_a_remedy,
      a_note_shows_the_other_place,
      the_caret_counts_characters_not_bytes,
      junk_bytes_are_shown_as_question_marks,
      of_a_long_line_only_the_part_around_the_place_is_kept,
      errors_beyond_the_limit_are_counted,
      a_diagnostic_finds_its_line_in_any_order,
      sorting_keeps_notes_with_their_errors,
      many_errors_take_time_in_proportion,
      suggestions_are_near_or_none,
      suggestions_stop_when_their_budget_is_spent,
  };
  return asm_main("asm_diag", tests, sizeof tests / sizeof tests[0]);
}
