/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier, on heaps broken on purpose: for each thing that it checks a
 * test in which the check fires (situation 61), and none on sound heaps.
 *
 *   references   wild, freed, protected, beyond a top, inside an object, into
 *                a large object, at a gap; from fields and from roots
 *   headers      no class, wrong class, poison, forwarded, states of a
 *                collection, sizes that do not fit
 *   regions      runs, tops, counts, memory that should be zero
 *   marks        reachable and unmarked, marked and unreachable, marks where
 *                nothing starts; roots that the collector missed
 */
#include "config.h"

#include <string.h>

#include "mm/gc/heap_verify_internal.h"
#include "mm/gc/verifier_internal.h"
#include "tests/unit/mm_fixture.h"

static struct fixture f;
static struct fixture_text text;

static void setup(void)
{
  struct mm_options options = fixture_options();
  options.seed = 4711;
  options.verify = 0; /* the tests call the verifier themselves */
  fixture_open(&f, &options);
  fixture_text_open(&text);
}

static void teardown(void)
{
  fixture_text_close(&text);
  fixture_close(&f);
}

static uint64_t verify(void)
{
  return mm_verify_heap(f.heap, "in a test of", text.out);
}

static void check_report(const char *words)
{
  const char *report = fixture_text_read(&text);
  ck_assert_msg(strstr(report, words), "no \"%s\" in:\n%s", words, report);
}

static struct mm_ref kept_pair(void)
{
  size_t index = fixture_push(&f.main, fixture_pair(&f.main));
  return fixture_at(&f.main, index);
}

static struct mm_ref ref_of(uintptr_t address)
{
  return mm_ref_at((void *)address);
}

/* Undoes what a test planted, so that the heap can be closed. */
static void forget_all(void)
{
  fixture_pop(&f.main, f.main.top);
  memset(f.globals, 0, sizeof f.globals);
  memset(f.weak, 0, sizeof f.weak);
}

START_TEST(a_sound_heap_has_no_faults)
{
  ck_assert_uint_eq(verify(), 0);
  fixture_push_list(&f.main, 1000);
  for (int kind = 0; kind < FIXTURE_KIND_COUNT; kind++)
    for (uint32_t length = 1; length < 500000; length *= 9) {
      fixture_push(&f.main, fixture_new(&f.main, kind, length));
      fixture_push(&f.main, fixture_nonmoving(&f.main, kind, length));
    }
  f.weak[0] = fixture_at(&f.main, 5);
  ck_assert_uint_eq(verify(), 0);
  for (int kind = 0; kind < 4; kind++) {
    fixture_collect(&f, (enum mm_collection_kind)(kind % 2));
    ck_assert_uint_eq(verify(), 0);
  }
  fixture_text_read(&text);
  ck_assert_uint_eq(text.bytes, 0);
}
END_TEST

START_TEST(a_reference_out_of_the_heap_is_found)
{
  struct mm_ref pair = kept_pair();
  static const int away[] = {-8, 0};
  uintptr_t end = f.heap->regions.base +
                  (uintptr_t)f.heap->regions.count * FIXTURE_REGION_BYTES;
  uintptr_t wild =
      away[_i] ? f.heap->regions.base + (uintptr_t)(intptr_t)away[_i] : end;
  fixture_set(pair, FIXTURE_RIGHT, ref_of(wild));
  ck_assert_uint_eq(verify(), 1);
  check_report("points out of the heap");
  forget_all();
}
END_TEST

START_TEST(a_reference_into_a_region_never_used_is_found)
{
  uintptr_t end = mm_region_end(&f.heap->regions, f.heap->regions.count - 1);
  fixture_set(kept_pair(), FIXTURE_LEFT, ref_of(end - 64));
  ck_assert_uint_eq(verify(), 1);
  check_report("never used");
  forget_all();
}
END_TEST

START_TEST(a_reference_to_a_freed_object_is_found)
{
  size_t holder =
      fixture_push(&f.main, fixture_nonmoving(&f.main, FIXTURE_PAIR, 0));
  struct mm_ref victim = fixture_new(&f.main, FIXTURE_BYTES, 400000);
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  fixture_set(fixture_at(&f.main, holder), FIXTURE_LEFT, victim);
  ck_assert_uint_eq(verify(), 1);
  check_report("points into a free region");
  forget_all();
}
END_TEST

START_TEST(a_reference_to_an_old_copy_is_found)
{
  kept_pair();
  struct mm_ref old = fixture_at(&f.main, 0);
  f.heap->options.stress_alloc = 1000000; /* old copies are protected */
  fixture_collect(&f, MM_COLLECTION_EVACUATE);
  fixture_set(fixture_at(&f.main, 0), FIXTURE_LEFT, old);
  ck_assert_uint_eq(verify(), 1);
  check_report("free, protected region");
  forget_all();
}
END_TEST

START_TEST(a_reference_into_the_middle_of_an_object_is_found)
{
  struct mm_ref pair = kept_pair();
  fixture_set(pair, FIXTURE_LEFT, (struct mm_ref){pair.bits + 1});
  ck_assert_uint_eq(verify(), 1);
  check_report("does not point at the start of an object");
  forget_all();
}
END_TEST

START_TEST(a_reference_into_the_middle_of_a_large_object_is_found)
{
  struct mm_ref pair = kept_pair();
  struct mm_ref large = fixture_new(&f.main, FIXTURE_BYTES, 600000);
  fixture_set(pair, FIXTURE_LEFT,
              (struct mm_ref){large.bits + FIXTURE_REGION_BYTES / 8});
  ck_assert_uint_eq(verify(), 1);
  check_report("points into a large object");
  forget_all();
}
END_TEST

START_TEST(a_reference_beyond_the_top_of_a_region_is_found)
{
  struct mm_ref pair = kept_pair();
  uintptr_t start = (uintptr_t)mm_address(pair) & ~(uintptr_t)0x3ffff;
  fixture_set(pair, FIXTURE_LEFT, ref_of(start + FIXTURE_REGION_BYTES - 8));
  ck_assert_uint_eq(verify(), 1);
  check_report("beyond the top");
  forget_all();
}
END_TEST

START_TEST(a_reference_to_a_gap_is_found)
{
  struct mm_ref pair = kept_pair();
  struct fixture_thread other; /* its TLAB stands behind the first one's */
  fixture_attach(&f, &other);
  fixture_push(&other, fixture_pair(&other));
  uintptr_t cursor = f.main.mutator.tlab_cursor;
  fixture_set(pair, FIXTURE_LEFT, ref_of(cursor));
  ck_assert_uint_eq(verify(), 1);
  check_report("does not point at the start of an object");
  forget_all();
  fixture_detach(&other);
}
END_TEST

START_TEST(broken_roots_are_found_and_named)
{
  struct mm_ref wild = ref_of(f.heap->regions.base - 8);
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&f.main.mutator, &scope, held, 1);
  held[0] = f.globals[2] = f.weak[3] = wild;
  fixture_push(&f.main, wild);
  ck_assert_uint_eq(verify(), 4);
  check_report("VReg root at");
  check_report("scope root at");
  check_report("of mutator 1");
  check_report("global root at");
  check_report("weak root at");
  mm_scope_close(&f.main.mutator, &scope);
  forget_all();
}
END_TEST

START_TEST(a_report_names_the_holder_the_field_and_the_collection)
{
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
  struct mm_ref pair = kept_pair();
  fixture_set(pair, FIXTURE_RIGHT, ref_of(f.heap->regions.base - 8));
  verify();
  char words[200];
  snprintf(words, sizeof words,
           "broken edge: Pair at 0x%lx (small region %u) "
           "+ 12 -> ",
           (unsigned long)(uintptr_t)mm_address(pair),
           mm_region_index(&f.heap->regions, (uintptr_t)mm_address(pair)));
  check_report(words);
  check_report("in a test of GC(0) (Explicit, ");
  check_report("seed 4711");
  check_report("heap verifier: 1 faults");
  forget_all();
}
END_TEST

START_TEST(all_broken_edges_are_reported_not_only_the_first)
{
  size_t array = fixture_push(&f.main, fixture_new(&f.main, FIXTURE_REFS, 500));
  for (size_t i = 0; i < 500; i += 5)
    fixture_set_element(fixture_at(&f.main, array), i,
                        ref_of(f.heap->regions.base - 8 * (i + 1)));
  ck_assert_uint_eq(verify(), 100);
  check_report("Pair[] at ");
  forget_all();
}
END_TEST

/* A wrong header also hides what stands behind it in the region. */
static void plant_header(uint32_t class_word, uint32_t mark_word,
                         const char *words)
{
  struct mm_ref pair = kept_pair();
  uint32_t *header = mm_address(pair);
  uint32_t class = header[0], mark = header[1];
  header[0] = class_word ? class_word : class;
  header[1] = mark_word;
  ck_assert_uint_ge(verify(), 1);
  check_report(words);
  header[0] = class;
  header[1] = mark;
}

START_TEST(wrong_class_words_are_found)
{
  uint32_t metadata = (uint32_t)f.heap->metadata.memory.start;
  plant_header(metadata - 16, 0, "its class is not in the metadata");
  plant_header((uint32_t)f.heap->metadata.committed, 0,
               "its class is not in the metadata");
  plant_header(0xdbdbdbdb, 0, "its header is poison");
  struct mm_layout *layout = &f.classes[FIXTURE_PAIR]->layout;
  plant_header((uint32_t)(uintptr_t)layout + 4, 0, "its class is not aligned");
  struct mm_ref pair = kept_pair();
  *(uint32_t *)mm_address(pair) = 0;
  ck_assert_uint_ge(verify(), 1);
  check_report("it has no class");
  mm_write_header((uintptr_t)mm_address(pair), layout);
  ck_assert_uint_eq(verify(), 0);
}
END_TEST

START_TEST(impossible_classes_are_found)
{
  static const struct {
    struct mm_layout layout;
    const char *words;
  } bad[] = {
      {{.base_bytes = 0}, "impossible size"},
      {{.base_bytes = 20}, "impossible size"},
      {{.base_bytes = 24, .ref_map = 1}, "reference in the header"},
      {{.base_bytes = 2000, .flags = MM_LAYOUT_WIDE_MAP}, "lacks its map"},
      {{.base_bytes = 16, .kind = MM_KIND_REF_ARRAY, .elem_log2 = 2},
       "impossible element"},
      {{.base_bytes = 12, .kind = MM_KIND_DATA_ARRAY, .elem_log2 = 3},
       "impossible element"},
      {{.base_bytes = 12, .kind = MM_KIND_STRING}, "impossible base"},
      {{.base_bytes = 8, .kind = MM_KIND_CUSTOM}, "unknown language"},
      {{.base_bytes = 8, .kind = 99}, "unknown kind"},
  };
  struct mm_layout *layout = mm_metadata_alloc(f.heap, sizeof *layout);
  *layout = bad[_i].layout;
  plant_header((uint32_t)(uintptr_t)layout, 0, bad[_i].words);
}
END_TEST

START_TEST(headers_that_a_collection_left_behind_are_found)
{
  plant_header(0x12345, MM_MARK_FORWARDED,
               "a forwarded header was left behind");
  plant_header(0, MM_MARK_HASHED | 4, "that of a collection");
  plant_header(0, 8, "unlocked and not empty");
  plant_header(0, MM_MARK_HASHED, "its hash is empty");
  plant_header(0, MM_MARK_LIGHT, "its lock has no owner");
}
END_TEST

START_TEST(a_size_that_does_not_fit_its_region_is_found)
{
  struct mm_ref bytes = fixture_new(&f.main, FIXTURE_BYTES, 100);
  uint32_t *length =
      (uint32_t *)((char *)mm_address(bytes) + MM_ARRAY_LENGTH_OFFSET);
  *length = 5000000;
  ck_assert_uint_eq(verify(), 1);
  check_report("do not fit the");
  *length = 100;
}
END_TEST

START_TEST(a_run_of_regions_that_does_not_hold_together_is_found)
{
  struct mm_ref large = fixture_new(&f.main, FIXTURE_BYTES, 600000);
  struct mm_region *head =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(large));
  head[1].span = 7;
  ck_assert_uint_eq(verify(), 1);
  check_report("it does not belong to the run of region");
  head[1].span = 1;
  uint32_t span = head->span;
  head->span = 1000;
  ck_assert_uint_ge(verify(), 1);
  check_report("leaves the heap");
  head->span = span;
}
END_TEST

START_TEST(a_top_outside_of_its_region_is_found)
{
  struct mm_ref pair = kept_pair();
  fixture_census(&f); /* ends the TLAB */
  struct mm_region *region =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(pair));
  uintptr_t top = region->top;
  region->top += FIXTURE_REGION_BYTES;
  ck_assert_uint_ge(verify(), 1);
  check_report("is not in it");
  region->top = top;
}
END_TEST

START_TEST(regions_in_use_that_cannot_be_touched_are_found)
{
  struct mm_ref pair = kept_pair();
  struct mm_region *region =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(pair));
  region->flags |= MM_REGION_PROTECTED;
  ck_assert_uint_ge(verify(), 1);
  check_report("in use and protected");
  region->flags &= (uint8_t) ~(MM_REGION_PROTECTED | MM_REGION_COMMITTED);
  ck_assert_uint_ge(verify(), 1);
  check_report("in use and not committed");
  region->flags |= MM_REGION_COMMITTED;
}
END_TEST

START_TEST(a_wrong_count_of_regions_is_found)
{
  kept_pair();
  f.heap->regions.used++;
  ck_assert_uint_eq(verify(), 1);
  check_report("counted as");
  f.heap->regions.used--;
}
END_TEST

START_TEST(memory_on_offer_that_is_not_zero_is_found)
{
  struct mm_ref pair = kept_pair();
  struct mm_region *region =
      mm_region_of(&f.heap->regions, (uintptr_t)mm_address(pair));
  uint64_t *last = (uint64_t *)(((uintptr_t)region->zero_from & ~0x3fffful) +
                                FIXTURE_REGION_BYTES - 8);
  ck_assert_uint_ge((uintptr_t)last, region->zero_from);
  *last = 1;
  ck_assert_uint_eq(verify(), 1);
  check_report("memory on offer is not zero");
  *last = 0;
}
END_TEST

START_TEST(a_tlab_whose_rest_is_not_zero_is_found)
{
  kept_pair();
  uint64_t *next = (uint64_t *)f.main.mutator.tlab_cursor;
  next[1] = 1;
  ck_assert_uint_ge(verify(), 1);
  check_report("the rest of a TLAB is not zero");
  next[1] = 0;
}
END_TEST

START_TEST(a_tlab_out_of_order_is_found)
{
  struct mm_verifier verifier = {.heap = f.heap, .out = text.out, .when = ""};
  kept_pair();
  uintptr_t cursor = f.main.mutator.tlab_cursor;
  f.main.mutator.tlab_cursor = f.main.mutator.tlab_end + 8;
  mm_verify_tlabs(&verifier);
  ck_assert_uint_eq(verifier.faults, 1);
  check_report("is out of order");
  f.main.mutator.tlab_cursor = cursor;
}
END_TEST

/* The collector does not see a root: what hangs on it is reclaimed, and the
   verifier, which sees the root, finds it dangling. */
START_TEST(a_root_that_a_collection_missed_is_found)
{
  fixture_push_list(&f.main, 100);
  f.hide_main_stack = true;
  fixture_collect(&f, (enum mm_collection_kind)_i);
  f.hide_main_stack = false;
  ck_assert_uint_ge(verify(), 1);
  check_report("VReg root at");
  forget_all();
}
END_TEST

static void mark(struct mm_ref ref, bool set)
{
  uint64_t granule = ref.bits - f.heap->regions.base / 8;
  uint64_t bit = (uint64_t)1 << granule % 64;
  if (set)
    f.heap->marks[granule / 64] |= bit;
  else
    f.heap->marks[granule / 64] &= ~bit;
}

static uint64_t verify_marks(void)
{
  fixture_census(&f); /* ends the TLABs, as a collection would have */
  return mm_verify_marks(f.heap, true, text.out);
}

START_TEST(marks_that_are_right_have_no_faults)
{
  mark(kept_pair(), true);
  mark(kept_pair(), true);
  fixture_pair(&f.main);
  ck_assert_uint_eq(verify_marks(), 0);
}
END_TEST

START_TEST(a_reachable_object_that_is_not_marked_is_found)
{
  mark(kept_pair(), true);
  kept_pair();
  ck_assert_uint_eq(verify_marks(), 1);
  check_report("it is reachable and not marked");
}
END_TEST

START_TEST(a_marked_object_that_is_not_reachable_is_found)
{
  mark(kept_pair(), true);
  mark(fixture_pair(&f.main), true);
  ck_assert_uint_eq(verify_marks(), 1);
  check_report("it is marked and not reachable");
}
END_TEST

START_TEST(a_mark_where_no_object_starts_is_found)
{
  struct mm_ref pair = kept_pair();
  mark(pair, true);
  mark((struct mm_ref){pair.bits + 1}, true);
  ck_assert_uint_eq(verify_marks(), 1);
  check_report("a mark stands where no object starts");
}
END_TEST

START_TEST(a_broken_edge_ends_a_collection_that_verifies)
{
  f.heap->options.verify = MM_VERIFY_BEFORE;
  fixture_set(kept_pair(), FIXTURE_LEFT, ref_of(f.heap->regions.base - 8));
  mm_collect(&f.main.mutator, MM_CAUSE_EXPLICIT);
}
END_TEST

static int missing; /* collections until the root is shown again */

static void visit_after_a_while(void *host, struct mm_mutator *mutator,
                                struct mm_root_visitor *visitor)
{
  f.hide_main_stack = missing-- > 0;
  fixture_binding.visit_mutator_roots(host, mutator, visitor);
}

START_TEST(a_root_missed_in_marking_ends_a_collection_that_verifies_marks)
{
  f.heap->options.verify = MM_VERIFY_MARK;
  f.heap->binding.visit_mutator_roots = visit_after_a_while;
  fixture_push_list(&f.main, 100);
  missing = 1;
  fixture_collect(&f, MM_COLLECTION_COMPACT);
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("verifier");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_sound_heap_has_no_faults);
  tcase_add_loop_test(tests, a_reference_out_of_the_heap_is_found, 0, 2);
  tcase_add_test(tests, a_reference_into_a_region_never_used_is_found);
  tcase_add_test(tests, a_reference_to_a_freed_object_is_found);
  tcase_add_test(tests, a_reference_to_an_old_copy_is_found);
  tcase_add_test(tests, a_reference_into_the_middle_of_an_object_is_found);
  tcase_add_test(tests, a_reference_into_the_middle_of_a_large_object_is_found);
  tcase_add_test(tests, a_reference_beyond_the_top_of_a_region_is_found);
  tcase_add_test(tests, a_reference_to_a_gap_is_found);
  tcase_add_test(tests, broken_roots_are_found_and_named);
  tcase_add_test(tests, a_report_names_the_holder_the_field_and_the_collection);
  tcase_add_test(tests, all_broken_edges_are_reported_not_only_the_first);
  tcase_add_test(tests, wrong_class_words_are_found);
  tcase_add_loop_test(tests, impossible_classes_are_found, 0, 9);
  tcase_add_test(tests, headers_that_a_collection_left_behind_are_found);
  tcase_add_test(tests, a_size_that_does_not_fit_its_region_is_found);
  tcase_add_test(tests, a_run_of_regions_that_does_not_hold_together_is_found);
  tcase_add_test(tests, a_top_outside_of_its_region_is_found);
  tcase_add_test(tests, regions_in_use_that_cannot_be_touched_are_found);
  tcase_add_test(tests, a_wrong_count_of_regions_is_found);
  tcase_add_test(tests, memory_on_offer_that_is_not_zero_is_found);
  tcase_add_test(tests, a_tlab_whose_rest_is_not_zero_is_found);
  tcase_add_test(tests, a_tlab_out_of_order_is_found);
  tcase_add_loop_test(tests, a_root_that_a_collection_missed_is_found, 0, 2);
  tcase_add_test(tests, marks_that_are_right_have_no_faults);
  tcase_add_test(tests, a_reachable_object_that_is_not_marked_is_found);
  tcase_add_test(tests, a_marked_object_that_is_not_reachable_is_found);
  tcase_add_test(tests, a_mark_where_no_object_starts_is_found);
  fixture_add_death(tests, a_broken_edge_ends_a_collection_that_verifies, 0, 70,
                    0, 1);
  fixture_add_death(
      tests, a_root_missed_in_marking_ends_a_collection_that_verifies_marks, 0,
      70, 0, 1);
  return fixture_main("mm_verify", (TCase *[]){tests, NULL});
}
