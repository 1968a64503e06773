/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard; see guard_internal.h for the picture.
 *
 * Before a head is read, the other allocator is asked whether a block starts
 * where the head's would: the pointer may be any.  Where the alignment was
 * more than usual there is a gap before the head; it is the alignment that
 * tells how large it may be.
 */
#include "config.h"

#include "mm/alloc/guard_internal.h"

#include "mm/alloc/poison_internal.h"
#include "mm/assert_internal.h"
#include "mm/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
  CANARY_LEAST_BYTES = 16,
  GAP_LEAST = 64, /* where more alignment is asked for than usual */
  CANARY = 0xc9,
  POISON = 0xdb,
  FRESH = 0xa5, /* what new memory is filled with */
  TEXT_BYTES = 200,
};

#define SIGN_LIVE UINT64_C(0x6c69766520626c6f)
#define SIGN_QUARANTINED UINT64_C(0x717561726420626c)
#define MOST_GAP ((size_t)1 << 30)

struct mm_guard_head {
  struct mm_guard_head *next, *before; /* live blocks */
  size_t bytes;                        /* as asked for */
  size_t whole;                        /* of the inner block */
  uint32_t purpose;
  uint32_t gap;  /* from the inner block to what is handed out */
  uint64_t sign; /* last: it takes the damage of an underrun */
};

enum { HEAD_BYTES = sizeof(struct mm_guard_head) };

_Static_assert(HEAD_BYTES % MM_BLOCK_ALIGN == 0, "blocks stay aligned");

/* Heads ------------------------------------------------------------------- */

static uintptr_t block_of(const struct mm_guard_head *head)
{
  return (uintptr_t)head + HEAD_BYTES;
}

static struct mm_guard_head *head_of(const void *block)
{
  return (struct mm_guard_head *)((uintptr_t)block - HEAD_BYTES);
}

static uintptr_t inner_of(const struct mm_guard_head *head)
{
  return block_of(head) - head->gap;
}

/* Signs differ from block to block, so that a copied head is none. */
static uint64_t sign_of(const struct mm_guard_head *head, uint64_t kind)
{
  return kind ^ (uint64_t)(uintptr_t)head * 31 ^ (uint64_t)head->bytes * 17 ^
         (uint64_t)head->whole * 13 ^ (uint64_t)head->gap << 32 ^ head->purpose;
}

static bool is_signed(const struct mm_guard_head *head, uint64_t kind)
{
  return head->sign == sign_of(head, kind);
}

static uintptr_t canary_of(const struct mm_guard_head *head)
{
  return block_of(head) + head->bytes;
}

static size_t canary_bytes(const struct mm_guard_head *head)
{
  return inner_of(head) + head->whole - canary_of(head);
}

/* Words where there are whole ones, since blocks are large at times.
   ThreadSanitizer need not see these reads, which are dear: it has seen the
   memset before them, with which a late store of another thread collides. */
__attribute__((no_sanitize("thread"))) static MM_UNWATCHED bool
all_are(uintptr_t at, size_t bytes, unsigned char value)
{
  enum { WORD = sizeof(uint64_t) };
  uint64_t word = value * UINT64_C(0x0101010101010101);
  uintptr_t end = at + bytes;
  for (; at < end && at % WORD != 0; at++)
    if (*(const volatile unsigned char *)at != value)
      return false;
  for (; end - at >= WORD; at += WORD)
    if (*(const volatile uint64_t *)at != word)
      return false;
  for (; at < end; at++)
    if (*(const volatile unsigned char *)at != value)
      return false;
  return true;
}

static bool has_canary(const struct mm_guard_head *head)
{
  return all_are(canary_of(head), canary_bytes(head), CANARY);
}

static bool has_poison(const struct mm_guard_head *head)
{
  return all_are(block_of(head), head->bytes, POISON);
}

/* Reports ----------------------------------------------------------------- */

static const char *const fault_texts[] = {
    [MM_GUARD_NO_BLOCK] = "freed, but no block (or freed long ago)",
    [MM_GUARD_FREED_TWICE] = "freed twice",
    [MM_GUARD_UNDERRUN] = "written to before its beginning",
    [MM_GUARD_OVERRUN] = "written to behind its end",
    [MM_GUARD_USED_AFTER_FREE] = "written to after it was freed",
    [MM_GUARD_WRONG_SIZE] = "freed with another size",
    [MM_GUARD_WRONG_PURPOSE] = "freed for another purpose",
};

static const char *purpose_text(uint32_t purpose)
{
  return purpose < MM_PURPOSE_COUNT ? mm_purpose_text(purpose) : "any purpose";
}

static void tell(struct mm_guard *guard, enum mm_guard_fault fault,
                 const char *text)
{
  if (guard->report)
    guard->report(guard->report_context, fault, text);
  else
    mm_fatal(NULL, "%s", text);
}

/* `details`: what was said of the block at its free; may be empty. */
static void tell_of(struct mm_guard *guard, enum mm_guard_fault fault,
                    const struct mm_guard_head *head, const char *details)
{
  char text[TEXT_BYTES];
  snprintf(text, sizeof text, "the block at %p, %zu bytes for %s, was %s%s",
           (void *)block_of(head), head->bytes, purpose_text(head->purpose),
           fault_texts[fault], details);
  tell(guard, fault, text);
}

/* Nothing is known of it, or nothing that can be believed. */
static void tell_of_address(struct mm_guard *guard, enum mm_guard_fault fault,
                            const void *block, uint32_t purpose, size_t bytes)
{
  char text[TEXT_BYTES], size[32] = "any size";
  if (bytes != MM_GUARD_ANY_BYTES)
    snprintf(size, sizeof size, "%zu bytes", bytes);
  snprintf(text, sizeof text, "%p, said to be %s for %s, was %s", block, size,
           purpose_text(purpose), fault_texts[fault]);
  tell(guard, fault, text);
}

/* Live blocks ------------------------------------------------------------- */

void mm_guard_lock(struct mm_guard *guard)
{
  pthread_mutex_lock(&guard->lock);
}

void mm_guard_unlock(struct mm_guard *guard)
{
  pthread_mutex_unlock(&guard->lock);
}

static void link_live(struct mm_guard *guard, struct mm_guard_head *head)
{
  mm_guard_lock(guard);
  head->before = NULL;
  head->next = guard->live;
  if (head->next)
    head->next->before = head;
  guard->live = head;
  guard->live_blocks++;
  mm_guard_unlock(guard);
}

static void unlink_live_locked(struct mm_guard *guard,
                               struct mm_guard_head *head)
{
  if (head->next)
    head->next->before = head->before;
  if (head->before)
    head->before->next = head->next;
  else
    guard->live = head->next;
  guard->live_blocks--;
}

/* Allocation -------------------------------------------------------------- */

/* Memory may be there again once the quarantine has ended. */
static void *inner_alloc(struct mm_guard *guard, size_t bytes, size_t align)
{
  void *at = mm_allocator_alloc_aligned(guard->inner, bytes, align);
  if (at)
    return at;
  mm_guard_flush(guard);
  return mm_allocator_alloc_aligned(guard->inner, bytes, align);
}

void *mm_guard_alloc_aligned(struct mm_guard *guard, uint32_t purpose,
                             size_t bytes, size_t align)
{
  size_t gap = align > GAP_LEAST ? align : GAP_LEAST;
  if (align <= MM_BLOCK_ALIGN) {
    gap = HEAD_BYTES;
    align = MM_BLOCK_ALIGN;
  }
  if (gap > MOST_GAP || bytes > SIZE_MAX - gap - CANARY_LEAST_BYTES)
    return NULL;
  char *inner = inner_alloc(guard, gap + bytes + CANARY_LEAST_BYTES,
                            gap == HEAD_BYTES ? align : gap);
  if (!inner)
    return NULL;
  struct mm_guard_head *head = head_of(inner + gap);
  head->bytes = bytes;
  head->whole = mm_allocator_block_bytes(guard->inner, inner);
  head->purpose = purpose;
  head->gap = (uint32_t)gap;
  head->sign = sign_of(head, SIGN_LIVE);
  memset((void *)block_of(head), FRESH, bytes);
  memset((void *)canary_of(head), CANARY, canary_bytes(head));
  mm_poison(canary_of(head), canary_bytes(head));
  link_live(guard, head);
  return (void *)block_of(head);
}

void *mm_guard_alloc(struct mm_guard *guard, uint32_t purpose, size_t bytes)
{
  return mm_guard_alloc_aligned(guard, purpose, bytes, MM_BLOCK_ALIGN);
}

/* Freeing ----------------------------------------------------------------- */

/* Is there a head before `block`, whole or damaged? */
static bool has_head(struct mm_guard *guard, const void *block)
{
  uintptr_t at = (uintptr_t)block;
  if (!guard->inner->class->is_block)
    return block != NULL;
  if (at < HEAD_BYTES || at % MM_BLOCK_ALIGN != 0)
    return false;
  if (mm_allocator_is_block(guard->inner, (void *)(at - HEAD_BYTES)))
    return true;
  for (size_t gap = GAP_LEAST; gap <= MOST_GAP && at % gap == 0; gap *= 2)
    if (gap < at && mm_allocator_is_block(guard->inner, (void *)(at - gap)) &&
        head_of(block)->gap == gap)
      return true;
  return false;
}

/* True: the block is live, whatever else is wrong. */
static bool is_live_locked(struct mm_guard *guard, void *block,
                           uint32_t purpose, size_t bytes)
{
  struct mm_guard_head *head = head_of(block);
  if (!has_head(guard, block)) {
    tell_of_address(guard, MM_GUARD_NO_BLOCK, block, purpose, bytes);
    return false;
  }
  if (is_signed(head, SIGN_QUARANTINED)) {
    tell_of(guard, MM_GUARD_FREED_TWICE, head, "");
    return false;
  }
  if (!is_signed(head, SIGN_LIVE)) {
    tell_of_address(guard, MM_GUARD_UNDERRUN, block, purpose, bytes);
    return false;
  }
  return true;
}

static void compare(struct mm_guard *guard, const struct mm_guard_head *head,
                    uint32_t purpose, size_t bytes)
{
  char details[TEXT_BYTES / 2];
  if (bytes != MM_GUARD_ANY_BYTES && bytes != head->bytes) {
    snprintf(details, sizeof details, ", %zu bytes", bytes);
    tell_of(guard, MM_GUARD_WRONG_SIZE, head, details);
  }
  if (purpose != MM_GUARD_ANY_PURPOSE && purpose != head->purpose) {
    snprintf(details, sizeof details, ", %s", purpose_text(purpose));
    tell_of(guard, MM_GUARD_WRONG_PURPOSE, head, details);
  }
  if (!has_canary(head))
    tell_of(guard, MM_GUARD_OVERRUN, head, "");
}

/* Takes the oldest block out; its memory is still as it was. */
static struct mm_guard_head *leave_locked(struct mm_guard *guard)
{
  struct mm_guard_head *head = guard->quarantine[guard->oldest];
  if (guard->quarantined == 0)
    return NULL;
  guard->oldest = (guard->oldest + 1) % MM_GUARD_QUARANTINE;
  guard->quarantined--;
  guard->quarantined_bytes -= head->whole;
  if (!has_poison(head) || !has_canary(head))
    tell_of(guard, MM_GUARD_USED_AFTER_FREE, head, "");
  return head;
}

static void inner_free(struct mm_guard *guard, struct mm_guard_head *head)
{
  uintptr_t inner = inner_of(head);
  mm_unpoison(inner, head->whole);
  head->sign = 0;
  mm_allocator_free(guard->inner, (void *)inner);
}

static void enter_locked(struct mm_guard *guard, struct mm_guard_head *head)
{
  uint32_t at = (guard->oldest + guard->quarantined) % MM_GUARD_QUARANTINE;
  MM_ASSERT(guard->quarantined < MM_GUARD_QUARANTINE);
  guard->quarantine[at] = head;
  guard->quarantined++;
  guard->quarantined_bytes += head->whole;
}

static bool is_full_locked(const struct mm_guard *guard, size_t more)
{
  return guard->quarantined == MM_GUARD_QUARANTINE ||
         (guard->quarantined > 0 &&
          guard->quarantined_bytes + more > MM_GUARD_QUARANTINE_BYTES);
}

/* Makes room, and puts a block into quarantine. */
static void quarantine(struct mm_guard *guard, struct mm_guard_head *head)
{
  mm_guard_lock(guard);
  while (is_full_locked(guard, head->whole)) {
    struct mm_guard_head *oldest = leave_locked(guard);
    mm_guard_unlock(guard);
    inner_free(guard, oldest);
    mm_guard_lock(guard);
  }
  enter_locked(guard, head);
  mm_guard_unlock(guard);
}

void mm_guard_free(struct mm_guard *guard, uint32_t purpose, void *block,
                   size_t bytes)
{
  struct mm_guard_head *head = head_of(block);
  mm_guard_lock(guard);
  bool is_live = is_live_locked(guard, block, purpose, bytes);
  if (is_live) {
    compare(guard, head, purpose, bytes);
    unlink_live_locked(guard, head);
    head->sign = sign_of(head, SIGN_QUARANTINED);
  }
  mm_guard_unlock(guard);
  if (!is_live)
    return;
  memset((void *)block_of(head), POISON, head->bytes);
  mm_unpoison(canary_of(head), canary_bytes(head));
  memset((void *)canary_of(head), CANARY, canary_bytes(head));
  mm_poison(block_of(head), head->bytes + canary_bytes(head));
  quarantine(guard, head);
}

void mm_guard_flush(struct mm_guard *guard)
{
  for (;;) {
    mm_guard_lock(guard);
    struct mm_guard_head *head = leave_locked(guard);
    mm_guard_unlock(guard);
    if (!head)
      return;
    inner_free(guard, head);
  }
}

/* The class --------------------------------------------------------------- */

static struct mm_guard *of(struct mm_allocator *allocator)
{
  return (struct mm_guard *)allocator;
}

static void *alloc(struct mm_allocator *allocator, size_t bytes)
{
  return mm_guard_alloc(of(allocator), MM_GUARD_ANY_PURPOSE, bytes);
}

static void *alloc_aligned(struct mm_allocator *allocator, size_t bytes,
                           size_t align)
{
  return mm_guard_alloc_aligned(of(allocator), MM_GUARD_ANY_PURPOSE, bytes,
                                align);
}

static void free_block(struct mm_allocator *allocator, void *block)
{
  mm_guard_free(of(allocator), MM_GUARD_ANY_PURPOSE, block, MM_GUARD_ANY_BYTES);
}

static size_t block_bytes(struct mm_allocator *allocator, const void *block)
{
  MM_ASSERT(mm_allocator_is_block(allocator, block));
  (void)allocator;
  return head_of(block)->bytes;
}

static bool is_block(struct mm_allocator *allocator, const void *address)
{
  struct mm_guard *guard = of(allocator);
  mm_guard_lock(guard);
  bool is = has_head(guard, address) && is_signed(head_of(address), SIGN_LIVE);
  mm_guard_unlock(guard);
  return is;
}

static void walk(struct mm_allocator *allocator, mm_block_visit *visit,
                 void *context)
{
  struct mm_guard *guard = of(allocator);
  mm_guard_lock(guard);
  for (struct mm_guard_head *head = guard->live; head; head = head->next)
    visit(context, (void *)block_of(head), head->bytes);
  mm_guard_unlock(guard);
}

/* Quarantined blocks are not handed out; heads and canaries of others count as
   used. */
static void stats(struct mm_allocator *allocator, struct mm_alloc_stats *stats)
{
  struct mm_guard *guard = of(allocator);
  mm_allocator_stats(guard->inner, stats);
  mm_guard_lock(guard);
  stats->used_bytes -= guard->quarantined_bytes;
  stats->blocks = guard->live_blocks;
  mm_guard_unlock(guard);
}

static const char *check_live_locked(struct mm_guard *guard)
{
  uint64_t blocks = 0;
  struct mm_guard_head *head = guard->live;
  for (; head; head = head->next, blocks++) {
    if (!is_signed(head, SIGN_LIVE)) {
      tell_of_address(guard, MM_GUARD_UNDERRUN, (void *)block_of(head),
                      MM_GUARD_ANY_PURPOSE, MM_GUARD_ANY_BYTES);
      return fault_texts[MM_GUARD_UNDERRUN];
    }
    if (!has_canary(head)) {
      tell_of(guard, MM_GUARD_OVERRUN, head, "");
      return fault_texts[MM_GUARD_OVERRUN];
    }
  }
  return blocks == guard->live_blocks ? NULL : "a guarded block is lost";
}

static const char *check_quarantine_locked(struct mm_guard *guard)
{
  for (uint32_t i = 0; i < guard->quarantined; i++) {
    uint32_t at = (guard->oldest + i) % MM_GUARD_QUARANTINE;
    struct mm_guard_head *head = guard->quarantine[at];
    if (!is_signed(head, SIGN_QUARANTINED) || !has_poison(head) ||
        !has_canary(head)) {
      tell_of(guard, MM_GUARD_USED_AFTER_FREE, head, "");
      return fault_texts[MM_GUARD_USED_AFTER_FREE];
    }
  }
  return NULL;
}

static const char *check(struct mm_allocator *allocator)
{
  struct mm_guard *guard = of(allocator);
  mm_guard_lock(guard);
  const char *wrong = check_live_locked(guard);
  if (!wrong)
    wrong = check_quarantine_locked(guard);
  mm_guard_unlock(guard);
  return wrong ? wrong : mm_allocator_check(guard->inner);
}

static void destroy(struct mm_allocator *allocator)
{
  struct mm_guard *guard = of(allocator);
  mm_guard_flush(guard);
  mm_allocator_destroy(guard->inner);
  pthread_mutex_destroy(&guard->lock);
}

static const struct mm_allocator_class class = {
    .name = "guard",
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .free = free_block,
    .block_bytes = block_bytes,
    .is_block = is_block,
    .walk = walk,
    .stats = stats,
    .check = check,
    .destroy = destroy,
};

void mm_guard_init(struct mm_guard *guard, struct mm_allocator *inner,
                   mm_guard_report *report, void *context)
{
  *guard = (struct mm_guard){
      .allocator = {&class},
      .inner = inner,
      .report = report,
      .report_context = context,
  };
  pthread_mutex_init(&guard->lock, NULL);
}
