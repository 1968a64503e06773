/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of calls, entries, returns and throw; a fragment of interp_run
 * (run.c), whose macros it uses.  No include guard: it is code, included once.
 *
 * A call copies its arguments behind the caller's registers, where they are
 * the callee's highest registers, links the frames and jumps to the callee's
 * entry.  The caller's position carries VM_FRAME_IN_CALL from then on, and a
 * return goes on INTERP_CALL_WORDS behind it: all calls have that length.
 */

/* Argument registers are signed: -1 is the frame's accumulator slot. */
#define ARG(n, field) args[n].u64 = fp[(int16_t)pc[1].r.field].u64
#define ARGS_0 ((void)args)
#define ARGS_1 ARG(0, a)
#define ARGS_2                                                                 \
  ARG(0, a);                                                                   \
  ARG(1, b)
#define ARGS_3                                                                 \
  ARGS_2;                                                                      \
  ARG(2, c)
#define ARGS_4                                                                 \
  ARGS_3;                                                                      \
  ARG(3, d)
/* First register in a, their number in b. */
#define ARGS_range                                                             \
  for (uint32_t i = 0; i < pc[1].r.b; i++)                                     \
  args[i].u64 = fp[pc[1].r.a + i].u64

/* The accumulator alone. */
#define ARGS_acc args[0].u64 = acc

/* Makes room for the callee's frame and enters it. */
#define ENTER(method_, args_, COPY_ARGS)                                       \
  do {                                                                         \
    struct vm_method *callee = (method_);                                      \
    union vm_slot *next = fp + pc[3].call.advance;                             \
    union vm_slot *args = (args_);                                             \
    if (UNLIKELY(next + callee->reg_count > thread->stack_limit))              \
      goto throw_stack_overflow;                                               \
    COPY_ARGS;                                                                 \
    frame_of(fp)->position = (uintptr_t)pc | VM_FRAME_IN_CALL;                 \
    frame_of(next)->caller = frame_of(fp);                                     \
    frame_of(next)->method = callee;                                           \
    fp = next;                                                                 \
    pc = interp_entry_of(callee);                                              \
    DISPATCH();                                                                \
  } while (0)

#define METHOD ((struct vm_method *)pc[2].ptr)
#define RECEIVER (fp[(int16_t)pc[1].r.a].ref)
#define RECEIVER_acc ((struct mm_ref){(uint32_t)acc})

#define CALL_STATIC(n)                                                         \
  OP(call_static_##n##_init)                                                   \
  {                                                                            \
    INITIALISE(METHOD->owner, INTERP_call_static_##n);                         \
  }                                                                            \
  OP(call_static_##n)                                                          \
  {                                                                            \
    POLL();                                                                    \
    ENTER(METHOD, fp + pc[3].call.args, ARGS_##n);                             \
  }

CALL_STATIC(0)
CALL_STATIC(1)
CALL_STATIC(2)
CALL_STATIC(3)
CALL_STATIC(4)
CALL_STATIC(range)
CALL_STATIC(acc)

#define CALL_DIRECT(n, RECEIVER_)                                              \
  OP(call_direct_##n##_init)                                                   \
  {                                                                            \
    INITIALISE(METHOD->owner, INTERP_call_direct_##n);                         \
  }                                                                            \
  OP(call_direct_##n)                                                          \
  {                                                                            \
    POLL();                                                                    \
    if (UNLIKELY(mm_is_null(RECEIVER_)))                                       \
      goto throw_null;                                                         \
    ENTER(METHOD, fp + pc[3].call.args, ARGS_##n);                             \
  }

CALL_DIRECT(1, RECEIVER)
CALL_DIRECT(2, RECEIVER)
CALL_DIRECT(3, RECEIVER)
CALL_DIRECT(4, RECEIVER)
CALL_DIRECT(range, RECEIVER)
CALL_DIRECT(acc, RECEIVER_acc)

#define CALL_VIRTUAL(n, RECEIVER_)                                             \
  OP(call_virtual_##n##_init)                                                  \
  {                                                                            \
    INITIALISE(METHOD->owner, INTERP_call_virtual_##n);                        \
  }                                                                            \
  OP(call_virtual_##n)                                                         \
  {                                                                            \
    POLL();                                                                    \
    if (UNLIKELY(mm_is_null(RECEIVER_)))                                       \
      goto throw_null;                                                         \
    struct vm_class *class = vm_class_of(RECEIVER_);                           \
    note_receiver(pc, class, frame_of(fp)->method);                            \
    struct vm_method *chosen = class->vtable[METHOD->vtable_index];            \
    ENTER(chosen, next + chosen->local_count, ARGS_##n);                       \
  }

CALL_VIRTUAL(1, RECEIVER)
CALL_VIRTUAL(2, RECEIVER)
CALL_VIRTUAL(3, RECEIVER)
CALL_VIRTUAL(4, RECEIVER)
CALL_VIRTUAL(range, RECEIVER)
CALL_VIRTUAL(acc, RECEIVER_acc)

/* A receiver is the first argument, and a constructor has no form with the
   accumulator, so these cannot occur. */
OP(call_direct_0)
OP(call_direct_0_init)
OP(call_virtual_0)
OP(call_virtual_0_init)
OP(initobj_acc)
OP(initobj_acc_init)
{
  goto throw_null;
}

/* Allocates into the frame's accumulator slot, where reload_acc, the next
   operation, finds the object when its constructor returned. */
#define INITOBJ_ARGS(n)                                                        \
  *args++ = frame_of(fp)->acc;                                                 \
  ARGS_##n

#define INITOBJ(n)                                                             \
  OP(initobj_##n##_init)                                                       \
  {                                                                            \
    INITIALISE(METHOD->owner, INTERP_initobj_##n);                             \
  }                                                                            \
  OP(initobj_##n)                                                              \
  {                                                                            \
    POLL();                                                                    \
    struct vm_class *class = METHOD->owner;                                    \
    uintptr_t at = thread->mutator.tlab_cursor;                                \
    uintptr_t end = at + class->layout.base_bytes;                             \
    if (UNLIKELY(end > thread->mutator.tlab_limit)) {                          \
      SAVE();                                                                  \
      struct mm_ref object = vm_new_object(thread, class);                     \
      if (mm_is_null(object))                                                  \
        goto unwind;                                                           \
      frame_of(fp)->acc.u64 = object.bits;                                     \
    } else {                                                                   \
      thread->mutator.tlab_cursor = end;                                       \
      mm_write_header(at, &class->layout);                                     \
      vm_object_made();                                                        \
      frame_of(fp)->acc.u64 = mm_ref_at((void *)at).bits;                      \
    }                                                                          \
    ENTER(METHOD, fp + pc[3].call.args, INITOBJ_ARGS(n));                      \
  }

INITOBJ(0)
INITOBJ(1)
INITOBJ(2)
INITOBJ(3)
INITOBJ(4)
INITOBJ(range)

/* Nested arrays: first size in a, their number in b, the class. */
OP(initarr)
{
  SAVE();
  struct mm_ref array =
      new_multi_array(thread, pc[2].ptr, fp, &pc[1], pc[3].u64);
  if (mm_is_null(array))
    goto unwind;
  acc = array.bits;
  NEXT(4);
}

/* --- Entries --- */

OP(translate)
{
  struct vm_method *method = (struct vm_method *)frame_of(fp)->method;
  thread->top = frame_of(fp)->caller;
  if (!interp_translate(thread, method))
    goto unwind;
  pc = interp_words_of(method);
  DISPATCH();
}
OP(native)
{
  union vm_slot value = {0};
  thread->top = frame_of(fp);
  if (UNLIKELY(!frame_of(fp)->method->native(thread, fp, &value))) {
    thread->top = frame_of(fp)->caller;
    goto unwind;
  }
  acc = value.u64;
  RETURN();
}
OP(no_body)
{
  const struct vm_method *method = frame_of(fp)->method;
  thread->top = frame_of(fp)->caller;
  vm_throw_abstract(thread, method);
  goto unwind;
}
OP(leave)
{
  result->u64 = acc;
  return true;
}

/* --- Compiled code --- */

/* Goes on according to how compiled code of the running frame ended; without
   any at `next`. */
#define AFTER_COMPILED(outcome, value, next)                                   \
  do {                                                                         \
    switch (outcome) {                                                         \
    case VM_TIER_RETURNED:                                                     \
      acc = (value).u64;                                                       \
      RETURN();                                                                \
    case VM_TIER_THREW:                                                        \
      goto unwind;                                                             \
    case VM_TIER_LEFT:                                                         \
      acc = (value).u64;                                                       \
      pc = interp_words_of(frame_of(fp)->method) +                             \
           frame_of(fp)->position / VM_FRAME_WORD;                             \
      DISPATCH();                                                              \
    case VM_TIER_NO_CODE:                                                      \
      break;                                                                   \
    }                                                                          \
    pc = (next);                                                               \
    DISPATCH();                                                                \
  } while (0)

/* Counts down.  Threads that count at once may lose counts, which does not
   matter. */
#define COUNT(word)                                                            \
  do {                                                                         \
    struct vm_method *method = (struct vm_method *)frame_of(fp)->method;       \
    int32_t heat = __atomic_load_n(&method->heat, __ATOMIC_RELAXED) - 1;       \
    __atomic_store_n(&method->heat, heat, __ATOMIC_RELAXED);                   \
    if (LIKELY(heat > 0))                                                      \
      NEXT(1);                                                                 \
    union vm_slot value = {0};                                                 \
    SAVE();                                                                    \
    enum vm_tier_outcome outcome =                                             \
        heat_up(thread, frame_of(fp), (word), &value);                         \
    RELOAD();                                                                  \
    AFTER_COMPILED(outcome, value, pc + 1);                                    \
  } while (0)

OP(enter)
{
  COUNT(0);
}
OP(loop)
{
  COUNT((uint32_t)(pc - interp_words_of(frame_of(fp)->method)));
}
/* The frame has not begun: what it has are its arguments. */
OP(compiled)
{
  union vm_slot value = {0};
  frame_of(fp)->position = 0;
  thread->top = frame_of(fp)->caller;
  enum vm_tier_outcome outcome =
      thread->vm->tier->enter(thread, frame_of(fp), 0, &value);
  AFTER_COMPILED(outcome, value, interp_words_of(frame_of(fp)->method));
}

/* --- Returns --- */

OP(ret)
{
  RETURN();
}
OP(ret_r32)
{
  acc = sext32(R(a).u32);
  RETURN();
}
OP(ret_r64)
{
  acc = R(a).u64;
  RETURN();
}
OP(ret_i)
{
  acc = (uint64_t)(int64_t)IMM;
  RETURN();
}
OP(ret_void)
{
  acc = 0;
  RETURN();
}
OP(throw_)
{
  SAVE();
  vm_throw_object(thread, R(a).ref);
  goto unwind;
}

#undef ARG
#undef ARGS_0
#undef ARGS_1
#undef ARGS_2
#undef ARGS_3
#undef ARGS_4
#undef ARGS_range
#undef ARGS_acc
#undef ENTER
#undef METHOD
#undef RECEIVER
#undef RECEIVER_acc
#undef CALL_STATIC
#undef CALL_DIRECT
#undef CALL_VIRTUAL
#undef INITOBJ_ARGS
#undef INITOBJ
#undef AFTER_COMPILED
#undef COUNT
