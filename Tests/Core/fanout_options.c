/* Options out of their range are refused, and the socket stays the caller's. */
#include <fcntl.h>

#include "fanout_test.h"

static test_bench_t bench;

static int create(weir_fanout_options_t options) {
  weir_fanout_t *fanout = NULL;
  int error = weir_fanout_create(&bench.loop, &fanout, &options);
  CHECK((error == 0) == (fanout != NULL));
  weir_fanout_close(fanout, NULL);
  return error;
}

static void test_create(void) {
  weir_fanout_options_t good = test_bench_options(&bench), options;
  weir_fanout_t *fanout;
  CHECK_EQ(create(good), 0);
  CHECK_EQ(weir_fanout_create(NULL, &fanout, &good), WEIR_EOPTION);
  CHECK_EQ(weir_fanout_create(&bench.loop, &fanout, NULL), WEIR_EOPTION);
  options = good;
  options.size = offsetof(weir_fanout_options_t, landing) - 1;
  CHECK_EQ(create(options), WEIR_EOPTION);
  options = good;
  options.log = NULL;
  CHECK_EQ(create(options), WEIR_EOPTION);
  options = good;
  options.window = WEIR_FANOUT_MIN_WINDOW - 1;
  CHECK_EQ(create(options), WEIR_EOPTION);
  options = good;
  options.window = WEIR_FANOUT_MAX_WINDOW + 1;
  CHECK_EQ(create(options), WEIR_EOPTION);
  options = good;
  options.policy = WEIR_SLOW_PAUSE + 1;
  CHECK_EQ(create(options), WEIR_EOPTION);
  options = good;
  options.window = 0;
  CHECK_EQ(weir_fanout_create(&bench.loop, &fanout, &options), 0);
  CHECK_EQ(weir_fanout_window(fanout), WEIR_FANOUT_DEFAULT_WINDOW);
  weir_fanout_close(fanout, NULL);
  weir_fanout_close(NULL, NULL);
}

static int add(weir_listener_options_t options) {
  uint64_t id = 0;
  int error = weir_fanout_add(bench.fanout, &options, &id);
  CHECK((error == 0) == (id != 0));
  return error;
}

static void test_add_refused(void) {
  int fd = eventfd(0, EFD_NONBLOCK);
  static uint8_t bytes[WEIR_FANOUT_PREAMBLE_MAX + 1];
  weir_listener_options_t good = {
      .size = sizeof good, .fd = fd, .position = 600};
  weir_listener_options_t options;
  uint64_t id;
  test_append(bench.log, 6000); /* keeps [1200, 6000) */
  CHECK_EQ(weir_fanout_add(bench.fanout, NULL, &id), WEIR_EOPTION);
  options = good;
  options.size = 8;
  CHECK_EQ(add(options), WEIR_EOPTION);
  options = good;
  options.fd = -1;
  CHECK_EQ(add(options), WEIR_EOPTION);
  CHECK_EQ(add(good), WEIR_EBEHIND);
  options = good;
  options.position = 6006;
  CHECK_EQ(add(options), WEIR_EAHEAD);
  options = good;
  options.position = 1201;
  CHECK_EQ(add(options), WEIR_EUNALIGNED);
  good.position = 1200;
  options = good;
  options.preamble = bytes;
  options.preamble_length = WEIR_FANOUT_PREAMBLE_MAX + 1;
  CHECK_EQ(add(options), WEIR_EOPTION);
  options = good;
  options.preamble_length = 1;
  CHECK_EQ(add(options), WEIR_EOPTION);
  options = good;
  options.transform = WEIR_TRANSFORM_SWAP32; /* a frame of six bytes */
  CHECK_EQ(add(options), WEIR_EOPTION);
  options = good;
  options.transform = WEIR_TRANSFORM_SWAP32 + 1;
  CHECK_EQ(add(options), WEIR_EOPTION);

  /* What libuv says of the descriptor. */
  options = good;
  options.fd = open("/dev/null", O_RDWR);
  CHECK_EQ(add(options), UV_EPERM); /* epoll knows no such thing */
  CHECK_EQ(close(options.fd), 0);
  CHECK_EQ(add(options), UV_EBADF);
  uv_poll_t poll;
  CHECK_EQ(uv_poll_init(&bench.loop, &poll, fd), 0);
  CHECK_EQ(uv_poll_start(&poll, UV_READABLE, NULL), 0);
  CHECK_EQ(add(good), UV_EEXIST); /* somebody still watches it */
  uv_close((uv_handle_t *)&poll, NULL);
  test_poll(&bench);

  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK_EQ(counters.joined, 0);
  CHECK_EQ(counters.listeners, 0);
  CHECK_EQ(fcntl(fd, F_GETFD), 0); /* open all the while */
  CHECK_EQ(close(fd), 0);
}

int main(void) {
  test_bench_open(&bench, 4800, 6);
  test_create();
  weir_fanout_options_t options = test_bench_options(&bench);
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  test_add_refused();
  test_bench_close(&bench);
  return 0;
}
