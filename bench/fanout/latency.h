/*
 * latency.h - a log-linear histogram (HDR Histogram, G. Tene) of nanoseconds.
 *
 * 64 parts to each power of two: a quantile is at most 1.6 % above the true
 * value. The bench has its own, finer than Weir's and independent of it.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_PARTS      64u
#define LATENCY_PARTS_LOG2 6
#define LATENCY_BUCKETS    (LATENCY_PARTS * 40u) /* up to 2^45 ns */

struct latency {
  uint64_t count;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[LATENCY_BUCKETS];
};

static inline void latency_record(struct latency *latency, uint64_t value) {
  uint32_t bucket = (uint32_t)value;
  if (value >= LATENCY_PARTS) {
    int shift = 63 - __builtin_clzll(value) - LATENCY_PARTS_LOG2;
    bucket = (uint32_t)(value >> shift) + (uint32_t)shift * LATENCY_PARTS;
    if (bucket >= LATENCY_BUCKETS) bucket = LATENCY_BUCKETS - 1;
  }
  latency->buckets[bucket]++;
  latency->count++;
  latency->sum += value;
  if (value > latency->max) latency->max = value;
}

/* The upper bound of the bucket that holds quantile q, never above max. */
static inline uint64_t latency_quantile(const struct latency *latency,
                                        double q) {
  uint64_t seen = 0;
  double wanted = q * (double)latency->count;
  for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
    seen += latency->buckets[i];
    if (seen == 0 || (double)seen < wanted) continue;
    if (i < LATENCY_PARTS) return i;
    uint32_t shift = i / LATENCY_PARTS - 1;
    uint64_t part = i - shift * LATENCY_PARTS;
    uint64_t bound = ((part + 1) << shift) - 1;
    return bound < latency->max ? bound : latency->max;
  }
  return latency->max;
}

#endif
