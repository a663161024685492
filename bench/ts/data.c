/* data.c - synthetic streams (ISO/IEC 13818-1) and random bytes. */
#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PMT_PID = 0x1000,
  VIDEO_PID = 0x100,
  AUDIO_PID = 0x101,
  PICTURES_A_SECOND = 50,
  PACKETS_A_PICTURE = 256, /* at 20 Mbit/s, the sound not among them */
  PACKETS_OF_SOUND = 8,
  PICTURES_TO_TABLES = 5,
  PICTURES_TO_ACCESS = 100
};

struct maker {
  uint8_t *to, *end;
  uint64_t random;
  uint8_t continuity[8192];
};

uint8_t *data_allocate(size_t bytes) {
  uint8_t *memory = NULL;
  if (posix_memalign((void **)&memory, 4096, bytes) != 0) {
    fprintf(stderr, "ts: no memory for %zu bytes\n", bytes);
    exit(1);
  }
  return memory;
}

/* xorshift64* (Marsaglia 2003; Vigna 2016). */
static uint64_t next_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * 0x2545F4914F6CDD1DULL;
}

void data_random(uint8_t *to, size_t bytes, int with_sync, uint64_t seed) {
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t word = next_random(&seed);
    memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
  }
  if (with_sync) return;
  for (size_t i = 0; i < bytes; i++)
    to[i] ^= to[i] == SYNC;
}

/* CRC-32/MPEG-2, ISO/IEC 13818-1 annex A. */
static uint32_t crc_of(const uint8_t *bytes, size_t length) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < length; i++) {
    crc ^= (uint32_t)bytes[i] << 24;
    for (int bit = 0; bit < 8; bit++)
      crc = crc & 0x80000000u ? crc << 1 ^ 0x04C11DB7u : crc << 1;
  }
  return crc;
}

/* A packet with a payload; its first byte, or NULL when the room is used up.
 * `clock` is a PCR in 27 MHz ticks, or negative: no adaptation field. */
static uint8_t *begin(struct maker *maker, unsigned int pid, int is_start,
                      int64_t clock, int is_access) {
  uint8_t *packet = maker->to;
  if (maker->end - packet < PACKET) return NULL;
  maker->to += PACKET;
  packet[0] = SYNC;
  packet[1] = (uint8_t)((is_start ? 0x40 : 0) | pid >> 8);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(0x10 | (maker->continuity[pid]++ & 15));
  if (clock < 0) return packet + 4;
  uint64_t base = (uint64_t)clock / 300;
  packet[3] |= 0x20;
  packet[4] = 7;
  packet[5] = (uint8_t)(0x10 | (is_access ? 0x40 : 0));
  packet[6] = (uint8_t)(base >> 25);
  packet[7] = (uint8_t)(base >> 17);
  packet[8] = (uint8_t)(base >> 9);
  packet[9] = (uint8_t)(base >> 1);
  packet[10] = (uint8_t)((base & 1) << 7 | 0x7e);
  packet[11] = 0;
  return packet + 12;
}

static void section(struct maker *maker, unsigned int pid, const uint8_t *body,
                    size_t length) {
  uint8_t *to = begin(maker, pid, 1, -1, 0);
  if (to == NULL) return;
  memset(to, 0xff, PACKET - 4);
  *to++ = 0;
  memcpy(to, body, length);
  uint32_t crc = crc_of(body, length);
  for (int i = 0; i < 4; i++)
    to[length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void tables(struct maker *maker) {
  static const uint8_t pat[] = {0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0};
  static const uint8_t pmt[] = {2,    0xb0, 23,   0, 1,    0xc1, 0, 0,
                                0xe1, 0,    0xf0, 0, 0x1b, 0xe1, 0, 0xf0,
                                0,    0x0f, 0xe1, 1, 0xf0, 0};
  section(maker, 0, pat, sizeof pat);
  section(maker, PMT_PID, pmt, sizeof pmt);
}

/* The header of a PES packet and, for a picture, the start of its first unit
 * (ISO/IEC 14496-10 7.3.1): 5 is an IDR picture, 1 another one. */
static size_t header(uint8_t *to, uint8_t stream, int unit) {
  const uint8_t pes[] = {0,    0,    1, stream, 0, 0,
                         0x80, 0x80, 5, 0x21,   0, 1,
                         0,    1,    0, 0,      1, (uint8_t)(0x60 | unit)};
  size_t length = unit != 0 ? sizeof pes : 14;
  memcpy(to, pes, length);
  return length;
}

static void fill(struct maker *maker, uint8_t *to) {
  data_random(to, (size_t)(maker->to - to), 1, next_random(&maker->random));
}

void data_stream(uint8_t *to, size_t bytes, uint64_t seed) {
  struct maker maker = {.to = to, .end = to + bytes, .random = seed};
  for (int64_t picture = 0; maker.end - maker.to >= PACKET; picture++) {
    int is_access = picture % PICTURES_TO_ACCESS == 0;
    if (picture % PICTURES_TO_TABLES == 0) tables(&maker);
    for (int i = 0; i < PACKETS_A_PICTURE + PACKETS_OF_SOUND; i++) {
      int is_sound = i >= PACKETS_A_PICTURE;
      int is_start = i == 0 || i == PACKETS_A_PICTURE;
      int64_t clock = i == 0 ? picture * (27000000 / PICTURES_A_SECOND) : -1;
      uint8_t *from = begin(&maker, is_sound ? AUDIO_PID : VIDEO_PID, is_start,
                            clock, is_access);
      if (from == NULL) return;
      if (is_start)
        from += header(from, is_sound ? 0xc0 : 0xe0,
                       is_sound    ? 0
                       : is_access ? 5
                                   : 1);
      fill(&maker, from);
    }
  }
}

int data_file(uint8_t *to, size_t bytes, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return -1;
  size_t length = fread(to, 1, bytes, file);
  fclose(file);
  length -= length % PACKET;
  if (length == 0) return -1;
  for (size_t done = length; done < bytes;) {
    size_t part = bytes - done < length ? bytes - done : length;
    memcpy(to + done, to, part);
    done += part;
  }
  return 0;
}
