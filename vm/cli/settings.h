/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from words, without a word said to anybody. */
#ifndef VM_CLI_SETTINGS_H
#define VM_CLI_SETTINGS_H

#include "vm/cli/options.h"

/* Puts what one option says into the settings. */
bool cli_word_read(struct cli_settings *settings, enum cli_command command,
                   const char *word, enum cli_layer layer,
                   struct cli_problem *problem);

/* What stands behind "--profile=", if the word is that. */
const char *cli_word_profile(const char *word, const char *otherwise);

/* When all layers were read: do the options go together? */
bool cli_settings_finish(struct cli_settings *settings,
                         struct cli_problem *problem);

#endif
