/*
 * pcm.h - PCM formats, frame arithmetic, WAV headers out and in.
 *
 * Sources: Microsoft/IBM "Multimedia Programming Interface and Data
 * Specifications 1.0" (RIFF, WAVE); Microsoft mmreg.h WAVEFORMATEXTENSIBLE;
 * RFC 2586 (audio/L16), RFC 3190 (audio/L24).
 */
#ifndef WEIR_PCM_H
#define WEIR_PCM_H

#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_PCM_MAX_CHANNELS 255u
#define WEIR_PCM_MIN_RATE     1000u   /* Hz */
#define WEIR_PCM_MAX_RATE     768000u /* Hz */
#define WEIR_WAV_HEADER_MAX   68u     /* bytes weir_wav_header() may need */
#define WEIR_WAV_SCAN_MAX     65536u  /* bytes of chunks before `data` walked */

typedef enum weir_pcm_sample {
  WEIR_PCM_S16LE = 1,
  WEIR_PCM_S24LE = 2, /* three bytes, packed */
  WEIR_PCM_S32LE = 3,
  WEIR_PCM_F32LE = 4
} weir_pcm_sample_t;

typedef struct weir_pcm_format {
  weir_pcm_sample_t sample;
  uint32_t rate;     /* Hz, WEIR_PCM_MIN_RATE ... WEIR_PCM_MAX_RATE */
  uint32_t channels; /* 1 ... WEIR_PCM_MAX_CHANNELS */
} weir_pcm_format_t;

/* 0, or WEIR_EOPTION when a field is out of its range. */
WEIR_EXTERN int weir_pcm_check(const weir_pcm_format_t *format);

/* Bytes in a sample (2, 3, 4), in a frame (all channels), in a second. 0 for
 * a format that weir_pcm_check() refuses. */
WEIR_EXTERN uint32_t weir_pcm_sample_bytes(weir_pcm_sample_t sample);
WEIR_EXTERN uint32_t weir_pcm_frame_bytes(const weir_pcm_format_t *format);
WEIR_EXTERN uint64_t weir_pcm_byte_rate(const weir_pcm_format_t *format);

/* Whether two formats are the same in all three fields. */
WEIR_EXTERN int weir_pcm_equal(const weir_pcm_format_t *a,
                               const weir_pcm_format_t *b);

/* "s16le", ...; NULL for an unknown value. Static storage. */
WEIR_EXTERN const char *weir_pcm_sample_name(weir_pcm_sample_t sample);

/* The inverse; 0, or WEIR_EOPTION for an unknown name. */
WEIR_EXTERN int weir_pcm_sample_parse(const char *name, size_t length,
                                      weir_pcm_sample_t *sample);

/*
 * Writes the header of an endless WAV stream: RIFF and data sizes are
 * 0xFFFFFFFF. s16le of one or two channels takes the 44-byte form; everything
 * else WAVE_FORMAT_EXTENSIBLE (68 bytes), with speaker positions for one or
 * two channels and none stated for more. `memory` holds at least
 * WEIR_WAV_HEADER_MAX bytes. Returns the length, or WEIR_EOPTION.
 */
WEIR_EXTERN int weir_wav_header(const weir_pcm_format_t *format,
                                uint8_t *memory);

typedef struct weir_wav_info {
  weir_pcm_format_t format;
  size_t data_offset;   /* where samples begin, from the start of the file */
  uint64_t data_length; /* bytes, as stated; UINT64_MAX when endless */
} weir_wav_info_t;

/*
 * Looks for a WAV header at the start of `bytes`, walking the chunks (FFmpeg
 * writes LIST before data). Pure: call again with more of the same bytes.
 *
 * Returns 1 when the header is complete and fills *info; 0 when more bytes
 * are needed; WEIR_ENOTWAV when the bytes do not start a RIFF/WAVE file;
 * WEIR_EWAVHEADER when they do and it is damaged (no `fmt ` before `data`, a
 * contradictory `fmt `, no `data` within WEIR_WAV_SCAN_MAX bytes);
 * WEIR_EWAVFORMAT when the encoding is none of weir_pcm_sample_t (also RIFX,
 * and rates and channels out of range). What was returned for some bytes, if
 * not 0, is returned for any more that follow them; *info is written with 1
 * only.
 *
 * A data length of 0, or within 64 KiB of 2^31 or 2^32 from below (2^31
 * included), counts as endless: it is what writers leave that cannot go back.
 * RF64 and BW64 (EBU Tech 3306) take the length from ds64, 0 or none there
 * being endless too.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_wav_parse(const uint8_t *bytes,
                                              size_t length,
                                              weir_wav_info_t *info);

/*
 * Copies samples with their bytes in the other order (to L16/L24 and back).
 * `width` is 2, 3 or 4; `length` a multiple of it; the two do not overlap.
 */
WEIR_EXTERN void weir_pcm_swap(uint8_t *to, const uint8_t *from, size_t length,
                               uint32_t width);

WEIR_END_DECLS

#endif
