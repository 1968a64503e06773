/* SPDX-License-Identifier: Apache-2.0 */
/* Showing settings: --print-options, and a profile as a file. */
#include "config.h"

#include "vm/cli/show.h"

#include <string.h>

#include "vm/cli/plan.h"

enum { NAME_COLUMNS = 18, VALUE_COLUMNS = 20 };

const char *cli_origin_write(const struct cli_origin *origin,
                             char text[CLI_ORIGIN_BYTES])
{
  switch (origin->layer) {
  case CLI_LAYER_DEFAULT:
    return "default";
  case CLI_LAYER_ENVIRONMENT:
    return "BAMBOO_OPTIONS";
  case CLI_LAYER_WORDS:
    return "command line";
  case CLI_LAYER_PROFILE:
    break;
  }
  if (origin->file)
    snprintf(text, CLI_ORIGIN_BYTES, "profile %.40s, %.80s:%u", origin->profile,
             origin->file, origin->line);
  else
    snprintf(text, CLI_ORIGIN_BYTES, "profile %.40s", origin->profile);
  return text;
}

/* One option as it was said and as the memory manager completed it. */
static void print_option(const struct cli_settings *settings,
                         const struct cli_settings *complete, size_t option,
                         FILE *out)
{
  char said[CLI_VALUE_BYTES], had[CLI_VALUE_BYTES], origin[CLI_ORIGIN_BYTES];
  const char *before = cli_option_write(settings, option, said);
  const char *value = cli_option_write(complete, option, had);
  const char *change = strcmp(before, value) == 0    ? ""
                       : strcmp(before, "auto") == 0 ? ": chosen"
                                                     : ": rounded";
  fprintf(out, "%-*s = %-*s # %s%s\n", NAME_COLUMNS, cli_option_name(option),
          VALUE_COLUMNS, value,
          cli_origin_write(&settings->origins[option], origin), change);
}

enum mm_status cli_settings_print(const struct cli_settings *settings,
                                  FILE *out, struct mm_error *error)
{
  struct cli_settings complete = *settings;
  enum mm_status status = mm_options_complete(&complete.vm.mm, error);
  if (status != MM_OK)
    return status;
  for (size_t i = 0; i < CLI_OPTION_COUNT; i++)
    if (cli_option_command(i) == CLI_RUN)
      print_option(settings, &complete, i, out);
  return MM_OK;
}

void cli_profile_print(const struct cli_profile *profile, FILE *out)
{
  struct cli_settings settings;
  cli_settings_init(&settings);
  cli_profile_apply(profile, &settings);
  fprintf(out, "[%s]\n", profile->name);
  if (profile->summary[0])
    fprintf(out, "summary = %s\n", profile->summary);
  for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
    char value[CLI_VALUE_BYTES];
    if (!cli_option_is_for_profiles(i))
      continue;
    const char *needs = cli_plan_lacks(&settings, i);
    putc('\n', out);
    cli_option_print_comment(i, out);
    if (needs)
      fprintf(out, "# %s does nothing without %s\n", cli_option_name(i), needs);
    else
      fprintf(out, "%s = %s\n", cli_option_name(i),
              cli_option_write(&settings, i, value));
  }
}
