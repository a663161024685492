/* Chunks before `data` are walked over, whatever their size, and every form of
 * `fmt ` is understood. */
#include "wav_build.h"

static wav_t wav;

static void check(weir_pcm_sample_t sample, uint32_t rate, uint32_t channels) {
  weir_wav_info_t info;
  size_t offset = wav.length;
  wav_number(&wav, 0x0102030405060708, 8); /* samples: not looked at */
  CHECK_EQ(wav_parse(&wav, &info), 1);
  CHECK_EQ(info.data_offset, offset);
  CHECK_EQ(info.data_length, 4800);
  CHECK_EQ(info.format.sample, sample);
  CHECK_EQ(info.format.rate, rate);
  CHECK_EQ(info.format.channels, channels);
}

int main(void) {
  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_data(&wav, 4800);
  check(WEIR_PCM_S16LE, 48000, 2);

  /* FFmpeg: LIST with the encoder's name. Odd sizes are padded. */
  for (uint32_t size = 0; size < 300; size += 13) {
    wav_start(&wav, "RIFF");
    wav_chunk(&wav, "JUNK", size);
    wav_format(&wav, 16, 1, 1, 44100, 24);
    wav_chunk(&wav, "LIST", size + 1);
    wav_chunk(&wav, "fact", 4);
    wav_data(&wav, 4800);
    check(WEIR_PCM_S24LE, 44100, 1);
  }

  wav_start(&wav, "RIFF"); /* WAVEFORMATEX with an empty extension */
  wav_format(&wav, 18, 3, 2, 48000, 32);
  wav_number(&wav, 0, 2);
  wav_data(&wav, 4800);
  check(WEIR_PCM_F32LE, 48000, 2);

  wav_start(&wav, "RIFF"); /* an extension of odd length, of no meaning */
  wav_format(&wav, 19, 1, 2, 48000, 32);
  wav_number(&wav, 0, 4);
  wav_data(&wav, 4800);
  check(WEIR_PCM_S32LE, 48000, 2);

  static const struct {
    uint32_t bits, valid, subtype;
    weir_pcm_sample_t sample;
  } extensible[] = {
      {16, 16, 1, WEIR_PCM_S16LE}, {24, 24, 1, WEIR_PCM_S24LE},
      {24, 20, 1, WEIR_PCM_S24LE}, {32, 32, 1, WEIR_PCM_S32LE},
      {32, 24, 1, WEIR_PCM_S32LE}, {32, 0, 1, WEIR_PCM_S32LE},
      {32, 32, 3, WEIR_PCM_F32LE},
  };
  for (size_t i = 0; i < sizeof extensible / sizeof extensible[0]; i++) {
    for (uint32_t more = 0; more < 6; more += 2) {
      wav_start(&wav, "RIFF");
      wav_format(&wav, 40 + more, 0xFFFE, 8, 96000, extensible[i].bits);
      wav_extension(&wav, extensible[i].valid, extensible[i].subtype);
      wav_number(&wav, 0, (int)more);
      wav_data(&wav, 4800);
      check(extensible[i].sample, 96000, 8);
    }
  }

  /* Bits that do not fill their bytes stand at the top (RIFF 1.0). */
  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 20);
  wav_data(&wav, 4800);
  check(WEIR_PCM_S24LE, 48000, 2);

  /* A byte rate that is wrong does no harm. */
  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 16);
  memset(wav.bytes + 28, 0, 4);
  wav_data(&wav, 4800);
  check(WEIR_PCM_S16LE, 48000, 2);

  /* `data` begins as late as it may. */
  wav_start(&wav, "RIFF");
  wav_format(&wav, 16, 1, 2, 48000, 16);
  wav_chunk(&wav, "bext", WEIR_WAV_SCAN_MAX - 8 - 36 - 8);
  wav_data(&wav, 4800);
  CHECK_EQ(wav.length, WEIR_WAV_SCAN_MAX);
  weir_wav_info_t info;
  CHECK_EQ(weir_wav_parse(wav.bytes, wav.length - 1, &info), 0);
  CHECK_EQ(weir_wav_parse(wav.bytes, wav.length, &info), 1);
  CHECK_EQ(info.data_offset, WEIR_WAV_SCAN_MAX);
  return 0;
}
