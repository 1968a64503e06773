/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as seen from outside: which references live where, collections that
   move what frames hold, tools that change registers. */
#include "config.h"

#include "tests/unit/core_fixture.h"

#include <string.h>

#include "vm/core/core_internal.h"
#include "vm/core/object.h"

/* What a hook saw. */
static struct {
  unsigned calls, frames, moved;
  bool set, refused;
} seen;

static void watch(bool (*hook)(struct vm_thread *thread))
{
  memset(&seen, 0, sizeof seen);
  core_hook(hook);
}

/* The frame of a function by name, from the innermost out. */
struct search {
  const char *name;
  struct vm_frame_info found;
};

static bool match_name(void *context, const struct vm_frame_info *info)
{
  struct search *search = context;
  if (strcmp(info->frame->method->name, search->name) != 0)
    return true;
  search->found = *info;
  return false;
}

static struct vm_frame_info frame_of(struct vm_thread *thread, const char *name)
{
  struct search search = {.name = name};
  vm_stack_walk(thread, match_name, &search);
  ck_assert_msg(search.found.frame != NULL, "no frame of %s", name);
  return search.found;
}

/* --- Collections move what frames hold --- */

enum { DEPTHS = 4 };

static uint32_t before[DEPTHS];

static uint32_t ref_in(struct vm_thread *thread, const char *function,
                       uint32_t vreg)
{
  struct vm_frame_info info = frame_of(thread, function);
  ck_assert_msg(vm_frame_is_live_ref(&info, vreg), "%s v%u is not live",
                function, vreg);
  return vm_frame_get(&info, vreg).ref.bits;
}

static bool collect_and_compare(struct vm_thread *thread)
{
  static const char *const functions[DEPTHS] = {"main", "f", "g", "h"};
  for (int i = 0; i < DEPTHS; i++)
    before[i] = ref_in(thread, functions[i], 0);
  mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  for (int i = 0; i < DEPTHS; i++)
    seen.moved += ref_in(thread, functions[i], 0) != before[i];
  seen.calls++;
  return true;
}

/* Each frame keeps a Box of its own over the call, and adds what is in it. */
#define KEEPS(name, number, callee)                                            \
  ".function i32 " name "() {\nnewobj v0, Box\nmovi v1, " number "\n"          \
  "stobj.v v1, v0, Box.n\n" callee "\nsta v2\nldobj v0, Box.n\nadd2 v2\n"      \
  "return\n}\n"

#define BOX ".record Box {\ni32 n\n}\n"

START_TEST(a_collection_moves_what_frames_at_all_depths_hold)
{
  watch(collect_and_compare);
  core_load("t.pa", CORE_PRELUDE BOX KEEPS("main", "1000", "call f")
                        KEEPS("f", "200", "call g") KEEPS("g", "30", "call h")
                            KEEPS("h", "4", "call Test.hook\nldai 0"));
  ck_assert_int_eq(core_run(), 1234);
  ck_assert_uint_eq(seen.calls, 1);
  ck_assert_uint_eq(seen.moved, DEPTHS);
}
END_TEST

static bool collect_ten_times(struct vm_thread *thread)
{
  for (int i = 0; i < 10; i++)
    mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  return true;
}

START_TEST(arguments_and_the_accumulator_survive_collections)
{
  watch(collect_ten_times);
  core_load("t.pa", CORE_PRELUDE BOX
            ".record C <extends=Box> {}\n"
            ".function void C.make(C a0, Box a1) <ctor> {\n"
            "call Test.hook\nldobj a1, Box.n\naddi 1\nstobj a0, Box.n\n"
            "return.void\n}\n"
            ".function i32 main() {\nnewobj v0, Box\nmovi v1, 40\n"
            "stobj.v v1, v0, Box.n\ninitobj C.make, v0\nsta.obj v0\n"
            "ldobj v0, Box.n\naddi 1\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 42);
}
END_TEST

static bool expect_dead(struct vm_thread *thread)
{
  struct vm_frame_info info = frame_of(thread, "main");
  ck_assert(!vm_frame_is_live_ref(&info, 0));
  ck_assert(vm_frame_is_live_ref(&info, 1));
  seen.calls++;
  return true;
}

START_TEST(a_register_that_is_not_read_again_keeps_nothing_alive)
{
  watch(expect_dead);
  core_load("t.pa", CORE_PRELUDE BOX
            ".function i32 main() {\nnewobj v0, Box\nnewobj v1, Box\n"
            "ldobj v0, Box.n\ncall Test.hook\nldobj v1, Box.n\nreturn\n}\n");
  core_run();
  ck_assert_uint_eq(seen.calls, 1);
}
END_TEST

START_TEST(roots_of_every_kind_are_updated)
{
  watch(collect_ten_times);
  core_load(
      "t.pa", CORE_PRELUDE BOX
      ".record S {\nBox b <static>\n}\n.array a panda.String 1 { \"x\" }\n"
      ".function i32 main() {\nnewobj v0, Box\nmovi v1, 5\n"
      "stobj.v v1, v0, Box.n\nlda.obj v0\nststatic.obj S.b\n"
      "mov.null v0\nlda.type Box\nsta.obj v2\nlda.str \"x\"\nsta.obj v3\n"
      "call Test.hook\n"
      "lda.type Box\njne.obj v2, bad\nlda.str \"x\"\njne.obj v3, bad\n"
      "lda.const v4, a\nldai 0\nldarr.obj v4\njne.obj v3, bad\n"
      "ldstatic.obj S.b\nsta.obj v0\nldobj v0, Box.n\nreturn\nbad:\n"
      "ldai 99\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 5);
}
END_TEST

/* A pending exception has to survive what runs while it is under way. */
START_TEST(a_pending_exception_is_a_root)
{
  struct vm_thread *thread = machine.thread;
  vm_throw(thread, VM_ERROR_RUNTIME, "kept");
  uint32_t old = thread->exception.bits;
  machine_collect();
  ck_assert_uint_ne(thread->exception.bits, old);
  machine_expect("panda.RuntimeException", "kept");
}
END_TEST

/* --- Tools change registers --- */

static bool set_number(struct vm_thread *thread)
{
  struct vm_frame_info info = frame_of(thread, "outer");
  seen.set = vm_frame_set(thread, &info, 0, (union vm_slot){.u64 = 77});
  return true;
}

START_TEST(a_number_changed_in_an_outer_frame_is_seen)
{
  watch(set_number);
  core_load("t.pa", CORE_PRELUDE
            ".function void inner() {\ncall Test.hook\nreturn.void\n}\n"
            ".function i32 outer() {\nmovi v0, 1\ncall inner\nlda v0\n"
            "return\n}\n"
            ".function i32 main() {\ncall outer\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 77);
  ck_assert(seen.set);
}
END_TEST

static bool swap_objects(struct vm_thread *thread)
{
  struct vm_frame_info info = frame_of(thread, "main");
  union vm_slot first = vm_frame_get(&info, 0);
  union vm_slot second = vm_frame_get(&info, 1);
  seen.set = vm_frame_set(thread, &info, 0, second) &&
             vm_frame_set(thread, &info, 1, first);
  return true;
}

START_TEST(objects_changed_in_an_outer_frame_are_seen)
{
  watch(swap_objects);
  core_load("t.pa", CORE_PRELUDE BOX
            ".function void inner() {\ncall Test.hook\nreturn.void\n}\n"
            ".function i32 main() {\nnewobj v0, Box\nnewobj v1, Box\n"
            "movi v2, 7\nstobj.v v2, v1, Box.n\ncall inner\n"
            "ldobj v1, Box.n\nmuli 10\nsta v2\nldobj v0, Box.n\nadd2 v2\n"
            "return\n}\n");
  ck_assert_int_eq(core_run(), 7);
  ck_assert(seen.set);
}
END_TEST

static bool set_null(struct vm_thread *thread)
{
  struct vm_frame_info info = frame_of(thread, "main");
  seen.set = vm_frame_set(thread, &info, 0, (union vm_slot){.u64 = 0});
  return true;
}

START_TEST(null_may_be_set_and_is_met_as_an_exception)
{
  watch(set_null);
  core_load("t.pa", CORE_PRELUDE BOX
            ".record panda.NullPointerException <external>\n"
            ".function i32 main() {\nnewobj v0, Box\ncall Test.hook\nb:\n"
            "ldobj v0, Box.n\nreturn\ne:\nh:\nldai 3\nreturn\n"
            ".catch panda.NullPointerException, b, e, h\n}\n");
  ck_assert_int_eq(core_run(), 3);
  ck_assert(seen.set);
}
END_TEST

static bool set_wrong_class(struct vm_thread *thread)
{
  struct vm_frame_info info = frame_of(thread, "main");
  union vm_slot string = vm_frame_get(&info, 1);
  seen.refused = !vm_frame_set(thread, &info, 0, string);
  seen.refused &= !vm_frame_set(thread, &info, 2, string);
  seen.refused &= !vm_frame_set(thread, &info, 1000, string);
  seen.refused &= !vm_frame_set(thread, &info, 3, string); /* accumulator */
  return true;
}

/* v0 a Box, v1 a string, v2 null. */
START_TEST(what_would_break_the_verifiers_proof_is_refused)
{
  watch(set_wrong_class);
  core_load("t.pa", CORE_PRELUDE BOX
            ".function i32 main() {\nnewobj v0, Box\nlda.str \"s\"\n"
            "sta.obj v1\nmov.null v2\ncall Test.hook\nlda.obj v2\n"
            "jnez.obj bad\ncall IO.printString, v1\nldobj v0, Box.n\n"
            "return\nbad:\nldai 1\nreturn\n}\n");
  ck_assert_int_eq(core_run(), 0);
  ck_assert(seen.refused);
}
END_TEST

/* --- Lines and shapes of frames --- */

static bool check_lines(struct vm_thread *thread)
{
  struct vm_frame_info native = frame_of(thread, "hook");
  struct vm_frame_info inner = frame_of(thread, "inner");
  struct vm_frame_info outer = frame_of(thread, "main");
  ck_assert_uint_eq(native.insn, UINT32_MAX);
  ck_assert_uint_eq(native.line, 0);
  ck_assert_uint_eq(outer.line - inner.line, 5);
  ck_assert(inner.in_call && outer.in_call);
  seen.calls++;
  return true;
}

START_TEST(a_frame_knows_its_line)
{
  watch(check_lines);
  core_load("t.pa", CORE_PRELUDE
            ".function void inner() {\ncall Test.hook\nreturn.void\n}\n"
            ".function void main() {\nnop\n call inner\nreturn.void\n}\n");
  core_run();
  ck_assert_uint_eq(seen.calls, 1);
}
END_TEST

static bool count_one(void *context, const struct vm_frame_info *info)
{
  ck_assert_ptr_nonnull(info->frame->method);
  ++*(unsigned *)context;
  return true;
}

static bool count_frames(struct vm_thread *thread)
{
  seen.frames = 0;
  vm_stack_walk(thread, count_one, &seen.frames);
  return true;
}

/* main, the initialiser it causes, the native: the border between the first
   two is no frame. */
START_TEST(a_walk_passes_over_the_borders_to_c)
{
  watch(count_frames);
  core_load("t.pa",
            CORE_PRELUDE ".record A {\ni32 x <static>\n}\n"
                         ".function void A.cctor() <cctor> {\ncall Test.hook\n"
                         "return.void\n}\n"
                         ".function i32 main() {\nldstatic A.x\nreturn\n}\n");
  core_run();
  ck_assert_uint_eq(seen.frames, 3);
}
END_TEST

static char places[3][80];

/* Of the native, of what called it, of a thread that has no frame. */
static bool tell_places(struct vm_thread *thread)
{
  struct vm_frame *top = thread->top;
  struct vm_frame *const tops[] = {top, top->caller, NULL};
  for (int i = 0; i < 3; i++) {
    thread->top = tops[i];
    vm_binding.where(thread->vm, &thread->mutator, places[i], sizeof places[i]);
  }
  thread->top = top;
  seen.calls++;
  return true;
}

START_TEST(the_memory_manager_is_told_where_a_thread_stands)
{
  watch(tell_places);
  core_load("some/dir/t.pa", ".record Test <external>\n"
                             ".function void Test.hook() <external>\n"
                             ".function i32 main() {\ncall Test.hook\n"
                             "ldai 0\nreturn\n}\n");
  core_run();
  ck_assert_uint_eq(seen.calls, 1);
  ck_assert_str_eq(places[0], "Test.hook (native)");
  ck_assert_str_eq(places[1], "main (t.pa:4)");
  ck_assert_str_eq(places[2], "");
}
END_TEST

int main(void)
{
  TCase *tests = tcase_create("walk");
  tcase_add_test(tests, a_collection_moves_what_frames_at_all_depths_hold);
  tcase_add_test(tests, arguments_and_the_accumulator_survive_collections);
  tcase_add_test(tests, a_register_that_is_not_read_again_keeps_nothing_alive);
  tcase_add_test(tests, roots_of_every_kind_are_updated);
  tcase_add_test(tests, a_pending_exception_is_a_root);
  tcase_add_test(tests, a_number_changed_in_an_outer_frame_is_seen);
  tcase_add_test(tests, objects_changed_in_an_outer_frame_are_seen);
  tcase_add_test(tests, null_may_be_set_and_is_met_as_an_exception);
  tcase_add_test(tests, what_would_break_the_verifiers_proof_is_refused);
  tcase_add_test(tests, a_frame_knows_its_line);
  tcase_add_test(tests, a_walk_passes_over_the_borders_to_c);
  tcase_add_test(tests, the_memory_manager_is_told_where_a_thread_stands);
  return machine_main("walk", tests);
}
