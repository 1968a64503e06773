/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of names; see names_internal.h.
 *
 * Open addressing with linear probing, at most half full.  The hash starts
 * from the place of the table's structure, which address space layout
 * randomisation makes unknown to whoever writes a file full of collisions.
 * The order of the entries does not depend on it.
 */
#include "config.h"

#include "vm/asm/names_internal.h"

#include "mm/alloc/arena.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

void vm_names_init(struct vm_names *names, struct mm_arena *arena)
{
  memset(names, 0, sizeof *names);
  names->arena = arena;
}

static uint64_t mix(uint64_t hash)
{
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u; /* rrmxmx (Evensen 2018) */
  return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct vm_names *names, uint64_t scope,
                        const char *text, uint32_t length)
{
  uint64_t hash = mix((uintptr_t)names->arena ^ scope * 0x9e3779b97f4a7c15u);
  uint64_t word;
  for (; length >= 8; text += 8, length -= 8) {
    memcpy(&word, text, 8);
    hash = mix(hash ^ word);
  }
  word = length;
  for (uint32_t i = 0; i < length; i++)
    word = word << 8 | (uint8_t)text[i];
  return mix(hash ^ word);
}

static uint32_t find_hashed(const struct vm_names *names, uint64_t hash,
                            uint64_t scope, const char *text, uint32_t length)
{
  if (names->slot_count == 0)
    return VM_NO_NAME;
  uint32_t mask = names->slot_count - 1;
  for (uint32_t slot = (uint32_t)hash & mask;; slot = (slot + 1) & mask) {
    uint32_t index = names->slots[slot];
    if (index == 0)
      return VM_NO_NAME;
    const struct vm_name *name = &names->entries[index - 1];
    if (name->hash == hash && name->scope == scope && name->length == length &&
        memcmp(name->text, text, length) == 0)
      return index - 1;
  }
}

uint32_t vm_names_find(const struct vm_names *names, uint64_t scope,
                       const char *text, uint32_t length)
{
  if (names->count == 0)
    return VM_NO_NAME;
  return find_hashed(names, hash_of(names, scope, text, length), scope, text,
                     length);
}

static void put_slot(struct vm_names *names, uint64_t hash, uint32_t index)
{
  uint32_t mask = names->slot_count - 1;
  uint32_t slot = (uint32_t)hash & mask;
  while (names->slots[slot] != 0)
    slot = (slot + 1) & mask;
  names->slots[slot] = index + 1;
}

static bool grow(struct vm_names *names)
{
  uint32_t capacity = names->capacity ? names->capacity * 2 : FIRST_CAPACITY;
  if (capacity > UINT32_MAX / 8)
    return false;
  struct vm_name *entries =
      mm_arena_alloc(names->arena, capacity * sizeof *entries);
  uint32_t *slots =
      mm_arena_alloc(names->arena, (size_t)capacity * 2 * sizeof *slots);
  if (entries == NULL || slots == NULL)
    return false;
  if (names->count > 0)
    memcpy(entries, names->entries, names->count * sizeof *entries);
  names->entries = entries;
  names->slots = slots;
  names->capacity = capacity;
  names->slot_count = capacity * 2;
  for (uint32_t i = 0; i < names->count; i++)
    put_slot(names, entries[i].hash, i);
  return true;
}

uint32_t vm_names_add(struct vm_names *names, uint64_t scope, const char *text,
                      uint32_t length, uint32_t value)
{
  if (names->count == names->capacity && !grow(names))
    return VM_NO_NAME;
  uint64_t hash = hash_of(names, scope, text, length);
  uint32_t index = names->count++;
  names->entries[index] = (struct vm_name){text, length, value, scope, hash};
  put_slot(names, hash, index);
  return index;
}
