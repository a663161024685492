/* A format is checked field by field, and gives its sizes. */
#include "test.h"

static void check_name(weir_pcm_sample_t sample, const char *name,
                       uint32_t bytes) {
  weir_pcm_sample_t parsed = 0;
  CHECK(strcmp(weir_pcm_sample_name(sample), name) == 0);
  CHECK_EQ(weir_pcm_sample_parse(name, strlen(name), &parsed), 0);
  CHECK_EQ(parsed, sample);
  CHECK_EQ(weir_pcm_sample_bytes(sample), bytes);
  weir_pcm_format_t format = {sample, 44100, 6};
  CHECK_EQ(weir_pcm_frame_bytes(&format), 6 * bytes);
  CHECK_EQ(weir_pcm_byte_rate(&format), 44100 * 6 * bytes);
}

static void check_refused(uint32_t sample, uint32_t rate, uint32_t channels) {
  weir_pcm_format_t format = {(weir_pcm_sample_t)sample, rate, channels};
  CHECK_EQ(weir_pcm_check(&format), WEIR_EOPTION);
  CHECK_EQ(weir_pcm_frame_bytes(&format), 0);
  CHECK_EQ(weir_pcm_byte_rate(&format), 0);
}

int main(void) {
  check_name(WEIR_PCM_S16LE, "s16le", 2);
  check_name(WEIR_PCM_S24LE, "s24le", 3);
  check_name(WEIR_PCM_S32LE, "s32le", 4);
  check_name(WEIR_PCM_F32LE, "f32le", 4);
  CHECK(weir_pcm_sample_name((weir_pcm_sample_t)0) == NULL);
  CHECK(weir_pcm_sample_name((weir_pcm_sample_t)5) == NULL);

  static const char *const unknown[] = {"",       "s16",    "s16be", "S16LE",
                                        "s16le ", "s16le2", "u8"};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    weir_pcm_sample_t parsed = WEIR_PCM_F32LE;
    CHECK_EQ(weir_pcm_sample_parse(unknown[i], strlen(unknown[i]), &parsed),
             WEIR_EOPTION);
    CHECK_EQ(parsed, WEIR_PCM_F32LE);
  }

  check_refused(0, 48000, 2);
  check_refused(5, 48000, 2);
  check_refused(1, WEIR_PCM_MIN_RATE - 1, 2);
  check_refused(1, WEIR_PCM_MAX_RATE + 1, 2);
  check_refused(1, 48000, 0);
  check_refused(1, 48000, WEIR_PCM_MAX_CHANNELS + 1);

  weir_pcm_format_t greatest = {WEIR_PCM_F32LE, WEIR_PCM_MAX_RATE,
                                WEIR_PCM_MAX_CHANNELS};
  CHECK_EQ(weir_pcm_check(&greatest), 0);
  CHECK_EQ(weir_pcm_frame_bytes(&greatest), 1020);
  CHECK_EQ(weir_pcm_byte_rate(&greatest), 783360000);

  weir_pcm_format_t a = {WEIR_PCM_S16LE, 48000, 2};
  weir_pcm_format_t b = a;
  CHECK(weir_pcm_equal(&a, &b));
  b.sample = WEIR_PCM_S24LE;
  CHECK(!weir_pcm_equal(&a, &b));
  b = a;
  b.rate++;
  CHECK(!weir_pcm_equal(&a, &b));
  b = a;
  b.channels++;
  CHECK(!weir_pcm_equal(&a, &b));
  return 0;
}
