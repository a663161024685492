/* A disk that is slow, full or broken costs what was kept, and nothing else:
 * the tier begins again at head, or is off after failures in a row. */
#include "files_test.h"

#define UNIT     188u
#define CAPACITY (UNIT * 5000u)
#define STAGE    (CAPACITY / 4)
#define MIB      ((uint64_t)1 << 20)

static test_files_t *const files = &test_files;

static void open_files(const char *place) {
  memset(&test_disk, 0, sizeof test_disk);
  test_files_open(files, place, CAPACITY, UNIT, 8 * MIB);
}

static void check_kept(void) {
  uint64_t tail = weir_log_tail(files->log);
  test_files_check(files);
  CHECK_EQ(test_copy(files, tail, 16 * MIB), weir_log_head(files->log) - tail);
}

/* What is kept is what came after `position`, but for the last stages. */
static void check_kept_since(uint64_t position) {
  uint64_t ring = weir_log_ring_tail(files->log);
  CHECK_EQ(weir_log_tail(files->log), position < ring ? position : ring);
  CHECK_EQ(test_files_info(files).tail, position);
  check_kept();
}

static uint32_t count_files(void) {
  uint32_t count;
  (void)test_usage(files->path, &count);
  return count;
}

static void wait_for_hang(uint64_t count) {
  while (test_disk.hanging < count)
    usleep(100);
}

static void test_slow(const char *place) {
  open_files(place);
  test_files_stream(files, 4 * MIB);
  uint64_t kept = test_files_info(files).bytes;
  CHECK(kept > 3 * MIB);
  test_disk.writes_hang = 1;
  test_files_append(files, STAGE);
  wait_for_hang(1);
  /* Until the ring has moved on by as much, nothing is lost. */
  test_files_append(files, CAPACITY - 2 * STAGE);
  test_files_check(files);
  CHECK_EQ(test_files_info(files).restarts, 0);
  CHECK_EQ(test_files_info(files).bytes, kept);
  CHECK(weir_log_tail(files->log) == 0);
  uint64_t before = weir_log_head(files->log);
  test_files_append(files, 2 * STAGE);
  CHECK_EQ(test_files_info(files).restarts, 1);
  CHECK_EQ(test_files_info(files).bytes, 0);
  CHECK_EQ(weir_log_tail(files->log), weir_log_ring_tail(files->log));
  CHECK(test_files_info(files).head >= before);
  CHECK_EQ(files->restarts, 0); /* not from within a call */
  /* However long it hangs, that is one restart. */
  for (int i = 0; i < 100; i++) {
    test_files_append(files, STAGE);
    test_files_check(files);
    uv_run(&files->loop, UV_RUN_NOWAIT);
  }
  CHECK_EQ(files->restarts, 1);
  CHECK_EQ(files->error, 0);
  CHECK_EQ(files->lost, kept);
  CHECK_EQ(test_copy(files, weir_log_ring_tail(files->log), CAPACITY),
           weir_log_head(files->log) - weir_log_ring_tail(files->log));
  test_disk.writes_hang = 0;
  test_files_settle(files);
  test_files_stream(files, 4 * MIB);
  CHECK(test_files_info(files).bytes > 3 * MIB);
  check_kept();
  uint64_t disk = test_files_info(files).disk;
  uint32_t count;
  CHECK_EQ(test_usage(files->path, &count), disk);
  CHECK_EQ(test_files_info(files).segments, count);

  /* Late again is another restart. */
  test_disk.writes_hang = 1;
  test_files_append(files, 4 * CAPACITY);
  test_disk.writes_hang = 0;
  test_files_settle(files);
  CHECK_EQ(files->restarts, 2);
  CHECK_EQ(test_files_info(files).error, 0);
  CHECK(!test_files_info(files).is_off);
  test_files_close(files);
}

/* No turn of the loop between: nothing can be written, and nothing breaks. */
static void test_no_turn(const char *place) {
  open_files(place);
  test_files_append(files, 40 * MIB);
  test_files_check(files);
  test_files_settle(files);
  CHECK_EQ(files->restarts, 1);
  test_files_check(files);
  uint64_t from = test_files_info(files).tail;
  test_files_stream(files, 4 * MIB);
  check_kept_since(from);
  test_files_close(files);
}

static void test_full(const char *place) {
  open_files(place);
  test_disk.write_room = (int64_t)MIB + 1000;
  test_disk.write_is_bounded = 1;
  uint64_t kept = 0;
  while (files->restarts == 0) {
    kept = test_files_info(files).bytes;
    test_files_stream(files, CAPACITY / 8);
  }
  CHECK_EQ(files->error, UV_ENOSPC);
  CHECK_EQ(files->lost, kept);
  CHECK_EQ(kept, MIB / STAGE * STAGE);
  CHECK_EQ(count_files(), 0);
  test_files_check(files);
  /* It does not get better: after three in a row the tier is off. */
  test_files_stream(files, STAGE);
  CHECK_EQ(files->restarts, 2);
  CHECK(!test_files_info(files).is_off);
  test_files_stream(files, STAGE);
  CHECK_EQ(files->restarts, WEIR_LOG_FILES_RETRIES);
  CHECK(test_files_info(files).is_off);
  uint64_t writes = test_disk.writes;
  test_files_stream(files, 4 * MIB);
  CHECK_EQ(test_disk.writes, writes);
  CHECK_EQ(count_files(), 0);
  CHECK_EQ(files->restarts, WEIR_LOG_FILES_RETRIES);
  check_kept();
  CHECK_EQ(weir_log_tail(files->log), weir_log_ring_tail(files->log));

  test_disk.write_is_bounded = 0;
  uint64_t from = weir_log_head(files->log);
  weir_log_files_retry(files->log);
  CHECK(!test_files_info(files).is_off);
  test_files_stream(files, 4 * MIB);
  check_kept_since(from);
  weir_log_files_retry(files->log); /* it is on: nothing happens */
  check_kept_since(from);
  test_files_close(files);
}

/* Failures with something written between them are not in a row. */
static void test_broken_now_and_then(const char *place) {
  open_files(place);
  for (uint32_t i = 0; i < 4 * WEIR_LOG_FILES_RETRIES; i++) {
    test_disk.write_error = i % WEIR_LOG_FILES_RETRIES == 0 ? 0 : EIO;
    test_files_stream(files, STAGE);
  }
  CHECK_EQ(files->restarts, 4 * (WEIR_LOG_FILES_RETRIES - 1));
  CHECK_EQ(files->error, UV_EIO);
  CHECK_EQ(files->lost, 4 * STAGE);
  CHECK(!test_files_info(files).is_off);
  test_disk.write_error = 0;
  uint64_t from = test_files_info(files).tail;
  test_files_stream(files, 4 * MIB);
  check_kept_since(from);
  test_files_close(files);
}

static void test_no_descriptor(const char *place) {
  open_files(place);
  test_disk.open_error = EMFILE;
  test_files_stream(files, 4 * STAGE);
  CHECK_EQ(files->restarts, 3);
  CHECK_EQ(files->error, UV_EMFILE);
  CHECK(test_files_info(files).is_off);
  CHECK_EQ(test_disk.writes, 0);
  test_disk.open_error = 0;
  uint64_t from = weir_log_head(files->log);
  weir_log_files_retry(files->log);
  test_files_stream(files, 4 * MIB);
  check_kept_since(from);
  test_files_close(files);
}

/* A file of that name is somebody else's: it is neither read nor touched. */
static void test_name_is_taken(const char *place) {
  char path[512];
  open_files(place);
  (void)snprintf(path, sizeof path, "%s/%016d", files->path, 0);
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(write(fd, "mine", 4), 4);
  test_files_stream(files, 4 * MIB);
  CHECK_EQ(files->restarts, 1);
  CHECK_EQ(files->error, UV_EEXIST);
  check_kept();
  char bytes[8];
  CHECK_EQ(syscall(SYS_pread64, fd, bytes, sizeof bytes, 0), 4);
  CHECK(memcmp(bytes, "mine", 4) == 0);
  CHECK_EQ(close(fd), 0);
  CHECK_EQ(unlink(path), 0);
  test_files_close(files);
}

static void test_short_writes(const char *place) {
  open_files(place);
  test_disk.write_most = 10007;
  test_files_stream(files, 4 * MIB);
  CHECK_EQ(files->restarts, 0);
  CHECK(test_disk.writes > 4 * MIB / 10007 * 3 / 4);
  check_kept_since(0);
  test_files_close(files);
}

/* A read that fails says so; what is kept stays. */
static void test_reads_fail(const char *place) {
  char path[512];
  open_files(place);
  test_files_stream(files, 4 * MIB);
  test_disk.read_error = EIO;
  CHECK_EQ(test_copy(files, 0, MIB), UV_EIO);
  uint64_t ring = weir_log_ring_tail(files->log);
  CHECK_EQ(test_copy(files, ring, MIB), weir_log_head(files->log) - ring);
  test_disk.read_error = 0;
  check_kept_since(0);
  (void)snprintf(path, sizeof path, "%s/%016d", files->path, 0);
  CHECK_EQ(truncate(path, 1000), 0);
  CHECK_EQ(test_copy(files, 0, 1000), 1000);
  CHECK_EQ(test_copy(files, 0, 1001), UV_EIO);
  CHECK_EQ(files->restarts, 0);
  test_files_close(files);
}

/* Less may be kept while more is on its way. */
static void test_less_while_writing(const char *place) {
  open_files(place);
  test_files_stream(files, 8 * MIB - STAGE);
  test_disk.writes_hang = 1;
  test_files_append(files, 2 * STAGE);
  wait_for_hang(1);
  CHECK_EQ(weir_log_files_set_max(files->log, MIB), 0);
  CHECK(test_files_info(files).bytes <= MIB - STAGE);
  test_disk.writes_hang = 0;
  do
    test_files_check(files);
  while (uv_run(&files->loop, UV_RUN_ONCE));
  test_files_check(files);
  check_kept();
  test_files_close(files);
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    test_slow(place);
    test_less_while_writing(place);
    test_no_turn(place);
    test_full(place);
    test_broken_now_and_then(place);
    test_no_descriptor(place);
    test_name_is_taken(place);
    test_short_writes(place);
    test_reads_fail(place);
  }
  return 0;
}
