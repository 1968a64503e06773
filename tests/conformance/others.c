/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons, jumps, moves, and what fields and elements keep of a value. */
#include "emit.h"

/* Comparisons and jumps ----------------------------------------------------*/

static int three_way(bool less, bool greater)
{
  return greater - less;
}

static int compare_i32(uint64_t x, uint64_t y)
{
  return three_way(extend(x, 32) < extend(y, 32),
                   extend(x, 32) > extend(y, 32));
}

static int compare_i64(uint64_t x, uint64_t y)
{
  return three_way((int64_t)x<(int64_t)y, (int64_t)x>(int64_t) y);
}

static int compare_u32(uint64_t x, uint64_t y)
{
  return three_way(low(x) < low(y), low(x) > low(y));
}

static int compare_u64(uint64_t x, uint64_t y)
{
  return three_way(x<y, x> y);
}

static int compare_floats(double x, double y, int unordered)
{
  return x != x || y != y ? unordered : three_way(x<y, x> y);
}

static int compare_f32_less(uint64_t x, uint64_t y)
{
  return compare_floats(f32_of(x), f32_of(y), -1);
}

static int compare_f32_greater(uint64_t x, uint64_t y)
{
  return compare_floats(f32_of(x), f32_of(y), 1);
}

static int compare_f64_less(uint64_t x, uint64_t y)
{
  return compare_floats(f64_of(x), f64_of(y), -1);
}

static int compare_f64_greater(uint64_t x, uint64_t y)
{
  return compare_floats(f64_of(x), f64_of(y), 1);
}

static const struct compare_op {
  const char *mnemonic;
  enum type type;
  int (*function)(uint64_t, uint64_t);
} compare_ops[] = {
    {"cmp.64", I64, compare_i64},           {"ucmp", I32, compare_u32},
    {"ucmp.64", I64, compare_u64},          {"fcmpl", F32, compare_f32_less},
    {"fcmpg", F32, compare_f32_greater},    {"fcmpl.64", F64, compare_f64_less},
    {"fcmpg.64", F64, compare_f64_greater},
};

static void put_comparison(const struct compare_op *op)
{
  const struct values *values = &values_of[op->type];
  unsigned number = 0;
  begin_function(op->mnemonic);
  for (size_t i = 0; i < values->count; i++)
    for (size_t j = 0; j < values->count; j++) {
      put_constant(0, op->type, values->bits[i]);
      put_constant(1, op->type, values->bits[j]);
      fprintf(out, "    lda%s v0\n    %s v1\n    sta v2\n",
              move_suffix[op->type], op->mnemonic);
      put_check(I32, (uint64_t)op->function(values->bits[i], values->bits[j]),
                number++);
    }
  end_function();
}

/* Bits of `when`: jumps if less 1, equal 2, greater 4. */
static const struct jump_op {
  const char *mnemonic;
  unsigned when;
} jump_ops[] = {{"jeq", 2}, {"jne", 5}, {"jlt", 1},
                {"jgt", 4}, {"jle", 3}, {"jge", 6}};

/* v2 = 1 if it jumped; the accumulator is kept in v6. */
static void put_jump(const char *line, unsigned number)
{
  fprintf(out,
          "    movi v2, 1\n    lda v0\n    %s yes%u\n    movi v2, 0\n"
          "yes%u:\n    sta v6\n",
          line, number, number);
}

static void put_jumps(const struct jump_op *op, bool with_zero)
{
  char line[32];
  unsigned number = 0;
  snprintf(line, sizeof line, with_zero ? "%sz" : "%s v1,", op->mnemonic);
  begin_function(line);
  for (size_t i = 0; i < values_of[I32].count; i++)
    for (size_t j = 0; j < (with_zero ? 1 : values_of[I32].count); j++) {
      uint64_t right = with_zero ? 0 : values_of[I32].bits[j];
      int order = compare_i32(values_of[I32].bits[i], right);
      put_constant(0, I32, values_of[I32].bits[i]);
      put_constant(1, I32, right);
      put_jump(line, number);
      put_check(I32, op->when >> (order + 1) & 1, number);
      put_kept_check(I32, values_of[I32].bits[i], number++);
    }
  end_function();
}

void comparisons(const char *directory)
{
  open_program(directory, "compare");
  for (size_t i = 0; i < COUNT(compare_ops); i++)
    put_comparison(&compare_ops[i]);
  close_program(directory, "compare");
  open_program(directory, "jump");
  for (size_t i = 0; i < COUNT(jump_ops); i++) {
    put_jumps(&jump_ops[i], false);
    put_jumps(&jump_ops[i], true);
  }
  close_program(directory, "jump");
}

/* Moves --------------------------------------------------------------------*/

static void put_literal(enum type type, uint64_t bits)
{
  if (type == I32)
    fprintf(out, "%d", (int)low(bits));
  else if (type == I64)
    fprintf(out, "%lld", (long long)bits);
  else
    fprintf(out, "0x%llx", (unsigned long long)bits);
}

static void put_moves(enum type type, const char *load, const char *move)
{
  const struct values *values = &values_of[type];
  unsigned number = 0;
  begin_function(load);
  for (size_t i = 0; i < values->count; i++) {
    /* ldai, sta, lda, mov, and back through a register far away. */
    fprintf(out, "    %s ", load);
    put_literal(type, values->bits[i]);
    fprintf(out,
            "\n    sta%s v200\n    mov%s v300, v200\n"
            "    mov%s v201, v300\n    lda%s v201\n    sta%s v2\n",
            move_suffix[type], move_suffix[type], move_suffix[type],
            move_suffix[type], move_suffix[type]);
    put_check(type, values->bits[i], number++);
    fprintf(out, "    %s v2, ", move);
    put_literal(type, values->bits[i]);
    fputc('\n', out);
    put_check(type, values->bits[i], number++);
  }
  end_function();
}

void moves(const char *directory)
{
  open_program(directory, "move");
  put_moves(I32, "ldai", "movi");
  put_moves(I64, "ldai.64", "movi.64");
  put_moves(F32, "fldai", "fmovi");
  put_moves(F64, "fldai.64", "fmovi.64");
  close_program(directory, "move");
}

/* Fields and elements ------------------------------------------------------*/

/* How a stored type keeps a value and gives it back. */
static const struct storage {
  const char *name;
  enum type type;
  unsigned bits;
  bool is_signed;
  const char *load, *store; /* of an element */
} storages[] = {
    {"u1", I32, 8, false, "ldarru.8", "starr.8"},
    {"i8", I32, 8, true, "ldarr.8", "starr.8"},
    {"u8", I32, 8, false, "ldarru.8", "starr.8"},
    {"i16", I32, 16, true, "ldarr.16", "starr.16"},
    {"u16", I32, 16, false, "ldarru.16", "starr.16"},
    {"i32", I32, 32, true, "ldarr", "starr"},
    {"u32", I32, 32, true, "ldarr", "starr"},
    {"i64", I64, 64, true, "ldarr.64", "starr.64"},
    {"u64", I64, 64, true, "ldarr.64", "starr.64"},
    {"f32", F32, 32, false, "fldarr.32", "fstarr.32"},
    {"f64", F64, 64, false, "fldarr.64", "fstarr.64"},
};

static uint64_t stored(const struct storage *storage, uint64_t bits)
{
  if (storage->type == F32 || storage->type == F64 || storage->bits == 64)
    return bits;
  uint64_t kept = bits & (((uint64_t)1 << storage->bits) - 1);
  return storage->is_signed ? low((uint64_t)extend(kept, storage->bits)) : kept;
}

/* One value through a field, by accumulator and by register, through a static
   field, and through an element with neighbours that must not change. */
static void put_storage(const struct storage *storage, uint64_t bits,
                        unsigned *number)
{
  const char *suffix = move_suffix[storage->type];
  const char *name = storage->name;
  uint64_t wanted = stored(storage, bits);
  put_constant(0, storage->type, bits);
  fprintf(out,
          "    lda%s v0\n    stobj%s v7, S.%s\n"
          "    ldobj%s v7, S.%s\n    sta%s v2\n",
          suffix, suffix, name, suffix, name, suffix);
  put_check(storage->type, wanted, (*number)++);
  fprintf(out, "    stobj.v%s v0, v7, S.%s_b\n    ldobj.v%s v2, v7, S.%s_b\n",
          suffix, name, suffix, name);
  put_check(storage->type, wanted, (*number)++);
  fprintf(out,
          "    lda%s v0\n    ststatic%s S.%s\n    ldstatic%s S.%s\n"
          "    sta%s v2\n",
          suffix, suffix, name, suffix, name, suffix);
  put_check(storage->type, wanted, (*number)++);
  fprintf(out,
          "    lda%s v0\n    %s v8, v9\n    ldai 1\n    %s v8\n"
          "    sta%s v2\n",
          suffix, storage->store, storage->load, suffix);
  put_check(storage->type, wanted, (*number)++);
  for (unsigned neighbour = 0; neighbour <= 2; neighbour += 2) {
    fprintf(out, "    ldai %u\n    %s v8\n    sta%s v2\n", neighbour,
            storage->load, suffix);
    put_check(storage->type, 0, *number);
  }
}

void storage(const char *directory)
{
  open_program(directory, "storage");
  fputs(".record S {\n", out);
  for (size_t i = 0; i < COUNT(storages); i++)
    fprintf(out, "    %s %s\n    %s %s_b\n    %s %s <static>\n",
            storages[i].name, storages[i].name, storages[i].name,
            storages[i].name, storages[i].name, storages[i].name);
  fputs("}\n", out);
  for (size_t i = 0; i < COUNT(storages); i++) {
    const struct values *sets[] = {&values_of[storages[i].type],
                                   &more_of[storages[i].type]};
    unsigned number = 0;
    begin_function(storages[i].name);
    fprintf(out,
            "    newobj v7, S\n    movi v9, 3\n    newarr v8, v9, %s[]\n"
            "    movi v9, 1\n",
            storages[i].name);
    for (size_t set = 0; set < 2; set++)
      for (size_t j = 0; j < sets[set]->count; j++)
        put_storage(&storages[i], sets[set]->bits[j], &number);
    end_function();
  }
  close_program(directory, "storage");
}
