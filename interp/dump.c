/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded code as text, for people and tests:
 *
 *   12  add32_rrr   v3, v1, v2        # from instruction 7
 */
#include "config.h"

#include "interp/code.h"
#include "interp/interp.h"

#include <inttypes.h>

enum shape {
  INTERP_SHAPE_NONE,
  INTERP_SHAPE_R1I,
  INTERP_SHAPE_R1W,
  INTERP_SHAPE_R2I,
  INTERP_SHAPE_R2W,
  INTERP_SHAPE_R3,
  INTERP_SHAPE_R4,
  INTERP_SHAPE_PTR,
  INTERP_SHAPE_INSN,
  INTERP_SHAPE_CHECK,
  INTERP_SHAPE_JUMP,
  INTERP_SHAPE_JUMP_I,
  INTERP_SHAPE_STATIC,
  INTERP_SHAPE_CALL,
  INTERP_SHAPE_CALL_RANGE,
};

static const struct {
  const char *name;
  uint8_t shape;
} op_table[INTERP_OP_COUNT] = {
#define INTERP_OP(name, words, shape)                                          \
  [INTERP_##name] = {#name, INTERP_SHAPE_##shape},
#include "interp/ops.def"
};

static unsigned op_of(const union interp_word *pc)
{
  unsigned op = 0;
  const void *handler = interp_handler_of(pc);
  while (op < INTERP_OP_COUNT && interp_handlers[op] != handler)
    op++;
  return op;
}

const char *interp_op_name(const union interp_word *pc)
{
  return op_table[op_of(pc)].name;
}

static void print_operands(unsigned op, const union interp_word *pc,
                           uint32_t word, FILE *out)
{
  switch ((enum shape)op_table[op].shape) {
  case INTERP_SHAPE_R1I:
    fprintf(out, "v%u, %" PRId32, pc[1].i.a, pc[1].i.x);
    break;
  case INTERP_SHAPE_R2I:
    fprintf(out, "v%u, v%u, %" PRId32, pc[1].i.a, pc[1].i.b, pc[1].i.x);
    break;
  case INTERP_SHAPE_R1W:
    fprintf(out, "v%u, %" PRIu64, pc[1].i.a, pc[2].u64);
    break;
  case INTERP_SHAPE_R2W:
  case INTERP_SHAPE_CHECK:
    fprintf(out, "v%u, v%u", pc[1].r.a, pc[1].r.b);
    break;
  case INTERP_SHAPE_R3:
    fprintf(out, "v%u, v%u, v%u", pc[1].r.a, pc[1].r.b, pc[1].r.c);
    break;
  case INTERP_SHAPE_R4:
    fprintf(out, "v%u, v%u, v%u, v%u", pc[1].r.a, pc[1].r.b, pc[1].r.c,
            pc[1].r.d);
    break;
  case INTERP_SHAPE_JUMP:
  case INTERP_SHAPE_JUMP_I:
    fprintf(out, "v%u, v%u, -> %" PRId64, pc[1].i.a, pc[1].i.b,
            (int64_t)word + pc[1].i.x / (int32_t)sizeof *pc);
    break;
  case INTERP_SHAPE_INSN:
    fprintf(out, "@%" PRIu64, pc[1].u64);
    break;
  case INTERP_SHAPE_CALL:
    fprintf(out, "%s, v%d, v%d, v%d, v%d",
            ((const struct vm_method *)pc[2].ptr)->name, (int16_t)pc[1].r.a,
            (int16_t)pc[1].r.b, (int16_t)pc[1].r.c, (int16_t)pc[1].r.d);
    break;
  case INTERP_SHAPE_CALL_RANGE:
    fprintf(out, "v%u.., %u", pc[1].r.a, pc[1].r.b);
    break;
  case INTERP_SHAPE_NONE:
  case INTERP_SHAPE_PTR:
  case INTERP_SHAPE_STATIC:
    break;
  }
}

bool interp_dump(struct vm_thread *thread, struct vm_method *method, FILE *out)
{
  if (interp_code_of(method) == NULL && !interp_translate(thread, method))
    return false;
  const struct interp_code *code = interp_code_of(method);
  for (uint32_t o = 0; o < code->origin_count; o++) {
    const struct interp_origin *origin = &code->origins[o];
    const union interp_word *pc = code->words + origin->word;
    unsigned op = op_of(pc);
    fprintf(out, "%5" PRIu32 "  %-20s ", origin->word, op_table[op].name);
    print_operands(op, pc, origin->word, out);
    fprintf(out, "  # %" PRIu32 "\n", origin->insn);
  }
  return true;
}
