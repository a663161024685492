/* Handshakes: however the bytes come, which versions and protocols, and what
 * is no TLS. */
#include "tls_test.h"

static weir_tls_context_t *context;

static void test_steps(int version, const char *name, size_t step, int room) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_client_t client;
  test_pair(ends, room);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  test_client_open(&client, ends[1], version);
  static const unsigned char offer[] = "\x02h2\x08http/1.1";
  CHECK_EQ(SSL_set_alpn_protos(client.ssl, offer, sizeof offer - 1), 0);
  CHECK_EQ(weir_tls_handshake(tls), UV_EAGAIN);
  CHECK_EQ(weir_tls_wants(tls), UV_READABLE);
  CHECK_EQ(test_shake(tls, &client, step), 0);
  CHECK_EQ(weir_tls_flush(tls), 0);
  CHECK(strcmp(weir_tls_version(tls), name) == 0);
  const unsigned char *chosen;
  unsigned int length;
  SSL_get0_alpn_selected(client.ssl, &chosen, &length);
  CHECK_EQ(length, 8);
  CHECK(memcmp(chosen, "http/1.1", 8) == 0);

  /* Both ways, then the client's end. */
  char bytes[WEIR_TLS_RECORD];
  CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), UV_EAGAIN);
  CHECK_EQ(SSL_write(client.ssl, "GET", 3), 3);
  while (test_client_give(&client, step) > 1)
    continue;
  CHECK_EQ(SSL_shutdown(client.ssl), 0);
  while (test_client_give(&client, 65536) > 0)
    continue;
  CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), 3);
  CHECK(memcmp(bytes, "GET", 3) == 0);
  CHECK_EQ(weir_tls_read(tls, bytes, sizeof bytes), 0);
  struct iovec iov = {"200", 3};
  CHECK_EQ(weir_tls_write(tls, &iov, 1), 3); /* it may read on */
  CHECK_EQ(weir_tls_flush(tls), 0);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(ends[0]), 0);
  while (test_client_take(&client, 65536) > 0)
    continue;
  CHECK_EQ(test_client_read(&client, bytes, sizeof bytes), 3);
  CHECK_EQ(test_client_read(&client, bytes, sizeof bytes), -1);
  CHECK(client.ended);
  test_client_close(&client);
}

static void test_refused(int version, const char *protocols, int alert) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_client_t client;
  test_pair(ends, 0);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  test_client_open(&client, ends[1], version);
  if (protocols != NULL)
    CHECK_EQ(SSL_set_alpn_protos(client.ssl, (const unsigned char *)protocols,
                                 (unsigned)strlen(protocols)),
             0);
  CHECK_EQ(test_shake(tls, &client, 65536), UV_EPROTO);
  CHECK(weir_tls_failure(tls) != NULL);
  CHECK_EQ(weir_tls_handshake(tls), UV_EPROTO);
  struct iovec iov = {"x", 1};
  CHECK_EQ(weir_tls_write(tls, &iov, 1), UV_EPROTO);
  ERR_clear_error();
  CHECK(SSL_do_handshake(client.ssl) != 1);
  CHECK_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + alert);
  weir_tls_close(tls, 1); /* nothing more is said */
  CHECK_EQ(test_client_take(&client, 100), 0);
  CHECK_EQ(close(ends[0]), 0);
  test_client_close(&client);
}

static int first_bytes(const char *bytes, size_t length, int ends_after) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_pair(ends, 0);
  CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
  CHECK_EQ(send(ends[1], bytes, length, 0), (ssize_t)length);
  if (ends_after) CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
  int result = weir_tls_handshake(tls);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(ends[0]), 0);
  CHECK_EQ(close(ends[1]), 0);
  return result;
}

static void test_no_tls(void) {
  CHECK_EQ(first_bytes("GET / HTTP/1.1\r\n\r\n", 18, 0), WEIR_TLS_PLAIN);
  CHECK_EQ(first_bytes("SOURCE /live", 12, 0), WEIR_TLS_PLAIN);
  CHECK_EQ(first_bytes("P", 1, 0), WEIR_TLS_PLAIN);
  CHECK_EQ(first_bytes("\0\0\0\0\0\0\0\0", 8, 0), UV_EPROTO);
  CHECK_EQ(first_bytes("\x16\x03\x01\xff\xff\x01", 6, 0), UV_EPROTO);
  CHECK_EQ(first_bytes("\x16\x03\x01", 3, 0), UV_EAGAIN);
  CHECK_EQ(first_bytes("\x16\x03\x01", 3, 1), UV_ECONNRESET);
}

/* Whatever the first bytes are: an answer, no crash. */
static void test_random_bytes(void) {
  uint64_t state = 0x7E15;
  for (int round = 0; round < 2000; round++) {
    uint8_t bytes[512];
    size_t length = 1 + test_random(&state) % sizeof bytes;
    for (size_t i = 0; i < length; i++)
      bytes[i] = (uint8_t)test_random(&state);
    if (round % 2 == 0) {
      /* Far enough to be looked into. */
      static const uint8_t hello[] = {0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3};
      memcpy(bytes, hello, length < sizeof hello ? length : sizeof hello);
      if (length > 9) {
        bytes[3] = (uint8_t)((length - 5) >> 8);
        bytes[4] = (uint8_t)(length - 5);
        bytes[7] = (uint8_t)((length - 9) >> 8);
        bytes[8] = (uint8_t)(length - 9);
      }
    }
    int result = first_bytes((const char *)bytes, length, round % 3 == 0);
    CHECK(result == UV_EPROTO || result == UV_EAGAIN ||
          result == WEIR_TLS_PLAIN || result == UV_ECONNRESET);
  }
}

/* ---- tickets ---- */

/* A connection that brings a ticket, unless it is NULL: whether that was taken.
 * *next is the ticket that it gets. */
static int comes_back(weir_tls_context_t *to, int version, SSL_SESSION *ticket,
                      SSL_SESSION **next) {
  int ends[2];
  weir_tls_t *tls = NULL;
  test_client_t client;
  char byte;
  test_pair(ends, 0);
  CHECK_EQ(weir_tls_create(&tls, to, ends[0]), 0);
  test_client_open(&client, ends[1], version);
  if (ticket != NULL) CHECK_EQ(SSL_set_session(client.ssl, ticket), 1);
  CHECK_EQ(test_shake(tls, &client, 65536), 0);
  int reused = SSL_session_reused(client.ssl);
  CHECK_EQ(test_client_read(&client, &byte, 1), 0); /* takes the tickets */
  if (next != NULL) *next = SSL_get1_session(client.ssl);
  weir_tls_close(tls, 1);
  CHECK_EQ(close(ends[0]), 0);
  CHECK_EQ(SSL_shutdown(client.ssl), 0); /* or its session is void */
  test_client_close(&client);
  return reused;
}

static uint64_t ticket_now;

static uint64_t ticket_clock(void *unused) {
  (void)unused;
  return ticket_now;
}

/* A key seals for its time, and opens for twice that. */
static void test_tickets(const test_files_t *files, int version) {
  weir_tls_context_t *timed = NULL;
  weir_tls_problem_t problem;
  weir_tls_options_t options = {.size = sizeof options,
                                .certificate = files->certificate,
                                .key = files->key,
                                .ticket_time = 1000,
                                .clock = ticket_clock};
  SSL_SESSION *first, *second, *third, *fourth;
  ticket_now = 5000;
  CHECK_EQ(weir_tls_context_create(&timed, &options, &problem), 0);
  CHECK_EQ(comes_back(timed, version, NULL, &first), 0);
  CHECK_EQ(comes_back(timed, version, first, NULL), 1);
  ticket_now += 999;
  CHECK_EQ(comes_back(timed, version, first, NULL), 1);
  ticket_now += 1; /* sealed with the next, opened with both */
  CHECK_EQ(comes_back(timed, version, NULL, &second), 0);
  CHECK_EQ(comes_back(timed, version, first, &third), 1);
  ticket_now += 999;
  CHECK_EQ(comes_back(timed, version, first, NULL), 1);
  CHECK_EQ(comes_back(timed, version, second, NULL), 1);
  ticket_now += 1; /* the first is gone */
  CHECK_EQ(comes_back(timed, version, first, NULL), 0);
  CHECK_EQ(comes_back(timed, version, second, NULL), 1);
  /* Who came with an old one was given one of the new key. */
  CHECK_EQ(comes_back(timed, version, third, &fourth), 1);
  /* A server that nobody called for long does not open what is too old. */
  ticket_now += 2000;
  CHECK_EQ(comes_back(timed, version, fourth, NULL), 0);
  /* Nor does one with keys of its own. */
  SSL_SESSION_free(fourth);
  CHECK_EQ(comes_back(timed, version, NULL, &fourth), 0);
  CHECK_EQ(comes_back(context, version, fourth, NULL), 0);
  CHECK_EQ(comes_back(timed, version, fourth, NULL), 1);
  SSL_SESSION_free(first);
  SSL_SESSION_free(second);
  SSL_SESSION_free(third);
  SSL_SESSION_free(fourth);
  weir_tls_context_release(timed);
}

int main(void) {
  test_files_t files;
  test_files_open(&files);
  context = test_context(&files, 0);
  static const size_t steps[] = {1, 3, 200, 65536};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    for (int room = 0; room < 2; room++) {
      test_steps(TLS1_3_VERSION, "TLSv1.3", steps[i], room);
      test_steps(TLS1_2_VERSION, "TLSv1.2", steps[i], room);
    }
  test_refused(TLS1_1_VERSION, NULL, SSL_AD_PROTOCOL_VERSION);
  test_refused(TLS1_VERSION, NULL, SSL_AD_PROTOCOL_VERSION);
  test_refused(0, "\x02h2", SSL_AD_NO_APPLICATION_PROTOCOL);
  test_no_tls();
  test_random_bytes();
  test_tickets(&files, TLS1_3_VERSION);
  test_tickets(&files, TLS1_2_VERSION);
  weir_tls_context_release(context);
  test_files_close(&files);
  return 0;
}
