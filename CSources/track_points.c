/*
 * track_points.c - where a track can be joined, and when that was.
 *
 * An access point is only noted when it is reported. When its slice is
 * through, all its packets lie in the ring, and those from the point on tell
 * which continuity counters come next: what a joiner is sent first ends just
 * before them.
 */
#include <string.h>

#include "pcr.h"
#include "track_state.h"

#define PAYLOAD 0x10u
#define UNKNOWN 0xffu

const weir_ts_program_t *weir__track_followed(const weir_track_t *track) {
  const weir_ts_program_t *found = NULL;
  for (uint32_t i = 0; i < weir_ts_programs(track->ts); i++) {
    const weir_ts_program_t *program = weir_ts_program(track->ts, i);
    if (!program->is_known) continue;
    if (found == NULL) found = program;
    for (uint32_t k = 0; k < program->streams; k++)
      if (program->stream[k].is_video) return program;
  }
  return found;
}

uint64_t weir__track_position(const weir_track_t *track, uint64_t packet) {
  uint32_t before = track->put;
  while (before > 0 && track->marked[before - 1].packet > packet)
    before--;
  return track->base + (packet + before) * WEIR_TS_PACKET;
}

/* ---- time ---- */

/* Ticks that bytes take by the rate; 0 while it is not known. */
static double ticks_of(const weir_track_t *track, double bytes) {
  return track->rate > 0 ? bytes / track->rate * WEIR_TS_CLOCK : 0;
}

/* When a packet comes that is not far from the last PCR. */
static int64_t time_of_packet(const weir_track_t *track, uint64_t packet) {
  double packets = (double)(int64_t)(packet - track->clock_packet);
  return track->time + (int64_t)ticks_of(track, packets * WEIR_TS_PACKET);
}

void weir__track_on_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr) {
  weir_track_t *track = weir_ts_data(ts);
  const weir_ts_program_t *program = weir__track_followed(track);
  uint16_t pid = program != NULL ? program->pcr_pid : WEIR_TS_NO_PID;
  if (pid == WEIR_TS_NO_PID && track->is_running) pid = track->clock_pid;
  if (pid != WEIR_TS_NO_PID && pid != pcr->pid) return;
  uint64_t step = weir__pcr_step(track->clock_value, pcr->value);
  int goes_on = track->is_running && track->clock_pid == pcr->pid &&
                !pcr->is_discontinuous && step > 0;
  if (goes_on)
    track->time += (int64_t)step;
  else if (track->rate > 0) /* a jump: the bytes took as long as any */
    track->time = time_of_packet(track, pcr->packet);
  track->is_running = 1;
  track->clock_pid = pcr->pid;
  track->clock_value = pcr->value;
  track->clock_packet = pcr->packet;
  double bitrate = weir_ts_bitrate(ts);
  if (bitrate > 0) track->rate = bitrate / 8;
}

double weir__track_time(const weir_track_t *track, uint64_t position) {
  uint32_t after = weir__index_below(&track->index, position);
  weir__point_t last = {
      .position = weir__track_position(track, track->clock_packet),
      .time = track->time};
  const weir__point_t *from = &last, *to = &last;
  if (after > 0) from = weir__index_at(&track->index, after - 1);
  if (after < track->index.count) to = weir__index_at(&track->index, after);
  if (after == 0) from = to;
  if (after == track->index.count && position >= last.position) from = &last;
  double bytes = (double)(int64_t)(position - from->position);
  if (from->position >= to->position)
    return (double)from->time + ticks_of(track, bytes);
  return (double)from->time + (double)(to->time - from->time) * bytes /
                                  (double)(to->position - from->position);
}

/* ---- join points ---- */

/* The PCR's, or else that of video; while nothing is known of a programme, the
 * one that time is taken from. */
static uint16_t marker_pid(const weir_track_t *track) {
  const weir_ts_program_t *program = weir__track_followed(track);
  if (program == NULL) return track->clock_pid;
  uint16_t pid = program->pcr_pid;
  for (uint32_t i = program->streams; pid == WEIR_TS_NO_PID && i-- > 0;)
    if (program->stream[i].is_video || i == 0) pid = program->stream[i].pid;
  return pid;
}

static void renew_psi(weir_track_t *track) {
  uint16_t pids[WEIR__PSI_PACKETS];
  weir__psi_t psi;
  memset(&psi, 0, sizeof psi);
  int packets = weir_ts_psi(track->ts, psi.bytes, pids, WEIR__PSI_PACKETS);
  psi.packets = packets > 0 ? (uint32_t)packets : 0;
  for (uint32_t i = 0; i < psi.packets; i++) {
    uint32_t k = 0;
    while (k < psi.pids && psi.pid[k] != pids[i])
      k++;
    if (k == psi.pids) psi.pid[psi.pids++] = pids[i];
    psi.of[i] = (uint8_t)k;
  }
  psi.pid[psi.pids++] = marker_pid(track);
  weir__index_renew(&track->index, &psi);
  track->has_psi = 0;
}

void weir__track_on_access(weir_ts_t *ts, const weir_ts_access_t *access) {
  weir_track_t *track = weir_ts_data(ts);
  const weir_ts_program_t *program = weir__track_followed(track);
  int is_ours = 0;
  for (uint32_t i = 0; program != NULL && i < program->streams; i++)
    if (program->stream[i].pid == access->pid) is_ours = 1;
  if (!is_ours || track->pending_count == WEIR__TRACK_PENDING) return;
  track->pending[track->pending_count++] =
      (weir__pending_t){access->packet, time_of_packet(track, access->packet)};
}

/* The counters of the last packets before a position, of some PIDs: each's
 * next packet tells, or else its last one is before the position. It is 15,
 * whose successor is 0, of a PID that has had none. */
static void look_around(const weir_track_t *track, uint64_t position,
                        const uint16_t *pid, uint32_t pids, uint8_t *counters) {
  uint32_t missing = pids;
  struct iovec iov[2];
  int pieces;
  int64_t n = weir_log_peek(track->log, position, SIZE_MAX, iov, &pieces);
  memset(counters, UNKNOWN, pids);
  for (int k = 0; n > 0 && k < pieces; k++) {
    const uint8_t *packet = iov[k].iov_base;
    const uint8_t *end = packet + iov[k].iov_len;
    for (; packet < end && missing > 0; packet += WEIR_TS_PACKET) {
      uint16_t found = (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
      for (uint32_t i = 0; i < pids; i++) {
        if (pid[i] != found || counters[i] != UNKNOWN) continue;
        int advances = (packet[3] & PAYLOAD) != 0;
        counters[i] = (packet[3] - advances) & 0x0f;
        missing--;
      }
    }
  }
  for (uint32_t i = 0; i < pids; i++)
    if (counters[i] == UNKNOWN)
      counters[i] = weir_ts_continuity(track->ts, pid[i]) & 0x0f;
}

void weir__track_counters(const weir_track_t *track, weir__point_t *point) {
  uint8_t counters[WEIR__PSI_PIDS];
  point->psi = track->index.newest;
  if (point->psi == 0) return;
  const weir__psi_t *psi = weir__index_psi(&track->index, point->psi);
  look_around(track, point->position, psi->pid, psi->pids, counters);
  for (uint32_t i = 0; i < psi->pids; i++)
    weir__point_set_counter(point, i, counters[i]);
}

void weir__track_settle(weir_track_t *track) {
  if (track->has_psi && weir_ts_programs(track->ts) > 0) renew_psi(track);
  for (uint32_t i = 0; i < track->pending_count; i++) {
    weir__point_t point = {.time = track->pending[i].time};
    uint64_t packet = track->pending[i].packet;
    if (!track->has_passed || packet < track->first) continue;
    point.position = weir__track_position(track, packet);
    weir__track_counters(track, &point);
    if (track->index.count == 0) track->has_changed = 1;
    weir__index_add(&track->index, &point);
  }
  track->pending_count = 0;
}
