/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking frames, and reading and changing their registers.
 *
 * An interpreted frame's live references are those of the verifier's map at
 * the place where it stands: `map_call` while a call from it is in progress,
 * else `map_before`.  A native's frame holds its arguments, all of which are
 * live as long as it runs; so does that of a method about to be translated.
 *
 * What vm_frame_set lets through keeps what the verifier proved:
 *
 *   live reference   null, or an object assignable to the class of what the
 *                    register holds now; over null only null, since nothing
 *                    tells what was declared.  Registers that may be read as
 *                    null or as 0 are in the maps too
 *   anything else    any number: it is read as one, or not at all
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include "vm/verify/verify.h"

static uint32_t line_of(const struct vm_method *method, uint32_t insn)
{
  const struct vm_function_def *function = method->function;
  if (!function || insn == UINT32_MAX)
    return 0;
  return insn < function->insn_count ? function->insns[insn].line
                                     : function->end_line;
}

void vm_frame_info_of(struct vm_thread *thread, struct vm_frame *frame,
                      struct vm_frame_info *info)
{
  info->frame = frame;
  info->insn = info->fault = UINT32_MAX;
  info->in_call = false;
  if (frame->method->function && !frame->method->native)
    thread->vm->engine.position(frame, &info->insn, &info->fault,
                                &info->in_call);
  info->line = line_of(frame->method, info->fault);
}

void vm_stack_walk(struct vm_thread *thread,
                   bool (*visit)(void *context,
                                 const struct vm_frame_info *info),
                   void *context)
{
  struct vm_frame_info info;
  for (struct vm_frame *f = thread->top; f; f = f->caller) {
    if (vm_frame_is_boundary(f))
      continue;
    vm_frame_info_of(thread, f, &info);
    if (!visit(context, &info))
      return;
  }
}

const uint64_t *vm_frame_map(const struct vm_frame_info *info)
{
  const struct vm_verified *verified = info->frame->method->function->verified;
  return info->in_call ? vm_map_call(verified, info->insn)
                       : vm_map_before(verified, info->insn);
}

static bool has_map(const struct vm_frame_info *info)
{
  return info->insn != UINT32_MAX;
}

bool vm_frame_is_live_ref(const struct vm_frame_info *info, uint32_t vreg)
{
  const struct vm_method *method = info->frame->method;
  if (has_map(info))
    return vreg <= method->reg_count && vm_map_has(vm_frame_map(info), vreg);
  return vreg >= method->local_count && vreg < method->reg_count &&
         method->param_prims[vreg - method->local_count] == VM_PRIM_REF;
}

static union vm_slot *slot_of(const struct vm_frame_info *info, uint32_t vreg)
{
  struct vm_frame *frame = info->frame;
  VM_ASSERT(vreg <= frame->method->reg_count);
  return vreg == frame->method->reg_count ? &frame->acc : &frame->vregs[vreg];
}

union vm_slot vm_frame_get(const struct vm_frame_info *info, uint32_t vreg)
{
  return *slot_of(info, vreg);
}

static bool may_replace(struct mm_ref old, struct mm_ref new)
{
  if (mm_is_null(new))
    return true;
  return !mm_is_null(old) &&
         vm_class_is_assignable(vm_class_of(new), vm_class_of(old));
}

bool vm_frame_set(struct vm_thread *thread, const struct vm_frame_info *info,
                  uint32_t vreg, union vm_slot value)
{
  (void)thread;
  if (vreg > info->frame->method->reg_count)
    return false;
  union vm_slot *slot = slot_of(info, vreg);
  if (vm_frame_is_live_ref(info, vreg)) {
    if (!may_replace(slot->ref, value.ref))
      return false;
    value.u64 = value.ref.bits;
  } else if (vreg == info->frame->method->reg_count) {
    return false; /* a number in the accumulator is not in the frame */
  }
  *slot = value;
  return true;
}
