/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the assembler needs of diagnostics beyond diag.h: adding one whose
 * line it holds already, and putting those of one file in order.
 */
#ifndef VM_ASM_DIAG_INTERNAL_H
#define VM_ASM_DIAG_INTERNAL_H

#include "vm/asm/diag.h"

#include <stdarg.h>

/* A place: `start` is the first byte of its line, `end` the end of the whole
   text; both null for a place without text. */
struct vm_diag_place {
  const char *file;
  const char *start, *end;
  uint32_t line, column, width;
};

/* Takes time in proportion to the part of the line that is kept. */
void vm_diag_add_at(struct vm_diags *diags, enum vm_severity severity,
                    const struct vm_diag_place *place, const char *format,
                    va_list arguments);

/*
 * Sorts what was added behind `from` (a value of diags->last) by line and
 * column.  Notes stay with what they explain; equals keep their order.
 */
void vm_diags_sort(struct vm_diags *diags, struct vm_diag **from);

/* Length of the UTF-8 character at `text`, or 0 when it is malformed.  The
   text ends with a zero. */
unsigned vm_utf8_length(const char *text);

#endif
