/*
 * track.c - a transport stream on its way into a log.
 *
 * The scanner hands packets over and says what they are; both within a push,
 * which is cut into slices that are small beside the ring.
 */
#include "allocation.h"
#include "options.h"
#include "track_state.h"
#include "weir/errors.h"

#define TRACK_MAGIC 0x57455452u
#define SLICE_MAX   65536u /* bytes, or a quarter of the ring */

/* ---- what the scanner says ---- */

static void put_marker(weir_track_t *track) {
  uint8_t packet[WEIR_TS_PACKET];
  if (track->marker == GAP_MARKER && weir_log_has_files(track->log))
    weir_log_files_clear(track->log);
  weir_ts_discontinuity(packet, track->marker_pid, track->marker_counter);
  weir_log_append(track->log, packet, sizeof packet);
  track->marker = NO_MARKER;
  track->gaps++;
}

static void on_packets(weir_ts_t *ts, const uint8_t *packets, size_t count,
                       uint64_t first) {
  weir_track_t *track = weir_ts_data(ts);
  if (track->marker != NO_MARKER) put_marker(track);
  if (!track->has_passed) track->first = first;
  track->has_passed = 1;
  track->base = weir_log_head(track->log) - first * WEIR_TS_PACKET;
  weir_log_append(track->log, packets, count * WEIR_TS_PACKET);
}

static void on_lock(weir_ts_t *ts, uint64_t offset, uint32_t stride) {
  weir_track_t *track = weir_ts_data(ts);
  (void)offset;
  (void)stride;
  track->has_changed = 1;
}

static void on_loss(weir_ts_t *ts, uint64_t offset) {
  on_lock(ts, offset, 0);
}

static void on_program(weir_ts_t *ts, const weir_ts_program_t *program,
                       uint64_t packet) {
  weir_track_t *track = weir_ts_data(ts);
  (void)program;
  (void)packet;
  track->has_changed = 1;
  track->has_psi = 1;
}

/* There so that continuity is followed. */
static void on_continuity(weir_ts_t *ts, uint16_t pid, uint8_t expected,
                          uint8_t found, uint64_t packet) {
  (void)ts;
  (void)pid;
  (void)expected;
  (void)found;
  (void)packet;
}

static void on_foreign(weir_ts_t *ts, weir_ts_foreign_t looks_like) {
  weir_track_t *track = weir_ts_data(ts);
  track->foreign = looks_like;
}

static void tell(weir_track_t *track) {
  if (!track->has_changed) return;
  track->has_changed = 0;
  if (track->options.on_change != NULL) track->options.on_change(track);
}

/* ---- pushing ---- */

/* What a push or the end came to: bytes in the log since `before`, or an
 * error. */
static int64_t settled(weir_track_t *track, uint64_t before, int status) {
  tell(track);
  if (status < 0) return status;
  return (int64_t)(weir_log_head(track->log) - before);
}

int64_t weir_track_push(weir_track_t *track, const void *bytes, size_t length) {
  const uint8_t *from = bytes;
  uint64_t before = weir_log_head(track->log);
  size_t most = weir_log_capacity(track->log) / 4;
  int status = 0;
  if (most > SLICE_MAX) most = SLICE_MAX;
  while (length > 0 && status == 0) {
    size_t slice = length < most ? length : most;
    status = weir_ts_push(track->ts, from, slice);
    weir__track_settle(track);
    from += slice;
    length -= slice;
  }
  return settled(track, before, status);
}

int64_t weir_track_end(weir_track_t *track) {
  uint64_t before = weir_log_head(track->log);
  int status = weir_ts_end(track->ts);
  weir__track_settle(track);
  return settled(track, before, status);
}

/* What follows is marked, once there is something before and after it. */
static void mark(weir_track_t *track, weir__marker_t marker) {
  if (track->has_passed)
    weir__track_discontinuity(track, &track->marker_pid,
                              &track->marker_counter);
  if (track->has_passed || track->marker != NO_MARKER)
    if (marker > track->marker) track->marker = marker;
  track->has_passed = 0;
  track->is_running = 0;
}

void weir_track_splice(weir_track_t *track) {
  (void)weir_track_end(track);
  mark(track, SPLICE_MARKER);
}

void weir_track_gap(weir_track_t *track) {
  mark(track, GAP_MARKER);
  if (track->marker != NO_MARKER) {
    track->floor = weir_log_head(track->log);
    weir__index_clear(&track->index);
    track->time = 0;
  }
  track->pending_count = 0;
  track->has_psi = 0;
  track->foreign = WEIR_TS_FOREIGN_UNKNOWN;
  weir_ts_reset(track->ts);
}

/* ---- the handle ---- */

int weir_track_create(weir_track_t **track, const weir_track_options_t *given) {
  weir_track_options_t options;
  int error = weir__options_read(&options, sizeof options, given,
                                 WEIR__OPTIONS_TO(weir_track_options_t, data));
  if (error < 0) return error;
  if (options.log == NULL || weir_log_unit(options.log) != WEIR_TS_PACKET)
    return WEIR_EOPTION;
  weir_allocator_t allocator = weir__allocator(options.allocator);
  weir_track_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = TRACK_MAGIC;
  made->allocator = allocator;
  made->options = options;
  made->log = options.log;
  made->floor = weir_log_head(options.log);
  weir_ts_options_t scanner = {.size = sizeof scanner,
                               .settings = {.on_packets = on_packets,
                                            .on_lock = on_lock,
                                            .on_loss = on_loss,
                                            .on_program = on_program,
                                            .on_continuity = on_continuity,
                                            .on_pcr = weir__track_on_pcr,
                                            .on_access = weir__track_on_access,
                                            .on_foreign = on_foreign},
                               .allocator = options.allocator,
                               .data = made};
  error = weir_ts_create(&made->ts, &scanner);
  if (error == 0) error = weir__index_open(&made->index, &allocator);
  if (error < 0) {
    weir_track_destroy(made);
    return error;
  }
  *track = made;
  return 0;
}

void weir_track_destroy(weir_track_t *track) {
  if (track == NULL || track->magic != TRACK_MAGIC) return;
  weir_ts_destroy(track->ts);
  weir__index_close(&track->index, &track->allocator);
  track->magic = 0;
  weir__release(&track->allocator, track, sizeof *track);
}

const weir_ts_t *weir_track_scanner(const weir_track_t *track) {
  return track->ts;
}

void *weir_track_data(const weir_track_t *track) {
  return track->options.data;
}
