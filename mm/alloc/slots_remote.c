/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that another thread than the owner of their run frees, and frees that
 * are wrong.  See slots_internal.h.
 *
 * Note [Counting remote frees]
 *
 *   the freeing thread                     the owner
 *   1. sets the bit in remote.words;       a. takes the whole queue
 *      if the word was not 0: done         b. takes count, leaves 0
 *   2. adds 1 to remote.count              c. takes the words, leaves 0;
 *   3. if it was 0: queues the run            their slots are free
 *                                          d. debt += words it took that
 *                                             were not 0, less the count
 *
 * Who finds a bit in the word leaves the rest to the thread that set the first
 * one: the word will be taken after that thread is at 2, if not before.
 *
 * Between 1 and 2 the word may be taken already, because of a count that was
 * another's.  Then the slots are free, but `debt` is 1 more: an empty run with
 * a debt cannot go back to the source before the last thread that is between 1
 * and 3 has queued it, so no thread ever queues a run that is gone.  From 2 on,
 * the run is in one queue at most: it is in none while count is 0, and only who
 * finds 0 queues it.
 *
 * An orphan's run may go to another owner between 3's look at the owner and
 * the queueing.  The old owner then hands the run on when it finds it.
 */
#include "config.h"

#include "mm/alloc/slots_run_internal.h"

/* Queues --------------------------------------------------------------------
 */

static struct mm_slots_cache *owner_of(const struct mm_slots_tag *tag)
{
  return __atomic_load_n(&tag->owner, __ATOMIC_ACQUIRE);
}

/* Queues the run with its owner, and says who that is. */
static struct mm_slots_cache *enqueue(const struct mm_slots_tag *tag,
                                      struct mm_slots_remote *remote)
{
  struct mm_slots_cache *owner = owner_of(tag);
  MM_ASSERT(owner);
  struct mm_slots_remote *head =
      __atomic_load_n(&owner->queue, __ATOMIC_RELAXED);
  do
    remote->next = head;
  while (!__atomic_compare_exchange_n(&owner->queue, &head, remote, true,
                                      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  return owner;
}

/* An orphan has no thread that would gather: whoever frees does it. */
static void gather_for_orphan(struct mm_slots_cache *cache)
{
  pthread_mutex_lock(&cache->slots->lock);
  if (cache->is_orphan) {
    mm_slots_gather(cache);
    mm_slots_shed_locked(cache, 0);
  }
  pthread_mutex_unlock(&cache->slots->lock);
}

static void announce(const struct mm_slots *slots,
                     const struct mm_slots_tag *tag)
{
  struct mm_slots_remote *remote = mm_slots_mirror(slots, tag->run);
  if (__atomic_fetch_add(&remote->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  struct mm_slots_cache *owner = enqueue(tag, remote);
  if (__atomic_load_n(&owner->is_orphan, __ATOMIC_SEQ_CST))
    gather_for_orphan(owner);
}

/* Freeing -------------------------------------------------------------------
 */

static void complain(const struct mm_slots *slots, enum mm_slots_fault fault,
                     const void *block)
{
  if (slots->report) {
    slots->report(slots->report_context, fault, block);
    return;
  }
  if (fault == MM_SLOTS_FREED_TWICE)
    mm_fatal(NULL, "block %p is freed twice", block);
  mm_fatal(NULL, "%p is freed, which is no block", block);
}

enum put { PUT_FIRST, PUT_NEXT, PUT_TWICE };

/* Sets the slot's bit: the first of its word, one more, or not at all. */
static enum put put_remote(const struct mm_slots *slots,
                           const struct mm_slots_tag *tag, uint32_t slot)
{
  uint32_t index = slot / MM_SLOTS_WORD_BITS;
  uint64_t bit = (uint64_t)1 << slot % MM_SLOTS_WORD_BITS;
  uint64_t *words = mm_slots_mirror(slots, tag->run)->words;
  if (mm_slots_is_free(tag->run, slot) ||
      mm_slots_hot_of(tag) == mm_slots_block(slots, tag, slot))
    return PUT_TWICE;
  uint64_t before = __atomic_fetch_or(&words[index], bit, __ATOMIC_RELEASE);
  if (before & bit)
    return PUT_TWICE;
  return before == 0 ? PUT_FIRST : PUT_NEXT;
}

static void free_remote(const struct mm_slots *slots,
                        const struct mm_slots_tag *tag, uint32_t slot,
                        void *block)
{
  switch (put_remote(slots, tag, slot)) {
  case PUT_FIRST:
    announce(slots, tag);
    break;
  case PUT_NEXT:
    break;
  case PUT_TWICE:
    complain(slots, MM_SLOTS_FREED_TWICE, block);
    break;
  }
}

/* What is not a block in a run of a cache's own that is in use. */
void mm_slots_free_other(struct mm_slots *slots, void *block)
{
  uintptr_t offset = (uintptr_t)block - slots->source->base;
  const struct mm_slots_tag *tag = &slots->tags[offset >> MM_SPAN_LOG2];
  uint32_t slot;
  if (!block)
    return;
  if (offset >= slots->source->reserved_bytes || !owner_of(tag) ||
      !mm_slots_index(tag, offset & (MM_SPAN_BYTES - 1), &slot))
    complain(slots, MM_SLOTS_NO_BLOCK, block);
  else
    free_remote(slots, tag, slot, block);
}

/* Gathering -----------------------------------------------------------------
 */

/* Slots that both the owner and another thread have freed. */
static void complain_of_word(struct mm_slots *slots,
                             const struct mm_slots_tag *tag, unsigned index,
                             uint64_t bits)
{
  for (; bits; bits &= bits - 1) {
    uint32_t slot =
        index * MM_SLOTS_WORD_BITS + (uint32_t)__builtin_ctzll(bits);
    complain(slots, MM_SLOTS_FREED_TWICE, mm_slots_block(slots, tag, slot));
  }
}

/* Frees slots of a word, adds how many to `freed`; false: there are none. */
static bool gather_word(struct mm_slots *slots, struct mm_slots_run *run,
                        unsigned index, int32_t *freed)
{
  uint64_t *word = &mm_slots_mirror(slots, run)->words[index];
  if (mm_slots_load(word) == 0)
    return false;
  uint64_t bits = __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE);
  uint64_t before = mm_slots_load(&run->free[index]);
  if (__builtin_expect((before & bits) != 0, 0))
    complain_of_word(slots, run->tag, index, before & bits);
  mm_slots_store(&run->free[index], before | bits);
  run->summary |= (uint64_t)1 << index;
  *freed += __builtin_popcountll(bits & ~before);
  return true;
}

static void gather_run(struct mm_slots_cache *cache, struct mm_slots_run *run)
{
  struct mm_slots_remote *remote = mm_slots_mirror(cache->slots, run);
  int32_t debt =
      -(int32_t)__atomic_exchange_n(&remote->count, 0, __ATOMIC_ACQ_REL);
  unsigned words = mm_slots_word_count(run->tag);
  int32_t freed = 0;
  for (unsigned i = 0; i < words; i++)
    debt += gather_word(cache->slots, run, i, &freed);
  run->debt += debt;
  if (run->state == MM_SLOTS_PARTIAL)
    run->left += debt - freed;
  mm_slots_settle(cache, run);
}

void mm_slots_gather(struct mm_slots_cache *cache)
{
  struct mm_slots_remote *remote =
      __atomic_exchange_n(&cache->queue, NULL, __ATOMIC_SEQ_CST);
  while (remote) {
    struct mm_slots_remote *next = remote->next; /* it may be queued again */
    struct mm_slots_run *run = mm_slots_unmirror(cache->slots, remote);
    if (owner_of(run->tag) == cache)
      gather_run(cache, run);
    else
      enqueue(run->tag, remote);
    remote = next;
  }
}
