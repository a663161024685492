/* What a connection costs in memory: while its listener keeps up, and while its
 * socket is full; and nothing of it remains. */
#include <malloc.h>

#include "scale.h"
#include "tls_test.h"

#define CONNECTIONS 100
#define LISTENER    (40u << 10) /* bytes, at most */
#define HALF_HELLO  (80u << 10) /* the same, while it shakes hands */
/* What malloc keeps for its next calls counts as used. Bytes. */
#define NOISE (256u << 10)

/* Sanitizers have an allocator of their own. */
static size_t used(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static weir_tls_context_t *context;

static void test_listeners(int version) {
  static weir_tls_t *tls[CONNECTIONS];
  static int fds[CONNECTIONS], peers[CONNECTIONS];
  static uint8_t bytes[WEIR_TLS_RECORD];
  struct iovec iov = {bytes, sizeof bytes};
  size_t before = used();
  for (int i = 0; i < CONNECTIONS; i++) {
    test_client_t client;
    tls[i] = test_connect(context, &client, version, 1, &fds[i]);
    peers[i] = dup(client.fd);
    CHECK(peers[i] >= 0);
    test_client_close(&client);
  }
  size_t idle = (used() - before) / CONNECTIONS;
  for (int i = 0; i < CONNECTIONS; i++) {
    int64_t n = weir_tls_write(tls[i], &iov, 1);
    CHECK_EQ(n, WEIR_TLS_RECORD);
    CHECK(weir_tls_flush(tls[i]) != 0);
  }
  size_t full = (used() - before) / CONNECTIONS;
  printf("tls_memory: %s, %zu bytes a connection, %zu with a full socket\n",
         weir_tls_version(tls[0]), idle, full);
  if (getenv("WEIR_SANITIZER") == NULL) {
    CHECK(idle > 1000 && full >= idle + WEIR_TLS_RECORD);
    CHECK(full <= LISTENER);
  }
  for (int i = 0; i < CONNECTIONS; i++) {
    weir_tls_close(tls[i], 1);
    CHECK_EQ(close(fds[i]), 0);
    CHECK_EQ(close(peers[i]), 0);
  }
}

/* What one costs that says it has the longest hello there may be, and then
 * nothing more. */
static void test_half_hellos(void) {
  static weir_tls_t *tls[CONNECTIONS];
  static int ends[CONNECTIONS][2];
  uint8_t hello[11] = {0x16, 3, 1, 0x40, 0, 1, 0, WEIR_TLS_HELLO_MAX >> 8,
                       0,    3, 3};
  size_t before = used();
  for (int i = 0; i < CONNECTIONS; i++) {
    test_pair(ends[i], 0);
    CHECK_EQ(weir_tls_create(&tls[i], context, ends[i][0]), 0);
    CHECK_EQ(send(ends[i][1], hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
    CHECK_EQ(weir_tls_handshake(tls[i]), UV_EAGAIN);
  }
  size_t each = (used() - before) / CONNECTIONS;
  printf("tls_memory: %zu bytes for a hello that does not go on\n", each);
  if (getenv("WEIR_SANITIZER") == NULL) CHECK(each <= HALF_HELLO);
  for (int i = 0; i < CONNECTIONS; i++) {
    weir_tls_close(tls[i], 0);
    CHECK_EQ(close(ends[i][0]), 0);
    CHECK_EQ(close(ends[i][1]), 0);
  }
}

/* Half of them in order, half of them broken off at some byte. */
static void handshakes(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    test_client_t client;
    int fd, ends[2];
    weir_tls_t *tls = NULL;
    if (i % 2 == 0) {
      tls = test_connect(context, &client, 0, 0, &fd);
    } else {
      test_pair(ends, 0);
      CHECK_EQ(weir_tls_create(&tls, context, ends[0]), 0);
      test_client_open(&client, ends[1], 0);
      (void)SSL_do_handshake(client.ssl);
      test_client_give(&client, 1 + i % 600);
      int result = weir_tls_handshake(tls);
      CHECK(result == UV_EAGAIN);
      fd = ends[0];
    }
    weir_tls_close(tls, (int)(i / 2 % 2));
    CHECK_EQ(close(fd), 0);
    test_client_close(&client);
  }
}

static void test_handshakes(void) {
  handshakes(500);
  size_t before = used();
  handshakes(2000 * test_scale());
  size_t after = used();
  printf("tls_memory: %zu bytes before, %zu after handshakes\n", before, after);
  if (getenv("WEIR_SANITIZER") == NULL) CHECK(after <= before + NOISE);
}

int main(void) {
  test_files_t files;
  test_files_open(&files);
  context = test_context(&files, 0);
  test_handshakes();
  test_half_hellos();
  test_listeners(TLS1_3_VERSION);
  test_listeners(TLS1_2_VERSION);
  weir_tls_context_release(context);
  test_files_close(&files);
  return 0;
}
