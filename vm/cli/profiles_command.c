/* SPDX-License-Identifier: Apache-2.0 */
/* `bamboo profiles': the list with what a run under each is made of, or one
   profile as a file. */
#include "config.h"

#include "vm/cli/plan.h"
#include "vm/cli/show.h"

#include <string.h>

static void print_entry(const struct cli_profile *profile)
{
  struct cli_settings settings;
  cli_settings_init(&settings);
  cli_profile_apply(profile, &settings);
  printf("%s%s: %s\n", profile->name,
         strcmp(profile->name, CLI_PROFILE_DEFAULT) == 0 ? " (the default)"
                                                         : "",
         profile->summary);
  cli_plan_print(&settings, stdout);
}

static int list(void)
{
  struct cli_profile profile;
  for (size_t i = 0; cli_profile_builtin(i, &profile); i++) {
    if (i > 0)
      putchar('\n');
    print_entry(&profile);
  }
  return CLI_OK;
}

static int show(const struct cli_settings *settings)
{
  struct cli_profile profile;
  struct cli_problem problem;
  if (settings->file_count == 0)
    return list();
  if (settings->file_count > 1)
    return cli_usage_error(CLI_PROFILES, "one name at a time");
  if (!cli_profile_find(settings->files[0], &profile, &problem))
    return cli_problem_report(CLI_PROFILES, NULL, &problem);
  cli_profile_print(&profile, stdout);
  return CLI_OK;
}

int cli_command_profiles(int argc, char **argv)
{
  return cli_perform(CLI_PROFILES, argc, argv, show);
}
