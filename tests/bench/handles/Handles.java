// SPDX-License-Identifier: Apache-2.0
// Loads handles_jni.c, which measures; the argument is its shared library.
public class Handles {
  static native void measure(byte[] array);

  public static void main(String[] words) {
    System.load(words[0]);
    measure(new byte[16]);
  }
}
