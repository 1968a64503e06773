// SPDX-License-Identifier: Apache-2.0
// The same through the JNI: natives.pa in Java.
public class Natives {
  static native int call(int x);
  static native int object(Object o, int x);
  static native int text(String s);
  static native int critical(int[] a);
  static native int elements(int[] a);
  static native long back(int n);
  native void field();
  int x;

  static int next(int x) {
    return x + 1;
  }

  static void show(String name, long ns, int n) {
    System.out.println(name + " " + ns * 1000 / n);
  }

  static void run(int n, boolean shows) {
    Natives counter = new Natives();
    int[] array = new int[8];
    int x = 0;
    long begin = System.nanoTime();
    for (int i = 0; i < n; i++)
      x = call(x);
    long call = System.nanoTime();
    for (int i = 0; i < n; i++)
      x = object(counter, x);
    long object = System.nanoTime();
    for (int i = 0; i < n; i++)
      counter.field();
    long field = System.nanoTime();
    for (int i = 0; i < n; i++)
      x += text("text");
    long text = System.nanoTime();
    for (int i = 0; i < n; i++)
      x += critical(array);
    long critical = System.nanoTime();
    for (int i = 0; i < n; i++)
      x += elements(array);
    long elements = System.nanoTime();
    long back = back(n);
    if (!shows)
      return;
    show("call", call - begin, n);
    show("object", object - call, n);
    show("field", field - object, n);
    show("text", text - field, n);
    show("critical", critical - text, n);
    show("elements", elements - critical, n);
    show("back", back, n);
  }

  public static void main(String[] words) {
    System.load(words[0]);
    int n = Integer.parseInt(words[1]);
    for (int i = 0; i < 3; i++)
      run(n, i == 2);
  }
}
