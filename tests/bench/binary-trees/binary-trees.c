/* SPDX-License-Identifier: Apache-2.0 */
/* Full binary trees up to depth 18, most of them dropped at once. */
#include "../common.h"

typedef struct N {
  struct N *l, *r;
} N;

static N *bt(int d)
{
  N *n = NEW(N);
  if (d > 0) {
    N *l = bt(d - 1);
    N *r = bt(d - 1);
    n->l = l;
    n->r = r;
  } else {
    n->l = n->r = 0;
  }
  return n;
}

static int chk(N *n)
{
  return n->l ? 1 + chk(n->l) + chk(n->r) : 1;
}

static void del(N *n)
{
  if (n->l) {
    del(n->l);
    del(n->r);
  }
  free(n);
}

int main(void)
{
  double t = now_ms();
  int D = 18;
  {
    N *s = bt(D + 1);
    printf("stretch %d\n", chk(s));
    del(s);
  }
  N *ll = bt(D);
  for (int d = 4; d <= D; d += 2) {
    int it = 1 << (D - d + 4);
    int c = 0;
    for (int i = 0; i < it; i++) {
      N *x = bt(d);
      c += chk(x);
      del(x);
    }
    printf("%d %d %d\n", it, d, c);
  }
  printf("long %d\n", chk(ll));
  printf("T %.3f\n", now_ms() - t);
}
