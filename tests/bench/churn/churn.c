/* SPDX-License-Identifier: Apache-2.0 */
/* Random replacement in 2^20 slots, timed in batches of 1000 steps. */
#include "../common.h"

typedef struct N {
  long val;
  struct N *a, *b;
  long rc;
} N;

#define SZ (1u << 20)
#define STEPS 20000000

static int cmp(const void *a, const void *b)
{
  double x = *(double *)a, y = *(double *)b;
  return x < y ? -1 : x > y;
}

#define INC(p) ((p)->rc++)

static void dec(N *p)
{
  if (--p->rc == 0) {
    N *a = p->a, *b = p->b;
    free(p);
    if (a)
      dec(a);
    if (b)
      dec(b);
  }
}

#define DEC(p) dec(p)
#define SET(f, v)                                                              \
  do {                                                                         \
    N *v_ = (v), *o_ = (f);                                                    \
    if (v_)                                                                    \
      v_->rc++;                                                                \
    (f) = v_;                                                                  \
    if (o_)                                                                    \
      dec(o_);                                                                 \
  } while (0)
static double lat[STEPS / 1000];
int main(void)
{
  N **sl = NEWARR(SZ * sizeof(N *));
  for (unsigned i = 0; i < SZ; i++) {
    N *n = NEW(N);
    n->val = i & 1023;
    n->a = n->b = 0;
    n->rc = 1;
    sl[i] = n;
  }
  uint32_t x = 12345;
  long sum = 0;
  double t0 = now_ms(), tb = t0;
  int nb = 0;
  for (int s = 0; s < STEPS;) {
    for (int e = s + 1000; s < e; s++) {
      x = x * 69069u + 1;
      unsigned r = x >> 12;
      x = x * 69069u + 1;
      unsigned q = x >> 12;
      N *old = sl[r], *p = sl[q];
      sum += p->val;
      N *n = NEW(N);
      n->val = s & 1023;
      n->b = 0;
      n->rc = 1;
      n->a = p;
      p->rc++;
      SET(old->a, 0);
      SET(old->b, 0);
      SET(p->b, n);
      sl[r] = n;
      DEC(old);
    }
    double t = now_ms();
    lat[nb++] = (t - tb) * 1e3;
    tb = t;
  }
  double T = tb - t0;
  printf("%ld\n", sum);
  printf("T %.3f\n", T);
  qsort(lat, nb, 8, cmp);
  int c1 = 0, c10 = 0;
  for (int i = 0; i < nb; i++) {
    if (lat[i] > 1000)
      c1++;
    if (lat[i] > 10000)
      c10++;
  }
  printf("LAT %.1f %.1f %.1f %.1f %d %d\n", lat[nb / 2], lat[nb * 99 / 100],
         lat[nb / 1000 * 999], lat[nb - 1], c1, c10);
}
