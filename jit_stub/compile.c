/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of a compilation: one pass over the blocks in the order of the
 * decoded code, then what stands out of line, then into the code space.
 *
 *   decoded words -> operations -> flow, liveness -> homes -> states
 *      -> machine code in the arena -> code space
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

#include <string.h>

#include "mm/compiler_space.h"
#include "vm/core/assert.h"
#include "vm/core/purposes.h"

/* --- Tables that grow --- */

static void *grown(struct jit_compile *c, void *old, uint32_t count,
                   uint32_t *capacity, size_t element)
{
  if (count < *capacity)
    return old;
  uint32_t wanted = 2 * *capacity + 16;
  void *new = mm_arena_alloc(c->arena, wanted * element);
  if (!new) {
    c->out_of_memory = true;
    return NULL;
  }
  if (count)
    memcpy(new, old, count * element);
  *capacity = wanted;
  return new;
}

void jit_note_line(struct jit_compile *c, uint32_t word)
{
  struct jit_line *lines =
      grown(c, c->lines, c->line_count, &c->line_capacity, sizeof *c->lines);
  if (!lines)
    return;
  c->lines = lines;
  if (c->line_count && lines[c->line_count - 1].word == word)
    return;
  lines[c->line_count++] = (struct jit_line){c->e.count, word};
}

void jit_note_fault(struct jit_compile *c, jit_label target)
{
  struct jit_fault *faults = grown(c, c->faults, c->fault_count,
                                   &c->fault_capacity, sizeof *c->faults);
  if (!faults)
    return;
  c->faults = faults;
  faults[c->fault_count++] = (struct jit_fault){c->e.count, target};
}

/* Entries are emitted in the order of blocks, and so ascend. */
void jit_note_entry(struct jit_compile *c, uint32_t word)
{
  struct jit_entry *entries = grown(c, c->entries, c->entry_count,
                                    &c->entry_capacity, sizeof *c->entries);
  if (!entries)
    return;
  c->entries = entries;
  VM_ASSERT(c->entry_count == 0 || entries[c->entry_count - 1].word < word);
  entries[c->entry_count++] = (struct jit_entry){word, c->e.count};
}

/* --- Borders of blocks --- */

static void emit_edge_and_jump(struct jit_compile *c, uint32_t block)
{
  jit_emit_edge(c, &c->states[block], c->block_live[block]);
  jit_emit_jump(&c->e, c->labels[block]);
}

static void emit_edge_out_of_line(struct jit_compile *c, struct jit_slow *slow)
{
  emit_edge_and_jump(c, slow->target);
}

/* Where a jump to a block goes: to it, or to what has to be done on the way. */
static jit_label edge_label(struct jit_compile *c, uint32_t block)
{
  if (jit_edge_is_empty(&c->state, &c->states[block], c->block_live[block]))
    return c->labels[block];
  struct jit_slow *slow = jit_slow_new(c, emit_edge_out_of_line);
  slow->target = block;
  return slow->label;
}

/* Reads the operands first, so that their homes are valid on both ways. */
static void read_use(void *context, int32_t operand)
{
  struct jit_compile *c = context;
  if (operand >= 0 && c->home_of[operand] != JIT_NO_HOME &&
      !(c->state.valid >> c->home_of[operand] & 1))
    jit_emit_reload(c, UINT32_C(1) << c->home_of[operand]);
}

static void emit_branch(struct jit_compile *c, const struct jit_op *op,
                        const struct jit_block *block)
{
  uint32_t taken = block->successors[block->successor_count - 1];
  if (jit_acc_is_live(c))
    jit_acc_to_rax(c);
  jit_op_uses(op, read_use, c);
  jit_template_branch(c, op, edge_label(c, taken));
}

/* The interpreter enters here with everything in slots, rax the accumulator. */
static void emit_entry(struct jit_compile *c, struct jit_slow *slow)
{
  jit_note_entry(c, slow->op->word);
  c->state = (struct jit_state){.acc = JIT_ACC_WIDE};
  emit_edge_and_jump(c, slow->target);
}

static void note_outer_entry(struct jit_compile *c, uint32_t b)
{
  struct jit_slow *slow = jit_slow_new(c, emit_entry);
  slow->target = b;
}

/* --- Operations --- */

static bool is_dead(const struct jit_compile *c, const struct jit_op *op)
{
  return (op->kind == JIT_OP_MOVE || op->kind == JIT_OP_CONST) &&
         op->dest == JIT_ACC && !jit_acc_is_live(c);
}

void jit_template(struct jit_compile *c, const struct jit_op *op)
{
  switch ((enum jit_kind)op->kind) {
  case JIT_OP_NOP:
  case JIT_OP_ENTER:
  case JIT_OP_LOOP:
    break;
  case JIT_OP_MOVE:
  case JIT_OP_CONST:
  case JIT_OP_SPILL_ACC:
  case JIT_OP_RELOAD_ACC:
  case JIT_OP_STRING:
  case JIT_OP_LITERAL:
  case JIT_OP_TYPE:
  case JIT_OP_MULTI_ARRAY:
    jit_template_move(c, op);
    break;
  case JIT_OP_ARITH:
    if (op->type == JIT_F32 || op->type == JIT_F64)
      jit_template_float(c, op);
    else
      jit_template_arith(c, op);
    break;
  case JIT_OP_MULADD:
  case JIT_OP_SQRT:
    jit_template_float(c, op);
    break;
  case JIT_OP_UNARY:
  case JIT_OP_COMPARE:
    jit_template_unary(c, op);
    break;
  case JIT_OP_LENGTH:
  case JIT_OP_LOAD_ELEMENT:
  case JIT_OP_STORE_ELEMENT:
  case JIT_OP_STORE_REF_ELEMENT:
  case JIT_OP_LOAD_FIELD:
  case JIT_OP_STORE_FIELD:
  case JIT_OP_STORE_REF_FIELD:
  case JIT_OP_LOAD_STATIC:
  case JIT_OP_STORE_STATIC:
    jit_template_memory(c, op);
    break;
  case JIT_OP_CHECK:
  case JIT_OP_INITIALISE:
  case JIT_OP_NEW_OBJECT:
  case JIT_OP_NEW_ARRAY:
  case JIT_OP_CHECKCAST:
  case JIT_OP_ISINSTANCE:
    jit_template_object(c, op);
    break;
  case JIT_OP_POLL:
  case JIT_OP_CALL:
  case JIT_OP_RETURN:
  case JIT_OP_THROW:
  case JIT_OP_EXIT:
    jit_template_call(c, op);
    break;
  case JIT_OP_JUMP:
  case JIT_OP_BRANCH:
    break; /* the block's business */
  }
}

static void emit_op(struct jit_compile *c, uint32_t i,
                    const struct jit_block *block)
{
  const struct jit_op *op = &c->ops.ops[i];
  c->op = op;
  c->op_index = i;
  jit_note_line(c, op->word);
  if (op->kind == JIT_OP_BRANCH)
    emit_branch(c, op, block);
  else if (!is_dead(c, op))
    jit_template(c, op);
}

/* --- Blocks --- */

/* What follows the block where no jump is taken. */
static void emit_end(struct jit_compile *c, uint32_t b)
{
  const struct jit_block *block = &c->flow->blocks[b];
  if (block->successor_count == 0)
    return;
  uint32_t next = block->successors[0];
  const struct jit_op *last = &c->ops.ops[block->first + block->count - 1];
  if (last->kind != JIT_OP_BRANCH && jit_acc_is_live(c))
    jit_acc_to_rax(c);
  jit_emit_edge(c, &c->states[next], c->block_live[next]);
  if (next != b + 1)
    jit_emit_jump(&c->e, c->labels[next]);
}

static void emit_block(struct jit_compile *c, uint32_t b)
{
  const struct jit_block *block = &c->flow->blocks[b];
  c->op = &c->ops.ops[block->first];
  c->op_index = block->first;
  if (block->is_handler) {
    c->state = (struct jit_state){.acc = JIT_ACC_WIDE};
    note_outer_entry(c, b);
  } else if (block->is_loop_entry)
    note_outer_entry(c, b);
  jit_label_bind(&c->e, c->labels[b]);
  c->state = c->states[b];
  c->state.acc = JIT_ACC_WIDE;
  for (uint32_t i = 0; i < block->count && !c->out_of_memory; i++)
    emit_op(c, block->first + i, block);
  emit_end(c, b);
}

/* See Note [Entering a method]. */
static void emit_prologue(struct jit_compile *c)
{
  uint32_t end = VM_FRAME_SLOTS + c->method->reg_count;
  unsigned reg = JIT_FRAME;
  if (end > JIT_SLACK_SLOTS) {
    reg = JIT_RCX;
    jit_emit_lea(&c->e, true, reg,
                 jit_frame_at(8 * (size_t)(end - JIT_SLACK_SLOTS)));
  }
  jit_emit_alu_load(
      &c->e, JIT_CMP, true, reg,
      jit_thread_at(offsetof(struct vm_thread, mutator.entry_limit)));
  jit_emit_jump_far_if(&c->e, JIT_IF_ABOVE, c->compiler->stubs.enter_slow);
  c->start = c->e.count;
  c->state = (struct jit_state){.acc = JIT_ACC_WIDE};
  jit_emit_edge(c, &c->states[0], c->block_live[0]);
}

static bool emit_all(struct jit_compile *c)
{
  uint32_t count = c->flow->block_count;
  c->labels = mm_arena_alloc(c->arena, count * sizeof *c->labels);
  if (!c->labels)
    return false;
  for (uint32_t b = 0; b < count; b++)
    c->labels[b] = jit_label_new(&c->e);
  emit_prologue(c);
  for (uint32_t b = 0; b < count && !c->out_of_memory; b++) {
    if (c->flow->blocks[b].is_reachable)
      emit_block(c, b);
    else
      jit_label_bind(&c->e, c->labels[b]);
  }
  c->slow_start = c->e.count;
  jit_emit_slow_paths(c);
  return !c->out_of_memory && jit_emit_finish(&c->e);
}

/* --- Keeping it --- */

static void patch(const struct jit_compile *c, const struct mm_code *block)
{
  for (uint32_t i = 0; i < c->e.fixup_count; i++) {
    const struct jit_fixup *fixup = &c->e.fixups[i];
    intptr_t place = (intptr_t)block->run + fixup->offset + 4;
    int32_t distance = (int32_t)((intptr_t)fixup->target - place);
    memcpy((char *)block->write + fixup->offset, &distance, sizeof distance);
  }
}

static enum jit_outcome keep(struct jit_compile *c, struct jit_code **kept)
{
  struct mm_heap *heap = c->vm->heap;
  size_t entries = c->entry_count * sizeof *c->entries;
  size_t faults = c->fault_count * sizeof *c->faults;
  size_t lines = jit_lines_pack(c->lines, c->line_count, NULL);
  struct jit_code *code = mm_native_alloc(
      VM_PURPOSE_COMPILED, sizeof *code + entries + faults + lines);
  if (!code)
    return JIT_REFUSED;
  code->bytes = sizeof *code + entries + faults + lines;
  if (mm_code_alloc(heap, c->e.count, JIT_CODE_ALIGN, code, &code->block) !=
      MM_OK) {
    mm_native_free(VM_PURPOSE_COMPILED, code, code->bytes);
    return c->e.count < c->compiler->space_bytes / 2 ? JIT_NO_ROOM
                                                     : JIT_REFUSED;
  }
  code->method = c->method;
  code->version = c->version;
  code->code_bytes = c->e.count;
  code->insns = c->method->function->insn_count;
  code->entries = (struct jit_entry *)(code + 1);
  code->entry_count = c->entry_count;
  code->start = c->start;
  code->slow_start = c->slow_start;
  code->safepoints = c->safepoints;
  code->faults = (struct jit_fault *)((char *)code->entries + entries);
  code->fault_count = c->fault_count;
  code->lines = (uint8_t *)code->faults + faults;
  code->line_bytes = (uint32_t)lines;
  if (entries)
    memcpy(code->entries, c->entries, entries);
  for (uint32_t i = 0; i < c->fault_count; i++)
    code->faults[i] = (struct jit_fault){c->faults[i].offset,
                                         c->e.labels[c->faults[i].target]};
  jit_lines_pack(c->lines, c->line_count, code->lines);
  memcpy(code->block.write, c->e.bytes, c->e.count);
  patch(c, &code->block);
  mm_code_seal(heap, &code->block, c->e.count);
  code->has_unresolved = c->has_unresolved;
  code->resolved_count = c->resolved_count;
  *kept = code;
  return JIT_COMPILED;
}

/* --- All of it --- */

/* Others rewrite operations meanwhile, under this lock. */
static bool copy_words(struct jit_compile *c)
{
  size_t bytes = c->decoded->word_count * sizeof *c->words;
  union interp_word *words = mm_arena_alloc(c->arena, bytes);
  if (!words)
    return false;
  vm_lock(c->vm, VM_LOCK_CODE);
  for (uint32_t i = 0; i < c->decoded->word_count; i++)
    words[i].u64 = __atomic_load_n(&c->decoded->words[i].u64, __ATOMIC_ACQUIRE);
  c->resolved_count = c->decoded->resolved_count;
  vm_unlock(c->vm, VM_LOCK_CODE);
  c->words = words;
  return true;
}

/* Positions are 31 bits. */
static bool is_small_enough(const struct jit_compile *c)
{
  return c->decoded->word_count < INT32_MAX / VM_FRAME_WORD;
}

static enum jit_outcome compile(struct jit_compile *c, struct jit_code **code)
{
  jit_emit_init(&c->e, c->arena);
  c->slow_last = &c->slow_first;
  if (!is_small_enough(c) || !copy_words(c) ||
      !jit_ops_read(&c->ops, c->arena, c->decoded, c->words))
    return JIT_REFUSED;
  c->flow = jit_flow_find(c->arena, &c->ops, c->method, c->decoded);
  if (!c->flow || !jit_bind(c) || !jit_states_find(c) || !emit_all(c))
    return JIT_REFUSED;
  return keep(c, code);
}

enum jit_outcome jit_compile(struct jit_compiler *compiler,
                             struct vm_method *method, uint32_t version,
                             struct jit_code **code)
{
  struct mm_heap *heap = compiler->vm->heap;
  enum jit_outcome outcome = JIT_REFUSED;
  struct mm_arena *arena = mm_compilation_begin(heap);
  struct jit_compile *c = arena ? mm_arena_alloc(arena, sizeof *c) : NULL;
  if (c) {
    *c = (struct jit_compile){
        .compiler = compiler,
        .vm = compiler->vm,
        .method = method,
        .decoded = interp_code_of(method),
        .verified = method->function->verified,
        .arena = arena,
        .version = version,
    };
    outcome = compile(c, code);
  }
  mm_compilation_end(heap, arena);
  return outcome;
}
