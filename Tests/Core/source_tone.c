/* The tone is weir_tone_fill(), frame by frame, at the pace of the clock. */
#include "source_test.h"

static test_source_t test;

static void check_tone(const weir_pcm_format_t *format, uint64_t from) {
  struct iovec iov[2];
  int pieces;
  uint32_t frame = weir_pcm_frame_bytes(format);
  CHECK(weir_log_peek(test.bench.log, from, SIZE_MAX, iov, &pieces) > 0);
  for (int i = 0; i < pieces; i++) {
    uint8_t *expected = malloc(iov[i].iov_len);
    weir_tone_fill(format, from / frame, iov[i].iov_len / frame, expected);
    CHECK(memcmp(iov[i].iov_base, expected, iov[i].iov_len) == 0);
    from += iov[i].iov_len;
    free(expected);
  }
}

static void test_paced(weir_pcm_format_t format) {
  uint32_t frame = weir_pcm_frame_bytes(&format);
  uint64_t rate = weir_pcm_byte_rate(&format);
  test_source_start(&test, 200000, frame);
  weir_source_options_t options = test_source_options(&test);
  options.format = format;
  CHECK_EQ(weir_source_open_tone(&test.bench.loop, &test.source, &options), 0);
  uint64_t began = test_now, seed = 8;
  for (int i = 0; i < 200; i++) {
    test_now += test_random(&seed) % (60 * TEST_MS);
    weir_source_turn(test.source);
    uint64_t due = (uint64_t)((double)(test_now - began) * (double)rate / 1e9);
    CHECK_EQ(weir_source_bytes(test.source), due - due % frame);
    CHECK_EQ(weir_log_written(test.bench.log), due - due % frame);
    if (due >= frame) check_tone(&format, weir_log_tail(test.bench.log));
  }
  CHECK_EQ(test.firsts, 1);
  CHECK_EQ(weir_source_last(test.source), test_now);

  /* A machine that slept does not flood; it goes on in the sequence. */
  uint64_t before = weir_source_bytes(test.source);
  test_now += 2 * TEST_SECOND;
  weir_source_turn(test.source);
  CHECK_EQ(weir_source_bytes(test.source), before);
  test_now += 100 * TEST_MS;
  weir_source_turn(test.source);
  uint64_t tenth = rate / 10;
  CHECK_EQ(weir_source_bytes(test.source), before + tenth - tenth % frame);
  /* Less than a second is made up for. */
  test_now += 900 * TEST_MS;
  weir_source_turn(test.source);
  CHECK_EQ(weir_source_bytes(test.source), before + rate - rate % frame);
  check_tone(&format, weir_log_tail(test.bench.log));

  /* Held time is not. */
  before = weir_source_bytes(test.source);
  weir_source_hold(test.source, 1);
  test_now += 500 * TEST_MS;
  weir_source_turn(test.source);
  weir_source_hold(test.source, 0);
  weir_source_turn(test.source);
  CHECK_EQ(weir_source_bytes(test.source), before);
  test_now += 100 * TEST_MS;
  weir_source_turn(test.source);
  CHECK_EQ(weir_source_bytes(test.source), before + tenth - tenth % frame);
  check_tone(&format, weir_log_tail(test.bench.log));
  CHECK_EQ(test.ends, 0);
  test_source_finish(&test);
}

/* On the loop's own timer, with the real clock. */
static void test_on_a_loop(void) {
  test_source_start(&test, 200000, 4);
  weir_source_options_t options = test_source_options(&test);
  options.clock = NULL;
  options.pace = 5 * TEST_MS;
  CHECK_EQ(weir_source_open_tone(&test.bench.loop, &test.source, &options), 0);
  uint64_t began = uv_hrtime(), writes = 0, bytes = 0;
  while (weir_log_written(test.bench.log) < 19200) { /* a tenth of a second */
    test_poll(&test.bench);
    if (weir_log_written(test.bench.log) > bytes) writes++;
    bytes = weir_log_written(test.bench.log);
  }
  CHECK(writes >= 1 && writes <= (uv_hrtime() - began) / options.pace + 1);
  check_tone(&test_stereo, 0);
  /* It does not keep a host's loop alive. */
  uv_idle_stop(&test.bench.alive);
  CHECK(!uv_loop_alive(&test.bench.loop));
  test_source_finish(&test);
}

/* The longest pace is not taken for a machine that slept. */
static void test_slow_pace(void) {
  test_source_start(&test, 2000000, 4);
  weir_source_options_t options = test_source_options(&test);
  options.pace = WEIR_SOURCE_PACE_MAX_NS;
  CHECK_EQ(weir_source_open_tone(&test.bench.loop, &test.source, &options), 0);
  for (uint64_t second = 1; second < 5; second++) {
    /* A timer is late by something. */
    test_now += options.pace + TEST_MS;
    weir_source_turn(test.source);
    CHECK_EQ(weir_source_bytes(test.source), second * (192000 + 192));
  }
  test_source_finish(&test);
}

static void test_closed_in_first(void) {
  test_source_start(&test, 200000, 4);
  weir_source_options_t options = test_source_options(&test);
  CHECK_EQ(weir_source_open_tone(&test.bench.loop, &test.source, &options), 0);
  test.close_in_first = 1;
  test_now += 20 * TEST_MS;
  weir_source_turn(test.source);
  while (!test.closed)
    test_poll(&test.bench);
  test_source_finish(&test);
}

int main(void) {
  test_paced(test_stereo);
  test_paced((weir_pcm_format_t){WEIR_PCM_S24LE, 44100, 2});
  test_paced((weir_pcm_format_t){WEIR_PCM_F32LE, 8000, 1});
  test_on_a_loop();
  test_slow_pace();
  test_closed_in_first();
  return 0;
}
