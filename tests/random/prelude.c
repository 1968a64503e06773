/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each program has: functions that take values into the checksum, that
 * tell an exception's class, that walk what is reachable; and main, which calls
 * the others and prints the checksum after each.
 */
#include "random.h"

/* A float is noted as integers at three scales, so that its sign, its size and
   whether it is a number show; the bits of a NaN do not. */
static const char notes[] =
    ".record IO <external>\n"
    ".record Math <external>\n"
    ".record Double <external>\n"
    ".record Object <external>\n"
    ".record i32[][] <external>\n"
    ".function void IO.printI32(i32 a0) <external>\n"
    ".function void IO.printI64(i64 a0) <external>\n"
    ".function void IO.printF64(f64 a0) <external>\n"
    ".function void IO.printString(panda.String a0) <external>\n"
    ".function void Object.monitorEnter(panda.Object a0) <external>\n"
    ".function void Object.monitorExit(panda.Object a0) <external>\n"
    ".function void i32[][].ctor(i32[][] a0, i32 a1, i32 a2)"
    " <ctor, external>\n"
    ".function void panda.RuntimeException.ctor(panda.RuntimeException a0,"
    " panda.String a1, panda.Object a2) <ctor, external>\n"
    "\n"
    ".function void note(i32 a0) {\n"
    "    lda a0\n"
    "    i32toi64\n"
    "    sta.64 v0\n"
    "    call.short note64, v0\n"
    "    return.void\n"
    "}\n\n"
    ".function void note64(i64 a0) {\n"
    "    movi.64 v0, 1000003\n"
    "    ldstatic.64 G.sum\n"
    "    mul2.64 v0\n"
    "    add2.64 a0\n"
    "    sta.64 v0\n"
    "    movi.64 v1, 29\n"
    "    shr2.64 v1\n"
    "    xor2.64 v0\n"
    "    ststatic.64 G.sum\n"
    "    return.void\n"
    "}\n\n"
    ".function void notef(f32 a0) {\n"
    "    lda a0\n"
    "    f32tof64\n"
    "    sta.64 v0\n"
    "    call.short noted, v0\n"
    "    return.void\n"
    "}\n\n"
    ".function void noted(f64 a0) {\n"
    "    lda.64 a0\n"
    "    f64toi64\n"
    "    sta.64 v0\n"
    "    call.short note64, v0\n"
    "    fmovi.64 v1, 1048576\n"
    "    lda.64 a0\n"
    "    fmul2.64 v1\n"
    "    f64toi64\n"
    "    sta.64 v0\n"
    "    call.short note64, v0\n"
    "    fldai.64 1e9\n"
    "    fdiv2.64 a0\n"
    "    f64toi64\n"
    "    sta.64 v0\n"
    "    call.short note64, v0\n"
    "    lda.64 a0\n"
    "    fcmpl.64 a0\n"
    "    sta v2\n"
    "    call.short note, v2\n"
    "    return.void\n"
    "}\n\n"
    ".function void show() {\n"
    "    ldstatic.64 G.sum\n"
    "    sta.64 v0\n"
    "    call.short IO.printI64, v0\n"
    "    lda.str \"\\n\"\n"
    "    sta.obj v1\n"
    "    call.short IO.printString, v1\n"
    "    return.void\n"
    "}\n\n";

/* Prints the name of the record, the most derived first. */
static void write_tell_class(struct text *text, int type)
{
  put(text,
      "    lda.obj a0\n"
      "    isinstance %s\n"
      "    jeqz N%d\n"
      "    lda.str \"%s\"\n"
      "    jmp print\n"
      "N%d:\n",
      types[type].name, type, types[type].name, type);
}

static const char raising[] = ".function panda.String panda.%s.getMessage("
                              "panda.%s a0) <external>\n";

/* The machine's exceptions have a message, which is printed too. */
static void write_tell(struct text *text)
{
  for (int i = T_EXCEPTIONS; i < type_count; i++)
    if (types[i].is_exception)
      put(text, raising, types[i].name + 6, types[i].name + 6);
  put(text, ".function void tell(panda.Object a0) {\n    mov.null v1\n");
  for (int i = T_EXCEPTIONS; i < type_count; i++)
    if (types[i].is_exception)
      put(text,
          "    lda.obj a0\n"
          "    isinstance %s\n"
          "    jeqz M%d\n"
          "    lda.obj a0\n"
          "    checkcast %s\n"
          "    sta.obj v0\n"
          "    call.short %s.getMessage, v0\n"
          "    sta.obj v1\n"
          "M%d:\n",
          types[i].name, i, types[i].name, types[i].name, i);
  for (int i = type_count - 1; i >= T_EXCEPTIONS; i--)
    write_tell_class(text, i);
  put(text, "    lda.str \"object\"\n"
            "print:\n"
            "    sta.obj v0\n"
            "    call.short IO.printString, v0\n"
            "    lda.obj v1\n"
            "    jeqz.obj end\n"
            "    lda.str \": \"\n"
            "    sta.obj v0\n"
            "    call.short IO.printString, v0\n"
            "    call.short IO.printString, v1\n"
            "end:\n"
            "    lda.str \"\\n\"\n"
            "    sta.obj v0\n"
            "    call.short IO.printString, v0\n"
            "    return.void\n"
            "}\n\n");
}

void write_prelude(struct text *text)
{
  put(text, "%s", notes);
  write_tell(text);
}

/* --- The digest --- */

/* What is in the accumulator, of that type. */
static void digest_value(struct text *text, int type)
{
  static const char *const names[] = {"note", "note64", "notef", "noted"};
  if (is_ref(type)) {
    put(text, "    sta.obj v0\n    call.short digest, v0, v4\n");
    return;
  }
  int which = type == T_F32 ? 2 : type == T_F64 ? 3 : is_wide(type) ? 1 : 0;
  put(text, "    sta%s v0\n    call.short %s, v0\n", width(type), names[which]);
}

static void digest_fields(struct text *text, int record)
{
  const struct type *type = &types[record];
  for (int i = 0; i < type->field_count; i++) {
    const struct field *field = &type->fields[i];
    if (field->is_static)
      put(text, "    ldstatic%s %s.%s\n", width(field->type), type->name,
          field->name);
    else
      put(text, "    ldobj%s v1, %s.%s\n", width(field->type), type->name,
          field->name);
    digest_value(text, field->type);
  }
  if (type->super >= T_EXCEPTIONS)
    digest_fields(text, type->super);
}

static const char *load_of(int element)
{
  static const char *const loads[] = {
      "ldarru.8", "ldarr.8",  "ldarru.8", "ldarr.16",  "ldarru.16", "ldarr",
      "ldarr",    "ldarr.64", "ldarr.64", "fldarr.32", "fldarr.64"};
  return is_ref(element) ? "ldarr.obj" : loads[element];
}

static void digest_elements(struct text *text, int type)
{
  put(text,
      "    lenarr v1\n"
      "    sta v3\n"
      "    call.short note, v3\n"
      "    movi v2, 0\n"
      "E%d:\n"
      "    lda v2\n"
      "    jge v3, end\n"
      "    %s v1\n",
      type, load_of(types[type].element));
  digest_value(text, types[type].element);
  put(text, "    inci v2, 1\n    jmp E%d\n", type);
}

static void digest_type(struct text *text, int type)
{
  put(text,
      "    lda.obj a0\n"
      "    isinstance %s\n"
      "    jeqz N%d\n"
      "    lda.obj a0\n"
      "    checkcast %s\n"
      "    sta.obj v1\n"
      "    movi v0, %d\n"
      "    call.short note, v0\n",
      types[type].name, type, types[type].name, type);
  if (types[type].is_own)
    digest_fields(text, type);
  else if (types[type].element != T_NONE)
    digest_elements(text, type);
  put(text, "    jmp end\nN%d:\n", type);
}

/* What is reachable from a0, to the depth of a1 and while there is fuel; the
   most derived records first, arrays of objects last. */
void write_digest(struct text *text)
{
  put(text, ".function void digest(panda.Object a0, i32 a1) {\n"
            "    lda a1\n"
            "    jlez end\n"
            "    subi 1\n"
            "    sta v4\n"
            "    ldstatic G.fuel\n"
            "    subi 1\n"
            "    ststatic G.fuel\n"
            "    jltz end\n"
            "    lda.obj a0\n"
            "    jeqz.obj end\n");
  for (int i = type_count - 1; i > T_OBJECTS; i--)
    digest_type(text, i);
  for (int i = T_STRING; i < T_OBJECTS; i++)
    digest_type(text, i);
  digest_type(text, T_OBJECTS);
  put(text, "end:\n    return.void\n}\n\n");
}

/* --- Calls without end --- */

/* Frames of several sizes and ways to call, in two functions that call each
   other; what they leave is nobody's business, as the depth is not. */
static void write_deep(struct text *text, const char *name, const char *other)
{
  static const char *const calls[] = {
      "    sta v1\n    call.short %s, v1, v2\n",
      "    call.acc.short %s, v2, 0\n",
      "    sta a0\n    call.range %s, a0\n",
  };
  put(text,
      ".function i32 %s(i32 a0, panda.Object a1) {\n"
      "    movi v%d, 0\n"
      "    mov.obj v2, a1\n"
      "    fmovi.64 v3, 2.5\n"
      "    lda a0\n"
      "begin:\n"
      "    addi 1\n",
      name, between(4, chance(80) ? 8 : 60));
  put(text, calls[below(COUNT(calls))], other);
  put(text, "end:\n"
            "    add2 a0\n"
            "    fldai.64 1\n"
            "    fadd2.64 v3\n"
            "    f64toi32\n"
            "    return\n");
}

/* What overflowed goes on through frames with a handler, some of which end
   it. */
static void write_deep_handler(struct text *text, unsigned mask)
{
  put(text,
      "caught:\n"
      "    sta.obj v2\n"
      "    lda a0\n"
      "    andi %u\n"
      "    jnez again\n"
      "    ldai -1\n"
      "    return\n"
      "again:\n"
      "    throw v2\n"
      ".catch panda.StackOverflowException, begin, end, caught\n",
      mask);
}

void write_overflow(struct text *text)
{
  bool is_alone = chance(40);
  unsigned mask = chance(50) ? 63 : 0x7fffffff; /* 0: never */
  put(text, ".record panda.StackOverflowException <external>\n");
  write_deep(text, "deep", is_alone ? "deep" : "deeper");
  if (chance(50))
    write_deep_handler(text, mask);
  put(text, "}\n\n");
  if (!is_alone) {
    write_deep(text, "deeper", "deep");
    put(text, "}\n\n");
  }
  put(text, ".function void overflow() {\n"
            "    movi v0, 1\n"
            "    newobj v1, panda.Object\n"
            "begin:\n"
            "    call.short deep, v0, v1\n"
            "    lda.str \"returned\\n\"\n"
            "    jmp tell\n"
            "end:\n"
            "caught:\n"
            "    lda.str \"overflow\\n\"\n"
            "tell:\n"
            "    sta.obj v2\n"
            "    call.short IO.printString, v2\n"
            "    return.void\n"
            ".catch panda.StackOverflowException, begin, end, caught\n"
            "}\n\n");
}

/* --- main --- */

static int fuel;
static const struct function *callee;

static void call_callee(void)
{
  emit("movi v0, %d", fuel);
  emit("lda v0");
  emit("ststatic G.fuel");
  write_call(callee);
  store_acc();
}

/* Each in turn. */
static const struct function *next_callee(void)
{
  static int next;
  for (;;) {
    const struct function *f = &functions[next++ % function_count];
    if (!f->is_cctor && !f->is_external)
      return f;
  }
}

static int callee_count(void)
{
  int count = 0;
  for (int i = 0; i < function_count; i++)
    count += !functions[i].is_cctor && !functions[i].is_external;
  return count;
}

static void begin_statics(void)
{
  for (int i = T_OBJECT; i < type_count; i++) {
    load_new(i);
    emit("ststatic.obj G.s%d", i);
  }
}

static void digest_statics(void)
{
  emit("movi v0, 4000");
  emit("lda v0");
  emit("ststatic G.fuel");
  emit("movi v1, 3");
  for (int i = T_OBJECT; i < type_count; i++) {
    emit("ldstatic.obj G.s%d", i);
    emit("sta.obj v0");
    emit("call.short digest, v0, v1");
  }
}

/* The result is a part of the checksum, from 32 to 63: less and more are the
   machine's own statuses.  Or something is thrown. */
static void end_main(void)
{
  if (chance(15)) {
    write_exception();
    emit("throw v0");
  }
  emit("ldstatic.64 G.sum");
  emit("i64toi32");
  emit("andi 31");
  emit("ori 32");
  emit("return");
}

/* A function is called several times, so that it becomes hot. */
static void write_round(void)
{
  int head = new_label(), counter = SCRATCH;
  callee = next_callee();
  fuel = between(20, 250);
  body.locked[counter] = true;
  emit("movi %s, %d", reg(counter),
       chance(50) ? between(1, 3) : between(8, 20));
  put_label(head);
  write_try(call_callee);
  emit("inci %s, -1", reg(counter));
  emit("lda %s", reg(counter));
  emit("jgtz L%d", head);
  if (chance(2))
    emit("call.short overflow");
  emit("call.short show");
}

void write_main(struct text *text, int rounds)
{
  static const struct function main_function = {
      .name = "main", .owner = T_NONE, .result = T_I32};
  begin_body(&main_function, SCRATCH + 5);
  body.is_main = true;
  begin_registers();
  begin_foreign();
  write_try(begin_statics);
  for (int i = callee_count() + rounds; i > 0; i--)
    write_round();
  write_try(digest_statics);
  emit("call.short show");
  end_main();
  end_body(text);
}
