/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panda.EphemeronTable: values for objects, by identity.  An entry holds its
 * value as long as its key is reached in another way than through the value
 * (Hayes, "Ephemerons: a new finalization mechanism", 1997).
 *
 *   chains[hash mod length] -> ephemeron -> ephemeron      next, through the
 *                              key, value                  field of queues
 *
 * Identity hashes stay with their objects, so nothing has to be hashed anew
 * when the collector moves keys.  Entries whose keys are gone are unlinked by
 * who comes across them, and all before the table would grow.
 *
 * Any number of threads: chains are read and linked under one lock of all
 * tables (TABLES), since walkers of a chain that another thread links anew
 * might go round in a circle for ever.  No store there passes the turn on. What
 * is allocated is allocated before, and the table is looked at again inside:
 *
 * See Note [No lock over a safepoint]
 */
#include "config.h"

#include "mm/mm_inline.h"
#include "vm/core/lock.h"
#include "vm/core/monitor.h"
#include "vm/core/object.h"
#include "vm/core/references.h"
#include "vm/lib/library_internal.h"

enum {
  CHAINS_OFFSET = 8,
  COUNT_OFFSET = 12,
  HASH_OFFSET = 32, /* of an ephemeron */
  FIRST_LENGTH = 8,
  LENGTH_MOST = 1 << 30,
};

static bool check(struct vm_thread *thread, const union vm_slot *args,
                  bool with_key)
{
  if (!mm_is_null(args[0].ref) && (!with_key || !mm_is_null(args[1].ref)))
    return true;
  return vm_throw_null(thread);
}

static uint32_t *count_of(struct mm_ref table)
{
  return vm_object_at(table, COUNT_OFFSET);
}

static uint32_t load_count(struct mm_ref table)
{
  return __atomic_load_n(count_of(table), __ATOMIC_RELAXED);
}

static void add_count(struct mm_ref table, uint32_t by)
{
  __atomic_store_n(count_of(table), load_count(table) + by, __ATOMIC_RELAXED);
}

static struct mm_ref chains_of(struct mm_ref table)
{
  return vm_object_ref(table, CHAINS_OFFSET);
}

static uint32_t hash_of(struct mm_ref ephemeron)
{
  const uint32_t *hash = vm_object_at(ephemeron, HASH_OFFSET);
  return __atomic_load_n(hash, __ATOMIC_RELAXED);
}

static struct mm_ref next_of(struct mm_ref ephemeron)
{
  return vm_object_ref(ephemeron, VM_REFERENCE_NEXT_OFFSET);
}

static uint32_t place_of(struct mm_ref chains, uint32_t hash)
{
  return hash & (mm_length_word(chains) - 1);
}

static void set_first(struct vm_thread *thread, struct mm_ref chains,
                      uint32_t place, struct mm_ref entry)
{
  vm_object_set_ref_locked(thread, chains, MM_ARRAY_BASE + (size_t)place * 4,
                           entry);
}

static uint32_t length_of(struct mm_ref chains)
{
  return mm_is_null(chains) ? 0 : mm_length_word(chains);
}

/* --- Under the lock --- */

static void lock(struct vm_thread *thread)
{
  vm_lock(thread->vm, VM_LOCK_TABLES);
}

static void unlock(struct vm_thread *thread)
{
  vm_unlock(thread->vm, VM_LOCK_TABLES);
}

/* Takes an entry out of a chain; `before' is null for the first one. */
static void unlink_entry(struct vm_thread *thread, struct mm_ref table,
                         uint32_t place, struct mm_ref before,
                         struct mm_ref entry)
{
  struct mm_ref next = next_of(entry);
  if (mm_is_null(before))
    set_first(thread, chains_of(table), place, next);
  else
    vm_object_set_ref_locked(thread, before, VM_REFERENCE_NEXT_OFFSET, next);
  add_count(table, (uint32_t)-1);
}

/* The entry of a key, and what stands before it; dead ones are dropped on the
   way. */
static struct mm_ref find(struct vm_thread *thread, struct mm_ref table,
                          struct mm_ref key, uint32_t hash,
                          struct mm_ref *before)
{
  struct mm_ref chains = chains_of(table);
  *before = MM_NULL;
  if (mm_is_null(chains))
    return MM_NULL;
  uint32_t place = place_of(chains, hash);
  struct mm_ref at = vm_array_ref(chains, place);
  while (!mm_is_null(at) &&
         !mm_reference_refers_to(&thread->mutator, at, key)) {
    if (mm_reference_refers_to(&thread->mutator, at, MM_NULL))
      unlink_entry(thread, table, place, *before, at);
    else
      *before = at;
    at = next_of(at);
  }
  return at;
}

static void drop_dead(struct vm_thread *thread, struct mm_ref table)
{
  struct mm_ref chains = chains_of(table);
  for (uint32_t place = 0; place < length_of(chains); place++) {
    struct mm_ref before = MM_NULL, at = vm_array_ref(chains, place);
    for (; !mm_is_null(at); at = next_of(at))
      if (mm_reference_refers_to(&thread->mutator, at, MM_NULL))
        unlink_entry(thread, table, place, before, at);
      else
        before = at;
  }
}

static void link_entry(struct vm_thread *thread, struct mm_ref chains,
                       struct mm_ref entry)
{
  uint32_t place = place_of(chains, hash_of(entry));
  vm_object_set_ref_locked(thread, entry, VM_REFERENCE_NEXT_OFFSET,
                           vm_array_ref(chains, place));
  set_first(thread, chains, place, entry);
}

static void move_entries(struct vm_thread *thread, struct mm_ref from,
                         struct mm_ref to)
{
  for (uint32_t i = 0; i < mm_length_word(from); i++) {
    struct mm_ref at = vm_array_ref(from, i), next;
    for (; !mm_is_null(at); at = next) {
      next = next_of(at);
      link_entry(thread, to, at);
    }
  }
}

/* The length that the chains should have for one more entry. */
static uint32_t wanted_length(struct vm_thread *thread, struct mm_ref table)
{
  uint32_t length = length_of(chains_of(table));
  if (load_count(table) < length)
    return length;
  drop_dead(thread, table);
  if (load_count(table) < length - length / 4 || length == LENGTH_MOST)
    return length;
  return length ? 2 * length : FIRST_LENGTH;
}

/* Gives an entry a new value.  False: there is none. */
static bool replace(struct vm_thread *thread, const union vm_slot *args,
                    uint32_t hash)
{
  struct mm_ref before;
  struct mm_ref entry = find(thread, args[0].ref, args[1].ref, hash, &before);
  if (mm_is_null(entry))
    return false;
  mm_ephemeron_set_value(&thread->mutator, entry, args[2].ref);
  return true;
}

static struct mm_ref take(struct vm_thread *thread, struct mm_ref table,
                          struct mm_ref key, uint32_t hash)
{
  struct mm_ref before;
  struct mm_ref entry = find(thread, table, key, hash, &before);
  if (mm_is_null(entry))
    return MM_NULL;
  struct mm_ref value = mm_ephemeron_value(&thread->mutator, entry);
  unlink_entry(thread, table, place_of(chains_of(table), hash), before, entry);
  mm_reference_clear(&thread->mutator, entry);
  return value;
}

/* --- Growing --- */

/* Unless another thread has made them as long meanwhile. */
static void replace_chains(struct vm_thread *thread, struct mm_ref table,
                           struct mm_ref to)
{
  lock(thread);
  struct mm_ref from = chains_of(table);
  if (length_of(from) < length_of(to)) {
    if (!mm_is_null(from))
      move_entries(thread, from, to);
    vm_object_set_ref_locked(thread, table, CHAINS_OFFSET, to);
  }
  unlock(thread);
}

static bool grow(struct vm_thread *thread, const union vm_slot *args,
                 uint32_t length)
{
  struct vm *vm = thread->vm;
  struct vm_class *class = vm_class_array_of(vm, vm->known.object);
  if (!class)
    return vm_throw_out_of_memory(thread);
  struct mm_ref to = vm_new_array(thread, class, (int32_t)length);
  if (mm_is_null(to))
    return false;
  replace_chains(thread, args[0].ref, to);
  return true;
}

/* For one more entry.  Chains are never taken away again. */
static bool make_room(struct vm_thread *thread, const union vm_slot *args)
{
  lock(thread);
  uint32_t length = length_of(chains_of(args[0].ref));
  uint32_t wanted = wanted_length(thread, args[0].ref);
  unlock(thread);
  return wanted == length || grow(thread, args, wanted);
}

/* --- Natives --- */

static bool construct(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  return check(thread, args, false) && vm_lib_return_void(result);
}

static bool add(struct vm_thread *thread, union vm_slot *args, uint32_t hash)
{
  if (!make_room(thread, args))
    return false;
  struct mm_ref entry =
      mm_alloc_plain(&thread->mutator, &thread->vm->known.ephemeron->layout);
  if (mm_is_null(entry))
    return vm_throw_refused(thread);
  vm_object_made();
  *(uint32_t *)vm_object_at(entry, HASH_OFFSET) = hash;
  mm_reference_init(&thread->mutator, entry, args[1].ref);
  mm_ephemeron_set_value(&thread->mutator, entry, args[2].ref);
  lock(thread);
  if (!replace(thread, args, hash)) {
    link_entry(thread, chains_of(args[0].ref), entry);
    add_count(args[0].ref, 1);
  }
  unlock(thread);
  return true;
}

static bool put(struct vm_thread *thread, union vm_slot *args,
                union vm_slot *result)
{
  if (!check(thread, args, true))
    return false;
  uint32_t hash = vm_object_hash(thread, args[1].ref);
  if (hash == 0)
    return false;
  lock(thread);
  bool was_there = replace(thread, args, hash);
  unlock(thread);
  if (!was_there && !add(thread, args, hash))
    return false;
  return vm_lib_return_void(result);
}

static bool get(struct vm_thread *thread, union vm_slot *args,
                union vm_slot *result)
{
  if (!check(thread, args, true))
    return false;
  uint32_t hash = vm_object_hash(thread, args[1].ref);
  if (hash == 0)
    return false;
  struct mm_ref before, value = MM_NULL;
  lock(thread);
  struct mm_ref entry = find(thread, args[0].ref, args[1].ref, hash, &before);
  if (!mm_is_null(entry))
    value = mm_ephemeron_value(&thread->mutator, entry);
  unlock(thread);
  return vm_lib_return_ref(result, value);
}

static bool remove_entry(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  if (!check(thread, args, true))
    return false;
  uint32_t hash = vm_object_hash(thread, args[1].ref);
  if (hash == 0)
    return false;
  lock(thread);
  struct mm_ref value = take(thread, args[0].ref, args[1].ref, hash);
  unlock(thread);
  return vm_lib_return_ref(result, value);
}

static bool size(struct vm_thread *thread, union vm_slot *args,
                 union vm_slot *result)
{
  if (!check(thread, args, false))
    return false;
  lock(thread);
  drop_dead(thread, args[0].ref);
  uint32_t count = load_count(args[0].ref);
  unlock(thread);
  return vm_lib_return_u32(result, count);
}

static const struct vm_native_field table_fields[] = {
    {"panda.Object", "table chains", 0},
    {"u32", "table count", 0},
};

static const struct vm_native_def table_methods[] = {
    {"void @.ctor(@)", construct, VM_FLAG_CTOR},
    {"void @.put(@, panda.Object, panda.Object)", put, 0},
    {"panda.Object @.get(@, panda.Object)", get, 0},
    {"panda.Object @.remove(@, panda.Object)", remove_entry, 0},
    {"i32 @.size(@)", size, 0},
};

const struct vm_library_class vm_lib_ephemeron_table = {
    .name = "panda.EphemeronTable",
    .fields = table_fields,
    .field_count = sizeof table_fields / sizeof table_fields[0],
    .methods = table_methods,
    .method_count = sizeof table_methods / sizeof table_methods[0],
};

static const struct vm_native_field ephemeron_fields[] = {
    {"u32", "ephemeron hash", 0},
};

const struct vm_library_class vm_lib_ephemeron = {
    .name = "panda.Ephemeron",
    .base = "panda.Reference",
    .flags = VM_FLAG_FINAL,
    .is_made_here = true,
    .is_reference = true,
    .strength = MM_STRENGTH_EPHEMERON,
    .fields = ephemeron_fields,
    .field_count = 1,
};
