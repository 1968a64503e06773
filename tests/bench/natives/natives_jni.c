/* SPDX-License-Identifier: Apache-2.0 */
/* The same for the JNI. */
#include <jni.h>

#include <time.h>

static jlong now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * (jlong)1000000000 + now.tv_nsec;
}

JNIEXPORT jint Java_Natives_call(JNIEnv *env, jclass self, jint x)
{
  (void)env, (void)self;
  return x + 1;
}

JNIEXPORT jint Java_Natives_object(JNIEnv *env, jclass self, jobject o, jint x)
{
  (void)env, (void)self, (void)o;
  return x + 1;
}

JNIEXPORT void Java_Natives_field(JNIEnv *env, jobject self)
{
  static jfieldID field;
  if (!field)
    field = (*env)->GetFieldID(env, (*env)->GetObjectClass(env, self), "x",
                               "I");
  (*env)->SetIntField(env, self, field,
                      (*env)->GetIntField(env, self, field) + 1);
}

JNIEXPORT jint Java_Natives_text(JNIEnv *env, jclass self, jstring text)
{
  const char *utf8 = (*env)->GetStringUTFChars(env, text, NULL);
  (void)self;
  jint first = utf8[0];
  (*env)->ReleaseStringUTFChars(env, text, utf8);
  return first;
}

JNIEXPORT jint Java_Natives_critical(JNIEnv *env, jclass self, jintArray array)
{
  (void)self;
  jint *elements = (*env)->GetPrimitiveArrayCritical(env, array, NULL);
  jint first = elements[0];
  (*env)->ReleasePrimitiveArrayCritical(env, array, elements, 0);
  return first;
}

JNIEXPORT jint Java_Natives_elements(JNIEnv *env, jclass self, jintArray array)
{
  (void)self;
  jint *elements = (*env)->GetIntArrayElements(env, array, NULL);
  jint first = elements[0];
  (*env)->ReleaseIntArrayElements(env, array, elements, 0);
  return first;
}

JNIEXPORT jlong Java_Natives_back(JNIEnv *env, jclass self, jint n)
{
  jmethodID next = (*env)->GetStaticMethodID(env, self, "next", "(I)I");
  jlong begin = now_ns();
  jint x = 0;
  for (jint i = 0; i < n; i++)
    x = (*env)->CallStaticIntMethod(env, self, next, x);
  return x == n ? now_ns() - begin : 0;
}
