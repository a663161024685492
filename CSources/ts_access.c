/*
 * ts_access.c - where decoding can begin.
 *
 * A start of video with random_access_indicator is taken at its word (ISO/IEC
 * 13818-1 2.4.3.5). The indicator is optional, so any other start is looked
 * into, byte by byte and over as many packets as it takes, until its first
 * picture says what it is:
 *
 *   MPEG-1, -2  a sequence header comes before the picture
 *   H.264       an IDR picture, a recovery point (SEI) before it, or a
 *               sequence parameter set before an intra slice
 *   HEVC        an IRAP picture
 *
 * Where there is no video each start of audio will do.
 */
#include "ts_state.h"

#define RANDOM_ACCESS  0x40 /* of the adaptation field's flags */
#define SCRAMBLED      0xc0 /* of byte 3 */
#define PES_HEADER     9u   /* bytes; the last says how many follow */
#define BUDGET         4096u
#define RECOVERY_POINT 6 /* payloadType, ITU-T H.264 D.1 */
#define EMULATION      3 /* emulation_prevention_three_byte, 7.4.1 */

enum { MPEG1 = 0x01, MPEG2 = 0x02, H264 = 0x1b, HEVC = 0x24 };

/* What is done with the bytes between two start codes. */
enum { NOTHING, SCAN, SEI_TYPE, SEI_SIZE, SEI_BODY, SLICE };

/* Facts that come before a picture. */
enum { SEQUENCE = 1, RECOVERY = 2 };

enum { NO = -1, UNKNOWN, YES };

static int mpeg_start(uint8_t code) {
  if (code == 0xb3) return YES;       /* sequence_header_code */
  return code == 0x00 ? NO : UNKNOWN; /* picture_start_code */
}

/* NAL unit types, ITU-T H.264 table 7-1. */
static int h264_start(weir__ts_watch_t *watch, uint8_t code) {
  switch (code & 31) {
    case 1: /* a slice */
    case 2: /* its first partition */
      if (watch->facts & RECOVERY) return YES;
      if (!(watch->facts & SEQUENCE)) return NO;
      watch->step = SLICE;
      return UNKNOWN;
    case 5:
      return YES;
    case 6:
      watch->step = SEI_TYPE;
      watch->value = 0;
      return UNKNOWN;
    case 7:
      watch->facts |= SEQUENCE;
      return UNKNOWN;
    default:
      return UNKNOWN;
  }
}

/* ITU-T H.265 table 7-1: 0 to 31 are pictures, 16 to 23 IRAP. */
static int hevc_start(uint8_t code) {
  uint32_t type = code >> 1 & 63;
  if (type > 31) return UNKNOWN;
  return type >= 16 && type <= 23 ? YES : NO;
}

/* A byte of a list of SEI messages (H.264 7.3.2.3.1): type and size are sums
 * of bytes, of which the last is not 255. */
static void sei(weir__ts_watch_t *watch, uint8_t byte) {
  if (byte == EMULATION && (watch->last >> 8 & 0xffff) == 0) return;
  if (watch->step == SEI_BODY) {
    if (--watch->value == 0) watch->step = SEI_TYPE;
    return;
  }
  watch->value = (uint16_t)(watch->value + byte);
  if (byte == 0xff) return;
  if (watch->step == SEI_TYPE) {
    if (watch->value == RECOVERY_POINT) watch->facts |= RECOVERY;
    watch->value = 0;
    watch->step = SEI_SIZE;
  } else {
    watch->step = watch->value > 0 ? SEI_BODY : SEI_TYPE;
  }
}

/* A slice that is intra by its header (H.264 7.3.3): first_mb_in_slice is 0
 * and slice_type 2 or 7, both as Exp-Golomb codes. */
static int is_intra(uint8_t byte) {
  return (byte & 0xf0) == 0xb0 || byte == 0x88;
}

/* A byte of the elementary stream. */
static int next(weir__ts_watch_t *watch, uint8_t byte) {
  watch->last = watch->last << 8 | byte;
  if (watch->last >> 8 == 1) { /* the byte after 00 00 01 */
    watch->step = SCAN;
    if (watch->type == H264) return h264_start(watch, byte);
    return watch->type == HEVC ? hevc_start(byte) : mpeg_start(byte);
  }
  if (watch->step == SLICE) return is_intra(byte) ? YES : NO;
  if (watch->step != SCAN) sei(watch, byte);
  return UNKNOWN;
}

/* A byte of the PES header (ISO/IEC 13818-1 2.4.3.6). */
static int header(weir__ts_watch_t *watch, uint8_t byte) {
  uint32_t at = watch->at++;
  if (at == PES_HEADER - 1) watch->skip = byte;
  if (at < 3 && byte != at / 2) return NO; /* 00 00 01 */
  return UNKNOWN;
}

static void report(weir_ts_t *ts, const weir__ts_watch_t *watch,
                   weir_ts_access_kind_t kind) {
  weir_ts_access_t access = {.packet = watch->packet,
                             .offset = watch->offset,
                             .pid = watch->pid,
                             .kind = kind};
  ts->counters.access_points++;
  if (ts->settings.on_access != NULL) ts->settings.on_access(ts, &access);
}

static void look_into(weir_ts_t *ts, weir__ts_watch_t *watch,
                      const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    int is_known = UNKNOWN;
    if (watch->at < PES_HEADER)
      is_known = header(watch, bytes[i]);
    else if (watch->skip > 0)
      watch->skip--;
    else
      is_known = next(watch, bytes[i]);
    if (is_known == YES) report(ts, watch, WEIR_TS_ACCESS_PICTURE);
    if (is_known != UNKNOWN || --watch->budget == 0) {
      watch->step = NOTHING;
      return;
    }
  }
}

static int can_look_into(uint8_t type) {
  return type == MPEG1 || type == MPEG2 || type == H264 || type == HEVC;
}

void weir__ts_access(weir_ts_t *ts, weir__ts_watch_t *watch,
                     const weir__ts_packet_t *packet) {
  if (packet->is_start) {
    watch->step = NOTHING;
    watch->packet = packet->number;
    watch->offset = packet->offset;
    if (!watch->is_video) {
      if (packet->length > 0) report(ts, watch, WEIR_TS_ACCESS_AUDIO);
    } else if (packet->flags & RANDOM_ACCESS) {
      report(ts, watch, WEIR_TS_ACCESS_INDICATOR);
    } else if (can_look_into(watch->type)) {
      watch->step = SCAN;
      watch->budget = BUDGET;
      watch->at = 0;
      watch->skip = 0;
      watch->facts = 0;
      watch->last = UINT32_MAX;
    }
  } else if (packet->is_gap && packet->length > 0) {
    watch->step = NOTHING;
  }
  if (watch->step == NOTHING) return;
  if (packet->bytes[3] & SCRAMBLED)
    watch->step = NOTHING;
  else
    look_into(ts, watch, packet->payload, packet->length);
}
