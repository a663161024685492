/* The timer runs while something is to be sent, or somebody to be timed; an
 * idle fan-out arms none, and never keeps the loop alive. */
#include <sys/timerfd.h>

#include "fanout_test.h"

static test_bench_t bench;

static int timer_runs(void) {
  struct itimerspec when;
  CHECK_EQ(timerfd_gettime(bench.fanout->timer_fd, &when), 0);
  int runs = when.it_interval.tv_nsec != 0;
  CHECK_EQ(runs, bench.fanout->armed);
  return runs;
}

/* Nothing of the fan-out's keeps the loop turning. */
static void check_asleep(void) {
  CHECK(!timer_runs());
  CHECK(!uv_is_active((uv_handle_t *)&bench.fanout->check));
  CHECK(!uv_is_active((uv_handle_t *)&bench.fanout->idle));
}

static void open_bench(uint64_t window) {
  test_bench_open(&bench, 1 << 20, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.clock = NULL;
  options.window = window;
  options.window_is_zero = window == 0;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  check_asleep();
}

static void wait_until_asleep(void) {
  while (timer_runs())
    test_poll(&bench);
  test_poll(&bench);
  check_asleep();
}

static void test_idle(uint64_t window) {
  test_sink_t sink;
  open_bench(window);
  test_publish(&bench, 400); /* to nobody */
  test_poll(&bench);
  check_asleep();
  test_join(&bench, &sink);
  wait_until_asleep();
  for (uint64_t i = 1; i <= 3; i++) {
    test_publish(&bench, 400);
    CHECK(timer_runs());
    while (sink.reader.received < 400 * i)
      test_poll(&bench);
    CHECK_EQ(sink.writes, i);
    wait_until_asleep();
  }
  /* One that must be timed keeps it running, with nothing written. */
  sink.appetite = 0;
  test_publish(&bench, 400);
  for (int turns = 0; turns < 5;) {
    uint64_t writes = sink.writes;
    test_poll(&bench);
    if (sink.writes > writes) turns++;
    CHECK(timer_runs());
  }
  CHECK_EQ(weir_fanout_kick(bench.fanout, sink.id), 0);
  wait_until_asleep();

  /* Asleep or not, a host's loop ends when the host's own handles do. */
  test_join(&bench, &sink);
  sink.appetite = 0;
  test_publish(&bench, 400);
  test_poll(&bench);
  uv_idle_stop(&bench.alive);
  CHECK(!uv_loop_alive(&bench.loop));
  CHECK_EQ(uv_run(&bench.loop, UV_RUN_DEFAULT), 0);
  test_bench_close(&bench);
}

static uint64_t turns;

static void on_prepare(uv_prepare_t *prepare) {
  (void)prepare;
  turns++;
}

static void on_timeout(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

/* A socket that was waited for, and has taken everything since, is writable:
 * that must not turn the loop. */
static void test_quiet_loop(void) {
  test_sink_t sink;
  uv_prepare_t prepare;
  uv_timer_t timer;
  open_bench(5 * TEST_MS);
  test_join(&bench, &sink);
  sink.bite = 100;
  test_publish(&bench, 400);
  while (sink.reader.received < 400)
    test_poll(&bench);
  CHECK_EQ(sink.writes, 4);
  wait_until_asleep();
  uv_prepare_init(&bench.loop, &prepare);
  uv_prepare_start(&prepare, on_prepare);
  uv_timer_init(&bench.loop, &timer);
  uv_timer_start(&timer, on_timeout, 20, 0);
  uv_idle_stop(&bench.alive);
  turns = 0;
  uv_run(&bench.loop, UV_RUN_DEFAULT);
  CHECK(turns <= 3);
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_close((uv_handle_t *)&timer, NULL);
  test_bench_close(&bench);
}

int main(void) {
  test_quiet_loop();
  test_idle(5 * TEST_MS);
  test_idle(50 * TEST_MS);
  test_idle(0);
  return 0;
}
