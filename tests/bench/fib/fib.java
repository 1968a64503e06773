// SPDX-License-Identifier: Apache-2.0
// Naive recursion: fib(38).
class Main {
  static int fib(int n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
  }
  public static void main(String[] a) {
    long t = System.nanoTime();
    System.out.println(fib(38));
    System.out.println("T " + (System.nanoTime() - t) / 1e6);
  }
}
