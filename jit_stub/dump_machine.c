/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine instructions as text.  Capstone reads them where the build has found
 * it; else, or when it has no memory or is gone, they are shown as bytes.
 *
 * Nothing that is printed depends on where the code lies: places in it are
 * offsets, stubs have names, and other code and data are `outside'.
 */
#include "config.h"

#include "jit_stub/observe_internal.h"

#include "mm/native.h"
#include "vm/core/purposes.h"

#include <inttypes.h>
#include <string.h>

/* Where the interpreter enters after `offset', UINT32_MAX if nowhere; `word'
   is set where it enters there. */
static uint32_t entry_at(const struct jit_code *code, uint32_t offset,
                         const struct jit_entry **entry)
{
  uint32_t next = UINT32_MAX;
  *entry = NULL;
  for (uint32_t i = 0; i < code->entry_count; i++) {
    const struct jit_entry *e = &code->entries[i];
    if (e->offset == offset)
      *entry = e;
    else if (e->offset > offset && e->offset < next)
      next = e->offset;
  }
  return next;
}

/* Returns where the next entry is. */
static uint32_t print_entry(const struct jit_listing *listing, uint32_t offset)
{
  const struct jit_entry *entry;
  uint32_t next = entry_at(listing->code, offset, &entry);
  if (entry)
    fprintf(listing->out, "entry @%" PRIu32 ":\n", entry->word);
  return next;
}

static const uint8_t *code_at(const struct jit_listing *listing,
                              uint32_t offset)
{
  return (const uint8_t *)listing->code->block.run + offset;
}

static void print_bytes(const struct jit_listing *listing, uint32_t from,
                        uint32_t to)
{
  enum { A_LINE = 16 };
  while (from < to) {
    uint32_t end = print_entry(listing, from);
    end = end < to ? end : to;
    end = end < from + A_LINE ? end : from + A_LINE;
    fprintf(listing->out, "    %04" PRIx32 " ", from);
    for (; from < end; from++)
      fprintf(listing->out, " %02x", *code_at(listing, from));
    fputc('\n', listing->out);
  }
}

#ifdef HAVE_CAPSTONE
#include <capstone.h>
#include <dlfcn.h>
#include <pthread.h>

/* --- The library --- */

/* It is loaded when the first listing is made, not with the program: it has so
   many relocations that loading it takes as long as all else before a small
   program runs. */
/* clang-format off */
#define FUNCTIONS(X)                                                           \
  X(open, open) X(close, close) X(option, option) X(new_insn, malloc)          \
  X(end_insn, free) X(next, disasm_iter) X(in_group, insn_group)               \
  X(reg_name, reg_name)
/* clang-format on */

static struct {
#define MEMBER(member, function) __typeof__(cs_##function) *member;
  FUNCTIONS(MEMBER)
#undef MEMBER
  bool is_there;
} cs;

static void load(void)
{
#define TEXT_OF(number) #number
#define LIBRARY(version) "libcapstone.so." TEXT_OF(version)
  void *library = dlopen(LIBRARY(CS_API_MAJOR), RTLD_NOW | RTLD_LOCAL), *found;
  cs.is_there = library != NULL;
#define FIND(member, function)                                                 \
  found = library ? dlsym(library, "cs_" #function) : NULL;                    \
  memcpy(&cs.member, &found, sizeof found);                                    \
  cs.is_there = cs.is_there && found;
  FUNCTIONS(FIND)
#undef FIND
}

/* --- Reading --- */

static bool is_target(const struct jit_listing *listing, uint32_t offset)
{
  return listing->targets && listing->targets[offset / 8] >> offset % 8 & 1;
}

/* Does it jump to, or call, a fixed place?  Which, from the code's start. */
static bool has_target(const struct jit_listing *listing, const cs_insn *insn,
                       int64_t *target)
{
  const cs_x86 *x86 = &insn->detail->x86;
  if (x86->op_count != 1 || x86->operands[0].type != X86_OP_IMM ||
      (!cs.in_group(listing->reader, insn, CS_GRP_JUMP) &&
       !cs.in_group(listing->reader, insn, CS_GRP_CALL)))
    return false;
  *target = x86->operands[0].imm;
  return true;
}

static bool is_inside(const struct jit_listing *listing, int64_t target)
{
  return target >= 0 && target < listing->code->code_bytes;
}

static void print_target(const struct jit_listing *listing, int64_t target)
{
  struct jit_place places[JIT_PLACES_MAX];
  uintptr_t at = (uintptr_t)listing->code->block.run + (uintptr_t)target;
  if (is_inside(listing, target)) {
    fprintf(listing->out, "L%04" PRIx64, (uint64_t)target);
    return;
  }
  uint32_t count = jit_stub_places(listing->compiler, places), i = 0;
  while (i < count && (uintptr_t)places[i].run != at)
    i++;
  if (i < count)
    jit_place_print(&places[i], listing->out);
  else
    fputs("outside", listing->out);
}

/* A constant as wide as an address is one, but for those of numbers. */
static bool is_address(const cs_insn *insn)
{
  enum { USER_BITS = 47 };
  const cs_x86 *x86 = &insn->detail->x86;
  return insn->id == X86_INS_MOVABS && x86->op_count == 2 &&
         x86->operands[1].type == X86_OP_IMM &&
         x86->operands[1].imm > UINT32_MAX &&
         x86->operands[1].imm >> USER_BITS == 0;
}

static void print_insn(const struct jit_listing *listing, const cs_insn *insn)
{
  int64_t target;
  fprintf(listing->out, "    %04" PRIx64 "  %s", insn->address, insn->mnemonic);
  if (has_target(listing, insn, &target)) {
    fputc(' ', listing->out);
    print_target(listing, target);
  } else if (is_address(insn)) {
    fprintf(listing->out, " %s, outside",
            cs.reg_name(listing->reader, insn->detail->x86.operands[0].reg));
  } else {
    fprintf(listing->out, "%s%s", insn->op_str[0] ? " " : "", insn->op_str);
  }
  fputc('\n', listing->out);
}

/* Calls `visit' for each instruction; stops at what is none, and returns where
   that was. */
static uint32_t walk(struct jit_listing *listing, uint32_t from, uint32_t to,
                     void (*visit)(struct jit_listing *, const cs_insn *))
{
  const uint8_t *code = code_at(listing, from);
  size_t left = to - from;
  uint64_t address = from;
  cs_insn *insn = cs.new_insn(listing->reader);
  if (!insn)
    return from;
  while (left > 0 && cs.next(listing->reader, &code, &left, &address, insn))
    visit(listing, insn);
  cs.end_insn(insn, 1);
  return (uint32_t)address;
}

static void note_target(struct jit_listing *listing, const cs_insn *insn)
{
  int64_t target;
  if (has_target(listing, insn, &target) && is_inside(listing, target))
    listing->targets[target / 8] |= (uint8_t)(1 << target % 8);
}

static void print_one(struct jit_listing *listing, const cs_insn *insn)
{
  uint32_t offset = (uint32_t)insn->address;
  print_entry(listing, offset);
  if (is_target(listing, offset))
    fprintf(listing->out, "L%04" PRIx32 ":\n", offset);
  print_insn(listing, insn);
}

static size_t target_bytes(const struct jit_listing *listing)
{
  return listing->code->code_bytes / 8 + 1;
}

void jit_machine_begin(struct jit_listing *listing)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  listing->targets =
      mm_native_alloc(VM_PURPOSE_COMPILED, target_bytes(listing));
  if (listing->targets && cs.is_there &&
      cs.open(CS_ARCH_X86, CS_MODE_64, &listing->reader) == CS_ERR_OK &&
      cs.option(listing->reader, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
    walk(listing, 0, listing->code->code_bytes, note_target);
  else
    fputs(cs.is_there ? "no memory to read machine code; its bytes:\n"
                      : "Capstone is not installed any more; bytes:\n",
          listing->out);
}

void jit_machine_print(struct jit_listing *listing, uint32_t from, uint32_t to)
{
  if (listing->targets && listing->reader)
    from = walk(listing, from, to, print_one);
  print_bytes(listing, from, to);
}

void jit_machine_end(struct jit_listing *listing)
{
  if (listing->reader)
    cs.close(&listing->reader);
  if (listing->targets)
    mm_native_free(VM_PURPOSE_COMPILED, listing->targets,
                   target_bytes(listing));
}

#else /* no Capstone */

void jit_machine_begin(struct jit_listing *listing)
{
  (void)listing;
}

void jit_machine_print(struct jit_listing *listing, uint32_t from, uint32_t to)
{
  print_bytes(listing, from, to);
}

void jit_machine_end(struct jit_listing *listing)
{
  (void)listing;
}

#endif
