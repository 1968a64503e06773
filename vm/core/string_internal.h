/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the string and the intern table share: modified UTF-8 taken apart into
 * UTF-16 units, and strings written out as standard UTF-8 piece by piece.
 *
 *   modified UTF-8   U+0000 is C0 80; what lies beyond U+FFFF is two
 *                    surrogates of three bytes each.  The standard form of
 *                    four bytes and a plain zero byte are understood too.
 *                    A byte that fits no form stands for U+FFFD by itself.
 *
 * None of these is a safepoint.
 */
#ifndef VM_CORE_STRING_INTERNAL_H
#define VM_CORE_STRING_INTERNAL_H

#include <stdio.h>

#include "vm/core/runtime.h"

/* Text as bytes, and what it becomes as a string. */
struct vm_text {
  const char *bytes;
  size_t length_bytes;
  uint64_t units; /* UTF-16 units; may exceed what a string can hold */
  uint32_t hash;  /* as vm_string_hash gives it */
  bool wide;      /* some unit is above U+00FF */
};

/* Measures a text. O(length). */
struct vm_text vm_text_of_utf8(const char *bytes, size_t length_bytes);

/* Has the string exactly the units of the text? */
bool vm_string_equals_text(struct mm_ref string, const struct vm_text *text);

/* A new string of the text; null with OutOfMemoryError pending.  Safepoint. */
struct mm_ref vm_string_from_text(struct vm_thread *thread,
                                  const struct vm_text *text);

/*
 * Writes units from *index on as standard UTF-8 into `out`, as many as fit,
 * and moves *index behind them.  Returns the bytes written; 0 at the string's
 * end.  `out_bytes` is at least 4.
 */
size_t vm_string_encode(struct mm_ref string, uint32_t *index, char *out,
                        size_t out_bytes);

/* All of it as standard UTF-8, in bytes. */
size_t vm_string_utf8_bytes(struct mm_ref string);

/* The same of `count` units from `start` on; as many of them as fit are written
   into `out`, whole characters, with a zero behind them. */
size_t vm_string_encode_region(struct mm_ref string, uint32_t start,
                               uint32_t count, char *out, size_t out_bytes);

/* A new string of these units, which lie outside the heap; null with
   OutOfMemoryError pending.  Safepoint. */
struct mm_ref vm_string_from_utf16(struct vm_thread *thread,
                                   const uint16_t *units, uint32_t count);

/* Writes a string as standard UTF-8; takes no memory, so that a report comes
   out when there is none.  False: `out` failed. */
bool vm_string_print(struct mm_ref string, FILE *out);

#endif
