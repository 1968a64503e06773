// SPDX-License-Identifier: Apache-2.0
// Start-up.
class Main {
  public static void main(String[] a) {
    System.out.println("hello");
  }
}
