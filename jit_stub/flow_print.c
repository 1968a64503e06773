/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow as text: a line for each block, then its operations.
 *
 *   block 2 depth 1 loop -> 3 2 ! 5 in v0 v3 acc out v0
 */
#include "config.h"

#include "jit_stub/flow.h"

#include <inttypes.h>
#include <stdio.h>

static void print_set(const struct jit_flow *flow, const char *name,
                      const uint64_t *set, FILE *out)
{
  fprintf(out, " %s", name);
  for (uint32_t v = 0; v < flow->reg_count; v++)
    if (jit_flow_has(flow, set, (int32_t)v))
      fprintf(out, " v%" PRIu32, v);
  if (jit_flow_has(flow, set, JIT_ACC))
    fputs(" acc", out);
}

static void print_block(const struct jit_flow *flow, uint32_t b, FILE *out)
{
  const struct jit_block *block = &flow->blocks[b];
  fprintf(out, "block %" PRIu32 " depth %" PRIu32 "%s%s%s", b, block->depth,
          block->is_handler ? " handler" : "",
          block->is_loop_entry ? " loop" : "",
          block->is_reachable ? "" : " unreachable");
  for (uint32_t s = 0; s < block->successor_count; s++)
    fprintf(out, "%s %" PRIu32, s == 0 ? " ->" : "", block->successors[s]);
  for (uint32_t h = 0; h < block->handler_count; h++)
    fprintf(out, "%s %" PRIu32, h == 0 ? " !" : "", block->handlers[h]);
  print_set(flow, "in", block->live_in, out);
  print_set(flow, "out", block->live_out, out);
  fputc('\n', out);
}

void jit_flow_print(const struct jit_flow *flow, void *file)
{
  for (uint32_t b = 0; b < flow->block_count; b++) {
    print_block(flow, b, file);
    for (uint32_t i = 0; i < flow->blocks[b].count; i++) {
      uint32_t op = flow->blocks[b].first + i;
      fprintf(file, "  %4" PRIu32 "  ", op);
      jit_op_print(&flow->ops->ops[op], file);
      fputc('\n', file);
    }
  }
}
