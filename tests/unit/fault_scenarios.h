/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of planted faults (mm/gc/faults.def): each comes out right, or
 * passes the verifier, unless its fault is on.  Run in a process of its own,
 * since a heap with a fault is beyond use (test_mm_faults.c).
 */
#ifndef TESTS_UNIT_FAULT_SCENARIOS_H
#define TESTS_UNIT_FAULT_SCENARIOS_H

#include "mm/gc/faults.h"

/* Plans and kinds of collection. */
enum {
  EVACUATE = 1 << 0,
  COMPACT = 1 << 1,
  MOVING = EVACUATE | COMPACT,
  SLOTS = 1 << 2, /* tenured=freelist */
  GAPS = 1 << 3,  /* the same with fit `freelist' */
  FIXED = SLOTS | GAPS,
  ALL = MOVING | FIXED,
  YOUNG = 1 << 4, /* young objects alone */
  CYCLE = 1 << 5, /* gc=concurrent, tenured=freelist */
  MIXED = 1 << 6, /* gc=concurrent with generations and regions */
  AUTO = 1 << 7,  /* generations as long as they pay, in a small heap */
  WALK = 1 << 8,  /* gc=concurrent with regions, without generations */
  LAST_WAY = WALK,
  WAYS = ALL | YOUNG | CYCLE,
};

struct fault_scenario {
  void (*run)(void); /* null: there is none */
  int ways;          /* each of them catches it */
  const char *sign;  /* in the report; null: none, or a crash */
};

extern const struct fault_scenario fault_scenarios[MM_FAULT_COUNT];

/* Runs one in one of its ways, with its fault or without any.  Returns 0 if it
   came out right; may as well not return. */
int fault_scenario_run(enum mm_fault fault, int chosen, bool is_broken);

#endif
