/* What comes out of a pipe is in the log, byte for byte, less a WAV header. */
#include "source_test.h"

#define BYTES 6000u

static test_source_t test;
static uint8_t input[BYTES + 200];

static int open_pipe(const weir_source_options_t *options) {
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], options), 0);
  return ends[1];
}

static void put(int fd, const uint8_t *bytes, size_t length) {
  CHECK_EQ(write(fd, bytes, length), length);
}

/* Sends `length` bytes of the input, cut at one place, then the end. */
static void play(size_t length, size_t cut) {
  weir_source_options_t options = test_source_options(&test);
  int fd = open_pipe(&options);
  put(fd, input, cut);
  test_poll(&test.bench);
  put(fd, input + cut, length - cut);
  test_poll(&test.bench);
  CHECK_EQ(close(fd), 0);
  while (test.ends == 0)
    test_poll(&test.bench);
}

/* Each form of the start, cut at each place. */
static void test_every_split(void) {
  uint8_t *samples;
  for (uint32_t list = 0; list <= 26; list += 13) {
    size_t length =
        test_wav(input, &test_stereo, list, 0xFFFFFFFF, 400, 0, &samples);
    size_t header = (size_t)(samples - input);
    CHECK_EQ(length, header + 400);
    for (size_t cut = 0; cut <= length; cut++) {
      test_source_start(&test, 65536, 4);
      play(length, cut);
      CHECK_EQ(test.status, 0);
      CHECK_EQ(test.formats, 0); /* it is what the log carries */
      CHECK_EQ(test.firsts, 1);
      CHECK_EQ(test.ends, 1);
      CHECK_EQ(weir_source_bytes(test.source), 400);
      test_log_holds(test.bench.log, samples, 400);
      test_source_finish(&test);
    }
  }
}

static void test_plain_every_split(void) {
  test_fill(input, BYTES);
  for (size_t cut = 0; cut <= 40; cut++) {
    test_source_start(&test, 65536, 4);
    play(BYTES, cut);
    CHECK_EQ(test.status, 0);
    test_log_holds(test.bench.log, input, BYTES);
    test_source_finish(&test);
  }
  /* Something that begins as a WAV file would, and is none. */
  memcpy(input, "RIFF\0\0\0\0WAVA", 12);
  for (size_t cut = 0; cut <= 14; cut++) {
    test_source_start(&test, 65536, 4);
    play(BYTES, cut);
    CHECK_EQ(test.status, 0);
    test_log_holds(test.bench.log, input, BYTES);
    test_source_finish(&test);
  }
}

/* Streams that are over before anything is clear. */
static void test_short_streams(void) {
  uint8_t *samples;
  size_t length =
      test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 100, 0, &samples);
  size_t header = (size_t)(samples - input);
  for (size_t end = 0; end <= length; end++) {
    test_source_start(&test, 65536, 4);
    play(end, end / 2);
    if (end < 12) { /* it may be raw bytes */
      CHECK_EQ(test.status, 0);
      test_log_holds(test.bench.log, input, end - end % 4);
      CHECK_EQ(test.firsts, end > 0);
    } else if (end < header) {
      CHECK_EQ(test.status, WEIR_EWAVHEADER);
      CHECK_EQ(weir_log_written(test.bench.log), 0);
    } else {
      CHECK_EQ(test.status, 0);
      size_t whole = (end - header) / 4 * 4;
      test_log_holds(test.bench.log, samples, whole);
      CHECK_EQ(weir_log_written(test.bench.log), whole);
    }
    test_source_finish(&test);
  }
}

/* A stated length is where the stream ends, although more follows and the
 * pipe stays open. */
static void test_stated_length(void) {
  uint8_t *samples;
  test_source_start(&test, 65536, 4);
  size_t length = test_wav(input, &test_stereo, 10, 202, 202, 3000, &samples);
  weir_source_options_t options = test_source_options(&test);
  int fd = open_pipe(&options);
  put(fd, input, length);
  while (test.ends == 0)
    test_poll(&test.bench);
  CHECK_EQ(test.status, 0);
  test_log_holds(test.bench.log, samples, 200); /* whole frames */
  CHECK_EQ(close(fd), 0);
  test_source_finish(&test);

  /* Also when the samples come long after the header. */
  test_source_start(&test, 65536, 4);
  length = test_wav(input, &test_stereo, 0, 5000, 5000, 500, &samples);
  options = test_source_options(&test);
  fd = open_pipe(&options);
  for (size_t at = 0; at < length && test.ends == 0; at += 37) {
    put(fd, input + at, length - at < 37 ? length - at : 37);
    test_poll(&test.bench);
  }
  while (test.ends == 0)
    test_poll(&test.bench);
  test_log_holds(test.bench.log, samples, 5000);
  close(fd);
  test_source_finish(&test);
}

/* Without detection a header is bytes like any other. */
static void test_no_detection(void) {
  uint8_t *samples;
  test_source_start(&test, 65536, 4);
  size_t length =
      test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 400, 0, &samples);
  weir_source_options_t options = test_source_options(&test);
  options.detect_wav = 0;
  int fd = open_pipe(&options);
  put(fd, input, length);
  close(fd);
  while (test.ends == 0)
    test_poll(&test.bench);
  test_log_holds(test.bench.log, input, length);
  test_source_finish(&test);
}

/* A source that has ended leaves the log to the next one: closing it takes
 * nothing from a unit that the next has begun. */
static void test_next_source(void) {
  test_source_start(&test, 65536, 4);
  test_fill(input, BYTES);
  weir_source_options_t options = test_source_options(&test);
  options.detect_wav = 0;
  int fd = open_pipe(&options);
  put(fd, input, 403);
  close(fd);
  while (test.ends == 0)
    test_poll(&test.bench);
  CHECK_EQ(weir_log_written(test.bench.log), 400);
  weir_source_t *old = test.source;
  fd = open_pipe(&options);
  put(fd, input + 400, 103);
  while (weir_log_written(test.bench.log) < 503)
    test_poll(&test.bench);
  weir_source_close(old, NULL);
  put(fd, input + 503, 97);
  close(fd);
  while (test.ends == 1)
    test_poll(&test.bench);
  test_log_holds(test.bench.log, input, 600);
  test_source_finish(&test);
}

/* A damaged header, and samples of a kind that is not carried. */
static void test_bad_headers(void) {
  uint8_t *samples;
  for (int which = 0; which < 2; which++) {
    test_source_start(&test, 65536, 4);
    size_t length =
        test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 100, 0, &samples);
    if (which == 0)
      input[32] = 3; /* bytes in a frame */
    else
      input[20] = 6; /* A-law */
    play(length, 10);
    CHECK_EQ(test.status, which == 0 ? WEIR_EWAVHEADER : WEIR_EWAVFORMAT);
    CHECK_EQ(test.firsts, 0);
    CHECK_EQ(weir_log_written(test.bench.log), 0);
    test_source_finish(&test);
  }
}

/* A failing descriptor: what it still holds, then the error. */
static void test_reset(void) {
  test_source_start(&test, 65536, 4);
  test_fill(input, BYTES);
  int pair[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  weir_source_options_t options = test_source_options(&test);
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, pair[0], &options),
      0);
  put(pair[0], input, 10); /* unread by the other end: its close resets */
  put(pair[1], input, 2000);
  CHECK_EQ(close(pair[1]), 0);
  while (test.ends == 0)
    test_poll(&test.bench);
  CHECK(test.status == UV_ECONNRESET || test.status == 0);
  CHECK(weir_log_head(test.bench.log) == 2000 ||
        (test.status == UV_ECONNRESET && weir_log_head(test.bench.log) == 0));
  test_source_finish(&test);
}

static void test_refused(void) {
  test_source_start(&test, 65536, 4);
  weir_source_options_t options = test_source_options(&test);
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  CHECK_EQ(weir_source_open_fd(&test.bench.loop, &test.source, file, &options),
           UV_EPERM);
  CHECK_EQ(close(file), 0);
  CHECK_EQ(weir_source_open_fd(&test.bench.loop, &test.source, file, &options),
           UV_EBADF);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK_EQ(weir_source_open_fd(&test.bench.loop, &test.source, null, &options),
           UV_EPERM);
  options.on_end = NULL;
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], &options),
      WEIR_EOPTION);
  close(ends[0]);
  close(ends[1]);
  CHECK_EQ(close(null), 0);
  weir_source_close(NULL, NULL);
  test_source_finish(&test);
}

int main(void) {
  test_every_split();
  test_plain_every_split();
  test_short_streams();
  test_stated_length();
  test_no_detection();
  test_next_source();
  test_bad_headers();
  test_reset();
  test_refused();
  return 0;
}
