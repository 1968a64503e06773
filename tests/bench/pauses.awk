# SPDX-License-Identifier: Apache-2.0
#
# The pauses in a collector's log, in ms: lines `P MS' for the program stopped,
# `S MS' for an allocation that waited.  -v kind=
#   jvm   the JVM's unified log, and Bamboo's, which is like it
#   go    GODEBUG=gctrace=1: of a cycle's three times the first and the last
#   node  --trace-gc: what the collection took of the main thread

kind == "jvm" && /Allocation Stall .*[0-9]ms$/ { print "S", $NF + 0 }
kind == "jvm" && / Pause .*[0-9]ms$/ { print "P", $NF + 0 }

kind == "go" && /^gc [0-9]+ @.* ms clock,/ {
  sub(/ ms clock,.*/, "")
  n = split($NF, part, "+")
  print "P", part[1]
  print "P", part[n]
}

kind == "node" && /^\[[^]]*\] .* MB, [0-9.]+ \/ / {
  sub(/.* MB, /, "")
  print "P", $1
}
