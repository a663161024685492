/* The body of an HTTP message as a source: in whatever pieces it comes, what
 * was read behind the head included, the log holds its bytes and no others. */
#include <errno.h>
#include <sys/socket.h>

#include "scale.h"
#include "source_test.h"
#include "weir/errors.h"

#define BYTES 400u
#define LARGE 100000u

typedef enum form { TO_END, LENGTH, CHUNKED } form_t;

static test_source_t test;
static uint8_t body[LARGE];
static uint8_t wire[3 * LARGE];
static int peer;

static void start(form_t form, size_t capacity, const uint8_t *prefix,
                  size_t prefix_length, uint64_t length) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  peer = ends[1];
  test_source_start(&test, capacity, 4);
  weir_source_options_t options = test_source_options(&test);
  options.prefix = prefix;
  options.prefix_length = prefix_length;
  options.chunked = form == CHUNKED;
  options.length = form == LENGTH ? length : 0;
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], &options),
      0);
  CHECK(test.ends == 0 && test.firsts == 0); /* never from within the call */
}

static void put(const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = send(peer, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      CHECK(errno == EAGAIN);
      n = 0;
    }
    bytes += n;
    length -= (size_t)n;
    test_poll(&test.bench);
  }
}

static void wait_for_end(void) {
  for (int i = 0; i < 10000 && test.ends == 0; i++)
    test_poll(&test.bench);
  CHECK_EQ(test.ends, 1);
}

static void finish(void) {
  CHECK_EQ(close(peer), 0);
  test_source_finish(&test);
}

/* Cuts the body into chunks, as `seed` says; how long that is. */
static size_t make_chunks(uint64_t seed, size_t length, size_t most) {
  size_t at = 0;
  for (size_t taken = 0; taken < length;) {
    size_t run = 1 + test_random(&seed) % most;
    if (run > length - taken) run = length - taken;
    at += (size_t)sprintf((char *)wire + at, "%zx%s\r\n", run,
                          test_random(&seed) % 4 == 0 ? ";a=b" : "");
    memcpy(wire + at, body + taken, run);
    at += run;
    taken += run;
    memcpy(wire + at, "\r\n", 2);
    at += 2;
  }
  memcpy(wire + at, "0\r\nA: b\r\n\r\n", 11);
  return at + 11;
}

static size_t make(form_t form, uint64_t seed, size_t length, size_t most) {
  if (form == CHUNKED) return make_chunks(seed, length, most);
  memcpy(wire, body, length);
  return length;
}

/* Each split between what came with the head and what comes after it; a peer
 * that said where its body ends waits for its answer. */
static void test_every_split(form_t form) {
  size_t length = make(form, 7, BYTES, 90);
  for (size_t cut = 0; cut <= length; cut++) {
    start(form, 65536, wire, cut, BYTES);
    put(wire + cut, length - cut);
    if (form == TO_END) CHECK_EQ(shutdown(peer, SHUT_WR), 0);
    wait_for_end();
    CHECK_EQ(test.status, 0);
    CHECK_EQ(test.firsts, 1);
    test_log_holds(test.bench.log, body, BYTES);
    finish();
  }
}

/* What follows the body is somebody else's. */
static void test_beyond(form_t form) {
  size_t length = make(form, 9, BYTES, 60);
  memcpy(wire + length, "GET / HTTP/1.1", 14);
  for (size_t cut = 0; cut <= length + 14; cut += 7) {
    start(form, 65536, wire, cut, BYTES);
    put(wire + cut, length + 14 - cut);
    wait_for_end();
    CHECK_EQ(test.status, 0);
    test_log_holds(test.bench.log, body, BYTES);
    finish();
  }
}

/* A body that ends before it is over. */
static void test_cut_short(form_t form) {
  size_t length = make(form, 11, BYTES, 60);
  for (size_t end = 0; end < length; end += 3) {
    start(form, 65536, wire, end / 2, BYTES);
    put(wire + end / 2, end - end / 2);
    CHECK_EQ(shutdown(peer, SHUT_WR), 0);
    wait_for_end();
    CHECK_EQ(test.status, WEIR_EHTTPBODY);
    finish();
  }
}

static void test_malformed(void) {
  static const char bytes[] = "4\r\nabcd\r\nxyz\r\n";
  for (size_t cut = 0; cut < sizeof bytes; cut++) {
    start(CHUNKED, 65536, (const uint8_t *)bytes, cut, 0);
    put((const uint8_t *)bytes + cut, sizeof bytes - cut);
    wait_for_end();
    CHECK_EQ(test.status, WEIR_EHTTP);
    finish();
  }
}

/* A WAV header in the body is taken off, wherever it is cut. */
static void test_wav_body(form_t form) {
  uint8_t kept[BYTES], *samples;
  memcpy(kept, body, BYTES);
  size_t length =
      test_wav(body, &test_stereo, 10, 0xFFFFFFFF, 200, 0, &samples);
  size_t sent = make(form, 3, length, 20);
  for (size_t cut = 0; cut <= sent; cut += 5) {
    start(form, 65536, wire, cut, length);
    put(wire + cut, sent - cut);
    if (form == TO_END) CHECK_EQ(shutdown(peer, SHUT_WR), 0);
    wait_for_end();
    CHECK_EQ(test.status, 0);
    test_log_holds(test.bench.log, samples, 200);
    finish();
  }
  memcpy(body, kept, BYTES);
}

/* A prefix that is larger than what may be written at a time, in a small ring:
 * the source goes on by itself, though its descriptor says nothing. */
static void test_large_prefix(form_t form) {
  size_t sent = make(form, 5, 9000, 50);
  start(form, 1024, wire, sent, 9000);
  if (form == TO_END) CHECK_EQ(shutdown(peer, SHUT_WR), 0);
  /* A quarter of the ring at a turn, so that it can be sent before it is
   * overwritten. */
  for (uint64_t before = 0, now; test.ends == 0; before = now) {
    test_poll(&test.bench);
    now = weir_source_bytes(test.source);
    CHECK(now - before <= 1024 / 2);
  }
  CHECK_EQ(test.status, 0);
  CHECK_EQ(weir_source_bytes(test.source), 9000);
  CHECK_EQ(weir_log_head(test.bench.log), 9000);
  finish();
}

/* Held, it takes nothing of its prefix either. */
static void test_held(void) {
  size_t sent = make(CHUNKED, 5, 9000, 50);
  start(CHUNKED, 1024, wire, sent, 0);
  weir_source_hold(test.source, 1);
  for (int i = 0; i < 20; i++)
    test_poll(&test.bench);
  CHECK_EQ(weir_source_bytes(test.source), 0);
  weir_source_hold(test.source, 0);
  wait_for_end();
  CHECK_EQ(weir_source_bytes(test.source), 9000);
  finish();
}

static void test_any(uint64_t seed) {
  form_t form = (form_t)(test_random(&seed) % 3);
  size_t length = 1 + test_random(&seed) % LARGE;
  size_t sent = make(form, seed, length, 1 + test_random(&seed) % 5000);
  size_t at = test_random(&seed) % (sent < 65536 ? sent + 1 : 65536);
  start(form, 1 << 19, wire, at, length);
  while (at < sent) {
    size_t run = 1 + test_random(&seed) % 9000;
    if (run > sent - at) run = sent - at;
    put(wire + at, run);
    at += run;
  }
  if (form == TO_END) CHECK_EQ(shutdown(peer, SHUT_WR), 0);
  wait_for_end();
  CHECK_EQ(test.status, 0);
  CHECK_EQ(weir_source_bytes(test.source), length);
  test_log_holds(test.bench.log, body, length - length % 4);
  finish();
}

static void test_options(void) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  test_source_start(&test, 1024, 4);
  weir_source_options_t options = test_source_options(&test);
  options.prefix_length = 1;
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], &options),
      WEIR_EOPTION);
  CHECK_EQ(close(ends[0]), 0); /* still the caller's */
  CHECK_EQ(close(ends[1]), 0);
  test_poll(&test.bench);
  test.source = NULL;
  test_source_finish(&test);
}

int main(void) {
  test_fill(body, LARGE);
  for (form_t form = TO_END; form <= CHUNKED; form++) {
    test_every_split(form);
    test_wav_body(form);
    test_large_prefix(form);
    if (form == TO_END) continue;
    test_beyond(form);
    test_cut_short(form);
  }
  test_malformed();
  test_held();
  test_options();
  for (uint64_t seed = 1; seed <= 40 * test_scale(); seed++)
    test_any(seed);
  return 0;
}
