/* A listener costs at most 2 KiB, the data path allocates nothing, and when
 * memory ends anywhere, nothing is left behind. */
#include "fanout_test.h"

#define LISTENERS 300u
#define PREAMBLE  1024 /* bytes: a response head, and the tables of a stream */

static test_bench_t bench;
static test_sink_t sinks[LISTENERS];

static void open_bench(uint32_t unit) {
  test_bench_open(&bench, 65536, unit);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.byte_rate = 192000;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
}

static void test_bytes_per_listener(void) {
  open_bench(4);
  uint64_t before = bench.purse.live;
  for (uint32_t i = 0; i < LISTENERS; i++)
    CHECK_EQ(test_add(&bench, &sinks[i], WEIR_FANOUT_NEWEST, PREAMBLE,
                      WEIR_TRANSFORM_NONE),
             0);
  CHECK((bench.purse.live - before) / LISTENERS <= 2048);
  /* Once the preamble is sent it is gone. */
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(bench.purse.live - before,
           LISTENERS * weir_fanout_listener_bytes(bench.fanout));
  CHECK(weir_fanout_listener_bytes(bench.fanout) <= 512);
  test_bench_close(&bench);
}

/* Everything that can happen to a listener but joining. */
static void test_data_path(void) {
  open_bench(4);
  for (uint32_t i = 0; i < LISTENERS; i++)
    CHECK_EQ(test_add(&bench, &sinks[i], WEIR_FANOUT_NEWEST, 44,
                      (weir_transform_t)(i % 2)),
             0);
  uint64_t calls = bench.purse.calls, seed = 5;
  for (int i = 0; i < 300; i++) {
    for (int k = 0; k < 20; k++) {
      test_sink_t *sink = &sinks[test_random(&seed) % LISTENERS];
      uint64_t pick = test_random(&seed) % 4;
      sink->appetite = pick == 0 ? 0 : pick == 1 ? 1001 : UINT64_MAX;
      if (i > 100 && pick == 3 && k == 0) sink->error = UV_EPIPE;
    }
    test_publish(&bench, 1 + test_random(&seed) % 10000);
    test_pass(&bench, 10 * TEST_MS);
    if (i == 200) CHECK_EQ(weir_fanout_set_window(bench.fanout, 0), 0);
  }
  CHECK_EQ(bench.purse.calls, calls);
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK(counters.skips > 0 && counters.ended[WEIR_END_CLOSED] > 0);
  test_bench_close(&bench);
}

/* The n-th allocation fails, for every n. */
static void test_failures(void) {
  for (uint64_t n = 1;; n++) {
    test_purse_t purse = {.fail = n};
    weir_allocator_t allocator = test_allocator(&purse);
    test_bench_open(&bench, 65536, 4);
    uint64_t before = bench.purse.live;
    weir_fanout_options_t options = test_bench_options(&bench);
    options.allocator = &allocator;
    int error = weir_fanout_create(&bench.loop, &bench.fanout, &options);
    if (error < 0) {
      CHECK_EQ(error, UV_ENOMEM);
      CHECK_EQ(n, 1);
      CHECK_EQ(purse.live, 0);
      bench.fanout = NULL;
    } else {
      uint64_t created = purse.live;
      error = test_add(&bench, &sinks[0], WEIR_FANOUT_NEWEST, 44,
                       WEIR_TRANSFORM_SWAP16);
      if (error < 0) {
        CHECK_EQ(error, UV_ENOMEM);
        CHECK(purse.live == created ||
              purse.live == created + WEIR__FANOUT_SCRATCH);
        /* The next one joins as if nothing had been. */
        CHECK_EQ(test_add(&bench, &sinks[0], WEIR_FANOUT_NEWEST, 44,
                          WEIR_TRANSFORM_SWAP16),
                 0);
      }
      test_publish(&bench, 4000);
      test_pass(&bench, 20 * TEST_MS);
      CHECK_EQ(sinks[0].reader.received, 4000);
    }
    test_bench_close(&bench);
    CHECK_EQ(bench.purse.live, 0);
    CHECK_EQ(purse.live, 0);
    CHECK(before > 0);
    if (purse.calls < n) break; /* none failed */
    CHECK(n < 100);
  }
}

int main(void) {
  test_bytes_per_listener();
  test_data_path();
  test_failures();
  return 0;
}
