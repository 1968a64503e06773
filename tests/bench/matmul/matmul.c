/* SPDX-License-Identifier: Apache-2.0 */
/* 400 x 400 doubles as an array of rows, i-j-k, three times. */
#include "../common.h"

static double **mk(int n)
{
  double **m = need(malloc(n * sizeof *m));
  for (int i = 0; i < n; i++)
    m[i] = need(calloc(n, 8));
  return m;
}

static double **gen(int n)
{
  double **m = mk(n);
  double tmp = 1.0 / n / n;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      m[i][j] = tmp * (i - j) * (i + j);
  return m;
}

static double **mul(double **a, double **b, int n)
{
  double **c = mk(n);
  for (int i = 0; i < n; i++) {
    double *ai = a[i], *ci = c[i];
    for (int j = 0; j < n; j++) {
      double s = 0;
      for (int k = 0; k < n; k++)
        s += ai[k] * b[k][j];
      ci[j] = s;
    }
  }
  return c;
}

int main(void)
{
  double t = now_ms();
  int n = 400;
  double **a = gen(n), **b = gen(n), **c = 0;
  for (int r = 0; r < 3; r++)
    c = mul(a, b, n);
  printf("%.9f\n", c[n / 2][n / 2]);
  printf("T %.3f\n", now_ms() - t);
}
