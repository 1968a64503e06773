/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in profiles. */
#ifndef VM_CLI_PROFILES_H
#define VM_CLI_PROFILES_H

#include <stddef.h>

struct cli_profile {
  const char *name;
  const char *gc, *generational, *tenured; /* values of these options */
  const char *summary;
};

extern const struct cli_profile cli_profiles[];
extern const size_t cli_profile_count;

/* Null when there is none of that name. */
const struct cli_profile *cli_profile_find(const char *name);

#endif
