/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Languages (mm/language.h), and how their objects are scanned.
 *
 * The table belongs to the process, not to a heap: a layout names its language
 * by an index, and sizes of objects are asked for in many places that know
 * nothing but the object.  An entry is written once, before its index is known
 * to anybody, and stays.
 *
 * A tagged slot is loaded once, as a whole.  What is looked at twice beside a
 * program that stores to it may be a reference at the first look and a number
 * at the second.  Only with the world stopped is the reference in it visited in
 * place, and its half of the slot rewritten.
 */
#include "config.h"

#include "mm/language.h"

#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/languages_internal.h"
#include "mm/gc/options_internal.h"
#include "mm/gc/scan_internal.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct mm_language *languages[MM_LANGUAGES]; /* 0: none */

/* Registering -------------------------------------------------------------- */

static const char *fault_of(const struct mm_language *language)
{
  uint64_t mask = language->tagging.mask;
  if (!language->name || !language->name[0])
    return "it has no name";
  if (mask & UINT32_MAX)
    return "its tag takes bits of the reference";
  if (language->tagging.pattern & ~mask)
    return "its tag is not within the mask";
  if (language->reference_kinds >> MM_STRENGTH_COUNT)
    return "it has references of a kind that there is not";
  return NULL;
}

static const struct mm_language *load(unsigned index)
{
  return __atomic_load_n(&languages[index], __ATOMIC_ACQUIRE);
}

/* 0: the table is full. */
static unsigned find_place(const struct mm_language *language)
{
  for (unsigned i = 1; i < MM_LANGUAGES; i++) {
    if (!languages[i])
      __atomic_store_n(&languages[i], language, __ATOMIC_RELEASE);
    if (languages[i] == language)
      return i;
  }
  return 0;
}

enum mm_status mm_language_register(struct mm_heap *heap,
                                    const struct mm_language *language,
                                    unsigned *index, struct mm_error *error)
{
  const char *fault = fault_of(language);
  if (fault) {
    mm_error_set(error, "language %s cannot be registered: %s",
                 language->name ? language->name : "?", fault);
    return MM_BAD_OPTION;
  }
  pthread_mutex_lock(&lock);
  enum mm_status status = language->died ? mm_deaths_start(heap) : MM_OK;
  unsigned place = status == MM_OK ? find_place(language) : 0;
  if (place != 0)
    __atomic_fetch_or(&heap->languages[place / 64], (uint64_t)1 << place % 64,
                      __ATOMIC_RELEASE);
  pthread_mutex_unlock(&lock);
  if (status != MM_OK) {
    mm_error_set(error,
                 "language %s cannot be registered: cannot start the thread "
                 "that tells it of deaths",
                 language->name);
    return status;
  }
  if (place == 0) {
    mm_error_set(error, "language %s cannot be registered: %d are the most",
                 language->name, MM_LANGUAGES - 1);
    return MM_NO_MEMORY;
  }
  *index = place;
  return MM_OK;
}

const char *mm_language_name(const struct mm_layout *layout)
{
  return mm_language_name_of(layout->language);
}

bool mm_heap_has_language(const struct mm_heap *heap, unsigned index)
{
  uint64_t word =
      __atomic_load_n(&heap->languages[index / 64], __ATOMIC_ACQUIRE);
  return index == 0 || word >> index % 64 & 1;
}

void mm_languages_visit_weak(struct mm_heap *heap,
                             struct mm_weak_visitor *visitor)
{
  for (unsigned i = 1; i < MM_LANGUAGES; i++) {
    const struct mm_language *language =
        mm_heap_has_language(heap, i) ? load(i) : NULL;
    if (language && language->visit_weak)
      language->visit_weak(heap->host, visitor);
  }
}

void mm_layout_name(struct mm_heap *heap, const struct mm_layout *layout,
                    char *name, size_t name_bytes)
{
  const struct mm_language *language = load(layout->language);
  if (language && language->layout_name)
    language->layout_name(layout, name, name_bytes);
  else
    heap->binding.layout_name(heap->host, layout, name, name_bytes);
}

const struct mm_language *mm_language_of_index(unsigned index)
{
  return load(index);
}

const char *mm_language_name_of(unsigned index)
{
  const struct mm_language *language = load(index);
  return language ? language->name : "host";
}

/* References ----------------------------------------------------------------
 */

void mm_language_require_kind(struct mm_heap *heap,
                              const struct mm_layout *layout)
{
  static const char *const kinds[MM_STRENGTH_COUNT] = {"soft", "weak", "final",
                                                       "ephemeron", "phantom"};
  unsigned strength = mm_reference_strength(layout);
  const struct mm_language *language = load(layout->language);
  if (layout->language == 0 ||
      (language && language->reference_kinds >> strength & 1))
    return;
  mm_fatal(heap, "a reference is of kind %s, which language %s does not have",
           strength < MM_STRENGTH_COUNT ? kinds[strength] : "?",
           mm_language_name(layout));
}

/* Objects ------------------------------------------------------------------ */

static const struct mm_language *language_of(const struct mm_layout *layout)
{
  const struct mm_language *language = load(layout->language);
  if (!language)
    mm_fatal(NULL, "a layout is of language %u, which nobody registered",
             layout->language);
  return language;
}

bool mm_language_is_known(const struct mm_layout *layout)
{
  return load(layout->language) != NULL;
}

struct mm_tagging mm_language_tagging(const struct mm_layout *layout)
{
  const struct mm_language *language = language_of(layout);
  if (language->tagging.mask == 0)
    mm_fatal(NULL,
             "a layout of language %s has tagged slots, the language none",
             language->name);
  return language->tagging;
}

struct mm_tagging mm_language_tagging_or_none(const struct mm_layout *layout)
{
  return language_of(layout)->tagging;
}

uint64_t mm_size_custom(const void *at, const struct mm_layout *layout)
{
  const struct mm_language *language = language_of(layout);
  return language->size
             ? language->size(at, layout)
             : *(const uint32_t *)((const char *)at + MM_ARRAY_LENGTH_OFFSET);
}

void mm_custom_scan(void *at, const struct mm_layout *layout,
                    struct mm_slot_visitor *visitor)
{
  const struct mm_language *language = language_of(layout);
  if (language->scan)
    language->scan(at, layout, visitor);
}

static bool is_broken(const struct mm_special *how, enum mm_fault fault)
{
  return how->heap && mm_breaks(how->heap, fault);
}

static bool is_wanted(const struct mm_special *how, const void *slot)
{
  return how->end == 0 ||
         ((uintptr_t)slot >= how->start && (uintptr_t)slot < how->end);
}

static void scan_slot(const struct mm_special *how, struct mm_ref *slot)
{
  if (is_wanted(how, slot))
    how->visit(how->context, slot);
}

/* A slot that is not wanted is not read: it may be another worker's. */
static void scan_tagged(const struct mm_special *how, struct mm_tagging tagging,
                        uint64_t *slot)
{
  if (!is_wanted(how, slot))
    return;
  struct mm_ref value =
      mm_tagged_ref(tagging, __atomic_load_n(slot, __ATOMIC_RELAXED));
  if (mm_is_null(value) || is_broken(how, MM_FAULT_TAGGED))
    return;
  if (how->value)
    how->value(how->context, mm_tagged_slot(slot), value);
  else
    how->visit(how->context, mm_tagged_slot(slot));
}

/* What a map names, last one first (see mm_scan_word). */
static void scan_map(char *base, uint64_t map, const struct mm_special *how,
                     const struct mm_tagging *tagging)
{
  while (map) {
    unsigned last = 63 - (unsigned)__builtin_clzll(map);
    void *slot = base + 4 * (size_t)last;
    if (tagging)
      scan_tagged(how, *tagging, slot);
    else
      scan_slot(how, slot);
    map &= ~((uint64_t)1 << last);
  }
}

static void scan_plain(void *at, const struct mm_layout *layout,
                       const struct mm_special *how)
{
  struct mm_tagging tags, *tagging = NULL;
  if (layout->flags & MM_LAYOUT_TAGGED) {
    tags = mm_language_tagging(layout);
    tagging = &tags;
  }
  if (!(layout->flags & MM_LAYOUT_WIDE_MAP)) {
    scan_map(at, layout->ref_map, how, tagging);
    return;
  }
  uint32_t words = (layout->base_bytes / 4 + 63) / 64;
  for (uint32_t i = words; i-- > 0;)
    scan_map((char *)at + 256 * (size_t)i, layout->wide_ref_map[i], how,
             tagging);
}

static uint32_t least(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

static void scan_references(void *at, uint32_t from, uint32_t to,
                            const struct mm_special *how)
{
  struct mm_ref *slots = (struct mm_ref *)((char *)at + MM_ARRAY_BASE);
  for (uint32_t i = from; i < to; i++)
    scan_slot(how, &slots[i]);
}

static void scan_tagged_array(void *at, const struct mm_layout *layout,
                              uint32_t from, uint32_t to,
                              const struct mm_special *how)
{
  uint64_t *slots = (uint64_t *)((char *)at + MM_ARRAY_BASE_WIDE);
  struct mm_tagging tagging = mm_language_tagging(layout);
  for (uint32_t i = from; i < to; i++)
    scan_tagged(how, tagging, &slots[i]);
}

struct custom_scan {
  struct mm_slot_visitor visitor; /* first: the language gets its address */
  const struct mm_special *how;
  const struct mm_layout *layout;
};

static void custom_slot(struct mm_slot_visitor *visitor, struct mm_ref *slot)
{
  scan_slot(((struct custom_scan *)visitor)->how, slot);
}

static void custom_tagged(struct mm_slot_visitor *visitor, uint64_t *slot)
{
  const struct custom_scan *scan = (struct custom_scan *)visitor;
  scan_tagged(scan->how, mm_language_tagging(scan->layout), slot);
}

static void scan_custom(void *at, const struct mm_layout *layout,
                        const struct mm_special *how)
{
  if (is_broken(how, MM_FAULT_CUSTOM))
    return;
  struct custom_scan scan = {
      .visitor = {custom_slot, custom_tagged, how->start,
                  how->end ? how->end : UINTPTR_MAX},
      .how = how,
      .layout = layout,
  };
  mm_custom_scan(at, layout, &scan.visitor);
}

/* The owner does not move: its slot is only read. */
static void scan_owner(const struct mm_layout *layout,
                       const struct mm_special *how)
{
  struct mm_ref owner = layout->owner;
  if (mm_is_null(owner) || is_broken(how, MM_FAULT_OWNER))
    return;
  how->visit(how->context, &owner);
  MM_ASSERT(mm_same(owner, layout->owner));
}

void mm_scan_special(void *at, const struct mm_layout *layout, uint32_t from,
                     uint32_t to, const struct mm_special *how)
{
  if (layout->flags & MM_LAYOUT_OWNED && from == 0 && !how->skips_owner)
    scan_owner(layout, how);
  switch ((enum mm_kind)layout->kind) {
  case MM_KIND_PLAIN:
  case MM_KIND_REFERENCE:
    scan_plain(at, layout, how);
    return;
  case MM_KIND_REF_ARRAY:
    scan_references(at, from, least(to, mm_length_word(mm_ref_at(at))), how);
    return;
  case MM_KIND_TAGGED_ARRAY:
    scan_tagged_array(at, layout, from,
                      least(to, mm_length_word(mm_ref_at(at))), how);
    return;
  case MM_KIND_CUSTOM:
    scan_custom(at, layout, how);
    return;
  case MM_KIND_DATA_ARRAY:
  case MM_KIND_STRING:
  case MM_KIND_FILLER:
    return;
  }
}
