/* Filled in pieces, the tone is the tone filled at once, wherever it is cut
 * and however long it has run; and it has no clicks. */
#include "tone_decode.h"

static void check_pieces(weir_pcm_format_t format, uint64_t first,
                         uint64_t *seed) {
  uint32_t frame = weir_pcm_frame_bytes(&format);
  size_t frames = (size_t)format.rate * 5; /* two turns and a half */
  uint8_t *whole = malloc(frames * frame);
  uint8_t *pieces = malloc(frames * frame + 1);
  CHECK(whole != NULL && pieces != NULL);
  weir_tone_fill(&format, first, frames, whole);
  pieces[frames * frame] = 0xEE;
  for (size_t at = 0; at < frames;) {
    size_t count = test_random(seed) % 3000;
    if (count > frames - at) count = frames - at;
    weir_tone_fill(&format, first + at, count, pieces + at * frame);
    at += count;
  }
  CHECK(memcmp(whole, pieces, frames * frame) == 0);
  CHECK_EQ(pieces[frames * frame], 0xEE);

  /* No step between two frames is steeper than the highest note at full
   * level: an edge that is cut off would be. */
  double steepest =
      0.2512 * 2 * 3.1416 * weir_tone_frequency(3) / (double)format.rate;
  uint32_t width = weir_pcm_sample_bytes(format.sample);
  for (uint32_t channel = 0; channel < format.channels; channel++) {
    const uint8_t *at = whole + channel * width;
    double last = tone_decode(format.sample, at);
    for (size_t i = 1; i < frames; i++) {
      double next = tone_decode(format.sample, at + i * frame);
      CHECK(fabs(next - last) < steepest + 1e-4);
      last = next;
    }
  }
  free(whole);
  free(pieces);
}

int main(void) {
  uint64_t seed = 7;
  check_pieces((weir_pcm_format_t){WEIR_PCM_S16LE, 48000, 2}, 0, &seed);
  check_pieces((weir_pcm_format_t){WEIR_PCM_S24LE, 44100, 3}, 123456789, &seed);
  check_pieces((weir_pcm_format_t){WEIR_PCM_F32LE, 11025, 1}, 1, &seed);
  check_pieces((weir_pcm_format_t){WEIR_PCM_S32LE, 8001, 2},
               (uint64_t)8001 * 86400 * 365 * 100, &seed);
  check_pieces((weir_pcm_format_t){WEIR_PCM_S16LE, 1001, 2},
               UINT64_MAX - 100000, &seed);

  uint8_t untouched[4] = {1, 2, 3, 4};
  weir_pcm_format_t refused = {WEIR_PCM_S16LE, 0, 2};
  weir_tone_fill(&refused, 0, 1, untouched);
  CHECK_EQ(untouched[0], 1);
  return 0;
}
