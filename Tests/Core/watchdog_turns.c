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

/* One turn took BURN, at least; on the CPU no other took a fourth of it. */
static void check(weir_watchdog_t *watchdog) {
  const weir_histogram_t *cpu = weir_watchdog_cpu(watchdog);
  const weir_histogram_t *wall = weir_watchdog_wall(watchdog);
  CHECK(weir_histogram_max(cpu) >= BURN);
  CHECK(weir_histogram_max(wall) >= BURN);
  CHECK(weir_histogram_max(cpu) < 2 * BURN);
  uint64_t turns = weir_histogram_count(cpu);
  CHECK(turns >= 2);
  CHECK_EQ(weir_histogram_count_below(cpu, BURN / 4), turns - 1);
  weir_watchdog_reset(watchdog);
  CHECK_EQ(weir_histogram_count(cpu), 0);
  CHECK_EQ(weir_histogram_max(wall), 0);
}

int main(void) {
  uv_loop_t loop;
  weir_watchdog_t *watchdog;
  CHECK_EQ(uv_loop_init(&loop), 0);
  CHECK_EQ(weir_watchdog_start(&loop, &watchdog, NULL), 0);
  CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0); /* it keeps no loop alive */

  wait_for(&loop);
  uv_timer_t timer;
  uv_timer_init(&loop, &timer);
  uv_timer_start(&timer, on_burning_timer, 5, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  wait_for(&loop);
  check(watchdog);

  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(write(ends[1], "x", 1), 1);
  wait_for(&loop);
  uv_poll_t poll;
  CHECK_EQ(uv_poll_init(&loop, &poll, ends[0]), 0);
  CHECK_EQ(uv_poll_start(&poll, UV_READABLE, on_burning_poll), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  wait_for(&loop);
  check(watchdog);

  /* Turns that only wait take next to no CPU time, and their wait is not
   * counted: the wall clock shows no turn as long as the wait in most. */
  for (int i = 0; i < 10; i++)
    wait_for(&loop);
  CHECK(weir_histogram_max(weir_watchdog_cpu(watchdog)) < BURN / 4);
  CHECK(weir_histogram_quantile(weir_watchdog_wall(watchdog), 0.5) <
        WAIT * 1000000u / 2);

  close(ends[0]);
  close(ends[1]);
  weir_watchdog_close(watchdog);
  weir_watchdog_close(NULL);
  test_close_loop(&loop);
  return 0;
}
