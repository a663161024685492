/* An input that is made to cost the search as much as it can: places that rival
 * everywhere, and no lock that lasts. How much is looked into is bounded by its
 * length, however it is cut. */
#include "../../CSources/ts_state.h"
#include "test.h"

#define LENGTH ((size_t)1 << 20)

static uint8_t bytes[LENGTH];
static uint64_t packets;

static void on_packets(weir_ts_t *ts, const uint8_t *run, size_t count,
                       uint64_t first) {
  (void)ts;
  (void)run;
  CHECK_EQ(first, packets);
  packets += count;
}

/* Every second byte may be the first of a packet, but for one in `damaged`. */
static void make(uint64_t damaged) {
  uint64_t seed = damaged;
  for (size_t i = 0; i < LENGTH; i++) {
    uint64_t random = test_random(&seed) >> 20;
    if (i % 2 != 0)
      bytes[i] = (uint8_t)(0x10 | (random & 15));
    else
      bytes[i] = random % damaged == 0 ? 0 : WEIR_TS_SYNC;
  }
}

static uint64_t scan(size_t chunk, uint64_t *losses) {
  weir_ts_t *ts;
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_packets = on_packets}};
  packets = 0;
  CHECK_EQ(weir_ts_create(&ts, &options), 0);
  for (size_t at = 0; at < LENGTH; at += chunk)
    CHECK_EQ(
        weir_ts_push(ts, bytes + at, chunk < LENGTH - at ? chunk : LENGTH - at),
        0);
  weir_ts_counters_t counters;
  weir_ts_counters(ts, &counters);
  CHECK_EQ(counters.packets, packets);
  *losses = counters.losses;
  uint64_t contests = ts->search.contests;
  weir_ts_destroy(ts);
  return contests;
}

int main(void) {
  for (uint64_t damaged = 2; damaged <= 8; damaged *= 2) {
    uint64_t losses, same;
    make(damaged);
    uint64_t contests = scan(65536, &losses);
    CHECK(contests > WEIR__TS_CONTESTS_MAX && losses > 5);
    CHECK(contests <= WEIR__TS_CONTESTS_MAX + LENGTH / WEIR__TS_CONTEST_BYTES);
    uint64_t found = packets;
    CHECK_EQ(scan(1009, &same), contests);
    CHECK_EQ(packets, found);
    CHECK_EQ(same, losses);
  }
  return 0;
}
