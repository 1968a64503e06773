/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the emitter share: appending to the buffer, and labels.
 * Each machine's file puts an instruction together in a place of its own and
 * appends it whole, so that the buffer never ends within one.
 */
#ifndef JIT_STUB_EMIT_INTERNAL_H
#define JIT_STUB_EMIT_INTERNAL_H

#include "jit_stub/emit.h"

/* Appends `count` bytes, or nothing once memory has run out. */
void jit_emit_bytes(struct jit_emitter *e, const uint8_t *bytes,
                    uint32_t count);

/* The last four bytes are the distance to the label, or to what is not in the
   buffer, from their end. */
void jit_emit_label_use(struct jit_emitter *e, jit_label label);
void jit_emit_fixup(struct jit_emitter *e, const void *target);

/* Is the label bound?  Then *distance is that from here, at most 0. */
bool jit_label_distance(const struct jit_emitter *e, jit_label label,
                        int32_t *distance);

/* Four bytes in the order of memory, least first. */
static inline void jit_emit_put32(uint8_t *at, uint32_t value)
{
  for (int i = 0; i < 4; i++)
    at[i] = (uint8_t)(value >> 8 * i);
}

#endif
