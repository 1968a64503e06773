/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluator: lexical scope by a list of (name . value), calls in tail
 * position without growth of any stack.
 *
 * Its frame on the machine's stack (Note [Values in C]):
 *
 *   frame + 0  expression   + 1  environment   + 2  scratch, then operands
 */
#include "lisp.h"

#include <stdio.h>

enum { EXPRESSION, ENVIRONMENT, SCRATCH, FRAME_SLOTS };

/* What a step of the evaluator leads to. */
enum step {
  DONE,     /* the value was found */
  CONTINUE, /* the frame holds what is to be evaluated now */
};

static value at(const struct lisp *lisp, size_t frame, size_t slot)
{
  return lisp->stack[frame + slot];
}

static void put(struct lisp *lisp, size_t frame, size_t slot, value v)
{
  lisp->stack[frame + slot] = v;
}

/* The n-th of a list; UNBOUND if it is shorter. */
static value nth(const struct lisp *lisp, value list, unsigned n)
{
  for (; is_type(lisp, list, CONS); list = load(list, CDR))
    if (n-- == 0)
      return load(list, CAR);
  return UNBOUND;
}

static value rest_of(const struct lisp *lisp, value list)
{
  return is_type(lisp, list, CONS) ? load(list, CDR) : NIL;
}

/* Of a frame's expression or environment. */
static value eval_part(struct lisp *lisp, size_t frame, value expression)
{
  if (expression == UNBOUND)
    return lisp_fail(lisp, "a form is too short");
  size_t mine = push(lisp, expression);
  value v = eval(lisp, mine, frame + ENVIRONMENT);
  lisp->top = mine;
  return v;
}

/* Variables -----------------------------------------------------------------
 */

static value find_binding(value env, value symbol)
{
  for (; env != NIL; env = load(env, CDR))
    if (load(load(env, CAR), CAR) == symbol)
      return load(env, CAR);
  return NIL;
}

static value look_up(struct lisp *lisp, value env, value symbol)
{
  value binding = find_binding(env, symbol);
  value v = binding != NIL ? load(binding, CDR) : load(symbol, SYMBOL_VALUE);
  if (v != UNBOUND)
    return v;
  value string = load(symbol, SYMBOL_STRING);
  return lisp_fail(lisp, "%.*s has no value", (int)length_of(string),
                   characters(string));
}

/* (name . value), both on the top of the stack, in front of the list at
   `env'. */
static bool bind(struct lisp *lisp, size_t env)
{
  value binding = cons_top(lisp);
  if (binding == ERROR)
    return false;
  push(lisp, binding);
  push(lisp, lisp->stack[env]);
  value longer = cons_top(lisp);
  if (longer == ERROR)
    return false;
  lisp->stack[env] = longer;
  return true;
}

/* Special forms -------------------------------------------------------------
 */

static enum step eval_if(struct lisp *lisp, size_t frame, value *result)
{
  value test =
      eval_part(lisp, frame, nth(lisp, at(lisp, frame, EXPRESSION), 1));
  *result = test;
  if (test == ERROR)
    return DONE;
  value chosen = nth(lisp, at(lisp, frame, EXPRESSION), test != FALSE ? 2 : 3);
  *result = NIL;
  if (chosen == UNBOUND)
    return DONE;
  put(lisp, frame, EXPRESSION, chosen);
  return CONTINUE;
}

/* The last one is left to the loop. */
static enum step eval_row(struct lisp *lisp, size_t frame, value row,
                          value *result)
{
  *result = NIL;
  size_t mine = push(lisp, row);
  while (rest_of(lisp, lisp->stack[mine]) != NIL) {
    *result = eval_part(lisp, frame, load(lisp->stack[mine], CAR));
    if (*result == ERROR)
      return DONE;
    lisp->stack[mine] = load(lisp->stack[mine], CDR);
  }
  value last = nth(lisp, pop(lisp), 0);
  if (last == UNBOUND)
    return DONE;
  put(lisp, frame, EXPRESSION, last);
  return CONTINUE;
}

static value make_lambda(struct lisp *lisp, size_t frame, value names,
                         value body)
{
  size_t mine = push(lisp, names);
  push(lisp, body);
  value closure = new_closure(lisp, mine, mine + 1, frame + ENVIRONMENT);
  lisp->top = mine;
  return closure;
}

/* (define name value), (define (name parameters...) body...) */
static value eval_define(struct lisp *lisp, size_t frame)
{
  value form = at(lisp, frame, EXPRESSION), target = nth(lisp, form, 1);
  value v;
  if (is_type(lisp, target, CONS))
    v = make_lambda(lisp, frame, load(target, CDR),
                    rest_of(lisp, rest_of(lisp, form)));
  else
    v = eval_part(lisp, frame, nth(lisp, form, 2));
  if (v == ERROR)
    return ERROR;
  target = nth(lisp, at(lisp, frame, EXPRESSION), 1);
  if (is_type(lisp, target, CONS))
    target = load(target, CAR);
  if (!is_type(lisp, target, SYMBOL))
    return lisp_fail(lisp, "what is defined has no name");
  size_t mine = push(lisp, target);
  push(lisp, v);
  v = set_global(lisp, mine, mine + 1);
  lisp->top = mine;
  return v == ERROR ? ERROR : NIL;
}

static value eval_set(struct lisp *lisp, size_t frame)
{
  value v = eval_part(lisp, frame, nth(lisp, at(lisp, frame, EXPRESSION), 2));
  if (v == ERROR)
    return ERROR;
  value symbol = nth(lisp, at(lisp, frame, EXPRESSION), 1);
  if (!is_type(lisp, symbol, SYMBOL))
    return lisp_fail(lisp, "what is set has no name");
  value binding = find_binding(at(lisp, frame, ENVIRONMENT), symbol);
  if (binding != NIL)
    store(lisp, binding, CDR, v);
  else if (load(symbol, SYMBOL_VALUE) == UNBOUND)
    return lisp_fail(lisp, "what is set was not defined");
  else
    store(lisp, symbol, SYMBOL_VALUE, v);
  return NIL;
}

/* (let ((name value)...) body...): the values see the outer names. */
static enum step eval_let(struct lisp *lisp, size_t frame, value *result)
{
  size_t env = push(lisp, at(lisp, frame, ENVIRONMENT));
  size_t each = push(lisp, nth(lisp, at(lisp, frame, EXPRESSION), 1));
  *result = ERROR;
  for (; is_type(lisp, lisp->stack[each], CONS);
       lisp->stack[each] = load(lisp->stack[each], CDR)) {
    value v =
        eval_part(lisp, frame, nth(lisp, load(lisp->stack[each], CAR), 1));
    if (v == ERROR)
      return DONE;
    push(lisp, nth(lisp, load(lisp->stack[each], CAR), 0));
    push(lisp, v);
    if (!bind(lisp, env))
      return DONE;
  }
  put(lisp, frame, ENVIRONMENT, lisp->stack[env]);
  lisp->top = env;
  value form = at(lisp, frame, EXPRESSION);
  return eval_row(lisp, frame, rest_of(lisp, rest_of(lisp, form)), result);
}

static enum step eval_form(struct lisp *lisp, size_t frame, enum form form,
                           value *result)
{
  value whole = at(lisp, frame, EXPRESSION);
  switch (form) {
  case QUOTE:
    *result = nth(lisp, whole, 1);
    return DONE;
  case IF:
    return eval_if(lisp, frame, result);
  case DEFINE:
    *result = eval_define(lisp, frame);
    return DONE;
  case SET:
    *result = eval_set(lisp, frame);
    return DONE;
  case LAMBDA:
    *result = make_lambda(lisp, frame, nth(lisp, whole, 1),
                          rest_of(lisp, rest_of(lisp, whole)));
    return DONE;
  case LET:
    return eval_let(lisp, frame, result);
  case BEGIN:
    return eval_row(lisp, frame, rest_of(lisp, whole), result);
  case FORM_COUNT:
    break;
  }
  return DONE;
}

/* Calls ---------------------------------------------------------------------
 */

/* Pushes the function and the arguments; how many in all, or 0 after an
   error. */
static size_t push_operands(struct lisp *lisp, size_t frame)
{
  size_t count = 0;
  put(lisp, frame, SCRATCH, at(lisp, frame, EXPRESSION));
  while (is_type(lisp, at(lisp, frame, SCRATCH), CONS)) {
    value v = eval_part(lisp, frame, load(at(lisp, frame, SCRATCH), CAR));
    if (v == ERROR)
      return 0;
    push(lisp, v);
    count++;
    put(lisp, frame, SCRATCH, load(at(lisp, frame, SCRATCH), CDR));
  }
  return count;
}

/* The body of the closure at `function', in a new environment. */
static enum step enter(struct lisp *lisp, size_t frame, size_t function,
                       size_t count, value *result)
{
  value closure = lisp->stack[function];
  size_t env = push(lisp, load(closure, CLOSURE_ENV));
  size_t names = push(lisp, load(closure, CLOSURE_NAMES));
  *result = ERROR;
  for (size_t i = 1; i < count; i++) {
    value name = nth(lisp, lisp->stack[names], 0);
    if (name == UNBOUND) {
      lisp_fail(lisp, "too many arguments");
      return DONE;
    }
    push(lisp, name);
    push(lisp, lisp->stack[function + i]);
    if (!bind(lisp, env))
      return DONE;
    lisp->stack[names] = load(lisp->stack[names], CDR);
  }
  if (lisp->stack[names] != NIL) {
    lisp_fail(lisp, "too few arguments");
    return DONE;
  }
  put(lisp, frame, ENVIRONMENT, lisp->stack[env]);
  value body = load(lisp->stack[function], CLOSURE_BODY);
  lisp->top = frame + FRAME_SLOTS;
  return eval_row(lisp, frame, body, result);
}

static enum step eval_call(struct lisp *lisp, size_t frame, value *result)
{
  size_t count = push_operands(lisp, frame), function = frame + FRAME_SLOTS;
  *result = ERROR;
  if (count == 0)
    return DONE;
  value callee = lisp->stack[function];
  if (is_type(lisp, callee, CLOSURE))
    return enter(lisp, frame, function, count, result);
  if ((callee & TAG_MASK) == TAG_PRIMITIVE)
    *result = call_primitive(lisp, callee, function + 1, count - 1);
  else
    lisp_fail(lisp, "what is called is no procedure");
  return DONE;
}

static enum step eval_step(struct lisp *lisp, size_t frame, value *result)
{
  value expression = at(lisp, frame, EXPRESSION);
  *result = expression;
  if (is_type(lisp, expression, SYMBOL)) {
    *result = look_up(lisp, at(lisp, frame, ENVIRONMENT), expression);
    return DONE;
  }
  if (!is_type(lisp, expression, CONS))
    return DONE;
  value head = load(expression, CAR);
  for (int form = 0; form < FORM_COUNT; form++)
    if (head == lisp->world->forms[form])
      return eval_form(lisp, frame, (enum form)form, result);
  return eval_call(lisp, frame, result);
}

value eval(struct lisp *lisp, size_t expression, size_t environment)
{
  value result;
  if (lisp->depth == DEPTH_MOST)
    return lisp_fail(lisp, "calls are nested too deep");
  size_t frame = push(lisp, lisp->stack[expression]);
  push(lisp, lisp->stack[environment]);
  push(lisp, NIL);
  lisp->depth++;
  while (eval_step(lisp, frame, &result) == CONTINUE) {
    lisp->top = frame + FRAME_SLOTS;
    mm_poll(&lisp->mutator);
  }
  lisp->depth--;
  lisp->top = frame;
  return result;
}
