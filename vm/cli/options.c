/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, made from options.def: finding one by its name,
 * reading and writing its value, help.  Where the values come from is the
 * business of words.c and profiles.c.
 */
#include "config.h"

#include "vm/cli/options.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "vm/asm/nearest.h"
#include "vm/cli/special.h"
#include "vm/cli/values.h"

/* --- The table --- */

enum kind {
  KIND_SIZE,   /* uint64_t, bytes, or auto */
  KIND_COUNT,  /* unsigned, or auto */
  KIND_NUMBER, /* uint64_t */
  KIND_SWITCH, /* bool, on or off */
  KIND_YES,    /* bool; without a value: true */
  KIND_NO,     /* bool; on, or without a value: false */
  KIND_CHOICE, /* an enum or int */
  KIND_TEXT,   /* const char * */
  KIND_CUSTOM,
};

struct option {
  enum cli_command command;
  bool is_for_profiles;
  const char *name, *argument;
  enum kind kind;
  size_t offset;
  const struct cli_choice *choices;
  const struct cli_special *special;
  const char *fallback, *help;
};

#define HOW_SIZE(how) NULL, NULL
#define HOW_COUNT(how) NULL, NULL
#define HOW_NUMBER(how) NULL, NULL
#define HOW_SWITCH(how) NULL, NULL
#define HOW_YES(how) NULL, NULL
#define HOW_NO(how) NULL, NULL
#define HOW_TEXT(how) NULL, NULL
#define HOW_CHOICE(how) how, NULL
#define HOW_CUSTOM(how) NULL, &how

#define WHERE_PROFILE true
#define WHERE_WORD false

static const struct option options[] = {
#define CLI_OPTION(command, where, name, argument, kind, field, how, fallback, \
                   help)                                                       \
  {CLI_##command,   WHERE_##where, name,                                       \
   argument,        KIND_##kind,   offsetof(struct cli_settings, field),       \
   HOW_##kind(how), fallback,      help},
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"
};

/* A kind has to suit the width of its field. */
#define WIDTH_SIZE(field) sizeof(uint64_t)
#define WIDTH_COUNT(field) sizeof(unsigned)
#define WIDTH_NUMBER(field) sizeof(uint64_t)
#define WIDTH_SWITCH(field) sizeof(bool)
#define WIDTH_YES(field) sizeof(bool)
#define WIDTH_NO(field) sizeof(bool)
#define WIDTH_TEXT(field) sizeof(char *)
#define WIDTH_CHOICE(field) sizeof(int)
#define WIDTH_CUSTOM(field) FIELD_BYTES(field)
#define FIELD_BYTES(field) sizeof(((struct cli_settings *)0)->field)
#define CLI_OPTION(command, where, name, argument, kind, field, how, fallback, \
                   help)                                                       \
  _Static_assert(FIELD_BYTES(field) == WIDTH_##kind(field), name);
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"

struct later {
  const char *name, *needs;
};

static const struct later later_options[] = {
#define CLI_OPTION(command, where, name, argument, kind, field, how, fallback, \
                   help)
#define CLI_LATER(name, needs) {name, needs},
#include "vm/cli/options.def"
};

static const char *const option_names[] = {
#define CLI_OPTION(command, where, name, argument, kind, field, how, fallback, \
                   help)                                                       \
  name,
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"
    "help"};

enum {
  LATER_COUNT = sizeof later_options / sizeof later_options[0],
  NAME_COUNT = sizeof option_names / sizeof option_names[0],
};

size_t cli_option_find(const char *name, size_t length)
{
  size_t i = 0;
  while (i < CLI_OPTION_COUNT && !cli_is_item(name, length, options[i].name))
    i++;
  return i;
}

const char *cli_option_name(size_t option)
{
  return options[option].name;
}

enum cli_command cli_option_command(size_t option)
{
  return options[option].command;
}

bool cli_option_is_for_profiles(size_t option)
{
  return options[option].is_for_profiles;
}

static bool wants_value(const struct option *option)
{
  return option->argument[0] == '=';
}

/* --- Reading values --- */

static bool read_size(void *field, const char *value,
                      struct cli_problem *problem)
{
  return cli_read_size(value, field) ||
         cli_wrong(problem,
                   "`%.64s' is no size; write it as in 512K, 64M or 2G", value);
}

static bool read_number(void *field, const char *value,
                        struct cli_problem *problem)
{
  return cli_read_number(value, field) ||
         cli_wrong(problem, "`%.64s' is no number", value);
}

static bool read_count(void *field, const char *value,
                       struct cli_problem *problem)
{
  uint64_t number = 0;
  if (!cli_read_number(value, &number) || number == 0 || number > UINT_MAX)
    return cli_wrong(problem, "`%.64s' is no number from 1 to %u", value,
                     UINT_MAX);
  *(unsigned *)field = (unsigned)number;
  return true;
}

/* `on` is what the value "on", or none, stands for. */
static bool read_switch(bool *field, const char *value, bool on,
                        struct cli_problem *problem)
{
  bool is_on = !value || strcmp(value, "on") == 0;
  if (!is_on && strcmp(value, "off") != 0)
    return cli_wrong(problem, "`%.64s' is neither on nor off", value);
  *field = is_on == on;
  return true;
}

/* Puts back what holds without the option. */
static bool reset(struct cli_settings *settings, size_t offset, size_t bytes)
{
  struct cli_settings defaults;
  cli_settings_init(&defaults);
  memcpy((char *)settings + offset, (const char *)&defaults + offset, bytes);
  return true;
}

/* Puts the value where the option says. */
static bool apply(struct cli_settings *settings, const struct option *option,
                  const char *value, struct cli_problem *problem)
{
  void *field = (char *)settings + option->offset;
  bool is_auto = value && strcmp(value, "auto") == 0;
  switch (option->kind) {
  case KIND_SIZE:
    return is_auto ? reset(settings, option->offset, sizeof(uint64_t))
                   : read_size(field, value, problem);
  case KIND_COUNT:
    return is_auto ? reset(settings, option->offset, sizeof(unsigned))
                   : read_count(field, value, problem);
  case KIND_NUMBER:
    return read_number(field, value, problem);
  case KIND_SWITCH:
  case KIND_YES:
  case KIND_NO:
    return read_switch(field, value, option->kind != KIND_NO, problem);
  case KIND_CHOICE:
    return cli_read_choice(option->choices, value, field, problem);
  case KIND_TEXT:
    *(const char **)field = value;
    return true;
  case KIND_CUSTOM:
    return option->special->read(settings, value, problem);
  }
  return false;
}

bool cli_option_read(struct cli_settings *settings, size_t index,
                     const char *value, const struct cli_origin *origin,
                     struct cli_problem *problem)
{
  const struct option *option = &options[index];
  struct cli_origin *last = &settings->origins[index];
  if ((!value && wants_value(option)) || (value && !*value))
    return cli_wrong(problem, "wants a value: --%s%s", option->name,
                     option->argument);
  if (option->special && option->special->forget &&
      last->layer != origin->layer)
    option->special->forget(settings);
  if (!apply(settings, option, value, problem))
    return false;
  *last = *origin;
  return true;
}

/* --- Writing values --- */

/* Sizes and counts of 0 are left to the memory manager. */
static const char *write_size(uint64_t bytes, char text[CLI_VALUE_BYTES])
{
  if (bytes == 0)
    return "auto";
  cli_write_size(bytes, text);
  return text;
}

static const char *write_number(uint64_t number, char text[CLI_VALUE_BYTES])
{
  snprintf(text, CLI_VALUE_BYTES, "%" PRIu64, number);
  return text;
}

static const char *write_count(unsigned count, char text[CLI_VALUE_BYTES])
{
  return count ? write_number(count, text) : "auto";
}

const char *cli_option_write(const struct cli_settings *settings, size_t index,
                             char text[CLI_VALUE_BYTES])
{
  const struct option *option = &options[index];
  const void *field = (const char *)settings + option->offset;
  switch (option->kind) {
  case KIND_SIZE:
    return write_size(*(const uint64_t *)field, text);
  case KIND_COUNT:
    return write_count(*(const unsigned *)field, text);
  case KIND_NUMBER:
    return write_number(*(const uint64_t *)field, text);
  case KIND_SWITCH:
  case KIND_YES:
  case KIND_NO:
    return *(const bool *)field == (option->kind != KIND_NO) ? "on" : "off";
  case KIND_CHOICE:
    return cli_choice_name(option->choices, *(const int *)field);
  case KIND_TEXT:
    return *(const char *const *)field;
  case KIND_CUSTOM:
    option->special->write(settings, text);
  }
  return text;
}

/* --- Options that there are not --- */

bool cli_option_unknown(const char *name, size_t length, const char *dashes,
                        struct cli_problem *problem)
{
  char word[64];
  for (size_t i = 0; i < LATER_COUNT; i++)
    if (cli_is_item(name, length, later_options[i].name))
      return cli_wrong(
          problem, "%s%s is not available in this version: it comes with %s",
          dashes, later_options[i].name, later_options[i].needs);
  snprintf(word, sizeof word, "%.*s", (int)length, name);
  const char *near = vm_nearest(word, option_names, NAME_COUNT);
  return near
             ? cli_wrong(problem, "unknown option `%s%s'; did you mean `%s%s'?",
                         dashes, word, dashes, near)
             : cli_wrong(problem, "unknown option `%s%s'", dashes, word);
}

/* --- Help --- */

enum { HELP_COLUMN = 30 };

/* The lines of a help text, each at the column; the first may follow words
   that end before it. */
static void print_help_lines(const char *help, int used, FILE *out)
{
  for (;;) {
    const char *end = strchr(help, '\n');
    size_t length = end ? (size_t)(end - help) : strlen(help);
    if (used >= HELP_COLUMN) {
      putc('\n', out);
      used = 0;
    }
    fprintf(out, "%*s%.*s", HELP_COLUMN - used, "", (int)length, help);
    if (!end)
      return;
    used = HELP_COLUMN;
    help = end + 1;
  }
}

void cli_options_print(enum cli_command command, FILE *out)
{
  for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
    const struct option *option = &options[i];
    if (option->command != command)
      continue;
    int used = fprintf(out, "  --%s%s", option->name, option->argument);
    print_help_lines(option->help, used, out);
    if (option->fallback[0])
      fprintf(out, " [%s]", option->fallback);
    putc('\n', out);
  }
}

void cli_option_print_comment(size_t index, FILE *out)
{
  fputs("# ", out);
  for (const char *c = options[index].help; *c; c++)
    fputs(*c == '\n' ? "\n# " : (char[]){*c, 0}, out);
  putc('\n', out);
}
