// SPDX-License-Identifier: Apache-2.0
// Full binary trees up to depth 18, most of them dropped at once.
class Main {
  static final class N {
    N l, r;
    N(N l, N r) {
      this.l = l;
      this.r = r;
    }
  }
  static N bt(int d) {
    return d > 0 ? new N(bt(d - 1), bt(d - 1)) : new N(null, null);
  }
  static int chk(N n) {
    return n.l != null ? 1 + chk(n.l) + chk(n.r) : 1;
  }
  public static void main(String[] a) {
    long t = System.nanoTime();
    int D = 18;
    System.out.println("stretch " + chk(bt(D + 1)));
    N ll = bt(D);
    for (int d = 4; d <= D; d += 2) {
      int it = 1 << (D - d + 4);
      int c = 0;
      for (int i = 0; i < it; i++) c += chk(bt(d));
      System.out.println(it + " " + d + " " + c);
    }
    System.out.println("long " + chk(ll));
    System.out.println("T " + (System.nanoTime() - t) / 1e6);
  }
}
