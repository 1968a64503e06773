/* SPDX-License-Identifier: Apache-2.0 */
/* The values of options as text: sizes, numbers, lists. */
#ifndef VM_CLI_VALUES_H
#define VM_CLI_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits and nothing else. */
bool cli_read_number(const char *text, uint64_t *number);

/* Bytes: a number above 0, with K, M, G or T (either case) behind it for
   powers of 1024. */
bool cli_read_size(const char *text, uint64_t *bytes);

/* Nanoseconds: a number above 0 with ns, us, ms or s behind it. */
bool cli_read_time(const char *text, uint64_t *ns);

/* The shortest text that cli_read_time reads as so many nanoseconds. */
enum { CLI_TIME_BYTES = 24 };
void cli_write_time(uint64_t ns, char text[CLI_TIME_BYTES]);

/*
 * Takes the next item off a comma-separated list: *length bytes from the
 * result on, which is null at the list's end.  `*list` moves behind it.
 */
const char *cli_next_item(const char **list, size_t *length);

/* Are these `length` bytes this name? */
bool cli_is_item(const char *item, size_t length, const char *name);

/* As cli_read_number, of an item of a list. */
bool cli_read_item_number(const char *item, size_t length, uint64_t *number);

/* The shortest text that cli_read_size reads as so many bytes. */
enum { CLI_SIZE_BYTES = 24 };
void cli_write_size(uint64_t bytes, char text[CLI_SIZE_BYTES]);

#endif
