/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures: what libffi has to know of a function to call it, prepared once
 * for all functions whose types are the same.
 *
 *   "what is returned, parameters" --hash--> buckets --> struct
 * native_signature
 *
 * Values cross between registers of the machine, where a number of up to 32
 * bits is sign-extended to 64, and C's types, of their exact width.  A narrow
 * one is not reduced when it is passed within the machine (panda's 5.1), so it
 * is here.  What comes back narrow is widened by libffi to a word, of which
 * only the low part counts.
 */
#include "config.h"

#include "vm/native/native_internal.h"

#include <string.h>

static ffi_type *const ffi_types[VM_PRIM_COUNT] = {
    [VM_PRIM_VOID] = &ffi_type_void,   [VM_PRIM_U1] = &ffi_type_uint8,
    [VM_PRIM_I8] = &ffi_type_sint8,    [VM_PRIM_U8] = &ffi_type_uint8,
    [VM_PRIM_I16] = &ffi_type_sint16,  [VM_PRIM_U16] = &ffi_type_uint16,
    [VM_PRIM_I32] = &ffi_type_sint32,  [VM_PRIM_U32] = &ffi_type_uint32,
    [VM_PRIM_I64] = &ffi_type_sint64,  [VM_PRIM_U64] = &ffi_type_uint64,
    [VM_PRIM_F32] = &ffi_type_float,   [VM_PRIM_F64] = &ffi_type_double,
    [VM_PRIM_REF] = &ffi_type_pointer,
};

/* --- Values --- */

static void put(union native_cell *cell, const void *value, size_t bytes)
{
  memcpy(cell, value, bytes);
}

void native_to_c(enum vm_prim prim, union vm_slot slot, union native_cell *cell)
{
  uint8_t byte = (uint8_t)slot.u32;
  uint16_t half = (uint16_t)slot.u32;
  switch (prim) {
  case VM_PRIM_U1:
    byte = slot.u32 != 0;
    put(cell, &byte, sizeof byte);
    return;
  case VM_PRIM_I8:
  case VM_PRIM_U8:
    put(cell, &byte, sizeof byte);
    return;
  case VM_PRIM_I16:
  case VM_PRIM_U16:
    put(cell, &half, sizeof half);
    return;
  case VM_PRIM_I32:
  case VM_PRIM_U32:
  case VM_PRIM_F32:
    put(cell, &slot.u32, sizeof slot.u32);
    return;
  default:
    cell->u64 = slot.u64;
  }
}

enum vm_prim native_promoted(enum vm_prim prim)
{
  switch (prim) {
  case VM_PRIM_U1:
  case VM_PRIM_I8:
  case VM_PRIM_U8:
  case VM_PRIM_I16:
  case VM_PRIM_U16:
    return VM_PRIM_I32;
  case VM_PRIM_F32:
    return VM_PRIM_F64;
  default:
    return prim;
  }
}

void native_to_variadic(enum vm_prim prim, union vm_slot slot,
                        union native_cell *cell)
{
  native_to_c(prim, slot, cell);
  if (prim == VM_PRIM_F32)
    cell->f64 = (double)slot.f32;
  else if (native_promoted(prim) != prim)
    cell->i64 = native_from_c(prim, *cell).i64;
}

union vm_slot native_from_c(enum vm_prim prim, union native_cell cell)
{
  union vm_slot slot = {0};
  switch (prim) {
  case VM_PRIM_U1:
    slot.i64 = (uint8_t)cell.word != 0;
    break;
  case VM_PRIM_I8:
    slot.i64 = (int8_t)cell.word;
    break;
  case VM_PRIM_U8:
    slot.i64 = (uint8_t)cell.word;
    break;
  case VM_PRIM_I16:
    slot.i64 = (int16_t)cell.word;
    break;
  case VM_PRIM_U16:
    slot.i64 = (uint16_t)cell.word;
    break;
  case VM_PRIM_I32:
  case VM_PRIM_U32:
    slot.i64 = (int32_t)cell.word;
    break;
  case VM_PRIM_F32:
    slot.f32 = cell.f32;
    slot.i64 = slot.i32;
    break;
  case VM_PRIM_I64:
  case VM_PRIM_U64:
  case VM_PRIM_F64:
    slot.u64 = cell.u64;
    break;
  default:
    break;
  }
  return slot;
}

/* --- The table --- */

static uint32_t hash_of(const uint8_t *prims, uint32_t count, uint32_t fixed)
{
  uint32_t hash = 2166136261u ^ fixed; /* FNV-1a */
  for (uint32_t i = 0; i <= count; i++)
    hash = (hash ^ prims[i]) * 16777619u;
  return hash;
}

static const struct native_signature *
find_locked(const struct vm_natives *natives, uint32_t hash,
            const uint8_t *prims, uint32_t count, uint32_t fixed)
{
  if (natives->bucket_count == 0)
    return NULL;
  const struct native_signature *s =
      natives->buckets[hash & (natives->bucket_count - 1)];
  while (s && !(s->hash == hash && s->count == count && s->fixed == fixed &&
                memcmp(s->prims, prims, count + 1) == 0))
    s = s->next;
  return s;
}

static bool grow_locked(struct vm_natives *natives)
{
  uint32_t old_count = natives->bucket_count;
  uint32_t count = old_count ? 2 * old_count : 16;
  struct native_signature **old = natives->buckets,
                          **new = mm_native_alloc_array(VM_PURPOSE_NATIVES,
                                                        count, sizeof *new);
  if (!new)
    return false;
  for (uint32_t i = 0; i < old_count; i++)
    while (old[i]) {
      struct native_signature *s = old[i];
      old[i] = s->next;
      s->next = new[s->hash & (count - 1)];
      new[s->hash & (count - 1)] = s;
    }
  mm_native_free(VM_PURPOSE_NATIVES, old, old_count * sizeof *old);
  natives->buckets = new;
  natives->bucket_count = count;
  return true;
}

static size_t types_offset(uint32_t count)
{
  size_t bytes = sizeof(struct native_signature) + count + 1;
  return (bytes + sizeof(ffi_type *) - 1) & ~(sizeof(ffi_type *) - 1);
}

static size_t signature_bytes(uint32_t count)
{
  return types_offset(count) + count * sizeof(ffi_type *);
}

static bool prepare(struct native_signature *s)
{
  ffi_type *result = ffi_types[s->prims[0]];
  ffi_status status =
      s->fixed == s->count
          ? ffi_prep_cif(&s->cif, FFI_DEFAULT_ABI, s->count, result, s->types)
          : ffi_prep_cif_var(&s->cif, FFI_DEFAULT_ABI, s->fixed, s->count,
                             result, s->types);
  return status == FFI_OK;
}

static struct native_signature *make(uint32_t hash, const uint8_t *prims,
                                     uint32_t count, uint32_t fixed)
{
  struct native_signature *s =
      mm_native_alloc(VM_PURPOSE_NATIVES, signature_bytes(count));
  if (!s)
    return NULL;
  s->hash = hash;
  s->count = count;
  s->fixed = fixed;
  s->types = (ffi_type **)((char *)s + types_offset(count));
  memcpy(s->prims, prims, count + 1);
  for (uint32_t i = 0; i < count; i++)
    s->types[i] = ffi_types[prims[i + 1]];
  if (prepare(s))
    return s;
  mm_native_free(VM_PURPOSE_NATIVES, s, signature_bytes(count));
  return NULL;
}

static const struct native_signature *
find_or_make_locked(struct vm_natives *natives, const uint8_t *prims,
                    uint32_t count, uint32_t fixed)
{
  uint32_t hash = hash_of(prims, count, fixed);
  const struct native_signature *found =
      find_locked(natives, hash, prims, count, fixed);
  if (found)
    return found;
  if (natives->signature_count >= natives->bucket_count &&
      !grow_locked(natives))
    return NULL;
  struct native_signature *new = make(hash, prims, count, fixed);
  if (!new)
    return NULL;
  new->next = natives->buckets[hash & (natives->bucket_count - 1)];
  natives->buckets[hash & (natives->bucket_count - 1)] = new;
  natives->signature_count++;
  return new;
}

const struct native_signature *native_signature(struct vm *vm,
                                                const uint8_t *prims,
                                                uint32_t count, uint32_t fixed)
{
  vm_lock(vm, VM_LOCK_NATIVES);
  const struct native_signature *signature =
      find_or_make_locked(vm->natives, prims, count, fixed);
  vm_unlock(vm, VM_LOCK_NATIVES);
  return signature;
}

void native_signatures_destroy(struct vm_natives *natives)
{
  for (uint32_t i = 0; i < natives->bucket_count; i++)
    while (natives->buckets[i]) {
      struct native_signature *s = natives->buckets[i];
      natives->buckets[i] = s->next;
      mm_native_free(VM_PURPOSE_NATIVES, s, signature_bytes(s->count));
    }
  mm_native_free(VM_PURPOSE_NATIVES, natives->buckets,
                 natives->bucket_count * sizeof *natives->buckets);
}
