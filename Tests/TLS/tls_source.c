/* A stream that comes over TLS: whatever the records and the pieces in which
 * they arrive, the log holds its bytes and no others, and an end is told from
 * what only looks like one. */
#include "scale.h"
#include "source_test.h"
#include "tls_test.h"
#include "weir/errors.h"

#define BYTES 60000u

typedef enum form { TO_END, LENGTH, CHUNKED } form_t;

static test_files_t files;
static weir_tls_context_t *context;
static test_source_t test;
static test_client_t client;
static weir_tls_t *tls;
static int answers; /* the descriptor that is left for an answer */
static uint8_t body[BYTES];
static uint8_t wire[3 * BYTES];

static void start(form_t form, int version, size_t capacity,
                  uint64_t announced) {
  int fd;
  tls = test_connect(context, &client, version, 1, &fd);
  answers = dup(fd);
  CHECK(answers >= 0);
  weir_tls_move(tls, answers);
  test_source_start(&test, capacity, 4);
  weir_source_options_t options = test_source_options(&test);
  options.chunked = form == CHUNKED;
  options.length = form == LENGTH ? announced : 0;
  options.reader = weir_tls_reader();
  options.reader_context = tls;
  CHECK_EQ(weir_source_open_fd(&test.bench.loop, &test.source, fd, &options),
           0);
}

/* Everything that the client has encrypted, at most `most` bytes at a time. */
static void give(size_t most) {
  while (test_client_give(&client, most) > 0)
    test_poll(&test.bench);
}

static void put(const uint8_t *bytes, size_t length, size_t most) {
  CHECK_EQ(SSL_write(client.ssl, bytes, (int)length), (int)length);
  give(most);
}

static void new_keys(int kind) {
  CHECK_EQ(SSL_key_update(client.ssl, kind), 1);
  CHECK_EQ(SSL_do_handshake(client.ssl), 1);
}

static void wait_for_end(void) {
  for (int i = 0; i < 10000 && test.ends == 0; i++)
    test_poll(&test.bench);
  CHECK_EQ(test.ends, 1);
}

static void finish(void) {
  test_client_close(&client);
  test_source_finish(&test);
  weir_tls_close(tls, 0);
  CHECK_EQ(close(answers), 0);
}

static void say_goodbye(void) {
  CHECK_EQ(SSL_shutdown(client.ssl), 0);
  give(65536);
}

static size_t make(form_t form, uint64_t seed, size_t length) {
  size_t at = 0;
  if (form != CHUNKED) {
    memcpy(wire, body, length);
    return length;
  }
  for (size_t taken = 0; taken < length;) {
    size_t run = 1 + test_random(&seed) % 5000;
    if (run > length - taken) run = length - taken;
    at += (size_t)sprintf((char *)wire + at, "%zx\r\n", run);
    memcpy(wire + at, body + taken, run);
    at += run;
    taken += run;
    memcpy(wire + at, "\r\n", 2);
    at += 2;
  }
  memcpy(wire + at, "0\r\n\r\n", 5);
  return at + 5;
}

/* Records of any length, in pieces of any length, and new keys in between. */
static void test_any(form_t form, int version, uint64_t seed) {
  size_t length = 1 + test_random(&seed) % BYTES;
  size_t sent = make(form, seed, length);
  start(form, version, 1 << 18, length);
  for (size_t at = 0, run; at < sent; at += run) {
    run = 1 + test_random(&seed) % (test_random(&seed) % 3 ? 20000 : 40);
    if (run > sent - at) run = sent - at;
    size_t most = test_random(&seed) % 4 ? 65536 : 1 + test_random(&seed) % 700;
    put(wire + at, run, most);
    if (version == TLS1_3_VERSION && test_random(&seed) % 4 == 0)
      new_keys(SSL_KEY_UPDATE_NOT_REQUESTED);
  }
  if (form == TO_END) say_goodbye();
  wait_for_end();
  CHECK_EQ(test.status, 0);
  CHECK_EQ(weir_source_bytes(test.source), length);
  test_log_holds(test.bench.log, body, length - length % 4);
  /* Who said where its body ends can still be answered. */
  struct iovec iov = {"the answer", 10};
  char answer[16];
  CHECK_EQ(weir_tls_write(tls, &iov, 1), 10);
  weir_tls_end(tls, 1);
  CHECK_EQ(weir_tls_write(tls, &iov, 1), UV_ECANCELED);
  CHECK_EQ(weir_tls_read(tls, answer, sizeof answer), UV_ECANCELED);
  while (test_client_take(&client, 65536) > 0)
    continue;
  CHECK_EQ(test_client_read(&client, answer, sizeof answer), 10);
  CHECK_EQ(test_client_read(&client, answer, sizeof answer), -1);
  finish();
}

/* The same byte by byte, with a cut at each: an end without close_notify is no
 * end of a stream that ends with its connection, nor of any other. */
static void test_cut(form_t form, int version) {
  size_t sent = make(form, 5, 200);
  for (size_t end = 0; end < sent; end += 7) {
    start(form, version, 65536, 200);
    if (end > 0) put(wire, end, 1);
    CHECK_EQ(shutdown(client.fd, SHUT_WR), 0);
    wait_for_end();
    CHECK_EQ(test.status, UV_ECONNRESET);
    finish();
  }
  for (size_t end = 0; end < sent && form != TO_END; end += 7) {
    start(form, version, 65536, 200);
    if (end > 0) put(wire, end, 65536);
    say_goodbye();
    wait_for_end();
    CHECK_EQ(test.status, WEIR_EHTTPBODY);
    finish();
  }
}

/* A record that ends within its bytes. */
static void test_half_record(void) {
  start(TO_END, 0, 65536, 0);
  put(body, 400, 65536);
  CHECK_EQ(SSL_write(client.ssl, body + 400, 400), 400);
  CHECK_EQ(test_client_give(&client, 100), 100);
  for (int i = 0; i < 20; i++)
    test_poll(&test.bench);
  CHECK_EQ(weir_source_bytes(test.source), 400);
  CHECK_EQ(shutdown(client.fd, SHUT_WR), 0);
  wait_for_end();
  CHECK_EQ(test.status, UV_ECONNRESET);
  test_log_holds(test.bench.log, body, 400);
  finish();
}

/* One whose bytes are not those that were sealed. */
static void test_forged(void) {
  uint8_t sealed[1000];
  start(TO_END, 0, 65536, 0);
  put(body, 400, 65536);
  CHECK_EQ(SSL_write(client.ssl, body, 400), 400);
  int n = BIO_read(SSL_get_wbio(client.ssl), sealed, sizeof sealed);
  CHECK(n > 400);
  sealed[200] ^= 1;
  CHECK_EQ(send(client.fd, sealed, (size_t)n, MSG_NOSIGNAL), n);
  wait_for_end();
  CHECK_EQ(test.status, UV_EPROTO);
  test_log_holds(test.bench.log, body, 400);
  finish();
}

/* A ring that is smaller than a record: what is left of the record is in
 * memory, and the socket says nothing. Held, nothing is read at all. */
static void test_small_ring(form_t form) {
  size_t sent = make(form, 3, 16000);
  start(form, 0, 4096, 16000);
  weir_source_hold(test.source, 1);
  put(wire, sent, 65536);
  if (form == TO_END) say_goodbye();
  for (int i = 0; i < 20; i++)
    test_poll(&test.bench);
  CHECK_EQ(weir_source_bytes(test.source), 0);
  uint64_t before = 0;
  for (int i = 0; i < 1000 && test.ends == 0; i++) {
    weir_source_hold(test.source, 0);
    test_poll(&test.bench);
    uint64_t bytes = weir_source_bytes(test.source);
    /* A quarter of the ring, when the socket is ready, and another. */
    CHECK(bytes - before <= 4096 / 2);
    before = bytes;
    weir_source_hold(test.source, 1);
    test_poll(&test.bench);
    CHECK_EQ(weir_source_bytes(test.source), before);
  }
  CHECK_EQ(test.ends, 1);
  CHECK_EQ(test.status, 0);
  CHECK_EQ(weir_source_bytes(test.source), 16000);
  finish();
}

/* Who asks for new keys, reads nothing and sends on: the source waits for room
 * to answer, does not turn for nothing, and goes on when there is some. */
static void test_key_updates(void) {
  start(TO_END, TLS1_3_VERSION, 65536, 0);
  uint64_t sent = 0;
  int stuck = 0;
  for (int i = 0; i < 5000 && !stuck; i++) {
    new_keys(SSL_KEY_UPDATE_REQUESTED);
    put(body + sent % 40000, 8, 65536);
    sent += 8;
    for (int turn = 0; turn < 10; turn++)
      test_poll(&test.bench);
    stuck = weir_source_bytes(test.source) < sent;
  }
  CHECK(stuck);
  CHECK_EQ(weir_tls_reader()->waits(tls) & UV_WRITABLE, UV_WRITABLE);
  uint64_t turns = test.source->polled;
  CHECK_EQ(turns & UV_WRITABLE, UV_WRITABLE);
  CHECK_EQ(test.ends, 0);
  char none;
  for (int i = 0; i < 1000 && weir_source_bytes(test.source) < sent; i++) {
    while (test_client_take(&client, 65536) > 0)
      continue;
    CHECK_EQ(test_client_read(&client, &none, 1), 0);
    test_poll(&test.bench);
  }
  CHECK_EQ(weir_source_bytes(test.source), sent);
  say_goodbye();
  wait_for_end();
  CHECK_EQ(test.status, 0);
  finish();
}

/* A WAV header in small records, and samples behind it. */
static void test_wav_records(void) {
  uint8_t *samples;
  size_t length =
      test_wav(wire, &test_stereo, 10, 0xFFFFFFFF, 20000, 0, &samples);
  uint8_t *expected = malloc(20000);
  CHECK(expected != NULL);
  memcpy(expected, samples, 20000);
  start(TO_END, 0, 65536, 0);
  for (size_t at = 0; at < 100; at++)
    put(wire + at, 1, 65536);
  put(wire + 100, length - 100, 65536);
  say_goodbye();
  wait_for_end();
  CHECK_EQ(test.status, 0);
  test_log_holds(test.bench.log, expected, 20000);
  finish();
  free(expected);
}

int main(void) {
  test_fill(body, BYTES);
  test_files_open(&files);
  context = test_context(&files, 0);
  for (form_t form = TO_END; form <= CHUNKED; form++) {
    for (uint64_t seed = 1; seed <= 20 * test_scale(); seed++)
      test_any(form, seed % 2 ? TLS1_3_VERSION : TLS1_2_VERSION, seed);
    test_cut(form, form == LENGTH ? TLS1_2_VERSION : TLS1_3_VERSION);
    test_small_ring(form);
  }
  test_half_record();
  test_forged();
  test_key_updates();
  test_wav_records();
  weir_tls_context_release(context);
  test_files_close(&files);
  return 0;
}
