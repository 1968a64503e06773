/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reaches out of the heap: references that keep nothing alive, functions
 * of the C library that get texts, arrays and callbacks, modules that are
 * loaded and forgotten while the program runs.
 *
 * When something dies is chance, so nothing that follows from it may show: what
 * a reference refers to is noted where a register keeps it (one that is used
 * later: what is not keeps nothing), and what is found by one that may be
 * cleared goes to F.found, which is not part of the digest. Finalizers and
 * cleaners write there too, on a thread of their own: so it is volatile, or the
 * program itself would have a race, which ThreadSanitizer reports.
 */
#include "random.h"

#include <stdio.h>

/* What qsort sorts in this program: names of numbers of several natives would
   have to be different ones. */
struct sorted {
  int element, bytes;
  const char *compare; /* of a1 with a2: what is left in the accumulator */
};

static const struct sorted sorted[] = {
    {T_I8, 1, "    lda a1\n    sub2 a2\n"},
    {T_U16, 2, "    lda a1\n    sub2 a2\n"},
    {T_I32, 4, "    lda a1\n    jlt a2, less\n    ucmp a2\n"},
    {T_U32, 4, "    lda a1\n    ucmp a2\n"},
    {T_I64, 8, "    lda.64 a1\n    cmp.64 a2\n"},
    {T_F32, 4, "    lda a1\n    fcmpl a2\n"},
    {T_F64, 8, "    lda.64 a1\n    fcmpg.64 a2\n"},
};

static const struct sorted *order;

/* --- Declarations --- */

static const char library[] =
    ".record System <external>\n"
    ".record panda.Reference <external>\n"
    ".record panda.SoftReference <external>\n"
    ".record panda.WeakReference <external>\n"
    ".record panda.PhantomReference <external>\n"
    ".record panda.ReferenceQueue <external>\n"
    ".record panda.EphemeronTable <external>\n"
    ".record panda.Finalizer <external>\n"
    ".record panda.Cleaner <external>\n"
    ".record panda.Cleanable <external>\n"
    ".record panda.Loader <external>\n"
    ".function void System.gc() <external>\n"
    ".function void System.loadLibrary(panda.String a0) <external>\n"
    ".function panda.Object panda.Reference.get(panda.Reference a0)"
    " <external>\n"
    ".function u1 panda.Reference.refersTo(panda.Reference a0,"
    " panda.Object a1) <external>\n"
    ".function void panda.Reference.clear(panda.Reference a0) <external>\n"
    ".function u1 panda.Reference.enqueue(panda.Reference a0) <external>\n"
    ".function u1 panda.Reference.isEnqueued(panda.Reference a0) <external>\n"
    ".function panda.Reference panda.ReferenceQueue.poll("
    "panda.ReferenceQueue a0) <external>\n"
    ".function void panda.EphemeronTable.put(panda.EphemeronTable a0,"
    " panda.Object a1, panda.Object a2) <external>\n"
    ".function panda.Object panda.EphemeronTable.get(panda.EphemeronTable a0,"
    " panda.Object a1) <external>\n"
    ".function panda.Object panda.EphemeronTable.remove("
    "panda.EphemeronTable a0, panda.Object a1) <external>\n"
    ".function void panda.Finalizer.register(panda.Object a0) <external>\n"
    ".function panda.Cleanable panda.Cleaner.register(panda.Object a0,"
    " panda.Object a1) <external>\n"
    ".function void panda.Cleanable.clean(panda.Cleanable a0) <external>\n"
    ".function panda.Loader panda.Loader.loadText(panda.String a0,"
    " panda.String a1) <external>\n"
    ".function panda.Object panda.Loader.create(panda.Loader a0,"
    " panda.String a1) <external>\n"
    ".function i32 panda.Loader.invoke(panda.Loader a0, panda.String a1)"
    " <external>\n"
    ".function i64 strlen(panda.String a0) <native>\n"
    ".function i32 atoi(panda.String a0) <native>\n"
    ".function panda.String strstr(panda.String a0, panda.String a1)"
    " <native>\n"
    ".function void memset(u8[] a0, i32 a1, i64 a2) <native>\n"
    ".function void memmove(i64[] a0, i64[] a1, i64 a2) <native>\n";

static const char *const strengths[] = {"Soft", "Weak", "Phantom"};

static void declare_constructors(struct text *text)
{
  for (int i = 0; i < COUNT(strengths); i++)
    put(text,
        ".function void panda.%sReference.ctor(panda.%sReference a0,"
        " panda.Object a1) <ctor, external>\n"
        ".function void panda.%sReference.ctor(panda.%sReference a0,"
        " panda.Object a1, panda.ReferenceQueue a2) <ctor, external>\n",
        strengths[i], strengths[i], strengths[i], strengths[i]);
}

/* Statics and records beside those of the world. */
static void declare_records(struct text *text)
{
  put(text, ".record F {\n"
            "    panda.Object found <static, volatile>\n"
            "    panda.Reference[] refs <static>\n"
            "    panda.ReferenceQueue queue <static>\n"
            "    panda.EphemeronTable table <static>\n"
            "    i32 loads <static>\n"
            "    Plug plug <static>\n"
            "}\n"
            ".record Pair {\n    i32 value\n    panda.Object key\n}\n"
            ".record Action {\n    i32 count\n    panda.Object other\n}\n"
            ".record Doomed {\n    panda.Object other\n}\n"
            ".record Plug {\n    i32 calls\n}\n"
            ".record Order {\n    i32 calls\n    i32 stop\n    Pair last\n}\n");
}

/* --- What is the same in each program, or nearly --- */

static const char helpers[] =
    ".function void Action.run(Action a0) {\n"
    "    ldobj a0, Action.count\n"
    "    addi 1\n"
    "    stobj a0, Action.count\n"
    "    ldobj.obj a0, Action.other\n"
    "    ststatic.obj F.found\n"
    "    return.void\n"
    "}\n\n"
    ".function void Doomed.finalize(Doomed a0) {\n"
    "    lda.obj a0\n"
    "    ststatic.obj F.found\n"
    "    return.void\n"
    "}\n\n"
    ".function i32 Plug.step(Plug a0, i32 a1) {\n"
    "    lda a1\n"
    "    addi 1\n"
    "    return\n"
    "}\n\n"
    /* Garbage, and weak references to it. */
    ".function void churn() {\n"
    "    movi v0, 6\n"
    "    ldstatic.obj F.refs\n"
    "    sta.obj v1\n"
    "next:\n"
    "    newobj v2, Pair\n"
    "    initobj.short panda.WeakReference.ctor:(panda.WeakReference,"
    " panda.Object), v2\n"
    "    starr.obj v1, v0\n"
    "    inci v0, -1\n"
    "    lda v0\n"
    "    jgtz next\n"
    "    return.void\n"
    "}\n\n"
    /* A value that the key alone keeps, and that keeps the key. */
    ".function i32 paired(panda.Object a0, i32 a1) {\n"
    "    lda.obj a0\n"
    "    jeqz.obj none\n"
    "    newobj v0, Pair\n"
    "    lda a1\n"
    "    stobj v0, Pair.value\n"
    "    lda.obj a0\n"
    "    stobj.obj v0, Pair.key\n"
    "    ldstatic.obj F.table\n"
    "    sta.obj v1\n"
    "    call panda.EphemeronTable.put, v1, a0, v0\n"
    "    mov.null v0\n"
    "    call.short churn\n"
    "    call.short panda.EphemeronTable.get, v1, a0\n"
    "    jeqz.obj lost\n"
    "    checkcast Pair\n"
    "    sta.obj v0\n"
    "    ldobj.obj v0, Pair.key\n"
    "    jne.obj a0, lost\n"
    "    ldobj v0, Pair.value\n"
    "    return\n"
    "lost:\n"
    "    ldai -12345\n"
    "    return\n"
    "none:\n"
    "    ldai 0\n"
    "    return\n"
    "}\n\n"
    /* 1 of the reference, 2 of the queue, 4 that nothing is left. */
    ".function i32 queued(panda.Object a0) {\n"
    "    newobj v0, panda.ReferenceQueue\n"
    "    initobj.short panda.WeakReference.ctor:(panda.WeakReference,"
    " panda.Object, panda.ReferenceQueue), a0, v0\n"
    "    sta.obj v1\n"
    "    call.short panda.Reference.isEnqueued, v1\n"
    "    jnez wrong\n"
    "    call.short panda.Reference.enqueue, v1\n"
    "    sta v2\n"
    "    lda.obj a0\n" /* until here it is held */
    "    ststatic.obj F.found\n"
    "    call.short churn\n"
    "    call.short panda.ReferenceQueue.poll, v0\n"
    "    jne.obj v1, wrong\n"
    "    call.short panda.ReferenceQueue.poll, v0\n"
    "    jnez.obj wrong\n"
    "    lda v2\n"
    "    addi 6\n"
    "    return\n"
    "wrong:\n"
    "    ldai -1\n"
    "    return\n"
    "}\n\n"
    /* By hand once: the object is there until the end. */
    ".function i32 cleaned(panda.Object a0) {\n"
    "    lda.obj a0\n"
    "    jeqz.obj none\n"
    "    newobj v0, Action\n"
    "    call.short panda.Cleaner.register, a0, v0\n"
    "    sta.obj v1\n"
    "    newobj v2, Doomed\n"
    "    lda.obj v1\n"
    "    stobj.obj v2, Doomed.other\n"
    "    call.short panda.Finalizer.register, v2\n"
    "    mov.null v2\n"
    "    call.short churn\n"
    "    call.short panda.Cleanable.clean, v1\n"
    "    call.short panda.Cleanable.clean, v1\n"
    "    lda.obj a0\n"
    "    ststatic.obj F.found\n"
    "    ldobj v0, Action.count\n"
    "    return\n"
    "none:\n"
    "    ldai 0\n"
    "    return\n"
    "}\n\n"
    /* Whatever is there. */
    ".function void found() {\n"
    "    ldstatic.obj F.refs\n"
    "    sta.obj v0\n"
    "    lenarr v0\n"
    "    sta v1\n"
    "next:\n"
    "    inci v1, -1\n"
    "    lda v1\n"
    "    jltz end\n"
    "    ldarr.obj v0\n"
    "    jeqz.obj next\n"
    "    sta.obj v2\n"
    "    call.virt.short panda.Reference.get, v2\n"
    "    jeqz.obj next\n"
    "    ststatic.obj F.found\n"
    "    jmp next\n"
    "end:\n"
    "    ldstatic.obj F.queue\n"
    "    sta.obj v0\n"
    "poll:\n"
    "    call.short panda.ReferenceQueue.poll, v0\n"
    "    jnez.obj poll\n"
    "    return.void\n"
    "}\n\n";

/* --- Callbacks --- */

/* Each call leaves its mark; now and then something is made, or one throws. */
static void write_order(struct text *text)
{
  const char *type = types[order->element].name;
  put(text,
      ".function void qsort(%s[] a0, i64 a1, i64 a2, Order a3) <native>\n",
      type);
  put(text,
      ".function i32 Order.compare(Order a0, %s a1, %s a2) {\n"
      "    ldobj a0, Order.calls\n"
      "    addi 1\n"
      "    stobj a0, Order.calls\n"
      "    sta v0\n"
      "    ldobj a0, Order.stop\n"
      "    jne v0, on\n"
      "    newobj v1, panda.RuntimeException\n"
      "    throw v1\n"
      "on:\n",
      type, type);
  if (chance(60))
    put(text, "    newobj v1, Pair\n"
              "    lda v0\n"
              "    stobj v1, Pair.value\n"
              "    ldobj.obj a0, Order.last\n"
              "    stobj.obj v1, Pair.key\n"
              "    lda.obj v1\n"
              "    stobj.obj a0, Order.last\n");
  if (chance(40))
    put(text, "    call.short note, v0\n");
  put(text, "%s", order->compare);
  put(text, "%s    return\nless:\n    ldai -1\n    return\n}\n\n",
      chance(30) ? "    neg\n" : "");
}

/* --- Modules --- */

/* A line of a module, in a string. */
#define LINE(text, ...) (put(text, __VA_ARGS__), put(text, "\\n"))

static void write_module_step(struct text *text)
{
  static const char *const ops[] = {"addi", "muli", "xori", "subi", "shli"};
  LINE(text, ".function i32 Impl.step(Impl a0, i32 a1) {");
  LINE(text, "movi v1, %d", between(1, 12));
  LINE(text, "movi v2, 0");
  LINE(text, "again:");
  LINE(text, "newobj v0, Impl");
  LINE(text, "ldstatic.obj Impl.last");
  LINE(text, "stobj.obj v0, Impl.next");
  if (chance(50))
    LINE(text, "lda.null");
  else
    LINE(text, "lda.obj v0");
  LINE(text, "ststatic.obj Impl.last");
  LINE(text, "ldstatic Impl.count\\naddi 1\\nststatic Impl.count");
  for (int i = between(1, 5); i > 0; i--)
    LINE(text, "%s %d", ops[below(COUNT(ops))], between(1, 31));
  LINE(text, "add2 a1\\nadd2 v2\\nsta v2");
  LINE(text, "inci v1, -1\\nlda v1\\njgtz again");
  if (chance(50)) {
    LINE(text, "lda v2\\ni32tof64\\nsta.64 v3");
    LINE(text, "call.short fabs, v3\\nf64toi32\\nsta v2");
  }
  if (chance(30)) {
    LINE(text, "lda v2\\nandi 3\\njnez fine");
    LINE(text, "newobj v0, panda.RuntimeException\\nthrow v0\\nfine:");
  }
  LINE(text, "lda v2\\nreturn\\n}");
}

static void write_module_text(struct text *text)
{
  put(text, "    lda.str \"");
  LINE(text, ".record panda.Object <external>");
  LINE(text, ".record panda.RuntimeException <external>");
  LINE(text, ".record Plug <external>");
  LINE(text, ".record Impl <extends=Plug> {");
  for (int i = between(0, 5); i > 0; i--)
    LINE(text, "%s x%d", types[any_number()].name, i);
  LINE(text, "Impl next\\nImpl last <static>\\ni32 count <static>\\n}");
  LINE(text, ".function f64 fabs(f64 a0) <native>");
  write_module_step(text);
  LINE(text, ".function i32 count() {\\nldstatic Impl.count\\nreturn\\n}");
  put(text, "\"\n");
}

/* An object of a new module, of either kind, or of the last when enough were
   loaded. */
static void write_plug(struct text *text)
{
  put(text, ".function Plug plug() {\n"
            "    ldstatic F.loads\n"
            "    subi 1\n"
            "    ststatic F.loads\n"
            "    jltz last\n"
            "    andi 1\n"
            "    jeqz other\n");
  write_module_text(text);
  put(text, "    jmp load\nother:\n");
  write_module_text(text);
  put(text, "load:\n"
            "    sta.obj v0\n"
            "    lda.str \"module.pa\"\n"
            "    sta.obj v1\n"
            "    call.short panda.Loader.loadText, v0, v1\n"
            "    sta.obj v2\n"
            "    lda.str \"Impl\"\n"
            "    sta.obj v0\n"
            "    call.short panda.Loader.create, v2, v0\n"
            "    checkcast Plug\n"
            "    sta.obj v3\n"
            "    ststatic.obj F.plug\n"
            "    lda.str \"_GLOBAL::count\"\n"
            "    sta.obj v0\n"
            "    call.short panda.Loader.invoke, v2, v0\n"
            "    sta v4\n"
            "    call.short note, v4\n"
            "    lda.obj v3\n"
            "    return.obj\n"
            "last:\n"
            "    ldstatic.obj F.plug\n"
            "    jnez.obj end\n"
            "    newobj v3, Plug\n"
            "    lda.obj v3\n"
            "end:\n"
            "    return.obj\n"
            "}\n\n");
}

void write_foreign(struct text *text)
{
  order = &sorted[below(COUNT(sorted))];
  put(text, "%s", library);
  declare_constructors(text);
  declare_records(text);
  put(text, "%s", helpers);
  write_order(text);
  write_plug(text);
}

/* In main, before anything else. */
void begin_foreign(void)
{
  emit("lda.str \"libm.so.6\"");
  emit("sta.obj v0");
  emit("call.short System.loadLibrary, v0");
  emit("movi v0, 8");
  emit("newarr v1, v0, panda.Reference[]");
  emit("lda.obj v1");
  emit("ststatic.obj F.refs");
  emit("newobj v1, panda.ReferenceQueue");
  emit("lda.obj v1");
  emit("ststatic.obj F.queue");
  emit("newobj v1, panda.EphemeronTable");
  emit("lda.obj v1");
  emit("ststatic.obj F.table");
  emit("movi v0, %d", between(2, 8));
  emit("lda v0");
  emit("ststatic F.loads");
}

/* --- References --- */

/* In v1: a reference of that strength to what the register holds. */
static void make_reference(const char *strength, int number)
{
  emit("initobj%s panda.%sReference.ctor:(panda.%sReference, panda.Object), %s",
       chance(50) ? ".short" : "", strength, strength, reg(number));
  emit("sta.obj v1");
}

static void maybe_collect(void)
{
  if (chance(40))
    emit("call.short churn");
  if (chance(2))
    emit("call.short System.gc");
  body.acc = T_NONE;
}

/* A register keeps it, so it is found. */
static void reference_that_holds(void)
{
  int type = any_ref(), label = new_label();
  int number = need_reg(type, 16, 0);
  make_reference(strengths[below(2)], number);
  maybe_collect();
  emit("call%s.short panda.Reference.get, v1", chance(50) ? ".virt" : "");
  emit("sta.obj v2");
  emit("jeq.obj %s, L%d", reg(number), label);
  emit("movi v3, -777");
  emit("call.short note, v3");
  put_label(label);
  emit("lda.obj v2");
  emit("checkcast %s", types[type].name);
  body.acc = type;
  store_acc();
}

static void phantom_that_holds(void)
{
  int number = need_reg(any_ref(), 16, 0);
  make_reference("Phantom", number);
  maybe_collect();
  emit("call.short panda.Reference.refersTo, v1, %s", reg(number));
  emit("sta v2");
  emit("call.short note, v2");
  emit("call.virt.short panda.Reference.get, v1");
  emit("isinstance panda.Object");
  emit("sta v2");
  emit("call.short note, v2");
  if (chance(30))
    emit("call.short panda.Reference.clear, v1");
}

/* A new object that one of F.refs refers to, and nothing else, mostly. */
static void reference_alone(void)
{
  const char *strength = strengths[below(COUNT(strengths))];
  emit("newobj v0, %s", chance(60) ? types[any_own()].name : "Doomed");
  emit("ldstatic.obj F.queue");
  emit("sta.obj v1");
  emit("initobj panda.%sReference.ctor:(panda.%sReference, panda.Object, "
       "panda.ReferenceQueue), v0, v1",
       strength, strength);
  emit("sta.obj v2");
  emit("ldstatic.obj F.refs");
  emit("sta.obj v3");
  small_number(1, 7);
  emit("lda.obj v2");
  emit("starr.obj v3, v1");
  emit("mov.null v0");
  if (chance(30))
    emit("call.short found");
}

static void call_helper(const char *name)
{
  emit("call.short %s, %s", name, reg(need_reg(any_ref(), 16, 0)));
  body.acc = T_I32;
  store_acc();
}

static void ephemeron(void)
{
  int key = need_reg(any_ref(), 16, 0);
  emit("call.short paired, %s, %s", reg(key), reg(need_reg(T_I32, 16, 1)));
  body.acc = T_I32;
  store_acc();
}

void write_reference(void)
{
  body.acc = T_NONE;
  switch (below(10)) {
  case 0:
    call_helper("queued");
    break;
  case 1:
    call_helper("cleaned");
    break;
  case 2:
  case 3:
    ephemeron();
    break;
  case 4:
    phantom_that_holds();
    break;
  case 5:
  case 6:
    reference_alone();
    break;
  default:
    reference_that_holds();
  }
  body.acc = T_NONE;
}

/* --- Natives --- */

static void native_text(void)
{
  int end = new_label();
  int number = need_reg(T_STRING, 16, 0);
  emit("lda.obj %s", reg(number));
  emit("jeqz.obj L%d", end);
  switch (below(3)) {
  case 0:
    emit("call.short strlen, %s", reg(number));
    body.acc = T_I64;
    break;
  case 1:
    emit("call.short atoi, %s", reg(number));
    body.acc = T_I32;
    break;
  default:
    emit("lda.str \"%u\"", below(20));
    emit("sta.obj v1");
    emit("call.short strstr, %s, v1", reg(number));
    body.acc = T_STRING;
  }
  store_acc();
  put_label(end);
}

static void native_fill(void)
{
  int number = need_reg(T_ARRAYS + T_U8, 16, 0);
  emit("lenarr %s", reg(number));
  emit("i32toi64");
  emit("sta.64 v2");
  emit("movi v1, %d", between(-300, 300));
  emit("call memset, %s, v1, v2", reg(number));
}

static void native_copy(void)
{
  int end = new_label();
  int to = need_reg(T_ARRAYS + T_I64, 16, 0);
  int from = need_reg(T_ARRAYS + T_I64, 16, 1);
  emit("lenarr %s", reg(to));
  emit("jeqz L%d", end);
  emit("lenarr %s", reg(from));
  emit("jeqz L%d", end);
  emit("movi.64 v2, %d", between(0, 8));
  emit("call memmove, %s, %s, v2", reg(to), reg(from));
  put_label(end);
}

/* Sorted, or half sorted where the order throws. */
static void native_sort(void)
{
  int array = need_reg(T_ARRAYS + order->element, 16, 0);
  emit("newobj v3, Order");
  if (chance(25)) {
    emit("movi v1, %d", between(1, 20));
    emit("lda v1");
    emit("stobj v3, Order.stop");
  }
  emit("lenarr %s", reg(array));
  emit("i32toi64");
  emit("sta.64 v1");
  emit("movi.64 v2, %d", order->bytes);
  emit("call qsort, %s, v1, v2, v3", reg(array));
  emit("movi v2, 1");
  emit("call.short digest, %s, v2", reg(array));
  emit("ldobj v3, Order.calls");
  body.acc = T_I32;
  store_acc();
}

void write_native(void)
{
  static void (*const kinds[])(void) = {native_text, native_text, native_fill,
                                        native_copy, native_sort, native_sort};
  body.acc = T_NONE;
  kinds[below(COUNT(kinds))]();
  body.acc = T_NONE;
}

/* --- Modules --- */

void write_module(void)
{
  body.acc = T_NONE;
  emit("call.short plug");
  emit("sta.obj v0");
  emit("call.virt.short Plug.step, v0, %s", reg(need_reg(T_I32, 16, 1)));
  body.acc = T_I32;
  store_acc();
  if (chance(30)) {
    emit("lda.null");
    emit("ststatic.obj F.plug");
  }
  if (chance(20)) { /* an object alone keeps its module */
    emit("lda.obj v0");
    emit("ststatic.obj G.s%d", T_OBJECT);
  }
  body.acc = T_NONE;
}
