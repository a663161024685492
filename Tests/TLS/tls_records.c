/* What was accepted is what the peer decrypts, whatever the socket refused in
 * between, and whatever the writer offers after that; new keys and an orderly
 * end come between records. */
#include "scale.h"
#include "tls_test.h"

static test_files_t files;

/* The byte at `at` of what has been accepted. */
static uint8_t byte_at(uint64_t at) {
  return (uint8_t)(at * 0x9E3779B97F4A7C15u >> 37);
}

typedef struct test_run {
  weir_tls_t *tls;
  test_client_t client;
  uint64_t accepted;
  uint64_t decrypted;
  uint64_t refusals;
  uint64_t holds;
  int fd;
  int closed; /* close_notify has come */
} test_run_t;

static void decrypt(test_run_t *run) {
  uint8_t bytes[4096];
  int n;
  while ((n = test_client_read(&run->client, bytes, sizeof bytes)) > 0)
    for (int i = 0; i < n; i++)
      CHECK_EQ(bytes[i], byte_at(run->decrypted++));
  if (n < 0) run->closed = 1;
}

/* Offers up to four pieces, of other lengths each time. */
static void offer(test_run_t *run, uint64_t *state) {
  static uint8_t bytes[4 * 20000];
  struct iovec iov[4];
  int count = 1 + (int)(test_random(state) % 4);
  size_t total = 0;
  for (int i = 0; i < count; i++) {
    size_t most = test_random(state) % 2 ? 20000 : 600;
    iov[i].iov_base = bytes + total;
    iov[i].iov_len = 1 + test_random(state) % most;
    total += iov[i].iov_len;
  }
  for (size_t i = 0; i < total; i++)
    bytes[i] = byte_at(run->accepted + i);
  int64_t n = weir_tls_write(run->tls, iov, count);
  CHECK(n == UV_EAGAIN || (n > 0 && n <= (int64_t)total));
  /* What it took is its own by now. */
  memset(bytes, 0xEE, sizeof bytes);
  if (n == UV_EAGAIN) {
    run->refusals++;
    CHECK_EQ(weir_tls_wants(run->tls), UV_WRITABLE);
    return;
  }
  run->accepted += (uint64_t)n;
}

static void test_writes(int version, uint64_t rekey, uint64_t seed) {
  weir_tls_context_t *context = test_context(&files, rekey);
  test_run_t run = {0};
  uint64_t state = seed;
  run.tls = test_connect(context, &run.client, version, 1, &run.fd);
  weir_tls_context_release(context); /* lives on in its connection */
  uint64_t wanted = 2000000 * test_scale();
  while (run.accepted < wanted) {
    if (test_random(&state) % 2) offer(&run, &state);
    if (test_random(&state) % 3 == 0) {
      int held = weir_tls_flush(run.tls);
      CHECK(held == 0 || held == 1 || held == UV_EAGAIN);
      run.holds += held != 0;
    }
    test_client_take(&run.client, test_random(&state) % 9000);
    decrypt(&run);
    CHECK(run.decrypted <= run.accepted);
  }
  CHECK(run.refusals > 20 && run.holds > 5);
  /* An end while something is held: the whole of it, then close_notify. */
  do
    offer(&run, &state);
  while (weir_tls_flush(run.tls) == 0);
  weir_tls_close(run.tls, 1);
  CHECK_EQ(close(run.fd), 0);
  while (test_client_take(&run.client, 5000) > 0)
    decrypt(&run);
  CHECK(run.client.ended && run.closed);
  CHECK_EQ(run.decrypted, run.accepted);
  test_client_close(&run.client);
}

/* How many records lie before the client, and the largest and the smallest of
 * them, in bytes that they hold. */
static int count_records(int fd, size_t *least, size_t *most) {
  static uint8_t bytes[200000];
  ssize_t n = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
  int count = 0;
  CHECK(n > 0);
  *least = SIZE_MAX;
  *most = 0;
  for (ssize_t at = 0; at < n; count++) {
    CHECK(n - at >= 5 && bytes[at] == 0x17);
    size_t length = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
    CHECK(length > 17);
    length -= 17; /* the type, and what seals it: RFC 8446 §5.2 */
    if (length < *least) *least = length;
    if (length > *most) *most = length;
    at += 5 + (ssize_t)length + 17;
    CHECK(at <= n);
  }
  return count;
}

/* What frames a stream shares the records of what it frames, and these are as
 * long as they can be. */
static void test_gathered(void) {
  weir_tls_context_t *context = test_context(&files, 0);
  test_run_t run = {0};
  static uint8_t bytes[100000];
  static const size_t cases[][9] = {
      {5, 3000, 2, 5, 4000, 2}, /* two chunks */
      {5, 20000, 18400, 2},     /* one that is cut where the ring ends */
      {1, 0, 1, 0, 16382},      /* exactly a record */
      {16384, 1},               /* a record where it lies, and a rest */
      {100000},                 /* a long piece */
      {0, 0, 7},
  };
  static const int records[] = {1, 3, 1, 2, 7, 1};
  run.tls = test_connect(context, &run.client, TLS1_3_VERSION, 0, &run.fd);
  int room = 1 << 20;
  CHECK_EQ(setsockopt(run.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    struct iovec iov[9];
    size_t total = 0, least, most;
    for (int j = 0; j < 9; j++) {
      iov[j] = (struct iovec){bytes + total, cases[i][j]};
      total += cases[i][j];
    }
    for (size_t j = 0; j < total; j++)
      bytes[j] = byte_at(run.accepted + j);
    CHECK_EQ(weir_tls_write(run.tls, iov, 9), total);
    run.accepted += total;
    CHECK_EQ(count_records(run.client.fd, &least, &most), records[i]);
    if (records[i] > 1) CHECK_EQ(most, WEIR_TLS_RECORD);
    while (test_client_take(&run.client, 65536) > 0)
      decrypt(&run);
    CHECK_EQ(run.decrypted, run.accepted);
  }
  weir_tls_close(run.tls, 1);
  CHECK_EQ(close(run.fd), 0);
  test_client_close(&run.client);
  weir_tls_context_release(context);
}

/* One that is given up says nothing more, not even that it ends. */
static void test_abandoned(void) {
  weir_tls_context_t *context = test_context(&files, 0);
  test_run_t run = {0};
  uint64_t state = 9;
  run.tls = test_connect(context, &run.client, 0, 0, &run.fd);
  offer(&run, &state);
  weir_tls_close(run.tls, 0);
  CHECK_EQ(close(run.fd), 0);
  while (test_client_take(&run.client, 5000) > 0)
    decrypt(&run);
  CHECK(run.client.ended && !run.closed);
  CHECK_EQ(run.decrypted, run.accepted);
  test_client_close(&run.client);
  weir_tls_context_release(context);
}

/* The peer goes while something is held. */
static void test_reset(void) {
  weir_tls_context_t *context = test_context(&files, 0);
  test_run_t run = {0};
  uint64_t state = 11;
  run.tls = test_connect(context, &run.client, 0, 1, &run.fd);
  do
    offer(&run, &state);
  while (weir_tls_flush(run.tls) == 0);
  test_client_close(&run.client);
  struct iovec iov = {"x", 1};
  int64_t error = weir_tls_write(run.tls, &iov, 1);
  CHECK(error == UV_EPIPE || error == UV_ECONNRESET);
  CHECK_EQ(weir_tls_flush(run.tls), error);
  weir_tls_close(run.tls, 1);
  CHECK_EQ(close(run.fd), 0);
  weir_tls_context_release(context);
}

/* A peer that sends nothing but messages without bytes has its turn, and no
 * more: each read ends after one. */
static void test_empty_messages(void) {
  enum { MESSAGES = 50 };
  weir_tls_context_t *context = test_context(&files, 0);
  test_client_t client;
  uint8_t bytes[WEIR_TLS_RECORD];
  int fd, reads = 0;
  weir_tls_t *tls = test_connect(context, &client, TLS1_3_VERSION, 0, &fd);
  for (int i = 0; i < MESSAGES; i++) {
    CHECK_EQ(SSL_key_update(client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    CHECK_EQ(SSL_do_handshake(client.ssl), 1);
  }
  CHECK_EQ(SSL_write(client.ssl, "x", 1), 1);
  while (test_client_give(&client, 65536) > 0)
    continue;
  while (weir_tls_read(tls, bytes, sizeof bytes) == UV_EAGAIN)
    CHECK(++reads <= MESSAGES);
  CHECK_EQ(reads, MESSAGES);
  CHECK_EQ(bytes[0], 'x');
  weir_tls_close(tls, 1);
  CHECK_EQ(close(fd), 0);
  test_client_close(&client);
  weir_tls_context_release(context);
}

/* A peer that asks for new keys again and again, and reads nothing, is not
 * answered without bound. */
static void test_key_updates(void) {
  weir_tls_context_t *context = test_context(&files, 0);
  test_client_t client;
  uint8_t bytes[WEIR_TLS_RECORD];
  int fd;
  weir_tls_t *tls = test_connect(context, &client, 0, 1, &fd);
  int stuck = 0;
  for (int i = 0; i < 3000 && !stuck; i++) {
    CHECK_EQ(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_EQ(SSL_do_handshake(client.ssl), 1);
    while (test_client_give(&client, 65536) > 0)
      continue;
    CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EAGAIN);
    stuck = weir_tls_wants(tls) == UV_WRITABLE;
  }
  CHECK(stuck);
  CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EAGAIN);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(fd), 0);
  test_client_close(&client);
  weir_tls_context_release(context);
}

int main(void) {
  uint64_t seed = 0x5EA1;
  const char *given = getenv("WEIR_SEED");
  if (given != NULL) seed = strtoull(given, NULL, 0);
  printf("tls_records: seed 0x%" PRIx64 "\n", seed);
  test_files_open(&files);
  test_writes(TLS1_3_VERSION, 0, seed);
  test_writes(TLS1_3_VERSION, 3, seed + 1);
  test_writes(TLS1_3_VERSION, 1, seed + 2);
  test_writes(TLS1_2_VERSION, 3, seed + 3);
  test_gathered();
  test_abandoned();
  test_reset();
  test_empty_messages();
  test_key_updates();
  test_files_close(&files);
  return 0;
}
