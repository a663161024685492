/*
 * wav.c - fuzzes weir_wav_parse().
 *
 * Whatever the bytes: the answer is one of those documented; an answer once
 * given holds for all longer inputs; an accepted format passes the check, and
 * writing a header of it and parsing that gives it back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "weir/errors.h"
#include "weir/pcm.h"

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      __builtin_trap();    \
    }                      \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require_sound(const weir_wav_info_t *info, size_t length) {
  REQUIRE(weir_pcm_check(&info->format) == 0);
  REQUIRE(info->data_offset >= 12 + 8 + 16 + 8);
  REQUIRE(info->data_offset <= WEIR_WAV_SCAN_MAX);
  REQUIRE(info->data_offset <= length);
  REQUIRE(info->data_length > 0);
  REQUIRE(info->data_length <= INT64_MAX || info->data_length == UINT64_MAX);

  uint8_t header[WEIR_WAV_HEADER_MAX];
  weir_wav_info_t again;
  int bytes = weir_wav_header(&info->format, header);
  REQUIRE(bytes == 44 || bytes == 68);
  REQUIRE(weir_wav_parse(header, (size_t)bytes, &again) == 1);
  REQUIRE(weir_pcm_equal(&again.format, &info->format));
  REQUIRE(again.data_offset == (size_t)bytes);
}

/* The parser's answer to a prefix, which is copied so that reading past its
 * end is seen. */
static int parse(const uint8_t *bytes, size_t length, weir_wav_info_t *info) {
  uint8_t *copy = malloc(length > 0 ? length : 1);
  REQUIRE(copy != NULL);
  memcpy(copy, bytes, length);
  int status = weir_wav_parse(copy, length, info);
  free(copy);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  weir_wav_info_t whole;
  weir_wav_info_t part;
  memset(&whole, 0, sizeof whole);
  int status = parse(bytes, length, &whole);
  REQUIRE(status == 0 || status == 1 || status == WEIR_ENOTWAV ||
          status == WEIR_EWAVHEADER || status == WEIR_EWAVFORMAT);
  if (status == 1) require_sound(&whole, length);
  if (status == 0) REQUIRE(length < WEIR_WAV_SCAN_MAX);

  /* Prefixes: all of a short input, some of a long one. */
  size_t step = 1 + length / 256;
  for (size_t prefix = 0; prefix < length; prefix += step) {
    memset(&part, 0, sizeof part);
    int early = parse(bytes, prefix, &part);
    if (early == 0) continue;
    REQUIRE(early == status);
    if (status == 1) {
      REQUIRE(part.data_offset == whole.data_offset);
      REQUIRE(part.data_length == whole.data_length);
      REQUIRE(weir_pcm_equal(&part.format, &whole.format));
    }
  }
  return 0;
}
