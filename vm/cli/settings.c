/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one word says, and settings as a whole: for the command line, which says
 * what is wrong on standard error (words.c), and for C programs that have a
 * machine (embed.c), which are told.
 */
#include "config.h"

#include "vm/cli/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vm/cli/plan.h"
#include "vm/cli/profiles.h"

bool cli_wrong(struct cli_problem *problem, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  problem->file = NULL;
  return false;
}

const struct cli_command_info cli_commands[CLI_COMMAND_COUNT] = {
#define CLI_COMMAND(id, name, operands, summary)                               \
  [CLI_##id] = {#name, operands, summary},
    CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND
};

/* --- One word --- */

/* What is said of an option's value begins with the option as it was given. */
static bool wrong_value(const char *name, struct cli_problem *problem)
{
  struct cli_problem about = *problem;
  return cli_wrong(problem, "--%s: %.400s", name, about.text);
}

/* A word that begins with "--", without these two dashes. */
static bool read_long(struct cli_settings *settings, enum cli_command command,
                      const char *word, enum cli_layer layer,
                      struct cli_problem *problem)
{
  const char *equals = strchr(word, '=');
  size_t length = equals ? (size_t)(equals - word) : strlen(word);
  size_t option = cli_option_find(word, length);
  struct cli_origin origin = {.layer = layer};
  if (option == CLI_OPTION_COUNT)
    return cli_option_unknown(word, length, "--", problem);
  enum cli_command owner = cli_option_command(option);
  if (owner != command)
    return layer == CLI_LAYER_ENVIRONMENT ||
           cli_wrong(problem, "--%s is an option of `bamboo %s'",
                     cli_option_name(option), cli_commands[owner].name);
  return cli_option_read(settings, option, equals ? equals + 1 : NULL, &origin,
                         problem) ||
         wrong_value(cli_option_name(option), problem);
}

bool cli_word_read(struct cli_settings *settings, enum cli_command command,
                   const char *word, enum cli_layer layer,
                   struct cli_problem *problem)
{
  if (strcmp(word, "-W") == 0)
    word = "--warnings";
  if (layer == CLI_LAYER_WORDS &&
      (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)) {
    settings->help = true;
    return true;
  }
  if (word[0] == '-' && word[1] == '-')
    return read_long(settings, command, word + 2, layer, problem);
  return cli_wrong(problem, "unknown option `%.64s'", word);
}

const char *cli_word_profile(const char *word, const char *otherwise)
{
  static const char start[] = "--profile=";
  size_t length = sizeof start - 1;
  return strncmp(word, start, length) == 0 && word[length] ? word + length
                                                           : otherwise;
}

/* --- All of it --- */

void cli_settings_init(struct cli_settings *settings)
{
  *settings = (struct cli_settings){.entry = "_GLOBAL::main",
                                    .profile = CLI_PROFILE_DEFAULT};
  vm_options_init(&settings->vm);
}

bool cli_settings_finish(struct cli_settings *settings,
                         struct cli_problem *problem)
{
  cli_plan_settle(settings);
  settings->vm.mm.slot_bytes = settings->slot_bytes;
  return cli_plan_check(settings, problem);
}
