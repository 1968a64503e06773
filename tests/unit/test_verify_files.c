/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of tests/verify, each compared with the comments behind its
 * instructions: what the lenient verifier marks, and what the strict one
 * says.  tests/verify/README.md has the form of the comments.
 */
#include "config.h"

#include "tests/unit/vm_fixture.h"
#include "vm/asm/asm.h"
#include "vm/verify/verify.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What one line's comment expects. */
struct expected {
  bool bad, dead;
  unsigned checks, diags; /* how many items of each kind */
  char text[1024];        /* the comment */
};

static char path[4096];
static struct vm_module *module;
static struct vm_diags diags;

static void open_file(const char *name)
{
  const char *top = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/tests/verify/%s", top ? top : ".", name);
  vm_diags_init(&diags);
  module = vm_assemble_file(path, &diags);
  if (!module)
    vm_diags_print(&diags, stderr, false);
  ck_assert_msg(module != NULL, "%s does not assemble", path);
  vm_diags_destroy(&diags);
  vm_diags_init(&diags);
  ck_assert(vm_load_module(machine.vm, module, &diags));
}

/* --- The comment of a line --- */

static bool starts(const char *text, const char *with)
{
  return strncmp(text, with, strlen(with)) == 0;
}

static const char *line_of(uint32_t line, size_t *length)
{
  const char *at = module->source, *end = at + module->source_bytes;
  while (--line > 0)
    at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
  const char *stop = memchr(at, '\n', (size_t)(end - at));
  *length = (size_t)((stop ? stop : end) - at);
  return at;
}

static uint32_t line_count(void)
{
  uint32_t count = 1;
  for (size_t i = 0; i < module->source_bytes; i++)
    count += module->source[i] == '\n';
  return count - 1;
}

/* The next item of a comment at *at, or null. */
static char *next_item(char **at)
{
  while (**at && (isspace((unsigned char)**at) || **at == ';'))
    ++*at;
  char *item = *at;
  *at += strcspn(*at, ";");
  if (**at)
    *(*at)++ = '\0';
  return *item ? item : NULL;
}

static struct expected expected_of(uint32_t line)
{
  struct expected e = {0};
  size_t length;
  const char *text = line_of(line, &length);
  const char *hash = memchr(text, '#', length);
  if (!hash || hash == text)
    return e;
  snprintf(e.text, sizeof e.text, "%.*s",
           (int)(length - (size_t)(hash - text) - 1), hash + 1);
  char copy[sizeof e.text], *at = copy;
  memcpy(copy, e.text, sizeof copy);
  for (char *item; (item = next_item(&at)) != NULL;) {
    e.bad |= strcmp(item, "bad") == 0;
    e.dead |= starts(item, "dead");
    e.checks += starts(item, "check ");
    e.diags += starts(item, "error: ") || starts(item, "warning: ");
  }
  return e;
}

static bool has_item(const struct expected *e, const char *kind,
                     const char *text)
{
  char copy[sizeof e->text], *at = copy;
  memcpy(copy, e->text, sizeof copy);
  for (char *item; (item = next_item(&at)) != NULL;)
    if (starts(item, kind) && strstr(text, item + strlen(kind)))
      return true;
  return false;
}

/* --- Lenient --- */

static const char *check_text(const struct vm_ref_check *check, char *text,
                              size_t bytes)
{
  switch ((enum vm_check_kind)check->kind) {
  case VM_CHECK_CLASS:
    return check->class->name;
  case VM_CHECK_ANY_ARRAY:
    return "array";
  case VM_CHECK_REF_ARRAY:
    return "refs";
  case VM_CHECK_ARRAY_WIDTH:
    snprintf(text, bytes, "width %d", 1 << check->prim_log2);
    return text;
  }
  return "nothing known";
}

static void compare_checks(const struct vm_verified *v, uint32_t insn,
                           uint32_t line, const struct expected *e)
{
  unsigned count = 0;
  char buffer[32];
  for (uint32_t i = 0; i < v->check_count; i++) {
    if (v->checks[i].insn != insn)
      continue;
    const char *text = check_text(&v->checks[i], buffer, sizeof buffer);
    ck_assert_msg(has_item(e, "check ", text), "%s:%u: checks %s", path, line,
                  text);
    count++;
  }
  ck_assert_msg(count == e->checks, "%s:%u: %u checks, not %u", path, line,
                count, e->checks);
  ck_assert_int_eq(count > 0, (v->flags[insn] & VM_INSN_CHECKED) != 0);
}

/* --- Maps --- */

/* The item of the comment that begins with `kind`, or null. */
static char *find_item(char *copy, const char *kind)
{
  size_t length = strlen(kind);
  for (char *item, *at = copy; (item = next_item(&at)) != NULL;)
    if (starts(item, kind) && (item[length] == ' ' || item[length] == '\0'))
      return item + length;
  return NULL;
}

/* "v0" is 0, "a0" local_count, "acc" reg_count. */
static uint32_t slot_named(const struct vm_function_def *f, const char *name)
{
  if (strcmp(name, "acc") == 0)
    return f->reg_count;
  uint32_t number = (uint32_t)strtoul(name + 1, NULL, 10);
  return name[0] == 'v' ? number : f->local_count + number;
}

static void compare_map(const struct vm_function_def *f, uint32_t insn,
                        const struct expected *e, const char *kind,
                        const uint64_t *map)
{
  char copy[sizeof e->text], *names;
  memcpy(copy, e->text, sizeof copy);
  if (!(names = find_item(copy, kind)))
    return;
  bool wanted[64] = {false};
  ck_assert_uint_lt(f->reg_count, 64);
  for (char *name = strtok(names, " "); name; name = strtok(NULL, " "))
    wanted[slot_named(f, name)] = true;
  for (uint32_t slot = 0; slot <= f->reg_count; slot++)
    ck_assert_msg(vm_map_has(map, slot) == wanted[slot],
                  "%s:%u: %s: slot %u %s", path, f->insns[insn].line, kind,
                  slot, wanted[slot] ? "is missing" : "is too much");
}

static void compare_maps(const struct vm_function_def *f)
{
  const struct vm_verified *v = f->verified;
  for (uint32_t i = 0; i < f->insn_count; i++) {
    uint32_t line = f->insns[i].line;
    struct expected e = expected_of(line);
    char copy[sizeof e.text];
    compare_map(f, i, &e, "map", vm_map_before(v, i));
    compare_map(f, i, &e, "call", vm_map_call(v, i));
    memcpy(copy, e.text, sizeof copy);
    ck_assert_msg(find_item(copy, "acc") == NULL ||
                      (v->flags[i] & VM_INSN_ACC_LIVE),
                  "%s:%u: acc is dead", path, line);
    memcpy(copy, e.text, sizeof copy);
    ck_assert_msg(!find_item(copy, "leader") == !(v->flags[i] & VM_INSN_LEADER),
                  "%s:%u: leader", path, line);
  }
}

static void compare_entry(const struct vm_function_def *f)
{
  const struct vm_verified *v = f->verified;
  struct expected e = expected_of(f->line);
  char *entry = find_item(e.text, "entry");
  bool acc = entry && strstr(entry, "acc") != NULL;
  bool any = entry && strstr(entry, "v0") != NULL;
  ck_assert_msg(v->entry_acc_live == acc, "%s:%u: acc", path, f->line);
  ck_assert_msg(v->entry_any == any, "%s:%u: v0", path, f->line);
  ck_assert(!any || vm_map_has(v->entry_live, 0));
}

static void compare_function(const struct vm_function_def *f)
{
  const struct vm_verified *v = f->verified;
  ck_assert_ptr_nonnull(v);
  for (uint32_t i = 0; i < f->insn_count; i++) {
    uint32_t line = f->insns[i].line;
    struct expected e = expected_of(line);
    ck_assert_msg(e.bad == !!(v->flags[i] & VM_INSN_BAD), "%s:%u: %s", path,
                  line, e.bad ? "is not bad" : "is bad");
    ck_assert_msg(e.dead == !(v->flags[i] & VM_INSN_REACHABLE), "%s:%u: %s",
                  path, line, e.dead ? "is reached" : "is not reached");
    compare_checks(v, i, line, &e);
  }
}

static void compare_lenient(void)
{
  for (uint32_t i = 0; i < module->function_count; i++) {
    struct vm_function_def *f = &module->functions[i];
    ck_assert(vm_verify_function(machine.vm, module, f, false, NULL));
    if (f->insns)
      compare_function(f);
  }
}

/* --- Strict --- */

static void compare_strict(void)
{
  unsigned errors = vm_verify_module_strict(machine.vm, module, &diags);
  unsigned *found = calloc(line_count() + 1, sizeof *found);
  ck_assert_ptr_nonnull(found);
  ck_assert_uint_eq(errors, diags.errors);
  for (const struct vm_diag *d = diags.first; d; d = d->next) {
    struct expected e = expected_of(d->line);
    const char *kind = d->severity == VM_DIAG_ERROR ? "error: " : "warning: ";
    ck_assert_msg(has_item(&e, kind, d->text), "%s:%u: %s%s", path, d->line,
                  kind, d->text);
    found[d->line]++;
  }
  for (uint32_t line = 1; line <= line_count(); line++) {
    unsigned wanted = expected_of(line).diags;
    ck_assert_msg(found[line] == wanted, "%s:%u: %u messages, not %u", path,
                  line, found[line], wanted);
  }
  free(found);
}

START_TEST(maps_hold_the_references_that_are_live)
{
  open_file("maps.pa");
  compare_lenient();
  for (uint32_t i = 0; i < module->function_count; i++)
    if (module->functions[i].insns) {
      compare_maps(&module->functions[i]);
      compare_entry(&module->functions[i]);
    }
  vm_diags_destroy(&diags);
}
END_TEST

static void compare(const char *name)
{
  open_file(name);
  compare_lenient();
  compare_strict();
  vm_diags_destroy(&diags);
}

START_TEST(numbers_are_told_from_references)
{
  compare("numbers.pa");
}
END_TEST

START_TEST(objects_and_fields_have_the_class_that_is_wanted)
{
  compare("objects.pa");
}
END_TEST

START_TEST(arrays_have_the_elements_that_are_wanted)
{
  compare("arrays.pa");
}
END_TEST

START_TEST(arguments_and_results_fit_the_declaration)
{
  compare("calls.pa");
}
END_TEST

START_TEST(control_stays_where_it_may_be)
{
  compare("flow.pa");
}
END_TEST

START_TEST(access_and_final_are_respected)
{
  compare("access.pa");
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("files");
  tcase_add_test(tests, numbers_are_told_from_references);
  tcase_add_test(tests, objects_and_fields_have_the_class_that_is_wanted);
  tcase_add_test(tests, arrays_have_the_elements_that_are_wanted);
  tcase_add_test(tests, arguments_and_results_fit_the_declaration);
  tcase_add_test(tests, control_stays_where_it_may_be);
  tcase_add_test(tests, access_and_final_are_respected);
  tcase_add_test(tests, maps_hold_the_references_that_are_live);
  return machine_main("verify_files", tests);
}
