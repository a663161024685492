/* track_state.h - a track as its own parts see it. */
#ifndef WEIR_TRACK_STATE_H
#define WEIR_TRACK_STATE_H

#include "track_index.h"

#pragma GCC visibility push(hidden)

/* Access points of a slice; more are let go. */
#define WEIR__TRACK_PENDING 64u

/* What is to be put before the next packet. */
typedef enum weir__marker {
  NO_MARKER,
  SPLICE_MARKER,
  GAP_MARKER
} weir__marker_t;

/* A packet that goes behind a marker of its PID. */
typedef struct weir__marked {
  uint64_t packet;
  uint16_t pid;
  uint8_t continuity;
} weir__marked_t;

typedef struct weir__pending {
  uint64_t packet;
  int64_t time;
} weir__pending_t;

struct weir_track {
  uint32_t magic;
  weir_allocator_t allocator;
  weir_track_options_t options;
  weir_log_t *log;
  weir_ts_t *ts;
  weir__index_t index;

  uint64_t base;  /* weir__track_position(), */
  uint64_t first; /* for packets from this one on */
  uint64_t floor;
  uint64_t gaps;
  weir__marker_t marker;
  uint32_t markers; /* in the list below */
  uint32_t put;     /* of them, in the log */
  weir__marked_t marked[WEIR_TRACK_MARKERS_MAX];
  uint8_t has_passed;  /* a packet since the last gap */
  uint8_t has_changed; /* something to be told */
  uint8_t has_psi;     /* a PAT or PMT since the set was made */
  weir_ts_foreign_t foreign;

  /* The PCRs that are followed. */
  uint8_t is_running;
  uint16_t clock_pid;
  uint64_t clock_value;
  uint64_t clock_packet;
  int64_t time; /* ticks since the last gap, at clock_packet */
  double rate;  /* bytes a second; 0: not known */

  uint32_t pending_count;
  weir__pending_t pending[WEIR__TRACK_PENDING];
};

/* ---- track_points.c ---- */

/* The scanner's. */
void weir__track_on_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr);
void weir__track_on_access(weir_ts_t *ts, const weir_ts_access_t *access);

/* Adds the access points of a slice, all of whose packets have passed. */
void weir__track_settle(weir_track_t *track);

/* The programme that is followed: the first with video, or else the first. */
const weir_ts_program_t *weir__track_followed(const weir_track_t *track);

/* Where a packet of this run lies, in or behind what has passed. */
uint64_t weir__track_position(const weir_track_t *track, uint64_t packet);

/* The counters of the last packets before a point, of the newest set's PIDs. */
void weir__track_counters(const weir_track_t *track, weir__point_t *point);

/* When the byte at a position came, ticks: between two points by the bytes
 * between them. */
double weir__track_time(const weir_track_t *track, uint64_t position);

#pragma GCC visibility pop

#endif
