/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the words of a command and of BAMBOO_OPTIONS.
 *
 *   1. the last --profile of all words
 *   2. what that profile sets
 *   3. BAMBOO_OPTIONS, split at blanks
 *   4. the words of the command line
 *
 * Options of other commands are refused on the command line and passed over
 * in BAMBOO_OPTIONS, which holds defaults for all commands.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "vm/cli/profiles.h"
#include "vm/cli/settings.h"

enum { ENVIRONMENT_BYTES = 64 * 1024 };

/* Words one after the other, a zero behind each. */
struct words {
  char *at, *end;
};

int cli_problem_report(enum cli_command command, const char *source,
                       const struct cli_problem *problem)
{
  if (problem->file)
    return cli_usage_error(command, "%s:%u:%u: %s", problem->file,
                           problem->line, problem->column, problem->text);
  return cli_usage_error(command, "%s%s", source ? source : "", problem->text);
}

/* --- BAMBOO_OPTIONS --- */

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\n';
}

/* Copies BAMBOO_OPTIONS for the settings to point into, blanks replaced by
   zeros.  The copy is the process's: it is read once. */
static bool split_environment(struct words *words, struct cli_problem *problem)
{
  static char copy[ENVIRONMENT_BYTES];
  const char *text = getenv("BAMBOO_OPTIONS");
  size_t length = text ? strlen(text) : 0;
  if (length >= sizeof copy)
    return cli_wrong(problem, "longer than %zu bytes", sizeof copy - 1);
  for (size_t i = 0; i < length; i++)
    copy[i] = is_blank(text[i]) ? 0 : text[i];
  copy[length] = 0;
  *words = (struct words){copy, copy + length};
  return true;
}

/* Null when there is none left. */
static const char *next_word(struct words *words)
{
  while (words->at < words->end && !*words->at)
    words->at++;
  if (words->at == words->end)
    return NULL;
  const char *word = words->at;
  words->at += strlen(word);
  return word;
}

static bool read_environment(struct cli_settings *settings,
                             enum cli_command command, struct words words,
                             struct cli_problem *problem)
{
  const char *word;
  while ((word = next_word(&words)))
    if (!cli_word_read(settings, command, word, CLI_LAYER_ENVIRONMENT, problem))
      return false;
  return true;
}

/* --- The command line --- */

/* The words in front of `--'. */
static int count_own_words(int argc, char **argv)
{
  int count = 0;
  while (count < argc && strcmp(argv[count], "--") != 0)
    count++;
  return count;
}

static bool is_operand(const char *word)
{
  return word[0] != '-' || !word[1];
}

/* Moves a word to an earlier place; those between keep their order. */
static void move_word(char **argv, int from, int to)
{
  char *word = argv[from];
  memmove(argv + to + 1, argv + to, (size_t)(from - to) * sizeof *argv);
  argv[to] = word;
}

static bool read_words(struct cli_settings *settings, enum cli_command command,
                       int argc, char **argv, struct cli_problem *problem)
{
  int own = count_own_words(argc, argv);
  settings->files = argv;
  if (own < argc) {
    settings->program_args = argv + own + 1;
    settings->program_arg_count = argc - own - 1;
  }
  for (int i = 0; i < own; i++)
    if (is_operand(argv[i]))
      move_word(argv, i, settings->file_count++);
    else if (!cli_word_read(settings, command, argv[i], CLI_LAYER_WORDS,
                            problem))
      return false;
  return true;
}

/* --- The profile --- */

static const char *last_profile(struct words environment, int argc, char **argv)
{
  const char *profile = CLI_PROFILE_DEFAULT, *word;
  while ((word = next_word(&environment)))
    profile = cli_word_profile(word, profile);
  for (int i = 0, own = count_own_words(argc, argv); i < own; i++)
    profile = cli_word_profile(argv[i], profile);
  return profile;
}

/* --- All of it --- */

int cli_settings_read(struct cli_settings *settings, enum cli_command command,
                      int argc, char **argv)
{
  struct cli_problem problem;
  struct words environment = {NULL, NULL};
  cli_settings_init(settings);
  if (!split_environment(&environment, &problem))
    return cli_problem_report(command, "BAMBOO_OPTIONS: ", &problem);
  if (command == CLI_RUN &&
      !cli_profile_read(settings, last_profile(environment, argc, argv),
                        &problem))
    return cli_problem_report(command, "--profile: ", &problem);
  if (!read_environment(settings, command, environment, &problem))
    return cli_problem_report(command, "BAMBOO_OPTIONS: ", &problem);
  if (!read_words(settings, command, argc, argv, &problem))
    return cli_problem_report(command, NULL, &problem);
  if (!cli_settings_finish(settings, &problem))
    return cli_problem_report(command, NULL, &problem);
  return CLI_OK;
}

int cli_perform(enum cli_command command, int argc, char **argv,
                int (*body)(const struct cli_settings *settings))
{
  struct cli_settings settings;
  int status = cli_settings_read(&settings, command, argc, argv);
  if (status != CLI_OK)
    return status;
  return settings.help ? cli_help(command) : body(&settings);
}
