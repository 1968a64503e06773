/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options that need reading of their own.  Each reader puts what it
 * read into the settings and returns true, or says what is wrong.
 */
#ifndef VM_CLI_SPECIAL_H
#define VM_CLI_SPECIAL_H

#include "vm/cli/options.h"

/* What is wrong with a word, in one line. */
struct cli_problem {
  char text[256];
};

/* Sets the text; returns false. */
bool cli_wrong(struct cli_problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A name for a number; a table of them ends with a null name. */
struct cli_choice {
  const char *name;
  int value;
  bool available; /* in this version */
};

extern const struct cli_choice cli_gc_choices[];
extern const struct cli_choice cli_tenured_choices[];
extern const struct cli_choice cli_jit_choices[];

bool cli_read_choice(const struct cli_choice *choices, const char *value,
                     int *number, struct cli_problem *problem);

/* `value` is null where it may be left out and was. */
typedef bool cli_read_special(struct cli_settings *settings, const char *value,
                              struct cli_problem *problem);

cli_read_special cli_read_profile;
cli_read_special cli_read_log;
cli_read_special cli_read_stats;
cli_read_special cli_read_stress;
cli_read_special cli_read_verify;

/* Are these `length` bytes this name? */
bool cli_is_item(const char *item, size_t length, const char *name);

#endif
