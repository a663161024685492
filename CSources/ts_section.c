/*
 * ts_section.c - sections out of packets (ISO/IEC 13818-1 2.4.4).
 *
 * A packet in which a section begins says where (pointer_field); what stands
 * before is the end of the one before, and further ones may follow at once. A
 * section within one packet is read where it lies. The others, which is few,
 * share WEIR__TS_ASSEMBLIES buffers. When all are taken a section waits for
 * its next repetition; the last one is left to programmes of which nothing is
 * known yet, so that each gets its turn.
 */
#include <string.h>

#include "ts_state.h"

#define HEADER 3u /* bytes up to section_length */

/* CRC-32/MPEG-2 of a section with its CRC is 0 (annex A). Half a byte at a
 * time: sections are few, and mostly the same again. */
static uint32_t checksum(const uint8_t *bytes, size_t length) {
  static const uint32_t table[16] = {
      0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b,
      0x1a864db2, 0x1e475005, 0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61,
      0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd};
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < length; i++) {
    crc ^= (uint32_t)bytes[i] << 24;
    crc = crc << 4 ^ table[crc >> 28];
    crc = crc << 4 ^ table[crc >> 28];
  }
  return crc;
}

/* Bytes of a section by its header. */
static size_t size_of(const uint8_t *section) {
  return HEADER + ((section[1] & 0x0fu) << 8 | section[2]);
}

static void take(weir_ts_t *ts, uint16_t pid, const uint8_t *bytes,
                 size_t length, uint64_t packet) {
  uint32_t table = pid == 0 ? WEIR__TS_TABLE_PAT : WEIR__TS_TABLE_PMT;
  /* Others than PAT and PMT may share the PID. */
  if (bytes[0] != table || !(bytes[1] & 0x80)) return;
  if (length < (pid == 0 ? WEIR__TS_PAT_MIN : WEIR__TS_PMT_MIN)) return;
  const weir__ts_section_t *kept = weir__ts_kept(ts, pid, bytes);
  if (kept != NULL && kept->length == length &&
      memcmp(kept->bytes, bytes, length) == 0) {
    ts->counters.sections++;
  } else if (checksum(bytes, length) != 0) {
    ts->counters.bad_sections++;
  } else {
    ts->counters.sections++;
    if (bytes[5] & 1) weir__ts_table(ts, pid, bytes, length, packet);
  }
}

/* Adds to a section; takes it when it is whole. */
static void put(weir_ts_t *ts, weir__ts_section_t *section,
                const uint8_t *bytes, size_t length, uint64_t packet) {
  for (;;) {
    size_t whole = section->length < HEADER ? HEADER : size_of(section->bytes);
    if (whole > WEIR__TS_SECTION_MAX) {
      section->length = 0;
      return;
    }
    if (section->length == whole) {
      section->length = 0;
      take(ts, section->pid, section->bytes, whole, packet);
      return;
    }
    if (length == 0) return;
    size_t some = whole - section->length;
    if (some > length) some = length;
    memcpy(section->bytes + section->length, bytes, some);
    section->length = (uint16_t)(section->length + some);
    bytes += some;
    length -= some;
  }
}

static weir__ts_section_t *assembly_of(weir_ts_t *ts, uint16_t pid) {
  for (size_t i = 0; i < WEIR__TS_ASSEMBLIES; i++) {
    weir__ts_section_t *section = &ts->assemblies[i];
    if (section->length > 0 && section->pid == pid) return section;
  }
  return NULL;
}

/* Begins a section that goes on in the next packet. */
static void begin(weir_ts_t *ts, const weir__ts_packet_t *packet, size_t at) {
  weir__ts_section_t *free = NULL;
  size_t count = 0;
  for (size_t i = 0; i < WEIR__TS_ASSEMBLIES; i++) {
    if (ts->assemblies[i].length > 0) continue;
    free = &ts->assemblies[i];
    count++;
  }
  if (count == 0 || (count == 1 && weir__ts_is_read(ts, packet->pid))) return;
  free->pid = packet->pid;
  put(ts, free, packet->payload + at, packet->length - at, packet->number);
}

void weir__ts_sections(weir_ts_t *ts, const weir__ts_packet_t *packet) {
  const uint8_t *payload = packet->payload;
  weir__ts_section_t *section = assembly_of(ts, packet->pid);
  if (section != NULL && packet->is_gap) {
    section->length = 0;
    section = NULL;
  }
  if (!packet->is_start) {
    if (section != NULL)
      put(ts, section, payload, packet->length, packet->number);
    return;
  }
  size_t at = 1u + payload[0];
  if (section != NULL) {
    if (at <= packet->length)
      put(ts, section, payload + 1, payload[0], packet->number);
    section->length = 0; /* what is not whole now never will be */
  }
  while (at < packet->length && payload[at] != 0xff) {
    size_t left = packet->length - at;
    size_t size = left >= HEADER ? size_of(payload + at) : left + 1;
    if (size > left) {
      begin(ts, packet, at);
      return;
    }
    take(ts, packet->pid, payload + at, size, packet->number);
    at += size;
  }
}
