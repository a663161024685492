/*
 * contenders.c - the scanner, simpler searches, and what the memory gives.
 *
 * Each reads every cache line of its input that it has any use for, and
 * returns a number that cannot be had without.
 */
#include "contenders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "weir.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

const char *const data_names[DATA_COUNT] = {"synthetic", "encoded",
                                            "no sync byte", "random"};

static void fail(const char *what, int error) {
  fprintf(stderr, "ts: %s: %s\n", what, weir_strerror(error));
  exit(1);
}

/* --- The memory ------------------------------------------------------------
 */

/* Nothing can be left out of a sum. */
static uint64_t sum_words(const struct input *input) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= input->length; i += 8) {
    uint64_t word;
    memcpy(&word, input->bytes + i, 8);
    sum += word;
  }
  return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sum_avx2(
    const struct input *input) {
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_setzero_si256(), _mm256_setzero_si256()};
  size_t i = 0;
  for (; i + 128 <= input->length; i += 128)
    for (size_t lane = 0; lane < 4; lane++)
      sums[lane] = _mm256_add_epi64(
          sums[lane],
          _mm256_loadu_si256(
              (const __m256i *)(const void *)(input->bytes + i + 32 * lane)));
  uint64_t parts[16], sum = 0;
  memcpy(parts, sums, sizeof parts);
  for (size_t k = 0; k < 16; k++)
    sum += parts[k];
  struct input rest = {input->bytes + i, input->length - i, 0};
  return sum + sum_words(&rest);
}
#endif

static uint64_t sum(const struct input *input) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return sum_avx2(input);
#endif
  return sum_words(input);
}

/* --- Simpler searches ------------------------------------------------------
 */

static uint64_t one_byte(const struct input *input) {
  const uint8_t *at = input->bytes, *end = at + input->length;
  uint64_t found = 0;
  while ((at = memchr(at, SYNC, (size_t)(end - at))) != NULL) {
    found++;
    if (++at == end) break;
  }
  return found;
}

static uint64_t two_syncs(const struct input *input) {
  const uint8_t *bytes = input->bytes;
  uint64_t found = 0;
  for (size_t i = 0; i + PACKET < input->length; i++)
    found += bytes[i] == SYNC && bytes[i + PACKET] == SYNC;
  return found;
}

static uint64_t sync_bytes(const struct input *input) {
  uint64_t packets = 0;
  for (size_t i = 0; i + PACKET <= input->length; i += PACKET) {
    if (input->bytes[i] != SYNC) break;
    packets++;
  }
  return packets;
}

/* --- The scanner -----------------------------------------------------------
 */

static void count_packets(weir_ts_t *ts, const uint8_t *packets, size_t count,
                          uint64_t first) {
  uint64_t *found = weir_ts_data(ts);
  (void)packets, (void)first;
  *found += count;
}

/* The others are called to be called. */
static void lock(weir_ts_t *ts, uint64_t offset, uint32_t stride) {
  (void)ts, (void)offset, (void)stride;
}
static void loss(weir_ts_t *ts, uint64_t offset) {
  (void)ts, (void)offset;
}
static void program(weir_ts_t *ts, const weir_ts_program_t *made, uint64_t at) {
  (void)ts, (void)made, (void)at;
}
static void continuity(weir_ts_t *ts, uint16_t pid, uint8_t expected,
                       uint8_t found, uint64_t packet) {
  (void)ts, (void)pid, (void)expected, (void)found, (void)packet;
}
static void pid(weir_ts_t *ts, uint16_t number, uint8_t counter,
                uint64_t packet) {
  (void)ts, (void)number, (void)counter, (void)packet;
}
static void pcr(weir_ts_t *ts, const weir_ts_pcr_t *value) {
  (void)ts, (void)value;
}
static void access_point(weir_ts_t *ts, const weir_ts_access_t *point) {
  (void)ts, (void)point;
}
static void foreign(weir_ts_t *ts, weir_ts_foreign_t looks_like) {
  (void)ts, (void)looks_like;
}

static const weir_ts_settings_t packets_only = {.on_packets = count_packets};
static const weir_ts_settings_t every_event = {
    .on_packets = count_packets,
    .on_lock = lock,
    .on_loss = loss,
    .on_program = program,
    .on_continuity = continuity,
    .on_pid = pid,
    .on_pcr = pcr,
    .on_access = access_point,
    .on_foreign = foreign,
};

/* Pushes everything; begins anew where it has searched long enough. */
static uint64_t push(const struct input *input,
                     const weir_ts_settings_t *settings) {
  uint64_t found = 0;
  weir_ts_t *ts;
  weir_ts_options_t options = {
      .size = sizeof options, .settings = *settings, .data = &found};
  int error = weir_ts_create(&ts, &options);
  if (error < 0) fail("the scanner", error);
  for (size_t at = 0; at < input->length; at += input->chunk) {
    size_t rest = input->length - at;
    error = weir_ts_push(ts, input->bytes + at,
                         rest < input->chunk ? rest : input->chunk);
    if (error == WEIR_ENOTTS) weir_ts_reset(ts);
  }
  (void)weir_ts_end(ts);
  weir_ts_destroy(ts);
  return found;
}

static uint64_t push_packets(const struct input *input) {
  return push(input, &packets_only);
}

static uint64_t push_every(const struct input *input) {
  return push(input, &every_event);
}

/* 0: no sync. */
static uint64_t find_sync(const struct input *input) {
  uint32_t stride;
  return (uint64_t)(weir_ts_find_sync(input->bytes, input->length, 0, &stride) +
                    1);
}

/* --- The table -------------------------------------------------------------
 */

static uint64_t all_packets(const struct input *input) {
  return input->length / PACKET;
}

static uint64_t none(const struct input *input) {
  (void)input;
  return 0;
}

#define ANYTHING NULL

const struct contender contenders[] = {
    {"memory: sum", STREAM, sum, ANYTHING},
    {"sync bytes only", STREAM, sync_bytes, all_packets},
    {"weir, packets", STREAM, push_packets, all_packets},
    {"weir, every event", STREAM, push_every, all_packets},
    {"ffmpeg, packets", STREAM, ffmpeg_packets, ANYTHING},

    {"memory: sum", MEDIA, sum, ANYTHING},
    {"sync bytes only", MEDIA, sync_bytes, all_packets},
    {"weir, packets", MEDIA, push_packets, all_packets},
    {"weir, every event", MEDIA, push_every, all_packets},
    {"ffmpeg, packets", MEDIA, ffmpeg_packets, ANYTHING},

    {"memory: sum", QUIET, sum, ANYTHING},
    {"one byte (memchr)", QUIET, one_byte, none},
    {"two syncs", QUIET, two_syncs, none},
    {"weir, one-shot", QUIET, find_sync, none},
    {"weir, search", QUIET, push_packets, none},
    {"ffmpeg, resync", QUIET, ffmpeg_resync, ANYTHING},

    {"memory: sum", NOISE, sum, ANYTHING},
    {"one byte (memchr)", NOISE, one_byte, ANYTHING},
    {"two syncs", NOISE, two_syncs, ANYTHING},
    {"weir, one-shot", NOISE, find_sync, none},
    {"weir, search", NOISE, push_packets, none},
    {NULL, STREAM, NULL, NULL},
};
