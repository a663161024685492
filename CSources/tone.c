/*
 * tone.c - the tone sequence.
 *
 * The sequence is two seconds long, a whole number of frames at any rate, so
 * the frame's number within it gives the step, the place in the step and thus
 * the sample. Steps begin on the first frame at or after their time.
 */
#include "weir/tone.h"

#include <math.h>
#include <string.h>

#include "bytes.h"

#define PI           3.14159265358979323846
#define EDGE_SECONDS 0.010
#define LEVEL        0.251188643150958 /* -12 dB */

/* A4 = 440 Hz, equal temperament: semitones 3, 7, 10 and 15 above it. */
static const double frequencies[WEIR_TONE_STEPS] = {
    523.2511306011972, 659.2551138257398, 783.9908719634985,
    1046.5022612023945};

double weir_tone_frequency(unsigned int step) {
  return step < WEIR_TONE_STEPS ? frequencies[step] : 0;
}

/* The sample of the first channel at frame `at` of a step of `length`. */
static double sample(double frequency, double rate, uint64_t at,
                     uint64_t length) {
  double value = LEVEL * sin(2 * PI * frequency * (double)at / rate);
  uint64_t end = length - at; /* the step's last frame is 1 from it */
  double edge = (double)(at < end ? at : end) / rate;
  if (edge < EDGE_SECONDS) value *= 0.5 - 0.5 * cos(PI * edge / EDGE_SECONDS);
  return value;
}

/* Full scale is 2^(bits-1), which LEVEL keeps well clear of. */
static void put(uint8_t *to, weir_pcm_sample_t type, double value) {
  switch (type) {
    case WEIR_PCM_S16LE:
      weir__put16(to, (uint32_t)lrint(value * 32768.0));
      break;
    case WEIR_PCM_S24LE: {
      uint32_t whole = (uint32_t)lrint(value * 8388608.0);
      weir__put16(to, whole);
      to[2] = (uint8_t)(whole >> 16);
      break;
    }
    case WEIR_PCM_S32LE:
      weir__put32(to, (uint32_t)lrint(value * 2147483648.0));
      break;
    case WEIR_PCM_F32LE: {
      float single = (float)value;
      uint32_t bits;
      memcpy(&bits, &single, sizeof bits);
      weir__put32(to, bits);
      break;
    }
  }
}

void weir_tone_fill(const weir_pcm_format_t *format, uint64_t first,
                    size_t frames, void *memory) {
  uint32_t width = weir_pcm_sample_bytes(format->sample);
  if (weir_pcm_check(format) != 0) return;
  uint64_t per_second = format->rate;
  uint64_t period = per_second * WEIR_TONE_STEPS * WEIR_TONE_STEP_MS / 1000;
  uint64_t at = first % period;
  uint8_t *to = memory;

  while (frames > 0) {
    uint64_t step = at * 1000 / WEIR_TONE_STEP_MS / per_second;
    uint64_t begin = (step * per_second * WEIR_TONE_STEP_MS + 999) / 1000;
    uint64_t end = ((step + 1) * per_second * WEIR_TONE_STEP_MS + 999) / 1000;
    int inverted = step == WEIR_TONE_STEPS - 1;
    for (; at < end && frames > 0; at++, frames--) {
      double value = sample(frequencies[step], (double)per_second, at - begin,
                            end - begin);
      put(to, format->sample, value);
      to += width;
      for (uint32_t channel = 1; channel < format->channels; channel++) {
        put(to, format->sample, inverted ? -value : value);
        to += width;
      }
    }
    if (at == period) at = 0;
  }
}
