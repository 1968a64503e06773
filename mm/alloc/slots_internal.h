/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: small blocks, as equal slots of runs, found by bitmaps.
 *
 *   source      | span  | span  | span  |        a run is one span of 64 KiB,
 *                  run                           cut in slots of one size, all
 *               |slot|slot|...|slot|rest|        of it for blocks: no head
 *
 *   tags[span] ---> run      state, and a bit per slot: free (the owner's)
 *                   remote   the run's mirror: freed by another thread
 *
 *   state of a run:
 *
 *     source -- take --> CURRENT -- its last slot is taken --> FULL
 *       ^                 ^  ^                                  |
 *       | give            |  +-- the next of the row ---+       | free
 *       |                 |                             |       v
 *       +------------- EMPTY <-- last block is freed -- PARTIAL
 *
 * Each thread works with a cache, and a cache owns its runs (the scheme of
 * mimalloc: Leijen, Zorn, de Moura, "Mimalloc: free list sharding in action",
 * 2019; ours keeps the free slots in bitmaps, so that neither a free nor the
 * search for a slot touches the blocks, and a block that is freed twice is
 * noticed).  The owner allocates and frees without atomic operations.  A
 * thread that frees another's block sets a bit in the run's remote bitmap and
 * queues the run with its owner, who gathers such bits when a run of its own
 * is used up.  See Note [Counting remote frees].
 *
 * One block of each class that was freed lately is hot: it is in no bitmap, and
 * the next allocation of its class takes it.  So a free and an allocation that
 * follow each other leave the run alone.  A hot block counts as used.
 *
 * A cache outlives its thread: it waits, an orphan, for the next thread that
 * needs one.  A thread takes over orphans' runs with free slots before it
 * takes new memory.  Of empty runs a cache keeps one per class and returns the
 * others to the source.
 *
 * Invariants (the class's `check`), where the used slots of a run are those not
 * in `free`, and `debt` more: a slot is free in one bitmap at most, a hot one
 * in none; remote.count = words in remote.words that are not 0, and debt; a bit
 * of `summary` is set if its word of `free` is not 0; a run is in the row of
 * its owner's bin if and only if it is PARTIAL, and then 0 < left <= used; bits
 * beyond the last slot are never set.
 *
 * Allocation keeps no count.  So `left`, which frees count down, is as large as
 * used was when it was last found out, or less: when it comes to 0, the bits
 * tell whether the run is empty.
 *
 * Locks: a cache is for one thread at a time, and frees of any block through
 * it are welcome.  The functions of the class use a cache shared by all, under
 * a lock.  The source is called under the lock of the slots.  `walk`, `check`
 * and `destroy` want all threads to keep still.
 *
 * Read next: slots_cache.c (slow paths), slots_remote.c, slots.c (the class).
 */
#ifndef MM_ALLOC_SLOTS_INTERNAL_H
#define MM_ALLOC_SLOTS_INTERNAL_H

#include "mm/alloc/allocator_internal.h"
#include "mm/alloc/classes_internal.h"
#include "mm/assert_internal.h"

#include <pthread.h>

enum {
  MM_SLOTS_GRANULE_LOG2 = 3,
  MM_SLOTS_LEAST_BYTES = 16,
  MM_SLOTS_MOST_BYTES = 2048, /* of a block */
  MM_SLOTS_GRANULES = MM_SLOTS_MOST_BYTES >> MM_SLOTS_GRANULE_LOG2,
  MM_SLOTS_WORD_BITS = 64,
  MM_SLOTS_WORDS = MM_SPAN_BYTES / MM_SLOTS_LEAST_BYTES / 64,
  MM_SLOTS_LINE_BYTES = 64, /* of the processor's cache */
  MM_SLOTS_RUN_SIZES = 5,
};

_Static_assert(MM_SLOTS_WORDS == 64, "one summary word has a bit for each");

enum mm_slots_state {
  MM_SLOTS_NONE, /* no run here */
  MM_SLOTS_CURRENT,
  MM_SLOTS_PARTIAL,
  MM_SLOTS_FULL,
  MM_SLOTS_EMPTY,
};

struct mm_slots;
struct mm_slots_cache;

/* What any thread has to know of a span to free a block in it.  Apart from
   what the owner writes, so that others do not wait for its stores. */
struct mm_slots_tag {
  struct mm_slots_cache *owner; /* atomic; null: no run */
  uint32_t reciprocal;          /* 2^32 / slot_bytes, rounded up */
  uint16_t fraction_limit;      /* see mm_slots_index */
  uint16_t slot_bytes;
  struct mm_slots_run *run;
  uint8_t class;
  uint8_t unused[7]; /* makes the size a power of two */
};

/* What the owner has of a run; as many lines as the words need. */
struct mm_slots_run {
  uint64_t summary; /* words of `free` to try */
  int32_t left;     /* a free that leaves 0 or less of it is slow */
  int32_t debt;     /* words of others' frees, gathered, not counted yet */
  uint8_t state;    /* enum mm_slots_state */
  uint8_t size;     /* of this description: an index into a table */
  uintptr_t start;  /* of its memory */
  struct mm_slots_tag *tag;
  struct mm_slots_run *next, *previous; /* in the bin: PARTIAL, EMPTY */
  uint64_t free[];
};

/* What other threads have of a run: the same distance from each. */
struct mm_slots_remote {
  struct mm_slots_remote *next; /* in a queue */
  uint32_t count;   /* atomic: words announced since the run was queued */
  uint64_t words[]; /* atomic */
};

/* What a cache has of one size class: a line. */
struct mm_slots_bin {
  _Alignas(MM_SLOTS_LINE_BYTES) uint64_t *word; /* what blocks come from: a
                                      word of `from`, or `none` */
  uintptr_t word_start;                         /* the slot of its bit 0 */
  uint32_t slot_bytes;
  uint32_t empty_count;
  struct mm_slots_run *from;         /* any run; null: none */
  struct mm_slots_run *current;      /* null: none */
  struct mm_slots_run *first, *last; /* the row of PARTIAL runs */
  struct mm_slots_run *empty;        /* a stack, linked by `next` */
};

struct mm_slots_cache {
  uintptr_t base;          /* of the source */
  uint64_t reserved_bytes; /* of the source */
  struct mm_slots_tag *tags;
  struct mm_slots *slots;
  struct mm_slots_cache *next;        /* of all caches; for good */
  struct mm_slots_cache *next_orphan; /* while it is one */
  uint64_t none;                      /* a word without a bit */
  bool is_orphan;                     /* atomic, written under the lock */
  _Alignas(MM_SLOTS_LINE_BYTES) struct mm_slots_remote *queue; /* atomic */
  _Alignas(MM_SLOTS_LINE_BYTES) uint8_t of_granules[MM_SLOTS_GRANULES + 1];
  void *hot[MM_CLASSES_MOST]; /* atomic; null: none */
  struct mm_slots_bin bins[MM_CLASSES_MOST];
};

enum mm_slots_fault {
  MM_SLOTS_FREED_TWICE, /* the block is free already */
  MM_SLOTS_NO_BLOCK,    /* no block starts here, nor ever did */
};

/* Hears of a `free` that is wrong; if it returns, nothing is freed. */
typedef void mm_slots_report(void *context, enum mm_slots_fault fault,
                             const void *address);

struct mm_slots {
  struct mm_allocator allocator;
  struct mm_source *source;
  struct mm_slots_tag *tags;
  size_t mirror_bytes; /* from a run to its mirror */
  mm_slots_report *report;
  void *report_context;
  struct mm_slots_cache *shared; /* what the functions of the class use;
                                    null: they did not need it yet */
  pthread_mutex_t shared_lock;   /* before `lock` */
  pthread_mutex_t lock;          /* of what follows, and of the source */
  size_t spans;                  /* runs have indices below this */
  size_t run_count;
  char *unused_run, *runs_end; /* memory for descriptions of runs */
  struct mm_slots_run *unused_runs[MM_SLOTS_RUN_SIZES]; /* used before */
  struct mm_slots_cache *caches;                        /* all of them */
  struct mm_slots_cache *orphans;
  struct mm_classes classes;
};

/*
 * Slots that take spans from `source`, which has to outlive them.  `extra`:
 * more sizes than the table of classes has (mm_classes_init).  `report` null:
 * a wrong free ends the process with a message.  MM_BAD_OPTION: too many
 * extra sizes.
 */
enum mm_status mm_slots_create(struct mm_source *source, const uint32_t *extra,
                               size_t extra_count, mm_slots_report *report,
                               void *report_context, struct mm_slots **slots);

/* A cache for the calling thread; null when there is no memory. */
struct mm_slots_cache *mm_slots_cache_acquire(struct mm_slots *slots);

/* The thread ends, or needs no cache any more.  Null is allowed. */
void mm_slots_cache_release(struct mm_slots_cache *cache);

/* Gives empty runs back to the source, and gathers what other threads have
   freed. */
void mm_slots_cache_trim(struct mm_slots_cache *cache);

/* The slow paths of the functions below. */
void *mm_slots_alloc_slow(struct mm_slots_cache *cache,
                          struct mm_slots_bin *bin);
void mm_slots_freed_slow(struct mm_slots_cache *cache,
                         struct mm_slots_run *run);
void mm_slots_free_other(struct mm_slots *slots, void *block);

/* The word is read by other threads (double frees, is_block). */
static inline uint64_t mm_slots_load(const uint64_t *word)
{
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void mm_slots_store(uint64_t *word, uint64_t bits)
{
  __atomic_store_n(word, bits, __ATOMIC_RELAXED);
}

/* So is the hot block. */
static inline void *mm_slots_hot(const struct mm_slots_cache *cache,
                                 size_t class)
{
  return __atomic_load_n(&cache->hot[class], __ATOMIC_RELAXED);
}

static inline void mm_slots_set_hot(struct mm_slots_cache *cache, size_t class,
                                    void *block)
{
  __atomic_store_n(&cache->hot[class], block, __ATOMIC_RELAXED);
}

/*
 * Which slot starts `offset` bytes into the run?  False: none does.
 *
 * The product with the reciprocal has the quotient above 32 bits of fraction.
 * The reciprocal is too large by e / slot_bytes, where e < slot_bytes.  So slot
 * k has the fraction k * e, and an offset within a slot has one of at least
 * the reciprocal, which is far more (after Lemire, Kaser, Kurz, "Faster
 * remainder by direct computation", 2019).  The limit is slots * e: it shuts
 * out the rest behind the last slot as well.  Where e is 0 there is no rest,
 * and the limit is 1.
 */
static inline bool mm_slots_index(const struct mm_slots_tag *tag,
                                  uint32_t offset, uint32_t *slot)
{
  uint64_t product = (uint64_t)offset * tag->reciprocal;
  *slot = (uint32_t)(product >> 32);
  return (uint32_t)product < tag->fraction_limit;
}

/* A block of at least `bytes`, of any content.  Null: there is none, or
   `bytes` is more than MM_SLOTS_MOST_BYTES. */
static inline void *mm_slots_alloc(struct mm_slots_cache *cache, size_t bytes)
{
  if (bytes > MM_SLOTS_MOST_BYTES)
    return NULL;
  size_t granules = (bytes + 7) >> MM_SLOTS_GRANULE_LOG2;
  size_t class = cache->of_granules[granules];
  void *hot = mm_slots_hot(cache, class);
  if (hot) {
    mm_slots_set_hot(cache, class, NULL);
    return hot;
  }
  struct mm_slots_bin *bin = cache->bins + class;
  uint64_t bits = mm_slots_load(bin->word);
  if (__builtin_expect(bits == 0, 0))
    return mm_slots_alloc_slow(cache, bin);
  mm_slots_store(bin->word, bits & (bits - 1));
  uint32_t bit = (uint32_t)__builtin_ctzll(bits);
  return (void *)(bin->word_start + bit * bin->slot_bytes);
}

/* The summary learns that the bin's word is used up, if it is. */
static inline void mm_slots_leave_word(struct mm_slots_bin *bin)
{
  if (bin->from && mm_slots_load(bin->word) == 0)
    bin->from->summary &= ~((uint64_t)1 << (bin->word - bin->from->free));
}

static inline void mm_slots_use_word(struct mm_slots_bin *bin,
                                     struct mm_slots_run *run, size_t index)
{
  bin->from = run;
  bin->word = &run->free[index];
  bin->word_start = run->start + index * MM_SLOTS_WORD_BITS * bin->slot_bytes;
}

/* A word that had no free slot has one: the next block comes from there, while
   the bitmap is near.  This spares the search when frees are spread over many
   runs. */
static inline void mm_slots_note(struct mm_slots_cache *cache,
                                 struct mm_slots_run *run, size_t index)
{
  struct mm_slots_bin *bin = &cache->bins[run->tag->class];
  mm_slots_leave_word(bin);
  run->summary |= (uint64_t)1 << index;
  mm_slots_use_word(bin, run, index);
}

/* Puts a slot of an own run back, which is in no bitmap. */
static inline void mm_slots_put(struct mm_slots_cache *cache,
                                struct mm_slots_run *run, uint32_t slot)
{
  uint32_t index = slot / MM_SLOTS_WORD_BITS;
  uint64_t bits = mm_slots_load(&run->free[index]);
  mm_slots_store(&run->free[index],
                 bits | (uint64_t)1 << slot % MM_SLOTS_WORD_BITS);
  if (__builtin_expect((run->summary >> index & 1) == 0, 0))
    mm_slots_note(cache, run, index);
  if (__builtin_expect(--run->left <= 0, 0))
    mm_slots_freed_slow(cache, run);
}

static inline bool mm_slots_is_free(const struct mm_slots_run *run,
                                    uint32_t slot)
{
  uint64_t bits = mm_slots_load(&run->free[slot / MM_SLOTS_WORD_BITS]);
  return bits >> slot % MM_SLOTS_WORD_BITS & 1;
}

/* Frees a block of an own run; false: it is free already. */
static inline bool mm_slots_free_own(struct mm_slots_cache *cache,
                                     const struct mm_slots_tag *tag,
                                     uint32_t slot, void *block)
{
  void *hot = mm_slots_hot(cache, tag->class);
  if (__builtin_expect(hot == block || mm_slots_is_free(tag->run, slot), 0))
    return false;
  if (hot)
    mm_slots_put(cache, tag->run, slot);
  else
    mm_slots_set_hot(cache, tag->class, block);
  return true;
}

/* Frees a block of any thread's. */
static inline void mm_slots_free(struct mm_slots_cache *cache, void *block)
{
  uintptr_t offset = (uintptr_t)block - cache->base;
  if (__builtin_expect(offset < cache->reserved_bytes, 1)) {
    size_t span = offset >> MM_SPAN_LOG2;
    const struct mm_slots_tag *tag = &cache->tags[span];
    uint32_t slot;
    if (__builtin_expect(
            __atomic_load_n(&tag->owner, __ATOMIC_RELAXED) == cache &&
                mm_slots_index(tag, offset & (MM_SPAN_BYTES - 1), &slot),
            1) &&
        mm_slots_free_own(cache, tag, slot, block))
      return;
  }
  mm_slots_free_other(cache->slots, block);
}

#endif
