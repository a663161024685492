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

/* The programme that is followed: the first with video, or else the first. */
static const weir_ts_program_t *followed(const weir_track_t *track) {
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

static uint16_t pcr_pid(const weir_track_t *track) {
  const weir_ts_program_t *program = followed(track);
  return program != NULL ? program->pcr_pid : WEIR_TS_NO_PID;
}

/* The last continuity counter of a PID; 15, whose successor is 0, of one that
 * has had none. */
static uint8_t last_counter(const weir_track_t *track, uint16_t pid) {
  return (uint8_t)(weir_ts_continuity(track->ts, pid) & 0x0f);
}

void weir__track_discontinuity(const weir_track_t *track, uint16_t *pid,
                               uint8_t *counter) {
  *pid = pcr_pid(track);
  if (*pid == WEIR_TS_NO_PID) *pid = 0;
  *counter = last_counter(track, *pid);
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
  uint16_t pid = pcr_pid(track);
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
      .position = track->base + track->clock_packet * WEIR_TS_PACKET,
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
    if (k == psi.pids && psi.pids < WEIR__PSI_PIDS - 1)
      psi.pid[psi.pids++] = pids[i];
    psi.of[i] = (uint8_t)k;
  }
  uint8_t counter;
  weir__track_discontinuity(track, &psi.pid[psi.pids++], &counter);
  weir__index_renew(&track->index, &psi);
  track->has_psi = 0;
}

void weir__track_on_access(weir_ts_t *ts, const weir_ts_access_t *access) {
  weir_track_t *track = weir_ts_data(ts);
  const weir_ts_program_t *program = followed(track);
  int is_ours = 0;
  for (uint32_t i = 0; program != NULL && i < program->streams; i++)
    if (program->stream[i].pid == access->pid) is_ours = 1;
  if (!is_ours || track->pending_count == WEIR__TRACK_PENDING) return;
  track->pending[track->pending_count++] =
      (weir__pending_t){access->packet, time_of_packet(track, access->packet)};
}

/* Takes the counters that come next in the packets from a point on, whose
 * predecessors are those before it. */
static void look_ahead(const weir__psi_t *psi, weir__point_t *point,
                       uint64_t *missing, const uint8_t *packet,
                       size_t length) {
  for (; length > 0 && *missing != 0;
       packet += WEIR_TS_PACKET, length -= WEIR_TS_PACKET) {
    uint16_t pid = (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
    for (uint32_t i = 0; i < psi->pids; i++) {
      if (psi->pid[i] != pid || (*missing >> i & 1) == 0) continue;
      int advances = (packet[3] & PAYLOAD) != 0;
      weir__point_set_counter(point, i, packet[3] + 16u - (uint32_t)advances);
      *missing &= ~((uint64_t)1 << i);
    }
  }
}

void weir__track_counters(const weir_track_t *track, weir__point_t *point) {
  point->psi = track->index.newest;
  if (point->psi == 0) return;
  const weir__psi_t *psi = weir__index_psi(&track->index, point->psi);
  uint64_t missing = ((uint64_t)1 << psi->pids) - 1;
  struct iovec iov[2];
  int pieces;
  int64_t shown =
      weir_log_peek(track->log, point->position, SIZE_MAX, iov, &pieces);
  for (int i = 0; shown > 0 && i < pieces; i++)
    look_ahead(psi, point, &missing, iov[i].iov_base, iov[i].iov_len);
  for (uint32_t i = 0; i < psi->pids; i++)
    if ((missing >> i & 1) != 0)
      weir__point_set_counter(point, i, last_counter(track, psi->pid[i]));
}

void weir__track_settle(weir_track_t *track) {
  if (track->has_psi && weir_ts_programs(track->ts) > 0) renew_psi(track);
  for (uint32_t i = 0; i < track->pending_count; i++) {
    weir__point_t point = {.time = track->pending[i].time};
    uint64_t packet = track->pending[i].packet;
    if (!track->has_passed || packet < track->first) continue;
    point.position = track->base + packet * WEIR_TS_PACKET;
    weir__track_counters(track, &point);
    if (track->index.count == 0) track->has_changed = 1;
    weir__index_add(&track->index, &point);
  }
  track->pending_count = 0;
}
