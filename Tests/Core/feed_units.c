/* What a feed and a source write into one log by turns is whole units of
 * either, in their order, and nothing else; whoever is cut keeps nothing. */
#include "source_test.h"

#define BYTES ((size_t)1 << 20)

/* What is followed: `other`; what is written: test.bench. */
static test_source_t test;
static weir_log_t *other;
static weir_fanout_t *other_fanout;
static weir_feed_t *feed;
static int feed_firsts;
static int returns;
static int is_away;
static int pipe_end;
static uint64_t seed;

/* What the log must hold. */
static uint8_t *expected;
static size_t length;
static uint64_t followed; /* the feed's place in the other log */
static uint8_t part[4];   /* a unit that the source has begun, */
static uint32_t begun;
static uint32_t cut; /* and what it still sends of one that was taken back */

static void on_feed(weir_feed_t *which) {
  CHECK(which == feed);
  CHECK(weir_feed_bytes(which) > 0);
  feed_firsts++;
}

static void on_return(weir_source_t *source) {
  CHECK(source == test.source);
  weir_feed_close(feed, NULL);
  feed = NULL;
  returns++;
  is_away = 0;
}

static void follow(uint64_t position) {
  weir_feed_options_t options = {.size = sizeof options,
                                 .from = other_fanout,
                                 .position = position,
                                 .to = test.bench.fanout,
                                 .on_first = on_feed,
                                 .allocator = &test.bench.allocator};
  weir_source_yield(test.source);
  is_away = 1;
  if (begun > 0) cut = 4 - begun;
  begun = 0;
  CHECK_EQ(weir_feed_open(&test.bench.loop, &feed, &options), 0);
  followed = position == WEIR_FANOUT_NEWEST ? weir_log_head(other) : position;
}

static void expect_fed(void) {
  for (; followed < weir_log_head(other); followed++)
    expected[length++] = test_byte(followed / 4, (uint32_t)(followed % 4));
}

static void other_grows(size_t bytes) {
  test_append(other, bytes);
  weir_fanout_published(other_fanout);
  test_poll(&test.bench);
  if (feed != NULL) expect_fed();
}

static void source_sends(size_t bytes) {
  uint8_t block[64];
  for (size_t i = 0; i < bytes; i++) {
    block[i] = (uint8_t)test_random(&seed);
    if (cut > 0) {
      cut--;
      continue;
    }
    part[begun++] = block[i];
    if (begun < 4) continue;
    memcpy(expected + length, part, 4);
    length += 4;
    begun = 0;
  }
  CHECK_EQ(write(pipe_end, block, bytes), bytes);
  test_poll(&test.bench);
  test_poll(&test.bench);
}

static void open_all(size_t capacity, weir_slow_policy_t policy) {
  test_source_start(&test, capacity, 4);
  test_bench_t *bench = &test.bench;
  weir_fanout_options_t options = test_bench_options(bench);
  options.policy = policy;
  CHECK_EQ(weir_fanout_create(&bench->loop, &bench->fanout, &options), 0);
  weir_log_options_t log = {.size = sizeof log,
                            .capacity = BYTES,
                            .unit = 4,
                            .allocator = &bench->allocator};
  CHECK_EQ(weir_log_create(&other, &log), 0);
  options = test_bench_options(bench);
  options.log = other;
  CHECK_EQ(weir_fanout_create(&bench->loop, &other_fanout, &options), 0);
  length = 0;
  begun = cut = 0;
  is_away = 0;
  returns = feed_firsts = 0;
}

static void open_source(void) {
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  pipe_end = ends[1];
  weir_source_options_t options = test_source_options(&test);
  options.detect_wav = 0;
  options.on_return = on_return;
  CHECK_EQ(
      weir_source_open_fd(&test.bench.loop, &test.source, ends[0], &options),
      0);
}

static void close_all(void) {
  weir_feed_close(feed, NULL);
  feed = NULL;
  weir_fanout_close(other_fanout, NULL);
  test_poll(&test.bench);
  test_poll(&test.bench);
  weir_log_destroy(other);
  test_source_finish(&test);
}

static void test_turns(uint64_t start) {
  seed = start;
  open_all(BYTES, WEIR_SLOW_SKIP);
  open_source();
  int opened = 0;
  for (int i = 0; i < 2000 && length < BYTES - 4096; i++) {
    size_t some = 1 + test_random(&seed) % 37;
    uint64_t what = test_random(&seed) % 8;
    if (what < 3) {
      other_grows(some);
    } else if (what < 6 || feed != NULL) {
      int before = returns;
      int was_away = is_away;
      uint32_t dropped = cut;
      source_sends(some);
      /* The rest of a unit that nobody heard the beginning of is no byte. */
      CHECK_EQ(returns - before, was_away && some > dropped);
    } else {
      /* From the newest on, or from what is kept. */
      uint64_t head = weir_log_head(other);
      uint64_t back = test_random(&seed) % 2 * (head / 4 < 8 ? 0 : 16);
      follow(back > 0 ? head - back : WEIR_FANOUT_NEWEST);
      opened++;
      if (test_random(&seed) % 4 == 0) {
        weir_feed_close(feed, NULL); /* before it wrote anything */
        feed = NULL;
      } else {
        test_poll(&test.bench);
        expect_fed();
      }
    }
    test_log_holds(test.bench.log, expected, length);
  }
  CHECK(opened > 100);
  CHECK(returns > 50);
  CHECK(feed_firsts > 50);
  close(pipe_end);
  close_all();
}

/* A log that goes on faster than the feed's ring takes it is written over more
 * than one turn, and one that laps it is gone on with at its newest unit. */
static void test_more_than_a_turn(void) {
  open_all(4096, WEIR_SLOW_SKIP);
  open_source();
  follow(WEIR_FANOUT_NEWEST);
  test_append(other, 8192);
  weir_fanout_published(other_fanout);
  CHECK_EQ(weir_log_head(test.bench.log), 1024);
  for (uint64_t turn = 2; turn <= 8; turn++) {
    test_poll(&test.bench);
    CHECK_EQ(weir_log_head(test.bench.log), turn * 1024);
  }
  CHECK_EQ(weir_feed_bytes(feed), 8192);
  test_append(other, 3 * BYTES);
  uint64_t head = weir_log_head(other);
  weir_fanout_published(other_fanout);
  CHECK_EQ(weir_feed_skipped(feed), 3 * BYTES);
  CHECK_EQ(weir_feed_bytes(feed), 8192);
  test_append(other, 8);
  weir_fanout_published(other_fanout);
  CHECK_EQ(weir_feed_bytes(feed), 8200);
  struct iovec iov[2];
  int pieces;
  CHECK_EQ(weir_log_peek(test.bench.log, 8192, 8, iov, &pieces), 8);
  for (uint32_t i = 0; i < 8; i++)
    CHECK_EQ(((uint8_t *)iov[0].iov_base)[i], test_byte((head + i) / 4, i % 4));
  close(pipe_end);
  close_all();
}

/* Who must be waited for is waited for, and nothing is lost by it. */
static void test_held(void) {
  open_all(4096, WEIR_SLOW_PAUSE);
  open_source();
  test_sink_t sink;
  test_join(&test.bench, &sink);
  sink.appetite = 0;
  follow(WEIR_FANOUT_NEWEST);
  for (int i = 0; i < 100; i++) {
    other_grows(400);
    weir_fanout_turn(test.bench.fanout);
  }
  CHECK(weir_log_head(test.bench.log) <= 4096);
  CHECK(weir_fanout_is_held(test.bench.fanout));
  sink.appetite = UINT64_MAX;
  for (int i = 0; i < 200; i++)
    test_pass(&test.bench, 20 * TEST_MS);
  CHECK_EQ(weir_log_head(test.bench.log), 40000);
  CHECK_EQ(sink.reader.received, 40000);
  CHECK_EQ(sink.reader.skipped, 0);
  CHECK_EQ(weir_feed_skipped(feed), 0);

  /* A source that comes back meanwhile waits as well, and is told. */
  sink.appetite = 0;
  while (!weir_fanout_is_held(test.bench.fanout)) {
    other_grows(400);
    weir_fanout_turn(test.bench.fanout);
  }
  source_sends(8);
  CHECK_EQ(returns, 0);
  other_grows(400);
  /* It leaves, and nobody is waited for. */
  CHECK_EQ(weir_fanout_kick(test.bench.fanout, sink.id), 0);
  for (int i = 0; i < 20; i++)
    test_pass(&test.bench, 20 * TEST_MS);
  CHECK_EQ(returns, 1);
  CHECK(feed == NULL);
  CHECK_EQ(weir_source_bytes(test.source), 8);
  close(pipe_end);
  close_all();
}

/* One that is waited for again and again, as what is followed is faster than
 * it, does not keep the source from coming back. */
static void test_returns_while_held(void) {
  open_all(4096, WEIR_SLOW_PAUSE);
  open_source();
  test_sink_t sink;
  test_join(&test.bench, &sink);
  sink.appetite = 0;
  follow(WEIR_FANOUT_NEWEST);
  while (!weir_fanout_is_held(test.bench.fanout)) {
    test_append(other, 800);
    weir_fanout_published(other_fanout);
    test_poll(&test.bench);
  }
  uint8_t block[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK_EQ(write(pipe_end, block, sizeof block), sizeof block);
  for (int i = 0; i < 100 && returns == 0; i++) {
    test_append(other, 800);
    weir_fanout_published(other_fanout);
    sink.appetite += 400;
    test_pass(&test.bench, 20 * TEST_MS);
  }
  CHECK_EQ(returns, 1);
  CHECK(feed == NULL);
  CHECK_EQ(weir_source_bytes(test.source), 8);
  /* What it has not heard yet is no numbered unit. */
  CHECK_EQ(weir_fanout_kick(test.bench.fanout, sink.id), 0);
  CHECK_EQ(sink.reader.skipped, 0);
  close(pipe_end);
  close_all();
}

static void test_refused(void) {
  open_all(4096, WEIR_SLOW_SKIP);
  weir_feed_options_t good = {
      .size = sizeof good, .from = other_fanout, .to = test.bench.fanout};
  weir_feed_options_t bad = good;
  uv_loop_t *loop = &test.bench.loop;
  bad.from = NULL;
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EOPTION);
  bad = good;
  bad.to = other_fanout;
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EOPTION);
  bad = good;
  bad.position = 3;
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EUNALIGNED);
  bad.position = 4;
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EAHEAD);
  test_append(other, 2 * BYTES);
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EBEHIND);
  bad = good;
  bad.preamble = "abcd";
  bad.preamble_length = 3;
  CHECK_EQ(weir_feed_open(loop, &feed, &bad), WEIR_EOPTION);
  CHECK_EQ(weir_feed_open(NULL, &feed, &good), WEIR_EOPTION);
  good.position = WEIR_FANOUT_NEWEST;
  good.allocator = &test.bench.allocator;
  test.bench.purse.fail = test.bench.purse.calls + 1;
  CHECK_EQ(weir_feed_open(loop, &feed, &good), UV_ENOMEM);
  feed = NULL;
  weir_feed_close(NULL, NULL);
  close_all();
}

int main(void) {
  expected = malloc(BYTES);
  CHECK(expected != NULL);
  for (uint64_t start = 1; start <= 5; start++)
    test_turns(start);
  test_more_than_a_turn();
  test_held();
  test_returns_while_held();
  test_refused();
  free(expected);
  return 0;
}
