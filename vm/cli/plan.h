/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan that options choose: what in it does nothing, and what it is made
 * of, for people.
 */
#ifndef VM_CLI_PLAN_H
#define VM_CLI_PLAN_H

#include "vm/cli/options.h"

/* The option without which this one does nothing in the plan, as in
   "--tenured=freelist"; null when it does something. */
const char *cli_plan_lacks(const struct cli_settings *settings, size_t option);

/* What the profile says that nobody named gives way where it contradicts what
   was said: --gc=epsilon has no generations. */
void cli_plan_settle(struct cli_settings *settings);

/* Refuses an option that was given and does nothing in this plan, and bounds
   that contradict each other. */
bool cli_plan_check(const struct cli_settings *settings,
                    struct cli_problem *problem);

/* Prints the plan and, space by space, the allocator that it chooses. */
void cli_plan_print(const struct cli_settings *settings, FILE *out);

/* Prints what there is to choose from in this version. */
void cli_plan_print_all(FILE *out);

#endif
