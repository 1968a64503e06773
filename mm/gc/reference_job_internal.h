/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between references.c, ephemerons.c and pending.c: one run of the reference
 * processor.
 */
#ifndef MM_REFERENCE_JOB_INTERNAL_H
#define MM_REFERENCE_JOB_INTERNAL_H

#include "mm/gc/references_internal.h"
#include "mm/gc/trace_inline_internal.h"

/* What the goals of the workers are about. */
struct mm_reference_job {
  struct mm_heap *heap;
  const struct mm_reach *reach;
  unsigned active;       /* workers */
  uint64_t soft_life_ms; /* soft references live so long unused */
  /* Of the running goal: the rows whose lists are taken, by whoever claims
     them, and what happens to each reference on them.  It is on no list when it
     is visited. */
  unsigned rows[2], row_count;
  void (*visit)(struct mm_worker *worker, struct mm_ref reference);
  unsigned waiting; /* the row of ephemerons that go on waiting */
  struct mm_ephemeron_table *table; /* the ephemerons', when there is one */
};

static inline bool mm_link_goes_on(struct mm_ref link)
{
  return link.bits > MM_LINK_END.bits;
}

/* Puts a reference that is on no list on one of the worker's. */
void mm_reference_put(struct mm_worker *worker, unsigned row,
                      struct mm_ref reference);

/* Is there a reference on any list of the row? */
bool mm_reference_has(const struct mm_heap *heap, unsigned row);

/* Visits all on the rows of the job.  `traces': may keep what is not reached,
   and mm_reference_trace follows. */
void mm_reference_visit(struct mm_reference_job *job, bool traces,
                        void (*visit)(struct mm_worker *worker,
                                      struct mm_ref reference));

/* Reaches all that what was kept leads to.  False: the processing has to be
   given up. */
bool mm_reference_trace(struct mm_reference_job *job);

/* Values of keys that are reached are reached, until there are no more.  Those
   whose keys are not are on the row of ephemerons then.  False: as above. */
bool mm_ephemerons_run(struct mm_reference_job *job);

/* After an evacuation's tracing: the pending list leads to where things are. */
void mm_pending_follow(struct mm_heap *heap, const struct mm_reach *reach);

#endif
