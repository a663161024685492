/* A file is played by the sample clock, whole frames of its samples only; in
 * a loop, at its end, and when it is cut while it plays. */
#include <sys/mman.h>

#include "source_test.h"

#define RATE  192000u /* bytes a second */
#define FRAME 4u

static test_source_t test;
static uint8_t input[1 << 20];

static int make_file(size_t length) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  for (size_t at = 0; at < length;) {
    ssize_t n = write(fd, input + at, length - at);
    CHECK(n > 0);
    at += (size_t)n;
  }
  return fd;
}

/* Opens it and waits for its first block; returns another descriptor of the
 * file. */
static int open_file(size_t length, int loop_file) {
  int fd = make_file(length);
  int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  weir_source_options_t options = test_source_options(&test);
  options.loop_file = loop_file;
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, &options),
           0);
  CHECK_EQ(test.ends, 0); /* never from within the call */
  test_settle(&test);
  return mine;
}

/* Time goes on; reads are waited for, so that none is late. */
static void go_on(uint64_t time) {
  test_now += time;
  test_settle(&test);
  weir_source_turn(test.source);
  test_settle(&test);
}

/* The log's bytes from `from` on are the file's samples, again and again. */
static void check_loop(const uint8_t *samples, size_t length, uint64_t from) {
  struct iovec iov[2];
  int pieces;
  CHECK(weir_log_peek(test.bench.log, from, SIZE_MAX, iov, &pieces) > 0);
  for (int i = 0; i < pieces; i++)
    for (size_t k = 0; k < iov[i].iov_len; k++, from++)
      CHECK_EQ(((uint8_t *)iov[i].iov_base)[k], samples[from % length]);
}

static void test_paced(void) {
  test_source_start(&test, 1 << 20, FRAME);
  test_fill(input, sizeof input);
  int fd = open_file(900000, 0);
  uint64_t began = test_now, seed = 21;
  while (test_now - began < 4 * TEST_SECOND) {
    go_on(test_random(&seed) % (60 * TEST_MS));
    uint64_t due = (test_now - began) * RATE / TEST_SECOND;
    CHECK_EQ(weir_source_bytes(test.source), due - due % FRAME);
    CHECK_EQ(weir_source_last(test.source) <= test_now, 1);
  }
  CHECK_EQ(test.firsts, 1);
  CHECK_EQ(test.ends, 0);
  while (test.ends == 0) {
    go_on(20 * TEST_MS);
    CHECK(test_now - began < 5 * TEST_SECOND);
  }
  CHECK_EQ(test.status, 0);
  test_log_holds(test.bench.log, input, 900000);
  CHECK(test_now - began >= 900000ull * TEST_SECOND / RATE);
  CHECK(test_now - began <= 900000ull * TEST_SECOND / RATE + 60 * TEST_MS);
  close(fd);
  test_source_finish(&test);
}

/* Every length around a block and its frames, with and without a header. */
static void test_lengths(void) {
  uint8_t *samples;
  static const size_t lengths[] = {4,     5,     7,     4095,   65535, 65536,
                                   65537, 65541, 70000, 131071, 131072};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    for (int form = 0; form < 4; form++) {
      size_t length = lengths[i], file = length;
      test_source_start(&test, 1 << 20, FRAME);
      samples = input;
      if (form == 0) test_fill(input, length);
      if (form == 1) /* an endless header */
        file =
            test_wav(input, &test_stereo, 0, 0xFFFFFFFF, length, 0, &samples);
      if (form == 2) /* chunks behind the samples */
        file = test_wav(input, &test_stereo, 26, (uint32_t)length, length, 5000,
                        &samples);
      if (form == 3) /* it promises more than it has */
        file = test_wav(input, &test_stereo, 3, (uint32_t)length + 1000, length,
                        0, &samples);
      int fd = open_file(file, 0);
      while (test.ends == 0)
        go_on(100 * TEST_MS);
      CHECK_EQ(test.status, 0);
      test_log_holds(test.bench.log, samples, length - length % FRAME);
      CHECK_EQ(weir_log_written(test.bench.log), length - length % FRAME);
      close(fd);
      test_source_finish(&test);
    }
  }
}

/* A length that a writer left which could not go back, 0 among them: the
 * samples go on to the end of the file, and whatever is there is played. */
static void test_endless_lengths(void) {
  static const uint32_t stated[] = {0, 0x7FFFFFFF, 0xFFFFFFDB, 0xFFFFFFFF};
  uint8_t *samples;
  for (size_t i = 0; i < sizeof stated / sizeof stated[0]; i++) {
    for (size_t trailing = 0; trailing <= 1000; trailing += 500) {
      test_source_start(&test, 1 << 20, FRAME);
      size_t file = test_wav(input, &test_stereo, 26, stated[i], 70000,
                             trailing, &samples);
      int fd = open_file(file, 0);
      while (test.ends == 0)
        go_on(100 * TEST_MS);
      CHECK_EQ(test.status, 0);
      test_log_holds(test.bench.log, samples, 70000 + trailing);
      close(fd);
      test_source_finish(&test);
    }
  }
}

/* A header that fills the first block to its last byte. */
static void test_long_header(void) {
  uint8_t *samples;
  for (uint32_t list = 65536 - 60; list <= 65536 - 52; list++) {
    test_source_start(&test, 1 << 20, FRAME);
    size_t file =
        test_wav(input, &test_stereo, list, 0xFFFFFFFF, 20000, 0, &samples);
    int fd = open_file(file, 0);
    while (test.ends == 0)
      go_on(100 * TEST_MS);
    if (samples - input <= 65536) {
      CHECK_EQ(test.status, 0);
      test_log_holds(test.bench.log, samples, 20000);
    } else {
      CHECK_EQ(test.status, WEIR_EWAVHEADER);
    }
    close(fd);
    test_source_finish(&test);
  }
}

static void test_nothing_to_play(void) {
  uint8_t *samples;
  for (int loop_file = 0; loop_file <= 1; loop_file++) {
    for (size_t length = 0; length < 4; length++) {
      test_source_start(&test, 65536, FRAME);
      int fd = open_file(length, loop_file);
      while (test.ends == 0)
        test_settle(&test);
      CHECK_EQ(test.status, UV_EOF);
      close(fd);
      test_source_finish(&test);
    }
    size_t file = test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 0, 0, &samples);
    for (size_t cut = 12; cut <= file; cut++) {
      test_source_start(&test, 65536, FRAME);
      int fd = open_file(cut, loop_file);
      while (test.ends == 0)
        test_settle(&test);
      int whole = cut == file; /* a whole header */
      CHECK_EQ(test.status, whole ? (int)UV_EOF : (int)WEIR_EWAVHEADER);
      CHECK_EQ(test.firsts, 0);
      close(fd);
      test_source_finish(&test);
    }
  }
}

static void test_loop(void) {
  uint8_t *samples;
  static const size_t lengths[] = {4, 1000, 65536 - 44, 65536, 100000, 131075};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    test_source_start(&test, 1 << 20, FRAME);
    size_t length = lengths[i] - lengths[i] % FRAME;
    size_t file = test_wav(input, &test_stereo, 0, (uint32_t)lengths[i],
                           lengths[i], 3001, &samples);
    int fd = open_file(file, 1);
    uint64_t began = test_now;
    for (int k = 0; k < (length > 4 ? 200 : 10); k++) {
      go_on(20 * TEST_MS);
      CHECK_EQ(weir_source_bytes(test.source),
               (test_now - began) * RATE / TEST_SECOND);
    }
    CHECK_EQ(test.ends, 0);
    check_loop(samples, length, 0);
    close(fd);
    test_source_finish(&test);
  }
}

/* Cut at any byte: it plays what is left, in whole frames, to its new end. */
static void test_cut(void) {
  static const size_t cuts[] = {0, 3, 50000, 150002, 200001, 262143};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    test_source_start(&test, 1 << 20, FRAME);
    test_fill(input, 300000);
    int fd = open_file(300000, 0);
    go_on(100 * TEST_MS);
    CHECK_EQ(ftruncate(fd, (off_t)cuts[i]), 0);
    while (test.ends == 0)
      go_on(100 * TEST_MS);
    CHECK_EQ(test.status, 0);
    size_t length = weir_log_written(test.bench.log);
    CHECK_EQ(length % FRAME, 0);
    CHECK(length >= cuts[i] - cuts[i] % FRAME); /* what was read is played */
    CHECK(length <= cuts[i] || length <= 3 * WEIR_SOURCE_FILE_BLOCK);
    test_log_holds(test.bench.log, input, length);
    close(fd);
    test_source_finish(&test);
  }
}

static void test_cut_in_a_loop(void) {
  test_source_start(&test, 1 << 20, FRAME);
  test_fill(input, 300000);
  int fd = open_file(300000, 1);
  go_on(100 * TEST_MS);
  CHECK_EQ(ftruncate(fd, 200003), 0);
  for (int i = 0; i < 40; i++)
    go_on(100 * TEST_MS);
  CHECK_EQ(test.ends, 0);
  CHECK_EQ(weir_source_bytes(test.source), 787200);
  check_loop(input, 200000, 0);
  /* To nothing: it has an end then. */
  CHECK_EQ(ftruncate(fd, 0), 0);
  while (test.ends == 0)
    go_on(100 * TEST_MS);
  CHECK_EQ(test.status, 0);
  close(fd);
  test_source_finish(&test);
}

/* Held time is not made up for, and a clock that leaps is not either. */
static void test_hold(void) {
  test_source_start(&test, 1 << 20, FRAME);
  test_fill(input, 900000);
  int fd = open_file(900000, 0);
  go_on(500 * TEST_MS);
  CHECK_EQ(weir_source_bytes(test.source), 96000);
  weir_source_hold(test.source, 1);
  go_on(5 * TEST_SECOND);
  CHECK_EQ(weir_source_bytes(test.source), 96000);
  weir_source_hold(test.source, 0);
  go_on(0);
  CHECK_EQ(weir_source_bytes(test.source), 96000);
  go_on(500 * TEST_MS);
  CHECK_EQ(weir_source_bytes(test.source), 192000);
  go_on(3600 * TEST_SECOND);
  CHECK_EQ(weir_source_bytes(test.source), 192000);
  go_on(500 * TEST_MS);
  CHECK_EQ(weir_source_bytes(test.source), 288000);
  test_log_holds(test.bench.log, input, 288000);
  close(fd);
  test_source_finish(&test);
}

/* Held before it has begun. */
static void test_held_from_the_start(void) {
  test_source_start(&test, 1 << 20, FRAME);
  test_fill(input, 100000);
  int fd = make_file(100000);
  weir_source_options_t options = test_source_options(&test);
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, &options),
           0);
  weir_source_hold(test.source, 1);
  test_settle(&test);
  go_on(500 * TEST_MS);
  CHECK_EQ(weir_source_bytes(test.source), 0);
  weir_source_hold(test.source, 0);
  go_on(100 * TEST_MS);
  CHECK_EQ(weir_source_bytes(test.source), 19200);
  test_source_finish(&test);
}

/* Closed while its read is under way, at any moment. */
static void test_closed_while_reading(void) {
  test_fill(input, 300000);
  for (int turns = 0; turns < 30; turns++) {
    test_source_start(&test, 1 << 20, FRAME);
    int fd = make_file(300000);
    weir_source_options_t options = test_source_options(&test);
    CHECK_EQ(
        weir_source_open_file(&test.bench.loop, &test.source, fd, &options), 0);
    for (int i = 0; i < turns; i++) {
      test_now += 40 * TEST_MS; /* it is far from its end */
      test_poll(&test.bench);
      weir_source_turn(test.source);
    }
    weir_source_close(test.source, test_source_closed);
    while (!test.closed)
      test_poll(&test.bench);
    CHECK_EQ(test.ends, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), -1); /* the descriptor was the source's */
    test_source_finish(&test);
  }
}

static void test_refused(void) {
  test_source_start(&test, 65536, FRAME);
  weir_source_options_t options = test_source_options(&test);
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(
      weir_source_open_file(&test.bench.loop, &test.source, ends[0], &options),
      WEIR_EOPTION);
  close(ends[0]);
  close(ends[1]);
  int fd = make_file(100);
  options.format.rate = 0;
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, &options),
           WEIR_EOPTION);
  options = test_source_options(&test);
  options.format.channels = 1; /* frames that are not the log's units */
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, &options),
           WEIR_EOPTION);
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, NULL),
           WEIR_EOPTION);
  CHECK_EQ(close(fd), 0);
  test_source_finish(&test);
}

int main(void) {
  test_paced();
  test_lengths();
  test_endless_lengths();
  test_long_header();
  test_nothing_to_play();
  test_loop();
  test_cut();
  test_cut_in_a_loop();
  test_hold();
  test_held_from_the_start();
  test_closed_while_reading();
  test_refused();
  return 0;
}
