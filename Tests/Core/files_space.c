/* Whoever reads what is cut off, and however long that takes: the files take
 * no more than max and one segment, and no byte that comes is lost to them. */
#include "files_test.h"
#include "log_state.h"

#define UNIT     188u
#define CAPACITY (UNIT * 5000u)
#define STAGE    (CAPACITY / 4)
#define MIB      ((uint64_t)1 << 20)
#define KEPT     (8 * MIB)
#define COPIES   6u

static test_files_t *const files = &test_files;

static uint64_t space_of(uint64_t max) {
  return max + max / WEIR_LOG_FILES_SEGMENTS;
}

/* At every write, by what the file system says, with what has lost its name. */
static void check_space(uint64_t max) {
  CHECK(test_watch.bytes <= space_of(max));
  CHECK(test_watch.blocks <= space_of(max));
}

static void open_files(const char *place) {
  memset(&test_disk, 0, sizeof test_disk);
  test_files_open(files, place, CAPACITY, UNIT, KEPT);
  test_watch_space(files->path, NULL);
}

static void close_files(void) {
  test_files_settle(files);
  test_watch_space(NULL, NULL);
  test_files_close(files);
}

/* A turn of the loop, whatever hangs. */
static void turn(void) {
  uv_run(&files->loop, UV_RUN_NOWAIT);
  check_space(test_files_info(files).max);
  test_files_check(files);
}

/* Streams while reads hang. The disk keeps step, except where it has to wait:
 * for as long as half of the ring can. */
static void stream_beside_reads(uint64_t length) {
  uint64_t step = STAGE / 4;
  for (uint64_t done = 0; done < length; done += step) {
    test_files_append(files, step);
    do
      turn();
    while (weir_log_written(files->log) - test_files_info(files).head >
           CAPACITY / 2 + step);
  }
}

/* Fills the tier up to its next rotation but one stage. */
static void fill(void) {
  while (test_files_info(files).bytes + 2 * STAGE <= KEPT)
    stream_beside_reads(STAGE / 4);
}

/* Copies of all there is, begun one after the other as the stream goes on. */
static void test_copies(const char *place) {
  test_copy_t copies[COPIES];
  open_files(place);
  test_files_stream(files, 12 * MIB);
  test_disk.reads_hang = 1;
  for (uint32_t i = 0; i < COPIES; i++) {
    test_begin_copy(files, &copies[i], weir_log_tail(files->log), KEPT);
    stream_beside_reads(2 * MIB);
  }
  stream_beside_reads(3 * KEPT);
  CHECK(test_files_info(files).rotations > 10);
  CHECK_EQ(test_files_info(files).restarts, 0);
  /* One that hangs takes a segment; three quarters of the rest are kept. */
  CHECK(test_files_info(files).bytes + 2 * STAGE >=
        (KEPT - KEPT / WEIR_LOG_FILES_SEGMENTS) / 4 * 3);
  for (uint32_t i = 1; i < COPIES; i++) {
    CHECK(copies[i].is_done);
    CHECK_EQ(test_end_copy(files, &copies[i]), WEIR_EBEHIND);
  }
  CHECK(!copies[0].is_done); /* a thread is in it */
  test_disk.reads_hang = 0;
  CHECK_EQ(test_end_copy(files, &copies[0]), WEIR_EBEHIND);
  test_files_settle(files);
  stream_beside_reads(KEPT);
  CHECK_EQ(test_files_info(files).restarts, 0);
  uint64_t tail = weir_log_tail(files->log);
  CHECK_EQ(test_copy(files, tail, 2 * KEPT), weir_log_head(files->log) - tail);
  close_files();
}

/* Appends some, and lets the disk write all that it may. */
static uint64_t append_and_write(void) {
  const weir__lane_t *lane = &files->disk->lanes[WEIR__LANE_WRITE];
  test_files_append(files, STAGE / 4);
  do
    turn();
  while (lane->running != NULL || !weir__link_is_empty(&lane->waiting));
  return weir_log_written(files->log) - test_files_info(files).head;
}

/* A copy that needs no longer than half of the ring gets all it asked for. */
static void test_in_time(const char *place) {
  test_copy_t copies[COPIES];
  open_files(place);
  test_files_stream(files, 12 * MIB);
  fill();
  uint64_t reads = test_disk.reads;
  test_disk.reads_hang = 1;
  uint64_t tail = weir_log_tail(files->log);
  uint64_t length = weir_log_head(files->log) - tail;
  for (uint32_t i = 0; i < COPIES; i++)
    test_begin_copy(files, &copies[i], tail, length);
  while (append_and_write() < CAPACITY / 2 - STAGE / 2)
    continue;
  CHECK(weir_log_tail(files->log) > tail); /* it was cut, and now it waits */
  CHECK_EQ(test_disk.reads, reads + 1);
  test_disk.reads_hang = 0;
  for (uint32_t i = 0; i < COPIES; i++)
    CHECK_EQ(test_end_copy(files, &copies[i]), length);
  test_files_settle(files);
  CHECK(weir_log_written(files->log) - test_files_info(files).head < STAGE);
  CHECK_EQ(test_files_info(files).restarts, 0);
  close_files();
}

/* Blocks that are read for listeners are given up like copies. */
static uint32_t readied;

static void count_ready(weir__waiter_t *waiter) {
  (void)waiter;
  readied++;
}

static void test_listeners(const char *place) {
  weir__waiter_t waiters[5];
  const uint8_t *bytes;
  open_files(place);
  test_disk.no_nowait = 1;
  test_files_stream(files, 12 * MIB);
  fill();
  test_disk.reads_hang = 1;
  readied = 0;
  uint64_t tail = weir_log_tail(files->log);
  for (uint32_t i = 0; i < 5; i++) {
    weir__link_init(&waiters[i].link);
    waiters[i].ready = count_ready;
    CHECK_EQ(weir__log_show(files->log, tail + i * 2 * STAGE / UNIT * UNIT,
                            100 * UNIT, &bytes, &waiters[i]),
             0);
  }
  uint64_t rotations = test_files_info(files).rotations;
  while (test_files_info(files).rotations < rotations + 4)
    stream_beside_reads(STAGE / 4);
  stream_beside_reads(STAGE);
  CHECK_EQ(readied, 4); /* but for the one that hangs */
  CHECK_EQ(weir__log_show(files->log, tail, 100 * UNIT, &bytes, &waiters[4]),
           WEIR_EBEHIND);
  CHECK_EQ(test_files_info(files).restarts, 0);
  test_disk.reads_hang = 0;
  test_files_settle(files);
  CHECK_EQ(readied, 5);
  close_files();
}

/* Less may be kept at once: what is too large goes, the files take no more.
 */
static void test_less(const char *place) {
  open_files(place);
  test_files_stream(files, 12 * MIB);
  for (uint64_t max = KEPT; max >= MIB; max -= MIB) {
    CHECK_EQ(weir_log_files_set_max(files->log, max), 0);
    test_files_settle(files);
    test_watch_space(files->path, NULL);
    stream_beside_reads(MIB / 2);
    CHECK(test_files_info(files).bytes > 0);
  }
  test_files_settle(files);
  CHECK_EQ(weir_log_files_set_max(files->log, 6 * KEPT), 0);
  test_watch_space(files->path, NULL);
  stream_beside_reads(6 * KEPT);
  CHECK_EQ(weir_log_files_set_max(files->log, MIB), 0); /* a sixth of a file */
  test_files_settle(files);
  test_watch_space(files->path, NULL);
  stream_beside_reads(2 * MIB);
  CHECK(test_files_info(files).bytes >= MIB / 4 * 3 - 2 * STAGE);
  CHECK_EQ(test_files_info(files).restarts, 0);
  close_files();
}

/* What one log's readers hold counts for all logs of the disk. */
static void test_limit(const char *place) {
  test_files_t one;
  test_copy_t copies[2];
  open_files(place);
  one = *files;
  test_files_stream(files, 12 * MIB);
  weir_disk_set_limit(files->disk, space_of(KEPT));

  weir_log_t *second;
  char path[256];
  weir_log_options_t log = {
      .size = sizeof log, .capacity = CAPACITY, .unit = UNIT};
  CHECK_EQ(weir_log_create(&second, &log), 0);
  weir_log_files_options_t options = {
      .size = sizeof options,
      .disk = files->disk,
      .directory = test_make_directory(place, path),
      .max = KEPT / 2};
  CHECK_EQ(weir_log_files_open(second, &options), 0);
  test_watch_space(files->path, path);

  /* The first is read while its half goes to the second. */
  test_disk.reads_hang = 1;
  uint64_t tail = weir_log_tail(files->log);
  for (uint32_t i = 0; i < 2; i++)
    test_begin_copy(files, &copies[i], tail, KEPT);
  CHECK_EQ(weir_log_files_set_max(files->log, KEPT / 2), 0);
  for (uint32_t i = 0; i < 200; i++) {
    test_files_append(files, STAGE / 4);
    files->log = second;
    test_files_append(files, STAGE / 4);
    files->log = one.log;
    for (uint32_t turns = 0; turns < 20; turns++) {
      uv_run(&files->loop, UV_RUN_NOWAIT);
      check_space(KEPT);
      usleep(20);
    }
  }
  CHECK_EQ(test_end_copy(files, &copies[1]), WEIR_EBEHIND);
  test_disk.reads_hang = 0;
  CHECK_EQ(test_end_copy(files, &copies[0]), WEIR_EBEHIND);
  test_files_settle(files);
  test_files_stream(files, KEPT / 2);
  files->log = second;
  test_files_stream(files, KEPT / 2);
  files->log = one.log;
  check_space(KEPT);
  weir_log_files_info_t info;
  weir_log_files_info(second, &info);
  CHECK(info.bytes > KEPT / 4);
  CHECK(test_files_info(files).bytes > KEPT / 4);
  weir_log_destroy(second);
  test_files_settle(files);
  test_remove_directory(path);
  close_files();
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    test_copies(place);
    test_in_time(place);
    test_listeners(place);
    test_less(place);
    test_limit(place);
  }
  return 0;
}
