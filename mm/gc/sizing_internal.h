/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large the heap is, when the next collection comes, and which kind it is.
 *
 *   0      live        collect at           limit            heap_max
 *   |-------|--------------|----- reserve ----|------------------|
 *                            kept free for the copies
 *
 * After a collection that left L regions in use, F of them large or
 * non-moving, S = L - F small:
 *
 *   limit    by --heap-growth (growth_internal.h), from heap_min to heap_max
 *   H        limit - F, what small objects have to share
 *
 * An evacuation copies S regions and needs S more to copy into, so it frees
 * H - 2S; a compaction marks, updates and moves the same objects at
 * COST_RATIO (MM_COMPACTION_COST) times the cost, but needs no room and frees
 * H - S.  Per region
 * freed, and so per region allocated, they cost in proportion to
 *
 *   evacuation   S / (H - 2S)          compaction   COST_RATIO * S / (H - S)
 *
 * and the cheaper one is planned.  With one, S regions and a margin are kept
 * free (reserve), predicting that as much survives the next time as did the
 * last.  When the prediction fails, an evacuation may grow beyond the limit up
 * to heap_max; if even that is not enough, what remains is kept in place and
 * the next collection compacts.
 *
 * With tenured=freelist nothing is copied, and how many regions are in use says
 * little: what died leaves holes, which are filled again.  L is then the bytes
 * that live, in regions, and
 *
 *   budget   limit - L, what mutators may expect to allocate
 *
 * A mutator that finds no hole takes another region while fewer than `limit`
 * are in use, or while less than the budget has been handed out since the last
 * collection: holes of the wrong sizes make the heap grow rather than collect
 * for every few objects.
 *
 * With generations a collection is a young one as long as young regions are to
 * be had,
 *
 *   0     old      used                                limit
 *   |------|--------|== young ==|~~ their copies ~~|-----|
 *
 * where old regions fill up from one full collection, which sets the limit, to
 * the next, which runs when there is no room for a useful number of young ones.
 * How many follows from --young, or from the pause goal and what young
 * collections were seen to cost (pauses_internal.h), and else is all there is
 * room for.  It may be part of a region (eden_bytes): then the first part of
 * one serves again and again.  A pause goal bounds the cards that are logged
 * until then as well (cards.most), for a program that begins to store all over
 * old objects makes each young one cost many times what was learned.
 *
 * With gc=concurrent and regions no copy of everything has to find room, so
 * nothing is reserved but for some candidates.  A cycle starts when old regions
 * fill what is left of the limit but for what will become old until it has
 * marked and walked; as long as one runs, or its candidates wait, the limit may
 * be exceeded: up to heap_max, of which some regions are left for candidates.
 * When objects are born old, a ceiling comes down as candidates are evacuated,
 * by a part of what each pause gives back, until there is room above it for what
 * is allocated during the next cycle: if that began with memory full, the
 * program would stand still until its end.
 * With tenured=freelist a cycle starts by what is left of the budget, and young
 * objects may exceed the limit, by an eighth of it at a time.
 *
 * Memory above the limit goes back to the system, a quarter of it per
 * collection: a program whose live set swings would otherwise fault in again
 * and again what a collection has just given back.
 */
#ifndef MM_SIZING_INTERNAL_H
#define MM_SIZING_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* By that of an evacuation of the same objects; measured. */
enum { MM_COMPACTION_COST = 3 };

/* Before the first collection. */
void mm_sizing_init(struct mm_heap *heap);

/* After a collection of this kind left `live_bytes`. */
void mm_sizing_update(struct mm_heap *heap, enum mm_collection_kind kind,
                      bool was_short, uint64_t live_bytes);

/* Regions that mutators may use before a collection has to run. */
uint32_t mm_sizing_allocation_limit(const struct mm_heap *heap);

/* Regions that may be in use before something small has to wait for the next
   candidates to be evacuated. */
uint32_t mm_sizing_ceiling(const struct mm_heap *heap);

/* Without generations: candidates were evacuated, when so many regions were in
   use. */
void mm_sizing_after_portion(struct mm_heap *heap, uint32_t used_before);

/* While a cycle marks or sweeps: what mutators can be given, with what becomes
   old of it, before memory is gone.  Under the heap lock. */
uint64_t mm_sizing_cycle_room_bytes(const struct mm_heap *heap);

/* With generations: may a mutator have so many bytes for new objects?  How many
   at most.  Under the heap lock. */
uint64_t mm_sizing_eden_left(const struct mm_heap *heap);

/* The kind that a collection now should have; `full`: of old objects too;
   `utmost`: to free all it can. */
enum mm_collection_kind mm_sizing_kind(const struct mm_heap *heap, bool full,
                                       bool utmost);

/* How many workers are worth waking. */
unsigned mm_sizing_workers(const struct mm_heap *heap);

/* Should a cycle start, so that it ends before memory runs out?  Under the heap
   lock. */
bool mm_sizing_wants_cycle(const struct mm_heap *heap);

/* Will none be wanted before so much more is in use?  World stopped. */
bool mm_sizing_has_until_cycle(const struct mm_heap *heap, uint64_t bytes);

/* What is sure to be free for copies of candidates, before any is taken.  World
   stopped. */
uint64_t mm_sizing_candidates_bytes(const struct mm_heap *heap);

/* Regions that are not young, and what the candidates that were chosen will
   give back of them. */
uint32_t mm_sizing_old_regions(const struct mm_heap *heap);
uint32_t mm_sizing_garbage_regions(const struct mm_heap *heap);

/* May a young collection make room for an allocation? */
bool mm_sizing_has_young_room(const struct mm_heap *heap);

/* tenured=freelist, with generations: have old objects so many regions that
   young ones cannot have any?  Then objects are born old, in their gaps. */
bool mm_sizing_is_crowded(const struct mm_heap *heap);

/* tenured=freelist: room handed out since the last full collection or cycle. */
uint64_t mm_sizing_claimed_bytes(const struct mm_heap *heap);

/* Have collections left hardly any room, twice in a row?  Then an allocation
   that needed one fails; the answer then counts as given. */
bool mm_sizing_is_futile(struct mm_heap *heap);

#endif
