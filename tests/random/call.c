/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call, in any of the forms that have room for its arguments: registers,
 * a range of them, or one argument in the accumulator.
 */
#include "random.h"

#include <stdio.h>

struct call {
  const struct function *function;
  int first; /* parameter that gets an argument: 1 for constructors */
  int count; /* of arguments */
  int args[MAX_PARAMS + 1];
  bool is_virtual;
  bool is_on_v0; /* the receiver is there, and only there */
};

static const char *stem(const struct call *call)
{
  return call->function->is_ctor ? "initobj"
         : call->is_virtual      ? "call.virt"
                                 : "call";
}

/* The name, now and then with all parameter types. */
static const char *operand(const struct function *f)
{
  static char text[512];
  int length = snprintf(text, sizeof text, "%s", f->name);
  if (!chance(10))
    return text;
  for (int i = 0; i < f->param_count; i++)
    length += snprintf(text + length, sizeof text - (size_t)length, "%s%s",
                       i ? ", " : ":(", types[f->params[i]].name);
  snprintf(text + length, sizeof text - (size_t)length, "%s",
           f->param_count ? ")" : ":()");
  return text;
}

/* Arguments in registers with small numbers; v0 to v3 hold those that are not.
 */
static void find_args(struct call *call, int except)
{
  int scratch = call->is_on_v0;
  for (int i = 0; i < call->count; i++)
    if (i == 0 && call->is_on_v0)
      call->args[0] = 0;
    else if (i != except) {
      call->args[i] =
          need_reg(call->function->params[call->first + i], 16, scratch);
      scratch += call->args[i] == scratch;
    }
}

static void write_short(struct call *call, bool is_long)
{
  find_args(call, T_NONE);
  char text[64];
  int length = 0;
  text[0] = 0;
  for (int i = 0; i < call->count; i++)
    length += snprintf(text + length, sizeof text - (size_t)length, ", %s",
                       reg(call->args[i]));
  emit("%s%s %s%s", stem(call), is_long ? "" : ".short",
       operand(call->function), text);
}

static void write_acc(struct call *call, bool is_long)
{
  int position = (int)below((unsigned)call->count);
  int slots = is_long ? 4 : 2;
  find_args(call, position);
  if (position == 0 && call->is_on_v0)
    emit("lda.obj v0");
  else
    load_acc(call->function->params[position]);
  char text[64];
  int length = 0;
  for (int i = 0; i < slots; i++)
    if (i != position)
      length += snprintf(text + length, sizeof text - (size_t)length, ", %s",
                         reg(i < call->count ? call->args[i] : 0));
  emit("%s.acc%s %s%s, %d", stem(call), is_long ? "" : ".short",
       operand(call->function), text, position);
}

/* The arguments that this function itself got, if it is called again. */
static bool is_self(const struct call *call)
{
  return call->function == body.function && call->first == 0 &&
         call->count > 0 && !call->is_on_v0;
}

static bool write_range(struct call *call)
{
  if (is_self(call) && chance(60)) {
    emit("%s.range %s, a0", stem(call), operand(call->function));
    return true;
  }
  if (!body.block)
    return false;
  for (int i = 0; i < call->count; i++) {
    int type = call->function->params[call->first + i];
    bool is_receiver = i == 0 && call->is_on_v0;
    int from = is_receiver ? 0 : need_reg(type, MAX_REGS, call->is_on_v0);
    emit("mov%s %s, %s", width(type), reg(body.block + i), reg(from));
  }
  emit("%s.range %s, %s", stem(call), operand(call->function), reg(body.block));
  return true;
}

static bool write_form(struct call *call)
{
  int count = call->count;
  switch (below(6)) {
  case 0:
  case 1:
    if (count <= 2)
      return write_short(call, false), true;
    return write_range(call);
  case 2:
    if (count <= 4)
      return write_short(call, true), true;
    return write_range(call);
  case 3:
    return write_range(call);
  default:
    if (count == 0 || count > 4 || call->function->is_ctor)
      return write_range(call);
    return write_acc(call, count > 2 || chance(40)), true;
  }
}

static void write_it(const struct function *function, bool is_on_v0)
{
  struct call call = {
      .function = function, .first = function->is_ctor, .is_on_v0 = is_on_v0};
  call.count = function->param_count - call.first;
  call.is_virtual = function->is_instance && !function->is_ctor && chance(75);
  body.acc = T_NONE;
  if (!write_form(&call))
    return;
  int result = function->is_ctor ? function->owner : function->result;
  body.acc = in_register(result);
  if (chance(85))
    store_acc();
}

void write_call(const struct function *function)
{
  write_it(function, false);
}

void write_call_on_v0(const struct function *function)
{
  write_it(function, true);
}

void call_step(void)
{
  for (;;) {
    const struct function *f =
        chance(10) ? body.function
                   : &functions[below((unsigned)function_count)];
    if (f->is_cctor)
      continue;
    if (f >= functions && f < functions + function_count) {
      write_call(f);
      return;
    }
  }
}
