// SPDX-License-Identifier: Apache-2.0
// Eratosthenes over 5,000,000 flags, five times.
class Main {
  public static void main(String[] a) {
    long t = System.nanoTime();
    final int N = 5000000;
    boolean[] f = new boolean[N];
    int count = 0;
    for (int r = 0; r < 5; r++) {
      count = 0;
      for (int i = 0; i < N; i++) f[i] = true;
      for (int i = 2; i < N; i++)
        if (f[i]) {
          count++;
          for (int j = i + i; j < N; j += i) f[j] = false;
        }
    }
    System.out.println(count);
    System.out.println("T " + (System.nanoTime() - t) / 1e6);
  }
}
