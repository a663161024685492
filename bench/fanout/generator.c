/*
 * generator.c - the source of the bench: bytes at a given rate, on an
 * absolute schedule, into a pipe or an Icecast source connection.
 *
 *   generator [--rate 192000] [--interval 20] [--pattern stamp|position]
 *             [--flat-out] [--bytes N] [--block N]
 *             [--hold-until FILE] [--report FILE] [--cpu N]
 *             [--source HOST:PORT/MOUNT --user U --password P [--put]]
 *
 * A write is `interval` milliseconds of the stream; it happens at start +
 * n * block / rate, however late the one before was. --flat-out writes as
 * fast as the reader takes it. With --hold-until it keeps the rate until FILE
 * exists, goes flat out for --bytes, writes a line of JSON to the report, and
 * keeps the rate again, so that a station stays live before and after.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream.h"

#define FLAT_OUT_BLOCK 65536u
#define MAX_BLOCK      (16u << 20)

struct options {
  double rate;     /* bytes a second */
  double interval; /* ms */
  uint64_t bytes;  /* 0: without end */
  size_t block;    /* bytes of a flat-out write */
  int flat_out;
  int positions;
  int put;
  int cpu;
  const char *hold_until;
  const char *report;
  const char *source;
  const char *user;
  const char *password;
};

struct generator {
  int fd;
  int positions;
  uint8_t *block;
  uint64_t position;
};

static void fail(const char *what) {
  fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* The reader is gone: not an error of the source. */
static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) exit(0);
    if (n < 0) fail("write");
    bytes += n;
    length -= (size_t)n;
  }
}

static void write_block(struct generator *generator, size_t length) {
  if (generator->positions)
    stream_fill(generator->block, length, generator->position);
  else
    stream_put_stamp(generator->block, generator->position, length);
  write_all(generator->fd, generator->block, length);
  generator->position += length;
}

/* Blocks of whole 8-byte words, so that either pattern fits. */
static size_t paced_block(const struct options *options) {
  double bytes = options->rate * options->interval / 1000;
  size_t block = (size_t)(bytes + 0.5) & ~(size_t)7;
  return block < STREAM_STAMP_BYTES ? STREAM_STAMP_BYTES : block;
}

static void sleep_until(uint64_t when) {
  struct timespec at = {.tv_sec = (time_t)(when / 1000000000u),
                        .tv_nsec = (long)(when % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
    continue;
}

/* Keeps the rate until `gate` exists, or for `bytes` (0: for ever). */
static void run_paced(struct generator *generator,
                      const struct options *options, uint64_t bytes,
                      const char *gate) {
  size_t block = paced_block(options);
  uint64_t start = monotonic_ns(), end = generator->position + bytes;
  for (uint64_t n = 0; bytes == 0 || generator->position < end; n++) {
    if (gate != NULL && access(gate, F_OK) == 0) return;
    double due = (double)n * (double)block / options->rate * 1e9;
    sleep_until(start + (uint64_t)due);
    write_block(generator, block);
  }
}

static void run_flat_out(struct generator *generator,
                         const struct options *options) {
  uint64_t start = monotonic_ns(), from = generator->position;
  uint64_t end = from + options->bytes;
  while (options->bytes == 0 || generator->position < end)
    write_block(generator, options->block);
  if (options->report == NULL) return;
  FILE *report = fopen(options->report, "w");
  if (report == NULL) fail(options->report);
  fprintf(report, "{\"bytes\": %llu, \"seconds\": %.3f, \"position\": %llu}\n",
          (unsigned long long)(generator->position - from),
          (double)(monotonic_ns() - start) / 1e9,
          (unsigned long long)generator->position);
  if (fclose(report) != 0) fail(options->report);
}

static void base64(const char *text, char *out) {
  static const char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i += 3) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; j++)
      bits = bits << 8 | (i + j < length ? (uint8_t)text[i + j] : 0u);
    for (size_t j = 0; j < 4; j++)
      *out++ = i + j > length ? '=' : digits[bits >> (18 - 6 * j) & 63];
  }
  *out = '\0';
}

/* Logs in as an Icecast source: SOURCE, or PUT with 100-continue. */
static int connect_source(const struct options *options) {
  char host[64], mount[128], login[128], coded[192], head[1024];
  unsigned port;
  if (sscanf(options->source, "%63[^:]:%u%127s", host, &port, mount) != 3) {
    fprintf(stderr, "generator: --source wants HOST:PORT/MOUNT\n");
    exit(2);
  }
  snprintf(login, sizeof login, "%s:%s", options->user, options->password);
  base64(login, coded);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) fail(host);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int length = snprintf(
      head, sizeof head,
      "%s %s HTTP/1.%d\r\nHost: %s:%u\r\nAuthorization: Basic %s\r\n"
      "Content-Type: application/octet-stream\r\nice-public: 0\r\n%s\r\n",
      options->put ? "PUT" : "SOURCE", mount, options->put, host, port, coded,
      options->put ? "Expect: 100-continue\r\n" : "");
  write_all(fd, (const uint8_t *)head, (size_t)length);
  size_t have = 0;
  while (memmem(head, have, "\r\n\r\n", 4) == NULL) {
    ssize_t n = read(fd, head + have, sizeof head - have);
    if (n <= 0) fail("no answer to the source request");
    have += (size_t)n;
  }
  if (have < 12 || (head[9] != '2' && memcmp(head + 9, "100", 3) != 0)) {
    fprintf(stderr, "generator: refused: %.*s\n", (int)have, head);
    exit(1);
  }
  return fd;
}

static void parse(struct options *options, int argc, char **argv) {
  enum {
    RATE = 1,
    INTERVAL,
    PATTERN,
    FLAT,
    BYTES,
    BLOCK,
    HOLD,
    REPORT,
    CPU,
    SOURCE,
    USER,
    PASSWORD,
    PUT
  };
  static const struct option names[] = {
      {"rate", 1, NULL, RATE},       {"interval", 1, NULL, INTERVAL},
      {"pattern", 1, NULL, PATTERN}, {"flat-out", 0, NULL, FLAT},
      {"bytes", 1, NULL, BYTES},     {"block", 1, NULL, BLOCK},
      {"hold-until", 1, NULL, HOLD}, {"report", 1, NULL, REPORT},
      {"cpu", 1, NULL, CPU},         {"source", 1, NULL, SOURCE},
      {"user", 1, NULL, USER},       {"password", 1, NULL, PASSWORD},
      {"put", 0, NULL, PUT},         {NULL, 0, NULL, 0}};
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (c) {
      case RATE:
        options->rate = atof(optarg);
        break;
      case INTERVAL:
        options->interval = atof(optarg);
        break;
      case PATTERN:
        options->positions = strcmp(optarg, "position") == 0;
        break;
      case FLAT:
        options->flat_out = 1;
        break;
      case BYTES:
        options->bytes = (uint64_t)atof(optarg);
        break;
      case BLOCK:
        options->block = (size_t)atol(optarg) & ~(size_t)7;
        break;
      case HOLD:
        options->hold_until = optarg;
        break;
      case REPORT:
        options->report = optarg;
        break;
      case CPU:
        options->cpu = atoi(optarg);
        break;
      case SOURCE:
        options->source = optarg;
        break;
      case USER:
        options->user = optarg;
        break;
      case PASSWORD:
        options->password = optarg;
        break;
      case PUT:
        options->put = 1;
        break;
      default:
        exit(2);
    }
  }
  if (optind < argc || !(options->rate > 0) || !(options->interval > 0) ||
      paced_block(options) > MAX_BLOCK || options->block > MAX_BLOCK ||
      options->block < STREAM_STAMP_BYTES) {
    fprintf(stderr, "generator: bad option value\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  struct options options = {.rate = 192000,
                            .interval = 20,
                            .cpu = -1,
                            .block = FLAT_OUT_BLOCK,
                            .user = "source",
                            .password = "hackme"};
  parse(&options, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  if (options.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)options.cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("--cpu");
  }
  struct generator generator = {.fd = STDOUT_FILENO,
                                .positions = options.positions,
                                .block = calloc(1, MAX_BLOCK)};
  if (generator.block == NULL) fail("memory");
  if (options.source != NULL) generator.fd = connect_source(&options);
  if (options.hold_until != NULL) {
    run_paced(&generator, &options, 0, options.hold_until);
    run_flat_out(&generator, &options);
    run_paced(&generator, &options, 0, NULL);
  } else if (options.flat_out) {
    run_flat_out(&generator, &options);
  } else {
    run_paced(&generator, &options, options.bytes, NULL);
  }
  return 0;
}
