/* Datagrams of a socket are in the log in their order: transport packets, or
 * RTP that carries them; what is missing, foreign or too long is counted. */
#include <errno.h>
#include <netinet/in.h>

#include "source_ts_test.h"

#include "rtp_test.h"

#define PACKETS 7000u
#define SEVEN   (7 * WEIR_TS_PACKET)

static test_ts_source_t ts;
static test_source_t *const test = &ts.test;
static uint8_t stream[PACKETS * WEIR_TS_PACKET];
static uint8_t copy[4 << 20];
static int sender;

static int open_socket(struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  socklen_t length = sizeof *address;
  CHECK(fd >= 0);
  CHECK_EQ(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
  CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &length), 0);
  return fd;
}

/* A source on a port of this machine, and somebody who sends to it. */
static void start(int own_clock) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  test_ts_start(&ts, 4 << 20);
  weir_source_options_t options = test_ts_options(&ts);
  if (!own_clock) options.clock = NULL;
  CHECK_EQ(weir_source_open_udp(&test->bench.loop, &test->source,
                                open_socket(&address), &options),
           0);
  sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(connect(sender, (struct sockaddr *)&address, sizeof address), 0);
  test_mux_t mux = test_mux(2000);
  test_mux_fill(&mux, stream, PACKETS);
}

static void finish(void) {
  CHECK_EQ(test->ends, 0);
  close(sender);
  test_ts_finish(&ts);
}

static void send_bytes(const void *bytes, size_t length) {
  CHECK_EQ(send(sender, bytes, length, 0), length);
}

/* Datagram `n` of the stream. */
static void send_plain(uint32_t n) {
  send_bytes(stream + n * SEVEN, SEVEN);
}

static void send_rtp(uint32_t n, uint32_t sequence, uint32_t ssrc) {
  uint8_t bytes[12 + SEVEN];
  size_t length = test_datagram(bytes, 0, sequence, ssrc, 7);
  memcpy(bytes + 12, stream + n * SEVEN, SEVEN);
  send_bytes(bytes, length);
}

static weir_source_datagrams_t counters(void) {
  weir_source_datagrams_t found;
  weir_source_datagrams(test->source, &found);
  return found;
}

static void receive(void) {
  test_poll(&test->bench);
}

/* That many in all; where the kernel dropped some, they never come. */
static void await(uint64_t received) {
  uint64_t began = uv_hrtime();
  while (counters().received < received) {
    receive();
    CHECK(uv_hrtime() - began < 120 * TEST_SECOND);
  }
}

static void test_plain(void) {
  start(1);
  for (uint32_t n = 0; n < 1000; n++) {
    send_plain(n);
    if (n % 13 == 0) receive();
  }
  await(1000);
  test_log_holds(test->bench.log, stream, 1000 * SEVEN);
  CHECK_EQ(weir_source_bytes(test->source), 1000 * SEVEN);
  CHECK_EQ(test->firsts, 1);
  CHECK_EQ(counters().is_rtp, 0);
  CHECK_EQ(counters().foreign + counters().lost + counters().truncated, 0);
  finish();
}

static void test_rtp(void) {
  start(1);
  for (uint32_t n = 0; n < 1000; n += 4) { /* 0 2 1 3 3 */
    send_rtp(n, 65000 + n, 5);
    send_rtp(n + 2, 65000 + n + 2, 5);
    send_rtp(n + 1, 65000 + n + 1, 5);
    send_rtp(n + 3, 65000 + n + 3, 5);
    send_rtp(n + 3, 65000 + n + 3, 5);
    if (n % 5 == 0) receive();
  }
  await(1250);
  test_log_holds(test->bench.log, stream, 1000 * SEVEN);
  CHECK_EQ(counters().is_rtp, 1);
  CHECK_EQ(counters().reordered, 250);
  CHECK_EQ(counters().duplicates, 250);
  CHECK_EQ(counters().lost, 0);
  finish();
}

/* One is lost: the others wait for it by the source's clock, and the log has
 * all but it. */
static void test_patience(void) {
  start(1);
  for (uint32_t n = 0; n < 10; n++)
    if (n != 4) send_rtp(n, n, 5);
  await(9);
  CHECK_EQ(weir_source_bytes(test->source), 4 * SEVEN);
  test_now += 49 * TEST_MS;
  weir_source_turn(test->source);
  CHECK_EQ(weir_source_bytes(test->source), 4 * SEVEN);
  test_now += TEST_MS;
  weir_source_turn(test->source);
  CHECK_EQ(counters().lost, 1);
  memmove(stream + 4 * SEVEN, stream + 5 * SEVEN, 5 * SEVEN);
  test_log_holds(test->bench.log, stream, 9 * SEVEN);
  finish();
}

/* The same by the loop's own timer. */
static void test_patience_of_the_loop(void) {
  start(0);
  send_rtp(0, 0, 5);
  send_rtp(2, 2, 5);
  uint64_t began = uv_hrtime();
  while (weir_source_bytes(test->source) < 2 * SEVEN) {
    receive();
    CHECK(uv_hrtime() - began < 120 * TEST_SECOND);
  }
  CHECK(uv_hrtime() - began >= 50 * TEST_MS);
  CHECK_EQ(counters().lost, 1);
  finish();
}

/* What is no part of the stream, between what is. */
static void test_foreign(void) {
  static uint8_t bytes[WEIR_SOURCE_DATAGRAM_MAX + 1000];
  start(1);
  for (uint32_t n = 0; n < 10; n++) {
    send_plain(n);
    memset(bytes, 'x', sizeof bytes);
    send_bytes(bytes, 0);
    send_bytes(bytes, SEVEN);
    bytes[0] = WEIR_TS_SYNC;
    send_bytes(bytes, SEVEN - 1);
    send_bytes(bytes, 11 * WEIR_TS_PACKET); /* 2068 bytes: too long */
    send_bytes(bytes, sizeof bytes);
  }
  await(60);
  test_log_holds(test->bench.log, stream, 10 * SEVEN);
  CHECK_EQ(counters().foreign, 30);
  CHECK_EQ(counters().truncated, 20);
  finish();
}

/* A sender that fills its datagrams cuts packets in two, and what it begins
 * one with can look like RTP. Only the first are not believed. */
static void test_pieces(void) {
  start(1);
  size_t at = 0, sent = 0;
  for (uint32_t n = 0; at < 600 * SEVEN; n++) {
    size_t length = n % 10 == 9 ? SEVEN : 1472;
    send_bytes(stream + at, length);
    at += length;
    if (++sent % 13 == 0) receive();
  }
  await(sent);
  CHECK(counters().foreign <= 10);
  CHECK_EQ(counters().is_rtp, 0);
  size_t found = test_copy_log(test->bench.log, 0, copy);
  CHECK(found > at - 14 * 1472 && found % WEIR_TS_PACKET == 0);
  size_t from = (at - found) / WEIR_TS_PACKET * WEIR_TS_PACKET;
  if (from + found > at) from -= WEIR_TS_PACKET;
  CHECK(memcmp(copy, stream + from, found) == 0);
  /* Whole ones again: what is not is foreign again. */
  for (uint32_t n = 0; n < 40; n++)
    send_plain(700 + n);
  memset(copy, 'x', 1000);
  send_bytes(copy, 1000);
  uint64_t foreign = counters().foreign;
  await(sent + 41);
  CHECK_EQ(counters().foreign, foreign + 1);
  finish();
}

/* Another sender: a marker, and what it sends from its first packet on. */
static void test_restart(uint32_t ssrc, uint32_t sequence) {
  start(1);
  for (uint32_t n = 0; n < 50; n++)
    send_rtp(n, n, 5);
  await(50);
  for (uint32_t n = 0; n < 50; n++)
    send_rtp(n, sequence + n, ssrc);
  await(100);
  size_t part = 50 * SEVEN;
  CHECK_EQ(test_copy_log(test->bench.log, 0, copy), 2 * part + WEIR_TS_PACKET);
  CHECK(memcmp(copy, stream, part) == 0);
  CHECK_EQ(copy[part + 5] & 0x80, 0x80);
  CHECK(memcmp(copy + part + WEIR_TS_PACKET, stream, part) == 0);
  CHECK_EQ(weir_source_bytes(test->source), 2 * part + WEIR_TS_PACKET);
  CHECK_EQ(counters().lost + counters().late, 0);
  finish();
}

/* Nobody reads: what the kernel has no room for is counted. */
static void test_overflow(void) {
  start(1);
  int bytes = 32768;
  CHECK_EQ(
      setsockopt(test->source->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes),
      0);
  uint32_t sent = 0;
  while (sent < 500)
    send_plain(sent++);
  /* With a datagram comes the count of those that were dropped before it. */
  do {
    CHECK(sent < PACKETS / 7);
    send_plain(sent++);
    for (int i = 0; i < 20; i++)
      receive();
  } while (counters().received + counters().overflows < sent);
  CHECK_EQ(counters().received + counters().overflows, sent);
  CHECK(counters().overflows > 0);
  CHECK_EQ(weir_source_bytes(test->source), counters().received * SEVEN);
  finish();
}

/* Of one sender, by its address alone; all that come are counted. */
static void test_sender(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = 1};
  start(1);
  weir_source_close(test->source, test_source_closed);
  while (!test->closed)
    receive();
  test->closed = 0;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8);
  int fd = open_socket(&address);
  weir_source_options_t options = test_ts_options(&ts);
  struct sockaddr other = {.sa_family = AF_UNIX};
  options.sender = &other;
  CHECK_EQ(weir_source_open_udp(&test->bench.loop, &test->source, fd, &options),
           WEIR_EOPTION);
  options.sender = (struct sockaddr *)&from;
  CHECK_EQ(weir_source_open_udp(&test->bench.loop, &test->source, fd, &options),
           0);
  CHECK_EQ(connect(sender, (struct sockaddr *)&address, sizeof address), 0);
  int stranger = sender;
  from.sin_port = 0;
  sender = open_socket(&from);
  CHECK_EQ(connect(sender, (struct sockaddr *)&address, sizeof address), 0);
  for (uint32_t n = 0; n < 100; n++) {
    send_plain(n);
    CHECK_EQ(send(stranger, stream + n * SEVEN, SEVEN, 0), SEVEN);
  }
  await(200);
  CHECK_EQ(counters().strangers, 100);
  test_log_holds(test->bench.log, stream, 100 * SEVEN);
  close(stranger);
  finish();
}

static void test_hold(void) {
  start(1);
  send_plain(0);
  await(1);
  weir_source_hold(test->source, 1);
  send_plain(1);
  for (int i = 0; i < 10; i++)
    receive();
  weir_source_turn(test->source);
  CHECK_EQ(counters().received, 1);
  weir_source_hold(test->source, 0);
  await(2);
  finish();
}

/* A group on the loopback interface. */
static void test_multicast(void) {
  struct sockaddr_in group = {.sin_family = AF_INET};
  group.sin_addr.s_addr = htonl(0xefff2a01); /* 239.255.42.1 */
  struct ip_mreq member = {.imr_multiaddr = group.sin_addr};
  member.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
  start(1);
  weir_source_close(test->source, test_source_closed);
  while (!test->closed)
    receive();
  test->closed = 0;
  int fd = open_socket(&group);
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) <
      0) {
    fprintf(stderr, "source_udp: no multicast here\n");
    close(fd);
    finish();
    return;
  }
  weir_source_options_t options = test_ts_options(&ts);
  CHECK_EQ(weir_source_open_udp(&test->bench.loop, &test->source, fd, &options),
           0);
  CHECK_EQ(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF,
                      &member.imr_interface, sizeof member.imr_interface),
           0);
  CHECK_EQ(connect(sender, (struct sockaddr *)&group, sizeof group), 0);
  for (uint32_t n = 0; n < 50; n++)
    send_rtp(n, n, 5);
  await(50);
  test_log_holds(test->bench.log, stream, 50 * SEVEN);
  finish();
}

static void test_refused(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  test_ts_start(&ts, 1 << 20);
  uv_loop_t *loop = &test->bench.loop;
  weir_source_options_t options = test_ts_options(&ts);
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(weir_source_open_udp(loop, &test->source, ends[0], &options),
           UV_ENOTSOCK);
  close(ends[0]);
  close(ends[1]);
  int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(weir_source_open_udp(loop, &test->source, tcp, &options),
           WEIR_EOPTION);
  close(tcp);
  int fd = open_socket(&address);
  options.track = NULL;
  CHECK_EQ(weir_source_open_udp(loop, &test->source, fd, &options),
           WEIR_EOPTION);
  options = test_ts_options(&ts);
  weir_fanout_options_t fanout = test_bench_options(&test->bench);
  fanout.policy = WEIR_SLOW_PAUSE;
  CHECK_EQ(weir_fanout_create(loop, &test->bench.fanout, &fanout), 0);
  options.fanout = test->bench.fanout;
  CHECK_EQ(weir_source_open_udp(loop, &test->source, fd, &options),
           WEIR_EOPTION);
  CHECK_EQ(close(fd), 0);
  test_ts_finish(&ts);
}

static int buffer_of(int fd) {
  int bytes = 0;
  socklen_t length = sizeof bytes;
  CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length), 0);
  return bytes;
}

/* A buffer that is larger than what would be asked for is left alone. Without
 * the privilege to make it so large, it is not. */
static void test_buffer(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int bytes = 4 * WEIR_SOURCE_DATAGRAM_BUFFER;
  int fd = open_socket(&address);
  int usual = buffer_of(fd);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    CHECK_EQ(errno, EPERM);
  int before = buffer_of(fd);
  start(1);
  CHECK(buffer_of(test->source->fd) >= usual);
  weir_source_t *other;
  weir_source_options_t options = test_ts_options(&ts);
  CHECK_EQ(weir_source_open_udp(&test->bench.loop, &other, fd, &options), 0);
  CHECK(buffer_of(fd) >= before);
  weir_source_close(other, NULL);
  finish();
}

int main(void) {
  test_plain();
  test_rtp();
  test_patience();
  test_patience_of_the_loop();
  test_foreign();
  test_pieces();
  test_buffer();
  test_restart(6, 40000);
  test_restart(6, 100);
  test_restart(5, 40000);
  test_overflow();
  test_sender();
  test_hold();
  test_multicast();
  test_refused();
  return 0;
}
