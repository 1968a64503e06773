/* SPDX-License-Identifier: Apache-2.0 */
/* Naive recursion: fib(38). */
#include "../common.h"

__attribute__((noinline)) static int fib(int n)
{
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int c, char **v)
{
  int n = c > 1 ? atoi(v[1]) : 38;
  double t = now_ms();
  printf("%d\n", fib(n));
  printf("T %.3f\n", now_ms() - t);
}
