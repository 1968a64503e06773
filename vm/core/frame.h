/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on a thread's VM stack, which grows upwards:
 *
 *   +0   caller      the frame below, null for the first of a C entry
 *   +8   method
 *   +16  position    where the method stands, see below
 *   +24  acc         the accumulator, when it holds a live reference
 *   +32  vregs       locals, then arguments; 8 bytes each
 *
 * A callee's frame begins right behind its caller's registers.  `position` is
 * valid whenever the frame is not the one that is running: at a safepoint, in
 * a call, while C code runs on the frame's behalf.  It belongs to the engine:
 * the address of the decoded instruction, its low bit set while a call from
 * that instruction is in progress (the callee's frame is above).  Whoever
 * wants an instruction's index asks vm_engine.position.
 *
 * The position of a frame whose method runs as compiled code says the same in
 * 31 bits, so that one instruction stores it: VM_FRAME_COMPILED, and the offset
 * of the decoded instruction in words, times VM_FRAME_WORD.
 *
 * When C code runs a method, the engine puts a boundary below the method's
 * frame: a frame without method and registers, which walks pass over.  Its
 * caller links on, so that a walk sees all frames of the thread.
 */
#ifndef VM_CORE_FRAME_H
#define VM_CORE_FRAME_H

#include "vm/core/class.h"

struct vm_frame {
  struct vm_frame *caller;
  const struct vm_method *method;
  uintptr_t position;
  union vm_slot acc;
  union vm_slot vregs[];
};

enum {
  VM_FRAME_SLOTS = 4, /* header, in slots */
  /* Bits of position. */
  VM_FRAME_IN_CALL = 1,
  VM_FRAME_COMPILED = 2,
  VM_FRAME_VERSION = 4, /* compiled frames: which of the method's two codes */
  VM_FRAME_WORD = 8,
};

_Static_assert(sizeof(struct vm_frame) == VM_FRAME_SLOTS * 8, "header");

static inline struct vm_frame *vm_frame_of(union vm_slot *vregs)
{
  return (struct vm_frame *)(vregs - VM_FRAME_SLOTS);
}

static inline bool vm_frame_is_boundary(const struct vm_frame *frame)
{
  return frame->method == NULL;
}

#endif
