/*
 * histogram.h - a latency histogram of constant size.
 *
 * Values are unsigned 64-bit numbers of any unit (Weir records nanoseconds).
 * Buckets are log-linear as in HDR Histogram (G. Tene): each power of two is
 * cut into 16 equal parts, so a quantile is at most 1/16 (6.25 %) above the
 * true value, whatever the range. Recording is O(1), allocates nothing and
 * touches one counter. Not synchronised.
 */
#ifndef WEIR_HISTOGRAM_H
#define WEIR_HISTOGRAM_H

#include <stdint.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_HISTOGRAM_SUB_BUCKETS 16
#define WEIR_HISTOGRAM_BUCKETS     688 /* values up to 2^46 ns = 19.5 hours */

/* Zero-initialise (or weir_histogram_reset) before use. Fields are private. */
typedef struct weir_histogram {
  uint64_t count;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[WEIR_HISTOGRAM_BUCKETS];
} weir_histogram_t;

WEIR_EXTERN void weir_histogram_reset(weir_histogram_t *histogram);

/* Counts one value; values above the range count in the last bucket, and max
 * stays exact. */
WEIR_EXTERN void weir_histogram_record(weir_histogram_t *histogram,
                                       uint64_t value);

/* Adds the counts of `other`. */
WEIR_EXTERN void weir_histogram_merge(weir_histogram_t *histogram,
                                      const weir_histogram_t *other);

/* The smallest bucket bound that at least the fraction q (0 ... 1) of the
 * values does not exceed, never above max. 0 when nothing was recorded. */
WEIR_EXTERN uint64_t weir_histogram_quantile(const weir_histogram_t *histogram,
                                             double q);

/* How many recorded values are <= value, by bucket (for Prometheus `le`): a
 * value counts as its bucket's upper bound, as in a quantile, so that it may
 * be missed when it lies less than 1/16 below `value`. */
WEIR_EXTERN uint64_t
weir_histogram_count_below(const weir_histogram_t *histogram, uint64_t value);

WEIR_EXTERN uint64_t weir_histogram_count(const weir_histogram_t *histogram);
WEIR_EXTERN uint64_t weir_histogram_sum(const weir_histogram_t *histogram);
WEIR_EXTERN uint64_t weir_histogram_max(const weir_histogram_t *histogram);

WEIR_END_DECLS

#endif
