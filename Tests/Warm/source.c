/*
 * source.c - writes a transport stream of numbered packets (packets.h) in
 * real time, on an absolute schedule, to standard output or as datagrams.
 *
 *   source [--rate 20e6] [--gop 0.4] [--seconds 0] [--burst BYTES]
 *          [--runs FILE] [--pcr SECONDS]
 *          [--jump-at S]
 *          [--udp ADDRESS:PORT [--rtp] [--interface ADDRESS]]
 *
 * Rates are bits a second, times seconds. --burst is written at once, before
 * the clock starts. --runs counts the starts of the program in FILE: the
 * number is the run's, and the PCR begins that many hours later, so that no
 * two runs fit together. --jump-at moves the PCR by a thousand seconds
 * without a word, as an encoder does that began again. SIGUSR1 has it write
 * nothing until the next one; SIGUSR2 is another programme with other PIDs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packets.h"

#define BLOCK_NS     10000000u /* between two writes: 10 ms */
#define BLOCK_MAX    4096u     /* packets in a write */
#define FRAMES       25        /* pictures a second */
#define PSI_SECONDS  0.1
#define CLOCK        27000000.0
#define JUMP_SECONDS 1000.0
#define DATAGRAM     7u /* packets */
#define RTP_HEADER   12u
#define RTP_MP2T     33u
#define RTP_CLOCK    90000.0
#define RUN_SECONDS  3600.0

struct options {
  double rate, gop, seconds, pcr, jump_at;
  uint64_t burst;
  const char *runs, *udp, *interface;
  int rtp;
};

struct source {
  struct options options;
  uint64_t run, index; /* of the next packet */
  uint64_t frame, psi; /* packets in a picture, from PSI to PSI */
  uint64_t frames_in_gop;
  uint64_t frame_began; /* index */
  uint64_t frame_number;
  unsigned set;
  uint8_t counters[8192];
  uint16_t sequence; /* of RTP */
  uint32_t ssrc;
  int fd;
  uint8_t block[BLOCK_MAX * PACKET];
};

static volatile sig_atomic_t is_silent, has_changed;

static void on_signal(int number) {
  if (number == SIGUSR1)
    is_silent = !is_silent;
  else
    has_changed = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "source: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double seconds_of(const struct source *source, uint64_t index) {
  return (double)index * PACKET * 8 / source->options.rate;
}

/* The system clock of a packet. */
static double clock_of(const struct source *source, uint64_t index) {
  double seconds = seconds_of(source, index);
  double jump = source->options.jump_at;
  return source->options.pcr + (double)source->run * RUN_SECONDS + seconds +
         (jump > 0 && seconds >= jump ? JUMP_SECONDS : 0);
}

static void put_number(struct source *source, uint8_t *packet, uint64_t now) {
  struct packet_trailer trailer = {
      .number = source->run << PACKET_RUN_BITS | source->index, .written = now};
  memcpy(packet + PACKET_TRAILER, &trailer, sizeof trailer);
  trailer.hash = packet_hash(packet);
  memcpy(packet + PACKET_TRAILER, &trailer, sizeof trailer);
  source->index++;
}

static void put_header(struct source *source, uint8_t *packet, uint16_t pid,
                       int start, uint8_t control) {
  packet[0] = PACKET_SYNC;
  packet[1] = (uint8_t)((start ? 0x40u : 0u) | pid >> 8);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(control | (source->counters[pid]++ & 0x0fu));
}

static void put_section(struct source *source, uint8_t *packet, uint16_t pid,
                        const uint8_t *section, size_t length) {
  memset(packet, 0xFF, PACKET);
  put_header(source, packet, pid, 1, 0x10);
  packet[4] = 0;
  memcpy(packet + 5, section, length);
}

/* Bytes that are never 0: nothing in them begins a NAL unit. */
static void put_payload(uint8_t *bytes, size_t length, uint64_t seed) {
  uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
  for (size_t i = 0; i < length; i += 8) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    uint64_t word = x | 0x0101010101010101u;
    memcpy(bytes + i, &word, length - i < 8 ? length - i : 8);
  }
}

/* PCR, then a PES header with its PTS, an access unit delimiter and a slice:
 * of an IDR picture where the group begins. ISO/IEC 13818-1 2.4.3.4-2.4.3.7,
 * ITU-T H.264 7.3.1. */
static size_t put_picture(struct source *source, uint8_t *packet, int is_key) {
  double time = clock_of(source, source->index);
  uint64_t ticks = (uint64_t)(time * CLOCK);
  uint64_t base = ticks / 300 & 0x1FFFFFFFFu, extension = ticks % 300;
  uint8_t field[8] = {7,
                      (uint8_t)(0x10u | (is_key ? 0x40u : 0u)),
                      (uint8_t)(base >> 25),
                      (uint8_t)(base >> 17),
                      (uint8_t)(base >> 9),
                      (uint8_t)(base >> 1),
                      (uint8_t)((base & 1) << 7 | 0x7Eu | extension >> 8),
                      (uint8_t)extension};
  memcpy(packet + 4, field, sizeof field);
  uint64_t pts = (base + 90000 / 2) & 0x1FFFFFFFFu;
  uint8_t start[] = {0,
                     0,
                     1,
                     0xE0,
                     0,
                     0,
                     0x80,
                     0x80,
                     5,
                     (uint8_t)(0x21u | (pts >> 29 & 0x0Eu)),
                     (uint8_t)(pts >> 22),
                     (uint8_t)(1u | (pts >> 14 & 0xFEu)),
                     (uint8_t)(pts >> 7),
                     (uint8_t)(1u | (pts << 1 & 0xFEu)),
                     0,
                     0,
                     0,
                     1,
                     0x09,
                     0xF0,
                     0,
                     0,
                     0,
                     1,
                     is_key ? 0x65 : 0x41};
  memcpy(packet + 12, start, sizeof start);
  return 12 + sizeof start;
}

static void put_video(struct source *source, uint8_t *packet) {
  uint16_t pid = packet_video_pid(source->set);
  int starts = source->index >= source->frame_began + source->frame;
  size_t at = 4;
  put_header(source, packet, pid, starts, starts ? 0x30 : 0x10);
  if (starts) {
    source->frame_began = source->index;
    int is_key = source->frame_number++ % source->frames_in_gop == 0;
    at = put_picture(source, packet, is_key);
  }
  put_payload(packet + at, PACKET_TRAILER - at, source->index);
}

static void put_packet(struct source *source, uint8_t *packet, uint64_t now) {
  uint8_t section[64];
  uint64_t at = source->index % source->psi;
  unsigned set = source->set;
  if (set == 0 && has_changed && at == 0) {
    set = source->set = 1;
    source->frame_number = 0; /* it begins with a picture of its own */
    source->frame_began = source->index - source->frame;
  }
  if (at == 0)
    put_section(source, packet, 0, section, packet_pat(section, set));
  else if (at == 1)
    put_section(source, packet, packet_pmt_pid(set), section,
                packet_pmt(section, set));
  else
    put_video(source, packet);
  put_number(source, packet, now);
}

static void write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) exit(0); /* the reader is gone */
    if (n < 0) fail("write");
    bytes += n;
    length -= (size_t)n;
  }
}

/* RFC 3550 5.1, RFC 2250 2. */
static void send_datagram(struct source *source, const uint8_t *packets,
                          size_t count, double seconds) {
  uint8_t bytes[RTP_HEADER + DATAGRAM * PACKET];
  uint8_t *at = bytes;
  if (source->options.rtp) {
    uint32_t stamp = htonl((uint32_t)(uint64_t)(seconds * RTP_CLOCK));
    uint32_t ssrc = htonl(source->ssrc);
    uint16_t sequence = htons(source->sequence++);
    *at++ = 0x80;
    *at++ = RTP_MP2T;
    memcpy(at, &sequence, 2);
    memcpy(at + 2, &stamp, 4);
    memcpy(at + 6, &ssrc, 4);
    at += 10;
  }
  memcpy(at, packets, count * PACKET);
  size_t length = (size_t)(at - bytes) + count * PACKET;
  while (send(source->fd, bytes, length, 0) < 0)
    if (errno != EINTR && errno != ECONNREFUSED) fail("send");
}

static void put_out(struct source *source, size_t count) {
  if (source->options.udp == NULL) {
    write_all(source->fd, source->block, count * PACKET);
    return;
  }
  for (size_t i = 0; i < count; i += DATAGRAM)
    send_datagram(source, source->block + i * PACKET,
                  count - i < DATAGRAM ? count - i : DATAGRAM,
                  seconds_of(source, source->index));
}

/* Writes packets up to `end`. */
static void write_until(struct source *source, uint64_t end) {
  while (source->index < end) {
    uint64_t now = packet_now();
    size_t count = end - source->index < BLOCK_MAX
                       ? (size_t)(end - source->index)
                       : BLOCK_MAX;
    for (size_t i = 0; i < count; i++)
      put_packet(source, source->block + i * PACKET, now);
    put_out(source, count);
  }
}

static void sleep_until(uint64_t when) {
  struct timespec at = {.tv_sec = (time_t)(when / 1000000000u),
                        .tv_nsec = (long)(when % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
    continue;
}

static void run(struct source *source) {
  const struct options *options = &source->options;
  double per_block = options->rate / 8 / PACKET * (double)BLOCK_NS / 1e9;
  /* Whole datagrams, but for the last of all. */
  uint64_t unit = options->udp != NULL ? DATAGRAM : 1;
  write_until(source, options->burst / PACKET / unit * unit);
  uint64_t start = packet_now(), first = source->index;
  uint64_t last =
      options->seconds > 0
          ? first + (uint64_t)(options->seconds * options->rate / 8 / PACKET)
          : UINT64_MAX;
  for (uint64_t n = 1; source->index < last; n++) {
    sleep_until(start + n * BLOCK_NS);
    while (is_silent) {
      sleep_until(packet_now() + BLOCK_NS);
      start = packet_now() - n * BLOCK_NS;
    }
    uint64_t goal = first + (uint64_t)((double)n * per_block);
    goal = goal / unit * unit;
    write_until(source, goal < last ? goal : last);
  }
}

static void open_udp(struct source *source) {
  char host[64];
  unsigned port;
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (sscanf(source->options.udp, "%63[^:]:%u", host, &port) != 2 ||
      inet_pton(AF_INET, host, &to.sin_addr) != 1) {
    fprintf(stderr, "source: --udp wants ADDRESS:PORT\n");
    exit(2);
  }
  to.sin_port = htons((uint16_t)port);
  source->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (source->fd < 0) fail("socket");
  struct in_addr interface;
  if (source->options.interface != NULL) {
    if (inet_pton(AF_INET, source->options.interface, &interface) != 1 ||
        setsockopt(source->fd, IPPROTO_IP, IP_MULTICAST_IF, &interface,
                   sizeof interface) != 0)
      fail("--interface");
  }
  if (connect(source->fd, (struct sockaddr *)&to, sizeof to) != 0)
    fail("connect");
}

/* The number in the file, which then holds the next. */
static uint64_t next_run(const char *path) {
  unsigned long long number = 0;
  FILE *file = fopen(path, "r");
  if (file != NULL) {
    if (fscanf(file, "%llu", &number) != 1) number = 0;
    fclose(file);
  }
  file = fopen(path, "w");
  if (file == NULL) fail(path);
  fprintf(file, "%llu\n", number + 1);
  if (fclose(file) != 0) fail(path);
  return number;
}

static void parse(struct options *options, int argc, char **argv) {
  enum { RATE = 1, GOP, SECONDS, BURST, RUNS, PCR, JUMP, UDP, RTP, INTERFACE };
  static const struct option names[] = {{"rate", 1, NULL, RATE},
                                        {"gop", 1, NULL, GOP},
                                        {"seconds", 1, NULL, SECONDS},
                                        {"burst", 1, NULL, BURST},
                                        {"runs", 1, NULL, RUNS},
                                        {"pcr", 1, NULL, PCR},
                                        {"jump-at", 1, NULL, JUMP},
                                        {"udp", 1, NULL, UDP},
                                        {"rtp", 0, NULL, RTP},
                                        {"interface", 1, NULL, INTERFACE},
                                        {NULL, 0, NULL, 0}};
  double *const numbers[] = {
      [RATE] = &options->rate,       [GOP] = &options->gop,
      [SECONDS] = &options->seconds, [PCR] = &options->pcr,
      [JUMP] = &options->jump_at,    [INTERFACE] = NULL};
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (c == '?') exit(2);
    if (c == BURST)
      options->burst = (uint64_t)atof(optarg);
    else if (c == RUNS)
      options->runs = optarg;
    else if (c == UDP)
      options->udp = optarg;
    else if (c == RTP)
      options->rtp = 1;
    else if (c == INTERFACE)
      options->interface = optarg;
    else
      *numbers[c] = atof(optarg);
  }
  if (optind < argc || !(options->rate >= 1e5) || !(options->gop > 0)) {
    fprintf(stderr, "source: bad option value\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  static struct source source = {
      .options = {.rate = 20e6, .gop = 0.4, .pcr = 10}, .fd = STDOUT_FILENO};
  parse(&source.options, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  const struct options *options = &source.options;
  if (options->runs != NULL) source.run = next_run(options->runs);
  source.ssrc = (uint32_t)packet_now() | 1u;
  source.frame = (uint64_t)(options->rate / 8 / PACKET / FRAMES);
  source.psi = (uint64_t)(options->rate / 8 / PACKET * PSI_SECONDS);
  source.frames_in_gop = (uint64_t)(options->gop * FRAMES + 0.5);
  if (source.frame < 4) source.frame = 4;
  if (source.psi < 8) source.psi = 8;
  if (source.frames_in_gop < 1) source.frames_in_gop = 1;
  source.frame_began = 0 - source.frame; /* the first packet is due */
  if (options->udp != NULL) open_udp(&source);
  run(&source);
  return 0;
}
