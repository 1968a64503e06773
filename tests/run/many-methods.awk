# SPDX-License-Identifier: Apache-2.0
#
# Prints a program of N methods, each of which is called once in each of ROUNDS
# rounds, by THREADS threads at once.  Each allocates, loops and stores a
# reference; the sums that are printed are those of any other run.

BEGIN {
  print ".record IO <external>"
  print ".function void IO.printI32(i32 a0) <external>"
  print ".record panda.Thread <external>"
  print ".function void panda.Thread.start(panda.Thread a0) <external>"
  print ".function void panda.Thread.join(panda.Thread a0) <external>"
  print ".record Pair {"
  print "  i32 value"
  print "  Pair next"
  print "}"
  for (i = 0; i < N; i++) {
    printf ".function i32 f%d(i32 a0) {\n", i
    printf "  movi v0, %d\n  lda a0\n  add2 v0\n  sta v1\n  movi v2, 7\n", i * 17
    print "  movi v4, 0\n  mov.null v3\nagain:\n  lda v2\n  jeqz done"
    print "  lda v1\n  xor2 v2\n  sta v1\n  newobj v5, Pair\n  lda v1"
    print "  stobj v5, Pair.value\n  lda.obj v3\n  stobj.obj v5, Pair.next"
    print "  mov.obj v3, v5\n  inci v2, -1\n  jmp again\ndone:"
    print "  ldobj v3, Pair.value\n  return\n}"
  }
  # a method for a hundred calls, so that none is very large
  for (i = 0; i < N; i += 100) {
    printf ".function i32 some%d(i32 a0) {\n  mov v0, a0\n", i
    for (k = i; k < i + 100 && k < N; k++)
      printf "  call.short f%d, v0\n  sta v0\n", k
    print "  lda v0\n  return\n}"
  }
  print ".record Worker <extends=panda.Thread> {\n  i32 sum\n}"
  print ".function void Worker.ctor(Worker a0) <ctor> {\n  return.void\n}"
  print ".function void Worker.run(Worker a0) {"
  printf "  movi v0, %d\n  movi v1, 0\nround:\n  lda v0\n  jeqz end\n", ROUNDS
  for (i = 0; i < N; i += 100)
    printf "  call.short some%d, v1\n  sta v1\n", i
  print "  inci v0, -1\n  jmp round\nend:\n  lda v1\n  stobj a0, Worker.sum"
  print "  return.void\n}"
  print ".function i32 main() {"
  for (t = 1; t <= THREADS; t++)
    printf "  initobj.short Worker.ctor\n  sta.obj v%d\n" \
      "  call.short panda.Thread.start, v%d\n", t, t
  for (t = 1; t <= THREADS; t++)
    printf "  call.short panda.Thread.join, v%d\n  ldobj v%d, Worker.sum\n" \
      "  sta v0\n  call.short IO.printI32, v0\n", t, t
  print "  ldai 0\n  return\n}"
}
