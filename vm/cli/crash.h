/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the machine itself fails: SIGSEGV, SIGBUS, SIGILL and SIGFPE print
 * what a report of the bug needs and end the process with status 70.
 * Sanitizers have handlers of their own that say more; with them this one
 * stays away.
 */
#ifndef VM_CLI_CRASH_H
#define VM_CLI_CRASH_H

struct vm;

/* The words of the command line, for the report; they stay in place. */
void cli_crash_install(int argc, char **argv);

/* The machine to tell about; null: none (any more). */
void cli_crash_watch(struct vm *vm);

#endif
