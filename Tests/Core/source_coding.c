/* A stream with titles between its bytes, and samples in the other order: the
 * log has the bytes as they belong, whatever pieces they came in. */
#include <errno.h>
#include <sys/socket.h>

#include "source_test.h"
#include "weir/errors.h"

#define FRAMES  1200u
#define BYTES   (FRAMES * 12u) /* of frames of 4, 6 and 12 bytes */
#define SECOND  1000000000ull
#define CAPTURE 8

static test_source_t test;
static uint8_t body[BYTES];
static uint8_t turned[BYTES];
static uint8_t wire[3 * BYTES];
static int peer;
static char titles[CAPTURE][64];
static int title_count;
static int close_in_title;

static void on_title(weir_source_t *source, const char *text, size_t length) {
  CHECK(title_count < CAPTURE && length < sizeof titles[0]);
  memcpy(titles[title_count], text, length);
  titles[title_count++][length] = 0;
  if (close_in_title) weir_source_close(source, test_source_closed);
}

static weir_source_options_t start(uint32_t unit) {
  test_source_start(&test, 16384 / unit * unit, unit);
  title_count = 0;
  weir_source_options_t options = test_source_options(&test);
  options.detect_wav = 0;
  options.on_title = on_title;
  return options;
}

static int open_source(const weir_source_options_t *options) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  peer = ends[1];
  int error =
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], options);
  if (error < 0) CHECK_EQ(close(ends[0]), 0);
  return error;
}

/* In pieces of at most `most` bytes. */
static void put(const uint8_t *bytes, size_t length, size_t most) {
  uint64_t seed = 5;
  while (length > 0) {
    size_t run = 1 + test_random(&seed) % most;
    if (run > length) run = length;
    CHECK_EQ(send(peer, bytes, run, MSG_NOSIGNAL), run);
    bytes += run;
    length -= run;
    test_poll(&test.bench);
  }
}

static void finish(void) {
  CHECK_EQ(close(peer), 0);
  test_source_finish(&test);
}

/* `length` bytes of the body, and behind every `interval` of them a title. */
static size_t make(size_t length, size_t interval, const char *format) {
  size_t at = 0;
  int number = 0;
  for (size_t i = 0; i < length; i++) {
    wire[at++] = body[i];
    if ((i + 1) % interval != 0) continue;
    char text[64];
    size_t count = (size_t)snprintf(text, sizeof text, format, number++);
    size_t blocks = (count + 15) / 16;
    wire[at++] = (uint8_t)blocks;
    memset(wire + at, 0, blocks * 16);
    memcpy(wire + at, text, count);
    at += blocks * 16;
  }
  return at;
}

static void test_titles(void) {
  size_t length = make(12000, 1000, "title %d");
  weir_source_options_t options = start(4);
  options.title_interval = 1000;
  CHECK_EQ(open_source(&options), 0);
  put(wire, length, 700);
  test_log_holds(test.bench.log, body, 12000);
  CHECK_EQ(weir_source_bytes(test.source), 12000);
  /* The clock stood still: the first, and later the newest. */
  CHECK_EQ(title_count, 1);
  CHECK(strcmp(titles[0], "title 0") == 0);
  test_now += SECOND;
  put(body, 4, 4);
  CHECK_EQ(title_count, 2);
  CHECK(strcmp(titles[1], "title 11") == 0);
  test_now += SECOND;
  put(body, 4, 4);
  CHECK_EQ(title_count, 2);
  finish();
}

static void test_close_in_title(void) {
  size_t length = make(100, 50, "x");
  weir_source_options_t options = start(4);
  options.title_interval = 50;
  close_in_title = 1;
  CHECK_EQ(open_source(&options), 0);
  CHECK_EQ(send(peer, wire, length, MSG_NOSIGNAL), length);
  test_poll(&test.bench);
  CHECK_EQ(title_count, 1);
  CHECK_EQ(test.ends, 0);
  close_in_title = 0;
  finish();
}

static void test_turned(weir_pcm_sample_t sample, size_t most) {
  size_t width = weir_pcm_sample_bytes(sample);
  weir_pcm_swap(turned, body, BYTES, (uint32_t)width);
  weir_source_options_t options = start((uint32_t)width * 2);
  options.format.sample = sample;
  options.swap_width = (uint32_t)width;
  CHECK_EQ(open_source(&options), 0);
  put(turned, BYTES, most);
  test_log_holds(test.bench.log, body, BYTES);
  /* What is left of a sample at the end is dropped. */
  put(turned, 1, 1);
  CHECK_EQ(shutdown(peer, SHUT_WR), 0);
  for (int i = 0; i < 1000 && test.ends == 0; i++)
    test_poll(&test.bench);
  CHECK_EQ(test.ends, 1);
  CHECK_EQ(test.status, 0);
  CHECK_EQ(weir_log_head(test.bench.log), BYTES);
  finish();
}

/* Both: titles cut samples in two. */
static void test_both(void) {
  weir_pcm_swap(turned, body, 6000, 2);
  uint8_t kept[6000];
  memcpy(kept, body, sizeof kept);
  memcpy(body, turned, sizeof kept);
  size_t length = make(6000, 33, "t");
  memcpy(body, kept, sizeof kept);
  weir_source_options_t options = start(4);
  options.swap_width = 2;
  options.title_interval = 33;
  CHECK_EQ(open_source(&options), 0);
  put(wire, length, 41);
  test_log_holds(test.bench.log, body, 6000);
  finish();
}

static void test_refused(void) {
  weir_source_options_t options = start(4);
  options.title_interval = WEIR_ICY_INTERVAL_MAX + 1;
  CHECK_EQ(open_source(&options), WEIR_EOPTION);
  options.title_interval = 0;
  options.swap_width = 3; /* the samples have two bytes */
  CHECK_EQ(close(peer), 0);
  CHECK_EQ(open_source(&options), WEIR_EOPTION);
  options.swap_width = 2;
  options.detect_wav = 1;
  CHECK_EQ(close(peer), 0);
  CHECK_EQ(open_source(&options), WEIR_EOPTION);
  test_poll(&test.bench);
  finish();
}

int main(void) {
  test_fill(body, sizeof body);
  test_titles();
  test_close_in_title();
  static const weir_pcm_sample_t samples[] = {WEIR_PCM_S16LE, WEIR_PCM_S24LE,
                                              WEIR_PCM_S32LE};
  for (size_t i = 0; i < 3; i++) {
    test_turned(samples[i], 1);
    test_turned(samples[i], 7);
    test_turned(samples[i], 5000);
  }
  test_both();
  test_refused();
  return 0;
}
