/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a command: assembled together, then given to a machine. */
#ifndef VM_CLI_SOURCES_H
#define VM_CLI_SOURCES_H

#include "vm/asm/asm.h"
#include "vm/cli/options.h"

struct cli_sources {
  const struct cli_settings *settings;
  struct vm_diags diags;
  struct vm_module **modules; /* in the order of the files; null: taken over
                                 by a machine, or did not assemble */
};

/* Assembles the settings' files.  Returns CLI_OK, CLI_BAD_INPUT when any has
   errors (not said yet: cli_sources_report), or CLI_INTERNAL. */
int cli_sources_assemble(struct cli_sources *sources,
                         const struct cli_settings *settings);

/* Gives all modules to the machine; CLI_OK, CLI_BAD_INPUT or CLI_INTERNAL. */
int cli_sources_load(struct cli_sources *sources, struct vm *vm);

/* Prints what was found, warnings only on demand. */
void cli_sources_report(struct cli_sources *sources, bool with_warnings);

/*
 * Creates a machine of which nothing is run, gives it all modules, calls `use`
 * with it unless one was refused, and reports.  Returns the exit status.
 */
int cli_sources_inspect(struct cli_sources *sources, enum cli_command command,
                        bool with_warnings,
                        int (*use)(struct cli_sources *sources, struct vm *vm));

void cli_sources_destroy(struct cli_sources *sources);

#endif
