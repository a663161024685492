/*
 * track_index.h - the places of a log where decoding can begin, and what a
 * decoder needs before each.
 *
 * Pure: it knows positions and times, and nothing of logs or scanners.
 */
#ifndef WEIR_TRACK_INDEX_H
#define WEIR_TRACK_INDEX_H

#include "weir/track.h"

#pragma GCC visibility push(hidden)

#define WEIR__PSI_SETS    4u /* that are kept */
#define WEIR__PSI_PACKETS (WEIR_TRACK_PREAMBLE_MAX / WEIR_TS_PACKET)
/* PIDs whose counters are kept: PAT, PMTs, the marker's; an even number. */
#define WEIR__PSI_PIDS (WEIR_TS_PROGRAMS_MAX + 2)

/* PAT and PMTs of some part of the stream. */
typedef struct weir__psi {
  uint32_t packets;
  uint32_t pids;                 /* in the list below */
  uint16_t pid[WEIR__PSI_PIDS];  /* the last is what a skip is marked on */
  uint8_t of[WEIR__PSI_PACKETS]; /* each packet's index in that list */
  uint8_t bytes[WEIR_TRACK_PREAMBLE_MAX];
} weir__psi_t;

typedef struct weir__point {
  uint64_t position;
  int64_t time; /* 27 MHz ticks since the last gap */
  uint32_t psi; /* number of its set */
  /* Continuity counters of the last packets before it, of the PIDs of its set:
   * four bits each. */
  uint8_t counters[WEIR__PSI_PIDS / 2];
} weir__point_t;

/* A ring of points in ascending order of position and time. */
typedef struct weir__index {
  weir__point_t *points; /* WEIR_TRACK_JOINS_MAX */
  weir__psi_t *psi;      /* WEIR__PSI_SETS */
  uint32_t start;
  uint32_t count;
  uint32_t newest; /* number of the newest set; 0: none yet */
} weir__index_t;

static inline uint8_t weir__point_counter(const weir__point_t *point,
                                          uint32_t pid) {
  return point->counters[pid / 2] >> (pid % 2 * 4) & 0x0f;
}

static inline void weir__point_set_counter(weir__point_t *point, uint32_t pid,
                                           uint32_t value) {
  uint8_t *pair = &point->counters[pid / 2];
  uint32_t shift = pid % 2 * 4;
  *pair = (uint8_t)((*pair & (0xf0u >> shift)) | (value & 0x0f) << shift);
}

static inline const weir__point_t *weir__index_at(const weir__index_t *index,
                                                  uint32_t i) {
  return &index->points[(index->start + i) % WEIR_TRACK_JOINS_MAX];
}

/* The set of a number, which must be one of those kept. */
static inline weir__psi_t *weir__index_psi(const weir__index_t *index,
                                           uint32_t number) {
  return &index->psi[number % WEIR__PSI_SETS];
}

/* UV_ENOMEM; it is to be closed all the same. */
int weir__index_open(weir__index_t *index, const weir_allocator_t *allocator);
void weir__index_close(weir__index_t *index, const weir_allocator_t *allocator);

/* Makes a copy of `psi` the newest set, unless it is that already; the points
 * of the oldest go when there are too many. */
void weir__index_renew(weir__index_t *index, const weir__psi_t *psi);

/* Adds a point of the newest set; no-op unless it is the newest by position.
 * When the index is full every second point of the older half goes. O(1),
 * amortised. */
void weir__index_add(weir__index_t *index, const weir__point_t *point);

/* How many points are older than a position, and at it. O(log points). */
uint32_t weir__index_below(const weir__index_t *index, uint64_t position);

/* The same by time, not later than `time`. */
uint32_t weir__index_until(const weir__index_t *index, int64_t time);

/* The packets before a point, numbered so that its stream's next ones follow.
 * Returns their length. */
size_t weir__index_preamble(const weir__index_t *index,
                            const weir__point_t *point, uint8_t *packets);

#pragma GCC visibility pop

#endif
