/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading options: from BAMBOO_OPTIONS first, then from the command line,
 * whose options win.
 */
#ifndef VM_CLI_OPTIONS_H
#define VM_CLI_OPTIONS_H

#include "vm/cli/cli.h"
#include "vm/core/vm.h"

enum cli_stats { CLI_STATS_NONE, CLI_STATS_TEXT, CLI_STATS_JSON };

/* What the options and operands say. */
struct cli_settings {
  struct vm_options vm; /* its log is opened by the command */
  bool warnings, maps;
  int jit; /* 0, the only choice */
  enum cli_stats stats;
  const char *stats_file, *log_file; /* null: standard error */
  const char *entry;
  const char **files; /* operands before `--' */
  int file_count;
  char *const *program_args; /* words behind `--' */
  int program_arg_count;
  bool help;         /* --help was given */
  char *environment; /* copy of BAMBOO_OPTIONS that the others point into */
};

/*
 * Reads BAMBOO_OPTIONS and the words of a command.  Returns CLI_OK, or another
 * exit status after having said what is wrong.  The settings are to be
 * destroyed in either case; they point into argv.
 */
int cli_settings_read(struct cli_settings *settings, enum cli_command command,
                      int argc, char **argv);
void cli_settings_destroy(struct cli_settings *settings);

/* Reads the words of a command and calls `body` with what they say, or shows
   help.  Returns the exit status. */
int cli_perform(enum cli_command command, int argc, char **argv,
                int (*body)(const struct cli_settings *settings));

/* Prints the options of a command, for its help. */
void cli_options_print(enum cli_command command, FILE *out);

#endif
