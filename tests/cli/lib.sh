# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of this folder share; they read it in with `.'.  Each works
# in a directory of its own and goes on after a failure, so that one run shows
# all of them; `finish' gives the verdict.

set -u
LC_ALL=C; export LC_ALL
: "${BAMBOO:?}" "${top_srcdir:?}"
unset BAMBOO_OPTIONS
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cli.XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM
cd "$scratch" || exit 99
cases=0 failures=0 case_name=

# A build with sanitizers reports leaks and faults by statuses of its own.
is_sanitized () {
  grep -Eq '^#define BAMBOO_(ASAN|TSAN|UBSAN) 1' \
    "${top_builddir:-.}/config.h" 2> /dev/null
}

# Was the build configured so?
has_macro () { grep -q "^#define $1 1" "${top_builddir:-.}/config.h"; }

# For tests of the compiler only: skipped in builds without it.
need_compiler () {
  has_macro BAMBOO_JIT || { echo 'no compiler in this build'; exit 77; }
}

failed () {
  failures=$((failures + 1))
  echo "FAILED: $case_name: $*"
  sed 's/^/    out: /' out | head -n 10
  sed 's/^/    err: /' err | head -n 10
}

# try NAME STATUS ARGS...: runs bamboo with the arguments, standard output in
# `out', standard error in `err', and checks the exit status
try () {
  case_name=$1 wanted=$2
  shift 2
  cases=$((cases + 1))
  status=0
  "$BAMBOO" "$@" > out 2> err < /dev/null || status=$?
  test "$status" -eq "$wanted" || failed "exit status $status, not $wanted"
}

# prints TEXT, says TEXT: is the text in standard output, in standard error?
prints () { grep -Fq -- "$1" out || failed "does not print \`$1'"; }
says () { grep -Fq -- "$1" err || failed "does not say \`$1'"; }
says_nothing () { ! test -s err || failed 'says something'; }
prints_nothing () { ! test -s out || failed 'prints something'; }
says_line () { grep -Eq -- "$1" err || failed "no line like \`$1'"; }

# points_at LINE:COL: the first error of the file `broken.pa' has this place,
# then the source line and a caret below that column
points_at () {
  awk -v place="broken.pa:$1: error: " '
    index($0, place) == 1 && length($0) > length(place) { state = 1; next }
    state == 1 { source = $0; state = 2; next }
    state == 2 { if ($0 ~ /^ *\^~*$/) found = 1; state = 3 }
    END { exit !found }' err || failed "no error at $1 with line and caret"
}

finish () {
  echo "$cases cases, $failures failures"
  test "$failures" -eq 0
}

# A program that prints its arguments, and one that runs for a moment and
# makes some garbage.
write_programs () {
  cat > args.pa <<'END'
.record panda.String <external>
.record IO <external>
.function void IO.printString(panda.String a0) <external>
.function i32 main(panda.String[] a0) {
    lda.str "\n"
    sta.obj v2
    movi v0, 0
next:
    lenarr a0
    jle v0, done
    lda v0
    ldarr.obj a0
    sta.obj v1
    call.short IO.printString, v1
    call.short IO.printString, v2
    inci v0, 1
    jmp next
done:
    lenarr a0
    return
}
END
  cat > garbage.pa <<'END'
.function i32 main() {
    movi v0, 20000
    movi v1, 1000
    movi v2, 0
next:
    newarr v3, v1, i32[]
    inci v2, 1
    lda v2
    jlt v0, next
    ldai 0
    return
}
END
  cat > loop.pa <<'END'
.record IO <external>
.function void IO.printI32(i32 a0) <external>
.function i32 main() {
    movi v0, 0
again:
    call.short IO.printI32, v0
    inci v0, 1
    jmp again
}
END
}
