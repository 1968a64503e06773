/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the JNI's references cost: the moves of bench_handles.c under their
 * names.  See run-bench-handles.
 */
#include <jni.h>

#include <stdio.h>
#include <time.h>

enum { ROUNDS = 7, TIMES = 2000000, MANY = 1000 };

static jobject local, global, many[MANY];
static jweak weak;
static jint sum;

static double now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void local_pair(JNIEnv *env)
{
  (*env)->DeleteLocalRef(env, (*env)->NewLocalRef(env, local));
}

static void pushed_frame(JNIEnv *env)
{
  (*env)->PushLocalFrame(env, 16);
  (*env)->PopLocalFrame(env, NULL);
}

static void pushed_frame_of_three(JNIEnv *env)
{
  (*env)->PushLocalFrame(env, 16);
  for (int i = 0; i < 3; i++)
    (*env)->NewLocalRef(env, local);
  (*env)->PopLocalFrame(env, NULL);
}

static void global_pair(JNIEnv *env)
{
  (*env)->DeleteGlobalRef(env, (*env)->NewGlobalRef(env, local));
}

static void many_globals(JNIEnv *env)
{
  for (int i = 0; i < MANY; i++)
    many[i] = (*env)->NewGlobalRef(env, local);
  for (int i = 0; i < MANY; i++)
    (*env)->DeleteGlobalRef(env, many[i]);
}

static void weak_pair(JNIEnv *env)
{
  (*env)->DeleteWeakGlobalRef(env, (*env)->NewWeakGlobalRef(env, local));
}

static void weak_get(JNIEnv *env)
{
  (*env)->DeleteLocalRef(env, (*env)->NewLocalRef(env, weak));
}

static void look_up_local(JNIEnv *env)
{
  sum += (*env)->GetArrayLength(env, local);
}

static void look_up_global(JNIEnv *env)
{
  sum += (*env)->GetArrayLength(env, global);
}

static void pin_pair(JNIEnv *env)
{
  void *at = (*env)->GetPrimitiveArrayCritical(env, local, NULL);
  (*env)->ReleasePrimitiveArrayCritical(env, local, at, JNI_ABORT);
}

static void measure(JNIEnv *env, const char *name, unsigned times,
                    unsigned each, void (*move)(JNIEnv *env))
{
  double least = 0;
  for (int round = 0; round < ROUNDS; round++) {
    double began = now_ns();
    for (unsigned i = 0; i < times; i++)
      move(env);
    double ns = (now_ns() - began) / ((double)times * each);
    if (round == 0 || ns < least)
      least = ns;
  }
  printf("%s %.2f\n", name, least);
  fflush(stdout);
}

JNIEXPORT void JNICALL Java_Handles_measure(JNIEnv *env, jclass class,
                                            jbyteArray array)
{
  (void)class;
  local = array;
  global = (*env)->NewGlobalRef(env, array);
  weak = (*env)->NewWeakGlobalRef(env, array);
  measure(env, "local-new-delete", TIMES, 1, local_pair);
  measure(env, "frame-push-pop", TIMES, 1, pushed_frame);
  measure(env, "frame-of-3-locals", TIMES, 1, pushed_frame_of_three);
  measure(env, "global-new-delete", TIMES, 1, global_pair);
  measure(env, "global-new-delete-1000", TIMES / MANY, MANY, many_globals);
  measure(env, "weak-new-delete", TIMES, 1, weak_pair);
  measure(env, "weak-get", TIMES, 1, weak_get);
  measure(env, "look-up-local", TIMES, 1, look_up_local);
  measure(env, "look-up-global", TIMES, 1, look_up_global);
  measure(env, "pin-unpin", TIMES, 1, pin_pair);
}
