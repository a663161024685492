/* Listeners join and leave by the thousand while the stream runs: every one
 * gets its bytes, and nothing of them stays. */
#include "fanout_test.h"
#include "scale.h"

#define PLACES 1500u
#define ROUNDS 400u

static test_bench_t bench;
static test_sink_t *places[PLACES];

static void leave(uint32_t at, uint64_t how) {
  test_sink_t *sink = places[at];
  if (sink->ended) return;
  if (how == 0)
    CHECK_EQ(weir_fanout_kick(bench.fanout, sink->id), 0);
  else
    sink->error = how == 1 ? UV_EPIPE : UV_ECONNRESET;
}

static void sweep(uint64_t *left) {
  for (uint32_t i = 0; i < PLACES; i++) {
    test_sink_t *sink = places[i];
    if (sink == NULL || !sink->ended) continue;
    CHECK_EQ(sink->last.skips, 0);
    free(sink);
    places[i] = NULL;
    ++*left;
  }
}

int main(void) {
  uint64_t seed = 11, joined = 0, left = 0;
  test_bench_open(&bench, 1 << 20, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.timeout = 1000 * TEST_SECOND;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  for (uint64_t round = 0; round < ROUNDS * test_scale(); round++) {
    uint64_t wanted = PLACES * (round % 100 < 50 ? 1 : 0); /* tides */
    for (int i = 0; i < 60; i++) {
      uint32_t at = (uint32_t)(test_random(&seed) % PLACES);
      if (places[at] == NULL && (wanted > 0 || i % 8 == 0)) {
        places[at] = malloc(sizeof **places);
        CHECK_EQ(test_add(&bench, places[at], WEIR_FANOUT_NEWEST,
                          test_random(&seed) % 100, WEIR_TRANSFORM_NONE),
                 0);
        joined++;
      } else if (places[at] != NULL && (wanted == 0 || i % 8 == 0)) {
        leave(at, test_random(&seed) % 3);
      }
    }
    test_publish(&bench, test_random(&seed) % 4000);
    test_pass(&bench, test_random(&seed) % (30 * TEST_MS));
    sweep(&left);
  }
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  for (uint32_t i = 0; i < PLACES; i++)
    if (places[i] != NULL && !places[i]->error)
      CHECK_EQ(places[i]->last.position, weir_log_head(bench.log));
  sweep(&left);
  CHECK_EQ(left, joined);
  CHECK(joined > 2000);
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK_EQ(counters.listeners, 0);
  CHECK_EQ(counters.joined, joined);
  CHECK(counters.listeners_peak > 800);
  test_bench_close(&bench);
  return 0;
}
