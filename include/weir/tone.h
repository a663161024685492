/*
 * tone.h - a generated, recognisable tone sequence, for demonstration and
 * tests.
 *
 * The sequence repeats every WEIR_TONE_STEPS steps of half a second each:
 * C5 E5 G5 C6 (523.25, 659.26, 783.99, 1046.50 Hz, equal temperament, A4 =
 * 440 Hz) on all channels, at -12 dBFS with 10 ms raised-cosine edges. The
 * first channel is continuous; the others are inverted on the last step, so
 * that a swapped or dropped channel is heard and seen.
 */
#ifndef WEIR_TONE_H
#define WEIR_TONE_H

#include <stddef.h>
#include <stdint.h>

#include "pcm.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_TONE_STEPS   4u
#define WEIR_TONE_STEP_MS 500u

/*
 * Fills `memory` with `frames` frames of the sequence, the first being frame
 * number `first` since its start. Pure and stateless: the same numbers give
 * the same bytes. The caller's memory holds frames * weir_pcm_frame_bytes().
 * A format that weir_pcm_check() refuses fills nothing. Cost: one sine per
 * frame, and a cosine on the edges.
 */
WEIR_EXTERN void weir_tone_fill(const weir_pcm_format_t *format, uint64_t first,
                                size_t frames, void *memory);

/* The frequency in Hz of step 0 ... WEIR_TONE_STEPS-1; 0 for any other. */
WEIR_EXTERN double weir_tone_frequency(unsigned int step);

WEIR_END_DECLS

#endif
