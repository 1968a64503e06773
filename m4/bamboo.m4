# SPDX-License-Identifier: Apache-2.0
#
# The macros of configure.ac: each asks one question.

# BAMBOO_CHECK_HOST: references are 32-bit shifted addresses, read and written
# as little-endian words, and the OS layer talks to Linux.
AC_DEFUN([BAMBOO_CHECK_HOST],
[AC_CHECK_SIZEOF([void *])
AC_C_BIGENDIAN([bamboo_endian=big], [bamboo_endian=little],
               [bamboo_endian=unknown], [bamboo_endian=universal])
AS_IF([test "x$ac_cv_sizeof_void_p" != x8],
  [AC_MSG_ERROR([Bamboo needs a 64-bit machine: a pointer of $host has
$ac_cv_sizeof_void_p bytes])])
AS_IF([test "x$bamboo_endian" != xlittle],
  [AC_MSG_ERROR([Bamboo needs a little-endian machine: $host is
$bamboo_endian-endian])])
AS_CASE([$host_os], [linux*], [],
  [AC_MSG_ERROR([Bamboo runs on Linux only, not on $host_os])])])

# BAMBOO_CHECK_C11: what the sources take for granted beyond plain C11.
AC_DEFUN([BAMBOO_CHECK_C11],
[AC_CACHE_CHECK([for C11 atomics, thread-locals and computed goto],
  [bamboo_cv_c11],
  [bamboo_save_cflags=$CFLAGS
   CFLAGS="$CFLAGS -std=gnu11"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <stdatomic.h>
#include <stdalign.h>
static _Thread_local int t;
static _Atomic unsigned long a;
_Static_assert(sizeof(int) == 4, "int");
]], [[
static void *const label[] = {&&one, &&two};
atomic_store_explicit(&a, 1, memory_order_relaxed);
goto *label[atomic_load(&a) & 1];
one: t = 1;
two: return t;
]])], [bamboo_cv_c11=yes], [bamboo_cv_c11=no])
   CFLAGS=$bamboo_save_cflags])
AS_IF([test "x$bamboo_cv_c11" != xyes],
  [AC_MSG_ERROR([$CC lacks them; use gcc 9 or clang 11, or later])])])

# BAMBOO_NEED_LIBRARY(VARIABLE, MODULE, DEBIAN-PACKAGE)
AC_DEFUN([BAMBOO_NEED_LIBRARY],
[PKG_CHECK_MODULES([$1], [$2], [],
  [AC_MSG_ERROR([$2 is missing; install the package $3 (Debian)])])])

# Capstone, a disassembler of machine code: for --jit-dump, if it is there, and
# unless --without-capstone.  Only its headers are used here; the library is
# loaded when it is needed.
AC_DEFUN([BAMBOO_WANT_CAPSTONE],
[AC_ARG_WITH([capstone],
  [AS_HELP_STRING([--without-capstone],
    [list compiled code as bytes, not as instructions])],
  [], [with_capstone=yes])
have_capstone=no
AS_IF([test "x$with_capstone" != xno],
  [PKG_CHECK_MODULES([CAPSTONE], [capstone >= 4],
    [have_capstone=yes], [have_capstone=no])])
AS_IF([test $have_capstone = yes],
  [AC_SEARCH_LIBS([dlopen], [dl])
   AC_DEFINE([HAVE_CAPSTONE], [1], [Define if Capstone is there.])],
  [CAPSTONE_CFLAGS=])
AC_SUBST([CAPSTONE_CFLAGS])])

# BAMBOO_OPTION(NAME, HELP, MACRO): --enable-NAME, off unless asked for.
AC_DEFUN([BAMBOO_OPTION],
[AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$2])],
  [], [enable_$1=no])
AS_IF([test "x$enable_$1" != xno],
  [AC_DEFINE([$3], [1], [Define if configured with --enable-$1.])])])

# The compiler of machine code: where there is an emitter for the machine, and
# unless --disable-jit.  Elsewhere nothing of jit_stub/ is built but none.c.
AC_DEFUN([BAMBOO_CHECK_JIT],
[AC_ARG_ENABLE([jit],
  [AS_HELP_STRING([--disable-jit], [only interpret; compile nothing])],
  [], [enable_jit=yes])
AS_CASE([$host_cpu], [x86_64], [], [enable_jit=no])
AS_IF([test "x$enable_jit" != xno],
  [AC_DEFINE([BAMBOO_JIT], [1],
    [Define to compile methods to machine code.])])
AM_CONDITIONAL([JIT], [test "x$enable_jit" != xno])])

# BAMBOO_ADD_FLAG(VARIABLE, FLAG): adds FLAG if the compiler takes it without
# a word (clang only warns of flags it does not know).
AC_DEFUN([BAMBOO_ADD_FLAG],
[AS_VAR_PUSHDEF([cache], [bamboo_cv_flag_$2])
AC_CACHE_CHECK([whether $CC takes $2], [cache],
  [bamboo_save_cflags=$CFLAGS
   CFLAGS="$CFLAGS -Werror $2"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
     [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
   CFLAGS=$bamboo_save_cflags])
AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
AS_VAR_POPDEF([cache])])

AC_DEFUN([BAMBOO_WARNING_FLAGS],
[WARN_CFLAGS=
m4_foreach_w([flag],
  [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
   -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough],
  [BAMBOO_ADD_FLAG([WARN_CFLAGS], flag)
])
AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])])

# ThreadSanitizer shares neither shadow memory nor runtime with
# AddressSanitizer, so both at once is a mistake and not a wish.
AC_DEFUN([BAMBOO_SANITIZER_FLAGS],
[SANITIZE_CFLAGS=
AS_IF([test "x$enable_asan" != xno && test "x$enable_tsan" != xno],
  [AC_MSG_ERROR([--enable-asan and --enable-tsan exclude each other])])
AS_IF([test "x$enable_asan" != xno],
  [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=address"])
AS_IF([test "x$enable_ubsan" != xno],
  [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=undefined \
-fno-sanitize-recover=undefined"])
AS_IF([test "x$enable_tsan" != xno],
  [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=thread"])
AS_IF([test "x$SANITIZE_CFLAGS" != x],
  [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-omit-frame-pointer"
   bamboo_save_cflags=$CFLAGS
   CFLAGS="$CFLAGS $SANITIZE_CFLAGS"
   AC_MSG_CHECKING([whether $CC links with$SANITIZE_CFLAGS])
   AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([the sanitizer's runtime library is missing])])
   CFLAGS=$bamboo_save_cflags])
AM_CONDITIONAL([TSAN], [test "x$enable_tsan" != xno])
AC_SUBST([SANITIZE_CFLAGS])])

AC_DEFUN([BAMBOO_COVERAGE_FLAGS],
[COVERAGE_CFLAGS=
AS_IF([test "x$enable_coverage" != xno], [COVERAGE_CFLAGS=--coverage])
AC_SUBST([COVERAGE_CFLAGS])
AC_CHECK_TOOLS([GCOV], [gcov], [false])
AM_CONDITIONAL([COVERAGE], [test "x$enable_coverage" != xno])])

# The libraries are instrumented but have no main; only the harnesses link
# the fuzzer's.
AC_DEFUN([BAMBOO_FUZZ_FLAGS],
[FUZZ_LDFLAGS=
AS_IF([test "x$enable_fuzz" != xno],
  [bamboo_save_cflags=$CFLAGS
   CFLAGS="$CFLAGS -fsanitize=fuzzer"
   AC_MSG_CHECKING([whether $CC has libFuzzer])
   AC_LINK_IFELSE([AC_LANG_SOURCE([[
#include <stddef.h>
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size_bytes)
{ (void)data; (void)size_bytes; return 0; }
]])], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([--enable-fuzz needs clang: configure with CC=clang])])
   CFLAGS=$bamboo_save_cflags
   SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=fuzzer-no-link"
   FUZZ_LDFLAGS=-fsanitize=fuzzer])
AC_SUBST([FUZZ_LDFLAGS])
AM_CONDITIONAL([FUZZ], [test "x$enable_fuzz" != xno])])

# What the sources mean where C leaves it open: memory of the heap is read and
# written under several types, and a product is rounded before it is added.
AC_DEFUN([BAMBOO_LANGUAGE_FLAGS],
[LANGUAGE_CFLAGS=-std=gnu11
m4_foreach_w([flag],
  [-fno-strict-aliasing -ffp-contract=off],
  [BAMBOO_ADD_FLAG([LANGUAGE_CFLAGS], flag)
])
AC_SUBST([LANGUAGE_CFLAGS])])

# The dispatch loop wants one indirect jump per handler: neither global common
# subexpressions nor cross-jumping may fold them into one, and no landing pad
# is needed at a label of our own.
AC_DEFUN([BAMBOO_INTERP_FLAGS],
[INTERP_CFLAGS=
m4_foreach_w([flag],
  [-fno-gcse -fno-crossjumping -fcf-protection=none],
  [BAMBOO_ADD_FLAG([INTERP_CFLAGS], flag)
])
AC_SUBST([INTERP_CFLAGS])])

# BAMBOO_TEST_SIZE: builds that check everything as they run are many times
# slower, so their tests take the programs' small input; ThreadSanitizer makes
# verified collections slower still, so not each step forces one. Limits of time
# are there for tests that hang, and checked builds get more of it.
AC_DEFUN([BAMBOO_TEST_SIZE],
[TEST_SIZE=full
AS_IF([test "x$SANITIZE_CFLAGS$COVERAGE_CFLAGS" != x ||
       test "x$enable_debug" != xno], [TEST_SIZE=small])
AC_SUBST([TEST_SIZE])
TEST_STEP=1
AS_IF([test "x$enable_tsan" != xno], [TEST_STEP=64])
AC_SUBST([TEST_STEP])
TEST_PATIENCE=1
AS_IF([test "x$TEST_SIZE" = xsmall], [TEST_PATIENCE=4])
AC_SUBST([TEST_PATIENCE])])
