/* pcr.h - from one programme clock reference to the next. */
#ifndef WEIR_PCR_H
#define WEIR_PCR_H

#include "weir/ts.h"

/* Values wrap after 26.5 hours (ISO/IEC 13818-1 2.4.3.5). */
#define WEIR__PCR_WRAP (((uint64_t)1 << 33) * 300)
/* A longer step is a jump, ticks. There should be ten in a second (2.7.2), but
 * some muxers write one with each picture only, and a slide show is a stream
 * too. */
#define WEIR__PCR_STEP_MAX ((uint64_t)5 * WEIR_TS_CLOCK)

/* Ticks from `last` to `value`; 0 when that is a jump. */
static inline uint64_t weir__pcr_step(uint64_t last, uint64_t value) {
  uint64_t step = (value + WEIR__PCR_WRAP - last) % WEIR__PCR_WRAP;
  return step <= WEIR__PCR_STEP_MAX ? step : 0;
}

#endif
