/*
 * files_test.h - what the tests of the file tier share: a log with files in a
 * directory of its own, bytes that say where they are, and a disk that fails,
 * waits, or can only be read by the pool, as the test likes.
 *
 * The library is linked statically, so that what is defined here goes before
 * the C library's.
 */
#ifndef WEIR_FILES_TEST_H
#define WEIR_FILES_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "scale.h"
#include "test.h"

/* ---- a disk as the test likes it ---- */

typedef struct test_faults {
  _Atomic int open_error; /* errno; 0: none */
  _Atomic int write_error;
  _Atomic int read_error;
  _Atomic uint64_t write_most; /* bytes at a time; 0: all */
  _Atomic int64_t write_room;  /* bytes until ENOSPC, if write_is_bounded */
  _Atomic int write_is_bounded;
  _Atomic int no_nowait;   /* every preadv2: EOPNOTSUPP */
  _Atomic int now_error;   /* errno of preadv2 */
  _Atomic int writes_hang; /* until it is 0 again */
  _Atomic int reads_hang;
  _Atomic uint64_t hanging; /* calls that hang */
  _Atomic uint64_t writes;
  _Atomic uint64_t reads;
  _Atomic uint64_t reads_now;
} test_faults_t;

static test_faults_t test_disk;

/* Looked at after each write, while nothing else is done to files: what those
 * of two directories (or of one) took at most. */
typedef struct test_watch {
  const char *paths[2];
  _Atomic uint64_t bytes;
  _Atomic uint64_t blocks; /* bytes that the file system has set aside */
} test_watch_t;

static test_watch_t test_watch;

static inline void test_look(void);

/* It works, and nothing hangs any more. */
static inline void test_heal(void) {
  test_disk.writes_hang = test_disk.reads_hang = 0;
  while (atomic_load(&test_disk.hanging) > 0)
    usleep(100);
  memset(&test_disk, 0, sizeof test_disk);
}

static inline void test_hang(_Atomic int *while_set) {
  if (!atomic_load(while_set)) return;
  atomic_fetch_add(&test_disk.hanging, 1);
  while (atomic_load(while_set))
    usleep(200);
  atomic_fetch_sub(&test_disk.hanging, 1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  atomic_fetch_add(&test_disk.writes, 1);
  test_hang(&test_disk.writes_hang);
  int error = test_disk.write_error; /* once: it may heal meanwhile */
  if (error != 0) {
    errno = error;
    return -1;
  }
  uint64_t most = test_disk.write_most;
  if (most != 0 && length > most) length = most;
  if (test_disk.write_is_bounded) {
    int64_t room = atomic_load(&test_disk.write_room);
    if (room <= 0) {
      errno = ENOSPC;
      return -1;
    }
    if (length > (uint64_t)room) length = (size_t)room;
    atomic_fetch_sub(&test_disk.write_room, (int64_t)length);
  }
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, offset);
  int status = errno;
  test_look();
  errno = status;
  return written;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
  atomic_fetch_add(&test_disk.reads, 1);
  test_hang(&test_disk.reads_hang);
  int error = test_disk.read_error; /* once: it may heal meanwhile */
  if (error != 0) {
    errno = error;
    return -1;
  }
  return syscall(SYS_pread64, fd, bytes, length, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset,
                int flags) {
  atomic_fetch_add(&test_disk.reads_now, 1);
  CHECK_EQ(flags, RWF_NOWAIT);
  int error = test_disk.no_nowait ? EOPNOTSUPP : test_disk.now_error;
  if (error != 0) {
    errno = error;
    return -1;
  }
  return syscall(SYS_preadv2, fd, iov, count, offset, 0, flags);
}

int openat(int directory, const char *name, int flags, ...) {
  int error = test_disk.open_error; /* once: it may heal meanwhile */
  if (error != 0) {
    errno = error;
    return -1;
  }
  CHECK_EQ(flags & (O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW),
           O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW);
  return (int)syscall(SYS_openat, directory, name, flags, 0600);
}

/* ---- directories ---- */

/* Where directories are made: one on a disk, one in memory where there is
 * such, and one that is asked for. NULL: no more. */
static inline const char *test_place(int number) {
  static const char *const places[] = {"build", "/dev/shm"};
  if (number < 2)
    return access(places[number], W_OK) == 0 ? places[number] : "/tmp";
  return number == 2 ? getenv("WEIR_TEST_DIRECTORY") : NULL;
}

/* One of a name that nobody has or had, not even a test that was ended. */
static inline int test_make_directory(const char *place, char path[256]) {
  (void)snprintf(path, 256, "%s/weir-test-XXXXXX", place);
  CHECK(mkdtemp(path) != NULL);
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(directory >= 0);
  return directory;
}

/* It is empty; says what is in it otherwise. */
static inline void test_remove_directory(const char *path) {
  if (rmdir(path) == 0) return;
  perror(path);
  DIR *directory = opendir(path);
  struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL)
    fprintf(stderr, "  %s\n", entry->d_name);
  exit(1);
}

static inline uint32_t test_descriptors(void) {
  uint32_t count = 0;
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  while (readdir(directory) != NULL)
    count++;
  closedir(directory);
  return count;
}

/* Bytes of the files in a directory, and how many there are. */
static inline uint64_t test_usage(const char *path, uint32_t *files) {
  uint64_t bytes = 0;
  DIR *directory = opendir(path);
  CHECK(directory != NULL);
  *files = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    struct stat status;
    if (entry->d_name[0] == '.') continue;
    CHECK_EQ(strlen(entry->d_name), 16);
    CHECK_EQ(strspn(entry->d_name, "0123456789abcdef"), 16);
    if (fstatat(dirfd(directory), entry->d_name, &status, 0) < 0) continue;
    bytes += (uint64_t)status.st_size;
    ++*files;
  }
  closedir(directory);
  return bytes;
}

/* What the files of a directory take that this process has open: with those
 * whose names are gone, since their space is not. */
typedef struct test_taken {
  uint64_t bytes;
  uint64_t blocks; /* bytes that the file system has set aside */
  uint32_t files;
} test_taken_t;

static inline test_taken_t test_taken(const char *path) {
  test_taken_t taken = {0};
  char here[PATH_MAX], file[PATH_MAX];
  CHECK(realpath(path, here) != NULL);
  size_t length = strlen(here);
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    ssize_t n = readlinkat(dirfd(directory), entry->d_name, file, PATH_MAX);
    struct stat status;
    if (n <= (ssize_t)length || file[length] != '/' ||
        memcmp(file, here, length) != 0)
      continue;
    if (fstat(atoi(entry->d_name), &status) < 0) continue;
    taken.bytes += (uint64_t)status.st_size;
    taken.blocks += (uint64_t)status.st_blocks * 512;
    taken.files++;
  }
  closedir(directory);
  return taken;
}

static inline void test_look(void) {
  test_taken_t sum = {0};
  for (int i = 0; i < 2 && test_watch.paths[i] != NULL; i++) {
    test_taken_t taken = test_taken(test_watch.paths[i]);
    sum.bytes += taken.bytes;
    /* The end of a file takes a whole page. */
    uint64_t most = taken.bytes + (uint64_t)taken.files * 4096;
    sum.blocks += taken.blocks > most ? taken.blocks : taken.bytes;
  }
  if (test_watch.bytes < sum.bytes) test_watch.bytes = sum.bytes;
  if (test_watch.blocks < sum.blocks) test_watch.blocks = sum.blocks;
}

/* From now on; NULL: nothing. */
static inline void test_watch_space(const char *path, const char *other) {
  test_watch = (test_watch_t){.paths = {path, other}};
}

/* ---- bytes that say where they are ---- */

/* They repeat after a prime number, which no block or segment is a multiple
 * of. */
#define TEST_PERIOD 1000003u

static uint8_t test_pattern[TEST_PERIOD];

static inline void test_fill(uint64_t position, uint8_t *bytes,
                             uint64_t length) {
  uint64_t seed = 0x5eed;
  for (uint32_t i = 0; test_pattern[0] == 0 && i < TEST_PERIOD; i++)
    test_pattern[TEST_PERIOD - 1 - i] = (uint8_t)(test_random(&seed) >> 32 | 1);
  while (length > 0) {
    uint64_t at = position % TEST_PERIOD;
    uint64_t run = TEST_PERIOD - at;
    if (run > length) run = length;
    memcpy(bytes, test_pattern + at, run);
    position += run;
    bytes += run;
    length -= run;
  }
}

static inline int test_is_right(uint64_t position, const uint8_t *bytes,
                                uint64_t length) {
  while (length > 0) {
    uint64_t at = position % TEST_PERIOD;
    uint64_t run = TEST_PERIOD - at;
    if (run > length) run = length;
    if (memcmp(bytes, test_pattern + at, run) != 0) return 0;
    position += run;
    bytes += run;
    length -= run;
  }
  return 1;
}

/* ---- a log with files ---- */

typedef struct test_files {
  uv_loop_t loop;
  weir_disk_t *disk;
  weir_log_t *log;
  const char *place;
  char path[256];
  uint64_t max;
  uint32_t descriptors; /* before there was anything */
  uint32_t disk_closed;
  uint32_t files_closed;
  uint64_t restarts; /* as on_restart was told */
  uint64_t lost;
  int error;
  uint64_t (*cut)(weir_log_t *log, uint64_t tail, uint64_t head, uint64_t max);
} test_files_t;

static test_files_t test_files; /* on_restart has no other way to it */

static inline void test_on_restart(weir_log_t *log, int error, uint64_t lost) {
  CHECK(log == test_files.log);
  test_files.restarts++;
  test_files.lost += lost;
  test_files.error = error;
}

static inline void test_count_call(void *data) {
  ++*(uint32_t *)data;
}

static inline void test_files_attach(test_files_t *files) {
  int directory = test_make_directory(files->place, files->path);
  weir_log_files_options_t options = {.size = sizeof options,
                                      .disk = files->disk,
                                      .directory = directory,
                                      .max = files->max,
                                      .on_full = files->cut,
                                      .on_restart = test_on_restart,
                                      .data = files};
  CHECK_EQ(weir_log_files_open(files->log, &options), 0);
}

static inline void test_files_open(test_files_t *files, const char *place,
                                   size_t capacity, uint32_t unit,
                                   uint64_t max) {
  memset(files, 0, sizeof *files);
  /* The first loop of a process makes descriptors that stay. */
  CHECK_EQ(uv_loop_init(&files->loop), 0);
  CHECK_EQ(uv_loop_close(&files->loop), 0);
  files->descriptors = test_descriptors();
  CHECK_EQ(uv_loop_init(&files->loop), 0);
  CHECK_EQ(weir_disk_create(&files->loop, &files->disk, NULL), 0);
  weir_log_options_t options = {
      .size = sizeof options, .capacity = capacity, .unit = unit};
  CHECK_EQ(weir_log_create(&files->log, &options), 0);
  files->place = place;
  files->max = max;
  test_files_attach(files);
}

/* Runs the loop until nothing is under way. */
static inline void test_files_settle(test_files_t *files) {
  uv_run(&files->loop, UV_RUN_DEFAULT);
}

static inline void test_files_append(test_files_t *files, uint64_t length) {
  while (length > 0) {
    void *memory;
    size_t run = weir_log_reserve(files->log, length, &memory);
    test_fill(weir_log_written(files->log), memory, run);
    CHECK_EQ(weir_log_commit(files->log, run), 0);
    length -= run;
  }
}

/* As a stream comes: the disk has time between. */
static inline void test_files_stream(test_files_t *files, uint64_t length) {
  uint64_t most = weir_log_capacity(files->log) / 8;
  while (length > 0) {
    uint64_t run = length < most ? length : most;
    test_files_append(files, run);
    test_files_settle(files);
    length -= run;
  }
}

static inline weir_log_files_info_t test_files_info(const test_files_t *files) {
  weir_log_files_info_t info;
  weir_log_files_info(files->log, &info);
  return info;
}

/* What holds at any time. */
static inline void test_files_check(const test_files_t *files) {
  weir_log_files_info_t info = test_files_info(files);
  uint64_t ring = weir_log_ring_tail(files->log);
  uint64_t tail = weir_log_tail(files->log);
  uint32_t unit = weir_log_unit(files->log);
  CHECK(info.tail <= info.head && info.head <= weir_log_head(files->log));
  CHECK_EQ(info.bytes, info.head - info.tail);
  CHECK(info.bytes <= info.max);
  CHECK_EQ(info.tail % unit, 0);
  CHECK_EQ(info.head % unit, 0);
  if (info.bytes > 0) CHECK(info.head >= ring);
  CHECK_EQ(tail, info.bytes > 0 && info.tail < ring ? info.tail : ring);
  if (tail > 0)
    CHECK_EQ(weir_log_where(files->log, tail - 1), WEIR_TIER_BEHIND);
  if (tail < ring) {
    CHECK_EQ(weir_log_where(files->log, tail), WEIR_TIER_FILE);
    CHECK_EQ(weir_log_where(files->log, ring - 1), WEIR_TIER_FILE);
  }
  CHECK_EQ(weir_log_where(files->log, ring), WEIR_TIER_RING);
}

/* Takes the files away; neither a file nor a descriptor is left of them. */
static inline void test_files_detach(test_files_t *files) {
  uint32_t count;
  uint32_t calls = files->files_closed;
  weir_log_files_close(files->log, test_count_call, &files->files_closed);
  CHECK(!weir_log_has_files(files->log));
  CHECK_EQ(files->files_closed, calls);
  test_files_settle(files);
  CHECK_EQ(files->files_closed, calls + 1);
  CHECK_EQ(test_usage(files->path, &count), 0);
  CHECK_EQ(count, 0);
  test_remove_directory(files->path);
}

static inline void test_files_close(test_files_t *files) {
  test_files_detach(files);
  weir_log_destroy(files->log);
  weir_disk_close(files->disk, test_count_call, &files->disk_closed);
  test_close_loop(&files->loop);
  CHECK_EQ(files->disk_closed, 1);
  CHECK_EQ(test_descriptors(), files->descriptors);
}

/* ---- reading ---- */

typedef struct test_copy {
  uint64_t position;
  uint64_t length;
  uint8_t *buffer;
  int64_t result;
  int is_done;
} test_copy_t;

static inline void test_copied(void *context, int64_t result) {
  test_copy_t *copy = context;
  CHECK(!copy->is_done);
  copy->is_done = 1;
  copy->result = result;
  if (result > 0)
    CHECK(test_is_right(copy->position, copy->buffer, (uint64_t)result));
}

static inline void test_begin_copy(test_files_t *files, test_copy_t *copy,
                                   uint64_t position, uint64_t length) {
  *copy = (test_copy_t){.position = position, .length = length};
  copy->buffer = malloc(length + 1);
  CHECK(copy->buffer != NULL);
  CHECK_EQ(weir_log_read(files->log, position, copy->buffer, length,
                         test_copied, copy),
           0);
  CHECK(!copy->is_done);
}

static inline int64_t test_end_copy(test_files_t *files, test_copy_t *copy) {
  /* (UV_RUN_ONCE may run it and then wait for what hangs.) */
  while (!copy->is_done)
    if (uv_run(&files->loop, UV_RUN_NOWAIT) && !copy->is_done) usleep(50);
  free(copy->buffer);
  return copy->result;
}

/* The whole range at once. */
static inline int64_t test_copy(test_files_t *files, uint64_t position,
                                uint64_t length) {
  test_copy_t copy;
  test_begin_copy(files, &copy, position, length);
  return test_end_copy(files, &copy);
}

#endif
