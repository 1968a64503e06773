/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stubs: machine code that stands between compiled methods and C, made
 * once per machine.  x86-64, System V calls.
 *
 * At the entry of a stub that is jumped to, [rsp] is the address that the frame
 * rbp returns to.  At that of one that is called by the code of a frame, that
 * address stands at [rsp + 8], which unwinding has to know (`from`).
 *
 * Who holds what: Note [Registers of compiled code]
 * How it is unwound: Note [The machine stack of compiled code]
 *
 * rsp has any multiple of 8 in compiled code, so it is aligned before C code is
 * called; rbp, which C code preserves, keeps its old value meanwhile.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include <string.h>

#include "mm/compiler_space.h"

enum { STUBS_MAX_BYTES = 4096 };

static const uint8_t saved[] = {JIT_RBP, JIT_RBX, JIT_R12,
                                JIT_R13, JIT_R14, JIT_R15};
enum { SAVED_COUNT = sizeof saved };

static struct jit_mem frame_at(size_t offset)
{
  return jit_mem_base(JIT_FRAME, (int32_t)offset);
}

static struct jit_mem thread_at(size_t offset)
{
  return jit_mem_base(JIT_THREAD, (int32_t)offset);
}

#define FRAME(field) frame_at(offsetof(struct vm_frame, field))
#define THREAD(field) thread_at(offsetof(struct vm_thread, field))

/* --- Calling C --- */

static void align_stack(struct jit_emitter *e)
{
  jit_emit_push(e, JIT_RBP);
  jit_emit_move(e, true, JIT_RBP, JIT_RSP);
  jit_emit_alu_imm(e, JIT_AND, true, JIT_RSP, -16);
}

static void restore_stack(struct jit_emitter *e)
{
  jit_emit_move(e, true, JIT_RSP, JIT_RBP);
  jit_emit_pop(e, JIT_RBP);
}

static void call_c(struct jit_emitter *e, const void *function)
{
  align_stack(e);
  jit_emit_move_imm(e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_call_reg(e, JIT_RAX);
  restore_stack(e);
}

static void call_rax(struct jit_emitter *e)
{
  align_stack(e);
  jit_emit_call_reg(e, JIT_RAX);
  restore_stack(e);
}

/* --- The stubs; each begins where its label is bound --- */

struct makings {
  struct jit_emitter e;
  jit_label enter, threw, interpret, interpret_now, touch, call_native,
      native_now, enter_slow, leave, call_runtime, call_leaf, throw_null,
      throw_division, throw_index, throw_runtime;
  jit_label unwind;           /* rsi: where the address to return to stands */
  jit_label unwind_to_caller; /* jumped to with [rsp] an address in the code of
                                 thread->top, which made the call */
};

/* bool enter(thread, frame, code, result, activation) */
static void make_enter(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label end = jit_label_new(e);
  jit_label_bind(e, m->enter);
  for (int i = 0; i < SAVED_COUNT; i++)
    jit_emit_push(e, saved[i]);
  jit_emit_push(e, JIT_RCX);
  jit_emit_store(e, 3,
                 jit_mem_base(JIT_R8, offsetof(struct jit_activation, rsp)),
                 JIT_RSP);
  jit_emit_move(e, true, JIT_THREAD, JIT_RDI);
  jit_emit_move(e, true, JIT_FRAME, JIT_RSI);
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, FRAME(acc));
  jit_emit_call_reg(e, JIT_RDX);
  jit_emit_pop(e, JIT_RCX);
  jit_emit_store(e, 3, jit_mem_base(JIT_RCX, 0), JIT_RAX);
  jit_emit_move_imm(e, JIT_RAX, 1);
  jit_emit_jump(e, end);
  jit_label_bind(e, m->threw);
  jit_emit_pop(e, JIT_RCX);
  jit_emit_zero(e, JIT_RAX);
  jit_label_bind(e, end);
  for (int i = SAVED_COUNT; i-- > 0;)
    jit_emit_pop(e, saved[i]);
  jit_emit_return(e);
}

/* Finds out where an exception goes, and goes there. */
static void make_unwind(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  enum { ROOM = 64 };
  _Static_assert(sizeof(struct jit_landing) <= ROOM, "fits");
#define LANDING(field)                                                         \
  jit_mem_base(JIT_RSP, offsetof(struct jit_landing, field))
  jit_label_bind(e, m->unwind_to_caller);
  jit_emit_lea(e, true, JIT_RSI, jit_mem_base(JIT_RSP, 8));
  jit_label_bind(e, m->unwind);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  jit_emit_alu_imm(e, JIT_SUB, true, JIT_RSP, ROOM);
  jit_emit_alu_imm(e, JIT_AND, true, JIT_RSP, -16);
  jit_emit_move(e, true, JIT_RDX, JIT_RSP);
  jit_emit_move_imm(e, JIT_RAX, (int64_t)(uintptr_t)jit_unwind);
  jit_emit_call_reg(e, JIT_RAX);
  jit_emit_load(e, JIT_LOAD_64, JIT_RCX, LANDING(code));
  jit_emit_load(e, JIT_LOAD_64, JIT_FRAME, LANDING(frame));
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, LANDING(acc));
  jit_emit_load(e, JIT_LOAD_64, JIT_RSP, LANDING(rsp));
  jit_emit_jump_reg(e, JIT_RCX);
#undef LANDING
}

/* The interpreter has run the frame, or will: returns, or unwinds to the
   caller. */
static void return_or_unwind(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_emit_test(e, false, JIT_RDX, JIT_RDX);
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, m->unwind_to_caller);
  jit_emit_return(e);
}

/* See Note [Entering a method]. */
static void make_enter_slow(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label_bind(e, m->enter_slow);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  jit_emit_move(e, true, JIT_RSI, JIT_FRAME);
  call_c(e, (const void *)jit_enter_slow);
  jit_emit_test(e, false, JIT_RDX, JIT_RDX);
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, m->unwind_to_caller);
  jit_emit_jump_reg(e, JIT_RAX);
}

static void poll_first(struct makings *m)
{
  jit_emit_alu_store_imm(&m->e, JIT_CMP, 2, THREAD(mutator.poll), 0);
  jit_emit_jump_if(&m->e, JIT_IF_NOT_EQUAL, m->enter_slow);
}

static void make_interpret(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label_bind(e, m->interpret);
  poll_first(m);
  jit_label_bind(e, m->interpret_now);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  jit_emit_move(e, true, JIT_RSI, JIT_FRAME);
  call_c(e, (const void *)jit_interpret);
  return_or_unwind(m);
}

/* ecx: the operation; rax: the accumulator. */
static void make_leave(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label_bind(e, m->leave);
  jit_emit_move(e, false, JIT_RDX, JIT_RCX);
  jit_emit_move(e, true, JIT_RCX, JIT_RAX);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  jit_emit_move(e, true, JIT_RSI, JIT_FRAME);
  call_c(e, (const void *)jit_go_on);
  return_or_unwind(m);
}

/* The result stands in the frame's accumulator slot meanwhile. */
#define METHOD(field) jit_mem_base(JIT_RCX, offsetof(struct vm_method, field))
#define CODE(field) jit_mem_base(JIT_RDX, offsetof(struct jit_code, field))

/* See Note [Whether a method has run] in collect.c. */
static void make_touch(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label_bind(e, m->touch);
  jit_emit_load(e, JIT_LOAD_64, JIT_RCX, FRAME(method));
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX, METHOD(compiled));
  jit_emit_store_imm(e, 0, CODE(is_touched), 1);
  jit_emit_load(e, JIT_LOAD_64, JIT_RDX, CODE(block.run));
  jit_emit_store(e, 3, METHOD(machine_entry), JIT_RDX);
  jit_emit_jump_reg(e, JIT_RDX);
}

static void make_call_native(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label threw = jit_label_new(e);
  jit_label_bind(e, m->call_native);
  poll_first(m);
  jit_label_bind(e, m->native_now);
  jit_emit_store(e, 3, THREAD(top), JIT_FRAME);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  jit_emit_lea(e, true, JIT_RSI, FRAME(vregs));
  jit_emit_lea(e, true, JIT_RDX, FRAME(acc));
  jit_emit_store_imm(e, 3, FRAME(acc), 0);
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, FRAME(method));
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX,
                jit_mem_base(JIT_RAX, offsetof(struct vm_method, native)));
  call_rax(e);
  jit_emit_extend(e, JIT_LOAD_U8, JIT_RAX, JIT_RAX);
  jit_emit_test(e, false, JIT_RAX, JIT_RAX);
  jit_emit_jump_if(e, JIT_IF_EQUAL, threw);
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, FRAME(acc));
  jit_emit_return(e);
  jit_label_bind(e, threw);
  jit_emit_load(e, JIT_LOAD_64, JIT_RCX, FRAME(caller));
  jit_emit_store(e, 3, THREAD(top), JIT_RCX);
  jit_emit_jump(e, m->unwind_to_caller);
}

static void make_call_runtime(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  jit_label special = jit_label_new(e);
  jit_label_bind(e, m->call_runtime);
  jit_emit_store(e, 3, THREAD(top), JIT_FRAME);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  call_rax(e);
  jit_emit_test(e, false, JIT_RDX, JIT_RDX);
  jit_emit_jump_if(e, JIT_IF_NOT_EQUAL, special);
  jit_emit_return(e);
  jit_label_bind(e, special);
  jit_emit_alu_imm(e, JIT_CMP, false, JIT_RDX, JIT_UNWIND);
  jit_emit_jump_if(e, JIT_IF_EQUAL, m->unwind_to_caller);
  /* The frame stands at the operation that the interpreter is to do. */
  jit_emit_alu_imm(e, JIT_ADD, true, JIT_RSP, 8);
  jit_emit_load(e, JIT_LOAD_U32, JIT_RCX, FRAME(position));
  jit_emit_shift_imm(e, JIT_SHR, false, JIT_RCX, 3);
  jit_emit_load(e, JIT_LOAD_64, JIT_RAX, FRAME(acc));
  jit_emit_jump(e, m->leave);
}

static void make_call_leaf(struct makings *m)
{
  jit_label_bind(&m->e, m->call_leaf);
  call_rax(&m->e);
  jit_emit_return(&m->e);
}

static void make_throw(struct makings *m, jit_label label, const void *function)
{
  struct jit_emitter *e = &m->e;
  jit_label_bind(e, label);
  jit_emit_move_imm(e, JIT_RAX, (int64_t)(uintptr_t)function);
  jit_emit_jump(e, m->throw_runtime);
}

static void make_throws(struct makings *m)
{
  struct jit_emitter *e = &m->e;
  make_throw(m, m->throw_null, (const void *)jit_throw_null);
  make_throw(m, m->throw_division, (const void *)jit_throw_division);
  jit_label_bind(e, m->throw_index);
  jit_emit_move(e, false, JIT_RSI, JIT_RCX);
  jit_emit_move_imm(e, JIT_RAX, (int64_t)(uintptr_t)jit_throw_index);
  jit_label_bind(e, m->throw_runtime);
  jit_emit_store(e, 3, THREAD(top), JIT_FRAME);
  jit_emit_move(e, true, JIT_RDI, JIT_THREAD);
  call_rax(e);
  jit_emit_move(e, true, JIT_RSI, JIT_RSP);
  jit_emit_jump(e, m->unwind);
}

/* --- Placing them --- */

static void make_labels(struct makings *m)
{
  jit_label *labels[] = {
      &m->enter,          &m->threw,           &m->interpret,
      &m->interpret_now,  &m->touch,           &m->call_native,
      &m->native_now,     &m->enter_slow,      &m->leave,
      &m->call_runtime,   &m->call_leaf,       &m->throw_null,
      &m->throw_division, &m->throw_index,     &m->throw_runtime,
      &m->unwind,         &m->unwind_to_caller};
  for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
    *labels[i] = jit_label_new(&m->e);
}

static bool make_all(struct makings *m)
{
  make_labels(m);
  make_enter(m);
  make_unwind(m);
  make_enter_slow(m);
  make_interpret(m);
  make_leave(m);
  make_touch(m);
  make_call_native(m);
  make_call_runtime(m);
  make_call_leaf(m);
  make_throws(m);
  return jit_emit_finish(&m->e);
}

static const void *place_of(const struct makings *m, const struct mm_code *code,
                            jit_label label)
{
  return (const char *)code->run + m->e.labels[label];
}

static void fill_in(struct jit_stubs *stubs, const struct makings *m)
{
  const struct mm_code *code = &stubs->block;
  const void *enter = place_of(m, code, m->enter);
  memcpy(&stubs->enter, &enter, sizeof enter);
  stubs->threw = place_of(m, code, m->threw);
  stubs->interpret = place_of(m, code, m->interpret);
  stubs->touch = place_of(m, code, m->touch);
  stubs->call_native = place_of(m, code, m->call_native);
  stubs->interpret_now = place_of(m, code, m->interpret_now);
  stubs->native_now = place_of(m, code, m->native_now);
  stubs->enter_slow = place_of(m, code, m->enter_slow);
  stubs->leave = place_of(m, code, m->leave);
  stubs->call_runtime = place_of(m, code, m->call_runtime);
  stubs->call_leaf = place_of(m, code, m->call_leaf);
  stubs->throw_null = place_of(m, code, m->throw_null);
  stubs->throw_division = place_of(m, code, m->throw_division);
  stubs->throw_index = place_of(m, code, m->throw_index);
  stubs->throw_runtime = place_of(m, code, m->throw_runtime);
  stubs->unwind_to_caller = place_of(m, code, m->unwind_to_caller);
}

static enum mm_status place(struct jit_compiler *compiler,
                            const struct makings *m)
{
  struct mm_heap *heap = compiler->vm->heap;
  struct jit_stubs *stubs = &compiler->stubs;
  enum mm_status status =
      mm_code_alloc(heap, m->e.count, 0, NULL, &stubs->block);
  if (status != MM_OK)
    return status;
  memcpy(stubs->block.write, m->e.bytes, m->e.count);
  mm_code_seal(heap, &stubs->block, m->e.count);
  fill_in(stubs, m);
  return MM_OK;
}

enum mm_status jit_stubs_make(struct jit_compiler *compiler,
                              struct mm_error *error)
{
  struct mm_heap *heap = compiler->vm->heap;
  struct makings m;
  enum mm_status status = MM_NO_MEMORY;
  struct mm_arena *arena = mm_compilation_begin(heap);
  if (arena) {
    jit_emit_init(&m.e, arena);
    if (make_all(&m))
      status = place(compiler, &m);
  }
  mm_compilation_end(heap, arena);
  if (status != MM_OK)
    snprintf(error->text, sizeof error->text,
             "no memory for the stubs of compiled code");
  return status;
}
