/* wav_build.h - WAV files of any shape, for the tests of the parser. */
#ifndef WEIR_WAV_BUILD_H
#define WEIR_WAV_BUILD_H

#include "test.h"

typedef struct wav {
  size_t length;
  uint8_t bytes[WEIR_WAV_SCAN_MAX + 4096];
} wav_t;

static inline void wav_number(wav_t *wav, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    wav->bytes[wav->length++] = (uint8_t)(value >> (8 * i));
}

static inline void wav_name(wav_t *wav, const char *name) {
  memcpy(wav->bytes + wav->length, name, 4);
  wav->length += 4;
}

static inline void wav_start(wav_t *wav, const char *riff) {
  wav->length = 0;
  wav_name(wav, riff);
  wav_number(wav, UINT32_MAX, 4);
  wav_name(wav, "WAVE");
}

/* A chunk of any bytes, padded when its size is odd. */
static inline void wav_chunk(wav_t *wav, const char *name, uint32_t size) {
  wav_name(wav, name);
  wav_number(wav, size, 4);
  for (uint32_t i = 0; i < size + (size & 1); i++)
    wav_number(wav, i < size ? 0xA0 + i % 16 : 0, 1);
}

/* The first 16 bytes of `fmt `, with `size` as its length. */
static inline void wav_format(wav_t *wav, uint32_t size, uint32_t tag,
                              uint32_t channels, uint32_t rate, uint32_t bits) {
  uint32_t frame = channels * ((bits + 7) / 8);
  wav_name(wav, "fmt ");
  wav_number(wav, size, 4);
  wav_number(wav, tag, 2);
  wav_number(wav, channels, 2);
  wav_number(wav, rate, 4);
  wav_number(wav, (uint64_t)rate * frame, 4);
  wav_number(wav, frame, 2);
  wav_number(wav, bits, 2);
}

/* The rest of WAVEFORMATEXTENSIBLE. */
static inline void wav_extension(wav_t *wav, uint32_t valid_bits,
                                 uint32_t subtype) {
  static const uint8_t tail[14] = {0, 0, 0,    0,    0x10, 0,    0x80,
                                   0, 0, 0xAA, 0x00, 0x38, 0x9B, 0x71};
  wav_number(wav, 22, 2);
  wav_number(wav, valid_bits, 2);
  wav_number(wav, 3, 4);
  wav_number(wav, subtype, 2);
  memcpy(wav->bytes + wav->length, tail, sizeof tail);
  wav->length += sizeof tail;
}

static inline void wav_data(wav_t *wav, uint32_t size) {
  wav_name(wav, "data");
  wav_number(wav, size, 4);
}

/*
 * What the parser says of the whole; it must have said 0 for every prefix up
 * to the one at which it first says that. Each prefix is a copy with nothing
 * behind it, so that a sanitizer sees a byte read too many.
 */
static inline int wav_parse(const wav_t *wav, weir_wav_info_t *info) {
  int first = 0;
  for (size_t length = 0; length <= wav->length; length++) {
    uint8_t *copy = malloc(length > 0 ? length : 1);
    CHECK(copy != NULL);
    memcpy(copy, wav->bytes, length);
    memset(info, 0xEE, sizeof *info);
    weir_wav_info_t untouched = *info;
    int status = weir_wav_parse(copy, length, info);
    free(copy);
    if (status != 1) CHECK(memcmp(info, &untouched, sizeof *info) == 0);
    if (first == 0) first = status;
    CHECK_EQ(status, first);
  }
  return first;
}

#endif
