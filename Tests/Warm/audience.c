/*
 * audience.c - many listeners of a warm station that come and go, each of
 * which checks every byte that it gets (body.h).
 *
 *   audience --url http://127.0.0.1:8080/live/tv.ts --joins 200
 *            [--within 10] [--at-once 50] [--stay 3]
 *            [--kinds healthy:6,slow:1,stall:2,past:1] [--warm 6s,max,0]
 *            [--slow 4] [--slow-rate 1e6] [--stall 1.5] [--past 6]
 *            [--patience 120] [--until-told] [--lossy] [--mixed] [--seed 1]
 *
 * They join at random moments within so many seconds, no more than so many
 * at once (joins that find no seat wait). Healthy ones stay for a while; the
 * others begin to lag once they have caught up, and leave when they have
 * caught up again; --until-told, none of them before SIGUSR1. One line of JSON
 * for each, and a sum. SIGTERM ends it early. The exit code is 0 whatever was
 * found: the sum says it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "member.h"

#define EVENTS  256
#define TICK_MS 5
#define WARMS   8u

struct options {
  const char *url;
  uint32_t joins, at_once;
  double within;
  unsigned weight[MEMBER_KINDS];
  char *warm[WARMS];
  uint32_t warms;
  long seed;
};

static volatile sig_atomic_t stopping, told;

static void on_signal(int number) {
  if (number == SIGUSR1)
    told = 1;
  else
    stopping = 1;
}

static _Noreturn void wrong(const char *what) {
  fprintf(stderr, "audience: %s\n", what);
  exit(2);
}

static void fail(const char *what) {
  fprintf(stderr, "audience: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void aim(struct audience *audience, const char *url) {
  static char path[256] = "/";
  char host[64];
  unsigned port;
  if (url == NULL ||
      sscanf(url, "http://%63[^:/]:%u%255s", host, &port, path) < 2)
    wrong("--url wants http://ADDRESS:PORT/PATH");
  audience->server.sin_family = AF_INET;
  audience->server.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, host, &audience->server.sin_addr) != 1)
    wrong("--url wants an IPv4 address");
  audience->path = path;
}

static void parse_kinds(struct options *options, char *text) {
  memset(options->weight, 0, sizeof options->weight);
  for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
    char *colon = strchr(word, ':');
    unsigned weight = colon != NULL ? (unsigned)atoi(colon + 1) : 1, kind = 0;
    if (colon != NULL) *colon = '\0';
    while (kind < MEMBER_KINDS &&
           strcmp(member_kind_name((enum member_kind)kind), word) != 0)
      kind++;
    if (kind == MEMBER_KINDS) wrong("no such kind of listener");
    options->weight[kind] = weight;
  }
}

static void parse_warm(struct options *options, char *text) {
  options->warms = 0;
  for (char *next = text; next != NULL && options->warms < WARMS;)
    options->warm[options->warms++] = strsep(&next, ",");
}

static void parse(struct options *options, struct audience *audience, int argc,
                  char **argv) {
  enum {
    URL = 1,
    JOINS,
    AT_ONCE,
    KINDS,
    WARM,
    SEED,
    LOSSY,
    MIXED,
    UNTIL_TOLD,
    NUMBERS,
    WITHIN = NUMBERS,
    STAY,
    SLOW,
    RATE,
    STALL,
    PAST,
    PATIENCE
  };
  static const struct option names[] = {{"url", 1, NULL, URL},
                                        {"joins", 1, NULL, JOINS},
                                        {"at-once", 1, NULL, AT_ONCE},
                                        {"kinds", 1, NULL, KINDS},
                                        {"warm", 1, NULL, WARM},
                                        {"seed", 1, NULL, SEED},
                                        {"lossy", 0, NULL, LOSSY},
                                        {"mixed", 0, NULL, MIXED},
                                        {"until-told", 0, NULL, UNTIL_TOLD},
                                        {"within", 1, NULL, WITHIN},
                                        {"stay", 1, NULL, STAY},
                                        {"slow", 1, NULL, SLOW},
                                        {"slow-rate", 1, NULL, RATE},
                                        {"stall", 1, NULL, STALL},
                                        {"past", 1, NULL, PAST},
                                        {"patience", 1, NULL, PATIENCE},
                                        {NULL, 0, NULL, 0}};
  double *const numbers[] = {&options->within,
                             &audience->stay,
                             &audience->hold[MEMBER_SLOW],
                             &audience->slow_rate,
                             &audience->hold[MEMBER_STALL],
                             &audience->hold[MEMBER_PAST],
                             &audience->patience};
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (c == '?') exit(2);
    if (c >= NUMBERS)
      *numbers[c - NUMBERS] = atof(optarg);
    else if (c == URL)
      options->url = optarg;
    else if (c == JOINS)
      options->joins = (uint32_t)atoi(optarg);
    else if (c == AT_ONCE)
      options->at_once = (uint32_t)atoi(optarg);
    else if (c == KINDS)
      parse_kinds(options, optarg);
    else if (c == WARM)
      parse_warm(options, optarg);
    else if (c == SEED)
      options->seed = atol(optarg);
    else if (c == LOSSY)
      audience->is_lossy = 1;
    else if (c == UNTIL_TOLD)
      audience->stays = 1;
    else
      audience->is_mixed = 1;
  }
  if (optind < argc || options->joins == 0 || options->at_once == 0)
    wrong("bad option value");
}

static enum member_kind draw_kind(const struct options *options) {
  unsigned all = 0, kind = 0;
  for (unsigned i = 0; i < MEMBER_KINDS; i++)
    all += options->weight[i];
  if (all == 0) return MEMBER_HEALTHY;
  unsigned drawn = (unsigned)(drand48() * all);
  while (drawn >= options->weight[kind])
    drawn -= options->weight[kind++];
  return (enum member_kind)kind;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static struct member *plan(const struct options *options) {
  struct member *members = calloc(options->joins, sizeof *members);
  uint64_t *moments = calloc(options->joins, sizeof *moments);
  if (members == NULL || moments == NULL) fail("memory");
  for (uint32_t i = 0; i < options->joins; i++)
    moments[i] = (uint64_t)(drand48() * options->within * 1e9);
  qsort(moments, options->joins, sizeof *moments, ascending);
  for (uint32_t i = 0; i < options->joins; i++) {
    members[i].index = i;
    members[i].fd = -1;
    members[i].kind = (uint8_t)draw_kind(options);
    members[i].warm = options->warm[(uint32_t)(drand48() * options->warms)];
    members[i].join_at = moments[i];
  }
  free(moments);
  return members;
}

/* Until all have come and gone. */
static void attend(struct audience *audience, const struct options *options,
                   struct member *members) {
  struct epoll_event events[EVENTS];
  uint64_t start = packet_now(), ticked = 0;
  uint32_t joined = 0, oldest = 0;
  while (!stopping && oldest < options->joins) {
    uint64_t now = packet_now();
    if (told) audience->stays = 0;
    if (now - ticked >= TICK_MS * 1000000u) {
      ticked = now;
      uint32_t present = 0;
      for (uint32_t i = oldest; i < joined; i++) {
        member_tick(audience, &members[i], now);
        present += members[i].fd >= 0;
      }
      while (oldest < joined && members[oldest].fd < 0)
        oldest++;
      while (joined < options->joins && present < options->at_once &&
             start + members[joined].join_at <= now) {
        member_join(audience, &members[joined++]);
        present++;
      }
    }
    int count = epoll_wait(audience->epoll, events, EVENTS, TICK_MS);
    for (int i = 0; i < count; i++)
      member_event(audience, &members[events[i].data.u32]);
  }
  for (uint32_t i = oldest; i < joined; i++)
    member_leave(&members[i], MEMBER_LEFT);
}

static void print_quantiles(const char *name, const struct latency *latency) {
  printf(
      "\"%s\": {\"count\": %llu, \"p50\": %.3f, \"p95\": %.3f, "
      "\"p99\": %.3f, \"max\": %.3f}",
      name, (unsigned long long)latency->count,
      (double)latency_quantile(latency, 0.5) / 1e6,
      (double)latency_quantile(latency, 0.95) / 1e6,
      (double)latency_quantile(latency, 0.99) / 1e6,
      (double)latency->max / 1e6);
}

static void print_sum(const struct audience *audience,
                      const struct options *options,
                      const struct member *members) {
  uint32_t states[MEMBER_LOST + 1] = {0}, skipping = 0, late = 0;
  uint64_t faults = 0, packets = 0, skipped = 0;
  for (uint32_t i = 0; i < options->joins; i++) {
    const struct body *body = &members[i].body;
    states[members[i].state]++;
    skipping += body->skips > 0;
    late += members[i].state == MEMBER_LEFT && !members[i].is_caught_up;
    faults += body_faults(body);
    packets += body->packets;
    skipped += body->skipped;
  }
  printf(
      "{\"event\": \"sum\", \"joins\": %u, \"left\": %u, \"refused\": %u, "
      "\"lost\": %u, \"late\": %u, \"faults\": %llu, \"packets\": %llu, "
      "\"skipping\": %u, \"skipped\": %llu, ",
      options->joins, states[MEMBER_LEFT], states[MEMBER_REFUSED],
      states[MEMBER_LOST], late, (unsigned long long)faults,
      (unsigned long long)packets, skipping, (unsigned long long)skipped);
  print_quantiles("lag_ms", &audience->lag);
  printf(", ");
  print_quantiles("first_ms", &audience->first);
  printf("}\n");
}

int main(int argc, char **argv) {
  static char kinds[] = "healthy:6,slow:1,stall:2,past:1", warm[] = "6s,max,0";
  static struct audience audience = {
      .stay = 3,
      .hold = {[MEMBER_SLOW] = 4, [MEMBER_STALL] = 1.5, [MEMBER_PAST] = 6},
      .slow_rate = 1e6,
      .patience = 120};
  struct options options = {.at_once = 50, .within = 10, .seed = 1};
  parse_kinds(&options, kinds);
  parse_warm(&options, warm);
  parse(&options, &audience, argc, argv);
  aim(&audience, options.url);
  srand48(options.seed);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  audience.epoll = epoll_create1(EPOLL_CLOEXEC);
  audience.scratch = malloc(MEMBER_READ_MAX);
  if (audience.epoll < 0 || audience.scratch == NULL) fail("start");
  struct member *members = plan(&options);
  attend(&audience, &options, members);
  for (uint32_t i = 0; i < options.joins; i++)
    if (members[i].state != MEMBER_WAITING) member_print(&members[i]);
  print_sum(&audience, &options, members);
  return 0;
}
