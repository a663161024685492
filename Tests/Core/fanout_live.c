/* In real time, over real sockets: the tone to two hundred listeners who join
 * over time, beside one that reads nothing. Each gets a contiguous run of the
 * tone from where it joined. */
#include <netinet/in.h>

#include "fanout_test.h"

#define LISTENERS 200u
#define SECONDS   1u

typedef struct client {
  uv_poll_t poll;
  int fd;
  uint64_t id;
  uint64_t at; /* position of the next byte it expects */
  uint64_t received;
  uint64_t last; /* clock of the last bytes */
  uint64_t gap;  /* the longest between two reads */
  uint64_t reads;
} client_t;

static const weir_pcm_format_t format = {WEIR_PCM_S16LE, 48000, 2};
static uv_loop_t loop;
static weir_log_t *log;
static weir_fanout_t *fanout;
static weir_source_t *source;
static client_t clients[LISTENERS];
static uint32_t joined, served, skips, ends;
static uint8_t *tone; /* two periods */
static size_t period;
static int server, stalled;
static struct sockaddr_in address;

static void on_end_of_source(weir_source_t *ended, int status) {
  (void)ended;
  CHECK_EQ(status, 1); /* the tone has no end */
}

static void on_skip(weir_fanout_t *of, const weir_listener_info_t *who) {
  (void)of;
  if (who->data != NULL) skips++;
}

static void on_end(weir_fanout_t *of, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  (void)of;
  (void)error;
  CHECK_EQ(reason, WEIR_END_SHUTDOWN);
  if (who->data != NULL) ends++;
}

static void listen_on_loopback(void) {
  socklen_t length = sizeof address;
  address = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(bind(server, (struct sockaddr *)&address, sizeof address), 0);
  CHECK_EQ(listen(server, 16), 0);
  CHECK_EQ(getsockname(server, (struct sockaddr *)&address, &length), 0);
}

static int join(client_t *client) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  CHECK(peer >= 0);
  uint64_t id;
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = peer,
                                     .position = WEIR_FANOUT_NEWEST,
                                     .data = client};
  CHECK_EQ(weir_fanout_add(fanout, &options, &id), 0);
  return fd;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  client_t *client = poll->data;
  static uint8_t bytes[65536];
  CHECK(status == 0 && events != 0);
  ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0) return;
  CHECK(n > 0);
  size_t from = client->at % period;
  CHECK(from + (size_t)n <= 2 * period);
  CHECK(memcmp(bytes, tone + from, (size_t)n) == 0);
  client->at += (size_t)n;
  uint64_t now = uv_hrtime(), gap = now - client->last;
  if (client->reads++ > 0 && gap > client->gap) client->gap = gap;
  client->last = now;
  uint64_t goal = SECONDS * weir_pcm_byte_rate(&format);
  if (client->received < goal && client->received + (size_t)n >= goal) served++;
  client->received += (size_t)n;
}

static void on_join(uv_timer_t *timer) {
  for (int i = 0; i < 10 && joined < LISTENERS; i++) {
    client_t *client = &clients[joined++];
    client->at = weir_log_head(log);
    client->fd = join(client);
    client->poll.data = client;
    CHECK_EQ(uv_poll_init(&loop, &client->poll, client->fd), 0);
    CHECK_EQ(uv_poll_start(&client->poll, UV_READABLE, on_readable), 0);
  }
  if (joined == LISTENERS) uv_timer_stop(timer);
}

static void report(void) {
  weir_fanout_counters_t counters;
  uint64_t gap = 0;
  weir_fanout_counters(fanout, &counters);
  for (uint32_t i = 0; i < LISTENERS; i++)
    if (clients[i].gap > gap) gap = clients[i].gap;
  if (getenv("WEIR_VERBOSE") != NULL)
    fprintf(
        stderr, "longest gap %.1f ms, lag p99 %.1f ms, %" PRIu64 " writes\n",
        (double)gap / 1e6,
        (double)weir_histogram_quantile(weir_fanout_lag(fanout), 0.99) / 1e6,
        counters.writes);
  CHECK_EQ(counters.joined, LISTENERS + 1);
  CHECK_EQ(counters.listeners, LISTENERS + 1);
}

int main(void) {
  period = 2 * (size_t)weir_pcm_byte_rate(&format);
  tone = malloc(2 * period);
  weir_tone_fill(&format, 0, 2 * period / 4, tone);
  CHECK_EQ(uv_loop_init(&loop), 0);
  weir_log_options_t log_options = {.size = sizeof log_options, .unit = 4};
  CHECK_EQ(weir_log_create(&log, &log_options), 0);
  weir_fanout_options_t options = {.size = sizeof options,
                                   .log = log,
                                   .window = 20 * TEST_MS,
                                   .byte_rate = weir_pcm_byte_rate(&format),
                                   .on_skip = on_skip,
                                   .on_end = on_end};
  CHECK_EQ(weir_fanout_create(&loop, &fanout, &options), 0);
  weir_source_options_t source_options = {.size = sizeof source_options,
                                          .log = log,
                                          .fanout = fanout,
                                          .format = format,
                                          .on_end = on_end_of_source};
  CHECK_EQ(weir_source_open_tone(&loop, &source, &source_options), 0);
  listen_on_loopback();
  stalled = join(NULL);
  uv_timer_t timer;
  uv_timer_init(&loop, &timer);
  uv_timer_start(&timer, on_join, 0, 10);
  while (served < LISTENERS)
    uv_run(&loop, UV_RUN_ONCE);
  report();
  CHECK_EQ(skips, 0);

  weir_source_close(source, NULL);
  uv_close((uv_handle_t *)&timer, NULL);
  for (uint32_t i = 0; i < LISTENERS; i++)
    uv_close((uv_handle_t *)&clients[i].poll, NULL);
  weir_fanout_close(fanout, NULL);
  CHECK_EQ(ends, LISTENERS);
  test_close_loop(&loop);
  for (uint32_t i = 0; i < LISTENERS; i++)
    close(clients[i].fd);
  close(stalled);
  close(server);
  weir_log_destroy(log);
  free(tone);
  return 0;
}
