/*
 * relay.c - passes datagrams on as a bad network does: some are lost, some
 * come later than those behind them.
 *
 *   relay --from ADDRESS:PORT --to ADDRESS:PORT [--interface ADDRESS]
 *         [--loss 0.02] [--late 0.02] [--by 8] [--seed 1] [--spare 64]
 *
 * One that is late is passed on when up to --by others have been. Of the first
 * --spare none is touched, so that whoever listens has something to begin
 * with. SIGTERM ends it: held ones are passed on, and a line of JSON says what
 * happened. It says "ready" on standard output when it listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65536u
#define HELD_MAX     64u
#define BUFFER       (8 << 20)

struct held {
  uint64_t due; /* when so many have been passed on */
  size_t length;
  uint8_t *bytes;
};

struct relay {
  int in, out;
  double loss, late;
  unsigned by, spare;
  uint64_t received, lost, turned, passed, bytes_lost;
  uint64_t unseen; /* lost, and nothing came after them */
  struct held held[HELD_MAX];
  unsigned holding;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in address(const char *text) {
  char host[64];
  unsigned port;
  struct sockaddr_in result = {.sin_family = AF_INET};
  if (text == NULL || sscanf(text, "%63[^:]:%u", host, &port) != 2 ||
      inet_pton(AF_INET, host, &result.sin_addr) != 1) {
    fprintf(stderr, "relay: --from and --to want ADDRESS:PORT\n");
    exit(2);
  }
  result.sin_port = htons((uint16_t)port);
  return result;
}

static void pass(struct relay *relay, const uint8_t *bytes, size_t length) {
  while (send(relay->out, bytes, length, 0) < 0)
    if (errno != EINTR && errno != ECONNREFUSED) fail("send");
  relay->passed++;
}

/* Those whose turn has come; all of them at the end. */
static void release(struct relay *relay, int all) {
  for (unsigned i = 0; i < relay->holding;) {
    struct held held = relay->held[i];
    if (!all && held.due > relay->passed) {
      i++;
      continue;
    }
    relay->held[i] = relay->held[--relay->holding];
    pass(relay, held.bytes, held.length);
    free(held.bytes);
  }
}

static void keep(struct relay *relay, const uint8_t *bytes, size_t length) {
  uint64_t some = 1 + (uint64_t)(drand48() * relay->by);
  struct held held = {relay->passed + some, length, malloc(length)};
  if (held.bytes == NULL) fail("memory");
  memcpy(held.bytes, bytes, length);
  relay->held[relay->holding++] = held;
  relay->turned++;
}

static void take(struct relay *relay, const uint8_t *bytes, size_t length) {
  int is_spared = relay->received++ < relay->spare;
  if (!is_spared && drand48() < relay->loss) {
    relay->lost++;
    relay->unseen++;
    relay->bytes_lost += length;
    return;
  }
  relay->unseen = 0;
  if (!is_spared && drand48() < relay->late && relay->holding < HELD_MAX) {
    keep(relay, bytes, length);
    return;
  }
  pass(relay, bytes, length);
  release(relay, 0);
}

int main(int argc, char **argv) {
  static const struct option names[] = {
      {"from", 1, NULL, 'f'}, {"to", 1, NULL, 't'},
      {"loss", 1, NULL, 'l'}, {"late", 1, NULL, 'r'},
      {"by", 1, NULL, 'b'},   {"interface", 1, NULL, 'i'},
      {"seed", 1, NULL, 's'}, {"spare", 1, NULL, 'p'},
      {NULL, 0, NULL, 0}};
  struct relay relay = {.loss = 0.02, .late = 0.02, .by = 8, .spare = 64};
  const char *from = NULL, *to = NULL, *interface = NULL;
  long seed = 1;
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (c == 'f')
      from = optarg;
    else if (c == 't')
      to = optarg;
    else if (c == 'i')
      interface = optarg;
    else if (c == 'l')
      relay.loss = atof(optarg);
    else if (c == 'r')
      relay.late = atof(optarg);
    else if (c == 'b')
      relay.by = (unsigned)atoi(optarg);
    else if (c == 'p')
      relay.spare = (unsigned)atoi(optarg);
    else if (c == 's')
      seed = atol(optarg);
    else
      exit(2);
  }
  srand48(seed);
  struct sockaddr_in here = address(from), there = address(to);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  int size = BUFFER;
  struct in_addr on;
  relay.in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  relay.out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (relay.in < 0 || relay.out < 0) fail("socket");
  setsockopt(relay.in, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (interface != NULL &&
      (inet_pton(AF_INET, interface, &on) != 1 ||
       setsockopt(relay.out, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof on) != 0))
    fail("--interface");
  if (bind(relay.in, (struct sockaddr *)&here, sizeof here) != 0) fail(from);
  if (connect(relay.out, (struct sockaddr *)&there, sizeof there) != 0)
    fail(to);
  puts("ready");
  fflush(stdout);
  static uint8_t bytes[DATAGRAM_MAX];
  while (!stopping) {
    ssize_t n = recv(relay.in, bytes, sizeof bytes, 0);
    if (n < 0 && errno != EINTR) fail("recv");
    if (n > 0) take(&relay, bytes, (size_t)n);
  }
  release(&relay, 1);
  printf(
      "{\"received\": %llu, \"lost\": %llu, \"unseen\": %llu, "
      "\"bytes_lost\": %llu, \"turned\": %llu, \"passed\": %llu}\n",
      (unsigned long long)relay.received, (unsigned long long)relay.lost,
      (unsigned long long)relay.unseen, (unsigned long long)relay.bytes_lost,
      (unsigned long long)relay.turned, (unsigned long long)relay.passed);
  return 0;
}
