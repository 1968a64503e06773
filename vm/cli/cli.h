/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the command line and what they share.
 *
 * Exit statuses: the program's own, or one of CLI_*.  What is wrong is said
 * on standard error; standard output belongs to the program, or is what the
 * command was asked for.
 */
#ifndef VM_CLI_CLI_H
#define VM_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "mm/mm.h"

enum {
  CLI_OK = 0,
  CLI_FAILED = 1,    /* uncaught exception; output that cannot be written */
  CLI_USAGE = 2,     /* wrong command line */
  CLI_BAD_INPUT = 3, /* does not assemble or verify, cannot be read, lacks an
                        entry point */
  CLI_INTERNAL = 70, /* the machine itself failed */
};

/* The commands; COMMAND of options.def is one of them.
   CLI_COMMAND(id, name, operands, summary) */
#define CLI_COMMANDS(X)                                                        \
  X(RUN, run, "[OPTIONS] FILE... [-- ARGS]", "run a program")                  \
  X(DIS, dis, "[--maps] FILE", "print a file as it was understood")            \
  X(VERIFY, verify, "FILE...", "verify as severely as Panda's own verifier")   \
  X(OPCODES, opcodes, "[NAME]", "list the instructions, or explain one")       \
  X(PROFILES, profiles, "[NAME|FILE[#NAME]]",                                  \
    "list the profiles, or show one as a file")

enum cli_command {
#define CLI_COMMAND(id, name, operands, summary) CLI_##id,
  CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND
      CLI_COMMAND_COUNT
};

struct cli_command_info {
  const char *name, *operands, *summary;
};

extern const struct cli_command_info cli_commands[CLI_COMMAND_COUNT];

/* Each command gets the words behind its name and returns the exit status. */
#define CLI_COMMAND(id, name, operands, summary)                               \
  int cli_command_##name(int argc, char **argv);
CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND

/* Says what is wrong with the command line and where help is; returns
   CLI_USAGE. */
int cli_usage_error(enum cli_command command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `bamboo --version', with the words behind it.  Returns the exit status. */
int cli_version(int argc, char **argv);

/* Prints the help of a command. Returns CLI_OK. */
int cli_help(enum cli_command command);

/* What a command printed for its own sake has to arrive: flushes standard
   output.  Returns the status, or CLI_FAILED in the place of CLI_OK. */
int cli_finish(int status);

/* Says why the machine could not be created; returns the exit status. */
int cli_create_error(enum cli_command command, enum mm_status status,
                     const struct mm_error *error);

/* May messages on standard error have colours? */
bool cli_use_color(void);

/* Says on standard error that native memory ran out, with `text' behind it
   unless that is null, and which limit there is. */
void cli_no_memory(const char *text);

#endif
