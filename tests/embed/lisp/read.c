/* SPDX-License-Identifier: Apache-2.0 */
/* From text to values, and back. */
#include "lisp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *at)
{
  while (isspace((unsigned char)*at) || *at == ';') {
    if (*at == ';')
      at += strcspn(at, "\n");
    else
      at++;
  }
  return at;
}

static value read_string(struct lisp *lisp, const char **text)
{
  size_t length = strcspn(*text + 1, "\"");
  if ((*text)[1 + length] == 0)
    return lisp_fail(lisp, "a string does not end");
  value string = new_string(lisp, (uint32_t)length);
  if (string != ERROR)
    memcpy(characters(string), *text + 1, length);
  *text += length + 2;
  return string;
}

static value read_atom(struct lisp *lisp, const char **text)
{
  const char *at = *text;
  size_t length = strcspn(at, " \t\r\n()';\"");
  char *end;
  double number = strtod(at, &end);
  *text += length;
  if (end == at + length && !isalpha((unsigned char)*at))
    return of_number(number);
  if (length == 2 && memcmp(at, "#t", 2) == 0)
    return TRUE;
  if (length == 2 && memcmp(at, "#f", 2) == 0)
    return FALSE;
  return intern(lisp, at, length);
}

/* The new element hangs on the last cons, at `last' on the stack. */
static bool append(struct lisp *lisp, size_t first, value element)
{
  push(lisp, element);
  push(lisp, NIL);
  value cons = cons_top(lisp);
  if (cons == ERROR)
    return false;
  if (lisp->stack[first] == NIL)
    lisp->stack[first] = cons;
  else
    store(lisp, lisp->stack[first + 1], CDR, cons);
  lisp->stack[first + 1] = cons;
  return true;
}

static value read_list(struct lisp *lisp, const char **text)
{
  size_t first = push(lisp, NIL);
  push(lisp, NIL);
  value result = NIL;
  for (++*text; *(*text = skip_space(*text)) != ')';) {
    value element = **text ? read_expression(lisp, text)
                           : lisp_fail(lisp, "a list does not end");
    if (element == ERROR || !append(lisp, first, element)) {
      result = ERROR;
      break;
    }
  }
  *text += **text == ')';
  if (result != ERROR)
    result = lisp->stack[first];
  lisp->top = first;
  return result;
}

static value read_quoted(struct lisp *lisp, const char **text)
{
  ++*text;
  value expression = read_expression(lisp, text);
  if (expression == ERROR || expression == UNBOUND)
    return lisp_fail(lisp, "nothing is quoted");
  push(lisp, lisp->world->forms[QUOTE]);
  push(lisp, expression);
  push(lisp, NIL);
  value rest = cons_top(lisp);
  if (rest == ERROR) {
    pop(lisp);
    return ERROR;
  }
  push(lisp, rest);
  return cons_top(lisp);
}

value read_expression(struct lisp *lisp, const char **text)
{
  *text = skip_space(*text);
  switch (**text) {
  case 0:
    return UNBOUND;
  case '(':
    return read_list(lisp, text);
  case ')':
    return lisp_fail(lisp, "a ) too many");
  case '\'':
    return read_quoted(lisp, text);
  case '"':
    return read_string(lisp, text);
  default:
    return read_atom(lisp, text);
  }
}

/* Printing allocates nothing. */

static void print_list(struct lisp *lisp, FILE *out, value v)
{
  const char *before = "(";
  for (; is_type(lisp, v, CONS); v = load(v, CDR)) {
    fputs(before, out);
    print(lisp, out, load(v, CAR));
    before = " ";
  }
  if (v != NIL) {
    fputs(" . ", out);
    print(lisp, out, v);
  }
  fputc(')', out);
}

static void print_vector(struct lisp *lisp, FILE *out, value v)
{
  fputs("#(", out);
  for (uint32_t i = 0; i < length_of(v); i++) {
    if (i > 0)
      fputc(' ', out);
    print(lisp, out, load(v, slot_offset(i)));
  }
  fputc(')', out);
}

static void print_object(struct lisp *lisp, FILE *out, value v)
{
  if (is_type(lisp, v, SYMBOL))
    print(lisp, out, load(v, SYMBOL_STRING));
  else if (is_type(lisp, v, STRING))
    fprintf(out, "%.*s", (int)length_of(v), characters(v));
  else if (is_type(lisp, v, CONS))
    print_list(lisp, out, v);
  else if (is_type(lisp, v, VECTOR))
    print_vector(lisp, out, v);
  else
    fprintf(out, "#%s",
            is_type(lisp, v, CLOSURE)  ? "procedure"
            : is_type(lisp, v, PORT)   ? "port"
            : is_type(lisp, v, THREAD) ? "thread"
                                       : "table");
}

void print(struct lisp *lisp, FILE *out, value v)
{
  if (is_number(v))
    fprintf(out, "%.15g", to_number(v));
  else if (is_ref(v))
    print_object(lisp, out, v);
  else if (v == NIL)
    fputs("()", out);
  else if (v == TRUE || v == FALSE)
    fputs(v == TRUE ? "#t" : "#f", out);
  else
    fputs("#procedure", out);
}
