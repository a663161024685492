/* Listeners of a transport stream: each receives the packets from where it
 * joined, whole and in order, but for what it was told it missed; and it goes
 * on at a point where decoding can begin, behind one discontinuity packet. */
#include "scale.h"
#include "source_ts_test.h"

#define LISTENERS 16u
#define ROUNDS    3000u
#define GOP       600u

typedef struct viewer {
  int fd; /* its end */
  uint64_t id;
  uint64_t start;
  uint64_t next; /* position of the next packet */
  uint64_t preamble;
  uint64_t skipped;
  uint64_t jumps;
  uint64_t markers;  /* not the log's */
  uint64_t received; /* packets of the log */
  uint32_t announced;
  uint32_t appetite; /* bytes in a round; 0: takes none */
  size_t part_length;
  uint8_t part[WEIR_TS_PACKET];
} viewer_t;

static test_ts_source_t ts;
static test_bench_t *const bench = &ts.test.bench;
static viewer_t viewers[LISTENERS];
static uint8_t *stream; /* all that was written, the log's positions */
static uint64_t written;
static uint64_t seed = 4;

static int is_discontinuity(const uint8_t *packet) {
  return packet[3] >> 4 == 2 && (packet[5] & 0x80) != 0;
}

static uint16_t pid_of(const uint8_t *packet) {
  return (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
}

static int is_access(uint64_t position) {
  return (stream[position + 3] & 0x20) != 0 && (stream[position + 5] & 0x40);
}

/* The next packet of the log, or one that is this viewer's alone. */
static void take_packet(viewer_t *viewer) {
  const uint8_t *packet = viewer->part;
  viewer->part_length = 0;
  if (viewer->preamble > 0) {
    viewer->preamble -= WEIR_TS_PACKET;
    return;
  }
  int is_next = viewer->next < written &&
                memcmp(packet, stream + viewer->next, WEIR_TS_PACKET) == 0;
  if (is_next) {
    CHECK_EQ(viewer->announced, 0);
    viewer->next += WEIR_TS_PACKET;
    viewer->received++;
    return;
  }
  if (is_discontinuity(packet)) {
    CHECK_EQ(pid_of(packet), TEST_VIDEO_PID); /* of the PCR */
    viewer->announced++;
    viewer->markers++;
    return;
  }
  CHECK(viewer->announced > 0);
  viewer->announced = 0;
  /* Where this packet is: it says so, or it is searched. */
  uint64_t at = viewer->next;
  while (at < written && memcmp(packet, stream + at, WEIR_TS_PACKET) != 0)
    at += WEIR_TS_PACKET;
  CHECK(at < written);
  CHECK(is_access(at));
  viewer->skipped += at - viewer->next;
  viewer->jumps++;
  viewer->next = at + WEIR_TS_PACKET;
  viewer->received++;
}

static void take(viewer_t *viewer, size_t most) {
  static uint8_t bytes[1 << 16];
  while (most > 0) {
    size_t some = most < sizeof bytes ? most : sizeof bytes;
    ssize_t n = recv(viewer->fd, bytes, some, MSG_DONTWAIT);
    if (n <= 0) return;
    for (ssize_t i = 0; i < n; i++) {
      viewer->part[viewer->part_length++] = bytes[i];
      if (viewer->part_length == WEIR_TS_PACKET) take_packet(viewer);
    }
    most -= (size_t)n;
  }
}

static void join(viewer_t *viewer) {
  static weir_track_join_t place;
  int pair[2];
  weir_track_join(ts.track, (double)(test_random(&seed) % 3), &place);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = pair[0],
                                     .position = place.position,
                                     .preamble = place.preamble,
                                     .preamble_length = place.preamble_length,
                                     .data = viewer};
  if (test_random(&seed) % 2 == 0) {
    options.pace = 600000;
    options.free = 50000;
  }
  *viewer = (viewer_t){.fd = pair[1],
                       .start = place.position,
                       .next = place.position,
                       .preamble = place.preamble_length,
                       .appetite = UINT32_MAX};
  CHECK_EQ(weir_fanout_add(bench->fanout, &options, &viewer->id), 0);
}

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  viewer_t *viewer = who->data;
  (void)fanout;
  (void)error;
  CHECK(reason == WEIR_END_KICKED || reason == WEIR_END_SHUTDOWN);
  take(viewer, SIZE_MAX);
  /* A skip of which nothing has arrived is in the account only. */
  CHECK_EQ(viewer->start + who->sent_bytes + who->skipped_bytes, who->position);
  CHECK(viewer->skipped <= who->skipped_bytes);
  CHECK(viewer->jumps <= viewer->markers && viewer->markers <= who->skips);
  if (reason == WEIR_END_SHUTDOWN) {
    CHECK_EQ(viewer->part_length, 0);
    CHECK_EQ(viewer->next, who->position);
    CHECK_EQ(viewer->skipped, who->skipped_bytes);
    CHECK_EQ(viewer->received * WEIR_TS_PACKET, who->sent_bytes);
  }
}

/* What the track appends, markers too, is what the log's positions name. */
static void write_some(test_mux_t *mux) {
  static uint8_t bytes[200 * WEIR_TS_PACKET];
  size_t length =
      test_mux_fill(mux, bytes, (uint32_t)(test_random(&seed) % 60));
  uint64_t head = weir_log_head(bench->log);
  CHECK(weir_track_push(ts.track, bytes, length) >= 0);
  written = head + test_copy_log(bench->log, head, stream + head);
  weir_fanout_published(bench->fanout);
}

int main(void) {
  uint64_t rounds = ROUNDS * test_scale();
  test_mux_t mux = test_mux(2000);
  mux.gop = GOP;
  stream = malloc((rounds + LISTENERS) * 70 * WEIR_TS_PACKET);
  CHECK(stream != NULL);
  test_ts_start(&ts, 1500 * WEIR_TS_PACKET);
  weir_fanout_options_t options = test_bench_options(bench);
  options.on_end = on_end;
  options.on_skip = NULL;
  options.landing = weir_track_landing();
  options.landing_context = ts.track;
  CHECK_EQ(weir_fanout_create(&bench->loop, &bench->fanout, &options), 0);
  for (int i = 0; i < 50; i++)
    write_some(&mux);
  for (uint32_t i = 0; i < LISTENERS; i++)
    join(&viewers[i]);
  uint64_t jumps = 0;
  for (uint64_t round = 0; round < rounds; round++) {
    viewer_t *viewer = &viewers[test_random(&seed) % LISTENERS];
    uint64_t pick = test_random(&seed) % 40;
    if (pick == 0) {
      CHECK_EQ(weir_fanout_kick(bench->fanout, viewer->id), 0);
      jumps += viewer->jumps;
      close(viewer->fd);
      join(viewer);
    } else if (pick < 8) {
      viewer->appetite = pick < 5   ? 0
                         : pick < 6 ? (uint32_t)(test_random(&seed) % 3000)
                                    : UINT32_MAX;
    }
    if (round % 500 == 499) weir_track_splice(ts.track);
    write_some(&mux);
    test_pass(bench, 15 * TEST_MS);
    for (uint32_t i = 0; i < LISTENERS; i++)
      take(&viewers[i], viewers[i].appetite);
  }
  for (int i = 0; i < 200; i++) { /* all take what there is */
    test_pass(bench, 20 * TEST_MS);
    for (uint32_t k = 0; k < LISTENERS; k++)
      take(&viewers[k], SIZE_MAX);
  }
  weir_fanout_end(bench->fanout, WEIR_END_SHUTDOWN);
  for (uint32_t i = 0; i < LISTENERS; i++) {
    jumps += viewers[i].jumps;
    close(viewers[i].fd);
  }
  CHECK(jumps > 20);
  free(stream);
  test_ts_finish(&ts);
  return 0;
}
