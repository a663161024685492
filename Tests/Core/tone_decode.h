/* tone_decode.h - samples of any format as numbers, for the tests of the tone.
 */
#ifndef WEIR_TONE_DECODE_H
#define WEIR_TONE_DECODE_H

#include <math.h>

#include "test.h"

/* The sample at `from`, full scale being 1. */
static inline double tone_decode(weir_pcm_sample_t sample,
                                 const uint8_t *from) {
  uint32_t width = weir_pcm_sample_bytes(sample);
  uint32_t bits = 0;
  for (uint32_t i = 0; i < width; i++)
    bits |= (uint32_t)from[i] << (8 * (4 - width + i));
  if (sample == WEIR_PCM_F32LE) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
  }
  return (double)(int32_t)bits / 2147483648.0;
}

#endif
