/* Peers that mean no good: none of them gets more than its turn, and none
 * disturbs what the others have. */
#include "scale.h"
#include "tls_test.h"

static test_files_t files;
static weir_tls_context_t *context;

/* Everything that the client has encrypted. */
static void give(test_client_t *client) {
  while (test_client_give(client, 65536) > 0)
    continue;
}

/* A byte a record. */
static void test_small_records(int version) {
  test_client_t client;
  uint8_t bytes[WEIR_TLS_RECORD];
  int fd;
  weir_tls_t *tls = test_connect(context, &client, version, 0, &fd);
  for (int round = 0; round < 200; round++) {
    for (int i = 0; i < 20; i++) {
      uint8_t byte = (uint8_t)(round * 20 + i);
      CHECK_EQ(SSL_write(client.ssl, &byte, 1), 1);
    }
    give(&client);
    for (int i = 0; i < 20; i++) {
      CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), 1);
      CHECK_EQ(bytes[0], (uint8_t)(round * 20 + i));
    }
    CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EAGAIN);
  }
  weir_tls_close(tls, 1);
  CHECK_EQ(close(fd), 0);
  test_client_close(&client);
}

/* A client of TLS 1.2 that wants to shake hands again, and again, is told that
 * it may not; it ends there, or goes on as before. */
static void test_renegotiation(void) {
  test_client_t client;
  uint8_t bytes[WEIR_TLS_RECORD];
  int fd;
  weir_tls_t *tls = test_connect(context, &client, TLS1_2_VERSION, 0, &fd);
  uint64_t before = client.received;
  CHECK_EQ(SSL_renegotiate(client.ssl), 1);
  (void)SSL_do_handshake(client.ssl);
  give(&client);
  CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EAGAIN);
  CHECK_EQ(weir_tls_wants(tls), UV_READABLE);
  test_client_take(&client, 65536);
  /* An alert and nothing else: no certificate, no key exchange. */
  CHECK(client.received > before && client.received < before + 100);
  ERR_clear_error();
  CHECK(SSL_do_handshake(client.ssl) <= 0);
  unsigned long reason = ERR_peek_last_error();
  CHECK_EQ(ERR_GET_REASON(reason), SSL_R_NO_RENEGOTIATION);
  struct iovec iov = {"on", 2};
  CHECK_EQ(weir_tls_write(tls, &iov, 1), 2);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(fd), 0);
  test_client_close(&client);
}

/* A name that a peer asks for, whatever it is: there is one certificate. */
static void test_names(void) {
  static const char *names[] = {"x",        "..",  "-",    "*.",         "a b",
                                "\x01\xff", "::1", "xn--", "localhost\n"};
  char longest[256];
  memset(longest, 'a', 255);
  longest[255] = 0;
  for (size_t i = 0; i <= sizeof names / sizeof *names; i++) {
    int ends[2];
    weir_tls_t *tls = NULL;
    test_client_t client;
    test_pair(ends, 0);
    CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
    test_client_open(&client, ends[1], 0);
    const char *name = i < sizeof names / sizeof *names ? names[i] : longest;
    CHECK_EQ(SSL_set_tlsext_host_name(client.ssl, name), 1);
    int result = test_shake(tls, &client, 65536);
    CHECK(result == 0 || result == UV_EPROTO);
    weir_tls_close(tls, 1);
    CHECK_EQ(close(ends[0]), 0);
    test_client_close(&client);
  }
}

/* The same record twice, one of another connection, one that is too long. */
static void test_foreign_records(void) {
  static uint8_t sealed[30000];
  uint8_t bytes[WEIR_TLS_RECORD];
  for (int kind = 0; kind < 3; kind++) {
    test_client_t client, other;
    int fd, other_fd;
    weir_tls_t *tls = test_connect(context, &client, 0, 0, &fd);
    weir_tls_t *foreign = test_connect(context, &other, 0, 0, &other_fd);
    SSL *from = kind == 1 ? other.ssl : client.ssl;
    CHECK_EQ(SSL_write(from, "hello", 5), 5);
    int n = BIO_read(SSL_get_wbio(from), sealed, sizeof sealed);
    CHECK(n > 20);
    if (kind == 0) {
      CHECK_EQ(send(client.fd, sealed, (size_t)n, MSG_NOSIGNAL), n);
      CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), 5);
    }
    if (kind == 2) {
      sealed[3] = 0x48; /* more than 2^14 + 256 bytes */
      n = sizeof sealed;
    }
    CHECK_EQ(send(client.fd, sealed, (size_t)n, MSG_NOSIGNAL), n);
    CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EPROTO);
    CHECK(weir_tls_failure(tls) != NULL);
    CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EPROTO);
    struct iovec iov = {"x", 1};
    CHECK_EQ(weir_tls_write(tls, &iov, 1), UV_EPROTO);
    weir_tls_close(tls, 1);
    weir_tls_close(foreign, 1);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(other_fd), 0);
    test_client_close(&client);
    test_client_close(&other);
  }
}

/* ---- long hellos ---- */

/* What a server makes of the beginning of a hello that says it is so long, in
 * records of `record` bytes, sent in pieces of `piece`. */
static int long_hello(uint32_t length, size_t record, size_t piece) {
  static uint8_t wire[400000];
  int ends[2];
  weir_tls_t *tls = NULL;
  test_pair(ends, 0);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  uint8_t message[300] = {
      1, (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, 3,
      3};
  size_t total = 0;
  for (size_t at = 0; at < sizeof message; at += record) {
    size_t run = sizeof message - at < record ? sizeof message - at : record;
    wire[total++] = 0x16;
    wire[total++] = 3;
    wire[total++] = 1;
    wire[total++] = 0;
    wire[total++] = (uint8_t)run;
    memcpy(wire + total, message + at, run);
    total += run;
  }
  int result = UV_EAGAIN;
  for (size_t at = 0; at < total && result == UV_EAGAIN; at += piece) {
    size_t run = total - at < piece ? total - at : piece;
    CHECK_EQ(send(ends[1], wire + at, run, MSG_NOSIGNAL), run);
    result = weir_tls_handshake(tls);
  }
  if (result == UV_EPROTO)
    CHECK(strcmp(weir_tls_failure(tls), "hello too long") == 0);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(ends[0]), 0);
  CHECK_EQ(close(ends[1]), 0);
  return result;
}

/* One that says it is long is not waited for, nor given memory. */
static void test_long_hellos(void) {
  static const size_t pieces[] = {1, 4, 400};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
    for (size_t record = 1; record <= 255; record += 127) {
      CHECK_EQ(long_hello(WEIR_TLS_HELLO_MAX, record, pieces[i]), UV_EAGAIN);
      CHECK_EQ(long_hello(WEIR_TLS_HELLO_MAX + 1, record, pieces[i]),
               UV_EPROTO);
      CHECK_EQ(long_hello(131000, record, pieces[i]), UV_EPROTO);
      CHECK_EQ(long_hello(0xFFFFFF, record, pieces[i]), UV_EPROTO);
    }
}

/* A client whose first share is of no group that is spoken is asked for another
 * hello: it is one like the first. */
static void test_second_hello(void) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_client_t client;
  test_pair(ends, 0);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  test_client_open(&client, ends[1], TLS1_3_VERSION);
  CHECK_EQ(SSL_set1_groups_list(client.ssl, "P-521:P-256"), 1);
  CHECK_EQ(test_shake(tls, &client, 1), 0);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(ends[0]), 0);
  test_client_close(&client);
}

/* What comes before a hello ends the handshake: nothing can hide one behind it
 * that is not looked at. */
static void test_before_hello(void) {
  static const char *firsts[] = {"\x15\x03\x01\0\x02\x01\x5a",
                                 "\x15\x03\x03\0\x02\x01\0",
                                 "\x17\x03\x03\0\x02\0\0"};
  for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
    int ends[2];
    weir_tls_t *tls = NULL;
    test_pair(ends, 0);
    CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
    CHECK_EQ(send(ends[1], firsts[i], 7, MSG_NOSIGNAL), 7);
    int result = weir_tls_handshake(tls);
    CHECK(result != 0 && result != UV_EAGAIN);
    weir_tls_close(tls, 1);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
  }
}

int main(void) {
  test_files_open(&files);
  context = test_context(&files, 0);
  test_small_records(TLS1_2_VERSION);
  test_small_records(TLS1_3_VERSION);
  test_renegotiation();
  test_names();
  test_foreign_records();
  test_long_hellos();
  test_second_hello();
  test_before_hello();
  weir_tls_context_release(context);
  test_files_close(&files);
  return 0;
}
