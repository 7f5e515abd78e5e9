// A disk that fails on request, preloaded into a server by test_failing_disk.py: calls that change something under
// FAILING_DISK_ROOT, on paths that contain the control file's text, fail with the errno the control file gives for their kind.
// The control file (FAILING_DISK_CONTROL) is mapped into memory: byte 0 for syncs, 1 for writes, 2 for names (creating, opening
// for writing, renaming, removing, resizing), 0 = works; from byte 8 the text, ending with NUL; byte 3 counts failures, to 255.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SYNCS, WRITES, NAMES, FAILED, TEXT = 8, BYTES = 128 };

static volatile unsigned char *control;
static const char *root;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  root = getenv("FAILING_DISK_ROOT");
  const char *path = getenv("FAILING_DISK_CONTROL");
  int (*open_file)(const char *, int, ...) = real("open");
  int fd = path && root ? open_file(path, O_RDWR | O_CLOEXEC) : -1;
  void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) control = mapped;
  if (fd >= 0) close(fd);
}

static int fails_at(int kind, const char *path) {
  if (strncmp(path, root, strlen(root)) != 0 || !strstr(path, (const char *)control + TEXT)) return 0;
  errno = control[kind];
  if (errno != 0 && control[FAILED] < 255) ++control[FAILED];
  return errno != 0;
}

static int fails(int kind, int fd) {
  if (!control || !control[kind]) return 0;
  int before = errno;
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length > 0) {
    path[length] = 0;
    if (fails_at(kind, path)) return 1;
  }
  errno = before;
  return 0;
}

static int fails_by_name(const char *path) {
  if (!control || !control[NAMES]) return 0;
  int before = errno;
  if (fails_at(NAMES, path)) return 1;
  errno = before;
  return 0;
}

#define REAL(type, name, ...) \
  static type (*next)(__VA_ARGS__); \
  if (!next) next = real(#name)

int fsync(int fd) { REAL(int, fsync, int); return fails(SYNCS, fd) ? -1 : next(fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); return fails(SYNCS, fd) ? -1 : next(fd); }
int syncfs(int fd) { REAL(int, syncfs, int); return fails(SYNCS, fd) ? -1 : next(fd); }
int sync_file_range(int fd, off_t at, off_t bytes, unsigned flags) {
  REAL(int, sync_file_range, int, off_t, off_t, unsigned);
  return fails(SYNCS, fd) ? -1 : next(fd, at, bytes, flags);
}
ssize_t write(int fd, const void *data, size_t bytes) {
  REAL(ssize_t, write, int, const void *, size_t);
  return fails(WRITES, fd) ? -1 : next(fd, data, bytes);
}
ssize_t writev(int fd, const struct iovec *data, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  return fails(WRITES, fd) ? -1 : next(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) {
  REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
  return fails(WRITES, fd) ? -1 : next(fd, data, bytes, at);
}
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
  REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
  return fails(WRITES, fd) ? -1 : next(fd, data, bytes, at);
}
int ftruncate(int fd, off_t bytes) { REAL(int, ftruncate, int, off_t); return fails(NAMES, fd) ? -1 : next(fd, bytes); }
int fallocate(int fd, int mode, off_t at, off_t bytes) {
  REAL(int, fallocate, int, int, off_t, off_t);
  return fails(NAMES, fd) ? -1 : next(fd, mode, at, bytes);
}
int mkdir(const char *path, mode_t mode) { REAL(int, mkdir, const char *, mode_t); return fails_by_name(path) ? -1 : next(path, mode); }
int unlink(const char *path) { REAL(int, unlink, const char *); return fails_by_name(path) ? -1 : next(path); }
int remove(const char *path) { REAL(int, remove, const char *); return fails_by_name(path) ? -1 : next(path); }
int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *);
  return fails_by_name(to) ? -1 : next(from, to);
}
int link(const char *from, const char *to) {
  REAL(int, link, const char *, const char *);
  return fails_by_name(to) ? -1 : next(from, to);
}
static int changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0; }
int open(const char *path, int flags, ...) {
  REAL(int, open, const char *, int, ...);
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return changes(flags) && fails_by_name(path) ? -1 : next(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  REAL(int, open64, const char *, int, ...);
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return changes(flags) && fails_by_name(path) ? -1 : next(path, flags, mode);
}
FILE *fopen(const char *path, const char *mode) {
  REAL(FILE *, fopen, const char *, const char *);
  return mode[0] != 'r' && fails_by_name(path) ? NULL : next(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
  REAL(FILE *, fopen64, const char *, const char *);
  return mode[0] != 'r' && fails_by_name(path) ? NULL : next(path, mode);
}
