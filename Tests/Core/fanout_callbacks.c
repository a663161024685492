/* A callback may end any listener, add one, or close the fan-out. */
#include "fanout_test.h"

#define LISTENERS 20u

static test_bench_t bench;
static test_sink_t sinks[2 * LISTENERS];
static uint32_t joined;
static int closings;

static void on_closed(void *data) {
  CHECK(data == &bench);
  closings++;
}

/* What the callbacks do. */
enum { NOTHING, KICK, END, CLOSE, ADD };
static int deed;

static void kick(weir_fanout_t *fanout, uint32_t which) {
  int expected = sinks[which].ended ? UV_ENOENT : 0;
  CHECK_EQ(weir_fanout_kick(fanout, sinks[which].id), expected);
  CHECK(sinks[which].ended);
}

static void act(weir_fanout_t *fanout, const weir_listener_info_t *who) {
  uint32_t which = (uint32_t)((test_sink_t *)who->data - sinks);
  switch (deed) {
    case NOTHING:
      break;
    case KICK: /* itself, its neighbours, and one far away */
      if (joined == 0) break;
      kick(fanout, which);
      kick(fanout, (which + 1) % joined);
      kick(fanout, (which + joined - 1) % joined);
      kick(fanout, (which + joined / 2) % joined);
      break;
    case END:
      weir_fanout_end(fanout, WEIR_END_SHUTDOWN);
      break;
    case CLOSE:
      weir_fanout_close(fanout, on_closed);
      break;
    case ADD:
      if (joined < 2 * LISTENERS) test_join(&bench, &sinks[joined++]);
      break;
  }
}

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  test_on_end(fanout, who, reason, error);
  act(fanout, who);
}

static void on_skip(weir_fanout_t *fanout, const weir_listener_info_t *who) {
  test_on_skip(fanout, who);
  act(fanout, who);
}

static void on_hold(weir_fanout_t *fanout, int hold) {
  if (deed == CLOSE && hold) weir_fanout_close(fanout, on_closed);
  if (deed == END && !hold) weir_fanout_end(fanout, WEIR_END_SHUTDOWN);
}

static void open_bench(weir_slow_policy_t policy) {
  deed = NOTHING;
  closings = 0;
  joined = 0;
  test_bench_open(&bench, 4096, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = policy;
  options.on_end = on_end;
  options.on_skip = on_skip;
  options.on_hold = on_hold;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  while (joined < LISTENERS)
    test_join(&bench, &sinks[joined++]);
}

static void check_all_ended(void) {
  for (uint32_t i = 0; i < joined; i++)
    CHECK(sinks[i].ended);
}

static void finish(void) {
  deed = NOTHING;
  test_bench_close(&bench);
  check_all_ended();
}

/* All are lapped; the first to be reported acts. */
static void lap(void) {
  for (uint32_t i = 0; i < joined; i++)
    sinks[i].appetite = 10;
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 5000);
  test_pass(&bench, 20 * TEST_MS);
}

static void test_in_on_skip(void) {
  for (int which = KICK; which <= CLOSE; which++) {
    open_bench(WEIR_SLOW_SKIP);
    lap();
    for (uint32_t i = 0; i < joined; i++)
      CHECK(sinks[i].reports > 0);
    test_now += 2 * TEST_SECOND;
    deed = which;
    test_publish(&bench, 5000); /* more than the ring: all are served */
    check_all_ended();
    CHECK_EQ(sinks[0].reason,
             which == KICK ? WEIR_END_KICKED : WEIR_END_SHUTDOWN);
    finish();
    CHECK_EQ(closings, which == CLOSE);
  }
}

/* Sockets fail in the middle of a pass. */
static void test_in_on_end(void) {
  for (int which = KICK; which <= ADD; which++) {
    open_bench(WEIR_SLOW_SKIP);
    test_publish(&bench, 400);
    sinks[LISTENERS / 2].error = UV_ECONNRESET;
    deed = which;
    test_pass(&bench, 20 * TEST_MS);
    CHECK_EQ(sinks[LISTENERS / 2].reason, WEIR_END_CLOSED);
    CHECK_EQ(sinks[LISTENERS / 2].end_error, UV_ECONNRESET);
    if (which == ADD)
      CHECK_EQ(joined, LISTENERS + 1);
    else
      check_all_ended();
    deed = NOTHING;
    test_publish(&bench, 400);
    finish();
    CHECK_EQ(closings, which == CLOSE);
  }
}

/* on_end acts while all are being ended, or the fan-out is being closed. */
static void test_in_the_middle_of_an_end(void) {
  for (int which = KICK; which <= ADD; which++) {
    open_bench(WEIR_SLOW_SKIP);
    test_publish(&bench, 400);
    deed = which;
    weir_fanout_end(bench.fanout, WEIR_END_LAG);
    for (uint32_t i = 0; i < LISTENERS; i++)
      CHECK(sinks[i].ended);
    if (which == ADD) {
      /* Those that came meanwhile stay, and are served. */
      CHECK_EQ(joined, 2 * LISTENERS);
      deed = NOTHING;
      test_publish(&bench, 400);
      test_pass(&bench, 20 * TEST_MS);
      for (uint32_t i = LISTENERS; i < joined; i++)
        CHECK_EQ(sinks[i].reader.received, 400);
    }
    finish();
    CHECK_EQ(closings, which == CLOSE);
  }
}

static void add_too_late(weir_fanout_t *fanout, const weir_listener_info_t *who,
                         weir_end_reason_t reason, int error) {
  test_on_end(fanout, who, reason, error);
  test_sink_t late;
  CHECK_EQ(test_add(&bench, &late, WEIR_FANOUT_NEWEST, 0, WEIR_TRANSFORM_NONE),
           WEIR_EOPTION);
  weir_fanout_close(fanout, NULL); /* once is enough */
}

static void test_in_the_middle_of_a_close(void) {
  open_bench(WEIR_SLOW_SKIP);
  bench.fanout->options.on_end = add_too_late;
  weir_fanout_close(bench.fanout, on_closed);
  check_all_ended();
  finish();
  CHECK_EQ(closings, 1);
}

static void test_in_on_hold(void) {
  open_bench(WEIR_SLOW_PAUSE);
  for (uint32_t i = 0; i < joined; i++)
    sinks[i].appetite = 0;
  deed = CLOSE;
  while (weir_fanout_room(bench.fanout, 512) > 0)
    test_publish(&bench, 512);
  check_all_ended();
  finish();
  CHECK_EQ(closings, 1);

  open_bench(WEIR_SLOW_PAUSE);
  sinks[0].appetite = 0;
  while (weir_fanout_room(bench.fanout, 512) > 0)
    test_publish(&bench, 512);
  deed = END;
  sinks[0].appetite = UINT64_MAX;
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  check_all_ended();
  finish();
}

int main(void) {
  test_in_on_skip();
  test_in_on_end();
  test_in_the_middle_of_an_end();
  test_in_the_middle_of_a_close();
  test_in_on_hold();
  return 0;
}
