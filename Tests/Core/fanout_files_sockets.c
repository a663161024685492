/* On a loop of its own, with real sockets and a pool that others keep busy:
 * peers that stop, fall into the files, and come back lose nothing but what was
 * counted. */
#include "files_test.h"

#include "fanout_test.h"

#define UNIT     188u
#define CAPACITY (UNIT * 1500u)
#define PEERS    24u
#define TICKS    600u
#define BUSY     4u /* as many as the pool has threads */

typedef struct peer {
  int fd; /* ours; -1: nobody is there */
  uint64_t id;
  test_reader_t reader;
  uint64_t start;
  uint32_t sleeps; /* ticks until it reads again */
  int ended;
  weir_listener_info_t last;
} peer_t;

static test_bench_t bench;
static weir_disk_t *disk;
static peer_t peers[PEERS];
static uv_timer_t writer;
static uv_work_t busy[BUSY];
static int is_busy;
static uint64_t seed = 11, ticks, joined, from_files, skips, in_files;

static uint64_t below(uint64_t bound) {
  return test_random(&seed) % bound;
}

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  (void)fanout;
  peer_t *peer = who->data;
  CHECK_EQ(reason, WEIR_END_SHUTDOWN);
  CHECK_EQ(error, 0);
  CHECK(!peer->ended);
  peer->ended = 1;
  peer->last = *who;
}

static void join(peer_t *peer) {
  int pair[2];
  CHECK_EQ(
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
      0);
  memset(peer, 0, sizeof *peer);
  uint64_t tail = weir_log_tail(bench.log);
  uint64_t units = (weir_log_head(bench.log) - tail) / UNIT;
  peer->start = tail + below(units + 1) * UNIT;
  if (weir_log_where(bench.log, peer->start) == WEIR_TIER_FILE) from_files++;
  peer->fd = pair[0];
  test_reader_start(&peer->reader, UNIT, peer->start, 0, WEIR_TRANSFORM_NONE);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = pair[1],
                                     .position = peer->start,
                                     .data = peer};
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &peer->id), 0);
  joined++;
}

/* Reads at most so much; 1 at the end of the stream. */
static int drain(peer_t *peer, size_t most) {
  static uint8_t bytes[65536];
  while (most > 0) {
    ssize_t n = recv(peer->fd, bytes, most < sizeof bytes ? most : sizeof bytes,
                     MSG_DONTWAIT);
    if (n == 0) return 1;
    if (n < 0) return 0;
    test_read(&peer->reader, bytes, (size_t)n);
    most -= (size_t)n;
  }
  return 0;
}

static void on_tick(uv_timer_t *timer) {
  if (++ticks > TICKS * test_scale()) {
    uv_timer_stop(timer);
    return;
  }
  test_publish(&bench, below(2 * CAPACITY / 16));
  for (uint32_t i = 0; i < PEERS; i++) {
    if (peers[i].fd < 0) {
      if (below(100) == 0) join(&peers[i]);
      continue;
    }
    if (weir_log_where(bench.log, peers[i].reader.next * UNIT) ==
        WEIR_TIER_FILE)
      in_files++;
    if (peers[i].sleeps > 0) {
      peers[i].sleeps--;
      continue;
    }
    CHECK_EQ(drain(&peers[i], 1 + below(CAPACITY)), 0);
    if (below(30) == 0) peers[i].sleeps = (uint32_t)below(200);
  }
}

static void keep_busy(uv_work_t *work) {
  (void)work;
  usleep(3000);
}

static void on_busy(uv_work_t *work, int status) {
  CHECK_EQ(status, 0);
  if (is_busy)
    CHECK_EQ(uv_queue_work(&bench.loop, work, keep_busy, on_busy), 0);
}

static void sum_up(void *context, const weir_listener_info_t *who) {
  uint64_t *lag = context;
  *lag += who->lag;
  skips += who->skips;
}

static void run(const char *place) {
  char path[256];
  memset(&test_disk, 0, sizeof test_disk);
  test_bench_open(&bench, CAPACITY, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.clock = NULL;
  options.on_end = on_end;
  options.on_skip = NULL;
  options.timeout = 3600 * TEST_SECOND; /* however slow the machine */
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  CHECK_EQ(weir_disk_create(&bench.loop, &disk, &bench.allocator), 0);
  int directory = test_make_directory(place, path);
  weir_log_files_options_t files = {.size = sizeof files,
                                    .disk = disk,
                                    .directory = directory,
                                    .max = 2 * WEIR_LOG_FILES_MIN};
  CHECK_EQ(weir_log_files_open(bench.log, &files), 0);
  ticks = joined = from_files = skips = in_files = 0;
  for (uint32_t i = 0; i < PEERS; i++)
    peers[i].fd = -1;
  is_busy = 1;
  for (uint32_t i = 0; i < BUSY; i++)
    on_busy(&busy[i], 0);
  CHECK_EQ(uv_timer_init(&bench.loop, &writer), 0);
  CHECK_EQ(uv_timer_start(&writer, on_tick, 1, 2), 0);
  uv_idle_stop(&bench.alive);
  while (uv_is_active((uv_handle_t *)&writer)) {
    if (ticks % 97 == 0) test_disk.no_nowait = below(2) == 0;
    uv_run(&bench.loop, UV_RUN_ONCE);
  }
  is_busy = 0;
  uv_idle_start(&bench.alive, test_do_nothing);
  /* Everybody comes to the end of it. */
  uint64_t lag;
  do {
    for (uint32_t i = 0; i < PEERS; i++)
      if (peers[i].fd >= 0) CHECK_EQ(drain(&peers[i], SIZE_MAX), 0);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    lag = skips = 0;
    weir_fanout_each(bench.fanout, sum_up, &lag);
  } while (lag > 0);
  weir_fanout_close(bench.fanout, NULL);
  for (uint32_t i = 0; i < PEERS; i++) {
    peer_t *peer = &peers[i];
    if (peer->fd < 0) continue;
    while (!drain(peer, SIZE_MAX))
      ;
    CHECK(peer->ended);
    CHECK_EQ(peer->reader.received, peer->last.sent_bytes);
    CHECK(peer->reader.skipped <= peer->last.skipped_bytes);
    CHECK_EQ(peer->start + peer->last.sent_bytes + peer->last.skipped_bytes,
             weir_log_head(bench.log));
    CHECK_EQ(close(peer->fd), 0);
  }
  if (getenv("WEIR_VERBOSE") != NULL)
    fprintf(stderr,
            "%s: %" PRIu64 " joined, %" PRIu64 " in files, %" PRIu64
            " skips, %" PRIu64 " times seen in files\n",
            place, joined, from_files, skips, in_files);
  CHECK(joined > 10 && from_files + in_files > 0);
  weir_log_files_close(bench.log, NULL, NULL);
  weir_disk_close(disk, NULL, NULL);
  uv_close((uv_handle_t *)&writer, NULL);
  bench.fanout = NULL;
  test_bench_close(&bench);
  test_remove_directory(path);
}

int main(void) {
  const char *place;
  for (int i = 0; (place = test_place(i)) != NULL; i++)
    run(place);
  return 0;
}
