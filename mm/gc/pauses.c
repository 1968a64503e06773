/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pauses cost, and what may be done in one; see pauses_internal.h.
 */
#include "config.h"

#include "mm/gc/pauses_internal.h"

#include "mm/barrier_log.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/generations_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/workers_internal.h"

enum {
  GOAL_SHARE = 4,  /* of the pause goal, for what is usual */
  MIXED_SHARE = 8, /* of it, for candidates: their pauses come in dozens */
  CARDS_SHARE = 2, /* of it, for cards */
  EDEN_LEAST = 32 * 1024,
  EDEN_STEP = 2,          /* times as much as before, at most */
  SEEN_LEAST = 16 * 1024, /* bytes to learn a cost from */
  BYTE_COST = 1,          /* ns, of candidates; these three as measured, */
  CARD_COST = 75,         /* and corrected by what is seen (mixed_ratio) */
  REGION_COST = 2000,
  UNWALKED_COST = 2, /* times that of what is walked */
  SPARSEST_COST = 4, /* times that of those taken last */
  RATIO_ONE = 256,
  RATIO_LEAST = 32,
  REST_MOST = 2,     /* times as long as a mixed pause, until the next one */
  BEHIND_MOST = 16,  /* pauses that may not catch up with the program */
  COST_WEIGHT = 4,   /* of what was known, to one of what was seen */
  MUCH_SURVIVES = 4, /* of young objects, a quarter */
  LITTLE_SURVIVES = 16,
};

void mm_pauses_init(struct mm_heap *heap)
{
  heap->sizing.mixed_ratio = RATIO_ONE;
}

/* --- What was seen --- */

/* Young ones, of all ages. */
static uint64_t seen_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (enum mm_age age = 0; age < MM_AGE_TENURED; age++)
    bytes += heap->seen_bytes[age];
  return bytes;
}

static void smooth(uint64_t *known, uint64_t seen)
{
  *known = *known ? (*known * (COST_WEIGHT - 1) + seen) / COST_WEIGHT : seen;
}

static uint64_t cards_scanned(const struct mm_heap *heap)
{
  uint64_t cards = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    cards += heap->workers->each[i].cards;
  return cards;
}

/* What is left of a pause without what is young was for the candidates. */
static void learn_mixed(struct mm_heap *heap, uint64_t ns, uint64_t seen)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint64_t young_ns = sizing->young_cost_ns * seen / MM_REGION_BYTES;
  young_ns += heap->candidates.caught_ns;
  uint64_t taken_ns = ns > young_ns ? ns - young_ns : 0;
  uint64_t ratio =
      sizing->mixed_ratio * taken_ns / (heap->candidates.taken_ns + 1);
  smooth(&sizing->mixed_ratio, ratio < RATIO_LEAST ? RATIO_LEAST : ratio);
}

/* What young objects cost per region of them, and per card. */
void mm_pauses_learn(struct mm_heap *heap)
{
  uint64_t roots_ns = heap->sizing.roots_ns;
  uint64_t ns = mm_stat_now_ns() - heap->sizing.began_ns;
  ns = ns > roots_ns ? ns - roots_ns : 0;
  smooth(&heap->sizing.roots_cost_ns, roots_ns);
  uint64_t seen = seen_bytes(heap);
  if (heap->candidates.taken_bytes > 0) {
    learn_mixed(heap, ns, seen);
    return;
  }
  if (seen >= SEEN_LEAST)
    smooth(&heap->sizing.young_cost_ns, ns * MM_REGION_BYTES / seen + 1);
  uint64_t cards = cards_scanned(heap);
  if (cards > 0)
    smooth(&heap->sizing.card_cost_ns, ns / cards + 1);
}

/* What is not walked yet costs more to scan, and of candidates the sparsest,
   which come first, cost most for what they hold: so it will be learned, but
   not before a pause has taken too long. */
void mm_pauses_expect_candidates(struct mm_heap *heap)
{
  struct mm_sizing *sizing = &heap->sizing;
  sizing->young_cost_ns *= UNWALKED_COST;
  sizing->card_cost_ns *= UNWALKED_COST;
  sizing->mixed_ratio *= SPARSEST_COST;
}

/* --- Young objects --- */

/* Bytes of new objects that a collection is to find; UINT64_MAX: as many as
   there is room for.  A goal is for the worst pause, so the usual one gets a
   part of it; and what was not seen yet is approached by steps. */
uint64_t mm_pauses_eden_bytes(const struct mm_heap *heap)
{
  const struct mm_options *options = &heap->options;
  const struct mm_sizing *sizing = &heap->sizing;
  if (options->young_bytes)
    return options->young_bytes;
  if (!options->pause_goal_ns)
    return UINT64_MAX;
  if (sizing->young_cost_ns == 0)
    return MM_REGION_BYTES;
  uint64_t goal_ns = options->pause_goal_ns / GOAL_SHARE;
  if (mm_candidates_wait(heap))
    goal_ns /= 2; /* the rest of the pause is theirs */
  /* Where roots take most of a pause, it does not get shorter by being had more
     often: then young objects are to take as long as the roots. */
  uint64_t roots_ns = sizing->roots_cost_ns;
  goal_ns = goal_ns > 2 * roots_ns ? goal_ns - roots_ns : roots_ns;
  uint64_t wanted = goal_ns * MM_REGION_BYTES / sizing->young_cost_ns;
  uint64_t most = sizing->eden_bytes * EDEN_STEP;
  if (wanted > most)
    wanted = most;
  return wanted < EDEN_LEAST ? EDEN_LEAST : wanted;
}

/* Cards that may be logged until then.  What a card was seen to cost includes
   the objects that were found by it; so this bounds a pause when a program
   begins to store all over old objects, and else comes late. */
uint64_t mm_pauses_cards(const struct mm_heap *heap)
{
  const struct mm_sizing *sizing = &heap->sizing;
  if (!mm_is_generational(heap) || heap->options.young_bytes ||
      !heap->options.pause_goal_ns)
    return UINT64_MAX;
  if (sizing->card_cost_ns == 0)
    return MM_BARRIER_LOG_ENTRIES;
  uint64_t wanted =
      heap->options.pause_goal_ns / CARDS_SHARE / sizing->card_cost_ns;
  uint64_t most = heap->cards.most * EDEN_STEP;
  if (wanted > most)
    wanted = most;
  return wanted < MM_BARRIER_LOG_ENTRIES ? MM_BARRIER_LOG_ENTRIES : wanted;
}

static uint64_t copied_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    bytes += heap->workers->each[i].moved_bytes;
  return bytes;
}

/*
 * How often an object has to survive before it is old (Ungar and Jackson, "An
 * adaptive tenuring policy for generation scavengers", 1992): the more survive,
 * the sooner, for each time one survives it is copied, and the cards of old
 * objects that refer to it are scanned.
 */
enum mm_age mm_pauses_tenure_age(const struct mm_heap *heap)
{
  uint64_t seen = seen_bytes(heap), copied = copied_bytes(heap);
  if (seen < SEEN_LEAST)
    return heap->tenure_age;
  if (copied > seen / MUCH_SURVIVES)
    return MM_AGE_SURVIVOR;
  if (copied > seen / LITTLE_SURVIVES)
    return MM_AGE_SURVIVOR + 1;
  return MM_AGE_SURVIVOR + 2;
}

/* --- Candidates --- */

uint64_t mm_pauses_copy_ns(const struct mm_heap *heap, uint64_t bytes,
                           uint64_t cards)
{
  uint64_t ns = bytes * BYTE_COST + cards * CARD_COST;
  return ns * heap->sizing.mixed_ratio / RATIO_ONE + REGION_COST;
}

uint64_t mm_pauses_candidates_ns(const struct mm_heap *heap)
{
  uint64_t goal = heap->options.pause_goal_ns;
  if (goal == 0)
    return UINT64_MAX;
  uint64_t share_ns = goal / MIXED_SHARE;
  uint64_t spent_ns = heap->candidates.caught_ns;
  return share_ns > spent_ns ? share_ns - spent_ns : 0;
}

/* What is allocated per nanosecond since the candidates were chosen. */
static double allocation_rate(const struct mm_heap *heap)
{
  const struct mm_sizing *sizing = &heap->sizing;
  uint64_t now = mm_stat_counter(&heap->stat, MM_COUNT_ALLOCATED_BYTES);
  uint64_t elapsed_ns = mm_stat_now_ns() - sizing->updated_ns + 1;
  return (double)(now - sizing->allocated_bytes) / (double)elapsed_ns;
}

/* Until the next cycle has to start, with all candidates gone. */
static uint64_t time_left_ns(const struct mm_heap *heap, uint64_t most_ns)
{
  uint32_t old = mm_sizing_old_regions(heap);
  uint32_t end = heap->sizing.start_regions + mm_sizing_garbage_regions(heap);
  double rate = allocation_rate(heap);
  double room = end > old ? (double)(end - old) * MM_REGION_BYTES : 0;
  return room < rate * (double)most_ns ? (uint64_t)(room / rate) : most_ns;
}

uint64_t mm_pauses_rest_ns(const struct mm_heap *heap, uint64_t pause_ns)
{
  const struct mm_candidates *candidates = &heap->candidates;
  uint64_t most_ns = pause_ns * REST_MOST;
  if (candidates->behind > BEHIND_MOST)
    return pause_ns / (candidates->behind - BEHIND_MOST);
  if (candidates->behind > 0 || candidates->taken_ns == 0)
    return pause_ns;
  uint64_t pauses = mm_candidates_cost_ns(heap) / candidates->taken_ns + 1;
  uint64_t left_ns = time_left_ns(heap, pauses * (most_ns + pause_ns));
  uint64_t rest_ns = left_ns / pauses;
  return rest_ns < 2 * pause_ns ? pause_ns : rest_ns - pause_ns;
}
