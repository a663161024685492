/* The length of `data` is taken as stated, unless it is one of those that a
 * writer leaves which cannot go back. */
#include "wav_build.h"

static wav_t wav;

static uint64_t length_of(uint32_t size) {
  weir_wav_info_t info;
  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_data(&wav, size);
  CHECK_EQ(wav_parse(&wav, &info), 1);
  return info.data_length;
}

static uint64_t length64(const char *riff, uint32_t ds64, uint64_t size64,
                         uint32_t size) {
  weir_wav_info_t info;
  wav_start(&wav, riff);
  if (ds64 > 0) {
    size_t start = wav.length;
    wav_chunk(&wav, "ds64", ds64);
    size_t end = wav.length;
    wav.length = start + 16;
    if (ds64 >= 16) wav_number(&wav, size64, 8);
    wav.length = end;
  }
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_data(&wav, size);
  CHECK_EQ(wav_parse(&wav, &info), 1);
  return info.data_length;
}

int main(void) {
  static const uint32_t stated[] = {
      1, 4, 44100, 0x7FFEFFFF, 0x80000001, 0xC0000000, 0xFFFEFFFE};
  for (size_t i = 0; i < sizeof stated / sizeof stated[0]; i++)
    CHECK_EQ(length_of(stated[i]), stated[i]);

  static const uint32_t endless[] = {
      0,          0xFFFFFFFF, 0xFFFFFFDB /* 2^32-1 less 36 */,
      0xFFFF0000, 0xFFFFF000, 0x7FFFFFFF,
      0x7FFFFFDB, 0x7FFFF000, 0x80000000,
      0x7FFF0000, 0x7FFFFFD8,
  };
  for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++)
    CHECK(length_of(endless[i]) == UINT64_MAX);

  /* EBU Tech 3306: ds64 holds the length when `data` says 0xFFFFFFFF. */
  uint64_t six_gib = (uint64_t)6 << 30;
  CHECK(length64("RF64", 28, six_gib, UINT32_MAX) == six_gib);
  CHECK(length64("BW64", 28, six_gib, UINT32_MAX) == six_gib);
  CHECK(length64("RF64", 29, six_gib, UINT32_MAX) == six_gib);
  CHECK(length64("RF64", 16, six_gib, UINT32_MAX) == six_gib);
  CHECK(length64("RF64", 28, six_gib, 4800) == 4800);
  CHECK(length64("RF64", 28, 0, UINT32_MAX) == UINT64_MAX);
  CHECK(length64("RF64", 28, UINT64_MAX, UINT32_MAX) == UINT64_MAX);
  CHECK(length64("RF64", 8, 0, UINT32_MAX) == UINT64_MAX);
  CHECK(length64("RF64", 0, 0, UINT32_MAX) == UINT64_MAX);
  /* In a plain RIFF it is a chunk like any other. */
  CHECK(length64("RIFF", 28, six_gib, UINT32_MAX) == UINT64_MAX);
  return 0;
}
