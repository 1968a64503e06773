/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps from objects to values: hash tables of ephemerons, all in the heap.
 *
 *   map -> buckets -> entry -next-> entry -next-> ...
 *                       | key, value: a cons that holds it
 *
 * The value of an entry lives as long as the key does; that it refers to the
 * key does not keep either.  When the key dies, the collector clears the entry
 * and hands it out as pending; whoever uses a map next takes those, and out of
 * the buckets.  So no map is searched for what died.
 *
 * Hashes are those of identity: keys may move.
 */
#include "lisp.h"

enum { BUCKETS_LEAST = 8 };

static struct mm_ref ref_of(value v)
{
  return mm_tagged_ref(TAGGING, v);
}

static void *field(value object, size_t offset)
{
  return address(object) + offset;
}

static value load_ref(value object, size_t offset)
{
  uint32_t bits =
      __atomic_load_n((uint32_t *)field(object, offset), __ATOMIC_RELAXED);
  return bits ? of_ref((struct mm_ref){bits}) : NIL;
}

static void store_ref(struct lisp *lisp, value object, size_t offset, value v)
{
  mm_store_ref(&lisp->mutator, field(object, offset), ref_of(v));
}

static uint32_t *hash_of(value entry)
{
  return field(entry, ENTRY_HASH);
}

static uint64_t *count_of(value map)
{
  return field(map, MAP_COUNT);
}

static size_t bucket_of(value buckets, uint32_t hash)
{
  return slot_offset(hash & (length_of(buckets) - 1));
}

static value new_buckets(struct lisp *lisp, uint32_t length)
{
  value buckets = new_vector(lisp, length);
  for (uint32_t i = 0; buckets != ERROR && i < length; i++)
    store(lisp, buckets, slot_offset(i), NIL);
  return buckets;
}

value new_map(struct lisp *lisp)
{
  value buckets = new_buckets(lisp, BUCKETS_LEAST);
  if (buckets == ERROR)
    return ERROR;
  push(lisp, buckets);
  value map = new_plain(lisp, MAP);
  buckets = pop(lisp);
  if (map != ERROR)
    store(lisp, map, MAP_BUCKETS, buckets);
  return map;
}

/* Entries whose keys died ---------------------------------------------------
 */

/* The entry stands on what is a bucket's slot, or another's NEXT. */
static void unlink_locked(struct lisp *lisp, value entry)
{
  value map = load_ref(entry, ENTRY_MAP), before = NIL;
  value buckets = load(map, MAP_BUCKETS);
  size_t bucket = bucket_of(buckets, *hash_of(entry));
  for (value at = load(buckets, bucket); at != entry;
       at = load_ref(at, ENTRY_NEXT))
    before = at;
  value next = load_ref(entry, ENTRY_NEXT);
  if (before == NIL)
    store(lisp, buckets, bucket, next);
  else
    store_ref(lisp, before, ENTRY_NEXT, next);
  --*count_of(map);
}

static void settle_locked(struct lisp *lisp)
{
  struct mm_ref entry, referent;
  while (!mm_is_null(entry = mm_language_take_pending(
                         &lisp->mutator, lisp->world->language, &referent)))
    unlink_locked(lisp, of_ref(entry));
}

/* Looking up ----------------------------------------------------------------
 */

static value find_locked(struct lisp *lisp, value map, value key, uint32_t hash)
{
  value buckets = load(map, MAP_BUCKETS);
  value entry = load(buckets, bucket_of(buckets, hash));
  for (; entry != NIL; entry = load_ref(entry, ENTRY_NEXT))
    if (*hash_of(entry) == hash &&
        mm_same(mm_reference_get(&lisp->mutator, ref_of(entry)), ref_of(key)))
      return entry;
  return NIL;
}

static value value_of(struct lisp *lisp, value entry)
{
  return of_ref(mm_ephemeron_value(&lisp->mutator, ref_of(entry)));
}

value map_get(struct lisp *lisp, value map, value key)
{
  uint32_t hash = mm_identity_hash(&lisp->mutator, ref_of(key));
  pthread_mutex_lock(&lisp->world->lock);
  settle_locked(lisp);
  value entry = find_locked(lisp, map, key, hash);
  value v = entry == NIL ? FALSE : load(value_of(lisp, entry), CAR);
  pthread_mutex_unlock(&lisp->world->lock);
  return v;
}

size_t map_count(struct lisp *lisp, value map)
{
  pthread_mutex_lock(&lisp->world->lock);
  settle_locked(lisp);
  size_t count = *count_of(map);
  pthread_mutex_unlock(&lisp->world->lock);
  return count;
}

/* Putting -------------------------------------------------------------------
 */

static void link_locked(struct lisp *lisp, value buckets, value entry)
{
  size_t bucket = bucket_of(buckets, *hash_of(entry));
  store_ref(lisp, entry, ENTRY_NEXT, load(buckets, bucket));
  store(lisp, buckets, bucket, entry);
}

/* Whether there is an entry, which then has the value. */
static bool replace(struct lisp *lisp, size_t map, size_t key, size_t v,
                    uint32_t hash)
{
  pthread_mutex_lock(&lisp->world->lock);
  settle_locked(lisp);
  value entry = find_locked(lisp, lisp->stack[map], lisp->stack[key], hash);
  if (entry != NIL)
    store(lisp, value_of(lisp, entry), CAR, lisp->stack[v]);
  pthread_mutex_unlock(&lisp->world->lock);
  return entry != NIL;
}

static value new_entry(struct lisp *lisp, size_t map, size_t key, size_t v,
                       uint32_t hash)
{
  push(lisp, lisp->stack[v]);
  push(lisp, NIL);
  value holder = cons_top(lisp);
  if (holder == ERROR)
    return ERROR;
  push(lisp, holder);
  value entry = new_plain(lisp, ENTRY);
  holder = pop(lisp);
  if (entry == ERROR)
    return ERROR;
  *hash_of(entry) = hash;
  store_ref(lisp, entry, ENTRY_MAP, lisp->stack[map]);
  mm_reference_init(&lisp->mutator, ref_of(entry), ref_of(lisp->stack[key]));
  mm_ephemeron_set_value(&lisp->mutator, ref_of(entry), ref_of(holder));
  return entry;
}

static void rehash_locked(struct lisp *lisp, value map, value larger)
{
  value buckets = load(map, MAP_BUCKETS), next;
  for (uint32_t i = 0; i < length_of(buckets); i++)
    for (value entry = load(buckets, slot_offset(i)); entry != NIL;
         entry = next) {
      next = load_ref(entry, ENTRY_NEXT);
      link_locked(lisp, larger, entry);
    }
  store(lisp, map, MAP_BUCKETS, larger);
}

/* How many buckets there are, if no more entries are to come without others;
   else 0.  Another thread may just have made them: the length, which is a plain
   store of its, is there for those who have the lock. */
static uint32_t full_length(struct lisp *lisp, value map)
{
  pthread_mutex_lock(&lisp->world->lock);
  settle_locked(lisp);
  uint32_t length = length_of(load(map, MAP_BUCKETS));
  bool is_full = *count_of(map) >= length;
  pthread_mutex_unlock(&lisp->world->lock);
  return is_full ? length : 0;
}

/* Twice as many buckets, if there are more entries than those, and no other
   thread has seen to it meanwhile. */
static bool grow(struct lisp *lisp, size_t map)
{
  uint32_t length = full_length(lisp, lisp->stack[map]);
  if (length == 0)
    return true;
  value larger = new_buckets(lisp, 2 * length);
  if (larger == ERROR)
    return false;
  pthread_mutex_lock(&lisp->world->lock);
  settle_locked(lisp);
  if (length_of(load(lisp->stack[map], MAP_BUCKETS)) == length)
    rehash_locked(lisp, lisp->stack[map], larger);
  pthread_mutex_unlock(&lisp->world->lock);
  return true;
}

value map_put(struct lisp *lisp, size_t map, size_t key, size_t v)
{
  uint32_t hash = mm_identity_hash(&lisp->mutator, ref_of(lisp->stack[key]));
  if (replace(lisp, map, key, v, hash))
    return NIL;
  if (!grow(lisp, map))
    return ERROR;
  value entry = new_entry(lisp, map, key, v, hash);
  if (entry == ERROR)
    return ERROR;
  pthread_mutex_lock(&lisp->world->lock);
  value other = find_locked(lisp, lisp->stack[map], lisp->stack[key], hash);
  if (other == NIL) {
    link_locked(lisp, load(lisp->stack[map], MAP_BUCKETS), entry);
    ++*count_of(lisp->stack[map]);
  } else
    store(lisp, value_of(lisp, other), CAR, lisp->stack[v]);
  pthread_mutex_unlock(&lisp->world->lock);
  return NIL;
}
