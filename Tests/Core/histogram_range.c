/* Values past the range count in the last bucket with an exact maximum, and
 * adding one histogram to another is recording into one. */
#include "test.h"

int main(void) {
  weir_histogram_t histogram = {0};
  static const uint64_t large[] = {((uint64_t)1 << 46) - 1, (uint64_t)1 << 46,
                                   (uint64_t)1 << 50, UINT64_MAX};
  for (size_t i = 0; i < 4; i++)
    weir_histogram_record(&histogram, large[i]);
  CHECK_EQ(weir_histogram_count(&histogram), 4);
  CHECK(weir_histogram_max(&histogram) == UINT64_MAX);
  CHECK(weir_histogram_quantile(&histogram, 0.5) == UINT64_MAX);
  CHECK(weir_histogram_sum(&histogram) == UINT64_MAX); /* no overflow */
  CHECK_EQ(weir_histogram_count_below(&histogram, UINT64_MAX - 1), 0);
  CHECK_EQ(weir_histogram_count_below(&histogram, UINT64_MAX), 4);

  /* Every bucket's first and last value are told from their neighbours. */
  uint64_t bound = 0;
  for (int bucket = 0; bucket < WEIR_HISTOGRAM_BUCKETS - 1; bucket++) {
    weir_histogram_reset(&histogram);
    weir_histogram_record(&histogram, bound);
    weir_histogram_record(&histogram, UINT64_MAX);
    uint64_t last = weir_histogram_quantile(&histogram, 0.5);
    CHECK(last >= bound && last - bound <= bound / 16);
    weir_histogram_reset(&histogram);
    weir_histogram_record(&histogram, last);
    weir_histogram_record(&histogram, UINT64_MAX);
    CHECK_EQ(weir_histogram_quantile(&histogram, 0.5), last);
    CHECK_EQ(weir_histogram_count_below(&histogram, last), 1);
    if (last > 0) CHECK_EQ(weir_histogram_count_below(&histogram, last - 1), 0);
    bound = last + 1;
  }
  CHECK_EQ(bound, (uint64_t)31 << 41); /* the last bucket up to 2^46 */

  weir_histogram_t whole = {0}, left = {0}, right = {0};
  uint64_t seed = 3;
  for (int i = 0; i < 10000; i++) {
    uint64_t value = test_random(&seed) >> (test_random(&seed) % 60);
    weir_histogram_record(&whole, value);
    weir_histogram_record(i % 3 == 0 ? &left : &right, value);
  }
  weir_histogram_merge(&left, &right);
  CHECK(memcmp(&left, &whole, sizeof whole) == 0);
  return 0;
}
