/* Listeners over TLS: whole units whatever is skipped, and the policies for
 * slow ones. Whoever reads in the end decrypts everything that was sent. */
#include "fanout_test.h"
#include "scale.h"
#include "tls_test.h"

#define UNIT     6u
#define CAPACITY (64u * 1024 / UNIT * UNIT)

static test_files_t files;
static weir_tls_context_t *context;

typedef struct test_ear {
  test_client_t client;
  test_reader_t reader;
  weir_listener_info_t last;
  weir_end_reason_t reason;
  uint64_t id;
  uint64_t skips;
  int moody; /* reads little at present */
  int ended;
  int closed; /* close_notify has come */
} test_ear_t;

static void on_end(weir_fanout_t *fanout, const weir_listener_info_t *who,
                   weir_end_reason_t reason, int error) {
  test_ear_t *ear = who->data;
  (void)fanout;
  (void)error;
  CHECK(!ear->ended);
  ear->ended = 1;
  ear->reason = reason;
  ear->last = *who;
}

static void on_skip(weir_fanout_t *fanout, const weir_listener_info_t *who) {
  (void)fanout;
  ((test_ear_t *)who->data)->skips++;
}

static void open_bench(test_bench_t *bench, weir_slow_policy_t policy) {
  test_bench_open(bench, CAPACITY, UNIT);
  weir_fanout_options_t options = test_bench_options(bench);
  options.policy = policy;
  options.timeout = 2 * TEST_SECOND;
  options.on_end = on_end;
  options.on_skip = on_skip;
  CHECK_EQ(weir_fanout_create(&bench->loop, &bench->fanout, &options), 0);
}

static void join(test_bench_t *bench, test_ear_t *ear, int version) {
  int fd;
  char head[300];
  memset(ear, 0, sizeof *ear);
  weir_tls_t *tls = test_connect(context, &ear->client, version, 1, &fd);
  for (size_t i = 0; i < sizeof head; i++)
    head[i] = (char)test_preamble_byte(i);
  test_reader_start(&ear->reader, UNIT, weir_log_head(bench->log), sizeof head,
                    WEIR_TRANSFORM_NONE);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = fd,
                                     .sink = weir_tls_sink(),
                                     .sink_context = tls,
                                     .position = WEIR_FANOUT_NEWEST,
                                     .preamble = head,
                                     .preamble_length = sizeof head,
                                     .data = ear};
  CHECK_EQ(weir_fanout_add(bench->fanout, &options, &ear->id), 0);
  /* The fan-out bounds send buffers by the rate, 64 KiB at least: less,
   * so that records are cut. */
  int room = 16000;
  CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
}

/* Takes so many encrypted bytes, and checks what they are. */
static void listen_to(test_ear_t *ear, size_t most) {
  uint8_t bytes[WEIR_TLS_RECORD];
  int n;
  test_client_take(&ear->client, most);
  while ((n = test_client_read(&ear->client, bytes, sizeof bytes)) > 0)
    test_read(&ear->reader, bytes, (size_t)n);
  if (n < 0) ear->closed = 1;
}

/* Everything that is left, up to the end: it is an orderly one. */
static void listen_out(test_ear_t *ear) {
  while (!ear->client.ended) {
    uint64_t before = ear->client.received;
    listen_to(ear, 65536);
    CHECK(ear->client.received > before || ear->client.ended);
  }
  CHECK(ear->ended && ear->closed);
  /* The rest of a unit that its full socket cut could not follow. */
  CHECK_EQ(ear->reader.part_length, ear->last.position % UNIT);
  CHECK_EQ(ear->reader.received, ear->last.sent_bytes);
  CHECK(ear->reader.skipped <= ear->last.skipped_bytes);
  test_client_close(&ear->client);
}

/* Some keep up, some read little at times. */
static void test_skips(uint64_t seed) {
  enum { EARS = 8 };
  static test_ear_t ears[EARS];
  test_bench_t bench;
  uint64_t state = seed;
  open_bench(&bench, WEIR_SLOW_SKIP);
  for (int i = 0; i < EARS; i++)
    join(&bench, &ears[i], i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
  uint64_t turns = 1500 * test_scale();
  for (uint64_t turn = 0; turn < turns; turn++) {
    if (test_random(&state) % 4)
      test_publish(&bench, test_random(&state) % 3000 * UNIT);
    test_pass(&bench, test_random(&state) % (30 * TEST_MS));
    for (int i = 0; i < EARS; i++) {
      if (ears[i].ended) continue;
      if (test_random(&state) % 20 == 0) ears[i].moody = !ears[i].moody;
      int moody = i >= 2 && ears[i].moody;
      for (int reads = moody ? 1 : 20; reads > 0; reads--)
        listen_to(&ears[i], moody ? test_random(&state) % 3000 : 65536);
    }
  }
  uint64_t skipped = 0, ended = 0;
  for (int i = 0; i < EARS; i++) {
    skipped += ears[i].skips > 0;
    ended += (uint64_t)ears[i].ended;
  }
  printf("tls_fanout: %" PRIu64 " of %d skipped, %" PRIu64 " ended\n", skipped,
         EARS, ended);
  CHECK(skipped >= 3 && ended < EARS);
  test_bench_close(&bench);
  for (int i = 0; i < EARS; i++)
    listen_out(&ears[i]);
}

/* On a quiet station the last record arrives whole, without new bytes. */
static void test_quiet(void) {
  test_bench_t bench;
  static test_ear_t ear;
  open_bench(&bench, WEIR_SLOW_SKIP);
  join(&bench, &ear, 0);
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 4000 * UNIT);
  for (int i = 0; i < 400 && ear.reader.received < 4000 * UNIT; i++) {
    test_pass(&bench, 5 * TEST_MS);
    listen_to(&ear, 700);
  }
  CHECK_EQ(ear.reader.received, 4000 * UNIT);
  for (int i = 0; i < 100; i++)
    test_pass(&bench, 100 * TEST_MS);
  CHECK(!ear.ended);
  test_bench_close(&bench);
  listen_out(&ear);
}

/* One that stopped reading is ended, for the reason of the policy, and in the
 * end it could still read whole records and close_notify. */
static void test_stalled(weir_slow_policy_t policy, weir_end_reason_t reason) {
  test_bench_t bench;
  static test_ear_t deaf, good;
  open_bench(&bench, policy);
  join(&bench, &deaf, TLS1_3_VERSION);
  join(&bench, &good, TLS1_2_VERSION);
  uint64_t began = test_now;
  while (!deaf.ended && test_now < began + 10 * TEST_SECOND) {
    if (weir_fanout_room(bench.fanout, 1000 * UNIT) >= 1000 * UNIT)
      test_publish(&bench, 1000 * UNIT);
    for (int i = 0; i < 4; i++) {
      test_pass(&bench, 5 * TEST_MS);
      for (int reads = 0; reads < 10; reads++)
        listen_to(&good, 65536);
    }
  }
  CHECK(deaf.ended);
  CHECK_EQ(deaf.reason, reason);
  CHECK(!good.ended);
  CHECK_EQ(good.reader.skipped, 0);
  if (policy != WEIR_SLOW_DISCONNECT)
    CHECK(test_now >= began + 2 * TEST_SECOND);
  CHECK(test_now <= began + 4 * TEST_SECOND);
  listen_out(&deaf);
  test_bench_close(&bench);
  listen_out(&good);
}

/* A peer that leaves, in its own way or abruptly. */
static void test_left(int abrupt) {
  test_bench_t bench;
  static test_ear_t ear;
  open_bench(&bench, WEIR_SLOW_SKIP);
  join(&bench, &ear, 0);
  test_publish(&bench, 100 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  if (!abrupt) {
    CHECK_EQ(SSL_shutdown(ear.client.ssl), 0);
    test_client_give(&ear.client, 65536);
    CHECK_EQ(shutdown(ear.client.fd, SHUT_WR), 0);
  } else {
    CHECK_EQ(close(ear.client.fd), 0);
    ear.client.fd = -1;
  }
  for (int i = 0; i < 3; i++)
    test_pass(&bench, 20 * TEST_MS);
  CHECK(ear.ended);
  CHECK_EQ(ear.reason, WEIR_END_CLOSED);
  test_client_close(&ear.client);
  test_bench_close(&bench);
}

int main(void) {
  uint64_t seed = 0xFA2;
  const char *given = getenv("WEIR_SEED");
  if (given != NULL) seed = strtoull(given, NULL, 0);
  printf("tls_fanout: seed 0x%" PRIx64 "\n", seed);
  test_files_open(&files);
  context = test_context(&files, 50);
  test_skips(seed);
  test_quiet();
  test_stalled(WEIR_SLOW_SKIP, WEIR_END_STALLED);
  test_stalled(WEIR_SLOW_DISCONNECT, WEIR_END_LAG);
  test_stalled(WEIR_SLOW_PAUSE, WEIR_END_STALLED);
  test_left(0);
  test_left(1);
  weir_tls_context_release(context);
  test_files_close(&files);
  return 0;
}
