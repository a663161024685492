/* A quantile is never below the true one and at most 1/16 above, over twelve
 * orders of magnitude; sum, count and max are exact. */
#include <math.h>

#include "test.h"

enum { COUNT = 20000 };

static uint64_t values[COUNT];

static int compare(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a;
  uint64_t right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static void check(const weir_histogram_t *histogram, size_t count) {
  static const double fractions[] = {0,    0.001, 0.01,   0.07, 0.1,
                                     0.25, 0.5,   0.75,   0.9,  0.95,
                                     0.99, 0.999, 0.9999, 1};
  qsort(values, count, sizeof values[0], compare);
  for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
    /* In thousandths of a percent, so that the rank is exact. */
    uint64_t parts = (uint64_t)(fractions[i] * 100000 + 0.5);
    uint64_t rank = (parts * count + 99999) / 100000;
    uint64_t exact = values[rank > 0 ? rank - 1 : 0];
    uint64_t found = weir_histogram_quantile(histogram, fractions[i]);
    CHECK(found >= exact);
    CHECK(found - exact <= exact / 16);
    CHECK(weir_histogram_count_below(histogram, found) >= rank);
  }
  CHECK_EQ(weir_histogram_quantile(histogram, 1), values[count - 1]);
  CHECK_EQ(weir_histogram_max(histogram), values[count - 1]);
  CHECK_EQ(weir_histogram_count(histogram), count);
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i];
  CHECK_EQ(weir_histogram_sum(histogram), sum);

  /* count_below is monotonic, exact at the ends and within 1/16 of place. */
  uint64_t last = 0;
  for (size_t i = 0; i < count; i += 97) {
    uint64_t below = weir_histogram_count_below(histogram, values[i]);
    CHECK(below >= last);
    last = below;
    size_t exact = i;
    while (exact < count && values[exact] <= values[i])
      exact++;
    CHECK(below <= exact);
    size_t surely = 0;
    for (size_t j = exact; j > 0 && surely == 0; j--)
      if (values[j - 1] <= values[i] - values[i] / 16) surely = j;
    CHECK(below + (surely == 0 ? 0 : 1) >= surely);
  }
  CHECK_EQ(weir_histogram_count_below(histogram, values[count - 1]), count);
  if (values[0] > 0)
    CHECK_EQ(weir_histogram_count_below(histogram, values[0] - 1), 0);
}

int main(void) {
  uint64_t seed = 99;
  for (size_t count = 1; count <= COUNT; count *= 10) {
    for (int shift = 18; shift < 64; shift += 9) {
      weir_histogram_t histogram = {0};
      for (size_t i = 0; i < count; i++) {
        /* Spread over the powers of two rather than crowded at the top. */
        int spread = (int)(test_random(&seed) % 12);
        uint64_t value = test_random(&seed) >> shift >> spread;
        values[i] = value;
        weir_histogram_record(&histogram, value);
      }
      check(&histogram, count);
    }
  }

  weir_histogram_t empty;
  memset(&empty, 0xEE, sizeof empty);
  weir_histogram_reset(&empty);
  CHECK_EQ(weir_histogram_quantile(&empty, 0.5), 0);
  CHECK_EQ(weir_histogram_count_below(&empty, 0), 0);
  CHECK_EQ(weir_histogram_max(&empty), 0);
  CHECK_EQ(weir_histogram_count(&empty), 0);
  weir_histogram_record(&empty, 5);
  CHECK_EQ(weir_histogram_quantile(&empty, -1), 5);
  CHECK_EQ(weir_histogram_quantile(&empty, 2), 5);
  CHECK_EQ(weir_histogram_quantile(&empty, (double)NAN), 5);
  return 0;
}
