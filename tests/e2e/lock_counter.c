// Counts who takes a lock, preloaded into a server by test_read_locks.py. SIGUSR1 begins; SIGUSR2 ends and writes LOCK_COUNTER_OUT: one
// line for each place, "count thread object+offset object+offset ...", callers outwards. Attempts that do not wait (trylock) do not count.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { PLACES = 4096, FRAMES = 16 };

struct place {
  char thread[16];
  int depth;
  void *frames[FRAMES];
  long count;
};

static struct place places[PLACES];
static int used;
static atomic_flag taken = ATOMIC_FLAG_INIT;  // guards both
static atomic_bool counting;
static __thread int inside;

static void note(void) {
  if (!atomic_load(&counting) || inside) return;
  inside = 1;
  struct place here = {.count = 1};
  prctl(PR_GET_NAME, here.thread);
  void *frames[FRAMES + 2];
  here.depth = backtrace(frames, FRAMES + 2) - 2;  // without this function and the one that was called
  if (here.depth < 0) here.depth = 0;
  memcpy(here.frames, frames + 2, (size_t)here.depth * sizeof(void *));
  while (atomic_flag_test_and_set(&taken)) {
  }
  int i = 0;
  while (i < used && (strcmp(places[i].thread, here.thread) != 0 || memcmp(places[i].frames, here.frames, sizeof(here.frames)) != 0)) ++i;
  if (i < used) {
    ++places[i].count;
  } else if (used < PLACES) {
    places[used++] = here;
  }
  atomic_flag_clear(&taken);
  inside = 0;
}

static void begin(int number) {
  (void)number;
  atomic_store(&counting, 1);
}

static void end(int number) {
  (void)number;
  atomic_store(&counting, 0);
  inside = 1;
  FILE *out = fopen(getenv("LOCK_COUNTER_OUT"), "w");
  for (int i = 0; out && i < used; ++i) {
    fprintf(out, "%ld %s", places[i].count, places[i].thread);
    for (int j = 0; j < places[i].depth; ++j) {
      Dl_info at;
      char *frame = places[i].frames[j];
      if (!dladdr(frame, &at) || !at.dli_fname) continue;
      const char *slash = strrchr(at.dli_fname, '/');
      fprintf(out, " %s+%lx", slash ? slash + 1 : at.dli_fname, (unsigned long)(frame - (char *)at.dli_fbase));
    }
    fputc('\n', out);
  }
  if (out) fputs("end\n", out);
  if (out) fclose(out);
  used = 0;
  inside = 0;
}

__attribute__((constructor)) static void start(void) {
  void *frames[2];
  backtrace(frames, 2);  // loads what it needs, now
  signal(SIGUSR1, begin);
  signal(SIGUSR2, end);
}

#define COUNTED(name, parameters, arguments)                                \
  int name parameters {                                                     \
    static _Atomic(void *) known;                                           \
    void *real = atomic_load(&known);                                       \
    if (!real) atomic_store(&known, real = dlsym(RTLD_NEXT, #name));        \
    note();                                                                 \
    return ((int(*) parameters)real)arguments;                              \
  }

COUNTED(pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
COUNTED(pthread_mutex_timedlock, (pthread_mutex_t * lock, const struct timespec *limit), (lock, limit))
COUNTED(pthread_mutex_clocklock, (pthread_mutex_t * lock, clockid_t clock, const struct timespec *limit), (lock, clock, limit))
COUNTED(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
COUNTED(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
COUNTED(pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const struct timespec *limit), (lock, limit))
COUNTED(pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const struct timespec *limit), (lock, limit))
COUNTED(pthread_rwlock_clockrdlock, (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *limit), (lock, clock, limit))
COUNTED(pthread_rwlock_clockwrlock, (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *limit), (lock, clock, limit))
