/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/language_fixture.h"

#include "mm/mm_inline.h"

#include <pthread.h>
#include <string.h>

/* The language --------------------------------------------------------------
 */

static uint32_t word_at(const void *object, size_t offset)
{
  return *(const uint32_t *)((const char *)object + offset);
}

static uint64_t box_bytes(const void *object, const struct mm_layout *layout)
{
  (void)layout;
  return word_at(object, MM_ARRAY_LENGTH_OFFSET);
}

static void scan_box(void *object, struct mm_slot_visitor *visitor)
{
  char *at = object;
  uint64_t *slots = (uint64_t *)(at + LANGUAGE_BOX_SLOTS);
  visitor->slot(visitor, (struct mm_ref *)(at + LANGUAGE_BOX_REF));
  for (uint32_t i = 0; i < word_at(at, LANGUAGE_BOX_COUNT); i++)
    visitor->tagged(visitor, &slots[i]);
}

/* A loader object holds the address of its statics. */
static void scan_loader(void *object, struct mm_slot_visitor *visitor)
{
  struct mm_ref *statics;
  memcpy(&statics, (char *)object + 16, sizeof statics);
  for (unsigned i = 0; statics && i < LANGUAGE_STATICS; i++)
    visitor->slot(visitor, &statics[i]);
}

static void scan(void *object, const struct mm_layout *layout,
                 struct mm_slot_visitor *visitor)
{
  if (layout->base_bytes == 0)
    scan_box(object, visitor);
  else
    scan_loader(object, visitor);
}

const struct mm_language language_test = {
    .name = "test",
    .tagging = {UINT64_C(0xffff000000000000), UINT64_C(0xfff5000000000000)},
    .size = box_bytes,
    .scan = scan,
};

/* The host ------------------------------------------------------------------
 */

static struct language *opened;

static void visit_global_roots(void *host, struct mm_root_visitor *visitor)
{
  fixture_binding.visit_global_roots(host, visitor);
  if (!visitor->keeps_old)
    return;
  for (unsigned i = 0; i < LANGUAGE_LOADERS; i++)
    for (unsigned j = 0; j < LANGUAGE_STATICS; j++)
      if (!mm_is_null(opened->loaders[i].object))
        visitor->slot(visitor, &opened->loaders[i].statics[j], MM_ROOT_STATIC);
}

static void sweep_owners(void *host, struct mm_owner_visitor *visitor)
{
  (void)host;
  for (unsigned i = 0; i < LANGUAGE_LOADERS; i++) {
    struct language_loader *loader = &opened->loaders[i];
    if (mm_is_null(loader->object) || visitor->lives(visitor, loader->object))
      continue;
    mm_metadata_arena_destroy(loader->arena);
    *loader = (struct language_loader){.object = MM_NULL};
    opened->loaders_died++;
  }
}

static void fill_class(struct fixture_class *class, const char *name,
                       const struct mm_layout *layout)
{
  fixture_require(class);
  class->name = name;
  class->layout = *layout;
}

static struct fixture_class *make_class_of(struct fixture *f,
                                           const struct mm_language *language,
                                           const char *name,
                                           struct mm_layout layout)
{
  struct fixture_class *class = mm_metadata_alloc(f->heap, sizeof *class);
  struct mm_error error = {""};
  unsigned index = 0;
  enum mm_status status =
      mm_language_register(f->heap, language, &index, &error);
  ck_assert_msg(status == MM_OK, "status %d: %s", status, error.text);
  layout.language = (uint8_t)index;
  fill_class(class, name, &layout);
  return class;
}

static struct fixture_class *make_class(struct fixture *f, const char *name,
                                        struct mm_layout layout)
{
  return make_class_of(f, &language_test, name, layout);
}

static struct fixture_class *make_wide(struct fixture *f)
{
  struct fixture_class *class = make_class(
      f, "Tags",
      (struct mm_layout){.base_bytes = FIXTURE_WIDE_BYTES,
                         .flags = MM_LAYOUT_WIDE_MAP | MM_LAYOUT_TAGGED});
  for (size_t i = 2; i + 1 < FIXTURE_WIDE_BYTES / 4; i += 4)
    class->wide_ref_map[i / 64] |= (uint64_t)1 << i % 64;
  class->layout.wide_ref_map = class->wide_ref_map;
  return class;
}

void language_open(struct language *l, struct fixture *f)
{
  memset(l, 0, sizeof *l);
  l->fixture = f;
  opened = l;
  l->cons = make_class(f, "Cons",
                       (struct mm_layout){.base_bytes = 24,
                                          .ref_map = 1 << 2 | 1 << 4,
                                          .flags = MM_LAYOUT_TAGGED});
  l->vector = make_class(f, "Vector",
                         (struct mm_layout){.base_bytes = MM_ARRAY_BASE_WIDE,
                                            .kind = MM_KIND_TAGGED_ARRAY,
                                            .elem_log2 = 3});
  l->box = make_class(f, "Box", (struct mm_layout){.kind = MM_KIND_CUSTOM});
  l->loader =
      make_class(f, "Loader",
                 (struct mm_layout){.kind = MM_KIND_CUSTOM, .base_bytes = 24});
  l->wide = make_wide(f);
  f->heap->binding.visit_global_roots = visit_global_roots;
  f->heap->binding.sweep_owners = sweep_owners;
}

/* Objects -------------------------------------------------------------------
 */

uint64_t language_ref(struct mm_ref ref)
{
  return mm_tagged_value(LANGUAGE_TAGGING, ref);
}

uint64_t language_number(double number)
{
  uint64_t value;
  memcpy(&value, &number, sizeof value);
  return value;
}

struct mm_ref language_to_ref(uint64_t value)
{
  return mm_tagged_ref(LANGUAGE_TAGGING, value);
}

double language_to_number(uint64_t value)
{
  double number;
  memcpy(&number, &value, sizeof number);
  return number;
}

void *language_slot(struct mm_ref ref, size_t offset)
{
  return fixture_data(ref, offset);
}

uint64_t language_get(struct mm_ref ref, size_t offset)
{
  return mm_load_tagged(language_slot(ref, offset));
}

void language_set(struct language *l, struct mm_ref ref, size_t offset,
                  uint64_t value)
{
  mm_store_tagged(&l->fixture->main.mutator, LANGUAGE_TAGGING,
                  language_slot(ref, offset), value);
}

uint64_t language_element(struct mm_ref vector, size_t index)
{
  return language_get(vector, MM_ARRAY_BASE_WIDE + 8 * index);
}

void language_set_element(struct language *l, struct mm_ref vector,
                          size_t index, uint64_t value)
{
  language_set(l, vector, MM_ARRAY_BASE_WIDE + 8 * index, value);
}

static struct mm_ref not_null(struct mm_ref ref)
{
  fixture_require(!mm_is_null(ref));
  return ref;
}

/* What a value refers to is kept over a collection. */
static size_t hold(struct language *l, uint64_t value)
{
  return fixture_push(&l->fixture->main, language_to_ref(value));
}

static uint64_t held(struct language *l, uint64_t value, size_t root)
{
  struct mm_ref ref = fixture_at(&l->fixture->main, root);
  return mm_is_null(language_to_ref(value)) ? value : language_ref(ref);
}

struct mm_ref language_cons(struct language *l, uint64_t car, uint64_t cdr)
{
  struct fixture_thread *thread = &l->fixture->main;
  size_t first = hold(l, car), second = hold(l, cdr);
  struct mm_ref cons =
      not_null(mm_alloc_plain(&thread->mutator, &l->cons->layout));
  language_set(l, cons, LANGUAGE_CAR, held(l, car, first));
  language_set(l, cons, LANGUAGE_CDR, held(l, cdr, second));
  fixture_pop(thread, 2);
  return cons;
}

struct mm_ref language_vector(struct language *l, uint32_t length)
{
  return not_null(
      mm_alloc_array(&l->fixture->main.mutator, &l->vector->layout, length));
}

struct mm_ref language_box(struct language *l, uint32_t slots, uint32_t bytes)
{
  uint32_t size = LANGUAGE_BOX_SLOTS + 8 * slots + (bytes + 7) / 8 * 8;
  struct mm_ref box = not_null(
      mm_alloc_custom(&l->fixture->main.mutator, &l->box->layout, size));
  fixture_require(mm_object_bytes(box) == size);
  *(uint32_t *)language_slot(box, LANGUAGE_BOX_COUNT) = slots;
  return box;
}

/* Loaders -------------------------------------------------------------------
 */

static void make_classes(struct language_loader *loader)
{
  loader->pair = mm_metadata_arena_alloc(loader->arena, sizeof *loader->pair);
  loader->bytes = mm_metadata_arena_alloc(loader->arena, sizeof *loader->bytes);
  fill_class(loader->pair, "Loaded",
             &(struct mm_layout){.base_bytes = 24,
                                 .ref_map = 1 << 2 | 1 << 3,
                                 .flags = MM_LAYOUT_OWNED,
                                 .owner = loader->object});
  fill_class(loader->bytes, "Loaded[]",
             &(struct mm_layout){.base_bytes = MM_ARRAY_BASE,
                                 .kind = MM_KIND_DATA_ARRAY,
                                 .flags = MM_LAYOUT_OWNED,
                                 .owner = loader->object});
}

unsigned language_load_wide(struct language *l, uint32_t bytes)
{
  struct fixture_thread *thread = &l->fixture->main;
  unsigned index = 0;
  struct mm_ref object =
      not_null(mm_alloc_nonmoving(&thread->mutator, &l->loader->layout, bytes));
  fixture_push(thread, object);
  while (!mm_is_null(l->loaders[index].object))
    fixture_require(++index < LANGUAGE_LOADERS);
  struct language_loader *loader = &l->loaders[index];
  loader->arena = mm_metadata_arena_create(l->fixture->heap);
  fixture_require(loader->arena);
  loader->statics = mm_metadata_arena_alloc(
      loader->arena, LANGUAGE_STATICS * sizeof *loader->statics);
  fixture_require(loader->statics);
  loader->object = object;
  make_classes(loader);
  memcpy(language_slot(object, 16), &loader->statics, sizeof loader->statics);
  return index;
}

unsigned language_load(struct language *l)
{
  return language_load_wide(l, 24);
}

struct mm_ref language_static(struct language *l, unsigned loader, unsigned at)
{
  return l->loaders[loader].statics[at];
}

void language_set_static(struct language *l, unsigned loader, unsigned at,
                         struct mm_ref value)
{
  struct mm_ref *slot = &l->loaders[loader].statics[at];
  mm_barrier_before(&l->fixture->main.mutator, slot);
  __atomic_store_n(&slot->bits, value.bits, __ATOMIC_RELAXED);
}

struct mm_ref language_pair_of(struct language *l, unsigned loader)
{
  return not_null(mm_alloc_plain(&l->fixture->main.mutator,
                                 &l->loaders[loader].pair->layout));
}

struct mm_ref language_bytes_of(struct language *l, unsigned loader,
                                uint32_t length)
{
  return not_null(mm_alloc_array(&l->fixture->main.mutator,
                                 &l->loaders[loader].bytes->layout, length));
}

/* Mortals -------------------------------------------------------------------
 */

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned told[LANGUAGE_MORTALS];
static struct fixture *mortals_of;

static void died(void *host, const uint64_t *words, size_t count)
{
  fixture_require(host == mortals_of && count > 0 && count <= MM_DEATHS_MOST);
  pthread_mutex_lock(&told_lock);
  for (size_t i = 0; i < count; i++) {
    fixture_require(words[i] < LANGUAGE_MORTALS);
    told[words[i]]++;
  }
  pthread_mutex_unlock(&told_lock);
}

static const struct mm_language language_of_mortals = {.name = "mortal",
                                                       .died = died};

struct fixture_class *language_mortals(struct fixture *f)
{
  memset(told, 0, sizeof told);
  mortals_of = f;
  return make_class_of(f, &language_of_mortals, "Mortal",
                       (struct mm_layout){.base_bytes = 16});
}

struct mm_ref language_mortal(struct fixture_thread *thread,
                              struct fixture_class *mortals, uint32_t number)
{
  struct mm_ref ref = mm_alloc_plain(&thread->mutator, &mortals->layout);
  fixture_require(!mm_is_null(ref));
  fixture_require(mm_language_watch(&thread->mutator, ref, number) == MM_OK);
  return ref;
}

unsigned language_told(uint32_t number)
{
  pthread_mutex_lock(&told_lock);
  unsigned times = told[number];
  pthread_mutex_unlock(&told_lock);
  return times;
}

uint64_t language_told_all(void)
{
  uint64_t sum = 0;
  pthread_mutex_lock(&told_lock);
  for (size_t i = 0; i < LANGUAGE_MORTALS; i++)
    sum += told[i];
  pthread_mutex_unlock(&told_lock);
  return sum;
}

void language_hold_died(bool holds)
{
  if (holds)
    pthread_mutex_lock(&told_lock);
  else
    pthread_mutex_unlock(&told_lock);
}

/* References of two languages ------------------------------------------------
 */

struct mm_ref language_strings[2][LANGUAGE_STRINGS];

static void visit_strings(unsigned number, struct mm_weak_visitor *visitor)
{
  for (size_t i = 0; i < LANGUAGE_STRINGS; i++) {
    struct mm_ref *slot = &language_strings[number][i];
    if (!mm_is_null(*slot) && !visitor->keep(visitor, slot))
      *slot = MM_NULL;
  }
}

static void visit_strings_of_one(void *host, struct mm_weak_visitor *visitor)
{
  (void)host;
  visit_strings(0, visitor);
}

static void visit_strings_of_two(void *host, struct mm_weak_visitor *visitor)
{
  (void)host;
  visit_strings(1, visitor);
}

static const struct mm_language languages_with_references[] = {
    {.name = "one",
     .visit_weak = visit_strings_of_one,
     .reference_kinds = 1 << MM_STRENGTH_WEAK | 1 << MM_STRENGTH_FINAL},
    {.name = "two",
     .visit_weak = visit_strings_of_two,
     .reference_kinds = 1 << MM_STRENGTH_WEAK | 1 << MM_STRENGTH_FINAL},
};

static struct mm_layout reference_layout(enum mm_strength strength)
{
  return (struct mm_layout){.base_bytes = 24,
                            .kind = MM_KIND_REFERENCE,
                            .elem_log2 = (uint8_t)strength};
}

unsigned language_references(struct fixture *f, unsigned number,
                             struct fixture_class **weak,
                             struct fixture_class **final)
{
  if (number == 0) {
    *weak = f->classes[FIXTURE_WEAK_REFERENCE];
    *final = f->classes[FIXTURE_FINAL];
    return 0;
  }
  const struct mm_language *language = &languages_with_references[number - 1];
  *weak =
      make_class_of(f, language, "Weak", reference_layout(MM_STRENGTH_WEAK));
  *final =
      make_class_of(f, language, "Final", reference_layout(MM_STRENGTH_FINAL));
  return (*weak)->layout.language;
}
