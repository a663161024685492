/* However an input is cut into chunks, packets, events, offsets and counts are
 * the same. */
#include "scale.h"
#include "ts_mutate.h"
#include "ts_record.h"

#define STREAMS   60
#define SPLITS    500 /* of each; times WEIR_SCALE, 10 at most */
#define CHUNK_MAX 65536

static build_t build;
static record_t whole, part;

static void scan_split(const uint8_t *bytes, size_t length, size_t chunk,
                       uint64_t *seed) {
  record_start(&part);
  int status = 0;
  for (size_t at = 0; at < length && status == 0;) {
    size_t some = chunk;
    if (some == 0) {
      size_t most = (size_t)1 << mutate_below(seed, 17);
      some = 1 + mutate_below(seed, most);
    }
    if (some > length - at) some = length - at;
    /* A copy of its own, so that a look beyond it is noticed. */
    uint8_t *copy = malloc(some);
    CHECK(copy != NULL);
    memcpy(copy, bytes + at, some);
    status = weir_ts_push(part.ts, copy, some);
    free(copy);
    at += some;
  }
  int end = weir_ts_end(part.ts);
  CHECK(status == 0 || end == status);
  record_stop(&part);
}

static void check_stream(uint64_t seed, uint64_t splits) {
  uint64_t first = seed;
  mutate_build(&build, &seed, 6);
  record_scan(&whole, build.bytes, build.length);
  for (uint64_t i = 0; i < splits; i++) {
    uint64_t chunks = seed;
    size_t chunk = i == 0 ? 1 : i == 1 ? 188 : i == 2 ? CHUNK_MAX : 0;
    scan_split(build.bytes, build.length, chunk, &seed);
    if (whole.length != part.length || whole.events != part.events ||
        memcmp(&whole.counters, &part.counters, sizeof part.counters) != 0)
      fprintf(stderr, "seed %" PRIu64 ", chunks %" PRIu64 " (%zu)\n", first,
              chunks, chunk);
    record_check_same(&whole, &part);
  }
}

/* More than a search goes through. */
static void check_foreign(void) {
  uint64_t seed = 3;
  build_start(&build, 188, 4);
  build_garbage(&build, WEIR_TS_SEARCH_MAX - 100);
  build_pictures(&build, 4);
  for (size_t from = 0; from < 200; from += 9) {
    record_scan(&whole, build.bytes + from, build.length - from);
    scan_split(build.bytes + from, build.length - from, 0, &seed);
    record_check_same(&whole, &part);
  }
  build_garbage(&build, WEIR_TS_SEARCH_MAX + 5000);
  build_pictures(&build, 4);
  CHECK_EQ(record_scan(&whole, build.bytes, build.length), WEIR_ENOTTS);
  CHECK(whole.counters.packets > 0);
  scan_split(build.bytes, build.length, 0, &seed);
  record_check_same(&whole, &part);
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
  uint64_t scale = test_scale();
  if (seed != 0) {
    check_stream(seed, 200);
  } else {
    for (uint64_t i = 0; i < STREAMS * (1 + scale / 10); i++)
      check_stream(1000 + i, SPLITS * (scale > 10 ? 10 : scale));
    check_foreign();
  }
  build_free(&build);
  record_free(&whole);
  record_free(&part);
  return 0;
}
