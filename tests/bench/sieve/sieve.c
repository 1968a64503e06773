/* SPDX-License-Identifier: Apache-2.0 */
/* Eratosthenes over 5,000,000 flags, five times. */
#include "../common.h"
#define N 5000000

int main(void)
{
  double t = now_ms();
  unsigned char *f = NEWATOMIC(N);
  int count = 0;
  for (int r = 0; r < 5; r++) {
    count = 0;
    for (int i = 0; i < N; i++)
      f[i] = 1;
    for (int i = 2; i < N; i++)
      if (f[i]) {
        count++;
        for (int j = i + i; j < N; j += i)
          f[j] = 0;
      }
  }
  printf("%d\n", count);
  printf("T %.3f\n", now_ms() - t);
}
