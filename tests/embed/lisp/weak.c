/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weak tables.  The entries stand in the host's memory; the object in the heap
 * knows the table's number, and the table goes when the object does.  An entry
 * goes when its key dies or its value: neither keeps the other alive.
 *
 * A few entries each: they are searched one by one.  All but what the collector
 * calls, with the world stopped, takes the lock.
 */
#include "lisp.h"

#include <stdlib.h>

struct weak_entry {
  struct mm_ref key;
  value v;
};

struct weak_table {
  struct mm_ref object; /* null: the number is free */
  struct weak_entry *entries;
  size_t count, size;
};

static struct weak_table *table_of(const struct lisp *lisp, value table)
{
  const char *at = mm_address(mm_tagged_ref(TAGGING, table));
  return &lisp->world->tables[*(const uint32_t *)(at + TABLE_NUMBER)];
}

static bool add_table_locked(struct lisp *lisp, uint32_t *number)
{
  size_t i = 0;
  while (i < lisp->world->tables_size &&
         !mm_is_null(lisp->world->tables[i].object))
    i++;
  if (i == lisp->world->tables_size) {
    size_t size = i ? 2 * i : 8;
    struct weak_table *tables =
        realloc(lisp->world->tables, size * sizeof *lisp->world->tables);
    if (!tables)
      return false;
    for (size_t j = i; j < size; j++)
      tables[j] = (struct weak_table){.object = MM_NULL};
    lisp->world->tables = tables;
    lisp->world->tables_size = size;
  }
  *number = (uint32_t)i;
  return true;
}

/* The table's object is there already: it knows its number. */
bool weak_add(struct lisp *lisp, value table)
{
  uint32_t number;
  pthread_mutex_lock(&lisp->world->lock);
  bool is_added = add_table_locked(lisp, &number);
  if (is_added) {
    *(uint32_t *)(address(table) + TABLE_NUMBER) = number;
    lisp->world->tables[number].object = mm_tagged_ref(TAGGING, table);
  }
  pthread_mutex_unlock(&lisp->world->lock);
  return is_added;
}

static struct weak_entry *find(struct weak_table *table, struct mm_ref key)
{
  for (size_t i = 0; i < table->count; i++)
    if (mm_same(table->entries[i].key, key))
      return &table->entries[i];
  return NULL;
}

static struct weak_entry *add(struct weak_table *table)
{
  if (table->count == table->size) {
    size_t size = table->size ? 2 * table->size : 8;
    struct weak_entry *entries =
        realloc(table->entries, size * sizeof *entries);
    if (!entries)
      return NULL;
    table->entries = entries;
    table->size = size;
  }
  return &table->entries[table->count++];
}

bool weak_put(struct lisp *lisp, value table, value key, value v)
{
  struct mm_ref ref = mm_tagged_ref(TAGGING, key);
  pthread_mutex_lock(&lisp->world->lock);
  struct weak_table *weak = table_of(lisp, table);
  struct weak_entry *entry = find(weak, ref);
  if (!entry)
    entry = add(weak);
  if (entry)
    *entry = (struct weak_entry){ref, v};
  pthread_mutex_unlock(&lisp->world->lock);
  return entry != NULL;
}

/* What comes out of a weak table, a cycle may not have seen. */
value weak_get(struct lisp *lisp, value table, value key)
{
  pthread_mutex_lock(&lisp->world->lock);
  const struct weak_entry *entry =
      find(table_of(lisp, table), mm_tagged_ref(TAGGING, key));
  value v = entry ? entry->v : FALSE;
  mm_barrier_keep(&lisp->mutator, mm_tagged_ref(TAGGING, v));
  pthread_mutex_unlock(&lisp->world->lock);
  return v;
}

size_t weak_count(struct lisp *lisp, value table)
{
  pthread_mutex_lock(&lisp->world->lock);
  size_t count = table_of(lisp, table)->count;
  pthread_mutex_unlock(&lisp->world->lock);
  return count;
}

static bool lives(struct weak_entry *entry, struct mm_weak_visitor *visitor)
{
  return visitor->keep(visitor, &entry->key) &&
         (!is_ref(entry->v) ||
          visitor->keep(visitor, mm_tagged_slot(&entry->v)));
}

static void visit_entries(struct weak_table *table,
                          struct mm_weak_visitor *visitor)
{
  size_t count = 0;
  for (size_t i = 0; i < table->count; i++)
    if (lives(&table->entries[i], visitor))
      table->entries[count++] = table->entries[i];
  table->count = count;
}

void weak_visit(struct world *world, struct mm_weak_visitor *visitor)
{
  for (size_t i = 0; i < world->tables_size; i++) {
    struct weak_table *table = &world->tables[i];
    if (mm_is_null(table->object))
      continue;
    if (visitor->keep(visitor, &table->object)) {
      visit_entries(table, visitor);
      continue;
    }
    free(table->entries);
    *table = (struct weak_table){.object = MM_NULL};
  }
}

void weak_close(struct world *world)
{
  for (size_t i = 0; i < world->tables_size; i++)
    free(world->tables[i].entries);
  free(world->tables);
}
