/*
 * source_ts_file.c - the file that is played is a transport stream: its PCRs
 * say when its bytes are due.
 *
 * The blocks that were read ahead are known to a clock before they are played.
 * When two PCRs are less than a block apart, which they are up to some 10
 * Mbit/s, bytes are spread evenly between them; otherwise some come as early as
 * the PCR before them. None comes late.
 */
#include "source_file.h"
#include "weir/errors.h"

/* Bytes without a PCR that are played: beyond what shows that it is no
 * transport stream. */
#define SILENCE_MAX (WEIR_TS_SEARCH_MAX + WEIR_SOURCE_FILE_BLOCK)

/* Ticks since the schedule began, from its base. */
static uint64_t time_now(const weir_source_t *source) {
  double elapsed = (double)(weir__source_now(source) - source->epoch);
  return source->clock->base + (uint64_t)(elapsed * WEIR_TS_CLOCK / 1e9);
}

static void start_schedule(weir_source_t *source) {
  weir__file_clock_t *clock = source->clock;
  weir__source_pace_start(source, 0);
  clock->base = weir__file_clock_time(clock, clock->played);
}

/* The offset up to which bytes are due now: all that were read when no later
 * PCR is known, unless what is being read may tell of one. */
static uint64_t due(weir_source_t *source) {
  weir__file_clock_t *clock = source->clock;
  uint64_t time = time_now(source);
  uint64_t played = weir__file_clock_time(clock, clock->played);
  double late = ((double)time - (double)played) * 1e9 / WEIR_TS_CLOCK;
  late -= (double)source->options.pace;
  /* Before its first PCR it has no schedule; and when the machine slept it
   * goes on from now instead of flooding. */
  if (clock->count == 0 || late > (double)WEIR__SOURCE_MAX_LATE) {
    start_schedule(source);
    time = clock->base;
  }
  return weir__file_clock_due(clock, time);
}

static uint64_t certainly_due(weir_source_t *source, uint64_t end) {
  source->starved = end == UINT64_MAX && source->reading;
  return source->starved ? weir__file_clock_last(source->clock) : end;
}

/* The file begins again; not without knowing how long it took. */
static int begin_again(weir_source_t *source) {
  if (source->clock->ticks > 0) {
    weir__source_splice(source);
    return 0;
  }
  int error = weir__source_finish(source);
  return error < 0 ? error : WEIR_ENOPCR;
}

/* Plays some of the bytes that were read, up to the offset `end`. How many, 0
 * for none, or a negative error. */
static int64_t play(weir_source_t *source, uint64_t end, size_t most) {
  weir__block_t *block = &source->blocks[source->draining];
  weir__file_clock_t *clock = source->clock;
  size_t ready = block->length - block->taken;
  if (ready == 0) source->starved = 1;
  if (ready > most) ready = most;
  if (ready > end - clock->played) ready = (size_t)(end - clock->played);
  uint64_t room = ready > 0 ? weir__source_track_room(source, ready) : 0;
  if (room == 0) return 0;
  if (ready > room) ready = (size_t)room;
  int error = 0;
  if (block->is_first && block->taken == 0 && clock->played > 0)
    error = begin_again(source);
  if (error == 0)
    error = weir__source_push(source, block->bytes + block->taken, ready);
  if (error < 0) return error;
  block->taken += ready;
  clock->played += ready;
  weir__file_read_on(source);
  return (int64_t)ready;
}

static int finish(weir_source_t *source) {
  int error = weir__source_finish(source);
  if (error < 0) return error;
  return source->clock->count > 0 ? 0 : WEIR_ENOPCR;
}

static void turn(weir_source_t *source) {
  if (!source->opened) return;
  weir__file_clock_t *clock = source->clock;
  uint64_t before = source->bytes;
  size_t left = weir__source_budget(source);
  uint64_t end = due(source);
  int64_t n = 1;
  while (n > 0 && left > 0) {
    uint64_t to = certainly_due(source, end);
    if (clock->played >= to) break;
    n = play(source, to, left);
    if (n > 0) left -= (size_t)n;
  }
  if (source->closing) return;
  if (n >= 0 && clock->played > weir__file_clock_last(clock) + SILENCE_MAX)
    n = WEIR_ENOPCR;
  int is_over = weir__file_is_over(source);
  if (n >= 0 && is_over) n = finish(source);
  if (source->bytes > before) weir__source_published(source);
  if (source->closing) return;
  if (n < 0 || is_over) weir__source_end(source, n < 0 ? (int)n : 0);
}

static void go(weir_source_t *source) {
  if (!source->opened) return; /* goes when the first block is there */
  start_schedule(source);
  weir__source_pace_arm(source);
}

const weir__source_kind_t weir__ts_file_kind = {go, weir__file_halt, turn,
                                                weir__file_close};
