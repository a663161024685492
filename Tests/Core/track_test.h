/*
 * track_test.h - a transport stream of one programme, made packet by packet:
 * video with a random access point now and then, audio, PCRs at a constant
 * rate, and PSI. Each packet with a payload says which it is.
 */
#ifndef WEIR_TRACK_TEST_H
#define WEIR_TRACK_TEST_H

#include "test.h"

#define TEST_PAT_PID   0x0000u
#define TEST_PMT_PID   0x1000u
#define TEST_VIDEO_PID 0x0100u
#define TEST_AUDIO_PID 0x0101u

typedef struct test_mux {
  uint64_t packets;    /* made */
  uint32_t per_second; /* packets */
  uint32_t psi_every;  /* packets */
  uint32_t pcr_every;
  uint32_t gop;
  uint32_t pmt_bytes; /* of descriptors: a long one takes several packets */
  uint8_t version;
  uint64_t clock;    /* PCR of packet 0, 27 MHz */
  uint32_t psi_left; /* packets of PSI that are due */
  uint16_t pcr_pid;  /* what the PMT says; 0: video, which has them */
  uint8_t has_no_pcr;
  uint8_t is_access; /* the last packet that was made is one */
  uint8_t counters[8192];
} test_mux_t;

static inline test_mux_t test_mux(uint32_t per_second) {
  return (test_mux_t){.per_second = per_second,
                      .psi_every = per_second / 10,
                      .pcr_every = per_second / 25,
                      .gop = per_second / 2,
                      .clock = 900000};
}

/* CRC-32/MPEG-2, ISO/IEC 13818-1 annex A. */
static inline uint32_t test_crc(const uint8_t *bytes, size_t length) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; i++) {
    crc ^= (uint32_t)bytes[i] << 24;
    for (int bit = 0; bit < 8; bit++)
      crc = crc << 1 ^ ((crc & 0x80000000) != 0 ? 0x04c11db7 : 0);
  }
  return crc;
}

static inline uint8_t *test_put16(uint8_t *to, uint32_t value) {
  to[0] = (uint8_t)(value >> 8);
  to[1] = (uint8_t)value;
  return to + 2;
}

/* The PAT or the PMT, and its length. */
static inline size_t test_section(const test_mux_t *mux, int is_pmt,
                                  uint8_t section[1100]) {
  uint8_t *to = section + 3;
  section[0] = is_pmt ? 2 : 0;
  to = test_put16(to, 1);
  *to++ = (uint8_t)(0xc1 | mux->version << 1);
  *to++ = 0;
  *to++ = 0;
  if (is_pmt) {
    to = test_put16(
        to, 0xe000u | (mux->pcr_pid != 0 ? mux->pcr_pid : TEST_VIDEO_PID));
    to = test_put16(to, 0xf000 | mux->pmt_bytes);
    for (uint32_t left = mux->pmt_bytes; left > 0;) {
      uint32_t some = left < 102 ? left : left < 104 ? 100 : 102;
      *to++ = 0xfe;
      *to++ = (uint8_t)(some - 2);
      memset(to, 0x11, some - 2);
      to += some - 2;
      left -= some;
    }
    *to++ = 0x1b; /* H.264 */
    to = test_put16(to, 0xe000 | TEST_VIDEO_PID);
    to = test_put16(to, 0xf000);
    *to++ = 0x0f; /* AAC */
    to = test_put16(to, 0xe000 | TEST_AUDIO_PID);
    to = test_put16(to, 0xf000);
  } else {
    to = test_put16(to, 1);
    to = test_put16(to, 0xe000 | TEST_PMT_PID);
  }
  size_t length = (size_t)(to - section) + 4;
  test_put16(section + 1, 0xb000 | (uint32_t)(length - 3));
  uint32_t crc = test_crc(section, length - 4);
  test_put16(test_put16(to, crc >> 16), crc & 0xffff);
  return length;
}

static inline void test_header(test_mux_t *mux, uint8_t *packet, uint32_t pid,
                               int is_start) {
  memset(packet, 0xff, WEIR_TS_PACKET);
  packet[0] = WEIR_TS_SYNC;
  packet[1] = (uint8_t)((is_start ? 0x40 : 0) | pid >> 8);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(0x10 | (mux->counters[pid]++ & 15));
}

/* Packets that a PAT and a PMT take. */
static inline uint32_t test_psi_packets(const test_mux_t *mux) {
  uint8_t section[1100];
  return 1 + (uint32_t)((1 + test_section(mux, 1, section) + 183) / 184);
}

static inline void test_put_psi(test_mux_t *mux, uint8_t *packet) {
  uint8_t section[1200] = {0}; /* behind its pointer field */
  uint32_t all = test_psi_packets(mux), at = all - mux->psi_left;
  mux->psi_left--;
  size_t length = 1 + test_section(mux, at > 0, section + 1);
  size_t from = at > 1 ? (at - 1) * 184 : 0;
  test_header(mux, packet, at > 0 ? TEST_PMT_PID : TEST_PAT_PID, at <= 1);
  size_t some = length - from < 184 ? length - from : 184;
  memcpy(packet + 4, section + from, some);
}

/* The clock when a packet comes, 27 MHz ticks. */
static inline uint64_t test_time(const test_mux_t *mux, uint64_t packet) {
  return mux->clock + packet * WEIR_TS_CLOCK / mux->per_second;
}

/* Puts an adaptation field in front; returns where the payload begins. */
static inline uint8_t *test_adapt(const test_mux_t *mux, uint8_t *packet,
                                  int is_access) {
  uint64_t clock = test_time(mux, mux->packets) % (((uint64_t)1 << 33) * 300);
  uint64_t base = clock / 300, rest = clock % 300;
  packet[3] |= 0x20;
  packet[4] = 7;
  packet[5] = (uint8_t)((is_access ? 0x40 : 0) | 0x10);
  packet[6] = (uint8_t)(base >> 25);
  packet[7] = (uint8_t)(base >> 17);
  packet[8] = (uint8_t)(base >> 9);
  packet[9] = (uint8_t)(base >> 1);
  packet[10] = (uint8_t)((base & 1) << 7 | 0x7e | rest >> 8);
  packet[11] = (uint8_t)rest;
  if (mux->has_no_pcr) packet[5] &= 0x40;
  return packet + 12;
}

/* The next packet of the stream. */
static inline void test_mux_next(test_mux_t *mux, uint8_t *packet) {
  static const uint8_t picture[] = {0, 0, 1, 0xe0, 0,    0, 0x80, 0, 0,
                                    0, 0, 1, 9,    0xf0, 0, 0,    1, 0x65};
  mux->is_access = 0;
  if (mux->packets % mux->psi_every == 0) mux->psi_left = test_psi_packets(mux);
  if (mux->psi_left > 0) {
    test_put_psi(mux, packet);
    mux->packets++;
    return;
  }
  uint64_t at = mux->packets % mux->gop;
  int is_access = at == mux->gop / 4;
  int is_audio = at % 7 == 3 && !is_access;
  test_header(mux, packet, is_audio ? TEST_AUDIO_PID : TEST_VIDEO_PID,
              is_access);
  uint8_t *to = packet + 4;
  if (!is_audio && (is_access || mux->packets % mux->pcr_every == 5))
    to = test_adapt(mux, packet, is_access);
  if (is_access) {
    memcpy(to, picture, sizeof picture);
    to += sizeof picture;
  }
  memcpy(to, &mux->packets, sizeof mux->packets);
  mux->is_access = (uint8_t)is_access;
  mux->packets++;
}

/* Makes `count` packets. */
static inline size_t test_mux_fill(test_mux_t *mux, uint8_t *to,
                                   uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    test_mux_next(mux, to + i * WEIR_TS_PACKET);
  return count * WEIR_TS_PACKET;
}

/* ---- a log with a track ---- */

typedef struct test_track {
  weir_log_t *log;
  weir_track_t *track;
  uint32_t changes;
} test_track_t;

static inline void test_track_changed(weir_track_t *track) {
  ((test_track_t *)weir_track_data(track))->changes++;
}

static inline void test_track_open(test_track_t *test, size_t capacity) {
  memset(test, 0, sizeof *test);
  weir_log_options_t log = {
      .size = sizeof log, .capacity = capacity, .unit = WEIR_TS_PACKET};
  CHECK_EQ(weir_log_create(&test->log, &log), 0);
  weir_track_options_t options = {.size = sizeof options,
                                  .log = test->log,
                                  .on_change = test_track_changed,
                                  .data = test};
  CHECK_EQ(weir_track_create(&test->track, &options), 0);
}

static inline void test_track_close(test_track_t *test) {
  weir_track_destroy(test->track);
  weir_log_destroy(test->log);
}

/* The log's bytes from a position on, in one piece. */
static inline size_t test_copy_log(const weir_log_t *log, uint64_t from,
                                   uint8_t *to) {
  struct iovec iov[2];
  int pieces;
  int64_t n = weir_log_peek(log, from, SIZE_MAX, iov, &pieces);
  CHECK(n >= 0);
  for (int i = 0; i < pieces; i++) {
    memcpy(to, iov[i].iov_base, iov[i].iov_len);
    to += iov[i].iov_len;
  }
  return (size_t)n;
}

/* ---- markers ---- */

#define TEST_PIDS 4u /* of the stream: PAT, PMT, video, audio */

static inline int test_is_marker(const uint8_t *packet) {
  return (packet[3] & 0x30) == 0x20 && packet[4] == WEIR_TS_PACKET - 5 &&
         (packet[5] & 0x80) != 0;
}

/* Takes the markers out of some packets; returns what length is left. */
static inline size_t test_unmark(uint8_t *packets, size_t length) {
  uint8_t *to = packets;
  for (uint8_t *from = packets; from < packets + length;
       from += WEIR_TS_PACKET) {
    if (test_is_marker(from)) continue;
    memmove(to, from, WEIR_TS_PACKET);
    to += WEIR_TS_PACKET;
  }
  return (size_t)(to - packets);
}

/* ---- what a decoder would make of it ---- */

typedef struct test_decoder {
  weir_ts_t *ts;
  uint64_t psi_errors; /* of continuity */
  uint64_t video_errors;
  uint64_t errors;
  uint64_t first_access; /* packet */
  uint64_t first_pmt;
} test_decoder_t;

static inline void test_on_continuity(weir_ts_t *ts, uint16_t pid,
                                      uint8_t expected, uint8_t found,
                                      uint64_t packet) {
  test_decoder_t *decoder = weir_ts_data(ts);
  (void)expected;
  (void)found;
  (void)packet;
  decoder->errors++;
  if (pid == TEST_PAT_PID || pid == TEST_PMT_PID) decoder->psi_errors++;
  if (pid == TEST_VIDEO_PID) decoder->video_errors++;
}

static inline void test_on_access(weir_ts_t *ts,
                                  const weir_ts_access_t *access) {
  test_decoder_t *decoder = weir_ts_data(ts);
  if (decoder->first_access == UINT64_MAX)
    decoder->first_access = access->packet;
}

static inline void test_on_program(weir_ts_t *ts,
                                   const weir_ts_program_t *program,
                                   uint64_t packet) {
  test_decoder_t *decoder = weir_ts_data(ts);
  if (program->is_known && decoder->first_pmt == UINT64_MAX)
    decoder->first_pmt = packet;
}

/* Reads the bytes in a decoder that knows nothing before. */
static inline test_decoder_t test_decode(const uint8_t *first, size_t length,
                                         const uint8_t *then, size_t rest) {
  test_decoder_t decoder = {.first_access = UINT64_MAX,
                            .first_pmt = UINT64_MAX};
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_continuity = test_on_continuity,
                                            .on_program = test_on_program,
                                            .on_access = test_on_access},
                               .data = &decoder};
  CHECK_EQ(weir_ts_create(&decoder.ts, &options), 0);
  CHECK_EQ(weir_ts_push(decoder.ts, first, length), 0);
  CHECK_EQ(weir_ts_push(decoder.ts, then, rest), 0);
  CHECK_EQ(weir_ts_end(decoder.ts), 0);
  weir_ts_destroy(decoder.ts);
  decoder.ts = NULL;
  return decoder;
}

#endif
