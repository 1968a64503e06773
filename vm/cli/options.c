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

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mm/stat/log.h"
#include "vm/asm/nearest.h"
#include "vm/cli/profiles.h"
#include "vm/cli/values.h"

/* What is wrong with a word, in one line. */
struct problem {
  char text[256];
};

static bool wrong(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool wrong(struct problem *problem, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  return false;
}

/* --- Values that are not plain --- */

/* A name for a number; the table ends with a null name. */
struct choice {
  const char *name;
  int value;
  bool available;
};

static const struct choice gc_choices[] = {
    {"stw", MM_GC_STW, true},
    {"epsilon", MM_GC_EPSILON, true},
    {"concurrent", MM_GC_CONCURRENT, false},
    {0},
};

static const struct choice tenured_choices[] = {
    {"regions", MM_TENURED_REGIONS, true},
    {"freelist", MM_TENURED_FREELIST, false},
    {0},
};

static const struct choice jit_choices[] = {
    {"off", 0, true},
    {"on", 1, false},
    {"always", 2, false},
    {0},
};

/* "stw or epsilon": what there is, for messages. */
static const char *list_choices(const struct choice *choices, char *text,
                                size_t text_bytes)
{
  size_t used = 0;
  text[0] = 0;
  for (; choices->name; choices++)
    if (choices->available && used < text_bytes)
      used += (size_t)snprintf(text + used, text_bytes - used, "%s%s",
                               used ? " or " : "", choices->name);
  return text;
}

static bool read_choice(const struct choice *choices, const char *value,
                        int *number, struct problem *problem)
{
  char list[80];
  const struct choice *choice = choices;
  while (choice->name && strcmp(choice->name, value) != 0)
    choice++;
  if (choice->name && choice->available) {
    *number = choice->value;
    return true;
  }
  list_choices(choices, list, sizeof list);
  return choice->name
             ? wrong(problem, "`%s' is not available in this version; choose %s",
                     value, list)
             : wrong(problem, "there is no `%s'; choose %s", value, list);
}

static bool read_profile(struct cli_settings *settings, const char *value,
                         struct problem *problem)
{
  const struct cli_profile *profile = cli_profile_find(value);
  int gc = 0, tenured = 0;
  if (!profile)
    return wrong(problem,
                 "there is no profile `%s' in this version; "
                 "`bamboo profiles' lists them",
                 value);
  if (!read_choice(gc_choices, profile->gc, &gc, problem) ||
      !read_choice(tenured_choices, profile->tenured, &tenured, problem))
    return false;
  settings->vm.mm.gc = (enum mm_gc)gc;
  settings->vm.mm.tenured = (enum mm_tenured)tenured;
  settings->vm.mm.generational = strcmp(profile->generational, "on") == 0;
  return true;
}

/* Takes "HEAD:FILE" apart: the head goes to `head`, the file is returned,
   null when there is none. */
static bool split_file(const char *value, char *head, size_t head_bytes,
                       const char **file, struct problem *problem)
{
  const char *colon = strchr(value, ':');
  size_t length = colon ? (size_t)(colon - value) : strlen(value);
  if (length >= head_bytes)
    return wrong(problem, "`%s' is not understood", value);
  if (colon && !colon[1])
    return wrong(problem, "a file has to follow the colon");
  memcpy(head, value, length);
  head[length] = 0;
  *file = colon ? colon + 1 : NULL;
  return true;
}

static bool read_log(struct cli_settings *settings, const char *value,
                     struct problem *problem)
{
  char level[16] = "info";
  const char *file = NULL;
  int number = 0;
  if (value && !split_file(value, level, sizeof level, &file, problem))
    return false;
  if (!mm_log_level_parse(level, &number))
    return wrong(problem,
                 "there is no level `%s'; choose off, error, warning, info, "
                 "debug or trace",
                 level);
  settings->vm.mm.log_level = number;
  settings->log_file = file;
  return true;
}

static bool read_stats(struct cli_settings *settings, const char *value,
                       struct problem *problem)
{
  char format[16] = "text";
  const char *file = NULL;
  if (value && !split_file(value, format, sizeof format, &file, problem))
    return false;
  bool is_json = strcmp(format, "json") == 0;
  if (!is_json && strcmp(format, "text") != 0)
    return wrong(problem, "there is no `%s'; choose text or json", format);
  settings->stats = is_json ? CLI_STATS_JSON : CLI_STATS_TEXT;
  settings->stats_file = file;
  return true;
}

static bool is_item(const char *item, size_t length, const char *name)
{
  return strlen(name) == length && memcmp(item, name, length) == 0;
}

static bool read_stress_item(struct cli_settings *settings, const char *item,
                             size_t length, struct problem *problem)
{
  static const char *const later[] = {"barrier", "phase"};
  char count[24];
  uint64_t *where = NULL;
  const char *colon = memchr(item, ':', length);
  size_t name_length = colon ? (size_t)(colon - item) : length;
  for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
    if (is_item(item, name_length, later[i]))
      return wrong(problem,
                   "`%s' is not available in this version; choose alloc:N or "
                   "poll:N",
                   later[i]);
  if (is_item(item, name_length, "alloc"))
    where = &settings->vm.mm.stress_alloc;
  else if (is_item(item, name_length, "poll"))
    where = &settings->vm.mm.stress_poll;
  else
    return wrong(problem, "`%.*s' is not understood; choose alloc:N or poll:N",
                 (int)length, item);
  size_t count_length = colon ? length - name_length - 1 : 0;
  uint64_t number = 0;
  if (count_length < sizeof count) {
    memcpy(count, item + length - count_length, count_length);
    count[count_length] = 0;
  }
  if (!count_length || count_length >= sizeof count ||
      !cli_read_number(count, &number) || number == 0)
    return wrong(problem, "%.*s wants a number above 0, as in %.*s:100",
                 (int)name_length, item, (int)name_length, item);
  *where = number;
  return true;
}

static bool read_stress(struct cli_settings *settings, const char *value,
                        struct problem *problem)
{
  size_t length = 0;
  const char *item;
  while ((item = cli_next_item(&value, &length)))
    if (!read_stress_item(settings, item, length, problem))
      return false;
  return true;
}

static bool read_verify(struct cli_settings *settings, const char *value,
                        struct problem *problem)
{
  unsigned verify = 0;
  size_t length = 0;
  const char *item;
  if (!value)
    value = "before,after,mark";
  while ((item = cli_next_item(&value, &length)))
    if (is_item(item, length, "before"))
      verify |= MM_VERIFY_BEFORE;
    else if (is_item(item, length, "after"))
      verify |= MM_VERIFY_AFTER;
    else if (is_item(item, length, "mark"))
      verify |= MM_VERIFY_MARK;
    else
      return wrong(problem, "there is no `%.*s'; choose before, after or mark",
                   (int)length, item);
  settings->vm.mm.verify = verify;
  return true;
}

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

typedef bool read_custom(struct cli_settings *settings, const char *value,
                         struct problem *problem);

struct option {
  enum cli_command command;
  const char *name, *argument;
  enum kind kind;
  size_t offset;
  const struct choice *choices;
  read_custom *custom;
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
    if (is_item(name, length, options[i].name))
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

static bool read_size(void *field, const char *value, struct problem *problem)
{
  return cli_read_size(value, field) ||
         wrong(problem, "`%s' is no size; write it as in 512K, 64M or 2G",
               value);
}

static bool read_number(void *field, const char *value,
                        struct problem *problem)
{
  return cli_read_number(value, field) ||
         wrong(problem, "`%s' is no number", value);
}

static bool read_count(void *field, const char *value, struct problem *problem)
{
  uint64_t number = 0;
  if (!cli_read_number(value, &number) || number == 0 || number > UINT16_MAX)
    return wrong(problem, "`%s' is no number from 1 to %d", value, UINT16_MAX);
  *(unsigned *)field = (unsigned)number;
  return true;
}

static bool read_switch(void *field, const char *value,
                        struct problem *problem)
{
  bool on = strcmp(value, "on") == 0;
  if (!on && strcmp(value, "off") != 0)
    return wrong(problem, "`%s' is neither on nor off", value);
  *(bool *)field = on;
  return true;
}

/* Puts the value where the option says. */
static bool apply(struct cli_settings *settings, const struct option *option,
                  const char *value, struct problem *problem)
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
    return read_choice(option->choices, value, field, problem);
  case KIND_TEXT:
    *(const char **)field = value;
    return true;
  case KIND_CUSTOM:
    return option->custom(settings, value, problem);
  }
  return false;
}

static bool unknown_option(const char *name, size_t length,
                           struct problem *problem)
{
  char word[64];
  for (size_t i = 0; i < LATER_COUNT; i++)
    if (is_item(name, length, later_options[i].name))
      return wrong(problem,
                   "--%s is not available in this version: it comes with %s",
                   later_options[i].name, later_options[i].needs);
  snprintf(word, sizeof word, "%.*s", (int)length, name);
  const char *near = vm_nearest(word, option_names, NAME_COUNT);
  return near ? wrong(problem, "unknown option `--%s'; did you mean `--%s'?",
                      word, near)
              : wrong(problem, "unknown option `--%s'", word);
}

/* A word that begins with "--", without these two dashes. */
static bool read_long(struct cli_settings *settings, enum cli_command command,
                      const char *word, bool is_default,
                      struct problem *problem)
{
  const char *equals = strchr(word, '=');
  size_t length = equals ? (size_t)(equals - word) : strlen(word);
  const char *value = equals ? equals + 1 : NULL;
  const struct option *option = find_option(word, length);
  struct problem about;
  if (!option)
    return unknown_option(word, length, problem);
  if (option->command != command)
    return is_default || wrong(problem, "--%s is an option of `bamboo %s'",
                               option->name,
                               cli_commands[option->command].name);
  if (value && !takes_value(option))
    return wrong(problem, "--%s takes no value", option->name);
  if ((!value && wants_value(option)) || (value && !*value))
    return wrong(problem, "--%s wants a value: --%s%s", option->name,
                 option->name, option->argument);
  if (apply(settings, option, value, &about))
    return true;
  return wrong(problem, "--%s: %.200s", option->name, about.text);
}

static bool read_word(struct cli_settings *settings, enum cli_command command,
                      const char *word, bool is_default,
                      struct problem *problem)
{
  if (strcmp(word, "-W") == 0)
    word = "--warnings";
  if (!is_default && (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)) {
    settings->help = true;
    return true;
  }
  if (word[0] == '-' && word[1] == '-')
    return read_long(settings, command, word + 2, is_default, problem);
  return wrong(problem, "unknown option `%.64s'", word);
}

/* Defaults from the environment, blanks between them. */
static int read_environment(struct cli_settings *settings,
                            enum cli_command command)
{
  const char *text = getenv("BAMBOO_OPTIONS");
  struct problem problem;
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
  struct problem problem;
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
