/* ts_record.h - a scanner, and a record of all that it says. */
#ifndef WEIR_TEST_TS_RECORD_H
#define WEIR_TEST_TS_RECORD_H

#include "test.h"

typedef enum record_kind {
  RECORD_LOCK = 1,
  RECORD_LOSS,
  RECORD_PROGRAM,
  RECORD_CONTINUITY,
  RECORD_PCR,
  RECORD_ACCESS,
  RECORD_FOREIGN
} record_kind_t;

typedef struct record_event {
  record_kind_t kind;
  uint64_t a, b, c, d;
} record_event_t;

#define RECORD_EVENTS  200000u
#define RECORD_PACKETS ((size_t)16 << 20)

typedef struct record {
  weir_ts_t *ts;
  weir_ts_counters_t counters;
  uint8_t *packets; /* all of them, one after another */
  size_t length;
  size_t events;
  record_event_t *event;
  weir_ts_program_t program; /* the last one reported */
} record_t;

static inline void record_add(weir_ts_t *ts, record_kind_t kind, uint64_t a,
                              uint64_t b, uint64_t c, uint64_t d) {
  record_t *record = weir_ts_data(ts);
  CHECK(record->events < RECORD_EVENTS);
  record->event[record->events++] = (record_event_t){kind, a, b, c, d};
}

static inline void record_packets(weir_ts_t *ts, const uint8_t *packets,
                                  size_t count, uint64_t first) {
  record_t *record = weir_ts_data(ts);
  CHECK(count > 0);
  CHECK_EQ(first, record->length / 188);
  CHECK(record->length + count * 188 <= RECORD_PACKETS);
  memcpy(record->packets + record->length, packets, count * 188);
  record->length += count * 188;
}

static inline void record_lock(weir_ts_t *ts, uint64_t offset,
                               uint32_t stride) {
  record_add(ts, RECORD_LOCK, offset, stride, 0, 0);
}

static inline void record_loss(weir_ts_t *ts, uint64_t offset) {
  record_add(ts, RECORD_LOSS, offset, 0, 0, 0);
}

static inline void record_program(weir_ts_t *ts,
                                  const weir_ts_program_t *program,
                                  uint64_t packet) {
  record_t *record = weir_ts_data(ts);
  record->program = *program;
  record_add(ts, RECORD_PROGRAM, program->number, program->version,
             program->is_known ? 1 + program->streams : 0, packet);
}

static inline void record_continuity(weir_ts_t *ts, uint16_t pid,
                                     uint8_t expected, uint8_t found,
                                     uint64_t packet) {
  record_add(ts, RECORD_CONTINUITY, pid, expected, found, packet);
}

static inline void record_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr) {
  record_add(ts, RECORD_PCR, pcr->pid, pcr->value,
             pcr->offset << 1 | pcr->is_discontinuous, pcr->packet);
}

static inline void record_access(weir_ts_t *ts,
                                 const weir_ts_access_t *access) {
  record_add(ts, RECORD_ACCESS, access->pid, access->kind, access->offset,
             access->packet);
}

static inline void record_foreign(weir_ts_t *ts, weir_ts_foreign_t foreign) {
  record_add(ts, RECORD_FOREIGN, foreign, 0, 0, 0);
}

static inline void record_start(record_t *record) {
  if (record->packets == NULL) {
    record->packets = malloc(RECORD_PACKETS);
    record->event = malloc(RECORD_EVENTS * sizeof *record->event);
    CHECK(record->packets != NULL && record->event != NULL);
  }
  record->length = 0;
  record->events = 0;
  weir_ts_options_t options = {.size = sizeof options,
                               .settings = {.on_packets = record_packets,
                                            .on_lock = record_lock,
                                            .on_loss = record_loss,
                                            .on_program = record_program,
                                            .on_continuity = record_continuity,
                                            .on_pcr = record_pcr,
                                            .on_access = record_access,
                                            .on_foreign = record_foreign},
                               .data = record};
  CHECK_EQ(weir_ts_create(&record->ts, &options), 0);
}

/* Keeps the counters and destroys the scanner. */
static inline void record_stop(record_t *record) {
  weir_ts_counters(record->ts, &record->counters);
  weir_ts_destroy(record->ts);
  record->ts = NULL;
}

static inline void record_free(record_t *record) {
  free(record->packets);
  free(record->event);
}

/* All of an input in one push, and its end; returns what that said. */
static inline int record_scan(record_t *record, const uint8_t *bytes,
                              size_t length) {
  record_start(record);
  int status = weir_ts_push(record->ts, bytes, length);
  int end = weir_ts_end(record->ts);
  CHECK(status == 0 || end == status);
  record_stop(record);
  /* Every byte is in a packet, in one that was dropped, between two of them,
   * or was skipped. */
  if (record->event[0].kind == RECORD_LOCK && record->event[0].b == 188)
    CHECK_EQ(record->counters.bytes, 188 * record->counters.packets +
                                         188 * record->counters.dropped +
                                         record->counters.skipped);
  CHECK_EQ(record->counters.packets * 188, record->length);
  return end;
}

static inline size_t record_count(const record_t *record, record_kind_t kind) {
  size_t count = 0;
  for (size_t i = 0; i < record->events; i++)
    count += record->event[i].kind == kind;
  return count;
}

/* The event of a kind that comes as `index`; there is one. */
static inline record_event_t record_get(const record_t *record,
                                        record_kind_t kind, size_t index) {
  for (size_t i = 0; i < record->events; i++)
    if (record->event[i].kind == kind && index-- == 0) return record->event[i];
  fprintf(stderr, "no event %zu more of kind %d\n", index, kind);
  exit(1);
}

static inline void record_check_same(const record_t *one,
                                     const record_t *other) {
  CHECK_EQ(one->length, other->length);
  CHECK(memcmp(one->packets, other->packets, one->length) == 0);
  CHECK_EQ(one->events, other->events);
  for (size_t i = 0; i < one->events; i++)
    CHECK(memcmp(&one->event[i], &other->event[i], sizeof one->event[i]) == 0);
  CHECK(memcmp(&one->counters, &other->counters, sizeof one->counters) == 0);
}

#endif
