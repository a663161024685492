/* What is no WAV header, a damaged one, or one of an encoding that is not
 * supported is told apart, and as early as the bytes say it. */
#include "wav_build.h"

static wav_t wav;

static void check(int expected) {
  weir_wav_info_t info;
  CHECK_EQ(wav_parse(&wav, &info), expected);
}

static void check_format(int expected, uint32_t size, uint32_t tag,
                         uint32_t channels, uint32_t rate, uint32_t bits) {
  wav_start(&wav, "RIFF");
  wav_format(&wav, size, tag, channels, rate, bits);
  if (size > 16) wav_number(&wav, 0, (int)(size - 16 > 8 ? 8 : size - 16));
  if (size > 24)
    for (uint32_t i = 24; i < size; i++)
      wav_number(&wav, 0, 1);
  wav_data(&wav, 4800);
  check(expected);
}

static void check_extension(int expected, uint32_t bits, uint32_t valid,
                            uint32_t subtype) {
  wav_start(&wav, "RIFF");
  wav_format(&wav, 40, 0xFFFE, 2, 48000, bits);
  wav_extension(&wav, valid, subtype);
  wav_data(&wav, 4800);
  check(expected);
}

static void check_bytes(int expected, const char *bytes, size_t length) {
  memcpy(wav.bytes, bytes, length);
  wav.length = length;
  check(expected);
}

int main(void) {
  check_bytes(WEIR_ENOTWAV, "\0", 1);
  check_bytes(WEIR_ENOTWAV, "RIFE", 4);
  check_bytes(WEIR_ENOTWAV, "OggS\0\0\0\0\0\0\0\0", 12);
  check_bytes(WEIR_ENOTWAV, "RIFF\0\0\0\0AVI ", 12);
  check_bytes(WEIR_ENOTWAV, "RIFF\0\0\0\0WAVF", 12);
  check_bytes(WEIR_ENOTWAV, "riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", 12);
  check_bytes(WEIR_EWAVFORMAT, "RIFX\0\0\0\0WAVE", 12);
  check_bytes(0, "RIFF\0\0\0\0WAVE", 12);
  check_bytes(0, "R", 1);
  check_bytes(0, "BW6", 3);

  /* Encodings. 6: A-law, 7: mu-law, 2: ADPCM, 0x55: MP3. */
  check_format(WEIR_EWAVFORMAT, 18, 6, 2, 8000, 8);
  check_format(WEIR_EWAVFORMAT, 18, 7, 2, 8000, 8);
  check_format(WEIR_EWAVFORMAT, 50, 2, 2, 8000, 4);
  check_format(WEIR_EWAVFORMAT, 30, 0x55, 2, 48000, 0);
  check_format(WEIR_EWAVFORMAT, 16, 1, 2, 48000, 8);
  check_format(WEIR_EWAVFORMAT, 16, 1, 2, 48000, 64);
  check_format(WEIR_EWAVFORMAT, 16, 3, 2, 48000, 64);
  check_format(WEIR_EWAVFORMAT, 16, 3, 2, 48000, 16);
  check_format(WEIR_EWAVFORMAT, 16, 1, 256, 48000, 16);
  check_format(WEIR_EWAVFORMAT, 16, 1, 2, WEIR_PCM_MIN_RATE - 1, 16);
  check_format(WEIR_EWAVFORMAT, 16, 1, 2, WEIR_PCM_MAX_RATE + 1, 16);
  check_extension(WEIR_EWAVFORMAT, 8, 8, 1);
  check_extension(WEIR_EWAVFORMAT, 64, 64, 3);
  check_extension(WEIR_EWAVFORMAT, 16, 16, 6);
  wav_start(&wav, "RIFF"); /* a subtype of another family */
  wav_format(&wav, 40, 0xFFFE, 2, 48000, 16);
  wav_extension(&wav, 16, 1);
  wav.bytes[wav.length - 1] ^= 1;
  check(WEIR_EWAVFORMAT);

  /* Damage. */
  check_format(WEIR_EWAVHEADER, 16, 1, 0, 48000, 16);
  check_format(WEIR_EWAVHEADER, 16, 1, 2, 0, 16);
  check_format(WEIR_EWAVHEADER, 16, 1, 2, 48000, 0);
  check_format(WEIR_EWAVHEADER, 18, 0xFFFE, 2, 48000, 16);
  check_format(WEIR_EWAVHEADER, 40, 0xFFFE, 2, 48000, 16); /* cbSize 0 */
  check_extension(WEIR_EWAVHEADER, 16, 24, 1);
  check_extension(WEIR_EWAVHEADER, 20, 20, 1);

  wav_start(&wav, "RIFF"); /* 24 bits, which 4 bytes do not fit */
  wav_format(&wav, 16, 1, 2, 48000, 24);
  wav.bytes[32] = 8;
  wav_data(&wav, 4800);
  check(WEIR_EWAVHEADER);

  wav_start(&wav, "RIFF");
  wav_chunk(&wav, "fmt ", 14);
  check(WEIR_EWAVHEADER);

  wav_start(&wav, "RIFF");
  wav_data(&wav, 4800);
  check(WEIR_EWAVHEADER);

  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_data(&wav, 4800);
  check(WEIR_EWAVHEADER);

  wav_start(&wav, "RIFF"); /* a length that leads nowhere */
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_name(&wav, "LIST");
  wav_number(&wav, UINT32_MAX, 4);
  check(WEIR_EWAVHEADER);

  wav_start(&wav, "RIFF"); /* `data` would begin one byte too late */
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_name(&wav, "LIST");
  wav_number(&wav, WEIR_WAV_SCAN_MAX - 8 - 36 - 8 + 1, 4);
  check(WEIR_EWAVHEADER);
  return 0;
}
