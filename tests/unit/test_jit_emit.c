/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emitter: bytes that an assembler knows too, distances, growth, memory
 * that is refused, and code that runs.  jit_known_*.def has the instructions.
 */
#include "config.h"

#include "tests/unit/mm_fixture.h"

#include <math.h>
#include <string.h>

#include "jit_stub/emit.h"
#include "mm/alloc/arena.h"
#include "mm/code.h"
#include "mm/native.h"

enum {
  RAX,
  RCX,
  RDX,
  RBX,
  RSP,
  RBP,
  RSI,
  RDI,
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15
};

#define E (&emitter)
#define AT jit_mem_base
#define INDEX jit_mem_index
#define SCALED jit_mem_scaled
#define ABSOLUTE jit_mem_absolute

static struct jit_emitter emitter;
static struct mm_arena *arena;

static void setup(void)
{
  arena = mm_arena_create(NULL);
  ck_assert_ptr_nonnull(arena);
  jit_emit_init(E, arena);
}

static void teardown(void)
{
  mm_arena_destroy(arena);
}

/* --- Instructions --- */

/* Bytes as two hexadecimal digits each, with blanks between. */
static const char *hex_of(const uint8_t *bytes, uint32_t count)
{
  static char text[3 * 256];
  fixture_require(count <= 256);
  text[0] = '\0';
  for (uint32_t i = 0; i < count; i++)
    snprintf(text + (i ? 3 * i - 1 : 0), 4, i ? " %02x" : "%02x", bytes[i]);
  return text;
}

/* Did the last instruction, emitted at `start`, become these bytes? */
static void require_bytes(const char *text, const char *bytes, uint32_t start)
{
  fixture_require(!emitter.out_of_memory);
  const char *found = hex_of(emitter.bytes + start, emitter.count - start);
  if (strcmp(found, bytes) != 0)
    ck_abort_msg("`%s' is %s, and not %s", text, bytes, found);
}

#define KNOWN(text, bytes, call)                                               \
  start = emitter.count;                                                       \
  jit_emit_##call;                                                             \
  require_bytes(text, bytes, start);

START_TEST(a_move_or_a_jump_has_the_bytes_that_an_assembler_gives_it)
{
  uint32_t start;
#include "tests/unit/jit_known_moves.def"
}
END_TEST

#define KNOWN(text, bytes, call)                                               \
  start = emitter.count;                                                       \
  jit_emit_##call;                                                             \
  require_bytes(text, bytes, start);

START_TEST(arithmetic_has_the_bytes_that_an_assembler_gives_it)
{
  uint32_t start;
#include "tests/unit/jit_known_arith.def"
}
END_TEST

/* --- Labels --- */

/* Ends the code and compares all of it. */
static void require_code(const char *bytes)
{
  ck_assert(jit_emit_finish(E));
  ck_assert_str_eq(hex_of(emitter.bytes, emitter.count), bytes);
}

static void emit_returns(unsigned count)
{
  while (count-- > 0)
    jit_emit_return(E);
}

START_TEST(a_jump_forward_has_a_distance_of_four_bytes)
{
  jit_label end = jit_label_new(E);
  jit_emit_jump(E, end);
  jit_emit_jump_if(E, JIT_IF_LESS, end);
  jit_emit_call_label(E, end);
  jit_emit_trap(E);
  jit_label_bind(E, end);
  jit_emit_return(E);
  require_code("e9 0d 00 00 00 "    /* {disp32} jmp 1f */
               "0f 8c 07 00 00 00 " /* {disp32} jl 1f */
               "e8 02 00 00 00 "    /* call 1f */
               "0f 0b "             /* ud2 */
               "c3");               /* 1: ret */
}
END_TEST

START_TEST(a_jump_backward_has_one_byte_where_that_reaches)
{
  jit_label loop = jit_label_new(E);
  jit_emit_return(E);
  jit_label_bind(E, loop);
  jit_emit_return(E);
  jit_emit_jump(E, loop);
  jit_emit_jump_if(E, JIT_IF_LESS, loop);
  jit_emit_call_label(E, loop);
  require_code("c3 "              /* ret */
               "c3 "              /* 1: ret */
               "eb fd "           /* jmp 1b */
               "7c fb "           /* jl 1b */
               "e8 f6 ff ff ff"); /* call 1b */
}
END_TEST

/* Code that jumps back over so many bytes, and the last bytes of it. */
static void require_jump_over(unsigned bytes, bool on_condition,
                              const char *jump)
{
  jit_label loop = jit_label_new(E);
  jit_label_bind(E, loop);
  emit_returns(bytes);
  uint32_t start = emitter.count;
  if (on_condition)
    jit_emit_jump_if(E, JIT_IF_ABOVE_EQUAL, loop);
  else
    jit_emit_jump(E, loop);
  fixture_require(jit_emit_finish(E));
  require_bytes("jump back", jump, start);
}

START_TEST(a_byte_reaches_back_over_126_bytes_and_no_further)
{
  /* 1: .fill N, 1, 0xc3; jmp 1b; and with jae */
  require_jump_over(125, false, "eb 81");
  require_jump_over(126, false, "eb 80");
  require_jump_over(127, false, "e9 7c ff ff ff");
  require_jump_over(126, true, "73 80");
  require_jump_over(127, true, "0f 83 7b ff ff ff");
}
END_TEST

START_TEST(labels_may_share_a_place_and_stay_unused)
{
  jit_label first = jit_label_new(E), second = jit_label_new(E);
  jit_label unused = jit_label_new(E);
  jit_emit_jump(E, first);
  jit_emit_jump(E, second);
  jit_label_bind(E, second);
  jit_label_bind(E, first);
  jit_label_bind(E, unused);
  jit_emit_jump(E, first);
  require_code("e9 05 00 00 00 e9 00 00 00 00 eb fe");
}
END_TEST

START_TEST(a_distance_spans_what_made_the_buffer_grow)
{
  enum { BETWEEN = 300000 };
  jit_label end = jit_label_new(E), begin = jit_label_new(E);
  jit_label_bind(E, begin);
  jit_emit_jump(E, end);
  emit_returns(BETWEEN);
  jit_label_bind(E, end);
  jit_emit_jump_if(E, JIT_IF_EQUAL, begin);
  ck_assert(jit_emit_finish(E));
  int32_t forth, back;
  memcpy(&forth, emitter.bytes + 1, 4);
  memcpy(&back, emitter.bytes + emitter.count - 4, 4);
  ck_assert_int_eq(forth, BETWEEN);
  ck_assert_int_eq(back, -(BETWEEN + 5 + 6));
}
END_TEST

/* --- Padding and what is outside --- */

/* `.nops N' */
static const char *const nops[] = {
    "",
    "90",
    "66 90",
    "0f 1f 00",
    "0f 1f 40 00",
    "0f 1f 44 00 00",
    "66 0f 1f 44 00 00",
    "0f 1f 80 00 00 00 00",
    "0f 1f 84 00 00 00 00 00",
    "66 0f 1f 84 00 00 00 00 00",
};

START_TEST(alignment_is_the_recommended_instruction_of_the_length)
{
  for (unsigned bytes = 0; bytes < 10; bytes++) {
    jit_emit_align(E, 16);
    emit_returns(16 - bytes);
    uint32_t start = emitter.count;
    jit_emit_align(E, 16);
    require_bytes("align 16", nops[bytes], start);
  }
}
END_TEST

START_TEST(a_long_alignment_is_several_instructions)
{
  emit_returns(64 - 20);
  jit_emit_align(E, 64);
  require_bytes("align 64",
                "66 0f 1f 84 00 00 00 00 00 66 0f 1f 84 00 00 00 00 00 66 90",
                64 - 20);
}
END_TEST

START_TEST(alignment_adds_no_more_than_it_must)
{
  for (uint32_t align = 1; align <= 64; align *= 2)
    for (unsigned before = 0; before < 64; before++) {
      emit_returns(1);
      uint32_t start = emitter.count;
      jit_emit_align(E, align);
      fixture_require(emitter.count % align == 0);
      fixture_require(emitter.count - start < align);
    }
}
END_TEST

/* The four bytes at `place` refer to the target, by the last fixup. */
static void require_fixup(uint32_t place, const void *target)
{
  static const uint8_t none[4];
  fixture_require(emitter.fixup_count > 0);
  const struct jit_fixup *fixup = &emitter.fixups[emitter.fixup_count - 1];
  fixture_require(fixup->offset == place && fixup->target == target);
  fixture_require(place + 4 == emitter.count);
  fixture_require(memcmp(emitter.bytes + place, none, 4) == 0);
}

START_TEST(far_jumps_and_calls_leave_their_distance_to_a_fixup)
{
  jit_emit_jump_far(E, &emitter);
  require_fixup(1, &emitter);
  jit_emit_jump_far_if(E, JIT_IF_NO_OVERFLOW, &arena);
  require_fixup(7, &arena);
  jit_emit_call_far(E, &nops);
  require_fixup(12, &nops);
  ck_assert_uint_eq(emitter.fixup_count, 3);
  require_code("e9 00 00 00 00 0f 81 00 00 00 00 e8 00 00 00 00");
}
END_TEST

/* --- Growth, and memory that is refused --- */

enum { ROUNDS = 400 };

/* Makes every array grow several times. */
static void emit_much(void)
{
  for (int i = 0; i < ROUNDS; i++) {
    jit_label over = jit_label_new(E);
    jit_emit_jump_if(E, JIT_IF_EQUAL, over);
    jit_emit_call_far(E, &emitter);
    jit_emit_move_imm(E, RSI, INT64_MIN + i);
    jit_emit_align(E, 16);
    jit_label_bind(E, over);
    jit_emit_jump(E, over);
    jit_emit_fload(E, true, 9, AT(R12, i * 8));
    jit_emit_int_to_f(E, true, true, 3, R8);
  }
}

START_TEST(what_was_emitted_survives_each_growth)
{
  emit_much();
  ck_assert(jit_emit_finish(E));
  ck_assert_uint_gt(emitter.capacity, 16 * 1024);
  ck_assert_uint_eq(emitter.fixup_count, ROUNDS);
  struct jit_emitter all = emitter;
  uint32_t at = 0;
  for (uint32_t i = 0; i < ROUNDS; i++) {
    int32_t distance;
    memcpy(&distance, all.bytes + at + 2, 4);
    fixture_require(all.bytes[at] == 0x0f && all.bytes[at + 1] == 0x84);
    fixture_require(all.labels[i] == at + 6 + (uint32_t)distance);
    fixture_require(all.fixups[i].offset > at &&
                    all.fixups[i].offset < all.labels[i]);
    fixture_require(all.bytes[all.labels[i]] == 0xeb);
    jit_emit_init(E, arena); /* the end of a round, by itself */
    jit_emit_fload(E, true, 9, AT(R12, (int32_t)i * 8));
    jit_emit_int_to_f(E, true, true, 3, R8);
    at = all.labels[i] + 2;
    fixture_require(memcmp(all.bytes + at, emitter.bytes, emitter.count) == 0);
    at += emitter.count;
  }
  ck_assert_uint_eq(at, all.count);
}
END_TEST

/* All that is emitted once memory has run out is lost, and writes nothing. */
static void require_frozen(void)
{
  enum { GUARD = 4096 };
  unsigned char *guard = mm_arena_alloc(arena, GUARD);
  fixture_require(guard);
  memset(guard, 0xa5, GUARD);
  struct jit_emitter before = emitter;
  emit_much();
  jit_emit_trap(E);
  fixture_require(!jit_emit_finish(E) && emitter.out_of_memory);
  fixture_require(emitter.bytes == before.bytes);
  fixture_require(emitter.count == before.count);
  fixture_require(emitter.label_count == before.label_count);
  fixture_require(emitter.use_count == before.use_count);
  fixture_require(emitter.fixup_count == before.fixup_count);
  for (size_t i = 0; i < GUARD; i++)
    fixture_require(guard[i] == 0xa5);
}

/* Emits with the `count`-th allocation refused; does not say whether the
   arena could do without that one.  Returns whether it was refused. */
static bool emit_refused(uint64_t count, bool and_after,
                         const struct jit_emitter *whole)
{
  setup();
  mm_native_fail_at(count, and_after);
  emit_much();
  bool is_done = jit_emit_finish(E);
  bool has_failed = mm_native_has_failed();
  mm_native_fail_at(0, false);
  fixture_require(is_done != emitter.out_of_memory);
  fixture_require(is_done || has_failed);
  if (has_failed && and_after)
    fixture_require(!is_done);
  if (is_done)
    fixture_require(emitter.count == whole->count &&
                    memcmp(emitter.bytes, whole->bytes, whole->count) == 0);
  else
    require_frozen();
  teardown();
  return has_failed;
}

START_TEST(memory_that_is_refused_is_told_at_the_end)
{
  emit_much();
  ck_assert(jit_emit_finish(E));
  struct jit_emitter whole = emitter;
  struct mm_arena *whole_arena = arena;
  uint64_t count = 1;
  while (emit_refused(count, _i != 0, &whole))
    count++;
  ck_assert_uint_gt(count, 20); /* four arrays, each of which grew */
  arena = whole_arena;
}
END_TEST

/* --- Code that runs --- */

static struct fixture f;

static void setup_code(void)
{
  struct mm_options options = fixture_options();
  struct mm_error error = {""};
  fixture_open(&f, &options);
  enum mm_status status = mm_code_start(f.heap, &error);
  ck_assert_msg(status == MM_OK, "%s", error.text);
  setup();
}

static void teardown_code(void)
{
  teardown();
  fixture_close(&f);
}

/* Puts what was emitted in its place, and begins anew. */
static const void *place_code(void)
{
  struct mm_code code;
  fixture_require(jit_emit_finish(E));
  fixture_require(mm_code_alloc(f.heap, emitter.count, 0, NULL, &code) ==
                  MM_OK);
  memcpy(code.write, emitter.bytes, emitter.count);
  for (uint32_t i = 0; i < emitter.fixup_count; i++) {
    const struct jit_fixup *fixup = &emitter.fixups[i];
    uintptr_t end = (uintptr_t)code.run + fixup->offset + 4;
    int32_t distance = (int32_t)((uintptr_t)fixup->target - end);
    memcpy((char *)code.write + fixup->offset, &distance, 4);
  }
  mm_code_seal(f.heap, &code, emitter.count);
  jit_emit_init(E, arena);
  return code.run;
}

/* `function` is a pointer to a function's pointer. */
#define PLACE(function)                                                        \
  do {                                                                         \
    const void *run = place_code();                                            \
    memcpy((function), &run, sizeof run);                                      \
  } while (0)

static int64_t square(int64_t number)
{
  return number * number;
}

START_TEST(a_loop_that_calls_back_adds_up)
{
  int64_t (*sum_of)(int64_t count, int64_t(*each)(int64_t));
  jit_label loop = jit_label_new(E), end = jit_label_new(E);
  jit_emit_push(E, RBX);
  jit_emit_push(E, RBP);
  jit_emit_push(E, R12);
  jit_emit_move(E, true, RBX, RDI);
  jit_emit_move(E, true, R12, RSI);
  jit_emit_zero(E, RBP);
  jit_emit_align(E, 16);
  jit_label_bind(E, loop);
  jit_emit_test(E, true, RBX, RBX);
  jit_emit_jump_if(E, JIT_IF_LESS_EQUAL, end);
  jit_emit_move(E, true, RDI, RBX);
  jit_emit_call_reg(E, R12);
  jit_emit_alu(E, JIT_ADD, true, RBP, RAX);
  jit_emit_alu_imm(E, JIT_SUB, true, RBX, 1);
  jit_emit_jump(E, loop);
  jit_label_bind(E, end);
  jit_emit_move(E, true, RAX, RBP);
  jit_emit_pop(E, R12);
  jit_emit_pop(E, RBP);
  jit_emit_pop(E, RBX);
  jit_emit_return(E);
  PLACE(&sum_of);
  ck_assert_int_eq(sum_of(0, square), 0);
  ck_assert_int_eq(sum_of(100, square), 338350);
}
END_TEST

START_TEST(a_far_call_reaches_another_block)
{
  int64_t (*twice_and_one)(int64_t);
  jit_emit_lea(E, true, RAX, SCALED(RDI, 2, 0));
  jit_emit_return(E);
  const void *twice = place_code();
  jit_emit_call_far(E, twice);
  jit_emit_alu_imm(E, JIT_ADD, true, RAX, 1);
  jit_emit_return(E);
  PLACE(&twice_and_one);
  ck_assert_int_eq(twice_and_one(-40), -79);
}
END_TEST

START_TEST(numbers_are_converted_and_divided)
{
  /* The mean of integers of 32 bits, rounded down, by way of f64. */
  int64_t (*mean_of)(const int32_t *numbers, int64_t count);
  jit_label loop = jit_label_new(E);
  jit_emit_fzero(E, 0);
  jit_emit_move(E, true, RCX, RSI);
  jit_label_bind(E, loop);
  jit_emit_load(E, JIT_LOAD_I32, RAX, INDEX(RDI, RCX, 4, -4));
  jit_emit_int_to_f(E, true, true, 9, RAX);
  jit_emit_falu(E, JIT_FADD, true, 0, 9);
  jit_emit_alu_imm(E, JIT_SUB, true, RCX, 1);
  jit_emit_jump_if(E, JIT_IF_NOT_EQUAL, loop);
  jit_emit_int_to_f(E, true, true, 1, RSI);
  jit_emit_falu(E, JIT_FDIV, true, 0, 1);
  jit_emit_f_to_int(E, true, true, RAX, 0);
  jit_emit_return(E);
  PLACE(&mean_of);
  const int32_t numbers[] = {INT32_MAX, 7, -9, INT32_MAX, 100};
  ck_assert_int_eq(mean_of(numbers, 5), (2 * (int64_t)INT32_MAX + 98) / 5);
}
END_TEST

/* Whatever stands above it, and with registers that need a longer form. */
START_TEST(the_low_half_of_a_vector_register_is_sign_extended)
{
  int64_t (*extend)(int64_t value);
  jit_emit_move_to_f(E, true, 9, RDI);
  jit_emit_fextend(E, 9, 2);
  jit_emit_fmove(E, 1, 9);
  jit_emit_fextend(E, 1, 12);
  jit_emit_move_from_f(E, true, RAX, 1);
  jit_emit_return(E);
  PLACE(&extend);
  ck_assert_int_eq(extend(0), 0);
  ck_assert_int_eq(extend(0x1234567800000005), 5);
  ck_assert_int_eq(extend(0x12345678fffffffb), -5);
  ck_assert_int_eq(extend(-1), -1);
  ck_assert_int_eq(extend(INT32_MAX), INT32_MAX);
  ck_assert_int_eq(extend(0x80000000), INT32_MIN);
}
END_TEST

START_TEST(moves_between_a_comparison_and_its_use_keep_the_flags)
{
  int64_t (*is_less)(int64_t a, int64_t b);
  jit_emit_alu(E, JIT_CMP, true, RDI, RSI);
  jit_emit_move_imm(E, RAX, 0);
  jit_emit_move_imm(E, RDI, -1);
  jit_emit_set_if(E, JIT_IF_NOT_EQUAL, RSI);
  jit_emit_lea(E, true, RDX, AT(RAX, 5));
  jit_emit_extend(E, JIT_LOAD_I8, RDX, RDI);
  jit_emit_set_if(E, JIT_IF_LESS, R8);
  jit_emit_move_if(E, true, JIT_IF_LESS, RAX, R8);
  jit_emit_return(E);
  PLACE(&is_less);
  ck_assert_int_eq(is_less(-2, 1), 1);
  ck_assert_int_eq(is_less(1, 1), 0);
  ck_assert_int_eq(is_less(1, -2), 0);
}
END_TEST

START_TEST(a_comparison_of_floats_tells_order_and_nan)
{
  /* 1 below, 2 equal, 4 above, 8 unordered. */
  int64_t (*order_of)(double a, double b);
  jit_label ordered = jit_label_new(E);
  jit_emit_fcompare(E, true, 0, 1);
  jit_emit_set_if(E, JIT_IF_BELOW, RAX);
  jit_emit_set_if(E, JIT_IF_EQUAL, RCX);
  jit_emit_set_if(E, JIT_IF_ABOVE, RSI);
  jit_emit_jump_if(E, JIT_IF_NO_PARITY, ordered);
  jit_emit_move_imm(E, RAX, 8);
  jit_emit_return(E);
  jit_label_bind(E, ordered);
  jit_emit_lea(E, true, RAX, INDEX(RAX, RCX, 2, 0));
  jit_emit_lea(E, true, RAX, INDEX(RAX, RSI, 4, 0));
  jit_emit_return(E);
  PLACE(&order_of);
  ck_assert_int_eq(order_of(1, 2), 1);
  ck_assert_int_eq(order_of(0.0, -0.0), 2);
  ck_assert_int_eq(order_of(INFINITY, 2), 4);
  ck_assert_int_eq(order_of(NAN, 2), 8);
}
END_TEST

START_TEST(a_shift_by_nothing_still_zeroes_the_upper_half)
{
  uint64_t (*low_of)(uint64_t);
  jit_emit_shift_imm(E, JIT_SHL, true, RDI, 64);
  jit_emit_move(E, true, RAX, RDI);
  jit_emit_shift_imm(E, JIT_SHL, false, RAX, 32);
  jit_emit_return(E);
  PLACE(&low_of);
  ck_assert_uint_eq(low_of(UINT64_C(0x123456789abcdef0)), 0x9abcdef0u);
}
END_TEST

static void add_labels(TCase *labels)
{
  tcase_add_checked_fixture(labels, setup, teardown);
  tcase_add_test(labels, a_jump_forward_has_a_distance_of_four_bytes);
  tcase_add_test(labels, a_jump_backward_has_one_byte_where_that_reaches);
  tcase_add_test(labels, a_byte_reaches_back_over_126_bytes_and_no_further);
  tcase_add_test(labels, labels_may_share_a_place_and_stay_unused);
  tcase_add_test(labels, a_distance_spans_what_made_the_buffer_grow);
  tcase_add_test(labels,
                 alignment_is_the_recommended_instruction_of_the_length);
  tcase_add_test(labels, a_long_alignment_is_several_instructions);
  tcase_add_test(labels, alignment_adds_no_more_than_it_must);
  tcase_add_test(labels, far_jumps_and_calls_leave_their_distance_to_a_fixup);
}

static void add_code(TCase *code)
{
  tcase_add_checked_fixture(code, setup_code, teardown_code);
  tcase_add_test(code, a_loop_that_calls_back_adds_up);
  tcase_add_test(code, a_far_call_reaches_another_block);
  tcase_add_test(code, numbers_are_converted_and_divided);
  tcase_add_test(code, the_low_half_of_a_vector_register_is_sign_extended);
  tcase_add_test(code, moves_between_a_comparison_and_its_use_keep_the_flags);
  tcase_add_test(code, a_comparison_of_floats_tells_order_and_nan);
  tcase_add_test(code, a_shift_by_nothing_still_zeroes_the_upper_half);
}

int main(void)
{
  TCase *instructions = tcase_create("instructions");
  tcase_add_checked_fixture(instructions, setup, teardown);
  tcase_add_test(instructions,
                 a_move_or_a_jump_has_the_bytes_that_an_assembler_gives_it);
  tcase_add_test(instructions,
                 arithmetic_has_the_bytes_that_an_assembler_gives_it);
  TCase *labels = tcase_create("labels");
  add_labels(labels);
  TCase *memory = tcase_create("memory");
  tcase_add_checked_fixture(memory, setup, teardown);
  tcase_add_test(memory, what_was_emitted_survives_each_growth);
  tcase_add_loop_test(memory, memory_that_is_refused_is_told_at_the_end, 0, 2);
  TCase *code = tcase_create("code");
  add_code(code);
  return fixture_main("jit_emit",
                      (TCase *[]){instructions, labels, memory, code, NULL});
}
