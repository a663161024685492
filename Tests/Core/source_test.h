/* source_test.h - what the tests of sources share. */
#ifndef WEIR_SOURCE_TEST_H
#define WEIR_SOURCE_TEST_H

#include <fcntl.h>

#include "fanout_test.h"
#include "source_state.h"

/* A source on a bench, what it was heard to say, and what it wrote. */
typedef struct test_source {
  test_bench_t bench; /* first: the loop, a log, and perhaps a fan-out */
  weir_source_t *source;
  weir_pcm_format_t found; /* by on_format */
  int formats;
  int firsts;
  int ends;
  int status;
  int closed;
  int format_error;    /* what on_format returns */
  int close_in_format; /* and whether the callbacks close it */
  int close_in_first;
  int close_in_end;
  weir_log_t *other; /* what on_format moves it to, unless NULL */
} test_source_t;

static const weir_pcm_format_t test_stereo = {WEIR_PCM_S16LE, 48000, 2};

static inline void test_source_closed(void *data) {
  test_source_t *test = data;
  CHECK(!test->closed);
  test->closed = 1;
  test->source = NULL;
}

static inline int test_source_format(weir_source_t *source,
                                     const weir_pcm_format_t *format) {
  test_source_t *test = weir_source_data(source);
  test->formats++;
  test->found = *format;
  if (test->other != NULL) weir_source_set_log(source, test->other, NULL);
  if (test->close_in_format) weir_source_close(source, test_source_closed);
  return test->format_error;
}

static inline void test_source_first(weir_source_t *source) {
  test_source_t *test = weir_source_data(source);
  CHECK(weir_source_bytes(source) > 0);
  test->firsts++;
  if (test->close_in_first) weir_source_close(source, test_source_closed);
}

static inline void test_source_end(weir_source_t *source, int status) {
  test_source_t *test = weir_source_data(source);
  test->ends++;
  test->status = status;
  if (test->close_in_end) weir_source_close(source, test_source_closed);
}

static inline weir_source_options_t test_source_options(test_source_t *test) {
  return (weir_source_options_t){.size = sizeof(weir_source_options_t),
                                 .log = test->bench.log,
                                 .fanout = test->bench.fanout,
                                 .format = test_stereo,
                                 .detect_wav = 1,
                                 .clock = test_clock,
                                 .on_format = test_source_format,
                                 .on_first = test_source_first,
                                 .on_end = test_source_end,
                                 .allocator = &test->bench.allocator,
                                 .data = test};
}

static inline void test_source_start(test_source_t *test, size_t capacity,
                                     uint32_t unit) {
  memset(test, 0, sizeof *test);
  test_bench_open(&test->bench, capacity, unit);
}

/* Closes what is open; nothing may be left. */
static inline void test_source_finish(test_source_t *test) {
  weir_source_close(test->source, test_source_closed);
  weir_fanout_close(test->bench.fanout, NULL);
  uv_close((uv_handle_t *)&test->bench.alive, NULL);
  test_close_loop(&test->bench.loop);
  CHECK(test->source == NULL);
  weir_log_destroy(test->bench.log);
  weir_log_destroy(test->other);
  CHECK_EQ(test->bench.purse.live, 0);
}

/* Turns the loop until nothing is left to be done by it or its pool. */
static inline void test_settle(test_source_t *test) {
  for (int idle = 0; idle < 3; idle++) {
    test_poll(&test->bench);
    if (test->bench.loop.active_reqs.count > 0) idle = 0;
  }
}

/* The log holds exactly these bytes from its beginning. */
static inline void test_log_holds(const weir_log_t *log, const void *bytes,
                                  size_t length) {
  CHECK_EQ(weir_log_head(log), length);
  struct iovec iov[2];
  int pieces;
  CHECK_EQ(weir_log_peek(log, 0, SIZE_MAX, iov, &pieces), length);
  const uint8_t *at = bytes;
  for (int i = 0; i < pieces; i++) {
    CHECK(memcmp(iov[i].iov_base, at, iov[i].iov_len) == 0);
    at += iov[i].iov_len;
  }
}

/* Bytes that repeat only after a long while. */
static inline void test_fill(uint8_t *bytes, size_t length) {
  uint64_t seed = 77;
  for (size_t i = 0; i < length; i++)
    bytes[i] = (uint8_t)(test_random(&seed) >> 24);
}

static inline uint8_t *test_chunk(uint8_t *to, const char *name,
                                  uint32_t length) {
  memcpy(to, name, 4);
  for (int i = 0; i < 4; i++)
    to[4 + i] = (uint8_t)(length >> 8 * i);
  return to + 8;
}

/*
 * A WAV file: a LIST chunk of `list` bytes when not 0, samples that are stated
 * to be `stated` bytes, `length` bytes of them, and `trailing` more. Returns
 * the file's length; *samples is where the samples are.
 */
static inline size_t test_wav(uint8_t *to, const weir_pcm_format_t *format,
                              uint32_t list, uint32_t stated, size_t length,
                              size_t trailing, uint8_t **samples) {
  uint8_t *start = to;
  uint32_t frame = weir_pcm_frame_bytes(format);
  uint64_t rate = weir_pcm_byte_rate(format);
  to = test_chunk(to, "RIFF", 0xFFFFFFFF);
  memcpy(to, "WAVE", 4);
  to = test_chunk(to + 4, "fmt ", 16);
  uint8_t body[16] = {1, 0, (uint8_t)format->channels};
  for (int i = 0; i < 4; i++) {
    body[4 + i] = (uint8_t)(format->rate >> 8 * i);
    body[8 + i] = (uint8_t)(rate >> 8 * i);
  }
  body[12] = (uint8_t)frame;
  body[14] = (uint8_t)(frame / format->channels * 8);
  memcpy(to, body, sizeof body);
  to += sizeof body;
  if (list > 0) {
    to = test_chunk(to, "LIST", list);
    memset(to, 'x', list + (list & 1));
    to += list + (list & 1);
  }
  to = test_chunk(to, "data", stated);
  *samples = to;
  test_fill(to, length + trailing);
  return (size_t)(to - start) + length + trailing;
}

#endif
