/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handles cost, in nanoseconds: a line "NAME TIME" each, the least of
 * ROUNDS rounds.  run-bench-handles puts the JNI's figures beside them, taken
 * by handles/handles_jni.c, whose names are the same.
 *
 *   usage: bench_handles [MILLIONS]
 *
 * With MILLIONS: how long a young collection takes with so many millions of
 * global handles of old objects, and without any.
 */
#include "mm/handle_inline.h"
#include "mm/mm_inline.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
  ROUNDS = 7,
  TIMES = 2000000,
  MANY = 1000,
  LENGTH = 16,
  HEAP_MIB = 256,
  YOUNG_ROUNDS = 50,
};

struct program {
  struct mm_mutator mutator;
  struct mm_layout *array;
  struct mm_ref held;
};

static void visit_globals(void *host, struct mm_root_visitor *visitor)
{
  struct program *program = host;
  visitor->slot(visitor, &program->held, MM_ROOT_GLOBAL);
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
  snprintf(name, name_bytes, "i8[]");
}

static const struct mm_binding binding = {
    .visit_global_roots = visit_globals,
    .visit_mutator_roots = visit_mutator,
    .visit_weak = visit_weak,
    .layout_name = layout_name,
};

static void give_up(const char *text)
{
  fprintf(stderr, "bench_handles: %s\n", text);
  exit(1);
}

static void require(enum mm_handle_status status)
{
  if (status != MM_HANDLE_OK && status != MM_HANDLE_NULL)
    give_up(mm_handle_status_text(status));
}

static double now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void open_heap(struct program *program, enum mm_generational kind)
{
  struct mm_options options;
  struct mm_error error;
  struct mm_heap *heap;
  mm_options_init(&options);
  options.gc = MM_GC_STW;
  options.generational = kind;
  options.heap_max_bytes = options.heap_min_bytes = (uint64_t)HEAP_MIB << 20;
  options.workers = 1;
  options.verify = 0;
  *program = (struct program){.array = NULL};
  if (mm_heap_create(&options, &binding, program, &heap, &error) != MM_OK)
    give_up(error.text);
  program->array = mm_metadata_alloc(heap, sizeof *program->array);
  if (!program->array || mm_mutator_attach(heap, &program->mutator) != MM_OK)
    give_up("no memory to start with");
  *program->array = (struct mm_layout){.base_bytes = MM_ARRAY_BASE,
                                       .kind = MM_KIND_DATA_ARRAY};
  program->held = mm_alloc_array(&program->mutator, program->array, LENGTH);
}

static void close_heap(struct program *program)
{
  struct mm_heap *heap = program->mutator.heap;
  mm_mutator_detach(&program->mutator);
  mm_heap_destroy(heap);
}

/* The moves ------------------------------------------------------------------
 */

static void local_pair(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_handle handle;
  require(mm_local_new(mutator, program->held, &handle));
  require(mm_local_delete(mutator, handle));
}

static void local_in_frame(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_frame frame;
  struct mm_handle handles[3];
  mm_frame_open(mutator, &frame);
  for (int i = 0; i < 3; i++)
    require(mm_local_new(mutator, program->held, &handles[i]));
  __asm__ volatile("" : : "r"(handles) : "memory");
  mm_frame_close(mutator, &frame);
}

static void call_frame(struct program *program)
{
  struct mm_frame frame;
  mm_frame_open(&program->mutator, &frame);
  __asm__ volatile("" : : "r"(&frame) : "memory");
  mm_frame_close(&program->mutator, &frame);
}

static void pushed_frame(struct program *program)
{
  struct mm_handle escaped;
  require(mm_frame_push(&program->mutator, 16));
  require(mm_frame_pop(&program->mutator, MM_HANDLE_NONE, &escaped));
}

static void pushed_frame_of_three(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_handle handle;
  require(mm_frame_push(mutator, 16));
  for (int i = 0; i < 3; i++)
    require(mm_local_new(mutator, program->held, &handle));
  require(mm_frame_pop(mutator, MM_HANDLE_NONE, &handle));
}

static void global_pair(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_handle handle;
  require(mm_global_new(mutator, program->held, &handle));
  require(mm_global_delete(mutator, handle));
}

static void weak_pair(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_handle handle;
  require(mm_weak_new(mutator, program->held, &handle));
  require(mm_weak_delete(mutator, handle));
}

static struct mm_handle many[MANY];

static void many_globals(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  for (int i = 0; i < MANY; i++)
    require(mm_global_new(mutator, program->held, &many[i]));
  for (int i = 0; i < MANY; i++)
    require(mm_global_delete(mutator, many[i]));
}

static struct mm_handle local, global, weak;
static uint32_t sum;

static void look_up(struct program *program, struct mm_handle handle)
{
  struct mm_ref ref;
  __asm__ volatile("" : "+r"(handle.bits));
  require(mm_handle_get(&program->mutator, handle, &ref));
  sum += mm_length_word(ref);
}

static void look_up_local(struct program *program)
{
  look_up(program, local);
}

static void look_up_global(struct program *program)
{
  look_up(program, global);
}

static void look_up_in_native(struct program *program)
{
  mm_leave_native(&program->mutator);
  look_up(program, local);
  mm_enter_native(&program->mutator);
}

/* As the JNI does it: a strong one first. */
static void weak_get(struct program *program)
{
  struct mm_mutator *mutator = &program->mutator;
  struct mm_handle handle;
  struct mm_ref ref;
  require(mm_handle_get(mutator, weak, &ref));
  require(mm_local_new(mutator, ref, &handle));
  require(mm_local_delete(mutator, handle));
}

static void pin_pair(struct program *program)
{
  struct mm_ref ref;
  require(mm_pin(&program->mutator, local, &ref));
  require(mm_unpin(&program->mutator, local));
}

static void measure(struct program *program, const char *name, unsigned times,
                    unsigned each, void (*move)(struct program *program))
{
  double least = 0;
  for (int round = 0; round < ROUNDS; round++) {
    double began = now_ns();
    for (unsigned i = 0; i < times; i++)
      move(program);
    double ns = (now_ns() - began) / ((double)times * each);
    if (round == 0 || ns < least)
      least = ns;
  }
  printf("%s %.2f\n", name, least);
  fflush(stdout);
}

static void measure_moves(void)
{
  struct program program;
  struct mm_frame frame;
  open_heap(&program, MM_GENERATIONAL_OFF);
  mm_frame_open(&program.mutator, &frame);
  require(mm_local_new(&program.mutator, program.held, &local));
  require(mm_global_new(&program.mutator, program.held, &global));
  require(mm_weak_new(&program.mutator, program.held, &weak));
  measure(&program, "local-new-delete", TIMES, 1, local_pair);
  measure(&program, "frame-push-pop", TIMES, 1, pushed_frame);
  measure(&program, "frame-of-3-locals", TIMES, 1, pushed_frame_of_three);
  measure(&program, "call-frame", TIMES, 1, call_frame);
  measure(&program, "call-frame-of-3-locals", TIMES, 1, local_in_frame);
  measure(&program, "global-new-delete", TIMES, 1, global_pair);
  measure(&program, "global-new-delete-1000", TIMES / MANY, MANY, many_globals);
  measure(&program, "weak-new-delete", TIMES, 1, weak_pair);
  measure(&program, "weak-get", TIMES, 1, weak_get);
  measure(&program, "look-up-local", TIMES, 1, look_up_local);
  measure(&program, "look-up-global", TIMES, 1, look_up_global);
  mm_enter_native(&program.mutator);
  measure(&program, "look-up-in-native", TIMES, 1, look_up_in_native);
  mm_leave_native(&program.mutator);
  measure(&program, "pin-unpin", TIMES, 1, pin_pair);
  mm_frame_close(&program.mutator, &frame);
  close_heap(&program);
}

/* Young collections with many handles ---------------------------------------
 */

static void measure_young(const char *name, unsigned long count)
{
  struct program program;
  struct mm_handle handle;
  double least = 0;
  open_heap(&program, MM_GENERATIONAL_ON);
  for (unsigned long i = 0; i < count; i++)
    require(mm_global_new(&program.mutator,
                          mm_alloc_array(&program.mutator, program.array, 4),
                          &handle));
  mm_collect(&program.mutator, MM_CAUSE_EXPLICIT);
  mm_collect(&program.mutator, MM_CAUSE_ALLOCATION);
  for (int round = 0; round < YOUNG_ROUNDS; round++) {
    for (int i = 0; i < 10000; i++)
      mm_alloc_array(&program.mutator, program.array, LENGTH);
    double began = now_ns();
    mm_collect(&program.mutator, MM_CAUSE_ALLOCATION);
    double ns = now_ns() - began;
    if (round == 0 || ns < least)
      least = ns;
  }
  printf("%s %.0f\n", name, least);
  close_heap(&program);
}

int main(int argc, char **argv)
{
  if (argc > 2 || (argc == 2 && strtoul(argv[1], NULL, 10) == 0)) {
    fputs("usage: bench_handles [MILLIONS]\n", stderr);
    return 2;
  }
  if (argc == 1) {
    measure_moves();
    return 0;
  }
  measure_young("young-collection", 0);
  measure_young("young-collection-with-globals",
                strtoul(argv[1], NULL, 10) * 1000000);
  return 0;
}
