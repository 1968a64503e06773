/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: named sets of options, built in or from a file.  Both are INI
 * text (vm/cli/ini.h) of the same form:
 *
 *   [name]
 *   summary = what it is for
 *   inherits = another profile of the file, or a built-in one
 *   option = value
 */
#ifndef VM_CLI_PROFILES_H
#define VM_CLI_PROFILES_H

#include "vm/cli/options.h"

#define CLI_PROFILE_DEFAULT "balanced"

struct cli_profile_text;

/* Valid while the process is, but one from a file only until another file is
   read. */
struct cli_profile {
  const char *name, *summary;
  const struct cli_profile_text *text;
  size_t section; /* where it begins in the text */
};

/* The built-in profiles, in the order in which they are listed.  False: there
   are no more. */
bool cli_profile_builtin(size_t index, struct cli_profile *profile);

/*
 * Finds "NAME", "FILE" (the first of the file) or "FILE#NAME".  A word is a
 * file when it is no built-in name and has a `/' or a `.', or is there.  False:
 * what is wrong is in `problem'; all of the file is checked.
 */
bool cli_profile_find(const char *which, struct cli_profile *profile,
                      struct cli_problem *problem);

/* Puts what the profile says, and before it what it inherits, into the
   settings. */
void cli_profile_apply(const struct cli_profile *profile,
                       struct cli_settings *settings);

/* Finds a profile and applies it. */
bool cli_profile_read(struct cli_settings *settings, const char *which,
                      struct cli_problem *problem);

#endif
