/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A soak: threads that change structures in one heap at random for as long as
 * is wanted, and know what has to be in them.
 *
 *   usage: soak [--seconds=N|--minutes=N] [--threads=N] [--heap=MiB]
 *               [--profile=NAME] [--gc=stw|concurrent] [--young] [--freelist]
 *               [--seed=N] [--workers=N] [--stress-phase]
 *               [--stress-barrier=N] [--deterministic] [--no-verify]
 *               [--break=FAULT]
 *
 * Each thread has lists of its own, of which it keeps the length and the sum
 * outside the heap; it pushes, pops, turns round, joins, drops and checks them.
 * All share a table of trees: a tree does not change once it is in the table,
 * and its nodes hold a number that follows from their place, so that whoever
 * takes one out can check it.  References of each strength, and handles, are of
 * objects that their thread knows to be alive or not (soak_refs.c); at the end
 * they are counted.  Garbage of all sizes is made in between, threads
 * end and begin, collections are asked for now and then.
 *
 * What can be in the lists fits into half of the heap; then no allocation may
 * be refused where objects move.  Nor may the runtime's own memory grow: its
 * peak in the second half of the time is that of the first half, and a bit;
 * and the process never has much more than the heap.
 *
 * With --deterministic the seed says who runs when as well, so that what goes
 * wrong goes wrong again, and seconds are those of the schedule.
 *
 * With --break the collector is broken on purpose, as by the option of bamboo.
 *
 * Status: 0; 1 when something was not as it should be, which is told; 2 wrong
 * usage; that of a fatal report of the memory manager.
 */
#include "config.h"

#include "tests/soak/soak.h"

#include "mm/barrier_inline.h"
#include "mm/mm_inline.h"
#include "mm/native.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
  THREADS_MOST = 64,
  TREES = 64,
  LIST_MOST = 2000,
  ROUND_STEPS = 20000, /* then a thread ends, and another takes its place */
  LOOK_STEPS = 64,     /* then it looks at the clock, and at what is in use */
  GROWTH_MOST = 512 * 1024, /* of native memory: logs and stacks come and go */
  RESIDENT_MOST = 16 << 20, /* beside the heap */
};

/* Sanitizers take memory of theirs. */
#if defined BAMBOO_ASAN || defined BAMBOO_TSAN
enum { HAS_OWN_MEMORY_ONLY = 0 };
#else
enum { HAS_OWN_MEMORY_ONLY = 1 };
#endif

#define MIB ((uint64_t)1 << 20)
#define NS_PER_S UINT64_C(1000000000)

struct settings {
  struct mm_options mm;
  unsigned seconds, threads;
  unsigned min_fraction; /* of the heap: its least size */
  uint64_t seed;
};

/* The host -------------------------------------------------------------------
 */

static void visit_globals(void *host, struct mm_root_visitor *visitor)
{
  struct host *self = host;
  visitor->slot(visitor, &self->trees, MM_ROOT_GLOBAL);
  visitor->slot(visitor, &self->left, MM_ROOT_GLOBAL);
}

static void visit_mutator(void *host, struct mm_mutator *mutator,
                          struct mm_root_visitor *visitor)
{
  struct soaker *soaker = (struct soaker *)mutator;
  (void)host;
  for (int i = 0; i < LISTS; i++)
    visitor->slot(visitor, &soaker->lists[i], MM_ROOT_VREG);
  for (int i = 0; i < TREE_DEPTH + 2; i++)
    visitor->slot(visitor, &soaker->held[i], MM_ROOT_VREG);
  visit_references(soaker, visitor);
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  (void)host, (void)visitor;
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  const struct host *self = host;
  const char *reference = reference_name(self, layout);
  snprintf(name, name_bytes, "%s",
           reference              ? reference
           : layout == self->node ? "Node"
           : layout == self->refs ? "Node[]"
                                  : "u8[]");
}

static const struct mm_binding binding = {
    .visit_global_roots = visit_globals,
    .visit_mutator_roots = visit_mutator,
    .visit_weak = visit_weak,
    .layout_name = layout_name,
};

void wrong(const struct soaker *soaker, const char *what)
{
  fprintf(stderr, "soak: thread %" PRIu32 ": %s\n", soaker->mutator.id, what);
  exit(1);
}

/* Objects --------------------------------------------------------------------
 */

static uint64_t next_random(struct soaker *soaker)
{
  soaker->seed ^= soaker->seed >> 12;
  soaker->seed ^= soaker->seed << 25;
  soaker->seed ^= soaker->seed >> 27;
  return soaker->seed * UINT64_C(2685821657736338717);
}

uint32_t below(struct soaker *soaker, uint32_t bound)
{
  return (uint32_t)(next_random(soaker) >> 33) % bound;
}

static void *at(struct mm_ref ref, size_t offset)
{
  return (char *)mm_address(ref) + offset;
}

struct mm_ref get(struct mm_ref ref, size_t offset)
{
  return (struct mm_ref){
      __atomic_load_n((uint32_t *)at(ref, offset), __ATOMIC_RELAXED)};
}

void set(struct soaker *soaker, struct mm_ref ref, size_t offset,
         struct mm_ref value)
{
  mm_store_ref(&soaker->mutator, at(ref, offset), value);
}

uint64_t number(struct mm_ref node)
{
  return *(uint64_t *)at(node, NUMBER);
}

struct mm_ref count_refusal(struct soaker *soaker, struct mm_ref made)
{
  if (mm_is_null(made))
    __atomic_fetch_add(&soaker->host->refused, 1, __ATOMIC_RELAXED);
  return made;
}

/* A node, or null. */
struct mm_ref new_node(struct soaker *soaker, uint64_t value)
{
  struct mm_ref node = count_refusal(
      soaker, mm_alloc_plain(&soaker->mutator, soaker->host->node));
  if (!mm_is_null(node))
    *(uint64_t *)at(node, NUMBER) = value;
  return node;
}

/* Lists ----------------------------------------------------------------------
 */

static void push(struct soaker *soaker, uint32_t list)
{
  uint64_t value = next_random(soaker) >> 40;
  struct mm_ref node = new_node(soaker, value);
  if (mm_is_null(node) || soaker->lengths[list] == LIST_MOST)
    return;
  set(soaker, node, LEFT, soaker->lists[list]);
  soaker->lists[list] = node;
  soaker->lengths[list]++;
  soaker->sums[list] += value;
}

static void pop(struct soaker *soaker, uint32_t list)
{
  struct mm_ref node = soaker->lists[list];
  if (mm_is_null(node))
    return;
  soaker->sums[list] -= number(node);
  soaker->lengths[list]--;
  soaker->lists[list] = get(node, LEFT);
}

static void turn_round(struct soaker *soaker, uint32_t list)
{
  struct mm_ref done = MM_NULL, rest = soaker->lists[list];
  while (!mm_is_null(rest)) {
    struct mm_ref next = get(rest, LEFT);
    set(soaker, rest, LEFT, done);
    done = rest;
    rest = next;
  }
  soaker->lists[list] = done;
}

static void drop(struct soaker *soaker, uint32_t list)
{
  soaker->lists[list] = MM_NULL;
  soaker->lengths[list] = soaker->sums[list] = 0;
}

/* The second list is put before the first one and is empty then. */
static void join(struct soaker *soaker, uint32_t first, uint32_t second)
{
  struct mm_ref last = soaker->lists[second];
  if (first == second || mm_is_null(last) ||
      soaker->lengths[first] + soaker->lengths[second] > LIST_MOST)
    return;
  while (!mm_is_null(get(last, LEFT)))
    last = get(last, LEFT);
  set(soaker, last, LEFT, soaker->lists[first]);
  soaker->lists[first] = soaker->lists[second];
  soaker->lengths[first] += soaker->lengths[second];
  soaker->sums[first] += soaker->sums[second];
  drop(soaker, second);
}

static void check_list(const struct soaker *soaker, uint32_t list)
{
  uint64_t length = 0, sum = 0;
  struct mm_ref node = soaker->lists[list];
  for (; !mm_is_null(node); node = get(node, LEFT)) {
    sum += number(node);
    if (++length > soaker->lengths[list])
      wrong(soaker, "a list is too long");
  }
  if (length != soaker->lengths[list] || sum != soaker->sums[list])
    wrong(soaker, "a list is not what it was");
}

/* Trees ----------------------------------------------------------------------
 */

/* In held[depth]; false: the heap is full. */
static bool build(struct soaker *soaker, unsigned depth, uint64_t value)
{
  struct mm_ref node = new_node(soaker, value);
  soaker->held[depth] = node;
  if (depth == 0 || mm_is_null(node))
    return !mm_is_null(node);
  for (unsigned side = 0; side < 2; side++) {
    if (!build(soaker, depth - 1, 2 * value + side))
      return false;
    set(soaker, soaker->held[depth], side ? RIGHT : LEFT,
        soaker->held[depth - 1]);
  }
  return true;
}

static void check_tree(const struct soaker *soaker, struct mm_ref node,
                       unsigned depth, uint64_t value)
{
  if (mm_is_null(node) != (depth == UINT32_MAX))
    wrong(soaker, "a tree has another shape");
  if (mm_is_null(node))
    return;
  if (number(node) != value)
    wrong(soaker, "a tree has another number");
  check_tree(soaker, get(node, LEFT), depth - 1, 2 * value);
  check_tree(soaker, get(node, RIGHT), depth - 1, 2 * value + 1);
}

/* A store may end a turn, so who has the lock may have to wait. */
void lock_table(struct host *host)
{
  if (!mm_schedule_is_on(host->heap)) {
    pthread_mutex_lock(&host->lock);
    return;
  }
  while (pthread_mutex_trylock(&host->lock) != 0)
    mm_schedule_pass(host->heap);
}

/* Puts a tree (or null) into the table, gives back what was there. */
static struct mm_ref exchange(struct soaker *soaker, uint32_t place,
                              struct mm_ref tree)
{
  struct host *host = soaker->host;
  size_t offset = MM_ARRAY_BASE + 4 * (size_t)place;
  lock_table(host);
  struct mm_ref old = get(host->trees, offset);
  set(soaker, host->trees, offset, tree);
  pthread_mutex_unlock(&host->lock);
  return old;
}

static void take_and_check_tree(struct soaker *soaker, uint32_t place)
{
  struct mm_ref tree = exchange(soaker, place, MM_NULL);
  if (mm_is_null(tree))
    return;
  check_tree(soaker, tree, TREE_DEPTH, number(tree));
  exchange(soaker, below(soaker, TREES), tree);
}

static void put_tree(struct soaker *soaker, uint32_t place)
{
  if (build(soaker, TREE_DEPTH, 1 + below(soaker, 1000)))
    exchange(soaker, place, soaker->held[TREE_DEPTH]);
  memset(soaker->held, 0, sizeof soaker->held);
}

/* A soaker -------------------------------------------------------------------
 */

void make_garbage(struct soaker *soaker)
{
  static const uint32_t sizes[] = {0, 8, 100, 1000, 5000, 20000, 70000, 600000};
  uint32_t bytes = sizes[below(soaker, below(soaker, 8) + 1)];
  count_refusal(soaker,
                mm_alloc_array(&soaker->mutator, soaker->host->bytes, bytes));
  count_refusal(
      soaker, mm_alloc_array(&soaker->mutator, soaker->host->refs, bytes / 4));
}

static void step(struct soaker *soaker)
{
  uint32_t list = below(soaker, LISTS), what = below(soaker, 1120);
  mm_poll(&soaker->mutator);
  if (what < 500)
    push(soaker, list);
  else if (what < 650)
    pop(soaker, list);
  else if (what < 670)
    turn_round(soaker, list);
  else if (what < 690)
    join(soaker, list, below(soaker, LISTS));
  else if (what < 700)
    drop(soaker, list);
  else if (what < 740)
    check_list(soaker, list);
  else if (what < 780)
    put_tree(soaker, below(soaker, TREES));
  else if (what < 840)
    take_and_check_tree(soaker, below(soaker, TREES));
  else if (what < 999)
    make_garbage(soaker);
  else if (what >= 1060)
    reference_step(soaker);
  else if (what >= 1000)
    handle_step(soaker);
  else if (below(soaker, 20) == 0)
    mm_collect(&soaker->mutator, MM_CAUSE_EXPLICIT);
}

/* A cycle has logs ready for all regions when it marked them, and gives them
   back at its end: who looks rarely may see that in one of the halves alone. */
static void note_footprint(struct host *host)
{
  struct mm_native_stats native;
  mm_native_stats(&native);
  uint64_t *peak = mm_now_ns() < host->half_ns ? &host->first_half_bytes
                                               : &host->second_half_bytes;
  uint64_t known = __atomic_load_n(peak, __ATOMIC_RELAXED);
  while (native.requested_bytes > known &&
         !__atomic_compare_exchange_n(peak, &known, native.requested_bytes,
                                      true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

/* With a sanitizer and verification, a life may take minutes. */
static bool is_over(const struct host *host, int steps)
{
  return steps % LOOK_STEPS == 0 && mm_now_ns() >= host->end_ns;
}

static void count_life(struct host *host)
{
  __atomic_fetch_add(&host->rounds, 1, __ATOMIC_RELAXED);
  if (mm_now_ns() < host->half_ns)
    __atomic_fetch_add(&host->first_half_rounds, 1, __ATOMIC_RELAXED);
}

static void one_life(struct soaker *soaker)
{
  struct host *host = soaker->host;
  memset(&soaker->mutator, 0, sizeof soaker->mutator);
  if (mm_mutator_attach(host->heap, &soaker->mutator) != MM_OK)
    wrong(soaker, "cannot attach");
  for (int i = 0; i < ROUND_STEPS && !is_over(host, i); i++) {
    if (i % LOOK_STEPS == 0)
      note_footprint(host);
    step(soaker);
  }
  for (uint32_t list = 0; list < LISTS; list++) {
    check_list(soaker, list);
    drop(soaker, list);
  }
  end_references(soaker);
  note_footprint(host);
  mm_mutator_detach(&soaker->mutator);
  count_life(host);
}

static void *soak(void *argument)
{
  struct soaker *soaker = argument;
  struct host *host = soaker->host;
  mm_schedule_begin(host->heap, &soaker->task);
  while (mm_now_ns() < host->end_ns)
    one_life(soaker);
  mm_schedule_end(host->heap, &soaker->task);
  return NULL;
}

/* Begin and end --------------------------------------------------------------
 */

static bool make_layouts(struct host *host)
{
  host->node = mm_metadata_alloc(host->heap, sizeof *host->node);
  host->refs = mm_metadata_alloc(host->heap, sizeof *host->refs);
  host->bytes = mm_metadata_alloc(host->heap, sizeof *host->bytes);
  if (!host->node || !host->refs || !host->bytes ||
      !make_reference_layouts(host))
    return false;
  *host->node = (struct mm_layout){.base_bytes = NODE_BYTES,
                                   .kind = MM_KIND_PLAIN,
                                   .ref_map = 1 << LEFT / 4 | 1 << RIGHT / 4};
  *host->refs = (struct mm_layout){
      .base_bytes = MM_ARRAY_BASE, .kind = MM_KIND_REF_ARRAY, .elem_log2 = 2};
  *host->bytes = (struct mm_layout){.base_bytes = MM_ARRAY_BASE,
                                    .kind = MM_KIND_DATA_ARRAY};
  return true;
}

static struct soaker first; /* the main thread, before and after all others */

static bool make_table(struct host *host)
{
  first.host = host;
  if (mm_mutator_attach(host->heap, &first.mutator) != MM_OK)
    return false;
  host->trees = mm_alloc_array(&first.mutator, host->refs, TREES);
  bool is_made = !mm_is_null(host->trees);
  mm_mutator_detach(&first.mutator);
  return is_made;
}

/* What all of them left behind. */
static int judge_end(struct host *host)
{
  memset(&first.mutator, 0, sizeof first.mutator);
  if (mm_mutator_attach(host->heap, &first.mutator) != MM_OK)
    wrong(&first, "cannot attach");
  int status = judge_references(&first);
  mm_mutator_detach(&first.mutator);
  return status;
}

/* Can what lives fit, wherever it lies? */
static bool must_fit(const struct settings *settings)
{
  uint64_t most = (uint64_t)settings->threads * LISTS * LIST_MOST * NODE_BYTES;
  return settings->mm.tenured == MM_TENURED_REGIONS &&
         settings->mm.heap_max_bytes >= 2 * most;
}

/* In a run of a moment no life may have ended in the first half: the heap may
   not have been full then, and no cycle has run. */
static bool has_grown(const struct host *host)
{
  return host->first_half_rounds != 0 &&
         host->second_half_bytes > host->first_half_bytes + GROWTH_MOST;
}

/* The most that the process ever had. */
static uint64_t resident_bytes(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)usage.ru_maxrss * 1024;
}

/* The heap, its side tables, and what the program itself takes. */
static uint64_t most_resident(const struct settings *settings)
{
  return settings->mm.heap_max_bytes + settings->mm.heap_max_bytes / 4 +
         RESIDENT_MOST;
}

static int judge(const struct host *host, const struct settings *settings)
{
  int status = 0;
  if (host->refused > 0 && must_fit(settings))
    status = fprintf(stderr, "soak: refused, though there is room\n") > 0;
  if (has_grown(host))
    status = fprintf(stderr,
                     "soak: the runtime's memory grows, from %" PRIu64
                     " bytes to %" PRIu64 "\n",
                     host->first_half_bytes, host->second_half_bytes) > 0;
  if (HAS_OWN_MEMORY_ONLY && resident_bytes() > most_resident(settings))
    status = fprintf(stderr, "soak: the process took %" PRIu64 "K\n",
                     resident_bytes() / 1024) > 0;
  return status;
}

static int run(struct host *host, const struct settings *settings)
{
  static struct soaker soakers[THREADS_MOST];
  uint64_t now_ns = mm_now_ns(), ns = settings->seconds * NS_PER_S;
  host->half_ns = now_ns + ns / 2;
  host->end_ns = now_ns + ns;
  for (unsigned i = 0; i < settings->threads; i++) {
    soakers[i].host = host;
    soakers[i].seed = settings->seed * 1000 + i + 1;
    mm_schedule_add(host->heap, &soakers[i].task);
    if (pthread_create(&soakers[i].thread, NULL, soak, &soakers[i]) != 0)
      return fprintf(stderr, "soak: no thread\n"), 1;
  }
  for (unsigned i = 0; i < settings->threads; i++) {
    mm_schedule_await_end(host->heap, &soakers[i].task);
    pthread_join(soakers[i].thread, NULL);
  }
  int left = judge_end(host);
  mm_heap_quit(host->heap);
  uint64_t broken = mm_verify(host->heap);
  printf("%" PRIu64 " lives of up to %d steps, %" PRIu64
         " collections, %" PRIu64 " allocations refused, %" PRIu64 " faults\n",
         host->rounds, ROUND_STEPS, mm_collections(host->heap), host->refused,
         broken);
  if (!mm_schedule_is_on(host->heap))
    printf("native memory: %" PRIu64 "K, then %" PRIu64 "K; resident: %" PRIu64
           "K\n",
           host->first_half_bytes / 1024, host->second_half_bytes / 1024,
           resident_bytes() / 1024);
  if (mm_schedule_is_on(host->heap))
    printf("digest of the schedule: %016" PRIx64 "\n",
           mm_schedule_digest(host->heap));
  return judge(host, settings) || left != 0 || broken != 0;
}

static bool take_number(const char *word, const char *option, uint64_t *number)
{
  size_t length = strlen(option);
  char *end;
  if (strncmp(word, option, length) != 0)
    return false;
  *number = strtoull(word + length, &end, 10);
  return end != word + length && *end == 0;
}

/* The plan of a profile, in a heap that starts with a quarter of its size. */
static bool take_profile(struct settings *settings, const char *name)
{
  static const struct {
    const char *name;
    enum mm_gc gc;
    bool generational;
    enum mm_tenured tenured;
    uint64_t pause_goal_ns;
  } profiles[] = {
      {"balanced", MM_GC_CONCURRENT, true, MM_TENURED_REGIONS, 2000000},
      {"low-latency", MM_GC_CONCURRENT, true, MM_TENURED_REGIONS, 1000000},
      {"throughput", MM_GC_STW, true, MM_TENURED_REGIONS, 0},
      {"small", MM_GC_STW, false, MM_TENURED_FREELIST, 0},
      {"steady", MM_GC_CONCURRENT, true, MM_TENURED_FREELIST, 2000000},
  };
  for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
    if (strcmp(profiles[i].name, name) != 0)
      continue;
    settings->mm.gc = profiles[i].gc;
    settings->mm.generational = profiles[i].generational;
    settings->mm.tenured = profiles[i].tenured;
    settings->mm.pause_goal_ns = profiles[i].pause_goal_ns;
    settings->mm.growth = MM_GROWTH_BALANCE;
    settings->min_fraction = 4;
    return true;
  }
  return false;
}

static bool take_fault(struct settings *settings, const char *name)
{
  for (int i = 0; i < MM_FAULT_COUNT; i++)
    if (strcmp(mm_fault_name((enum mm_fault)i), name) == 0) {
      mm_fault_add(&settings->mm.faults, (enum mm_fault)i);
      return true;
    }
  return false;
}

static bool take_word(struct settings *settings, const char *word)
{
  uint64_t value = 0;
  if (take_number(word, "--seconds=", &value))
    settings->seconds = (unsigned)value;
  else if (take_number(word, "--minutes=", &value))
    settings->seconds = 60 * (unsigned)value;
  else if (strncmp(word, "--profile=", 10) == 0)
    return take_profile(settings, word + 10);
  else if (strncmp(word, "--break=", 8) == 0)
    return take_fault(settings, word + 8);
  else if (take_number(word, "--threads=", &value))
    settings->threads = (unsigned)value;
  else if (take_number(word, "--heap=", &value))
    settings->mm.heap_max_bytes = value * MIB;
  else if (take_number(word, "--seed=", &value))
    settings->seed = settings->mm.seed = value;
  else if (take_number(word, "--workers=", &value))
    settings->mm.workers = (unsigned)value;
  else if (strcmp(word, "--gc=concurrent") == 0)
    settings->mm.gc = MM_GC_CONCURRENT;
  else if (strcmp(word, "--young") == 0)
    settings->mm.generational = true;
  else if (strcmp(word, "--freelist") == 0)
    settings->mm.tenured = MM_TENURED_FREELIST;
  else if (take_number(word, "--stress-barrier=", &value))
    settings->mm.stress_barrier = value;
  else if (strcmp(word, "--stress-phase") == 0)
    settings->mm.stress_phase = true;
  else if (strcmp(word, "--deterministic") == 0)
    settings->mm.deterministic = true;
  else if (strcmp(word, "--no-verify") == 0)
    settings->mm.verify = 0;
  else
    return strcmp(word, "--gc=stw") == 0;
  return true;
}

static int read_settings(struct settings *settings, int argc, char **argv)
{
  mm_options_init(&settings->mm);
  settings->mm.heap_max_bytes = 16 * MIB;
  settings->mm.soft_ms_per_mib = 1;
  settings->min_fraction = 1;
  settings->mm.verify = MM_VERIFY_BEFORE | MM_VERIFY_AFTER | MM_VERIFY_MARK;
  settings->seconds = 10;
  settings->threads = 4;
  settings->seed = 1;
  for (int i = 1; i < argc; i++)
    if (!take_word(settings, argv[i]))
      return fprintf(stderr, "soak: `%s' is not understood\n", argv[i]), 2;
  if (settings->threads < 1 || settings->threads > THREADS_MOST)
    return fprintf(stderr, "soak: 1 to %d threads\n", THREADS_MOST), 2;
  settings->mm.heap_min_bytes =
      settings->mm.heap_max_bytes / settings->min_fraction;
  return 0;
}

int main(int argc, char **argv)
{
  static struct host host;
  static struct mm_task task;
  struct settings settings = {.seed = 1};
  struct mm_error error;
  int status = read_settings(&settings, argc, argv);
  if (status != 0)
    return status;
  if (mm_heap_create(&settings.mm, &binding, &host, &host.heap, &error) !=
      MM_OK)
    return fprintf(stderr, "soak: %s\n", error.text), 2;
  pthread_mutex_init(&host.lock, NULL);
  mm_schedule_add(host.heap, &task);
  mm_schedule_begin(host.heap, &task);
  if (!make_layouts(&host) || !make_table(&host))
    return fprintf(stderr, "soak: no memory for the start\n"), 1;
  status = run(&host, &settings);
  mm_schedule_end(host.heap, &task);
  mm_heap_destroy(host.heap);
  pthread_mutex_destroy(&host.lock);
  return status;
}
