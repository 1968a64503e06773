/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of classes by name.  See class_table_internal.h.
 *
 * Hash: FNV-1a (Fowler, Noll, Vo, 1991) over the bytes of the name.
 * Invariant: bucket_count is a power of two, class_count <= bucket_count
 * except after a growth that found no memory, which only costs time.
 */
#include "config.h"

#include "vm/core/class_table_internal.h"

#include <string.h>

#include "vm/core/purposes.h"

enum { LEAST_BUCKETS = 8 };

struct vm_class_table {
  struct vm_class **buckets;
  size_t bucket_count, class_count;
};

static uint32_t hash_name(const char *name, size_t length)
{
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return hash;
}

static struct vm_class **bucket_of(const struct vm_class_table *table,
                                   const char *name, size_t length)
{
  return &table->buckets[hash_name(name, length) & (table->bucket_count - 1)];
}

static struct vm_class **make_buckets(size_t count)
{
  return mm_native_alloc_array(VM_PURPOSE_CLASSES, count,
                               sizeof(struct vm_class *));
}

static void free_buckets(struct vm_class **buckets, size_t count)
{
  mm_native_free(VM_PURPOSE_CLASSES, buckets, count * sizeof *buckets);
}

struct vm_class_table *vm_class_table_create(size_t class_count)
{
  struct vm_class_table *table =
      mm_native_alloc(VM_PURPOSE_CLASSES, sizeof *table);
  if (!table)
    return NULL;
  table->bucket_count = LEAST_BUCKETS;
  while (table->bucket_count < class_count)
    table->bucket_count *= 2;
  table->buckets = make_buckets(table->bucket_count);
  if (!table->buckets) {
    mm_native_free(VM_PURPOSE_CLASSES, table, sizeof *table);
    return NULL;
  }
  return table;
}

void vm_class_table_destroy(struct vm_class_table *table)
{
  if (!table)
    return;
  free_buckets(table->buckets, table->bucket_count);
  mm_native_free(VM_PURPOSE_CLASSES, table, sizeof *table);
}

struct vm_class *vm_class_table_find(const struct vm_class_table *table,
                                     const char *name, size_t length)
{
  struct vm_class *class = *bucket_of(table, name, length);
  while (class && (strncmp(class->name, name, length) != 0 ||
                   class->name[length] != '\0'))
    class = class->hash_next;
  return class;
}

static void link_class(struct vm_class_table *table, struct vm_class *class)
{
  struct vm_class **bucket = bucket_of(table, class->name, strlen(class->name));
  class->hash_next = *bucket;
  *bucket = class;
}

static void move_all(struct vm_class_table *table, struct vm_class *class)
{
  while (class) {
    struct vm_class *next = class->hash_next;
    link_class(table, class);
    class = next;
  }
}

/* Growing is for speed only: without memory the chains get longer. */
static void grow(struct vm_class_table *table)
{
  struct vm_class_table old = *table;
  struct vm_class **buckets = make_buckets(old.bucket_count * 2);
  if (!buckets)
    return;
  table->buckets = buckets;
  table->bucket_count = old.bucket_count * 2;
  for (size_t i = 0; i < old.bucket_count; i++)
    move_all(table, old.buckets[i]);
  free_buckets(old.buckets, old.bucket_count);
}

void vm_class_table_add(struct vm_class_table *table, struct vm_class *class)
{
  if (table->class_count >= table->bucket_count)
    grow(table);
  link_class(table, class);
  table->class_count++;
}
