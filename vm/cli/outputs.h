/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a machine writes what options ask for: the log, the statistics, the
 * listing of compiled code.  Each goes to standard error, or to a file of its
 * own.
 */
#ifndef VM_CLI_OUTPUTS_H
#define VM_CLI_OUTPUTS_H

#include "vm/cli/settings.h"
#include "vm/core/vm.h"

/* Null: not wanted. */
struct cli_outputs {
  FILE *log, *stats, *dump;
};

/* Opens what the settings want, and enters it there for the machine.  A file
   that is the program's, or another option's, is refused: it would be emptied.
   False: `problem` says why; what was opened is closed as ever. */
bool cli_outputs_open(struct cli_outputs *outputs,
                      struct cli_settings *settings,
                      struct cli_problem *problem);

/* By the machine's main thread: the statistics, if they are wanted. */
void cli_outputs_write_stats(const struct cli_outputs *outputs,
                             const struct cli_settings *settings,
                             struct vm *vm);

/* What could not be written is said on standard error, with `who` in front, and
   makes it false. */
bool cli_outputs_close(struct cli_outputs *outputs, const char *who);

#endif
