/*
 * disk.c - a disk that misbehaves, for LD_PRELOAD: what is read from or
 * written to warm files goes through here.
 *
 * WEIR_DISK names a file whose words say how, now:
 *
 *   read_us=N    each read takes so long
 *   write_us=N   each write
 *   open_us=N    each opening and unlinking of a segment
 *   cold=1       a read that must not wait (RWF_NOWAIT) is refused: EAGAIN
 *   fail=N       writes fail with this errno
 *   hang=1       reads and writes do not return
 *
 * Written anew (by rename) it has effect at the next call, also on those that
 * hang. Without it, and for every other file, calls pass through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MARK    "/weir-warm-"
#define HANG_US 10000

/* The value of a word in the file of words; 0 without. */
static long word(const char *name) {
  const char *path = getenv("WEIR_DISK");
  char text[256];
  if (path == NULL) return 0;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (length <= 0) return 0;
  text[length] = '\0';
  size_t size = strlen(name);
  for (const char *at = strstr(text, name); at != NULL;
       at = strstr(at + 1, name))
    if (at[size] == '=') return atol(at + size + 1);
  return 0;
}

static int is_warm(int fd) {
  char link[48], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return strstr(path, MARK) != NULL;
}

static void wait_us(long us) {
  struct timespec time = {us / 1000000, us % 1000000 * 1000};
  while (us > 0 && nanosleep(&time, &time) != 0)
    continue;
}

static void delay(const char *name) {
  wait_us(word(name));
  while (word("hang"))
    wait_us(HANG_US);
}

/* -1 with errno set when a write is to fail. */
static int before_write(int fd) {
  if (!is_warm(fd)) return 0;
  delay("write_us");
  long error = word("fail");
  if (error == 0) return 0;
  errno = (int)error;
  return -1;
}

#define REAL(type, name) \
  static type real;      \
  if (real == NULL) real = (type)dlsym(RTLD_NEXT, name)

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);
typedef ssize_t (*read_at)(int, void *, size_t, off_t);
typedef ssize_t (*vector_at)(int, const struct iovec *, int, off_t);
typedef ssize_t (*flagged_at)(int, const struct iovec *, int, off_t, int);

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  REAL(write_at, "pwrite");
  return before_write(fd) != 0 ? -1 : real(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite(fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset) {
  REAL(vector_at, "pwritev");
  return before_write(fd) != 0 ? -1 : real(fd, iov, count, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
  REAL(read_at, "pread");
  if (is_warm(fd)) delay("read_us");
  return real(fd, bytes, length, offset);
}

ssize_t pread64(int fd, void *bytes, size_t length, off_t offset) {
  return pread(fd, bytes, length, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset,
                int flags) {
  REAL(flagged_at, "preadv2");
  if (is_warm(fd)) {
    if (!(flags & RWF_NOWAIT)) {
      delay("read_us");
    } else if (word("cold")) {
      errno = EAGAIN;
      return -1;
    }
  }
  return real(fd, iov, count, offset, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off_t offset,
                   int flags) {
  return preadv2(fd, iov, count, offset, flags);
}

typedef int (*opening_at)(int, const char *, int, ...);
typedef int (*removing_at)(int, const char *, int);

int openat(int directory, const char *path, int flags, ...) {
  REAL(opening_at, "openat");
  va_list more;
  va_start(more, flags);
  unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, unsigned) : 0;
  va_end(more);
  if (directory >= 0 && is_warm(directory)) delay("open_us");
  return real(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, unsigned) : 0;
  va_end(more);
  return openat(directory, path, flags, mode);
}

int unlinkat(int directory, const char *path, int flags) {
  REAL(removing_at, "unlinkat");
  if (directory >= 0 && is_warm(directory)) delay("open_us");
  return real(directory, path, flags);
}
