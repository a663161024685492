/* A listener that is older than the ring is sent from the files: it slides into
 * them and out again by itself, waits for the disk without being blamed for it,
 * and skips when the disk has lost what it wants. */
#include "files_test.h"

#include "fanout_test.h"

#define UNIT     188u
#define CAPACITY (UNIT * 1000u)
#define MIB      ((uint64_t)1 << 20)
#define SINKS    24u

static test_bench_t bench;
static test_sink_t sinks[SINKS];
static weir_disk_t *disk;
static char path[256];

static void open_bench(const char *place, weir_slow_policy_t policy) {
  memset(&test_disk, 0, sizeof test_disk);
  test_bench_open(&bench, CAPACITY, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = policy;
  options.timeout = 8 * TEST_SECOND;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  CHECK_EQ(weir_disk_create(&bench.loop, &disk, &bench.allocator), 0);
  int directory = test_make_directory(place, path);
  weir_log_files_options_t files = {.size = sizeof files,
                                    .disk = disk,
                                    .directory = directory,
                                    .max = 4 * MIB};
  CHECK_EQ(weir_log_files_open(bench.log, &files), 0);
}

static void close_bench(void) {
  weir_log_files_close(bench.log, NULL, NULL);
  weir_disk_close(disk, NULL, NULL);
  test_bench_close(&bench);
  test_remove_directory(path);
}

/* The disk does what there is to do. */
static void settle(void) {
  while (disk->operations > 0)
    test_poll(&bench);
}

static void stream(uint64_t length) {
  while (length > 0) {
    uint64_t run = length < CAPACITY / 8 ? length : CAPACITY / 8;
    test_publish(&bench, run);
    settle();
    test_pass(&bench, 20 * TEST_MS);
    length -= run;
  }
}

static void join_at(test_sink_t *sink, uint64_t position) {
  CHECK_EQ(test_add(&bench, sink, position, 44, WEIR_TRANSFORM_NONE), 0);
}

static uint64_t head(void) {
  return weir_log_head(bench.log);
}

static uint64_t tail(void) {
  return weir_log_tail(bench.log);
}

/* The disk and the listeners take turns. */
static void serve(int turns) {
  while (turns-- > 0) {
    test_pass(&bench, 20 * TEST_MS);
    settle();
  }
}

static void check_whole(const test_sink_t *sink) {
  CHECK(!sink->ended);
  CHECK_EQ(sink->reader.skipped, 0);
  CHECK_EQ(sink->reader.next * UNIT, head());
  CHECK_EQ(sink->reader.received, head() - sink->start);
}

static void test_joins(const char *place, int no_nowait) {
  open_bench(place, WEIR_SLOW_SKIP);
  test_disk.no_nowait = no_nowait;
  stream(6 * MIB);
  for (uint32_t i = 0; i < SINKS; i++) {
    uint64_t units = (head() - tail()) / UNIT;
    join_at(&sinks[i], tail() + units * i / SINKS * UNIT);
  }
  CHECK(sinks[0].start < weir_log_ring_tail(bench.log) - 2 * MIB);
  serve(4 * SINKS);
  stream(MIB);
  for (uint32_t i = 0; i < SINKS; i++)
    check_whole(&sinks[i]);
  if (no_nowait) CHECK(test_disk.reads > 0);
  close_bench();
}

/* A crowd at one place: each block is read once. */
static void test_crowd(const char *place) {
  open_bench(place, WEIR_SLOW_SKIP);
  stream(6 * MIB);
  test_disk.no_nowait = 1;
  for (uint32_t i = 0; i < SINKS; i++)
    join_at(&sinks[i], tail());
  weir_log_files_info_t info;
  weir_log_files_info(bench.log, &info);
  uint64_t blocks = info.bytes / WEIR_DISK_BLOCK + 1;
  serve(200);
  for (uint32_t i = 0; i < SINKS; i++)
    check_whole(&sinks[i]);
  CHECK(test_disk.reads <= blocks + 2 * info.segments);
  close_bench();
}

/* It stops, is overtaken by the ring, goes on; then by the files' tail. */
static void test_slides(const char *place, int no_nowait) {
  open_bench(place, WEIR_SLOW_SKIP);
  test_disk.no_nowait = no_nowait;
  stream(MIB);
  test_join(&bench, &sinks[0]);
  for (int i = 0; i < 5; i++) {
    sinks[0].appetite = 1001; /* in the middle of a unit */
    stream(2 * MIB);
    CHECK(sinks[0].reader.next * UNIT < weir_log_ring_tail(bench.log));
    sinks[0].appetite = UINT64_MAX;
    sinks[0].bite = i % 2 == 0 ? 0 : 10007;
    test_poll(&bench); /* its socket has room again */
    serve(i % 2 == 0 ? 30 : 400);
    check_whole(&sinks[0]);
  }
  sinks[0].appetite = 1001;
  sinks[0].bite = 0;
  stream(6 * MIB);
  sinks[0].appetite = UINT64_MAX;
  uint64_t kept = head() - tail();
  CHECK(kept < 6 * MIB);
  serve(30);
  CHECK(!sinks[0].ended);
  CHECK_EQ(sinks[0].reader.next * UNIT, head());
  close_bench();
}

static void wait_for_hang(void) {
  while (test_disk.hanging == 0)
    test_poll(&bench);
}

/* A disk that hangs a while costs time; longer than the timeout, the bytes.
 * Nobody else notices. */
static void test_hangs(const char *place) {
  open_bench(place, WEIR_SLOW_SKIP);
  stream(4 * MIB);
  test_disk.no_nowait = 1;
  test_disk.reads_hang = 1;
  uint64_t start = tail();
  join_at(&sinks[0], start);
  test_join(&bench, &sinks[1]);
  test_pass(&bench, 20 * TEST_MS);
  wait_for_hang();
  for (int i = 0; i < 30; i++) {
    test_publish(&bench, UNIT);
    test_pass(&bench, 100 * TEST_MS);
  }
  check_whole(&sinks[1]);
  CHECK(!sinks[0].ended);
  CHECK_EQ(sinks[0].reader.received, 0);
  test_disk.reads_hang = 0;
  settle();
  serve(50);
  check_whole(&sinks[0]);

  test_disk.reads_hang = 1;
  join_at(&sinks[2], start);
  test_pass(&bench, 20 * TEST_MS);
  join_at(&sinks[3], start); /* has it from the blocks that were read */
  for (int i = 0; i < 90; i++) {
    test_publish(&bench, UNIT);
    test_pass(&bench, 100 * TEST_MS);
  }
  for (int i = 2; i < 4; i++) {
    CHECK(!sinks[i].ended);
    CHECK_EQ(sinks[i].reports, 1);
    CHECK_EQ(sinks[i].reader.next * UNIT, head());
    CHECK(sinks[i].reader.skipped > MIB);
  }
  check_whole(&sinks[1]);
  test_disk.reads_hang = 0;
  settle();
  close_bench();
}

/* The block comes when nobody wants it any more. */
static void test_leaves_while_waiting(const char *place) {
  open_bench(place, WEIR_SLOW_SKIP);
  stream(4 * MIB);
  test_disk.no_nowait = 1;
  test_disk.reads_hang = 1;
  for (uint32_t i = 0; i < 2 * WEIR_DISK_BLOCKS; i++) {
    uint64_t at = tail() + i * (uint64_t)CAPACITY;
    join_at(&sinks[i], at);
  }
  test_pass(&bench, 20 * TEST_MS);
  wait_for_hang();
  CHECK_EQ(disk->reading, WEIR_DISK_BLOCKS);
  CHECK(!weir__link_is_empty(&disk->waiters));
  CHECK_EQ(weir_fanout_kick(bench.fanout, sinks[0].id), 0);
  CHECK_EQ(weir_fanout_kick(bench.fanout, sinks[9].id), 0);
  CHECK(sinks[0].ended && sinks[9].ended);
  /* The tier begins again: they skip, and wait no more. */
  weir_log_files_clear(bench.log);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(weir__link_is_empty(&disk->waiters));
  for (uint32_t i = 1; i < 2 * WEIR_DISK_BLOCKS; i++) {
    if (i == 9) continue;
    CHECK_EQ(sinks[i].reader.received, 0);
    CHECK(!sinks[i].ended);
  }
  test_publish(&bench, 10 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  for (uint32_t i = 1; i < 2 * WEIR_DISK_BLOCKS; i++)
    if (i != 9) CHECK_EQ(sinks[i].reader.received, 10 * UNIT);
  test_disk.reads_hang = 0;
  settle();
  stream(4 * MIB);
  test_disk.reads_hang = 1;
  join_at(&sinks[0], tail());
  test_pass(&bench, 20 * TEST_MS);
  wait_for_hang();
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK_EQ(sinks[0].reason, WEIR_END_SHUTDOWN);
  test_disk.reads_hang = 0;
  close_bench();
}

/* What cannot be read is lost, once for all, and they go on. */
static void test_broken(const char *place, int no_nowait) {
  open_bench(place, WEIR_SLOW_SKIP);
  stream(4 * MIB);
  uint64_t before = tail();
  test_disk.no_nowait = no_nowait;
  test_disk.now_error = test_disk.read_error = EIO;
  for (int i = 0; i < 3; i++)
    join_at(&sinks[i], before);
  serve(4);
  weir_log_files_info_t info;
  weir_log_files_info(bench.log, &info);
  CHECK_EQ(info.restarts, 1);
  CHECK_EQ(info.error, UV_EIO);
  test_disk.now_error = test_disk.read_error = 0;
  stream(4 * MIB);
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(sinks[i].last.skips, 1);
    CHECK_EQ(sinks[i].last.position, head());
    CHECK_EQ(sinks[i].last.sent_bytes + sinks[i].last.skipped_bytes,
             head() - before);
  }
  close_bench();
}

static void test_disconnect(const char *place) {
  open_bench(place, WEIR_SLOW_DISCONNECT);
  stream(4 * MIB);
  join_at(&sinks[0], tail() + 10000 * UNIT); /* far from the next cut */
  test_join(&bench, &sinks[1]);
  sinks[1].appetite = 0;
  stream(MIB);
  check_whole(&sinks[0]);
  CHECK(!sinks[1].ended); /* in the files */
  stream(4 * MIB);
  CHECK(sinks[1].ended);
  CHECK_EQ(sinks[1].reason, WEIR_END_LAG);
  check_whole(&sinks[0]);
  close_bench();
}

/* The writer waits for one that reads files until it is well in the ring: what
 * files hold may be lost, so they are no reason to go on. */
static void test_pause(const char *place) {
  open_bench(place, WEIR_SLOW_PAUSE);
  CHECK(weir_fanout_room(bench.fanout, UNIT) == UINT64_MAX);
  stream(4 * MIB);
  join_at(&sinks[0], tail());
  sinks[0].bite = 60000;
  CHECK_EQ(weir_fanout_room(bench.fanout, UNIT), 0);
  CHECK(weir_fanout_is_held(bench.fanout));
  int turns = 0;
  while (weir_fanout_is_held(bench.fanout)) {
    serve(1);
    CHECK(turns++ < 1000);
  }
  CHECK(head() - sinks[0].reader.next * UNIT <= CAPACITY / 2 + UNIT);
  sinks[0].bite = 0;
  serve(2);
  check_whole(&sinks[0]);
  CHECK(weir_fanout_room(bench.fanout, UNIT) >= UNIT);
  close_bench();
}

static void test_in_another_form(const char *place, int no_nowait) {
  open_bench(place, WEIR_SLOW_SKIP);
  test_disk.no_nowait = no_nowait;
  stream(4 * MIB);
  for (int i = 0; i < 4; i++)
    CHECK_EQ(
        test_add(&bench, &sinks[i], tail() + (uint64_t)i / 2 * UNIT, 44,
                 i % 2 == 0 ? WEIR_TRANSFORM_SWAP16 : WEIR_TRANSFORM_SWAP32),
        0);
  serve(200);
  for (int i = 0; i < 4; i++)
    check_whole(&sinks[i]);
  close_bench();
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++) {
    for (int no_nowait = 0; no_nowait < 2; no_nowait++) {
      test_joins(place, no_nowait);
      test_slides(place, no_nowait);
      test_broken(place, no_nowait);
      test_in_another_form(place, no_nowait);
    }
    test_crowd(place);
    test_hangs(place);
    test_leaves_while_waiting(place);
    test_disconnect(place);
    test_pause(place);
  }
  return 0;
}
