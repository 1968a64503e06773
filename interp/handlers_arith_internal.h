/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of moves, constants, arithmetic, conversions and comparisons; a
 * fragment of interp_run (run.c), whose macros it uses.  No include guard:
 * it is code, included once.
 */

/* --- Moves and constants --- */

OP(nop)
{
  NEXT(1);
}
OP(mov)
{
  R(a).u64 = R(b).u64;
  NEXT(2);
}
OP(mov32)
{
  R(a).u64 = sext32(R(b).u32);
  NEXT(2);
}
OP(movi)
{
  RI(a).i64 = IMM;
  NEXT(2);
}
OP(movi64)
{
  RI(a).u64 = pc[2].u64;
  NEXT(3);
}
OP(lda32)
{
  acc = sext32(R(a).u32);
  NEXT(2);
}
OP(lda64)
{
  acc = R(a).u64;
  NEXT(2);
}
OP(ldai)
{
  acc = (uint64_t)(int64_t)IMM;
  NEXT(2);
}
OP(ldai64)
{
  acc = pc[2].u64;
  NEXT(3);
}
OP(sta32)
{
  R(a).u64 = sext32((uint32_t)acc);
  NEXT(2);
}
OP(sta64)
{
  R(a).u64 = acc;
  NEXT(2);
}
OP(spill_acc)
{
  fp[-1].u64 = acc;
  NEXT(1);
}
OP(reload_acc)
{
  acc = fp[-1].u64;
  NEXT(1);
}
OP(zero)
{
  for (int32_t i = 0; i < IMM; i++)
    fp[pc[1].i.a + i].u64 = 0;
  NEXT(2);
}
OP(zero_acc)
{
  acc = 0;
  NEXT(1);
}

/* --- Binary operations ---
   E(l, r) gives the result as bits; 32-bit integer results are extended to
   the whole slot. */

#define L32(field) R(field).u32
#define L64(field) R(field).u64

#define BIN32_REG(name, CHECK, E)                                              \
  OP(name##_aar)                                                               \
  {                                                                            \
    uint32_t r = L32(c);                                                       \
    CHECK(r);                                                                  \
    acc = sext32(E((uint32_t)acc, r));                                         \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_arr)                                                               \
  {                                                                            \
    uint32_t r = L32(c);                                                       \
    CHECK(r);                                                                  \
    acc = sext32(E(L32(b), r));                                                \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rar)                                                               \
  {                                                                            \
    uint32_t r = L32(c);                                                       \
    CHECK(r);                                                                  \
    R(a).u64 = sext32(E((uint32_t)acc, r));                                    \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rrr)                                                               \
  {                                                                            \
    uint32_t r = L32(c);                                                       \
    CHECK(r);                                                                  \
    R(a).u64 = sext32(E(L32(b), r));                                           \
    NEXT(2);                                                                   \
  }

#define BIN32_IMM(name, CHECK, E)                                              \
  OP(name##_aai)                                                               \
  {                                                                            \
    uint32_t r = (uint32_t)IMM;                                                \
    CHECK(r);                                                                  \
    acc = sext32(E((uint32_t)acc, r));                                         \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_ari)                                                               \
  {                                                                            \
    uint32_t r = (uint32_t)IMM;                                                \
    CHECK(r);                                                                  \
    acc = sext32(E(RI(b).u32, r));                                             \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rai)                                                               \
  {                                                                            \
    uint32_t r = (uint32_t)IMM;                                                \
    CHECK(r);                                                                  \
    RI(a).u64 = sext32(E((uint32_t)acc, r));                                   \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rri)                                                               \
  {                                                                            \
    uint32_t r = (uint32_t)IMM;                                                \
    CHECK(r);                                                                  \
    RI(a).u64 = sext32(E(RI(b).u32, r));                                       \
    NEXT(2);                                                                   \
  }

#define BIN64_REG(name, CHECK, E)                                              \
  OP(name##_aar)                                                               \
  {                                                                            \
    uint64_t r = L64(c);                                                       \
    CHECK(r);                                                                  \
    acc = E(acc, r);                                                           \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_arr)                                                               \
  {                                                                            \
    uint64_t r = L64(c);                                                       \
    CHECK(r);                                                                  \
    acc = E(L64(b), r);                                                        \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rar)                                                               \
  {                                                                            \
    uint64_t r = L64(c);                                                       \
    CHECK(r);                                                                  \
    R(a).u64 = E(acc, r);                                                      \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rrr)                                                               \
  {                                                                            \
    uint64_t r = L64(c);                                                       \
    CHECK(r);                                                                  \
    R(a).u64 = E(L64(b), r);                                                   \
    NEXT(2);                                                                   \
  }

#define BINF(name, of, bits, F)                                                \
  OP(name##_aar)                                                               \
  {                                                                            \
    acc = bits(F(of(acc), of(L64(c))));                                        \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_arr)                                                               \
  {                                                                            \
    acc = bits(F(of(L64(b)), of(L64(c))));                                     \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rar)                                                               \
  {                                                                            \
    R(a).u64 = bits(F(of(acc), of(L64(c))));                                   \
    NEXT(2);                                                                   \
  }                                                                            \
  OP(name##_rrr)                                                               \
  {                                                                            \
    R(a).u64 = bits(F(of(L64(b)), of(L64(c))));                                \
    NEXT(2);                                                                   \
  }

#define NO_CHECK(r)
#define CHECK_DIVISOR(r)                                                       \
  do {                                                                         \
    if (UNLIKELY((r) == 0))                                                    \
      goto throw_division;                                                     \
  } while (0)

#define ADD(l, r) ((l) + (r))
#define SUB(l, r) ((l) - (r))
#define MUL(l, r) ((l) * (r))
#define AND(l, r) ((l) & (r))
#define OR(l, r) ((l) | (r))
#define XOR(l, r) ((l) ^ (r))
#define DIV(l, r) ((l) / (r))
#define MOD(l, r) ((l) % (r))

#define BIN32(name, CHECK, E)                                                  \
  BIN32_REG(name, CHECK, E) BIN32_IMM(name, CHECK, E)

BIN32(add32, NO_CHECK, ADD)
BIN32(sub32, NO_CHECK, SUB)
BIN32(mul32, NO_CHECK, MUL)
BIN32(and32, NO_CHECK, AND)
BIN32(or32, NO_CHECK, OR)
BIN32(xor32, NO_CHECK, XOR)
BIN32(shl32, NO_CHECK, shl_32)
BIN32(shr32, NO_CHECK, shr_32)
BIN32(ashr32, NO_CHECK, ashr_32)
BIN32(div32, CHECK_DIVISOR, div_32)
BIN32(mod32, CHECK_DIVISOR, mod_32)
BIN32_REG(divu32, CHECK_DIVISOR, DIV)
BIN32_REG(modu32, CHECK_DIVISOR, MOD)

BIN64_REG(add64, NO_CHECK, ADD)
BIN64_REG(sub64, NO_CHECK, SUB)
BIN64_REG(mul64, NO_CHECK, MUL)
BIN64_REG(and64, NO_CHECK, AND)
BIN64_REG(or64, NO_CHECK, OR)
BIN64_REG(xor64, NO_CHECK, XOR)
BIN64_REG(shl64, NO_CHECK, shl_64)
BIN64_REG(shr64, NO_CHECK, shr_64)
BIN64_REG(ashr64, NO_CHECK, ashr_64)
BIN64_REG(div64, CHECK_DIVISOR, div_64)
BIN64_REG(mod64, CHECK_DIVISOR, mod_64)
BIN64_REG(divu64, CHECK_DIVISOR, DIV)
BIN64_REG(modu64, CHECK_DIVISOR, MOD)

BINF(fadd32, f32_of, f32_bits, ADD)
BINF(fsub32, f32_of, f32_bits, SUB)
BINF(fmul32, f32_of, f32_bits, MUL)
BINF(fdiv32, f32_of, f32_bits, DIV)
BINF(fmod32, f32_of, f32_bits, fmodf)
BINF(fadd64, f64_of, f64_bits, ADD)
BINF(fsub64, f64_of, f64_bits, SUB)
BINF(fmul64, f64_of, f64_bits, MUL)
BINF(fdiv64, f64_of, f64_bits, DIV)
BINF(fmod64, f64_of, f64_bits, fmod)

/* Two roundings, as the two instructions had: never contracted. */
OP(fmuladd64_r)
{
  double product = R(b).f64 * R(c).f64;
  R(a).f64 = product + R(d).f64;
  NEXT(2);
}
OP(fmuladd64_a)
{
  double product = f64_of(acc) * R(c).f64;
  R(a).f64 = product + R(d).f64;
  NEXT(2);
}
OP(fmulsub64_r)
{
  double product = R(b).f64 * R(c).f64;
  R(a).f64 = product - R(d).f64;
  NEXT(2);
}
OP(fmulsub64_a)
{
  double product = f64_of(acc) * R(c).f64;
  R(a).f64 = product - R(d).f64;
  NEXT(2);
}
OP(sqrt64_a)
{
  acc = f64_bits(sqrt(R(b).f64));
  NEXT(2);
}
OP(sqrt64_r)
{
  R(a).f64 = sqrt(R(b).f64);
  NEXT(2);
}

OP(sqrt64_acc)
{
  acc = f64_bits(sqrt(f64_of(acc)));
  NEXT(1);
}

/* --- Unary operations and conversions --- */

#define UNARY(name, E)                                                         \
  OP(name)                                                                     \
  {                                                                            \
    acc = (E);                                                                 \
    NEXT(1);                                                                   \
  }
#define A32 ((uint32_t)acc)
#define AF32 f32_of(acc)
#define AF64 f64_of(acc)

UNARY(neg32, sext32(0 - A32))
UNARY(not32, sext32(~A32))
UNARY(neg64, 0 - acc)
UNARY(not64, ~acc)
UNARY(fneg32, sext32(A32 ^ 0x80000000u))
UNARY(fneg64, acc ^ 0x8000000000000000u)
UNARY(i32tof32, f32_bits((float)(int32_t)A32))
UNARY(i32tof64, f64_bits((double)(int32_t)A32))
UNARY(u32tof32, f32_bits((float)A32))
UNARY(u32tof64, f64_bits((double)A32))
UNARY(i64tof32, f32_bits((float)(int64_t)acc))
UNARY(i64tof64, f64_bits((double)(int64_t)acc))
UNARY(u64tof32, f32_bits((float)acc))
UNARY(u64tof64, f64_bits((double)acc))
UNARY(f32toi32, sext32((uint32_t)to_i32(AF32)))
UNARY(f32toi64, (uint64_t)to_i64(AF32))
UNARY(f32tou32, sext32(to_u32(AF32)))
UNARY(f32tou64, to_u64(AF32))
UNARY(f64toi32, sext32((uint32_t)to_i32(AF64)))
UNARY(f64toi64, (uint64_t)to_i64(AF64))
UNARY(f64tou32, sext32(to_u32(AF64)))
UNARY(f64tou64, to_u64(AF64))
UNARY(f32tof64, f64_bits((double)AF32))
UNARY(f64tof32, f32_bits((float)AF64))
UNARY(tou1_32, A32 != 0)
UNARY(tou1_64, acc != 0)
UNARY(zext32, A32)
UNARY(toi32, sext32(A32))
UNARY(toi8, (uint64_t)(int64_t)(int8_t)acc)
UNARY(toi16, (uint64_t)(int64_t)(int16_t)acc)
UNARY(tou8, (uint8_t)acc)
UNARY(tou16, (uint16_t)acc)

/* --- Comparison --- */

#define COMPARE(name, E)                                                       \
  OP(name)                                                                     \
  {                                                                            \
    acc = (uint64_t)(int64_t)(E);                                              \
    NEXT(2);                                                                   \
  }

COMPARE(cmp64, three_way_i64((int64_t)acc, R(c).i64))
COMPARE(ucmp32, three_way_u64(A32, R(c).u32))
COMPARE(ucmp64, three_way_u64(acc, R(c).u64))
COMPARE(fcmpl32, three_way_l(AF32, R(c).f32))
COMPARE(fcmpg32, three_way_g(AF32, R(c).f32))
COMPARE(fcmpl64, three_way_l(AF64, R(c).f64))
COMPARE(fcmpg64, three_way_g(AF64, R(c).f64))

#undef L32
#undef L64
#undef BIN32_REG
#undef BIN32_IMM
#undef BIN32
#undef BIN64_REG
#undef BINF
#undef NO_CHECK
#undef CHECK_DIVISOR
#undef ADD
#undef SUB
#undef MUL
#undef AND
#undef OR
#undef XOR
#undef DIV
#undef MOD
#undef UNARY
#undef COMPARE
