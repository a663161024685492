/*
 * packets.h - the transport stream of the warm tests: every packet says which
 * one it is, so that any body can be checked byte by byte, wherever it begins.
 *
 * The last 24 bytes of a packet are its number, when it was about to be
 * written, and a hash of everything before. In a PAT or PMT they lie behind
 * the section, where stuffing would be (ISO/IEC 13818-1 2.4.4): a decoder
 * looks at none of it after the first 0xFF. The upper bits of the number name
 * the run of the source, the others count its packets from 0.
 *
 * A programme is one H.264 stream that carries the PCR. Its number, version
 * and PIDs follow from the set, so that a change of programme is a change of
 * all of them.
 */
#ifndef WARM_PACKETS_H
#define WARM_PACKETS_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#define PACKET          188u
#define PACKET_SYNC     0x47u
#define PACKET_TRAILER  164u /* where the number stands */
#define PACKET_RUN_BITS 40   /* of the number, to the right of the run */
#define PACKET_INDEX    (((uint64_t)1 << PACKET_RUN_BITS) - 1)

struct packet_trailer {
  uint64_t number;
  uint64_t written; /* CLOCK_MONOTONIC, ns */
  uint64_t hash;
};
_Static_assert(PACKET_TRAILER + sizeof(struct packet_trailer) == PACKET,
               "trailer");

static inline uint16_t packet_program(unsigned set) {
  return (uint16_t)(set + 1);
}
static inline uint16_t packet_pmt_pid(unsigned set) {
  return (uint16_t)(0x1000u + set);
}
static inline uint16_t packet_video_pid(unsigned set) {
  return (uint16_t)(0x100u + set);
}

static inline uint64_t packet_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint16_t packet_pid(const uint8_t *packet) {
  return (uint16_t)((packet[1] & 0x1fu) << 8 | packet[2]);
}
static inline unsigned packet_counter(const uint8_t *packet) {
  return packet[3] & 0x0fu;
}
static inline int packet_starts_unit(const uint8_t *packet) {
  return (packet[1] & 0x40u) != 0;
}

/* A flag of the adaptation field: 0x80 discontinuity, 0x40 random access,
 * 0x10 PCR. */
static inline int packet_flag(const uint8_t *packet, uint8_t flag) {
  return (packet[3] & 0x20u) && packet[4] > 0 && (packet[5] & flag);
}

/* An adaptation field alone, with discontinuity_indicator: a marker. */
static inline int packet_is_marker(const uint8_t *packet) {
  return (packet[3] & 0x30u) == 0x20u && packet[4] == 183 &&
         packet_flag(packet, 0x80u);
}

static inline struct packet_trailer packet_trailer(const uint8_t *packet) {
  struct packet_trailer trailer;
  memcpy(&trailer, packet + PACKET_TRAILER, sizeof trailer);
  return trailer;
}

/* Of all that stands before the hash itself. Two lanes, for speed. */
static inline uint64_t packet_hash(const uint8_t *packet) {
  uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu, word;
  uint32_t rest;
  for (size_t i = 0; i < 176; i += 16) {
    memcpy(&word, packet + i, 8);
    a = (a ^ word) * 0xFF51AFD7ED558CCDu;
    a ^= a >> 32;
    memcpy(&word, packet + i + 8, 8);
    b = (b ^ word) * 0xC4CEB9FE1A85EC53u;
    b ^= b >> 32;
  }
  memcpy(&rest, packet + 176, 4);
  return (a ^ rest) * 0x9FB21C651E98DF25u + b;
}

/* CRC-32/MPEG-2, ISO/IEC 13818-1 annex A. */
static inline uint32_t packet_crc(const uint8_t *bytes, size_t length) {
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < length; i++) {
    crc ^= (uint32_t)bytes[i] << 24;
    for (int bit = 0; bit < 8; bit++)
      crc = crc & 0x80000000u ? crc << 1 ^ 0x04C11DB7u : crc << 1;
  }
  return crc;
}

static inline size_t packet_close_section(uint8_t *section, size_t length) {
  section[1] = (uint8_t)(0xB0u | (length + 1) >> 8);
  section[2] = (uint8_t)(length + 1); /* the bytes behind it, with the CRC */
  uint32_t crc = packet_crc(section, length);
  for (size_t i = 0; i < 4; i++)
    section[length + i] = (uint8_t)(crc >> (24 - 8 * i));
  return length + 4;
}

/* Each returns the bytes of a whole section. */
static inline size_t packet_pat(uint8_t section[64], unsigned set) {
  uint16_t number = packet_program(set), pid = packet_pmt_pid(set);
  uint8_t bytes[12] = {0x00,
                       0,
                       0,
                       0,
                       1,
                       (uint8_t)(0xC1u | (set & 31u) << 1),
                       0,
                       0,
                       (uint8_t)(number >> 8),
                       (uint8_t)number,
                       (uint8_t)(0xE0u | pid >> 8),
                       (uint8_t)pid};
  memcpy(section, bytes, sizeof bytes);
  return packet_close_section(section, sizeof bytes);
}

static inline size_t packet_pmt(uint8_t section[64], unsigned set) {
  uint16_t number = packet_program(set), pid = packet_video_pid(set);
  uint8_t bytes[17] = {0x02,
                       0,
                       0,
                       (uint8_t)(number >> 8),
                       (uint8_t)number,
                       (uint8_t)(0xC1u | (set & 31u) << 1),
                       0,
                       0,
                       (uint8_t)(0xE0u | pid >> 8),
                       (uint8_t)pid,
                       0xF0,
                       0,
                       0x1B,
                       (uint8_t)(0xE0u | pid >> 8),
                       (uint8_t)pid,
                       0xF0,
                       0};
  memcpy(section, bytes, sizeof bytes);
  return packet_close_section(section, sizeof bytes);
}

/* Whether a packet carries that section, from its start, whole. */
static inline int packet_carries(const uint8_t *packet, uint16_t pid,
                                 const uint8_t *section, size_t length) {
  return packet[0] == PACKET_SYNC && packet_pid(packet) == pid &&
         packet_starts_unit(packet) && (packet[3] & 0x30u) == 0x10u &&
         packet[4] == 0 && memcmp(packet + 5, section, length) == 0;
}

#endif
