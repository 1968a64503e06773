/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of options that are neither numbers nor plain words: choices of
 * which some are not available yet, lists, and words with a file behind them.
 * options.def names these tables and functions.
 */
#include "config.h"

#include "vm/cli/special.h"

#include <stdarg.h>
#include <string.h>

#include "mm/stat/log.h"
#include "vm/cli/profiles.h"
#include "vm/cli/values.h"

bool cli_wrong(struct cli_problem *problem, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  return false;
}

const struct cli_choice cli_gc_choices[] = {
    {"stw", MM_GC_STW, true},
    {"epsilon", MM_GC_EPSILON, true},
    {"concurrent", MM_GC_CONCURRENT, false},
    {0},
};

const struct cli_choice cli_tenured_choices[] = {
    {"regions", MM_TENURED_REGIONS, true},
    {"freelist", MM_TENURED_FREELIST, true},
    {0},
};

const struct cli_choice cli_jit_choices[] = {
    {"off", 0, true},
    {"on", 1, false},
    {"always", 2, false},
    {0},
};

/* "stw or epsilon": what there is, for messages. */
static const char *list_choices(const struct cli_choice *choices, char *text,
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

bool cli_read_choice(const struct cli_choice *choices, const char *value,
                     int *number, struct cli_problem *problem)
{
  char list[80];
  const struct cli_choice *choice = choices;
  while (choice->name && strcmp(choice->name, value) != 0)
    choice++;
  if (choice->name && choice->available) {
    *number = choice->value;
    return true;
  }
  list_choices(choices, list, sizeof list);
  return choice->name
             ? cli_wrong(problem,
                         "`%s' is not available in this version; choose %s",
                         value, list)
             : cli_wrong(problem, "there is no `%s'; choose %s", value, list);
}

bool cli_read_profile(struct cli_settings *settings, const char *value,
                      struct cli_problem *problem)
{
  const struct cli_profile *profile = cli_profile_find(value);
  int gc = 0, tenured = 0;
  if (!profile)
    return cli_wrong(problem,
                     "there is no profile `%s' in this version; "
                     "`bamboo profiles' lists them",
                     value);
  if (!cli_read_choice(cli_gc_choices, profile->gc, &gc, problem) ||
      !cli_read_choice(cli_tenured_choices, profile->tenured, &tenured,
                       problem))
    return false;
  settings->vm.mm.gc = (enum mm_gc)gc;
  settings->vm.mm.tenured = (enum mm_tenured)tenured;
  settings->vm.mm.generational = strcmp(profile->generational, "on") == 0;
  return true;
}

/* Takes "HEAD:FILE" apart: the head goes to `head`, the file is returned,
   null when there is none. */
static bool split_file(const char *value, char *head, size_t head_bytes,
                       const char **file, struct cli_problem *problem)
{
  const char *colon = strchr(value, ':');
  size_t length = colon ? (size_t)(colon - value) : strlen(value);
  if (length >= head_bytes)
    return cli_wrong(problem, "`%s' is not understood", value);
  if (colon && !colon[1])
    return cli_wrong(problem, "a file has to follow the colon");
  memcpy(head, value, length);
  head[length] = 0;
  *file = colon ? colon + 1 : NULL;
  return true;
}

bool cli_read_log(struct cli_settings *settings, const char *value,
                  struct cli_problem *problem)
{
  char level[16] = "info";
  const char *file = NULL;
  int number = 0;
  if (value && !split_file(value, level, sizeof level, &file, problem))
    return false;
  if (!mm_log_level_parse(level, &number))
    return cli_wrong(
        problem,
        "there is no level `%s'; choose off, error, warning, info, "
        "debug or trace",
        level);
  settings->vm.mm.log_level = number;
  settings->log_file = file;
  return true;
}

bool cli_read_stats(struct cli_settings *settings, const char *value,
                    struct cli_problem *problem)
{
  char format[16] = "text";
  const char *file = NULL;
  if (value && !split_file(value, format, sizeof format, &file, problem))
    return false;
  bool is_json = strcmp(format, "json") == 0;
  if (!is_json && strcmp(format, "text") != 0)
    return cli_wrong(problem, "there is no `%s'; choose text or json", format);
  settings->stats = is_json ? CLI_STATS_JSON : CLI_STATS_TEXT;
  settings->stats_file = file;
  return true;
}

bool cli_is_item(const char *item, size_t length, const char *name)
{
  return strlen(name) == length && memcmp(item, name, length) == 0;
}

/* The number behind "alloc:"; false: none, or 0. */
static bool read_interval(const char *digits, size_t length, uint64_t *number)
{
  char text[24];
  uint64_t value = 0;
  if (length >= sizeof text)
    return false;
  memcpy(text, digits, length);
  text[length] = 0;
  if (!cli_read_number(text, &value) || value == 0)
    return false;
  *number = value;
  return true;
}

static bool read_stress_item(struct cli_settings *settings, const char *item,
                             size_t length, struct cli_problem *problem)
{
  const char *colon = memchr(item, ':', length);
  size_t name_length = colon ? (size_t)(colon - item) : length;
  size_t skipped = colon ? name_length + 1 : length;
  uint64_t *interval = NULL;
  if (cli_is_item(item, name_length, "barrier") ||
      cli_is_item(item, name_length, "phase"))
    return cli_wrong(problem,
                     "`%.*s' is not available in this version; choose alloc:N "
                     "or poll:N",
                     (int)name_length, item);
  if (cli_is_item(item, name_length, "alloc"))
    interval = &settings->vm.mm.stress_alloc;
  else if (cli_is_item(item, name_length, "poll"))
    interval = &settings->vm.mm.stress_poll;
  else
    return cli_wrong(problem,
                     "`%.*s' is not understood; choose alloc:N or poll:N",
                     (int)length, item);
  return read_interval(item + skipped, length - skipped, interval) ||
         cli_wrong(problem, "%.*s wants a number above 0, as in %.*s:100",
                   (int)name_length, item, (int)name_length, item);
}

bool cli_read_stress(struct cli_settings *settings, const char *value,
                     struct cli_problem *problem)
{
  size_t length = 0;
  const char *item;
  while ((item = cli_next_item(&value, &length)))
    if (!read_stress_item(settings, item, length, problem))
      return false;
  return true;
}

bool cli_read_verify(struct cli_settings *settings, const char *value,
                     struct cli_problem *problem)
{
  unsigned verify = 0;
  size_t length = 0;
  const char *item;
  if (!value)
    value = "before,after,mark";
  while ((item = cli_next_item(&value, &length)))
    if (cli_is_item(item, length, "before"))
      verify |= MM_VERIFY_BEFORE;
    else if (cli_is_item(item, length, "after"))
      verify |= MM_VERIFY_AFTER;
    else if (cli_is_item(item, length, "mark"))
      verify |= MM_VERIFY_MARK;
    else
      return cli_wrong(problem,
                       "there is no `%.*s'; choose before, after or mark",
                       (int)length, item);
  settings->vm.mm.verify = verify;
  return true;
}
