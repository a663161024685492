/*
 * listeners.c - the load client: N listeners of one stream.
 *
 *   listeners --url http://127.0.0.1:8080/live/bench.wav --count 1000
 *             [--seconds 10] [--warmup 2] [--ramp 2000 | --join-within S]
 *             [--sample 1] [--expect 192000] [--pattern stamp|position]
 *             [--frame 4] [--verify-out FILE] [--stall K] [--trickle K]
 *             [--trickle-bytes 64] [--stall-buffer 4096] [--sources M]
 *             [--wake-after S] [--connect-timeout 15] [--seed 1] [--cpu N]
 *             [--quiet]
 *
 * Opens the connections, waits until each has a body or has failed, warms up,
 * then measures. Prints {"event": "measuring"} and {"event": "measured"} at
 * the two ends of the interval, so that a driver can read the server's
 * counters there, and {"event": "report", ...} last. SIGTERM or SIGINT ends
 * the measuring early; --seconds 0 waits for it.
 *
 * It reads edge-triggered, with one recv for each burst that arrives. Of
 * every `sample`-th reader the bytes are looked at; the others' are counted
 * and discarded in the kernel, so that one core can be a thousand listeners.
 * Stalled ones read nothing until --wake-after seconds have passed since the
 * start, and then all that comes; tricklers take some bytes ten times a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "connection.h"
#include "options.h"
#include "report.h"

#define EVENTS  1024
#define TICK_NS 100000000u /* of tricklers */

struct run {
  struct options options;
  struct client client;
  struct connection *connections;
  uint64_t *join_at; /* ns after the start, ascending */
  uint32_t opened;
  int woken;
  uint64_t start, next_tick;
  char request[512];
  struct latency latency, join;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "listeners: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void aim(struct run *run) {
  char host[64], path[256] = "/";
  unsigned port;
  if (sscanf(run->options.url, "http://%63[^:/]:%u%255s", host, &port, path) <
      2)
    options_wrong("--url wants http://ADDRESS:PORT/PATH");
  run->client.server.sin_family = AF_INET;
  run->client.server.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, host, &run->client.server.sin_addr) != 1)
    options_wrong("--url wants an IPv4 address");
  snprintf(run->request, sizeof run->request,
           "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: weir-bench\r\n"
           "Connection: close\r\n\r\n",
           path, host, port);
  run->client.request = run->request;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Spreads `some` of `count` evenly: is number i one of them? */
static int chosen(uint32_t i, uint32_t some, uint32_t count) {
  return (uint64_t)(i + 1) * some / count != (uint64_t)i * some / count;
}

static void plan(struct run *run) {
  const struct options *options = &run->options;
  uint32_t readers = 0, others = 0;
  uint32_t slow = options->stall + options->trickle;
  for (uint32_t i = 0; i < options->count; i++) {
    struct connection *connection = &run->connections[i];
    connection->fd = -1;
    if (chosen(i, slow, options->count)) {
      connection->kind =
          chosen(others++, options->stall, slow) ? KIND_STALLED : KIND_TRICKLER;
      connection->sampled = (uint8_t)options->positions;
    } else {
      connection->sampled = readers++ % options->sample == 0;
    }
    if (options->positions && connection->sampled) {
      connection->verify = calloc(1, sizeof *connection->verify);
      if (connection->verify == NULL) fail("memory");
      connection->verify->frame = options->frame;
    }
    double at = options->join_within > 0 ? drand48() * options->join_within
                                         : (double)i / options->ramp;
    run->join_at[i] = (uint64_t)(at * 1e9);
  }
  qsort(run->join_at, options->count, sizeof *run->join_at, ascending);
}

/* The slow ones' clock. Returns when it next has something to do. */
static uint64_t serve_slow(struct run *run, uint64_t now) {
  const struct options *options = &run->options;
  uint64_t wake = run->start + (uint64_t)(options->wake_after * 1e9);
  if (!run->woken && options->wake_after > 0 && now >= wake) {
    run->woken = 1;
    for (uint32_t i = 0; i < run->opened; i++)
      if (run->connections[i].kind == KIND_STALLED)
        connection_wake(&run->client, &run->connections[i]);
  }
  if (now >= run->next_tick) {
    run->next_tick = now + TICK_NS;
    for (uint32_t i = 0; i < run->opened; i++)
      if (run->connections[i].kind == KIND_TRICKLER)
        connection_trickle(&run->client, &run->connections[i]);
  }
  return run->next_tick;
}

/* One turn of the loop: joins that are due, ticks, events. */
static void turn(struct run *run, uint64_t until) {
  struct epoll_event events[EVENTS];
  uint64_t now = monotonic_ns(), wake = until;
  while (run->opened < run->options.count &&
         run->start + run->join_at[run->opened] <= now) {
    connection_open(&run->client, &run->connections[run->opened], run->opened);
    run->opened++;
  }
  if (run->opened < run->options.count &&
      run->start + run->join_at[run->opened] < wake)
    wake = run->start + run->join_at[run->opened];
  if (run->options.stall + run->options.trickle > 0) {
    uint64_t next = serve_slow(run, now);
    if (next < wake) wake = next;
  }
  int timeout = wake <= now ? 0 : (int)((wake - now) / 1000000u) + 1;
  int count = epoll_wait(run->client.epoll, events, EVENTS, timeout);
  for (int i = 0; i < count; i++)
    connection_event(&run->client, &run->connections[events[i].data.u32],
                     events[i].events);
}

static void turn_for(struct run *run, double seconds) {
  uint64_t until = monotonic_ns() + (uint64_t)(seconds * 1e9);
  while (!stopping && monotonic_ns() < until)
    turn(run, until);
}

static int all_settled(const struct run *run) {
  if (run->opened < run->options.count) return 0;
  for (uint32_t i = 0; i < run->opened; i++) {
    const struct connection *connection = &run->connections[i];
    if (connection->state == STATE_CONNECTING) return 0;
    if (connection->state == STATE_HEAD && connection->kind != KIND_STALLED)
      return 0;
  }
  return 1;
}

static uint32_t lost(const struct run *run) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < run->options.count; i++)
    count += run->connections[i].state == STATE_LOST;
  return count;
}

static double own_cpu(void) {
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  return (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
}

static void say(const char *event) {
  printf("{\"event\": \"%s\"}\n", event);
  fflush(stdout);
}

static void measure(struct run *run, struct report *report) {
  report->lost_before = lost(run);
  for (uint32_t i = 0; i < run->options.count; i++)
    run->connections[i].begin = run->connections[i].received;
  run->client.latency = &run->latency;
  double cpu = own_cpu();
  uint64_t begin = monotonic_ns();
  say("measuring");
  turn_for(run, run->options.seconds > 0 ? run->options.seconds : 1e9);
  report->seconds = (double)(monotonic_ns() - begin) / 1e9;
  report->cpu = own_cpu() - cpu;
  say("measured");
}

static void settle(const struct options *options) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  srand48(options->seed);
  if (options->cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)options->cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("--cpu");
}

int main(int argc, char **argv) {
  static struct run run = {.options = {.count = 1,
                                       .sample = 1,
                                       .frame = 4,
                                       .seconds = 10,
                                       .warmup = 2,
                                       .ramp = 2000,
                                       .connect_timeout = 15,
                                       .seed = 1,
                                       .cpu = -1,
                                       .stall_buffer = 4096,
                                       .trickle_bytes = 64}};
  const struct options *options = &run.options;
  options_parse(&run.options, argc, argv);
  settle(options);
  aim(&run);
  run.client.epoll = epoll_create1(EPOLL_CLOEXEC);
  run.client.source_addresses = options->sources;
  run.client.stall_buffer = options->stall_buffer;
  run.client.trickle = options->trickle_bytes;
  run.client.scratch = malloc(CLIENT_HEADROOM + CLIENT_READ_MAX);
  run.client.join = &run.join;
  run.connections = calloc(options->count, sizeof *run.connections);
  run.join_at = calloc(options->count, sizeof *run.join_at);
  if (run.client.epoll < 0 || run.client.scratch == NULL ||
      run.connections == NULL || run.join_at == NULL)
    fail("start");
  plan(&run);
  run.start = monotonic_ns();
  uint64_t give_up = run.start + run.join_at[options->count - 1] +
                     (uint64_t)(options->connect_timeout * 1e9);
  while (!stopping && !all_settled(&run) && monotonic_ns() < give_up)
    turn(&run, give_up);
  turn_for(&run, options->warmup);
  struct report report = {.connections = run.connections,
                          .count = options->count,
                          .sample = options->sample,
                          .expect = options->expect,
                          .latency = &run.latency,
                          .join = &run.join};
  measure(&run, &report);
  for (uint32_t i = 0; i < options->count; i++)
    connection_leave(&run.connections[i]);
  report_print(&report, options->quiet);
  if (options->verify_out != NULL &&
      report_verified(&report, options->verify_out) != 0)
    fail(options->verify_out);
  return 0;
}
