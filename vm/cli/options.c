/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options, all of them by way of options.def.
 *
 *   BAMBOO_OPTIONS --split at blanks--\
 *                                      read_word --> struct cli_settings
 *   argv -----------------------------/
 *
 * Later words win.  Options of other commands are refused on the command line
 * and passed over in BAMBOO_OPTIONS, which holds defaults for all commands.
 */
#include "config.h"

#include "vm/cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "vm/asm/nearest.h"
#include "vm/cli/special.h"
#include "vm/cli/values.h"

/* --- The table --- */

enum kind {
  KIND_SIZE,   /* uint64_t, bytes */
  KIND_COUNT,  /* unsigned, above 0 */
  KIND_NUMBER, /* uint64_t */
  KIND_SWITCH, /* bool, on or off */
  KIND_YES,    /* bool, without a value: true */
  KIND_NO,     /* bool, without a value: false */
  KIND_CHOICE, /* an enum or int */
  KIND_TEXT,   /* const char * */
  KIND_CUSTOM,
};

struct option {
  enum cli_command command;
  const char *name, *argument;
  enum kind kind;
  size_t offset;
  const struct cli_choice *choices;
  cli_read_special *custom;
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
#define HOW_CUSTOM(how) NULL, how

static const struct option options[] = {
#define CLI_OPTION(command, name, argument, kind, field, how, fallback, help)  \
  {CLI_##command,                                                              \
   name,                                                                       \
   argument,                                                                   \
   KIND_##kind,                                                                \
   offsetof(struct cli_settings, field),                                       \
   HOW_##kind(how),                                                            \
   fallback,                                                                   \
   help},
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
#define CLI_OPTION(command, name, argument, kind, field, how, fallback, help)  \
  _Static_assert(FIELD_BYTES(field) == WIDTH_##kind(field), name);
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"

struct later {
  const char *name, *needs;
};

static const struct later later_options[] = {
#define CLI_OPTION(command, name, argument, kind, field, how, fallback, help)
#define CLI_LATER(name, needs) {name, needs},
#include "vm/cli/options.def"
};

static const char *const option_names[] = {
#define CLI_OPTION(command, name, argument, kind, field, how, fallback, help)  \
  name,
#define CLI_LATER(name, needs)
#include "vm/cli/options.def"
    "help"};

enum {
  OPTION_COUNT = sizeof options / sizeof options[0],
  LATER_COUNT = sizeof later_options / sizeof later_options[0],
  NAME_COUNT = sizeof option_names / sizeof option_names[0],
};

static const struct option *find_option(const char *name, size_t length)
{
  for (size_t i = 0; i < OPTION_COUNT; i++)
    if (cli_is_item(name, length, options[i].name))
      return &options[i];
  return NULL;
}

static bool wants_value(const struct option *option)
{
  return option->argument[0] == '=';
}

static bool takes_value(const struct option *option)
{
  return option->argument[0] != 0;
}

/* --- Reading words --- */

static bool read_size(void *field, const char *value,
                      struct cli_problem *problem)
{
  return cli_read_size(value, field) ||
         cli_wrong(problem, "`%s' is no size; write it as in 512K, 64M or 2G",
                   value);
}

static bool read_number(void *field, const char *value,
                        struct cli_problem *problem)
{
  return cli_read_number(value, field) ||
         cli_wrong(problem, "`%s' is no number", value);
}

static bool read_count(void *field, const char *value,
                       struct cli_problem *problem)
{
  uint64_t number = 0;
  if (!cli_read_number(value, &number) || number == 0 || number > UINT16_MAX)
    return cli_wrong(problem, "`%s' is no number from 1 to %d", value,
                     UINT16_MAX);
  *(unsigned *)field = (unsigned)number;
  return true;
}

static bool read_switch(void *field, const char *value,
                        struct cli_problem *problem)
{
  bool on = strcmp(value, "on") == 0;
  if (!on && strcmp(value, "off") != 0)
    return cli_wrong(problem, "`%s' is neither on nor off", value);
  *(bool *)field = on;
  return true;
}

/* Puts the value where the option says. */
static bool apply(struct cli_settings *settings, const struct option *option,
                  const char *value, struct cli_problem *problem)
{
  void *field = (char *)settings + option->offset;
  switch (option->kind) {
  case KIND_SIZE:
    return read_size(field, value, problem);
  case KIND_COUNT:
    return read_count(field, value, problem);
  case KIND_NUMBER:
    return read_number(field, value, problem);
  case KIND_SWITCH:
    return read_switch(field, value, problem);
  case KIND_YES:
  case KIND_NO:
    *(bool *)field = option->kind == KIND_YES;
    return true;
  case KIND_CHOICE:
    return cli_read_choice(option->choices, value, field, problem);
  case KIND_TEXT:
    *(const char **)field = value;
    return true;
  case KIND_CUSTOM:
    return option->custom(settings, value, problem);
  }
  return false;
}

static bool unknown_option(const char *name, size_t length,
                           struct cli_problem *problem)
{
  char word[64];
  for (size_t i = 0; i < LATER_COUNT; i++)
    if (cli_is_item(name, length, later_options[i].name))
      return cli_wrong(
          problem, "--%s is not available in this version: it comes with %s",
          later_options[i].name, later_options[i].needs);
  snprintf(word, sizeof word, "%.*s", (int)length, name);
  const char *near = vm_nearest(word, option_names, NAME_COUNT);
  return near
             ? cli_wrong(problem, "unknown option `--%s'; did you mean `--%s'?",
                         word, near)
             : cli_wrong(problem, "unknown option `--%s'", word);
}

/* A word that begins with "--", without these two dashes. */
static bool read_long(struct cli_settings *settings, enum cli_command command,
                      const char *word, bool is_default,
                      struct cli_problem *problem)
{
  const char *equals = strchr(word, '=');
  size_t length = equals ? (size_t)(equals - word) : strlen(word);
  const char *value = equals ? equals + 1 : NULL;
  const struct option *option = find_option(word, length);
  struct cli_problem about;
  if (!option)
    return unknown_option(word, length, problem);
  if (option->command != command)
    return is_default ||
           cli_wrong(problem, "--%s is an option of `bamboo %s'", option->name,
                     cli_commands[option->command].name);
  if (value && !takes_value(option))
    return cli_wrong(problem, "--%s takes no value", option->name);
  if ((!value && wants_value(option)) || (value && !*value))
    return cli_wrong(problem, "--%s wants a value: --%s%s", option->name,
                     option->name, option->argument);
  if (apply(settings, option, value, &about))
    return true;
  return cli_wrong(problem, "--%s: %.200s", option->name, about.text);
}

static bool read_word(struct cli_settings *settings, enum cli_command command,
                      const char *word, bool is_default,
                      struct cli_problem *problem)
{
  if (strcmp(word, "-W") == 0)
    word = "--warnings";
  if (!is_default && (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)) {
    settings->help = true;
    return true;
  }
  if (word[0] == '-' && word[1] == '-')
    return read_long(settings, command, word + 2, is_default, problem);
  return cli_wrong(problem, "unknown option `%.64s'", word);
}

/* Defaults from the environment, blanks between them. */
static int read_environment(struct cli_settings *settings,
                            enum cli_command command)
{
  const char *text = getenv("BAMBOO_OPTIONS");
  struct cli_problem problem;
  char *rest = NULL;
  if (!text)
    return CLI_OK;
  settings->environment = strdup(text);
  if (!settings->environment) {
    fprintf(stderr, "bamboo: out of memory\n");
    return CLI_INTERNAL;
  }
  for (char *word = strtok_r(settings->environment, " \t\n", &rest); word;
       word = strtok_r(NULL, " \t\n", &rest))
    if (!read_word(settings, command, word, true, &problem))
      return cli_usage_error(command, "BAMBOO_OPTIONS: %s", problem.text);
  return CLI_OK;
}

static bool is_operand(const char *word)
{
  return word[0] != '-' || !word[1];
}

static int read_words(struct cli_settings *settings, enum cli_command command,
                      int argc, char **argv)
{
  struct cli_problem problem;
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "--") == 0) {
      settings->program_args = argv + i + 1;
      settings->program_arg_count = argc - i - 1;
      return CLI_OK;
    }
    if (is_operand(argv[i]))
      settings->files[settings->file_count++] = argv[i];
    else if (!read_word(settings, command, argv[i], false, &problem))
      return cli_usage_error(command, "%s", problem.text);
  }
  return CLI_OK;
}

int cli_settings_read(struct cli_settings *settings, enum cli_command command,
                      int argc, char **argv)
{
  *settings = (struct cli_settings){.entry = "_GLOBAL::main"};
  vm_options_init(&settings->vm);
  settings->files = calloc((size_t)argc + 1, sizeof *settings->files);
  if (!settings->files) {
    fprintf(stderr, "bamboo: out of memory\n");
    return CLI_INTERNAL;
  }
  int status = read_environment(settings, command);
  return status ? status : read_words(settings, command, argc, argv);
}

void cli_settings_destroy(struct cli_settings *settings)
{
  free(settings->environment);
  free(settings->files);
}

int cli_perform(enum cli_command command, int argc, char **argv,
                int (*body)(const struct cli_settings *settings))
{
  struct cli_settings settings;
  int status = cli_settings_read(&settings, command, argc, argv);
  if (status == CLI_OK)
    status = settings.help ? cli_help(command) : body(&settings);
  cli_settings_destroy(&settings);
  return status;
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
  for (size_t i = 0; i < OPTION_COUNT; i++) {
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
