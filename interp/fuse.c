/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of instructions that become one operation ("superinstructions",
 * Proebsting 1995): an accumulator machine spends most of its dispatches on
 * moving values into the accumulator and out again, and a fused operation
 * names the registers instead.
 *
 *   [lda a] op b [sta d]          d = a op b
 *   op; lda d; jlt n, L           d += i, then d < n: the end of a loop
 *   lda a; jlt b, L               registers compared
 *   lda a; cmp b; jltz L          the same for wide and floating values
 *   lda i; ldarr b [sta d]        d = b[i]
 *   jmp L, L: lda a; jge n, X     the loop's test, copied to its end
 *
 * What is skipped must not be seen: the accumulator's value is either left
 * as the instructions would leave it, or dead (the verifier's liveness).
 *
 * At most one part of a sequence may throw, and what comes before that part
 * changes no register, so that an exception finds the frame as it should be
 * and a safepoint may use the map before the first part.
 */
#include "config.h"

#include "interp/translator_internal.h"

/* --- Small questions --- */

enum { WIDTH_32, WIDTH_64, WIDTH_NONE };

static unsigned lda_width(unsigned op)
{
  switch (op) {
  case VM_OP_LDA:
    return WIDTH_32;
  case VM_OP_LDA_64:
  case VM_OP_LDA_OBJ:
    return WIDTH_64;
  default:
    return WIDTH_NONE;
  }
}

/* Is this a `sta` that stores exactly what an operation of that width leaves
   in the accumulator?  Results of 32 bits, integers or not, are sign-extended
   to the whole slot, as `sta' would do. */
static bool is_sta_for(unsigned op, bool wide)
{
  return op == VM_OP_STA_64 || op == VM_OP_STA_OBJ ||
         (op == VM_OP_STA && !wide);
}

static unsigned op_at(const struct interp_translator *t, uint32_t i)
{
  return t->insns[i].op;
}

/* A `sta` at i that ends a sequence: the result is needed nowhere else. */
static bool ends_in_sta(const struct interp_translator *t, uint32_t i,
                        bool wide)
{
  return interp_can_follow(t, i) && is_sta_for(op_at(t, i), wide) &&
         !interp_acc_live(t, i);
}

/* --- Loop ends --- */

struct loop_test {
  unsigned condition; /* under which `target` is next */
  int32_t left;       /* register */
  int32_t right;      /* register; -1: zero */
  bool wide;          /* `left` comes by lda.64 or lda.obj */
  uint32_t target;    /* instruction */
  uint32_t exit;      /* instruction that is next otherwise */
  uint32_t length;    /* instructions that belong to this sequence alone */
};

/* May run as part of a sequence, whether or not it is a leader. */
static bool is_sound(const struct interp_translator *t, uint32_t i)
{
  return i < t->function->insn_count &&
         (t->verified->flags[i] & (VM_INSN_BAD | VM_INSN_CHECKED)) == 0;
}

/*
 * The instructions `lda a; jcc [b,] X` at i.  They cannot throw and change no
 * register, so they may be copied: where others jump to them too, they are
 * emitted a second time for those (length counts what is not).
 */
static bool test_at(const struct interp_translator *t, uint32_t i,
                    struct loop_test *test)
{
  bool against_zero;
  if (!is_sound(t, i) || !is_sound(t, i + 1) ||
      lda_width(op_at(t, i)) == WIDTH_NONE ||
      !interp_condition_of(op_at(t, i + 1), &test->condition, &against_zero))
    return false;
  /* The fused test leaves 32 bits in the accumulator. */
  test->wide = lda_width(op_at(t, i)) == WIDTH_64;
  if (test->wide && interp_acc_live(t, i + 1))
    return false;
  const struct vm_insn *jump = &t->insns[i + 1];
  test->left = t->insns[i].regs[0];
  test->right = against_zero ? -1 : jump->regs[0];
  test->target = jump->operand.target;
  test->exit = i + 2;
  test->length = !interp_can_follow(t, i)       ? 0
                 : !interp_can_follow(t, i + 1) ? 1
                                                : 2;
  return true;
}

/* `jmp L` backwards to a test that leaves the loop: the test itself, turned
   round, does as well and saves the jump. */
static bool loop_test_of_jump(const struct interp_translator *t, uint32_t i,
                              struct loop_test *test)
{
  const struct vm_insn *insn = &t->insns[i];
  if (insn->op != VM_OP_JMP || insn->operand.target > i ||
      !test_at(t, insn->operand.target, test))
    return false;
  uint32_t leave = test->target;
  test->target = test->exit;
  test->exit = leave;
  test->condition = interp_condition_inverse(test->condition);
  test->length = 1;
  return test->target <= i;
}

static void emit_test(struct interp_translator *t, const struct loop_test *test,
                      uint32_t i)
{
  bool back = test->target <= i;
  unsigned family = test->right < 0 ? INTERP_j_rz_eq : INTERP_j_rr_eq;
  union interp_word *out = interp_emit(
      t, family + test->condition + (back ? INTERP_JUMP_BACK : 0), i, i);
  out[1].i.a = (uint16_t)test->left;
  if (test->right >= 0)
    out[1].i.b = (uint16_t)test->right;
  interp_emit_target(t, test->target);
}

/* Behind the sequence: on to the exit, unless it stands there. */
static void emit_exit(struct interp_translator *t, const struct loop_test *test,
                      uint32_t last)
{
  if (test->exit == last + 1)
    return;
  interp_emit(t, test->exit <= last ? INTERP_jmp_back : INTERP_jmp, last, last);
  interp_emit_target(t, test->exit);
}

static uint32_t fuse_loop_jump(struct interp_translator *t, uint32_t i)
{
  struct loop_test test;
  if (!loop_test_of_jump(t, i, &test))
    return 0;
  emit_test(t, &test, i);
  emit_exit(t, &test, i);
  return 1;
}

/* Is what the test leaves in the accumulator used? */
static bool acc_live_after_test(const struct interp_translator *t,
                                uint32_t next)
{
  uint32_t first =
      op_at(t, next) == VM_OP_JMP ? t->insns[next].operand.target : next;
  return interp_acc_live(t, first + 1);
}

/* d += x (an immediate or a register), then a test of d against a register.
   `next` is the first instruction behind the addition. */
static uint32_t fuse_add_and_test(struct interp_translator *t,
                                  const struct interp_bin *bin, uint32_t i,
                                  uint32_t next)
{
  if (bin->family != INTERP_add32_aar || bin->dest < 0 ||
      bin->dest != bin->left || !is_sound(t, next))
    return 0;
  struct loop_test test;
  if (interp_can_follow(t, next) && op_at(t, next) == VM_OP_JMP) {
    if (!loop_test_of_jump(t, next, &test))
      return 0;
  } else if (!test_at(t, next, &test))
    return 0;
  uint32_t last = next + test.length - 1;
  if (test.right == bin->dest && test.left != bin->dest && !test.wide &&
      !acc_live_after_test(t, next)) {
    test.right = test.left;
    test.left = bin->dest;
    test.condition = interp_condition_swapped(test.condition);
  }
  if (test.left != bin->dest || test.right < 0 || test.wide)
    return 0;
  unsigned family = bin->right_is_imm ? INTERP_j_inc_eq : INTERP_j_add_eq;
  bool back = test.target <= i;
  union interp_word *out = interp_emit(
      t, family + test.condition + (back ? INTERP_JUMP_BACK : 0), i, i);
  out[1].i.a = (uint16_t)test.left;
  out[1].i.b = (uint16_t)test.right;
  if (bin->right_is_imm)
    out[2].i.x = bin->imm;
  else
    out[2].r.a = (uint16_t)bin->right;
  interp_emit_target(t, test.target);
  emit_exit(t, &test, last);
  return last + 1 - i;
}

static uint32_t fuse_add_and_jump(struct interp_translator *t,
                                  const struct interp_bin *bin, uint32_t i,
                                  uint32_t next)
{
  if (bin->family != INTERP_add32_aar || bin->dest < 0 ||
      bin->dest != bin->left || !bin->right_is_imm ||
      !interp_can_follow(t, next) || op_at(t, next) != VM_OP_JMP ||
      t->insns[next].operand.target > i)
    return 0;
  union interp_word *out = interp_emit(t, INTERP_inc_jmp_back, i, i);
  out[1].i.a = (uint16_t)bin->dest;
  out[2].i.x = bin->imm;
  interp_emit_target(t, t->insns[next].operand.target);
  return next + 1 - i;
}

/* --- Binary operations --- */

/* a * b, then + or - c into a register: `fadd2 c; sta d` or `fadd2v d, c`. */
static uint32_t fuse_multiply_add(struct interp_translator *t,
                                  const struct interp_bin *bin, uint32_t i,
                                  uint32_t next)
{
  if (bin->family != INTERP_fmul64_aar || bin->dest >= 0 ||
      !interp_can_follow(t, next))
    return 0;
  struct interp_bin sum;
  unsigned op = op_at(t, next);
  uint32_t last = next;
  if (!interp_bin_of(&t->insns[next], &sum))
    return 0;
  if (op == VM_OP_FADD2_64 || op == VM_OP_FSUB2_64) {
    if (!ends_in_sta(t, ++last, true))
      return 0;
    sum.dest = t->insns[last].regs[0];
  } else if ((op != VM_OP_FADD2V_64 && op != VM_OP_FSUB2V_64) ||
             interp_acc_live(t, last))
    return 0;
  op =
      sum.family == INTERP_fadd64_aar ? INTERP_fmuladd64_r : INTERP_fmulsub64_r;
  union interp_word *out = interp_emit(t, op + (bin->left < 0), i, i);
  out[1].r.a = (uint16_t)sum.dest;
  out[1].r.b = (uint16_t)(bin->left >= 0 ? bin->left : 0);
  out[1].r.c = (uint16_t)bin->right;
  out[1].r.d = (uint16_t)sum.right;
  return last + 1 - i;
}

/* Takes the left operand from a preceding `lda`: j becomes the operation. */
static bool binary_at(const struct interp_translator *t, uint32_t i,
                      uint32_t *operation, struct interp_bin *bin)
{
  unsigned width = lda_width(op_at(t, i));
  if (width == WIDTH_NONE) {
    *operation = i;
    return interp_bin_of(&t->insns[i], bin);
  }
  if (!interp_can_follow(t, i + 1) || !interp_bin_of(&t->insns[i + 1], bin) ||
      bin->left >= 0 ||
      (interp_bin_table[op_at(t, i + 1)].wide && width == WIDTH_32) ||
      (bin->dest >= 0 && interp_acc_live(t, i + 1)))
    return false;
  bin->left = t->insns[i].regs[0];
  *operation = i + 1;
  return true;
}

static uint32_t fuse_binary(struct interp_translator *t, uint32_t i)
{
  struct interp_bin bin;
  uint32_t operation, length;
  if (!binary_at(t, i, &operation, &bin))
    return 0;
  bool wide = interp_bin_table[op_at(t, operation)].wide;
  uint32_t next = operation + 1;
  if ((length = fuse_multiply_add(t, &bin, i, next)) != 0)
    return length;
  if (bin.dest < 0 && ends_in_sta(t, next, wide))
    bin.dest = t->insns[next++].regs[0];
  if ((length = fuse_add_and_test(t, &bin, i, next)) != 0 ||
      (length = fuse_add_and_jump(t, &bin, i, next)) != 0)
    return length;
  if (next - i == 1)
    return 0;
  interp_emit_bin(t, &bin, i, operation);
  return next - i;
}

/* --- Compare and jump --- */

static uint32_t fuse_register_jump(struct interp_translator *t, uint32_t i)
{
  struct loop_test test;
  if (!test_at(t, i, &test))
    return 0;
  uint32_t length = interp_can_follow(t, i + 1) ? 2 : 1;
  emit_test(t, &test, i);
  emit_exit(t, &test, i + length - 1);
  return length;
}

static uint32_t fuse_immediate_jump(struct interp_translator *t, uint32_t i)
{
  unsigned condition;
  bool against_zero;
  if (op_at(t, i) != VM_OP_LDAI || !interp_can_follow(t, i + 1) ||
      !interp_condition_of(op_at(t, i + 1), &condition, &against_zero) ||
      against_zero)
    return 0;
  const struct vm_insn *jump = &t->insns[i + 1];
  bool back = jump->operand.target <= i;
  union interp_word *out = interp_emit(
      t, INTERP_j_ir_eq + condition + (back ? INTERP_JUMP_BACK : 0), i, i);
  out[1].i.b = jump->regs[0];
  out[2].i64 = (int32_t)t->insns[i].operand.imm;
  interp_emit_target(t, jump->operand.target);
  return 2;
}

/* Families for [lda a;] cmp b; jccz: accumulator and register forms. */
static unsigned compare_family(unsigned op, bool *wide)
{
  *wide = true;
  switch (op) {
  case VM_OP_CMP_64:
    return INTERP_j_cmp64_ar_eq;
  case VM_OP_UCMP_64:
    return INTERP_j_ucmp64_ar_eq;
  case VM_OP_FCMPL_64:
    return INTERP_j_fcmpl64_ar_eq;
  case VM_OP_FCMPG_64:
    return INTERP_j_fcmpg64_ar_eq;
  default:
    break;
  }
  *wide = false;
  switch (op) {
  case VM_OP_UCMP:
    return INTERP_j_ucmp32_ar_eq;
  case VM_OP_FCMPL:
    return INTERP_j_fcmpl32_ar_eq;
  case VM_OP_FCMPG:
    return INTERP_j_fcmpg32_ar_eq;
  default:
    return 0;
  }
}

/* Forward only: backward jumps poll, and these forms do not. */
static uint32_t fuse_wide_compare(struct interp_translator *t, uint32_t i)
{
  unsigned width = lda_width(op_at(t, i)), condition;
  uint32_t compare = i + (width != WIDTH_NONE);
  bool wide, against_zero;
  if (compare != i && !interp_can_follow(t, compare))
    return 0;
  unsigned family = compare_family(op_at(t, compare), &wide);
  if (family == 0 || (width == WIDTH_32 && wide) ||
      !interp_can_follow(t, compare + 1) ||
      !interp_condition_of(op_at(t, compare + 1), &condition, &against_zero) ||
      !against_zero || op_at(t, compare + 1) >= VM_OP_JEQZ_OBJ ||
      t->insns[compare + 1].operand.target <= compare + 1 ||
      interp_acc_live(t, compare + 1))
    return 0;
  if (compare != i)
    family += INTERP_JUMP_BACK; /* the register family follows */
  union interp_word *out = interp_emit(t, family + condition, i, i);
  if (compare != i)
    out[1].i.a = t->insns[i].regs[0];
  out[1].i.b = t->insns[compare].regs[0];
  interp_emit_target(t, t->insns[compare + 1].operand.target);
  return compare + 2 - i;
}

/* --- Arrays --- */

static uint32_t fuse_element_jump(struct interp_translator *t, uint32_t i)
{
  if (op_at(t, i) != VM_OP_LDA || !interp_can_follow(t, i + 1) ||
      op_at(t, i + 1) != VM_OP_LDARRU_8 || !interp_can_follow(t, i + 2))
    return 0;
  const struct vm_insn *jump = &t->insns[i + 2];
  if ((jump->op != VM_OP_JEQZ && jump->op != VM_OP_JNEZ) ||
      jump->operand.target <= i + 2)
    return 0;
  union interp_word *out = interp_emit(
      t, jump->op == VM_OP_JEQZ ? INTERP_j_ldarr_u8_eqz : INTERP_j_ldarr_u8_nez,
      i, i + 1);
  out[1].i.a = t->insns[i + 1].regs[0];
  out[1].i.b = t->insns[i].regs[0];
  interp_emit_target(t, jump->operand.target);
  return 3;
}

static uint32_t fuse_element_load(struct interp_translator *t, uint32_t i)
{
  uint32_t load = i + (op_at(t, i) == VM_OP_LDA);
  if (load != i && !interp_can_follow(t, load))
    return 0;
  unsigned op = op_at(t, load), family = interp_element_load(op);
  if (family == 0)
    return 0;
  bool wide =
      op == VM_OP_LDARR_64 || op == VM_OP_FLDARR_64 || op == VM_OP_LDARR_OBJ;
  uint32_t next = load + 1;
  bool to_register = ends_in_sta(t, next, wide);
  if (load == i && !to_register)
    return 0;
  union interp_word *out =
      interp_emit(t,
                  family + (to_register ? INTERP_LOAD_DEST_REG : 0) +
                      (load != i ? INTERP_LOAD_INDEX_REG : 0),
                  i, load);
  out[1].r.b = t->insns[load].regs[0];
  if (load != i)
    out[1].r.c = t->insns[i].regs[0];
  if (to_register)
    out[1].r.a = t->insns[next++].regs[0];
  return next - i;
}

static uint32_t fuse_element_store(struct interp_translator *t, uint32_t i)
{
  unsigned width = lda_width(op_at(t, i));
  if (width == WIDTH_NONE || !interp_can_follow(t, i + 1))
    return 0;
  unsigned op = op_at(t, i + 1), family = interp_element_store(op);
  bool wide =
      op == VM_OP_STARR_64 || op == VM_OP_FSTARR_64 || op == VM_OP_STARR_OBJ;
  if (family == 0 || wide != (width == WIDTH_64))
    return 0;
  union interp_word *out = interp_emit(t, family + 1, i, i + 1);
  out[1].r.a = t->insns[i].regs[0];
  out[1].r.b = t->insns[i + 1].regs[0];
  out[1].r.c = t->insns[i + 1].regs[1];
  return 2;
}

/* ldai x; starr array, index. */
static uint32_t fuse_constant_store(struct interp_translator *t, uint32_t i)
{
  if (op_at(t, i) != VM_OP_LDAI || !interp_can_follow(t, i + 1))
    return 0;
  unsigned op = op_at(t, i + 1);
  if (op != VM_OP_STARR_8 && op != VM_OP_STARR)
    return 0;
  union interp_word *out = interp_emit(
      t, op == VM_OP_STARR_8 ? INTERP_starr_8_i : INTERP_starr_32_i, i, i + 1);
  out[1].r.a = t->insns[i + 1].regs[0];
  out[1].r.b = t->insns[i + 1].regs[1];
  out[2].i64 = (int32_t)t->insns[i].operand.imm;
  return 2;
}

static uint32_t fuse_length(struct interp_translator *t, uint32_t i)
{
  if (op_at(t, i) != VM_OP_LENARR || !ends_in_sta(t, i + 1, false))
    return 0;
  union interp_word *out = interp_emit(t, INTERP_lenarr_r, i, i);
  out[1].r.a = t->insns[i + 1].regs[0];
  out[1].r.b = t->insns[i].regs[0];
  return 2;
}

/* --- Fields --- */

/* ldobj; sta and lda; stobj: the register forms of the same access.  Only
   where the field is known already. */
static uint32_t fuse_field(struct interp_translator *t, uint32_t i)
{
  bool store = lda_width(op_at(t, i)) != WIDTH_NONE;
  uint32_t access = i + store;
  if (store && (!interp_can_follow(t, access) || interp_acc_live(t, access)))
    return 0;
  unsigned op = op_at(t, access);
  if (vm_op_table[op].form != VM_FORM_V_FIELD ||
      store != (op >= VM_OP_STOBJ && op <= VM_OP_STOBJ_OBJ))
    return 0;
  union interp_word encoded[INTERP_CALL_WORDS];
  if (!interp_encode(t->vm, t->method, access, encoded))
    return 0;
  bool full = encoded[0].handler == interp_handlers[INTERP_ldobj_64_a] ||
              encoded[0].handler == interp_handlers[INTERP_stobj_64_a] ||
              encoded[0].handler == interp_handlers[INTERP_ldobj_ref_a] ||
              encoded[0].handler == interp_handlers[INTERP_stobj_ref_a];
  if (store ? full && lda_width(op_at(t, i)) == WIDTH_32
            : !ends_in_sta(t, access + 1, full))
    return 0;
  unsigned quick = 0;
  while (interp_handlers[quick] != encoded[0].handler)
    quick++;
  if (quick >= INTERP_vldobj_i8_a)
    return 0; /* volatile */
  union interp_word *out = interp_emit(t, quick + 1, i, access);
  out[1].i.a = t->insns[store ? i : access + 1].regs[0];
  out[1].i.b = t->insns[access].regs[0];
  out[1].i.x = encoded[1].i.x;
  return 2;
}

/* --- Moves and returns --- */

static uint32_t fuse_move(struct interp_translator *t, uint32_t i)
{
  unsigned width = lda_width(op_at(t, i));
  if (width == WIDTH_NONE || !ends_in_sta(t, i + 1, width == WIDTH_64))
    return 0;
  unsigned op = width == WIDTH_64 ? INTERP_mov : INTERP_mov32;
  union interp_word *out = interp_emit(t, op, i, i);
  out[1].r.a = t->insns[i + 1].regs[0];
  out[1].r.b = t->insns[i].regs[0];
  return 2;
}

static uint32_t fuse_constant_move(struct interp_translator *t, uint32_t i)
{
  if (op_at(t, i) != VM_OP_LDAI || !ends_in_sta(t, i + 1, false))
    return 0;
  union interp_word *out = interp_emit(t, INTERP_movi, i, i);
  out[1].i.a = t->insns[i + 1].regs[0];
  out[1].i.x = (int32_t)t->insns[i].operand.imm;
  return 2;
}

static uint32_t fuse_return(struct interp_translator *t, uint32_t i)
{
  if (!interp_can_follow(t, i + 1))
    return 0;
  unsigned op = op_at(t, i + 1);
  if (op != VM_OP_RETURN && op != VM_OP_RETURN_64 && op != VM_OP_RETURN_OBJ)
    return 0;
  unsigned width = lda_width(op_at(t, i));
  if (width != WIDTH_NONE)
    interp_emit(t, width == WIDTH_32 ? INTERP_ret_r32 : INTERP_ret_r64, i,
                i + 1)[1]
        .r.a = t->insns[i].regs[0];
  else if (op_at(t, i) == VM_OP_LDAI)
    interp_emit(t, INTERP_ret_i, i, i + 1)[1].i.x =
        (int32_t)t->insns[i].operand.imm;
  else
    return 0;
  return 2;
}

/* The longest sequences are tried first. */
uint32_t interp_fuse(struct interp_translator *t, uint32_t i)
{
  static uint32_t (*const patterns[])(struct interp_translator *, uint32_t) = {
      fuse_binary,        fuse_element_jump,   fuse_element_load,
      fuse_wide_compare,  fuse_register_jump,  fuse_immediate_jump,
      fuse_loop_jump,     fuse_element_store,  fuse_field,
      fuse_length,        fuse_return,         fuse_move,
      fuse_constant_move, fuse_constant_store,
  };
  for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
    uint32_t length = patterns[p](t, i);
    if (length != 0)
      return length;
  }
  return 0;
}
