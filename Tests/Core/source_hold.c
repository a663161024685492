/* A source reads at most its budget before the loop turns, stops while it is
 * held by its owner or by listeners that must be waited for, and loses nothing
 * by it. */
#include "source_test.h"

static test_source_t test;
static uint8_t *input;

#define BYTES 4000000u

/* A pipe that never runs dry: as much as fits, again and again. */
typedef struct feed {
  int fd;
  size_t at;
} feed_t;

static void refill(feed_t *feed) {
  while (feed->at < BYTES) {
    ssize_t n = write(feed->fd, input + feed->at, BYTES - feed->at);
    if (n < 0) return;
    feed->at += (size_t)n;
  }
  if (feed->fd >= 0) CHECK_EQ(close(feed->fd), 0);
  feed->fd = -1;
}

static feed_t open_feed(const weir_source_options_t *options) {
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], options), 0);
  return (feed_t){ends[1], 0};
}

static void test_budget(void) {
  test_source_start(&test, 8 << 20, 4);
  weir_source_options_t options = test_source_options(&test);
  feed_t feed = open_feed(&options);
  refill(&feed);
  int full = 0;
  while (test.ends == 0) {
    uint64_t before = weir_source_bytes(test.source);
    test_poll(&test.bench);
    refill(&feed);
    uint64_t run = weir_source_bytes(test.source) - before;
    CHECK(run < WEIR_SOURCE_READ_MAX + 65536);
    if (run >= WEIR_SOURCE_READ_MAX) full++;
  }
  CHECK(full > 0);
  test_log_holds(test.bench.log, input, BYTES);
  test_source_finish(&test);
}

static void test_held_by_owner(void) {
  test_source_start(&test, 8 << 20, 4);
  weir_source_options_t options = test_source_options(&test);
  feed_t feed = open_feed(&options);
  uint64_t seed = 9;
  while (test.ends == 0) {
    refill(&feed);
    test_poll(&test.bench);
    if (test_random(&seed) % 3 == 0) {
      weir_source_hold(test.source, 1);
      weir_source_hold(test.source, 1);
      uint64_t before = weir_source_bytes(test.source);
      for (int i = 0; i < 5; i++)
        test_poll(&test.bench);
      weir_source_turn(test.source);
      CHECK_EQ(weir_source_bytes(test.source), before);
      weir_source_hold(test.source, 0);
    }
  }
  test_log_holds(test.bench.log, input, BYTES);
  test_source_finish(&test);
}

/* A source that is closed while it is held, and one that ended before. */
static void test_closed_while_held(void) {
  test_source_start(&test, 1 << 20, 4);
  weir_source_options_t options = test_source_options(&test);
  feed_t feed = open_feed(&options);
  weir_source_hold(test.source, 1);
  test_source_finish(&test);
  close(feed.fd);

  test_source_start(&test, 1 << 20, 4);
  options = test_source_options(&test);
  feed = open_feed(&options);
  close(feed.fd);
  while (test.ends == 0)
    test_poll(&test.bench);
  weir_source_hold(test.source, 1);
  weir_source_hold(test.source, 0);
  weir_source_turn(test.source);
  for (int i = 0; i < 5; i++)
    test_poll(&test.bench);
  CHECK_EQ(test.ends, 1);
  test_source_finish(&test);
}

static int byte_errors;
static uint64_t taken;
static uint64_t appetite;

static int64_t compare(void *context, int fd, const struct iovec *iov,
                       int count) {
  (void)context;
  (void)fd;
  uint64_t length = 0;
  for (int i = 0; i < count && length < appetite; i++) {
    size_t run = iov[i].iov_len;
    if (run > appetite - length) run = appetite - length;
    if (memcmp(iov[i].iov_base, input + taken + length, run) != 0)
      byte_errors++;
    length += run;
  }
  taken += length;
  appetite -= length;
  return length > 0 ? (int64_t)length : UV_EAGAIN;
}

static void compared(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  close(fd);
}

static const weir_sink_t comparing = {.write = compare, .close = compared};

static void open_fanout(size_t capacity, weir_slow_policy_t policy) {
  test_source_start(&test, capacity, 4);
  weir_fanout_options_t options = test_bench_options(&test.bench);
  options.policy = policy;
  options.on_end = NULL;
  options.on_skip = NULL;
  CHECK_EQ(weir_fanout_create(&test.bench.loop, &test.bench.fanout, &options),
           0);
  uint64_t id;
  weir_listener_options_t listener = {.size = sizeof listener,
                                      .fd = eventfd(0, EFD_NONBLOCK),
                                      .sink = &comparing,
                                      .position = WEIR_FANOUT_NEWEST};
  CHECK_EQ(weir_fanout_add(test.bench.fanout, &listener, &id), 0);
  taken = appetite = 0;
}

static void test_held_by_listeners(size_t capacity, int wav) {
  open_fanout(capacity, WEIR_SLOW_PAUSE);
  uint8_t *samples;
  if (wav) test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 0, 0, &samples);
  weir_source_options_t options = test_source_options(&test);
  options.detect_wav = 1;
  feed_t feed = open_feed(&options);
  size_t header = wav ? (size_t)(samples - input) : 0;
  taken = header;
  uint64_t seed = 4;
  int held = 0;
  size_t length = (BYTES - header) / 4 * 4;
  while (taken < header + length) {
    refill(&feed);
    appetite = test_random(&seed) % 4 == 0 ? capacity : 0;
    test_pass(&test.bench, 5 * TEST_MS);
    held += weir_fanout_is_held(test.bench.fanout);
    if (test_random(&seed) % 100 == 0) { /* and by its owner, meanwhile */
      weir_source_hold(test.source, 1);
      appetite = capacity;
      test_pass(&test.bench, 20 * TEST_MS);
      weir_source_hold(test.source, 0);
    }
  }
  CHECK_EQ(byte_errors, 0);
  CHECK(held > 10);
  while (test.ends == 0)
    test_pass(&test.bench, 5 * TEST_MS);
  CHECK_EQ(test.status, 0);
  weir_fanout_counters_t counters;
  weir_fanout_counters(test.bench.fanout, &counters);
  CHECK_EQ(counters.skips, 0);
  CHECK_EQ(counters.sent_bytes, length);
  test_source_finish(&test);
  if (wav) test_fill(input, BYTES);
}

/* A new source opens on the fan-out before the one it replaces is closed. */
static void test_replaced(void) {
  open_fanout(65536, WEIR_SLOW_PAUSE);
  weir_source_options_t options = test_source_options(&test);
  feed_t feed = open_feed(&options);
  weir_source_t *old = test.source;
  close(feed.fd);
  while (test.ends == 0)
    test_poll(&test.bench);
  feed = open_feed(&options);
  weir_source_close(old, NULL);
  for (int i = 0; i < 400; i++) { /* held for good, were it forgotten */
    refill(&feed);
    appetite = i / 20 % 2 == 0 ? UINT64_MAX : 0;
    test_pass(&test.bench, 20 * TEST_MS);
  }
  weir_fanout_counters_t counters;
  weir_fanout_counters(test.bench.fanout, &counters);
  CHECK(counters.holds >= 5);
  CHECK(taken > 20 * 65536);
  CHECK_EQ(byte_errors, 0);
  if (feed.fd >= 0) close(feed.fd);
  test_source_finish(&test);
}

/* As fast as the pipe gives, into a small ring with a long window: one who
 * takes everything loses nothing, as a turn reads a part of the ring only. */
static void test_small_ring(void) {
  open_fanout(65536, WEIR_SLOW_SKIP);
  CHECK_EQ(weir_fanout_set_window(test.bench.fanout, 500 * TEST_MS), 0);
  weir_source_options_t options = test_source_options(&test);
  feed_t feed = open_feed(&options);
  appetite = UINT64_MAX;
  while (test.ends == 0) {
    refill(&feed);
    test_poll(&test.bench);
  }
  test_pass(&test.bench, 500 * TEST_MS);
  weir_fanout_counters_t counters;
  weir_fanout_counters(test.bench.fanout, &counters);
  CHECK_EQ(counters.skips, 0);
  CHECK_EQ(counters.sent_bytes, BYTES);
  CHECK_EQ(byte_errors, 0);
  test_source_finish(&test);
}

int main(void) {
  input = malloc(BYTES);
  test_fill(input, BYTES);
  test_budget();
  test_held_by_owner();
  test_closed_while_held();
  test_held_by_listeners(65536, 0);
  test_held_by_listeners(256 * 1024, 0);
  test_replaced();
  test_small_ring();
  test_held_by_listeners(65536, 1);
  free(input);
  return 0;
}
