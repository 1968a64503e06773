/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program and measures the whole of it.
 *
 *   wall FILE PROGRAM [ARGUMENT...]
 *
 * writes one line to FILE, `WALL_NS CPU_NS MAX_RSS_KB STATUS': the time from
 * before the fork to after the wait, user and system time of the child and of
 * its children that it waited for, the most memory it held, and its status as
 * a shell would see it.  The time of the fork and of the exec is in it, the
 * same for each program.  Output of the program goes where ours goes.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t timeval_ns(struct timeval t)
{
  return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static int fail(const char *what)
{
  fprintf(stderr, "wall: %s: %s\n", what, strerror(errno));
  return 125;
}

/* Starts `argv' and waits for it. */
static int measure(char **argv, int *status, struct rusage *usage)
{
  pid_t child = fork();

  if (child < 0)
    return -1;
  if (child == 0) {
    execvp(argv[0], argv);
    _exit(fail(argv[0]));
  }
  while (wait4(child, status, 0, usage) < 0)
    if (errno != EINTR)
      return -1;
  return 0;
}

int main(int argc, char **argv)
{
  int status;
  struct rusage usage;
  int64_t start_ns, wall_ns;
  FILE *file;

  if (argc < 3) {
    fputs("usage: wall FILE PROGRAM [ARGUMENT...]\n", stderr);
    return 125;
  }
  file = fopen(argv[1], "w");
  if (!file)
    return fail(argv[1]);
  start_ns = now_ns();
  if (measure(argv + 2, &status, &usage) < 0)
    return fail("cannot start a process");
  wall_ns = now_ns() - start_ns;
  status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  fprintf(file, "%lld %lld %ld %d\n", (long long)wall_ns,
          (long long)(timeval_ns(usage.ru_utime) +
                      timeval_ns(usage.ru_stime)),
          usage.ru_maxrss, status);
  if (fclose(file) != 0)
    return fail(argv[1]);
  return status;
}
