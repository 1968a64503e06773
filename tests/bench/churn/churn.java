// SPDX-License-Identifier: Apache-2.0
// Random replacement in 2^20 slots, timed in batches of 1000 steps.
import java.util.Arrays;
class Main {
  static final class N {
    int val;
    N a, b;
    N(int v, N a) {
      val = v;
      this.a = a;
    }
  }
  static final int SZ = 1 << 20, STEPS = 20000000;
  static int x = 12345;
  static long sum = 0;
  static void batch(N[] sl, int s) {
    int e = s + 1000;
    int x = Main.x;
    long sum = Main.sum;
    for (; s < e; s++) {
      x = x * 69069 + 1;
      int r = x >>> 12;
      x = x * 69069 + 1;
      int q = x >>> 12;
      N old = sl[r], p = sl[q];
      sum += p.val;
      N n = new N(s & 1023, p);
      old.a = null;
      old.b = null;
      p.b = n;
      sl[r] = n;
    }
    Main.x = x;
    Main.sum = sum;
  }
  public static void main(String[] z) {
    N[] sl = new N[SZ];
    for (int i = 0; i < SZ; i++) sl[i] = new N(i & 1023, null);
    double[] lat = new double[STEPS / 1000];
    int nb = 0;
    long t0 = System.nanoTime(), tb = t0;
    for (int s = 0; s < STEPS; s += 1000) {
      batch(sl, s);
      long t = System.nanoTime();
      lat[nb++] = (t - tb) / 1e3;
      tb = t;
    }
    System.out.println(sum);
    System.out.println("T " + (tb - t0) / 1e6);
    if (z.length > 0) {
      sl = Arrays.copyOf(sl, SZ);
      System.gc();
      System.gc();
      Runtime rt = Runtime.getRuntime();
      System.out.println("LIVE "
          + (rt.totalMemory() - rt.freeMemory()) / 1048576.0 + " " + sl.length);
    }
    Arrays.sort(lat);
    int c1 = 0, c10 = 0;
    for (double d : lat) {
      if (d > 1000)
        c1++;
      if (d > 10000)
        c10++;
    }
    System.out.printf("LAT %.1f %.1f %.1f %.1f %d %d\n", lat[nb / 2],
        lat[nb * 99 / 100], lat[nb / 1000 * 999], lat[nb - 1], c1, c10);
  }
}
