/* From anywhere in a stream of random payload the search finds the packets and
 * nothing else. Prints how often simpler searches are wrong on the same
 * data. */
#include "../../CSources/ts_search.h"
#include "scale.h"
#include "ts_build.h"

#define POSITIONS  100000u /* of a stream; there are WEIR_SCALE streams */
#define PACKETS    10000u
#define END_LENGTH (3u * 188u) /* what is left for the rule of the end */

static build_t build;

static size_t one_byte(size_t at) {
  while (build.bytes[at] != 0x47)
    at++;
  return at;
}

static size_t two_syncs(size_t at) {
  while (build.bytes[at] != 0x47 || build.bytes[at + 188] != 0x47)
    at++;
  return at;
}

int main(void) {
  uint64_t streams = test_scale();
  uint64_t seed = 20240601;
  uint64_t wrong[4] = {0};
  weir__ts_search_t search = {.find = weir__ts_finder(WEIR__TS_SIMD_256)};
  for (uint64_t i = 0; i < streams; i++) {
    build_start(&build, 188, 1 + i);
    for (size_t k = 0; k < PACKETS; k++)
      build_fill(&build, (uint16_t)(0x100 + test_random(&build.seed) % 4));
    for (size_t k = 0; k < POSITIONS; k++) {
      size_t at = (size_t)(test_random(&seed) >> 20) %
                  (build.length - 100 * (size_t)188);
      uint32_t stride;
      search.forgiven = search.contests;
      size_t found = weir__ts_search(&search, build.bytes, build.length, at,
                                     build.length, 0, 0, &stride);
      CHECK(stride != 0);
      wrong[0] += one_byte(at) % 188 != 0;
      wrong[1] += two_syncs(at) % 188 != 0;
      if (stride != 188 || found % 188 != 0 || found - at > 187) {
        fprintf(stderr, "stream %" PRIu64 " at %zu: %zu\n", 1 + i, at, found);
        wrong[2]++;
      }
      int64_t last = weir_ts_find_sync(build.bytes + at, END_LENGTH, 0, NULL);
      wrong[3] += last < 0 || ((size_t)last + at) % 188 != 0;
    }
  }
  double all = (double)(streams * POSITIONS);
  printf(
      "ts_false_locks: of %.0f positions, wrong: one byte %.3g %%, two "
      "syncs %.3g %%, at the end %.3g %%, five syncs %" PRIu64 "\n",
      all, 100 * (double)wrong[0] / all, 100 * (double)wrong[1] / all,
      100 * (double)wrong[3] / all, wrong[2]);
  CHECK_EQ(wrong[2], 0);
  build_free(&build);
  return 0;
}
