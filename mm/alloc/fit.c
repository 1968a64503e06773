/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segregated fit; see fit_internal.h for the picture.
 *
 * Invariants (mm_fit_check): a bit is set if and only if its list, or one of
 * its range's lists, has a node; each node's size belongs to its list; links
 * lead there and back.
 */
#include "config.h"

#include "mm/alloc/fit_internal.h"

#include "mm/alloc/poison_internal.h"
#include "mm/assert_internal.h"

/* Which list. */
struct place {
  uint32_t first, second;
};

_Static_assert(MM_FIT_SECONDS == 32, "a word has the bits of a range");
_Static_assert(MM_FIT_FIRSTS <= 32, "a word has the bits of all ranges");

static uint32_t log2_of(uint32_t granules)
{
  return 31 - (uint32_t)__builtin_clz(granules);
}

static struct place place_of(uint32_t granules)
{
  if (granules < MM_FIT_SECONDS)
    return (struct place){0, granules};
  uint32_t shift = log2_of(granules) - MM_FIT_SECONDS_LOG2;
  return (struct place){shift + 1, (granules >> shift) - MM_FIT_SECONDS};
}

/* Rounds up to the smallest size of a list; 0 when there is no such list. */
static uint32_t round_up(uint32_t granules)
{
  if (granules < MM_FIT_SECONDS)
    return granules;
  uint32_t step = 1u << (log2_of(granules) - MM_FIT_SECONDS_LOG2);
  return (granules + step - 1) & -step;
}

/* Nodes ------------------------------------------------------------------- */

static uint32_t link_of(const struct mm_fit_index *fit, uintptr_t node)
{
  uint64_t granules = (node - fit->base) >> fit->granule_log2;
  MM_ASSERT(node >= fit->base && granules < UINT32_MAX);
  MM_ASSERT(node == fit->base + (granules << fit->granule_log2));
  return (uint32_t)granules + 1;
}

static uintptr_t node_of(const struct mm_fit_index *fit, uint32_t link)
{
  return link ? fit->base + ((uintptr_t)(link - 1) << fit->granule_log2) : 0;
}

static MM_UNWATCHED struct mm_fit_node read_node(const struct mm_fit_index *fit,
                                                 uint32_t link)
{
  return *(struct mm_fit_node *)node_of(fit, link);
}

static MM_UNWATCHED void write_node(uintptr_t node, uint32_t next,
                                    uint32_t before)
{
  *(struct mm_fit_node *)node = (struct mm_fit_node){next, before};
}

static MM_UNWATCHED void set_next(const struct mm_fit_index *fit, uint32_t link,
                                  uint32_t next)
{
  ((struct mm_fit_node *)node_of(fit, link))->next = next;
}

static MM_UNWATCHED void set_before(const struct mm_fit_index *fit,
                                    uint32_t link, uint32_t before)
{
  ((struct mm_fit_node *)node_of(fit, link))->before = before;
}

/* Changes ----------------------------------------------------------------- */

void mm_fit_init(struct mm_fit_index *fit, uintptr_t base,
                 uint32_t granule_log2)
{
  MM_ASSERT(granule_log2 >= 3 && base % ((uintptr_t)1 << granule_log2) == 0);
  *fit = (struct mm_fit_index){.base = base, .granule_log2 = granule_log2};
}

void mm_fit_insert(struct mm_fit_index *fit, uintptr_t node, uint32_t granules)
{
  MM_ASSERT(granules > 0);
  struct place place = place_of(granules);
  uint32_t *head = &fit->heads[place.first][place.second];
  uint32_t link = link_of(fit, node);
  write_node(node, *head, 0);
  if (*head)
    set_before(fit, *head, link);
  *head = link;
  fit->firsts |= 1u << place.first;
  fit->seconds[place.first] |= 1u << place.second;
}

static void list_is_empty(struct mm_fit_index *fit, struct place place)
{
  fit->seconds[place.first] &= ~(1u << place.second);
  if (fit->seconds[place.first] == 0)
    fit->firsts &= ~(1u << place.first);
}

void mm_fit_remove(struct mm_fit_index *fit, uintptr_t node, uint32_t granules)
{
  struct place place = place_of(granules);
  uint32_t *head = &fit->heads[place.first][place.second];
  uint32_t link = link_of(fit, node);
  struct mm_fit_node links = read_node(fit, link);
  MM_ASSERT(links.before ? read_node(fit, links.before).next == link
                         : *head == link);
  MM_ASSERT(!links.next || read_node(fit, links.next).before == link);
  if (links.next)
    set_before(fit, links.next, links.before);
  if (links.before)
    set_next(fit, links.before, links.next);
  else
    *head = links.next;
  if (*head == 0)
    list_is_empty(fit, place);
}

/* Searches ---------------------------------------------------------------- */

uintptr_t mm_fit_find(const struct mm_fit_index *fit, uint32_t granules)
{
  MM_ASSERT(granules > 0);
  uint32_t rounded = round_up(granules);
  if (rounded == 0)
    return 0;
  struct place place = place_of(rounded);
  uint32_t seconds = fit->seconds[place.first] & (UINT32_MAX << place.second);
  if (seconds == 0) {
    uint32_t above = UINT32_MAX << place.first << 1;
    uint32_t firsts = fit->firsts & above;
    if (firsts == 0)
      return 0;
    place.first = (uint32_t)__builtin_ctz(firsts);
    seconds = fit->seconds[place.first];
  }
  place.second = (uint32_t)__builtin_ctz(seconds);
  MM_ASSERT(fit->heads[place.first][place.second] != 0);
  return node_of(fit, fit->heads[place.first][place.second]);
}

uintptr_t mm_fit_find_near(const struct mm_fit_index *fit, uint32_t granules,
                           mm_fit_size *size, void *context)
{
  struct place place = place_of(granules);
  uint32_t link = fit->heads[place.first][place.second];
  for (int i = 0; link && i < MM_FIT_NEAR; i++) {
    if (size(context, node_of(fit, link)) >= granules)
      return node_of(fit, link);
    link = read_node(fit, link).next;
  }
  return 0;
}

uint32_t mm_fit_largest(const struct mm_fit_index *fit, mm_fit_size *size,
                        void *context)
{
  if (fit->firsts == 0)
    return 0;
  uint32_t first = log2_of(fit->firsts);
  uint32_t link = fit->heads[first][log2_of(fit->seconds[first])];
  uint32_t largest = 0;
  for (int i = 0; link && i < MM_FIT_NEAR; i++) {
    uint32_t granules = size(context, node_of(fit, link));
    if (granules > largest)
      largest = granules;
    link = read_node(fit, link).next;
  }
  return largest;
}

/* Checking ---------------------------------------------------------------- */

struct census {
  mm_fit_size *size;
  void *context;
  uint64_t nodes, granules;
};

static const char *check_list(const struct mm_fit_index *fit,
                              struct place place, struct census *census)
{
  uint32_t before = 0;
  uint32_t link = fit->heads[place.first][place.second];
  bool has_bit = fit->seconds[place.first] >> place.second & 1;
  if (has_bit != (link != 0))
    return "a bit of the fit index is not as its list";
  while (link) {
    struct mm_fit_node links = read_node(fit, link);
    if (links.before != before)
      return "a list of the fit index is not linked both ways";
    uint32_t granules = census->size(census->context, node_of(fit, link));
    struct place own = place_of(granules);
    if (own.first != place.first || own.second != place.second)
      return "a free block is in the list of another size";
    census->nodes++;
    census->granules += granules;
    before = link;
    link = links.next;
  }
  return NULL;
}

const char *mm_fit_check(const struct mm_fit_index *fit, mm_fit_size *size,
                         void *context, uint64_t *nodes, uint64_t *granules)
{
  struct census census = {size, context, 0, 0};
  for (uint32_t first = 0; first < MM_FIT_FIRSTS; first++) {
    if ((fit->firsts >> first & 1) != (fit->seconds[first] != 0))
      return "a bit of the fit index is not as its range";
    for (uint32_t second = 0; second < MM_FIT_SECONDS; second++) {
      const char *wrong =
          check_list(fit, (struct place){first, second}, &census);
      if (wrong)
        return wrong;
    }
  }
  *nodes = census.nodes;
  *granules = census.granules;
  return NULL;
}
