/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics: all that is wrong with a file, each with its place, the source
 * line, a caret and, where one is near, a remedy:
 *
 *   fib.pa:12:9: error: unknown instruction `ldaa`
 *       ldaa v0
 *       ^~~~
 *   fib.pa:12:9: note: did you mean `lda`?
 *
 * Kept in the order in which they were added, printed by the command line.
 * The assembler sorts those of one file by place before it returns.
 *
 * Columns and widths count bytes; the printed caret counts characters, so
 * that it stands right below UTF-8 text.  Of a long line only the part around
 * the place is kept, so a diagnostic takes a bounded amount of memory.
 */
#ifndef VM_ASM_DIAG_H
#define VM_ASM_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum vm_severity { VM_DIAG_NOTE, VM_DIAG_WARNING, VM_DIAG_ERROR };

struct vm_diag {
  enum vm_severity severity;
  char *file;
  uint32_t line, column; /* 1-based; 0: the file as a whole */
  uint32_t width;        /* bytes to underline, at least 1 */
  char *text;
  char *source_line;        /* the line or a part of it; or null */
  uint32_t source_column;   /* 1-based column of its first byte */
  bool cut_left, cut_right; /* the line goes on there */
  size_t bytes;             /* of this block, with its texts */
  struct vm_diag *next;
};

struct vm_diags {
  struct vm_diag *first, **last;
  unsigned errors, warnings;
  unsigned error_limit; /* 0: none; further errors are only counted */
  bool out_of_memory;   /* while looking, or a diagnostic could not be kept:
                           what is kept is not all */
  /* Where the line that was looked up last begins, so that diagnostics in
     ascending order do not scan the text again from its start. */
  const char *seen_source;
  size_t seen_offset;
  uint32_t seen_line;
};

void vm_diags_init(struct vm_diags *diags);
void vm_diags_destroy(struct vm_diags *diags);

/* Adds one; `source` (may be null) is the whole text of the file, from which
   the line is taken. */
void vm_diag_add(struct vm_diags *diags, enum vm_severity severity,
                 const char *file, const char *source, size_t source_bytes,
                 uint32_t line, uint32_t column, uint32_t width,
                 const char *format, ...)
    __attribute__((format(printf, 9, 10)));

/* An error of the file as a whole, and `out_of_memory`. */
void vm_diag_add_no_memory(struct vm_diags *diags, const char *file,
                           const char *what);

/* Prints all in order. `color` uses terminal colours. */
void vm_diags_print(const struct vm_diags *diags, FILE *out, bool color);

#endif
