/*
 * histogram.c - log-linear buckets.
 *
 * Values below 16 have a bucket each. A value with its highest bit at e >= 4
 * falls into one of 16 buckets of 2^(e-4) values: row e-3, column the four
 * bits after the highest.
 */
#include "weir/histogram.h"

#include <float.h>
#include <string.h>

enum { SUB = WEIR_HISTOGRAM_SUB_BUCKETS, LAST = WEIR_HISTOGRAM_BUCKETS - 1 };

static unsigned int bucket_of(uint64_t value) {
  if (value < SUB) return (unsigned int)value;
  unsigned int highest = 63u - (unsigned int)__builtin_clzll(value);
  unsigned int column = (unsigned int)(value >> (highest - 4)) - SUB;
  unsigned int bucket = (highest - 3) * SUB + column;
  return bucket < LAST ? bucket : LAST;
}

/* The greatest value of a bucket. */
static uint64_t bound_of(unsigned int bucket) {
  if (bucket < SUB) return bucket;
  if (bucket == LAST) return UINT64_MAX;
  unsigned int shift = bucket / SUB - 1;
  return (((uint64_t)SUB + bucket % SUB + 1) << shift) - 1;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void weir_histogram_reset(weir_histogram_t *histogram) {
  memset(histogram, 0, sizeof *histogram);
}

void weir_histogram_record(weir_histogram_t *histogram, uint64_t value) {
  histogram->buckets[bucket_of(value)]++;
  histogram->count++;
  histogram->sum = add_saturated(histogram->sum, value);
  if (value > histogram->max) histogram->max = value;
}

void weir_histogram_merge(weir_histogram_t *histogram,
                          const weir_histogram_t *other) {
  for (int i = 0; i <= LAST; i++)
    histogram->buckets[i] += other->buckets[i];
  histogram->count += other->count;
  histogram->sum = add_saturated(histogram->sum, other->sum);
  if (other->max > histogram->max) histogram->max = other->max;
}

/* How many values a fraction of them is, rounded up, at least one. A product
 * that is above a whole number by no more than its own rounding is that
 * number: 0.07 of 100 is 7. */
static uint64_t rank_of(double q, uint64_t count) {
  if (!(q > 0)) return 1;
  if (q >= 1) return count;
  double exact = q * (double)count;
  uint64_t rank = (uint64_t)exact;
  if (exact - (double)rank > exact * 4 * DBL_EPSILON) rank++;
  if (rank == 0) return 1;
  return rank < count ? rank : count;
}

uint64_t weir_histogram_quantile(const weir_histogram_t *histogram, double q) {
  if (histogram->count == 0) return 0;
  uint64_t rank = rank_of(q, histogram->count);
  uint64_t seen = 0;
  for (unsigned int i = 0; i < LAST; i++) {
    seen += histogram->buckets[i];
    if (seen >= rank) {
      uint64_t bound = bound_of(i);
      return bound < histogram->max ? bound : histogram->max;
    }
  }
  return histogram->max;
}

uint64_t weir_histogram_count_below(const weir_histogram_t *histogram,
                                    uint64_t value) {
  if (value >= histogram->max) return histogram->count;
  uint64_t seen = 0;
  for (unsigned int i = 0; bound_of(i) <= value; i++)
    seen += histogram->buckets[i];
  return seen;
}

uint64_t weir_histogram_count(const weir_histogram_t *histogram) {
  return histogram->count;
}

uint64_t weir_histogram_sum(const weir_histogram_t *histogram) {
  return histogram->sum;
}

uint64_t weir_histogram_max(const weir_histogram_t *histogram) {
  return histogram->max;
}
