/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lisp's objects, and what it shows of itself to the memory manager: its
 * language, its layouts, its roots, its weak tables.
 */
#include "lisp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its watched objects are ports and threads; the word is the address of the
   host's record, whose first member tells which. */
static void died(void *host, const uint64_t *words, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    enum type *record = (enum type *)(uintptr_t)words[i];
    if (*record == PORT)
      port_died(host, record);
    else
      thread_died(record);
  }
}

/* Removes the symbols that died; those behind them move up (Knuth, "The Art of
   Computer Programming" 3, 6.4, algorithm R) when the table is next searched:
   here a hole is marked by null and bridged by a new table. */
static void visit_symbols(struct world *world, struct mm_weak_visitor *visitor)
{
  for (size_t i = 0; i < world->symbols_size; i++) {
    struct mm_ref *slot = &world->symbols[i];
    if (slot->bits > 1 && !visitor->keep(visitor, slot))
      slot->bits = 1; /* was used: a search goes on behind it */
  }
}

static void visit_weak(void *host, struct mm_weak_visitor *visitor)
{
  visit_symbols(host, visitor);
  weak_visit(host, visitor);
}

static const struct mm_language language = {
    .name = "lisp",
    .tagging = {TAG_MASK, TAG_REF},
    .visit_weak = visit_weak,
    .reference_kinds = 1 << MM_STRENGTH_EPHEMERON,
    .died = died,
};

static const char *const type_names[TYPE_COUNT] = {
    "cons",  "closure", "symbol", "vector", "string",
    "table", "map",     "entry",  "port",   "thread"};

/* What the memory manager asks ------------------------------------------------
 */

static void visit_value(struct mm_root_visitor *visitor, value *slot,
                        enum mm_root_kind kind)
{
  if (is_ref(*slot))
    visitor->slot(visitor, mm_tagged_slot(slot), kind);
}

static void visit_globals(void *host, struct mm_root_visitor *visitor)
{
  struct world *world = host;
  for (int i = 0; i < FORM_COUNT; i++)
    visit_value(visitor, &world->forms[i], MM_ROOT_GLOBAL);
  visit_value(visitor, &world->globals, MM_ROOT_GLOBAL);
}

static void visit_stack(void *host, struct mm_mutator *mutator,
                        struct mm_root_visitor *visitor)
{
  struct lisp *lisp = (struct lisp *)mutator;
  (void)host;
  for (size_t i = 0; i < lisp->top; i++)
    visit_value(visitor, &lisp->stack[i], MM_ROOT_VREG);
}

static void layout_name(void *host, const struct mm_layout *layout, char *name,
                        size_t name_bytes)
{
  const struct world *world = host;
  int type = 0;
  while (type < TYPE_COUNT && world->layouts[type] != layout)
    type++;
  snprintf(name, name_bytes, "%s",
           type < TYPE_COUNT ? type_names[type] : "object");
}

static const struct mm_binding binding = {
    .visit_global_roots = visit_globals,
    .visit_mutator_roots = visit_stack,
    .layout_name = layout_name,
};

/* Start and end -------------------------------------------------------------
 */

static const struct mm_layout layouts[TYPE_COUNT] = {
    [CONS] = {.base_bytes = 24,
              .ref_map = 1 << CAR / 4 | 1 << CDR / 4,
              .flags = MM_LAYOUT_TAGGED},
    [CLOSURE] = {.base_bytes = 32,
                 .ref_map = 1 << CLOSURE_NAMES / 4 | 1 << CLOSURE_BODY / 4 |
                            1 << CLOSURE_ENV / 4,
                 .flags = MM_LAYOUT_TAGGED},
    [SYMBOL] = {.base_bytes = 24,
                .ref_map = 1 << SYMBOL_STRING / 4 | 1 << SYMBOL_VALUE / 4,
                .flags = MM_LAYOUT_TAGGED},
    [VECTOR] = {.base_bytes = MM_ARRAY_BASE_WIDE,
                .kind = MM_KIND_TAGGED_ARRAY,
                .elem_log2 = 3},
    [STRING] = {.base_bytes = MM_STRING_BASE, .kind = MM_KIND_STRING},
    [TABLE] = {.base_bytes = 16},
    [MAP] = {.base_bytes = 24,
             .ref_map = 1 << MAP_BUCKETS / 4,
             .flags = MM_LAYOUT_TAGGED},
    /* Becomes pending when its key has died: it always has a map to tell. */
    [ENTRY] = {.base_bytes = 32,
               .kind = MM_KIND_REFERENCE,
               .elem_log2 = MM_STRENGTH_EPHEMERON,
               .ref_map = 1 << ENTRY_MAP / 4 | 1 << ENTRY_NEXT / 4},
    [PORT] = {.base_bytes = 16},
    [THREAD] = {.base_bytes = 24,
                .ref_map = 1 << THREAD_RESULT / 4,
                .flags = MM_LAYOUT_TAGGED},
};

static bool make_layouts(struct world *world, struct mm_error *error)
{
  if (mm_language_register(world->heap, &language, &world->language, error) !=
      MM_OK)
    return false;
  for (int type = 0; type < TYPE_COUNT; type++) {
    struct mm_layout *layout = mm_metadata_alloc(world->heap, sizeof *layout);
    if (!layout)
      return false;
    *layout = layouts[type];
    layout->language = (uint8_t)world->language;
    world->layouts[type] = layout;
  }
  return true;
}

static bool make_forms(struct lisp *lisp)
{
  static const char *const names[FORM_COUNT] = {
      "quote", "if", "define", "set!", "lambda", "let", "begin"};
  for (int i = 0; i < FORM_COUNT; i++) {
    value form = intern(lisp, names[i], strlen(names[i]));
    if (form == ERROR)
      return false;
    lisp->world->forms[i] = form;
  }
  return true;
}

bool lisp_attach(struct lisp *lisp, struct world *world)
{
  lisp->world = world;
  lisp->stack = calloc(STACK_MOST, sizeof *lisp->stack);
  if (lisp->stack && mm_mutator_attach(world->heap, &lisp->mutator) == MM_OK)
    return true;
  free(lisp->stack);
  lisp_fail(lisp, "no memory for a thread");
  return false;
}

void lisp_detach(struct lisp *lisp)
{
  mm_mutator_detach(&lisp->mutator);
  free(lisp->stack);
}

static void world_free(struct world *world)
{
  mm_heap_quit(world->heap);
  mm_heap_destroy(world->heap);
  weak_close(world);
  free(world->symbols);
  pthread_cond_destroy(&world->ended);
  pthread_mutex_destroy(&world->lock);
}

bool world_open(struct world *world, struct lisp *lisp,
                const struct mm_options *options)
{
  struct mm_error error = {""};
  *world = (struct world){.globals = NIL};
  *lisp = (struct lisp){.top = 0};
  if (mm_heap_create(options, &binding, world, &world->heap, &error) != MM_OK) {
    fprintf(stderr, "lisp: %s\n", error.text);
    return false;
  }
  pthread_mutex_init(&world->lock, NULL);
  pthread_cond_init(&world->ended, NULL);
  if (!make_layouts(world, &error) || !lisp_attach(lisp, world)) {
    fprintf(stderr, "lisp: no memory for the start %s\n", error.text);
    world_free(world);
    return false;
  }
  if (make_forms(lisp) && define_primitives(lisp))
    return true;
  fprintf(stderr, "lisp: %s\n", lisp->error);
  world_close(world, lisp);
  return false;
}

/* Threads go on to their end, whatever came of the program. */
void world_close(struct world *world, struct lisp *lisp)
{
  threads_await(lisp);
  lisp_detach(lisp);
  world_free(world);
}

value lisp_fail(struct lisp *lisp, const char *format, ...)
{
  va_list words;
  va_start(words, format);
  vsnprintf(lisp->error, sizeof lisp->error, format, words);
  va_end(words);
  return ERROR;
}

/* The stack keeps some room: eval looks whether there is more. */
size_t push(struct lisp *lisp, value v)
{
  if (lisp->top == STACK_MOST) {
    fprintf(stderr, "lisp: the stack is full\n");
    exit(1);
  }
  lisp->stack[lisp->top] = v;
  return lisp->top++;
}

value pop(struct lisp *lisp)
{
  return lisp->stack[--lisp->top];
}

/* Objects -------------------------------------------------------------------
 */

char *address(value object)
{
  return mm_address(mm_tagged_ref(TAGGING, object));
}

value load(value object, size_t offset)
{
  return mm_load_tagged(address(object) + offset);
}

void store(struct lisp *lisp, value object, size_t offset, value v)
{
  mm_store_tagged(&lisp->mutator, TAGGING, address(object) + offset, v);
}

bool is_type(const struct lisp *lisp, value v, enum type type)
{
  return is_ref(v) &&
         mm_layout_of(mm_tagged_ref(TAGGING, v)) == lisp->world->layouts[type];
}

uint32_t length_of(value object)
{
  struct mm_ref ref = mm_tagged_ref(TAGGING, object);
  uint32_t word = mm_length_word(ref);
  return mm_layout_of(ref)->kind == MM_KIND_STRING ? word >> 1 : word;
}

char *characters(value string)
{
  return address(string) + MM_STRING_BASE;
}

value of_number(double number)
{
  value v;
  if (number != number)
    return UINT64_C(0x7ff8000000000000); /* the one NaN that is a number */
  memcpy(&v, &number, sizeof v);
  return v;
}

double to_number(value v)
{
  double number;
  memcpy(&number, &v, sizeof number);
  return number;
}

static value made(struct lisp *lisp, struct mm_ref ref)
{
  return mm_is_null(ref) ? lisp_fail(lisp, "the heap is full") : of_ref(ref);
}

value new_plain(struct lisp *lisp, enum type type)
{
  return made(lisp, mm_alloc_plain(&lisp->mutator, lisp->world->layouts[type]));
}

value cons_top(struct lisp *lisp)
{
  value cons = new_plain(lisp, CONS);
  value cdr = pop(lisp), car = pop(lisp);
  if (cons == ERROR)
    return ERROR;
  store(lisp, cons, CAR, car);
  store(lisp, cons, CDR, cdr);
  return cons;
}

value new_closure(struct lisp *lisp, size_t names, size_t body, size_t env)
{
  value closure = new_plain(lisp, CLOSURE);
  if (closure == ERROR)
    return ERROR;
  store(lisp, closure, CLOSURE_NAMES, lisp->stack[names]);
  store(lisp, closure, CLOSURE_BODY, lisp->stack[body]);
  store(lisp, closure, CLOSURE_ENV, lisp->stack[env]);
  return closure;
}

/* Its slots are 0.0 at first. */
value new_vector(struct lisp *lisp, uint32_t length)
{
  return made(lisp, mm_alloc_array(&lisp->mutator, lisp->world->layouts[VECTOR],
                                   length));
}

value new_string(struct lisp *lisp, uint32_t length)
{
  return made(lisp, mm_alloc_slow(&lisp->mutator, lisp->world->layouts[STRING],
                                  length << 1));
}

value new_table(struct lisp *lisp)
{
  value table = new_plain(lisp, TABLE);
  if (table == ERROR || weak_add(lisp, table))
    return table;
  return lisp_fail(lisp, "no memory for a table");
}

/* Symbols -------------------------------------------------------------------
 */

/* Fowler, Noll and Vo, 1991. */
static size_t hash(const char *name, size_t length)
{
  size_t sum = 14695981039346656037u;
  for (size_t i = 0; i < length; i++)
    sum = (sum ^ (unsigned char)name[i]) * 1099511628211u;
  return sum ^ sum >> 32;
}

static bool is_named(struct mm_ref symbol, const char *name, size_t length)
{
  value string = load(of_ref(symbol), SYMBOL_STRING);
  return length_of(string) == length &&
         memcmp(characters(string), name, length) == 0;
}

/* The name's place, or the one where it would have to stand. */
static struct mm_ref *find_symbol(struct world *world, const char *name,
                                  size_t length)
{
  size_t mask = world->symbols_size - 1, i = hash(name, length) & mask;
  for (;; i = (i + 1) & mask) {
    struct mm_ref *slot = &world->symbols[i];
    if (slot->bits == 0 || (slot->bits > 1 && is_named(*slot, name, length)))
      return slot;
  }
}

static bool grow_symbols(struct world *world)
{
  struct mm_ref *old = world->symbols;
  size_t size = world->symbols_size, living = 0;
  for (size_t i = 0; i < size; i++)
    living += old[i].bits > 1;
  size_t wanted = 64;
  while (wanted < 3 * living)
    wanted *= 2;
  struct mm_ref *table = calloc(wanted, sizeof *table);
  if (!table)
    return false;
  world->symbols = table;
  world->symbols_size = wanted;
  world->symbols_used = living;
  for (size_t i = 0; i < size; i++)
    if (old[i].bits > 1) {
      value string = load(of_ref(old[i]), SYMBOL_STRING);
      *find_symbol(world, characters(string), length_of(string)) = old[i];
    }
  free(old);
  return true;
}

/* Puts a new symbol in its place, unless another thread was faster: then gives
   that one's. */
static value enter_locked(struct lisp *lisp, value symbol)
{
  struct world *world = lisp->world;
  value string = load(symbol, SYMBOL_STRING);
  if (2 * world->symbols_used >= world->symbols_size && !grow_symbols(world))
    return lisp_fail(lisp, "no memory for symbols");
  struct mm_ref *slot =
      find_symbol(world, characters(string), length_of(string));
  if (slot->bits != 0) {
    mm_barrier_keep(&lisp->mutator, *slot);
    return of_ref(*slot);
  }
  world->symbols_used++;
  *slot = mm_tagged_ref(TAGGING, symbol);
  return symbol;
}

/* The search comes after what may collect, which may have removed others. */
static value new_symbol(struct lisp *lisp, const char *name, size_t length)
{
  value string = new_string(lisp, (uint32_t)length);
  if (string == ERROR)
    return ERROR;
  memcpy(characters(string), name, length);
  push(lisp, string);
  value symbol = new_plain(lisp, SYMBOL);
  string = pop(lisp);
  if (symbol == ERROR)
    return ERROR;
  store(lisp, symbol, SYMBOL_STRING, string);
  store(lisp, symbol, SYMBOL_VALUE, UNBOUND);
  pthread_mutex_lock(&lisp->world->lock);
  symbol = enter_locked(lisp, symbol);
  pthread_mutex_unlock(&lisp->world->lock);
  return symbol;
}

static struct mm_ref look_for_symbol(struct lisp *lisp, const char *name,
                                     size_t length)
{
  struct mm_ref found = MM_NULL;
  pthread_mutex_lock(&lisp->world->lock);
  if (lisp->world->symbols_size > 0)
    found = *find_symbol(lisp->world, name, length);
  mm_barrier_keep(&lisp->mutator, found);
  pthread_mutex_unlock(&lisp->world->lock);
  return found;
}

/* `name' does not stand in the heap, or is gone after an allocation. */
value intern(struct lisp *lisp, const char *name, size_t length)
{
  struct mm_ref found = look_for_symbol(lisp, name, length);
  return mm_is_null(found) ? new_symbol(lisp, name, length) : of_ref(found);
}

size_t count_symbols(struct lisp *lisp)
{
  size_t count = 0;
  pthread_mutex_lock(&lisp->world->lock);
  for (size_t i = 0; i < lisp->world->symbols_size; i++)
    count += lisp->world->symbols[i].bits > 1;
  pthread_mutex_unlock(&lisp->world->lock);
  return count;
}

/* A symbol with a value has to be held by more than the weak table. */
value set_global(struct lisp *lisp, size_t symbol, size_t v)
{
  struct world *world = lisp->world;
  push(lisp, lisp->stack[symbol]);
  push(lisp, NIL);
  value cons = cons_top(lisp);
  if (cons == ERROR)
    return ERROR;
  pthread_mutex_lock(&world->lock);
  if (load(lisp->stack[symbol], SYMBOL_VALUE) == UNBOUND) {
    store(lisp, cons, CDR, world->globals);
    world->globals = cons;
  }
  store(lisp, lisp->stack[symbol], SYMBOL_VALUE, lisp->stack[v]);
  pthread_mutex_unlock(&world->lock);
  return lisp->stack[v];
}
