/* A sink that holds some of what it accepted: the listener has caught up when
 * that is passed on, waits for its socket until then, also on a quiet log, and
 * is judged as slow meanwhile. */
#include "fanout_test.h"

/* What was accepted waits here, up to 64 KiB. */
typedef struct test_tank {
  test_sink_t sink; /* first: its close and checks are the test's own */
  uint8_t held[65536];
  size_t length;
  size_t drain; /* bytes that a flush may pass on */
  uint64_t flushes;
} test_tank_t;

static int tank_flush(void *context, int fd) {
  test_tank_t *tank = context;
  size_t run = tank->length < tank->drain ? tank->length : tank->drain;
  CHECK(fd >= 0);
  tank->flushes++;
  if (tank->length == 0) return 0;
  if (run == 0) return UV_EAGAIN;
  test_read(&tank->sink.reader, tank->held, run);
  memmove(tank->held, tank->held + run, tank->length - run);
  tank->length -= run;
  tank->drain -= run;
  return tank->length > 0;
}

static int64_t tank_write(void *context, int fd, const struct iovec *iov,
                          int count) {
  test_tank_t *tank = context;
  CHECK(fd >= 0 && tank->length == 0); /* never while it holds something */
  for (int i = 0; i < count; i++) {
    CHECK(iov[i].iov_len <= sizeof tank->held - tank->length);
    memcpy(tank->held + tank->length, iov[i].iov_base, iov[i].iov_len);
    tank->length += iov[i].iov_len;
  }
  size_t taken = tank->length;
  (void)tank_flush(tank, fd);
  return (int64_t)taken;
}

static const weir_sink_t tank_calls = {
    .write = tank_write, .close = test_sink_close, .flush = tank_flush};

static test_bench_t bench;
static test_tank_t tank;

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  (void)fanout;
  CHECK(tank.sink.closed);
  tank.sink.ended = 1;
  tank.sink.reason = reason;
  tank.sink.end_error = error;
  tank.sink.last = *who;
}

static void open_tank(weir_slow_policy_t policy) {
  test_bench_open(&bench, 65536, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = policy;
  options.on_end = on_end;
  options.on_skip = NULL;
  options.timeout = TEST_SECOND;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  memset(&tank, 0, sizeof tank);
  tank.drain = SIZE_MAX;
  test_reader_start(&tank.sink.reader, 4, 0, 0, WEIR_TRANSFORM_NONE);
  weir_listener_options_t listener = {.size = sizeof listener,
                                      .fd = eventfd(0, EFD_NONBLOCK),
                                      .sink = &tank_calls,
                                      .sink_context = &tank,
                                      .position = WEIR_FANOUT_NEWEST,
                                      .data = &tank};
  CHECK_EQ(weir_fanout_add(bench.fanout, &listener, &tank.sink.id), 0);
  test_pass(&bench, 20 * TEST_MS);
}

static void test_quiet(void) {
  open_tank(WEIR_SLOW_SKIP);
  tank.drain = 1001;
  test_publish(&bench, 8000);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(tank.sink.reader.received, 1001);
  /* Nothing new comes, and the rest goes all the same. */
  tank.drain = 3000;
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(tank.sink.reader.received, 4001);
  tank.drain = SIZE_MAX;
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(tank.sink.reader.received, 8000);
  /* It has caught up: on a quiet log no clock runs, and nothing is asked. */
  test_pass(&bench, 20 * TEST_MS);
  for (int i = 0; i < 100; i++)
    test_pass(&bench, 100 * TEST_MS);
  CHECK(!tank.sink.ended);
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(tank.sink.reader.received, 8400);
  CHECK_EQ(tank.sink.reader.skipped, 0);
  test_bench_close(&bench);
  CHECK_EQ(tank.sink.reason, WEIR_END_SHUTDOWN);
}

/* Everything was accepted and nothing passed on: that is a stall. */
static void test_stalled(void) {
  open_tank(WEIR_SLOW_SKIP);
  tank.drain = 0;
  test_publish(&bench, 8000);
  uint64_t began = test_now;
  while (!tank.sink.ended && test_now < began + 5 * TEST_SECOND)
    test_pass(&bench, 20 * TEST_MS);
  CHECK(tank.sink.ended);
  CHECK_EQ(tank.sink.reason, WEIR_END_STALLED);
  CHECK(tank.sink.clean);
  CHECK(test_now >= began + TEST_SECOND);
  CHECK(test_now <= began + TEST_SECOND + 100 * TEST_MS);
  CHECK_EQ(tank.sink.last.sent_bytes, 8000);
  test_bench_close(&bench);
}

/* Drop by drop is not a stall. */
static void test_drops(void) {
  open_tank(WEIR_SLOW_SKIP);
  tank.drain = 0;
  test_publish(&bench, 8000);
  for (int i = 0; i < 300; i++) {
    tank.drain = 10;
    test_pass(&bench, 100 * TEST_MS);
  }
  CHECK(!tank.sink.ended);
  CHECK(tank.sink.reader.received >= 2990);
  test_bench_close(&bench);
}

/* What it holds goes before what a skip leads to. */
static void test_skip(void) {
  open_tank(WEIR_SLOW_SKIP);
  tank.drain = 5;
  test_publish(&bench, 8000);
  test_pass(&bench, 20 * TEST_MS);
  for (int i = 0; i < 30; i++) {
    test_publish(&bench, 8000);
    test_pass(&bench, 20 * TEST_MS);
  }
  CHECK_EQ(tank.sink.reader.received, 5);
  tank.drain = SIZE_MAX;
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(tank.sink.reader.received > 8000);
  CHECK(tank.sink.reader.skipped > 0);
  CHECK_EQ(tank.sink.reader.part_length, 0);
  CHECK_EQ(tank.sink.reader.next * 4, weir_log_head(bench.log));
  test_bench_close(&bench);
}

int main(void) {
  test_quiet();
  test_stalled();
  test_drops();
  test_skip();
  return 0;
}
