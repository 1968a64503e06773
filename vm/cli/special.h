/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options that need reading and writing of their own.  Each reader
 * puts what it read into the settings and returns true, or says what is wrong.
 */
#ifndef VM_CLI_SPECIAL_H
#define VM_CLI_SPECIAL_H

#include "vm/cli/options.h"

/* A name for a number; a table of them ends with a null name. */
struct cli_choice {
  const char *name;
  int value;
  bool available; /* in this build */
};

extern const struct cli_choice cli_gc_choices[];
extern const struct cli_choice cli_generational_choices[];
extern const struct cli_choice cli_tenured_choices[];
extern const struct cli_choice cli_jit_choices[];

/* Is there a compiler in this build? */
#ifdef BAMBOO_JIT
enum { CLI_HAS_JIT = 1 };
#define CLI_JIT_DEFAULT "on"
#define CLI_NEEDS_JIT "--jit=on"
#else
enum { CLI_HAS_JIT = 0 };
#define CLI_JIT_DEFAULT "off"
#define CLI_NEEDS_JIT "a build with the compiler"
#endif
extern const struct cli_choice cli_fit_choices[];
extern const struct cli_choice cli_internal_choices[];

bool cli_read_choice(const struct cli_choice *choices, const char *value,
                     int *number, struct cli_problem *problem);
const char *cli_choice_name(const struct cli_choice *choices, int number);

struct cli_special {
  /* `value` is null where it may be left out and was. */
  bool (*read)(struct cli_settings *settings, const char *value,
               struct cli_problem *problem);
  void (*write)(const struct cli_settings *settings,
                char text[CLI_VALUE_BYTES]);
  /* Where values of one layer add up: forgets those of the layers before. */
  void (*forget)(struct cli_settings *settings);
};

extern const struct cli_special cli_growth;
extern const struct cli_special cli_pause_goal;
extern const struct cli_special cli_slot_sizes;
extern const struct cli_special cli_native_lib;
extern const struct cli_special cli_log;
extern const struct cli_special cli_jit_dump;
extern const struct cli_special cli_stats_format;
extern const struct cli_special cli_stress;
extern const struct cli_special cli_verify;
extern const struct cli_special cli_fail_alloc;
extern const struct cli_special cli_faults;

/* Prints the faults that --break knows, one a line: its name and what it
   leaves out. */
void cli_faults_print(FILE *out);

#endif
