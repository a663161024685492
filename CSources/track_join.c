/* track_join.c - what a track is asked: where to start, and where to land. */
#include <math.h>
#include <string.h>

#include "track_state.h"

/* Points that nobody can be sent any more; the others come after them. */
static uint32_t lost_points(const weir_track_t *track) {
  uint64_t tail = weir_log_tail(track->log);
  return tail > 0 ? weir__index_below(&track->index, tail - 1) : 0;
}

void weir_track_join(const weir_track_t *track, double seconds,
                     weir_track_join_t *join) {
  const weir__index_t *index = &track->index;
  uint64_t head = weir_log_head(track->log);
  double now = weir__track_time(track, head);
  uint32_t oldest = lost_points(track);
  weir__point_t point = {.position = head, .time = (int64_t)now};
  memset(join, 0, offsetof(weir_track_join_t, preamble));
  if (oldest < index->count) {
    /* Far back enough, or as far as there is. */
    double wanted = now - fmin(seconds * WEIR_TS_CLOCK, 1e18);
    uint32_t i =
        seconds > 0 ? weir__index_until(index, (int64_t)wanted) : index->count;
    point = *weir__index_at(index, i > oldest ? i - 1 : oldest);
    join->is_access = 1;
  } else if (weir_ts_programs(track->ts) > 0) {
    weir__track_counters(track, &point);
  }
  join->position = point.position;
  join->seconds = fmax(0, (now - (double)point.time) / WEIR_TS_CLOCK);
  join->preamble_length = weir__index_preamble(index, &point, join->preamble);
}

uint64_t weir_track_before(const weir_track_t *track, uint64_t position,
                           uint64_t floor) {
  uint32_t below = weir__index_below(&track->index, position);
  if (below == 0) return UINT64_MAX;
  uint64_t found = weir__index_at(&track->index, below - 1)->position;
  return found >= floor ? found : UINT64_MAX;
}

double weir_track_seconds(const weir_track_t *track, uint64_t from,
                          uint64_t to) {
  if (from >= to) return 0;
  double ticks = weir__track_time(track, to) - weir__track_time(track, from);
  return fmax(0, ticks / WEIR_TS_CLOCK);
}

void weir_track_info(const weir_track_t *track, weir_track_info_t *info) {
  const weir__index_t *index = &track->index;
  memset(info, 0, sizeof *info);
  info->state = weir_ts_state(track->ts);
  info->stride = weir_ts_stride(track->ts);
  info->bitrate = track->rate * 8;
  info->gaps = track->gaps;
  info->joins = index->count - lost_points(track);
  info->last_join = UINT64_MAX;
  if (info->joins > 0)
    info->last_join = weir__index_at(index, index->count - 1)->position;
  info->floor = track->floor;
  info->foreign = track->foreign;
  weir_ts_counters(track->ts, &info->counters);
}

/* ---- landing ---- */

static uint64_t land(void *context) {
  const weir_track_t *track = context;
  const weir__index_t *index = &track->index;
  if (lost_points(track) == index->count) return weir_log_head(track->log);
  return weir__index_at(index, index->count - 1)->position;
}

/* One marker, however many PIDs there are: on the PCR's it says that the clock
 * may jump; on the others it would hide a loss that is one (ISO/IEC 13818-1
 * 2.4.3.5). */
static void inject(void *context, uint64_t position, uint8_t *unit) {
  const weir_track_t *track = context;
  const weir__index_t *index = &track->index;
  weir__point_t point = {.position = UINT64_MAX};
  if (index->count > 0) point = *weir__index_at(index, index->count - 1);
  if (point.position != position) { /* head */
    point.position = position;
    weir__track_counters(track, &point);
  }
  uint16_t pid = track->clock_pid;
  int continuity = weir_ts_continuity(track->ts, pid);
  if (point.psi > 0) {
    const weir__psi_t *psi = weir__index_psi(index, point.psi);
    pid = psi->pid[psi->pids - 1];
    continuity = weir__point_counter(&point, psi->pids - 1);
  }
  weir_ts_discontinuity(unit, pid, (uint8_t)(continuity & 15));
}

const weir_landing_t *weir_track_landing(void) {
  static const weir_landing_t landing = {land, inject};
  return &landing;
}
