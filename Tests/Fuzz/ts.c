/*
 * Fuzzes the scanner: the input in chunks, of which it says the sizes itself,
 * and at once. Whatever is in it, both say the same.
 */
#include <stdlib.h>
#include <string.h>

#include "weir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)              \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (0)

typedef struct heard {
  uint64_t packets;
  uint64_t bytes; /* digest of the packets */
  uint64_t events;
} heard_t;

static void mix(uint64_t *digest, uint64_t value) {
  *digest = (*digest ^ value) * 0x9E3779B97F4A7C15u;
  *digest ^= *digest >> 29;
}

static void on_packets(weir_ts_t *ts, const uint8_t *packets, size_t count,
                       uint64_t first) {
  heard_t *heard = weir_ts_data(ts);
  REQUIRE(first == heard->packets && count > 0);
  heard->packets += count;
  for (size_t i = 0; i < count * WEIR_TS_PACKET; i++) {
    REQUIRE(i % WEIR_TS_PACKET != 0 || packets[i] == WEIR_TS_SYNC);
    mix(&heard->bytes, packets[i]);
  }
}

static void on_lock(weir_ts_t *ts, uint64_t offset, uint32_t stride) {
  heard_t *heard = weir_ts_data(ts);
  mix(&heard->events, offset * 2 + 1);
  mix(&heard->events, stride);
}

static void on_loss(weir_ts_t *ts, uint64_t offset) {
  mix(&((heard_t *)weir_ts_data(ts))->events, offset * 2);
}

static void on_program(weir_ts_t *ts, const weir_ts_program_t *program,
                       uint64_t packet) {
  heard_t *heard = weir_ts_data(ts);
  REQUIRE(program->streams <= WEIR_TS_STREAMS_MAX);
  mix(&heard->events, packet);
  mix(&heard->events, program->number);
  for (uint32_t i = 0; i < program->streams; i++)
    mix(&heard->events, program->stream[i].pid);
}

static void on_continuity(weir_ts_t *ts, uint16_t pid, uint8_t expected,
                          uint8_t found, uint64_t packet) {
  heard_t *heard = weir_ts_data(ts);
  REQUIRE(pid < WEIR_TS_NO_PID && expected < 16 && found < 16);
  mix(&heard->events, packet);
  mix(&heard->events, pid * UINT64_C(256) + expected * 16u + found);
}

static void on_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr) {
  heard_t *heard = weir_ts_data(ts);
  REQUIRE(pcr->value < (UINT64_C(1) << 33) * 300);
  mix(&heard->events, pcr->offset);
  mix(&heard->events, pcr->value);
}

static void on_access(weir_ts_t *ts, const weir_ts_access_t *access) {
  heard_t *heard = weir_ts_data(ts);
  mix(&heard->events, access->packet);
  mix(&heard->events, access->offset * 4 + (uint64_t)access->kind);
}

static void on_foreign(weir_ts_t *ts, weir_ts_foreign_t looks_like) {
  mix(&((heard_t *)weir_ts_data(ts))->events, looks_like);
}

/* The input `rounds` times over, so that a short one can be long. */
static void scan(const uint8_t *data, size_t size, size_t rounds,
                 const uint8_t *sizes, size_t count, heard_t *heard,
                 weir_ts_counters_t *counters) {
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_packets = on_packets,
                                            .on_lock = on_lock,
                                            .on_loss = on_loss,
                                            .on_program = on_program,
                                            .on_continuity = on_continuity,
                                            .on_pcr = on_pcr,
                                            .on_access = on_access,
                                            .on_foreign = on_foreign},
                               .data = heard};
  weir_ts_t *ts;
  memset(heard, 0, sizeof *heard);
  if (weir_ts_create(&ts, &options) != 0) return;
  for (size_t round = 0; round < rounds; round++) {
    size_t turn = 0;
    for (size_t at = 0; at < size;) {
      size_t some = size - at;
      if (count > 0) {
        size_t given = sizes[turn++ % count];
        given = given < 200 ? 1 + given : 188 * (given - 199);
        if (given < some) some = given;
      }
      weir_ts_push(ts, data + at, some);
      at += some;
    }
    weir_ts_end(ts);
  }
  weir_ts_counters(ts, counters);
  uint8_t packets[64 * WEIR_TS_PACKET];
  uint16_t pids[64];
  int psi = weir_ts_psi(ts, packets, pids, 64);
  REQUIRE(psi <= 64 && (psi >= 0 || psi == WEIR_EOPTION));
  weir_ts_destroy(ts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 4) return 0;
  size_t count = 1 + data[0] % 16;
  size_t rounds = 1 + data[1] % 3;
  if (size < 2 + count) return 0;
  const uint8_t *sizes = data + 2;
  data += 2 + count;
  size -= 2 + count;
  heard_t whole;
  heard_t parts;
  weir_ts_counters_t one = {0};
  weir_ts_counters_t other = {0};
  scan(data, size, rounds, sizes, 0, &whole, &one);
  scan(data, size, rounds, sizes, count, &parts, &other);
  REQUIRE(memcmp(&whole, &parts, sizeof whole) == 0);
  REQUIRE(memcmp(&one, &other, sizeof one) == 0);
  REQUIRE(one.packets == whole.packets);
  uint32_t stride = 0;
  int64_t at = weir_ts_find_sync(data, size, 0, &stride);
  REQUIRE(at < 0 || (data[at] == WEIR_TS_SYNC && stride >= WEIR_TS_PACKET));
  return 0;
}
