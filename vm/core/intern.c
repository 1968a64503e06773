/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind interned strings.
 *
 *   buckets[hash & mask] --> index + 1 of an entry, 0: none
 *   entries[0 .. count)      {string, hash, next: index + 1 in its bucket}
 *
 * Entries are dense, so that a collection walks them once, slides those that
 * live over those that died and links the buckets anew: no tombstones, no
 * allocation.  There are as many buckets as room for entries, a power of two.
 *
 * Invariants: every entry
 * is in the bucket of its hash; no two have equal contents; no string is null.
 *
 * Locks: `lock` guards all of it among mutators.  It is never held across a
 * safepoint, so that a stopped world means it is free and the collector needs
 * none: a string that is missing is made without the lock and looked up again
 * before it is put in.
 */
#include "config.h"

#include "vm/core/intern.h"

#include <pthread.h>
#include <string.h>

#include "mm/barrier_inline.h"
#include "vm/core/purposes.h"
#include "vm/core/string_internal.h"

enum { FIRST_CAPACITY = 256 };

struct entry {
  struct mm_ref string;
  uint32_t hash;
  uint32_t next;
};

struct vm_intern_table {
  pthread_mutex_t lock;
  struct entry *entries;
  uint32_t *buckets;
  uint32_t count, capacity;
};

/* The bits that choose a bucket: the string hash alone is regular in its low
   ones (Fibonacci hashing, Knuth 1973). */
static uint32_t *bucket_of(const struct vm_intern_table *table, uint32_t hash)
{
  uint32_t mixed = hash * 0x9e3779b1u;
  return &table->buckets[(mixed ^ mixed >> 16) & (table->capacity - 1)];
}

static void link_entry(struct vm_intern_table *table, uint32_t index)
{
  uint32_t *bucket = bucket_of(table, table->entries[index].hash);
  table->entries[index].next = *bucket;
  *bucket = index + 1;
}

static void link_all(struct vm_intern_table *table)
{
  memset(table->buckets, 0, table->capacity * sizeof *table->buckets);
  for (uint32_t i = 0; i < table->count; i++)
    link_entry(table, i);
}

static struct entry *make_entries(uint32_t capacity)
{
  return mm_native_alloc_array(VM_PURPOSE_INTERN, capacity,
                               sizeof(struct entry));
}

static uint32_t *make_buckets(uint32_t capacity)
{
  return mm_native_alloc_array(VM_PURPOSE_INTERN, capacity, sizeof(uint32_t));
}

static void free_arrays(struct vm_intern_table *table)
{
  mm_native_free(VM_PURPOSE_INTERN, table->entries,
                 table->capacity * sizeof *table->entries);
  mm_native_free(VM_PURPOSE_INTERN, table->buckets,
                 table->capacity * sizeof *table->buckets);
}

static void free_table(struct vm_intern_table *table)
{
  free_arrays(table);
  mm_native_free(VM_PURPOSE_INTERN, table, sizeof *table);
}

struct vm_intern_table *vm_intern_create(void)
{
  struct vm_intern_table *table =
      mm_native_alloc(VM_PURPOSE_INTERN, sizeof *table);
  if (!table)
    return NULL;
  table->capacity = FIRST_CAPACITY;
  table->entries = make_entries(table->capacity);
  table->buckets = make_buckets(table->capacity);
  if (!table->entries || !table->buckets ||
      pthread_mutex_init(&table->lock, NULL) != 0)
    goto fail;
  return table;
fail:
  free_table(table);
  return NULL;
}

void vm_intern_destroy(struct vm_intern_table *table)
{
  if (!table)
    return;
  pthread_mutex_destroy(&table->lock);
  free_table(table);
}

size_t vm_intern_count(struct vm_intern_table *table)
{
  pthread_mutex_lock(&table->lock);
  size_t count = table->count;
  pthread_mutex_unlock(&table->lock);
  return count;
}

/* Doubles the room; on failure nothing changes. */
static bool grow_locked(struct vm_intern_table *table)
{
  if (table->capacity > UINT32_MAX / 4)
    return false;
  uint32_t capacity = table->capacity * 2;
  struct entry *entries = make_entries(capacity);
  uint32_t *buckets = make_buckets(capacity);
  if (!entries || !buckets) {
    mm_native_free(VM_PURPOSE_INTERN, entries, capacity * sizeof *entries);
    mm_native_free(VM_PURPOSE_INTERN, buckets, capacity * sizeof *buckets);
    return false;
  }
  memcpy(entries, table->entries, table->count * sizeof *entries);
  free_arrays(table);
  table->buckets = buckets;
  table->entries = entries;
  table->capacity = capacity;
  link_all(table);
  return true;
}

static struct mm_ref find_locked(const struct vm_intern_table *table,
                                 const struct vm_text *text)
{
  for (uint32_t i = *bucket_of(table, text->hash); i;) {
    const struct entry *entry = &table->entries[i - 1];
    if (entry->hash == text->hash && vm_string_equals_text(entry->string, text))
      return entry->string;
    i = entry->next;
  }
  return MM_NULL;
}

/* Puts a string in unless an equal one is there by now; returns the one that
   is in the table, null when it cannot grow. */
static struct mm_ref add_locked(struct vm_intern_table *table,
                                const struct vm_text *text,
                                struct mm_ref string)
{
  struct mm_ref there = find_locked(table, text);
  if (!mm_is_null(there))
    return there;
  if (table->count == table->capacity && !grow_locked(table))
    return MM_NULL;
  table->entries[table->count].string = string;
  table->entries[table->count].hash = text->hash;
  link_entry(table, table->count++);
  return string;
}

struct mm_ref vm_string_intern_utf8(struct vm_thread *thread, const char *bytes,
                                    size_t length_bytes)
{
  struct vm_intern_table *table = thread->vm->intern;
  struct vm_text text = vm_text_of_utf8(bytes, length_bytes);
  pthread_mutex_lock(&table->lock);
  struct mm_ref string = find_locked(table, &text);
  pthread_mutex_unlock(&table->lock);
  mm_barrier_keep(&thread->mutator, string);
  if (!mm_is_null(string))
    return string;
  string = vm_string_from_text(thread, &text);
  if (mm_is_null(string))
    return MM_NULL;
  pthread_mutex_lock(&table->lock);
  string = add_locked(table, &text, string);
  pthread_mutex_unlock(&table->lock);
  mm_barrier_keep(&thread->mutator, string);
  if (mm_is_null(string))
    vm_throw_out_of_memory(thread);
  return string;
}

void vm_intern_visit_weak(struct vm_intern_table *table,
                          struct mm_weak_visitor *visitor)
{
  uint32_t kept = 0;
  for (uint32_t i = 0; i < table->count; i++)
    if (visitor->keep(visitor, &table->entries[i].string)) {
      table->entries[kept] = table->entries[i];
      kept++;
    }
  bool changed = kept != table->count;
  table->count = kept;
  if (changed)
    link_all(table);
}
