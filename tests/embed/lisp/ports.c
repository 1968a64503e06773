/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: files that programs write to.  The object in the heap knows the
 * address of a record, which is the host's and goes when the object has died:
 * who drops a port without closing it loses nothing of what was written.
 *
 * When there are too many open files, those that nobody holds any more are
 * closed first, by a collection.
 */
#include "lisp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS_MOST = 100 };

struct port {
  enum type type; /* PORT */
  FILE *file;     /* null: it was closed */
};

static struct port *record_of(value port)
{
  return *(struct port **)(void *)(address(port) + PORT_RECORD);
}

static bool count_port(struct world *world)
{
  pthread_mutex_lock(&world->lock);
  bool has_room = world->ports < PORTS_MOST;
  world->ports += has_room;
  pthread_mutex_unlock(&world->lock);
  return has_room;
}

static void uncount_port(struct world *world)
{
  pthread_mutex_lock(&world->lock);
  world->ports--;
  pthread_mutex_unlock(&world->lock);
}

static FILE *open_once(struct lisp *lisp, const char *name)
{
  errno = EMFILE;
  if (!count_port(lisp->world))
    return NULL;
  mm_enter_native(&lisp->mutator);
  FILE *file = name ? fopen(name, "w") : tmpfile();
  mm_leave_native(&lisp->mutator);
  if (!file)
    uncount_port(lisp->world);
  return file;
}

static FILE *open_file(struct lisp *lisp, const char *name)
{
  FILE *file = open_once(lisp, name);
  if (file || errno != EMFILE)
    return file;
  mm_collect(&lisp->mutator, MM_CAUSE_EXPLICIT);
  mm_language_tell_deaths(&lisp->mutator);
  return open_once(lisp, name);
}

/* The record is the object's from here on. */
static bool bind_port(struct lisp *lisp, value port, FILE *file)
{
  struct port *record = malloc(sizeof *record);
  if (!record)
    return false;
  *record = (struct port){PORT, file};
  *(struct port **)(void *)(address(port) + PORT_RECORD) = record;
  if (mm_language_watch(&lisp->mutator, mm_tagged_ref(TAGGING, port),
                        (uintptr_t)record) == MM_OK)
    return true;
  free(record);
  return false;
}

value open_port(struct lisp *lisp, const char *name)
{
  FILE *file = open_file(lisp, name);
  if (!file)
    return lisp_fail(lisp, "open: %s", strerror(errno));
  value port = new_plain(lisp, PORT);
  if (port != ERROR && bind_port(lisp, port, file))
    return port;
  fclose(file);
  uncount_port(lisp->world);
  return port == ERROR ? ERROR : lisp_fail(lisp, "no memory for a port");
}

/* False: it was closed before. */
bool close_port(struct lisp *lisp, value port)
{
  struct port *record = record_of(port);
  pthread_mutex_lock(&lisp->world->lock);
  FILE *file = record->file;
  record->file = NULL;
  lisp->world->ports -= file != NULL;
  pthread_mutex_unlock(&lisp->world->lock);
  return file && fclose(file) == 0;
}

FILE *port_file(value port)
{
  return record_of(port)->file;
}

/* Beside the program, or at its end. */
void port_died(struct world *world, void *record)
{
  struct port *port = record;
  if (port->file) {
    fclose(port->file);
    uncount_port(world);
  }
  free(port);
}
