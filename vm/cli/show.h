/* SPDX-License-Identifier: Apache-2.0 */
/* Settings for people: each option, its value, where it was said. */
#ifndef VM_CLI_SHOW_H
#define VM_CLI_SHOW_H

#include "vm/cli/profiles.h"

enum { CLI_ORIGIN_BYTES = 160 };

/* "default", "profile small", "profile web, file.ini:3", "BAMBOO_OPTIONS",
   "command line". */
const char *cli_origin_write(const struct cli_origin *origin,
                             char text[CLI_ORIGIN_BYTES]);

/* The options of `run'.  What is left to the memory manager is shown as it
   chooses. */
enum mm_status cli_settings_print(const struct cli_settings *settings,
                                  FILE *out, struct mm_error *error);

/* A whole profile as text that can be read again: all options that it leaves
   alone have their values too. */
void cli_profile_print(const struct cli_profile *profile, FILE *out);

#endif
