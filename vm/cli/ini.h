/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in INI form, taken apart into a list:
 *
 *   # a comment; also behind a value, after a blank
 *   [section]
 *   name = value
 *
 * What the words mean is for others.  Nothing here takes memory or prints.
 */
#ifndef VM_CLI_INI_H
#define VM_CLI_INI_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_INI_LINE_BYTES = 1024 }; /* the longest line, its end not counted */

/* A section's head, or one of its settings.  Lines and columns count from 1,
   columns in bytes. */
struct cli_ini_item {
  const char *name;
  const char *value; /* null: `name' begins a section */
  unsigned line, column, value_column;
};

struct cli_ini_error {
  unsigned line, column;
  char text[120];
};

/*
 * Fills at most `most` items that point into `text`, which is changed and has
 * one more byte behind its `length`.  False: the first thing that is wrong is
 * in `error`.
 */
bool cli_ini_read(char *text, size_t length, struct cli_ini_item *items,
                  size_t most, size_t *count, struct cli_ini_error *error);

#endif
