/* Real sockets: how a peer goes, how it is let go, and what bounds the
 * kernel's memory for it. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "fanout_test.h"

#define UNIT 6u

static test_bench_t bench;

typedef struct peer {
  int fd; /* ours */
  int listener_fd;
  uint64_t id;
  test_reader_t reader;
  int ended;
  weir_end_reason_t reason;
  int error;
  weir_listener_info_t last;
} peer_t;

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  (void)fanout;
  peer_t *peer = who->data;
  CHECK(!peer->ended);
  peer->ended = 1;
  peer->reason = reason;
  peer->error = error;
  peer->last = *who;
}

static void connect_pair(int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(bind(server, (struct sockaddr *)&address, sizeof address), 0);
  CHECK_EQ(listen(server, 1), 0);
  CHECK_EQ(getsockname(server, (struct sockaddr *)&address, &length), 0);
  pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int small = 4096;
  setsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  CHECK_EQ(connect(pair[0], (struct sockaddr *)&address, sizeof address), 0);
  pair[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  CHECK(pair[1] >= 0);
  CHECK_EQ(close(server), 0);
}

static void open_bench(void) {
  test_bench_open(&bench, 1200000, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.on_end = on_end;
  options.on_skip = NULL;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
}

static void add(peer_t *peer) {
  int pair[2];
  memset(peer, 0, sizeof *peer);
  connect_pair(pair);
  peer->fd = pair[0];
  peer->listener_fd = pair[1];
  test_reader_start(&peer->reader, UNIT, weir_log_head(bench.log), 0,
                    WEIR_TRANSFORM_NONE);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = pair[1],
                                     .position = WEIR_FANOUT_NEWEST,
                                     .data = peer};
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &peer->id), 0);
}

/* Reads until there is nothing, or `most` bytes; 1 at the end of the stream. */
static int drain(peer_t *peer, size_t most) {
  static uint8_t bytes[65536];
  while (most > 0) {
    size_t wanted = most < sizeof bytes ? most : sizeof bytes;
    ssize_t n = recv(peer->fd, bytes, wanted, MSG_DONTWAIT);
    if (n == 0) return 1;
    if (n < 0) return 0;
    test_read(&peer->reader, bytes, (size_t)n);
    most -= (size_t)n;
  }
  return 0;
}

static void wait_for_end(peer_t *peer) {
  while (!peer->ended) {
    test_poll(&bench);
    weir_fanout_turn(bench.fanout);
  }
}

static void close_bench(void) {
  test_bench_close(&bench);
}

/* On a silent station, so that no write tells. */
static void test_peer_closes(void) {
  peer_t peer;
  open_bench();
  add(&peer);
  CHECK_EQ(close(peer.fd), 0);
  wait_for_end(&peer);
  CHECK_EQ(peer.reason, WEIR_END_CLOSED);
  CHECK_EQ(peer.error, 0);

  add(&peer);
  CHECK_EQ(shutdown(peer.fd, SHUT_WR), 0);
  wait_for_end(&peer);
  CHECK_EQ(peer.reason, WEIR_END_CLOSED);
  close(peer.fd);

  add(&peer);
  struct linger abort = {1, 0};
  setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  CHECK_EQ(close(peer.fd), 0);
  wait_for_end(&peer);
  CHECK_EQ(peer.reason, WEIR_END_CLOSED);
  CHECK_EQ(peer.error, UV_ECONNRESET);
  close_bench();
}

/* A write finds out, before the poll does. */
static void test_write_to_a_reset(void) {
  peer_t peer;
  open_bench();
  add(&peer);
  struct linger abort = {1, 0};
  setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  CHECK_EQ(close(peer.fd), 0);
  test_publish(&bench, 6000);
  test_now += 20 * TEST_MS;
  weir_fanout_turn(bench.fanout);
  CHECK(peer.ended);
  CHECK_EQ(peer.reason, WEIR_END_CLOSED);
  CHECK(peer.error == UV_ECONNRESET || peer.error == UV_EPIPE);
  close_bench();
}

/* What is pending at an orderly end arrives, then the end of the stream, even
 * when the peer has sent something that nobody read. */
static void test_orderly_end(void) {
  peer_t peer;
  char request[20000] = {0};
  open_bench();
  add(&peer);
  CHECK_EQ(send(peer.fd, request, sizeof request, 0), sizeof request);
  test_publish(&bench, 60000);
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK_EQ(peer.reason, WEIR_END_SHUTDOWN);
  CHECK_EQ(peer.last.sent_bytes, 60000);
  while (!drain(&peer, SIZE_MAX))
    test_poll(&bench);
  CHECK_EQ(peer.reader.received, 60000);
  close(peer.fd);
  close_bench();
}

/* max(64 KiB, 2 x rate x (window + 100 ms)); the kernel doubles it. A change
 * reaches a listener when it is served next. */
static void check_buffer(const peer_t *peer, uint64_t expected) {
  test_publish(&bench, 4);
  test_pass(&bench, 100 * TEST_MS);
  int bytes = 0;
  socklen_t length = sizeof bytes;
  CHECK_EQ(
      getsockopt(peer->listener_fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length), 0);
  FILE *file = fopen("/proc/sys/net/core/wmem_max", "r");
  unsigned long most = 0;
  CHECK(file != NULL && fscanf(file, "%lu", &most) == 1);
  fclose(file);
  CHECK_EQ(bytes, 2 * (expected < most ? expected : most));
}

static void test_buffers(void) {
  peer_t peer, joining;
  open_bench();
  add(&peer);
  check_buffer(&peer, 65536);
  int on = 0;
  socklen_t length = sizeof on;
  CHECK_EQ(getsockopt(peer.listener_fd, IPPROTO_TCP, TCP_NODELAY, &on, &length),
           0);
  CHECK(on != 0);
  test_pass(&bench, 20 * TEST_MS);
  add(&joining);
  weir_fanout_set_byte_rate(bench.fanout, 300000);
  check_buffer(&peer, 72000); /* 20 ms */
  check_buffer(&joining, 72000);
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 100 * TEST_MS), 0);
  check_buffer(&peer, 120000);
  check_buffer(&joining, 120000);
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 0), 0);
  check_buffer(&peer, 65536);
  close(peer.fd);
  close(joining.fd);
  close_bench();
}

/* A peer that reads now and then, through a small window: the socket cuts
 * units wherever it likes, and whole units arrive. */
static void test_slow_reader(void) {
  peer_t slow, fast;
  uint64_t seed = 3;
  open_bench();
  add(&slow);
  add(&fast);
  for (int i = 0; i < 3000; i++) {
    test_publish(&bench, test_random(&seed) % 12000);
    test_pass(&bench, 10 * TEST_MS);
    drain(&fast, SIZE_MAX);
    if (i % 8 == 0) drain(&slow, test_random(&seed) % 9000);
  }
  CHECK(!fast.ended && !slow.ended);
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK(slow.last.skips > 0);
  CHECK_EQ(fast.last.skips, 0);
  while (!drain(&slow, SIZE_MAX) || !drain(&fast, SIZE_MAX))
    test_poll(&bench);
  CHECK_EQ(fast.reader.received, fast.last.sent_bytes);
  CHECK_EQ(slow.reader.received, slow.last.sent_bytes);
  CHECK_EQ(fast.last.position, weir_log_head(bench.log));
  CHECK(slow.reader.skipped > 0);
  CHECK_EQ(slow.last.sent_bytes + slow.last.skipped_bytes, slow.last.position);
  close(slow.fd);
  close(fast.fd);
  close_bench();
}

int main(void) {
  test_peer_closes();
  test_write_to_a_reset();
  test_orderly_end();
  test_buffers();
  test_slow_reader();
  return 0;
}
