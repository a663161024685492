/* Fan-outs that share a budget keep a turn of the loop as short, together, as
 * one burst, and all of them are served. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "test.h"

#define FANOUTS   50u
#define LISTENERS 10u
#define WRITE_NS  100000u /* what one write costs */

static uint64_t writes_in_turn, most_in_turn, written;

static int64_t slow_write(void *context, int fd, const struct iovec *iov,
                          int count) {
  (void)context;
  (void)fd;
  writes_in_turn++;
  written++;
  for (uint64_t end = uv_hrtime() + WRITE_NS; uv_hrtime() < end;) {
  }
  int64_t offered = 0;
  for (int i = 0; i < count; i++)
    offered += (int64_t)iov[i].iov_len;
  return offered;
}

static void close_sink(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t slow = {.write = slow_write, .close = close_sink};

static void on_prepare(uv_prepare_t *prepare) {
  (void)prepare;
  if (most_in_turn < writes_in_turn) most_in_turn = writes_in_turn;
  writes_in_turn = 0;
}

static void join(weir_fanout_t *fanout) {
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = eventfd(0, EFD_NONBLOCK),
                                     .sink = &slow,
                                     .position = WEIR_FANOUT_NEWEST};
  uint64_t id;
  CHECK_EQ(weir_fanout_add(fanout, &options, &id), 0);
}

int main(void) {
  uv_loop_t loop;
  uv_prepare_t prepare;
  weir_budget_t *budget;
  weir_log_t *logs[FANOUTS];
  weir_fanout_t *fanouts[FANOUTS];
  CHECK_EQ(uv_loop_init(&loop), 0);
  CHECK_EQ(weir_budget_create(&loop, &budget, NULL), 0);
  for (uint32_t i = 0; i < FANOUTS; i++) {
    weir_log_options_t log = {.size = sizeof log};
    CHECK_EQ(weir_log_create(&logs[i], &log), 0);
    weir_fanout_options_t options = {.size = sizeof options,
                                     .log = logs[i],
                                     .window_is_zero = 1,
                                     .budget = budget};
    CHECK_EQ(weir_fanout_create(&loop, &fanouts[i], &options), 0);
    for (uint32_t k = 0; k < LISTENERS; k++)
      join(fanouts[i]);
  }
  for (int i = 0; i < 3; i++)
    uv_run(&loop, UV_RUN_NOWAIT);
  uv_prepare_init(&loop, &prepare);
  uv_prepare_start(&prepare, on_prepare);

  for (uint32_t i = 0; i < FANOUTS; i++) {
    weir_log_append(logs[i], "0123", 4);
    weir_fanout_published(fanouts[i]);
  }
  while (written < FANOUTS * LISTENERS)
    uv_run(&loop, UV_RUN_ONCE);
  uv_run(&loop, UV_RUN_NOWAIT);
  CHECK_EQ(written, FANOUTS * LISTENERS);
  /* One each, and a burst: the clock is looked at every eighth listener. */
  CHECK(most_in_turn <= FANOUTS + WEIR_FANOUT_BURST_NS / WRITE_NS + 8);

  uv_close((uv_handle_t *)&prepare, NULL);
  for (uint32_t i = 0; i < FANOUTS; i++)
    weir_fanout_close(fanouts[i], NULL);
  weir_budget_close(budget);
  test_close_loop(&loop);
  for (uint32_t i = 0; i < FANOUTS; i++)
    weir_log_destroy(logs[i]);
  return 0;
}
