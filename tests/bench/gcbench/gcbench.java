// SPDX-License-Identifier: Apache-2.0
// Ellis', Kovac's and Boehm's collector benchmark.
class Main {
  static final class N {
    N l, r;
    int i, j;
    N() {
    }
    N(N l, N r) {
      this.l = l;
      this.r = r;
    }
  }
  static final int ST = 18, LL = 16, AS = 500000, MIN = 4, MAX = 16;
  static int ts(int i) {
    return (1 << (i + 1)) - 1;
  }
  static int ni(int i) {
    return 2 * ts(ST) / ts(i);
  }
  static void pop(int d, N n) {
    if (d <= 0)
      return;
    d--;
    n.l = new N();
    n.r = new N();
    pop(d, n.l);
    pop(d, n.r);
  }
  static N mt(int d) {
    return d <= 0 ? new N() : new N(mt(d - 1), mt(d - 1));
  }
  static long cnt(N n) {
    return n.l != null ? 1 + cnt(n.l) + cnt(n.r) : 1;
  }
  static N sink;
  public static void main(String[] a) {
    long t = System.nanoTime();
    System.out.println("stretch " + cnt(mt(ST)));
    N ll = new N();
    pop(LL, ll);
    double[] ar = new double[AS];
    for (int i = 1; i < AS / 2; i++) ar[i] = 1.0 / i;
    for (int d = MIN; d <= MAX; d += 2) {
      int it = ni(d);
      for (int i = 0; i < it; i++) {
        N x = new N();
        pop(d, x);
        x = null;
      }
      for (int i = 0; i < it; i++) {
        N x = mt(d);
        x = null;
      }
      System.out.println("d" + d + " " + it);
    }
    System.out.printf("long %d %.6f\n", cnt(ll), ar[1000]);
    System.out.println("T " + (System.nanoTime() - t) / 1e6);
  }
}
