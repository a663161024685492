/* Each step is its note at -12 dBFS, in every format and at odd rates, and the
 * channels but the first are inverted on the last. */
#include "tone_decode.h"

/* The amplitude of one frequency in samples (Goertzel 1958). */
static double amplitude(const double *samples, size_t count, double frequency,
                        double rate) {
  double angle = 2 * 3.14159265358979323846 * frequency / rate;
  double before = 0, last = 0;
  for (size_t i = 0; i < count; i++) {
    double next = samples[i] + 2 * cos(angle) * last - before;
    before = last;
    last = next;
  }
  double power = last * last + before * before - 2 * cos(angle) * last * before;
  return 2 * sqrt(power) / (double)count;
}

static void check(weir_pcm_format_t format) {
  uint32_t frame = weir_pcm_frame_bytes(&format);
  uint32_t width = weir_pcm_sample_bytes(format.sample);
  size_t period = (size_t)format.rate * 2;
  uint8_t *memory = malloc(period * frame);
  double *samples = malloc(period * sizeof *samples);
  CHECK(memory != NULL && samples != NULL);
  /* The second round, so that the first frame is not 0. */
  weir_tone_fill(&format, period, period, memory);

  for (uint32_t channel = 0; channel < format.channels; channel++) {
    for (size_t i = 0; i < period; i++)
      samples[i] =
          tone_decode(format.sample, memory + i * frame + channel * width);
    for (unsigned int step = 0; step < WEIR_TONE_STEPS; step++) {
      /* 400 ms in the middle: without the edges. */
      size_t from = period * step / WEIR_TONE_STEPS + format.rate / 20;
      size_t count = format.rate * 2 / 5;
      double own = weir_tone_frequency(step);
      double found = amplitude(samples + from, count, own, (double)format.rate);
      CHECK(fabs(20 * log10(found) + 12) < 0.05);
      for (unsigned int other = 0; other < WEIR_TONE_STEPS; other++) {
        double wrong = weir_tone_frequency(other);
        if (other == step) continue;
        CHECK(amplitude(samples + from, count, wrong, (double)format.rate) <
              found / 30);
      }
      /* The sign, against the first channel. */
      double sum = 0;
      for (size_t i = from; i < from + count; i++)
        sum += samples[i] * tone_decode(format.sample, memory + i * frame);
      CHECK((sum < 0) == (channel > 0 && step == WEIR_TONE_STEPS - 1));
    }
  }
  free(samples);
  free(memory);
}

int main(void) {
  CHECK(fabs(weir_tone_frequency(0) - 523.25) < 0.005);
  CHECK(fabs(weir_tone_frequency(1) - 659.26) < 0.005);
  CHECK(fabs(weir_tone_frequency(2) - 783.99) < 0.005);
  CHECK(fabs(weir_tone_frequency(3) - 1046.50) < 0.005);
  CHECK(weir_tone_frequency(4) == 0);
  CHECK(weir_tone_frequency(UINT32_MAX) == 0);

  check((weir_pcm_format_t){WEIR_PCM_S16LE, 48000, 2});
  check((weir_pcm_format_t){WEIR_PCM_S24LE, 44100, 2});
  check((weir_pcm_format_t){WEIR_PCM_S32LE, 48000, 1});
  check((weir_pcm_format_t){WEIR_PCM_F32LE, 96000, 2});
  check((weir_pcm_format_t){WEIR_PCM_S16LE, 11025, 6});
  check((weir_pcm_format_t){WEIR_PCM_S16LE, 8001, 1});
  return 0;
}
