/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is not the Bamboo machine and uses the memory manager all
 * the same: it keeps words in a binary search tree, in a heap too small for
 * what it throws away.  Only the installed headers of libbamboo-mm are used.
 *
 *   node   +8 left   +12 right   +16 word   +20 count      (24 bytes)
 *   word   a string of Latin-1 units
 *
 * What a host has to do is all here: describe its classes (layouts), show its
 * roots (binding), keep references in scopes across allocations.
 */
#include "mm/barrier_inline.h"
#include "mm/mm_inline.h"

#include <stdio.h>
#include <string.h>

enum { LEFT = 8, RIGHT = 12, WORD = 16, COUNT = 20, NODE_BYTES = 24 };

struct program {
  struct mm_mutator mutator; /* first, so that the binding could cast back */
  struct mm_layout *node, *word;
  struct mm_ref tree; /* the only global root */
};

static void visit_globals(void *host, struct mm_root_visitor *visitor)
{
  struct program *program = host;
  visitor->slot(visitor, &program->tree, MM_ROOT_GLOBAL);
}

static void visit_mutator(void *host, struct mm_mutator *mutator,
                          struct mm_root_visitor *visitor)
{
  (void)host, (void)mutator, (void)visitor; /* all its roots are in scopes */
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  (void)host, (void)visitor; /* no weak tables */
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  struct program *program = host;
  snprintf(name, name_bytes, "%s", layout == program->node ? "Node" : "Word");
}

static const struct mm_binding binding = {
    .visit_global_roots = visit_globals,
    .visit_mutator_roots = visit_mutator,
    .visit_weak = visit_weak,
    .layout_name = layout_name,
};

static uint32_t *field(struct mm_ref object, size_t offset)
{
  return (uint32_t *)((char *)mm_address(object) + offset);
}

static struct mm_ref load(struct mm_ref object, size_t offset)
{
  return (struct mm_ref){*field(object, offset)};
}

static const char *units(struct mm_ref word)
{
  return (const char *)mm_address(word) + MM_STRING_BASE;
}

static int compare(struct mm_ref a, struct mm_ref b)
{
  size_t a_bytes = mm_length_word(a) >> 1, b_bytes = mm_length_word(b) >> 1;
  int order = memcmp(units(a), units(b), a_bytes < b_bytes ? a_bytes : b_bytes);
  return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* Finds the word's node, or hangs `fresh` in.  No safepoint; stores into
   objects go through the barrier, the root is no object. */
static void count_word(struct program *program, struct mm_ref word,
                       struct mm_ref fresh)
{
  struct mm_ref parent = MM_NULL, node = program->tree;
  size_t side = LEFT;
  for (int order; !mm_is_null(node); node = load(node, side)) {
    if ((order = compare(word, load(node, WORD))) == 0)
      break;
    parent = node;
    side = order < 0 ? LEFT : RIGHT;
  }
  if (mm_is_null(node)) {
    node = fresh;
    if (mm_is_null(parent))
      program->tree = fresh;
    else
      mm_store_ref(&program->mutator, field(parent, side), fresh);
  }
  ++*field(node, COUNT);
}

/* Makes the word, finds its node or hangs a new one in. False: heap full. */
static bool add_word(struct program *program, const char *text)
{
  uint32_t length_word = (uint32_t)strlen(text) << 1;
  struct mm_ref word =
      mm_alloc_slow(&program->mutator, program->word, length_word);
  if (mm_is_null(word))
    return false;
  memcpy((char *)mm_address(word) + MM_STRING_BASE, text, strlen(text));
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&program->mutator, &scope, held, 1);
  held[0] = word; /* the next allocation may move it */
  struct mm_ref fresh = mm_alloc_plain(&program->mutator, program->node);
  word = held[0];
  mm_scope_close(&program->mutator, &scope);
  if (mm_is_null(fresh))
    return false;
  mm_store_ref(&program->mutator, field(fresh, WORD), word);
  count_word(program, word, fresh);
  return true;
}

static uint64_t sum(struct mm_ref node, uint64_t *nodes)
{
  if (mm_is_null(node))
    return 0;
  ++*nodes;
  return *field(node, COUNT) + sum(load(node, LEFT), nodes) +
         sum(load(node, RIGHT), nodes);
}

enum { WORDS = 1000000, DIFFERENT = 20011 };

static int run(struct program *program)
{
  for (uint64_t i = 0; i < WORDS; i++) {
    char text[32];
    snprintf(text, sizeof text, "word%llu",
             (unsigned long long)(i * 7919 % DIFFERENT));
    if (!add_word(program, text))
      return fprintf(stderr, "the heap is full\n"), 1;
  }
  uint64_t nodes = 0, words = sum(program->tree, &nodes);
  uint64_t collections = mm_collections(program->mutator.heap);
  printf("%llu words, %llu different, %s collections\n",
         (unsigned long long)words, (unsigned long long)nodes,
         collections ? "some" : "no");
  return words == WORDS && nodes == DIFFERENT && collections > 0 ? 0 : 1;
}

static bool make_layouts(struct program *program, struct mm_heap *heap)
{
  program->node = mm_metadata_alloc(heap, sizeof *program->node);
  program->word = mm_metadata_alloc(heap, sizeof *program->word);
  if (!program->node || !program->word)
    return false;
  *program->node = (struct mm_layout){
      .base_bytes = NODE_BYTES,
      .kind = MM_KIND_PLAIN,
      .ref_map = 1 << LEFT / 4 | 1 << RIGHT / 4 | 1 << WORD / 4};
  *program->word =
      (struct mm_layout){.base_bytes = MM_STRING_BASE, .kind = MM_KIND_STRING};
  return true;
}

int main(void)
{
  static struct program program;
  struct mm_options options;
  struct mm_error error;
  struct mm_heap *heap;
  mm_options_init(&options);
  options.heap_max_bytes = 8 << 20;
  if (mm_heap_create(&options, &binding, &program, &heap, &error) != MM_OK)
    return fprintf(stderr, "%s\n", error.text), 1;
  if (!make_layouts(&program, heap) ||
      mm_mutator_attach(heap, &program.mutator) != MM_OK)
    return fprintf(stderr, "no memory for the start\n"), 1;
  int failed = run(&program);
  mm_mutator_detach(&program.mutator);
  mm_heap_destroy(heap);
  return failed;
}
