/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function: its registers, statements, loops and handlers.
 *
 *   begin   every register gets a value, fuel is paid
 *   code    statements
 *   out     registers go into the checksum, a result is returned
 *   handlers, each of which goes on behind its statement, or returns
 *   .catch lines
 */
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct body body;
int statements;

/* --- Text --- */

void emit(const char *format, ...)
{
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  put(body.out, "    %s\n", line);
}

int new_label(void)
{
  return body.labels++;
}

void put_label(int label)
{
  put(body.out, "L%d:\n", label);
}

const char *reg(int number)
{
  static char names[8][16];
  static int turn;
  char *name = names[turn++ % 8];
  bool is_local = number < body.locals;
  snprintf(name, sizeof names[0], "%c%d", is_local ? 'v' : 'a',
           is_local ? number : number - body.locals);
  return name;
}

const char *width(int type)
{
  return is_ref(type) ? ".obj" : is_wide(type) ? ".64" : "";
}

/* --- Registers --- */

static bool is_exact(int from, int to)
{
  return from == to || (is_assignable(from, to) && !is_array_of_refs(from));
}

static int find(int type, int limit, bool is_target)
{
  int end = limit < body.regs ? limit : body.regs;
  int start = (int)below((unsigned)end);
  for (int i = 0; i < end; i++) {
    int number = (start + i) % end;
    int found = body.types[number];
    if (found == T_NONE)
      continue;
    if (is_target ? is_exact(type, found) && !body.locked[number]
                  : is_assignable(found, type))
      return number;
  }
  return T_NONE;
}

int find_reg(int type, int limit)
{
  return find(in_register(type), limit, false);
}

int find_target(int type, int limit)
{
  return find(in_register(type), limit, true);
}

int need_reg(int type, int limit, int scratch)
{
  int number = find_reg(type, limit);
  if (number != T_NONE)
    return number;
  number = find_reg(type, MAX_REGS);
  if (number != T_NONE) {
    emit("mov%s %s, %s", width(type), reg(scratch), reg(number));
    return scratch;
  }
  load_acc(type);
  emit("sta%s %s", width(type), reg(scratch));
  body.acc = T_NONE;
  return scratch;
}

void small_number(int scratch, int most)
{
  int number = find_reg(T_I32, MAX_REGS);
  if (number == T_NONE || chance(30)) {
    emit("movi %s, %d", reg(scratch), between(0, most));
    return;
  }
  emit("lda %s", reg(number));
  emit("andi %d", most);
  emit("sta %s", reg(scratch));
  body.acc = T_NONE;
}

void load_constant(int type)
{
  uint64_t bits = random_bits();
  char text[40];
  random_float(text, sizeof text, type == T_F64);
  switch (in_register(type)) {
  case T_I32:
    emit("ldai %d", (int32_t)(uint32_t)bits);
    break;
  case T_I64:
    emit("ldai.64 %lld", (long long)bits);
    break;
  case T_F32:
    emit("fldai %s", text);
    break;
  default:
    emit("fldai.64 %s", text);
  }
}

void load_acc(int type)
{
  type = in_register(type);
  int number = find_reg(type, MAX_REGS);
  if (number != T_NONE && !chance(8)) {
    emit("lda%s %s", width(type), reg(number));
    body.acc = body.types[number];
    return;
  }
  if (is_ref(type))
    emit("ldstatic.obj G.s%d", type);
  else
    load_constant(type);
  body.acc = type;
}

/* References that are null are put away seldom: a null would end the function
   at its next use. */
void store_acc(void)
{
  int number = body.acc == T_NONE ? T_NONE : find_target(body.acc, MAX_REGS);
  bool is_reference = body.acc != T_NONE && is_ref(body.acc);
  if (number == T_NONE && !is_reference)
    return;
  int label = is_reference && chance(94) ? new_label() : T_NONE;
  if (label != T_NONE)
    emit("jeqz.obj L%d", label);
  if (number != T_NONE)
    emit("sta%s %s", width(body.acc), reg(number));
  else
    emit("ststatic.obj G.s%d", body.acc);
  if (label != T_NONE)
    put_label(label);
}

/* Into the checksum. */
void observe(int number)
{
  int type = body.types[number];
  static const char *const names[] = {"note", "note64", "notef", "noted"};
  int which = type == T_I32 ? 0 : type == T_I64 ? 1 : type == T_F32 ? 2 : 3;
  int from = number;
  if (number >= 16) {
    emit("mov%s v0, %s", width(type), reg(number));
    from = 0;
  }
  if (is_ref(type)) {
    emit("lda.obj %s", reg(from));
    emit("isinstance %s", types[any_ref()].name);
    emit("sta v0");
    emit("call.short note, v0");
  } else {
    emit("call.short %s, %s", names[which], reg(from));
  }
  body.acc = T_NONE;
}

/* --- Values at the beginning --- */

void load_new(int type)
{
  const struct type *t = &types[type];
  int size = chance(85) ? 8 : between(0, 3);
  if (type == T_STRING) {
    emit("lda.str \"t%u\"", below(20));
  } else if (type == T_CLASS) {
    emit("lda.type %s", types[any_ref()].name);
  } else if (t->element == T_NONE && !chance(8)) {
    emit("newobj v0, %s", t->name);
    emit("lda.obj v0");
  } else if (t->element != T_NONE && !chance(8)) {
    emit("movi v0, %d", size);
    emit("newarr v0, v0, %s", t->name);
    emit("lda.obj v0");
  } else {
    emit("ldstatic.obj G.s%d", type);
  }
  body.acc = T_NONE;
}

static void begin_ref(int number)
{
  load_new(body.types[number]);
  emit("sta.obj %s", reg(number));
}

static void begin_reg(int number)
{
  uint64_t bits = random_bits();
  char text[40];
  random_float(text, sizeof text, body.types[number] == T_F64);
  switch (body.types[number]) {
  case T_I32:
    emit("movi %s, %d", reg(number), (int32_t)(uint32_t)bits);
    break;
  case T_I64:
    emit("movi.64 %s, %lld", reg(number), (long long)bits);
    break;
  case T_F32:
    emit("fmovi %s, %s", reg(number), text);
    break;
  case T_F64:
    emit("fmovi.64 %s, %s", reg(number), text);
    break;
  default:
    begin_ref(number);
  }
}

static int any_local_type(void)
{
  static const int numbers[] = {T_I32, T_I32, T_I64, T_F32, T_F64};
  return chance(68) ? numbers[below(COUNT(numbers))] : any_ref();
}

static void lay_out(int locals)
{
  static const int first[] = {T_I32, T_I32, T_I64, T_F32, T_F64};
  for (int i = 0; i < body.regs; i++)
    body.types[i] = i < SCRATCH                  ? T_NONE
                    : i < SCRATCH + COUNT(first) ? first[i - SCRATCH]
                    : i < locals                 ? any_local_type()
                    : i < body.locals
                        ? T_NONE
                        : in_register(body.function->params[i - body.locals]);
}

void begin_body(const struct function *function, int locals)
{
  body = (struct body){.function = function, .acc = T_NONE};
  body.out = &body.code;
  body.block = chance(60) ? locals : 0;
  body.locals = locals + (body.block ? MAX_PARAMS + 1 : 0);
  body.regs = body.locals + function->param_count;
  lay_out(locals);
}

static void write_head(struct text *text, const char *end)
{
  const struct function *f = body.function;
  put(text, ".function %s %s(",
      f->result == T_NONE ? "void" : types[f->result].name, f->name);
  for (int i = 0; i < f->param_count; i++)
    put(text, "%s%s a%d", i ? ", " : "", types[f->params[i]].name, i);
  put(text, ")%s", end);
}

/* All that was written, and the lists forgotten. */
void end_body(struct text *text)
{
  const struct function *f = body.function;
  write_head(text, f->is_ctor    ? " <ctor> {\n"
                   : f->is_cctor ? " <cctor> {\n"
                                 : " {\n");
  struct text *parts[] = {&body.code, &body.handlers, &body.catches};
  for (int i = 0; i < COUNT(parts); i++)
    if (parts[i]->length > 0) {
      put(text, "%s", parts[i]->bytes);
      free(parts[i]->bytes);
    }
  put(text, "}\n\n");
}

/* --- Statements --- */

void steps(int count)
{
  for (; count > 0; count--)
    if (chance(58))
      plain_step();
    else if (chance(75))
      object_step();
    else
      call_step();
}

static void write_statement(void);

static void write_statements(int most)
{
  for (int i = between(1, most); i > 0 && body.size > 0; i--)
    write_statement();
}

/* What is in the accumulator stays there over the jump, and may be what is in
   it where the ways meet. */
static void write_skip(void)
{
  int label = new_label();
  write_jump(label);
  int acc = body.acc;
  steps(between(1, 5));
  if (acc != T_NONE && chance(60) && body.acc != acc)
    load_acc(acc);
  put_label(label);
  if (acc == T_NONE || body.acc != acc)
    body.acc = T_NONE;
  else if (chance(80))
    store_acc();
}

static void write_choice(void)
{
  int other = new_label(), end = new_label();
  write_jump(other);
  body.acc = T_NONE;
  write_statements(3);
  load_acc(T_I64);
  emit("jmp L%d", end);
  put_label(other);
  body.acc = T_NONE;
  write_statements(3);
  load_acc(T_I64);
  put_label(end);
  store_acc();
}

/* Several jumps in a row, each of which leaves its mark in one register. */
static void write_branches(void)
{
  int target = find_target(T_I32, 16);
  if (target == T_NONE)
    return;
  for (int i = between(3, 8); i > 0; i--) {
    int label = new_label();
    write_jump(label);
    emit("addiv %s, %s, %d", reg(target), reg(target), between(1, 100));
    put_label(label);
    body.acc = T_NONE;
    emit("shliv %s, %s, 1", reg(target), reg(target));
  }
  observe(target);
}

static void pay(int out_of_fuel)
{
  emit("ldstatic G.fuel");
  emit("subi 1");
  emit("ststatic G.fuel");
  emit("jltz L%d", out_of_fuel);
  body.acc = T_NONE;
}

/* Down to zero, or up to what another register says. */
void write_turn(int counter, int head)
{
  if (chance(50))
    emit("addiv %s, %s, -1", reg(counter), reg(counter));
  else
    emit("inci %s, -1", reg(counter));
  emit("lda %s", reg(counter));
  emit("%s L%d", chance(50) ? "jgtz" : "jnez", head);
  body.acc = T_NONE;
}

/* Only arithmetic: no fuel is paid. */
static void write_tight_loop(int counter)
{
  int head = new_label();
  emit("movi %s, %d", reg(counter), between(1, 40));
  put_label(head);
  body.acc = T_NONE;
  for (int i = between(1, 5); i > 0; i--)
    plain_step();
  write_turn(counter, head);
}

/* A loop that is entered at its head or, now and then, in the middle. */
static void write_loop(int counter)
{
  int head = new_label(), middle = new_label(), end = new_label();
  emit("movi %s, %d", reg(counter), between(1, chance(20) ? 40 : 6));
  if (chance(25)) {
    write_jump(middle);
    body.acc = T_NONE;
  }
  put_label(head);
  body.acc = T_NONE;
  pay(end);
  write_statements(3);
  put_label(middle);
  body.acc = T_NONE;
  write_statements(2);
  emit("nop");
  write_turn(counter, head);
  put_label(end);
  body.acc = T_NONE;
}

static void write_any_loop(void)
{
  int counter = find_target(T_I32, 16);
  if (body.loops == 3 || counter == T_NONE)
    return;
  body.loops++;
  body.locked[counter] = true;
  if (chance(35))
    write_tight_loop(counter);
  else
    write_loop(counter);
  body.locked[counter] = false;
  body.loops--;
}

/* --- Handlers --- */

static const char *return_of(int result)
{
  if (result == T_NONE)
    return "return.void";
  static char text[16];
  snprintf(text, sizeof text, "return%s", width(result));
  return text;
}

static void write_return(void)
{
  int result = body.function->result;
  if (result != T_NONE)
    load_acc(result);
  emit("%s", return_of(result));
}

/* A handler goes on at `after`; or it has an end and returns before. */
static void write_handler(int type, int begin, int end, int after)
{
  int handler = new_label(), handler_end = new_label();
  bool has_end = !body.is_main && chance(25);
  body.out = &body.handlers;
  put_label(handler);
  emit("sta.obj v0");
  emit("call.short tell, v0");
  body.acc = T_NONE;
  steps(body.is_main ? 0 : between(0, 3));
  if (has_end) {
    write_return();
    put_label(handler_end);
  } else
    emit("jmp L%d", after);
  body.out = &body.code;
  if (type == T_NONE)
    put(&body.catches, ".catchall L%d, L%d, L%d", begin, end, handler);
  else
    put(&body.catches, ".catch %s, L%d, L%d, L%d", types[type].name, begin, end,
        handler);
  if (has_end)
    put(&body.catches, ", L%d", handler_end);
  put(&body.catches, "\n");
}

static int any_caught(void)
{
  if (chance(50))
    return T_NONE;
  if (chance(20))
    return any_own();
  for (;;) {
    int type = between(T_OBJECT, type_count - 1);
    if (types[type].is_exception || type == T_OBJECT)
      return type;
  }
}

/* `inside` between the labels of a range, with a handler or several. */
void write_try(void (*inside)(void))
{
  int begin = new_label(), end = new_label(), after = new_label();
  put_label(begin);
  body.acc = T_NONE;
  inside();
  emit("nop");
  put_label(end);
  put_label(after);
  struct text *out = body.out;
  for (int i = between(1, 3); i > 0; i--)
    write_handler(any_caught(), begin, end, after);
  if (body.is_main)
    write_handler(T_NONE, begin, end, after);
  body.out = out;
  body.acc = T_NONE;
}

static void inside_try(void)
{
  write_statements(4);
}

static void write_any_try(void)
{
  if (body.tries == 2 || body.out != &body.code)
    return;
  body.tries++;
  write_try(inside_try);
  body.tries--;
}

/* Seldom where nothing catches it. */
static void write_throw(void)
{
  if (body.tries == 0 && chance(85))
    return;
  int label = new_label();
  write_jump(label);
  body.acc = T_NONE;
  write_exception();
  emit("throw v0");
  put_label(label);
  body.acc = T_NONE;
}

static void write_conversions(void)
{
  for (int i = between(1, 4); i > 0; i--)
    write_conversion();
}

static void write_long_line(void)
{
  steps(between(20, 80));
}

static void write_observation(void)
{
  int number = between(SCRATCH, body.regs - 1);
  if (body.types[number] != T_NONE)
    observe(number);
}

static void write_steps(void)
{
  steps(between(2, 10));
}

static void write_statement(void)
{
  static void (*const kinds[])(void) = {
      write_steps,       write_steps,    write_steps,       write_branches,
      write_skip,        write_skip,     write_choice,      write_any_loop,
      write_any_loop,    write_any_loop, write_any_try,     write_any_try,
      write_observation, write_throw,    call_step,         write_observation,
      write_bounds,      write_nulls,    write_receivers,   write_switch,
      write_sum,         write_row,      write_conversions, write_reference,
      write_reference,   write_native,   write_module,
  };
  body.size--;
  if (chance(3))
    write_long_line();
  else
    kinds[below(COUNT(kinds))]();
}

/* --- The whole --- */

static int any_frame(bool is_wide)
{
  if (chance(4))
    return between(130, 200);
  if (is_wide)
    return between(46, 90);
  return chance(40) ? between(SCRATCH + 6, 14) : between(15, 45);
}

static void write_out(int out, int quick)
{
  put_label(out);
  body.acc = T_NONE;
  for (int i = SCRATCH; i < body.regs; i++)
    if (body.types[i] != T_NONE && (i < 24 || body.is_wide || chance(20)))
      observe(i);
  write_return();
  put_label(quick);
  int result = body.function->result;
  if (result == T_NONE)
    emit("return.void");
  else if (is_ref(result))
    emit("lda.null\n    return.obj");
  else {
    load_constant(result);
    emit("%s", return_of(result));
  }
}

/* The last local is written, so that it is there to count. */
void begin_registers(void)
{
  for (int i = SCRATCH; i < body.locals; i++)
    if (body.types[i] != T_NONE)
      begin_reg(i);
  if (body.block)
    emit("movi %s, 0", reg(body.locals - 1));
}

/* Many under a handler, or few functions would reach their end. */
static void all_statements(void)
{
  while (body.size > 0)
    if (chance(35))
      write_any_try();
    else
      write_statement();
}

static void write_abstract(struct text *text)
{
  write_head(text, " <noimpl>\n\n");
}

/* A class initialiser that throws makes its class useless, so it seldom
   does. */
void write_function(struct text *text, const struct function *function)
{
  bool is_cctor = function->is_cctor;
  bool is_wide = chance(8);
  begin_body(function, is_cctor ? SCRATCH + 5 : any_frame(is_wide));
  body.is_wide = is_wide && !is_cctor;
  if (function->is_abstract) {
    write_abstract(text);
    return;
  }
  body.size = is_cctor ? 2 : between(statements / 2, statements * 3 / 2);
  int out = new_label(), quick = new_label();
  if (!is_cctor)
    pay(quick);
  begin_registers();
  if (is_cctor && chance(90))
    write_try(all_statements);
  else
    all_statements();
  write_out(out, quick);
  end_body(text);
}
