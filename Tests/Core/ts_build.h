/*
 * ts_build.h - makes transport streams, packet by packet, for tests of what
 * reads them. Written without a look at the scanner.
 */
#ifndef WEIR_TEST_TS_BUILD_H
#define WEIR_TEST_TS_BUILD_H

#include "test.h"

#define BUILD_MAX ((size_t)8 << 20)

typedef struct build {
  uint8_t *bytes;
  size_t length;
  uint32_t stride;       /* 188, 192 or 204 */
  uint64_t seed;         /* of payload and of what stands between packets */
  uint64_t count;        /* packets */
  uint8_t counter[8192]; /* of the next packet of a PID */
} build_t;

static inline void build_start(build_t *build, uint32_t stride, uint64_t seed) {
  uint8_t *bytes = build->bytes;
  memset(build, 0, sizeof *build);
  build->bytes = bytes != NULL ? bytes : malloc(BUILD_MAX);
  CHECK(build->bytes != NULL);
  build->stride = stride;
  build->seed = seed != 0 ? seed : 1;
}

static inline void build_free(build_t *build) {
  free(build->bytes);
  build->bytes = NULL;
}

static inline uint8_t build_byte(build_t *build) {
  return (uint8_t)(test_random(&build->seed) >> 32);
}

static inline void build_garbage(build_t *build, size_t length) {
  CHECK(build->length + length <= BUILD_MAX);
  for (size_t i = 0; i < length; i++)
    build->bytes[build->length++] = build_byte(build);
}

/* What a packet has beside its payload. */
typedef struct build_field {
  int is_start;
  uint8_t flags; /* of the adaptation field: 0x80 discontinuity, 0x40 random
                    access, 0x10 PCR */
  uint64_t pcr;  /* with flag 0x10; 27 MHz ticks */
  int is_unread; /* no payload: the counter stays */
  int is_again;  /* with the counter of the packet before */
  int is_failed; /* transport_error_indicator */
  int is_secret; /* scrambled */
} build_field_t;

/* A packet with as much of the payload as it holds, stuffed when that is
 * less. Returns how much that was. `field` may be NULL. */
static inline size_t build_packet(build_t *build, uint16_t pid,
                                  const build_field_t *given,
                                  const uint8_t *payload, size_t length) {
  static const build_field_t none;
  const build_field_t *field = given != NULL ? given : &none;
  CHECK(build->length + 204 <= BUILD_MAX);
  if (build->stride == 192) build_garbage(build, 4);
  uint8_t *packet = build->bytes + build->length;
  size_t fixed = field->flags != 0 ? 2 : 0;
  if (field->flags & 0x10) fixed += 6;
  if (field->is_unread) {
    length = 0;
    if (fixed == 0) fixed = 2;
  }
  size_t some = length < 184 - fixed ? length : 184 - fixed;
  size_t space = 184 - some; /* for the adaptation field */

  packet[0] = 0x47;
  packet[1] = (uint8_t)((field->is_failed ? 0x80 : 0) |
                        (field->is_start ? 0x40 : 0) | pid >> 8);
  packet[2] = (uint8_t)pid;
  uint8_t counter = build->counter[pid];
  if (field->is_unread || field->is_again) counter = (counter + 15) & 15;
  packet[3] = (uint8_t)((field->is_secret ? 0x80 : 0) | (space > 0 ? 0x20 : 0) |
                        (field->is_unread ? 0 : 0x10) | counter);
  if (!field->is_unread && !field->is_again)
    build->counter[pid] = (counter + 1) & 15;
  memset(packet + 4, 0xff, space);
  if (space > 0) packet[4] = (uint8_t)(space - 1);
  if (space > 1) packet[5] = field->flags;
  if (field->flags & 0x10) {
    uint64_t base = field->pcr / 300 & 0x1ffffffff;
    uint32_t rest = (uint32_t)(field->pcr % 300);
    packet[6] = (uint8_t)(base >> 25);
    packet[7] = (uint8_t)(base >> 17);
    packet[8] = (uint8_t)(base >> 9);
    packet[9] = (uint8_t)(base >> 1);
    packet[10] = (uint8_t)(base << 7 | 0x7e | rest >> 8);
    packet[11] = (uint8_t)rest;
  }
  if (some > 0) memcpy(packet + 4 + space, payload, some);
  build->length += 188;
  build->count++;
  if (build->stride == 204) build_garbage(build, 16);
  return some;
}

/* A packet of random payload. */
static inline void build_fill(build_t *build, uint16_t pid) {
  uint8_t payload[184];
  for (size_t i = 0; i < sizeof payload; i++)
    payload[i] = build_byte(build);
  build_packet(build, pid, NULL, payload, sizeof payload);
}

static inline void build_null(build_t *build, uint8_t stuffing) {
  uint8_t payload[184];
  memset(payload, stuffing, sizeof payload);
  build_packet(build, 0x1fff, NULL, payload, sizeof payload);
  build->counter[0x1fff] = 0;
}

/* CRC-32/MPEG-2, a bit at a time. */
static inline uint32_t build_crc(const uint8_t *bytes, size_t length) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < length * 8; i++) {
    uint32_t bit = bytes[i / 8] >> (7 - i % 8) & 1;
    uint32_t top = crc >> 31;
    crc = crc << 1 ^ (top != bit ? 0x04c11db7u : 0);
  }
  return crc;
}

/* A section that begins with table_id; its length and CRC are filled in. */
typedef struct build_section {
  size_t length;
  uint8_t bytes[4096];
} build_section_t;

static inline void build_add8(build_section_t *section, uint32_t value) {
  section->bytes[section->length++] = (uint8_t)value;
}

static inline void build_add16(build_section_t *section, uint32_t value) {
  build_add8(section, value >> 8);
  build_add8(section, value);
}

static inline void build_open(build_section_t *section, uint8_t table,
                              uint16_t id, uint8_t version, uint8_t number,
                              uint8_t last) {
  section->length = 0;
  build_add8(section, table);
  build_add16(section, 0xb000);
  build_add16(section, id);
  build_add8(section, 0xc1u | (uint32_t)version << 1);
  build_add8(section, number);
  build_add8(section, last);
}

static inline void build_close(build_section_t *section) {
  size_t rest = section->length - 3 + 4;
  section->bytes[1] = (uint8_t)(0xb0 | rest >> 8);
  section->bytes[2] = (uint8_t)rest;
  uint32_t crc = build_crc(section->bytes, section->length);
  build_add16(section, crc >> 16);
  build_add16(section, crc & 0xffff);
}

static inline void build_pat_entry(build_section_t *section, uint16_t number,
                                   uint16_t pid) {
  build_add16(section, number);
  build_add16(section, 0xe000u | pid);
}

static inline void build_pmt_open(build_section_t *section, uint16_t number,
                                  uint8_t version, uint16_t pcr_pid) {
  build_open(section, 2, number, version, 0, 0);
  build_add16(section, 0xe000u | pcr_pid);
  build_add16(section, 0xf000);
}

static inline void build_pmt_entry(build_section_t *section, uint8_t type,
                                   uint16_t pid, size_t descriptors) {
  build_add8(section, type);
  build_add16(section, 0xe000u | pid);
  build_add16(section, 0xf000u | (uint32_t)descriptors);
  for (size_t i = 0; i < descriptors; i++)
    build_add8(section, 0x55);
}

/* Sections into packets of their own, one after another. */
static inline void build_sections(build_t *build, uint16_t pid,
                                  const build_section_t *sections,
                                  size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint8_t bytes[1 + 4096 + 184];
    size_t length = 0;
    bytes[length++] = 0; /* pointer_field */
    memcpy(bytes + length, sections[i].bytes, sections[i].length);
    length += sections[i].length;
    size_t padded = (length + 183) / 184 * 184;
    memset(bytes + length, 0xff, padded - length);
    for (size_t at = 0; at < padded; at += 184) {
      build_field_t field = {.is_start = at == 0};
      build_packet(build, pid, &field, bytes + at, 184);
    }
  }
}

/* PAT and PMT of one programme: PMT on 0x100, video of a type on 0x101 with
 * the PCR, audio on 0x102; a type of 0: without it. */
static inline void build_psi(build_t *build, uint8_t video, uint8_t audio) {
  build_section_t section;
  build_open(&section, 0, 1, 0, 0, 0);
  build_pat_entry(&section, 1, 0x100);
  build_close(&section);
  build_sections(build, 0, &section, 1);
  build_pmt_open(&section, 1, 0, 0x101);
  if (video != 0) build_pmt_entry(&section, video, 0x101, 0);
  if (audio != 0) build_pmt_entry(&section, audio, 0x102, 0);
  build_close(&section);
  build_sections(build, 0x100, &section, 1);
}

/* A PES packet: its start in a packet with `flags`, random payload after. */
static inline void build_pes(build_t *build, uint16_t pid, uint8_t flags,
                             uint64_t pcr, const void *head, size_t head_length,
                             size_t length) {
  uint8_t bytes[65536] = {0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5};
  size_t at = 14;
  CHECK(at + length <= sizeof bytes && head_length <= length);
  memcpy(bytes + at, head, head_length);
  for (size_t i = head_length; i < length; i++)
    bytes[at + i] = build_byte(build) | 1; /* no start codes */
  length += at;
  build_field_t field = {.is_start = 1, .flags = flags, .pcr = pcr};
  for (at = 0; at < length;) {
    at += build_packet(build, pid, &field, bytes + at, length - at);
    field = (build_field_t){0};
  }
}

/* Some of an ordinary stream: PSI, H.264 with a key frame each 8 pictures,
 * audio, PCR each 40 ms. */
static inline void build_pictures(build_t *build, size_t pictures) {
  static const uint8_t key[] = {0, 0, 0, 1, 9,    0xf0, 0, 0, 1, 0x67, 1,
                                2, 0, 0, 1, 0x68, 3,    0, 0, 1, 0x65, 0x88};
  static const uint8_t other[] = {0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41, 0x9a};
  for (size_t i = 0; i < pictures; i++) {
    int is_key = i % 8 == 0;
    if (is_key) build_psi(build, 0x1b, 0x0f);
    build_pes(build, 0x101, 0x10, 27000000 / 25 * i, is_key ? key : other,
              is_key ? sizeof key : sizeof other,
              is_key ? 3000 : 200 + build_byte(build) * 4u);
    build_pes(build, 0x102, 0, 0, "", 0, 300);
    if (i % 3 == 0) build_null(build, 0xff);
  }
}

#endif
