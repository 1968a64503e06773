/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of jumps; a fragment of interp_run (run.c), whose macros it uses.
 * No include guard: it is code, included once.
 *
 * Backward jumps poll first, before they change anything, so that the map of
 * live references before the (first fused) instruction holds.
 *
 * A taken and a not taken jump end in dispatches of their own: each then has
 * its own place in the branch predictor.
 */

#define JUMP_IF(condition, words)                                              \
  do {                                                                         \
    if (condition)                                                             \
      JUMP();                                                                  \
    NEXT(words);                                                               \
  } while (0)

OP(jmp)
{
  JUMP();
}
OP(jmp_back)
{
  POLL();
  JUMP();
}

/* One handler for each outcome of a family; `left` and `right` may have the
   side effect of leaving the accumulator as the instructions would. */
#define SIX(name, words, before, left, right)                                  \
  OP(name##_eq)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) == (right), words);                                         \
  }                                                                            \
  OP(name##_ne)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) != (right), words);                                         \
  }                                                                            \
  OP(name##_lt)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) < (right), words);                                          \
  }                                                                            \
  OP(name##_gt)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) > (right), words);                                          \
  }                                                                            \
  OP(name##_le)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) <= (right), words);                                         \
  }                                                                            \
  OP(name##_ge)                                                                \
  {                                                                            \
    before;                                                                    \
    JUMP_IF((left) >= (right), words);                                         \
  }

#define NOTHING ((void)0)
#define WITH_BACK(name, words, before, left, right)                            \
  SIX(name, words, before, left, right)                                        \
  SIX(                                                                         \
      name##_back, words,                                                      \
      {                                                                        \
        POLL();                                                                \
        before;                                                                \
      },                                                                       \
      left, right)

#define ACC_I32 ((int32_t)acc)
#define LOAD_LEFT (acc = sext32(RI(a).u32))

WITH_BACK(j_az, 2, NOTHING, ACC_I32, 0)
WITH_BACK(j_ar, 2, NOTHING, ACC_I32, RI(b).i32)
WITH_BACK(j_rz, 2, LOAD_LEFT, ACC_I32, 0)
WITH_BACK(j_rr, 2, LOAD_LEFT, ACC_I32, RI(b).i32)
WITH_BACK(j_ir, 3, acc = pc[2].u64, ACC_I32, RI(b).i32)

/* a += immediate, or a += c; then a against b. */
#define INCREMENT                                                              \
  do {                                                                         \
    acc = sext32(RI(a).u32 + (uint32_t)pc[2].i.x);                             \
    RI(a).u64 = acc;                                                           \
  } while (0)
#define ADD_REGISTER                                                           \
  do {                                                                         \
    acc = sext32(RI(a).u32 + fp[pc[2].r.a].u32);                               \
    RI(a).u64 = acc;                                                           \
  } while (0)

WITH_BACK(j_inc, 3, INCREMENT, ACC_I32, RI(b).i32)
WITH_BACK(j_add, 3, ADD_REGISTER, ACC_I32, RI(b).i32)

OP(inc_jmp_back)
{
  POLL();
  RI(a).u64 = sext32(RI(a).u32 + (uint32_t)pc[2].i.x);
  JUMP();
}

/* Wide comparisons: the accumulator's new value is dead (the translator
   looked), so only the outcome matters. */
SIX(j_cmp64_ar, 2, NOTHING, (int64_t)acc, RI(b).i64)
SIX(j_cmp64_rr, 2, NOTHING, RI(a).i64, RI(b).i64)
SIX(j_ucmp32_ar, 2, NOTHING, (uint32_t)acc, RI(b).u32)
SIX(j_ucmp32_rr, 2, NOTHING, RI(a).u32, RI(b).u32)
SIX(j_ucmp64_ar, 2, NOTHING, acc, RI(b).u64)
SIX(j_ucmp64_rr, 2, NOTHING, RI(a).u64, RI(b).u64)

/* With NaN the l form has the outcome "less", the g form "greater". */
#define FCMP(name, of_left, right, LESS, LESS_EQ, GREATER, GREATER_EQ)         \
  OP(name##_eq)                                                                \
  {                                                                            \
    JUMP_IF((of_left) == (right), 2);                                          \
  }                                                                            \
  OP(name##_ne)                                                                \
  {                                                                            \
    JUMP_IF(!((of_left) == (right)), 2);                                       \
  }                                                                            \
  OP(name##_lt)                                                                \
  {                                                                            \
    JUMP_IF(LESS(of_left, right), 2);                                          \
  }                                                                            \
  OP(name##_gt)                                                                \
  {                                                                            \
    JUMP_IF(GREATER(of_left, right), 2);                                       \
  }                                                                            \
  OP(name##_le)                                                                \
  {                                                                            \
    JUMP_IF(LESS_EQ(of_left, right), 2);                                       \
  }                                                                            \
  OP(name##_ge)                                                                \
  {                                                                            \
    JUMP_IF(GREATER_EQ(of_left, right), 2);                                    \
  }
#define LT(l, r) ((l) < (r))
#define LE(l, r) ((l) <= (r))
#define GT(l, r) ((l) > (r))
#define GE(l, r) ((l) >= (r))
#define NOT_LT(l, r) (!((l) < (r)))
#define NOT_LE(l, r) (!((l) <= (r)))
#define NOT_GT(l, r) (!((l) > (r)))
#define NOT_GE(l, r) (!((l) >= (r)))
#define FCMP_L(name, left, right)                                              \
  FCMP(name, left, right, NOT_GE, NOT_GT, GT, GE)
#define FCMP_G(name, left, right)                                              \
  FCMP(name, left, right, LT, LE, NOT_LE, NOT_LT)

FCMP_L(j_fcmpl32_ar, f32_of(acc), RI(b).f32)
FCMP_L(j_fcmpl32_rr, RI(a).f32, RI(b).f32)
FCMP_G(j_fcmpg32_ar, f32_of(acc), RI(b).f32)
FCMP_G(j_fcmpg32_rr, RI(a).f32, RI(b).f32)
FCMP_L(j_fcmpl64_ar, f64_of(acc), RI(b).f64)
FCMP_L(j_fcmpl64_rr, RI(a).f64, RI(b).f64)
FCMP_G(j_fcmpg64_ar, f64_of(acc), RI(b).f64)
FCMP_G(j_fcmpg64_rr, RI(a).f64, RI(b).f64)

#undef JUMP_IF
#undef SIX
#undef NOTHING
#undef WITH_BACK
#undef ACC_I32
#undef LOAD_LEFT
#undef INCREMENT
#undef ADD_REGISTER
#undef FCMP
#undef LT
#undef LE
#undef GT
#undef GE
#undef NOT_LT
#undef NOT_LE
#undef NOT_GT
#undef NOT_GE
#undef FCMP_L
#undef FCMP_G
