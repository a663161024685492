/*
 * track.h - a transport stream on its way into a log.
 *
 * Bytes of a source go through a scanner; whole packets are appended to the
 * log, whose unit is a packet. As they pass, the places where decoding can
 * begin are noted: the track is the index of the log. It says where a joiner
 * starts, what it must be sent first, where a listener that lost its place
 * lands, and where old bytes may be cut off.
 *
 * The index is bounded: WEIR_TRACK_JOINS_MAX points; when it is full every
 * second of the older half goes. Points that the log no longer keeps go too.
 */
#ifndef WEIR_TRACK_H
#define WEIR_TRACK_H

#include <stddef.h>
#include <stdint.h>

#include "allocator.h"
#include "fanout.h"
#include "log.h"
#include "ts.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_TRACK_JOINS_MAX    4096u
#define WEIR_TRACK_PREAMBLE_MAX (64u * WEIR_TS_PACKET) /* bytes */
#define WEIR_TRACK_MARKERS_MAX  32u /* PIDs that a gap is marked on */
/* Bytes that may be appended beyond those that were pushed: markers, and what
 * the scanner had held back. */
#define WEIR_TRACK_SURPLUS (8192u + WEIR_TRACK_MARKERS_MAX * WEIR_TS_PACKET)

typedef struct weir_track weir_track_t;

typedef struct weir_track_options {
  size_t size;
  weir_log_t *log; /* unit WEIR_TS_PACKET; not owned, outlives it. Required */
  /* Something that people want to know has changed: locked or lost, programmes
   * or streams, the first join point of a run. Not once for each packet, PCR or
   * join point. From within weir_track_push(), weir_track_end() or
   * weir_track_splice(). May be NULL. */
  void (*on_change)(weir_track_t *track);
  const weir_allocator_t *allocator;
  void *data;
} weir_track_options_t;

/* UV_ENOMEM, WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_track_create(
    weir_track_t **track, const weir_track_options_t *options);

/* Frees it; before its log, after its fan-out. NULL is a no-op. */
WEIR_EXTERN void weir_track_destroy(weir_track_t *track);

/*
 * Takes the next bytes of the source and appends the packets in them to the
 * log. The caller tells the fan-out (weir_fanout_published()). Returns the
 * bytes appended to the log, or WEIR_ENOTTS.
 */
WEIR_EXTERN WEIR_NODISCARD int64_t weir_track_push(weir_track_t *track,
                                                   const void *bytes,
                                                   size_t length);

/* The source has ended: appends what the scanner still decides. Bytes
 * appended, or WEIR_ENOTTS when no packet was found in what came. */
WEIR_EXTERN int64_t weir_track_end(weir_track_t *track);

/*
 * The next bytes do not continue the former: the source was away, or another
 * began. The files of the log restart there, and no joiner starts before it.
 * From then on the first packet of each PID, of the first
 * WEIR_TRACK_MARKERS_MAX, goes behind a discontinuity packet of that PID: each
 * has a continuity counter of its own. Costs nothing when no packet has passed
 * since the last gap.
 */
WEIR_EXTERN void weir_track_gap(weir_track_t *track);

/* As weir_track_gap, for a stream whose clock jumps but that has not been
 * away (a file that begins again): what the scanner still decides is appended,
 * and then the discontinuity packets only. */
WEIR_EXTERN void weir_track_splice(weir_track_t *track);

/* Where somebody starts. */
typedef struct weir_track_join {
  uint64_t position;
  double seconds; /* before head, by PCR or byte rate; 0: not known */
  int is_access;  /* decoding can begin there; 0: no such point is kept */
  size_t preamble_length;
  uint8_t preamble[WEIR_TRACK_PREAMBLE_MAX]; /* PAT and PMTs of that place,
                                                numbered so that the stream's
                                                next ones follow */
} weir_track_join_t;

/*
 * The newest join point that is at least `seconds` before head (0: the newest
 * of all; INFINITY: the oldest), or else the oldest; never before the last gap
 * nor the log's tail. Without a join point: head. O(log points).
 */
WEIR_EXTERN void weir_track_join(const weir_track_t *track, double seconds,
                                 weir_track_join_t *join);

/* The newest join point <= position that is >= floor; UINT64_MAX when there is
 * none. For rotation. O(log points). */
WEIR_EXTERN uint64_t weir_track_before(const weir_track_t *track,
                                       uint64_t position, uint64_t floor);

/* Seconds of stream between two positions, by PCR where known. */
WEIR_EXTERN double weir_track_seconds(const weir_track_t *track, uint64_t from,
                                      uint64_t to);

/* What a fan-out on this log asks when a listener skips: see fanout.h. */
WEIR_EXTERN const weir_landing_t *weir_track_landing(void);

typedef struct weir_track_info {
  weir_ts_state_t state;
  uint32_t stride;
  double bitrate;            /* bits a second; 0: not known */
  uint64_t gaps;             /* and splices that are marked in the log */
  uint64_t joins;            /* join points kept */
  uint64_t last_join;        /* position; UINT64_MAX: none */
  uint64_t floor;            /* no joiner starts before: the last gap */
  weir_ts_foreign_t foreign; /* after WEIR_ENOTTS */
  weir_ts_counters_t counters;
} weir_track_info_t;

WEIR_EXTERN void weir_track_info(const weir_track_t *track,
                                 weir_track_info_t *info);

/* Its scanner, to ask for programmes. Not to be pushed to. */
WEIR_EXTERN const weir_ts_t *weir_track_scanner(const weir_track_t *track);

WEIR_EXTERN void *weir_track_data(const weir_track_t *track);

WEIR_END_DECLS

#endif
