/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memory manager needs of its host: one struct of functions.  All
 * are called with the world stopped, on the thread that runs the collection
 * (visit_mutator_roots may be called from workers, one mutator each).  None
 * may allocate in the heap or reach a safepoint.
 */
#ifndef MM_BINDING_H
#define MM_BINDING_H

#include "mm/mutator.h"

#include <stdio.h>

/* Where a root came from: reports and statistics name it. */
enum mm_root_kind {
  MM_ROOT_VREG,     /* virtual register or accumulator of a frame */
  MM_ROOT_SCOPE,    /* reference held by C code of the runtime */
  MM_ROOT_STATIC,   /* static field */
  MM_ROOT_MIRROR,   /* class mirror */
  MM_ROOT_CONSTANT, /* resolved constant (string literal) of a module */
  MM_ROOT_THREAD,   /* pending exception and the like */
  MM_ROOT_GLOBAL,   /* preallocated object */
  /* The memory manager's own: not for hosts. */
  MM_ROOT_HOST_KIND_COUNT,
  MM_ROOT_HANDLE_LOCAL = MM_ROOT_HOST_KIND_COUNT, /* local handle */
  MM_ROOT_HANDLE_GLOBAL,                          /* global handle */
  MM_ROOT_PIN,                                    /* pinned object */
  MM_ROOT_KIND_COUNT
};

/*
 * Handed to the host, which calls `slot` once for each root slot.  The slot
 * is read and may be rewritten.  A null reference is allowed.
 */
struct mm_root_visitor {
  void (*slot)(struct mm_root_visitor *visitor, struct mm_ref *slot,
               enum mm_root_kind kind);
  /* Old objects are taken to live and are not scanned: what owners of classes
     hold outside of the heap is to be visited as well (Note [Owners of classes]
     in mm/language.h). */
  bool keeps_old;
};

/*
 * Handed to the host for tables of weak references.  Returns false when the
 * object died (the host drops the entry); otherwise the slot holds the
 * object's place after the collection.
 */
struct mm_weak_visitor {
  bool (*keep)(struct mm_weak_visitor *visitor, struct mm_ref *slot);
};

/* Handed to the host for owners of classes. */
struct mm_owner_visitor {
  bool (*lives)(struct mm_owner_visitor *visitor, struct mm_ref owner);
};

/* Units of numbers in a summary. */
enum mm_unit {
  MM_UNIT_NUMBER,
  MM_UNIT_BYTES,
  MM_UNIT_NS,
  MM_UNIT_PERCENT, /* value in thousandths of a percent */
};

/* Handed to the host, which calls `line' for each number of its own. */
struct mm_stat_sink {
  void (*line)(struct mm_stat_sink *sink, const char *key, const char *text,
               uint64_t value, enum mm_unit unit);
};

struct mm_binding {
  /* Strong roots that belong to no thread. */
  void (*visit_global_roots)(void *host, struct mm_root_visitor *visitor);
  /* Roots of a thread: its frames and its own slots.  Scopes and
     handles are visited by the memory manager itself. */
  void (*visit_mutator_roots)(void *host, struct mm_mutator *mutator,
                              struct mm_root_visitor *visitor);
  /* Weak tables (interned strings); languages may have more of them
     (mm/language.h).  May be null. */
  void (*visit_weak)(void *host, struct mm_weak_visitor *visitor);
  /* It is known what of the whole heap lives, and weak tables were visited: the
     host takes down owners of classes that died; see Note [Owners of classes]
     in mm/language.h.  An owner has not moved.  May be null. */
  void (*sweep_owners)(void *host, struct mm_owner_visitor *visitor);
  /* The world has just been stopped, and no object has moved: the host may
     change mark words that no lock needs any more.  May be null. */
  void (*world_stopped)(void *host);
  /* There are more references to be taken (mm/reference.h): the host may wake
     a thread that does, once the world goes on.  May be null. */
  void (*references_pending)(void *host);
  /* Numbers of the host for a summary, under the heading `host_title'.  Not
     with the world stopped.  Both may be null. */
  void (*report)(void *host, struct mm_stat_sink *sink);
  const char *host_title;
  /* Writes the name of a class, for reports; always zero-terminated. */
  void (*layout_name)(void *host, const struct mm_layout *layout, char *name,
                      size_t name_bytes);
  /* Writes where a stopped mutator is (method and line), for statistics, as
     one short line; always zero-terminated.  Also called by a running mutator
     of itself, with options.handle_origins.  May be null. */
  void (*where)(void *host, struct mm_mutator *mutator, char *text,
                size_t text_bytes);
  /* Writes what a report needs to find the place (frames of the mutator);
     may be null. */
  void (*describe_mutator)(void *host, struct mm_mutator *mutator, FILE *out);
};

#endif
