/* SPDX-License-Identifier: Apache-2.0 */
/* `bamboo profiles': the list, or one profile in INI form, its keys the names
   of the options that it stands for. */
#include "config.h"

#include "vm/cli/profiles.h"

#include <stdio.h>
#include <string.h>

#include "vm/cli/options.h"

const struct cli_profile cli_profiles[] = {
#define CLI_PROFILE(name, gc, generational, tenured, summary)                  \
  {name, gc, generational, tenured, summary},
#include "vm/cli/profiles.def"
};

const size_t cli_profile_count = sizeof cli_profiles / sizeof cli_profiles[0];

const struct cli_profile *cli_profile_find(const char *name)
{
  for (size_t i = 0; i < cli_profile_count; i++)
    if (strcmp(cli_profiles[i].name, name) == 0)
      return &cli_profiles[i];
  return NULL;
}

static void print_ini(const struct cli_profile *profile)
{
  printf("# %s\n[%s]\n", profile->summary, profile->name);
  printf("gc = %s\n", profile->gc);
  printf("generational = %s\n", profile->generational);
  printf("tenured = %s\n", profile->tenured);
}

static void print_list(void)
{
  for (size_t i = 0; i < cli_profile_count; i++)
    printf("%-8s %s\n", cli_profiles[i].name, cli_profiles[i].summary);
}

static int show(const struct cli_settings *settings)
{
  if (settings->file_count == 0) {
    print_list();
    return CLI_OK;
  }
  const char *name = settings->files[0];
  const struct cli_profile *profile = cli_profile_find(name);
  if (settings->file_count > 1)
    return cli_usage_error(CLI_PROFILES, "one name at a time");
  if (!profile)
    return cli_usage_error(CLI_PROFILES,
                           "there is no profile `%s' in this version; "
                           "`bamboo profiles' lists them",
                           name);
  print_ini(profile);
  return CLI_OK;
}

int cli_command_profiles(int argc, char **argv)
{
  return cli_perform(CLI_PROFILES, argc, argv, show);
}
