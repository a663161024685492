/* Headers are, byte for byte, those of the RIFF and WAVEFORMATEXTENSIBLE
 * layouts, and are parsed back into the format they were made of. */
#include "test.h"

/* RIFF, 0xFFFFFFFF, WAVE; fmt , 16; PCM, 2 channels, 48000 Hz, 192000 B/s,
 * 4 bytes a frame, 16 bits; data, 0xFFFFFFFF. */
static const uint8_t stereo16[44] = {
    'R', 'I', 'F',  'F',  0xFF, 0xFF, 0xFF, 0xFF, 'W',  'A',  'V',
    'E', 'f', 'm',  't',  ' ',  16,   0,    0,    0,    1,    0,
    2,   0,   0x80, 0xBB, 0,    0,    0,    0xEE, 2,    0,    4,
    0,   16,  0,    'd',  'a',  't',  'a',  0xFF, 0xFF, 0xFF, 0xFF};

/* fmt , 40; EXTENSIBLE, 6 channels, 96000 Hz, 1728000 B/s, 18 bytes a frame,
 * 24 bits; 22 bytes more: 24 valid bits, no speakers, KSDATAFORMAT_SUBTYPE_PCM
 * 00000001-0000-0010-8000-00AA00389B71. */
static const uint8_t six24[68] = {
    'R', 'I',  'F',  'F', 0xFF, 0xFF, 0xFF, 0xFF, 'W',  'A',  'V',  'E',
    'f', 'm',  't',  ' ', 40,   0,    0,    0,    0xFE, 0xFF, 6,    0,
    0,   0x77, 1,    0,   0,    0x5E, 0x1A, 0,    18,   0,    24,   0,
    22,  0,    24,   0,   0,    0,    0,    0,    1,    0,    0,    0,
    0,   0,    0x10, 0,   0x80, 0,    0,    0xAA, 0,    0x38, 0x9B, 0x71,
    'd', 'a',  't',  'a', 0xFF, 0xFF, 0xFF, 0xFF};

/* 1 channel, 44100 Hz, 176400 B/s, 32 bits, front centre (4),
 * KSDATAFORMAT_SUBTYPE_IEEE_FLOAT 00000003-... */
static const uint8_t mono32f[68] = {
    'R',  'I',  'F',  'F', 0xFF, 0xFF, 0xFF, 0xFF, 'W',  'A',  'V',  'E',
    'f',  'm',  't',  ' ', 40,   0,    0,    0,    0xFE, 0xFF, 1,    0,
    0x44, 0xAC, 0,    0,   0x10, 0xB1, 2,    0,    4,    0,    32,   0,
    22,   0,    32,   0,   4,    0,    0,    0,    3,    0,    0,    0,
    0,    0,    0x10, 0,   0x80, 0,    0,    0xAA, 0,    0x38, 0x9B, 0x71,
    'd',  'a',  't',  'a', 0xFF, 0xFF, 0xFF, 0xFF};

static void check_golden(weir_pcm_format_t format, const uint8_t *golden,
                         int length) {
  uint8_t memory[WEIR_WAV_HEADER_MAX];
  CHECK_EQ(weir_wav_header(&format, memory), length);
  for (int i = 0; i < length; i++) {
    if (memory[i] != golden[i]) fprintf(stderr, "at %d\n", i);
    CHECK_EQ(memory[i], golden[i]);
  }
}

static void check_round(weir_pcm_format_t format) {
  uint8_t memory[WEIR_WAV_HEADER_MAX];
  memset(memory, 0xEE, sizeof memory);
  int length = weir_wav_header(&format, memory);
  int plain = format.sample == WEIR_PCM_S16LE && format.channels <= 2;
  CHECK_EQ(length, plain ? 44 : 68);
  weir_wav_info_t info;
  for (int i = 0; i < length; i++)
    CHECK_EQ(weir_wav_parse(memory, (size_t)i, &info), 0);
  CHECK_EQ(weir_wav_parse(memory, (size_t)length, &info), 1);
  CHECK(weir_pcm_equal(&info.format, &format));
  CHECK_EQ(info.data_offset, length);
  CHECK(info.data_length == UINT64_MAX);
}

int main(void) {
  check_golden((weir_pcm_format_t){WEIR_PCM_S16LE, 48000, 2}, stereo16, 44);
  check_golden((weir_pcm_format_t){WEIR_PCM_S24LE, 96000, 6}, six24, 68);
  check_golden((weir_pcm_format_t){WEIR_PCM_F32LE, 44100, 1}, mono32f, 68);

  static const uint32_t rates[] = {
      WEIR_PCM_MIN_RATE, 8000, 22050, 44100, 48000, 192000, WEIR_PCM_MAX_RATE};
  for (uint32_t sample = WEIR_PCM_S16LE; sample <= WEIR_PCM_F32LE; sample++)
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
      for (uint32_t channels = 1; channels <= WEIR_PCM_MAX_CHANNELS; channels++)
        check_round(
            (weir_pcm_format_t){(weir_pcm_sample_t)sample, rates[i], channels});

  uint8_t memory[WEIR_WAV_HEADER_MAX];
  weir_pcm_format_t refused = {WEIR_PCM_S16LE, 48000, 0};
  CHECK_EQ(weir_wav_header(&refused, memory), WEIR_EOPTION);
  return 0;
}
