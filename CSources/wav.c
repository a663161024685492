/*
 * wav.c - WAV headers, out and in.
 *
 * A RIFF file is a list of chunks: four characters, a 32-bit length, the
 * bytes, and one byte of padding when the length is odd. WAVE needs `fmt `
 * before `data`; anything may stand between them (FFmpeg: LIST, Pro Tools:
 * bext, JUNK) and is walked over. The RIFF length and the byte rate in `fmt `
 * are not looked at: writers that stream cannot know the first, and several
 * get the second wrong without harm.
 */
#include <string.h>

#include "bytes.h"
#include "weir/errors.h"
#include "weir/pcm.h"

enum {
  TAG_PCM = 0x0001,
  TAG_FLOAT = 0x0003,
  TAG_EXTENSIBLE = 0xFFFE,

  RIFF_BYTES = 12,       /* "RIFF", length, "WAVE" */
  CHUNK_BYTES = 8,       /* name, length */
  FORMAT_BYTES = 16,     /* PCMWAVEFORMAT */
  EXTENSIBLE_BYTES = 40, /* WAVEFORMATEXTENSIBLE */
  EXTENSION_BYTES = 22,  /* what cbSize says of it */
  DS64_BYTES = 16        /* riff size and data size, the first fields of ds64 */
};

/* Lengths that a writer which cannot seek back leaves in `data`: 0
 * (GStreamer), 2^32-1 (FFmpeg) and 2^31-1 (SoX, arecord), each of the two also
 * less a header or rounded down to a block or page. */
#define ENDLESS_SLACK 0x10000u

/* KSDATAFORMAT_SUBTYPE_PCM and _IEEE_FLOAT after their first two bytes, which
 * are the format tag (mmreg.h, DEFINE_WAVEFORMATEX_GUID). */
static const uint8_t subtype_tail[14] = {0x00, 0x00, 0x00, 0x00, 0x10,
                                         0x00, 0x80, 0x00, 0x00, 0xAA,
                                         0x00, 0x38, 0x9B, 0x71};

static uint8_t *put_name(uint8_t *to, const char *name) {
  memcpy(to, name, 4);
  return to + 4;
}

/* Which speaker a channel is for, where the count alone says it: front centre,
 * or front left and right. Otherwise not stated. */
static uint32_t channel_mask(uint32_t channels) {
  if (channels == 1) return 0x4;
  if (channels == 2) return 0x3;
  return 0;
}

int weir_wav_header(const weir_pcm_format_t *format, uint8_t *memory) {
  if (weir_pcm_check(format) != 0) return WEIR_EOPTION;
  int plain = format->sample == WEIR_PCM_S16LE && format->channels <= 2;
  uint32_t tag = format->sample == WEIR_PCM_F32LE ? TAG_FLOAT : TAG_PCM;
  uint32_t bits = 8 * weir_pcm_sample_bytes(format->sample);
  uint8_t *to = memory;

  to = put_name(to, "RIFF");
  weir__put32(to, UINT32_MAX);
  to = put_name(to + 4, "WAVE");

  to = put_name(to, "fmt ");
  weir__put32(to, plain ? FORMAT_BYTES : EXTENSIBLE_BYTES);
  weir__put16(to + 4, plain ? tag : TAG_EXTENSIBLE);
  weir__put16(to + 6, format->channels);
  weir__put32(to + 8, format->rate);
  weir__put32(to + 12, (uint32_t)weir_pcm_byte_rate(format));
  weir__put16(to + 16, weir_pcm_frame_bytes(format));
  weir__put16(to + 18, bits);
  to += 4 + FORMAT_BYTES;
  if (!plain) {
    weir__put16(to, EXTENSION_BYTES);
    weir__put16(to + 2, bits);
    weir__put32(to + 4, channel_mask(format->channels));
    weir__put16(to + 8, tag);
    memcpy(to + 10, subtype_tail, sizeof subtype_tail);
    to += EXTENSIBLE_BYTES - FORMAT_BYTES;
  }

  to = put_name(to, "data");
  weir__put32(to, UINT32_MAX);
  return (int)(to + 4 - memory);
}

/* Reads the payload of `fmt `, of which min(size, EXTENSIBLE_BYTES) bytes are
 * there. Returns 0, WEIR_EWAVHEADER or WEIR_EWAVFORMAT. */
static int read_format(const uint8_t *from, uint32_t size,
                       weir_pcm_format_t *format) {
  if (size < FORMAT_BYTES) return WEIR_EWAVHEADER;
  uint32_t tag = weir__get16(from);
  uint32_t channels = weir__get16(from + 2);
  uint32_t rate = weir__get32(from + 4);
  uint32_t frame = weir__get16(from + 12);
  uint32_t bits = weir__get16(from + 14);

  if (tag == TAG_EXTENSIBLE) {
    if (size < EXTENSIBLE_BYTES) return WEIR_EWAVHEADER;
    if (weir__get16(from + 16) < EXTENSION_BYTES) return WEIR_EWAVHEADER;
    /* Fewer valid bits than the container has stand at its top, so that the
     * sample is played as one of the container's width. */
    if (weir__get16(from + 18) > bits) return WEIR_EWAVHEADER;
    if (bits % 8 != 0) return WEIR_EWAVHEADER;
    tag = weir__get16(from + 24);
    if (memcmp(from + 26, subtype_tail, sizeof subtype_tail) != 0)
      return WEIR_EWAVFORMAT;
  }
  if (tag != TAG_PCM && tag != TAG_FLOAT) return WEIR_EWAVFORMAT;

  uint32_t width = (bits + 7) / 8;
  if (channels == 0 || rate == 0 || bits == 0) return WEIR_EWAVHEADER;
  if (frame != channels * width) return WEIR_EWAVHEADER;

  if (tag == TAG_FLOAT) {
    if (bits != 32) return WEIR_EWAVFORMAT;
    format->sample = WEIR_PCM_F32LE;
  } else if (width == 2) {
    format->sample = WEIR_PCM_S16LE;
  } else if (width == 3) {
    format->sample = WEIR_PCM_S24LE;
  } else if (width == 4) {
    format->sample = WEIR_PCM_S32LE;
  } else {
    return WEIR_EWAVFORMAT;
  }
  format->rate = rate;
  format->channels = channels;
  return weir_pcm_check(format) == 0 ? 0 : WEIR_EWAVFORMAT;
}

static uint64_t data_length(uint32_t size, uint64_t size64) {
  if (size == UINT32_MAX && size64 != 0 && size64 <= INT64_MAX) return size64;
  if (size == 0) return UINT64_MAX;
  if (size >= UINT32_MAX - ENDLESS_SLACK) return UINT64_MAX;
  if (size >= 0x80000000u - ENDLESS_SLACK && size <= 0x80000000u)
    return UINT64_MAX;
  return size;
}

/* Whether `bytes` could still become `name`: 1 equal, 0 too short, -1 no. */
static int compare(const uint8_t *bytes, size_t length, const char *name) {
  size_t n = length < 4 ? length : 4;
  if (memcmp(bytes, name, n) != 0) return -1;
  return n == 4;
}

/* The first twelve bytes; fills *wide for RF64. As weir_wav_parse(). */
static int read_riff(const uint8_t *bytes, size_t length, int *wide) {
  static const char *const names[] = {"RIFF", "RF64", "BW64", "RIFX"};
  int matched = -1;
  for (int i = 0; i < 4; i++) {
    int fits = compare(bytes, length, names[i]);
    if (fits == 0) return 0;
    if (fits == 1) matched = i;
  }
  if (matched < 0) return WEIR_ENOTWAV;
  if (length <= 8) return 0;
  int fits = compare(bytes + 8, length - 8, "WAVE");
  if (fits < 0) return WEIR_ENOTWAV;
  if (fits == 0) return 0;
  if (matched == 3) return WEIR_EWAVFORMAT; /* RIFX: big-endian samples */
  *wide = matched != 0;
  return 1;
}

int weir_wav_parse(const uint8_t *bytes, size_t length, weir_wav_info_t *info) {
  if (length == 0) return 0;
  int wide = 0;
  int status = read_riff(bytes, length, &wide);
  if (status != 1) return status;

  weir_pcm_format_t format;
  int formatted = 0;
  uint64_t size64 = 0;
  size_t at = RIFF_BYTES;
  for (;;) {
    if (at + CHUNK_BYTES > WEIR_WAV_SCAN_MAX) return WEIR_EWAVHEADER;
    if (length < at + CHUNK_BYTES) return 0;
    const uint8_t *chunk = bytes + at;
    uint32_t size = weir__get32(chunk + 4);
    at += CHUNK_BYTES;

    if (memcmp(chunk, "data", 4) == 0) {
      if (!formatted) return WEIR_EWAVHEADER;
      info->format = format;
      info->data_offset = at;
      info->data_length = data_length(size, size64);
      return 1;
    }
    if (size > WEIR_WAV_SCAN_MAX) return WEIR_EWAVHEADER;
    if (memcmp(chunk, "fmt ", 4) == 0) {
      if (formatted) return WEIR_EWAVHEADER;
      if (length - at < (size < EXTENSIBLE_BYTES ? size : EXTENSIBLE_BYTES))
        return 0;
      status = read_format(bytes + at, size, &format);
      if (status != 0) return status;
      formatted = 1;
    } else if (wide && size >= DS64_BYTES && memcmp(chunk, "ds64", 4) == 0) {
      if (length - at < DS64_BYTES) return 0;
      size64 = weir__get64(bytes + at + 8);
    }
    at += size + (size & 1);
  }
}
