/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operands in machine registers, and results where they belong; see Note
 * [Homes] in compile_internal.h.
 *
 * Scratch registers are the caller's to choose.  jit_write may use rdx, and
 * loading an operand nothing but the scratch register that is given.
 */
#include "config.h"

#include "jit_stub/compile_internal.h"

/* --- Places --- */

struct jit_mem jit_frame_at(size_t offset)
{
  return jit_mem_base(JIT_FRAME, (int32_t)offset);
}

struct jit_mem jit_thread_at(size_t offset)
{
  return jit_mem_base(JIT_THREAD, (int32_t)offset);
}

struct jit_mem jit_slot(int32_t vreg)
{
  return jit_frame_at(offsetof(struct vm_frame, vregs) + 8 * (size_t)vreg);
}

/* The home of an operand, or JIT_NO_HOME. */
static unsigned home_of(const struct jit_compile *c, int32_t operand)
{
  return operand >= 0 ? c->home_of[operand] : JIT_NO_HOME;
}

bool jit_is_in_slot(const struct jit_compile *c, int32_t operand,
                    struct jit_mem *mem)
{
  if (operand < 0 || home_of(c, operand) != JIT_NO_HOME)
    return false;
  *mem = jit_slot(operand);
  return true;
}

/* --- Slots and homes --- */

static void load_home(struct jit_compile *c, const struct jit_home *home)
{
  struct jit_mem slot = jit_slot((int32_t)home->vreg);
  if (home->is_vector)
    jit_emit_fload(&c->e, true, home->reg, slot);
  else
    jit_emit_load(&c->e, home->is_narrow ? JIT_LOAD_U32 : JIT_LOAD_64,
                  home->reg, slot);
}

/* Extends a narrow home where it is: a general one then is as good as
   invalid.  Uses xmm2. */
static void store_home(struct jit_compile *c, const struct jit_home *home)
{
  struct jit_mem slot = jit_slot((int32_t)home->vreg);
  if (home->is_vector) {
    if (home->is_narrow)
      jit_emit_fextend(&c->e, home->reg, JIT_F2);
    jit_emit_fstore(&c->e, true, slot, home->reg);
    return;
  }
  if (home->is_narrow)
    jit_emit_extend(&c->e, JIT_LOAD_I32, home->reg, home->reg);
  jit_emit_store(&c->e, 3, slot, home->reg);
}

void jit_emit_spill(struct jit_compile *c, uint32_t homes)
{
  homes &= c->state.dirty & c->state.valid;
  for (uint32_t h = 0; h < c->home_count; h++)
    if (homes >> h & 1)
      store_home(c, &c->homes[h]);
  c->state.dirty &= ~homes;
}

void jit_emit_reload(struct jit_compile *c, uint32_t homes)
{
  for (uint32_t h = 0; h < c->home_count; h++)
    if (homes >> h & 1)
      load_home(c, &c->homes[h]);
  c->state.valid |= homes;
}

void jit_emit_store_position(struct jit_compile *c, uint32_t word, bool in_call)
{
  c->safepoints++;
  uint32_t position = word * VM_FRAME_WORD | VM_FRAME_COMPILED | c->version |
                      (in_call ? VM_FRAME_IN_CALL : 0);
  jit_emit_store_imm(&c->e, 3,
                     jit_frame_at(offsetof(struct vm_frame, position)),
                     (int32_t)position);
}

/* The home, holding the value. */
static const struct jit_home *valid_home(struct jit_compile *c, unsigned h)
{
  const struct jit_home *home = &c->homes[h];
  if (!(c->state.valid >> h & 1)) {
    load_home(c, home);
    c->state.valid |= UINT32_C(1) << h;
  }
  return home;
}

/* --- The accumulator --- */

bool jit_acc_is_live(const struct jit_compile *c)
{
  return (c->live[c->op_index] & JIT_LIVE_ACC) != 0;
}

struct uses {
  bool acc;
};

static void note_use(void *context, int32_t operand)
{
  struct uses *uses = context;
  if (operand == JIT_ACC)
    uses->acc = true;
}

bool jit_acc_is_live_before(const struct jit_compile *c)
{
  struct uses uses = {false};
  jit_op_uses(c->op, note_use, &uses);
  return uses.acc || (jit_acc_is_live(c) && jit_op_dest(c->op) != JIT_ACC);
}

bool jit_acc_is_vector(const struct jit_compile *c)
{
  return c->state.acc == JIT_ACC_VECTOR || c->state.acc == JIT_ACC_F32;
}

/* From xmm0 to rax. */
static void fetch_acc(struct jit_compile *c)
{
  bool wide = c->state.acc == JIT_ACC_VECTOR;
  jit_emit_move_from_f(&c->e, wide, JIT_ACC_REG, JIT_ACC_VECTOR_REG);
  c->state.acc = wide ? JIT_ACC_WIDE : JIT_ACC_NARROW;
}

static void widen_acc(struct jit_compile *c)
{
  if (jit_acc_is_vector(c))
    fetch_acc(c);
  if (c->state.acc == JIT_ACC_NARROW)
    jit_emit_extend(&c->e, JIT_LOAD_I32, JIT_ACC_REG, JIT_ACC_REG);
  c->state.acc = JIT_ACC_WIDE;
}

void jit_acc_to_rax(struct jit_compile *c)
{
  widen_acc(c);
}

static unsigned read_acc(struct jit_compile *c, bool wide)
{
  if (wide)
    widen_acc(c);
  else if (jit_acc_is_vector(c))
    fetch_acc(c);
  return JIT_ACC_REG;
}

/* --- Reading --- */

static unsigned read_home(struct jit_compile *c, unsigned h, bool wide,
                          unsigned scratch)
{
  const struct jit_home *home = valid_home(c, h);
  if (home->is_vector) {
    bool whole = wide && !home->is_narrow;
    jit_emit_move_from_f(&c->e, whole, scratch, home->reg);
    if (wide && home->is_narrow)
      jit_emit_extend(&c->e, JIT_LOAD_I32, scratch, scratch);
    return scratch;
  }
  if (wide && home->is_narrow) {
    jit_emit_extend(&c->e, JIT_LOAD_I32, scratch, home->reg);
    return scratch;
  }
  return home->reg;
}

unsigned jit_read(struct jit_compile *c, int32_t operand, bool wide,
                  unsigned scratch)
{
  if (operand == JIT_ACC)
    return read_acc(c, wide);
  if (operand == JIT_IMM) {
    int64_t imm = wide ? c->op->imm : (int64_t)(uint32_t)c->op->imm;
    jit_emit_move_imm(&c->e, scratch, imm);
    return scratch;
  }
  unsigned h = home_of(c, operand);
  if (h != JIT_NO_HOME)
    return read_home(c, h, wide, scratch);
  jit_emit_load(&c->e, wide ? JIT_LOAD_64 : JIT_LOAD_U32, scratch,
                jit_slot(operand));
  return scratch;
}

void jit_read_into(struct jit_compile *c, int32_t operand, bool wide,
                   unsigned reg)
{
  unsigned from = jit_read(c, operand, wide, reg);
  if (from != reg)
    jit_emit_move(&c->e, wide, reg, from);
}

unsigned jit_read_index(struct jit_compile *c, int32_t operand,
                        unsigned scratch)
{
  unsigned h = home_of(c, operand);
  bool is_zero_extended =
      operand == JIT_ACC ? c->state.acc == JIT_ACC_NARROW
                         : operand == JIT_IMM || h == JIT_NO_HOME ||
                               c->homes[h].is_vector || c->homes[h].is_narrow;
  unsigned reg = jit_read(c, operand, false, scratch);
  if (is_zero_extended)
    return reg;
  jit_emit_move(&c->e, false, scratch, reg);
  return scratch;
}

unsigned jit_read_vector(struct jit_compile *c, int32_t operand, bool wide,
                         unsigned scratch)
{
  if (operand == JIT_ACC && jit_acc_is_vector(c) &&
      !(wide && c->state.acc == JIT_ACC_F32))
    return JIT_ACC_VECTOR_REG;
  unsigned h = home_of(c, operand);
  if (h != JIT_NO_HOME && c->homes[h].is_vector &&
      !(wide && c->homes[h].is_narrow))
    return valid_home(c, h)->reg;
  struct jit_mem slot;
  if (jit_is_in_slot(c, operand, &slot)) {
    jit_emit_fload(&c->e, wide, scratch, slot);
  } else {
    unsigned reg = jit_read(c, operand, wide, JIT_T0);
    jit_emit_move_to_f(&c->e, wide, scratch, reg);
  }
  return scratch;
}

void jit_read_vector_into(struct jit_compile *c, int32_t operand, bool wide,
                          unsigned reg)
{
  unsigned from = jit_read_vector(c, operand, wide, reg);
  if (from != reg)
    jit_emit_fmove(&c->e, reg, from);
}

/* --- Writing --- */

unsigned jit_dest(const struct jit_compile *c, int32_t operand,
                  unsigned scratch)
{
  if (operand == JIT_ACC)
    return JIT_ACC_REG;
  unsigned h = home_of(c, operand);
  return h != JIT_NO_HOME && !c->homes[h].is_vector ? c->homes[h].reg : scratch;
}

unsigned jit_dest_vector(const struct jit_compile *c, int32_t operand,
                         unsigned scratch)
{
  if (operand == JIT_ACC)
    return JIT_ACC_VECTOR_REG;
  unsigned h = home_of(c, operand);
  return h != JIT_NO_HOME && c->homes[h].is_vector ? c->homes[h].reg : scratch;
}

static void write_acc(struct jit_compile *c, unsigned reg, enum jit_form form)
{
  if (reg != JIT_ACC_REG)
    jit_emit_move(&c->e, form != JIT_FORM_32, JIT_ACC_REG, reg);
  c->state.acc = form == JIT_FORM_32 ? JIT_ACC_NARROW : JIT_ACC_WIDE;
}

/* The value as it is to stand in a slot: in `reg`, or in rdx. */
static unsigned as_in_slot(struct jit_compile *c, unsigned reg,
                           enum jit_form form)
{
  if (form != JIT_FORM_32)
    return reg;
  jit_emit_extend(&c->e, JIT_LOAD_I32, JIT_T1, reg);
  return JIT_T1;
}

static void write_home(struct jit_compile *c, unsigned h, unsigned reg,
                       enum jit_form form)
{
  const struct jit_home *home = &c->homes[h];
  if (home->is_vector && home->is_narrow)
    jit_emit_move_to_f(&c->e, false, home->reg, reg);
  else if (home->is_vector)
    jit_emit_move_to_f(&c->e, true, home->reg, as_in_slot(c, reg, form));
  else if (home->is_narrow) {
    if (reg != home->reg || form != JIT_FORM_32)
      jit_emit_extend(&c->e, JIT_LOAD_U32, home->reg, reg);
  } else if (form == JIT_FORM_32)
    jit_emit_extend(&c->e, JIT_LOAD_I32, home->reg, reg);
  else if (reg != home->reg)
    jit_emit_move(&c->e, true, home->reg, reg);
  c->state.valid |= UINT32_C(1) << h;
  c->state.dirty |= UINT32_C(1) << h;
}

void jit_write(struct jit_compile *c, int32_t operand, unsigned reg,
               enum jit_form form)
{
  unsigned h = home_of(c, operand);
  if (operand == JIT_ACC)
    write_acc(c, reg, form);
  else if (h != JIT_NO_HOME)
    write_home(c, h, reg, form);
  else
    jit_emit_store(&c->e, 3, jit_slot(operand), as_in_slot(c, reg, form));
}

static void write_home_vector(struct jit_compile *c, unsigned h, bool wide,
                              unsigned reg)
{
  const struct jit_home *home = &c->homes[h];
  if (home->is_vector) {
    jit_emit_fmove(&c->e, home->reg, reg);
    if (!wide && !home->is_narrow)
      jit_emit_fextend(&c->e, home->reg, JIT_F2);
  } else {
    jit_emit_move_from_f(&c->e, wide, home->reg, reg);
    if (!wide && !home->is_narrow)
      jit_emit_extend(&c->e, JIT_LOAD_I32, home->reg, home->reg);
  }
  c->state.valid |= UINT32_C(1) << h;
  c->state.dirty |= UINT32_C(1) << h;
}

void jit_write_vector(struct jit_compile *c, int32_t operand, bool wide,
                      unsigned reg)
{
  unsigned h = home_of(c, operand);
  if (operand == JIT_ACC) {
    jit_emit_fmove(&c->e, JIT_ACC_VECTOR_REG, reg);
    c->state.acc = wide ? JIT_ACC_VECTOR : JIT_ACC_F32;
  } else if (h != JIT_NO_HOME)
    write_home_vector(c, h, wide, reg);
  else {
    if (!wide)
      jit_emit_fextend(&c->e, reg, JIT_F2);
    jit_emit_fstore(&c->e, true, jit_slot(operand), reg);
  }
}
