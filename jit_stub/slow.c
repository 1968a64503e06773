/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands out of line, behind the method: throwing, and whatever is done
 * seldom.  A slow path is entered with the homes as they were where the jump to
 * it stands, and leaves them so when it jumps back.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

struct jit_slow *jit_slow_new(struct jit_compile *c,
                              void (*emit)(struct jit_compile *,
                                           struct jit_slow *))
{
  struct jit_slow *slow = mm_arena_alloc(c->arena, sizeof *slow);
  if (!slow) {
    c->out_of_memory = true;
    slow = &c->spare;
  }
  *slow = (struct jit_slow){
      .emit = emit,
      .op = c->op,
      .op_index = c->op_index,
      .state = c->state,
      .label = jit_label_new(&c->e),
      .back = jit_label_new(&c->e),
      .a = JIT_NO_REG,
      .b = JIT_NO_REG,
  };
  if (slow != &c->spare) {
    *c->slow_last = slow;
    c->slow_last = &slow->next;
  }
  return slow;
}

void jit_slow_bind_back(struct jit_compile *c, struct jit_slow *slow)
{
  jit_label_bind(&c->e, slow->back);
}

void jit_emit_slow_paths(struct jit_compile *c)
{
  /* Emitting one may add more. */
  for (struct jit_slow *slow = c->slow_first; slow && !c->out_of_memory;
       slow = slow->next) {
    c->op = slow->op;
    c->op_index = slow->op_index;
    c->state = slow->state;
    if (c->op)
      jit_note_line(c, c->op->word);
    jit_label_bind(&c->e, slow->label);
    slow->emit(c, slow);
  }
}

/* --- Throwing --- */

/* Making the exception may collect, and the operation is as good as not begun:
   what its instruction would have read is still live. */
static void save_frame(struct jit_compile *c)
{
  jit_emit_spill(c, UINT32_MAX);
  if (jit_map_has_acc(c, c->op))
    jit_emit_store(&c->e, 3, jit_frame_at(offsetof(struct vm_frame, acc)),
                   JIT_ACC_REG);
  jit_emit_store_position(c, c->op->word, false);
}

static void emit_throw(struct jit_compile *c, struct jit_slow *slow)
{
  save_frame(c);
  jit_emit_jump_far(&c->e, slow->helper);
}

static void throw_if(struct jit_compile *c, enum jit_condition condition,
                     const void *stub)
{
  struct jit_slow *slow = jit_slow_new(c, emit_throw);
  slow->helper = stub;
  jit_emit_jump_if(&c->e, condition, slow->label);
}

void jit_throw_null_if(struct jit_compile *c, enum jit_condition condition)
{
  throw_if(c, condition, c->compiler->stubs.throw_null);
}

void jit_throw_null_on_fault(struct jit_compile *c)
{
  struct jit_slow *slow = jit_slow_new(c, emit_throw);
  slow->helper = c->compiler->stubs.throw_null;
  jit_note_fault(c, slow->label);
}

void jit_throw_division_if(struct jit_compile *c, enum jit_condition condition)
{
  throw_if(c, condition, c->compiler->stubs.throw_division);
}

/* Two registers to two others, whichever they are. */
static void move_pair(struct jit_compile *c, unsigned to_a, unsigned a,
                      unsigned to_b, unsigned b)
{
  if (a != JIT_NO_REG)
    jit_emit_push(&c->e, a);
  if (b != JIT_NO_REG)
    jit_emit_push(&c->e, b);
  if (b != JIT_NO_REG)
    jit_emit_pop(&c->e, to_b);
  if (a != JIT_NO_REG)
    jit_emit_pop(&c->e, to_a);
}

static void emit_throw_index(struct jit_compile *c, struct jit_slow *slow)
{
  save_frame(c);
  move_pair(c, JIT_RCX, slow->a, JIT_RDX, slow->b);
  jit_emit_jump_far(&c->e, c->compiler->stubs.throw_index);
}

void jit_throw_index_if(struct jit_compile *c, enum jit_condition condition,
                        unsigned index, unsigned array)
{
  struct jit_slow *slow = jit_slow_new(c, emit_throw_index);
  slow->a = (uint8_t)index;
  slow->b = (uint8_t)array;
  jit_emit_jump_if(&c->e, condition, slow->label);
}

static void emit_throw_with(struct jit_compile *c, struct jit_slow *slow)
{
  save_frame(c);
  move_pair(c, JIT_RSI, slow->a, JIT_RDX, slow->b);
  if (slow->b == JIT_NO_REG && slow->has_pointer)
    jit_emit_move_imm(&c->e, JIT_RDX, (int64_t)(uintptr_t)c->op->ptr);
  jit_emit_move_imm(&c->e, JIT_RAX, (int64_t)(uintptr_t)slow->helper);
  jit_emit_jump_far(&c->e, c->compiler->stubs.throw_runtime);
}

struct jit_slow *jit_throw_with(struct jit_compile *c,
                                jit_runtime_function *function, unsigned a,
                                unsigned b)
{
  struct jit_slow *slow = jit_slow_new(c, emit_throw_with);
  slow->helper = (const void *)function;
  slow->a = (uint8_t)a;
  slow->b = (uint8_t)b;
  return slow;
}

/* --- Calls of C out of line --- */

void jit_slow_runtime_prepare(struct jit_compile *c, bool keeps_acc)
{
  jit_emit_spill(c, UINT32_MAX);
  if (keeps_acc) {
    jit_acc_to_rax(c);
    jit_emit_store(&c->e, 3, jit_frame_at(offsetof(struct vm_frame, acc)),
                   JIT_ACC_REG);
  }
}

void jit_slow_runtime_call(struct jit_compile *c, const struct jit_slow *slow,
                           jit_runtime_function *function, bool keeps_acc,
                           unsigned result)
{
  jit_emit_store_position(c, c->op->word, false);
  jit_emit_move_imm(&c->e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_call_far(&c->e, c->compiler->stubs.call_runtime);
  if (result != JIT_NO_REG && result != JIT_RAX)
    jit_emit_move(&c->e, true, result, JIT_RAX);
  if (!mm_fault_is_due(c->vm->heap, MM_FAULT_JIT_RELOAD))
    jit_emit_reload(c, slow->state.valid);
  if (!keeps_acc)
    return;
  jit_emit_load(&c->e, JIT_LOAD_64, JIT_ACC_REG,
                jit_frame_at(offsetof(struct vm_frame, acc)));
  jit_acc_as_in(c, &slow->state);
}

void jit_acc_as_in(struct jit_compile *c, const struct jit_state *state)
{
  if (state->acc == JIT_ACC_VECTOR)
    jit_emit_move_to_f(&c->e, true, JIT_ACC_VECTOR_REG, JIT_ACC_REG);
  else if (state->acc == JIT_ACC_F32)
    jit_emit_move_to_f(&c->e, false, JIT_ACC_VECTOR_REG, JIT_ACC_REG);
  else if (state->acc == JIT_ACC_NARROW)
    jit_emit_extend(&c->e, JIT_LOAD_U32, JIT_ACC_REG, JIT_ACC_REG);
}

static bool is_clobbered(const struct jit_home *home)
{
  return home->is_vector || home->reg < JIT_R12;
}

uint32_t jit_clobbered_homes(const struct jit_compile *c)
{
  uint32_t homes = 0;
  for (uint32_t h = 0; h < c->home_count; h++)
    if (is_clobbered(&c->homes[h]))
      homes |= UINT32_C(1) << h;
  return homes;
}

void jit_slow_leaf_call(struct jit_compile *c, const struct jit_slow *slow,
                        const void *function)
{
  uint32_t homes = slow->state.valid & jit_clobbered_homes(c);
  jit_emit_spill(c, homes);
  jit_emit_move_imm(&c->e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_call_far(&c->e, c->compiler->stubs.call_leaf);
  jit_emit_reload(c, homes);
}

/* --- Calls of C in line --- */

void jit_leaf_prepare(struct jit_compile *c)
{
  jit_emit_spill(c, jit_clobbered_homes(c));
}

void jit_leaf_call(struct jit_compile *c, const void *function)
{
  jit_emit_move_imm(&c->e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_call_far(&c->e, c->compiler->stubs.call_leaf);
  c->state.valid &= ~jit_clobbered_homes(c);
}

void jit_runtime_prepare(struct jit_compile *c)
{
  jit_emit_spill(c, UINT32_MAX);
  if (jit_acc_is_live_before(c)) {
    jit_acc_to_rax(c);
    jit_emit_store(&c->e, 3, jit_frame_at(offsetof(struct vm_frame, acc)),
                   JIT_ACC_REG);
  }
}

void jit_runtime_call(struct jit_compile *c, jit_runtime_function *function)
{
  jit_emit_store_position(c, c->op->word, false);
  jit_emit_move_imm(&c->e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_call_far(&c->e, c->compiler->stubs.call_runtime);
  c->state.valid = c->state.dirty = 0;
}
