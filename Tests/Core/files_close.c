/* Files are taken away at any moment, with the disk in the middle of anything:
 * what was asked is answered, and neither a file, a descriptor nor a byte of
 * memory is left. */
#include "files_test.h"

#define UNIT     6u
#define CAPACITY (UNIT * 20000u)
#define MIB      ((uint64_t)1 << 20)

static test_files_t *const files = &test_files;

static void open_files(const char *place) {
  memset(&test_disk, 0, sizeof test_disk);
  test_files_open(files, place, CAPACITY, UNIT, 2 * MIB);
}

static void test_options(const char *place) {
  open_files(place);
  weir_log_files_options_t options = {.size = sizeof options,
                                      .disk = files->disk,
                                      .directory = 0,
                                      .max = 2 * MIB};
  CHECK_EQ(weir_log_files_open(files->log, &options), UV_EALREADY);
  CHECK(weir_log_files_data(files->log) == files);
  test_files_detach(files);
  options.max = WEIR_LOG_FILES_MIN - 1;
  CHECK_EQ(weir_log_files_open(files->log, &options), WEIR_EOPTION);
  options.max = WEIR_LOG_FILES_MIN;
  options.directory = -1;
  CHECK_EQ(weir_log_files_open(files->log, &options), WEIR_EOPTION);
  options.directory = 0;
  options.disk = NULL;
  CHECK_EQ(weir_log_files_open(files->log, &options), WEIR_EOPTION);
  options.size--;
  CHECK_EQ(weir_log_files_open(files->log, &options), WEIR_EOPTION);
  CHECK(!weir_log_has_files(files->log));
  CHECK(weir_log_files_data(files->log) == NULL);

  /* What there is without files. */
  weir_log_files_info_t info = test_files_info(files);
  CHECK_EQ(info.max, 0);
  weir_log_files_cut(files->log, 0);
  weir_log_files_clear(files->log);
  weir_log_files_retry(files->log);
  CHECK_EQ(weir_log_files_set_max(files->log, 2 * MIB), WEIR_EOPTION);
  uint8_t byte;
  CHECK_EQ(weir_log_read(files->log, 0, &byte, 1, test_copied, NULL),
           WEIR_EOPTION);
  uint32_t calls = 0;
  weir_log_files_close(files->log, test_count_call, &calls);
  CHECK_EQ(calls, 1);

  /* And they may come back, in the middle of a stream. */
  test_files_append(files, 3 * MIB + 1);
  test_files_attach(files);
  uint64_t from = weir_log_head(files->log);
  test_files_stream(files, MIB);
  CHECK_EQ(weir_log_tail(files->log), from);
  CHECK_EQ(test_copy(files, from, 2 * MIB), weir_log_head(files->log) - from);
  test_files_close(files);
}

/* Closed while the first of two full stages is being written, and the log is
 * destroyed at once. */
static void test_while_writing(const char *place) {
  open_files(place);
  test_files_stream(files, MIB);
  test_disk.writes_hang = 1;
  test_files_append(files, CAPACITY / 2);
  while (test_disk.hanging == 0)
    usleep(100);
  uint64_t writes = test_disk.writes;
  weir_log_files_close(files->log, test_count_call, &files->files_closed);
  weir_log_destroy(files->log);
  weir_disk_close(files->disk, test_count_call, &files->disk_closed);
  uv_run(&files->loop, UV_RUN_NOWAIT);
  CHECK_EQ(files->files_closed, 0);
  CHECK_EQ(files->disk_closed, 0);
  test_disk.writes_hang = 0;
  test_close_loop(&files->loop);
  CHECK_EQ(files->files_closed, 1);
  CHECK_EQ(files->disk_closed, 1);
  CHECK_EQ(test_disk.writes, writes); /* the second was not begun */
  test_remove_directory(files->path); /* empty */
  CHECK_EQ(test_descriptors(), files->descriptors);
}

/* Closed while it is read: the copies are still whole. */
static void test_while_reading(const char *place) {
  test_copy_t copies[4];
  open_files(place);
  test_files_stream(files, 3 * MIB);
  uint64_t tail = weir_log_tail(files->log);
  uint64_t head = weir_log_head(files->log);
  test_disk.reads_hang = 1;
  for (uint32_t i = 0; i < 4; i++)
    test_begin_copy(files, &copies[i], tail + i * 1000, 2 * MIB);
  while (test_disk.hanging == 0)
    usleep(100);
  weir_log_files_close(files->log, test_count_call, &files->files_closed);
  weir_log_destroy(files->log);
  uv_run(&files->loop, UV_RUN_NOWAIT);
  CHECK_EQ(files->files_closed, 0);
  uint32_t count;
  do { /* the names go, whoever reads */
    uv_run(&files->loop, UV_RUN_NOWAIT);
    (void)test_usage(files->path, &count);
  } while (count > 0);
  test_disk.reads_hang = 0;
  for (uint32_t i = 0; i < 4; i++) {
    CHECK_EQ(files->files_closed, 0);
    uint64_t length = head - tail - i * 1000;
    CHECK_EQ(test_end_copy(files, &copies[i]),
             length < 2 * MIB ? length : 2 * MIB);
  }
  weir_disk_close(files->disk, test_count_call, &files->disk_closed);
  test_close_loop(&files->loop);
  CHECK_EQ(files->files_closed, 1);
  CHECK_EQ(files->disk_closed, 1);
  test_remove_directory(files->path);
  CHECK_EQ(test_descriptors(), files->descriptors);
}

static uint32_t failures;

static void on_restart_close(weir_log_t *log, int error, uint64_t lost) {
  CHECK_EQ(error, UV_EIO);
  CHECK_EQ(lost, 0);
  failures++;
  weir_log_files_close(log, test_count_call, &files->files_closed);
}

/* Closed by the one who is told that it failed. */
static void test_by_callback(const char *place) {
  open_files(place);
  test_files_detach(files);
  CHECK_EQ(mkdir(files->path, 0700), 0);
  weir_log_files_options_t options = {
      .size = sizeof options,
      .disk = files->disk,
      .directory = open(files->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
      .max = 2 * MIB,
      .on_restart = on_restart_close};
  CHECK_EQ(weir_log_files_open(files->log, &options), 0);
  test_disk.write_error = EIO;
  test_files_stream(files, MIB);
  CHECK_EQ(failures, 1);
  CHECK_EQ(files->files_closed, 2);
  CHECK(!weir_log_has_files(files->log));
  test_remove_directory(files->path);
  failures = 0;
  test_files_attach(files);
  test_disk.write_error = 0;
  test_files_close(files);
}

/* The n-th allocation fails, for every n. */
typedef struct purse {
  uint64_t calls;
  uint64_t fail;
  uint64_t live;
} purse_t;

static void *take(void *context, size_t bytes) {
  purse_t *purse = context;
  if (++purse->calls == purse->fail) return NULL;
  purse->live += bytes;
  return malloc(bytes);
}

static void give_back(void *context, void *pointer, size_t bytes) {
  ((purse_t *)context)->live -= bytes;
  free(pointer);
}

static void test_memory(const char *place) {
  open_files(place);
  for (uint64_t n = 1;; n++) {
    purse_t purse = {.fail = n};
    weir_allocator_t allocator = {take, give_back, &purse};
    weir_disk_t *disk;
    weir_log_t *log;
    weir_log_options_t options = {
        .size = sizeof options, .unit = UNIT, .allocator = &allocator};
    int error = weir_disk_create(&files->loop, &disk, &allocator);
    if (error < 0) disk = NULL;
    if (error == 0) error = weir_log_create(&log, &options);
    if (error == 0) {
      weir_log_files_options_t given = {.size = sizeof given,
                                        .disk = disk,
                                        .directory = dup(0),
                                        .max = 2 * MIB};
      error = weir_log_files_open(log, &given);
      if (error < 0) CHECK_EQ(close(given.directory), 0);
      uint8_t byte = 0;
      test_copy_t copy = {.buffer = &byte};
      int reads = WEIR_EOPTION;
      if (error == 0)
        reads = weir_log_read(log, 0, &byte, 1, test_copied, &copy);
      if (error == 0) CHECK(reads == 0 || reads == UV_ENOMEM);
      test_files_settle(files);
      CHECK_EQ(copy.is_done, reads == 0);
      weir_log_files_close(log, NULL, NULL);
      weir_log_destroy(log);
      if (error == 0) error = reads;
    }
    weir_disk_close(disk, NULL, NULL);
    test_files_settle(files);
    CHECK_EQ(purse.live, 0);
    if (purse.calls < n) break; /* none failed */
    CHECK_EQ(error, UV_ENOMEM);
    CHECK(n < 100);
  }
  test_files_close(files);
}

int main(void) {
  const char *place;
  weir_disk_close(NULL, NULL, NULL);
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    test_options(place);
    test_while_writing(place);
    test_while_reading(place);
    test_by_callback(place);
    test_memory(place);
  }
  return 0;
}
