/* pcm.c - PCM formats and frame arithmetic. */
#include "weir/pcm.h"

#include <string.h>

#include "weir/errors.h"

uint32_t weir_pcm_sample_bytes(weir_pcm_sample_t sample) {
  switch (sample) {
    case WEIR_PCM_S16LE:
      return 2;
    case WEIR_PCM_S24LE:
      return 3;
    case WEIR_PCM_S32LE:
    case WEIR_PCM_F32LE:
      return 4;
  }
  return 0;
}

const char *weir_pcm_sample_name(weir_pcm_sample_t sample) {
  switch (sample) {
    case WEIR_PCM_S16LE:
      return "s16le";
    case WEIR_PCM_S24LE:
      return "s24le";
    case WEIR_PCM_S32LE:
      return "s32le";
    case WEIR_PCM_F32LE:
      return "f32le";
  }
  return NULL;
}

int weir_pcm_sample_parse(const char *name, size_t length,
                          weir_pcm_sample_t *sample) {
  static const weir_pcm_sample_t all[] = {WEIR_PCM_S16LE, WEIR_PCM_S24LE,
                                          WEIR_PCM_S32LE, WEIR_PCM_F32LE};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    const char *known = weir_pcm_sample_name(all[i]);
    if (length == strlen(known) && memcmp(name, known, length) == 0) {
      *sample = all[i];
      return 0;
    }
  }
  return WEIR_EOPTION;
}

int weir_pcm_check(const weir_pcm_format_t *format) {
  if (weir_pcm_sample_bytes(format->sample) == 0) return WEIR_EOPTION;
  if (format->rate < WEIR_PCM_MIN_RATE) return WEIR_EOPTION;
  if (format->rate > WEIR_PCM_MAX_RATE) return WEIR_EOPTION;
  if (format->channels < 1) return WEIR_EOPTION;
  if (format->channels > WEIR_PCM_MAX_CHANNELS) return WEIR_EOPTION;
  return 0;
}

uint32_t weir_pcm_frame_bytes(const weir_pcm_format_t *format) {
  if (weir_pcm_check(format) != 0) return 0;
  return weir_pcm_sample_bytes(format->sample) * format->channels;
}

uint64_t weir_pcm_byte_rate(const weir_pcm_format_t *format) {
  return (uint64_t)weir_pcm_frame_bytes(format) * format->rate;
}

int weir_pcm_equal(const weir_pcm_format_t *a, const weir_pcm_format_t *b) {
  return a->sample == b->sample && a->rate == b->rate &&
         a->channels == b->channels;
}

/* One loop per width, so that the compiler can turn each into shuffles. */

static void swap2(uint8_t *restrict to, const uint8_t *restrict from,
                  size_t samples) {
  for (size_t i = 0; i < samples; i++) {
    uint16_t value;
    memcpy(&value, from + 2 * i, sizeof value);
    value = __builtin_bswap16(value);
    memcpy(to + 2 * i, &value, sizeof value);
  }
}

static void swap3(uint8_t *restrict to, const uint8_t *restrict from,
                  size_t samples) {
  for (size_t i = 0; i < samples; i++) {
    to[3 * i] = from[3 * i + 2];
    to[3 * i + 1] = from[3 * i + 1];
    to[3 * i + 2] = from[3 * i];
  }
}

static void swap4(uint8_t *restrict to, const uint8_t *restrict from,
                  size_t samples) {
  for (size_t i = 0; i < samples; i++) {
    uint32_t value;
    memcpy(&value, from + 4 * i, sizeof value);
    value = __builtin_bswap32(value);
    memcpy(to + 4 * i, &value, sizeof value);
  }
}

void weir_pcm_swap(uint8_t *to, const uint8_t *from, size_t length,
                   uint32_t width) {
  switch (width) {
    case 2:
      swap2(to, from, length / 2);
      break;
    case 3:
      swap3(to, from, length / 3);
      break;
    case 4:
      swap4(to, from, length / 4);
      break;
    default:
      break;
  }
}
