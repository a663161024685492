/* A header that says another format is the owner's to decide on: refused,
 * accepted with another log, or the source is closed. */
#include <sys/mman.h>

#include "source_test.h"

static test_source_t test;
static uint8_t input[20000];
static const weir_pcm_format_t mono = {WEIR_PCM_S24LE, 44100, 1};

static int open_pipe(const weir_source_options_t *options) {
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], options), 0);
  return ends[1];
}

static int open_input(const weir_source_options_t *options, size_t length,
                      int as_file) {
  if (!as_file) {
    int fd = open_pipe(options);
    CHECK_EQ(write(fd, input, length), length);
    return fd;
  }
  int fd = memfd_create("input", MFD_CLOEXEC);
  CHECK_EQ(write(fd, input, length), length);
  CHECK_EQ(weir_source_open_file(&test.bench.loop, &test.source, fd, options),
           0);
  return -1;
}

static void make_log(uint32_t unit) {
  weir_log_options_t options = {.size = sizeof options,
                                .capacity = 65536,
                                .unit = unit,
                                .allocator = &test.bench.allocator};
  CHECK_EQ(weir_log_create(&test.other, &options), 0);
}

/* Until it has ended or closed, or everything is in the log. */
static void run(const weir_log_t *log, uint64_t length) {
  while (test.ends == 0 && !test.closed && weir_log_written(log) < length) {
    test_now += 20 * TEST_MS;
    test_settle(&test);
    if (test.source != NULL) weir_source_turn(test.source);
  }
}

static void test_refused(int as_file) {
  uint8_t *samples;
  test_source_start(&test, 65536, 4);
  size_t length = test_wav(input, &mono, 0, 0xFFFFFFFF, 300, 0, &samples);
  weir_source_options_t options = test_source_options(&test);
  options.on_format = NULL;
  int fd = open_input(&options, length, as_file);
  run(test.bench.log, 1);
  CHECK_EQ(test.status, WEIR_EFORMAT);
  CHECK_EQ(test.ends, 1);
  CHECK_EQ(weir_log_written(test.bench.log), 0);
  if (fd >= 0) close(fd);
  test_source_finish(&test);

  test_source_start(&test, 65536, 4);
  options = test_source_options(&test);
  test.format_error = UV_ECANCELED;
  fd = open_input(&options, length, as_file);
  run(test.bench.log, 1);
  CHECK_EQ(test.status, UV_ECANCELED);
  CHECK_EQ(test.formats, 1);
  CHECK_EQ(weir_log_written(test.bench.log), 0);
  if (fd >= 0) close(fd);
  test_source_finish(&test);

  /* Accepted, but the log has units of another size. */
  test_source_start(&test, 65536, 4);
  options = test_source_options(&test);
  fd = open_input(&options, length, as_file);
  run(test.bench.log, 1);
  CHECK_EQ(test.status, WEIR_EFORMAT);
  CHECK_EQ(weir_log_written(test.bench.log), 0);
  if (fd >= 0) close(fd);
  test_source_finish(&test);
}

static void test_other_log(int as_file) {
  uint8_t *samples;
  test_source_start(&test, 65536, 4);
  make_log(3);
  size_t length = test_wav(input, &mono, 14, 0xFFFFFFFF, 9001, 0, &samples);
  weir_source_options_t options = test_source_options(&test);
  int fd = open_input(&options, length, as_file);
  run(test.other, 9000);
  CHECK_EQ(test.formats, 1);
  CHECK(weir_pcm_equal(&test.found, &mono));
  CHECK_EQ(test.firsts, 1);
  CHECK_EQ(weir_log_written(test.bench.log), 0);
  test_log_holds(test.other, samples, 9000);
  if (fd >= 0) close(fd);
  test_source_finish(&test);
}

static void test_closed_inside(int as_file) {
  uint8_t *samples;
  test_source_start(&test, 65536, 4);
  size_t length = test_wav(input, &mono, 0, 0xFFFFFFFF, 300, 0, &samples);
  weir_source_options_t options = test_source_options(&test);
  test.close_in_format = 1;
  int fd = open_input(&options, length, as_file);
  run(test.bench.log, 1);
  CHECK_EQ(test.ends, 0);
  CHECK_EQ(test.firsts, 0);
  CHECK_EQ(weir_log_written(test.bench.log), 0);
  if (fd >= 0) close(fd);
  test_source_finish(&test);

  length = test_wav(input, &test_stereo, 0, 0xFFFFFFFF, 300, 0, &samples);
  test_source_start(&test, 65536, 4);
  options = test_source_options(&test);
  test.close_in_first = 1;
  fd = open_input(&options, length, as_file);
  run(test.bench.log, 300);
  CHECK_EQ(test.firsts, 1);
  if (fd >= 0) close(fd);
  for (int i = 0; i < 5; i++)
    test_settle(&test);
  CHECK_EQ(test.ends, 0);
  CHECK_EQ(test.closed, 1);
  test_source_finish(&test);

  test_source_start(&test, 65536, 4);
  options = test_source_options(&test);
  test.close_in_end = 1;
  fd = open_input(&options, length, as_file);
  if (fd >= 0) close(fd);
  while (!test.closed) {
    test_now += 20 * TEST_MS;
    test_settle(&test);
    if (test.source != NULL && test.ends == 0) weir_source_turn(test.source);
  }
  CHECK_EQ(test.ends, 1);
  CHECK_EQ(test.status, 0);
  test_log_holds(test.bench.log, samples, 300);
  test_source_finish(&test);
}

int main(void) {
  for (int as_file = 0; as_file <= 1; as_file++) {
    test_refused(as_file);
    test_other_log(as_file);
    test_closed_inside(as_file);
  }
  return 0;
}
