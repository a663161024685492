/* The CPU time burnt between two polls is measured, in timers and in callbacks
 * of descriptors alike; waiting is not. */
#include <time.h>
#include <unistd.h>

#include "test.h"

#define BURN 40000000u /* ns */
#define WAIT 60        /* ms */

static uint64_t cpu_time(void) {
  struct timespec now;
  CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void burn(void) {
  uint64_t end = cpu_time() + BURN;
  while (cpu_time() < end)
    continue;
}

static void on_burning_timer(uv_timer_t *timer) {
  burn();
  uv_close((uv_handle_t *)timer, NULL);
}

static void on_burning_poll(uv_poll_t *poll, int status, int events) {
  CHECK_EQ(status, 0);
  CHECK_EQ(events, UV_READABLE);
  burn();
  uv_close((uv_handle_t *)poll, NULL);
}

static void on_waited(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

/* Waits a while, so that the turns before and after are none of its own. */
static void wait_for(uv_loop_t *loop) {
  uv_timer_t timer;
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, on_waited, WAIT, 0);
  uv_run(loop, UV_RUN_DEFAULT);
}

/* The clocks when counting began: what is counted since is not more than has
 * passed on them, however little this thread was let run. */
static uint64_t began_cpu, began_wall, began_idle;

static void begin(uv_loop_t *loop, weir_watchdog_t *watchdog) {
  began_cpu = cpu_time();
  began_wall = uv_hrtime();
  began_idle = uv_metrics_idle_time(loop);
  weir_watchdog_reset(watchdog);
  CHECK_EQ(weir_histogram_count(weir_watchdog_cpu(watchdog)), 0);
  CHECK_EQ(weir_histogram_max(weir_watchdog_wall(watchdog)), 0);
}

/* A wait is neither time on the CPU nor time of a turn. */
static void check_sums(uv_loop_t *loop, const weir_watchdog_t *watchdog) {
  uint64_t idle = uv_metrics_idle_time(loop) - began_idle;
  CHECK(idle > 0);
  CHECK(weir_histogram_sum(weir_watchdog_wall(watchdog)) + idle <=
        uv_hrtime() - began_wall);
  CHECK(weir_histogram_sum(weir_watchdog_cpu(watchdog)) <=
        cpu_time() - began_cpu);
}

/* One turn took BURN, at least. */
static void check_burnt(uv_loop_t *loop, weir_watchdog_t *watchdog) {
  const weir_histogram_t *cpu = weir_watchdog_cpu(watchdog);
  CHECK(weir_histogram_max(cpu) >= BURN);
  CHECK(weir_histogram_max(weir_watchdog_wall(watchdog)) >= BURN);
  CHECK(weir_histogram_count(cpu) >= 2);
  check_sums(loop, watchdog);
  begin(loop, watchdog);
}

int main(void) {
  uv_loop_t loop;
  weir_watchdog_t *watchdog;
  CHECK_EQ(uv_loop_init(&loop), 0);
  CHECK_EQ(weir_watchdog_start(&loop, &watchdog, NULL), 0);
  CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0); /* it keeps no loop alive */

  begin(&loop, watchdog);
  wait_for(&loop);
  uv_timer_t timer;
  uv_timer_init(&loop, &timer);
  uv_timer_start(&timer, on_burning_timer, 5, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  wait_for(&loop);
  check_burnt(&loop, watchdog);

  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(write(ends[1], "x", 1), 1);
  wait_for(&loop);
  uv_poll_t poll;
  CHECK_EQ(uv_poll_init(&loop, &poll, ends[0]), 0);
  CHECK_EQ(uv_poll_start(&poll, UV_READABLE, on_burning_poll), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  wait_for(&loop);
  check_burnt(&loop, watchdog);

  /* Turns that only wait. */
  for (int i = 0; i < 10; i++)
    wait_for(&loop);
  check_sums(&loop, watchdog);

  close(ends[0]);
  close(ends[1]);
  weir_watchdog_close(watchdog);
  weir_watchdog_close(NULL);
  test_close_loop(&loop);
  return 0;
}
