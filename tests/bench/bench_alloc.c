/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memory manager's basic moves cost, in nanoseconds: allocating an
 * object of 24 bytes in a TLAB, evacuating and compacting one of a tree.
 * Prints a line each, of the median over ROUNDS rounds.
 *
 *   usage: bench_alloc [WORKERS]
 *
 * The time of a pause is divided by the objects that were alive in it, so
 * roots, stopping and resizing are in the figure.
 */
#include "mm/mm_inline.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
  LEFT = 8,
  RIGHT = 12,
  NODE_BYTES = 24,
  ROUNDS = 9,
  ALLOCATIONS = 10000000,
  TREE_DEPTH = 19, /* 2^20 - 1 nodes, 24 MiB */
  HEAP_WIDE_MIB = 256,
  HEAP_TIGHT_MIB = 33, /* no room to evacuate the tree */
};

struct program {
  struct mm_mutator mutator;
  struct mm_layout *node;
  struct mm_ref tree;
};

static void visit_globals(void *host, struct mm_root_visitor *visitor)
{
  struct program *program = host;
  visitor->slot(visitor, &program->tree, MM_ROOT_GLOBAL);
}

static void visit_mutator(void *host, struct mm_mutator *mutator,
                          struct mm_root_visitor *visitor)
{
  (void)host, (void)mutator, (void)visitor;
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  (void)host, (void)visitor;
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  (void)host, (void)layout;
  snprintf(name, name_bytes, "Node");
}

static const struct mm_binding binding = {
    .visit_global_roots = visit_globals,
    .visit_mutator_roots = visit_mutator,
    .visit_weak = visit_weak,
    .layout_name = layout_name,
};

static void give_up(const char *text)
{
  fprintf(stderr, "bench_alloc: %s\n", text);
  exit(1);
}

static void open_heap(struct program *program, uint64_t max_mib,
                      unsigned workers)
{
  struct mm_options options;
  struct mm_error error;
  struct mm_heap *heap;
  mm_options_init(&options);
  options.gc = MM_GC_STW;
  options.heap_max_bytes = options.heap_min_bytes = max_mib << 20;
  options.workers = workers;
  *program = (struct program){.node = NULL};
  if (mm_heap_create(&options, &binding, program, &heap, &error) != MM_OK)
    give_up(error.text);
  program->node = mm_metadata_alloc(heap, sizeof *program->node);
  if (!program->node || mm_mutator_attach(heap, &program->mutator) != MM_OK)
    give_up("no memory to start with");
  *program->node = (struct mm_layout){
      .base_bytes = NODE_BYTES, .ref_map = 1 << LEFT / 4 | 1 << RIGHT / 4};
}

static void close_heap(struct program *program)
{
  struct mm_heap *heap = program->mutator.heap;
  mm_mutator_detach(&program->mutator);
  mm_heap_destroy(heap);
}

static double now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct mm_ref make_node(struct program *program)
{
  struct mm_ref node = mm_alloc_plain(&program->mutator, program->node);
  if (mm_is_null(node))
    give_up("the heap is full");
  return node;
}

static void set(struct mm_ref node, size_t offset, struct mm_ref value)
{
  *(struct mm_ref *)((char *)mm_address(node) + offset) = value;
}

static struct mm_ref make_tree(struct program *program, unsigned depth)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&program->mutator, &scope, held, 1);
  held[0] = make_node(program);
  if (depth > 0) {
    struct mm_ref left = make_tree(program, depth - 1);
    set(held[0], LEFT, left);
    struct mm_ref right = make_tree(program, depth - 1);
    set(held[0], RIGHT, right);
  }
  mm_scope_close(&program->mutator, &scope);
  return held[0];
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void print_median(const char *what, double *ns)
{
  qsort(ns, ROUNDS, sizeof *ns, by_value);
  printf("%-44s %8.2f ns\n", what, ns[ROUNDS / 2]);
}

/* Everything is garbage at once: collections cost next to nothing here. */
static void bench_allocation(unsigned workers)
{
  struct program program;
  double ns[ROUNDS];
  open_heap(&program, HEAP_WIDE_MIB, workers);
  for (int round = 0; round < ROUNDS; round++) {
    double begin = now_ns();
    for (int i = 0; i < ALLOCATIONS; i++)
      program.tree = make_node(&program);
    ns[round] = (now_ns() - begin) / ALLOCATIONS;
  }
  print_median("allocation of 24 bytes", ns);
  close_heap(&program);
}

static void bench_collection(const char *what, uint64_t max_mib,
                             unsigned workers)
{
  struct program program;
  double ns[ROUNDS];
  open_heap(&program, max_mib, workers);
  program.tree = make_tree(&program, TREE_DEPTH);
  for (int round = 0; round < ROUNDS; round++) {
    double begin = now_ns();
    mm_collect(&program.mutator, MM_CAUSE_EXPLICIT);
    ns[round] = (now_ns() - begin) / ((2u << TREE_DEPTH) - 1);
  }
  print_median(what, ns);
  close_heap(&program);
}

int main(int argc, char **argv)
{
  unsigned workers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
  bench_allocation(workers);
  bench_collection("evacuation, per object of a tree", HEAP_WIDE_MIB, workers);
  bench_collection("compaction, per object of a tree", HEAP_TIGHT_MIB, workers);
  return 0;
}
