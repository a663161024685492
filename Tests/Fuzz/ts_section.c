/*
 * Fuzzes tables: the input is cut into payloads of packets on the PAT's PID
 * and on a few others, with checksums put right where it asks for it, so that
 * what follows them is reached.
 */
#include <string.h>

#include "weir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)              \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (0)

#define PACKETS 400u

static void on_program(weir_ts_t *ts, const weir_ts_program_t *program,
                       uint64_t packet) {
  (void)packet;
  uint32_t count = weir_ts_programs(ts);
  int is_listed = 0;
  REQUIRE(count <= WEIR_TS_PROGRAMS_MAX);
  for (uint32_t i = 0; i < count; i++)
    is_listed |= weir_ts_program(ts, i) == program;
  REQUIRE(is_listed && weir_ts_program(ts, count) == NULL);
  REQUIRE(program->streams <= WEIR_TS_STREAMS_MAX);
  for (uint32_t i = 0; i < program->streams; i++)
    REQUIRE(program->stream[i].pid < WEIR_TS_PIDS);
}

static uint32_t crc(const uint8_t *bytes, size_t length) {
  uint32_t value = UINT32_MAX;
  for (size_t i = 0; i < length; i++) {
    value ^= (uint32_t)bytes[i] << 24;
    for (int k = 0; k < 8; k++)
      value = value << 1 ^ (value >> 31 ? 0x04c11db7u : 0);
  }
  return value;
}

/* Makes a section's length what is there, and its checksum right. */
static void put_right(uint8_t *section, size_t length) {
  if (length < 12 || length > 4095) return;
  section[1] = (uint8_t)(0xb0 | (length - 3) >> 8);
  section[2] = (uint8_t)(length - 3);
  uint32_t value = crc(section, length - 4);
  for (int i = 0; i < 4; i++)
    section[length - 4 + (size_t)i] = (uint8_t)(value >> (24 - 8 * i));
}

static void run(const uint8_t *packets, size_t count) {
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_program = on_program}};
  weir_ts_t *ts;
  if (weir_ts_create(&ts, &options) != 0) return;
  weir_ts_push(ts, packets, count * WEIR_TS_PACKET);
  weir_ts_end(ts);

  /* What comes out again says the same, to the end. */
  static uint8_t psi[(4 + 32 * 6) * WEIR_TS_PACKET];
  uint16_t pids[4 + 32 * 6];
  int made = weir_ts_psi(ts, psi, pids, sizeof pids / sizeof pids[0]);
  REQUIRE(made >= 0);
  weir_ts_t *again;
  if (made >= 3 && weir_ts_create(&again, &options) == 0) {
    uint8_t counters[WEIR_TS_PIDS] = {0};
    for (int i = 0; i < made; i++)
      psi[i * (int)WEIR_TS_PACKET + 3] |= counters[pids[i]]++ & 15;
    weir_ts_push(again, psi, (size_t)made * WEIR_TS_PACKET);
    weir_ts_end(again);
    REQUIRE(weir_ts_programs(again) == weir_ts_programs(ts));
    for (uint32_t i = 0; i < weir_ts_programs(ts); i++)
      REQUIRE(memcmp(weir_ts_program(ts, i), weir_ts_program(again, i),
                     sizeof(weir_ts_program_t)) == 0);
    weir_ts_counters_t counts;
    weir_ts_counters(again, &counts);
    REQUIRE(counts.bad_sections == 0 && counts.continuity == 0);
    weir_ts_destroy(again);
  }
  weir_ts_destroy(ts);
}

/* Input: for each section a byte of flags (what PID, whether to put it right,
 * where in a packet it begins), two of length, and its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t packets[PACKETS * WEIR_TS_PACKET];
  static const uint16_t pids[] = {0, 0x100, 0x101, 0x1ffe};
  uint8_t counters[4] = {0};
  size_t count = 0;
  while (size >= 3 && count + 24 < PACKETS) {
    uint8_t section[4096 + 184] = {0};
    uint8_t flags = data[0];
    size_t length = (size_t)(data[1] & 15) << 8 | data[2];
    data += 3;
    size -= 3;
    if (length > size) length = size;
    memcpy(section, data, length);
    data += length;
    size -= length;
    if (flags & 4) put_right(section, length);
    size_t which = flags & 3;
    size_t pointer = flags & 8 ? flags >> 4 : 0;
    for (size_t at = 0, first = 1; at < length || first; first = 0) {
      uint8_t *packet = packets + count++ * WEIR_TS_PACKET;
      size_t header = first ? 5 + pointer : 4;
      size_t some = WEIR_TS_PACKET - header;
      if (some > length - at) some = length - at;
      memset(packet, 0xff, WEIR_TS_PACKET);
      packet[0] = WEIR_TS_SYNC;
      packet[1] = (uint8_t)((first ? 0x40 : 0) | pids[which] >> 8);
      packet[2] = (uint8_t)pids[which];
      packet[3] = (uint8_t)(0x10 | (counters[which]++ & 15));
      if (first) packet[4] = (uint8_t)pointer;
      memcpy(packet + header, section + at, some);
      at += some;
    }
  }
  while (count < 5) {
    weir_ts_discontinuity(packets + count++ * WEIR_TS_PACKET, 0x55, 0);
  }
  run(packets, count);
  return 0;
}
