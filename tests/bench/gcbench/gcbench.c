/* SPDX-License-Identifier: Apache-2.0 */
/* Ellis', Kovac's and Boehm's collector benchmark. */
#include "../common.h"

typedef struct N {
  struct N *l, *r;
  int i, j;
} N;

static inline N *NODE(void)
{
  return need(calloc(1, sizeof(N)));
}

static void del(N *n)
{
  if (n->l) {
    del(n->l);
    del(n->r);
  }
  free(n);
}

enum { ST = 18, LL = 16, AS = 500000, MIN = 4, MAX = 16 };
static int ts(int i)
{
  return (1 << (i + 1)) - 1;
}

static int ni(int i)
{
  return 2 * ts(ST) / ts(i);
}

static void pop(int d, N *n)
{
  if (d <= 0)
    return;
  d--;
  n->l = NODE();
  n->r = NODE();
  pop(d, n->l);
  pop(d, n->r);
}

static N *mt(int d)
{
  if (d <= 0)
    return NODE();
  N *l = mt(d - 1);
  N *r = mt(d - 1);
  N *n = NODE();
  n->l = l;
  n->r = r;
  return n;
}

static long cnt(N *n)
{
  return n->l ? 1 + cnt(n->l) + cnt(n->r) : 1;
}

int main(void)
{
  double t = now_ms();
  {
    N *s = mt(ST);
    printf("stretch %ld\n", cnt(s));
    del(s);
  }
  N *ll = NODE();
  pop(LL, ll);
  double *ar = NEWATOMIC(AS * sizeof(double));
  for (int i = 1; i < AS / 2; i++)
    ar[i] = 1.0 / i;
  for (int d = MIN; d <= MAX; d += 2) {
    int it = ni(d);
    for (int i = 0; i < it; i++) {
      N *x = NODE();
      pop(d, x);
      del(x);
    }
    for (int i = 0; i < it; i++) {
      N *x = mt(d);
      del(x);
    }
    printf("d%d %d\n", d, it);
  }
  printf("long %ld %.6f\n", cnt(ll), ar[1000]);
  printf("T %.3f\n", now_ms() - t);
}
