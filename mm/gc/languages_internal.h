/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector asks of languages; see languages.c. */
#ifndef MM_LANGUAGES_INTERNAL_H
#define MM_LANGUAGES_INTERNAL_H

#include "mm/language.h"

enum { MM_LANGUAGES = UINT8_MAX + 1 };

/* Was it registered with this heap?  Index 0 is. */
bool mm_heap_has_language(const struct mm_heap *heap, unsigned index);

/* The language itself; null for index 0, and for what nobody registered. */
const struct mm_language *mm_language_of_index(unsigned index);

/* Its name; "host" for index 0. */
const char *mm_language_name_of(unsigned index);

/* The name of a class, by its language or the host. */
void mm_layout_name(struct mm_heap *heap, const struct mm_layout *layout,
                    char *name, size_t name_bytes);

/* Has the layout's language been registered? */
bool mm_language_is_known(const struct mm_layout *layout);

/* Ends the process if the layout's language has no references of this kind. */
void mm_language_require_kind(struct mm_heap *heap,
                              const struct mm_layout *layout);

/* World stopped: the weak tables of the languages of a heap. */
void mm_languages_visit_weak(struct mm_heap *heap,
                             struct mm_weak_visitor *visitor);

/* The tagging of a layout's language, which has to be known. */
struct mm_tagging mm_language_tagging(const struct mm_layout *layout);

/* The same; all 0 if the language has none. */
struct mm_tagging mm_language_tagging_or_none(const struct mm_layout *layout);

/* Calls the language's scan, if it has one. */
void mm_custom_scan(void *at, const struct mm_layout *layout,
                    struct mm_slot_visitor *visitor);

#endif
