/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow over the compiler's operations: blocks and edges, depths of
 * loops, liveness with exception handlers, how registers are used.
 *
 * Liveness is compared with a search that knows nothing of blocks, on random
 * methods.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_stub/flow_internal.h"
#include "tests/unit/jit_ops_fixture.h"
#include "tests/unit/suite.h"

static struct jit_reading reading;
static struct jit_flow *flow;

static void open_flow(const char *text)
{
  jit_reading_open(&reading, text, true);
  flow =
      jit_flow_find(reading.arena, &reading.ops, reading.method, reading.code);
  ck_assert_ptr_nonnull(flow);
}

static void close_flow(void)
{
  jit_reading_close(&reading);
}

/* --- Blocks --- */

static const struct {
  const char *text, *printed;
} methods[] = {
    /* A loop. */
    {".function i32 f(i32 a0) {\n movi v0, 0\n movi v1, 0\nl:\n lda v0\n"
     " jge a0, e\n add v1, v0\n sta v1\n inci v0, 1\n jmp l\ne:\n lda v1\n"
     " return\n}\n",
     "block 0 depth 0 -> 1 2 in v2 out v0 v1 v2\n"
     "     0  const v0 = 0\n"
     "     1  const v1 = 0\n"
     "     2  move.i32 acc = v0\n"
     "     3  branch.i32.ge v0, v2 -> 9\n"
     "block 1 depth 1 -> 2 1 in v0 v1 v2 out v0 v1 v2\n"
     "     4  arith.i32.add v1 = v1, v0\n"
     "     5  poll\n"
     "     6  arith.i32.add v0 = v0, #1\n"
     "     7  move.i32 acc = v0\n"
     "     8  branch.i32.lt v0, v2 -> 4\n"
     "block 2 depth 0 in v1 out\n"
     "     9  move.i32 acc = v1\n"
     "    10  return acc\n"
     "block 3 depth 0 unreachable in out\n"
     "    11  exit\n"},
    /* Two loops, one in the other, and what follows them. */
    {".function i32 f(i32 a0) {\n movi v0, 0\no:\n movi v1, 0\ni:\n"
     " addv v2, v1\n inci v1, 1\n lda v1\n jlt a0, i\n inci v0, 1\n lda v0\n"
     " jlt a0, o\n lda v2\n return\n}\n",
     "block 0 depth 0 -> 1 in v3 out v0 v2 v3\n"
     "     0  const v2 = 0\n"
     "     1  const v0 = 0\n"
     "block 1 depth 1 -> 2 in v0 v2 v3 out v0 v1 v2 v3\n"
     "     2  const v1 = 0\n"
     "block 2 depth 2 -> 3 2 in v0 v1 v2 v3 out v0 v1 v2 v3\n"
     "     3  arith.i32.add v2 = v2, v1\n"
     "     4  poll\n"
     "     5  arith.i32.add v1 = v1, #1\n"
     "     6  move.i32 acc = v1\n"
     "     7  branch.i32.lt v1, v3 -> 3\n"
     "block 3 depth 1 -> 4 1 in v0 v2 v3 out v0 v2 v3\n"
     "     8  poll\n"
     "     9  arith.i32.add v0 = v0, #1\n"
     "    10  move.i32 acc = v0\n"
     "    11  branch.i32.lt v0, v3 -> 2\n"
     "block 4 depth 0 in v2 out\n"
     "    12  move.i32 acc = v2\n"
     "    13  return acc\n"
     "block 5 depth 0 unreachable in out\n"
     "    14  exit\n"},
    /* A loop with two jumps back is one loop. */
    {".function i32 f(i32 a0) {\nl:\n subiv a0, a0, 1\n lda a0\n jgtz l\n"
     " inci a0, 3\n lda a0\n jltz l\n lda a0\n return\n}\n",
     "block 0 depth 1 -> 1 0 in v0 out v0\n"
     "     0  arith.i32.sub v0 = v0, #1\n"
     "     1  poll\n"
     "     2  move.i32 acc = v0\n"
     "     3  branch.i32.gt v0, #0 -> 0\n"
     "block 1 depth 1 -> 2 0 in v0 out v0\n"
     "     4  arith.i32.add v0 = v0, #3\n"
     "     5  poll\n"
     "     6  move.i32 acc = v0\n"
     "     7  branch.i32.lt v0, #0 -> 0\n"
     "block 2 depth 0 in v0 out\n"
     "     8  move.i32 acc = v0\n"
     "     9  return acc\n"
     "block 3 depth 0 unreachable in out\n"
     "    10  exit\n"},
    /* A handler: what it reads is live where it may be thrown to, but for the
       accumulator. */
    {".function i32 f(i32 a0, i32 a1) {\n movi v0, 7\nb:\n lda a0\n div2 a1\n"
     " return\ne:\nh:\n sta.obj v1\n lda v0\n return\n.catchall b, e, h\n}\n",
     "block 0 depth 0 ! 1 in v2 v3 out\n"
     "     0  const v0 = 7\n"
     "     1  arith.i32.div acc = v2, v3\n"
     "     2  return acc\n"
     "block 1 depth 0 handler in v0 acc out\n"
     "     3  move.i64 v1 = acc\n"
     "     4  move.i32 acc = v0\n"
     "     5  return acc\n"
     "block 2 depth 0 unreachable in out\n"
     "     6  exit\n"},
    /* Ranges one in the other; the outer covers the handler of the inner. */
    {".record panda.ArithmeticException <external>\n"
     ".function i32 f(i32 a0, i32 a1) {\n movi v0, 7\n movi v1, 8\nb:\n"
     " lda a0\n div2 a1\n sta v2\nc:\n lda v2\n div2 a0\n return\ne:\nh:\n"
     " lda v0\n div2 a0\n return\ng:\nk:\n lda v1\n return\n"
     ".catch panda.ArithmeticException, c, e, h\n.catchall b, g, k\n}\n",
     "block 0 depth 0 ! 2 1 in v3 v4 out\n"
     "     0  const v0 = 7\n"
     "     1  const v1 = 8\n"
     "     2  arith.i32.div v2 = v3, v4\n"
     "     3  arith.i32.div acc = v2, v3\n"
     "     4  return acc\n"
     "block 1 depth 0 handler ! 2 in v0 v1 v3 out\n"
     "     5  arith.i32.div acc = v0, v3\n"
     "     6  return acc\n"
     "block 2 depth 0 handler in v1 out\n"
     "     7  move.i32 acc = v1\n"
     "     8  return acc\n"
     "block 3 depth 0 unreachable in out\n"
     "     9  exit\n"},
    /* The value that an instruction would have defined is still the old one in
       the handler. */
    {".function i32 f(i32 a0, i32 a1) {\nb:\n lda a0\n div2v a0, a1\ne:\n"
     " ldai 0\n return\nh:\n lda a0\n return\n.catchall b, e, h\n}\n",
     "block 0 depth 0 ! 1 in v0 v1 out\n"
     "     0  arith.i32.div v0 = v0, v1\n"
     "     1  const acc = 0\n"
     "     2  return acc\n"
     "block 1 depth 0 handler in v0 out\n"
     "     3  move.i32 acc = v0\n"
     "     4  return acc\n"
     "block 2 depth 0 unreachable in out\n"
     "     5  exit\n"},
    /* Nothing in the range can throw, so that nothing leads to the handler. */
    {".function i32 f(i32 a0) {\nb:\n lda a0\n return\ne:\nh:\n ldai 1\n"
     " return\n.catchall b, e, h\n}\n",
     "block 0 depth 0 in v0 out\n"
     "     0  move.i32 acc = v0\n"
     "     1  return acc\n"
     "block 1 depth 0 unreachable in out\n"
     "     2  exit\n"},
    /* Throwing leaves a method, or goes to its handler. */
    {".function i32 f(R a0, i32 a1) {\nb:\n throw a0\ne:\nh:\n lda a1\n"
     " return\n.catchall b, e, h\n}\n.record R {\n}\n",
     "block 0 depth 0 ! 1 in v0 v1 out\n"
     "     0  throw v0\n"
     "block 1 depth 0 handler in v1 out\n"
     "     1  move.i32 acc = v1\n"
     "     2  return acc\n"
     "block 2 depth 0 unreachable in out\n"
     "     3  exit\n"},
    /* Where the interpreter goes on everything is live. */
    {".function i32 f(i32 a0) {\n movi v0, 1\n lda.str \"x\"\n sta.obj v1\n"
     " ldai 0\n return\n}\n",
     "block 0 depth 0 in v1 v2 acc out\n"
     "     0  const v0 = 1\n"
     "     1  exit\n"
     "block 1 depth 0 unreachable in out\n"
     "     2  move.i64 v1 = acc\n"
     "     3  const acc = 0\n"
     "     4  return acc\n"
     "block 2 depth 0 unreachable in out\n"
     "     5  exit\n"},
};

START_TEST(the_blocks_of_a_method_are)
{
  char *text;
  size_t bytes;
  open_flow(methods[_i].text);
  FILE *out = open_memstream(&text, &bytes);
  jit_flow_print(flow, out);
  fclose(out);
  ck_assert_str_eq(text, methods[_i].printed);
  free(text);
  close_flow();
}
END_TEST

static void check_blocks(void)
{
  uint32_t next = 0, edges = 1, predecessors = 0;
  for (uint32_t b = 0; b < flow->block_count; b++) {
    const struct jit_block *block = &flow->blocks[b];
    ck_assert_uint_eq(block->first, next);
    ck_assert_uint_gt(block->count, 0);
    for (uint32_t i = 0; i < block->count; i++)
      ck_assert_uint_eq(flow->block_of[next++], b);
    edges += block->is_reachable ? block->successor_count : 0;
    predecessors += block->predecessor_count;
  }
  ck_assert_uint_eq(next, reading.ops.count);
  ck_assert_uint_eq(edges, predecessors);
}

START_TEST(blocks_tile_the_method_and_count_their_edges)
{
  for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
    open_flow(methods[m].text);
    check_blocks();
    close_flow();
  }
}
END_TEST

/* --- Liveness, searched for --- */

static bool uses_operand;

static void compare_operand(void *context, int32_t operand)
{
  if (operand == *(int32_t *)context)
    uses_operand = true;
}

static bool reads(const struct jit_op *op, int32_t operand)
{
  uses_operand = op->kind == JIT_OP_EXIT;
  jit_op_uses(op, compare_operand, &operand);
  return uses_operand;
}

struct search {
  uint32_t *stack, height;
  bool *seen;
};

static void go_to(struct search *search, uint32_t op)
{
  if (search->seen[op])
    return;
  search->seen[op] = true;
  search->stack[search->height++] = op;
}

static void go_to_handlers(struct search *search, const struct jit_op *op)
{
  const struct vm_function_def *function = reading.method->function;
  uint32_t fault =
      interp_origin_of(reading.code, reading.code->words + op->word)->fault;
  for (uint32_t c = 0; c < function->catch_count; c++) {
    const struct vm_catch *catch = &function->catches[c];
    uint32_t word = reading.code->insn_words[catch->handler];
    if (catch->begin <= fault && fault < catch->end && word != UINT32_MAX)
      go_to(search, reading.ops.by_word[word]);
  }
}

static void go_on(struct search *search, uint32_t i)
{
  const struct jit_op *op = &reading.ops.ops[i];
  if (op->kind == JIT_OP_JUMP || op->kind == JIT_OP_BRANCH)
    go_to(search, op->target);
  if (op->kind != JIT_OP_JUMP && op->kind != JIT_OP_RETURN &&
      op->kind != JIT_OP_THROW && op->kind != JIT_OP_EXIT)
    go_to(search, i + 1);
}

/* Is there a way from behind this operation to one that reads the operand
   before it is defined? */
static bool is_live_after(uint32_t i, int32_t operand)
{
  struct search search = {calloc(reading.ops.count, sizeof(uint32_t)), 0,
                          calloc(reading.ops.count, sizeof(bool))};
  bool live = false;
  go_on(&search, i);
  while (!live && search.height != 0) {
    uint32_t at = search.stack[--search.height];
    const struct jit_op *op = &reading.ops.ops[at];
    live = reads(op, operand);
    if (jit_op_may_throw(op) && operand != JIT_ACC)
      go_to_handlers(&search, op);
    if (jit_op_dest(op) != operand)
      go_on(&search, at);
  }
  free(search.stack);
  free(search.seen);
  return live;
}

static uint32_t visited;

static void compare_live(void *context, uint32_t op, const uint64_t *live)
{
  const char *text = context;
  visited++;
  for (int32_t v = JIT_ACC; v < (int32_t)flow->reg_count; v++) {
    bool found = jit_flow_has(flow, live, v);
    ck_assert_msg(found == is_live_after(op, v),
                  "operand %d is %slive after operation %u:\n%s", (int)v,
                  found ? "" : "not ", op, text);
  }
}

static void check_liveness(const char *text)
{
  ck_assert(!flow->everything_live);
  for (uint32_t b = 0; b < flow->block_count; b++) {
    if (!flow->blocks[b].is_reachable)
      continue;
    visited = 0;
    jit_flow_walk_live(flow, b, compare_live, (void *)text);
    ck_assert_uint_eq(visited, flow->blocks[b].count);
  }
}

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
  random_state ^= random_state << 13; /* Marsaglia, Xorshift RNGs, 2003 */
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 11) % limit;
}

static const char *const forms[] = {
    "lda R",           "lda R",     "sta R",    "ldai 5", "add2 R",
    "mul2v R, R",      "movi R, 1", "neg",      "div2 R", "mov R, R",
    "inci R, 1",       "jeqz L",    "jlt R, L", "jmp L",  "div2v R, R",
    "call.short g, R", "lenarr a2", "return",
};

enum { LABELS = 6, LINES = 40, VREGS = 5 };

static void print_line(FILE *out, const char *form)
{
  for (; *form; form++)
    if (*form == 'R')
      fprintf(out, "v%u", random_below(VREGS));
    else if (*form == 'L')
      fprintf(out, "l%u", random_below(LABELS));
    else
      fputc(*form, out);
  fputc('\n', out);
}

/* Never run, so that loops need not end. */
static char *random_text(unsigned seed)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  random_state = 0x9e3779b97f4a7c15u * (seed + 1);
  fprintf(out, ".function i32 g(i32 a0) {\n lda a0\n return\n}\n"
               ".function i32 f(i32 a0, i32 a1, i32[] a2) {\n ldai 1\n");
  for (unsigned line = 0, label = 0; line < LINES; line++) {
    if (line % (LINES / LABELS) == 0 && label < LABELS)
      fprintf(out, " ldai 2\nl%u:\n", label++);
    print_line(out, forms[random_below(sizeof forms / sizeof *forms)]);
  }
  fprintf(out, " return\nh0:\n lda v0\n return\nh1:\n lda v1\n jmp l2\n");
  for (unsigned h = 0; h < 2; h++) {
    unsigned begin = random_below(LABELS - 1);
    fprintf(out, ".catchall l%u, l%u, h%u\n", begin,
            begin + 1 + random_below(LABELS - begin - 1), h);
  }
  fprintf(out, "}\n");
  fclose(out);
  return text;
}

START_TEST(liveness_is_what_a_search_finds)
{
  for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
    open_flow(methods[m].text);
    check_liveness(methods[m].text);
    close_flow();
  }
}
END_TEST

START_TEST(liveness_is_what_a_search_finds_in_random_methods)
{
  for (unsigned seed = 0; seed < 10; seed++) {
    char *text = random_text(seed + 10u * (unsigned)_i);
    open_flow(text);
    check_blocks();
    check_liveness(text);
    close_flow();
    free(text);
  }
}
END_TEST

/* --- What costs too much --- */

static char *many_blocks(unsigned reg, unsigned blocks)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, ".function i32 f(i32 a0) {\n mov v%u, a0\n movi v0, 1\n", reg);
  for (unsigned b = 0; b < blocks; b++)
    fprintf(out, " lda v0\n jeqz l%u\nl%u:\n", b, b);
  fprintf(out, " lda v0\n return\n}\n");
  fclose(out);
  return text;
}

START_TEST(everything_is_live_when_sets_would_be_too_large)
{
  static const struct {
    unsigned reg, blocks;
    bool everything;
  } sizes[] = {{60000, 600, true}, {60000, 60, false}, {600, 600, false}};
  for (size_t i = 0; i < 3; i++) {
    char *text = many_blocks(sizes[i].reg, sizes[i].blocks);
    open_flow(text);
    ck_assert_int_eq(flow->everything_live, sizes[i].everything);
    ck_assert_int_eq(jit_flow_has(flow, flow->blocks[1].live_in, 3),
                     sizes[i].everything);
    close_flow();
    free(text);
  }
}
END_TEST

/* Each block jumps to the one before it, so that what the first reads comes
   to the last by one block in each pass. */
static char *backward_chain(unsigned blocks)
{
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, ".function i32 f(i32 a0) {\n jmp l%u\nl0:\n lda a0\n return\n",
          blocks - 1);
  for (unsigned b = 1; b < blocks; b++)
    fprintf(out, "l%u:\n inci v0, 1\n jmp l%u\n", b, b - 1);
  fprintf(out, "}\n");
  fclose(out);
  return text;
}

START_TEST(everything_is_live_when_it_would_take_too_long)
{
  for (unsigned i = 0; i < 2; i++) {
    char *text = backward_chain(i == 0 ? 40 : 400);
    open_flow(text);
    ck_assert_int_eq(flow->everything_live, i != 0);
    ck_assert(jit_flow_has(flow, flow->blocks[0].live_out, 1));
    close_flow();
    free(text);
  }
}
END_TEST

/* --- Uses --- */

struct use {
  uint64_t whole, narrow, floating, neutral;
  bool is_written_wide, is_read_wide;
};

static void check_use(int32_t reg, struct use want)
{
  const struct jit_reg_use *use = &flow->regs[reg];
  ck_assert_uint_eq(use->whole, want.whole);
  ck_assert_uint_eq(use->narrow, want.narrow);
  ck_assert_uint_eq(use->floating, want.floating);
  ck_assert_uint_eq(use->neutral, want.neutral);
  ck_assert_int_eq(use->is_written_wide, want.is_written_wide);
  ck_assert_int_eq(use->is_read_wide, want.is_read_wide);
}

START_TEST(uses_weigh_by_the_depth_of_their_loops)
{
  open_flow(methods[1].text);
  /* v0: set once; counted and compared in the outer loop */
  check_use(0, (struct use){.narrow = 8 + 8 + 8, .neutral = 1 + 8});
  /* v1: set in the outer; added to v2, counted and compared in the inner */
  check_use(1, (struct use){.narrow = 64 + 64 + 64 + 64, .neutral = 8 + 64});
  close_flow();
}
END_TEST

START_TEST(a_depth_beyond_four_weighs_no_more)
{
  open_flow(".function i32 f(i32 a0) {\na:\nb:\n inci v1, 1\nc:\n inci v1, 1\n"
            "d:\n inci v1, 1\ne:\n inci v1, 1\ng:\n inci v0, 1\n"
            " lda a0\n jeqz g\n lda a0\n jeqz e\n lda a0\n jeqz d\n"
            " lda a0\n jeqz c\n lda a0\n jeqz b\n ldai 0\n return\n}\n");
  uint32_t deepest = 0;
  for (uint32_t b = 0; b < flow->block_count; b++)
    if (flow->blocks[b].depth > deepest)
      deepest = flow->blocks[b].depth;
  ck_assert_uint_eq(deepest, 5);
  check_use(0, (struct use){.narrow = 2 * 4096, .neutral = 1});
  check_use(1, (struct use){.narrow = 2 * (8 + 64 + 512 + 4096), .neutral = 1});
  close_flow();
}
END_TEST

START_TEST(uses_tell_integers_references_and_floating_numbers)
{
  open_flow(".record R {\n i32 i\n i64 l\n R r\n i8 b\n}\n"
            ".function i32 f(i32 a0, i64 a1, f64 a2, R a3, i32[] a4) {\n"
            " lda a0\n add2 a0\n sta v0\n"           /* v0: narrow */
            " lda.64 a1\n add2.64 a1\n sta.64 v1\n"  /* v1: whole, wide */
            " lda.64 a2\n fadd2.64 a2\n sta.64 v2\n" /* v2: floating, wide */
            " movi v3, 5\n"                          /* v3: neutral */
            " movi.64 v4, 0x123456789a\n"            /* v4: neutral, wide */
            " ldobj.obj a3, R.r\n sta.obj v5\n"      /* v5: whole, wide */
            " ldobj a3, R.b\n sta v6\n"              /* v6: narrow */
            " ldobj.64 a3, R.l\n sta.64 v7\n"        /* v7: neutral, wide */
            " lda a0\n ldarr a4\n sta v8\n"          /* v8: neutral */
            " lenarr a4\n sta v9\n"                  /* v9: narrow */
            " mov.64 v10, a1\n"                      /* v10: neutral, wide */
            " ldai 0\n return\n}\n");
  check_use(0, (struct use){.narrow = 1});
  check_use(1, (struct use){.whole = 1, .is_written_wide = true});
  check_use(2, (struct use){.floating = 1, .is_written_wide = true});
  check_use(3, (struct use){.neutral = 1});
  check_use(4, (struct use){.neutral = 1, .is_written_wide = true});
  check_use(5, (struct use){.whole = 1, .is_written_wide = true});
  check_use(6, (struct use){.narrow = 1});
  check_use(7, (struct use){.neutral = 1, .is_written_wide = true});
  check_use(8, (struct use){.neutral = 1});
  check_use(9, (struct use){.narrow = 1});
  check_use(10, (struct use){.neutral = 1, .is_written_wide = true});
  /* The parameters: as they are passed, and as they are read. */
  check_use(11, (struct use){.narrow = 3});
  check_use(12, (struct use){.whole = 2, .neutral = 1, true, true});
  check_use(13, (struct use){.floating = 2,
                             .is_written_wide = true,
                             .is_read_wide = true});
  check_use(14, (struct use){
                    .whole = 3, .is_written_wide = true, .is_read_wide = true});
  check_use(15, (struct use){
                    .whole = 2, .is_written_wide = true, .is_read_wide = true});
  close_flow();
}
END_TEST

START_TEST(what_cannot_be_reached_is_not_used)
{
  open_flow(methods[6].text);
  uint32_t unreachable = 0;
  for (uint32_t b = 0; b < flow->block_count; b++)
    unreachable += !flow->blocks[b].is_reachable;
  ck_assert_uint_ge(unreachable, 1);
  check_use(0, (struct use){.neutral = 1});
  close_flow();
}
END_TEST

/* The class of the array is not found yet, as when there was no memory for it, so
   the instruction is left to the interpreter.
   See Note [What the interpreter writes].
   v1: by it, v2: behind it, v3: not at all. */
START_TEST(what_the_interpreter_writes_meanwhile_may_be_wide)
{
  open_flow(".record R <external>\n.function i32 f(i32 a0) {\n"
            " movi v0, 3\n mov.null v1\n movi.64 v2, 5\n movi v3, 7\n"
            "again:\n inci a0, -1\n lda a0\n jgtz again\n"
            " newarr v1, v0, R[]\n movi.64 v2, 0x10000000001\n"
            " inci a0, 1\n lda a0\n jltz again\n lenarr v1\n return\n}\n");
  ck_assert(!flow->regs[0].is_written_wide);
  ck_assert(flow->regs[1].is_written_wide);
  ck_assert(flow->regs[2].is_written_wide);
  ck_assert(!flow->regs[3].is_written_wide);
  close_flow();
}
END_TEST

/* --- Without memory --- */

START_TEST(finding_without_memory_fails)
{
  unsigned failures = 0;
  open_flow(methods[4].text);
  for (size_t bytes = 0;; bytes += 16) {
    struct mm_arena *arena = jit_arena_of(bytes);
    struct jit_flow *found =
        jit_flow_find(arena, &reading.ops, reading.method, reading.code);
    bool done = found != NULL;
    if (done)
      ck_assert_uint_eq(found->block_count, flow->block_count);
    else
      failures++;
    mm_arena_destroy(arena);
    if (done)
      break;
  }
  ck_assert_uint_gt(failures, 20);
  close_flow();
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("jit_flow");
  tcase_add_loop_test(tests, the_blocks_of_a_method_are, 0,
                      (int)(sizeof methods / sizeof *methods));
  tcase_add_test(tests, blocks_tile_the_method_and_count_their_edges);
  tcase_add_test(tests, liveness_is_what_a_search_finds);
  tcase_add_loop_test(tests, liveness_is_what_a_search_finds_in_random_methods,
                      0, 10);
  tcase_add_test(tests, everything_is_live_when_sets_would_be_too_large);
  tcase_add_test(tests, everything_is_live_when_it_would_take_too_long);
  tcase_add_test(tests, uses_weigh_by_the_depth_of_their_loops);
  tcase_add_test(tests, a_depth_beyond_four_weighs_no_more);
  tcase_add_test(tests, uses_tell_integers_references_and_floating_numbers);
  tcase_add_test(tests, what_cannot_be_reached_is_not_used);
  tcase_add_test(tests, what_the_interpreter_writes_meanwhile_may_be_wide);
  tcase_add_test(tests, finding_without_memory_fails);
  return suite_main("jit_flow", (TCase *[]){tests, NULL});
}
